/* SPDX-License-Identifier: MIT */
/*
 * charge.h - the records of budgets, and what a demand reserves of them. See budget.h.
 *
 * A CHARGE is what a demand reserves and where: it is part of what makes demands equal. A TICKET is
 * what an attempt in flight has reserved beyond that: its cost at the prices of its start.
 *
 * Memory: arrays of configured size. Threads: the turn; a thread that fills a plan takes charges
 * from a lock-free pool and looks at name and generation of a budget.
 */
#ifndef SWARM_DISPATCH_CHARGE_H
#define SWARM_DISPATCH_CHARGE_H

#include "table.h"

#define SPENDS 6u        /* dimensions, in the order of swarm_amounts */
#define BUDGET_DEPTH 16u /* of the tree */

enum { SPEND_STEPS, SPEND_INPUT, SPEND_CACHED, SPEND_OUTPUT, SPEND_COST, SPEND_RUNNING };

static_assert(sizeof(swarm_amounts) == SPENDS * sizeof(uint64_t), "amounts have padding");

/* A node of the tree. Amounts are in the units of swarm_amounts. In every dimension, while attempts
 * keep to their reservations: spent + reserved <= limit. */
struct budget {
    uint64_t limit[SPENDS]; /* SWARM_NEVER: none */
    uint64_t spent[SPENDS];
    uint64_t reserved[SPENDS];
    uint64_t exceeded; /* attempts that used more than they had reserved */
    uint64_t number;   /* in the log, from 1 */
    atomic_u64 name;
    uint32_t parent; /* or NONE32 */
    uint32_t policy;
    uint32_t depth;        /* 1 for a root */
    uint32_t references;   /* budgets below, and demands that charge this one */
    atomic_u32 generation; /* odd: in use */
};

struct charge {
    swarm_budget budget;
    uint64_t reserve[SPENDS];
    uint32_t told; /* what its last LACK event said, so that waiting is told once */
};

struct ticket {
    uint64_t cost_nano; /* reserved */
    swarm_price price;  /* at the start; all 0: the profile had none */
};

/* Slot + 1, under the generation: 0 is the null handle. Relaxed: the turn's own stores. */
static inline swarm_budget budget_handle(const struct dispatch *d, uint32_t index) {
    uint64_t generation = ATOMIC_LOAD(&d->budgets[index].generation, relaxed);
    swarm_budget handle = {generation << 32 | (index + 1)};

    SWARM_ASSERT(index < d->config->budgets_max);
    SWARM_ASSERT(generation % 2 == 1); /* open */
    return handle;
}

/* The budget's index, or NONE32 for a stale handle. For a thread without the turn the answer may be
 * old; the turn asks again when the plan is applied. */
static inline uint32_t budget_find(const struct dispatch *d, swarm_budget handle) {
    uint32_t slot = (uint32_t)handle.id, generation = (uint32_t)(handle.id >> 32);

    if (slot == 0 || slot > d->config->budgets_max || generation % 2 == 0) {
        return NONE32;
    }
    return ATOMIC_LOAD(&d->budgets[slot - 1].generation, relaxed) == generation ? slot - 1 : NONE32;
}

#endif
