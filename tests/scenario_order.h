/* SPDX-License-Identifier: MIT */
/*
 * scenario_order.h - what the order of starts is worth: dataflow against supersteps, the critical
 * path first. Both may play a recorded graph instead; then times are in its unit.
 */
#ifndef SWARM_TESTS_SCENARIO_ORDER_H
#define SWARM_TESTS_SCENARIO_ORDER_H

#include "scenario.h"

/* ---- dataflow: 300 chains of 13 steps on 64 agents, LN(10 s, 1) ---------------------------- */

enum { FLOW_SEEDS = 20, FLOW_CHAINS = 300, FLOW_LENGTH = 13, FLOW_AGENTS = 64 };

static inline uint64_t flow_time(uint64_t seed, uint32_t chain, uint32_t place) {
    struct draws d = {seed, 1, 2 * (uint64_t)(chain * FLOW_LENGTH + place)};
    return draw_time(&d, 10, 1.0);
}

/* The same steps, each after the one before it in its chain; or, with barriers, each stage after
 * the whole stage before it, as in a bulk-synchronous program. */
static inline void flow_graph(struct graph *graph, uint64_t seed, bool barriers) {
    uint32_t barrier = 0;
    for (uint32_t place = 0; place < FLOW_LENGTH; ++place) {
        uint32_t first = graph->run.task_count;
        for (uint32_t chain = 0; chain < FLOW_CHAINS; ++chain) {
            uint32_t task = graph_task(graph, flow_time(seed, chain, place));
            if (place > 0) {
                graph_edge(graph, barriers ? barrier : task - FLOW_CHAINS, task);
            }
        }
        if (barriers) {
            barrier = graph_task(graph, 0);
            for (uint32_t chain = 0; chain < FLOW_CHAINS; ++chain) {
                graph_edge(graph, first + chain, barrier);
            }
        }
    }
}

/* The same for a recorded graph: a stage is the steps with equally many others before them, on the
 * longest way. */
static inline bool flow_recorded_graph(struct graph *graph, const struct input_run *run) {
    uint32_t count = run->task_count, stages = 0;
    uint32_t *stage = array_new(count, sizeof *stage);
    for (uint32_t i = 0; stage != NULL && i < count; ++i) {
        uint32_t task = run->order[i];
        for (uint32_t e = run->edge_first[task]; e < run->edge_first[task + 1]; ++e) {
            uint32_t to = run->edges[e].to;
            stage[to] = stage[to] > stage[task] ? stage[to] : stage[task] + 1;
        }
        stages = stage[task] >= stages ? stage[task] + 1 : stages;
    }
    for (uint32_t v = 0; v < count; ++v) {
        graph_task(graph, run->tasks[v].duration);
    }
    for (uint32_t i = 0; i < stages; ++i) {
        graph_task(graph, 0);
    }
    for (uint32_t v = 0; stage != NULL && v < count; ++v) {
        graph_edge(graph, v, count + stage[v]);
        if (stage[v] > 0) {
            graph_edge(graph, count + stage[v] - 1, v);
        }
    }
    free(stage);
    return stage != NULL;
}

static inline bool flow_recorded(struct scenario *s) {
    struct graph graph = {.full = false};
    struct workload workload;
    struct run_result barriers = {.makespan = 0}, dataflow = {.makespan = 0};
    bool good = workload_open_graph(s, &workload);
    if (good) {
        graph.full = !flow_recorded_graph(&graph, &workload.run);
        good = graph_seal(s, &graph) &&
               graph_play(s, &graph.run, FLOW_AGENTS, POLICY_FIFO, &barriers) &&
               graph_play(s, &workload.run, FLOW_AGENTS, POLICY_FIFO, &dataflow);
        input_run_free(&graph.run);
    }
    workload_close(&workload);
    scenario_add(s, "bsp_makespan", barriers.makespan);
    scenario_add(s, "dataflow_makespan", dataflow.makespan);
    return good;
}

static inline bool flow_run(struct scenario *s, uint64_t seed, bool barriers, uint64_t *sum) {
    struct graph graph = {.full = false};
    struct run_result result;
    flow_graph(&graph, seed, barriers);
    bool good =
        graph_seal(s, &graph) && graph_play(s, &graph.run, FLOW_AGENTS, POLICY_FIFO, &result);
    *sum += good ? result.makespan / MS : 0;
    input_run_free(&graph.run);
    return good;
}

static inline bool play_dataflow(struct scenario *s) {
    uint64_t barriers = 0, dataflow = 0;
    if (s->input != NULL) {
        return flow_recorded(s);
    }
    for (uint64_t i = 0; i < FLOW_SEEDS; ++i) {
        if (!flow_run(s, s->seed + i, true, &barriers) ||
            !flow_run(s, s->seed + i, false, &dataflow)) {
            return false;
        }
    }
    scenario_add(s, "bsp_makespan", barriers / FLOW_SEEDS);
    scenario_add(s, "dataflow_makespan", dataflow / FLOW_SEEDS);
    return true;
}

/*
 * ---- critical_path: the swarm of one stage, uneven chains, on 48 agents ----------------------
 *
 * Played twice: with chains that know nothing of each other, and, in the keys that begin with
 * linked, with steps that in one of ten cases also wait for a random step of another chain.
 */

enum { PATH_SEEDS = 8, PATH_CHAINS = 300, PATH_STEPS = 4000, PATH_AGENTS = 48 };

/* Lengths of the chains: in proportion to LN(1, het), at least 1, together about PATH_STEPS. */
static inline void path_lengths(uint64_t seed, double het, uint32_t *lengths) {
    struct draws d = {seed, 2, 0};
    double weight[PATH_CHAINS], sum = 0;
    for (uint32_t a = 0; a < PATH_CHAINS; ++a) {
        weight[a] = draw_lognormal(&d, 1, het);
        sum += weight[a];
    }
    for (uint32_t a = 0; a < PATH_CHAINS; ++a) {
        double length = floor(weight[a] * PATH_STEPS / sum + 0.5);
        lengths[a] = length < 1 ? 1 : (uint32_t)length;
    }
}

/* What other chains may wait for: three of ten steps. */
struct path_pool {
    uint32_t steps[2 * PATH_STEPS];
    uint32_t count;
};

static inline void path_link(struct graph *graph, struct path_pool *pool, struct draws *luck,
                             uint32_t task) {
    if (pool->count > 0 && draw_even(luck) < 0.1) {
        uint32_t other = pool->steps[(uint32_t)(draw_even(luck) * pool->count)];
        graph_edge(graph, other, task);
    }
    if (draw_even(luck) < 0.3 && pool->count < 2 * PATH_STEPS) {
        pool->steps[pool->count++] = task;
    }
}

/* A coordinator, the chains one after the other, a join behind all their ends. */
static inline void path_graph(struct graph *graph, uint64_t seed, double het, bool linked) {
    static struct path_pool pool;
    uint32_t lengths[PATH_CHAINS], ends[PATH_CHAINS];
    struct draws d = {seed, 3, 0}, luck = {seed, 4, 0};
    pool.count = 0;
    path_lengths(seed, het, lengths);
    uint32_t coordinator = graph_task(graph, draw_time(&d, 5, 0.3));
    for (uint32_t a = 0; a < PATH_CHAINS; ++a) {
        ends[a] = coordinator;
        for (uint32_t k = 0; k < lengths[a]; ++k) {
            uint32_t task = graph_task(graph, draw_time(&d, 10, 0.7));
            graph_edge(graph, ends[a], task);
            if (linked) {
                path_link(graph, &pool, &luck, task);
            }
            ends[a] = task;
        }
    }
    uint32_t join = graph_task(graph, draw_time(&d, 8, 0.3));
    for (uint32_t a = 0; a < PATH_CHAINS; ++a) {
        graph_edge(graph, ends[a], join);
    }
}

enum { PATH_ORDERS = 3 };

/* Sums over the block, in `unit_ns`: of the makespans by order, and of the larger of critical path
 * and work by agent. */
struct path_sums {
    uint64_t unit_ns;
    uint64_t makespan[PATH_ORDERS];
    uint64_t bound;
};

static inline bool path_play(struct scenario *s, const struct input_run *run,
                             struct path_sums *sums) {
    static const enum policy policies[PATH_ORDERS] = {POLICY_FIFO, POLICY_HOPS,
                                                      POLICY_CRITICAL_PATH};
    struct run_result result = {.makespan = 0};
    bool good = true;
    for (uint32_t i = 0; i < PATH_ORDERS && good; ++i) {
        good = graph_play(s, run, PATH_AGENTS, policies[i], &result);
        sums->makespan[i] += good ? result.makespan / sums->unit_ns : 0;
    }
    uint64_t share = result.work / PATH_AGENTS;
    sums->bound += (share > result.critical_path ? share : result.critical_path) / sums->unit_ns;
    return good;
}

static inline bool path_run(struct scenario *s, uint64_t seed, bool linked,
                            struct path_sums *sums) {
    struct graph graph = {.full = false};
    path_graph(&graph, seed, 0.5, linked);
    bool good = graph_seal(s, &graph) && path_play(s, &graph.run, sums);
    input_run_free(&graph.run);
    return good;
}

static inline void path_add(struct scenario *s, const struct path_sums *sums, uint64_t seeds,
                            const char *const *keys) {
    for (uint32_t i = 0; i < PATH_ORDERS; ++i) {
        scenario_add(s, keys[i], sums->makespan[i] / seeds);
    }
    scenario_add(s, keys[PATH_ORDERS], sums->bound / seeds);
}

static inline bool play_critical_path(struct scenario *s) {
    static const char *const keys[2][PATH_ORDERS + 1] = {
        {"fifo", "hops", "exact", "lower_bound"},
        {"linked_fifo", "linked_hops", "linked_exact", "linked_lower_bound"}};
    if (s->input != NULL) {
        struct path_sums sums = {.unit_ns = 1};
        struct workload workload;
        bool good = workload_open_graph(s, &workload) && path_play(s, &workload.run, &sums);
        workload_close(&workload);
        path_add(s, &sums, 1, keys[0]);
        return good;
    }
    for (uint32_t linked = 0; linked < 2; ++linked) {
        struct path_sums sums = {.unit_ns = MS};
        for (uint64_t i = 0; i < PATH_SEEDS; ++i) {
            if (!path_run(s, s->seed + i, linked != 0, &sums)) {
                return false;
            }
        }
        path_add(s, &sums, PATH_SEEDS, keys[linked]);
    }
    return true;
}

#endif
