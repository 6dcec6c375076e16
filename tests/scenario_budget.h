/* SPDX-License-Identifier: MIT */
/*
 * scenario_budget.h - budget: 2.4 million output tokens, and 300 agents that would use more.
 *
 * Steps take min(8,000, LN(600, 1)) tokens at 50 tokens a second; there are more of them than the
 * budget can pay. Played three times over the block:
 *   each attempt reserves the 8,000 that it may use
 *   rated_    the same at an endpoint that takes 600 requests and 240,000 tokens a minute; without
 *             the library's limit for either, that one would be passed
 *   checked_  each attempt reserves one token, so that hardly more than what is spent is looked at
 * What is spent, in flight, and over a limit is counted here, by what the backend is given and
 * answers, and not by the library's account.
 */
#ifndef SWARM_TESTS_SCENARIO_BUDGET_H
#define SWARM_TESTS_SCENARIO_BUDGET_H

#include "scenario.h"

enum {
    BUDGET_SEEDS = 30,
    BUDGET_AGENTS = 300,
    BUDGET_STEPS = 6000,
    BUDGET_LIMIT = 2400000, /* output tokens */
    BUDGET_MOST = 8000,     /* of one step */
    BUDGET_TOKEN_NS = 20000000,
    RATE_REQUESTS = 600, /* a minute */
    RATE_REQUESTS_BURST = 30,
    RATE_TOKENS = 240000, /* a minute */
    RATE_TOKENS_BURST = 400000,
};

/* What the endpoint has seen of one run. */
struct budget_endpoint {
    uint64_t started, answered, inflight_most;
    uint64_t tokens;                     /* of what was answered */
    uint64_t requests_over, tokens_over; /* how often more than had flowed in by then */
};

/* What a bucket that began full has let through by `now_ns`, at most. */
static inline uint64_t budget_flow(uint64_t now_ns, uint64_t units, uint64_t burst) {
    return burst + now_ns / MS * units / 60000;
}

static inline uint32_t budget_tokens(const swarm_request *request) {
    struct draws d = {request->run_seed, request->ordinal, 8 * (uint64_t)request->number};
    double tokens = draw_lognormal(&d, 600, 1);
    return tokens < 1 ? 1 : tokens > BUDGET_MOST ? BUDGET_MOST : (uint32_t)tokens;
}

/* There is a model for each number of tokens. */
static inline uint32_t budget_choose(void *context, const swarm_request *request) {
    struct budget_endpoint *endpoint = context;
    uint64_t inflight = ++endpoint->started - endpoint->answered;
    endpoint->inflight_most =
        inflight > endpoint->inflight_most ? inflight : endpoint->inflight_most;
    endpoint->requests_over +=
        endpoint->started > budget_flow(request->now_ns, RATE_REQUESTS, RATE_REQUESTS_BURST);
    return budget_tokens(request) - 1;
}

static inline swarm_outcome budget_answer(void *context, const swarm_request *request,
                                          swarm_result *out_result) {
    struct budget_endpoint *endpoint = context;
    uint32_t tokens = budget_tokens(request);
    uint64_t now_ns = request->now_ns + (uint64_t)tokens * BUDGET_TOKEN_NS;
    endpoint->answered += 1;
    endpoint->tokens += tokens;
    endpoint->tokens_over += endpoint->tokens > budget_flow(now_ns, RATE_TOKENS, RATE_TOKENS_BURST);
    (void)out_result;
    return SWARM_OUTCOME_OK;
}

/* How it is played. */
struct budget_way {
    uint64_t reserve; /* tokens of an attempt */
    bool rated;
};

static inline void budget_rates(struct scenario *s) {
    swarm_limit_spec requests = {.name = "requests",
                                 .backend = s->engine.backend,
                                 .units = RATE_REQUESTS,
                                 .burst = RATE_REQUESTS_BURST};
    swarm_limit_spec tokens = {.name = "tokens",
                               .backend = s->engine.backend,
                               .units = RATE_TOKENS,
                               .burst = RATE_TOKENS_BURST,
                               .measure = SWARM_MEASURE_OUTPUT};
    swarm_limit_add(s->engine.sw, &requests);
    swarm_limit_add(s->engine.sw, &tokens);
}

static inline bool budget_play(struct scenario *s, uint64_t seed, const struct budget_way *way) {
    swarm *sw = s->engine.sw;
    swarm_budget_spec spec = {
        .name = "all", .limit = {.output_tokens = BUDGET_LIMIT}, .policy = SWARM_BUDGET_STOP};
    swarm_charge_spec charge = {.budget = swarm_budget_add(sw, &spec),
                                .reserve = {.output_tokens = way->reserve}};
    if (way->rated) {
        budget_rates(s);
    }
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.seed = seed, .charge = &charge});
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_run_report report;
    for (uint32_t i = 0; i < BUDGET_STEPS; ++i) {
        swarm_step_add(plan, NULL);
    }
    return world_commit(s, plan) && world_drive(s) && world_report(s, run, 1, &report) &&
           (report.budget > 0 || scenario_fail(s, SWARM_E_FAILED, "the budget outlasts the steps"));
}

static inline bool budget_run(struct scenario *s, uint64_t seed, const struct budget_way *way,
                              struct budget_endpoint *endpoint) {
    static swarm_mock_model models[BUDGET_MOST];
    for (uint32_t i = 0; i < BUDGET_MOST; ++i) {
        models[i] = (swarm_mock_model){
            .kind = SWARM_MOCK_TOKENS, .output_tokens = i + 1, .decode_milli = 50000};
    }
    swarm_mock_spec mock = {.context = endpoint,
                            .models = models,
                            .models_count = BUDGET_MOST,
                            .choose = budget_choose,
                            .answer = budget_answer};
    swarm_config config = {.seed = seed};
    if (!world_open(s, &config, &mock, BUDGET_AGENTS)) {
        return false;
    }
    bool good = budget_play(s, seed, way);
    engine_close(&s->engine);
    return good;
}

/* Over the block: the mean of what was spent, and the worst of everything else. */
struct budget_sums {
    uint64_t spent, overshoot, inflight_least, requests_over, tokens_over;
};

static inline bool budget_block(struct scenario *s, const struct budget_way *way,
                                struct budget_sums *sums) {
    sums->inflight_least = BUDGET_AGENTS;
    for (uint64_t i = 0; i < BUDGET_SEEDS; ++i) {
        struct budget_endpoint seen = {.started = 0};
        if (!budget_run(s, s->seed + i, way, &seen)) {
            return false;
        }
        uint64_t over = seen.tokens > BUDGET_LIMIT ? seen.tokens - BUDGET_LIMIT : 0;
        sums->spent += seen.tokens;
        sums->overshoot = over > sums->overshoot ? over : sums->overshoot;
        sums->inflight_least =
            seen.inflight_most < sums->inflight_least ? seen.inflight_most : sums->inflight_least;
        sums->requests_over += seen.requests_over;
        sums->tokens_over += seen.tokens_over;
    }
    sums->spent /= BUDGET_SEEDS;
    return true;
}

static inline bool play_budget(struct scenario *s) {
    static const struct budget_way reserved = {BUDGET_MOST, false}, rated = {BUDGET_MOST, true},
                                   checked = {1, false};
    struct budget_sums plain = {0}, limited = {0}, loose = {0};
    if (!budget_block(s, &reserved, &plain) || !budget_block(s, &rated, &limited) ||
        !budget_block(s, &checked, &loose)) {
        return false;
    }
    scenario_add(s, "limit", BUDGET_LIMIT);
    scenario_add(s, "spent", plain.spent);
    scenario_add(s, "overshoot", plain.overshoot);
    scenario_add(s, "utilisation_ppm", ratio_ppm(plain.spent, BUDGET_LIMIT));
    scenario_add(s, "in_flight", plain.inflight_least);
    scenario_add(s, "rated_overshoot", limited.overshoot);
    scenario_add(s, "rated_utilisation_ppm", ratio_ppm(limited.spent, BUDGET_LIMIT));
    scenario_add(s, "rated_requests_over", limited.requests_over);
    scenario_add(s, "rated_tokens_over", limited.tokens_over);
    scenario_add(s, "checked_overshoot", loose.overshoot);
    return true;
}

#endif
