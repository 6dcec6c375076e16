/* SPDX-License-Identifier: MIT */
/*
 * test_graph.h - a graph with the smallest dispatch that can be: for the tests of src/graph.
 *
 * The fake turn ends an agent step as soon as it is ready, with `agent_outcome` and its argument as
 * value; it ends what workers posted, applies plans with tracked steps under a scope of their own,
 * and lets go of what nobody needs. It keeps a count of everything it did.
 *
 * Threads: `leave`, `enter` and plan records are used by workers; all else by the turn.
 */
#ifndef SWARM_TESTS_TEST_GRAPH_H
#define SWARM_TESTS_TEST_GRAPH_H

#include "test.h"

#include "../src/graph/graph.h"

#ifndef TURN_PLANS
#define TURN_PLANS 256
#endif
#define AGENT (GRAPH_TRACKED | GRAPH_AGENT)

struct swarm_plan {
    struct graph_plan graph;
    uint32_t index;
};

/* What `leave` kept, by slot. */
struct turn_record {
    uint64_t value;
    struct swarm_plan *plan;
    swarm_outcome outcome;
    swarm_status error;
};

/* A step that the turn is to end. */
struct turn_end {
    uint64_t value;
    uint32_t slot, state;
};

struct turn {
    struct graph graph; /* first: a call finds the turn by its context */
    struct graph_sizes sizes;
    void *block;
    struct swarm_plan plans[TURN_PLANS];
    atomic_u32 plan_links[TURN_PLANS];
    struct pool plans_free;
    struct turn_record *records;
    struct turn_end *ends; /* stack */
    uint32_t ends_count;
    uint32_t chain_first, chain_last; /* call steps to be released */
    uint32_t *scopes_free;
    uint32_t scopes_count;
    uint64_t ordinal;   /* of the next step that a plan brings */
    uint64_t ended[10]; /* by the turn, by state */
    uint64_t quiet[64]; /* by scope: how often it was given */
    uint64_t unused;    /* records let go of after the end */
    uint64_t late, delayed;
    atomic_u64 signals, entered, plans_done;
    uint32_t delays[256]; /* steps whose delays have not passed */
    uint32_t delays_count;
    swarm_outcome agent_outcome;
    bool keeps; /* the owner keeps a reference to every step of its plans */
    bool holds; /* agent steps are not ended, but kept in `held` */
    uint32_t held[64];
    uint32_t held_count;
};

static inline struct turn *turn_of(const swarm_call *call) {
    return (struct turn *)(void *)call->sw;
}

/* ---- hooks */

static void turn_enter(void *context, struct call_frame *frame) {
    struct turn *turn = (struct turn *)context;

    (void)ATOMIC_ADD(&turn->entered, 1, relaxed);
    frame->call.inputs = 7;
}

static void turn_leave(void *context, struct call_frame *frame, swarm_outcome outcome,
                       uint64_t value) {
    struct turn_record *record = &((struct turn *)context)->records[frame->slot];

    record->outcome = outcome;
    record->value = value;
    record->plan = frame->plan;
    record->error = frame->error.status;
}

static void turn_plan_done(void *context, struct swarm_plan *plan) {
    struct turn *turn = (struct turn *)context;

    (void)ATOMIC_ADD(&turn->plans_done, 1, relaxed);
    pool_push(&turn->plans_free, plan->index);
}

static void turn_late(void *context, uint32_t from, uint32_t to) {
    struct turn *turn = (struct turn *)context;

    if (kind_state(ATOMIC_LOAD(&turn->graph.kind[from], relaxed)) != SWARM_STEP_OK) {
        bool poisoned;

        CHECK(!swarm__graph_count_down(&turn->graph, to, true, &poisoned)); /* it has a guard */
        return;
    }
    turn->late++;
    turn->delays[turn->delays_count++] = to;
}

static void turn_signal(void *context) {
    (void)ATOMIC_ADD(&((struct turn *)context)->signals, 1, relaxed);
}

/* ---- life */

static inline struct graph_sizes turn_sizes(uint32_t steps, uint32_t edges) {
    struct graph_sizes sizes = {.workers = 2,
                                .runs = 8,
                                .steps = steps,
                                .edges = edges,
                                .functions = 16,
                                .scopes = 32,
                                .ranges = 4,
                                .deque_size = 64,
                                .spin = 0,
                                .growing = true};
    return sizes;
}

static inline struct turn *turn_new(const struct graph_sizes *sizes, const swarm_host *host) {
    struct turn *turn = (struct turn *)calloc(1, sizeof *turn);
    struct graph_hooks hooks = {turn,      turn_enter,  turn_leave, turn_plan_done,
                                turn_late, turn_signal, NULL};
    struct arena arena;
    size_t size = 0;

    arena_measure(&arena);
    swarm__graph_layout(&turn->graph, &arena, sizes);
    CHECK(arena_size(&arena, &size));
    turn->block = malloc(size);
    memset(turn->block, 0xa5, size); /* nothing may rely on zeroes */
    arena_init(&arena, turn->block, size);
    swarm__graph_layout(&turn->graph, &arena, sizes);
    CHECK(!arena.failed);
    turn->sizes = *sizes;
    swarm__graph_start(&turn->graph, &hooks, host);
    pool_init(&turn->plans_free, turn->plan_links, TURN_PLANS);
    for (uint32_t i = 0; i < TURN_PLANS; i++) {
        turn->plans[i].index = i;
    }
    turn->records = (struct turn_record *)calloc(sizes->steps, sizeof *turn->records);
    turn->ends = (struct turn_end *)calloc(sizes->steps, sizeof *turn->ends);
    turn->scopes_free = (uint32_t *)calloc(sizes->scopes, sizeof(uint32_t));
    for (uint32_t i = 0; i < sizes->scopes; i++) {
        turn->scopes_free[turn->scopes_count++] = sizes->runs + sizes->scopes - 1 - i;
    }
    for (uint32_t run = 0; run < sizes->runs; run++) {
        swarm__scope_open(&turn->graph, run, run, NONE32, SWARM_NEVER);
    }
    turn->chain_first = turn->chain_last = NONE32;
    return turn;
}

static inline void turn_free(struct turn *turn) {
    CHECK(swarm__graph_invariant(&turn->graph));
    free(turn->records);
    free(turn->ends);
    free(turn->scopes_free);
    free(turn->block);
    free(turn);
}

/* ---- what the turn does with a step */

static inline void turn_end_later(struct turn *turn, uint32_t slot, uint32_t state,
                                  uint64_t value) {
    struct turn_end end = {value, slot, state};

    turn->ends[turn->ends_count++] = end;
}

static inline bool turn_flag(struct turn *turn, uint32_t slot, uint32_t flag) {
    return (kind_flags(ATOMIC_LOAD(&turn->graph.kind[slot], relaxed)) & flag) != 0;
}

static inline void turn_agent(struct turn *turn, uint32_t slot) {
    if (turn->holds) {
        turn->held[turn->held_count++] = slot;
        return;
    }
    turn_end_later(turn, slot,
                   turn->agent_outcome == SWARM_OUTCOME_OK ? SWARM_STEP_OK : SWARM_STEP_FAILED,
                   turn->graph.argument[slot]);
}

/* A step is ready, in the turn. */
static inline void turn_ready(struct turn *turn, uint32_t slot, bool poisoned) {
    if (swarm__scope_is_cancelled(&turn->graph, turn->graph.scope[slot])) {
        turn_end_later(turn, slot, SWARM_STEP_CANCELLED, 0);
    } else if (poisoned) {
        turn_end_later(turn, slot, SWARM_STEP_SKIPPED, 0);
    } else if (turn_flag(turn, slot, GRAPH_AGENT)) {
        turn_agent(turn, slot);
    } else if (turn->chain_first == NONE32) {
        turn->chain_first = turn->chain_last = slot;
    } else {
        graph_chain(&turn->graph, turn->chain_last, slot);
        turn->chain_last = slot;
    }
}

static inline void turn_release(struct turn *turn) {
    if (turn->chain_first != NONE32) {
        uint32_t first = turn->chain_first;

        turn->chain_first = NONE32;
        swarm__graph_release(&turn->graph, first, turn->chain_last);
    }
}

static inline void turn_unref(struct turn *turn, uint32_t slot) {
    if (swarm__graph_unref(&turn->graph, slot)) {
        swarm__graph_recycle(&turn->graph, slot);
    }
}

/* Links and starts a checked plan. */
static inline void turn_apply(struct turn *turn, struct graph_plan *plan) {
    uint32_t cursor = NONE32, slot;
    bool poisoned;

    if (turn->keeps && !plan->is_static) {
        for (slot = NONE32; swarm__graph_plan_step(plan, &slot);) {
            swarm__graph_ref(&turn->graph, slot);
        }
    }
    swarm__graph_plan_link(plan, plan->is_static ? 0 : turn->ordinal);
    turn->ordinal += plan->count;
    while (swarm__graph_plan_start(plan, &cursor, &slot, &poisoned)) {
        turn_ready(turn, slot, poisoned);
    }
}

static inline void turn_end_one(struct turn *turn, struct turn_end end) {
    struct graph *graph = &turn->graph;
    struct graph_walk walk;
    uint32_t to, what, caller;
    bool poison = end.state != SWARM_STEP_OK;

    kind_state_set(graph, end.slot, end.state);
    graph->output[end.slot] = end.value;
    turn->ended[end.state]++;
    swarm__graph_finish(graph, end.slot, poison, &walk);
    while ((what = swarm__graph_finish_next(&walk, &to)) != 0) {
        bool poisoned;

        if (what == WALK_DELAYED && poison) {
            if (swarm__graph_count_down(graph, to, true, &poisoned)) {
                turn_ready(turn, to, poisoned);
            }
        } else if (what == WALK_DELAYED) {
            turn->delayed++;
            turn->delays[turn->delays_count++] = to;
        } else {
            turn_ready(turn, to, what == WALK_POISONED);
        }
    }
    caller = swarm__graph_caller(graph, end.slot);
    swarm__graph_ended(graph, end.slot);
    turn_unref(turn, end.slot);
    if (caller != NONE32) {
        turn_end_later(turn, caller, end.state, end.value);
    }
}

/* A call step that ran: with the plan it brought, under a scope of its own if that needs the turn.
 * */
static inline void turn_left(struct turn *turn, uint32_t slot) {
    struct turn_record *record = &turn->records[slot];
    struct graph *graph = &turn->graph;
    bool deferred = false;

    if (record->plan != NULL && record->plan->graph.count == 0) {
        turn_plan_done(turn, record->plan); /* a scope that never got steps would never end */
    } else if (record->plan != NULL) {
        struct graph_plan *plan = &record->plan->graph;
        uint32_t parent = graph->scope[slot];
        uint32_t scope = turn->scopes_free[--turn->scopes_count];

        swarm__scope_open(graph, scope, graph->scopes[parent].run, parent,
                          swarm__graph_ordinal(graph, slot));
        for (uint32_t step = NONE32; swarm__graph_plan_step(plan, &step);) {
            graph->scope[step] = scope;
        }
        plan->scope = scope;
        CHECK_EQ(swarm__graph_plan_check(plan), SWARM_OK);
        turn_apply(turn, plan);
        deferred = plan->deferred;
        turn_plan_done(turn, record->plan);
    }
    if (!deferred) {
        turn_end_later(turn, slot,
                       record->outcome == SWARM_OUTCOME_OK          ? SWARM_STEP_OK
                       : record->outcome == SWARM_OUTCOME_CANCELLED ? SWARM_STEP_CANCELLED
                                                                    : SWARM_STEP_FAILED,
                       record->value);
    }
}

static inline void turn_posted(struct turn *turn, uint32_t slot, uint32_t what) {
    if (what == GRAPH_POSTED_UNUSED) {
        turn->unused++;
        swarm__graph_recycle(&turn->graph, slot);
    } else if (what == GRAPH_POSTED_ENDED) {
        turn_left(turn, slot);
    } else {
        turn_ready(turn, slot, what == GRAPH_POSTED_SPOILT);
    }
}

/* One round; false when nothing had happened. */
static inline bool turn_round(struct turn *turn) {
    struct graph *graph = &turn->graph;
    bool changed = false;
    uint32_t slot, what, scope;

    while ((slot = swarm__graph_take_posted(graph, &what)) != NONE32) {
        turn_posted(turn, slot, what);
        changed = true;
    }
    while (turn->ends_count != 0) {
        turn_end_one(turn, turn->ends[--turn->ends_count]);
        changed = true;
    }
    while ((scope = swarm__graph_take_quiet(graph)) != NONE32) {
        turn->quiet[scope]++;
        if (scope >= turn->sizes.runs) {
            turn->scopes_free[turn->scopes_count++] = scope;
        }
        changed = true;
    }
    turn_release(turn);
    return changed;
}

/* Works as all workers in turn, and as the turn, until nothing moves. */
static inline void turn_drive(struct turn *turn) {
    bool changed = true;

    while (changed) {
        changed = turn_round(turn);
        for (uint32_t i = 0; i < turn->sizes.workers; i++) {
            changed = swarm__graph_work(&turn->graph, i, UINT32_MAX) != 0 || changed;
        }
    }
    CHECK(swarm__graph_quiet(&turn->graph));
    CHECK(!swarm__graph_has_posted(&turn->graph));
    CHECK(swarm__graph_invariant(&turn->graph));
}

/* The oldest delay has passed. */
static inline void turn_delay_passed(struct turn *turn) {
    uint32_t slot = turn->delays[0];
    bool poisoned;

    CHECK(turn->delays_count != 0);
    memmove(turn->delays, turn->delays + 1, --turn->delays_count * sizeof turn->delays[0]);
    if (swarm__graph_count_down(&turn->graph, slot, false, &poisoned)) {
        turn_ready(turn, slot, poisoned);
    }
}

/* ---- plans */

static inline void turn_plan(struct turn *turn, struct graph_plan *plan, uint32_t run,
                             bool is_static) {
    swarm__graph_plan_open(&turn->graph, plan, run, is_static);
}

static inline swarm_step turn_add(struct graph_plan *plan, uint32_t function, uint32_t flags,
                                  uint64_t argument) {
    uint32_t slot = swarm__graph_plan_add(plan, function, flags, argument);
    swarm_step none = {0};

    return slot != NONE32 ? swarm__graph_handle(plan->graph, slot) : none;
}

static inline swarm_status turn_commit(struct turn *turn, struct graph_plan *plan) {
    swarm_status status = swarm__graph_plan_check(plan);

    if (status != SWARM_OK) {
        swarm__graph_plan_undo(plan);
        return status;
    }
    turn_apply(turn, plan);
    return SWARM_OK;
}

/* What swarm_call_plan does. */
static inline struct graph_plan *turn_call_plan(const swarm_call *call) {
    struct call_frame *frame = (struct call_frame *)(void *)(uintptr_t)call;
    struct turn *turn = turn_of(call);
    uint32_t index;

    if (frame->plan == NULL && !frame->is_range) {
        index = pool_pop(&turn->plans_free);
        if (index != NONE32) {
            frame->plan = &turn->plans[index];
            swarm__graph_plan_open(&turn->graph, &frame->plan->graph,
                                   turn->graph.scope[frame->slot], false);
            frame->plan->graph.caller = frame->slot;
        }
    }
    frame->broken = frame->plan == NULL;
    return frame->broken ? NULL : &frame->plan->graph;
}

static inline uint32_t turn_slot(swarm_step step) {
    return (uint32_t)step.id;
}

static inline uint32_t turn_state(struct turn *turn, swarm_step step) {
    return kind_state(ATOMIC_LOAD(&turn->graph.kind[turn_slot(step)], relaxed));
}

/* ---- functions of call steps */

enum {
    F_ECHO,  /* value = argument */
    F_LOG,   /* notes its argument */
    F_FAIL,  /* fails when the argument says so */
    F_GROW,  /* adds what the test says */
    F_CHAIN, /* continues itself, argument times */
    F_BREAK, /* asks for a plan inside a range */
    F_FOREVER,
    F_CANCEL, /* cancels its scope at index 5 */
};

#define LOG_MAX 65536
static uint64_t log_of[LOG_MAX];
static uint32_t log_count;

static inline swarm_outcome call_echo(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    CHECK_EQ(*out_value, 0);
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

static inline swarm_outcome call_log(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    log_of[log_count++ % LOG_MAX] = call->argument;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

static inline swarm_outcome call_fail(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    log_of[log_count++ % LOG_MAX] = call->argument;
    return (swarm_outcome)call->argument;
}

static void (*grow)(struct graph_plan *plan, const swarm_call *call);
static swarm_outcome grow_outcome;

static inline swarm_outcome call_grow(void *context, const swarm_call *call, uint64_t *out_value) {
    struct graph_plan *plan = turn_call_plan(call);

    (void)context;
    *out_value = call->argument;
    if (plan != NULL) {
        grow(plan, call);
    }
    return grow_outcome;
}

static inline swarm_outcome call_chain(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    log_of[log_count++ % LOG_MAX] = call->argument;
    *out_value = 1000 + call->argument;
    if (call->argument != 0) {
        struct graph_plan *plan = turn_call_plan(call);
        uint32_t slot = swarm__graph_plan_add(plan, F_CHAIN, 0, call->argument - 1);

        swarm__graph_plan_continue(plan, swarm__graph_handle(plan->graph, slot));
    }
    return SWARM_OUTCOME_OK;
}

static inline swarm_outcome call_break(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    return turn_call_plan(call) == NULL ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL;
}

static inline swarm_outcome call_forever(void *context, const swarm_call *call,
                                         uint64_t *out_value) {
    (void)context;
    *out_value = 0;
    log_count++;
    if (call->argument != 0) {
        (void)swarm__graph_plan_add(turn_call_plan(call), F_FOREVER, 0, call->argument - 1);
    }
    return SWARM_OUTCOME_OK;
}

static inline swarm_outcome call_cancel(void *context, const swarm_call *call,
                                        uint64_t *out_value) {
    (void)context;
    *out_value = 1;
    log_count++;
    if (call->argument == 5) {
        ATOMIC_STORE(&turn_of(call)->graph.scopes[0].cancelled, 1, relaxed);
    }
    return SWARM_OUTCOME_OK;
}

static inline struct turn *make(uint32_t steps, uint32_t edges) {
    struct graph_sizes sizes = turn_sizes(steps, edges);
    struct turn *turn = turn_new(&sizes, NULL);
    static swarm_call_function *const functions[] = {call_echo,    call_log,   call_fail,
                                                     call_grow,    call_chain, call_break,
                                                     call_forever, call_cancel};

    for (uint32_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        swarm__graph_function_set(&turn->graph, i, functions[i], NULL);
    }
    log_count = 0;
    grow_outcome = SWARM_OUTCOME_OK;
    return turn;
}

/* ---- what most tests look at in the end */

static inline void check_log(uint32_t count) {
    CHECK_EQ(log_count, count);
}

/* Every number below count is in the log once. */
static inline void check_log_is_all(uint32_t count) {
    static bool seen[LOG_MAX];

    memset(seen, 0, sizeof seen);
    CHECK_EQ(log_count, count);
    for (uint32_t i = 0; i < log_count && i < LOG_MAX; i++) {
        CHECK(log_of[i] < count && !seen[log_of[i]]);
        seen[log_of[i] % LOG_MAX] = true;
    }
}

/* Lets go of a step that the owner kept, and sees its handle become stale. */
static inline void forget(struct turn *turn, swarm_step step) {
    CHECK(swarm__graph_find(&turn->graph, step) == turn_slot(step));
    turn_unref(turn, turn_slot(step));
    CHECK(swarm__graph_find(&turn->graph, step) == NONE32);
}

/* Nothing is left: slots, cells, ranges. */
static inline void check_empty(struct turn *turn) {
    uint32_t ranges = 0, plans = 0;

    CHECK_EQ(swarm__graph_live(&turn->graph), 0);
    CHECK(pool_invariant(&turn->graph.ranges_free, &ranges));
    CHECK_EQ(ranges, turn->sizes.ranges);
    CHECK(pool_invariant(&turn->plans_free, &plans));
    CHECK_EQ(plans, TURN_PLANS);
}

/* How many slots and cells growing plans can get: takes and gives back all. */
static inline void check_room(struct turn *turn, uint32_t steps, uint32_t edges) {
    struct graph_plan plan;
    swarm_step first = {0}, step;
    uint32_t count = 0;

    turn_plan(turn, &plan, 0, false);
    while ((step = turn_add(&plan, F_ECHO, 0, 0)).id != 0) {
        first = count++ == 0 ? step : first;
    }
    CHECK_EQ(count, steps);
    swarm__graph_plan_undo(&plan);
    turn_plan(turn, &plan, 0, false);
    first = turn_add(&plan, F_ECHO, 0, 0);
    step = turn_add(&plan, F_ECHO, 0, 0);
    for (count = 0; plan.error.status == SWARM_OK; count++) {
        swarm__graph_plan_edge(&plan, first, step, false);
    }
    CHECK_EQ(count - 1, edges);
    swarm__graph_plan_undo(&plan);
}

#endif
