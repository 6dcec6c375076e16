/* SPDX-License-Identifier: MIT */
/*
 * capability.c - what steps may do, handed down and only ever narrowed (M34).
 *
 * A capability is narrower than its parent from the moment it is added, so whether one is narrower
 * than another is a walk upwards. What a step adds has the step's capability, or names one below
 * it. Steps, their demands and the scopes of what they add hold an index; none means everything.
 *
 * Memory: a table of configured size, which only grows. Threads: the turn adds, whoever fills a
 * plan reads.
 */
#include "capability.h"

static bool keys_within(const swarm_capability_spec *own, const swarm_capability_spec *above) {
    return (own->keys_mask & above->keys_mask) == above->keys_mask &&
           (own->keys & above->keys_mask) == above->keys;
}

static bool spec_within(const swarm_capability_spec *own, const swarm_capability_spec *above) {
    return (own->tools & ~above->tools) == 0 && (own->backends & ~above->backends) == 0 &&
           (own->flags & ~above->flags) == 0 &&
           ((own->flags & SWARM_MAY_SHARE) == 0 || keys_within(own, above));
}

/* Acquire: pairs with the release store of swarm_capability_add. */
static bool capability_exists(const struct dispatch *d, uint64_t id) {
    return id != 0 && id <= ATOMIC_LOAD(&d->capabilities_count, acquire);
}

static const char *capability_fault(const struct dispatch *d, const swarm_capability_spec *spec,
                                    swarm_status *out_status) {
    *out_status = SWARM_E_INVALID;
    if (spec == NULL || spec->flags > (SWARM_MAY_ADD | SWARM_MAY_SHARE) || spec->reserved != 0 ||
        (spec->keys & ~spec->keys_mask) != 0) {
        return "capability: null, unknown flags, keys outside keys_mask, or reserved is not 0";
    }
    *out_status = SWARM_E_STALE;
    if (spec->parent.id != 0 && !capability_exists(d, spec->parent.id)) {
        return "capability: no such parent";
    }
    *out_status = SWARM_E_DENIED;
    if (spec->parent.id != 0 && !spec_within(spec, &d->capabilities[spec->parent.id - 1])) {
        return "capability: it allows more than its parent";
    }
    *out_status = SWARM_E_FULL;
    return ATOMIC_LOAD(&d->capabilities_count, relaxed) == d->config->capabilities_max
               ? "capability: raise config.capabilities_max"
               : NULL;
}

swarm_capability swarm_capability_add(swarm *sw, const swarm_capability_spec *spec) {
    swarm_capability handle = {0};
    swarm_status status;
    struct dispatch *d;
    const char *fault;

    if (!swarm__owned(sw)) {
        return handle;
    }
    d = &sw->dispatch;
    fault = capability_fault(d, spec, &status);
    if (fault != NULL) {
        swarm__fault(sw, status, fault);
        return handle;
    }
    handle.id = (uint64_t)ATOMIC_LOAD(&d->capabilities_count, relaxed) + 1;
    d->capabilities[handle.id - 1] = *spec;
    ATOMIC_STORE(&d->capabilities_count, (uint32_t)handle.id, release); /* see capability_exists */
    return handle;
}

uint64_t swarm__capability_digest(const struct dispatch *d, uint32_t index) {
    const swarm_capability_spec *spec = &d->capabilities[index];
    uint64_t digest = hash_mix64(spec->parent.id, spec->tools);

    digest = hash_mix64(digest, spec->backends);
    digest = hash_mix64(hash_mix64(digest, spec->keys_mask), spec->keys);
    return hash_mix64(digest, spec->flags);
}

/* ---- steps */

uint32_t swarm__capability_of(const swarm *sw, uint32_t slot) {
    return graph_has(&sw->graph, slot, GRAPH_TRACKED)
               ? sw->dispatch.tracked[tracked_of(&sw->graph, slot)].capability
               : sw->graph.scopes[sw->graph.scope[slot]].capability;
}

uint32_t swarm__capability_wanted(const swarm_plan *plan, const swarm_step_spec *spec) {
    return spec->capability.id == 0 ? plan->capability : (uint32_t)spec->capability.id - 1;
}

static bool is_under(const struct dispatch *d, uint32_t index, uint32_t above) {
    while (index != NONE32 && index != above) {
        uint64_t parent = d->capabilities[index].parent.id;

        index = parent == 0 ? NONE32 : (uint32_t)parent - 1;
    }
    return index == above; /* none is above all */
}

bool swarm__capability_allows(const struct dispatch *d, uint32_t index, uint64_t key) {
    const swarm_capability_spec *spec;

    if (index == NONE32) {
        return true;
    }
    spec = &d->capabilities[index];
    return (spec->flags & SWARM_MAY_SHARE) != 0 && (key & spec->keys_mask) == spec->keys;
}

const char *swarm__capability_fault(const swarm_plan *plan, const swarm_step_spec *spec,
                                    swarm_status *out_status) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t index = swarm__capability_wanted(plan, spec);

    *out_status = SWARM_E_STALE;
    if (spec->capability.id != 0 && !capability_exists(d, spec->capability.id)) {
        return "step: no such capability";
    }
    *out_status = SWARM_E_DENIED;
    if (!is_under(d, index, plan->capability)) {
        return "step: a capability that whoever adds it does not have";
    }
    if (index == NONE32) {
        return NULL;
    }
    if (spec->function.id == 0 && d->capabilities[index].backends == 0) {
        return "step: its capability allows no backend";
    }
    for (uint32_t i = 0; spec->state != NULL && i < spec->state->reads_count; i++) {
        if (spec->state->reads == NULL ||
            !swarm__capability_allows(d, index, spec->state->reads[i])) {
            return "step: its capability allows no look at this key";
        }
    }
    return NULL;
}
