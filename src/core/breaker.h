/* SPDX-License-Identifier: MIT */
/*
 * breaker.h - breakers of backends and agents, for the rest of the core.
 */
#ifndef SWARM_CORE_BREAKER_H
#define SWARM_CORE_BREAKER_H

#include "../dispatch/breaker.h"
#include "core.h"

/* An attempt starts: it may be a probe. It is settled. */
void swarm__breaker_begin(swarm *sw, uint32_t attempt);
void swarm__breaker_end(swarm *sw, uint32_t attempt);
/* How an attempt ended, as its step sees it. */
void swarm__breaker_sample(swarm *sw, uint32_t attempt, swarm_outcome outcome);
/* Whether the agent of a ballot voted with the others. */
void swarm__breaker_voted(swarm *sw, uint32_t agent, bool agreed);
/* The backend's account is exhausted. */
void swarm__breaker_quota(swarm *sw, uint32_t backend);
/* A backend may be used again, as far as its hold goes; the timer of agents is due. */
void swarm__breaker_backend_due(swarm *sw, uint32_t backend);
void swarm__breaker_agents_due(swarm *sw);
/* Whether breakers alone keep a ready step from being started: SWARM_HELD_BREAKER, SWARM_HELD_QUOTA
 * or SWARM_HELD_NONE. */
uint32_t swarm__breaker_holds(swarm *sw, uint32_t tracked);

#endif
