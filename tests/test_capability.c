/* SPDX-License-Identifier: MIT */
/*
 * test_capability.c - what steps may do, and that nothing they add may do more (M34).
 */
#include "test_events.h"

#define ALL (SWARM_MAY_ADD | SWARM_MAY_SHARE)

/* What the call step `adds` adds: read by workers. */
static swarm_step_spec added;
static swarm_function adds, writer;

static swarm_outcome adds_one(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_plan *plan = swarm_call_plan(call);

    (void)context;
    (void)out_value;
    (void)swarm_step_add(plan, &added);
    return SWARM_OUTCOME_OK;
}

/* Writes under its argument. */
static swarm_outcome writes_one(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_effect put = {.kind = SWARM_EFFECT_PUT, .key = call->argument, .value = 1};

    (void)context;
    (void)out_value;
    CHECK_EQ(swarm_call_effects(call, &put, 1), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

/* Backend 1 with agent 1 and, of a second profile, backend 2 with agent 2. */
static struct rig *bench_new(void) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_backend backend = {.size = sizeof backend, .name = "other"};
    swarm_profile_spec profile = {.name = "other"};

    profile.backend = swarm_backend_add(rig->sw, &backend);
    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &profile), 1).id != 0);
    adds = swarm_function_add(rig->sw, "adds", adds_one, NULL);
    writer = swarm_function_add(rig->sw, "writer", writes_one, NULL);
    added = (swarm_step_spec){.argument = 0};
    return rig;
}

static swarm_capability allow(struct rig *rig, swarm_capability parent, uint64_t tools,
                              uint64_t backends, uint32_t flags) {
    const swarm_capability_spec spec = {
        .parent = parent, .tools = tools, .backends = backends, .flags = flags};
    swarm_capability capability = swarm_capability_add(rig->sw, &spec);

    CHECK(capability.id != 0);
    return capability;
}

static swarm_plan *growing(struct rig *rig, swarm_run *out_run) {
    const swarm_run_spec spec = {.key = 1, .flags = SWARM_RUN_GROWING};

    return rig_plan(rig, &spec, out_run);
}

static swarm_status commit(struct rig *rig, swarm_plan *plan) {
    swarm_error error = {0};
    swarm_status status = swarm_plan_commit(plan, &error);

    rig_settle(rig);
    return status;
}

static void end(struct rig *rig, swarm_run run) {
    (void)swarm_run_close(rig->sw, run);
    rig_settle(rig);
    rig_finish(rig);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
}

TEST(a_capability_allows_no_more_than_its_parent) {
    struct rig *rig = bench_new();
    const swarm_capability_spec top = {
        .tools = 6, .backends = 2, .keys_mask = 0xff00, .keys = 0x1200, .flags = SWARM_MAY_SHARE};
    swarm_capability parent = swarm_capability_add(rig->sw, &top);
    const struct {
        uint64_t tools, backends, keys_mask, keys;
        uint32_t flags;
        swarm_status status;
    } rows[] = {
        {6, 2, 0xff00, 0x1200, SWARM_MAY_SHARE, SWARM_OK},
        {2, 0, 0xffff, 0x1234, SWARM_MAY_SHARE, SWARM_OK},
        {0, 0, 0, 0, 0, SWARM_OK},
        {1, 2, 0xff00, 0x1200, 0, SWARM_E_DENIED},
        {6, 3, 0xff00, 0x1200, 0, SWARM_E_DENIED},
        {6, 2, 0xf000, 0x1000, SWARM_MAY_SHARE, SWARM_E_DENIED},
        {6, 2, 0xff00, 0x1300, SWARM_MAY_SHARE, SWARM_E_DENIED},
        {6, 2, 0xff00, 0x1200, ALL, SWARM_E_DENIED},
        {6, 2, 0xff00, 0x1201, SWARM_MAY_SHARE, SWARM_E_INVALID},
        {6, 2, 0, 0, 4, SWARM_E_INVALID},
    };

    CHECK(parent.id != 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const swarm_capability_spec spec = {.parent = parent,
                                            .tools = rows[i].tools,
                                            .backends = rows[i].backends,
                                            .keys_mask = rows[i].keys_mask,
                                            .keys = rows[i].keys,
                                            .flags = rows[i].flags};
        bool added_one = swarm_capability_add(rig->sw, &spec).id != 0;

        CHECK_EQ(added_one, rows[i].status == SWARM_OK);
        CHECK_EQ(swarm_fault(rig->sw, NULL), rows[i].status);
    }
    rig_free(rig);
}

TEST(steps_go_to_backends_that_are_allowed_and_are_told_their_tools) {
    struct rig *rig = bench_new();
    swarm_capability second = allow(rig, (swarm_capability){0}, 5, 2, 0);
    swarm_capability nowhere = allow(rig, (swarm_capability){0}, 5, 4, 0);
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_step free = rig_step(plan), bound, lost;

    bound = swarm_step_add(plan, &(swarm_step_spec){.capability = second});
    lost = swarm_step_add(plan, &(swarm_step_spec){.capability = nowhere});
    CHECK_EQ(commit(rig, plan), SWARM_OK);
    CHECK_EQ(rig_start_of(rig, 0)->tools, UINT64_MAX);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 2);
    CHECK_EQ(rig_start_of(rig, 1)->tools, 5);
    CHECK_EQ(rig_info(rig, lost).reason, SWARM_E_NO_AGENT);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, free), SWARM_STEP_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, bound), SWARM_STEP_OK);
    end(rig, run);
}

TEST(what_a_step_adds_has_its_capability) {
    struct rig *rig = bench_new();
    swarm_capability top = allow(rig, (swarm_capability){0}, 7, 2, ALL);
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);

    /* Two levels: what the added call step adds is bound as well. */
    (void)swarm_step_add(plan, &(swarm_step_spec){.function = adds, .capability = top});
    CHECK_EQ(commit(rig, plan), SWARM_OK);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 2);
    CHECK_EQ(rig_start_of(rig, 1)->tools, 7);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    end(rig, run);
}

TEST(it_may_hand_on_less_and_never_more) {
    struct rig *rig = bench_new();
    swarm_capability top = allow(rig, (swarm_capability){0}, 7, 3, ALL);
    swarm_capability middle = allow(rig, top, 3, 3, ALL);
    swarm_capability low = allow(rig, middle, 1, 1, 0), other = allow(rig, top, 1, 1, 0);
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    const struct {
        swarm_capability capability;
        bool allowed;
    } rows[] = {{low, true},  {middle, true}, {{0}, true},
                {top, false}, {other, false}, {{9}, false}};

    CHECK_EQ(commit(rig, plan), SWARM_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        swarm_step step;

        added.capability = rows[i].capability;
        plan = swarm_plan_open(rig->sw, run);
        step = swarm_step_add(plan, &(swarm_step_spec){.function = adds, .capability = middle});
        CHECK_EQ(commit(rig, plan), SWARM_OK);
        CHECK_EQ(rig_state(rig, step), rows[i].allowed ? SWARM_STEP_OK : SWARM_STEP_FAILED);
        CHECK_EQ(rig_info(rig, step).plan_status, rows[i].allowed              ? SWARM_OK
                                                  : rows[i].capability.id == 9 ? SWARM_E_STALE
                                                                               : SWARM_E_DENIED);
        rig_finish(rig);
    }
    end(rig, run);
}

TEST(who_may_not_add_steps_does_not) {
    struct rig *rig = bench_new();
    swarm_capability mute = allow(rig, (swarm_capability){0}, 0, 3, SWARM_MAY_SHARE);
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.function = adds, .capability = mute});

    CHECK_EQ(commit(rig, plan), SWARM_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).plan_status, SWARM_E_DENIED);
    end(rig, run);
}

TEST(the_empty_mask_is_to_compute_only) {
    struct rig *rig = bench_new();
    swarm_capability none = allow(rig, (swarm_capability){0}, 0, 0, 0);
    const uint64_t key = 5;
    const swarm_state_spec reads = {.reads = &key, .reads_count = 1}, writes = {.reads_count = 0};
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_step step;

    (void)swarm_step_add(plan, &(swarm_step_spec){.capability = none}); /* an agent */
    CHECK_EQ(commit(rig, plan), SWARM_E_DENIED);
    plan = swarm_plan_open(rig->sw, run);
    (void)swarm_step_add(
        plan, &(swarm_step_spec){.function = writer, .capability = none, .state = &reads});
    CHECK_EQ(commit(rig, plan), SWARM_E_DENIED);
    plan = swarm_plan_open(rig->sw, run);
    step = swarm_step_add(
        plan, &(swarm_step_spec){.function = writer, .capability = none, .state = &writes});
    CHECK_EQ(commit(rig, plan), SWARM_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_DENIED);
    end(rig, run);
}

TEST(keys_are_allowed_by_prefix) {
    struct rig *rig = bench_new();
    const swarm_capability_spec spec = {
        .keys_mask = 0xff00, .keys = 0x1200, .flags = SWARM_MAY_SHARE};
    swarm_capability capability = swarm_capability_add(rig->sw, &spec);
    const swarm_state_spec writes = {.reads_count = 0};
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_step good = swarm_step_add(plan, &(swarm_step_spec){.function = writer,
                                                              .argument = 0x1277,
                                                              .capability = capability,
                                                              .state = &writes});
    swarm_step bad = swarm_step_add(plan, &(swarm_step_spec){.function = writer,
                                                             .argument = 0x1377,
                                                             .capability = capability,
                                                             .state = &writes});
    swarm_state_value value = {.key = 0};

    CHECK_EQ(commit(rig, plan), SWARM_OK);
    CHECK_EQ(rig_state(rig, good), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, bad).reason, SWARM_E_DENIED);
    CHECK_EQ(swarm_state_get(rig->sw, run, (swarm_branch){0}, 0x1277, &value), SWARM_OK);
    CHECK_EQ(swarm_state_get(rig->sw, run, (swarm_branch){0}, 0x1377, &value), SWARM_E_MISSING);
    end(rig, run);
}

TEST(a_fallback_is_bound_as_its_step_is) {
    struct rig *rig = bench_new();
    swarm_capability first = allow(rig, (swarm_capability){0}, 0, 1, 0);
    const swarm_fallback other = {.profile = {2}};
    const swarm_recovery_spec recovery = {.fallbacks = &other, .fallbacks_count = 1};
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.capability = first, .recovery = &recovery});

    CHECK_EQ(commit(rig, plan), SWARM_OK);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_NO_AGENT);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    end(rig, run);
}

TEST(a_resumed_swarm_is_bound_too_and_other_capabilities_are_another_setup) {
    static unsigned char log[RIG_LOG];
    struct rig *rig = bench_new();
    swarm_capability second = allow(rig, (swarm_capability){0}, 5, 2, 0);
    swarm_run run;
    swarm_plan *plan = growing(rig, &run);
    swarm_run_report before;
    size_t size;

    (void)swarm_step_add(plan, &(swarm_step_spec){.capability = second});
    CHECK_EQ(commit(rig, plan), SWARM_OK);
    before = rig_report(rig, run);
    size = rig->log_size;
    memcpy(log, rig->log, size);
    end(rig, run);
    rig = bench_new();
    (void)allow(rig, (swarm_capability){0}, 5, 2, 0);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_RESUME, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, NULL), SWARM_OK);
    run = swarm_run_find(rig->sw, 1);
    CHECK_EQ(rig_report(rig, run).hash[0], before.hash[0]);
    rig_settle(rig);
    CHECK(rig_start_of(rig, 0) != NULL && rig_start_of(rig, 0)->tools == 5);
    end(rig, run);
    rig = bench_new();
    (void)allow(rig, (swarm_capability){0}, 7, 2, 0);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_RESUME, log, size), SWARM_E_MISMATCH);
    rig_free(rig);
}

TEST(the_table_has_an_end) {
    const swarm_config config = {.capabilities_max = 2};
    struct rig *rig = rig_new(&config, 1);
    const swarm_capability_spec any = {.tools = 1};

    CHECK(swarm_capability_add(rig->sw, &any).id == 1);
    CHECK(swarm_capability_add(rig->sw, &any).id == 2);
    CHECK(swarm_capability_add(rig->sw, &any).id == 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_FULL);
    rig_free(rig);
}

TEST_MAIN()
