/* SPDX-License-Identifier: MIT */
/*
 * space.h - how static and growing runs share one array of cells (slots of steps, or edges).
 *
 *     0 [span][gap][span]   ... low |  free  | high ...  [growing cells] capacity
 *
 * A static run has one span of contiguous cells. Spans lie from the bottom, in gaps that spans
 * given back left, or above all of them. Only the turn opens one, one at a time, so their list is
 * plain. Growing cells come one by one, from any thread: returned ones from a pool, new ones from
 * `high` downwards. `low` and `high` are the two halves of one word, `bounds`, and each side moves
 * its half by a CAS of the whole word: so the two parts cannot cross, whoever comes first. `high`
 * never rises: a growing cell goes to the pool and stays growing.
 *
 * A claim is a gap that is being filled. How much will be needed is not known, so it takes the
 * largest gap; the one above all spans ends at `high`, which may move: there the claim raises `low`
 * in front of itself, and gives the rest back at the end.
 *
 * Invariant: spans are disjoint and ascending; all end at or below low; low <= high <= capacity.
 *
 * Memory: the caller's. Threads: claims and spans by the turn; space_take, space_give by all.
 */
#ifndef SWARM_GRAPH_SPACE_H
#define SWARM_GRAPH_SPACE_H

#include "../base/pool.h"

#define SPACE_RESERVE 64 /* cells that a claim reserves at least, if growing runs may take them */
#define SPACE_STOCK 32   /* cells that a thread takes at once; it keeps twice as many at most */

/* Cells of a static run. */
struct span {
    uint32_t first, count;
    uint32_t next; /* run of the span above, or NONE32 */
};

/* Cells of one kind, static and growing together. */
struct space {
    struct pool pool;   /* growing cells given back; its own counter `fresh` stays at the end */
    atomic_u64 bounds;  /* high << 32 | low */
    struct span *spans; /* of each run; count 0: none */
    uint32_t lowest;    /* run of the lowest span, or NONE32 */
    uint32_t runs;
    uint32_t capacity;
    uint32_t stock_max; /* of one thread: a small part of the whole, so that nobody starves */
    bool growing;       /* else nobody takes single cells */
};

struct claim {
    uint32_t first; /* cells first .. next - 1 are in use */
    uint32_t next;
    uint32_t limit; /* next .. limit - 1 are reserved */
    uint32_t below; /* run of the span below the gap, or NONE32 */
    bool top;       /* the gap lies above all spans */
};

/* Cells in the hand of one thread: a plan takes them from the pool several at a time, a worker
 * gives them back several at a time. Linked as in the pool. */
struct stock {
    uint32_t first, last; /* NONE32: none */
    uint32_t count;
    uint32_t batch; /* how many the next refill asks for */
};

static inline uint32_t space_low(uint64_t bounds) {
    return (uint32_t)bounds;
}

static inline uint32_t space_high(uint64_t bounds) {
    return (uint32_t)(bounds >> 32);
}

static inline uint64_t space_word(uint32_t low, uint32_t high) {
    SWARM_ASSERT(low <= high);
    return (uint64_t)high << 32 | low;
}

/* All free, without touching a cell. */
static inline void space_init(struct space *space, atomic_u32 *links, uint32_t capacity,
                              struct span *spans, uint32_t runs) {
    pool_init(&space->pool, links, capacity);
    /* The pool's fresh cells come from `bounds`: it keeps those that were given back only. */
    ATOMIC_STORE(&space->pool.fresh, capacity, relaxed);
    ATOMIC_STORE(&space->bounds, space_word(0, capacity), relaxed);
    space->spans = spans;
    space->lowest = NONE32;
    space->runs = runs;
    space->capacity = capacity;
    space->growing = true;
    space->stock_max = capacity / 512 < SPACE_STOCK ? capacity / 512 : SPACE_STOCK;
    for (uint32_t run = 0; run < runs; run++) {
        spans[run].first = 0;
        spans[run].count = 0;
        spans[run].next = NONE32;
    }
}

/* ---- growing cells: any thread */

/* A cell that no growing run had before, or NONE32. */
static inline uint32_t space_take_fresh(struct space *space) {
    /* Acquire, here and in the CAS: pairs with the release CAS of space_low_move; what the turn
     * wrote in a cell of a span that it gave back is seen by its next owner (mutant LOWRLX). */
    uint64_t bounds = ATOMIC_LOAD(&space->bounds, acquire);

    while (space_low(bounds) < space_high(bounds)) {
        uint32_t cell = space_high(bounds) - 1;

        if (ATOMIC_CAS_WEAK(&space->bounds, &bounds, space_word(space_low(bounds), cell), acquire,
                            acquire)) {
            return cell;
        }
    }
    return NONE32;
}

/* Nothing in hand. The first refill asks for one cell: a plan of one step takes no more. */
static inline void stock_init(struct stock *stock) {
    stock->first = stock->last = NONE32;
    stock->count = 0;
    stock->batch = 1;
}

/* One more cell in hand, in front. Relaxed: the cell is this thread's. */
static inline void stock_push(struct space *space, struct stock *stock, uint32_t cell) {
    SWARM_ASSERT(cell < space->capacity);
    SWARM_ASSERT(cell != stock->first);
    ATOMIC_STORE(&space->pool.links[cell], stock->first, relaxed); /* published by the return */
    stock->last = stock->first != NONE32 ? stock->last : cell;
    stock->first = cell;
    stock->count++;
}

/* Takes up to `batch` returned cells by one CAS. The walk may read links that are stale by then, so
 * it looks where it steps; if the CAS succeeds, nothing was popped since (pool.h), and what lies
 * below the head did not change. */
static inline void space_refill(struct space *space, struct stock *stock) {
    struct pool *pool = &space->pool;
    /* Acquire: as in pool_pop (mutant POPRLX). */
    uint64_t head = ATOMIC_LOAD(&pool->head, acquire);

    SWARM_ASSERT(stock->first == NONE32);
    while (pool_word_index(head) != NONE32) {
        uint32_t last = pool_word_index(head), count = 1;
        uint32_t next = ATOMIC_LOAD(&pool->links[last], relaxed);

        while (count < stock->batch && next < pool->capacity) {
            last = next;
            next = ATOMIC_LOAD(&pool->links[last], relaxed);
            count++;
        }
        if (ATOMIC_CAS_WEAK(&pool->head, &head, pool_word(pool_word_tag(head) + 1, next), acquire,
                            acquire)) {
            stock->first = pool_word_index(head);
            stock->last = last;
            stock->count = count;
            return;
        }
    }
}

/* A cell, from what is in hand if there is something. Each refill is twice as large as the last, so
 * no more is in hand than was taken. *out_fresh: no growing run had it before. */
static inline uint32_t space_take(struct space *space, struct stock *stock, bool *out_fresh) {
    uint32_t cell = stock->first;

    *out_fresh = false;
    if (cell == NONE32) {
        space_refill(space, stock);
        stock->batch = 2 * stock->batch <= space->stock_max ? 2 * stock->batch : stock->batch;
        cell = stock->first;
    }
    if (cell == NONE32) {
        *out_fresh = true;
        return space_take_fresh(space);
    }
    stock->first = --stock->count != 0 ? ATOMIC_LOAD(&space->pool.links[cell], relaxed) : NONE32;
    return cell;
}

/* Gives back what is in hand. */
static inline void space_return(struct space *space, struct stock *stock) {
    if (stock->first != NONE32) {
        pool_push_chain(&space->pool, stock->first, stock->last);
        stock->first = stock->last = NONE32;
        stock->count = 0;
    }
}

/* Gives one cell back by way of what is in hand. */
static inline void space_drop(struct space *space, struct stock *stock, uint32_t cell) {
    stock_push(space, stock, cell);
    if (stock->count > 2 * space->stock_max) {
        space_return(space, stock);
    }
}

/* Gives one cell back at once, by threads that keep no stock. */
static inline void space_give(struct space *space, uint32_t cell) {
    SWARM_ASSERT(cell < space->capacity);
    pool_push(&space->pool, cell);
}

/* ---- spans: the turn */

static inline uint32_t span_end(const struct span *span) {
    return span->first + span->count;
}

/* Moves `low` to a place that the turn may choose: up to what is free, or down. False: no room. */
static inline bool space_low_move(struct space *space, uint32_t low) {
    uint64_t bounds = ATOMIC_LOAD(&space->bounds, relaxed); /* a guess: the CAS checks it */

    do {
        if (low > space_high(bounds)) {
            return false;
        }
        /* Release: pairs with the acquire of space_take. */
    } while (!ATOMIC_CAS_WEAK(&space->bounds, &bounds, space_word(low, space_high(bounds)), release,
                              relaxed));
    return true;
}

/* Where the span of a run begins, or what lies above all spans. */
static inline uint32_t space_gap_end(const struct space *space, uint32_t above) {
    return above != NONE32 ? space->spans[above].first
                           : space_high(ATOMIC_LOAD(&space->bounds, relaxed));
}

/* Opens a claim on the largest gap. */
static inline void space_claim(const struct space *space, struct claim *claim) {
    uint32_t below = NONE32, above = space->lowest, first = 0, largest = 0;
    bool done = false;

    claim->first = claim->next = claim->limit = 0;
    claim->below = NONE32;
    claim->top = above == NONE32;
    for (uint32_t left = space->runs + 1; left != 0 && !done; left--) {
        uint32_t size = space_gap_end(space, above) - first;

        if (size > largest) {
            largest = size;
            claim->first = claim->next = first;
            claim->limit = above != NONE32 ? first + size : first;
            claim->below = below;
            claim->top = above == NONE32;
        }
        done = above == NONE32;
        if (!done) {
            below = above;
            first = span_end(&space->spans[below]);
            above = space->spans[below].next;
        }
    }
}

/* Makes room for one more cell. False: there is none. */
static inline bool space_claim_more(struct space *space, struct claim *claim) {
    uint32_t high = space_high(ATOMIC_LOAD(&space->bounds, relaxed));
    uint32_t size = claim->next - claim->first;
    uint32_t want = size > SPACE_RESERVE ? size : SPACE_RESERVE;

    SWARM_ASSERT(claim->next == claim->limit);
    if (!claim->top || claim->limit >= high) {
        return false;
    }
    if (!space->growing || want > high - claim->limit) {
        want = high - claim->limit; /* nobody else takes any, or this is all that is left */
    }
    while (!space_low_move(space, claim->limit + want)) {
        want /= 2; /* growing runs were faster */
        if (want == 0) {
            return false;
        }
    }
    claim->limit += want;
    return true;
}

/* The next cell of a claim, or NONE32. */
static inline uint32_t space_claim_take(struct space *space, struct claim *claim) {
    if (claim->next == claim->limit && !space_claim_more(space, claim)) {
        return NONE32;
    }
    SWARM_ASSERT(claim->next < claim->limit);
    return claim->next++;
}

/* Ends a claim: what was taken becomes the span of a run, the rest goes back. */
static inline void space_claim_keep(struct space *space, struct claim *claim, uint32_t run) {
    struct span *span = &space->spans[run];
    bool moved = true;

    SWARM_ASSERT(span->count == 0);
    if (claim->next != claim->first) {
        uint32_t *link = claim->below != NONE32 ? &space->spans[claim->below].next : &space->lowest;

        span->first = claim->first;
        span->count = claim->next - claim->first;
        span->next = *link;
        *link = run;
    }
    if (claim->top) {
        moved = space_low_move(space, claim->next);
    }
    SWARM_ASSERT(moved); /* down always goes */
    (void)moved;
    claim->limit = claim->next;
}

/* Ends a claim and gives back all of it. */
static inline void space_claim_drop(struct space *space, struct claim *claim) {
    bool moved = !claim->top || space_low_move(space, claim->first);

    SWARM_ASSERT(moved);
    (void)moved;
    claim->next = claim->limit = claim->first;
}

/* Gives the span of a run back, if it has one. */
static inline void space_span_free(struct space *space, uint32_t run) {
    struct span *span = &space->spans[run];
    uint32_t *link = &space->lowest;
    uint32_t end = 0;
    bool moved = true;

    SWARM_ASSERT(run < space->runs);
    if (span->count == 0) {
        return;
    }
    for (uint32_t left = space->runs; *link != run && left != 0; left--) {
        end = span_end(&space->spans[*link]);
        link = &space->spans[*link].next;
    }
    SWARM_ASSERT(*link == run);
    *link = span->next;
    if (span->next == NONE32) {
        moved = space_low_move(space, end); /* it was the highest: the free part grows */
    }
    SWARM_ASSERT(moved);
    (void)moved;
    span->count = 0;
    span->next = NONE32;
}

/* While nobody works on it: see the invariant above. */
static inline bool space_invariant(const struct space *space) {
    uint64_t bounds = ATOMIC_LOAD(&space->bounds, relaxed);
    uint32_t end = 0, count = 0;

    for (uint32_t run = space->lowest; run != NONE32; run = space->spans[run].next) {
        if (run >= space->runs || space->spans[run].count == 0 || count == space->runs ||
            space->spans[run].first < end) {
            return false;
        }
        end = span_end(&space->spans[run]);
        count++;
    }
    return end <= space_low(bounds) && space_low(bounds) <= space_high(bounds) &&
           space_high(bounds) <= space->capacity && pool_invariant(&space->pool, NULL);
}

#endif
