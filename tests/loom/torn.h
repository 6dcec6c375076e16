/* SPDX-License-Identifier: MIT */
/*
 * torn.h - changes that are no longer one step: a load, then a store. For mutants.py.
 */
#ifndef SWARM_TESTS_LOOM_TORN_H
#define SWARM_TESTS_LOOM_TORN_H

#include "loom_atomic.h"

static inline uint64_t torn_read(const void *place, size_t size) {
    return size == 4 ? *(const uint32_t *)place : *(const uint64_t *)place;
}

static inline uint64_t torn_change(void *place, size_t size, uint64_t operand,
                                   enum loom_change_kind change, enum loom_order order) {
    uint64_t before = loom_load(place, size, order);
    uint64_t after = change == LOOM_add   ? before + operand
                     : change == LOOM_sub ? before - operand
                     : change == LOOM_or  ? before | operand
                     : change == LOOM_and ? before & operand
                                          : operand;

    loom_store(place, size, after, order);
    return before;
}

static inline bool torn_cas(void *place, size_t size, void *expected,
                            const struct loom_swap *swap) {
    uint64_t found = loom_load(place, size, swap->success);

    if (found == torn_read(expected, size)) {
        loom_store(place, size, swap->desired, swap->success);
        return true;
    }
    if (size == 4) {
        *(uint32_t *)expected = (uint32_t)found;
    } else {
        *(uint64_t *)expected = found;
    }
    return false;
}

#define TORN_CHANGE(p, v, order, change)                                                           \
    ATOMIC_TYPED(p, torn_change(&(p)->value, sizeof(p)->value, v, LOOM_##change, LOOM_##order))
#define TORN_EXCHANGE(p, v, order) TORN_CHANGE(p, v, order, exchange)
#define TORN_ADD(p, v, order) TORN_CHANGE(p, v, order, add)
#define TORN_SUB(p, v, order) TORN_CHANGE(p, v, order, sub)
#define TORN_OR(p, v, order) TORN_CHANGE(p, v, order, or)
#define TORN_AND(p, v, order) TORN_CHANGE(p, v, order, and)
#define TORN_CAS(p, wanted, desired, success, failure)                                             \
    torn_cas(&(p)->value, sizeof(p)->value, wanted,                                                \
             &(struct loom_swap){desired, LOOM_##success, LOOM_##failure, false})
#define TORN_CAS_WEAK(p, wanted, desired, success, failure)                                        \
    TORN_CAS(p, wanted, desired, success, failure)

#endif
