/* SPDX-License-Identifier: MIT */
/*
 * moe_state.h - what a swarm_moe consists of, and how its one block is laid out.
 *
 * Three parts: the MODEL (matrices in the caller's memory or repacked here, vectors as floats), the
 * SERVING STATE (sequences, pages, the prefix table), and the ROWS of the tick at hand with their
 * activations. The block is laid out by `carve` calls, made twice by the same code: once with no
 * block, which counts, and once for good.
 *
 * Invariant: after swarm_moe_open nothing here is allocated, and no pointer changes.
 * Threads: model and sequences are read-only while a tick's tasks run; a task writes the rows and
 * columns that its index names, and its worker's scratch.
 */
#ifndef SWARM_MOE_STATE_H
#define SWARM_MOE_STATE_H

#include "moe_error.h"
#include "moe_math.h"
#include "swarm_moe.h"

#define ALIGN 64u
#define LANES 16u       /* partial sums of every dot product, rows of an INT4 block */
#define GROUP 32u       /* INT4: values that share a scale */
#define KEYS_BLOCK 256u /* keys that attention takes together */
#define NONE UINT32_MAX

enum matrix_type { MATRIX_F32 = SWARM_MOE_F32, MATRIX_BF16 = SWARM_MOE_BF16, MATRIX_INT4 = 3 };

/*
 * A matrix; INT4 is repacked in blocks of LANES rows: for each group of 32 columns 256 bytes of
 * nibbles, then LANES scales (BF16). Byte 64 * i + 4 * row + b of a group has value 4 * i + b of
 * that row in its low and value 16 + 4 * i + b in its high half.
 */
struct matrix {
    const unsigned char *data;
    uint32_t rows, columns;
    enum matrix_type type;
};

#define INT4_GROUP_BYTES (LANES * GROUP / 2 + LANES * 2)

/* 32 activations in 15 bits: value = unit * (128 * high + low). */
struct codes {
    int8_t high[GROUP];
    int8_t low[GROUP];
    float unit;
    int32_t offset; /* 8 * the sum of 128 * high + low */
};

struct expert {
    struct matrix gate, up, down;
};

struct layer {
    struct matrix query_a, query_b, latent_a, latent_b, output;
    struct matrix router;
    struct expert shared; /* or the dense layer's */
    struct expert *experts;
    const float *norm_attention, *norm_inner, *norm_query, *norm_latent, *bias;
    uint64_t *chosen; /* how often each expert was */
};

/* A page of the cache: the tokens that it holds, and its place in the prefix table. */
struct page {
    uint64_t hash;   /* of all tokens up to its end */
    uint32_t parent; /* the page before it, or NONE */
    uint32_t parent_generation;
    uint32_t generation; /* rises when the page gets other tokens */
    uint32_t references;
    uint32_t chain;        /* next page of its bucket; NONE at the end */
    uint32_t older, newer; /* in the list of unused pages, or of free ones */
    bool is_known;         /* it is full and stands in the table */
};

enum sequence_state { SEQUENCE_FREE, SEQUENCE_WAITING, SEQUENCE_RUNNING, SEQUENCE_DONE };

struct sequence {
    const swarm_moe_prompt *prompt;
    int32_t *tokens; /* prompt and new ones; context_max places */
    uint32_t *pages; /* of its tokens, in order */
    swarm_attempt attempt;
    swarm *sw;    /* who asked; null for swarm_moe_add */
    uint64_t age; /* order of adding */
    uint32_t generation;
    enum sequence_state state;
    swarm_outcome outcome;
    uint32_t prompt_count;
    uint32_t count;    /* tokens in all */
    uint32_t computed; /* tokens whose latents are in pages */
    uint32_t pages_count;
    uint32_t pages_known; /* of these, full and looked up or entered in the table */
    uint32_t highest;     /* most tokens that were ever computed */
    uint32_t cached;
    uint32_t preempted;
    uint32_t limit;      /* tokens at which it ends */
    uint32_t rows_count; /* in the tick at hand */
    uint32_t rows_first;
    bool has_begun;
    bool is_cancelled; /* while a tick with its rows is under way */
};

/* A row of a tick: one token of one sequence. */
struct row {
    uint32_t sequence;
    uint32_t position;
    int32_t token;
    uint32_t head; /* its row among those whose logits are wanted, or NONE */
};

/* One matrix product of a tile of weight rows with all rows of activations. */
struct product {
    const struct matrix *weights;
    const float *in;           /* activations, in_stride floats a row */
    const struct codes *codes; /* the same for INT4, codes_stride groups a row */
    const uint32_t *pick;      /* which row of `in` is the i-th; null: row i */
    float *out;                /* row i at i * out_stride, columns from `first` */
    uint32_t in_stride, codes_stride, out_stride;
    uint32_t first, count; /* rows of weights; INT4: `first` is a multiple of LANES */
    uint32_t rows;         /* of activations */
    bool is_added;         /* to what stands in `out` */
};

/* The inner loops, one table an instruction set. All give the same bits. */
struct kernels {
    void (*multiply)(const struct product *product);
    float (*dot)(const float *a, const float *b, uint32_t count);
    void (*add_scaled)(float *sum, const float *values, float scale, uint32_t count);
    void (*add_weighted)(float *sum, const struct matrix *matrix, uint32_t row, float scale);
};

/* The activations of a tick, a row each unless said otherwise. */
struct activations {
    float *residual;           /* hidden */
    float *normed;             /* hidden */
    float *query_low;          /* query_rank */
    float *latent;             /* latent_rank + rope */
    float *query;              /* heads * (nope + rope) */
    float *attended;           /* heads * value */
    float *gate, *up;          /* inner of the dense or shared expert */
    float *scores;             /* 3 * experts: logits, and room for the choice */
    float *rotation;           /* rope / 2 cosines, then as many sines */
    struct codes *codes;       /* of `normed`, hidden / 32 */
    struct codes *inner_codes; /* of `gate` once it is activated */
    uint32_t *choice;          /* experts_chosen, or NONE */
    float *weight;             /* experts_chosen */
    uint32_t *place;           /* experts_chosen: the pair's row below */
    bool *is_bad;              /* the row is not finite */
    /* A row for each (row, chosen expert) pair, sorted by expert, then by row. */
    uint32_t *pair_row;
    float *pair_gate, *pair_up, *pair_out;
    struct codes *pair_codes;
    uint32_t *expert_first; /* experts + 1: where each expert's pairs begin */
    /* A row for each row whose logits are wanted. */
    uint32_t *head_row;
    float *head_normed, *logits;
    struct codes *head_codes;
};

struct moe_device; /* moe_cuda.h */

struct swarm_moe {
    swarm_moe_model model;
    swarm_moe_spec spec;
    swarm_backend backend;
    const struct kernels *kernels;
    /* The model */
    struct matrix embedding, head;
    const float *norm_last;
    struct layer *layers;
    double *frequencies; /* rope / 2 */
    float attention_scale;
    float rotation_scale;
    bool has_int4;
    /* The serving state */
    struct sequence *sequences;
    struct page *pages;
    int32_t *page_tokens; /* page_tokens a page */
    float *cache;         /* [page][layer][token][latent_rank + rope] */
    uint32_t *buckets;    /* of the prefix table */
    uint32_t buckets_mask;
    uint32_t pages_per_sequence;
    uint32_t free_first;     /* pages that hold nothing, through `newer` */
    uint32_t oldest, newest; /* unused pages that can be found */
    uint32_t pages_free, pages_kept;
    uint64_t ages;
    uint32_t unanswered; /* attempts of swarms */
    uint64_t polled_ns;  /* when the last tick was computed */
    uint32_t *order;     /* live sequences by age */
    uint32_t live;       /* how many */
    /* The tick at hand */
    struct row *rows;
    uint32_t rows_count, heads_count, heads_max;
    uint32_t *sampling; /* a place a token of the vocabulary */
    swarm_moe_tick_info tick;
    bool is_under_way; /* its rows are being computed by the device */
    struct activations act;
    float *scratch; /* scratch_size floats a worker */
    uint32_t scratch_size;
    uint32_t workers;
    swarm_function function;   /* the crew's */
    struct moe_device *device; /* null: the CPU */
    const uint32_t *greedy;    /* the device's own choices, a number a head; null on the CPU */
    swarm_moe_stats stats;
};

/* Lays things out one after the other; without a block it only counts. */
struct carver {
    unsigned char *block;
    uint64_t used;
    bool is_too_big; /* the sum left 2^62 */
};

static inline void *carve(struct carver *carver, uint64_t count, uint64_t size) {
    uint64_t start = carver->used;

    if (size != 0 && count > (UINT64_C(1) << 60) / size) {
        carver->is_too_big = true;
        return NULL;
    }
    carver->used += (count * size + ALIGN - 1) / ALIGN * ALIGN;
    carver->is_too_big |= carver->used > UINT64_C(1) << 62;
    return carver->block == NULL ? NULL : carver->block + start;
}

static inline uint32_t ceiling(uint32_t a, uint32_t b) {
    return a / b + (a % b != 0);
}

static inline uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

#endif
