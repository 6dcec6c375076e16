/* SPDX-License-Identifier: MIT
 *
 * replay_records.h: the two formats of many records, a fleet of sessions and plan collections.
 *
 *   sessions  agenttrace ID block B tool_tokens T system_tokens S chains C requests R; then C of
 *             chain INDEX parent P after A join J type T n N; then N of
 *             r API_MS THINK_MS INPUT OUTPUT STOP NRUNS (FIRST LAST)...
 *   plans     g ID SOURCE NODES EDGES; n NAME [TEXT]; e FROM TO, where FROM may be START, TO END
 *
 * Sessions are one run, the fleet: of the first traces with at least three requests on the main
 * chain (chain 0) the first requests; a request holds a slot for max(1, API_MS) ms, think time
 * is the delay of the edge that leads to it. The whole file is checked, used or not.
 *
 * Each plan is a run of its own and judged alone, in this order: syntax; no node: INVALID; a node
 * twice: DUPLICATE; an edge to an undeclared node: MISSING; a cycle: CYCLE. A node's name is the
 * first word after `n` (a number in one collection, a tool in the other). START and END are
 * virtual: their edges count for nothing once the other end is known to exist.
 */
#ifndef REPLAY_RECORDS_H
#define REPLAY_RECORDS_H

#include "replay_graph.h"

/* How sessions are trimmed; zero is not a default here. */
struct input_options {
    uint32_t sessions;     /* traces used, of those with enough requests */
    uint32_t requests;     /* requests used of each */
    uint64_t think_cap_ms; /* longest think time */
};

enum {
    FLEET_REQUESTS_MIN = 3, /* on the main chain: shorter traces are no sessions */
};

/* ---- Sessions -------------------------------------------------------------------------- */

struct chain {
    uint32_t parent, after, join; /* UINT32_MAX: none */
    uint32_t count;
    uint32_t line;
};

struct fleet_reader {
    struct scan *scan;
    struct input_run *run;
    struct input_options options;
    struct chain *chains; /* of the current trace */
    uint32_t chain_count, chain_room;
    uint64_t requests; /* of the current trace, all chains */
};

static inline bool read_request(struct fleet_reader *reader, struct input_task *task,
                                uint64_t *out_think) {
    struct scan *scan = reader->scan;
    struct slice stop;
    uint32_t runs;
    uint64_t first, last;
    *task = (struct input_task){.line = scan->line};
    if (!scan_keyword(scan, "r") || !scan_number(scan, "API_MS", INT64_MAX, &task->duration) ||
        !scan_number(scan, "THINK_MS", INT64_MAX, out_think) ||
        !scan_number(scan, "input tokens", INT64_MAX, &task->input_tokens) ||
        !scan_number(scan, "output tokens", INT64_MAX, &task->output_tokens) ||
        !scan_need_word(scan, "a stop reason", &stop) ||
        !scan_u32(scan, "a number of block runs", &runs)) {
        return false;
    }
    for (uint32_t i = 0; i < runs; ++i) {
        if (!scan_number(scan, "a first block", INT64_MAX, &first) ||
            !scan_number(scan, "a last block", INT64_MAX, &last)) {
            return false;
        }
        if (first > last) {
            return input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                              "a run of blocks ends before it begins");
        }
    }
    return scan_line_done(scan);
}

/* The request as a task, after the one before it in its trace. */
static inline bool fleet_add(struct fleet_reader *reader, struct input_task task, uint32_t index,
                             uint64_t think) {
    struct input_run *run = reader->run;
    uint32_t id = run->task_count;
    uint64_t cap = reader->options.think_cap_ms;
    struct input_edge edge = {id - 1, id, think < cap ? think : cap, task.line};
    task.duration = task.duration == 0 ? 1 : task.duration;
    task.trace = run->trace_count - 1;
    return (index == 0 || run_add_edge(run, edge)) && run_add_task(run, task);
}

static inline bool read_chain(struct fleet_reader *reader) {
    struct scan *scan = reader->scan;
    struct input_run *run = reader->run;
    struct chain chain = {.line = scan->line};
    uint32_t index;
    struct slice type;
    if (!scan_keyword(scan, "chain") || !scan_u32(scan, "a chain index", &index) ||
        !scan_keyword(scan, "parent") || !scan_u32_or_none(scan, "a parent", &chain.parent) ||
        !scan_keyword(scan, "after") || !scan_u32_or_none(scan, "a request", &chain.after) ||
        !scan_keyword(scan, "join") || !scan_u32_or_none(scan, "a request", &chain.join) ||
        !scan_keyword(scan, "type") || !scan_need_word(scan, "a type", &type) ||
        !scan_keyword(scan, "n") || !scan_u32(scan, "a number of requests", &chain.count) ||
        !scan_line_done(scan) || !scan_in_order(scan, "chain", index, reader->chain_count)) {
        return false;
    }
    bool used = index == 0 && chain.count >= FLEET_REQUESTS_MIN &&
                run->trace_count < reader->options.sessions;
    if (used &&
        !run_add_u32(run, &run->trace_first, run->trace_count, &run->trace_room, run->task_count)) {
        return false;
    }
    run->trace_count += used ? 1 : 0;
    for (uint32_t i = 0; i < chain.count; ++i) {
        struct input_task task;
        uint64_t think;
        if (!scan_need_line(scan, "another request") || !read_request(reader, &task, &think) ||
            (used && i < reader->options.requests && !fleet_add(reader, task, i, think))) {
            return false;
        }
    }
    void *room = array_room(reader->chains, reader->chain_count, &reader->chain_room, sizeof chain);
    if (room == NULL) {
        return input_out_of_memory(scan->error, scan->line);
    }
    reader->chains = room;
    reader->chains[reader->chain_count++] = chain;
    reader->requests += chain.count;
    return true;
}

/* Chains may only refer to chains and requests of their own trace. */
static inline bool check_chains(struct fleet_reader *reader) {
    for (uint32_t i = 0; i < reader->chain_count; ++i) {
        struct chain chain = reader->chains[i];
        bool main = i == 0;
        if (main != (chain.parent == UINT32_MAX)) {
            return input_fail(reader->scan->error, "SWARM_E_INVALID", chain.line,
                              "chain 0 and no other is without a parent");
        }
        uint32_t parent = main ? 0 : chain.parent;
        uint32_t count = parent < reader->chain_count ? reader->chains[parent].count : 0;
        if (parent >= reader->chain_count || (chain.after != UINT32_MAX && chain.after >= count) ||
            (chain.join != UINT32_MAX && chain.join >= count)) {
            return input_fail(reader->scan->error, "SWARM_E_MISSING", chain.line,
                              "chain %u refers to a chain or request that does not exist", i);
        }
        if (!main && parent >= i) {
            return input_fail(reader->scan->error, "SWARM_E_INVALID", chain.line,
                              "chain %u stands before its parent %u", i, parent);
        }
    }
    return true;
}

static inline bool read_trace(struct fleet_reader *reader) {
    struct scan *scan = reader->scan;
    uint32_t header = scan->line;
    struct slice id;
    uint64_t ignored, requests;
    uint32_t chains;
    if (!scan_keyword(scan, "agenttrace") || !scan_need_word(scan, "an id", &id) ||
        !scan_keyword(scan, "block") || !scan_number(scan, "tokens", INT64_MAX, &ignored) ||
        !scan_keyword(scan, "tool_tokens") || !scan_number(scan, "tokens", INT64_MAX, &ignored) ||
        !scan_keyword(scan, "system_tokens") || !scan_number(scan, "tokens", INT64_MAX, &ignored) ||
        !scan_keyword(scan, "chains") || !scan_u32(scan, "a number of chains", &chains) ||
        !scan_keyword(scan, "requests") ||
        !scan_number(scan, "a number of requests", INT64_MAX, &requests) || !scan_line_done(scan)) {
        return false;
    }
    reader->chain_count = 0;
    reader->requests = 0;
    for (uint32_t i = 0; i < chains; ++i) {
        if (!scan_need_line(scan, "another chain") || !read_chain(reader)) {
            return false;
        }
    }
    return (reader->requests == requests ||
            input_fail(scan->error, "SWARM_E_INVALID", header,
                       "%llu requests announced, %llu found", (unsigned long long)requests,
                       (unsigned long long)reader->requests)) &&
           check_chains(reader);
}

static inline bool read_sessions(struct scan *scan, struct input_run *run,
                                 const struct input_options *options) {
    struct fleet_reader reader = {.scan = scan, .run = run, .options = *options};
    bool good;
    do {
        good = read_trace(&reader);
    } while (good && scan_line(scan));
    free(reader.chains);
    if (good && run->task_count == 0) {
        good = input_fail(&run->error, "SWARM_E_INVALID", run->line,
                          "no trace has %d requests on its main chain", FLEET_REQUESTS_MIN);
    }
    return good &&
           run_add_u32(run, &run->trace_first, run->trace_count, &run->trace_room,
                       run->task_count) &&
           run_seal(run);
}

/* ---- Plans ----------------------------------------------------------------------------- */

/* An edge as it is written; a null name is START or END. */
struct plan_edge {
    struct slice from, to;
    uint32_t line;
};

struct plan_name {
    struct slice name;
    uint32_t task;
};

struct plan_reader {
    struct scan *scan;
    struct input_run *run;
    struct plan_edge *edges;
    uint32_t edge_count, edge_room;
    struct plan_name *names; /* sorted by name, then task */
};

static inline bool read_plan_node(struct plan_reader *reader) {
    struct input_run *run = reader->run;
    struct input_task task = {.duration = 1, .line = reader->scan->line};
    struct slice name;
    if (!scan_need_word(reader->scan, "a node name", &name)) {
        return false;
    }
    void *room = array_room(run->names, run->task_count, &run->name_room, sizeof name);
    if (room == NULL) {
        return input_out_of_memory(&run->error, task.line);
    }
    run->names = room;
    run->names[run->task_count] = name;
    return run_add_task(run, task);
}

static inline bool read_plan_edge(struct plan_reader *reader) {
    struct plan_edge edge = {.line = reader->scan->line};
    if (!scan_need_word(reader->scan, "a node", &edge.from) ||
        !scan_need_word(reader->scan, "a node", &edge.to) || !scan_line_done(reader->scan)) {
        return false;
    }
    void *room = array_room(reader->edges, reader->edge_count, &reader->edge_room, sizeof edge);
    if (room == NULL) {
        return input_out_of_memory(&reader->run->error, edge.line);
    }
    reader->edges = room;
    reader->edges[reader->edge_count++] = edge;
    return true;
}

/* Reads to the next `g`, past errors too, so that one bad plan costs only itself. */
static inline void read_plan_lines(struct plan_reader *reader) {
    struct scan *scan = reader->scan;
    struct slice word;
    struct scan before = *scan;
    while (scan_line(scan) && scan_word(scan, &word)) {
        if (slice_is(word, "g")) {
            *scan = before;
            return;
        }
        if (reader->run->error.status == NULL) {
            if (slice_is(word, "n")) {
                read_plan_node(reader);
            } else if (slice_is(word, "e")) {
                read_plan_edge(reader);
            } else {
                input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                           "expected n, e or g, found %.*s", slice_shown(word), word.at);
            }
        }
        before = *scan;
    }
}

static inline int slice_compare(struct slice a, struct slice b) {
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static inline int plan_name_compare(const void *left, const void *right) {
    const struct plan_name *a = left;
    const struct plan_name *b = right;
    int order = slice_compare(a->name, b->name);
    return order != 0 ? order : (a->task > b->task) - (a->task < b->task);
}

/* Sorts the names; of several that stand twice the first second one in the file is named. */
static inline bool plan_index_names(struct plan_reader *reader) {
    struct input_run *run = reader->run;
    uint32_t twice = UINT32_MAX;
    reader->names = array_new(run->task_count, sizeof *reader->names);
    if (reader->names == NULL) {
        return input_out_of_memory(&run->error, run->line);
    }
    for (uint32_t v = 0; v < run->task_count; ++v) {
        reader->names[v] = (struct plan_name){run->names[v], v};
    }
    qsort(reader->names, run->task_count, sizeof *reader->names, plan_name_compare);
    for (uint32_t i = 1; i < run->task_count; ++i) {
        if (slice_compare(reader->names[i - 1].name, reader->names[i].name) == 0 &&
            reader->names[i].task < twice) {
            twice = reader->names[i].task;
        }
    }
    if (twice == UINT32_MAX) {
        return true;
    }
    return input_fail(&run->error, "SWARM_E_DUPLICATE", run->tasks[twice].line, "node %.*s twice",
                      slice_shown(run->names[twice]), run->names[twice].at);
}

static inline bool plan_find(const struct plan_reader *reader, struct plan_edge edge,
                             struct slice name, uint32_t *out_task) {
    uint32_t low = 0;
    uint32_t high = reader->run->task_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(reader->names[middle].name, name);
        if (order == 0) {
            *out_task = reader->names[middle].task;
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return input_fail(&reader->run->error, "SWARM_E_MISSING", edge.line,
                      "no node of this plan is called %.*s", slice_shown(name), name.at);
}

static inline bool plan_resolve_edges(struct plan_reader *reader) {
    for (uint32_t i = 0; i < reader->edge_count; ++i) {
        struct plan_edge edge = reader->edges[i];
        bool start = slice_is(edge.from, "START");
        bool end = slice_is(edge.to, "END");
        struct input_edge found = {0, 0, 0, edge.line};
        if ((!start && !plan_find(reader, edge, edge.from, &found.from)) ||
            (!end && !plan_find(reader, edge, edge.to, &found.to)) ||
            (!start && !end && !run_add_edge(reader->run, found))) {
            return false;
        }
    }
    return true;
}

static inline bool check_plan_counts(struct plan_reader *reader, uint32_t nodes, uint32_t edges) {
    struct input_run *run = reader->run;
    if (nodes == run->task_count && edges == reader->edge_count) {
        return true;
    }
    return input_fail(&run->error, "SWARM_E_INVALID", run->line,
                      "%u nodes and %u edges announced, %u and %u found", nodes, edges,
                      run->task_count, reader->edge_count);
}

/* From the line that begins with `g` to the one before the next. */
static inline bool read_plan(struct scan *scan, struct input_run *run) {
    struct plan_reader reader = {.scan = scan, .run = run};
    struct slice source;
    uint32_t nodes = 0;
    uint32_t edges = 0;
    bool good = scan_keyword(scan, "g") && scan_need_word(scan, "an id", &run->plan) &&
                scan_need_word(scan, "a source", &source) &&
                scan_u32(scan, "a number of nodes", &nodes) &&
                scan_u32(scan, "a number of edges", &edges) && scan_line_done(scan);
    read_plan_lines(&reader);
    good = good && run->error.status == NULL && check_plan_counts(&reader, nodes, edges);
    if (good && run->task_count == 0) {
        good = input_fail(&run->error, "SWARM_E_INVALID", run->line, "the plan has no node");
    }
    good = good && plan_index_names(&reader) && plan_resolve_edges(&reader) && run_seal(run);
    free(reader.edges);
    free(reader.names);
    return good;
}

#endif
