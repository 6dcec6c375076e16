/* SPDX-License-Identifier: MIT */
/*
 * apply.c - a plan is admitted, and then applied: all of it or nothing (M2).
 *
 * Everything that can be refused is looked at first and touches nothing that others see: the
 * graph's own check (cycles), the run's limits, keys, room for inputs, a scope, room in the log.
 * From there on nothing can fail.
 */
#include "charge.h"
#include "guard.h"

#define PLAN_EVENTS_BYTES 2u * LOG_EVENT_MAX

static struct tracked *tracked_at(const swarm_plan *plan, uint32_t slot) {
    struct graph *graph = plan->graph.graph;

    return graph_has(graph, slot, GRAPH_TRACKED)
               ? &plan->sw->dispatch.tracked[tracked_of(graph, slot)]
               : NULL;
}

/* Edges whose rules the log will tell. */
static uint32_t rules_count(const swarm_plan *plan) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t count = 0;

    for (uint32_t at = plan->delays; at != NONE32; at = d->delays[at].next) {
        count += (d->delays[at].rules & EDGE_RULES) != 0;
    }
    return count;
}

/* Whether the log has room for the plan's events. */
bool swarm__plan_room(swarm_plan *plan, bool *out_never) {
    uint64_t bytes = PLAN_EVENTS_BYTES;

    if (plan->graph.tracked != 0) {
        bytes += (uint64_t)plan->graph.count * LOG_EVENT_MAX +
                 (uint64_t)plan->graph.edges * LOG_EDGE_MAX +
                 (uint64_t)plan->guards * GUARD_EVENTS * LOG_EVENT_MAX;
        bytes += (uint64_t)swarm__shapes_count(plan) * SHAPE_EVENTS * LOG_EVENT_MAX;
        bytes += (uint64_t)rules_count(plan) * LOG_EVENT_MAX;
    }
    return swarm__log_reserve_bytes(&plan->sw->log, plan->sw->now_ns, bytes, out_never);
}

/* For what concerns the plan as a whole, no single operation. */
static void refuse(swarm_plan *plan, swarm_status status, const char *text) {
    swarm__graph_plan_fail(&plan->graph, status, text);
    plan->graph.error.index = SWARM_NONE;
}

static bool within_limits(swarm_plan *plan) {
    swarm *sw = plan->sw;
    const struct run *run = &sw->dispatch.runs[plan->run];
    /* Relaxed: a cap on totals; steps that workers add at this moment count at the next look. */
    uint64_t steps = run->report.steps + ATOMIC_LOAD(&sw->graph.scopes[plan->run].added, relaxed);

    if (plan->graph.count > run->steps_max || steps > run->steps_max - plan->graph.count) {
        refuse(plan, SWARM_E_LIMIT, "plan: the run's steps_max is reached");
        return false;
    }
    if (plan->graph.caller != NONE32 &&
        sw->graph.scopes[plan->graph.scope].depth + 1 > run->depth_max) {
        refuse(plan, SWARM_E_DEPTH, "plan: the run's depth_max is reached");
        return false;
    }
    return true;
}

static bool inputs_fit(swarm_plan *plan) {
    const struct slots *free = &plan->sw->dispatch.inputs_free;
    uint64_t count = 0;

    for (uint32_t slot = NONE32;
         plan->readers != 0 && swarm__graph_plan_step(&plan->graph, &slot);) {
        const struct tracked *step = tracked_at(plan, slot);
        uint32_t cursor = NONE32, from;
        bool delayed;

        while (step != NULL && (step->flags & SWARM_STEP_INPUTS) != 0 &&
               swarm__graph_plan_incoming(&plan->graph, slot, &cursor, &from, &delayed)) {
            count++;
        }
    }
    if (count > free->capacity - free->used) {
        refuse(plan, SWARM_E_FULL, "plan: raise config.inputs_max");
        return false;
    }
    return true;
}

/* Takes the keys of the plan's steps up to `end` out of the table. */
static void keys_remove(swarm_plan *plan, uint32_t end) {
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot) && slot != end;) {
        const struct tracked *step = tracked_at(plan, slot);

        if (step != NULL && step->key != 0) {
            key_remove(&plan->sw->dispatch, tracked_of(plan->graph.graph, slot));
        }
    }
}

/* Place of a step in its plan; SWARM_NEVER when it is of an earlier one. */
static uint64_t place_of(swarm_plan *plan, uint32_t wanted) {
    uint64_t place = 0;

    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot); place++) {
        if (slot == wanted) {
            return place;
        }
    }
    return SWARM_NEVER;
}

static bool keys_insert(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        const struct tracked *step = tracked_at(plan, slot);
        uint32_t other;

        if (step == NULL || step->key == 0) {
            continue;
        }
        other = key_find(d, plan->run, step->key);
        if (other != NONE32) {
            keys_remove(plan, slot);
            refuse(plan, SWARM_E_DUPLICATE, "plan: a step's key is used twice in the run");
            plan->graph.error.step = place_of(plan, slot);
            plan->graph.error.other = place_of(plan, d->tracked[other].slot);
            return false;
        }
        key_insert(d, tracked_of(plan->graph.graph, slot));
    }
    return true;
}

/* A scope for what a call step adds through dispatch; NONE32 when there is none. */
static uint32_t scope_take(swarm *sw) {
    uint32_t index = sw->scopes_free;

    if (index != NONE32) {
        sw->scopes_free = sw->graph.scopes[index].next;
    } else if (sw->scopes_fresh < sw->config.runs_max + sw->config.scopes_max) {
        index = sw->scopes_fresh++;
    }
    return index;
}

static bool scope_exists(swarm_plan *plan) {
    swarm *sw = plan->sw;

    if (plan->graph.caller != NONE32 && sw->scopes_free == NONE32 &&
        sw->scopes_fresh == sw->config.runs_max + sw->config.scopes_max) {
        refuse(plan, SWARM_E_FULL, "plan: raise config.scopes_max");
        return false;
    }
    return true;
}

static swarm_status admit(swarm_plan *plan) {
    bool never = false;

    if (plan->graph.error.status != SWARM_OK) {
        return plan->graph.error.status;
    }
    if (!swarm__plan_room(plan, &never)) {
        if (!never) {
            return SWARM_E_AGAIN;
        }
        refuse(plan, SWARM_E_FULL, "plan: raise config.log_bytes, the plan's events do not fit");
        return SWARM_E_FULL;
    }
    if (swarm__graph_plan_check(&plan->graph) == SWARM_OK && within_limits(plan) &&
        inputs_fit(plan) && scope_exists(plan) && swarm__shapes_admit(plan) &&
        swarm__charges_fit(plan)) {
        (void)keys_insert(plan);
    }
    return plan->graph.error.status;
}

/* The steps of a call step's plan get a scope of their own. */
static void scope_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    uint32_t caller = plan->graph.caller, scope, parent = plan->graph.scope;
    uint64_t ordinal;

    if (caller == NONE32) {
        return;
    }
    ordinal = swarm__graph_ordinal(&sw->graph, caller);
    scope = scope_take(sw);
    SWARM_ASSERT(scope != NONE32);
    swarm__scope_open(&sw->graph, scope, plan->run, parent,
                      ordinal != SWARM_NEVER ? ordinal : sw->graph.scopes[parent].ordinal);
    sw->graph.scopes[scope].creator = NONE32;
    if (graph_has(&sw->graph, caller, GRAPH_TRACKED)) {
        sw->graph.scopes[scope].creator = caller;
        sw->dispatch.tracked[tracked_of(&sw->graph, caller)].scope_own = scope;
    }
    plan->graph.scope = scope;
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        sw->graph.scope[slot] = scope;
    }
}

/* Into the list of the step that it leaves, ascending by the ordinal of `to`; a repeated edge keeps
 * the longer delay. Plans list delays newest first, so the place is mostly the front. */
static void delay_attach(struct dispatch *d, uint32_t delay) {
    const struct graph *graph = d->graph;
    uint32_t *link = &d->tracked[tracked_of(graph, d->delays[delay].from)].delays_first;
    uint64_t ordinal = d->tracked[tracked_of(graph, d->delays[delay].to)].ordinal;

    d->delays[delay].ordinal = ordinal;
    while (*link != NONE32 && d->delays[*link].ordinal < ordinal) {
        link = &d->delays[*link].next;
    }
    if (*link != NONE32 && d->delays[*link].ordinal == ordinal) {
        edge_merge(&d->delays[*link], &d->delays[delay]);
        pool_push(&d->delays_pool, delay);
        return;
    }
    heap_node_init(d->timer_nodes, timer_of_delay(d, delay));
    d->delays[delay].next = *link;
    *link = delay;
}

static void input_append(struct dispatch *d, struct tracked *step, uint32_t from, uint32_t *last) {
    uint32_t cell = slots_take(&d->inputs_free);

    SWARM_ASSERT(cell != NONE32); /* inputs_fit has counted */
    d->inputs[cell].slot = from;
    d->inputs[cell].next = NONE32;
    if (*last == NONE32) {
        step->inputs_first = cell;
    } else {
        d->inputs[*last].next = cell;
    }
    *last = cell;
    step->inputs_count++;
    swarm__graph_ref(d->graph, from);
}

/* The ordinal that a step has, or gets with this plan, whose first one gets `first`. */
static uint64_t ordinal_of(const swarm_plan *plan, uint32_t slot, uint64_t first) {
    const struct graph *graph = plan->graph.graph;

    if (plan->graph.is_static) {
        return first + (slot - plan->graph.first);
    }
    return graph_has(graph, slot, GRAPH_STAGED) ? first + graph->lineage[slot]
                                                : swarm__graph_ordinal(graph, slot);
}

static void log_step(swarm *sw, const swarm_plan *plan, uint32_t slot, uint64_t ordinal) {
    const struct tracked *step = tracked_at(plan, slot);
    uint32_t kind = ATOMIC_LOAD(&sw->graph.kind[slot], relaxed);
    uint64_t fields[8] = {0};

    if (step == NULL || step->demand == NONE32) {
        fields[0] = sw->function_names[kind_function(kind)];
        fields[2] = step == NULL ? sw->graph.argument[slot] : step->argument;
        if ((kind_flags(kind) & GRAPH_RANGE) !=
            0) { /* its argument is a place, which is nobody's */
            fields[1] = sw->graph.ranges[fields[2]].count;
            fields[2] = sw->graph.ranges[fields[2]].first;
        }
    } else {
        fields[1] = sw->dispatch.demands[step->demand].digest;
        fields[2] = step->argument;
        fields[5] = step->order_key;
    }
    if (step != NULL) {
        fields[3] = step->key;
        fields[4] = step->priority;
        fields[6] = step->estimate_ns;
        fields[7] = step->flags;
    }
    swarm__log(sw, SWARM_EVENT_STEP, plan->run, ordinal, fields);
}

/* The record of a marked edge of this plan, or null. */
static const struct delay *record_of(const swarm_plan *plan, uint32_t from, uint32_t to) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t list = tracked_at(plan, from)->delays_first;
    uint32_t delay = swarm__delay_find(d, list, tracked_at(plan, to)->ordinal);

    return delay == NONE32 ? NULL : &d->delays[delay];
}

static void log_edge(const swarm_plan *plan, const struct delay *edge, uint64_t from, uint64_t to) {
    bool timed = edge != NULL && (edge->rules & EDGE_TIMED) != 0;
    uint64_t fields[6] = {from, timed ? 1 + edge->delay_ns : 0};

    swarm__log(plan->sw, SWARM_EVENT_EDGE, plan->run, to, fields);
    if (edge != NULL && (edge->rules & EDGE_RULES) != 0) {
        fields[1] = edge_kind(edge);
        fields[2] = edge_when(edge);
        fields[3] = edge->value;
        fields[4] = edge_on_failure(edge);
        fields[5] = edge_on_skip(edge);
        swarm__log(plan->sw, SWARM_EVENT_EDGE_RULE, plan->run, to, fields);
    }
}

/* The step's edges: into its list of inputs, and into the log. */
static void step_edges(const swarm_plan *plan, uint32_t slot, uint64_t first) {
    swarm *sw = plan->sw;
    struct tracked *step = tracked_at(plan, slot);
    bool reads = step != NULL && (step->flags & SWARM_STEP_INPUTS) != 0;
    bool reads_all = reads && swarm__step_joins(&sw->dispatch, tracked_of(&sw->graph, slot));
    uint32_t cursor = NONE32, from, last = NONE32;
    bool marked;

    while ((reads || sw->log.enabled) &&
           swarm__graph_plan_incoming(&plan->graph, slot, &cursor, &from, &marked)) {
        const struct delay *edge = marked ? record_of(plan, from, slot) : NULL;

        if (sw->log.enabled) {
            log_edge(plan, edge, ordinal_of(plan, from, first), ordinal_of(plan, slot, first));
        }
        if (reads_all || (reads && (edge == NULL || edge_kind(edge) == SWARM_EDGE_DATA))) {
            input_append(&sw->dispatch, step, from, &last);
        }
    }
}

/* Ordinals, the run's list, demands shared with other steps. */
static void steps_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;
    struct run *run = &d->runs[plan->run];
    uint64_t ordinal = run->ordinal_next;
    uint32_t from = NONE32, to = NONE32; /* the last demand that was private, and what it became */

    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot); ordinal++) {
        struct tracked *step = tracked_at(plan, slot);
        uint32_t tracked;

        if (step == NULL) {
            continue;
        }
        tracked = tracked_of(&sw->graph, slot);
        step->ordinal = ordinal;
        if (step->demand != NONE32 && step->demand == from) {
            swarm__demand_ref(d, to); /* steps with an equal demand stand side by side */
            step->demand = to;
        } else if (step->demand != NONE32 && !d->demands[step->demand].interned) {
            from = step->demand;
            to = swarm__demand_intern(d, from);
            step->demand = to;
        }
        heap_node_init(d->ready_nodes, tracked);
        heap_node_init(d->timer_nodes, tracked);
        run_append(d, run, tracked);
    }
}

static void log_plan(swarm_plan *plan, uint64_t first) {
    swarm *sw = plan->sw;
    struct run *run = &sw->dispatch.runs[plan->run];
    uint64_t creator = sw->graph.scopes[plan->graph.scope].ordinal + 1; /* NEVER becomes 0 */
    uint32_t edges = plan->graph.edges - plan->graph.repeated;
    uint64_t fields[6] = {run->report.plan_version, first, plan->graph.count, edges, 0, creator};

    fields[4] = hash_mix64(hash_mix64(first, plan->graph.count), edges);
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        uint32_t kind = ATOMIC_LOAD(&sw->graph.kind[slot], relaxed);

        fields[4] = hash_mix64(fields[4], (kind_flags(kind) & GRAPH_AGENT) != 0
                                              ? 0
                                              : sw->function_names[kind_function(kind)]);
    }
    swarm__log(sw, SWARM_EVENT_PLAN, plan->run, SWARM_NEVER, fields);
    for (uint32_t slot = NONE32;
         plan->graph.tracked != 0 && swarm__graph_plan_step(&plan->graph, &slot);) {
        log_step(sw, plan, slot, ordinal_of(plan, slot, first));
        if (tracked_at(plan, slot) != NULL) {
            swarm__guard_log(sw, tracked_at(plan, slot), ordinal_of(plan, slot, first));
        }
        step_edges(plan, slot, first);
    }
}

static void start_steps(swarm_plan *plan) {
    uint32_t cursor = NONE32, slot;
    bool poisoned;

    while (swarm__graph_plan_start(&plan->graph, &cursor, &slot, &poisoned)) {
        swarm__woken_push(plan->sw, slot, poisoned);
    }
}

/* OK, or the reason why nothing happened, and where, in *out_error: the plan is gone then. AGAIN
 * leaves it open. The record of a call step's plan is given back by the caller after an OK. */
swarm_status swarm__plan_apply(swarm_plan *plan, swarm_error *out_error) {
    swarm *sw = plan->sw;
    struct run *run = plan->run == NONE32 ? NULL : &sw->dispatch.runs[plan->run];
    swarm_status status = admit(plan);
    uint64_t first;

    if (status != SWARM_OK) {
        *out_error = plan->graph.error; /* before another worker can have the record */
        out_error->status = status;
        if (status != SWARM_E_AGAIN) {
            swarm__plan_undo(plan);
        }
        return status;
    }
    if (plan->graph.count == 0) {
        plan->open = false;
        swarm__graph_plan_undo(&plan->graph);
        return SWARM_OK;
    }
    first = run->ordinal_next;
    scope_enter(plan);
    swarm__order_levels(&sw->dispatch, &plan->graph, plan->delays, run->order);
    steps_enter(plan);
    for (uint32_t at = plan->delays, next; at != NONE32; at = next) {
        next = sw->dispatch.delays[at].next;
        delay_attach(&sw->dispatch, at);
    }
    plan->delays = NONE32;
    plan->records = NONE32;
    run->report.plan_version++;
    run->report.steps += plan->graph.count;
    run->report.edges += plan->graph.edges - plan->graph.repeated;
    run->report.edges_repeated += plan->graph.repeated;
    run->report.start_ns = run->started ? run->report.start_ns : sw->now_ns;
    run->started = true;
    run->ordinal_next += plan->graph.count;
    log_plan(plan, first);
    swarm__shapes_enter(plan);
    swarm__graph_plan_link(&plan->graph, first);
    swarm__shapes_link(plan);
    start_steps(plan);
    swarm__shapes_start(plan);
    plan->open = false;
    return SWARM_OK;
}

/* The record of a step that is not there after all. */
void swarm__record_give(struct dispatch *d, uint32_t tracked) {
    swarm__demand_let_go(d, d->tracked[tracked].demand);
    swarm__shape_let_go(d, &d->tracked[tracked]);
    if (d->tracked[tracked].guard != NONE32) {
        swarm__guard_free(d, d->tracked[tracked].guard);
    }
    pool_push(&d->tracked_pool, tracked);
}

/* Dispatch's part of a plan that is not applied. On a worker too: a call step's plan has demands of
 * its own. */
static void records_give(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = plan->records, next; at != NONE32; at = next) {
        next = d->tracked[at].run_next;
        swarm__record_give(d, at);
    }
    for (uint32_t at = plan->delays, next; at != NONE32; at = next) {
        next = d->delays[at].next;
        pool_push(&d->delays_pool, at);
    }
    plan->records = NONE32;
    plan->delays = NONE32;
}

/* Gives everything back, the record included. */
void swarm__plan_undo(swarm_plan *plan) {
    records_give(plan);
    if (plan->run != NONE32) {
        swarm__graph_plan_undo(&plan->graph);
    }
    plan->open = false;
    if (plan->graph.caller != NONE32) {
        swarm__plan_done(plan->sw, plan);
    }
}

/* The graph is through with the plan of a call step, linked or undone: its record goes back. */
void swarm__plan_done(void *context, struct swarm_plan *plan) {
    swarm *sw = context;

    records_give(plan); /* a worker dropped it with its step */
    plan->open = false;
    pool_push(&sw->plans_pool, (uint32_t)(plan - sw->plans));
}

static swarm_status owned_plan(const swarm_plan *plan) {
    if (plan == NULL || !plan->open || plan->graph.caller != NONE32) {
        return SWARM_E_INVALID; /* a call step's plan goes with its return */
    }
    return swarm__owned(plan->sw) ? SWARM_OK : SWARM_E_BUSY;
}

swarm_status swarm_plan_commit(swarm_plan *plan, swarm_error *out_error) {
    swarm_status status = owned_plan(plan);
    swarm_error error;

    swarm__refuse(&error, status, "plan: null, already gone, or a call step's");
    if (status == SWARM_OK && plan->sw->round.phase != ROUND_IDLE) {
        status = SWARM_E_AGAIN; /* the log is full in the middle of a round */
        swarm__refuse(&error, status, "plan: read out the log and advance first");
    } else if (status == SWARM_OK) {
        if (plan->run != NONE32 && plan->sw->dispatch.runs[plan->run].closed) {
            refuse(plan, SWARM_E_FROZEN, "plan: the run was closed meanwhile");
        }
        status = swarm__plan_apply(plan, &error);
        error.text = status == SWARM_E_AGAIN ? "plan: read out the log first" : error.text;
    }
    if (status == SWARM_OK && plan->graph.is_static) {
        plan->sw->dispatch.runs[plan->run].closed = true;
        plan->sw->dispatch.runs[plan->run].report.state = SWARM_RUN_CLOSED;
        plan->sw->dispatch.runs[plan->run].quiet = plan->graph.count == 0;
        plan->sw->round.runs_quiet = true;
    }
    if (status != SWARM_OK && out_error != NULL) {
        *out_error = error;
    }
    return status;
}

swarm_status swarm_plan_drop(swarm_plan *plan) {
    swarm_status status = owned_plan(plan);

    if (status == SWARM_OK) {
        swarm__plan_undo(plan);
    }
    return status;
}
