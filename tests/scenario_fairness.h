/* SPDX-License-Identifier: MIT */
/*
 * scenario_fairness.h - fairness: 300 runs of very unequal size on 64 agents, and three tenants.
 *
 * A run has min(4,000, max(4, 8 * Pareto(.9))) steps in as many equal chains as it has eights of
 * steps, 64 at most; steps take LN(10 s, .7). Runs come with exponential gaps, at a load of .85.
 * Means are over the time from a run's coming to its end, in ms:
 *   fcfs    the step that became ready first
 *   las     the run whose attempts have run the least so far (least attained service)
 *   oracle  the run with the fewest steps, which somebody knows beforehand; to ask anew at each
 *           start which has the fewest left would be better by 1 %
 *
 * With --input recorded sessions are the runs. All of them begin at once.
 *
 * Service error: three tenants of weights 1, 2 and 5 with more work than agents; of all starts and
 * all pairs the largest difference of starts by weight, in starts, rounded up.
 */
#ifndef SWARM_TESTS_SCENARIO_FAIRNESS_H
#define SWARM_TESTS_SCENARIO_FAIRNESS_H

#include "scenario.h"

enum {
    SHARE_SEEDS = 6,
    SHARE_RUNS = 300,
    SHARE_AGENTS = 64,
    SHARE_STEPS = 4000,
    SHARE_CHAINS = 64,
    SHARE_TENANTS = 3,
    SHARE_BACKLOG = 1000, /* steps of a tenant by weight */
};

static const swarm_mock_model share_model = {
    .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10 * SECOND, .sigma_ppm = 700000};

/* ---- Runs that come one after the other ------------------------------------------------------ */

struct share_run {
    uint64_t arrival_ns;
    uint32_t steps, chains;
    swarm_run run;
};

/* The runs of a seed; what they have together in steps. */
static inline uint32_t share_draw(uint64_t seed, struct share_run *runs) {
    struct draws size = {seed, 1, 0}, gap = {seed, 2, 0};
    uint32_t total = 0;
    for (uint32_t i = 0; i < SHARE_RUNS; ++i) {
        double steps = floor(8 * pow(1 - draw_even(&size), -1 / 0.9));
        runs[i].steps = steps < 4 ? 4 : steps > SHARE_STEPS ? SHARE_STEPS : (uint32_t)steps;
        runs[i].chains = runs[i].steps / 8 < 1 ? 1 : runs[i].steps / 8;
        runs[i].chains = runs[i].chains > SHARE_CHAINS ? SHARE_CHAINS : runs[i].chains;
        total += runs[i].steps;
    }
    double gap_ns = total * 10e9 / (0.85 * SHARE_AGENTS) / SHARE_RUNS, now_ns = 0;
    for (uint32_t i = 0; i < SHARE_RUNS; ++i) {
        now_ns -= gap_ns * log(1 - draw_even(&gap));
        runs[i].arrival_ns = (uint64_t)now_ns + 1;
    }
    return total;
}

static inline swarm_outcome share_arrive(void *context, const swarm_call *call,
                                         uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* Opened at once; its chains begin when it comes. */
static inline bool share_open(struct scenario *s, struct share_run *share,
                              const swarm_run_spec *spec, swarm_function arrive) {
    swarm *sw = s->engine.sw;
    swarm_step ends[SHARE_CHAINS];
    share->run = swarm_run_open(sw, spec);
    swarm_plan *plan = swarm_plan_open(sw, share->run);
    swarm_step arrival = swarm_step_add(plan, &(swarm_step_spec){.function = arrive});
    for (uint32_t i = 0; i < share->steps; ++i) {
        bool first = i < share->chains;
        swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.order_key = share->steps});
        swarm_edge_add(plan, first ? arrival : ends[i % share->chains], step,
                       first ? share->arrival_ns : 0);
        ends[i % share->chains] = step;
    }
    return world_commit(s, plan);
}

/* Which order, and what tenant the runs belong to. */
struct share_policy {
    uint32_t order, runs;
};

static inline bool share_play(struct scenario *s, uint64_t seed, const struct share_policy *policy,
                              struct share_run *runs, uint64_t *sum) {
    swarm *sw = s->engine.sw;
    swarm_tenant_spec tenant = {.name = "tenant", .runs = policy->runs};
    swarm_run_spec spec = {.order = policy->order, .tenant = swarm_tenant_add(sw, &tenant)};
    swarm_function arrive = swarm_function_add(sw, "arrive", share_arrive, NULL);
    bool good = true;
    for (uint32_t i = 0; i < SHARE_RUNS && good; ++i) {
        spec.seed = swarm_random(seed, 3, i);
        good = share_open(s, &runs[i], &spec, arrive);
    }
    good = good && world_drive(s);
    for (uint32_t i = 0; i < SHARE_RUNS && good; ++i) {
        swarm_run_report report = {.ok = 0};
        good = world_report(s, runs[i].run, runs[i].steps + 1, &report);
        *sum += (report.end_ns - runs[i].arrival_ns) / MS;
    }
    return good;
}

static inline bool share_block(struct scenario *s, const struct share_policy *policy,
                               uint64_t *out_mean) {
    static struct share_run runs[SHARE_RUNS];
    uint64_t sum = 0;
    bool good = true;
    for (uint64_t i = 0; i < SHARE_SEEDS && good; ++i) {
        uint32_t steps = share_draw(s->seed + i, runs) + SHARE_RUNS;
        swarm_mock_spec mock = {.models = &share_model};
        swarm_config config = {.seed = s->seed + i,
                               .runs_max = SHARE_RUNS,
                               .steps_max = steps,
                               .tracked_max = steps,
                               .edges_max = steps};
        good = world_open(s, &config, &mock, SHARE_AGENTS);
        if (good) {
            good = share_play(s, s->seed + i, policy, runs, &sum);
            engine_close(&s->engine);
        }
    }
    *out_mean = sum / (SHARE_SEEDS * SHARE_RUNS);
    return good;
}

/* ---- Recorded sessions, a run each, that all begin at once ----------------------------------- */

static inline bool sessions_plan(struct scenario *s, const struct input_run *sessions,
                                 uint32_t session, swarm_run run) {
    const uint32_t *first = &sessions->trace_first[session];
    swarm_plan *plan = swarm_plan_open(s->engine.sw, run);
    swarm_step last = {0};
    for (uint32_t v = first[0]; v < first[1]; ++v) {
        swarm_step step =
            swarm_step_add(plan, &(swarm_step_spec){.argument = sessions->tasks[v].duration});
        if (v > first[0]) {
            uint64_t think = sessions->edges[sessions->edge_first[v - 1]].delay;
            swarm_edge_add(plan, last, step, think == 0 ? SWARM_ZERO : think);
        }
        last = step;
    }
    return world_commit(s, plan);
}

static inline bool sessions_play(struct scenario *s, const struct input_run *sessions,
                                 swarm_run *runs, uint64_t *out_mean) {
    swarm_tenant_spec tenant = {.name = "tenant", .runs = SWARM_RUNS_LEAST_SERVED};
    swarm_run_spec spec = {.tenant = swarm_tenant_add(s->engine.sw, &tenant)};
    uint64_t sum = 0;
    bool good = true;
    for (uint32_t t = 0; t < sessions->trace_count && good; ++t) {
        runs[t] = swarm_run_open(s->engine.sw, &spec);
        good = sessions_plan(s, sessions, t, runs[t]);
    }
    good = good && world_drive(s);
    for (uint32_t t = 0; t < sessions->trace_count && good; ++t) {
        swarm_run_report report = {.ok = 0};
        good = world_report(s, runs[t], 1, &report);
        sum += report.end_ns;
    }
    *out_mean = good ? sum / sessions->trace_count : 0;
    return good;
}

static inline bool sessions_least_served(struct scenario *s, const struct input_run *sessions,
                                         uint64_t *out_mean) {
    swarm_mock_model model = {.kind = SWARM_MOCK_ARGUMENT};
    swarm_mock_spec mock = {.models = &model};
    swarm_config config = {.runs_max = sessions->trace_count,
                           .steps_max = sessions->task_count,
                           .tracked_max = sessions->task_count};
    swarm_run *runs = array_new(sessions->trace_count, sizeof *runs);
    if (runs == NULL) {
        return input_out_of_memory(&s->error, 0);
    }
    bool good = world_open(s, &config, &mock, SHARE_AGENTS);
    if (good) {
        good = sessions_play(s, sessions, runs, out_mean);
        engine_close(&s->engine);
    }
    free(runs);
    return good;
}

/* The oracle knows how long each session still takes. */
static inline bool sessions_compare(struct scenario *s) {
    struct run_result fcfs = {.mean_completion = 0}, oracle = {.mean_completion = 0};
    struct workload workload;
    uint64_t least = 0;
    bool good = workload_open_sessions(s, s->input, &workload) &&
                sessions_least_served(s, &workload.run, &least) &&
                graph_play(s, &workload.run, SHARE_AGENTS, POLICY_FIFO, &fcfs) &&
                graph_play(s, &workload.run, SHARE_AGENTS, POLICY_SHORTEST_REMAINING, &oracle);
    workload_close(&workload);
    scenario_add(s, "las_mean", least);
    scenario_add(s, "fcfs_mean", fcfs.mean_completion);
    scenario_add(s, "oracle_mean", oracle.mean_completion);
    return good;
}

/* ---- Tenants with more work than agents ------------------------------------------------------ */

static const uint32_t share_weights[SHARE_TENANTS] = {1, 2, 5};

/* Starts by weight, in tenths: by tenant, and the worst difference so far. */
struct share_service {
    uint64_t had[SHARE_TENANTS], worst;
};

static inline uint32_t share_serve(void *context, const swarm_request *request) {
    struct share_service *service = context;
    service->had[request->run_key - 1] += 10 / share_weights[request->run_key - 1];
    for (uint32_t a = 0; a < SHARE_TENANTS; ++a) {
        for (uint32_t b = 0; b < SHARE_TENANTS; ++b) {
            uint64_t ahead =
                service->had[a] > service->had[b] ? service->had[a] - service->had[b] : 0;
            service->worst = ahead > service->worst ? ahead : service->worst;
        }
    }
    return 0;
}

/* A run each. All of them have begun all their steps at once, but for what is in flight then. */
static inline bool share_compete(struct scenario *s) {
    static const char *const names[SHARE_TENANTS] = {"a", "b", "c"};
    bool good = true;
    for (uint32_t t = 0; t < SHARE_TENANTS && good; ++t) {
        swarm_tenant_spec tenant = {.name = names[t], .weight = share_weights[t]};
        swarm_run_spec spec = {.key = t + 1, .tenant = swarm_tenant_add(s->engine.sw, &tenant)};
        swarm_plan *plan = swarm_plan_open(s->engine.sw, swarm_run_open(s->engine.sw, &spec));
        for (uint32_t i = 0; i < SHARE_BACKLOG * share_weights[t]; ++i) {
            swarm_step_add(plan, NULL);
        }
        good = world_commit(s, plan);
    }
    return good && world_drive(s);
}

static inline bool share_tenants(struct scenario *s, uint64_t *out_quanta) {
    struct share_service service = {.worst = 0};
    swarm_mock_spec mock = {.models = &share_model, .context = &service, .choose = share_serve};
    swarm_config config = {.seed = s->seed};
    if (!world_open(s, &config, &mock, SHARE_AGENTS)) {
        return false;
    }
    bool good = share_compete(s);
    engine_close(&s->engine);
    *out_quanta = (service.worst + 9) / 10;
    return good;
}

static inline bool play_fairness(struct scenario *s) {
    static const struct share_policy policies[3] = {{SWARM_ORDER_FIFO, SWARM_RUNS_LEAST_SERVED},
                                                    {SWARM_ORDER_FIFO, SWARM_RUNS_TOGETHER},
                                                    {SWARM_ORDER_KEY, SWARM_RUNS_TOGETHER}};
    static const char *const keys[3] = {"las_mean", "fcfs_mean", "oracle_mean"};
    uint64_t value = 0;
    if (s->input != NULL && !sessions_compare(s)) {
        return false;
    }
    for (uint32_t i = 0; s->input == NULL && i < 3; ++i) {
        if (!share_block(s, &policies[i], &value)) {
            return false;
        }
        scenario_add(s, keys[i], value);
    }
    if (!share_tenants(s, &value)) {
        return false;
    }
    scenario_add(s, "max_service_error_quanta", value);
    return true;
}

#endif
