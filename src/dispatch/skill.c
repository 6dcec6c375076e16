/* SPDX-License-Identifier: MIT */
/*
 * skill.c - the table of skills' names; see skill.h.
 *
 * A name is its digest, in the first place of a table that was empty. Places are filled and never
 * emptied, so a thread that finds a digest may use its index for ever, and needs no order: nothing
 * but the digest stands there. Two counters keep a part of the places for profiles, so that steps
 * that wish for skills nobody has cannot fill the table.
 */
#include "skill.h"

#include <string.h>

/* Linear: there are few skills, and they lie side by side. */
static uint32_t skill_find(struct dispatch *d, uint64_t name) {
    SWARM_ASSERT(name != 0);
    for (uint32_t i = 0; i < SKILLS_LIMIT; i++) {
        /* Relaxed: a digest stands for itself, nothing lies behind it. */
        uint64_t there = ATOMIC_LOAD(&d->skills[i], relaxed);

        if (there == name || there == 0) {
            return there == 0 ? NONE32 : i;
        }
    }
    return NONE32;
}

/* The place of the name, which is filled now if it was not; *out_new: by this call. */
static uint32_t skill_enter(struct dispatch *d, uint64_t name, bool *out_new) {
    *out_new = false;
    for (uint32_t i = 0; i < SKILLS_LIMIT; i++) {
        uint64_t there = 0;

        /* Relaxed, as above. Of two threads one fills the place, the other finds what it put. */
        *out_new = ATOMIC_CAS(&d->skills[i], &there, name, relaxed, relaxed);
        if (*out_new || there == name) {
            return i;
        }
    }
    SWARM_ASSERT(false); /* both kinds have been counted */
    return NONE32;
}

/* Counts a wish before its place is taken, or finds that there have been too many. Relaxed: a count
 * and nothing behind it; a CAS, so that it never passes its limit even for a moment. */
static bool wish_begin(struct dispatch *d) {
    uint32_t wished = ATOMIC_LOAD(&d->skills_wished, relaxed);

    SWARM_ASSERT(d->config->skills_max <= SKILLS_LIMIT);
    while (wished < SKILLS_LIMIT - d->config->skills_max) {
        if (ATOMIC_CAS_WEAK(&d->skills_wished, &wished, wished + 1, relaxed, relaxed)) {
            return true;
        }
    }
    return false;
}

/* The index of a skill that a step requires, which need not exist. NONE32: it could not be
 * remembered, and the step will find nobody. */
uint32_t swarm__skill_wish(struct dispatch *d, uint64_t name) {
    uint32_t skill = skill_find(d, name);
    bool fresh;

    if (skill != NONE32 || !wish_begin(d)) {
        return skill;
    }
    skill = skill_enter(d, name, &fresh);
    SWARM_ASSERT(skill < SKILLS_LIMIT);
    if (!fresh) { /* somebody was faster, and has counted it */
        (void)ATOMIC_SUB(&d->skills_wished, 1, relaxed);
    }
    return skill;
}

/* Whether the profile's names that no profile has named yet fit; which they are is listed, each
 * once. */
static bool names_fit(struct dispatch *d, const swarm_profile_spec *spec) {
    uint64_t fresh[SKILLS_LIMIT];
    uint32_t count = 0;

    for (uint32_t i = 0; i < spec->skills_count; i++) {
        uint64_t name = hash_text64(spec->skills[i]);
        uint32_t skill = skill_find(d, name), at = 0;

        if (skill != NONE32 && set_has(&d->skills_named, skill)) {
            continue;
        }
        while (at < count && fresh[at] != name) {
            at++;
        }
        if (at == count && count == d->config->skills_max - d->skills_count) {
            return false;
        }
        fresh[at] = name;
        count += at == count;
    }
    return true;
}

/* All of a profile's skills or none: what fits is counted before the first is entered. */
swarm_status swarm__skills_name(struct dispatch *d, const swarm_profile_spec *spec,
                                struct skill_set *out_set) {
    memset(out_set, 0, sizeof *out_set);
    for (uint32_t i = 0; i < spec->skills_count; i++) {
        if (spec->skills[i] == NULL) {
            return SWARM_E_INVALID;
        }
    }
    if (!names_fit(d, spec)) {
        return SWARM_E_FULL;
    }
    for (uint32_t i = 0; i < spec->skills_count; i++) {
        bool fresh;
        uint32_t skill = skill_enter(d, hash_text64(spec->skills[i]), &fresh);

        if (!set_has(&d->skills_named, skill)) {
            set_add(&d->skills_named, skill);
            d->skills_count++;
            if (!fresh) { /* a step's wish has come true: it counts here now */
                (void)ATOMIC_SUB(&d->skills_wished, 1, relaxed);
            }
        }
        set_add(out_set, skill);
    }
    SWARM_ASSERT(d->skills_count <= d->config->skills_max);
    return SWARM_OK;
}

/* Skills of a set by ascending digest: the order in which they were entered depends on threads, and
 * must not show in the log. */
uint64_t swarm__skill_above(const struct dispatch *d, const struct skill_set *set, uint64_t name) {
    uint64_t next = 0;

    for (uint32_t word = 0; word < SKILL_WORDS; word++) {
        uint32_t at = 64 * word;

        for (uint64_t bits = set->word[word]; bits != 0; bits >>= 1, at++) {
            /* Relaxed, as above: a place of a set is filled. */
            uint64_t there = (bits & 1u) != 0 ? ATOMIC_LOAD(&d->skills[at], relaxed) : 0;

            next = there > name && (next == 0 || there < next) ? there : next;
        }
    }
    SWARM_ASSERT(next == 0 || next > name);
    return next;
}
