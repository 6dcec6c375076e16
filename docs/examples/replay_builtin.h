/* SPDX-License-Identifier: MIT
 *
 * replay_builtin.h: the reference run, 300 agents and 4,000 steps.
 *
 *     plan -> expand -+-> team -+-> merge -> plan -> expand -+-> ... -> merge -+-> section -+
 *                     +-> team -+                            +-> ...           +-> section -+
 *                     +-> ...  -+                                              +-> ...     -+
 *                                                                     synthesis <- join <--'
 *
 * A coordinator (an agent step) says into how many teams the next wave of the job is divided. The
 * call step `expand` reads that and adds the wave: in each team four sub-agents work through a
 * chain of four steps (search, read, write, review), a call step reduces what they bring, another
 * one validates it. When all teams are through, the coordinator plans the next wave; after the last
 * one eleven sections are written, and one agent puts them together.
 *
 *     team    4 chains * 4 steps + reduce + validate                         18 steps
 *     wave    its teams + merge + plan + expand                              18 * teams + 3
 *     all     2 + waves of 16, 120 and 85 teams + merge, 11 sections, join, synthesis = 4,000
 *
 * Agents are simulated: latencies are lognormal, 2 % of the attempts fail, 0.5 % never answer and
 * are given up after 90 s; both are tried again after a backoff with jitter.
 *
 * Threads: expand and its kind run on any worker; they share only what never changes.
 */
#ifndef REPLAY_BUILTIN_H
#define REPLAY_BUILTIN_H

#include "replay_run.h"

enum {
    BUILTIN_STEPS = 4000,
    BUILTIN_AGENTS = 300,
    BUILTIN_WAVES = 3,
    BUILTIN_CHAINS = 4,    /* in a team */
    BUILTIN_SECTIONS = 11, /* of the final text */
    BUILTIN_TEAMS_MAX = 120,
    BUILTIN_WORDS_MIN = 200, /* what a step brings, at least and less than */
    BUILTIN_WORDS_MAX = 1000,
};

static const uint32_t builtin_teams[BUILTIN_WAVES] = {16, BUILTIN_TEAMS_MAX, 85};

/* ---- Roles ----------------------------------------------------------------------------- */

enum builtin_role {
    ROLE_PLAN,
    ROLE_SEARCH,
    ROLE_READ,
    ROLE_WRITE,
    ROLE_REVIEW,
    ROLE_SYNTHESIS,
    ROLES
};

static const enum builtin_role builtin_chain[BUILTIN_CHAINS] = {ROLE_SEARCH, ROLE_READ, ROLE_WRITE,
                                                                ROLE_REVIEW};
static const char *const role_names[ROLES] = {"plan",  "search", "read",
                                              "write", "review", "synthesis"};
static const char *const role_skills[ROLES] = {"planning", "research", "research",
                                               "writing",  "review",   "planning"};

#define BUILTIN_SECOND UINT64_C(1000000000)
#define BUILTIN_PATIENCE (90 * BUILTIN_SECOND) /* an attempt that takes longer has stalled */

struct role_habit {
    uint32_t mean_s;
    uint32_t sigma_ppm;
    uint32_t input_tokens;
    uint32_t output_tokens;
};

static const struct role_habit role_habits[ROLES] = {
    {20, 400000, 12000, 1200}, {6, 900000, 3000, 300},  {15, 700000, 20000, 600},
    {30, 500000, 15000, 2500}, {10, 600000, 8000, 400}, {60, 300000, 60000, 6000},
};

static inline swarm_mock_model builtin_model(enum builtin_role role) {
    const struct role_habit *habit = &role_habits[role];
    return (swarm_mock_model){
        .kind = SWARM_MOCK_LOGNORMAL,
        .mean_ns = habit->mean_s * BUILTIN_SECOND,
        .sigma_ppm = habit->sigma_ppm,
        .max_ns = BUILTIN_PATIENCE - 10 * BUILTIN_SECOND,
        .input_tokens = habit->input_tokens,
        .output_tokens = habit->output_tokens,
        .cached_ppm = 600000,
        /* 3, 0.30 and 15 dollars a million tokens, in nano-dollars */
        .price = {.input_nano = 3000, .cached_nano = 300, .output_nano = 15000},
        .failure_ppm = 20000,
        .stall_ppm = 5000,
    };
}

/* A step's argument: the role in the low byte, the wave above it. */
static inline uint64_t builtin_argument(enum builtin_role role, uint64_t wave) {
    return wave << 8 | (uint64_t)role;
}

static inline enum builtin_role role_of(uint64_t argument) {
    return (enum builtin_role)(argument & 0xff);
}

static inline uint32_t builtin_choose(void *context, const swarm_request *request) {
    (void)context;
    return role_of(request->argument);
}

/* What an agent brings: a coordinator the number of teams, everybody else some words. */
static inline swarm_outcome builtin_answer(void *context, const swarm_request *request,
                                           swarm_result *out_result) {
    uint64_t wave = request->argument >> 8;
    (void)context;
    if (role_of(request->argument) == ROLE_PLAN) {
        out_result->value = wave < BUILTIN_WAVES ? builtin_teams[wave] : 0;
    } else {
        uint64_t draw = swarm_random(request->run_seed, 0, request->ordinal);
        out_result->value = BUILTIN_WORDS_MIN + draw % (BUILTIN_WORDS_MAX - BUILTIN_WORDS_MIN);
    }
    return SWARM_OUTCOME_OK;
}

/* ---- The orchestrator ------------------------------------------------------------------ */

struct builtin {
    swarm_function expand, reduce, validate;
};

static inline swarm_step builtin_add_agent_step(swarm_plan *plan, enum builtin_role role,
                                                uint64_t wave) {
    swarm_step_spec spec = {
        .argument = builtin_argument(role, wave),
        .payload = role_names[role],
        .payload_size = strlen(role_names[role]),
        .skills = &role_skills[role],
        .skills_count = 1,
        .run_timeout_ns = BUILTIN_PATIENCE,
        .retry = {.attempts_max = 8, .jitter_ppm = 250000},
    };
    return swarm_step_add(plan, &spec);
}

/* A call step that reads its predecessors. */
static inline swarm_step builtin_add_reader(swarm_plan *plan, swarm_function function,
                                            uint64_t argument) {
    swarm_step_spec spec = {.function = function, .argument = argument, .flags = SWARM_STEP_INPUTS};
    return swarm_step_add(plan, &spec);
}

/* Four sub-agents side by side; returns the validator, which waits for all of them. */
static inline swarm_step builtin_add_team(const struct builtin *builtin, swarm_plan *plan,
                                          uint64_t wave) {
    swarm_step last[BUILTIN_CHAINS];
    for (uint32_t c = 0; c < BUILTIN_CHAINS; ++c) {
        last[c] = builtin_add_agent_step(plan, builtin_chain[0], wave);
        for (uint32_t i = 1; i < BUILTIN_CHAINS; ++i) {
            swarm_step next = builtin_add_agent_step(plan, builtin_chain[i], wave);
            swarm_edge_add(plan, last[c], next, 0);
            last[c] = next;
        }
    }
    swarm_step reduce = builtin_add_reader(plan, builtin->reduce, 0);
    for (uint32_t c = 0; c < BUILTIN_CHAINS; ++c) {
        swarm_edge_add(plan, last[c], reduce, 0);
    }
    swarm_step validate = builtin_add_reader(plan, builtin->validate, BUILTIN_CHAINS);
    swarm_edge_add(plan, reduce, validate, 0);
    return validate;
}

/* The coordinator plans again when the wave is merged. */
static inline void builtin_add_next_wave(const struct builtin *builtin, swarm_plan *plan,
                                         swarm_step merge, uint64_t wave) {
    swarm_step coordinator = builtin_add_agent_step(plan, ROLE_PLAN, wave);
    swarm_step expand = builtin_add_reader(plan, builtin->expand, wave);
    swarm_edge_add(plan, merge, coordinator, 0);
    swarm_edge_add(plan, coordinator, expand, 0);
}

static inline void builtin_add_ending(const struct builtin *builtin, swarm_plan *plan,
                                      swarm_step merge) {
    swarm_step sections[BUILTIN_SECTIONS];
    for (uint32_t i = 0; i < BUILTIN_SECTIONS; ++i) {
        sections[i] = builtin_add_agent_step(plan, ROLE_WRITE, BUILTIN_WAVES);
        swarm_edge_add(plan, merge, sections[i], 0);
    }
    swarm_step join = builtin_add_reader(plan, builtin->reduce, 0);
    for (uint32_t i = 0; i < BUILTIN_SECTIONS; ++i) {
        swarm_edge_add(plan, sections[i], join, 0);
    }
    swarm_edge_add(plan, join, builtin_add_agent_step(plan, ROLE_SYNTHESIS, BUILTIN_WAVES), 0);
}

/* The coordinator's word becomes steps: applied when this returns OK, whole or not at all. */
static inline swarm_outcome builtin_expand(void *context, const swarm_call *call,
                                           uint64_t *out_value) {
    const struct builtin *builtin = context;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step teams[BUILTIN_TEAMS_MAX];
    swarm_result answer;
    if (swarm_call_input(call, 0, &answer) != SWARM_OK || answer.value > BUILTIN_TEAMS_MAX) {
        return SWARM_OUTCOME_GARBAGE;
    }
    for (uint32_t t = 0; t < answer.value; ++t) {
        teams[t] = builtin_add_team(builtin, plan, call->argument);
    }
    swarm_step merge = builtin_add_reader(plan, builtin->reduce, 0);
    for (uint32_t t = 0; t < answer.value; ++t) {
        swarm_edge_add(plan, teams[t], merge, 0);
    }
    if (call->argument + 1 < BUILTIN_WAVES) {
        builtin_add_next_wave(builtin, plan, merge, call->argument + 1);
    } else {
        builtin_add_ending(builtin, plan, merge);
    }
    *out_value = answer.value;
    return SWARM_OUTCOME_OK;
}

/* The sum of what the predecessors brought. */
static inline swarm_outcome builtin_reduce(void *context, const swarm_call *call,
                                           uint64_t *out_value) {
    swarm_result input;
    (void)context;
    for (uint32_t i = 0; i < call->inputs; ++i) {
        if (swarm_call_input(call, i, &input) != SWARM_OK) {
            return SWARM_OUTCOME_GARBAGE;
        }
        *out_value += input.value;
    }
    return SWARM_OUTCOME_OK;
}

/* Whether a sum is one that this many steps can have brought; passes it on. */
static inline swarm_outcome builtin_validate(void *context, const swarm_call *call,
                                             uint64_t *out_value) {
    swarm_result sum;
    (void)context;
    if (swarm_call_input(call, 0, &sum) != SWARM_OK ||
        sum.value < call->argument * BUILTIN_WORDS_MIN ||
        sum.value >= call->argument * BUILTIN_WORDS_MAX) {
        return SWARM_OUTCOME_GARBAGE;
    }
    *out_value = sum.value;
    return SWARM_OUTCOME_OK;
}

/* ---- The fleet ------------------------------------------------------------------------- */

struct builtin_profile {
    const char *name;
    const char *skills[4];
    uint32_t skills_count;
    uint32_t of_300; /* agents among 300; the last profile takes what is left */
};

static const struct builtin_profile builtin_profiles[] = {
    {"planner", {"planning"}, 1, 2},
    {"researcher", {"research"}, 1, 120},
    {"writer", {"writing"}, 1, 60},
    {"reviewer", {"review"}, 1, 58},
    {"generalist", {"planning", "research", "writing", "review"}, 4, 0},
};

enum {
    BUILTIN_PROFILES = sizeof builtin_profiles / sizeof builtin_profiles[0],
};

static inline void builtin_add_agents(struct engine *engine, uint32_t agents) {
    uint32_t left = agents;
    for (uint32_t p = 0; p < BUILTIN_PROFILES; ++p) {
        const struct builtin_profile *profile = &builtin_profiles[p];
        swarm_profile_spec spec = {.name = profile->name,
                                   .skills = profile->skills,
                                   .skills_count = profile->skills_count,
                                   .backend = engine->backend};
        uint32_t count = (uint32_t)((uint64_t)agents * profile->of_300 / BUILTIN_AGENTS);
        count = p + 1 == BUILTIN_PROFILES ? left : count;
        swarm_profile id = swarm_profile_add(engine->sw, &spec);
        if (count > 0) {
            swarm_agent_add(engine->sw, id, count);
        }
        left -= count;
    }
}

/* ---- The run --------------------------------------------------------------------------- */

/* One run on its way, and what may watch it: called from time to time, outside the clock. */
struct builtin_job {
    struct engine *engine;
    const struct run_options *options;
    struct run_result *result;
    void (*watch)(const swarm_run_report *report, uint64_t now_ns); /* may be null */
    bool no_log; /* to measure what the log costs: nothing can be checked then */
};

static inline bool builtin_open(const struct builtin_job *job) {
    uint32_t agents = job->options->agents;
    uint32_t inflight = agents < BUILTIN_STEPS ? agents : BUILTIN_STEPS;
    swarm_mock_model models[ROLES];
    swarm_mock_spec mock = {.size = sizeof mock,
                            .models = models,
                            .models_count = ROLES,
                            .seed = job->options->seed,
                            .choose = builtin_choose,
                            .answer = builtin_answer,
                            .inflight_max = inflight,
                            .scripts_max = SWARM_NONE};
    swarm_config config = {
        .seed = job->options->seed,
        .log_bytes = job->no_log ? SWARM_NEVER : 0,
        .steps_max = BUILTIN_STEPS,
        .tracked_max = BUILTIN_STEPS,
        .demands_max = BUILTIN_STEPS, /* one a step until its plan is applied, few after */
        .agents_max = agents,
        .inflight_max = inflight,
        .scopes_max = 2 * BUILTIN_WAVES,
        .plans_max = BUILTIN_WAVES,
    };
    struct engine_need need = {&config, &mock, job->options->workers};
    for (uint32_t role = 0; role < ROLES; ++role) {
        models[role] = builtin_model((enum builtin_role)role);
    }
    return engine_open(job->engine, &need, &job->result->error);
}

static inline bool builtin_start(const struct builtin_job *job, const struct builtin *builtin,
                                 swarm_run run) {
    swarm_plan *plan = swarm_plan_open(job->engine->sw, run);
    swarm_error error = {.text = NULL};
    swarm_step coordinator = builtin_add_agent_step(plan, ROLE_PLAN, 0);
    swarm_step expand = builtin_add_reader(plan, builtin->expand, 0);
    swarm_edge_add(plan, coordinator, expand, 0);
    swarm_status status = swarm_plan_commit(plan, &error);
    if (status == SWARM_OK) {
        status = swarm_run_close(job->engine->sw, run); /* from here its steps add the others */
    }
    return status == SWARM_OK || engine_fail(&job->result->error, status, error.text);
}

/* In one go, or in slices of virtual time for whoever watches: the log is the same. */
static inline bool builtin_go(const struct builtin_job *job, swarm_run run) {
    struct engine *engine = job->engine;
    uint64_t slice = job->watch != NULL ? 10 * BUILTIN_SECOND : SWARM_NEVER, until = slice;
    bool ended = false;
    while (!ended && job->result->error.status == NULL) {
        engine_enter(engine);
        ended = engine_drive(engine, until, &job->result->error);
        engine_leave(engine);
        swarm_run_report_get(engine->sw, run, &job->result->report);
        if (job->watch != NULL) {
            job->watch(&job->result->report, until);
            until += slice;
        }
    }
    return ended;
}

static inline bool builtin_drive(const struct builtin_job *job, struct builtin *builtin) {
    struct engine *engine = job->engine;
    swarm_run_spec spec = {.flags = SWARM_RUN_GROWING,
                           .order = policy_order(job->options->policy, INPUT_UNKNOWN)};
    builtin->expand = swarm_function_add(engine->sw, "expand", builtin_expand, builtin);
    builtin->reduce = swarm_function_add(engine->sw, "reduce", builtin_reduce, builtin);
    builtin->validate = swarm_function_add(engine->sw, "validate", builtin_validate, builtin);
    builtin_add_agents(engine, job->options->agents);
    engine_enter(engine);
    swarm_run run = swarm_run_open(engine->sw, &spec);
    bool good = builtin_start(job, builtin, run);
    engine_leave(engine);
    good = good && builtin_go(job, run);
    job->result->scheduler_ns = engine->spent_ns;
    return good;
}

/* All of it from the log alone: what was asked for is what the log says was added. */
static inline bool builtin_measure(const struct builtin_job *job, struct trace *trace) {
    struct run_result *result = job->result;
    const struct engine_log *log = &job->engine->log;
    struct trace_path path;
    if (!trace_read(log->bytes, log->size, trace, &result->error)) {
        return false;
    }
    struct check_plan plan = {.edges = trace->edges,
                              .step_count = BUILTIN_STEPS,
                              .edge_count = trace->edge_count,
                              .agents = job->options->agents};
    if (!check_trace(trace, &plan, &result->violations) || !trace_critical(trace, &path)) {
        return input_out_of_memory(&result->error, 0);
    }
    free(path.steps);
    result->steps = trace->step_count;
    result->edges = trace->edge_count;
    result->makespan = trace->makespan_ns;
    result->critical_path = path.length_ns;
    result->work = trace->busy_ns;
    result->lower_bound = max_u64(path.length_ns, ceiling(trace->busy_ns, job->options->agents));
    return true;
}

/* False leaves the reason in the result's error. The trace is the caller's. */
static inline bool builtin_run(const struct builtin_job *job, struct trace *out_trace) {
    struct builtin builtin;
    *out_trace = (struct trace){.steps = NULL};
    if (!builtin_open(job)) {
        return false;
    }
    bool good = builtin_drive(job, &builtin) && (job->no_log || builtin_measure(job, out_trace));
    engine_close(job->engine);
    return good;
}

#endif
