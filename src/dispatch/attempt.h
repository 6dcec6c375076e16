/* SPDX-License-Identifier: MIT */
/*
 * attempt.h - attempts in flight, and the queue of requests about them.
 *
 * An attempt's word is {generation, state}. It is QUEUED until its START is taken, then OPEN. Any
 * thread may answer an OPEN attempt: a CAS to CLAIMED makes it the one that does, so of two answers
 * one wins; then it writes the answer, stores ANSWERED and posts the attempt. Everything else in
 * the record is the turn's.
 */
#ifndef SWARM_DISPATCH_ATTEMPT_H
#define SWARM_DISPATCH_ATTEMPT_H

#include "table.h"

/* Generation and state in one word, so that one CAS judges both: a late answer to a slot's former
 * attempt fails by its generation. */
static inline uint64_t attempt_word(uint32_t generation, uint32_t state) {
    SWARM_ASSERT(state <= ATTEMPT_ANSWERED);
    return (uint64_t)generation << 32 | state;
}

/* Relaxed: the turn asks. An answer that it has not been told of may be there already; it will come
 * through the mailbox. */
static inline uint32_t attempt_state(const struct dispatch *d, uint32_t attempt) {
    return (uint32_t)ATOMIC_LOAD(&d->attempts[attempt].word, relaxed);
}

/* Relaxed: only the turn changes it. */
static inline uint32_t attempt_generation(const struct dispatch *d, uint32_t attempt) {
    return (uint32_t)(ATOMIC_LOAD(&d->attempts[attempt].word, relaxed) >> 32);
}

static inline swarm_attempt attempt_handle(const struct dispatch *d, uint32_t attempt) {
    uint64_t word = ATOMIC_LOAD(&d->attempts[attempt].word, relaxed); /* the turn's own store */
    swarm_attempt handle = {(word & ~(uint64_t)UINT32_MAX) | (attempt + 1)};

    return handle;
}

/* Attempts that a backend is at, or whose request is still to be taken. */
static inline uint32_t attempts_open(const struct dispatch *d) {
    SWARM_ASSERT(d->kept <= d->attempts_free.used);
    return d->attempts_free.used - d->kept;
}

/* A fresh attempt in state QUEUED, or NONE32 when inflight_max is reached. */
static inline uint32_t attempt_new(struct dispatch *d) {
    uint32_t index = slots_take(&d->attempts_free);
    struct attempt *attempt;
    uint32_t generation;

    if (index == NONE32) {
        return NONE32;
    }
    attempt = &d->attempts[index];
    generation = (uint32_t)(ATOMIC_LOAD(&attempt->word, relaxed) >> 32) + 1;
    attempt->wants = 0;
    attempt->request_next = NONE32;
    attempt->queued = false;
    attempt->settled = false;
    attempt->kept = false;
    heap_node_init(d->timer_nodes, timer_of_attempt(d, index));
    SWARM_ASSERT(attempt_state(d, index) == ATTEMPT_FREE);
    /* Relaxed: nobody else knows the handle yet. Generation 0 is skipped: no handle is null. */
    ATOMIC_STORE(&attempt->word, attempt_word(generation == 0 ? 1 : generation, ATTEMPT_QUEUED),
                 relaxed);
    return index;
}

/* From now on its handle is stale: no state but FREE, and the next attempt here has another
 * generation. Release: pairs with the acquire of whoever looks the handle up again; all that was
 * read of the record lies before. */
static inline void attempt_free(struct dispatch *d, uint32_t index) {
    struct attempt *attempt = &d->attempts[index];
    uint32_t generation = (uint32_t)(ATOMIC_LOAD(&attempt->word, relaxed) >> 32);

    SWARM_ASSERT(attempt->wants == 0);
    SWARM_ASSERT(!attempt->queued);
    timer_disarm(d, timer_of_attempt(d, index));
    ATOMIC_STORE(&attempt->word, attempt_word(generation, ATTEMPT_FREE), release);
    slots_give(&d->attempts_free, index);
}

/* Puts the attempt into the queue of requests, once, for all that it wants. */
static inline void attempt_request(struct dispatch *d, uint32_t index, uint32_t wants) {
    struct attempt *attempt = &d->attempts[index];

    SWARM_ASSERT(wants != 0);
    SWARM_ASSERT((d->requests_first == NONE32) == (d->requests_last == NONE32));
    if (!attempt->queued) {
        attempt->queued = true;
        attempt->request_next = NONE32;
        if (d->requests_last == NONE32) {
            d->requests_first = index;
        } else {
            d->attempts[d->requests_last].request_next = index;
        }
        d->requests_last = index;
    }
    attempt->wants |= wants;
}

/* A step's result has to be given back to its backend. */
static inline void release_request(struct dispatch *d, uint32_t tracked) {
    SWARM_ASSERT(d->tracked[tracked].lent);
    SWARM_ASSERT(state_is_terminal(d->tracked[tracked].state));
    d->tracked[tracked].list_next = NONE32;
    if (d->releases_last == NONE32) {
        d->releases_first = tracked;
    } else {
        d->tracked[d->releases_last].list_next = tracked;
    }
    d->releases_last = tracked;
}

#endif
