/* SPDX-License-Identifier: MIT */
/*
 * bench_graph.c - what call steps cost, through swarm.h alone, without a log.
 *
 *     <shape>          a static run of 1,000,000 steps, built once: swarm_run_again, swarm_drive.
 *                      Drive is the user's way and costs a clock and a round in 4,096 steps; with 2
 *                      threads it also starts and joins its worker, inside the time
 *     <shape>/seq      the yardstick, trial.h's walk; its counters are refilled outside the time
 *     <shape>/PEER     the same graph on another runtime, of those found at set-up
 *     build-<shape>    from nothing (swarm_new) to the commit
 *     mem-<shape>      bytes a step of the smallest swarm that holds the shape; no time
 *     dyn-<shape>      a growing run of 250,000 steps: worker 0 adds them in the order of their
 *                      ids, BATCH a plan, and forgets each one behind its last successor; then
 *                      it works too. Worker 1 has worked from the start, or there is none
 *     grain-<shape>-k  static steps of k empty rounds each: 250,000, or 50,000 of the long ones
 *     fib-plan         fib(25): each step adds its spawns and a continuation that sums them; the
 *                      time is divided by the spawns
 *     wake-1ms         a thread outside answers an attempt after 1 ms of silence; the call step
 *                      behind it notes the time. Time: the median of 801. The outside never spins
 *     idle             processor time of the process in 1 s with parked workers
 *
 * Before a graph is timed, one that was built the same way is run with a body that fails unless all
 * predecessors have run and the step itself has not.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "swarm.h"
#include "benchmark.h"
#include "engine.h"
#include "list.h"

/* A plan of 1,000 spreads what a commit costs, and is small against what is in flight. */
enum { BATCH = 1000, FIB = 25, SAMPLES = 801 };
#define MS UINT64_C(1000000)

/* ---- the bodies as call steps */

static swarm_outcome call_empty(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)out_value;
    body_empty(context, (uint32_t)call->argument);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome call_grain(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)out_value;
    body_grain(context, (uint32_t)call->argument);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome call_verify(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)out_value;
    body_verify(context, (uint32_t)call->argument);
    return SWARM_OUTCOME_OK;
}

/* ---- static runs */

/* From nothing to the commit. */
static bool static_build(struct engine *engine, struct graph *graph, uint32_t threads,
                         swarm_call_function *function, void *context) {
    const workload *w = &graph->w;
    const swarm_config config = config_for(w->nodes, w->edges, threads, SWARM_CONFIG_STATIC);
    swarm_plan *plan;

    if (!engine_open(engine, &config, function, context)) {
        return false;
    }
    engine->run = swarm_run_open(engine->sw, NULL);
    plan = swarm_plan_open(engine->sw, engine->run);
    for (uint32_t i = 0; i < w->nodes; i++) {
        graph->steps[i] = swarm_call_add(plan, engine->function, i);
    }
    for (uint32_t i = 0; i < w->nodes; i++) {
        for (uint32_t e = w->first[i]; e < w->first[i + 1]; e++) {
            (void)swarm_edge_add(plan, graph->steps[i], graph->steps[w->successors[e]], 0);
        }
    }
    return swarm_plan_commit(plan, NULL) == SWARM_OK;
}

/* Twice: the second run is the one that swarm_run_again prepared. What went wrong, or null. */
static const char *static_verify(struct graph *graph, uint32_t threads) {
    struct engine engine;
    const char *wrong = NULL;

    if (!static_build(&engine, graph, threads, call_verify, graph)) {
        wrong = "verify: the graph was not built";
    }
    for (int i = 0; i < 2 && wrong == NULL; i++) {
        verify_begin(graph);
        if ((i != 0 && swarm_run_again(engine.sw, engine.run) != SWARM_OK) ||
            !engine_drive(&engine)) {
            wrong = "verify: the drive did not end OK";
        } else if (!verify_end(graph)) {
            wrong = "verify: not each step once, after its predecessors";
        } else if (!engine_ran(&engine, graph->w.nodes)) {
            wrong = "verify: the report does not count every step as OK";
        }
    }
    (void)swarm_free(engine.sw);
    return wrong;
}

static void bench_static(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct graph *graph = bench->graph;
    struct engine engine;
    const char *wrong;
    bool good;

    if (!bench_load(bench, state)) {
        return;
    }
    wrong = static_verify(graph, bench->threads);
    if (wrong != NULL) {
        benchmark_fail(state, wrong);
        return;
    }
    good = static_build(&engine, graph, bench->threads,
                        bench->rounds == 0 ? call_empty : call_grain, &bench->rounds) &&
           engine_drive(&engine);
    while (good && benchmark_keep_running(state)) {
        good = swarm_run_again(engine.sw, engine.run) == SWARM_OK && engine_drive(&engine);
    }
    if (!good || !engine_ran(&engine, graph->w.nodes)) {
        benchmark_fail(state, "a run did not end OK");
    }
    benchmark_set_steps(state, graph->w.nodes);
    (void)swarm_free(engine.sw);
}

static void bench_build(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct graph *graph = bench->graph;
    bool good = bench_load(bench, state) && static_verify(graph, bench->threads) == NULL;

    while (good && benchmark_keep_running(state)) {
        struct engine engine;

        good = static_build(&engine, graph, bench->threads, call_empty, NULL);
        benchmark_pause(state);
        (void)swarm_free(engine.sw);
        benchmark_resume(state);
    }
    if (!good) {
        benchmark_fail(state, "the graph was not built, or did not verify");
    }
    benchmark_set_steps(state, graph->w.nodes);
}

static void bench_mem(benchmark_state *state, void *context) {
    struct bench *bench = context;
    const workload *w = &bench->graph->w;
    size_t bytes = 0;
    bool good = bench_load(bench, state);

    while (good && benchmark_keep_running(state)) {
        const swarm_config config =
            config_for(w->nodes, w->edges, bench->threads, SWARM_CONFIG_STATIC);

        good = swarm_memory_size(&config, &bytes) == SWARM_OK;
        benchmark_set_counter(state, "bytes_per_step", (double)bytes / w->nodes);
    }
    if (!good) {
        benchmark_fail(state, "the configuration was refused");
    }
}

/* ---- growing runs */

/* Worker 1, a thread of ours: while worker 0 builds, nobody drives. */
struct helper {
    swarm *sw;
    pthread_t thread;
    atomic_u32 is_over;
    bool is_started;
};

static void *helper_main(void *argument) {
    struct helper *helper = argument;

    while (ATOMIC_LOAD(&helper->is_over, relaxed) == 0) {
        if (swarm_work(helper->sw, 1, 4096) == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static bool helper_start(struct helper *helper, struct engine *engine) {
    helper->sw = engine->sw;
    helper->is_started = false;
    ATOMIC_STORE(&helper->is_over, 0, relaxed);
    if (engine->threads > 1) {
        helper->is_started = pthread_create(&helper->thread, NULL, helper_main, helper) == 0;
        return helper->is_started;
    }
    return true;
}

static void helper_stop(struct helper *helper) {
    ATOMIC_STORE(&helper->is_over, 1, relaxed); /* orders nothing: the join does */
    if (helper->is_started) {
        (void)pthread_join(helper->thread, NULL);
    }
}

/* Lets go of what no later node names as a predecessor. */
static void dyn_forget(swarm *sw, struct graph *graph, uint32_t id) {
    for (uint32_t e = graph->first_in[id]; e < graph->first_in[id + 1]; e++) {
        if (--graph->left[graph->in[e]] == 0) {
            (void)swarm_step_forget(sw, graph->steps[graph->in[e]]);
        }
    }
    if (graph->left[id] == 0) {
        (void)swarm_step_forget(sw, graph->steps[id]);
    }
}

static bool dyn_add(struct engine *engine, struct graph *graph, uint32_t first, uint32_t end) {
    swarm_plan *plan = swarm_plan_open(engine->sw, engine->run);

    for (uint32_t id = first; id < end; id++) {
        graph->steps[id] = swarm_call_add(plan, engine->function, id);
        for (uint32_t e = graph->first_in[id]; e < graph->first_in[id + 1]; e++) {
            (void)swarm_edge_add(plan, graph->steps[graph->in[e]], graph->steps[id], 0);
        }
    }
    if (swarm_plan_commit(plan, NULL) != SWARM_OK) {
        return false;
    }
    for (uint32_t id = first; id < end; id++) {
        dyn_forget(engine->sw, graph, id);
    }
    return true;
}

/* From the first node to the end of the last: worker 0's part. */
static bool dyn_run(struct engine *engine, struct graph *graph) {
    static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    uint32_t nodes = graph->w.nodes;
    swarm_stats stats = {.open = 1};
    bool good = true;

    engine->run = swarm_run_open(engine->sw, &growing);
    for (uint32_t first = 0; first < nodes && good; first += BATCH) {
        good = dyn_add(engine, graph, first, nodes - first < BATCH ? nodes : first + BATCH);
    }
    (void)swarm_run_close(engine->sw, engine->run);
    while (stats.open != 0) {
        (void)swarm_work(engine->sw, 0, UINT32_MAX);
        good = swarm_advance(engine->sw, 0, NULL) == SWARM_OK && good;
        (void)swarm_stats_get(engine->sw, &stats);
    }
    return good;
}

/* All ended well, and nothing is left of it: all handles were let go of. */
static bool dyn_over(struct engine *engine, uint64_t steps) {
    swarm_stats stats;

    return engine_ran(engine, steps) && swarm_run_forget(engine->sw, engine->run) == SWARM_OK &&
           swarm_stats_get(engine->sw, &stats) == SWARM_OK && stats.steps_live == 0;
}

static bool dyn_open(struct engine *engine, const struct bench *bench,
                     swarm_call_function *function) {
    const workload *w = &bench->graph->w;
    const swarm_config config = config_for(w->nodes, w->edges, bench->threads, 0);

    return engine_open(engine, &config, function, bench->graph);
}

/* Two runs: the second one lives in the slots of the first. */
static bool dyn_verify(const struct bench *bench) {
    struct graph *graph = bench->graph;
    struct engine engine;
    struct helper helper = {.is_started = false};
    bool good = dyn_open(&engine, bench, call_verify) && helper_start(&helper, &engine);

    for (int i = 0; i < 2 && good; i++) {
        verify_begin(graph);
        graph_refill(graph);
        good = dyn_run(&engine, graph) && verify_end(graph) && dyn_over(&engine, graph->w.nodes);
    }
    helper_stop(&helper);
    (void)swarm_free(engine.sw);
    return good;
}

static void bench_dyn(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct graph *graph = bench->graph;
    struct engine engine;
    struct helper helper = {.is_started = false};
    bool good;

    if (!bench_load(bench, state)) {
        return;
    }
    if (!dyn_verify(bench)) {
        benchmark_fail(state, "verify: not each step once, after its predecessors");
        return;
    }
    good = dyn_open(&engine, bench, call_empty) && helper_start(&helper, &engine);
    graph_refill(graph);
    while (good && benchmark_keep_running(state)) {
        good = dyn_run(&engine, graph);
        benchmark_pause(state);
        good = good && dyn_over(&engine, graph->w.nodes);
        graph_refill(graph);
        benchmark_resume(state);
    }
    if (!good) {
        benchmark_fail(state, "a run did not end OK, or left something behind");
    }
    benchmark_set_steps(state, graph->w.nodes);
    helper_stop(&helper);
    (void)swarm_free(engine.sw);
}

/* ---- fib: a step's argument is its number in the tree of spawns, and n */

struct fib {
    swarm_function spawn, sum;
    uint64_t size[FIB + 1]; /* steps in the tree of n: F(n + 1) */
    uint64_t *values;       /* a step of the tree: its result */
};

static uint64_t fib_argument(uint64_t id, uint64_t n) {
    return id << 8 | n;
}

/* fib(n) spawns n - 1, calls n - 2, which spawns n - 3, and so on: all of it in one plan. */
static swarm_outcome fib_spawn(void *context, const swarm_call *call, uint64_t *out_value) {
    struct fib *fib = context;
    uint64_t id = call->argument >> 8, n = call->argument & 255, child = id + 1;
    swarm_plan *plan;
    swarm_step sum;

    (void)out_value;
    if (n < 2) {
        fib->values[id] = n;
        return SWARM_OUTCOME_OK;
    }
    plan = swarm_call_plan(call);
    sum = swarm_call_add(plan, fib->sum, call->argument);
    for (; n >= 2; n -= 2) {
        swarm_step step = swarm_call_add(plan, fib->spawn, fib_argument(child, n - 1));

        (void)swarm_edge_add(plan, step, sum, 0);
        child += fib->size[n - 1];
    }
    return swarm_plan_continue(plan, sum) == SWARM_OK ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL;
}

static swarm_outcome fib_sum(void *context, const swarm_call *call, uint64_t *out_value) {
    struct fib *fib = context;
    uint64_t id = call->argument >> 8, n = call->argument & 255, child = id + 1, sum = 0;

    (void)out_value;
    for (; n >= 2; n -= 2) {
        sum += fib->values[child];
        child += fib->size[n - 1];
    }
    fib->values[id] = sum + n; /* fib(0) = 0 and fib(1) = 1 */
    return SWARM_OUTCOME_OK;
}

static bool fib_open(struct engine *engine, struct fib *fib, uint32_t threads) {
    swarm_config config = config_for(1u << 16, 1u << 16, threads, 0);

    config.functions_max = 2;
    config.scopes_max = config.plans_max = 1u << 12;
    for (uint32_t n = 0; n <= FIB; n++) {
        fib->size[n] = workload_fib(n + 1);
    }
    fib->values = calloc(fib->size[FIB], sizeof *fib->values);
    if (fib->values == NULL || !engine_open(engine, &config, fib_spawn, fib)) {
        return false;
    }
    fib->spawn = engine->function;
    fib->sum = swarm_function_add(engine->sw, "sum", fib_sum, fib);
    return fib->sum.id != 0;
}

static bool fib_run(struct engine *engine, struct fib *fib) {
    static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    swarm_run run = swarm_run_open(engine->sw, &growing);
    swarm_plan *plan = swarm_plan_open(engine->sw, run);

    engine->run = run;
    (void)swarm_call_add(plan, fib->spawn, fib_argument(0, FIB));
    return swarm_plan_commit(plan, NULL) == SWARM_OK &&
           swarm_run_close(engine->sw, run) == SWARM_OK && engine_drive(engine) &&
           fib->values[0] == workload_fib(FIB);
}

/* Each spawn ran once, and so did each sum: those of n >= 2, of which there are F(n). */
static bool fib_over(struct engine *engine, struct fib *fib) {
    bool good = engine_ran(engine, workload_fib(FIB + 1) + workload_fib(FIB));

    fib->values[0] = 0;
    return good && swarm_run_forget(engine->sw, engine->run) == SWARM_OK;
}

static void bench_fib(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct engine engine = {.sw = NULL};
    struct fib fib = {.values = NULL};
    bool good = fib_open(&engine, &fib, bench->threads) && fib_run(&engine, &fib) &&
                fib_over(&engine, &fib);

    while (good && benchmark_keep_running(state)) {
        good = fib_run(&engine, &fib);
        benchmark_pause(state);
        good = good && fib_over(&engine, &fib);
        benchmark_resume(state);
    }
    if (!good) {
        benchmark_fail(state, "fib did not end OK, or is wrong");
    }
    benchmark_set_steps(state, workload_fib_spawns(FIB));
    (void)swarm_free(engine.sw);
    free(fib.values);
}

/* ---- waking and idling: a driven swarm that waits for an answer from outside */

struct waiter {
    swarm *sw;
    pthread_t thread;
    swarm_drive_options options;
    swarm_status status;
    atomic_u64 attempt;  /* to be answered; 0: none */
    atomic_u64 start_ns; /* of the call step behind it; 0: not yet */
};

static uint64_t clock_ns(clockid_t id) {
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void sleep_ns(uint64_t ns) {
    const struct timespec time = {.tv_sec = (time_t)(ns / (1000 * MS)),
                                  .tv_nsec = (long)(ns % (1000 * MS))};

    (void)nanosleep(&time, NULL);
}

static swarm_status waiter_submit(void *context, swarm *sw, const swarm_request *request,
                                  uint64_t *out_until_ns) {
    struct waiter *waiter = context;

    (void)sw;
    (void)out_until_ns;
    ATOMIC_STORE(&waiter->attempt, request->attempt.id, release); /* pairs with waiter_get */
    return SWARM_OK;
}

static swarm_outcome waiter_call(void *context, const swarm_call *call, uint64_t *out_value) {
    struct waiter *waiter = context;

    (void)call;
    (void)out_value;
    ATOMIC_STORE(&waiter->start_ns, clock_ns(CLOCK_MONOTONIC), release); /* the same */
    return SWARM_OUTCOME_OK;
}

/* Waits for a word of the driving thread's to be set, takes it, and says what it was. */
static uint64_t waiter_get(atomic_u64 *word) {
    uint64_t value = ATOMIC_EXCHANGE(word, 0, acquire);

    while (value == 0) {
        sleep_ns(20000);
        value = ATOMIC_EXCHANGE(word, 0, acquire);
    }
    return value;
}

/* A chain of `count` agent steps, each with its call step. */
static bool waiter_plan(struct waiter *waiter, uint32_t count) {
    const swarm_backend outside = {
        .size = sizeof outside, .name = "outside", .context = waiter, .submit = waiter_submit};
    swarm_profile_spec profile = {.name = "outside"};
    swarm_function call = swarm_function_add(waiter->sw, "call", waiter_call, waiter);
    swarm_plan *plan = swarm_plan_open(waiter->sw, swarm_run_open(waiter->sw, NULL));
    swarm_step last = {0};

    profile.backend = swarm_backend_add(waiter->sw, &outside);
    (void)swarm_agent_add(waiter->sw, swarm_profile_add(waiter->sw, &profile), 1);
    for (uint32_t i = 0; i < count; i++) {
        swarm_step answered = swarm_step_add(plan, NULL);
        swarm_step called = swarm_call_add(plan, call, i);

        if (i > 0) {
            (void)swarm_edge_add(plan, last, answered, 0);
        }
        (void)swarm_edge_add(plan, answered, called, 0);
        last = called;
    }
    return swarm_plan_commit(plan, NULL) == SWARM_OK;
}

static void *waiter_main(void *argument) {
    struct waiter *waiter = argument;

    waiter->status = swarm_drive(waiter->sw, &waiter->options);
    return NULL;
}

/* The thread that it starts has the turn from then on. */
static bool waiter_start(struct waiter *waiter, uint32_t threads, uint32_t count) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = SWARM_NEVER,
                                 .workers_max = threads};

    memset(waiter, 0, sizeof *waiter);
    waiter->options.workers = threads - 1;
    return swarm_new(&config, &waiter->sw) == SWARM_OK && waiter_plan(waiter, count) &&
           pthread_create(&waiter->thread, NULL, waiter_main, waiter) == 0;
}

/* The run ends with its last answer; then so does the drive. */
static bool waiter_stop(struct waiter *waiter) {
    (void)pthread_join(waiter->thread, NULL);
    return waiter->status == SWARM_OK;
}

/* How long the answer took to give, and how long until the call step ran. */
static void waiter_sample(struct waiter *waiter, uint64_t *out_submit_ns, uint64_t *out_wake_ns) {
    swarm_completion answer = {.outcome = SWARM_OUTCOME_OK};
    uint64_t begin_ns;

    answer.attempt.id = waiter_get(&waiter->attempt);
    sleep_ns(MS);
    begin_ns = clock_ns(CLOCK_MONOTONIC);
    (void)swarm_complete(waiter->sw, &answer);
    *out_submit_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
    *out_wake_ns = waiter_get(&waiter->start_ns) - begin_ns;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Sorts the samples; reports the least, the median and the 99th in a hundred. */
static void wake_report(benchmark_state *state, const char *const *names, uint64_t *samples) {
    qsort(samples, SAMPLES, sizeof *samples, compare);
    benchmark_set_counter(state, names[0], (double)samples[0]);
    benchmark_set_counter(state, names[1], (double)samples[SAMPLES / 2]);
    benchmark_set_counter(state, names[2], (double)samples[SAMPLES * 99 / 100]);
}

static void bench_wake(benchmark_state *state, void *context) {
    static const char *const submit_names[] = {"submit_min_ns", "submit_p50_ns", "submit_p99_ns"};
    static const char *const wake_names[] = {"wake_min_ns", "wake_p50_ns", "wake_p99_ns"};
    struct bench *bench = context;
    struct waiter waiter;
    uint64_t submit_ns[SAMPLES], wake_ns[SAMPLES];
    bool good = waiter_start(&waiter, bench->threads, SAMPLES);

    while (good && benchmark_keep_running(state)) { /* once */
        for (uint32_t i = 0; i < SAMPLES; i++) {
            waiter_sample(&waiter, &submit_ns[i], &wake_ns[i]);
        }
        good = waiter_stop(&waiter);
        wake_report(state, submit_names, submit_ns);
        wake_report(state, wake_names, wake_ns);
        benchmark_set_time(state, wake_ns[SAMPLES / 2]);
    }
    if (!good) {
        benchmark_fail(state, "the swarm was not made, or did not end");
    }
    (void)swarm_free(waiter.sw);
}

static void bench_idle(benchmark_state *state, void *context) {
    struct bench *bench = context;
    struct waiter waiter;
    uint64_t submit_ns, wake_ns, begin_ns;
    bool good = waiter_start(&waiter, bench->threads, 1);

    while (good && benchmark_keep_running(state)) { /* once */
        sleep_ns(50 * MS);
        begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        sleep_ns(1000 * MS);
        begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin_ns;
        waiter_sample(&waiter, &submit_ns, &wake_ns);
        good = waiter_stop(&waiter);
        benchmark_set_time(state, begin_ns);
        benchmark_set_counter(state, "cpu_ms", (double)begin_ns / (double)MS);
    }
    if (!good) {
        benchmark_fail(state, "the swarm was not made, or did not end");
    }
    (void)swarm_free(waiter.sw);
}

/* ---- the list */

static void list_shapes(struct list *list) {
    for (size_t i = 0; i < 5; i++) {
        struct bench bench = {.shape = workload_known[i].name, .nodes = NODES, .threads = 1};

        list_add(list, &bench, "", "seq", bench_seq);
        list_add(list, &bench, "", "swarm", bench_static);
        list_add(list, &bench, "build-", "swarm", bench_build);
        bench.is_once = true;
        list_add(list, &bench, "mem-", "swarm", bench_mem);
        bench.is_once = false;
        bench.threads = 2;
        list_add(list, &bench, "", "swarm", bench_static);
    }
}

/* Without fan: its last node would name all others as predecessors. */
static void list_dyn(struct list *list) {
    static const char *const shapes[] = {"chain", "tree", "wave", "rand"};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct bench bench = {.shape = shapes[i], .nodes = NODES_FEWER};

        for (bench.threads = 1; bench.threads <= 2; bench.threads++) {
            list_add(list, &bench, "dyn-", "swarm", bench_dyn);
        }
    }
}

static void list_grain(struct list *list, const char *shape) {
    static const uint32_t rounds[] = {200, 500, 1000, 2500, 5000, 20000};

    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        struct bench bench = {
            .shape = shape, .nodes = NODES_FEWER, .threads = 1, .rounds = rounds[i]};

        if (rounds[i] > 2500) {
            bench.nodes = NODES_FEW; /* microseconds each: the graph costs nothing by then */
        }

        list_add(list, &bench, "grain-", "seq", bench_seq);
        list_add(list, &bench, "grain-", "swarm", bench_static);
        bench.threads = 2;
        list_add(list, &bench, "grain-", "swarm", bench_static);
    }
}

static void list_others(struct list *list) {
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct bench bench = {.shape = "fib-plan", .threads = threads};

        list_add(list, &bench, "", "swarm", bench_fib);
        bench.is_once = true;
        bench.shape = "wake-1ms";
        list_add(list, &bench, "", "swarm", bench_wake);
        bench.shape = "idle";
        list_add(list, &bench, "", "swarm", bench_idle);
    }
}

static void list_peers(struct list *list) {
    static const peer_runtime *const peers[] = {
#ifdef BENCH_TBB
        &peer_tbb_flow, &peer_tbb_group,
#endif
#ifdef BENCH_EIGEN
        &peer_eigen,
#endif
#ifdef BENCH_STARPU
        &peer_starpu,
#endif
        NULL};

    for (uint32_t i = 0; peers[i] != NULL; i++) {
        list_peer(list, peers[i], 1);
        list_peer(list, peers[i], 2);
    }
}

int main(int argc, char **argv) {
    static struct list list;
    int result;

    list_shapes(&list);
    list_dyn(&list);
    list_grain(&list, "rand");
    list_grain(&list, "wave");
    list_others(&list);
    list_peers(&list);
    result = benchmark_main(argc, argv);
    graph_free(&list.graph);
    return result;
}
