/* SPDX-License-Identifier: MIT */
/*
 * loom_atomic.h - src/base/atomic.h routed to the controlled scheduler.
 *
 * Included before any header of src, it takes the include guard of atomic.h: so the library's own
 * source, unchanged, runs on loom's model of memory. Plain data needs no marks: the library is
 * compiled with -fsanitize=thread, but linked with loom's own small runtime, which sees each plain
 * read and write.
 */
#ifndef SWARM_BASE_ATOMIC_H
#define SWARM_BASE_ATOMIC_H

#include <limits.h>

#include "../../src/base/check.h"
#include "loom.h"

#define ATOMIC_LINE 64

#define SHARED_READ(x) (x)
#define SHARED_WRITE(x, v) ((x) = (v))

typedef struct atomic_u32 {
    uint32_t value;
} atomic_u32;

typedef struct atomic_u64 {
    uint64_t value;
} atomic_u64;

#define ATOMIC_TYPED(p, call) (_Generic((p)->value, uint32_t : (uint32_t)(call), uint64_t : (call)))
#define ATOMIC_CHANGE(p, v, order, change)                                                         \
    ATOMIC_TYPED(p, loom_change(&(p)->value, sizeof(p)->value, v, LOOM_##change, LOOM_##order))
#define ATOMIC_TRY(p, wanted, desired, success, failure, weak)                                     \
    loom_cas(&(p)->value, sizeof(p)->value, wanted,                                                \
             &(struct loom_swap){desired, LOOM_##success, LOOM_##failure, weak})

#define ATOMIC_LOAD(p, order)                                                                      \
    ATOMIC_TYPED(p, loom_load(&(p)->value, sizeof(p)->value, LOOM_##order))
#define ATOMIC_STORE(p, v, order) loom_store(&(p)->value, sizeof(p)->value, v, LOOM_##order)
#define ATOMIC_EXCHANGE(p, v, order) ATOMIC_CHANGE(p, v, order, exchange)
#define ATOMIC_ADD(p, v, order) ATOMIC_CHANGE(p, v, order, add)
#define ATOMIC_SUB(p, v, order) ATOMIC_CHANGE(p, v, order, sub)
#define ATOMIC_OR(p, v, order) ATOMIC_CHANGE(p, v, order, or)
#define ATOMIC_AND(p, v, order) ATOMIC_CHANGE(p, v, order, and)
#define ATOMIC_CAS(p, expected, desired, success, failure)                                         \
    ATOMIC_TRY(p, expected, desired, success, failure, false)
#define ATOMIC_CAS_WEAK(p, expected, desired, success, failure)                                    \
    ATOMIC_TRY(p, expected, desired, success, failure, true)
#define ATOMIC_FENCE(order) loom_fence(LOOM_##order)
#define ATOMIC_PAUSE() loom_pause()

#endif
