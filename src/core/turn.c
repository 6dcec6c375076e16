/* SPDX-License-Identifier: MIT */
/*
 * turn.c - who is the owner, and how other threads get its attention.
 *
 * One word {HELD, PENDING, WANTED}. A poster first publishes what it has (mailbox), then sets
 * PENDING and rings; the owner clears PENDING before it collects: whatever it misses sets PENDING
 * again (mutant FLAG: a plain store would lose it). Nobody waits for the turn: who does not get it
 * sets WANTED and goes away, and the owner lets go between two rounds.
 */
#include "core.h"

bool swarm__owned(const swarm *sw) {
    /* Relaxed: it says whether the caller forgot to take the turn, and orders nothing. */
    return sw != NULL && (ATOMIC_LOAD(&sw->turn, relaxed) & TURN_HELD) != 0;
}

swarm_status swarm_turn_begin(swarm *sw) {
    uint32_t word;

    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    word = ATOMIC_LOAD(&sw->turn, relaxed);
    while ((word & TURN_HELD) == 0) {
        /* Acquire: all that the last owner did; pairs with the release of swarm_turn_end. */
        if (ATOMIC_CAS_WEAK(&sw->turn, &word, (word | TURN_HELD) & ~TURN_WANTED, acquire,
                            relaxed)) {
            return SWARM_OK;
        }
    }
    (void)ATOMIC_OR(&sw->turn, TURN_WANTED, relaxed); /* a wish: nothing depends on its order */
    swarm__signal_quiet(sw);                          /* the holder may be asleep */
    return SWARM_E_AGAIN;
}

swarm_status swarm_turn_end(swarm *sw) {
    uint32_t before;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    /* Release: pairs with the acquire of the next swarm_turn_begin. */
    before = ATOMIC_AND(&sw->turn, ~TURN_HELD, release);
    if ((before & TURN_PENDING) != 0 && sw->config.wakeup != NULL) {
        sw->config.wakeup(sw->config.wakeup_context);
    }
    return SWARM_OK;
}

/* Called after something was posted, by any thread. */
void swarm__signal(void *context) {
    swarm *sw = context;
    /* Release: the post before the flag; pairs with the acquire of the owner's clearing. */
    uint32_t before = ATOMIC_OR(&sw->turn, TURN_PENDING, release);

    if (sw->bell_host.wake != NULL) {
        park_notify_all(&sw->bell, &sw->bell_host);
    }
    if ((before & TURN_PENDING) == 0 && sw->config.wakeup != NULL) {
        sw->config.wakeup(sw->config.wakeup_context);
    }
}

/* Rings for an owner that sleeps, without anything posted: a worker found nothing more to do, for
 * which virtual time may be waiting; or another thread wants the turn. */
void swarm__signal_quiet(swarm *sw) {
    if (sw->bell_host.wake != NULL) {
        park_notify_all(&sw->bell, &sw->bell_host);
    }
}
