/* SPDX-License-Identifier: MIT */
/*
 * vote.h - several attempts of one step, of which a quorum must agree (M16): the tally.
 *
 * Pure: src/core/vote.c keeps the ballots. Ballots agree when their class is equal: the digest that
 * their producer gave, or, without one, a mix of their value. A vote is decided as soon as a class
 * has the quorum, and lost as soon as none can reach it any more, whatever is still to come; so
 * waiting longer would not change the result. Of equal classes the one with the smallest attempt
 * number goes first: when an answer came makes no difference.
 */
#ifndef SWARM_DISPATCH_VOTE_H
#define SWARM_DISPATCH_VOTE_H

#include "../base/hash.h"
#include "table.h"

#define VOTE_MAX 16u

struct ballot {
    uint64_t class;
    uint32_t confidence_ppm;
    uint32_t number; /* of the attempt */
};

enum { VOTE_OPEN = 0, VOTE_WON = 1, VOTE_TIE_BREAK = 2, VOTE_NO_QUORUM = 3 };

struct tally {
    uint32_t decision;
    uint32_t winner; /* index of its ballot, or NONE32 */
    uint32_t votes;  /* of the strongest class */
};

/* What a ballot says: equal classes agree. The mix keeps a value from being taken for a digest. */
static inline uint64_t vote_class(const swarm_result *result) {
    return result->digest != 0 ? result->digest : hash_mix64(result->value, 1);
}

/* How many of the ballots cast agree with this class. O(ballots). */
static inline uint32_t votes_for(const struct ballot *ballots, uint32_t cast, uint64_t class) {
    uint32_t votes = 0;

    for (uint32_t i = 0; i < cast; i++) {
        votes += ballots[i].class == class;
    }
    return votes;
}

/* Whether ballot a stands before b: by votes, or by confidence; then by number. */
static inline bool ballot_before(const struct ballot *a, const struct ballot *b, uint32_t x,
                                 uint32_t y) {
    SWARM_ASSERT(a->number != b->number);
    return x != y ? x > y : a->number < b->number;
}

/* The first ballot of the strongest class; or, by_confidence, the surest ballot of all. */
static inline uint32_t vote_first(const struct ballot *ballots, uint32_t cast, bool by_confidence) {
    uint32_t best = NONE32, best_weight = 0;

    for (uint32_t i = 0; i < cast; i++) {
        uint32_t weight =
            by_confidence ? ballots[i].confidence_ppm : votes_for(ballots, cast, ballots[i].class);

        if (best == NONE32 || ballot_before(&ballots[i], &ballots[best], weight, best_weight)) {
            best = i;
            best_weight = weight;
        }
    }
    return best;
}

static inline struct tally vote_count(const swarm_vote_spec *spec, const struct ballot *ballots,
                                      uint32_t cast, uint32_t failed) {
    struct tally tally = {VOTE_OPEN, vote_first(ballots, cast, false), 0};
    uint32_t left = spec->count - cast - failed;

    SWARM_ASSERT(spec->quorum != 0);
    SWARM_ASSERT(cast + failed <= spec->count);
    tally.votes =
        tally.winner == NONE32 ? 0 : votes_for(ballots, cast, ballots[tally.winner].class);
    if (tally.votes >= spec->quorum && (left == 0 || (spec->flags & SWARM_VOTE_ALL) == 0)) {
        tally.decision = VOTE_WON;
    } else if (tally.votes + left < spec->quorum) {
        bool breaks = spec->tie_break != SWARM_TIE_NONE && cast != 0;

        tally.decision = breaks ? VOTE_TIE_BREAK : VOTE_NO_QUORUM;
        tally.winner =
            !breaks ? NONE32 : vote_first(ballots, cast, spec->tie_break == SWARM_TIE_BEST);
    }
    return tally;
}

#endif
