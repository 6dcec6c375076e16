/* SPDX-License-Identifier: MIT */
/*
 * state.h - what the rest of the core asks of state.c: accesses of steps and effects of their ends.
 */
#ifndef SWARM_CORE_STATE_H
#define SWARM_CORE_STATE_H

#include "core.h"

/* What an effect takes in the log at most: as it is said, and as it is applied. */
#define EFFECT_BYTES 128u

/* The open branch with this number in the log, the null handle for 0; false: there is none. Version
 * of a key in it. */
bool swarm__branch_numbered(const swarm *sw, uint64_t number, swarm_branch *out_branch);
uint64_t swarm__state_version(const swarm *sw, uint32_t run, uint64_t branch, uint64_t key);
/* An access for a step that is added, in out->index, or why there is none, in out->text. */
struct access_result {
    const char *text;
    uint32_t index;
};
swarm_status swarm__access_new(swarm *sw, uint32_t run, const swarm_step_spec *step,
                               struct access_result *out);
/* Gives it back, if there is one. Whoever owns the step. */
void swarm__access_free(struct dispatch *d, uint32_t *access);
/* Whether the branch that it works in is still open. */
bool swarm__access_stands(const swarm *sw, uint32_t run, uint32_t access);
/* The step starts: takes the values of the keys that it reads. */
void swarm__access_begin(swarm *sw, uint32_t tracked);
/* Whether a completion may have these effects; puts want a step with an access, notes an agent. Any
 * thread. */
bool swarm__effects_valid(const swarm_effect *effects, uint32_t count, bool may_put, bool may_note);
/* Those of a call step with an access. */
uint32_t *swarm__effects_of(swarm *sw, uint32_t tracked);
/* What these effects may take in the log. */
uint64_t swarm__effects_bytes(const swarm *sw, uint32_t effects);
/* Reserves room in the log for an arrival with these effects. */
bool swarm__effects_room(swarm *sw, uint32_t effects);
/* What an answer would do goes into the log with it: whether it is done depends on more. */
void swarm__effects_log(swarm *sw, const struct attempt *attempt);
/* Of a step that ends well, done by an agent or by none: OK, or TOO_BIG, or CONFLICT, which is
 * logged, or FULL. */
swarm_status swarm__effects_check(swarm *sw, uint32_t tracked, uint32_t effects, uint32_t agent);
/* After that: applies them, and gives their cells back. */
void swarm__effects_apply(swarm *sw, uint32_t tracked, uint32_t *effects, uint32_t agent);
/* Whether a step whose effects were refused should be tried again. */
bool swarm__effects_retried(const swarm *sw, uint32_t tracked);
/* Whether the branches that steps of a run work in are all open. */
bool swarm__state_stands(const swarm *sw, uint32_t run);
/* Forgets all keys of a run, and closes its branches if so asked. */
void swarm__state_clear(swarm *sw, uint32_t run, bool close);

#endif
