/* SPDX-License-Identifier: MIT */
/*
 * dialect.h - what one JSON document of an answer says: a whole one, or the data of an event.
 *
 * A dialect is a table of EDGES: in an object (or array) that is a `from` node, the member `key`
 * leads to the node `to` when its value is a container, and does `action` when it is a scalar.
 * What no edge names is checked and skipped, so unknown members cost nothing but their bytes.
 *
 * Invariants: nodes[0..nodes_count-1] are the containers that are open and not skipped; `edge` is
 * the member at hand; a bit of `seen` is set once its member has been taken in the object that is
 * open (the first of two counts: its bytes may have been handed out).
 *
 * Memory: the caller's struct and slots. Threads: one a struct. Loops are bounded by the table, the
 * slots or the bytes.
 */
#ifndef SWARM_HTTP_DIALECT_H
#define SWARM_HTTP_DIALECT_H

#include "swarm_http.h"

/* A tool call, or a block of Anthropic's. */
struct slot {
    uint64_t id;    /* hash of the server's id; 0: none given */
    uint32_t index; /* the server's; SWARM_NONE: none given */
    uint32_t flags; /* SLOT_* */
};

enum { SLOT_NAMED = 1, SLOT_IGNORED = 2 };

enum { NODES_MAX = 12, WORD_MAX = 40, NODE_KINDS = 24 };

/* A short text that is kept: longer ones lose their end. */
struct word {
    char bytes[WORD_MAX];
    uint8_t size;
};

struct dialect {
    swarm_http_json json;
    struct slot *slots; /* the newest slots_max of them: number n at n modulo slots_max */
    uint64_t seen;
    uint64_t entry_id; /* hash of the id so far */
    uint64_t input_tokens;
    uint64_t cached_tokens;
    uint64_t created_tokens; /* input that was put into a cache (Anthropic) */
    uint64_t output_tokens;
    uint32_t slots_max;
    uint32_t slots_count;
    uint32_t entry_index;
    uint32_t problem;
    uint32_t high_slot;        /* whose arguments high[ARGUMENTS] belongs to */
    uint16_t high[6];          /* a high surrogate that ended the last string of a channel */
    uint16_t position;         /* of the element at hand in choices or in blocks */
    struct word word;          /* the scalar at hand */
    struct word finish;        /* the first finish reason */
    struct word type;          /* of the document, then of an error */
    struct word code;          /* of an error */
    uint8_t first[NODE_KINDS]; /* first edge of each node */
    uint8_t nodes[NODES_MAX];
    uint8_t nodes_count;
    uint8_t edge;
    uint8_t kind; /* SWARM_HTTP_CHAT and following */
    uint8_t pending;
    uint8_t entry_depth; /* nodes open when the entry began; 0: none */
    uint8_t reasoning_edge;
    uint8_t raw; /* a container is handed out as it stands: RAW_* */
    bool stream;
    bool mute; /* another choice than the first */
    bool choice_spoke;
    bool spoke; /* text or a call has come */
    bool content_spoke;
    bool entry_named;
    bool entry_block; /* a block begins here */
    bool entry_ignored;
    bool entry_spoke;
    bool choices; /* the document has choices */
    bool bare;    /* it has a message at its top */
    bool bare_code;
    bool bare_error;
    bool error; /* it reports an error */
    bool ended; /* message_stop */
};

/* Forgets the last answer. */
void swarm__http_dialect_begin(struct dialect *dialect, uint32_t kind, bool stream);

/* A document begins. */
void swarm__http_document_begin(struct dialect *dialect);

/* Reads on in the document, at least a byte; returns the bytes consumed. At most one event.
 * `problem` is set when the document is malformed. */
size_t swarm__http_document_next(struct dialect *dialect, const uint8_t *bytes, size_t size,
                                 swarm_http_event *event);

/* Whether a byte lies inside a string that is skipped: then it changes nothing. In json.c. */
bool swarm__http_json_passes(const swarm_http_json *json, uint8_t byte);

/* The document has ended; false when it was cut short. */
bool swarm__http_document_end(struct dialect *dialect);

/* Gives what the last document left to say; false when there is nothing. */
bool swarm__http_document_pending(struct dialect *dialect, swarm_http_event *event);

/* Nothing more comes: hands out, one a call, halves that waited for their other half. False when
 * there is none. */
bool swarm__http_dialect_end(struct dialect *dialect, swarm_http_event *event);

#endif
