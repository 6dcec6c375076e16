/* SPDX-License-Identifier: MIT
 *
 * replay_heft.h: the static HEFT schedule of a .het run, for --policy heft.
 *
 * Heterogeneous earliest finish time with insertion: Topcuoglu, Hariri, Wu, "Performance-effective
 * and low-complexity task scheduling for heterogeneous computing", IEEE TPDS 13(3) 2002, section
 * 5.1. Tasks in order of falling upward rank, ties by place in the breadth-first topological
 * order; each goes to the worker where it ends first, ties the lowest, at the earliest start in
 * any gap that fits. Ranks are of mean costs, here times the number of workers: whole numbers.
 *
 * Invariant: the tasks of a worker are sorted by start and do not overlap; a task is placed after
 * all its predecessors, because rank falls along every edge, or stays and the order decides.
 *
 * Time: tasks squared in the worst case (a scan of all gaps), so at most HEFT_TASKS_MAX tasks.
 */
#ifndef REPLAY_HEFT_H
#define REPLAY_HEFT_H

#include "replay_bounds.h"

enum {
    HEFT_TASKS_MAX = 1 << 16,
};

struct heft_place {
    uint32_t worker;
    uint64_t start;
};

/* The tasks of worker w in the order they run: sequence[first[w]] to sequence[first[w + 1] - 1]. */
struct heft_plan {
    struct heft_place *place; /* [task_count] */
    uint32_t *sequence;       /* [task_count] */
    uint32_t *first;          /* [worker_count + 1] */
};

/* Something that a worker does from start to end. */
struct heft_slot {
    uint64_t start;
    uint64_t end;
    uint32_t task;
};

struct heft_worker {
    struct heft_slot *slots; /* by start */
    uint32_t count, room;
    uint64_t ends;    /* of the current task's predecessors: the last end here */
    uint64_t arrives; /* the last arrival elsewhere of what they made here */
};

struct heft_key {
    uint64_t rank;
    uint32_t place; /* in the topological order */
    uint32_t task;
};

struct heft_state {
    const struct input_run *run;
    struct heft_plan *plan;
    struct heft_worker *workers;
    struct heft_key *keys;
    uint64_t *rank;
    uint32_t *predecessor_first; /* [task_count + 1] */
    uint32_t *predecessor_edge;  /* [edge_count] edges by their end */
};

/* ---- Ranks ----------------------------------------------------------------------------- */

static inline int heft_key_compare(const void *left, const void *right) {
    const struct heft_key *a = left;
    const struct heft_key *b = right;
    int order = (a->rank < b->rank) - (a->rank > b->rank);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* rank(u) = sum of costs + the largest of workers * transfer + rank(v); below 2^63 when sealed. */
static inline void heft_rank(struct heft_state *state) {
    const struct input_run *run = state->run;
    for (uint32_t i = run->task_count; i > 0; --i) {
        uint32_t u = run->order[i - 1];
        uint64_t after = 0;
        for (uint32_t e = run->edge_first[u]; e < run->edge_first[u + 1]; ++e) {
            struct input_edge edge = run->edges[e];
            after = max_u64(after, edge.delay * run->worker_count + state->rank[edge.to]);
        }
        state->rank[u] = after;
        for (uint32_t w = 0; w < run->worker_count; ++w) {
            state->rank[u] += run->cost[(size_t)u * run->worker_count + w];
        }
        state->keys[i - 1] = (struct heft_key){state->rank[u], i - 1, u};
    }
    qsort(state->keys, run->task_count, sizeof *state->keys, heft_key_compare);
}

static inline void heft_index_predecessors(struct heft_state *state) {
    const struct input_run *run = state->run;
    for (uint32_t v = 0; v < run->task_count; ++v) {
        state->predecessor_first[v + 1] = state->predecessor_first[v] + run->tasks[v].predecessors;
    }
    for (uint32_t e = run->edge_count; e > 0; --e) { /* fills each task's part from its end */
        state->predecessor_edge[--state->predecessor_first[run->edges[e - 1].to + 1]] = e - 1;
    }
    for (uint32_t v = 0; v < run->task_count; ++v) { /* first[v + 1] has fallen to first[v] */
        state->predecessor_first[v] = state->predecessor_first[v + 1];
    }
    state->predecessor_first[run->task_count] = run->edge_count;
}

/* ---- Placing --------------------------------------------------------------------------- */

/* Sets ends and arrives; returns the worker whose products arrive last, and the next arrival. */
static inline uint32_t heft_gather(struct heft_state *state, uint32_t task, uint64_t *out_second) {
    const struct input_run *run = state->run;
    uint32_t latest = 0;
    uint64_t second = 0;
    for (uint32_t w = 0; w < run->worker_count; ++w) {
        state->workers[w].ends = state->workers[w].arrives = 0;
    }
    for (uint32_t i = state->predecessor_first[task]; i < state->predecessor_first[task + 1]; ++i) {
        struct input_edge edge = run->edges[state->predecessor_edge[i]];
        struct heft_place place = state->plan->place[edge.from];
        struct heft_worker *worker = &state->workers[place.worker];
        uint64_t end =
            place.start + run->cost[(size_t)edge.from * run->worker_count + place.worker];
        worker->ends = max_u64(worker->ends, end);
        worker->arrives = max_u64(worker->arrives, end + edge.delay);
    }
    for (uint32_t w = 1; w < run->worker_count; ++w) {
        uint64_t arrives = state->workers[w].arrives;
        if (arrives > state->workers[latest].arrives) {
            second = state->workers[latest].arrives;
            latest = w;
        } else {
            second = max_u64(second, arrives);
        }
    }
    *out_second = second;
    return latest;
}

/* Where in the worker's slots a task that is ready then and takes so long can stand first. */
static inline uint32_t heft_find_gap(const struct heft_worker *worker, uint64_t ready,
                                     uint64_t cost, uint64_t *out_start) {
    uint32_t low = 0; /* the first slot that ends after ready: earlier gaps are too early */
    uint32_t high = worker->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (worker->slots[middle].end <= ready) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint64_t start = ready;
    while (low < worker->count && start + cost > worker->slots[low].start) {
        start = max_u64(start, worker->slots[low].end);
        ++low;
    }
    *out_start = start;
    return low;
}

static inline bool heft_insert(struct heft_worker *worker, uint32_t at, struct heft_slot slot) {
    void *room = array_room(worker->slots, worker->count, &worker->room, sizeof slot);
    if (room == NULL) {
        return false;
    }
    worker->slots = room;
    memmove(worker->slots + at + 1, worker->slots + at,
            (worker->count - at) * sizeof *worker->slots);
    worker->slots[at] = slot;
    worker->count += 1;
    return true;
}

static inline bool heft_place_task(struct heft_state *state, uint32_t task) {
    const struct input_run *run = state->run;
    uint64_t second;
    uint32_t latest = heft_gather(state, task, &second);
    uint64_t last = state->workers[latest].arrives;
    uint32_t best = 0;
    uint32_t best_at = 0;
    struct heft_slot slot = {0, UINT64_MAX, task};
    for (uint32_t w = 0; w < run->worker_count; ++w) {
        uint64_t cost = run->cost[(size_t)task * run->worker_count + w];
        uint64_t ready = max_u64(state->workers[w].ends, w == latest ? second : last);
        uint64_t start;
        uint32_t at = heft_find_gap(&state->workers[w], ready, cost, &start);
        if (start + cost < slot.end) {
            slot.start = start;
            slot.end = start + cost;
            best = w;
            best_at = at;
        }
    }
    state->plan->place[task] = (struct heft_place){best, slot.start};
    return heft_insert(&state->workers[best], best_at, slot);
}

/* ---- The schedule ---------------------------------------------------------------------- */

static inline void heft_free(struct heft_plan *plan) {
    free(plan->place);
    free(plan->sequence);
    free(plan->first);
    *plan = (struct heft_plan){NULL, NULL, NULL};
}

static inline void heft_collect(struct heft_state *state) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < state->run->worker_count; ++w) {
        state->plan->first[w] = count;
        for (uint32_t i = 0; i < state->workers[w].count; ++i) {
            state->plan->sequence[count++] = state->workers[w].slots[i].task;
        }
    }
    state->plan->first[state->run->worker_count] = count;
}

static inline bool heft_run(struct heft_state *state) {
    if (state->plan->place == NULL || state->plan->sequence == NULL || state->plan->first == NULL ||
        state->workers == NULL || state->keys == NULL || state->rank == NULL ||
        state->predecessor_first == NULL || state->predecessor_edge == NULL) {
        return false;
    }
    heft_rank(state);
    heft_index_predecessors(state);
    for (uint32_t i = 0; i < state->run->task_count; ++i) {
        if (!heft_place_task(state, state->keys[i].task)) {
            return false;
        }
    }
    heft_collect(state);
    return true;
}

/* False leaves the reason in out_error and nothing to free. */
static inline bool heft_schedule(const struct input_run *run, struct heft_plan *out_plan,
                                 struct input_error *out_error) {
    *out_error = (struct input_error){.status = NULL};
    *out_plan = (struct heft_plan){NULL, NULL, NULL};
    if (run->task_count > HEFT_TASKS_MAX) {
        return input_fail(out_error, "SWARM_E_LIMIT", run->line, "heft takes at most %d tasks",
                          HEFT_TASKS_MAX);
    }
    out_plan->place = array_new(run->task_count, sizeof *out_plan->place);
    out_plan->sequence = array_new(run->task_count, sizeof *out_plan->sequence);
    out_plan->first = array_new((size_t)run->worker_count + 1, sizeof *out_plan->first);
    struct heft_state state = {
        .run = run,
        .plan = out_plan,
        .workers = array_new(run->worker_count, sizeof *state.workers),
        .keys = array_new(run->task_count, sizeof *state.keys),
        .rank = array_new(run->task_count, sizeof *state.rank),
        .predecessor_first =
            array_new((size_t)run->task_count + 1, sizeof *state.predecessor_first),
        .predecessor_edge = array_new(run->edge_count, sizeof *state.predecessor_edge),
    };
    bool good = heft_run(&state);
    for (uint32_t w = 0; state.workers != NULL && w < run->worker_count; ++w) {
        free(state.workers[w].slots);
    }
    free(state.workers);
    free(state.keys);
    free(state.rank);
    free(state.predecessor_first);
    free(state.predecessor_edge);
    if (!good) {
        heft_free(out_plan);
        return input_out_of_memory(out_error, run->line);
    }
    return true;
}

#endif
