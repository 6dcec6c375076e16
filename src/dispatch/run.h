/* SPDX-License-Identifier: MIT */
/*
 * run.h - the table of runs and the list of a run's tracked steps.
 *
 * Runs are few and live in slots with generations: odd while in use, raised when taken and when let
 * go, so that a handle of either time is told from the other. Their tracked steps form a list by
 * ordinal: steps are appended, for ordinals rise, and leave from anywhere. A step that has a key of
 * the caller's is also in a hash table over (run, key), which is how a resumed process finds it.
 *
 * Invariants: a run's list ascends by ordinal; a key stands once in a run; generation is odd
 * exactly while the slot is a run's.
 *
 * Memory: 8 bytes a step for the list and 4 for the table. Threads: the turn; run_find by any.
 */
#ifndef SWARM_DISPATCH_RUN_H
#define SWARM_DISPATCH_RUN_H

#include "table.h"

/* Handles carry slot + 1 and generation; an even generation is a free slot. */
static inline swarm_run run_handle(const struct dispatch *d, uint32_t run) {
    swarm_run handle = {(uint64_t)ATOMIC_LOAD(&d->runs[run].generation, relaxed) << 32 | (run + 1)};
    return handle;
}

/* The run's index, or NONE32 for a stale handle. Any thread: for a thread without the turn the
 * answer may be old, so the turn asks again. */
static inline uint32_t run_find(const struct dispatch *d, swarm_run handle) {
    uint32_t slot = (uint32_t)handle.id;
    uint32_t generation = (uint32_t)(handle.id >> 32);

    if (slot == 0 || slot > d->config->runs_max || generation % 2 == 0) {
        return NONE32;
    }
    return ATOMIC_LOAD(&d->runs[slot - 1].generation, relaxed) == generation ? slot - 1 : NONE32;
}

/* The run with the caller's key, or NONE32. The turn's, hence relaxed; runs are few, hence a
 * walk. */
static inline uint32_t run_by_key(const struct dispatch *d, uint64_t key) {
    for (uint32_t i = 0; key != 0 && i < d->config->runs_max; i++) {
        if (ATOMIC_LOAD(&d->runs[i].generation, relaxed) % 2 == 1 && d->runs[i].key == key) {
            return i;
        }
    }
    return NONE32;
}

/* A slot whose generation can rise twice more: one that came round would make old handles good. */
static inline uint32_t run_free_slot(const struct dispatch *d) {
    for (uint32_t i = 0; i < d->config->runs_max; i++) {
        uint32_t generation = ATOMIC_LOAD(&d->runs[i].generation, relaxed);

        if (generation % 2 == 0 && generation < UINT32_MAX - 1) {
            return i;
        }
    }
    return NONE32;
}

/* Puts a step that has just got its ordinal at the end. */
static inline void run_append(struct dispatch *d, struct run *run, uint32_t tracked) {
    SWARM_ASSERT(tracked != NONE32);
    SWARM_ASSERT((run->first == NONE32) == (run->last == NONE32));
    SWARM_ASSERT(run->last == NONE32 ||
                 d->tracked[run->last].ordinal < d->tracked[tracked].ordinal);
    d->tracked[tracked].run_next = NONE32;
    d->tracked[tracked].run_previous = run->last;
    if (run->last == NONE32) {
        run->first = tracked;
    } else {
        d->tracked[run->last].run_next = tracked;
    }
    run->last = tracked;
}

/* Takes a step out that is let go. O(1). */
static inline void run_unlink(struct dispatch *d, struct run *run, uint32_t tracked) {
    uint32_t next = d->tracked[tracked].run_next, previous = d->tracked[tracked].run_previous;

    SWARM_ASSERT(run->first != NONE32);
    SWARM_ASSERT(next == NONE32 || d->tracked[next].run_previous == tracked);
    SWARM_ASSERT(previous == NONE32 || d->tracked[previous].run_next == tracked);
    if (previous == NONE32) {
        run->first = next;
    } else {
        d->tracked[previous].run_next = next;
    }
    if (next == NONE32) {
        run->last = previous;
    } else {
        d->tracked[next].run_previous = previous;
    }
}

/* Steps by key: chains of a hash table over (run, key). */
static inline uint32_t *key_chain(struct dispatch *d, uint32_t run, uint64_t key) {
    return &d->key_chains[hash_mix64(key, run) & d->key_mask];
}

/* The step with this key, or NONE32; key 0 is no key. */
static inline uint32_t key_find(struct dispatch *d, uint32_t run, uint64_t key) {
    uint32_t at = key == 0 ? NONE32 : *key_chain(d, run, key);

    while (at != NONE32 && (d->tracked[at].key != key || d->tracked[at].run != run)) {
        at = d->tracked[at].key_next;
    }
    return at;
}

/* The key is new in its run: who applies the plan has refused repeated ones. */
static inline void key_insert(struct dispatch *d, uint32_t tracked) {
    uint32_t *chain = key_chain(d, d->tracked[tracked].run, d->tracked[tracked].key);

    SWARM_ASSERT(d->tracked[tracked].key != 0);
    SWARM_ASSERT(key_find(d, d->tracked[tracked].run, d->tracked[tracked].key) == NONE32);
    d->tracked[tracked].key_next = *chain;
    *chain = tracked;
}

static inline void key_remove(struct dispatch *d, uint32_t tracked) {
    uint32_t *link = key_chain(d, d->tracked[tracked].run, d->tracked[tracked].key);

    SWARM_ASSERT(d->tracked[tracked].key != 0);
    while (*link != tracked) {
        SWARM_ASSERT(*link != NONE32);
        link = &d->tracked[*link].key_next;
    }
    *link = d->tracked[tracked].key_next;
}

#endif
