/* SPDX-License-Identifier: MIT */
/*
 * Pictures of small runs: hostile names are escaped, a writer that refuses ends it, what is too
 * large for Mermaid is collapsed or refused. test_picture.py reads those of a large run.
 */
#include "test_logs.h"

static struct test_log text;
static unsigned char memory[1 << 22];

struct sink {
    char bytes[1 << 19];
    size_t size;
    uint64_t refuse_after; /* calls */
};

static struct sink sink;

static bool sink_write(void *context, const void *bytes, size_t size) {
    struct sink *s = context;

    if (s->refuse_after == 0) {
        s->refuse_after = SWARM_NEVER; /* a second call would succeed, and be seen */
        return false;
    }
    s->refuse_after--;
    if (size > sizeof s->bytes - 1 - s->size) {
        return false;
    }
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
    s->bytes[s->size] = '\0';
    return true;
}

static const char *hostile_name(void *context, uint64_t ordinal) {
    (void)context;
    return ordinal == 0   ? "</script><b>\"quoted\"\\ \x01\n"
           : ordinal == 1 ? "caf\xc3\xa9 \xff\xc3"
                          : NULL;
}

/* So many steps in a row, each on an agent of its own, in plans of ten. */
static swarm_trace *chain_of(uint64_t steps) {
    swarm_trace_spec spec = {.log = text.bytes};
    swarm_trace *trace = NULL;

    text.size = 0;
    text.frames = 0;
    LOG_EVENT(&text, 0, SWARM_EVENT_RUN_OPEN, SWARM_NEVER, 5, 6);
    for (uint64_t i = 0; i < steps; i++) {
        if (i % 10 == 0) {
            LOG_EVENT(&text, 0, SWARM_EVENT_PLAN, SWARM_NEVER, i / 10 + 1, i, 10, 0, 0, 0);
        }
        LOG_EVENT(&text, 0, SWARM_EVENT_STEP, i, 0, 0, 0, 0, 0, 0, 0, 0);
        if (i != 0) {
            LOG_EVENT(&text, 0, SWARM_EVENT_EDGE, i, i - 1, 0);
        }
    }
    for (uint64_t i = 0; i < steps; i++) {
        LOG_EVENT(&text, i, SWARM_EVENT_READY, i, 0);
        LOG_EVENT(&text, i, SWARM_EVENT_START, i, 1, 0, i + 1, 0);
        LOG_EVENT(&text, i + 1, SWARM_EVENT_DONE, i, 1, 0, SWARM_OUTCOME_OK, 1, 0, 1, 1, 0);
        LOG_EVENT(&text, i + 1, SWARM_EVENT_END, i, SWARM_STEP_OK, 0);
    }
    spec.log_size = text.size;
    CHECK_EQ(swarm_trace_new(&spec, memory, sizeof memory, &trace), SWARM_OK);
    return trace;
}

static swarm_status draw(const swarm_trace *trace, uint32_t kind, uint32_t nodes_max) {
    swarm_picture_spec spec = {.write = sink_write,
                               .write_context = &sink,
                               .step_name = hostile_name,
                               .agent_name = hostile_name,
                               .title = "<title> & \"all\"",
                               .kind = kind,
                               .nodes_max = nodes_max};

    sink.size = 0;
    sink.bytes[0] = '\0';
    return swarm_trace_write(trace, &spec);
}

static uint32_t count_of(const char *word) {
    uint32_t count = 0;

    for (const char *at = strstr(sink.bytes, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

TEST(names_are_escaped) {
    const swarm_trace *trace = chain_of(3);

    for (uint32_t kind = SWARM_PICTURE_TEXT; kind <= SWARM_PICTURE_HTML; kind++) {
        sink.refuse_after = SWARM_NEVER;
        CHECK_EQ(draw(trace, kind, 0), SWARM_OK);
        CHECK_EQ(count_of("<b>"), kind == SWARM_PICTURE_HTML ? 8 : 0);
        CHECK_EQ(count_of("</script>"), kind == SWARM_PICTURE_HTML);
        CHECK_EQ(count_of("\xff"), 0);
        CHECK_EQ(count_of("\x01"), 0);
        CHECK(kind == SWARM_PICTURE_TEXT || count_of("caf\xc3\xa9 ??") != 0);
    }
    CHECK_EQ(count_of("<h1>&#60;title&#62; &#38; &#34;all&#34;</h1>"), 1);
    CHECK_EQ(draw(trace, SWARM_PICTURE_CHROME, 0), SWARM_OK);
    CHECK(count_of("\\u003c/script\\u003e\\u003cb\\u003e\\\"quoted\\\"\\\\ \\u0001\\u000a") != 0);
}

TEST(a_writer_that_refuses_is_not_called_again) {
    const swarm_trace *trace = chain_of(40);
    uint64_t calls = 0;

    sink.refuse_after = SWARM_NEVER;
    CHECK_EQ(draw(trace, SWARM_PICTURE_CHROME, 0), SWARM_OK);
    calls = SWARM_NEVER - sink.refuse_after;
    CHECK(calls > 2);
    for (uint64_t i = 0; i < calls; i++) {
        sink.refuse_after = i;
        CHECK_EQ(draw(trace, SWARM_PICTURE_CHROME, 0), SWARM_E_AGAIN);
        CHECK_EQ(sink.refuse_after, SWARM_NEVER);
    }
}

TEST(graphs_are_collapsed_when_they_are_large) {
    const swarm_trace *trace = chain_of(30);

    sink.refuse_after = SWARM_NEVER;
    CHECK_EQ(draw(trace, SWARM_PICTURE_DOT, 30), SWARM_OK);
    CHECK_EQ(count_of("[label="), 30);
    CHECK_EQ(count_of(" -> "), 29);
    CHECK_EQ(draw(trace, SWARM_PICTURE_DOT, 10), SWARM_OK); /* neither steps nor agents */
    CHECK_EQ(count_of("(10 steps)"), 3);
    CHECK_EQ(count_of(" -> "), 2);
    CHECK_EQ(draw(trace, SWARM_PICTURE_DOT, 2), SWARM_E_TOO_BIG);
    CHECK_EQ(sink.size, 0);
    CHECK_EQ(draw(trace, SWARM_PICTURE_MERMAID, 30), SWARM_OK);
    CHECK_EQ(count_of(" --> "), 29);
    trace = chain_of(600);
    CHECK_EQ(draw(trace, SWARM_PICTURE_MERMAID, 2000), SWARM_OK); /* above 500 edges */
    CHECK_EQ(count_of("(10 steps)"), 60);
    CHECK_EQ(draw(trace, SWARM_PICTURE_DOT, 2000), SWARM_OK);
    CHECK_EQ(count_of(" -> "), 599);
}

TEST(the_summary_says_what_the_numbers_say) {
    sink.refuse_after = SWARM_NEVER;
    CHECK_EQ(draw(chain_of(30), SWARM_PICTURE_TEXT, 0), SWARM_OK);
    CHECK_EQ(count_of("run 1: 30 steps, 30 ok, in 3 plans; not ended\n"), 1);
    CHECK_EQ(count_of("1.0 achieved, 1.0 possible, 1 attempts at most\n"), 1);
    CHECK_EQ(count_of("30 in, 0 of them cached, 30 out\n"), 1);
}

TEST_MAIN()
