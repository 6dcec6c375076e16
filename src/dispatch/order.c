/* SPDX-License-Identifier: MIT */
#include "order.h"

#include "../base/checked.h"

struct levels {
    struct dispatch *d;
    const struct graph_plan *plan;
    uint32_t order;
    uint32_t last; /* of the plan's tracked steps, linked backwards by list_next */
    bool changed;
};

/* The record of a step of this plan; null for others: only new steps have no ordinal yet. */
static struct tracked *new_step(const struct levels *l, uint32_t slot) {
    const struct graph *graph = l->plan->graph;
    struct tracked *step =
        graph_has(graph, slot, GRAPH_TRACKED) ? &l->d->tracked[tracked_of(graph, slot)] : NULL;

    return step != NULL && step->ordinal == SWARM_NEVER ? step : NULL;
}

static uint64_t weight(const struct levels *l, const struct tracked *step) {
    SWARM_ASSERT(l->order == SWARM_ORDER_HOPS || l->order == SWARM_ORDER_CRITICAL);
    return l->order == SWARM_ORDER_HOPS ? 1 : step->estimate_ns;
}

static void relax(struct levels *l, struct tracked *from, const struct tracked *to,
                  uint64_t delay_ns) {
    uint64_t way = saturating_add64(to->level, weight(l, from));

    if (l->order == SWARM_ORDER_CRITICAL) {
        way = saturating_add64(way, delay_ns);
    }
    if (way > from->level) {
        from->level = way;
        l->changed = true;
    }
}

/* Every edge once, from the last step added to the first. */
static void relax_edges(struct levels *l) {
    for (uint32_t at = l->last; at != NONE32; at = l->d->tracked[at].list_next) {
        const struct tracked *to = &l->d->tracked[at];
        uint32_t cursor = NONE32, from;
        bool delayed;

        while (swarm__graph_plan_incoming(l->plan, to->slot, &cursor, &from, &delayed)) {
            struct tracked *step = new_step(l, from);

            if (step != NULL) {
                relax(l, step, to, 0);
            }
        }
    }
}

static void relax_delays(struct levels *l, uint32_t delays) {
    for (uint32_t at = delays; at != NONE32; at = l->d->delays[at].next) {
        struct tracked *from = new_step(l, l->d->delays[at].from);
        const struct tracked *to = new_step(l, l->d->delays[at].to);

        if (from != NULL && to != NULL) {
            relax(l, from, to, l->d->delays[at].delay_ns);
        }
    }
}

static void levels_begin(struct levels *l) {
    for (uint32_t slot = NONE32; swarm__graph_plan_step(l->plan, &slot);) {
        struct tracked *step = new_step(l, slot);

        if (step != NULL) {
            step->level = weight(l, step);
            step->list_next = l->last;
            l->last = tracked_of(l->plan->graph, slot);
        }
    }
}

/* Each pass lengthens every way that can be lengthened; a plan whose edges ascend needs one and one
 * that finds nothing, and no acyclic plan more than it has steps. */
void swarm__order_levels(struct dispatch *d, const struct graph_plan *plan, uint32_t delays,
                         uint32_t order) {
    struct levels l = {d, plan, order, NONE32, true};

    if (order != SWARM_ORDER_HOPS && order != SWARM_ORDER_CRITICAL) {
        return;
    }
    levels_begin(&l);
    for (uint32_t pass = 0; l.changed && pass <= plan->count; pass++) {
        l.changed = false;
        relax_edges(&l);
        relax_delays(&l, delays);
    }
    SWARM_ASSERT(!l.changed || plan->count == 0);
}
