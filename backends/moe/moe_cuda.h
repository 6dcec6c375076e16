/* SPDX-License-Identifier: MIT */
/*
 * moe_cuda.h - the host's half of the GPU: opening, launching a tick, asking for it, closing.
 *
 * Everything goes through the driver table; the context is the device's primary one, pushed and
 * popped around every entry, so nothing stays current. A tick is a list of launches on one stream
 * and an event behind them; nobody waits for it, the event is asked.
 *
 * Invariant: what `has_*` names is to be given back, in reverse order, also when a call fails on
 * the way. After a code that loses the context (`is_lost`) nothing but giving back is called.
 * Memory: host buffers from the block of the swarm_moe. Threads: the owner's.
 * Source: CUDA driver API reference, error codes.
 */
#ifndef SWARM_MOE_CUDA_H
#define SWARM_MOE_CUDA_H

#include "moe_device.h"

#define DRIVER_OLDEST 12000
#define CUDA_OUT_OF_MEMORY 2
#define CUDA_NO_KERNEL_IMAGE 209
#define CUDA_NOT_READY 600

/* ---- opening and closing */

/* Gives back whatever there is, in reverse order. */
static void device_close(struct moe_device *device) {
    const swarm_moe_driver *driver = &device->driver;

    if (device->has_context && gpu_enter(device)) {
        if (device->has_stream) {
            (void)driver->stream_wait(device->stream);
        }
        gpu_leave(device);
    }
    if (device->has_event) {
        (void)driver->event_destroy(device->event);
    }
    if (device->has_stream) {
        (void)driver->stream_destroy(device->stream);
    }
    if (device->has_memory) {
        (void)driver->memory_free(device->memory);
    }
    if (device->has_module) {
        (void)driver->module_unload(device->module);
    }
    if (device->has_context) {
        (void)driver->context_release(device->index);
    }
    device->has_event = device->has_stream = device->has_memory = false;
    device->has_module = device->has_context = false;
}

/* What a failure while opening is called. */
static swarm_status device_refuse(struct moe_device *device, swarm_moe_error *error,
                                  const char *what) {
    int32_t code = device->code;

    if (code == CUDA_NO_KERNEL_IMAGE) {
        return refuse(error, SWARM_E_UNSUPPORTED, what,
                      "the driver has no kernels for this GPU: build moe_gpu.cu for it");
    }
    if (code == CUDA_OUT_OF_MEMORY) {
        return refuse(error, SWARM_E_FULL, what,
                      "out of device memory: fewer pages or rows, or another GPU");
    }
    return refuse(error, SWARM_E_FAILED, what, "the driver refused");
}

static bool driver_is_whole(const swarm_moe_driver *driver) {
    return driver->init != NULL && driver->driver_version != NULL && driver->device_count != NULL &&
           driver->device_get != NULL && driver->context_retain != NULL &&
           driver->context_release != NULL && driver->context_push != NULL &&
           driver->context_pop != NULL && driver->memory_allocate != NULL &&
           driver->memory_free != NULL && driver->copy_in != NULL && driver->copy_out != NULL &&
           driver->clear != NULL && driver->stream_create != NULL &&
           driver->stream_destroy != NULL && driver->stream_wait != NULL &&
           driver->event_create != NULL && driver->event_destroy != NULL &&
           driver->event_record != NULL && driver->event_query != NULL &&
           driver->module_load != NULL && driver->module_unload != NULL &&
           driver->module_function != NULL && driver->launch != NULL;
}

/* Library, version, device, context: each reason has its own status. */
static swarm_status device_begin(struct moe_device *device, swarm_moe_error *error) {
    const swarm_moe_driver *driver = &device->driver;
    int32_t version = 0, count = 0;

    if (driver->size != sizeof *driver || !driver_is_whole(driver)) {
        return refuse(error, SWARM_E_INVALID, "driver", "its table has holes");
    }
    if (driver->image == NULL) {
        return refuse(error, SWARM_E_UNSUPPORTED, "driver.image",
                      "there are no kernels: moe_gpu.cu was not built");
    }
    if (!gpu_did(device, driver->init(0)) || !gpu_did(device, driver->driver_version(&version))) {
        return device_refuse(device, error, "cuInit");
    }
    if (version < DRIVER_OLDEST) {
        return refuse(error, SWARM_E_MISMATCH, "driver", "is too old: 12.0 or later is needed");
    }
    if (!gpu_did(device, driver->device_count(&count)) || count < 1) {
        return refuse(error, SWARM_E_FAILED, "device", "there is none");
    }
    if (!gpu_did(device, driver->device_get(&device->index, 0)) ||
        !gpu_did(device, driver->context_retain(&device->context, device->index))) {
        return device_refuse(device, error, "device");
    }
    device->has_context = true;
    return SWARM_OK;
}

#define KERNEL_NAME(name) "swarm_moe_" #name,

/* Kernels, stream, event, memory; inside the context. */
static swarm_status device_fill(swarm_moe *moe, swarm_moe_error *error) {
    static const char *const names[] = {GPU_KERNELS(KERNEL_NAME)};
    struct moe_device *device = moe->device;
    const swarm_moe_driver *driver = &device->driver;
    struct carver carver = {.block = NULL};
    uint64_t clear;

    device->has_module = gpu_did(device, driver->module_load(&device->module, driver->image));
    for (uint32_t i = 0; device->code == 0 && i < KERNELS; i++) {
        (void)gpu_did(device,
                      driver->module_function(&device->kernels[i], device->module, names[i]));
    }
    if (device->code != 0) {
        return device_refuse(device, error, "driver.image");
    }
    device->has_stream = gpu_did(device, driver->stream_create(&device->stream, 1));
    device->has_event =
        device->has_stream && gpu_did(device, driver->event_create(&device->event, 2));
    (void)place_all(device, &carver, moe);
    device->memory_bytes = carver.used;
    if (device->has_event) {
        device->has_memory =
            gpu_did(device, driver->memory_allocate(&device->memory, (size_t)device->memory_bytes));
    }
    if (!device->has_memory) {
        return device_refuse(device, error, "device memory");
    }
    carver = (struct carver){.block = (unsigned char *)(uintptr_t)device->memory};
    clear = place_all(device, &carver, moe);
    if (device->code == 0) {
        (void)gpu_did(device,
                      driver->clear(device->memory + clear, 0,
                                    (size_t)(device->memory_bytes - clear), device->stream));
        (void)gpu_did(device, driver->stream_wait(device->stream));
    }
    return device->code == 0 ? SWARM_OK : device_refuse(device, error, "weights");
}

/* What all launches of a model share. */
static void device_describe(swarm_moe *moe) {
    const swarm_moe_model *m = &moe->model;
    struct work *work = &moe->device->work;

    work->hidden = m->hidden;
    work->heads = m->heads;
    work->latent_rank = m->latent_rank;
    work->nope = m->nope;
    work->rope = m->rope;
    work->value = m->value;
    work->experts = m->experts;
    work->experts_chosen = m->experts_chosen;
    work->groups = m->groups;
    work->groups_chosen = m->groups_chosen;
    work->weights_as_given = m->weights_as_given;
    work->page_tokens = moe->spec.page_tokens;
    work->pages_per_sequence = moe->pages_per_sequence;
    work->layers = m->layers;
    work->vocabulary = m->vocabulary;
    work->epsilon = (float)m->norm_epsilon;
    work->attention_scale = moe->attention_scale;
    work->router_scale = (float)m->router_scale;
}

/* The experts of a layer stand side by side on the device, so they must be of one type. */
static swarm_status device_check(const swarm_moe *moe, swarm_moe_error *error) {
    for (uint32_t i = moe->model.dense_layers; i < moe->model.layers; i++) {
        const struct expert *experts = moe->layers[i].experts;

        for (uint32_t e = 1; e < moe->model.experts; e++) {
            if (experts[e].gate.type != experts[0].gate.type ||
                experts[e].up.type != experts[0].up.type ||
                experts[e].down.type != experts[0].down.type) {
                return refuse(error, SWARM_E_UNSUPPORTED, "experts",
                              "of one layer have different types, which a GPU does not take");
            }
        }
    }
    return SWARM_OK;
}

static swarm_status device_open(swarm_moe *moe, swarm_moe_error *error) {
    struct moe_device *device = moe->device;
    swarm_status status = device_check(moe, error);

    device->driver = *moe->spec.driver;
    device_describe(moe);
    status = status == SWARM_OK ? device_begin(device, error) : status;
    if (status == SWARM_OK) {
        if (gpu_enter(device)) {
            status = device_fill(moe, error);
            gpu_leave(device);
        }
        if (status == SWARM_OK && device->code != 0) {
            status = device_refuse(device, error, "context");
        }
    }
    if (status != SWARM_OK) {
        device_close(device);
    }
    moe->stats.device_bytes = device->memory_bytes;
    return status;
}

/* The names under which libcuda exports what the table needs, in its order. */
static const struct {
    const char *symbol;
    size_t offset;
} driver_symbols[] = {
    {"cuInit", offsetof(swarm_moe_driver, init)},
    {"cuDriverGetVersion", offsetof(swarm_moe_driver, driver_version)},
    {"cuDeviceGetCount", offsetof(swarm_moe_driver, device_count)},
    {"cuDeviceGet", offsetof(swarm_moe_driver, device_get)},
    {"cuDevicePrimaryCtxRetain", offsetof(swarm_moe_driver, context_retain)},
    {"cuDevicePrimaryCtxRelease_v2", offsetof(swarm_moe_driver, context_release)},
    {"cuCtxPushCurrent_v2", offsetof(swarm_moe_driver, context_push)},
    {"cuCtxPopCurrent_v2", offsetof(swarm_moe_driver, context_pop)},
    {"cuMemAlloc_v2", offsetof(swarm_moe_driver, memory_allocate)},
    {"cuMemFree_v2", offsetof(swarm_moe_driver, memory_free)},
    {"cuMemcpyHtoDAsync_v2", offsetof(swarm_moe_driver, copy_in)},
    {"cuMemcpyDtoHAsync_v2", offsetof(swarm_moe_driver, copy_out)},
    {"cuMemsetD8Async", offsetof(swarm_moe_driver, clear)},
    {"cuStreamCreate", offsetof(swarm_moe_driver, stream_create)},
    {"cuStreamDestroy_v2", offsetof(swarm_moe_driver, stream_destroy)},
    {"cuStreamSynchronize", offsetof(swarm_moe_driver, stream_wait)},
    {"cuEventCreate", offsetof(swarm_moe_driver, event_create)},
    {"cuEventDestroy_v2", offsetof(swarm_moe_driver, event_destroy)},
    {"cuEventRecord", offsetof(swarm_moe_driver, event_record)},
    {"cuEventQuery", offsetof(swarm_moe_driver, event_query)},
    {"cuModuleLoadData", offsetof(swarm_moe_driver, module_load)},
    {"cuModuleUnload", offsetof(swarm_moe_driver, module_unload)},
    {"cuModuleGetFunction", offsetof(swarm_moe_driver, module_function)},
    {"cuLaunchKernelEx", offsetof(swarm_moe_driver, launch)},
};

swarm_status swarm_moe_driver_resolve(void *(*resolve)(void *context, const char *symbol),
                                      void *context, swarm_moe_driver *out_driver,
                                      swarm_moe_error *out_error) {
    swarm_moe_driver driver = {.size = sizeof driver};

    if (resolve == NULL || out_driver == NULL) {
        return refuse(out_error, SWARM_E_INVALID, "resolve", "or the table is null");
    }
    for (size_t i = 0; i < sizeof driver_symbols / sizeof driver_symbols[0]; i++) {
        void *found = resolve(context, driver_symbols[i].symbol);

        if (found == NULL) {
            return refuse(out_error, SWARM_E_INVALID, driver_symbols[i].symbol,
                          "is not in libcuda: the driver is too old");
        }
        /* A function pointer has the bytes of a data pointer wherever there is a dlsym. */
        memcpy((unsigned char *)&driver + driver_symbols[i].offset, &found, sizeof found);
    }
    *out_driver = driver;
    return SWARM_OK;
}

/* ---- a tick */

static void launch(struct moe_device *device, enum gpu_kernel kernel, const uint32_t grid[3],
                   struct work *work) {
    swarm_moe_launch shape = {.grid = {grid[0], grid[1], grid[2]},
                              .block = {THREADS, 1, 1},
                              .shared_bytes = SHARED_BYTES,
                              .stream = device->stream};
    void *arguments[] = {work};

    if (device->code == 0 && grid[0] != 0 && grid[1] != 0) {
        (void)gpu_did(device,
                      device->driver.launch(&shape, device->kernels[kernel], arguments, NULL));
    }
}

static void launch_norm(struct moe_device *device, struct work work, uint32_t rows,
                        const float *gain, uint32_t width) {
    work.gain = gain;
    work.width = width;
    work.out_stride = GPU_PADDED(width);
    launch(device, KERNEL_norm, (uint32_t[]){rows, 1, 1}, &work);
}

/* `work` has in, out, mode and what else is special. */
static void launch_multiply(struct moe_device *device, struct work work,
                            const struct gpu_matrix *matrix, uint32_t experts) {
    work.a = *matrix;
    work.in_stride = GPU_PADDED(matrix->columns);
    work.out_stride = work.mode == GPU_SWIGLU ? GPU_PADDED(matrix->rows) : matrix->rows;
    launch(device, KERNEL_multiply, (uint32_t[]){ceiling(matrix->rows, TILE_ROWS), experts, 1},
           &work);
}

static void launch_attention(struct moe_device *device, struct work work,
                             const struct gpu_layer *layer) {
    struct work base = work;

    work.in_exact = work.residual;
    work.out = work.normed;
    launch_norm(device, work, work.rows, layer->norm_attention, work.hidden);
    work = base;
    work.in = work.normed;
    work.out = work.query_low;
    launch_multiply(device, work, &layer->query_a, 1);
    work.out = work.latent;
    launch_multiply(device, work, &layer->latent_a, 1);
    work.in_exact = work.query_low;
    work.out = work.query_normed;
    launch_norm(device, work, work.rows, layer->norm_query, layer->query_a.rows);
    work.gain = layer->norm_latent;
    launch(device, KERNEL_latent, (uint32_t[]){work.rows, 1, 1}, &work);
    work.in = work.query_normed;
    work.out = work.query;
    launch_multiply(device, work, &layer->query_b, 1);
    work.plain = layer->latent_b;
    launch(device, KERNEL_absorb, (uint32_t[]){work.heads, work.rows, 1}, &work);
    launch(device, KERNEL_attend, (uint32_t[]){work.heads, work.rows, work.splits}, &work);
    work.out_stride = GPU_PADDED(work.heads * work.value);
    launch(device, KERNEL_merge, (uint32_t[]){work.heads, work.rows, 1}, &work);
    work = base;
    work.in = work.attended;
    work.out = work.residual;
    work.mode = GPU_ADD;
    launch_multiply(device, work, &layer->output, 1);
}

static void launch_experts(struct moe_device *device, struct work work,
                           const struct gpu_layer *layer) {
    struct work base = work;

    work.plain = layer->router;
    work.gain = layer->bias;
    launch(device, KERNEL_route, (uint32_t[]){work.rows, 1, 1}, &work);
    launch(device, KERNEL_plan, (uint32_t[]){1, 1, 1}, &work);
    work = base;
    work.segment = work.expert_first;
    work.pick = work.pair_row;
    work.in = work.normed;
    work.out = work.pair_inner;
    work.b = layer->expert_up;
    work.mode = GPU_SWIGLU;
    launch_multiply(device, work, &layer->expert_gate, work.experts);
    work.pick = NULL;
    work.in = work.pair_inner;
    work.out = work.pair_out;
    work.mode = GPU_STORE;
    launch_multiply(device, work, &layer->expert_down, work.experts);
    launch(device, KERNEL_combine, (uint32_t[]){work.rows, 1, 1}, &work);
}

static void launch_inner(struct moe_device *device, struct work work,
                         const struct gpu_layer *layer) {
    struct work base = work;

    work.in_exact = work.residual;
    work.out = work.normed;
    work.out_exact = work.exact;
    launch_norm(device, work, work.rows, layer->norm_inner, work.hidden);
    if (layer->gate.rows != 0) {
        work = base;
        work.in = work.normed;
        work.out = work.inner;
        work.b = layer->up;
        work.mode = GPU_SWIGLU;
        launch_multiply(device, work, &layer->gate, 1);
        work.in = work.inner;
        work.out = work.residual;
        work.mode = GPU_ADD;
        launch_multiply(device, work, &layer->down, 1);
    }
    if (layer->router != NULL) {
        launch_experts(device, base, layer);
    }
}

static void launch_head(struct moe_device *device, struct work work, uint32_t heads) {
    work.pick = work.head_row;
    work.in_exact = work.residual;
    work.out = work.head_normed;
    launch_norm(device, work, heads, device->norm_last, work.hidden);
    work.pick = NULL;
    work.in = work.head_normed;
    work.out = work.logits;
    work.count = heads;
    launch_multiply(device, work, &device->head, 1);
    launch(device, KERNEL_argmax, (uint32_t[]){heads, 1, 1}, &work);
}

static void copy_in(struct moe_device *device, const void *to, const void *from, uint64_t size) {
    if (device->code == 0 && size != 0) {
        (void)gpu_did(device, device->driver.copy_in((uint64_t)(uintptr_t)to, from, (size_t)size,
                                                     device->stream));
    }
}

static void copy_out(struct moe_device *device, void *to, const void *from, uint64_t size) {
    if (device->code == 0 && size != 0) {
        (void)gpu_did(device, device->driver.copy_out(to, (uint64_t)(uintptr_t)from, (size_t)size,
                                                      device->stream));
    }
}

/* Rows, pages and rotations of the tick, in host buffers that stay until it has ended. */
static void device_gather(swarm_moe *moe) {
    struct moe_device *device = moe->device;
    uint32_t half = moe->model.rope / 2, last = 0;

    device->wants_logits = false;
    for (uint32_t i = 0; i < moe->rows_count; i++) {
        const struct row *row = &moe->rows[i];
        const struct sequence *sequence = &moe->sequences[row->sequence];

        device->row[i] = (struct gpu_row){row->sequence, row->position, row->token, 0};
        last = row->position > last ? row->position : last;
        device->wants_logits |= sequence->prompt->out_logits != NULL ||
                                (row->head != NONE && sequence->prompt->temperature_ppm != 0);
        memcpy(device->pages + (size_t)row->sequence * moe->pages_per_sequence, sequence->pages,
               sequence->pages_count * sizeof(uint32_t));
        for (uint32_t k = 0; k < half; k++) {
            double sine, cosine;

            sine_cosine(row->position * moe->frequencies[k], &sine, &cosine);
            device->rotation[(size_t)i * 2 * half + k] =
                (float)(cosine * (double)moe->rotation_scale);
            device->rotation[(size_t)i * 2 * half + half + k] =
                (float)(sine * (double)moe->rotation_scale);
        }
    }
    device->work.splits = last / SPLIT + 1;
}

static void device_send(swarm_moe *moe) {
    struct moe_device *device = moe->device;
    const struct work *work = &device->work;
    uint64_t rows = moe->rows_count;

    copy_in(device, work->row, device->row, rows * sizeof *device->row);
    copy_in(device, work->rotation, device->rotation, rows * moe->model.rope * sizeof(float));
    copy_in(device, work->pages, device->pages,
            (uint64_t)moe->spec.sequences_max * moe->pages_per_sequence * sizeof(uint32_t));
    copy_in(device, work->head_row, moe->act.head_row,
            (uint64_t)moe->heads_count * sizeof(uint32_t));
    if (device->clears_loads && device->code == 0) {
        (void)gpu_did(device, device->driver.clear((uint64_t)(uintptr_t)work->chosen, 0,
                                                   (size_t)moe->model.layers * moe->model.experts *
                                                       sizeof(uint64_t),
                                                   device->stream));
        device->clears_loads = false;
    }
}

/* Enqueues a whole tick and an event behind it. False: nothing more of it counts. */
static bool device_launch(swarm_moe *moe) {
    struct moe_device *device = moe->device;
    struct work work;

    device_gather(moe);
    if (!gpu_enter(device)) {
        return false;
    }
    device_send(moe);
    work = device->work;
    work.rows = work.count = moe->rows_count;
    work.plain = device->embedding;
    launch(device, KERNEL_embed, (uint32_t[]){work.rows, 1, 1}, &work);
    for (uint32_t i = 0; i < moe->model.layers; i++) {
        work.layer = i;
        work.chosen = device->work.chosen + (size_t)i * work.experts;
        launch_attention(device, work, &device->layers[i]);
        launch_inner(device, work, &device->layers[i]);
    }
    launch_head(device, work, moe->heads_count);
    copy_out(device, device->bad, work.bad, work.rows * sizeof(uint32_t));
    copy_out(device, device->best, work.best, moe->heads_count * sizeof(uint32_t));
    copy_out(device, device->chosen, device->work.chosen,
             (uint64_t)work.layers * work.experts * sizeof(uint64_t));
    if (device->wants_logits) {
        copy_out(device, moe->act.logits, work.logits,
                 (uint64_t)moe->heads_count * work.vocabulary * sizeof(float));
    }
    if (device->code == 0) {
        (void)gpu_did(device, device->driver.event_record(device->event, device->stream));
    }
    if (device->code != 0 && !device->is_lost) {
        (void)device->driver.stream_wait(device->stream); /* what it reads is written next time */
    }
    gpu_leave(device);
    return device->code == 0;
}

/* Whether the tick has ended: OK, AGAIN, or FAILED. */
static swarm_status device_ask(swarm_moe *moe) {
    struct moe_device *device = moe->device;
    int32_t code = 0;

    if (gpu_enter(device)) {
        code = device->driver.event_query(device->event);
        if (code != CUDA_NOT_READY) {
            (void)gpu_did(device, code);
        }
        gpu_leave(device);
    }
    if (device->code != 0) {
        return SWARM_E_FAILED;
    }
    if (code == CUDA_NOT_READY) {
        return SWARM_E_AGAIN;
    }
    for (uint32_t i = 0; i < moe->rows_count; i++) {
        moe->act.is_bad[i] = device->bad[i] != 0;
    }
    for (uint32_t l = moe->model.dense_layers; l < moe->model.layers; l++) {
        memcpy(moe->layers[l].chosen, device->chosen + (size_t)l * moe->model.experts,
               moe->model.experts * sizeof(uint64_t));
    }
    return SWARM_OK;
}

#endif
