/* SPDX-License-Identifier: MIT */
/* test_graph_call.c - what a call step brings: plans, continuations, ranges. */
#include "test_graph.h"

/* ---- call plans */

static void grow_two(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 10), b = turn_add(plan, F_LOG, 0, 11);

    (void)call;
    swarm__graph_plan_edge(plan, b, a, false); /* descends */
}

static void grow_after_caller(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 10);

    swarm__graph_plan_edge(plan, call->step, a, false);
}

static void grow_cycle(struct graph_plan *plan, const swarm_call *call) {
    grow_two(plan, call);
    swarm__graph_plan_edge(plan, swarm__graph_handle(plan->graph, plan->first),
                           swarm__graph_handle(plan->graph, plan->last), false);
}

static void grow_agent(struct graph_plan *plan, const swarm_call *call) {
    swarm_step agent = turn_add(plan, 0, AGENT, 20), after = turn_add(plan, F_LOG, 0, 21);

    (void)call;
    swarm__graph_plan_edge(plan, agent, after, false);
}

/* Adds F_GROW with this outcome, and F_LOG(99) behind it. */
static void grow_run(struct turn *turn, void (*how)(struct graph_plan *, const swarm_call *),
                     swarm_outcome outcome, uint32_t flags) {
    struct graph_plan plan;
    swarm_step first, after;

    grow = how;
    grow_outcome = outcome;
    log_count = 0;
    turn_plan(turn, &plan, 0, false);
    first = turn_add(&plan, F_GROW, flags, 5);
    after = turn_add(&plan, F_LOG, 0, 99);
    swarm__graph_plan_edge(&plan, first, after, false);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
}

TEST(a_call_brings_a_plan) {
    struct turn *turn = make(16, 16);

    grow_run(turn, grow_two, SWARM_OUTCOME_OK, 0);
    check_log(3);
    CHECK(log_of[0] == 11 || log_of[0] == 99);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].added, relaxed), 2);
    grow_run(turn, grow_two, SWARM_OUTCOME_OK, GRAPH_TRACKED); /* the turn applies it */
    check_log(3);
    grow_run(turn, grow_after_caller, SWARM_OUTCOME_OK, 0);
    check_log(2);
    grow_run(turn, grow_agent, SWARM_OUTCOME_OK, 0); /* crosses */
    check_log(2);
    CHECK_EQ(turn->ended[SWARM_STEP_FAILED], 0);
    grow_run(turn, grow_two, SWARM_OUTCOME_TERMINAL, 0); /* dropped */
    check_log(0);
    CHECK_EQ(turn->ended[SWARM_STEP_FAILED], 1);
    grow_run(turn, grow_two, SWARM_OUTCOME_TERMINAL, GRAPH_TRACKED);
    check_log(0);
    CHECK_EQ(turn->ended[SWARM_STEP_FAILED], 2);
    grow_run(turn, grow_cycle, SWARM_OUTCOME_OK, 0); /* refused */
    check_log(0);
    CHECK_EQ(turn->ended[SWARM_STEP_FAILED], 3);
    CHECK_EQ(turn->quiet[0], 7);
    check_empty(turn);
    check_room(turn, 16, 16);
    turn_free(turn);
}

TEST(a_refused_call_plan_says_why) {
    struct turn *turn = make(16, 16);

    grow_run(turn, grow_cycle, SWARM_OUTCOME_OK, 0);
    for (uint32_t slot = 0, seen = 0; slot < 16; slot++) {
        if (turn->records[slot].error != 0) {
            CHECK_EQ(turn->records[slot].error, (uint64_t)SWARM_E_CYCLE);
            CHECK_EQ(turn->records[slot].outcome, SWARM_OUTCOME_GARBAGE);
            CHECK_EQ(++seen, 1);
        }
    }
    turn_free(turn);
}

static void grow_some(struct graph_plan *plan, const swarm_call *call) {
    (void)call;
    (void)turn_add(plan, 0, AGENT, 1);
    for (uint64_t i = 0; i < 8; i++) {
        (void)turn_add(plan, F_LOG, 0, i);
    }
}

/* Slots that a plan took ahead do not wait for the turn with it. */
TEST(a_plan_that_waits_for_the_turn_holds_no_more_than_its_own) {
    struct turn *turn = make(8192, 8192);
    uint32_t free = 0;
    struct graph_plan plan;

    check_room(turn, 8192, 8192);
    grow = grow_some;
    turn_plan(turn, &plan, 0, false);
    (void)turn_add(&plan, F_GROW, 0, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_release(turn);
    CHECK_EQ(swarm__graph_work(&turn->graph, 0, 10), 1);
    CHECK(pool_invariant(&turn->graph.steps.pool, &free));
    CHECK_EQ(free + turn->graph.turn_slots.count, 8192 - 1 - 9);
    turn_drive(turn);
    check_log(8);
    check_empty(turn);
    turn_free(turn);
}

/* A call that wanted a plan and could not get one. */
TEST(a_call_without_room_for_its_plan_is_garbage) {
    struct turn *turn = make(16, 16);
    uint32_t plans[TURN_PLANS];

    for (uint32_t tracked = 0; tracked < 2; tracked++) {
        uint32_t flags = tracked != 0 ? GRAPH_TRACKED : 0;

        for (uint32_t i = 0; i < TURN_PLANS; i++) {
            plans[i] = pool_pop(&turn->plans_free);
        }
        turn->ended[SWARM_STEP_FAILED] = 0;
        grow_run(turn, grow_two, SWARM_OUTCOME_OK, flags);
        check_log(0);
        CHECK_EQ(turn->ended[SWARM_STEP_FAILED], 1);
        for (uint32_t i = 0; i < TURN_PLANS; i++) {
            pool_push(&turn->plans_free, plans[i]);
        }
        grow_run(turn, grow_two, SWARM_OUTCOME_OK, flags); /* and the next one is not */
        check_log(3);
    }
    check_empty(turn);
    turn_free(turn);
}

static uint64_t lineages[4][2];
static uint32_t lineage_round;

static void grow_lineage(struct graph_plan *plan, const swarm_call *call) {
    if (call->argument < 4) { /* 0 brings 1 and 2, each of which brings 4 */
        (void)turn_add(plan, F_GROW, 0, 2 * call->argument + 1);
        (void)turn_add(plan, F_GROW, 0, 2 * call->argument + 2);
    }
    if (call->argument > 2) {
        lineages[lineage_round][call->argument & 1] = plan->graph->lineage[(uint32_t)call->step.id];
    }
}

TEST(lineages_depend_on_ancestors_alone) {
    struct turn *turn = make(16, 16);

    for (lineage_round = 0; lineage_round < 4; lineage_round++) {
        struct graph_plan plan;
        swarm_step step;

        grow = grow_lineage;
        turn->ordinal = 77;
        turn_plan(turn, &plan, 0, false);
        for (uint32_t i = 0; i < lineage_round; i++) {
            (void)turn_add(&plan, F_ECHO, 0, 0); /* other slots, other ordinals */
        }
        step = turn_add(&plan, F_GROW, 0, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        CHECK_EQ(swarm__graph_ordinal(&turn->graph, turn_slot(step)), 77 + lineage_round);
        turn_drive(turn);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK((lineages[i][0] & GRAPH_MIXED) != 0);
        CHECK(lineages[i][0] != lineages[i][1]);
        for (uint32_t j = 0; j < i; j++) {
            CHECK(lineages[i][0] != lineages[j][0]);
        }
    }
    lineage_round = 0;
    turn_free(turn);
}

/* ---- scopes */

static void grow_deep(struct graph_plan *plan, const swarm_call *call) {
    if (call->argument > 1) {
        (void)turn_add(plan, F_GROW, GRAPH_TRACKED, call->argument - 1);
        (void)turn_add(plan, F_LOG, 0, 0);
    }
}

TEST(a_scope_is_given_once_and_after_what_is_in_it) {
    struct turn *turn = make(64, 64);

    grow_run(turn, grow_deep, SWARM_OUTCOME_OK, GRAPH_TRACKED);
    CHECK_EQ(turn->quiet[0], 1);
    for (uint32_t scope = 8; scope < 40; scope++) {
        CHECK_EQ(turn->quiet[scope], scope < 12 ? 1u : 0u); /* the fifth brings nothing */
    }
    CHECK_EQ(turn->scopes_count, 32);
    check_empty(turn);
    turn_free(turn);
}

/* ---- continuations */

TEST(a_chain_of_continuations_ends_its_first_caller) {
    for (uint32_t tracked = 0; tracked < 2; tracked++) {
        struct turn *turn = make(8, 8);
        struct graph_plan plan;
        swarm_step first, after;

        turn->keeps = true;
        turn_plan(turn, &plan, 0, false);
        first = turn_add(&plan, F_CHAIN, tracked != 0 ? GRAPH_TRACKED : 0, 10000);
        after = turn_add(&plan, F_LOG, 0, 99999);
        swarm__graph_plan_edge(&plan, first, after, false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn->keeps = false;
        turn_drive(turn);
        check_log(10002);
        for (uint32_t i = 0; i <= 10000; i++) {
            CHECK_EQ(log_of[i], 10000 - i);
        }
        CHECK_EQ(log_of[10001], 99999); /* waited for the last */
        CHECK_EQ(turn_state(turn, first), SWARM_STEP_OK);
        CHECK_EQ(turn->graph.output[turn_slot(first)], 1000); /* and has its value */
        CHECK_EQ(turn->quiet[0], 1);
        forget(turn, first);
        forget(turn, after);
        check_empty(turn);
        turn_free(turn);
    }
}

static uint32_t continue_with, continue_flags;
static uint64_t continue_argument;

static void grow_continue(struct graph_plan *plan, const swarm_call *call) {
    (void)call;
    (void)turn_add(plan, F_LOG, 0, 50);
    swarm__graph_plan_continue(plan,
                               turn_add(plan, continue_with, continue_flags, continue_argument));
}

static void grow_continue_range(struct graph_plan *plan, const swarm_call *call) {
    uint32_t slot = swarm__graph_plan_range(plan, F_ECHO, 1, 10);

    (void)call;
    swarm__graph_plan_continue(plan, swarm__graph_handle(plan->graph, slot));
}

/* Every kind of continuation of every kind of caller, ending well or not. */
TEST(a_caller_ends_as_its_continuation_does) {
    static const struct {
        uint32_t function, flags;
        uint64_t argument;
    } ways[] = {{F_ECHO, 0, 7},
                {F_FAIL, 0, SWARM_OUTCOME_GARBAGE},
                {F_ECHO, GRAPH_TRACKED, 7},
                {F_FAIL, GRAPH_TRACKED, SWARM_OUTCOME_LOST},
                {0, AGENT, 7},
                {F_CHAIN, 0, 3}};

    for (uint32_t i = 0; i < 2 * sizeof ways / sizeof ways[0]; i++) {
        struct turn *turn = make(16, 16);
        struct graph_plan plan;
        swarm_step first, after;
        bool good = ways[i / 2].function != F_FAIL;

        continue_with = ways[i / 2].function;
        continue_flags = ways[i / 2].flags;
        continue_argument = ways[i / 2].argument;
        grow = grow_continue;
        turn->keeps = true;
        turn_plan(turn, &plan, 0, false);
        first = turn_add(&plan, F_GROW, i % 2 != 0 ? GRAPH_TRACKED : 0, 1);
        after = turn_add(&plan, F_LOG, 0, 60);
        swarm__graph_plan_edge(&plan, first, after, false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn->keeps = false;
        turn_drive(turn);
        CHECK_EQ(turn_state(turn, first), good ? SWARM_STEP_OK : SWARM_STEP_FAILED);
        CHECK_EQ(turn_state(turn, after), good ? SWARM_STEP_OK : SWARM_STEP_SKIPPED);
        CHECK_EQ(turn->graph.output[turn_slot(first)], !good                             ? 0
                                                       : ways[i / 2].function == F_CHAIN ? 1000
                                                                                         : 7);
        forget(turn, first);
        forget(turn, after);
        check_empty(turn);
        turn_free(turn);
    }
}

TEST(a_range_may_be_a_continuation) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    swarm_step first;

    grow = grow_continue_range;
    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    first = turn_add(&plan, F_GROW, 0, 1);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn->keeps = false;
    turn_drive(turn);
    CHECK_EQ(turn->graph.output[turn_slot(first)], 55);
    forget(turn, first);
    check_empty(turn);
    turn_free(turn);
}

static swarm_step bad_old;

static void grow_bad_out(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 1), b = turn_add(plan, F_LOG, 0, 2);

    (void)call;
    swarm__graph_plan_continue(plan, a);
    swarm__graph_plan_edge(plan, a, b, false);
}

static void grow_bad_twice(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 1), b = turn_add(plan, F_LOG, 0, 2);

    (void)call;
    swarm__graph_plan_continue(plan, a);
    swarm__graph_plan_continue(plan, b);
}

static void grow_bad_waits(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 1);

    swarm__graph_plan_edge(plan, call->step, a, false); /* would wait for itself */
    swarm__graph_plan_continue(plan, a);
}

static void grow_bad_foreign(struct graph_plan *plan, const swarm_call *call) {
    (void)turn_add(plan, F_LOG, 0, 1);
    swarm__graph_plan_continue(plan, call->step);
}

static void grow_good_waits(struct graph_plan *plan, const swarm_call *call) {
    swarm_step a = turn_add(plan, F_LOG, 0, 1);

    (void)call;
    swarm__graph_plan_edge(plan, bad_old, a, false); /* has ended */
    swarm__graph_plan_continue(plan, a);
}

TEST(continuations_that_are_refused) {
    static void (*const bad[])(struct graph_plan *, const swarm_call *) = {
        grow_bad_out, grow_bad_twice, grow_bad_waits, grow_bad_foreign};
    struct turn *turn = make(16, 16);
    struct graph_plan plan;

    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        grow_run(turn, bad[i], SWARM_OUTCOME_OK, 0);
        check_log(0);
        CHECK_EQ(turn->ended[SWARM_STEP_FAILED], i + 1);
    }
    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    bad_old = turn_add(&plan, F_ECHO, 0, 1);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn->keeps = false;
    turn_drive(turn);
    grow_run(turn, grow_good_waits, SWARM_OUTCOME_OK, 0);
    check_log(2);
    forget(turn, bad_old);
    check_empty(turn);
    turn_free(turn);
}

/* ---- ranges */

TEST(a_range_calls_each_index_once) {
    static const uint64_t counts[] = {0, 1, 2, 7, 8, 9, 1000, 20000};

    for (uint32_t i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
        struct turn *turn = make(16, 16);
        struct graph_plan plan;
        uint64_t count = counts[i / 2];
        bool is_static = i % 2 != 0;
        uint32_t slot;
        swarm_step after;

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static);
        slot = swarm__graph_plan_range(&plan, F_LOG, 0, count);
        after = turn_add(&plan, F_ECHO, 0, 3);
        swarm__graph_plan_edge(&plan, swarm__graph_handle(&turn->graph, slot), after, false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        for (uint32_t round = 0; round < (is_static ? 2 : 1); round++) {
            uint32_t cursor = NONE32, root;

            if (round != 0) {
                log_count = 0;
                swarm__graph_region_reset(&turn->graph, 0);
                CHECK(swarm__graph_region_start(&turn->graph, 0, &cursor, &root));
                turn_ready(turn, root, false);
            }
            turn_drive(turn);
            check_log_is_all((uint32_t)count);
            CHECK_EQ(turn->graph.output[slot], count == 0 ? 0 : count * (count - 1) / 2);
            CHECK_EQ(turn_state(turn, after), SWARM_STEP_OK);
        }
        turn_free(turn);
    }
}

TEST(a_range_fails_with_its_smallest_failure) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    uint32_t slot;

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    slot = swarm__graph_plan_range(&plan, F_FAIL, 0, 9); /* call n fails with outcome n */
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    check_log(9);
    CHECK_EQ(turn->records[slot].outcome, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(kind_state(ATOMIC_LOAD(&turn->graph.kind[slot], relaxed)), SWARM_STEP_FAILED);
    turn_unref(turn, slot);
    check_empty(turn);
    turn_free(turn);
}

/* The record goes with the region, not with the end of the step. */
TEST(static_ranges_give_their_records_back) {
    struct turn *turn = make(16, 16);

    for (uint32_t i = 0; i < 10; i++) {
        struct graph_plan plan;

        turn_plan(turn, &plan, 0, true);
        for (uint32_t j = 0; j < turn->sizes.ranges; j++) {
            CHECK(swarm__graph_plan_range(&plan, F_ECHO, 0, 5) != NONE32);
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        swarm__graph_region_free(&turn->graph, 0);
        check_empty(turn);
    }
    turn_free(turn);
}

TEST(a_range_takes_no_plan) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    uint32_t slot;

    turn_plan(turn, &plan, 0, false);
    slot = swarm__graph_plan_range(&plan, F_BREAK, 0, 3);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    CHECK_EQ(turn->records[slot].outcome, SWARM_OUTCOME_GARBAGE);
    check_empty(turn);
    turn_free(turn);
}

TEST(a_cancel_stops_a_range_between_claims) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    uint32_t slot;

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    slot = swarm__graph_plan_range(&plan, F_CANCEL, 0, 1000000);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    CHECK(log_count >= 6 && log_count <= 4096);
    CHECK_EQ(kind_state(ATOMIC_LOAD(&turn->graph.kind[slot], relaxed)), SWARM_STEP_CANCELLED);
    turn_unref(turn, slot);
    check_empty(turn);
    turn_free(turn);
}

TEST(a_range_that_the_turn_ends_gives_its_record_back) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;

    turn->agent_outcome = SWARM_OUTCOME_TERMINAL;
    for (uint32_t i = 0; i < 10; i++) {
        swarm_step agent;
        uint32_t slot;

        turn_plan(turn, &plan, 0, false);
        agent = turn_add(&plan, 0, AGENT, 0);
        slot = swarm__graph_plan_range(&plan, F_ECHO, 0, 10);
        swarm__graph_plan_edge(&plan, agent, swarm__graph_handle(&turn->graph, slot), false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        CHECK_EQ(turn->ended[SWARM_STEP_SKIPPED], i + 1);
    }
    check_empty(turn);
    turn_free(turn);
}

TEST_MAIN()
