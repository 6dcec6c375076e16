/* SPDX-License-Identifier: MIT */
/*
 * moe_work.h - what a kernel gets: the model's sizes, the buffers, and what this launch is about.
 *
 * One struct by value for all kernels, the same in C and in CUDA: 8-byte pointers first in each
 * part, then 4-byte numbers, no padding inside. Pointers are device addresses.
 *
 * A matrix on the device is cut into tiles of 16 rows by 32 columns, in the order in which the
 * lanes of a warp hold the A operand of mma.m16n8k16 (two of them side by side):
 *   BF16   lane l: 16 bytes for columns 0..15, 16 bytes for columns 16..31 (512 bytes apart)
 *   F32    two BF16 planes whose sum is the value to 16 bits; the second one follows the first
 *   INT4   lane l: 8 bytes; nibble i of a word is the first, nibble i + 4 the second of pair i;
 *          behind the tile 16 scales (BF16)
 * Rows and columns beyond the matrix are 0.
 * Source: PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type".
 */
#ifndef SWARM_MOE_WORK_H
#define SWARM_MOE_WORK_H

#include <stdint.h>

#define THREADS 128u /* of a block: four warps, which share the columns of a tile's rows */
#define WARPS 4u
#define TILE_ROWS 16u
#define TILE_COLUMNS 32u
#define BATCH 32u  /* rows of activations that a block takes at a time: four of 8 */
#define SPLIT 256u /* keys of one part of attention */
#define SHARED_BYTES (WARPS * 2u * TILE_ROWS * BATCH * 4u)

enum gpu_type { GPU_BF16 = 1, GPU_F32 = 2, GPU_INT4 = 3 };

/* What multiply does with its sums. */
enum gpu_mode { GPU_STORE = 0, GPU_ADD = 1, GPU_SWIGLU = 2 };

struct gpu_matrix {
    const unsigned char *data;
    uint64_t stride; /* bytes from one expert's matrix to the next one's */
    uint32_t rows, columns;
    uint32_t type;
    uint32_t reserved;
};

struct gpu_row {
    uint32_t sequence;
    uint32_t position;
    int32_t token;
    uint32_t reserved;
};

struct work {
    /* Uploaded with the tick. */
    const struct gpu_row *row;
    const uint32_t *pages; /* pages_per_sequence a sequence */
    const float *rotation; /* rope / 2 cosines and sines a row */
    const uint32_t *head_row;
    /* Activations; BF16 rows are padded with zeros to a multiple of TILE_COLUMNS. */
    float *residual, *exact;
    uint16_t *normed, *query_normed, *attended, *inner, *pair_inner, *head_normed;
    float *query_low, *latent, *query, *absorbed, *part, *scores, *pair_out, *logits;
    uint32_t *choice, *place, *pair_row, *expert_first, *bad, *best;
    float *weight;
    uint64_t *chosen; /* of this layer's experts */
    uint16_t *cache;
    /* This launch. */
    struct gpu_matrix a, b;
    const float *gain, *plain; /* a vector; a float matrix */
    const uint16_t *in;
    const float *in_exact;
    const uint32_t *pick;    /* which row of `in` is the i-th */
    const uint32_t *segment; /* where the rows of each expert begin */
    void *out;
    float *out_exact;
    uint32_t in_stride, out_stride, width, count, mode, layer;
    /* The model and the tick. */
    uint32_t rows, splits;
    uint32_t hidden, heads, latent_rank, nope, rope, value, experts, experts_chosen, groups,
        groups_chosen, weights_as_given, page_tokens, pages_per_sequence, layers, vocabulary;
    float epsilon, attention_scale, router_scale;
};

/* A width with its padding. */
#define GPU_PADDED(width) (((width) + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS)

/* The kernels, in the order in which they are known to the host. */
#define GPU_KERNELS(X)                                                                             \
    X(embed)                                                                                       \
    X(norm) X(multiply) X(latent) X(absorb) X(attend) X(merge) X(route) X(plan) X(combine) X(argmax)

#endif
