/* SPDX-License-Identifier: MIT */
/*
 * edge.c - what the end of a step brings to those that wait for it, where that is more than a
 * count: edges with a delay or with rules, and edges that lead into a join (M4).
 *
 * The graph leaves such edges to dispatch. Records of edges hang on the step that they leave, by
 * the ordinal of the other; a plain edge into a join needs none.
 */
#include "core.h"

/* The record of an edge, or NONE32 when it has none. */
uint32_t swarm__delay_find(const struct dispatch *d, uint32_t list, uint64_t ordinal) {
    while (list != NONE32 && d->delays[list].ordinal < ordinal) {
        list = d->delays[list].next;
    }
    return list != NONE32 && d->delays[list].ordinal == ordinal ? list : NONE32;
}

static void edge_delay(swarm *sw, uint32_t delay, uint64_t from_ns) {
    struct dispatch *d = &sw->dispatch;

    SWARM_ASSERT(from_ns <= sw->now_ns);
    SWARM_ASSERT(!heap_contains(d->timer_nodes, timer_of_delay(d, delay)));
    timer_arm(d, timer_of_delay(d, delay), saturating_add64(from_ns, d->delays[delay].delay_ns),
              d->delays[delay].ordinal);
}

static const struct delay *edge_at(const struct dispatch *d, uint32_t delay) {
    return delay == NONE32 ? NULL : &d->delays[delay];
}

void swarm__edge_arrived(swarm *sw, uint32_t to, uint32_t what) {
    uint32_t tracked = tracked_of(&sw->graph, to);
    bool poisoned;

    if (swarm__step_joins(&sw->dispatch, tracked)) {
        swarm__join_arrived(sw, tracked, what);
        return;
    }
    sw->dispatch.tracked[tracked].holes = sw->dispatch.tracked[tracked].holes || what == EDGE_HOLE;
    if (swarm__graph_count_down(&sw->graph, to, what != EDGE_OK && what != EDGE_HOLE, &poisoned)) {
        swarm__woken_push(sw, to, poisoned);
    }
}

static void edge_ended(swarm *sw, const struct tracked *from, uint32_t to, uint32_t delay) {
    const struct delay *edge = edge_at(&sw->dispatch, delay);
    uint32_t what = edge_brings(from, edge);

    if (what == EDGE_OK && edge != NULL && (edge->rules & EDGE_TIMED) != 0) {
        edge_delay(sw, delay, from->end_ns);
    } else {
        swarm__edge_arrived(sw, to, what);
    }
}

void swarm__edge_ended(swarm *sw, const struct tracked *from, uint32_t to, uint32_t *delays) {
    const struct dispatch *d = &sw->dispatch;
    uint64_t ordinal = d->tracked[tracked_of(&sw->graph, to)].ordinal;

    while (*delays != NONE32 && d->delays[*delays].ordinal < ordinal) {
        *delays = d->delays[*delays].next;
    }
    edge_ended(sw, from, to, swarm__delay_find(d, *delays, ordinal));
}

void swarm__edge_late(void *context, uint32_t from, uint32_t to) {
    swarm *sw = context;
    const struct tracked *step = &sw->dispatch.tracked[tracked_of(&sw->graph, from)];
    uint64_t ordinal = sw->dispatch.tracked[tracked_of(&sw->graph, to)].ordinal;

    edge_ended(sw, step, to, swarm__delay_find(&sw->dispatch, step->delays_first, ordinal));
}

/* The marks of an input that the step with this ordinal reads, as things stand now. */
static uint32_t input_marks(const struct dispatch *d, const struct tracked *from,
                            uint64_t ordinal) {
    uint32_t delay = swarm__delay_find(d, from->delays_first, ordinal);

    if (!state_is_terminal(from->state)) {
        return INPUT_HOLE | INPUT_LATE;
    }
    if (edge_brings(from, edge_at(d, delay)) != EDGE_OK) {
        return INPUT_HOLE;
    }
    return delay != NONE32 && heap_contains(d->timer_nodes, timer_of_delay(d, delay))
               ? INPUT_HOLE | INPUT_LATE
               : 0;
}

void swarm__inputs_mark(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[tracked];

    for (uint32_t cell = step->inputs_first; cell != NONE32; cell = d->inputs[cell].next) {
        uint32_t slot = d->inputs[cell].slot;

        SWARM_ASSERT(slot <= INPUT_SLOT);
        if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) { /* others: a plain edge, which was OK */
            const struct tracked *from = &d->tracked[tracked_of(&sw->graph, slot)];

            d->inputs[cell].slot = slot | input_marks(d, from, step->ordinal);
        }
    }
}

void swarm__inputs_clear(struct dispatch *d, struct tracked *step) {
    for (uint32_t cell = step->holes ? step->inputs_first : NONE32; cell != NONE32;
         cell = d->inputs[cell].next) {
        d->inputs[cell].slot &= INPUT_SLOT;
    }
    step->holes = false;
}

void swarm__branch_log(swarm *sw, const struct tracked *step) {
    const struct dispatch *d = &sw->dispatch;
    uint64_t fields[4] = {step->result.branch, step->result.confidence_ppm, 0, 0};

    for (uint32_t at = step->delays_first; at != NONE32 && step->state == SWARM_STEP_OK;
         at = d->delays[at].next) {
        if (edge_when(&d->delays[at]) != SWARM_WHEN_ALWAYS) {
            fields[edge_is_taken(&d->delays[at], &step->result) ? 2 : 3]++;
        }
    }
    if (fields[2] + fields[3] != 0) {
        swarm__log(sw, SWARM_EVENT_BRANCH, step->run, step->ordinal, fields);
    }
}
