// SPDX-License-Identifier: MIT
// oneTBB twice: its flow graph, and its task group with counters of our own. The second is by far
// the faster one, and so the one to beat.
#include <atomic>
#include <deque>
#include <memory>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_group.h>

#include "peer.h"

using oneapi::tbb::global_control;
using oneapi::tbb::task_group;
using oneapi::tbb::flow::continue_msg;
using oneapi::tbb::flow::continue_node;

namespace {

struct Flow {
    const peer_graph graph;
    global_control control;
    oneapi::tbb::flow::graph flow;
    std::deque<continue_node<continue_msg>> nodes; // they can't be moved

    Flow(const peer_graph &given, uint32_t threads)
        : graph(given), control(global_control::max_allowed_parallelism, threads) {
        for (uint32_t id = 0; id < graph.nodes; id++)
            nodes.emplace_back(flow,
                               [this, id](const continue_msg &) { graph.body(graph.context, id); });
        for (uint32_t id = 0; id < graph.nodes; id++)
            for (uint32_t e = graph.first[id]; e < graph.first[id + 1]; e++)
                oneapi::tbb::flow::make_edge(nodes[id], nodes[graph.successors[e]]);
    }

    void run() {
        for (uint32_t i = 0; i < graph.roots_count; i++)
            nodes[graph.roots[i]].try_put(continue_msg());
        flow.wait_for_all();
    }
};

struct Group {
    const peer_graph graph;
    global_control control;
    task_group group;
    std::unique_ptr<std::atomic<uint32_t>[]> left;

    Group(const peer_graph &given, uint32_t threads)
        : graph(given), control(global_control::max_allowed_parallelism, threads),
          left(new std::atomic<uint32_t>[given.nodes]) {
    }

    void refill() {
        for (uint32_t id = 0; id < graph.nodes; id++)
            left[id].store(graph.in_degree[id], std::memory_order_relaxed);
    }

    // Goes on with the first successor that became ready; the others are the group's.
    void work(uint32_t id) {
        for (bool more = true; more;) {
            graph.body(graph.context, id);
            more = false;
            for (uint32_t e = graph.first[id], end = graph.first[id + 1]; e < end; e++) {
                uint32_t to = graph.successors[e];
                if (left[to].fetch_sub(1, std::memory_order_acq_rel) != 1)
                    continue;
                if (more)
                    group.run([this, to] { work(to); });
                else
                    id = to, more = true;
            }
        }
    }

    void run() {
        for (uint32_t i = 1; i < graph.roots_count; i++)
            group.run([this, i] { work(graph.roots[i]); });
        group.run_and_wait([this] { work(graph.roots[0]); });
    }
};

template <typename T> void *make(const peer_graph *graph, uint32_t threads) {
    return new T(*graph, threads);
}
template <typename T> void run(void *made) {
    static_cast<T *>(made)->run();
}
template <typename T> void release(void *made) {
    delete static_cast<T *>(made);
}
void refill(void *made) {
    static_cast<Group *>(made)->refill();
}

} // namespace

const peer_runtime peer_tbb_flow = {"tbb-flow", UINT32_MAX, make<Flow>,
                                    nullptr,    run<Flow>,  release<Flow>};
const peer_runtime peer_tbb_group = {"tbb-group", UINT32_MAX, make<Group>,
                                     refill,      run<Group>, release<Group>};
