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

/* The branches that its steps work in must still be open. */
static bool accesses_stand(swarm_plan *plan) {
    for (uint32_t at = plan->records; at != NONE32; at = plan->sw->dispatch.tracked[at].run_next) {
        if (!swarm__access_stands(plan->sw, plan->run, plan->sw->dispatch.tracked[at].access)) {
            refuse(plan, SWARM_E_STALE, "plan: a branch of its steps is closed");
            return false;
        }
    }
    return true;
}

static bool inputs_fit(swarm_plan *plan) {
    const struct slots *free = &plan->sw->dispatch.inputs_free;
    uint64_t count = plan->lates_count;

    for (uint32_t slot = NONE32;
         plan->readers != 0 && swarm__graph_plan_step(&plan->graph, &slot);) {
        const struct tracked *step = plan_tracked(plan, slot);
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
        const struct tracked *step = plan_tracked(plan, slot);

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
        const struct tracked *step = plan_tracked(plan, slot);
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
        accesses_stand(plan) && inputs_fit(plan) && scope_exists(plan) &&
        swarm__shapes_admit(plan) && swarm__lates_admit(plan) && swarm__charges_fit(plan) &&
        swarm__recoveries_admit(plan) && swarm__spawn_admit(plan)) {
        (void)keys_insert(plan);
    }
    return plan->graph.error.status;
}

/* The admission test of a run with a deadline: whether the longest way through the plan, as far as
 * its estimates know, can end in time (X1). */
static bool in_time(swarm_plan *plan) {
    swarm *sw = plan->sw;
    const struct run *run = &sw->dispatch.runs[plan->run];
    uint64_t longest = 0;

    if (run->deadline_ns == SWARM_NEVER || run->order == SWARM_ORDER_SLACK) {
        return true;
    }
    swarm__order_levels(&sw->dispatch, &plan->graph, plan->delays, SWARM_ORDER_CRITICAL);
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        const struct tracked *step = plan_tracked(plan, slot);

        longest = step != NULL && step->level > longest ? step->level : longest;
    }
    if (saturating_add64(sw->now_ns, longest) > run->deadline_ns) {
        keys_remove(plan, NONE32);
        refuse(plan, SWARM_E_TIMED_OUT, "plan: its longest way ends after the run's deadline");
        return false;
    }
    return true;
}

/* The steps of a call step's plan get a scope of their own. */
static void scope_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    uint32_t caller = plan->graph.caller, scope, parent = plan->graph.scope;
    uint64_t ordinal;

    if (caller == NONE32 || plan->graph.count == 0) {
        return;
    }
    ordinal = swarm__graph_ordinal(&sw->graph, caller);
    scope = scope_take(sw);
    SWARM_ASSERT(scope != NONE32);
    swarm__scope_open(&sw->graph, scope, plan->run, parent,
                      ordinal != SWARM_NEVER ? ordinal : sw->graph.scopes[parent].ordinal);
    sw->graph.scopes[scope].creator = NONE32;
    sw->graph.scopes[scope].capability = plan->capability;
    swarm__spawn_enter(plan, scope);
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
void swarm__delay_attach(struct dispatch *d, uint32_t delay) {
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

/* A step that reads them lists its inputs. */
static void step_inputs(const swarm_plan *plan, uint32_t slot) {
    swarm *sw = plan->sw;
    struct tracked *step = plan_tracked(plan, slot);
    bool reads = step != NULL && (step->flags & SWARM_STEP_INPUTS) != 0;
    bool reads_all = reads && swarm__step_joins(&sw->dispatch, tracked_of(&sw->graph, slot));
    uint32_t cursor = NONE32, from, last = NONE32;
    bool marked;

    while (reads && swarm__graph_plan_incoming(&plan->graph, slot, &cursor, &from, &marked)) {
        const struct delay *edge = marked ? swarm__plan_mark(plan, from, slot) : NULL;

        if (reads_all || edge == NULL || edge_kind(edge) == SWARM_EDGE_DATA) {
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
        struct tracked *step = plan_tracked(plan, slot);
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
        swarm__recovery_enter(d, step);
        heap_node_init(d->ready_nodes, tracked);
        heap_node_init(d->timer_nodes, tracked);
        run_append(d, run, tracked);
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
    if (plan->graph.count == 0 && plan->lates == NONE32) {
        plan->open = false;
        swarm__graph_plan_undo(&plan->graph);
        return SWARM_OK;
    }
    if (!in_time(plan)) {
        swarm__plan_undo(plan);
        return SWARM_E_TIMED_OUT;
    }
    first = run->ordinal_next;
    scope_enter(plan);
    swarm__order_levels(&sw->dispatch, &plan->graph, plan->delays, run->order);
    steps_enter(plan);
    for (uint32_t at = plan->delays, next; at != NONE32; at = next) {
        next = sw->dispatch.delays[at].next;
        swarm__delay_attach(&sw->dispatch, at);
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
    swarm__plan_log(plan, first);
    swarm__shapes_enter(plan);
    for (uint32_t slot = NONE32;
         plan->readers != 0 && swarm__graph_plan_step(&plan->graph, &slot);) {
        step_inputs(plan, slot);
    }
    swarm__lates_enter(plan);
    swarm__graph_plan_link(&plan->graph, first);
    swarm__shapes_link(plan);
    swarm__lates_link(plan);
    start_steps(plan);
    swarm__shapes_start(plan);
    sw->dispatch.waits.due = true;
    plan->open = false;
    return SWARM_OK;
}

/* The record of a step that is not there after all. */
void swarm__record_give(struct dispatch *d, uint32_t tracked) {
    swarm__demand_let_go(d, d->tracked[tracked].demand);
    swarm__shape_let_go(d, &d->tracked[tracked]);
    swarm__access_free(d, &d->tracked[tracked].access);
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
    swarm__lates_give(plan);
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
    if (status == SWARM_OK) {
        swarm__refuse(&error, status, swarm_status_text(status));
    }
    if (status == SWARM_OK && plan->graph.is_static) {
        plan->sw->dispatch.runs[plan->run].closed = true;
        plan->sw->dispatch.runs[plan->run].report.state = SWARM_RUN_CLOSED;
        plan->sw->dispatch.runs[plan->run].quiet = plan->graph.count == 0;
        plan->sw->round.runs_quiet = true;
    }
    if (out_error != NULL) {
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
