/* SPDX-License-Identifier: MIT */
/*
 * agent.h - backends, profiles, agents; which of them takes a step (M7, M8).
 */
#ifndef SWARM_DISPATCH_AGENT_H
#define SWARM_DISPATCH_AGENT_H

#include "table.h"

/* Each adds one and returns its index, or NONE32 with the reason in *out_error. */
uint32_t swarm__backend_add(struct dispatch *d, const swarm_backend *table, swarm_error *out_error);
uint32_t swarm__profile_add(struct dispatch *d, const swarm_profile_spec *spec,
                            swarm_error *out_error);
uint32_t swarm__agent_add(struct dispatch *d, uint32_t profile, uint32_t count,
                          swarm_error *out_error);
/* Its breaker lets nothing through, or something again. */
void swarm__agent_shut(struct dispatch *d, uint32_t agent, bool shut);
void swarm__agent_withdraw(struct dispatch *d, uint32_t agent);

/* Why no agent was picked. */
enum { PICK_BUSY = 0, PICK_HELD = 1, PICK_NOBODY = 2 };

/* The agent for a demand among profiles that fit it, by score, or NONE32 with the reason in
 * *out_why: those that fit are all busy, their backends are held, or nobody in service fits. */
uint32_t swarm__agent_pick(const struct dispatch *d, const struct demand *demand,
                           const struct skill_set *fits, int64_t *out_score, uint32_t *out_why);

/* The agent whose cache holds this prefix, with its score, if it could be picked as well as the one
 * that was; else that one. */
uint32_t swarm__agent_prefer(const struct dispatch *d, uint32_t demand, uint64_t prefix,
                             uint32_t picked, int64_t *score);

/* One attempt more, one less. Whoever waits for an agent must be woken after a give, and when
 * agents were added or withdrawn. */
void swarm__agent_take(struct dispatch *d, uint32_t agent);
void swarm__agent_give(struct dispatch *d, uint32_t agent, uint64_t busy_ns);

/* Shared by all setup calls. */
void swarm__refuse(swarm_error *out_error, swarm_status status, const char *text);

#endif
