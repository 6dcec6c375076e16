/* SPDX-License-Identifier: MIT */
/*
 * scenario_stall.h - join: 300 steps that start together, of which some are slow and some hang.
 *
 * One in two hundred attempts hangs for ever, one in fifty takes 20 times LN(10 s, .5), the rest
 * LN(10 s, .5). What hangs is given up after 600 s and drawn anew. A join waits for all of them, or
 * goes on with 95 of 100 and has the rest cancelled.
 */
#ifndef SWARM_TESTS_SCENARIO_STALL_H
#define SWARM_TESTS_SCENARIO_STALL_H

#include "scenario.h"

enum { STALL_SEEDS = 200, STALL_STEPS = 300, STALL_ENOUGH = 285 };

/* Each attempt of each step has its own draw; the request's seed is that of the run. */
static inline uint64_t stall_latency(void *context, const swarm_request *request) {
    (void)context;
    struct draws d = {request->run_seed, 5 + request->ordinal, 8 * (uint64_t)request->number};
    double luck = draw_even(&d);
    return luck < 0.005   ? 1000000 * SECOND
           : luck < 0.025 ? 20 * draw_time(&d, 10, 0.5)
                          : draw_time(&d, 10, 0.5);
}

static inline swarm_outcome stall_join(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->inputs;
    return SWARM_OUTCOME_OK;
}

static inline swarm_status stall_plan(swarm *sw, swarm_run run, uint32_t need) {
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_function function = swarm_function_add(sw, "join", stall_join, NULL);
    swarm_join_spec join = {.need = need, .flags = SWARM_JOIN_CANCEL_LOSERS};
    swarm_step_spec spec = {.run_timeout_ns = 600 * SECOND,
                            .retry = {.attempts_max = 100, .backoff_ns = SWARM_ZERO}};
    swarm_step end = swarm_step_add(plan, &(swarm_step_spec){.function = function, .join = &join});
    for (uint32_t i = 0; i < STALL_STEPS; ++i) {
        swarm_edge_add(plan, swarm_step_add(plan, &spec), end, 0);
    }
    return swarm_plan_commit(plan, NULL);
}

static inline bool stall_play(struct scenario *s, uint64_t seed, uint32_t need, uint64_t *sum) {
    swarm *sw = s->engine.sw;
    swarm_profile_spec profile = {.name = "worker", .backend = s->engine.backend};
    swarm_run_report report = {.ok = 0};
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), STALL_STEPS);
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.seed = seed});
    swarm_status status = stall_plan(sw, run, need);
    status = status != SWARM_OK ? status : swarm_sim_drive(sw, NULL);
    status = status != SWARM_OK ? status : swarm_run_report_get(sw, run, &report);
    *sum += (report.end_ns - report.start_ns) / MS;
    return (status == SWARM_OK && report.ok > need) || scenario_fail(s, status, NULL);
}

static inline bool stall_run(struct scenario *s, uint64_t seed, uint32_t need, uint64_t *sum) {
    swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK};
    swarm_mock_spec mock = {.size = sizeof mock,
                            .models = &model,
                            .models_count = 1,
                            .latency = stall_latency,
                            .scripts_max = SWARM_NONE};
    swarm_config config = {.seed = seed};
    struct engine_need wants = {&config, &mock, 1};
    if (!engine_open(&s->engine, &wants, &s->error)) {
        return false;
    }
    bool good = stall_play(s, seed, need, sum);
    engine_close(&s->engine);
    return good;
}

static inline bool play_join(struct scenario *s) {
    uint64_t all = 0, enough = 0;
    for (uint64_t i = 0; i < STALL_SEEDS; ++i) {
        if (!stall_run(s, s->seed + i, STALL_STEPS, &all) ||
            !stall_run(s, s->seed + i, STALL_ENOUGH, &enough)) {
            return false;
        }
    }
    scenario_add(s, "all", all / STALL_SEEDS);
    scenario_add(s, "k_of_n", enough / STALL_SEEDS);
    return true;
}

#endif
