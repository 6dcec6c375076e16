/* SPDX-License-Identifier: MIT */
/*
 * pulse.h - what an attempt reports while it runs: one coalescing cell an attempt (X7).
 *
 * Any thread adds to the cell; the turn reads it once a round and acts on the difference. So a
 * stream of a thousand pieces costs the scheduler one event a round, and the thread that posts
 * never waits. The cell is apart from the attempt's word: progress and answer don't disturb each
 * other.
 *
 * Each counter is one word {tag:16, value:48}. The tag is of the attempt's generation, so a late
 * post finds another tag and changes nothing (mutant TAGLESS: the next attempt in the slot would
 * live on its predecessor's heartbeat). It repeats after 65,536 attempts in one slot within one
 * stalled post: accepted, as in pool.h. Values saturate.
 * `repeats` is {tag:16, most:8, count:8, digest:32}: how often the same piece came in a row. It is
 * counted where it is posted, so that nothing is lost when several come between two rounds.
 *
 * Threads: the atomics belong to all, the rest to the turn.
 */
#ifndef SWARM_DISPATCH_PULSE_H
#define SWARM_DISPATCH_PULSE_H

#include "../base/atomic.h"
#include "../base/checked.h"
#include "table.h"

#define PULSE_VALUE_MAX ((UINT64_C(1) << 48) - 1)
#define PULSE_REPEATS_MAX 255u

/* The low 16 bits of the generation, where the cells have them. */
static inline uint64_t pulse_tag(uint32_t generation) {
    return (uint64_t)(generation & UINT16_MAX) << 48;
}

static inline uint64_t pulse_value(uint64_t word) {
    return word & PULSE_VALUE_MAX;
}

/* Adds to a counter; false when it is another attempt's by now. */
static inline bool pulse_add(atomic_u64 *cell, uint64_t tag, uint64_t amount) {
    uint64_t word = ATOMIC_LOAD(cell, relaxed);

    SWARM_ASSERT((tag & PULSE_VALUE_MAX) == 0);
    while ((word & ~PULSE_VALUE_MAX) == tag) {
        uint64_t value = saturating_add64(pulse_value(word), amount);

        value = value > PULSE_VALUE_MAX ? PULSE_VALUE_MAX : value;
        /* Relaxed: the exchange on `posted` publishes it. */
        if (ATOMIC_CAS_WEAK(cell, &word, tag | value, relaxed, relaxed)) {
            return true;
        }
    }
    return false;
}

static inline uint32_t pulse_repeats_most(uint64_t word) {
    return (uint32_t)(word >> 40) & 0xffu;
}

static inline uint32_t pulse_repeats_last(uint64_t word) {
    return (uint32_t)(word >> 32) & 0xffu;
}

/* The word after one more piece with this digest. */
static inline uint64_t pulse_repeated(uint64_t word, uint64_t digest) {
    uint32_t folded = (uint32_t)(digest ^ digest >> 32);
    uint32_t count = pulse_repeats_last(word), most = pulse_repeats_most(word);

    count = count == 0 || (uint32_t)word != folded ? 1 : count + (count < PULSE_REPEATS_MAX);
    most = count > most ? count : most;
    SWARM_ASSERT(most >= count);
    return (word & ~PULSE_VALUE_MAX) | (uint64_t)most << 40 | (uint64_t)count << 32 | folded;
}

/* One more piece with this digest; false when the cell is another attempt's by now. Relaxed, both:
 * as in pulse_add. */
static inline bool pulse_repeat(struct pulse *pulse, uint64_t tag, uint64_t digest) {
    uint64_t word = ATOMIC_LOAD(&pulse->repeats, relaxed);

    SWARM_ASSERT((tag & PULSE_VALUE_MAX) == 0);
    while ((word & ~PULSE_VALUE_MAX) == tag) {
        if (ATOMIC_CAS_WEAK(&pulse->repeats, &word, pulse_repeated(word, digest), relaxed,
                            relaxed)) {
            return true;
        }
    }
    return false;
}

/* A new attempt in the slot. `posted` stays as it is: the mailbox may still hold the slot. Relaxed:
 * nobody knows the handle yet; the store that opens the attempt publishes it. */
static inline void pulse_begin(struct pulse *pulse, uint32_t generation, uint64_t now_ns) {
    uint64_t tag = pulse_tag(generation);

    ATOMIC_STORE(&pulse->beats, tag, relaxed);
    ATOMIC_STORE(&pulse->bytes, tag, relaxed);
    ATOMIC_STORE(&pulse->tokens, tag, relaxed);
    ATOMIC_STORE(&pulse->repeats, tag, relaxed);
    pulse->beats_seen = pulse->tokens_seen = 0;
    pulse->last_ns = now_ns;
    pulse->window_ns = 0;
    pulse->window_tokens = 0;
    pulse->fired = 0;
}

/* Takes what has come since the last look; false when nothing has. */
static inline bool pulse_take(struct pulse *pulse, uint64_t now_ns) {
    uint64_t beats = pulse_value(ATOMIC_LOAD(&pulse->beats, relaxed));

    if (beats == pulse->beats_seen && beats != PULSE_VALUE_MAX) {
        return false;
    }
    pulse->beats_seen = beats;
    pulse->tokens_seen = pulse_value(ATOMIC_LOAD(&pulse->tokens, relaxed));
    pulse->last_ns = now_ns;
    return true;
}

#endif
