/* SPDX-License-Identifier: MIT */
/*
 * plan.c - filling a plan: slots, staged edges, handles; and giving all of it back.
 *
 * A static plan fills one gap of slots and one of cells. An edge is staged as the pair
 * {edge_to, edge_next = from} in order of arrival; link's lower half counts a step's edges out,
 * in_degree those in.
 * A growing plan takes slots one by one and links them through in_degree. An edge is staged at its
 * successor: a list of cells {edge_to = from, edge_next}, its head in the lower half of output[]. A
 * `from` of an earlier plan is pinned, from here to link or undo. lineage[] holds the index in the
 * plan, caller[] names the plan by the call step that it belongs to (NONE32: the owner's).
 *
 * Invariant: nothing outside the plan has been changed but pools, references and the claim, so an
 * undo leaves no trace but raised generations.
 *
 * Orders: steps and cells of a plan are one thread's until the link, so their atomics are relaxed,
 * unless a comment names a pair. They are published with the first step that starts, by the push
 * into a deque, stack or mailbox.
 *
 * Memory: the graph's. Threads: whoever fills the plan; the owner's one static plan only in the
 * turn.
 */
#include "step.h"

/* ---- handles */

/* A handle is slot and generation: the slot says where, the generation whether it is still that
 * step. It is a name for callers, never logged, ordered or hashed; ordinals are for that. */
swarm_step swarm__graph_handle(const struct graph *graph, uint32_t slot) {
    swarm_step step = {0};

    SWARM_ASSERT(slot < graph->sizes.steps);
    step.id = link_word(link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed)), slot);
    SWARM_ASSERT(step.id >> 32 != 0);
    SWARM_ASSERT((uint32_t)step.id == slot);
    return step;
}

/* Whether the slot has ever been given out: its generation can be read. Memory above what was ever
 * used is not even zeroed, so a forged handle must be refused before its slot is looked at. Relaxed
 * both: whoever has an honest handle got it after the slot was taken, and sees it so. */
static bool plan_slot_touched(const struct graph *graph, uint32_t slot) {
    return slot < ATOMIC_LOAD(&graph->touched, relaxed) ||
           (slot < graph->sizes.steps &&
            slot >= space_high(ATOMIC_LOAD(&graph->steps.bounds, relaxed)));
}

/* The step that a handle names, or NONE32. Any 64 bits may be given. The answer is about now:
 * unless the caller holds a reference, or the turn, the step may be recycled right after it. */
uint32_t swarm__graph_find(const struct graph *graph, swarm_step step) {
    uint32_t slot = (uint32_t)step.id;
    uint32_t generation = (uint32_t)(step.id >> 32);

    if (generation == 0 || !plan_slot_touched(graph, slot)) {
        return NONE32;
    }
    /* Whoever has a handle got it after the generation was stored; a stale one differs for ever
     * (mutant NOGEN). */
    return link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed)) == generation ? slot : NONE32;
}

/* Look, pin, look again: between the first look and the pin the slot may have become another step,
 * and then the pin is that one's and must be given back. */
uint32_t swarm__graph_pin(struct graph *graph, swarm_step step) {
    uint32_t slot = swarm__graph_find(graph, step);

    if (slot == NONE32 || graph_has(graph, slot, GRAPH_STATIC)) {
        return slot;
    }
    if (!graph_pin_slot(graph, slot)) {
        return NONE32;
    }
    if (swarm__graph_find(graph, step) == NONE32) { /* it is another step by now */
        swarm__graph_unpin(graph, slot);
        return NONE32;
    }
    return slot;
}

/* Ordinals of a static run are places in its span and cost no memory; of a growing one they stand
 * in lineage[], unless a worker linked the plan by itself: then only a mix is known. */
uint64_t swarm__graph_ordinal(const struct graph *graph, uint32_t slot) {
    uint64_t lineage;

    SWARM_ASSERT(slot < graph->sizes.steps);
    if (graph_has(graph, slot, GRAPH_STATIC)) {
        SWARM_ASSERT(slot >= graph->steps.spans[graph->scopes[graph->scope[slot]].run].first);
        return slot - graph->steps.spans[graph->scopes[graph->scope[slot]].run].first;
    }
    lineage = graph->lineage[slot];
    return (lineage & GRAPH_MIXED) == 0 ? lineage : SWARM_NEVER;
}

/* ---- errors */

/* A plan keeps its first error and refuses everything after it: a caller may add a thousand steps
 * without looking, and commit reports. */
static bool plan_failed(const struct graph_plan *plan) {
    return plan->error.status != SWARM_OK;
}

void swarm__graph_plan_fail(struct graph_plan *plan, swarm_status status, const char *text) {
    SWARM_ASSERT(status < 0);
    SWARM_ASSERT(text != NULL);
    if (plan_failed(plan)) {
        return; /* the first one is kept */
    }
    plan->error.status = status;
    plan->error.index = plan->operations;
    plan->error.text = text;
}

/* ---- opening and adding */

/* Begins a plan. A static one claims the largest gap of slots and of cells at once and gives back
 * what it does not use: how much it will need, nobody knows yet. */
void swarm__graph_plan_open(struct graph *graph, struct graph_plan *plan, uint32_t scope,
                            bool is_static) {
    static const struct graph_plan empty = {.error = {.status = SWARM_OK,
                                                      .index = SWARM_NONE,
                                                      .step = SWARM_NEVER,
                                                      .other = SWARM_NEVER,
                                                      .text = NULL},
                                            .first = NONE32,
                                            .last = NONE32,
                                            .caller = NONE32,
                                            .continuation = NONE32,
                                            .guarded_first = NONE32,
                                            .guarded_last = NONE32};

    SWARM_ASSERT(is_static || graph->sizes.growing);
    SWARM_ASSERT(scope < graph->sizes.runs + graph->sizes.scopes);
    SWARM_ASSERT(!is_static || scope < graph->sizes.runs); /* a root: no child scope is static */
    *plan = empty;
    plan->graph = graph;
    plan->scope = scope;
    plan->is_static = is_static;
    stock_init(&plan->steps_stock);
    stock_init(&plan->cells_stock);
    if (is_static) {
        space_claim(&graph->steps, &plan->steps);
        space_claim(&graph->edges, &plan->cells);
    }
}

/* The next slot of the gap. A slot that was never in use gets generation 1, for 0 would make the
 * null handle; all others keep theirs, which was raised when they were freed. */
static uint32_t plan_take_static(struct graph *graph, struct graph_plan *plan) {
    uint32_t slot = space_claim_take(&graph->steps, &plan->steps);

    if (slot == NONE32) {
        return NONE32;
    }
    if (slot >= ATOMIC_LOAD(&graph->touched, relaxed)) { /* only the turn writes it */
        ATOMIC_STORE(&graph->link[slot], link_word(1, 0), relaxed);
        /* Published to growing runs, which may get the slot later, by space_low_move. */
        ATOMIC_STORE(&graph->touched, slot + 1, relaxed);
    } else {
        uint64_t word = ATOMIC_LOAD(&graph->link[slot], relaxed);

        ATOMIC_STORE(&graph->link[slot], link_word(link_generation(word), 0), relaxed);
    }
    graph->in_degree[slot] = 0;
    SWARM_ASSERT(link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed)) != 0);
    return slot;
}

/* A slot from the pool, linked behind the plan's last. Its link must be open (NONE32) before the
 * plan is linked: a recycled one is, for graph_slot_clear left it so. */
static uint32_t plan_take_growing(struct graph *graph, struct graph_plan *plan) {
    bool is_fresh;
    /* The turn's stock for the owner's plan, the plan's own for a call step's. */
    uint32_t slot = space_take(&graph->steps, plan_slots(plan), &is_fresh);

    if (slot == NONE32) {
        return NONE32;
    }
    if (is_fresh && slot >= ATOMIC_LOAD(&graph->touched, relaxed)) {
        ATOMIC_STORE(&graph->link[slot], link_word(1, NONE32), relaxed);
    } else if (is_fresh) { /* it was in a static run once */
        uint64_t word = ATOMIC_LOAD(&graph->link[slot], relaxed);

        ATOMIC_STORE(&graph->link[slot], link_word(link_generation(word), NONE32), relaxed);
    }
    graph->lineage[slot] = plan->count;
    SWARM_ASSERT(link_first(ATOMIC_LOAD(&graph->link[slot], relaxed)) == NONE32);
    graph->in_degree[slot] = NONE32;
    ATOMIC_STORE(&graph->caller[slot], plan->caller, relaxed);
    if (plan->last != NONE32) {
        graph->in_degree[plan->last] = slot;
    }
    return slot;
}

/* Takes a slot and fills what all kinds of steps have. Does not fill argument[], which differs, and
 * pending, which the link sets when the edges are known. */
static uint32_t plan_append(struct graph_plan *plan, uint32_t function, uint32_t flags) {
    struct graph *graph = plan->graph;
    uint32_t slot =
        plan->is_static ? plan_take_static(graph, plan) : plan_take_growing(graph, plan);
    uint32_t keep = (flags & GRAPH_KEEP) != 0 ? GRAPH_KEPT : 0;

    if (slot == NONE32) {
        swarm__graph_plan_fail(plan, SWARM_E_FULL, "steps_max: no slot is left for this step");
        return NONE32;
    }
    SWARM_ASSERT(slot < graph->sizes.steps);
    SWARM_ASSERT(function <= 0xffffu); /* the field of kind */
    flags &= ~(uint32_t)GRAPH_KEEP;
    flags |= plan->is_static ? GRAPH_STATIC : GRAPH_STAGED;
    ATOMIC_STORE(&graph->kind[slot], function | flags << 20, relaxed);
    graph->output[slot] = NONE32; /* no incoming edge */
    graph->scope[slot] = plan->scope;
    if (!plan->is_static) {
        /* The life of the step. Release: pairs with the acquire CAS of graph_pin_slot: who pins
         * this step with an old handle sees the new generation (mutant PINRLX). */
        ATOMIC_STORE(&graph->refs[slot], 1u | keep, release);
    }
    plan->first = plan->first != NONE32 ? plan->first : slot;
    plan->last = slot;
    plan->count++;
    plan->tracked += (flags & GRAPH_TRACKED) != 0;
    SWARM_ASSERT(plan->last == slot);
    return slot;
}

/* One more step, not linked to anything. An agent step has no function: its index is 0 then. */
uint32_t swarm__graph_plan_add(struct graph_plan *plan, uint32_t function, uint32_t flags,
                               uint64_t argument) {
    uint32_t slot = NONE32;

    SWARM_ASSERT(plan->graph != NULL);
    SWARM_ASSERT((flags & ~(uint32_t)(GRAPH_TRACKED | GRAPH_AGENT | GRAPH_KEEP)) == 0);
    SWARM_ASSERT((flags & GRAPH_AGENT) == 0 || (flags & GRAPH_TRACKED) != 0);
    SWARM_ASSERT((flags & GRAPH_AGENT) != 0 || function < plan->graph->sizes.functions);
    if (!plan_failed(plan)) {
        slot = plan_append(plan, function, flags);
    }
    if (slot != NONE32) {
        plan->graph->argument[slot] = argument;
    }
    plan->operations++;
    return slot;
}

/* One more range step: `count` calls with arguments first, first + 1, ... for one slot. The record
 * is taken before the slot, so that a refusal undoes one push and no half-made step is left. */
uint32_t swarm__graph_plan_range(struct graph_plan *plan, uint32_t function, uint64_t first,
                                 uint64_t count) {
    struct graph *graph = plan->graph;
    uint32_t slot = NONE32, index = NONE32;

    SWARM_ASSERT(function < graph->sizes.functions);
    if (count > RANGE_COUNT_MAX || count > UINT64_MAX - first) {
        swarm__graph_plan_fail(plan, SWARM_E_INVALID, "the range is too long or ends past 2^64");
    }
    if (!plan_failed(plan)) {
        index = pool_pop(&graph->ranges_free);
        if (index == NONE32) {
            swarm__graph_plan_fail(plan, SWARM_E_FULL, "ranges_max: too many range steps live");
        } else if ((slot = plan_append(plan, function, GRAPH_RANGE)) == NONE32) {
            pool_push(&graph->ranges_free, index);
        }
    }
    if (slot != NONE32) {
        graph->argument[slot] = index;
        graph->ranges[index].first = first;
        graph->ranges[index].count = count;
        swarm__range_reset(&graph->ranges[index]);
    }
    plan->operations++;
    return slot;
}

/* ---- edges */

/* Whether a live slot is a step of this plan. */
bool swarm__graph_plan_owns(const struct graph_plan *plan, uint32_t slot) {
    const struct graph *graph = plan->graph;

    if (plan->is_static) {
        return plan->count != 0 && slot >= plan->first && slot <= plan->last;
    }
    /* caller[] may be another plan's at this moment: then it does not name this one. */
    return graph_has(graph, slot, GRAPH_STAGED) && !graph_has(graph, slot, GRAPH_STATIC) &&
           ATOMIC_LOAD(&graph->caller[slot], relaxed) == plan->caller;
}

/* Index of one of the plan's own steps. */
uint64_t swarm__graph_plan_index(const struct graph_plan *plan, uint32_t slot) {
    return plan->is_static ? slot - plan->first : plan->graph->lineage[slot];
}

/* Keeps an error about an edge. Ends are named by their index in the plan, which is all that the
 * caller knows them by; an end of an older plan is named by SWARM_NEVER. */
static void plan_edge_fail(struct graph_plan *plan, swarm_status status, uint32_t from, uint32_t to,
                           const char *text) {
    if (plan_failed(plan)) {
        return;
    }
    swarm__graph_plan_fail(plan, status, text);
    plan->error.step = to != NONE32 && swarm__graph_plan_owns(plan, to)
                           ? swarm__graph_plan_index(plan, to)
                           : SWARM_NEVER;
    plan->error.other = from != NONE32 && swarm__graph_plan_owns(plan, from)
                            ? swarm__graph_plan_index(plan, from)
                            : SWARM_NEVER;
}

/* Refuses a `to` that the plan does not own, and says which of the two reasons it is: it has begun,
 * or it was closed for edges when its plan was linked. Steps added as OPEN take another way
 * (docs/design.md, section 10, late edges). */
static void plan_edge_foreign(struct graph_plan *plan, uint32_t from, uint32_t to) {
    const struct graph *graph = plan->graph;
    bool has_begun = kind_state(graph_kind(graph, to)) != SWARM_STEP_PENDING ||
                     (!graph_has(graph, to, GRAPH_STATIC) &&
                      link_first(ATOMIC_LOAD(&graph->link[to], relaxed)) == GRAPH_CLOSED);

    plan_edge_fail(plan, has_begun ? SWARM_E_STARTED : SWARM_E_FROZEN, from, to,
                   "an edge may lead into a step of its own plan only");
}

/* Stages an edge as a pair: the row that it belongs in has a length that is not known yet. The
 * counters that the check needs are kept on the way, which spares it a pass. */
static bool plan_edge_static(struct graph_plan *plan, uint32_t from, uint32_t to, bool delayed) {
    struct graph *graph = plan->graph;
    uint32_t cell;

    if (!swarm__graph_plan_owns(plan, from)) {
        plan_edge_fail(plan, SWARM_E_INVALID, from, to, "`from` is a step of another run");
        return false;
    }
    cell = space_claim_take(&graph->edges, &plan->cells);
    if (cell == NONE32) {
        plan_edge_fail(plan, SWARM_E_FULL, from, to, "edges_max: no cell is left for this edge");
        return false;
    }
    SWARM_ASSERT(cell + 1 == plan->cells.next);
    SWARM_ASSERT(from != to);
    graph->edge_to[cell] = to | (delayed ? GRAPH_DELAYED : 0);
    ATOMIC_STORE(&graph->edge_next[cell], from, relaxed);
    /* Both halves of the sum are below 2^31: the count cannot reach the generation. */
    ATOMIC_STORE(&graph->link[from], ATOMIC_LOAD(&graph->link[from], relaxed) + 1, relaxed);
    graph->in_degree[to]++;
    if (delayed) {
        graph_flag_set(graph, from, GRAPH_DELAYS);
    }
    plan->descends = plan->descends || from > to;
    return true;
}

/* Looks whether a pinned `from` of an earlier plan may have this edge. */
static bool plan_edge_allowed(struct graph_plan *plan, uint32_t from, uint32_t to) {
    struct graph *graph = plan->graph;
    /* Acquire: pairs with the release store of graph_plan_link: lineage, scope (mutant KINDRLX). */
    uint32_t kind = ATOMIC_LOAD(&graph->kind[from], acquire);

    if ((kind_flags(kind) & GRAPH_STAGED) != 0) {
        plan_edge_fail(plan, SWARM_E_STALE, NONE32, to, "the plan of `from` is not applied yet");
    } else if (graph->scopes[graph->scope[from]].run != graph->scopes[plan->scope].run) {
        plan_edge_fail(plan, SWARM_E_INVALID, NONE32, to, "`from` is a step of another run");
    } else if ((kind_flags(kind) & GRAPH_CONTINUES) != 0) {
        plan_edge_fail(plan, SWARM_E_INVALID, NONE32, to,
                       "a continuation may have no edges going out");
    }
    return !plan_failed(plan);
}

/* Pins a `from` of an earlier plan. */
static bool plan_edge_older(struct graph_plan *plan, swarm_step step, uint32_t to) {
    uint32_t from = swarm__graph_pin(plan->graph, step);

    if (from == NONE32) {
        plan_edge_fail(plan, SWARM_E_STALE, NONE32, to, "the handle of `from` is stale");
        return false;
    }
    if (!plan_edge_allowed(plan, from, to)) {
        swarm__graph_unpin(plan->graph, from);
        return false;
    }
    return true;
}

/* Stages an edge at its successor, for that one is the plan's own in every case. The predecessor's
 * list is not touched before the link: until then the plan can be dropped without a trace. */
static bool plan_edge_growing(struct graph_plan *plan, swarm_step step, uint32_t to, bool delayed) {
    struct graph *graph = plan->graph;
    uint32_t from = (uint32_t)step.id, cell, flags = delayed ? GRAPH_DELAYED : 0;
    bool is_own = swarm__graph_plan_owns(plan, from), is_fresh;

    if (graph_has(graph, from, GRAPH_STATIC)) {
        plan_edge_fail(plan, SWARM_E_INVALID, from, to, "`from` is a step of another run");
        return false;
    }
    if (!is_own && !plan_edge_older(plan, step, to)) {
        return false;
    }
    cell = space_take(&graph->edges, plan_cells(plan), &is_fresh);
    if (cell == NONE32) {
        plan_edge_fail(plan, SWARM_E_FULL, from, to, "edges_max: no cell is left for this edge");
        if (!is_own) {
            swarm__graph_unpin(graph, from);
        }
        return false;
    }
    SWARM_ASSERT(from <= GRAPH_SLOT);
    SWARM_ASSERT(from != to);
    graph->edge_to[cell] = from | flags | (is_own ? 0 : GRAPH_OLDER);
    ATOMIC_STORE(&graph->edge_next[cell], (uint32_t)graph->output[to], relaxed);
    graph->output[to] = cell;
    plan->older += !is_own;
    plan->descends = plan->descends || (is_own && graph->lineage[from] > graph->lineage[to]);
    return true;
}

/* What is wrong with the two ends, before any kind of plan looks further. */
static bool plan_edge_ends(struct graph_plan *plan, swarm_step from_step, swarm_step to_step) {
    uint32_t from = swarm__graph_find(plan->graph, from_step);
    uint32_t to = swarm__graph_find(plan->graph, to_step);

    if (from_step.id == 0 || to_step.id == 0) {
        plan_edge_fail(plan, SWARM_E_INVALID, from, to, "an end of the edge is the null handle");
    } else if (from == NONE32 || to == NONE32) {
        plan_edge_fail(plan, SWARM_E_STALE, from, to, "the handle of an end is stale");
    } else if (!swarm__graph_plan_owns(plan, to)) {
        plan_edge_foreign(plan, from, to);
    } else if (from == to) {
        plan_edge_fail(plan, SWARM_E_CYCLE, from, to, "a step cannot wait for itself");
    }
    return !plan_failed(plan);
}

/* One more edge. An edge that is refused counts as an operation all the same: the index in the
 * error is the caller's own count. */
void swarm__graph_plan_edge(struct graph_plan *plan, swarm_step from, swarm_step to, bool delayed) {
    if (!plan_failed(plan) && plan_edge_ends(plan, from, to)) {
        bool added = plan->is_static
                         ? plan_edge_static(plan, (uint32_t)from.id, (uint32_t)to.id, delayed)
                         : plan_edge_growing(plan, from, (uint32_t)to.id, delayed);
        SWARM_ASSERT(added != plan_failed(plan));

        plan->edges += added;
    }
    plan->operations++;
}

/* Names the step that stands in for the caller. What it may not have (successors, unfinished older
 * predecessors) is looked at by the check, when all edges are known. */
void swarm__graph_plan_continue(struct graph_plan *plan, swarm_step step) {
    uint32_t slot = swarm__graph_find(plan->graph, step);

    SWARM_ASSERT(!plan->is_static || plan->caller == NONE32); /* a static run has no call plans */
    if (plan->caller == NONE32) {
        swarm__graph_plan_fail(plan, SWARM_E_INVALID, "only a call step's plan can continue it");
    } else if (plan->continuation != NONE32) {
        swarm__graph_plan_fail(plan, SWARM_E_INVALID, "the plan has a continuation already");
    } else if (slot == NONE32) {
        swarm__graph_plan_fail(plan, step.id == 0 ? SWARM_E_INVALID : SWARM_E_STALE,
                               "the handle of the continuation is null or stale");
    } else if (!swarm__graph_plan_owns(plan, slot)) {
        swarm__graph_plan_fail(plan, SWARM_E_INVALID, "the continuation is not of this plan");
    } else if (!plan_failed(plan)) {
        plan->continuation = slot;
    }
    plan->operations++;
}

/* ---- undo */

/* Gives back what the plan took in advance. Must come before the plan's record is given back, or
 * the cells are lost. */
void swarm__graph_plan_trim(struct graph_plan *plan) {
    space_return(&plan->graph->steps, &plan->steps_stock);
    space_return(&plan->graph->edges, &plan->cells_stock);
}

/* Raises the generations, so that handles into the dropped plan are stale, and drops the claims. */
static void plan_undo_static(struct graph_plan *plan) {

    SWARM_ASSERT(plan->is_static);
    struct graph *graph = plan->graph;

    for (uint32_t i = 0; i < plan->count; i++) {
        uint32_t slot = plan->first + i;
        uint32_t generation = link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed));

        if (graph_has(graph, slot, GRAPH_RANGE)) {
            swarm__range_free(graph, slot);
        }
        ATOMIC_STORE(&graph->link[slot], link_word(generation_after(generation), NONE32), relaxed);
    }
    space_claim_drop(&graph->steps, &plan->steps);
    space_claim_drop(&graph->edges, &plan->cells);
}

/* Unpins the older ends of a step's staged edges and gives the cells back. */
static void plan_undo_edges(struct graph *graph, uint32_t slot) {
    uint32_t head = (uint32_t)graph->output[slot];

    for (uint32_t cell = head; cell != NONE32;
         cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
        if ((graph->edge_to[cell] & GRAPH_OLDER) != 0) {
            swarm__graph_unpin(graph, graph->edge_to[cell] & GRAPH_SLOT);
        }
    }
    swarm__graph_cells_free(graph, head);
}

/* Each step ends as a live one does, by its last unpin: an old handle may be pinning it at this
 * moment, and then that thread recycles it. So its references are not simply cleared. */
static void plan_undo_growing(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    uint32_t slot = plan->first;

    while (slot != NONE32) {
        uint32_t next = plan_next(plan, slot); /* before the slot is somebody else's */

        plan_undo_edges(graph, slot);
        if (graph_has(graph, slot, GRAPH_RANGE)) {
            swarm__range_free(graph, slot);
        }
        /* Dispatch has forgotten it: nobody is to be told when a stale handle's pin goes. */
        graph_flag_clear(graph, slot, GRAPH_TRACKED);
        (void)ATOMIC_AND(&graph->refs[slot], ~GRAPH_KEPT, relaxed); /* the unpin has the order */
        (void)ATOMIC_ADD(&graph->live, 1, relaxed);                 /* recycling counts it out */
        swarm__graph_unpin(graph, slot);
        slot = next;
    }
}

/* Gives everything back that the plan took; the record is empty after it. */
void swarm__graph_plan_undo(struct graph_plan *plan) {
    if (plan->is_static) {
        plan_undo_static(plan);
    } else {
        plan_undo_growing(plan);
        swarm__graph_plan_trim(plan);
    }
    SWARM_ASSERT(plan->steps_stock.count == 0);
    SWARM_ASSERT(plan->cells_stock.count == 0);
    plan->first = plan->last = NONE32;
    plan->count = 0;
    plan->edges = 0;
}
