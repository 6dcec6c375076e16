/* SPDX-License-Identifier: MIT */
/*
 * sim_drive.h - one trial: the setup, the plans, what the owner does on the way, and the loop that
 * drives it all by hand in virtual time, with the model looking on.
 *
 * First everything that was drawn may go wrong; then comes the calm: nothing fails any more,
 * whoever was silent speaks, limits are lifted, and every run must end.
 */
#ifndef SWARM_TESTS_SIM_DRIVE_H
#define SWARM_TESTS_SIM_DRIVE_H

#include "sim_crew.h"
#include "sim_fleet.h"

#define INSTANTS_WILD 400u
#define INSTANTS_CALM 20000u
#define PASSES_MAX 100000u

/* ---- call steps: on any thread, so they draw nothing */

static inline swarm_outcome call_main(void *context, const swarm_call *call, uint64_t *out_value) {
    struct world *w = context;
    struct sim_run *run = &w->runs[call->argument >> 32];
    struct sim_step *step = &run->steps[call->argument & NONE];
    uint64_t draw =
        call_draw(run->spec.seed, call->argument & NONE, step->has_loop ? call->iteration : 0);
    swarm_result result = {.value = draw,
                           .branch = (uint32_t)(draw % 2),
                           .confidence_ppm = (uint32_t)(draw >> 8) % 1000001};
    const swarm_effect effect = {.key = 1, .value = draw, .kind = SWARM_EFFECT_PUT};

    *out_value = draw;
    step->ran = has(w, FAULT_FAIL) && (draw >> 40) % 100 < w->strength[FAULT_FAIL] / 4 ? 2 : 1;
    if (step->kind != KIND_PLAIN) {
        (void)swarm_call_output(call, &result);
    }
    if (step->has_state) {
        (void)swarm_call_effects(call, &effect, 1);
    }
    return step->ran == 1 ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL;
}

/* Adds a few agent steps; see on_plan. */
static inline swarm_outcome call_expand(void *context, const swarm_call *call,
                                        uint64_t *out_value) {
    struct world *w = context;
    struct sim_run *run = &w->runs[call->argument >> 32];
    struct sim_step *step = &run->steps[call->argument & NONE];
    uint64_t shape = call_draw(run->spec.seed, call->argument & NONE, 255);
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step last = {0};
    swarm_result result = {0};

    for (uint64_t i = 0; i < shape % 3 + 1; i++) {
        swarm_step one = swarm_step_add(plan, NULL);

        if (i != 0 && (shape >> 8 & 1) != 0) {
            (void)swarm_edge_add(plan, last, one, 0);
        }
        last = one;
    }
    if (step->continued) {
        (void)swarm_plan_continue(plan, last);
    } else {
        uint64_t draw = call_draw(run->spec.seed, call->argument & NONE, 0);

        result.branch = (uint32_t)(draw % 2);
        result.confidence_ppm = (uint32_t)(draw >> 8) % 1000001;
        (void)swarm_call_output(call, &result);
    }
    *out_value = 0;
    step->ran = 1;
    return SWARM_OUTCOME_OK;
}

/* ---- setup */

static inline void setup_swarm(struct world *w, unsigned char *block, size_t size) {
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .seed = 1 + below(w, 1000),
                           .cancel_grace_ns = w->grace_ns,
                           .steps_max = 1024,
                           .agents_max = AGENTS_MAX,
                           .inflight_max = FLIGHTS_MAX,
                           .runs_max = RUNS,
                           .plans_max = 64,
                           .guards_max = 512,
                           .asks_max = 64,
                           .shapes_max = 512,
                           .accesses_max = 512,
                           .workers_max = 8,
                           .log_bytes = 1 << 17,
                           .deque_size = w->variant.deque_size,
                           .spin = 1};
    size_t need = 0;

    CHECK(w, swarm_memory_size(&config, &need) == SWARM_OK, "memory size");
    CHECK(w, need + (size_t)w->variant.shift * 64 <= size, "the trial's block is too small");
    memset(block, w->variant.fill, need + (size_t)w->variant.shift * 64);
    config.memory = block + (size_t)w->variant.shift * 64;
    config.memory_size = need;
    CHECK(w, swarm_new(&config, &w->sw) == SWARM_OK, "swarm_new");
}

static inline void setup_fleet(struct world *w) {
    static const char *const backends[] = {"near", "far"};
    static const char *const profiles[] = {"clerk", "smith", "baker"};
    static const char *const permits[] = {"door", "oven"};
    swarm_backend_id ids[BACKENDS];
    swarm_profile roles[PROFILES];

    for (uint32_t i = 0; i < BACKENDS; i++) {
        ids[i] = swarm_backend_add(
            w->sw, &(swarm_backend){.size = sizeof(swarm_backend), .name = backends[i]});
    }
    for (uint32_t i = 0; i < PROFILES; i++) {
        const swarm_profile_spec spec = {.name = profiles[i],
                                         .skills = &profiles[i],
                                         .skills_count = 1,
                                         .backend = ids[w->profile_backend[i]],
                                         .inflight_max = w->profile_inflight_max[i]};

        roles[i] = swarm_profile_add(w->sw, &spec);
    }
    for (uint32_t i = 1; i <= w->agents; i++) {
        CHECK(w, swarm_agent_add(w->sw, roles[w->agent_profile[i]], 1).id == i, "agent ids");
    }
    for (uint32_t i = 0; i < PERMITS; i++) {
        CHECK(w, swarm_permit_add(w->sw, permits[i], w->permit_capacity[i]).id == i + 1, "permits");
    }
    if (has(w, FEATURE_RATE)) {
        const swarm_limit_spec rate = {.name = "rate",
                                       .backend = ids[0],
                                       .units = 1 + below(w, 4),
                                       .period_ns = 10 + below(w, 100)};

        w->has_rate = swarm_limit_add(w->sw, &rate).id != 0;
    }
    w->plain = swarm_function_add(w->sw, "plain", call_main, w);
    w->expand = swarm_function_add(w->sw, "expand", call_expand, w);
    CHECK(w, swarm_fault(w->sw, NULL) == SWARM_OK, "setup");
}

static inline void setup_budgets(struct world *w) {
    static const char *const names[] = {"house", "room"};

    for (uint32_t i = 0; i < (has(w, FEATURE_BUDGET) ? BUDGETS : 0); i++) {
        const swarm_budget_spec spec = {.name = names[i],
                                        .parent = i == 0 ? (swarm_budget){0} : w->budgets[0],
                                        .limit = w->budget_limit[i],
                                        .policy = w->budget_policy[i]};

        w->budgets[i] = swarm_budget_add(w->sw, &spec);
        CHECK(w, w->budgets[i].id != 0, "budget");
    }
}

static inline void setup_runs(struct world *w) {
    static const char *const names[] = {"red", "blue"};

    w->runs_count = 1 + (uint32_t)below(w, RUNS);
    for (uint32_t i = 0; i < w->runs_count; i++) {
        struct sim_run *run = &w->runs[i];

        draw_run(w, run);
        if (happens(w, FEATURE_TENANT)) {
            run->spec.tenant = swarm_tenant_add(
                w->sw, &(swarm_tenant_spec){.name = names[i], .weight = 1 + (uint32_t)below(w, 5)});
        }
        run->handle = swarm_run_open(w->sw, &run->spec);
        CHECK(w, run->handle.id != 0, "run");
    }
}

/* ---- plans */

static inline swarm_step add_step(struct world *w, swarm_plan *plan, struct sim_run *run,
                                  uint32_t index) {
    struct sim_step *step = &run->steps[index];
    static const char *const profiles[] = {"clerk", "smith", "baker"};
    uint64_t argument = (uint64_t)(run - w->runs) << 32 | index;
    const swarm_state_spec state = {.isolation = index % 3, .on_conflict = 0};
    const swarm_charge_spec charge = {.budget = step->charge == 0 ? (swarm_budget){0}
                                                                  : w->budgets[step->charge - 1],
                                      .reserve = step->reserve};
    swarm_need needs[PERMITS];
    swarm_step_spec spec = {.argument = argument,
                            .order_key = step->order_key,
                            .estimate_ns = step->estimate_ns,
                            .priority = step->priority,
                            .queue_timeout_ns = step->queue_timeout_ns,
                            .run_timeout_ns = step->run_timeout_ns,
                            .retry = step->retry,
                            .agent = {step->pin},
                            .key = step->key,
                            .needs = needs,
                            .join = step->has_join ? &step->join : NULL,
                            .skip = step->has_skip ? &step->skip : NULL,
                            .loop = step->has_loop ? &step->loop : NULL,
                            .vote = step->has_vote ? &step->vote : NULL,
                            .hedge = step->has_hedge ? &step->hedge : NULL,
                            .watch = step->has_watch ? &step->watch : NULL,
                            .ask = step->has_ask ? &step->ask : NULL,
                            .charge = step->charge != 0 ? &charge : NULL,
                            .state = step->has_state ? &state : NULL,
                            .flags = step->detached ? SWARM_STEP_DETACHED : 0};

    if (step->kind == KIND_PLAIN) {
        return swarm_call_add(plan, w->plain, argument);
    }
    if (step->kind != KIND_AGENT) {
        spec.function = step->kind == KIND_EXPAND ? w->expand : w->plain;
    }
    if (step->skill != 0) {
        spec.skills = &profiles[step->skill - 1];
        spec.skills_count = 1;
    }
    for (uint32_t i = 0; i < PERMITS; i++) {
        if (step->units[i] != 0) {
            needs[spec.needs_count++] = (swarm_need){{i + 1}, step->units[i]};
        }
    }
    return swarm_step_add(plan, &spec);
}

/* A skip needs successors that can do without it, and a join predecessors that it knows. */
static inline void fit_edges(struct sim_run *run, struct sim_step *step) {
    for (uint32_t i = 0; i < step->into_count; i++) {
        swarm_edge_spec *rule = &step->into[i].rule;

        if (run->steps[step->into[i].from].has_skip && rule->kind != SWARM_EDGE_SOFT &&
            rule->on_skip == SWARM_EDGE_CASCADE) {
            rule->on_skip = SWARM_EDGE_AS_OK;
        }
    }
}

static inline void draw_plan(struct world *w, struct sim_run *run, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        struct sim_step *step = &run->steps[i];

        memset(step, 0, sizeof *step);
        step->iteration = 1;
        if (below(w, 5) == 0) {
            continue; /* nothing special: what shrinking makes of a step that does not matter */
        }
        draw_step(w, step, run);
        run->expands += step->kind == KIND_EXPAND;
        step->continued = step->kind == KIND_EXPAND && chance(w, 30);
        for (uint64_t k = below(w, 4); i != 0 && k != 0; k--) {
            uint32_t from = i - 1 - (uint32_t)below(w, i < 12 ? i : 12);

            if (step->kind != KIND_PLAIN || !run->steps[from].has_skip) {
                draw_edge(w, run, i, from);
            }
        }
        draw_join(w, step);
        fit_edges(run, step);
    }
}

static inline swarm_status add_edge(swarm_plan *plan, const struct sim_step *from,
                                    const struct sim_step *to, const swarm_edge_spec *rule) {
    bool plain = from->kind == KIND_PLAIN || to->kind == KIND_PLAIN;

    return plain ? swarm_edge_add(plan, from->handle, to->handle, 0)
                 : swarm_edge_add_with(plan, from->handle, to->handle, rule);
}

static inline void add_plan(struct world *w, struct sim_run *run, swarm_plan *plan, uint32_t first,
                            uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        struct sim_step *step = &run->steps[i];

        step->handle = add_step(w, plan, run, i);
        if (step->handle.id == 0) {
            wrong(w, swarm_status_text(swarm_plan_commit(plan, NULL)));
        }
        w->losers = w->losers || (step->has_join && step->join.flags != 0);
        for (uint32_t k = 0; k < step->into_count; k++) {
            CHECK(w,
                  add_edge(plan, &run->steps[step->into[k].from], step, &step->into[k].rule) ==
                      SWARM_OK,
                  "an edge was refused");
        }
    }
}

/* What the owner adds to a run at once. */
static inline void grow(struct world *w, struct sim_run *run) {
    uint32_t room = STEPS_MAX - 3 * EXPANDS_MAX;
    uint32_t left = run->target < room - run->own ? run->target : room - run->own;
    uint32_t first = run->count;
    uint32_t count = (run->spec.flags & SWARM_RUN_GROWING) == 0 || left < 2
                         ? left
                         : 1 + (uint32_t)below(w, left < 40 ? left : 40);
    swarm_status status;
    swarm_plan *plan;

    run->target = left - count;
    if (count == 0) {
        return;
    }
    draw_plan(w, run, first, count);
    plan = swarm_plan_open(w->sw, run->handle);
    add_plan(w, run, plan, first, count);
    run->count += count;
    run->own += count;
    status = swarm_plan_commit(plan, NULL);
    CHECK(w, status == SWARM_OK, swarm_status_text(status));
    for (uint32_t i = first; i < run->count; i++) {
        run->steps[i].gone = run->steps[i].detached;
    }
}

/* ---- what the owner does on the way */

static inline void mark_cancelled(struct sim_run *run, uint32_t index, bool subtree) {
    run->steps[index].cancel_posted = true;
    for (uint32_t i = index + 1; subtree && i < run->count; i++) {
        run->steps[i].cancel_posted =
            run->steps[i].cancel_posted || run->steps[i].owner == index + 1;
    }
}

static inline void cancel_step(struct world *w, struct sim_run *run) {
    uint32_t index = (uint32_t)below(w, run->count);
    struct sim_step *step = &run->steps[index];
    bool subtree = step->kind != KIND_PLAIN && chance(w, 40);
    swarm_status status;

    if (step->gone) {
        return;
    }
    status = subtree ? swarm_subtree_cancel(w->sw, step->handle)
                     : swarm_step_cancel(w->sw, step->handle);
    CHECK(w, status == SWARM_OK, "a cancel was refused");
    mark_cancelled(run, index, subtree);
}

static inline void cancel_agent(struct world *w) {
    uint32_t agent = 1 + (uint32_t)below(w, w->agents);

    CHECK(w, swarm_agent_cancel(w->sw, (swarm_agent){agent}) == SWARM_OK, "a cancel was refused");
}

static inline void storm(struct world *w, struct sim_run *run) {
    for (uint64_t i = below(w, 30); i != 0; i--) {
        cancel_step(w, run);
    }
    if (chance(w, 30)) {
        CHECK(w, swarm_run_cancel(w->sw, run->handle) == SWARM_OK, "a cancel was refused");
        run->target = 0;
        run->cancel_posted = true;
    }
}

static inline void leave(struct world *w) {
    uint32_t agent = 1 + (uint32_t)below(w, w->agents);

    CHECK(w, swarm_agent_withdraw(w->sw, (swarm_agent){agent}) == SWARM_OK, "withdraw");
    w->agent_gone[agent] = true;
}

static inline void forget(struct world *w, struct sim_run *run) {
    struct sim_step *step = &run->steps[below(w, run->count)];

    if (!step->gone && (run->spec.flags & SWARM_RUN_GROWING) != 0) {
        CHECK(w, swarm_step_forget(w->sw, step->handle) == SWARM_OK, "forget");
        step->gone = true;
        CHECK(w, swarm_step_forget(w->sw, step->handle) == SWARM_E_STALE, "forgot twice");
    }
}

/* Somebody paid: the accounts have quota again. */
static inline void pay(struct world *w) {
    for (uint32_t i = 0; i < BACKENDS; i++) {
        CHECK(w, swarm_breaker_reset(w->sw, (swarm_backend_id){i + 1}) == SWARM_OK, "reset");
    }
}

static inline void owner_acts(struct world *w) {
    for (uint32_t i = 0; i < w->runs_count; i++) {
        struct sim_run *run = &w->runs[i];

        if (run->target != 0 && !run->closed && !run->cancel_posted && chance(w, 40)) {
            grow(w, run);
        } else if (run->target == 0 && !run->closed && chance(w, 40)) {
            CHECK(w, swarm_run_close(w->sw, run->handle) == SWARM_OK, "close");
            run->closed = true;
        }
        if (run->count == 0) {
            continue;
        }
        if (happens(w, FAULT_CANCEL) && !run->ended) {
            cancel_step(w, run);
        }
        if (happens(w, FAULT_STORM) && below(w, 20) == 19 && !run->ended) {
            storm(w, run);
        }
        if (happens(w, FEATURE_DETACHED) && !w->calm) {
            forget(w, run);
        }
    }
    if (happens(w, FAULT_CANCEL) && below(w, 4) == 3) {
        cancel_agent(w);
    }
    if ((w->backend_shut[0] || w->backend_shut[1]) && chance(w, 20)) {
        pay(w);
    }
    if (happens(w, FAULT_LEAVE) && below(w, 8) == 7) {
        leave(w);
    }
}

/* ---- the loop */

static inline bool pass(struct world *w, uint64_t at_ns) {
    bool changed = false, any = crew_work(w);
    swarm_status status;

    fleet_poll(w);
    any = crew_work(w) || any;
    status = swarm_advance(w->sw, at_ns, &changed);
    for (uint32_t i = 0; status == SWARM_E_AGAIN; i++) {
        CHECK(w, model_read(w) && i < PASSES_MAX, "AGAIN with an empty log");
        status = swarm_advance(w->sw, at_ns, &changed);
    }
    CHECK(w, status == SWARM_OK, "advance");
    any = model_read(w) || any;
    any = fleet_take(w) || any;
    w->rounds++;
    return any || changed;
}

/* All that happens at this time. The clock may go back for a moment: that must change nothing. */
static inline void instant(struct world *w) {
    bool back = happens(w, FAULT_CLOCK) && w->now_ns > 5;
    uint32_t passes = 0;

    while (pass(w, back ? w->now_ns - 5 : w->now_ns) || fleet_deadline(w) <= w->now_ns ||
           swarm_next_deadline(w->sw) <= w->now_ns) {
        CHECK(w, ++passes < PASSES_MAX, "an instant has no end");
        back = false;
    }
    model_quiet(w);
}

static inline bool all_ended(const struct world *w) {
    bool ended = true;

    for (uint32_t i = 0; i < w->runs_count; i++) {
        ended = ended && w->runs[i].ended;
    }
    return ended;
}

/* When something happens next; now and then earlier, or much later. */
static inline uint64_t next_time(struct world *w) {
    uint64_t own = swarm_next_deadline(w->sw), next = fleet_deadline(w);

    next = own < next ? own : next;
    if (happens(w, FAULT_CLOCK)) {
        return w->now_ns + (chance(w, 20) ? 3600 * SECOND : 1 + below(w, 500));
    }
    if (next == SWARM_NEVER || (next - w->now_ns > 30 && !w->calm && chance(w, 20))) {
        return w->now_ns + 1 + below(w, 30);
    }
    return next;
}

static inline void wild(struct world *w) {
    uint32_t instants = 20 + (uint32_t)below(w, INSTANTS_WILD);

    for (uint32_t i = 0; i < instants && !all_ended(w); i++) {
        owner_acts(w);
        instant(w);
        w->now_ns = next_time(w);
    }
}

static inline void lift_limits(struct world *w) {
    const swarm_amounts none = {SWARM_NEVER, SWARM_NEVER, SWARM_NEVER,
                                SWARM_NEVER, SWARM_NEVER, SWARM_NEVER};

    for (uint32_t i = 0; i < (has(w, FEATURE_BUDGET) ? BUDGETS : 0); i++) {
        CHECK(w, swarm_budget_limit(w->sw, w->budgets[i], &none) == SWARM_OK, "budget limit");
        w->budget_limit[i] = (swarm_amounts){0};
    }
}

static inline void calm(struct world *w) {
    w->calm = true;
    fleet_calm(w);
    pay(w);
    lift_limits(w);
    for (uint32_t i = 0; i < w->runs_count; i++) {
        struct sim_run *run = &w->runs[i];

        if (run->count == 0 && !run->closed && !run->cancel_posted) {
            grow(w, run);
        }
        if (!run->closed) {
            CHECK(w, swarm_run_close(w->sw, run->handle) == SWARM_OK, "close");
            run->closed = true;
        }
    }
    for (uint32_t i = 0; !all_ended(w); i++) {
        instant(w);
        CHECK(w, i < INSTANTS_CALM, "faults are over and a run does not end");
        CHECK(w, all_ended(w) || next_time(w) != w->now_ns, "nothing moves a run");
        w->now_ns = next_time(w);
    }
}

/* Everything has ended: what is left over is a leak. */
static inline void settle(struct world *w) {
    swarm_stats stats = {0};

    for (uint32_t i = 0; i < 40 && w->flights_count != 0; i++) {
        fleet_calm(w);
        w->now_ns += w->grace_ns;
        instant(w);
    }
    CHECK(w, w->flights_count == 0, "an attempt is in flight for ever");
    for (uint32_t i = 0; i < w->runs_count; i++) {
        CHECK(w, swarm_run_check(w->sw, w->runs[i].handle, NULL) == SWARM_OK, "run check");
        swarm_run_report_get(w->sw, w->runs[i].handle, &w->reports[i]);
        CHECK(w, swarm_run_forget(w->sw, w->runs[i].handle) == SWARM_OK, "forget run");
    }
    while (pass(w, w->now_ns)) {
    }
    for (uint32_t i = 1; i < w->lent_count; i++) {
        CHECK(w, w->lent[i] == 2, "lent bytes never came back");
    }
    for (uint32_t i = 0; i < PERMITS; i++) {
        CHECK(w, w->permit_used[i] == 0, "permits leak");
    }
    CHECK(w, swarm_stats_get(w->sw, &stats) == SWARM_OK && stats.steps_live == 0, "steps leak");
    CHECK(w, swarm_free(w->sw) == SWARM_OK, "free");
}

static inline void play(struct world *w, unsigned char *block, size_t size) {
    w->lent_count = 1;
    draw_features(w);
    draw_fleet(w);
    setup_swarm(w, block, size);
    setup_fleet(w);
    setup_budgets(w);
    setup_runs(w);
    w->now_ns = below(w, 2) * 1000;
    wild(w);
    calm(w);
    settle(w);
}

#endif
