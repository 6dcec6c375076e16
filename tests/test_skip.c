/* SPDX-License-Identifier: MIT */
/* Steps that are skipped: by the confidence of their inputs, and by call. */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static const swarm_run_spec *const both_kinds[] = {NULL, &growing};
static const swarm_skip_spec sure = {.confidence_ppm = 900000};
static const swarm_edge_spec tolerant[] = {
    {.on_skip = SWARM_EDGE_AS_OK}, {.on_skip = SWARM_EDGE_HOLE}, {.kind = SWARM_EDGE_SOFT}};

static void answer_with(struct rig *rig, uint64_t ordinal, uint32_t confidence_ppm) {
    const swarm_completion completion = {.attempt = rig_start_of(rig, ordinal)->attempt,
                                         .result = {.confidence_ppm = confidence_ppm}};

    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

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

TEST(the_least_confidence_of_the_inputs_decides) {
    for (uint32_t at = 0; at < 6; at++) {
        uint32_t least = at < 2 ? 0 : 899998 + at;
        struct rig *rig = rig_new(NULL, 4);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[at % 2], &run);
        swarm_step a = rig_step(plan), b = rig_step(plan), after;
        swarm_step check = swarm_step_add(plan, &(swarm_step_spec){.skip = &sure});
        swarm_event event = {0};
        bool skips = least >= 900000;

        after = swarm_step_add(plan, &(swarm_step_spec){.flags = SWARM_STEP_INPUTS});
        CHECK_EQ(swarm_edge_add(plan, a, check, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, b, check, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add_with(plan, check, after, &tolerant[at % 3]), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        answer_with(rig, 0, at % 2 == 0 ? least : 1000000);
        answer_with(rig, 1, at % 2 == 0 ? 1000000 : least);
        CHECK_EQ(rig_state(rig, check), skips ? SWARM_STEP_SKIPPED : SWARM_STEP_RUNNING);
        CHECK_EQ(rig_info(rig, check).reason, SWARM_OK);
        CHECK_EQ(rig_state(rig, after), skips ? SWARM_STEP_RUNNING : SWARM_STEP_PENDING);
        CHECK_EQ(events_of(rig, SWARM_EVENT_SKIP, &event), skips);
        if (skips) {
            swarm_result result;

            CHECK_EQ(event.field[0], 1);
            CHECK_EQ(event.field[1], 900000);
            CHECK_EQ(event.field[2], least);
            CHECK_EQ(rig_report(rig, run).skipped, 1);
            if (at % 3 != 2) {
                CHECK_EQ(swarm_input(rig->sw, after, 0, &result),
                         at % 3 == 0 ? SWARM_OK : SWARM_E_DEPENDS);
            }
        }
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(without_inputs_it_is_not_skipped) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.skip = &sure});

    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(who_needs_it_strictly_is_refused) {
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t i = 0; i < 7; i++) {
        const swarm_join_spec join = {.need = i == 4 ? 1 : 2};
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[i % 2], &run);
        swarm_step other = rig_step(plan), step, to;
        swarm_error error = {0};

        step = swarm_step_add(plan, &(swarm_step_spec){.skip = &sure});
        to = swarm_step_add(plan, &(swarm_step_spec){.join = i == 4 || i == 5 ? &join : NULL});
        if (i >= 4) {
            CHECK_EQ(swarm_edge_add(plan, other, to, 0), SWARM_OK);
        }
        if (i < 3) {
            CHECK_EQ(swarm_edge_add_with(plan, step, to, &tolerant[i]), SWARM_OK);
        }
        CHECK_EQ(swarm_edge_add(plan, step, to, i == 6 ? 5 : 0), SWARM_OK);
        CHECK_EQ(swarm_plan_commit(plan, &error),
                 i == 3 || i == 5 || i == 6 ? SWARM_E_DEPENDS : SWARM_OK);
        if (i == 3) {
            CHECK_EQ(error.step, 2);
        }
    }
    rig_free(rig);
}

TEST(somebody_who_needs_it_since_keeps_it) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step a = rig_step(plan), step, to;

    step = swarm_step_add(plan, &(swarm_step_spec){.skip = &sure});
    CHECK_EQ(swarm_edge_add(plan, a, step, 0), SWARM_OK);
    rig_commit(plan);
    plan = swarm_plan_open(rig->sw, run);
    to = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, step, to, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_step_skip(rig->sw, step), SWARM_E_DEPENDS);
    answer_with(rig, 0, 1000000);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

static swarm_outcome nothing(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

TEST(by_call_what_has_not_started_is_skipped) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step running = rig_step(plan), ready = rig_step(plan), pending = rig_step(plan), plain;
    swarm_event event;

    CHECK_EQ(swarm_edge_add(plan, running, pending, 0), SWARM_OK);
    plain = swarm_call_add(plan, swarm_function_add(rig->sw, "nothing", nothing, NULL), 0);
    CHECK_EQ(swarm_step_skip(rig->sw, ready), SWARM_E_STALE);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, running), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_state(rig, ready), SWARM_STEP_READY);
    CHECK_EQ(swarm_step_skip(rig->sw, running), SWARM_E_DEPENDS);
    CHECK_EQ(swarm_step_skip(rig->sw, plain), SWARM_E_INVALID);
    CHECK_EQ(swarm_step_skip(rig->sw, ready), SWARM_OK);
    CHECK_EQ(swarm_step_skip(rig->sw, ready), SWARM_E_STARTED);
    CHECK_EQ(swarm_step_skip(rig->sw, pending), SWARM_OK);
    CHECK_EQ(rig_state(rig, ready), SWARM_STEP_SKIPPED);
    CHECK_EQ(rig_state(rig, pending), SWARM_STEP_SKIPPED);
    rig_settle(rig);
    CHECK_EQ(events_of(rig, SWARM_EVENT_SKIP, &event), 2);
    CHECK_EQ(event.field[0], 2);
    CHECK_EQ(swarm_step_skip(rig->sw, running), SWARM_E_DEPENDS); /* its edge is still there */
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    plan = swarm_plan_open(rig->sw, run);
    running = rig_step(plan);
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(swarm_step_skip(rig->sw, running), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, running), SWARM_STEP_CANCELLED);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(bad_skips_are_refused) {
    static const swarm_skip_spec bad[] = {
        {0}, {.confidence_ppm = 1000001}, {.confidence_ppm = 1, .reserved = 1}};
    struct rig *rig = rig_new(NULL, 1);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);

        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.skip = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    }
    rig_free(rig);
}

TEST_MAIN()
