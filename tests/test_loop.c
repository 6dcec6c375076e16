/* SPDX-License-Identifier: MIT */
/* Steps that are done again: until a branch or a confidence, or as often as they may. */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static const swarm_run_spec *const both_kinds[] = {NULL, &growing};
static char lent[32];

static uint32_t events_of(const struct rig *rig, uint32_t kind, swarm_event *out_event) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint32_t count = 0;

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind) {
            *out_event = event;
            count++;
        }
    }
    return count;
}

static swarm_step loop_add(swarm_plan *plan, swarm_loop_spec loop, swarm_function function) {
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.loop = &loop, .function = function});

    CHECK(step.id != 0);
    return step;
}

static void answer_with(struct rig *rig, uint64_t ordinal, swarm_result result) {
    const swarm_completion completion = {.attempt = rig_start_of(rig, ordinal)->attempt,
                                         .result = result};

    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

TEST(an_agent_step_goes_on_until_it_is_enough) {
    for (uint32_t enough = 1; enough <= 4; enough++) {
        struct rig *rig = rig_new(NULL, 1);
        const swarm_loop_spec loop = {.iterations_max = 3, .until = SWARM_WHEN_BRANCH, .value = 7};
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[enough % 2], &run);
        swarm_step step = loop_add(plan, loop, (swarm_function){0}), after;
        uint32_t last = enough < 3 ? enough : 3;
        swarm_event event = {0};

        after = rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, step, after, 0), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        for (uint32_t i = 1; i <= last; i++) {
            const swarm_request *start = rig_start_of(rig, 0);
            swarm_result before = {0};

            CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
            CHECK_EQ(rig_state(rig, after), SWARM_STEP_PENDING);
            CHECK_EQ(start->iteration, i);
            CHECK_EQ(start->number, 1);
            CHECK_EQ(start->epoch, i - 1);
            CHECK_EQ(start->inputs, i > 1);
            CHECK_EQ(swarm_input(rig->sw, step, 0, &before), i > 1 ? SWARM_OK : SWARM_E_INVALID);
            CHECK_EQ(before.value, (i - 1) * 10);
            CHECK(before.bytes == NULL);
            answer_with(rig, 0,
                        (swarm_result){.branch = i == enough ? 7 : 6,
                                       .value = i * 10,
                                       .bytes = lent,
                                       .size = 1,
                                       .release = i});
        }
        CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
        CHECK_EQ(rig_info(rig, step).reason, enough > 3 ? SWARM_E_LIMIT : SWARM_OK);
        CHECK_EQ(rig_info(rig, step).result.value, last * 10);
        CHECK(rig_info(rig, step).result.bytes == lent);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), last - 1);
        CHECK_EQ(rig_state(rig, after), SWARM_STEP_RUNNING);
        CHECK_EQ(events_of(rig, SWARM_EVENT_LOOP, &event), last);
        CHECK_EQ(event.field[0], enough > 3 ? 3 : 2);
        CHECK_EQ(event.field[1], last);
        CHECK_EQ(rig_report(rig, run).retries, 0);
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(a_failed_iteration_is_retried_and_then_fails_the_step) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_loop_spec loop = {.iterations_max = 5};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(
        plan,
        &(swarm_step_spec){.loop = &loop, .retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}});

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_start_of(rig, 0)->number, 2);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 0)->number, 1);
    CHECK_EQ(rig_start_of(rig, 0)->iteration, 2);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_report(rig, run).retries, 2);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(always_is_as_often_as_said_and_again) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_loop_spec loop = {.iterations_max = 3};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = loop_add(plan, loop, (swarm_function){0});

    rig_commit(plan);
    rig_at(rig, 0);
    for (uint32_t again = 0; again < 3; again++) {
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
            rig_answer(rig, 0, SWARM_OUTCOME_OK);
        }
        CHECK_EQ(rig_info(rig, step).state, SWARM_STEP_OK);
        CHECK_EQ(rig_info(rig, step).reason, SWARM_OK);
        rig_check_run(rig, run);
        if (again < 2) {
            CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
            rig_settle(rig);
        }
    }
    rig_free(rig);
}

TEST(a_cancel_ends_the_loop) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_loop_spec loop = {.iterations_max = 3};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = loop_add(plan, loop, (swarm_function){0});

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Call steps: what a function did in each iteration. */
struct calls {
    swarm_function body;
    uint32_t count, brings; /* 0 nothing, 1 a continuation of its own kind, 2 an agent step */
    uint64_t iterations[8], before[8];
};

static swarm_outcome body(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument * 100;
    return SWARM_OUTCOME_OK;
}

static swarm_outcome iterate(void *context, const swarm_call *call, uint64_t *out_value) {
    struct calls *calls = context;
    swarm_result before = {0}, result = {.value = 10 + calls->count, .branch = calls->count};

    calls->iterations[calls->count] = call->iteration;
    if (call->inputs != 0) {
        CHECK_EQ(swarm_call_input(call, call->inputs - 1, &before), SWARM_OK);
    }
    calls->before[calls->count++] = before.value;
    *out_value = 10 + calls->count;
    if (calls->brings == 1) {
        swarm_plan *plan = swarm_call_plan(call);
        swarm_step step = calls->count % 2 == 0
                              ? swarm_call_add(plan, calls->body, calls->count)
                              : swarm_step_add(plan, &(swarm_step_spec){.function = calls->body,
                                                                        .argument = calls->count});

        CHECK_EQ(swarm_plan_continue(plan, step), SWARM_OK);
    } else if (calls->brings == 2) {
        swarm_plan *plan = swarm_call_plan(call);

        CHECK_EQ(swarm_plan_continue(plan, rig_step(plan)), SWARM_OK);
    } else {
        const swarm_result bytes = {.bytes = lent, .size = 1};

        CHECK_EQ(swarm_call_output(call, &bytes), SWARM_E_UNSUPPORTED);
        CHECK_EQ(swarm_call_output(call, &result), SWARM_OK);
    }
    return SWARM_OUTCOME_OK;
}

static struct rig *calls_new(struct calls *calls, swarm_loop_spec loop, swarm_run *out_run,
                             swarm_step *out_step) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_plan *plan;

    calls->body = swarm_function_add(rig->sw, "body", body, NULL);
    plan = rig_plan(rig, &growing, out_run);
    *out_step = loop_add(plan, loop, swarm_function_add(rig->sw, "iterate", iterate, calls));
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, *out_run), SWARM_OK);
    rig_at(rig, 0);
    return rig;
}

TEST(a_call_step_sees_what_came_before) {
    struct calls calls = {.brings = 0};
    swarm_run run;
    swarm_step step;
    struct rig *rig = calls_new(
        &calls, (swarm_loop_spec){.iterations_max = 6, .until = SWARM_WHEN_BRANCH, .value = 3},
        &run, &step);

    CHECK_EQ(calls.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(calls.iterations[i], i + 1);
        CHECK_EQ(calls.before[i], i == 0 ? 0 : 9 + i);
    }
    CHECK_EQ(rig_info(rig, step).result.value, 13);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(an_iteration_ends_with_its_continuation) {
    struct calls calls = {.brings = 1};
    swarm_run run;
    swarm_step step;
    struct rig *rig = calls_new(&calls, (swarm_loop_spec){.iterations_max = 5}, &run, &step);

    CHECK_EQ(calls.count, 5);
    for (uint32_t i = 1; i < 5; i++) {
        CHECK_EQ(calls.before[i], 100 * i);
    }
    CHECK_EQ(rig_info(rig, step).result.value, 500);
    CHECK_EQ(rig_report(rig, run).steps, 6);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(an_agent_step_as_continuation_decides) {
    struct calls calls = {.brings = 2};
    const swarm_loop_spec loop = {
        .iterations_max = 9, .until = SWARM_WHEN_CONFIDENT, .value = 500000};
    swarm_run run;
    swarm_step step;
    struct rig *rig = calls_new(&calls, loop, &run, &step);

    for (uint32_t i = 1; i <= 3; i++) {
        CHECK_EQ(calls.count, i);
        answer_with(
            rig, i,
            (swarm_result){.confidence_ppm = i * 200000, .value = i, .bytes = lent, .size = 1});
    }
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_OK);
    CHECK_EQ(calls.before[2], 2);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 3); /* the loop keeps no bytes */
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_continuation_that_never_is_enough_ends_at_the_limit) {
    struct calls calls = {.brings = 2};
    const swarm_loop_spec loop = {
        .iterations_max = 2, .until = SWARM_WHEN_CONFIDENT, .value = 500000};
    swarm_run run;
    swarm_step step;
    struct rig *rig = calls_new(&calls, loop, &run, &step);

    answer_with(rig, 1, (swarm_result){.value = 1});
    answer_with(rig, 2, (swarm_result){.value = 2});
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_LIMIT);
    CHECK_EQ(rig_info(rig, step).result.value, 2);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_subtree_cancel_reaches_every_iteration) {
    struct calls calls = {.brings = 2};
    swarm_run run;
    swarm_step step;
    struct rig *rig = calls_new(&calls, (swarm_loop_spec){.iterations_max = 9}, &run, &step);

    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_subtree_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_CANCEL, 2), 1);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(bad_loops_are_refused) {
    static const swarm_loop_spec bad[] = {
        {0},
        {.iterations_max = 1, .until = 3},
        {.iterations_max = 1, .value = 1},
        {.iterations_max = 1, .until = SWARM_WHEN_CONFIDENT, .value = 1000001},
        {.iterations_max = 1, .reserved = 1}};
    struct rig *rig = rig_new(NULL, 1);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);

        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.loop = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    }
    rig_free(rig);
}

TEST_MAIN()
