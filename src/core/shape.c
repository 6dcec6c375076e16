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
    const swarm_loop_spec *loop = spec->loop;
    const swarm_skip_spec *skip = spec->skip;

    if (spec->join != NULL && spec->join->flags > SWARM_JOIN_CANCEL_LOSERS) {
        return "step: unknown flags of a join";
    }
    if (skip != NULL &&
        (skip->confidence_ppm == 0 || skip->confidence_ppm > MILLION || skip->reserved != 0)) {
        return "step: a skip at a confidence of 0, or above 1,000,000";
    }
    if (loop != NULL &&
        (loop->iterations_max == 0 || loop->until > SWARM_WHEN_CONFIDENT ||
         (loop->until == SWARM_WHEN_CONFIDENT && loop->value > MILLION) ||
         (loop->until == SWARM_WHEN_ALWAYS && loop->value != 0) || loop->reserved != 0)) {
        return "step: a loop of no iterations, or with a condition that is none";
    }
    return NULL;
}

static void shape_fill(struct shape *shape, const swarm_step_spec *spec) {
    memset(shape, 0, sizeof *shape);
    shape->staged = true;
    join_reset(&shape->join);
    if (spec->join == NULL && (spec->flags & SWARM_STEP_OPEN) != 0) {
        shape->has_join = true;
        shape->is_plain = true;
        shape->join.need = SWARM_NONE;
        shape->join.failed_max = shape->join.garbage_max = SWARM_NONE;
    }
    if (spec->join != NULL) {
        shape->has_join = true;
        shape->join.need = spec->join->need == 0              ? SWARM_NONE
                           : spec->join->need == SWARM_ZERO32 ? 0
                                                              : spec->join->need;
        shape->join.failed_max = limit_of(spec->join->failed_max);
        shape->join.garbage_max = limit_of(spec->join->garbage_max);
        shape->join.flags = spec->join->flags;
    }
    if (spec->skip != NULL) {
        shape->skip_ppm = spec->skip->confidence_ppm;
    }
    if (spec->loop != NULL) {
        shape->loop.iterations_max = spec->loop->iterations_max;
        shape->loop.until = spec->loop->until;
        shape->loop.value = spec->loop->value;
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
    bool is_open = (spec->flags & SWARM_STEP_OPEN) != 0;
    uint32_t index;

    if (is_open &&
        ((plan->sw->config.flags & SWARM_CONFIG_LATE_EDGES) == 0 || plan->graph.is_static)) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_INVALID,
                               "step: OPEN without SWARM_CONFIG_LATE_EDGES, or in a static run");
        return false;
    }
    if (spec->join == NULL && spec->skip == NULL && spec->loop == NULL && !is_open) {
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
    if (spec->join != NULL || spec->skip != NULL) {
        d->tracked[tracked].flags |= SWARM_STEP_INPUTS;
    }
    plan->opens += is_open;
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

/* Refuses the plan for one of its steps. */
static void shape_refuse(swarm_plan *plan, swarm_status status, uint32_t slot, const char *text) {
    swarm__graph_plan_fail(&plan->graph, status, text);
    plan->graph.error.index = SWARM_NONE;
    plan->graph.error.step = swarm__graph_plan_index(&plan->graph, slot);
}

static void join_admit(swarm_plan *plan, struct join *join, uint32_t slot) {
    join->edges = edges_into(plan, slot);
    join->all = join->need == SWARM_NONE;
    join->need = join->all != 0 ? join->edges : join->need;
    if (join->need > join->edges) {
        shape_refuse(plan, SWARM_E_INVALID, slot, "join: it needs more steps than lead into it");
    }
}

/* Whether a skip of `from` is passed on to `to`, by the records that the plan holds: they are
 * listed newest first, and of several between two steps the oldest with rules counts. */
static bool plan_cascades(const swarm_plan *plan, uint32_t from, uint32_t to) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t tracked =
        graph_has(&plan->sw->graph, to, GRAPH_TRACKED) ? tracked_of(&plan->sw->graph, to) : NONE32;
    bool cascades = true;

    for (uint32_t at = plan->delays; at != NONE32; at = d->delays[at].next) {
        const struct delay *edge = &d->delays[at];

        if (edge->from == from && edge->to == to && (edge->rules & EDGE_RULES) != 0) {
            cascades = edge_cascades(edge);
        }
    }
    if (tracked != NONE32 && swarm__step_joins(d, tracked)) {
        cascades = cascades && join_hangs(&d->shapes[d->tracked[tracked].shape].join);
    }
    return cascades;
}

static bool may_skip(const swarm *sw, uint32_t slot) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t shape = graph_has(&sw->graph, slot, GRAPH_TRACKED)
                         ? d->tracked[tracked_of(&sw->graph, slot)].shape
                         : NONE32;

    return shape != NONE32 && d->shapes[shape].skip_ppm != 0;
}

/* Nobody may need strictly what skips itself. */
static void skips_admit(swarm_plan *plan) {
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        uint32_t cursor = NONE32, from;
        bool marked;

        while (swarm__graph_plan_incoming(&plan->graph, slot, &cursor, &from, &marked)) {
            if (may_skip(plan->sw, from) && plan_cascades(plan, from, slot)) {
                shape_refuse(plan, SWARM_E_DEPENDS, slot,
                             "skip: this step needs one that may be skipped");
                return;
            }
        }
    }
}

bool swarm__shapes_admit(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;
    bool skips = false;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        struct shape *shape = &d->shapes[at];

        if (shape->has_join) {
            join_admit(plan, &shape->join, d->tracked[shape->tracked].slot);
        }
        skips = skips || shape->skip_ppm != 0;
    }
    if (skips) {
        skips_admit(plan);
    }
    return plan->graph.error.status == SWARM_OK;
}

void swarm__shape_log(swarm *sw, const struct tracked *step, uint64_t ordinal) {
    const struct shape *shape = step->shape == NONE32 ? NULL : &sw->dispatch.shapes[step->shape];

    if (shape != NULL && shape->has_join) {
        const struct join *join = &shape->join;
        uint64_t fields[6] = {join->need,        join->failed_max,
                              join->garbage_max, join->flags,
                              join->edges,       join->all + (shape->is_plain ? UINT64_C(2) : 0)};

        swarm__log(sw, SWARM_EVENT_JOIN_SPEC, step->run, ordinal, fields);
    }
    if (shape != NULL && shape->skip_ppm != 0) {
        uint64_t skip = shape->skip_ppm;

        swarm__log(sw, SWARM_EVENT_SKIP_SPEC, step->run, ordinal, &skip);
    }
    if (shape != NULL && shape->loop.iterations_max != 0) {
        uint64_t fields[3] = {shape->loop.iterations_max, shape->loop.until, shape->loop.value};

        swarm__log(sw, SWARM_EVENT_LOOP_SPEC, step->run, ordinal, fields);
    }
}

void swarm__shapes_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = NONE32; shape_next(plan, &at);) {
        const struct shape *shape = &d->shapes[at];

        for (uint32_t i = 0; shape->has_join && i < shape->join.edges; i++) {
            swarm__graph_ref(&sw->graph, d->tracked[shape->tracked].slot); /* each edge's */
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
        struct shape *shape =
            d->tracked[at].shape != NONE32 ? &d->shapes[d->tracked[at].shape] : NULL;

        if (shape != NULL) {
            shape->loop.iteration = 0;
        }
        if (shape != NULL && shape->has_join) {
            join_reset(&shape->join);
            gate_close(&sw->graph, d->tracked[at].slot, shape->join.edges);
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
