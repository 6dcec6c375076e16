/* SPDX-License-Identifier: MIT */
/*
 * sim_world.h - what a simulated trial is made of, and the draws that make it: a fleet, two runs of
 * random plans, and which faults there are.
 *
 * Everything is chosen through the campaigns of swarm_mock.h, so that a failing trial can be made
 * smaller; 0 is always the simplest choice. A trial has a random subset of the features below, each
 * with its own strength: what is always a little bit of everything never finds what takes much of
 * one thing and nothing of another (Groce et al., Swarm testing, ISSTA 2012).
 */
#ifndef SWARM_TESTS_SIM_WORLD_H
#define SWARM_TESTS_SIM_WORLD_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backends/mock/swarm_mock.h"
#include "../swarm.h"

#define RUNS 2u
#define STEPS_MAX 260u /* of a run, those that its call steps add included */
#define EXPANDS_MAX 20u
#define INTO_MAX 6u /* edges into a step */
#define FLIGHTS_MAX 256u
#define AGENTS_MAX 16u
#define PROFILES 3u
#define BACKENDS 2u
#define PERMITS 2u
#define BUDGETS 2u
#define ASKS_MAX 64u
#define GHOSTS_MAX 64u
#define LENT_MAX 16384u
#define LOG_MAX (1u << 22)
#define VOTES 16u
#define NONE UINT32_MAX

/* What a trial may have. The faults come last. */
enum {
    FEATURE_DELAY,
    FEATURE_RULES, /* of edges */
    FEATURE_JOIN,
    FEATURE_SKIP,
    FEATURE_LOOP,
    FEATURE_VOTE,
    FEATURE_HEDGE,
    FEATURE_WATCH,
    FEATURE_ASK,
    FEATURE_BUDGET,
    FEATURE_PERMIT,
    FEATURE_RETRY,
    FEATURE_TIMEOUT,
    FEATURE_SKILL,
    FEATURE_CALL,
    FEATURE_EXPAND,
    FEATURE_STATE,
    FEATURE_ORDER,
    FEATURE_GROWING,
    FEATURE_INFLIGHT, /* run limits */
    FEATURE_TENANT,
    FEATURE_LENT, /* answers with bytes */
    FEATURE_RATE,
    FEATURE_DETACHED,
    FEATURE_LATE_EDGES,
    FAULT_FAIL,
    FAULT_THROTTLE,
    FAULT_NEVER,
    FAULT_LATE,      /* long after it was given up */
    FAULT_TWICE,     /* answers again */
    FAULT_INSIDE,    /* answers while it is handed out */
    FAULT_THREAD,    /* answers from another thread */
    FAULT_STALE,     /* answers what nobody asked for */
    FAULT_ABSURD,    /* numbers and sizes */
    FAULT_DEAF,      /* to cancels */
    FAULT_CANCEL,    /* cancels of steps, subtrees, agents */
    FAULT_STORM,     /* of a run, or of everything */
    FAULT_LEAVE,     /* agents */
    FAULT_CLOCK,     /* jumps */
    FAULT_PROGRESS,  /* reports of any attempt */
    FAULT_SILENT_ASK /* nobody answers */
};
#define FEATURES (FAULT_SILENT_ASK + 1u)

enum { KIND_AGENT, KIND_CALL, KIND_PLAIN, KIND_EXPAND };

struct into {
    uint32_t from;
    swarm_edge_spec rule;
};

/* A step as the trial knows it: what it asked for, and what it was told. */
struct sim_step {
    swarm_step handle;
    uint64_t key;
    uint32_t kind;
    uint32_t skill; /* 0: none; else 1 + profile that alone has it */
    uint32_t pin;   /* agent id; 0: any */
    uint32_t units[PERMITS];
    uint32_t charge; /* 1 + budget; 0: none */
    swarm_amounts reserve;
    swarm_retry retry;
    swarm_join_spec join;
    swarm_skip_spec skip;
    swarm_loop_spec loop;
    swarm_vote_spec vote;
    swarm_hedge_spec hedge;
    swarm_watch_spec watch;
    swarm_ask_spec ask;
    uint64_t queue_timeout_ns, run_timeout_ns, order_key, estimate_ns;
    uint32_t priority, flags;
    bool has_join, has_skip, has_loop, has_vote, has_hedge, has_watch, has_ask, has_state;
    bool detached, gone; /* gone: the handle may not be used any more */
    struct into into[INTO_MAX];
    uint32_t into_count, owner; /* owner: 1 + ordinal of the call step that added it */
    /* what became of it */
    uint32_t state;
    swarm_status reason;
    swarm_outcome outcome; /* of the last attempt that counts */
    uint32_t branch, confidence_ppm;
    uint64_t ready_ns, end_ns, heard_ns, held_until_ns;
    uint32_t number, epoch, starts, tried, iteration, hedges;
    uint32_t ran; /* a call step: 1 well, 2 not */
    uint32_t ballot_branch[VOTES], ballot_confidence[VOTES];
    bool cancel_posted, cancel_applied, asked, continued;
    bool reached, heard; /* it was ready once; its successors have heard of its end */
};

struct sim_run {
    swarm_run handle;
    swarm_run_spec spec;
    struct sim_step steps[STEPS_MAX];
    uint32_t count;        /* applied */
    uint32_t expands, own; /* own: steps that the owner added */
    uint32_t target;       /* steps that the owner means to add */
    bool closed, ended, cancelled, cancel_posted;
    uint64_t started, fenced, answers;
};

/* An attempt between its START and its DONE or FENCED. */
struct flight {
    swarm_attempt attempt; /* once handed out */
    uint64_t start_ns, due_ns, given_up_ns;
    uint64_t sequence;
    uint32_t run, step, number, epoch, agent;
    bool handed, given_up, cancel_seen, answered, silent, deaf;
    swarm_outcome outcome; /* answered */
    swarm_result result;
    swarm_usage usage;
};

struct question {
    swarm_token token;
    uint32_t run, step;
    uint64_t due_ns;
    bool open;
};

/* An attempt that is over, or will be, and of which somebody still speaks. */
struct ghost {
    swarm_attempt attempt;
    uint64_t due_ns;
};

/* In what two plays of one trial differ, and must not differ otherwise. */
struct variant {
    uint32_t workers, shift, deque_size;
    size_t read_bytes;
    unsigned char fill;
    bool threads;
};

struct world {
    swarm_trial *trial;
    swarm *sw;
    const char *wrong;
    jmp_buf out;
    uint64_t now_ns;
    uint64_t features;
    uint32_t strength[FEATURES]; /* percent */
    bool calm;                   /* faults are over */
    bool listing;
    struct sim_run runs[RUNS];
    uint32_t runs_count;
    /* the fleet */
    uint32_t agents, agent_profile[AGENTS_MAX + 1], agent_inflight[AGENTS_MAX + 1];
    bool agent_gone[AGENTS_MAX + 1];
    uint32_t profile_backend[PROFILES], profile_inflight_max[PROFILES];
    uint64_t backend_held_ns[BACKENDS];
    bool backend_shut[BACKENDS]; /* by its breaker: its account is exhausted */
    uint64_t permit_capacity[PERMITS], permit_used[PERMITS];
    swarm_budget budgets[BUDGETS];
    swarm_amounts budget_limit[BUDGETS], reserved[BUDGETS], spent[BUDGETS];
    uint32_t budget_policy[BUDGETS];
    bool has_rate, losers; /* losers: some join cancels what it does not need */
    uint64_t grace_ns, latency_ns;
    swarm_function plain, expand;
    struct flight flights[FLIGHTS_MAX];
    uint32_t flights_count;
    struct ghost ghosts[GHOSTS_MAX];
    uint32_t ghosts_count;
    struct variant variant;
    struct question questions[ASKS_MAX];
    uint32_t questions_count;
    uint8_t lent[LENT_MAX]; /* by its release word: 1 lent, 2 came back */
    uint32_t lent_count, rounds;
    uint64_t sequence, event_ns;
    const struct sim_step *suspect; /* the step that was looked at last */
    struct flight landed;           /* the last one that did */
    /* the log */
    swarm_run_report reports[RUNS];
    swarm_log_cursor cursor;
    size_t log_size;
    unsigned char log[LOG_MAX];
};

/* ---- draws */

static inline uint64_t below(struct world *w, uint64_t bound) {
    return swarm_trial_choose(w->trial, bound);
}

static inline bool chance(struct world *w, uint32_t percent) {
    return swarm_trial_choose(w->trial, 100) >= 100 - percent;
}

/* Whether this trial has it at all. */
static inline bool has(const struct world *w, uint32_t feature) {
    return (w->features >> feature & 1) != 0;
}

/* Whether it happens here. What a trial does not have costs no draw; once calm there are no faults.
 */
static inline bool happens(struct world *w, uint32_t feature) {
    return has(w, feature) && !(w->calm && feature >= FAULT_FAIL) &&
           chance(w, w->strength[feature]);
}

static inline void wrong(struct world *w, const char *text) {
    w->wrong = text;
    longjmp(w->out, 1);
}

#define CHECK(w, condition, text) ((condition) ? (void)0 : wrong(w, text))

static inline void draw_features(struct world *w) {
    for (uint32_t i = 0; i < FEATURES; i++) {
        uint32_t strength = (uint32_t)below(w, 8); /* half of them have it */

        if (strength >= 4) {
            w->features |= UINT64_C(1) << i;
            w->strength[i] = (uint32_t[]){3, 12, 30, 60}[strength - 4];
        }
    }
}

/* ---- steps */

static inline void draw_limits(struct world *w, struct sim_step *step) {
    for (uint32_t i = 0; i < PERMITS; i++) {
        step->units[i] =
            happens(w, FEATURE_PERMIT) ? 1 + (uint32_t)below(w, w->permit_capacity[i]) : 0;
    }
    if (happens(w, FEATURE_BUDGET)) {
        step->charge = 1 + (uint32_t)below(w, BUDGETS);
        step->reserve = (swarm_amounts){.steps = 1,
                                        .input_tokens = 1 + below(w, 3) * 10,
                                        .output_tokens = 1 + below(w, 3) * 10,
                                        .cost_nano = 1 + below(w, 3) * 10,
                                        .running_ns = 1000};
    }
    if (happens(w, FEATURE_TIMEOUT)) {
        step->queue_timeout_ns = chance(w, 50) ? 1 + below(w, 300) : 0;
        step->run_timeout_ns = 1 + below(w, 200);
    }
    if (happens(w, FEATURE_SKILL)) {
        step->skill = 1 + (uint32_t)below(w, PROFILES);
    }
    if (happens(w, FEATURE_SKILL)) {
        step->pin = 1 + (uint32_t)below(w, w->agents);
    }
}

static inline void draw_watch(struct world *w, struct sim_step *step) {
    step->has_watch = happens(w, FEATURE_WATCH);
    if (step->has_watch) {
        step->watch.idle_timeout_ns = chance(w, 40) ? 1 + below(w, 150) : 0;
        step->watch.lease_ns = chance(w, 30) ? 1 + below(w, 150) : 0;
        step->watch.deadline_ns = chance(w, 30) ? 1 + below(w, 600) : 0;
        step->watch.confidence_min_ppm = chance(w, 30) ? 400000 : 0;
        step->watch.repeat_max = chance(w, 20) ? 2 + (uint32_t)below(w, 3) : 0;
    }
    step->has_ask = happens(w, FEATURE_ASK);
    if (step->has_ask) {
        step->ask = (swarm_ask_spec){.timeout_ns = chance(w, 60) ? 1 + below(w, 300) : 0,
                                     .reminder_ns = chance(w, 30) ? 20 + below(w, 100) : 0,
                                     .day_ns = 1000,
                                     .value = 7,
                                     .kind = chance(w, 40) ? SWARM_ASK_APPROVE : 0,
                                     .on_timeout = (uint32_t)below(w, 3)};
        if (chance(w, 30)) {
            step->ask.open_ns = below(w, 1000);
            step->ask.close_ns = below(w, 1000);
        }
    }
}

/* Votes, hedges and retries of an agent step. A question is none of them. */
static inline void draw_attempts(struct world *w, struct sim_step *step) {
    step->has_vote = !step->has_ask && happens(w, FEATURE_VOTE);
    step->has_hedge = !step->has_vote && !step->has_ask && happens(w, FEATURE_HEDGE);
    if (step->has_vote) {
        uint32_t count = 1 + (uint32_t)below(w, 5);

        step->vote = (swarm_vote_spec){.count = count,
                                       .quorum = 1 + (uint32_t)below(w, count),
                                       .start = (uint32_t)below(w, count + 1),
                                       .distinct = (uint32_t)below(w, 4),
                                       .tie_break = (uint32_t)below(w, 3),
                                       .flags = (uint32_t)below(w, 2)};
    } else if (happens(w, FEATURE_RETRY)) {
        step->retry = (swarm_retry){.backoff_ns = chance(w, 70) ? 1 + below(w, 60) : SWARM_ZERO,
                                    .backoff_max_ns = chance(w, 30) ? 1 + below(w, 90) : 0,
                                    .attempts_max = 1 + (uint32_t)below(w, 4),
                                    .jitter_ppm = (uint32_t)below(w, 2) * 500000};
    }
    if (step->has_hedge) {
        step->hedge = (swarm_hedge_spec){.after_ns = chance(w, 70) ? 1 + below(w, 50) : 0,
                                         .samples_min = 2,
                                         .share_max_ppm = chance(w, 50) ? 1000000 : 200000};
    }
}

static inline void draw_call(struct world *w, struct sim_step *step, const struct sim_run *run) {
    bool expand = (run->spec.flags & SWARM_RUN_GROWING) != 0 && run->expands < EXPANDS_MAX &&
                  happens(w, FEATURE_EXPAND);

    if (happens(w, FEATURE_CALL) || expand) {
        step->kind = expand ? KIND_EXPAND : chance(w, 60) ? KIND_CALL : KIND_PLAIN;
    }
}

static inline void draw_loop(struct world *w, struct sim_step *step) {
    step->has_loop = step->kind != KIND_EXPAND && !step->has_ask && happens(w, FEATURE_LOOP);
    if (step->has_loop) {
        step->loop = (swarm_loop_spec){.iterations_max = 1 + (uint32_t)below(w, 4),
                                       .until = (uint32_t)below(w, 3),
                                       .value = 1};
        step->loop.value = step->loop.until == SWARM_WHEN_ALWAYS      ? 0
                           : step->loop.until == SWARM_WHEN_CONFIDENT ? 500000
                                                                      : 1;
    }
}

/* What a step is, without its edges. */
static inline void draw_step(struct world *w, struct sim_step *step, const struct sim_run *run) {
    draw_call(w, step, run);
    if (step->kind == KIND_PLAIN) {
        return;
    }
    if (has(w, FEATURE_ORDER)) {
        step->priority = (uint32_t)below(w, 3);
        step->order_key = below(w, 4);
        step->estimate_ns = below(w, 100);
    }
    step->detached = (run->spec.flags & SWARM_RUN_GROWING) != 0 && happens(w, FEATURE_DETACHED);
    if (step->kind == KIND_AGENT) {
        draw_limits(w, step);
        draw_watch(w, step);
        draw_attempts(w, step);
    }
    draw_loop(w, step);
    step->has_join = happens(w, FEATURE_JOIN);
    step->has_skip = !step->has_join && happens(w, FEATURE_SKIP);
    step->skip.confidence_ppm = 700000;
    step->has_state = !step->has_vote && happens(w, FEATURE_STATE);
}

/* An edge from an older step of the run, if that can be. */
static inline void draw_edge(struct world *w, struct sim_run *run, uint32_t to, uint32_t from) {
    struct sim_step *step = &run->steps[to];
    const struct sim_step *before = &run->steps[from];
    struct into *into = &step->into[step->into_count];
    bool tracked = step->kind != KIND_PLAIN && before->kind != KIND_PLAIN;

    for (uint32_t i = 0; i < step->into_count; i++) {
        if (step->into[i].from == from) {
            return;
        }
    }
    if (before->gone || (step->has_join && !tracked) || step->into_count == INTO_MAX) {
        return;
    }
    *into = (struct into){.from = from};
    if (tracked && happens(w, FEATURE_DELAY)) {
        into->rule.delay_ns = chance(w, 30) ? SWARM_ZERO : 1 + below(w, 60);
    }
    if (tracked && happens(w, FEATURE_RULES)) {
        into->rule.kind = (uint32_t)below(w, step->has_join ? 2 : 3);
        if (into->rule.kind != SWARM_EDGE_SOFT) {
            into->rule.on_failure = (uint32_t)below(w, 3);
            into->rule.on_skip = (uint32_t)below(w, 3);
            into->rule.when = (uint32_t)below(w, 3);
            into->rule.value = into->rule.when == SWARM_WHEN_ALWAYS      ? 0
                               : into->rule.when == SWARM_WHEN_CONFIDENT ? 500000
                                                                         : 1;
        }
    }
    step->into_count++;
}

static inline void draw_join(struct world *w, struct sim_step *step) {
    if (!step->has_join) {
        return;
    }
    step->join = (swarm_join_spec){.need = (uint32_t)below(w, step->into_count + 1u),
                                   .failed_max = chance(w, 30) ? 1 : 0,
                                   .garbage_max = chance(w, 20) ? SWARM_ZERO32 : 0,
                                   .flags = (uint32_t)below(w, 2)};
    if (step->join.failed_max == 0 && chance(w, 20)) {
        step->join.failed_max = SWARM_ZERO32;
    }
    if (step->join.need == 0 && chance(w, 20)) {
        step->join.need = SWARM_ZERO32;
    }
}

/* ---- the fleet and the runs */

static inline void draw_fleet(struct world *w) {
    w->agents = 1 + (uint32_t)below(w, 8);
    w->grace_ns = 1 + below(w, 200);
    w->latency_ns = 1 + below(w, 100);
    for (uint32_t i = 0; i < PROFILES; i++) {
        w->profile_backend[i] = (uint32_t)below(w, BACKENDS);
        w->profile_inflight_max[i] = 1 + (uint32_t)below(w, 3);
    }
    for (uint32_t i = 1; i <= w->agents; i++) {
        w->agent_profile[i] = (uint32_t)below(w, PROFILES);
    }
    for (uint32_t i = 0; i < PERMITS; i++) {
        w->permit_capacity[i] = 1 + below(w, 4);
    }
    for (uint32_t i = 0; i < BUDGETS; i++) {
        w->budget_limit[i] =
            (swarm_amounts){.steps = chance(w, 50) ? 1 + below(w, 60) : 0,
                            .input_tokens = chance(w, 30) ? 40 + below(w, 400) : 0,
                            .output_tokens = chance(w, 30) ? 40 + below(w, 400) : 0,
                            .cost_nano = chance(w, 30) ? 40 + below(w, 400) : 0};
        w->budget_policy[i] = (uint32_t)below(w, 3) + 1;
    }
}

static inline void draw_run(struct world *w, struct sim_run *run) {
    static const uint32_t sizes[] = {4, 10, 25, 60, 200};

    run->spec = (swarm_run_spec){.key = 1 + (uint64_t)(run - w->runs), .seed = 1 + below(w, 1000)};
    run->spec.flags = happens(w, FEATURE_GROWING) ? SWARM_RUN_GROWING : 0;
    run->spec.order = has(w, FEATURE_ORDER) ? (uint32_t)below(w, 7) : 0;
    run->spec.inflight_max = happens(w, FEATURE_INFLIGHT) ? 1 + (uint32_t)below(w, 4) : 0;
    run->target = 1 + (uint32_t)below(w, sizes[below(w, 8) % 5]);
    if (run->spec.flags == 0 && run->target > 120) {
        run->target = 120;
    }
}

#endif
