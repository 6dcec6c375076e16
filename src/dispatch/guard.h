/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what watches over the attempts of one step: options, and where it stands with them.
 *
 * Steps without any of these options have no guard and pay nothing for it. A step with a guard has
 * two timers: its own, for what is about the step (wait, backoff, deadline), and one an attempt in
 * flight, for the detectors. The same attempt timer is the grace of an attempt that was given up;
 * it is never both.
 *
 * Memory: a pool of configured size. Threads: whoever fills the plan, then the turn.
 */
#ifndef SWARM_DISPATCH_GUARD_H
#define SWARM_DISPATCH_GUARD_H

#include "../base/checked.h"
#include "table.h"

#define GUARD_TRIED_MAX 16u

/* Which options a step has. */
enum {
    GUARD_WATCH = 1,
    GUARD_ASK = 2,
    GUARD_HEDGE = 4,
    GUARD_VOTE = 8,
    GUARD_RECOVERY = 16 /* see recover.h */
};

struct guard {
    swarm_watch_spec watch;  /* defaults filled in; all off without GUARD_WATCH */
    swarm_ask_spec ask;      /* defaults filled in; all off without GUARD_ASK */
    swarm_hedge_spec hedge;  /* defaults filled in */
    swarm_vote_spec vote;    /* defaults filled in */
    uint64_t task;           /* of the spec */
    uint64_t first_ready_ns; /* SWARM_NEVER: it has not been ready yet */
    uint64_t wake_ns;        /* HELD: when the wait is over; RUNNING: when it is hedged */
    uint64_t wanted_ns;      /* since when it wants another attempt */
    uint32_t wants;          /* attempts to start, besides the one that READY stands for */
    uint32_t extra;          /* attempts so far that were no tries of their own */
    uint32_t has;            /* GUARD_* */
    uint32_t ballots;        /* list of attempts that answered OK, by `sibling` */
    uint32_t cast;           /* their number */
    uint32_t failed;         /* attempts of the vote that were none */
    uint32_t tried_count;
    uint32_t tried[GUARD_TRIED_MAX]; /* agents of a vote's attempts; that failed the step */
    bool owns_demand;                /* which no other step shares */
    bool hedged;                     /* this try is */
};

/* By when the step must have ended. */
static inline uint64_t guard_deadline(const struct guard *guard) {
    if (guard->first_ready_ns == SWARM_NEVER) {
        return SWARM_NEVER;
    }
    return saturating_add64(guard->first_ready_ns, guard->watch.deadline_ns);
}

#endif
