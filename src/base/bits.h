/* SPDX-License-Identifier: MIT */
/*
 * bits.h - an array of bits in words of 64. Plain values; no threads.
 */
#ifndef SWARM_BASE_BITS_H
#define SWARM_BASE_BITS_H

#include "check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t bits_words(uint64_t count) {
    return (count + 63) / 64;
}

static inline bool bits_has(const uint64_t *bits, uint32_t index) {
    return (bits[index / 64] >> (index % 64)) & 1u;
}

static inline void bits_set(uint64_t *bits, uint32_t index) {
    bits[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void bits_unset(uint64_t *bits, uint32_t index) {
    bits[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

static inline void bits_clear(uint64_t *bits, uint64_t count) {
    memset(bits, 0, (size_t)bits_words(count) * sizeof *bits);
}

#endif
