/* SPDX-License-Identifier: MIT */
/*
 * skillset.h - a set of skills, or of profiles: one bit each. Plain values; no threads.
 *
 * A set of fixed size makes "has this profile all that the step requires" four operations, whatever
 * the number of skills, and two sets are compared as bytes.
 */
#ifndef SWARM_DISPATCH_SKILLSET_H
#define SWARM_DISPATCH_SKILLSET_H

#include <stdbool.h>
#include <stdint.h>

#define SKILL_WORDS 4 /* 256 skills, 256 profiles */

struct skill_set {
    uint64_t word[SKILL_WORDS];
};

/* Indices are below 64 * SKILL_WORDS; a caller that could not get one has NONE32 and must not
 * ask. */
static inline bool set_has(const struct skill_set *set, uint32_t index) {
    return (set->word[index / 64] >> (index % 64)) & 1u;
}

static inline void set_add(struct skill_set *set, uint32_t index) {
    set->word[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void set_remove(struct skill_set *set, uint32_t index) {
    set->word[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

/* Whether `small` is part of `large`. */
static inline bool set_within(const struct skill_set *small, const struct skill_set *large) {
    uint64_t missing = 0;

    for (uint32_t i = 0; i < SKILL_WORDS; i++) {
        missing |= small->word[i] & ~large->word[i];
    }
    return missing == 0;
}

#endif
