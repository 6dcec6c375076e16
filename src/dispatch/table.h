/* SPDX-License-Identifier: MIT */
/*
 * table.h - the records of the dispatch lane, and the one struct that holds them.
 *
 * Dispatch is plain sequential code, run by whoever holds the turn. Its modules (agent, demand,
 * permit, order, attempt, run) know these records and not each other; src/core joins them.
 *
 * A TRACKED record is a step that dispatch keeps account of: every agent step, and call steps added
 * with options. A DEMAND is a distinct set of requirements within one run, and the queue of ready
 * steps that have it: steps with equal requirements start in order, so only the head of each queue
 * is ever looked at. A demand that cannot start its head waits on the list of what it lacks, and is
 * looked at again when some of that is given back: the cost of a start does not grow with the
 * number of steps that wait. An ATTEMPT is one try with a backend. When a step gives an attempt up
 * (cancel, timeout), the attempt lives on by itself, `tracked` none, until it is answered or its
 * grace is over: it keeps agent and permits, for the backend is still at it.
 *
 * Invariants: a tracked record is in the ready heap of its demand exactly while READY, or RUNNING
 * and wanting another attempt (guard.h); it has attempts in its list exactly while RUNNING, and an
 * attempt names its step exactly while it is in that list; a demand is in the heap of demands or on
 * one waiting list exactly while it has ready steps; an agent is in its profile's heap exactly
 * while it could take one more.
 *
 * Memory: arrays of configured size. Threads: the turn, except where a field says otherwise.
 */
#ifndef SWARM_DISPATCH_TABLE_H
#define SWARM_DISPATCH_TABLE_H

#include "../base/bucket.h"
#include "../base/hash.h"
#include "../base/heap.h"
#include "../base/pool.h"
#include "../base/quantile.h"
#include "../base/slots.h"
#include "../graph/graph.h"
#include "../graph/step.h"
#include "duration.h"
#include "prefix.h"
#include "shape.h"
#include "skillset.h"
#include "state.h"
#include "wait.h"

#define NEEDS_MAX 8
#define SKILLS_LIMIT (64 * SKILL_WORDS)

struct guard;    /* guard.h */
struct recovery; /* recover.h */
struct breaker;  /* breaker.h */

struct tracked {
    swarm_result result;
    swarm_retry retry;
    const void *payload;
    size_t payload_size;
    uint64_t ordinal;
    uint64_t argument;
    uint64_t key;
    uint64_t order_key, estimate_ns;
    uint64_t queue_timeout_ns;
    uint64_t run_timeout_ns;
    uint64_t level; /* b-level or hops, for the run's order */
    uint64_t ready_ns;
    uint64_t start_ns;
    uint64_t end_ns;
    uint32_t slot;
    uint32_t run;
    uint32_t demand;   /* NONE32: a call step */
    uint32_t attempt;  /* in flight, the newest of them, by `sibling`; or NONE32 */
    uint32_t access;   /* to state keys, or NONE32 */
    uint32_t agent;    /* of the last attempt, or NONE32 */
    uint32_t backend;  /* whose result it holds */
    uint32_t attempts; /* counted ones */
    uint32_t epoch;
    uint32_t state; /* SWARM_STEP_* */
    int32_t reason;
    uint32_t outcome;
    uint32_t priority;
    uint32_t flags;      /* SWARM_STEP_* of the spec */
    uint32_t capability; /* what it may do, or NONE32 */
    uint32_t scope_own;  /* scope of what it added, or NONE32 */
    uint32_t plan;       /* that a returned call brought, or NONE32 */
    int32_t plan_status; /* why that was refused, or OK; and at which operation */
    uint32_t plan_index;
    uint32_t inputs_first; /* list of input cells, ascending ordinals */
    uint32_t inputs_count;
    uint32_t readers;      /* attempts that are not settled: their backends may read the inputs */
    uint32_t delays_first; /* edges with a record that leave it, ascending */
    uint32_t run_next, run_previous; /* of the run, by ordinal */
    uint32_t shape;                  /* of a step that is more than its edges, or NONE32 */
    uint32_t key_next;               /* hash chain */
    uint32_t guard;                  /* options that watch over its attempts, or NONE32 */
    uint32_t list_next;              /* woken list, or list of results to release: never both */
    bool answered;                   /* its result is the answer to a question */
    bool lent;                       /* result bytes were lent by a backend */
    bool finished;                   /* its successors have been told */
    bool unwanted;                   /* recycle when the release has been taken */
    bool holes;                      /* some input is one */
};

/* What an attempt reported: pulse.h. The counters are any thread's, the rest the turn's. */
struct pulse {
    atomic_u64 beats, bytes, tokens, repeats;
    atomic_u32 posted; /* 1: in the mailbox, or about to be */
    uint32_t next;     /* list of arrivals of a round */
    uint64_t beats_seen, tokens_seen;
    uint64_t last_ns;       /* the last progress, or the start */
    uint64_t window_ns;     /* the token rate is measured from here on; 0: no token yet */
    uint64_t window_tokens; /* tokens at that time */
    uint32_t fired;         /* detectors that have fired, a bit each */
};

struct demand {
    struct skill_set skills;
    struct skill_set profiles; /* those that fit, as of dispatch.profiles_version */
    uint64_t digest;
    struct {
        uint64_t units;
        uint32_t permit;
    } needs[NEEDS_MAX];
    uint32_t needs_count;
    uint32_t charge; /* what it reserves of a budget, or NONE32: see charge.h */
    uint32_t profiles_version;
    uint32_t run;
    uint32_t agent, profile; /* this one only, its agents only, or NONE32 */
    uint32_t capability;     /* of its steps, or NONE32 */
    uint32_t references;     /* steps, and attempts that hold its permits */
    uint32_t ready;          /* root of the heap of tracked steps */
    uint32_t chain;          /* hash chain */
    uint32_t list;           /* waiting list it is on, or NONE32 */
    uint32_t next, previous;
    uint64_t logged;    /* the walk over a plan that it was last written for */
    uint32_t saves;     /* permit that it saves for, or NONE32 */
    uint32_t bypassed;  /* times that others took what it waits for */
    bool unknown_skill; /* requires a skill that could not be remembered */
    bool interned, own; /* own: one step's, whatever others require */
    bool leaves; /* its steps have something to fall back on: others don't keep them waiting */
};

struct profile {
    struct skill_set skills;
    uint64_t name;
    swarm_price price;
    uint64_t notebook_tokens_max;
    uint64_t conclusion_bytes_max;
    uint32_t backend;
    uint32_t inflight_max;
    uint32_t cost;
    uint32_t prefixes_max, slow_ppm;
    uint32_t free;          /* root of the heap of agents that can take more */
    uint32_t agents;        /* in service */
    uint32_t inflight;      /* attempts of its agents */
    uint32_t avoided;       /* agents in service that are not to be picked now */
    uint32_t hedge_samples; /* somebody waits until so many times are learned, */
    uint32_t hedge_ppm;     /* and this quantile is known; or SWARM_NONE */
    struct quantile times;  /* of OK attempts */
};

struct agent {
    swarm_notebook notebook;
    uint64_t attempts, busy_ns;
    uint32_t profile;
    uint32_t inflight;
    bool withdrawn;
    bool avoided; /* while one is picked: not this one */
    bool shut;    /* its breaker lets nothing through */
    bool withdrawn_logged;
};

struct permit {
    uint64_t name;
    uint64_t capacity;
    uint64_t used;
    struct bucket bucket; /* units 0: a semaphore */
    uint32_t measure;     /* SWARM_MEASURE_* */
    uint32_t bypass_max;  /* 0: never */
    uint32_t saver;       /* demand that nobody may overtake any more, or NONE32 */
    uint32_t backend;     /* whose attempts all need it, or NONE32 */
    uint32_t next;        /* of that backend */
};

/* See governor.h. */
struct governor {
    uint64_t window; /* in millionths of an attempt; 0: off */
    uint64_t confirm_ns, hold_ns, cut_ns, cut_at_ns;
    uint32_t first, most, probes_max, unconfirmed; /* the last: starts that may be refused yet */
    bool probing, cut;                             /* nothing was refused yet; cut_at_ns is set */
    bool untold;                                   /* it was set, and the log has not said so yet */
};

struct backend {
    swarm_backend table;
    uint64_t name;
    uint64_t held_until; /* 0: not held */
    struct governor governor;
    swarm_breaker_spec breaker; /* open_ns 0: off */
    uint32_t inflight;          /* attempts */
    uint32_t limits;            /* permits that all of them need, by next */
    bool shut;                  /* its breaker lets nothing through */
};

/* State in the low half of an attempt's word, under its generation. */
enum {
    ATTEMPT_FREE = 0,
    ATTEMPT_QUEUED = 1,  /* its START has not been taken */
    ATTEMPT_OPEN = 2,    /* may be answered, by any thread */
    ATTEMPT_CLAIMED = 3, /* somebody is writing the answer */
    ATTEMPT_ANSWERED = 4
};

struct attempt {
    atomic_u64 word;         /* generation, state: the one place where threads meet */
    swarm_completion answer; /* written between CLAIMED and ANSWERED */
    uint64_t ordinal;
    uint64_t start_ns;
    uint64_t frame; /* the START may be handed out when this one is acknowledged */
    uint64_t run_key, step_key, run_seed;
    uint32_t tracked; /* NONE32 once given up */
    uint32_t reads;   /* the same, until it is settled: the step stays, and so do its inputs */
    uint32_t run;
    uint32_t agent;
    uint32_t backend;
    uint32_t demand; /* whose permits it holds */
    uint32_t number;
    uint32_t epoch;
    uint32_t arrived_next; /* list of arrivals of a round */
    uint32_t request_next; /* queue of requests */
    uint32_t wants;        /* ATTEMPT_WANTS_* */
    uint32_t sibling;      /* next attempt of the step, or of the list of those to be given up */
    int32_t reason;        /* why it is to be given up */
    uint32_t effects;      /* of the answer: list of cells */
    bool may_put;          /* its step has an access */
    bool queued;           /* in the queue of requests */
    bool settled;          /* holds nothing any more; goes when it leaves the queue of requests */
    bool kept;             /* a ballot: settled, and still here */
};

enum { ATTEMPT_WANTS_START = 1, ATTEMPT_WANTS_CANCEL = 2, ATTEMPT_WANTS_RELEASE = 4 };

struct run {
    swarm_run_report report;
    uint64_t key, seed;
    uint64_t steps_max, attempts_max;
    uint64_t ordinal_next;
    uint32_t level_max;       /* of its steps: see late.c */
    uint64_t number;          /* in the log, from 1 */
    swarm_charge_spec charge; /* of steps that have none; a null budget: none */
    struct bucket spawn;      /* steps that call steps add; units 0: as fast as they like */
    uint64_t deadline_ns;
    uint32_t tenant;
    uint32_t demands; /* heap, where the least served run goes first */
    uint32_t depth_max;
    uint32_t inflight_max;
    uint32_t inflight; /* attempts, given-up ones not counted */
    uint32_t late;     /* given-up attempts that are not settled */
    uint64_t begun;    /* steps that have had an attempt */
    uint32_t dropping; /* attempts that are about to be given up */
    uint32_t asks;     /* steps that wait for an answer */
    uint32_t order;
    uint32_t flags;
    uint32_t first, last; /* tracked steps, by ordinal */
    uint32_t releases;    /* results to be taken back before it can start again */
    bool closed;
    bool started; /* a plan was applied */
    bool opens;   /* some step of it is or was OPEN */
    bool ended;
    bool cancelled;
    bool limited;          /* it had more steps than steps_max */
    bool quiet;            /* its root scope became empty: look whether it has ended */
    atomic_u32 generation; /* odd: in use; last: run_fill clears what stands before it */
};

/* Waiting lists of demands: fixed ones, then one a permit, a run, an agent, a budget. */
enum { WAIT_AGENT = 0, WAIT_BACKEND = 1, WAIT_ATTEMPT = 2, WAIT_FIXED = 3 };

/* See charge.h. */
struct budget;
struct charge;
struct ticket;
struct tenant; /* see tenant.h */

struct dispatch {
    struct graph *graph;
    struct tracked *tracked;
    struct pool tracked_pool;
    struct heap_node *ready_nodes; /* one a tracked step */
    struct input_cell *inputs;
    struct slots inputs_free;
    struct delay *delays;
    struct pool delays_pool;
    struct shape *shapes;
    struct pool shapes_pool;
    struct demand *demands;
    struct pool demands_pool;
    struct heap_node *demand_nodes;
    uint32_t *demand_chains;
    uint32_t *waiting; /* heads of the waiting lists */
    uint32_t *key_chains;
    struct profile *profiles;
    struct agent *agents;
    struct heap_node *agent_nodes;
    struct permit *permits;
    struct backend *backends;
    struct attempt *attempts;
    struct slots attempts_free;
    uint32_t kept;        /* attempts that are ballots */
    struct pulse *pulses; /* one an attempt */
    struct guard *guards;
    struct pool guards_pool;
    struct recovery *recoveries; /* one a guard */
    struct run *runs;
    struct budget *budgets;
    struct charge *charges; /* of demands */
    struct pool charges_pool;
    struct ticket *tickets; /* one an attempt */
    uint64_t budgets_opened;
    struct state state;
    struct waits waits;
    struct prefixes prefixes;
    struct durations durations;
    atomic_u64 *skills;            /* digests of names, see skill.h */
    struct heap_node *timer_nodes; /* tracked, attempts, delays, backends, permits, governors,
                                      breakers */
    uint32_t timers;               /* root */
    struct tenant *tenants;        /* the first is everybody's who has none */
    struct heap_node *tenant_nodes, *run_nodes;
    uint32_t tenants_ready;         /* root */
    uint32_t tenants_count;         /* 0: the first one alone */
    uint64_t pass;                  /* of the tenant that was served last */
    uint32_t demand_mask, key_mask; /* chains - 1 */
    uint32_t profiles_version;
    atomic_u32 agents_count, permits_count,
        capabilities_count;   /* any thread reads, the turn adds */
    atomic_u32 skills_wished; /* names that steps have asked for and no profile has */
    uint32_t skills_count;    /* named by profiles */
    struct skill_set skills_named;
    uint32_t profiles_count, backends_count;
    struct breaker *breakers;     /* one a backend, then one an agent */
    uint32_t breakers_on, quotas; /* backends that have them; whose account is exhausted */
    uint32_t gates;               /* limits of backends, and governors that are on */
    swarm_capability_spec *capabilities;
    uint32_t requests_first, requests_last; /* queue of attempts */
    uint32_t releases_first, releases_last; /* list of tracked steps with a RELEASE to take */
    uint64_t ready_sequence, ready_count;
    const swarm_config *config; /* with defaults filled in */
};

/* Whether there is such an agent, such a permit. Any thread. Acquire: pairs with the release store
 * of whoever added it, so that what stands behind the handle can be read. */
static inline bool agent_exists(const struct dispatch *d, uint64_t id) {
    return id != 0 && id <= ATOMIC_LOAD(&d->agents_count, acquire);
}

static inline bool permit_exists(const struct dispatch *d, uint64_t id) {
    return id != 0 && id <= ATOMIC_LOAD(&d->permits_count, acquire);
}

static inline uint32_t timer_of_attempt(const struct dispatch *d, uint32_t attempt) {
    return d->config->tracked_max + attempt;
}

static inline uint32_t timer_of_delay(const struct dispatch *d, uint32_t delay) {
    return d->config->tracked_max + d->config->inflight_max + delay;
}

static inline uint32_t timer_of_backend(const struct dispatch *d, uint32_t backend) {
    return d->config->tracked_max + d->config->inflight_max + d->config->delays_max + backend;
}

static inline uint32_t timer_of_permit(const struct dispatch *d, uint32_t permit) {
    return timer_of_backend(d, d->config->backends_max) + permit;
}

static inline uint32_t timer_of_governor(const struct dispatch *d, uint32_t backend) {
    return timer_of_permit(d, d->config->permits_max) + backend;
}

/* Timers of one time fire by ordinal. Those of backends carry 0: first. */
static inline void timer_arm(struct dispatch *d, uint32_t timer, uint64_t at_ns, uint64_t ordinal) {
    if (heap_contains(d->timer_nodes, timer)) {
        heap_remove(d->timer_nodes, &d->timers, timer);
    }
    d->timer_nodes[timer].rank = 0;
    d->timer_nodes[timer].first = at_ns;
    d->timer_nodes[timer].second = ordinal;
    heap_push(d->timer_nodes, &d->timers, timer);
}

static inline void timer_disarm(struct dispatch *d, uint32_t timer) {
    if (heap_contains(d->timer_nodes, timer)) {
        heap_remove(d->timer_nodes, &d->timers, timer);
    }
}

/* The record of a tracked step. */
static inline uint32_t tracked_of(const struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(kind_flags(ATOMIC_LOAD(&graph->kind[slot], relaxed)) & GRAPH_TRACKED);
    return (uint32_t)graph->argument[slot];
}

#endif
