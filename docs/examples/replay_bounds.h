/* SPDX-License-Identifier: MIT
 *
 * replay_bounds.h: how good could any schedule of a run be, and the ranks that policies use.
 *
 * Head and tail of a task are the longest paths in time before and after it, its own duration in
 * neither. Of p equal workers, the tasks S with head >= k leave each worker idle until k and, at
 * its end, for at least the tail of the last task it ran: hence p * k + W(S) + the p smallest tails
 * in S is at most p times the makespan; the same holds backwards, and for all tasks with heads
 * and tails together. lower_bound is the largest of these, of the critical path and of the work
 * over p. Sums that could pass 2^64 are kept divided by p (struct share), so nothing overflows:
 * the bound itself is never above the work, which a sealed run keeps below 2^63.
 *
 * Arrays that a function fills belong to the caller, task_count long. Runs are sealed.
 */
#ifndef REPLAY_BOUNDS_H
#define REPLAY_BOUNDS_H

#include "replay_graph.h"

struct bounds {
    uint64_t critical_path;
    uint64_t work;
    uint64_t lower_bound;
};

static inline uint64_t max_u64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* ---- Ranks ----------------------------------------------------------------------------- */

/* The longest path before each task; delays of edges count where `delays` says so. */
static inline void bounds_heads(const struct input_run *run, bool delays, uint64_t *head) {
    memset(head, 0, run->task_count * sizeof *head);
    for (uint32_t i = 0; i < run->task_count; ++i) {
        uint32_t u = run->order[i];
        uint64_t end = head[u] + run->tasks[u].duration;
        for (uint32_t e = run->edge_first[u]; e < run->edge_first[u + 1]; ++e) {
            struct input_edge edge = run->edges[e];
            head[edge.to] = max_u64(head[edge.to], end + (delays ? edge.delay : 0));
        }
    }
}

/* The longest path after each task: critical-path lists by duration + tail, largest first. */
static inline void bounds_tails(const struct input_run *run, bool delays, uint64_t *tail) {
    for (uint32_t i = run->task_count; i > 0; --i) {
        uint32_t u = run->order[i - 1];
        tail[u] = 0;
        for (uint32_t e = run->edge_first[u]; e < run->edge_first[u + 1]; ++e) {
            struct input_edge edge = run->edges[e];
            uint64_t after = run->tasks[edge.to].duration + tail[edge.to];
            tail[u] = max_u64(tail[u], after + (delays ? edge.delay : 0));
        }
    }
}

/* Tasks on the longest path to an exit, its own included. */
static inline void bounds_hops(const struct input_run *run, uint32_t *hops) {
    for (uint32_t i = run->task_count; i > 0; --i) {
        uint32_t u = run->order[i - 1];
        hops[u] = 1;
        for (uint32_t e = run->edge_first[u]; e < run->edge_first[u + 1]; ++e) {
            uint32_t after = hops[run->edges[e].to] + 1;
            hops[u] = after > hops[u] ? after : hops[u];
        }
    }
}

/* Sessions: what is left of the trace from this request on, its own think time included. */
static inline void bounds_remaining(const struct input_run *run, uint64_t *rest) {
    bounds_tails(run, true, rest);
    for (uint32_t v = 0; v < run->task_count; ++v) {
        rest[v] += run->tasks[v].duration;
    }
    for (uint32_t e = 0; e < run->edge_count; ++e) {
        rest[run->edges[e].to] += run->edges[e].delay;
    }
}

/* ---- The bound for equal workers ------------------------------------------------------- */

/* A sum over p, kept as quotients and remainders of its terms: no sum of n terms overflows. */
struct share {
    uint64_t quotient;
    uint64_t remainder;
};

static inline void share_add(struct share *share, uint64_t value, uint32_t p) {
    share->quotient += value / p;
    share->remainder += value % p;
}

static inline void share_subtract(struct share *share, uint64_t value, uint32_t p) {
    share->quotient -= value / p;
    share->remainder -= value % p;
}

static inline uint64_t share_ceiling(struct share share, uint32_t p) {
    return share.quotient + share.remainder / p + (share.remainder % p != 0);
}

/* The smallest `limit` numbers seen, as a heap with the largest on top, and their sum over p. */
struct smallest {
    uint64_t *heap;
    uint32_t count;
    uint32_t limit;
    struct share sum;
};

static inline void smallest_sift(struct smallest *set, uint32_t at, uint64_t value) {
    while (2 * (uint64_t)at + 1 < set->count) {
        uint32_t child = 2 * at + 1;
        child += child + 1 < set->count && set->heap[child + 1] > set->heap[child];
        if (set->heap[child] <= value) {
            break;
        }
        set->heap[at] = set->heap[child];
        at = child;
    }
    set->heap[at] = value;
}

static inline void smallest_add(struct smallest *set, uint64_t value, uint32_t p) {
    if (set->count < set->limit) {
        uint32_t at = set->count++;
        for (; at > 0 && set->heap[(at - 1) / 2] < value; at = (at - 1) / 2) {
            set->heap[at] = set->heap[(at - 1) / 2];
        }
        set->heap[at] = value;
        share_add(&set->sum, value, p);
    } else if (value < set->heap[0]) {
        share_subtract(&set->sum, set->heap[0], p);
        share_add(&set->sum, value, p);
        smallest_sift(set, 0, value);
    }
}

/* A task of length > 0 seen from one side: near selects it, far is what it leaves idle. */
struct bound_item {
    uint64_t near;
    uint64_t far;
    uint64_t duration;
};

static inline int bound_item_compare(const void *left, const void *right) {
    const struct bound_item *a = left;
    const struct bound_item *b = right;
    return (a->near < b->near) - (a->near > b->near);
}

/* The largest bound over all k, for heads as near or for tails; heap has room for `count`. */
static inline uint64_t bound_one_way(struct bound_item *items, uint32_t count, uint32_t p,
                                     uint64_t *heap) {
    struct smallest far = {.heap = heap, .limit = p < count ? p : count};
    struct share work = {0, 0};
    uint64_t best = 0;
    qsort(items, count, sizeof *items, bound_item_compare);
    for (uint32_t i = 0; i < count; ++i) {
        share_add(&work, items[i].duration, p);
        smallest_add(&far, items[i].far, p);
        if (i + 1 < count && items[i + 1].near == items[i].near) {
            continue; /* S is not complete for this k */
        }
        if (i + 1 >= p) { /* fewer: k + W(S)/p + the least tail is below the critical path */
            struct share sum = {work.quotient + far.sum.quotient,
                                work.remainder + far.sum.remainder};
            best = max_u64(best, items[i].near + share_ceiling(sum, p));
        }
    }
    return best;
}

/* The p smallest heads, all work and the p smallest tails. */
static inline uint64_t bound_both_ends(const struct bound_item *items, uint32_t count, uint32_t p,
                                       uint64_t *heap) {
    uint32_t limit = p < count ? p : count;
    struct smallest near = {.heap = heap, .limit = limit};
    struct share sum = {0, 0};
    for (uint32_t i = 0; i < count; ++i) {
        share_add(&sum, items[i].duration, p);
        smallest_add(&near, items[i].near, p);
    }
    struct smallest far = {.heap = heap, .limit = limit};
    for (uint32_t i = 0; i < count; ++i) {
        smallest_add(&far, items[i].far, p);
    }
    sum.quotient += near.sum.quotient + far.sum.quotient;
    sum.remainder += near.sum.remainder + far.sum.remainder;
    return share_ceiling(sum, p);
}

struct bound_scratch {
    uint64_t *head;
    uint64_t *tail;
    uint64_t *heap;
    struct bound_item *items;
};

static inline uint64_t bound_of_graph(const struct input_run *run, uint32_t p,
                                      const struct bound_scratch *scratch) {
    uint32_t count = 0;
    for (uint32_t v = 0; v < run->task_count; ++v) {
        uint64_t duration = run->tasks[v].duration;
        if (duration > 0) {
            scratch->items[count++] =
                (struct bound_item){scratch->head[v], scratch->tail[v], duration};
        }
    }
    uint64_t best = bound_both_ends(scratch->items, count, p, scratch->heap);
    best = max_u64(best, bound_one_way(scratch->items, count, p, scratch->heap));
    for (uint32_t i = 0; i < count; ++i) {
        uint64_t near = scratch->items[i].near;
        scratch->items[i].near = scratch->items[i].far;
        scratch->items[i].far = near;
    }
    return max_u64(best, bound_one_way(scratch->items, count, p, scratch->heap));
}

/* ---- All bounds of a run --------------------------------------------------------------- */

/* Units of work of the busiest class over its capacity. */
static inline uint64_t bound_of_classes(const struct input_run *run) {
    uint64_t best = 0;
    for (uint32_t c = 0; c < run->class_count; ++c) {
        uint64_t area = 0;
        uint64_t capacity = run->capacity[c];
        for (uint32_t v = 0; v < run->task_count; ++v) {
            area += run->tasks[v].duration * run->units[(size_t)v * run->class_count + c];
        }
        if (capacity > 0) { /* else nobody may use it: checked by the reader */
            best = max_u64(best, area / capacity + (area % capacity != 0));
        }
    }
    return best;
}

static inline uint64_t ceiling(uint64_t value, uint32_t p) {
    return value / p + (value % p != 0);
}

static inline void bounds_fill(const struct input_run *run, uint32_t p,
                               const struct bound_scratch *scratch, struct bounds *out) {
    struct bounds bounds = {0, 0, 0};
    bounds_heads(run, run->kind == INPUT_SESSIONS, scratch->head);
    bounds_tails(run, run->kind == INPUT_SESSIONS, scratch->tail);
    for (uint32_t v = 0; v < run->task_count; ++v) {
        uint64_t end = scratch->head[v] + run->tasks[v].duration;
        bounds.critical_path = max_u64(bounds.critical_path, end);
        bounds.work += run->tasks[v].duration;
    }
    uint64_t other = 0;
    if (run->kind == INPUT_RCP) {
        other = bound_of_classes(run);
    } else if (run->kind == INPUT_SESSIONS) {
        other = ceiling(bounds.work, p);
    } else if (run->kind == INPUT_HET) { /* every task on its cheapest worker, transfers free */
        other = ceiling(bounds.work, run->worker_count);
    } else {
        other = max_u64(ceiling(bounds.work, p), bound_of_graph(run, p, scratch));
    }
    bounds.lower_bound = max_u64(bounds.critical_path, other);
    *out = bounds;
}

/* For p >= 1 equal workers or slots (ignored for .het); false where memory lacks. */
static inline bool bounds_of(const struct input_run *run, uint32_t p, struct bounds *out) {
    struct bound_scratch scratch = {
        .head = array_new(run->task_count, sizeof *scratch.head),
        .tail = array_new(run->task_count, sizeof *scratch.tail),
        .heap = array_new(run->task_count, sizeof *scratch.heap),
        .items = array_new(run->task_count, sizeof *scratch.items),
    };
    bool good = scratch.head != NULL && scratch.tail != NULL && scratch.heap != NULL &&
                scratch.items != NULL;
    if (good) {
        bounds_fill(run, p, &scratch, out);
    }
    free(scratch.head);
    free(scratch.tail);
    free(scratch.heap);
    free(scratch.items);
    return good;
}

#endif
