/* SPDX-License-Identifier: MIT */
/*
 * test_graph_big.c - ten million static steps in a chain and in a fan, a million growing ones in a
 * chain, one plan and one after the other; every thread, the turn's too, on a stack of 64 KiB.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>

#include "test_graph.h"

#define STACK_SIZE 65536
#define STATIC_STEPS 10000000u
#define GROWING_STEPS 1000000u

static uint32_t *order; /* of each step: when it ran */
static atomic_u32 ran, stop;

static swarm_outcome call_note(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    order[call->argument] = ATOMIC_ADD(&ran, 1, relaxed) + 1;
    return SWARM_OUTCOME_OK;
}

/* Adds the next link of a chain that grows as it runs. */
static swarm_outcome call_grow_note(void *context, const swarm_call *call, uint64_t *out_value) {
    if (call->argument + 1 < GROWING_STEPS) {
        struct graph_plan *plan = turn_call_plan(call);

        swarm__graph_plan_edge(plan, call->step, turn_add(plan, 1, 0, call->argument + 1), false);
    }
    return call_note(context, call, out_value);
}

struct hand {
    struct turn *turn;
    uint32_t index;
};

static void *hand_run(void *argument) {
    struct hand *hand = (struct hand *)argument;

    while (ATOMIC_LOAD(&stop, acquire) == 0) {
        if (swarm__graph_work(&hand->turn->graph, hand->index, UINT32_MAX) == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void on_small_stack(pthread_t *thread, void *(*run)(void *), void *argument) {
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, STACK_SIZE), 0);
    CHECK_EQ(pthread_create(thread, &attributes, run, argument), 0);
    pthread_attr_destroy(&attributes);
}

static struct turn *big_new(uint32_t steps, uint32_t edges, bool growing) {
    struct graph_sizes sizes = turn_sizes(steps, edges);
    struct turn *turn;

    sizes.growing = growing;
    turn = turn_new(&sizes, NULL);
    swarm__graph_function_set(&turn->graph, 0, call_note, NULL);
    swarm__graph_function_set(&turn->graph, 1, call_grow_note, NULL);
    return turn;
}

static void big_drive(struct turn *turn) {
    while (turn->quiet[0] == 0) {
        if (!turn_round(turn) && swarm__graph_work(&turn->graph, 0, UINT32_MAX) == 0) {
            sched_yield();
        }
    }
}

static void *chain_drive(void *argument) {
    struct turn *turn = (struct turn *)argument;
    struct graph_plan plan;
    swarm_step before = {0};

    turn_plan(turn, &plan, 0, true);
    for (uint32_t i = 0; i < STATIC_STEPS; i++) {
        swarm_step step = turn_add(&plan, 0, 0, i);

        if (i != 0) {
            swarm__graph_plan_edge(&plan, before, step, false);
        }
        before = step;
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    big_drive(turn);
    return NULL;
}

static void *fan_drive(void *argument) {
    struct turn *turn = (struct turn *)argument;
    struct graph_plan plan;
    swarm_step first, last;

    turn_plan(turn, &plan, 0, true);
    first = turn_add(&plan, 0, 0, 0);
    last = turn_add(&plan, 0, 0, 1);
    for (uint32_t i = 2; i < STATIC_STEPS; i++) {
        swarm_step step = turn_add(&plan, 0, 0, i);

        swarm__graph_plan_edge(&plan, first, step, false);
        swarm__graph_plan_edge(&plan, step, last, false); /* descends: searched for cycles */
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    CHECK(plan.descends);
    big_drive(turn);
    return NULL;
}

static void *grown_drive(void *argument) {
    struct turn *turn = (struct turn *)argument;
    struct graph_plan plan;

    turn_plan(turn, &plan, 0, false);
    (void)turn_add(&plan, 1, 0, 0);
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    big_drive(turn);
    return NULL;
}

/* The same chain as one plan, added from its end: lists are sorted and searched backwards. */
static void *growing_drive(void *argument) {
    struct turn *turn = (struct turn *)argument;
    struct graph_plan plan;
    swarm_step after = {0};

    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = GROWING_STEPS; i-- != 0;) {
        swarm_step step = turn_add(&plan, 0, 0, i);

        if (after.id != 0) {
            swarm__graph_plan_edge(&plan, step, after, false);
        }
        after = step;
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    big_drive(turn);
    return NULL;
}

static void big_run(struct turn *turn, void *(*drive)(void *), uint32_t steps) {
    struct hand hand = {turn, 1};
    pthread_t owner, helper;

    order = (uint32_t *)calloc(steps, sizeof *order);
    ATOMIC_STORE(&ran, 0, relaxed);
    ATOMIC_STORE(&stop, 0, relaxed);
    on_small_stack(&helper, hand_run, &hand);
    on_small_stack(&owner, drive, turn);
    pthread_join(owner, NULL);
    ATOMIC_STORE(&stop, 1, release);
    pthread_join(helper, NULL);
    CHECK_EQ(ATOMIC_LOAD(&ran, relaxed), steps);
}

static void check_chain(uint32_t steps) {
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < steps; i++) {
        wrong += order[i] != i + 1;
    }
    CHECK_EQ(wrong, 0);
    free(order);
}

TEST(a_static_chain_of_ten_million) {
    struct turn *turn = big_new(STATIC_STEPS, STATIC_STEPS, false);

    big_run(turn, chain_drive, STATIC_STEPS);
    check_chain(STATIC_STEPS);
    turn_free(turn);
}

TEST(a_static_fan_of_ten_million) {
    struct turn *turn = big_new(STATIC_STEPS, 2 * STATIC_STEPS, false);
    uint32_t wrong = 0;

    big_run(turn, fan_drive, STATIC_STEPS);
    CHECK_EQ(order[0], 1);
    CHECK_EQ(order[1], STATIC_STEPS);
    for (uint32_t i = 2; i < STATIC_STEPS; i++) {
        wrong += order[i] <= 1 || order[i] >= STATIC_STEPS;
    }
    CHECK_EQ(wrong, 0);
    free(order);
    turn_free(turn);
}

TEST(a_chain_of_a_million_that_grows_as_it_runs) {
    struct turn *turn = big_new(8, 8, true);

    big_run(turn, grown_drive, GROWING_STEPS);
    check_chain(GROWING_STEPS);
    CHECK_EQ(swarm__graph_live(&turn->graph), 0);
    turn_free(turn);
}

TEST(a_growing_plan_of_a_million) {
    struct turn *turn = big_new(GROWING_STEPS, GROWING_STEPS, true);

    big_run(turn, growing_drive, GROWING_STEPS);
    check_chain(GROWING_STEPS);
    CHECK_EQ(swarm__graph_live(&turn->graph), 0);
    turn_free(turn);
}

TEST_MAIN()
