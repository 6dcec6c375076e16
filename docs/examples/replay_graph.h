/* SPDX-License-Identifier: MIT
 *
 * replay_graph.h: a run: the one form of every input, and its sealing.
 *
 * A reader collects tasks in id order and edges in file order, both ends of each in range; seal
 * turns that into edges sorted by (from, to) with repeats counted once, edge_first, counts of
 * predecessors and a breadth-first topological order (roots by id, then as released, successors
 * ascending: the order that HEFT's ties want). Refused: no task, a cycle (named), a repeated edge
 * with two transfer times, times that add up to 2^63 or more. Time is linear in tasks and edges.
 *
 * Invariant of a sealed run: tasks >= 1, edges ascend by (from, to), none twice, no cycle; all
 * durations and delays together stay below 2^63, so no schedule of it can overflow.
 */
#ifndef REPLAY_GRAPH_H
#define REPLAY_GRAPH_H

#include "replay_text.h"

enum {
    INPUT_CYCLE_SHOWN_MAX = 8, /* tasks of a cycle that its error spells out */
};

enum input_kind {
    INPUT_UNKNOWN, /* not recognised or not readable: the only run carries the error */
    INPUT_DAG,
    INPUT_STG,
    INPUT_RCP,
    INPUT_HET,
    INPUT_SESSIONS,
    INPUT_PLANS
};

struct input_task {
    uint64_t duration;     /* .het: on the cheapest worker; sessions: ms in a slot */
    uint64_t input_tokens; /* sessions only, as the next two */
    uint64_t output_tokens;
    uint32_t trace;
    uint32_t predecessors; /* distinct predecessors */
    uint32_t line;
};

struct input_edge {
    uint32_t from;
    uint32_t to;
    uint64_t delay; /* .het: transfer between unlike workers; sessions: think time, ms */
    uint32_t line;
};

struct input_run {
    enum input_kind kind;
    struct slice plan; /* id of a plan, else empty */
    uint32_t line;     /* where it begins */
    struct input_error error;

    uint32_t task_count;
    uint32_t edge_count;
    struct input_task *tasks;
    struct input_edge *edges;
    uint32_t *edge_first; /* [task_count + 1]: the edges out of a task */
    uint32_t *order;      /* breadth-first topological: roots by id, then as released */

    struct slice *names;   /* plans: [task_count] */
    uint32_t class_count;  /* .rcp */
    uint32_t *capacity;    /* [class_count] */
    uint32_t *units;       /* [task_count * class_count] */
    uint32_t worker_count; /* .het */
    uint64_t *cost;        /* [task_count * worker_count] */
    uint32_t trace_count;  /* sessions */
    uint32_t *trace_first; /* [trace_count + 1]: the tasks of a trace, in order */

    uint32_t task_room, edge_room, name_room, capacity_room, unit_room, cost_room, trace_room;
};

/* ---- A run's memory -------------------------------------------------------------------- */

/* Leaves kind, plan, line and error, so that a bad run can be reported without its arrays. */
static inline void input_run_free(struct input_run *run) {
    free(run->tasks);
    free(run->edges);
    free(run->edge_first);
    free(run->order);
    free(run->names);
    free(run->capacity);
    free(run->units);
    free(run->cost);
    free(run->trace_first);
    struct input_run rest = {
        .kind = run->kind, .plan = run->plan, .line = run->line, .error = run->error};
    *run = rest;
}

/* ---- Tasks and edges as they are read ---------------------------------------------------- */

static inline bool run_add_task(struct input_run *run, struct input_task task) {
    void *room = array_room(run->tasks, run->task_count, &run->task_room, sizeof task);
    if (room == NULL) {
        return input_out_of_memory(&run->error, task.line);
    }
    run->tasks = room;
    run->tasks[run->task_count++] = task;
    return true;
}

static inline bool run_add_edge(struct input_run *run, struct input_edge edge) {
    void *room = array_room(run->edges, run->edge_count, &run->edge_room, sizeof edge);
    if (room == NULL) {
        return input_out_of_memory(&run->error, edge.line);
    }
    run->edges = room;
    run->edges[run->edge_count++] = edge;
    return true;
}

/* Puts value at the end of one of the arrays of u32, which has `at` items. */
static inline bool run_add_u32(struct input_run *run, uint32_t **array, uint32_t at, uint32_t *room,
                               uint32_t value) {
    void *grown = array_room(*array, at, room, sizeof value);
    if (grown == NULL) {
        return input_out_of_memory(&run->error, run->line);
    }
    *array = grown;
    (*array)[at] = value;
    return true;
}

/* ---- Edges ----------------------------------------------------------------------------- */

static inline uint32_t edge_end(struct input_edge edge, bool by_from) {
    return by_from ? edge.from : edge.to;
}

/* A stable counting sort by one end; place is scratch for task_count + 1 numbers. */
static inline void edges_pass(const struct input_run *run, const struct input_edge *in,
                              struct input_edge *out, uint32_t *place, bool by_from) {
    memset(place, 0, ((size_t)run->task_count + 1) * sizeof *place);
    for (uint32_t i = 0; i < run->edge_count; ++i) {
        place[edge_end(in[i], by_from) + 1] += 1;
    }
    for (uint32_t k = 0; k < run->task_count; ++k) {
        place[k + 1] += place[k];
    }
    for (uint32_t i = 0; i < run->edge_count; ++i) {
        out[place[edge_end(in[i], by_from)]++] = in[i];
    }
}

/* Drops repeats among sorted edges. */
static inline bool edges_unique(struct input_run *run) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < run->edge_count; ++i) {
        struct input_edge edge = run->edges[i];
        struct input_edge *last = kept == 0 ? NULL : &run->edges[kept - 1];
        if (last == NULL || last->from != edge.from || last->to != edge.to) {
            run->edges[kept++] = edge;
        } else if (last->delay != edge.delay) {
            return input_fail(&run->error, "SWARM_E_INVALID", edge.line,
                              "edge %u %u stands on line %u with another transfer time", edge.from,
                              edge.to, last->line);
        }
    }
    run->edge_count = kept;
    return true;
}

static inline void edges_index(struct input_run *run) {
    memset(run->edge_first, 0, ((size_t)run->task_count + 1) * sizeof *run->edge_first);
    for (uint32_t i = 0; i < run->edge_count; ++i) {
        run->edge_first[run->edges[i].from + 1] += 1;
        run->tasks[run->edges[i].to].predecessors += 1;
    }
    for (uint32_t k = 0; k < run->task_count; ++k) {
        run->edge_first[k + 1] += run->edge_first[k];
    }
}

static inline bool run_seal_edges(struct input_run *run) {
    struct input_edge *spare = array_new(run->edge_count, sizeof *spare);
    run->edge_first = array_new((size_t)run->task_count + 1, sizeof *run->edge_first);
    if (spare == NULL || run->edge_first == NULL) {
        free(spare);
        return input_out_of_memory(&run->error, run->line);
    }
    edges_pass(run, run->edges, spare, run->edge_first, false);
    edges_pass(run, spare, run->edges, run->edge_first, true);
    free(spare);
    if (!edges_unique(run)) {
        return false;
    }
    edges_index(run);
    return true;
}

/* ---- Order and cycles ------------------------------------------------------------------ */

/* Fills order as far as it goes (Kahn 1962); left[v] stays above 0 on and behind cycles. */
static inline uint32_t run_sort_tasks(struct input_run *run, uint32_t *left) {
    uint32_t count = 0;
    for (uint32_t v = 0; v < run->task_count; ++v) {
        left[v] = run->tasks[v].predecessors;
        if (left[v] == 0) {
            run->order[count++] = v;
        }
    }
    for (uint32_t at = 0; at < count; ++at) {
        uint32_t u = run->order[at];
        for (uint32_t e = run->edge_first[u]; e < run->edge_first[u + 1]; ++e) {
            uint32_t v = run->edges[e].to;
            left[v] -= 1;
            if (left[v] == 0) {
                run->order[count++] = v;
            }
        }
    }
    return count;
}

/* Formats and plans name tasks in their own way. */
static inline int task_label(const struct input_run *run, uint32_t task, char *out, size_t size) {
    if (run->kind == INPUT_PLANS) {
        struct slice name = run->names[task];
        return snprintf(out, size, "%.*s", slice_shown(name), name.at);
    }
    return snprintf(out, size, "%u", task + (run->kind == INPUT_RCP ? 1u : 0u));
}

/* Names the cycle through `start`; via[v] is an edge into v from another task of the cycle. */
static inline bool run_fail_cycle(struct input_run *run, const uint32_t *via, uint32_t start) {
    char text[INPUT_TEXT_MAX];
    char label[64];
    size_t used = sizeof text - 1; /* written from the end: the walk goes against the edges */
    uint32_t length = 0;
    uint32_t line = 0;
    uint32_t task = start;
    text[used] = '\0';
    do {
        const struct input_edge *edge = &run->edges[via[task]];
        size_t size = (size_t)task_label(run, task, label, sizeof label);
        if (length < INPUT_CYCLE_SHOWN_MAX && used > size + 4) {
            memcpy(text + (used -= size), label, size);
            memcpy(text + (used -= 4), " -> ", 4);
        }
        line = edge->line > line ? edge->line : line; /* the last of its edges closed it */
        length += 1;
        task = edge->from;
    } while (task != start);
    task_label(run, start, label, sizeof label);
    return input_fail(&run->error, "SWARM_E_CYCLE", line, "cycle of %u: %s%s", length,
                      length > INPUT_CYCLE_SHOWN_MAX ? "..." : label, text + used);
}

/* Every task that order lacks has a predecessor that it lacks too: walking back must meet. */
static inline bool run_find_cycle(struct input_run *run, const uint32_t *left) {
    uint32_t *via = array_new(run->task_count, sizeof *via);
    bool *seen = array_new(run->task_count, sizeof *seen);
    if (via == NULL || seen == NULL) {
        free(via);
        free(seen);
        return input_out_of_memory(&run->error, run->line);
    }
    uint32_t task = 0;
    for (uint32_t e = 0; e < run->edge_count; ++e) {
        if (left[run->edges[e].from] > 0) {
            via[run->edges[e].to] = e;
            task = run->edges[e].from;
        }
    }
    while (!seen[task]) {
        seen[task] = true;
        task = run->edges[via[task]].from;
    }
    run_fail_cycle(run, via, task);
    free(via);
    free(seen);
    return false;
}

static inline bool run_seal_order(struct input_run *run) {
    uint32_t *left = array_new(run->task_count, sizeof *left);
    run->order = array_new(run->task_count, sizeof *run->order);
    if (left == NULL || run->order == NULL) {
        free(left);
        return input_out_of_memory(&run->error, run->line);
    }
    bool whole = run_sort_tasks(run, left) == run->task_count || run_find_cycle(run, left);
    free(left);
    return whole;
}

/* ---- Sums ------------------------------------------------------------------------------ */

static inline bool sum_add(uint64_t *sum, uint64_t value) {
    if (value > (uint64_t)INT64_MAX - *sum) {
        return false;
    }
    *sum += value;
    return true;
}

/* The longest that a task can take: on the dearest worker where workers differ. */
static inline uint64_t task_longest(const struct input_run *run, uint32_t task) {
    uint64_t longest = run->tasks[task].duration;
    for (uint32_t w = 0; w < run->worker_count; ++w) {
        uint64_t cost = run->cost[(size_t)task * run->worker_count + w];
        longest = cost > longest ? cost : longest;
    }
    return longest;
}

/* All tasks and delays one after the other: no schedule without idling is longer. */
static inline bool run_check_time(struct input_run *run) {
    uint64_t sum = 0;
    for (uint32_t v = 0; v < run->task_count; ++v) {
        if (!sum_add(&sum, task_longest(run, v))) {
            return input_fail(&run->error, "SWARM_E_OVERFLOW", run->tasks[v].line,
                              "durations add up to 2^63 or more");
        }
    }
    for (uint32_t e = 0; e < run->edge_count; ++e) {
        if (!sum_add(&sum, run->edges[e].delay)) {
            return input_fail(&run->error, "SWARM_E_OVERFLOW", run->edges[e].line,
                              "durations and delays add up to 2^63 or more");
        }
    }
    if (run->worker_count > 0 && sum > (uint64_t)INT64_MAX / run->worker_count) {
        return input_fail(&run->error, "SWARM_E_OVERFLOW", run->line,
                          "times on %u workers add up to 2^63 or more", run->worker_count);
    }
    return true;
}

/* Units times duration, by class: the area that the lower bound needs. */
static inline bool run_check_units(struct input_run *run) {
    for (uint32_t c = 0; c < run->class_count; ++c) {
        uint64_t area = 0;
        for (uint32_t v = 0; v < run->task_count; ++v) {
            uint64_t units = run->units[(size_t)v * run->class_count + c];
            uint64_t duration = run->tasks[v].duration;
            if (units > 0 &&
                (duration > (uint64_t)INT64_MAX / units || !sum_add(&area, duration * units))) {
                return input_fail(&run->error, "SWARM_E_OVERFLOW", run->tasks[v].line,
                                  "unit times of class %u add up to 2^63 or more", c + 1);
            }
        }
    }
    return true;
}

/* The one way from what was read to what can be run. */
static inline bool run_seal(struct input_run *run) {
    if (run->task_count == 0) {
        return input_fail(&run->error, "SWARM_E_INVALID", run->line, "there is no task");
    }
    return run_seal_edges(run) && run_check_time(run) && run_check_units(run) &&
           run_seal_order(run);
}

#endif
