/* SPDX-License-Identifier: MIT */
/*
 * Budgets (M39, M40): reserved before the start in the whole tree or not at all, settled once,
 * never passed while attempts keep to what they reserved; policies; prices; what is refused.
 */
#include "test_dispatch.h"

#define TOKENS(n)                                                                                  \
    { .output_tokens = (n) }

static swarm_budget budget_of(struct rig *rig, const char *name, swarm_budget parent,
                              swarm_amounts limit, uint32_t policy) {
    const swarm_budget_spec spec = {
        .name = name, .parent = parent, .limit = limit, .policy = policy};
    swarm_budget budget = swarm_budget_add(rig->sw, &spec);

    CHECK(budget.id != 0);
    return budget;
}

static swarm_step charged(swarm_plan *plan, swarm_budget budget, uint64_t tokens) {
    const swarm_charge_spec charge = {.budget = budget, .reserve = TOKENS(tokens)};

    return swarm_step_add(plan, &(swarm_step_spec){.charge = &charge});
}

static swarm_budget_info info_of(struct rig *rig, swarm_budget budget) {
    swarm_budget_info info = {0};

    CHECK_EQ(swarm_budget_get(rig->sw, budget, &info), SWARM_OK);
    return info;
}

static void answer_with(struct rig *rig, uint64_t ordinal, swarm_outcome outcome,
                        swarm_usage usage) {
    const swarm_request *start = rig_start_of(rig, ordinal);

    CHECK(start != NULL);
    if (start != NULL) {
        const swarm_completion completion = {
            .attempt = start->attempt, .outcome = outcome, .usage = usage};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
}

static void answer_tokens(struct rig *rig, uint64_t ordinal, uint64_t tokens) {
    answer_with(rig, ordinal, SWARM_OUTCOME_OK, (swarm_usage){.output_tokens = tokens});
}

/* Events of this kind in the log so far; field `which` of the last one in *out_field. */
static uint32_t logged(struct rig *rig, uint32_t kind, uint32_t which, uint64_t *out_field) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint32_t count = 0;

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind) {
            count++;
            *out_field = event.field[which];
        }
    }
    return count;
}

TEST(reserved_in_the_whole_tree_and_settled) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_budget root = budget_of(rig, "root", (swarm_budget){0}, (swarm_amounts)TOKENS(1000), 0);
    swarm_budget left = budget_of(rig, "left", root, (swarm_amounts)TOKENS(700), 0);
    swarm_budget right = budget_of(rig, "right", root, (swarm_amounts)TOKENS(950), 0);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    uint64_t field = 0;

    (void)charged(plan, left, 600);
    (void)charged(plan, right, 600); /* fits its own budget, but not the root's */
    (void)charged(plan, right, 300);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0 2");
    CHECK_EQ(info_of(rig, root).reserved.output_tokens, 900);
    CHECK_EQ(info_of(rig, root).reserved.steps, 2);
    CHECK_EQ(info_of(rig, left).reserved.output_tokens, 600);
    CHECK_EQ(info_of(rig, right).reserved.output_tokens, 300); /* the refused one left nothing */
    CHECK_EQ(logged(rig, SWARM_EVENT_LACK, 0, &field), 1);
    CHECK_EQ(field, 1); /* the root lacks */
    CHECK_EQ(logged(rig, SWARM_EVENT_LACK, 1, &field), 1);
    CHECK_EQ(field, 4); /* output tokens */
    CHECK_EQ(logged(rig, SWARM_EVENT_LACK, 3, &field), 1);
    CHECK_EQ(field, 400);
    answer_tokens(rig, 0, 100);
    rig_check_order(rig, "0 2 1");
    CHECK_EQ(info_of(rig, root).spent.output_tokens, 100);
    CHECK_EQ(info_of(rig, left).spent.output_tokens, 100);
    CHECK_EQ(info_of(rig, left).reserved.output_tokens, 0);
    CHECK_EQ(info_of(rig, right).spent.output_tokens, 0);
    answer_tokens(rig, 1, 600);
    answer_tokens(rig, 2, 300);
    CHECK_EQ(info_of(rig, root).spent.output_tokens, 1000);
    CHECK_EQ(info_of(rig, root).exceeded, 0);
    CHECK_EQ(info_of(rig, root).spent.steps, 3);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(an_attempt_that_exceeds_is_booked_in_full_and_blocks) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_budget budget =
        budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts)TOKENS(100), SWARM_BUDGET_STOP);
    const swarm_charge_spec nothing = {.budget = budget};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step none;
    uint64_t flags = 0;

    (void)charged(plan, budget, 50);
    none = swarm_step_add(plan, &(swarm_step_spec){.charge = &nothing});
    rig_commit(plan);
    rig_at(rig, 0);
    answer_tokens(rig, 0, 130);
    CHECK_EQ(info_of(rig, budget).spent.output_tokens, 130);
    CHECK_EQ(info_of(rig, budget).exceeded, 1);
    CHECK_EQ(logged(rig, SWARM_EVENT_SETTLE, 2, &flags), 1);
    CHECK_EQ(flags, SWARM_SETTLE_EXCEEDED);
    CHECK_EQ(rig_state(rig, none), SWARM_STEP_BUDGET); /* even a reservation of nothing */
    CHECK_EQ(rig_info(rig, none).reason, SWARM_E_BUDGET);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(policies_wait_and_stop) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_budget wait = budget_of(rig, "w", (swarm_budget){0}, (swarm_amounts)TOKENS(100), 0);
    swarm_budget stop =
        budget_of(rig, "s", (swarm_budget){0}, (swarm_amounts)TOKENS(100), SWARM_BUDGET_STOP);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step stopped;
    uint64_t action = 9;

    (void)charged(plan, wait, 80);
    (void)charged(plan, wait, 80);
    (void)charged(plan, stop, 80);
    stopped = charged(plan, stop, 80);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, stopped), SWARM_STEP_READY); /* the one in flight may use less */
    answer_tokens(rig, 2, 80);
    CHECK_EQ(rig_state(rig, stopped), SWARM_STEP_BUDGET);
    CHECK_EQ(logged(rig, SWARM_EVENT_LACK, 4, &action), 3);
    CHECK_EQ(action, SWARM_BUDGET_STOP);
    answer_tokens(rig, 0, 80);
    CHECK_EQ(logged(rig, SWARM_EVENT_LACK, 4, &action), 4);
    CHECK_EQ(action, SWARM_BUDGET_WAIT);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_STALLED); /* seen, not silent */
    CHECK_EQ(swarm_budget_limit(rig->sw, wait, &(swarm_amounts)TOKENS(160)), SWARM_OK);
    rig_at(rig, 1);
    answer_tokens(rig, 1, 80);
    CHECK_EQ(rig_report(rig, run).budget, 1);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Prices: 10 an output token at the good profile, 1 at the cheap one, which scores worse. */
TEST(prices_and_degrade) {
    const swarm_price dear = {.fixed_nano = 5, .output_nano = 10}, cheap = {.output_nano = 1};
    struct rig *rig = rig_new(NULL, 0);
    const swarm_profile_spec good = {.name = "good", .backend = rig->backend, .price = &dear},
                             poor = {.name = "poor",
                                     .backend = rig->backend,
                                     .cost = 10,
                                     .inflight_max = 9,
                                     .price = &cheap};
    swarm_agent strong = swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &good), 1);
    swarm_agent weak = swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &poor), 1);
    swarm_budget budget = budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts){.cost_nano = 1200},
                                    SWARM_BUDGET_DEGRADE);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step last;

    for (uint32_t i = 0; i < 2; i++) {
        (void)charged(plan, budget, 100);
    }
    last = charged(plan, budget, 1000);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, strong.id);
    CHECK_EQ(info_of(rig, budget).reserved.cost_nano, 1005 + 100);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, weak.id); /* the strong one is busy */
    answer_tokens(rig, 0, 60);                         /* no cost is reported: by the price */
    CHECK_EQ(info_of(rig, budget).spent.cost_nano, 605);
    CHECK_EQ(rig_start_of(rig, 2), NULL); /* neither 10,005 nor 1,000 fits */
    CHECK_EQ(rig_state(rig, last), SWARM_STEP_BUDGET);
    answer_with(rig, 1, SWARM_OUTCOME_OK, (swarm_usage){.cost_nano = 7}); /* what is said counts */
    CHECK_EQ(info_of(rig, budget).spent.cost_nano, 612);
    rig_check_run(rig, run);

    plan = rig_plan(rig, NULL, &run);
    (void)charged(plan, budget, 500);
    rig_commit(plan);
    rig_at(rig, 1);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, weak.id); /* the strong one is free, and too dear */
    answer_tokens(rig, 0, 500);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(cached_input_is_cheaper_and_output_never) {
    const swarm_price price = {.input_nano = 600, .cached_nano = 100, .output_nano = 3000};
    struct rig *rig = rig_new(NULL, 0);
    const swarm_profile_spec spec = {.name = "p", .backend = rig->backend, .price = &price};
    swarm_budget budget =
        budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts){.cost_nano = SWARM_NEVER}, 0);
    const swarm_charge_spec charge = {
        .budget = budget,
        .reserve = {.input_tokens = 1000, .cached_tokens = 900, .output_tokens = 10}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &spec), 1);
    (void)swarm_step_add(plan, &(swarm_step_spec){.charge = &charge});
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(info_of(rig, budget).reserved.cost_nano, 100 * 600 + 900 * 100 + 10 * 3000);
    answer_with(rig, 0, SWARM_OUTCOME_OK,
                (swarm_usage){.input_tokens = 1000, .cached_tokens = 0, .output_tokens = 10});
    CHECK_EQ(info_of(rig, budget).spent.cost_nano, 1000 * 600 + 10 * 3000);
    CHECK_EQ(info_of(rig, budget).exceeded, 0); /* nothing is limited */
    rig_free(rig);
}

/* Answers that say nothing are booked as reserved; failures and refusals are not. */
TEST(what_is_settled_by_outcome) {
    static const struct {
        swarm_outcome outcome;
        uint64_t spent, steps;
    } cases[] = {{SWARM_OUTCOME_OK, 50, 1},       {SWARM_OUTCOME_GARBAGE, 50, 1},
                 {SWARM_OUTCOME_LOST, 50, 1},     {SWARM_OUTCOME_TERMINAL, 0, 1},
                 {SWARM_OUTCOME_THROTTLED, 0, 0}, {SWARM_OUTCOME_REFUSED, 0, 0},
                 {SWARM_OUTCOME_CANCELLED, 0, 1}, {SWARM_OUTCOME_QUOTA, 0, 1},
                 {SWARM_OUTCOME_TRANSIENT, 0, 1}};

    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *rig = rig_new(NULL, 1);
        swarm_budget budget = budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts)TOKENS(100), 0);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);

        (void)charged(plan, budget, 50);
        rig_commit(plan);
        rig_at(rig, 0);
        answer_with(rig, 0, cases[i].outcome, (swarm_usage){0});
        CHECK_EQ(info_of(rig, budget).spent.output_tokens, cases[i].spent);
        CHECK_EQ(info_of(rig, budget).spent.steps, cases[i].steps);
        CHECK_EQ(info_of(rig, budget).reserved.output_tokens, 0);
        CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_free(rig);
    }
}

/* Given up, then answered late; given up, never answered; given up before it was taken. */
TEST(each_attempt_settles_once) {
    const swarm_config config = {.cancel_grace_ns = SECOND};
    struct rig *rig = rig_new(&config, 3);
    swarm_budget budget = budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts)TOKENS(100), 0);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_completion late = {.usage = {.output_tokens = 3}};
    uint64_t flags = 0;

    for (uint32_t i = 0; i < 3; i++) {
        (void)charged(plan, budget, 20);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    late.attempt = rig_start_of(rig, 0)->attempt;
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(info_of(rig, budget).reserved.output_tokens, 60); /* the backend is still at it */
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_OK);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_E_DUPLICATE);
    rig_settle(rig);
    CHECK_EQ(info_of(rig, budget).spent.output_tokens, 3);
    CHECK_EQ(info_of(rig, budget).reserved.output_tokens, 40);
    rig_at(rig, SECOND);
    CHECK_EQ(info_of(rig, budget).spent.output_tokens, 43); /* whole reservations */
    CHECK_EQ(info_of(rig, budget).reserved.output_tokens, 0);
    CHECK_EQ(logged(rig, SWARM_EVENT_SETTLE, 2, &flags), 3);
    CHECK_EQ(flags, SWARM_SETTLE_ESTIMATE);
    CHECK_EQ(swarm_complete(rig->sw, &late), SWARM_E_STALE);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(the_charge_of_a_run_and_closing) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_budget above = budget_of(rig, "above", (swarm_budget){0}, (swarm_amounts){0}, 0);
    swarm_budget budget = budget_of(rig, "b", above, (swarm_amounts){.steps = 2}, 2);
    const swarm_charge_spec charge = {.budget = budget};
    const swarm_run_spec spec = {.charge = &charge, .flags = SWARM_RUN_GROWING};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);

    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_finish(rig);
    CHECK_EQ(rig_report(rig, run).ok, 2);
    CHECK_EQ(rig_report(rig, run).budget, 2);
    CHECK_EQ(swarm_budget_close(rig->sw, above), SWARM_E_BUSY);
    CHECK_EQ(swarm_budget_close(rig->sw, budget), SWARM_E_BUSY); /* steps are alive */
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    CHECK_EQ(swarm_budget_close(rig->sw, budget), SWARM_OK);
    CHECK_EQ(swarm_budget_close(rig->sw, above), SWARM_OK);
    CHECK_EQ(swarm_budget_close(rig->sw, above), SWARM_E_STALE);
    CHECK_EQ(swarm_budget_get(rig->sw, budget, &(swarm_budget_info){0}), SWARM_E_STALE);
    CHECK_EQ(swarm_run_open(rig->sw, &spec).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_STALE);
    rig_free(rig);
}

static swarm_budget call_budget;

static swarm_outcome add_charged(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_charge_spec charge = {.budget = call_budget, .reserve = TOKENS(call->argument)};

    (void)context;
    (void)out_value;
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(swarm_step_add(swarm_call_plan(call), &(swarm_step_spec){.charge = &charge}).id != 0);
    }
    return SWARM_OUTCOME_OK;
}

TEST(call_steps_charge_too) {
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    const swarm_config config = {.charges_max = 3};
    struct rig *rig = rig_new(&config, 9);
    swarm_function add = swarm_function_add(rig->sw, "add", add_charged, NULL);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step good, bad;

    call_budget = budget_of(rig, "b", (swarm_budget){0}, (swarm_amounts)TOKENS(100), 0);
    good = swarm_call_add(plan, add, 40);
    bad = swarm_call_add(plan, add, 101); /* more than the limit */
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, good), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, bad), SWARM_STEP_FAILED);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    CHECK_EQ(info_of(rig, call_budget).reserved.output_tokens, 80);
    rig_finish(rig);
    CHECK_EQ(info_of(rig, call_budget).spent.output_tokens, 80);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_free(rig);
}

/* What is wrong is refused when the step is added, at its place. */
static void refused(struct rig *rig, swarm_run run, const swarm_charge_spec *charge,
                    swarm_status status) {
    swarm_plan *plan = swarm_plan_open(rig->sw, run);
    swarm_error error = {0};

    (void)rig_step(plan);
    CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.charge = charge}).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, &error), status);
    CHECK_EQ(error.index, 1);
}

TEST(refused_when_added) {
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    const swarm_config config = {.budgets_max = 17, .charges_max = 1};
    struct rig *rig = rig_new(&config, 1);
    swarm_budget root = budget_of(rig, "root", (swarm_budget){0}, (swarm_amounts)TOKENS(10), 0);
    swarm_budget leaf = root;
    swarm_run run = swarm_run_open(rig->sw, &growing);
    swarm_budget_spec spec = {.name = "next", .parent = root};
    char name[8];

    refused(rig, run, &(swarm_charge_spec){.budget = root, .reserve = TOKENS(11)}, SWARM_E_BUDGET);
    refused(rig, run, &(swarm_charge_spec){.budget = {77}}, SWARM_E_STALE);
    refused(rig, run, &(swarm_charge_spec){.budget = {0}}, SWARM_E_STALE);
    for (uint32_t depth = 2; depth <= 16; depth++) {
        (void)snprintf(name, sizeof name, "d%u", depth);
        leaf = budget_of(rig, name, leaf, (swarm_amounts){0}, 0);
    }
    refused(rig, run, &(swarm_charge_spec){.budget = leaf, .reserve = TOKENS(11)},
            SWARM_E_BUDGET); /* the limit is the root's */
    spec.parent = leaf;
    CHECK_EQ(swarm_budget_add(rig->sw, &spec).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_DEPTH);
    spec.parent = root;
    CHECK(swarm_budget_add(rig->sw, &spec).id != 0);
    spec.name = "full";
    CHECK_EQ(swarm_budget_add(rig->sw, &spec).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_FULL);
    spec.name = "root";
    CHECK_EQ(swarm_budget_add(rig->sw, &spec).id, 0);
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_E_DUPLICATE);
    swarm_plan *plan = swarm_plan_open(rig->sw, run);
    (void)charged(plan, root, 1);
    (void)charged(plan, root, 1); /* equal: no record more */
    CHECK_EQ(charged(plan, root, 2).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_FULL);
    rig_free(rig);
}

/* Random trees, answers and cancels: no limit is passed, ever, and nothing stays reserved. */
TEST(never_over_under_any_interleaving) {
    for (uint32_t round = 0; round < 60; round++) {
        const swarm_config config = {.cancel_grace_ns = 5};
        struct rig *rig = rig_new(&config, 12);
        const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING, .seed = 1 + round};
        const uint32_t policy = SWARM_BUDGET_WAIT + (uint32_t)test_below(2);
        swarm_budget budgets[7];
        swarm_run run = swarm_run_open(rig->sw, &growing);
        swarm_plan *plan = swarm_plan_open(rig->sw, run);
        uint64_t limits[7], spent = 0;

        for (uint32_t i = 0; i < 7; i++) {
            char name[8];

            (void)snprintf(name, sizeof name, "b%u", i);
            limits[i] = 100 + test_below(900);
            budgets[i] = budget_of(rig, name, i == 0 ? (swarm_budget){0} : budgets[(i - 1) / 2],
                                   (swarm_amounts)TOKENS(limits[i]), policy);
        }
        for (uint32_t i = 0; i < 60; i++) {
            (void)charged(plan, budgets[test_below(7)], 1 + test_below(100));
        }
        rig_commit(plan);
        for (uint32_t i = 0; i < 200; i++) {
            const swarm_request *start;
            swarm_completion completion = {0};

            rig_at(rig, rig->now_ns + test_below(3));
            for (uint32_t b = 0; b < 7; b++) {
                swarm_budget_info info = info_of(rig, budgets[b]);

                CHECK(info.spent.output_tokens + info.reserved.output_tokens <= limits[b]);
                CHECK_EQ(info.exceeded, 0);
            }
            start = rig->count == 0 ? NULL : &rig->requests[test_below(rig->count)];
            if (start == NULL || start->kind != SWARM_REQUEST_START) {
                continue;
            }
            if (test_below(20) == 0) {
                (void)swarm_step_cancel(rig->sw, start->step);
                continue;
            }
            completion.attempt = start->attempt;
            completion.usage.output_tokens = test_below(3) == 0 ? 1 : 0; /* at most reserved */
            completion.outcome = test_below(5) == 0 ? SWARM_OUTCOME_THROTTLED : SWARM_OUTCOME_OK;
            (void)swarm_complete(rig->sw, &completion);
        }
        CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_at(rig, rig->now_ns + 5);
        for (uint32_t b = 0; b < 7; b++) {
            CHECK_EQ(info_of(rig, budgets[b]).reserved.output_tokens, 0);
            CHECK(info_of(rig, budgets[b]).spent.output_tokens <= limits[b]);
            spent += info_of(rig, budgets[b]).spent.output_tokens;
        }
        CHECK(spent != 0);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST_MAIN()
