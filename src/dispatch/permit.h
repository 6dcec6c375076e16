/* SPDX-License-Identifier: MIT */
/*
 * permit.h - named semaphores, acquired all or none (M29): hold-and-wait cannot arise.
 */
#ifndef SWARM_DISPATCH_PERMIT_H
#define SWARM_DISPATCH_PERMIT_H

#include "table.h"

/* The first permit of the demand that has too few units left, or NONE32. */
static inline uint32_t permit_lacking(const struct dispatch *d, const struct demand *demand) {
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        const struct permit *permit = &d->permits[demand->needs[i].permit];

        if (demand->needs[i].units > permit->capacity - permit->used) {
            return demand->needs[i].permit;
        }
    }
    return NONE32;
}

static inline void permit_take(struct dispatch *d, const struct demand *demand) {
    SWARM_ASSERT(permit_lacking(d, demand) == NONE32);
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        d->permits[demand->needs[i].permit].used += demand->needs[i].units;
    }
}

/* Whoever waits for these permits must be woken. */
static inline void permit_give(struct dispatch *d, const struct demand *demand) {
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        struct permit *permit = &d->permits[demand->needs[i].permit];

        SWARM_ASSERT(permit->used >= demand->needs[i].units);
        permit->used -= demand->needs[i].units;
    }
}

#endif
