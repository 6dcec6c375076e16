/* SPDX-License-Identifier: MIT */
/*
 * relacy_atomic.h - src/base/atomic.h routed to Relacy, for a second opinion: C++, and like
 * loom_atomic.h it takes the include guard of atomic.h.
 *
 * Relacy orders seq_cst fences among each other, and seq_cst accesses among each other, but not a
 * seq_cst store before a seq_cst fence of another thread: after the fence it lets a load see what
 * was there before the store, which C++11 29.3p4 (and RC11) forbids. The deque depends on that, so
 * for Relacy a fence stands behind each seq_cst store. The mixed form itself is loom's to judge.
 */
#ifndef SWARM_BASE_ATOMIC_H
#define SWARM_BASE_ATOMIC_H

#include <climits>

#include "../../src/base/check.h"

#define ATOMIC_LINE 4096 /* an atomic with its history is larger than a cache line */

struct atomic_u32 {
    rl::atomic<uint32_t> value;
};

struct atomic_u64 {
    rl::atomic<uint64_t> value;
};

#define ATOMIC_ORDER(order) rl::mo_##order
#define ATOMIC_LOAD(p, order) (p)->value(RL_INFO).load(ATOMIC_ORDER(order))
#define ATOMIC_STORE(p, v, order)                                                                  \
    ((p)->value(RL_INFO).store(v, ATOMIC_ORDER(order)),                                            \
     ATOMIC_ORDER(order) == rl::mo_seq_cst ? rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO)      \
                                           : (void)0)
#define ATOMIC_EXCHANGE(p, v, order) (p)->value(RL_INFO).exchange(v, ATOMIC_ORDER(order))
#define ATOMIC_ADD(p, v, order) (p)->value(RL_INFO).fetch_add(v, ATOMIC_ORDER(order))
#define ATOMIC_SUB(p, v, order) (p)->value(RL_INFO).fetch_sub(v, ATOMIC_ORDER(order))
#define ATOMIC_CAS(p, expected, desired, success, failure)                                         \
    (p)->value(RL_INFO).compare_exchange_strong(*(expected), desired, ATOMIC_ORDER(success),       \
                                                ATOMIC_ORDER(failure))
#define ATOMIC_CAS_WEAK(p, expected, desired, success, failure)                                    \
    (p)->value(RL_INFO).compare_exchange_weak(*(expected), desired, ATOMIC_ORDER(success),         \
                                              ATOMIC_ORDER(failure))
#define ATOMIC_FENCE(order) rl::atomic_thread_fence(ATOMIC_ORDER(order), RL_INFO)
#define ATOMIC_PAUSE() rl::yield(1, RL_INFO)

#endif
