/* SPDX-License-Identifier: MIT */
/*
 * test_replay_check.c - the checker of docs/examples/replay.c counts what it must.
 *
 * A checker that never complains proves nothing. So logs are written by hand, or taken from a real
 * run and altered, one rule broken at a time, and the count is compared. What the checker measures
 * on the way (makespan, work, critical path) is compared with values worked out by hand. Damaged
 * logs must be refused, never followed out of bounds.
 */
#include "test.h"

#include "../docs/examples/replay_builtin.h"
#include "../src/base/crc32.h"

enum {
    EVENTS_MAX = 512,
    LOG_MAX = EVENTS_MAX * 160,
    HEADER = 32,
};

/* A log as events; what a test alters. */
struct story {
    swarm_event events[EVENTS_MAX];
    uint32_t count;
};

/* ---- Writing a log --------------------------------------------------------------------- */

static unsigned char *put_number(unsigned char *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    return at;
}

static void put_bytes(unsigned char *at, uint64_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

/* One frame an event: the layout of src/record/log.h. */
static size_t write_frame(unsigned char *frame, const swarm_event *event, uint64_t number) {
    unsigned char body[128], *at = body;
    at = put_number(at, event->kind);
    at = put_number(at, event->run);
    at = put_number(at, event->step + 1);
    for (uint32_t i = 0; i < event->fields; i++) {
        at = put_number(at, event->field[i]);
    }
    size_t size = (size_t)(at - body);
    frame[HEADER] = (unsigned char)size;
    memcpy(frame + HEADER + 1, body, size);
    memcpy(frame, "SWL1", 4);
    put_bytes(frame + 8, size + 1, 4);
    put_bytes(frame + 12, SWARM_TRACE_VERSION, 4);
    put_bytes(frame + 16, number, 8);
    put_bytes(frame + 24, event->now_ns, 8);
    put_bytes(frame + 4, crc32c(0, frame + 8, HEADER - 8 + size + 1), 4);
    return HEADER + size + 1;
}

static size_t write_story(const struct story *story, unsigned char *bytes) {
    size_t size = 0;
    for (uint32_t i = 0; i < story->count; i++) {
        size += write_frame(bytes + size, &story->events[i], i + 1);
    }
    return size;
}

static void say(struct story *story, uint32_t kind, uint64_t now_ns, uint64_t step,
                const uint64_t fields[8]) {
    swarm_event event = {.kind = kind, .now_ns = now_ns, .step = step, .run = 1, .fields = 8};
    memcpy(event.field, fields, sizeof event.field);
    story->events[story->count++] = event;
}

#define SAY(story, kind, now, step, ...)                                                           \
    say((story), SWARM_EVENT_##kind, (now), (step), (const uint64_t[8]){__VA_ARGS__})

/* Two agents; 0 takes 3, 1 takes 4, 2 takes 2 and waits for both, 5 more after step 0.
 *     place  1 2 3 4 5 6     7         8        9       10     11      12     13      14      15 */
static void tell(struct story *story) {
    story->count = 0;
    SAY(story, PLAN, 0, SWARM_NEVER, 1, 0, 3, 2);
    SAY(story, STEP, 0, 0, 0, 9, 3);
    SAY(story, STEP, 0, 1, 0, 9, 4);
    SAY(story, STEP, 0, 2, 0, 9, 2);
    SAY(story, EDGE, 0, 2, 0, 1 + 5);
    SAY(story, EDGE, 0, 2, 1, 0);
    SAY(story, START, 0, 0, 1, 0, 1);
    SAY(story, START, 0, 1, 1, 0, 2);
    SAY(story, DONE, 3, 0, 1, 0, SWARM_OUTCOME_OK);
    SAY(story, END, 3, 0, SWARM_STEP_OK);
    SAY(story, DONE, 4, 1, 1, 0, SWARM_OUTCOME_OK);
    SAY(story, END, 4, 1, SWARM_STEP_OK);
    SAY(story, START, 8, 2, 1, 0, 1);
    SAY(story, DONE, 10, 2, 1, 0, SWARM_OUTCOME_OK);
    SAY(story, END, 10, 2, SWARM_STEP_OK);
}

enum { START_0 = 6, START_1, DONE_0, END_0, DONE_1, END_1, START_2, DONE_2, END_2 };

static void drop(struct story *story, uint32_t at) {
    memmove(story->events + at, story->events + at + 1,
            (story->count - at - 1) * sizeof story->events[0]);
    story->count--;
}

/* Moves an event to an earlier place. */
static void advance_event(struct story *story, uint32_t from, uint32_t to) {
    swarm_event event = story->events[from];
    memmove(story->events + to + 1, story->events + to, (from - to) * sizeof event);
    story->events[to] = event;
    story->events[to].now_ns = story->events[to + 1].now_ns;
}

/* ---- Judging one ----------------------------------------------------------------------- */

static const struct input_edge tale_edges[] = {{.from = 0, .to = 2, .delay = 5},
                                               {.from = 1, .to = 2}};
static const uint32_t tale_capacity[] = {3, 1};
static const uint32_t tale_units[] = {2, 0, 1, 1, 3, 0};

static struct check_plan tale_plan(void) {
    return (struct check_plan){.edges = tale_edges,
                               .step_count = 3,
                               .edge_count = 2,
                               .agents = 2,
                               .class_count = 2,
                               .capacity = tale_capacity,
                               .units = tale_units};
}

static bool read_story(const struct story *story, struct trace *out_trace,
                       struct input_error *error) {
    static unsigned char bytes[LOG_MAX];
    *error = (struct input_error){.status = NULL};
    return trace_read(bytes, write_story(story, bytes), out_trace, error);
}

static uint64_t violations(const struct story *story, const struct check_plan *plan) {
    struct input_error error;
    struct trace trace;
    uint64_t count = UINT64_MAX;
    if (!read_story(story, &trace, &error)) {
        printf("# refused: %s\n", error.text);
        return count;
    }
    CHECK(check_trace(&trace, plan, &count));
    trace_free(&trace);
    return count;
}

static bool refused(const struct story *story) {
    struct input_error error;
    struct trace trace;
    bool good = read_story(story, &trace, &error);
    CHECK(good || strcmp(error.status, "SWARM_E_CORRUPT") == 0);
    if (good) {
        trace_free(&trace);
    }
    return !good;
}

/* ---- By hand --------------------------------------------------------------------------- */

TEST(good_log) {
    static struct story story;
    struct check_plan plan = tale_plan();
    struct input_error error;
    struct trace trace;
    struct trace_path path;
    tell(&story);
    CHECK_EQ(violations(&story, &plan), 0);
    CHECK(read_story(&story, &trace, &error));
    CHECK_EQ(trace.makespan_ns, 10);
    CHECK_EQ(trace.busy_ns, 3 + 4 + 2);
    CHECK_EQ(trace.attempt_count, 3);
    CHECK_EQ(trace.retries, 0);
    CHECK(trace_critical(&trace, &path));
    CHECK_EQ(path.length_ns, 3 + 5 + 2);
    CHECK_EQ(path.count, 2);
    CHECK_EQ(path.steps[0], 0);
    CHECK_EQ(path.steps[1], 2);
    free(path.steps);
    trace_free(&trace);
}

TEST(start_too_early) {
    static struct story story;
    struct check_plan plan = tale_plan();
    tell(&story);
    story.events[START_2].now_ns = 7; /* before the delay has passed */
    CHECK_EQ(violations(&story, &plan), 1);
    plan.delay_free_on_one_agent = true; /* both ran on agent 1: no transfer */
    CHECK_EQ(violations(&story, &plan), 0);
    story.events[START_2].field[2] = 2;
    CHECK_EQ(violations(&story, &plan), 1);

    plan = tale_plan();
    tell(&story);
    advance_event(&story, START_2, END_1); /* the same time is not enough: 1 has not ended */
    CHECK_EQ(story.events[END_1].now_ns, 4);
    CHECK_EQ(violations(&story, &plan), 2); /* and 0 has ended 1 ago, not 5 */
}

TEST(too_many_at_once) {
    static struct story story;
    struct check_plan plan = tale_plan();
    tell(&story);
    story.events[START_1].field[2] = 1; /* busy */
    CHECK_EQ(violations(&story, &plan), 1);
    story.events[START_1].field[2] = 3; /* does not exist */
    CHECK_EQ(violations(&story, &plan), 1);
    tell(&story);
    plan.agents = 1; /* two at once, one of them on an agent that isn't there */
    CHECK_EQ(violations(&story, &plan), 2);
}

TEST(class_over_its_capacity) {
    static struct story story;
    struct check_plan plan = tale_plan();
    static const uint32_t small[] = {2, 1}, tiny[] = {2, 0};
    tell(&story);
    CHECK_EQ(violations(&story, &plan), 0); /* 2 + 1 of 3 at once, then 3 */
    plan.capacity = small;
    CHECK_EQ(violations(&story, &plan), 2); /* 2 + 1, and 3 alone, of 2 */
    plan.capacity = tiny;
    CHECK_EQ(violations(&story, &plan), 3);
}

TEST(not_run_exactly_once) {
    static struct story story;
    struct check_plan plan = tale_plan();
    tell(&story);
    drop(&story, END_2);
    CHECK_EQ(violations(&story, &plan), 1);

    tell(&story);
    SAY(&story, END, 11, 2, SWARM_STEP_OK);
    CHECK_EQ(violations(&story, &plan), 1);

    tell(&story);
    story.events[END_2].field[0] = SWARM_STEP_FAILED;
    CHECK_EQ(violations(&story, &plan), 1);

    tell(&story);
    story.events[DONE_2].field[2] = SWARM_OUTCOME_TRANSIENT; /* and yet ended OK */
    CHECK_EQ(violations(&story, &plan), 1);

    tell(&story);
    story.count -= 3; /* never started */
    CHECK_EQ(violations(&story, &plan), 1);

    tell(&story);
    SAY(&story, START, 11, 2, 2, 0, 1); /* once more */
    SAY(&story, DONE, 13, 2, 2, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(violations(&story, &plan), 1);

    plan.step_count = 4; /* the log has one fewer */
    CHECK_EQ(violations(&story, &plan), 1);
}

/* Step 0 is tried twice, with a wait of 7; a stalled attempt holds its agent to the end of it. */
TEST(retries_and_stalls) {
    static struct story story;
    static const struct input_edge edge = {.from = 0, .to = 1};
    struct check_plan plan = {.edges = &edge, .step_count = 2, .edge_count = 1, .agents = 1};
    struct input_error error;
    struct trace trace;
    struct trace_path path;
    story.count = 0;
    SAY(&story, PLAN, 0, SWARM_NEVER, 1, 0, 2, 1);
    SAY(&story, STEP, 0, 0, 0, 9);
    SAY(&story, STEP, 0, 1, 0, 9);
    SAY(&story, EDGE, 0, 1, 0, 0);
    SAY(&story, START, 0, 0, 1, 0, 1);
    SAY(&story, GIVE_UP, 10, 0, 1, 0, 15);
    SAY(&story, RETRY, 10, 0, 1, SWARM_OUTCOME_TIMED_OUT, 17);
    SAY(&story, FENCED, 12, 0, 1, 0, SWARM_OUTCOME_CANCELLED, 100, 40, 3, 5);
    SAY(&story, START, 17, 0, 2, 1, 1);
    SAY(&story, DONE, 20, 0, 2, 1, SWARM_OUTCOME_OK, 100, 0, 6, 7);
    SAY(&story, END, 20, 0, SWARM_STEP_OK);
    SAY(&story, START, 21, 1, 1, 0, 1);
    SAY(&story, DONE, 25, 1, 1, 0, SWARM_OUTCOME_OK);
    SAY(&story, END, 25, 1, SWARM_STEP_OK);
    CHECK_EQ(violations(&story, &plan), 0);
    CHECK(read_story(&story, &trace, &error));
    CHECK_EQ(trace.retries, 1);
    CHECK_EQ(trace.stalls, 1);
    CHECK_EQ(trace.busy_ns, 12 + 3 + 4);
    CHECK_EQ(trace.usage.input_tokens, 200);
    CHECK_EQ(trace.usage.cached_tokens, 40);
    CHECK_EQ(trace.usage.output_tokens, 9);
    CHECK_EQ(trace.usage.cost_nano, 12);
    CHECK(trace_critical(&trace, &path));
    CHECK_EQ(path.length_ns, 10 + 7 + 3 + 4); /* the wait for the agent at 20 is not of it */
    free(path.steps);
    trace_free(&trace);

    drop(&story, 7); /* not FENCED: agent 1 still has the first attempt at 17, 21 */
    CHECK_EQ(violations(&story, &plan), 2 + 2);
}

/* A step that was added by a call step does not start before that one has ended. */
TEST(started_before_it_was_added) {
    static struct story story;
    struct check_plan plan = {.step_count = 2, .agents = 1};
    story.count = 0;
    SAY(&story, PLAN, 0, SWARM_NEVER, 1, 0, 1);
    SAY(&story, STEP, 0, 0, 77);
    SAY(&story, PLAN, 5, SWARM_NEVER, 2, 1, 1, 0, 0, 1);
    SAY(&story, STEP, 5, 1, 0);
    SAY(&story, END, 5, 0, SWARM_STEP_OK);
    SAY(&story, START, 5, 1, 1, 0, 1);
    SAY(&story, DONE, 6, 1, 1, 0, SWARM_OUTCOME_OK);
    SAY(&story, END, 6, 1, SWARM_STEP_OK);
    CHECK_EQ(violations(&story, &plan), 0);
    advance_event(&story, 5, 4);
    CHECK_EQ(violations(&story, &plan), 1);
}

TEST(contradictions_are_refused) {
    static struct story story;
    tell(&story);
    CHECK(!refused(&story));
    drop(&story, START_0); /* DONE without it */
    CHECK(refused(&story));
    tell(&story);
    story.events[START_0].step = 3; /* no such step */
    CHECK(refused(&story));
    tell(&story);
    drop(&story, 2); /* step 2 without step 1 */
    CHECK(refused(&story));
    tell(&story);
    story.events[4].field[0] = 3; /* an edge from nowhere */
    CHECK(refused(&story));
    tell(&story);
    story.events[0].field[5] = 1; /* steps that added themselves */
    CHECK(refused(&story));
    tell(&story);
    SAY(&story, DONE, 12, 2, 1, 0, SWARM_OUTCOME_OK); /* answered twice */
    CHECK(refused(&story));
}

/* ---- A real log, altered ----------------------------------------------------------------- */

/* tests/data/tiny.dag on two agents. */
static void tell_real(struct story *story, struct input *input, struct input_run *run) {
    static struct engine engine;
    struct run_options options = {.policy = POLICY_FIFO, .seed = 1, .agents = 2, .workers = 1};
    struct run_result result = {.input = "tiny.dag"};
    struct trace trace;
    swarm_log_cursor cursor = {0};
    input_open(input, "tests/data/tiny.dag", &(struct input_options){300, 14, 10000});
    CHECK(input_next(input, run));
    CHECK(run_input(&engine, run, &options, &result, &trace));
    CHECK_EQ(result.violations, 0);
    story->count = 0;
    while (story->count < EVENTS_MAX &&
           swarm_event_next(engine.log.bytes, engine.log.size, &cursor,
                            &story->events[story->count]) == SWARM_OK) {
        story->count++;
    }
    CHECK(story->count > 20 && story->count < EVENTS_MAX);
    trace_free(&trace);
    engine_free(&engine);
}

static struct check_plan plan_of(const struct input_run *run) {
    return (struct check_plan){.edges = run->edges,
                               .step_count = run->task_count,
                               .edge_count = run->edge_count,
                               .agents = 2};
}

static uint32_t find_event(const struct story *story, uint32_t kind, uint64_t step) {
    uint32_t at = 0;
    while (at < story->count && (story->events[at].kind != kind ||
                                 (step != SWARM_NEVER && story->events[at].step != step))) {
        at++;
    }
    return at;
}

TEST(real_log_altered) {
    static struct story real, story;
    struct input input;
    struct input_run run;
    tell_real(&real, &input, &run);
    struct check_plan plan = plan_of(&run);
    CHECK_EQ(violations(&real, &plan), 0); /* as written by this test */
    for (uint32_t v = 0; v < run.task_count; v++) {
        story = real;
        drop(&story, find_event(&real, SWARM_EVENT_END, v));
        CHECK(violations(&story, &plan) > 0);
        story = real;
        story.events[find_event(&real, SWARM_EVENT_END, v)].field[0] = SWARM_STEP_CANCELLED;
        CHECK(violations(&story, &plan) > 0);
        if (run.tasks[v].predecessors > 0) {
            story = real;
            advance_event(&story, find_event(&real, SWARM_EVENT_START, v),
                          find_event(&real, SWARM_EVENT_START, SWARM_NEVER));
            CHECK(violations(&story, &plan) > 0);
        }
    }
    input_run_free(&run);
    input_close(&input);
}

/* Any bytes: refused or judged, in bounds. Every prefix, and random fields. */
TEST(damaged_logs) {
    static struct story real, story;
    static unsigned char bytes[LOG_MAX];
    struct input input;
    struct input_run run;
    struct trace trace;
    tell_real(&real, &input, &run);
    struct check_plan plan = plan_of(&run);
    size_t size = write_story(&real, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct input_error error = {.status = NULL};
        unsigned char *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        if (trace_read(exact, cut, &trace, &error)) {
            trace_free(&trace);
        }
        free(exact);
    }
    for (uint32_t i = 0; i < (test_long ? 200000u : 5000u); i++) {
        struct input_error error;
        struct trace_path path;
        uint64_t count;
        story = real;
        for (uint64_t k = test_below(3); k < 3; k++) {
            swarm_event *event = &story.events[test_below(story.count)];
            event->kind = test_below(2) == 0 ? event->kind : (uint32_t)test_below(17);
            event->step = test_below(3) != 0 ? event->step : test_below(run.task_count + 1);
            event->field[test_below(8)] = test_below(2) == 0 ? test_below(9) : test_random();
        }
        if (read_story(&story, &trace, &error)) {
            CHECK(check_trace(&trace, &plan, &count));
            CHECK(trace_critical(&trace, &path));
            CHECK(path.count <= trace.step_count);
            free(path.steps);
            trace_free(&trace);
        }
    }
    input_run_free(&run);
    input_close(&input);
}

/* ---- The built-in run ------------------------------------------------------------------ */

/* Without a log nothing is checked, and nothing is different. */
TEST(builtin_without_a_log) {
    static struct engine engine;
    struct run_options options = {.policy = POLICY_FIFO, .seed = 1, .agents = 300, .workers = 1};
    struct run_result logged = {.input = "builtin"}, silent = {.input = "builtin"};
    struct trace trace;
    struct builtin_job job = {.engine = &engine, .options = &options, .result = &logged};
    CHECK(builtin_run(&job, &trace));
    CHECK_EQ(trace.step_count, BUILTIN_STEPS);
    CHECK_EQ(trace.makespan_ns, logged.report.end_ns);
    CHECK_EQ(trace.busy_ns, logged.report.running_ns);
    CHECK_EQ(trace.attempt_count, logged.report.attempts);
    CHECK_EQ(trace.retries, logged.report.retries);
    CHECK_EQ(trace.edge_count, logged.report.edges);
    CHECK_EQ(trace.usage.cost_nano, logged.report.usage.cost_nano);
    CHECK_EQ(logged.violations, 0);
    trace_free(&trace);
    job.result = &silent;
    job.no_log = true;
    CHECK(builtin_run(&job, &trace));
    CHECK_EQ(engine.log.size, 0);
    logged.report.hash[0] = logged.report.hash[1] = 0;
    CHECK(memcmp(&logged.report, &silent.report, sizeof logged.report) == 0);
    engine_free(&engine);
}

TEST_MAIN()
