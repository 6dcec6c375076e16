/* SPDX-License-Identifier: MIT */
/*
 * test_limits.c - each limit of swarm_config and of a run, set to next to nothing: what does not
 * fit is refused at exactly that number, with the field's name; nothing is lost; and what is given
 * back can be had again, any number of times.
 */
#include "test_limits.h"

/* ---- what is set up: one more than fits */

TEST(setup_pools) {
    const char *const skills[] = {"a", "b", "c"};
    swarm_backend table = {.size = sizeof table, .name = "second"};
    swarm_config config = small();
    struct house h;

    config.backends_max = config.functions_max = config.permits_max = 1;
    config.profiles_max = 2;
    config.skills_max = 2;
    config.agents_max = 3;
    house_open(&h, config);
    CHECK_EQ(swarm_backend_add(h.sw, &table).id, 0);
    check_fault(&h, "backends_max");
    CHECK_EQ(swarm_function_add(h.sw, "second", count_call, NULL).id, 0);
    check_fault(&h, "functions_max");
    CHECK_EQ(swarm_permit_add(h.sw, "second", 1).id, 0);
    check_fault(&h, "permits_max");
    swarm_profile_spec spec = {
        .name = "second", .backend = h.backend, .skills = skills, .skills_count = 3};
    CHECK_EQ(swarm_profile_add(h.sw, &spec).id, 0);
    check_fault(&h, "skills_max");
    spec.skills_count = 2; /* the two that were read before the third are not lost */
    CHECK(swarm_profile_add(h.sw, &spec).id != 0);
    spec.name = "third";
    CHECK_EQ(swarm_profile_add(h.sw, &spec).id, 0);
    check_fault(&h, "profiles_max");
    CHECK_EQ(swarm_agent_add(h.sw, h.profile, 3).id, 0); /* all or none: two are left */
    check_fault(&h, "agents_max");
    CHECK(swarm_agent_add(h.sw, h.profile, 2).id != 0);
    CHECK_EQ(swarm_agent_add(h.sw, h.profile, 1).id, 0);
    check_fault(&h, "agents_max");
    house_close(&h);
}

TEST(skills_of_a_full_table) {
    const char *const known[] = {"a"}, *const unknown[] = {"z"};
    const swarm_step_spec fits = {.skills = known, .skills_count = 1};
    const swarm_step_spec never = {.skills = unknown, .skills_count = 1};
    swarm_config config = small();
    swarm_step_info info = {0};
    struct house h;
    swarm_plan *plan;
    swarm_step good, bad;

    config.skills_max = 1;
    house_open(&h, config);
    const swarm_profile_spec spec = {
        .name = "able", .backend = h.backend, .skills = known, .skills_count = 1};
    CHECK(swarm_agent_add(h.sw, swarm_profile_add(h.sw, &spec), 1).id != 0);
    plan = swarm_plan_open(h.sw, swarm_run_open(h.sw, NULL));
    good = swarm_step_add(plan, &fits);
    bad = swarm_step_add(plan, &never); /* a skill that nobody has takes no place in the table */
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_step_status(h.sw, good, &info), SWARM_OK);
    CHECK_EQ(info.state, SWARM_STEP_OK);
    CHECK_EQ(swarm_step_status(h.sw, bad, &info), SWARM_OK);
    CHECK_EQ(info.state, SWARM_STEP_FAILED);
    CHECK_EQ(info.reason, SWARM_E_NO_AGENT);
    house_close(&h);
}

TEST(runs) {
    swarm_config config = small();
    struct house h;

    config.runs_max = 2;
    house_open(&h, config);
    for (int i = 0; i < AGAIN_AND_AGAIN; i++) {
        swarm_run first = swarm_run_open(h.sw, NULL), second = growing(&h);

        CHECK(first.id != 0 && second.id != 0);
        CHECK_EQ(growing(&h).id, 0);
        check_fault(&h, "runs_max");
        CHECK_EQ(swarm_run_close(h.sw, first), SWARM_OK);
        run_out(&h, second, 0);
        CHECK_EQ(swarm_run_forget(h.sw, second), SWARM_E_STALE);
        CHECK_EQ(swarm_run_forget(h.sw, first), SWARM_OK);
    }
    house_close(&h);
}

/* ---- what plans take. An adder adds the i-th thing and returns whether it was taken. */

struct filling {
    struct house *h;
    swarm_plan *plan;
    swarm_step base[64]; /* steps that the things hang on, added first */
};

static bool add_call(struct filling *f, uint32_t i) {
    return swarm_call_add(f->plan, f->h->function, i).id != 0;
}

static bool add_agent_step(struct filling *f, uint32_t i) {
    const swarm_step_spec spec = {.argument = i};

    return swarm_step_add(f->plan, &spec).id != 0;
}

static bool add_tracked_call(struct filling *f, uint32_t i) {
    const swarm_step_spec spec = {.argument = i, .function = f->h->function};

    return swarm_step_add(f->plan, &spec).id != 0;
}

static bool add_range(struct filling *f, uint32_t i) {
    return swarm_range_add(f->plan, f->h->function, i, 3).id != 0;
}

static bool add_edge(struct filling *f, uint32_t i) {
    return swarm_edge_add(f->plan, f->base[i], f->base[i + 1], 0) == SWARM_OK;
}

static bool add_delay(struct filling *f, uint32_t i) {
    return swarm_edge_add(f->plan, f->base[i], f->base[i + 1], SWARM_ZERO) == SWARM_OK;
}

/* Each step has needs of its own; the base has none. */
static bool add_demand(struct filling *f, uint32_t i) {
    const swarm_need need = {f->h->permit, i + 1};
    const swarm_step_spec spec = {.needs = &need, .needs_count = 1};

    return swarm_step_add(f->plan, &spec).id != 0;
}

static bool add_reader_edge(struct filling *f, uint32_t i) {
    return swarm_edge_add(f->plan, f->base[i], f->base[5], 0) == SWARM_OK; /* base[5] reads */
}

static const struct pool_case {
    const char *field;
    size_t offset;       /* of the field in swarm_config */
    uint32_t limit;      /* its value */
    uint32_t base, fits; /* steps added first; things that fit then */
    uint32_t steps_each; /* steps that a thing is */
    bool (*add)(struct filling *, uint32_t);
    bool base_is_plain, in_commit; /* refused by the commit, not by the add */
} pools[] = {
    {"steps_max", offsetof(swarm_config, steps_max), 5, 0, 5, 1, add_call, true, false},
    {"steps_max", offsetof(swarm_config, steps_max), 5, 2, 3, 1, add_range, true, false},
    {"steps_max", offsetof(swarm_config, steps_max), 5, 0, 5, 1, add_agent_step, true, false},
    {"steps_max", offsetof(swarm_config, steps_max), 1, 0, 1, 1, add_call, true, false},
    {"edges_max", offsetof(swarm_config, edges_max), 3, 6, 3, 0, add_edge, true, false},
    {"edges_max", offsetof(swarm_config, edges_max), 3, 6, 3, 0, add_edge, false, false},
    {"edges_max", offsetof(swarm_config, edges_max), 1, 6, 1, 0, add_delay, false, false},
    {"tracked_max", offsetof(swarm_config, tracked_max), 3, 0, 3, 1, add_agent_step, true, false},
    {"tracked_max", offsetof(swarm_config, tracked_max), 3, 5, 3, 1, add_tracked_call, true, false},
    {"tracked_max", offsetof(swarm_config, tracked_max), 1, 0, 1, 1, add_agent_step, true, false},
    {"delays_max", offsetof(swarm_config, delays_max), 2, 6, 2, 0, add_delay, false, false},
    {"delays_max", offsetof(swarm_config, delays_max), 1, 6, 1, 0, add_delay, false, false},
    {"demands_max", offsetof(swarm_config, demands_max), 3, 6, 2, 1, add_demand, false, false},
    {"demands_max", offsetof(swarm_config, demands_max), 1, 0, 1, 1, add_demand, false, false},
    {"ranges_max", offsetof(swarm_config, ranges_max), 2, 4, 2, 1, add_range, true, false},
    {"ranges_max", offsetof(swarm_config, ranges_max), 1, 0, 1, 1, add_range, false, false},
    {"inputs_max", offsetof(swarm_config, inputs_max), 3, 6, 3, 0, add_reader_edge, false, true},
    {"inputs_max", offsetof(swarm_config, inputs_max), 1, 6, 1, 0, add_reader_edge, true, true},
};

static void begin_filling(struct filling *f, struct house *h, swarm_run run,
                          const struct pool_case *c) {
    const swarm_step_spec reader = {.function = h->function, .flags = SWARM_STEP_INPUTS};

    f->h = h;
    f->plan = swarm_plan_open(h->sw, run);
    for (uint32_t i = 0; i < c->base; i++) {
        f->base[i] = c->in_commit && i == 5 ? swarm_step_add(f->plan, &reader)
                     : c->base_is_plain     ? swarm_call_add(f->plan, h->function, i)
                                            : swarm_step_add(f->plan, NULL);
        CHECK(f->base[i].id != 0);
    }
}

/* One thing more than fits: the plan is refused as a whole, and leaves nothing. */
static void one_too_many(struct house *h, swarm_run run, const struct pool_case *c) {
    struct filling f;
    swarm_error error = {0};
    uint64_t before = live_steps(h);

    begin_filling(&f, h, run, c);
    for (uint32_t i = 0; i < c->fits; i++) {
        CHECK(c->add(&f, i));
    }
    CHECK_EQ(c->add(&f, c->fits), c->in_commit);
    CHECK_EQ(swarm_plan_commit(f.plan, &error), SWARM_E_FULL);
    check_refused(&error, SWARM_E_FULL, c->field);
    CHECK(c->in_commit || error.index == c->base + c->fits);
    CHECK_EQ(live_steps(h), before);
}

static void just_fits(struct house *h, swarm_run run, const struct pool_case *c) {
    struct filling f;

    begin_filling(&f, h, run, c);
    for (uint32_t i = 0; i < c->fits; i++) {
        CHECK(c->add(&f, i));
    }
    CHECK_EQ(swarm_plan_commit(f.plan, NULL), SWARM_OK);
}

TEST(pools_of_plans) {
    for (size_t i = 0; i < 2 * (sizeof pools / sizeof pools[0]); i++) {
        const struct pool_case *c = &pools[i / 2];
        swarm_config config = small();
        struct house h;

        memcpy((char *)&config + c->offset, &c->limit, sizeof c->limit);
        house_open(&h, config);
        for (int k = 0; k < AGAIN_AND_AGAIN; k++) {
            swarm_run run = i % 2 == 0 ? growing(&h) : swarm_run_open(h.sw, NULL);

            one_too_many(&h, run, c);
            one_too_many(&h, run, c);
            just_fits(&h, run, c);
            run_out(&h, run, c->base + c->fits * c->steps_each);
            CHECK_EQ(live_steps(&h), 0);
        }
        house_close(&h);
        if (test_failed()) {
            printf("# %s = %u, %s\n", c->field, c->limit, i % 2 == 0 ? "growing" : "static");
            return;
        }
    }
}

/* Requirements of a step that was refused are given back: another set each time. */
TEST(demands_of_refused_steps) {
    swarm_config config = small();
    struct house h;
    swarm_run run;

    config.steps_max = 1;
    config.demands_max = 2;
    house_open(&h, config);
    run = growing(&h);
    for (uint64_t i = 0; i < AGAIN_AND_AGAIN; i++) {
        const swarm_need need = {h.permit, i + 1};
        const swarm_step_spec spec = {.needs = &need, .needs_count = 1};
        swarm_plan *plan = swarm_plan_open(h.sw, run);
        swarm_error error = {0};

        CHECK(swarm_step_add(plan, NULL).id != 0);
        CHECK_EQ(swarm_step_add(plan, &spec).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_FULL);
        check_refused(&error, SWARM_E_FULL, "steps_max");
    }
    run_out(&h, run, 0);
    house_close(&h);
}

/* Steps of a growing run go back one by one, while the run goes on. */
TEST(steps_come_back_while_a_run_goes_on) {
    const swarm_step_spec detached = {.flags = SWARM_STEP_DETACHED};
    swarm_config config = small();
    struct house h;
    swarm_run run;

    config.steps_max = 4;
    config.tracked_max = 2;
    config.edges_max = 2;
    house_open(&h, config);
    run = growing(&h);
    for (int i = 0; i < AGAIN_AND_AGAIN; i++) {
        swarm_plan *plan = swarm_plan_open(h.sw, run);
        swarm_step kept = swarm_step_add(plan, NULL), gone = swarm_step_add(plan, &detached);
        swarm_step plain = swarm_call_add(plan, h.function, 1);

        CHECK_EQ(swarm_edge_add(plan, kept, gone, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, gone, plain, 0), SWARM_OK);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
        CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_E_STALLED); /* open, with nothing to do */
        CHECK_EQ(live_steps(&h), 2);
        CHECK_EQ(swarm_step_forget(h.sw, gone), SWARM_E_STALE);
        CHECK_EQ(swarm_step_forget(h.sw, kept), SWARM_OK);
        CHECK_EQ(swarm_step_forget(h.sw, plain), SWARM_OK);
        CHECK_EQ(swarm_step_forget(h.sw, plain), SWARM_E_STALE);
        CHECK_EQ(live_steps(&h), 0);
    }
    run_out(&h, run, 3 * AGAIN_AND_AGAIN);
    house_close(&h);
}

/* ---- steps that add steps */

struct growth {
    struct house *h;
    swarm_function grow;
    uint32_t levels;  /* adds one below itself until this depth */
    uint32_t refused; /* swarm_call_plan gave none */
    uint32_t ran;
};

/* A tracked step of depth `argument` that adds one of the next depth. */
static swarm_outcome grow(void *context, const swarm_call *call, uint64_t *out_value) {
    struct growth *growth = context;
    swarm_plan *plan;

    (void)out_value;
    growth->ran++;
    if (call->argument >= growth->levels) {
        return SWARM_OUTCOME_OK;
    }
    plan = swarm_call_plan(call);
    if (plan == NULL) {
        growth->refused++;
        return SWARM_OUTCOME_OK;
    }
    const swarm_step_spec spec = {.function = growth->grow, .argument = call->argument + 1};

    CHECK(swarm_step_add(plan, &spec).id != 0);
    return SWARM_OUTCOME_OK;
}

/* `count` such steps side by side in a run with this depth_max. */
static swarm_run_report grow_run(struct growth *g, swarm_config config, uint32_t count,
                                 uint32_t depth_max) {
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING, .depth_max = depth_max};
    swarm_run_report report = {0};
    struct house h;
    swarm_run run;
    swarm_plan *plan;

    house_open(&h, config);
    g->h = &h;
    g->grow = swarm_function_add(h.sw, "grow", grow, g);
    run = swarm_run_open(h.sw, &spec);
    plan = swarm_plan_open(h.sw, run);
    const swarm_step_spec step = {.function = g->grow};
    for (uint32_t i = 0; i < count; i++) {
        CHECK(swarm_step_add(plan, &step).id != 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_close(h.sw, run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(h.sw, run, &report), SWARM_OK);
    CHECK_EQ(swarm_run_check(h.sw, run, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_forget(h.sw, run), SWARM_OK);
    CHECK_EQ(live_steps(&h), 0);
    house_close(&h);
    return report;
}

TEST(depth) {
    struct growth g = {.levels = 100};
    swarm_run_report report = grow_run(&g, small(), 1, 3);

    /* The owner's step has depth 0; what it adds 1, then 2 and 3; that of depth 3 may not add. */
    CHECK_EQ(g.ran, 4);
    CHECK_EQ(report.steps, 4);
    CHECK_EQ(report.ok, 3);
    CHECK_EQ(report.failed, 1);
}

TEST(scopes) {
    swarm_config config = small();
    struct growth one = {.levels = 1}, many = {.levels = 1};
    swarm_run_report report;

    config.scopes_max = 1;
    report = grow_run(&one, config, 1, 0);
    CHECK_EQ(report.ok, 2);
    report = grow_run(&many, config, 3, 0); /* one finds a scope, the plans of two are refused */
    CHECK_EQ(report.ok, 2);
    CHECK_EQ(report.failed, 2);
    CHECK_EQ(report.steps, 4);
}

/* One scope after the other: the pool is not used up. */
TEST(scopes_come_back) {
    swarm_config config = small();
    struct house h;
    struct growth g = {.levels = 1};
    swarm_run run;

    config.scopes_max = 1;
    house_open(&h, config);
    g.grow = swarm_function_add(h.sw, "grow", grow, &g);
    run = growing(&h);
    for (int i = 0; i < AGAIN_AND_AGAIN; i++) {
        swarm_plan *plan = swarm_plan_open(h.sw, run);
        const swarm_step_spec spec = {.function = g.grow, .flags = SWARM_STEP_DETACHED};

        CHECK(swarm_step_add(plan, &spec).id != 0);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
        CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_E_STALLED);
    }
    CHECK_EQ(g.refused, 0);
    run_out(&h, run, 2 * AGAIN_AND_AGAIN);
    house_close(&h);
}

TEST(plans_of_call_steps) {
    swarm_config config = small();
    struct growth one = {.levels = 1}, many = {.levels = 1};
    swarm_run_report report;

    config.plans_max = 1;
    report = grow_run(&one, config, 1, 0);
    CHECK_EQ(report.ok, 2);
    report = grow_run(&many, config, 3, 0); /* all end before the round: one plan is there */
    CHECK_EQ(many.refused, 2);
    CHECK_EQ(report.failed, 2);
    CHECK_EQ(report.ok, 2);
}

/* ---- limits under which steps wait, or end with a reason */

/* Fifty steps, eight agents: never more at once than the limit. */
static void at_most(swarm_config config, uint32_t run_inflight_max, uint64_t limit) {
    const swarm_drive_options instant = {.flags = SWARM_DRIVE_INSTANT};
    const swarm_run_spec spec = {.inflight_max = run_inflight_max};
    swarm_stats stats = {0};
    uint64_t most = 0;
    swarm_status status = SWARM_E_AGAIN;
    struct house h;
    swarm_run run;
    swarm_plan *plan;

    house_open(&h, config);
    CHECK(swarm_agent_add(h.sw, h.profile, 7).id != 0);
    run = swarm_run_open(h.sw, &spec);
    plan = swarm_plan_open(h.sw, run);
    for (int i = 0; i < 50; i++) {
        CHECK(swarm_step_add(plan, NULL).id != 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    while (status == SWARM_E_AGAIN) {
        status = swarm_sim_drive(h.sw, &instant);
        CHECK_EQ(swarm_stats_get(h.sw, &stats), SWARM_OK);
        most = stats.inflight > most ? stats.inflight : most;
    }
    CHECK_EQ(status, SWARM_OK);
    CHECK_EQ(most, limit);
    run_out(&h, run, 50);
    house_close(&h);
}

TEST(attempts_in_flight) {
    swarm_config config = small();

    at_most(config, 0, 8);
    at_most(config, 1, 1);
    at_most(config, 3, 3);
    config.inflight_max = 1;
    at_most(config, 0, 1);
    config.inflight_max = 5;
    at_most(config, 0, 5);
    at_most(config, SWARM_NONE, 5);
}

TEST(steps_of_a_run) {
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING, .steps_max = 3};
    swarm_error error = {0};
    struct house h;
    swarm_run run;
    swarm_plan *plan;

    house_open(&h, small());
    run = swarm_run_open(h.sw, &spec);
    for (int i = 0; i < 3; i++) {
        plan = swarm_plan_open(h.sw, run);
        CHECK(swarm_call_add(plan, h.function, 0).id != 0);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_E_STALLED);
    for (int i = 0; i < 2; i++) { /* in its whole life: that they have ended does not help */
        plan = swarm_plan_open(h.sw, run);
        CHECK(swarm_call_add(plan, h.function, 0).id != 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_LIMIT);
        check_refused(&error, SWARM_E_LIMIT, "steps_max");
    }
    CHECK_EQ(swarm_run_limits(h.sw, run, 4, 0), SWARM_OK);
    plan = swarm_plan_open(h.sw, run);
    CHECK(swarm_call_add(plan, h.function, 0).id != 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    run_out(&h, run, 4);
    house_close(&h);
}

/* Four steps, attempts_max as given: those that got none end FAILED with LIMIT. */
static void attempts_of(uint64_t given, uint64_t ok) {
    const swarm_run_spec spec = {.attempts_max = given};
    swarm_run_report report = {0};
    swarm_step_info info = {0};
    struct house h;
    swarm_step last = {0};
    swarm_run run;
    swarm_plan *plan;

    house_open(&h, small());
    run = swarm_run_open(h.sw, &spec);
    plan = swarm_plan_open(h.sw, run);
    for (int i = 0; i < 4; i++) {
        last = swarm_step_add(plan, NULL);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(h.sw, run, &report), SWARM_OK);
    CHECK_EQ(report.attempts, ok);
    CHECK_EQ(report.ok, ok);
    CHECK_EQ(report.failed, 4 - ok);
    CHECK_EQ(swarm_step_status(h.sw, last, &info), SWARM_OK);
    CHECK_EQ(info.reason, ok == 4 ? SWARM_OK : SWARM_E_LIMIT);
    house_close(&h);
}

TEST(attempts_of_a_run) {
    attempts_of(1, 1);
    attempts_of(3, 3);
    attempts_of(4, 4);
    attempts_of(0, 4);
    attempts_of(SWARM_ZERO, 0);
}

TEST(commands) {
    swarm_config config = small();
    struct house h;
    swarm_run run;
    swarm_plan *plan;
    swarm_step step;

    config.commands_max = 2;
    house_open(&h, config);
    run = growing(&h);
    plan = swarm_plan_open(h.sw, run);
    step = swarm_step_add(plan, NULL);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    for (uint64_t i = 0; i < AGAIN_AND_AGAIN; i++) {
        CHECK_EQ(swarm_step_cancel(h.sw, step), SWARM_OK);
        CHECK_EQ(swarm_subtree_cancel(h.sw, step), SWARM_OK);
        CHECK_EQ(swarm_step_cancel(h.sw, step), SWARM_E_FULL);
        CHECK_EQ(swarm_run_cancel(h.sw, run), SWARM_E_FULL);
        CHECK_EQ(swarm_agent_cancel(h.sw, (swarm_agent){1}), SWARM_E_FULL);
        CHECK_EQ(swarm_advance(h.sw, i, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_run_cancel(h.sw, run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(h.sw, NULL), SWARM_OK);
    house_close(&h);
}

/* ---- workers */

/* A fan, a chain and a range through deques of one item. */
TEST(deques_of_one_item) {
    swarm_config config = small();
    struct house h;
    swarm_step before = {0};
    swarm_run run;
    swarm_plan *plan;

    config.deque_size = 1;
    config.steps_max = 3000;
    for (uint32_t workers = 0; workers < 3; workers += 2) {
        const swarm_drive_options options = {.workers = workers};

        house_open(&h, config);
        run = swarm_run_open(h.sw, NULL);
        plan = swarm_plan_open(h.sw, run);
        for (uint64_t i = 0; i < 1000; i++) {
            swarm_step fan = swarm_call_add(plan, h.function, i);
            swarm_step link = swarm_call_add(plan, h.function, i);

            CHECK(fan.id != 0);
            CHECK(i == 0 || swarm_edge_add(plan, before, link, 0) == SWARM_OK);
            before = link;
        }
        CHECK(swarm_range_add(plan, h.function, 0, 10000).id != 0);
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
        CHECK_EQ(swarm_sim_drive(h.sw, &options), SWARM_OK);
        run_out(&h, run, 2001);
        house_close(&h);
    }
}

TEST(one_worker) {
    const swarm_drive_options one = {.workers = 1};
    swarm_config config = small();
    struct house h;

    config.workers_max = 1;
    house_open(&h, config);
    CHECK_EQ(swarm_work(h.sw, 1, 1), 0);
    CHECK_EQ(swarm_sim_drive(h.sw, &one), SWARM_E_INVALID);
    CHECK_EQ(swarm_drive(h.sw, &one), SWARM_E_INVALID);
    house_close(&h);
}

TEST_MAIN()
