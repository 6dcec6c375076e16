/* SPDX-License-Identifier: MIT */
/*
 * moe_bits.h - bit patterns of floats and of BF16, the same for the CPU and for kernels.
 *
 * Pure functions, any thread; no memory.
 */
#ifndef SWARM_MOE_BITS_H
#define SWARM_MOE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define ON_BOTH __device__ __forceinline__
#else
#define ON_BOTH inline
#endif

static ON_BOTH float float_of_bits(uint32_t bits) {
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static ON_BOTH uint32_t bits_of_float(float value) {
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* BF16 is the upper half of a float. */
static ON_BOTH float float_of_bf16(uint16_t bits) {
    return float_of_bits((uint32_t)bits << 16);
}

/* To the nearest, ties to even; what is not a number stays one. */
static ON_BOTH uint16_t bf16_of_float(float value) {
    uint32_t bits = bits_of_float(value);

    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u);
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static ON_BOTH bool is_finite(float value) {
    return (bits_of_float(value) & 0x7f800000u) != 0x7f800000u;
}

#endif
