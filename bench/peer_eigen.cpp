// SPDX-License-Identifier: MIT
// Eigen's thread pool, with counters of our own. The caller only waits: all threads are the pool's.
#define EIGEN_USE_THREADS
#include <atomic>
#include <memory>
#include <unsupported/Eigen/CXX11/ThreadPool>

#include "peer.h"

namespace {

struct Pool {
    const peer_graph graph;
    Eigen::ThreadPool pool;
    std::unique_ptr<std::atomic<uint32_t>[]> left;
    std::atomic<uint32_t> open{0}; // nodes that have not run
    std::unique_ptr<Eigen::Notification> ended;

    Pool(const peer_graph &given, uint32_t threads)
        : graph(given), pool(static_cast<int>(threads)),
          left(new std::atomic<uint32_t>[given.nodes]) {
    }

    void refill() {
        for (uint32_t id = 0; id < graph.nodes; id++)
            left[id].store(graph.in_degree[id], std::memory_order_relaxed);
        open.store(graph.nodes, std::memory_order_relaxed);
        ended.reset(new Eigen::Notification());
    }

    // Goes on with the first successor that became ready; the others are the pool's.
    void work(uint32_t id) {
        uint32_t ran = 0;
        for (bool more = true; more; ran++) {
            graph.body(graph.context, id);
            more = false;
            for (uint32_t e = graph.first[id], end = graph.first[id + 1]; e < end; e++) {
                uint32_t to = graph.successors[e];
                if (left[to].fetch_sub(1, std::memory_order_acq_rel) != 1)
                    continue;
                if (more)
                    pool.Schedule([this, to] { work(to); });
                else
                    id = to, more = true;
            }
        }
        if (open.fetch_sub(ran, std::memory_order_acq_rel) == ran)
            ended->Notify();
    }

    void run() {
        for (uint32_t i = 0; i < graph.roots_count; i++)
            pool.Schedule([this, i] { work(graph.roots[i]); });
        ended->Wait();
    }
};

void *make(const peer_graph *graph, uint32_t threads) {
    return new Pool(*graph, threads);
}
void refill(void *made) {
    static_cast<Pool *>(made)->refill();
}
void run(void *made) {
    static_cast<Pool *>(made)->run();
}
void release(void *made) {
    delete static_cast<Pool *>(made);
}

} // namespace

const peer_runtime peer_eigen = {"eigen", UINT32_MAX, make, refill, run, release};
