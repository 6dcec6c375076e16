/* SPDX-License-Identifier: MIT */
/*
 * test_spawn.c - what call steps may add: not a task that is being delegated above them, and not
 * more, and not faster, than the run allows (M33).
 */
#include "crew.h"
#include "test_events.h"

static const char *const skills[] = {"lead"};

/* Who hands what to whom: the n-th level adds an agent step with this task, and expands it. */
static const uint64_t *tasks;
static uint32_t levels, with_skill; /* bit n: the n-th level requires a skill */
static bool reads_nothing, siblings;
static swarm_function expand_function;

static swarm_step agent_add(swarm_plan *plan, uint32_t level) {
    swarm_step_spec spec = {.task = tasks[level]};

    if ((with_skill >> level & 1u) != 0) {
        spec.skills = skills;
        spec.skills_count = 1;
    }
    return swarm_step_add(plan, &spec);
}

static void level_add(swarm_plan *plan, uint32_t level, swarm_step *out_expand) {
    swarm_step agent = agent_add(plan, level);
    swarm_step_spec spec = {.function = expand_function,
                            .argument = level + 1,
                            .flags = reads_nothing ? 0 : SWARM_STEP_INPUTS};

    if (siblings) {
        (void)agent_add(plan, level);
    }
    *out_expand = swarm_step_add(plan, &spec);
    (void)swarm_edge_add(plan, agent, *out_expand, 0);
}

static swarm_outcome expand(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_step next;

    (void)context;
    (void)out_value;
    if (call->argument < levels) {
        level_add(swarm_call_plan(call), (uint32_t)call->argument, &next);
    }
    return SWARM_OUTCOME_OK;
}

/* Plays the levels to their end; how the first call step whose plan was refused has put it. */
static struct rig *delegate(const uint64_t *of_levels, uint32_t count, swarm_run *out_run) {
    struct rig *rig = rig_new(NULL, 2);
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING};
    swarm_profile_spec leader = {
        .name = "leader", .backend = rig->backend, .skills = skills, .skills_count = 1};
    swarm_plan *plan;
    swarm_step first;

    tasks = of_levels;
    levels = count;
    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &leader), 1).id != 0);
    expand_function = swarm_function_add(rig->sw, "expand", expand, NULL);
    plan = rig_plan(rig, &spec, out_run);
    level_add(plan, 0, &first);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, *out_run), SWARM_OK);
    rig_at(rig, 0);
    rig_finish(rig);
    rig_check_run(rig, *out_run);
    return rig;
}

static uint32_t refusals(const struct rig *rig) {
    return event_count(rig, SWARM_EVENT_REFUSE, SWARM_NEVER);
}

static void end(struct rig *rig, swarm_run run) {
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
    with_skill = 0;
    reads_nothing = false;
    siblings = false;
}

TEST(two_who_hand_each_other_the_same_task_are_stopped) {
    static const uint64_t circle[] = {7, 8, 7, 8, 7, 8};
    swarm_run run;
    struct rig *rig = delegate(circle, 6, &run);
    swarm_event event;

    CHECK_EQ(refusals(rig), 1);
    event = event_last(rig, SWARM_EVENT_REFUSE, SWARM_NEVER);
    CHECK_EQ(event.field[0], (uint64_t)-SWARM_E_CYCLE);
    CHECK_EQ(event.field[1], 1); /* the first step of the plan */
    CHECK_EQ(event.field[2], 7);
    CHECK_EQ(event.step, 3);                          /* the call step that expanded 8 */
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2); /* 7 and 8, once each */
    CHECK_EQ(rig_report(rig, run).failed, 1);
    end(rig, run);
}

TEST(it_is_seen_however_long_the_way_is_and_whoever_has_been_let_go_of) {
    static const uint64_t way[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 1};
    swarm_run run;
    struct rig *rig = delegate(way, 14, &run);

    CHECK_EQ(refusals(rig), 1);
    CHECK_EQ(event_last(rig, SWARM_EVENT_REFUSE, SWARM_NEVER).field[2], 1);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 13);
    end(rig, run);
}

TEST(to_hand_on_ones_own_task_is_a_circle_too) {
    static const uint64_t same[] = {7, 7};
    swarm_run run;
    struct rig *rig = delegate(same, 2, &run);

    CHECK_EQ(refusals(rig), 1);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    end(rig, run);
}

TEST(another_task_other_requirements_and_no_task_are_legal) {
    static const uint64_t others[] = {7, 8, 9, 10}, again[] = {7, 8, 7}, none[] = {0, 0, 0};
    swarm_run run;
    struct rig *rig = delegate(others, 4, &run);

    CHECK_EQ(refusals(rig), 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 4);
    end(rig, run);
    with_skill = 4; /* the third is for a leader */
    rig = delegate(again, 3, &run);
    CHECK_EQ(refusals(rig), 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 3);
    end(rig, run);
    rig = delegate(none, 3, &run);
    CHECK_EQ(refusals(rig), 0);
    end(rig, run);
}

TEST(side_by_side_and_unread_is_not_on_the_way) {
    static const uint64_t way[] = {7, 8}, circle[] = {7, 8, 7};
    swarm_run run;
    struct rig *rig;

    siblings = true; /* two with task 8 in one plan */
    rig = delegate(way, 2, &run);
    CHECK_EQ(refusals(rig), 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 4);
    end(rig, run);
    reads_nothing = true; /* who reads nothing expands nothing */
    rig = delegate(circle, 3, &run);
    CHECK_EQ(refusals(rig), 0);
    end(rig, run);
}

/* ---- recovery */

static swarm_outcome same_again(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.task = 7});

    (void)context;
    (void)out_value;
    (void)swarm_plan_continue(plan, step);
    return SWARM_OUTCOME_OK;
}

TEST(a_step_is_not_split_into_itself) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING};
    swarm_recovery_spec recovery = {.split = swarm_function_add(rig->sw, "same", same_again, NULL),
                                    .flags = SWARM_RECOVERY_ENDS_VALUE,
                                    .value = 5};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.task = 8, .recovery = &recovery});

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_GARBAGE);
    CHECK_EQ(refusals(rig), 0); /* 8 into 7 */
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    plan = swarm_plan_open(rig->sw, run);
    recovery.flags = 0; /* so that both require the same */
    step = swarm_step_add(plan, &(swarm_step_spec){.task = 7, .recovery = &recovery});
    rig_commit(plan);
    rig_settle(rig);
    rig_answer(rig, 2, SWARM_OUTCOME_GARBAGE);
    CHECK_EQ(refusals(rig), 1);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    end(rig, run);
}

/* ---- growth */

/* Adds as many agent steps as its argument says. */
static swarm_outcome grow(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    for (uint64_t i = 0; i < call->argument; i++) {
        (void)swarm_step_add(swarm_call_plan(call), NULL);
    }
    return SWARM_OUTCOME_OK;
}

static struct rig *growing(const swarm_spawn_spec *spawn, swarm_run *out_run) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_run_spec spec = {.key = 3, .flags = SWARM_RUN_GROWING, .spawn = spawn};

    expand_function = swarm_function_add(rig->sw, "grow", grow, NULL);
    *out_run = swarm_run_open(rig->sw, &spec);
    CHECK(out_run->id != 0);
    return rig;
}

static swarm_step grow_by(struct rig *rig, swarm_run run, uint64_t count) {
    swarm_plan *plan = swarm_plan_open(rig->sw, run);
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.function = expand_function, .argument = count});

    rig_commit(plan);
    rig_settle(rig);
    return step;
}

TEST(call_steps_add_only_so_fast) {
    const swarm_spawn_spec spawn = {.steps = 10, .period_ns = 100, .burst = 5};
    static unsigned char log[RIG_LOG];
    swarm_run run;
    struct rig *rig = growing(&spawn, &run);
    swarm_step refused;
    swarm_run_report before;
    size_t size;

    CHECK_EQ(rig_state(rig, grow_by(rig, run, 3)), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, grow_by(rig, run, 2)), SWARM_STEP_OK);
    refused = grow_by(rig, run, 1);
    CHECK_EQ(rig_state(rig, refused), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, refused).plan_status, SWARM_E_LIMIT);
    CHECK_EQ(event_last(rig, SWARM_EVENT_REFUSE, SWARM_NEVER).field[0], (uint64_t)-SWARM_E_LIMIT);
    CHECK_EQ(event_last(rig, SWARM_EVENT_REFUSE, SWARM_NEVER).field[2], 1);
    rig_at(rig, 10); /* one has flowed in */
    CHECK_EQ(rig_state(rig, grow_by(rig, run, 1)), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, grow_by(rig, run, 1)), SWARM_STEP_FAILED);
    rig_at(rig, 1000);
    CHECK_EQ(rig_state(rig, grow_by(rig, run, 6)), SWARM_STEP_FAILED); /* more than the burst */
    CHECK_EQ(rig_state(rig, grow_by(rig, run, 5)), SWARM_STEP_OK);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_finish(rig);
    CHECK_EQ(rig_report(rig, run).steps, 7 + 3 + 2 + 1 + 5);
    before = rig_report(rig, run);
    size = rig->log_size;
    memcpy(log, rig->log, size);
    end(rig, run);
    rig = rig_new(NULL, 1); /* the log says what was refused, and why */
    expand_function = swarm_function_add(rig->sw, "grow", grow, NULL);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_RESUME, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, NULL), SWARM_OK);
    run = swarm_run_find(rig->sw, 3);
    CHECK_EQ(rig_report(rig, run).hash[0], before.hash[0]);
    CHECK_EQ(rig_report(rig, run).failed, 3);
    end(rig, run);
}

TEST(the_owner_may_add_as_fast_as_he_likes) {
    const swarm_spawn_spec spawn = {.steps = 1};
    swarm_run run;
    struct rig *rig = growing(&spawn, &run);
    swarm_plan *plan = swarm_plan_open(rig->sw, run);

    for (uint32_t i = 0; i < 100; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_finish(rig);
    end(rig, run);
}

TEST(bad_spawns_are_refused) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_spawn_spec none = {.period_ns = 5}, huge = {.steps = 7, .burst = UINT64_MAX},
                           zero = {.steps = 7, .period_ns = SWARM_ZERO}, good = {.steps = 1};
    const struct {
        swarm_run_spec spec;
        swarm_status status;
    } rows[] = {
        {{.flags = SWARM_RUN_GROWING, .spawn = &none}, SWARM_E_INVALID},
        {{.flags = SWARM_RUN_GROWING, .spawn = &huge}, SWARM_E_OVERFLOW},
        {{.flags = SWARM_RUN_GROWING, .spawn = &zero}, SWARM_E_OVERFLOW},
        {{.spawn = &good}, SWARM_E_INVALID},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_EQ(swarm_run_open(rig->sw, &rows[i].spec).id, 0);
        CHECK_EQ(swarm_fault(rig->sw, NULL), rows[i].status);
    }
    rig_free(rig);
}

/* Steps behind one that is stuck, which a worker links while the turn looks. */
#define ADDERS 100u
#define ADDED 40u

static struct rig *shared;
static swarm_step stuck;
static swarm_function counted;
static atomic_u32 calls, adds, over;

static swarm_outcome count(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)call;
    (void)out_value;
    (void)ATOMIC_ADD(&calls, 1, relaxed);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome add(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_plan *plan = swarm_call_plan(call);

    (void)context;
    (void)out_value;
    for (uint32_t i = 0; i < ADDED; i++) {
        (void)swarm_edge_add(plan, stuck, swarm_call_add(plan, counted, i), 0);
    }
    (void)ATOMIC_ADD(&adds, 1, relaxed);
    return SWARM_OUTCOME_OK;
}

static void look_and_link(void *context, uint32_t member) {
    struct rig *rig = shared;
    bool changed;

    (void)context;
    while (member == 1 && ATOMIC_LOAD(&over, relaxed) == 0) {
        (void)swarm_work(rig->sw, 1, 1);
    }
    while (member == 0 && ATOMIC_LOAD(&adds, relaxed) != ADDERS) {
        (void)swarm_progress(rig->sw, rig_start_of(rig, 1)->attempt, 1, 0, 0);
        CHECK_EQ(swarm_advance(rig->sw, ++rig->now_ns, &changed), SWARM_OK);
    }
    ATOMIC_STORE(&over, 1, relaxed);
}

TEST(the_turn_looks_past_steps_that_a_worker_links) {
    const swarm_config config = {.log_bytes = SWARM_NEVER};
    swarm_function adder;
    swarm_step busy, last;
    swarm_run run;
    swarm_plan *plan;

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    shared = rig_new(&config, 2);
    counted = swarm_function_add(shared->sw, "count", count, NULL);
    adder = swarm_function_add(shared->sw, "add", add, NULL);
    plan = rig_plan(shared, &(swarm_run_spec){.flags = SWARM_RUN_GROWING}, &run);
    stuck = rig_step(plan);
    busy = rig_step(plan);
    last = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, busy, last, 0), SWARM_OK);
    rig_commit(plan);
    rig_settle(shared);
    CHECK_EQ(swarm_attempt_wait(shared->sw, rig_start_of(shared, 0)->attempt, last), SWARM_OK);
    plan = swarm_plan_open(shared->sw, run);
    for (uint32_t i = 0; i < ADDERS; i++) {
        CHECK(swarm_call_add(plan, adder, i).id != 0);
    }
    rig_commit(plan);
    CHECK(crew_run(2, look_and_link, NULL));
    rig_finish(shared);
    CHECK_EQ(swarm_run_close(shared->sw, run), SWARM_OK);
    rig_settle(shared);
    CHECK_EQ(ATOMIC_LOAD(&calls, relaxed), ADDERS * ADDED);
    rig_check_run(shared, run);
    rig_free(shared);
}

TEST_MAIN()
