/* SPDX-License-Identifier: MIT */
/*
 * The workloads of bench/ are the published ones: counts and digests of both sizes, the first edges
 * of rand, and what every user of a graph in rows relies on, at small and odd sizes too.
 */
#include "../bench/workloads.h"
#include "test.h"

TEST(published_counts_and_digests) {
    for (size_t i = 0; i < sizeof workload_known / sizeof workload_known[0]; i++) {
        const workload_shape *known = &workload_known[i];
        workload w;

        CHECK(workload_make(&w, known->name, known->nodes));
        CHECK_EQ(w.nodes, known->nodes);
        CHECK_EQ(w.edges, known->edges);
        CHECK_EQ(workload_digest(&w), known->digest);
        workload_free(&w);
    }
}

static bool has_edge(const workload *w, uint32_t from, uint32_t to) {
    for (uint32_t i = w->first[from]; i < w->first[from + 1]; i++) {
        if (w->successors[i] == to) {
            return true;
        }
    }
    return false;
}

TEST(first_predecessors_of_rand) {
    static const uint32_t expected[3][3] = {{512, 515, 312}, {853, 306, 749}, {201, 903, 606}};
    workload w;

    CHECK(workload_make(&w, "rand", 250000));
    for (uint32_t node = 0; node < 3; node++) {
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(has_edge(&w, expected[node][i], 1000 + node));
        }
        CHECK_EQ(w.in_degree[1000 + node], 3);
    }
    workload_free(&w);
}

/* Rows that are complete, edges that ascend, degrees that agree with the edges. */
static void check_rows(const workload *w) {
    uint32_t *degree = (uint32_t *)calloc((size_t)w->nodes + 1, sizeof(uint32_t));

    CHECK_EQ(w->first[0], 0);
    CHECK_EQ(w->first[w->nodes], w->edges);
    for (uint32_t from = 0; from < w->nodes; from++) {
        CHECK(w->first[from] <= w->first[from + 1]);
        for (uint32_t i = w->first[from]; i < w->first[from + 1]; i++) {
            CHECK(w->successors[i] > from && w->successors[i] < w->nodes);
            degree[w->successors[i]]++;
        }
    }
    CHECK_EQ(memcmp(degree, w->in_degree, w->nodes * sizeof(uint32_t)), 0);
    free(degree);
}

TEST(rows_of_any_size) {
    static const char *const names[] = {"chain", "fan", "tree", "wave", "rand"};
    static const uint32_t sizes[] = {1, 2, 3, 4, 99, 100, 101, 1999, 2000, 2999};

    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            workload w;

            CHECK(workload_make(&w, names[i], sizes[j]));
            CHECK(w.nodes <= sizes[j]);
            check_rows(&w);
            workload_free(&w);
        }
    }
}

TEST(successors_keep_the_order_of_the_edges) {
    workload w;

    CHECK(workload_make(&w, "wave", 9));
    CHECK_EQ(w.successors[w.first[4]], 5);
    CHECK_EQ(w.successors[w.first[4] + 1], 7);
    CHECK_EQ(w.first[9] - w.first[8], 0);
    workload_free(&w);
    CHECK(workload_make(&w, "fan", 5));
    CHECK_EQ(w.successors[0], 1);
    CHECK_EQ(w.successors[2], 3);
    CHECK_EQ(w.successors[w.first[2]], 4);
    workload_free(&w);
}

TEST(refused) {
    workload w;

    CHECK(!workload_make(&w, "star", 10));
    CHECK(!workload_make(&w, "chain", 0));
    CHECK(w.first == NULL && w.successors == NULL);
}

TEST(fib_spawns) {
    CHECK_EQ(workload_fib(10), 55);
    CHECK_EQ(workload_fib_spawns(25), 121392);
    CHECK_EQ(workload_fib_spawns(28), 514228);
    CHECK_EQ(workload_fib_spawns(32), 3524577);
    CHECK_EQ(workload_fib_spawns(36), 24157816);
}

TEST_MAIN()
