/* SPDX-License-Identifier: MIT */
/*
 * ask.h - questions that wait for somebody outside: their records, their tokens, and open hours.
 *
 * A question is opened by the turn, handed out as a request, and answered once, by any thread. Its
 * word is {sequence, state}; the CAS from OPEN to CLAIMED decides who answers. The sequence number
 * rises by one with each question of the swarm, and is logged: a token that was handed out by one
 * process names the same question in the process that resumed its log.
 *
 * A token is 32 bytes, all integers little-endian: number of the run, ordinal of the step,
 * sequence, and a check over these three with the configuration's seed. The check finds what was
 * mistyped or invented; it is no signature.
 *
 * A record that was answered or closed is kept until its place is needed, oldest first, so that a
 * second answer is told DUPLICATE and not STALE for as long as possible.
 *
 * Memory: an array of configured size. Threads: word, and the answer between CLAIMED and ANSWERED,
 * belong to whoever answers; the rest to the turn.
 */
#ifndef SWARM_DISPATCH_ASK_H
#define SWARM_DISPATCH_ASK_H

#include "../base/checked.h"
#include "table.h"

/* State in the low bits of a question's word, under its sequence number. */
enum {
    ASK_FREE = 0,
    ASK_OPEN = 1,     /* may be answered, by any thread */
    ASK_CLAIMED = 2,  /* somebody is writing the answer */
    ASK_ANSWERED = 3, /* on its way to the turn */
    ASK_DONE = 4,     /* answered: a second one is a duplicate */
    ASK_CLOSED = 5,   /* nobody wants the answer any more */
    ASK_STATE = 7
};

/* What the request queue has to hand out for a question. */
enum { ASK_WANTS_ASK = 1, ASK_WANTS_RELEASE = 2, ASK_WANTS_ANSWER_RELEASE = 4 };

struct ask {
    atomic_u64 word; /* sequence << 3 | state */
    swarm_result question;
    swarm_result answer;
    uint64_t ordinal;
    uint64_t run_number; /* its slot may be another run's when a late answer comes */
    uint64_t frame;      /* handed out when this one is acknowledged */
    uint64_t asked_ns;
    uint64_t due_ns;    /* for the answer; SWARM_NEVER: none */
    uint64_t remind_ns; /* asked again; SWARM_NEVER: never */
    uint32_t outcome;   /* of the answer */
    uint32_t tracked;   /* the step that waits, or NONE32 */
    uint32_t run;
    uint32_t backend; /* that asked, or NONE32 */
    uint32_t kind;    /* SWARM_ASK_* */
    uint32_t times;   /* asked */
    uint32_t arrived_next;
    uint32_t request_next;
    uint32_t wants;
    bool queued;
};

static inline uint64_t ask_word(uint64_t sequence, uint32_t state) {
    SWARM_ASSERT(state <= ASK_CLOSED);
    return sequence << 3 | state;
}

/* Relaxed, here and in ask_state: the turn wrote it. Another thread that looks acquires by the CAS
 * with which it claims the question. */
static inline uint64_t ask_sequence(const struct ask *ask) {
    return ATOMIC_LOAD(&ask->word, relaxed) >> 3;
}

static inline uint32_t ask_state(const struct ask *ask) {
    return (uint32_t)ATOMIC_LOAD(&ask->word, relaxed) & ASK_STATE;
}

/* Whether its place may be used for another question. */
static inline bool ask_is_free(const struct ask *ask) {
    uint32_t state = ask_state(ask);

    return (state == ASK_FREE || state == ASK_DONE || state == ASK_CLOSED) && ask->wants == 0;
}

/* The place that was free for longest, or NONE32. */
static inline uint32_t ask_place(const struct ask *asks, uint32_t count) {
    uint32_t best = NONE32;

    for (uint32_t i = 0; i < count; i++) {
        if (ask_is_free(&asks[i]) &&
            (best == NONE32 || ask_sequence(&asks[i]) < ask_sequence(&asks[best]))) {
            best = i;
        }
    }
    return best;
}

/* ---- tokens */

/* Little-endian: a token is answered on another machine. */
static inline void token_put(unsigned char *at, uint64_t value) {
    for (uint32_t i = 0; i < 8; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static inline uint64_t token_get(const unsigned char *at) {
    uint64_t value = 0;

    for (uint32_t i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static inline uint64_t token_check(uint64_t seed, uint64_t run, uint64_t ordinal,
                                   uint64_t sequence) {
    return hash_mix64(hash_mix64(hash_mix64(seed, run), ordinal), sequence);
}

static inline swarm_token token_make(uint64_t seed, uint64_t run, uint64_t ordinal,
                                     uint64_t sequence) {
    swarm_token token;

    SWARM_ASSERT(sequence != 0);
    token_put(token.bytes, run);
    token_put(token.bytes + 8, ordinal);
    token_put(token.bytes + 16, sequence);
    token_put(token.bytes + 24, token_check(seed, run, ordinal, sequence));
    return token;
}

/* The sequence number of the question that it names; 0 when it was not made here. */
static inline uint64_t token_sequence(const swarm_token *token, uint64_t seed) {
    const unsigned char *bytes = token->bytes;
    uint64_t sequence = token_get(bytes + 16);
    uint64_t check = token_check(seed, token_get(bytes), token_get(bytes + 8), sequence);

    return check == token_get(bytes + 24) ? sequence : 0;
}

/* ---- open hours (M11) */

/* When `wait_ns` of open time will have passed. A day is open from open_ns to close_ns, over
 * midnight when close_ns is the smaller one, and always when they are equal. */
static inline uint64_t open_after(const swarm_ask_spec *spec, uint64_t now_ns, uint64_t wait_ns) {
    uint64_t day = spec->day_ns, open, phase, days, at_ns, left;

    if (wait_ns == SWARM_NEVER || spec->open_ns == spec->close_ns) {
        return saturating_add64(now_ns, wait_ns);
    }
    SWARM_ASSERT(spec->open_ns < day);
    SWARM_ASSERT(spec->close_ns < day);
    open = spec->close_ns > spec->open_ns ? spec->close_ns - spec->open_ns
                                          : day - (spec->open_ns - spec->close_ns);
    phase = (now_ns % day + (day - spec->open_ns)) % day; /* since it opened last */
    left = phase < open ? open - phase : 0;
    if (wait_ns <= left) {
        return saturating_add64(now_ns, wait_ns);
    }
    at_ns = saturating_add64(now_ns, day - phase); /* it opens again */
    wait_ns -= left;
    days = (wait_ns - 1) / open; /* a wait that ends with a day ends when it closes */
    if (days > (UINT64_MAX - at_ns) / day) {
        return SWARM_NEVER;
    }
    return saturating_add64(at_ns + days * day, wait_ns - days * open);
}

#endif
