/* SPDX-License-Identifier: MIT */
/*
 * Who goes first among tenants and runs (X1, X2, X3): fair shares, least served runs, deadlines.
 */
#include "test_dispatch.h"

#include "../backends/mock/swarm_mock.h"

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

/* ---- the scenario S8, smaller: runs of very unequal size, first come against least served */

static uint64_t mean_completion(uint64_t seed, uint32_t order) {
    static unsigned char memory[1u << 18];
    static const swarm_mock_model model = {
        .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10 * SECOND, .sigma_ppm = 700000};
    const swarm_mock_spec mock_spec = {
        .size = sizeof mock_spec, .models = &model, .models_count = 1};
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .runs_max = 128,
                                 .steps_max = 40000,
                                 .tracked_max = 40000,
                                 .log_bytes = SWARM_NEVER};
    swarm_mock *mock = swarm_mock_new(&mock_spec, memory, sizeof memory);
    swarm_profile_spec profile = {.name = "p"};
    swarm_tenant_spec tenant = {.name = "t", .runs = order};
    swarm_run_spec spec = {0};
    swarm_run runs[100];
    uint64_t sum = 0;
    swarm *sw = NULL;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    profile.backend = swarm_backend_add(sw, swarm_mock_backend(mock));
    CHECK(swarm_agent_add(sw, swarm_profile_add(sw, &profile), 32).id != 0);
    spec.tenant = swarm_tenant_add(sw, &tenant);
    for (uint32_t i = 0; i < 100; i++) {
        /* Pareto, alpha 1: 8 / u, at most 2,000 */
        uint64_t size = 8000 / (1 + random_below(random_draw(seed, 9, i), 1000)), chains;
        swarm_step last[64];
        swarm_plan *plan;

        size = size < 4 ? 4 : size > 2000 ? 2000 : size;
        chains = size / 8 < 1 ? 1 : size / 8 > 64 ? 64 : size / 8;
        spec.seed = seed * 1000 + i;
        runs[i] = swarm_run_open(sw, &spec);
        plan = swarm_plan_open(sw, runs[i]);
        for (uint64_t k = 0; k < size; k++) {
            swarm_step step = swarm_step_add(plan, NULL);

            if (k >= chains) {
                (void)swarm_edge_add(plan, last[k % chains], step, 0);
            }
            last[k % chains] = step;
        }
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    for (uint32_t i = 0; i < 100; i++) {
        swarm_run_report report = {0};

        CHECK_EQ(swarm_run_report_get(sw, runs[i], &report), SWARM_OK);
        sum += report.end_ns / 1000000;
    }
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    return sum;
}

TEST(least_served_is_far_below_first_come) {
    uint64_t least = 0, first = 0;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        least += mean_completion(seed, SWARM_RUNS_LEAST_SERVED);
        first += mean_completion(seed, SWARM_RUNS_TOGETHER);
    }
    printf("# mean completion, least served %" PRIu64 " ms, first come %" PRIu64 " ms\n",
           least / 300, first / 300);
    CHECK(least * 4 <= first * 3);
}

TEST_MAIN()
