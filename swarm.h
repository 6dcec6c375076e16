/* SPDX-License-Identifier: MIT */
/*
 * swarm.h - the whole public interface of swarm, and its manual. Read it from top to bottom once.
 *
 * WHAT IT IS
 *
 * swarm schedules the work of many agents inside your program: steps, the dependencies between
 * them, who runs what and when, what happens when it fails, and why. The reference run is a fleet
 * of 300 agents working through 4,000 steps; it is a measure, not a limit. The library is C11,
 * links nothing, opens nothing, prints nothing, reads no clock by itself and keeps no global state.
 * You bring the I/O: sockets, threads, a clock, a disk. It is an execution substrate. It never
 * plans by itself: a coordinator is an ordinary step whose output another step turns into more
 * steps.
 *
 * THE SMALLEST PROGRAM
 *
 * `backend` is a table of yours that executes steps, or one that comes with the library:
 * backends/mock/swarm_mock.h simulates agents, backends/http and backends/moe are real.
 *
 *     swarm_config config = {.size = sizeof config, .version = SWARM_VERSION,
 *                            .host = swarm_host_default()};
 *     swarm *sw = NULL;
 *     if (swarm_new(&config, &sw) != SWARM_OK) return 1;
 *     swarm_backend_id remote = swarm_backend_add(sw, &backend);
 *     swarm_profile_spec writer = {.name = "writer", .backend = remote};
 *     swarm_agent_add(sw, swarm_profile_add(sw, &writer), 1);
 *     swarm_plan *plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
 *     swarm_step outline = swarm_step_add(plan, &(swarm_step_spec){.payload = "outline"});
 *     swarm_step draft = swarm_step_add(plan, &(swarm_step_spec){.payload = "draft"});
 *     swarm_edge_add(plan, outline, draft, 0);
 *     swarm_status status = swarm_plan_commit(plan, NULL);
 *     if (status == SWARM_OK) status = swarm_sim_drive(sw, NULL);
 *     puts(swarm_status_text(status));
 *     swarm_free(sw);
 *
 * TWO LANES, ONE GRAPH
 *
 * Everything is a STEP in one graph, and a step's kind decides its lane.
 *   - A CALL STEP is a C function of yours with one 64-bit argument. Call steps run on workers
 *     (threads that you lend) from lock-free work-stealing deques and cost nanoseconds.
 *   - An AGENT STEP wants an agent: a model turn, a tool call, a human. It is matched, ordered,
 *     limited, timed and retried by DISPATCH, which is plain sequential code: a pure transition
 *     from (state, event) to (state, requests). It calls nobody, takes no lock and reads no clock.
 * Dispatch hands out REQUESTS (start this attempt, cancel that one, this output is not needed any
 * more); a BACKEND of yours carries them out and answers with COMPLETIONS, from any thread.
 *
 * CONCEPTS
 *
 * Run: one execution of one plan, with its own seed, limits, report and log hash. A swarm holds
 * many runs at once. Plan: a batch of steps and edges (a plan delta) that is applied whole or not
 * at all. A STATIC run takes one plan and starts with its commit; it can be run again without being
 * rebuilt. A GROWING run takes any number of plans, from you or from its own running call steps.
 * Agent, profile, skill: an agent executes steps, `inflight_max` at a time; its profile says which
 * skills it has and which backend drives it; a step lists the skills that it requires. Permit: a
 * named semaphore with a capacity. A step may need units of several permits; it gets all of them or
 * none. Attempt: one try of an agent step. A failed attempt may be followed by another one; what a
 * superseded attempt answers within cancel_grace_ns is billed and not used. Ordinal: the number
 * that a step has in its run, from 0, in the order in which it was added. The log, tie-breaks and
 * reports use ordinals; handles are never logged, ordered or hashed.
 *
 * TIME, INSTANTS AND DETERMINISM
 *
 * Time is an argument: nanoseconds from any origin that you choose, never decreasing. What happens
 * at one time is a sequence of ROUNDS. In a round, call steps run until none is ready; what arrived
 * is sorted by (completion, ready, timer, command; then ordinal, attempt); all of it is applied;
 * then ready agent steps are dispatched in the order of the run's policy. So the same seed,
 * configuration, plan and results give the same decisions, the same log byte for byte and the same
 * 128-bit hash, for any compiler, machine and number of workers.
 *
 * THREADS
 *
 * Whoever holds the TURN is the OWNER. Each call says one of:
 *   [owner]   only the owner may call; SWARM_E_BUSY when nobody holds the turn. The thread that
 *             made the swarm holds it from the start; a single-threaded program never thinks of it.
 *             The library knows that somebody holds it, not who: a call by anybody else is a race.
 *   [any]     any thread, at any time between swarm_new and swarm_free, without blocking.
 *   [worker]  one thread at a time for each worker index.
 *   [call]    only inside a running call step, with the `swarm_call` it was given.
 *   [pure]    touches no shared state.
 * No callback of yours runs while state is half changed, and dispatch never calls you.
 *
 * ERRORS
 *
 * A call that returns swarm_status gives SWARM_OK (0) or a negative code, and on an error nothing
 * has changed. A call that returns a handle gives the null handle ({0}) on an error; null handles
 * may be passed on, and the first error of such a chain is kept until swarm_plan_commit or
 * swarm_fault reports it. A plan that was committed or dropped is gone and keeps none. A handle
 * that outlived its object gives SWARM_E_STALE, never undefined behaviour; a handle of another
 * swarm may happen to fit, so keep them apart. Nothing aborts, prints, exits or jumps.
 *
 * MEMORY
 *
 * swarm_new takes one block, from you or from the host's allocator; nothing is allocated
 * afterwards. Every limit is a number in swarm_config and every overflow is a status. Specs and the
 * arrays they point to are read during the call only; strings are digested. A step's payload is
 * borrowed until the step's RELEASE request, or, when its result lent no bytes, until its run has
 * ended.
 *
 * CONVENTIONS
 *
 * Zero means default in every spec. SWARM_ZERO says zero where zero would mean default; SWARM_NEVER
 * switches a 64-bit limit or time off and SWARM_NONE a 32-bit one. Units end a name (`timeout_ns`,
 * `cost_nano`, `jitter_ppm`); results come last and begin with `out_`. Money is in nano-units of
 * any currency, probabilities in parts per million. A null spec means all defaults.
 */
#ifndef SWARM_H
#define SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what a shared library exports; define it before the include to add attributes. */
#ifndef SWARM_API
#define SWARM_API
#endif

/* Version of this header, 0xMMmmpp. `config.version` must equal it: it fixes every layout below. */
#define SWARM_VERSION 0x000100u

/* Version of the event log's contents. Golden hashes change only when this number does. */
#define SWARM_TRACE_VERSION 4u

/* Off, or for ever: for 64-bit limits and times. */
#define SWARM_NEVER UINT64_MAX

/* Off: for 32-bit counts. */
#define SWARM_NONE UINT32_MAX

/* Zero, where zero itself would mean "use the default": for 64-bit values. */
#define SWARM_ZERO (UINT64_MAX - 1u)

/* The same for 32-bit values. */
#define SWARM_ZERO32 (UINT32_MAX - 1u)

/* ------------------------------------------------------------------------------------- statuses */

/* Result of a call: SWARM_OK or one of the negative codes below. */
typedef int32_t swarm_status;

/* Status codes. swarm_status_text says for each what is wrong and what to do. */
enum {
    SWARM_OK = 0,              /* done */
    SWARM_E_INVALID = -1,      /* a value is out of range, or options contradict each other */
    SWARM_E_STALE = -2,        /* the handle's object is gone */
    SWARM_E_MISSING = -3,      /* no such step, run, skill, permit or function */
    SWARM_E_DUPLICATE = -4,    /* a key or name is used twice, or a completion came twice */
    SWARM_E_CYCLE = -5,        /* the edges would close a cycle; the error names two of its steps */
    SWARM_E_DEPTH = -6,        /* nested deeper than the run's depth_max */
    SWARM_E_LIMIT = -7,        /* a limit of the run is reached */
    SWARM_E_FULL = -8,         /* a pool of swarm_config is full; the text names the field */
    SWARM_E_AGAIN = -9,        /* not now: call again after progress */
    SWARM_E_BUSY = -10,        /* still in use, or the turn is not held */
    SWARM_E_STARTED = -11,     /* too late: the step has begun */
    SWARM_E_FROZEN = -12,      /* the run takes no more plans */
    SWARM_E_NO_AGENT = -13,    /* no profile has the skills that the step requires */
    SWARM_E_FENCED = -14,      /* the attempt was superseded: billed, not used */
    SWARM_E_TIMED_OUT = -15,   /* a time limit was reached */
    SWARM_E_STALLED = -16,     /* nothing can move, and the run is not finished */
    SWARM_E_DEPENDS = -17,     /* a step that this one needs did not end OK */
    SWARM_E_TOO_BIG = -18,     /* larger than its cap */
    SWARM_E_GARBAGE = -19,     /* the output was refused */
    SWARM_E_CORRUPT = -20,     /* a damaged log frame */
    SWARM_E_MISMATCH = -21,    /* made by another version or configuration */
    SWARM_E_UNSUPPORTED = -22, /* this host or backend cannot do it */
    SWARM_E_OVERFLOW = -23,    /* the numbers given do not fit their type */
    SWARM_E_FAILED = -24,      /* every attempt failed; the outcome says how */
    SWARM_E_BUDGET = -25,      /* a reservation does not fit its budget */
    SWARM_E_PAUSED = -26,      /* only an answer from outside, or quota, can move anything */
    SWARM_E_CONFLICT = -27,    /* a state key has a newer version than the one built upon */
    SWARM_E_NO_QUORUM = -28,   /* no class of answers can reach the quorum */
    SWARM_E_DEADLOCK = -29,    /* steps waited for each other in a circle */
    SWARM_E_QUOTA = -30,       /* an account is exhausted */
    SWARM_E_DENIED = -31       /* a capability does not allow it */
};

/* Text of a status: what is wrong and what to do. Never null; static. [pure] */
SWARM_API const char *swarm_status_text(swarm_status status);

/* Version of the library that was linked, to compare with SWARM_VERSION. [pure] */
SWARM_API uint32_t swarm_version(void);

/* Where a call was refused. */
typedef struct swarm_error {
    swarm_status status; /* the code */
    uint32_t index;   /* index of the operation in its plan (adds and edges count), or SWARM_NONE */
    uint64_t step;    /* place, within the plan, of the step concerned; SWARM_NEVER if none */
    uint64_t other;   /* second step (an edge's other end, a cycle), or SWARM_NEVER */
    const char *text; /* what is wrong here; static, may name a field of swarm_config */
} swarm_error;

/* -------------------------------------------------------------------------------------- handles */

/* The scheduler. One block of memory; any number of them may live in a process. */
typedef struct swarm swarm;

/* A plan being filled. Owned by the swarm; gone with its commit or drop. */
typedef struct swarm_plan swarm_plan;

/* Handles, passed by value. id 0 is the null handle. */
typedef struct swarm_run {
    uint64_t id; /* slot and generation */
} swarm_run;
typedef struct swarm_step {
    uint64_t id; /* slot and generation */
} swarm_step;
typedef struct swarm_agent {
    uint64_t id; /* 1 + index */
} swarm_agent;
typedef struct swarm_profile {
    uint64_t id; /* 1 + index */
} swarm_profile;
typedef struct swarm_backend_id {
    uint64_t id; /* 1 + index */
} swarm_backend_id;
typedef struct swarm_function {
    uint64_t id; /* 1 + index */
} swarm_function;
typedef struct swarm_permit {
    uint64_t id; /* 1 + index */
} swarm_permit;
typedef struct swarm_capability {
    uint64_t id; /* 1 + index */
} swarm_capability;
typedef struct swarm_tenant {
    uint64_t id; /* index, from 1 */
} swarm_tenant;
typedef struct swarm_budget {
    uint64_t id; /* slot and generation */
} swarm_budget;
/* One attempt of an agent step; what a completion answers. */
typedef struct swarm_attempt {
    uint64_t id; /* slot and generation */
} swarm_attempt;

/* Names one question, also after a resume and in another process: may be stored, mailed, printed.
 * Only the library makes one; what is altered answers to no question. */
typedef struct swarm_token {
    unsigned char bytes[32]; /* closed */
} swarm_token;

/* ------------------------------------------------------------------------------------- outcomes */

/* How an attempt or a call ended: one of SWARM_OUTCOME_*. Not a status: the call that reports it
 * went well. */
typedef uint32_t swarm_outcome;

/* Outcome classes. Which of them are tried again is said at swarm_retry. */
enum {
    SWARM_OUTCOME_OK = 0,        /* done; the output counts */
    SWARM_OUTCOME_TRANSIENT = 1, /* failed, and may go well next time */
    SWARM_OUTCOME_THROTTLED =
        2,                   /* the endpoint is overloaded (429): not a failure, costs no retry */
    SWARM_OUTCOME_QUOTA = 3, /* the account is exhausted (402, 403): see swarm_breaker_reset */
    SWARM_OUTCOME_TERMINAL = 4,  /* failed for good: bad request, no permission */
    SWARM_OUTCOME_GARBAGE = 5,   /* answered, but the answer was refused */
    SWARM_OUTCOME_LOST = 6,      /* the agent or its lease is gone */
    SWARM_OUTCOME_CANCELLED = 7, /* stopped on request */
    SWARM_OUTCOME_TIMED_OUT = 8, /* stopped by a time limit */
    SWARM_OUTCOME_PAUSE = 10,    /* it has a question: see swarm_answer */
    SWARM_OUTCOME_REFUSED = 9    /* never begun: no attempt is counted, the step keeps its place in
                                    the order, the backend is held until `until_ns` */
};

/* The word for an outcome, in small letters: "timed out"; "unknown". Never null; static. [pure] */
SWARM_API const char *swarm_outcome_text(swarm_outcome outcome);

/* What a step produced. Zero is a valid, empty result. */
typedef struct swarm_result {
    const void *bytes;       /* lent until RELEASE; null when there are none */
    uint64_t size;           /* in bytes */
    uint64_t value;          /* one number of the producer's choice */
    uint64_t digest;         /* of the content, by the producer; 0 when unknown */
    uint64_t release;        /* the producer's own word, given back with RELEASE; never logged */
    uint64_t key;            /* by which the producer finds the content again in another process;
                                logged; 0: it cannot */
    uint32_t branch;         /* which way to go on, for conditions */
    uint32_t confidence_ppm; /* 0..1,000,000 */
} swarm_result;

/* What an attempt consumed, as reported by the backend. */
typedef struct swarm_usage {
    uint64_t input_tokens;  /* prompt, cached part included */
    uint64_t cached_tokens; /* part of input_tokens that came from a cache */
    uint64_t output_tokens; /* generated */
    uint64_t cost_nano;     /* money, in nano-units */
} swarm_usage;

/* ------------------------------------------------------------------------------ host, life
 * cycle */

/*
 * What the surrounding program lends: memory, a clock, threads, parking. Every member may be null;
 * what needs a missing one answers SWARM_E_UNSUPPORTED. All functions get `context` first.
 */
typedef struct swarm_host {
    size_t size;   /* sizeof(swarm_host) */
    void *context; /* handed to each function */
    /* One block, zeroed or not, aligned to `align`; null when there is none. */
    void *(*allocate)(void *context, size_t size, size_t align);
    /* Gives back what allocate gave. */
    void (*release)(void *context, void *block, size_t size);
    /* Monotonic time in ns. */
    uint64_t (*clock)(void *context);
    /* Starts a thread that runs entry(argument); false when it cannot. Writes an id for join. */
    bool (*thread_start)(void *context, void *(*entry)(void *), void *argument, uint64_t *out_id);
    /* Waits for such a thread to end. */
    void (*thread_join)(void *context, uint64_t id);
    /* Sleeps while *address == expected, at most timeout_ns; may return early for no reason. */
    void (*wait)(void *context, const void *address, uint32_t expected, uint64_t timeout_ns);
    /* Wakes up to `count` threads that sleep on address. */
    void (*wake)(void *context, const void *address, uint32_t count);
} swarm_host;

/* The host of this platform: the C allocator, the monotonic clock, threads, parking. Null where the
 * library was built with -DSWARM_NO_HOST. Static. [pure] */
SWARM_API const swarm_host *swarm_host_default(void);

/*
 * Size and limits of a swarm. Only `size` and `version` must be set. The default configuration
 * needs less than 8 MiB; swarm_memory_size tells for any other.
 */
typedef struct swarm_config {
    size_t size;                   /* sizeof(swarm_config) */
    const swarm_host *host;        /* null: no threads, no clock, no allocator */
    void *memory;                  /* the caller's block, aligned to 64; null: from the host */
    size_t memory_size;            /* bytes at `memory` */
    void (*wakeup)(void *context); /* called from [any] calls when the owner should advance, or a
                                       worker should work; may be null; must not call the swarm */
    void *wakeup_context;          /* first argument of wakeup */
    uint64_t seed;                 /* of every random stream that is not a run's own */
    uint64_t log_bytes;            /* ring of the event log; default 1 MiB, least 8 KiB;
                                       SWARM_NEVER: no log and no hash */
    uint64_t cancel_grace_ns;      /* how long a cancelled attempt may keep its agent and permits
                                       without an answer; default 10 s */
    uint32_t version;              /* SWARM_VERSION */
    uint32_t flags;                /* SWARM_CONFIG_*, or 0 */
    uint32_t workers_max;          /* worker indices 0..n-1; default 8, at most 1024 */
    uint32_t runs_max;             /* runs not yet forgotten; default 16 */
    uint32_t steps_max;            /* live steps; default 16,384, below 2^30 */
    uint32_t edges_max;     /* edges of live steps; default 4 * steps_max, at most 2^31 - 2 */
    uint32_t tracked_max;   /* live steps with a record in dispatch: agent steps and call
                                       steps added by swarm_step_add; default steps_max / 2 */
    uint32_t delays_max;    /* edges with a delay or with rules; default tracked_max */
    uint32_t inputs_max;    /* edges into steps that read their inputs; default tracked_max */
    uint32_t agents_max;    /* default 512 */
    uint32_t profiles_max;  /* default 64, at most 256 */
    uint32_t skills_max;    /* skill names that profiles have; default 64, at most 256 */
    uint32_t permits_max;   /* default 64 */
    uint32_t demands_max;   /* distinct sets of requirements alive; default 1,024 */
    uint32_t backends_max;  /* default 16 */
    uint32_t functions_max; /* default 64, at most 65,535 */
    uint32_t inflight_max;  /* attempts in flight; default 2 * agents_max */
    uint32_t scopes_max;    /* live steps that have added steps of their own through
                                       dispatch; default steps_max / 8 */
    uint32_t plans_max;     /* plans of call steps between their end and the next round;
                                       default 1,024 */
    uint32_t ranges_max;    /* live range steps; default 64 */
    uint32_t deque_size;    /* items of one worker's deque, a power of two; default 1,024 */
    uint32_t spin;          /* looks for work before a worker parks; default 200;
                                       SWARM_NONE: none */
    uint32_t commands_max;  /* cancels between two rounds; default 256 */
    uint32_t guards_max;    /* live steps with one of the options that watch over attempts
                                       (swarm_watch_spec and following); default 256 */
    uint32_t asks_max;      /* questions without an answer; default 64 */
    uint32_t shapes_max;    /* live steps with a join, a skip or a loop; default tracked_max / 16 */
    uint32_t tenants_max;   /* default 16 */
    uint32_t budgets_max;   /* open budgets; default 64 */
    uint32_t charges_max;   /* distinct reservations alive; default 256 */
    uint32_t states_max;    /* state keys of all runs and branches; default 1,024 */
    uint32_t accesses_max;  /* live steps with `state`; default tracked_max / 16 */
    uint32_t effects_max;   /* effects not yet applied, and keys that live steps read; default 2 *
                               accesses_max */
    uint32_t branches_max;  /* branches open; default 64 */
    uint32_t prefixes_max;  /* prompt prefixes that agents hold; default 1,024 */
    uint32_t labels_max;    /* kinds of step, counted once a profile, whose durations are learned;
                               default 512 */
    uint32_t capabilities_max; /* default 64 */
} swarm_config;

/* Flags of swarm_config. */
enum {
    SWARM_CONFIG_STATIC = 1, /* static runs only: a call step costs 40 bytes instead of 56; an edge
                                costs 8 */
    SWARM_CONFIG_LATE_EDGES = 2 /* steps may be OPEN; 40 bytes more a step */
};

/* Bytes that swarm_new needs for this configuration, in *out_bytes. INVALID: a field is out of
 * range; MISMATCH: size or version are another header's; OVERFLOW: the size does not fit size_t.
 * [pure] */
SWARM_API swarm_status swarm_memory_size(const swarm_config *config, size_t *out_bytes);

/* Makes a swarm in config->memory, or in one block from the host's allocator; the caller holds
 * the turn. INVALID, MISMATCH, OVERFLOW as above; FULL when the block is too small or there is
 * none. [pure] */
SWARM_API swarm_status swarm_new(const swarm_config *config, swarm **out_swarm);

/* Decides no more starts; those that were decided before are still handed out. AGAIN while attempts
 * are in flight or call steps run: go on driving and call again; OK when nothing is left in flight.
 * Not undone. [owner] */
SWARM_API swarm_status swarm_drain(swarm *sw);

/* Frees the swarm. BUSY while attempts are in flight (swarm_drain says when they are not) or
 * workers are inside swarm_work. After an OK, what backends lent and was not released is theirs
 * again; to get a RELEASE for everything, forget all runs and drive (or take) once more before.
 * Steps that have not started don't hold it. Null is fine. No other thread may be in a call.
 * [owner] */
SWARM_API swarm_status swarm_free(swarm *sw);

/* Takes and clears the first error of the calls that returned a null handle: its status is
 * returned, the rest is in *out_error (may be null). OK when there was none. [owner] */
SWARM_API swarm_status swarm_fault(swarm *sw, swarm_error *out_error);

/* ---------------------------------------------------------------------------------------- setup */

/* Kinds of request. */
enum {
    SWARM_REQUEST_START = 1,   /* begin this attempt; answer with swarm_complete */
    SWARM_REQUEST_CANCEL = 2,  /* stop this attempt; it must still be answered */
    SWARM_REQUEST_RELEASE = 3, /* nobody needs `result` any more: the bytes are yours again */
    SWARM_REQUEST_ASK = 4      /* somebody should answer; answer with swarm_answer */
};

/* Kinds of question, in a request's `ask`. Numbers from 64 on are the caller's own. */
enum {
    SWARM_ASK_NONE = 0,      /* none */
    SWARM_ASK_PAUSE = 1,     /* an attempt answered PAUSE: `payload` is what it asks */
    SWARM_ASK_APPROVE = 2,   /* may this be done? */
    SWARM_ASK_JUDGE = 3,     /* which of the inputs is best, or is it good enough? */
    SWARM_ASK_MERGE = 4,     /* one out of several */
    SWARM_ASK_SUMMARISE = 5, /* make it shorter */
    SWARM_ASK_SPLIT = 6,     /* the step failed: divide it */
    SWARM_ASK_REPLAN = 7,    /* the step failed: plan it anew */
    SWARM_ASK_KINDS = 64     /* from here on: the caller's */
};

/* What dispatch wants done. Pointers are valid until the next swarm_take, payload until RELEASE. */
typedef struct swarm_request {
    const void *payload;      /* START: the step's payload, as it was given; ASK: the question */
    size_t payload_size;      /* in bytes */
    swarm_result result;      /* RELEASE: what was lent; ASK: what came with PAUSE */
    swarm_attempt attempt;    /* START, CANCEL: what swarm_complete answers */
    swarm_run run;            /* START, CANCEL: the run */
    swarm_step step;          /* START: for swarm_input; may be stale for others */
    swarm_agent agent;        /* START, CANCEL: who does it */
    swarm_backend_id backend; /* whom to hand it to */
    uint64_t run_key;         /* START, CANCEL: the run's key */
    uint64_t step_key;        /* the step's key, or 0 */
    uint64_t ordinal;         /* the step's ordinal in its run */
    uint64_t argument;        /* START: the step's argument */
    uint64_t run_seed;        /* seed of the run, for backends that draw */
    uint64_t now_ns;          /* START, CANCEL: when the attempt was started, also if it is handed
                                 out again after a resume; else the time of the last round */
    uint64_t timeout_ns;      /* START: the run timeout of this attempt, or SWARM_NEVER */
    uint64_t tools;           /* START: what its capability allows; all bits without one */
    uint32_t number;          /* attempt number of the step, from 1; a try that did not count keeps
                                 it: (run, ordinal, number, epoch) names each try */
    uint32_t epoch;           /* rises whenever an attempt is given up */
    uint32_t kind;            /* SWARM_REQUEST_* */
    uint32_t inputs;          /* START, ASK: number of inputs for swarm_input */
    swarm_token token;        /* ASK: what swarm_answer answers */
    uint32_t ask;             /* ASK: SWARM_ASK_* */
    uint32_t asked;           /* ASK: how often it has been asked; above 1: a reminder */
    uint32_t iteration;       /* START: of a loop, from 1; else 0 */
    swarm_outcome outcome;    /* START: how the attempt before this one ended; OK: there was none */
} swarm_request;

/*
 * A table that executes attempts. swarm_drive and swarm_sim_drive call it, with the turn held, and
 * never from inside dispatch. Members may be null, also all of them when you take requests
 * yourself.
 */
typedef struct swarm_backend {
    size_t size;      /* sizeof(swarm_backend) */
    const char *name; /* unique in the swarm; digested */
    void *context;    /* handed to each function */
    /* Begins an attempt without blocking. OK; or AGAIN with a time in *out_until_ns, before which
     * nothing more is sent to this backend. The answer comes by swarm_complete, at any time. */
    swarm_status (*submit)(void *context, swarm *sw, const swarm_request *request,
                           uint64_t *out_until_ns);
    /* Asks for an attempt to stop. May come twice; an answer is still owed. */
    void (*cancel)(void *context, swarm *sw, const swarm_request *request);
    /* Does what is due at `now`: calls swarm_complete for what has ended. */
    void (*poll)(void *context, swarm *sw, uint64_t now_ns);
    /* When poll wants to be called next; SWARM_NEVER when only an event can tell. */
    uint64_t (*deadline)(void *context);
    /* Takes back what a completion lent. */
    void (*release)(void *context, const swarm_result *result);
} swarm_backend;

/* Adds a backend; the table is copied, what it points to is borrowed until swarm_free. Null handle:
 * INVALID, DUPLICATE name, FULL (backends_max). [owner] */
SWARM_API swarm_backend_id swarm_backend_add(swarm *sw, const swarm_backend *backend);

/* Prices in nano-units a token. A sum above 2^64 - 1 counts as that. */
typedef struct swarm_price {
    uint64_t fixed_nano;  /* for each attempt */
    uint64_t input_nano;  /* an input token that was not cached */
    uint64_t cached_nano; /* a cached input token */
    uint64_t output_nano; /* an output token */
} swarm_price;

/* A role that agents fill. */
typedef struct swarm_profile_spec {
    const char *name;              /* unique in the swarm; digested */
    const char *const *skills;     /* skill names; may be null */
    swarm_backend_id backend;      /* who drives its agents */
    uint32_t skills_count;         /* names at `skills` */
    uint32_t inflight_max;         /* attempts that one agent works on at once; default 1 */
    uint32_t cost;                 /* subtracted from the routing score; any unit, at most 10^6 */
    uint32_t prefixes_max;         /* prompt prefixes, by last use, that the cache of one agent
                                      holds, for SWARM_ORDER_PREFIX; default none */
    uint64_t notebook_tokens_max;  /* an agent's notes in all; default SWARM_NEVER */
    uint64_t conclusion_bytes_max; /* one conclusion; default SWARM_NEVER */
    const swarm_price *price; /* for budgets, where a backend reports no cost; copied; null: free */
    uint32_t slow_ppm; /* running time of its agents, relative to the estimates of steps; default
                          1,000,000: the same; for SWARM_ORDER_SLACK */
    uint32_t reserved; /* 0 */
} swarm_profile_spec;

/* Adds a profile. Null handle: INVALID, DUPLICATE name, STALE backend, FULL (profiles_max,
 * skills_max). [owner] */
SWARM_API swarm_profile swarm_profile_add(swarm *sw, const swarm_profile_spec *spec);

/* Adds `count` agents of one profile, also while runs go on; their handles are consecutive, ids
 * from the first, which is returned. Null handle: INVALID (count 0), STALE profile, FULL
 * (agents_max). [owner] */
SWARM_API swarm_agent swarm_agent_add(swarm *sw, swarm_profile profile, uint32_t count);

/* Takes an agent out of service: nothing new is given to it, what it has goes on. Its index is not
 * used again. STALE. [owner] */
SWARM_API swarm_status swarm_agent_withdraw(swarm *sw, swarm_agent agent);

/* Adds a permit: a semaphore of `capacity` units. Null handle: INVALID (capacity 0), DUPLICATE
 * name, FULL (permits_max). [owner] */
SWARM_API swarm_permit swarm_permit_add(swarm *sw, const char *name, uint64_t capacity);

/* Which run of a tenant goes first. */
enum {
    SWARM_RUNS_TOGETHER = 0,    /* its runs are one queue: priority, then the runs' orders */
    SWARM_RUNS_LEAST_SERVED = 1 /* the run whose attempts have run the least so far, and then the
                                   smaller number; within it priority and its order */
};

/* A tenant to add. */
typedef struct swarm_tenant_spec {
    const char *name; /* unique in the swarm; digested */
    uint32_t weight;  /* share, 1 to 1,000; default 1 */
    uint32_t runs;    /* SWARM_RUNS_* */
} swarm_tenant_spec;

/* Adds a tenant. As soon as there is one, starts are dealt out fairly: between two tenants with
 * steps that could start all the time, starts divided by weight differ by one start at most.
 * Priority counts within a tenant. Runs without a tenant belong to one of weight 1. Null handle:
 * INVALID, DUPLICATE name, FULL (tenants_max). [owner] */
SWARM_API swarm_tenant swarm_tenant_add(swarm *sw, const swarm_tenant_spec *spec);

/*
 * BUDGETS. A budget limits what the attempts that are charged to it may use together, in up to six
 * dimensions; it may stand below another one, up to 16 deep (tenant, run, subtree, step). A step
 * with a charge reserves the most that an attempt of it may use in its budget and in all above, or
 * it is not started; when the attempt is over, the reservation goes and what it used is booked. So
 * no limit is passed while attempts keep to what was reserved. One that uses more is booked in full
 * and flagged; a budget that is thereby over a limit admits nothing more.
 *
 * A reservation that would fit if attempts in flight used nothing waits for them. One that would
 * not even then is exhausted, and the policy of the budget that lacks decides.
 */

/* Amounts in the six dimensions of a budget. */
typedef struct swarm_amounts {
    uint64_t steps;         /* attempts that were not REFUSED or THROTTLED */
    uint64_t input_tokens;  /* prompt, cached part included */
    uint64_t cached_tokens; /* part of input_tokens that comes from a cache */
    uint64_t output_tokens; /* generated */
    uint64_t cost_nano;     /* money */
    uint64_t running_ns;    /* from start to answer, summed over attempts */
} swarm_amounts;

/* What happens to a step whose budget is exhausted. */
enum {
    SWARM_BUDGET_WAIT = 1,   /* it waits for a higher limit; the default */
    SWARM_BUDGET_STOP = 2,   /* it ends in the state BUDGET */
    SWARM_BUDGET_DEGRADE = 3 /* a profile whose prices still fit does it; if none does, as STOP */
};

/* A budget to add. */
typedef struct swarm_budget_spec {
    const char *name;    /* unique among open budgets; digested */
    swarm_budget parent; /* the one above; null: none */
    swarm_amounts limit; /* 0: UNLIMITED in this dimension; SWARM_ZERO: nothing at all */
    uint32_t policy;     /* SWARM_BUDGET_*; default WAIT */
    uint32_t reserved;   /* 0 */
} swarm_budget_spec;

/* What is known of a budget. Unlimited dimensions have the limit SWARM_NEVER. */
typedef struct swarm_budget_info {
    swarm_amounts limit;    /* as last set */
    swarm_amounts spent;    /* by attempts that are over */
    swarm_amounts reserved; /* by attempts in flight */
    uint64_t exceeded;      /* attempts that used more than reserved in a limited dimension */
} swarm_budget_info;

/* What a step, or each step of a run, reserves before an attempt of it starts. */
typedef struct swarm_charge_spec {
    swarm_budget budget;   /* which; those above it are charged too */
    swarm_amounts reserve; /* the most that one attempt uses, at most the limits, else BUDGET;
                              steps: default 1; cost_nano 0: by the prices of the profile */
} swarm_charge_spec;

/* Adds a budget. Null handle: INVALID, STALE parent, DEPTH (16), DUPLICATE name, FULL
 * (budgets_max), AGAIN (read out the log and advance first). [owner] */
SWARM_API swarm_budget swarm_budget_add(swarm *sw, const swarm_budget_spec *spec);

/* The open budget of this name, or the null handle. [owner] */
SWARM_API swarm_budget swarm_budget_find(swarm *sw, const char *name);

/* Sets limits: 0 leaves a dimension as it is, SWARM_ZERO is 0, SWARM_NEVER takes the limit away.
 * What is spent or reserved already stays. STALE, INVALID, AGAIN as above. [owner] */
SWARM_API swarm_status swarm_budget_limit(swarm *sw, swarm_budget budget,
                                          const swarm_amounts *limit);

/* Lets go of a budget. BUSY while steps that charge it are alive, or budgets below it are open.
 * STALE, AGAIN as above. [owner] */
SWARM_API swarm_status swarm_budget_close(swarm *sw, swarm_budget budget);

/* Writes what is known of a budget. STALE, INVALID. [owner] */
SWARM_API swarm_status swarm_budget_get(swarm *sw, swarm_budget budget,
                                        swarm_budget_info *out_info);

/* What a rate counts. Requests count when they are started. Tokens are taken by what the step's
 * charge reserves (0 without one) or its need says, and set right by the usage reported: what was
 * not used comes back, what was used beyond is owed. */
enum {
    SWARM_MEASURE_REQUESTS = 0, /* attempts; a REFUSED one comes back */
    SWARM_MEASURE_INPUT = 1,    /* input tokens */
    SWARM_MEASURE_OUTPUT = 2,   /* output tokens */
    SWARM_MEASURE_TOKENS = 3,   /* both */
    SWARM_MEASURE_RETRIES = 4   /* attempts that swarm_retry allows after a failed one; of a backend
                                   only. Nobody waits for it: without a unit there is no retry */
};

/* A semaphore (capacity) or a rate (units), with options. */
typedef struct swarm_limit_spec {
    const char *name;         /* unique among permits; digested */
    swarm_backend_id backend; /* every attempt that goes there needs it, one unit of a semaphore;
                                 null: steps name it in `needs` */
    uint64_t capacity;        /* a semaphore's units */
    uint64_t units;           /* a rate's units that flow in during each period */
    uint64_t period_ns;       /* default 60 s */
    uint64_t burst;           /* most units that gather; it begins full; default `units` */
    uint32_t measure;         /* SWARM_MEASURE_*, of a rate */
    uint32_t bypass_max;      /* a step that was overtaken so often at this permit, by steps that
                                 would go after it, is overtaken no more; default never */
} swarm_limit_spec;

/* Adds a permit with options: RPM and TPM limits of an account are two rates of its backend. A rate
 * is exact: in t ns there flow units * t / period_ns, never rounded. A step that reserves more than
 * `burst` of a backend's rate can't be done there (NO_AGENT if nowhere). Null handle: as for
 * swarm_permit_add; INVALID for neither or both of capacity and units, OVERFLOW for a burst or
 * period too large, STALE backend. [owner] */
SWARM_API swarm_permit swarm_limit_add(swarm *sw, const swarm_limit_spec *spec);

/* How a backend's limit of attempts in flight is found by trying. */
typedef struct swarm_governor_spec {
    uint64_t confirm_ns; /* a start that was not turned away for so long was accepted; default
                            100 ms; 1 will do for a mock that refuses at once */
    uint64_t hold_ns;    /* how long the backend rests at least; default 3 s */
    uint64_t cut_ns;     /* time between two cuts of the window; default 5 s */
    uint32_t first;      /* window at the beginning, at most 2^20; default 8 */
    uint32_t most;       /* largest window, at most 2^20, which is the default */
    uint32_t probes_max; /* starts not yet accepted, before the first is turned away; default 2 */
    uint32_t reserved;   /* 0 */
} swarm_governor_spec;

/* Switches the governor of a backend on, anew, or off (null, as it is at first). It lets as many
 * attempts go as its window says: that grows by one an accepted start until the backend turns one
 * away (THROTTLED, REFUSED), is cut to 9/10 of what is in flight then, and grows slowly from there.
 * STALE, INVALID. [owner] */
SWARM_API swarm_status swarm_governor_set(swarm *sw, swarm_backend_id backend,
                                          const swarm_governor_spec *spec);

/* States of a breaker. */
enum {
    SWARM_BREAKER_CLOSED = 0,   /* attempts go through */
    SWARM_BREAKER_OPEN = 1,     /* none does */
    SWARM_BREAKER_HALF_OPEN = 2 /* one does, at a time: how it ends decides */
};

/*
 * When a backend, or one of its agents, is left alone for a while: when the moving average of what
 * failed reaches failure_ppm, after samples_min answers. An answer weighs 1/16, but never less than
 * the mean of all would give it. OK is good, for an agent unless it lost a vote; TRANSIENT,
 * TERMINAL, GARBAGE, LOST and TIMED_OUT are failures; others say nothing. After open_ns one attempt
 * is let through: a good one closes the breaker, which then has learned nothing; a failure opens it
 * again.
 */
typedef struct swarm_breaker_spec {
    uint64_t open_ns;     /* default 30 s */
    uint32_t failure_ppm; /* 1 to 1,000,000; default 500,000 */
    uint32_t samples_min; /* default 8 */
} swarm_breaker_spec;

/* Switches the breakers of a backend and of all its agents on, with new values, or off (null, as
 * they are at first). Off closes those that failures have opened. STALE, INVALID. [owner] */
SWARM_API swarm_status swarm_breaker_set(swarm *sw, swarm_backend_id backend,
                                         const swarm_breaker_spec *spec);

/*
 * Closes the breakers of a backend and of its agents: the reason has gone. An attempt that ends
 * with the outcome QUOTA opens that of its backend, also without swarm_breaker_set, and only this
 * closes it. Until then the backend's steps go to other backends, or to their fallbacks; those that
 * can't are HELD, and a run that has nothing else to do is PAUSED. An attempt without quota is no
 * try: it is not counted. STALE; AGAIN as in swarm_run_open. [owner]
 */
SWARM_API swarm_status swarm_breaker_reset(swarm *sw, swarm_backend_id backend);

/* What a capability may allow besides tools and backends. */
enum {
    SWARM_MAY_ADD = 1,  /* a call step: to add steps */
    SWARM_MAY_SHARE = 2 /* to read and write state keys */
};

/*
 * What a step may do. Whatever a step adds has the same capability, or names one below it: masks
 * only shrink. Steps of the owner may have any; without one everything is allowed. All zero is to
 * compute, and nothing else.
 */
typedef struct swarm_capability_spec {
    swarm_capability parent; /* it may allow no more than this one; null: everything */
    uint64_t tools;          /* a bit each, the caller's: handed out with START */
    uint64_t backends;       /* bit i: the backend with id i + 1 */
    uint64_t keys_mask;      /* MAY_SHARE: keys with (key & keys_mask) == keys */
    uint64_t keys;           /* within keys_mask */
    uint32_t flags;          /* SWARM_MAY_* */
    uint32_t reserved;       /* 0 */
} swarm_capability_spec;

/* Adds a capability. Null handle: INVALID, STALE parent, DENIED (more than the parent), FULL
 * (capabilities_max). [owner] */
SWARM_API swarm_capability swarm_capability_add(swarm *sw, const swarm_capability_spec *spec);

/* What a call step sees. Read only, valid during the call. */
typedef struct swarm_call {
    swarm *sw;             /* the swarm, for [any] calls */
    swarm_step step;       /* this step */
    uint64_t argument;     /* its argument; for a range, the index at hand */
    uint32_t worker;       /* index of the worker that runs it */
    uint32_t inputs;       /* number of inputs for swarm_call_input */
    uint32_t iteration;    /* of a loop, from 1; else 0 */
    swarm_outcome outcome; /* of a recovery: how the step's last attempt ended; else OK */
} swarm_call;

/* A call step's function. Runs on any worker, for any step, in parallel with itself: the same
 * argument must give the same result, for a step may be run again after a resume. *out_value begins
 * as 0 and becomes the step's value when OK is returned. Anything but OK fails the step; PAUSE
 * makes one of swarm_step_add ask, see swarm_answer. */
typedef swarm_outcome swarm_call_function(void *context, const swarm_call *call,
                                          uint64_t *out_value);

/* Registers a function under a name; log and graph hash carry the name's digest. Null handle:
 * INVALID, DUPLICATE name, FULL (functions_max). [owner] */
SWARM_API swarm_function swarm_function_add(swarm *sw, const char *name,
                                            swarm_call_function *function, void *context);

/* ----------------------------------------------------------------------------------------- runs */

/* In which order ready agent steps are started: SWARM_ORDER_*. Higher `priority` first, then as
 * follows. Ways to an end of a plan lead through steps added by swarm_step_add only. */
enum {
    SWARM_ORDER_FIFO = 0, /* the step that became ready first */
    SWARM_ORDER_LIFO = 1, /* the step that became ready last */
    SWARM_ORDER_HOPS = 2, /* most steps on the longest way to an end of its plan, itself included;
                                then the smaller ordinal */
    SWARM_ORDER_CRITICAL = 3, /* largest b-level: estimate_ns and edge delays summed along the
                                 longest way to an end of its plan; then the smaller ordinal */
    SWARM_ORDER_KEY = 4,      /* smallest order_key; then the step that became ready first */
    SWARM_ORDER_KEY_ID = 5,   /* smallest order_key; then the smaller ordinal */
    SWARM_ORDER_DEADLINE = 6, /* as CRITICAL, and among runs the one whose step must start first to
                                 be in time: the smallest deadline_ns less b-level */
    SWARM_ORDER_PREFIX = 7, /* order_key names the prefix that the step's prompt shares with others,
                              as the steps of one agent's session do. First those whose prefix is
                              in some agent's cache when they become ready; then the step that
                              became ready first. The agent that holds it is preferred */
    SWARM_ORDER_SLACK = 8   /* as CRITICAL; and a step goes to a slower profile only if 1.3 times
                               its b-level with agents of that profile ends by deadline_ns, or, when
                               others have no room, its b-level does; by score among those. The
                               deadline is a wish: no plan is refused for it */
};

/* Flags of swarm_run_spec. */
enum {
    SWARM_RUN_GROWING = 1, /* takes plans until swarm_run_close; without it the run takes one */
    SWARM_RUN_DURABLE = 2  /* the owner's plans of plain call steps alone are in the log too, 15
                              bytes or so a step and 10 an edge: else the run can't be resumed if
                              there is such a plan. All others always are */
};

/* How fast call steps may add steps to a run, all of them together: a guard against plans that grow
 * out of each other without end. A plan that goes through dispatch and is over it is refused with
 * LIMIT. */
typedef struct swarm_spawn_spec {
    uint64_t steps;     /* during each period */
    uint64_t period_ns; /* default 60 s */
    uint64_t burst;     /* most at once; default `steps` */
} swarm_spawn_spec;

/* A run's options. */
typedef struct swarm_run_spec {
    uint64_t key;          /* the caller's name for it, for swarm_run_find; 0: none */
    uint64_t seed;         /* of the run's random streams; default: from config.seed and the run */
    uint64_t steps_max;    /* steps in the run's whole life; default SWARM_NEVER; plans of plain
                              call steps that workers link are not refused: the run is cancelled
                              when calls are quiet, and swarm_run_check says LIMIT */
    uint64_t attempts_max; /* attempts in the run's whole life; default SWARM_NEVER */
    uint32_t depth_max;    /* nesting of steps that add steps through dispatch; default 64 */
    uint32_t inflight_max; /* attempts of this run in flight at once, given-up ones, at which a
                              backend may still be, not counted; default SWARM_NONE */
    uint32_t order;        /* SWARM_ORDER_* */
    uint32_t flags;        /* SWARM_RUN_*, or 0 */
    const swarm_charge_spec *charge; /* of agent steps that have none; copied; null: none */
    swarm_tenant tenant;             /* null: the one that everybody has */
    uint64_t deadline_ns; /* time at which it should have ended; default never. A plan whose
                             estimates say that it can't is refused: TIMED_OUT */
    const swarm_spawn_spec *spawn; /* of a growing run; copied; null: as fast as they like */
} swarm_run_spec;

/* Opens a run. Null handle: INVALID, DUPLICATE key, FULL (runs_max), AGAIN (read out the log and
 * advance first). [owner] */
SWARM_API swarm_run swarm_run_open(swarm *sw, const swarm_run_spec *spec);

/* Promises that no more plans come from the owner; steps of the run may still add. The run ends
 * when it is closed and nothing of it is left to do. A static run is closed by its commit.
 * Closing twice is fine. STALE; AGAIN as in swarm_run_open. [owner] */
SWARM_API swarm_status swarm_run_close(swarm *sw, swarm_run run);

/* Cancels whatever has not ended, and closes the run, as swarm_step_cancel does. Attempts in flight
 * get a CANCEL request and keep agent and permits until they are answered or cancel_grace_ns has
 * passed; an answer within that time is billed and not used. A later one is STALE: not billed, and
 * a charge is booked as reserved. STALE; FULL (commands_max). [any] */
SWARM_API swarm_status swarm_run_cancel(swarm *sw, swarm_run run);

/* Starts a static run again, from the first step, without building it again. BUSY until it
 * ended, and until the RELEASE requests of its outputs have been taken; FROZEN for a growing
 * run; STALE, also when a branch that its steps work in is closed; AGAIN as in swarm_run_open. Its
 * handles stay valid; ordinals, hash, report and state start anew. [owner] */
SWARM_API swarm_status swarm_run_again(swarm *sw, swarm_run run);

/* Lets go of a run that has ended: its steps, outputs (RELEASE requests follow) and report. BUSY
 * while it goes on, one of its attempts is in flight, a plan for it is open, a worker has posted a
 * step of it that no round has seen, or a round waits for room in the log. STALE; AGAIN as in
 * swarm_run_open. [owner] */
SWARM_API swarm_status swarm_run_forget(swarm *sw, swarm_run run);

/* Raises or lowers a run's caps; what was admitted stays. 0 leaves a cap as it is,
 * SWARM_ZERO is 0. STALE; AGAIN as in swarm_run_open. [owner] */
SWARM_API swarm_status swarm_run_limits(swarm *sw, swarm_run run, uint64_t steps_max,
                                        uint64_t attempts_max);

/* The run with this key, or the null handle. [owner] */
SWARM_API swarm_run swarm_run_find(swarm *sw, uint64_t key);

/* States of a run. */
enum {
    SWARM_RUN_OPEN = 0,   /* takes plans */
    SWARM_RUN_CLOSED = 1, /* takes no more plans from the owner; goes on */
    SWARM_RUN_ENDED = 2,  /* every step is in a terminal state */
    SWARM_RUN_PAUSED = 3  /* closed or not: only an answer from outside, or quota, can move it */
};

/* A run's account: exact integers. Grows at the end. */
typedef struct swarm_run_report {
    uint64_t hash[2];        /* of the run's events so far; 0, 0 without a log */
    uint64_t start_ns;       /* time of the first applied plan */
    uint64_t end_ns;         /* time of the last end of a step */
    uint64_t steps;          /* admitted */
    uint64_t edges;          /* admitted, repeated ones counted once */
    uint64_t edges_repeated; /* repeated edges that were dropped */
    uint64_t ok;             /* steps by terminal state; the six add up to `steps` at the end */
    uint64_t failed;         /* no attempt went well */
    uint64_t timed_out;      /* a time limit */
    uint64_t cancelled;      /* by a cancel of the step, its subtree, its run or its agent */
    uint64_t skipped;        /* a step that it needs did not end OK */
    uint64_t budget;         /* no budget left */
    uint64_t attempts;       /* started */
    uint64_t retries;        /* attempts after the first of a step */
    uint64_t fenced;         /* superseded attempts that were answered, or whose grace is over */
    uint64_t running_ns;     /* sum over attempts from start to answer */
    uint64_t queued_ns;      /* sum over starts of the wait since the step became ready */
    swarm_usage usage;       /* summed over attempts, late ones included */
    uint32_t state;          /* SWARM_RUN_OPEN and following */
    uint32_t plan_version;   /* plans applied */
    uint64_t answers;        /* questions answered: interventions; reminders don't count */
    uint64_t hedges;         /* second attempts that were asked for */
} swarm_run_report;

/* Writes a run's account so far. STALE. [owner] */
SWARM_API swarm_status swarm_run_report_get(swarm *sw, swarm_run run, swarm_run_report *out_report);

/* OK when the run has ended, every step is in exactly one terminal state and the counts add up;
 * LIMIT when that is so, but workers had given it more steps than steps_max; AGAIN while something
 * can still move it; PAUSED when only answers can; STALLED, with the first waiting step in
 * *out_error, when nothing can. [owner] */
SWARM_API swarm_status swarm_run_check(swarm *sw, swarm_run run, swarm_error *out_error);

/* ---------------------------------------------------------------------------------------- state */

/*
 * STATE: 64-bit keys with 64-bit values that the steps of a run share: numbers, or your names for
 * things that stand elsewhere. Each write is a new VERSION of its key, a number that rises over the
 * whole run. A step declares the keys that it reads (`state` in swarm_step_spec) and gets their
 * values, all of one moment, with its start; what it writes travels with its completion, and is
 * applied whole or not at all when that ends the step well. If meanwhile somebody else wrote what
 * it builds upon, that is a CONFLICT, and the step's policy decides.
 *
 * A BRANCH is a view in which one or more steps can write without others seeing it, until it is
 * merged or dropped. Through a branch one reads what it wrote, and else what its parent holds now:
 * exactly what a merge would make, so an invariant is checked there first.
 */

/* A branch of a run's state. Null: the run's state itself. */
typedef struct swarm_branch {
    uint64_t id; /* slot and generation */
} swarm_branch;

/* What a step may assume when it ends well: SWARM_ISOLATION_*. */
enum {
    SWARM_ISOLATION_SNAPSHOT = 0,     /* nobody wrote, since its start, a key that it writes; two
                                         steps may still each read what the other one writes */
    SWARM_ISOLATION_SERIALIZABLE = 1, /* nor one that it reads: the result is that of some order in
                                         which the steps ran one after the other */
    SWARM_ISOLATION_NONE = 2          /* nothing: the last one to end wins */
};

/* What happens to a step in conflict: SWARM_CONFLICT_*. The log names both writers always. */
enum {
    SWARM_CONFLICT_FAIL = 0,       /* it ends FAILED with the reason CONFLICT */
    SWARM_CONFLICT_RETRY = 1,      /* an agent step is tried again under its retry rules, with the
                                      new values; without an attempt left it fails as above */
    SWARM_CONFLICT_LAST_WRITER = 2 /* it ends OK, and what it writes is applied over the other's */
};

/* What a step reads, and how it competes. */
typedef struct swarm_state_spec {
    const uint64_t *reads; /* keys, for swarm_state_input; may be null */
    swarm_branch branch;   /* through which it reads and writes; null: the run's state */
    uint32_t reads_count;  /* keys at `reads`, at most 64 */
    uint32_t isolation;    /* SWARM_ISOLATION_* */
    uint32_t on_conflict;  /* SWARM_CONFLICT_*; RETRY is for agent steps */
    uint32_t reserved;     /* 0 */
} swarm_state_spec;

/* A key as it stands. */
typedef struct swarm_state_value {
    uint64_t key;     /* the caller's name */
    uint64_t value;   /* 0 when it was never written */
    uint64_t version; /* 0 when it was never written */
    uint64_t writer;  /* 1 + ordinal of the step that wrote it; 0: the owner, or nobody */
} swarm_state_value;

/* Kinds of effect. */
enum {
    SWARM_EFFECT_PUT = 1,     /* writes `value` under `key` */
    SWARM_EFFECT_NOTE = 2,    /* appends an entry to the notebook of the agent that did the step */
    SWARM_EFFECT_CONCLUDE = 3 /* hands on what others are to know of it */
};

/* What a step does besides producing a result. Applied when it ends OK, dropped otherwise. */
typedef struct swarm_effect {
    uint64_t key;      /* PUT: which; else the caller's, for instance a topic */
    uint64_t value;    /* PUT: the new value; else the caller's name for the text */
    uint64_t bytes;    /* of the text, below 2^48; PUT: 0 */
    uint64_t tokens;   /* of the text, below 2^48; PUT: 0 */
    uint32_t kind;     /* SWARM_EFFECT_* */
    uint32_t reserved; /* 0 */
} swarm_effect;

/*
 * NOTEBOOKS: each agent keeps its own. The text is yours; the library keeps the account of what an
 * agent carries around in its context: notes are appended and never taken away, conclusions are
 * what leaves. Caps stand in the profile (notebook_tokens_max, conclusion_bytes_max). A step whose
 * effects would go over a cap ends FAILED with the reason TOO_BIG, and nothing of them is applied:
 * shorten and try again, for instance by a recovery that summarises.
 */
typedef struct swarm_notebook {
    uint64_t entries;          /* notes */
    uint64_t bytes;            /* of them */
    uint64_t tokens;           /* of them: the context that the agent has used up */
    uint64_t conclusions;      /* handed on */
    uint64_t conclusion_bytes; /* of them */
} swarm_notebook;

/* Writes an agent's account so far. STALE. [owner] */
SWARM_API swarm_status swarm_notebook_get(swarm *sw, swarm_agent agent,
                                          swarm_notebook *out_notebook);

/* Reads a key. MISSING when it was never written; STALE run or branch. [owner] */
SWARM_API swarm_status swarm_state_get(swarm *sw, swarm_run run, swarm_branch branch, uint64_t key,
                                       swarm_state_value *out_value);

/* Writes value->value under value->key, if the key still has version value->version (0: was never
 * written): what swarm_state_get wrote, with another value. On OK *value has the new version.
 * CONFLICT: it has another version by now; FULL (states_max); STALE run or branch; AGAIN as in
 * swarm_run_open. [owner] */
SWARM_API swarm_status swarm_state_put(swarm *sw, swarm_run run, swarm_branch branch,
                                       swarm_state_value *value);

/* Key `index` of those that a started step reads, as it was at its start. STALE; INVALID index, or
 * a step without `state`. [any], between the START request and its answer, and in a running call
 * step */
SWARM_API swarm_status swarm_state_input(swarm *sw, swarm_step step, uint32_t index,
                                         swarm_state_value *out_value);

/* Opens a branch of the run's state, or of another branch. Null handle: STALE run or parent, FULL
 * (branches_max). [owner] */
SWARM_API swarm_branch swarm_branch_open(swarm *sw, swarm_run run, swarm_branch parent);

/* Writes what the branch holds into its parent and closes it. CONFLICT, with nothing changed, when
 * the parent got keys of it after the branch was opened: the first `max` of these, as they stand in
 * the parent, are written to `conflicts` (may be null), their number to *out_count (may be null).
 * BUSY: it has branches of its own, or a step that uses it has not ended; FULL (states_max); STALE;
 * AGAIN as in swarm_run_open, or when the log can't take so many writes at once. [owner] */
SWARM_API swarm_status swarm_branch_merge(swarm *sw, swarm_branch branch,
                                          swarm_state_value *conflicts, uint32_t max,
                                          uint32_t *out_count);

/* Closes a branch and forgets what it holds. BUSY as above; STALE. [owner] */
SWARM_API swarm_status swarm_branch_drop(swarm *sw, swarm_branch branch);

/* ---------------------------------------------------------------------------------------- plans */

/* Opens the owner's plan for a run. Never null for a swarm that is not null: what is wrong (a stale
 * run, FROZEN) is kept and reported by the commit. There is one owner's plan: opening another while
 * it is open returns the same one, spoilt: its commit says BUSY. Null without the turn.
 * [owner] */
SWARM_API swarm_plan *swarm_plan_open(swarm *sw, swarm_run run);

/* The plan that belongs to the running call step: applied when the function returns OK, dropped
 * otherwise. Handles of its steps are for use within the plan, unless a step is added with
 * SWARM_STEP_KEPT. Always the same one during a call. Null, with the step ending GARBAGE, in a
 * static run or when plans_max is reached. [call] */
SWARM_API swarm_plan *swarm_call_plan(const swarm_call *call);

/*
 * When a failed attempt is followed by another one. TRANSIENT, GARBAGE, LOST and TIMED_OUT attempts
 * are; TERMINAL and CANCELLED ones are not; THROTTLED, REFUSED and QUOTA ones are started again
 * when the backend may be used again, or by another, and do not count. Attempt n + 1 begins
 * min(backoff_ns * 2^(n-1), backoff_max_ns) * (1 + u) after the end of attempt n, u drawn evenly
 * from -jitter_ppm..+jitter_ppm millionths.
 */
typedef struct swarm_retry {
    uint64_t backoff_ns;     /* default 1 s; SWARM_ZERO: at once */
    uint64_t backoff_max_ns; /* default 60 s */
    uint32_t attempts_max;   /* counted attempts in all; default 1: no retry */
    uint32_t jitter_ppm;     /* at most 1,000,000; default 0 */
} swarm_retry;

/* Stages of a recovery, in the order in which they are entered; none is entered again. */
enum {
    SWARM_RECOVERY_NONE = 0,       /* the step fails */
    SWARM_RECOVERY_RETRY = 1,      /* as swarm_retry says */
    SWARM_RECOVERY_REASSIGN = 2,   /* an agent that has not failed the step does it */
    SWARM_RECOVERY_SPLIT = 3,      /* a function adds smaller steps in its place */
    SWARM_RECOVERY_REGENERATE = 4, /* a function has the step planned anew, in its place */
    SWARM_RECOVERY_FALLBACK = 5,   /* another profile does it */
    SWARM_RECOVERY_VALUE = 6       /* the step ends OK with a given value */
};

/* Another profile for a step, whatever skills the step requires. */
typedef struct swarm_fallback {
    swarm_profile profile;           /* whose agents do it */
    const swarm_charge_spec *charge; /* what an attempt there reserves; null: as the step's */
    uint32_t attempts_max;           /* attempts there; default 1 */
    uint32_t reserved;               /* 0 */
} swarm_fallback;

/* Flags of swarm_recovery_spec. */
enum {
    SWARM_RECOVERY_ENDS_VALUE = 1, /* last of all the step ends OK with `value` */
    SWARM_RECOVERY_KEEPS_LAST = 2  /* what nothing follows is accepted although it is not confident
                                      enough for the watch: see SWARM_INFO_LOW_CONFIDENCE */
};

/*
 * What follows a failed attempt when retries are used up or would not help. How it ended decides:
 *
 *     TRANSIENT, LOST                RETRY, REASSIGN, FALLBACK, VALUE
 *     GARBAGE, TIMED_OUT             RETRY, REASSIGN, SPLIT, REGENERATE, FALLBACK, VALUE
 *     TERMINAL                       REASSIGN, SPLIT, REGENERATE, FALLBACK, VALUE
 *     no agent, no budget, no quota  FALLBACK, VALUE
 *
 * Each decision is one event. Each attempt is told how the one before ended (`outcome` in its
 * START); what comes late from an earlier one is billed and not used. The first attempts of
 * REASSIGN and of each fallback begin at once.
 *
 * SPLIT and REGENERATE call a function in place of the step, with its argument and inputs;
 * `outcome` of its swarm_call says how the last attempt ended. What it or the continuation of its
 * plan produces is the step's result, so the same steps wait for it; if that does not end OK, the
 * next stage follows. The run must be growing, and the function lends no bytes.
 *
 * A CASCADE is a step for a cheap profile, with dearer ones as fallbacks, confidence_min_ppm in its
 * watch, and KEEPS_LAST.
 */
typedef struct swarm_recovery_spec {
    const swarm_fallback *fallbacks; /* FALLBACK: one after the other; may be null */
    swarm_function split;            /* SPLIT; null: none */
    swarm_function regenerate;       /* REGENERATE; null: none */
    uint64_t value;                  /* for ENDS_VALUE */
    uint32_t fallbacks_count;        /* entries at `fallbacks`, at most 4 */
    uint32_t reassign_max;           /* REASSIGN: attempts, at most 16; default none */
    uint32_t flags;                  /* SWARM_RECOVERY_ENDS_VALUE or KEEPS_LAST, or 0 */
    uint32_t reserved;               /* 0 */
} swarm_recovery_spec;

/* Detectors: what watches over a step and its attempts. */
enum {
    SWARM_DETECT_NONE = 0,      /* none of them */
    SWARM_DETECT_QUEUE = 1,     /* it waited too long for a start; ns */
    SWARM_DETECT_RUN = 2,       /* the attempt ran too long; ns */
    SWARM_DETECT_IDLE = 3,      /* the attempt made no progress for too long; ns */
    SWARM_DETECT_DEADLINE = 4,  /* the step has not ended in time; ns */
    SWARM_DETECT_LATE = 5,      /* the attempt will run too long if it goes on like this; ns */
    SWARM_DETECT_REPEAT = 6,    /* the attempt said the same thing too often; times */
    SWARM_DETECT_VALIDATOR = 7, /* the output was refused; what was asked of it */
    SWARM_DETECT_RATE = 8,      /* too few tokens came; thousandths a second */
    SWARM_DETECT_ANSWER = 10,   /* nobody answered in time; ns */
    SWARM_DETECT_LEASE = 9      /* the agent gave no sign of life for too long; ns */
};

/* What a detector does when it fires. */
enum {
    SWARM_ACTION_NOTE = 1,    /* an event, nothing else */
    SWARM_ACTION_GIVE_UP = 2, /* the attempt is given up, and counts as failed: see swarm_retry */
    SWARM_ACTION_END = 3,     /* the step ends, TIMED_OUT */
    SWARM_ACTION_HEDGE = 4,   /* a second attempt is started */
    SWARM_ACTION_SKIP = 5,    /* the step ends, SKIPPED */
    SWARM_ACTION_FALLBACK = 6 /* the step goes on with its fallback */
};

/*
 * Detectors of an agent step, each off unless it is set, each on its own. All of them count from
 * the start of an attempt or from its last swarm_progress: time that a step was queued or held is
 * never counted as running. Each fires once an attempt, in the first round at or after its
 * threshold, with one DETECT event. An attempt that answers in the same instant wins. With a watch,
 * queue_timeout_ns and run_timeout_ns of the step are detectors too.
 */
typedef struct swarm_watch_spec {
    uint64_t idle_timeout_ns; /* IDLE: longest time without progress; the attempt is TIMED_OUT */
    uint64_t lease_ns;        /* LEASE: the same, but the agent counts as gone: LOST */
    uint64_t deadline_ns;     /* DEADLINE: longest time from when the step first became ready to
                                 its end, all waits and attempts included */
    uint64_t late_ns;         /* LATE: longest estimated running time. Fires while the attempt still
                                 runs; only a note, unless the step has a hedge */
    uint64_t tokens_expected; /* LATE: output tokens of a whole attempt; must be set with late_ns */
    uint64_t rate_min_milli;  /* RATE: fewest thousandths of a token a second; TIMED_OUT */
    uint64_t rate_window_ns;  /* RATE: measured once, over this time from the first token on;
                                 default 10 s */
    uint64_t size_min;        /* VALIDATOR: fewest bytes of an OK result; GARBAGE */
    uint32_t confidence_min_ppm; /* VALIDATOR: least confidence of an OK result; GARBAGE */
    uint32_t repeat_max;         /* REPEAT: pieces in a row with the same digest, 2 to 255, that are
                                    too many; GARBAGE */
    uint32_t notes;              /* bit SWARM_DETECT_x: that one only writes its event */
    uint32_t reserved;           /* 0 */
} swarm_watch_spec;

/*
 * A second attempt of an agent step that takes long: the first OK wins, the other one is cancelled,
 * billed and fenced in the same round. It starts as soon as an agent, permits and budget are free,
 * once a try, and is no retry: attempts_max does not count it. An attempt that fails while its
 * rival goes on is forgotten.
 */
typedef struct swarm_hedge_spec {
    uint64_t after_ns;      /* running time after which it starts; default: learned */
    uint32_t quantile_ppm;  /* learned: this quantile of the running times of OK attempts of the
                               first one's profile; default 950,000 */
    uint32_t samples_min;   /* learned: no hedge before so many of them; default 20 */
    uint32_t share_max_ppm; /* hedges of the run, at most, to its steps that have begun; default
                               100,000; at most 1,000,000 */
    uint32_t reserved;      /* 0 */
} swarm_hedge_spec;

/* What decides a vote in which no class can reach the quorum any more. */
enum {
    SWARM_TIE_NONE = 0,  /* nothing: the step ends FAILED, NO_QUORUM */
    SWARM_TIE_FIRST = 1, /* the class with most votes; of equal ones that of the earliest attempt */
    SWARM_TIE_BEST = 2   /* the result with the highest confidence; then the earliest attempt */
};

/* Flags of swarm_vote_spec; the first two in `distinct`. */
enum {
    SWARM_VOTE_AGENTS = 1,   /* each attempt with another agent */
    SWARM_VOTE_BACKENDS = 2, /* each attempt with another backend */
    SWARM_VOTE_ALL = 1       /* flags: wait for all, also when the quorum is there */
};

/*
 * `count` attempts of one agent step, of which `quorum` must agree: equal digests, or, without
 * digests, equal values. Decided in the round in which a class has the quorum or none can reach it
 * any more; what is still in flight is cancelled in that round, billed and never counted. The
 * result is that of the earliest attempt of the class. Attempts that fail, or for which there is no
 * agent, count against `count`; they are not tried again. A count of 1 is a plain step. A step with
 * `state` can't be put to the vote: ballots write nothing.
 */
typedef struct swarm_vote_spec {
    uint32_t count;     /* 1 to 16 */
    uint32_t quorum;    /* 1 to count */
    uint32_t start;     /* that many at once, the rest one at a time while undecided; default all */
    uint32_t distinct;  /* SWARM_VOTE_AGENTS, SWARM_VOTE_BACKENDS, both or 0 */
    uint32_t tie_break; /* SWARM_TIE_NONE and following */
    uint32_t flags;     /* SWARM_VOTE_ALL, or 0 */
} swarm_vote_spec;

/* What becomes of a question that nobody answered in time. */
enum {
    SWARM_ASK_FAIL = 0, /* the step ends TIMED_OUT */
    SWARM_ASK_SKIP = 1, /* the step ends SKIPPED */
    SWARM_ASK_VALUE = 2 /* the step ends OK with `value` */
};

/*
 * How a step asks. With a `kind` the step is itself a question: it needs no agent, is asked when it
 * becomes ready, and the answer is its result. Without, the options are for what its attempts ask
 * with the outcome PAUSE. Either way it is HELD until swarm_answer: its time does not run.
 * Deadline and reminders count open hours only: of each day_ns, counted from time 0, those from
 * open_ns to close_ns; over midnight when close_ns is the smaller one, always when they are equal.
 */
typedef struct swarm_ask_spec {
    uint64_t timeout_ns;  /* longest open time without an answer; default SWARM_NEVER */
    uint64_t reminder_ns; /* asked again after this much open time, over and over; default never */
    uint64_t day_ns;      /* default 24 h */
    uint64_t open_ns;     /* of the day, below day_ns */
    uint64_t close_ns;    /* of the day, below day_ns */
    uint64_t value;       /* for SWARM_ASK_VALUE */
    uint32_t kind;        /* SWARM_ASK_*, but not PAUSE; 0: the step is no question */
    uint32_t on_timeout;  /* SWARM_ASK_FAIL and following */
} swarm_ask_spec;

/* Units of a permit that a step holds while an attempt of it is in flight. */
typedef struct swarm_need {
    swarm_permit permit; /* which */
    uint64_t units;      /* at least 1, at most the capacity */
} swarm_need;

/* Conditions on the result of a step that ended OK: of an edge, which is taken when it holds (one
 * that is not taken is, to its successor, a predecessor that was skipped), or of a loop. */
enum {
    SWARM_WHEN_ALWAYS = 0,   /* without a condition */
    SWARM_WHEN_BRANCH = 1,   /* the result's branch equals `value` */
    SWARM_WHEN_CONFIDENT = 2 /* the result's confidence_ppm is at least `value` */
};

/* Flags of swarm_join_spec. */
enum {
    SWARM_JOIN_CANCEL_LOSERS = 1 /* what it waited for and has not ended when it goes on, or fails,
                                    is cancelled with what it added, whoever else waits for it */
};

/*
 * A step that waits for some of its predecessors: it starts in the instant in which the `need`-th
 * of them ends OK, and what ends later changes nothing. It FAILS, with the reason DEPENDS, as soon
 * as too many have not ended OK for that, or more than `failed_max` failed, or more than
 * `garbage_max` ended GARBAGE; skipped and cancelled ones are neither. Its predecessors are steps
 * of swarm_step_add (INVALID otherwise). All of them are its inputs, as with SWARM_STEP_INPUTS;
 * those that did not count are holes (see swarm_input). With `need` 0, or without predecessors and
 * the default, it starts at once. More than there are predecessors: INVALID, by the commit.
 */
typedef struct swarm_join_spec {
    uint32_t need;        /* default all of them; SWARM_ZERO32: none */
    uint32_t failed_max;  /* failed and timed-out ones it can bear; default SWARM_NONE: any number;
                             SWARM_ZERO32: none */
    uint32_t garbage_max; /* the same for outcome GARBAGE */
    uint32_t flags;       /* SWARM_JOIN_*, or 0 */
} swarm_join_spec;

/*
 * A step that is not needed when others are sure enough. When it could start, and every one of its
 * inputs that is no hole carries at least this confidence, it is SKIPPED, with the reason OK; a
 * predecessor that says nothing of its confidence has 0. Its successors do what their edges say of
 * a skipped predecessor. One that needs it strictly (a plain edge, or a rule that cascades) is
 * refused with DEPENDS when both are of one plan; if it is added later, the step is not skipped.
 * Lists its inputs, as with SWARM_STEP_INPUTS.
 */
typedef struct swarm_skip_spec {
    uint32_t confidence_ppm; /* 1..1,000,000 */
    uint32_t reserved;       /* 0 */
} swarm_skip_spec;

/*
 * A step that is done again until its result says that it is enough, or `iterations_max` times:
 * then it ends OK all the same, with the reason LIMIT and the last result. Only an iteration that
 * ends OK is followed by another; attempts and retries begin anew in each, with a higher epoch.
 * From the second on there is one more input, the last: the result before, without its bytes, which
 * are released as soon as the next one begins. A call step's iteration ends with its continuation,
 * so the body of a loop may be a whole plan; a call step in a loop lends no bytes, and takes none
 * over from a continuation.
 */
typedef struct swarm_loop_spec {
    uint32_t iterations_max; /* at least 1 */
    uint32_t until;    /* SWARM_WHEN_*: it is enough; ALWAYS: never, all iterations are done */
    uint32_t value;    /* for `until` */
    uint32_t reserved; /* 0 */
} swarm_loop_spec;

/* Flags of swarm_step_spec. */
enum {
    SWARM_STEP_INPUTS = 1, /* lists its predecessors: swarm_input and swarm_call_input work */
    SWARM_STEP_DETACHED =
        2,               /* the owner lets go at once: the slot is free when the step has ended */
    SWARM_STEP_KEPT = 4, /* for steps added by a call step, which are detached without it */
    SWARM_STEP_OPEN = 8  /* edges of later plans may lead into it until it starts; needs
                            SWARM_CONFIG_LATE_EDGES, a growing run, and predecessors that were added
                            by swarm_step_add */
};

/* A step with options: an agent step, or, with a function, a call step that dispatch keeps track
 * of. */
typedef struct swarm_step_spec {
    const void *payload;         /* opaque; see MEMORY above for how long it is borrowed */
    size_t payload_size;         /* in bytes; 0: the backend knows, as with a C string */
    const char *const *skills;   /* all of them are required; profiles may name them later, but of
                                  names that no profile has named yet only 256 - skills_max are
                                  remembered: a step with one more ends NO_AGENT; may be null */
    const swarm_need *needs;     /* permits; may be null */
    swarm_agent agent;           /* this agent and no other; null: any that fits */
    swarm_capability capability; /* what it may do; null: what whoever adds it may do. One that he
                                    does not have, an agent step without a backend, or a key in
                                    `reads` outside of it: DENIED. A put outside: it ends FAILED */
    swarm_function function; /* null: an agent step; else a call step (no skills, needs, agent) */
    uint64_t argument;       /* for the function, or handed to the backend */
    uint64_t key;            /* the caller's name for it, unique in its run; 0: none */
    uint64_t order_key;      /* for SWARM_ORDER_KEY, KEY_ID and PREFIX; for CRITICAL and DEADLINE
                                  a label of the kind of step, or 0 */
    uint64_t estimate_ns;    /* expected running time, for SWARM_ORDER_CRITICAL and DEADLINE;
                                  default, of an agent step with a label: the mean over attempts
                                  with it that ended OK, in runs of these orders, with profiles
                                  that fit, before its plan is applied; 1 if there are none */
    uint64_t task; /* digest of what an agent is asked to do; 0: none. A call step that adds a step
                      with a task which is being delegated above it, and the same requirements, has
                      its plan refused: CYCLE. What it expands are its inputs, see INPUTS */
    uint64_t queue_timeout_ns;   /* longest wait from ready to start; default SWARM_NEVER */
    uint64_t run_timeout_ns;     /* longest time that one attempt runs; default SWARM_NEVER */
    swarm_retry retry;           /* agent steps only */
    const swarm_join_spec *join; /* null: all its predecessors, and all must end OK */
    const swarm_skip_spec *skip; /* null: never skipped by itself */
    const swarm_loop_spec *loop; /* null: done once */
    /* What an attempt reserves of a budget; null: the run's. Agent steps only. */
    const swarm_charge_spec *charge;
    const swarm_watch_spec *watch; /* detectors; null: none. Agent steps only */
    const swarm_ask_spec *ask;     /* how it asks; null: see swarm_answer. Agent steps only */
    const swarm_hedge_spec *hedge; /* second attempts; null: none. Agent steps only */
    const swarm_state_spec *state; /* keys that it reads and writes; null: none */
    const swarm_vote_spec *vote;   /* votes; null: none. Agent steps only, without hedge or retry */
    /* What follows when it fails; null: nothing. Agent steps only, without vote. */
    const swarm_recovery_spec *recovery;
    uint32_t skills_count; /* names at `skills`; 0: it requires none */
    uint32_t needs_count;  /* entries at `needs`, at most 8; 0: it needs none */
    uint32_t priority;     /* 0..255; larger goes first, before the run's order; default 0 */
    uint32_t flags;        /* SWARM_STEP_*, or 0 */
} swarm_step_spec;

/* Adds a step. One that nobody in service can do when its turn comes ends FAILED with the reason
 * NO_AGENT; the commit does not refuse it. Null handle when refused; the plan keeps its first
 * error. INVALID, MISSING (function, permit), DUPLICATE key, FULL (steps_max, tracked_max,
 * demands_max, shapes_max), LIMIT, STALE agent. Whoever fills the plan: [owner] or [call]. */
SWARM_API swarm_step swarm_step_add(swarm_plan *plan, const swarm_step_spec *spec);

/* Adds a plain call step: the fast way. Null handle when refused. [owner] or [call] */
SWARM_API swarm_step swarm_call_add(swarm_plan *plan, swarm_function function, uint64_t argument);

/* Adds one step that calls the function for each of `count` arguments from `first`, in any
 * order, on all workers that are free; the step has ended when the last call has. Its value is
 * the sum of the calls' values, modulo 2^64. It fails with the outcome of the smallest argument
 * that failed. [owner] or [call] */
SWARM_API swarm_step swarm_range_add(swarm_plan *plan, swarm_function function, uint64_t first,
                                     uint64_t count);

/*
 * Adds an edge: `to` starts only after `from` has ended OK, and delay_ns later (0 means a plain
 * edge, SWARM_ZERO a timer of 0 ns, which fires after all completions of its instant; an edge with
 * a delay joins two steps that were added by swarm_step_add, else INVALID). `from` may be a step of
 * an earlier plan of the same growing run, ended or not; `to` must be a step of this plan (else
 * FROZEN, or STARTED when it has ended), or an OPEN one of an earlier plan that has not begun (else
 * STARTED, by the commit; its errors name the steps by their ordinals in the run). A repeated edge
 * counts once. If `from` ends otherwise than OK, `to` is SKIPPED. INVALID, STALE, CYCLE for a
 * self-edge (longer ones are told by the commit), FULL (edges_max, delays_max, inputs_max). The
 * status is that of the plan's first error. [owner] or [call]
 */
SWARM_API swarm_status swarm_edge_add(swarm_plan *plan, swarm_step from, swarm_step to,
                                      uint64_t delay_ns);

/* Kinds of edge. */
enum {
    SWARM_EDGE_DATA = 0,    /* `to` waits, and reads the result if it lists its inputs */
    SWARM_EDGE_CONTROL = 1, /* `to` waits, and does not read (a join reads all the same) */
    SWARM_EDGE_SOFT = 2     /* order only: however `from` ends, `to` goes on, and does not read */
};

/* What `to` does when `from` failed, or was skipped. */
enum {
    SWARM_EDGE_CASCADE = 0, /* it is skipped; to a join it is one less */
    SWARM_EDGE_AS_OK = 1,   /* goes on; reads an empty result; to a join it counts as OK */
    SWARM_EDGE_HOLE = 2     /* goes on; its input is a hole (see swarm_input); to a join it is
                               missing, and not a failure */
};

/* An edge with rules of its own. */
typedef struct swarm_edge_spec {
    uint64_t delay_ns;   /* as in swarm_edge_add */
    uint32_t kind;       /* SWARM_EDGE_DATA and following; SOFT has no other rules, and leads into
                            no join */
    uint32_t when;       /* SWARM_WHEN_* */
    uint32_t value;      /* for it; a confidence is at most 1,000,000 */
    uint32_t on_failure; /* `from` FAILED, TIMED_OUT or CANCELLED, or had no BUDGET:
                            SWARM_EDGE_CASCADE and following */
    uint32_t on_skip;    /* `from` was SKIPPED, or the edge is not taken: the same */
    uint32_t reserved;   /* 0 */
} swarm_edge_spec;

/* Adds an edge with rules between two steps that were added by swarm_step_add. Of several edges
 * between the same steps the first that has rules counts, with the longest delay. A null spec is
 * a plain edge. Errors as for swarm_edge_add; INVALID also for rules that contradict each other.
 * [owner] or [call] */
SWARM_API swarm_status swarm_edge_add_with(swarm_plan *plan, swarm_step from, swarm_step to,
                                           const swarm_edge_spec *spec);

/*
 * Makes `step`, of this call's own plan, the continuation of the calling step: whoever waits for
 * the caller waits for it, and reads its output as the caller's. The caller's own value is not
 * used, and the bytes are to be read there, not at the continuation. It may have no edges going
 * out, and the plan no edges from unfinished older steps. Once a plan. INVALID, STALE. [call]
 */
SWARM_API swarm_status swarm_plan_continue(swarm_plan *plan, swarm_step step);

/* Applies the plan: all of it, or nothing and the first error in *out_error (may be null; OK says
 * so there). Either way the plan is gone. An empty plan changes nothing, but it is a static run's
 * plan, which then ends. FROZEN when its run was closed or cancelled meanwhile. AGAIN, the plan
 * kept, when the log's ring has no room, or a round waits for room: read it out, advance and call
 * again. INVALID for null, a plan that is gone, and a call step's, which is committed by its
 * return. [owner] */
SWARM_API swarm_status swarm_plan_commit(swarm_plan *plan, swarm_error *out_error);

/* Gives the plan up. INVALID as for swarm_plan_commit. [owner] */
SWARM_API swarm_status swarm_plan_drop(swarm_plan *plan);

/* ---------------------------------------------------------------------------- steps from
 * outside */

/* States of a step. */
enum {
    SWARM_STEP_PENDING = 0,   /* waits for other steps */
    SWARM_STEP_READY = 1,     /* waits for an agent or a worker */
    SWARM_STEP_HELD = 2,      /* waits for something else: see swarm_step_info.held */
    SWARM_STEP_RUNNING = 3,   /* an attempt is in flight */
    SWARM_STEP_OK = 4,        /* terminal, like all that follow */
    SWARM_STEP_FAILED = 5,    /* the last attempt failed */
    SWARM_STEP_TIMED_OUT = 6, /* a time limit */
    SWARM_STEP_CANCELLED = 7, /* on request */
    SWARM_STEP_SKIPPED = 8,   /* a step that it needs did not end OK */
    SWARM_STEP_BUDGET = 9     /* no budget left */
};

/* The word for a SWARM_STEP_* of these, in small letters: "skipped"; "unknown". Never null; static.
 * [pure] */
SWARM_API const char *swarm_step_state_text(uint32_t state);
/* Why a step is HELD. */
enum {
    SWARM_HELD_NONE = 0,    /* it is not */
    SWARM_HELD_BACKOFF = 1, /* until the time of its next attempt */
    SWARM_HELD_ANSWER = 2,  /* until somebody answers its question */
    SWARM_HELD_BREAKER = 3, /* it is ready, and all who fit are behind a breaker, for a while */
    SWARM_HELD_QUOTA = 4    /* the same, and their accounts are exhausted */
};

/* What is special about a step's result. */
enum {
    SWARM_INFO_ANSWERED = 1,      /* it was given as the answer to a question of the step */
    SWARM_INFO_FALLBACK = 2,      /* a fallback did it, or it is the value given for that */
    SWARM_INFO_LOW_CONFIDENCE = 4 /* its confidence is below confidence_min_ppm of the watch */
};

/* What is known of a step. */
typedef struct swarm_step_info {
    swarm_result result;      /* when OK: its output; bytes are valid until it is forgotten */
    swarm_agent agent;        /* of the last attempt; null for call steps */
    uint64_t ordinal;         /* in its run; SWARM_NEVER for a step that dispatch has not seen */
    uint64_t ready_ns;        /* when it last became ready */
    uint64_t start_ns;        /* when its last attempt started */
    uint64_t end_ns;          /* when it ended */
    uint32_t state;           /* SWARM_STEP_PENDING and following */
    swarm_status reason;      /* why it is FAILED, TIMED_OUT or SKIPPED; OK otherwise */
    uint32_t attempts;        /* counted ones */
    swarm_outcome outcome;    /* of the last attempt or call */
    swarm_status plan_status; /* why the plan that a call step brought was refused, which made it
                                 end FAILED; OK otherwise */
    uint32_t plan_index;      /* then: index of the operation at fault, or SWARM_NONE; else 0 */
    uint32_t held;            /* SWARM_HELD_* */
    uint32_t flags;           /* SWARM_INFO_* */
} swarm_step_info;

/* Writes what is known of a step; times and attempts are 0 for plain call steps. STALE. [owner] */
SWARM_API swarm_status swarm_step_status(swarm *sw, swarm_step step, swarm_step_info *out_info);

/* The step of a run with this key, or the null handle. What a call step added is let go of when it
 * ends, and found no more, unless it is KEPT. [owner] */
SWARM_API swarm_step swarm_step_find(swarm *sw, swarm_run run, uint64_t key);

/* Lets go of a step of a growing run: its slot returns to the pool when it has ended and nobody
 * reads it. The handle is stale from then on. STALE, FROZEN for a static run. [owner] */
SWARM_API swarm_status swarm_step_forget(swarm *sw, swarm_step step);

/* Result of input `index` of a started step that was added with SWARM_STEP_INPUTS: its predecessors
 * in the order of their ordinals, those of its own plan last. INVALID index, STALE. An input may be
 * a hole: then the status is the reason, and nothing is written: FAILED, GARBAGE, TIMED_OUT,
 * DEPENDS and what else the predecessor ended with; FENCED when it was cancelled, or had not ended
 * when the join went on. [any], between the START request and its answer */
SWARM_API swarm_status swarm_input(swarm *sw, swarm_step step, uint32_t index,
                                   swarm_result *out_result);

/* The same for the running call step. [call] */
SWARM_API swarm_status swarm_call_input(const swarm_call *call, uint32_t index,
                                        swarm_result *out_result);

/* Adds effects to the running call step, which must have been added with `state` (UNSUPPORTED
 * otherwise): applied if it ends OK. INVALID; LIMIT: more than 32 in a call; FULL (effects_max).
 * [call] */
SWARM_API swarm_status swarm_call_effects(const swarm_call *call, const swarm_effect *effects,
                                          uint32_t count);

/* Sets the whole result of the running call step, which must have been added by swarm_step_add
 * (UNSUPPORTED otherwise, and for bytes in a loop); `result->value` is then used instead of
 * *out_value. The RELEASE of its bytes carries the null backend: swarm_drive has nobody to hand it
 * to, who takes requests himself sees it. [call] */
SWARM_API swarm_status swarm_call_output(const swarm_call *call, const swarm_result *result);

/* True when the running call step has been cancelled and should return soon. [call] */
SWARM_API bool swarm_call_cancelled(const swarm_call *call);

/*
 * Cancel, by noun: a step; a step (of swarm_step_add) and all that it, or what it added, has added;
 * the attempts of an agent, whose steps are tried again elsewhere under their retry rules, as if
 * LOST. The cancel is applied by the next round, where a completion of the same instant wins over
 * it; between its return and that round no attempt is started. Idempotent: what has ended stays
 * as it is. Attempts in flight are handled as in swarm_run_cancel. STALE, also for a step whose
 * plan is not applied yet; FULL (commands_max). [any]
 */
SWARM_API swarm_status swarm_step_cancel(swarm *sw, swarm_step step);

/* See swarm_step_cancel. [any] */
SWARM_API swarm_status swarm_subtree_cancel(swarm *sw, swarm_step step);

/* See swarm_step_cancel. [any] */
SWARM_API swarm_status swarm_agent_cancel(swarm *sw, swarm_agent agent);

/*
 * Skips a step that has not started: it ends SKIPPED, with the reason OK, and its successors do
 * what their edges say of that. One that is running is cancelled instead. DEPENDS, and nothing
 * happens, when some step needs it strictly (see swarm_skip_spec); STARTED when it has ended;
 * INVALID for a step that was not added by swarm_step_add; STALE, also for a step whose plan is not
 * applied yet; AGAIN as in swarm_run_open. [owner]
 */
SWARM_API swarm_status swarm_step_skip(swarm *sw, swarm_step step);

/* ---------------------------------------------------------------------------- the turn, driving */

/*
 * DRIVING BY HAND. In an event loop of your own, without threads, one pass is
 *
 *     while (swarm_work(sw, 0, 1000) != 0) {}              call steps
 *     your backends: swarm_complete for what has come
 *     swarm_advance(sw, now, &changed)                     AGAIN: read out the log, call again
 *     while ((size = swarm_log_read(...)) != 0) write it   drop it when you need none
 *     swarm_log_acknowledge(sw)                            else nothing is started
 *     while ((count = swarm_take(...)) != 0) submit, cancel, release
 *
 * A request that you have no room for is answered with the outcome REFUSED. Sleep when a pass
 * changed nothing, until swarm_next_deadline or a deadline of your backends; `wakeup` rings when
 * another thread posted something. `now` is any clock that does not go back. All runs have ended
 * when swarm_stats.open is 0; attempts that they gave up may still be in flight: swarm_free is BUSY
 * until they are answered, or after swarm_drain. With log_bytes SWARM_NEVER there is no log to read
 * or acknowledge; else nothing is handed out before its frame is acknowledged.
 */

/* Takes the turn: the caller becomes the owner. AGAIN when it is held elsewhere; the holder is
 * asked to let go and does between two rounds. [any] */
SWARM_API swarm_status swarm_turn_begin(swarm *sw);

/* Returns the turn. BUSY when nobody holds it. [owner] */
SWARM_API swarm_status swarm_turn_end(swarm *sw);

/* Runs at most `max` call steps as worker `worker`, stealing when its own deque is empty.
 * Returns how many were run; 0 when nothing was found. One thread at a time for an index below
 * workers_max; 0 otherwise, and for a call step that asks its own worker. [worker] */
SWARM_API uint32_t swarm_work(swarm *sw, uint32_t worker, uint32_t max);

/* One round: applies what has arrived, fires timers due at now_ns, dispatches. A now_ns before
 * the last one counts as the last one. AGAIN when the log's ring is full: read it out and call
 * again, the same round goes on. *out_changed (may be null) is false when there was nothing to
 * do. [owner] */
SWARM_API swarm_status swarm_advance(swarm *sw, uint64_t now_ns, bool *out_changed);

/* Copies whole frames of the event log into `buffer` and returns the bytes copied: 0 when there are
 * none. If even the next frame does not fit, *out_needed (may be null) is its size. [owner] */
SWARM_API size_t swarm_log_read(swarm *sw, void *buffer, size_t size, size_t *out_needed);

/* Says that everything read so far is safe. Only then are the starts that it records handed out,
 * and call steps that it released run: write ahead. [owner] */
SWARM_API swarm_status swarm_log_acknowledge(swarm *sw);

/* Hands out up to `max` requests; returns how many. Each is handed out once. [owner] */
SWARM_API uint32_t swarm_take(swarm *sw, swarm_request *requests, uint32_t max);

/* Answers an attempt. */
typedef struct swarm_completion {
    swarm_attempt attempt; /* from the START request */
    swarm_outcome outcome; /* how it ended */
    uint32_t reserved;     /* 0 */
    uint64_t until_ns;     /* THROTTLED, REFUSED: when the backend may be used again; a time that is
                              not to come: after the step's backoff_ns */
    swarm_usage usage;     /* what it cost */
    swarm_result result;   /* what it produced; bytes are lent until RELEASE */
    const swarm_effect *effects; /* what else it did, if the outcome is OK; read during the call;
                                    may be null */
    uint32_t effects_count;      /* effects at `effects`, at most 32 */
    uint32_t reserved2;          /* 0 */
} swarm_completion;

/* Answers an attempt, in any order, from any thread, without blocking. OK: taken over, and
 * exactly one RELEASE follows when bytes were lent, also if the attempt has been superseded
 * meanwhile. DUPLICATE: answered before; STALE: no such attempt, or its answer was applied;
 * INVALID: outcome or confidence out of range, a size without bytes, an effect that the step may
 * not have (puts want a step with `state`, notes an agent step), reserved not 0; FULL
 * (effects_max): advance, and answer again; for these four nothing was taken over. [any] */
SWARM_API swarm_status swarm_complete(swarm *sw, const swarm_completion *completion);

/*
 * Reports progress of an attempt in flight: `bytes` and `tokens` that it produced since the last
 * report, and the digest of this piece of output (0: none). All zero is a heartbeat. Reports that
 * come between two rounds are taken together, as one PROGRESS event: once a second is often enough
 * for most. Sums stop at 2^48 - 1. STALE: no such attempt, it has been answered, or its START was
 * not taken; then nothing has changed. [any]
 */
SWARM_API swarm_status swarm_progress(swarm *sw, swarm_attempt attempt, uint64_t bytes,
                                      uint64_t tokens, uint64_t digest);

/*
 * Says that an attempt in flight will not go on before a step has ended, for instance one that it
 * has handed a part of its work to; a null step: it waits no more. The call does not block:
 * swarm_step_status tells when that is. Meanwhile the attempt keeps its agent, permits and
 * reservation, and its time limits run. So steps can wait for each other in a circle: the round in
 * which it closes tells it, a DEADLOCK event for each of its steps, and gives up the attempt in it
 * that was started last: its step is tried again under its retry rules, or ends FAILED with the
 * reason DEADLOCK. What a time limit, backoff, answer, rate or governor can still end is none, nor
 * is a budget that only a higher limit helps; nor is one seen that closes through plain call steps
 * which call steps have added. A wait for several steps is one for a join of them.
 * Of two waits the later counts. While an attempt waits for a step that is not at work, each round
 * looks at all steps. STALE: no such attempt in flight, no such step; INVALID: the attempt's own
 * step, or one that was not added by swarm_step_add; AGAIN as in swarm_run_open. [owner]
 */
SWARM_API swarm_status swarm_attempt_wait(swarm *sw, swarm_attempt attempt, swarm_step step);

/*
 * Answers a question: the ASK request that brought the token. OK: taken over, once; the outcome OK
 * ends the step with this result, without executing it again, and any other counts as that of a
 * failed attempt (TERMINAL: no; TRANSIENT: try again). A null result is an empty one; its bytes are
 * lent until a RELEASE with the null backend, also if the step was cancelled meanwhile. DUPLICATE:
 * answered before; STALE: no such question, or nobody waits for the answer any more; INVALID:
 * THROTTLED, REFUSED, PAUSE or unknown outcome, confidence out of range, a size without bytes; for
 * these three nothing was taken over. The last asks_max questions are told apart, older ones are
 * STALE. A step whose question finds no place ends FAILED with the reason FULL (asks_max). [any]
 */
SWARM_API swarm_status swarm_answer(swarm *sw, swarm_token token, swarm_outcome outcome,
                                    const swarm_result *result);

/* When swarm_advance must be called again at the latest, in ns; SWARM_NEVER when only an event can
 * move anything; 0 when something waits to be applied now. [owner] */
SWARM_API uint64_t swarm_next_deadline(swarm *sw);

/* Options of swarm_drive and swarm_sim_drive. */
typedef struct swarm_drive_options {
    /* Gets whole log frames; false stops driving with AGAIN, nothing acknowledged. Null: frames are
     * acknowledged and dropped. */
    bool (*write)(void *context, const void *bytes, size_t size);
    void *write_context; /* first argument of write */
    uint64_t until_ns;   /* return when this time is reached; default SWARM_NEVER */
    uint64_t start_ns;   /* sim: the first time; default the last `now`, 0 in a new swarm */
    uint32_t workers;    /* threads that run call steps besides the caller, at most
                             workers_max - 1; default none */
    uint32_t flags;      /* SWARM_DRIVE_*, or 0 */
    /* Gets each ASK, and each RELEASE that has no backend. Null: they stay for swarm_take. */
    void (*ask)(void *context, swarm *sw, const swarm_request *request);
    void *ask_context; /* first argument of ask */
} swarm_drive_options;

/* Flags of swarm_drive_options. */
enum {
    SWARM_DRIVE_INSTANT = 1, /* return AGAIN after one instant (swarm_sim_drive), or one pass */
    SWARM_DRIVE_WAIT = 2     /* swarm_drive: sleep for an answer instead of returning PAUSED */
};

/*
 * Drives everything by the host's clock until all runs have ended, well or not
 * (swarm_run_report_get tells how): runs call steps on this thread and `workers` more, pumps the
 * backends, reads out the log, sleeps when there is nothing to do. OK when all runs have ended;
 * STALLED when nothing can move them and no attempt is in flight (an open run with nothing to do
 * counts, and so do ready steps after swarm_drain); PAUSED when only answers can move them, even if
 * their reminders and timeouts are still to come; TIMED_OUT at until_ns; AGAIN when the writer
 * refused, and after an INSTANT with more to come; BUSY inside a drive; INVALID for unknown flags
 * or as many workers as workers_max. UNSUPPORTED without a clock, or without threads when some are
 * asked for. Other threads may take the turn between two rounds. [owner]
 */
SWARM_API swarm_status swarm_drive(swarm *sw, const swarm_drive_options *options);

/*
 * The same in virtual time: no clock is read, time jumps to the next deadline of the swarm and of
 * its backends, and moves only when no call step is ready or running. With workers and a host that
 * has threads, call steps run in parallel; the log is the same. STALLED when nothing is left that
 * could happen although a run has not ended; PAUSED if an answer could: reminders and timeouts of
 * questions do happen. [owner]
 */
SWARM_API swarm_status swarm_sim_drive(swarm *sw, const swarm_drive_options *options);

/* --------------------------------------------------------------------------------------- advice */

/* A job as far as it is known before it runs. */
typedef struct swarm_width_spec {
    uint64_t work_ns;    /* all of it, on one agent */
    uint64_t span_ns;    /* its longest chain, at most work_ns; 0 only for no work */
    uint64_t agent_ns;   /* what each further agent costs; 0: nothing */
    uint32_t slots;      /* what the backends take at once; 0: any number */
    uint32_t agents_max; /* what the run may use; 0: any number */
} swarm_width_spec;

/* What bounds the advised width. */
enum {
    SWARM_WIDTH_NO_WORK = 0,     /* nothing to do */
    SWARM_WIDTH_COST = 1,        /* one more would cost more than it saves */
    SWARM_WIDTH_PARALLELISM = 2, /* work_ns / span_ns, rounded up */
    SWARM_WIDTH_SLOTS = 3,       /* slots */
    SWARM_WIDTH_AGENTS = 4       /* agents_max, or 2^32 - 1 */
};

/* How many agents, and why not more. */
typedef struct swarm_width_advice {
    uint64_t expected_ns; /* work_ns / width, rounded up, + agent_ns * width */
    const char *text;     /* the bound in words; static */
    uint32_t width;       /* at least 1 */
    uint32_t bound;       /* SWARM_WIDTH_*; of equal ones the first in the order parallelism, cost,
                             slots, agents */
} swarm_width_advice;

/* The width W that makes work/W + agent_ns * W least, floor(sqrt(work/agent_ns)), within 1 ..
 * min(slots, agents_max, work/span rounded up). INVALID: span_ns above work_ns, or 0 with work;
 * OVERFLOW: expected_ns does not fit. [pure] */
SWARM_API swarm_status swarm_width_advise(const swarm_width_spec *spec,
                                          swarm_width_advice *out_advice);

/* Modes, the lightest first. */
enum {
    SWARM_MODE_INSTANT = 1,  /* one agent, one step, no reasoning */
    SWARM_MODE_THINKING = 2, /* one agent, one step, with reasoning */
    SWARM_MODE_AGENT = 3,    /* one agent that takes many steps */
    SWARM_MODE_SWARM = 4     /* many agents, led by a coordinator */
};

/* Limits that make a mode: for steps_max and depth_max of a run, and a number of agents. Change
 * what does not suit you. */
typedef struct swarm_mode {
    uint64_t steps_max;  /* 1, 1, 1,500, 4,000 */
    uint32_t mode;       /* SWARM_MODE_* */
    uint32_t agents_max; /* 1, 1, 1, 300 */
    uint32_t depth_max;  /* 0, 0, 0, 1: sub-agents have none of their own */
    uint32_t reasoning;  /* 0, 1, 1, 1: whether steps may think before they answer */
} swarm_mode;

/* Writes a mode's preset. INVALID: no such mode. [pure] */
SWARM_API swarm_status swarm_mode_preset(uint32_t mode, swarm_mode *out_mode);

/* Flags of swarm_mode_features. */
enum {
    SWARM_MODE_REASONING = 1, /* the answer needs thought */
    SWARM_MODE_TOOLS = 2      /* something must be looked up or done */
};

/* What is known of a job before its mode is chosen. Zero means unknown, or no limit. */
typedef struct swarm_mode_features {
    uint64_t steps;          /* model turns and tool calls in all; default 1 */
    uint64_t span_steps;     /* of these, one after the other at least; default all */
    uint64_t step_ns;        /* mean time of one */
    uint64_t agent_ns;       /* what each further agent costs */
    uint64_t deadline_ns;    /* time there is, from the start */
    uint64_t context_tokens; /* material that must be read */
    uint64_t context_max;    /* tokens that one agent can hold */
    uint32_t slots;          /* what the backends take at once */
    uint32_t agents_max;     /* agents at hand */
    uint32_t flags;          /* SWARM_MODE_REASONING, SWARM_MODE_TOOLS, or 0 */
    uint32_t reserved;       /* 0 */
} swarm_mode_features;

/* What spoke against the next lighter mode. */
enum {
    SWARM_MODE_BY_NOTHING = 0,   /* there is none */
    SWARM_MODE_BY_REASONING = 1, /* REASONING is set */
    SWARM_MODE_BY_STEPS = 2,     /* steps above 1 */
    SWARM_MODE_BY_TOOLS = 3,     /* TOOLS is set */
    SWARM_MODE_BY_CAP = 4,       /* steps above what one agent may take (its preset) */
    SWARM_MODE_BY_CONTEXT = 5,   /* context_tokens above context_max */
    SWARM_MODE_BY_DEADLINE = 6   /* steps * step_ns above deadline_ns, and width above 1 */
};

/* Which mode, and why. */
typedef struct swarm_mode_advice {
    swarm_mode mode;          /* its preset */
    swarm_width_advice width; /* how many agents, were it the swarm */
    uint64_t observed;        /* the value that decided */
    uint64_t threshold;       /* what it was compared with */
    const char *text;         /* the reason in words; static */
    uint32_t reason;          /* SWARM_MODE_BY_* */
    uint32_t reserved;        /* 0 */
} swarm_mode_advice;

/* The lightest mode that fits. INVALID: span_steps above steps, unknown flags; OVERFLOW. [pure] */
SWARM_API swarm_status swarm_mode_advise(const swarm_mode_features *features,
                                         swarm_mode_advice *out_advice);

/* -------------------------------------------------------------------------------------- knowing */

/* Counters of a swarm, for any thread. Grows at the end. */
typedef struct swarm_stats {
    uint64_t now_ns;      /* time of the last round */
    uint64_t rounds;      /* rounds so far */
    uint64_t open;        /* runs that have not ended */
    uint64_t ready;       /* agent steps that wait for an agent */
    uint64_t inflight;    /* attempts in flight, given-up ones that are not answered included */
    uint64_t started;     /* attempts ever */
    uint64_t events;      /* log events ever */
    uint64_t log_pending; /* bytes written and not yet acknowledged */
    uint64_t steps_live;  /* slots in use */
    uint64_t memory;      /* bytes of the swarm's block */
} swarm_stats;

/* Writes the counters, as of the last round, but `open`, `steps_live` and what an acknowledgement
 * took off log_pending, which are of now. [any] */
SWARM_API swarm_status swarm_stats_get(swarm *sw, swarm_stats *out_stats);

/* Attempts an agent has started, throttled ones included, which a run's report leaves out, and the
 * ns it was busy, summed over its attempts. STALE.
 * [owner] */
SWARM_API swarm_status swarm_agent_usage(swarm *sw, swarm_agent agent, uint64_t *out_attempts,
                                         uint64_t *out_busy_ns);

/* One number of a counter-based stream: equal arguments give equal draws. For backends and tests
 * that must be reproducible. [pure] */
SWARM_API uint64_t swarm_random(uint64_t seed, uint64_t stream, uint64_t n);

/*
 * Events of the log. `field` holds, in this order:
 */
enum {
    SWARM_EVENT_RUN_OPEN = 1, /* key, seed, order, flags, steps_max, attempts_max, depth_max,
                                  inflight_max */
    SWARM_EVENT_PLAN = 2,  /* plan version, first ordinal, steps, edges, digest of these and of the
                                  functions in their order, 1 + ordinal of the step that added
                                  it (0: the owner), repeated edges; unless all its steps are
                                  plain call steps STEP events follow, each behind the DEMAND that
                                  it is the first to have and before its options, and then EDGE
                                  events, at the end those into steps of earlier plans */
    SWARM_EVENT_STEP = 3,  /* digest of the function's name (0: agent step), demand digest (a range
                                  step: its count), argument, key, priority, order_key, estimate_ns,
                                  flags */
    SWARM_EVENT_EDGE = 4,  /* ordinal of the predecessor, 1 + delay_ns (0: plain edge); the event's
                                  step is the successor */
    SWARM_EVENT_READY = 5, /* sequence number */
    SWARM_EVENT_START = 6, /* attempt number, epoch, agent id, routing score + 2^32; the score is
                                  -1000 a skill that the profile has and the step does not require,
                                  -1000 an attempt that the agent has in flight, less the profile's
                                  cost, +1000000 for the agent that holds the step's prefix; the
                                  highest wins, then the smaller agent id */
    SWARM_EVENT_DONE = 7,  /* attempt number, epoch, outcome, input, cached and output tokens,
                                  cost_nano, result digest */
    SWARM_EVENT_RETRY = 8, /* attempts so far, outcome, time of the next attempt */
    SWARM_EVENT_END = 9,   /* state, minus the reason */
    SWARM_EVENT_GIVE_UP =
        10, /* attempt number, epoch, minus the reason, 1 if its START had been taken: the attempt
               is superseded */
    SWARM_EVENT_FENCED = 11,  /* attempt number, epoch, outcome, input, cached and output tokens,
                                  cost_nano, 1 if it was answered: a late answer; none within the
                                  grace (LOST); given up before its START was taken (REFUSED) */
    SWARM_EVENT_HOLD = 12,    /* backend id, until_ns: a backend is held */
    SWARM_EVENT_CANCEL = 13,  /* 1 step, 2 subtree, 3 run, 4 agent; its id */
    SWARM_EVENT_CLOSE = 14,   /* 1 when the run was cancelled, else 0 */
    SWARM_EVENT_RUN_END = 15, /* ok, failed, timed_out, cancelled, skipped, budget, attempts */
    SWARM_EVENT_LIMITS = 16,  /* steps_max, attempts_max */

    SWARM_EVENT_JOIN_SPEC = 20, /* of the STEP before: need, failed_max, garbage_max, flags,
                                      edges, 1 if it needs all of them, however many there will be,
                                      +2 if it is only OPEN */
    SWARM_EVENT_JOIN = 21, /* how it was decided: 1 goes on, 2 too few are left, 3 failed_max, 4
                              garbage_max; need, edges; of those so far ok, failed, garbage,
                              skipped or cancelled */
    SWARM_EVENT_EDGE_RULE = 22, /* ordinal of the predecessor, kind, when, value, on_failure,
                                    on_skip; the event's step is the successor */
    SWARM_EVENT_BRANCH = 23,    /* of a step that ended OK and has edges with a condition: branch,
                                confidence_ppm, edges taken, edges not taken */
    SWARM_EVENT_SKIP_SPEC = 24, /* of the STEP before: confidence_ppm */
    SWARM_EVENT_SKIP = 25, /* 1 confident, 2 swarm_step_skip; threshold, observed confidence_ppm */
    SWARM_EVENT_LOOP_SPEC = 26, /* of the STEP before: iterations_max, until, value */
    SWARM_EVENT_LOOP = 27,      /* 1 again, 2 enough, 3 limit; iterations so far, branch,
                                   confidence_ppm, value */
    SWARM_EVENT_OVER = 28,      /* steps_max, steps: more than the run may have; it is stopped */

    SWARM_EVENT_PROGRESS = 30, /* attempt number, epoch, bytes and tokens so far, most repetitions,
                                  all that came since the last round; repetitions of the last piece,
                                  its digest in 32 bits */
    SWARM_EVENT_DETECT = 31,   /* SWARM_DETECT_*, threshold, observed, SWARM_ACTION_*, attempt
                                  number (0: the step) */
    SWARM_EVENT_HEDGE = 32, /* SWARM_DETECT_LATE, or 0: its time; threshold (ns; SWARM_NEVER: none),
                                  running time so far, hedges of the run before, share_max_ppm, 1:
                                  it starts, 0: the share is used up */
    SWARM_EVENT_VOTE = 33,  /* 1 won, 2 by tie-break, 3 no quorum; attempt number of the winner (0:
                                  none), its class, votes of the strongest class, ballots, failed
                                  attempts, quorum, count */
    SWARM_EVENT_RECOVER =
        34,                  /* SWARM_RECOVERY_*, outcome of the last attempt, minus the reason when
                                  none could be started, attempts so far, which one of the stage
                                  this is, of how many, what with: profile id, digest of the
                                  function's name, value. RETRY: refused, for the reason, by the
                                  limit with this permit id */
    SWARM_EVENT_ASK = 35,    /* sequence number of the question, SWARM_ASK_*, how often asked, when
                                  it times out, when it is asked again */
    SWARM_EVENT_ANSWER = 36, /* sequence number, SWARM_ASK_*, outcome, value, digest, branch,
                                  confidence_ppm, 1: nobody waited for it any more */
    SWARM_EVENT_GUARD = 39   /* part of an option of the step, then its numbers in the order of
                                  the spec: watch 1 (from idle_timeout_ns), 2 (from size_min); ask 3
                                  (from timeout_ns), 4 (from kind); hedge 5; vote 6; task 10;
                                  recovery 7 (reassign_max, digests of the names of split and
                                  regenerate, value, flags, number of fallbacks), 8 for each of
                                  these (profile id, attempts_max, number of its own budget or 0),
                                  and if it has one 9 (what is reserved there) */
};

/* Events of the record: what a resume needs besides the decisions. */
enum {
    SWARM_EVENT_ROUND = 50, /* a round begins: what follows belongs to it, up to the next one; what
                                  stands behind its end is the owner's */
    SWARM_EVENT_COMMAND = 51, /* the owner's: SWARM_COMMAND_*; about the event's run and step */
    SWARM_EVENT_SETUP = 52,   /* 1 backend, 2 profile, 3 agents, 4 withdrawn agent, 5 permit, 6
                                  capability, 7 tenant; its id; digest of the name (agents: the
                                  profile's id); number of agents, capacity of the permit, or digest
                                  of the options of a profile, capability, tenant or limit */
    SWARM_EVENT_DEMAND = 53,  /* what the steps with this demand digest require: the digest, agent
                                  id (0: any), 1 if a skill could not be remembered; the NEEDs and
                                  the CHARGE before it belong to it. None: nothing is required */
    SWARM_EVENT_NEED = 54,    /* 1 permit, 2 skill; id of the permit, digest of the skill's name;
                                  units, 0 */
    SWARM_EVENT_OPTIONS = 55, /* of the STEP before: queue and run timeout + 1, backoff_ns,
                                  backoff_max_ns, attempts_max, jitter_ppm, payload_size, digest of
                                  the payload. None: all are default and there is no payload */
    SWARM_EVENT_RESULT = 56,  /* of the DONE before: value, size, key, branch, confidence_ppm,
                                  until_ns. None: all are 0. Of an ANSWER: if it has size or key */
    SWARM_EVENT_CALL = 57,    /* a call step came back to the turn, or made the step ready: lineage,
                                  and 1 + ordinal of the ancestor, of a step without an ordinal */
    SWARM_EVENT_RUN_OPTIONS = 58, /* of the RUN_OPEN before: tenant's id. None: the common one */
    SWARM_EVENT_GOVERNOR = 59 /* swarm_governor_set: backend id, confirm_ns, hold_ns, cut_ns, first,
                                 most, probes_max; all 0: off */
};

/* What the owner did: field 0 of SWARM_EVENT_COMMAND. */
enum {
    SWARM_COMMAND_AGAIN = 1,       /* swarm_run_again: the next RUN_OPEN is the same run's */
    SWARM_COMMAND_FORGET_RUN = 2,  /* swarm_run_forget */
    SWARM_COMMAND_FORGET_STEP = 3, /* swarm_step_forget */
    SWARM_COMMAND_DRAIN = 4        /* swarm_drain */
};

/* Events of limits. */
enum {
    SWARM_EVENT_BUDGET = 40,       /* a budget's number, from 1, its name's digest, number of the
                                      one above or 0, policy */
    SWARM_EVENT_BUDGET_LIMIT = 41, /* a budget's number, its six limits */
    SWARM_EVENT_RESERVE = 42,      /* attempt number, budget's number, 0, input, cached and output
                                      tokens, cost_nano, running_ns: reserved */
    SWARM_EVENT_SETTLE = 43,       /* attempt number, budget's number, SWARM_SETTLE_*, input, cached
                                      and output tokens, cost_nano, running_ns: used */
    SWARM_EVENT_LACK = 44,         /* budget's number, dimension from 1, needed, available, policy
                                      applied; 0: it waits for attempts in flight */
    SWARM_EVENT_BUDGET_CLOSE = 45, /* budget's number */
    SWARM_EVENT_BREAKER = 47,      /* 1 backend, 2 agent; its id, SWARM_BREAKER_*, outcome that
                                      decided, moving average of failures and failure_ppm, answers
                                      so far, time until which it is open */
    SWARM_EVENT_BREAKER_RESET = 48, /* backend id */
    SWARM_EVENT_GOVERN = 46,        /* backend id, window before and after in millionths of an
                                      attempt, attempts in flight: a backend turned one away */
    SWARM_EVENT_CHARGE =
        49 /* of the DEMAND behind it, or of the RUN_OPEN before: a budget's number,
                               the six amounts that are reserved */
};

/* Flags of a SETTLE event. */
enum {
    SWARM_SETTLE_EXCEEDED = 1, /* more was used than reserved in a limited dimension */
    SWARM_SETTLE_ESTIMATE = 2  /* the backend reported nothing: booked as reserved */
};

/* Events of state keys. */
enum {
    SWARM_EVENT_PUT = 60,      /* key, value, version, branch (1 + its index; 0: the run's state);
                                     the event's step wrote it, or the owner */
    SWARM_EVENT_CONFLICT = 61, /* key, the run's clock at the start of the step, version found,
                                     its writer (1 + ordinal; 0: the owner), SWARM_CONFLICT_* */
    SWARM_EVENT_NOTE = 63,     /* SWARM_EFFECT_*, key, value, bytes, tokens, agent id: a note, or
                                     a conclusion (agent id 0: of a call step) */
    SWARM_EVENT_STATE_BRANCH = 62, /* 1 opened, 2 merged, 3 dropped; 1 + its index; 1 + that of its
                                      parent (0: the run's state); what a merge writes follows */
    SWARM_EVENT_ACCESS = 64, /* of the STEP before: isolation, on_conflict, 1 + index of its branch
                                or 0, keys that it reads: they follow */
    SWARM_EVENT_READ = 65,   /* eight of these keys; unused ones are 0 */
    SWARM_EVENT_EFFECT = 66  /* of the DONE before: SWARM_EFFECT_*, key, value, bytes, tokens: what
                                it would do */
};

/* Events of what call steps add. */
enum {
    SWARM_EVENT_REFUSE = 80, /* of the call step: minus the status with which its plan was refused,
                                1 + place of the step in the plan (0: none), its task, or the steps
                                of the plan (LIMIT) */
    SWARM_EVENT_SPAWN = 81   /* behind RUN_OPEN: steps, period_ns, burst */
};

/* Events of waiting. */
enum {
    SWARM_EVENT_WAIT = 70, /* attempt number, epoch, number of the run and ordinal of the step that
                              it waits for; both 0: for none any more */
    SWARM_EVENT_DEADLOCK = 71, /* place in the circle, from 0; steps in it; SWARM_WAITS_*: what the
                                 event's step waits for; id of the permit, agent (0: any that fits)
                                 or run, number of the budget; number of the run and 1 + ordinal of
                                 the next step of the circle, which has it */
    SWARM_EVENT_DEADLINE = 72  /* of the RUN_OPEN before: deadline_ns. None: never */
};

/* What a step of a deadlock waits for. */
enum {
    SWARM_WAITS_STEP = 1,   /* its attempt waits for a step: see swarm_attempt_wait */
    SWARM_WAITS_EDGE = 2,   /* a step that it comes after, or its continuation */
    SWARM_WAITS_PERMIT = 3, /* units of a permit */
    SWARM_WAITS_AGENT = 4,  /* an agent with room */
    SWARM_WAITS_RUN = 5,    /* inflight_max of its run */
    SWARM_WAITS_BUDGET = 6, /* what others have reserved of its budget */
    SWARM_WAITS_ATTEMPT = 7 /* inflight_max of swarm_config */
};

/* One event, decoded. */
typedef struct swarm_event {
    uint64_t now_ns;   /* time of the round that produced it */
    uint64_t frame;    /* number of its frame, from 1 */
    uint64_t run;      /* number of the run in this log, from 1; 0: the swarm */
    uint64_t step;     /* ordinal; SWARM_NEVER when the event is not about a step */
    uint64_t field[8]; /* see above; unused ones are 0 */
    uint32_t kind;     /* SWARM_EVENT_*; a reader skips what it does not know */
    uint32_t fields;   /* written ones; those behind the last that is not 0 are not, and read 0 */
} swarm_event;

/* Where a reader of a log stands. Begin with all zero. */
typedef struct swarm_log_cursor {
    uint64_t offset; /* bytes consumed: start of the next frame or event */
    uint64_t end;    /* end of the frame at hand; 0 between frames */
    uint64_t frame;  /* its number */
    uint64_t now_ns; /* its time */
} swarm_log_cursor;

/* The word for a SWARM_EVENT_*, in small letters: "give up"; "unknown". Never null; static.
 * [pure] */
SWARM_API const char *swarm_event_text(uint32_t kind);

/* Reads the next event out of `bytes` (all of a log from its beginning). OK; MISSING at the end;
 * AGAIN when the last frame is cut short (the cursor stands before it); CORRUPT for a damaged
 * frame; MISMATCH for another trace version. Never reads outside `size`. [pure] */
SWARM_API swarm_status swarm_event_next(const void *bytes, size_t size, swarm_log_cursor *cursor,
                                        swarm_event *out_event);

/* ----------------------------------------------------------------------------- what a log tells */

/*
 * THE ACCOUNT OF A RUN. A trace is a run read out of its log, in your memory: the log is all it
 * needs, so it can be made on another machine, years later.
 *
 * The EXECUTED GRAPH has the steps that ended OK, and the edges between them: plain ones, taken
 * ones, and for a join those that fired it, without SOFT edges, and with an edge from the step that
 * added a plan to each of its steps. A step's WEIGHT is its attempts that ran to an end: the one
 * that won, and those that failed or were given up as lost or timed out; in time, how long they
 * ran. Attempts that were refused, throttled or cancelled, votes and hedges that lost, and steps
 * that ended otherwise weigh nothing and are waste. So do call steps: they take no agent's time.
 * WORK is the sum of all weights, SPAN the heaviest path.
 */

/* Which run of which log. */
typedef struct swarm_trace_spec {
    const void *log;         /* all of it, from its beginning; what is cut off at its end is left */
    size_t log_size;         /* in bytes */
    uint64_t run;            /* number of the run in the log; default 1 */
    const uint64_t *results; /* ordinals of the steps whose outputs are wanted; null: the last agent
                                step to end OK, or without one the last step to do so */
    size_t results_count;    /* entries at `results` */
} swarm_trace_spec;

/* A run, read. Closed; in the caller's memory, and gone with it. */
typedef struct swarm_trace swarm_trace;

/* Bytes that swarm_trace_new needs, in *out_bytes: in proportion to the log. INVALID; CORRUPT,
 * MISMATCH as in swarm_event_next; MISSING: no such run; TOO_BIG: more than 2^30 - 1 of something.
 * [pure] */
SWARM_API swarm_status swarm_trace_memory_size(const swarm_trace_spec *spec, size_t *out_bytes);

/* Reads the run into `memory`, which needs no alignment; the log may go afterwards. As above, and
 * CORRUPT too when events contradict each other; FULL: the memory is too small. [pure] */
SWARM_API swarm_status swarm_trace_new(const swarm_trace_spec *spec, void *memory, size_t size,
                                       swarm_trace **out_trace);

/*
 * The run in numbers. Ratios are rounded down, and 0 where there is nothing to divide by. Sums stop
 * at 2^64 - 1. Grows at the end.
 *
 * STAGED critical steps: over the plans of the run, the weight of the coordinator's turn (the last
 * agent step, by its end, that the adding call step waited for) plus the most steps that one agent
 * did of those which the plan added; and the last agent step of the run alone, when a coordinator
 * did it (Kimi K2.5, arXiv 2602.02276). A coordinator is an agent whose profile had such a turn.
 * COLLAPSE: B the share of the busiest agent and W the smaller of the agents and the whole of
 * work / span, (B - 1/W) / (1 - 1/W) within 0..1; 0 for W below 2, so what is serial by nature has
 * not collapsed. UNUSED: no path of data, through steps that read it, leads from the step to a
 * result. SPURIOUS: unused, and the span would be the same without it.
 */
typedef struct swarm_metrics {
    uint64_t makespan_ns;        /* first plan to last end */
    uint64_t work_ns;            /* T1 */
    uint64_t span_ns;            /* Tinf */
    uint64_t work_steps;         /* the same in steps */
    uint64_t span_steps;         /* critical steps by path */
    uint64_t staged_steps;       /* critical steps by stages */
    uint64_t possible_ppm;       /* parallelism of the plan: work / span */
    uint64_t achieved_ppm;       /* of the run: work / makespan; r_parallel of PARL */
    uint64_t efficiency_ppm;     /* span / makespan */
    uint64_t utilisation_ppm;    /* work / (agents * makespan) */
    uint64_t busiest_ppm;        /* most work of one agent / work */
    uint64_t collapse_ppm;       /* serial collapse */
    uint64_t spurious_ppm;       /* fake parallelism: spurious steps / steps */
    uint64_t finish_ppm;         /* steps that ended OK / steps; r_finish of PARL */
    uint64_t steps;              /* that were added, plans of plain call steps alone left out */
    uint64_t ok;                 /* of these, ended OK */
    uint64_t unused;             /* of these, without a path to a result */
    uint64_t redundant_edges;    /* another path says the same; SWARM_NEVER: too many to look */
    uint64_t agents;             /* that joined; for want of a record those that had an attempt */
    uint64_t plans;              /* applied */
    uint64_t attempts;           /* started */
    uint64_t retries;            /* after the first of a step */
    uint64_t reassigned;         /* of these, by another agent than the attempt before */
    uint64_t running_most;       /* attempts at once */
    uint64_t queue_p50_ns;       /* READY to START over all starts, nearest rank */
    uint64_t queue_p99_ns;       /* the same */
    uint64_t queued_ns;          /* the same, summed */
    uint64_t backoff_ns;         /* summed over retries */
    uint64_t waste_ns;           /* the next four */
    uint64_t waste_cancelled_ns; /* attempts that were cancelled, throttled or refused */
    uint64_t waste_late_ns;      /* given-up attempts from then on; votes and hedges that lost */
    uint64_t waste_failed_ns;    /* attempts of steps that did not end OK */
    uint64_t waste_unread_ns;    /* steps that are unused */
    swarm_usage usage;           /* of all attempts, late ones included */
    swarm_usage waste;           /* of this, for what is waste */
} swarm_metrics;

/* Writes a trace's numbers. INVALID. [pure] */
SWARM_API swarm_status swarm_trace_metrics(const swarm_trace *trace, swarm_metrics *out_metrics);

/* What one agent did, or all agents of a profile. Grows at the end. */
typedef struct swarm_agent_metrics {
    uint64_t agent;     /* id; 0 for a profile */
    uint64_t profile;   /* id; 0: the log does not say */
    uint64_t agents;    /* 1, or how many the profile has */
    uint64_t attempts;  /* started */
    uint64_t won;       /* by which a step ended OK */
    uint64_t failed;    /* ran to an end, and did not win */
    uint64_t given_up;  /* superseded */
    uint64_t busy_ns;   /* attempts in flight, until their answer */
    uint64_t work_ns;   /* of this, weight of steps */
    uint64_t share_ppm; /* work_ns / work of the run */
    uint64_t busy_ppm;  /* busy_ns / (agents * makespan) */
    swarm_usage usage;  /* of its attempts */
} swarm_agent_metrics;

/* The index-th agent, by id. MISSING behind the last; INVALID. [pure] */
SWARM_API swarm_status swarm_trace_agent(const swarm_trace *trace, uint32_t index,
                                         swarm_agent_metrics *out_metrics);

/* The index-th profile, by id. MISSING behind the last; INVALID. [pure] */
SWARM_API swarm_status swarm_trace_profile(const swarm_trace *trace, uint32_t index,
                                           swarm_agent_metrics *out_metrics);

/* Kinds of picture. */
enum {
    SWARM_PICTURE_TEXT = 1,   /* a screen of text */
    SWARM_PICTURE_CHROME = 2, /* Chrome trace JSON, for ui.perfetto.dev: a lane an agent slot, flows
                                  for edges, counters */
    SWARM_PICTURE_OTLP = 3,   /* OpenTelemetry spans (OTLP/JSON), with the names of the semantic
                                  conventions for generative AI */
    SWARM_PICTURE_DOT = 4,    /* the graph, for Graphviz */
    SWARM_PICTURE_MERMAID = 5, /* the graph, for Mermaid */
    SWARM_PICTURE_HTML = 6     /* a page of its own, which fetches nothing */
};

/* How a picture is written. Names are the caller's: the log has none. They are escaped; a null one
 * shows the number alone. */
typedef struct swarm_picture_spec {
    /* Gets the text in pieces; false stops. */
    bool (*write)(void *context, const void *bytes, size_t size);
    void *write_context; /* first argument of write */
    /* A name for a step; null, or returning null: none. UTF-8, used at once. */
    const char *(*step_name)(void *context, uint64_t ordinal);
    /* The same for an agent, by id. */
    const char *(*agent_name)(void *context, uint64_t agent);
    void *name_context; /* first argument of the two */
    const char *title;  /* HTML: the heading; default "swarm run" */
    uint64_t epoch_ns;  /* OTLP: added to each time: ns from 1970 to the origin of `now` */
    uint32_t kind;      /* SWARM_PICTURE_* */
    uint32_t nodes_max; /* DOT, MERMAID: a larger graph is drawn by agents, then by plans; default
                           400, at most 2,000 */
} swarm_picture_spec;

/* Writes a picture of a run; the same trace gives the same bytes. One call at a time for a trace.
 * INVALID; AGAIN: the writer refused; TOO_BIG: the graph cannot be drawn within nodes_max, or
 * Mermaid's 500 edges and 50,000 characters, and nothing was written. [pure] */
SWARM_API swarm_status swarm_trace_write(const swarm_trace *trace, const swarm_picture_spec *spec);

/* Over `runs` runs of which `ok` went well: in *out_any_ppm the chance that of k of them, drawn
 * without replacement, some went well (pass@k), in *out_all_ppm that all did (pass^k); exact,
 * rounded down. INVALID: ok above runs, k of 0 or above runs, more than 1,000 runs. [pure] */
SWARM_API swarm_status swarm_pass_rates(uint32_t runs, uint32_t ok, uint32_t k,
                                        uint64_t *out_any_ppm, uint64_t *out_all_ppm);
/* ----------------------------------------------------------------------------------- resuming */

/*
 * RESUMING. The log is the checkpoint. A process that goes on where another one stopped sets up a
 * new swarm by the same calls in the same order (backends, profiles, agents, permits, governors,
 * tenants, functions), opens no run, feeds the log, and drives on. Budgets, runs, plans, steps,
 * state, questions, answers and ends come from the log: find them by their keys and names. Handles
 * of runs, budgets and branches, which only the owner makes, are the same numbers as before, and
 * tokens name the same questions.
 *
 * What has finished is not run again; attempts that were in flight are handed out again by the same
 * (run key, ordinal, number, epoch), so that a backend may know them, or may begin them anew; what
 * waited for an answer is asked again. Call steps are run again while the log is fed, on the
 * caller's thread, as worker 0. Payloads and lent bytes are not in the log: a result has its
 * numbers, digest, size and key, by which its producer finds the bytes again, and a START has no
 * payload until swarm_step_payload has given it one. A plan of the owner's that consists of plain
 * call steps is in the log only for a SWARM_RUN_DURABLE run: feeding another one is refused.
 *
 * FORKING. To try another way from some point on, feed the log as far as the frame with that point
 * (swarm_event.frame) and no further, and act otherwise: the two have their past in common.
 */

/* What feeding is for. */
enum {
    SWARM_RESUME = 1, /* to go on */
    SWARM_REPLAY = 2  /* to look: nothing is started afterwards */
};

/* Feeds the next bytes of a log, in pieces of any size. OK; after any other status only
 * swarm_resume_end, swarm_free and swarm_fault are of use: the last one says why, with the frame as
 * `index`, the step's ordinal as `step` and the event's kind as `other`. BUSY when the swarm has
 * worked already; UNSUPPORTED without a log, or for a plan that is not in it; CORRUPT for damage
 * that is not at the end; MISMATCH for another version or setup; FULL (log_bytes or another field
 * that the text names); INVALID mode. Runs call steps: no other thread may be in a call. [owner] */
SWARM_API swarm_status swarm_resume_feed(swarm *sw, uint32_t mode, const void *bytes, size_t size);

/* Ends the feeding. *out_good_bytes (may be null) is how much of what was fed counts: cut the file
 * there, the log goes on behind it. OK, also when nothing was fed; or what swarm_resume_feed said,
 * or CORRUPT. INVALID the second time. [owner] */
SWARM_API swarm_status swarm_resume_end(swarm *sw, uint64_t *out_good_bytes);

/* Gives a step that has not ended its payload again, after a resume; borrowed as that of
 * swarm_step_add. STALE; INVALID for a call step or a size without bytes. [owner] */
SWARM_API swarm_status swarm_step_payload(swarm *sw, swarm_step step, const void *payload,
                                          size_t payload_size);

#ifdef __cplusplus
}
#endif
#endif
