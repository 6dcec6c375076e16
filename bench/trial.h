/* SPDX-License-Identifier: MIT */
/*
 * trial.h - a workload made ready to be timed: its edges seen from both sides, the bodies of its
 * nodes, the pass that verifies an execution, and the sequential walk that is the yardstick.
 *
 * A body is reached through a function pointer and is empty but for a barrier on the id, or that
 * many rounds of an empty loop. The one that verifies fails unless all predecessors have run and
 * the node itself has not; no figure stands without it.
 *
 * Memory: graph_load allocates, graph_free gives back. Threads: bodies may run in parallel.
 */
#ifndef SWARM_BENCH_TRIAL_H
#define SWARM_BENCH_TRIAL_H

#include "src/base/atomic.h"
#include "swarm.h"
#include "workloads.h"

#define NONE UINT32_MAX

/* ---- the graph at hand: benches are sorted by shape, so it is seldom made anew */

struct graph {
    workload w;
    const char *shape;   /* null: none yet */
    uint32_t *first_in;  /* nodes + 1: rows of predecessors, as in workloads.h */
    uint32_t *in;        /* edges */
    uint32_t *roots;     /* nodes without predecessors */
    uint32_t *left;      /* a node: what the walk, or the builder, has yet to see */
    uint32_t *stack;     /* of the sequential walk */
    swarm_step *steps;   /* a node: its handle */
    atomic_u32 *ran;     /* a node: 1 once its body has run */
    atomic_u32 is_wrong; /* a body ran too early, or twice */
    uint32_t roots_count;
};

static inline void graph_free(struct graph *graph) {
    workload_free(&graph->w);
    free(graph->first_in);
    free(graph->in);
    free(graph->roots);
    free(graph->left);
    free(graph->stack);
    free(graph->steps);
    free(graph->ran);
    memset(graph, 0, sizeof *graph);
}

static inline bool graph_allocate(struct graph *graph) {
    size_t nodes = graph->w.nodes;

    graph->first_in = calloc(nodes + 2, sizeof *graph->first_in);
    graph->in = calloc((size_t)graph->w.edges + 1, sizeof *graph->in);
    graph->roots = calloc(nodes, sizeof *graph->roots);
    graph->left = calloc(nodes, sizeof *graph->left);
    graph->stack = calloc(nodes, sizeof *graph->stack);
    graph->steps = calloc(nodes, sizeof *graph->steps);
    graph->ran = calloc(nodes, sizeof *graph->ran);
    return graph->first_in != NULL && graph->in != NULL && graph->roots != NULL &&
           graph->left != NULL && graph->stack != NULL && graph->steps != NULL &&
           graph->ran != NULL;
}

/* Rows of predecessors; first_in[i + 1] moves from the beginning of row i to its end. */
static inline void graph_transpose(struct graph *graph) {
    const workload *w = &graph->w;

    for (uint32_t i = 0; i < w->nodes; i++) {
        graph->first_in[i + 2] = graph->first_in[i + 1] + w->in_degree[i];
        if (w->in_degree[i] == 0) {
            graph->roots[graph->roots_count++] = i;
        }
    }
    for (uint32_t from = 0; from < w->nodes; from++) {
        for (uint32_t e = w->first[from]; e < w->first[from + 1]; e++) {
            graph->in[graph->first_in[w->successors[e] + 1]++] = from;
        }
    }
}

static inline bool graph_load(struct graph *graph, const char *shape, uint32_t nodes) {
    if (graph->shape != NULL && strcmp(graph->shape, shape) == 0 && graph->w.nodes <= nodes &&
        graph->w.nodes > nodes / 2) {
        return true;
    }
    graph_free(graph);
    if (!workload_make(&graph->w, shape, nodes) || !graph_allocate(graph)) {
        graph_free(graph);
        return false;
    }
    graph_transpose(graph);
    graph->shape = shape;
    return true;
}

/* How many successors of each node are yet to be added. */
static inline void graph_refill(struct graph *graph) {
    for (uint32_t i = 0; i < graph->w.nodes; i++) {
        graph->left[i] = graph->w.first[i + 1] - graph->w.first[i];
    }
}

/* ---- bodies: `context` is the graph for the one that verifies, else the number of rounds */

typedef void node_body(void *context, uint32_t id);

__attribute__((noinline)) static void body_empty(void *context, uint32_t id) {
    (void)context;
    __asm__ volatile("" : : "r"(id) : "memory");
}

__attribute__((noinline)) static void body_grain(void *context, uint32_t id) {
    const uint32_t *rounds = context;

    for (uint32_t round = *rounds; round != 0; round--) {
        __asm__ volatile("" : : "r"(id));
    }
}

__attribute__((noinline)) static void body_verify(void *context, uint32_t id) {
    struct graph *graph = context;
    bool is_wrong = false;

    /* Relaxed: what orders the bodies is what is being verified. */
    for (uint32_t e = graph->first_in[id]; e < graph->first_in[id + 1]; e++) {
        is_wrong = is_wrong || ATOMIC_LOAD(&graph->ran[graph->in[e]], relaxed) == 0;
    }
    if (ATOMIC_EXCHANGE(&graph->ran[id], 1, relaxed) != 0 || is_wrong) {
        ATOMIC_STORE(&graph->is_wrong, 1, relaxed);
    }
}

static inline void verify_begin(struct graph *graph) {
    for (uint32_t i = 0; i < graph->w.nodes; i++) {
        ATOMIC_STORE(&graph->ran[i], 0, relaxed);
    }
    ATOMIC_STORE(&graph->is_wrong, 0, relaxed);
}

static inline bool verify_end(const struct graph *graph) {
    uint64_t ran = 0;

    for (uint32_t i = 0; i < graph->w.nodes; i++) {
        ran += ATOMIC_LOAD(&graph->ran[i], relaxed);
    }
    return ran == graph->w.nodes && ATOMIC_LOAD(&graph->is_wrong, relaxed) == 0;
}

/* ---- the sequential walk */

/* Counts the successors of a node down; the last one that became ready comes back, or NONE. */
static inline uint32_t seq_end(struct graph *graph, uint32_t id, uint32_t *top) {
    const workload *w = &graph->w;
    uint32_t next = NONE;

    for (uint32_t e = w->first[id]; e < w->first[id + 1]; e++) {
        uint32_t to = w->successors[e];

        if (--graph->left[to] == 0) {
            if (next != NONE) {
                graph->stack[(*top)++] = next;
            }
            next = to;
        }
    }
    return next;
}

/* Last in, first out; goes on with the last successor that became ready. */
__attribute__((noinline)) static void seq_walk(struct graph *graph, node_body *body,
                                               void *context) {
    uint32_t top = 0;

    for (uint32_t i = graph->roots_count; i != 0; i--) {
        graph->stack[top++] = graph->roots[i - 1];
    }
    while (top != 0) {
        uint32_t id = graph->stack[--top];

        while (id != NONE) {
            body(context, id);
            id = seq_end(graph, id, &top);
        }
    }
}

static inline void seq_refill(struct graph *graph) {
    memcpy(graph->left, graph->w.in_degree, graph->w.nodes * sizeof *graph->left);
}

static inline bool seq_verify(struct graph *graph) {
    verify_begin(graph);
    seq_refill(graph);
    seq_walk(graph, body_verify, graph);
    return verify_end(graph);
}

#endif
