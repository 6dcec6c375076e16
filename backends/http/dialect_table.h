/* SPDX-License-Identifier: MIT */
/*
 * dialect_table.h - chat completions and Anthropic Messages, as the table that dialect.c follows.
 *
 * To support a field that a server sends, add its edge; to support another dialect, add its nodes
 * and a root. Where servers differ, both spellings stand here (reasoning_content and reasoning,
 * usage beside choices and inside one).
 *
 * Memory: constants. Included by dialect.c only.
 */
#ifndef SWARM_HTTP_DIALECT_TABLE_H
#define SWARM_HTTP_DIALECT_TABLE_H

#include "swarm_http.h"

/* Containers that are read. The first of a dialect is its document. */
enum {
    NODE_NONE = 0,
    CHAT_ROOT,
    CHAT_CHOICES,
    CHAT_CHOICE,
    CHAT_DELTA,
    CHAT_PARTS,
    CHAT_PART,
    CHAT_THOUGHTS,
    CHAT_THOUGHT,
    CHAT_TOOLS,
    CHAT_TOOL,
    CHAT_FUNCTION,
    CHAT_USAGE,
    CHAT_DETAILS,
    CHAT_ERROR,
    BLOCK_ROOT,
    BLOCK_MESSAGE,
    BLOCK_LIST,
    BLOCK,
    BLOCK_DELTA,
    BLOCK_USAGE,
    BLOCK_ERROR,
    NODES
};

/* What a scalar does. Up to TEXT_LAST: a text of channel action - 1. */
enum {
    ACT_NONE = 0,
    ACT_CONTENT = 1 + SWARM_HTTP_CONTENT,
    ACT_REASONING = 1 + SWARM_HTTP_REASONING,
    ACT_REFUSAL = 1 + SWARM_HTTP_REFUSAL,
    ACT_ID = 1 + SWARM_HTTP_ID,
    ACT_NAME = 1 + SWARM_HTTP_NAME,
    ACT_ARGUMENTS = 1 + SWARM_HTTP_ARGUMENTS,
    ACT_SIGNATURE = 1 + SWARM_HTTP_SIGNATURE,
    ACT_REDACTED = 1 + SWARM_HTTP_REDACTED,
    ACT_ERROR = 1 + SWARM_HTTP_ERROR,
    TEXT_LAST = ACT_ERROR,
    ACT_BARE, /* an error's text, if the document turns out to be one */
    ACT_BARE_CODE,
    ACT_OBJECT,
    ACT_TYPE,
    ACT_CODE,
    ACT_ERROR_TYPE,
    ACT_BLOCK_TYPE,
    ACT_FINISH,
    ACT_INDEX,
    ACT_CHOICE_INDEX,
    ACT_INPUT,
    ACT_OUTPUT,
    ACT_CACHED,
    ACT_CREATED
};

struct edge {
    uint8_t from;
    uint8_t to;
    uint8_t action;
    uint8_t size;
    const char *key;
};

#define EDGE(from, key, to, action)                                                                \
    { from, to, action, sizeof key - 1, key }

/* Sorted by `from`. Number 0 is no edge. */
static const struct edge EDGES[] = {
    EDGE(NODE_NONE, "", NODE_NONE, ACT_NONE),
    EDGE(CHAT_ROOT, "choices", CHAT_CHOICES, ACT_NONE),
    EDGE(CHAT_ROOT, "usage", CHAT_USAGE, ACT_NONE),
    EDGE(CHAT_ROOT, "object", NODE_NONE, ACT_OBJECT),
    EDGE(CHAT_ROOT, "cached_tokens", NODE_NONE, ACT_CACHED), /* Moonshot */
    EDGE(CHAT_ROOT, "error", CHAT_ERROR, ACT_ERROR),
    EDGE(CHAT_ROOT, "message", NODE_NONE, ACT_BARE),
    EDGE(CHAT_ROOT, "detail", NODE_NONE, ACT_BARE), /* FastAPI */
    EDGE(CHAT_ROOT, "code", NODE_NONE, ACT_BARE_CODE),
    EDGE(CHAT_ROOT, "type", NODE_NONE, ACT_TYPE),
    EDGE(CHAT_CHOICES, "", CHAT_CHOICE, ACT_NONE),
    EDGE(CHAT_CHOICE, "index", NODE_NONE, ACT_CHOICE_INDEX),
    EDGE(CHAT_CHOICE, "delta", CHAT_DELTA, ACT_NONE),
    EDGE(CHAT_CHOICE, "message", CHAT_DELTA, ACT_NONE),
    EDGE(CHAT_CHOICE, "finish_reason", NODE_NONE, ACT_FINISH),
    EDGE(CHAT_CHOICE, "usage", CHAT_USAGE, ACT_NONE), /* Moonshot */
    EDGE(CHAT_CHOICE, "error", CHAT_ERROR, ACT_ERROR),
    EDGE(CHAT_DELTA, "content", CHAT_PARTS, ACT_CONTENT),
    EDGE(CHAT_DELTA, "reasoning_content", NODE_NONE, ACT_REASONING),
    EDGE(CHAT_DELTA, "reasoning", NODE_NONE, ACT_REASONING),
    EDGE(CHAT_DELTA, "refusal", NODE_NONE, ACT_REFUSAL),
    EDGE(CHAT_DELTA, "tool_calls", CHAT_TOOLS, ACT_NONE),
    EDGE(CHAT_DELTA, "function_call", CHAT_FUNCTION, ACT_NONE),
    EDGE(CHAT_PARTS, "", CHAT_PART, ACT_NONE),
    EDGE(CHAT_PART, "text", NODE_NONE, ACT_CONTENT),
    EDGE(CHAT_PART, "thinking", CHAT_THOUGHTS, ACT_REASONING), /* Mistral */
    EDGE(CHAT_THOUGHTS, "", CHAT_THOUGHT, ACT_NONE),
    EDGE(CHAT_THOUGHT, "text", NODE_NONE, ACT_REASONING),
    EDGE(CHAT_TOOLS, "", CHAT_TOOL, ACT_NONE),
    EDGE(CHAT_TOOL, "index", NODE_NONE, ACT_INDEX),
    EDGE(CHAT_TOOL, "id", NODE_NONE, ACT_ID),
    EDGE(CHAT_TOOL, "function", CHAT_FUNCTION, ACT_NONE),
    EDGE(CHAT_FUNCTION, "name", NODE_NONE, ACT_NAME),
    EDGE(CHAT_FUNCTION, "arguments", NODE_NONE, ACT_ARGUMENTS),
    EDGE(CHAT_USAGE, "prompt_tokens", NODE_NONE, ACT_INPUT),
    EDGE(CHAT_USAGE, "completion_tokens", NODE_NONE, ACT_OUTPUT),
    EDGE(CHAT_USAGE, "cached_tokens", NODE_NONE, ACT_CACHED),
    EDGE(CHAT_USAGE, "prompt_tokens_details", CHAT_DETAILS, ACT_NONE),
    EDGE(CHAT_DETAILS, "cached_tokens", NODE_NONE, ACT_CACHED),
    EDGE(CHAT_ERROR, "message", NODE_NONE, ACT_ERROR),
    EDGE(CHAT_ERROR, "type", NODE_NONE, ACT_ERROR_TYPE),
    EDGE(CHAT_ERROR, "code", NODE_NONE, ACT_CODE),
    EDGE(BLOCK_ROOT, "type", NODE_NONE, ACT_TYPE),
    EDGE(BLOCK_ROOT, "index", NODE_NONE, ACT_INDEX),
    EDGE(BLOCK_ROOT, "message", BLOCK_MESSAGE, ACT_BARE),
    EDGE(BLOCK_ROOT, "content_block", BLOCK, ACT_NONE),
    EDGE(BLOCK_ROOT, "delta", BLOCK_DELTA, ACT_NONE),
    EDGE(BLOCK_ROOT, "content", BLOCK_LIST, ACT_NONE),
    EDGE(BLOCK_ROOT, "stop_reason", NODE_NONE, ACT_FINISH),
    EDGE(BLOCK_ROOT, "usage", BLOCK_USAGE, ACT_NONE),
    EDGE(BLOCK_ROOT, "error", BLOCK_ERROR, ACT_ERROR),
    EDGE(BLOCK_MESSAGE, "usage", BLOCK_USAGE, ACT_NONE),
    EDGE(BLOCK_LIST, "", BLOCK, ACT_NONE),
    EDGE(BLOCK, "type", NODE_NONE, ACT_BLOCK_TYPE),
    EDGE(BLOCK, "id", NODE_NONE, ACT_ID),
    EDGE(BLOCK, "name", NODE_NONE, ACT_NAME),
    EDGE(BLOCK, "input", NODE_NONE, ACT_ARGUMENTS),
    EDGE(BLOCK, "text", NODE_NONE, ACT_CONTENT),
    EDGE(BLOCK, "thinking", NODE_NONE, ACT_REASONING),
    EDGE(BLOCK, "signature", NODE_NONE, ACT_SIGNATURE),
    EDGE(BLOCK, "data", NODE_NONE, ACT_REDACTED),
    EDGE(BLOCK_DELTA, "text", NODE_NONE, ACT_CONTENT),
    EDGE(BLOCK_DELTA, "thinking", NODE_NONE, ACT_REASONING),
    EDGE(BLOCK_DELTA, "partial_json", NODE_NONE, ACT_ARGUMENTS),
    EDGE(BLOCK_DELTA, "signature", NODE_NONE, ACT_SIGNATURE),
    EDGE(BLOCK_DELTA, "stop_reason", NODE_NONE, ACT_FINISH),
    EDGE(BLOCK_USAGE, "input_tokens", NODE_NONE, ACT_INPUT),
    EDGE(BLOCK_USAGE, "output_tokens", NODE_NONE, ACT_OUTPUT),
    EDGE(BLOCK_USAGE, "cache_read_input_tokens", NODE_NONE, ACT_CACHED),
    EDGE(BLOCK_USAGE, "cache_creation_input_tokens", NODE_NONE, ACT_CREATED),
    EDGE(BLOCK_ERROR, "message", NODE_NONE, ACT_ERROR),
    EDGE(BLOCK_ERROR, "type", NODE_NONE, ACT_ERROR_TYPE),
};

enum { EDGES_COUNT = sizeof EDGES / sizeof EDGES[0] };

#endif
