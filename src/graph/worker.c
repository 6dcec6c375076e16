/* SPDX-License-Identifier: MIT */
/*
 * worker.c - the worker loop: run a step, count its successors down, go on with the first that
 * became ready; others go into the worker's deque, where thieves find them.
 *
 * The loop holds one step "in hand". Nothing recurses and nothing is allocated: a chain of any
 * length runs in one stack frame. When the hand is empty: own deque, then the overflow (taken
 * whole), then other workers' deques, from a random one on, twice. A step with more than
 * GRAPH_ROW_MAX successors keeps the lower half of its row and pushes the upper, again and again,
 * so that fan-out is shared and costs O(log n) pushes. (Blumofe and Leiserson, "Scheduling
 * multithreaded computations by work stealing", JACM 46(5), 1999.)
 *
 * Counting ends: a worker keeps the number of ended steps to itself and subtracts it from the scope
 * when it turns to another scope or leaves, so no write is shared per step. A scope's count
 * therefore reaches 0 only after the last worker's last touch of its steps.
 *
 * Quiet: `active` holds the workers inside and how often one came in. A worker comes in by an add
 * and a seq_cst fence (F1) before it looks for work, and leaves after it emptied its hand and
 * counts. The turn, which alone releases steps, reads active (no worker inside), looks at overflow
 * and deques (nothing there), passes a seq_cst fence (F2) and reads active again: the same. Then
 * nothing is ready or running. For the first reading is an acquire of the release by which each
 * worker left: all that workers pushed is visible to the looks. And had a worker come in and taken
 * what the looks missed, they would have read what it wrote after F1; so F1 came before F2, and the
 * second reading would have shown its add. (C11 7.17.3; C++20 [atomics.order] 4.4.)
 *
 * Memory: none. Threads: one an index.
 */
#include "worker.h"

#define OVERFLOW_TAKEN 64 /* steps that a worker takes from the overflow at once */

/* ---- publishing */

/* The word for a part of a row; see worker.h. A cell needs 31 bits and so does a count of cells, so
 * the three fields and the mark fill 64 exactly. */
static uint64_t row_item(uint32_t first, uint32_t count, bool poison) {
    SWARM_ASSERT(first < ITEM_POISON);
    SWARM_ASSERT(count != 0 && count <= INT32_MAX);
    return ITEM_ROW | (uint64_t)count << 32 | (poison ? ITEM_POISON : 0) | first;
}

/* Puts an item where thieves find it, and wakes one if this deque was empty: while it is not, a
 * waker is on its way or everybody is busy, and wakes go round from thief to thief (worker_steal).
 * A step that finds no room goes to the overflow, which never refuses; a part of a row has no link
 * to go by, and its owner walks it himself. */
static inline bool worker_push(struct worker *worker, uint64_t item) {
    struct graph *graph = worker->graph;
    bool tell = graph->parks && deque_looks_empty(&worker->deque);

    if (!deque_push(&worker->deque, item)) {
        if ((item & ITEM_ROW) != 0) {
            return false;
        }
        stack_push(&graph->overflow, (uint32_t)item);
        tell = true;
    }
    if (tell) {
        graph_notify(graph);
    }
    return true;
}

/* Always wakes: a copy of a range is worth a thief of its own, whatever else lies in the deque. */
bool swarm__worker_offer(struct worker *worker, uint32_t slot) {
    bool pushed;

    SWARM_ASSERT(graph_has(worker->graph, slot, GRAPH_RANGE));
    pushed = deque_push(&worker->deque, slot);
    if (pushed) {
        graph_notify(worker->graph);
    }
    return pushed;
}

/* A step became ready. Agent steps go to the turn at once: they must not wait behind what this
 * worker runs next. Returns what to run next. */
static inline uint32_t worker_ready(struct worker *worker, uint32_t slot, uint32_t ready,
                                    uint32_t hand) {
    SWARM_ASSERT(ready != 0);
    SWARM_ASSERT(slot != hand);
    if ((ready & GRAPH_TURN) != 0) {
        swarm__graph_post(worker->graph, slot);
        return hand;
    }
    if (hand == NONE32) {
        return slot;
    }
    (void)worker_push(worker, slot); /* a step always finds room */
    return hand;
}

/* One successor less to tell. What it was waiting for has been written before: graph_drop releases
 * it. Returns what to run next. */
static inline uint32_t worker_count_down(struct worker *worker, uint32_t edge, bool poison,
                                         uint32_t hand) {
    uint32_t to = edge & GRAPH_SLOT;
    uint32_t ready = graph_drop(worker->graph, to, 1, poison);

    return ready != 0 ? worker_ready(worker, to, ready, hand) : hand;
}

/* Counts down a short row: its end is marked in its last cell, so that no length is loaded. */
static inline uint32_t worker_row(struct worker *worker, uint32_t first, bool poison) {
    const uint32_t *edge_to = worker->graph->edge_to;
    uint32_t cell = first, hand = NONE32, edge;

    do {
        edge = edge_to[cell++];
        hand = worker_count_down(worker, edge, poison, hand);
    } while ((edge & GRAPH_LAST) == 0);
    return hand;
}

/* Counts down a long row or a part of one: the lower end of it; the rest is left to others as long
 * as there is room. */
static uint32_t worker_part(struct worker *worker, uint32_t first, uint32_t count, bool poison) {
    const uint32_t *edge_to = worker->graph->edge_to;
    uint32_t hand;

    SWARM_ASSERT(count != 0);
    while (count > GRAPH_ROW_MAX) {
        uint32_t half = count / 2;

        if (!worker_push(worker, row_item(first + count - half, half, poison))) {
            break; /* no room: walk it here */
        }
        count -= half;
    }
    /* The first one comes into the hand, the others backwards into the deque: so they come out in
     * ascending order, which memory likes. */
    hand = worker_count_down(worker, edge_to[first], poison, NONE32);
    for (uint32_t cell = first + count - 1; cell > first; cell--) {
        hand = worker_count_down(worker, edge_to[cell], poison, hand);
    }
    return hand;
}

/* ---- counts */

/* Gives back what ended. Relaxed: `live` is a figure; the pool's push is what hands a slot on. */
static void worker_flush_freed(struct worker *worker) {
    if (worker->freed != 0) {
        (void)ATOMIC_SUB(&worker->graph->live, worker->freed, relaxed);
        worker->freed = 0;
    }
    space_return(&worker->graph->steps, &worker->slots);
    space_return(&worker->graph->edges, &worker->cells);
}

/* Subtracts what has ended here from the scope. After it the scope may be empty and another run's,
 * so nothing of it is touched but by index, to say that it is empty. */
void swarm__worker_flush(struct worker *worker) {
    struct scope *scope = &worker->graph->scopes[worker->scope];
    uint64_t ended = worker->ended, ok = ended - worker->skipped - worker->stopped, before;

    worker->span_count = 0;
    SWARM_ASSERT(worker->skipped + worker->stopped <= ended);
    worker_flush_freed(worker);
    if (ended == 0) {
        return;
    }
    (void)ATOMIC_ADD(&scope->ok, ok, relaxed); /* these go out with the release below */
    (void)ATOMIC_ADD(&scope->skipped, worker->skipped, relaxed);
    (void)ATOMIC_ADD(&scope->stopped, worker->stopped, relaxed);
    worker->ended = worker->skipped = worker->stopped = 0;
    /* Release: the steps' outputs and the counts above; acquire: those of other workers. Pairs with
     * the loads of graph_take_quiet (mutant ENDRLX). */
    before = ATOMIC_SUB(&scope->open, ended, acq_rel);
    SWARM_ASSERT(before >= ended);
    if (before == ended) {
        swarm__scope_emptied(worker->graph, worker->scope);
        graph_signal(worker->graph);
    }
}

/* Turns to the scope of a step. A static run's steps are its scope's and lie in one span: that is
 * remembered, and spares a look at scope[] for each. The span is forgotten with the counts: while
 * there are some, the run cannot end and its slots cannot be another's (mutant STALESPAN). */
static void worker_enter(struct worker *worker, uint32_t slot) {
    struct graph *graph = worker->graph;
    uint32_t scope = graph->scope[slot];

    SWARM_ASSERT(scope < graph->sizes.runs + graph->sizes.scopes);
    if (worker->scope != scope) {
        swarm__worker_flush(worker);
        worker->scope = scope;
        worker->scope_at = &graph->scopes[scope];
    }
    if (graph_has(graph, slot, GRAPH_STATIC)) {
        worker->span_first = graph->steps.spans[worker->scope_at->run].first;
        worker->span_count = graph->steps.spans[worker->scope_at->run].count;
    }
}

/* Whether the scope at hand is cancelled. Relaxed: see graph_scope_cancelled. The own scope's word
 * is looked at first and through a pointer at hand: this is asked for every step. */
static inline bool worker_cancelled(const struct worker *worker) {
    return ATOMIC_LOAD(&worker->scope_at->cancelled, relaxed) != 0 ||
           (worker->scope_at->parent != NONE32 &&
            graph_scope_cancelled(worker->graph, worker->scope_at->parent));
}

/* ---- ends */

/* Makes the frame what worker_frame expects. What a call leaves behind is cleared by who looked at
 * it, and not before each call: most calls leave nothing. */
static inline void worker_frame_clear(struct worker *worker) {
    struct call_frame *frame = &worker->frame;

    frame->plan = NULL;
    frame->has_result = false;
    frame->broken = SWARM_OK;
    frame->call.inputs = 0;
    frame->call.iteration = 0;
    frame->call.outcome = SWARM_OUTCOME_OK;
}

/* Hands a call step that ran to the turn. The flag comes before the post, which releases it: the
 * turn must not take a step that ran for one that is ready. Then the step is the turn's. */
static void worker_cross(struct worker *worker, uint32_t slot, swarm_outcome outcome,
                         uint64_t value) {
    struct graph *graph = worker->graph;

    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_CROSSED));
    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_AGENT));
    if (worker->frame.plan != NULL) {
        swarm__graph_plan_trim((struct graph_plan *)(void *)worker->frame.plan);
    }
    graph_flag_set(graph, slot, GRAPH_CROSSED);
    graph->hooks.leave(graph->hooks.context, &worker->frame, outcome, value);
    worker_frame_clear(worker);
    swarm__graph_post(graph, slot);
}

/* A row is fixed: nothing to close. Relaxed: link was written before the run started. */
static inline uint32_t worker_end_static(struct worker *worker, uint32_t slot, bool poison) {
    struct graph *graph = worker->graph;
    uint32_t first = link_first(ATOMIC_LOAD(&graph->link[slot], relaxed));

    if (first == NONE32) {
        return NONE32;
    }
    if ((first & GRAPH_LONG) == 0) {
        return worker_row(worker, first, poison);
    }
    first &= ~GRAPH_LONG;
    return worker_part(worker, first, ATOMIC_LOAD(&graph->edge_next[first], relaxed), poison);
}

/* The list has edges with a delay: the turn walks it, and ends the step. argument[] is free once
 * the function has been called, and carries the list's head across. */
static void worker_leave_list(struct worker *worker, uint32_t slot, uint32_t first) {
    struct call_frame *frame = &worker->frame;
    uint64_t value = worker->graph->output[slot];

    SWARM_ASSERT(graph_is_marked(first));
    worker->graph->argument[slot] = first;
    if (frame->slot != slot) { /* a caller that ends with its continuation */
        frame->slot = slot;
        frame->call.step = swarm__graph_handle(worker->graph, slot);
        frame->has_result = false;
    }
    worker_cross(worker, slot, SWARM_OUTCOME_OK, value);
}

/* Walks a closed list, and gives its cells back. */
static inline uint32_t worker_list(struct worker *worker, uint32_t cell, bool poison) {
    struct graph *graph = worker->graph;
    uint32_t hand = NONE32;

    while (cell != NONE32) {
        uint32_t next = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        uint32_t edge = graph->edge_to[cell];

        SWARM_ASSERT((edge & (GRAPH_DELAYED | GRAPH_OLDER)) == 0 || poison);
        space_drop(&graph->edges, &worker->cells, cell);
        hand = worker_count_down(worker, edge, poison, hand);
        cell = next;
    }
    return hand;
}

static inline void worker_free(struct worker *worker, uint32_t slot) {
    worker->freed++;
    if (graph_slot_clear(worker->graph, slot)) {
        space_drop(&worker->graph->steps, &worker->slots, slot);
    }
}

/* Ends a step to which nobody refers but its life: the last reference goes first. Nobody can pin it
 * from then on, and whoever did has let go, so its list is what it is without being closed. False:
 * somebody refers to it, or the turn must see its list. */
static inline bool worker_end_alone(struct worker *worker, uint32_t slot, bool poison,
                                    uint32_t *out_hand) {
    struct graph *graph = worker->graph;
    uint32_t refs = 1, first = link_first(ATOMIC_LOAD(&graph->link[slot], relaxed));

    /* Acquire and release: as in graph_drop_ref (mutant REFRLX). */
    if (ATOMIC_LOAD(&graph->refs[slot], relaxed) != 1 || graph_is_marked(first) ||
        !ATOMIC_CAS(&graph->refs[slot], &refs, 0, acq_rel, relaxed)) {
        return false;
    }
    first = link_first(ATOMIC_LOAD(&graph->link[slot], relaxed)); /* somebody may have pushed */
    SWARM_ASSERT(first != GRAPH_CLOSED);
    if (graph_is_marked(first)) {
        ATOMIC_STORE(&graph->refs[slot], 1, relaxed); /* nobody touches it at 0 */
        return false;
    }
    *out_hand = worker_list(worker, first, poison);
    worker_free(worker, slot);
    return true;
}

/* Most steps are referred to by nobody but their life, and end without an exchange of their list;
 * the others close it, so that whoever comes later finds it closed. */
static uint32_t worker_end_growing(struct worker *worker, uint32_t slot, bool poison) {
    struct graph *graph = worker->graph;
    uint32_t first, hand;

    if (worker_end_alone(worker, slot, poison, &hand)) {
        return hand;
    }
    first = graph_close(graph, slot);
    SWARM_ASSERT(first != GRAPH_CLOSED);
    if (!poison && graph_is_marked(first)) {
        worker->ended--; /* the turn counts it out */
        worker_leave_list(worker, slot, first);
        return NONE32;
    }
    hand = worker_list(worker, graph_unmarked(first), poison);
    if (graph_drop_ref(graph, slot)) {
        worker_free(worker, slot);
    }
    return hand;
}

/* Ends a plain step; `kind` is its kind now. */
static inline uint32_t worker_end(struct worker *worker, uint32_t slot, uint32_t kind,
                                  uint32_t state) {
    struct graph *graph = worker->graph;

    SWARM_ASSERT(state_is_terminal(state));
    SWARM_ASSERT((kind_flags(kind) & (GRAPH_TRACKED | GRAPH_STAGED | GRAPH_SPOILT)) == 0);
    SWARM_ASSERT(worker->scope == graph->scope[slot]);
    /* Release: the output before the state; pairs with the acquire load of info_of_plain. */
    ATOMIC_STORE(&graph->kind[slot], kind_with_state(kind, state), release);
    worker->ended++;
    return (kind_flags(kind) & GRAPH_STATIC) != 0
               ? worker_end_static(worker, slot, state != SWARM_STEP_OK)
               : worker_end_growing(worker, slot, state != SWARM_STEP_OK);
}

/* ---- running */

/* Plan, result and `broken` are clear between calls: whoever looks at them clears them. */
static inline void worker_frame(struct worker *worker, uint32_t slot, uint64_t argument) {
    struct call_frame *frame = &worker->frame;
    uint64_t word = ATOMIC_LOAD(&worker->graph->link[slot], relaxed);

    SWARM_ASSERT(frame->plan == NULL && !frame->has_result && frame->broken == SWARM_OK);
    SWARM_ASSERT(link_generation(word) != 0);
    frame->call.step.id = link_word(link_generation(word), slot);
    frame->call.argument = argument;
    frame->slot = slot;
}

void swarm__worker_frame(struct worker *worker, uint32_t slot, uint64_t argument) {
    worker_frame(worker, slot, argument);
}

/* The call itself: foreign code, which may take long, add a plan, or ask to be let go. Nothing of
 * the graph is half changed while it runs. */
static inline swarm_outcome worker_invoke(struct worker *worker, uint32_t index,
                                          uint64_t *out_value) {
    const struct graph_function *function = &worker->graph->functions[index];

    SWARM_ASSERT(index < worker->graph->sizes.functions);
    SWARM_ASSERT(function->function != NULL);
    *out_value = 0;
    return function->function(function->context, &worker->frame.call, out_value);
}

swarm_outcome swarm__worker_call(struct worker *worker, uint32_t slot, uint64_t argument,
                                 uint64_t *out_value) {
    swarm_outcome outcome;

    worker_frame(worker, slot, argument);
    outcome = worker_invoke(worker, kind_function(graph_kind(worker->graph, slot)), out_value);
    if (worker->frame.broken != SWARM_OK && outcome == SWARM_OUTCOME_OK) {
        outcome = SWARM_OUTCOME_GARBAGE;
    }
    worker_frame_clear(worker);
    return outcome;
}

/* ---- call plans */

static struct graph_plan *frame_plan(const struct call_frame *frame) {
    return (struct graph_plan *)(void *)frame->plan; /* its first member */
}

static void worker_plan_done(struct worker *worker) {
    struct swarm_plan *plan = worker->frame.plan;

    SWARM_ASSERT(plan != NULL);
    worker->frame.plan = NULL;
    worker->graph->hooks.plan_done(worker->graph->hooks.context, plan);
}

/* Judges outcome and plan of a call: a plan of a step that failed is dropped. */
static swarm_outcome worker_judge(struct worker *worker, swarm_outcome outcome) {
    struct call_frame *frame = &worker->frame;

    frame->error.status = frame->broken;
    frame->error.index = SWARM_NONE;
    if (frame->broken != SWARM_OK && outcome == SWARM_OUTCOME_OK) {
        outcome = SWARM_OUTCOME_GARBAGE;
    }
    if (frame->plan != NULL && outcome != SWARM_OUTCOME_OK) {
        swarm__graph_plan_undo(frame_plan(frame));
        worker_plan_done(worker);
    }
    return outcome;
}

/* Links the plan of a plain step that went well, if it may: the turn applies it if it holds tracked
 * steps. Null without one; a plan that is refused makes the step end GARBAGE. */
static struct graph_plan *worker_link(struct worker *worker, swarm_outcome *outcome) {
    struct graph_plan *plan = frame_plan(&worker->frame);

    if (plan == NULL || plan->tracked != 0) {
        return NULL;
    }
    SWARM_ASSERT(plan->caller == worker->frame.slot);
    SWARM_ASSERT(*outcome == SWARM_OUTCOME_OK);
    if (swarm__graph_plan_check(plan) != SWARM_OK) {
        worker->frame.error = plan->error;
        swarm__graph_plan_undo(plan);
        worker_plan_done(worker);
        *outcome = SWARM_OUTCOME_GARBAGE;
        return NULL;
    }
    /* Relaxed: read with the scope's other counts, when it is empty. */
    (void)ATOMIC_ADD(&worker->graph->scopes[plan->scope].added, plan->count, relaxed);
    swarm__graph_plan_link(plan, SWARM_NEVER);
    return plan;
}

/* Starts a linked plan and gives it back. */
static uint32_t worker_start(struct worker *worker, struct graph_plan *plan, uint32_t hand) {
    struct graph *graph = worker->graph;
    uint32_t cursor = NONE32, slot;
    bool poisoned;

    while (swarm__graph_plan_start(plan, &cursor, &slot, &poisoned)) {
        hand = worker_ready(worker, slot, DROP_READY, hand); /* no agent step among them */
    }
    graph->hooks.plan_done(graph->hooks.context, (struct swarm_plan *)(void *)plan);
    return hand;
}

/* Ends a step that went well, and the step that it continues. A continuation has no successors, so
 * only one of the two ends brings something to run. */
static uint32_t worker_end_chain(struct worker *worker, uint32_t slot, uint32_t caller,
                                 uint64_t value) {
    struct graph *graph = worker->graph;
    uint32_t hand;

    graph->output[slot] = value;
    hand = worker_end(worker, slot, graph_kind(graph, slot), SWARM_STEP_OK);
    if (caller == NONE32) {
        return hand;
    }
    SWARM_ASSERT(hand == NONE32);
    SWARM_ASSERT(caller != slot);
    SWARM_ASSERT(!graph_has(graph, caller, GRAPH_TRACKED));
    worker_enter(worker, caller); /* its plan may have got a scope of its own */
    graph->output[caller] = value;
    return worker_end(worker, caller, graph_kind(graph, caller), SWARM_STEP_OK);
}

/* The one place where the end of a plain step is decided. Three ways out: the turn takes it over
 * (it failed, brought tracked steps, or continues a tracked step); it waits for its continuation;
 * or it ends here. The order is judge, link, end, start. */
uint32_t swarm__worker_settle(struct worker *worker, uint32_t slot, swarm_outcome outcome,
                              uint64_t value) {
    struct graph *graph = worker->graph;
    struct graph_plan *linked = NULL;
    uint32_t hand = NONE32, caller;

    outcome = worker_judge(worker, outcome);
    if (outcome == SWARM_OUTCOME_OK) {
        linked = worker_link(worker, &outcome);
    }
    caller = swarm__graph_caller(graph, slot); /* after the link, which may have passed it on */
    if (linked != NULL) {
        worker->frame.plan = NULL;
    }
    if (outcome != SWARM_OUTCOME_OK || worker->frame.plan != NULL ||
        (caller != NONE32 && graph_has(graph, caller, GRAPH_TRACKED))) {
        worker_cross(worker, slot, outcome, value);
    } else {
        worker_frame_clear(worker);
        if (linked == NULL || !linked->deferred) {
            hand = worker_end_chain(worker, slot, caller, value);
        }
    }
    /* The plan starts last: a continuation may run at once and end `slot` elsewhere, so a deferred
     * step is not touched any more (mutant TOUCH). */
    return linked != NULL ? worker_start(worker, linked, hand) : hand;
}

/* A tracked step, or a plain static one with delays going out: the turn ends it. */
static void worker_run_tracked(struct worker *worker, uint32_t slot) {
    struct graph *graph = worker->graph;
    uint64_t value;
    swarm_outcome outcome;

    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_AGENT | GRAPH_CROSSED));
    worker_frame(worker, slot, graph->argument[slot]);
    if (graph_has(graph, slot, GRAPH_TRACKED)) {
        graph->hooks.enter(graph->hooks.context, &worker->frame);
    }
    outcome = worker_invoke(worker, kind_function(graph_kind(graph, slot)), &value);
    worker_cross(worker, slot, worker_judge(worker, outcome), value);
}

/* Plain steps are skipped or stopped here and only counted; why, the run's report says. */
uint32_t swarm__worker_stop(struct worker *worker, uint32_t slot, bool cancelled) {
    uint32_t kind = graph_kind(worker->graph, slot) & ~((uint32_t)GRAPH_SPOILT << 20);

    SWARM_ASSERT(cancelled || graph_has(worker->graph, slot, GRAPH_SPOILT));
    if ((kind_flags(kind) & (GRAPH_TRACKED | GRAPH_CONTINUES)) != 0) {
        swarm__graph_post(worker->graph, slot); /* the turn ends it, and whom it continues */
        return NONE32;
    }
    if (cancelled) {
        worker->stopped++;
    } else {
        worker->skipped++;
    }
    return worker_end(worker, slot, kind, cancelled ? SWARM_STEP_CANCELLED : SWARM_STEP_SKIPPED);
}

/* Everything but the plain step that just runs: out of line, the common path stays short. */
static uint32_t worker_run_special(struct worker *worker, uint32_t slot) {
    struct graph *graph = worker->graph;
    bool cancelled = graph_step_cancelled(graph, slot);
    uint64_t value;
    swarm_outcome outcome;

    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_AGENT | GRAPH_STAGED | GRAPH_CROSSED));
    worker->span_count = 0; /* this one may not be counted here */
    if (graph_has(graph, slot, GRAPH_RANGE)) {
        return swarm__range_run(worker, slot);
    }
    if (cancelled || graph_has(graph, slot, GRAPH_SPOILT)) {
        return swarm__worker_stop(worker, slot, cancelled);
    }
    if (graph_has(graph, slot, GRAPH_TRACKED | GRAPH_DELAYS)) {
        worker_run_tracked(worker, slot);
        return NONE32;
    }
    worker_frame(worker, slot, graph->argument[slot]);
    outcome = worker_invoke(worker, kind_function(graph_kind(graph, slot)), &value);
    return swarm__worker_settle(worker, slot, outcome, value);
}

/* Runs one step and returns what to run next. The span test is one subtraction and one comparison
 * for steps of a static run, the most common: no look at scope[]. */
static inline uint32_t worker_run(struct worker *worker, uint32_t slot) {
    struct graph *graph = worker->graph;
    uint32_t kind = graph_kind(graph, slot);
    uint64_t value;
    swarm_outcome outcome;

    worker->ran++;
    if (slot - worker->span_first >= worker->span_count &&
        (graph->scope[slot] != worker->scope || (kind_flags(kind) & GRAPH_STATIC) != 0)) {
        worker_enter(worker, slot);
    }
    if ((kind_flags(kind) & ~(uint32_t)GRAPH_STATIC) != 0 || worker_cancelled(worker)) {
        return worker_run_special(worker, slot);
    }
    worker_frame(worker, slot, graph->argument[slot]);
    outcome = worker_invoke(worker, kind_function(kind), &value);
    if (outcome != SWARM_OUTCOME_OK || worker->frame.plan != NULL ||
        worker->frame.broken != SWARM_OK) {
        return swarm__worker_settle(worker, slot, outcome, value);
    }
    graph->output[slot] = value;
    return worker_end(worker, slot, kind, SWARM_STEP_OK);
}

/* ---- finding work */

/* Puts the rest of a taken chain back without looking for its end: if others pushed meanwhile,
 * their nodes, which are few, go in front of it. */
static void worker_put_back(struct graph *graph, uint32_t first) {
    uint32_t empty = NONE32;

    /* Release: as in stack_push_chain. */
    while (first != NONE32 && !ATOMIC_CAS(&graph->overflow.head, &empty, first, release, relaxed)) {
        uint32_t theirs = stack_take_all(&graph->overflow);

        if (theirs != NONE32) {
            uint32_t last = theirs, next;

            while ((next = stack_next(&graph->overflow, last)) != NONE32) {
                last = next;
            }
            stack_link(&graph->overflow, last, first);
            first = theirs;
        }
        empty = NONE32;
    }
}

/* Takes the overflow: one step in hand, some for the own deque, backwards as in worker_part, and
 * the rest goes back. */
static uint32_t worker_overflow(struct worker *worker) {
    struct graph *graph = worker->graph;
    uint32_t slots[OVERFLOW_TAKEN], count = 0, hand, next;
    uint32_t room = graph->sizes.deque_size / 2;

    if (stack_looks_empty(&graph->overflow)) {
        return NONE32;
    }
    hand = stack_take_all(&graph->overflow);
    if (hand == NONE32) {
        return NONE32;
    }
    room = room < OVERFLOW_TAKEN ? room : OVERFLOW_TAKEN;
    SWARM_ASSERT(room <= OVERFLOW_TAKEN);
    for (next = stack_next(&graph->overflow, hand); next != NONE32 && count < room; count++) {
        slots[count] = next;
        next = stack_next(&graph->overflow, next);
    }
    if (next != NONE32) {
        worker_put_back(graph, next);
        graph_notify(graph); /* there is more: the next one may come */
    }
    while (count != 0) {
        (void)worker_push(worker, slots[--count]); /* the deque was empty: there is room */
    }
    return hand;
}

/* A number below `bound`. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003.
 */
static uint32_t worker_random(struct worker *worker, uint32_t bound) {
    SWARM_ASSERT(bound != 0);
    SWARM_ASSERT(worker->random != 0); /* 0 is the one state that xorshift never leaves */
    uint64_t x = worker->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    worker->random = x;
    return (uint32_t)(((x >> 32) * bound) >> 32);
}

/* Two rounds over all other workers, from a random one on, so that thieves do not queue at the same
 * victim. A lost race counts as nothing found: the second round looks again. */
static bool worker_steal(struct worker *worker, uint64_t *out_item) {
    struct graph *graph = worker->graph;
    uint32_t workers = graph->sizes.workers;
    uint32_t victim = worker_random(worker, workers);

    SWARM_ASSERT(victim < workers);
    for (uint32_t left = 2 * workers; left != 0; left--) {
        struct deque *deque = &graph->workers[victim].deque;

        if (victim != worker->index && deque_steal(deque, out_item) == DEQUE_ITEM) {
            if (graph->parks && !deque_looks_empty(deque)) {
                graph_notify(graph); /* wakes go round one by one */
            }
            return true;
        }
        victim = victim + 1 < workers ? victim + 1 : 0;
    }
    return false;
}

/* Something to run, or NONE32. A row found on the way is counted down, which may give it. */
static uint32_t worker_find(struct worker *worker) {
    for (;;) { /* each round takes an item away: bounded by what is queued */
        uint64_t item;
        uint32_t hand;

        if (!deque_take(&worker->deque, &item)) {
            hand = worker_overflow(worker);
            if (hand != NONE32) {
                return hand;
            }
            if (!worker_steal(worker, &item)) {
                return NONE32;
            }
        }
        if ((item & ITEM_ROW) == 0) {
            return (uint32_t)item;
        }
        hand = worker_part(worker, (uint32_t)(item & (ITEM_POISON - 1)),
                           (uint32_t)(item >> 32) & INT32_MAX, (item & ITEM_POISON) != 0);
        if (hand != NONE32) {
            return hand;
        }
    }
}

/* ---- in and out */

/* One visit of a worker: in, run, out. An index must be used by one thread at a time, which is the
 * caller's promise; a visit from inside a visit is refused. */
uint32_t swarm__graph_work(struct graph *graph, uint32_t index, uint32_t max) {
    struct worker *worker;
    uint32_t hand = NONE32;

    if (index >= graph->sizes.workers || max == 0 || graph->workers[index].inside) {
        return 0; /* a call step that works for its own worker would overwrite its frame */
    }
    worker = &graph->workers[index];
    worker->inside = true;
    /* Relaxed: the fence behind it orders it before every look for work. */
    (void)ATOMIC_ADD(&graph->active, (UINT64_C(1) << 32) + 1, relaxed);
    ATOMIC_FENCE(seq_cst); /* F1 above (mutant QUIETIN) */
    worker->ran = 0;
    while (worker->ran < max) {
        hand = hand != NONE32 ? hand : worker_find(worker);
        if (hand == NONE32) {
            break;
        }
        hand = worker_run(worker, hand);
    }
    if (hand != NONE32) {
        (void)worker_push(worker, hand);
    }
    swarm__worker_flush(worker);
    SWARM_ASSERT(worker->ended == 0);
    worker->inside = false;
    /* Release: all that was pushed and written, to the turn's acquire in graph_quiet (mutant
     * QUIETRLX). */
    (void)ATOMIC_SUB(&graph->active, 1, release);
    return worker->ran;
}

/* Looks at every queue. Hints, made exact by the fence in front of it: park_prepare's, or F2's
 * argument above. */
static bool worker_sees_work(const struct graph *graph) {
    bool seen = !stack_looks_empty(&graph->overflow);

    for (uint32_t i = 0; i < graph->sizes.workers && !seen; i++) {
        seen = !deque_looks_empty(&graph->workers[i].deque);
    }
    return seen;
}

/* By the turn, which alone can release steps: what is quiet stays so until it says otherwise. */
bool swarm__graph_quiet(struct graph *graph) {
    /* Acquire: pairs with the release subtraction by which each worker left (mutant QUIETRLX). */
    uint64_t before = ATOMIC_LOAD(&graph->active, acquire);

    if ((uint32_t)before != 0 || worker_sees_work(graph)) {
        return false;
    }
    ATOMIC_FENCE(seq_cst); /* F2 above (mutant QUIETOUT) */
    return ATOMIC_LOAD(&graph->active, relaxed) == before;
}

static bool worker_is_wanted(const struct graph *graph) {
    return worker_sees_work(graph) ||
           (graph->hooks.wanted != NULL && graph->hooks.wanted(graph->hooks.context));
}

/* Spins a little first, since a wake costs two system calls; then prepare, look again, commit
 * (park.h). It may return without cause: callers look for work in a loop. */
void swarm__graph_park(struct graph *graph, uint64_t timeout_ns) {
    uint32_t ticket;

    for (uint32_t i = 0; i < graph->sizes.spin; i++) {
        if (worker_is_wanted(graph)) {
            return;
        }
        ATOMIC_PAUSE();
    }
    if (!graph->parks) {
        return;
    }
    ticket = park_prepare(&graph->park);
    if (worker_is_wanted(graph)) { /* the second look */
        park_cancel(&graph->park);
        return;
    }
    (void)park_commit(&graph->park, &graph->park_host, ticket, timeout_ns);
}
