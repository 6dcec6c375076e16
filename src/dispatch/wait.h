/* SPDX-License-Identifier: MIT */
/*
 * wait.h - what attempts in flight wait for, and what is needed to look for deadlocks among them.
 * See core/deadlock.c. Part of table.h.
 *
 * Invariant: for_step[i] is null unless attempt i is in the list of its step; count of those that
 * are not null is `count`.
 *
 * Memory: arrays of configured size. Threads: the turn.
 */
#ifndef SWARM_DISPATCH_WAIT_H
#define SWARM_DISPATCH_WAIT_H

#include "../../swarm.h"
#include "../base/bits.h"

struct waits {
    swarm_step *for_step; /* one an attempt; null: it waits for nothing */
    uint64_t *stuck;      /* bits: attempts that can't go on */
    uint32_t count;
    uint32_t stuck_first, stuck_last; /* list of steps that can't end: slots, through output[] */
    uint32_t first, at;     /* slots: of the circle that is being told; at: NONE32: none is */
    uint32_t place, length; /* in that circle */
    bool due;               /* something has happened since the last look */
};

/* The attempt leaves its step. */
static inline void wait_end(struct waits *waits, uint32_t attempt) {
    if (waits->count != 0 && waits->for_step[attempt].id != 0) {
        waits->for_step[attempt].id = 0;
        waits->count--;
    }
}

#endif
