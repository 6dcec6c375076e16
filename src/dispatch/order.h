/* SPDX-License-Identifier: MIT */
/*
 * order.h - which ready step goes first: keys of the ready queues, and the levels behind them.
 *
 * Hops and b-level are the longest way from a step to an end of its plan, in steps or in estimated
 * time (Hu 1961; Adam, Chandy, Dickson 1974: highest level first). They are computed once, when the
 * plan is applied.
 */
#ifndef SWARM_DISPATCH_ORDER_H
#define SWARM_DISPATCH_ORDER_H

#include "table.h"

#define PRIORITY_MAX 255u

/* Whether the order looks at how long steps take: then a step's order_key may be a label. */
static inline bool order_is_timed(uint32_t order) {
    return order == SWARM_ORDER_CRITICAL || order == SWARM_ORDER_DEADLINE ||
           order == SWARM_ORDER_SLACK;
}

/* Fills `level` of the plan's tracked steps. The plan is checked and not yet linked; `delays` is
 * its list. Only ways through tracked steps count. */
void swarm__order_levels(struct dispatch *d, const struct graph_plan *plan, uint32_t delays,
                         uint32_t order);

/* Sets the key of a step that becomes ready as number `sequence`. */
static inline void order_key(struct dispatch *d, uint32_t tracked, uint64_t sequence) {
    const struct tracked *step = &d->tracked[tracked];
    struct heap_node *node = &d->ready_nodes[tracked];

    node->rank = PRIORITY_MAX - step->priority;
    switch (d->runs[step->run].order) {
    case SWARM_ORDER_LIFO:
        node->first = ~sequence;
        node->second = 0;
        break;
    case SWARM_ORDER_HOPS:
    case SWARM_ORDER_CRITICAL:
    case SWARM_ORDER_SLACK:
        node->first = ~step->level;
        node->second = step->ordinal;
        break;
    case SWARM_ORDER_DEADLINE: /* by the latest start that is in time */
        node->first = d->runs[step->run].deadline_ns > step->level
                          ? d->runs[step->run].deadline_ns - step->level
                          : 0;
        node->second = step->ordinal;
        break;
    case SWARM_ORDER_PREFIX: /* what a cache still holds */
        node->first = prefix_find(&d->prefixes, step->order_key) == NONE32;
        node->second = sequence;
        break;
    case SWARM_ORDER_KEY:
        node->first = step->order_key;
        node->second = sequence;
        break;
    case SWARM_ORDER_KEY_ID:
        node->first = step->order_key;
        node->second = step->ordinal;
        break;
    default:
        node->first = sequence;
        node->second = 0;
        break;
    }
}

#endif
