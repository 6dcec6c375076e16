/* SPDX-License-Identifier: MIT */
/*
 * What a review of core, dispatch and record found: a test each.
 */
#include <pthread.h>
#include <sched.h>

#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

static swarm_function function_add(struct rig *rig, const char *name, swarm_call_function *call,
                                   void *context) {
    swarm_function function = swarm_function_add(rig->sw, name, call, context);

    CHECK(function.id != 0);
    return function;
}

static swarm_outcome call_nothing(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* ---- a plan that is dropped with its call step gives everything back */

static swarm_outcome plan_and_fail(void *context, const swarm_call *call, uint64_t *out_value) {
    const char *skill = "x";
    const swarm_step_spec spec = {.skills = &skill, .skills_count = 1};
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step a = swarm_step_add(plan, &spec), b = swarm_step_add(plan, &spec);

    (void)context;
    (void)out_value;
    CHECK_EQ(swarm_edge_add(plan, a, b, 5), SWARM_OK);
    return SWARM_OUTCOME_TERMINAL;
}

TEST(the_plan_of_a_failed_call_gives_its_records_back) {
    const swarm_config config = {.tracked_max = 4, .demands_max = 4, .delays_max = 4};
    struct rig *rig = rig_new(&config, 1);
    swarm_function fail = function_add(rig, "fail", plan_and_fail, NULL);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);

    for (uint32_t i = 0; i < 20; i++) {
        CHECK(swarm_call_add(plan, fail, i).id != 0);
    }
    rig_commit(plan);
    rig_settle(rig);
    plan = swarm_plan_open(rig->sw, run);
    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_report(rig, run).failed, 20);
    rig_finish(rig);
    rig_free(rig);
}

/* ---- delays of a step that failed */

TEST(a_failed_step_forgets_its_delays) {
    const swarm_step_spec gone = {.flags = SWARM_STEP_DETACHED};
    struct rig *rig = rig_new(NULL, 1);
    swarm_function nothing = function_add(rig, "nothing", call_nothing, NULL);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step from = rig_step(plan), to;

    CHECK_EQ(swarm_edge_add(plan, from, swarm_step_add(plan, &gone), 100), SWARM_OK);
    rig_commit(plan);
    rig_settle(rig);
    rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL);
    for (uint32_t round = 0; round < 3; round++) {
        plan = swarm_plan_open(rig->sw, run);
        for (uint32_t i = 0; i < 3; i++) { /* in the slot where `to` was */
            (void)swarm_call_add(plan, nothing, UINT64_MAX);
        }
        to = swarm_step_add(plan, &gone);
        CHECK_EQ(swarm_edge_add(plan, from, to, 7), SWARM_OK);
        rig_commit(plan);
        rig_settle(rig);
    }
    CHECK_EQ(rig_report(rig, run).skipped, 4);
    rig_free(rig);
}

/* ---- continuations */

static swarm_outcome continue_plain(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_function *next = context;
    swarm_plan *plan = swarm_call_plan(call);

    (void)out_value;
    return swarm_plan_continue(plan, swarm_call_add(plan, *next, 42)) == SWARM_OK
               ? SWARM_OUTCOME_OK
               : SWARM_OUTCOME_TERMINAL;
}

TEST(a_plain_step_may_continue_a_tracked_one) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_function nothing = function_add(rig, "nothing", call_nothing, NULL);
    swarm_function more = function_add(rig, "more", continue_plain, &nothing);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.function = more});

    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).result.value, 42);
    CHECK_EQ(rig_report(rig, run).ok, 2);
    rig_free(rig);
}

/* ---- nothing is started while a cancel is under way */

TEST(no_start_while_a_cancel_sweeps) {
    const swarm_config config = {.log_bytes = 8192, .agents_max = 600};
    struct rig *rig = rig_new(&config, 600);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_request requests[8];
    swarm_status status = SWARM_E_AGAIN;
    uint32_t passes = 0;

    for (uint32_t part = 0; part < 60; part++) {
        for (uint32_t i = 0; i < 10; i++) {
            (void)rig_step(plan);
        }
        while (swarm_plan_commit(plan, NULL) == SWARM_E_AGAIN) {
            (void)rig_read(rig);
        }
        rig->hold_takes = true;
        rig_settle(rig);
        plan = swarm_plan_open(rig->sw, run);
    }
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    for (; status == SWARM_E_AGAIN && passes < 100; passes++) {
        status = swarm_advance(rig->sw, 1, NULL);
        (void)rig_read(rig);
        CHECK_EQ(swarm_take(rig->sw, requests, 8), 0);
    }
    CHECK_EQ(status, SWARM_OK);
    CHECK(passes > 1);
    rig->hold_takes = false;
    rig_settle(rig);
    CHECK_EQ(rig->count, 0);
    rig_free(rig);
}

/* ---- deadlines */

TEST(a_close_is_due_at_once) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run = swarm_run_open(rig->sw, &growing);

    rig_settle(rig);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_STALLED); /* open, with nothing to do */
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    CHECK_EQ(swarm_next_deadline(rig->sw), 0);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_AGAIN); /* its end is still to come */
    rig_settle(rig);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_OK);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_ENDED);
    rig_free(rig);
}

/* ---- who waits for a held backend */

TEST(a_new_agent_takes_what_waits_for_a_held_backend) {
    const swarm_backend other = {.size = sizeof other, .name = "other"};
    struct rig *rig = rig_new(NULL, 1);
    swarm_profile_spec profile = {.name = "second"};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);

    (void)rig_step(plan);
    rig_commit(plan);
    rig_settle(rig);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 1000);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    profile.backend = swarm_backend_add(rig->sw, &other);
    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &profile), 1).id != 0);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    rig_finish(rig);
    rig_free(rig);
}

TEST(nobody_left_is_noticed_although_the_backend_is_held) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step step = rig_step(plan);

    rig_commit(plan);
    rig_settle(rig);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 1000);
    CHECK_EQ(swarm_agent_withdraw(rig->sw, rig->requests[0].agent), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_NO_AGENT);
    rig_free(rig);
}

/* ---- a run's hash holds its own events */

static void hash_of_second(bool reads, uint64_t *out_hash) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)rig_step(plan);
    rig_commit(plan);
    rig_settle(rig);
    rig_finish(rig);
    CHECK_EQ(swarm_run_limits(rig->sw, run, 7, 7), SWARM_OK);
    if (reads) {
        (void)rig_read(rig);
    }
    CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_finish(rig);
    memcpy(out_hash, rig_report(rig, run).hash, 2 * sizeof *out_hash);
    rig_free(rig);
}

TEST(when_the_log_is_read_does_not_change_a_hash) {
    uint64_t a[2], b[2];

    hash_of_second(false, a);
    hash_of_second(true, b);
    CHECK_EQ(a[0], b[0]);
    CHECK_EQ(a[1], b[1]);
}

/* ---- forgetting */

struct forgets {
    swarm_function nothing;
    swarm_step step;
};

static swarm_outcome forget_pinned(void *context, const swarm_call *call, uint64_t *out_value) {
    const struct forgets *forgets = context;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step step = swarm_call_add(plan, forgets->nothing, 1);

    (void)out_value;
    CHECK_EQ(swarm_edge_add(plan, forgets->step, step, 0), SWARM_OK);
    CHECK_EQ(swarm_step_forget(call->sw, forgets->step), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

/* A worker lets go of the step last while a round waits for room: it is posted, and the round,
 * which began before, ends the run. */
TEST(a_step_that_is_posted_is_not_forgotten_with_its_run) {
    const swarm_config config = {.log_bytes = 8192};
    struct rig *rig = rig_new(&config, 4);
    struct forgets forgets;
    swarm_function forget = function_add(rig, "forget", forget_pinned, &forgets);
    swarm_run run, other;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_status status;

    forgets.nothing = function_add(rig, "nothing", call_nothing, NULL);
    forgets.step = swarm_step_add(plan, &(swarm_step_spec){.function = forgets.nothing});
    rig_commit(plan);
    rig_settle(rig);
    plan = swarm_plan_open(rig->sw, run);
    (void)swarm_edge_add(plan, forgets.step, swarm_call_add(plan, forget, 0), 0);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    CHECK_EQ(swarm_advance(rig->sw, 0, NULL), SWARM_OK);
    (void)rig_read(rig); /* from here on a worker may run it */
    other = swarm_run_open(rig->sw, &growing);
    for (uint32_t part = 0; part < 20; part++) {
        plan = swarm_plan_open(rig->sw, other);
        for (uint32_t i = 0; i < 20; i++) {
            (void)rig_step(plan);
        }
        while (swarm_plan_commit(plan, NULL) == SWARM_E_AGAIN) {
            (void)rig_read(rig);
        }
        if (part < 19) {
            CHECK_EQ(swarm_log_acknowledge(rig->sw), SWARM_OK);
        }
    }
    CHECK_EQ(swarm_run_cancel(rig->sw, other), SWARM_OK);
    status = swarm_advance(rig->sw, 1, NULL);
    CHECK_EQ(status, SWARM_E_AGAIN);
    while (status == SWARM_E_AGAIN) {
        while (swarm_work(rig->sw, 0, 10) != 0) {
        }
        (void)rig_read(rig);
        status = swarm_advance(rig->sw, 1, NULL);
    }
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_ENDED);
    status = swarm_run_forget(rig->sw, run);
    rig_settle(rig);
    CHECK(status == SWARM_OK || swarm_run_forget(rig->sw, run) == SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_run_forget(rig->sw, other), SWARM_OK);
    rig_free(rig);
}

/* ---- what an attempt reads stays until it is answered */

TEST(inputs_stay_until_the_attempt_is_answered) {
    const swarm_step_spec reads = {.flags = SWARM_STEP_INPUTS | SWARM_STEP_DETACHED};
    const swarm_step_spec gone = {.flags = SWARM_STEP_DETACHED};
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step from = swarm_step_add(plan, &gone), to = swarm_step_add(plan, &reads);
    swarm_completion completion = {.result = {.bytes = "bytes", .size = 5}};
    swarm_result result;

    CHECK_EQ(swarm_edge_add(plan, from, to, 0), SWARM_OK);
    rig_commit(plan);
    rig_settle(rig);
    completion.attempt = rig_start_of(rig, 0)->attempt;
    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 0);
    CHECK_EQ(swarm_input(rig->sw, rig_start_of(rig, 1)->step, 0, &result), SWARM_OK);
    CHECK_EQ(swarm_step_cancel(rig->sw, to), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 0);
    CHECK_EQ(swarm_input(rig->sw, rig_start_of(rig, 1)->step, 0, &result), SWARM_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 1);
    rig_free(rig);
}

/* ---- cancels from call steps that run side by side */

struct cancels {
    swarm_step steps[8];
};

static swarm_outcome cancel_other(void *context, const swarm_call *call, uint64_t *out_value) {
    const struct cancels *cancels = context;

    (void)out_value;
    CHECK_EQ(swarm_step_cancel(call->sw, cancels->steps[call->argument]), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

static void cancels_run(uint32_t workers, uint64_t *out_hash) {
    struct rig *rig = rig_new(NULL, 8);
    struct cancels cancels;
    swarm_function cancel = function_add(rig, "cancel", cancel_other, &cancels);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    uint32_t done = 1;

    for (uint32_t i = 0; i < 8; i++) {
        cancels.steps[i] = rig_step(plan);
    }
    for (uint32_t i = 0; i < 8; i++) {
        (void)swarm_call_add(plan, cancel, i);
    }
    rig_commit(plan);
    rig_pass(rig);
    rig_read(rig);
    while (done != 0) {
        done = 0;
        for (uint32_t w = 0; w < workers; w++) {
            done += swarm_work(rig->sw, workers - 1 - w, 1);
        }
    }
    rig_settle(rig);
    memcpy(out_hash, rig_report(rig, run).hash, 2 * sizeof *out_hash);
    rig_finish(rig); /* the backend answers what was cancelled */
    rig_free(rig);
}

TEST(cancels_are_applied_in_the_order_of_their_steps) {
    uint64_t one[2], four[2];

    cancels_run(1, one);
    cancels_run(4, four);
    CHECK_EQ(one[0], four[0]);
    CHECK_EQ(one[1], four[1]);
}

/* ---- the last worker is still on its way out when the driver looks for the first time */

enum { LINGER_NEW, LINGER_INSIDE, LINGER_GONE };

struct linger {
    swarm *sw;
    pthread_t driver, worker;
    atomic_u32 phase;
};

/* The worker has counted the last step out, and stops here, inside swarm_work. */
static void linger_wakeup(void *context) {
    struct linger *linger = context;

    if (pthread_equal(pthread_self(), linger->driver)) {
        return;
    }
    ATOMIC_STORE(&linger->phase, LINGER_INSIDE, release);
    while (ATOMIC_LOAD(&linger->phase, acquire) == LINGER_INSIDE) {
        sched_yield();
    }
}

/* The driver found the worker inside and the run over; before its next look the worker leaves. */
static uint64_t linger_deadline(void *context) {
    struct linger *linger = context;
    swarm_stats stats;

    CHECK_EQ(swarm_stats_get(linger->sw, &stats), SWARM_OK);
    if (stats.open == 0 && ATOMIC_LOAD(&linger->phase, acquire) == LINGER_INSIDE) {
        ATOMIC_STORE(&linger->phase, LINGER_GONE, release);
        CHECK_EQ(pthread_join(linger->worker, NULL), 0);
    }
    return SWARM_NEVER;
}

static void *linger_work(void *context) {
    struct linger *linger = context;

    CHECK_EQ(swarm_work(linger->sw, 1, 1), 1);
    return NULL;
}

TEST(a_run_that_ended_is_not_stalled_because_a_worker_was_slow_to_leave) {
    struct linger linger = {.driver = pthread_self()};
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = SWARM_NEVER,
                                 .workers_max = 2,
                                 .wakeup = linger_wakeup,
                                 .wakeup_context = &linger};
    const swarm_backend backend = {
        .size = sizeof backend, .name = "slow", .context = &linger, .deadline = linger_deadline};
    swarm_function nothing;
    swarm_run run;
    swarm_plan *plan;

    CHECK_EQ(swarm_new(&config, &linger.sw), SWARM_OK);
    CHECK(swarm_backend_add(linger.sw, &backend).id != 0);
    nothing = swarm_function_add(linger.sw, "nothing", call_nothing, NULL);
    run = swarm_run_open(linger.sw, NULL);
    plan = swarm_plan_open(linger.sw, run);
    CHECK(swarm_call_add(plan, nothing, 1).id != 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_advance(linger.sw, 1, NULL), SWARM_OK); /* gives the step to the workers */
    CHECK_EQ(swarm_advance(linger.sw, 1, NULL), SWARM_OK); /* so that the worker's post wakes */
    CHECK_EQ(pthread_create(&linger.worker, NULL, linger_work, &linger), 0);
    while (ATOMIC_LOAD(&linger.phase, acquire) == LINGER_NEW) {
        sched_yield();
    }
    CHECK_EQ(swarm_drive(linger.sw, NULL), SWARM_OK);
    CHECK_EQ(ATOMIC_LOAD(&linger.phase, acquire), LINGER_GONE);
    CHECK_EQ(swarm_free(linger.sw), SWARM_OK);
}

TEST_MAIN()
