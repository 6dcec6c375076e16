/* SPDX-License-Identifier: MIT */
/*
 * core.h - struct swarm: where the floors meet.
 *
 *     advance.c   one round: what arrived is applied, timers fire, ready steps are dispatched
 *     step.c      a tracked step's way through its states, and what its end causes
 *     edge.c      edges that are more than a count: with a delay, with rules, or into a join
 *     join.c      joins other than AND
 *     skip.c, loop.c   steps that are skipped when others are sure enough, or done again
 *     late.c      edges into steps of earlier plans
 *     shape.c     steps that are more than an AND of their edges: adding and applying them
 *     attempt.c   starting, answering, giving up an attempt; requests
 *     ask.c       questions that wait for an answer from outside
 *     guard.c     options that watch over a step's attempts: their record, and the step's timer
 *     watch.c     progress, from any thread, and the detectors
 *     breaker.c   backends and agents that are left alone for a while
 *     cancel.c, capability.c   cancels, from any thread; what steps may do
 *     deadlock.c  attempts that wait for steps, and circles of them
 *     charge.c    budgets: what an attempt reserves, and its settlement
 *     gate.c      permits, rates, what a backend lets through; slack.c what has time
 *     plan.c      plans: filling them
 *     apply.c     plans: admitting and applying them
 *     planlog.c, setuplog.c   what plans and what was set up are in the log
 *     call.c      what a running call step sees, and its return
 *     run.c       runs: opening to forgetting
 *     spawn.c     what call steps may add
 *     state.c     state keys: what steps read and write, branches
 *     setup.c     configuration, memory, backends, profiles, agents, permits, functions
 *     query.c     what may be asked
 *     recover.c   what follows when a step's attempts fail
 *     rival.c     several attempts of one step at once
 *     drive.c     the loops: by the host's clock, and in virtual time
 *     invariant.c what must hold between two rounds
 *     turn.c      who is the owner; signals between threads
 *     tenant.c    tenants
 *     text.c      texts of statuses
 *
 * A round is a sequence of small operations, each with at most ROUND_EVENTS log events, so that it
 * can stop between any two of them when the log's ring is full, and go on later. What one operation
 * causes is put on the list `woken` and done before the next arrival: in cause order.
 */
#ifndef SWARM_CORE_CORE_H
#define SWARM_CORE_CORE_H

#include "../dispatch/agent.h"
#include "../dispatch/attempt.h"
#include "../dispatch/budget.h"
#include "../dispatch/demand.h"
#include "../dispatch/edge.h"
#include "../dispatch/join.h"
#include "../dispatch/order.h"
#include "../dispatch/permit.h"
#include "../dispatch/retry.h"
#include "../dispatch/run.h"
#include "../dispatch/skill.h"
#include "../record/log.h"
#include "resume.h"
#include "structure.h"

#define ROUND_EVENTS 8u
#define BREAKER_EVENTS 2u /* more, where there are breakers */
#define SHAPE_EVENTS 3u

/* Bits of the turn word. */
#define TURN_HELD 1u    /* somebody is the owner */
#define TURN_PENDING 2u /* something was posted since the last round began */
#define TURN_WANTED 4u  /* another thread asked for the turn */

/* In lists of arrivals and woken steps: an attempt; a poisoned step; both: a command. Slots stay
 * below 2^30, attempts and commands below 2^28. */
#define ITEM_ATTEMPT 0x80000000u
#define ITEM_POISONED 0x40000000u
#define ITEM_COMMAND (ITEM_ATTEMPT | ITEM_POISONED)
#define ITEM_PULSE (ITEM_ATTEMPT | 0x20000000u)  /* an attempt that reported progress */
#define ITEM_ANSWER (ITEM_ATTEMPT | 0x10000000u) /* a question that was answered */
#define ITEM_INDEX 0x0fffffffu                   /* of an attempt, a question or a command */

struct swarm_plan {
    struct graph_plan graph; /* first: a plan is one */
    swarm *sw;
    uint64_t value;      /* of the call step that it belongs to */
    uint32_t run;        /* index, or NONE32 */
    uint32_t delays;     /* list of delays, by `next`, newest first */
    uint32_t records;    /* of its tracked steps until it is applied, by run_next */
    uint32_t demand;     /* of a call step's plan: the last private one, or NONE32 */
    uint32_t capability; /* of whoever adds it, or NONE32 */
    uint32_t readers;    /* steps that list their inputs */
    uint32_t guards;     /* steps with options that watch over their attempts */
    uint32_t shapes;     /* the last of its ring of shapes, or NONE32 */
    uint32_t lates;      /* edges into OPEN steps of earlier plans, by `next`, newest first */
    uint32_t lates_count;
    uint32_t opens; /* OPEN steps of its own */
    bool open;
    bool has_room; /* the log has room for its events */
};

enum { CANCEL_STEP = 1, CANCEL_SUBTREE = 2, CANCEL_RUN = 3, CANCEL_AGENT = 4 };

struct command {
    uint64_t id;      /* of the handle */
    uint64_t ordinal; /* of the step, or number of the run or id of the agent; of this round */
    uint64_t run;     /* number of the run, or 0 */
    uint32_t kind;    /* CANCEL_* */
    uint32_t next;
};

/* Phases of a round. */
enum { ROUND_IDLE = 0, ROUND_APPLY = 1, ROUND_CLOSE = 2 };

struct round {
    uint32_t phase;
    uint32_t arrivals; /* sorted list of items */
    uint32_t woken_first, woken_last;
    uint32_t commands;    /* sorted list */
    uint32_t sweep;       /* next tracked step, or attempt, of a cancel under way, or NONE32 */
    uint32_t sweep_agent; /* a sweep over this agent's attempts, or NONE32 */
    uint32_t rivals;      /* attempts that are to be given up, by `sibling` */
    uint32_t losers_first, losers_last; /* joins whose losers are to be cancelled */
    uint32_t held_first, held_last;     /* call steps that wait for the log to be safe */
    uint64_t held_frame;
    uint64_t number;
    bool changed;
    bool acted;      /* something was applied, so that the round is in the log */
    bool marked;     /* it is */
    bool released;   /* call steps were handed to workers since virtual time last saw them quiet */
    bool runs_quiet; /* some run's `quiet` is set */
    bool caps_seen;  /* looked whether runs keep to their steps_max */
};

/* A thread that swarm_drive or swarm_sim_drive started. */
struct drive_thread {
    swarm *sw;
    uint64_t id;    /* the host's */
    uint32_t index; /* of the worker */
};

/* How much of what was set up is in the log. */
struct setup_logged {
    uint32_t backends, profiles, agents, permits, capabilities, tenants;
    uint32_t governors;   /* that were set and whose event is still to come */
    uint32_t withdrawals; /* agents that were withdrawn and whose event is still to come */
};

/* What swarm_stats_get reads: written at the end of each round. */
struct gauges {
    atomic_u64 now_ns, rounds, open, ready, inflight, started, events, log_pending;
};

struct swarm {
    struct graph graph;
    struct dispatch dispatch;
    struct log log;
    struct resume resume;
    struct round round;
    struct gauges gauges;
    struct log_stream *streams; /* a run's hash */
    struct late_node *late;     /* one a slot, with SWARM_CONFIG_LATE_EDGES */
    struct late_search late_search;
    swarm_config config; /* defaults filled in */
    const swarm_host *host;
    void *block; /* to give back, or null */
    size_t block_size;
    uint64_t now_ns;
    uint64_t runs_opened;
    uint64_t runs_open;
    uint64_t started;
    swarm_plan *plans; /* plans_max of call steps, and the owner's last */
    struct pool plans_pool;
    struct command *commands;
    struct pool commands_pool;
    struct mailbox commands_box;
    struct mailbox attempts_box;
    struct mailbox pulses_box; /* attempts that reported progress */
    struct ask *asks;
    struct mailbox asks_box;        /* questions that were answered */
    uint32_t asks_first, asks_last; /* queue of questions with something to hand out */
    uint64_t asks_open;
    uint64_t asks_ever;
    atomic_u32 commands_open; /* posted and not applied */
    atomic_u32 turn;
    atomic_u32 stopping;          /* the threads of a drive should end */
    struct drive_thread *threads; /* one a worker index but 0 */
    struct park bell;             /* where the owner sleeps while it drives */
    struct park_host bell_host;
    swarm_error fault;
    uint64_t *function_names;
    uint64_t plans_logged; /* walks over plans: stamps their demands */
    struct setup_logged logged;
    atomic_u32 functions_count; /* any thread reads it, the turn adds */
    uint32_t scopes_free;       /* pooled scopes, by scope.next */
    uint32_t scopes_fresh;
    bool draining;
    bool caps; /* some run has had a steps_max */
    bool drain_logged;
    bool driving; /* in a drive: another one inside it is refused */
    uint64_t memory;
};

/* Events that an operation may write. */
static inline uint32_t round_events(const swarm *sw) {
    return ROUND_EVENTS + (sw->dispatch.breakers_on != 0 ? BREAKER_EVENTS : 0);
}

/* ---- turn.c */

/* Whether somebody holds the turn: what an [owner] call asks first. */
bool swarm__owned(const swarm *sw);
/* Something was posted, or work was released: tells the owner, wherever it sleeps. Any thread. A
 * hook of the graph, so its argument has no type. */
void swarm__signal(void *sw);
/* A worker found nothing more to do: virtual time may be waiting for exactly that. */
void swarm__signal_quiet(swarm *sw);

/* ---- step.c */

/* Writes an event of a run (an index; NONE32: of the swarm) into the room that the operation has
 * reserved. Costs a look when there is no log. */
void swarm__log(swarm *sw, uint32_t kind, uint32_t run, uint64_t step, const uint64_t *fields);
/* The bytes that it would take. */
uint32_t swarm__log_size(const swarm *sw, uint32_t kind, uint32_t run, uint64_t step,
                         const uint64_t *fields);
/* Says in the log that a round begins, unless it does already. */
void swarm__log_round(swarm *sw);
/* A step became ready: it is dealt with behind those that became ready before. */
void swarm__woken_push(swarm *sw, uint32_t slot, bool poisoned);
/* Deals with the first of them: ends it, queues it, or holds it for the workers. */
void swarm__woken_one(swarm *sw);
/* Hands a call step to the workers, as soon as the frame that tells why is safe. */
void swarm__call_hold(swarm *sw, uint32_t slot);
/* Whether a worker has the step, or will: it is finished when it comes back. */
bool swarm__step_with_worker(const struct tracked *step);
/* Puts an agent step into its queue: it waits for an agent from now on. */
void swarm__step_ready(swarm *sw, uint32_t tracked);
/* The same for one whose attempt never began: it keeps the place that it had. */
void swarm__step_ready_again(swarm *sw, uint32_t tracked);
/* Ends a tracked step in a terminal state. Its successors learn it at once, or, if its edges are
 * still being counted or a worker has it, when that is over. */
void swarm__step_end(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason);
/* Tells the successors of a tracked step that has ended, and ends the step that it continues. */
void swarm__step_finish(swarm *sw, uint32_t tracked);
/* A backend begins with an attempt of the step; it is done with one. */
void swarm__step_read(swarm *sw, uint32_t tracked);
void swarm__step_read_end(swarm *sw, uint32_t tracked);
/* One reference less; the last one recycles the slot. */
void swarm__step_unref(swarm *sw, uint32_t slot);
/* The slot of a step whose plan was applied, or NONE32. Any thread. */
uint32_t swarm__step_find(const swarm *sw, swarm_step step);
/* Nobody refers to the slot any more: its record goes, and the slot is free. */
void swarm__step_recycle(swarm *sw, uint32_t slot);
/* Takes a tracked step out of run, tables and timers; the record goes when what it holds of a
 * backend has been given back. */
void swarm__step_free(swarm *sw, uint32_t tracked);
/* Ends a plain call step that came back to the turn. */
void swarm__plain_end(swarm *sw, uint32_t slot, uint32_t state, uint64_t value);
/* Deals with scopes in which nothing is left, and with one run that may have ended. False: none. */
bool swarm__scopes_collect(swarm *sw);
/* Hands the call steps that wait for the log to the workers, once it is safe. */
void swarm__release_held(swarm *sw);

/* ---- cancel.c */

/* Notes by what a posted command is sorted into its round. */
void swarm__command_collected(swarm *sw, uint32_t command);
/* Applies the first of them. */
void swarm__command_one(swarm *sw);
/* Marks the scopes of what a step added as cancelled; false when there are none. */
bool swarm__scopes_cancel(swarm *sw, const struct tracked *step);
/* The step goes: its scopes forget it. */
void swarm__scopes_orphan(swarm *sw, const struct tracked *step);
/* Cancels a step, and with `subtree` all that it added. */
void swarm__step_stop(swarm *sw, uint32_t slot, bool subtree);
/* Goes one step, or one attempt, further in the cancel under way. */
void swarm__sweep_one(swarm *sw);

/* ---- deadlock.c */

/* Whether something has happened since the last look, and some attempt waits for a step. */
static inline bool swarm__deadlock_due(const swarm *sw) {
    return sw->dispatch.waits.count != 0 && sw->dispatch.waits.due;
}

/* Looks for a deadlock and goes one operation further in telling and breaking it. False: none. */
bool swarm__deadlock_one(swarm *sw);

/* ---- run.c */

/* Once a round: stops a run that workers have given more steps than it may have. False: none. */
bool swarm__caps_look(swarm *sw);
/* Steps of a run so far, with those that workers linked; notes that it has more than it may have:
 * true when that is new. */
uint64_t swarm__run_steps(const swarm *sw, uint32_t run);
bool swarm__run_over(swarm *sw, uint32_t run);
/* Cancels whatever of the run has not ended. */
void swarm__run_stop(swarm *sw, uint32_t run);

/* Whether an owner's call may write an event now. */
bool swarm__owner_may_log(swarm *sw);
/* Keeps the first error of the calls that return a handle, for swarm_fault. */
void swarm__fault(swarm *sw, swarm_status status, const char *text);

/* Ends the run if it is closed and nothing of it is left. */
void swarm__run_check_end(swarm *sw, uint32_t run);

/* ---- drive.c */

/* Whether the threads of a drive should come back. A hook of the graph. */
bool swarm__wanted(void *sw);

/* ---- invariant.c */

/* With asserts, after every round: all records agree with each other. */
void swarm__invariant(const swarm *sw);

/* ---- advance.c */

/* swarm_take, with or without the questions. */
uint32_t swarm__take(swarm *sw, swarm_request *requests, uint32_t max, bool with_asks);
/* Whether a round would find something to do, whatever the time. */
bool swarm__round_pending(const swarm *sw);
/* Lets the delays that a run which has ended left behind pass at once. */
void swarm__delays_pass(swarm *sw, uint32_t run);

#include "trace.h"

#include "attempt.h"
#include "plans.h"
#include "state.h"

#endif
