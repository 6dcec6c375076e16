/* SPDX-License-Identifier: MIT */
/*
 * moe.c - the public functions of swarm_moe.h; the one file to compile.
 *
 *     moe_json.h, moe_config.h, moe_file.h   the caller's bytes become numbers and tensors
 *     moe_math.h, moe_kernels.h, moe_simd.h  arithmetic, one order for every sum
 *     moe_weights.h, moe_state.h             the model and the state in one block
 *     moe_router.h, moe_forward.h            one tick through the layers
 *     moe_cache.h, moe_sample.h, moe_serve.h pages, tokens, who is in a tick
 *     moe_device.h, moe_cuda.h, moe_work.h   the same on a GPU, whose kernels are moe_gpu.h
 *
 * Here they meet: opening, the tick on the caller's thread or on a crew, the backend's table.
 * Invariant: a tick is planned, computed and settled as a whole; between two ticks every sequence
 * is consistent and may be cancelled. Memory: one block of the caller's. Threads: the owner's; a
 * crew's workers run tasks (moe_forward.h) and nothing else.
 */
#include "swarm_moe.h"

#include <string.h>

#include "moe_cache.h"
#include "moe_config.h"
#include "moe_cuda.h"
#include "moe_error.h"
#include "moe_file.h"
#include "moe_forward.h"
#include "moe_kernels.h"
#include "moe_sample.h"
#include "moe_serve.h"
#include "moe_simd.h"
#include "moe_state.h"
#include "moe_weights.h"

#define ROWS_LARGEST 65536u
#define TICK_NS_DEFAULT UINT64_C(1000)

/* ---- opening */

static uint32_t or_default(uint32_t value, uint64_t otherwise) {
    return value != 0 ? value : (uint32_t)(otherwise < UINT32_MAX ? otherwise : UINT32_MAX);
}

/* Fills in what the caller left open; the names of the errors are the spec's fields. */
static swarm_status spec_complete(swarm_moe *moe, swarm_moe_error *error) {
    swarm_moe_spec *spec = &moe->spec;
    const swarm_moe_model *model = &moe->model;

    spec->tick_ns = spec->tick_ns != 0 ? spec->tick_ns : TICK_NS_DEFAULT;
    spec->sequences_max = or_default(spec->sequences_max, 64);
    spec->context_max = or_default(spec->context_max, least(model->context, 4096));
    spec->page_tokens = or_default(spec->page_tokens, 64);
    if (spec->sequences_max > ROWS_LARGEST || spec->context_max < 2 ||
        spec->context_max > model->context || spec->page_tokens > spec->context_max * 64) {
        return refuse(error, SWARM_E_INVALID, "sequences_max, context_max, page_tokens",
                      "are out of range");
    }
    moe->pages_per_sequence = ceiling(spec->context_max, spec->page_tokens);
    spec->pages_max =
        or_default(spec->pages_max, (uint64_t)spec->sequences_max * moe->pages_per_sequence);
    spec->rows_max = or_default(spec->rows_max, (uint64_t)spec->sequences_max + 256);
    spec->prefill_max = or_default(spec->prefill_max, spec->rows_max);
    if (spec->rows_max < spec->sequences_max || spec->rows_max > ROWS_LARGEST * 2 ||
        spec->pages_max > 1u << 30) {
        return refuse(error, SWARM_E_INVALID, "rows_max, pages_max", "are out of range");
    }
    if (spec->crew_workers > 1023 || (spec->crew == NULL && spec->crew_workers != 0)) {
        return refuse(error, SWARM_E_INVALID, "crew_workers", "is out of range, or has no crew");
    }
    moe->workers = spec->crew_workers + 1;
    moe->heads_max = spec->sequences_max + LOGITS_ROWS;
    return SWARM_OK;
}

static void carve_rows(swarm_moe *moe, struct carver *carver) {
    const swarm_moe_model *model = &moe->model;
    struct activations *act = &moe->act;
    uint64_t rows = moe->spec.rows_max, hidden = model->hidden, inner = inner_widest(moe);

    moe->rows = carve(carver, rows, sizeof *moe->rows);
    act->is_bad = carve(carver, rows, sizeof *act->is_bad);
    act->head_row = carve(carver, moe->heads_max, sizeof *act->head_row);
    act->logits = carve(carver, (uint64_t)moe->heads_max * model->vocabulary, sizeof(float));
    if (moe->spec.driver != NULL) {
        return; /* the rest is on the device */
    }
    act->residual = carve(carver, rows * hidden, sizeof(float));
    act->normed = carve(carver, rows * hidden, sizeof(float));
    act->query_low = carve(carver, rows * model->query_rank, sizeof(float));
    act->latent = carve(carver, rows * latent_width(moe), sizeof(float));
    act->query = carve(carver, rows * model->heads * (model->nope + model->rope), sizeof(float));
    act->attended = carve(carver, rows * model->heads * model->value, sizeof(float));
    act->gate = carve(carver, rows * inner, sizeof(float));
    act->up = carve(carver, rows * inner, sizeof(float));
    act->rotation = carve(carver, rows * model->rope, sizeof(float));
    act->head_normed = carve(carver, moe->heads_max * hidden, sizeof(float));
    if (moe->has_int4) {
        act->codes = carve(carver, rows * (hidden / GROUP), sizeof *act->codes);
        act->inner_codes = carve(carver, rows * (inner / GROUP), sizeof *act->codes);
        act->head_codes = carve(carver, moe->heads_max * (hidden / GROUP), sizeof *act->codes);
    }
}

static void carve_pairs(swarm_moe *moe, struct carver *carver) {
    const swarm_moe_model *model = &moe->model;
    struct activations *act = &moe->act;
    uint64_t rows = moe->spec.rows_max, pairs = rows * model->experts_chosen;

    act->scores = carve(carver, rows * 3 * model->experts, sizeof(float));
    act->choice = carve(carver, pairs, sizeof *act->choice);
    act->weight = carve(carver, pairs, sizeof(float));
    act->place = carve(carver, pairs, sizeof *act->place);
    act->pair_row = carve(carver, pairs, sizeof *act->pair_row);
    act->pair_gate = carve(carver, pairs * model->expert_inner, sizeof(float));
    act->pair_up = carve(carver, pairs * model->expert_inner, sizeof(float));
    act->pair_out = carve(carver, pairs * model->hidden, sizeof(float));
    act->expert_first = carve(carver, (uint64_t)model->experts + 1, sizeof *act->expert_first);
    if (moe->has_int4) {
        act->pair_codes =
            carve(carver, pairs * (model->expert_inner / GROUP), sizeof *act->pair_codes);
    }
}

/* What the host keeps for a device. */
static void carve_device(swarm_moe *moe, struct carver *carver) {
    struct moe_device *device = carve(carver, 1, sizeof *device), counted;
    uint64_t rows = moe->spec.rows_max;

    moe->device = device;
    device = device == NULL ? &counted : device;
    device->layers = carve(carver, moe->model.layers, sizeof *device->layers);
    device->staging = carve(carver, STAGING_BYTES, 1);
    device->row = carve(carver, rows, sizeof *device->row);
    device->rotation = carve(carver, rows * moe->model.rope, sizeof(float));
    device->pages = carve(carver, (uint64_t)moe->spec.sequences_max * moe->pages_per_sequence, 4);
    device->bad = carve(carver, rows, sizeof(uint32_t));
    device->best = carve(carver, moe->heads_max, sizeof(uint32_t));
    moe->greedy = device->best;
    device->chosen =
        carve(carver, (uint64_t)moe->model.layers * moe->model.experts, sizeof(uint64_t));
}

static void carve_serving(swarm_moe *moe, struct carver *carver) {
    const swarm_moe_spec *spec = &moe->spec;
    uint64_t lines = (uint64_t)moe->model.layers * spec->page_tokens;
    uint32_t buckets = 16;

    while (buckets < spec->pages_max && buckets < 1u << 30) {
        buckets *= 2;
    }
    moe->buckets_mask = buckets - 1;
    moe->buckets = carve(carver, buckets, sizeof *moe->buckets);
    moe->pages = carve(carver, spec->pages_max, sizeof *moe->pages);
    moe->page_tokens = carve(carver, (uint64_t)spec->pages_max * spec->page_tokens, 4);
    if (spec->driver == NULL) {
        moe->cache = carve(carver, spec->pages_max * lines, latent_width(moe) * sizeof(float));
    }
    moe->sequences = carve(carver, spec->sequences_max, sizeof *moe->sequences);
    moe->order = carve(carver, spec->sequences_max, sizeof *moe->order);
    moe->sampling = carve(carver, moe->model.vocabulary, sizeof *moe->sampling);
    moe->scratch_size = 2 * latent_width(moe) + KEYS_BLOCK + LANES;
    moe->scratch = carve(carver, moe->workers, moe->scratch_size * sizeof(float));
    for (uint32_t i = 0; i < spec->sequences_max; i++) {
        int32_t *tokens = carve(carver, spec->context_max, sizeof *tokens);
        uint32_t *pages = carve(carver, moe->pages_per_sequence, sizeof *pages);

        if (moe->sequences != NULL) {
            moe->sequences[i].tokens = tokens;
            moe->sequences[i].pages = pages;
        }
    }
}

/* YaRN: which frequencies are kept, which divided, and how attention and rotation are scaled. */
static void find_frequencies(swarm_moe *moe) {
    const swarm_moe_model *m = &moe->model;
    double log_theta = logarithm(m->rope_theta), factor = m->rope_factor, scale = 1;
    double low = 0, high = 0, width = m->rope;

    moe->rotation_scale = 1;
    if (factor != 0) {
        double turns = m->rope_original / (2 * 3.14159265358979323846);
        double mscale = 0.1 * m->rope_mscale * logarithm(factor) + 1;

        scale = 0.1 * m->rope_mscale_all * logarithm(factor) + 1;
        moe->rotation_scale = (float)(mscale / scale);
        low = width * logarithm(turns / m->rope_beta_fast) / (2 * log_theta);
        high = width * logarithm(turns / m->rope_beta_slow) / (2 * log_theta);
        low = low > 0 ? (double)(int32_t)low : 0; /* floor, at least 0 */
        high = high > 0 ? (double)(int32_t)high + ((double)(int32_t)high < high) : 0;
        high = high < width - 1 ? high : width - 1;
        high = low == high ? high + 0.001 : high;
    }
    for (uint32_t i = 0; i < m->rope / 2; i++) {
        double kept = exponential(-2.0 * i / width * log_theta), ramp;

        ramp = factor != 0 ? (i - low) / (high - low) : 0;
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        moe->frequencies[i] = factor != 0 ? kept / factor * ramp + kept * (1 - ramp) : kept;
    }
    moe->attention_scale = (float)(scale * scale / square_root(m->nope + m->rope));
}

/* Lays out everything; with no block it counts and checks only. */
static swarm_status build(swarm_moe *moe, struct carver *carver, const swarm_moe_spec *spec,
                          swarm_moe_error *error) {
    struct loader loader = {.spec = spec, .moe = moe, .carver = carver, .error = error};
    swarm_status status;

    *moe = (swarm_moe){
        .model = *spec->model, .spec = *spec, .kernels = kernels_for(spec->instructions)};
    if (moe->kernels == NULL) {
        return refuse(error, SWARM_E_UNSUPPORTED, "instructions", "this processor lacks them");
    }
    status = model_check(&moe->model, error);
    status = status == SWARM_OK ? model_check_experts(&moe->model, error) : status;
    status = status == SWARM_OK ? spec_complete(moe, error) : status;
    if (status != SWARM_OK) {
        return status;
    }
    (void)carve(carver, 1, sizeof *moe);
    load_model(&loader);
    moe->frequencies = carve(carver, moe->model.rope / 2, sizeof *moe->frequencies);
    carve_rows(moe, carver);
    if (spec->driver != NULL) {
        carve_device(moe, carver);
    } else if (moe->model.dense_layers < moe->model.layers) {
        carve_pairs(moe, carver);
    }
    carve_serving(moe, carver);
    if (loader.status == SWARM_OK && (carver->is_too_big || carver->used > SIZE_MAX)) {
        return refuse(error, SWARM_E_OVERFLOW, "spec", "needs more memory than can be counted");
    }
    return loader.status;
}

static swarm_status spec_check(const swarm_moe_spec *spec, swarm_moe_error *error) {
    if (spec == NULL || spec->size != sizeof *spec || spec->model == NULL || spec->lookup == NULL ||
        spec->instructions > SWARM_MOE_AVX512) {
        return refuse(error, SWARM_E_INVALID, "spec", "lacks size, model or lookup");
    }
    return SWARM_OK;
}

swarm_status swarm_moe_size(const swarm_moe_spec *spec, size_t *out_bytes,
                            swarm_moe_error *out_error) {
    struct carver carver = {.block = NULL};
    swarm_status status = spec_check(spec, out_error);
    swarm_moe counted;

    if (status == SWARM_OK && out_bytes == NULL) {
        status = refuse(out_error, SWARM_E_INVALID, "out_bytes", "is null");
    }
    status = status == SWARM_OK ? build(&counted, &carver, spec, out_error) : status;
    if (status == SWARM_OK) {
        *out_bytes = (size_t)carver.used;
    }
    return status;
}

static swarm_outcome crew_task(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_moe *moe = context;

    (void)out_value;
    if (call->worker >= moe->workers) {
        return SWARM_OUTCOME_TERMINAL; /* somebody else works for the crew, too */
    }
    tick_task(moe, (uint32_t)(call->argument >> 32), (uint32_t)call->argument, call->worker);
    return SWARM_OUTCOME_OK;
}

swarm_status swarm_moe_open(const swarm_moe_spec *spec, void *memory, size_t memory_size,
                            swarm_moe **out_moe, swarm_moe_error *out_error) {
    struct carver carver = {.block = NULL};
    size_t needed = 0;
    swarm_status status = swarm_moe_size(spec, &needed, out_error);
    swarm_moe *moe = memory, built;

    if (status != SWARM_OK) {
        return status;
    }
    if (out_moe == NULL || memory == NULL || (uintptr_t)memory % ALIGN != 0 ||
        memory_size < needed) {
        return refuse(out_error, memory_size < needed ? SWARM_E_FULL : SWARM_E_INVALID, "memory",
                      "is null, not aligned to 64, or less than swarm_moe_size says");
    }
    memset(memory, 0, needed);
    carver.block = memory;
    status = build(&built, &carver, spec, out_error);
    if (status != SWARM_OK) {
        return status;
    }
    *moe = built;
    find_frequencies(moe);
    cache_init(moe);
    if (spec->crew != NULL) {
        moe->function = swarm_function_add(spec->crew, "swarm.moe.task", crew_task, moe);
        if (moe->function.id == 0) {
            status = swarm_fault(spec->crew, NULL);
            return refuse(out_error, status != SWARM_OK ? status : SWARM_E_BUSY, "crew",
                          "refuses the function swarm.moe.task");
        }
    }
    if (spec->driver != NULL) {
        status = device_open(moe, out_error);
        if (status != SWARM_OK) {
            return status;
        }
    }
    *out_moe = moe;
    return SWARM_OK;
}

swarm_status swarm_moe_close(swarm_moe *moe) {
    if (moe != NULL && moe->unanswered != 0) {
        return SWARM_E_BUSY;
    }
    if (moe != NULL && moe->device != NULL) {
        device_close(moe->device);
    }
    return SWARM_OK;
}

/* ---- the tick */

static void compute_alone(swarm_moe *moe) {
    for (uint32_t number = 0; number < tick_phases(moe); number++) {
        uint32_t count = tick_tasks(moe, number);

        for (uint32_t i = 0; i < count; i++) {
            tick_task(moe, number, i, 0);
        }
    }
}

/* One run of the crew: a range step a phase, one after the other. */
static swarm_status compute_with_crew(swarm_moe *moe) {
    swarm *crew = moe->spec.crew;
    const swarm_drive_options options = {.workers = moe->spec.crew_workers};
    swarm_run run = swarm_run_open(crew, NULL);
    swarm_plan *plan = swarm_plan_open(crew, run);
    swarm_step before = {0};
    swarm_run_report report = {0};
    swarm_status status;

    for (uint32_t number = 0; number < tick_phases(moe); number++) {
        uint32_t count = tick_tasks(moe, number);

        if (count != 0) {
            swarm_step step = swarm_range_add(plan, moe->function, (uint64_t)number << 32, count);

            if (before.id != 0) {
                swarm_edge_add(plan, before, step, 0);
            }
            before = step;
        }
    }
    status = swarm_plan_commit(plan, NULL);
    status = status == SWARM_OK ? swarm_drive(crew, &options) : status;
    status = status == SWARM_OK ? swarm_run_report_get(crew, run, &report) : status;
    (void)swarm_run_forget(crew, run);
    return status == SWARM_OK && report.ok != report.steps ? SWARM_E_FAILED : status;
}

/* Launches the tick at hand, or asks for it: AGAIN while it is under way. A failure settles it. */
static swarm_status compute_on_device(swarm_moe *moe, swarm_outcome *out_outcome) {
    swarm_status status = SWARM_E_AGAIN;

    if (moe->is_under_way) {
        status = device_ask(moe);
    } else if (moe->device->is_lost || !device_launch(moe)) {
        status = SWARM_E_FAILED;
    }
    moe->is_under_way = status == SWARM_E_AGAIN;
    if (status == SWARM_E_FAILED) {
        *out_outcome = moe->device->is_lost ? SWARM_OUTCOME_LOST : SWARM_OUTCOME_TRANSIENT;
        status = SWARM_OK;
    }
    return status;
}

swarm_status swarm_moe_tick(swarm_moe *moe, swarm_moe_tick_info *out_info) {
    swarm_outcome outcome = SWARM_OUTCOME_OK;
    swarm_status status = SWARM_OK;

    if (moe == NULL) {
        return SWARM_E_INVALID;
    }
    if (!moe->is_under_way && !plan_tick(moe)) {
        return SWARM_E_MISSING;
    }
    if (moe->device != NULL) {
        status = compute_on_device(moe, &outcome);
    } else if (moe->spec.crew != NULL) {
        status = compute_with_crew(moe);
    } else {
        compute_alone(moe);
    }
    if (status != SWARM_OK) {
        return status;
    }
    finish_tick(moe, outcome);
    if (out_info != NULL) {
        *out_info = moe->tick;
    }
    return SWARM_OK;
}

/* ---- sequences */

swarm_status swarm_moe_add(swarm_moe *moe, const swarm_moe_prompt *prompt,
                           swarm_moe_sequence *out_sequence) {
    struct sequence *sequence;
    swarm_status status;

    if (moe == NULL || out_sequence == NULL) {
        return SWARM_E_INVALID;
    }
    if (moe->device != NULL && moe->device->is_lost) {
        return SWARM_E_UNSUPPORTED;
    }
    status = sequence_add(moe, prompt, NULL, NULL, &sequence);
    if (status == SWARM_OK) {
        out_sequence->id = handle_of(moe, sequence);
    }
    return status;
}

swarm_status swarm_moe_sequence_get(swarm_moe *moe, swarm_moe_sequence sequence,
                                    swarm_moe_info *out_info) {
    const struct sequence *found = sequence_of(moe, sequence.id);

    if (found == NULL || out_info == NULL) {
        return found == NULL ? SWARM_E_STALE : SWARM_E_INVALID;
    }
    *out_info = (swarm_moe_info){.outcome = found->outcome,
                                 .prompt_tokens = found->prompt_count,
                                 .new_tokens = new_tokens(found),
                                 .cached_tokens = found->cached,
                                 .preempted = found->preempted};
    if (found->state == SEQUENCE_DONE) {
        out_info->state = SWARM_MOE_DONE;
    } else if (found->state == SEQUENCE_RUNNING) {
        out_info->state =
            found->count - found->computed == 1 ? SWARM_MOE_DECODE : SWARM_MOE_PREFILL;
    }
    return SWARM_OK;
}

swarm_status swarm_moe_cancel(swarm_moe *moe, swarm_moe_sequence sequence) {
    struct sequence *found = sequence_of(moe, sequence.id);

    if (found == NULL) {
        return SWARM_E_STALE;
    }
    sequence_cancel(moe, found);
    return SWARM_OK;
}

swarm_status swarm_moe_forget(swarm_moe *moe, swarm_moe_sequence sequence) {
    struct sequence *found = sequence_of(moe, sequence.id);

    if (found == NULL || found->sw != NULL) {
        return SWARM_E_STALE;
    }
    sequence_cancel(moe, found);
    found->state = SEQUENCE_FREE;
    return SWARM_OK;
}

/* ---- the backend */

static swarm_status backend_submit(void *context, swarm *sw, const swarm_request *request,
                                   uint64_t *out_until_ns) {
    swarm_moe *moe = context;
    struct sequence *sequence;
    swarm_status status;

    if (request->payload_size != 0 && request->payload_size != sizeof(swarm_moe_prompt)) {
        return SWARM_E_INVALID;
    }
    if (moe->device != NULL && moe->device->is_lost) {
        *out_until_ns = SWARM_NEVER - 1; /* for good: others may do it */
        return SWARM_E_AGAIN;
    }
    status = sequence_add(moe, request->payload, sw, request, &sequence);
    if (status == SWARM_E_AGAIN) {
        *out_until_ns = request->now_ns + moe->spec.tick_ns;
    }
    return status;
}

static void backend_cancel(void *context, swarm *sw, const swarm_request *request) {
    swarm_moe *moe = context;

    (void)sw;
    for (uint32_t i = 0; i < moe->live; i++) {
        struct sequence *sequence = &moe->sequences[moe->order[i]];

        if (sequence->sw != NULL && sequence->attempt.id == request->attempt.id) {
            sequence_cancel(moe, sequence);
            return;
        }
    }
}

static void backend_poll(void *context, swarm *sw, uint64_t now_ns) {
    swarm_moe *moe = context;
    swarm_status status;

    (void)sw;
    if (moe->live != 0 && now_ns >= moe->polled_ns + moe->spec.tick_ns) {
        moe->polled_ns = now_ns;
        status = swarm_moe_tick(moe, NULL);
        if (status != SWARM_OK && status != SWARM_E_AGAIN) {
            finish_tick(moe, SWARM_OUTCOME_TRANSIENT); /* the crew failed */
        }
    }
}

static uint64_t backend_deadline(void *context) {
    const swarm_moe *moe = context;

    return moe->live != 0 ? moe->polled_ns + moe->spec.tick_ns : SWARM_NEVER;
}

const swarm_backend *swarm_moe_backend(swarm_moe *moe) {
    if (moe == NULL) {
        return NULL;
    }
    moe->backend = (swarm_backend){.size = sizeof moe->backend,
                                   .name = moe->device != NULL ? "moe.gpu" : "moe",
                                   .context = moe,
                                   .submit = backend_submit,
                                   .cancel = backend_cancel,
                                   .poll = backend_poll,
                                   .deadline = backend_deadline};
    return &moe->backend;
}

/* ---- knowing */

swarm_status swarm_moe_stats_get(const swarm_moe *moe, swarm_moe_stats *out_stats) {
    if (moe == NULL || out_stats == NULL) {
        return SWARM_E_INVALID;
    }
    *out_stats = moe->stats;
    out_stats->pages_kept = moe->pages_kept;
    out_stats->pages_used = moe->spec.pages_max - moe->pages_free - moe->pages_kept;
    return SWARM_OK;
}

static uint64_t to_ppm(double share) {
    return share < 4294.967295 ? (uint64_t)(share * 1e6 + 0.5) : UINT32_MAX;
}

/* Shares, entropy and the rest of one layer's counters. */
static swarm_moe_load load_of(const struct layer *layer, uint32_t experts, uint32_t chosen) {
    swarm_moe_load load = {.tokens = 0};
    double total = 0, entropy = 0;

    for (uint32_t i = 0; i < experts; i++) {
        total += (double)layer->chosen[i];
        load.dead += layer->chosen[i] == 0;
        if (layer->chosen[i] > load.chosen_most) {
            load.chosen_most = layer->chosen[i];
            load.expert_most = i;
        }
    }
    for (uint32_t i = 0; i < experts; i++) {
        if (layer->chosen[i] != 0) {
            double share = (double)layer->chosen[i] / total;

            entropy -= share * logarithm(share);
        }
    }
    load.tokens = (uint64_t)total / chosen;
    if (total > 0) {
        load.entropy_ppm = (uint32_t)to_ppm(experts > 1 ? entropy / logarithm(experts) : 1);
        load.most_ppm = (uint32_t)to_ppm((double)load.chosen_most * experts / total);
    }
    return load;
}

swarm_status swarm_moe_load_get(swarm_moe *moe, uint32_t layer, bool reset,
                                swarm_moe_load *out_load, uint64_t *out_chosen) {
    struct layer *found;
    uint32_t experts;

    if (moe == NULL || out_load == NULL || layer >= moe->model.layers ||
        layer < moe->model.dense_layers) {
        return SWARM_E_INVALID;
    }
    found = &moe->layers[layer];
    experts = moe->model.experts;
    *out_load = load_of(found, experts, moe->model.experts_chosen);
    if (out_chosen != NULL) {
        memcpy(out_chosen, found->chosen, experts * sizeof *out_chosen);
    }
    if (reset) {
        for (uint32_t i = moe->model.dense_layers; i < moe->model.layers; i++) {
            memset(moe->layers[i].chosen, 0, experts * sizeof *found->chosen);
        }
        if (moe->device != NULL) {
            moe->device->clears_loads = true; /* by the next tick */
        }
    }
    return SWARM_OK;
}
