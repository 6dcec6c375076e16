/* SPDX-License-Identifier: MIT */
/*
 * bench_openmp.c - the same graphs on an OpenMP runtime: bench_gomp (gcc) and bench_omp (clang),
 * each in a process of its own, for two such runtimes must never share one.
 *
 *     <shape>/seq              the yardstick, the same in every program
 *     <shape>/gomp             tasks, with counters of our own
 *     dyn-<shape>/gomp-depend  250,000 tasks created by one thread in the order of their ids, each
 *                              with depend(in) on its predecessors' bytes, depend(out) on its own
 *
 * At one thread both runtimes run tasks as calls, without a queue: that compares with nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include "list.h"

/* One byte a node stands for its result; a node has at most three predecessors. */
static void depend_task(const struct bench *bench, char *bytes, uint32_t id, node_body *body,
                        void *context) {
    const struct graph *graph = bench->graph;
    const uint32_t *in = graph->in + graph->first_in[id];

    (void)bytes; /* some compilers look at a depend clause only where OpenMP is on */
    switch (graph->first_in[id + 1] - graph->first_in[id]) {
    case 0:
#pragma omp task depend(out : bytes[id]) firstprivate(body, context, id)
        body(context, id);
        break;
    case 1:
#pragma omp task depend(out : bytes[id]) depend(in : bytes[in[0]]) firstprivate(body, context, id)
        body(context, id);
        break;
    case 2:
#pragma omp task depend(out                                                                        \
                        : bytes[id]) depend(in                                                     \
                                            : bytes[in[0]], bytes[in[1]])                          \
    firstprivate(body, context, id)
        body(context, id);
        break;
    default:
#pragma omp task depend(out                                                                        \
                        : bytes[id]) depend(in                                                     \
                                            : bytes[in[0]], bytes[in[1]], bytes[in[2]])            \
    firstprivate(body, context, id)
        body(context, id);
        break;
    }
}

static void depend_run(const struct bench *bench, char *bytes, node_body *body, void *context) {
#pragma omp parallel num_threads(bench->threads)
#pragma omp single
    for (uint32_t id = 0; id < bench->graph->w.nodes; id++) {
        depend_task(bench, bytes, id, body, context);
    }
}

static void bench_depend(benchmark_state *state, void *context) {
    struct bench *bench = context;
    char *bytes = NULL;
    bool good = bench_load(bench, state);

    if (good) {
        bytes = calloc(bench->graph->w.nodes, 1);
        verify_begin(bench->graph);
        depend_run(bench, bytes, body_verify, bench->graph);
        good = bytes != NULL && verify_end(bench->graph);
    }
    while (good && benchmark_keep_running(state)) {
        depend_run(bench, bytes, body_empty, NULL);
    }
    if (!good) {
        benchmark_fail(state, "verify: not each node once, after its predecessors");
    }
    benchmark_set_steps(state, bench->graph->w.nodes);
    free(bytes);
}

/* Without fan: its last node would name all others as predecessors. */
static void list_depend(struct list *list, uint32_t threads) {
    static const char *const shapes[] = {"chain", "tree", "wave", "rand"};
    char runtime[16];

    (void)snprintf(runtime, sizeof runtime, "%s-depend", peer_openmp.runtime);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct bench bench = {.shape = shapes[i], .nodes = NODES_FEWER, .threads = threads};

        list_add(list, &bench, "dyn-", runtime, bench_depend);
    }
}

int main(int argc, char **argv) {
    static struct list list;
    int result;

    for (size_t i = 0; i < 5; i++) {
        struct bench bench = {.shape = workload_known[i].name, .nodes = NODES, .threads = 1};

        list_add(&list, &bench, "", "seq", bench_seq);
    }
    for (uint32_t threads = 1; threads <= 2; threads++) {
        list_peer(&list, &peer_openmp, threads);
        list_depend(&list, threads);
    }
    result = benchmark_main(argc, argv);
    graph_free(&list.graph);
    return result;
}
