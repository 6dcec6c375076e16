/* SPDX-License-Identifier: MIT */
/*
 * scenario.h - what the scenarios of tests/scenario.c share: their results, draws, and graphs.
 *
 * A scenario plays a policy of the library in virtual time and writes down integers: means over its
 * block of seeds, times in ms. It never simulates a mechanism itself; what it makes up is the
 * world: graphs, durations, failures.
 *
 * Draws are counter based: draw(seed, stream, n) of a run does not depend on the policy that is
 * tried, so policies are compared on equal luck. LN(m, s) = exp(N(ln m - s*s/2, s*s)): lognormal
 * with mean m. Drawing is floating point; what is drawn is whole nanoseconds.
 */
#ifndef SWARM_TESTS_SCENARIO_H
#define SWARM_TESTS_SCENARIO_H

#include <math.h>

#include "../docs/examples/replay_run.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define PPM UINT64_C(1000000)
#define VALUES_MAX 16u

struct scenario_value {
    const char *key;
    uint64_t value;
};

/* What a scenario is given, and what it found. */
struct scenario {
    uint64_t seed;     /* first of its block */
    const char *input; /* a recorded workload, or null: its usual one */
    struct scenario_value values[VALUES_MAX];
    uint32_t count;
    struct input_error error; /* why there are no values */
    struct engine engine;     /* one after the other */
};

static inline void scenario_add(struct scenario *s, const char *key, uint64_t value) {
    if (s->count < VALUES_MAX) {
        s->values[s->count++] = (struct scenario_value){key, value};
    }
}

/* For what the library refused; always false. */
static inline bool scenario_fail(struct scenario *s, swarm_status status, const char *text) {
    return engine_fail(&s->error, status, text);
}

/* part / whole in millionths, rounded down; 0 for an empty whole. */
static inline uint64_t ratio_ppm(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * 1e6 + 1e-9);
}

/* ---- Means and medians ------------------------------------------------------------------- */

/* Numbers of a block of seeds. */
struct sample {
    uint64_t *items;
    uint32_t count;
    uint32_t room;
};

static inline bool sample_add(struct sample *sample, uint64_t value) {
    void *room = array_room(sample->items, sample->count, &sample->room, sizeof value);
    if (room == NULL) {
        return false;
    }
    sample->items = room;
    sample->items[sample->count++] = value;
    return true;
}

static inline uint64_t sample_mean(const struct sample *sample) {
    double sum = 0;
    for (uint32_t i = 0; i < sample->count; ++i) {
        sum += (double)sample->items[i];
    }
    return sample->count == 0 ? 0 : (uint64_t)(sum / sample->count);
}

static inline int sample_compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts them; the smaller of two middles. */
static inline uint64_t sample_median(struct sample *sample) {
    if (sample->count == 0) {
        return 0;
    }
    qsort(sample->items, sample->count, sizeof *sample->items, sample_compare);
    return sample->items[(sample->count - 1) / 2];
}

static inline uint64_t sample_max(const struct sample *sample) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < sample->count; ++i) {
        most = sample->items[i] > most ? sample->items[i] : most;
    }
    return most;
}

/* ---- Draws ------------------------------------------------------------------------------- */

/* A sequence of its own: the n-th draw of a stream of a seed. */
struct draws {
    uint64_t seed, stream, n;
};

/* Evenly from [0, 1). */
static inline double draw_even(struct draws *d) {
    return (double)(swarm_random(d->seed, d->stream, d->n++) >> 11) * 0x1p-53;
}

/* Standard normal, by Box and Muller (1958). */
static inline double draw_normal(struct draws *d) {
    double radius = sqrt(-2 * log(1 - draw_even(d)));
    return radius * cos(2 * 3.14159265358979323846 * draw_even(d));
}

/* LN(mean, sigma), in the unit of the mean. */
static inline double draw_lognormal(struct draws *d, double mean, double sigma) {
    return mean * exp(sigma * draw_normal(d) - sigma * sigma / 2);
}

/* The same in ns, at least 1, for a mean in seconds. */
static inline uint64_t draw_time(struct draws *d, double mean_s, double sigma) {
    double ns = draw_lognormal(d, mean_s, sigma) * 1e9;
    return ns < 1 ? 1 : (uint64_t)ns;
}

/* ---- Graphs ------------------------------------------------------------------------------ */

/* A graph in the making. After a failed allocation it takes nothing more; graph_play says so. */
struct graph {
    struct input_run run;
    bool full;
};

/* Its tasks are numbered from 0. */
static inline uint32_t graph_task(struct graph *graph, uint64_t duration_ns) {
    uint32_t id = graph->run.task_count;
    struct input_task task = {.duration = duration_ns};
    graph->full = graph->full || !run_add_task(&graph->run, task);
    return id;
}

static inline void graph_edge(struct graph *graph, uint32_t from, uint32_t to) {
    struct input_edge edge = {.from = from, .to = to};
    graph->full = graph->full || !run_add_edge(&graph->run, edge);
}

static inline bool graph_seal(struct scenario *s, struct graph *graph) {
    graph->run.kind = INPUT_DAG;
    if (graph->full || !run_seal(&graph->run)) {
        s->error = graph->run.error;
        return s->error.status != NULL ? false : input_out_of_memory(&s->error, 0);
    }
    return true;
}

/* Plays a sealed graph on so many agents; every rule is checked on the log. */
static inline bool graph_play(struct scenario *s, const struct input_run *run, uint32_t agents,
                              enum policy policy, struct run_result *result) {
    struct run_options options = {
        .policy = policy, .seed = s->seed, .agents = agents, .workers = 1};
    struct trace trace;
    *result = (struct run_result){.agents = agents};
    bool good = run_input(&s->engine, run, &options, result, &trace);
    trace_free(&trace);
    if (!good) {
        s->error = result->error;
        return false;
    }
    return result->violations == 0 ||
           scenario_fail(s, SWARM_E_FAILED, "the log breaks a rule of the plan");
}

/* ---- Recorded workloads ------------------------------------------------------------------ */

struct workload {
    struct input input;
    struct input_run run; /* the first of the file */
};

/* Closed with workload_close, also when it could not be read. */
static inline bool workload_open(struct scenario *s, const char *path,
                                 const struct input_options *options, struct workload *workload) {
    workload->run = (struct input_run){.task_count = 0};
    input_open(&workload->input, path, options);
    if (!input_next(&workload->input, &workload->run)) {
        return input_fail(&s->error, "SWARM_E_INVALID", 0, "the file is empty");
    }
    s->error = workload->run.error;
    return s->error.status == NULL;
}

static inline void workload_close(struct workload *workload) {
    input_run_free(&workload->run);
    input_close(&workload->input);
}

/* The same, of a graph whose steps take known times. */
static inline bool workload_open_graph(struct scenario *s, struct workload *workload) {
    struct input_options options = {.sessions = 0};
    return workload_open(s, s->input, &options, workload) &&
           (workload->run.kind == INPUT_DAG || workload->run.kind == INPUT_STG ||
            input_fail(&s->error, "SWARM_E_INVALID", 0, "not a .dag or .stg file"));
}

/* The same, of recorded sessions: the first 14 requests of each of 300, think times cut to 10 s, as
 * in all figures for them. */
static inline bool workload_open_sessions(struct scenario *s, const char *path,
                                          struct workload *workload) {
    struct input_options options = {.sessions = 300, .requests = 14, .think_cap_ms = 10000};
    return workload_open(s, path, &options, workload) &&
           (workload->run.kind == INPUT_SESSIONS ||
            input_fail(&s->error, "SWARM_E_INVALID", 0, "not a file of sessions"));
}

/* ---- Fleets ------------------------------------------------------------------------------ */

/* A swarm without a log, the mock, and so many agents that take one step at a time. Closed with
 * engine_close. */
static inline bool world_open(struct scenario *s, swarm_config *config, swarm_mock_spec *mock,
                              uint32_t agents) {
    struct engine_need need = {config, mock, 1};
    mock->size = sizeof *mock;
    mock->models_count = mock->models_count == 0 ? 1 : mock->models_count;
    mock->inflight_max = mock->inflight_max == 0 ? agents : mock->inflight_max;
    mock->scripts_max = SWARM_NONE;
    config->log_bytes = SWARM_NEVER;
    config->agents_max = agents;
    if (!engine_open(&s->engine, &need, &s->error)) {
        return false;
    }
    swarm_profile_spec profile = {.name = "worker", .backend = s->engine.backend};
    swarm_agent_add(s->engine.sw, swarm_profile_add(s->engine.sw, &profile), agents);
    return true;
}

static inline bool world_commit(struct scenario *s, swarm_plan *plan) {
    swarm_error error = {.text = NULL};
    swarm_status status = swarm_plan_commit(plan, &error);
    return status == SWARM_OK || scenario_fail(s, status, error.text);
}

/* Until all runs have ended and the backend owes no answer. */
static inline bool world_drive(struct scenario *s) {
    swarm_status status = swarm_sim_drive(s->engine.sw, NULL);
    if (status == SWARM_OK && swarm_drain(s->engine.sw) == SWARM_E_AGAIN) {
        status = swarm_sim_drive(s->engine.sw, NULL);
    }
    return status == SWARM_OK || scenario_fail(s, status, NULL);
}

/* The report of a run in which so many steps must have ended OK, at least. */
static inline bool world_report(struct scenario *s, swarm_run run, uint64_t ok,
                                swarm_run_report *report) {
    swarm_status status = swarm_run_report_get(s->engine.sw, run, report);
    return (status == SWARM_OK && report->ok >= ok) ||
           scenario_fail(s, status != SWARM_OK ? status : SWARM_E_FAILED, NULL);
}

#endif
