/* SPDX-License-Identifier: MIT */
/*
 * trace.h - what core writes into the log for the sake of a resume, besides its decisions: plans
 * and what was set up. Part of core.h.
 */
#ifndef SWARM_CORE_TRACE_H
#define SWARM_CORE_TRACE_H

#include "core.h"

/* The record of a step of the plan, or null. */
static inline struct tracked *plan_tracked(const swarm_plan *plan, uint32_t slot) {
    struct graph *graph = plan->graph.graph;

    return graph_has(graph, slot, GRAPH_TRACKED)
               ? &plan->sw->dispatch.tracked[tracked_of(graph, slot)]
               : NULL;
}

/* ---- planlog.c */

/* What a NEED is: field 0. */
enum { NEED_PERMIT = 1, NEED_SKILL = 2 };

/* In the flags of a STEP: a plain call step, a range step; from which bit on 1 + the capability. */
enum { STEP_PLAIN = 1 << 16, STEP_RANGE = 1 << 17, STEP_CAPABILITY = 20 };

/* Whether the log has room for the plan's events; *out_never: not even when it is empty. */
bool swarm__plan_room(swarm_plan *plan, bool *out_never);
/* Writes them: the plan is about to be linked, and its first step gets this ordinal. */
void swarm__plan_log(const swarm_plan *plan, uint64_t first);

/* The record of a marked edge of this plan, or null: marked twice, it may have become plain. */
const struct delay *swarm__plan_mark(const swarm_plan *plan, uint32_t from, uint32_t to);

/* ---- setuplog.c */

/* Writes one event about what was set up and is not in the log yet; false when there is none. */
bool swarm__setup_log(swarm *sw);
/* Who waits for this agent or for those of its profile looks again. */
void swarm__agents_changed(struct dispatch *d, uint32_t agent);

/* ---- for a replay: the parts of a round, one by one */

/* The next operation of the round under way; false when there is none. */
bool swarm__round_operation(swarm *sw);
/* Whether there is one that goes before commands. */
bool swarm__round_before_commands(const swarm *sw);
/* Takes the commands that were posted into the round. */
void swarm__round_commands(swarm *sw);
/* Takes the steps that workers have posted, in front of the list. */
uint32_t swarm__round_slots(swarm *sw, uint32_t list);
/* The links of such lists. */
uint32_t swarm__item_next(const swarm *sw, uint32_t item);
void swarm__item_link(swarm *sw, uint32_t item, uint32_t next);
/* Takes note of the scopes in which nothing is left. */
void swarm__scopes_take(swarm *sw);

#endif
