/* SPDX-License-Identifier: MIT */
#include "budget.h"

#include <string.h>

#include "../base/checked.h"

/* Linear: budgets are few, and looked up by name when they are opened or read back only. Relaxed:
 * the turn alone opens and frees. */
uint32_t swarm__budget_named(const struct dispatch *d, uint64_t name) {
    SWARM_ASSERT(name != 0);
    for (uint32_t i = 0; i < d->config->budgets_max; i++) {
        if (ATOMIC_LOAD(&d->budgets[i].generation, relaxed) % 2 == 1 &&
            ATOMIC_LOAD(&d->budgets[i].name, relaxed) == name) {
            return i;
        }
    }
    return NONE32;
}

uint32_t swarm__budget_numbered(const struct dispatch *d, uint64_t number) {
    SWARM_ASSERT(d->config->budgets_max != 0);
    for (uint32_t i = 0; i < d->config->budgets_max; i++) {
        if (ATOMIC_LOAD(&d->budgets[i].generation, relaxed) % 2 == 1 &&
            d->budgets[i].number == number) {
            return i;
        }
    }
    return NONE32;
}

/* A slot that is free and whose generation can still rise: it would make old handles good again if
 * it came round. */
static uint32_t free_slot(const struct dispatch *d) {
    for (uint32_t i = 0; i < d->config->budgets_max; i++) {
        uint32_t generation = ATOMIC_LOAD(&d->budgets[i].generation, relaxed);

        if (generation % 2 == 0 && generation < UINT32_MAX - 1) {
            return i;
        }
    }
    return NONE32;
}

uint32_t swarm__budget_new(struct dispatch *d, uint64_t name, uint32_t parent) {
    uint32_t index = free_slot(d);
    struct budget *budget;

    SWARM_ASSERT(parent == NONE32 || d->budgets[parent].depth < BUDGET_DEPTH);
    if (index == NONE32) {
        return NONE32;
    }
    budget = &d->budgets[index];
    memset(budget->limit, 0xff, sizeof budget->limit);
    memset(budget->spent, 0, sizeof budget->spent);
    memset(budget->reserved, 0, sizeof budget->reserved);
    budget->exceeded = 0;
    budget->number = ++d->budgets_opened;
    budget->parent = parent;
    budget->depth = parent == NONE32 ? 1 : d->budgets[parent].depth + 1;
    budget->references = 0;
    if (parent != NONE32) {
        d->budgets[parent].references++;
    }
    ATOMIC_STORE(&budget->name, name, relaxed);
    /* Release: the name before a thread that was given the handle looks at it. */
    (void)ATOMIC_ADD(&budget->generation, 1, release);
    return index;
}

/* Handles are stale from here on. Release: as in swarm__budget_new, for the slot's next name. */
void swarm__budget_free(struct dispatch *d, uint32_t index) {
    struct budget *budget = &d->budgets[index];

    SWARM_ASSERT(budget->references == 0);
    if (budget->parent != NONE32) {
        SWARM_ASSERT(d->budgets[budget->parent].references != 0);
        d->budgets[budget->parent].references--;
    }
    (void)ATOMIC_ADD(&budget->generation, 1, release);
}

/* One dimension of one budget. A budget that is over its limit takes nothing at all. */
static int fit_one(const struct budget *budget, uint32_t dimension, uint64_t amount) {
    uint64_t limit = budget->limit[dimension], spent = budget->spent[dimension];
    uint64_t used = saturating_add64(spent, budget->reserved[dimension]);

    SWARM_ASSERT(dimension < SPENDS);
    if (used <= limit && amount <= limit - used) {
        return FIT_NOW;
    }
    return spent > limit || amount > limit - spent ? FIT_NEVER : FIT_LATER;
}

/* What to tell the caller: which limit, how much was wanted, how much is there. */
static void lack_fill(const struct dispatch *d, uint32_t budget, uint32_t dimension,
                      uint64_t amount, struct lack *out_lack) {
    const struct budget *b = &d->budgets[budget];
    uint64_t used = saturating_add64(b->spent[dimension], b->reserved[dimension]);

    out_lack->budget = budget;
    out_lack->dimension = dimension;
    out_lack->needed = amount;
    out_lack->available = used < b->limit[dimension] ? b->limit[dimension] - used : 0;
}

/* Bounded by BUDGET_DEPTH times SPENDS. The worst answer of all levels counts: what one of them can
 * never give, waiting for another does not help. */
int swarm__budget_fit(const struct dispatch *d, uint32_t index, const uint64_t amounts[SPENDS],
                      struct lack *out_lack) {
    int worst = FIT_NOW;

    SWARM_ASSERT(index != NONE32);
    for (uint32_t at = index; at != NONE32 && worst != FIT_NEVER; at = d->budgets[at].parent) {
        for (uint32_t i = 0; i < SPENDS && worst != FIT_NEVER; i++) {
            int fit = fit_one(&d->budgets[at], i, amounts[i]);

            if (fit > worst) {
                worst = fit;
                lack_fill(d, at, i, amounts[i], out_lack);
            }
        }
    }
    return worst;
}

void swarm__budget_reserve(struct dispatch *d, uint32_t index, const uint64_t amounts[SPENDS]) {
    SWARM_ASSERT(index != NONE32);
    for (uint32_t at = index; at != NONE32; at = d->budgets[at].parent) {
        for (uint32_t i = 0; i < SPENDS; i++) {
            SWARM_ASSERT(fit_one(&d->budgets[at], i, amounts[i]) == FIT_NOW);
            d->budgets[at].reserved[i] += amounts[i];
        }
    }
}

bool swarm__budget_settle(struct dispatch *d, uint32_t index, const uint64_t reserved[SPENDS],
                          const uint64_t used[SPENDS]) {
    bool exceeded = false;

    SWARM_ASSERT(index != NONE32);
    for (uint32_t at = index; at != NONE32; at = d->budgets[at].parent) {
        struct budget *budget = &d->budgets[at];

        for (uint32_t i = 0; i < SPENDS; i++) {
            SWARM_ASSERT(budget->reserved[i] >= reserved[i]);
            budget->reserved[i] -= reserved[i];
            budget->spent[i] = saturating_add64(budget->spent[i], used[i]);
            exceeded = exceeded || (used[i] > reserved[i] && budget->limit[i] != SWARM_NEVER);
        }
    }
    for (uint32_t at = exceeded ? index : NONE32; at != NONE32; at = d->budgets[at].parent) {
        d->budgets[at].exceeded++;
    }
    return exceeded;
}

/* Saturates: a price that does not fit 64 bits is above any limit that does. */
static uint64_t times(uint64_t count, uint64_t each) {
    uint64_t product = UINT64_MAX;

    (void)checked_mul64(count, each, &product);
    return product;
}

uint64_t swarm__price_of(const swarm_price *price, const uint64_t amounts[SPENDS]) {
    uint64_t input = amounts[SPEND_INPUT], cached = amounts[SPEND_CACHED], sum = price->fixed_nano;

    cached = cached < input ? cached : input; /* the cached ones are part of the input */
    sum = saturating_add64(sum, times(input - cached, price->input_nano));
    sum = saturating_add64(sum, times(cached, price->cached_nano));
    return saturating_add64(sum, times(amounts[SPEND_OUTPUT], price->output_nano));
}

#if defined(SWARM_ASSERTS)

static bool is_below(const struct dispatch *d, uint32_t budget, uint32_t above) {
    SWARM_ASSERT(above != NONE32);
    while (budget != NONE32 && budget != above) {
        budget = d->budgets[budget].parent;
    }
    return budget == above;
}

/* What the attempts that are not settled have reserved in this budget. */
static void reserved_by_attempts(const struct dispatch *d, uint32_t budget, uint64_t out[SPENDS]) {
    memset(out, 0, SPENDS * sizeof *out);
    for (uint32_t i = 0; i < d->attempts_free.fresh; i++) {
        const struct attempt *attempt = &d->attempts[i];
        uint32_t charge;

        if (!slots_taken(&d->attempts_free, i) || attempt->settled) {
            continue;
        }
        charge = d->demands[attempt->demand].charge;
        if (charge == NONE32 || !is_below(d, budget_find(d, d->charges[charge].budget), budget)) {
            continue;
        }
        for (uint32_t k = 0; k < SPENDS; k++) {
            out[k] += k == SPEND_COST ? d->tickets[i].cost_nano : d->charges[charge].reserve[k];
        }
    }
}

void swarm__budget_invariant(const struct dispatch *d) {
    for (uint32_t i = 0; i < d->config->budgets_max && d->budgets_opened != 0; i++) {
        uint64_t reserved[SPENDS];

        if (ATOMIC_LOAD(&d->budgets[i].generation, relaxed) % 2 == 0) {
            continue;
        }
        reserved_by_attempts(d, i, reserved);
        SWARM_ASSERT(memcmp(reserved, d->budgets[i].reserved, sizeof reserved) == 0);
    }
}

#endif
