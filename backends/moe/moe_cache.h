/* SPDX-License-Identifier: MIT */
/*
 * moe_cache.h - pages of latents: taken, shared, found again, given back.
 *
 *     free -> held by one sequence -> full: in the prefix table -> held by many
 *      ^                                     | nobody holds it any more
 *      `---- taken again <---- kept: can still be found, least recently used goes first
 *
 * The name of a full page is a hash over its tokens and its parent's hash. Who looks it up compares
 * the tokens and the parent's identity (page and generation) as well; the parent was found in the
 * same way, so by induction all tokens before it are equal, whatever the hash does. A page that is
 * taken for other tokens gets a new generation: children of what it was can't be found any more.
 *
 * Invariant: references > 0, or the page is on exactly one list: free (not known) or kept (known).
 * Each known page is in the chain of its hash's bucket. Owner's thread only.
 * Source: prefix caching by block hashes as in vLLM (PagedAttention, arXiv 2309.06180, section 4).
 */
#ifndef SWARM_MOE_CACHE_H
#define SWARM_MOE_CACHE_H

#include "moe_state.h"

static inline uint64_t mixed(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A hash of tokens that continues `hash`. */
static inline uint64_t tokens_hash(uint64_t hash, const int32_t *tokens, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        hash = mixed(hash + UINT64_C(0x9e3779b97f4a7c15) + (uint32_t)tokens[i]);
    }
    return hash;
}

static inline int32_t *page_tokens_of(const swarm_moe *moe, uint32_t page) {
    return moe->page_tokens + (size_t)page * moe->spec.page_tokens;
}

static inline void cache_init(swarm_moe *moe) {
    moe->oldest = moe->newest = moe->free_first = NONE;
    moe->pages_free = moe->spec.pages_max;
    memset(moe->buckets, 0xff, ((size_t)moe->buckets_mask + 1) * sizeof *moe->buckets);
    for (uint32_t i = moe->spec.pages_max; i-- != 0;) {
        moe->pages[i].newer = moe->free_first;
        moe->free_first = i;
    }
}

/* Takes a page off the list of kept ones. */
static inline void kept_remove(swarm_moe *moe, uint32_t page) {
    struct page *p = &moe->pages[page];

    *(p->older == NONE ? &moe->oldest : &moe->pages[p->older].newer) = p->newer;
    *(p->newer == NONE ? &moe->newest : &moe->pages[p->newer].older) = p->older;
    moe->pages_kept--;
}

/* Makes a known page unfindable. */
static inline void page_unname(swarm_moe *moe, uint32_t page) {
    uint32_t *link = &moe->buckets[moe->pages[page].hash & moe->buckets_mask];

    while (*link != page) {
        link = &moe->pages[*link].chain;
    }
    *link = moe->pages[page].chain;
    moe->pages[page].is_known = false;
    moe->pages[page].generation++;
}

/* A page for new tokens, held once; NONE when all are held. */
static inline uint32_t page_take(swarm_moe *moe) {
    uint32_t page = moe->free_first;

    if (page != NONE) {
        moe->free_first = moe->pages[page].newer;
        moe->pages_free--;
    } else if (moe->oldest != NONE) {
        page = moe->oldest;
        kept_remove(moe, page);
        page_unname(moe, page);
    } else {
        return NONE;
    }
    moe->pages[page].references = 1;
    return page;
}

static inline void page_hold(swarm_moe *moe, uint32_t page) {
    if (moe->pages[page].references++ == 0) {
        kept_remove(moe, page);
    }
}

static inline void page_drop(swarm_moe *moe, uint32_t page) {
    struct page *p = &moe->pages[page];

    if (--p->references != 0) {
        return;
    }
    if (!p->is_known) {
        p->newer = moe->free_first;
        moe->free_first = page;
        moe->pages_free++;
        return;
    }
    p->older = moe->newest;
    p->newer = NONE;
    *(moe->newest == NONE ? &moe->oldest : &moe->pages[moe->newest].newer) = page;
    moe->newest = page;
    moe->pages_kept++;
}

static inline uint64_t page_hash(const swarm_moe *moe, uint32_t parent, const int32_t *tokens) {
    return tokens_hash(parent == NONE ? 0 : moe->pages[parent].hash, tokens, moe->spec.page_tokens);
}

/* The known page with these tokens after `parent` (NONE: at the beginning), or NONE. */
static inline uint32_t page_find(const swarm_moe *moe, uint32_t parent, const int32_t *tokens) {
    uint64_t hash = page_hash(moe, parent, tokens);
    uint32_t page = moe->buckets[hash & moe->buckets_mask];
    uint32_t generation = parent == NONE ? 0 : moe->pages[parent].generation;

    for (; page != NONE; page = moe->pages[page].chain) {
        const struct page *p = &moe->pages[page];

        if (p->hash == hash && p->parent == parent && p->parent_generation == generation &&
            memcmp(page_tokens_of(moe, page), tokens, moe->spec.page_tokens * sizeof *tokens) ==
                0) {
            return page;
        }
    }
    return NONE;
}

/* Gives a held page, now full, its name. */
static inline void page_name(swarm_moe *moe, uint32_t page, uint32_t parent,
                             const int32_t *tokens) {
    struct page *p = &moe->pages[page];
    uint32_t *bucket;

    p->hash = page_hash(moe, parent, tokens);
    p->parent = parent;
    p->parent_generation = parent == NONE ? 0 : moe->pages[parent].generation;
    p->is_known = true;
    bucket = &moe->buckets[p->hash & moe->buckets_mask];
    p->chain = *bucket;
    *bucket = page;
    memcpy(page_tokens_of(moe, page), tokens, moe->spec.page_tokens * sizeof *tokens);
}

/* Holds the known pages that a sequence begins with, all but its last token at most. */
static inline void sequence_match(swarm_moe *moe, struct sequence *sequence) {
    uint32_t most = (sequence->count - 1) / moe->spec.page_tokens, parent = NONE;

    for (uint32_t i = 0; i < most; i++) {
        uint32_t page =
            page_find(moe, parent, sequence->tokens + (size_t)i * moe->spec.page_tokens);

        if (page == NONE) {
            break;
        }
        page_hold(moe, page);
        sequence->pages[sequence->pages_count++] = page;
        parent = page;
    }
    sequence->pages_known = sequence->pages_count;
    sequence->computed = sequence->pages_count * moe->spec.page_tokens;
}

/* Gives all pages back, the last first: what is at the beginning is the likeliest to be shared. */
static inline void sequence_unpage(swarm_moe *moe, struct sequence *sequence) {
    while (sequence->pages_count != 0) {
        page_drop(moe, sequence->pages[--sequence->pages_count]);
    }
    sequence->pages_known = 0;
    sequence->computed = 0;
}

/* Names the pages that have become full. One that exists already takes the place of ours: both
 * have the same bits, and later sequences find only that one. */
static inline void sequence_name_pages(swarm_moe *moe, struct sequence *sequence) {
    while ((sequence->pages_known + 1) * (uint64_t)moe->spec.page_tokens <= sequence->computed) {
        uint32_t at = sequence->pages_known++, mine = sequence->pages[at];
        uint32_t parent = at == 0 ? NONE : sequence->pages[at - 1];
        const int32_t *tokens = sequence->tokens + (size_t)at * moe->spec.page_tokens;
        uint32_t known = page_find(moe, parent, tokens);

        if (known == NONE) {
            page_name(moe, mine, parent, tokens);
        } else {
            page_hold(moe, known);
            sequence->pages[at] = known;
            page_drop(moe, mine);
        }
    }
}

#endif
