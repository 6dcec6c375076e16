/* SPDX-License-Identifier: MIT */
/*
 * scenario_vote.h - vote: five voters, three must agree; each is right with probability .8.
 *
 * Those that are wrong agree with each other. All five start together and take LN(10 s, .7) each;
 * either all of them are waited for, or the rest is cancelled as soon as three agree. 20,000 votes,
 * a thousand a seed; the cost is the time that voters run.
 */
#ifndef SWARM_TESTS_SCENARIO_VOTE_H
#define SWARM_TESTS_SCENARIO_VOTE_H

#include "scenario.h"

enum { VOTE_SEEDS = 20, VOTE_STEPS = 1000, VOTE_COUNT = 5, VOTE_QUORUM = 3, VOTE_RIGHT = 1 };

static inline uint64_t vote_latency(void *context, const swarm_request *request) {
    (void)context;
    struct draws d = {request->run_seed, request->ordinal, 8 * (uint64_t)request->number};
    return draw_time(&d, 10, 0.7);
}

static inline swarm_outcome vote_answer(void *context, const swarm_request *request,
                                        swarm_result *out_result) {
    (void)context;
    struct draws d = {request->run_seed, request->ordinal, 8 * (uint64_t)request->number + 4};
    out_result->value = draw_even(&d) < 0.8 ? VOTE_RIGHT : VOTE_RIGHT + 1;
    return SWARM_OUTCOME_OK;
}

/* Over the block: time to a decision and running time of the voters, in ms; right decisions. */
struct vote_sums {
    uint64_t latency, cost, right;
};

static inline bool vote_play(struct scenario *s, uint64_t seed, uint32_t flags,
                             struct vote_sums *sums) {
    swarm *sw = s->engine.sw;
    swarm_vote_spec vote = {.count = VOTE_COUNT, .quorum = VOTE_QUORUM, .flags = flags};
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.seed = seed});
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step steps[VOTE_STEPS];
    swarm_run_report report;
    for (uint32_t i = 0; i < VOTE_STEPS; ++i) {
        steps[i] = swarm_step_add(plan, &(swarm_step_spec){.vote = &vote});
    }
    if (!world_commit(s, plan) || !world_drive(s) || !world_report(s, run, VOTE_STEPS, &report)) {
        return false;
    }
    for (uint32_t i = 0; i < VOTE_STEPS; ++i) {
        swarm_step_info info = {.end_ns = 0};
        (void)swarm_step_status(sw, steps[i], &info); /* a run's steps stay until it is forgotten */
        sums->latency += (info.end_ns - report.start_ns) / MS;
        sums->right += info.result.value == VOTE_RIGHT;
    }
    sums->cost += report.running_ns / MS;
    return true;
}

static inline bool vote_run(struct scenario *s, uint64_t seed, uint32_t flags,
                            struct vote_sums *sums) {
    swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK};
    swarm_mock_spec mock = {.models = &model, .latency = vote_latency, .answer = vote_answer};
    swarm_config config = {.seed = seed, .guards_max = VOTE_STEPS};
    if (!world_open(s, &config, &mock, VOTE_STEPS * VOTE_COUNT)) {
        return false;
    }
    bool good = vote_play(s, seed, flags, sums);
    engine_close(&s->engine);
    return good;
}

static inline bool play_vote(struct scenario *s) {
    uint64_t votes = (uint64_t)VOTE_SEEDS * VOTE_STEPS;
    struct vote_sums full = {.cost = 0}, early = {.cost = 0};
    for (uint64_t i = 0; i < VOTE_SEEDS; ++i) {
        if (!vote_run(s, s->seed + i, SWARM_VOTE_ALL, &full) ||
            !vote_run(s, s->seed + i, 0, &early)) {
            return false;
        }
    }
    scenario_add(s, "full", full.latency / votes);
    scenario_add(s, "early", early.latency / votes);
    scenario_add(s, "accuracy_full_ppm", ratio_ppm(full.right, votes));
    scenario_add(s, "accuracy_early_ppm", ratio_ppm(early.right, votes));
    scenario_add(s, "cost_ratio_ppm", ratio_ppm(early.cost, full.cost));
    return true;
}

#endif
