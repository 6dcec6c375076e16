/* SPDX-License-Identifier: MIT */
/*
 * workloads.h - the graphs that benches and tests run: chain, fan, tree, wave, rand.
 *
 * A workload is a graph in compressed rows: the successors of node i are
 * successors[first[i] .. first[i + 1] - 1], in the order in which the shape names its edges. Ids go
 * from 0, and every edge ascends. Two implementations have the same workload if nodes, edges and
 * digest are equal: FNV-1a (64 bit) over (from, to) as two little-endian 32-bit numbers, sources
 * ascending, each source's successors in order. workload_known has the values for two sizes.
 *
 *   chain  i -> i+1
 *   fan    0 -> i for i = 1..n-2, then i -> n-1 for the same i
 *   tree   (i-1)/2 -> i
 *   wave   a grid of k*k cells, k = floor(sqrt(n)): each cell first to its right, then down
 *   rand   layers of 1,000 nodes (100 if n < 2,000); a node draws three distinct predecessors in
 *          the layer before it, by the 64-bit xorshift of Marsaglia, "Xorshift RNGs" (2003), page 4
 *
 * fib(n) spawns fib(n-1), calls fib(n-2) and joins, without a cutoff: F(n+1) - 1 spawns.
 *
 * Memory: workload_make allocates, workload_free gives back. Threads: a made workload is read only.
 */
#ifndef SWARM_BENCH_WORKLOADS_H
#define SWARM_BENCH_WORKLOADS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct workload {
    uint32_t *first;      /* nodes + 1 */
    uint32_t *successors; /* edges */
    uint32_t *in_degree;  /* nodes */
    uint32_t nodes;
    uint32_t edges;
} workload;

typedef struct workload_shape {
    const char *name;
    uint32_t nodes;
    uint32_t edges;
    uint64_t digest;
} workload_shape;

/* The five shapes at 1,000,000 and, from index 5 on, at 250,000 nodes. */
static const workload_shape workload_known[10] = {
    {"chain", 1000000, 999999, 0xdc0495547ada2903u},
    {"fan", 1000000, 1999996, 0xc2b6ae6550813c05u},
    {"tree", 1000000, 999999, 0x991c83e8ce45a3cau},
    {"wave", 1000000, 1998000, 0xdc97a770450077e1u},
    {"rand", 1000000, 2997000, 0x0dd40a8a2193fb92u},
    {"chain", 250000, 249999, 0x605a96ea95f2d3c1u},
    {"fan", 250000, 499996, 0xfeada74b966a77a5u},
    {"tree", 250000, 249999, 0xcb69ff05f4a68143u},
    {"wave", 250000, 499000, 0x23cbac9b94dbd43bu},
    {"rand", 250000, 747000, 0x2e1fe9059cadcbecu},
};

/* A shape is walked twice: the first time it counts (successors is null), then it fills. */
static inline void workload_edge(workload *w, uint32_t from, uint32_t to) {
    if (w->successors == NULL) {
        w->first[from + 1]++;
        w->in_degree[to]++;
        w->edges++;
    } else {
        w->successors[w->first[from]++] = to;
    }
}

static inline void workload_chain(workload *w) {
    for (uint32_t i = 0; i + 1 < w->nodes; i++) {
        workload_edge(w, i, i + 1);
    }
}

static inline void workload_fan(workload *w) {
    for (uint32_t i = 1; i + 1 < w->nodes; i++) {
        workload_edge(w, 0, i);
    }
    for (uint32_t i = 1; i + 1 < w->nodes; i++) {
        workload_edge(w, i, w->nodes - 1);
    }
}

static inline void workload_tree(workload *w) {
    for (uint32_t i = 1; i < w->nodes; i++) {
        workload_edge(w, (i - 1) / 2, i);
    }
}

/* The largest k with k * k <= n. */
static inline uint32_t workload_side(uint32_t n) {
    uint32_t k = 0;

    while ((uint64_t)(k + 1) * (k + 1) <= n) {
        k++;
    }
    return k;
}

static inline void workload_wave(workload *w) {
    uint32_t k = workload_side(w->nodes);

    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < k; j++) {
            if (j + 1 < k) {
                workload_edge(w, i * k + j, i * k + j + 1);
            }
            if (i + 1 < k) {
                workload_edge(w, i * k + j, (i + 1) * k + j);
            }
        }
    }
}

static inline uint32_t workload_width(uint32_t n) {
    return n < 2000 ? 100 : 1000;
}

/* The next number below `width` that is not among the `count` drawn ones. */
static inline uint32_t workload_draw(uint64_t *x, uint32_t width, const uint32_t *drawn,
                                     int count) {
    for (;;) {
        bool repeated = false;
        uint32_t value;

        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        value = (uint32_t)(*x % width);
        for (int i = 0; i < count; i++) {
            repeated = repeated || drawn[i] == value;
        }
        if (!repeated) {
            return value;
        }
    }
}

static inline void workload_rand(workload *w) {
    uint32_t width = workload_width(w->nodes);
    uint64_t x = 88172645463325252u;

    for (uint32_t node = width; node < w->nodes; node++) {
        uint32_t before = (node / width - 1) * width;
        uint32_t drawn[3];

        for (int i = 0; i < 3; i++) {
            drawn[i] = workload_draw(&x, width, drawn, i);
            workload_edge(w, before + drawn[i], node);
        }
    }
}

static inline void workload_free(workload *w) {
    free(w->first);
    free(w->successors);
    free(w->in_degree);
    memset(w, 0, sizeof *w);
}

/* Turns the counts of the first walk into the rows' beginnings, and makes room for the second. */
static inline bool workload_rows(workload *w) {
    for (uint32_t i = 0; i < w->nodes; i++) {
        w->first[i + 1] += w->first[i];
    }
    w->successors = (uint32_t *)malloc(((size_t)w->edges + 1) * sizeof(uint32_t));
    return w->successors != NULL;
}

/* Filling moved each row's beginning to its end: move them back by one row. */
static inline void workload_rewind(workload *w) {
    memmove(w->first + 1, w->first, w->nodes * sizeof(uint32_t));
    w->first[0] = 0;
}

/* Makes the shape `name` with about n nodes, at most n. False: no such shape, n below 1, no memory.
 */
static inline bool workload_make(workload *w, const char *name, uint32_t n) {
    static const struct {
        const char *name;
        void (*walk)(workload *w);
    } shapes[] = {{"chain", workload_chain},
                  {"fan", workload_fan},
                  {"tree", workload_tree},
                  {"wave", workload_wave},
                  {"rand", workload_rand}};
    size_t at = 0;

    memset(w, 0, sizeof *w);
    while (at < sizeof shapes / sizeof shapes[0] && strcmp(shapes[at].name, name) != 0) {
        at++;
    }
    if (at == sizeof shapes / sizeof shapes[0] || n < 1) {
        return false;
    }
    w->nodes = strcmp(name, "wave") == 0   ? workload_side(n) * workload_side(n)
               : strcmp(name, "rand") == 0 ? n / workload_width(n) * workload_width(n)
                                           : n;
    w->first = (uint32_t *)calloc((size_t)w->nodes + 2, sizeof(uint32_t));
    w->in_degree = (uint32_t *)calloc((size_t)w->nodes + 1, sizeof(uint32_t));
    if (w->first != NULL && w->in_degree != NULL) {
        shapes[at].walk(w);
        if (workload_rows(w)) {
            shapes[at].walk(w);
            workload_rewind(w);
            return true;
        }
    }
    workload_free(w);
    return false;
}

static inline uint64_t workload_digest_word(uint64_t digest, uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) {
        digest = (digest ^ ((word >> shift) & 255)) * 0x100000001b3u;
    }
    return digest;
}

static inline uint64_t workload_digest(const workload *w) {
    uint64_t digest = 0xcbf29ce484222325u;

    for (uint32_t from = 0; from < w->nodes; from++) {
        for (uint32_t i = w->first[from]; i < w->first[from + 1]; i++) {
            digest = workload_digest_word(digest, from);
            digest = workload_digest_word(digest, w->successors[i]);
        }
    }
    return digest;
}

/* Fibonacci's F(n), n <= 93. */
static inline uint64_t workload_fib(uint32_t n) {
    uint64_t a = 0, b = 1;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t sum = a + b;

        a = b;
        b = sum;
    }
    return a;
}

/* How often computing fib(n) spawns. */
static inline uint64_t workload_fib_spawns(uint32_t n) {
    return workload_fib(n + 1) - 1;
}

#endif
