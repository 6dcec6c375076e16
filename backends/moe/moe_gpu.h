/* SPDX-License-Identifier: MIT */
/*
 * moe_gpu.h - the kernels, in the part of C that is CUDA too.
 *
 * Who includes this says first what a lane is: `struct lane`, `thread_of`, `block_x`, `block_y`,
 * `block_z`, `barrier`, `shared_of`, `mma`, `less_136`, `exponential_of`, `root_of`, and DEVICE for
 * functions.
 * moe_gpu.cu does so for nvcc, moe_emulated.c for the CPU; the text in between is one and the same.
 *
 * Every sum has an order that depends on shapes alone: a tile's columns are shared by four warps in
 * a fixed way and their sums added in order; attention is cut at fixed positions and merged in
 * order; experts' answers are added in the order in which they were chosen. No float atomics. So a
 * row's bits do not depend on the batch.
 *
 * Invariant: a block writes only what its index owns; shared memory is read after a barrier.
 * Blocks of THREADS threads, SHARED_BYTES of shared memory. Weights stand on M, tokens on N.
 */
#ifndef SWARM_MOE_GPU_H
#define SWARM_MOE_GPU_H

#include "moe_bits.h"
#include "moe_work.h"

/* ---- rows */

static DEVICE void gpu_embed(const struct lane *lane, const struct work *work) {
    uint32_t row = block_x(lane);

    for (uint32_t k = thread_of(lane); k < work->hidden; k += THREADS) {
        work->residual[(uint64_t)row * work->hidden + k] =
            work->plain[(uint64_t)work->row[row].token * work->hidden + k];
    }
    if (thread_of(lane) == 0) {
        work->bad[row] = 0;
    }
}

/* 1 / sqrt(mean of squares + epsilon), the same for all threads. */
static DEVICE float gpu_scale(const struct lane *lane, const float *in, uint32_t width,
                              float epsilon) {
    float *shared = shared_of(lane), sum = 0;

    for (uint32_t k = thread_of(lane); k < width; k += THREADS) {
        sum += in[k] * in[k];
    }
    shared[thread_of(lane)] = sum;
    barrier(lane);
    for (uint32_t half = THREADS / 2; half != 0; half /= 2) {
        if (thread_of(lane) < half) {
            shared[thread_of(lane)] += shared[thread_of(lane) + half];
        }
        barrier(lane);
    }
    return 1.0f / root_of(shared[0] / (float)width + epsilon);
}

/* Row block_x: in_exact, normalised, to `out` as BF16 and to out_exact, if that is wanted. Rows
 * that are not finite are marked. */
static DEVICE void gpu_norm(const struct lane *lane, const struct work *work) {
    uint32_t i = block_x(lane), row = work->pick != 0 ? work->pick[i] : i;
    const float *in = work->in_exact + (uint64_t)row * work->width;
    uint16_t *out = (uint16_t *)work->out + (uint64_t)i * work->out_stride;
    float scale = gpu_scale(lane, in, work->width, work->epsilon);

    for (uint32_t k = thread_of(lane); k < work->width; k += THREADS) {
        float value = in[k] * scale * work->gain[k];

        out[k] = bf16_of_float(value);
        if (work->out_exact != 0) {
            work->out_exact[(uint64_t)i * work->width + k] = value;
        }
    }
    if (thread_of(lane) == 0 && !is_finite(1.0f / scale)) {
        work->bad[row] = 1; /* the sum of squares saw it, or left the range */
    }
}

/* ---- products */

/* The A operand of half h (16 columns) of a tile, for this lane. */
static DEVICE void gpu_load(const unsigned char *tile, uint32_t type, uint32_t plane_bytes,
                            uint32_t place, uint32_t out[4]) {
    uint32_t thread = place & 31u, h = place >> 5 & 1u, plane = place >> 6;

    if (type == GPU_INT4) {
        uint32_t word;

        memcpy(&word, tile + thread * 8 + h * 4, 4);
        for (uint32_t i = 0; i < 4; i++) {
            out[i] = less_136((word >> 4 * i & 0x000f000fu) | 0x43004300u);
        }
    } else {
        memcpy(out, tile + plane * plane_bytes + h * 512 + thread * 16, 16);
    }
}

/* Bytes of a tile with all it needs. */
static DEVICE uint32_t gpu_tile_bytes(uint32_t type) {
    return type == GPU_INT4 ? 256 + 32 : type == GPU_F32 ? 2048 : 1024;
}

/* The B operands of both halves for 8 rows of activations from n0; rows beyond are 0. */
static DEVICE void gpu_activations(const struct work *work, const uint32_t rows[2], uint32_t n,
                                   uint32_t place, uint32_t out[4]) {
    uint32_t first = rows[0], count = rows[1], column = place;

    for (uint32_t i = 0; i < 4; i++) {
        out[i] = 0;
        if (n < count) {
            uint32_t row = work->pick != 0 ? work->pick[first + n] : first + n;

            memcpy(&out[i], work->in + (uint64_t)row * work->in_stride + column + i * 8, 4);
        }
    }
}

/* One tile of one matrix times the activations of four groups of 8 rows, added to sums. */
static DEVICE void gpu_tile(const struct lane *lane, const struct gpu_matrix *matrix,
                            const unsigned char *tile, uint32_t b[4][4], float sums[4][4]) {
    uint32_t thread = thread_of(lane) & 31u, a[4];
    uint32_t planes = matrix->type == GPU_F32 ? 2 : 1;

    for (uint32_t g = 0; g < 4; g++) {
        float group[4] = {0, 0, 0, 0};
        float *sum = matrix->type == GPU_INT4 ? group : sums[g];

        for (uint32_t step = 0; step < 2 * planes; step++) {
            gpu_load(tile, matrix->type, 1024, step / 2 << 6 | (step & 1u) << 5 | thread, a);
            mma(lane, a, b[g] + 2 * (step & 1u), sum);
        }
        if (matrix->type == GPU_INT4) {
            uint16_t scale[2];

            memcpy(&scale[0], tile + 256 + (thread >> 2) * 2, 2);
            memcpy(&scale[1], tile + 256 + (thread >> 2) * 2 + 16, 2);
            for (uint32_t i = 0; i < 4; i++) {
                sums[g][i] += group[i] * float_of_bf16(scale[i / 2]);
            }
        }
    }
}

/* Puts a warp's sums where all can read them: [warp][matrix][row][activation]. */
static DEVICE void gpu_publish(const struct lane *lane, float sums[4][4], uint32_t which) {
    uint32_t thread = thread_of(lane) & 31u, warp = thread_of(lane) >> 5;
    float *shared = shared_of(lane) + (warp * 2 + which) * TILE_ROWS * BATCH;

    for (uint32_t g = 0; g < 4; g++) {
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t row = (thread >> 2) + (i >> 1) * 8;
            uint32_t n = g * 8 + (thread & 3u) * 2 + (i & 1u);

            shared[row * BATCH + n] = sums[g][i];
        }
    }
}

static DEVICE float gpu_gather(const struct lane *lane, uint32_t which, uint32_t at) {
    const float *shared = shared_of(lane) + which * TILE_ROWS * BATCH + at;
    float sum = shared[0];

    for (uint32_t warp = 1; warp < WARPS; warp++) {
        sum += shared[warp * 2 * TILE_ROWS * BATCH];
    }
    return sum;
}

static DEVICE void gpu_store(const struct lane *lane, const struct work *work, uint32_t first,
                             uint32_t count) {
    for (uint32_t at = thread_of(lane); at < TILE_ROWS * BATCH; at += THREADS) {
        uint32_t column = block_x(lane) * TILE_ROWS + at / BATCH, n = at % BATCH;
        uint64_t place = (uint64_t)(first + n) * work->out_stride + column;
        float value;

        if (n >= count || column >= work->a.rows) {
            continue;
        }
        value = gpu_gather(lane, 0, at);
        if (work->mode == GPU_SWIGLU) {
            value = value / (1.0f + exponential_of(-value)) * gpu_gather(lane, 1, at);
            ((uint16_t *)work->out)[place] = bf16_of_float(value);
        } else if (work->mode == GPU_ADD) {
            ((float *)work->out)[place] += value;
        } else {
            ((float *)work->out)[place] = value;
        }
    }
}

/* Tile block_x of the rows of a (and b), for all activations, or for those of expert block_y. */
static DEVICE void gpu_multiply(const struct lane *lane, const struct work *work) {
    uint32_t e = block_y(lane), first = work->segment != 0 ? work->segment[e] : 0;
    uint32_t count = work->segment != 0 ? work->segment[e + 1] - first : work->count;
    uint32_t tiles = GPU_PADDED(work->a.columns) / TILE_COLUMNS, thread = thread_of(lane) & 31u;
    const unsigned char *a = work->a.data + e * work->a.stride +
                             (uint64_t)block_x(lane) * tiles * gpu_tile_bytes(work->a.type);
    const unsigned char *b = work->b.data + e * work->b.stride +
                             (uint64_t)block_x(lane) * tiles * gpu_tile_bytes(work->b.type);

    for (uint32_t n = 0; n < count; n += BATCH) {
        const uint32_t rows[2] = {first, count};
        float sums[4][4] = {{0}}, more[4][4] = {{0}};

        for (uint32_t t = thread_of(lane) >> 5; t < tiles; t += WARPS) {
            uint32_t in[4][4];

            for (uint32_t g = 0; g < 4; g++) {
                gpu_activations(work, rows, n + g * 8 + (thread >> 2),
                                t * TILE_COLUMNS + (thread & 3u) * 2, in[g]);
            }
            gpu_tile(lane, &work->a, a + (uint64_t)t * gpu_tile_bytes(work->a.type), in, sums);
            if (work->mode == GPU_SWIGLU) {
                gpu_tile(lane, &work->b, b + (uint64_t)t * gpu_tile_bytes(work->b.type), in, more);
            }
        }
        gpu_publish(lane, sums, 0);
        gpu_publish(lane, more, 1);
        barrier(lane);
        gpu_store(lane, work, first + n, count - n);
        barrier(lane);
    }
}

/* ---- attention */

static DEVICE uint16_t *gpu_line(const struct work *work, uint32_t sequence, uint32_t position) {
    uint32_t page =
        work->pages[(uint64_t)sequence * work->pages_per_sequence + position / work->page_tokens];
    uint64_t line = ((uint64_t)page * work->layers + work->layer) * work->page_tokens +
                    position % work->page_tokens;

    return work->cache + line * (work->latent_rank + work->rope);
}

/* Element k of a rotated part of a head; `in` is its beginning. */
static DEVICE float gpu_rotated(const struct work *work, const float *in, uint32_t row,
                                uint32_t k) {
    const float *rotation = work->rotation + (uint64_t)row * work->rope;
    float cosine = rotation[k / 2], sine = rotation[work->rope / 2 + k / 2];

    return k % 2 == 0 ? in[k] * cosine - in[k + 1] * sine : in[k - 1] * sine + in[k] * cosine;
}

/* Normed latent and rotated key of a row, into its page. */
static DEVICE void gpu_latent(const struct lane *lane, const struct work *work) {
    uint32_t row = block_x(lane), rank = work->latent_rank;
    const float *in = work->latent + (uint64_t)row * (rank + work->rope);
    uint16_t *line = gpu_line(work, work->row[row].sequence, work->row[row].position);
    float scale = gpu_scale(lane, in, rank, work->epsilon);

    for (uint32_t k = thread_of(lane); k < rank + work->rope; k += THREADS) {
        line[k] = bf16_of_float(k < rank ? in[k] * scale * work->gain[k]
                                         : gpu_rotated(work, in + rank, row, k - rank));
    }
}

/* The query of head block_x of row block_y in the space of the cache's lines. */
static DEVICE void gpu_absorb(const struct lane *lane, const struct work *work) {
    uint32_t head = block_x(lane), row = block_y(lane), rank = work->latent_rank;
    const float *query =
        work->query + ((uint64_t)row * work->heads + head) * (work->nope + work->rope);
    const float *weights = work->plain + (uint64_t)head * (work->nope + work->value) * rank;
    float *out = work->absorbed + ((uint64_t)row * work->heads + head) * (rank + work->rope);

    for (uint32_t k = thread_of(lane); k < rank + work->rope; k += THREADS) {
        float sum = 0;

        for (uint32_t n = 0; n < work->nope && k < rank; n++) {
            sum += query[n] * weights[(uint64_t)n * rank + k];
        }
        out[k] = k < rank ? sum : gpu_rotated(work, query + work->nope, row, k - rank);
    }
}

static DEVICE float *gpu_part(const struct work *work, uint32_t row, uint32_t head,
                              uint32_t split) {
    return work->part +
           (((uint64_t)row * work->heads + head) * work->splits + split) * (work->latent_rank + 2);
}

/* Keys SPLIT * block_z and following, for head block_x of row block_y: the largest score, the sum
 * of weights and the weighted sum of latents. */
static DEVICE void gpu_attend(const struct lane *lane, const struct work *work) {
    uint32_t head = block_x(lane), row = block_y(lane), first = block_z(lane) * SPLIT;
    uint32_t width = work->latent_rank + work->rope, sequence = work->row[row].sequence;
    const float *query = work->absorbed + ((uint64_t)row * work->heads + head) * width;
    float *part = gpu_part(work, row, head, block_z(lane)), *shared = shared_of(lane);
    uint32_t count = work->row[row].position + 1;
    float largest = float_of_bits(0xff800000u), sum = 0;

    count = count <= first ? 0 : count - first < SPLIT ? count - first : SPLIT;
    for (uint32_t t = thread_of(lane); t < count; t += THREADS) {
        const uint16_t *line = gpu_line(work, sequence, first + t);
        float score = 0;

        for (uint32_t k = 0; k < width; k++) {
            score += query[k] * float_of_bf16(line[k]);
        }
        shared[t] = score * work->attention_scale;
    }
    barrier(lane);
    for (uint32_t t = 0; t < count; t++) {
        largest = shared[t] > largest || shared[t] != shared[t] ? shared[t] : largest;
    }
    for (uint32_t t = thread_of(lane); t < count; t += THREADS) {
        shared[SPLIT + t] = exponential_of(shared[t] - largest);
    }
    barrier(lane);
    for (uint32_t t = 0; t < count; t++) {
        sum += shared[SPLIT + t];
    }
    for (uint32_t k = thread_of(lane); count != 0 && k < work->latent_rank; k += THREADS) {
        float total = 0;

        for (uint32_t t = 0; t < count; t++) {
            total += shared[SPLIT + t] * float_of_bf16(gpu_line(work, sequence, first + t)[k]);
        }
        part[2 + k] = total;
    }
    if (thread_of(lane) == 0) {
        part[0] = largest;
        part[1] = sum;
    }
}

/* Puts the parts of a head together, in order, and carries the result back into its values. */
static DEVICE void gpu_merge(const struct lane *lane, const struct work *work) {
    uint32_t head = block_x(lane), row = block_y(lane), rank = work->latent_rank;
    uint32_t splits = work->row[row].position / SPLIT + 1;
    const float *weights =
        work->plain + ((uint64_t)head * (work->nope + work->value) + work->nope) * rank;
    float *merged = gpu_part(work, row, head, 0), largest = merged[0], sum = 0;
    uint16_t *out = work->attended + (uint64_t)row * work->out_stride + head * work->value;

    for (uint32_t s = 1; s < splits; s++) {
        float other = gpu_part(work, row, head, s)[0];

        largest = other > largest || other != other ? other : largest;
    }
    for (uint32_t s = 0; s < splits; s++) {
        const float *part = gpu_part(work, row, head, s);

        sum += part[1] * exponential_of(part[0] - largest);
    }
    barrier(lane); /* all have read what is overwritten now */
    for (uint32_t k = thread_of(lane); k < rank; k += THREADS) {
        float total = 0;

        for (uint32_t s = 0; s < splits; s++) {
            const float *part = gpu_part(work, row, head, s);

            total += part[2 + k] * exponential_of(part[0] - largest);
        }
        merged[2 + k] = total / sum;
    }
    barrier(lane);
    for (uint32_t v = thread_of(lane); v < work->value; v += THREADS) {
        float total = 0;

        for (uint32_t k = 0; k < rank; k++) {
            total += merged[2 + k] * weights[(uint64_t)v * rank + k];
        }
        out[v] = bf16_of_float(total);
    }
}

/* ---- experts */

/* The sum of the two largest biased scores of a group. */
static DEVICE float gpu_group(const float *biased, uint32_t count) {
    float first = biased[0] > biased[1] ? biased[0] : biased[1];
    float second = biased[0] > biased[1] ? biased[1] : biased[0];

    for (uint32_t i = 2; i < count; i++) {
        if (biased[i] > first) {
            second = first;
            first = biased[i];
        } else if (biased[i] > second) {
            second = biased[i];
        }
    }
    return first + second;
}

/* Masks the experts of groups that lose: each thread judges its own groups. */
static DEVICE void gpu_mask(const struct lane *lane, const struct work *work, const float *biased,
                            float *masked) {
    uint32_t size = work->experts / work->groups;

    for (uint32_t g = thread_of(lane); g < work->groups; g += THREADS) {
        float mine = work->groups > 1 ? gpu_group(biased + g * size, size) : 0;
        uint32_t better = 0;

        for (uint32_t i = 0; work->groups > 1 && i < work->groups; i++) {
            float other = gpu_group(biased + i * size, size);

            better += other > mine || (other == mine && i < g);
        }
        for (uint32_t i = g * size; i < (g + 1) * size; i++) {
            masked[i] = better < work->groups_chosen ? biased[i] : float_of_bits(0xff800000u);
        }
    }
}

/* The largest of masked, the lowest index among equals: thread t looks at every THREADS-th. */
static DEVICE uint32_t gpu_best(const struct lane *lane, const float *masked, uint32_t count) {
    uint32_t *found = (uint32_t *)shared_of(lane), best = UINT32_MAX;

    for (uint32_t i = thread_of(lane); i < count; i += THREADS) {
        if (masked[i] > float_of_bits(0xff800000u) &&
            (best == UINT32_MAX || masked[i] > masked[best])) {
            best = i;
        }
    }
    found[thread_of(lane)] = best;
    barrier(lane);
    for (uint32_t t = 0; t < THREADS; t++) {
        uint32_t other = found[t];

        if (other != UINT32_MAX && (best == UINT32_MAX || masked[other] > masked[best] ||
                                    (masked[other] == masked[best] && other < best))) {
            best = other;
        }
    }
    barrier(lane);
    return best;
}

/* Logits, scores and choice of one row, in float32. */
static DEVICE void gpu_route(const struct lane *lane, const struct work *work) {
    uint32_t row = block_x(lane), chosen = work->experts_chosen, E = work->experts;
    float *scores = work->scores + (uint64_t)row * 3 * E, *biased = scores + E;
    float *masked = biased + E, sum = 0;
    uint32_t *choice = work->choice + (uint64_t)row * chosen;

    for (uint32_t e = thread_of(lane); e < E; e += THREADS) {
        float logit = 0;

        for (uint32_t k = 0; k < work->hidden; k++) {
            logit += work->plain[(uint64_t)e * work->hidden + k] *
                     work->exact[(uint64_t)row * work->hidden + k];
        }
        scores[e] = 1.0f / (1.0f + exponential_of(-logit));
        biased[e] = scores[e] + work->gain[e];
        if (!is_finite(logit)) {
            work->bad[row] = 1; /* whoever writes, writes the same */
        }
    }
    barrier(lane);
    gpu_mask(lane, work, biased, masked);
    barrier(lane);
    for (uint32_t k = 0; k < chosen; k++) {
        uint32_t best = gpu_best(lane, masked, E);

        if (thread_of(lane) == 0) {
            choice[k] = best;
            if (best == UINT32_MAX) {
                work->bad[row] = 1;
            } else {
                masked[best] = float_of_bits(0xff800000u);
            }
        }
        sum += best == UINT32_MAX ? 0 : scores[best];
        barrier(lane);
    }
    for (uint32_t k = thread_of(lane); k < chosen; k += THREADS) {
        float share = choice[k] == UINT32_MAX ? 0 : scores[choice[k]];

        share = work->weights_as_given ? share : share / (sum + 1e-20f);
        work->weight[(uint64_t)row * chosen + k] = share * work->router_scale;
    }
}

/* Sorts the pairs by expert, then by row: each thread looks for its experts. One block. */
static DEVICE void gpu_plan(const struct lane *lane, const struct work *work) {
    uint32_t pairs = work->rows * work->experts_chosen, at = 0;

    for (uint32_t e = thread_of(lane); e < work->experts; e += THREADS) {
        uint32_t count = 0;

        for (uint32_t i = 0; i < pairs; i++) {
            count += work->choice[i] == e && work->bad[i / work->experts_chosen] == 0;
        }
        work->expert_first[e + 1] = count;
        work->chosen[e] += count;
    }
    barrier(lane);
    if (thread_of(lane) == 0) {
        work->expert_first[0] = 0;
        for (uint32_t e = 0; e < work->experts; e++) {
            work->expert_first[e + 1] += work->expert_first[e];
        }
    }
    for (uint32_t i = thread_of(lane); i < pairs; i += THREADS) {
        work->place[i] = UINT32_MAX;
    }
    barrier(lane);
    for (uint32_t e = thread_of(lane); e < work->experts; e += THREADS) {
        at = work->expert_first[e];
        for (uint32_t i = 0; i < pairs; i++) {
            if (work->choice[i] == e && work->bad[i / work->experts_chosen] == 0) {
                work->place[i] = at;
                work->pair_row[at++] = i / work->experts_chosen;
            }
        }
    }
}

static DEVICE void gpu_combine(const struct lane *lane, const struct work *work) {
    uint32_t row = block_x(lane);

    for (uint32_t k = thread_of(lane); k < work->hidden; k += THREADS) {
        float sum = work->residual[(uint64_t)row * work->hidden + k];

        for (uint32_t c = row * work->experts_chosen; c < (row + 1) * work->experts_chosen; c++) {
            if (work->place[c] != UINT32_MAX) {
                sum +=
                    work->pair_out[(uint64_t)work->place[c] * work->hidden + k] * work->weight[c];
            }
        }
        work->residual[(uint64_t)row * work->hidden + k] = sum;
    }
}

/* The greedy token of row block_x of the logits; UINT32_MAX when one is not finite. */
static DEVICE void gpu_argmax(const struct lane *lane, const struct work *work) {
    const float *logits = work->logits + (uint64_t)block_x(lane) * work->vocabulary;
    uint32_t *shared = (uint32_t *)shared_of(lane) + THREADS, best, bad = 0;

    for (uint32_t i = thread_of(lane); i < work->vocabulary; i += THREADS) {
        bad |= !is_finite(logits[i]);
    }
    shared[thread_of(lane)] = bad;
    best = gpu_best(lane, logits, work->vocabulary);
    for (uint32_t t = 0; t < THREADS; t++) {
        bad |= shared[t];
    }
    if (thread_of(lane) == 0) {
        work->best[block_x(lane)] = bad != 0 ? UINT32_MAX : best;
    }
}

#endif
