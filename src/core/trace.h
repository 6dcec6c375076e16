/* SPDX-License-Identifier: MIT */
/*
 * trace.h - what core writes into the log for the sake of a resume, besides its decisions: plans
 * and what was set up. Part of core.h.
 */
#ifndef SWARM_CORE_TRACE_H
#define SWARM_CORE_TRACE_H

#include "core.h"

/* ---- planlog.c */

/* Whether the log has room for the plan's events; *out_never: not even when it is empty. */
bool swarm__plan_room(swarm_plan *plan, bool *out_never);
/* Writes them: the plan is about to be linked, and its first step gets this ordinal. */
void swarm__plan_log(const swarm_plan *plan, uint64_t first);

/* The record of a marked edge of this plan, or null: marked twice, it may have become plain. */
const struct delay *swarm__plan_mark(const swarm_plan *plan, uint32_t from, uint32_t to);

/* ---- setuplog.c */

/* Writes one event about what was set up and is not in the log yet; false when there is none. */
bool swarm__setup_log(swarm *sw);

#endif
