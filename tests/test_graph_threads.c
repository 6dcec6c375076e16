/* SPDX-License-Identifier: MIT */
/*
 * test_graph_threads.c - src/graph under threads: every step exactly once and after what it waits
 * for. What a step writes is plain data that its successors read, so ThreadSanitizer sees every
 * order that is missing; nothing sleeps for a time, so a lost wake-up is a test that never ends.
 */
#include <pthread.h>
#include <sched.h>

#include "test_graph.h"

/* ---- a host that can only park */

static pthread_mutex_t park_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t park_cond = PTHREAD_COND_INITIALIZER;

static void park_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    const atomic_u32 *word = (const atomic_u32 *)address;

    (void)context;
    CHECK_EQ(timeout_ns, PARK_FOREVER);
    pthread_mutex_lock(&park_mutex);
    while (ATOMIC_LOAD(word, relaxed) == expected) {
        pthread_cond_wait(&park_cond, &park_mutex);
    }
    pthread_mutex_unlock(&park_mutex);
}

static void park_wake(void *context, const void *address, uint32_t count) {
    (void)context;
    (void)address; /* one graph at a time: all wait on the same word */
    pthread_mutex_lock(&park_mutex);
    if (count == 1) {
        pthread_cond_signal(&park_cond);
    } else {
        pthread_cond_broadcast(&park_cond);
    }
    pthread_mutex_unlock(&park_mutex);
}

static const swarm_host park_only = {
    .size = sizeof(swarm_host), .wait = park_wait, .wake = park_wake};

/* ---- a crew: threads that work as workers 1..n-1, or 0..n-1 when the owner does not work */

#define CREW_MAX 8

static atomic_u32 crew_stop;

struct member {
    struct turn *turn;
    pthread_t thread;
    uint32_t index;
};

static bool crew_wanted(void *context) {
    (void)context;
    return ATOMIC_LOAD(&crew_stop, relaxed) != 0;
}

static void *crew_run(void *argument) {
    struct member *member = (struct member *)argument;
    struct graph *graph = &member->turn->graph;
    uint64_t loops = 0;

    while (ATOMIC_LOAD(&crew_stop, acquire) == 0) {
        if (swarm__graph_work(graph, member->index, 100) == 0) {
            for (uint64_t i = random_draw(5, member->index, loops++) % 64; i != 0; i--) {
                ATOMIC_PAUSE(); /* makes the way to sleep longer, by chance */
            }
            if (graph->parks) {
                swarm__graph_park(graph, PARK_FOREVER);
            } else {
                sched_yield();
            }
        }
    }
    return NULL;
}

static struct member crew[CREW_MAX];
static uint32_t crew_first, crew_count;

static void crew_start(struct turn *turn, uint32_t first) {
    turn->graph.hooks.wanted = crew_wanted;
    ATOMIC_STORE(&crew_stop, 0, relaxed);
    crew_first = first;
    crew_count = turn->sizes.workers;
    for (uint32_t i = first; i < crew_count; i++) {
        crew[i].turn = turn;
        crew[i].index = i;
        pthread_create(&crew[i].thread, NULL, crew_run, &crew[i]);
    }
}

static void crew_end(struct turn *turn) {
    ATOMIC_STORE(&crew_stop, 1, release);
    swarm__graph_wake_all(&turn->graph);
    for (uint32_t i = crew_first; i < crew_count; i++) {
        pthread_join(crew[i].thread, NULL);
    }
}

/* The turn, and worker 0 if nobody else is, until the root scope has ended. */
static void crew_drive(struct turn *turn) {
    uint64_t quiet = turn->quiet[0];

    while (turn->quiet[0] == quiet) {
        bool changed = turn_round(turn);

        if (crew_first != 0) {
            changed = swarm__graph_work(&turn->graph, 0, 50) != 0 || changed;
        }
        if (!changed) {
            sched_yield();
        }
    }
}

/* ---- a graph to run: plain data, written by each step once */

#define NODES 6000
#define PREDECESSORS 3

static uint32_t predecessors[NODES][PREDECESSORS];
static uint32_t predecessor_count[NODES];
static uint32_t runs[NODES];
static uint64_t results[NODES];
static uint64_t expected[NODES];

static void graph_make(uint32_t nodes, uint32_t window) {
    memset(runs, 0, sizeof runs);
    memset(results, 0, sizeof results);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t reach = i < window ? i : window;

        predecessor_count[i] = reach == 0 ? 0 : (uint32_t)test_below(PREDECESSORS + 1);
        expected[i] = i;
        for (uint32_t j = 0; j < predecessor_count[i]; j++) {
            predecessors[i][j] = i - 1 - (uint32_t)test_below(reach);
            expected[i] += expected[predecessors[i][j]] * 31;
        }
    }
}

static swarm_outcome call_node(void *context, const swarm_call *call, uint64_t *out_value) {
    uint32_t id = (uint32_t)call->argument;

    (void)context;
    runs[id]++;
    *out_value = id;
    for (uint32_t j = 0; j < predecessor_count[id]; j++) {
        *out_value += results[predecessors[id][j]] * 31;
    }
    results[id] = *out_value;
    return SWARM_OUTCOME_OK;
}

static void graph_check(uint32_t nodes) {
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < nodes; i++) {
        wrong += runs[i] != 1 || results[i] != expected[i];
    }
    CHECK_EQ(wrong, 0);
}

/* Every mixture that the tests below go through. */
static struct graph_sizes sizes_of(uint32_t round, uint32_t steps, uint32_t edges) {
    static const uint32_t workers[] = {1, 2, 4}, deques[] = {1, 4, 64};
    struct graph_sizes sizes = turn_sizes(steps, edges);

    sizes.workers = workers[round % 3];
    sizes.deque_size = deques[round / 3 % 3];
    return sizes;
}

static const swarm_host *host_of(uint32_t round) {
    return round % 2 == 0 ? &park_only : NULL;
}

TEST(static_graphs_run_once_and_in_order) {
    for (uint32_t round = 0; round < 36 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, NODES, NODES * PREDECESSORS);
        struct turn *turn;
        static swarm_step steps[NODES];
        struct graph_plan plan;

        sizes.growing = false;
        turn = turn_new(&sizes, host_of(round));
        swarm__graph_function_set(&turn->graph, 0, call_node, NULL);
        graph_make(NODES, 1 + (uint32_t)test_below(3000));
        turn_plan(turn, &plan, 0, true);
        for (uint32_t i = 0; i < NODES; i++) {
            uint64_t dice = test_below(40);

            steps[i] = turn_add(&plan, 0, dice == 0 ? GRAPH_TRACKED : 0, i);
            for (uint32_t j = 0; j < predecessor_count[i]; j++) {
                swarm__graph_plan_edge(&plan, steps[predecessors[i][j]], steps[i], false);
            }
        }
        crew_start(turn, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        crew_drive(turn);
        graph_check(NODES);
        memset(runs, 0, sizeof runs);
        swarm__graph_region_reset(&turn->graph, 0);
        for (uint32_t cursor = NONE32, slot;
             swarm__graph_region_start(&turn->graph, 0, &cursor, &slot);) {
            turn_ready(turn, slot, false);
        }
        crew_drive(turn);
        graph_check(NODES);
        crew_end(turn);
        CHECK(swarm__graph_quiet(&turn->graph));
        turn_free(turn);
    }
}

/* A wide static graph, with fans of thousands: rows are split and stolen. */
TEST(rows_are_shared_and_counted_once) {
    for (uint32_t round = 0; round < 18 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, NODES, 2 * NODES);
        struct turn *turn = turn_new(&sizes, host_of(round / 3));
        static swarm_step steps[NODES];
        struct graph_plan plan;

        swarm__graph_function_set(&turn->graph, 0, call_node, NULL);
        graph_make(NODES, 1);
        turn_plan(turn, &plan, 0, true);
        for (uint32_t i = 0; i < NODES; i++) {
            uint32_t root = i < 4 ? 0 : (uint32_t)test_below(4);

            steps[i] = turn_add(&plan, 0, 0, i);
            predecessor_count[i] = i == 0 ? 0 : 1;
            predecessors[i][0] = root;
            expected[i] = i + (i == 0 ? 0 : expected[root] * 31);
            if (i != 0) {
                swarm__graph_plan_edge(&plan, steps[root], steps[i], false);
            }
        }
        crew_start(turn, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        crew_drive(turn);
        graph_check(NODES);
        crew_end(turn);
        turn_free(turn);
    }
}

/* ---- growing: the owner commits while workers run */

#define WINDOW 60

static swarm_step grown[NODES];

/* Adds steps [first, first + count) as one plan; false: no room at the moment. */
static bool grow_plan(struct turn *turn, uint32_t first, uint32_t count) {
    struct graph_plan plan;

    turn_plan(turn, &plan, 0, false);
    for (uint32_t i = first; i < first + count; i++) {
        grown[i] = turn_add(&plan, 0, i % 16 == 5 ? GRAPH_TRACKED : 0, i);
        for (uint32_t j = 0; j < predecessor_count[i]; j++) {
            swarm__graph_plan_edge(&plan, grown[predecessors[i][j]], grown[i], false);
        }
    }
    if (plan.error.status == SWARM_E_FULL) {
        swarm__graph_plan_undo(&plan);
        return false;
    }
    CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
    return true;
}

TEST(growing_graphs_run_once_and_in_order) {
    for (uint32_t round = 0; round < 36 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, 256, 600); /* far fewer than NODES */
        struct turn *turn = turn_new(&sizes, host_of(round));
        uint32_t next = 0, kept = 0;

        swarm__graph_function_set(&turn->graph, 0, call_node, NULL);
        graph_make(NODES, WINDOW);
        turn->keeps = true;
        crew_start(turn, 1);
        while (next < NODES) {
            uint32_t count = 1 + (uint32_t)test_below(40);

            count = count < NODES - next ? count : NODES - next;
            if (grow_plan(turn, next, count)) {
                next += count;
                for (; kept + WINDOW < next; kept++) {
                    turn_unref(turn, (uint32_t)grown[kept].id);
                }
            } else if (crew_first != 0) {
                (void)swarm__graph_work(&turn->graph, 0, 20);
            }
            (void)turn_round(turn);
        }
        while (ATOMIC_LOAD(&turn->graph.scopes[0].open, acquire) != 0) {
            (void)turn_round(turn);
            (void)swarm__graph_work(&turn->graph, 0, 50);
        }
        graph_check(NODES);
        crew_end(turn);
        for (; kept < NODES; kept++) {
            turn_unref(turn, (uint32_t)grown[kept].id);
        }
        (void)turn_round(turn);
        CHECK_EQ(swarm__graph_live(&turn->graph), 0);
        turn_free(turn);
    }
}

/* ---- growing: steps add steps, and name steps of others that may be gone by now */

#define BORN_MAX 40000

static atomic_u32 born;
static atomic_u64 born_handles[BORN_MAX]; /* 0: not known yet */
static uint32_t born_runs[BORN_MAX];
static uint64_t born_results[BORN_MAX];
static uint32_t born_waits[BORN_MAX][2]; /* the steps that it names, or NONE32 */
static atomic_u32 born_named, born_refused;

/* Names one of the last steps as one that a new step waits for, if that can still be named. */
static void born_name(struct graph_plan *plan, uint32_t slot, uint32_t id, uint64_t dice) {
    uint32_t other = id - 1 - (uint32_t)(dice / 4 % 20);
    swarm_step from = {ATOMIC_LOAD(&born_handles[other], acquire)};
    uint32_t *waits = born_waits[id];

    if (from.id == 0 || dice % 4 == 0 || plan->error.status != SWARM_OK) {
        return;
    }
    swarm__graph_plan_edge(plan, from, swarm__graph_handle(plan->graph, slot), false);
    if (plan->error.status == SWARM_OK) {
        (void)ATOMIC_ADD(&born_named, 1, relaxed);
        waits[waits[0] != NONE32] = other;
    }
}

/* Adds a step with a new id. False: no room, or a step that it named is gone. */
static bool born_add(struct graph_plan *plan, uint64_t dice) {
    uint32_t id = ATOMIC_ADD(&born, 1, relaxed), slot;

    if (id >= BORN_MAX) {
        return false;
    }
    born_waits[id][0] = born_waits[id][1] = NONE32;
    slot = swarm__graph_plan_add(plan, 0, 0, id);
    if (slot != NONE32 && id > 20) {
        born_name(plan, slot, id, dice);
        born_name(plan, slot, id, dice >> 8);
    }
    if (plan->error.status != SWARM_OK) {
        (void)ATOMIC_ADD(&born_refused, plan->error.status == SWARM_E_STALE, relaxed);
        born_runs[id] = 1; /* never will */
        return false;
    }
    ATOMIC_STORE(&born_handles[id], swarm__graph_handle(plan->graph, slot).id, release);
    return true;
}

static swarm_outcome call_born(void *context, const swarm_call *call, uint64_t *out_value) {
    uint32_t id = (uint32_t)call->argument;
    uint64_t dice = random_draw(1, 2, id);
    struct graph_plan *plan;

    (void)context;
    born_runs[id]++;
    *out_value = id + 1;
    for (uint32_t i = 0; i < 2 && born_waits[id][i] != NONE32; i++) {
        CHECK_EQ(born_runs[born_waits[id][i]], 1);
        CHECK_EQ(born_results[born_waits[id][i]], born_waits[id][i] + 1);
    }
    born_results[id] = *out_value;
    if (ATOMIC_LOAD(&born, relaxed) >= BORN_MAX) {
        return SWARM_OUTCOME_OK;
    }
    plan = turn_call_plan(call);
    if (plan == NULL) {
        return SWARM_OUTCOME_OK;
    }
    for (uint32_t i = 0; i < 1 + dice % 2; i++) {
        if (!born_add(plan, dice >> (16 * i + 1))) { /* give it up: this step brings nothing */
            for (uint32_t step = NONE32; swarm__graph_plan_step(plan, &step);) {
                born_runs[plan->graph->argument[step]] = 1;
            }
            swarm__graph_plan_undo(plan);
            swarm__graph_plan_open(plan->graph, plan, plan->scope, false);
            plan->caller = (uint32_t)call->step.id;
            break;
        }
    }
    return SWARM_OUTCOME_OK;
}

TEST(steps_name_steps_that_may_be_gone) {
    for (uint32_t round = 0; round < 9 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, 300, 300);
        struct turn *turn = turn_new(&sizes, host_of(round));
        uint32_t tries = 0;

        memset(born_runs, 0, sizeof born_runs);
        for (uint32_t i = 0; i < BORN_MAX; i++) {
            ATOMIC_STORE(&born_handles[i], 0, relaxed);
        }
        ATOMIC_STORE(&born, 0, relaxed);
        ATOMIC_STORE(&born_named, 0, relaxed);
        swarm__graph_function_set(&turn->graph, 0, call_born, NULL);
        crew_start(turn, 1);
        while (ATOMIC_LOAD(&born, relaxed) < BORN_MAX && tries++ < 100000) {
            struct graph_plan plan; /* some die out: sow again */

            turn_plan(turn, &plan, 0, false);
            (void)born_add(&plan, 0);
            if (plan.error.status != SWARM_OK) {
                swarm__graph_plan_undo(&plan);
            } else {
                CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
            }
            (void)turn_round(turn);
            (void)swarm__graph_work(&turn->graph, 0, 1000);
        }
        while (ATOMIC_LOAD(&turn->graph.scopes[0].open, acquire) != 0) {
            (void)turn_round(turn);
            (void)swarm__graph_work(&turn->graph, 0, 50);
        }
        crew_end(turn);
        (void)turn_round(turn);
        for (uint32_t i = 0, wrong = 0; i < BORN_MAX; i++) {
            wrong += born_runs[i] != 1;
            CHECK_EQ(wrong, 0);
        }
        CHECK(ATOMIC_LOAD(&born_named, relaxed) > 100);
        CHECK_EQ(swarm__graph_live(&turn->graph), 0);
        turn_free(turn);
    }
}

/* ---- continuations: fib by plans, the sum as continuation */

enum { FIB_MAX = 14 };

/* A sum step's argument: index of a frame {left, right}. */
static uint64_t fib_frames[4096][2];
static atomic_u32 fib_next;

static swarm_outcome call_sum(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t *frame = fib_frames[call->argument >> 40];
    uint64_t target = call->argument & 0xffffffffffu;

    (void)context;
    *out_value = frame[0] + frame[1];
    fib_frames[target >> 1][target & 1] = *out_value;
    return SWARM_OUTCOME_OK;
}

/* argument: n << 32 | target */
static swarm_outcome call_fib(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t n = call->argument >> 32, target = call->argument & UINT32_MAX;
    struct graph_plan *plan;
    uint64_t frame;
    swarm_step sum, left, right;

    (void)context;
    if (n < 2) {
        *out_value = n;
        fib_frames[target >> 1][target & 1] = n;
        return SWARM_OUTCOME_OK;
    }
    plan = turn_call_plan(call);
    frame = ATOMIC_ADD(&fib_next, 1, relaxed);
    left = turn_add(plan, 0, 0, (n - 1) << 32 | frame << 1);
    right = turn_add(plan, 0, 0, (n - 2) << 32 | frame << 1 | 1);
    sum = turn_add(plan, 1, 0, frame << 40 | target);
    swarm__graph_plan_edge(plan, left, sum, false);
    swarm__graph_plan_edge(plan, right, sum, false);
    swarm__graph_plan_continue(plan, sum);
    return SWARM_OUTCOME_OK;
}

TEST(continuations_give_fib) {
    for (uint32_t round = 0; round < 9 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, 4096, 4096);
        struct turn *turn = turn_new(&sizes, host_of(round));
        struct graph_plan plan;
        swarm_step first;

        swarm__graph_function_set(&turn->graph, 0, call_fib, NULL);
        swarm__graph_function_set(&turn->graph, 1, call_sum, NULL);
        ATOMIC_STORE(&fib_next, 1, relaxed);
        turn->keeps = true;
        turn_plan(turn, &plan, 0, false);
        first = turn_add(&plan, 0, 0, (uint64_t)FIB_MAX << 32);
        crew_start(turn, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn->keeps = false;
        crew_drive(turn);
        CHECK_EQ(turn->graph.output[(uint32_t)first.id], 377);
        CHECK_EQ(fib_frames[0][0], 377);
        crew_end(turn);
        turn_unref(turn, (uint32_t)first.id);
        CHECK_EQ(swarm__graph_live(&turn->graph), 0);
        turn_free(turn);
    }
}

/* ---- ranges */

#define RANGE_MAX 20000

static uint32_t range_runs[RANGE_MAX];

static swarm_outcome call_index(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    range_runs[call->argument]++;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

static uint32_t range_seen;

static swarm_outcome call_after(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)call;
    *out_value = 0;
    range_seen = 0;
    for (uint32_t i = 0; i < RANGE_MAX; i++) {
        range_seen += range_runs[i] == 1;
    }
    return SWARM_OUTCOME_OK;
}

TEST(ranges_are_shared) {
    for (uint32_t round = 0; round < 45 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, 16, 16);
        struct turn *turn = turn_new(&sizes, host_of(round / 9));
        struct graph_plan plan;
        swarm_step after;
        uint32_t slots[4];

        swarm__graph_function_set(&turn->graph, 0, call_index, NULL);
        swarm__graph_function_set(&turn->graph, 1, call_after, NULL);
        memset(range_runs, 0, sizeof range_runs);
        turn->keeps = true;
        turn_plan(turn, &plan, 0, false);
        after = turn_add(&plan, 1, 0, 0);
        for (uint64_t i = 0; i < 4; i++) {
            slots[i] = swarm__graph_plan_range(&plan, 0, i * RANGE_MAX / 4, RANGE_MAX / 4);
            swarm__graph_plan_edge(&plan, swarm__graph_handle(&turn->graph, slots[i]), after,
                                   false);
        }
        crew_start(turn, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        crew_drive(turn);
        CHECK_EQ(range_seen, RANGE_MAX);
        for (uint64_t i = 0; i < 4; i++) {
            uint64_t n = RANGE_MAX / 4, first = i * n;

            CHECK_EQ(turn->graph.output[slots[i]], n * first + n * (n - 1) / 2);
        }
        crew_end(turn);
        turn_free(turn);
    }
}

/* ---- parking and quiet */

static uint32_t tick_count; /* plain: quiet and the scope's end must order it */
static uint32_t tick_yields;

static swarm_outcome call_tick(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)call;
    *out_value = 0;
    for (uint32_t i = 0; i < tick_yields; i++) {
        sched_yield();
    }
    tick_count++;
    return SWARM_OUTCOME_OK;
}

/* All workers sleep, for spin is 0 and the owner does not work; one step at a time is released. A
 * chain, so that its steps need no order of their own. */
TEST(a_release_wakes_a_sleeper) {
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        struct graph_sizes sizes = turn_sizes(64, 64);
        uint32_t rounds = workers == 1 ? 20000 : 2000;
        struct turn *turn;

        sizes.workers = workers;
        turn = turn_new(&sizes, &park_only);
        swarm__graph_function_set(&turn->graph, 0, call_tick, NULL);
        tick_count = 0;
        crew_start(turn, 0);
        for (uint32_t i = 1; i <= rounds; i++) {
            struct graph_plan plan;
            swarm_step first, second;

            turn_plan(turn, &plan, 0, false);
            first = turn_add(&plan, 0, 0, 0);
            second = turn_add(&plan, 0, 0, 0);
            swarm__graph_plan_edge(&plan, first, second, false);
            CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
            tick_yields = i % 4 == 0 ? 3 : 0;
            turn_release(turn);
            if (i % 2 == 0) {
                while (!swarm__graph_quiet(&turn->graph)) {
                    sched_yield();
                }
                CHECK_EQ(tick_count, 2 * i);
            }
            crew_drive(turn);
            CHECK_EQ(tick_count, 2 * i);
        }
        crew_end(turn);
        turn_free(turn);
    }
}

/* Releases come at any moment of a worker's way to sleep. */
static atomic_u32 single_ran;

static swarm_outcome call_single(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)call;
    *out_value = 0;
    (void)ATOMIC_ADD(&single_ran, 1, release);
    return SWARM_OUTCOME_OK;
}

TEST(no_release_is_missed_on_the_way_to_sleep) {
    enum { STEPS = 60 };
    struct graph_sizes sizes = turn_sizes(STEPS, 1);
    struct turn *turn;

    sizes.workers = 1;
    turn = turn_new(&sizes, &park_only);
    swarm__graph_function_set(&turn->graph, 0, call_single, NULL);
    ATOMIC_STORE(&single_ran, 0, relaxed);
    crew_start(turn, 0);
    for (uint32_t round = 0; round < 500; round++) {
        struct graph_plan plan;

        turn_plan(turn, &plan, 0, true);
        for (uint32_t i = 0; i < STEPS; i++) {
            (void)turn_add(&plan, 0, 0, 0);
        }
        CHECK_EQ(swarm__graph_plan_check(&plan), SWARM_OK);
        swarm__graph_plan_link(&plan, 0);
        for (uint32_t i = 0; i < STEPS; i++) {
            for (uint64_t pauses = test_below(60); pauses != 0; pauses--) {
                ATOMIC_PAUSE();
            }
            swarm__graph_release(&turn->graph, plan.first + i, plan.first + i);
            while (ATOMIC_LOAD(&single_ran, acquire) != round * STEPS + i + 1) {
                ATOMIC_PAUSE();
            }
        }
        crew_drive(turn);
        swarm__graph_region_free(&turn->graph, 0);
    }
    crew_end(turn);
    turn_free(turn);
}

/* One of two successors waits for the other: it comes on another worker, which sleeps until it is
 * told, or never. */
static atomic_u32 pair_ran;

static swarm_outcome call_pair(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = 0;
    if (call->argument != 0) {
        (void)ATOMIC_ADD(&pair_ran, 1, release);
        while (ATOMIC_LOAD(&pair_ran, acquire) % 2 != 0) {
            sched_yield();
        }
    }
    return SWARM_OUTCOME_OK;
}

TEST(a_push_wakes_a_sleeper) {
    struct graph_sizes sizes = turn_sizes(64, 64);
    struct turn *turn = turn_new(&sizes, &park_only);

    swarm__graph_function_set(&turn->graph, 0, call_pair, NULL);
    ATOMIC_STORE(&pair_ran, 0, relaxed);
    crew_start(turn, 0);
    for (uint32_t i = 1; i <= 2000; i++) {
        struct graph_plan plan;
        swarm_step first;

        turn_plan(turn, &plan, 0, i % 2 == 0);
        first = turn_add(&plan, 0, 0, 0);
        for (uint32_t j = 0; j < 2; j++) {
            swarm__graph_plan_edge(&plan, first, turn_add(&plan, 0, 0, 1), false);
        }
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        turn_release(turn);
        crew_drive(turn);
        CHECK_EQ(ATOMIC_LOAD(&pair_ran, relaxed), 2 * i);
        if (i % 2 == 0) {
            swarm__graph_region_free(&turn->graph, 0);
        }
    }
    crew_end(turn);
    turn_free(turn);
}

/* ---- everything at once: agents, tracked calls, failures, child scopes, a cancel */

static swarm_outcome call_any(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t dice = random_draw(3, 4, call->argument);
    struct graph_plan *plan;

    (void)context;
    *out_value = call->argument;
    if (call->argument > 6) {
        return dice % 16 == 0 ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK;
    }
    plan = turn_call_plan(call);
    if (plan == NULL) {
        return SWARM_OUTCOME_OK;
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t what = (uint32_t)(dice >> (4 * i)) & 7;
        uint32_t flags = what == 0   ? GRAPH_TRACKED | GRAPH_AGENT
                         : what == 1 ? (uint32_t)GRAPH_TRACKED
                                     : 0;
        swarm_step step = turn_add(plan, 0, flags, call->argument + 1 + i);

        if (i == 1) {
            swarm__graph_plan_edge(plan, swarm__graph_handle(plan->graph, plan->first), step,
                                   false);
        } else if (i == 2 && (dice & 256) != 0) {
            swarm__graph_plan_continue(plan, step);
        }
    }
    return SWARM_OUTCOME_OK;
}

TEST(everything_at_once_ends) {
    for (uint32_t round = 0; round < 36 && !test_failed(); round++) {
        struct graph_sizes sizes = sizes_of(round, 4096, 4096);
        struct turn *turn;
        struct graph_plan plan;

        sizes.scopes = 1024;
        turn = turn_new(&sizes, host_of(round));
        swarm__graph_function_set(&turn->graph, 0, call_any, NULL);
        turn_plan(turn, &plan, 0, false);
        for (uint32_t i = 0; i < 8; i++) {
            (void)turn_add(&plan, 0, i % 2 != 0 ? GRAPH_TRACKED : 0, i % 4);
        }
        crew_start(turn, 1);
        CHECK_EQ(turn_commit(turn, &plan), SWARM_OK);
        if (round % 4 == 3) {
            (void)turn_round(turn);
            (void)swarm__graph_work(&turn->graph, 0, 20);
            ATOMIC_STORE(&turn->graph.scopes[0].cancelled, 1, relaxed);
        }
        crew_drive(turn);
        crew_end(turn);
        CHECK(swarm__graph_quiet(&turn->graph));
        CHECK_EQ(swarm__graph_live(&turn->graph), 0);
        CHECK_EQ(turn->scopes_count, 1024);
        CHECK_EQ(ATOMIC_LOAD(&turn->graph.scopes[0].open, relaxed), 0);
        turn_free(turn);
    }
}

TEST_MAIN()
