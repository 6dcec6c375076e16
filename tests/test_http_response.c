/* SPDX-License-Identifier: MIT */
/*
 * test_http_response.c - responses that two readers could understand differently, responses that
 * are cut, requests that try to inject, and every recorded answer in all kinds of pieces.
 */
#include <dirent.h>

#include "../backends/http/dialect.h"
#include "test_http.h"

#define H "HTTP/1.1 200 OK\r\n"
#define JSON "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"
#define SIZED "Content-Length: 64\r\n\r\n" JSON
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define IN_CHUNK "40\r\n" JSON "\r\n0\r\n\r\n"

enum { GOOD = 1, REUSE = 2, CUT = 4 }; /* else: refused */

static const struct {
    const char *name;
    const char *bytes;
    uint32_t verdict;
} CASES[] = {
    {"a length", H SIZED, GOOD | REUSE},
    {"chunks", H CHUNKED IN_CHUNK, GOOD | REUSE},
    {"one byte a chunk",
     H CHUNKED "1\r\n{\r\n3f\r\n"
               "\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"
               "\r\n0\r\n\r\n",
     GOOD | REUSE},
    {"to the end", H "\r\n" JSON, GOOD},
    {"1.0 with a length", "HTTP/1.0 200 OK\r\n" SIZED, GOOD},
    {"1.0 with chunks", "HTTP/1.0 200 OK\r\n" CHUNKED IN_CHUNK, GOOD},
    {"no reason", "HTTP/1.1 200\r\n" SIZED, GOOD | REUSE},
    {"close", H "Connection: close\r\n" SIZED, GOOD},
    {"close in a list", H "Connection: x, Close ,y\r\n" SIZED, GOOD},
    {"interim heads", "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" H SIZED,
     GOOD | REUSE},
    {"a field without a value", H "X:\r\n" SIZED, GOOD | REUSE},
    {"bytes beyond ASCII in a value", H "X: \xC3\xA9\r\n" SIZED, GOOD | REUSE},
    {"chunk extensions", H CHUNKED "40;a;b=c;d=\"e;\\\"\"\r\n" JSON "\r\n0;x\r\n\r\n",
     GOOD | REUSE},
    {"trailers", H CHUNKED "40\r\n" JSON "\r\n0\r\nX: 1\r\nY: 2\r\n\r\n", GOOD | REUSE},
    {"upper-case digits, leading zeros", H CHUNKED "0040\r\n" JSON "\r\n000\r\n\r\n", GOOD | REUSE},
    {"a second response behind the first", H SIZED H SIZED, GOOD},
    {"rubbish behind a response", H SIZED "XX", GOOD},
    {"rubbish behind chunks", H CHUNKED IN_CHUNK "x", GOOD},
    {"length and chunks", H "Content-Length: 64\r\n" CHUNKED IN_CHUNK, 0},
    {"chunks and length", H "Transfer-Encoding: chunked\r\n" SIZED, 0},
    {"two lengths", H "Content-Length: 63\r\n" SIZED, 0},
    {"two equal lengths", H "Content-Length: 64\r\n" SIZED, 0},
    {"lengths in a list", H "Content-Length: 64, 66\r\n\r\n" JSON, 0},
    {"length with a sign", H "Content-Length: +64\r\n\r\n" JSON, 0},
    {"length below zero", H "Content-Length: -1\r\n\r\n" JSON, 0},
    {"length empty", H "Content-Length:\r\n\r\n" JSON, 0},
    {"length hexadecimal", H "Content-Length: 0x40\r\n\r\n" JSON, 0},
    {"length with blanks inside", H "Content-Length: 6 4\r\n\r\n" JSON, 0},
    {"length of 20 digits", H "Content-Length: 99999999999999999999\r\n\r\n" JSON, 0},
    {"length of 2^63", H "Content-Length: 9223372036854775808\r\n\r\n" JSON, 0},
    {"length with a fraction", H "Content-Length: 64.0\r\n\r\n" JSON, 0},
    {"chunked twice in a field", H "Transfer-Encoding: chunked, chunked\r\n\r\n" IN_CHUNK, 0},
    {"chunked in two fields", H "Transfer-Encoding: chunked\r\n" CHUNKED IN_CHUNK, 0},
    {"chunked, identity", H "Transfer-Encoding: chunked, identity\r\n\r\n" IN_CHUNK, 0},
    {"identity", H "Transfer-Encoding: identity\r\n" SIZED, 0},
    {"gzip, chunked", H "Transfer-Encoding: gzip, chunked\r\n\r\n" IN_CHUNK, 0},
    {"xchunked", H "Transfer-Encoding: xchunked\r\n\r\n" IN_CHUNK, 0},
    {"chunked with a parameter", H "Transfer-Encoding: chunked;q=1\r\n\r\n" IN_CHUNK, 0},
    {"a folded line", H "X: a\r\n b\r\n" SIZED, 0},
    {"a folded transfer coding", H "Transfer-Encoding:\r\n chunked\r\n\r\n" IN_CHUNK, 0},
    {"LF alone behind the status line", "HTTP/1.1 200 OK\n" SIZED, 0},
    {"LF alone behind a field", H "X: 1\n" SIZED, 0},
    {"LF alone at the head's end", H "Content-Length: 64\r\n\n" JSON, 0},
    {"CR alone in a field", H "X: a\rContent-Length: 5\r\n" SIZED, 0},
    {"a blank before the colon", H "Content-Length : 64\r\n\r\n" JSON, 0},
    {"a tab before the colon", H "Transfer-Encoding\t: chunked\r\n\r\n" IN_CHUNK, 0},
    {"no name", H ": x\r\n" SIZED, 0},
    {"no colon", H "Content-Length 64\r\n\r\n" JSON, 0},
    {"a control character in a name", H "X\x01: 1\r\n" SIZED, 0},
    {"a control character in a value",
     H "X: a\x0B"
       "b\r\n" SIZED,
     0},
    {"DEL in a value", H "X: \x7F\r\n" SIZED, 0},
    {"a blank before the first field", H " X: 1\r\n" SIZED, 0},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\n" SIZED, 0},
    {"HTTP/2.0", "HTTP/2.0 200 OK\r\n" SIZED, 0},
    {"HTTP/0.9", "HTTP/0.9 200 OK\r\n" SIZED, 0},
    {"ICY", "ICY 200 OK\r\n" SIZED, 0},
    {"http in small letters", "http/1.1 200 OK\r\n" SIZED, 0},
    {"two blanks before the status", "HTTP/1.1  200 OK\r\n" SIZED, 0},
    {"a status of two digits", "HTTP/1.1 20 x\r\n" SIZED, 0},
    {"a status of four digits", "HTTP/1.1 2000 x\r\n" SIZED, 0},
    {"status 099", "HTTP/1.1 099 x\r\n" SIZED, 0},
    {"status 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0},
    {"no blank behind the status", "HTTP/1.1 200OK\r\n" SIZED, 0},
    {"chunk size 0x40", H CHUNKED "0x40\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size with a sign", H CHUNKED "+40\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size behind a blank", H CHUNKED " 40\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size before a blank", H CHUNKED "40 \r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size of 17 digits", H CHUNKED "00000000000000040\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size of 2^63", H CHUNKED "8000000000000000\r\n", 0},
    {"chunk size empty", H CHUNKED "\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"chunk size ended by LF", H CHUNKED "40\n" JSON "\r\n0\r\n\r\n", 0},
    {"a chunk longer than it says", H CHUNKED "3f\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"a chunk ended by LF", H CHUNKED "40\r\n" JSON "\n0\r\n\r\n", 0},
    {"a chunk extension without a name", H CHUNKED "40;\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"a chunk extension with an open quote", H CHUNKED "40;a=\"x\r\n" JSON "\r\n0\r\n\r\n", 0},
    {"a trailer without a colon", H CHUNKED "40\r\n" JSON "\r\n0\r\nX\r\n\r\n", 0},
    {"compressed", H "Content-Encoding: gzip\r\n" SIZED, 0},
    {"cut in the status line", "HTTP/1.1 2", CUT},
    {"cut in the head", H "X: 1\r\n", CUT},
    {"cut in a counted body", H "Content-Length: 65\r\n\r\n" JSON, CUT},
    {"cut in a chunk", H CHUNKED "40\r\n{", CUT},
    {"cut before the last chunk", H CHUNKED "40\r\n" JSON "\r\n", CUT},
    {"cut in the trailers", H CHUNKED "40\r\n" JSON "\r\n0\r\n", CUT},
    {"cut before anything", "", CUT},
};

TEST(ambiguous_and_cut_responses) {
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct pieces pieces = {0};
        uint32_t verdict = CASES[i].verdict;

        hear_in_pieces(CASES[i].bytes, strlen(CASES[i].bytes), pieces, CASES[i].name);
        if ((heard_whole.problem == 0) != ((verdict & GOOD) != 0) ||
            (heard_whole.problem == SWARM_HTTP_PROBLEM_CUT) != ((verdict & CUT) != 0) ||
            heard_whole.idle != ((verdict & REUSE) != 0)) {
            char text[512];

            snprintf(text, sizeof text, "%s: problem %u, idle %d", CASES[i].name,
                     heard_whole.problem, heard_whole.idle);
            test_fail(__FILE__, __LINE__, text);
        }
    }
}

/* ---- Limits -------------------------------------------------------------------------------- */

static uint32_t problem_of(const char *bytes, size_t size) {
    struct pieces pieces = {.step = 1000};

    hear(bytes, size, &pieces, &heard_whole);
    return heard_whole.problem;
}

TEST(heads_have_limits) {
    static char text[1 << 18];
    size_t at = (size_t)snprintf(text, sizeof text, H "X: ");

    memset(text + at, 'a', 5000); /* the tests' line_max is 4096 */
    snprintf(text + at + 5000, 100, "\r\n" SIZED);
    CHECK_EQ(problem_of(text, strlen(text)), SWARM_HTTP_PROBLEM_LIMIT);
    at = (size_t)snprintf(text, sizeof text, H);
    for (uint32_t i = 0; i < 101; i++) {
        at += (size_t)snprintf(text + at, 10, "X: 1\r\n");
    }
    snprintf(text + at, 200, SIZED);
    CHECK_EQ(problem_of(text, strlen(text)), SWARM_HTTP_PROBLEM_LIMIT);
    at = (size_t)snprintf(text, sizeof text, H);
    for (uint32_t i = 0; i < 20; i++) {
        at += (size_t)snprintf(text + at, 2100, "X: %02000d\r\n", 1);
    }
    snprintf(text + at, 200, SIZED);
    CHECK_EQ(problem_of(text, strlen(text)), SWARM_HTTP_PROBLEM_LIMIT);
    at = 0;
    for (uint32_t i = 0; i < 9; i++) {
        at += (size_t)snprintf(text + at, 100, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    snprintf(text + at, 200, H SIZED);
    CHECK_EQ(problem_of(text, strlen(text)), SWARM_HTTP_PROBLEM_LIMIT);
}

TEST(framing_may_not_outweigh_what_it_frames) {
    static char text[1 << 18];
    size_t at = (size_t)snprintf(text, sizeof text, H CHUNKED);

    while (at < sizeof text - 100) { /* blanks before the JSON, one a chunk, with an extension */
        at += (size_t)snprintf(text + at, 100, "1;extension=0123456789\r\n \r\n");
    }
    CHECK_EQ(problem_of(text, at), SWARM_HTTP_PROBLEM_LIMIT);
}

/* ---- Size ---------------------------------------------------------------------------------- */

TEST(the_state_of_a_stream_is_small_whatever_comes) {
    static char piece[1 << 16];
    static uint64_t memory[2048];
    swarm_http_limits limits = {.line_max = 256};
    swarm_http_wire *wire = swarm_http_wire_new(&limits, memory, sizeof memory);
    static const char HEAD[] = "data: {\"choices\":[{\"delta\":{\"content\":\"";
    swarm_http_event event;
    uint64_t text = 0;

    CHECK(swarm_http_wire_size(&limits) <= 256 + 15 + 1024); /* 32 open calls included */
    swarm_http_wire_begin(wire, SWARM_HTTP_CHAT, SWARM_HTTP_BODY_ONLY);
    swarm_http_wire_input(wire, HEAD, sizeof HEAD - 1, &event);
    memset(piece, 'x', sizeof piece);
    for (uint32_t i = 0; i < 1024; i++) { /* one string of 64 MiB */
        for (size_t at = 0; at < sizeof piece;) {
            at += swarm_http_wire_input(wire, piece + at, sizeof piece - at, &event);
            text += event.kind == SWARM_HTTP_TEXT ? event.size : 0;
        }
    }
    CHECK_EQ(text, (uint64_t)64 << 20);
}

/* ---- Recordings ---------------------------------------------------------------------------- */

static void recording(const char *folder, const char *name, uint32_t dialect) {
    static char text[1 << 20];
    char path[512];
    FILE *file;
    size_t size;
    struct pieces pieces = {.dialect = dialect, .flags = SWARM_HTTP_BODY_ONLY};

    snprintf(path, sizeof path, "%s%s", folder, name);
    file = fopen(path, "rb");
    size = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    CHECK(size != 0 && size < sizeof text);
    hear_in_pieces(text, size, pieces, name);
    CHECK_EQ(heard_whole.problem, 0);
}

static uint32_t recordings(const char *folder, uint32_t dialect) {
    DIR *open = opendir(folder);
    uint32_t count = 0;

    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        size_t size = strlen(entry->d_name);

        if (size > 5 && strcmp(entry->d_name + size - 5, ".body") == 0) {
            recording(folder, entry->d_name, dialect);
            count++;
        }
    }
    if (open != NULL) {
        closedir(open);
    }
    return count;
}

TEST(recordings_say_the_same_in_any_pieces) {
    uint32_t count = recordings("../shared/wire/chat/", SWARM_HTTP_CHAT);

    if (count == 0) {
        SKIP("needs ../shared/wire");
    }
    CHECK_EQ(count, 149);
    CHECK_EQ(recordings("../shared/wire/anthropic/", SWARM_HTTP_ANTHROPIC), 18);
}

/* ---- Requests ------------------------------------------------------------------------------ */

static swarm_status written(const swarm_http_request *request, char *text, size_t size) {
    swarm_http_writer writer = {.bytes = text, .capacity = size - 1};
    swarm_status status = swarm_http_request_write(request, &writer);

    text[writer.size < size ? writer.size : size - 1] = '\0';
    return status;
}

TEST(nothing_can_be_injected_into_a_head) {
    static const char *const BAD[] = {"a\r\nX: 1", "a\nb", "a b", "a\tb", "", "a\x7F", "\xC3\xA9"};
    swarm_http_message message = {.text = "hi"};
    swarm_http_request good = {
        .host = "h:1", .model = "m", .messages = &message, .messages_count = 1};
    char text[2048];

    CHECK_EQ(written(&good, text, sizeof text), SWARM_OK);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        swarm_http_request bad = good;
        char path[32];

        bad.host = BAD[i];
        CHECK_EQ(written(&bad, text, sizeof text), SWARM_E_INVALID);
        bad = good;
        bad.key = BAD[i];
        CHECK_EQ(written(&bad, text, sizeof text), SWARM_E_INVALID);
        bad = good;
        bad.idempotency = BAD[i];
        CHECK_EQ(written(&bad, text, sizeof text), SWARM_E_INVALID);
        bad = good;
        snprintf(path, sizeof path, "/%s", BAD[i]);
        bad.path = BAD[i][0] != '\0' ? path : "no slash";
        CHECK_EQ(written(&bad, text, sizeof text), SWARM_E_INVALID);
    }
    good.model = "m\r\nX-Evil: 1";
    CHECK_EQ(written(&good, text, sizeof text), SWARM_OK);
    CHECK(strstr(text, "\nX-Evil") == NULL && strstr(text, "m\\r\\nX-Evil") != NULL);
}

TEST(messages_are_written_for_both_dialects) {
    static const swarm_http_part PARTS[] = {
        {"look", 4, NULL, SWARM_HTTP_PART_TEXT, 0},
        {"\x01\x02\x03\x04", 4, "image/png", SWARM_HTTP_PART_IMAGE, 0},
        {"https://x/y", 11, NULL, SWARM_HTTP_PART_IMAGE_LINK, 0},
    };
    const swarm_http_message messages[] = {
        {.role = SWARM_HTTP_SYSTEM, .text = "be brief"},
        {.role = SWARM_HTTP_USER, .parts = PARTS, .parts_count = 3},
        {.role = SWARM_HTTP_TURN, .text = "{\"role\":\"assistant\",\"content\":null}"},
        {.role = SWARM_HTTP_TOOL, .call = "f:0", .text = "r0"},
        {.role = SWARM_HTTP_TOOL, .call = "f:1", .text = "r1"},
    };
    const swarm_http_tool tool = {.name = "f", .description = "d"};
    swarm_http_request request = {.host = "h",
                                  .model = "m",
                                  .messages = messages,
                                  .messages_count = 5,
                                  .tools = &tool,
                                  .tools_count = 1,
                                  .flags = SWARM_HTTP_KEEP_THINKING};
    char text[4096];

    CHECK_EQ(written(&request, text, sizeof text), SWARM_OK);
    CHECK(strcmp(
              strstr(text, "\r\n\r\n") + 4,
              "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
              "brief\"},{\"role\":\"user\","
              "\"content\":[{\"type\":\"text\",\"text\":\"look\"},{\"type\":\"image_url\",\"image_"
              "url\":{\"url\":"
              "\"data:image/png;base64,AQIDBA==\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"https://x/y\"}}]},{\"role\":\"assistant\",\"content\":null},{\"role\":\"tool\","
              "\"tool_call_id\":\"f:0\",\"content\":\"r0\"},{\"role\":\"tool\",\"tool_call_id\":"
              "\"f:1\","
              "\"content\":\"r1\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true},"
              "\"thinking\":"
              "{\"type\":\"enabled\",\"keep\":\"all\"},\"tools\":[{\"type\":\"function\","
              "\"function\":{\"name\":"
              "\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}"
              "]}") == 0);
    request.dialect = SWARM_HTTP_ANTHROPIC;
    request.tokens_max = 100;
    CHECK_EQ(written(&request, text, sizeof text), SWARM_OK);
    CHECK(strstr(text, "POST /v1/messages HTTP/1.1\r\n") == text);
    CHECK(strcmp(strstr(text, "\r\n\r\n") + 4,
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                 "\"text\",\"text\":\"look\"},"
                 "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
                 "png\",\"data\":\"AQIDBA==\"}},"
                 "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/"
                 "y\"}}]},{\"role\":\"assistant\","
                 "\"content\":null},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                 "\"tool_use_id\":\"f:0\","
                 "\"content\":\"r0\"},{\"type\":\"tool_result\",\"tool_use_id\":\"f:1\","
                 "\"content\":\"r1\"}]}],\"stream\":"
                 "true,\"max_tokens\":100,\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_"
                 "schema\":{\"type\":"
                 "\"object\",\"properties\":{}}}],\"system\":[{\"type\":\"text\",\"text\":\"be "
                 "brief\"}]}") == 0);
}

TEST(what_does_not_fit_or_is_no_text_is_refused) {
    swarm_http_message message = {.text = "\xFF"};
    swarm_http_request request = {
        .host = "h", .model = "m", .messages = &message, .messages_count = 1};
    swarm_http_writer writer = {0};
    char text[2048];

    CHECK_EQ(written(&request, text, sizeof text), SWARM_E_GARBAGE);
    message.text = "hi";
    CHECK_EQ(swarm_http_request_write(&request, &writer), SWARM_E_TOO_BIG);
    CHECK_EQ(written(&request, text, writer.size), SWARM_E_TOO_BIG);
    CHECK_EQ(written(&request, text, writer.size + 1), SWARM_OK);
    message.role = 9;
    CHECK_EQ(written(&request, text, sizeof text), SWARM_E_INVALID);
    message = (swarm_http_message){.role = SWARM_HTTP_TURN, .text = "{]"};
    CHECK_EQ(written(&request, text, sizeof text), SWARM_E_GARBAGE);
    message = (swarm_http_message){.role = SWARM_HTTP_TOOL, .text = "x"};
    CHECK_EQ(written(&request, text, sizeof text), SWARM_E_INVALID);
    request.messages_count = 0;
    CHECK_EQ(written(&request, text, sizeof text), SWARM_E_INVALID);
}

/* ---- Turns that go back -------------------------------------------------------------------- */

static void turn_is(const char *body, uint32_t dialect, const char *wanted) {
    static uint64_t memory[2048], room[1024];
    swarm_http_wire *wire =
        swarm_http_wire_new(&(swarm_http_limits){.line_max = 4096}, memory, sizeof memory);
    swarm_http_turn *turn = swarm_http_turn_new(room, sizeof room);
    char text[1024];
    swarm_http_writer writer = {.bytes = text, .capacity = sizeof text - 1};
    swarm_http_event event = {0};

    swarm_http_wire_begin(wire, dialect, SWARM_HTTP_BODY_ONLY);
    for (size_t at = 0; event.kind != SWARM_HTTP_END;) {
        at += swarm_http_wire_input(wire, body + at, strlen(body + at), &event);
        if (event.kind == SWARM_HTTP_NONE) {
            swarm_http_wire_end(wire, &event);
        }
        CHECK_EQ(swarm_http_turn_add(turn, &event), SWARM_OK);
    }
    CHECK_EQ(swarm_http_turn_write(turn, dialect, &writer), SWARM_OK);
    text[writer.size] = '\0';
    if (strcmp(text, wanted) != 0) {
        test_fail(__FILE__, __LINE__, text);
    }
}

TEST(a_turn_goes_back_as_it_came) {
    turn_is(
        "{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"r\\n\",\"tool_"
        "calls\":[{\"id\":"
        "\"f:0\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": "
        "1}\"}}]},\"finish_reason\":"
        "\"tool_calls\"}]}",
        SWARM_HTTP_CHAT,
        "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"r\\n\",\"tool_calls\":[{"
        "\"id\":\"f:0\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}}]}");
    turn_is("{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning\":\"r\"},\"finish_reason\":"
            "\"stop\"}]}",
            SWARM_HTTP_CHAT, "{\"role\":\"assistant\",\"content\":\"a\",\"reasoning\":\"r\"}");
    turn_is("{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
            "\"signature\":\"s\"},{\"type\":"
            "\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
            "\"tool_use\",\"id\":\"i\","
            "\"name\":\"f\",\"input\":{}}],\"stop_reason\":\"tool_use\"}",
            SWARM_HTTP_ANTHROPIC,
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
            "\"signature\":\"s\"},{\"type\":"
            "\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
            "\"tool_use\",\"id\":\"i\","
            "\"name\":\"f\",\"input\":{}}]}");
}

/* ---- Random -------------------------------------------------------------------------------- */

TEST(mutated_responses_end_in_a_verdict_and_say_the_same_in_pieces) {
    static const char *const SEEDS[] = {
        H CHUNKED IN_CHUNK,
        H "Connection: close\r\n" SIZED,
        H "Content-Type: text/event-stream\r\n\r\ndata: "
          "{\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"},"
          "\"index\":0}]}\r\n\rdata: "
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":"
          "{\"name\":\"f\",\"arguments\":{\"a\":[1]}}}]},\"finish_reason\":\"stop\"}]}\n\ndata: "
          "[DONE]\n\n",
        ("HTTP/1.1 429 x\r\nContent-Length: 40\r\n\r\n"
         "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":1}}"),
    };
    uint32_t rounds = test_long ? 100000 : 1500;

    for (uint32_t round = 0; round < rounds && !test_failed(); round++) {
        char text[600];
        const char *seed = SEEDS[test_below(4)];
        size_t size = strlen(seed);
        struct pieces pieces = {.dialect = (uint32_t)test_below(2), .step = SIZE_MAX};

        memcpy(text, seed, size);
        for (uint64_t n = 1 + test_below(3); n != 0; n--) {
            static const char BYTES[] = "{}[]\",:\\u0 \r\n\tdata;=1fFx\x80\xE2\x01";

            text[test_below(size)] = BYTES[test_below(sizeof BYTES - 1)];
        }
        hear(text, size, &pieces, &heard_whole);
        pieces.step = 1;
        same_in_piece(text, size, &pieces, "mutated");
        pieces.step = SIZE_MAX;
        pieces.first = 1 + (size_t)test_below(size);
        same_in_piece(text, size, &pieces, "mutated");
    }
}

TEST_MAIN()
