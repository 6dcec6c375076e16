/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - the one vocabulary for everything that threads share.
 *
 * No other file includes <stdatomic.h>, pauses, or shares plain data. The order is always written
 * out, as the last word of the call: ATOMIC_LOAD(&d->top, acquire). So orders read the same
 * everywhere, a mutant is one replaced word, and a model checker can be put underneath.
 *
 * Contract
 *   - Two widths only, 32 and 64 bits, both lock-free. An object is always used at its own width.
 *   - The types are structs: a plain `x++` on shared data does not compile.
 *   - Arguments may be evaluated once or several times: give no side effects.
 *   - CAS writes what it found into *expected when it fails; the weak form may fail without cause.
 *   - ADD, SUB, OR, AND and EXCHANGE return the value before.
 *   - SHARED_READ and SHARED_WRITE mark plain data that one thread hands to another through some
 *     atomic. They cost nothing here; under a checker they are what finds a race.
 *
 * Where a compiler has no atomics (tcc), the operations are plain and the library runs with one
 * worker. C++ compiles these headers for checkers written in C++; it brings the same operations.
 *
 * Model: C11 section 7.17 as repaired by Lahav, Vafeiadis, Kang, Hur, Dreyer, "Repairing Sequential
 * Consistency in C/C++11" (PLDI 2017), and taken over by C++20. Release sequences continue through
 * read-modify-writes only.
 */
#ifndef SWARM_BASE_ATOMIC_H
#define SWARM_BASE_ATOMIC_H

#include <limits.h>

#include "check.h"

/* Distance that keeps two hot words from sharing a cache line. */
/* 64 is right for x86 and most of ARM; where it is too small (Apple's M1 has 128), it costs speed
 * and nothing else. */
#define ATOMIC_LINE 64

/* Plain data that changes hands. A model checker replaces both by its own; here they are the access
 * itself, so that the compiler sees nothing that it could not optimise. */
#define SHARED_READ(x) (x)
#define SHARED_WRITE(x, v) ((x) = (v))

/* ---- no atomics: one thread. The functions exist because EXCHANGE and CAS need the old value and
 * the new one in one expression; an interrupt in between would be seen, another thread does not
 * exist. */
#if defined(__STDC_NO_ATOMICS__)

typedef struct atomic_u32 {
    uint32_t value;
} atomic_u32;

typedef struct atomic_u64 {
    uint64_t value;
} atomic_u64;

static inline uint32_t atomic_plain_exchange32(uint32_t *place, uint32_t value) {
    uint32_t before = *place;

    *place = value;
    return before;
}

static inline uint64_t atomic_plain_exchange64(uint64_t *place, uint64_t value) {
    uint64_t before = *place;

    *place = value;
    return before;
}

/* Compare and swap: a success writes `place`, a failure `expected`, and never both. */
static inline bool atomic_plain_cas32(uint32_t *place, uint32_t *expected, uint32_t desired) {
    bool equal = *place == *expected;
    SWARM_ASSERT(place != expected);

    *(equal ? place : expected) = equal ? desired : *place;
    return equal;
}

static inline bool atomic_plain_cas64(uint64_t *place, uint64_t *expected, uint64_t desired) {
    bool equal = *place == *expected;
    SWARM_ASSERT(place != expected);

    *(equal ? place : expected) = equal ? desired : *place;
    return equal;
}

#define ATOMIC_BY_WIDTH(p, name)                                                                   \
    _Generic((p)->value, uint32_t : atomic_plain_##name##32, uint64_t : atomic_plain_##name##64)

#define ATOMIC_LOAD(p, order) ((p)->value)
#define ATOMIC_STORE(p, v, order) ((void)((p)->value = (v)))
#define ATOMIC_EXCHANGE(p, v, order) ATOMIC_BY_WIDTH(p, exchange)(&(p)->value, v)
#define ATOMIC_CAS(p, expected, desired, success, failure)                                         \
    ATOMIC_BY_WIDTH(p, cas)(&(p)->value, expected, desired)
#define ATOMIC_CAS_WEAK(p, expected, desired, success, failure)                                    \
    ATOMIC_BY_WIDTH(p, cas)(&(p)->value, expected, desired)
#define ATOMIC_ADD(p, v, order) ATOMIC_EXCHANGE(p, (p)->value + (v), order)
#define ATOMIC_SUB(p, v, order) ATOMIC_EXCHANGE(p, (p)->value - (v), order)
#define ATOMIC_OR(p, v, order) ATOMIC_EXCHANGE(p, (p)->value | (v), order)
#define ATOMIC_AND(p, v, order) ATOMIC_EXCHANGE(p, (p)->value &(v), order)
#define ATOMIC_FENCE(order) ((void)0)
#define ATOMIC_PAUSE() ((void)0)

#else

#ifdef __cplusplus
#include <atomic>
#define ATOMIC_STD std::
typedef struct atomic_u32 {
    std::atomic<uint32_t> value;
} atomic_u32;

typedef struct atomic_u64 {
    std::atomic<uint64_t> value;
} atomic_u64;
#else
#include <stdatomic.h>
#define ATOMIC_STD
typedef struct atomic_u32 {
    _Atomic uint32_t value;
} atomic_u32;

typedef struct atomic_u64 {
    _Atomic uint64_t value;
} atomic_u64;
#endif

/* An atomic that takes a lock would hang when the thread that holds it is not scheduled, and a
 * signal handler could wait for itself. Both widths must be instructions: refuse to build else. */
static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics take a lock here");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take a lock here");
static_assert(UINT_MAX == UINT32_MAX && ULLONG_MAX == UINT64_MAX, "the asserts above name widths");

/* One macro each, so that the last word is the order and nothing of it is implied: a bare C11
 * operation is seq_cst without saying so, which is the mistake that a reader cannot see. */
#define ATOMIC_ORDER(order) ATOMIC_STD memory_order_##order

#define ATOMIC_LOAD(p, order) ATOMIC_STD atomic_load_explicit(&(p)->value, ATOMIC_ORDER(order))
#define ATOMIC_STORE(p, v, order)                                                                  \
    ATOMIC_STD atomic_store_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_EXCHANGE(p, v, order)                                                               \
    ATOMIC_STD atomic_exchange_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_CAS(p, expected, desired, success, failure)                                         \
    ATOMIC_STD atomic_compare_exchange_strong_explicit(                                            \
        &(p)->value, expected, desired, ATOMIC_ORDER(success), ATOMIC_ORDER(failure))
#define ATOMIC_CAS_WEAK(p, expected, desired, success, failure)                                    \
    ATOMIC_STD atomic_compare_exchange_weak_explicit(&(p)->value, expected, desired,               \
                                                     ATOMIC_ORDER(success), ATOMIC_ORDER(failure))
#define ATOMIC_ADD(p, v, order)                                                                    \
    ATOMIC_STD atomic_fetch_add_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_SUB(p, v, order)                                                                    \
    ATOMIC_STD atomic_fetch_sub_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_OR(p, v, order)                                                                     \
    ATOMIC_STD atomic_fetch_or_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_AND(p, v, order)                                                                    \
    ATOMIC_STD atomic_fetch_and_explicit(&(p)->value, v, ATOMIC_ORDER(order))
#define ATOMIC_FENCE(order) ATOMIC_STD atomic_thread_fence(ATOMIC_ORDER(order))

/* Tells the core that this is a spin loop: it yields to its sibling and leaves the loop cheaply. */
#if defined(__x86_64__) || defined(__i386__)
#define ATOMIC_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define ATOMIC_PAUSE() __asm__ __volatile__("yield")
#else
#define ATOMIC_PAUSE() ((void)0)
#endif

#endif

#endif
