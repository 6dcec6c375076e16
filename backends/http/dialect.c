/* SPDX-License-Identifier: MIT */
/*
 * dialect.c - the two dialects as tables, and the reader that follows them.
 */
#include "dialect.h"

#include <string.h>

#include "bytes.h"
#include "dialect_table.h"

enum { PENDING_FINISH = 1, PENDING_USAGE = 2, PENDING_LONE = 4 };
enum { RAW_NONE = 0, RAW_OPEN = 1, RAW_ON = 2, RAW_SILENT = 3 };

/* ---- Beginnings ---------------------------------------------------------------------------- */

static uint32_t root_of(const struct dialect *dialect) {
    return dialect->kind == SWARM_HTTP_ANTHROPIC ? BLOCK_ROOT : CHAT_ROOT;
}

void swarm__http_dialect_begin(struct dialect *dialect, uint32_t kind, bool stream) {
    struct slot *slots = dialect->slots;
    uint32_t slots_max = dialect->slots_max;

    memset(dialect, 0, sizeof *dialect);
    dialect->slots = slots;
    dialect->slots_max = slots_max;
    dialect->kind = (uint8_t)kind;
    dialect->stream = stream;
    dialect->input_tokens = SWARM_NEVER;
    dialect->cached_tokens = SWARM_NEVER;
    dialect->created_tokens = SWARM_NEVER;
    dialect->output_tokens = SWARM_NEVER;
    for (uint8_t i = EDGES_COUNT - 1; i != 0; i--) {
        dialect->first[EDGES[i].from] = i;
    }
}

void swarm__http_document_begin(struct dialect *dialect) {
    swarm_http_json_begin(&dialect->json, 0);
    dialect->nodes_count = 0;
    dialect->edge = 0;
    dialect->entry_depth = 0;
    dialect->raw = RAW_NONE;
    dialect->mute = false;
    dialect->choices = false;
    dialect->bare = false;
    dialect->bare_code = false;
    dialect->bare_error = false;
}

static void entry_begin(struct dialect *dialect) {
    dialect->entry_depth = dialect->nodes_count;
    dialect->entry_id = 0;
    dialect->entry_index = SWARM_NONE;
    dialect->entry_named = false;
    dialect->entry_block = false;
    dialect->entry_ignored = false;
    dialect->entry_spoke = false;
}

static bool has_node(const struct dialect *dialect, uint32_t node) {
    return dialect->nodes_count != 0 && dialect->nodes[dialect->nodes_count - 1] == node;
}

/* ---- Slots --------------------------------------------------------------------------------- */

static struct slot *slot_at(const struct dialect *dialect, uint32_t number) {
    return &dialect->slots[number % dialect->slots_max];
}

/* The newest known slot with this id, or without one with this index; SWARM_NONE. */
static uint32_t slot_find(const struct dialect *dialect, uint64_t id, uint32_t index) {
    uint32_t known =
        dialect->slots_count < dialect->slots_max ? dialect->slots_count : dialect->slots_max;

    for (uint32_t i = 1; i <= known; i++) {
        const struct slot *slot = slot_at(dialect, dialect->slots_count - i);

        if (id != 0 ? slot->id == id : slot->index == index) {
            return dialect->slots_count - i;
        }
    }
    return SWARM_NONE;
}

static uint32_t slot_new(struct dialect *dialect) {
    struct slot *slot;

    if (dialect->slots_count == SWARM_HTTP_SLOTS) {
        dialect->problem = SWARM_HTTP_PROBLEM_SLOTS;
        return SWARM_NONE;
    }
    slot = slot_at(dialect, dialect->slots_count);
    slot->id = dialect->entry_id;
    slot->index = dialect->entry_index;
    slot->flags =
        (dialect->entry_named ? SLOT_NAMED : 0u) | (dialect->entry_ignored ? SLOT_IGNORED : 0u);
    return dialect->slots_count++;
}

/* An entry of a chat stream that has no id of its own. */
static uint32_t slot_unnamed(struct dialect *dialect) {
    uint32_t last = dialect->slots_count - 1;
    uint32_t found = dialect->entry_index != SWARM_NONE
                         ? slot_find(dialect, 0, dialect->entry_index)
                         : SWARM_NONE;
    bool begins =
        dialect->entry_named && (dialect->entry_index != SWARM_NONE || dialect->slots_count == 0 ||
                                 (slot_at(dialect, last)->flags & SLOT_NAMED) != 0);

    if (found != SWARM_NONE) {
        return found;
    }
    if (begins || dialect->slots_count == 0) {
        return slot_new(dialect);
    }
    if (dialect->entry_index != SWARM_NONE && dialect->slots_count > dialect->slots_max) {
        dialect->problem = SWARM_HTTP_PROBLEM_SLOTS; /* perhaps one that was forgotten */
        return SWARM_NONE;
    }
    return last; /* neither id nor index, or its head came under another index */
}

/* An entry of a chat stream with an id. */
static uint32_t slot_named(struct dialect *dialect) {
    uint32_t found = slot_find(dialect, dialect->entry_id, 0);
    uint32_t same = dialect->entry_index != SWARM_NONE ? slot_find(dialect, 0, dialect->entry_index)
                                                       : SWARM_NONE;

    if (found != SWARM_NONE) {
        return found;
    }
    if (same != SWARM_NONE && slot_at(dialect, same)->id == 0) {
        slot_at(dialect, same)->id = dialect->entry_id; /* its id comes late */
        return same;
    }
    return slot_new(dialect);
}

/* The slot of an entry of blocks. */
static uint32_t slot_block(struct dialect *dialect) {
    uint32_t found = dialect->entry_index != SWARM_NONE
                         ? slot_find(dialect, 0, dialect->entry_index)
                         : dialect->slots_count - 1; /* SWARM_NONE when there are none */

    return dialect->entry_block || found == SWARM_NONE ? slot_new(dialect) : found;
}

static uint32_t entry_slot(struct dialect *dialect) {
    if (dialect->kind == SWARM_HTTP_ANTHROPIC) {
        return slot_block(dialect);
    }
    if (!dialect->stream) {
        return slot_new(dialect); /* each element is a call */
    }
    return dialect->entry_id != 0 ? slot_named(dialect) : slot_unnamed(dialect);
}

/* Whose arguments these are, as far as it is known before the entry's end; SWARM_NONE: a new one's.
 * With neither id nor index yet, the last one's. */
static uint32_t entry_guess(const struct dialect *dialect) {
    bool known = dialect->entry_id != 0 || dialect->entry_index != SWARM_NONE;

    return known ? slot_find(dialect, dialect->entry_id, dialect->entry_index)
                 : dialect->slots_count - 1;
}

static void entry_end(struct dialect *dialect, swarm_http_event *event) {
    bool says = dialect->entry_spoke || dialect->entry_block || dialect->entry_named;
    uint32_t number;

    dialect->entry_depth = 0;
    if (!says || dialect->mute) {
        return;
    }
    number = entry_slot(dialect);
    if (number != SWARM_NONE) {
        struct slot *slot = slot_at(dialect, number);

        slot->flags |= dialect->entry_named ? SLOT_NAMED : 0u;
        if (dialect->high[SWARM_HTTP_ARGUMENTS] != 0) {
            dialect->high_slot = number;
        }
        event->kind = SWARM_HTTP_BIND;
        event->slot = (slot->flags & SLOT_IGNORED) != 0 ? SWARM_NONE : number;
    }
}

/* ---- Nodes --------------------------------------------------------------------------------- */

static void node_enter(struct dialect *dialect, uint32_t node) {
    uint32_t first = dialect->first[node], base = dialect->first[root_of(dialect)];

    dialect->nodes[dialect->nodes_count++] = (uint8_t)node;
    for (uint32_t i = first; i < EDGES_COUNT && EDGES[i].from == node; i++) {
        dialect->seen &= ~((uint64_t)1 << (i - base));
    }
    if (node == CHAT_CHOICES || node == BLOCK_LIST) {
        dialect->position = UINT16_MAX;
        dialect->choices = true;
    } else if (node == CHAT_CHOICE || node == BLOCK) {
        dialect->position = (uint16_t)(dialect->position + 1);
        dialect->mute = node == CHAT_CHOICE && dialect->position != 0;
        dialect->choice_spoke = false;
    } else if (node == CHAT_DELTA) {
        dialect->reasoning_edge = 0;
    } else if (node == CHAT_ERROR || node == BLOCK_ERROR) {
        dialect->error = true;
    }
    if (dialect->entry_depth == 0 && (node == CHAT_TOOL || node == CHAT_FUNCTION || node == BLOCK ||
                                      (node == BLOCK_ROOT && dialect->stream))) {
        entry_begin(dialect);
        dialect->entry_index = node == BLOCK ? dialect->position : SWARM_NONE;
    }
    dialect->entry_block = dialect->entry_block || node == BLOCK;
}

static void node_leave(struct dialect *dialect, swarm_http_event *event) {
    if (dialect->entry_depth == dialect->nodes_count) {
        entry_end(dialect, event);
    }
    if (has_node(dialect, CHAT_CHOICE)) {
        dialect->mute = false;
    }
    dialect->nodes_count--;
    dialect->edge = 0;
}

/* The edge that a container which begins belongs to. */
static uint32_t container_edge(const struct dialect *dialect) {
    uint32_t node = dialect->nodes[dialect->nodes_count - 1], first = dialect->first[node];

    return first != 0 && EDGES[first].size == 0 ? first : dialect->edge;
}

static bool node_is_array(uint32_t node) {
    return node == CHAT_CHOICES || node == CHAT_PARTS || node == CHAT_THOUGHTS ||
           node == CHAT_TOOLS || node == BLOCK_LIST;
}

static void container(struct dialect *dialect, bool object) {
    const struct edge *edge;

    if (dialect->nodes_count == 0 && object) {
        node_enter(dialect, root_of(dialect));
        return;
    }
    edge = &EDGES[dialect->nodes_count != 0 ? container_edge(dialect) : 0];
    if (edge->to != NODE_NONE && node_is_array(edge->to) == !object &&
        dialect->nodes_count < NODES_MAX) {
        node_enter(dialect, edge->to);
        return;
    }
    if (edge->action == ACT_ARGUMENTS) {
        dialect->raw = RAW_OPEN;
        dialect->word.bytes[0] = object ? '{' : '[';
    }
    swarm_http_json_skip(&dialect->json);
}

/* ---- Members ------------------------------------------------------------------------------- */

static uint32_t edge_find(const struct dialect *dialect, const char *key, size_t size) {
    uint32_t node = dialect->nodes[dialect->nodes_count - 1];

    for (uint32_t i = dialect->first[node]; i < EDGES_COUNT && EDGES[i].from == node; i++) {
        if (EDGES[i].size == size && memcmp(EDGES[i].key, key, size) == 0) {
            return i;
        }
    }
    return 0;
}

/* Takes what fits. A key that was cut is longer than any in the table. */
static void word_add(struct word *word, const char *bytes, size_t size) {
    size_t room = WORD_MAX - (size_t)word->size;

    memcpy(word->bytes + word->size, bytes, size < room ? size : room);
    word->size = (uint8_t)(word->size + (size < room ? size : room));
}

static bool word_is(const struct word *word, const char *text) {
    return word->size == strlen(text) && memcmp(word->bytes, text, word->size) == 0;
}

/* Lone halves of other slots are owed before the arguments at hand go on. */
static void arguments_begin(struct dialect *dialect) {
    if (dialect->high[SWARM_HTTP_ARGUMENTS] != 0 && entry_guess(dialect) != dialect->high_slot) {
        dialect->high[SWARM_HTTP_ARGUMENTS] = 0;
        dialect->pending |= PENDING_LONE;
    }
}

/* A member that is wanted begins: a string of a channel continues the last one of it, so that a
 * surrogate pair may be split over two events. */
static void member_begin(struct dialect *dialect, uint32_t action) {
    dialect->word.size = 0;
    dialect->json.carry = 0;
    if (action == ACT_ARGUMENTS || (action >= ACT_CONTENT && action <= ACT_REFUSAL)) {
        if (action == ACT_ARGUMENTS) {
            arguments_begin(dialect);
        }
        dialect->json.carry = 1;
        dialect->json.high = dialect->high[action - 1];
    }
}

static void member(struct dialect *dialect, const char *key, size_t size) {
    uint32_t edge = edge_find(dialect, key, size);
    uint64_t bit = (uint64_t)1 << ((edge - dialect->first[root_of(dialect)]) & 63u);
    bool whole_again = edge != 0 && EDGES[edge].from == CHAT_CHOICE && dialect->stream &&
                       dialect->spoke && EDGES[edge].size == 7; /* message, after deltas */

    if (edge == 0 || (dialect->seen & bit) != 0 || whole_again) {
        dialect->edge = 0;
        dialect->json.carry = 0;
        swarm_http_json_skip(&dialect->json);
        return;
    }
    dialect->seen |= bit;
    dialect->edge = (uint8_t)edge;
    member_begin(dialect, EDGES[edge].action);
}

static void key(struct dialect *dialect, const swarm_http_token *token) {
    bool final = (token->flags & SWARM_HTTP_JSON_FINAL) != 0;

    if (final && dialect->word.size == 0) {
        member(dialect, token->bytes, token->size);
        dialect->word.size = 0;
        return;
    }
    word_add(&dialect->word, token->bytes, token->size);
    if (final) {
        struct word whole = dialect->word;

        dialect->word.size = 0;
        member(dialect, whole.bytes, whole.size);
    }
}

/* ---- Scalars ------------------------------------------------------------------------------- */

static void say(struct dialect *dialect, uint32_t channel, const char *bytes, size_t size,
                swarm_http_event *event) {
    if (dialect->mute || size == 0) {
        return;
    }
    event->kind = SWARM_HTTP_TEXT;
    event->channel = channel;
    event->slot = SWARM_NONE;
    event->bytes = bytes;
    event->size = size;
    if (channel != SWARM_HTTP_ERROR) {
        dialect->spoke = true;
        dialect->choice_spoke = true;
        dialect->entry_spoke = true;
        dialect->content_spoke = dialect->content_spoke || channel == SWARM_HTTP_CONTENT ||
                                 channel == SWARM_HTTP_NAME || channel == SWARM_HTTP_ARGUMENTS;
    }
}

static void text(struct dialect *dialect, const swarm_http_token *token, swarm_http_event *event) {
    uint32_t channel = EDGES[dialect->edge].action - 1u;

    if (channel == SWARM_HTTP_REASONING && EDGES[dialect->edge].from == CHAT_DELTA) {
        if (dialect->reasoning_edge != 0 && dialect->reasoning_edge != dialect->edge) {
            return; /* the same under another name */
        }
        dialect->reasoning_edge = token->size != 0 ? dialect->edge : dialect->reasoning_edge;
    }
    if (channel == SWARM_HTTP_ERROR) {
        dialect->error = dialect->error || token->size != 0;
    } else if (channel == SWARM_HTTP_NAME) {
        dialect->entry_named = dialect->entry_named || token->size != 0;
    } else if (channel == SWARM_HTTP_ID) {
        for (size_t i = 0; i < token->size; i++) { /* FNV-1a, seeded so that it is not 0 */
            uint64_t hash = dialect->entry_id != 0 ? dialect->entry_id : 0xCBF29CE484222325u;

            hash = (hash ^ (uint8_t)token->bytes[i]) * 0x100000001B3u;
            dialect->entry_id = hash != 0 ? hash : 1;
        }
    }
    say(dialect, channel, token->bytes, token->size, event);
    if (event->kind != SWARM_HTTP_NONE && channel == SWARM_HTTP_REASONING &&
        EDGES[dialect->edge].size == 9) {
        event->flags = SWARM_HTTP_RENAMED;
    }
}

static void finish_reason(struct dialect *dialect) {
    if (!dialect->mute && dialect->finish.size == 0 && dialect->word.size != 0) {
        dialect->finish = dialect->word;
        dialect->pending |= PENDING_FINISH;
    }
}

static void block_type(struct dialect *dialect) {
    const struct word *word = &dialect->word;

    dialect->entry_ignored = !word_is(word, "text") && !word_is(word, "tool_use") &&
                             !word_is(word, "thinking") && !word_is(word, "redacted_thinking");
}

/* A scalar is complete. */
static void word_done(struct dialect *dialect) {
    const struct word *word = &dialect->word;

    switch (EDGES[dialect->edge].action) {
    case ACT_FINISH:
        finish_reason(dialect);
        break;
    case ACT_TYPE:
        dialect->type = dialect->error ? dialect->type : *word;
        dialect->ended = dialect->ended || word_is(word, "message_stop");
        dialect->bare_error = dialect->bare_error || word_is(word, "error");
        break;
    case ACT_ERROR_TYPE:
        dialect->type = *word;
        break;
    case ACT_CODE:
        dialect->code = *word;
        break;
    case ACT_BARE_CODE:
        dialect->code = *word;
        dialect->bare_code = word->size != 0 && !word_is(word, "0") && !word_is(word, "200");
        break;
    case ACT_OBJECT:
        dialect->bare_error = dialect->bare_error || word_is(word, "error");
        break;
    case ACT_BLOCK_TYPE:
        block_type(dialect);
        break;
    default:
        break;
    }
}

static void string(struct dialect *dialect, const swarm_http_token *token,
                   swarm_http_event *event) {
    uint32_t action = EDGES[dialect->edge].action;
    bool final = (token->flags & SWARM_HTTP_JSON_FINAL) != 0;

    if (action >= ACT_CONTENT && action <= TEXT_LAST) {
        text(dialect, token, event);
    } else if (action == ACT_BARE) {
        dialect->bare = true;
        say(dialect, SWARM_HTTP_ERROR, token->bytes, token->size, event);
    } else if (action > TEXT_LAST) {
        word_add(&dialect->word, token->bytes, token->size);
    }
    if (final) {
        word_done(dialect);
        if (dialect->json.carry != 0) {
            dialect->high[action - 1] = dialect->json.high;
        }
        dialect->json.carry = 0;
        dialect->json.high = 0;
        dialect->word.size = 0;
        dialect->edge = 0;
    }
}

static void choice_index(struct dialect *dialect, uint64_t index) {
    if (index != 0 && !dialect->mute && dialect->choice_spoke) {
        dialect->problem = SWARM_HTTP_PROBLEM_CHOICE;
    }
    dialect->mute = index != 0;
}

/* A whole number that is wanted. */
static void integer(struct dialect *dialect, uint64_t value) {
    switch (EDGES[dialect->edge].action) {
    case ACT_INDEX:
        dialect->entry_index = value < SWARM_NONE ? (uint32_t)value : SWARM_NONE;
        return;
    case ACT_CHOICE_INDEX:
        choice_index(dialect, value);
        return;
    case ACT_INPUT:
        dialect->input_tokens = value;
        break;
    case ACT_OUTPUT:
        dialect->output_tokens = value;
        break;
    case ACT_CACHED:
        dialect->cached_tokens = value;
        break;
    case ACT_CREATED:
        dialect->created_tokens = value;
        break;
    default:
        return;
    }
    dialect->pending |= PENDING_USAGE;
}

static void number(struct dialect *dialect, const swarm_http_token *token,
                   swarm_http_event *event) {
    if (EDGES[dialect->edge].action == ACT_ARGUMENTS) {
        text(dialect, token, event); /* raw: no string, but what the model gave */
    }
    word_add(&dialect->word, token->bytes, token->size);
    if ((token->flags & SWARM_HTTP_JSON_FINAL) != 0) {
        if ((token->flags & SWARM_HTTP_JSON_INTEGER) != 0) {
            integer(dialect, token->value);
        }
        if (EDGES[dialect->edge].action != ACT_FINISH) {
            word_done(dialect);
        }
        dialect->word.size = 0;
        dialect->edge = 0;
    }
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void token_taken(struct dialect *dialect, const swarm_http_token *token,
                        swarm_http_event *event) {
    switch (token->kind) {
    case SWARM_HTTP_JSON_KEY:
        key(dialect, token);
        break;
    case SWARM_HTTP_JSON_STRING:
        string(dialect, token, event);
        break;
    case SWARM_HTTP_JSON_NUMBER:
        number(dialect, token, event);
        break;
    case SWARM_HTTP_JSON_OBJECT:
    case SWARM_HTTP_JSON_ARRAY:
        container(dialect, token->kind == SWARM_HTTP_JSON_OBJECT);
        break;
    case SWARM_HTTP_JSON_OBJECT_END:
    case SWARM_HTTP_JSON_ARRAY_END:
        node_leave(dialect, event);
        break;
    case SWARM_HTTP_JSON_ERROR:
        dialect->problem = (uint32_t)token->value;
        break;
    default: /* true, false, null, or skipped */
        dialect->edge = 0;
        break;
    }
}

/* Arguments that are a container and not a string: handed out as they stand. An empty one at a
 * block's beginning says nothing: its content follows. */
static size_t raw_next(struct dialect *dialect, const uint8_t *bytes, size_t size,
                       swarm_http_event *event) {
    swarm_http_token token;
    size_t used = 0;

    while (dialect->raw == RAW_OPEN && used < size && bytes[used] <= 0x20) {
        used++;
    }
    if (dialect->raw == RAW_OPEN && used < size) {
        bool empty = dialect->stream && dialect->kind == SWARM_HTTP_ANTHROPIC && bytes[used] == '}';

        dialect->raw = empty ? RAW_SILENT : RAW_ON;
        if (!empty) {
            say(dialect, SWARM_HTTP_ARGUMENTS, dialect->word.bytes, 1, event);
        }
        return 0;
    }
    used = swarm_http_json_next(&dialect->json, bytes, size, &token);
    if (dialect->raw == RAW_ON) {
        say(dialect, SWARM_HTTP_ARGUMENTS, (const char *)bytes, used, event);
    }
    if (token.kind != SWARM_HTTP_JSON_NONE) {
        dialect->raw = RAW_NONE;
        dialect->word.size = 0;
        token_taken(dialect, &token, event);
    }
    return used;
}

size_t swarm__http_document_next(struct dialect *dialect, const uint8_t *bytes, size_t size,
                                 swarm_http_event *event) {
    size_t used = 0;

    do {
        swarm_http_token token;

        if ((dialect->pending & PENDING_LONE) != 0) {
            (void)swarm__http_document_pending(dialect, event);
        } else if (dialect->raw != RAW_NONE) {
            used += raw_next(dialect, bytes + used, size - used, event);
        } else {
            used += swarm_http_json_next(&dialect->json, bytes + used, size - used, &token);
            if (token.kind != SWARM_HTTP_JSON_NONE) {
                token_taken(dialect, &token, event);
            }
        }
    } while (used < size && event->kind == SWARM_HTTP_NONE && dialect->problem == 0);
    return used;
}

bool swarm__http_document_end(struct dialect *dialect) {
    bool reports =
        dialect->bare && !dialect->choices && (dialect->bare_code || dialect->bare_error);

    dialect->error = dialect->error || reports;
    return swarm_http_json_end(&dialect->json) == SWARM_OK;
}

/* ---- What is left to say ------------------------------------------------------------------- */

static uint32_t finish_kind(const struct word *word) {
    static const struct {
        const char *text;
        uint32_t kind;
    } KINDS[] = {
        {"stop", SWARM_HTTP_FINISH_STOP},           {"length", SWARM_HTTP_FINISH_LENGTH},
        {"tool_calls", SWARM_HTTP_FINISH_TOOLS},    {"content_filter", SWARM_HTTP_FINISH_FILTER},
        {"function_call", SWARM_HTTP_FINISH_TOOLS}, {"end_turn", SWARM_HTTP_FINISH_STOP},
        {"max_tokens", SWARM_HTTP_FINISH_LENGTH},   {"tool_use", SWARM_HTTP_FINISH_TOOLS},
        {"stop_sequence", SWARM_HTTP_FINISH_STOP},  {"refusal", SWARM_HTTP_FINISH_FILTER},
    };

    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (word_is(word, KINDS[i].text)) {
            return KINDS[i].kind;
        }
    }
    return SWARM_HTTP_FINISH_OTHER;
}

static uint64_t known_sum(uint64_t a, uint64_t b) {
    return b == SWARM_NEVER ? a : a == SWARM_NEVER ? b : b > SWARM_ZERO - a ? SWARM_ZERO : a + b;
}

/* Anthropic counts what was read from and written to a cache apart from the input. */
static void usage(const struct dialect *dialect, swarm_http_event *event) {
    event->kind = SWARM_HTTP_USAGE;
    event->input_tokens = dialect->input_tokens;
    event->cached_tokens = dialect->cached_tokens;
    event->output_tokens = dialect->output_tokens;
    if (dialect->kind == SWARM_HTTP_ANTHROPIC) {
        event->input_tokens = known_sum(known_sum(dialect->input_tokens, dialect->cached_tokens),
                                        dialect->created_tokens);
    }
}

bool swarm__http_document_pending(struct dialect *dialect, swarm_http_event *event) {
    uint32_t pending = dialect->pending;

    if ((pending & PENDING_LONE) != 0) {
        say(dialect, SWARM_HTTP_ARGUMENTS, "\xEF\xBF\xBD", 3, event);
        event->slot = dialect->high_slot;
        dialect->pending = (uint8_t)(pending & ~(uint32_t)PENDING_LONE);
    } else if ((pending & PENDING_FINISH) != 0) {
        event->kind = SWARM_HTTP_FINISH;
        event->finish = finish_kind(&dialect->finish);
        event->bytes = dialect->finish.bytes;
        event->size = dialect->finish.size;
        dialect->pending = (uint8_t)(pending & ~(uint32_t)PENDING_FINISH);
    } else if ((pending & PENDING_USAGE) != 0) {
        usage(dialect, event);
        dialect->pending = (uint8_t)(pending & ~(uint32_t)PENDING_USAGE);
    }
    return event->kind != SWARM_HTTP_NONE;
}

bool swarm__http_dialect_end(struct dialect *dialect, swarm_http_event *event) {
    static const uint32_t CHANNELS[] = {SWARM_HTTP_CONTENT, SWARM_HTTP_REASONING,
                                        SWARM_HTTP_REFUSAL, SWARM_HTTP_ARGUMENTS};

    for (uint32_t i = 0; i < sizeof CHANNELS / sizeof CHANNELS[0]; i++) {
        uint32_t channel = CHANNELS[i];

        if (dialect->high[channel] != 0) {
            dialect->high[channel] = 0;
            say(dialect, channel, "\xEF\xBF\xBD", 3, event);
            event->slot = channel == SWARM_HTTP_ARGUMENTS ? dialect->high_slot : SWARM_NONE;
            return true;
        }
    }
    return false;
}
