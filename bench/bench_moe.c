/* SPDX-License-Identifier: MIT */
/*
 * bench_moe.c - one layer of experts on the CPU: router, chosen INT4 experts, shared BF16 expert.
 *
 *     moe-B/swarm/1         B tokens, a layer of 1,024 by 256 with 32 experts
 *     bench_moe --full ...  the width of Kimi-K2 (7,168 by 2,048, top 8 and a shared one) with 24
 *                           experts instead of 384, since each takes 25 MB; B of 4,096 needs 3 GiB
 *
 * The phases of the layer are run as a tick runs them, attention left out, with new activations and
 * so new routing each time. The counter `weights_GBs` is what the chosen experts and the shared one
 * weigh, over the time.
 */
#include <stdlib.h>

#include "../backends/moe/moe.c"
#include "benchmark.h"

enum { SOURCE_BYTES = 96 << 20, LAYER_EXPERTS = 24 };

static unsigned char *source; /* of all weights: random, small, never zero */
static bool is_full;

static bool ends_in(const char *name, const char *ending) {
    size_t a = strlen(name), b = strlen(ending);

    return a >= b && strcmp(name + a - b, ending) == 0;
}

/* The shape of a tensor of the one layer. */
static void shape_of(const swarm_moe_model *model, const char *name, uint64_t out_shape[2]) {
    bool is_down = strstr(name, "down_proj") != NULL;
    uint64_t inner = model->expert_inner;

    out_shape[0] = is_down ? model->hidden : inner;
    out_shape[1] = is_down ? inner : model->hidden;
    if (strstr(name, "_proj.") == NULL || strstr(name, "self_attn") != NULL) {
        out_shape[0] = strstr(name, "mlp.gate") != NULL ? model->experts
                       : strstr(name, "embed") != NULL || strstr(name, "lm_head") != NULL
                           ? model->vocabulary
                           : model->hidden;
        out_shape[1] = model->hidden;
    }
    if (strstr(name, "norm") != NULL) {
        out_shape[1] = 1;
    }
}

/* Attention is one head of 32, only there because a model needs some. */
static void shape_attention(const swarm_moe_model *model, const char *name, uint64_t out_shape[2]) {
    uint64_t hidden = model->hidden;

    if (strstr(name, "q_a_layernorm") != NULL || strstr(name, "kv_a_layernorm") != NULL) {
        out_shape[0] = 32;
    } else if (strstr(name, "o_proj") != NULL) {
        out_shape[0] = hidden;
        out_shape[1] = 32;
    } else if (strstr(name, "_proj") != NULL) {
        bool is_second = strstr(name, "_b_proj") != NULL;

        out_shape[0] = is_second || strstr(name, "kv_a") != NULL ? 64 : 32;
        out_shape[1] = is_second ? 32 : hidden;
    }
}

static bool made_up(void *context, const char *name, swarm_moe_tensor *out_tensor) {
    const swarm_moe_model *model = context;
    uint64_t shape[2], place = tokens_hash(0, (const int32_t[]){(int32_t)strlen(name)}, 1) % 64;
    bool is_routed = strstr(name, "mlp.experts.") != NULL;
    bool is_vector = strstr(name, "norm") != NULL || strstr(name, "bias") != NULL;

    if (!is_routed && strstr(name, "_packed") != NULL) {
        return false;
    }
    shape_of(model, name, shape);
    if (strstr(name, "self_attn") != NULL) {
        shape_attention(model, name, shape);
    }
    if (strstr(name, "bias") != NULL) {
        shape[0] = model->experts;
        shape[1] = 1;
    }
    *out_tensor = (swarm_moe_tensor){.data = source + place * 64,
                                     .size = SOURCE_BYTES - 8192,
                                     .shape = {shape[0], shape[1]},
                                     .type = SWARM_MOE_BF16,
                                     .rank = is_vector ? 1 : 2};
    if (ends_in(name, "weight_packed")) {
        out_tensor->shape[1] = shape[1] / 8;
        out_tensor->type = SWARM_MOE_I32;
    } else if (ends_in(name, "weight_scale")) {
        out_tensor->shape[1] = shape[1] / 32;
    } else if (strstr(name, "shared_experts.up") != NULL) {
        out_tensor->data = source + (SOURCE_BYTES / 3);
        out_tensor->size = SOURCE_BYTES / 3;
    } else if (strstr(name, "shared_experts.down") != NULL) {
        out_tensor->data = source + (SOURCE_BYTES / 3 * 2);
        out_tensor->size = SOURCE_BYTES / 3;
    }
    return true;
}

/* BF16 values of about 2^-6, so that nothing overflows. */
static bool source_make(void) {
    source = source == NULL ? malloc(SOURCE_BYTES) : source;
    for (uint32_t i = 0; source != NULL && i < SOURCE_BYTES / 2; i++) {
        uint64_t draw = mixed(i);
        uint16_t value = (uint16_t)(0x3c00u | (draw & 0x7fu) | (draw >> 8 & 1u) << 15);

        memcpy(source + (size_t)2 * i, &value, 2);
    }
    return source != NULL;
}

static swarm_moe *layer_open(uint32_t rows, void **out_memory) {
    swarm_moe_model model = {.norm_epsilon = 1e-5,
                             .router_scale = 2.827,
                             .rope_theta = 50000,
                             .context = 64,
                             .vocabulary = 32,
                             .hidden = is_full ? 7168 : 1024,
                             .layers = 1,
                             .heads = 1,
                             .query_rank = 32,
                             .latent_rank = 32,
                             .nope = 32,
                             .rope = 32,
                             .value = 32,
                             .experts = is_full ? LAYER_EXPERTS : 32,
                             .experts_chosen = 8,
                             .experts_shared = 1,
                             .expert_inner = is_full ? 2048 : 256,
                             .groups = 1,
                             .groups_chosen = 1};
    const swarm_moe_spec spec = {.size = sizeof spec,
                                 .model = &model,
                                 .lookup = made_up,
                                 .lookup_context = &model,
                                 .sequences_max = 1,
                                 .context_max = 64,
                                 .rows_max = rows};
    swarm_moe_error error = {.name = ""};
    swarm_moe *moe = NULL;
    size_t size = 0;

    if (source_make() && swarm_moe_size(&spec, &size, &error) == SWARM_OK) {
        *out_memory = aligned_alloc(64, size);
        (void)swarm_moe_open(&spec, *out_memory, *out_memory == NULL ? 0 : size, &moe, &error);
    }
    return moe;
}

/* New activations for all rows, from a stream that goes on. */
static void rows_fill(swarm_moe *moe, uint32_t rows, uint64_t *draws) {
    size_t count = (size_t)rows * moe->model.hidden;

    for (size_t i = 0; i < count; i++) {
        uint64_t draw = mixed((*draws)++);

        moe->act.residual[i] = (float)(int32_t)(draw >> 40) / 8388608.0f - 1.0f;
    }
    memset(moe->act.is_bad, 0, rows);
    moe->rows_count = rows;
}

static void layer_run(swarm_moe *moe) {
    for (uint32_t phase = PHASE_NORM_INNER; phase <= PHASE_COMBINE; phase++) {
        uint32_t count = phase_tasks(moe, (enum phase)phase, 0);

        for (uint32_t i = 0; i < count; i++) {
            tick_task(moe, 1 + phase, i, 0);
        }
    }
}

/* What the experts of the last run and the shared one weigh. */
static double weights_of(const swarm_moe *moe) {
    double one = 3.0 * moe->model.hidden * moe->model.expert_inner;
    uint32_t used = 0;

    for (uint32_t e = 0; e < moe->model.experts; e++) {
        used += moe->act.expert_first[e + 1] != moe->act.expert_first[e];
    }
    return one * 2 + used * one * 0.5625;
}

static void body(benchmark_state *state, void *context) {
    uint32_t rows = *(const uint32_t *)context;
    void *memory = NULL;
    swarm_moe *moe = layer_open(rows, &memory);
    uint64_t draws = 0, ns = 0;
    double weights = 0;

    while (moe != NULL && benchmark_keep_running(state)) {
        const swarm_host *host = swarm_host_default();
        uint64_t start;

        rows_fill(moe, rows, &draws);
        start = host->clock(host->context);
        layer_run(moe);
        start = host->clock(host->context) - start;
        benchmark_set_time(state, start);
        ns += start;
        weights += weights_of(moe);
        if (!row_is_finite(moe->act.residual, moe->model.hidden)) {
            benchmark_fail(state, "a row is not finite");
        }
    }
    if (moe == NULL) {
        benchmark_fail(state, "no memory");
    }
    benchmark_set_steps(state, rows);
    benchmark_set_counter(state, "weights_GBs", ns == 0 ? 0 : weights / (double)ns);
    free(memory);
}

int main(int argc, char **argv) {
    static uint32_t rows[] = {1, 8, 64, 300, 4096};
    static const char *const names[] = {"moe-1/swarm/1", "moe-8/swarm/1", "moe-64/swarm/1",
                                        "moe-300/swarm/1", "moe-4096/swarm/1"};
    int result;

    if (argc > 1 && strcmp(argv[1], "--full") == 0) {
        is_full = true;
        argv[1] = argv[0];
        argc--;
        argv++;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const benchmark_spec spec = {
            .name = names[i], .body = body, .context = &rows[i], .manual_time = true};

        benchmark_add(&spec);
    }
    result = benchmark_main(argc, argv);
    free(source);
    return result;
}
