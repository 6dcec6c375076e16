/* SPDX-License-Identifier: MIT */
/*
 * swarm_mock.h - a simulated backend: agents that answer by seeded models or by your script.
 *
 * WHAT IT IS FOR
 *
 * Testing an orchestrator without a single model call: latencies, failures, stalls, duplicates,
 * late answers, tokens and prices as you say, in virtual time (swarm_sim_drive) or in real time
 * (swarm_drive, or a loop of your own). It reads no clock, allocates nothing, uses integers only.
 *
 *     static unsigned char memory[4096];
 *     swarm_mock *mock = swarm_mock_new(NULL, memory, sizeof memory);
 *     swarm_backend_id backend = swarm_backend_add(sw, swarm_mock_backend(mock));
 *
 * With no spec, every attempt ends OK after one second and its value is the step's argument.
 *
 * HOW AN ATTEMPT IS PLAYED
 *
 * A step that has a script (swarm_mock_script) plays its n-th turn in its n-th attempt. Without
 * one, or when its turns are used up, a MODEL decides: it draws a latency, tokens, and which of the
 * faults happen. An attempt ends in the first of these ways that applies: it stalls, is throttled,
 * fails, is garbage, or ends OK.
 * Each draw is swarm_random(key, stream, attempt number), with key = swarm_random(seed, the run's
 * seed, the step's ordinal) and a stream for each kind of draw; for throttling the epoch joins the
 * number, which a throttled attempt keeps. So a step's luck depends neither on
 * when, by whom or in which order it is run, nor on which other faults are switched on.
 * Answers due at one time are given in the order (time, ordinal, attempt number, submission).
 *
 * CANCEL
 *
 * An attempt that is cancelled before its answer is due answers CANCELLED after cancel_latency_ns;
 * or, when `late` was drawn, in full after late_ns. An answer that is due already stands.
 *
 * BILLING
 *
 * OK, PAUSE and GARBAGE answers report all tokens and their price; CANCELLED ones the input, and
 * the output in proportion to the time that had passed; others report nothing.
 *
 * MEMORY AND THREADS
 *
 * All memory is yours. Models are copied; names, traces, turns and the bytes in them are borrowed
 * as long as the mock is used. A mock serves one swarm. Its functions and its callbacks run on the
 * thread that drives (the owner), never at the same time.
 */
#ifndef SWARM_MOCK_H
#define SWARM_MOCK_H

#include "swarm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A simulated backend, in memory of the caller's. */
typedef struct swarm_mock swarm_mock;

/* A run of the caller's own program: see CAMPAIGNS below. */
typedef struct swarm_trial swarm_trial;

/* How a latency is found. Whatever it is, the model's min_ns and max_ns bound it. */
enum {
    SWARM_MOCK_CONSTANT = 0,    /* mean_ns */
    SWARM_MOCK_UNIFORM = 1,     /* evenly from min_ns to max_ns, both included; without max_ns, to
                                   2 * mean_ns - min_ns */
    SWARM_MOCK_EXPONENTIAL = 2, /* with mean mean_ns */
    SWARM_MOCK_LOGNORMAL = 3,   /* with mean mean_ns; sigma_ppm is that of the logarithm:
                                   LN(m, s) = exp(N(ln m - s^2/2, s^2)) */
    SWARM_MOCK_HEAVY_TAIL = 4,  /* Pareto with mean mean_ns: P(x > t) = (b / t)^alpha,
                                   b = mean_ns * (alpha - 1) / alpha */
    SWARM_MOCK_TRACE = 5,       /* trace_ns[ordinal modulo trace_count] */
    SWARM_MOCK_ARGUMENT = 6,    /* the step's argument, in ns */
    SWARM_MOCK_TOKENS = 7,      /* input tokens that no cache had / prefill rate + output tokens /
                                   decode rate, each rounded up */
    SWARM_MOCK_CALLBACK = 8     /* what spec.latency returns */
};

/* Prices of an attempt, in nano-units. A sum above 2^64 - 1 is reported as that, and counted. */
typedef struct swarm_mock_price {
    uint64_t fixed_nano;  /* for each billed attempt */
    uint64_t input_nano;  /* for each input token that was not cached */
    uint64_t cached_nano; /* for each cached input token */
    uint64_t output_nano; /* for each output token */
} swarm_mock_price;

/* How attempts behave. All zero: OK after one second. */
typedef struct swarm_mock_model {
    uint64_t mean_ns;           /* default 1 s; SWARM_ZERO: no time at all */
    uint64_t min_ns;            /* no latency is below */
    uint64_t max_ns;            /* no latency is above; default: no bound */
    const uint64_t *trace_ns;   /* TRACE: latencies */
    uint64_t cancel_latency_ns; /* from a cancel to its answer */
    uint64_t late_ns;           /* from a cancel to a late answer; default 1 s; SWARM_ZERO: none */
    uint64_t retry_after_ns;    /* what THROTTLED asks for; default 1 s; SWARM_ZERO: none */
    uint64_t input_tokens;      /* of the prompt: fixed, or the mean; at most 2^40 */
    uint64_t output_tokens;     /* generated: fixed, or the mean; at most 2^40 */
    uint64_t prefill_milli;     /* thousandths of an input token a second; default 640,000 */
    uint64_t decode_milli;      /* thousandths of an output token a second; default 24,500 */
    swarm_mock_price price;     /* what the tokens cost */
    uint32_t kind;              /* of latency: SWARM_MOCK_CONSTANT and following */
    uint32_t trace_count;       /* entries at trace_ns, at least 1 for TRACE */
    uint32_t sigma_ppm;         /* LOGNORMAL: at most 3,000,000 */
    uint32_t alpha_ppm;         /* HEAVY_TAIL: 1,010,000 to 100,000,000; default 1,500,000 */
    uint32_t input_sigma_ppm;   /* not 0: input tokens are lognormal; at most 3,000,000 */
    uint32_t output_sigma_ppm;  /* not 0: output tokens are lognormal; at most 3,000,000 */
    uint32_t cached_ppm;        /* share of the input that came from a cache */
    uint32_t stall_ppm;         /* probability that an attempt answers only when cancelled */
    uint32_t throttle_ppm;      /* probability of THROTTLED, at once */
    uint32_t failure_ppm;       /* probability of `failure`, after the latency */
    swarm_outcome failure;      /* default TRANSIENT; not THROTTLED or REFUSED */
    uint32_t garbage_ppm;       /* probability of GARBAGE, after the latency */
    uint32_t duplicate_ppm;     /* probability that the answer comes twice */
    uint32_t late_ppm;          /* probability that a cancel is answered late and in full */
    uint32_t flags;             /* SWARM_MOCK_DEAF, or 0 */
    uint32_t reserved;          /* 0 */
} swarm_mock_model;

/* Flags of a model, a turn and a spec. */
enum {
    SWARM_MOCK_DEAF = 1,         /* model, turn: ignores cancels; once stalled it never answers */
    SWARM_MOCK_STALL = 2,        /* turn: answers only when cancelled */
    SWARM_MOCK_DUPLICATE = 4,    /* turn: answers twice */
    SWARM_MOCK_LATE = 8,         /* turn: answers a cancel late and in full */
    SWARM_MOCK_BY_ARGUMENT = 16, /* spec: the step's argument modulo the count is the model */
    SWARM_MOCK_REFUSE = 32       /* spec: what exceeds inflight_max is taken and answered REFUSED;
                                    without this flag submit returns AGAIN */
};

/* One scripted attempt. All zero: OK, after the latency that the model draws. */
typedef struct swarm_mock_turn {
    uint64_t latency_ns;     /* default: the model's; SWARM_ZERO: none */
    uint64_t retry_after_ns; /* THROTTLED, REFUSED: default the model's; SWARM_ZERO: none */
    swarm_result result;   /* what it says when it ends OK or PAUSE; goes through spec.answer too */
    swarm_outcome outcome; /* how it ends */
    uint32_t flags;        /* SWARM_MOCK_*, or 0 */
} swarm_mock_turn;

/* What a mock is made of. Only `size` must be set. */
typedef struct swarm_mock_spec {
    size_t size;                    /* sizeof(swarm_mock_spec) */
    const char *name;               /* of the backend; default "mock" */
    uint64_t seed;                  /* of all draws, together with each run's own seed */
    const swarm_mock_model *models; /* copied; default: one of all zero */
    void *context;                  /* first argument of the four callbacks */
    /* Says which model plays the request, modulo the count. Null: see SWARM_MOCK_BY_ARGUMENT, else
     * the first. */
    uint32_t (*choose)(void *context, const swarm_request *request);
    /* The latency in ns, for the kind SWARM_MOCK_CALLBACK. */
    uint64_t (*latency)(void *context, const swarm_request *request);
    /* Says what an attempt that ends OK has produced, when it does; may return another outcome than
     * SWARM_OUTCOME_OK. *out_result begins as the turn's result, or with the step's argument as its
     * value. Its bytes must stay until `release`, or until the swarm is freed. */
    swarm_outcome (*answer)(void *context, const swarm_request *request, swarm_result *out_result);
    /* Takes back what an answer lent. Null: only counted. */
    void (*release)(void *context, const swarm_result *result);
    uint64_t again_ns;     /* longest hold that AGAIN and REFUSED ask for when inflight_max is
                              reached; default 1 s */
    uint32_t models_count; /* models at `models`, at most 65,536 */
    uint32_t inflight_max; /* attempts in flight, at most 2^24; default: what the memory holds;
                              swarm_mock_memory_size then counts 512 */
    uint32_t scripts_max;  /* scripts, at most 2^24; default 8; SWARM_NONE: none */
    uint32_t flags;        /* SWARM_MOCK_*, or 0 */
    swarm_trial *trial;    /* each answer OK is a fault point of it, and ends as the
                              model's `failure` where it fails; null: none */
} swarm_mock_spec;

/* What has happened so far. */
typedef struct swarm_mock_stats {
    uint64_t submitted;  /* attempts that were taken */
    uint64_t refused;    /* attempts turned away with AGAIN or REFUSED for want of a place */
    uint64_t inflight;   /* attempts that still owe an answer; lost ones not included */
    uint64_t lost;       /* stalled and deaf: never answered */
    uint64_t stalled;    /* attempts that stalled, lost ones included */
    uint64_t answers;    /* first answers given, of any outcome */
    uint64_t ok;         /* of these, OK */
    uint64_t cancels;    /* cancels that found their attempt, the first for each */
    uint64_t cancelled;  /* answers CANCELLED */
    uint64_t late;       /* answers in full after a cancel */
    uint64_t duplicates; /* second answers given */
    uint64_t stale;      /* first answers that the swarm did not take: DUPLICATE or STALE */
    uint64_t rejected;   /* answers that the swarm refused otherwise; a second one it took */
    uint64_t lent;       /* answers taken by the swarm with bytes; equals `released` at the end */
    uint64_t released;   /* calls of release */
    uint64_t overflows;  /* prices that did not fit 64 bits */
    swarm_usage usage;   /* summed over the answers that the swarm took */
} swarm_mock_stats;

/* Bytes that swarm_mock_new needs, for memory of any alignment; 0 when the spec is absurd: a number
 * out of range, a kind without what it needs. A null spec means all defaults. [pure] */
SWARM_API size_t swarm_mock_memory_size(const swarm_mock_spec *spec);

/* Makes a mock in the caller's memory, which needs no alignment. Null when the spec is absurd or
 * the memory too small. It needs no free: when the swarm is gone, so may the memory be. [pure] */
SWARM_API swarm_mock *swarm_mock_new(const swarm_mock_spec *spec, void *memory, size_t size);

/* The table for swarm_backend_add, valid as long as the mock. Null for null. [pure] */
SWARM_API const swarm_backend *swarm_mock_backend(swarm_mock *mock);

/* Scripts the attempts of one step: its n-th attempt, those that end THROTTLED or REFUSED included,
 * plays turns[n - 1]; what comes after the last turn is the model's. run_key 0 means every run, one
 * after the other. Said again for the same step, it replaces the turns; a
 * script for a run's key goes before one for every run. `turns` is borrowed. INVALID, FULL
 * (scripts_max). [owner] */
SWARM_API swarm_status swarm_mock_script(swarm_mock *mock, uint64_t run_key, uint64_t ordinal,
                                         const swarm_mock_turn *turns, uint32_t count);

/* Makes the index-th answer, counted from 0 in the order of answering, end with this outcome. One
 * index at a time: the last call counts; SWARM_NEVER: none. swarm_mock_stats.answers of a run
 * without it says how many there are. INVALID. [owner] */
SWARM_API swarm_status swarm_mock_fail_nth(swarm_mock *mock, uint64_t index, swarm_outcome outcome);

/* Writes the counters. INVALID. [owner] */
SWARM_API swarm_status swarm_mock_stats_get(const swarm_mock *mock, swarm_mock_stats *out_stats);

/* ------------------------------------------------------------------------------------ campaigns */

/*
 * CAMPAIGNS. A trial is one run of your own program in virtual time: your plans, your functions,
 * your backends. Everything in which trials differ is asked of it: a number by swarm_trial_choose,
 * whether something happens by swarm_trial_chance, whether the reply, the write or the buffer at
 * hand fails by swarm_trial_fails. A campaign plays many trials. One that fails is made as small as
 * it can be made to fail with the same text, and is written down as a line of choices, which plays
 * it again. A trial must depend on nothing else, and begin anew each time: a fresh swarm, fresh
 * backends.
 *
 *     static const char *trial(void *context, swarm_trial *trial) {
 *         swarm_mock_spec spec = {.size = sizeof spec, .trial = trial};
 *         ...
 *         return swarm_run_check(sw, run, NULL) == SWARM_OK ? NULL : "it did not end";
 *     }
 */

/* A number from 0 to bound - 1; shrinking tends to 0, so let that be the simplest. A bound of 0
 * counts as 1. Only on the thread of the trial. [pure] */
SWARM_API uint64_t swarm_trial_choose(swarm_trial *trial, uint64_t bound);

/* True with this probability; shrinking tends to false. As above. [pure] */
SWARM_API bool swarm_trial_chance(swarm_trial *trial, uint32_t ppm);

/* A fault point: true when what is at hand is to fail. In most trials rarely or never; with
 * SWARM_CAMPAIGN_EACH at exactly one point. As above. [pure] */
SWARM_API bool swarm_trial_fails(swarm_trial *trial);

/* Begins anew with the same choices, once: a trial that plays everything twice, the second time
 * with other workers or in other memory, finds what depends on something that was not chosen.
 * [pure] */
SWARM_API void swarm_trial_again(swarm_trial *trial);

/* Flags of a campaign. */
enum {
    SWARM_CAMPAIGN_EACH = 1 /* one seed, `seeds` is not used: the i-th trial fails at its i-th fault
                               point and nowhere else, for all i; the last one has no such point */
};

/* What a campaign plays. `size`, `trial` and `memory` must be set. */
typedef struct swarm_campaign_spec {
    size_t size;   /* sizeof(swarm_campaign_spec) */
    void *context; /* first argument of trial */
    /* Plays one trial. Null: it went well; else what is wrong, a text that lasts. */
    const char *(*trial)(void *context, swarm_trial *trial);
    const char *choices; /* plays this line of choices and nothing else; null: a campaign */
    void *memory;        /* of any alignment: 41 bytes a choice; choices beyond it are 0 */
    size_t memory_size;  /* bytes at `memory` */
    uint64_t seed;       /* of the first trial; default 1 */
    uint64_t seeds;      /* trials, each with the next seed; default 1,000 */
    uint32_t
        shrinks_max; /* trials to make a failing one smaller; default 2,000; SWARM_NONE: none */
    uint32_t flags;  /* SWARM_CAMPAIGN_*, or 0 */
} swarm_campaign_spec;

/* What came of it. */
typedef struct swarm_campaign_report {
    const char *text;       /* what is wrong; null: nothing */
    const char *choices;    /* the smallest trial found that fails so; in the campaign's memory */
    uint64_t choices_count; /* in it */
    uint64_t seed;          /* of the last trial: the one that failed */
    uint64_t trials;        /* played, without those below */
    uint64_t shrinks;       /* played to make it smaller */
    uint64_t points;        /* fault points that the last trial passed */
} swarm_campaign_report;

/* Plays trials until one fails: FAILED, or OK when none did. INVALID: the spec, or no line of
 * choices; FULL: no memory for one choice. [pure] */
SWARM_API swarm_status swarm_campaign_run(const swarm_campaign_spec *spec,
                                          swarm_campaign_report *out_report);

#ifdef __cplusplus
}
#endif
#endif
