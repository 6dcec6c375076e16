/* SPDX-License-Identifier: MIT */
/*
 * duration.h - how long steps of a kind take: means over the attempts that ended OK, per label and
 * profile. Part of table.h.
 *
 * For the critical path first, knowing only how many steps are left is worth little on recorded
 * workflows; a mean per label over other runs of the same kind closes a third of the gap to knowing
 * every duration. So means stay when their run has gone: the swarm has learned them.
 *
 * Memory: a table of configured size; labels beyond it are not learned. Threads: the turn.
 */
#ifndef SWARM_DISPATCH_DURATION_H
#define SWARM_DISPATCH_DURATION_H

#include "../base/hash.h"
#include "../base/check.h"

struct duration {
    uint64_t label;
    uint64_t count, sum_ns;
    uint32_t profile;
    uint32_t chain;
};

struct durations {
    struct duration *entries;
    uint32_t *chains;
    uint32_t used, capacity;
    uint32_t mask;
};

static inline uint32_t *duration_chain(const struct durations *t, uint64_t label) {
    return &t->chains[hash_mix64(label, 0) & t->mask];
}

static inline void duration_learn(struct durations *t, uint64_t label, uint32_t profile,
                                  uint64_t ns) {
    uint32_t *chain = duration_chain(t, label), at = *chain;

    while (at != NONE32 && (t->entries[at].label != label || t->entries[at].profile != profile)) {
        at = t->entries[at].chain;
    }
    if (at == NONE32 && t->used == t->capacity) {
        return;
    }
    if (at == NONE32) {
        at = t->used++;
        t->entries[at] = (struct duration){label, 0, 0, profile, *chain};
        *chain = at;
    }
    if (t->entries[at].sum_ns <= UINT64_MAX - ns) { /* else the mean is good enough as it is */
        t->entries[at].sum_ns += ns;
        t->entries[at].count++;
    }
}

#endif
