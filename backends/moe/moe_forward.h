/* SPDX-License-Identifier: MIT */
/*
 * moe_forward.h - one tick through the model: a list of phases, each a number of independent tasks.
 *
 *     embed | per layer: norm, low, latent, query, attend, output, norm_inner, inner_in, choose,
 *             plan, expert_in, pair, expert_out, combine | head_norm, head
 *
 * A phase begins when all tasks of the one before have ended; tasks of one phase share nothing
 * but what they read. So they may run in any order on any number of workers, with the same bits:
 * the rows of a tick and the tiles of a matrix are taken apart, no sum is.
 *
 * Attention is absorbed: the cache holds latents, and each head carries its query into their space
 * (q' = W_k^T q) and its result back out of it (o = W_v sum). Keys are taken KEYS_BLOCK at a time
 * at fixed positions, merged in order, so a chunk's borders leave no trace.
 *
 * Invariant: task (phase, layer, index) writes what only that index owns. Memory: the rows of
 * struct activations and the worker's scratch.
 * Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1 and appendix C; YaRN (arXiv 2309.00071),
 * section 3; running softmax after Milakov and Gimelshein (arXiv 1805.02867), algorithm 3.
 */
#ifndef SWARM_MOE_FORWARD_H
#define SWARM_MOE_FORWARD_H

#include "moe_kernels.h"
#include "moe_router.h"
#include "moe_state.h"

#define TILE 64u /* rows of weights of one task: a multiple of LANES */

enum phase {
    PHASE_NORM,
    PHASE_LOW,
    PHASE_LATENT,
    PHASE_QUERY,
    PHASE_ATTEND,
    PHASE_OUTPUT,
    PHASE_NORM_INNER,
    PHASE_INNER_IN,
    PHASE_CHOOSE,
    PHASE_PLAN,
    PHASE_EXPERT_IN,
    PHASE_PAIR,
    PHASE_EXPERT_OUT,
    PHASE_COMBINE,
    PHASES, /* of a layer */
    PHASE_EMBED,
    PHASE_HEAD_NORM,
    PHASE_HEAD
};

/* One task. */
struct task {
    swarm_moe *moe;
    struct layer *layer; /* null outside the layers */
    uint32_t layer_index;
    uint32_t worker;
    uint32_t index;
};

static inline uint32_t tiles_of(const struct matrix *matrix) {
    return ceiling(matrix->rows, TILE);
}

/* Runs tile `tile` of a product whose other fields are given. */
static void multiply_tile(const swarm_moe *moe, struct product product, uint32_t tile) {
    product.first = tile * TILE;
    product.count = least(TILE, product.weights->rows - product.first);
    product.out += product.first;
    moe->kernels->multiply(&product);
}

static inline float *row_at(float *base, uint32_t row, uint32_t width) {
    return base + (size_t)row * width;
}

static inline uint32_t latent_width(const swarm_moe *moe) {
    return moe->model.latent_rank + moe->model.rope;
}

/* The width of the dense or shared SwiGLU of a layer; 0: it has none. */
static uint32_t inner_width(const swarm_moe *moe, uint32_t layer) {
    return layer < moe->model.dense_layers ? moe->model.dense_inner
                                           : moe->model.expert_inner * moe->model.experts_shared;
}

static uint32_t inner_widest(const swarm_moe *moe) {
    uint32_t dense = moe->model.dense_layers != 0 ? moe->model.dense_inner : 0;
    uint32_t shared = moe->model.expert_inner * moe->model.experts_shared;

    return dense > shared ? dense : shared;
}

/* Where the cache keeps a token of a sequence. */
static float *cache_at(const swarm_moe *moe, const struct sequence *sequence, uint32_t layer,
                       uint32_t position) {
    uint32_t page = sequence->pages[position / moe->spec.page_tokens];
    uint64_t line = ((uint64_t)page * moe->model.layers + layer) * moe->spec.page_tokens +
                    position % moe->spec.page_tokens;

    return moe->cache + line * latent_width(moe);
}

/* ---- before the layers */

static void task_embed(const struct task *task) {
    swarm_moe *moe = task->moe;
    const struct row *row = &moe->rows[task->index];
    uint32_t hidden = moe->model.hidden, half = moe->model.rope / 2;
    float *residual = row_at(moe->act.residual, task->index, hidden);
    float *rotation = row_at(moe->act.rotation, task->index, 2 * half);

    for (uint32_t k = 0; k < hidden; k++) {
        residual[k] = load_float(moe->embedding.data, (uint32_t)moe->embedding.type,
                                 (uint64_t)row->token * hidden + k);
    }
    for (uint32_t i = 0; i < half; i++) {
        double sine, cosine;

        sine_cosine(row->position * moe->frequencies[i], &sine, &cosine);
        rotation[i] = (float)(cosine * (double)moe->rotation_scale);
        rotation[half + i] = (float)(sine * (double)moe->rotation_scale);
    }
    moe->act.is_bad[task->index] = false;
}

/* ---- attention */

static void task_norm(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t hidden = moe->model.hidden;

    normalise(row_at(moe->act.residual, task->index, hidden), task->layer->norm_attention,
              row_at(moe->act.normed, task->index, hidden), hidden, moe->model.norm_epsilon);
}

static void task_low(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t tiles = tiles_of(&task->layer->query_a);
    bool is_query = task->index < tiles;
    struct product product = {
        .weights = is_query ? &task->layer->query_a : &task->layer->latent_a,
        .in = moe->act.normed,
        .in_stride = moe->model.hidden,
        .out = is_query ? moe->act.query_low : moe->act.latent,
        .out_stride = is_query ? moe->model.query_rank : latent_width(moe),
        .rows = moe->rows_count,
    };

    multiply_tile(moe, product, is_query ? task->index : task->index - tiles);
}

/* Turns the pairs (2i, 2i + 1) by the row's angles. */
static void rotate(float *values, const float *rotation, uint32_t half) {
    for (uint32_t i = 0; i < half; i++) {
        float a = values[2 * i], b = values[2 * i + 1];

        values[2 * i] = a * rotation[i] - b * rotation[half + i];
        values[2 * i + 1] = a * rotation[half + i] + b * rotation[i];
    }
}

static void task_latent(const struct task *task) {
    swarm_moe *moe = task->moe;
    const struct row *row = &moe->rows[task->index];
    const swarm_moe_model *model = &moe->model;
    float *query = row_at(moe->act.query_low, task->index, model->query_rank);
    const float *latent = row_at(moe->act.latent, task->index, latent_width(moe));
    float *line = cache_at(moe, &moe->sequences[row->sequence], task->layer_index, row->position);

    normalise(query, task->layer->norm_query, query, model->query_rank, model->norm_epsilon);
    normalise(latent, task->layer->norm_latent, line, model->latent_rank, model->norm_epsilon);
    memcpy(line + model->latent_rank, latent + model->latent_rank, model->rope * sizeof *line);
    rotate(line + model->latent_rank, row_at(moe->act.rotation, task->index, model->rope),
           model->rope / 2);
}

static void task_query(const struct task *task) {
    swarm_moe *moe = task->moe;
    struct product product = {
        .weights = &task->layer->query_b,
        .in = moe->act.query_low,
        .in_stride = moe->model.query_rank,
        .out = moe->act.query,
        .out_stride = task->layer->query_b.rows,
        .rows = moe->rows_count,
    };

    multiply_tile(moe, product, task->index);
}

/* What a head has seen of the keys so far. */
struct glance {
    const struct sequence *sequence;
    const float *query; /* in the space of the cache's lines */
    float *sum;         /* of latents, weighted */
    float *scores;
    float largest;
    double weight;
};

/* Takes keys first..end - 1 into account. */
static void attend_block(const struct task *task, struct glance *glance, uint32_t first,
                         uint32_t end) {
    swarm_moe *moe = task->moe;
    uint32_t width = latent_width(moe), rank = moe->model.latent_rank;
    float largest = glance->largest, factor;

    for (uint32_t t = first; t < end; t++) {
        const float *line = cache_at(moe, glance->sequence, task->layer_index, t);
        float score = moe->kernels->dot(glance->query, line, width) * moe->attention_scale;

        glance->scores[t - first] = score;
        largest = score > largest || score != score ? score : largest;
    }
    factor = (float)exponential((double)glance->largest - (double)largest);
    for (uint32_t k = 0; k < rank; k++) {
        glance->sum[k] *= factor;
    }
    glance->weight *= (double)factor;
    for (uint32_t t = first; t < end; t++) {
        float weight = (float)exponential((double)glance->scores[t - first] - (double)largest);

        glance->weight += (double)weight;
        moe->kernels->add_scaled(glance->sum, cache_at(moe, glance->sequence, task->layer_index, t),
                                 weight, rank);
    }
    glance->largest = largest;
}

/* One head of one row. */
static void task_attend(const struct task *task) {
    swarm_moe *moe = task->moe;
    const swarm_moe_model *model = &moe->model;
    uint32_t index = task->index / model->heads, head = task->index % model->heads;
    uint32_t rank = model->latent_rank, width = model->nope + model->rope;
    uint32_t first = head * (model->nope + model->value);
    const struct row *row = &moe->rows[index];
    float *query = row_at(moe->act.query, index, model->heads * width) + head * width;
    float *scratch = row_at(moe->scratch, task->worker, moe->scratch_size);
    struct glance glance = {.sequence = &moe->sequences[row->sequence],
                            .query = scratch,
                            .sum = scratch + latent_width(moe),
                            .scores = scratch + latent_width(moe) + rank,
                            .largest = float_of_bits(0xff800000u)};
    struct product back = {.weights = &task->layer->latent_b,
                           .in = glance.sum,
                           .in_stride = rank,
                           .out = row_at(moe->act.attended, index, model->heads * model->value) +
                                  head * model->value,
                           .first = first + model->nope,
                           .count = model->value,
                           .rows = 1};

    memset(scratch, 0, (latent_width(moe) + rank) * sizeof *scratch);
    rotate(query + model->nope, row_at(moe->act.rotation, index, model->rope), model->rope / 2);
    memcpy(scratch + rank, query + model->nope, model->rope * sizeof *scratch);
    for (uint32_t n = 0; n < model->nope; n++) {
        moe->kernels->add_weighted(scratch, &task->layer->latent_b, first + n, query[n]);
    }
    for (uint32_t t = 0; t <= row->position; t += KEYS_BLOCK) {
        attend_block(task, &glance, t, least(t + KEYS_BLOCK, row->position + 1));
    }
    for (uint32_t k = 0; k < rank; k++) {
        glance.sum[k] = (float)((double)glance.sum[k] / glance.weight);
    }
    moe->kernels->multiply(&back);
}

static void task_output(const struct task *task) {
    swarm_moe *moe = task->moe;
    struct product product = {
        .weights = &task->layer->output,
        .in = moe->act.attended,
        .in_stride = task->layer->output.columns,
        .out = moe->act.residual,
        .out_stride = moe->model.hidden,
        .rows = moe->rows_count,
        .is_added = true,
    };

    multiply_tile(moe, product, task->index);
}

/* ---- the inner part: dense, or router and experts */

static bool row_is_finite(const float *values, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        if (!is_finite(values[k])) {
            return false;
        }
    }
    return true;
}

static void task_norm_inner(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t hidden = moe->model.hidden;
    const float *residual = row_at(moe->act.residual, task->index, hidden);
    float *normed = row_at(moe->act.normed, task->index, hidden);

    moe->act.is_bad[task->index] |= !row_is_finite(residual, hidden);
    normalise(residual, task->layer->norm_inner, normed, hidden, moe->model.norm_epsilon);
    if (moe->has_int4) {
        encode(normed, hidden, moe->act.codes + (size_t)task->index * (hidden / GROUP));
    }
}

/* Gate and up of the dense or shared SwiGLU, and the router's logits: tiles of three matrices. */
static void task_inner_in(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t inner = inner_width(moe, task->layer_index), tiles = ceiling(inner, TILE);
    struct product product = {
        .weights = &task->layer->shared.gate,
        .in = moe->act.normed,
        .in_stride = moe->model.hidden,
        .codes = moe->act.codes,
        .codes_stride = moe->model.hidden / GROUP,
        .out = moe->act.gate,
        .out_stride = inner,
        .rows = moe->rows_count,
    };
    uint32_t tile = task->index;

    if (tile >= 2 * tiles) {
        product.weights = &task->layer->router;
        product.out = moe->act.scores;
        product.out_stride = 3 * moe->model.experts;
        tile -= 2 * tiles;
    } else if (tile >= tiles) {
        product.weights = &task->layer->shared.up;
        product.out = moe->act.up;
        tile -= tiles;
    }
    multiply_tile(moe, product, tile);
}

/* silu(gate) * up, in place of gate. */
static void activate(float *gate, const float *up, uint32_t count) {
    for (uint32_t k = 0; k < count; k++) {
        gate[k] = silu(gate[k]) * up[k];
    }
}

static void task_choose(const struct task *task) {
    swarm_moe *moe = task->moe;
    const swarm_moe_model *model = &moe->model;
    uint32_t inner = inner_width(moe, task->layer_index);
    float *gate = row_at(moe->act.gate, task->index, inner);
    uint32_t *choice = moe->act.choice + (size_t)task->index * model->experts_chosen;

    activate(gate, row_at(moe->act.up, task->index, inner), inner);
    if (task->layer->shared.down.type == MATRIX_INT4) {
        encode(gate, inner, moe->act.inner_codes + (size_t)task->index * (inner / GROUP));
    }
    if (task->layer->experts != NULL &&
        !route(model, task->layer->bias, row_at(moe->act.scores, task->index, 3 * model->experts),
               choice, row_at(moe->act.weight, task->index, model->experts_chosen))) {
        moe->act.is_bad[task->index] = true;
    }
}

/* Sorts the pairs (row, chosen expert) by expert, then by row. */
static void task_plan(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t experts = moe->model.experts, chosen = moe->model.experts_chosen;
    uint32_t *first = moe->act.expert_first, at = 0;

    memset(first, 0, (experts + 1) * sizeof *first);
    for (uint32_t i = 0; i < moe->rows_count * chosen; i++) {
        if (!moe->act.is_bad[i / chosen]) {
            first[moe->act.choice[i]]++;
        }
    }
    for (uint32_t e = 0; e < experts; e++) {
        uint32_t count = first[e];

        task->layer->chosen[e] += count;
        first[e] = at;
        at += count;
    }
    first[experts] = at;
    for (uint32_t i = 0; i < moe->rows_count * chosen; i++) {
        moe->act.place[i] = NONE;
        if (!moe->act.is_bad[i / chosen]) {
            moe->act.place[i] = first[moe->act.choice[i]]++;
            moe->act.pair_row[moe->act.place[i]] = i / chosen;
        }
    }
    memmove(first + 1, first, experts * sizeof *first); /* each had moved to the next one's */
    first[0] = 0;
}

/* A tile of gate and of up of one expert, for its rows; or of the shared down. */
static void task_expert_in(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t inner = moe->model.expert_inner, tiles = ceiling(inner, TILE);
    uint32_t e = task->index / tiles, first, width;
    struct product product = {
        .in = moe->act.normed,
        .in_stride = moe->model.hidden,
        .codes = moe->act.codes,
        .codes_stride = moe->model.hidden / GROUP,
        .out_stride = inner,
    };

    if (task->layer->experts != NULL && e < moe->model.experts) {
        first = moe->act.expert_first[e];
        product.rows = moe->act.expert_first[e + 1] - first;
        product.pick = moe->act.pair_row + first;
        if (product.rows != 0) {
            product.weights = &task->layer->experts[e].gate;
            product.out = row_at(moe->act.pair_gate, first, inner);
            multiply_tile(moe, product, task->index % tiles);
            product.weights = &task->layer->experts[e].up;
            product.out = row_at(moe->act.pair_up, first, inner);
            multiply_tile(moe, product, task->index % tiles);
        }
        return;
    }
    width = inner_width(moe, task->layer_index);
    product = (struct product){.weights = &task->layer->shared.down,
                               .in = moe->act.gate,
                               .in_stride = width,
                               .codes = moe->act.inner_codes,
                               .codes_stride = width / GROUP,
                               .out = moe->act.residual,
                               .out_stride = moe->model.hidden,
                               .rows = moe->rows_count,
                               .is_added = true};
    multiply_tile(moe, product,
                  task->index - (task->layer->experts != NULL ? moe->model.experts * tiles : 0));
}

static void task_pair(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t inner = moe->model.expert_inner;
    float *gate = row_at(moe->act.pair_gate, task->index, inner);

    if (task->index < moe->act.expert_first[moe->model.experts]) {
        activate(gate, row_at(moe->act.pair_up, task->index, inner), inner);
        if (moe->has_int4) {
            encode(gate, inner, moe->act.pair_codes + (size_t)task->index * (inner / GROUP));
        }
    }
}

static void task_expert_out(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t inner = moe->model.expert_inner, tiles = ceiling(moe->model.hidden, TILE);
    uint32_t e = task->index / tiles, first = moe->act.expert_first[e];
    struct product product = {
        .weights = &task->layer->experts[e].down,
        .in = row_at(moe->act.pair_gate, first, inner),
        .in_stride = inner,
        .codes = moe->act.pair_codes + (size_t)first * (inner / GROUP),
        .codes_stride = inner / GROUP,
        .out = row_at(moe->act.pair_out, first, moe->model.hidden),
        .out_stride = moe->model.hidden,
        .rows = moe->act.expert_first[e + 1] - first,
    };

    if (product.rows != 0) {
        multiply_tile(moe, product, task->index % tiles);
    }
}

/* Adds the experts' answers, in the order in which they were chosen. */
static void task_combine(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t hidden = moe->model.hidden, chosen = moe->model.experts_chosen;
    float *residual = row_at(moe->act.residual, task->index, hidden);

    for (uint32_t k = task->index * chosen; k < (task->index + 1) * chosen; k++) {
        if (moe->act.place[k] != NONE) {
            moe->kernels->add_scaled(residual, row_at(moe->act.pair_out, moe->act.place[k], hidden),
                                     moe->act.weight[k], hidden);
        }
    }
}

/* ---- after the layers */

static void task_head_norm(const struct task *task) {
    swarm_moe *moe = task->moe;
    uint32_t hidden = moe->model.hidden, row = moe->act.head_row[task->index];
    const float *residual = row_at(moe->act.residual, row, hidden);
    float *normed = row_at(moe->act.head_normed, task->index, hidden);

    moe->act.is_bad[row] |= !row_is_finite(residual, hidden);
    normalise(residual, moe->norm_last, normed, hidden, moe->model.norm_epsilon);
    if (moe->head.type == MATRIX_INT4) {
        encode(normed, hidden, moe->act.head_codes + (size_t)task->index * (hidden / GROUP));
    }
}

static void task_head(const struct task *task) {
    swarm_moe *moe = task->moe;
    struct product product = {
        .weights = &moe->head,
        .in = moe->act.head_normed,
        .in_stride = moe->model.hidden,
        .codes = moe->act.head_codes,
        .codes_stride = moe->model.hidden / GROUP,
        .out = moe->act.logits,
        .out_stride = moe->model.vocabulary,
        .rows = moe->heads_count,
    };

    multiply_tile(moe, product, task->index);
}

/* ---- the list */

/* How many tasks a phase has in this tick. */
static uint32_t phase_tasks(const swarm_moe *moe, enum phase phase, uint32_t layer) {
    const swarm_moe_model *model = &moe->model;
    bool has_experts = layer >= model->dense_layers;
    uint32_t inner = ceiling(inner_width(moe, layer), TILE);
    uint32_t hidden = ceiling(model->hidden, TILE);

    switch (phase) {
    case PHASE_LOW:
        return ceiling(model->query_rank, TILE) + ceiling(latent_width(moe), TILE);
    case PHASE_QUERY:
        return ceiling(model->heads * (model->nope + model->rope), TILE);
    case PHASE_ATTEND:
        return moe->rows_count * model->heads;
    case PHASE_OUTPUT:
        return hidden;
    case PHASE_INNER_IN:
        return 2 * inner + (has_experts ? ceiling(model->experts, TILE) : 0);
    case PHASE_PLAN:
        return has_experts;
    case PHASE_EXPERT_IN:
        return (inner != 0 ? hidden : 0) +
               (has_experts ? model->experts * ceiling(model->expert_inner, TILE) : 0);
    case PHASE_PAIR:
        return has_experts ? moe->rows_count * model->experts_chosen : 0;
    case PHASE_EXPERT_OUT:
        return has_experts ? model->experts * hidden : 0;
    case PHASE_COMBINE:
        return has_experts ? moe->rows_count : 0;
    case PHASE_HEAD_NORM:
        return moe->heads_count;
    case PHASE_HEAD:
        return moe->heads_count != 0 ? ceiling(model->vocabulary, TILE) : 0;
    case PHASE_NORM:
    case PHASE_LATENT:
    case PHASE_NORM_INNER:
    case PHASE_CHOOSE:
    case PHASES:
    case PHASE_EMBED:
    default:
        return moe->rows_count;
    }
}

/* The phases of a tick are numbered: embed, those of each layer, then the head's two. */
static uint32_t tick_phases(const swarm_moe *moe) {
    return 1 + moe->model.layers * PHASES + 2;
}

static enum phase phase_of(const swarm_moe *moe, uint32_t number, uint32_t *out_layer) {
    *out_layer = number == 0 ? 0 : (number - 1) / PHASES;
    if (number == 0) {
        return PHASE_EMBED;
    }
    if (*out_layer == moe->model.layers) {
        *out_layer = 0;
        return (number - 1) % PHASES == 0 ? PHASE_HEAD_NORM : PHASE_HEAD;
    }
    return (enum phase)((number - 1) % PHASES);
}

static uint32_t tick_tasks(const swarm_moe *moe, uint32_t number) {
    uint32_t layer;
    enum phase phase = phase_of(moe, number, &layer);

    return phase_tasks(moe, phase, layer);
}

static void tick_task(swarm_moe *moe, uint32_t number, uint32_t index, uint32_t worker) {
    static void (*const tasks[])(const struct task *task) = {
        [PHASE_NORM] = task_norm,
        [PHASE_LOW] = task_low,
        [PHASE_LATENT] = task_latent,
        [PHASE_QUERY] = task_query,
        [PHASE_ATTEND] = task_attend,
        [PHASE_OUTPUT] = task_output,
        [PHASE_NORM_INNER] = task_norm_inner,
        [PHASE_INNER_IN] = task_inner_in,
        [PHASE_CHOOSE] = task_choose,
        [PHASE_PLAN] = task_plan,
        [PHASE_EXPERT_IN] = task_expert_in,
        [PHASE_PAIR] = task_pair,
        [PHASE_EXPERT_OUT] = task_expert_out,
        [PHASE_COMBINE] = task_combine,
        [PHASE_EMBED] = task_embed,
        [PHASE_HEAD_NORM] = task_head_norm,
        [PHASE_HEAD] = task_head,
    };
    struct task task = {.moe = moe, .worker = worker, .index = index};
    enum phase phase = phase_of(moe, number, &task.layer_index);

    task.layer = phase < PHASES ? &moe->layers[task.layer_index] : NULL;
    tasks[phase](&task);
}

#endif
