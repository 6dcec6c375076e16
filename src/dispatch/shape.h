/* SPDX-License-Identifier: MIT */
/*
 * shape.h - the records of what makes a step more than an AND of its edges, done once: edges with
 * rules, inputs with holes, joins, loops, skips. Part of table.h, for which it would be too long.
 *
 * Memory: arrays of configured size; a record goes back with its step. Threads: a plan's by whoever
 * fills it, then the turn's.
 */
#ifndef SWARM_DISPATCH_SHAPE_H
#define SWARM_DISPATCH_SHAPE_H

#include "../../swarm.h"
#include "../base/pool.h"

#define MILLION 1000000u /* the whole, in parts per million */

struct input_cell {
    uint32_t slot; /* of the predecessor, with INPUT_* */
    uint32_t next;
};

#define INPUT_HOLE 0x80000000u /* nothing came that way */
#define INPUT_LATE 0x40000000u /* for the join went on before it ended */
#define INPUT_SLOT 0x3fffffffu

/* k of n: see join.h. Counts are of edges, each once. */
struct join {
    uint32_t need;
    uint32_t failed_max, garbage_max;
    uint32_t flags; /* SWARM_JOIN_* */
    uint32_t all;   /* 1: needs every one, also those that are added later */
    uint32_t edges; /* that lead into it */
    uint32_t ok, failed, garbage, missing;
    uint32_t verdict; /* JOIN_* */
    uint32_t stuck;   /* edges from steps that can't end: see core/deadlock.c */
    uint32_t loser;   /* the next input to look at while it is on the list of losers */
    uint32_t next;    /* that list, by tracked step */
};

/* Again, until it is enough. */
struct loop {
    uint32_t iterations_max; /* 0: no loop */
    uint32_t iteration;      /* ended so far */
    uint32_t until, value;
};

/* What a tracked step is besides an AND of its edges, done once. */
struct shape {
    struct join join;
    struct loop loop;
    uint32_t skip_ppm; /* skipped at this confidence; 0: never */
    uint32_t tracked;
    uint32_t next; /* of its plan until that is applied: a ring, from its last one */
    bool has_join;
    bool is_plain; /* the join is an AND of an OPEN step: it is skipped, and does not fail */
    bool staged;   /* its plan is not started yet */
};

/* What an edge brings. */
enum {
    EDGE_OK = 0,
    EDGE_FAILED = 1,  /* or timed out */
    EDGE_GARBAGE = 2, /* answered, and refused */
    EDGE_MISSING = 3, /* skipped, cancelled or not taken */
    EDGE_HOLE = 4     /* nothing, and `to` does not mind */
};

/* An edge with a delay or with rules: see edge.h. */
struct delay {
    uint64_t delay_ns;
    uint64_t ordinal;  /* of `to`, once the plan is applied: its slot may be another step's later */
    uint32_t from, to; /* slots; from is NONE32 once that step is gone */
    uint32_t next;     /* of the plan, then of `from` */
    uint32_t rules;    /* packed: EDGE_* of edge.h */
    uint32_t value;    /* for `when` */
};

/* Whether a result meets a condition: SWARM_WHEN_*. */
static inline bool result_meets(const swarm_result *result, uint32_t when, uint32_t value) {
    switch (when) {
    case SWARM_WHEN_BRANCH:
        return result->branch == value;
    case SWARM_WHEN_CONFIDENT:
        return result->confidence_ppm >= value;
    default:
        return true;
    }
}

#endif
