/* SPDX-License-Identifier: MIT */
/* test_graph_run.c - how steps become ready, run and end: on one thread, with a fake turn. */
#include "test_graph.h"

#include "../src/graph/step.h"

#define AGENT (GRAPH_TRACKED | GRAPH_AGENT)

static void check_log(uint32_t count) {
    CHECK_EQ(log_count, count);
}

/* Every number below count is in the log once. */
static void check_log_is_all(uint32_t count) {
    static bool seen[LOG_MAX];

    memset(seen, 0, sizeof seen);
    CHECK_EQ(log_count, count);
    for (uint32_t i = 0; i < log_count && i < LOG_MAX; i++) {
        CHECK(log_of[i] < count && !seen[log_of[i]]);
        seen[log_of[i] % LOG_MAX] = true;
    }
}

/* Lets go of a step that the owner kept, and sees its handle become stale. */
static void forget(struct turn *turn, swarm_step step) {
    CHECK(swarm__graph_find(&turn->graph, step) == turn_slot(step));
    turn_unref(turn, turn_slot(step));
    CHECK(swarm__graph_find(&turn->graph, step) == NONE32);
}

/* Nothing is left: slots, cells, ranges. */
static void check_empty(struct turn *turn) {
    uint32_t ranges = 0, plans = 0;

    CHECK_EQ(swarm__graph_live(&turn->graph), 0);
    CHECK(pool_invariant(&turn->graph.ranges_free, &ranges));
    CHECK_EQ(ranges, turn->sizes.ranges);
    CHECK(pool_invariant(&turn->plans_free, &plans));
    CHECK_EQ(plans, TURN_PLANS);
}

/* How many slots and cells growing plans can get: takes and gives back all. */
static void check_room(struct turn *turn, uint32_t steps, uint32_t edges) {
    struct graph_plan plan;
    swarm_step first = {0}, step;
    uint32_t count = 0;

    turn_plan(turn, &plan, 0, false);
    while ((step = turn_add(&plan, F_ECHO, 0, 0)).id != 0) {
        first = count++ == 0 ? step : first;
    }
    CHECK_EQ(count, steps);
    swarm__graph_plan_undo(&plan);
    turn_plan(turn, &plan, 0, false);
    first = turn_add(&plan, F_ECHO, 0, 0);
    step = turn_add(&plan, F_ECHO, 0, 0);
    for (count = 0; plan.error.status == SWARM_OK; count++) {
        swarm__graph_plan_edge(&plan, first, step, false);
    }
    CHECK_EQ(count - 1, edges);
    swarm__graph_plan_undo(&plan);
}

/* ---- static runs */

TEST(a_static_run_runs_again_and_again) {
    struct turn *turn = make(16, 64);
    struct graph_plan plan;
    swarm_step steps[10];

    turn_plan(turn, &plan, 2, true);
    for (uint32_t i = 0; i < 10; i++) {
        steps[i] = turn_add(&plan, F_LOG, i == 4 ? GRAPH_TRACKED : 0, i);
        if (i == 7) {
            turn->graph.argument[turn_slot(steps[i])] = 7;
        }
    }
    for (uint32_t i = 0; i < 10; i++) {
        for (uint32_t j = i + 1; j < 10; j++) {
            swarm__graph_plan_edge(&plan, steps[i], steps[j], false);
        }
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    for (uint32_t round = 1; round <= 3; round++) {
        uint32_t cursor = NONE32, slot;

        turn_drive(turn);
        check_log(10);
        for (uint32_t i = 0; i < 10; i++) {
            CHECK_EQ(log_of[i], i);
            CHECK_EQ(turn_state(turn, steps[i]), SWARM_STEP_OK);
            CHECK_EQ(turn->graph.output[turn_slot(steps[i])], i);
            CHECK_EQ(swarm__graph_ordinal(&turn->graph, turn_slot(steps[i])), i);
        }
        CHECK_EQ(turn->quiet[2], round);
        CHECK_EQ(ATOMIC_LOAD(&turn->entered, relaxed), round);
        log_count = 0;
        swarm__graph_region_reset(&turn->graph, 2);
        CHECK_EQ(turn_state(turn, steps[9]), SWARM_STEP_PENDING);
        while (swarm__graph_region_start(&turn->graph, 2, &cursor, &slot)) {
            turn_ready(turn, slot, false);
        }
    }
    turn_drive(turn);
    swarm__graph_region_free(&turn->graph, 2);
    CHECK_EQ(swarm__graph_find(&turn->graph, steps[3]), NONE32);
    check_empty(turn);
    turn_free(turn);
}

TEST(a_static_run_that_failed_can_run_again) {
    struct turn *turn = make(16, 64);
    struct graph_plan plan;
    swarm_step steps[4];
    uint32_t cursor = NONE32, slot;

    turn_plan(turn, &plan, 0, true);
    steps[0] = turn_add(&plan, F_FAIL, 0, SWARM_OUTCOME_TERMINAL);
    for (uint32_t i = 1; i < 4; i++) {
        steps[i] = turn_add(&plan, F_FAIL, i == 2 ? GRAPH_TRACKED : 0, 0);
        swarm__graph_plan_edge(&plan, steps[i - 1], steps[i], i == 3);
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    check_log(1);
    CHECK_EQ(turn_state(turn, steps[0]), SWARM_STEP_FAILED);
    CHECK_EQ(turn_state(turn, steps[1]), SWARM_STEP_SKIPPED);
    CHECK_EQ(turn_state(turn, steps[2]), SWARM_STEP_SKIPPED);
    CHECK_EQ(turn_state(turn, steps[3]), SWARM_STEP_SKIPPED);
    CHECK_EQ(turn->quiet[0], 1);
    CHECK_EQ(turn->delays_count, 0);
    turn->graph.argument[turn_slot(steps[0])] = SWARM_OUTCOME_OK;
    swarm__graph_region_reset(&turn->graph, 0);
    CHECK(swarm__graph_region_start(&turn->graph, 0, &cursor, &slot));
    turn_ready(turn, slot, false);
    CHECK(!swarm__graph_region_start(&turn->graph, 0, &cursor, &slot));
    turn_drive(turn);
    check_log(4);
    CHECK_EQ(turn->delays_count, 1); /* 2 -> 3 */
    CHECK_EQ(turn->quiet[0], 1);
    turn_delay_passed(turn);
    turn_drive(turn);
    check_log(5);
    CHECK_EQ(turn->quiet[0], 2);
    CHECK_EQ(turn_state(turn, steps[3]), SWARM_STEP_OK);
    turn_free(turn);
}

/* The spans of all runs and the growing steps never overlap, whatever comes and goes. */
TEST(static_regions_fill_gaps_and_never_meet_growing_slots) {
    enum { STEPS = 200, RUNS = 8 };
    struct turn *turn = make(STEPS, 400);
    swarm_step growing[STEPS];
    uint32_t owner[STEPS], count[RUNS] = {0}, kept = 0;
    uint64_t taken = 0;

    turn->keeps = true;
    memset(owner, 0xff, sizeof owner);
    for (uint32_t round = 0; round < 20000 && !test_failed(); round++) {
        uint32_t run = 1 + (uint32_t)test_below(RUNS - 1);
        struct graph_plan plan;

        if (test_below(3) == 0) { /* growing */
            uint32_t wanted = (uint32_t)test_below(12);

            turn_plan(turn, &plan, 0, false);
            for (uint32_t i = 0; i < wanted; i++) {
                growing[kept + i] = turn_add(&plan, F_ECHO, 0, i);
            }
            if (turn_commit(turn, &plan) == SWARM_OK) {
                for (uint32_t i = 0; i < wanted; i++) {
                    CHECK_EQ(owner[turn_slot(growing[kept + i])], UINT32_MAX);
                    owner[turn_slot(growing[kept + i])] = 0;
                }
                kept += wanted;
            }
        } else if (count[run] != 0) {
            swarm_step stale =
                swarm__graph_handle(&turn->graph, turn->graph.steps.spans[run].first);

            for (uint32_t slot = 0; slot < STEPS; slot++) {
                owner[slot] = owner[slot] == run ? UINT32_MAX : owner[slot];
            }
            swarm__graph_region_free(&turn->graph, run);
            CHECK_EQ(swarm__graph_find(&turn->graph, stale), NONE32);
            count[run] = 0;
        } else {
            uint32_t wanted = 1 + (uint32_t)test_below(60);

            turn_plan(turn, &plan, run, true);
            for (uint32_t i = 0; i < wanted; i++) {
                (void)turn_add(&plan, F_ECHO, 0, i);
            }
            if (turn_commit(turn, &plan) == SWARM_OK) {
                taken++;
                count[run] = wanted;
                for (uint32_t i = 0; i < wanted; i++) {
                    CHECK_EQ(owner[plan.first + i], UINT32_MAX);
                    owner[plan.first + i] = run;
                }
            }
        }
        turn_drive(turn);
        if (test_below(2) == 0) {
            for (; kept != 0; kept--) {
                owner[turn_slot(growing[kept - 1])] = UINT32_MAX;
                forget(turn, growing[kept - 1]);
            }
        }
        kept = kept > STEPS - 12 ? STEPS - 12 : kept;
    }
    CHECK(taken > 1000);
    turn_free(turn);
}

TEST(an_undone_plan_leaves_no_trace) {
    struct turn *turn = make(64, 64);
    struct graph_plan plan;
    swarm_step old, steps[32];

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    old = turn_add(&plan, F_ECHO, 0, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    for (uint32_t round = 0; round < 200; round++) {
        bool is_static = round % 3 == 0;

        turn_plan(turn, &plan, is_static ? 1 : 0, is_static);
        for (uint32_t i = 0; i < 32; i++) {
            steps[i] = turn_add(&plan, F_ECHO, i == 3 ? GRAPH_TRACKED : 0, i);
            if (i == 5) {
                (void)swarm__graph_plan_range(&plan, F_ECHO, 0, 10);
            }
            if (i > 0) {
                swarm__graph_plan_edge(&plan, steps[i - 1], steps[i], false);
                swarm__graph_plan_edge(&plan, steps[i / 2], steps[i], false);
            }
            if (!is_static && i % 4 == 0) {
                swarm__graph_plan_edge(&plan, old, steps[i], false);
                swarm__graph_plan_edge(&plan, old, steps[i], false);
            }
        }
        if (round % 2 == 0) {
            (void)swarm__graph_plan_check(&plan);
        }
        swarm__graph_plan_undo(&plan);
        CHECK_EQ(swarm__graph_find(&turn->graph, steps[7]), NONE32);
        CHECK_EQ(swarm__graph_live(&turn->graph), 1);
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.refs[turn_slot(old)], relaxed), 1);
    }
    forget(turn, old);
    check_empty(turn);
    check_room(turn, 64, 64);
    turn_free(turn);
}

TEST(an_empty_plan_changes_nothing) {
    struct turn *turn = make(4, 4);

    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct graph_plan plan;

        turn_plan(turn, &plan, 0, is_static != 0);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        CHECK_EQ(turn->quiet[0], 0);
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].open, relaxed), 0);
        swarm__graph_region_free(&turn->graph, 0);
    }
    check_empty(turn);
    turn_free(turn);
}

/* ---- growing runs */

TEST(a_million_steps_go_through_sixty_four_slots) {
    struct turn *turn = make(64, 64);
    struct graph_plan plan;

    for (uint32_t i = 0; i < 4; i++) {
        turn_plan(turn, &plan, 0, false);
        (void)turn_add(&plan, F_FOREVER, 0, 250000 - 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    }
    turn_drive(turn);
    check_log(1000000);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].ok, relaxed), 1000000);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].added, relaxed), 1000000 - 4);
    CHECK_EQ(turn->quiet[0], 1);
    check_empty(turn);
    check_room(turn, 64, 64);
    turn_free(turn);
}

/* Edges from steps that have ended, well or not, and from steps that have not. */
TEST(edges_from_older_steps) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    swarm_step good, bad, open, after[4];

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    good = turn_add(&plan, F_ECHO, 0, 1);
    bad = turn_add(&plan, F_FAIL, 0, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    CHECK_EQ(turn_state(turn, bad), SWARM_STEP_FAILED);
    log_count = 0;
    turn->holds = true;
    turn_plan(turn, &plan, 0, false);
    open = turn_add(&plan, 0, AGENT, 5);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = 0; i < 4; i++) {
        after[i] = turn_add(&plan, F_LOG, 0, i);
        swarm__graph_plan_edge(&plan, good, after[i], false);
        if ((i & 1) != 0) {
            swarm__graph_plan_edge(&plan, open, after[i], false);
        }
        if ((i & 2) != 0) {
            swarm__graph_plan_edge(&plan, bad, after[i], false);
        }
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    check_log(1);
    CHECK_EQ(turn_state(turn, after[0]), SWARM_STEP_OK);
    CHECK_EQ(turn_state(turn, after[1]), SWARM_STEP_PENDING);
    CHECK_EQ(turn_state(turn, after[2]), SWARM_STEP_SKIPPED);
    CHECK_EQ(turn_state(turn, after[3]), SWARM_STEP_PENDING);
    turn->holds = false;
    turn_agent(turn, turn->held[0]);
    turn_drive(turn);
    CHECK_EQ(turn_state(turn, after[1]), SWARM_STEP_OK);
    CHECK_EQ(turn_state(turn, after[3]), SWARM_STEP_SKIPPED);
    check_log(2);
    forget(turn, good);
    forget(turn, bad);
    forget(turn, open);
    for (uint32_t i = 0; i < 4; i++) {
        forget(turn, after[i]);
    }
    check_empty(turn);
    check_room(turn, 16, 16);
    turn_free(turn);
}

/* A plan that names a step keeps its slot, though all others let go of it. */
TEST(a_named_step_is_not_recycled_before_the_plan_is) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;

    for (uint32_t tracked = 0; tracked < 2; tracked++) {
        for (uint32_t undone = 0; undone < 2; undone++) {
            swarm_step old, step;

            turn->keeps = true;
            turn_plan(turn, &plan, 0, false);
            old = turn_add(&plan, F_ECHO, tracked != 0 ? GRAPH_TRACKED : 0, 1);
            CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
            turn_drive(turn);
            turn->keeps = false;
            turn->unused = 0;
            turn_plan(turn, &plan, 0, false);
            step = turn_add(&plan, F_LOG, 0, 0);
            swarm__graph_plan_edge(&plan, old, step, false);
            turn_unref(turn, turn_slot(old));
            CHECK_EQ(swarm__graph_find(&turn->graph, old), turn_slot(old));
            if (undone != 0) {
                swarm__graph_plan_undo(&plan);
            } else {
                CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
            }
            turn_drive(turn); /* a tracked one comes back through the mailbox */
            CHECK_EQ(turn->unused, tracked);
            CHECK_EQ(swarm__graph_find(&turn->graph, old), NONE32);
        }
    }
    check_log(2);
    check_empty(turn);
    turn_free(turn);
}

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

/* ---- poison and cancel */

TEST(poison_cascades_in_every_kind_of_step) {
    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct turn *turn = make(512, 2048);
        struct graph_plan plan;
        swarm_step bad, good, steps[300];

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static != 0);
        bad = turn_add(&plan, F_FAIL, 0, SWARM_OUTCOME_TERMINAL);
        good = turn_add(&plan, F_ECHO, 0, 0);
        for (uint32_t i = 0; i < 300; i++) { /* more than a row's part */
            steps[i] = i % 7 == 3   ? turn_add(&plan, F_LOG, GRAPH_TRACKED, i)
                       : i % 7 == 5 ? turn_add(&plan, 0, AGENT, i)
                                    : turn_add(&plan, F_LOG, 0, i);
            swarm__graph_plan_edge(&plan, bad, steps[i], false);
            swarm__graph_plan_edge(&plan, good, steps[i], false);
            if (i > 100) {
                swarm__graph_plan_edge(&plan, steps[i - 100], steps[i], i % 5 == 0);
            }
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        check_log(1);
        CHECK_EQ(turn_state(turn, bad), SWARM_STEP_FAILED);
        CHECK_EQ(turn_state(turn, good), SWARM_STEP_OK);
        for (uint32_t i = 0; i < 300; i++) {
            CHECK_EQ(turn_state(turn, steps[i]), SWARM_STEP_SKIPPED);
        }
        CHECK_EQ(turn->ended[SWARM_STEP_SKIPPED] +
                     ATOMIC_LOAD(&turn->graph.scopes[0].skipped, relaxed),
                 300);
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].ok, relaxed), 1);
        CHECK_EQ(turn->quiet[0], 1);
        CHECK_EQ(turn->delays_count, 0);
        turn_free(turn);
    }
}

TEST(nothing_of_a_cancelled_scope_runs) {
    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct turn *turn = make(64, 64);
        struct graph_plan plan;
        swarm_step steps[6];

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static != 0);
        steps[0] = turn_add(&plan, F_LOG, 0, 0);
        steps[1] = turn_add(&plan, F_LOG, GRAPH_TRACKED, 1);
        steps[2] = turn_add(&plan, 0, AGENT, 2);
        steps[3] = swarm__graph_handle(&turn->graph, swarm__graph_plan_range(&plan, F_LOG, 0, 10));
        steps[4] = turn_add(&plan, F_LOG, 0, 4);
        steps[5] = swarm__graph_handle(&turn->graph, swarm__graph_plan_range(&plan, F_LOG, 0, 0));
        for (uint32_t i = 0; i < 6; i++) {
            if (i != 4) {
                swarm__graph_plan_edge(&plan, steps[i], steps[4], false);
            }
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        ATOMIC_STORE(&turn->graph.scopes[0].cancelled, 1, relaxed);
        CHECK(swarm__scope_is_cancelled(&turn->graph, 0));
        turn->ends_count = 0; /* the agent step's end was under way: let the turn look again */
        turn_ready(turn, turn_slot(steps[2]), false);
        turn_drive(turn);
        check_log(0);
        for (uint32_t i = 0; i < 6; i++) {
            CHECK_EQ(turn_state(turn, steps[i]), SWARM_STEP_CANCELLED);
        }
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].stopped, relaxed) +
                     turn->ended[SWARM_STEP_CANCELLED],
                 6);
        CHECK(turn->ended[SWARM_STEP_CANCELLED] >= 2); /* the tracked ones */
        CHECK_EQ(turn->quiet[0], 1);
        turn_free(turn);
    }
}

TEST(a_cancel_reaches_child_scopes) {
    struct turn *turn = make(64, 64);

    swarm__scope_open(&turn->graph, 20, 0, 0, 5);
    swarm__scope_open(&turn->graph, 21, 0, 20, 6);
    CHECK_EQ(turn->graph.scopes[21].depth, 2);
    CHECK(!swarm__scope_is_cancelled(&turn->graph, 21));
    ATOMIC_STORE(&turn->graph.scopes[20].cancelled, 1, relaxed);
    CHECK(swarm__scope_is_cancelled(&turn->graph, 21));
    CHECK(swarm__scope_is_cancelled(&turn->graph, 20));
    CHECK(!swarm__scope_is_cancelled(&turn->graph, 0));
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

TEST(a_root_that_got_steps_again_is_given_again) {
    struct turn *turn = make(8, 8);

    for (uint32_t i = 1; i <= 3; i++) {
        struct graph_plan plan;

        turn_plan(turn, &plan, 0, false);
        (void)turn_add(&plan, F_ECHO, 0, 0);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_release(turn);
        CHECK_EQ(swarm__graph_work(&turn->graph, 0, 1), 1); /* it is on the quiet stack now */
        turn_plan(turn, &plan, 0, false);
        (void)turn_add(&plan, F_ECHO, 0, 0);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        CHECK_EQ(swarm__graph_take_quiet(&turn->graph), NONE32); /* open again */
        turn_drive(turn);
        CHECK_EQ(turn->quiet[0], i);
    }
    turn_free(turn);
}

/* ---- delays */

TEST(the_turn_gets_edges_with_a_delay) {
    for (uint32_t i = 0; i < 4; i++) {
        struct turn *turn = make(16, 16);
        struct graph_plan plan;
        swarm_step from, later, at_once;
        bool is_static = (i & 1) != 0, tracked = (i & 2) != 0;

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static);
        from = turn_add(&plan, F_LOG, tracked ? GRAPH_TRACKED : 0, 1);
        later = turn_add(&plan, F_LOG, 0, 2);
        at_once = turn_add(&plan, F_LOG, 0, 3);
        swarm__graph_plan_edge(&plan, from, later, true);
        swarm__graph_plan_edge(&plan, from, at_once, false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        check_log(2);
        CHECK_EQ(turn->delayed, 1);
        CHECK_EQ(turn->delays[0], turn_slot(later));
        CHECK_EQ(turn_state(turn, from), SWARM_STEP_OK);
        CHECK_EQ(turn->graph.output[turn_slot(from)], 1);
        CHECK_EQ(turn_state(turn, later), SWARM_STEP_PENDING);
        turn_delay_passed(turn);
        turn_drive(turn);
        check_log(3);
        CHECK_EQ(turn->quiet[0], 1);
        if (!is_static) {
            forget(turn, from);
            forget(turn, later);
            forget(turn, at_once);
            check_empty(turn);
        }
        turn_free(turn);
    }
}

TEST(a_delay_from_an_older_step) {
    struct turn *turn = make(16, 16);
    struct graph_plan plan;
    swarm_step ended, failed, open, later[3];

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    ended = turn_add(&plan, F_ECHO, 0, 1);
    failed = turn_add(&plan, F_FAIL, 0, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    log_count = 0;
    turn_plan(turn, &plan, 0, false);
    open = turn_add(&plan, F_ECHO, 0, 1); /* plain, ready, not run yet */
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = 0; i < 3; i++) {
        later[i] = turn_add(&plan, F_LOG, 0, i);
    }
    swarm__graph_plan_edge(&plan, ended, later[0], true);
    swarm__graph_plan_edge(&plan, failed, later[1], true);
    swarm__graph_plan_edge(&plan, open, later[2], true);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    CHECK_EQ(turn->late, 1);
    turn_drive(turn);
    check_log(0);
    CHECK_EQ(turn_state(turn, later[1]), SWARM_STEP_SKIPPED);
    CHECK_EQ(turn->delays_count, 2);
    CHECK_EQ(turn->delayed, 1);
    turn_delay_passed(turn);
    turn_drive(turn);
    check_log(1);
    CHECK_EQ(log_of[0], 0);
    turn_delay_passed(turn);
    turn_drive(turn);
    check_log(2);
    CHECK_EQ(log_of[1], 2);
    CHECK_EQ(turn->quiet[0], 2);
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

/* ---- the loop */

TEST(work_keeps_to_its_limits) {
    struct turn *turn = make(256, 16);
    struct graph_plan plan;

    CHECK_EQ(swarm__graph_work(&turn->graph, 2, 10), 0); /* no such worker */
    CHECK_EQ(swarm__graph_work(&turn->graph, UINT32_MAX, 10), 0);
    turn_plan(turn, &plan, 0, true);
    for (uint32_t i = 0; i < 200; i++) {
        (void)turn_add(&plan, F_LOG, 0, i);
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    CHECK(swarm__graph_quiet(&turn->graph));
    turn_release(turn);
    CHECK(!swarm__graph_quiet(&turn->graph));
    CHECK_EQ(swarm__graph_work(&turn->graph, 0, 0), 0);
    for (uint32_t i = 1; i < 20; i++) {
        CHECK_EQ(swarm__graph_work(&turn->graph, i & 1, i), i); /* 190 in all */
        CHECK(!swarm__graph_quiet(&turn->graph));
        check_log(i * (i + 1) / 2);
    }
    CHECK_EQ(swarm__graph_work(&turn->graph, 1, 100), 10); /* also what worker 0 left */
    CHECK(swarm__graph_quiet(&turn->graph));
    CHECK_EQ(swarm__graph_work(&turn->graph, 0, 100), 0);
    check_log_is_all(200);
    turn_free(turn);
}

/* Deques of one item: everything goes through the overflow, and rows are walked in place. */
TEST(a_deque_of_one_item_is_enough) {
    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct graph_sizes sizes = turn_sizes(5000, 20000);
        struct turn *turn;
        struct graph_plan plan;
        swarm_step first, last;

        sizes.deque_size = 1;
        turn = turn_new(&sizes, NULL);
        swarm__graph_function_set(&turn->graph, F_LOG, call_log, NULL);
        log_count = 0;
        turn_plan(turn, &plan, 0, is_static != 0);
        first = turn_add(&plan, F_LOG, 0, 0);
        last = turn_add(&plan, F_LOG, 0, 4999);
        for (uint32_t i = 1; i < 4999; i++) {
            swarm_step step = turn_add(&plan, F_LOG, 0, i);

            swarm__graph_plan_edge(&plan, first, step, false);
            swarm__graph_plan_edge(&plan, step, last, false);
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_drive(turn);
        check_log_is_all(5000);
        CHECK_EQ(log_of[0], 0);
        CHECK_EQ(log_of[4999], 4999);
        turn_free(turn);
    }
}

TEST(a_swarm_without_growing_runs_pays_nothing_for_them) {
    struct graph graph;
    struct arena arena;
    struct graph_sizes sizes = turn_sizes(1000000, 3000000);
    size_t size = 0;

    for (uint32_t growing = 0; growing < 2; growing++) {
        uint32_t most = growing != 0 ? 96 : 64;

        sizes.growing = growing != 0;
        arena_measure(&arena);
        swarm__graph_layout(&graph, &arena, &sizes);
        CHECK(arena_size(&arena, &size));
        CHECK(size <= (size_t)most * 1000000 + 65536); /* three edges a step */
    }
    CHECK_EQ(sizeof(struct scope), 80);
}

TEST_MAIN()
