/* SPDX-License-Identifier: MIT */
/*
 * park.h - event count: workers sleep without missing work.
 *
 *     waiter                               waker
 *     ticket = park_prepare                publish the work
 *     look at every queue again            park_notify_one
 *     something there: park_cancel
 *     nothing:         park_commit(ticket)
 *
 * Prepare announces the waiter and reads the epoch, then fences; notify fences, then looks for
 * announced waiters, and only then raises the epoch and wakes. Of two threads with a seq_cst fence
 * between "write mine" and "read yours" at least one sees the other (Dekker; C11 7.17.3): the
 * waiter finds the work at its second look, or the waker finds the waiter and changes the epoch
 * that it is about to sleep on. Both fences and the second look are needed; so is the order epoch,
 * then look (mutants WFENCE, NFENCE, NORECHECK, LATEEPOCH). There is no "already notified" shortcut
 * (mutant NOTIFIED). After Eigen's EventCount (unsupported/CXX11/ThreadPool) and Vyukov's
 * eventcount.
 *
 * A wake-up may meet a waiter that has just timed out, or woken by itself, and is then used up
 * (mutant WAKEONE). Therefore commit and cancel end with a fence too, and whoever comes out of one
 * looks at the queues once more before it does anything but look: it sees all work whose waker
 * counted it. A worker that finds work and sees more wakes the next one.
 *
 * Sleeping itself is the host's, through two functions (a futex, or a lock and a condition). wait
 * returns when woken, at the timeout, for no reason, or at once if *address differs from expected;
 * it must compare and go to sleep as one step with respect to wake. address is an atomic_u32.
 *
 * Invariant: waiters = threads between prepare and the end of commit or cancel. The epoch may come
 * round after 2^32 notifications between one prepare and its wait: accepted.
 *
 * Memory: one struct. Threads: any.
 */
#ifndef SWARM_GRAPH_PARK_H
#define SWARM_GRAPH_PARK_H

#include "../base/atomic.h"

#define PARK_FOREVER UINT64_MAX

struct park_host {
    void *context;
    void (*wait)(void *context, const void *address, uint32_t expected, uint64_t timeout_ns);
    void (*wake)(void *context, const void *address, uint32_t count);
};

struct park {
    /* What waiters sleep on: raised by every notify that found one. Comes round. */
    atomic_u32 epoch;
    /* Threads between prepare and the end of commit or cancel. */
    atomic_u32 waiters;
    unsigned char apart[ATOMIC_LINE - 2 * sizeof(atomic_u32)];
};

static inline void park_init(struct park *park, uint32_t start_epoch) {
    /* Published by whatever starts the threads. Tests choose the epoch, to see it come round. */
    ATOMIC_STORE(&park->epoch, start_epoch, relaxed);
    ATOMIC_STORE(&park->waiters, 0, relaxed);
}

/* Announces the caller; the ticket is for park_commit. The second look follows it. */
static inline uint32_t park_prepare(struct park *park) {
    uint32_t before = ATOMIC_ADD(&park->waiters, 1, relaxed); /* ordered by the fence below */
    /* Before the second look, hence before the fence (mutant LATEEPOCH). Acquire: pairs with the
     * release add of park_notify. */
    uint32_t ticket = ATOMIC_LOAD(&park->epoch, acquire);

    SWARM_ASSERT(before != UINT32_MAX);
    (void)before;
    /* Pairs with the fence of park_notify (mutant WFENCE). */
    ATOMIC_FENCE(seq_cst);
    return ticket;
}

/* Takes the announcement back. */
static inline void park_cancel(struct park *park) {
    uint32_t before = ATOMIC_SUB(&park->waiters, 1, relaxed); /* ordered by the fence below */

    SWARM_ASSERT(before != 0);
    (void)before;
    /* Pairs with the notifiers' fence: a waker that still counted this waiter had published its
     * work before, and the look that follows here finds it (mutant WAKEONE). */
    ATOMIC_FENCE(seq_cst);
}

/* Sleeps unless somebody notified since the ticket was drawn. True if somebody has; false after a
 * timeout or a wake-up without cause. Look at the queues in either case. */
static inline bool park_commit(struct park *park, const struct park_host *host, uint32_t ticket,
                               uint64_t timeout_ns) {
    bool notified;

    SWARM_ASSERT(host->wait != NULL);
    /* Acquire: pairs with the release add of park_notify. The wait compares again; this spares it.
     */
    if (ATOMIC_LOAD(&park->epoch, acquire) == ticket) {
        host->wait(host->context, &park->epoch, ticket, timeout_ns);
    }
    notified = ATOMIC_LOAD(&park->epoch, acquire) != ticket;
    park_cancel(park);
    return notified;
}

/* Wakes up to count waiters, if there are any. */
static inline void park_notify(struct park *park, const struct park_host *host, uint32_t count) {
    SWARM_ASSERT(count != 0);
    SWARM_ASSERT(host->wake != NULL);
    /* Pairs with the fences of park_prepare and park_cancel: the work published before this line
     * is seen by a waiter that the load below misses (mutant NFENCE). */
    ATOMIC_FENCE(seq_cst);
    if (ATOMIC_LOAD(&park->waiters, relaxed) == 0) {
        return; /* the common case: nobody sleeps, nobody is told */
    }
    /* Release: pairs with the acquire loads of the epoch: who sees it sees the work. */
    (void)ATOMIC_ADD(&park->epoch, 1, release);
    host->wake(host->context, &park->epoch, count);
}

/* After the work was published. */
static inline void park_notify_one(struct park *park, const struct park_host *host) {
    park_notify(park, host, 1);
}

/* After something that concerns every waiter was published: the end. */
static inline void park_notify_all(struct park *park, const struct park_host *host) {
    park_notify(park, host, UINT32_MAX);
}

/* While nobody works on it: as many as sleep, and nobody sleeps. */
static inline bool park_invariant(const struct park *park) {
    return ATOMIC_LOAD(&park->waiters, relaxed) == 0;
}

#endif
