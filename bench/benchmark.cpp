// SPDX-License-Identifier: MIT
// The other side of benchmark.h: one thin function each over Google Benchmark's C++ interface.
#include "benchmark.h"

#include <benchmark/benchmark.h>

using benchmark::Counter;
using benchmark::State;

static State &of(benchmark_state *state) {
    return *reinterpret_cast<State *>(state);
}

// Any failed bench makes the whole program fail, which the smoke test relies on.
static bool any_failed = false;

void benchmark_add(const benchmark_spec *spec) {
    benchmark_body *body = spec->body;
    void *context = spec->context;
    auto *added = benchmark::RegisterBenchmark(spec->name, [body, context](State &state) {
        body(reinterpret_cast<benchmark_state *>(&state), context);
    });
    if (spec->iterations > 0)
        added->Iterations(spec->iterations);
    if (spec->manual_time)
        added->UseManualTime();
    else
        added->UseRealTime();
}

int benchmark_main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return any_failed ? 1 : 0;
}

bool benchmark_keep_running(benchmark_state *state) {
    return of(state).KeepRunning();
}
bool benchmark_keep_running_batch(benchmark_state *state, int64_t count) {
    return of(state).KeepRunningBatch(count);
}
void benchmark_pause(benchmark_state *state) {
    of(state).PauseTiming();
}
void benchmark_resume(benchmark_state *state) {
    of(state).ResumeTiming();
}
void benchmark_set_time(benchmark_state *state, uint64_t time_ns) {
    of(state).SetIterationTime(static_cast<double>(time_ns) * 1e-9);
}

void benchmark_set_steps(benchmark_state *state, uint64_t count) {
    auto all = static_cast<double>(count) * static_cast<double>(of(state).iterations());
    of(state).SetItemsProcessed(static_cast<int64_t>(all));
    // kInvert turns steps a second into seconds a step; a billionth of the steps gives ns.
    of(state).counters["ns_per_step"] = Counter(all * 1e-9, Counter::kIsRate | Counter::kInvert);
}

void benchmark_set_counter(benchmark_state *state, const char *name, double value) {
    of(state).counters[name] = value;
}

void benchmark_fail(benchmark_state *state, const char *reason) {
    any_failed = true;
    of(state).SkipWithError(reason);
}
