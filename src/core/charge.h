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
/* Fields of a CHARGE: what a demand reserves, or what the steps of a run do. And back: a null
 * budget when there is none of this number. */
void swarm__charge_tell(const struct dispatch *d, uint32_t charge, uint64_t out[1 + SPENDS]);
void swarm__charge_tell_run(const struct dispatch *d, const struct run *run,
                            uint64_t out[1 + SPENDS]);
void swarm__charge_again(const struct dispatch *d, const uint64_t fields[1 + SPENDS],
                         swarm_charge_spec *out_spec);
/* Limits as the fields of a BUDGET_LIMIT have them; opens a budget by the digest of its name. */
swarm_amounts swarm__budget_limits(const uint64_t fields[1 + SPENDS]);
swarm_budget swarm__budget_open(swarm *sw, uint64_t name, const swarm_budget_spec *spec);
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
