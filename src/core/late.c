/* SPDX-License-Identifier: MIT */
/*
 * late.c - edges into steps of earlier plans of a growing run (M4), and the cycles that only they
 * can close (M27).
 *
 * They lead into OPEN steps: those wait behind a gate as joins do, so that the turn alone counts
 * for them and a worker's look at `pending` is as cheap as ever.
 *
 * Cycles: each step has a level, and levels rise along every edge. An edge from x to y with level
 * y <= level x raises y above x and then, breadth first, whatever follows y and is not above its
 * predecessor any more; if that comes to x, the edge would close a cycle. Nothing is looked at that
 * lies above already. (Marchetti-Spaccamela, Nanni, Rohnert, "Maintaining a topological order under
 * edge insertions", IPL 59, 1996, searches forward only, as here, for successors are all that a
 * step knows; levels instead of places as in Bender, Fineman, Gilbert, Tarjan, "A new approach to
 * incremental cycle detection", TALG 12(2), 2015, section 2.)
 * What lies behind a step that has not started has not started either: the turn may walk it.
 *
 * A plan is refused whole, so its edges are tried before any is linked: an edge from a new step is
 * tried as one from each older step that the new one waits for. Tried edges hang on the older step
 * until the plan is linked or refused; then levels that were raised go down again.
 *
 * Steps that workers linked have no level: they are walked through, each time. A new step behind
 * one gets a level above all others.
 *
 * Memory: one late_node a step, with SWARM_CONFIG_LATE_EDGES. Threads: the turn, but late_wanted
 * and late_add, which are whoever's who fills the plan.
 */
#include "core.h"

#define LATE_END UINT32_MAX

/* ---- adding */

bool swarm__late_wanted(swarm_plan *plan, swarm_step to) {
    swarm *sw = plan->sw;
    struct graph *graph = &sw->graph;
    uint32_t slot = swarm__graph_pin(graph, to); /* a worker may fill the plan */
    bool wanted;

    if (slot == NONE32) {
        return false;
    }
    wanted = !graph_has(graph, slot, GRAPH_STATIC | GRAPH_STAGED) &&
             graph_has(graph, slot, GRAPH_TRACKED) &&
             (sw->dispatch.tracked[tracked_of(graph, slot)].flags & SWARM_STEP_OPEN) != 0 &&
             graph->scopes[graph->scope[slot]].run == plan->run;
    swarm__graph_unpin(graph, slot);
    return wanted;
}

/* What is wrong with a pinned edge, or null. */
static const char *late_fault(const swarm_plan *plan, uint32_t from, uint32_t to,
                              swarm_status *out_status) {
    const struct graph *graph = &plan->sw->graph;
    bool own = swarm__graph_plan_owns(&plan->graph, from);

    *out_status = SWARM_E_INVALID;
    if (from == to) {
        *out_status = SWARM_E_CYCLE;
        return "edge: a step cannot wait for itself";
    }
    if (!own && graph_has(graph, from, GRAPH_STAGED)) {
        *out_status = SWARM_E_STALE;
        return "edge: the plan of `from` is not applied yet";
    }
    if (!graph_has(graph, from, GRAPH_TRACKED)) {
        return "edge: into an OPEN step lead steps of swarm_step_add";
    }
    if (graph->scopes[graph->scope[from]].run != plan->run) {
        return "edge: `from` is a step of another run";
    }
    if (graph_has(graph, from, GRAPH_CONTINUES) || from == plan->graph.continuation) {
        return "edge: a continuation may have no edges going out";
    }
    return NULL;
}

static bool late_pin(swarm_plan *plan, swarm_step step, uint32_t *out_slot) {
    struct graph *graph = &plan->sw->graph;

    *out_slot = swarm__graph_pin(graph, step);
    if (*out_slot == NONE32) {
        swarm__graph_plan_fail(&plan->graph, step.id == 0 ? SWARM_E_INVALID : SWARM_E_STALE,
                               "edge: no such step");
    }
    return *out_slot != NONE32;
}

static bool late_record(swarm_plan *plan, uint32_t from, uint32_t to, const swarm_edge_spec *spec) {
    struct dispatch *d = &plan->sw->dispatch;
    uint32_t index;
    swarm_status status;
    const char *fault = late_fault(plan, from, to, &status);

    if (fault != NULL) {
        swarm__graph_plan_fail(&plan->graph, status, fault);
        return false;
    }
    index = pool_pop(&d->delays_pool);
    if (index == NONE32) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_FULL, "edge: raise config.delays_max");
        return false;
    }
    edge_fill(&d->delays[index], spec);
    d->delays[index].from = from;
    d->delays[index].to = to;
    d->delays[index].ordinal = SWARM_NEVER;
    d->delays[index].next = plan->lates;
    plan->lates = index;
    plan->lates_count++;
    plan->graph.tracked++; /* the turn applies such a plan */
    return true;
}

void swarm__late_add(swarm_plan *plan, swarm_step from, swarm_step to,
                     const swarm_edge_spec *spec) {
    struct graph *graph = &plan->sw->graph;
    uint32_t a, b;

    if (late_pin(plan, from, &a)) {
        if (late_pin(plan, to, &b) && !late_record(plan, a, b, spec)) {
            swarm__graph_unpin(graph, b);
        }
        if (plan->graph.error.status != SWARM_OK) {
            swarm__graph_unpin(graph, a);
        }
    }
    plan->graph.operations++;
}

void swarm__lates_give(swarm_plan *plan) {
    struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = plan->lates, next; at != NONE32; at = next) {
        next = d->delays[at].next;
        swarm__graph_unpin(&plan->sw->graph, d->delays[at].from);
        swarm__graph_unpin(&plan->sw->graph, d->delays[at].to);
        if (d->delays[at].ordinal != SWARM_NEVER) { /* in the turn: another reason to refuse it */
            space_drop(&plan->sw->graph.edges, &plan->sw->graph.turn_cells,
                       (uint32_t)d->delays[at].ordinal);
        }
        pool_push(&d->delays_pool, at);
    }
    plan->lates = NONE32;
    plan->lates_count = 0;
}

/* ---- levels */

static bool late_is_mixed(const struct graph *graph, uint32_t slot) {
    return (graph->lineage[slot] & GRAPH_MIXED) != 0;
}

/* Begins to use a node in the plan at hand; what it was is kept. */
static struct late_node *late_touch(swarm *sw, uint32_t slot) {
    struct late_search *search = &sw->late_search;
    struct late_node *node = &sw->late[slot];

    if (node->plan != search->plan) {
        node->plan = search->plan;
        node->before = node->level;
        node->tried = NONE32;
        node->touched = search->touched;
        search->touched = slot;
    }
    if (late_is_mixed(&sw->graph, slot) && node->pass != search->pass) {
        node->level = 0; /* of this pass only */
    }
    if (node->pass != search->pass) {
        node->pass = search->pass;
        node->next = NONE32;
        node->queued = false;
    }
    return node;
}

/* Lifts a step to a level and lets it pass that on. */
static void late_lift(swarm *sw, uint32_t run, uint32_t slot, uint32_t level) {
    struct late_search *search = &sw->late_search;
    struct late_node *node = late_touch(sw, slot);

    if (node->level >= level) {
        return;
    }
    node->level = level;
    if (sw->dispatch.runs[run].level_max < level) {
        sw->dispatch.runs[run].level_max = level;
    }
    if (node->queued) {
        return;
    }
    node->queued = true;
    node->next = NONE32;
    if (search->first == NONE32) {
        search->first = slot;
    } else {
        sw->late[search->last].next = slot;
    }
    search->last = slot;
}

static uint32_t late_pop(swarm *sw) {
    struct late_search *search = &sw->late_search;
    uint32_t slot = search->first;

    if (slot != NONE32) {
        search->first = sw->late[slot].next;
        sw->late[slot].queued = false;
    }
    return slot;
}

/* Lifts whatever follows. False: that comes to `target`. */
static bool late_follow(swarm *sw, uint32_t run, uint32_t target) {
    struct graph *graph = &sw->graph;

    for (uint32_t slot = late_pop(sw); slot != NONE32; slot = late_pop(sw)) {
        uint32_t above = sw->late[slot].level + 1, cursor = NONE32, edge;
        uint32_t caller = swarm__graph_caller(graph, slot);

        if (slot == target) {
            return false;
        }
        if (caller != NONE32) {
            late_lift(sw, run, caller, above); /* it ends with its continuation */
        }
        while ((edge = swarm__graph_successor(graph, slot, &cursor)) != NONE32) {
            late_lift(sw, run, edge & GRAPH_SLOT, above);
        }
        for (uint32_t cell = sw->late[slot].tried; cell != NONE32;
             cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
            late_lift(sw, run, graph->edge_to[cell], above);
        }
    }
    return true;
}

/* The level of a step that an edge leaves. */
static uint32_t late_level(const swarm *sw, uint32_t run, uint32_t slot) {
    return late_is_mixed(&sw->graph, slot) ? sw->dispatch.runs[run].level_max
                                           : sw->late[slot].level;
}

/* Sets `to` above `from`. False: it would close a cycle. */
static bool late_order(swarm *sw, uint32_t run, uint32_t from, uint32_t to) {
    uint32_t level = late_level(sw, run, from);

    sw->late_search.pass++;
    sw->late_search.first = sw->late_search.last = NONE32;
    late_lift(sw, run, to, level + 1);
    return late_follow(sw, run, from);
}

/* ---- trying */

/* Tries one edge from an older step: SWARM_OK, CYCLE or FULL. */
static swarm_status late_try(swarm *sw, uint32_t run, uint32_t from, uint32_t to) {
    struct graph *graph = &sw->graph;
    struct late_node *node;
    uint32_t cell;
    bool fresh;

    if (!late_order(sw, run, from, to)) {
        return SWARM_E_CYCLE;
    }
    cell = space_take(&graph->edges, &graph->turn_cells, &fresh);
    if (cell == NONE32) {
        return SWARM_E_FULL;
    }
    node = late_touch(sw, from);
    graph->edge_to[cell] = to;
    ATOMIC_STORE(&graph->edge_next[cell], node->tried, relaxed);
    node->tried = cell;
    return SWARM_OK;
}

/* Puts a step on the stack of those whose predecessors are to be looked at, once. */
static void late_push(swarm *sw, uint32_t slot, uint32_t *stack) {
    struct late_node *node = &sw->late[slot];

    if (node->climb != sw->late_search.climb) {
        node->climb = sw->late_search.climb;
        node->above = *stack;
        *stack = slot;
    }
}

/* Tries an edge from a step of this plan: from each older one that it waits for, if only by way of
 * others. */
static swarm_status late_try_new(swarm_plan *plan, uint32_t from, uint32_t to) {
    swarm *sw = plan->sw;
    uint32_t stack = NONE32;
    swarm_status status = SWARM_OK;

    sw->late_search.climb++;
    late_push(sw, from, &stack);
    while (stack != NONE32 && status == SWARM_OK) {
        uint32_t at = stack, cursor = NONE32, before;
        bool marked;

        stack = sw->late[at].above;
        if (!swarm__graph_plan_owns(&plan->graph, at)) {
            status = at == to ? SWARM_E_CYCLE : late_try(sw, plan->run, at, to);
            continue;
        }
        while (swarm__graph_plan_incoming(&plan->graph, at, &cursor, &before, &marked)) {
            late_push(sw, before, &stack);
        }
    }
    return status;
}

/* Forgets tried edges; with `undo`, what they lifted too. */
static void late_settle(swarm *sw, bool undo) {
    for (uint32_t slot = sw->late_search.touched; slot != LATE_END;) {
        struct late_node *node = &sw->late[slot];

        node->level = undo ? node->before : node->level;
        swarm__graph_cells_free(&sw->graph, node->tried);
        node->tried = NONE32;
        slot = node->touched;
    }
}

static void late_refuse(swarm_plan *plan, swarm_status status, const struct delay *edge) {
    const struct graph *graph = &plan->sw->graph;
    const char *text = status == SWARM_E_CYCLE ? "edge: a late one closes a cycle through these two"
                       : status == SWARM_E_FULL
                           ? "edge: raise config.edges_max"
                           : "edge: the step that it leads into has begun, or is decided";

    swarm__graph_plan_fail(&plan->graph, status, text);
    plan->graph.error.index = SWARM_NONE;
    plan->graph.error.step = swarm__graph_ordinal(graph, edge->to);
    plan->graph.error.other = swarm__graph_plan_owns(&plan->graph, edge->from)
                                  ? plan->sw->dispatch.runs[plan->run].ordinal_next +
                                        swarm__graph_plan_index(&plan->graph, edge->from)
                                  : swarm__graph_ordinal(graph, edge->from);
}

static bool late_may(const swarm *sw, const struct delay *edge) {
    const struct dispatch *d = &sw->dispatch;
    const struct tracked *to = &d->tracked[tracked_of(&sw->graph, edge->to)];

    return to->state == SWARM_STEP_PENDING && d->shapes[to->shape].join.verdict == JOIN_WAITS;
}

/* Cells for the edges themselves: kept in the records. */
static bool late_cells(swarm_plan *plan) {
    struct graph *graph = &plan->sw->graph;
    struct delay *delays = plan->sw->dispatch.delays;
    bool fresh;

    for (uint32_t at = plan->lates; at != NONE32; at = delays[at].next) {
        uint32_t cell = space_take(&graph->edges, &graph->turn_cells, &fresh);

        delays[at].ordinal = cell != NONE32 ? cell : SWARM_NEVER;
        if (cell == NONE32) {
            late_refuse(plan, SWARM_E_FULL, &delays[at]);
            return false;
        }
    }
    return true;
}

static void late_begin(swarm *sw) {
    sw->late_search.plan++;
    sw->late_search.touched = LATE_END;
}

bool swarm__lates_admit(swarm_plan *plan) {
    swarm *sw = plan->sw;
    const struct dispatch *d = &sw->dispatch;
    swarm_status status = SWARM_OK;

    if (plan->lates == NONE32) {
        return true;
    }
    if (!late_cells(plan)) {
        return false;
    }
    late_begin(sw);
    for (uint32_t at = plan->lates; at != NONE32 && status == SWARM_OK; at = d->delays[at].next) {
        const struct delay *edge = &d->delays[at];

        if (!late_may(sw, edge)) {
            status = SWARM_E_STARTED;
        } else if (swarm__graph_plan_owns(&plan->graph, edge->from)) {
            status = late_try_new(plan, edge->from, edge->to);
        } else {
            status = late_try(sw, plan->run, edge->from, edge->to);
        }
        if (status != SWARM_OK) {
            late_refuse(plan, status, edge);
        }
    }
    late_settle(sw, status != SWARM_OK);
    return status == SWARM_OK;
}

/* ---- a plan of a run with OPEN steps is linked */

static bool plan_opens(const swarm_plan *plan) {
    return plan->opens != 0 || plan->sw->dispatch.runs[plan->run].opens;
}

void swarm__lates_enter(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct run *run = &sw->dispatch.runs[plan->run];

    bool opens = plan_opens(plan);

    if ((sw->config.flags & SWARM_CONFIG_LATE_EDGES) == 0 || plan->graph.is_static) {
        return;
    }
    run->opens = opens;
    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        /* Before the first OPEN one all are on the ground. */
        sw->late[slot].level = opens ? ++run->level_max : 0;
    }
}

/* Steps that were not added in the order of their edges. */
static void late_descend(swarm_plan *plan) {
    swarm *sw = plan->sw;

    for (uint32_t slot = NONE32; swarm__graph_plan_step(&plan->graph, &slot);) {
        uint32_t cursor = NONE32, edge;

        while ((edge = swarm__graph_successor(&sw->graph, slot, &cursor)) != NONE32) {
            bool acyclic = late_order(sw, plan->run, slot, edge & GRAPH_SLOT);

            SWARM_ASSERT(acyclic);
            (void)acyclic;
        }
    }
}

/* Into the inputs of a step that lists them, ascending by ordinal. */
static void late_input(swarm *sw, struct tracked *step, uint32_t from) {
    struct dispatch *d = &sw->dispatch;
    uint64_t ordinal = swarm__graph_ordinal(&sw->graph, from);
    uint32_t *link = &step->inputs_first, cell = slots_take(&d->inputs_free);

    SWARM_ASSERT(cell != NONE32); /* the admission has counted */
    while (*link != NONE32 &&
           swarm__graph_ordinal(&sw->graph, d->inputs[*link].slot & INPUT_SLOT) < ordinal) {
        link = &d->inputs[*link].next;
    }
    d->inputs[cell].slot = from;
    d->inputs[cell].next = *link;
    *link = cell;
    step->inputs_count++;
    swarm__graph_ref(&sw->graph, from);
}

/* Whether there is such an edge already, as far as that matters: an AND without inputs may wait for
 * the same step twice, and looking through all successors of a hub is dear. */
static bool late_repeats(const swarm *sw, const struct delay *edge) {
    const struct dispatch *d = &sw->dispatch;
    const struct tracked *from = &d->tracked[tracked_of(&sw->graph, edge->from)];
    const struct tracked *to = &d->tracked[tracked_of(&sw->graph, edge->to)];
    uint32_t cursor = NONE32, there;

    if (swarm__delay_find(d, from->delays_first, to->ordinal) != NONE32) {
        return true;
    }
    for (uint32_t cell = to->inputs_first; cell != NONE32; cell = d->inputs[cell].next) {
        if ((d->inputs[cell].slot & INPUT_SLOT) == edge->from) {
            return true;
        }
    }
    if (d->shapes[to->shape].join.all != 0 && (edge->rules & (EDGE_RULES | EDGE_TIMED)) == 0) {
        return false;
    }
    while ((there = swarm__graph_successor(&sw->graph, edge->from, &cursor)) != NONE32) {
        if ((there & GRAPH_SLOT) == edge->to) {
            return true;
        }
    }
    return false;
}

/* One edge, whose two ends are pinned: that of `to` becomes the edge's reference. */
static void late_link(swarm_plan *plan, uint32_t index) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;
    struct delay edge = d->delays[index];
    struct tracked *to = &d->tracked[tracked_of(&sw->graph, edge.to)];
    struct join *join = &d->shapes[to->shape].join;
    struct run *run = &d->runs[plan->run];
    bool has_record = (edge.rules & (EDGE_RULES | EDGE_TIMED)) != 0;

    swarm__edge_log(plan, &edge, swarm__graph_ordinal(&sw->graph, edge.from), to->ordinal);
    if (late_repeats(sw, &edge)) {
        run->report.edges_repeated++;
        space_drop(&sw->graph.edges, &sw->graph.turn_cells, (uint32_t)edge.ordinal);
        pool_push(&d->delays_pool, index);
        swarm__graph_unpin(&sw->graph, edge.to);
        return;
    }
    run->report.edges++;
    join->edges++;
    join->need += join->all;
    if ((to->flags & SWARM_STEP_INPUTS) != 0) {
        late_input(sw, to, edge.from);
    }
    if (has_record) {
        swarm__delay_attach(d, index);
    } else {
        pool_push(&d->delays_pool, index);
    }
    if (!swarm__graph_link_late(&sw->graph, edge.from, edge.to, (uint32_t)edge.ordinal)) {
        space_drop(&sw->graph.edges, &sw->graph.turn_cells, (uint32_t)edge.ordinal);
        swarm__edge_late(sw, edge.from, edge.to);
    }
}

void swarm__lates_link(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;
    uint32_t list = NONE32;

    if (plan_opens(plan)) {
        late_begin(sw);
        if (plan->graph.descends && plan->graph.count != 0) {
            late_descend(plan);
        }
        if (plan->graph.continuation != NONE32) { /* whose caller is older, and ends after it */
            bool acyclic = late_order(sw, plan->run, plan->graph.continuation,
                                      swarm__graph_caller(&sw->graph, plan->graph.continuation));

            SWARM_ASSERT(acyclic);
            (void)acyclic;
        }
    }
    for (uint32_t at = plan->lates, next; at != NONE32; at = next) { /* oldest first */
        next = d->delays[at].next;
        d->delays[at].next = list;
        list = at;
    }
    for (uint32_t at = list, next; at != NONE32; at = next) {
        uint32_t from = d->delays[at].from;
        bool acyclic = late_order(sw, plan->run, from, d->delays[at].to);

        SWARM_ASSERT(acyclic); /* it was tried */
        (void)acyclic;
        next = d->delays[at].next;
        late_link(plan, at);
        swarm__graph_unpin(&sw->graph, from);
    }
    plan->lates = NONE32;
    plan->lates_count = 0;
}
