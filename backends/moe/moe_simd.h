/* SPDX-License-Identifier: MIT */
/*
 * moe_simd.h - the inner loops for x86 with AVX2 and with AVX-512 VNNI, chosen when a model is
 * opened.
 *
 * Each function is compiled for its own instruction set by a target attribute, so the rest of the
 * unit needs no option and runs everywhere. Elsewhere only the portable ones exist.
 *
 * Invariant: the same bits as moe_kernels.h, by the same order of sums: 16 lanes, multiply, then
 * add (never fused), `lanes_sum` at the end; INT4 groups exact in integers, then multiply and add.
 * Blocking (4 rows of weights by up to 4 of activations; 16 rows by up to 8 for INT4) only says how
 * often a loaded weight is used.
 * Source: Intel 64 manual, VPDPBUSD (unsigned by signed bytes, four to a lane) and VPMADDUBSW,
 * where 8 products of 15 * 127 * 2 still fit 16 bits.
 */
#ifndef SWARM_MOE_SIMD_H
#define SWARM_MOE_SIMD_H

#include "moe_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET_256 __attribute__((target("avx2")))
#define TARGET_512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define INSIDE inline __attribute__((always_inline))
#define COLUMNS_512 4u
#define COLUMNS_256 2u

/* ---- AVX-512 */

TARGET_512 static INSIDE __m512 load_512(const unsigned char *data, enum matrix_type type,
                                         uint64_t k) {
    if (type == MATRIX_BF16) {
        __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)(data + 2 * k));

        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    }
    return _mm512_loadu_ps(data + 4 * k);
}

TARGET_512 static INSIDE __m512 load_some_512(const unsigned char *data, enum matrix_type type,
                                              uint64_t k, __mmask16 mask) {
    if (type == MATRIX_BF16) {
        __m256i half = _mm256_maskz_loadu_epi16(mask, data + 2 * k);

        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    }
    return _mm512_maskz_loadu_ps(mask, data + 4 * k);
}

/* COLUMNS_512 rows of weights from `column` by n rows of activations from i. */
TARGET_512 static INSIDE void tile_512(const struct product *product, uint32_t column, uint32_t i,
                                       const uint32_t n, const enum matrix_type type) {
    const struct matrix *weights = product->weights;
    uint32_t columns = least(COLUMNS_512, product->first + product->count - column);
    uint32_t whole = weights->columns / LANES * LANES;
    __mmask16 rest = (__mmask16)((1u << (weights->columns - whole)) - 1);
    const unsigned char *data[COLUMNS_512];
    const float *in[4];
    __m512 sums[COLUMNS_512][4];
    float lanes[LANES];

#pragma GCC unroll 4
    for (uint32_t c = 0; c < COLUMNS_512; c++) {
        data[c] = weights->data + (uint64_t)(column + (c < columns ? c : 0)) * weights->columns *
                                      type_size((uint32_t)type);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n; r++) {
            in[r] = product_in(product, i + r);
            sums[c][r] = _mm512_setzero_ps();
        }
    }
    for (uint32_t k = 0; k < whole; k += LANES) {
#pragma GCC unroll 4
        for (uint32_t c = 0; c < COLUMNS_512; c++) {
            __m512 w = load_512(data[c], type, k);
#pragma GCC unroll 4
            for (uint32_t r = 0; r < n; r++) {
                sums[c][r] =
                    _mm512_add_ps(sums[c][r], _mm512_mul_ps(w, _mm512_loadu_ps(in[r] + k)));
            }
        }
    }
    for (uint32_t c = 0; c < columns; c++) {
        for (uint32_t r = 0; r < n; r++) {
            __m512 sum = sums[c][r];

            if (rest != 0) {
                __m512 w = load_some_512(data[c], type, whole, rest);

                sum = _mm512_add_ps(sum,
                                    _mm512_mul_ps(w, _mm512_maskz_loadu_ps(rest, in[r] + whole)));
            }
            _mm512_storeu_ps(lanes, sum);
            product_store(product, i + r, column + c, lanes_sum(lanes));
        }
    }
}

TARGET_512 static INSIDE void dense_512(const struct product *product,
                                        const enum matrix_type type) {
    for (uint32_t c = product->first; c < product->first + product->count; c += COLUMNS_512) {
        uint32_t i = 0;

        for (; i + 4 <= product->rows; i += 4) {
            tile_512(product, c, i, 4, type);
        }
        for (; i < product->rows; i++) {
            tile_512(product, c, i, 1, type);
        }
    }
}

/* A block of LANES rows by n rows of activations. */
TARGET_512 static INSIDE void int4_tile_512(const struct product *product, uint32_t row, uint32_t i,
                                            const uint32_t n) {
    const unsigned char *group = int4_block(product->weights, row);
    const __m512i mask = _mm512_set1_epi8(15);
    const struct codes *codes[8];
    __m512 sums[8];
    float lanes[LANES];

#pragma GCC unroll 8
    for (uint32_t r = 0; r < n; r++) {
        codes[r] = product_codes(product, i + r);
        sums[r] = _mm512_setzero_ps();
    }
    for (uint32_t g = 0; g < product->weights->columns / GROUP; g++, group += INT4_GROUP_BYTES) {
        __m512 scale = load_512(group + LANES * GROUP / 2, MATRIX_BF16, 0);
        __m512i n8[8];

#pragma GCC unroll 4
        for (uint32_t q = 0; q < 4; q++) {
            __m512i bytes = _mm512_loadu_si512(group + (size_t)q * 64);

            n8[q] = _mm512_and_si512(bytes, mask);
            n8[q + 4] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask);
        }
#pragma GCC unroll 8
        for (uint32_t r = 0; r < n; r++) {
            const struct codes *code = &codes[r][g];
            __m512i high = _mm512_setzero_si512(), low = _mm512_setzero_si512();

#pragma GCC unroll 8
            for (uint32_t q = 0; q < 8; q++) {
                int32_t four_high, four_low;

                memcpy(&four_high, code->high + (size_t)q * 4, 4);
                memcpy(&four_low, code->low + (size_t)q * 4, 4);
                high = _mm512_dpbusd_epi32(high, n8[q], _mm512_set1_epi32(four_high));
                low = _mm512_dpbusd_epi32(low, n8[q], _mm512_set1_epi32(four_low));
            }
            high = _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
            high = _mm512_sub_epi32(high, _mm512_set1_epi32(code->offset));
            sums[r] = _mm512_add_ps(
                sums[r], _mm512_mul_ps(_mm512_cvtepi32_ps(high),
                                       _mm512_mul_ps(_mm512_set1_ps(code->unit), scale)));
        }
    }
#pragma GCC unroll 8
    for (uint32_t r = 0; r < n; r++) {
        _mm512_storeu_ps(lanes, sums[r]);
        int4_store(product, i + r, row, lanes);
    }
}

TARGET_512 static void int4_512(const struct product *product) {
    for (uint32_t row = product->first; row < product->first + product->count; row += LANES) {
        uint32_t i = 0;

        for (; i + 8 <= product->rows; i += 8) {
            int4_tile_512(product, row, i, 8);
        }
        for (; i + 2 <= product->rows; i += 2) {
            int4_tile_512(product, row, i, 2);
        }
        for (; i < product->rows; i++) {
            int4_tile_512(product, row, i, 1);
        }
    }
}

TARGET_512 static void multiply_512(const struct product *product) {
    if (product->weights->type == MATRIX_INT4) {
        int4_512(product);
    } else if (product->weights->type == MATRIX_BF16) {
        dense_512(product, MATRIX_BF16);
    } else {
        dense_512(product, MATRIX_F32);
    }
}

TARGET_512 static float dot_512(const float *a, const float *b, uint32_t count) {
    uint32_t whole = count / LANES * LANES;
    __mmask16 rest = (__mmask16)((1u << (count - whole)) - 1);
    __m512 sum = _mm512_setzero_ps();
    float lanes[LANES];

    for (uint32_t k = 0; k < whole; k += LANES) {
        sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(a + k), _mm512_loadu_ps(b + k)));
    }
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_maskz_loadu_ps(rest, a + whole),
                                           _mm512_maskz_loadu_ps(rest, b + whole)));
    _mm512_storeu_ps(lanes, sum);
    return lanes_sum(lanes);
}

TARGET_512 static void add_scaled_512(float *sum, const float *values, float scale,
                                      uint32_t count) {
    __m512 factor = _mm512_set1_ps(scale);
    uint32_t k = 0;

    for (; k + LANES <= count; k += LANES) {
        __m512 product = _mm512_mul_ps(_mm512_loadu_ps(values + k), factor);

        _mm512_storeu_ps(sum + k, _mm512_add_ps(_mm512_loadu_ps(sum + k), product));
    }
    portable_add_scaled(sum + k, values + k, scale, count - k);
}

TARGET_512 static void add_weighted_512(float *sum, const struct matrix *matrix, uint32_t row,
                                        float scale) {
    const unsigned char *data =
        matrix->data + (uint64_t)row * matrix->columns * type_size((uint32_t)matrix->type);
    __m512 factor = _mm512_set1_ps(scale);

    for (uint32_t k = 0; k < matrix->columns; k += LANES) {
        __mmask16 mask =
            (__mmask16)(k + LANES <= matrix->columns ? 0xffffu : (1u << (matrix->columns - k)) - 1);
        __m512 product = _mm512_mul_ps(load_some_512(data, matrix->type, k, mask), factor);

        _mm512_mask_storeu_ps(sum + k, mask,
                              _mm512_add_ps(_mm512_maskz_loadu_ps(mask, sum + k), product));
    }
}

static const struct kernels kernels_512 = {multiply_512, dot_512, add_scaled_512, add_weighted_512};

/* ---- AVX2: 16 lanes in two halves */

TARGET_256 static INSIDE __m256 load_256(const unsigned char *data, enum matrix_type type,
                                         uint64_t k) {
    if (type == MATRIX_BF16) {
        __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(data + 2 * k));

        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
    }
    return _mm256_loadu_ps((const float *)(const void *)(data + 4 * k));
}

/* The products of what is left behind the whole LANES are added to the lanes one by one. */
static float finish_256(float lanes[LANES], const struct matrix *weights, uint32_t column,
                        const float *in) {
    uint64_t first = (uint64_t)column * weights->columns;

    for (uint32_t k = weights->columns / LANES * LANES; k < weights->columns; k++) {
        lanes[k % LANES] += load_float(weights->data, (uint32_t)weights->type, first + k) * in[k];
    }
    return lanes_sum(lanes);
}

TARGET_256 static INSIDE void tile_256(const struct product *product, uint32_t column, uint32_t i,
                                       const uint32_t n, const enum matrix_type type) {
    const struct matrix *weights = product->weights;
    uint32_t columns = least(COLUMNS_256, product->first + product->count - column);
    const unsigned char *data[COLUMNS_256];
    const float *in[2];
    __m256 sums[COLUMNS_256][2][2];
    float lanes[LANES];

#pragma GCC unroll 2
    for (uint32_t c = 0; c < COLUMNS_256; c++) {
        data[c] = weights->data + (uint64_t)(column + (c < columns ? c : 0)) * weights->columns *
                                      type_size((uint32_t)type);
#pragma GCC unroll 2
        for (uint32_t r = 0; r < n; r++) {
            in[r] = product_in(product, i + r);
            sums[c][r][0] = sums[c][r][1] = _mm256_setzero_ps();
        }
    }
    for (uint32_t k = 0; k + LANES <= weights->columns; k += LANES) {
#pragma GCC unroll 2
        for (uint32_t c = 0; c < COLUMNS_256; c++) {
#pragma GCC unroll 2
            for (uint32_t h = 0; h < 2; h++) {
                __m256 w = load_256(data[c], type, k + 8 * h);
#pragma GCC unroll 2
                for (uint32_t r = 0; r < n; r++) {
                    __m256 product8 = _mm256_mul_ps(w, _mm256_loadu_ps(in[r] + k + 8 * h));

                    sums[c][r][h] = _mm256_add_ps(sums[c][r][h], product8);
                }
            }
        }
    }
    for (uint32_t c = 0; c < columns; c++) {
        for (uint32_t r = 0; r < n; r++) {
            _mm256_storeu_ps(lanes, sums[c][r][0]);
            _mm256_storeu_ps(lanes + 8, sums[c][r][1]);
            product_store(product, i + r, column + c,
                          finish_256(lanes, weights, column + c, in[r]));
        }
    }
}

TARGET_256 static INSIDE void dense_256(const struct product *product,
                                        const enum matrix_type type) {
    for (uint32_t c = product->first; c < product->first + product->count; c += COLUMNS_256) {
        uint32_t i = 0;

        for (; i + 2 <= product->rows; i += 2) {
            tile_256(product, c, i, 2, type);
        }
        for (; i < product->rows; i++) {
            tile_256(product, c, i, 1, type);
        }
    }
}

/* One plane of a group for 8 rows: the 8 quads of bytes fit 16 bits until they are widened. */
TARGET_256 static INSIDE __m256i plane_256(const __m256i n8[8], const int8_t *plane) {
    __m256i sum = _mm256_setzero_si256();

#pragma GCC unroll 8
    for (uint32_t q = 0; q < 8; q++) {
        int32_t four;

        memcpy(&four, plane + (size_t)q * 4, 4);
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(n8[q], _mm256_set1_epi32(four)));
    }
    return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}

/* Half h of a block (8 rows) by n rows of activations. */
TARGET_256 static INSIDE void int4_half_256(const struct product *product, uint32_t row, uint32_t i,
                                            const uint32_t n, const uint32_t h) {
    const unsigned char *group = int4_block(product->weights, row);
    const __m256i mask = _mm256_set1_epi8(15);
    __m256 sums[4];
    float lanes[LANES] = {0};

#pragma GCC unroll 4
    for (uint32_t r = 0; r < n; r++) {
        sums[r] = _mm256_setzero_ps();
    }
    for (uint32_t g = 0; g < product->weights->columns / GROUP; g++, group += INT4_GROUP_BYTES) {
        __m256 scale = load_256(group + LANES * GROUP / 2, MATRIX_BF16, 8 * h);
        __m256i n8[8];

#pragma GCC unroll 4
        for (uint32_t q = 0; q < 4; q++) {
            const void *place = group + (size_t)q * 64 + (size_t)h * 32;
            __m256i bytes = _mm256_loadu_si256((const __m256i *)place);

            n8[q] = _mm256_and_si256(bytes, mask);
            n8[q + 4] = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
        }
#pragma GCC unroll 4
        for (uint32_t r = 0; r < n; r++) {
            const struct codes *code = &product_codes(product, i + r)[g];
            __m256i high = _mm256_slli_epi32(plane_256(n8, code->high), 7);
            __m256i sum = _mm256_sub_epi32(_mm256_add_epi32(high, plane_256(n8, code->low)),
                                           _mm256_set1_epi32(code->offset));

            sums[r] = _mm256_add_ps(
                sums[r], _mm256_mul_ps(_mm256_cvtepi32_ps(sum),
                                       _mm256_mul_ps(_mm256_set1_ps(code->unit), scale)));
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < n; r++) {
        _mm256_storeu_ps(lanes, sums[r]);
        for (uint32_t lane = 0; lane < 8; lane++) {
            if (row + 8 * h + lane < product->first + product->count) {
                product_store(product, i + r, row + 8 * h + lane, lanes[lane]);
            }
        }
    }
}

TARGET_256 static void int4_256(const struct product *product) {
    for (uint32_t row = product->first; row < product->first + product->count; row += LANES) {
        uint32_t i = 0;

        for (; i + 4 <= product->rows; i += 4) {
            int4_half_256(product, row, i, 4, 0);
            int4_half_256(product, row, i, 4, 1);
        }
        for (; i < product->rows; i++) {
            int4_half_256(product, row, i, 1, 0);
            int4_half_256(product, row, i, 1, 1);
        }
    }
}

TARGET_256 static void multiply_256(const struct product *product) {
    if (product->weights->type == MATRIX_INT4) {
        int4_256(product);
    } else if (product->weights->type == MATRIX_BF16) {
        dense_256(product, MATRIX_BF16);
    } else {
        dense_256(product, MATRIX_F32);
    }
}

TARGET_256 static float dot_256(const float *a, const float *b, uint32_t count) {
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    float lanes[LANES];
    uint32_t k = 0;

    for (; k + LANES <= count; k += LANES) {
        low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(a + k), _mm256_loadu_ps(b + k)));
        high = _mm256_add_ps(high,
                             _mm256_mul_ps(_mm256_loadu_ps(a + k + 8), _mm256_loadu_ps(b + k + 8)));
    }
    _mm256_storeu_ps(lanes, low);
    _mm256_storeu_ps(lanes + 8, high);
    for (; k < count; k++) {
        lanes[k % LANES] += a[k] * b[k];
    }
    return lanes_sum(lanes);
}

TARGET_256 static void add_scaled_256(float *sum, const float *values, float scale,
                                      uint32_t count) {
    __m256 factor = _mm256_set1_ps(scale);
    uint32_t k = 0;

    for (; k + 8 <= count; k += 8) {
        __m256 product = _mm256_mul_ps(_mm256_loadu_ps(values + k), factor);

        _mm256_storeu_ps(sum + k, _mm256_add_ps(_mm256_loadu_ps(sum + k), product));
    }
    portable_add_scaled(sum + k, values + k, scale, count - k);
}

TARGET_256 static void add_weighted_256(float *sum, const struct matrix *matrix, uint32_t row,
                                        float scale) {
    uint64_t first = (uint64_t)row * matrix->columns;
    const unsigned char *data = matrix->data + first * type_size((uint32_t)matrix->type);
    __m256 factor = _mm256_set1_ps(scale);
    uint32_t k = 0;

    for (; k + 8 <= matrix->columns; k += 8) {
        __m256 product = _mm256_mul_ps(load_256(data, matrix->type, k), factor);

        _mm256_storeu_ps(sum + k, _mm256_add_ps(_mm256_loadu_ps(sum + k), product));
    }
    for (; k < matrix->columns; k++) {
        sum[k] += load_float(matrix->data, (uint32_t)matrix->type, first + k) * scale;
    }
}

static const struct kernels kernels_256 = {multiply_256, dot_256, add_scaled_256, add_weighted_256};

/* The kernels of an instruction set; null when this processor lacks it. */
static const struct kernels *kernels_for(uint32_t instructions) {
    bool has_256 = __builtin_cpu_supports("avx2") != 0;
    bool has_512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vnni");

    if (instructions == SWARM_MOE_AVX512 || (instructions == SWARM_MOE_BEST && has_512)) {
        return has_512 ? &kernels_512 : NULL;
    }
    if (instructions == SWARM_MOE_AVX2 || (instructions == SWARM_MOE_BEST && has_256)) {
        return has_256 ? &kernels_256 : NULL;
    }
    return &portable_kernels;
}

#else

static const struct kernels *kernels_for(uint32_t instructions) {
    return instructions <= SWARM_MOE_PORTABLE ? &portable_kernels : NULL;
}

#endif
#endif
