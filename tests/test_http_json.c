/* SPDX-License-Identifier: MIT */
/*
 * test_http_json.c - the JSON tokenizer and writer of the HTTP backend.
 *
 * Every text is read whole, byte by byte and cut in two at every place: the tokens, fragments
 * joined, must be the same. The corpus (nst/JSONTestSuite) says what must be accepted and refused;
 * what it leaves open is pinned here.
 */
#include <dirent.h>

#include "../backends/http/swarm_http.h"
#include "test.h"

#define CORPUS "../shared/corpora/json_test_suite/"

struct log {
    char text[1 << 16]; /* kinds as letters, with joined fragments */
    size_t size;
    uint32_t open; /* kind of the fragment that the next one may continue */
    bool failed;
};

static void log_add(struct log *log, const void *bytes, size_t size) {
    if (size <= sizeof log->text - log->size) {
        memcpy(log->text + log->size, bytes, size);
        log->size += size;
    }
}

static void log_token(struct log *log, const swarm_http_token *token) {
    char kind = (char)('a' + token->kind);

    if (token->kind == SWARM_HTTP_JSON_NONE) {
        return;
    }
    if (log->open != token->kind) {
        log_add(log, &kind, 1);
    }
    log->open = token->kind >= SWARM_HTTP_JSON_KEY && token->kind <= SWARM_HTTP_JSON_NUMBER &&
                        (token->flags & SWARM_HTTP_JSON_FINAL) == 0
                    ? token->kind
                    : 0;
    log_add(log, token->bytes, token->size);
    log->failed = log->failed || token->kind == SWARM_HTTP_JSON_ERROR;
}

/* Reads in feeds of `step` bytes, the first one of `first`. Each feed is a copy in a block of its
 * own, so that the sanitizer sees a byte too far. */
static bool read_all(const char *text, size_t size, size_t first, size_t step, struct log *log) {
    swarm_http_json json;
    swarm_http_token token;
    size_t at = 0;

    log->size = 0;
    log->open = 0;
    log->failed = false;
    swarm_http_json_begin(&json, 0);
    while (at < size && !log->failed) {
        size_t feed = at == 0 && first != 0 ? first : step, used = 0;
        char *copy;

        feed = feed < size - at ? feed : size - at;
        copy = malloc(feed);
        memcpy(copy, text + at, feed);
        do {
            used += swarm_http_json_next(&json, copy + used, feed - used, &token);
            log_token(log, &token);
        } while (token.kind != SWARM_HTTP_JSON_NONE && !log->failed);
        CHECK(used == feed || log->failed);
        free(copy);
        at += feed;
    }
    return !log->failed && swarm_http_json_end(&json) == SWARM_OK;
}

static struct log whole, other;

/* Whether the text is accepted, the same in any pieces. */
static bool accepted_in_pieces(const char *text, size_t size) {
    bool good = read_all(text, size, 0, SIZE_MAX, &whole);
    size_t stride = size < 1024 ? 1 : size / 512;

    CHECK_EQ(read_all(text, size, 0, 1, &other), good);
    CHECK(whole.size == other.size && memcmp(whole.text, other.text, whole.size) == 0);
    for (size_t cut = 1; cut < size && !test_failed(); cut += stride) {
        CHECK_EQ(read_all(text, size, cut, SIZE_MAX, &other), good);
        CHECK(whole.size == other.size && memcmp(whole.text, other.text, whole.size) == 0);
    }
    return good;
}

static bool accepted(const char *text) {
    return accepted_in_pieces(text, strlen(text));
}

/* ---- The corpus ---------------------------------------------------------------------------- */

static const char *const OPEN_ACCEPTED[] = {
    "i_number_double_huge_neg_exp.json",
    "i_number_huge_exp.json",
    "i_number_neg_int_huge_exp.json",
    "i_number_pos_double_huge_exp.json",
    "i_number_real_neg_overflow.json",
    "i_number_real_pos_overflow.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
    "i_object_key_lone_2nd_surrogate.json",
    "i_string_1st_surrogate_but_2nd_missing.json",
    "i_string_1st_valid_surrogate_2nd_invalid.json",
    "i_string_incomplete_surrogate_and_escape_valid.json",
    "i_string_incomplete_surrogate_pair.json",
    "i_string_incomplete_surrogates_escape_valid.json",
    "i_string_invalid_lonely_surrogate.json",
    "i_string_invalid_surrogate.json",
    "i_string_inverted_surrogates_U+1D11E.json",
    "i_string_lone_second_surrogate.json",
};

static bool is_open_accepted(const char *name) {
    for (size_t i = 0; i < sizeof OPEN_ACCEPTED / sizeof OPEN_ACCEPTED[0]; i++) {
        if (strcmp(OPEN_ACCEPTED[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void corpus_file(const char *name, uint32_t *counts) {
    static char text[1 << 18];
    char path[512];
    FILE *file;
    size_t size;
    bool good, wanted = name[0] == 'y' || (name[0] == 'i' && is_open_accepted(name));

    snprintf(path, sizeof path, "%s%s", CORPUS, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        test_fail(__FILE__, __LINE__, name);
        return;
    }
    size = fread(text, 1, sizeof text, file);
    fclose(file);
    good = accepted_in_pieces(text, size);
    if (good != wanted) {
        test_fail(__FILE__, __LINE__, name);
    }
    counts[name[0] == 'y' ? 0 : name[0] == 'n' ? 1 : 2]++;
}

TEST(the_corpus_is_read_as_tabled) {
    DIR *folder = opendir(CORPUS);
    uint32_t counts[3] = {0};

    if (folder == NULL) {
        SKIP("needs ../shared/corpora");
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strchr("yni", entry->d_name[0]) != NULL) {
            corpus_file(entry->d_name, counts);
        }
    }
    closedir(folder);
    CHECK_EQ(counts[0], 95);
    CHECK_EQ(counts[1], 188);
    CHECK_EQ(counts[2], 35);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

/* The joined log of an accepted text. Letters: b { c } d [ e ] f key g string h number i true
 * j false k null. */
static bool reads_as(const char *text, const char *wanted) {
    return accepted(text) && whole.size == strlen(wanted) &&
           memcmp(whole.text, wanted, whole.size) == 0;
}

TEST(tokens_come_in_order_with_joined_fragments) {
    CHECK(reads_as("{}", "bc"));
    CHECK(reads_as(" [ ] ", "de"));
    CHECK(reads_as("{\"a\":1,\"bc\":[true,false,null,-0.5e+3]}", "bfah1fbcdijkh-0.5e+3ec"));
    CHECK(reads_as("\"\"", "g"));
    CHECK(reads_as("[\"x\\n\\\"\\\\\\/\\b\\f\\r\\t\"]", "dgx\n\"\\/\b\f\r\te"));
    CHECK(reads_as("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
                   "gA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    CHECK(reads_as("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
                   "g\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    CHECK(reads_as("0", "h0"));
    CHECK(reads_as("12 ", "h12"));
}

TEST(lone_surrogates_become_replacement_characters) {
    const char *const lone = "g\xEF\xBF\xBD";

    CHECK(reads_as("\"\\ud83d\"", lone));
    CHECK(reads_as("\"\\ude00\"", lone));
    CHECK(reads_as("\"\\ud83dx\"", "g\xEF\xBF\xBDx"));
    CHECK(reads_as("\"\\ud83d\\n\"", "g\xEF\xBF\xBD\n"));
    CHECK(reads_as("\"\\ud83d\\ud83d\\ude00\"", "g\xEF\xBF\xBD\xF0\x9F\x98\x80"));
    CHECK(reads_as("\"\\ude00\\ud83d\"", "g\xEF\xBF\xBD\xEF\xBF\xBD"));
    CHECK(reads_as("{\"\\ud83d\":1}", "bf\xEF\xBF\xBDh1c"));
}

TEST(what_is_not_json_is_refused_at_its_place) {
    static const char *const BAD[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "[1 2]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "tru",
        "truE",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\x01\"",
        "\"\t\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xE2\x82\"",
        "\"\xFF\"",
        "{\"a\":1,}",
        "[}",
        "{]",
        "[1]]",
        "{}{}",
        "1 1",
        "{1:2}",
        "\xEF\xBB\xBF{}",
        "'a'",
        "NaN",
        "Infinity",
        "[1,,2]",
        "-01",
        "\"\\ud83d\\x\"",
        "\"\\ud83d\\u12x\"",
        "\"\\\x01\"",
        "{\"a\" \"b\"}",
        "[\"a\":1]",
        "/**/1",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (accepted(BAD[i])) {
            test_fail(__FILE__, __LINE__, BAD[i]);
        }
    }
}

TEST(depth_is_limited) {
    char text[256];

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    CHECK(accepted_in_pieces(text, 128));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK(!accepted_in_pieces(text, 130));
    CHECK_EQ(whole.text[whole.size - 1], 'a' + SWARM_HTTP_JSON_ERROR);
}

TEST(integers_are_exact_or_not_integers) {
    static const struct {
        const char *text;
        uint64_t value;
        bool integer;
    } CASES[] = {
        {"0 ", 0, true},
        {"18446744073709551615 ", UINT64_MAX, true},
        {"18446744073709551616 ", 0, false},
        {"99999999999999999999 ", 0, false},
        {"-1 ", 0, false},
        {"1.0 ", 0, false},
        {"1e2 ", 0, false},
        {"12345 ", 12345, true},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        swarm_http_json json;
        swarm_http_token token;

        swarm_http_json_begin(&json, 0);
        swarm_http_json_next(&json, CASES[i].text, strlen(CASES[i].text), &token);
        CHECK_EQ(token.kind, SWARM_HTTP_JSON_NUMBER);
        CHECK_EQ((token.flags & SWARM_HTTP_JSON_INTEGER) != 0, CASES[i].integer);
        CHECK(!CASES[i].integer || token.value == CASES[i].value);
    }
}

/* ---- Skipping and members ------------------------------------------------------------------ */

TEST(a_skipped_value_is_checked_and_not_told) {
    static const char TEXT[] = "{\"a\":{\"x\":[1,\"\\ud83d\",{}]},\"b\":\"s\",\"c\":1.5,\"d\":2}";

    for (size_t cut = 0; cut <= sizeof TEXT; cut++) {
        swarm_http_json json;
        swarm_http_token token;
        uint32_t skipped = 0, keys = 0;
        size_t size = sizeof TEXT - 1, end = cut < size ? cut : size, at = 0;

        swarm_http_json_begin(&json, 0);
        while (at < size || token.kind != SWARM_HTTP_JSON_NONE) {
            at += swarm_http_json_next(&json, TEXT + at, end - at, &token);
            CHECK(token.kind != SWARM_HTTP_JSON_STRING && token.kind != SWARM_HTTP_JSON_ERROR);
            skipped += token.kind == SWARM_HTTP_JSON_SKIPPED;
            if (token.kind == SWARM_HTTP_JSON_KEY && (token.flags & SWARM_HTTP_JSON_FINAL) != 0) {
                keys++;
                swarm_http_json_skip(&json);
            }
            end = at == end ? size : end;
        }
        CHECK_EQ(keys, 4);
        CHECK_EQ(skipped, 4);
        CHECK_EQ(swarm_http_json_end(&json), SWARM_OK);
    }
}

TEST(skipping_still_refuses_what_is_malformed) {
    swarm_http_json json;
    swarm_http_token token = {0};
    static const char TEXT[] = "{\"a\":[1,}";

    swarm_http_json_begin(&json, 0);
    for (size_t at = 0; at < sizeof TEXT - 1 && token.kind != SWARM_HTTP_JSON_ERROR;) {
        at += swarm_http_json_next(&json, TEXT + at, sizeof TEXT - 1 - at, &token);
        if (token.kind == SWARM_HTTP_JSON_OBJECT) {
            swarm_http_json_skip(&json);
        }
    }
    CHECK_EQ(token.kind, SWARM_HTTP_JSON_ERROR);
    CHECK_EQ(swarm_http_json_end(&json), SWARM_E_GARBAGE);
}

static bool member_is(const char *text, const char *key, const char *wanted) {
    char buffer[64];
    size_t size = swarm_http_json_member(text, strlen(text), key, buffer, sizeof buffer);

    return wanted == NULL ? size == SIZE_MAX
                          : size == strlen(wanted) && memcmp(buffer, wanted, size) == 0;
}

TEST(members_are_found) {
    const char *text =
        " {\"x\":{\"name\":\"no\"},\"na\\u006de\": \"a\\\"b\", \"n\" : -1.5 ,\"t\":true,"
        "\"o\":{\"a\":[1, 2]},\"e\":\"\",\"name\":\"second\"}";
    char small[2];

    CHECK(member_is(text, "name", "a\"b"));
    CHECK(member_is(text, "n", "-1.5"));
    CHECK(member_is(text, "t", "true"));
    CHECK(member_is(text, "o", "{\"a\":[1, 2]}"));
    CHECK(member_is(text, "e", ""));
    CHECK(member_is(text, "x", "{\"name\":\"no\"}"));
    CHECK(member_is(text, "none", NULL));
    CHECK(member_is("[1]", "a", NULL));
    CHECK(member_is("{\"a\":", "a", NULL));
    CHECK(member_is("{\"a\":\"x", "a", NULL));
    CHECK(member_is("{\"a\" 1}", "a", NULL));
    CHECK(member_is("", "a", NULL));
    CHECK_EQ(swarm_http_json_member("{\"k\":\"hello\"}", 13, "k", small, 2), 5);
    CHECK(memcmp(small, "he", 2) == 0);
}

/* ---- Writing ------------------------------------------------------------------------------- */

TEST(what_is_written_is_read_back) {
    for (uint32_t round = 0; round < 2000 && !test_failed(); round++) {
        char text[64], out[512];
        size_t size = (size_t)test_below(20), used = 0;
        swarm_http_writer writer = {.bytes = out, .capacity = sizeof out};

        for (size_t i = 0; i < size; i++) { /* any code point but surrogates */
            static const char *const PIECES[] = {"a",        "\"",           "\\",
                                                 "\n",       "\x01",         "\x7F",
                                                 "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                                 "/"};
            const char *piece = PIECES[test_below(10)];

            if (used + strlen(piece) <= sizeof text) {
                memcpy(text + used, piece, strlen(piece));
                used += strlen(piece);
            }
        }
        swarm_http_write_string(&writer, text, used);
        CHECK_EQ(writer.problem, 0);
        CHECK(accepted_in_pieces(out, writer.size));
        CHECK(whole.size == used + 1 && memcmp(whole.text + 1, text, used) == 0);
    }
}

TEST(the_writer_counts_what_does_not_fit_and_notes_what_is_not_utf8) {
    char out[4] = "????";
    swarm_http_writer writer = {.bytes = out, .capacity = 3};

    swarm_http_write_string(&writer, "abc", 3);
    CHECK_EQ(writer.size, 5);
    CHECK(memcmp(out, "\"ab?", 4) == 0);
    writer = (swarm_http_writer){0};
    swarm_http_write_string(&writer, "\xFFx\xC3", 3);
    CHECK_EQ(writer.problem, SWARM_HTTP_PROBLEM_UTF8);
    CHECK_EQ(writer.size, 2 + 3 + 1 + 3);
}

/* ---- Random -------------------------------------------------------------------------------- */

/* Mutated documents: whatever they become, pieces change nothing and the end is a verdict. */
TEST(mutations_read_the_same_in_pieces) {
    static const char *const SEEDS[] = {
        ("{\"choices\":[{\"delta\":{\"content\":\"h\\u00e9\\ud83d\\ude00\"},\"index\":0}],"
         "\"n\":-1.25e-7}"),
        "[true,false,null,[],{},\"\",0,-0,1e5,\"\xE2\x82\xAC\"]",
        "{\"a\":{\"b\":{\"c\":[[[\"\\\\\\\"\"]]]}}}",
    };
    uint32_t rounds = test_long ? 200000 : 3000;

    for (uint32_t round = 0; round < rounds && !test_failed(); round++) {
        char text[256];
        const char *seed = SEEDS[test_below(3)];
        size_t size = strlen(seed);

        memcpy(text, seed, size);
        for (uint64_t n = test_below(4); n != 0; n--) {
            static const char BYTES[] = "{}[]\",:\\u0dDeE+-.1tfn \x80\xC3\xE2\xF0\xFF\x1F";
            size_t at = (size_t)test_below(size);

            text[at] = BYTES[test_below(sizeof BYTES - 1)];
        }
        size -= (size_t)test_below(3);
        (void)accepted_in_pieces(text, size);
    }
}

TEST_MAIN()
