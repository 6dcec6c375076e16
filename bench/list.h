/* SPDX-License-Identifier: MIT */
/*
 * list.h - the benches of a program, and the two kinds that every program has: the sequential walk,
 * which is the yardstick, and a graph on another runtime.
 *
 * Threads: one; what a peer starts is its own.
 */
#ifndef SWARM_BENCH_LIST_H
#define SWARM_BENCH_LIST_H

#include <stdio.h>

#include "benchmark.h"
#include "peer.h"
#include "trial.h"

enum { NODES = 1000000, NODES_FEWER = 250000, NODES_FEW = 50000 };

struct bench {
    char name[40];
    const char *shape;
    struct graph *graph;      /* shared by all */
    const peer_runtime *peer; /* null: swarm, or the walk */
    uint32_t nodes;
    uint32_t threads;
    uint32_t rounds; /* of the body; 0: empty */
    bool is_once;    /* it measures by itself: one iteration */
};

static inline bool bench_load(const struct bench *bench, benchmark_state *state) {
    if (graph_load(bench->graph, bench->shape, bench->nodes)) {
        return true;
    }
    benchmark_fail(state, "no memory for the workload");
    return false;
}

/* ---- the sequential walk */

static void bench_seq(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct graph *graph = bench->graph;

    if (!bench_load(bench, state)) {
        return;
    }
    if (!seq_verify(graph)) {
        benchmark_fail(state, "verify: not each node once, after its predecessors");
        return;
    }
    while (benchmark_keep_running(state)) {
        benchmark_pause(state);
        seq_refill(graph);
        benchmark_resume(state);
        seq_walk(graph, bench->rounds == 0 ? body_empty : body_grain, &bench->rounds);
    }
    benchmark_set_steps(state, graph->w.nodes);
}

/* ---- peers */

static void *bench_peer_make(const struct bench *bench, node_body *body, void *context) {
    const struct graph *graph = bench->graph;
    const peer_graph seen = {graph->w.first,
                             graph->w.successors,
                             graph->w.in_degree,
                             graph->roots,
                             graph->w.nodes,
                             graph->roots_count,
                             body,
                             context};

    return bench->peer->make(&seen, bench->threads);
}

static void bench_peer_refill(const struct bench *bench, void *made) {
    if (bench->peer->refill != NULL) {
        bench->peer->refill(made);
    }
}

/* Twice: it is made once and run many times. */
static bool bench_peer_verify(const struct bench *bench) {
    void *made = bench_peer_make(bench, body_verify, bench->graph);
    bool good = made != NULL;

    for (int i = 0; i < 2 && good; i++) {
        verify_begin(bench->graph);
        bench_peer_refill(bench, made);
        bench->peer->run(made);
        good = verify_end(bench->graph);
    }
    if (made != NULL) {
        bench->peer->release(made);
    }
    return good;
}

static void bench_peer(benchmark_state *state, void *context) {
    struct bench *bench = context;
    void *made;

    if (!bench_load(bench, state)) {
        return;
    }
    if (!bench_peer_verify(bench)) {
        benchmark_fail(state, "verify: not each node once, after its predecessors");
        return;
    }
    made = bench_peer_make(bench, bench->rounds == 0 ? body_empty : body_grain, &bench->rounds);
    while (made != NULL && benchmark_keep_running(state)) {
        benchmark_pause(state);
        bench_peer_refill(bench, made);
        benchmark_resume(state);
        bench->peer->run(made);
    }
    if (made == NULL) {
        benchmark_fail(state, "the graph was not made");
        return;
    }
    benchmark_set_steps(state, bench->graph->w.nodes);
    bench->peer->release(made);
}

/* From nothing to ready to run. */
static void bench_peer_build(benchmark_state *state, void *context) {
    struct bench *bench = context;
    bool good = bench_load(bench, state) && bench_peer_verify(bench);

    while (good && benchmark_keep_running(state)) {
        void *made = bench_peer_make(bench, body_empty, NULL);

        benchmark_pause(state);
        good = made != NULL;
        if (good) {
            bench->peer->release(made);
        }
        benchmark_resume(state);
    }
    if (!good) {
        benchmark_fail(state, "the graph was not made, or did not verify");
    }
    benchmark_set_steps(state, bench->graph->w.nodes);
}

/* ---- the list */

enum { BENCHES_MAX = 256 };

struct list {
    struct bench benches[BENCHES_MAX];
    struct graph graph;
    size_t count;
};

/* Adds a copy of the bench, under its workload's name; `prefix` and, with rounds, their number
 * surround the shape. */
static void list_add(struct list *list, const struct bench *bench, const char *prefix,
                     const char *runtime, benchmark_body *body) {
    struct bench *added = &list->benches[list->count++];
    benchmark_spec spec = {.name = added->name, .body = body, .context = added};
    char rounds[16] = "";

    *added = *bench;
    added->graph = &list->graph;
    if (bench->rounds != 0) {
        (void)snprintf(rounds, sizeof rounds, "-%u", (unsigned)bench->rounds);
    }
    (void)snprintf(added->name, sizeof added->name, "%s%s%s/%s/%u", prefix, bench->shape, rounds,
                   runtime, (unsigned)bench->threads);
    spec.manual_time = bench->is_once;
    spec.iterations = bench->is_once ? 1 : 0;
    benchmark_add(&spec);
}

/* A peer's static graphs, with empty bodies and with bodies of a few sizes. */
static void list_peer(struct list *list, const peer_runtime *peer, uint32_t threads) {
    static const uint32_t rounds[] = {500, 5000};
    static const char *const grains[] = {"rand", "wave"};
    struct bench bench = {.peer = peer, .threads = threads};

    for (size_t i = 0; i < 5; i++) {
        bench.shape = workload_known[i].name;
        bench.nodes = NODES < peer->nodes_max ? NODES : peer->nodes_max;
        list_add(list, &bench, "", peer->runtime, bench_peer);
        if (peer->refill == NULL && threads == 1) {
            list_add(list, &bench, "build-", peer->runtime, bench_peer_build);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        bench.shape = grains[i / 2];
        bench.rounds = rounds[i % 2];
        bench.nodes = bench.rounds > 2500 ? NODES_FEW : NODES_FEWER;
        bench.nodes = bench.nodes < peer->nodes_max ? bench.nodes : peer->nodes_max;
        list_add(list, &bench, "grain-", peer->runtime, bench_peer);
    }
}

#endif
