/* SPDX-License-Identifier: MIT
 *
 * replay_trace.h: an event log as arrays: steps, edges, attempts, and what follows from them.
 *
 * Everything here comes from the bytes of a log (swarm_event_next) and from nothing else: whoever
 * doubts the scheduler can judge it by this. The log holds one run, without continuations.
 *
 * A place is the number of an event in the log, from 1; 0: never. What happens at one time still
 * has an order there: a task of length 0 ends before its successor starts, at the same time.
 * An attempt lasts until its agent is free again: DONE, or FENCED when it was given up.
 *
 * Invariant: the edges into a step stand together (edge_first, edge_count); what edges, attempts
 * and moments refer to is there, whatever the bytes. Memory is proportional to the log.
 */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include "replay_graph.h"
#include "swarm.h"

#define TRACE_NONE UINT32_MAX /* no attempt, no step */

struct trace_step {
    uint64_t argument;
    uint64_t started_ns; /* first attempt; of a call step: its end */
    uint64_t ended_ns;
    uint64_t started; /* places */
    uint64_t ended;
    uint64_t needed_ns; /* attempts and the waits between them: what no fleet could have saved */
    uint32_t attempts;
    uint32_t good;    /* attempts that ended OK */
    uint32_t ends;    /* END events: 1 when all is well */
    uint32_t state;   /* of the first END */
    uint32_t creator; /* the step that added it, or TRACE_NONE */
    uint32_t latest;  /* attempt, or TRACE_NONE */
    uint32_t edge_first;
    uint32_t edge_count;
    bool is_call;
};

struct trace_attempt {
    uint64_t started_ns;
    uint64_t number;
    uint64_t epoch;
    uint64_t busy_ns; /* of its agent */
    uint32_t step;
    uint32_t agent;   /* id, from 1 */
    uint32_t earlier; /* the step's attempt before it, or TRACE_NONE */
    uint32_t outcome;
    bool over;
    bool given_up;
};

/* An attempt begins or ends: in the order of the log. */
struct trace_moment {
    uint32_t attempt;
    bool begins;
};

struct trace {
    struct trace_step *steps;
    struct input_edge *edges; /* by `to`; without lines */
    struct trace_attempt *attempts;
    struct trace_moment *moments;
    uint32_t *ended; /* steps in the order of their ends */
    uint32_t step_count, edge_count, attempt_count, moment_count, ended_count;
    uint32_t step_room, edge_room, attempt_room, moment_room, ended_room;
    uint64_t events;
    uint64_t makespan_ns; /* the last end */
    uint64_t retries;     /* attempts after the first of a step */
    uint64_t stalls;      /* attempts given up */
    uint64_t busy_ns;     /* all attempts */
    swarm_usage usage;
    uint32_t creator; /* of the plan whose steps come next */
};

static inline void trace_free(struct trace *trace) {
    free(trace->steps);
    free(trace->edges);
    free(trace->attempts);
    free(trace->moments);
    free(trace->ended);
    *trace = (struct trace){.steps = NULL};
}

/* ---- Events to arrays ------------------------------------------------------------------ */

/* An event that the events before it do not allow. */
static inline bool trace_refuse(const struct trace *trace, struct input_error *error) {
    return input_fail(error, "SWARM_E_CORRUPT", 0, "event %llu of the log contradicts the rest",
                      (unsigned long long)trace->events);
}

static inline bool trace_on_step(struct trace *trace, const swarm_event *event,
                                 struct input_error *error) {
    struct trace_step step = {.argument = event->field[2],
                              .creator = trace->creator,
                              .latest = TRACE_NONE,
                              .is_call = event->field[0] != 0};
    if (event->step != trace->step_count) {
        return trace_refuse(trace, error);
    }
    void *room = array_room(trace->steps, trace->step_count, &trace->step_room, sizeof step);
    if (room == NULL) {
        return input_out_of_memory(error, 0);
    }
    trace->steps = room;
    trace->steps[trace->step_count++] = step;
    return true;
}

static inline bool trace_on_edge(struct trace *trace, const swarm_event *event,
                                 struct input_error *error) {
    struct input_edge edge = {.to = (uint32_t)event->step, .from = (uint32_t)event->field[0]};
    edge.delay = event->field[1] == 0 ? 0 : event->field[1] - 1;
    bool ascends = trace->edge_count == 0 || trace->edges[trace->edge_count - 1].to <= edge.to;
    if (event->step >= trace->step_count || !ascends || event->field[0] >= TRACE_NONE) {
        return trace_refuse(trace, error); /* a plan's edges follow its steps, in their order */
    }
    void *room = array_room(trace->edges, trace->edge_count, &trace->edge_room, sizeof edge);
    if (room == NULL) {
        return input_out_of_memory(error, 0);
    }
    trace->edges = room;
    if (trace->steps[edge.to].edge_count++ == 0) {
        trace->steps[edge.to].edge_first = trace->edge_count;
    }
    trace->edges[trace->edge_count++] = edge;
    return true;
}

static inline bool trace_add_moment(struct trace *trace, uint32_t attempt, bool begins,
                                    struct input_error *error) {
    struct trace_moment moment = {attempt, begins};
    void *room =
        array_room(trace->moments, trace->moment_count, &trace->moment_room, sizeof moment);
    if (room == NULL) {
        return input_out_of_memory(error, 0);
    }
    trace->moments = room;
    trace->moments[trace->moment_count++] = moment;
    return true;
}

static inline bool trace_on_start(struct trace *trace, const swarm_event *event,
                                  struct input_error *error) {
    struct trace_step *step = &trace->steps[event->step];
    struct trace_attempt attempt = {.started_ns = event->now_ns,
                                    .number = event->field[0],
                                    .epoch = event->field[1],
                                    .agent = (uint32_t)event->field[2],
                                    .step = (uint32_t)event->step,
                                    .earlier = step->latest};
    void *room =
        array_room(trace->attempts, trace->attempt_count, &trace->attempt_room, sizeof attempt);
    if (room == NULL) {
        return input_out_of_memory(error, 0);
    }
    trace->attempts = room;
    if (step->attempts == 0) {
        step->started_ns = event->now_ns;
        step->started = trace->events;
    }
    trace->retries += step->attempts > 0;
    step->attempts += 1;
    step->latest = trace->attempt_count;
    trace->attempts[trace->attempt_count++] = attempt;
    return trace_add_moment(trace, step->latest, true, error);
}

/* The attempt of the event's step with its number and epoch, or TRACE_NONE. */
static inline uint32_t trace_find_attempt(const struct trace *trace, const swarm_event *event) {
    uint32_t at = trace->steps[event->step].latest;
    while (at != TRACE_NONE && (trace->attempts[at].number != event->field[0] ||
                                trace->attempts[at].epoch != event->field[1])) {
        at = trace->attempts[at].earlier;
    }
    return at;
}

/* DONE and FENCED: the agent is free again, and the bill is there. */
static inline bool trace_on_answer(struct trace *trace, const swarm_event *event,
                                   struct input_error *error) {
    uint32_t at = trace_find_attempt(trace, event);
    if (at == TRACE_NONE || trace->attempts[at].over) {
        return trace_refuse(trace, error);
    }
    struct trace_attempt *attempt = &trace->attempts[at];
    struct trace_step *step = &trace->steps[event->step];
    attempt->over = true;
    attempt->outcome = (uint32_t)event->field[2];
    attempt->busy_ns = event->now_ns - attempt->started_ns;
    trace->busy_ns += attempt->busy_ns;
    step->needed_ns += attempt->given_up ? 0 : attempt->busy_ns;
    step->good += event->kind == SWARM_EVENT_DONE && attempt->outcome == SWARM_OUTCOME_OK;
    trace->usage.input_tokens += event->field[3];
    trace->usage.cached_tokens += event->field[4];
    trace->usage.output_tokens += event->field[5];
    trace->usage.cost_nano += event->field[6];
    return trace_add_moment(trace, at, false, error);
}

static inline bool trace_on_give_up(struct trace *trace, const swarm_event *event,
                                    struct input_error *error) {
    uint32_t at = trace_find_attempt(trace, event);
    if (at == TRACE_NONE || trace->attempts[at].over) {
        return trace_refuse(trace, error);
    }
    trace->attempts[at].given_up = true;
    trace->steps[event->step].needed_ns += event->now_ns - trace->attempts[at].started_ns;
    trace->stalls += 1;
    return true;
}

static inline bool trace_on_end(struct trace *trace, const swarm_event *event,
                                struct input_error *error) {
    struct trace_step *step = &trace->steps[event->step];
    step->ends += 1;
    if (step->ends > 1) {
        return true; /* for the checker to count */
    }
    void *room = array_room(trace->ended, trace->ended_count, &trace->ended_room, sizeof(uint32_t));
    if (room == NULL) {
        return input_out_of_memory(error, 0);
    }
    trace->ended = room;
    trace->ended[trace->ended_count++] = (uint32_t)event->step;
    step->state = (uint32_t)event->field[0];
    step->ended_ns = event->now_ns;
    step->ended = trace->events;
    if (step->is_call) { /* when it ran is not logged: it takes no time */
        step->started_ns = step->ended_ns;
        step->started = step->ended;
    }
    trace->makespan_ns = event->now_ns; /* time never decreases */
    return true;
}

static inline bool trace_on_event(struct trace *trace, const swarm_event *event,
                                  struct input_error *error) {
    bool known = event->step < trace->step_count;
    switch (event->kind) {
    case SWARM_EVENT_PLAN:
        trace->creator = event->field[5] == 0 ? TRACE_NONE : (uint32_t)event->field[5] - 1;
        return true;
    case SWARM_EVENT_STEP:
        return trace_on_step(trace, event, error);
    case SWARM_EVENT_EDGE:
        return trace_on_edge(trace, event, error);
    case SWARM_EVENT_START:
        return known ? trace_on_start(trace, event, error) : trace_refuse(trace, error);
    case SWARM_EVENT_DONE:
    case SWARM_EVENT_FENCED:
        return known ? trace_on_answer(trace, event, error) : trace_refuse(trace, error);
    case SWARM_EVENT_GIVE_UP:
        return known ? trace_on_give_up(trace, event, error) : trace_refuse(trace, error);
    case SWARM_EVENT_RETRY:
        if (known) {
            trace->steps[event->step].needed_ns += event->field[2] - event->now_ns;
        }
        return known || trace_refuse(trace, error);
    case SWARM_EVENT_END:
        return known ? trace_on_end(trace, event, error) : trace_refuse(trace, error);
    default:
        return true;
    }
}

/* Whether the steps that edges and plans refer to are there. */
static inline bool trace_whole(const struct trace *trace) {
    bool whole = true;
    for (uint32_t e = 0; e < trace->edge_count; ++e) {
        whole = whole && trace->edges[e].from < trace->step_count;
    }
    for (uint32_t v = 0; v < trace->step_count; ++v) {
        uint32_t creator = trace->steps[v].creator;
        whole = whole && (creator == TRACE_NONE || creator < v);
    }
    return whole;
}

/* The log of one run. False leaves the reason in *error and nothing to free. */
static inline bool trace_read(const void *bytes, size_t size, struct trace *out_trace,
                              struct input_error *error) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    swarm_status status;
    *out_trace = (struct trace){.creator = TRACE_NONE};
    for (status = swarm_event_next(bytes, size, &cursor, &event); status == SWARM_OK;
         status = swarm_event_next(bytes, size, &cursor, &event)) {
        out_trace->events += 1;
        if (!trace_on_event(out_trace, &event, error)) {
            trace_free(out_trace);
            return false;
        }
    }
    if (status != SWARM_E_MISSING || !trace_whole(out_trace)) {
        input_fail(error, "SWARM_E_CORRUPT", 0, "the log is not whole after event %llu",
                   (unsigned long long)out_trace->events);
        trace_free(out_trace);
        return false;
    }
    return true;
}

/* ---- The critical path ----------------------------------------------------------------- */

/* What a run would have taken with agents without end: the longest way through the graph as it was
 * executed, by the time that steps needed, retries, backoff and delays of edges included. */
struct trace_path {
    uint64_t length_ns;
    uint32_t *steps; /* from the first to the last */
    uint32_t count;
};

struct trace_way {
    uint64_t length_ns; /* up to the end of the step */
    uint32_t via;       /* the step before it, or TRACE_NONE */
};

static inline void trace_way_through(struct trace_way *ways, struct trace_way *way, uint32_t from,
                                     uint64_t delay_ns) {
    uint64_t length = ways[from].length_ns + delay_ns;
    if (way->via == TRACE_NONE || length > way->length_ns) {
        *way = (struct trace_way){length, from};
    }
}

/* Steps in the order of their ends: a step's predecessors stand before it. */
static inline uint32_t trace_find_ways(const struct trace *trace, struct trace_way *ways) {
    uint32_t last = TRACE_NONE;
    for (uint32_t v = 0; v < trace->step_count; ++v) {
        ways[v].via = TRACE_NONE;
    }
    for (uint32_t i = 0; i < trace->ended_count; ++i) {
        uint32_t at = trace->ended[i];
        const struct trace_step *step = &trace->steps[at];
        struct trace_way way = {0, TRACE_NONE};
        if (step->creator != TRACE_NONE) {
            trace_way_through(ways, &way, step->creator, 0);
        }
        for (uint32_t e = step->edge_first; e < step->edge_first + step->edge_count; ++e) {
            trace_way_through(ways, &way, trace->edges[e].from, trace->edges[e].delay);
        }
        way.length_ns += step->needed_ns;
        ways[at] = way;
        last = last == TRACE_NONE || way.length_ns > ways[last].length_ns ? at : last;
    }
    return last;
}

/* False where memory lacks. The path's steps are the caller's to free. */
static inline bool trace_critical(const struct trace *trace, struct trace_path *out_path) {
    struct trace_way *ways = array_new(trace->step_count, sizeof *ways);
    uint32_t *steps = array_new(trace->step_count, sizeof *steps);
    *out_path = (struct trace_path){.steps = steps};
    if (ways == NULL || steps == NULL) {
        free(ways);
        free(steps);
        out_path->steps = NULL;
        return false;
    }
    uint32_t last = trace_find_ways(trace, ways);
    out_path->length_ns = last == TRACE_NONE ? 0 : ways[last].length_ns;
    for (uint32_t at = last; at != TRACE_NONE && out_path->count < trace->step_count;
         at = ways[at].via) {
        steps[out_path->count++] = at;
    }
    for (uint32_t i = 0; i < out_path->count / 2; ++i) { /* found from its end */
        uint32_t other = out_path->count - 1 - i;
        uint32_t step = steps[i];
        steps[i] = steps[other];
        steps[other] = step;
    }
    free(ways);
    return true;
}

#endif
