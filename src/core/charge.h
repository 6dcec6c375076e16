/* SPDX-License-Identifier: MIT */
/*
 * charge.h - budgets, for the rest of the core: what a plan's steps reserve, whether a step is
 * admitted, and an attempt's reservation and settlement.
 */
#ifndef SWARM_CORE_CHARGE_H
#define SWARM_CORE_CHARGE_H

#include "core.h"

/* Adds a step's charge, its own or its run's, to its private demand. False: the plan has the error.
 * Whoever fills the plan. */
bool swarm__charge_fill(swarm_plan *plan, const swarm_charge_spec *spec, uint32_t demand);
/* What is wrong with a charge as budgets stand, or null. */
const char *swarm__charge_fault(const struct dispatch *d, const struct charge *charge,
                                swarm_status *out_status);
/* Whether the charge of a demand still stands; else the plan has the error. */
bool swarm__charge_fits(swarm_plan *plan, uint32_t demand);
/* Whether the charges of a call step's plan still stand; else the plan has the error. */
bool swarm__charges_fit(swarm_plan *plan);
/* Whether a step with a charge may start with this agent; else it was set aside, or has ended. */
bool swarm__charge_admit(swarm *sw, uint32_t head, uint32_t *agent, int64_t *score);
/* An attempt of a step with a charge starts; it is settled. */
void swarm__charge_reserve(swarm *sw, uint32_t attempt);
void swarm__charge_settle(swarm *sw, uint32_t attempt);

#endif
