/* SPDX-License-Identifier: MIT */
/*
 * test_notebook.c - each agent's own notes, and the conclusions that leave (M35).
 */
#include "test_dispatch.h"

/* A swarm with one agent of a profile with caps. */
static struct rig *rig_capped(uint64_t tokens_max, uint64_t bytes_max, swarm_agent *out_agent) {
    struct rig *rig = rig_new(NULL, 0);
    const swarm_profile_spec profile = {.name = "capped",
                                        .backend = rig->backend,
                                        .notebook_tokens_max = tokens_max,
                                        .conclusion_bytes_max = bytes_max};

    *out_agent = swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &profile), 1);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_OK);
    return rig;
}

static swarm_notebook notebook_of(struct rig *rig, swarm_agent agent) {
    swarm_notebook notebook = {0};

    CHECK_EQ(swarm_notebook_get(rig->sw, agent, &notebook), SWARM_OK);
    return notebook;
}

static swarm_status answer_with(struct rig *rig, uint64_t ordinal, const swarm_effect *effects,
                                uint32_t count) {
    const swarm_request *start = rig_start_of(rig, ordinal);
    swarm_completion completion = {.effects = effects, .effects_count = count};
    swarm_status status;

    CHECK(start != NULL);
    completion.attempt = start == NULL ? (swarm_attempt){0} : start->attempt;
    status = swarm_complete(rig->sw, &completion);
    rig_settle(rig);
    return status;
}

static swarm_effect note_of(uint64_t tokens) {
    return (swarm_effect){
        .key = 1, .value = 2, .bytes = 4 * tokens, .tokens = tokens, .kind = SWARM_EFFECT_NOTE};
}

static swarm_effect conclusion_of(uint64_t bytes) {
    return (swarm_effect){.value = 3, .bytes = bytes, .kind = SWARM_EFFECT_CONCLUDE};
}

TEST(an_agents_account_is_its_own_and_outlives_the_step) {
    swarm_agent agent, other;
    struct rig *rig = rig_capped(0, 0, &agent);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_effect effects[] = {note_of(10), conclusion_of(7), note_of(5)};
    swarm_notebook notebook;

    other = swarm_agent_add(rig->sw, rig->profile, 1);
    (void)swarm_step_add(plan, &(swarm_step_spec){.agent = agent});
    (void)swarm_step_add(plan, &(swarm_step_spec){.agent = agent});
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(answer_with(rig, 0, effects, 3), SWARM_OK);
    CHECK_EQ(answer_with(rig, 1, effects, 1), SWARM_OK);
    notebook = notebook_of(rig, agent);
    CHECK_EQ(notebook.entries, 3);
    CHECK_EQ(notebook.tokens, 25);
    CHECK_EQ(notebook.bytes, 100);
    CHECK_EQ(notebook.conclusions, 1);
    CHECK_EQ(notebook.conclusion_bytes, 7);
    CHECK_EQ(notebook_of(rig, other).entries, 0);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    CHECK_EQ(notebook_of(rig, agent).entries, 3);
    rig_free(rig);
}

/* One step with these effects; its reason, and that nothing was noted if there is one. */
static swarm_status reason_of(swarm_effect a, swarm_effect b) {
    swarm_agent agent;
    struct rig *rig = rig_capped(20, 100, &agent);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.agent = agent});
    const swarm_effect effects[] = {a, b};
    swarm_step_info info;

    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(answer_with(rig, 0, effects, 2), SWARM_OK);
    info = rig_info(rig, step);
    CHECK_EQ(info.state, info.reason == SWARM_OK ? SWARM_STEP_OK : SWARM_STEP_FAILED);
    CHECK(info.reason == SWARM_OK ||
          (notebook_of(rig, agent).entries == 0 && notebook_of(rig, agent).conclusions == 0));
    rig_check_run(rig, run);
    rig_free(rig);
    return info.reason;
}

TEST(what_goes_over_a_cap_is_too_big_as_a_whole) {
    CHECK_EQ(reason_of(note_of(10), note_of(10)), SWARM_OK);
    CHECK_EQ(reason_of(note_of(10), note_of(11)), SWARM_E_TOO_BIG);
    CHECK_EQ(reason_of(note_of(1), conclusion_of(100)), SWARM_OK);
    CHECK_EQ(reason_of(note_of(1), conclusion_of(101)), SWARM_E_TOO_BIG);
    CHECK_EQ(reason_of(conclusion_of(100), conclusion_of(100)), SWARM_OK); /* each by itself */
}

TEST(texts_of_absurd_size_are_refused_and_nothing_is_taken) {
    swarm_agent agent;
    struct rig *rig = rig_capped(0, 0, &agent);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_effect bad[] = {note_of(1), note_of(1), conclusion_of(UINT64_MAX), note_of(1)};
    const swarm_effect good = note_of(1);

    bad[0].tokens = UINT64_C(1) << 48;
    bad[1].bytes = UINT64_MAX;
    bad[3].reserved = 1;
    (void)swarm_step_add(plan, &(swarm_step_spec){.agent = agent});
    rig_commit(plan);
    rig_at(rig, 1);
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(answer_with(rig, 0, &bad[i], 1), SWARM_E_INVALID);
    }
    CHECK_EQ(answer_with(rig, 0, &good, 1), SWARM_OK);
    CHECK_EQ(notebook_of(rig, agent).tokens, 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* A call step may conclude, but has no notebook. */
static swarm_outcome conclude(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_effect conclusion = conclusion_of(9), note = note_of(1);

    (void)context;
    (void)out_value;
    CHECK_EQ(swarm_call_effects(call, &note, 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_call_effects(call, &conclusion, 1), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

TEST(conclusions_are_in_the_log_with_who_drew_them) {
    swarm_agent agent;
    struct rig *rig = rig_capped(0, 0, &agent);
    swarm_function function = swarm_function_add(rig->sw, "conclude", conclude, NULL);
    const swarm_state_spec state = {0};
    const swarm_effect conclusion = conclusion_of(8);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint64_t bytes[2] = {0}, by[2] = {99, 99};

    (void)swarm_step_add(plan, &(swarm_step_spec){.agent = agent});
    (void)swarm_step_add(plan, &(swarm_step_spec){.function = function, .state = &state});
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(answer_with(rig, 0, &conclusion, 1), SWARM_OK);
    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == SWARM_EVENT_NOTE && event.step < 2) {
            CHECK_EQ(event.field[0], SWARM_EFFECT_CONCLUDE);
            CHECK_EQ(event.field[2], 3);
            bytes[event.step] = event.field[3];
            by[event.step] = event.field[5];
        }
    }
    CHECK_EQ(bytes[0], 8);
    CHECK_EQ(by[0], agent.id);
    CHECK_EQ(bytes[1], 9);
    CHECK_EQ(by[1], 0);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
