/* SPDX-License-Identifier: MIT */
/*
 * order.c - levels of a plan's steps, before it is linked.
 *
 * A step's level is its own weight and the longest way behind it. Steps are followed backwards from
 * those without successors; a count of edges that have not been followed tells when a level is
 * final. Count and lists live in fields of the records that mean nothing before the first attempt
 * (`attempts`, `list_next`, `delays_first`), so it needs no memory; afterwards all of them are what
 * they were.
 *
 * Time: O(steps + edges) of the plan. Threads: the turn.
 */
#include "order.h"

#include "../base/checked.h"

/* What the walk carries along. */
struct levels {
    struct dispatch *d;
    const struct graph_plan *plan;
    uint32_t order;
    uint32_t final; /* steps whose level is, and whose edges are not followed yet: by list_next */
};

/* The record of a step of this plan; null for others: only new steps have no ordinal yet. */
static struct tracked *new_step(const struct levels *l, uint32_t slot) {
    const struct graph *graph = l->plan->graph;
    struct tracked *step =
        graph_has(graph, slot, GRAPH_TRACKED) ? &l->d->tracked[tracked_of(graph, slot)] : NULL;

    return step != NULL && step->ordinal == SWARM_NEVER ? step : NULL;
}

/* The mean over the profiles that have the skills; 1 for a label that none of them has ended. */
static uint64_t learned(const struct dispatch *d, uint64_t label, const struct skill_set *skills) {
    uint64_t count = 0, sum_ns = 0;

    for (uint32_t at = *duration_chain(&d->durations, label); at != NONE32;
         at = d->durations.entries[at].chain) {
        const struct duration *entry = &d->durations.entries[at];

        if (entry->label == label && set_within(skills, &d->profiles[entry->profile].skills)) {
            count += entry->count;
            sum_ns = saturating_add64(sum_ns, entry->sum_ns);
        }
    }
    return sum_ns < count || count == 0 ? 1 : sum_ns / count;
}

static uint64_t weight(const struct levels *l, const struct tracked *step) {
    SWARM_ASSERT(l->order == SWARM_ORDER_HOPS || order_is_timed(l->order));
    if (l->order == SWARM_ORDER_HOPS) {
        return 1;
    }
    if (step->estimate_ns != 0 || step->order_key == 0 || step->demand == NONE32) {
        return step->estimate_ns;
    }
    return learned(l->d, step->order_key, &l->d->demands[step->demand].skills);
}

/* Bellman's word: a way over `to` may be longer than the longest known. */
static void relax(const struct levels *l, struct tracked *from, const struct tracked *to,
                  uint64_t delay_ns) {
    uint64_t way = saturating_add64(saturating_add64(to->level, weight(l, from)), delay_ns);

    SWARM_ASSERT(from != to);
    from->level = way > from->level ? way : from->level;
}

/* All that stands behind this step is known: its own predecessors may use its level. */
static void final_push(struct levels *l, struct tracked *step) {
    SWARM_ASSERT(step->attempts == 0);
    step->list_next = l->final;
    l->final = tracked_of(l->plan->graph, step->slot);
}

/* Counts, in `attempts`, the edges that leave each step; nobody has attempted it yet. */
static void edges_count(const struct levels *l, const struct tracked *to) {
    uint32_t cursor = NONE32, from;
    bool delayed;

    while (swarm__graph_plan_incoming(l->plan, to->slot, &cursor, &from, &delayed)) {
        struct tracked *step = new_step(l, from);

        if (step != NULL) {
            step->attempts++;
        }
    }
}

/* Lists the plan's delays by the step that they lead to, through a field that is not used yet. */
static void delays_list(const struct levels *l, uint32_t delays) {
    for (uint32_t at = delays; at != NONE32; at = l->d->delays[at].next) {
        struct tracked *to = new_step(l, l->d->delays[at].to);

        if (to != NULL) {
            l->d->delays[at].ordinal = to->delays_first;
            to->delays_first = at;
        }
    }
}

/* An edge with a delay is a longer way; the step's list of them is empty again afterwards. */
static void follow_delays(const struct levels *l, struct tracked *to) {
    for (uint32_t at = to->delays_first; at != NONE32; at = (uint32_t)l->d->delays[at].ordinal) {
        struct tracked *from = new_step(l, l->d->delays[at].from);

        if (from != NULL && order_is_timed(l->order)) {
            relax(l, from, to, l->d->delays[at].delay_ns);
        }
    }
    to->delays_first = NONE32;
}

/* A step's level is final when those of all its successors have been followed. */
static void follow_edges(struct levels *l, const struct tracked *to) {
    uint32_t cursor = NONE32, from;
    bool delayed;

    while (swarm__graph_plan_incoming(l->plan, to->slot, &cursor, &from, &delayed)) {
        struct tracked *step = new_step(l, from);

        if (step == NULL) {
            continue;
        }
        SWARM_ASSERT(step->attempts != 0);
        relax(l, step, to, 0);
        if (--step->attempts == 0) {
            final_push(l, step);
        }
    }
}

static void levels_begin(struct levels *l) {
    for (uint32_t slot = NONE32; swarm__graph_plan_step(l->plan, &slot);) {
        struct tracked *step = new_step(l, slot);

        if (step != NULL) {
            SWARM_ASSERT(step->delays_first == NONE32);
            step->level = weight(l, step);
            edges_count(l, step);
        }
    }
    for (uint32_t slot = NONE32; swarm__graph_plan_step(l->plan, &slot);) {
        struct tracked *step = new_step(l, slot);

        if (step != NULL && step->attempts == 0) {
            final_push(l, step);
        }
    }
}

/* Backwards from the steps without successors (Kahn 1962), so that each edge is followed once,
 * however the steps were added. The plan has been checked: there is no cycle to stop this. */
void swarm__order_levels(struct dispatch *d, const struct graph_plan *plan, uint32_t delays,
                         uint32_t order) {
    struct levels l = {d, plan, order, NONE32};

    if (order != SWARM_ORDER_HOPS && !order_is_timed(order)) {
        return;
    }
    levels_begin(&l);
    delays_list(&l, delays);
    while (l.final != NONE32) {
        struct tracked *to = &d->tracked[l.final];

        l.final = to->list_next;
        follow_delays(&l, to);
        follow_edges(&l, to);
    }
}
