/* SPDX-License-Identifier: MIT */
/*
 * shape.c - steps that are more than an AND of their edges: from their spec to the start of their
 * plan, and when a static run starts again.
 *
 * The record is taken from a pool when the step is added, by whoever fills the plan, and goes with
 * the step. What can be refused for it is looked at before the plan is applied.
 */
#include "core.h"

#include <string.h>

/* ---- adding */

static uint32_t limit_of(uint32_t given) {
    return given == 0 ? SWARM_NONE : given == SWARM_ZERO32 ? 0 : given;
}

const char *swarm__shape_fault(const swarm_step_spec *spec) {
    if (spec->join != NULL && spec->join->flags > SWARM_JOIN_CANCEL_LOSERS) {
        return "step: unknown flags of a join";
    }
    return NULL;
}

static void shape_fill(struct shape *shape, const swarm_step_spec *spec) {
    memset(shape, 0, sizeof *shape);
    shape->staged = true;
    join_reset(&shape->join);
    if (spec->join != NULL) {
        shape->has_join = true;
        shape->join.need = spec->join->need == 0              ? SWARM_NONE
                           : spec->join->need == SWARM_ZERO32 ? 0
                                                              : spec->join->need;
        shape->join.failed_max = limit_of(spec->join->failed_max);
        shape->join.garbage_max = limit_of(spec->join->garbage_max);
        shape->join.flags = spec->join->flags;
    }
}

/* The plan's ring begins behind its last one. */
static void shape_append(swarm_plan *plan, uint32_t index) {
    struct shape *shapes = plan->sw->dispatch.shapes;

    shapes[index].next = plan->shapes == NONE32 ? index : shapes[plan->shapes].next;
    if (plan->shapes != NONE32) {
        shapes[plan->shapes].next = index;
    }
    plan->shapes = index;
}

bool swarm__shape_add(swarm_plan *plan, const swarm_step_spec *spec, uint32_t tracked) {
    struct dispatch *d = &plan->sw->dispatch;
    uint32_t index;

    if (spec->join == NULL) {
        return true;
    }
    index = pool_pop(&d->shapes_pool);
    if (index == NONE32) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_FULL, "step: raise config.shapes_max");
        return false;
    }
    shape_fill(&d->shapes[index], spec);
    d->shapes[index].tracked = tracked;
    d->tracked[tracked].shape = index;
    if (spec->join != NULL) {
        d->tracked[tracked].flags |= SWARM_STEP_INPUTS;
    }
    shape_append(plan, index);
    return true;
}

void swarm__shape_let_go(struct dispatch *d, struct tracked *step) {
    if (step->shape != NONE32) {
        pool_push(&d->shapes_pool, step->shape);
        step->shape = NONE32;
    }
}

/* ---- its plan is applied */

/* The next of the plan's shapes, in order of adding; begin with NONE32. */
static bool shape_next(const swarm_plan *plan, uint32_t *cursor) {
    const struct shape *shapes = plan->sw->dispatch.shapes;

    if (plan->shapes == NONE32 || *cursor == plan->shapes) {
        return false;
    }
    *cursor = shapes[*cursor == NONE32 ? plan->shapes : *cursor].next;
    return true;
}

static uint32_t edges_into(const swarm_plan *plan, uint32_t slot) {
    uint32_t cursor = NONE32, from, count = 0;
    bool delayed;

    while (swarm__graph_plan_incoming(&plan->graph, slot, &cursor, &from, &delayed)) {
        SWARM_ASSERT(delayed);
        count++;
    }
    return count;
}

uint32_t swarm__shapes_count(const swarm_plan *plan) {
    uint32_t count = 0;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        count++;
    }
    return count;
}

bool swarm__shapes_admit(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        struct shape *shape = &d->shapes[at];
        uint32_t slot = d->tracked[shape->tracked].slot;

        if (!shape->has_join) {
            continue;
        }
        shape->join.edges = edges_into(plan, slot);
        if (shape->join.need == SWARM_NONE) {
            shape->join.need = shape->join.edges;
        }
        if (shape->join.need > shape->join.edges) {
            swarm__graph_plan_fail(&plan->graph, SWARM_E_INVALID,
                                   "join: it needs more steps than lead into it");
            plan->graph.error.index = SWARM_NONE;
            plan->graph.error.step = swarm__graph_plan_index(&plan->graph, slot);
            return false;
        }
    }
    return true;
}

void swarm__shapes_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        const struct join *join = &d->shapes[at].join;
        const struct tracked *step = &d->tracked[d->shapes[at].tracked];
        uint64_t fields[5] = {join->need, join->failed_max, join->garbage_max, join->flags,
                              join->edges};

        if (d->shapes[at].has_join) {
            swarm__log(sw, SWARM_EVENT_JOIN_SPEC, step->run, step->ordinal, fields);
            for (uint32_t i = 0; i < join->edges; i++) {
                swarm__graph_ref(&sw->graph, step->slot); /* each edge's */
            }
        }
    }
}

/* Instead of its edges the step waits for the gate. */
static void gate_close(struct graph *graph, uint32_t slot, uint32_t edges) {
    uint32_t pending = ATOMIC_LOAD(&graph->pending[slot], relaxed);

    SWARM_ASSERT((pending & GRAPH_COUNT) >= edges);
    ATOMIC_STORE(&graph->pending[slot], pending - edges + 1, relaxed); /* nobody else has it */
}

void swarm__shapes_link(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        if (d->shapes[at].has_join) {
            gate_close(&plan->sw->graph, d->tracked[d->shapes[at].tracked].slot,
                       d->shapes[at].join.edges);
        }
    }
}

void swarm__shapes_start(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        d->shapes[at].staged = false;
        if (d->shapes[at].has_join) {
            swarm__join_decide(plan->sw, d->shapes[at].tracked);
        }
    }
    plan->shapes = NONE32;
}

/* ---- a static run starts again */

void swarm__shapes_again(swarm *sw, uint32_t run) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = d->runs[run].first; at != NONE32; at = d->tracked[at].run_next) {
        if (swarm__step_joins(d, at)) {
            struct join *join = &d->shapes[d->tracked[at].shape].join;

            join_reset(join);
            gate_close(&sw->graph, d->tracked[at].slot, join->edges);
        }
    }
}

void swarm__shapes_start_again(swarm *sw, uint32_t run) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = d->runs[run].first; at != NONE32; at = d->tracked[at].run_next) {
        if (swarm__step_joins(d, at)) {
            swarm__join_decide(sw, at);
        }
    }
}
