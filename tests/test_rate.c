/* SPDX-License-Identifier: MIT */
/*
 * Limits (M29): token buckets, exact to the token; permits and rates taken together or not at all;
 * limits of a backend; who is overtaken too often; the governor (S6).
 */
#include "test_events.h"

#include "../src/base/bucket.h"

#define MINUTE (60 * SECOND)

/* ---- the bucket alone */

/* After t ns at most min(burst, t * units / period) tokens are there, and that many exactly; the
 * reference counts in whole fractions of its own, by long division. */
TEST(what_flows_in_is_exact) {
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t units = 1 + test_below(5000), period = 1 + test_below(100000);
        uint64_t burst = 1 + test_below(3000), now = 0, have;
        struct bucket often = {0}, once = {0};

        CHECK(bucket_init(&often, units, period, burst, 0));
        CHECK(bucket_init(&once, units, period, burst, 0));
        bucket_take(&often, burst);
        bucket_take(&once, burst);
        for (uint32_t k = 0; k < 5; k++) {
            now += test_below(period);
            (void)bucket_has(&often, 1, now);
        }
        have = now * units / period;
        have = have < burst ? have : burst;
        CHECK(have == 0 || bucket_has(&often, have, now));
        CHECK(!bucket_has(&often, have + 1, now));
        CHECK(!bucket_has(&once, have + 1, now));
        if (have < burst) { /* the next token comes in the first ns in which it is whole */
            uint64_t when = ((have + 1) * period + units - 1) / units;

            CHECK_EQ(bucket_when(&once, have + 1), when);
            CHECK(!bucket_has(&often, have + 1, when - 1));
            CHECK(bucket_has(&often, have + 1, when));
        }
    }
}

TEST(debts_extremes_and_what_is_refused) {
    struct bucket bucket = {0};

    CHECK(!bucket_init(&bucket, 0, 1, 1, 0));
    CHECK(!bucket_init(&bucket, 1, 0, 1, 0));
    CHECK(!bucket_init(&bucket, 1, 1, 0, 0));
    CHECK(!bucket_init(&bucket, 1, UINT64_MAX, 2, 0));
    CHECK(bucket_init(&bucket, 1000000000, MINUTE, 1000000000, 0)); /* a thousand million TPM */
    CHECK(bucket_holds(&bucket, 1000000000));
    CHECK(!bucket_holds(&bucket, 1000000001));
    CHECK(!bucket_holds(&bucket, UINT64_MAX));
    bucket_take(&bucket, UINT64_MAX); /* the debt has an end */
    bucket_take(&bucket, UINT64_MAX);
    CHECK(!bucket_has(&bucket, 1, UINT64_C(1) << 60));
    CHECK(bucket_init(&bucket, 1, 1, 1, 0));
    bucket_take(&bucket, 1);
    bucket_give(&bucket, UINT64_MAX);
    CHECK(bucket_has(&bucket, 1, UINT64_MAX));
    CHECK(!bucket_has(&bucket, 2, UINT64_MAX));
}

/* ---- in dispatch */

static swarm_permit limit_of(struct rig *rig, swarm_limit_spec spec) {
    swarm_permit permit = swarm_limit_add(rig->sw, &spec);

    CHECK(permit.id != 0);
    return permit;
}

static swarm_budget wide(struct rig *rig) {
    return swarm_budget_add(rig->sw, &(swarm_budget_spec){.name = "wide"});
}

static swarm_step reserving(swarm_plan *plan, swarm_budget budget, uint64_t tokens) {
    const swarm_charge_spec charge = {.budget = budget, .reserve = {.output_tokens = tokens}};

    return swarm_step_add(plan, &(swarm_step_spec){.charge = &charge});
}

static swarm_step needing(swarm_plan *plan, swarm_permit permit, uint64_t units,
                          uint32_t priority) {
    const swarm_need need = {permit, units};
    const swarm_step_spec spec = {.needs = &need, .needs_count = 1, .priority = priority};

    return swarm_step_add(plan, &spec);
}

static void answer(struct rig *rig, uint64_t ordinal, swarm_outcome outcome, uint64_t output) {
    const swarm_request *start = rig_start_of(rig, ordinal);

    CHECK(start != NULL);
    if (start != NULL) {
        const swarm_completion completion = {.attempt = start->attempt,
                                             .outcome = outcome,
                                             .usage = {.output_tokens = output},
                                             .until_ns = rig->now_ns + 1};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
}

static uint64_t start_time(struct rig *rig, uint64_t ordinal) {
    const swarm_request *start = rig_start_of(rig, ordinal);

    return start == NULL ? SWARM_NEVER : start->now_ns;
}

TEST(requests_a_minute_wake_by_a_timer) {
    struct rig *rig = rig_new(NULL, 9);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)limit_of(rig, (swarm_limit_spec){.name = "rpm", .backend = rig->backend, .units = 2});
    for (uint32_t i = 0; i < 5; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    while (rig_next(rig)) {
    }
    CHECK_EQ(start_time(rig, 1), 0);
    CHECK_EQ(start_time(rig, 2), 30 * SECOND);
    CHECK_EQ(start_time(rig, 3), 60 * SECOND);
    CHECK_EQ(start_time(rig, 4), 90 * SECOND);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* 1,000 tokens a minute; what was reserved and not used comes back, what was used beyond is owed.
 */
TEST(tokens_are_reserved_and_set_right) {
    struct rig *rig = rig_new(NULL, 9);
    swarm_budget budget = wide(rig);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)limit_of(rig, (swarm_limit_spec){.name = "tpm",
                                           .backend = rig->backend,
                                           .units = 1000,
                                           .measure = SWARM_MEASURE_OUTPUT});
    for (uint32_t i = 0; i < 4; i++) {
        (void)reserving(plan, budget, 600);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(start_time(rig, 1), SWARM_NEVER); /* 400 are left */
    answer(rig, 0, SWARM_OUTCOME_OK, 100);     /* 500 come back: 900 */
    CHECK_EQ(start_time(rig, 1), 0);
    answer(rig, 1, SWARM_OUTCOME_OK, 1500); /* 300 less 900 more than reserved: 600 owed */
    rig_at(rig, 72 * SECOND - 1);
    CHECK_EQ(start_time(rig, 2), SWARM_NEVER);
    rig_at(rig, 72 * SECOND);
    CHECK_EQ(start_time(rig, 2), 72 * SECOND); /* 1,200 tokens later */
    answer(rig, 2, SWARM_OUTCOME_REFUSED, 0);  /* never begun: all of it comes back */
    rig_at(rig, 72 * SECOND + 1);
    CHECK_EQ(start_time(rig, 2), 72 * SECOND + 1); /* the refused one has kept its place */
    answer(rig, 2, SWARM_OUTCOME_OK, 0);           /* says nothing: as reserved */
    rig_at(rig, 108 * SECOND - 1);
    CHECK_EQ(start_time(rig, 3), SWARM_NEVER);
    rig_at(rig, 108 * SECOND);
    CHECK_EQ(start_time(rig, 3), 108 * SECOND); /* the ns meanwhile flowed in as well */
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(permits_and_rates_together_or_not_at_all) {
    struct rig *rig = rig_new(NULL, 9);
    swarm_permit rate = limit_of(rig, (swarm_limit_spec){.name = "rate", .units = 10});
    swarm_permit lock = swarm_permit_add(rig->sw, "lock", 1);
    const swarm_need both[] = {{rate, 6}, {lock, 1}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    for (uint32_t i = 0; i < 2; i++) {
        (void)swarm_step_add(plan, &(swarm_step_spec){.needs = both, .needs_count = 2});
    }
    (void)needing(plan, rate, 4, 0);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0 2"); /* the second one waits for both and holds neither */
    rig_at(rig, 36 * SECOND);    /* 6 have flowed in, the lock is held */
    rig_check_order(rig, "0 2");
    answer(rig, 0, SWARM_OUTCOME_OK, 0);
    rig_check_order(rig, "0 2 1");
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(another_backend_takes_what_one_lets_through_no_more) {
    struct rig *rig = rig_new(NULL, 9);
    const swarm_backend table = {.size = sizeof table, .name = "second"};
    const swarm_profile_spec dear = {
        .name = "dear", .backend = swarm_backend_add(rig->sw, &table), .cost = 100000};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    CHECK_EQ(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &dear), 9).id, 10);
    (void)limit_of(rig, (swarm_limit_spec){.name = "max", .backend = rig->backend, .capacity = 2});
    (void)limit_of(rig, (swarm_limit_spec){.name = "rpm", .backend = dear.backend, .units = 1});
    for (uint32_t i = 0; i < 5; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 2);
    CHECK_EQ(rig_start_of(rig, 2)->agent.id, 10);
    CHECK_EQ(start_time(rig, 3), SWARM_NEVER); /* both are shut: a queue, not NO_AGENT */
    rig_at(rig, 1);
    answer(rig, 0, SWARM_OUTCOME_OK, 0);
    CHECK_EQ(start_time(rig, 3), 1); /* in the instant in which a place is free */
    CHECK(rig_next(rig));
    CHECK_EQ(start_time(rig, 4), MINUTE);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(what_can_never_be_had_is_refused) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_permit rate = limit_of(rig, (swarm_limit_spec){.name = "r", .units = 10, .burst = 20});
    swarm_budget budget = wide(rig);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step large;

    CHECK_EQ(needing(plan, rate, 21, 0).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    (void)limit_of(rig, (swarm_limit_spec){.name = "tpm",
                                           .backend = rig->backend,
                                           .units = 100,
                                           .measure = SWARM_MEASURE_OUTPUT});
    plan = rig_plan(rig, NULL, &run);
    large = reserving(plan, budget, 101);
    (void)needing(plan, rate, 20, 0);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, large), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, large).reason, SWARM_E_NO_AGENT);
    CHECK_EQ(start_time(rig, 1), 0);
    rig_finish(rig);
    rig_free(rig);
}

/* A step that needs all ten units, and a stream of small ones: overtaken twice, then no more. */
TEST(a_large_need_is_not_starved) {
    for (uint32_t most = 0; most <= 2; most += 2) {
        struct rig *rig = rig_new(NULL, 9);
        swarm_permit permit =
            limit_of(rig, (swarm_limit_spec){.name = "p", .capacity = 10, .bypass_max = most});
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);

        (void)needing(plan, permit, 5, 9); /* in flight from the start */
        (void)needing(plan, permit, 10, 5);
        for (uint32_t i = 2; i < 7; i++) {
            (void)needing(plan, permit, 3, 0);
        }
        rig_commit(plan);
        rig_at(rig, 0);
        rig_check_order(rig, "0 2");
        rig_at(rig, 1);
        answer(rig, 2, SWARM_OUTCOME_OK, 0);
        rig_check_order(rig, "0 2 3");
        answer(rig, 3, SWARM_OUTCOME_OK, 0);
        rig_check_order(rig, most == 0 ? "0 2 3 4" : "0 2 3");
        if (most != 0) {
            answer(rig, 0, SWARM_OUTCOME_OK, 0);
            rig_check_order(rig, "0 2 3 1");
        }
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(who_saves_and_is_cancelled_saves_no_more) {
    struct rig *rig = rig_new(NULL, 9);
    swarm_permit permit =
        limit_of(rig, (swarm_limit_spec){.name = "p", .capacity = 10, .bypass_max = 1});
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step large;

    (void)needing(plan, permit, 5, 9);
    large = needing(plan, permit, 10, 5);
    (void)needing(plan, permit, 3, 0);
    (void)needing(plan, permit, 2, 0);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0 2");
    CHECK_EQ(swarm_step_cancel(rig->sw, large), SWARM_OK);
    rig_settle(rig);
    rig_check_order(rig, "0 2 3");
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- the governor (how near it comes to a limit that is known: scenario_governor.h) */

/* Starts 0 and 1, two more for each two that were not turned away within 10 ns, none for 100 ns
 * after a refusal; then 9/10 of the four that had been accepted, 4/window more a completion and
 * 1/(2 window) a start: 3.6, 4.71, 5.56, 5.65. */
TEST(the_window_grows_is_cut_and_grows_slowly) {
    const swarm_governor_spec governor = {.confirm_ns = 10, .hold_ns = 100, .first = 2};
    struct rig *rig = rig_new(NULL, 20);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    CHECK_EQ(swarm_governor_set(rig->sw, rig->backend, &governor), SWARM_OK);
    for (uint32_t i = 0; i < 20; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    for (uint64_t now = 0; now < 30; now += 10) {
        rig_at(rig, now);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2 + now / 5);
        rig_at(rig, now + 9);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2 + now / 5);
    }
    rig_hold(rig, 5, SWARM_OUTCOME_REFUSED, 30); /* sooner than the governor lets it */
    CHECK_EQ(event_count(rig, SWARM_EVENT_GOVERN, SWARM_NEVER), 1);
    CHECK_EQ(event_last(rig, SWARM_EVENT_GOVERN, SWARM_NEVER).field[1], 6000000);
    CHECK_EQ(event_last(rig, SWARM_EVENT_GOVERN, SWARM_NEVER).field[2], 3600000);
    CHECK_EQ(event_last(rig, SWARM_EVENT_GOVERN, SWARM_NEVER).field[3], 5);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_at(rig, 128);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 6);
    rig_at(rig, 129);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 8); /* five in flight */
    rig_hold(rig, 6, SWARM_OUTCOME_THROTTLED, 130);   /* too soon for another cut */
    CHECK_EQ(event_count(rig, SWARM_EVENT_GOVERN, SWARM_NEVER), 1);
    rig_at(rig, 229);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 8); /* what is in flight is what it takes */
    CHECK_EQ(swarm_governor_set(rig->sw, rig->backend, NULL), SWARM_OK);
    rig_at(rig, 230);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 22); /* all twenty, two of them twice */
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(two_that_save_do_not_wait_for_each_other) {
    struct rig *rig = rig_new(NULL, 8);
    swarm_limit_spec one = {.name = "one", .capacity = 2, .bypass_max = 1};
    swarm_limit_spec other = {.name = "other", .capacity = 2, .bypass_max = 1};
    swarm_permit p = swarm_limit_add(rig->sw, &one), q = swarm_limit_add(rig->sw, &other);
    const swarm_need needs[4][2] = {{{p, 1}}, {{q, 1}}, {{p, 2}, {q, 1}}, {{q, 2}, {p, 1}}};
    const uint32_t order[6] = {0, 1, 2, 3, 0, 1}; /* small, small, large, large, small, small */
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    for (uint32_t i = 0; i < 6; i++) {
        CHECK(swarm_step_add(plan, &(swarm_step_spec){.needs = needs[order[i]],
                                                      .needs_count = order[i] < 2 ? 1 : 2})
                  .id != 0);
    }
    rig_commit(plan);
    rig_settle(rig);
    rig_check_order(rig, "0 1 4 5"); /* the large ones are overtaken, and save from now on */
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
