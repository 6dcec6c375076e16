/* SPDX-License-Identifier: MIT */
/*
 * moe_device.h - what the host knows of a GPU, and how the model is laid out there.
 *
 * One plain allocation holds the weights, the cache and the activations, laid out by the same
 * carver as the host's block: once to count, once for good. On the second pass each matrix is cut
 * into tiles (moe_work.h) in a staging buffer and sent as it fills.
 *
 * Invariant: `code` keeps the first code that is not 0; after one nothing more is sent. Memory:
 * host buffers from the block of the swarm_moe. Threads: the owner's.
 * Source: PTX ISA for the tiles; the BF16 planes of an F32 value after Dekker's splitting.
 */
#ifndef SWARM_MOE_DEVICE_H
#define SWARM_MOE_DEVICE_H

#include "moe_forward.h"
#include "moe_state.h"
#include "moe_weights.h"
#include "moe_work.h"

#define STAGING_BYTES 262144u

enum gpu_kernel {
#define GPU_KERNEL_NUMBER(name) KERNEL_##name,
    GPU_KERNELS(GPU_KERNEL_NUMBER)
#undef GPU_KERNEL_NUMBER
        KERNELS
};

struct gpu_layer {
    struct gpu_matrix query_a, query_b, latent_a, output;
    struct gpu_matrix gate, up, down;                      /* dense or shared */
    struct gpu_matrix expert_gate, expert_up, expert_down; /* `stride` apart */
    const float *norm_attention, *norm_inner, *norm_query, *norm_latent, *bias;
    const float *latent_b, *router;
};

struct moe_device {
    swarm_moe_driver driver;
    void *context, *module, *stream, *event;
    void *kernels[KERNELS];
    uint64_t memory, memory_bytes;
    struct work work; /* what all launches share */
    struct gpu_layer *layers;
    struct gpu_matrix head;
    const float *embedding, *norm_last;
    unsigned char *staging;
    uint32_t staged;
    struct gpu_row *row;
    float *rotation;
    uint32_t *pages, *bad, *best;
    uint64_t *chosen;
    int32_t index; /* of the device */
    int32_t code;  /* the first that failed since it was looked at, or 0 */
    bool has_context, has_module, has_stream, has_event, has_memory;
    bool is_lost;
    bool wants_logits; /* the tick at hand copies them out */
    bool clears_loads; /* the counters on the device are to begin anew */
};

/* ---- calls */

/* Keeps the first code that is not 0; true when all went well so far. */
static bool gpu_did(struct moe_device *device, int32_t code) {
    if (code != 0 && device->code == 0) {
        device->code = code;
    }
    device->is_lost |= code >= 700 && code <= 720;
    return device->code == 0;
}

static bool gpu_enter(struct moe_device *device) {
    device->code = 0;
    return gpu_did(device, device->driver.context_push(device->context));
}

static void gpu_leave(struct moe_device *device) {
    void *context;

    (void)gpu_did(device, device->driver.context_pop(&context));
}

/* ---- the layout on the device */

/* Sends what is staged; the staging buffer is free again afterwards. */
static void staging_flush(struct moe_device *device, const void *to) {
    uint64_t end = (uint64_t)(uintptr_t)to;

    if (device->code == 0 && device->staged != 0) {
        (void)gpu_did(device, device->driver.copy_in(end - device->staged, device->staging,
                                                     device->staged, device->stream));
        (void)gpu_did(device, device->driver.stream_wait(device->stream));
    }
    device->staged = 0;
}

/* The 4 bits of an INT4 matrix as it lies repacked on the host. */
static uint32_t int4_code(const struct matrix *matrix, uint32_t row, uint32_t column) {
    const unsigned char *group =
        int4_block(matrix, row) + (size_t)(column / GROUP) * INT4_GROUP_BYTES;
    uint32_t k = column % GROUP, lane = row % LANES;
    uint32_t byte = group[64 * (k % 16 / 4) + 4 * lane + k % 4];

    return k < 16 ? byte & 15u : byte >> 4;
}

/* Plane 0 is the value to BF16, plane 1 what that leaves of an F32 value. */
static uint16_t plane_value(const struct matrix *matrix, uint32_t row, uint32_t column,
                            uint32_t plane) {
    uint64_t at = (uint64_t)row * matrix->columns + column;
    float value, rest;

    if (row >= matrix->rows || column >= matrix->columns) {
        return 0;
    }
    value = load_float(matrix->data, (uint32_t)matrix->type, at);
    rest = value - float_of_bf16(bf16_of_float(value));
    return bf16_of_float(plane == 0 ? value : rest);
}

/* One half (16 columns) of a tile, in the order of the lanes. */
static void pack_half(unsigned char *out, const struct matrix *matrix, uint32_t row,
                      uint32_t column, uint32_t plane) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t lane = i / 8, pair = i / 2 % 4;
        uint16_t value = plane_value(matrix, row + lane / 4 + pair % 2 * 8,
                                     column + lane % 4 * 2 + pair / 2 * 8 + i % 2, plane);

        memcpy(out + (size_t)2 * i, &value, 2);
    }
}

static void pack_int4(unsigned char *out, const struct matrix *matrix, uint32_t row,
                      uint32_t column) {
    memset(out, 0, 288);
    for (uint32_t i = 0; i < 512; i++) {
        uint32_t lane = i / 16, half = i / 8 % 2, pair = i % 4, second = i / 4 % 2;
        uint32_t r = row + lane / 4 + pair % 2 * 8;
        uint32_t c = column + half * 16 + lane % 4 * 2 + pair / 2 * 8 + second;
        uint32_t code = r < matrix->rows ? int4_code(matrix, r, c) : 0;

        out[i / 2] = (unsigned char)(out[i / 2] | code << 4 * (i % 2));
    }
    memcpy(out + 256,
           int4_block(matrix, row) + (size_t)(column / GROUP) * INT4_GROUP_BYTES +
               LANES * GROUP / 2,
           2 * LANES);
}

static uint32_t tile_bytes(uint32_t type) {
    return type == GPU_INT4 ? 288 : type == GPU_F32 ? 2048 : 1024;
}

static void pack_tile(unsigned char *out, const struct matrix *matrix, uint32_t row,
                      uint32_t column) {
    if (matrix->type == MATRIX_INT4) {
        pack_int4(out, matrix, row, column);
        return;
    }
    for (uint32_t i = 0; i < (matrix->type == MATRIX_F32 ? 4u : 2u); i++) {
        pack_half(out + (size_t)i * 512, matrix, row, column + i % 2 * 16, i / 2);
    }
}

/* Room for a matrix, and, on the second pass, its tiles. */
static struct gpu_matrix place_matrix(struct moe_device *device, struct carver *carver,
                                      const struct matrix *matrix) {
    uint32_t type = matrix->type == MATRIX_INT4   ? GPU_INT4
                    : matrix->type == MATRIX_BF16 ? GPU_BF16
                                                  : GPU_F32;
    uint32_t across = GPU_PADDED(matrix->columns) / TILE_COLUMNS;
    uint64_t tiles = (uint64_t)ceiling(matrix->rows, TILE_ROWS) * across;
    unsigned char *to = carve(carver, tiles, tile_bytes(type)), *at = to;

    for (uint64_t i = 0; to != NULL && i < tiles && device->code == 0; i++) {
        pack_tile(device->staging + device->staged, matrix, (uint32_t)(i / across) * TILE_ROWS,
                  (uint32_t)(i % across) * TILE_COLUMNS);
        device->staged += tile_bytes(type);
        at += tile_bytes(type);
        if (device->staged + 2048 > STAGING_BYTES || i + 1 == tiles) {
            staging_flush(device, at);
        }
    }
    return (struct gpu_matrix){
        .data = to, .rows = matrix->rows, .columns = matrix->columns, .type = type};
}

/* Room for `count` floats, and, on the second pass, the values of F32 or BF16 data. */
static const float *place_floats(struct moe_device *device, struct carver *carver, const void *data,
                                 uint32_t type, uint64_t count) {
    float *to = carve(carver, count, sizeof *to);

    for (uint64_t i = 0; to != NULL && i < count && device->code == 0; i++) {
        float value = load_float(data, type, i);

        memcpy(device->staging + device->staged, &value, sizeof value);
        device->staged += (uint32_t)sizeof value;
        if (device->staged == STAGING_BYTES || i + 1 == count) {
            staging_flush(device, to + i + 1);
        }
    }
    return to;
}

static const float *place_vector(struct moe_device *device, struct carver *carver,
                                 const float *vector, uint64_t count) {
    return place_floats(device, carver, vector, SWARM_MOE_F32, count);
}

static const float *place_plain(struct moe_device *device, struct carver *carver,
                                const struct matrix *matrix) {
    return place_floats(device, carver, matrix->data, (uint32_t)matrix->type,
                        (uint64_t)matrix->rows * matrix->columns);
}

static const struct matrix *part_of(const struct expert *expert, uint32_t part) {
    return part == 0 ? &expert->gate : part == 1 ? &expert->up : &expert->down;
}

/* Each of the three parts of all experts, one after the other. */
static void place_experts(struct moe_device *device, struct carver *carver, const swarm_moe *moe,
                          const struct layer *from, struct gpu_layer *to) {
    struct gpu_matrix *const places[] = {&to->expert_gate, &to->expert_up, &to->expert_down};

    for (uint32_t part = 0; part < 3; part++) {
        for (uint32_t e = 0; e < moe->model.experts; e++) {
            uint64_t before = carver->used;
            struct gpu_matrix placed =
                place_matrix(device, carver, part_of(&from->experts[e], part));

            if (e == 0) {
                *places[part] = placed;
                places[part]->stride = carver->used - before;
            }
        }
    }
    to->router = place_plain(device, carver, &from->router);
    to->bias = place_vector(device, carver, from->bias, moe->model.experts);
}

static void place_layer(struct moe_device *device, struct carver *carver, const swarm_moe *moe,
                        uint32_t index) {
    const struct layer *from = &moe->layers[index];
    struct gpu_layer *to = &device->layers[index];
    const swarm_moe_model *model = &moe->model;

    to->query_a = place_matrix(device, carver, &from->query_a);
    to->query_b = place_matrix(device, carver, &from->query_b);
    to->latent_a = place_matrix(device, carver, &from->latent_a);
    to->output = place_matrix(device, carver, &from->output);
    to->latent_b = place_plain(device, carver, &from->latent_b);
    to->norm_attention = place_vector(device, carver, from->norm_attention, model->hidden);
    to->norm_inner = place_vector(device, carver, from->norm_inner, model->hidden);
    to->norm_query = place_vector(device, carver, from->norm_query, model->query_rank);
    to->norm_latent = place_vector(device, carver, from->norm_latent, model->latent_rank);
    if (inner_width(moe, index) != 0) {
        to->gate = place_matrix(device, carver, &from->shared.gate);
        to->up = place_matrix(device, carver, &from->shared.up);
        to->down = place_matrix(device, carver, &from->shared.down);
    }
    if (from->experts != NULL) {
        place_experts(device, carver, moe, from, to);
    }
}

/* What a tick needs; `at` is where it begins, to be cleared. */
static void place_tick(struct moe_device *device, struct carver *carver, const swarm_moe *moe) {
    const swarm_moe_model *m = &moe->model;
    struct work *work = &device->work;
    uint64_t rows = moe->spec.rows_max, heads = moe->heads_max, pairs = rows * m->experts_chosen;
    uint64_t width = m->latent_rank + m->rope, splits = ceiling(moe->spec.context_max, SPLIT);

    work->row = carve(carver, rows, sizeof *work->row);
    work->pages = carve(carver, (uint64_t)moe->spec.sequences_max * moe->pages_per_sequence, 4);
    work->rotation = carve(carver, rows * m->rope, 4);
    work->head_row = carve(carver, heads, 4);
    work->residual = carve(carver, rows * m->hidden, 4);
    work->exact = carve(carver, rows * m->hidden, 4);
    work->normed = carve(carver, rows * GPU_PADDED(m->hidden), 2);
    work->query_normed = carve(carver, rows * GPU_PADDED(m->query_rank), 2);
    work->attended = carve(carver, rows * GPU_PADDED(m->heads * m->value), 2);
    work->inner = carve(carver, rows * GPU_PADDED(inner_widest(moe)), 2);
    work->pair_inner = carve(carver, pairs * GPU_PADDED(m->expert_inner), 2);
    work->head_normed = carve(carver, heads * GPU_PADDED(m->hidden), 2);
    work->query_low = carve(carver, rows * m->query_rank, 4);
    work->latent = carve(carver, rows * width, 4);
    work->query = carve(carver, rows * m->heads * (m->nope + m->rope), 4);
    work->absorbed = carve(carver, rows * m->heads * width, 4);
    work->part = carve(carver, rows * m->heads * splits * (m->latent_rank + 2), 4);
    work->scores = carve(carver, rows * 3 * m->experts, 4);
    work->pair_out = carve(carver, pairs * m->hidden, 4);
    work->logits = carve(carver, heads * m->vocabulary, 4);
    work->choice = carve(carver, pairs, 4);
    work->place = carve(carver, pairs, 4);
    work->pair_row = carve(carver, pairs, 4);
    work->weight = carve(carver, pairs, 4);
    work->expert_first = carve(carver, (uint64_t)m->experts + 1, 4);
    work->bad = carve(carver, rows, 4);
    work->best = carve(carver, heads, 4);
    work->chosen = carve(carver, (uint64_t)m->layers * m->experts, 8);
}

/* Lays out the device's memory; with a block the weights are sent, too. Returns where the part
 * begins that is to be cleared. */
static uint64_t place_all(struct moe_device *device, struct carver *carver, const swarm_moe *moe) {
    const swarm_moe_model *model = &moe->model;
    uint64_t clear;

    device->embedding = place_plain(device, carver, &moe->embedding);
    device->head = place_matrix(device, carver, &moe->head);
    device->norm_last = place_vector(device, carver, moe->norm_last, model->hidden);
    for (uint32_t i = 0; i < model->layers; i++) {
        place_layer(device, carver, moe, i);
    }
    device->work.cache =
        carve(carver, (uint64_t)moe->spec.pages_max * model->layers * moe->spec.page_tokens,
              (uint64_t)latent_width(moe) * 2);
    clear = carver->used;
    place_tick(device, carver, moe);
    return clear;
}

#endif
