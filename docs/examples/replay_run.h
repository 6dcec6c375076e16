/* SPDX-License-Identifier: MIT
 *
 * replay_run.h: a run of an input through a swarm, in virtual time.
 *
 * Every task becomes an agent step, in the order of ids: ordinal = id. A unit of the input is 1 ns.
 *   graphs, plans  P agents of one profile; the mock answers after the task's duration
 *   .rcp           and each class is a permit, its units are the step's needs
 *   .het           an agent a worker, the mock looks up who takes how long; transfers are delays of
 *                  edges. Under heft each step is pinned to its agent, a transfer counts only
 *                  between two agents, and edges keep the order of each agent's steps
 *   sessions       a chain a trace; think time is the delay of the edge, also when it is 0: the
 *                  next request then arrives after all completions of its instant
 * A policy is an order of the run (SWARM_ORDER_*) and, for sessions, a key a step.
 *
 * The result is measured on the log (replay_trace.h) and checked against the input
 * (replay_check.h); the bounds come from the input (replay_bounds.h).
 */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "replay_check.h"
#include "replay_engine.h"
#include "replay_heft.h"
#include "replay_input.h"

enum {
    RUN_CLASSES_MAX = 1024, /* capacity classes of one input */
    RUN_NEEDS_MAX = 8,      /* of one step: a limit of swarm_step_spec */
};

/* ---- Policies -------------------------------------------------------------------------- */

enum policy {
    POLICY_FIFO,
    POLICY_LIFO,
    POLICY_HOPS,
    POLICY_CRITICAL_PATH,
    POLICY_LONGEST_REMAINING,
    POLICY_SHORTEST_REMAINING,
    POLICY_FEWEST_DONE,
    POLICY_MOST_DONE,
    POLICY_HEFT,
    POLICIES
};

static const char *const policy_names[POLICIES] = {
    "fifo",        "lifo",      "hops", "critical-path", "longest-remaining", "shortest-remaining",
    "fewest-done", "most-done", "heft"};

/* Whether a policy means anything for inputs of this kind. */
static inline bool policy_fits(enum policy policy, enum input_kind kind) {
    switch (policy) {
    case POLICY_FIFO:
    case POLICY_LIFO:
        return true;
    case POLICY_HOPS:
    case POLICY_CRITICAL_PATH:
        return kind == INPUT_DAG || kind == INPUT_STG || kind == INPUT_RCP || kind == INPUT_PLANS;
    case POLICY_HEFT:
        return kind == INPUT_HET;
    case POLICY_LONGEST_REMAINING:
    case POLICY_SHORTEST_REMAINING:
    case POLICY_FEWEST_DONE:
    case POLICY_MOST_DONE:
    case POLICIES:
        break;
    }
    return kind == INPUT_SESSIONS;
}

static inline uint32_t policy_order(enum policy policy, enum input_kind kind) {
    switch (policy) {
    case POLICY_LIFO:
        return SWARM_ORDER_LIFO;
    case POLICY_HOPS:
        return SWARM_ORDER_HOPS;
    case POLICY_CRITICAL_PATH:
        return SWARM_ORDER_CRITICAL;
    case POLICY_LONGEST_REMAINING:
    case POLICY_SHORTEST_REMAINING:
    case POLICY_FEWEST_DONE:
    case POLICY_MOST_DONE:
        return SWARM_ORDER_KEY;
    case POLICY_FIFO:
    case POLICY_HEFT:
    case POLICIES:
        break;
    }
    return kind == INPUT_RCP ? SWARM_ORDER_KEY_ID : SWARM_ORDER_FIFO; /* .rcp: by id */
}

/* ---- What is asked, and what comes out --------------------------------------------------- */

struct run_options {
    struct input_options input;
    enum policy policy;
    uint64_t seed;
    uint32_t agents;
    uint32_t workers;
};

struct run_result {
    const char *input;
    struct slice plan; /* id, for plans */
    uint64_t agents;
    enum policy policy;
    uint64_t seed;
    uint64_t steps, edges;
    uint64_t makespan, critical_path, work, lower_bound;
    uint64_t mean_completion;
    bool has_mean;
    uint64_t violations;
    uint64_t scheduler_ns;
    bool silent;             /* scheduler_ns is that of the same run without a log */
    swarm_run_report report; /* outcomes, hash */
    struct input_error error;
};

/* One run on its way. */
struct run_job {
    const struct input_run *run;
    const struct run_options *options;
    struct engine *engine;
    struct run_result *result;
    struct heft_plan heft; /* for that policy */
    swarm_step *steps;     /* handles, by task */
    uint64_t *keys;        /* by task, for policies of sessions */
    swarm_permit *permits; /* by class */
    swarm_agent first;     /* agent; the others follow */
    uint32_t agents;
};

static inline void run_job_free(struct run_job *job) {
    heft_free(&job->heft);
    free(job->steps);
    free(job->keys);
    free(job->permits);
}

/* ---- Keys of sessions -------------------------------------------------------------------- */

static inline void run_fill_keys(struct run_job *job) {
    const struct input_run *run = job->run;
    enum policy policy = job->options->policy;
    bool largest = policy == POLICY_LONGEST_REMAINING || policy == POLICY_MOST_DONE;
    if (policy == POLICY_LONGEST_REMAINING || policy == POLICY_SHORTEST_REMAINING) {
        bounds_remaining(run, job->keys);
    } else if (policy == POLICY_FEWEST_DONE || policy == POLICY_MOST_DONE) {
        for (uint32_t v = 0; v < run->task_count; ++v) {
            job->keys[v] = v - run->trace_first[run->tasks[v].trace];
        }
    }
    for (uint32_t v = 0; largest && v < run->task_count; ++v) {
        job->keys[v] = INT64_MAX - job->keys[v]; /* the smallest key goes first */
    }
}

static inline bool run_prepare(struct run_job *job) {
    const struct input_run *run = job->run;
    struct input_error *error = &job->result->error;
    if (run->class_count > RUN_CLASSES_MAX) {
        return input_fail(error, "SWARM_E_LIMIT", run->line, "more than %d classes",
                          RUN_CLASSES_MAX);
    }
    if (job->options->policy == POLICY_HEFT && !heft_schedule(run, &job->heft, error)) {
        return false;
    }
    job->steps = array_new(run->task_count, sizeof *job->steps);
    job->keys = array_new(run->task_count, sizeof *job->keys);
    job->permits = array_new(run->class_count, sizeof *job->permits);
    if (job->steps == NULL || job->keys == NULL || job->permits == NULL) {
        return input_out_of_memory(error, run->line);
    }
    run_fill_keys(job);
    return true;
}

/* ---- The swarm --------------------------------------------------------------------------- */

/* Agents that can ever work at once: more would only cost memory. */
static inline uint32_t run_agents(const struct run_job *job) {
    uint32_t count = job->run->task_count;
    if (job->run->kind == INPUT_HET) {
        return job->run->worker_count;
    }
    return job->options->agents < count ? job->options->agents : count;
}

/* Distinct sets of requirements, and one while a step is added. */
static inline uint32_t run_demands(const struct run_job *job) {
    if (job->run->kind == INPUT_RCP) {
        return job->run->task_count + 1;
    }
    return job->options->policy == POLICY_HEFT ? job->agents + 1 : 2;
}

/* Room for this run and no more. */
static inline swarm_config run_config(const struct run_job *job) {
    const struct input_run *run = job->run;
    uint64_t edges = (uint64_t)run->edge_count + run->task_count; /* heft adds its own */
    return (swarm_config){
        .seed = job->options->seed,
        .log_bytes = engine_log_bytes(run->task_count, edges),
        .flags = SWARM_CONFIG_STATIC,
        .runs_max = 1,
        .steps_max = run->task_count,
        .edges_max = edges < INT32_MAX ? (uint32_t)edges : INT32_MAX,
        .tracked_max = run->task_count,
        .delays_max = run->edge_count + 1,
        .inputs_max = 1,
        .agents_max = job->agents,
        .profiles_max = 1,
        .skills_max = 1,
        .permits_max = run->class_count + 1,
        .demands_max = run_demands(job),
        .backends_max = 1,
        .functions_max = 1,
        .inflight_max = job->agents,
        .scopes_max = 1,
        .plans_max = 1,
        .ranges_max = 1,
        .deque_size = 64,
        .commands_max = 1,
    };
}

/* How long a worker takes, where they are unlike. */
static inline uint64_t run_latency(void *context, const swarm_request *request) {
    const struct run_job *job = context;
    uint64_t worker = request->agent.id - job->first.id;
    return job->run->cost[request->ordinal * job->run->worker_count + worker];
}

static inline bool run_open(struct run_job *job) {
    bool unlike = job->run->kind == INPUT_HET;
    swarm_mock_model model = {.kind = unlike ? SWARM_MOCK_CALLBACK : SWARM_MOCK_ARGUMENT};
    swarm_mock_spec mock = {.size = sizeof mock,
                            .models = &model,
                            .models_count = 1,
                            .context = job,
                            .latency = run_latency,
                            .inflight_max = job->agents,
                            .scripts_max = SWARM_NONE};
    swarm_config config = run_config(job);
    struct engine_need need = {&config, &mock, job->options->workers};
    return engine_open(job->engine, &need, &job->result->error);
}

static inline void run_add_agents(struct run_job *job) {
    swarm *sw = job->engine->sw;
    swarm_profile_spec worker = {.name = "worker", .backend = job->engine->backend};
    job->first = swarm_agent_add(sw, swarm_profile_add(sw, &worker), job->agents);
    for (uint32_t c = 0; c < job->run->class_count; ++c) {
        char name[32];
        snprintf(name, sizeof name, "class %u", c + 1);
        if (job->run->capacity[c] > 0) { /* else the reader has seen that nobody wants it */
            job->permits[c] = swarm_permit_add(sw, name, job->run->capacity[c]);
        }
    }
}

/* ---- The plan ---------------------------------------------------------------------------- */

/* The classes that the task takes units of; false when they are too many for a step. */
static inline bool run_fill_needs(const struct run_job *job, uint32_t task, swarm_need *needs,
                                  uint32_t *out_count) {
    const struct input_run *run = job->run;
    *out_count = 0;
    for (uint32_t c = 0; c < run->class_count; ++c) {
        uint32_t units = run->units[(size_t)task * run->class_count + c];
        if (units > 0 && *out_count == RUN_NEEDS_MAX) {
            return input_fail(&job->result->error, "SWARM_E_UNSUPPORTED", run->tasks[task].line,
                              "a step takes units of at most %d classes", RUN_NEEDS_MAX);
        }
        if (units > 0) {
            needs[(*out_count)++] = (swarm_need){job->permits[c], units};
        }
    }
    return true;
}

static inline bool run_add_steps(struct run_job *job, swarm_plan *plan) {
    const struct input_run *run = job->run;
    for (uint32_t v = 0; v < run->task_count; ++v) {
        swarm_need needs[RUN_NEEDS_MAX];
        swarm_step_spec spec = {.argument = run->tasks[v].duration,
                                .estimate_ns = run->tasks[v].duration,
                                .order_key = job->keys[v],
                                .needs = needs};
        if (!run_fill_needs(job, v, needs, &spec.needs_count)) {
            return false;
        }
        if (job->heft.place != NULL) {
            spec.agent.id = job->first.id + job->heft.place[v].worker;
        }
        job->steps[v] = swarm_step_add(plan, &spec);
    }
    return true;
}

static inline uint64_t run_delay(const struct run_job *job, const struct input_edge *edge) {
    const struct heft_place *place = job->heft.place;
    if (job->run->kind == INPUT_SESSIONS && edge->delay == 0) {
        return SWARM_ZERO; /* no time, but an arrival: after the instant's completions */
    }
    return place != NULL && place[edge->from].worker == place[edge->to].worker ? 0 : edge->delay;
}

/* Under heft, each worker's tasks one after the other; one that is an edge anyway counts once. */
static inline void run_add_sequences(struct run_job *job, swarm_plan *plan) {
    const struct heft_plan *heft = &job->heft;
    for (uint32_t w = 0; heft->first != NULL && w < job->run->worker_count; ++w) {
        for (uint32_t i = heft->first[w] + 1; i < heft->first[w + 1]; ++i) {
            swarm_step from = job->steps[heft->sequence[i - 1]];
            swarm_edge_add(plan, from, job->steps[heft->sequence[i]], 0);
        }
    }
}

/* Adds answer with null handles after an error; the commit says which was the first. */
static inline bool run_commit(struct run_job *job, swarm_run handle) {
    swarm_plan *plan = swarm_plan_open(job->engine->sw, handle);
    swarm_error error = {.text = NULL};
    if (!run_add_steps(job, plan)) {
        swarm_plan_drop(plan);
        return false;
    }
    for (uint32_t e = 0; e < job->run->edge_count; ++e) {
        const struct input_edge *edge = &job->run->edges[e];
        swarm_edge_add(plan, job->steps[edge->from], job->steps[edge->to], run_delay(job, edge));
    }
    run_add_sequences(job, plan);
    swarm_status status = swarm_plan_commit(plan, &error);
    return status == SWARM_OK || engine_fail(&job->result->error, status, error.text);
}

static inline bool run_drive(struct run_job *job) {
    swarm *sw = job->engine->sw;
    swarm_run_spec spec = {.order = policy_order(job->options->policy, job->run->kind)};
    run_add_agents(job);
    engine_enter(job->engine);
    swarm_run handle = swarm_run_open(sw, &spec);
    bool good =
        run_commit(job, handle) && engine_drive(job->engine, SWARM_NEVER, &job->result->error);
    engine_leave(job->engine);
    swarm_run_report_get(sw, handle, &job->result->report);
    job->result->scheduler_ns = job->engine->spent_ns;
    return good;
}

/* ---- The result -------------------------------------------------------------------------- */

static inline bool run_check(struct run_job *job, const struct trace *trace) {
    const struct input_run *run = job->run;
    struct check_plan plan = {
        .edges = run->edges,
        .step_count = run->task_count,
        .edge_count = run->edge_count,
        .agents = job->agents,
        .class_count = run->class_count,
        .capacity = run->capacity,
        .units = run->units,
        .delay_free_on_one_agent = job->heft.place != NULL,
    };
    return check_trace(trace, &plan, &job->result->violations) ||
           input_out_of_memory(&job->result->error, run->line);
}

/* Mean over traces of the end of the last request, to the nearest. */
static inline uint64_t run_mean_completion(const struct input_run *run, const struct trace *trace) {
    uint64_t count = run->trace_count, mean = 0, rest = 0;
    for (uint32_t t = 0; t < count; ++t) {
        uint64_t end = trace->steps[run->trace_first[t + 1] - 1].ended_ns;
        mean += end / count;
        rest += end % count;
    }
    return mean + (2 * rest + count) / (2 * count);
}

static inline bool run_measure(struct run_job *job, struct trace *out_trace) {
    const struct engine_log *log = &job->engine->log;
    struct run_result *result = job->result;
    struct bounds bounds;
    if (!trace_read(log->bytes, log->size, out_trace, &result->error)) {
        return false;
    }
    if (!bounds_of(job->run, job->options->agents, &bounds)) {
        return input_out_of_memory(&result->error, job->run->line);
    }
    result->steps = job->run->task_count;
    result->edges = job->run->edge_count;
    result->makespan = out_trace->makespan_ns;
    result->critical_path = bounds.critical_path;
    result->work = bounds.work;
    result->lower_bound = bounds.lower_bound;
    if (!run_check(job, out_trace)) {
        return false;
    }
    result->has_mean = job->run->kind == INPUT_SESSIONS && result->violations == 0;
    result->mean_completion = result->has_mean ? run_mean_completion(job->run, out_trace) : 0;
    return true;
}

/* Runs a good run; false leaves the reason in the result's error. The trace is the caller's. */
static inline bool run_input(struct engine *engine, const struct input_run *run,
                             const struct run_options *options, struct run_result *result,
                             struct trace *out_trace) {
    struct run_job job = {.run = run, .options = options, .engine = engine, .result = result};
    *out_trace = (struct trace){.steps = NULL};
    job.agents = run_agents(&job);
    if (run->kind == INPUT_HET) {
        result->agents = job.agents;
    }
    bool good = run_prepare(&job) && run_open(&job);
    if (good) {
        good = run_drive(&job) && run_measure(&job, out_trace);
        engine_close(engine);
    }
    run_job_free(&job);
    return good;
}

#endif
