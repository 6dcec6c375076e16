// SPDX-License-Identifier: MIT
/*
 * peer.h - another runtime that runs the graphs of workloads.h: its table of calls.
 *
 * make() builds the graph and starts the threads, `threads` of them in all; run() goes from the
 * start of the prepared graph to the last node's end, many times; release() gives back.
 * Where a runtime has no graphs and counters stand in for them, refill() sets them before each run,
 * outside the time: in the peer's favour.
 *
 * A graph's arrays outlive what was made of it.
 */
#ifndef SWARM_BENCH_PEER_H
#define SWARM_BENCH_PEER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void peer_body(void *context, uint32_t id);

typedef struct peer_graph {
    const uint32_t *first;      /* nodes + 1; the rest as in workloads.h */
    const uint32_t *successors; /* edges */
    const uint32_t *in_degree;  /* nodes */
    const uint32_t *roots;      /* those without predecessors */
    uint32_t nodes;
    uint32_t roots_count;
    peer_body *body; /* called once a node and run, after its predecessors', by any thread */
    void *context;
} peer_graph;

typedef struct peer_runtime {
    const char *runtime;                                      /* its part of a bench's name */
    uint32_t nodes_max;                                       /* larger graphs are not for it */
    void *(*make)(const peer_graph *graph, uint32_t threads); /* null: not possible */
    void (*refill)(void *made);                               /* null: it has graphs of its own */
    void (*run)(void *made);
    void (*release)(void *made);
} peer_runtime;

/* Only those that were found when the build was set up are linked. */
extern const peer_runtime peer_tbb_flow, peer_tbb_group; /* peer_tbb.cpp */
extern const peer_runtime peer_eigen;                    /* peer_eigen.cpp */
extern const peer_runtime peer_starpu;                   /* peer_starpu.c */
extern const peer_runtime peer_openmp;                   /* peer_openmp.c */

#ifdef __cplusplus
}
#endif

#endif
