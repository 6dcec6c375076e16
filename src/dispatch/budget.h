/* SPDX-License-Identifier: MIT */
/*
 * budget.h - what may be spent: a tree of limits, with what is spent and what is reserved (M39).
 *
 * An attempt reserves the most that it may use in its budget and in all budgets above, or in none,
 * before it starts; when its backend is done with it, the reservation goes and what was used is
 * booked, once. So in every dimension of every budget spent + reserved <= limit, however many
 * attempts are in flight, as long as they keep to what they have reserved: admission by reservation
 * as in a two-phase escrow (O'Neil, "The Escrow Transactional Method", ACM TODS 11(4), 1986).
 * An attempt that used more is booked in full all the same: spent may then pass the limit, and such
 * a budget admits nothing more, not even a reservation of zero.
 *
 * Threads: the turn.
 */
#ifndef SWARM_DISPATCH_BUDGET_H
#define SWARM_DISPATCH_BUDGET_H

#include "charge.h"

/* What does not fit, and where. */
struct lack {
    uint64_t needed, available;
    uint32_t budget, dimension;
};

enum { FIT_NOW, FIT_LATER, FIT_NEVER };

/* Opens a budget below `parent`, or NONE32; the caller has checked. NONE32 when budgets_max is
 * reached. */
uint32_t swarm__budget_new(struct dispatch *d, uint64_t name, uint32_t parent);
void swarm__budget_free(struct dispatch *d, uint32_t budget);
/* An open budget of this name, or NONE32. */
uint32_t swarm__budget_named(const struct dispatch *d, uint64_t name);
/* The open budget with this number in the log, or NONE32. */
uint32_t swarm__budget_numbered(const struct dispatch *d, uint64_t number);

/* Whether the amounts fit the budget and all above it: now; later, when attempts in flight settle
 * for less than they have reserved; or never, as the limits stand. *out_lack: what lacks first. */
int swarm__budget_fit(const struct dispatch *d, uint32_t budget, const uint64_t amounts[SPENDS],
                      struct lack *out_lack);

/* All of them, up to the root. The amounts fit. */
void swarm__budget_reserve(struct dispatch *d, uint32_t budget, const uint64_t amounts[SPENDS]);
/* The other side: what was reserved goes, what was used is booked. True when more was used than
 * reserved in a dimension that is limited somewhere. */
bool swarm__budget_settle(struct dispatch *d, uint32_t budget, const uint64_t reserved[SPENDS],
                          const uint64_t used[SPENDS]);

/* Price of an amount, at most 2^64 - 1. */
uint64_t swarm__price_of(const swarm_price *price, const uint64_t amounts[SPENDS]);

static inline bool price_is_set(const swarm_price *price) {
    return (price->fixed_nano | price->input_nano | price->cached_nano | price->output_nano) != 0;
}

/* With asserts: what is reserved is what the attempts in flight have reserved. */
void swarm__budget_invariant(const struct dispatch *d);

#endif
