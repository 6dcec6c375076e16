/* SPDX-License-Identifier: MIT */
/*
 * client.h - what a client is made of: places, connections, and where they lie in its block.
 *
 *     place:       FREE -> RUNNING <-> WAITING (to be sent again) -> ENDED -> LENT -> FREE
 *     connection:  FREE -> BUSY -> DRAINING -> IDLE -> BUSY ... -> FREE
 *
 * A PLACE is an attempt: the bytes of its request, the turn that it collects, its times. A
 * CONNECTION is a number of the transport's with a wire.
 *
 * Invariants: a place has a connection exactly when it is RUNNING; a connection has a place exactly
 * when it is BUSY. A place's bytes hold the request until END and the answer from then on.
 *
 * Memory: one block of the caller's. Threads: the owner's. Loops run over places, connections and
 * the bits of a word. Included by client.c only.
 */
#ifndef SWARM_HTTP_CLIENT_H
#define SWARM_HTTP_CLIENT_H

#include "swarm_http.h"

#include <string.h>

#include "advice.h"
#include "bytes.h"
#include "endpoint.h"
#include "store.h"

#define NONE UINT32_MAX
#define BUFFER_SIZE 16384u
#define FEEDS_MAX 64u /* reads of one connection in one poll: others wait too */
#define PROGRESS_NS SECOND_NS
#define RETRY_WAIT_MAX (120u * (uint64_t)SECOND_NS)
#define BUCKETS 64u

enum { PLACE_FREE = 0, PLACE_RUNNING, PLACE_WAITING, PLACE_ENDED, PLACE_LENT };
enum { CONNECTION_FREE = 0, CONNECTION_BUSY, CONNECTION_DRAINING, CONNECTION_IDLE };

struct place {
    swarm_attempt attempt;
    char *bytes; /* text_max of them */
    void *room;  /* of the turn */
    swarm_http_turn *turn;
    size_t size;         /* of the request, then of the answer */
    size_t sent;         /* of the request */
    uint64_t start_ns;   /* of the attempt */
    uint64_t content_ns; /* of the last content, or the request's start */
    uint64_t resume_ns;  /* WAITING: when it is sent again */
    uint64_t until_ns;   /* ENDED: with REFUSED */
    uint64_t idle_ns;
    uint64_t told_ns; /* of the last progress */
    uint64_t told;    /* bytes of content since */
    swarm_usage usage;
    swarm_outcome outcome;
    uint32_t state;
    uint32_t connection;
    uint32_t finish;
    uint32_t resends;
    bool head;    /* of the response at hand has come */
    bool content; /* has come */
    bool used;    /* usage is known */
    bool fresh;   /* the next connection must be a new one */
    bool stale;   /* was sent again because its connection had ended */
};

struct connection {
    swarm_http_wire *wire;
    uint64_t id; /* the transport's */
    uint64_t since_ns;
    uint64_t order; /* of becoming idle */
    uint32_t state;
    uint32_t place;
    uint32_t requests;
    bool answered; /* a byte of a response has come for the request at hand */
    struct advice advice;
};

struct swarm_http {
    swarm_backend table;
    swarm_http_transport transport;
    swarm_http_spec spec; /* defaults filled in */
    swarm_http_stats stats;
    struct gate gate;
    struct store store; /* answers that are lent */
    struct place *places;
    struct connection *connections;
    unsigned char *buffer;
    swarm *sw;
    uint64_t now;
    uint64_t orders;
    uint64_t draws;
    uint32_t firsts[BUCKETS]; /* first contents by the power of two of their time */
    uint32_t ended;           /* places that are ENDED */
};

/* ---- Making -------------------------------------------------------------------------------- */

static inline void fill(uint64_t *value, uint64_t otherwise) {
    *value = *value == 0 ? otherwise : *value == SWARM_ZERO ? 0 : *value;
}

static inline void fill_count(uint32_t *value, uint32_t otherwise) {
    *value = *value == 0 ? otherwise : *value == SWARM_NONE ? 0 : *value;
}

static inline swarm_http_spec spec_filled(const swarm_http_spec *spec) {
    swarm_http_spec all = *spec;

    all.name = all.name != NULL ? all.name : "http";
    fill(&all.head_ns, 120u * (uint64_t)SECOND_NS);
    fill(&all.first_ns, 300u * (uint64_t)SECOND_NS);
    fill(&all.idle_ns, 120u * (uint64_t)SECOND_NS);
    fill(&all.total_ns, 600u * (uint64_t)SECOND_NS);
    fill(&all.drain_ns, SECOND_NS);
    fill(&all.keep_ns, 4u * (uint64_t)SECOND_NS);
    fill(&all.poll_ns, 1000000);
    fill(&all.pace_ns, 2000000);
    fill_count(&all.inflight_max, 16);
    fill_count(&all.answers_max, 1024u * 1024u);
    fill_count(&all.text_max, 128u * 1024u);
    fill_count(&all.resends_max, 2);
    fill_count(&all.requests_max, 1000);
    return all;
}

static inline bool spec_good(const swarm_http_spec *spec) {
    const swarm_http_transport *transport = spec->transport;

    return spec->size == sizeof *spec && transport != NULL &&
           transport->size == sizeof *transport && transport->open != NULL &&
           transport->send != NULL && transport->recv != NULL && transport->close != NULL &&
           spec->host != NULL && (spec->model != NULL || spec->prepare != NULL) &&
           spec->inflight_max <= 65536 && spec->dialect <= SWARM_HTTP_ANTHROPIC &&
           (spec->text_max == 0 || spec->text_max >= 4096) && spec->text_max <= 1u << 30;
}

static inline size_t rounded(size_t size) {
    return (size + 63u) / 64u * 64u;
}

/* Bytes of the block's parts: for a place, for a connection, in all. */
static inline size_t place_bytes(const swarm_http_spec *all) {
    return rounded(sizeof(struct place)) + 2 * rounded(all->text_max);
}

static inline size_t connection_bytes(void) {
    return rounded(sizeof(struct connection)) + rounded(swarm_http_wire_size(NULL));
}

size_t swarm_http_size(const swarm_http_spec *spec) {
    swarm_http_spec all;

    if (spec == NULL || !spec_good(spec)) {
        return 0;
    }
    all = spec_filled(spec);
    return 63 + rounded(sizeof(swarm_http)) + BUFFER_SIZE + rounded(all.answers_max) +
           all.inflight_max * (place_bytes(&all) + connection_bytes());
}

static inline unsigned char *lay_out(swarm_http *http, unsigned char *at) {
    uint32_t count = http->spec.inflight_max;
    size_t text = rounded(http->spec.text_max), wire = rounded(swarm_http_wire_size(NULL));

    http->places = (void *)at;
    at += count * rounded(sizeof(struct place));
    http->connections = (void *)at;
    at += count * rounded(sizeof(struct connection));
    memset(http->places, 0, (size_t)(at - (unsigned char *)http->places));
    http->buffer = at;
    at += BUFFER_SIZE;
    for (uint32_t i = 0; i < count; i++) {
        http->places[i].bytes = (char *)at;
        http->places[i].room = at + text;
        http->places[i].connection = NONE;
        at += 2 * text;
        http->connections[i].wire = swarm_http_wire_new(NULL, at, wire);
        http->connections[i].place = NONE;
        at += wire;
    }
    store_begin(&http->store, at, http->spec.answers_max);
    return at + rounded(http->spec.answers_max);
}

/* ---- Connections --------------------------------------------------------------------------- */

static inline void connection_close(swarm_http *http, struct connection *connection) {
    if (connection->state != CONNECTION_FREE) {
        http->transport.close(http->transport.context, connection->id);
        connection->state = CONNECTION_FREE;
        connection->place = NONE;
    }
}

/* Whether an idle connection may be used once more: the server's and our limits, and nothing to
 * read from it. */
static inline bool connection_fit(swarm_http *http, const struct connection *connection) {
    uint64_t keep = http->spec.keep_ns, said = connection->advice.keep_ns;
    uint64_t idle = http->now - connection->since_ns;

    if (said != SWARM_NEVER) {
        said = said > SECOND_NS ? said - SECOND_NS : 0;
        keep = said < keep ? said : keep;
    }
    return idle < keep && connection->requests < http->spec.requests_max &&
           connection->requests < connection->advice.keep_max &&
           http->transport.recv(http->transport.context, connection->id, http->buffer, 1,
                                http->now) == 0;
}

/* The idle connection that was used last and is fit; those that are not are closed. */
static inline struct connection *connection_reused(swarm_http *http) {
    for (uint32_t tries = 0; tries < http->spec.inflight_max; tries++) {
        struct connection *best = NULL;

        for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
            struct connection *connection = &http->connections[i];

            if (connection->state == CONNECTION_IDLE &&
                (best == NULL || connection->order > best->order)) {
                best = connection;
            }
        }
        if (best == NULL || connection_fit(http, best)) {
            return best;
        }
        connection_close(http, best);
    }
    return NULL;
}

/* A place for a new connection: a free one, else that of the oldest one without a request. */
static inline struct connection *connection_free(swarm_http *http) {
    struct connection *best = NULL;

    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        struct connection *connection = &http->connections[i];

        if (connection->state == CONNECTION_FREE) {
            return connection;
        }
        if (connection->state != CONNECTION_BUSY &&
            (best == NULL || connection->since_ns < best->since_ns)) {
            best = connection;
        }
    }
    if (best != NULL) {
        connection_close(http, best);
    }
    return best;
}

static inline struct connection *connection_opened(swarm_http *http) {
    struct connection *connection = connection_free(http);

    if (connection != NULL) {
        connection->id = http->transport.open(http->transport.context, http->spec.host, http->now);
        if (connection->id == SWARM_NEVER) {
            return NULL;
        }
        connection->requests = 0;
        http->stats.connections++;
    }
    return connection;
}

#endif
