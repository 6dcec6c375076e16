/* SPDX-License-Identifier: MIT */
/*
 * edge.h - edges that say more than "after it ended OK": what the end of a step brings along one.
 *
 * Kinds, conditions and rules are packed into one word of the edge's record. An edge without a
 * record is plain: data, always taken, and anything but OK cascades. Whether a condition holds is
 * read off branch and confidence of the result and nothing else (design, section 4).
 */
#ifndef SWARM_DISPATCH_EDGE_H
#define SWARM_DISPATCH_EDGE_H

#include "../base/checked.h"
#include "table.h"

/* struct delay.rules: four fields of four bits, and marks. */
#define EDGE_WHEN_SHIFT 4
#define EDGE_FAILURE_SHIFT 8
#define EDGE_SKIP_SHIFT 12
#define EDGE_RULES 0xffffu
#define EDGE_TIMED 0x10000u /* has a delay, if only of 0 ns */

static inline uint32_t edge_kind(const struct delay *edge) {
    return edge->rules & 15u;
}

static inline uint32_t edge_when(const struct delay *edge) {
    return edge->rules >> EDGE_WHEN_SHIFT & 15u;
}

static inline uint32_t edge_on_failure(const struct delay *edge) {
    return edge->rules >> EDGE_FAILURE_SHIFT & 15u;
}

static inline uint32_t edge_on_skip(const struct delay *edge) {
    return edge->rules >> EDGE_SKIP_SHIFT & 15u;
}

/* Whether a caller's words about an edge make sense together. Looked at when it is added, so that
 * nothing behind has to. */
static inline bool edge_is_sound(const swarm_edge_spec *spec) {
    bool has_rules = (spec->when | spec->on_failure | spec->on_skip) != 0;

    if (spec->kind > SWARM_EDGE_SOFT || spec->when > SWARM_WHEN_CONFIDENT ||
        spec->on_failure > SWARM_EDGE_HOLE || spec->on_skip > SWARM_EDGE_HOLE) {
        return false;
    }
    return spec->reserved == 0 && !(spec->kind == SWARM_EDGE_SOFT && has_rules) &&
           !(spec->when == SWARM_WHEN_CONFIDENT && spec->value > MILLION) &&
           !(spec->when == SWARM_WHEN_ALWAYS && spec->value != 0);
}

/* Into the record. SWARM_ZERO is a delay as well: such an edge goes by way of the timers. */
static inline void edge_fill(struct delay *edge, const swarm_edge_spec *spec) {
    SWARM_ASSERT(edge_is_sound(spec));
    edge->delay_ns = spec->delay_ns == SWARM_ZERO ? 0 : spec->delay_ns;
    edge->rules = spec->kind | spec->when << EDGE_WHEN_SHIFT |
                  spec->on_failure << EDGE_FAILURE_SHIFT | spec->on_skip << EDGE_SKIP_SHIFT |
                  (spec->delay_ns != 0 ? EDGE_TIMED : 0);
    edge->value = spec->value;
}

/* Another edge between the same steps, which was added before. */
static inline void edge_merge(struct delay *edge, const struct delay *before) {
    uint32_t timed = (edge->rules | before->rules) & EDGE_TIMED;

    SWARM_ASSERT(edge != before);
    if ((before->rules & EDGE_RULES) != 0) {
        edge->rules = before->rules;
        edge->value = before->value;
    }
    edge->rules |= timed;
    edge->delay_ns = edge->delay_ns > before->delay_ns ? edge->delay_ns : before->delay_ns;
}

/* Whether its condition holds for this result, of a step that ended OK. */
static inline bool edge_is_taken(const struct delay *edge, const swarm_result *result) {
    return result_meets(result, edge_when(edge), edge->value);
}

/* Whether a skip of `from` is passed on. */
static inline bool edge_cascades(const struct delay *edge) {
    return edge_kind(edge) != SWARM_EDGE_SOFT && edge_on_skip(edge) == SWARM_EDGE_CASCADE;
}

/* What a step that did not end OK is to a plain edge. */
static inline uint32_t edge_loss(const struct tracked *from) {
    switch (from->state) {
    case SWARM_STEP_OK: /* the edge was not taken */
    case SWARM_STEP_SKIPPED:
    case SWARM_STEP_CANCELLED:
        return EDGE_MISSING;
    default:
        return from->reason == SWARM_E_GARBAGE ? EDGE_GARBAGE : EDGE_FAILED;
    }
}

/* What a step that has ended brings along an edge; null: a plain one. */
static inline uint32_t edge_brings(const struct tracked *from, const struct delay *edge) {
    bool ok = from->state == SWARM_STEP_OK;
    uint32_t rule;

    SWARM_ASSERT(state_is_terminal(from->state));
    if (ok && (edge == NULL || edge_is_taken(edge, &from->result))) {
        return EDGE_OK;
    }
    if (edge == NULL) {
        return edge_loss(from);
    }
    rule = ok || from->state == SWARM_STEP_SKIPPED ? edge_on_skip(edge) : edge_on_failure(edge);
    if (edge_kind(edge) == SWARM_EDGE_SOFT || rule == SWARM_EDGE_AS_OK) {
        return EDGE_OK;
    }
    return rule == SWARM_EDGE_HOLE ? EDGE_HOLE : edge_loss(from);
}

#endif
