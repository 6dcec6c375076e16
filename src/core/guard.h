/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what watches over the attempts of a step, as the rest of the core sees it: guards,
 * questions, progress and detectors. All of it is the turn's, except where a comment says else.
 */
#ifndef SWARM_CORE_GUARD_H
#define SWARM_CORE_GUARD_H

#include "../dispatch/guard.h"
#include "../dispatch/pulse.h"
#include "core.h"

/* ---- guard.c */

/* Whether the step has options that watch over its attempts. */
bool swarm__guard_wanted(const swarm_step_spec *spec);
/* Whether the step is itself a question. */
bool swarm__guard_asks(const swarm *sw, const struct tracked *step);
/* Checks the options of a step that watch over its attempts, and makes the record. False with the
 * plan's error; NONE32 when it has none of them. Whoever fills the plan. */
bool swarm__guard_new(swarm_plan *plan, const swarm_step_spec *spec, uint32_t *out_guard);
/* The record goes back. Whoever filled the plan, or the turn. */
void swarm__guard_free(struct dispatch *d, uint32_t guard);
/* Makes the record as it was before the first attempt. */
void swarm__guard_again(struct dispatch *d, uint32_t guard);
/* The options go into the log; and how many events they are. */
uint32_t swarm__guard_events(const struct dispatch *d, uint32_t guard);
void swarm__guard_log(swarm *sw, const struct tracked *step, uint64_t ordinal);
/* Arms the step's timer for whatever comes first in its state. */
void swarm__guard_arm(swarm *sw, uint32_t tracked);
/* The step's timer: false when it was none of the guard's own, but the state's ordinary one. */
bool swarm__guard_timer(swarm *sw, uint32_t tracked);

/* ---- recover.c */

/* Whether the step has a recovery. */
bool swarm__recovers(const struct dispatch *d, const struct tracked *step);
/* Checks the recovery of a step with a guard and a demand, and makes the record; false with the
 * plan's error. Whoever fills the plan. */
bool swarm__recovery_new(swarm_plan *plan, const swarm_step_spec *spec, uint32_t tracked);
/* What only the turn can look at: false with the plan's error. */
bool swarm__recoveries_admit(swarm_plan *plan);
/* The step's plan is applied: its demands are shared from now on. */
void swarm__recovery_enter(struct dispatch *d, const struct tracked *step);
void swarm__recovery_free(struct dispatch *d, uint32_t guard);
/* The options go into the log; and how many events they are at most. */
void swarm__recovery_log(swarm *sw, const struct tracked *step, uint64_t ordinal);
uint32_t swarm__recovery_events(const struct dispatch *d, uint32_t guard);
/* An attempt of this agent failed the step. */
void swarm__recovery_blame(struct dispatch *d, uint32_t tracked, uint32_t agent);
/* Whether agents that failed the step are passed over. */
bool swarm__recovery_avoids(const struct dispatch *d, const struct tracked *step);
/* Whether a retry follows the end of the last attempt; *out_n: the how many-th. It is begun. */
bool swarm__recovery_retries(swarm *sw, uint32_t tracked, uint32_t *out_n);
/* Whether an answer that is not confident enough counts, for nothing would follow. */
bool swarm__recovery_keeps(swarm *sw, uint32_t tracked);
/* SWARM_INFO_*: what is special about its result. */
uint32_t swarm__recovery_info(const struct dispatch *d, const struct tracked *step);
/* The last attempt failed, and there is no retry, or none can be started: the step goes on with the
 * next stage, or ends. */
void swarm__step_fails(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason);
/* A ready step whose backends have no quota left goes on with a fallback; false: it has none. */
bool swarm__recovery_leaves(swarm *sw, uint32_t tracked);
/* A call in place of the step has come to an end in *state: true when the step goes on, else it
 * ends in *state. */
bool swarm__recover_call(swarm *sw, uint32_t tracked, uint32_t *state);
/* The step begins anew. */
void swarm__recovery_again(swarm *sw, struct tracked *step);

/* ---- spawn.c */

/* Whether a call step may add this plan; else it has the error, and the log says so. */
bool swarm__spawn_admit(swarm_plan *plan);
/* It is applied, in this scope. */
void swarm__spawn_enter(swarm_plan *plan, uint32_t scope);

/* ---- rival.c */

/* Puts an attempt into its step's list, the newest first; takes it out. */
void swarm__rival_link(struct dispatch *d, uint32_t tracked, uint32_t attempt);
void swarm__rival_unlink(struct dispatch *d, uint32_t tracked, uint32_t attempt);
/* All attempts of the step that are in flight will be given up, one an operation, in this round. */
void swarm__rivals_drop(swarm *sw, uint32_t tracked, swarm_status reason);
/* Gives up the first of these. */
void swarm__rival_one(swarm *sw);
/* The step wants no further attempt. */
void swarm__rival_unwanted(swarm *sw, uint32_t tracked);
/* The last attempt in flight has left the step. */
void swarm__rivals_gone(swarm *sw, uint32_t tracked);
/* The head of a queue can't be started at all: the step ends, or goes on with what is in flight. */
void swarm__start_refused(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason);
/* An attempt is about to start. True when the step wants more, and stays in its queue. */
bool swarm__rival_started(struct dispatch *d, struct tracked *step);
/* Attempts that count as tries. */
uint32_t swarm__tries(const struct dispatch *d, const struct tracked *step);
/* The step begins another iteration: nothing was tried yet. */
void swarm__rivals_afresh(swarm *sw, struct tracked *step);
/* An attempt began: when its hedge is due. */
void swarm__hedge_begin(swarm *sw, uint32_t tracked);
/* An attempt went well: its profile's times. */
void swarm__hedge_learn(swarm *sw, const struct attempt *attempt);
/* It is due, or the attempt will be late. */
void swarm__hedge(swarm *sw, uint32_t tracked, uint32_t detector);

/* ---- vote.c */

/* Whether the step is a vote. */
bool swarm__votes(const struct dispatch *d, const struct tracked *step);
/* It is ready: how many attempts it wants. */
void swarm__vote_ready(struct dispatch *d, uint32_t tracked);
/* It wants one attempt more. */
void swarm__vote_want(swarm *sw, uint32_t tracked);
/* An attempt of it was answered; it is decided when that has been settled. */
void swarm__vote_answered(swarm *sw, uint32_t tracked, struct attempt *attempt,
                          swarm_outcome outcome);
/* Ends it, if it is decided. */
void swarm__vote_decide(swarm *sw, uint32_t tracked);
/* Nobody can be started for it: what it still wants counts as failed. */
void swarm__vote_refused(swarm *sw, uint32_t tracked);
/* Gives the ballots back. */
void swarm__vote_release(swarm *sw, uint32_t tracked);
/* The agent for the head of a queue, without those that it must not have. */
uint32_t swarm__rival_pick(swarm *sw, uint32_t head, int64_t *out_score, uint32_t *out_why);

/* ---- ask.c */

/* The step is HELD from now on, until the question is answered. False: no place for it, and nothing
 * has changed. The question's bytes are the backend's. */
bool swarm__ask_open(swarm *sw, uint32_t tracked, uint32_t kind, const swarm_result *question,
                     uint32_t backend);
/* A step that is itself a question is ready. */
void swarm__ask_step(swarm *sw, uint32_t tracked);
/* Whether all that a run still waits for, apart from workers, is answers and quota. */
bool swarm__ask_run_waits(swarm *sw, uint32_t run);
/* The open question of a step, or NONE32. */
uint32_t swarm__ask_of(const swarm *sw, uint32_t tracked);
/* The step does not wait any more: an answer will be stale. */
void swarm__ask_close(swarm *sw, uint32_t tracked);
/* Applies an answer that has arrived. */
void swarm__ask_answered(swarm *sw, uint32_t ask);
/* When the step's question times out or is asked again, whichever comes first. */
uint64_t swarm__ask_due(const swarm *sw, uint32_t tracked);
/* One of the two has come. False: the step has no open question. */
bool swarm__ask_timer(swarm *sw, uint32_t tracked);
/* What the first of the queue has to hand out; false when it has to wait for the log. */
bool swarm__ask_take(swarm *sw, swarm_request *out, bool *out_filled);
/* Whether nothing but answers can move anything: all timers are those of questions. */
bool swarm__ask_is_all(const swarm *sw);

/* ---- watch.c */

/* An attempt of a guarded step starts. */
void swarm__watch_begin(swarm *sw, uint32_t tracked, uint32_t attempt);
/* The timer of an attempt that its step has not given up. */
void swarm__watch_timer(swarm *sw, uint32_t attempt);
/* An attempt says that it went well: OK, or GARBAGE if its result is refused. */
swarm_outcome swarm__watch_result(swarm *sw, uint32_t tracked, const struct attempt *attempt);
/* A detector of the step itself fires. */
void swarm__watch_step(swarm *sw, uint32_t tracked, uint32_t detector, uint64_t threshold,
                       uint64_t observed);
/* Whether what was posted is still about an attempt that somebody waits for. */
bool swarm__pulse_collected(swarm *sw, uint32_t attempt);
/* Applies the progress that has come since the last round. */
void swarm__pulse_applied(swarm *sw, uint32_t attempt);

#endif
