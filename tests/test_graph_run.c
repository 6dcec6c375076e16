/* SPDX-License-Identifier: MIT */
/* test_graph_run.c - how steps become ready, run and end: on one thread, with a fake turn. */
#include "test_graph.h"

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

/* The turn at work while a worker is inside: it ends the step that was posted, and gives its
 * slot to another run before the worker looks for more. */
static struct turn *busy_turn;

static void busy_signal(void *context) {
    struct turn *turn = busy_turn;
    struct graph_plan plan;
    uint32_t what, slot;

    (void)context;
    busy_turn = NULL;
    if (turn == NULL) {
        return;
    }
    slot = swarm__graph_take_posted(&turn->graph, &what);
    CHECK_EQ(what, GRAPH_POSTED_ENDED);
    turn_posted(turn, slot, what);
    turn_end_one(turn, turn->ends[--turn->ends_count]);
    CHECK_EQ(swarm__graph_take_quiet(&turn->graph), 1);
    swarm__graph_region_free(&turn->graph, 1);
    turn_plan(turn, &plan, 2, true);
    for (uint32_t i = 0; i < 3; i++) {
        (void)turn_add(&plan, F_LOG, 0, 10 + i);
    }
    CHECK_EQ(plan.first, slot);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_release(turn);
}

TEST(a_slot_may_go_to_another_run_while_a_worker_is_inside) {
    struct turn *turn = make(8, 8);
    struct graph_plan plan;

    turn_plan(turn, &plan, 1, true);
    (void)turn_add(&plan, F_LOG, GRAPH_TRACKED, 1);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_release(turn);
    busy_turn = turn;
    turn->graph.hooks.signal = busy_signal;
    CHECK_EQ(swarm__graph_work(&turn->graph, 0, 100), 4);
    check_log(4);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[1].open, relaxed), 0);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[2].open, relaxed), 0);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[2].ok, relaxed), 3);
    turn_drive(turn);
    CHECK_EQ(turn->quiet[2], 1);
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

TEST(a_pinned_step_stays) {
    struct turn *turn = make(4, 4);
    struct graph_plan plan;
    swarm_step step, staged;

    turn_plan(turn, &plan, 0, false);
    step = turn_add(&plan, F_ECHO, 0, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    CHECK_EQ(swarm__graph_pin(&turn->graph, step), turn_slot(step));
    turn_drive(turn);
    CHECK_EQ(swarm__graph_find(&turn->graph, step), turn_slot(step));
    CHECK_EQ(turn_state(turn, step), SWARM_STEP_OK);
    swarm__graph_unpin(&turn->graph, turn_slot(step));
    CHECK_EQ(swarm__graph_find(&turn->graph, step), NONE32);
    turn_plan(turn, &plan, 0, false);
    staged = turn_add(&plan, F_ECHO, 0, 0);
    CHECK_EQ(turn_slot(staged), turn_slot(step)); /* the slot again, and another step */
    CHECK_EQ(swarm__graph_pin(&turn->graph, step), NONE32);
    CHECK_EQ(ATOMIC_LOAD(&turn->graph.refs[turn_slot(staged)], relaxed), 1);
    swarm__graph_plan_undo(&plan);
    check_empty(turn);
    turn_free(turn);
}

TEST(the_callers_reference_can_be_told_from_the_others) {
    struct turn *turn = make(4, 4);
    struct graph_plan plan;
    swarm_step step;
    bool last;

    turn_plan(turn, &plan, 0, false);
    step = turn_add(&plan, F_ECHO, 0, 0);
    graph_keep(&turn->graph, turn_slot(step));
    swarm__graph_plan_undo(&plan); /* also what is kept goes */
    CHECK_EQ(swarm__graph_find(&turn->graph, step), NONE32);
    check_empty(turn);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t early = i & 1;

        turn_plan(turn, &plan, 0, false);
        step = turn_add(&plan, F_ECHO, (i & 2) != 0 ? GRAPH_KEEP : 0, 0);
        if ((i & 2) == 0) {
            graph_keep(&turn->graph, turn_slot(step));
        }
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.refs[turn_slot(step)], relaxed), GRAPH_KEPT + 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        if (early == 0) {
            turn_drive(turn);
        }
        CHECK(graph_let_go(&turn->graph, turn_slot(step), &last));
        CHECK_EQ(last, early == 0);
        if (last) {
            swarm__graph_recycle(&turn->graph, turn_slot(step));
        } else {
            CHECK(!graph_let_go(&turn->graph, turn_slot(step), &last));
        }
        turn_drive(turn);
        CHECK_EQ(swarm__graph_find(&turn->graph, step), NONE32);
        check_empty(turn);
    }
    turn_free(turn);
}

/* An agent step that a worker makes ready goes to the turn at once, before what the worker has in
 * hand. */
TEST(a_worker_posts_agent_steps) {
    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct turn *turn = make(16, 16);
        struct graph_plan plan;
        swarm_step first, agents[2], other, last;
        uint32_t what, slot, posted = 0;

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static != 0);
        first = turn_add(&plan, F_LOG, 0, 0);
        other = turn_add(&plan, F_LOG, 0, 1);
        agents[0] = turn_add(&plan, 0, AGENT, 2);
        agents[1] = turn_add(&plan, 0, AGENT, 3);
        last = turn_add(&plan, F_LOG, 0, 4);
        swarm__graph_plan_edge(&plan, first, other, false);
        for (uint32_t i = 0; i < 2; i++) {
            swarm__graph_plan_edge(&plan, first, agents[i], false);
            swarm__graph_plan_edge(&plan, agents[i], last, false);
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_release(turn);
        CHECK_EQ(swarm__graph_work(&turn->graph, 0, 1), 1);
        CHECK(swarm__graph_has_posted(&turn->graph));
        while ((slot = swarm__graph_take_posted(&turn->graph, &what)) != NONE32) {
            CHECK_EQ(what, GRAPH_POSTED_READY);
            turn_posted(turn, slot, what);
            posted++;
        }
        CHECK_EQ(posted, 2);
        turn_drive(turn);
        check_log(3);
        CHECK_EQ(log_of[2], 4);
        CHECK_EQ(turn->quiet[0], 1);
        turn_free(turn);
    }
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

/* A cancel of one step: the worker that finds it ready does not begin it. */
TEST(a_stopped_step_does_not_run) {
    for (uint32_t is_static = 0; is_static < 2; is_static++) {
        struct turn *turn = make(16, 16);
        struct graph_plan plan;
        swarm_step steps[4];

        turn->keeps = true;
        turn_plan(turn, &plan, 0, is_static != 0);
        steps[0] = turn_add(&plan, F_LOG, 0, 0);
        steps[1] = swarm__graph_handle(&turn->graph, swarm__graph_plan_range(&plan, F_LOG, 0, 10));
        steps[2] = turn_add(&plan, F_LOG, 0, 2);
        steps[3] = turn_add(&plan, F_LOG, 0, 3);
        swarm__graph_plan_edge(&plan, steps[0], steps[2], false);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        for (uint32_t i = 0; i < 2; i++) {
            (void)ATOMIC_OR(&turn->graph.kind[turn_slot(steps[i])], (uint32_t)GRAPH_STOPPED << 20,
                            relaxed);
        }
        turn_drive(turn);
        check_log(1);
        CHECK_EQ(log_of[0], 3);
        CHECK_EQ(turn_state(turn, steps[0]), SWARM_STEP_CANCELLED);
        CHECK_EQ(turn_state(turn, steps[1]), SWARM_STEP_CANCELLED);
        CHECK_EQ(turn_state(turn, steps[2]), SWARM_STEP_SKIPPED);
        CHECK_EQ(turn_state(turn, steps[3]), SWARM_STEP_OK);
        turn_free(turn);
    }
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

TEST_MAIN()
