/* SPDX-License-Identifier: MIT */
/*
 * test_moe.h - opens the tiny models of ../shared/moe with their expected values.
 *
 * Expected logits, residuals, latents and choices are float64 results of another implementation,
 * checked against a third (its README says how). Without the folder, tests skip.
 */
#ifndef SWARM_TESTS_TEST_MOE_H
#define SWARM_TESTS_TEST_MOE_H

#include "../backends/moe/swarm_moe.h"
#include "test.h"

#define MOE_FOLDER "../shared/moe/"
#define MOE_NO_DATA "needs ../shared/moe"

struct moe_file {
    unsigned char *bytes;
    size_t size;
    void *index;
};

struct moe_model {
    swarm_moe_model config;
    struct moe_file weights, expect;
    void *memory;
    swarm_moe *moe;
};

static const char *const moe_names[] = {"bf16", "int4", "grouped"};
/* Relative L2 of a sequence's logits that is allowed on the CPU. */
static const double moe_allowed[] = {3e-6, 1e-4, 3e-6};

/* Null when there is no such file. */
static inline unsigned char *moe_bytes(const char *folder, const char *name, size_t *out_size) {
    char path[512];
    unsigned char *bytes = NULL;
    FILE *file;

    snprintf(path, sizeof path, MOE_FOLDER "%s%s", folder, name);
    file = fopen(path, "rb");
    *out_size = 0;
    if (file != NULL) {
        fseek(file, 0, SEEK_END);
        *out_size = (size_t)ftell(file);
        rewind(file);
        bytes = malloc(*out_size + 1);
        if (bytes == NULL || fread(bytes, 1, *out_size, file) != *out_size) {
            abort();
        }
        fclose(file);
    }
    return bytes;
}

static inline bool moe_file_open(struct moe_file *file, const char *folder, const char *name) {
    size_t size = 0;

    file->bytes = moe_bytes(folder, name, &file->size);
    file->index = NULL;
    if (file->bytes == NULL) {
        return false;
    }
    CHECK_EQ(swarm_moe_file_size(file->bytes, file->size, &size), SWARM_OK);
    file->index = malloc(size);
    CHECK_EQ(swarm_moe_file_open(file->bytes, file->size, file->index, size, NULL), SWARM_OK);
    return true;
}

static inline void moe_file_close(struct moe_file *file) {
    free(file->bytes);
    free(file->index);
}

/* The files of model `name`, not yet opened as a swarm_moe; false when there are none. */
static inline bool moe_load(struct moe_model *model, const char *name) {
    char folder[64];
    size_t size;
    unsigned char *config;

    *model = (struct moe_model){.memory = NULL};
    snprintf(folder, sizeof folder, "%s/", name);
    config = moe_bytes(folder, "config.json", &size);
    if (config == NULL || !moe_file_open(&model->weights, folder, "model.safetensors") ||
        !moe_file_open(&model->expect, folder, "expect.safetensors")) {
        return false;
    }
    CHECK_EQ(swarm_moe_config_read(config, size, &model->config, NULL), SWARM_OK);
    free(config);
    return true;
}

/* Opens it with these limits; what the spec leaves open about the model is filled in. */
static inline bool moe_open(struct moe_model *model, swarm_moe_spec spec) {
    swarm_moe_error error = {.name = ""};
    size_t size = 0;
    swarm_status status;

    spec.size = sizeof spec;
    spec.model = &model->config;
    spec.lookup = spec.lookup == NULL ? swarm_moe_file_find : spec.lookup;
    spec.lookup_context = spec.lookup_context == NULL ? model->weights.index : spec.lookup_context;
    status = swarm_moe_size(&spec, &size, &error);
    if (status == SWARM_OK) {
        model->memory = aligned_alloc(64, size);
        status = swarm_moe_open(&spec, model->memory, size, &model->moe, &error);
    }
    if (status != SWARM_OK) {
        printf("# %s: %s\n", error.name, error.text == NULL ? "" : error.text);
    }
    CHECK_EQ(status, SWARM_OK);
    return status == SWARM_OK;
}

static inline void moe_shut(struct moe_model *model) {
    CHECK_EQ(swarm_moe_close(model->moe), SWARM_OK);
    free(model->memory);
    model->memory = NULL;
    model->moe = NULL;
}

static inline void moe_unload(struct moe_model *model) {
    moe_file_close(&model->weights);
    moe_file_close(&model->expect);
}

/* An expected tensor; `name` has one %s for the sequence. */
static inline swarm_moe_tensor moe_expect(const struct moe_model *model, const char *name) {
    swarm_moe_tensor tensor = {.data = NULL};

    CHECK(swarm_moe_file_find(model->expect.index, name, &tensor));
    return tensor;
}

static inline int32_t moe_i32(const void *data, uint64_t i) {
    int32_t value;

    memcpy(&value, (const unsigned char *)data + 4 * i, sizeof value);
    return value;
}

static inline double moe_f64(const void *data, uint64_t i) {
    double value;

    memcpy(&value, (const unsigned char *)data + 8 * i, sizeof value);
    return value;
}

static inline float moe_f32(const void *data, uint64_t i) {
    float value;

    memcpy(&value, (const unsigned char *)data + 4 * i, sizeof value);
    return value;
}

/* One of the expected sequences a to d, with room for what we compute. */
struct moe_case {
    int32_t *tokens; /* prompt and greedy tokens */
    int32_t *answer;
    float *logits;
    const void *expected; /* float64 rows */
    uint32_t prompt, fresh, vocabulary;
    swarm_moe_prompt request;
};

static inline struct moe_case moe_case_open(const struct moe_model *model, char letter) {
    char name[64];
    struct moe_case c = {.vocabulary = model->config.vocabulary};
    swarm_moe_tensor tokens, counts;

    snprintf(name, sizeof name, "seq.%c.tokens", letter);
    tokens = moe_expect(model, name);
    snprintf(name, sizeof name, "seq.%c.counts", letter);
    counts = moe_expect(model, name);
    snprintf(name, sizeof name, "seq.%c.logits", letter);
    c.expected = moe_expect(model, name).data;
    c.prompt = (uint32_t)moe_i32(counts.data, 0);
    c.fresh = (uint32_t)moe_i32(counts.data, 1);
    c.tokens = calloc(c.prompt + c.fresh, sizeof *c.tokens);
    c.answer = calloc(c.fresh, sizeof *c.answer);
    c.logits = calloc((size_t)(c.prompt + c.fresh) * c.vocabulary, sizeof *c.logits);
    for (uint32_t i = 0; i < c.prompt + c.fresh; i++) {
        c.tokens[i] = moe_i32(tokens.data, i);
    }
    c.request = (swarm_moe_prompt){.size = sizeof c.request,
                                   .tokens = c.tokens,
                                   .tokens_count = c.prompt,
                                   .new_max = c.fresh,
                                   .out_tokens = c.answer,
                                   .out_logits = c.logits,
                                   .flags = SWARM_MOE_GO_ON};
    return c;
}

static inline void moe_case_close(struct moe_case *c) {
    free(c->tokens);
    free(c->answer);
    free(c->logits);
}

/* The squared relative distance of `count` floats from the expected doubles. */
static inline double moe_distance(const float *found, const void *expected, uint64_t first,
                                  uint64_t count) {
    double above = 0, below = 0;

    for (uint64_t i = 0; i < count; i++) {
        double want = moe_f64(expected, first + i), gap = (double)found[i] - want;

        above += gap * gap;
        below += want * want;
    }
    return above / below;
}

/* Runs ticks until nothing is left to do; false when that takes too many. */
static inline bool moe_run(swarm_moe *moe) {
    swarm_status status = SWARM_OK;

    for (uint32_t i = 0; i < 1000000 && (status == SWARM_OK || status == SWARM_E_AGAIN); i++) {
        status = swarm_moe_tick(moe, NULL);
    }
    CHECK_EQ(status, SWARM_E_MISSING);
    return status == SWARM_E_MISSING;
}

/* Checks what was computed for a case against the expected logits and tokens. */
static inline void moe_case_check(const struct moe_case *c, double allowed) {
    uint32_t rows = c->prompt + c->fresh - 1, width = c->vocabulary;

    CHECK(moe_distance(c->logits, c->expected, 0, (uint64_t)rows * width) <= allowed * allowed);
    CHECK(memcmp(c->answer, c->tokens + c->prompt, c->fresh * sizeof *c->answer) == 0);
}

#endif
