/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - what is known of a server: its gate, its pace, how well it serves.
 *
 * THE GATE is closed until `open_ns` by the first answer that says "too many"; later ones, to
 * requests that were already under way, may only ask for more time. Jitter is positive: nobody
 * comes back before the time that the server named (19 of 20 clients did so at the same instant).
 *
 * THE PACE is the time between two starts. It begins at `interval_ns` and shrinks with each answer
 * served until there is none. A closing learns what the server served since the last opening, and
 * goes on from there: a sixteenth slower first, then faster, quickly up to what was learned and by
 * 1/512 an answer beyond (the shape of CUBIC, Ha, Rhee and Xu 2008, in integers).
 *
 * Invariant: while it is closed nothing starts; two starts are interval_ns apart.
 *
 * Memory: the caller's structs. Threads: one a struct. No loops.
 */
#ifndef SWARM_HTTP_ENDPOINT_H
#define SWARM_HTTP_ENDPOINT_H

#include "swarm_http.h"

#define SECOND_NS 1000000000u
#define GATE_WAIT_MAX (60u * (uint64_t)SECOND_NS)
#define GATE_AHEAD_NS (SECOND_NS / 2)
#define GATE_FREE_NS 50000u /* a pace faster than this is none */
#define GATE_SERVED_MIN 4u  /* answers from which a pace can be learned */
#define PPM 1000000u

/* Streams of draws. */
enum { STREAM_GATE = 0x68747470, STREAM_WAIT };

struct gate {
    uint64_t seed;
    uint64_t draws;
    uint64_t open_ns;
    uint64_t next_ns;
    uint64_t interval_ns;
    uint64_t learned_ns; /* interval at which the server has served; 0: not known */
    uint64_t since_ns;   /* of the last opening */
    uint64_t served;     /* since then */
    uint64_t closures;   /* ever */
    uint32_t row;        /* closures since an answer was served */
};

static inline uint64_t later(uint64_t now, uint64_t wait) {
    return wait > SWARM_NEVER - now ? SWARM_NEVER : now + wait;
}

/* When a request that comes now may start; false when it had better come again at *out_when. Starts
 * are given out for half a second ahead: that bounds how long one waits here, where priorities do
 * not count, and spares dispatch a refusal for each of them. */
static inline bool gate_start(struct gate *gate, uint64_t now, uint64_t *out_when) {
    uint64_t when = gate->next_ns > now ? gate->next_ns : now;

    if (now < gate->open_ns || when - now > GATE_AHEAD_NS) {
        *out_when = now < gate->open_ns ? gate->open_ns : when - GATE_AHEAD_NS / 2;
        return false;
    }
    gate->since_ns = gate->since_ns != 0 ? gate->since_ns : now;
    gate->next_ns = later(when, gate->interval_ns);
    *out_when = when;
    return true;
}

/* A request was served. */
static inline void gate_served(struct gate *gate) {
    uint32_t shift = gate->learned_ns == 0 ? 3 : gate->interval_ns > gate->learned_ns ? 4 : 9;

    gate->served++;
    gate->row = 0;
    gate->interval_ns -= gate->interval_ns >> shift;
    if (gate->interval_ns < GATE_FREE_NS) {
        gate->interval_ns = 0;
    }
}

/* The pace from what was served since the opening, in that time and the wait that it cost: a server
 * that saves up allowance has given away both. Twice as slow when nothing was served. */
static inline void gate_learn(struct gate *gate, uint64_t now, uint64_t wait) {
    if (gate->served >= GATE_SERVED_MIN && now > gate->since_ns) {
        gate->learned_ns = (later(now, wait) - gate->since_ns) / gate->served;
        gate->interval_ns = gate->learned_ns + gate->learned_ns / 16;
    } else {
        gate->interval_ns = gate->interval_ns != 0 ? gate->interval_ns * 2 : GATE_FREE_NS * 20;
    }
    gate->interval_ns = gate->interval_ns < SECOND_NS ? gate->interval_ns : SECOND_NS;
    gate->served = 0;
}

/* "Too many". retry_ns: what the server asks for; 0: nothing. Returns when to come back. */
static inline uint64_t gate_close(struct gate *gate, uint64_t now, uint64_t retry_ns) {
    uint64_t wait = retry_ns;

    if (now < gate->open_ns) {
        gate->open_ns = later(now, wait) > gate->open_ns ? later(now, wait) : gate->open_ns;
        return gate->open_ns;
    }
    if (wait == 0) {
        wait = gate->row < 6 ? (uint64_t)SECOND_NS << gate->row : GATE_WAIT_MAX;
        wait = wait < GATE_WAIT_MAX ? wait : GATE_WAIT_MAX;
    }
    gate_learn(gate, now, wait);
    gate->row += gate->row < 16 ? 1 : 0;
    gate->closures++;
    wait = later(wait, wait / 5 / PPM * (swarm_random(gate->seed, STREAM_GATE, gate->draws) % PPM));
    gate->draws++;
    gate->open_ns = later(now, wait);
    gate->next_ns = gate->open_ns;
    gate->since_ns = gate->open_ns;
    return gate->open_ns;
}

/* An average with weight 2^-shift; the first value counts whole. */
static inline uint64_t averaged(uint64_t average, uint64_t value, uint32_t shift) {
    return average == 0 ? value : average - (average >> shift) + (value >> shift);
}

#endif
