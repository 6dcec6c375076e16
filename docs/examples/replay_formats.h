/* SPDX-License-Identifier: MIT
 *
 * replay_formats.h: the readers, one a format, and the loop over an input's runs.
 *
 *   .dag      dag TASKS EDGES UNIT; then ID DURATION NPREDS PRED... # LABEL, every PRED < ID
 *   .stg      N; then ID DURATION NPREDS PRED..., N tasks between two dummies of length 0, or N
 *             tasks dummies included (Kasahara's Standard Task Graph Set has both)
 *   .rcp      TASKS CLASSES; capacities; then DURATION UNITS... NSUCCS SUCC..., ids from 1
 *   .het      het TASKS WORKERS EDGES; rows of costs; then FROM TO TRANSFER
 *   sessions  agenttrace ID block B tool_tokens T system_tokens S chains C requests R; then C of
 *             chain INDEX parent P after A join J type T n N; then N of
 *             r API_MS THINK_MS INPUT OUTPUT STOP NRUNS (FIRST LAST)...
 *   plans     g ID SOURCE NODES EDGES; n NAME [TEXT]; e FROM TO, where FROM may be START, TO END
 *
 * The four extensions decide; any other name goes by the first word. A '#' begins a comment
 * (in plans at the start of a line only). Lines may end in CR LF. A task named as predecessor
 * that does not exist is MISSING, twice the same task DUPLICATE, a circle CYCLE, a number too
 * large OVERFLOW, everything else INVALID. Plans are judged alone and in this order: syntax, no
 * node, a node twice, an edge to an undeclared node, a cycle.
 */
#ifndef REPLAY_FORMATS_H
#define REPLAY_FORMATS_H

#include "replay_graph.h"

/* ---- .dag and .stg --------------------------------------------------------------------- */

/* ID DURATION NPREDS PRED... */
static inline bool read_row(struct scan *scan, struct input_run *run, uint32_t count) {
    struct input_task task = {.line = scan->line};
    uint32_t id, predecessors, predecessor;
    if (!scan_u32(scan, "a task id", &id) || !scan_in_order(scan, "task", id, run->task_count) ||
        !scan_number(scan, "a duration", INT64_MAX, &task.duration) ||
        !scan_u32(scan, "a number of predecessors", &predecessors)) {
        return false;
    }
    for (uint32_t i = 0; i < predecessors; ++i) {
        if (!scan_u32(scan, "a predecessor", &predecessor)) {
            return false;
        }
        if (predecessor >= count) {
            return input_fail(scan->error, "SWARM_E_MISSING", scan->line,
                              "task %u waits for task %u, which does not exist", id, predecessor);
        }
        if (!run_add_edge(run, (struct input_edge){predecessor, id, 0, scan->line})) {
            return false;
        }
    }
    return scan_line_done(scan) && run_add_task(run, task);
}

/* Forward references that close no circle: the format forbids them, whatever they mean. */
static inline bool check_ascending(struct input_run *run) {
    for (uint32_t e = 0; e < run->edge_count; ++e) {
        if (run->edges[e].from >= run->edges[e].to) {
            return input_fail(&run->error, "SWARM_E_INVALID", run->edges[e].line,
                              "task %u waits for task %u: predecessors have smaller ids",
                              run->edges[e].to, run->edges[e].from);
        }
    }
    return true;
}

static inline bool read_dag(struct scan *scan, struct input_run *run) {
    uint32_t count, edges;
    struct slice unit;
    uint32_t header = scan->line;
    if (!scan_keyword(scan, "dag") || !scan_u32(scan, "a number of tasks", &count) ||
        !scan_u32(scan, "a number of edges", &edges) || !scan_need_word(scan, "a unit", &unit) ||
        !scan_line_done(scan)) {
        return false;
    }
    for (uint32_t i = 0; i < count; ++i) {
        if (!scan_need_line(scan, "another task") || !read_row(scan, run, count)) {
            return false;
        }
    }
    uint32_t listed = run->edge_count;
    if (!scan_file_done(scan) || !run_seal(run) || !check_ascending(run)) {
        return false;
    }
    return listed == edges || run->edge_count == edges ||
           input_fail(&run->error, "SWARM_E_INVALID", header, "%u edges announced, %u found", edges,
                      listed);
}

static inline bool read_stg(struct scan *scan, struct input_run *run) {
    uint32_t count;
    if (!scan_u32(scan, "a number of tasks", &count) || !scan_line_done(scan)) {
        return false;
    }
    if (count == 0 || count > UINT32_MAX - 2) {
        return input_fail(scan->error, "SWARM_E_INVALID", scan->line, "%u tasks", count);
    }
    bool more = true;
    for (uint32_t i = 0; i < count + 2 && more; ++i) {
        bool dummies_included =
            i == count && run->tasks[0].duration == 0 && run->tasks[count - 1].duration == 0;
        more = scan_line(scan);
        if (!more && !dummies_included) {
            return input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                              "the file ends early: expected task %u", i);
        }
        if (more && !read_row(scan, run, count + 2)) {
            return false;
        }
    }
    for (uint32_t e = 0; e < run->edge_count; ++e) {
        if (run->edges[e].from >= run->task_count) {
            return input_fail(&run->error, "SWARM_E_MISSING", run->edges[e].line,
                              "task %u waits for task %u, which does not exist", run->edges[e].to,
                              run->edges[e].from);
        }
    }
    return scan_file_done(scan) && run_seal(run);
}

/* ---- .rcp ------------------------------------------------------------------------------ */

static inline bool read_rcp_units(struct scan *scan, struct input_run *run, uint32_t task) {
    if ((uint64_t)(task + 1) * run->class_count > UINT32_MAX) {
        return input_fail(scan->error, "SWARM_E_TOO_BIG", scan->line, "too many units");
    }
    for (uint32_t c = 0; c < run->class_count; ++c) {
        uint32_t units;
        if (!scan_u32(scan, "units of a class", &units)) {
            return false;
        }
        if (units > run->capacity[c]) {
            return input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                              "task %u needs %u units of class %u, which has %u", task + 1, units,
                              c + 1, run->capacity[c]);
        }
        if (!run_add_u32(run, &run->units, task * run->class_count + c, &run->unit_room, units)) {
            return false;
        }
    }
    return true;
}

static inline bool read_rcp_task(struct scan *scan, struct input_run *run, uint32_t count) {
    struct input_task task = {.line = scan->line};
    uint32_t id = run->task_count;
    uint32_t successors, successor;
    if (!scan_number(scan, "a duration", INT64_MAX, &task.duration) ||
        !read_rcp_units(scan, run, id) || !scan_u32(scan, "a number of successors", &successors)) {
        return false;
    }
    for (uint32_t i = 0; i < successors; ++i) {
        if (!scan_u32(scan, "a successor", &successor)) {
            return false;
        }
        if (successor == 0 || successor > count) {
            return input_fail(scan->error, "SWARM_E_MISSING", scan->line,
                              "task %u precedes task %u, which does not exist", id + 1, successor);
        }
        if (!run_add_edge(run, (struct input_edge){id, successor - 1, 0, scan->line})) {
            return false;
        }
    }
    return scan_line_done(scan) && run_add_task(run, task);
}

static inline bool read_rcp(struct scan *scan, struct input_run *run) {
    uint32_t count, classes, capacity;
    if (!scan_u32(scan, "a number of tasks", &count) ||
        !scan_u32(scan, "a number of classes", &classes) || !scan_line_done(scan) ||
        (classes > 0 && !scan_need_line(scan, "capacities"))) {
        return false;
    }
    for (uint32_t c = 0; c < classes; ++c) {
        if (!scan_u32(scan, "a capacity", &capacity) ||
            !run_add_u32(run, &run->capacity, c, &run->capacity_room, capacity)) {
            return false;
        }
        run->class_count = c + 1;
    }
    if (classes > 0 && !scan_line_done(scan)) {
        return false;
    }
    for (uint32_t i = 0; i < count; ++i) {
        if (!scan_need_line(scan, "another task") || !read_rcp_task(scan, run, count)) {
            return false;
        }
    }
    return scan_file_done(scan) && run_seal(run);
}

/* ---- .het ------------------------------------------------------------------------------ */

static inline bool read_het_costs(struct scan *scan, struct input_run *run) {
    struct input_task task = {.duration = UINT64_MAX, .line = scan->line};
    for (uint32_t w = 0; w < run->worker_count; ++w) {
        uint64_t at = (uint64_t)run->task_count * run->worker_count + w;
        uint64_t cost;
        if (!scan_number(scan, "a cost", INT64_MAX, &cost)) {
            return false;
        }
        void *room = at >= UINT32_MAX
                         ? NULL
                         : array_room(run->cost, (uint32_t)at, &run->cost_room, sizeof cost);
        if (room == NULL) {
            return input_out_of_memory(scan->error, scan->line);
        }
        run->cost = room;
        run->cost[at] = cost;
        task.duration = cost < task.duration ? cost : task.duration;
    }
    return scan_line_done(scan) && run_add_task(run, task);
}

static inline bool read_het_edge(struct scan *scan, struct input_run *run) {
    struct input_edge edge = {.line = scan->line};
    if (!scan_u32(scan, "a task", &edge.from) || !scan_u32(scan, "a task", &edge.to) ||
        !scan_number(scan, "a transfer time", INT64_MAX, &edge.delay) || !scan_line_done(scan)) {
        return false;
    }
    if (edge.from >= run->task_count || edge.to >= run->task_count) {
        return input_fail(scan->error, "SWARM_E_MISSING", scan->line,
                          "edge %u %u names a task that does not exist", edge.from, edge.to);
    }
    return run_add_edge(run, edge);
}

static inline bool read_het(struct scan *scan, struct input_run *run) {
    uint32_t tasks, workers, edges;
    if (!scan_keyword(scan, "het") || !scan_u32(scan, "a number of tasks", &tasks) ||
        !scan_u32(scan, "a number of workers", &workers) ||
        !scan_u32(scan, "a number of edges", &edges) || !scan_line_done(scan)) {
        return false;
    }
    if (workers == 0) {
        return input_fail(scan->error, "SWARM_E_INVALID", scan->line, "there is no worker");
    }
    run->worker_count = workers;
    for (uint32_t i = 0; i < tasks; ++i) {
        if (!scan_need_line(scan, "another row of costs") || !read_het_costs(scan, run)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < edges; ++i) {
        if (!scan_need_line(scan, "another edge") || !read_het_edge(scan, run)) {
            return false;
        }
    }
    return scan_file_done(scan) && run_seal(run);
}

#endif
