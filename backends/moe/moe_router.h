/* SPDX-License-Identifier: MIT */
/*
 * moe_router.h - which experts a token goes to, and with what weights.
 *
 * s = sigmoid(logit); the choice is by s + bias, the weights are by s alone. With groups, a group
 * counts by the sum of its two largest s + bias; the experts of groups that lose are out, which is
 * not the same as masking with 0 when scores are negative. Equal scores: the lowest index wins, for
 * groups and for experts. Chosen in falling order.
 *
 * A logit that is not finite fails the row alone: no expert is chosen, every index is NONE.
 * Pure but for its results, any thread; K passes over E scores, both bounded by the model.
 * Source: DeepSeek-V3 (arXiv 2412.19437), section 2.1.2; auxiliary-loss-free balancing
 * (arXiv 2408.15664).
 */
#ifndef SWARM_MOE_ROUTER_H
#define SWARM_MOE_ROUTER_H

#include "moe_state.h"

/* The sum of the two largest of a group. */
static float group_score(const float *biased, uint32_t count) {
    float first = biased[0], second = biased[1];

    if (second > first) {
        first = biased[1];
        second = biased[0];
    }
    for (uint32_t i = 2; i < count; i++) {
        if (biased[i] > first) {
            second = first;
            first = biased[i];
        } else if (biased[i] > second) {
            second = biased[i];
        }
    }
    return first + second;
}

/* Whether group g is among the `chosen` best: fewer than that many beat it. */
static bool group_wins(const float *biased, uint32_t groups, uint32_t size, uint32_t chosen,
                       uint32_t g) {
    float mine = group_score(biased + (size_t)g * size, size);
    uint32_t better = 0;

    for (uint32_t i = 0; i < groups; i++) {
        float other = i == g ? mine : group_score(biased + (size_t)i * size, size);

        better += other > mine || (other == mine && i < g);
    }
    return better < chosen;
}

static void mask_groups(const swarm_moe_model *model, float *biased, float *masked) {
    uint32_t size = model->experts / model->groups;

    for (uint32_t g = 0; g < model->groups; g++) {
        bool wins =
            model->groups == 1 || group_wins(biased, model->groups, size, model->groups_chosen, g);

        for (uint32_t i = g * size; i < (g + 1) * size; i++) {
            masked[i] = wins ? biased[i] : float_of_bits(0xff800000u);
        }
    }
}

/* Chooses for one row. `scores` has the logits and room for three times as many; false when one is
 * not finite. */
static bool route(const swarm_moe_model *model, const float *bias, float *scores,
                  uint32_t *out_choice, float *out_weight) {
    float *biased = scores + model->experts, *masked = biased + model->experts, sum = 0, factor;
    bool is_good = true;

    for (uint32_t i = 0; i < model->experts; i++) {
        is_good = is_good && is_finite(scores[i]);
        scores[i] = sigmoid(scores[i]);
        biased[i] = scores[i] + bias[i];
    }
    for (uint32_t k = 0; k < model->experts_chosen; k++) {
        out_choice[k] = NONE;
        out_weight[k] = 0;
    }
    if (!is_good) {
        return false;
    }
    mask_groups(model, biased, masked);
    for (uint32_t k = 0; k < model->experts_chosen; k++) {
        uint32_t best = NONE;

        for (uint32_t i = 0; i < model->experts; i++) {
            if (masked[i] > float_of_bits(0xff800000u) &&
                (best == NONE || masked[i] > masked[best])) {
                best = i;
            }
        }
        if (best == NONE) {
            memset(out_choice, 0xff, k * sizeof *out_choice);
            return false; /* only a bias that is not finite leads here */
        }
        masked[best] = float_of_bits(0xff800000u);
        out_choice[k] = best;
        out_weight[k] = scores[best];
        sum += scores[best];
    }
    factor = (float)model->router_scale;
    for (uint32_t k = 0; k < model->experts_chosen; k++) {
        float share = model->weights_as_given ? out_weight[k] : out_weight[k] / (sum + 1e-20f);

        out_weight[k] = share * factor;
    }
    return true;
}

#endif
