/* SPDX-License-Identifier: MIT */
/*
 * test_recover.c - what follows when a step fails: another agent, smaller steps, a new plan,
 * another profile, a given value (M20); cascades of profiles (M14); limits on retries.
 */
#include "test_events.h"

#define BAD SWARM_OUTCOME_GARBAGE
#define SICK SWARM_OUTCOME_TRANSIENT

/* Three profiles, "plain" with `agents` agents, "big" and "huge" with one each: agent ids go on. */
struct bench {
    struct rig *rig;
    swarm_profile big, huge;
    swarm_function split, plan_anew, reduce;
    swarm_run run;
};

static struct bench bench;
static swarm_outcome told[2]; /* what split and plan_anew were told */
static bool parts_refused;    /* the functions add nothing and fail */

static swarm_outcome reduce(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    for (uint32_t i = 0; i < call->inputs; i++) {
        swarm_result input = {0};

        if (swarm_call_input(call, i, &input) == SWARM_OK) {
            *out_value += input.value;
        }
    }
    return SWARM_OUTCOME_OK;
}

/* Two steps and a sum in place of one; the argument of the parts is that of the whole. */
static swarm_outcome parts_add(const swarm_call *call, uint32_t parts) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step sum = swarm_step_add(
        plan, &(swarm_step_spec){.function = bench.reduce, .flags = SWARM_STEP_INPUTS});

    for (uint32_t i = 0; i < parts; i++) {
        swarm_step part = swarm_step_add(plan, &(swarm_step_spec){.argument = call->argument});

        (void)swarm_edge_add(plan, part, sum, 0);
    }
    return swarm_plan_continue(plan, sum) == SWARM_OK ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL;
}

static swarm_outcome split(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_result lent = {.bytes = "x", .size = 1};

    (void)context;
    (void)out_value;
    told[0] = call->outcome;
    CHECK_EQ(swarm_call_output(call, &lent), SWARM_E_UNSUPPORTED);
    return parts_refused ? SWARM_OUTCOME_TERMINAL : parts_add(call, 2);
}

static swarm_outcome plan_anew(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    told[1] = call->outcome;
    return parts_refused ? SWARM_OUTCOME_TERMINAL : parts_add(call, 1);
}

static struct rig *bench_new(const swarm_run_spec *spec, uint32_t agents, swarm_plan **out_plan) {
    struct rig *rig = rig_new(NULL, agents);
    swarm_profile_spec profile = {.name = "big", .backend = rig->backend};

    bench.rig = rig;
    bench.big = swarm_profile_add(rig->sw, &profile);
    profile.name = "huge";
    bench.huge = swarm_profile_add(rig->sw, &profile);
    CHECK(swarm_agent_add(rig->sw, bench.big, 1).id != 0);
    CHECK(swarm_agent_add(rig->sw, bench.huge, 1).id != 0);
    bench.split = swarm_function_add(rig->sw, "split", split, NULL);
    bench.plan_anew = swarm_function_add(rig->sw, "plan anew", plan_anew, NULL);
    bench.reduce = swarm_function_add(rig->sw, "reduce", reduce, NULL);
    *out_plan = rig_plan(rig, spec, &bench.run);
    told[0] = told[1] = UINT32_MAX;
    parts_refused = false;
    return rig;
}

static void commit(swarm_plan *plan) {
    rig_commit(plan);
    (void)swarm_run_close(bench.rig->sw, bench.run);
    rig_at(bench.rig, 0);
}

static void end(void) {
    rig_finish(bench.rig);
    rig_at(bench.rig, bench.rig->now_ns + 100 * SECOND);
    rig_check_run(bench.rig, bench.run);
    CHECK_EQ(swarm_run_forget(bench.rig->sw, bench.run), SWARM_OK);
    rig_free(bench.rig);
}

/* Skills that only the first profile has not: "plain" is without any, so steps without skills fit
 * all three; pinned by nothing they go to the smallest id that is free. */
static uint64_t agent_of(uint64_t ordinal) {
    const swarm_request *start = rig_start_of(bench.rig, ordinal);

    return start == NULL ? 0 : start->agent.id;
}

static void answer(uint64_t ordinal, swarm_outcome outcome, uint64_t value, uint32_t ppm) {
    const swarm_request *start = rig_start_of(bench.rig, ordinal);
    swarm_completion completion = {.outcome = outcome,
                                   .result = {.value = value, .confidence_ppm = ppm}};

    CHECK(start != NULL);
    if (start != NULL) {
        completion.attempt = start->attempt;
        CHECK_EQ(swarm_complete(bench.rig->sw, &completion), SWARM_OK);
        rig_settle(bench.rig);
    }
}

static swarm_event recovered(uint64_t ordinal, uint64_t stage) {
    swarm_event event = event_last(bench.rig, SWARM_EVENT_RECOVER, ordinal);

    CHECK_EQ(event.field[0], stage);
    return event;
}

/* ---- REASSIGN */

TEST(another_agent_does_it_and_never_one_that_has_failed_it) {
    const swarm_recovery_spec recovery = {.reassign_max = 3};
    swarm_step_spec spec = {.recovery = &recovery, .retry = {.attempts_max = 2, .backoff_ns = 10}};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 2, &plan);
    swarm_step step = swarm_step_add(plan, &spec);

    commit(plan);
    CHECK_EQ(agent_of(0), 1);
    CHECK_EQ(rig_start_of(rig, 0)->outcome, SWARM_OUTCOME_OK);
    rig_answer(rig, 0, SICK);
    rig_at(rig, 10); /* a retry may go to the same agent */
    CHECK_EQ(agent_of(0), 1);
    CHECK_EQ(rig_start_of(rig, 0)->outcome, SICK);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        rig_answer(rig, 0, BAD);
        CHECK_EQ(agent_of(0), 1 + i); /* at once */
        CHECK_EQ(recovered(0, SWARM_RECOVERY_REASSIGN).field[1], BAD);
        CHECK_EQ(recovered(0, SWARM_RECOVERY_REASSIGN).field[3], 1 + i); /* attempts so far */
        CHECK_EQ(recovered(0, SWARM_RECOVERY_REASSIGN).field[4], i);
        CHECK_EQ(recovered(0, SWARM_RECOVERY_REASSIGN).field[5], 3);
    }
    rig_answer(rig, 0, BAD);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_GARBAGE);
    CHECK_EQ(rig_info(rig, step).attempts, 5);
    CHECK_EQ(rig_report(rig, bench.run).retries, 4);
    end();
}

TEST(without_another_agent_there_is_no_reassignment) {
    const swarm_recovery_spec recovery = {.reassign_max = 9};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_step_spec spec = {.recovery = &recovery};
    swarm_step any = swarm_step_add(plan, &spec), pinned;

    spec.agent.id = 1;
    pinned = swarm_step_add(plan, &spec);
    commit(plan);
    CHECK_EQ(swarm_agent_withdraw(rig->sw, (swarm_agent){3}), SWARM_OK);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1); /* the pinned one waits */
    rig_answer(rig, 0, SICK);
    CHECK_EQ(agent_of(0), 2);
    CHECK_EQ(agent_of(1), 1);
    rig_answer(rig, 0, SICK); /* the third is withdrawn */
    CHECK_EQ(rig_state(rig, any), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, any).reason, SWARM_E_FAILED);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 1);
    rig_answer(rig, 1, SICK);
    CHECK_EQ(rig_state(rig, pinned), SWARM_STEP_FAILED);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 1), 0);
    end();
}

TEST(it_waits_for_an_agent_that_is_busy_and_keeps_nobody_waiting) {
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    swarm_step_spec spec = {.recovery = &recovery};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);

    for (uint32_t i = 0; i < 4; i++) {
        CHECK(swarm_step_add(plan, &spec).id != 0);
    }
    commit(plan); /* three run, one waits */
    rig_answer(rig, 0, SICK);
    rig_check_order(rig, "0 1 2 3"); /* 3 has the agent that failed 0 */
    CHECK_EQ(agent_of(3), 1);
    rig_answer(rig, 3, SWARM_OUTCOME_OK);
    rig_check_order(rig, "0 1 2 3"); /* free, but not for 0 */
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    rig_check_order(rig, "0 1 2 3 0");
    CHECK_EQ(agent_of(0), 3);
    end();
}

TEST(a_throttled_agent_has_not_failed_the_step) {
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    swarm_step_spec spec = {.recovery = &recovery};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);

    CHECK(swarm_step_add(plan, &spec).id != 0);
    commit(plan);
    rig_hold(rig, 0, SWARM_OUTCOME_THROTTLED, 50);
    rig_at(rig, 50);
    CHECK_EQ(agent_of(0), 1);
    rig_answer(rig, 0, SICK);
    CHECK_EQ(agent_of(0), 2);
    rig_answer(rig, 0, SICK);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 1);
    end();
}

/* ---- the kind of failure chooses */

TEST(terminal_failures_skip_retry_and_sick_endpoints_skip_split) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 1, &plan);
    swarm_fallback big = {.profile = bench.big};
    swarm_recovery_spec recovery = {
        .split = bench.split, .fallbacks = &big, .fallbacks_count = 1, .reserved = 0};
    swarm_step_spec spec = {.recovery = &recovery,
                            .agent = {1},
                            .retry = {.attempts_max = 3, .backoff_ns = SWARM_ZERO}};

    CHECK(swarm_step_add(plan, &spec).id != 0);
    CHECK(swarm_step_add(plan, &spec).id != 0);
    CHECK(swarm_step_add(plan, &spec).id != 0);
    commit(plan);
    rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL); /* no retry */
    CHECK_EQ(recovered(0, SWARM_RECOVERY_SPLIT).field[3], 1);
    CHECK_EQ(told[0], SWARM_OUTCOME_TERMINAL);
    rig_answer(rig, 4, SWARM_OUTCOME_OK);
    rig_answer(rig, 5, SWARM_OUTCOME_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_LOST);
    rig_answer(rig, 2, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 2), 0);
    rig_answer(rig, 1, SWARM_OUTCOME_LOST);
    CHECK_EQ(agent_of(1), 1);
    rig_answer(rig, 1, SWARM_OUTCOME_LOST); /* two retries, and nothing is split */
    CHECK_EQ(recovered(1, SWARM_RECOVERY_FALLBACK).field[6], bench.big.id);
    CHECK_EQ(agent_of(1), 2); /* although the step wants agent 1 */
    end();
}

/* ---- SPLIT, REGENERATE */

TEST(smaller_steps_take_its_place_and_feed_the_same_successors) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 1, &plan);
    swarm_recovery_spec recovery = {.split = bench.split};
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery, .argument = 77});
    swarm_step after = swarm_step_add(
        plan, &(swarm_step_spec){.function = bench.reduce, .flags = SWARM_STEP_INPUTS});

    CHECK_EQ(swarm_edge_add(plan, step, after, 0), SWARM_OK);
    commit(plan);
    rig_answer(rig, 0, BAD);
    CHECK_EQ(told[0], BAD);
    rig_check_order(rig, "0 3 4"); /* the parts; 2 is their sum */
    CHECK_EQ(rig_start_of(rig, 3)->argument, 77);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_READY);
    answer(3, SWARM_OUTCOME_OK, 5, 0);
    CHECK_EQ(rig_state(rig, after), SWARM_STEP_PENDING);
    answer(4, SWARM_OUTCOME_OK, 6, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).result.value, 11);
    CHECK_EQ(rig_info(rig, after).result.value, 11);
    CHECK_EQ(rig_report(rig, bench.run).failed, 0);
    end();
}

TEST(the_whole_chain_in_order_and_each_stage_once) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 2, &plan);
    swarm_fallback fallbacks[2] = {{.profile = bench.big, .attempts_max = 2},
                                   {.profile = bench.huge}};
    static const char *const skills[] = {"write"};
    swarm_profile_spec writer = {
        .name = "writer", .backend = rig->backend, .skills = skills, .skills_count = 1};
    swarm_recovery_spec recovery = {.reassign_max = 1,
                                    .split = bench.split,
                                    .regenerate = bench.plan_anew,
                                    .fallbacks = fallbacks,
                                    .fallbacks_count = 2,
                                    .flags = SWARM_RECOVERY_ENDS_VALUE,
                                    .value = 4711};
    swarm_step_spec spec = {.recovery = &recovery,
                            .skills = skills,
                            .skills_count = 1,
                            .retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}};
    static const uint64_t stages[] = {SWARM_RECOVERY_REASSIGN,   SWARM_RECOVERY_SPLIT,
                                      SWARM_RECOVERY_REGENERATE, SWARM_RECOVERY_FALLBACK,
                                      SWARM_RECOVERY_FALLBACK,   SWARM_RECOVERY_VALUE};
    swarm_step step = swarm_step_add(plan, &spec);

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &writer), 2).id != 0);
    commit(plan);
    CHECK_EQ(agent_of(0), 5);
    rig_answer(rig, 0, BAD);
    CHECK_EQ(agent_of(0), 5);
    rig_answer(rig, 0, BAD);
    CHECK_EQ(agent_of(0), 6);
    rig_answer(rig, 0, BAD); /* split: two parts, one fails, so their sum is skipped */
    rig_answer(rig, 2, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(told[1], UINT32_MAX);
    rig_answer(rig, 3, SWARM_OUTCOME_OK);
    CHECK_EQ(told[1], BAD); /* how the step's own last attempt ended */
    rig_answer(rig, 5, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(agent_of(0), 3); /* big, which has no skill */
    CHECK_EQ(rig_start_of(rig, 0)->outcome, BAD);
    rig_answer(rig, 0, SICK);
    CHECK_EQ(agent_of(0), 3); /* its second attempt */
    rig_answer(rig, 0, SICK);
    CHECK_EQ(agent_of(0), 4); /* huge */
    rig_answer(rig, 0, SICK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).result.value, 4711);
    CHECK_EQ(rig_info(rig, step).flags, SWARM_INFO_FALLBACK);
    for (uint32_t i = 0; i < 6; i++) {
        swarm_event event = {0};

        CHECK(event_find(rig, SWARM_EVENT_RECOVER, 0, i, &event));
        CHECK_EQ(event.field[0], stages[i]);
    }
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 6);
    CHECK_EQ(rig_info(rig, step).attempts, 6);
    end();
}

TEST(a_function_that_fails_passes_on_to_the_next_stage) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 1, &plan);
    swarm_recovery_spec recovery = {.split = bench.split, .regenerate = bench.plan_anew};
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery});

    commit(plan);
    parts_refused = true;
    rig_answer(rig, 0, BAD);
    CHECK_EQ(told[0], BAD);
    CHECK_EQ(told[1], BAD);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    end();
}

TEST(a_value_may_end_it_after_a_function) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 1, &plan);
    swarm_recovery_spec recovery = {
        .split = bench.split, .flags = SWARM_RECOVERY_ENDS_VALUE, .value = 9};
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery});
    swarm_step after = swarm_step_add(
        plan, &(swarm_step_spec){.function = bench.reduce, .flags = SWARM_STEP_INPUTS});
    swarm_step other = swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery});

    CHECK_EQ(swarm_edge_add(plan, step, after, 0), SWARM_OK);
    commit(plan);
    parts_refused = true; /* at once, and when its plan has failed */
    rig_answer(rig, 0, BAD);
    CHECK_EQ(rig_info(rig, step).result.value, 9);
    CHECK_EQ(rig_info(rig, after).result.value, 9);
    parts_refused = false;
    rig_answer(rig, 2, BAD);
    rig_answer(rig, 4, BAD);
    rig_answer(rig, 5, BAD);
    CHECK_EQ(rig_info(rig, other).result.value, 9);
    end();
}

TEST(a_step_that_is_cancelled_does_not_recover) {
    for (uint32_t way = 0; way < 3; way++) {
        swarm_plan *plan;
        swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
        struct rig *rig = bench_new(&growing, 1, &plan);
        swarm_fallback big = {.profile = bench.big};
        swarm_recovery_spec recovery = {
            .split = bench.split, .fallbacks = &big, .fallbacks_count = 1};
        const swarm_watch_spec watch = {.deadline_ns = 30};
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.recovery = &recovery, .watch = way == 2 ? &watch : NULL});

        commit(plan);
        rig_answer(rig, 0, BAD); /* the parts are at work */
        if (way == 2) {
            rig_at(rig, 30);
            CHECK_EQ(rig_state(rig, step), SWARM_STEP_TIMED_OUT);
        } else {
            CHECK_EQ(way == 0 ? swarm_step_cancel(rig->sw, step)
                              : swarm_subtree_cancel(rig->sw, step),
                     SWARM_OK);
            rig_settle(rig);
            CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
        }
        rig_finish(rig);
        CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 1);
        end();
    }
}

/* ---- fencing */

TEST(what_comes_late_from_an_earlier_attempt_is_billed_and_not_used) {
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery, .run_timeout_ns = 10});
    swarm_completion late = {.usage = {.cost_nano = 3}, .result = {.value = 1}};

    commit(plan);
    late.attempt = rig_start_of(rig, 0)->attempt;
    rig_at(rig, 10);
    CHECK_EQ(agent_of(0), 2);
    CHECK_EQ(rig_start_of(rig, 0)->outcome, SWARM_OUTCOME_TIMED_OUT);
    CHECK(rig_start_of(rig, 0)->epoch > 0);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(event_count(rig, SWARM_EVENT_FENCED, 0), 1);
    answer(0, SWARM_OUTCOME_OK, 2, 0);
    CHECK_EQ(rig_info(rig, step).result.value, 2);
    CHECK_EQ(rig_report(rig, bench.run).usage.cost_nano, 3);
    end();
}

/* ---- FALLBACK */

TEST(each_fallback_reserves_of_its_own_budget) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    const swarm_budget_spec spec = {
        .name = "dear", .limit = {.output_tokens = 10}, .policy = SWARM_BUDGET_STOP};
    swarm_charge_spec charge = {.budget = swarm_budget_add(rig->sw, &spec),
                                .reserve = {.output_tokens = 6}};
    swarm_fallback fallbacks[2] = {{.profile = bench.big, .charge = &charge},
                                   {.profile = bench.huge}};
    swarm_recovery_spec recovery = {.fallbacks = fallbacks, .fallbacks_count = 2};
    swarm_budget_info info = {.exceeded = 1};
    swarm_completion used = {.outcome = SICK, .usage = {.output_tokens = 6}};

    CHECK(swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery}).id != 0);
    CHECK(swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery, .agent = {1}}).id != 0);
    commit(plan);
    rig_answer(rig, 0, SICK);
    CHECK_EQ(agent_of(0), 2);
    CHECK_EQ(swarm_budget_get(rig->sw, charge.budget, &info), SWARM_OK);
    CHECK_EQ(info.reserved.output_tokens, 6);
    used.attempt = rig_start_of(rig, 0)->attempt;
    CHECK_EQ(swarm_complete(rig->sw, &used), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(agent_of(0), 3);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_answer(rig, 1, SICK); /* four are left: the first fallback can't start */
    CHECK_EQ(agent_of(1), 3);
    CHECK_EQ(recovered(1, SWARM_RECOVERY_FALLBACK).field[2], (uint64_t)-SWARM_E_BUDGET);
    CHECK_EQ(swarm_budget_get(rig->sw, charge.budget, &info), SWARM_OK);
    CHECK_EQ(info.spent.output_tokens, 6);
    rig_finish(rig);
    rig_check_run(rig, bench.run);
    CHECK_EQ(swarm_run_forget(rig->sw, bench.run), SWARM_OK);
    CHECK_EQ(swarm_budget_close(rig->sw, charge.budget), SWARM_OK); /* nobody charges it */
    rig_free(rig);
}

TEST(who_finds_no_agent_falls_back_too) {
    static const char *const skills[] = {"fly"};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_fallback huge = {.profile = bench.huge};
    swarm_recovery_spec recovery = {.fallbacks = &huge, .fallbacks_count = 1};
    swarm_step step = swarm_step_add(
        plan, &(swarm_step_spec){.recovery = &recovery, .skills = skills, .skills_count = 1});

    commit(plan);
    CHECK_EQ(agent_of(0), 3);
    CHECK_EQ(recovered(0, SWARM_RECOVERY_FALLBACK).field[2], (uint64_t)-SWARM_E_NO_AGENT);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_info(rig, step).flags, SWARM_INFO_FALLBACK);
    end();
}

/* ---- cascades */

TEST(a_cascade_asks_dearer_profiles_until_one_is_sure) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_fallback fallbacks[2] = {{.profile = bench.big, .attempts_max = 2},
                                   {.profile = bench.huge}};
    swarm_recovery_spec recovery = {
        .fallbacks = fallbacks, .fallbacks_count = 2, .flags = SWARM_RECOVERY_KEEPS_LAST};
    const swarm_watch_spec watch = {.confidence_min_ppm = 800000};
    swarm_step_spec spec = {
        .recovery = &recovery, .watch = &watch, .agent = {1}, .retry = {.backoff_ns = SWARM_ZERO}};
    swarm_step first = swarm_step_add(plan, &spec), second = swarm_step_add(plan, &spec),
               third = swarm_step_add(plan, &spec), fourth = swarm_step_add(plan, &spec);

    commit(plan);
    answer(0, SWARM_OUTCOME_OK, 1, 800000); /* the cheap one is sure */
    CHECK_EQ(rig_info(rig, first).result.value, 1);
    CHECK_EQ(rig_info(rig, first).flags, 0);
    answer(1, SWARM_OUTCOME_OK, 1, 0); /* one that says nothing of its confidence is not */
    CHECK_EQ(agent_of(1), 2);
    answer(1, SWARM_OUTCOME_OK, 2, 799999);
    CHECK_EQ(agent_of(1), 2); /* two attempts there */
    answer(1, SWARM_OUTCOME_OK, 3, 900000);
    CHECK_EQ(rig_info(rig, second).result.value, 3);
    CHECK_EQ(rig_info(rig, second).flags, SWARM_INFO_FALLBACK);
    answer(2, SWARM_OUTCOME_OK, 1, 0);
    answer(2, SWARM_OUTCOME_OK, 2, 0);
    answer(2, SWARM_OUTCOME_OK, 3, 0);
    CHECK_EQ(agent_of(2), 3);
    answer(2, SWARM_OUTCOME_OK, 4, 100); /* nobody is left: it stands, and says so */
    CHECK_EQ(rig_state(rig, third), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, third).result.value, 4);
    CHECK_EQ(rig_info(rig, third).flags, SWARM_INFO_FALLBACK | SWARM_INFO_LOW_CONFIDENCE);
    CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 2).field[3], SWARM_ACTION_NOTE);
    answer(3, SWARM_OUTCOME_OK, 1, 0);
    rig_answer(rig, 3, SICK);
    rig_answer(rig, 3, SICK);
    rig_answer(rig, 3, SWARM_OUTCOME_TERMINAL); /* no answer at all is none */
    CHECK_EQ(rig_state(rig, fourth), SWARM_STEP_FAILED);
    end();
}

/* ---- limits on retries */

TEST(a_backend_allows_so_many_retries_and_no_more) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 3, &plan);
    const swarm_limit_spec limit = {.name = "retries",
                                    .backend = rig->backend,
                                    .units = 2,
                                    .period_ns = 100,
                                    .measure = SWARM_MEASURE_RETRIES};
    swarm_step_spec spec = {.retry = {.attempts_max = 5, .backoff_ns = 10}};
    swarm_permit permit = swarm_limit_add(rig->sw, &limit);
    swarm_step steps[3];

    for (uint32_t i = 0; i < 3; i++) {
        steps[i] = swarm_step_add(plan, &spec);
    }
    commit(plan);
    rig_answer(rig, 0, SICK);
    rig_answer(rig, 1, SICK);
    CHECK_EQ(rig_state(rig, steps[1]), SWARM_STEP_HELD);
    rig_answer(rig, 2, SICK);
    CHECK_EQ(rig_state(rig, steps[2]), SWARM_STEP_FAILED);
    CHECK_EQ(recovered(2, SWARM_RECOVERY_RETRY).field[2], (uint64_t)-SWARM_E_LIMIT);
    CHECK_EQ(recovered(2, SWARM_RECOVERY_RETRY).field[6], permit.id);
    rig_at(rig, 10);
    rig_check_order(rig, "0 1 2 0 1"); /* those that are retried need none again */
    rig_at(rig, 50);                   /* one has flowed in */
    rig_answer(rig, 0, SICK);
    rig_answer(rig, 1, SICK);
    CHECK_EQ(rig_state(rig, steps[0]), SWARM_STEP_HELD);
    CHECK_EQ(rig_state(rig, steps[1]), SWARM_STEP_FAILED);
    rig_at(rig, 100);
    end();
}

/* ---- other things that a step may be */

TEST(a_static_run_starts_again_from_the_beginning) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_fallback huge = {.profile = bench.huge};
    swarm_recovery_spec recovery = {.reassign_max = 1, .fallbacks = &huge, .fallbacks_count = 1};
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery});

    commit(plan);
    for (uint32_t time = 0; time < 2; time++) {
        CHECK_EQ(agent_of(0), 1);
        rig_answer(rig, 0, SICK);
        CHECK_EQ(agent_of(0), 2);
        rig_answer(rig, 0, SICK);
        CHECK_EQ(agent_of(0), 3);
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
        CHECK_EQ(rig_info(rig, step).flags, SWARM_INFO_FALLBACK);
        if (time == 0) {
            CHECK_EQ(swarm_run_again(rig->sw, bench.run), SWARM_OK);
            rig_settle(rig);
        }
    }
    end();
}

TEST(each_iteration_of_a_loop_recovers_anew) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    swarm_fallback huge = {.profile = bench.huge};
    swarm_recovery_spec recovery = {.fallbacks = &huge, .fallbacks_count = 1};
    const swarm_loop_spec loop = {.iterations_max = 2};

    CHECK(swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery, .loop = &loop}).id != 0);
    commit(plan);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQ(agent_of(0), 1);
        rig_answer(rig, 0, SICK);
        CHECK_EQ(agent_of(0), 3);
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
    }
    end();
}

TEST(a_hedge_and_its_first_attempt_fail_together) {
    const swarm_hedge_spec hedge = {.after_ns = 10, .share_max_ppm = 1000000};
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 2, &plan);
    swarm_completion first = {.outcome = SICK};

    CHECK(swarm_step_add(plan, &(swarm_step_spec){.recovery = &recovery, .hedge = &hedge}).id != 0);
    commit(plan);
    first.attempt = rig_start_of(rig, 0)->attempt;
    rig_at(rig, 10);
    CHECK_EQ(agent_of(0), 2);
    rig_answer(rig, 0, SICK);
    CHECK_EQ(event_count(rig, SWARM_EVENT_RECOVER, 0), 0);
    CHECK_EQ(swarm_complete(rig->sw, &first), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(agent_of(0), 3); /* neither of the two */
    end();
}

/* ---- what is refused */

static swarm_status refusal(swarm_plan *plan) {
    swarm_error error = {0};

    (void)swarm_plan_commit(plan, &error);
    return error.status;
}

TEST(bad_recoveries_are_refused) {
    swarm_fallback five[5] = {
        {.profile = {1}}, {.profile = {1}}, {.profile = {1}}, {.profile = {1}}, {.profile = {1}}};
    swarm_fallback absent = {.profile = {9}}, none = {.profile = {0}},
                   reserved = {.profile = {1}, .reserved = 1};
    const swarm_vote_spec vote = {.count = 3, .quorum = 2};
    const swarm_loop_spec loop = {.iterations_max = 2};
    const swarm_ask_spec ask = {.kind = SWARM_ASK_JUDGE};
    const swarm_function one = {1}, far = {60};
    const struct {
        swarm_recovery_spec recovery;
        const swarm_vote_spec *vote;
        const swarm_loop_spec *loop;
        const swarm_ask_spec *ask;
        swarm_status status;
        bool growing;
    } rows[] = {
        {.recovery = {.fallbacks = five, .fallbacks_count = 5}, .status = SWARM_E_INVALID},
        {.recovery = {.fallbacks_count = 1}, .status = SWARM_E_INVALID},
        {.recovery = {.fallbacks = &reserved, .fallbacks_count = 1}, .status = SWARM_E_INVALID},
        {.recovery = {.fallbacks = &absent, .fallbacks_count = 1}, .status = SWARM_E_STALE},
        {.recovery = {.fallbacks = &none, .fallbacks_count = 1}, .status = SWARM_E_STALE},
        {.recovery = {.reassign_max = 17}, .status = SWARM_E_INVALID},
        {.recovery = {.flags = 3}, .status = SWARM_E_INVALID},
        {.recovery = {.flags = 4}, .status = SWARM_E_INVALID},
        {.recovery = {.reserved = 1}, .status = SWARM_E_INVALID},
        {.recovery = {.reassign_max = 1}, .vote = &vote, .status = SWARM_E_INVALID},
        {.recovery = {.reassign_max = 1}, .ask = &ask, .status = SWARM_E_INVALID},
        {.recovery = {.split = one}, .status = SWARM_E_INVALID},
        {.recovery = {.regenerate = one}, .status = SWARM_E_INVALID},
        {.recovery = {.split = far}, .growing = true, .status = SWARM_E_MISSING},
        {.recovery = {.regenerate = far}, .growing = true, .status = SWARM_E_MISSING},
        {.recovery = {.split = one}, .loop = &loop, .growing = true, .status = SWARM_E_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        swarm_run_spec spec = {.flags = rows[i].growing ? SWARM_RUN_GROWING : 0};
        swarm_plan *plan;
        struct rig *rig = bench_new(&spec, 1, &plan);
        swarm_step_spec step = {.recovery = &rows[i].recovery,
                                .vote = rows[i].vote,
                                .loop = rows[i].loop,
                                .ask = rows[i].ask};

        (void)swarm_step_add(plan, &step);
        CHECK_EQ(refusal(plan), rows[i].status);
        if (test_failed()) {
            printf("# row %zu\n", i);
        }
        rig_free(rig);
    }
}

TEST(a_call_step_has_no_recovery_and_limits_on_retries_are_a_backends) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 1, &plan);
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    const swarm_limit_spec limit = {
        .name = "retries", .units = 2, .measure = SWARM_MEASURE_RETRIES};

    (void)swarm_step_add(plan, &(swarm_step_spec){.function = bench.reduce, .recovery = &recovery});
    CHECK_EQ(refusal(plan), SWARM_E_INVALID);
    CHECK_EQ(swarm_limit_add(rig->sw, &limit).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_INVALID);
    rig_free(rig);
}

TEST(who_passes_over_agents_keeps_nobody_waiting_with_a_budget_either) {
    swarm_plan *plan;
    struct rig *rig = bench_new(NULL, 2, &plan);
    const swarm_budget_spec purse = {.name = "purse", .limit = {.steps = 9}};
    const swarm_charge_spec charge = {.budget = swarm_budget_add(rig->sw, &purse),
                                      .reserve = {.steps = 1}};
    const swarm_recovery_spec recovery = {.reassign_max = 1};
    static const char *const skills[] = {"read"};
    swarm_profile_spec reader = {
        .name = "reader", .backend = rig->backend, .skills = skills, .skills_count = 1};
    swarm_step_spec spec = {
        .skills = skills, .skills_count = 1, .charge = &charge, .recovery = &recovery};

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &reader), 2).id != 0);
    for (uint32_t i = 0; i < 3; i++) {
        spec.priority = i == 0 ? 2 : 1;
        (void)swarm_step_add(plan, &spec);
    }
    commit(plan);
    rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL);
    rig_check_order(rig, "0 1 2"); /* the first one waits for the agent of the second */
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_order(rig, "0 1 2 0");
    end();
}

/* A plan of a call step: what it falls back on is looked at when the plan is applied. */
static swarm_outcome adds_a_step(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_fallback fallback = {.profile = {call->argument}};
    swarm_recovery_spec recovery = {.fallbacks = &fallback, .fallbacks_count = 1};

    (void)context;
    (void)out_value;
    (void)swarm_step_add(swarm_call_plan(call), &(swarm_step_spec){.recovery = &recovery});
    return SWARM_OUTCOME_OK;
}

TEST(steps_of_call_steps_fall_back_too) {
    swarm_plan *plan;
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = bench_new(&growing, 1, &plan);
    swarm_function function = swarm_function_add(rig->sw, "adds", adds_a_step, NULL);
    swarm_step good =
        swarm_step_add(plan, &(swarm_step_spec){.function = function, .argument = bench.huge.id});
    swarm_step bad = swarm_step_add(plan, &(swarm_step_spec){.function = function, .argument = 9});

    commit(plan);
    CHECK_EQ(rig_state(rig, good), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, bad), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, bad).plan_status, SWARM_E_STALE);
    rig_answer(rig, 2, SICK);
    CHECK_EQ(agent_of(2), 3);
    end();
}

TEST_MAIN()
