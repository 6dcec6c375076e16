/* SPDX-License-Identifier: MIT */
/*
 * test_api_runs.c - every public function called wrongly, second part: runs, plans, steps, cancels;
 * and calls while a round waits for room in the log. Inside a call step: test_api_calls.c.
 */
#include "test_api.h"

/* ---- handles that name nothing */

/* Calls with each handle that is null, stale, foreign or garbage: the first answer that is not
 * STALE, or STALE. */
static int64_t each_bad(struct world *w, uint64_t good, uint64_t stale,
                        int64_t (*call)(struct world *, uint64_t)) {
    const uint64_t generation = UINT64_C(1) << 32;
    const uint64_t bad[] = {0,
                            1,
                            generation,
                            generation - 1,
                            UINT64_MAX,
                            UINT64_MAX - 1,
                            SWARM_ZERO,
                            stale,
                            stale + generation * 4,
                            good + generation,
                            good + generation * 2,
                            good - generation,
                            good ^ (UINT64_C(1) << 63),
                            good + 100,
                            good | 0x7fffffffu,
                            good | 0xfffffffeu,
                            good | 0xffffffffu};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        /* The first step of all is slot 0 in its first generation. */
        int64_t status = bad[i] == w->fixed_step.id ? SWARM_E_STALE : call(w, bad[i]);

        if (status != SWARM_E_STALE) {
            printf("# handle %" PRIx64 "\n", bad[i]);
            return status;
        }
    }
    return SWARM_E_STALE;
}

static int64_t each_run(struct world *w, int64_t (*call)(struct world *, uint64_t)) {
    return each_bad(w, w->run.id, w->gone.id, call);
}

static int64_t each_step(struct world *w, int64_t (*call)(struct world *, uint64_t)) {
    return each_bad(w, w->flying.id, w->lost.id, call);
}

#define OF_RUN(name, ...)                                                                          \
    static int64_t name(struct world *w, uint64_t id) {                                            \
        const swarm_run run = {id};                                                                \
        return (__VA_ARGS__);                                                                      \
    }                                                                                              \
    struct of_run_ends_with_a_semicolon
#define OF_STEP(name, ...)                                                                         \
    static int64_t name(struct world *w, uint64_t id) {                                            \
        const swarm_step step = {id};                                                              \
        return (__VA_ARGS__);                                                                      \
    }                                                                                              \
    struct of_step_ends_with_a_semicolon

/* ---- runs */

static int64_t open_run(struct world *w, swarm_run_spec spec) {
    return fault_of(w, swarm_run_open(w->sw, &spec).id);
}

#define OPEN(...) open_run(w, (swarm_run_spec){__VA_ARGS__})

static int64_t report_of(struct world *w, swarm_run run) {
    swarm_run_report report, untouched;
    swarm_status status;

    memset(&report, 0x5a, sizeof report);
    untouched = report;
    status = swarm_run_report_get(w->sw, run, &report);
    CHECK(status == SWARM_OK || memcmp(&report, &untouched, sizeof report) == 0);
    return status;
}

OF_RUN(close_run, swarm_run_close(w->sw, run));
OF_RUN(cancel_run, swarm_run_cancel(w->sw, run));
OF_RUN(again_run, swarm_run_again(w->sw, run));
OF_RUN(forget_run, swarm_run_forget(w->sw, run));
OF_RUN(limit_run, swarm_run_limits(w->sw, run, 1, 1));
OF_RUN(report_run, report_of(w, run));
OF_RUN(check_run, swarm_run_check(w->sw, run, &w->error));

REFUSES(swarm_run_open, "null swarm", 0, swarm_run_open(NULL, NULL).id);
REFUSES(swarm_run_open, "unknown order", SWARM_E_INVALID, OPEN(.order = SWARM_ORDER_SLACK + 1));
REFUSES(swarm_run_open, "order absurd", SWARM_E_INVALID, OPEN(.order = UINT32_MAX));
REFUSES(swarm_run_open, "unknown flag", SWARM_E_INVALID, OPEN(.flags = 4));
REFUSES(swarm_run_open, "flags absurd", SWARM_E_INVALID, OPEN(.flags = UINT32_MAX));
REFUSES(swarm_run_open, "key taken", SWARM_E_DUPLICATE, OPEN(.key = KEY));
GIVES(swarm_run_open, "extremes", 1,
      OPEN(.key = UINT64_MAX, .seed = UINT64_MAX, .steps_max = UINT64_MAX,
           .attempts_max = UINT64_MAX, .depth_max = UINT32_MAX, .inflight_max = UINT32_MAX));
AWAY(swarm_run_open, SWARM_OK, OPEN(.key = 1) == SWARM_E_BUSY ? 0 : 1);
REFUSES(swarm_run_close, "null swarm", SWARM_E_INVALID, swarm_run_close(NULL, w->run));
REFUSES(swarm_run_close, "each bad handle", SWARM_E_STALE, each_run(w, close_run));
REFUSES(swarm_run_close, "one that has ended", SWARM_OK, swarm_run_close(w->sw, w->fixed));
AWAY(swarm_run_close, SWARM_E_BUSY, swarm_run_close(w->sw, w->run));
GIVES(swarm_run_close, "twice", SWARM_OK,
      (swarm_run_close(w->sw, w->run), swarm_run_close(w->sw, w->run)));
REFUSES(swarm_run_cancel, "null swarm", SWARM_E_INVALID, swarm_run_cancel(NULL, w->run));
REFUSES(swarm_run_cancel, "each bad handle", SWARM_E_STALE, each_run(w, cancel_run));
GIVES(swarm_run_cancel, "one that has ended", SWARM_OK, swarm_run_cancel(w->sw, w->fixed));
GIVES(swarm_run_cancel, "twice", SWARM_OK,
      (swarm_run_cancel(w->sw, w->run), swarm_run_cancel(w->sw, w->run)));
REFUSES(swarm_run_again, "null swarm", SWARM_E_INVALID, swarm_run_again(NULL, w->fixed));
REFUSES(swarm_run_again, "each bad handle", SWARM_E_STALE, each_run(w, again_run));
REFUSES(swarm_run_again, "a growing run", SWARM_E_FROZEN, swarm_run_again(w->sw, w->run));
AWAY(swarm_run_again, SWARM_E_BUSY, swarm_run_again(w->sw, w->fixed));
GIVES(swarm_run_again, "twice", SWARM_E_BUSY,
      (swarm_run_again(w->sw, w->fixed), swarm_run_again(w->sw, w->fixed)));
REFUSES(swarm_run_forget, "null swarm", SWARM_E_INVALID, swarm_run_forget(NULL, w->fixed));
REFUSES(swarm_run_forget, "each bad handle", SWARM_E_STALE, each_run(w, forget_run));
REFUSES(swarm_run_forget, "one that goes on", SWARM_E_BUSY, swarm_run_forget(w->sw, w->run));
AWAY(swarm_run_forget, SWARM_E_BUSY, swarm_run_forget(w->sw, w->fixed));
GIVES(swarm_run_forget, "twice", SWARM_E_STALE,
      (swarm_run_forget(w->sw, w->fixed), swarm_run_forget(w->sw, w->fixed)));
REFUSES(swarm_run_limits, "null swarm", SWARM_E_INVALID, swarm_run_limits(NULL, w->run, 1, 1));
REFUSES(swarm_run_limits, "each bad handle", SWARM_E_STALE, each_run(w, limit_run));
AWAY(swarm_run_limits, SWARM_E_BUSY, swarm_run_limits(w->sw, w->run, 1, 1));
GIVES(swarm_run_limits, "below what was admitted", SWARM_OK, swarm_run_limits(w->sw, w->run, 1, 1));
REFUSES(swarm_run_find, "null swarm", 0, swarm_run_find(NULL, KEY).id);
REFUSES(swarm_run_find, "key 0", 0, swarm_run_find(w->sw, 0).id);
REFUSES(swarm_run_find, "no such key", 0, swarm_run_find(w->sw, UINT64_MAX).id);
AWAY(swarm_run_find, 0, swarm_run_find(w->sw, KEY).id);
REFUSES(swarm_run_report_get, "null swarm", SWARM_E_INVALID,
        swarm_run_report_get(NULL, w->run, &(swarm_run_report){0}));
REFUSES(swarm_run_report_get, "null result", SWARM_E_INVALID,
        swarm_run_report_get(w->sw, w->run, NULL));
REFUSES(swarm_run_report_get, "each bad handle", SWARM_E_STALE, each_run(w, report_run));
AWAY(swarm_run_report_get, SWARM_E_BUSY, report_of(w, w->run));
REFUSES(swarm_run_check, "null swarm", SWARM_E_INVALID, swarm_run_check(NULL, w->run, NULL));
REFUSES(swarm_run_check, "null error", SWARM_E_AGAIN, swarm_run_check(w->sw, w->run, NULL));
REFUSES(swarm_run_check, "each bad handle", SWARM_E_STALE, each_run(w, check_run));
AWAY(swarm_run_check, SWARM_E_BUSY, swarm_run_check(w->sw, w->run, NULL));

/* ---- plans. Each of these opens one, does something wrong, and returns what the commit says. */

static swarm_plan *plan_of(struct world *w) {
    return swarm_plan_open(w->sw, w->run);
}

static int64_t committed(struct world *w, swarm_plan *plan) {
    const swarm_error untouched = {.status = 77, .text = "untouched"};
    swarm_status status;

    w->error = untouched;
    status = swarm_plan_commit(plan, &w->error);
    CHECK(w->error.status == status && w->error.text != untouched.text && w->error.text != NULL);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID); /* it is gone */
    CHECK_EQ(swarm_plan_drop(plan), SWARM_E_INVALID);
    CHECK_EQ(swarm_edge_add(plan, w->done, w->waiting, 0), SWARM_E_INVALID);
    CHECK_EQ(swarm_step_add(plan, NULL).id, 0);
    return status;
}

static int64_t commit_of(struct world *w, uint64_t run) {
    swarm_plan *plan = swarm_plan_open(w->sw, (swarm_run){run});

    CHECK(plan != NULL);
    CHECK_EQ(swarm_step_add(plan, NULL).id, 0);
    CHECK_EQ(swarm_call_add(plan, w->function, 0).id, 0);
    CHECK_EQ(swarm_range_add(plan, w->function, 0, 1).id, 0);
    CHECK_EQ(swarm_edge_add(plan, w->done, w->waiting, 1), SWARM_E_STALE);
    CHECK_EQ(swarm_plan_continue(plan, w->waiting), SWARM_E_STALE);
    return committed(w, plan);
}

static int64_t drop_of(struct world *w, uint64_t run) {
    swarm_plan *plan = swarm_plan_open(w->sw, (swarm_run){run});

    CHECK(plan != NULL);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    return swarm_plan_drop(plan) == SWARM_E_INVALID ? SWARM_E_STALE : 1;
}

/* Whatever a plan held, dropping it leaves nothing. */
static int64_t dropped(struct world *w) {
    const swarm_need needs[] = {{w->permit, 1}};
    const swarm_step_spec spec = {
        .needs = needs, .needs_count = 1, .key = 99, .flags = SWARM_STEP_INPUTS};
    swarm_plan *plan = plan_of(w);
    swarm_step first = swarm_step_add(plan, &spec), second = swarm_step_add(plan, NULL);
    swarm_step third = swarm_range_add(plan, w->function, 1, 5);
    swarm_step_info info;

    CHECK_EQ(swarm_edge_add(plan, first, second, SECOND), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, w->flying, first, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, first, third, 0), SWARM_OK);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    CHECK_EQ(swarm_step_status(w->sw, first, &info), SWARM_E_STALE);
    CHECK_EQ(swarm_step_find(w->sw, w->run, 99).id, 0);
    return swarm_step_status(w->sw, third, &info);
}

static int64_t second_plan(struct world *w) {
    swarm_plan *first = plan_of(w), *second = plan_of(w);

    CHECK(first != NULL && second != NULL);
    return committed(w, second);
}

/* The error of an earlier chain is the first one, and the commit's. */
static int64_t chained_error(struct world *w) {
    const swarm_run_spec taken = {.key = KEY};
    swarm_plan *plan = swarm_plan_open(w->sw, swarm_run_open(w->sw, &taken));
    int64_t status = committed(w, plan);

    CHECK_EQ(swarm_fault(w->sw, NULL), SWARM_OK);
    return status;
}

static int64_t index_of_error(struct world *w) {
    swarm_plan *plan = plan_of(w);
    swarm_step first = swarm_step_add(plan, NULL), second = swarm_call_add(plan, w->function, 0);

    CHECK_EQ(swarm_edge_add(plan, first, second, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, second, second, 0), SWARM_E_CYCLE);
    CHECK_EQ(swarm_edge_add(plan, first, second, 0), SWARM_E_CYCLE);
    CHECK_EQ(committed(w, plan), SWARM_E_CYCLE);
    CHECK_EQ(w->error.step, 1);
    CHECK_EQ(w->error.other, 1);
    return w->error.index;
}

static int64_t cycle_of_three(struct world *w) {
    swarm_plan *plan = plan_of(w);
    swarm_step a = swarm_step_add(plan, NULL), b = swarm_step_add(plan, NULL);
    swarm_step c = swarm_step_add(plan, NULL);
    int64_t status;

    CHECK_EQ(swarm_edge_add(plan, a, b, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, b, c, 1), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, c, a, 0), SWARM_OK);
    status = committed(w, plan);
    CHECK(w->error.step < 3 && w->error.other < 3 && w->error.step != w->error.other);
    return status;
}

REFUSES(swarm_plan_open, "null swarm", 1, swarm_plan_open(NULL, w->run) == NULL);
REFUSES(swarm_plan_open, "each bad handle", SWARM_E_STALE, each_run(w, commit_of));
REFUSES(swarm_plan_open, "a run that has ended", SWARM_E_FROZEN,
        committed(w, swarm_plan_open(w->sw, w->fixed)));
REFUSES(swarm_plan_open, "a second one", SWARM_E_BUSY, second_plan(w));
REFUSES(swarm_plan_open, "after an error", SWARM_E_DUPLICATE, chained_error(w));
AWAY(swarm_plan_open, 1, swarm_plan_open(w->sw, w->run) == NULL);
REFUSES(swarm_plan_commit, "null", SWARM_E_INVALID, swarm_plan_commit(NULL, &w->error));
REFUSES(swarm_plan_commit, "null, and no place for the error", SWARM_E_INVALID,
        swarm_plan_commit(NULL, NULL));
REFUSES(swarm_plan_commit, "an empty plan", SWARM_OK, committed(w, plan_of(w)));
REFUSES(swarm_plan_commit, "the error's place", 3, index_of_error(w));
REFUSES(swarm_plan_commit, "a cycle", SWARM_E_CYCLE, cycle_of_three(w));
AWAY(swarm_plan_commit, SWARM_E_BUSY, swarm_plan_commit(w->plan, &w->error));
REFUSES(swarm_plan_drop, "null", SWARM_E_INVALID, swarm_plan_drop(NULL));
REFUSES(swarm_plan_drop, "of each bad handle", SWARM_E_STALE, each_run(w, drop_of));
REFUSES(swarm_plan_drop, "a full plan", SWARM_E_STALE, dropped(w));
AWAY(swarm_plan_drop, SWARM_E_BUSY, swarm_plan_drop(w->plan));
REFUSES(swarm_plan_continue, "null", SWARM_E_INVALID, swarm_plan_continue(NULL, w->waiting));
AWAY(swarm_plan_continue, SWARM_E_BUSY, swarm_plan_continue(w->plan, w->waiting));

static int64_t owner_continues(struct world *w) {
    swarm_plan *plan = plan_of(w);

    CHECK_EQ(swarm_plan_continue(plan, swarm_step_add(plan, NULL)), SWARM_E_INVALID);
    return committed(w, plan);
}

REFUSES(swarm_plan_continue, "the owner's plan", SWARM_E_INVALID, owner_continues(w));

/* A plan whose run is closed under it, and ends before the commit. */
static int64_t closed_under_plan(struct world *w, bool cancel, bool forget) {
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    swarm_run run = swarm_run_open(w->sw, &growing);
    swarm_plan *plan = swarm_plan_open(w->sw, run);
    swarm_run_report report;
    int64_t status;

    CHECK(swarm_step_add(plan, NULL).id != 0);
    CHECK_EQ(cancel ? swarm_run_cancel(w->sw, run) : swarm_run_close(w->sw, run), SWARM_OK);
    CHECK_EQ(swarm_advance(w->sw, 5, NULL), SWARM_OK);
    if (forget) {
        CHECK_EQ(swarm_run_forget(w->sw, run), SWARM_E_BUSY);
    }
    status = committed(w, plan);
    CHECK_EQ(swarm_run_report_get(w->sw, run, &report), SWARM_OK);
    CHECK_EQ(report.state, SWARM_RUN_ENDED);
    CHECK_EQ(report.steps, 0);
    CHECK_EQ(swarm_run_forget(w->sw, run), SWARM_OK);
    return status;
}

GIVES(swarm_plan_commit, "a run closed meanwhile", SWARM_E_FROZEN,
      closed_under_plan(w, false, false));
GIVES(swarm_plan_commit, "a run cancelled meanwhile", SWARM_E_FROZEN,
      closed_under_plan(w, true, false));
GIVES(swarm_run_forget, "its plan is open", SWARM_E_FROZEN, closed_under_plan(w, false, true));

/* ---- steps of a plan */

static int64_t add_step(struct world *w, swarm_step_spec spec) {
    swarm_plan *plan = plan_of(w);

    CHECK_EQ(swarm_step_add(plan, &spec).id, 0);
    return committed(w, plan);
}

#define ADD(...) add_step(w, (swarm_step_spec){__VA_ARGS__})

static int64_t add_need(struct world *w, uint64_t permit, uint64_t units, uint32_t count) {
    const swarm_need need = {{permit}, units};
    swarm_need needs[9];

    for (uint32_t i = 0; i < 9; i++) {
        needs[i] = need;
    }
    return ADD(.needs = needs, .needs_count = count);
}

static const char *const a_skill[] = {"a"};
static const char *const no_skill[] = {"a", NULL};

REFUSES(swarm_step_add, "null plan", 0, swarm_step_add(NULL, NULL).id);
REFUSES(swarm_step_add, "skills without names", SWARM_E_INVALID, ADD(.skills_count = 1));
REFUSES(swarm_step_add, "a null skill", SWARM_E_INVALID,
        ADD(.skills = no_skill, .skills_count = 2));
REFUSES(swarm_step_add, "needs without entries", SWARM_E_INVALID, ADD(.needs_count = 1));
REFUSES(swarm_step_add, "a size without payload", SWARM_E_INVALID, ADD(.payload_size = 1));
REFUSES(swarm_step_add, "nine needs", SWARM_E_INVALID, add_need(w, 1, 1, 9));
REFUSES(swarm_step_add, "needs_count absurd", SWARM_E_INVALID, add_need(w, 1, 1, UINT32_MAX));
REFUSES(swarm_step_add, "a permit twice", SWARM_E_INVALID, add_need(w, 1, 1, 2));
REFUSES(swarm_step_add, "no units", SWARM_E_INVALID, add_need(w, 1, 0, 1));
REFUSES(swarm_step_add, "units above the capacity", SWARM_E_INVALID, add_need(w, 1, 4, 1));
REFUSES(swarm_step_add, "units absurd", SWARM_E_INVALID, add_need(w, 1, UINT64_MAX, 1));
REFUSES(swarm_step_add, "null permit", SWARM_E_MISSING, add_need(w, 0, 1, 1));
REFUSES(swarm_step_add, "unknown permit", SWARM_E_MISSING, add_need(w, 2, 1, 1));
REFUSES(swarm_step_add, "garbage permit", SWARM_E_MISSING, add_need(w, UINT64_MAX, 1, 1));
REFUSES(swarm_step_add, "permit with a high bit", SWARM_E_MISSING,
        add_need(w, (UINT64_C(1) << 32) + 1, 1, 1));
REFUSES(swarm_step_add, "unknown agent", SWARM_E_STALE, ADD(.agent = {3}));
REFUSES(swarm_step_add, "garbage agent", SWARM_E_STALE, ADD(.agent = {UINT64_MAX}));
REFUSES(swarm_step_add, "agent with a high bit", SWARM_E_STALE,
        ADD(.agent = {(UINT64_C(1) << 32) + 1}));
REFUSES(swarm_step_add, "unknown function", SWARM_E_MISSING, ADD(.function = {2}));
REFUSES(swarm_step_add, "garbage function", SWARM_E_MISSING, ADD(.function = {UINT64_MAX}));
REFUSES(swarm_step_add, "priority 256", SWARM_E_INVALID, ADD(.priority = 256));
REFUSES(swarm_step_add, "priority absurd", SWARM_E_INVALID, ADD(.priority = UINT32_MAX));
REFUSES(swarm_step_add, "jitter above one", SWARM_E_INVALID, ADD(.retry = {.jitter_ppm = 1000001}));
REFUSES(swarm_step_add, "unknown flag", SWARM_E_INVALID, ADD(.flags = 8));
REFUSES(swarm_step_add, "flags absurd", SWARM_E_INVALID, ADD(.flags = UINT32_MAX));
REFUSES(swarm_step_add, "detached and kept", SWARM_E_INVALID,
        ADD(.flags = SWARM_STEP_DETACHED | SWARM_STEP_KEPT));
REFUSES(swarm_step_add, "a call step with skills", SWARM_E_INVALID,
        ADD(.function = w->function, .skills = a_skill, .skills_count = 1));
REFUSES(swarm_step_add, "a call step with an agent", SWARM_E_INVALID,
        ADD(.function = w->function, .agent = w->agent));
REFUSES(swarm_step_add, "a call step with a queue timeout", SWARM_E_INVALID,
        ADD(.function = w->function, .queue_timeout_ns = 1));
REFUSES(swarm_step_add, "a call step with a run timeout", SWARM_E_INVALID,
        ADD(.function = w->function, .run_timeout_ns = SWARM_NEVER));
REFUSES(swarm_step_add, "a call step with retries", SWARM_E_INVALID,
        ADD(.function = w->function, .retry = {.attempts_max = 1}));
AWAY(swarm_step_add, 0, swarm_step_add(w->plan, NULL).id);

/* A key that is taken is found by the commit. */
static int64_t same_key(struct world *w, uint64_t first, uint64_t second) {
    swarm_plan *plan = plan_of(w);
    const swarm_step_spec a = {.key = first}, b = {.key = second};

    CHECK(swarm_step_add(plan, &a).id != 0);
    CHECK(swarm_step_add(plan, &b).id != 0);
    CHECK_EQ(committed(w, plan), SWARM_E_DUPLICATE);
    CHECK_EQ(w->error.index, SWARM_NONE);
    CHECK_EQ(w->error.step, 1);
    CHECK_EQ(w->error.other, first == second ? 0 : SWARM_NEVER);
    return w->error.status;
}

REFUSES(swarm_step_add, "a key of the run", SWARM_E_DUPLICATE, same_key(w, 5, KEY));
REFUSES(swarm_step_add, "a key of the plan", SWARM_E_DUPLICATE, same_key(w, 5, 5));

static int64_t add_call(struct world *w, uint64_t function) {
    swarm_plan *plan = plan_of(w);

    CHECK_EQ(swarm_call_add(plan, (swarm_function){function}, 0).id, 0);
    return committed(w, plan);
}

static int64_t add_range(struct world *w, uint64_t function, uint64_t first, uint64_t count) {
    swarm_plan *plan = plan_of(w);

    CHECK_EQ(swarm_range_add(plan, (swarm_function){function}, first, count).id, 0);
    return committed(w, plan);
}

REFUSES(swarm_call_add, "null plan", 0, swarm_call_add(NULL, w->function, 0).id);
REFUSES(swarm_call_add, "null function", SWARM_E_MISSING, add_call(w, 0));
REFUSES(swarm_call_add, "unknown function", SWARM_E_MISSING, add_call(w, 2));
REFUSES(swarm_call_add, "garbage function", SWARM_E_MISSING, add_call(w, UINT64_MAX));
REFUSES(swarm_call_add, "function with a high bit", SWARM_E_MISSING,
        add_call(w, (UINT64_C(1) << 32) + 1));
AWAY(swarm_call_add, 0, swarm_call_add(w->plan, w->function, 0).id);
REFUSES(swarm_range_add, "null plan", 0, swarm_range_add(NULL, w->function, 0, 1).id);
REFUSES(swarm_range_add, "null function", SWARM_E_MISSING, add_range(w, 0, 0, 1));
REFUSES(swarm_range_add, "garbage function", SWARM_E_MISSING, add_range(w, UINT64_MAX, 0, 1));
REFUSES(swarm_range_add, "count absurd", SWARM_E_INVALID, add_range(w, 1, 0, UINT64_MAX));
REFUSES(swarm_range_add, "ends past 2^64", SWARM_E_INVALID, add_range(w, 1, UINT64_MAX, 2));
AWAY(swarm_range_add, 0, swarm_range_add(w->plan, w->function, 0, 1).id);

/* An empty range is a step that has nothing to do and ends OK. */
static int64_t empty_range(struct world *w) {
    swarm_plan *plan = plan_of(w);
    swarm_step step = swarm_range_add(plan, w->function, UINT64_MAX, 0);
    swarm_step_info info = {0};
    uint64_t ran = w->ran;

    CHECK_EQ(committed(w, plan), SWARM_OK);
    world_pass(w, 5);
    CHECK_EQ(swarm_step_status(w->sw, step, &info), SWARM_OK);
    CHECK_EQ(w->ran, ran);
    CHECK_EQ(info.result.value, 0);
    return info.state;
}

GIVES(swarm_range_add, "count 0", SWARM_STEP_OK, empty_range(w));

/* ---- edges */

/* An edge between two handles; 1 stands for a new step of the plan, 2 for another one. */
static int64_t add_edge(struct world *w, uint64_t from, uint64_t to, uint64_t delay_ns) {
    swarm_plan *plan = plan_of(w);
    swarm_step steps[3] = {{0}, swarm_step_add(plan, NULL), swarm_call_add(plan, w->function, 0)};
    swarm_step a = {from}, b = {to};
    int64_t status;

    a = from == 1 || from == 2 ? steps[from] : a;
    b = to == 1 || to == 2 ? steps[to] : b;
    status = swarm_edge_add(plan, a, b, delay_ns);
    CHECK(status < 0);
    CHECK_EQ(committed(w, plan), status);
    return status;
}

static int64_t edge_from(struct world *w, uint64_t id) {
    return id == 0 || id == 1 ? SWARM_E_STALE : add_edge(w, id, 1, 0);
}

static int64_t edge_to(struct world *w, uint64_t id) {
    return id == 0 || id == 1 ? SWARM_E_STALE : add_edge(w, 1, id, 0);
}

static int64_t delayed_from(struct world *w, uint64_t id) {
    return id == 0 || id == 1 ? SWARM_E_STALE : add_edge(w, id, 1, 5);
}

static int64_t add_rules(struct world *w, uint64_t from, uint64_t to, uint32_t kind) {
    swarm_plan *plan = plan_of(w);
    swarm_step step = swarm_step_add(plan, NULL);
    const swarm_edge_spec spec = {.kind = kind};
    int64_t status = swarm_edge_add_with(plan, from == 1 ? step : (swarm_step){from},
                                         to == 1 ? step : (swarm_step){to}, &spec);

    CHECK(status < 0);
    CHECK_EQ(committed(w, plan), status);
    return status;
}

static int64_t rules_from(struct world *w, uint64_t id) {
    return id == 0 || id == 1 ? SWARM_E_STALE : add_rules(w, id, 1, SWARM_EDGE_SOFT);
}

static int64_t rules_to(struct world *w, uint64_t id) {
    return id == 0 || id == 1 ? SWARM_E_STALE : add_rules(w, 1, id, SWARM_EDGE_SOFT);
}

REFUSES(swarm_edge_add_with, "null plan", SWARM_E_INVALID,
        swarm_edge_add_with(NULL, w->done, w->flying, NULL));
REFUSES(swarm_edge_add_with, "from each bad handle", SWARM_E_STALE, each_step(w, rules_from));
REFUSES(swarm_edge_add_with, "to each bad handle", SWARM_E_STALE, each_step(w, rules_to));
REFUSES(swarm_edge_add_with, "an unknown kind", SWARM_E_INVALID, add_rules(w, 1, 1, 3));
REFUSES(swarm_edge_add_with, "to itself", SWARM_E_CYCLE, add_rules(w, 1, 1, SWARM_EDGE_SOFT));
REFUSES(swarm_edge_add, "null plan", SWARM_E_INVALID, swarm_edge_add(NULL, w->done, w->flying, 0));
REFUSES(swarm_edge_add, "from null", SWARM_E_INVALID, add_edge(w, 0, 1, 0));
REFUSES(swarm_edge_add, "to null", SWARM_E_INVALID, add_edge(w, 1, 0, 0));
REFUSES(swarm_edge_add, "from null, delayed", SWARM_E_INVALID, add_edge(w, 0, 1, 5));
REFUSES(swarm_edge_add, "to null, delayed", SWARM_E_INVALID, add_edge(w, 1, 0, SWARM_ZERO));
REFUSES(swarm_edge_add, "from each bad handle", SWARM_E_STALE, each_step(w, edge_from));
REFUSES(swarm_edge_add, "to each bad handle", SWARM_E_STALE, each_step(w, edge_to));
REFUSES(swarm_edge_add, "from each bad handle, delayed", SWARM_E_STALE, each_step(w, delayed_from));
REFUSES(swarm_edge_add, "to itself", SWARM_E_CYCLE, add_edge(w, 1, 1, 0));
REFUSES(swarm_edge_add, "to itself, delayed", SWARM_E_CYCLE, add_edge(w, 1, 1, 1));
REFUSES(swarm_edge_add, "into a waiting step", SWARM_E_FROZEN, add_edge(w, 1, w->waiting.id, 0));
REFUSES(swarm_edge_add, "into a running step", SWARM_E_FROZEN, add_edge(w, 1, w->flying.id, 0));
REFUSES(swarm_edge_add, "into an ended step", SWARM_E_STARTED, add_edge(w, 1, w->done.id, 0));
REFUSES(swarm_edge_add, "from another run", SWARM_E_INVALID, add_edge(w, w->fixed_step.id, 1, 0));
REFUSES(swarm_edge_add, "a delay from a plain step", SWARM_E_INVALID, add_edge(w, 2, 1, 1));
REFUSES(swarm_edge_add, "a delay to a plain step", SWARM_E_INVALID, add_edge(w, 1, 2, SWARM_NEVER));
REFUSES(swarm_edge_add, "a delay from an older plain step", SWARM_E_INVALID,
        add_edge(w, w->plain.id, 1, 1));
AWAY(swarm_edge_add, SWARM_E_BUSY, swarm_edge_add(w->plan, w->done, w->waiting, 0));

/* ---- steps from outside */

static int64_t status_of(struct world *w, swarm_step step) {
    swarm_step_info info, untouched;
    swarm_status status;

    memset(&info, 0x5a, sizeof info);
    untouched = info;
    status = swarm_step_status(w->sw, step, &info);
    CHECK(status == SWARM_OK || memcmp(&info, &untouched, sizeof info) == 0);
    return status;
}

static int64_t input_of(struct world *w, swarm_step step, uint32_t index) {
    swarm_result result = {.value = 77};
    swarm_status status = swarm_input(w->sw, step, index, &result);

    CHECK(status == SWARM_OK || result.value == 77);
    return status;
}

OF_STEP(status_step, status_of(w, step));
OF_STEP(forget_step, swarm_step_forget(w->sw, step));
OF_STEP(skip_step, swarm_step_skip(w->sw, step));
OF_STEP(input_step, input_of(w, step, 0));
OF_STEP(cancel_step, swarm_step_cancel(w->sw, step));
OF_STEP(cancel_subtree, swarm_subtree_cancel(w->sw, step));

REFUSES(swarm_step_status, "null swarm", SWARM_E_INVALID,
        swarm_step_status(NULL, w->done, &(swarm_step_info){0}));
REFUSES(swarm_step_status, "null result", SWARM_E_INVALID, swarm_step_status(w->sw, w->done, NULL));
REFUSES(swarm_step_status, "each bad handle", SWARM_E_STALE, each_step(w, status_step));
AWAY(swarm_step_status, SWARM_E_BUSY, status_of(w, w->done));
REFUSES(swarm_step_find, "null swarm", 0, swarm_step_find(NULL, w->run, KEY).id);
REFUSES(swarm_step_find, "stale run", 0, swarm_step_find(w->sw, w->gone, KEY).id);
REFUSES(swarm_step_find, "another run", 0, swarm_step_find(w->sw, w->fixed, KEY).id);
REFUSES(swarm_step_find, "key 0", 0, swarm_step_find(w->sw, w->run, 0).id);
AWAY(swarm_step_find, 0, swarm_step_find(w->sw, w->run, KEY).id);
REFUSES(swarm_step_skip, "null swarm", SWARM_E_INVALID, swarm_step_skip(NULL, w->waiting));
REFUSES(swarm_step_skip, "each bad handle", SWARM_E_STALE, each_step(w, skip_step));
REFUSES(swarm_step_skip, "an ended step", SWARM_E_STARTED, swarm_step_skip(w->sw, w->done));
REFUSES(swarm_step_skip, "a plain step", SWARM_E_INVALID, swarm_step_skip(w->sw, w->plain));
AWAY(swarm_step_skip, SWARM_E_BUSY, swarm_step_skip(w->sw, w->waiting));
REFUSES(swarm_step_forget, "null swarm", SWARM_E_INVALID, swarm_step_forget(NULL, w->done));
REFUSES(swarm_step_forget, "each bad handle", SWARM_E_STALE, each_step(w, forget_step));
REFUSES(swarm_step_forget, "a static run", SWARM_E_FROZEN, swarm_step_forget(w->sw, w->fixed_step));
AWAY(swarm_step_forget, SWARM_E_BUSY, swarm_step_forget(w->sw, w->done));
GIVES(swarm_step_forget, "twice", SWARM_E_STALE,
      (swarm_step_forget(w->sw, w->waiting), swarm_step_forget(w->sw, w->waiting)));
REFUSES(swarm_input, "null swarm", SWARM_E_INVALID,
        swarm_input(NULL, w->flying, 0, &(swarm_result){0}));
REFUSES(swarm_input, "null result", SWARM_E_INVALID, swarm_input(w->sw, w->flying, 0, NULL));
REFUSES(swarm_input, "index out of range", SWARM_E_INVALID, input_of(w, w->flying, 0));
REFUSES(swarm_input, "index absurd", SWARM_E_INVALID, input_of(w, w->flying, UINT32_MAX));
REFUSES(swarm_input, "a plain step", SWARM_E_INVALID, input_of(w, w->plain, 0));
REFUSES(swarm_input, "each bad handle", SWARM_E_STALE, each_step(w, input_step));
REFUSES(swarm_step_cancel, "null swarm", SWARM_E_INVALID, swarm_step_cancel(NULL, w->waiting));
REFUSES(swarm_step_cancel, "each bad handle", SWARM_E_STALE, each_step(w, cancel_step));
GIVES(swarm_step_cancel, "one that has ended", SWARM_OK, swarm_step_cancel(w->sw, w->done));
REFUSES(swarm_subtree_cancel, "null swarm", SWARM_E_INVALID,
        swarm_subtree_cancel(NULL, w->waiting));
REFUSES(swarm_subtree_cancel, "each bad handle", SWARM_E_STALE, each_step(w, cancel_subtree));

/* What has ended stays as it is: after all cancels of ended things the report is the same. */
static int64_t cancel_what_ended(struct world *w) {
    swarm_run_report before, after;

    CHECK_EQ(swarm_run_report_get(w->sw, w->fixed, &before), SWARM_OK);
    CHECK_EQ(swarm_run_cancel(w->sw, w->fixed), SWARM_OK);
    CHECK_EQ(swarm_step_cancel(w->sw, w->fixed_step), SWARM_OK);
    CHECK_EQ(swarm_subtree_cancel(w->sw, w->fixed_step), SWARM_OK);
    CHECK_EQ(swarm_advance(w->sw, 5, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(w->sw, w->fixed, &after), SWARM_OK);
    CHECK_EQ(after.ok, before.ok);
    CHECK_EQ(after.cancelled, before.cancelled);
    return after.state;
}

GIVES(swarm_subtree_cancel, "what has ended", SWARM_RUN_ENDED, cancel_what_ended(w));

/* A step of a plan that is not applied yet is of no run: calls from outside don't know it. */
static int64_t step_of_open_plan(struct world *w, bool is_static, bool is_plain) {
    swarm_run run = is_static ? swarm_run_open(w->sw, NULL) : w->run;
    swarm_plan *plan = swarm_plan_open(w->sw, run);
    swarm_step step = is_plain ? swarm_call_add(plan, w->function, 0) : swarm_step_add(plan, NULL);
    swarm_stats before, after;
    swarm_run_report report;

    (void)log_empty(w->sw);
    CHECK_EQ(swarm_stats_get(w->sw, &before), SWARM_OK);
    CHECK(step.id != 0);
    CHECK_EQ(swarm_step_cancel(w->sw, step), SWARM_E_STALE);
    CHECK_EQ(swarm_subtree_cancel(w->sw, step), SWARM_E_STALE);
    CHECK_EQ(swarm_input(w->sw, step, 0, &(swarm_result){0}), SWARM_E_STALE);
    CHECK_EQ(swarm_step_forget(w->sw, step), SWARM_E_STALE);
    CHECK_EQ(swarm_advance(w->sw, 4, NULL), SWARM_OK);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    CHECK_EQ(swarm_advance(w->sw, 4, NULL), SWARM_OK);
    CHECK_EQ(swarm_stats_get(w->sw, &after), SWARM_OK);
    CHECK_EQ(after.steps_live, before.steps_live);
    CHECK_EQ(swarm_run_report_get(w->sw, run, &report), SWARM_OK);
    CHECK_EQ(report.cancelled, 0);
    CHECK_EQ(log_empty(w->sw), 0);
    return 0;
}

GIVES(swarm_step_cancel, "of an open plan", 0, step_of_open_plan(w, false, false));
GIVES(swarm_step_cancel, "of an open plan, static", 0, step_of_open_plan(w, true, false));
GIVES(swarm_step_cancel, "of an open plan, plain", 0, step_of_open_plan(w, false, true));
GIVES(swarm_step_cancel, "of an open plan, static and plain", 0, step_of_open_plan(w, true, true));

TEST(calls_that_are_wrong) {
    rows_run();
}

/* ---- while a round waits for room in the log: the log is as if the ring had been large */

static int64_t midround_open(struct world *w) {
    return OPEN(.key = 9);
}
static int64_t midround_close(struct world *w) {
    return swarm_run_close(w->sw, w->run);
}
static int64_t midround_again(struct world *w) {
    return swarm_run_again(w->sw, w->fixed);
}
static int64_t midround_forget(struct world *w) {
    return swarm_run_forget(w->sw, w->fixed);
}
static int64_t midround_limits(struct world *w) {
    return limit_run(w, w->run.id);
}
static int64_t midround_drain_and_free(struct world *w) {
    return swarm_free(w->sw);
}

static int64_t midround_commit(struct world *w) {
    swarm_plan *plan = plan_of(w);
    swarm_status status;

    CHECK(swarm_step_add(plan, NULL).id != 0);
    status = swarm_plan_commit(plan, &w->error);
    CHECK_EQ(w->error.status, status);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK); /* AGAIN kept it */
    return status;
}

static int64_t midround_take(struct world *w) {
    return swarm_take(w->sw, &(swarm_request){0}, 1);
}

static const struct {
    const char *what;
    int64_t (*call)(struct world *);
    int64_t want;
} midround[] = {
    {"open", midround_open, SWARM_E_AGAIN},
    {"close", midround_close, SWARM_E_AGAIN},
    {"again", midround_again, SWARM_E_AGAIN},
    {"forget", midround_forget, SWARM_E_BUSY},
    {"limits", midround_limits, SWARM_E_AGAIN},
    {"commit", midround_commit, SWARM_E_AGAIN},
    {"take", midround_take, 0},
    {"free", midround_drain_and_free, SWARM_E_BUSY},
};

/* Fills the ring by calls of the owner, then begins a round that has to wait. */
static void wait_for_room(struct world *w) {
    swarm_status status = SWARM_OK;

    for (uint32_t i = 0; status == SWARM_OK && i < 10000; i++) {
        status = swarm_run_limits(w->sw, w->run, 1000 + i, 0);
    }
    CHECK_EQ(status, SWARM_E_AGAIN);
    answer_open(w);
    CHECK_EQ(swarm_advance(w->sw, 50, NULL), SWARM_E_AGAIN);
    CHECK_EQ(swarm_advance(w->sw, 60, NULL), SWARM_E_AGAIN);
    CHECK_EQ(swarm_next_deadline(w->sw), 0);
}

TEST(calls_while_a_round_waits) {
    for (uint32_t read_first = 0; read_first < 2; read_first++) {
        for (size_t i = 0; i < sizeof midround / sizeof midround[0]; i++) {
            struct picture before, after;
            swarm_run_report report;
            struct world w;
            int64_t result;

            memset(&before, 0, sizeof before);
            memset(&after, 0, sizeof after);
            world_make(&w, 8192);
            wait_for_room(&w);
            if (read_first != 0) {
                CHECK(log_empty(w.sw) > 4096);
            }
            CHECK_EQ(swarm_run_report_get(w.sw, w.run, &before.reports[0]), SWARM_OK);
            result = midround[i].call(&w);
            CHECK_EQ(swarm_run_report_get(w.sw, w.run, &after.reports[0]), SWARM_OK);
            if (result != midround[i].want) {
                printf("# %s: %" PRId64 "\n", midround[i].what, result);
            }
            CHECK_EQ(result, midround[i].want);
            CHECK(memcmp(&before.reports[0], &after.reports[0], sizeof report) == 0);
            (void)log_empty(w.sw);
            CHECK_EQ(swarm_advance(w.sw, 70, NULL), SWARM_OK);
            CHECK_EQ(swarm_run_report_get(w.sw, w.run, &report), SWARM_OK);
            CHECK_EQ(report.end_ns, 50); /* the round went on at its own time */
            world_abandon(&w);
        }
    }
}

TEST_MAIN()
