/* SPDX-License-Identifier: MIT */
/*
 * attempt.h - an attempt from start to settlement, for the rest of the core. core.h brings it.
 */
#ifndef SWARM_CORE_ATTEMPT_H
#define SWARM_CORE_ATTEMPT_H

#include "core.h"

/* Starts an attempt of a ready step: the agent and the permits have been found free. */
void swarm__attempt_start(swarm *sw, uint32_t tracked, uint32_t agent, int64_t score);
/* Applies an answer that has arrived. */
void swarm__attempt_answered(swarm *sw, uint32_t attempt);
/* The step goes on without its attempt; the backend is asked to stop, and has a grace to answer. */
void swarm__attempt_give_up(swarm *sw, uint32_t tracked, swarm_status reason);
/* An attempt whose step is through with it is asked to stop. */
void swarm__attempt_fence(swarm *sw, uint32_t attempt, swarm_status reason);
/* One attempt of a step failed in the scheduler's eyes: it is given up, and if it was the last one
 * in flight, the step goes on as after an answer with this outcome. */
void swarm__attempt_lost(swarm *sw, uint32_t attempt, swarm_status reason, swarm_outcome outcome);
/* The step ends, or loops, with the result of an attempt that has left it. */
void swarm__attempt_wins(swarm *sw, uint32_t tracked, struct attempt *attempt);
/* The grace is over: agent and permits come back without an answer. */
void swarm__attempt_grace_over(swarm *sw, uint32_t attempt);
/* Tries the step again, or ends it, after a counted attempt that did not go well. */
void swarm__attempt_failed(swarm *sw, uint32_t tracked, swarm_outcome outcome);

#endif
