/* SPDX-License-Identifier: MIT */
/*
 * What happens when an attempt does not go well: retries and their backoff, outcome classes, holds
 * of a backend, timeouts, answers that come twice or late, results that are given back; and the
 * ends of runs.
 */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static char lent[64]; /* bytes that answers lend: each test uses addresses of it */

static swarm_step step_with(swarm_plan *plan, swarm_step_spec spec) {
    swarm_step step = swarm_step_add(plan, &spec);

    CHECK(step.id != 0);
    return step;
}

/* A run of one step, started at time 0. */
static swarm_run run_of_one(struct rig *rig, swarm_step_spec spec, swarm_step *out_step) {
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    *out_step = step_with(plan, spec);
    rig_commit(plan);
    rig_at(rig, 0);
    return run;
}

/* ---- retries */

/* Fails `attempts` times, each at the moment it starts; the waits between starts. */
static void measure_backoff(swarm_retry retry, uint64_t *waits, uint32_t attempts) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run;

    retry.attempts_max = attempts;
    run = run_of_one(rig, (swarm_step_spec){.retry = retry}, &step);
    for (uint32_t i = 0; i + 1 < attempts; i++) {
        uint64_t before = rig->now_ns;

        rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
        if (rig_state(rig, step) == SWARM_STEP_HELD) {
            CHECK(rig_next(rig));
        }
        waits[i] = rig->now_ns - before;
        CHECK_EQ(rig_start_of(rig, 0)->number, i + 2);
    }
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_FAILED);
    CHECK_EQ(rig_info(rig, step).outcome, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_info(rig, step).attempts, attempts);
    CHECK_EQ(rig_report(rig, run).attempts, attempts);
    CHECK_EQ(rig_report(rig, run).retries, attempts - 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(backoff_doubles_up_to_its_cap) {
    uint64_t waits[70];

    measure_backoff((swarm_retry){0}, waits, 9); /* 1 s, 2, 4, 8, 16, 32, then 60 */
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_EQ(waits[i], SECOND << i);
    }
    CHECK_EQ(waits[6], 60 * SECOND);
    CHECK_EQ(waits[7], 60 * SECOND);
    measure_backoff((swarm_retry){.backoff_ns = SWARM_ZERO}, waits, 5);
    CHECK_EQ(waits[0] + waits[1] + waits[2] + waits[3], 0);
    measure_backoff((swarm_retry){.backoff_ns = 3, .backoff_max_ns = 20}, waits, 6);
    CHECK_EQ(waits[0], 3);
    CHECK_EQ(waits[2], 12);
    CHECK_EQ(waits[3], 20);
    measure_backoff((swarm_retry){.backoff_ns = 100, .backoff_max_ns = 7}, waits, 3);
    CHECK_EQ(waits[0], 7);
    measure_backoff((swarm_retry){.backoff_ns = 1, .backoff_max_ns = UINT64_C(1) << 40}, waits, 70);
    CHECK_EQ(waits[39], UINT64_C(1) << 39);
    CHECK_EQ(waits[68], UINT64_C(1) << 40); /* no overflow on the way */
}

TEST(jitter_stays_in_its_range_and_is_the_seed_s) {
    uint64_t first[64], second[64], least = UINT64_MAX, most = 0;
    const swarm_retry retry = {.backoff_ns = 1000, .backoff_max_ns = 1000, .jitter_ppm = 250000};

    measure_backoff(retry, first, 64);
    measure_backoff(retry, second, 64);
    for (uint32_t i = 0; i + 1 < 64; i++) {
        CHECK_EQ(first[i], second[i]);
        least = first[i] < least ? first[i] : least;
        most = first[i] > most ? first[i] : most;
    }
    CHECK(least >= 750 && least < 800);
    CHECK(most <= 1250 && most > 1200);
    measure_backoff((swarm_retry){.backoff_ns = 1000, .jitter_ppm = 1000000}, first, 3);
    CHECK(first[0] <= 2000 && first[1] <= 4000);
}

/* The draw belongs to run, step and attempt: other steps and other orders don't shift it. */
TEST(jitter_depends_on_step_and_attempt_alone) {
    const swarm_retry retry = {.backoff_ns = SECOND, .jitter_ppm = 500000, .attempts_max = 3};
    uint64_t ready[2][2];

    for (uint32_t way = 0; way < 2; way++) {
        const swarm_run_spec spec = {.seed = 77,
                                     .order = way == 0 ? SWARM_ORDER_FIFO : SWARM_ORDER_LIFO};
        struct rig *rig = rig_new(NULL, 1 + way);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &spec, &run);
        swarm_step steps[2] = {step_with(plan, (swarm_step_spec){.retry = retry}),
                               step_with(plan, (swarm_step_spec){.retry = retry})};

        rig_commit(plan);
        rig_at(rig, 0);
        rig_answer(rig, way, SWARM_OUTCOME_TRANSIENT);
        rig_answer(rig, 1 - way, SWARM_OUTCOME_TRANSIENT);
        while (rig_state(rig, steps[0]) == SWARM_STEP_HELD ||
               rig_state(rig, steps[1]) == SWARM_STEP_HELD) {
            CHECK(rig_next(rig));
        }
        for (uint32_t i = 0; i < 2; i++) {
            ready[way][i] = rig_info(rig, steps[i]).ready_ns;
        }
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
    CHECK_EQ(ready[0][0], ready[1][0]);
    CHECK_EQ(ready[0][1], ready[1][1]);
    CHECK(ready[0][0] != ready[0][1]);
}

struct outcome_case {
    swarm_outcome outcome;
    bool retried;
    uint32_t state; /* at the end, when it is not retried */
    swarm_status reason;
};

static const struct outcome_case outcome_cases[] = {
    {SWARM_OUTCOME_OK, false, SWARM_STEP_OK, SWARM_OK},
    {SWARM_OUTCOME_TRANSIENT, true, SWARM_STEP_FAILED, SWARM_E_FAILED},
    {SWARM_OUTCOME_TERMINAL, false, SWARM_STEP_FAILED, SWARM_E_FAILED},
    {SWARM_OUTCOME_GARBAGE, true, SWARM_STEP_FAILED, SWARM_E_GARBAGE},
    {SWARM_OUTCOME_LOST, true, SWARM_STEP_FAILED, SWARM_E_FAILED},
    {SWARM_OUTCOME_CANCELLED, false, SWARM_STEP_CANCELLED, SWARM_OK},
    {SWARM_OUTCOME_TIMED_OUT, true, SWARM_STEP_TIMED_OUT, SWARM_E_TIMED_OUT},
};

TEST(outcome_classes) {
    for (uint32_t i = 0; i < sizeof outcome_cases / sizeof outcome_cases[0]; i++) {
        const struct outcome_case *c = &outcome_cases[i];
        struct rig *rig = rig_new(NULL, 1);
        swarm_step step;
        swarm_run run = run_of_one(
            rig, (swarm_step_spec){.retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}}, &step);

        rig_answer(rig, 0, c->outcome);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), c->retried ? 2 : 1);
        if (c->retried) {
            CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
            rig_answer(rig, 0, c->outcome);
        }
        CHECK_EQ(rig_state(rig, step), c->state);
        CHECK_EQ(rig_info(rig, step).reason, c->reason);
        CHECK_EQ(rig_info(rig, step).outcome, c->outcome);
        rig_check_run(rig, run);
        CHECK_EQ(rig_report(rig, run).usage.cost_nano, c->retried ? 2 : 1);
        rig_free(rig);
    }
}

/* THROTTLED and REFUSED: no attempt is counted, and nothing more goes to the backend until then. */
TEST(holds_of_a_backend) {
    for (uint32_t refused = 0; refused < 2; refused++) {
        struct rig *rig = rig_new(NULL, 3);
        swarm_outcome outcome = refused != 0 ? SWARM_OUTCOME_REFUSED : SWARM_OUTCOME_THROTTLED;
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_step first = step_with(
            plan, (swarm_step_spec){.retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}});
        swarm_step before = rig_step(plan), after = rig_step(plan);

        CHECK_EQ(swarm_edge_add(plan, before, after, 0), SWARM_OK);
        rig_commit(plan);
        rig_at(rig, 0);
        rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
        rig->now_ns = 10;
        rig_hold(rig, 0, outcome, 1000);
        CHECK_EQ(rig_state(rig, first), SWARM_STEP_READY);
        CHECK_EQ(rig_info(rig, first).attempts, 1);
        rig->now_ns = 20;
        rig_answer(rig, 1, SWARM_OUTCOME_OK); /* what is in flight goes on */
        CHECK_EQ(rig_state(rig, after), SWARM_STEP_READY);
        CHECK_EQ(swarm_next_deadline(rig->sw), 1000);
        rig_at(rig, 999);
        rig_check_order(rig, "0 1 0");
        rig_at(rig, 1000);
        rig_check_order(rig, "0 1 0 0 2");
        CHECK_EQ(rig_start_of(rig, 0)->number, 2);
        rig_hold(rig, 2, outcome, 900); /* in the past: after the step's backoff */
        CHECK_EQ(swarm_next_deadline(rig->sw), 1000 + UINT64_C(1000000000));
        rig_check_order(rig, "0 1 0 0 2");
        rig_at(rig, 1000 + UINT64_C(1000000000));
        rig_check_order(rig, "0 1 0 0 2 2");
        rig_finish(rig);
        rig_check_run(rig, run);
        CHECK_EQ(rig_report(rig, run).attempts, 4); /* the refused ones cost nothing */
        CHECK_EQ(rig_report(rig, run).retries, 1);
        rig_free(rig);
    }
}

/* One that never began goes first again; a 429 may have meant this step, which goes to the end. */
TEST(who_was_refused_keeps_its_place_and_who_was_throttled_does_not) {
    static const swarm_outcome outcomes[] = {SWARM_OUTCOME_REFUSED, SWARM_OUTCOME_THROTTLED};
    static const char *const orders[] = {"0 0 1 2", "0 1 2 0"};

    for (uint32_t i = 0; i < 2; i++) {
        struct rig *rig = rig_new(NULL, 1);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);

        for (uint32_t k = 0; k < 3; k++) {
            (void)rig_step(plan);
        }
        rig_commit(plan);
        rig_at(rig, 0);
        rig_hold(rig, 0, outcomes[i], 10);
        rig_at(rig, 10);
        rig_finish(rig);
        rig_check_order(rig, orders[i]);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(a_hold_is_of_one_backend_and_the_longest_counts) {
    struct rig *rig = rig_new(NULL, 2);
    const swarm_backend other = {.size = sizeof other, .name = "other"};
    swarm_profile_spec spec = {.name = "dear", .cost = 9};
    swarm_run run;
    swarm_plan *plan;

    spec.backend = swarm_backend_add(rig->sw, &other);
    CHECK_EQ(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &spec), 1).id, 3);
    plan = rig_plan(rig, NULL, &run);
    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_start_of(rig, 2)->agent.id, 3);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 500);
    rig_hold(rig, 1, SWARM_OUTCOME_THROTTLED, 100); /* does not shorten it */
    rig->now_ns = 1;
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 3)->agent.id, 3); /* it became ready first */
    rig_answer(rig, 3, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, 3);
    rig_at(rig, 499);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 5);
    rig_at(rig, 500);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 1);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- timeouts */

TEST(queue_timeout_fires_at_its_threshold) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step second;

    (void)rig_step(plan);
    second = step_with(plan, (swarm_step_spec){.queue_timeout_ns = 100});
    rig_commit(plan);
    rig_at(rig, 7);
    CHECK_EQ(swarm_next_deadline(rig->sw), 107);
    rig_at(rig, 106);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_READY);
    rig->now_ns = 107; /* the agent becomes free in the same instant: timers go before dispatch */
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_TIMED_OUT);
    CHECK_EQ(rig_info(rig, second).reason, SWARM_E_TIMED_OUT);
    CHECK_EQ(rig_info(rig, second).end_ns, 107);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(queue_timeout_stops_with_the_start) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run = run_of_one(rig, (swarm_step_spec){.queue_timeout_ns = 100}, &step);

    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    rig_at(rig, 1000);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(run_timeout_fires_at_its_threshold) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_step step;
    swarm_run run = run_of_one(
        rig, (swarm_step_spec){.run_timeout_ns = 50, .retry = {.attempts_max = 2, .backoff_ns = 5}},
        &step);

    CHECK_EQ(rig_start_of(rig, 0)->timeout_ns, 50);
    rig_at(rig, 49);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 50);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(rig->requests[1].attempt.id, rig->requests[0].attempt.id);
    rig_at(rig, 55);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, 2); /* the first one is still at it */
    CHECK(rig_start_of(rig, 0)->epoch > rig->requests[0].epoch);
    rig_at(rig, 105);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_TIMED_OUT);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_TIMED_OUT);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_ENDED);
    rig_at(rig, 60 * SECOND); /* both attempts are settled by their grace */
    CHECK_EQ(rig_report(rig, run).fenced, 2);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_completion_wins_over_its_timeout) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run = run_of_one(rig, (swarm_step_spec){.run_timeout_ns = 50}, &step);

    rig->now_ns = 50;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 0);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- answers */

static swarm_status answer_with(struct rig *rig, swarm_attempt attempt, swarm_outcome outcome,
                                const char *bytes) {
    const swarm_completion completion = {.attempt = attempt,
                                         .outcome = outcome,
                                         .usage = {10, 4, 3, 100},
                                         .result = {.bytes = bytes, .size = bytes != NULL ? 1 : 0}};

    return swarm_complete(rig->sw, &completion);
}

static uint32_t releases_of(const struct rig *rig, const char *bytes) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->count; i++) {
        count += rig->requests[i].kind == SWARM_REQUEST_RELEASE &&
                 rig->requests[i].result.bytes == bytes;
    }
    return count;
}

TEST(double_answers_take_nothing_over) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run = run_of_one(rig, (swarm_step_spec){0}, &step);
    swarm_attempt attempt = rig_start_of(rig, 0)->attempt;

    CHECK_EQ(answer_with(rig, (swarm_attempt){attempt.id + (UINT64_C(1) << 32)}, 0, lent),
             SWARM_E_STALE);
    CHECK_EQ(answer_with(rig, attempt, 0, lent), SWARM_OK);
    CHECK_EQ(answer_with(rig, attempt, 0, lent + 1), SWARM_E_DUPLICATE);
    rig_settle(rig);
    CHECK_EQ(answer_with(rig, attempt, 0, lent + 2), SWARM_E_STALE);
    rig_at(rig, 1);
    CHECK_EQ(rig_info(rig, step).result.bytes == lent, 1);
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 100);
    CHECK_EQ(rig_report(rig, run).usage.input_tokens, 10);
    CHECK_EQ(rig_report(rig, run).usage.cached_tokens, 4);
    CHECK_EQ(rig_report(rig, run).usage.output_tokens, 3);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 1);
    CHECK_EQ(releases_of(rig, lent), 1);
    rig_free(rig);
}

TEST(late_answers_are_billed_and_fenced) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_step step;
    swarm_run run = run_of_one(
        rig, (swarm_step_spec){.run_timeout_ns = 50, .retry = {.attempts_max = 2, .backoff_ns = 1}},
        &step);
    swarm_attempt first = rig_start_of(rig, 0)->attempt;

    rig_at(rig, 50);
    rig_at(rig, 51);
    rig->now_ns = 60;
    CHECK_EQ(answer_with(rig, first, SWARM_OUTCOME_OK, lent), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases_of(rig, lent), 1); /* nobody will read it */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_report(rig, run).fenced, 1);
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 100);
    CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt, SWARM_OUTCOME_OK, lent + 1), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 200);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases_of(rig, lent), 1);
    CHECK_EQ(releases_of(rig, lent + 1), 1);
    rig_free(rig);
}

TEST(results_of_failed_attempts_are_given_back_at_once) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run = run_of_one(
        rig, (swarm_step_spec){.retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}}, &step);

    CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt, SWARM_OUTCOME_GARBAGE, lent),
             SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases_of(rig, lent), 1);
    CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt, SWARM_OUTCOME_TERMINAL, lent + 1),
             SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases_of(rig, lent + 1), 1);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 2);
    rig_free(rig);
}

TEST(inputs_stay_until_they_were_read) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step first = step_with(plan, (swarm_step_spec){.flags = SWARM_STEP_DETACHED});
    swarm_step second = step_with(plan, (swarm_step_spec){.flags = SWARM_STEP_DETACHED});
    swarm_step reader = step_with(plan, (swarm_step_spec){.flags = SWARM_STEP_INPUTS});
    swarm_result input = {0};

    CHECK_EQ(swarm_edge_add(plan, second, reader, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, first, reader, 0), SWARM_OK);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, 0);
    CHECK_EQ(answer_with(rig, rig_start_of(rig, 1)->attempt, 0, lent + 1), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt, 0, lent), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 0);
    CHECK_EQ(rig_start_of(rig, 2)->inputs, 2);
    CHECK_EQ(swarm_input(rig->sw, reader, 0, &input), SWARM_OK);
    CHECK(input.bytes == lent); /* ordinals, not arrival, not the order of edges */
    CHECK_EQ(swarm_input(rig->sw, reader, 1, &input), SWARM_OK);
    CHECK(input.bytes == lent + 1);
    CHECK_EQ(swarm_input(rig->sw, reader, 2, &input), SWARM_E_INVALID);
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(releases_of(rig, lent), 1);
    CHECK_EQ(releases_of(rig, lent + 1), 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- runs */

TEST(again_gives_results_back_first) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = rig_step(plan), second = rig_step(plan);

    CHECK_EQ(swarm_edge_add(plan, first, second, 3), SWARM_OK);
    rig_commit(plan);
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t failed = round == 1, again = 0;

        rig_at(rig, rig->now_ns + 100);
        CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt,
                             failed ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK, lent),
                 SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_state(rig, second), failed ? SWARM_STEP_SKIPPED : SWARM_STEP_PENDING);
        CHECK_EQ(swarm_run_again(rig->sw, run), failed ? SWARM_OK : SWARM_E_BUSY);
        if (failed) {
            CHECK_EQ(rig_report(rig, run).skipped, 0);
            continue;
        }
        CHECK(rig_next(rig));
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        CHECK_EQ(rig_report(rig, run).ok, 2);
        rig_check_run(rig, run);
        while (swarm_run_again(rig->sw, run) == SWARM_E_BUSY) {
            CHECK_EQ(again++, 0);
            rig_settle(rig);
        }
        CHECK_EQ(rig_report(rig, run).ok, 0);
        CHECK_EQ(rig_report(rig, run).steps, 2);
    }
    CHECK_EQ(releases_of(rig, lent), 4);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(forget_after_again_gives_results_back_once) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_step step;
    swarm_run run = run_of_one(rig, (swarm_step_spec){0}, &step);

    CHECK_EQ(answer_with(rig, rig_start_of(rig, 0)->attempt, 0, lent), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_E_BUSY);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(rig->sw, run, &(swarm_run_report){0}), SWARM_E_STALE);
    rig_settle(rig);
    CHECK_EQ(releases_of(rig, lent), 1);
    rig_free(rig);
}

/* A plan that its run does not take any more: refused, and the run is not taken from under it. */
TEST(a_plan_of_a_closed_run_is_frozen) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);

    (void)rig_step(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, 0);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_E_BUSY);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_FROZEN);
    rig_at(rig, 1);
    CHECK_EQ(rig->count, 0);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
}

TEST(a_run_that_nothing_can_move_is_stalled) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_permit permit = swarm_permit_add(rig->sw, "lock", 1);
    const swarm_need need[] = {{permit, 1}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_error error = {0};

    (void)step_with(plan, (swarm_step_spec){.needs = need, .needs_count = 1});
    (void)rig_step(plan);
    rig_commit(plan);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_AGAIN);
    rig_at(rig, 0);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_AGAIN);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, SWARM_NEVER - 1);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_AGAIN); /* a timer may */
    CHECK_EQ(swarm_drain(rig->sw), SWARM_OK);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_check_run(rig, run);
    rig_free(rig);

    rig = rig_new(NULL, 1); /* drained: what is ready stays so */
    plan = rig_plan(rig, NULL, &run);
    (void)rig_step(plan);
    (void)rig_step(plan);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_drain(rig->sw), SWARM_E_AGAIN);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_drain(rig->sw), SWARM_OK);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    CHECK_EQ(swarm_run_check(rig->sw, run, &error), SWARM_E_STALLED);
    CHECK_EQ(error.step, 1);
    rig_free(rig);
}

TEST_MAIN()
