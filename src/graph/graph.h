/* SPDX-License-Identifier: MIT */
/*
 * graph.h - steps, edges, readiness. Floor 1: knows AND-joins of plain edges and nothing else.
 *
 * A step is a slot in parallel arrays, hot ones apart from cold ones:
 *   pending    4  what is still missing: predecessors, plus one guard while it is being built;
 *                 GRAPH_POISON is set when a predecessor did not end OK. While a step is ready and
 *                 queued the same word links it (overflow stack, mailbox): nobody counts it then.
 *   in_degree  4  static: restores `pending` right after the step ran; growing: links the steps of
 *                 a plan while it is being filled
 *   link       8  generation << 32 | first successor: an edge cell, NONE32, or GRAPH_CLOSED
 *   argument   8  of the function; a tracked step: index of its record in dispatch; a range step:
 *                 index of its range
 *   output     8  the value; while a plan is filled, growing: head of the staged incoming edges
 *   kind       4  function | state << 16 | flags << 20
 *   scope      4  its scope: who added it, which run
 *   growing runs only: lineage 8 (ordinal, or bit 63 and a mix), caller 4 (whose continuation it
 *   is), refs 4 (who still needs the slot)
 * An edge is 8 bytes, {to, next}. Static runs keep a step's successors as one run of cells in
 * ascending order, its length in `next` of the first; growing runs link cells in a list that is
 * closed by one exchange when the step ends.
 *
 * A TRACKED step has a record in dispatch: it ends in the turn, never on a worker. A PLAIN step is
 * a call step without one: a worker ends it, unless it fails or its plan holds tracked steps.
 *
 * Externals begin with swarm__; prose leaves that out.
 * Threads: graph_plan_* by whoever fills the plan; graph_work by one thread an index; everything
 * marked [turn] by the holder of the turn only.
 * Sources: Chase and Lev 2005 and Le et al. 2013 (deque.h); the successor list closed by exchange
 * is the "closed list" of futures; counters with a guard as in Blumofe et al. 1995, join counters.
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

#define GRAPH_POISON 0x80000000u  /* in pending: a predecessor did not end OK */
#define GRAPH_CLOSED 0xfffffffeu  /* in link: the step has ended */
#define GRAPH_DELAYED 0x80000000u /* in an edge's `to`: dispatch arms a timer instead of counting  \
                                   */
#define GRAPH_MIXED (UINT64_C(1) << 63) /* in lineage: not an ordinal */

/* Flags in kind, above function and state. */
enum {
    GRAPH_TRACKED = 1, /* has a record in dispatch */
    GRAPH_AGENT = 2,   /* an agent step: a worker never runs it */
    GRAPH_RANGE = 4,   /* a range step */
    GRAPH_STATIC = 8,  /* of a static run */
    GRAPH_CROSSED = 16 /* handed to dispatch although it is plain: failed, or brought a plan */
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
    uint32_t run;         /* index of the run */
    uint32_t parent;      /* scope, or NONE32 */
    uint32_t depth;       /* 0 for a root */
    uint64_t ordinal;     /* of the step that added it; SWARM_NEVER for a root */
    uint32_t creator;     /* slot of that step, while it lives */
    uint32_t next;        /* free list, quiet list: [turn] */
};

/* Slots and edges of a static run: contiguous. */
struct region {
    uint32_t step_first, step_count;
    uint32_t edge_first, edge_count;
};

/* What a plan holds at this floor. Embedded as first member of struct swarm_plan. */
struct graph_plan {
    struct graph *graph;
    struct swarm_error error; /* the first one; status SWARM_OK while there is none */
    uint32_t scope;           /* of its steps */
    uint32_t first, last;     /* slots: static contiguous, growing linked; NONE32 when empty */
    uint32_t count;           /* steps */
    uint32_t edges;           /* edges staged, repeated ones included */
    uint32_t repeated;        /* after the commit: repeated edges dropped */
    uint32_t operations;      /* adds and edges so far: index of errors */
    uint32_t caller;          /* slot of the call step that it belongs to, or NONE32 */
    uint32_t continuation;    /* slot, or NONE32 */
    uint32_t tracked;         /* number of tracked steps */
    uint32_t older;           /* edges from steps of earlier plans */
    bool is_static;
    bool descends; /* some edge goes against the order of adding: cycles must be looked for */
};

/* What the worker gives a function: the public part first. */
struct call_frame {
    swarm_call call;
    struct graph *graph;
    struct swarm_plan *plan; /* opened by swarm_call_plan, or null */
    swarm_result result;     /* tracked steps: swarm_call_output */
    uint32_t slot;
    bool has_result;
    bool broken; /* wanted a plan and could not get one: ends GARBAGE */
};

/* Upcalls, on the worker's thread. */
struct graph_hooks {
    void *context;
    /* A tracked call step begins: fill call.argument and call.inputs. */
    void (*enter)(void *context, struct call_frame *frame);
    /* A tracked step ended, or a plain one failed, or brought a plan with tracked steps: keep what
     * the frame says; the graph posts the slot to the mailbox afterwards. */
    void (*leave)(void *context, struct call_frame *frame, swarm_outcome outcome, uint64_t value);
    /* A call step without tracked steps ended OK: give its plan record back (it has been linked, or
     * it was dropped because the step failed). */
    void (*plan_done)(void *context, struct swarm_plan *plan);
    /* Something was posted, or work was released: wake who sleeps outside. */
    void (*signal)(void *context);
};

struct graph_sizes {
    uint32_t workers, runs, steps, edges, functions, scopes, ranges, deque_size, spin;
    bool growing;
};

struct worker;      /* worker.c */
struct graph_range; /* worker.c: a live range step */

struct graph {
    atomic_u32 *pending;
    uint32_t *in_degree;
    atomic_u64 *link;
    uint64_t *argument;
    uint64_t *output;
    atomic_u32 *kind;
    uint32_t *scope;
    uint64_t *lineage;
    uint32_t *caller;
    atomic_u32 *refs;
    uint32_t *edge_to;
    uint32_t *edge_next;
    struct scope *scopes;   /* runs first, then pooled ones */
    struct region *regions; /* a run's, static */
    struct worker *workers;
    struct graph_sizes sizes;
    struct graph_hooks hooks;
    /* the implementer adds: pools, overflow stack, mailbox, event count, function table, ranges,
     * running-worker count, stop flag */
};

/* ---- layout and life. graph_layout measures (arena base null) or carves; graph_start then makes
 * everything empty. O(1) in steps and edges as far as possible (fresh counters). */
void swarm__graph_layout(struct graph *graph, struct arena *arena, const struct graph_sizes *sizes);
void swarm__graph_start(struct graph *graph, const struct graph_hooks *hooks,
                        const swarm_host *host);
void swarm__graph_function_set(struct graph *graph, uint32_t index, swarm_call_function *function,
                               void *context); /* [turn] */

/* ---- handles. graph_find gives the slot, or NONE32 for a stale or foreign handle. */
swarm_step swarm__graph_handle(const struct graph *graph, uint32_t slot);
uint32_t swarm__graph_find(const struct graph *graph, swarm_step step);
uint64_t swarm__graph_ordinal(const struct graph *graph, uint32_t slot); /* or SWARM_NEVER */

/* ---- scopes [turn]. */
void swarm__scope_open(struct graph *graph, uint32_t scope, uint32_t run, uint32_t parent,
                       uint64_t ordinal);
bool swarm__scope_is_cancelled(const struct graph *graph, uint32_t scope); /* itself or an ancestor;
                                                                        any thread */

/* ---- plans, by whoever fills them. Each add gives a slot or NONE32 and keeps the first error. */
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
 * the incoming edges of a step can be walked (for inputs, delays and the log), ascending. */
swarm_status swarm__graph_plan_check(struct graph_plan *plan);
/* Walks: steps of a checked plan in order of adding; incoming edges of a step. Start with
 * *cursor = NONE32; false at the end. */
bool swarm__graph_plan_step(const struct graph_plan *plan, uint32_t *cursor);
bool swarm__graph_plan_incoming(const struct graph_plan *plan, uint32_t step, uint32_t *cursor,
                                uint32_t *out_from, bool *out_delayed);
/* Links a checked plan; cannot fail. `ordinal` is that of its first step (lineage of a mixed plan:
 * the caller's lineage is mixed in, ordinal = SWARM_NEVER). Adds its steps to their scope's open
 * count, but leaves the guards. */
void swarm__graph_plan_link(struct graph_plan *plan, uint64_t ordinal);
/* Drops the guards, in order of adding: *cursor as in graph_plan_step. True with *out_slot when a
 * step became ready, poisoned or not (the turn decides what to do with it); false at the end. */
bool swarm__graph_plan_start(struct graph_plan *plan, uint32_t *cursor, uint32_t *out_slot,
                             bool *out_poisoned);
void swarm__graph_plan_undo(struct graph_plan *plan); /* gives everything back */

/* ---- the turn's side [turn]. */
struct graph_walk {
    struct graph *graph;
    uint32_t cell, left; /* static: next cell and how many; growing: next cell */
    uint32_t slot;
    bool poison, is_static;
};
enum { WALK_READY = 1, WALK_POISONED = 2, WALK_DELAYED = 3 };
/* Ends a step: closes its successor list and walks it, ascending by ordinal. next gives only those
 * successors that need something: ready, ready but poisoned, or delayed (not counted down: that is
 * graph_count_down's, later); 0 at the end. Afterwards the caller calls graph_ended. */
void swarm__graph_finish(struct graph *graph, uint32_t slot, bool poison,
                         struct graph_walk *out_walk);
uint32_t swarm__graph_finish_next(struct graph_walk *walk, uint32_t *out_to);
/* Counts the step out of its scope, and a scope that is empty out of its parent; returns a list of
 * scopes that became empty (linked by scope.next, NONE32 ends it). Must come after its plan's steps
 * were counted in. */
uint32_t swarm__graph_ended(struct graph *graph, uint32_t slot);
/* One predecessor less: true when the step became ready; *out_poisoned says how. */
bool swarm__graph_count_down(struct graph *graph, uint32_t slot, bool poison, bool *out_poisoned);
/* References of growing steps; static steps ignore both. unref: true when nobody needs the slot any
 * more: graph_recycle it then (after dispatch let go of a tracked step's record). */
void swarm__graph_ref(struct graph *graph, uint32_t slot);
bool swarm__graph_unref(struct graph *graph, uint32_t slot);
void swarm__graph_recycle(struct graph *graph, uint32_t slot);
/* Hands ready call steps to workers: a chain linked through `pending`, from first to last. */
void swarm__graph_release(struct graph *graph, uint32_t first, uint32_t last);
/* Takes one slot that workers posted, or NONE32; says by its state what happened: an agent step: it
 * is ready (poisoned: see pending's bit before it was posted, kept in flags by
 * graph_posted_poison); a call step: it ended, or nobody refers to it any more (GRAPH_CLOSED). */
uint32_t swarm__graph_take_posted(struct graph *graph, bool *out_poisoned);
/* Empty scopes that workers found: linked by next. */
uint32_t swarm__graph_take_quiet(struct graph *graph);
/* True when no call step is ready or running (see worker.c for the argument). */
bool swarm__graph_quiet(struct graph *graph);
/* Static runs: makes every step pending again and starts the roots like graph_plan_start. */
void swarm__graph_region_reset(struct graph *graph, uint32_t run);
bool swarm__graph_region_start(struct graph *graph, uint32_t run, uint32_t *cursor,
                               uint32_t *out_slot);
void swarm__graph_region_free(struct graph *graph, uint32_t run); /* every handle becomes stale */

/* ---- workers. */
uint32_t swarm__graph_work(struct graph *graph, uint32_t worker, uint32_t max);
/* Sleeps until there may be work, at most timeout_ns; needs the host's wait. */
void swarm__graph_park(struct graph *graph, uint32_t worker, uint64_t timeout_ns);
void swarm__graph_wake_all(struct graph *graph);
uint64_t swarm__graph_live(const struct graph *graph); /* slots in use, any thread */

/* ---- small reads */
static inline uint32_t kind_function(uint32_t kind) {
    return kind & 0xffffu;
}
static inline uint32_t kind_state(uint32_t kind) {
    return (kind >> 16) & 15u;
}
static inline uint32_t kind_flags(uint32_t kind) {
    return kind >> 20;
}

#endif
