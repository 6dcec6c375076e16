/* SPDX-License-Identifier: MIT */
/*
 * moe_sample.h - the next token out of a row of logits.
 *
 * Greedy: the largest, the lowest index among equals. With a temperature: the candidates are the
 * top_k likeliest, of these the likeliest whose probabilities first sum to top_p, and one of them
 * is drawn by a number that depends on (seed, position) alone. Candidates are ordered by falling
 * logit, then rising index, with a heap in place, so only as many are sorted as are needed.
 *
 * Invariant: equal logits, options and position give an equal token. Memory: `order` has a place a
 * token. Owner's thread.
 * Source: nucleus sampling, arXiv 1904.09751, section 3.1; heapsort after Williams (1964).
 */
#ifndef SWARM_MOE_SAMPLE_H
#define SWARM_MOE_SAMPLE_H

#include "moe_state.h"

#define STREAM_TOKEN UINT64_C(0x6d6f652e64726177) /* "moe.draw" */

struct candidates {
    const float *logits;
    uint32_t *order;
    uint32_t count;
};

static inline uint32_t argmax(const float *logits, uint32_t count) {
    uint32_t best = 0;

    for (uint32_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

static inline bool is_likelier(const float *logits, uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
}

static inline void candidates_sift(const struct candidates *all, uint32_t at, uint32_t count) {
    uint32_t moved = all->order[at];

    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child +=
            child + 1 < count && is_likelier(all->logits, all->order[child + 1], all->order[child]);
        if (!is_likelier(all->logits, all->order[child], moved)) {
            break;
        }
        all->order[at] = all->order[child];
        at = child;
    }
    all->order[at] = moved;
}

/* Moves the likeliest of the first `count` to place count - 1. */
static inline void candidates_pop(const struct candidates *all, uint32_t count) {
    uint32_t best = all->order[0];

    all->order[0] = all->order[count - 1];
    all->order[count - 1] = best;
    candidates_sift(all, 0, count - 1);
}

/* The weight of the i-th likeliest, which stands i places before the end. */
static inline double candidate_weight(const struct candidates *all, uint32_t i,
                                      double temperature) {
    float best = all->logits[all->order[all->count - 1]];
    float mine = all->logits[all->order[all->count - 1 - i]];

    return exponential(((double)mine - (double)best) / temperature);
}

static inline uint32_t draw(const struct candidates *all, const swarm_moe_prompt *prompt,
                            uint32_t position) {
    double temperature = prompt->temperature_ppm / 1e6, total = 0, sum = 0, wanted;
    uint32_t top = prompt->top_k == 0 ? all->count : least(prompt->top_k, all->count), kept = 0;
    bool is_cut = prompt->top_p_ppm != 0 && prompt->top_p_ppm < 1000000;
    uint64_t random = swarm_random(prompt->seed, STREAM_TOKEN, position);

    for (uint32_t i = 0; i < all->count; i++) {
        all->order[i] = i;
    }
    for (uint32_t i = all->count / 2; i-- != 0;) {
        candidates_sift(all, i, all->count);
    }
    for (uint32_t i = 0; i < top; i++) {
        candidates_pop(all, all->count - i);
        total += candidate_weight(all, i, temperature);
    }
    wanted = is_cut ? total * (prompt->top_p_ppm / 1e6) : total;
    while (kept < top && (kept == 0 || sum < wanted)) {
        sum += candidate_weight(all, kept++, temperature);
    }
    wanted = sum * ((double)(random >> 11) / 9007199254740992.0);
    sum = 0;
    for (uint32_t i = 0; i < kept; i++) {
        sum += candidate_weight(all, i, temperature);
        if (sum > wanted) {
            return all->order[all->count - 1 - i];
        }
    }
    return all->order[all->count - kept];
}

/* The token after `position`. */
static inline int32_t sample(const struct candidates *all, const swarm_moe_prompt *prompt,
                             uint32_t position) {
    return (int32_t)(prompt->temperature_ppm == 0 ? argmax(all->logits, all->count)
                                                  : draw(all, prompt, position));
}

#endif
