/* SPDX-License-Identifier: MIT */
/*
 * moe_kernels.h - the inner loops in plain C: the reference for every other instruction set.
 *
 * The order of every sum is part of the contract, because answers must not depend on the machine:
 *   dense   LANES partial sums, element k to sum k mod LANES, added by halves (`lanes_sum`); each
 *           step a product rounded once and an addition rounded once;
 *   INT4    for each group of 32 an exact integer sum, then one product with (unit * scale) and one
 *           addition to the row's sum, groups in ascending order.
 * How rows are blocked is free, since it changes no sum.
 *
 * Invariant: products are well formed (moe_weights.h checked the matrices, moe_forward.h fills in
 * the rest). Pure but for `out`; any thread.
 * Source of the 15-bit activations: two int8 planes keep products with 4-bit weights exact in the
 * integer dot products of x86 (15 * 127 * 2 fits 16 bits).
 */
#ifndef SWARM_MOE_KERNELS_H
#define SWARM_MOE_KERNELS_H

#include "moe_state.h"
#include "moe_weights.h"

#define CODE_LARGEST 16256.0f /* 127 * 128 */

/* Adds LANES partial sums by halves. */
static inline float lanes_sum(const float lanes[LANES]) {
    float half[LANES / 2];

    for (uint32_t i = 0; i < 8; i++) {
        half[i] = lanes[i] + lanes[i + 8];
    }
    for (uint32_t i = 0; i < 4; i++) {
        half[i] = half[i] + half[i + 4];
    }
    return (half[0] + half[2]) + (half[1] + half[3]);
}

static float portable_dot(const float *a, const float *b, uint32_t count) {
    float lanes[LANES] = {0};

    for (uint32_t k = 0; k < count; k++) {
        lanes[k % LANES] += a[k] * b[k];
    }
    return lanes_sum(lanes);
}

static void portable_add_scaled(float *sum, const float *values, float scale, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        sum[k] += values[k] * scale;
    }
}

static void portable_add_weighted(float *sum, const struct matrix *matrix, uint32_t row,
                                  float scale) {
    uint64_t first = (uint64_t)row * matrix->columns;

    for (uint32_t k = 0; k < matrix->columns; k++) {
        sum[k] += load_float(matrix->data, (uint32_t)matrix->type, first + k) * scale;
    }
}

/* Row i of the activations. */
static inline uint32_t product_row(const struct product *product, uint32_t i) {
    return product->pick == NULL ? i : product->pick[i];
}

static inline const float *product_in(const struct product *product, uint32_t i) {
    return product->in + (size_t)product_row(product, i) * product->in_stride;
}

static inline const struct codes *product_codes(const struct product *product, uint32_t i) {
    return product->codes + (size_t)product_row(product, i) * product->codes_stride;
}

static inline void product_store(const struct product *product, uint32_t i, uint32_t column,
                                 float value) {
    float *out = product->out + (size_t)i * product->out_stride + (column - product->first);

    *out = product->is_added ? *out + value : value;
}

static void portable_dense(const struct product *product) {
    const struct matrix *weights = product->weights;

    for (uint32_t column = product->first; column < product->first + product->count; column++) {
        uint64_t first = (uint64_t)column * weights->columns;

        for (uint32_t i = 0; i < product->rows; i++) {
            const float *in = product_in(product, i);
            float lanes[LANES] = {0};

            for (uint32_t k = 0; k < weights->columns; k++) {
                lanes[k % LANES] +=
                    load_float(weights->data, (uint32_t)weights->type, first + k) * in[k];
            }
            product_store(product, i, column, lanes_sum(lanes));
        }
    }
}

/* The exact sum of (n - 8) * (128 * high + low) over a group, for one of its LANES rows. */
static int32_t portable_group(const unsigned char *group, const struct codes *codes,
                              uint32_t lane) {
    int32_t high = 0, low = 0;

    for (uint32_t k = 0; k < GROUP; k++) {
        uint32_t byte = group[64 * (k % 16 / 4) + 4 * lane + k % 4];
        int32_t n = (int32_t)(k < 16 ? byte & 15u : byte >> 4);

        high += n * codes->high[k];
        low += n * codes->low[k];
    }
    return 128 * high + low - codes->offset;
}

/* Where a block of LANES rows begins. */
static inline const unsigned char *int4_block(const struct matrix *weights, uint32_t row) {
    return weights->data + (size_t)(row / LANES) * (weights->columns / GROUP) * INT4_GROUP_BYTES;
}

/* Stores what a block of LANES rows gave for row i, as far as the product wants it. */
static inline void int4_store(const struct product *product, uint32_t i, uint32_t row,
                              const float sums[LANES]) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
        if (row + lane < product->first + product->count) {
            product_store(product, i, row + lane, sums[lane]);
        }
    }
}

static void portable_int4(const struct product *product) {
    const struct matrix *weights = product->weights;

    for (uint32_t row = product->first; row < product->first + product->count; row += LANES) {
        const unsigned char *block = int4_block(weights, row);

        for (uint32_t i = 0; i < product->rows; i++) {
            const struct codes *codes = product_codes(product, i);
            float sums[LANES] = {0};

            for (uint32_t g = 0; g < weights->columns / GROUP; g++) {
                const unsigned char *group = block + (size_t)g * INT4_GROUP_BYTES;

                for (uint32_t lane = 0; lane < LANES; lane++) {
                    float scale = float_of_bf16(load16(group + LANES * GROUP / 2 + 2 * lane));

                    sums[lane] +=
                        (float)portable_group(group, &codes[g], lane) * (codes[g].unit * scale);
                }
            }
            int4_store(product, i, row, sums);
        }
    }
}

static void portable_multiply(const struct product *product) {
    if (product->weights->type == MATRIX_INT4) {
        portable_int4(product);
    } else {
        portable_dense(product);
    }
}

static const struct kernels portable_kernels = {portable_multiply, portable_dot,
                                                portable_add_scaled, portable_add_weighted};

/* Activations in 15 bits, 32 at a time. A group that is not finite gets a unit that is none. */
static void encode(const float *values, uint32_t count, struct codes *out_codes) {
    for (uint32_t g = 0; g < count / GROUP; g++) {
        const float *group = values + (size_t)g * GROUP;
        struct codes *codes = &out_codes[g];
        float largest = 0, inverse;
        int32_t sum = 0;

        for (uint32_t k = 0; k < GROUP; k++) {
            float size = group[k] < 0 ? -group[k] : group[k];

            largest = size > largest || size != size ? size : largest;
        }
        *codes = (struct codes){.unit = is_finite(largest) ? 0 : largest - largest};
        if (!is_finite(largest) || !(largest > 1e-30f)) {
            continue;
        }
        codes->unit = largest / CODE_LARGEST;
        inverse = CODE_LARGEST / largest;
        for (uint32_t k = 0; k < GROUP; k++) {
            int32_t code = nearest((double)(group[k] * inverse));
            int32_t high;

            code = code > 16256 ? 16256 : code < -16256 ? -16256 : code;
            high = (code + 64 + (1 << 20)) / 128 - (1 << 13);
            codes->high[k] = (int8_t)high;
            codes->low[k] = (int8_t)(code - 128 * high);
            sum += code;
        }
        codes->offset = 8 * sum;
    }
}

/* out = in / sqrt(mean(in^2) + epsilon) * gain. */
static void normalise(const float *in, const float *gain, float *out, uint32_t count,
                      double epsilon) {
    double sum = 0;
    float scale;

    for (uint32_t k = 0; k < count; k++) {
        sum += (double)in[k] * (double)in[k];
    }
    scale = (float)(1.0 / square_root(sum / count + epsilon));
    for (uint32_t k = 0; k < count; k++) {
        out[k] = in[k] * scale * gain[k];
    }
}

#endif
