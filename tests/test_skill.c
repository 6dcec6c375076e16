/* SPDX-License-Identifier: MIT */
/*
 * Skills that steps ask for before a profile names them: they are remembered, and take no place
 * away from a profile.
 */
#include "test_dispatch.h"

static swarm_profile profile_of(struct rig *rig, const char *name, const char *const *skills,
                                uint32_t count) {
    const swarm_profile_spec spec = {
        .name = name, .backend = rig->backend, .skills = skills, .skills_count = count};

    return swarm_profile_add(rig->sw, &spec);
}

static swarm_step step_of(swarm_plan *plan, const char *const *skill) {
    const swarm_step_spec spec = {.skills = skill, .skills_count = 1};

    return swarm_step_add(plan, &spec);
}

TEST(a_profile_added_later_makes_the_step_startable) {
    static const char *const paint[] = {"paint"}, *const sing[] = {"sing"};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = rig_step(plan), able = step_of(plan, paint), unable = step_of(plan, sing);

    CHECK_EQ(swarm_edge_add(plan, first, able, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, first, unable, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_agent_add(rig->sw, profile_of(rig, "painter", paint, 1), 1).id, 2);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 2);
    CHECK_EQ(rig_info(rig, unable).reason, SWARM_E_NO_AGENT);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, able), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

static const char *const wanted[] = {"dance"};

static swarm_outcome add_wish(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    CHECK(step_of(swarm_call_plan(call), wanted).id != 0);
    return SWARM_OUTCOME_OK;
}

/* The worker that fills the plan remembers the name; the profile comes before the plan is applied.
 */
TEST(a_call_step_may_wish_too) {
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);

    CHECK(swarm_call_add(plan, swarm_function_add(rig->sw, "wish", add_wish, NULL), 0).id != 0);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    CHECK(rig_pass(rig)); /* the call is released */
    CHECK_EQ(swarm_work(rig->sw, 0, 1), 1);
    CHECK_EQ(swarm_agent_add(rig->sw, profile_of(rig, "dancer", wanted, 1), 1).id, 2);
    rig_settle(rig);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, 2);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* 300 names that nobody has: those beyond the table are unknown, the profile still gets its own. */
TEST(wishes_take_no_place_from_profiles) {
    const swarm_config config = {.skills_max = 2};
    struct rig *rig = rig_new(&config, 1);
    char names[301][8];
    const char *skill[3];
    swarm_step steps[300], first;
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    first = rig_step(plan);
    for (uint32_t i = 0; i < 300; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%u", i);
        skill[0] = names[i];
        steps[i] = step_of(plan, skill);
        CHECK_EQ(swarm_edge_add(plan, first, steps[i], 0), SWARM_OK);
    }
    rig_commit(plan);
    skill[0] = names[0];   /* wished for */
    skill[1] = names[299]; /* came too late */
    skill[2] = names[0];
    CHECK(swarm_agent_add(rig->sw, profile_of(rig, "both", skill, 3), 1).id != 0);
    skill[2] = "new";
    CHECK_EQ(profile_of(rig, "three", skill, 3).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_FULL);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, steps[0]), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_info(rig, steps[253]).reason, SWARM_E_NO_AGENT);
    CHECK_EQ(rig_info(rig, steps[299]).reason, SWARM_E_NO_AGENT);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
