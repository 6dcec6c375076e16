/* SPDX-License-Identifier: MIT */
/*
 * Steps that share a prompt prefix: the next one of a session goes first, and to the agent whose
 * cache holds it, as long as it does.
 */
#include "test_events.h"

#define BONUS INT64_C(1000000)

static const swarm_run_spec by_prefix = {.order = SWARM_ORDER_PREFIX};

/* Agents of a profile of its own that keep `kept` prefixes, and work on two steps at once. */
static void agents_add(struct rig *rig, const char *name, swarm_backend_id backend, uint32_t kept,
                       uint32_t count) {
    swarm_profile_spec spec = {
        .name = name, .backend = backend, .inflight_max = 2, .prefixes_max = kept};

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &spec), count).id != 0);
}

static struct rig *rig_with(const swarm_config *config, uint32_t kept, uint32_t count) {
    struct rig *rig = rig_new(config, 0);

    agents_add(rig, "cache", rig->backend, kept, count);
    return rig;
}

static swarm_step step_of(swarm_plan *plan, uint64_t prefix, swarm_step before) {
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.order_key = prefix});

    CHECK(step.id != 0);
    if (before.id != 0) {
        CHECK_EQ(swarm_edge_add(plan, before, step, 0), SWARM_OK);
    }
    return step;
}

static uint64_t agent_of(const struct rig *rig, uint64_t ordinal) {
    return rig_start_of(rig, ordinal)->agent.id;
}

static int64_t score_of(const struct rig *rig, uint64_t ordinal) {
    return (int64_t)event_last(rig, SWARM_EVENT_START, ordinal).field[3] - (INT64_C(1) << 32);
}

static void replay(struct rig *rig, const swarm_config *config, uint32_t kept, uint32_t count) {
    static unsigned char log[RIG_LOG];
    size_t size = rig->log_size, good = 0;

    memcpy(log, rig->log, size);
    rig_free(rig);
    rig = rig_with(config, kept, count);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_REPLAY, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, &good), SWARM_OK);
    CHECK_EQ(good, size);
    rig_free(rig);
}

TEST(the_next_step_goes_first_and_to_the_agent_that_holds_its_prefix) {
    struct rig *rig = rig_with(NULL, 2, 2);
    const swarm_step none = {0};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &by_prefix, &run);
    swarm_step first[6];

    for (uint32_t i = 0; i < 6; i++) {
        first[i] = step_of(plan, 100 + i, none); /* 4 slots: two of them wait */
    }
    (void)step_of(plan, 103, first[3]); /* 6 */
    (void)step_of(plan, 101, first[1]); /* 7 */
    rig_commit(plan);
    rig_settle(rig);
    rig_check_order(rig, "0 1 2 3");
    CHECK_EQ(agent_of(rig, 1), 2);
    CHECK_EQ(score_of(rig, 1), 0);
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK); /* now agent 1 is the less loaded */
    CHECK_EQ(rig_post(rig, 1, SWARM_OUTCOME_OK), SWARM_OK);
    CHECK_EQ(rig_post(rig, 3, SWARM_OUTCOME_OK), SWARM_OK);
    rig_settle(rig);
    rig_check_order(rig, "0 1 2 3 7 6 4"); /* 101 ended before 103, 4 was ready before both */
    CHECK_EQ(agent_of(rig, 7), 2);
    CHECK_EQ(agent_of(rig, 6), 2);
    CHECK_EQ(score_of(rig, 7), BONUS);
    CHECK_EQ(score_of(rig, 6), BONUS - 1000); /* its load counts as ever */
    CHECK_EQ(agent_of(rig, 4), 1);
    rig_finish(rig);
    rig_check_run(rig, run);
    replay(rig, NULL, 2, 2);
}

TEST(a_cache_forgets_what_was_used_longest_ago) {
    struct rig *rig = rig_with(NULL, 2, 1);
    const swarm_step none = {0};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &by_prefix, &run);
    swarm_step a, b, c;

    a = step_of(plan, 1, none);
    b = step_of(plan, 2, a); /* one after the other; each is another session's */
    c = step_of(plan, 1, b);
    c = step_of(plan, 3, c); /* 2 was used longest ago */
    c = step_of(plan, 1, c);
    (void)step_of(plan, 2, c);
    rig_commit(plan);
    rig_settle(rig);
    rig_finish(rig);
    CHECK_EQ(score_of(rig, 1), 0);
    CHECK_EQ(score_of(rig, 2), BONUS);
    CHECK_EQ(score_of(rig, 3), 0);
    CHECK_EQ(score_of(rig, 4), BONUS);
    CHECK_EQ(score_of(rig, 5), 0);
    replay(rig, NULL, 2, 1);
}

TEST(who_has_no_room_is_passed_over_and_loses_it) {
    struct rig *rig = rig_with(NULL, 4, 2);
    const swarm_step none = {0};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &by_prefix, &run);
    swarm_step first = step_of(plan, 7, none);

    for (uint32_t i = 0; i < 3; i++) { /* three follow it at once; its agent takes two */
        (void)step_of(plan, 7, first);
    }
    rig_commit(plan);
    rig_settle(rig);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(agent_of(rig, 1), 1);
    CHECK_EQ(agent_of(rig, 2), 1);
    CHECK_EQ(agent_of(rig, 3), 2);
    CHECK_EQ(score_of(rig, 3), 0);
    rig_finish(rig);
    rig_check_run(rig, run);
    replay(rig, NULL, 4, 2);
}

TEST(a_held_backend_and_a_named_agent_come_first) {
    struct rig *rig = rig_with(NULL, 4, 1);
    const swarm_backend table = {.size = sizeof table, .name = "other"};
    const swarm_step none = {0};
    swarm_run run;
    swarm_plan *plan;
    swarm_step first, second;

    agents_add(rig, "others", swarm_backend_add(rig->sw, &table), 4, 1);
    plan = rig_plan(rig, &by_prefix, &run);
    first = step_of(plan, 7, none);
    second = step_of(plan, 8, none);
    (void)step_of(plan, 7, first);
    (void)swarm_edge_add(plan, second,
                         swarm_step_add(plan, &(swarm_step_spec){.order_key = 8, .agent = {1}}), 0);
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(agent_of(rig, 0), 1);
    CHECK_EQ(agent_of(rig, 1), 2);
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK);
    CHECK_EQ(rig_post(rig, 1, SWARM_OUTCOME_OK), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(agent_of(rig, 2), 1);
    CHECK_EQ(agent_of(rig, 3), 1); /* by name, though 2 holds it */
    rig_hold(rig, 2, SWARM_OUTCOME_THROTTLED, 1000);
    CHECK_EQ(agent_of(rig, 2), 2);
    rig_finish(rig);
    rig_at(rig, 2000);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_cache_behind_a_breaker_that_tries_one_attempt_is_left_alone) {
    const swarm_breaker_spec breaker = {.open_ns = 10, .samples_min = 1};
    const swarm_backend backend = {.size = sizeof backend, .name = "spare"};
    struct rig *rig = rig_with(NULL, 2, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &by_prefix, &run);
    swarm_step_spec by_name = {.agent = {3}};
    swarm_step first, second;

    agents_add(rig, "other", swarm_backend_add(rig->sw, &backend), 2, 1);
    CHECK_EQ(swarm_breaker_set(rig->sw, rig->backend, &breaker), SWARM_OK);
    first = swarm_step_add(plan, &by_name);  /* 0 */
    second = swarm_step_add(plan, &by_name); /* 1 */
    by_name.agent.id = 1;
    (void)swarm_step_add(plan, &by_name);                                 /* 2: fails */
    (void)swarm_edge_add(plan, first, swarm_step_add(plan, &by_name), 0); /* 3: the probe */
    by_name = (swarm_step_spec){.agent = {2}, .order_key = 7};
    (void)swarm_step_add(plan, &by_name); /* 4 */
    (void)step_of(plan, 7, second);       /* 5 */
    rig_commit(plan);
    rig_settle(rig);
    rig_answer(rig, 4, SWARM_OUTCOME_OK);
    rig_answer(rig, 2, SWARM_OUTCOME_TRANSIENT);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_at(rig, 10);
    CHECK_EQ(agent_of(rig, 3), 1);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(agent_of(rig, 5), 3);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(no_cache_and_no_room_for_prefixes) {
    for (uint32_t kept = 0; kept < 2; kept++) {
        const swarm_config config = {.prefixes_max = 1};
        struct rig *rig = rig_with(&config, kept, 2);
        const swarm_step none = {0};
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &by_prefix, &run);
        swarm_step first = step_of(plan, 1, none), second = step_of(plan, 2, none);

        (void)step_of(plan, 1, first);
        (void)step_of(plan, 2, second);
        rig_commit(plan);
        rig_settle(rig);
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        CHECK_EQ(score_of(rig, 2), kept == 0 ? 0 : BONUS); /* the one that is remembered */
        CHECK(score_of(rig, 3) <= 0);
        rig_finish(rig);
        rig_check_run(rig, run);
        replay(rig, &config, kept, 2);
    }
}

TEST_MAIN()
