/* SPDX-License-Identifier: MIT */
/*
 * test_hedge.c - second attempts of slow steps (X4), and learned quantiles. What they are worth:
 * scenario_stall.h.
 */
#include "test_events.h"

#include "../src/base/quantile.h"

static const swarm_hedge_spec at_ten = {.after_ns = 10, .share_max_ppm = 1000000};

/* A run of `count` equal steps. */
static struct rig *hedged(const swarm_step_spec *spec, uint32_t count, uint32_t agents,
                          swarm_step *out_steps, swarm_run *out_run) {
    struct rig *rig = rig_new(NULL, agents);
    swarm_plan *plan = rig_plan(rig, NULL, out_run);

    for (uint32_t i = 0; i < count; i++) {
        out_steps[i] = swarm_step_add(plan, spec);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    return rig;
}

/* Answers the attempt with this number of a step. */
static void answer_try(struct rig *rig, uint64_t ordinal, uint32_t number, swarm_outcome outcome,
                       uint64_t value) {
    swarm_completion completion = {
        .outcome = outcome, .usage = {.cost_nano = 1}, .result = {.value = value}};

    for (uint32_t i = 0; i < rig->count; i++) {
        const swarm_request *request = &rig->requests[i];

        if (request->kind == SWARM_REQUEST_START && request->ordinal == ordinal &&
            request->number == number) {
            completion.attempt = request->attempt;
        }
    }
    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

static void end(struct rig *rig, swarm_run run) {
    rig_finish(rig);
    rig_at(rig, rig->now_ns + 100 * SECOND);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
}

TEST(the_second_attempt_wins_and_the_first_is_cancelled_billed_and_fenced) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    CHECK_EQ(swarm_next_deadline(rig->sw), 10);
    rig_at(rig, 9);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    rig_at(rig, 10);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    CHECK_EQ(event_last(rig, SWARM_EVENT_HEDGE, 0).field[1], 10);
    CHECK_EQ(event_last(rig, SWARM_EVENT_HEDGE, 0).field[5], 1);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 15);
    answer_try(rig, 0, 2, SWARM_OUTCOME_OK, 22);
    CHECK_EQ(rig_info(rig, step).result.value, 22);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(event_last(rig, SWARM_EVENT_GIVE_UP, 0).now_ns, 15); /* in the same instant */
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 1);
    rig_at(rig, 20);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 11);
    CHECK_EQ(rig_info(rig, step).result.value, 22); /* late: changes nothing */
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 2);
    CHECK_EQ(rig_report(rig, run).fenced, 1);
    CHECK_EQ(rig_report(rig, run).hedges, 1);
    CHECK_EQ(rig_report(rig, run).retries, 0);
    end(rig, run);
}

TEST(the_first_attempt_may_win_too) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig_at(rig, 10);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 11);
    CHECK_EQ(rig_info(rig, step).result.value, 11);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(rig_info(rig, step).agent.id, 1);
    end(rig, run);
}

TEST(both_answers_in_one_instant_the_first_attempt_counts) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig_at(rig, 10);
    for (uint32_t i = 2; i-- != 0;) { /* the later one is posted first */
        swarm_completion completion = {.attempt = rig->requests[i].attempt,
                                       .result = {.value = rig->requests[i].number}};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    }
    rig_settle(rig);
    CHECK_EQ(rig_info(rig, step).result.value, 1);
    CHECK_EQ(rig_report(rig, run).fenced, 1);
    end(rig, run);
}

TEST(a_hedge_that_finds_no_agent_waits_and_is_forgotten_when_the_first_answers) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step steps[2];
    struct rig *rig = hedged(&spec, 2, 1, steps, &run);

    rig_at(rig, 10);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 1);
    rig_check_order(rig, "0 1"); /* and not 0 once more */
    end(rig, run);
}

TEST(one_that_fails_is_forgotten_while_its_rival_goes_on) {
    const swarm_step_spec spec = {.hedge = &at_ten, .retry = {.attempts_max = 2, .backoff_ns = 5}};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig_at(rig, 10);
    answer_try(rig, 0, 1, SWARM_OUTCOME_TERMINAL, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    answer_try(rig, 0, 2, SWARM_OUTCOME_TRANSIENT, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD); /* one try of two: hedges don't count */
    rig_at(rig, 15);
    CHECK_EQ(rig_start_of(rig, 0)->number, 3);
    rig_at(rig, 25);
    CHECK_EQ(rig_start_of(rig, 0)->number, 3); /* one step, one hedge: the share is used up */
    answer_try(rig, 0, 3, SWARM_OUTCOME_TRANSIENT, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_report(rig, run).hedges, 1);
    CHECK_EQ(rig_report(rig, run).retries, 1);
    end(rig, run);
}

TEST(hedges_keep_within_their_share_of_the_steps) {
    const swarm_hedge_spec tenth = {.after_ns = 10, .share_max_ppm = 100000};
    const swarm_step_spec spec = {.hedge = &tenth};
    swarm_run run;
    swarm_step steps[40];
    struct rig *rig = hedged(&spec, 40, 100, steps, &run);

    rig_at(rig, 10);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 44);
    CHECK_EQ(rig_report(rig, run).hedges, 4);
    CHECK_EQ(event_count(rig, SWARM_EVENT_HEDGE, SWARM_NEVER), 40); /* those refused say so */
    CHECK_EQ(event_last(rig, SWARM_EVENT_HEDGE, 3).field[5], 1);
    CHECK_EQ(event_last(rig, SWARM_EVENT_HEDGE, 4).field[5], 0);
    end(rig, run);
}

TEST(a_learned_hedge_waits_for_enough_samples) {
    const swarm_hedge_spec learned = {
        .quantile_ppm = 600000, .samples_min = 3, .share_max_ppm = 1000000};
    const swarm_step_spec spec = {.hedge = &learned};
    const uint64_t ms = 1000000;
    swarm_run run;
    swarm_step steps[4];
    struct rig *rig = hedged(&spec, 4, 8, steps, &run);
    uint64_t due;

    rig_at(rig, 80 * ms);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 0);
    rig_at(rig, 100 * ms);
    answer_try(rig, 1, 1, SWARM_OUTCOME_OK, 0);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    rig_at(rig, 101 * ms);
    answer_try(rig, 2, 1, SWARM_OUTCOME_OK, 0); /* the third: step 3 is looked at again */
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_START, 3), 1);
    due = swarm_next_deadline(rig->sw);
    CHECK(due > 101 * ms && due <= 113 * ms); /* the third of five, in a bucket of an eighth */
    rig_at(rig, due);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_START, 3), 2);
    end(rig, run);
}

TEST(an_attempt_that_will_be_late_is_hedged_at_once) {
    const swarm_watch_spec watch = {.late_ns = 100, .tokens_expected = 100};
    const swarm_hedge_spec hedge = {.after_ns = 1000, .share_max_ppm = 1000000};
    const swarm_step_spec spec = {.watch = &watch, .hedge = &hedge};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    CHECK_EQ(swarm_progress(rig->sw, rig_start_of(rig, 0)->attempt, 0, 10, 0), SWARM_OK);
    rig_at(rig, 50);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 0).field[3], SWARM_ACTION_HEDGE);
    CHECK_EQ(event_last(rig, SWARM_EVENT_HEDGE, 0).field[0], SWARM_DETECT_LATE);
    rig_at(rig, 2000);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    end(rig, run);
}

TEST(each_rival_is_watched_by_itself) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 15};
    const swarm_step_spec spec = {.watch = &watch, .hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig_at(rig, 10);
    rig_at(rig, 15); /* the first has been silent for 15, the second for 5 */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    rig_at(rig, 24);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 25);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_TIMED_OUT);
    end(rig, run);
}

TEST(a_cancel_ends_both) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step steps[3];
    struct rig *rig = hedged(&spec, 3, 9, steps, &run);

    rig_at(rig, 10);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 6);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(rig_state(rig, steps[i]), SWARM_STEP_CANCELLED);
    }
    end(rig, run);
}

TEST(a_hedge_whose_start_nobody_took_needs_no_cancel) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig->hold_takes = true;
    rig_at(rig, 10);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 1);
    rig->hold_takes = false;
    rig_at(rig, 11);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 0);
    CHECK_EQ(event_last(rig, SWARM_EVENT_FENCED, 0).field[2], SWARM_OUTCOME_REFUSED);
    end(rig, run);
}

TEST(a_refused_hedge_leaves_the_first_alone) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    swarm_run run;
    swarm_step step;
    struct rig *rig = hedged(&spec, 1, 2, &step, &run);

    rig_at(rig, 10);
    answer_try(rig, 0, 2, SWARM_OUTCOME_REFUSED, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    answer_try(rig, 0, 1, SWARM_OUTCOME_OK, 4);
    CHECK_EQ(rig_info(rig, step).result.value, 4);
    end(rig, run);
}

TEST(a_cap_of_attempts_stops_hedges_and_not_the_step) {
    const swarm_step_spec spec = {.hedge = &at_ten};
    const swarm_run_spec capped = {.attempts_max = 1};
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &capped, &run);
    swarm_step step = swarm_step_add(plan, &spec);

    rig_commit(plan);
    rig_at(rig, 0);
    rig_at(rig, 10);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    end(rig, run);
}

TEST(absurd_hedges_are_refused_when_the_step_is_added) {
    const swarm_hedge_spec bad[] = {{.quantile_ppm = 1000001},
                                    {.share_max_ppm = 1000001},
                                    {.samples_min = 2049},
                                    {.reserved = 1}};
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_error error = {0};

        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.hedge = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
        CHECK(strncmp(error.text, "hedge:", 6) == 0);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, i);
    }
    rig_free(rig);
}

/* ---- quantiles */

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Off by an eighth of the true one and a unit at most, wherever the samples lie. */
TEST(learned_quantiles_are_near_the_true_ones) {
    static uint64_t samples[QUANTILE_TOTAL_MAX];
    static struct quantile q;

    for (uint32_t round = 0; round < 60; round++) {
        uint32_t count = 1 + (uint32_t)test_below(1000), shift = 12 + (uint32_t)test_below(38);

        memset(&q, 0, sizeof q);
        for (uint32_t i = 0; i < count; i++) {
            samples[i] = test_random() >> (64 - shift + test_below(6));
            quantile_add(&q, samples[i]);
        }
        qsort(samples, count, sizeof samples[0], by_size);
        for (uint32_t ppm = 50000; ppm <= 1000000; ppm += 50000) {
            uint64_t rank = ((uint64_t)count * ppm + 999999) / 1000000;
            uint64_t truth = samples[rank - 1], learned = quantile_at(&q, ppm, 0);

            CHECK(learned + 1024 + truth / 8 >= truth);
            CHECK(learned <= truth + truth / 8 + 1024);
        }
    }
    memset(&q, 0, sizeof q);
    CHECK_EQ(quantile_at(&q, 950000, 0), 0);
    quantile_add(&q, UINT64_MAX);
    CHECK(quantile_at(&q, 1000000, 0) >= (UINT64_C(1) << 51));
}

TEST(times_that_have_not_ended_count_as_longer) {
    static struct quantile q;

    memset(&q, 0, sizeof q);
    for (uint32_t i = 1; i <= 90; i++) {
        quantile_add(&q, i * SECOND);
    }
    CHECK(quantile_known(&q, 900000, 10));
    CHECK(!quantile_known(&q, 900000, 11));
    CHECK(quantile_at(&q, 900000, 10) > 85 * SECOND);
    CHECK(quantile_at(&q, 450000, 10) < 49 * SECOND); /* the 45th of a hundred */
    CHECK_EQ(quantile_at(&q, 950000, 10), 0);
}

TEST(what_was_learned_long_ago_fades) {
    static struct quantile q;

    memset(&q, 0, sizeof q);
    for (uint32_t i = 0; i < 4096; i++) {
        quantile_add(&q, 1000 * SECOND);
    }
    for (uint32_t i = 0; i < 3 * 4096; i++) {
        quantile_add(&q, SECOND);
    }
    CHECK(q.total <= QUANTILE_TOTAL_MAX);
    CHECK(quantile_at(&q, 500000, 0) < 2 * SECOND);
}

TEST_MAIN()
