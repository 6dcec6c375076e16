/* SPDX-License-Identifier: MIT */
/*
 * advise.c - how many agents, and which mode: advice before a run, as pure functions.
 *
 * Width. With work T1 spread over W agents, each of which costs c (its coordination, its share of
 * the coordinator's attention), a run takes about T1/W + c*W. That is least at W = sqrt(T1/c), and
 * more agents than T1/Tinf find nothing to do: the work law and the span law (Blumofe and
 * Leiserson, "Scheduling Multithreaded Computations by Work Stealing", JACM 46(5), 1999, section
 * 1).
 *
 * Mode. The lightest that fits: each is tried in turn and refused for one reason, which is what the
 * advice says about the mode that it gives.
 */
#include "../../swarm.h"
#include "../base/checked.h"

/* floor(sqrt(n)), a bit a round (Warren, "Hacker's Delight", 2nd edition, 11-1). */
static uint64_t square_root(uint64_t n) {
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit != 0; bit >>= 1) {
        uint64_t next = root | bit;

        root = next * next <= n ? next : root;
    }
    SWARM_ASSERT(root * root <= n);
    SWARM_ASSERT(root == UINT32_MAX || (root + 1) * (root + 1) > n);
    return root;
}

static uint64_t divide_up(uint64_t a, uint64_t b) {
    SWARM_ASSERT(b != 0);
    return a / b + (a % b != 0);
}

/* Lowers the width to a bound that is smaller, and says which it was. */
static void width_limit(swarm_width_advice *advice, uint64_t bound, uint32_t why) {
    if (bound < advice->width) {
        advice->width = (uint32_t)bound;
        advice->bound = why;
    }
}

static const char *width_text(uint32_t bound) {
    switch (bound) {
    case SWARM_WIDTH_NO_WORK:
        return "there is no work";
    case SWARM_WIDTH_COST:
        return "one more agent would cost more than it saves";
    case SWARM_WIDTH_PARALLELISM:
        return "the plan has no more steps that can run side by side";
    case SWARM_WIDTH_SLOTS:
        return "the backends take no more at once";
    default:
        return "the run allows no more agents";
    }
}

swarm_status swarm_width_advise(const swarm_width_spec *spec, swarm_width_advice *out_advice) {
    swarm_width_advice advice = {.width = UINT32_MAX, .bound = SWARM_WIDTH_AGENTS};
    uint64_t cost;

    if (spec == NULL || out_advice == NULL || spec->span_ns > spec->work_ns ||
        (spec->span_ns == 0 && spec->work_ns != 0)) {
        return SWARM_E_INVALID;
    }
    if (spec->work_ns == 0) {
        advice.width = 1;
        advice.bound = SWARM_WIDTH_NO_WORK;
    } else {
        width_limit(&advice, divide_up(spec->work_ns, spec->span_ns), SWARM_WIDTH_PARALLELISM);
        if (spec->agent_ns != 0) {
            uint64_t best = square_root(spec->work_ns / spec->agent_ns);

            width_limit(&advice, best == 0 ? 1 : best, SWARM_WIDTH_COST);
        }
        width_limit(&advice, spec->slots == 0 ? UINT32_MAX : spec->slots, SWARM_WIDTH_SLOTS);
        width_limit(&advice, spec->agents_max == 0 ? UINT32_MAX : spec->agents_max,
                    SWARM_WIDTH_AGENTS);
    }
    SWARM_ASSERT(advice.width != 0);
    if (!checked_mul64(spec->agent_ns, advice.width, &cost) ||
        !checked_add64(cost, divide_up(spec->work_ns, advice.width), &advice.expected_ns)) {
        return SWARM_E_OVERFLOW;
    }
    advice.text = width_text(advice.bound);
    *out_advice = advice;
    return SWARM_OK;
}

/* ---- modes */

swarm_status swarm_mode_preset(uint32_t mode, swarm_mode *out_mode) {
    static const swarm_mode presets[] = {
        {.mode = SWARM_MODE_INSTANT, .agents_max = 1, .steps_max = 1},
        {.mode = SWARM_MODE_THINKING, .agents_max = 1, .steps_max = 1, .reasoning = 1},
        {.mode = SWARM_MODE_AGENT, .agents_max = 1, .steps_max = 1500, .reasoning = 1},
        {.mode = SWARM_MODE_SWARM,
         .agents_max = 300,
         .steps_max = 4000,
         .depth_max = 1,
         .reasoning = 1},
    };

    if (out_mode == NULL || mode < SWARM_MODE_INSTANT || mode > SWARM_MODE_SWARM) {
        return SWARM_E_INVALID;
    }
    *out_mode = presets[mode - SWARM_MODE_INSTANT];
    SWARM_ASSERT(out_mode->mode == mode);
    return SWARM_OK;
}

static const char *mode_text(uint32_t reason) {
    switch (reason) {
    case SWARM_MODE_BY_NOTHING:
        return "one answer without further thought is enough";
    case SWARM_MODE_BY_REASONING:
        return "the answer needs reasoning";
    case SWARM_MODE_BY_STEPS:
        return "the job has several steps";
    case SWARM_MODE_BY_TOOLS:
        return "the job uses tools";
    case SWARM_MODE_BY_CAP:
        return "the job has more steps than one agent may take";
    case SWARM_MODE_BY_CONTEXT:
        return "the material does not fit the context of one agent";
    default:
        return "one agent would be late";
    }
}

/* Sets the mode and what spoke against the lighter one. */
static void mode_raise(swarm_mode_advice *advice, uint32_t mode, uint32_t reason, uint64_t observed,
                       uint64_t threshold) {
    (void)swarm_mode_preset(mode, &advice->mode);
    advice->reason = reason;
    advice->observed = observed;
    advice->threshold = threshold;
}

/* What one agent, taking the steps one after the other, cannot do. */
static void mode_raise_to_swarm(const swarm_mode_features *features, uint64_t steps, uint64_t alone,
                                swarm_mode_advice *advice) {
    uint64_t cap = advice->mode.steps_max;

    if (features->context_tokens > features->context_max && features->context_max != 0) {
        mode_raise(advice, SWARM_MODE_SWARM, SWARM_MODE_BY_CONTEXT, features->context_tokens,
                   features->context_max);
    } else if (steps > cap) {
        mode_raise(advice, SWARM_MODE_SWARM, SWARM_MODE_BY_CAP, steps, cap);
    } else if (features->deadline_ns != 0 && alone > features->deadline_ns &&
               advice->width.width > 1) {
        mode_raise(advice, SWARM_MODE_SWARM, SWARM_MODE_BY_DEADLINE, alone, features->deadline_ns);
    }
}

swarm_status swarm_mode_advise(const swarm_mode_features *features, swarm_mode_advice *out_advice) {
    swarm_mode_advice advice = {.reason = SWARM_MODE_BY_NOTHING};
    swarm_width_spec width = {0};
    uint64_t steps, span;
    swarm_status status;

    if (features == NULL || out_advice == NULL || features->span_steps > features->steps ||
        (features->flags & ~(uint32_t)(SWARM_MODE_REASONING | SWARM_MODE_TOOLS)) != 0) {
        return SWARM_E_INVALID;
    }
    steps = features->steps == 0 ? 1 : features->steps;
    span = features->span_steps == 0 ? steps : features->span_steps;
    width.agent_ns = features->agent_ns;
    width.slots = features->slots;
    width.agents_max = features->agents_max;
    if (!checked_mul64(steps, features->step_ns, &width.work_ns) ||
        !checked_mul64(span, features->step_ns, &width.span_ns)) {
        return SWARM_E_OVERFLOW;
    }
    status = swarm_width_advise(&width, &advice.width);
    if (status != SWARM_OK) {
        return status;
    }
    (void)swarm_mode_preset(SWARM_MODE_INSTANT, &advice.mode);
    if ((features->flags & SWARM_MODE_REASONING) != 0) {
        mode_raise(&advice, SWARM_MODE_THINKING, SWARM_MODE_BY_REASONING, 1, 0);
    }
    if ((features->flags & SWARM_MODE_TOOLS) != 0) {
        mode_raise(&advice, SWARM_MODE_AGENT, SWARM_MODE_BY_TOOLS, 1, 0);
    }
    if (steps > 1) {
        mode_raise(&advice, SWARM_MODE_AGENT, SWARM_MODE_BY_STEPS, steps, 1);
    }
    mode_raise_to_swarm(features, steps, width.work_ns, &advice);
    advice.text = mode_text(advice.reason);
    *out_advice = advice;
    return SWARM_OK;
}
