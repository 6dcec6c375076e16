/* SPDX-License-Identifier: MIT */
/*
 * moe_weights.h - finds the model's tensors under their names and checks each.
 *
 * A matrix X is either `X.weight` (BF16 or F32), used where it lies, or `X.weight_packed` with
 * `X.weight_scale` (INT4 in groups of 32), repacked into the block. Which of the two is decided per
 * tensor. Names are tried as they are, then with the prefix `language_model.`.
 *
 * Invariant: a matrix that was found has exactly the rows and columns of the config, and its bytes
 * suffice; so no kernel needs to check. Memory: vectors become floats and INT4 is copied through
 * the carver; a counting pass (no block) does all checks as well. Called by swarm_moe_open only.
 * Source: the checkpoints' own names; compressed-tensors, pack-quantized.
 */
#ifndef SWARM_MOE_WEIGHTS_H
#define SWARM_MOE_WEIGHTS_H

#include "moe_state.h"

#define NAME_MAX_SIZE 160u

struct loader {
    const swarm_moe_spec *spec;
    swarm_moe *moe;
    struct carver *carver;
    swarm_moe_error *error;
    swarm_status status; /* of the first failure; everything after it is skipped */
    char name[NAME_MAX_SIZE];
};

/* Joins the parts of a name; `#` in a part stands for the next number. */
static void name_tensor(struct loader *loader, const char *pattern, const uint32_t *numbers,
                        const char *ending) {
    size_t at = 0;

    for (; *pattern != 0 && at < NAME_MAX_SIZE - 12; pattern++) {
        char digits[10];
        uint32_t count = 0, rest;

        if (*pattern != '#') {
            loader->name[at++] = *pattern;
            continue;
        }
        for (rest = *numbers++; count == 0 || rest != 0; rest /= 10) {
            digits[count++] = (char)('0' + rest % 10);
        }
        while (count != 0) {
            loader->name[at++] = digits[--count];
        }
    }
    for (; *ending != 0 && at < NAME_MAX_SIZE - 1; ending++) {
        loader->name[at++] = *ending;
    }
    loader->name[at] = 0;
}

static bool find_tensor(struct loader *loader, swarm_moe_tensor *out_tensor) {
    static const char prefix[] = "language_model.";
    char longer[NAME_MAX_SIZE + sizeof prefix];

    *out_tensor = (swarm_moe_tensor){.data = NULL};
    if (loader->spec->lookup(loader->spec->lookup_context, loader->name, out_tensor)) {
        return true;
    }
    memcpy(longer, prefix, sizeof prefix - 1);
    memcpy(longer + sizeof prefix - 1, loader->name, strlen(loader->name) + 1);
    *out_tensor = (swarm_moe_tensor){.data = NULL};
    return loader->spec->lookup(loader->spec->lookup_context, longer, out_tensor);
}

static void loader_fail(struct loader *loader, swarm_status status, const char *text) {
    if (loader->status == SWARM_OK) {
        loader->status = refuse(loader->error, status, loader->name, text);
    }
}

static uint64_t type_size(uint32_t type) {
    return type == SWARM_MOE_BF16 ? 2 : 4;
}

/* Checks shape, type and bytes; `types` has a bit for each type that will do. */
static bool tensor_fits(struct loader *loader, const swarm_moe_tensor *tensor, uint64_t rows,
                        uint64_t columns, uint32_t types) {
    if (tensor->shape[0] != rows || tensor->shape[1] != columns ||
        (columns != 1 && tensor->rank != 2)) {
        loader_fail(loader, SWARM_E_MISMATCH, "has another shape than config.json demands");
        if (loader->error != NULL && loader->error->expected[0] == 0) {
            loader->error->expected[0] = rows;
            loader->error->expected[1] = columns;
            loader->error->found[0] = tensor->shape[0];
            loader->error->found[1] = tensor->shape[1];
        }
        return false;
    }
    if (tensor->type > 31 || (types >> tensor->type & 1) == 0) {
        loader_fail(loader, SWARM_E_MISMATCH, "has elements of another type than is supported");
        return false;
    }
    if (tensor->data == NULL || tensor->size / type_size(tensor->type) < rows * columns) {
        loader_fail(loader, SWARM_E_MISMATCH, "has fewer bytes than its shape needs");
        return false;
    }
    return true;
}

static uint32_t load32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint16_t load16(const unsigned char *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* Element i of F32 or BF16 data. */
static float load_float(const unsigned char *data, uint32_t type, uint64_t i) {
    return type == SWARM_MOE_BF16 ? float_of_bf16(load16(data + 2 * i))
                                  : float_of_bits(load32(data + 4 * i));
}

/* A vector, as floats in the block. */
static const float *load_vector(struct loader *loader, uint32_t count) {
    swarm_moe_tensor tensor;
    float *vector;

    if (loader->status != SWARM_OK) {
        return NULL;
    }
    if (!find_tensor(loader, &tensor)) {
        loader_fail(loader, SWARM_E_MISSING, "is not in the checkpoint");
        return NULL;
    }
    if (!tensor_fits(loader, &tensor, count, 1, 1u << SWARM_MOE_F32 | 1u << SWARM_MOE_BF16)) {
        return NULL;
    }
    vector = carve(loader->carver, count, sizeof *vector);
    for (uint32_t i = 0; vector != NULL && i < count; i++) {
        vector[i] = load_float(tensor.data, tensor.type, i);
    }
    return vector;
}

/* One block of LANES rows, one group of columns; rows beyond the matrix are 0 with scale 0. */
static void repack_group(unsigned char *out, const swarm_moe_tensor *packed,
                         const swarm_moe_tensor *scale, uint32_t row, uint32_t group) {
    const unsigned char *words = packed->data, *scales = scale->data;

    memset(out, 0, INT4_GROUP_BYTES);
    for (uint32_t lane = 0; lane < LANES && row + lane < packed->shape[0]; lane++) {
        uint64_t at = (row + lane) * packed->shape[1] + (uint64_t)group * (GROUP / 8);
        uint64_t place = (row + lane) * scale->shape[1] + group;

        for (uint32_t k = 0; k < GROUP; k++) {
            uint32_t nibble = load32(words + 4 * (at + k / 8)) >> (4 * (k % 8)) & 15u;
            uint32_t byte = 64 * (k % 16 / 4) + 4 * lane + k % 4;

            out[byte] = (unsigned char)(out[byte] | nibble << (k < 16 ? 0 : 4));
        }
        memcpy(out + LANES * GROUP / 2 + 2 * lane, scales + 2 * place, 2);
    }
}

/* An INT4 matrix whose packed tensor was found; the name ends in `.weight_packed`. */
static void load_packed(struct loader *loader, const swarm_moe_tensor *packed,
                        struct matrix *matrix) {
    static const char ending[] = "scale";
    uint32_t groups = matrix->columns / GROUP, blocks = ceiling(matrix->rows, LANES);
    swarm_moe_tensor scale;
    unsigned char *data;

    if (matrix->columns % GROUP != 0) {
        loader_fail(loader, SWARM_E_UNSUPPORTED, "has rows that are no multiple of 32 long");
        return;
    }
    if (!tensor_fits(loader, packed, matrix->rows, matrix->columns / 8, 1u << SWARM_MOE_I32)) {
        return;
    }
    memcpy(loader->name + strlen(loader->name) - strlen("packed"), ending, sizeof ending);
    if (!find_tensor(loader, &scale)) {
        loader_fail(loader, SWARM_E_MISSING, "is not in the checkpoint");
        return;
    }
    if (!tensor_fits(loader, &scale, matrix->rows, groups, 1u << SWARM_MOE_BF16)) {
        return;
    }
    matrix->type = MATRIX_INT4;
    loader->moe->has_int4 = true;
    data = carve(loader->carver, (uint64_t)blocks * groups, INT4_GROUP_BYTES);
    matrix->data = data;
    for (uint32_t block = 0; data != NULL && block < blocks; block++) {
        for (uint32_t group = 0; group < groups; group++) {
            repack_group(data, packed, &scale, block * LANES, group);
            data += INT4_GROUP_BYTES;
        }
    }
}

/* A matrix; `pattern` has no `.weight`. Whether it may be INT4 depends on who reads it. */
static void load_matrix(struct loader *loader, const char *pattern, const uint32_t *numbers,
                        struct matrix *matrix, bool may_be_int4) {
    swarm_moe_tensor tensor;

    if (loader->status != SWARM_OK) {
        return;
    }
    name_tensor(loader, pattern, numbers, ".weight_packed");
    if (find_tensor(loader, &tensor)) {
        if (may_be_int4) {
            load_packed(loader, &tensor, matrix);
        } else {
            loader_fail(loader, SWARM_E_UNSUPPORTED, "must be F32 or BF16");
        }
        return;
    }
    name_tensor(loader, pattern, numbers, ".weight");
    if (!find_tensor(loader, &tensor)) {
        loader_fail(loader, SWARM_E_MISSING, "is not in the checkpoint");
        return;
    }
    if (tensor_fits(loader, &tensor, matrix->rows, matrix->columns,
                    1u << SWARM_MOE_F32 | 1u << SWARM_MOE_BF16)) {
        matrix->type = (enum matrix_type)tensor.type;
        matrix->data = tensor.data;
    }
}

/* Gate, up and down of one SwiGLU. */
static void load_expert(struct loader *loader, const char *const patterns[3],
                        const uint32_t *numbers, struct expert *expert, uint32_t inner) {
    uint32_t hidden = loader->moe->model.hidden;

    expert->gate = (struct matrix){.rows = inner, .columns = hidden};
    expert->up = (struct matrix){.rows = inner, .columns = hidden};
    expert->down = (struct matrix){.rows = hidden, .columns = inner};
    load_matrix(loader, patterns[0], numbers, &expert->gate, true);
    load_matrix(loader, patterns[1], numbers, &expert->up, true);
    load_matrix(loader, patterns[2], numbers, &expert->down, true);
}

#define LAYER "model.layers.#."

static void load_experts(struct loader *loader, struct layer *layer, uint32_t index) {
    static const char *const routed[] = {LAYER "mlp.experts.#.gate_proj",
                                         LAYER "mlp.experts.#.up_proj",
                                         LAYER "mlp.experts.#.down_proj"};
    static const char *const shared[] = {LAYER "mlp.shared_experts.gate_proj",
                                         LAYER "mlp.shared_experts.up_proj",
                                         LAYER "mlp.shared_experts.down_proj"};
    const swarm_moe_model *model = &loader->moe->model;

    layer->router = (struct matrix){.rows = model->experts, .columns = model->hidden};
    load_matrix(loader, LAYER "mlp.gate", &index, &layer->router, false);
    name_tensor(loader, LAYER "mlp.gate.e_score_correction_bias", &index, "");
    layer->bias = load_vector(loader, model->experts);
    layer->chosen = carve(loader->carver, model->experts, sizeof *layer->chosen);
    if (model->experts_shared != 0) {
        load_expert(loader, shared, &index, &layer->shared,
                    model->expert_inner * model->experts_shared);
    }
    layer->experts = carve(loader->carver, model->experts, sizeof *layer->experts);
    for (uint32_t i = 0; i < model->experts && loader->status == SWARM_OK; i++) {
        const uint32_t numbers[] = {index, i};
        struct expert counted, *expert = layer->experts == NULL ? &counted : &layer->experts[i];

        load_expert(loader, routed, numbers, expert, model->expert_inner);
    }
}

static const float *load_named(struct loader *loader, const char *pattern, uint32_t index,
                               uint32_t count) {
    name_tensor(loader, pattern, &index, ".weight");
    return load_vector(loader, count);
}

static void load_layer(struct loader *loader, struct layer *layer, uint32_t index) {
    static const char *const dense[] = {LAYER "mlp.gate_proj", LAYER "mlp.up_proj",
                                        LAYER "mlp.down_proj"};
    const swarm_moe_model *m = &loader->moe->model;

    layer->norm_attention = load_named(loader, LAYER "input_layernorm", index, m->hidden);
    layer->norm_inner = load_named(loader, LAYER "post_attention_layernorm", index, m->hidden);
    layer->norm_query = load_named(loader, LAYER "self_attn.q_a_layernorm", index, m->query_rank);
    layer->norm_latent =
        load_named(loader, LAYER "self_attn.kv_a_layernorm", index, m->latent_rank);
    layer->query_a = (struct matrix){.rows = m->query_rank, .columns = m->hidden};
    layer->query_b =
        (struct matrix){.rows = m->heads * (m->nope + m->rope), .columns = m->query_rank};
    layer->latent_a = (struct matrix){.rows = m->latent_rank + m->rope, .columns = m->hidden};
    layer->latent_b =
        (struct matrix){.rows = m->heads * (m->nope + m->value), .columns = m->latent_rank};
    layer->output = (struct matrix){.rows = m->hidden, .columns = m->heads * m->value};
    load_matrix(loader, LAYER "self_attn.q_a_proj", &index, &layer->query_a, false);
    load_matrix(loader, LAYER "self_attn.q_b_proj", &index, &layer->query_b, false);
    load_matrix(loader, LAYER "self_attn.kv_a_proj_with_mqa", &index, &layer->latent_a, false);
    load_matrix(loader, LAYER "self_attn.kv_b_proj", &index, &layer->latent_b, false);
    load_matrix(loader, LAYER "self_attn.o_proj", &index, &layer->output, false);
    if (index < m->dense_layers) {
        load_expert(loader, dense, &index, &layer->shared, m->dense_inner);
    } else {
        load_experts(loader, layer, index);
    }
}

/* All of it. In a counting pass nothing is written but the loader's status. */
static void load_model(struct loader *loader) {
    swarm_moe *moe = loader->moe;
    const swarm_moe_model *model = &moe->model;

    moe->embedding = (struct matrix){.rows = model->vocabulary, .columns = model->hidden};
    moe->head = moe->embedding;
    load_matrix(loader, "model.embed_tokens", NULL, &moe->embedding, false);
    load_matrix(loader, "lm_head", NULL, &moe->head, true);
    moe->norm_last = load_named(loader, "model.norm", 0, model->hidden);
    moe->layers = carve(loader->carver, model->layers, sizeof *moe->layers);
    for (uint32_t i = 0; i < model->layers && loader->status == SWARM_OK; i++) {
        struct layer counted = {.bias = NULL};

        load_layer(loader, moe->layers == NULL ? &counted : &moe->layers[i], i);
    }
}

#endif
