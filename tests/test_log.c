/* SPDX-License-Identifier: MIT */
/*
 * The event log: frames and events under every cut and many kinds of damage, the story that the
 * events tell, and write-ahead: nothing happens before the log that says so is safe.
 */
#include "test_dispatch.h"

#include "../src/base/crc32.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

#define HEADER 32u

static swarm_outcome echo(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* A growing run with some of everything; its log stays in rig->log. */
static struct rig *make_log(uint64_t log_bytes, swarm_run *out_run) {
    const swarm_config config = {.log_bytes = log_bytes, .cancel_grace_ns = 50};
    struct rig *rig = rig_new(&config, 3);
    swarm_function function = swarm_function_add(rig->sw, "echo", echo, NULL);
    swarm_plan *plan = rig_plan(rig, &growing, out_run);
    swarm_step steps[12];

    for (uint32_t i = 0; i < 12; i++) {
        const swarm_step_spec spec = {.key = 100 + i,
                                      .argument = i * 1000000007u,
                                      .run_timeout_ns = 90,
                                      .retry = {.attempts_max = 2, .backoff_ns = 7}};

        steps[i] = i % 4 == 3   ? swarm_step_add(plan, &(swarm_step_spec){.function = function})
                   : i % 4 == 2 ? swarm_range_add(plan, function, i, 3)
                                : swarm_step_add(plan, &spec);
        if (i > 1) {
            CHECK_EQ(swarm_edge_add(plan, steps[i - 2], steps[i], 0), SWARM_OK);
        }
    }
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, *out_run), SWARM_OK);
    rig_at(rig, 3);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    rig_hold(rig, 1, SWARM_OUTCOME_THROTTLED, 40);
    rig_at(rig, 40);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_step_cancel(rig->sw, steps[4]), SWARM_OK);
    while (rig_next(rig)) {
    }
    rig_finish(rig);
    rig_check_run(rig, *out_run);
    return rig;
}

/* Reads all events; what came at the end, and how many there were. */
static swarm_status read_all(const unsigned char *bytes, size_t size, uint64_t *out_events,
                             swarm_log_cursor *out_cursor) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    swarm_status status = swarm_event_next(bytes, size, &cursor, &event);

    for (*out_events = 0; status == SWARM_OK; (*out_events)++) {
        CHECK(event.fields <= 8);
        CHECK(cursor.offset <= size);
        status = swarm_event_next(bytes, size, &cursor, &event);
    }
    *out_cursor = cursor;
    return status;
}

static uint32_t get32(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(unsigned char *at, uint32_t value) {
    for (uint32_t i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static size_t frame_size(const unsigned char *at) {
    return HEADER + get32(at + 8);
}

/* Makes the checksum right again, after a change of what it covers. */
static void frame_seal(unsigned char *at) {
    put32(at + 4, crc32c(0, at + 8, frame_size(at) - 8));
}

/* The bytes in a block of their own, so that a look behind their end is seen by the sanitizer. */
static unsigned char *copy_of(const unsigned char *bytes, size_t size) {
    unsigned char *copy = malloc(size == 0 ? 1 : size);

    CHECK(copy != NULL);
    if (copy != NULL && size != 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

TEST(every_cut_is_seen_at_its_frame) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    size_t boundary = 0;
    uint64_t events, before = 0;
    swarm_log_cursor cursor;

    CHECK(rig->log_size > 500);
    for (size_t size = 0; size <= rig->log_size; size++) {
        unsigned char *copy = copy_of(rig->log, size);
        bool whole = boundary + frame_size(rig->log + boundary) == size && size != 0;
        swarm_status status = read_all(copy, size, &events, &cursor);

        boundary = whole ? size : boundary;
        CHECK_EQ(status, size == boundary ? SWARM_E_MISSING : SWARM_E_AGAIN);
        CHECK_EQ(cursor.offset, boundary); /* before the frame that was cut */
        CHECK(events >= before);
        CHECK(whole || events == before || size == 0);
        before = events;
        free(copy);
    }
    CHECK_EQ(boundary, rig->log_size);
    rig_free(rig);
}

/* A reader that was stopped by a cut goes on where it stood when more has come. */
TEST(a_reader_goes_on_after_a_cut) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    swarm_log_cursor cursor = {0}, once;
    swarm_event event;
    uint64_t events, seen = 0;

    CHECK_EQ(read_all(rig->log, rig->log_size, &events, &once), SWARM_E_MISSING);
    for (size_t size = 0; size <= rig->log_size; size += 13) {
        swarm_status status = swarm_event_next(rig->log, size, &cursor, &event);

        for (; status == SWARM_OK; seen++) {
            status = swarm_event_next(rig->log, size, &cursor, &event);
        }
        CHECK(status == SWARM_E_MISSING || status == SWARM_E_AGAIN);
    }
    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        seen++;
    }
    CHECK_EQ(seen, events);
    CHECK_EQ(cursor.offset, once.offset);
    CHECK_EQ(cursor.frame, once.frame);
    rig_free(rig);
}

/* Each bit of a log turned: damage is never taken for another log. A frame whose length has become
 * larger than what is left looks cut short, which is as good. */
TEST(every_bit_counts) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    size_t frame = 0;

    for (size_t at = 0; at < rig->log_size; at++) {
        frame = at == frame + frame_size(rig->log + frame) ? at : frame;
        for (uint32_t bit = 0; bit < 8; bit++) {
            unsigned char *copy = copy_of(rig->log, rig->log_size);
            swarm_log_cursor cursor;
            uint64_t events;
            swarm_status status;

            copy[at] ^= (unsigned char)(1u << bit);
            status = read_all(copy, rig->log_size, &events, &cursor);
            CHECK(status == SWARM_E_CORRUPT ||
                  (status == SWARM_E_AGAIN && at >= frame + 8 && at < frame + 12));
            CHECK_EQ(cursor.offset, frame);
            free(copy);
        }
    }
    rig_free(rig);
}

TEST(other_versions_and_gaps) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    size_t first = frame_size(rig->log), second = frame_size(rig->log + first);
    unsigned char *copy = copy_of(rig->log, rig->log_size);
    swarm_log_cursor cursor;
    uint64_t events;

    put32(copy + first + 12, SWARM_TRACE_VERSION + 1);
    frame_seal(copy + first);
    CHECK_EQ(read_all(copy, rig->log_size, &events, &cursor), SWARM_E_MISMATCH);
    CHECK_EQ(cursor.offset, first);
    memcpy(copy, rig->log, rig->log_size);
    copy[first + 16]++; /* its number */
    frame_seal(copy + first);
    CHECK_EQ(read_all(copy, rig->log_size, &events, &cursor), SWARM_E_CORRUPT);
    memcpy(copy, rig->log, rig->log_size); /* the second frame is missing */
    memmove(copy + first, copy + first + second, rig->log_size - first - second);
    CHECK_EQ(read_all(copy, rig->log_size - second, &events, &cursor), SWARM_E_CORRUPT);
    CHECK_EQ(cursor.offset, first);
    free(copy);
    rig_free(rig);
}

/* Bytes that pass the checksum and are nonsense, as a hostile writer makes them. */
TEST(garbage_in_sealed_frames) {
    for (uint32_t round = 0; round < 20000; round++) {
        size_t size = HEADER + (size_t)test_below(150);
        unsigned char *bytes = malloc(size);
        swarm_log_cursor cursor;
        uint64_t events;
        swarm_status status;

        CHECK(bytes != NULL);
        if (bytes == NULL) {
            return;
        }
        memset(bytes, 0, HEADER);
        memcpy(bytes, "SWL1", 4);
        put32(bytes + 8, (uint32_t)(size - HEADER));
        put32(bytes + 12, SWARM_TRACE_VERSION);
        bytes[16] = 1;
        for (size_t i = HEADER; i < size; i++) {
            uint64_t kind = test_below(4);

            bytes[i] = (unsigned char)(kind == 0   ? test_random()
                                       : kind == 1 ? 0xff
                                       : kind == 2 ? test_below(20)
                                                   : 0x80);
        }
        frame_seal(bytes);
        status = read_all(bytes, size, &events, &cursor);
        CHECK(status == SWARM_E_CORRUPT || status == SWARM_E_MISSING);
        free(bytes);
    }
}

TEST(garbage_of_any_kind) {
    for (uint32_t round = 0; round < 20000; round++) {
        size_t size = (size_t)test_below(100);
        unsigned char *bytes = malloc(size + 1);
        swarm_log_cursor cursor = {0};
        swarm_event event;

        CHECK(bytes != NULL);
        if (bytes == NULL) {
            return;
        }
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (unsigned char)test_random();
        }
        if (test_below(2) == 0 && size > 4) {
            memcpy(bytes, "SWL1", 4);
        }
        cursor.offset = test_below(120); /* also a cursor that never was one */
        cursor.end = test_below(120);
        for (uint32_t i = 0; i < 40; i++) {
            if (swarm_event_next(bytes, size, &cursor, &event) != SWARM_OK) {
                break;
            }
            CHECK(cursor.offset <= size);
        }
        free(bytes);
    }
    CHECK_EQ(swarm_event_next(NULL, 0, &(swarm_log_cursor){0, 0, 0, 0}, &(swarm_event){.kind = 1}),
             SWARM_E_MISSING);
    CHECK_EQ(swarm_event_next(NULL, 1, &(swarm_log_cursor){0, 0, 0, 0}, &(swarm_event){.kind = 1}),
             SWARM_E_INVALID);
}

/* ---- the story */

#define TALE_STEPS 64u

struct tale {
    uint32_t state[TALE_STEPS]; /* as swarm_step_info */
    uint64_t attempts[TALE_STEPS];
    uint64_t steps, edges, starts, done, fenced, retries, plans, holds, closes, cancels, results;
    uint64_t count[10]; /* ends, by state */
    uint64_t cost, sequence, now_ns, end[7];
    bool ended;
};

static void tale_of_attempt(struct tale *tale, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_START:
        CHECK_EQ(tale->state[event->step], SWARM_STEP_READY);
        tale->state[event->step] = SWARM_STEP_RUNNING;
        tale->attempts[event->step] = event->field[0];
        tale->starts++;
        break;
    case SWARM_EVENT_DONE:
        CHECK_EQ(tale->state[event->step], SWARM_STEP_RUNNING);
        CHECK_EQ(tale->attempts[event->step], event->field[0]);
        tale->cost += event->field[6];
        tale->done++;
        tale->starts -= event->field[2] == SWARM_OUTCOME_THROTTLED;
        break;
    case SWARM_EVENT_GIVE_UP:
        CHECK_EQ(tale->state[event->step], SWARM_STEP_RUNNING);
        tale->state[event->step] = SWARM_STEP_HELD;
        break;
    case SWARM_EVENT_RESULT: /* behind its answer */
        CHECK_EQ(tale->state[event->step], SWARM_STEP_RUNNING);
        tale->results++;
        break;
    case SWARM_EVENT_FENCED:
        tale->cost += event->field[6];
        tale->fenced++;
        break;
    default:
        tale->retries++;
        CHECK(event->field[2] >= event->now_ns);
        tale->state[event->step] = SWARM_STEP_HELD;
        break;
    }
}

static void tale_of_step(struct tale *tale, const swarm_event *event) {
    CHECK(event->step < TALE_STEPS);
    if (event->step >= TALE_STEPS) {
        return;
    }
    switch (event->kind) {
    case SWARM_EVENT_STEP:
        CHECK_EQ(event->step, tale->steps);
        tale->steps++;
        break;
    case SWARM_EVENT_EDGE:
        CHECK(event->field[0] < event->step);
        tale->edges++;
        break;
    case SWARM_EVENT_OPTIONS: /* behind its step */
        CHECK_EQ(event->step + 1, tale->steps);
        CHECK_EQ(event->field[1], 91);
        CHECK_EQ(event->field[4], 2);
        break;
    case SWARM_EVENT_READY:
        CHECK(tale->state[event->step] < SWARM_STEP_OK);
        CHECK_EQ(event->field[0], tale->sequence++);
        tale->state[event->step] = SWARM_STEP_READY;
        break;
    case SWARM_EVENT_END:
        CHECK(tale->state[event->step] < SWARM_STEP_OK);
        CHECK(event->field[0] >= SWARM_STEP_OK && event->field[0] <= SWARM_STEP_BUDGET);
        tale->state[event->step] = (uint32_t)event->field[0];
        tale->count[event->field[0]]++;
        break;
    default:
        tale_of_attempt(tale, event);
        break;
    }
}

static void tale_tell(struct tale *tale, const swarm_event *event) {
    CHECK(event->now_ns >= tale->now_ns);
    CHECK(!tale->ended || event->kind == SWARM_EVENT_FENCED || event->kind == SWARM_EVENT_ROUND);
    tale->now_ns = event->now_ns;
    switch (event->kind) {
    case SWARM_EVENT_RUN_OPEN:
        CHECK_EQ(event->run, 1);
        CHECK_EQ(event->field[3], SWARM_RUN_GROWING);
        break;
    case SWARM_EVENT_PLAN:
        CHECK_EQ(event->field[1], tale->steps);
        tale->plans++;
        break;
    case SWARM_EVENT_HOLD:
        CHECK_EQ(event->run, 0);
        tale->holds++;
        break;
    case SWARM_EVENT_CANCEL:
        tale->cancels++;
        break;
    case SWARM_EVENT_CLOSE:
        tale->closes++;
        break;
    case SWARM_EVENT_ROUND:
    case SWARM_EVENT_SETUP:
        CHECK_EQ(event->run, 0);
        CHECK_EQ(event->step, SWARM_NEVER);
        break;
    case SWARM_EVENT_CALL:
        CHECK(event->step < TALE_STEPS || event->field[1] != 0);
        break;
    case SWARM_EVENT_RUN_END:
        memcpy(tale->end, event->field, sizeof tale->end);
        tale->ended = true;
        break;
    default:
        tale_of_step(tale, event);
        break;
    }
}

TEST(the_events_tell_the_whole_story) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    swarm_run_report r = rig_report(rig, run);
    struct tale tale = {{0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, {0}, false};
    swarm_log_cursor cursor = {0};
    swarm_event event;
    const uint64_t counts[7] = {r.ok,      r.failed, r.timed_out, r.cancelled,
                                r.skipped, r.budget, r.attempts};

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        tale_tell(&tale, &event);
    }
    CHECK_EQ(cursor.offset, rig->log_size);
    CHECK(tale.ended);
    CHECK(memcmp(tale.end, counts, sizeof counts) == 0);
    CHECK_EQ(tale.plans, r.plan_version);
    CHECK_EQ(tale.steps, r.steps);
    CHECK_EQ(tale.edges, r.edges);
    CHECK_EQ(tale.starts, r.attempts);
    CHECK_EQ(tale.retries, r.retries);
    CHECK_EQ(tale.fenced, r.fenced);
    CHECK_EQ(tale.cost, r.usage.cost_nano);
    CHECK_EQ(tale.holds, 1);
    CHECK_EQ(tale.cancels, 1);
    CHECK_EQ(tale.closes, 1);
    CHECK(tale.results != 0);
    CHECK_EQ(tale.count[SWARM_STEP_CANCELLED], r.cancelled);
    for (uint64_t key = 100; key < 112; key++) {
        swarm_step step = swarm_step_find(rig->sw, run, key);

        if (step.id != 0) { /* plain call steps have none, and end on workers */
            swarm_step_info info = rig_info(rig, step);

            CHECK_EQ(tale.state[info.ordinal], info.state);
            CHECK_EQ(tale.attempts[info.ordinal], info.attempts);
        }
    }
    rig_free(rig);
}

/* An idle look at the clock writes nothing: the log does not depend on how often one looks. */
TEST(idle_rounds_leave_no_trace) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_stats stats;
    size_t size;

    (void)rig_step(plan);
    rig_commit(plan);
    rig_at(rig, 0);
    size = rig->log_size;
    for (uint64_t now_ns = 0; now_ns < 1000; now_ns++) {
        bool changed = true;

        CHECK_EQ(swarm_advance(rig->sw, now_ns, &changed), SWARM_OK);
        CHECK(!changed);
        CHECK(!rig_read(rig));
    }
    CHECK_EQ(rig->log_size, size);
    CHECK_EQ(swarm_stats_get(rig->sw, &stats), SWARM_OK);
    CHECK_EQ(stats.log_pending, 0);
    rig_finish(rig);
    rig_free(rig);
}

/* ---- write ahead */

TEST(no_start_before_its_frame_is_safe) {
    struct rig *rig = rig_new(NULL, 8);
    swarm_run runs[2];
    swarm_request request;
    static unsigned char frames[65536];
    size_t needed = 0;

    for (uint32_t i = 0; i < 2; i++) {
        swarm_plan *plan = rig_plan(rig, NULL, &runs[i]);

        (void)rig_step(plan);
        rig_commit(plan);
        CHECK_EQ(swarm_advance(rig->sw, i, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_take(rig->sw, &request, 1), 0);
    CHECK_EQ(swarm_log_acknowledge(rig->sw), SWARM_OK); /* of nothing */
    CHECK_EQ(swarm_take(rig->sw, &request, 1), 0);
    CHECK_EQ(swarm_log_read(rig->sw, frames, 10, &needed), 0);
    CHECK(needed > 10);
    while (rig->count == 0 && needed != 0) { /* frame by frame, up to the first start */
        CHECK_EQ(swarm_log_read(rig->sw, frames, needed, NULL), needed);
        CHECK_EQ(swarm_take(rig->sw, &request, 1), 0); /* read is not safe */
        CHECK_EQ(swarm_log_acknowledge(rig->sw), SWARM_OK);
        rig->count += swarm_take(rig->sw, rig->requests, 2);
        needed = 0;
        CHECK_EQ(swarm_log_read(rig->sw, frames, 0, &needed), 0);
    }
    CHECK_EQ(rig->count, 1); /* the other one stands in a later frame */
    CHECK(needed != 0);
    CHECK_EQ(rig->requests[0].run.id, runs[0].id);
    rig_settle(rig);
    CHECK_EQ(rig->count, 2);
    rig_finish(rig);
    rig_check_run(rig, runs[0]);
    rig_check_run(rig, runs[1]);
    rig_free(rig);
}

static swarm_outcome count_call(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)call;
    *out_value = ++*(uint32_t *)context;
    return SWARM_OUTCOME_OK;
}

TEST(no_call_step_before_what_released_it_is_safe) {
    struct rig *rig = rig_new(NULL, 1);
    uint32_t ran = 0;
    swarm_function function = swarm_function_add(rig->sw, "count_call", count_call, &ran);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step ask = rig_step(plan), root = swarm_call_add(plan, function, 1);
    swarm_step call = swarm_call_add(plan, function, 1), tracked;

    tracked = swarm_step_add(plan, &(swarm_step_spec){.function = function});
    CHECK_EQ(swarm_edge_add(plan, ask, call, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, ask, tracked, 0), SWARM_OK);
    rig_commit(plan);
    rig->hold_log = true;
    (void)rig_pass(rig);
    (void)rig_pass(rig);
    CHECK_EQ(ran, 0); /* also of the plan itself */
    rig->hold_log = false;
    rig_settle(rig);
    CHECK_EQ(ran, 1);
    CHECK_EQ(rig_state(rig, root), SWARM_STEP_OK);
    rig->hold_log = true;
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK);
    (void)rig_pass(rig);
    (void)rig_pass(rig);
    CHECK_EQ(rig_state(rig, ask), SWARM_STEP_OK);
    CHECK_EQ(swarm_log_acknowledge(rig->sw), SWARM_OK); /* of what was read: not of this */
    CHECK_EQ(swarm_work(rig->sw, 0, 10), 0);
    CHECK_EQ(ran, 1);
    rig->hold_log = false;
    rig_settle(rig);
    CHECK_EQ(ran, 3);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* A full ring stops the round between two events; requests before it are still handed out. */
TEST(a_full_ring_stops_and_goes_on) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    swarm_run_report roomy = rig_report(rig, run);

    rig_free(rig);
    rig = make_log(8192, &run);
    CHECK_EQ(rig_report(rig, run).hash[0], roomy.hash[0]);
    CHECK_EQ(rig_report(rig, run).hash[1], roomy.hash[1]);
    rig_free(rig);
}

TEST(without_a_log_the_decisions_are_the_same) {
    swarm_run run;
    struct rig *rig = make_log(0, &run);
    swarm_run_report with = rig_report(rig, run), without;
    char order[4096];

    snprintf(order, sizeof order, "%s", rig_order(rig));
    CHECK(with.hash[0] != 0 || with.hash[1] != 0);
    memset(with.hash, 0, sizeof with.hash);
    rig_free(rig);
    rig = make_log(SWARM_NEVER, &run);
    without = rig_report(rig, run);
    CHECK(memcmp(&with, &without, sizeof with) == 0);
    rig_check_order(rig, order);
    CHECK_EQ(rig->log_size, 0);
    rig_free(rig);
}

TEST_MAIN()
