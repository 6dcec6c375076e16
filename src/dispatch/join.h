/* SPDX-License-Identifier: MIT */
/*
 * join.h - when a join that waits for k of n predecessors goes on, and when it cannot any more.
 *
 * AND is k = n and OR is k = 1 (van der Aalst et al., "Workflow Patterns", 2003: synchronisation,
 * discriminator, N-out-of-M join). A verdict is final: what comes after it is not counted. The
 * failures that it can bear are looked at after the k-th OK, so of both in one instant the OK wins.
 *
 * Invariant: ok + failed + garbage + missing <= edges, and < before the last one is counted.
 */
#ifndef SWARM_DISPATCH_JOIN_H
#define SWARM_DISPATCH_JOIN_H

#include "table.h"

/* Verdicts, as the log has them. */
enum {
    JOIN_WAITS = 0,
    JOIN_GOES = 1,
    JOIN_UNREACHABLE = 2,
    JOIN_FAILED_MAX = 3,
    JOIN_GARBAGE_MAX = 4,
    JOIN_CANCELLED = 5 /* before it was decided */
};

static inline uint32_t join_count(const struct join *join) {
    return join->ok + join->failed + join->garbage + join->missing;
}

/* The verdict on what has been counted. */
static inline uint32_t join_judge(const struct join *join) {
    uint32_t lost = join->failed + join->garbage + join->missing;

    SWARM_ASSERT(join->need <= join->edges);
    SWARM_ASSERT(join_count(join) <= join->edges);
    if (join->ok >= join->need) {
        return JOIN_GOES;
    }
    if (join->failed > join->failed_max) {
        return JOIN_FAILED_MAX;
    }
    if (join->garbage > join->garbage_max) {
        return JOIN_GARBAGE_MAX;
    }
    return join->edges - lost < join->need ? JOIN_UNREACHABLE : JOIN_WAITS;
}

static inline void join_add(struct join *join, uint32_t what) {
    join->ok += what == EDGE_OK;
    join->failed += what == EDGE_FAILED;
    join->garbage += what == EDGE_GARBAGE;
    join->missing += what == EDGE_MISSING || what == EDGE_HOLE;
}

/* Whether it cannot do without any one of those that it still waits for. */
static inline bool join_hangs(const struct join *join) {
    uint32_t lost = join->failed + join->garbage + join->missing;

    return join->verdict == JOIN_WAITS && join->edges - lost == join->need;
}

/* As it was before anything ended. */
static inline void join_reset(struct join *join) {
    join->ok = join->failed = join->garbage = join->missing = 0;
    join->verdict = JOIN_WAITS;
    join->loser = NONE32;
    join->next = NONE32;
}

#endif
