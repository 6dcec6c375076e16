/* SPDX-License-Identifier: MIT */
/*
 * generate_model.h - opens a model folder for generate.c: files, memory, threads, device.
 *
 * The library reads no file and takes no memory by itself: here is a caller who brings both.
 */
#ifndef SWARM_EXAMPLES_GENERATE_MODEL_H
#define SWARM_EXAMPLES_GENERATE_MODEL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/moe/swarm_moe.h"
#include "backends/moe/swarm_moe_emulated.h"
#include "swarm.h"

enum device { DEVICE_CPU, DEVICE_CUDA, DEVICE_EMULATED };

struct options {
    const char *model;
    const char *logits; /* file to write, or null */
    int32_t *tokens;
    uint32_t tokens_count;
    uint32_t new_max;
    uint32_t batch;
    uint32_t agents;
    uint32_t threads;
    enum device device;
    bool json;
    bool fleet;
};

struct bytes {
    unsigned char *data;
    size_t size;
};

struct model {
    swarm_moe_model config;
    swarm_moe *moe;
    swarm *crew;
    struct bytes config_file, weights;
    void *index;
    void *memory;
    void *emulated;
    swarm_moe_driver driver;
    swarm_moe_error error;
};

static uint64_t now(void) {
    const swarm_host *host = swarm_host_default();

    return host == NULL || host->clock == NULL ? 0 : host->clock(host->context);
}

/* Notes what an error is about, unless that is known better. */
static swarm_status fail(struct model *model, swarm_status status, const char *name) {
    if (status != SWARM_OK && model->error.text == NULL) {
        model->error.status = status;
        model->error.text = swarm_status_text(status);
        snprintf(model->error.name, sizeof model->error.name, "%.120s", name);
    }
    return status;
}

static void print_escaped(const char *text) {
    for (; *text != 0; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\') {
            putchar('\\');
        }
        putchar(byte < 0x20 ? '?' : byte);
    }
}

/* The status on stderr; with --json the object too. */
static void report(const struct model *model, const struct options *options, swarm_status status) {
    const swarm_moe_error *error = &model->error;

    fprintf(stderr, "generate: %" PRId32 ": %s: %s\n", status, error->name, error->text);
    if (error->expected[0] != 0) {
        fprintf(stderr,
                "generate: expected %" PRIu64 " x %" PRIu64 ", found %" PRIu64 " x %" PRIu64 "\n",
                error->expected[0], error->expected[1], error->found[0], error->found[1]);
    }
    if (options->json) {
        printf("{\"tokens\":[],\"cached_tokens\":0,\"ns_per_token\":0,\"error\":\"");
        print_escaped(error->name);
        printf(": ");
        print_escaped(error->text);
        printf("\"}\n");
    }
}

static swarm_status file_read(struct model *model, const char *folder, const char *name,
                              struct bytes *out_bytes) {
    char path[4096];
    FILE *file;
    long size = -1; /* what ftell gives */
    bool good;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
    }
    good = size >= 0 && fseek(file, 0, SEEK_SET) == 0;
    out_bytes->data = good ? malloc((size_t)size + 1) : NULL;
    out_bytes->size = (size_t)size;
    good = out_bytes->data != NULL && fread(out_bytes->data, 1, (size_t)size, file) == (size_t)size;
    if (file != NULL) {
        fclose(file);
    }
    return good ? SWARM_OK : fail(model, SWARM_E_MISSING, path);
}

static swarm_status files_open(struct model *model, const struct options *options) {
    swarm_status status = file_read(model, options->model, "config.json", &model->config_file);
    size_t size = 0;

    if (status == SWARM_OK) {
        status = swarm_moe_config_read(model->config_file.data, model->config_file.size,
                                       &model->config, &model->error);
    }
    if (status == SWARM_OK) {
        status = file_read(model, options->model, "model.safetensors", &model->weights);
    }
    if (status == SWARM_OK) {
        status = swarm_moe_file_size(model->weights.data, model->weights.size, &size);
        status = fail(model, status, "model.safetensors");
    }
    if (status == SWARM_OK) {
        model->index = malloc(size);
        status = swarm_moe_file_open(model->weights.data, model->weights.size, model->index, size,
                                     &model->error);
    }
    return status;
}

/* Threads for the tick's work: a swarm of call steps alone. */
static swarm_status crew_open(struct model *model, const struct options *options) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = SWARM_NEVER,
                                 .workers_max = options->threads,
                                 .runs_max = 2,
                                 .flags = SWARM_CONFIG_STATIC};

    return options->threads == 1 ? SWARM_OK
                                 : fail(model, swarm_new(&config, &model->crew), "--threads");
}

/* Room for the whole command: its sequences, their tokens and pages. */
static swarm_moe_spec spec_of(struct model *model, const struct options *options) {
    uint32_t sequences = options->fleet ? options->agents : options->batch;
    uint32_t longest = options->tokens_count + options->new_max + 1;

    return (swarm_moe_spec){
        .size = sizeof(swarm_moe_spec),
        .model = &model->config,
        .lookup = swarm_moe_file_find,
        .lookup_context = model->index,
        .crew = model->crew,
        .crew_workers = options->threads - 1,
        .sequences_max = sequences,
        .context_max = longest < model->config.context ? longest : model->config.context,
        .page_tokens = options->fleet ? 16 : 64,
    };
}

/* A GPU made of C, with memory enough for the model. */
static swarm_status emulated_open(struct model *model) {
    const swarm_moe_emulated_spec spec = {
        .memory = (UINT64_C(256) << 20) + 6 * (uint64_t)model->weights.size, .seed = 1};
    const swarm_moe_driver *driver;

    model->emulated = aligned_alloc(64, swarm_moe_emulated_size(&spec));
    driver = swarm_moe_emulated_open(&spec, model->emulated);
    if (driver == NULL) {
        return fail(model, SWARM_E_FULL, "memory");
    }
    model->driver = *driver;
    return SWARM_OK;
}

/* The GPU of this machine, with the kernels that nvcc made. */
static swarm_status cuda_open(struct model *model) {
    swarm_status status = swarm_moe_driver_load(&model->driver, &model->error);

#ifdef SWARM_MOE_IMAGE
    extern const unsigned char swarm_moe_image[];

    model->driver.image = swarm_moe_image;
#endif
    return status;
}

static swarm_status device_open(struct model *model, const struct options *options) {
    return options->device == DEVICE_CPU        ? SWARM_OK
           : options->device == DEVICE_EMULATED ? emulated_open(model)
                                                : cuda_open(model);
}

static swarm_status model_open(struct model *model, const struct options *options) {
    swarm_status status = files_open(model, options);
    swarm_moe_spec spec;
    size_t size = 0;

    status = status == SWARM_OK ? device_open(model, options) : status;
    status = status == SWARM_OK ? crew_open(model, options) : status;
    if (status != SWARM_OK) {
        return status;
    }
    spec = spec_of(model, options);
    spec.driver = options->device == DEVICE_CPU ? NULL : &model->driver;
    status = swarm_moe_size(&spec, &size, &model->error);
    if (status == SWARM_OK) {
        model->memory = aligned_alloc(64, size);
        status = swarm_moe_open(&spec, model->memory, model->memory == NULL ? 0 : size, &model->moe,
                                &model->error);
    }
    return status;
}

static void model_close(struct model *model) {
    (void)swarm_moe_close(model->moe);
    (void)swarm_free(model->crew);
    free(model->emulated);
    free(model->memory);
    free(model->index);
    free(model->weights.data);
    free(model->config_file.data);
}

#endif
