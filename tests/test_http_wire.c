/* SPDX-License-Identifier: MIT */
/*
 * test_http_wire.c - answers as servers really give them, each in all kinds of pieces.
 *
 * The tables name each quirk; the expectation was written from the rules in swarm_http.h, not from
 * what the program printed.
 */
#include "test_http.h"

struct quirk {
    const char *name;
    const char *body;
    const char *heard;
    uint32_t flags;
};

#define D(json) "data: " json "\n\n"
#define TEXT(text) D("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}")
#define STOP D("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}")
#define TOOLS(json) D("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[" json "]}}]}")
#define CALLED D("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}")
#define DONE "data: [DONE]\n\n"
#define USED(json) D("{\"choices\":[],\"usage\":{" json "}}")

static const struct quirk QUIRKS[] = {
    {"plain", TEXT("a") TEXT("b") STOP DONE, "ok content=ab finish=stop", 0},
    {"usage with empty choices",
     TEXT("a") STOP USED("\"prompt_tokens\":3,\"completion_tokens\":4") DONE,
     "ok content=a finish=stop usage=3/4/?", 0},
    {"empty choices without usage",
     D("{\"choices\":[],\"prompt_filter_results\":[{\"a\":{\"b\":1}}]}") TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
    {"choices missing", D("{\"id\":\"x\"}") TEXT("a") STOP DONE, "ok content=a finish=stop", 0},
    {"choices null", D("{\"choices\":null}") TEXT("a") STOP DONE, "ok content=a finish=stop", 0},
    {"usage null until the end",
     D("{\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")
         STOP USED("\"prompt_tokens\":1,\"completion_tokens\":2") DONE,
     "ok content=a finish=stop usage=1/2/?", 0},
    {"usage in every chunk, the last counts",
     USED("\"prompt_tokens\":1,\"completion_tokens\":1") TEXT("a")
         STOP USED("\"prompt_tokens\":1,\"completion_tokens\":9") DONE,
     "ok content=a finish=stop usage=1/9/?", 0},
    {"usage in the choice, cached at the top",
     D("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\",\"usage\":"
       "{\"prompt_tokens\":7,\"completion_tokens\":8}}],\"cached_tokens\":5}") DONE,
     "ok content=a finish=stop usage=7/8/5", 0},
    {"x_groq repeats usage",
     TEXT("a") STOP D("{\"x_groq\":{\"usage\":{\"prompt_tokens\":99}},\"choices\":[]}")
         USED("\"prompt_tokens\":1,\"completion_tokens\":2") DONE,
     "ok content=a finish=stop usage=1/2/?", 0},
    {"cached zero is known",
     TEXT("a") STOP USED("\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":"
                         "{\"cached_tokens\":0}") DONE,
     "ok content=a finish=stop usage=1/2/0", 0},
    {"numbers that are no counts are unknown",
     TEXT("a") STOP USED("\"prompt_tokens\":-1,\"completion_tokens\":2.5") DONE,
     "ok content=a finish=stop", 0},
    {"finish repeated, the first counts",
     TEXT("a") D("{\"choices\":[{\"finish_reason\":\"stop\"}]}")
         D("{\"choices\":[{\"finish_reason\":\"length\"}]}") DONE,
     "ok content=a finish=stop", 0},
    {"finish null at the end", TEXT("a") DONE, "incomplete content=a", 0},
    {"finish null at the end, allowed", TEXT("a") DONE, "ok content=a", SWARM_HTTP_NULL_OK},
    {"finish empty is none", TEXT("a") D("{\"choices\":[{\"finish_reason\":\"\"}]}") DONE,
     "incomplete content=a", 0},
    {"finish unknown", TEXT("a") D("{\"choices\":[{\"finish_reason\":\"eos\"}]}") DONE,
     "ok content=a finish=eos", 0},
    {"clean end without anything", TEXT("a"), "incomplete content=a", 0},
    {"nothing at all", "", "incomplete", 0},
    {"finish but no end mark", TEXT("a") STOP, "ok content=a finish=stop", 0},
    {"bytes after the end mark", TEXT("a") STOP DONE TEXT("b"), "ok content=a finish=stop", 0},
    {"end mark with blanks", TEXT("a") STOP "data:  [DONE] \n\n", "ok content=a finish=stop", 0},
    {"cut inside an event", TEXT("a") "data: {\"choices\":[{\"delta\":{\"content\":\"b",
     "incomplete content=ab", 0},
    {"cut after the finish, in the usage", TEXT("a") STOP "data: {\"choices\":[],\"us",
     "incomplete content=a finish=stop", 0},
    {"last event without its blank line",
     TEXT("a") "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}",
     "ok content=a finish=stop", 0},
    {"comments, pings, ids, retries and unknown fields",
     ": keep-alive\n\n: OPENROUTER PROCESSING\n\nevent: ping\nid: 7\nretry: 10\nfoo: "
     "bar\nfoo\n\n" TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
    {"event behind data",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\nevent: x\n\n" STOP DONE,
     "ok content=a finish=stop", 0},
    {"CR",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\r\rdata: "
     "[DONE]\r\r",
     "ok content=a finish=stop", 0},
    {"CRLF",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
     "data: [DONE]\r\n\r\n",
     "ok content=a finish=stop", 0},
    {"mixed line ends",
     ":x\r:y\n:z\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"},\n"
     "data: \"finish_reason\":\"stop\"}]}\r\r\ndata: [DONE]\n\r",
     "ok content=a finish=stop", 0},
    {"byte order mark", "\xEF\xBB\xBF" TEXT("a") STOP DONE, "ok content=a finish=stop", 0},
    {"two byte order marks", "\xEF\xBB\xBF\xEF\xBB\xBF" TEXT("a") STOP DONE, "ok finish=stop", 0},
    {"data in several lines",
     "data: {\"choices\":[{\"delta\":\ndata:{\"content\":\"a\"}\ndata:\ndata\ndata: "
     ",\"finish_reason\":\"stop\"}]}\n\n" DONE,
     "ok content=a finish=stop", 0},
    {"a line break inside a string",
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\ndata: b\"}}]}\n\n", "error content=a", 0},
    {"one blank behind the colon is taken, no more",
     "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata:  {\"choices\":[{\"delta\":"
     "{\"content\":\"b\"}}]}\n\n data: {\"choices\":[{\"delta\":{\"content\":\"c\"}}]}\n\n" STOP
         DONE,
     "ok content=ab finish=stop", 0},
    {"names are whole",
     "dat: {}\n\ndatas: {\"x\n\nDATA: {\"x\n\ndata : {\"x\n\n" TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
    {"U+2028 ends no line",
     TEXT("a\xE2\x80\xA8"
          "b\xC2\x85") STOP DONE,
     "ok content=a\xE2\x80\xA8"
     "b\xC2\x85 finish=stop",
     0},
    {"empty data, strings and numbers are no documents",
     "data\n\ndata:\n\ndata: \"x\"\n\ndata: 5\n\ndata: [1]\n\ndata: hello\n\n" TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
    {"error in the stream",
     TEXT("a") D("{\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}"),
     "error content=a error=boom", 0},
    {"error in the stream, and an end mark",
     TEXT("a") D("{\"error\":{\"message\":\"boom\",\"code\":502}}") DONE,
     "error content=a error=boom", 0},
    {"error is a text", D("{\"error\":\"boom\"}"), "error error=boom", 0},
    {"error null is none",
     D("{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}") STOP DONE,
     "ok content=a finish=stop", 0},
    {"error object of vLLM", D("{\"object\":\"error\",\"message\":\"boom\",\"code\":400}"),
     "error error=boom", 0},
    {"error with code and message", D("{\"code\":20015,\"message\":\"boom\",\"data\":null}"),
     "error error=boom", 0},
    {"error in the choice",
     D("{\"choices\":[{\"delta\":{},\"error\":{\"message\":\"boom\",\"code\":502},\"finish_"
       "reason\":\"error\"}]}"),
     "error finish=error error=boom", 0},
    {"JSON where a stream was asked",
     "  \n {\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":"
     "\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n",
     "ok content=a finish=stop usage=1/2/?", 0},
    {"JSON cut", "{\"choices\":[{\"message\":{\"content\":\"a", "incomplete content=a", 0},
    {"JSON with something behind", "{\"choices\":[]}x", "error", 0},
    {"reasoning_content",
     D("{\"choices\":[{\"delta\":{\"reasoning_content\":\"r\",\"content\":null}}]}") TEXT("a")
         STOP DONE,
     "ok content=a reasoning=r finish=stop", 0},
    {"reasoning",
     D("{\"choices\":[{\"delta\":{\"reasoning\":\"r\",\"content\":\"\"}}]}") TEXT("a") STOP DONE,
     "ok content=a reasoning=r finish=stop", 0},
    {"both, the first that is not empty counts, details never",
     D("{\"choices\":[{\"delta\":{\"reasoning\":\"\",\"reasoning_content\":\"r\",\"reasoning_"
       "details\":"
       "[{\"text\":\"r\"}]}}]}")
         D("{\"choices\":[{\"delta\":{\"reasoning\":\"s\",\"reasoning_content\":"
           "\"s\"}}]}") STOP DONE,
     "ok reasoning=rs finish=stop", 0},
    {"refusal", D("{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}") STOP DONE,
     "ok refusal=no finish=stop", 0},
    {"role in every delta",
     D("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}")
         D("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"b\"}}]}") STOP DONE,
     "ok content=ab finish=stop", 0},
    {"delta null", D("{\"choices\":[{\"delta\":null}]}") TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
    {"a whole message in a chunk",
     D("{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}") DONE,
     "ok content=a finish=stop", 0},
    {"a whole message after its deltas",
     TEXT("a") D("{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}")
         DONE,
     "ok content=a finish=stop", 0},
    {"content in parts",
     D("{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":"
       "\"text\","
       "\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"a\"}]}}]}") STOP DONE,
     "ok content=a reasoning=r finish=stop", 0},
    {"other choices are not ours",
     D("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"length\"}]}")
         D("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{"
           "\"content\":"
           "\"y\",\"tool_calls\":[{\"id\":\"z\"}]}}]}") STOP DONE,
     "ok content=a finish=stop", 0},
    {"another choice that says so too late",
     D("{\"choices\":[{\"delta\":{\"content\":\"x\"},\"index\":1}]}"), "error content=x", 0},
    {"index behind delta",
     D("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"index\":0}]}") STOP DONE,
     "ok content=a finish=stop", 0},
    {"tool index behind function",
     TOOLS("{\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"},\"index\":0}")
         TOOLS("{\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"},\"index\":1}")
             TOOLS("{\"function\":{\"arguments\":\"}\"},\"index\":0}") CALLED DONE,
     "ok call(i f {}) call(j g {}) finish=tool_calls", 0},
    {"head without arguments",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\"}}")
         TOOLS("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}") CALLED DONE,
     "ok call(i f {}) finish=tool_calls", 0},
    {"a call in one fragment",
     TOOLS("{\"index\":0,\"id\":\"i\",\"type\":\"function\",\"function\":{\"name\":\"f\","
           "\"arguments\":"
           "\"{\\\"a\\\":1}\"}}") CALLED DONE,
     "ok call(i f {\"a\":1}) finish=tool_calls", 0},
    {"two calls in one chunk",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{"
           "\"index\":1,"
           "\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}") CALLED DONE,
     "ok call(i f {}) call(j g {}) finish=tool_calls", 0},
    {"interleaved by index",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}")
         TOOLS("{\"index\":1,\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}")
             TOOLS("{\"index\":0,\"function\":{\"arguments\":\"[\"}}")
                 TOOLS("{\"index\":1,\"function\":{\"arguments\":\"{\"}}")
                     TOOLS("{\"index\":0,\"function\":{\"arguments\":\"]\"}}")
                         TOOLS("{\"index\":1,\"function\":{\"arguments\":\"}\"}}") CALLED DONE,
     "ok call(i f []) call(j g {}) finish=tool_calls", 0},
    {"all index 0, different ids",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
         TOOLS("{\"index\":0,\"function\":{\"arguments\":\"}\"}}")
             TOOLS("{\"index\":0,\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"[\"}}")
                 TOOLS("{\"index\":0,\"function\":{\"arguments\":\"]\"}}") CALLED DONE,
     "ok call(i f {}) call(j g []) finish=tool_calls", 0},
    {"index missing or null",
     TOOLS("{\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
         TOOLS("{\"index\":null,\"function\":{\"arguments\":\"}\"}}")
             TOOLS("{\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}") CALLED DONE,
     "ok call(i f {}) call(j g {}) finish=tool_calls", 0},
    {"neither ids nor indices",
     TOOLS("{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
         TOOLS("{\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}") CALLED DONE,
     "ok call( f {}) call( g {}) finish=tool_calls", 0},
    {"head on a wrong index",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
         TOOLS("{\"index\":0,\"id\":\"j\",\"function\":{\"name\":\"g\"}}")
             TOOLS("{\"index\":1,\"function\":{\"arguments\":\"{}\"}}") CALLED DONE,
     "ok call(i f {}) call(j g {}) finish=tool_calls", 0},
    {"id repeated, empty or null",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"[\"}}")
         TOOLS("{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"\",\"arguments\":\"1\"}}")
             TOOLS("{\"index\":0,\"id\":null,\"function\":{\"name\":null,\"arguments\":\"]\"}}")
                 CALLED DONE,
     "ok call(i f [1]) finish=tool_calls", 0},
    {"ids are kept as they are",
     TOOLS("{\"index\":0,\"id\":\"functions.f:0\",\"function\":{\"name\":\"f\",\"arguments\":\"{}"
           "\"}}") CALLED DONE,
     "ok call(functions.f:0 f {}) finish=tool_calls", 0},
    {"arguments that are no string",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\": [1,{}]}}}")
         CALLED DONE,
     "ok call(i f {\"a\": [1,{}]}) finish=tool_calls", 0},
    {"arguments null",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":null}}")
         CALLED DONE,
     "ok call(i f) finish=tool_calls", 0},
    {"function_call of old",
     D("{\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}}]}")
         D("{\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"}\"}}}]}") CALLED DONE,
     "ok call( f {}) finish=tool_calls", 0},
    {"a pair of surrogates over two events", TEXT("x\\ud83d") TEXT("\\ude00y") STOP DONE,
     "ok content=x\xF0\x9F\x98\x80y finish=stop", 0},
    {"half a pair, then something else", TEXT("x\\ud83d") TEXT("y") STOP DONE,
     "ok content=x\xEF\xBF\xBDy finish=stop", 0},
    {"half a pair at the end", TEXT("x\\ud83d") STOP DONE, "ok content=x\xEF\xBF\xBD finish=stop",
     0},
    {"half a pair in the arguments of two calls",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"a\\ud83d\"}}")
         TOOLS("{\"index\":1,\"id\":\"j\",\"function\":{\"name\":\"g\",\"arguments\":\"b\"}}")
             CALLED DONE,
     "ok call(i f a\xEF\xBF\xBD) call(j g b) finish=tool_calls", 0},
    {"unknown members everywhere",
     D("{\"obfuscation\":\"xyz\",\"provider\":{\"a\":[{}]},\"choices\":[{\"logprobs\":{\"content\":"
       "[{"
       "\"token\":\"a\"}]},\"delta\":{\"content\":\"a\",\"x\":{\"content\":\"no\"}},\"native_"
       "finish_reason\":"
       "\"STOP\"}],\"timings\":{\"usage\":{\"prompt_tokens\":3}}}") STOP DONE,
     "ok content=a finish=stop", 0},
    {"members twice, the first counts",
     D("{\"choices\":[{\"delta\":{\"content\":\"a\",\"content\":\"b\"}}],\"choices\":[{\"delta\":{"
       "\"content\":"
       "\"c\"}}]}") STOP DONE,
     "ok content=a finish=stop", 0},
    {"stop although tools were called",
     TOOLS("{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
         STOP DONE,
     "ok call(i f {}) finish=stop", 0},
    {"length with nothing but reasoning",
     D("{\"choices\":[{\"delta\":{\"reasoning_content\":\"r\"},\"finish_reason\":\"length\"}]}")
         DONE,
     "ok reasoning=r finish=length", 0},
    {"bytes that are not UTF-8", TEXT("a\xFF"), "error content=a", 0},
    {"malformed JSON", TEXT("a") D("{\"choices\":[}"), "error content=a", 0},
    {"HTML", "<html>503 busy</html>", "error error=<html>503 busy</html>", 0},
    {"a blank before the first field is part of its name", "\n data: {\"x\n\n" TEXT("a") STOP DONE,
     "ok content=a finish=stop", 0},
};

TEST(quirks_of_servers) {
    for (size_t i = 0; i < sizeof QUIRKS / sizeof QUIRKS[0]; i++) {
        struct pieces pieces = {.flags = SWARM_HTTP_BODY_ONLY | QUIRKS[i].flags};

        hear_in_pieces(QUIRKS[i].body, strlen(QUIRKS[i].body), pieces, QUIRKS[i].name);
        if (strcmp(heard_whole.line, QUIRKS[i].heard) != 0) {
            char text[1024];

            snprintf(text, sizeof text, "%s: heard \"%.600s\"", QUIRKS[i].name, heard_whole.line);
            test_fail(__FILE__, __LINE__, text);
        }
    }
}

#define B(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static const struct quirk BLOCKS[] = {
    {"text",
     B("message_start",
       ",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":3,"
       "\"cache_read_input_tokens\":2,\"cache_creation_input_tokens\":1,\"output_tokens\":1}}")
         B("content_block_start",
           ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}") B("ping", "")
             B("content_block_delta",
               ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}")
                 B("content_block_stop", ",\"index\":0")
                     B("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
                                        "\"output_tokens\":9}") B("message_stop", ""),
     "ok content=hi finish=end_turn usage=6/9/2", 0},
    {"tools between thoughts, index behind delta",
     B("content_block_start",
       ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}")
         B("content_block_delta", ",\"delta\":{\"thinking\":\"r\"},\"index\":0") B(
             "content_block_start",
             ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"f\","
             "\"input\":{ }},\"index\":1")
             B("content_block_delta", ",\"delta\":{\"partial_json\":\"{\\\"a\\\":\"},\"index\":1")
                 B("content_block_delta", ",\"delta\":{\"partial_json\":\"1}\"},\"index\":1")
                     B("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"}")
                         B("message_stop", ""),
     "ok reasoning=r call(i f {\"a\":1}) finish=tool_use", 0},
    {"tools of the server are not ours",
     B("content_block_start",
       ",\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"i\","
       "\"name\":\"web_search\",\"input\":{}}")
         B("content_block_delta", ",\"index\":0,\"delta\":{\"partial_json\":\"{}\"}") B(
             "content_block_start",
             ",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}")
             B("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}") B("message_stop", ""),
     "ok content=a finish=end_turn", 0},
    {"error", B("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
     "error error=Overloaded", 0},
    {"no message_stop", B("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\"}"),
     "ok finish=end_turn", 0},
    {"cut",
     B("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}"),
     "incomplete content=a", 0},
    {"a document",
     "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"tool_use\","
     "\"id\":\"i\","
     "\"name\":\"f\",\"input\":{\"x\": "
     "[1]}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,"
     "\"output_tokens\":2}}",
     "ok content=a call(i f {\"x\": [1]}) finish=tool_use usage=1/2/?", 0},
};

TEST(quirks_of_blocks) {
    for (size_t i = 0; i < sizeof BLOCKS / sizeof BLOCKS[0]; i++) {
        struct pieces pieces = {.dialect = SWARM_HTTP_ANTHROPIC, .flags = SWARM_HTTP_BODY_ONLY};

        hear_in_pieces(BLOCKS[i].body, strlen(BLOCKS[i].body), pieces, BLOCKS[i].name);
        if (strcmp(heard_whole.line, BLOCKS[i].heard) != 0) {
            char text[1024];

            snprintf(text, sizeof text, "%s: heard \"%.600s\"", BLOCKS[i].name, heard_whole.line);
            test_fail(__FILE__, __LINE__, text);
        }
    }
}

/* ---- What an attempt comes to -------------------------------------------------------------- */

TEST(errors_have_their_outcome) {
    static const struct {
        uint32_t status;
        const char *body;
        swarm_outcome outcome;
    } CASES[] = {
        {429, "{\"error\":{\"message\":\"x\",\"type\":\"rate_limit_reached_error\"}}",
         SWARM_OUTCOME_THROTTLED},
        {429, "{\"error\":{\"message\":\"x\",\"type\":\"exceeded_current_quota_error\"}}",
         SWARM_OUTCOME_QUOTA},
        {429, "{\"error\":{\"message\":\"You exceeded your Quota\",\"type\":\"x\"}}",
         SWARM_OUTCOME_QUOTA},
        {403, "{\"error\":{\"code\":\"insufficient_quota\"}}", SWARM_OUTCOME_QUOTA},
        {403, "{\"error\":\"no\"}", SWARM_OUTCOME_TERMINAL},
        {402, "", SWARM_OUTCOME_QUOTA},
        {503, "<html>", SWARM_OUTCOME_THROTTLED},
        {529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
         SWARM_OUTCOME_THROTTLED},
        {408, "", SWARM_OUTCOME_TRANSIENT},
        {409, "", SWARM_OUTCOME_TRANSIENT},
        {500, "oops", SWARM_OUTCOME_TRANSIENT},
        {502, "", SWARM_OUTCOME_TRANSIENT},
        {504, "", SWARM_OUTCOME_TRANSIENT},
        {777, "", SWARM_OUTCOME_TRANSIENT},
        {400, "{\"error\":{\"message\":\"bad quota syntax\"}}", SWARM_OUTCOME_TERMINAL},
        {401, "", SWARM_OUTCOME_TERMINAL},
        {404, "{\"detail\":\"Not Found\"}", SWARM_OUTCOME_TERMINAL},
        {413, "", SWARM_OUTCOME_TERMINAL},
        {422, "", SWARM_OUTCOME_TERMINAL},
        {301, "", SWARM_OUTCOME_TERMINAL},
        {200, "data: {\"error\":{\"type\":\"rate_limit_exceeded\"}}\n\n", SWARM_OUTCOME_THROTTLED},
        {200, "data: {\"error\":{\"code\":429}}\n\n", SWARM_OUTCOME_THROTTLED},
        {200, "data: {\"error\":{\"code\":\"502\"}}\n\n", SWARM_OUTCOME_TRANSIENT},
        {200, "data: {\"error\":{\"type\":\"insufficient_quota\"}}\n\n", SWARM_OUTCOME_QUOTA},
        {200, "data: {\"error\":{\"type\":\"invalid_request_error\"}}\n\n", SWARM_OUTCOME_TERMINAL},
        {200, "data: {\"error\":{\"message\":\"boom\"}}\n\n", SWARM_OUTCOME_TRANSIENT},
        {200, "<html>", SWARM_OUTCOME_TRANSIENT},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[1024];
        struct pieces pieces = {0};

        snprintf(text, sizeof text, "HTTP/1.1 %u x\r\nContent-Length: %zu\r\n\r\n%s",
                 CASES[i].status, strlen(CASES[i].body), CASES[i].body);
        hear_in_pieces(text, strlen(text), pieces, CASES[i].body);
        CHECK_EQ(heard_whole.outcome, CASES[i].outcome);
        CHECK_EQ(heard_whole.status, CASES[i].status);
        CHECK(heard_whole.problem != 0);
    }
}

TEST_MAIN()
