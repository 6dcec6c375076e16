/* SPDX-License-Identifier: MIT */
/*
 * Who goes first among tenants and runs (X1, X2, X3): fair shares, least served runs, deadlines.
 */
#include "test_dispatch.h"

static swarm_tenant tenant_of(struct rig *rig, const char *name, uint32_t weight, uint32_t runs) {
    swarm_tenant tenant = swarm_tenant_add(rig->sw, &(swarm_tenant_spec){name, weight, runs});

    CHECK(tenant.id != 0);
    return tenant;
}

static swarm_run run_with(struct rig *rig, const swarm_run_spec *spec, uint32_t steps,
                          uint32_t priority) {
    const swarm_step_spec step = {.priority = priority};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, spec, &run);

    for (uint32_t i = 0; i < steps; i++) {
        (void)swarm_step_add(plan, &step);
    }
    rig_commit(plan);
    return run;
}

/* Answers the oldest start, one a ns; counts the starts of each run, and wants them to be fair. */
static void play_fair(struct rig *rig, const uint64_t *weights, uint32_t tenants, uint32_t steps) {
    uint64_t served[8] = {0};

    for (uint32_t i = 0; i < steps; i++) {
        const swarm_request *start = &rig->requests[rig->seen++];
        swarm_completion completion = {.attempt = start->attempt};

        CHECK_EQ(start->kind, SWARM_REQUEST_START);
        served[start->run_key]++;
        for (uint32_t a = 1; a <= tenants; a++) {
            for (uint32_t b = 1; b <= tenants; b++) { /* a is ahead by one start at most */
                CHECK(served[a] * weights[b] <=
                      served[b] * weights[a] + (weights[a] > weights[b] ? weights[a] : weights[b]));
            }
        }
        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_at(rig, rig->now_ns + 1);
    }
}

TEST(starts_are_shared_by_weight) {
    static const uint64_t weights[] = {0, 1, 2, 5};
    static const char *const names[] = {"", "a", "b", "c"};
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t t = 1; t <= 3; t++) {
        swarm_run_spec spec = {.key = t};

        spec.tenant = tenant_of(rig, names[t], (uint32_t)weights[t], 0);
        (void)run_with(rig, &spec, 200, t == 1 ? 255 : 0); /* priority counts within a tenant */
    }
    rig_at(rig, 0);
    play_fair(rig, weights, 3, 300);
    rig_finish(rig);
    rig_free(rig);
}

/* Who comes late gets its share from then on, and nothing for the time before. */
TEST(nothing_is_saved_up) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run_spec first = {.key = 1}, second = {.key = 2};
    static const uint64_t weights[] = {0, 1, 1};

    first.tenant = tenant_of(rig, "a", 0, 0);
    second.tenant = tenant_of(rig, "b", 0, 0);
    (void)run_with(rig, &first, 100, 0);
    rig_at(rig, 0);
    play_fair(rig, weights, 1, 50);
    (void)run_with(rig, &second, 50, 0);
    rig_settle(rig);
    rig->seen++; /* in flight already */
    (void)rig_post(rig, 50, SWARM_OUTCOME_OK);
    rig_at(rig, rig->now_ns + 1);
    play_fair(rig, weights, 2, 40);
    rig_finish(rig);
    rig_free(rig);
}

TEST(runs_without_a_tenant_take_turns_too) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run_spec none = {.key = 1}, some = {.key = 2};
    static const uint64_t weights[] = {0, 1, 1};

    (void)run_with(rig, &none, 40, 9); /* ready before there is any tenant */
    some.tenant = tenant_of(rig, "a", 0, 0);
    (void)run_with(rig, &some, 40, 0);
    rig_at(rig, 0);
    play_fair(rig, weights, 2, 60);
    rig_finish(rig);
    rig_free(rig);
}

TEST(the_least_served_run_goes_first) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_tenant tenant = tenant_of(rig, "t", 0, SWARM_RUNS_LEAST_SERVED);
    const swarm_run_spec one = {.key = 1, .tenant = tenant}, two = {.key = 2, .tenant = tenant};
    static const uint64_t lasts[] = {10, 4, 4, 4, 1, 1}, runs[] = {1, 2, 2, 2, 1, 2};

    (void)run_with(rig, &one, 9, 0);
    (void)run_with(rig, &two, 9, 9);
    rig_at(rig, 0); /* served 0:0, 10:0, 10:4, 10:8, 10:12, 11:12 */
    for (uint32_t i = 0; i < 6; i++) {
        swarm_completion completion = {.attempt = rig->requests[i].attempt};

        CHECK_EQ(rig->requests[i].run_key, runs[i] == 2 && i == 5 ? 1 : runs[i]);
        rig_at(rig, rig->now_ns + lasts[i]);
        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
    rig->seen = 6;
    rig_finish(rig);
    rig_free(rig);
}

TEST(deadlines_order_and_admit) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_step_spec long_step = {.estimate_ns = 50}, short_step = {.estimate_ns = 10};
    swarm_run_spec spec = {.key = 1, .order = SWARM_ORDER_DEADLINE, .deadline_ns = 200};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    swarm_error error = {0};
    swarm_step a, b;

    (void)swarm_step_add(plan, &short_step);
    rig_commit(plan);
    spec.key = 2;
    spec.deadline_ns = 110; /* starts at 60 at the latest, the other at 190 */
    plan = rig_plan(rig, &spec, &run);
    (void)swarm_step_add(plan, &long_step);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig->requests[0].run_key, 2);
    spec.key = 3;
    spec.deadline_ns = 99;
    spec.flags = SWARM_RUN_GROWING;
    plan = rig_plan(rig, &spec, &run);
    a = swarm_step_add(plan, &(swarm_step_spec){.estimate_ns = 50, .key = 7});
    b = swarm_step_add(plan, &long_step);
    CHECK_EQ(swarm_edge_add(plan, a, b, 0), SWARM_OK);
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_TIMED_OUT); /* 100 on the way, 99 left */
    plan = swarm_plan_open(rig->sw, run);
    a = swarm_step_add(plan, &(swarm_step_spec){.estimate_ns = 49, .key = 7}); /* the key is free */
    b = swarm_step_add(plan, &long_step);
    CHECK_EQ(swarm_edge_add(plan, a, b, 0), SWARM_OK);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
