/* SPDX-License-Identifier: MIT */
/*
 * pass.c - pass@k and pass^k over a set of runs, exactly.
 *
 * Of n runs c went well. Of k drawn without replacement all went well with the probability
 * C(c, k) / C(n, k), and none with C(n - c, k) / C(n, k) (Chen and others, "Evaluating Large
 * Language Models Trained on Code", arXiv 2107.03374, equation 1). Both are products of k ratios
 * (a - i) / (n - i). The two products are formed whole, so that rounding down is exact.
 */
#include "../../swarm.h"
#include "../base/check.h"

#define RUNS_MAX 1000u
#define LIMBS 340u /* 1000^1000 * 10^6 has 9,986 bits */

/* A natural number, lowest limb first. */
struct big {
    uint32_t limb[LIMBS];
    uint32_t count;
};

static void big_multiply(struct big *n, uint32_t factor) {
    uint64_t carry = 0;

    SWARM_ASSERT(n->count != 0);
    for (uint32_t i = 0; i < n->count; i++) {
        carry += (uint64_t)n->limb[i] * factor;
        n->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        SWARM_ASSERT(n->count < LIMBS);
        n->limb[n->count++] = (uint32_t)carry;
    }
    while (n->count > 1 && n->limb[n->count - 1] == 0) {
        n->count--;
    }
}

/* Whether a > b. Neither has a zero in front, so the longer one is larger. */
static bool big_above(const struct big *a, const struct big *b) {
    if (a->count != b->count) {
        return a->count > b->count;
    }
    for (uint32_t i = a->count; i != 0; i--) {
        if (a->limb[i - 1] != b->limb[i - 1]) {
            return a->limb[i - 1] > b->limb[i - 1];
        }
    }
    return false;
}

/* C(a, k) / C(n, k) in millionths: the largest q with q * n(n-1)... <= 10^6 * a(a-1)... When
 * `up` is set, the smallest q that is not below. */
static uint64_t ratio(uint32_t a, uint32_t n, uint32_t k, bool up) {
    struct big part = {.limb = {1000000}, .count = 1}, whole = {.limb = {1}, .count = 1};
    uint32_t low = 0, high = 1000000;

    SWARM_ASSERT(a <= n && k <= n);
    for (uint32_t i = 0; i < k; i++) {
        big_multiply(&part, a > i ? a - i : 0);
        big_multiply(&whole, n - i);
    }
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        struct big product = whole;

        big_multiply(&product, middle);
        if (big_above(&product, &part)) {
            high = middle - 1;
        } else {
            low = middle;
        }
    }
    if (up) {
        struct big product = whole;

        big_multiply(&product, low);
        low += big_above(&part, &product);
    }
    return low;
}

swarm_status swarm_pass_rates(uint32_t runs, uint32_t ok, uint32_t k, uint64_t *out_any_ppm,
                              uint64_t *out_all_ppm) {
    if (out_any_ppm == NULL || out_all_ppm == NULL || runs > RUNS_MAX || ok > runs || k == 0 ||
        k > runs) {
        return SWARM_E_INVALID;
    }
    *out_any_ppm = 1000000 - ratio(runs - ok, runs, k, true);
    *out_all_ppm = ratio(ok, runs, k, false);
    return SWARM_OK;
}
