/* SPDX-License-Identifier: MIT */
/*
 * mock_spec.h - what a mock's spec may say, what it means where it says nothing, and prices.
 *
 * spec_fill checks everything once, so that nothing that runs later has to: each share is at most
 * one, each table is there, each exponent stays in the range of mock_draw.h.
 *
 * Memory: none. Threads: pure functions. Loops: over the models.
 */
#ifndef SWARM_MOCK_SPEC_H
#define SWARM_MOCK_SPEC_H

#include "swarm_mock.h"

#include "mock_draw.h"

#define SECOND_NS 1000000000u
#define SIGMA_MAX 3000000u             /* keeps every exponent within 40 bits before the point */
#define ALPHA_MIN 1010000u             /* the mean exists */
#define ALPHA_MAX 100000000u           /* is next to constant */
#define TOKENS_MAX ((uint64_t)1 << 40) /* room for a lognormal tail */
#define MODELS_MAX 65536u
#define COUNT_MAX (1u << 24) /* of entries and scripts */
#define SCRIPTS_DEFAULT 8u

static const swarm_mock_model DEFAULT_MODEL;

/* A value with a default: zero means `other`, SWARM_ZERO means zero. */
static inline uint64_t or_default(uint64_t value, uint64_t other) {
    return value == 0 ? other : value == SWARM_ZERO ? 0 : value;
}

static inline bool ppms_valid(const swarm_mock_model *model) {
    return model->cached_ppm <= PPM && model->stall_ppm <= PPM && model->throttle_ppm <= PPM &&
           model->failure_ppm <= PPM && model->garbage_ppm <= PPM && model->duplicate_ppm <= PPM &&
           model->late_ppm <= PPM;
}

static inline bool shapes_valid(const swarm_mock_model *model) {
    bool alpha =
        model->alpha_ppm == 0 || (model->alpha_ppm >= ALPHA_MIN && model->alpha_ppm <= ALPHA_MAX);

    return alpha && model->sigma_ppm <= SIGMA_MAX && model->input_sigma_ppm <= SIGMA_MAX &&
           model->output_sigma_ppm <= SIGMA_MAX && model->input_tokens <= TOKENS_MAX &&
           model->output_tokens <= TOKENS_MAX;
}

static inline bool model_valid(const swarm_mock_spec *spec, const swarm_mock_model *model) {
    if (model->kind > SWARM_MOCK_CALLBACK || model->failure >= SWARM_OUTCOME_REFUSED ||
        model->failure == SWARM_OUTCOME_THROTTLED ||
        (model->flags & ~(uint32_t)SWARM_MOCK_DEAF) != 0 || model->reserved != 0) {
        return false;
    }
    if (model->kind == SWARM_MOCK_TRACE && (model->trace_ns == NULL || model->trace_count == 0)) {
        return false;
    }
    if (model->kind == SWARM_MOCK_CALLBACK && spec->latency == NULL) {
        return false;
    }
    if (model->max_ns != 0 && model->max_ns < model->min_ns) {
        return false;
    }
    return ppms_valid(model) && shapes_valid(model);
}

static inline bool spec_valid(const swarm_mock_spec *spec) {
    uint32_t known = SWARM_MOCK_BY_ARGUMENT | SWARM_MOCK_REFUSE;

    if (spec->size != sizeof *spec || (spec->flags & ~known) != 0) {
        return false;
    }
    if (spec->models_count > MODELS_MAX || spec->inflight_max > COUNT_MAX ||
        (spec->scripts_max > COUNT_MAX && spec->scripts_max != SWARM_NONE) ||
        (spec->models == NULL) != (spec->models_count == 0)) {
        return false;
    }
    for (uint32_t i = 0; i < spec->models_count; i++) {
        if (!model_valid(spec, &spec->models[i])) {
            return false;
        }
    }
    return true;
}

/* The spec with its defaults; false when it is absurd. inflight_max stays 0 for "what fits". */
static inline bool spec_fill(const swarm_mock_spec *spec, swarm_mock_spec *out_spec) {
    const swarm_mock_spec empty = {.size = sizeof empty};

    *out_spec = spec != NULL ? *spec : empty;
    if (!spec_valid(out_spec)) {
        return false;
    }
    out_spec->name = out_spec->name != NULL ? out_spec->name : "mock";
    out_spec->again_ns = or_default(out_spec->again_ns, SECOND_NS);
    if (out_spec->models == NULL) {
        out_spec->models = &DEFAULT_MODEL;
        out_spec->models_count = 1;
    }
    if (out_spec->scripts_max == 0) {
        out_spec->scripts_max = SCRIPTS_DEFAULT;
    } else if (out_spec->scripts_max == SWARM_NONE) {
        out_spec->scripts_max = 0;
    }
    return true;
}

static inline void model_fill(swarm_mock_model *model) {
    model->mean_ns = or_default(model->mean_ns, SECOND_NS);
    model->max_ns = model->max_ns != 0 ? model->max_ns : SWARM_NEVER;
    model->late_ns = or_default(model->late_ns, SECOND_NS);
    model->retry_after_ns = or_default(model->retry_after_ns, SECOND_NS);
    model->prefill_milli = model->prefill_milli != 0 ? model->prefill_milli : 640000;
    model->decode_milli = model->decode_milli != 0 ? model->decode_milli : 24500;
    model->alpha_ppm = model->alpha_ppm != 0 ? model->alpha_ppm : 1500000;
    model->failure = model->failure != 0 ? model->failure : SWARM_OUTCOME_TRANSIENT;
}

/* sum + count * price; false, and the largest number, when it does not fit. */
static inline bool price_add(uint64_t *sum, uint64_t count, uint64_t price) {
    bool fits = multiply_high(count, price) == 0 && count * price <= UINT64_MAX - *sum;

    *sum = fits ? *sum + count * price : UINT64_MAX;
    return fits;
}

/* Writes what the tokens cost; false when that does not fit. */
static inline bool usage_price(swarm_usage *usage, const swarm_mock_price *price) {
    uint64_t missed = usage->input_tokens - usage->cached_tokens;
    bool fits = true;

    usage->cost_nano = price->fixed_nano;
    fits = price_add(&usage->cost_nano, missed, price->input_nano) && fits;
    fits = price_add(&usage->cost_nano, usage->cached_tokens, price->cached_nano) && fits;
    fits = price_add(&usage->cost_nano, usage->output_tokens, price->output_nano) && fits;
    return fits;
}

#endif
