/* SPDX-License-Identifier: MIT */
/*
 * plans.h - what the rest of the core asks of plans and of the call steps that bring them.
 */
#ifndef SWARM_CORE_PLANS_H
#define SWARM_CORE_PLANS_H

#include "core.h"

/* ---- plan.c */

/* Any thread. */
bool swarm__function_exists(const swarm *sw, swarm_function function);

/* ---- apply.c */

/* Applies a plan or says why not: see there. */
swarm_status swarm__plan_apply(swarm_plan *plan, swarm_error *out_error);
/* Gives back everything that a plan has taken. */
void swarm__plan_undo(swarm_plan *plan);
void swarm__demand_let_go(struct dispatch *d, uint32_t demand);
/* The record of a step that is not there after all goes back, with all that it holds. */
void swarm__record_give(struct dispatch *d, uint32_t tracked);
/* The record of a call step's plan goes back. A hook of the graph. */
void swarm__plan_done(void *sw, struct swarm_plan *plan);

/* ---- call.c: the graph's upcalls, and what they left for the turn */

/* A worker begins a tracked call step: what the function will see. */
void swarm__call_enter(void *sw, struct call_frame *frame);
/* It returned, or a plain one has to come to the turn: what it said is kept until then. */
void swarm__call_leave(void *sw, struct call_frame *frame, swarm_outcome outcome, uint64_t value);
/* The turn takes a tracked call step back: its plan first, then its end. */
void swarm__call_returned(swarm *sw, uint32_t slot, bool spoilt);
/* The same for a plain one. */
void swarm__plain_returned(swarm *sw, uint32_t slot);
/* Why the plan of a plain step that failed was refused, from its output; OK: there was none. */
swarm_status swarm__plain_refusal(uint64_t output, swarm_outcome *out_outcome, uint32_t *out_index);
/* The plan that a call step brought to the turn, or null. */
swarm_plan *swarm__plan_of_call(swarm *sw, uint32_t slot);

#endif
