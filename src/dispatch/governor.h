/* SPDX-License-Identifier: MIT */
/*
 * governor.h - how many attempts a backend takes at once, found out by trying (notes: S6).
 *
 * Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease
 * Algorithms", Computer Networks and ISDN Systems 17, 1989; Jacobson, "Congestion Avoidance and
 * Control", SIGCOMM 1988). Until the first THROTTLED answer the window grows by one for each start
 * that was not refused within confirm_ns, and at most `probes_max` starts are unconfirmed: so the
 * limit is passed by that many at most. From then on it grows by 1/(2 window) a start and 4/window
 * a completion. THROTTLED: the window becomes 9/10 of what is in flight, at most every cut_ns, and
 * the backend is held for hold_ns at least.
 *
 * The window is kept in millionths. Threads: the turn.
 */
#ifndef SWARM_DISPATCH_GOVERNOR_H
#define SWARM_DISPATCH_GOVERNOR_H

#include "table.h"

#define GOVERNOR_ONE UINT64_C(1000000)
#define GOVERNOR_MOST (UINT64_C(1) << 60)

/* A window of 0 is the mark for "off": one that is on never falls below 1. */
static inline bool governor_is_on(const struct governor *g) {
    return g->window != 0;
}

/* Whether one more attempt fits the window, and, while it is being probed, would not be one too
 * many of those that may still be refused. */
static inline bool governor_admits(const struct governor *g, uint32_t inflight) {
    return (uint64_t)inflight * GOVERNOR_ONE + GOVERNOR_ONE <= g->window &&
           (!g->probing || g->unconfirmed < g->probes_max);
}

/* Adds `parts` half units over the window. */
static inline void governor_grow(struct governor *g, uint64_t halves) {
    uint64_t most = (uint64_t)g->most * GOVERNOR_ONE;

    SWARM_ASSERT(governor_is_on(g));
    g->window += halves * (GOVERNOR_ONE / 2) * GOVERNOR_ONE / g->window;
    g->window = g->window < most ? g->window : most;
}

/* An attempt was handed to the backend. */
static inline void governor_started(struct governor *g) {
    SWARM_ASSERT(governor_is_on(g));
    g->unconfirmed++;
    if (!g->probing) {
        governor_grow(g, 1);
    }
}

/* confirm_ns have passed since the first unconfirmed start. */
static inline void governor_confirmed(struct governor *g) {
    if (g->probing) {
        g->window += g->unconfirmed * GOVERNOR_ONE;
        g->probing = g->window < (uint64_t)g->most * GOVERNOR_ONE;
        g->window = g->probing ? g->window : (uint64_t)g->most * GOVERNOR_ONE;
    }
    g->unconfirmed = 0;
}

/* An attempt came back that was not refused: what the backend bears may be more. */
static inline void governor_completed(struct governor *g) {
    if (!g->probing) {
        governor_grow(g, 8);
    }
}

/* An attempt was turned away; `inflight` others are there. True when the window was cut. Between
 * two cuts it follows what the backend has: more than that was too much. */
static inline bool governor_throttled(struct governor *g, uint32_t inflight, uint64_t now_ns) {
    uint64_t there;
    bool cut = !g->cut || now_ns - g->cut_at_ns >= g->cut_ns;

    SWARM_ASSERT(!g->cut || now_ns >= g->cut_at_ns);
    g->unconfirmed -= g->unconfirmed != 0;
    there = (uint64_t)(inflight > g->unconfirmed ? inflight - g->unconfirmed : 1) * GOVERNOR_ONE;
    if (cut) {
        g->window = there / 10 * 9;
        g->probing = false;
        g->cut = true;
        g->cut_at_ns = now_ns;
    } else if (g->window > there) {
        g->window = there;
    }
    g->window = g->window < GOVERNOR_ONE ? GOVERNOR_ONE : g->window;
    return cut;
}

#endif
