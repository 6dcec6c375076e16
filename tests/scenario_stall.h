/* SPDX-License-Identifier: MIT */
/*
 * scenario_stall.h - join and hedge: 300 steps that start together, of which some are slow and some
 * hang.
 *
 * One in two hundred attempts hangs for ever, one in fifty takes 20 times LN(10 s, .5), the rest
 * LN(10 s, .5). What hangs is given up after 600 s and drawn anew. Nobody waits for an agent.
 *   join   waits for all of them, or goes on with 95 of 100 and has the rest cancelled
 *   hedge  waits for all of them; or with a second attempt for those that still run at the 95th
 *          percentile of LN(10 s, .5), which somebody knows; or, in the keys that begin with
 *          learned, at the one that the library learns meanwhile. A tenth at most get one.
 */
#ifndef SWARM_TESTS_SCENARIO_STALL_H
#define SWARM_TESTS_SCENARIO_STALL_H

#include "scenario.h"

enum { STALL_SEEDS = 200, STALL_STEPS = 300, STALL_ENOUGH = 285 };

/* What is done about it. */
struct stall_policy {
    uint32_t need; /* of the join */
    const swarm_hedge_spec *hedge;
};

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

static inline bool stall_plan(struct scenario *s, swarm_run run,
                              const struct stall_policy *policy) {
    swarm *sw = s->engine.sw;
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_function function = swarm_function_add(sw, "join", stall_join, NULL);
    swarm_join_spec join = {.need = policy->need, .flags = SWARM_JOIN_CANCEL_LOSERS};
    swarm_step_spec spec = {.run_timeout_ns = 600 * SECOND,
                            .retry = {.attempts_max = 100, .backoff_ns = SWARM_ZERO},
                            .hedge = policy->hedge};
    swarm_step end = swarm_step_add(plan, &(swarm_step_spec){.function = function, .join = &join});
    for (uint32_t i = 0; i < STALL_STEPS; ++i) {
        swarm_edge_add(plan, swarm_step_add(plan, &spec), end, 0);
    }
    return world_commit(s, plan);
}

static inline bool stall_run(struct scenario *s, uint64_t seed, const struct stall_policy *policy,
                             swarm_run_report *report) {
    swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK};
    swarm_mock_spec mock = {.models = &model, .latency = stall_latency};
    swarm_config config = {.seed = seed, .guards_max = STALL_STEPS};
    if (!world_open(s, &config, &mock, 2 * STALL_STEPS)) {
        return false;
    }
    swarm_run run = swarm_run_open(s->engine.sw, &(swarm_run_spec){.seed = seed});
    bool good = stall_plan(s, run, policy) && world_drive(s) &&
                world_report(s, run, policy->need + 1, report);
    engine_close(&s->engine);
    return good;
}

/* Over the block: makespans in ms; attempts; their running time in ms. */
struct stall_sums {
    struct sample makespans;
    uint64_t attempts, work;
};

static inline bool stall_block(struct scenario *s, const struct stall_policy *policy,
                               struct stall_sums *sums) {
    for (uint64_t i = 0; i < STALL_SEEDS; ++i) {
        swarm_run_report report = {.ok = 0};
        if (!stall_run(s, s->seed + i, policy, &report)) {
            return false;
        }
        if (!sample_add(&sums->makespans, (report.end_ns - report.start_ns) / MS)) {
            return input_out_of_memory(&s->error, 0);
        }
        sums->attempts += report.attempts;
        sums->work += report.running_ns / MS;
    }
    return true;
}

static inline bool play_join(struct scenario *s) {
    static const uint32_t needs[2] = {STALL_STEPS, STALL_ENOUGH};
    static const char *const keys[2] = {"all", "k_of_n"};
    bool good = true;
    for (uint32_t i = 0; i < 2 && good; ++i) {
        struct stall_policy policy = {.need = needs[i]};
        struct stall_sums sums = {.work = 0};
        good = stall_block(s, &policy, &sums);
        scenario_add(s, keys[i], sample_mean(&sums.makespans));
        free(sums.makespans.items);
    }
    return good;
}

/* ---- hedge ------------------------------------------------------------------------------- */

enum { HEDGE_NONE, HEDGE_KNOWN, HEDGE_LEARNED, HEDGE_POLICIES };

/* What second attempts cost: starts beyond one a step; running time beyond that without hedges, 0
 * when there is less of it. */
static inline void hedge_cost(struct scenario *s, const struct stall_sums *hedged,
                              const struct stall_sums *none, const char *const *keys) {
    uint64_t steps = (uint64_t)STALL_SEEDS * STALL_STEPS;
    uint64_t extra = hedged->work > none->work ? hedged->work - none->work : 0;
    scenario_add(s, keys[0], ratio_ppm(hedged->attempts - steps, steps));
    scenario_add(s, keys[1], ratio_ppm(extra, none->work));
}

static inline bool play_hedge(struct scenario *s) {
    /* 10 s * e^(-.125 + 1.645 * .5) */
    static const swarm_hedge_spec known = {.after_ns = 20087 * MS}, learned = {.after_ns = 0};
    static const struct stall_policy policies[HEDGE_POLICIES] = {
        {STALL_STEPS, NULL}, {STALL_STEPS, &known}, {STALL_STEPS, &learned}};
    static const char *const keys[HEDGE_POLICIES][5] = {
        {"none", "none_median", "none_work"},
        {"hedged", "hedged_median", "hedged_work", "extra_dispatch_ppm", "extra_work_ppm"},
        {"learned", "learned_median", "learned_work", "learned_extra_dispatch_ppm",
         "learned_extra_work_ppm"}};
    struct stall_sums sums[HEDGE_POLICIES] = {{.work = 0}};
    bool good = true;
    for (uint32_t i = 0; i < HEDGE_POLICIES && good; ++i) {
        good = stall_block(s, &policies[i], &sums[i]);
        scenario_add(s, keys[i][0], sample_mean(&sums[i].makespans));
        scenario_add(s, keys[i][1], sample_median(&sums[i].makespans));
        scenario_add(s, keys[i][2], sums[i].work / STALL_SEEDS);
        if (good && i != HEDGE_NONE) {
            hedge_cost(s, &sums[i], &sums[HEDGE_NONE], &keys[i][3]);
        }
    }
    for (uint32_t i = 0; i < HEDGE_POLICIES; ++i) {
        free(sums[i].makespans.items);
    }
    return good;
}

#endif
