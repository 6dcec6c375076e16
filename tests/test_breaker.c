/* SPDX-License-Identifier: MIT */
/*
 * test_breaker.c - backends and agents that fail too often are left alone for a while (M32), and an
 * account that is exhausted holds the steps that need it until the owner says so (M21).
 */
#include "test_events.h"

#define SICK SWARM_OUTCOME_TRANSIENT

static swarm_backend_id spare;

/* Backend 1 "hand" with `agents` agents; backend 2 "spare" with `others` of the profile "other". */
static struct rig *bench_new(const swarm_config *config, uint32_t agents, uint32_t others) {
    struct rig *rig = rig_new(config, agents);
    const swarm_backend backend = {.size = sizeof backend, .name = "spare"};
    swarm_profile_spec profile = {.name = "other"};

    spare = swarm_backend_add(rig->sw, &backend);
    profile.backend = spare;
    if (others != 0) {
        CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &profile), others).id != 0);
    }
    return rig;
}

static uint64_t agent_of(const struct rig *rig, uint64_t ordinal) {
    const swarm_request *start = rig_start_of(rig, ordinal);

    return start == NULL ? 0 : start->agent.id;
}

static swarm_event breaker_event(const struct rig *rig, uint64_t what, uint64_t id,
                                 uint64_t state) {
    swarm_event event = event_last(rig, SWARM_EVENT_BREAKER, SWARM_NEVER);

    CHECK_EQ(event.field[0], what);
    CHECK_EQ(event.field[1], id);
    CHECK_EQ(event.field[2], state);
    return event;
}

static void end(struct rig *rig, swarm_run run) {
    rig_finish(rig);
    rig_at(rig, rig->now_ns + 100 * SECOND);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
}

/* ---- quota */

TEST(without_quota_steps_are_held_and_the_run_is_paused_until_the_reset) {
    struct rig *rig = bench_new(NULL, 2, 0);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step steps[4];
    swarm_error error = {0};
    swarm_event event;

    for (uint32_t i = 0; i < 3; i++) {
        steps[i] = swarm_step_add(plan, &(swarm_step_spec){.retry = {.attempts_max = 2}});
    }
    steps[3] = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, steps[2], steps[3], 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_at(rig, 5);
    rig_answer(rig, 1, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(rig_state(rig, steps[1]), SWARM_STEP_HELD);
    CHECK_EQ(rig_info(rig, steps[1]).held, SWARM_HELD_QUOTA);
    CHECK_EQ(rig_info(rig, steps[1]).attempts, 0); /* it was no try */
    CHECK_EQ(rig_state(rig, steps[2]), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_CLOSED);
    event = breaker_event(rig, 1, 1, SWARM_BREAKER_OPEN);
    CHECK_EQ(event.field[3], SWARM_OUTCOME_QUOTA);
    CHECK_EQ(event.field[7], SWARM_NEVER);
    rig_answer(rig, 2, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 1); /* told once */
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_PAUSED);
    CHECK_EQ(swarm_run_check(rig->sw, run, &error), SWARM_E_PAUSED);
    CHECK_EQ(error.step, 1);
    CHECK(error.text != NULL && strstr(error.text, "exhausted") != NULL);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    rig_at(rig, 1000 * SECOND);
    rig_check_order(rig, "0 1 2");
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    rig_check_order(rig, "0 1 2 1 2"); /* exactly what has not finished */
    rig_answer(rig, 1, SICK);
    CHECK_EQ(rig_info(rig, steps[1]).attempts, 1); /* its two tries are all there */
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    rig_at(rig, 1001 * SECOND);
    CHECK_EQ(rig_state(rig, steps[1]), SWARM_STEP_RUNNING);
    end(rig, run);
}

TEST(steps_go_to_another_backend_and_the_pinned_one_is_held) {
    struct rig *rig = bench_new(NULL, 1, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step any = rig_step(plan);
    swarm_step pinned = swarm_step_add(plan, &(swarm_step_spec){.agent = {1}});

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(agent_of(rig, 0), 2);
    CHECK_EQ(rig_info(rig, pinned).held, SWARM_HELD_QUOTA);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_CLOSED); /* the other one goes on */
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, any), SWARM_STEP_OK);
    CHECK_EQ(rig_report(rig, run).attempts, 1);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_PAUSED);
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    end(rig, run);
}

/* Not a backend that is only overloaded: that will be back by itself. */
TEST(who_can_fall_back_does_so_at_once_and_overtakes_who_can_not) {
    struct rig *rig = bench_new(NULL, 1, 1);
    static const char *const skills[] = {"read"};
    swarm_profile_spec reader = {
        .name = "reader", .backend = rig->backend, .skills = skills, .skills_count = 1};
    const swarm_fallback other = {.profile = {2}};
    const swarm_recovery_spec recovery = {.fallbacks = &other, .fallbacks_count = 1};
    swarm_step_spec spec = {.skills = skills, .skills_count = 1};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = swarm_step_add(plan, &spec), second = swarm_step_add(plan, &spec), third;

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &reader), 1).id != 0);
    spec.recovery = &recovery;
    third = swarm_step_add(plan, &spec);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 50);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 2), 0);
    rig_at(rig, 50);
    rig_answer(rig, 1, SWARM_OUTCOME_QUOTA); /* the first one is behind it now */
    CHECK_EQ(rig_info(rig, first).held, SWARM_HELD_QUOTA);
    CHECK_EQ(rig_info(rig, second).held, SWARM_HELD_QUOTA);
    CHECK_EQ(rig_state(rig, third), SWARM_STEP_RUNNING);
    CHECK_EQ(agent_of(rig, 2), 2);
    CHECK_EQ(event_last(rig, SWARM_EVENT_RECOVER, 2).field[2], (uint64_t)-SWARM_E_QUOTA);
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    end(rig, run);
}

/* Two agents of backend 1 for steps that can read, and one of backend 2 to fall back on. */
static swarm_plan *readers(struct rig *rig, swarm_step_spec *spec, swarm_run *out_run) {
    static const char *const skills[] = {"read"};
    static const swarm_fallback other = {.profile = {2}};
    static swarm_recovery_spec recovery = {.fallbacks = &other, .fallbacks_count = 1};
    swarm_profile_spec reader = {
        .name = "reader", .backend = rig->backend, .skills = skills, .skills_count = 1};

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &reader), 2).id != 0);
    *spec = (swarm_step_spec){.skills = skills, .skills_count = 1, .recovery = &recovery};
    return rig_plan(rig, NULL, out_run);
}

TEST(who_waits_for_the_end_of_a_hold_falls_back_when_the_quota_is_gone) {
    struct rig *rig = bench_new(NULL, 0, 1);
    swarm_step_spec spec;
    swarm_run run;
    swarm_plan *plan = readers(rig, &spec, &run);

    for (uint32_t i = 0; i < 3; i++) {
        (void)swarm_step_add(plan, &spec);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 50);
    rig_answer(rig, 1, SWARM_OUTCOME_QUOTA);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, i), 1);
    }
    end(rig, run);
}

TEST(a_hedge_that_lacks_quota_keeps_nobody_from_falling_back) {
    const swarm_hedge_spec hedge = {.after_ns = 10, .share_max_ppm = 1000000};
    struct rig *rig = bench_new(NULL, 0, 1);
    swarm_step_spec spec;
    swarm_run run;
    swarm_plan *plan = readers(rig, &spec, &run);

    for (uint32_t i = 0; i < 3; i++) {
        spec.hedge = i == 0 ? &hedge : NULL;
        (void)swarm_step_add(plan, &spec);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_at(rig, 10);
    CHECK_EQ(event_count(rig, SWARM_EVENT_HEDGE, 0), 1); /* it waits for an agent */
    rig_answer(rig, 1, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 0); /* its first attempt goes on */
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 1), 1);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 2), 1);
    end(rig, run);
}

TEST(who_has_one_more_thing_to_fall_back_on_overtakes_who_has_not) {
    const swarm_fallback other = {.profile = {2}};
    swarm_recovery_spec recovery = {.fallbacks = &other, .fallbacks_count = 1};
    struct rig *rig = bench_new(NULL, 0, 1);
    swarm_step_spec spec;
    swarm_run run;
    swarm_plan *plan = readers(rig, &spec, &run);
    swarm_step first, last;

    (void)swarm_step_add(plan, &(swarm_step_spec){.agent = {1}});
    first = swarm_step_add(plan, &spec);
    spec.recovery = &recovery;
    recovery.flags = SWARM_RECOVERY_ENDS_VALUE;
    last = swarm_step_add(plan, &spec);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    rig_answer(rig, 1, SWARM_OUTCOME_TERMINAL);
    rig_answer(rig, 2, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(rig_info(rig, first).held, SWARM_HELD_QUOTA);
    CHECK_EQ(rig_state(rig, last), SWARM_STEP_OK);
    CHECK_EQ(swarm_breaker_reset(rig->sw, spare), SWARM_OK);
    rig_settle(rig);
    end(rig, run);
}

TEST(a_ballot_without_quota_is_cast_elsewhere) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 2, .distinct = SWARM_VOTE_AGENTS};
    struct rig *rig = bench_new(NULL, 2, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.vote = &vote});
    swarm_completion completion = {.outcome = SWARM_OUTCOME_QUOTA};

    rig_commit(plan);
    rig_at(rig, 0);
    completion.attempt = rig->requests[0].attempt;
    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 4);
    CHECK_EQ(agent_of(rig, 0), 4);
    completion.outcome = SWARM_OUTCOME_OK;
    for (uint32_t i = 1; i < 3; i++) {
        completion.attempt = rig->requests[i].attempt;
        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    }
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    end(rig, run);
}

TEST(a_held_step_can_time_out_and_be_cancelled) {
    struct rig *rig = bench_new(NULL, 1, 0);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step timed = swarm_step_add(plan, &(swarm_step_spec){.queue_timeout_ns = 100});
    swarm_step other = rig_step(plan);

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_AGAIN); /* a timer is running */
    rig_at(rig, 100);
    CHECK_EQ(rig_state(rig, timed), SWARM_STEP_TIMED_OUT);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_PAUSED);
    CHECK_EQ(swarm_step_cancel(rig->sw, other), SWARM_OK);
    rig_settle(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- breakers of agents */

/* Answers whatever agent `agent` has got last. */
static void answer_agent(struct rig *rig, uint64_t agent, swarm_outcome outcome) {
    swarm_completion completion = {.outcome = outcome};

    for (uint32_t i = 0; i < rig->count; i++) {
        if (rig->requests[i].kind == SWARM_REQUEST_START && rig->requests[i].agent.id == agent) {
            completion.attempt = rig->requests[i].attempt;
        }
    }
    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

static uint32_t starts_of_agent(const struct rig *rig, uint64_t agent) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->count; i++) {
        count += rig->requests[i].kind == SWARM_REQUEST_START && rig->requests[i].agent.id == agent;
    }
    return count;
}

/* A run of so many steps, with retries at once. */
static swarm_run steps_open(struct rig *rig, uint32_t count) {
    const swarm_step_spec spec = {.retry = {.attempts_max = 100, .backoff_ns = SWARM_ZERO}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    for (uint32_t i = 0; i < count; i++) {
        CHECK(swarm_step_add(plan, &spec).id != 0);
    }
    rig_commit(plan);
    rig_settle(rig);
    return run;
}

TEST(an_agent_that_fails_is_left_alone_then_tried_once) {
    const swarm_breaker_spec spec = {.open_ns = 100, .failure_ppm = 600000, .samples_min = 4};
    struct rig *rig = bench_new(NULL, 1, 1);
    swarm_run run;
    swarm_event event;

    CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
    run = steps_open(rig, 40);
    answer_agent(rig, 2, SWARM_OUTCOME_OK);
    answer_agent(rig, 2, SICK);
    answer_agent(rig, 2, SWARM_OUTCOME_GARBAGE); /* two of three, but too few answers */
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 0);
    answer_agent(rig, 2, SICK); /* three of four: the backend goes with its only agent */
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 2);
    event = breaker_event(rig, 2, 2, SWARM_BREAKER_OPEN);
    CHECK_EQ(event.field[3], SICK);
    CHECK(event.field[4] >= 749990 && event.field[4] <= 750000);
    CHECK_EQ(event.field[5], 600000);
    CHECK_EQ(event.field[6], 4);
    CHECK_EQ(event.field[7], 100);
    CHECK_EQ(starts_of_agent(rig, 2), 4);
    answer_agent(rig, 1, SWARM_OUTCOME_OK); /* steps go elsewhere */
    CHECK_EQ(starts_of_agent(rig, 2), 4);
    rig_at(rig, 99);
    CHECK_EQ(starts_of_agent(rig, 2), 4);
    rig_at(rig, 100);
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 4); /* both half open */
    CHECK_EQ(starts_of_agent(rig, 2), 5);
    answer_agent(rig, 2, SICK); /* the probe decides at once */
    breaker_event(rig, 2, 2, SWARM_BREAKER_OPEN);
    rig_at(rig, 200);
    CHECK_EQ(starts_of_agent(rig, 2), 6);
    answer_agent(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(breaker_event(rig, 2, 2, SWARM_BREAKER_CLOSED).field[6], 0); /* nothing is known */
    answer_agent(rig, 2, SICK);
    answer_agent(rig, 2, SICK);
    answer_agent(rig, 2, SICK);
    CHECK_EQ(starts_of_agent(rig, 2), 10);
    end(rig, run);
}

TEST(half_open_lets_one_probe_through_at_a_time) {
    const swarm_breaker_spec spec = {.open_ns = 100, .samples_min = 4};
    struct rig *rig = bench_new(NULL, 0, 4);
    swarm_run run;
    uint32_t starts;

    CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
    run = steps_open(rig, 40);
    for (uint64_t i = 1; i <= 4; i++) {
        answer_agent(rig, i, SWARM_OUTCOME_LOST);
    }
    breaker_event(rig, 1, spare.id, SWARM_BREAKER_OPEN); /* no agent has had four */
    starts = rig_count(rig, SWARM_REQUEST_START);
    for (uint64_t i = 1; i <= 3; i++) {
        answer_agent(rig, i, SICK); /* from before: says nothing more */
    }
    rig_at(rig, 100);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), starts + 1);
    answer_agent(rig, 1, SWARM_OUTCOME_CANCELLED); /* it said nothing: another one */
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), starts + 2);
    breaker_event(rig, 1, spare.id, SWARM_BREAKER_HALF_OPEN);
    answer_agent(rig, 1, SWARM_OUTCOME_OK);
    breaker_event(rig, 1, spare.id, SWARM_BREAKER_CLOSED);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), starts + 2 + 4);
    end(rig, run);
}

TEST(the_last_who_can_do_a_step_is_out_and_says_so) {
    const swarm_breaker_spec spec = {.open_ns = 100, .samples_min = 2};
    struct rig *rig = bench_new(NULL, 0, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step steps[2], pinned;

    CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        steps[i] = rig_step(plan);
    }
    pinned = swarm_step_add(plan, &(swarm_step_spec){.agent = {1}});
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SICK);
    rig_answer(rig, 1, SICK);
    CHECK_EQ(rig_state(rig, steps[1]), SWARM_STEP_FAILED);
    breaker_event(rig, 1, spare.id, SWARM_BREAKER_OPEN);
    CHECK_EQ(rig_state(rig, pinned), SWARM_STEP_RUNNING);
    rig_answer(rig, 2, SWARM_OUTCOME_THROTTLED);
    CHECK_EQ(rig_info(rig, pinned).held, SWARM_HELD_BREAKER);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_CLOSED); /* it will be tried */
    CHECK(swarm_next_deadline(rig->sw) != SWARM_NEVER);
    CHECK(rig_next(rig));
    while (rig_state(rig, pinned) == SWARM_STEP_HELD) {
        CHECK(rig_next(rig));
        if (test_failed()) {
            return;
        }
    }
    CHECK_EQ(rig_state(rig, pinned), SWARM_STEP_RUNNING);
    end(rig, run);
}

TEST(who_loses_votes_loses_standing) {
    const swarm_breaker_spec spec = {.open_ns = 100, .failure_ppm = 400000, .samples_min = 3};
    const swarm_vote_spec vote = {
        .count = 3, .quorum = 2, .distinct = SWARM_VOTE_AGENTS, .flags = SWARM_VOTE_ALL};
    struct rig *rig = bench_new(NULL, 0, 3);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    uint32_t seen = 0;

    CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(swarm_step_add(plan, &(swarm_step_spec){.vote = &vote}).id != 0);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    for (; seen < rig->count; seen++) { /* agent 3 says something else each time */
        swarm_completion completion = {
            .attempt = rig->requests[seen].attempt,
            .result = {.value = rig->requests[seen].agent.id == 3 ? 1 : 2}};

        if (rig->requests[seen].kind == SWARM_REQUEST_START) {
            CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
            rig_settle(rig);
        }
    }
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 0); /* with its next answer */
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    run = steps_open(rig, 3);
    answer_agent(rig, 3, SICK);
    breaker_event(rig, 2, 3, SWARM_BREAKER_OPEN);
    end(rig, run);
}

TEST(time_outs_count_and_a_second_agent_opens_later) {
    const swarm_breaker_spec spec = {.open_ns = 100, .samples_min = 1};
    const swarm_config config = {.cancel_grace_ns = 1};
    struct rig *rig = bench_new(&config, 1, 3);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
    for (uint64_t i = 2; i <= 3; i++) {
        CHECK(swarm_step_add(plan, &(swarm_step_spec){.agent = {i}, .run_timeout_ns = 10 * i}).id !=
              0);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_at(rig, 20);
    CHECK_EQ(breaker_event(rig, 2, 2, SWARM_BREAKER_OPEN).field[3], SWARM_OUTCOME_TIMED_OUT);
    rig_at(rig, 30);
    rig_at(rig, 120);
    CHECK_EQ(event_count(rig, SWARM_EVENT_BREAKER, SWARM_NEVER), 5); /* 2, 3: open, half open */
    rig_at(rig, 130);
    breaker_event(rig, 2, 3, SWARM_BREAKER_HALF_OPEN);
    rig_at(rig, 1000);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(switched_off_and_reset_breakers_let_everything_through) {
    const swarm_breaker_spec spec = {.samples_min = 1};

    for (uint32_t way = 0; way < 2; way++) {
        struct rig *rig = bench_new(NULL, 0, 2);
        swarm_run run;

        CHECK_EQ(swarm_breaker_set(rig->sw, spare, &spec), SWARM_OK);
        run = steps_open(rig, 4);
        answer_agent(rig, 1, SICK);
        answer_agent(rig, 2, SICK);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
        CHECK_EQ(way == 0 ? swarm_breaker_set(rig->sw, spare, NULL)
                          : swarm_breaker_reset(rig->sw, spare),
                 SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 4);
        answer_agent(rig, 1, SWARM_OUTCOME_OK);
        end(rig, run);
    }
}

TEST(switching_off_does_not_pay_the_account) {
    struct rig *rig = bench_new(NULL, 1, 0);
    swarm_run run = steps_open(rig, 1);

    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(swarm_breaker_set(rig->sw, rig->backend, NULL), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_PAUSED);
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    end(rig, run);
}

TEST(bad_breakers_are_refused) {
    struct rig *rig = bench_new(NULL, 1, 0);
    const swarm_breaker_spec bad = {.failure_ppm = 1000001}, never = {.open_ns = SWARM_NEVER};

    CHECK_EQ(swarm_breaker_set(rig->sw, rig->backend, &bad), SWARM_E_INVALID);
    CHECK_EQ(swarm_breaker_set(rig->sw, rig->backend, &never), SWARM_E_INVALID);
    CHECK_EQ(swarm_breaker_set(rig->sw, (swarm_backend_id){3}, NULL), SWARM_E_STALE);
    CHECK_EQ(swarm_breaker_reset(rig->sw, (swarm_backend_id){0}), SWARM_E_STALE);
    rig_free(rig);
}

/* ---- after a resume */

TEST(a_resumed_swarm_knows_whose_account_is_exhausted) {
    struct rig *rig = bench_new(NULL, 1, 0);
    static unsigned char log[RIG_LOG];
    swarm_run_spec spec = {.key = 7};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    size_t size;

    (void)rig_step(plan);
    (void)rig_step(plan);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_answer(rig, 0, SWARM_OUTCOME_QUOTA);
    size = rig->log_size;
    memcpy(log, rig->log, size);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_free(rig);
    rig = bench_new(NULL, 1, 0);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_RESUME, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, NULL), SWARM_OK);
    run = swarm_run_find(rig->sw, 7);
    rig_settle(rig);
    CHECK_EQ(rig_report(rig, run).ok, 1);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_PAUSED);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 0);
    CHECK_EQ(swarm_breaker_reset(rig->sw, rig->backend), SWARM_OK);
    rig_settle(rig);
    rig_check_order(rig, "0");
    end(rig, run);
}

TEST_MAIN()
