/* SPDX-License-Identifier: MIT */
/*
 * generate.c - token ids in, token ids out: a mixture-of-experts model in process.
 *
 *     generate --model DIR --tokens 1,2,3 --max-new N [--device cpu|cuda|emulated] [--batch B]
 *              [--threads T] [--logits FILE] [--json]
 *     generate --model DIR --tokens 1,2,3 --max-new N --fleet [--agents A] [--json] ...
 *
 * DIR holds config.json and model.safetensors. Greedy; always N new tokens, whatever ends a text in
 * this model's vocabulary. --batch runs the prompt B times in one batch
 * and demands B equal answers. --logits writes little-endian float32 rows of vocabulary size, one
 * for each token but the last new one. --fleet lets 300 agents continue the prompt, each with a
 * token of its own behind it, under the scheduler: they share the prompt's pages.
 * Prints the tokens, prompt and new, or a JSON object. Exit 0; 1 with the status on stderr; 2 for
 * wrong usage.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate_fleet.h"
#include "generate_model.h"

static int usage(const char *what) {
    fprintf(stderr,
            "generate: %s\n"
            "usage: generate --model DIR --tokens 1,2,3 --max-new N [--device cpu|cuda|emulated]\n"
            "                [--batch B] [--threads T] [--logits FILE] [--json]\n"
            "                [--fleet [--agents A]]\n",
            what);
    return 2;
}

/* A count from 1 to 2^31 - 1; false otherwise. */
static bool read_count(const char *text, uint32_t *out_count) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    *out_count = (uint32_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && value >= 1 && value < 1ull << 31;
}

/* A comma list of token ids. */
static bool read_tokens(const char *text, struct options *options) {
    size_t room = strlen(text) / 2 + 1;

    options->tokens = malloc(room * sizeof *options->tokens);
    options->tokens_count = 0;
    while (options->tokens != NULL) {
        char *end;
        long long value = strtoll(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || value > INT32_MAX) {
            return false;
        }
        options->tokens[options->tokens_count++] = (int32_t)value;
        if (*end == 0) {
            return true;
        }
        if (*end != ',') {
            return false;
        }
        text = end + 1;
    }
    return false;
}

static bool read_device(const char *text, struct options *options) {
    static const char *const names[] = {"cpu", "cuda", "emulated"};

    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            options->device = (enum device)i;
            return true;
        }
    }
    return false;
}

/* An option with a value; false when either is wrong. */
static bool read_option(const char *name, const char *value, struct options *options) {
    if (strcmp(name, "--model") == 0) {
        options->model = value;
        return true;
    }
    if (strcmp(name, "--logits") == 0) {
        options->logits = value;
        return true;
    }
    if (strcmp(name, "--tokens") == 0) {
        free(options->tokens);
        return read_tokens(value, options);
    }
    if (strcmp(name, "--device") == 0) {
        return read_device(value, options);
    }
    if (strcmp(name, "--max-new") == 0) {
        return read_count(value, &options->new_max);
    }
    if (strcmp(name, "--batch") == 0) {
        return read_count(value, &options->batch) && options->batch <= 4096;
    }
    if (strcmp(name, "--agents") == 0) {
        return read_count(value, &options->agents) && options->agents <= 4096;
    }
    return strcmp(name, "--threads") == 0 && read_count(value, &options->threads) &&
           options->threads <= 256;
}

/* Null, or what is wrong with the command line. */
static const char *read_options(int count, char **arguments, struct options *options) {
    *options = (struct options){.batch = 1, .threads = 1, .agents = 300};
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(arguments[i], "--fleet") == 0) {
            options->fleet = true;
        } else if (i + 1 == count) {
            return arguments[i];
        } else if (!read_option(arguments[i], arguments[i + 1], options)) {
            return arguments[i];
        } else {
            i++;
        }
    }
    if (options->model == NULL || options->tokens == NULL || options->new_max == 0) {
        return "--model, --tokens and --max-new are needed";
    }
    if (options->fleet && options->logits != NULL) {
        return "--logits goes without --fleet";
    }
    return NULL;
}

/* ---- a batch of one prompt */

struct batch {
    swarm_moe_sequence sequences[4096];
    int32_t *answers; /* new_max each */
    float *logits;
    uint64_t ns;
    uint32_t cached;
    uint32_t new_tokens;
};

static swarm_status add_all(struct model *model, const struct options *options,
                            swarm_moe_prompt *prompts, struct batch *batch) {
    for (uint32_t i = 0; i < options->batch; i++) {
        swarm_status status;

        prompts[i] =
            (swarm_moe_prompt){.size = sizeof prompts[i],
                               .tokens = options->tokens,
                               .tokens_count = options->tokens_count,
                               .new_max = options->new_max,
                               .flags = SWARM_MOE_GO_ON,
                               .out_logits = i == 0 ? batch->logits : NULL,
                               .out_tokens = batch->answers + (size_t)i * options->new_max};
        status = swarm_moe_add(model->moe, &prompts[i], &batch->sequences[i]);
        if (status != SWARM_OK) {
            return fail(model, status, "--tokens");
        }
    }
    return SWARM_OK;
}

/* All sequences must have ended well and alike. */
static swarm_status compare_all(struct model *model, const struct options *options,
                                struct batch *batch) {
    for (uint32_t i = 0; i < options->batch; i++) {
        swarm_moe_info info;
        swarm_status status = swarm_moe_sequence_get(model->moe, batch->sequences[i], &info);

        if (status == SWARM_OK && info.outcome != SWARM_OUTCOME_OK) {
            status = SWARM_E_FAILED;
        }
        if (status == SWARM_OK && i == 0) {
            batch->new_tokens = info.new_tokens;
            batch->cached = info.cached_tokens;
        }
        if (status == SWARM_OK &&
            (info.new_tokens != batch->new_tokens ||
             memcmp(batch->answers, batch->answers + (size_t)i * options->new_max,
                    info.new_tokens * sizeof(int32_t)) != 0)) {
            status = SWARM_E_MISMATCH;
        }
        if (status != SWARM_OK) {
            return fail(model, status, "sequence");
        }
    }
    return SWARM_OK;
}

static swarm_status run_batch(struct model *model, const struct options *options,
                              struct batch *batch) {
    size_t rows = (size_t)options->tokens_count + options->new_max - 1;
    swarm_moe_prompt *prompts = calloc(options->batch, sizeof *prompts);
    swarm_status status = SWARM_OK;
    uint64_t start;

    batch->answers = calloc((size_t)options->batch * options->new_max, sizeof(int32_t));
    if (options->logits != NULL) {
        batch->logits = calloc(rows * model->config.vocabulary, sizeof(float));
    }
    if (prompts == NULL || batch->answers == NULL ||
        (options->logits != NULL && batch->logits == NULL)) {
        status = fail(model, SWARM_E_FULL, "memory");
    }
    start = now();
    status = status == SWARM_OK ? add_all(model, options, prompts, batch) : status;
    while (status == SWARM_OK) {
        status = swarm_moe_tick(model->moe, NULL);
        status = status == SWARM_E_AGAIN ? SWARM_OK : status; /* the device is busy */
    }
    batch->ns = now() - start;
    if (status == SWARM_E_MISSING) { /* nothing left to do */
        status = compare_all(model, options, batch);
    }
    free(prompts);
    return status;
}

static swarm_status write_logits(struct model *model, const struct options *options,
                                 const struct batch *batch) {
    size_t rows = (size_t)options->tokens_count + batch->new_tokens - 1;
    size_t count = rows * model->config.vocabulary;
    FILE *file = options->logits == NULL ? NULL : fopen(options->logits, "wb");
    bool good = file != NULL;

    if (options->logits == NULL) {
        return SWARM_OK;
    }
    for (size_t i = 0; good && i < count; i++) {
        unsigned char bytes[4];
        uint32_t bits;

        memcpy(&bits, &batch->logits[i], 4);
        for (uint32_t k = 0; k < 4; k++) {
            bytes[k] = (unsigned char)(bits >> 8 * k);
        }
        good = fwrite(bytes, 4, 1, file) == 1;
    }
    good = file != NULL && fclose(file) == 0 && good;
    return good ? SWARM_OK : fail(model, SWARM_E_UNSUPPORTED, options->logits);
}

static void print_batch(const struct options *options, const struct batch *batch) {
    uint32_t count = options->tokens_count + batch->new_tokens;

    printf(options->json ? "{\"tokens\":[" : "");
    for (uint32_t i = 0; i < count; i++) {
        printf("%s%" PRId32, i == 0 ? "" : ",",
               i < options->tokens_count ? options->tokens[i]
                                         : batch->answers[i - options->tokens_count]);
    }
    if (options->json) {
        printf("],\"cached_tokens\":%" PRIu32 ",\"ns_per_token\":%" PRIu64 ",\"error\":null}",
               batch->cached, batch->ns / ((uint64_t)batch->new_tokens * options->batch));
    }
    printf("\n");
}

int main(int count, char **arguments) {
    static struct batch batch;
    struct options options;
    struct model model = {.moe = NULL};
    const char *wrong = read_options(count, arguments, &options);
    swarm_status status;

    if (wrong != NULL) {
        free(options.tokens);
        return usage(wrong);
    }
    status = model_open(&model, &options);
    if (status == SWARM_OK && options.fleet) {
        status = run_fleet(&model, &options);
    } else if (status == SWARM_OK) {
        status = run_batch(&model, &options, &batch);
        status = status == SWARM_OK ? write_logits(&model, &options, &batch) : status;
        if (status == SWARM_OK) {
            print_batch(&options, &batch);
        }
    }
    if (status != SWARM_OK) {
        report(&model, &options, status);
    }
    model_close(&model);
    free(batch.answers);
    free(batch.logits);
    free(options.tokens);
    return status == SWARM_OK ? 0 : 1;
}
