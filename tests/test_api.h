/* SPDX-License-Identifier: MIT */
/*
 * test_api.h - the world in which every public function is called wrongly, and the table of calls.
 *
 * The world is a swarm in the middle of its work: a static run that has ended, a growing one with a
 * step in each state and two attempts with a backend, handles of things that are gone, and a second
 * swarm with more of everything. Each row of a table makes a call in a fresh world and says what it
 * must return; REFUSES, AWAY and EMPTY rows also demand that nothing has changed: neither counters,
 * reports, states and deadlines, nor one byte of the log.
 *
 * test_api.py reads the rows: each function of swarm.h must have one.
 */
#ifndef SWARM_TESTS_TEST_API_H
#define SWARM_TESTS_TEST_API_H

#include "test.h"

#include "../swarm.h"

#define SECOND UINT64_C(1000000000)
#define KEY UINT64_C(42) /* of the growing run, and of its flying step */
#define STEPS 4          /* handles of live steps whose state is compared */

struct world {
    swarm *sw;
    swarm *other; /* a swarm with more of everything */
    swarm_backend_id backend;
    swarm_profile profile;
    swarm_agent agent, second;
    swarm_permit permit; /* 3 units */
    swarm_function function;
    swarm_run run;                           /* growing, open, with key KEY */
    swarm_run fixed;                         /* static, ended, nothing lent */
    swarm_run gone;                          /* forgotten: stale */
    swarm_step done, flying, waiting, plain; /* of run: OK with lent bytes, RUNNING, PENDING, OK */
    swarm_step lost;                         /* forgotten: stale */
    swarm_step fixed_step;
    swarm_attempt open, other_open; /* in flight */
    swarm_attempt answered;         /* its answer was applied */
    swarm_plan *plan;               /* AWAY rows only: the owner's, empty */
    swarm_error error;              /* what the last refused call said */
    uint64_t ran;                   /* calls of `function` */
};

/* ---- what a call must not change */

struct picture {
    swarm_stats stats;
    swarm_run_report reports[2];
    swarm_error stalled;
    swarm_step_info steps[STEPS];
    uint64_t usage[4], deadline_ns, found[2], ran;
    swarm_status checks[2], fault;
    uint32_t requests;
    size_t log_bytes;
    bool changed;
};

/* Reads out the log and throws it away. */
static inline size_t log_empty(swarm *sw) {
    static unsigned char bytes[1 << 16];
    size_t all = 0, some;

    for (some = swarm_log_read(sw, bytes, sizeof bytes, NULL); some != 0;
         some = swarm_log_read(sw, bytes, sizeof bytes, NULL)) {
        all += some;
    }
    CHECK_EQ(swarm_log_acknowledge(sw), SWARM_OK);
    return all;
}

static inline void picture_take(struct world *w, struct picture *p) {
    const swarm_step steps[STEPS] = {w->done, w->flying, w->waiting, w->plain};
    swarm_request request;

    memset(p, 0, sizeof *p);
    p->deadline_ns = swarm_next_deadline(w->sw);
    p->log_bytes = log_empty(w->sw);
    CHECK_EQ(swarm_advance(w->sw, 4, &p->changed), SWARM_OK); /* would show what was posted */
    CHECK_EQ(swarm_stats_get(w->sw, &p->stats), SWARM_OK);
    p->stats.rounds = 0;
    CHECK_EQ(swarm_run_report_get(w->sw, w->run, &p->reports[0]), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(w->sw, w->fixed, &p->reports[1]), SWARM_OK);
    for (uint32_t i = 0; i < STEPS; i++) {
        CHECK_EQ(swarm_step_status(w->sw, steps[i], &p->steps[i]), SWARM_OK);
    }
    CHECK_EQ(swarm_agent_usage(w->sw, w->agent, &p->usage[0], &p->usage[1]), SWARM_OK);
    CHECK_EQ(swarm_agent_usage(w->sw, w->second, &p->usage[2], &p->usage[3]), SWARM_OK);
    p->found[0] = swarm_run_find(w->sw, KEY).id;
    p->found[1] = swarm_step_find(w->sw, w->run, KEY).id;
    p->checks[0] = swarm_run_check(w->sw, w->run, &p->stalled);
    p->checks[1] = swarm_run_check(w->sw, w->fixed, &p->stalled);
    p->fault = swarm_fault(w->sw, NULL);
    p->requests = swarm_take(w->sw, &request, 1);
    p->ran = w->ran;
}

/* Field by field where a difference should be readable, as bytes otherwise. */
static inline void picture_compare(const char *what, const struct picture *a,
                                   const struct picture *b) {
    bool same = memcmp(a, b, sizeof *a) == 0;

    if (!same) {
        printf("# state changed by: %s\n", what);
    }
    CHECK_EQ(a->stats.open, b->stats.open);
    CHECK_EQ(a->stats.events, b->stats.events);
    CHECK_EQ(a->stats.steps_live, b->stats.steps_live);
    CHECK_EQ(a->stats.inflight, b->stats.inflight);
    CHECK_EQ(a->reports[0].hash[0], b->reports[0].hash[0]);
    CHECK_EQ(a->reports[0].steps, b->reports[0].steps);
    CHECK_EQ(a->deadline_ns, b->deadline_ns);
    CHECK_EQ(a->fault, b->fault);
    CHECK_EQ(a->requests, b->requests);
    CHECK_EQ(b->log_bytes, 0);
    CHECK(!b->changed);
    CHECK(same);
}

/* ---- making the world */

static inline swarm_outcome count_call(void *context, const swarm_call *call, uint64_t *out_value) {
    struct world *w = context;

    w->ran++;
    *out_value = call->argument + 1;
    return SWARM_OUTCOME_OK;
}

/* Work, round, log; no requests are taken. */
static inline void world_pass(struct world *w, uint64_t now_ns) {
    bool changed = true;

    for (uint32_t i = 0; changed && i < 100; i++) {
        while (swarm_work(w->sw, 0, 100) != 0) {
        }
        CHECK_EQ(swarm_advance(w->sw, now_ns, &changed), SWARM_OK);
        (void)log_empty(w->sw);
    }
}

static inline swarm_attempt take_start(swarm *sw) {
    swarm_request request = {0};

    CHECK_EQ(swarm_take(sw, &request, 1), 1);
    CHECK_EQ(request.kind, SWARM_REQUEST_START);
    return request.attempt;
}

static inline void world_setup(struct world *w, uint64_t log_bytes) {
    const char *const skills[] = {"a", "b"};
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(),
                           .log_bytes = log_bytes,
                           .workers_max = 2,
                           .runs_max = 6,
                           .steps_max = 128,
                           .agents_max = 8,
                           .permits_max = 4,
                           .functions_max = 4,
                           .commands_max = 4,
                           .ranges_max = 2};
    const swarm_backend table = {.size = sizeof table, .name = "backend"};

    CHECK_EQ(swarm_new(&config, &w->sw), SWARM_OK);
    w->backend = swarm_backend_add(w->sw, &table);
    swarm_profile_spec profile = {.name = "profile",
                                  .skills = skills,
                                  .skills_count = 2,
                                  .backend = w->backend,
                                  .inflight_max = 2};
    w->profile = swarm_profile_add(w->sw, &profile);
    w->agent = swarm_agent_add(w->sw, w->profile, 2);
    w->second.id = w->agent.id + 1;
    w->permit = swarm_permit_add(w->sw, "permit", 3);
    w->function = swarm_function_add(w->sw, "function", count_call, w);
}

/* Runs that ended: one that is kept, one that is gone. */
static inline void world_old_runs(struct world *w) {
    swarm_plan *plan;

    w->fixed = swarm_run_open(w->sw, NULL);
    plan = swarm_plan_open(w->sw, w->fixed);
    w->fixed_step = swarm_call_add(plan, w->function, 1);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    w->gone = swarm_run_open(w->sw, NULL);
    CHECK_EQ(swarm_run_close(w->sw, w->gone), SWARM_OK);
    world_pass(w, 1);
    CHECK_EQ(swarm_run_forget(w->sw, w->gone), SWARM_OK);
}

static inline void world_run(struct world *w) {
    const swarm_run_spec spec = {.key = KEY, .flags = SWARM_RUN_GROWING};
    const swarm_step_spec timed = {
        .payload = "x", .payload_size = 1, .key = KEY, .run_timeout_ns = 90 * SECOND};
    swarm_completion completion = {.result = {.bytes = "bytes", .size = 5}};
    swarm_plan *plan;

    w->run = swarm_run_open(w->sw, &spec);
    plan = swarm_plan_open(w->sw, w->run);
    w->done = swarm_step_add(plan, NULL);
    w->flying = swarm_step_add(plan, &timed);
    (void)swarm_step_add(plan, NULL); /* its attempt is `other_open` */
    w->waiting = swarm_step_add(plan, NULL);
    w->plain = swarm_call_add(plan, w->function, 2);
    w->lost = swarm_call_add(plan, w->function, 3);
    CHECK_EQ(swarm_edge_add(plan, w->flying, w->waiting, 0), SWARM_OK);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    world_pass(w, 2);
    completion.attempt = w->answered = take_start(w->sw);
    w->open = take_start(w->sw);
    w->other_open = take_start(w->sw);
    CHECK_EQ(swarm_complete(w->sw, &completion), SWARM_OK);
    world_pass(w, 3);
    CHECK_EQ(swarm_step_forget(w->sw, w->lost), SWARM_OK);
    world_pass(w, 4);
}

/* A second swarm whose handles name slots that the first one never used. */
static inline void world_other(struct world *w) {
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    const swarm_backend table = {.size = sizeof table, .name = "backend"};

    CHECK_EQ(swarm_new(&config, &w->other), SWARM_OK);
    const swarm_profile_spec profile = {.name = "profile",
                                        .backend = swarm_backend_add(w->other, &table)};
    CHECK(swarm_agent_add(w->other, swarm_profile_add(w->other, &profile), 100).id != 0);
}

static inline void world_make(struct world *w, uint64_t log_bytes) {
    memset(w, 0, sizeof *w);
    world_setup(w, log_bytes);
    world_old_runs(w);
    world_run(w);
    world_other(w);
    CHECK_EQ(swarm_fault(w->sw, NULL), SWARM_OK);
    (void)log_empty(w->sw);
}

static inline void answer_open(struct world *w) {
    const swarm_completion first = {.attempt = w->open}, second = {.attempt = w->other_open};

    (void)swarm_complete(w->sw, &first);
    (void)swarm_complete(w->sw, &second);
}

static inline void world_free(struct world *w) {
    CHECK_EQ(swarm_free(w->sw), SWARM_OK);
    CHECK_EQ(swarm_free(w->other), SWARM_OK);
}

/* After a row that may have changed anything: no new starts, and what is in flight is answered. */
static inline void world_abandon(struct world *w) {
    swarm_request requests[8];

    (void)swarm_turn_begin(w->sw);
    (void)swarm_drain(w->sw);
    answer_open(w);
    for (uint64_t i = 0; i < 20; i++) {
        uint32_t count;

        while (swarm_work(w->sw, 0, 100) != 0) {
        }
        (void)swarm_advance(w->sw, 100 * SECOND, NULL);
        (void)log_empty(w->sw);
        count = swarm_take(w->sw, requests, 8);
        for (uint32_t k = 0; k < count; k++) {
            const swarm_completion completion = {.attempt = requests[k].attempt};

            (void)swarm_complete(w->sw, &completion);
        }
    }
    CHECK_EQ(swarm_drain(w->sw), SWARM_OK);
    world_free(w);
}

/* Whatever happened, the work can be brought to an end and the books are right. */
static inline void world_end(struct world *w) {
    swarm_run_report report;
    swarm_request requests[8];

    answer_open(w);
    CHECK_EQ(swarm_run_close(w->sw, w->run), SWARM_OK);
    for (uint64_t now_ns = 5; now_ns < 9; now_ns++) {
        uint32_t count;

        world_pass(w, now_ns);
        count = swarm_take(w->sw, requests, 8);
        for (uint32_t i = 0; i < count; i++) {
            const swarm_completion completion = {.attempt = requests[i].attempt};

            CHECK(requests[i].kind != SWARM_REQUEST_START ||
                  swarm_complete(w->sw, &completion) == SWARM_OK);
        }
    }
    CHECK_EQ(swarm_run_report_get(w->sw, w->run, &report), SWARM_OK);
    CHECK_EQ(report.state, SWARM_RUN_ENDED);
    CHECK_EQ(report.ok, 6);
    CHECK_EQ(report.steps, 6);
    CHECK_EQ(swarm_run_check(w->sw, w->run, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_forget(w->sw, w->run), SWARM_OK);
    CHECK_EQ(swarm_drain(w->sw), SWARM_OK);
}

/* ---- rows */

/* A call that returns a handle: the null one, and the reason as the result. */
static inline int64_t fault_of(struct world *w, uint64_t handle) {
    return handle != 0 ? 1 : swarm_fault(w->sw, &w->error);
}

struct row {
    const char *function, *what;
    int64_t want;
    int64_t (*call)(struct world *w);
    struct row *next;
    uint32_t kind;
};

enum { ROW_REFUSES = 0, ROW_AWAY = 1, ROW_GIVES = 2 };

static struct row *row_first, **row_end = &row_first;

static inline void row_add(struct row *row) {
    *row_end = row;
    row_end = &row->next;
}

#define ROW_JOIN(a, b) a##b
#define ROW_NAME(a, b) ROW_JOIN(a, b)
#define ROW(row_kind, name, text, status, ...)                                                     \
    static int64_t ROW_NAME(row_call_, __LINE__)(struct world * w) {                               \
        (void)w;                                                                                   \
        return (int64_t)(__VA_ARGS__);                                                             \
    }                                                                                              \
    static struct row ROW_NAME(row_of_, __LINE__) = {.function = #name,                            \
                                                     .what = text,                                 \
                                                     .want = (status),                             \
                                                     .call = ROW_NAME(row_call_, __LINE__),        \
                                                     .kind = row_kind};                            \
    __attribute__((constructor)) static void ROW_NAME(row_enter_, __LINE__)(void) {                \
        row_add(&ROW_NAME(row_of_, __LINE__));                                                     \
    }                                                                                              \
    struct row_ends_with_a_semicolon

/* The call returns this and changes nothing. */
#define REFUSES(name, text, status, ...) ROW(ROW_REFUSES, name, text, status, __VA_ARGS__)
/* The same, while nobody holds the turn. */
#define AWAY(name, status, ...) ROW(ROW_AWAY, name, "without the turn", status, __VA_ARGS__)
/* The call returns this; it may well have changed something. */
#define GIVES(name, text, status, ...) ROW(ROW_GIVES, name, text, status, __VA_ARGS__)

static inline int64_t row_away(struct world *w, const struct row *row) {
    int64_t result;

    CHECK_EQ(swarm_turn_end(w->sw), SWARM_OK);
    result = row->call(w);
    CHECK_EQ(swarm_turn_begin(w->sw), SWARM_OK);
    return result;
}

static inline void row_run(const struct row *row) {
    struct picture before, after;
    struct world w;
    int64_t result;

    world_make(&w, 0);
    w.plan = row->kind == ROW_AWAY ? swarm_plan_open(w.sw, w.run) : NULL;
    picture_take(&w, &before);
    result = row->kind == ROW_AWAY ? row_away(&w, row) : row->call(&w);
    if (result != row->want) {
        printf("# %s, %s: %" PRId64 " instead of %" PRId64 "\n", row->function, row->what, result,
               row->want);
    }
    CHECK_EQ(result, row->want);
    if (row->kind != ROW_GIVES) {
        picture_take(&w, &after);
        picture_compare(row->what, &before, &after);
        CHECK(w.plan == NULL || swarm_plan_drop(w.plan) == SWARM_OK);
        world_end(&w);
        world_free(&w);
    } else {
        world_abandon(&w);
    }
}

/* All rows; a file's one test. */
static inline void rows_run(void) {
    uint32_t count = 0;

    for (const struct row *row = row_first; row != NULL; row = row->next) {
        row_run(row);
        count++;
    }
    printf("# %u rows\n", count);
    CHECK(count > 4);
}

#endif
