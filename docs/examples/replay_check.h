/* SPDX-License-Identifier: MIT
 *
 * replay_check.h: was every rule kept? Counts violations, from the log and the input alone.
 *
 * What was asked for is a plan: steps, edges with delays, agents, capacities. What happened is a
 * trace. A violation is one of these:
 *   - a start before the end of a predecessor and the edge's delay, or before the step's creator;
 *   - a start while as many attempts run as there are agents, or on an agent that has one already;
 *   - a start that takes more units of a class than are left;
 *   - a step that was not run exactly once: not one end, not OK, or not one attempt that went well.
 * Order is by the places of events in the log, so it is exact also where time stands still.
 */
#ifndef REPLAY_CHECK_H
#define REPLAY_CHECK_H

#include "replay_trace.h"

struct check_plan {
    const struct input_edge *edges;
    uint32_t step_count;
    uint32_t edge_count;
    uint32_t agents;
    uint32_t class_count;
    const uint32_t *capacity;     /* [class_count] */
    const uint32_t *units;        /* [step_count * class_count] */
    bool delay_free_on_one_agent; /* transfers: nothing is sent where both steps ran */
};

/* Agents and units in use, moment by moment. */
struct check_use {
    const struct trace *trace;
    const struct check_plan *plan;
    uint32_t *attempts; /* [agents + 1], by agent id */
    uint64_t *units;    /* [class_count] */
    uint32_t running;
};

/* ---- Once, and in order ------------------------------------------------------------------ */

static inline bool check_once(const struct trace_step *step) {
    bool attempted = step->is_call ? step->attempts == 0 : step->good == 1;
    return step->ends == 1 && step->state == SWARM_STEP_OK && attempted;
}

static inline uint32_t check_agent_of(const struct trace *trace, uint32_t step) {
    uint32_t attempt = trace->steps[step].latest;
    return attempt == TRACE_NONE ? 0 : trace->attempts[attempt].agent;
}

static inline bool check_edge(const struct trace *trace, const struct check_plan *plan,
                              const struct input_edge *edge) {
    const struct trace_step *from = &trace->steps[edge->from];
    const struct trace_step *to = &trace->steps[edge->to];
    bool together = plan->delay_free_on_one_agent &&
                    check_agent_of(trace, edge->from) == check_agent_of(trace, edge->to);
    if (to->started == 0) {
        return true; /* it never ran: counted elsewhere */
    }
    return from->ended != 0 && from->ended < to->started && from->state == SWARM_STEP_OK &&
           from->ended_ns + (together ? 0 : edge->delay) <= to->started_ns;
}

/* A step starts after the call step that added it has ended. */
static inline bool check_creator(const struct trace *trace, uint32_t at) {
    const struct trace_step *step = &trace->steps[at];
    return step->creator == TRACE_NONE || step->started == 0 ||
           (trace->steps[step->creator].ended != 0 &&
            trace->steps[step->creator].ended < step->started);
}

/* ---- Agents and classes ------------------------------------------------------------------ */

static inline uint64_t check_units(struct check_use *use, uint32_t step, bool begins) {
    uint32_t classes = use->plan->class_count;
    uint64_t violations = 0;
    for (uint32_t c = 0; c < classes; ++c) {
        uint64_t units = use->plan->units[(size_t)step * classes + c];
        use->units[c] += begins ? units : 0;
        use->units[c] -= begins ? 0 : units;
        violations += begins && units > 0 && use->units[c] > use->plan->capacity[c];
    }
    return violations;
}

static inline uint64_t check_moment(struct check_use *use, struct trace_moment moment) {
    const struct trace_attempt *attempt = &use->trace->attempts[moment.attempt];
    bool exists = attempt->agent >= 1 && attempt->agent <= use->plan->agents;
    uint32_t *busy = &use->attempts[exists ? attempt->agent : 0]; /* 0: agents that aren't there */
    uint64_t violations = check_units(use, attempt->step, moment.begins);
    if (!moment.begins) {
        use->running -= 1;
        *busy -= 1;
        return violations;
    }
    use->running += 1;
    *busy += 1;
    return violations + (use->running > use->plan->agents) + (!exists || *busy > 1);
}

/* ---- All of it --------------------------------------------------------------------------- */

static inline bool check_use_count(const struct trace *trace, const struct check_plan *plan,
                                   uint64_t *violations) {
    struct check_use use = {
        .trace = trace,
        .plan = plan,
        .attempts = array_new((size_t)plan->agents + 1, sizeof *use.attempts),
        .units = array_new(plan->class_count, sizeof *use.units),
    };
    bool good = use.attempts != NULL && use.units != NULL;
    for (uint32_t i = 0; good && i < trace->moment_count; ++i) {
        *violations += check_moment(&use, trace->moments[i]);
    }
    free(use.attempts);
    free(use.units);
    return good;
}

/* False where memory lacks. A log of other steps than the plan's is one violation and no more. */
static inline bool check_trace(const struct trace *trace, const struct check_plan *plan,
                               uint64_t *out_violations) {
    *out_violations = 0;
    if (trace->step_count != plan->step_count) {
        *out_violations = 1;
        return true;
    }
    for (uint32_t v = 0; v < trace->step_count; ++v) {
        *out_violations += !check_once(&trace->steps[v]);
        *out_violations += !check_creator(trace, v);
    }
    for (uint32_t e = 0; e < plan->edge_count; ++e) {
        *out_violations += !check_edge(trace, plan, &plan->edges[e]);
    }
    return check_use_count(trace, plan, out_violations);
}

#endif
