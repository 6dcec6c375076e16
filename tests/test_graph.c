/* SPDX-License-Identifier: MIT */
/* test_graph.c - src/graph on one thread: every rule of graph.h, one after the other. */
#include "test_graph.h"

#include "../src/graph/step.h"

/* ---- handles */

TEST(null_and_foreign_handles_are_not_found) {
    struct turn *turn = make(64, 64);
    static const uint64_t foreign[] = {0,
                                       1,
                                       63,
                                       UINT64_C(1) << 32,
                                       (UINT64_C(1) << 32) + 63,
                                       (UINT64_C(1) << 32) + 64,
                                       (UINT64_C(7) << 32) + 1,
                                       UINT64_MAX,
                                       UINT64_MAX - 1};

    for (uint32_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        swarm_step step = {foreign[i]};

        CHECK_EQ(swarm__graph_find(&turn->graph, step), NONE32);
    }
    turn_free(turn);
}

TEST(a_handle_is_stale_when_its_step_is_recycled) {
    struct turn *turn = make(1, 1);
    struct graph_plan plan;
    uint64_t before = 0;

    for (uint32_t i = 0; i < 100; i++) {
        swarm_step step;

        turn_plan(turn, &plan, 0, false);
        step = turn_add(&plan, F_LOG, 0, i);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        CHECK_EQ(swarm__graph_find(&turn->graph, step), 0);
        CHECK(step.id != before);
        CHECK_EQ(swarm__graph_live(&turn->graph), 1);
        turn_drive(turn);
        CHECK_EQ(swarm__graph_find(&turn->graph, step), NONE32);
        CHECK_EQ(swarm__graph_live(&turn->graph), 0);
        before = step.id;
    }
    CHECK_EQ(log_count, 100);
    turn_free(turn);
}

TEST(a_slot_whose_generation_would_come_round_is_retired) {
    struct turn *turn = make(2, 1);
    struct graph_plan plan;
    swarm_step step;

    turn_plan(turn, &plan, 0, false);
    step = turn_add(&plan, F_ECHO, 0, 0);
    ATOMIC_STORE(&turn->graph.link[turn_slot(step)], link_word(UINT32_MAX, NONE32), relaxed);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    turn_plan(turn, &plan, 0, false);
    CHECK(turn_add(&plan, F_ECHO, 0, 0).id != 0); /* the other slot */
    CHECK_EQ(turn_add(&plan, F_ECHO, 0, 0).id, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_E_FULL);
    CHECK(swarm__graph_find(&turn->graph, step) == NONE32 ||
          link_generation(ATOMIC_LOAD(&turn->graph.link[turn_slot(step)], relaxed)) == UINT32_MAX);
    turn_free(turn);
}

/* ---- errors of plans */

struct refusal {
    const char *name;
    swarm_status status;
    bool is_static;
    uint32_t index;
    uint64_t step, other;
    void (*fill)(struct turn *turn, struct graph_plan *plan);
};

static swarm_step old_step, old_static; /* of plans that were applied before */

static void fill_stale(struct turn *turn, struct graph_plan *plan) {
    swarm_step to = turn_add(plan, F_ECHO, 0, 0), from = {to.id + (UINT64_C(1) << 32)};

    (void)turn;
    swarm__graph_plan_edge(plan, from, to, false);
    swarm__graph_plan_edge(plan, to, to, false); /* the first error is kept */
}

static void fill_null(struct turn *turn, struct graph_plan *plan) {
    swarm_step to = turn_add(plan, F_ECHO, 0, 0), from = {0};

    (void)turn;
    swarm__graph_plan_edge(plan, from, to, false);
}

static void fill_self(struct turn *turn, struct graph_plan *plan) {
    swarm_step step;

    (void)turn;
    (void)turn_add(plan, F_ECHO, 0, 0);
    step = turn_add(plan, F_ECHO, 0, 0);
    swarm__graph_plan_edge(plan, step, step, false);
}

static void fill_frozen(struct turn *turn, struct graph_plan *plan) {
    swarm_step from = turn_add(plan, F_ECHO, 0, 0);

    (void)turn;
    swarm__graph_plan_edge(plan, from, old_step, false);
}

static void fill_frozen_static(struct turn *turn, struct graph_plan *plan) {
    swarm_step from = turn_add(plan, F_ECHO, 0, 0);

    (void)turn;
    swarm__graph_plan_edge(plan, from, old_static, false);
}

static void fill_started(struct turn *turn, struct graph_plan *plan) {
    swarm_step from = turn_add(plan, F_ECHO, 0, 0);

    turn_drive(turn);
    swarm__graph_plan_edge(plan, from, old_step, false);
}

static void fill_foreign(struct turn *turn, struct graph_plan *plan) {
    swarm_step to = turn_add(plan, F_ECHO, 0, 0);

    (void)turn;
    swarm__graph_plan_edge(plan, plan->is_static ? old_step : old_static, to, false);
}

static void fill_other_run(struct turn *turn, struct graph_plan *plan) {
    swarm_step to;

    (void)turn;
    plan->scope = 3;
    to = turn_add(plan, F_ECHO, 0, 0);
    swarm__graph_plan_edge(plan, old_step, to, false);
}

static void fill_continue(struct turn *turn, struct graph_plan *plan) {
    swarm_step step = turn_add(plan, F_ECHO, 0, 0);

    (void)turn;
    swarm__graph_plan_continue(plan, step);
}

static void fill_range(struct turn *turn, struct graph_plan *plan) {
    (void)turn;
    (void)swarm__graph_plan_range(plan, F_ECHO, 2, UINT64_MAX - 1);
}

static void fill_range_long(struct turn *turn, struct graph_plan *plan) {
    (void)turn;
    (void)swarm__graph_plan_range(plan, F_ECHO, 0, (UINT64_C(1) << 59) + 1);
}

static void fill_ranges(struct turn *turn, struct graph_plan *plan) {
    (void)turn;
    for (int i = 0; i < 6; i++) {
        (void)swarm__graph_plan_range(plan, F_ECHO, 0, 1);
    }
}

static void fill_steps(struct turn *turn, struct graph_plan *plan) {
    for (uint32_t i = 0; i < turn->sizes.steps + 5; i++) {
        (void)turn_add(plan, F_ECHO, 0, 0);
    }
}

static void fill_edges(struct turn *turn, struct graph_plan *plan) {
    swarm_step from = turn_add(plan, F_ECHO, 0, 0), to = turn_add(plan, F_ECHO, 0, 0);

    for (uint32_t i = 0; i < turn->sizes.edges + 5; i++) {
        swarm__graph_plan_edge(plan, from, to, false);
    }
}

static void fill_cycle(struct turn *turn, struct graph_plan *plan) {
    swarm_step a = turn_add(plan, F_ECHO, 0, 0), b = turn_add(plan, F_ECHO, 0, 0);

    (void)turn;
    swarm__graph_plan_edge(plan, a, b, false);
    swarm__graph_plan_edge(plan, b, a, false);
}

static void fill_given(struct turn *turn, struct graph_plan *plan) {
    (void)turn;
    (void)turn_add(plan, F_ECHO, 0, 0);
    swarm__graph_plan_fail(plan, SWARM_E_LIMIT, "a cap of the caller's");
}

static const struct refusal refusals[] = {
    {"stale", SWARM_E_STALE, true, 1, 0, SWARM_NEVER, fill_stale},
    {"stale", SWARM_E_STALE, false, 1, 0, SWARM_NEVER, fill_stale},
    {"null", SWARM_E_INVALID, true, 1, 0, SWARM_NEVER, fill_null},
    {"null", SWARM_E_INVALID, false, 1, 0, SWARM_NEVER, fill_null},
    {"self", SWARM_E_CYCLE, true, 2, 1, 1, fill_self},
    {"self", SWARM_E_CYCLE, false, 2, 1, 1, fill_self},
    {"into another", SWARM_E_FROZEN, true, 1, SWARM_NEVER, 0, fill_frozen},
    {"into another", SWARM_E_FROZEN, false, 1, SWARM_NEVER, 0, fill_frozen},
    {"into a static one", SWARM_E_FROZEN, true, 1, SWARM_NEVER, 0, fill_frozen_static},
    {"into a static one", SWARM_E_FROZEN, false, 1, SWARM_NEVER, 0, fill_frozen_static},
    {"into an ended one", SWARM_E_STARTED, false, 1, SWARM_NEVER, 0, fill_started},
    {"from a growing run", SWARM_E_INVALID, true, 1, 0, SWARM_NEVER, fill_foreign},
    {"from a static run", SWARM_E_INVALID, false, 1, 0, SWARM_NEVER, fill_foreign},
    {"from another run", SWARM_E_INVALID, false, 1, 0, SWARM_NEVER, fill_other_run},
    {"owner continues", SWARM_E_INVALID, false, 1, SWARM_NEVER, SWARM_NEVER, fill_continue},
    {"range past the end", SWARM_E_INVALID, false, 0, SWARM_NEVER, SWARM_NEVER, fill_range},
    {"range too long", SWARM_E_INVALID, true, 0, SWARM_NEVER, SWARM_NEVER, fill_range_long},
    {"ranges_max", SWARM_E_FULL, true, 4, SWARM_NEVER, SWARM_NEVER, fill_ranges},
    {"ranges_max", SWARM_E_FULL, false, 4, SWARM_NEVER, SWARM_NEVER, fill_ranges},
    {"steps_max", SWARM_E_FULL, true, 28, SWARM_NEVER, SWARM_NEVER, fill_steps},
    {"steps_max", SWARM_E_FULL, false, 28, SWARM_NEVER, SWARM_NEVER, fill_steps},
    {"edges_max", SWARM_E_FULL, true, 18, 1, 0, fill_edges},
    {"edges_max", SWARM_E_FULL, false, 18, 1, 0, fill_edges},
    {"cycle", SWARM_E_CYCLE, true, SWARM_NONE, 0, 1, fill_cycle},
    {"cycle", SWARM_E_CYCLE, false, SWARM_NONE, 1, 0, fill_cycle},
    {"the caller's", SWARM_E_LIMIT, false, 1, SWARM_NEVER, SWARM_NEVER, fill_given},
};

/* A step of a growing and one of a static run, which wait for agents. */
static void refusal_others(struct turn *turn) {
    struct graph_plan plan;

    turn->holds = turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    (void)turn_add(&plan, 0, GRAPH_TRACKED | GRAPH_AGENT, 0);
    old_step = turn_add(&plan, F_ECHO, 0, 0);
    swarm__graph_plan_edge(&plan, swarm__graph_handle(&turn->graph, plan.first), old_step, false);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_plan(turn, &plan, 1, true);
    (void)turn_add(&plan, 0, GRAPH_TRACKED | GRAPH_AGENT, 0);
    old_static = turn_add(&plan, F_ECHO, 0, 0);
    swarm__graph_plan_edge(&plan, swarm__graph_handle(&turn->graph, plan.first), old_static, false);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
}

TEST(what_a_plan_refuses_and_where) {
    for (uint32_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *refusal = &refusals[i];
        struct turn *turn = make(32, 18);
        struct graph_plan plan;
        uint64_t live;
        bool good;

        refusal_others(turn);
        if (refusal->fill == fill_started) {
            turn->holds = false;
            turn_agent(turn, turn->held[0]);
        }
        live = swarm__graph_live(&turn->graph);
        turn_plan(turn, &plan, refusal->is_static ? 2 : 0, refusal->is_static);
        refusal->fill(turn, &plan);
        CHECK_EQ(swarm__graph_plan_check(&plan), refusal->status);
        good = plan.error.status == refusal->status && plan.error.index == refusal->index &&
               plan.error.step == refusal->step && plan.error.other == refusal->other &&
               plan.error.text != NULL;
        if (!good) {
            printf("# %s: %d at %u, %" PRIu64 " %" PRIu64 "\n", refusal->name, plan.error.status,
                   plan.error.index, plan.error.step, plan.error.other);
        }
        CHECK(good);
        CHECK_EQ(turn_add(&plan, F_ECHO, 0, 0).id, 0); /* takes no more */
        swarm__graph_plan_undo(&plan);
        CHECK_EQ(swarm__graph_live(&turn->graph), live);
        turn_free(turn);
    }
}

/* ---- a model to compare with */

#define MODEL_MAX 64

struct model {
    uint32_t nodes;
    bool edge[MODEL_MAX][MODEL_MAX];    /* from, to */
    bool delayed[MODEL_MAX][MODEL_MAX]; /* one of the repeated ones is */
    uint32_t repeated;
    uint32_t rank[MODEL_MAX]; /* edges go from lower to higher */
};

static bool model_reaches(const struct model *model, uint32_t from, uint32_t to) {
    bool seen[MODEL_MAX] = {false};
    uint32_t stack[MODEL_MAX], count = 0;

    stack[count++] = from;
    seen[from] = true;
    while (count != 0) {
        uint32_t at = stack[--count];

        for (uint32_t i = 0; i < model->nodes; i++) {
            if (model->edge[at][i] && !seen[i]) {
                seen[i] = true;
                stack[count++] = i;
            }
        }
    }
    return seen[to];
}

/* Fills plan and model alike, without a cycle. */
static void model_fill(struct model *model, struct graph_plan *plan, swarm_step *steps,
                       uint32_t nodes, uint32_t edges) {
    const uint32_t *rank = model->rank;

    memset(model->edge, 0, sizeof model->edge);
    memset(model->delayed, 0, sizeof model->delayed);
    model->repeated = 0;
    model->nodes = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        steps[i] = turn_add(plan, F_LOG, test_below(3) == 0 ? GRAPH_TRACKED : 0, i);
    }
    for (uint32_t i = 0; i < edges && nodes > 1; i++) {
        uint32_t a = (uint32_t)test_below(nodes), b = (uint32_t)test_below(nodes);
        bool delayed = test_below(4) == 0;
        uint32_t from = rank[a] < rank[b] ? a : b, to = from == a ? b : a;

        if (a != b) {
            swarm__graph_plan_edge(plan, steps[from], steps[to], delayed);
            model->repeated += model->edge[from][to];
            model->edge[from][to] = true;
            model->delayed[from][to] = model->delayed[from][to] || delayed;
        }
    }
}

static void model_ranks(uint32_t *rank, uint32_t nodes, bool ascending) {
    for (uint32_t i = 0; i < nodes; i++) {
        rank[i] = i;
    }
    for (uint32_t i = nodes; i > 1 && !ascending; i--) {
        uint32_t j = (uint32_t)test_below(i), kept = rank[i - 1];

        rank[i - 1] = rank[j];
        rank[j] = kept;
    }
}

static void model_check_incoming(const struct model *model, const struct graph_plan *plan,
                                 const swarm_step *steps) {
    for (uint32_t to = 0; to < model->nodes; to++) {
        uint32_t cursor = NONE32, slot, next = 0;
        bool delayed;

        while (swarm__graph_plan_incoming(plan, turn_slot(steps[to]), &cursor, &slot, &delayed)) {
            while (next < model->nodes && turn_slot(steps[next]) != slot) {
                CHECK(!model->edge[next][to]); /* none was left out: they ascend */
                next++;
            }
            CHECK(next < model->nodes && model->edge[next][to]);
            CHECK(next < model->nodes && model->delayed[next][to] == delayed);
            next++;
        }
        for (; next < model->nodes; next++) {
            CHECK(!model->edge[next][to]);
        }
    }
}

/* Ends all steps in order of rank in the turn, and compares what each end says with the model. */
static void model_check_walk(struct turn *turn, const struct model *model,
                             const swarm_step *steps) {
    struct graph *graph = &turn->graph;
    uint32_t missing[MODEL_MAX] = {0};

    for (uint32_t from = 0; from < model->nodes; from++) {
        for (uint32_t to = 0; to < model->nodes; to++) {
            missing[to] += model->edge[from][to];
        }
    }
    for (uint32_t r = 0; r < model->nodes; r++) {
        struct graph_walk walk;
        uint32_t at = 0, to, what, next = 0;

        while (model->rank[at] != r) {
            at++;
        }
        CHECK_EQ(missing[at], 0);
        swarm__graph_finish(graph, turn_slot(steps[at]), false, &walk);
        while ((what = swarm__graph_finish_next(&walk, &to)) != 0) {
            for (; next < model->nodes && turn_slot(steps[next]) != to; next++) {
                if (model->edge[at][next]) { /* counted down, not ready */
                    CHECK(!model->delayed[at][next]);
                    CHECK(--missing[next] != 0);
                }
            }
            CHECK(next < model->nodes && model->edge[at][next]);
            if (what == WALK_DELAYED) {
                bool poisoned;

                CHECK(model->delayed[at][next]);
                CHECK_EQ(swarm__graph_count_down(graph, to, false, &poisoned), missing[next] == 1);
            } else {
                CHECK_EQ(what, WALK_READY);
                CHECK_EQ(missing[next], 1);
            }
            missing[next]--;
            next++;
        }
        for (; next < model->nodes; next++) {
            if (model->edge[at][next]) {
                CHECK(--missing[next] != 0);
            }
        }
        swarm__graph_ended(graph, turn_slot(steps[at]));
        turn_unref(turn, turn_slot(steps[at]));
    }
}

TEST(edges_are_sorted_once_each_and_walked_in_order) {
    for (uint32_t round = 0; round < 600 && !test_failed(); round++) {
        bool is_static = (round & 1) != 0, ascending = (round & 2) != 0;
        uint32_t nodes = 1 + (uint32_t)test_below(MODEL_MAX), slot, cursor = NONE32;
        struct turn *turn = make(MODEL_MAX, 512);
        static struct model model;
        swarm_step steps[MODEL_MAX];
        struct graph_plan plan;
        uint32_t scope;
        bool poisoned;

        turn_plan(turn, &plan, 0, is_static);
        model_ranks(model.rank, nodes, ascending);
        model_fill(&model, &plan, steps, nodes, (uint32_t)test_below(500));
        (void)turn_add(&plan, F_ECHO, GRAPH_TRACKED, 0); /* so that incoming edges are there */
        if (plan.error.status != SWARM_OK) {             /* MODEL_MAX steps already */
            swarm__graph_plan_undo(&plan);
            turn_free(turn);
            continue;
        }
        CHECK_EQ(swarm__graph_plan_check(&plan), SWARM_OK);
        CHECK_EQ(plan.repeated, model.repeated);
        model_check_incoming(&model, &plan, steps);
        swarm__graph_plan_link(&plan, 0);
        while (swarm__graph_plan_start(&plan, &cursor, &slot, &poisoned)) {
            CHECK(!poisoned);
        }
        model_check_walk(turn, &model, steps);
        scope = swarm__graph_take_quiet(&turn->graph);
        CHECK_EQ(scope, NONE32); /* the additional step is open */
        turn_free(turn);
    }
}

TEST(a_cycle_is_named_by_one_of_its_edges) {
    for (uint32_t round = 0; round < 400 && !test_failed(); round++) {
        bool is_static = (round & 1) != 0;
        uint32_t nodes = 2 + (uint32_t)test_below(MODEL_MAX - 2);
        struct turn *turn = make(MODEL_MAX, 512);
        static struct model model;
        swarm_step steps[MODEL_MAX];
        struct graph_plan plan;
        uint32_t length = 2 + (uint32_t)test_below(nodes - 1), ring[MODEL_MAX];

        turn_plan(turn, &plan, 0, is_static);
        model_ranks(model.rank, nodes, false);
        model_fill(&model, &plan, steps, nodes, (uint32_t)test_below(300));
        model_ranks(ring, nodes, false);
        for (uint32_t i = 0; i < length; i++) {
            uint32_t from = ring[i], to = ring[(i + 1) % length];

            model.edge[from][to] = true;
            swarm__graph_plan_edge(&plan, steps[from], steps[to], false);
        }
        CHECK_EQ(swarm__graph_plan_check(&plan), SWARM_E_CYCLE);
        CHECK(plan.error.step < nodes);
        CHECK(plan.error.other < nodes);
        if (!test_failed()) {
            CHECK(model.edge[plan.error.other][plan.error.step]);
            CHECK(model_reaches(&model, (uint32_t)plan.error.step, (uint32_t)plan.error.other));
        }
        CHECK_EQ(plan.error.index, SWARM_NONE);
        swarm__graph_plan_undo(&plan);
        turn_free(turn);
    }
}
/* Inputs come in the order of ordinals: those of earlier plans first. */
TEST(incoming_edges_of_older_steps_come_first) {
    struct turn *turn = make(32, 200);
    struct graph_plan plan;
    swarm_step older[8], own[8];
    uint32_t cursor = NONE32, from, next = 0;
    bool delayed;

    turn->keeps = turn->holds = true;
    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = 0; i < 8; i++) {
        older[i] = turn_add(&plan, 0, AGENT, i);
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = 0; i < 8; i++) {
        own[i] = turn_add(&plan, F_LOG, 0, i);
    }
    for (uint32_t i = 0; i < 150; i++) { /* too many, too wild for insertion */
        uint32_t j = (uint32_t)test_below(8);

        swarm__graph_plan_edge(&plan, test_below(2) == 0 ? older[j] : own[j % 7], own[7], false);
    }
    for (uint32_t j = 8; j-- != 0;) {
        swarm__graph_plan_edge(&plan, older[j], own[7], false);
        swarm__graph_plan_edge(&plan, own[j % 7], own[7], false);
    }
    CHECK_EQ(swarm__graph_plan_check(&plan), SWARM_OK);
    CHECK_EQ(plan.older, 8);
    while (swarm__graph_plan_incoming(&plan, turn_slot(own[7]), &cursor, &from, &delayed)) {
        CHECK_EQ(from, turn_slot(next < 8 ? older[next] : own[next - 8]));
        next++;
    }
    CHECK_EQ(next, 15);
    swarm__graph_plan_undo(&plan);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.refs[turn_slot(older[i])], relaxed), 2);
    }
    turn_free(turn);
}

/* ---- slots and cells */

/* Plans take several slots and cells at a time where there are many: none stays behind, however the
 * plan goes. */
TEST(what_a_plan_took_and_did_not_use_goes_back) {
    enum { MANY = 8192 };
    struct turn *turn = make(MANY, MANY);

    check_room(turn, MANY, MANY); /* none is fresh any more: all come from the pool */
    for (uint32_t round = 0; round < 300; round++) {
        struct graph_plan plan;
        uint32_t count = 1 + (uint32_t)test_below(100);
        swarm_step before = {0}, step;

        turn_plan(turn, &plan, 0, false);
        for (uint32_t i = 0; i < count; i++) {
            step = turn_add(&plan, F_ECHO, 0, i);
            if (i != 0 && test_below(3) != 0) {
                swarm__graph_plan_edge(&plan, before, step, false);
            }
            before = step;
        }
        if (round % 3 == 0) {
            swarm__graph_plan_undo(&plan);
        } else {
            CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        }
        turn_drive(turn);
    }
    check_empty(turn);
    check_room(turn, MANY, MANY);
    turn_free(turn);
}

/* Who has which slot: the model of the test below. */
enum { SPACE_STEPS = 200, SPACE_RUNS = 8 };
static uint32_t space_owner[SPACE_STEPS]; /* run, or NONE32 */
static swarm_step space_grown[SPACE_STEPS];
static uint32_t space_kept;

/* Adds a plan of `wanted` steps; all its slots must be free in the model. */
static bool space_fill(struct turn *turn, uint32_t run, uint32_t wanted) {
    struct graph_plan plan;
    swarm_step steps[SPACE_STEPS];

    turn_plan(turn, &plan, run, run != 0);
    for (uint32_t i = 0; i < wanted; i++) {
        steps[i] = turn_add(&plan, F_ECHO, 0, i);
    }
    if (turn_commit(turn, &plan) != SWARM_OK) {
        return false;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        CHECK_EQ(space_owner[turn_slot(steps[i])], NONE32);
        space_owner[turn_slot(steps[i])] = run;
        if (run == 0) {
            space_grown[space_kept++] = steps[i];
        }
    }
    return true;
}

static void space_empty(struct turn *turn, uint32_t run) {
    swarm_step stale = swarm__graph_handle(&turn->graph, turn->graph.steps.spans[run].first);

    for (uint32_t slot = 0; slot < SPACE_STEPS; slot++) {
        space_owner[slot] = space_owner[slot] == run ? NONE32 : space_owner[slot];
    }
    swarm__graph_region_free(&turn->graph, run);
    CHECK_EQ(swarm__graph_find(&turn->graph, stale), NONE32);
}

/* The spans of all runs and the growing steps never overlap, whatever comes and goes. */
TEST(static_regions_fill_gaps_and_never_meet_growing_slots) {
    struct turn *turn = make(SPACE_STEPS, 2 * SPACE_STEPS);
    uint64_t taken = 0, refused = 0;

    turn->keeps = true;
    space_kept = 0;
    memset(space_owner, 0xff, sizeof space_owner);
    for (uint32_t round = 0; round < 20000 && !test_failed(); round++) {
        uint32_t run = (uint32_t)test_below(SPACE_RUNS);
        bool is_there = run != 0 && turn->graph.steps.spans[run].count != 0;

        if (is_there) {
            space_empty(turn, run);
        } else if (space_fill(turn, run, 1 + (uint32_t)test_below(run == 0 ? 12 : 60))) {
            taken++;
        } else {
            refused++;
        }
        turn_drive(turn);
        for (uint32_t left = (uint32_t)test_below(3) == 0 ? space_kept : 0; left != 0; left--) {
            space_owner[turn_slot(space_grown[--space_kept])] = NONE32;
            forget(turn, space_grown[space_kept]);
        }
    }
    CHECK(taken > 1000);
    CHECK(refused > 1000);
    turn_free(turn);
}

/* A slot that a static run had may go to a growing one when the run is gone, and back. */
TEST(growing_steps_get_the_room_of_a_run_that_is_gone) {
    struct turn *turn = make(32, 32);

    memset(space_owner, 0xff, sizeof space_owner);
    CHECK(space_fill(turn, 1, 20));
    turn_drive(turn);
    CHECK(space_fill(turn, 2, 10));
    turn_drive(turn);
    CHECK(!space_fill(turn, 0, 3)); /* two are left, and stay growing */
    space_empty(turn, 2);
    CHECK(!space_fill(turn, 3, 11));
    CHECK(space_fill(turn, 3, 10));
    turn_drive(turn);
    space_empty(turn, 3);
    space_empty(turn, 1);
    check_room(turn, 32, 32);
    CHECK(!space_fill(turn, 1, 1)); /* growing now, for good */
    turn_free(turn);
}

TEST(an_undone_plan_leaves_no_trace) {
    struct turn *turn = make(64, 64);
    struct graph_plan plan;
    swarm_step old, steps[32];

    turn->keeps = true;
    turn_plan(turn, &plan, 0, false);
    old = turn_add(&plan, F_ECHO, 0, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    turn_drive(turn);
    for (uint32_t round = 0; round < 200; round++) {
        bool is_static = round % 3 == 0;

        turn_plan(turn, &plan, is_static ? 1 : 0, is_static);
        for (uint32_t i = 0; i < 32; i++) {
            steps[i] = turn_add(&plan, F_ECHO, i == 3 ? GRAPH_TRACKED : 0, i);
            if (i == 5) {
                (void)swarm__graph_plan_range(&plan, F_ECHO, 0, 10);
            }
            if (i > 0) {
                swarm__graph_plan_edge(&plan, steps[i - 1], steps[i], false);
                swarm__graph_plan_edge(&plan, steps[i / 2], steps[i], false);
            }
            if (!is_static && i % 4 == 0) {
                swarm__graph_plan_edge(&plan, old, steps[i], false);
                swarm__graph_plan_edge(&plan, old, steps[i], false);
            }
        }
        if (round % 2 == 0) {
            (void)swarm__graph_plan_check(&plan);
        }
        swarm__graph_plan_undo(&plan);
        CHECK_EQ(swarm__graph_find(&turn->graph, steps[7]), NONE32);
        CHECK_EQ(swarm__graph_live(&turn->graph), 1);
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.refs[turn_slot(old)], relaxed), 1);
    }
    forget(turn, old);
    check_empty(turn);
    check_room(turn, 64, 64);
    turn_free(turn);
}

TEST(a_swarm_without_growing_runs_pays_nothing_for_them) {
    struct graph graph;
    struct arena arena;
    struct graph_sizes sizes = turn_sizes(1000000, 3000000);
    size_t size = 0;

    for (uint32_t growing = 0; growing < 2; growing++) {
        uint32_t most = growing != 0 ? 96 : 64;

        sizes.growing = growing != 0;
        arena_measure(&arena);
        swarm__graph_layout(&graph, &arena, &sizes);
        CHECK(arena_size(&arena, &size));
        CHECK(size <= (size_t)most * 1000000 + 65536); /* three edges a step */
    }
    CHECK_EQ(sizeof(struct scope), 88);
}

TEST_MAIN()
