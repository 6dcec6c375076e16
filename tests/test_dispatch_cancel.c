/* SPDX-License-Identifier: MIT */
/*
 * Cancels: of a step, a subtree, a run, an agent, with steps in every state; what backends hear of
 * it, how long attempts keep what they hold, and that nothing is started behind a cancel's back.
 */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static char lent[8];

static swarm_step step_with(swarm_plan *plan, swarm_step_spec spec) {
    swarm_step step = swarm_step_add(plan, &spec);

    CHECK(step.id != 0);
    return step;
}

/* ---- one step in every state */

enum { IN_PENDING, IN_READY, IN_HELD, IN_QUEUED, IN_FLIGHT, IN_ENDED, STATES };

/* A chain first -> middle -> last with a second agent step beside it; the middle one is brought
 * into the state. */
struct chain {
    struct rig *rig;
    swarm_run run;
    swarm_step middle, last;
};

static void chain_bring(struct chain *chain, uint32_t state) {
    struct rig *rig = chain->rig;

    rig_at(rig, 0);
    if (state == IN_PENDING) {
        return;
    }
    rig->hold_takes = state == IN_QUEUED;
    if (state == IN_READY) {
        rig_hold(rig, 3, SWARM_OUTCOME_THROTTLED, 100);
    }
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK);
    rig_settle(rig);
    if (state == IN_HELD) {
        rig_answer(rig, 1, SWARM_OUTCOME_TRANSIENT);
    } else if (state == IN_ENDED) {
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
    }
}

static struct chain chain_new(uint32_t state) {
    static const uint32_t states[] = {SWARM_STEP_PENDING, SWARM_STEP_READY,   SWARM_STEP_HELD,
                                      SWARM_STEP_RUNNING, SWARM_STEP_RUNNING, SWARM_STEP_OK};
    struct chain chain = {.rig = rig_new(NULL, 2)};
    swarm_plan *plan = rig_plan(chain.rig, NULL, &chain.run);
    swarm_step first = rig_step(plan);

    chain.middle = step_with(plan, (swarm_step_spec){.queue_timeout_ns = 1000,
                                                     .run_timeout_ns = 1000,
                                                     .retry = {.attempts_max = 9}});
    chain.last = rig_step(plan);
    (void)rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, first, chain.middle, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, chain.middle, chain.last, 0), SWARM_OK);
    rig_commit(plan);
    chain_bring(&chain, state);
    CHECK_EQ(rig_state(chain.rig, chain.middle), states[state]);
    return chain;
}

/* Lets everything else end; given-up attempts are settled by their grace. */
static void chain_end(struct chain *chain) {
    struct rig *rig = chain->rig;

    rig->hold_takes = false;
    rig_settle(rig);
    while (rig->seen < rig->count || rig_next(rig)) {
        rig_finish(rig);
    }
    rig_check_run(rig, chain->run);
    rig_free(rig);
}

TEST(cancel_of_a_step_in_every_state) {
    for (uint32_t state = IN_PENDING; state < STATES; state++) {
        struct chain chain = chain_new(state);
        struct rig *rig = chain.rig;
        uint32_t wanted = state == IN_ENDED ? SWARM_STEP_OK : SWARM_STEP_CANCELLED;
        uint32_t starts = rig_count(rig, SWARM_REQUEST_START);

        CHECK_EQ(swarm_step_cancel(rig->sw, chain.middle), SWARM_OK);
        CHECK_EQ(swarm_step_cancel(rig->sw, chain.middle), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_state(rig, chain.middle), wanted);
        CHECK_EQ(rig_info(rig, chain.middle).reason, SWARM_OK);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), state == IN_FLIGHT);
        /* Pending: its successor hears of it when its predecessor has ended. */
        CHECK_EQ(rig_state(rig, chain.last), state == IN_PENDING ? SWARM_STEP_PENDING
                                             : state == IN_ENDED ? SWARM_STEP_RUNNING
                                                                 : SWARM_STEP_SKIPPED);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), starts);
        rig->hold_takes = false;
        rig_settle(rig);
        if (state != IN_FLIGHT && state != IN_ENDED && state != IN_HELD) {
            CHECK(rig_start_of(rig, 1) == NULL); /* also not the one that was queued */
        }
        chain_end(&chain);
    }
}

TEST(cancel_of_a_run_in_every_state) {
    for (uint32_t state = IN_PENDING; state < STATES; state++) {
        struct chain chain = chain_new(state);
        struct rig *rig = chain.rig;
        uint32_t starts = rig_count(rig, SWARM_REQUEST_START);
        uint32_t open = rig->count - rig_count(rig, SWARM_REQUEST_CANCEL);
        swarm_run_report report;

        CHECK_EQ(swarm_run_cancel(rig->sw, chain.run), SWARM_OK);
        CHECK_EQ(swarm_run_cancel(rig->sw, chain.run), SWARM_OK);
        rig_settle(rig);
        report = rig_report(rig, chain.run);
        CHECK_EQ(report.state, SWARM_RUN_ENDED); /* all of it at once */
        CHECK_EQ(report.ok + report.cancelled + report.skipped, 4);
        CHECK_EQ(rig_state(rig, chain.middle),
                 state == IN_ENDED ? SWARM_STEP_OK : SWARM_STEP_CANCELLED);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), starts);
        CHECK(open != 0);
        chain_end(&chain);
    }
}

TEST(a_completion_wins_over_a_cancel) {
    for (uint32_t of_run = 0; of_run < 2; of_run++) {
        struct chain chain = chain_new(IN_FLIGHT);
        struct rig *rig = chain.rig;

        CHECK_EQ(of_run != 0 ? swarm_run_cancel(rig->sw, chain.run)
                             : swarm_step_cancel(rig->sw, chain.middle),
                 SWARM_OK);
        CHECK_EQ(rig_post(rig, 1, SWARM_OUTCOME_OK), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_state(rig, chain.middle), SWARM_STEP_OK);
        CHECK_EQ(rig_state(rig, chain.last),
                 of_run != 0 ? SWARM_STEP_CANCELLED : SWARM_STEP_RUNNING);
        CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_CANCEL, 1), 0);
        chain_end(&chain);
    }
}

/* The order of kinds within a round: completion, ready, timer, command. */
TEST(a_timer_wins_over_a_cancel) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step running = step_with(plan, (swarm_step_spec){.run_timeout_ns = 50});
    swarm_step waiting = step_with(plan, (swarm_step_spec){.queue_timeout_ns = 50});

    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_at(rig, 50);
    CHECK_EQ(rig_state(rig, running), SWARM_STEP_TIMED_OUT);
    CHECK_EQ(rig_state(rig, waiting), SWARM_STEP_TIMED_OUT);
    rig_at(rig, 11 * SECOND);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(nothing_is_started_between_a_cancel_and_its_round) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run runs[2];
    swarm_request request;
    bool changed;

    for (uint32_t i = 0; i < 2; i++) {
        swarm_plan *plan = rig_plan(rig, NULL, &runs[i]);

        (void)rig_step(plan);
        rig_commit(plan);
    }
    CHECK_EQ(swarm_advance(rig->sw, 0, &changed), SWARM_OK);
    (void)rig_read(rig); /* both starts are safe and wait to be taken */
    CHECK_EQ(swarm_run_cancel(rig->sw, runs[0]), SWARM_OK);
    CHECK_EQ(swarm_take(rig->sw, &request, 1), 0); /* not even the other run's */
    CHECK_EQ(swarm_next_deadline(rig->sw), 0);
    CHECK_EQ(swarm_advance(rig->sw, 0, &changed), SWARM_OK);
    (void)rig_read(rig);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(rig->requests[0].run.id, runs[1].id);
    rig_finish(rig);
    rig_check_run(rig, runs[0]);
    rig_check_run(rig, runs[1]);
    CHECK_EQ(rig_report(rig, runs[0]).cancelled, 1);
    rig_free(rig);
}

/* ---- grace */

static struct rig *rig_with_grace(uint64_t grace_ns, swarm_run *out_run, swarm_step *out_step) {
    const swarm_config config = {.cancel_grace_ns = grace_ns};
    struct rig *rig = rig_new(&config, 1);
    swarm_permit permit = swarm_permit_add(rig->sw, "lock", 1);
    const swarm_need need[] = {{permit, 1}};
    swarm_plan *plan = rig_plan(rig, NULL, out_run);

    *out_step = step_with(plan, (swarm_step_spec){.needs = need, .needs_count = 1});
    (void)step_with(plan, (swarm_step_spec){.needs = need, .needs_count = 1});
    rig_commit(plan);
    rig_at(rig, 0);
    return rig;
}

TEST(a_cancelled_attempt_keeps_what_it_holds_until_its_grace_is_over) {
    swarm_run run;
    swarm_step step;
    struct rig *rig = rig_with_grace(100, &run, &step);
    const swarm_completion late = {.attempt = rig_start_of(rig, 0)->attempt};

    rig->now_ns = 10;
    CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    rig_at(rig, 109);
    CHECK(rig_start_of(rig, 1) == NULL); /* the backend may still be at it */
    rig_at(rig, 110);
    CHECK(rig_start_of(rig, 1) != NULL);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_E_STALE);
    CHECK_EQ(rig_report(rig, run).running_ns, 110);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(an_answer_ends_the_grace) {
    swarm_run run;
    swarm_step step;
    struct rig *rig = rig_with_grace(0, &run, &step); /* the default, 10 s */

    CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    rig->now_ns = 5;
    CHECK_EQ(swarm_next_deadline(rig->sw), 10 * SECOND);
    rig_answer(rig, 0, SWARM_OUTCOME_OK); /* billed, and not used */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 1);
    CHECK_EQ(rig_report(rig, run).fenced, 1);
    CHECK(rig_start_of(rig, 1) != NULL);
    rig_finish(rig);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_grace_of_zero_still_tells_the_backend) {
    swarm_run run;
    swarm_step step;
    struct rig *rig = rig_with_grace(SWARM_ZERO, &run, &step);
    const swarm_completion late = {.attempt = rig_start_of(rig, 0)->attempt};

    rig->hold_takes = true;
    CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_E_STALE);
    rig->hold_takes = false;
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK(rig_start_of(rig, 1) != NULL);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_E_STALE);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- agents */

TEST(cancel_of_an_agent_tries_its_steps_elsewhere) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step again =
        step_with(plan, (swarm_step_spec){.retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}});
    swarm_step other = rig_step(plan), waiting = rig_step(plan);
    swarm_attempt first;

    rig_commit(plan);
    rig_at(rig, 0);
    first = rig_start_of(rig, 0)->attempt;
    CHECK_EQ(swarm_agent_cancel(rig->sw, (swarm_agent){1}), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_CANCEL, 0), 1);
    CHECK_EQ(rig_state(rig, again), SWARM_STEP_READY); /* agent 1 has not let go of it yet */
    CHECK_EQ(rig_info(rig, again).outcome, SWARM_OUTCOME_LOST);
    CHECK_EQ(rig_state(rig, other), SWARM_STEP_RUNNING);
    rig->now_ns = 3;
    rig_answer(rig, 1, SWARM_OUTCOME_OK); /* agent 2: the step that waited longest goes first */
    CHECK_EQ(rig_start_of(rig, 2)->agent.id, 2);
    CHECK_EQ(swarm_complete(rig->sw, &(swarm_completion){.attempt = first}), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_start_of(rig, 0)->number, 2);
    rig_finish(rig);
    CHECK_EQ(rig_state(rig, waiting), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(cancel_of_an_agent_without_retries_fails_the_step) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = rig_step(plan);

    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_agent_cancel(rig->sw, (swarm_agent){1}), SWARM_OK);
    CHECK_EQ(swarm_agent_cancel(rig->sw, (swarm_agent){1}), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).outcome, SWARM_OUTCOME_LOST);
    rig_at(rig, 10 * SECOND);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- call steps and what they added */

struct family {
    swarm_function function;
    uint32_t ran;
};

/* Adds an agent step and, for an argument above 0, a call step of one less. */
static swarm_outcome breed(void *context, const swarm_call *call, uint64_t *out_value) {
    struct family *family = context;
    swarm_plan *plan = swarm_call_plan(call);

    family->ran++;
    *out_value = call->argument;
    (void)rig_step(plan);
    if (call->argument != 0) {
        (void)step_with(
            plan, (swarm_step_spec){.function = family->function, .argument = call->argument - 1});
    }
    return SWARM_OUTCOME_OK;
}

TEST(cancel_of_a_subtree) {
    struct rig *rig = rig_new(NULL, 16);
    struct family family = {{0}, 0};
    swarm_step roots[2];
    swarm_run run;
    swarm_plan *plan;

    family.function = swarm_function_add(rig->sw, "breed", breed, &family);
    plan = rig_plan(rig, &growing, &run);
    for (uint32_t i = 0; i < 2; i++) {
        roots[i] = step_with(plan, (swarm_step_spec){.function = family.function, .argument = 3});
    }
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, 0);
    CHECK_EQ(family.ran, 8);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 8);
    CHECK_EQ(rig_state(rig, roots[0]), SWARM_STEP_OK);
    CHECK_EQ(swarm_subtree_cancel(rig->sw, roots[0]), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, roots[0]), SWARM_STEP_OK); /* what has ended stays as it is */
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 4);
    CHECK_EQ(rig_report(rig, run).cancelled, 4);
    rig_finish(rig);
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).ok, 2 + 6 + 4);
    rig_free(rig);
}

TEST(cancel_of_a_step_leaves_what_it_added) {
    struct rig *rig = rig_new(NULL, 16);
    struct family family = {{0}, 0};
    swarm_step root;
    swarm_run run;
    swarm_plan *plan;

    family.function = swarm_function_add(rig->sw, "breed", breed, &family);
    plan = rig_plan(rig, &growing, &run);
    root = step_with(plan, (swarm_step_spec){.function = family.function, .argument = 1});
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, 0);
    CHECK_EQ(swarm_step_cancel(rig->sw, root), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 0);
    rig_finish(rig);
    CHECK_EQ(rig_report(rig, run).ok, 4);
    rig_check_run(rig, run);
    rig_free(rig);
}

struct inside {
    swarm *sw;
    swarm_run run;
    swarm_step step;
    uint32_t what; /* to cancel from inside: 0 step, 1 subtree, 2 run */
    bool seen;
};

/* Cancels itself by a noun while it runs, lends bytes and adds steps. */
static swarm_outcome suicidal(void *context, const swarm_call *call, uint64_t *out_value) {
    struct inside *inside = context;
    const swarm_result result = {.bytes = lent, .size = 1, .value = 5};
    bool changed;

    *out_value = 1;
    CHECK(!swarm_call_cancelled(call));
    CHECK_EQ(swarm_call_output(call, &result), SWARM_OK);
    (void)rig_step(swarm_call_plan(call));
    CHECK_EQ(inside->what == 0   ? swarm_step_cancel(inside->sw, inside->step)
             : inside->what == 1 ? swarm_subtree_cancel(inside->sw, inside->step)
                                 : swarm_run_cancel(inside->sw, inside->run),
             SWARM_OK);
    CHECK_EQ(swarm_advance(inside->sw, 0, &changed), SWARM_OK); /* the owner is this thread */
    inside->seen = swarm_call_cancelled(call);
    return SWARM_OUTCOME_OK;
}

TEST(cancel_of_a_call_step_on_its_worker) {
    for (uint32_t what = 0; what < 3; what++) {
        struct rig *rig = rig_new(NULL, 1);
        struct inside inside = {.sw = rig->sw, .what = what};
        swarm_function function = swarm_function_add(rig->sw, "suicidal", suicidal, &inside);
        swarm_plan *plan = rig_plan(rig, &growing, &inside.run);
        swarm_step after;

        inside.step = step_with(plan, (swarm_step_spec){.function = function});
        after = rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, inside.step, after, 0), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, inside.run), SWARM_OK);
        rig_at(rig, 0);
        CHECK(inside.seen);
        CHECK_EQ(rig_state(rig, inside.step), SWARM_STEP_CANCELLED);
        CHECK_EQ(rig_state(rig, after), what == 2 ? SWARM_STEP_CANCELLED : SWARM_STEP_SKIPPED);
        CHECK_EQ(rig_report(rig, inside.run).steps, 2); /* its plan was dropped */
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 0);
        rig_check_run(rig, inside.run);
        CHECK_EQ(swarm_run_forget(rig->sw, inside.run), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 1);
        rig_free(rig);
    }
}

static swarm_outcome count_one(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)call;
    *out_value = ++*(uint32_t *)context;
    return SWARM_OUTCOME_OK;
}

/* Call steps of all kinds, released and not begun, and not released yet. */
TEST(cancel_before_a_worker_has_begun) {
    for (uint32_t is_growing = 0; is_growing < 2; is_growing++) {
        struct rig *rig = rig_new(NULL, 1);
        uint32_t ran = 0;
        swarm_function function = swarm_function_add(rig->sw, "count_one", count_one, &ran);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, is_growing != 0 ? &growing : NULL, &run);
        swarm_step steps[5] = {{0}};
        bool changed;

        steps[0] = step_with(plan, (swarm_step_spec){.function = function});
        steps[1] = swarm_call_add(plan, function, 1);
        steps[2] = swarm_range_add(plan, function, 0, 50);
        steps[3] = swarm_call_add(plan, function, 1);
        steps[4] = rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, steps[1], steps[3], 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, steps[2], steps[4], 0), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_advance(rig->sw, 0, &changed), SWARM_OK);
        (void)rig_read(rig); /* all three are with the workers now */
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(swarm_step_cancel(rig->sw, steps[i]), SWARM_OK);
        }
        CHECK_EQ(swarm_advance(rig->sw, 0, &changed), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(ran, 0);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(rig_state(rig, steps[i]), SWARM_STEP_CANCELLED);
        }
        CHECK_EQ(rig_state(rig, steps[3]), SWARM_STEP_SKIPPED);
        CHECK_EQ(rig_state(rig, steps[4]), SWARM_STEP_SKIPPED);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_check_run(rig, run);
        CHECK_EQ(rig_report(rig, run).cancelled, 3);
        CHECK_EQ(rig_report(rig, run).skipped, 2);
        rig_free(rig);
    }
}

/* ---- cascades */

/* A cascade that is longer than the log's ring goes on when that has been read out. */
TEST(a_failure_skips_all_that_depends_on_it) {
    enum { WIDTH = 20, DEPTH = 100 };
    const swarm_config config = {.log_bytes = 8192};
    struct rig *rig = rig_new(&config, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step row[WIDTH], root = rig_step(plan), sane = rig_step(plan);
    uint32_t pauses = 0;

    for (uint32_t level = 0; level < DEPTH; level++) {
        plan = level == 0 ? plan : swarm_plan_open(rig->sw, run);
        for (uint32_t i = 0; i < WIDTH; i++) {
            swarm_step next = rig_step(plan);

            CHECK_EQ(swarm_edge_add(plan,
                                    level != 0   ? row[i]
                                    : i % 2 == 0 ? root
                                                 : sane,
                                    next, 0),
                     SWARM_OK);
            row[i] = next;
        }
        rig_commit(plan);
        rig_at(rig, 0);
    }
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_TERMINAL), SWARM_OK);
    for (bool changed; swarm_advance(rig->sw, 1, &changed) == SWARM_E_AGAIN; pauses++) {
        CHECK_EQ(swarm_plan_commit(swarm_plan_open(rig->sw, run), NULL), SWARM_E_AGAIN);
        CHECK_EQ(swarm_run_cancel(rig->sw, (swarm_run){run.id + 1}), SWARM_E_STALE);
        CHECK(rig_read(rig));
    }
    CHECK(pauses != 0);
    CHECK_EQ(rig_report(rig, run).skipped, WIDTH / 2 * DEPTH);
    rig_settle(rig);
    while (rig->seen < rig->count) {
        rig_finish(rig);
    }
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).ok, 1 + WIDTH / 2 * DEPTH);
    rig_free(rig);
}

TEST_MAIN()
