/* SPDX-License-Identifier: MIT */
/*
 * skill.h - the table of skill names: which bit of a skill_set a name has.
 *
 * A place holds the digest of a name, or 0, and never changes once it is set; places are filled
 * from the front. Profiles name at most skills_max skills. A step that is added may ask for a name
 * that no profile has named yet: it gets a place too, so that a profile added later can fit it. Of
 * those there are at most SKILLS_LIMIT - skills_max, so that steps never take a place away from a
 * profile; a name beyond that is unknown to its step for good.
 *
 * Invariant: named + wished places are all that are filled, and fit the table.
 *
 * Memory: part of struct dispatch. Threads: any thread that fills a plan may wish; the turn names.
 */
#ifndef SWARM_DISPATCH_SKILL_H
#define SWARM_DISPATCH_SKILL_H

#include "table.h"

/* The place of a name that a step asks for, or NONE32 when it can't be remembered. Any thread. */
uint32_t swarm__skill_wish(struct dispatch *d, uint64_t name);

/* Fills the set of a profile from names: all of them, or none with a status: INVALID for a null
 * name, FULL when skills_max is reached. */
swarm_status swarm__skills_name(struct dispatch *d, const swarm_profile_spec *spec,
                                struct skill_set *out_set);

/* The name of the set that follows this one in the order of their digests, or 0; 0 asks for the
 * first. Sets are small: each name costs a look at the whole set. */
uint64_t swarm__skill_above(const struct dispatch *d, const struct skill_set *set, uint64_t name);

#endif
