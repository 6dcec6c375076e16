/* SPDX-License-Identifier: MIT */
/*
 * moe_config.h - config.json becomes a swarm_moe_model.
 *
 * The text is walked twice with the path of keys in hand: first what stands at the top, then what
 * stands under text_config, which wins. A key is a row of `fields` (stored), of `refusals` (must
 * have one value) or neither (ignored). After the walks, defaults fill in what may be absent and
 * `config_check` judges the numbers together.
 *
 * Invariant: a path has at most PATH_MAX keys; what is deeper, or inside an array, is read over.
 * No memory, any thread.
 * Source of the keys: the published configs of DeepSeek-V3, Kimi-K2-Instruct, K2-Thinking and K2.5,
 * and the newer form of transformers 5 (`rope_parameters`).
 */
#ifndef SWARM_MOE_CONFIG_H
#define SWARM_MOE_CONFIG_H

#include "moe_error.h"
#include "moe_json.h"
#include "swarm_moe.h"

#define PATH_MAX_KEYS 6u
#define DIMENSION_MAX (1u << 24)

enum field_type { FIELD_COUNT, FIELD_REAL, FIELD_FALSE, FIELD_TOKEN };

struct field {
    const char *path; /* keys, joined by dots */
    size_t offset;    /* in swarm_moe_model */
    enum field_type type;
    bool is_required;
};

#define AT(member) offsetof(swarm_moe_model, member)

static const struct field fields[] = {
    {"rms_norm_eps", AT(norm_epsilon), FIELD_REAL, true},
    {"routed_scaling_factor", AT(router_scale), FIELD_REAL, true},
    {"max_position_embeddings", AT(context), FIELD_COUNT, true},
    {"vocab_size", AT(vocabulary), FIELD_COUNT, true},
    {"hidden_size", AT(hidden), FIELD_COUNT, true},
    {"num_hidden_layers", AT(layers), FIELD_COUNT, true},
    {"first_k_dense_replace", AT(dense_layers), FIELD_COUNT, true},
    {"intermediate_size", AT(dense_inner), FIELD_COUNT, true},
    {"num_attention_heads", AT(heads), FIELD_COUNT, true},
    {"q_lora_rank", AT(query_rank), FIELD_COUNT, true},
    {"kv_lora_rank", AT(latent_rank), FIELD_COUNT, true},
    {"qk_nope_head_dim", AT(nope), FIELD_COUNT, true},
    {"qk_rope_head_dim", AT(rope), FIELD_COUNT, true},
    {"v_head_dim", AT(value), FIELD_COUNT, true},
    {"n_routed_experts", AT(experts), FIELD_COUNT, true},
    {"num_experts_per_tok", AT(experts_chosen), FIELD_COUNT, true},
    {"moe_intermediate_size", AT(expert_inner), FIELD_COUNT, true},
    {"n_shared_experts", AT(experts_shared), FIELD_COUNT, false},
    {"n_group", AT(groups), FIELD_COUNT, false},
    {"topk_group", AT(groups_chosen), FIELD_COUNT, false},
    {"norm_topk_prob", AT(weights_as_given), FIELD_FALSE, false},
    {"bos_token_id", AT(begin_token), FIELD_TOKEN, false},
    {"eos_token_id", AT(end_token), FIELD_TOKEN, false},
    {"rope_theta", AT(rope_theta), FIELD_REAL, false},
    {"rope_scaling.rope_theta", AT(rope_theta), FIELD_REAL, false},
    {"rope_scaling.factor", AT(rope_factor), FIELD_REAL, false},
    {"rope_scaling.beta_fast", AT(rope_beta_fast), FIELD_REAL, false},
    {"rope_scaling.beta_slow", AT(rope_beta_slow), FIELD_REAL, false},
    {"rope_scaling.mscale", AT(rope_mscale), FIELD_REAL, false},
    {"rope_scaling.mscale_all_dim", AT(rope_mscale_all), FIELD_REAL, false},
    {"rope_scaling.original_max_position_embeddings", AT(rope_original), FIELD_COUNT, false},
};

#undef AT

#define FIELDS (sizeof fields / sizeof fields[0])

/* Keys that must have this value where they stand. */
static const struct {
    const char *path;
    const char *text; /* of a string */
    double number;    /* of a number */
    enum json_kind kind;
} refusals[] = {
    {"scoring_func", "sigmoid", 0, JSON_STRING},
    {"topk_method", "noaux_tc", 0, JSON_STRING},
    {"hidden_act", "silu", 0, JSON_STRING},
    {"attention_bias", NULL, 0, JSON_FALSE},
    {"tie_word_embeddings", NULL, 0, JSON_FALSE},
    {"moe_layer_freq", NULL, 1, JSON_NUMBER},
    {"quantization_config.quant_method", "compressed-tensors", 0, JSON_STRING},
    {"quantization_config.format", "pack-quantized", 0, JSON_STRING},
    {"quantization_config.config_groups.*.weights.num_bits", NULL, 4, JSON_NUMBER},
    {"quantization_config.config_groups.*.weights.group_size", NULL, 32, JSON_NUMBER},
    {"quantization_config.config_groups.*.weights.symmetric", NULL, 0, JSON_TRUE},
    {"quantization_config.config_groups.*.weights.actorder", NULL, 0, JSON_NULL},
    {"quantization_config.config_groups.*.weights.strategy", "group", 0, JSON_STRING},
    {"quantization_config.config_groups.*.weights.type", "int", 0, JSON_STRING},
};

struct config_walk {
    struct json json;
    struct json_token keys[PATH_MAX_KEYS]; /* of the open objects */
    swarm_moe_model *model;
    swarm_moe_error *error;
    uint64_t seen;   /* bit i: fields[i] has a value */
    bool is_nested;  /* this walk is for text_config */
    bool has_nested; /* there is one */
    bool is_yarn;    /* the rotary values are of that type */
};

/* Whether the first keys of the path spell `path`; '*' stands for any key. */
static bool path_is(const struct json_token *keys, uint32_t count, const char *path) {
    for (uint32_t i = 0; i < count; i++) {
        size_t size = strcspn(path, ".");
        bool is_any = size == 1 && path[0] == '*';

        if (size == 0 ||
            (!is_any && (keys[i].size != size || memcmp(keys[i].text, path, size) != 0))) {
            return false;
        }
        path += size + (path[size] == '.');
    }
    return path[0] == 0;
}

static swarm_status config_value(struct config_walk *walk, const struct field *field,
                                 struct json_token token) {
    unsigned char *place = (unsigned char *)walk->model + field->offset;
    uint64_t whole = 0;
    uint32_t small;
    double real;

    if (token.kind == JSON_NULL) {
        if (field->offset == offsetof(swarm_moe_model, query_rank)) {
            return refuse(walk->error, SWARM_E_UNSUPPORTED, field->path, "null is not supported");
        }
        return SWARM_OK;
    }
    if (field->type == FIELD_REAL) {
        real = token.kind == JSON_NUMBER ? json_double(token) : -1;
        if (!(real >= 0 && real < 1e30)) {
            return refuse(walk->error, SWARM_E_INVALID, field->path, "is not a number in range");
        }
        memcpy(place, &real, sizeof real);
    } else if (field->type == FIELD_FALSE) {
        if (token.kind != JSON_TRUE && token.kind != JSON_FALSE) {
            return refuse(walk->error, SWARM_E_INVALID, field->path, "is neither true nor false");
        }
        small = token.kind == JSON_FALSE;
        memcpy(place, &small, sizeof small);
    } else {
        if (!json_integer(token, &whole) || whole > DIMENSION_MAX) {
            return refuse(walk->error, SWARM_E_INVALID, field->path, "is not a count in range");
        }
        small = (uint32_t)whole;
        memcpy(place, &small, sizeof small);
    }
    walk->seen |= UINT64_C(1) << (field - fields);
    return SWARM_OK;
}

static swarm_status config_refusal(struct config_walk *walk, uint32_t index,
                                   struct json_token token) {
    bool is_good = token.kind == refusals[index].kind;

    if (is_good && token.kind == JSON_STRING) {
        is_good = json_is(token, refusals[index].text);
    } else if (is_good && token.kind == JSON_NUMBER) {
        is_good = json_double(token) == refusals[index].number;
    }
    return is_good ? SWARM_OK
                   : refuse(walk->error, SWARM_E_UNSUPPORTED, refusals[index].path,
                            "has a value that is not supported");
}

static bool is_rope_type(const struct json_token *keys, uint32_t count) {
    return count == 2 && json_is(keys[0], "rope_scaling") &&
           (json_is(keys[1], "type") || json_is(keys[1], "rope_type"));
}

/* A scalar under this path. */
static swarm_status config_scalar(struct config_walk *walk, const struct json_token *keys,
                                  uint32_t count, struct json_token token) {
    if (is_rope_type(keys, count)) {
        walk->is_yarn = token.kind == JSON_STRING && json_is(token, "yarn");
        if (!walk->is_yarn && token.kind != JSON_NULL &&
            !(token.kind == JSON_STRING && json_is(token, "default"))) {
            return refuse(walk->error, SWARM_E_UNSUPPORTED, "rope_scaling.type",
                          "only yarn and default are supported");
        }
        return SWARM_OK;
    }
    for (uint32_t i = 0; i < FIELDS; i++) {
        if (path_is(keys, count, fields[i].path)) {
            return config_value(walk, &fields[i], token);
        }
    }
    for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (path_is(keys, count, refusals[i].path)) {
            return config_refusal(walk, i, token);
        }
    }
    return SWARM_OK;
}

/* What opens under the key at hand: arrays and objects of no interest are read over. */
static bool config_is_of_interest(struct config_walk *walk, struct json_token token) {
    const struct json_token *key = &walk->keys[walk->json.depth - 2];

    if (token.kind != JSON_OBJECT || walk->json.depth > PATH_MAX_KEYS) {
        return false;
    }
    if (walk->json.depth == 2 && json_is(*key, "text_config")) {
        walk->has_nested = true;
        return walk->is_nested;
    }
    return walk->json.depth != 2 || !walk->is_nested;
}

/* The first number of the array at hand stands for it: eos_token_id may be a list. */
static swarm_status config_array(struct config_walk *walk, uint32_t skipped, uint32_t count) {
    struct json_token first = json_next(&walk->json);
    const struct json_token *keys = walk->keys + skipped;
    swarm_status status = SWARM_OK;

    if (first.kind == JSON_ARRAY_END) {
        return SWARM_OK;
    }
    if (first.kind == JSON_NUMBER && path_is(keys, count, "eos_token_id")) {
        status = config_scalar(walk, keys, count, first);
    }
    if (!json_skip(&walk->json, first)) {
        return SWARM_E_CORRUPT;
    }
    return status != SWARM_OK || json_skip(&walk->json, (struct json_token){.kind = JSON_ARRAY})
               ? status
               : SWARM_E_CORRUPT;
}

/* Makes the newer name the older one, so that each path stands in the tables once. */
static struct json_token config_key(struct json_token token) {
    static const char older[] = "rope_scaling";

    if (json_is(token, "rope_parameters")) {
        return (struct json_token){(const unsigned char *)older, sizeof older - 1, JSON_KEY};
    }
    return token;
}

/* One token of a walk. */
static swarm_status config_token(struct config_walk *walk, struct json_token token) {
    uint32_t depth = walk->json.depth, skipped = walk->is_nested;

    if (token.kind == JSON_KEY) {
        walk->keys[depth - 1] = config_key(token);
        return SWARM_OK;
    }
    if (token.kind == JSON_OBJECT_END || token.kind == JSON_END) {
        return SWARM_OK;
    }
    if (depth == 0 || (token.kind == JSON_OBJECT && depth == 1)) {
        return token.kind == JSON_OBJECT ? SWARM_OK : SWARM_E_CORRUPT;
    }
    if (token.kind == JSON_ARRAY && depth >= 2) {
        return config_array(walk, skipped, depth - 1 >= skipped ? depth - 1 - skipped : 0);
    }
    if (token.kind == JSON_OBJECT) {
        return config_is_of_interest(walk, token) || json_skip(&walk->json, token)
                   ? SWARM_OK
                   : SWARM_E_CORRUPT;
    }
    if (depth <= skipped || token.kind == JSON_BAD) {
        return token.kind == JSON_BAD ? SWARM_E_CORRUPT : SWARM_OK;
    }
    return config_scalar(walk, walk->keys + skipped, depth - skipped, token);
}

static swarm_status config_walk_once(struct config_walk *walk, const void *bytes, size_t size,
                                     bool is_nested) {
    struct json_token token = {.kind = JSON_NULL};
    swarm_status status = SWARM_OK;

    walk->json = json_begin(bytes, size);
    walk->is_nested = is_nested;
    while (status == SWARM_OK && token.kind != JSON_END) {
        token = json_next(&walk->json);
        status = config_token(walk, token);
    }
    if (status == SWARM_E_CORRUPT) {
        return refuse(walk->error, SWARM_E_CORRUPT, "config.json", "is not a JSON object");
    }
    return status;
}

/* What is refused whoever filled the model. */
static swarm_status model_check(const swarm_moe_model *model, swarm_moe_error *error) {
    const uint32_t counts[] = {model->context, model->vocabulary, model->hidden, model->layers,
                               model->heads,   model->query_rank, model->nope,   model->latent_rank,
                               model->rope,    model->value};
    static const char *const names[] = {
        "max_position_embeddings", "vocab_size",  "hidden_size",      "num_hidden_layers",
        "num_attention_heads",     "q_lora_rank", "qk_nope_head_dim", "kv_lora_rank",
        "qk_rope_head_dim",        "v_head_dim"};

    for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i] == 0 || counts[i] > DIMENSION_MAX) {
            return refuse(error, SWARM_E_INVALID, names[i], "is out of range");
        }
    }
    if (model->hidden > 1u << 20 || model->layers > 4096 || model->heads > 4096 ||
        model->rope % 2 != 0 || model->nope + model->rope > 4096 || model->value > 4096) {
        return refuse(error, SWARM_E_INVALID, "hidden_size, layers and heads", "are out of range");
    }
    if (!(model->norm_epsilon >= 0 && model->norm_epsilon < 1) || !(model->rope_theta > 1) ||
        !(model->router_scale >= 0 && model->router_scale < 1e6)) {
        return refuse(error, SWARM_E_INVALID, "rms_norm_eps, rope_theta, routed_scaling_factor",
                      "are out of range");
    }
    if (model->rope_factor != 0 && (!(model->rope_factor >= 1) || model->rope_original == 0 ||
                                    !(model->rope_beta_slow > 0) || !(model->rope_beta_fast > 0))) {
        return refuse(error, SWARM_E_INVALID, "rope_scaling", "is incomplete or out of range");
    }
    return SWARM_OK;
}

static swarm_status model_check_experts(const swarm_moe_model *model, swarm_moe_error *error) {
    uint32_t in_group;

    if (model->dense_layers != 0 &&
        (model->dense_inner == 0 || model->dense_inner > DIMENSION_MAX)) {
        return refuse(error, SWARM_E_INVALID, "intermediate_size", "is out of range");
    }
    if (model->dense_layers >= model->layers) {
        return SWARM_OK; /* nobody looks at the experts */
    }
    if (model->experts == 0 || model->experts > 65535 || model->expert_inner == 0 ||
        model->expert_inner > 1u << 20 || model->experts_shared > 64) {
        return refuse(error, SWARM_E_INVALID, "n_routed_experts, moe_intermediate_size",
                      "are out of range");
    }
    if (model->groups == 0 || model->experts % model->groups != 0 ||
        (model->groups > 1 && model->experts / model->groups < 2)) {
        return refuse(error, SWARM_E_INVALID, "n_group",
                      "does not divide the experts into groups of two and more");
    }
    in_group = model->experts / model->groups;
    if (model->groups_chosen == 0 || model->groups_chosen > model->groups) {
        return refuse(error, SWARM_E_INVALID, "topk_group", "is out of range");
    }
    if (model->experts_chosen == 0 || model->experts_chosen > in_group * model->groups_chosen ||
        model->experts_chosen > 256) {
        return refuse(error, SWARM_E_INVALID, "num_experts_per_tok", "is out of range");
    }
    return SWARM_OK;
}

swarm_status swarm_moe_config_read(const void *bytes, size_t size, swarm_moe_model *out_model,
                                   swarm_moe_error *out_error) {
    swarm_moe_model model = {.rope_theta = 10000,
                             .rope_beta_fast = 32,
                             .rope_beta_slow = 1,
                             .rope_mscale = 1,
                             .groups = 1,
                             .groups_chosen = 1,
                             .begin_token = SWARM_NONE,
                             .end_token = SWARM_NONE};
    struct config_walk walk = {.model = &model, .error = out_error};
    swarm_status status;

    if (bytes == NULL || out_model == NULL) {
        return refuse(out_error, SWARM_E_INVALID, "config.json", "no bytes, or no place");
    }
    status = config_walk_once(&walk, bytes, size, false);
    if (status == SWARM_OK && walk.has_nested) {
        status = config_walk_once(&walk, bytes, size, true);
    }
    for (uint32_t i = 0; status == SWARM_OK && i < FIELDS; i++) {
        if (fields[i].is_required && (walk.seen >> i & 1) == 0) {
            return refuse(out_error, SWARM_E_MISSING, fields[i].path, "is missing");
        }
    }
    if (!walk.is_yarn) {
        model.rope_factor = 0;
    } else if (status == SWARM_OK && model.rope_factor == 0) {
        return refuse(out_error, SWARM_E_MISSING, "rope_scaling.factor", "is missing");
    }
    status = status == SWARM_OK ? model_check(&model, out_error) : status;
    status = status == SWARM_OK ? model_check_experts(&model, out_error) : status;
    if (status == SWARM_OK) {
        *out_model = model;
    }
    return status;
}

#endif
