/* SPDX-License-Identifier: MIT */
/*
 * gate.h - what stands between a ready step and an agent besides the agent: limits and rates, the
 * governor of a backend.
 */
#ifndef SWARM_CORE_GATE_H
#define SWARM_CORE_GATE_H

#include "core.h"

/* As swarm__agent_pick, among the profiles in `fits` whose backends let the demand through. */
uint32_t swarm__gate_pick(swarm *sw, uint32_t demand, const struct skill_set *fits,
                          int64_t *out_score, uint32_t *out_why);
/* The same for the head of a queue of a run that is ordered by slack. In slack.c. */
uint32_t swarm__slack_pick(swarm *sw, uint32_t head, int64_t *out_score, uint32_t *out_why);
/* A ready demand for which no agent can be picked, for the reason `why`, waits. In advance.c. */
void swarm__set_aside(swarm *sw, uint32_t demand, uint32_t why);
/* The waiting list for the permit that the demand lacks, or NONE32; a rate's timer is armed. */
uint32_t swarm__gate_lacking(swarm *sw, uint32_t demand);
/* An attempt takes its permits; it gives them back, and the books of rates and governor are set
 * right by its answer. */
void swarm__gate_take(swarm *sw, uint32_t attempt);
void swarm__gate_give(swarm *sw, uint32_t attempt);
/* Takes what limits on retries want for one more by this agent's backend: NONE32, or the permit
 * that has none. */
uint32_t swarm__gate_retry(swarm *sw, uint32_t agent);
/* Until when the backend is held after an answer that turned the attempt away: as long as it said,
 * or, when it named no time to come, for the step's own backoff: it must not be asked again at
 * once, for ever. A governor lets it rest for a while in any case. */
uint64_t swarm__gate_hold_until(const swarm *sw, const struct attempt *attempt,
                                uint64_t backoff_ns);
/* Says the next governor that was set in the log; sets it again from there: false: it can't be. */
void swarm__governor_log(swarm *sw);
bool swarm__governor_again(swarm *sw, const swarm_event *event);
/* Over all that makes a limit; the capacity of a plain semaphore. */
uint64_t swarm__limit_digest(const struct permit *permit);
/* While a log is replayed, what the caller has set up for backends waits: a limit until the log
 * names it, governors that it does not name until its end. */
void swarm__gates_aside(struct dispatch *d);
void swarm__limit_again(struct dispatch *d, uint32_t permit);
void swarm__governors_back(struct dispatch *d);
/* A timer of a permit, then of a governor, is due. */
void swarm__gate_timer(swarm *sw, uint32_t index);

#endif
