/* SPDX-License-Identifier: MIT */
/*
 * test_state.c - state keys: versions, conflicts, branches; and random histories against brute
 * force (M30, M31).
 */
#include "test_dispatch.h"

#define A 101
#define B 102
#define C 103

static const swarm_branch trunk = {0};

static const swarm_effect put_a = {.key = A, .value = 7, .kind = SWARM_EFFECT_PUT};

static swarm_state_value value_at(struct rig *rig, swarm_run run, swarm_branch branch,
                                  uint64_t key) {
    swarm_state_value value = {.key = key};
    swarm_status status = swarm_state_get(rig->sw, run, branch, key, &value);

    CHECK(status == SWARM_OK || status == SWARM_E_MISSING);
    return value;
}

static uint64_t put_by_owner(struct rig *rig, swarm_run run, swarm_branch branch, uint64_t key,
                             uint64_t number) {
    swarm_state_value value = value_at(rig, run, branch, key);

    value.value = number;
    CHECK_EQ(swarm_state_put(rig->sw, run, branch, &value), SWARM_OK);
    return value.version;
}

static swarm_status post_effects(struct rig *rig, uint64_t ordinal, const swarm_effect *effects,
                                 uint32_t count) {
    const swarm_request *start = rig_start_of(rig, ordinal);
    swarm_completion completion = {.effects = effects, .effects_count = count};

    CHECK(start != NULL);
    completion.attempt = start == NULL ? (swarm_attempt){0} : start->attempt;
    return swarm_complete(rig->sw, &completion);
}

/* Answers a step that puts one number. */
static void answer_put(struct rig *rig, uint64_t ordinal, uint64_t key, uint64_t value) {
    const swarm_effect put = {.key = key, .value = value, .kind = SWARM_EFFECT_PUT};

    CHECK_EQ(post_effects(rig, ordinal, &put, 1), SWARM_OK);
    rig_settle(rig);
}

/* A growing run of agent steps that read both A and B. */
static const uint64_t both[] = {A, B};

static swarm_step add_reader(swarm_plan *plan, uint32_t isolation, uint32_t on_conflict,
                             uint32_t attempts) {
    const swarm_state_spec state = {
        .reads = both, .reads_count = 2, .isolation = isolation, .on_conflict = on_conflict};
    const swarm_step_spec spec = {.state = &state,
                                  .retry = {.attempts_max = attempts, .backoff_ns = SWARM_ZERO}};
    swarm_step step = swarm_step_add(plan, &spec);

    CHECK(step.id != 0);
    return step;
}

static uint32_t events_of(const struct rig *rig, uint32_t kind, swarm_event *out_last) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint32_t count = 0;

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind) {
            *out_last = event;
            count++;
        }
    }
    return count;
}

TEST(the_owner_reads_what_it_wrote_and_never_over_a_newer_version) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run = swarm_run_open(rig->sw, NULL), other = swarm_run_open(rig->sw, NULL);
    swarm_state_value old = {.key = A, .value = 1}, value;

    CHECK_EQ(swarm_state_get(rig->sw, run, trunk, A, &value), SWARM_E_MISSING);
    CHECK_EQ(swarm_state_put(rig->sw, run, trunk, &old), SWARM_OK);
    value = value_at(rig, run, trunk, A);
    CHECK_EQ(value.value, 1);
    CHECK_EQ(value.version, old.version);
    CHECK(value.version != 0);
    CHECK_EQ(value.writer, 0);
    CHECK(put_by_owner(rig, run, trunk, A, 1) > value.version); /* an equal value is a version */
    old.value = 3;
    CHECK_EQ(swarm_state_put(rig->sw, run, trunk, &old), SWARM_E_CONFLICT);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 1);
    CHECK_EQ(swarm_state_get(rig->sw, other, trunk, A, &value), SWARM_E_MISSING);
    rig_free(rig);
}

TEST(a_full_table_takes_no_new_key_but_new_values) {
    const swarm_config config = {.states_max = 2};
    struct rig *rig = rig_new(&config, 1);
    swarm_run run = swarm_run_open(rig->sw, NULL);
    swarm_state_value third = {.key = C};

    (void)put_by_owner(rig, run, trunk, A, 1);
    (void)put_by_owner(rig, run, trunk, B, 1);
    CHECK_EQ(swarm_state_put(rig->sw, run, trunk, &third), SWARM_E_FULL);
    (void)put_by_owner(rig, run, trunk, A, 2);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 2);
    rig_free(rig);
}

TEST(a_step_gets_the_values_of_its_start) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step reader = add_reader(plan, SWARM_ISOLATION_SNAPSHOT, SWARM_CONFLICT_FAIL, 1);
    swarm_state_value seen;
    uint64_t version;

    version = put_by_owner(rig, run, trunk, A, 5);
    rig_commit(plan);
    rig_at(rig, 1);
    (void)put_by_owner(rig, run, trunk, A, 6);
    CHECK_EQ(swarm_state_input(rig->sw, reader, 0, &seen), SWARM_OK);
    CHECK_EQ(seen.key, A);
    CHECK_EQ(seen.value, 5);
    CHECK_EQ(seen.version, version);
    CHECK_EQ(swarm_state_input(rig->sw, reader, 1, &seen), SWARM_OK);
    CHECK_EQ(seen.key, B);
    CHECK_EQ(seen.version, 0);
    CHECK_EQ(swarm_state_input(rig->sw, reader, 2, &seen), SWARM_E_INVALID);
    answer_put(rig, 0, B, 9);
    CHECK_EQ(rig_state(rig, reader), SWARM_STEP_OK); /* SNAPSHOT minds only what it writes */
    CHECK_EQ(value_at(rig, run, trunk, B).value, 9);
    CHECK_EQ(value_at(rig, run, trunk, B).writer, 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Two steps that started together and write one key. */
static uint32_t second_writer(uint32_t on_conflict, uint32_t attempts, swarm_step_info *out_info,
                              uint64_t *out_value) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = add_reader(plan, SWARM_ISOLATION_SNAPSHOT, on_conflict, attempts);
    swarm_step second = add_reader(plan, SWARM_ISOLATION_SNAPSHOT, on_conflict, attempts);
    swarm_event event = {0};
    uint32_t count;

    rig_commit(plan);
    rig_at(rig, 1);
    answer_put(rig, 0, A, 10);
    answer_put(rig, 1, A, 11);
    rig_at(rig, 2);
    if (rig_state(rig, second) == SWARM_STEP_RUNNING) {
        swarm_state_value seen;

        CHECK_EQ(swarm_state_input(rig->sw, second, 0, &seen), SWARM_OK);
        CHECK_EQ(seen.value, 10);
        CHECK_EQ(seen.writer, 1);
        answer_put(rig, 1, A, 12);
    }
    CHECK_EQ(rig_state(rig, first), SWARM_STEP_OK);
    *out_info = rig_info(rig, second);
    *out_value = value_at(rig, run, trunk, A).value;
    count = events_of(rig, SWARM_EVENT_CONFLICT, &event);
    CHECK_EQ(event.step, 1);     /* who is in conflict */
    CHECK_EQ(event.field[0], A); /* over what */
    CHECK_EQ(event.field[1], 0); /* what it builds upon */
    CHECK_EQ(event.field[2], 1); /* what it found */
    CHECK_EQ(event.field[3], 1); /* by whom */
    CHECK_EQ(event.field[4], on_conflict);
    rig_check_run(rig, run);
    rig_free(rig);
    return count;
}

TEST(of_two_writers_the_first_wins_and_the_policy_decides_about_the_other) {
    swarm_step_info info;
    uint64_t value;

    CHECK_EQ(second_writer(SWARM_CONFLICT_FAIL, 3, &info, &value), 1);
    CHECK_EQ(info.state, SWARM_STEP_FAILED);
    CHECK_EQ(info.reason, SWARM_E_CONFLICT);
    CHECK_EQ(value, 10);
    CHECK_EQ(second_writer(SWARM_CONFLICT_RETRY, 3, &info, &value), 1);
    CHECK_EQ(info.state, SWARM_STEP_OK);
    CHECK_EQ(info.attempts, 2);
    CHECK_EQ(value, 12);
    CHECK_EQ(second_writer(SWARM_CONFLICT_RETRY, 1, &info, &value), 1);
    CHECK_EQ(info.state, SWARM_STEP_FAILED);
    CHECK_EQ(info.reason, SWARM_E_CONFLICT);
    CHECK_EQ(value, 10);
    CHECK_EQ(second_writer(SWARM_CONFLICT_LAST_WRITER, 1, &info, &value), 1);
    CHECK_EQ(info.state, SWARM_STEP_OK);
    CHECK_EQ(value, 11);
}

/* Each reads both keys and writes one: only SERIALIZABLE minds (write skew). */
TEST(write_skew_is_refused_by_serializable_alone) {
    for (uint32_t isolation = 0; isolation <= SWARM_ISOLATION_NONE; isolation++) {
        struct rig *rig = rig_new(NULL, 2);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_step second;

        (void)add_reader(plan, isolation, SWARM_CONFLICT_FAIL, 1);
        second = add_reader(plan, isolation, SWARM_CONFLICT_FAIL, 1);
        rig_commit(plan);
        rig_at(rig, 1);
        answer_put(rig, 0, A, 1);
        answer_put(rig, 1, B, 1);
        CHECK_EQ(rig_state(rig, second),
                 isolation == SWARM_ISOLATION_SERIALIZABLE ? SWARM_STEP_FAILED : SWARM_STEP_OK);
        rig_free(rig);
    }
}

TEST(effects_of_what_did_not_end_well_are_dropped) {
    struct rig *rig = rig_new(NULL, 2);
    const swarm_state_spec state = {0};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    const swarm_step_spec spec = {.state = &state, .run_timeout_ns = 10};
    const swarm_request *start;
    swarm_completion completion = {
        .outcome = SWARM_OUTCOME_TERMINAL, .effects = &put_a, .effects_count = 1};

    CHECK(swarm_step_add(plan, &spec).id != 0);
    CHECK(swarm_step_add(plan, &spec).id != 0);
    rig_commit(plan);
    rig_at(rig, 1);
    start = rig_start_of(rig, 0);
    completion.attempt = start->attempt;
    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_at(rig, 20); /* the second one is over its time */
    CHECK_EQ(post_effects(rig, 1, &put_a, 1), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(effects_that_a_step_may_not_have_are_refused_and_it_can_be_answered_again) {
    const swarm_config config = {.effects_max = 2};
    struct rig *rig = rig_new(&config, 2);
    const swarm_state_spec state = {0};
    const swarm_step_spec spec = {.state = &state};
    const swarm_effect bad[] = {{.key = A, .kind = 99},
                                {.key = A, .kind = SWARM_EFFECT_PUT, .reserved = 1},
                                {.key = A, .kind = SWARM_EFFECT_PUT, .bytes = 1}};
    const swarm_effect three[] = {put_a, put_a, put_a};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step stateful = swarm_step_add(plan, &spec), plain = rig_step(plan);

    rig_commit(plan);
    rig_at(rig, 1);
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(post_effects(rig, 0, &bad[i], 1), SWARM_E_INVALID);
    }
    CHECK_EQ(post_effects(rig, 0, NULL, 1), SWARM_E_INVALID);
    CHECK_EQ(post_effects(rig, 0, three, 33), SWARM_E_INVALID);
    CHECK_EQ(post_effects(rig, 1, &put_a, 1), SWARM_E_INVALID); /* it has no `state` */
    CHECK_EQ(post_effects(rig, 0, three, 3), SWARM_E_FULL);
    CHECK_EQ(rig_state(rig, stateful), SWARM_STEP_RUNNING);
    CHECK_EQ(post_effects(rig, 0, three, 2), SWARM_OK);
    CHECK_EQ(post_effects(rig, 0, three, 2), SWARM_E_DUPLICATE);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, stateful), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, plain), SWARM_STEP_OK);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 2);
    rig_free(rig);
}

/* No key is written when there is no room for all. */
TEST(a_completion_whose_keys_find_no_room_fails_whole) {
    const swarm_config config = {.states_max = 2};
    struct rig *rig = rig_new(&config, 1);
    const swarm_state_spec state = {0};
    const swarm_step_spec spec = {.state = &state};
    swarm_effect three[3];
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(plan, &spec);

    for (uint32_t i = 0; i < 3; i++) {
        three[i] = put_a;
        three[i].key = A + i;
    }
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(post_effects(rig, 0, three, 3), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_FULL);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    rig_free(rig);
}

/* ---- call steps */

static swarm_outcome add_one(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_state_value a = {0};
    swarm_effect put = put_a;

    (void)context;
    CHECK_EQ(swarm_state_input(call->sw, call->step, 0, &a), SWARM_OK);
    put.value = a.value + call->argument;
    CHECK_EQ(swarm_call_effects(call, &put, 1), SWARM_OK);
    put.kind = 99;
    CHECK_EQ(swarm_call_effects(call, &put, 1), SWARM_E_INVALID);
    *out_value = a.value;
    return call->argument == 100 ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK;
}

static swarm_outcome without_state(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    CHECK_EQ(swarm_call_effects(call, &put_a, 1), SWARM_E_UNSUPPORTED);
    return SWARM_OUTCOME_OK;
}

TEST(call_steps_read_and_write_too) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_function add = swarm_function_add(rig->sw, "add", add_one, NULL);
    swarm_function none = swarm_function_add(rig->sw, "none", without_state, NULL);
    const swarm_state_spec state = {.reads = both, .reads_count = 2};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step last = {0};

    for (uint64_t i = 0; i < 10; i++) {
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.function = add, .argument = 1 + i, .state = &state});

        CHECK(last.id == 0 || swarm_edge_add(plan, last, step, 0) == SWARM_OK);
        last = step;
    }
    CHECK(swarm_call_add(plan, none, 0).id != 0);
    CHECK(swarm_step_add(plan, &(swarm_step_spec){.function = none}).id != 0);
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(rig_info(rig, last).result.value, 45);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 55);
    CHECK_EQ(value_at(rig, run, trunk, A).writer, 10);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_call_step_in_conflict_fails_and_one_that_fails_writes_nothing) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_function add = swarm_function_add(rig->sw, "add", add_one, NULL);
    const swarm_state_spec state = {.reads = both, .reads_count = 2};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first, second, failing;

    first = swarm_step_add(plan, &(swarm_step_spec){.function = add, .state = &state});
    second = swarm_step_add(plan, &(swarm_step_spec){.function = add, .state = &state});
    failing =
        swarm_step_add(plan, &(swarm_step_spec){.function = add, .argument = 100, .state = &state});
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(rig_state(rig, first), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, second).reason, SWARM_E_CONFLICT);
    CHECK_EQ(rig_info(rig, failing).reason, SWARM_E_FAILED);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_full_completion_fits_the_smallest_log) {
    const swarm_config config = {.log_bytes = 8192};
    struct rig *rig = rig_new(&config, 4);
    const swarm_state_spec state = {0};
    const swarm_step_spec spec = {.state = &state};
    swarm_effect many[32];
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_event event;

    for (uint32_t i = 0; i < 32; i++) {
        many[i] = put_a;
        many[i].key = UINT64_MAX - i;
        many[i].value = UINT64_MAX;
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(swarm_step_add(plan, &spec).id != 0);
    }
    rig_commit(plan);
    rig_at(rig, 1);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(post_effects(rig, i, many, 32), SWARM_OK);
        rig_settle(rig);
        for (uint32_t k = 0; k < 32; k++) {
            many[k].key -= 32;
        }
    }
    rig_check_run(rig, run);
    CHECK_EQ(events_of(rig, SWARM_EVENT_PUT, &event), 128);
    rig_free(rig);
}

/* ---- branches */

TEST(a_branch_is_seen_by_nobody_until_it_is_merged) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run = swarm_run_open(rig->sw, NULL);
    swarm_branch branch, inner;

    (void)put_by_owner(rig, run, trunk, A, 1);
    (void)put_by_owner(rig, run, trunk, B, 2);
    branch = swarm_branch_open(rig->sw, run, trunk);
    inner = swarm_branch_open(rig->sw, run, branch);
    (void)put_by_owner(rig, run, inner, A, 10);
    (void)put_by_owner(rig, run, inner, C, 30);
    CHECK_EQ(value_at(rig, run, branch, A).value, 1);
    CHECK_EQ(value_at(rig, run, inner, B).value, 2);
    CHECK_EQ(swarm_branch_merge(rig->sw, branch, NULL, 0, NULL), SWARM_E_BUSY);
    CHECK_EQ(swarm_branch_merge(rig->sw, inner, NULL, 0, NULL), SWARM_OK);
    CHECK_EQ(swarm_branch_drop(rig->sw, inner), SWARM_E_STALE);
    CHECK_EQ(value_at(rig, run, branch, A).value, 10);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 1);
    CHECK_EQ(value_at(rig, run, trunk, C).version, 0);
    CHECK_EQ(swarm_branch_merge(rig->sw, branch, NULL, 0, NULL), SWARM_OK);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 10);
    CHECK_EQ(value_at(rig, run, trunk, B).value, 2);
    CHECK_EQ(value_at(rig, run, trunk, C).value, 30);
    rig_free(rig);
}

TEST(a_merge_names_the_keys_that_the_parent_got_meanwhile) {
    const swarm_config config = {.branches_max = 1};
    struct rig *rig = rig_new(&config, 2);
    swarm_run run = swarm_run_open(rig->sw, NULL);
    swarm_branch branch = swarm_branch_open(rig->sw, run, trunk), again;
    swarm_state_value conflicts[2] = {{0}};
    uint32_t count = 0;

    CHECK_EQ(swarm_branch_open(rig->sw, run, trunk).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_FULL);
    CHECK_EQ(swarm_branch_merge(rig->sw, branch, NULL, 0, NULL), SWARM_OK); /* unchanged */
    again = swarm_branch_open(rig->sw, run, trunk);
    CHECK_EQ(swarm_branch_drop(rig->sw, branch), SWARM_E_STALE); /* the slot is another's */
    (void)put_by_owner(rig, run, again, A, 1);
    (void)put_by_owner(rig, run, again, B, 2);
    (void)put_by_owner(rig, run, trunk, B, 3);
    (void)put_by_owner(rig, run, trunk, C, 4);
    CHECK_EQ(swarm_branch_merge(rig->sw, again, conflicts, 2, &count), SWARM_E_CONFLICT);
    CHECK_EQ(count, 1);
    CHECK_EQ(conflicts[0].key, B);
    CHECK_EQ(conflicts[0].value, 3);
    CHECK_EQ(conflicts[1].key, 0);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    CHECK_EQ(swarm_branch_drop(rig->sw, again), SWARM_OK);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    CHECK_EQ(value_at(rig, run, trunk, B).value, 3);
    rig_free(rig);
}

TEST(steps_work_in_a_branch_which_waits_for_them) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run, other = swarm_run_open(rig->sw, NULL);
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_state_spec state = {.branch = swarm_branch_open(rig->sw, run, trunk)};
    swarm_step_spec spec = {.state = &state};

    CHECK(swarm_step_add(plan, &spec).id != 0);
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(swarm_branch_merge(rig->sw, state.branch, NULL, 0, NULL), SWARM_E_BUSY);
    answer_put(rig, 0, A, 1);
    CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    CHECK_EQ(swarm_branch_merge(rig->sw, state.branch, NULL, 0, NULL), SWARM_OK);
    CHECK_EQ(value_at(rig, run, trunk, A).value, 1);
    CHECK_EQ(value_at(rig, run, trunk, A).writer, 1);
    plan = swarm_plan_open(rig->sw, other);
    CHECK_EQ(swarm_step_add(plan, &spec).id, 0); /* closed, and of another run */
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_STALE);
    rig_free(rig);
}

TEST(a_plan_whose_branch_was_closed_meanwhile_is_refused) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_state_spec state = {.branch = swarm_branch_open(rig->sw, run, trunk)};
    swarm_step_spec spec = {.state = &state};

    CHECK(swarm_step_add(plan, &spec).id != 0);
    CHECK_EQ(swarm_branch_drop(rig->sw, state.branch), SWARM_OK);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_STALE);
    rig_free(rig);
}

TEST(a_run_that_runs_again_begins_without_state) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)add_reader(plan, SWARM_ISOLATION_SERIALIZABLE, SWARM_CONFLICT_FAIL, 1);
    rig_commit(plan);
    for (uint32_t i = 0; i < 3; i++) {
        rig_at(rig, i);
        answer_put(rig, 0, A, 1);
        CHECK_EQ(value_at(rig, run, trunk, A).version, 1);
        rig_check_run(rig, run);
        CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
        CHECK_EQ(value_at(rig, run, trunk, A).version, 0);
    }
    rig_at(rig, 9);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_free(rig);
}

/* ---- random histories against brute force */

#define STEPS 4u
#define KEYS 3u

/* What one step of a history did. Sets of keys as bits. */
struct act {
    uint32_t reads, writes;
    uint64_t saw[KEYS];    /* values */
    uint64_t began, ended; /* moments */
    bool committed;
    bool overlapped_write; /* others wrote what it writes while it ran */
    bool overlapped_read;  /* or what it reads */
};

struct history {
    struct act act[STEPS];
    uint64_t final[KEYS];
    uint32_t isolation;
};

/* Value that step i writes under a key. */
static uint64_t value_of(uint32_t i, uint32_t key) {
    return 1000 + i * KEYS + key;
}

static uint64_t one_by_one(const struct history *h, const uint32_t *order, uint32_t count) {
    uint64_t values[KEYS] = {0};

    for (uint32_t n = 0; n < count; n++) {
        const struct act *act = &h->act[order[n]];

        for (uint32_t key = 0; key < KEYS; key++) {
            if (((act->reads >> key) & 1u) != 0 && act->saw[key] != values[key]) {
                return 0;
            }
        }
        for (uint32_t key = 0; key < KEYS; key++) {
            values[key] = ((act->writes >> key) & 1u) != 0 ? value_of(order[n], key) : values[key];
        }
    }
    return memcmp(values, h->final, sizeof values) == 0;
}

/* Whether the committed steps could have run one after the other: tries all orders. */
static bool is_serialisable(const struct history *h) {
    uint32_t committed[STEPS], order[STEPS], count = 0, orders = 1;

    for (uint32_t i = 0; i < STEPS; i++) {
        if (h->act[i].committed) {
            committed[count++] = i;
            orders *= count;
        }
    }
    for (uint32_t code = 0; code < orders; code++) {
        uint32_t rest = code, left = count;

        memcpy(order, committed, sizeof order);
        for (uint32_t n = 0; n < count; n++, left--) { /* the code names a permutation */
            uint32_t pick = n + rest % left, swap = order[n];

            rest /= left;
            order[n] = order[pick];
            order[pick] = swap;
        }
        if (one_by_one(h, order, count)) {
            return true;
        }
    }
    return false;
}

/* Who ran beside whom: from the moments alone. */
static void find_overlaps(struct history *h) {
    for (uint32_t i = 0; i < STEPS; i++) {
        for (uint32_t k = 0; k < STEPS; k++) {
            const struct act *other = &h->act[k];
            bool beside = k != i && other->committed && other->ended > h->act[i].began &&
                          other->ended < h->act[i].ended;

            h->act[i].overlapped_write |= beside && (other->writes & h->act[i].writes) != 0;
            h->act[i].overlapped_read |= beside && (other->writes & h->act[i].reads) != 0;
        }
    }
}

static void history_begin(struct rig *rig, struct history *h, swarm_run *out_run,
                          swarm_step *steps) {
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

    memset(h, 0, sizeof *h);
    *out_run = swarm_run_open(rig->sw, &growing);
    h->isolation = (uint32_t)test_below(2);
    memset(steps, 0, STEPS * sizeof *steps);
    for (uint32_t i = 0; i < STEPS; i++) {
        h->act[i].reads = (uint32_t)test_below(1u << KEYS);
        h->act[i].writes = (uint32_t)test_below(1u << KEYS);
    }
}

static void history_start(struct rig *rig, struct history *h, swarm_run run, uint32_t i,
                          swarm_step *steps) {
    uint64_t keys[KEYS];
    swarm_state_spec state = {.reads = keys, .isolation = h->isolation};
    const swarm_step_spec spec = {.state = &state};
    swarm_plan *plan = swarm_plan_open(rig->sw, run);

    for (uint32_t key = 0; key < KEYS; key++) {
        if (((h->act[i].reads >> key) & 1u) != 0) {
            keys[state.reads_count++] = key;
        }
    }
    steps[i] = swarm_step_add(plan, &spec);
    rig_commit(plan);
    rig_at(rig, rig->now_ns + 1);
    h->act[i].began = rig->now_ns;
    for (uint32_t n = 0; n < state.reads_count; n++) {
        swarm_state_value seen = {0};

        CHECK_EQ(swarm_state_input(rig->sw, steps[i], n, &seen), SWARM_OK);
        h->act[i].saw[seen.key] = seen.value;
    }
}

static void history_end(struct rig *rig, struct history *h, uint32_t i, swarm_step step) {
    swarm_effect puts[KEYS];
    uint32_t count = 0;
    uint64_t ordinal = rig_info(rig, step).ordinal;

    for (uint32_t key = 0; key < KEYS; key++) {
        if (((h->act[i].writes >> key) & 1u) != 0) {
            puts[count] = put_a;
            puts[count].key = key;
            puts[count++].value = value_of(i, key);
        }
    }
    CHECK_EQ(post_effects(rig, ordinal, puts, count), SWARM_OK);
    rig_at(rig, rig->now_ns + 1);
    h->act[i].ended = rig->now_ns;
    h->act[i].committed = rig_state(rig, step) == SWARM_STEP_OK;
}

/* One history of four steps that start and end in random order. */
static void history_play(struct rig *rig, struct history *h) {
    swarm_step steps[STEPS];
    swarm_run run;
    uint32_t started = 0, ended = 0;

    history_begin(rig, h, &run, steps);
    rig->count = 0;
    rig->log_size = 0;
    while (ended != (1u << STEPS) - 1) {
        uint32_t i = (uint32_t)test_below(STEPS), bit = 1u << i;

        if ((started & bit) == 0) {
            history_start(rig, h, run, i, steps);
            started |= bit;
        } else if ((ended & bit) == 0) {
            history_end(rig, h, i, steps[i]);
            ended |= bit;
        }
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        h->final[key] = value_at(rig, run, trunk, key).value;
    }
    find_overlaps(h);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, rig->now_ns + 1);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
}

/* No anomaly gets through, and nobody is refused without another's write beside it. */
TEST(random_histories_are_serialisable) {
    struct rig *rig = rig_new(NULL, STEPS);
    uint32_t histories = test_long ? 1000000 : 5000, refused = 0, skewed = 0;

    for (uint32_t n = 0; n < histories && !test_failed(); n++) {
        struct history h;

        history_play(rig, &h);
        skewed += h.isolation == SWARM_ISOLATION_SNAPSHOT && !is_serialisable(&h);
        CHECK(h.isolation == SWARM_ISOLATION_SNAPSHOT || is_serialisable(&h));
        for (uint32_t i = 0; i < STEPS; i++) {
            const struct act *act = &h.act[i];
            bool minds = act->overlapped_write ||
                         (h.isolation == SWARM_ISOLATION_SERIALIZABLE && act->overlapped_read);

            CHECK_EQ(act->committed, !minds); /* no lost update; no false alarm */
            refused += !act->committed;
        }
    }
    printf("# %u histories, %u steps refused, %u snapshot histories with write skew\n", histories,
           refused, skewed);
    CHECK(refused != 0 && skewed != 0); /* else the histories prove nothing */
    rig_free(rig);
}

TEST_MAIN()
