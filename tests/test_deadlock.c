/* SPDX-License-Identifier: MIT */
/*
 * Attempts that wait for steps: each way in which steps can wait for each other in a circle is
 * found in the round in which it closes, told, and broken; nothing that can still go on by itself
 * is taken for one. Against a simulation that lets whatever can go on go on, and sees who is left.
 */
#include "test_events.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

struct bench {
    struct rig *rig;
    swarm_run run;
    swarm_plan *plan;
    swarm_permit permit;
};

/* A growing run with an open plan; `agents` agents, a permit of 2 units. */
static struct bench bench_new(const swarm_config *config, uint32_t agents) {
    struct bench b = {.rig = rig_new(config, agents)};

    b.permit = swarm_permit_add(b.rig->sw, "permit", 2);
    b.plan = rig_plan(b.rig, &growing, &b.run);
    return b;
}

/* A step that needs units of the permit. */
static swarm_step needy(struct bench *b, uint64_t units) {
    swarm_need need = {b->permit, units};
    swarm_step step = swarm_step_add(b->plan, &(swarm_step_spec){.needs = &need, .needs_count = 1});

    CHECK(step.id != 0);
    return step;
}

static void begin(struct bench *b) {
    rig_commit(b->plan);
    rig_settle(b->rig);
}

static swarm_status waits(struct bench *b, uint64_t ordinal, swarm_step step) {
    return swarm_attempt_wait(b->rig->sw, rig_start_of(b->rig, ordinal)->attempt, step);
}

/* The circle goes through these ordinals, by these SWARM_WAITS_*, and is told at this instant. */
static void check_circle(const struct bench *b, uint32_t length, const uint64_t *ordinals,
                         const uint64_t *kinds) {
    CHECK_EQ(event_count(b->rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), length);
    for (uint32_t i = 0; i < length; i++) {
        swarm_event event = {0};

        CHECK(event_find(b->rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER, i, &event));
        CHECK_EQ(event.now_ns, b->rig->now_ns);
        CHECK_EQ(event.step, ordinals[i]);
        CHECK_EQ(event.field[0], i);
        CHECK_EQ(event.field[1], length);
        CHECK_EQ(event.field[2], kinds[i]);
        CHECK_EQ(event.field[5], ordinals[(i + 1) % length] + 1);
    }
}

/* Replays the log in a swarm that was set up in the same way: the same decisions. */
static void check_replay(const struct bench *b, const swarm_config *config, uint32_t agents) {
    static unsigned char log[RIG_LOG];
    size_t size = b->rig->log_size, good = 0;
    struct bench again;

    memcpy(log, b->rig->log, size);
    rig_free(b->rig);
    again.rig = rig_new(config, agents);
    again.permit = swarm_permit_add(again.rig->sw, "permit", 2);
    CHECK_EQ(swarm_resume_feed(again.rig->sw, SWARM_REPLAY, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(again.rig->sw, &good), SWARM_OK);
    CHECK_EQ(good, size);
    rig_free(again.rig);
}

/* Ends whatever is left, and the run. */
static void bench_end(struct bench *b, const swarm_config *config, uint32_t agents) {
    uint32_t before = event_count(b->rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER);

    CHECK_EQ(swarm_run_close(b->rig->sw, b->run), SWARM_OK);
    rig_settle(b->rig);
    rig_finish(b->rig);
    CHECK_EQ(event_count(b->rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), before);
    rig_check_run(b->rig, b->run);
    if (config == NULL || config->flags == 0) { /* OPEN steps are not replayed yet */
        check_replay(b, config, agents);
    } else {
        rig_free(b->rig);
    }
}

TEST(two_attempts_wait_for_each_other) {
    struct bench b = bench_new(NULL, 2);
    swarm_step first = rig_step(b.plan), second = rig_step(b.plan);
    swarm_step_info info;

    begin(&b);
    rig_at(b.rig, 5);
    CHECK_EQ(waits(&b, 0, second), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
    rig_at(b.rig, 7);
    CHECK_EQ(waits(&b, 1, first), SWARM_OK);
    CHECK_EQ(swarm_next_deadline(b.rig->sw), 0); /* the next round has something to do */
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 1}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_STEP});
    info = rig_info(b.rig, second); /* both began at 0: the larger ordinal gives way */
    CHECK_EQ(info.state, SWARM_STEP_FAILED);
    CHECK_EQ(info.reason, SWARM_E_DEADLOCK);
    CHECK_EQ(event_last(b.rig, SWARM_EVENT_GIVE_UP, 1).field[2], -SWARM_E_DEADLOCK);
    CHECK_EQ(rig_state(b.rig, first), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_count_of(b.rig, SWARM_REQUEST_CANCEL, 1), 1);
    bench_end(&b, NULL, 2);
}

TEST(who_began_last_gives_way_and_is_tried_again) {
    struct bench b = bench_new(NULL, 2);
    swarm_step young, old;

    young =
        swarm_step_add(b.plan, &(swarm_step_spec){.retry = {.attempts_max = 2, .backoff_ns = 100}});
    old = rig_step(b.plan);
    CHECK_EQ(swarm_edge_add(b.plan, old, young, 0), SWARM_OK);
    begin(&b);
    rig_at(b.rig, 3);
    rig_answer(b.rig, 1, SWARM_OUTCOME_OK);
    b.plan = swarm_plan_open(b.rig->sw, b.run);
    old = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, old), SWARM_OK);
    CHECK_EQ(waits(&b, 2, young), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(rig_state(b.rig, old), SWARM_STEP_FAILED); /* began at the same time, added later */
    CHECK_EQ(rig_state(b.rig, young), SWARM_STEP_RUNNING);

    b.plan = swarm_plan_open(b.rig->sw, b.run);
    old = rig_step(b.plan); /* waits for the agent that the given-up attempt still has */
    begin(&b);
    CHECK_EQ(rig_state(b.rig, old), SWARM_STEP_READY);
    rig_answer(b.rig, 2, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, old), SWARM_STEP_RUNNING);
    bench_end(&b, NULL, 2);
}

TEST(a_second_try_after_a_deadlock_goes_well) {
    struct bench b = bench_new(NULL, 2);
    swarm_step parent, child;

    parent =
        swarm_step_add(b.plan, &(swarm_step_spec){.needs = &(swarm_need){b.permit, 2},
                                                  .needs_count = 1,
                                                  .retry = {.attempts_max = 2, .backoff_ns = 100}});
    child = needy(&b, 1);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(rig_state(b.rig, parent), SWARM_STEP_HELD);
    rig_answer(b.rig, 0, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, child), SWARM_STEP_RUNNING);
    rig_answer(b.rig, 1, SWARM_OUTCOME_OK);
    rig_at(b.rig, 100);
    CHECK_EQ(rig_state(b.rig, parent), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_info(b.rig, parent).attempts, 2);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK); /* it has ended: nothing to wait for */
    rig_settle(b.rig);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, parent), SWARM_STEP_OK);
    bench_end(&b, NULL, 2);
}

TEST(for_a_permit_that_the_waiting_one_holds) {
    struct bench b = bench_new(NULL, 4);
    swarm_step child;
    swarm_event event = {0};

    (void)needy(&b, 1);
    (void)needy(&b, 1);
    child = needy(&b, 1);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0); /* step 1 will end */
    CHECK_EQ(waits(&b, 1, child), SWARM_OK);
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 2}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_PERMIT});
    CHECK(event_find(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER, 1, &event));
    CHECK_EQ(event.field[3], b.permit.id);
    CHECK_EQ(event.field[4], 1); /* the run's number */
    rig_answer(b.rig, 0, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, child), SWARM_STEP_RUNNING);
    bench_end(&b, NULL, 4);
}

/* Neither its agent nor its backend did anything wrong. */
TEST(a_deadlock_is_nobodys_failure) {
    struct rig *rig = rig_new(NULL, 2);
    const swarm_breaker_spec wary = {.open_ns = 10, .samples_min = 1, .failure_ppm = 1};
    swarm_need need = {swarm_permit_add(rig->sw, "permit", 1), 1};
    const swarm_step_spec spec = {.needs = &need, .needs_count = 1};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step other;

    CHECK_EQ(swarm_breaker_set(rig->sw, rig->backend, &wary), SWARM_OK);
    (void)swarm_step_add(plan, &spec);
    other = swarm_step_add(plan, &spec);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_attempt_wait(rig->sw, rig_start_of(rig, 0)->attempt, other), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 2);
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 0);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(for_an_agent_that_the_waiting_one_keeps_busy) {
    struct bench b = bench_new(NULL, 2);
    swarm_step child;

    (void)rig_step(b.plan);
    (void)rig_step(b.plan);
    child = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
    CHECK_EQ(waits(&b, 1, child), SWARM_OK);
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 2}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_AGENT});
    bench_end(&b, NULL, 2);
}

TEST(for_an_agent_by_name_and_one_that_leaves) {
    struct bench b = bench_new(NULL, 2);
    swarm_agent second = {2};
    swarm_step child, other;

    (void)swarm_step_add(b.plan, &(swarm_step_spec){.agent = {1}});
    (void)swarm_step_add(b.plan, &(swarm_step_spec){.agent = second});
    child = swarm_step_add(b.plan, &(swarm_step_spec){.agent = {1}});
    other = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, other), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
    CHECK_EQ(swarm_agent_withdraw(b.rig->sw, second), SWARM_OK); /* nobody else is left for it */
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 3}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_AGENT});
    rig_answer(b.rig, 0, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, child), SWARM_STEP_RUNNING);
    CHECK_EQ(waits(&b, 2, other), SWARM_OK); /* the same, by another step */
    rig_settle(b.rig);
    CHECK_EQ(event_last(b.rig, SWARM_EVENT_DEADLOCK, 2).field[5], 4);
    rig_answer(b.rig, 2, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, other), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
    rig_finish(b.rig);
    rig_check_run(b.rig, b.run);
    rig_free(b.rig);
}

TEST(for_a_place_among_the_attempts) {
    static const swarm_config few = {.inflight_max = 2};
    static const swarm_run_spec narrow = {.flags = SWARM_RUN_GROWING, .inflight_max = 1};
    struct bench b = {.rig = rig_new(NULL, 4)};
    swarm_step child;

    b.plan = rig_plan(b.rig, &narrow, &b.run);
    (void)rig_step(b.plan);
    child = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 1}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_RUN});
    CHECK_EQ(rig_state(b.rig, child), SWARM_STEP_RUNNING); /* a given-up one does not count */
    CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
    rig_finish(b.rig);
    rig_free(b.rig);

    b = bench_new(&few, 4);
    (void)rig_step(b.plan);
    (void)rig_step(b.plan);
    child = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    CHECK_EQ(waits(&b, 1, child), SWARM_OK);
    rig_settle(b.rig);
    check_circle(&b, 2, (uint64_t[]){0, 2}, (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_ATTEMPT});
    bench_end(&b, &few, 4);
}

TEST(for_a_semaphore_of_the_backend) {
    struct bench b = bench_new(NULL, 4);
    swarm_limit_spec one = {.name = "one", .backend = b.rig->backend, .capacity = 1};
    swarm_permit limit = swarm_limit_add(b.rig->sw, &one);
    swarm_step child;
    swarm_event event = {0};

    (void)rig_step(b.plan);
    child = rig_step(b.plan);
    begin(&b);
    CHECK_EQ(waits(&b, 0, child), SWARM_OK);
    rig_settle(b.rig);
    CHECK(event_find(b.rig, SWARM_EVENT_DEADLOCK, 1, 0, &event));
    CHECK_EQ(event.field[2], SWARM_WAITS_PERMIT);
    CHECK_EQ(event.field[3], limit.id);
    rig_answer(b.rig, 0, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(rig_state(b.rig, child), SWARM_STEP_RUNNING);
    rig_finish(b.rig);
    CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
    rig_settle(b.rig);
    rig_free(b.rig);
}

TEST(for_what_is_reserved_of_a_budget) {
    for (uint64_t enough = 0; enough < 2; enough++) {
        struct bench b = bench_new(NULL, 4);
        swarm_budget_spec all = {.name = "all", .limit = {.output_tokens = 100 + 60 * enough}};
        swarm_budget_spec part = {.name = "part", .parent = swarm_budget_add(b.rig->sw, &all)};
        swarm_charge_spec charge = {swarm_budget_add(b.rig->sw, &part), {.output_tokens = 80}};
        swarm_step_spec spec = {.charge = &charge};
        swarm_step child;
        swarm_event event = {0};

        (void)swarm_step_add(b.plan, &spec);
        child = swarm_step_add(b.plan, &spec);
        begin(&b);
        CHECK_EQ(rig_state(b.rig, child), enough ? SWARM_STEP_RUNNING : SWARM_STEP_READY);
        CHECK_EQ(waits(&b, 0, child), SWARM_OK);
        rig_settle(b.rig);
        CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), enough ? 0 : 2);
        if (enough == 0) {
            CHECK(event_find(b.rig, SWARM_EVENT_DEADLOCK, 1, 0, &event));
            CHECK_EQ(event.field[2], SWARM_WAITS_BUDGET);
            CHECK_EQ(event.field[3], 1); /* the first budget's number */
        }
        rig_finish(b.rig);
        CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
        rig_settle(b.rig);
        rig_free(b.rig);
    }
}

TEST(for_a_step_behind_itself) {
    static const swarm_config late = {.flags = SWARM_CONFIG_LATE_EDGES};
    struct bench b = bench_new(&late, 4);
    swarm_step first = rig_step(b.plan), middle = rig_step(b.plan), last = rig_step(b.plan), open;

    CHECK_EQ(swarm_edge_add(b.plan, first, middle, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(b.plan, middle, last, 7), SWARM_OK); /* with a delay */
    open = swarm_step_add(b.plan, &(swarm_step_spec){.flags = SWARM_STEP_OPEN});
    CHECK_EQ(swarm_edge_add(b.plan, rig_step(b.plan), open, 0), SWARM_OK);
    begin(&b);
    CHECK_EQ(waits(&b, 0, open), SWARM_OK);
    rig_settle(b.rig);
    b.plan = swarm_plan_open(b.rig->sw, b.run); /* the graph sees no cycle in it */
    CHECK_EQ(swarm_edge_add(b.plan, last, open, 0), SWARM_OK);
    begin(&b);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0); /* step 4 may fail */
    rig_at(b.rig, 9);
    rig_answer(b.rig, 4, SWARM_OUTCOME_OK);
    check_circle(
        &b, 4, (uint64_t[]){0, 3, 2, 1},
        (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_EDGE, SWARM_WAITS_EDGE, SWARM_WAITS_EDGE});
    CHECK_EQ(rig_info(b.rig, first).reason, SWARM_E_DEADLOCK);
    bench_end(&b, &late, 4);
}

/* A join of the waiting step and another that runs. */
static uint32_t circles_of_join(const swarm_join_spec *spec) {
    struct bench b = bench_new(NULL, 4);
    swarm_step first = rig_step(b.plan), second = rig_step(b.plan), join;
    uint32_t count;

    join = swarm_step_add(b.plan, &(swarm_step_spec){.join = spec});
    CHECK_EQ(swarm_edge_add(b.plan, first, join, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(b.plan, second, join, 0), SWARM_OK);
    begin(&b);
    CHECK_EQ(waits(&b, 0, join), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
    rig_answer(b.rig, 1, SWARM_OUTCOME_OK);
    count = event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER);
    rig_finish(b.rig);
    CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
    rig_settle(b.rig);
    rig_free(b.rig);
    return count;
}

TEST(for_a_join_as_far_as_it_needs_the_waiting_one) {
    CHECK_EQ(circles_of_join(&(swarm_join_spec){.need = 1}), 0);
    /* The other one could have failed, and decided it; it went well. */
    CHECK_EQ(circles_of_join(&(swarm_join_spec){.need = 2}), 2);
}

static swarm_outcome brings(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_need need = {*(const swarm_permit *)context, 2};
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.needs = &need, .needs_count = 1});

    (void)out_value;
    CHECK_EQ(swarm_plan_continue(plan, step), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

TEST(for_a_call_step_whose_continuation_lacks_something) {
    struct bench b = bench_new(NULL, 4);
    swarm_function function = swarm_function_add(b.rig->sw, "brings", brings, &b.permit);
    swarm_step call;

    (void)needy(&b, 1);
    call = swarm_step_add(b.plan, &(swarm_step_spec){.function = function});
    rig_commit(b.plan);
    CHECK(swarm_attempt_wait(b.rig->sw, (swarm_attempt){0}, call) == SWARM_E_STALE);
    b.rig->hold_log = false;
    rig_settle(b.rig);
    CHECK_EQ(waits(&b, 0, call), SWARM_OK);
    rig_settle(b.rig);
    check_circle(&b, 3, (uint64_t[]){0, 1, 2},
                 (uint64_t[]){SWARM_WAITS_STEP, SWARM_WAITS_EDGE, SWARM_WAITS_PERMIT});
    rig_finish(b.rig);
    CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
    rig_settle(b.rig);
    rig_free(b.rig);
}

TEST(through_two_runs_and_a_long_circle) {
    enum { LENGTH = 30 };
    struct bench b = bench_new(NULL, LENGTH);
    swarm_step steps[LENGTH];
    swarm_plan *plan;
    swarm_run other;
    swarm_event event = {0};

    for (uint32_t i = 0; i < LENGTH / 2; i++) {
        steps[i] = rig_step(b.plan);
    }
    begin(&b);
    plan = rig_plan(b.rig, NULL, &other);
    for (uint32_t i = LENGTH / 2; i < LENGTH; i++) {
        steps[i] = rig_step(plan);
    }
    rig_commit(plan);
    rig_settle(b.rig);
    for (uint32_t i = 0; i < LENGTH; i++) { /* starts were handed out in this order */
        CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
        CHECK_EQ(swarm_attempt_wait(b.rig->sw, b.rig->requests[i].attempt, steps[(i + 1) % LENGTH]),
                 SWARM_OK);
        rig_settle(b.rig);
    }
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), LENGTH);
    CHECK(event_find(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER, LENGTH / 2 - 1, &event));
    CHECK_EQ(event.run, 1);
    CHECK_EQ(event.field[4], 2); /* on to the other run */
    CHECK_EQ(event.field[5], 1);
    CHECK_EQ(rig_info(b.rig, steps[LENGTH - 1]).reason, SWARM_E_DEADLOCK);
    bench_end(&b, NULL, LENGTH);
}

TEST(a_timer_that_can_end_it_is_a_way_out) {
    static const swarm_watch_spec watch = {.idle_timeout_ns = 50};
    const swarm_step_spec ways[] = {
        {.run_timeout_ns = 50}, {.watch = &watch}, {.queue_timeout_ns = 50}};

    for (uint32_t way = 0; way < 3; way++) {
        struct bench b = bench_new(NULL, 1);
        swarm_step parent = swarm_step_add(b.plan, way < 2 ? &ways[way] : NULL);
        swarm_step child = swarm_step_add(b.plan, way < 2 ? NULL : &ways[way]);

        begin(&b);
        CHECK_EQ(waits(&b, 0, child), SWARM_OK);
        rig_settle(b.rig);
        rig_at(b.rig, 49);
        CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
        rig_at(b.rig, 50);
        CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
        CHECK_EQ(rig_state(b.rig, way < 2 ? parent : child), SWARM_STEP_TIMED_OUT);
        rig_finish(b.rig);
        CHECK_EQ(swarm_run_close(b.rig->sw, b.run), SWARM_OK);
        rig_settle(b.rig);
        rig_free(b.rig);
    }
}

TEST(a_wait_that_is_over_is_none) {
    struct bench b = bench_new(NULL, 3);
    swarm_step first = rig_step(b.plan), second = rig_step(b.plan), third = rig_step(b.plan);

    begin(&b);
    CHECK_EQ(waits(&b, 0, second), SWARM_OK);
    CHECK_EQ(waits(&b, 0, third), SWARM_OK); /* the later one counts */
    CHECK_EQ(waits(&b, 1, first), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(waits(&b, 2, first), SWARM_OK);
    CHECK_EQ(waits(&b, 2, (swarm_step){0}), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(waits(&b, 0, first), SWARM_E_INVALID);
    CHECK_EQ(event_count(b.rig, SWARM_EVENT_DEADLOCK, SWARM_NEVER), 0);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(waits(&b, 0, second), SWARM_E_STALE);
    bench_end(&b, NULL, 3);
}

/* ---- against a simulation */

#define NOBODY UINT32_MAX

enum { SIM_STEPS = 24, SIM_EDGES = 3, SIM_PERMITS = 2, SIM_UNITS = 3, SIM_AGENTS = 5 };

struct sim_step {
    swarm_step handle;
    uint32_t before[SIM_EDGES], edges;
    uint32_t needs[SIM_PERMITS];
    uint32_t waits; /* 1 + the step that its attempt waits for; 0: none */
};

struct sim {
    struct rig *rig;
    swarm_run run;
    swarm_permit permits[SIM_PERMITS];
    struct sim_step steps[SIM_STEPS];
    uint32_t count;
    uint32_t ending, ends_as; /* the step whose answer was just given, or NOBODY */
    uint64_t circles;
    swarm_log_cursor cursor;
    swarm_event told[SIM_STEPS]; /* of the first circle of the instant */
};

/* LOST: it did not end OK, or may not do so. */
enum { SIM_WAITS, SIM_RUNS, SIM_ENDED, SIM_LOST };

static void sim_states(struct sim *sim, uint32_t *states) {
    for (uint32_t i = 0; i < sim->count; i++) {
        uint32_t state = rig_state(sim->rig, sim->steps[i].handle);

        states[i] = state == SWARM_STEP_RUNNING  ? SIM_RUNS
                    : state < SWARM_STEP_RUNNING ? SIM_WAITS
                    : state == SWARM_STEP_OK     ? SIM_ENDED
                                                 : SIM_LOST;
    }
    if (sim->ending != NOBODY) {
        states[sim->ending] = sim->ends_as;
    }
}

static bool sim_fits(const struct sim *sim, const uint32_t *states, uint32_t step) {
    uint32_t used[SIM_PERMITS] = {0, 0}, agents = 0;

    for (uint32_t i = 0; i < sim->count; i++) {
        for (uint32_t p = 0; p < SIM_PERMITS && states[i] == SIM_RUNS; p++) {
            used[p] += sim->steps[i].needs[p];
        }
        agents += states[i] == SIM_RUNS;
    }
    return agents < SIM_AGENTS && used[0] + sim->steps[step].needs[0] <= SIM_UNITS &&
           used[1] + sim->steps[step].needs[1] <= SIM_UNITS;
}

/* One thing that can happen to a step; false: none can. */
static bool sim_move(const struct sim *sim, uint32_t *states, uint32_t i) {
    const struct sim_step *step = &sim->steps[i];
    bool ready = true, lost = false;

    if (states[i] == SIM_RUNS && (step->waits == 0 || states[step->waits - 1] >= SIM_ENDED)) {
        states[i] = SIM_LOST;
        return true;
    }
    for (uint32_t k = 0; k < step->edges; k++) {
        ready = ready && states[step->before[k]] >= SIM_ENDED;
        lost = lost || states[step->before[k]] == SIM_LOST;
    }
    if (states[i] != SIM_WAITS || !ready || (!lost && !sim_fits(sim, states, i))) {
        return false;
    }
    states[i] = lost ? SIM_LOST : SIM_RUNS;
    return true;
}

/* Lets everything happen that can; true when somebody still runs then. */
static bool sim_deadlock(struct sim *sim, uint32_t *states) {
    bool moved = true, left = false;

    sim_states(sim, states);
    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < sim->count; i++) {
            moved = sim_move(sim, states, i) || moved;
        }
    }
    for (uint32_t i = 0; i < sim->count; i++) {
        left = left || states[i] == SIM_RUNS;
    }
    return left;
}

static bool sim_leads(const struct sim *sim, const swarm_event *event, uint32_t next) {
    const struct sim_step *step = &sim->steps[event->step];

    switch (event->field[2]) {
    case SWARM_WAITS_STEP:
        return step->waits == next + 1;
    case SWARM_WAITS_EDGE:
        for (uint32_t k = 0; k < step->edges; k++) {
            if (step->before[k] == next) {
                return true;
            }
        }
        return false;
    case SWARM_WAITS_PERMIT:
        return step->needs[event->field[3] - 1] != 0 &&
               sim->steps[next].needs[event->field[3] - 1] != 0;
    default:
        return event->field[2] == SWARM_WAITS_AGENT;
    }
}

/* The first circle told leads through steps that nothing can help, each of which waits for the
 * next. */
static void sim_check_circle(struct sim *sim, const uint32_t *states) {
    uint64_t length = sim->told[0].field[1];

    for (uint32_t i = 0; i < length; i++) {
        const swarm_event *event = &sim->told[i];
        uint32_t next = (uint32_t)event->field[5] - 1;

        CHECK_EQ(event->field[0], i);
        CHECK_EQ(next, sim->told[(i + 1) % length].step);
        CHECK(states[event->step] < SIM_ENDED);
        CHECK(sim_leads(sim, event, next));
    }
}

/* Reads on in the log; how many steps were told to be in a deadlock. */
static uint32_t sim_read(struct sim *sim) {
    swarm_event event = {0};
    uint32_t count = 0;

    while (swarm_event_next(sim->rig->log, sim->rig->log_size, &sim->cursor, &event) == SWARM_OK) {
        if (event.kind == SWARM_EVENT_DEADLOCK && count < SIM_STEPS) {
            sim->told[count++] = event;
        }
    }
    return count;
}

static void sim_settle(struct rig *rig) {
    for (uint32_t i = 0; i < rig->count; i++) { /* who was given up says so at once */
        const swarm_completion gone = {.attempt = rig->requests[i].attempt,
                                       .outcome = SWARM_OUTCOME_CANCELLED};

        if (rig->requests[i].kind == SWARM_REQUEST_CANCEL) {
            (void)swarm_complete(rig->sw, &gone);
        }
    }
    rig_settle(rig);
}

/* Whatever was done: the round says of a deadlock what the simulation says. */
static void sim_look(struct sim *sim) {
    uint32_t states[SIM_STEPS];
    bool expected = sim_deadlock(sim, states);
    uint32_t told;

    rig_settle(sim->rig);
    sim->ending = NOBODY;
    told = sim_read(sim);
    CHECK_EQ(told != 0, expected);
    if (expected && told != 0) {
        sim_check_circle(sim, states);
        sim->circles++;
    }
    sim_settle(sim->rig);
    CHECK_EQ(sim_read(sim), 0);
    for (uint32_t i = 0; i < sim->count; i++) {
        if (rig_state(sim->rig, sim->steps[i].handle) > SWARM_STEP_RUNNING) {
            sim->steps[i].waits = 0;
        }
    }
    CHECK(!sim_deadlock(sim, states));
}

static void sim_add(struct sim *sim) {
    swarm_plan *plan = swarm_plan_open(sim->rig->sw, sim->run);
    struct sim_step *step = &sim->steps[sim->count];
    swarm_need needs[SIM_PERMITS];
    uint32_t count = 0;

    memset(step, 0, sizeof *step);
    for (uint32_t p = 0; p < SIM_PERMITS; p++) {
        step->needs[p] = (uint32_t)test_below(2) * (uint32_t)(1 + test_below(SIM_UNITS));
        if (step->needs[p] != 0) {
            needs[count++] = (swarm_need){sim->permits[p], step->needs[p]};
        }
    }
    step->handle = swarm_step_add(
        plan, &(swarm_step_spec){.needs = count == 0 ? NULL : needs, .needs_count = count});
    while (sim->count != 0 && step->edges < SIM_EDGES && test_below(2) == 0) {
        uint32_t before = (uint32_t)test_below(sim->count);

        step->before[step->edges++] = before;
        CHECK_EQ(swarm_edge_add(plan, sim->steps[before].handle, step->handle, 0), SWARM_OK);
    }
    sim->count++;
    rig_commit(plan);
}

static void sim_operation(struct sim *sim) {
    uint32_t i = sim->count == 0 ? 0 : (uint32_t)test_below(sim->count), what;
    struct sim_step *step = &sim->steps[i];
    swarm_attempt attempt;

    what = (uint32_t)test_below(8);
    if (sim->count < SIM_STEPS && (sim->count < 4 || what == 0)) {
        sim_add(sim);
        return;
    }
    if (rig_state(sim->rig, step->handle) != SWARM_STEP_RUNNING) {
        return;
    }
    attempt = rig_start_of(sim->rig, i)->attempt;
    if (what < 6) {
        uint32_t other = (uint32_t)test_below(sim->count);

        if (other != i) {
            CHECK_EQ(swarm_attempt_wait(sim->rig->sw, attempt, sim->steps[other].handle), SWARM_OK);
            step->waits = other + 1;
        }
    } else {
        const swarm_completion completion = {
            .attempt = attempt, .outcome = what == 6 ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL};

        CHECK_EQ(swarm_complete(sim->rig->sw, &completion), SWARM_OK);
        sim->ending = i;
        sim->ends_as = what == 6 ? SIM_ENDED : SIM_LOST;
    }
}

TEST(random_waits_against_a_simulation) {
    static const swarm_config small = {
        .steps_max = 64, .agents_max = 8, .log_bytes = 16384, .demands_max = 128};
    uint64_t left = test_long ? 1000000 : 20000, circles = 0;

    while (left != 0) {
        static struct sim sim;

        memset(&sim, 0, sizeof sim);
        sim.ending = NOBODY;
        sim.rig = rig_new(&small, SIM_AGENTS);
        sim.permits[0] = swarm_permit_add(sim.rig->sw, "a", SIM_UNITS);
        sim.permits[1] = swarm_permit_add(sim.rig->sw, "b", SIM_UNITS);
        sim.run = swarm_run_open(sim.rig->sw, &growing);
        for (uint32_t i = 0; i < 100 && left != 0; i++, left--) {
            sim_operation(&sim);
            sim_look(&sim);
        }
        circles += sim.circles;
        CHECK_EQ(swarm_run_cancel(sim.rig->sw, sim.run), SWARM_OK);
        rig_settle(sim.rig);
        sim_settle(sim.rig);
        rig_free(sim.rig);
    }
    printf("# %" PRIu64 " deadlocks\n", circles);
    CHECK(circles > 100);
}

TEST_MAIN()
