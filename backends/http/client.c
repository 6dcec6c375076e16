/* SPDX-License-Identifier: MIT */
/*
 * client.c - attempts over connections: the backend of swarm_http.h. What it is made of stands in
 * client.h.
 *
 * Everything happens in poll, in the order of the places' and connections' numbers, so that equal
 * bytes at equal times give equal decisions. Each attempt is answered once, by poll, when its place
 * is ENDED.
 *
 * Memory: one block of the caller's. Threads: the owner's. Loops run over places and connections,
 * over what one poll may read of a connection, or over bytes.
 */
#include "swarm_http.h"

#include <string.h>

#include "client.h"

/* ---- Ends ---------------------------------------------------------------------------------- */

static void place_detach(swarm_http *http, struct place *place) {
    if (place->connection != NONE) {
        connection_close(http, &http->connections[place->connection]);
        place->connection = NONE;
    }
}

/* The attempt is over; poll answers it. */
static void place_end(swarm_http *http, struct place *place, swarm_outcome outcome) {
    place_detach(http, place);
    place->outcome = outcome;
    place->state = PLACE_ENDED;
    http->ended++;
}

/* Whether a failure is repeated here: before the first content, seldom, and not against the
 * server's word. */
static bool may_resend(const swarm_http *http, const struct place *place,
                       const struct advice *advice, swarm_outcome outcome) {
    bool asked =
        outcome == SWARM_OUTCOME_TRANSIENT ? advice->retry != RETRY_NO : advice->retry == RETRY_YES;

    return asked && !place->content && place->resends < http->spec.resends_max &&
           advice->retry_ns <= RETRY_WAIT_MAX &&
           http->stats.resends <= 10 + http->stats.attempts / 10;
}

static void place_again(swarm_http *http, struct place *place, uint64_t wait) {
    place_detach(http, place);
    place->state = PLACE_WAITING;
    place->sent = 0;
    place->head = false;
    place->resume_ns = later(http->now, wait);
}

static void place_failed(swarm_http *http, struct place *place, const struct advice *advice,
                         swarm_outcome outcome) {
    if (outcome == SWARM_OUTCOME_THROTTLED) {
        http->stats.throttled++;
        place->until_ns = gate_close(&http->gate, http->now, advice->retry_ns);
        place_end(http, place, SWARM_OUTCOME_REFUSED);
    } else if (may_resend(http, place, advice, outcome)) {
        uint64_t most = (uint64_t)SECOND_NS / 2 << (place->resends < 4 ? place->resends : 4);
        uint64_t wait = swarm_random(http->spec.seed, STREAM_WAIT, http->draws++) % most;

        place->resends++;
        http->stats.resends++;
        place_again(http, place, wait > advice->retry_ns ? wait : advice->retry_ns);
    } else {
        place_end(http, place, outcome);
    }
    http->stats.failure_ppm = http->stats.failure_ppm - http->stats.failure_ppm / 16 + PPM / 16;
}

static const struct advice NO_ADVICE = {.keep_ns = SWARM_NEVER, .keep_max = SWARM_NEVER};

/* The connection ended, or broke, before the answer was complete. A reused one that never began to
 * answer had ended before: that is nobody's failure. */
static void place_lost(swarm_http *http, struct place *place) {
    const struct connection *connection = &http->connections[place->connection];
    bool stale = connection->requests > 1 && !connection->answered && !place->stale;

    if (stale) {
        place->stale = true;
        place->fresh = true;
        http->stats.stale++;
        place_again(http, place, 0);
    } else {
        place_failed(http, place, &NO_ADVICE, SWARM_OUTCOME_TRANSIENT);
    }
}

/* ---- Requests ------------------------------------------------------------------------------ */

static void turn_begin(swarm_http *http, struct place *place) {
    place->turn = swarm_http_turn_new(place->room, http->spec.text_max);
    place->finish = SWARM_HTTP_FINISH_NONE;
    place->head = false;
}

static void connection_send(swarm_http *http, struct connection *connection) {
    struct place *place = &http->places[connection->place];
    size_t taken = 1;

    while (place->sent < place->size && taken != 0) {
        taken =
            http->transport.send(http->transport.context, connection->id,
                                 place->bytes + place->sent, place->size - place->sent, http->now);
        if (taken == SIZE_MAX) {
            return; /* what the server said before it closed is still to be read */
        }
        place->sent += taken;
    }
}

/* Gives the place a connection and begins to send. */
static void place_send(swarm_http *http, struct place *place) {
    bool fresh = place->fresh || (http->spec.flags & SWARM_HTTP_FRESH_ONLY) != 0;
    struct connection *connection = fresh ? NULL : connection_reused(http);

    http->stats.reused += connection != NULL ? 1 : 0;
    connection = connection != NULL ? connection : connection_opened(http);
    if (connection == NULL) {
        place_failed(http, place, &NO_ADVICE, SWARM_OUTCOME_TRANSIENT);
        return;
    }
    turn_begin(http, place);
    place->connection = (uint32_t)(connection - http->connections);
    place->state = PLACE_RUNNING;
    place->sent = 0;
    place->content_ns = http->now;
    connection->state = CONNECTION_BUSY;
    connection->place = (uint32_t)(place - http->places);
    connection->since_ns = http->now;
    connection->requests++;
    connection->answered = false;
    connection->advice = NO_ADVICE;
    swarm_http_wire_begin(connection->wire, http->spec.dialect,
                          http->spec.flags & SWARM_HTTP_NULL_OK);
    http->stats.requests++;
    connection_send(http, connection);
}

/* When the attempt passes a limit. */
static uint64_t place_limit(const swarm_http *http, const struct place *place) {
    const swarm_http_spec *spec = &http->spec;
    uint64_t request_ns =
        place->connection != NONE ? http->connections[place->connection].since_ns : place->start_ns;
    uint64_t due = later(place->start_ns, spec->total_ns), other;

    if (place->state == PLACE_WAITING) {
        return due;
    }
    other = !place->head      ? later(request_ns, spec->head_ns)
            : !place->content ? later(request_ns, spec->first_ns)
                              : later(place->content_ns, place->idle_ns);
    return other < due ? other : due;
}

static void place_time(swarm_http *http, struct place *place) {
    if (place->state == PLACE_WAITING && http->now < http->gate.open_ns) {
        place->until_ns = http->gate.open_ns; /* it would run into a closed gate */
        place_end(http, place, SWARM_OUTCOME_REFUSED);
    } else if (place->state == PLACE_WAITING && http->now >= place->resume_ns) {
        place_send(http, place);
    }
    if ((place->state == PLACE_RUNNING || place->state == PLACE_WAITING) &&
        http->now >= place_limit(http, place)) {
        place_end(http, place, SWARM_OUTCOME_TIMED_OUT);
        http->stats.timed_out++;
    }
}

/* The request's bytes, from what `prepare` or the payload says. */
static swarm_status place_write(swarm_http *http, struct place *place, swarm *sw,
                                const swarm_request *request) {
    swarm_http_message message = {.text = request->payload, .size = request->payload_size};
    swarm_http_request asked = {.host = http->spec.host,
                                .path = http->spec.path,
                                .key = http->spec.key,
                                .model = http->spec.model,
                                .messages = &message,
                                .messages_count = 1,
                                .dialect = http->spec.dialect};
    swarm_http_writer writer = {.bytes = place->bytes, .capacity = http->spec.text_max};
    swarm_status status = SWARM_E_INVALID;

    message.text = message.text != NULL ? message.text : "";
    if (http->spec.prepare == NULL || http->spec.prepare(http->spec.context, sw, request, &asked)) {
        status = swarm_http_request_write(&asked, &writer);
    }
    place->size = writer.size;
    place->idle_ns = asked.idle_ns != 0 ? asked.idle_ns : http->spec.idle_ns;
    return status;
}

static struct place *place_free(swarm_http *http) {
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        if (http->places[i].state == PLACE_FREE) {
            return &http->places[i];
        }
    }
    return NULL;
}

/* All places are taken. By attempts: come again. By answers that nobody releases: that may be for
 * ever, so the attempt ends. */
static swarm_status no_place(swarm_http *http, const swarm_request *request,
                             uint64_t *out_until_ns) {
    swarm_completion completion = {.attempt = request->attempt, .outcome = SWARM_OUTCOME_TERMINAL};

    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        if (http->places[i].state != PLACE_LENT) {
            *out_until_ns = later(http->now, http->spec.poll_ns * 10);
            return SWARM_E_AGAIN;
        }
    }
    http->stats.failed++;
    (void)swarm_complete(http->sw, &completion);
    return SWARM_OK;
}

static swarm_status submit(void *context, swarm *sw, const swarm_request *request,
                           uint64_t *out_until_ns) {
    swarm_http *http = context;
    struct place *place;
    uint64_t start_ns;

    http->sw = sw;
    http->now = request->now_ns > http->now ? request->now_ns : http->now;
    place = place_free(http);
    if (place == NULL) {
        return no_place(http, request, out_until_ns);
    }
    if (!gate_start(&http->gate, http->now, out_until_ns)) {
        return SWARM_E_AGAIN;
    }
    start_ns = *out_until_ns;
    *place = (struct place){.attempt = request->attempt,
                            .bytes = place->bytes,
                            .room = place->room,
                            .connection = NONE,
                            .start_ns = http->now,
                            .told_ns = http->now,
                            .resume_ns = start_ns};
    http->stats.attempts++;
    turn_begin(http, place);
    if (place_write(http, place, sw, request) == SWARM_OK) {
        place->state = PLACE_WAITING;
        place_time(http, place);
    } else {
        place_end(http, place, SWARM_OUTCOME_TERMINAL);
    }
    return SWARM_OK;
}

static void cancel(void *context, swarm *sw, const swarm_request *request) {
    swarm_http *http = context;

    (void)sw;
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        struct place *place = &http->places[i];

        if (place->attempt.id == request->attempt.id &&
            (place->state == PLACE_RUNNING || place->state == PLACE_WAITING)) {
            place_end(http, place, SWARM_OUTCOME_CANCELLED);
        }
    }
}

/* ---- Events -------------------------------------------------------------------------------- */

static uint32_t power_of(uint64_t value) {
    uint32_t power = 0;

    while (value > 1) {
        value >>= 1;
        power++;
    }
    return power;
}

static void first_content(swarm_http *http, struct place *place) {
    uint64_t took = http->now - place->start_ns;

    place->content = true;
    http->stats.first_ns = averaged(http->stats.first_ns, took, 3);
    http->firsts[power_of(took)]++;
}

static void content(swarm_http *http, struct place *place, const swarm_http_event *event) {
    if (!place->content) {
        first_content(http, place);
    }
    place->content_ns = http->now;
    place->told += event->size;
    if (http->now - place->told_ns >= PROGRESS_NS) {
        (void)swarm_progress(http->sw, place->attempt, place->told, 0, 0);
        place->told_ns = http->now;
        place->told = 0;
    }
}

static void measured(struct place *place, const swarm_http_event *event) {
    swarm_usage *usage = &place->usage;

    place->used = true;
    usage->input_tokens = event->input_tokens != SWARM_NEVER ? event->input_tokens : 0;
    usage->cached_tokens = event->cached_tokens != SWARM_NEVER ? event->cached_tokens : 0;
    usage->output_tokens = event->output_tokens != SWARM_NEVER ? event->output_tokens : 0;
    if (usage->cached_tokens > usage->input_tokens) {
        usage->cached_tokens = usage->input_tokens;
    }
}

/* The answer is there: the turn becomes the message, in the place of the request. */
static swarm_outcome answer_write(swarm_http *http, struct place *place) {
    swarm_http_writer writer = {.bytes = place->bytes, .capacity = http->spec.text_max};

    (void)swarm_http_turn_write(place->turn, http->spec.dialect, &writer);
    place->size = writer.size;
    return writer.size <= writer.capacity ? SWARM_OUTCOME_OK : SWARM_OUTCOME_GARBAGE;
}

/* Lets the connection read its body's end; one whose request was not sent whole is of no use. */
static void connection_drain(struct place *place, struct connection *connection, uint64_t now) {
    connection->state = CONNECTION_DRAINING;
    connection->place = NONE;
    connection->since_ns = now;
    place->connection = NONE;
}

static void answered(swarm_http *http, struct place *place, const swarm_http_event *event) {
    struct connection *connection = &http->connections[place->connection];
    struct advice advice = connection->advice;
    swarm_outcome outcome = event->outcome;

    if (event->problem == SWARM_HTTP_PROBLEM_CUT && !place->head) {
        place_lost(http, place);
        return;
    }
    http->stats.incomplete += event->incomplete;
    if (place->sent == place->size) {
        connection_drain(place, connection, http->now);
    }
    outcome = outcome == SWARM_OUTCOME_OK ? answer_write(http, place) : outcome;
    if (outcome == SWARM_OUTCOME_OK) {
        http->stats.latency_ns = averaged(http->stats.latency_ns, http->now - place->start_ns, 3);
        http->stats.failure_ppm -= http->stats.failure_ppm / 16;
        place_end(http, place, outcome);
    } else {
        place_failed(http, place, &advice, outcome);
    }
}

/* An event of a connection that has a place. */
static void event_taken(swarm_http *http, struct connection *connection,
                        const swarm_http_event *event) {
    struct place *place = &http->places[connection->place];

    if (swarm_http_turn_add(place->turn, event) != SWARM_OK) {
        place_end(http, place, SWARM_OUTCOME_GARBAGE); /* larger than its memory */
        return;
    }
    switch (event->kind) {
    case SWARM_HTTP_FIELD:
        advice_field(&connection->advice, event,
                     http->spec.unix_ns != 0 ? later(http->spec.unix_ns, http->now) : 0);
        break;
    case SWARM_HTTP_HEAD:
        place->head = true;
        if (event->status < 300) {
            gate_served(&http->gate);
        }
        break;
    case SWARM_HTTP_TEXT:
        if (event->channel != SWARM_HTTP_ERROR) {
            content(http, place, event);
        }
        break;
    case SWARM_HTTP_USAGE:
        measured(place, event);
        break;
    case SWARM_HTTP_FINISH:
        place->finish = event->finish;
        place->content_ns = http->now;
        break;
    case SWARM_HTTP_END:
        answered(http, place, event);
        break;
    default:
        break;
    }
}

/* Takes an event; false when the connection is gone, or came to rest. */
static bool connection_event(swarm_http *http, struct connection *connection,
                             const swarm_http_event *event) {
    if (connection->state == CONNECTION_BUSY) {
        event_taken(http, connection, event);
    } else if (event->kind == SWARM_HTTP_IDLE) {
        connection->state = CONNECTION_IDLE;
        connection->since_ns = http->now;
        connection->order = ++http->orders;
    } else if (event->kind == SWARM_HTTP_CLOSE) {
        connection_close(http, connection);
    }
    return connection->state == CONNECTION_BUSY || connection->state == CONNECTION_DRAINING;
}

/* ---- Pumping ------------------------------------------------------------------------------- */

static void connection_feed(swarm_http *http, struct connection *connection, size_t size) {
    swarm_http_event event;
    size_t at = 0;
    bool going = true;

    connection->answered = true;
    do {
        at += swarm_http_wire_input(connection->wire, http->buffer + at, size - at, &event);
        going = connection_event(http, connection, &event);
    } while (going && (event.kind != SWARM_HTTP_NONE || at < size));
}

static void connection_ended(swarm_http *http, struct connection *connection) {
    swarm_http_event event;
    bool going = true;

    do {
        swarm_http_wire_end(connection->wire, &event);
        going = connection_event(http, connection, &event);
    } while (going && event.kind != SWARM_HTTP_NONE);
    connection_close(http, connection);
}

static void connection_pump(swarm_http *http, struct connection *connection) {
    if (connection->state == CONNECTION_BUSY) {
        connection_send(http, connection);
    }
    for (uint32_t feeds = 0; feeds < FEEDS_MAX; feeds++) {
        size_t size;

        if (connection->state != CONNECTION_BUSY && connection->state != CONNECTION_DRAINING) {
            return;
        }
        size = http->transport.recv(http->transport.context, connection->id, http->buffer,
                                    BUFFER_SIZE, http->now);
        if (size == 0) {
            return;
        }
        if (size == SIZE_MAX) {
            connection_ended(http, connection);
        } else {
            connection_feed(http, connection, size);
        }
    }
}

static void connection_time(swarm_http *http, struct connection *connection) {
    uint64_t limit =
        connection->state == CONNECTION_DRAINING ? http->spec.drain_ns : http->spec.keep_ns;

    if ((connection->state == CONNECTION_DRAINING || connection->state == CONNECTION_IDLE) &&
        http->now >= later(connection->since_ns, limit)) {
        connection_close(http, connection);
    }
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* FNV-1a: equal answers have equal digests, for votes and detectors of repetition. */
static uint64_t digest(const char *bytes, size_t size) {
    uint64_t hash = 0xCBF29CE484222325u;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001B3u;
    }
    return hash;
}

static void count_outcome(swarm_http *http, const struct place *place) {
    swarm_http_stats *stats = &http->stats;

    if (place->outcome == SWARM_OUTCOME_OK) {
        stats->ok++;
        stats->unmeasured += place->used ? 0 : 1;
    } else if (place->outcome == SWARM_OUTCOME_CANCELLED) {
        stats->cancelled++;
    } else if (place->outcome != SWARM_OUTCOME_REFUSED &&
               place->outcome != SWARM_OUTCOME_TIMED_OUT) {
        stats->failed++;
    }
}

/* Lends the answer: from the store, or else from the place itself. `release` says which. */
static swarm_result lend(swarm_http *http, const struct place *place) {
    size_t at = store_take(&http->store, place->size);
    swarm_result result = {.bytes = place->bytes,
                           .size = place->size,
                           .value = place->finish,
                           .branch = place->finish,
                           .digest = digest(place->bytes, place->size),
                           .release = (uint64_t)(place - http->places) + 1};

    if (at != SIZE_MAX) {
        memcpy(http->store.bytes + at, place->bytes, place->size);
        result.bytes = http->store.bytes + at;
        result.release = (uint64_t)at << 32;
    }
    return result;
}

static void release(void *context, const swarm_result *result) {
    swarm_http *http = context;

    if (result->release >> 32 != 0) {
        store_give(&http->store, (size_t)(result->release >> 32));
    } else if (result->release != 0 && result->release <= http->spec.inflight_max) {
        http->places[result->release - 1].state = PLACE_FREE;
    }
}

static void place_answer(swarm_http *http, struct place *place) {
    const swarm_http_price *price = &http->spec.price;
    swarm_completion completion = {.attempt = place->attempt, .outcome = place->outcome};
    bool lends = place->outcome == SWARM_OUTCOME_OK;

    count_outcome(http, place);
    place->usage.cost_nano =
        (place->usage.input_tokens - place->usage.cached_tokens) * price->input_nano +
        place->usage.cached_tokens * price->cached_nano +
        place->usage.output_tokens * price->output_nano;
    completion.usage = place->usage;
    completion.until_ns = place->outcome == SWARM_OUTCOME_REFUSED ? place->until_ns : 0;
    if (lends) {
        completion.result = lend(http, place);
    }
    http->ended--;
    place->state = lends && completion.result.release >> 32 == 0 ? PLACE_LENT : PLACE_FREE;
    if (swarm_complete(http->sw, &completion) != SWARM_OK && lends) {
        release(http, &completion.result); /* not taken over: the bytes are ours again */
    }
}

static void poll(void *context, swarm *sw, uint64_t now_ns) {
    swarm_http *http = context;

    http->sw = sw;
    http->now = now_ns > http->now ? now_ns : http->now;
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        connection_pump(http, &http->connections[i]);
    }
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        place_time(http, &http->places[i]);
        connection_time(http, &http->connections[i]);
    }
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        if (http->places[i].state == PLACE_ENDED) {
            place_answer(http, &http->places[i]);
        }
    }
}

static uint64_t deadline(void *context) {
    swarm_http *http = context;
    uint64_t due = SWARM_NEVER;
    bool open = false;

    if (http->ended != 0) {
        return http->now;
    }
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        const struct place *place = &http->places[i];
        const struct connection *connection = &http->connections[i];
        uint64_t when = place->state == PLACE_WAITING   ? place->resume_ns
                        : place->state == PLACE_RUNNING ? place_limit(http, place)
                                                        : SWARM_NEVER;

        due = when < due ? when : due;
        when = connection->state == CONNECTION_DRAINING
                   ? later(connection->since_ns, http->spec.drain_ns)
                   : SWARM_NEVER;
        due = when < due ? when : due;
        open = open || connection->state == CONNECTION_BUSY ||
               connection->state == CONNECTION_DRAINING;
    }
    if (open) {
        uint64_t next = http->transport.next != NULL ? http->transport.next(http->transport.context)
                                                     : later(http->now, http->spec.poll_ns);

        due = next < due ? next : due;
    }
    return due;
}

/* ---- Interface ----------------------------------------------------------------------------- */

swarm_http *swarm_http_new(const swarm_http_spec *spec, void *memory, size_t size) {
    size_t need = swarm_http_size(spec);
    unsigned char *base = memory;
    swarm_http *http;

    if (memory == NULL || need == 0 || size < need) {
        return NULL;
    }
    base += (64 - (uintptr_t)base % 64) % 64;
    http = (void *)base;
    memset(http, 0, sizeof *http);
    http->spec = spec_filled(spec);
    http->transport = *spec->transport;
    http->gate = (struct gate){.seed = http->spec.seed, .interval_ns = http->spec.pace_ns};
    http->table = (swarm_backend){.size = sizeof http->table,
                                  .name = http->spec.name,
                                  .context = http,
                                  .submit = submit,
                                  .cancel = cancel,
                                  .poll = poll,
                                  .deadline = deadline,
                                  .release = release};
    (void)lay_out(http, base + rounded(sizeof *http));
    return http;
}

const swarm_backend *swarm_http_backend(swarm_http *http) {
    return http != NULL ? &http->table : NULL;
}

void swarm_http_close(swarm_http *http) {
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        connection_close(http, &http->connections[i]);
        if (http->places[i].state != PLACE_LENT) {
            http->places[i].state = PLACE_FREE;
        }
        http->places[i].connection = NONE;
    }
    http->ended = 0;
}

static uint64_t first_p95(const swarm_http *http) {
    uint64_t all = 0, below = 0;
    uint32_t power = 0;

    for (uint32_t i = 0; i < BUCKETS; i++) {
        all += http->firsts[i];
    }
    while (power < BUCKETS - 1 && (below + http->firsts[power]) * 20 < all * 19) {
        below += http->firsts[power++];
    }
    return all == 0 ? 0 : ((uint64_t)2 << power) - 1;
}

swarm_status swarm_http_stats_get(const swarm_http *http, swarm_http_stats *out_stats) {
    if (http == NULL || out_stats == NULL) {
        return SWARM_E_INVALID;
    }
    *out_stats = http->stats;
    out_stats->open_ns = http->gate.open_ns;
    out_stats->interval_ns = http->gate.interval_ns;
    out_stats->closures = http->gate.closures;
    out_stats->first_p95_ns = first_p95(http);
    out_stats->inflight = 0;
    out_stats->idle = 0;
    for (uint32_t i = 0; i < http->spec.inflight_max; i++) {
        out_stats->inflight +=
            http->places[i].state == PLACE_RUNNING || http->places[i].state == PLACE_WAITING ? 1
                                                                                             : 0;
        out_stats->idle += http->connections[i].state == CONNECTION_IDLE ? 1 : 0;
    }
    return SWARM_OK;
}
