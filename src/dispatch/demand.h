/* SPDX-License-Identifier: MIT */
/*
 * demand.h - distinct sets of requirements, their ready queues, and what they wait for. See
 * table.h.
 */
#ifndef SWARM_DISPATCH_DEMAND_H
#define SWARM_DISPATCH_DEMAND_H

#include "table.h"

/* A private demand for a step that is being added; NONE32 when demands_max is reached. Any thread
 * that fills a plan. */
uint32_t swarm__demand_new(struct dispatch *d);

/* Fills skills and digest of a private demand from names. Any thread that fills a plan. */
void swarm__demand_skills(struct dispatch *d, uint32_t demand, const char *const *names,
                          uint32_t count);

/* Digest over everything that makes two demands equal: call it when all fields are set. */
void swarm__demand_seal(struct dispatch *d, uint32_t demand, uint32_t run);

/* A plan's next private demand: the one before if it is equal, which saves the new one, else the
 * new one; counted either way. */
uint32_t swarm__demand_share(struct dispatch *d, uint32_t last, uint32_t demand);

/* Replaces a private demand by an equal one if there is one, and takes a reference. */
uint32_t swarm__demand_intern(struct dispatch *d, uint32_t demand);

/* A demand like this one for a single step, which so neither waits for others of its kind nor keeps
 * them waiting; this very one when there is no room. Takes over the step's reference. */
uint32_t swarm__demand_own(struct dispatch *d, uint32_t demand);

/* Gives back a private demand that was never interned. Any thread that fills a plan. */
void swarm__demand_discard(struct dispatch *d, uint32_t demand);

void swarm__demand_ref(struct dispatch *d, uint32_t demand);
void swarm__demand_unref(struct dispatch *d, uint32_t demand);

/* The profiles that fit, computed again when profiles were added. */
const struct skill_set *swarm__demand_profiles(struct dispatch *d, uint32_t demand);

/* Puts a step, whose key in ready_nodes is set, into its queue; takes it out again. */
void swarm__demand_push(struct dispatch *d, uint32_t tracked);
void swarm__demand_remove(struct dispatch *d, uint32_t tracked);

/* The demand whose head goes next, or NONE32. */
uint32_t swarm__demand_next(const struct dispatch *d);

/* A step of this run was started: its tenant has been served. */
void swarm__demand_served(struct dispatch *d, uint32_t run);
/* What the run was served so far has changed. */
void swarm__demand_run_place(struct dispatch *d, uint32_t run);
/* There is one tenant more: from the first one on they take turns. */
void swarm__demand_tenants(struct dispatch *d);

/* Sets the demand aside until the list is woken. */
void swarm__demand_wait(struct dispatch *d, uint32_t demand, uint32_t list);
void swarm__demand_wake(struct dispatch *d, uint32_t list);
/* Wakes those on WAIT_AGENT that the profile fits, and those that want this very agent. */
void swarm__demand_wake_agent(struct dispatch *d, uint32_t profile, uint32_t agent);

static inline uint32_t wait_of_permit(uint32_t permit) {
    return WAIT_FIXED + permit;
}

static inline uint32_t wait_of_run(const struct dispatch *d, uint32_t run) {
    return WAIT_FIXED + d->config->permits_max + run;
}

static inline uint32_t wait_of_agent(const struct dispatch *d, uint32_t agent) {
    return WAIT_FIXED + d->config->permits_max + d->config->runs_max + agent;
}

static inline uint32_t wait_of_budget(const struct dispatch *d, uint32_t budget) {
    return wait_of_agent(d, d->config->agents_max) + budget;
}

static inline uint32_t wait_lists(const swarm_config *config) {
    return WAIT_FIXED + config->permits_max + config->runs_max + config->agents_max +
           config->budgets_max;
}

/* With asserts: waiting lists are whole, and whoever saves for a permit has something to start. */
void swarm__demand_invariant(const struct dispatch *d);

#endif
