// SPDX-License-Identifier: MIT
/*
 * Google Benchmark for C: the few calls that our benches need, so that benches stay C.
 * A body is called with the caller's context and runs its work once for each
 * `while (benchmark_keep_running(state))`. That call costs about 3 ns: anything below 100 ns
 * runs in batches (`benchmark_keep_running_batch(state, 1000)` counts 1000 iterations).
 * Names are `<workload>/<runtime>/<threads>`, lower case; the library appends to them.
 */
#ifndef BENCH_BENCHMARK_H
#define BENCH_BENCHMARK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct benchmark_state benchmark_state;
typedef void benchmark_body(benchmark_state *state, void *context);

typedef struct benchmark_spec {
    const char *name;     /* copied */
    benchmark_body *body; /* called by benchmark_main, perhaps several times */
    void *context;        /* given to the body; lives until benchmark_main returns */
    int64_t iterations;   /* 0: as many as the time limit asks for */
    bool manual_time;     /* time comes from benchmark_set_time, else the real time is taken */
} benchmark_spec;

void benchmark_add(const benchmark_spec *spec);
/* Runs what the command line selects; the result is main's. */
int benchmark_main(int argc, char **argv);

bool benchmark_keep_running(benchmark_state *state);
bool benchmark_keep_running_batch(benchmark_state *state, int64_t count);
/* Between pause and resume no time is counted; a pair costs about 100 ns. */
void benchmark_pause(benchmark_state *state);
void benchmark_resume(benchmark_state *state);
/* The time of this iteration, where manual_time is set. */
void benchmark_set_time(benchmark_state *state, uint64_t time_ns);
/* After the loop: `count` tasks an iteration were run. Sets items and the counter ns_per_step. */
void benchmark_set_steps(benchmark_state *state, uint64_t count);
/* After the loop: a figure of its own. */
void benchmark_set_counter(benchmark_state *state, const char *name, double value);
/* Marks the bench as failed, with the reason; the body then returns. */
void benchmark_fail(benchmark_state *state, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
