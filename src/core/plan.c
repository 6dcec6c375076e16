/* SPDX-License-Identifier: MIT */
/*
 * plan.c - filling a plan: by the owner, or by a running call step on its worker.
 *
 * Nothing that others can see is touched before the plan is applied (apply.c). A worker that fills
 * a plan takes records from lock-free pools and reads tables that only grow; what needs the turn,
 * such as equal demands becoming one, is left to the apply.
 */
#include "capability.h"
#include "charge.h"
#include "guard.h"

#include <string.h>

static bool plan_is_of_owner(const swarm_plan *plan) {
    return plan->graph.caller == NONE32;
}

/* Whether the plan may be filled now; null plans and those of an absent owner may not. */
static bool plan_is_usable(const swarm_plan *plan) {
    return plan != NULL && plan->open && (!plan_is_of_owner(plan) || swarm__owned(plan->sw)) &&
           plan->graph.error.status == SWARM_OK;
}

/* For an error that the graph does not see. The plan then takes no more. */
static void plan_refuse(swarm_plan *plan, swarm_status status, const char *text) {
    swarm__graph_plan_fail(&plan->graph, status, text);
}

static void plan_begin(swarm *sw, swarm_plan *plan, uint32_t run, uint32_t scope) {
    bool is_static = (sw->dispatch.runs[run].flags & SWARM_RUN_GROWING) == 0;

    plan->sw = sw;
    plan->run = run;
    plan->delays = NONE32;
    plan->records = NONE32;
    plan->demand = NONE32;
    plan->shapes = NONE32;
    plan->lates = NONE32;
    plan->lates_count = 0;
    plan->opens = 0;
    plan->capability = NONE32;
    plan->readers = 0;
    plan->guards = 0;
    plan->value = 0;
    plan->has_room = false;
    plan->open = true;
    swarm__graph_plan_open(&sw->graph, &plan->graph, scope, is_static);
}

/* A plan that only carries the reason why there is none. */
static void plan_begin_refused(swarm *sw, swarm_plan *plan) {
    swarm_error error = sw->fault;

    memset(plan, 0, sizeof *plan);
    plan->sw = sw;
    plan->run = NONE32;
    plan->delays = NONE32;
    plan->records = NONE32;
    plan->shapes = NONE32;
    plan->lates = NONE32;
    plan->open = true;
    plan->graph.caller = NONE32;
    plan->graph.first = NONE32;
    plan->graph.error = error;
    swarm__refuse(&sw->fault, SWARM_OK, NULL);
}

swarm_plan *swarm_plan_open(swarm *sw, swarm_run handle) {
    swarm_plan *plan;
    uint32_t run;

    if (!swarm__owned(sw)) {
        return NULL;
    }
    plan = &sw->plans[sw->config.plans_max];
    run = run_find(&sw->dispatch, handle);
    if (plan->open) {
        plan_refuse(plan, SWARM_E_BUSY, "plan: another one is open; commit or drop it first");
        return plan;
    }
    if (run == NONE32 && sw->fault.status == SWARM_OK) {
        swarm__refuse(&sw->fault, SWARM_E_STALE, "plan: no such run");
    } else if (run != NONE32 && sw->dispatch.runs[run].closed) {
        swarm__refuse(&sw->fault, SWARM_E_FROZEN, "plan: the run is closed");
    }
    if (sw->fault.status != SWARM_OK) {
        plan_begin_refused(sw, plan);
    } else {
        plan_begin(sw, plan, run, run);
        plan->graph.caller = NONE32;
        plan->graph.is_walked = (sw->dispatch.runs[run].flags & SWARM_RUN_DURABLE) != 0;
    }
    return plan;
}

swarm_plan *swarm_call_plan(const swarm_call *call) {
    struct call_frame *frame = (struct call_frame *)(uintptr_t)call; /* the call is its head */
    swarm *sw;
    uint32_t scope, run, index, capability;
    bool may_add;

    if (call == NULL || frame->plan != NULL || frame->broken != SWARM_OK) {
        return call == NULL ? NULL : frame->plan;
    }
    sw = call->sw;
    scope = sw->graph.scope[frame->slot];
    run = sw->graph.scopes[scope].run;
    capability = frame->is_range ? NONE32 : swarm__capability_of(sw, frame->slot);
    may_add = !frame->is_range && (sw->dispatch.runs[run].flags & SWARM_RUN_GROWING) != 0;
    if (capability != NONE32 &&
        (sw->dispatch.capabilities[capability].flags & SWARM_MAY_ADD) == 0) {
        frame->broken = SWARM_E_DENIED;
        return NULL;
    }
    index = may_add ? pool_pop(&sw->plans_pool) : NONE32;
    if (index == NONE32) {
        frame->broken = may_add ? SWARM_E_FULL : SWARM_E_FROZEN;
        return NULL;
    }
    frame->plan = &sw->plans[index];
    plan_begin(sw, frame->plan, run, scope);
    frame->plan->graph.caller = frame->slot;
    frame->plan->capability = capability;
    return frame->plan;
}

/* ---- steps */

/* Acquire: pairs with the release store of swarm_function_add; a worker may be filling the plan. */
bool swarm__function_exists(const swarm *sw, swarm_function function) {
    return function.id != 0 && function.id <= ATOMIC_LOAD(&sw->functions_count, acquire);
}

static const char *spec_fault(const swarm_step_spec *spec) {
    bool is_call = spec->function.id != 0;

    if ((spec->skills == NULL && spec->skills_count != 0) ||
        (spec->needs == NULL && spec->needs_count != 0) ||
        (spec->payload == NULL && spec->payload_size != 0)) {
        return "step: a count without its array";
    }
    if (spec->needs_count > NEEDS_MAX || spec->priority > PRIORITY_MAX ||
        spec->retry.jitter_ppm > MILLION) {
        return "step: needs_count above 8, priority above 255, or jitter above 1,000,000";
    }
    if (spec->flags >
            (SWARM_STEP_INPUTS | SWARM_STEP_DETACHED | SWARM_STEP_KEPT | SWARM_STEP_OPEN) ||
        ((spec->flags & SWARM_STEP_DETACHED) != 0 && (spec->flags & SWARM_STEP_KEPT) != 0)) {
        return "step: unknown flags, or both DETACHED and KEPT";
    }
    if (is_call && (swarm__guard_wanted(spec) || spec->charge != NULL || spec->skills_count != 0 ||
                    spec->needs_count != 0 || spec->agent.id != 0 || spec->queue_timeout_ns != 0 ||
                    spec->run_timeout_ns != 0 || spec->retry.attempts_max != 0)) {
        return "step: a call step has no skills, needs, agent, timeouts, retries, detectors, "
               "charge";
    }
    for (uint32_t i = 0; i < spec->skills_count; i++) {
        if (spec->skills[i] == NULL) {
            return "step: a null skill";
        }
    }
    return swarm__shape_fault(spec);
}

/* The permits of a step, each at most once and within its capacity. */
static bool needs_fill(swarm_plan *plan, const swarm_step_spec *spec, struct demand *demand) {
    const struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t i = 0; i < spec->needs_count; i++) {
        uint64_t id = spec->needs[i].permit.id;

        if (!permit_exists(d, id)) {
            plan_refuse(plan, SWARM_E_MISSING, "step: no such permit");
            return false;
        }
        if (spec->needs[i].units == 0 || !permit_holds(&d->permits[id - 1], spec->needs[i].units)) {
            plan_refuse(plan, SWARM_E_INVALID,
                        "step: units are 0 or above the permit's capacity or burst");
            return false;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (demand->needs[k].permit == (uint32_t)id - 1) {
                plan_refuse(plan, SWARM_E_INVALID, "step: a permit is listed twice");
                return false;
            }
        }
        demand->needs[i].permit = (uint32_t)id - 1;
        demand->needs[i].units = spec->needs[i].units;
        demand->needs_count = i + 1;
    }
    return true;
}

static uint32_t demand_fill(swarm_plan *plan, const swarm_step_spec *spec) {
    struct dispatch *d = &plan->sw->dispatch;
    uint32_t demand;

    if (spec->agent.id != 0 && !agent_exists(d, spec->agent.id)) {
        plan_refuse(plan, SWARM_E_STALE, "step: no such agent");
        return NONE32;
    }
    demand = swarm__demand_new(d);
    if (demand == NONE32) {
        plan_refuse(plan, SWARM_E_FULL, "step: raise config.demands_max");
        return NONE32;
    }
    if (!needs_fill(plan, spec, &d->demands[demand]) ||
        !swarm__charge_fill(plan, spec->charge, demand)) {
        swarm__demand_discard(d, demand);
        return NONE32;
    }
    d->demands[demand].run = plan->run;
    d->demands[demand].capability = swarm__capability_wanted(plan, spec);
    d->demands[demand].leaves =
        spec->recovery != NULL && (spec->recovery->fallbacks_count != 0 ||
                                   (spec->recovery->flags & SWARM_RECOVERY_ENDS_VALUE) != 0);
    if (plan->sw->log.replaying && plan_is_of_owner(plan)) {
        swarm__replay_demand(plan->sw, &d->demands[demand]);
        return swarm__demand_intern(d, demand);
    }
    d->demands[demand].agent = spec->agent.id == 0 ? NONE32 : (uint32_t)spec->agent.id - 1;
    swarm__demand_skills(d, demand, spec->skills, spec->skills_count);
    swarm__demand_seal(d, demand, plan->run);
    if (plan_is_of_owner(plan)) {
        return swarm__demand_intern(d, demand);
    }
    plan->demand = swarm__demand_share(d, plan->demand, demand);
    return plan->demand;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise) {
    return value == 0 ? otherwise : value == SWARM_ZERO ? 0 : value;
}

static void tracked_fill(struct tracked *step, const swarm_step_spec *spec, uint32_t run) {
    memset(step, 0, sizeof *step);
    step->retry = spec->retry;
    step->retry.backoff_ns = or_default(spec->retry.backoff_ns, BACKOFF_NS);
    step->retry.backoff_max_ns = or_default(spec->retry.backoff_max_ns, BACKOFF_MAX_NS);
    step->retry.attempts_max = spec->retry.attempts_max == 0 ? 1 : spec->retry.attempts_max;
    step->payload = spec->payload;
    step->payload_size = spec->payload_size;
    step->ordinal = SWARM_NEVER;
    step->argument = spec->argument;
    step->key = spec->key;
    step->order_key = spec->order_key;
    step->estimate_ns = spec->estimate_ns;
    step->queue_timeout_ns = or_default(spec->queue_timeout_ns, SWARM_NEVER);
    step->run_timeout_ns = or_default(spec->run_timeout_ns, SWARM_NEVER);
    step->priority = spec->priority;
    step->flags = spec->flags;
    step->run = run;
    step->access = NONE32;
    step->attempt = NONE32;
    step->agent = NONE32;
    step->backend = NONE32;
    step->scope_own = NONE32;
    step->shape = NONE32;
    step->plan = NONE32;
    step->inputs_first = NONE32;
    step->delays_first = NONE32;
    step->capability = NONE32;
    step->guard = NONE32;
}

/* Of a step that is not there after all. Whoever filled the plan: others' are never shared. */
void swarm__demand_let_go(struct dispatch *d, uint32_t demand) {
    if (demand != NONE32 && d->demands[demand].interned) {
        swarm__demand_unref(d, demand);
    } else if (demand != NONE32 && --d->demands[demand].references == 0) {
        swarm__demand_discard(d, demand);
    }
}

static bool access_fill(swarm_plan *plan, const swarm_step_spec *spec, struct tracked *step) {
    struct access_result result = {NULL, NONE32};
    swarm_status status =
        spec->state == NULL ? SWARM_OK : swarm__access_new(plan->sw, plan->run, spec, &result);

    step->access = result.index;
    if (status != SWARM_OK) {
        plan_refuse(plan, status, result.text);
    }
    return status == SWARM_OK;
}

/* A record for the step, or NONE32 with the plan's error. */
static uint32_t tracked_new(swarm_plan *plan, const swarm_step_spec *spec) {
    struct dispatch *d = &plan->sw->dispatch;
    uint32_t index = pool_pop(&d->tracked_pool);

    if (index == NONE32) {
        plan_refuse(plan, SWARM_E_FULL, "step: raise config.tracked_max");
        return NONE32;
    }
    tracked_fill(&d->tracked[index], spec, plan->run);
    d->tracked[index].demand = NONE32;
    if (!access_fill(plan, spec, &d->tracked[index])) {
        pool_push(&d->tracked_pool, index);
        return NONE32;
    }
    d->tracked[index].capability = swarm__capability_wanted(plan, spec);
    if (spec->function.id == 0) {
        d->tracked[index].demand = demand_fill(plan, spec);
    }
    if ((spec->function.id == 0 && d->tracked[index].demand == NONE32) ||
        !swarm__shape_add(plan, spec, index) ||
        !swarm__guard_new(plan, spec, &d->tracked[index].guard) ||
        (spec->recovery != NULL && !swarm__recovery_new(plan, spec, index))) {
        swarm__record_give(d, index);
        return NONE32;
    }
    return index;
}

static bool step_is_kept(const swarm_plan *plan, uint32_t flags) {
    return plan_is_of_owner(plan) ? (flags & SWARM_STEP_DETACHED) == 0
                                  : (flags & SWARM_STEP_KEPT) != 0;
}

swarm_step swarm_step_add(swarm_plan *plan, const swarm_step_spec *spec) {
    static const swarm_step_spec defaults;
    const swarm_step none = {0};
    const char *fault;
    swarm_status status = SWARM_E_INVALID;
    uint32_t tracked, slot, flags;

    if (!plan_is_usable(plan)) {
        return none;
    }
    spec = spec == NULL ? &defaults : spec;
    fault = spec_fault(spec);
    if (fault == NULL && spec->function.id != 0 &&
        !swarm__function_exists(plan->sw, spec->function)) {
        status = SWARM_E_MISSING;
        fault = "step: no such function";
    }
    fault = fault != NULL ? fault : swarm__capability_fault(plan, spec, &status);
    if (fault != NULL) {
        plan_refuse(plan, status, fault);
        return none;
    }
    tracked = tracked_new(plan, spec);
    if (tracked == NONE32) {
        return none;
    }
    flags = GRAPH_TRACKED | (spec->function.id == 0 ? GRAPH_AGENT : 0);
    slot = swarm__graph_plan_add(
        &plan->graph, spec->function.id == 0 ? 0 : (uint32_t)spec->function.id - 1, flags, tracked);
    if (slot == NONE32) {
        swarm__record_give(&plan->sw->dispatch, tracked);
        return none;
    }
    plan->sw->dispatch.tracked[tracked].slot = slot;
    plan->sw->dispatch.tracked[tracked].run_next = plan->records;
    plan->records = tracked;
    plan->readers += (plan->sw->dispatch.tracked[tracked].flags & SWARM_STEP_INPUTS) != 0;
    plan->guards += plan->sw->dispatch.tracked[tracked].guard != NONE32;
    if (step_is_kept(plan, spec->flags)) {
        graph_keep(&plan->sw->graph, slot);
    }
    return swarm__graph_handle(&plan->sw->graph, slot);
}

/* Refuses a function that does not exist. */
static bool function_check(swarm_plan *plan, swarm_function function) {
    if (!swarm__function_exists(plan->sw, function)) {
        plan_refuse(plan, SWARM_E_MISSING, "call: no such function");
        return false;
    }
    return true;
}

static swarm_step plain_added(swarm_plan *plan, uint32_t slot) {
    const swarm_step none = {0};

    if (slot == NONE32) {
        return none;
    }
    if (plan_is_of_owner(plan)) {
        graph_keep(&plan->sw->graph, slot);
    }
    return swarm__graph_handle(&plan->sw->graph, slot);
}

swarm_step swarm_call_add(swarm_plan *plan, swarm_function function, uint64_t argument) {
    const swarm_step none = {0};

    if (!plan_is_usable(plan) || !function_check(plan, function)) {
        return none;
    }
    return plain_added(plan,
                       swarm__graph_plan_add(&plan->graph, (uint32_t)function.id - 1, 0, argument));
}

swarm_step swarm_range_add(swarm_plan *plan, swarm_function function, uint64_t first,
                           uint64_t count) {
    const swarm_step none = {0};

    if (!plan_is_usable(plan) || !function_check(plan, function)) {
        return none;
    }
    return plain_added(
        plan, swarm__graph_plan_range(&plan->graph, (uint32_t)function.id - 1, first, count));
}

/* ---- edges */

/* Whether both ends are steps that dispatch keeps track of. */
static bool edge_tracked(swarm_plan *plan, uint32_t a, uint32_t b) {
    const struct graph *graph = &plan->sw->graph;

    if (a != NONE32 && b != NONE32 && graph_has(graph, a, GRAPH_TRACKED) &&
        graph_has(graph, b, GRAPH_TRACKED)) {
        return true;
    }
    if (a == NONE32 || b == NONE32) {
        return true; /* the graph says what is wrong with it */
    }
    plan_refuse(plan, SWARM_E_INVALID,
                "edge: a delay or rules join two steps that were added by swarm_step_add");
    return false;
}

/* Its record, before the edge: the graph only knows that there is one. */
static bool edge_record(swarm_plan *plan, swarm_step from, swarm_step to,
                        const swarm_edge_spec *spec) {
    swarm *sw = plan->sw;
    uint32_t a = swarm__graph_find(&sw->graph, from), b = swarm__graph_find(&sw->graph, to), index;

    if (!edge_tracked(plan, a, b)) {
        return false;
    }
    if (a == NONE32 || b == NONE32) {
        return true;
    }
    index = pool_pop(&sw->dispatch.delays_pool);
    if (index == NONE32) {
        plan_refuse(plan, SWARM_E_FULL, "edge: raise config.delays_max");
        return false;
    }
    edge_fill(&sw->dispatch.delays[index], spec);
    sw->dispatch.delays[index].from = a;
    sw->dispatch.delays[index].to = b;
    sw->dispatch.delays[index].next = plan->delays;
    plan->delays = index;
    return true;
}

/* Whether an edge leads into a join of this plan, and so is dispatch's; refuses one that comes from
 * a step that ends without dispatch. */
static bool edge_joins(swarm_plan *plan, swarm_step from, swarm_step to) {
    const struct graph *graph = &plan->sw->graph;
    uint32_t a = swarm__graph_find(graph, from), b = swarm__graph_find(graph, to);

    if (b == NONE32 || !graph_has(graph, b, GRAPH_TRACKED) ||
        !swarm__step_joins(&plan->sw->dispatch, tracked_of(graph, b))) {
        return false;
    }
    if (a != NONE32 && !graph_has(graph, a, GRAPH_TRACKED)) {
        plan_refuse(plan, SWARM_E_INVALID,
                    "edge: a join's predecessors are steps of swarm_step_add");
    }
    return true;
}

/* Why a plan is not usable. */
static swarm_status plan_status(const swarm_plan *plan) {
    if (plan == NULL || !plan->open) {
        return SWARM_E_INVALID;
    }
    return plan->graph.error.status != SWARM_OK ? plan->graph.error.status : SWARM_E_BUSY;
}

static bool takes_late(const swarm_plan *plan) {
    return (plan->sw->config.flags & SWARM_CONFIG_LATE_EDGES) != 0;
}

swarm_status swarm_edge_add(swarm_plan *plan, swarm_step from, swarm_step to, uint64_t delay_ns) {
    const swarm_edge_spec spec = {.delay_ns = delay_ns};

    if (!plan_is_usable(plan)) {
        return plan_status(plan);
    }
    if (takes_late(plan) && swarm__late_wanted(plan, to)) {
        swarm__late_add(plan, from, to, &spec);
    } else if (delay_ns == 0 || edge_record(plan, from, to, &spec)) {
        bool joins = plan->shapes != NONE32 && edge_joins(plan, from, to);

        swarm__graph_plan_edge(&plan->graph, from, to, delay_ns != 0 || joins);
    }
    return plan->graph.error.status;
}

swarm_status swarm_edge_add_with(swarm_plan *plan, swarm_step from, swarm_step to,
                                 const swarm_edge_spec *spec) {
    if (spec == NULL) {
        return swarm_edge_add(plan, from, to, 0);
    }
    if (!plan_is_usable(plan)) {
        return plan_status(plan);
    }
    if (!edge_is_sound(spec)) {
        plan_refuse(plan, SWARM_E_INVALID, "edge: values out of range, or rules for a SOFT edge");
    } else if (spec->kind == SWARM_EDGE_SOFT && edge_joins(plan, from, to)) {
        plan_refuse(plan, SWARM_E_INVALID, "edge: a SOFT one leads into no join");
    } else if (takes_late(plan) && swarm__late_wanted(plan, to)) {
        swarm__late_add(plan, from, to, spec);
    } else if (edge_record(plan, from, to, spec)) {
        (void)edge_joins(plan, from, to);
        swarm__graph_plan_edge(&plan->graph, from, to, true);
    }
    return plan->graph.error.status;
}

swarm_status swarm_plan_continue(swarm_plan *plan, swarm_step step) {
    if (!plan_is_usable(plan)) {
        return plan_status(plan);
    }
    if (plan_is_of_owner(plan)) {
        plan_refuse(plan, SWARM_E_INVALID, "continue: only the plan of a call step has a caller");
    } else {
        swarm__graph_plan_continue(&plan->graph, step);
    }
    return plan->graph.error.status;
}
