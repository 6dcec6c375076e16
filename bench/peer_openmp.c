/* SPDX-License-Identifier: MIT */
/*
 * OpenMP: a task a node that became ready, with counters of our own. The runtime is the compiler's:
 * gcc's libgomp or clang's libomp, which must never share a process.
 */
#include <omp.h>
#include <stdlib.h>

#include "peer.h"
#include "src/base/atomic.h"

#ifdef __clang__
#define RUNTIME "omp"
#else
#define RUNTIME "gomp"
#endif

struct openmp_made {
    peer_graph graph;
    int threads;
    atomic_u32 *left; /* a node: predecessors that have not run */
};

static void openmp_release(void *handle) {
    struct openmp_made *made = handle;

    free(made->left);
    free(made);
}

static void *openmp_make(const peer_graph *graph, uint32_t threads) {
    struct openmp_made *made = calloc(1, sizeof *made);

    if (made != NULL) {
        made->graph = *graph;
        made->threads = (int)threads;
        made->left = calloc(graph->nodes, sizeof *made->left);
        if (made->left == NULL) {
            openmp_release(made);
            made = NULL;
        }
    }
    return made;
}

static void openmp_refill(void *handle) {
    struct openmp_made *made = handle;

    for (uint32_t id = 0; id < made->graph.nodes; id++) {
        ATOMIC_STORE(&made->left[id], made->graph.in_degree[id], relaxed);
    }
}

/* Goes on with the first successor that became ready; the others become tasks. */
static void openmp_work(struct openmp_made *made, uint32_t id) {
    const peer_graph *graph = &made->graph;
    int more = 1;

    while (more) {
        uint32_t end = graph->first[id + 1], e = graph->first[id];

        graph->body(graph->context, id);
        more = 0;
        for (; e < end; e++) {
            uint32_t to = graph->successors[e];

            if (ATOMIC_SUB(&made->left[to], 1, acq_rel) != 1) {
                continue;
            }
            if (!more) {
                id = to;
                more = 1;
                continue;
            }
#pragma omp task firstprivate(made, to)
            openmp_work(made, to);
        }
    }
}

static void openmp_run(void *handle) {
    struct openmp_made *made = handle;

#pragma omp parallel num_threads(made->threads)
#pragma omp single
    for (uint32_t i = 0; i < made->graph.roots_count; i++) {
        uint32_t root = made->graph.roots[i];

#pragma omp task firstprivate(made, root)
        openmp_work(made, root);
    }
}

const peer_runtime peer_openmp = {RUNTIME,       UINT32_MAX, openmp_make,
                                  openmp_refill, openmp_run, openmp_release};
