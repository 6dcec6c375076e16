/* SPDX-License-Identifier: MIT */
/*
 * test_api_calls.c - every public function called wrongly, third part: what a running call step may
 * do with its swarm_call, and what becomes of it when it does something else.
 */
#include "test.h"

#include "../swarm.h"

/* test_api.py finds here what is called wrongly:
 * REFUSES(swarm_call_plan) REFUSES(swarm_call_input) REFUSES(swarm_call_output)
 * REFUSES(swarm_call_cancelled) */

/* ---- inside a running call step */

/* What a step's function does, and what it found. */
struct inside {
    int64_t (*act)(struct inside *inside, const swarm_call *call);
    int64_t found;
    swarm_function nothing; /* does nothing and is OK */
    swarm_outcome outcome;  /* what the function returns */
    uint32_t times;
};

static swarm_outcome act_inside(void *context, const swarm_call *call, uint64_t *out_value) {
    struct inside *inside = context;

    inside->times++;
    *out_value = 7;
    inside->found = inside->act != NULL ? inside->act(inside, call) : 0;
    return inside->outcome;
}

static swarm_outcome do_nothing(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)call;
    (void)out_value;
    return SWARM_OUTCOME_OK;
}

enum { PLAIN = 0, TRACKED = 1, RANGE = 2 };

/* Runs one step of this kind whose function acts; the step's state and the run's report. */
static swarm_step_info act(struct inside *inside, uint32_t kind, bool growing,
                           swarm_run_report *out_report) {
    const swarm_run_spec spec = {.flags = growing ? SWARM_RUN_GROWING : 0};
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(),
                           .steps_max = 64,
                           .plans_max = 2};
    swarm_step_info info = {0};
    swarm_step step;
    swarm_plan *plan;
    swarm_run run;
    swarm *sw = NULL;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    const swarm_step_spec tracked = {.function = swarm_function_add(sw, "act", act_inside, inside)};
    inside->nothing = swarm_function_add(sw, "nothing", do_nothing, NULL);
    run = swarm_run_open(sw, &spec);
    plan = swarm_plan_open(sw, run);
    step = kind == TRACKED ? swarm_step_add(plan, &tracked)
           : kind == PLAIN ? swarm_call_add(plan, tracked.function, 5)
                           : swarm_range_add(plan, tracked.function, 5, 1);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_close(sw, run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_step_status(sw, step, &info), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(sw, run, out_report), SWARM_OK);
    CHECK_EQ(swarm_run_check(sw, run, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_forget(sw, run), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(inside->times, 1);
    return info;
}

static int64_t plan_twice(struct inside *inside, const swarm_call *call) {
    swarm_plan *plan = swarm_call_plan(call);

    CHECK(plan != NULL);
    CHECK(swarm_call_plan(call) == plan);
    CHECK(swarm_call_add(plan, inside->nothing, 1).id != 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID); /* its return does that */
    CHECK_EQ(swarm_plan_drop(plan), SWARM_E_INVALID);
    return 1;
}

static int64_t no_plan(struct inside *inside, const swarm_call *call) {
    (void)inside;
    CHECK(swarm_call_plan(NULL) == NULL);
    CHECK(swarm_call_plan(call) == NULL);
    CHECK(swarm_call_plan(call) == NULL);
    return 1;
}

/* Errors of a call's plan: an edge to itself; a continuation that is null, foreign, said twice. */
static int64_t bad_edge(struct inside *inside, const swarm_call *call) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step step = swarm_call_add(plan, inside->nothing, 1);

    return swarm_edge_add(plan, step, step, 0);
}

static int64_t null_continuation(struct inside *inside, const swarm_call *call) {
    (void)inside;
    return swarm_plan_continue(swarm_call_plan(call), (swarm_step){0});
}

static int64_t own_continuation(struct inside *inside, const swarm_call *call) {
    swarm_plan *plan = swarm_call_plan(call);

    CHECK(swarm_call_add(plan, inside->nothing, 1).id != 0);
    return swarm_plan_continue(plan, call->step);
}

static int64_t garbage_continuation(struct inside *inside, const swarm_call *call) {
    (void)inside;
    return swarm_plan_continue(swarm_call_plan(call), (swarm_step){UINT64_MAX});
}

static int64_t two_continuations(struct inside *inside, const swarm_call *call) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step step = swarm_call_add(plan, inside->nothing, 1);

    CHECK_EQ(swarm_plan_continue(plan, step), SWARM_OK);
    return swarm_plan_continue(plan, step);
}

static int64_t bad_spec(struct inside *inside, const swarm_call *call) {
    const swarm_step_spec spec = {.priority = 1000};

    (void)inside;
    return swarm_step_add(swarm_call_plan(call), &spec).id == 0;
}

static int64_t bad_output(struct inside *inside, const swarm_call *call) {
    const swarm_result confident = {.confidence_ppm = 1000001}, sized = {.size = 1};

    (void)inside;
    CHECK_EQ(swarm_call_output(NULL, &confident), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_output(call, NULL), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_output(call, &confident), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_output(call, &sized), SWARM_E_INVALID);
    return 1;
}

static int64_t plain_output(struct inside *inside, const swarm_call *call) {
    const swarm_result result = {.value = 9};

    (void)inside;
    return swarm_call_output(call, &result);
}

static int64_t good_output(struct inside *inside, const swarm_call *call) {
    const swarm_result first = {.value = 8}, second = {.value = 9, .confidence_ppm = 1000000};

    (void)inside;
    CHECK_EQ(swarm_call_output(call, &first), SWARM_OK);
    return swarm_call_output(call, &second); /* the last one counts */
}

static int64_t bad_input(struct inside *inside, const swarm_call *call) {
    swarm_result result = {.value = 77};

    (void)inside;
    CHECK_EQ(call->inputs, 0);
    CHECK_EQ(swarm_call_input(NULL, 0, &result), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_input(call, 0, NULL), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_input(call, 0, &result), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_input(call, UINT32_MAX, &result), SWARM_E_INVALID);
    CHECK(!swarm_call_cancelled(NULL));
    CHECK(!swarm_call_cancelled(call));
    return (int64_t)result.value;
}

static const struct {
    const char *what;
    int64_t (*act)(struct inside *, const swarm_call *);
    uint32_t kind;
    bool growing;
    swarm_outcome outcome; /* that the function returns */
    int64_t found;
    uint32_t state;
    swarm_outcome end;
    uint64_t steps;
} acts[] = {
    {"a plan", plan_twice, PLAIN, true, 0, 1, SWARM_STEP_OK, 0, 2},
    {"a plan, tracked", plan_twice, TRACKED, true, 0, 1, SWARM_STEP_OK, 0, 2},
    {"a plan of a step that fails", plan_twice, PLAIN, true, 1, 1, SWARM_STEP_FAILED, 1, 1},
    {"a plan of a tracked one", plan_twice, TRACKED, true, 1, 1, SWARM_STEP_FAILED, 1, 1},
    {"static", no_plan, PLAIN, false, 0, 1, SWARM_STEP_FAILED, 5, 1},
    {"static, tracked", no_plan, TRACKED, false, 0, 1, SWARM_STEP_FAILED, 5, 1},
    {"a range", no_plan, RANGE, true, 0, 1, SWARM_STEP_FAILED, 5, 1},
    {"bad edge", bad_edge, PLAIN, true, 0, SWARM_E_CYCLE, SWARM_STEP_FAILED, 5, 1},
    {"bad edge, tracked", bad_edge, TRACKED, true, 0, SWARM_E_CYCLE, SWARM_STEP_FAILED, 5, 1},
    {"bad spec", bad_spec, TRACKED, true, 0, 1, SWARM_STEP_FAILED, 5, 1},
    {"no continuation", null_continuation, TRACKED, true, 0, SWARM_E_INVALID, SWARM_STEP_FAILED, 5,
     1},
    {"itself", own_continuation, TRACKED, true, 0, SWARM_E_INVALID, SWARM_STEP_FAILED, 5, 1},
    {"garbage", garbage_continuation, TRACKED, true, 0, SWARM_E_STALE, SWARM_STEP_FAILED, 5, 1},
    {"two continuations", two_continuations, PLAIN, true, 0, SWARM_E_INVALID, SWARM_STEP_FAILED, 5,
     1},
    {"bad output", bad_output, TRACKED, false, 0, 1, SWARM_STEP_OK, 0, 1},
    {"output of a plain step", plain_output, PLAIN, false, 0, SWARM_E_UNSUPPORTED, SWARM_STEP_OK, 0,
     1},
    {"output", good_output, TRACKED, false, 0, SWARM_OK, SWARM_STEP_OK, 0, 1},
    {"bad input", bad_input, TRACKED, false, 0, 77, SWARM_STEP_OK, 0, 1},
    {"bad input, plain", bad_input, PLAIN, false, 0, 77, SWARM_STEP_OK, 0, 1},
    {"an unknown outcome", NULL, PLAIN, false, 11, 0, SWARM_STEP_FAILED, 5, 1},
    {"an unknown outcome, tracked", NULL, TRACKED, false, 11, 0, SWARM_STEP_FAILED, 5, 1},
    {"an absurd outcome", NULL, TRACKED, true, UINT32_MAX, 0, SWARM_STEP_FAILED, 5, 1},
    {"an absurd outcome, range", NULL, RANGE, true, UINT32_MAX, 0, SWARM_STEP_FAILED, 5, 1},
};

TEST(calls_in_a_step) {
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        struct inside inside = {.act = acts[i].act, .outcome = acts[i].outcome};
        swarm_run_report report = {0};
        swarm_step_info info = act(&inside, acts[i].kind, acts[i].growing, &report);

        if (inside.found != acts[i].found || info.state != acts[i].state ||
            info.outcome != acts[i].end || report.steps != acts[i].steps) {
            printf("# %s\n", acts[i].what);
        }
        CHECK_EQ(inside.found, acts[i].found);
        CHECK_EQ(info.state, acts[i].state);
        CHECK_EQ(info.outcome, acts[i].end);
        CHECK_EQ(report.steps, acts[i].steps);
        CHECK_EQ(report.ok + report.failed, acts[i].steps);
        CHECK(acts[i].act != good_output || info.result.value == 9);
    }
}

TEST_MAIN()
