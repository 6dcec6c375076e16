/* SPDX-License-Identifier: MIT */
/*
 * graph.h - steps, edges, readiness. Floor 1: knows AND-joins of plain edges and nothing else.
 *
 * A step is a slot in parallel arrays, hot ones apart from cold ones:
 *   pending    4  what is still missing: predecessors, plus one guard while a growing step is being
 *                 built; two bits are marks: GRAPH_POISON, GRAPH_TURN. While a step is
 *                 queued, posted or free the same word links it: nobody counts it then
 *   in_degree  4  static: restores `pending` when the run starts again; growing: links the steps
 *                 of a plan until they start
 *   link       8  generation << 32 | first successor: an edge cell, NONE32 or GRAPH_CLOSED
 *   argument   8  of the function; a tracked step: index of its record in dispatch; a range step:
 *                 index of its range
 *   output     8  the value; while a plan is filled: head of the incoming edges, and scratch
 *   kind       4  function | state << 16 | flags << 20
 *   scope      4  its scope: who added it, which run
 *   growing runs only: lineage 8 (ordinal, or GRAPH_MIXED and a mix), caller 4 (whose continuation
 *   it is), refs 4 (who still needs the slot)
 * An edge is 8 bytes, {to, next}. Static runs keep a step's successors as one run of cells in
 * ascending order, the last one marked; growing runs link cells in a list that one
 * exchange closes when the step ends. space.h tells how both share slots and cells.
 *
 * A TRACKED step has a record in dispatch: it ends in the turn, never on a worker. A PLAIN step is
 * a call step without one: a worker ends it, unless it fails or its plan holds tracked steps.
 *
 * Files: plan.c fills plans, check.c orders them, link.c makes them live, step.c ends steps,
 * worker.c runs them, range.c runs range steps; step.h has what they share. Externals begin with
 * swarm__; prose leaves that out. Threads: graph_plan_* by whoever fills the plan; graph_work by
 * one thread an index; everything marked [turn] by the holder of the turn only. Sources: Chase and
 * Lev 2005 and Le et al. 2013 (deque.h); the successor list closed by exchange is the "closed list"
 * of futures; counters with a guard as in Blumofe et al. 1995, join counters.
 */
#ifndef SWARM_GRAPH_GRAPH_H
#define SWARM_GRAPH_GRAPH_H

#include "../../swarm.h"
#include "../base/arena.h"
#include "../base/atomic.h"
#include "../base/mailbox.h"
#include "../base/pool.h"
#include "../base/stack.h"
#include "deque.h"
#include "park.h"
#include "space.h"

#define GRAPH_POISON 0x80000000u        /* in pending: a predecessor did not end OK */
#define GRAPH_TURN 0x40000000u          /* in pending: an agent step, the turn's when it is ready */
#define GRAPH_COUNT 0x3fffffffu         /* in pending: how many are missing */
#define GRAPH_CLOSED 0xfffffffeu        /* in link: the step has ended */
#define GRAPH_DELAYED 0x80000000u       /* in an edge: dispatch counts it, by its own rules */
#define GRAPH_OLDER 0x40000000u         /* in a staged edge: `from` is a step of an earlier plan */
#define GRAPH_LAST 0x40000000u          /* in a static edge: the last one of its row */
#define GRAPH_LONG 0x80000000u          /* in a static link: `next` of the first has the length */
#define GRAPH_SLOT 0x3fffffffu          /* in an edge: the slot */
#define GRAPH_MIXED (UINT64_C(1) << 63) /* in lineage: not an ordinal */

/* Flags in kind, above function and state. The caller of graph_plan_add gives the first two, and
 * GRAPH_KEEP, which is not stored. */
enum {
    GRAPH_TRACKED = 1,     /* has a record in dispatch */
    GRAPH_AGENT = 2,       /* an agent step (tracked as well): a worker never runs it */
    GRAPH_RANGE = 4,       /* a range step */
    GRAPH_STATIC = 8,      /* of a static run */
    GRAPH_CROSSED = 16,    /* a call step whose `leave` has been called: the turn ends it */
    GRAPH_SPOILT = 32,     /* became ready with a predecessor that did not end OK */
    GRAPH_STAGED = 64,     /* growing: its plan is not linked yet */
    GRAPH_CONTINUES = 128, /* growing: it is the continuation of the step in caller[] */
    GRAPH_DELAYS = 256,    /* static: has edges with a delay going out, so the turn ends it */
    GRAPH_STOPPED = 512,   /* cancelled by itself: a worker that has not begun it does not */
    GRAPH_KEEP = 1024      /* as graph_keep right after the add, without its locked write */
};

/* Who added a group of steps: the owner (one root scope a run, index = run), or a step whose plan
 * went through dispatch. Plans that a worker links at once inherit the caller's scope. */
struct scope {
    atomic_u64 open;      /* steps and child scopes that have not ended */
    atomic_u64 ok;        /* plain steps that ended OK */
    atomic_u64 skipped;   /* plain steps that a worker skipped */
    atomic_u64 stopped;   /* plain steps that a worker found cancelled */
    atomic_u64 added;     /* steps that workers linked at once */
    atomic_u32 cancelled; /* nothing of it may start */
    atomic_u32 queued;    /* on the quiet stack */
    uint32_t run, parent; /* index of the run; scope, or NONE32 */
    uint32_t depth;       /* 0 for a root */
    uint32_t creator;     /* slot of the step that added it, while it lives; the turn's */
    uint64_t ordinal;     /* of that step; SWARM_NEVER for a root */
    uint64_t task;        /* the turn's: by which it came about: see core/spawn.c */
    uint32_t next;        /* the turn's: free list */
    uint32_t capability;  /* of those who have none of their own, or NONE32 */
};

/* What a plan holds at this floor. Embedded as first member of struct swarm_plan. */
struct graph_plan {
    struct graph *graph;
    struct swarm_error error;              /* the first one; status SWARM_OK while there is none */
    struct claim steps, cells;             /* static: the gaps that it fills */
    struct stock steps_stock, cells_stock; /* growing: taken and not used yet */
    uint32_t scope;                        /* of its steps */
    uint32_t first, last;  /* slots: static contiguous, growing linked; NONE32 when empty */
    uint32_t count;        /* steps */
    uint32_t edges;        /* edges staged, repeated ones included */
    uint32_t repeated;     /* after the check: repeated edges dropped */
    uint32_t operations;   /* adds and edges so far: index of errors */
    uint32_t caller;       /* slot of the call step that it belongs to, or NONE32 */
    uint32_t continuation; /* slot, or NONE32 */
    uint32_t tracked;      /* number of tracked steps */
    uint32_t older;        /* edges from steps of earlier plans */
    uint32_t guarded_first, guarded_last; /* growing, linked: steps with a guard */
    bool is_static, is_walked;            /* the latter: incoming edges are asked for in any case */
    bool descends; /* some edge goes against the order of adding: cycles must be looked for */
    bool deferred; /* after the link: the caller ends when the continuation does, not before */
};

/* Where a function stands in the list of its inputs: core's. */
struct input_cursor {
    uint32_t cell;
    uint32_t index;
};

/* What the worker gives a function: the public part first. */
struct call_frame {
    swarm_call call;
    struct graph *graph;
    struct swarm_plan *plan;  /* opened by swarm_call_plan, or null */
    swarm_result result;      /* tracked steps: swarm_call_output */
    struct swarm_error error; /* why its plan was refused: the step ends GARBAGE; else OK */
    struct input_cursor input;
    uint32_t slot;
    bool has_result;
    bool is_range;       /* one call of a range: takes no plan, swarm_call_plan sets `broken` */
    swarm_status broken; /* why it could not get the plan that it wanted: ends GARBAGE; else OK */
};

/* Upcalls, on the worker's thread. Only `context` must be set; enter, leave and plan_done are
 * needed by those who use tracked steps, failing steps and call plans. */
struct graph_hooks {
    void *context; /* the struct swarm: becomes call.sw */
    /* A tracked call step begins: fill call.argument and call.inputs. */
    void (*enter)(void *context, struct call_frame *frame);
    /* A tracked step ended, or a plain one failed, brought a plan with tracked steps, or has edges
     * with a delay: keep what the frame says; the graph posts the slot to the mailbox afterwards. A
     * plan in the frame is neither checked nor linked yet; of a step that failed there is none. */
    void (*leave)(void *context, struct call_frame *frame, swarm_outcome outcome, uint64_t value);
    /* The plan of a plain call step is done with: linked, or undone because the step failed or the
     * plan was refused. Give its record back. */
    void (*plan_done)(void *context, struct swarm_plan *plan);
    /* From graph_plan_link [turn]: a delayed edge whose `from` had ended before. It is still
     * counted: graph_count_down when its time has come. Null: counts as satisfied. */
    void (*late)(void *context, uint32_t from, uint32_t to);
    /* Something was posted, a scope became empty or work was released: wake who sleeps outside. */
    void (*signal)(void *context);
    /* Looked at before a worker sleeps in graph_park: true when it should come back. May be null.
     */
    bool (*wanted)(void *context);
};

struct graph_sizes {
    uint32_t workers, runs, steps, edges, functions, scopes, ranges, deque_size, spin;
    bool growing;
};

struct graph_function {
    swarm_call_function *function;
    void *context;
};

struct worker;      /* worker.c */
struct graph_range; /* range.c */

struct graph {
    atomic_u32 *pending;
    uint32_t *in_degree;
    atomic_u64 *link;
    uint64_t *argument;
    uint64_t *output;
    atomic_u32 *kind;
    uint32_t *scope;
    uint64_t *lineage;
    atomic_u32 *caller;
    atomic_u32 *refs;
    uint32_t *edge_to;
    atomic_u32 *edge_next;
    struct scope *scopes; /* runs first, then pooled ones */
    struct graph_function *functions;
    struct worker *workers;
    struct graph_range *ranges;
    struct graph_sizes sizes;
    struct graph_hooks hooks;
    struct park_host park_host;
    uint32_t *roots_end;       /* of each run: behind the last static step without predecessors */
    struct space steps, edges; /* slots and cells; a run's static part: steps.spans[run] */
    struct pool ranges_free;
    atomic_u32 *range_links;
    atomic_u32 *quiet_links;
    atomic_u32 touched;   /* slots below it have been in a static run: their generation counts */
    uint32_t quiet_taken; /* rest of the chain that graph_take_quiet took: the turn's */
    bool parks;           /* the host has wait and wake */
    struct stock turn_slots, turn_cells; /* the turn's: given back by it, used by its plans */
    atomic_u64 live;      /* committed steps whose slots are in use: what workers count, */
    atomic_u64 live_turn; /* and what the turn counts; either may be below 0, not the sum */
    unsigned char apart[ATOMIC_LINE];
    atomic_u64 active; /* high half: entries of workers so far; low half: workers inside */
    unsigned char apart_active[ATOMIC_LINE - sizeof(atomic_u64)];
    struct stack overflow; /* ready call steps, linked by pending */
    unsigned char apart_overflow[ATOMIC_LINE];
    struct stack quiet;   /* scopes that became empty, linked by quiet_links */
    struct mailbox posts; /* steps for the turn, linked by pending */
    struct park park;
};

/* ---- layout and life. graph_layout measures (arena base null) or carves; graph_start then makes
 * everything empty, in O(1) of steps and edges. deque_size is a power of two. host may be null. */
void swarm__graph_layout(struct graph *graph, struct arena *arena, const struct graph_sizes *sizes);
void swarm__graph_start(struct graph *graph, const struct graph_hooks *hooks,
                        const swarm_host *host);
void swarm__graph_function_set(struct graph *graph, uint32_t index, swarm_call_function *function,
                               void *context); /* [turn] */

/* ---- handles. graph_find gives the slot, or NONE32 for a stale or foreign handle. */
swarm_step swarm__graph_handle(const struct graph *graph, uint32_t slot);
uint32_t swarm__graph_find(const struct graph *graph, swarm_step step);
uint64_t swarm__graph_ordinal(const struct graph *graph, uint32_t slot); /* or SWARM_NEVER */

/* The same, and keeps the step from being recycled until graph_unpin: for any thread that has the
 * handle of a step which may be let go meanwhile. Static steps are found, not held. */
uint32_t swarm__graph_pin(struct graph *graph, swarm_step step);
void swarm__graph_unpin(struct graph *graph, uint32_t slot);

/* ---- scopes [turn]. A child scope counts as one open thing of its parent until graph_take_quiet
 * gives it. To cancel: store 1 to `cancelled`. */
void swarm__scope_open(struct graph *graph, uint32_t scope, uint32_t run, uint32_t parent,
                       uint64_t ordinal);
bool swarm__scope_is_cancelled(const struct graph *graph,
                               uint32_t scope); /* itself or an ancestor; any thread */

/* ---- plans, by whoever fills them. Each add gives a slot or NONE32 and keeps the first error.
 * After graph_plan_open core sets plan->caller when the plan belongs to a call step. A plan that
 * failed takes no more. graph_plan_fail comes before the add that it concerns, or after it with the
 * index of the next one. One static plan may be open at a time; an owner's plan has no caller, and
 * only one of those may be open. */
void swarm__graph_plan_open(struct graph *graph, struct graph_plan *plan, uint32_t scope,
                            bool is_static);
uint32_t swarm__graph_plan_add(struct graph_plan *plan, uint32_t function, uint32_t flags,
                               uint64_t argument);
uint32_t swarm__graph_plan_range(struct graph_plan *plan, uint32_t function, uint64_t first,
                                 uint64_t count);
void swarm__graph_plan_edge(struct graph_plan *plan, swarm_step from, swarm_step to, bool delayed);
void swarm__graph_plan_continue(struct graph_plan *plan, swarm_step step);
void swarm__graph_plan_fail(struct graph_plan *plan, swarm_status status, const char *text);
/* Checks and orders everything; touches nothing shared: SWARM_OK, or the plan's error. Afterwards
 * the incoming edges of a step can be walked (for inputs, delays and the log), ascending: older
 * steps by lineage, then the plan's own. Edges repeated between two steps are one, delayed if one
 * of them is. In a static plan without tracked steps it finds nothing, unless is_walked was set.
 * Once a plan; then graph_plan_link, or graph_plan_undo (also without a check). */
swarm_status swarm__graph_plan_check(struct graph_plan *plan);
/* Whether a live slot is a step of this plan. */
bool swarm__graph_plan_owns(const struct graph_plan *plan, uint32_t slot);
/* Where one of its own steps stands in the plan, from 0. */
uint64_t swarm__graph_plan_index(const struct graph_plan *plan, uint32_t slot);
/* Walks: steps of a checked plan in order of adding; incoming edges of a step. Start with
 * *cursor = NONE32; false at the end. The plan's steps can be walked until graph_plan_start. */
bool swarm__graph_plan_step(const struct graph_plan *plan, uint32_t *cursor);
bool swarm__graph_plan_incoming(const struct graph_plan *plan, uint32_t step, uint32_t *cursor,
                                uint32_t *out_from, bool *out_delayed);
/* Links a checked plan; cannot fail. `ordinal` is that of its first step (lineage of a mixed plan:
 * the caller's lineage is mixed in, ordinal = SWARM_NEVER; static: 0). Adds its steps to their
 * scope's open count, but leaves the guards. Sets plan->deferred. */
void swarm__graph_plan_link(struct graph_plan *plan, uint64_t ordinal);
/* Drops the guards, in order of adding: *cursor begins as NONE32. True with *out_slot when a step
 * became ready, poisoned or not (the turn decides what to do with it); false at the end. If the
 * plan is `deferred`, its continuation may end the caller on any worker from here on: whoever
 * applies the plan touches the caller before, or not at all. */
bool swarm__graph_plan_start(struct graph_plan *plan, uint32_t *cursor, uint32_t *out_slot,
                             bool *out_poisoned);
void swarm__graph_plan_undo(struct graph_plan *plan); /* gives everything back */

/* ---- the turn's side [turn]. */
struct graph_walk {
    struct graph *graph;
    uint32_t cell; /* the next one, or NONE32 */
    uint32_t slot;
    bool poison, is_static;
};
enum { WALK_READY = 1, WALK_POISONED = 2, WALK_DELAYED = 3 };
/* Ends a step: closes its successor list and walks it, ascending by ordinal. A state that is not
 * terminal yet becomes OK or, with poison, FAILED: set it before (kind_state_set), and output[]
 * too. next gives only those successors that need something: ready, ready but poisoned, or delayed
 * (not counted down, with poison neither: that is graph_count_down's, now or later); 0 at the end.
 * Afterwards the caller calls graph_ended, and then graph_unref: a step is born with one reference,
 * its life, and whoever ends it drops that. A step that continues another one (graph_caller, asked
 * before the unref) ends that one next, the same way and with the same result.
 */
void swarm__graph_finish(struct graph *graph, uint32_t slot, bool poison,
                         struct graph_walk *out_walk);
uint32_t swarm__graph_finish_next(struct graph_walk *walk, uint32_t *out_to);
/* Adds an edge with GRAPH_DELAYED between steps that are linked; `to` does not count it. False: the
 * first has ended, the cell is the caller's. */
bool swarm__graph_link_late(struct graph *graph, uint32_t from, uint32_t to, uint32_t cell);
/* The successors of a step that has not ended, in no order, without touching any: *cursor begins
 * as NONE32; an edge with GRAPH_DELAYED, or NONE32 at the end. Of a step that has ended: none. */
uint32_t swarm__graph_successor(const struct graph *graph, uint32_t slot, uint32_t *cursor);
/* The step whose continuation this is, or NONE32. */
uint32_t swarm__graph_caller(const struct graph *graph, uint32_t slot);
/* Counts the step out of its scope; a scope that is empty then comes out of graph_take_quiet. Must
 * come after its plan's steps were counted in. */
void swarm__graph_ended(struct graph *graph, uint32_t slot);
/* One predecessor less: true when the step became ready; *out_poisoned says how. */
bool swarm__graph_count_down(struct graph *graph, uint32_t slot, bool poison, bool *out_poisoned);
/* References of growing steps; static steps ignore both. unref: true when nobody needs the slot any
 * more: graph_recycle it then (after dispatch let go of a tracked step's record). */
void swarm__graph_ref(struct graph *graph, uint32_t slot);
bool swarm__graph_unref(struct graph *graph, uint32_t slot);
void swarm__graph_recycle(struct graph *graph, uint32_t slot);
/* Hands ready call steps to workers: a chain joined by graph_chain, from first to last. Spoilt ones
 * may be among them: a worker skips a plain one, and posts a tracked one. */
void swarm__graph_release(struct graph *graph, uint32_t first, uint32_t last);
/* Takes one slot that workers posted, or NONE32, and says what happened. */
enum {
    GRAPH_POSTED_READY = 1, /* an agent step is ready; or a call step whose scope is cancelled (then
                                tracked or a continuation): not run, the turn ends it CANCELLED */
    GRAPH_POSTED_SPOILT = 2, /* the same, but a predecessor did not end OK: the turn ends it */
    GRAPH_POSTED_ENDED = 3,  /* a call step: `leave` was called for it, the turn ends it */
    GRAPH_POSTED_UNUSED =
        4 /* a tracked step that had ended: nobody refers to it any more, let go of
                                the record and graph_recycle it */
};
uint32_t swarm__graph_take_posted(struct graph *graph, uint32_t *out_what);
/* Takes a scope whose open count has become 0, or NONE32. A child scope is counted out of its
 * parent here (which may come next), is given once, and may then be used again. A root may be given
 * several times, when it got steps again in between. */
uint32_t swarm__graph_take_quiet(struct graph *graph);
/* True when no call step is ready or running (see worker.c for the argument). */
bool swarm__graph_quiet(struct graph *graph);
/* Static runs. reset makes every step pending again and counts all into the root scope; start gives
 * the roots like graph_plan_start; free makes every handle stale. */
void swarm__graph_region_reset(struct graph *graph, uint32_t run);
bool swarm__graph_region_start(struct graph *graph, uint32_t run, uint32_t *cursor,
                               uint32_t *out_slot);
void swarm__graph_region_free(struct graph *graph, uint32_t run);

/* ---- workers. graph_work runs at most max steps; 0 when it found none. */
uint32_t swarm__graph_work(struct graph *graph, uint32_t worker, uint32_t max);
/* Sleeps until there may be work, or hooks.wanted; at most timeout_ns. Without the host's wait it
 * only looks `spin` times. Not by the holder of a worker index only: any thread may. */
void swarm__graph_park(struct graph *graph, uint64_t timeout_ns);
void swarm__graph_wake_all(struct graph *graph); /* any thread */
/* Any thread: something was posted, or a scope is quiet, and the turn has not taken it. */
bool swarm__graph_has_posted(const struct graph *graph);
uint64_t swarm__graph_live(const struct graph *graph); /* slots in use, any thread */
/* Everything is sound; for states in which nobody works. O(steps + edges). */
bool swarm__graph_invariant(const struct graph *graph);

/* ---- small reads and writes */
static inline uint32_t kind_function(uint32_t kind) {
    return kind & 0xffffu;
}
static inline uint32_t kind_state(uint32_t kind) {
    return (kind >> 16) & 15u;
}
static inline uint32_t kind_flags(uint32_t kind) {
    return kind >> 20;
}
static inline uint32_t kind_with_state(uint32_t kind, uint32_t state) {
    return (kind & ~(15u << 16)) | state << 16;
}

/* By whoever may touch the step alone: its runner, or the turn. */
static inline void kind_state_set(struct graph *graph, uint32_t slot, uint32_t state) {
    uint32_t kind = ATOMIC_LOAD(&graph->kind[slot], relaxed);

    SWARM_ASSERT(state <= SWARM_STEP_BUDGET);
    ATOMIC_STORE(&graph->kind[slot], kind_with_state(kind, state), relaxed);
}

/* Kept: one more reference, the caller's, that can be told from the others. Before the plan is
 * linked; growing runs only, static steps ignore it. */
#define GRAPH_KEPT 0x80000000u

static inline void graph_keep(struct graph *graph, uint32_t slot) {
    if ((kind_flags(ATOMIC_LOAD(&graph->kind[slot], relaxed)) & GRAPH_STATIC) == 0) {
        (void)ATOMIC_OR(&graph->refs[slot], GRAPH_KEPT, relaxed); /* nobody else knows it yet */
    }
}

/* Takes the caller's reference back. False when it is not kept; *out_last: nobody else refers to
 * it. */
static inline bool graph_let_go(struct graph *graph, uint32_t slot, bool *out_last) {
    /* Acquire: pairs with the release of whoever let go before, for the recycling. */
    uint32_t before = ATOMIC_AND(&graph->refs[slot], ~GRAPH_KEPT, acq_rel);

    *out_last = before == GRAPH_KEPT;
    return (before & GRAPH_KEPT) != 0;
}

/* Joins two steps of a chain for graph_release. */
static inline void graph_chain(struct graph *graph, uint32_t from, uint32_t to) {
    stack_link(&graph->overflow, from, to);
}

#endif
