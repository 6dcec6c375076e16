/* SPDX-License-Identifier: MIT */
/*
 * scenario_slack.h - slack: 64 fast agents, and 64 that take twice as long for a fifth of the
 * price.
 *
 * One stage of 4,000 steps in uneven chains, LN(1, .7), linked in one case of ten. First the fast
 * agents alone, by hops: their makespan is the deadline. Then both, with nothing known of a step
 * but the mean of all. A second of work costs 1 with a fast agent, .2 with a cheap one.
 */
#ifndef SWARM_TESTS_SCENARIO_SLACK_H
#define SWARM_TESTS_SCENARIO_SLACK_H

#include "scenario_order.h"

enum { SLACK_SEEDS = 8, SLACK_AGENTS = 64 };

/* What the work has cost, in fifths of a nanosecond of a fast agent. */
struct slack {
    uint64_t cost;
};

static inline bool slack_is_cheap(const swarm_request *request) {
    return request->agent.id > SLACK_AGENTS;
}

static inline uint64_t slack_latency(void *context, const swarm_request *request) {
    struct slack *slack = context;
    slack->cost += request->argument * (slack_is_cheap(request) ? 1 : 5);
    return request->argument * (slack_is_cheap(request) ? 2 : 1);
}

static inline swarm_status slack_plan(swarm_plan *plan, const struct input_run *graph) {
    swarm_step *steps = array_new(graph->task_count, sizeof *steps);
    for (uint32_t v = 0; v < graph->task_count && steps != NULL; ++v) {
        steps[v] = swarm_step_add(plan, &(swarm_step_spec){.argument = graph->tasks[v].duration,
                                                           .estimate_ns = 10 * SECOND});
    }
    for (uint32_t e = 0; e < graph->edge_count && steps != NULL; ++e) {
        swarm_edge_add(plan, steps[graph->edges[e].from], steps[graph->edges[e].to], 0);
    }
    free(steps);
    return swarm_plan_commit(plan, NULL);
}

/* The makespan, or 0. Without a deadline: the fast ones alone. */
static inline uint64_t slack_run(struct scenario *s, const struct input_run *graph,
                                 uint64_t deadline_ns, uint64_t *cost) {
    struct slack slack = {0};
    swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK};
    swarm_mock_spec mock = {.size = sizeof mock,
                            .models = &model,
                            .models_count = 1,
                            .context = &slack,
                            .latency = slack_latency,
                            .scripts_max = SWARM_NONE};
    swarm_config config = {.log_bytes = 1 << 22, .seed = s->seed};
    struct engine_need need = {&config, &mock, 1};
    if (!engine_open(&s->engine, &need, &s->error)) {
        return 0;
    }
    swarm *sw = s->engine.sw;
    swarm_profile_spec fast = {.name = "fast", .backend = s->engine.backend, .cost = 500000};
    swarm_profile_spec cheap = {.name = "cheap",
                                .backend = s->engine.backend,
                                .cost = 100000,
                                .slow_ppm = 2 * (uint32_t)PPM};
    swarm_run_spec spec = {.order = deadline_ns != 0 ? SWARM_ORDER_SLACK : SWARM_ORDER_HOPS,
                           .deadline_ns = deadline_ns};
    swarm_run_report report = {.ok = 0};
    swarm_agent_add(sw, swarm_profile_add(sw, &fast), SLACK_AGENTS);
    if (deadline_ns != 0) {
        swarm_agent_add(sw, swarm_profile_add(sw, &cheap), SLACK_AGENTS);
    }
    swarm_run run = swarm_run_open(sw, &spec);
    swarm_status status = slack_plan(swarm_plan_open(sw, run), graph);
    status = status != SWARM_OK ? status : swarm_sim_drive(sw, NULL);
    status = status != SWARM_OK ? status : swarm_run_report_get(sw, run, &report);
    engine_close(&s->engine);
    *cost += slack.cost;
    if (status != SWARM_OK || report.ok != graph->task_count) {
        (void)scenario_fail(s, status, "not all steps ended well");
        return 0;
    }
    return report.end_ns - report.start_ns;
}

static inline bool play_slack(struct scenario *s) {
    uint64_t fast_cost = 0, cost = 0, fast = 0, both = 0;
    bool good = true;
    for (uint64_t i = 0; i < SLACK_SEEDS && good; ++i) {
        struct graph graph = {.full = false};
        path_graph(&graph, s->seed + i, 0.7, true);
        good = graph_seal(s, &graph);
        uint64_t first = good ? slack_run(s, &graph.run, 0, &fast_cost) : 0;
        uint64_t second = first != 0 ? slack_run(s, &graph.run, first, &cost) : 0;
        good = second != 0;
        fast += first / MS;
        both += second / MS;
        input_run_free(&graph.run);
    }
    scenario_add(s, "cost_ratio_ppm", ratio_ppm(cost, fast_cost));
    scenario_add(s, "makespan_ratio_ppm", ratio_ppm(both, fast));
    return good;
}

#endif
