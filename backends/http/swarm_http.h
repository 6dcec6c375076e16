/* SPDX-License-Identifier: MIT */
/*
 * swarm_http.h - language models behind HTTP: a client without sockets that loses nothing.
 *
 * WHAT IT IS
 *
 * A client for OpenAI-compatible chat completions (Kimi, vLLM, SGLang, llama.cpp, gateways) and for
 * Anthropic Messages. Bytes go in, bytes come out, the time is an argument; you own the sockets and
 * TLS. It allocates nothing, calls nobody back, reads no clock and uses integers only. It is strict
 * where two readers could differ (HTTP framing, JSON, UTF-8) and patient where servers do (the
 * order of keys, missing fields, usage wherever it stands).
 *
 * THE SMALLEST USE: one answer, from bytes that you have
 *
 *     static uint64_t memory[4096], room[4096];
 *     swarm_http_wire *wire = swarm_http_wire_new(NULL, memory, sizeof memory);
 *     swarm_http_turn *turn = swarm_http_turn_new(room, sizeof room);
 *     swarm_http_event event;
 *     swarm_http_wire_begin(wire, SWARM_HTTP_CHAT, 0);
 *     while ((size = your_receive(buffer)) != 0)
 *         for (size_t at = 0; at < size || event.kind != SWARM_HTTP_NONE;) {
 *             at += swarm_http_wire_input(wire, buffer + at, size - at, &event);
 *             swarm_http_turn_add(turn, &event);
 *             if (event.kind == SWARM_HTTP_END) return event.outcome;
 *         }
 *
 * LAYERS
 *
 * JSON: a strict incremental tokenizer and a writer, useful by themselves for tool arguments.
 * WIRE: one connection's response bytes to events: HTTP framing, server-sent events, the dialect.
 * TURN: events to the assistant's turn: text, reasoning, tool calls, and the message that goes back
 * to the server exactly as it was received. REQUEST: messages and tools to request bytes.
 *
 * EVENTS AND FRAGMENTS
 *
 * One call consumes bytes and yields at most one event, whose bytes lie in what you gave (or, for
 * escapes and characters that two feeds share, in the wire) and are valid until the next call. How
 * text is split into fragments depends on how the bytes arrived; the fragments of a channel,
 * joined, do not, and hold whole characters. State is about 1 KiB a stream, however large an event
 * is.
 *
 * TOOL CALLS
 *
 * The pieces of a call arrive in any order: servers send the index after the function, repeat ids,
 * number all calls 0, or leave the number out. So id, name and arguments are events of the ENTRY at
 * hand, and BIND, at its end, says to which call (slot) the entry belongs. A known id decides; a
 * new id opens a slot, also on an index that is taken; else the index decides, the newest slot
 * that has it; an entry with neither continues the last slot.
 *
 * WHAT COUNTS AS SUCCESS
 *
 * A finish reason, and the end mark ([DONE], message_stop) or a clean end of the body. A connection
 * that breaks, a body that ends without either: INCOMPLETE, with what came until then. An error
 * object inside a stream is an error although the status was 200. `length` with no content means
 * that reasoning ate the limit: SWARM_HTTP_PROBLEM_EMPTY.
 *
 * THREADS
 *
 * Nothing here is shared: whoever holds an object may use it, one thread at a time.
 */
#ifndef SWARM_HTTP_H
#define SWARM_HTTP_H

#include "swarm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What can be wrong with an answer. */
enum {
    SWARM_HTTP_PROBLEM_NONE = 0,        /* nothing */
    SWARM_HTTP_PROBLEM_HEAD = 1,        /* malformed or ambiguous head of a response */
    SWARM_HTTP_PROBLEM_CHUNK = 2,       /* malformed chunk */
    SWARM_HTTP_PROBLEM_LIMIT = 3,       /* a line, the head, or its number of fields is too large */
    SWARM_HTTP_PROBLEM_CUT = 4,         /* the connection ended inside the answer */
    SWARM_HTTP_PROBLEM_ENCODING = 5,    /* compressed, although identity was asked for */
    SWARM_HTTP_PROBLEM_NOT_API = 6,     /* neither events nor JSON */
    SWARM_HTTP_PROBLEM_JSON = 7,        /* malformed JSON */
    SWARM_HTTP_PROBLEM_UTF8 = 8,        /* bytes that are not UTF-8 */
    SWARM_HTTP_PROBLEM_DEPTH = 9,       /* JSON nested deeper than 64 */
    SWARM_HTTP_PROBLEM_CHOICE = 10,     /* several choices mixed so that they can't be told apart */
    SWARM_HTTP_PROBLEM_SLOTS = 11,      /* a fragment of a call that is not known any more, or too
                                        many calls */
    SWARM_HTTP_PROBLEM_UNFINISHED = 12, /* ended in good order, but without a finish reason */
    SWARM_HTTP_PROBLEM_SERVER = 13,     /* the server reports an error: see channel ERROR */
    SWARM_HTTP_PROBLEM_EMPTY = 14,      /* the limit of tokens was reached before any content */
    SWARM_HTTP_PROBLEM_STATUS = 15      /* a status other than 200, without an error body */
};

/* What a problem means, for people. Never null; static. [pure] */
SWARM_API const char *swarm_http_problem_text(uint32_t problem);

/* ----------------------------------------------------------------------------------------- json */

/* Kinds of token. */
enum {
    SWARM_HTTP_JSON_NONE = 0,       /* all bytes consumed, nothing to say yet */
    SWARM_HTTP_JSON_OBJECT = 1,     /* { */
    SWARM_HTTP_JSON_OBJECT_END = 2, /* } */
    SWARM_HTTP_JSON_ARRAY = 3,      /* [ */
    SWARM_HTTP_JSON_ARRAY_END = 4,  /* ] */
    SWARM_HTTP_JSON_KEY = 5,        /* a fragment of a key, decoded */
    SWARM_HTTP_JSON_STRING = 6,     /* a fragment of a string, decoded */
    SWARM_HTTP_JSON_NUMBER = 7,     /* a fragment of a number, as it stands */
    SWARM_HTTP_JSON_TRUE = 8,       /* true */
    SWARM_HTTP_JSON_FALSE = 9,      /* false */
    SWARM_HTTP_JSON_NULL = 10,      /* null */
    SWARM_HTTP_JSON_SKIPPED = 11,   /* the value that was to be skipped has ended */
    SWARM_HTTP_JSON_ERROR = 12      /* malformed: `value` is the SWARM_HTTP_PROBLEM_* */
};

/* Flags of a token. */
enum {
    SWARM_HTTP_JSON_FINAL = 1,  /* the last fragment of its key, string or number */
    SWARM_HTTP_JSON_INTEGER = 2 /* a final number that `value` holds exactly */
};

/* A token. Its bytes are valid until the next call. */
typedef struct swarm_http_token {
    const char *bytes; /* the fragment; never null */
    uint64_t value;    /* an INTEGER's value; an ERROR's problem */
    size_t size;       /* bytes of the fragment, perhaps 0 */
    uint32_t kind;     /* SWARM_HTTP_JSON_* */
    uint32_t flags;    /* SWARM_HTTP_JSON_FINAL, _INTEGER */
} swarm_http_token;

/* State of a tokenizer. Declared so that it can live anywhere; all of it is private. */
typedef struct swarm_http_json {
    uint64_t objects;     /* a bit for each open container: it is an object */
    uint64_t value;       /* of the integer at hand */
    uint32_t depth;       /* open containers */
    uint32_t depth_max;   /* limit of depth */
    uint32_t skip;        /* depth at which skipping ends */
    uint32_t problem;     /* once broken */
    uint32_t replaced;    /* lone surrogates that became U+FFFD */
    uint16_t code;        /* of the escape at hand */
    uint16_t high;        /* a high surrogate that waits for its partner, or 0 */
    uint8_t scratch[8];   /* a decoded escape, or a part of a character */
    uint8_t scratch_size; /* bytes in it */
    uint8_t state;        /* what comes next */
    uint8_t number;       /* where the number at hand stands */
    uint8_t integer;      /* 1: `value` is exact so far */
    uint8_t count;        /* bytes of the literal or digits of the escape seen */
    uint8_t literal;      /* which one */
    uint8_t in_key;       /* 1: the string at hand is a key */
    uint8_t carry;        /* 1: the next string begins with `high`, and keeps it at its end */
} swarm_http_json;

/* Begins a document. depth_max: containers inside each other, at most 64; 0: 64. [pure] */
SWARM_API void swarm_http_json_begin(swarm_http_json *json, uint32_t depth_max);

/* Reads on; returns the bytes consumed. Stops behind a token, or with NONE when all is consumed.
 * Strict RFC 8259: UTF-8 only, no byte order mark; lone surrogate escapes become U+FFFD. After an
 * ERROR nothing is consumed any more. [pure] */
SWARM_API size_t swarm_http_json_next(swarm_http_json *json, const void *bytes, size_t size,
                                      swarm_http_token *out_token);

/* Asks to skip a value: after a KEY's last fragment the one that follows, after OBJECT or ARRAY the
 * rest of it. It is checked all the same; its end is told by SKIPPED, nothing else of it. [pure] */
SWARM_API void swarm_http_json_skip(swarm_http_json *json);

/* Whether the document may end here: OK; AGAIN when it is cut short; GARBAGE when it was malformed.
 * [pure] */
SWARM_API swarm_status swarm_http_json_end(const swarm_http_json *json);

/* Finds a member of the object that `text` is, and copies its value into `buffer`: a string
 * decoded, anything else as it stands. Returns the value's size, which may be more than fits (then
 * the buffer holds its beginning); SIZE_MAX when there is none, or the text is malformed up to
 * there. For tool arguments. [pure] */
SWARM_API size_t swarm_http_json_member(const char *text, size_t size, const char *key,
                                        char *buffer, size_t capacity);

/* Collects JSON text in a buffer of yours. */
typedef struct swarm_http_writer {
    char *bytes;      /* yours; may be null when capacity is 0 */
    size_t capacity;  /* bytes at `bytes` */
    size_t size;      /* bytes written, or that would have been: it goes on counting when full */
    uint32_t problem; /* SWARM_HTTP_PROBLEM_UTF8 when a string was not UTF-8 */
    uint32_t flags;   /* 0 */
} swarm_http_writer;

/* Appends bytes as they are. [pure] */
SWARM_API void swarm_http_write(swarm_http_writer *writer, const void *bytes, size_t size);

/* Appends a string, with quotes and escapes. What is not UTF-8 becomes U+FFFD and is noted in
 * `problem`. [pure] */
SWARM_API void swarm_http_write_string(swarm_http_writer *writer, const void *bytes, size_t size);

/* ----------------------------------------------------------------------------------------- wire */

/* Dialects: what a server speaks. */
enum {
    SWARM_HTTP_CHAT = 0,     /* POST /chat/completions, as OpenAI defined it */
    SWARM_HTTP_ANTHROPIC = 1 /* POST /v1/messages */
};

/* Flags of swarm_http_wire_begin. */
enum {
    SWARM_HTTP_BODY_ONLY = 1, /* the bytes are a body without HTTP: a recording */
    SWARM_HTTP_PLAIN = 2,     /* BODY_ONLY: one JSON document, not a stream */
    SWARM_HTTP_NULL_OK = 4    /* the server may end without a finish reason (Ollama) */
};

/* Kinds of event. */
enum {
    SWARM_HTTP_NONE = 0,   /* all bytes consumed, nothing to say yet */
    SWARM_HTTP_HEAD = 1,   /* the response's head is complete: `status` */
    SWARM_HTTP_FIELD = 2,  /* a header field: name, bytes. Before HEAD */
    SWARM_HTTP_TEXT = 3,   /* a fragment of `channel` */
    SWARM_HTTP_BIND = 4,   /* the entry at hand ends and belongs to `slot` */
    SWARM_HTTP_USAGE = 5,  /* tokens so far; the last one counts */
    SWARM_HTTP_FINISH = 6, /* `finish`, and in bytes the reason as the server gave it */
    SWARM_HTTP_END = 7,    /* the answer is complete, or can't become so: outcome, problem */
    SWARM_HTTP_IDLE = 8,   /* after END: the connection is fit for another request */
    SWARM_HTTP_CLOSE = 9   /* after END: close the connection */
};

/* Channels of text. */
enum {
    SWARM_HTTP_CONTENT = 0,   /* what the assistant says */
    SWARM_HTTP_REASONING = 1, /* what it thinks */
    SWARM_HTTP_REFUSAL = 2,   /* why it won't */
    SWARM_HTTP_ID = 3,        /* of a tool call; this and the next two belong to the entry */
    SWARM_HTTP_NAME = 4,      /* of the tool */
    SWARM_HTTP_ARGUMENTS = 5, /* JSON text, as the model wrote it */
    SWARM_HTTP_SIGNATURE = 6, /* of a thinking block (Anthropic) */
    SWARM_HTTP_REDACTED = 7,  /* thinking that is encrypted (Anthropic) */
    SWARM_HTTP_ERROR = 8      /* what the server says is wrong */
};

/* Why the model stopped. Also `branch` of a step's result, so that conditions can read it. */
enum {
    SWARM_HTTP_FINISH_NONE = 0,   /* not said */
    SWARM_HTTP_FINISH_STOP = 1,   /* it was done */
    SWARM_HTTP_FINISH_LENGTH = 2, /* the limit of tokens */
    SWARM_HTTP_FINISH_TOOLS = 3,  /* it wants tools called */
    SWARM_HTTP_FINISH_FILTER = 4, /* a content filter */
    SWARM_HTTP_FINISH_OTHER = 5   /* something else: see the event's bytes */
};

/* Flags of an event. */
enum {
    SWARM_HTTP_RENAMED = 1 /* reasoning that the server calls `reasoning`, and wants back so */
};

/* An event. Fields that its kind does not name are 0. */
typedef struct swarm_http_event {
    const char *bytes;     /* FIELD: value; TEXT: fragment; FINISH: reason; END: the error's type */
    const char *name;      /* FIELD: name; END: the error's code */
    size_t size;           /* of bytes */
    size_t name_size;      /* of name */
    uint64_t input_tokens; /* USAGE: prompt, cached part included; SWARM_NEVER: not said */
    uint64_t cached_tokens; /* USAGE: part of it from a cache; SWARM_NEVER: not said, which is not
                                zero */
    uint64_t output_tokens; /* USAGE: generated; SWARM_NEVER: not said */
    uint32_t kind;          /* SWARM_HTTP_HEAD and following */
    uint32_t channel;       /* TEXT: SWARM_HTTP_CONTENT and following */
    uint32_t slot;          /* BIND: number of the call (Anthropic: of the block), from 0;
                                SWARM_NONE: of no interest. TEXT: SWARM_NONE, or the slot when it is
                                not the entry's */
    uint32_t finish;        /* FINISH: SWARM_HTTP_FINISH_* */
    uint32_t status;        /* HEAD, END: of HTTP */
    uint32_t problem;       /* END: SWARM_HTTP_PROBLEM_* */
    swarm_outcome outcome;  /* END: OK, or what an attempt that fails so has come to */
    uint32_t done;          /* END: 1 when the end mark was seen */
    uint32_t incomplete;    /* END: 1 when the answer may be cut short: what came is not all */
    uint32_t flags;         /* TEXT: SWARM_HTTP_RENAMED, or 0 */
} swarm_http_event;

/* Limits of a wire; all have defaults. */
typedef struct swarm_http_limits {
    uint32_t line_max;   /* bytes of one line of a head; default 8 KiB, at least 256 */
    uint32_t head_max;   /* bytes of a head, and of trailers; default 32 KiB */
    uint32_t fields_max; /* fields of a head; default 100 */
    uint32_t slots_max; /* tool calls that may be open at once in one answer; default 32. Calls that
                            follow each other are limited by SWARM_HTTP_SLOTS only */
} swarm_http_limits;

/* Tool calls, or blocks, of one answer. */
#define SWARM_HTTP_SLOTS 1024u

/* One connection's responses, in memory of the caller's. */
typedef struct swarm_http_wire swarm_http_wire;

/* Bytes that swarm_http_wire_new needs, for memory of any alignment; 0 when the limits are absurd.
 * Null means all defaults. [pure] */
SWARM_API size_t swarm_http_wire_size(const swarm_http_limits *limits);

/* Makes a wire. Null when the limits are absurd or the memory is too small. It needs no free.
 * [pure] */
SWARM_API swarm_http_wire *swarm_http_wire_new(const swarm_http_limits *limits, void *memory,
                                               size_t size);

/* A request has been sent (or its first byte): a response is expected. Forgets the last one. Flags:
 * SWARM_HTTP_BODY_ONLY and following. [pure] */
SWARM_API void swarm_http_wire_begin(swarm_http_wire *wire, uint32_t dialect, uint32_t flags);

/* Reads on; returns the bytes consumed. With an event, call again with what is left, also when that
 * is nothing; NONE: all consumed. After END comes IDLE or CLOSE, at once or when the body has
 * ended. Bytes that come while nothing is expected make it CLOSE. [pure] */
SWARM_API size_t swarm_http_wire_input(swarm_http_wire *wire, const void *bytes, size_t size,
                                       swarm_http_event *out_event);

/* The peer has closed. Call until NONE. [pure] */
SWARM_API void swarm_http_wire_end(swarm_http_wire *wire, swarm_http_event *out_event);

/* ----------------------------------------------------------------------------------------- turn */

/* The assistant's turn, being collected. */
typedef struct swarm_http_turn swarm_http_turn;

/* Makes an empty turn in the caller's memory, of any alignment; all of it but 64 bytes is for text,
 * at about 8 bytes more for each change of channel. Null when there are fewer than 256. [pure] */
SWARM_API swarm_http_turn *swarm_http_turn_new(void *memory, size_t size);

/* Adds what an event says; events of no interest are fine. TOO_BIG when the memory is full: what
 * came before is kept. [pure] */
SWARM_API swarm_status swarm_http_turn_add(swarm_http_turn *turn, const swarm_http_event *event);

/* Number of slots: tool calls in the order of their appearance, or Anthropic's blocks, of which
 * those with a NAME are tool calls. [pure] */
SWARM_API uint32_t swarm_http_turn_slots(const swarm_http_turn *turn);

/* Copies the text of a channel; for ID, NAME and ARGUMENTS of one slot, else SWARM_NONE for the
 * text of all. Returns its size, which may be more than fits; the buffer then holds its beginning.
 * [pure] */
SWARM_API size_t swarm_http_turn_text(const swarm_http_turn *turn, uint32_t channel, uint32_t slot,
                                      char *buffer, size_t capacity);

/* Whether the arguments of a call are one JSON object. [pure] */
SWARM_API bool swarm_http_turn_valid(const swarm_http_turn *turn, uint32_t slot);

/* Writes the turn as the message that goes back with the next request: {"role":"assistant", ...}
 * with reasoning, content and tool calls as received. GARBAGE when a call's arguments are not JSON
 * (chat: the message is good all the same; Anthropic: they were replaced by {}). [pure] */
SWARM_API swarm_status swarm_http_turn_write(const swarm_http_turn *turn, uint32_t dialect,
                                             swarm_http_writer *writer);

/* -------------------------------------------------------------------------------------- request */

/* Who speaks. */
enum {
    SWARM_HTTP_USER = 0,      /* a person, or a program that asks */
    SWARM_HTTP_SYSTEM = 1,    /* instructions */
    SWARM_HTTP_ASSISTANT = 2, /* the model: text only; use TURN for what it said */
    SWARM_HTTP_TOOL = 3,      /* the result of a call: `call` is its id */
    SWARM_HTTP_TURN = 4 /* text is a whole message in JSON, as swarm_http_turn_write gave it */
};

/* Kinds of a message's part. */
enum {
    SWARM_HTTP_PART_TEXT = 0,       /* text */
    SWARM_HTTP_PART_IMAGE = 1,      /* the bytes of an image, of type `media`; sent in base64 */
    SWARM_HTTP_PART_IMAGE_LINK = 2, /* its address */
    SWARM_HTTP_PART_VIDEO = 3,      /* the bytes of a video, of type `media` (chat only) */
    SWARM_HTTP_PART_VIDEO_LINK = 4  /* its address (chat only) */
};

/* A part of a message. */
typedef struct swarm_http_part {
    const void *bytes; /* text, address, or the medium's bytes */
    size_t size;       /* of them */
    const char *media; /* IMAGE, VIDEO: the media type, like "image/png" */
    uint32_t kind;     /* SWARM_HTTP_PART_* */
    uint32_t reserved; /* 0 */
} swarm_http_part;

/* A message: a text, or parts. */
typedef struct swarm_http_message {
    const char *text;             /* UTF-8; used when there are no parts */
    size_t size;                  /* of text; 0: it ends with a zero byte */
    const swarm_http_part *parts; /* USER, SYSTEM, TOOL: may be null */
    const char *call;             /* TOOL: the id, exactly as it came */
    uint32_t parts_count;         /* parts at `parts` */
    uint32_t role;                /* SWARM_HTTP_USER and following */
} swarm_http_message;

/* A tool that the model may call. */
typedef struct swarm_http_tool {
    const char *name;        /* letters, digits, _ and - */
    const char *description; /* for the model; may be null */
    const char *parameters;  /* JSON schema of the arguments; null: an object without members */
} swarm_http_tool;

/* One more member of the request's body. One that is written by itself (model, stream, ...) is
 * replaced by it. */
typedef struct swarm_http_member {
    const char *key;  /* its name */
    const char *json; /* its value, as JSON text */
} swarm_http_member;

/* Flags of a request. */
enum {
    SWARM_HTTP_KEEP_THINKING = 1 /* chat: "thinking":{"type":"enabled","keep":"all"} (Kimi): turns
                                    go back with their reasoning */
};

/* A request. Everything is borrowed during the call. */
typedef struct swarm_http_request {
    const char *host;                   /* for the Host field: name, or name:port */
    const char *path;                   /* null: "/v1/chat/completions" or "/v1/messages" */
    const char *key;                    /* the API key; null: none is sent */
    const char *idempotency;            /* Idempotency-Key; null: none */
    const char *model;                  /* the model's name */
    const swarm_http_message *messages; /* the conversation */
    const swarm_http_tool *tools;       /* may be null */
    const swarm_http_member *members;   /* may be null */
    const char *messages_json;          /* instead of `messages`: a JSON array */
    const char *tools_json;             /* instead of `tools`: a JSON array */
    uint64_t idle_ns;                   /* for the client: its idle limit for this request; 0: that
                                           of swarm_http_spec. Some servers send all arguments at
                                           once, after minutes */
    uint64_t tokens_max;                /* to generate, reasoning included; 0: the server's default
                                           (Anthropic demands a number: 32,000) */
    uint32_t messages_count;            /* at `messages` */
    uint32_t tools_count;               /* at `tools` */
    uint32_t members_count;             /* at `members` */
    uint32_t dialect;                   /* SWARM_HTTP_CHAT, SWARM_HTTP_ANTHROPIC */
    uint32_t flags;                     /* SWARM_HTTP_KEEP_THINKING, or 0 */
    uint32_t reserved;                  /* 0 */
} swarm_http_request;

/* Appends the whole request, head and body, to the writer. Always asks for a stream, with usage.
 * TOO_BIG: writer->size says what it takes. INVALID: a host, path or key with a character that may
 * not stand in a head (so nothing can be injected), no model, no messages, a dialect, role or part
 * that does not exist. GARBAGE: a text that is not UTF-8, or JSON that is not. On an error the
 * writer's bytes are of no use. [pure] */
SWARM_API swarm_status swarm_http_request_write(const swarm_http_request *request,
                                                swarm_http_writer *writer);

/* --------------------------------------------------------------------------------------- client */

/*
 * THE BACKEND. A client is one endpoint: a server's address and what is known of it. It executes
 * attempts as a backend of a swarm, over connections that a transport of yours carries.
 *
 *     swarm_http_spec spec = {.size = sizeof spec, .host = "localhost:8000", .model = "kimi",
 *                             .transport = &sockets};
 *     swarm_http *http = swarm_http_new(&spec, memory, size);
 *     swarm_backend_id remote = swarm_backend_add(sw, swarm_http_backend(http));
 *
 * What an attempt asks is the step's payload: a text, which becomes one user message; or whatever
 * `prepare` makes of it. What it answers is the assistant's turn as JSON (swarm_http_turn_write):
 * read it with swarm_http_json_member, send it back with the role TURN. `branch` and `value` of the
 * result are SWARM_HTTP_FINISH_*.
 *
 * CONNECTIONS are reused last in, first out, and only when the last response was complete,
 * HTTP/1.1, not closed by the peer, followed by no byte, and idle for less than 4 s or a second
 * less than the server says. A reused one that ends before the first byte of a response is
 * replaced by a fresh one and the request sent again, once: servers close idle connections when
 * they like.
 *
 * THE GATE. A 429 (503, 529) closes the endpoint, once for all its requests, until Retry-After and
 * up to a fifth of it more; without one for 1 s, doubled each time up to 60 s. The attempt is
 * answered REFUSED with the time of the opening: it costs no retry, and dispatch holds the others
 * back. Then requests start at the pace at which the server has lately served, and a little faster
 * with each that it serves. So a storm of many agents does not come back as a burst.
 *
 * RETRIES. Failures before the first content (TRANSIENT) are repeated here, at most `resends_max`
 * times each and for a tenth of all requests, after a wait drawn evenly from 0 to 0.5 s, doubled
 * each time up to 8 s. Everything else is dispatch's.
 *
 * TIME LIMITS, each from the request's start: head_ns to the response's head, first_ns to the first
 * content, total_ns to the end; idle_ns between two pieces of content, which comments, pings and
 * empty deltas are not. An attempt that passes one is closed and TIMED_OUT. drain_ns: how long the
 * body's end may follow the end mark. A cancel closes the connection, which tells the server to
 * stop.
 */

/* What connections are made of: four calls that do not block. They are called with the turn held,
 * and must not call the swarm or the client. now_ns: for those that simulate. */
typedef struct swarm_http_transport {
    size_t size;   /* sizeof(swarm_http_transport) */
    void *context; /* handed to each function */
    /* Begins a connection to `host` and returns your number for it, any but SWARM_NEVER; it need
     * not be established yet. SWARM_NEVER: it can't be. */
    uint64_t (*open)(void *context, const char *host, uint64_t now_ns);
    /* Takes bytes to send and returns how many: 0 when none can be taken now, SIZE_MAX when the
     * connection is broken. */
    size_t (*send)(void *context, uint64_t connection, const void *bytes, size_t size,
                   uint64_t now_ns);
    /* Gives bytes that have come and returns how many: 0 when there are none now, SIZE_MAX when the
     * peer has closed, or the connection is broken. */
    size_t (*recv)(void *context, uint64_t connection, void *buffer, size_t capacity,
                   uint64_t now_ns);
    /* Closes. Called once for each connection that open returned. */
    void (*close)(void *context, uint64_t connection);
    /* When to look again, at the latest: for transports that know, as simulated ones do. Null:
     * after poll_ns. */
    uint64_t (*next)(void *context);
} swarm_http_transport;

/* Prices in nano-units a token, for `cost_nano`. */
typedef struct swarm_http_price {
    uint64_t input_nano;  /* not cached */
    uint64_t cached_nano; /* from a cache */
    uint64_t output_nano; /* generated */
} swarm_http_price;

/* What a client is made of. `size`, `host`, `transport` and, without `prepare`, `model` must be
 * set. SWARM_NEVER switches a time off. */
typedef struct swarm_http_spec {
    size_t size;                           /* sizeof(swarm_http_spec) */
    const char *name;                      /* of the backend; default "http" */
    const swarm_http_transport *transport; /* copied */
    const char *host;                      /* name, or name:port; also the Host field */
    const char *path;                      /* default: the dialect's */
    const char *key;                       /* the API key, or null */
    const char *model;                     /* the model's name */
    void *context;                         /* first argument of prepare */
    /* Fills in a request for an attempt: *out_request comes with host, path, key, model and dialect
     * of the spec. What it points to must stay until the next call of the backend. False: the
     * attempt ends TERMINAL. Null: the payload is one user message. */
    bool (*prepare)(void *context, swarm *sw, const swarm_request *request,
                    swarm_http_request *out_request);
    uint64_t seed;     /* of jitter and waits */
    uint64_t unix_ns;  /* wall clock at time 0, for Retry-After with a date; 0: unknown */
    uint64_t head_ns;  /* default 120 s */
    uint64_t first_ns; /* default 300 s */
    uint64_t idle_ns;  /* default 120 s */
    uint64_t total_ns; /* default 600 s */
    uint64_t drain_ns; /* default 1 s */
    uint64_t keep_ns;  /* longest idle time of a connection that is reused; default 4 s */
    uint64_t poll_ns;  /* how often connections are looked at; default 1 ms */
    uint64_t pace_ns;  /* between the first requests, until the server has shown what it serves;
                               default 2 ms; SWARM_ZERO: none */
    swarm_http_price price; /* of tokens */
    uint32_t inflight_max;  /* attempts at once; default 16 */
    uint32_t answers_max;   /* bytes of answers that are lent until their RELEASE, often until the
                               run has ended, and 16 to 31 more for each; default 1 MiB. When they
                               are full, an answer keeps the place of its attempt; when all places
                               are kept so, attempts end TERMINAL */
    uint32_t text_max;      /* bytes of a request, of a collected answer, and of a written one;
                               default 128 KiB, at least 4 KiB */
    uint32_t resends_max;  /* of an attempt before its first content; default 2; SWARM_NONE: none */
    uint32_t requests_max; /* on one connection; default 1,000 */
    uint32_t dialect;      /* SWARM_HTTP_CHAT, SWARM_HTTP_ANTHROPIC */
    uint32_t flags;        /* SWARM_HTTP_NULL_OK, SWARM_HTTP_FRESH_ONLY, or 0 */
    uint32_t reserved;     /* 0 */
} swarm_http_spec;

/* More flags of a client. */
enum {
    SWARM_HTTP_FRESH_ONLY = 8 /* no connection is used twice */
};

/* What a client has observed. */
typedef struct swarm_http_stats {
    uint64_t attempts;    /* taken */
    uint64_t requests;    /* sent, repeated ones included */
    uint64_t connections; /* opened */
    uint64_t reused;      /* requests on a connection that was used before */
    uint64_t stale;       /* reused connections that had ended: sent again, at no cost */
    uint64_t resends;     /* other repetitions */
    uint64_t ok;          /* answers by outcome */
    uint64_t incomplete;  /* cut short, or without a finish reason */
    uint64_t throttled;   /* 429, 503, 529 */
    uint64_t failed;      /* all others */
    uint64_t timed_out;   /* a time limit passed */
    uint64_t cancelled;   /* on request */
    uint64_t closures;    /* of the gate */
    uint64_t open_ns;     /* when the gate opens; 0: never closed */
    uint64_t interval_ns; /* pace: time between two starts; 0: none */
    uint64_t first_ns;    /* time to first content, averaged with weight 1/8 */
    uint64_t latency_ns;  /* of whole answers, averaged so */
    uint64_t
        first_p95_ns; /* of ten answers in twenty, nine and a half had begun by then: upper bound
                              of its power of two */
    uint64_t failure_ppm; /* share of answers that were not OK, averaged with weight 1/16 */
    uint64_t unmeasured;  /* answers without usage */
    uint32_t inflight;    /* attempts at work */
    uint32_t idle;        /* connections that wait */
} swarm_http_stats;

/* A client: one endpoint, in memory of the caller's. */
typedef struct swarm_http swarm_http;

/* Bytes that swarm_http_new needs, for memory of any alignment; 0 when the spec is absurd. [pure]
 * */
SWARM_API size_t swarm_http_size(const swarm_http_spec *spec);

/* Makes a client. Strings are borrowed as long as it is used. Null when the spec is absurd or the
 * memory too small. [pure] */
SWARM_API swarm_http *swarm_http_new(const swarm_http_spec *spec, void *memory, size_t size);

/* The table for swarm_backend_add, valid as long as the client. Null for null. [pure] */
SWARM_API const swarm_backend *swarm_http_backend(swarm_http *http);

/* Closes all connections; attempts in flight are not answered any more. Before the transport goes.
 * [owner] */
SWARM_API void swarm_http_close(swarm_http *http);

/* Writes what was observed. INVALID. [owner] */
SWARM_API swarm_status swarm_http_stats_get(const swarm_http *http, swarm_http_stats *out_stats);

#ifdef __cplusplus
}
#endif
#endif
