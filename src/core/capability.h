/* SPDX-License-Identifier: MIT */
/*
 * capability.h - what steps may do, for the rest of the core.
 */
#ifndef SWARM_CORE_CAPABILITY_H
#define SWARM_CORE_CAPABILITY_H

#include "core.h"

/* That of a step of any kind, or NONE32. Whoever fills its plan, or the turn. */
uint32_t swarm__capability_of(const swarm *sw, uint32_t slot);
/* That of a step to be added: its own, or that of whoever adds it. */
uint32_t swarm__capability_wanted(const swarm_plan *plan, const swarm_step_spec *spec);
/* What is wrong with it, or null. Whoever fills the plan. */
const char *swarm__capability_fault(const swarm_plan *plan, const swarm_step_spec *spec,
                                    swarm_status *out_status);
/* Whether a state key may be read and written. */
bool swarm__capability_allows(const struct dispatch *d, uint32_t capability, uint64_t key);
/* Of all that it says. */
uint64_t swarm__capability_digest(const struct dispatch *d, uint32_t capability);

#endif
