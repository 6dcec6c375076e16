/* SPDX-License-Identifier: MIT */
/*
 * wire.c - one connection's response bytes to events.
 *
 *     IDLE -> HEAD -> BODY -> ENDING -> DRAIN -> IDLE
 *
 * Three readers, one inside the other, take turns: response.h finds runs of the body, sse.h runs of
 * data in them, dialect.c reads JSON. None copies: each hands the next a run and is told how much
 * of it was consumed, so a call can stop at any byte. In ENDING everything that waited is said,
 * then END; in DRAIN the rest of the body is read only to learn whether the connection can be used
 * again.
 *
 * Invariant: END is said exactly once between begin and IDLE or CLOSE.
 *
 * Memory: one block of the caller's: this struct, the slots, the line. Threads: one a wire.
 */
#include "swarm_http.h"

#include <string.h>

#include "bytes.h"
#include "dialect.h"
#include "response.h"
#include "sse.h"

#define LINE_DEFAULT 8192u
#define HEAD_DEFAULT 32768u
#define FIELDS_DEFAULT 100u
#define SLOTS_DEFAULT 32u
#define ERROR_TEXT_MAX 256u /* of a body that is no JSON */

enum { PHASE_IDLE = 0, PHASE_HEAD, PHASE_BODY, PHASE_ENDING, PHASE_DRAIN, PHASE_CLOSED };
enum { BODY_UNKNOWN = 0, BODY_EVENTS, BODY_JSON, BODY_TEXT };
enum { TYPE_OTHER = 0, TYPE_EVENTS, TYPE_JSON };
enum { DOCUMENT_NONE = 0, DOCUMENT_JSON, DOCUMENT_MARK, DOCUMENT_IGNORED };

struct swarm_http_wire {
    struct response response;
    struct dialect dialect;
    struct sse sse;
    uint32_t flags;
    uint32_t kind;    /* of dialect */
    uint32_t problem; /* said by END */
    uint16_t text_size;
    uint8_t phase;
    uint8_t body;
    uint8_t type; /* what the head says the body is */
    uint8_t document;
    uint8_t matched; /* bytes of "[DONE]" */
    uint8_t quota;   /* bytes of "quota" at the end of the error's text */
    bool encoded;
    bool indented; /* a blank precedes the body's first byte */
    bool done;
};

/* ---- Making -------------------------------------------------------------------------------- */

static uint32_t default_to(uint32_t value, uint32_t otherwise) {
    return value != 0 ? value : otherwise;
}

static swarm_http_limits limits_of(const swarm_http_limits *limits) {
    swarm_http_limits all = limits != NULL ? *limits : (swarm_http_limits){0};

    all.line_max = default_to(all.line_max, LINE_DEFAULT);
    all.head_max = default_to(all.head_max, HEAD_DEFAULT);
    all.fields_max = default_to(all.fields_max, FIELDS_DEFAULT);
    all.slots_max = default_to(all.slots_max, SLOTS_DEFAULT);
    return all;
}

size_t swarm_http_wire_size(const swarm_http_limits *limits) {
    swarm_http_limits all = limits_of(limits);

    if (all.line_max < 256 || all.line_max > 1u << 24 || all.head_max < all.line_max ||
        all.head_max > 1u << 30 || all.slots_max > SWARM_HTTP_SLOTS) {
        return 0;
    }
    return sizeof(swarm_http_wire) + all.slots_max * sizeof(struct slot) + all.line_max + 15;
}

swarm_http_wire *swarm_http_wire_new(const swarm_http_limits *limits, void *memory, size_t size) {
    swarm_http_limits all = limits_of(limits);
    size_t need = swarm_http_wire_size(limits);
    unsigned char *base = memory;
    swarm_http_wire *wire;

    if (memory == NULL || need == 0 || size < need) {
        return NULL;
    }
    base += (16 - (uintptr_t)base % 16) % 16;
    wire = (void *)base;
    memset(wire, 0, sizeof *wire);
    wire->dialect.slots = (void *)(base + sizeof *wire);
    wire->dialect.slots_max = all.slots_max;
    wire->response.line = base + sizeof *wire + all.slots_max * sizeof(struct slot);
    wire->response.line_max = all.line_max;
    wire->response.head_max = all.head_max;
    wire->response.fields_max = all.fields_max;
    return wire;
}

void swarm_http_wire_begin(swarm_http_wire *wire, uint32_t dialect, uint32_t flags) {
    response_begin(&wire->response);
    memset(&wire->sse, 0, sizeof wire->sse);
    swarm__http_dialect_begin(&wire->dialect, dialect, true);
    wire->flags = flags;
    wire->kind = dialect;
    wire->problem = 0;
    wire->text_size = 0;
    wire->phase = PHASE_HEAD;
    wire->body = BODY_UNKNOWN;
    wire->type = TYPE_OTHER;
    wire->document = DOCUMENT_NONE;
    wire->quota = 0;
    wire->encoded = false;
    wire->indented = false;
    wire->done = false;
    if ((flags & SWARM_HTTP_BODY_ONLY) != 0) {
        wire->phase = PHASE_BODY;
        wire->type = (flags & SWARM_HTTP_PLAIN) != 0 ? TYPE_JSON : TYPE_EVENTS;
        wire->response.status = 200;
        wire->response.state = RESPONSE_TO_END;
        wire->response.ended_by_close = true;
    }
}

/* ---- Judging ------------------------------------------------------------------------------- */

static bool word_has(const struct word *word, const char *text) {
    size_t size = strlen(text);

    for (size_t i = 0; i + size <= word->size; i++) {
        if (memcmp(word->bytes + i, text, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool error_has(const swarm_http_wire *wire, const char *text) {
    return word_has(&wire->dialect.type, text) || word_has(&wire->dialect.code, text);
}

/* What an HTTP status means for an attempt. */
static swarm_outcome status_outcome(uint32_t status) {
    switch (status) {
    case 402:
        return SWARM_OUTCOME_QUOTA;
    case 429:
    case 503:
    case 529:
        return SWARM_OUTCOME_THROTTLED;
    case 408:
    case 409:
        return SWARM_OUTCOME_TRANSIENT;
    default:
        return status >= 500 ? SWARM_OUTCOME_TRANSIENT : SWARM_OUTCOME_TERMINAL;
    }
}

/* A code that is a status: in a stream it is all there is. */
static uint32_t code_status(const struct word *code) {
    uint32_t status = 0;

    for (uint32_t i = 0; i < code->size; i++) {
        uint32_t digit = (uint8_t)code->bytes[i] - (uint32_t)'0';

        if (digit > 9 || code->size != 3) {
            return 0;
        }
        status = status * 10 + digit;
    }
    return status >= 400 ? status : 0;
}

/* An error that the server reports, by its type, code, text and status. */
static swarm_outcome error_outcome(const swarm_http_wire *wire) {
    uint32_t status = wire->response.status;

    status = status < 300 ? code_status(&wire->dialect.code) : status;
    if ((status == 0 || status == 403 || status == 429 || status == 402) &&
        (error_has(wire, "quota") || error_has(wire, "billing") ||
         error_has(wire, "insufficient") || (status != 0 && wire->quota == 5))) {
        return SWARM_OUTCOME_QUOTA;
    }
    if (status != 0) {
        return status_outcome(status);
    }
    if (error_has(wire, "rate_limit") || error_has(wire, "overloaded") ||
        error_has(wire, "too_many")) {
        return SWARM_OUTCOME_THROTTLED;
    }
    if (error_has(wire, "content_filter") || error_has(wire, "invalid") ||
        error_has(wire, "BadRequest") || error_has(wire, "authentication") ||
        error_has(wire, "permission") || error_has(wire, "not_found")) {
        return SWARM_OUTCOME_TERMINAL;
    }
    return SWARM_OUTCOME_TRANSIENT;
}

static swarm_outcome problem_outcome(const swarm_http_wire *wire) {
    switch (wire->problem) {
    case SWARM_HTTP_PROBLEM_NONE:
        return SWARM_OUTCOME_OK;
    case SWARM_HTTP_PROBLEM_SERVER:
    case SWARM_HTTP_PROBLEM_STATUS:
        return error_outcome(wire);
    case SWARM_HTTP_PROBLEM_CHOICE:
    case SWARM_HTTP_PROBLEM_SLOTS:
    case SWARM_HTTP_PROBLEM_EMPTY:
        return SWARM_OUTCOME_GARBAGE;
    default:
        return SWARM_OUTCOME_TRANSIENT;
    }
}

static void conclude(swarm_http_wire *wire, uint32_t problem) {
    wire->problem = problem;
    wire->phase = PHASE_ENDING;
}

/* The answer has ended in good order. */
static void judge(swarm_http_wire *wire) {
    const struct dialect *dialect = &wire->dialect;
    const struct word *finish = &dialect->finish;
    bool finished =
        finish->size != 0 || ((wire->flags & SWARM_HTTP_NULL_OK) != 0 && dialect->spoke);
    bool limit = (finish->size == 6 && memcmp(finish->bytes, "length", 6) == 0) ||
                 (finish->size == 10 && memcmp(finish->bytes, "max_tokens", 10) == 0);

    if (dialect->error || wire->response.status >= 300) {
        conclude(wire, dialect->error ? SWARM_HTTP_PROBLEM_SERVER : SWARM_HTTP_PROBLEM_STATUS);
    } else if (!finished) {
        conclude(wire, SWARM_HTTP_PROBLEM_UNFINISHED);
    } else {
        conclude(wire, limit && !dialect->content_spoke ? SWARM_HTTP_PROBLEM_EMPTY : 0);
    }
}

/* ---- Documents ----------------------------------------------------------------------------- */

static void document_ends(swarm_http_wire *wire) {
    bool whole = wire->document != DOCUMENT_JSON || swarm__http_document_end(&wire->dialect);

    wire->done = wire->done || (wire->document == DOCUMENT_MARK && wire->matched == 6) ||
                 wire->dialect.ended;
    wire->document = DOCUMENT_NONE;
    if (!whole) {
        conclude(wire, SWARM_HTTP_PROBLEM_JSON);
    } else if (wire->done || wire->dialect.error) {
        judge(wire);
    }
}

/* The first byte of an event's data says what it is. */
static void document_begins(swarm_http_wire *wire, uint8_t byte) {
    wire->matched = 0;
    wire->document = byte == '{' ? DOCUMENT_JSON : byte == '[' ? DOCUMENT_MARK : DOCUMENT_IGNORED;
    if (byte == '{') {
        swarm__http_document_begin(&wire->dialect);
    }
}

static size_t mark(swarm_http_wire *wire, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (wire->matched < 6 && bytes[i] == (uint8_t) "[DONE]"[wire->matched]) {
            wire->matched++;
        } else if (wire->matched < 6 || bytes[i] > 0x20) {
            wire->document = DOCUMENT_IGNORED;
        }
    }
    return size;
}

/* Watches the error's text for a word that tells a quota from a rate. */
static void watch_quota(swarm_http_wire *wire, const swarm_http_event *event) {
    for (size_t i = 0; i < event->size && wire->quota < 5; i++) {
        uint8_t byte = lower((uint8_t)event->bytes[i]);

        wire->quota = byte == (uint8_t) "quota"[wire->quota] ? (uint8_t)(wire->quota + 1)
                      : byte == 'q'                          ? 1
                                                             : 0;
    }
}

static size_t document_reads(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                             swarm_http_event *event) {
    size_t used = swarm__http_document_next(&wire->dialect, bytes, size, event);

    if (event->kind == SWARM_HTTP_TEXT && event->channel == SWARM_HTTP_ERROR) {
        watch_quota(wire, event);
    }
    if (wire->dialect.problem != 0) {
        conclude(wire, wire->dialect.problem);
    }
    return used;
}

/* Data of an event. */
static size_t data(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                   swarm_http_event *event) {
    size_t used = 0;

    while (wire->document == DOCUMENT_NONE && used < size && bytes[used] <= 0x20) {
        used++;
    }
    if (used == size) {
        return used;
    }
    if (wire->document == DOCUMENT_NONE) {
        document_begins(wire, bytes[used]);
    }
    if (wire->document == DOCUMENT_JSON) {
        return used + document_reads(wire, bytes + used, size - used, event);
    }
    return wire->document == DOCUMENT_MARK ? used + mark(wire, bytes + used, size - used) : size;
}

/* ---- Bodies -------------------------------------------------------------------------------- */

/* The first byte that is no white space says more than the head, which is often wrong. */
static size_t body_begins(swarm_http_wire *wire, const uint8_t *bytes, size_t size) {
    size_t used = 0;
    uint8_t first;

    while (used < size && bytes[used] <= 0x20) {
        wire->indented = bytes[used] == ' ' || bytes[used] == '\t';
        used++;
    }
    if (used == size) {
        return used;
    }
    first = bytes[used];
    if (first == '{' || (wire->type == TYPE_JSON && first != 'd' && first != ':')) {
        wire->body = BODY_JSON;
        wire->document = DOCUMENT_JSON;
        swarm__http_dialect_begin(&wire->dialect, wire->kind, false);
        swarm__http_document_begin(&wire->dialect);
    } else if (first != '<' &&
               (wire->type == TYPE_EVENTS || strchr("d:eir\xEF", (char)first) != NULL)) {
        wire->body = BODY_EVENTS;
        wire->sse.state = wire->indented ? SSE_IGNORED : SSE_LINE; /* blanks belong to a name */
    } else {
        wire->body = BODY_TEXT;
    }
    return used;
}

/* A body that nobody understands: its beginning is kept as the error's text. */
static size_t body_text(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                        swarm_http_event *event) {
    size_t room = ERROR_TEXT_MAX - (size_t)wire->text_size;

    size = size < room ? size : room;
    if (size == 0) {
        conclude(wire, wire->response.status >= 300 ? SWARM_HTTP_PROBLEM_STATUS
                                                    : SWARM_HTTP_PROBLEM_NOT_API);
        return 0;
    }
    wire->text_size = (uint16_t)(wire->text_size + size);
    event->kind = SWARM_HTTP_TEXT;
    event->channel = SWARM_HTTP_ERROR;
    event->slot = SWARM_NONE;
    event->bytes = (const char *)bytes;
    event->size = size;
    watch_quota(wire, event);
    return size;
}

static size_t body_events(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                          swarm_http_event *event) {
    struct sse_part part;
    size_t used = sse_next(&wire->sse, bytes, size, &part);

    if (part.kind == SSE_DATA) {
        used += sse_take(&wire->sse, data(wire, part.bytes, part.size, event));
    } else if (part.kind == SSE_EVENT) {
        document_ends(wire);
    }
    return used;
}

static size_t body(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                   swarm_http_event *event) {
    switch (wire->body) {
    case BODY_UNKNOWN:
        return body_begins(wire, bytes, size);
    case BODY_EVENTS:
        return body_events(wire, bytes, size, event);
    case BODY_JSON:
        return document_reads(wire, bytes, size, event);
    default:
        return body_text(wire, bytes, size, event);
    }
}

/* The body has ended in good order; what it said may still be cut short. */
static void body_ends(swarm_http_wire *wire) {
    bool whole = wire->document != DOCUMENT_JSON || swarm__http_document_end(&wire->dialect);

    if (wire->body == BODY_TEXT) {
        conclude(wire, wire->response.status >= 300 ? SWARM_HTTP_PROBLEM_STATUS
                                                    : SWARM_HTTP_PROBLEM_NOT_API);
    } else if (!whole) {
        conclude(wire, SWARM_HTTP_PROBLEM_CUT);
    } else {
        document_ends(wire);
        if (wire->phase == PHASE_BODY) {
            judge(wire);
        }
    }
}

/* ---- Heads --------------------------------------------------------------------------------- */

static bool begins_with(const struct part *field, const char *text) {
    size_t size = strlen(text);

    return field->size >= size && is_text(field->bytes, size, text);
}

static void field(swarm_http_wire *wire, const struct part *part, swarm_http_event *event) {
    if (is_text(part->name, part->name_size, "content-type")) {
        wire->type = begins_with(part, "text/event-stream")  ? TYPE_EVENTS
                     : begins_with(part, "application/json") ? TYPE_JSON
                                                             : TYPE_OTHER;
    } else if (is_text(part->name, part->name_size, "content-encoding")) {
        wire->encoded = part->size != 0 && !is_text(part->bytes, part->size, "identity");
    }
    event->kind = SWARM_HTTP_FIELD;
    event->name = (const char *)part->name;
    event->name_size = part->name_size;
    event->bytes = (const char *)part->bytes;
    event->size = part->size;
}

static void head(swarm_http_wire *wire, swarm_http_event *event) {
    event->kind = SWARM_HTTP_HEAD;
    event->status = wire->response.status;
    wire->phase = PHASE_BODY;
    if (wire->encoded) {
        conclude(wire, SWARM_HTTP_PROBLEM_ENCODING);
    }
}

/* ---- Phases -------------------------------------------------------------------------------- */

/* A part of the response that is not the body's bytes. */
static void part_taken(swarm_http_wire *wire, const struct part *part, swarm_http_event *event) {
    switch (part->kind) {
    case PART_FIELD:
        field(wire, part, event);
        break;
    case PART_HEAD:
        head(wire, event);
        break;
    case PART_END:
        body_ends(wire);
        break;
    case PART_ERROR:
        conclude(wire, wire->response.problem);
        break;
    default:
        break;
    }
}

static size_t reading(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                      swarm_http_event *event) {
    struct part part;
    size_t used = response_next(&wire->response, bytes, size, &part);

    if (part.kind == PART_BODY) {
        size_t taken = body(wire, part.bytes, part.size, event);

        response_take(&wire->response, taken);
        return used + taken;
    }
    part_taken(wire, &part, event);
    return used;
}

/* Says END. A connection on which an error happened is not worth the wait for the body's end. */
static void ending(swarm_http_wire *wire, swarm_http_event *event) {
    bool closes = wire->problem != 0 && wire->response.state != RESPONSE_DONE;

    if (swarm__http_document_pending(&wire->dialect, event) ||
        swarm__http_dialect_end(&wire->dialect, event)) {
        return;
    }
    event->kind = SWARM_HTTP_END;
    event->status = wire->response.status;
    event->problem = wire->problem;
    event->outcome = problem_outcome(wire);
    event->done = wire->done ? 1 : 0;
    event->incomplete =
        wire->problem == SWARM_HTTP_PROBLEM_CUT || wire->problem == SWARM_HTTP_PROBLEM_UNFINISHED
            ? 1
            : 0;
    event->bytes = wire->dialect.type.bytes;
    event->size = wire->dialect.error ? wire->dialect.type.size : 0;
    event->name = wire->dialect.code.bytes;
    event->name_size = wire->dialect.error ? wire->dialect.code.size : 0;
    wire->response.poisoned = wire->response.poisoned || closes;
    wire->phase = PHASE_DRAIN;
}

static void leave(swarm_http_wire *wire, swarm_http_event *event) {
    bool fit = response_reusable(&wire->response);

    event->kind = fit ? SWARM_HTTP_IDLE : SWARM_HTTP_CLOSE;
    wire->phase = fit ? PHASE_IDLE : PHASE_CLOSED;
}

static size_t draining(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                       swarm_http_event *event) {
    struct part part = {0};
    size_t used = 0;

    if (wire->response.poisoned) {
        leave(wire, event);
        return 0;
    }
    if (wire->response.state != RESPONSE_DONE) {
        used = response_next(&wire->response, bytes, size, &part);
    }
    if (part.kind == PART_BODY) {
        response_take(&wire->response, part.size);
        return used + part.size;
    }
    if (wire->response.state == RESPONSE_DONE) {
        wire->response.poisoned = used < size; /* nobody asked for more */
        leave(wire, event);
    }
    return used;
}

/* One step of the phase at hand; returns the bytes consumed. */
static size_t wire_step(swarm_http_wire *wire, const uint8_t *bytes, size_t size,
                        swarm_http_event *event) {
    switch (wire->phase) {
    case PHASE_HEAD:
    case PHASE_BODY:
        if (wire->dialect.pending != 0 && swarm__http_document_pending(&wire->dialect, event)) {
            return 0;
        }
        return reading(wire, bytes, size, event);
    case PHASE_ENDING:
        ending(wire, event);
        return 0;
    case PHASE_DRAIN:
        return draining(wire, bytes, size, event);
    default:
        if (size != 0) {
            event->kind = SWARM_HTTP_CLOSE; /* nothing was asked */
            wire->phase = PHASE_CLOSED;
        }
        return size;
    }
}

/* Whether no byte, or one by itself, changes nothing: a byte in a line that is no data, or in a
 * string which nobody wants. Half of a drip is such bytes, and five readers would be asked in turn
 * to find that out. */
static bool passes(swarm_http_wire *wire, const uint8_t *bytes, size_t size) {
    const struct response *response = &wire->response;
    const struct dialect *dialect = &wire->dialect;
    const struct sse *sse = &wire->sse;

    if (size > 1 || wire->phase != PHASE_BODY || wire->body != BODY_EVENTS ||
        dialect->pending != 0 || sse->join ||
        (response->state != RESPONSE_TO_END &&
         (response->state != RESPONSE_CHUNK || response->remaining == 1))) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    if (sse_ignores(sse, *bytes) ||
        (sse->state == SSE_VALUE && wire->document == DOCUMENT_JSON && dialect->raw == 0 &&
         swarm__http_json_passes(&dialect->json, *bytes))) {
        response_take(&wire->response, 1);
        return true;
    }
    return false;
}

size_t swarm_http_wire_input(swarm_http_wire *wire, const void *bytes, size_t size,
                             swarm_http_event *out_event) {
    const uint8_t *at = bytes != NULL ? bytes : (const uint8_t *)"";
    size_t used = 0;
    uint32_t phase;
    bool more = true;

    if (passes(wire, at, size)) {
        out_event->kind = SWARM_HTTP_NONE;
        return size;
    }
    *out_event = (swarm_http_event){.kind = SWARM_HTTP_NONE};
    while (more && wire->phase != PHASE_CLOSED) {
        phase = wire->phase;
        used += wire_step(wire, at + used, size - used, out_event);
        /* Without bytes only what waits to be said, or the end of the body, can bring an event. */
        more = out_event->kind == SWARM_HTTP_NONE &&
               (used < size || phase != wire->phase || wire->dialect.pending != 0 ||
                wire->response.state == RESPONSE_ENDING);
    }
    return wire->phase == PHASE_CLOSED ? size : used;
}

void swarm_http_wire_end(swarm_http_wire *wire, swarm_http_event *out_event) {
    struct part part;

    (void)swarm_http_wire_input(wire, NULL, 0, out_event);
    if (out_event->kind != SWARM_HTTP_NONE) {
        return;
    }
    if (wire->phase == PHASE_HEAD || wire->phase == PHASE_BODY) {
        response_end(&wire->response, &part);
        part_taken(wire, &part, out_event);
        (void)swarm_http_wire_input(wire, NULL, 0, out_event);
    } else if (wire->phase == PHASE_IDLE || wire->phase == PHASE_DRAIN) {
        wire->response.poisoned = true;
        leave(wire, out_event);
    }
}

const char *swarm_http_problem_text(uint32_t problem) {
    static const char *const TEXTS[] = {
        "nothing is wrong",
        "the response's head is malformed or ambiguous",
        "a chunk is malformed",
        "a line, the head or its number of fields is too large",
        "the connection ended inside the answer",
        "the answer is compressed, although identity was asked for",
        "the answer is neither events nor JSON: is this the address of an API?",
        "the JSON is malformed",
        "the answer is not UTF-8",
        "the JSON is nested deeper than 64",
        "several choices are mixed; ask for one",
        "too many tool calls, or a fragment of one that is not known any more",
        "the answer ended without a finish reason",
        "the server reports an error",
        "the limit of tokens was reached before any content",
        "the server answered with another status than 200",
    };

    return problem < sizeof TEXTS / sizeof TEXTS[0] ? TEXTS[problem] : "unknown";
}
