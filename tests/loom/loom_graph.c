/* SPDX-License-Identifier: MIT */
/*
 * loom_graph.c - steps under the model of C11 memory: counters, successor lists, scopes, ranges,
 * recycling, sleep.
 *
 * The graph is built outside of the model; threads are workers, and the last one may be the turn.
 * A step notes that it ran, after it has looked at what its predecessors noted, all in plain data:
 * a step that runs early, twice, or without seeing what it waited for is found. What the threads
 * leave undone is done behind them, and then nothing may be left.
 */
#include "loom_test.h"

#define TURN_PLANS 4
#include "../test_graph.h"

#include "../../src/graph/check.c"
#include "../../src/graph/graph.c"
#include "../../src/graph/link.c"
#include "../../src/graph/plan.c"
#include "../../src/graph/range.c"
#include "../../src/graph/step.c"
#include "../../src/graph/worker.c"

#define STEPS 8

static struct turn *turn;
static uint32_t ran[STEPS];    /* plain: by the step itself */
static uint32_t before[STEPS]; /* a set of steps that must have run, by id */
static swarm_step steps[STEPS];
static atomic_u32 stopping, calls, gate;
static uint32_t turn_thread; /* who has the turn */

/* ---- what steps do: the argument is the id */

static swarm_outcome call_note(void *context, const swarm_call *call, uint64_t *out_value) {
    uint32_t id = (uint32_t)call->argument;

    (void)context;
    for (uint32_t i = 0; i < STEPS; i++) {
        LOOM_CHECK((before[id] >> i & 1) == 0 || ran[i] == 1);
    }
    ran[id]++;
    *out_value = id + 100;
    return SWARM_OUTCOME_OK;
}

static swarm_outcome call_bad(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)call_note(context, call, out_value);
    return SWARM_OUTCOME_TERMINAL;
}

/* Two steps behind each other, as a plan of its own. */
static swarm_outcome call_two(void *context, const swarm_call *call, uint64_t *out_value) {
    struct graph_plan *plan = turn_call_plan(call);
    swarm_step first = turn_add(plan, 0, 0, call->argument + 1);

    swarm__graph_plan_edge(plan, first, turn_add(plan, 0, 0, call->argument + 2), false);
    return call_note(context, call, out_value);
}

/* A continuation behind a step. */
static swarm_outcome call_continue(void *context, const swarm_call *call, uint64_t *out_value) {
    struct graph_plan *plan = turn_call_plan(call);
    swarm_step first = turn_add(plan, 0, 0, call->argument + 1);
    swarm_step last = turn_add(plan, 0, 0, call->argument + 2);

    swarm__graph_plan_edge(plan, first, last, false);
    swarm__graph_plan_continue(plan, last);
    return call_note(context, call, out_value);
}

/* Names a step that may have ended, and may be gone. */
static swarm_outcome call_after(void *context, const swarm_call *call, uint64_t *out_value) {
    struct graph_plan *plan = turn_call_plan(call);
    swarm_step last = turn_add(plan, 0, 0, call->argument + 1);

    if (swarm__graph_find(plan->graph, steps[0]) != NONE32) {
        swarm__graph_plan_edge(plan, steps[0], last, false);
        if (plan->error.status == SWARM_OK) {
            before[call->argument + 1] |= 1; /* it is behind step 0 now */
        } else {                             /* gone between the two looks */
            LOOM_CHECK(plan->error.status == SWARM_E_STALE);
            return SWARM_OUTCOME_TERMINAL;
        }
    }
    return call_note(context, call, out_value);
}

static swarm_outcome call_count(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    LOOM_CHECK(ran[call->argument] == 0);
    ran[call->argument]++;
    (void)ATOMIC_ADD(&calls, 1, relaxed);
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* Each waits for the other: so the second worker must have been woken. */
static swarm_outcome call_meet(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)ATOMIC_ADD(&gate, 1, relaxed);
    while (ATOMIC_LOAD(&gate, relaxed) < 2) {
        ATOMIC_PAUSE();
    }
    return call_note(context, call, out_value);
}

enum { NOTE, BAD, TWO, CONTINUE, AFTER, COUNT, MEET, FUNCTIONS };

static swarm_call_function *const functions[] = {call_note,  call_bad,   call_two, call_continue,
                                                 call_after, call_count, call_meet};

/* ---- the state */

static bool call_wanted(void *context) {
    (void)context;
    return ATOMIC_LOAD(&stopping, acquire) != 0;
}

static const swarm_host sleeper = {
    .size = sizeof(swarm_host), .wait = loom_wait, .wake = loom_wake};

/* workers, and cells of each deque */
static void begin(uint32_t workers, uint32_t cells, const swarm_host *host) {
    struct graph_sizes sizes = {.workers = workers,
                                .runs = 1,
                                .steps = STEPS,
                                .edges = 16,
                                .functions = FUNCTIONS,
                                .scopes = 1,
                                .ranges = 1,
                                .deque_size = cells,
                                .growing = true};

    if (turn != NULL) { /* of the last execution, in whatever state */
        free(turn->records);
        free(turn->ends);
        free(turn->scopes_free);
        free(turn->block);
        free(turn);
    }
    turn = turn_new(&sizes, host);
    turn->graph.hooks.wanted = call_wanted;
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        swarm__graph_function_set(&turn->graph, i, functions[i], NULL);
    }
    memset(ran, 0, sizeof ran);
    memset(before, 0, sizeof before);
    memset(steps, 0, sizeof steps);
    ATOMIC_STORE(&stopping, 0, relaxed);
    ATOMIC_STORE(&calls, 0, relaxed);
    ATOMIC_STORE(&gate, 0, relaxed);
    turn_thread = NONE32;
    loom_name(turn->block, "block");
    loom_name(turn, "turn");
    loom_name(ran, "ran");
    loom_name(&turn->graph.active, "active");
    loom_name(&turn->graph.overflow.head, "overflow");
    loom_name(&turn->graph.quiet.head, "quiet");
    loom_name(turn->graph.pending, "pending");
    loom_name(turn->graph.link, "link");
    loom_name(turn->graph.kind, "kind");
    loom_name(turn->graph.refs, "refs");
    loom_name(turn->graph.scopes, "scopes");
}

static struct graph_plan plan;

static void plan_begin(bool is_static) {
    turn_plan(turn, &plan, 0, is_static);
}

static void add(uint32_t id, uint32_t function) {
    steps[id] = turn_add(&plan, function, 0, id);
    LOOM_CHECK(steps[id].id != 0);
}

static void edge(uint32_t from, uint32_t to) {
    swarm__graph_plan_edge(&plan, steps[from], steps[to], false);
    before[to] |= 1u << from;
}

static void commit(void) {
    LOOM_CHECK(turn_commit(turn, &plan) == SWARM_OK);
    turn_release(turn);
}

/* Does what is left, and looks: `wanted` steps ran, each once, and nothing is left. */
static void finish(uint32_t wanted) {
    turn_drive(turn);
    for (uint32_t i = 0; i < STEPS; i++) {
        LOOM_CHECK(ran[i] == (wanted >> i & 1));
    }
    LOOM_CHECK(ATOMIC_LOAD(&turn->graph.scopes[0].open, relaxed) == 0);
    LOOM_CHECK(turn->quiet[0] != 0);
}

static void finish_growing(uint32_t wanted) {
    finish(wanted);
    LOOM_CHECK(swarm__graph_live(&turn->graph) == 0);
    check_empty(turn);
}

/* A worker that comes in twice. */
static void work(uint32_t thread) {
    (void)swarm__graph_work(&turn->graph, thread, STEPS);
    (void)swarm__graph_work(&turn->graph, thread, STEPS);
}

/* A worker that leaves what it has in hand behind after each step. */
static void work_one(uint32_t thread) {
    for (uint32_t i = 0; i < 3; i++) {
        (void)swarm__graph_work(&turn->graph, thread, 1);
    }
}

/* ---- counters: two steps behind two others */

static void diamond(bool is_static, uint32_t cells) {
    begin(2, cells, NULL);
    plan_begin(is_static);
    for (uint32_t i = 0; i < 4; i++) {
        add(i, NOTE);
    }
    edge(0, 2);
    edge(0, 3);
    edge(1, 2);
    edge(1, 3);
    commit();
}

static void diamond_static(void) {
    diamond(true, loom_size());
}

static void diamond_growing(void) {
    diamond(false, loom_size());
}

static void diamond_check(void) {
    finish(15);
}

static void diamond_empty(void) {
    finish_growing(15);
}

/* A predecessor that fails: what is behind it is skipped, whoever counts it down. */
static void poisoned(void) {
    begin(2, 4, NULL);
    plan_begin(loom_size() == 0);
    add(0, BAD);
    add(1, NOTE);
    add(2, NOTE);
    edge(0, 2);
    edge(1, 2);
    commit();
}

static void poisoned_run(uint32_t thread) {
    if (thread == 2) {
        (void)turn_round(turn);
        (void)turn_round(turn);
    } else {
        work(thread);
    }
}

static void poisoned_check(void) {
    uint64_t skipped;

    finish(3);
    skipped = ATOMIC_LOAD(&turn->graph.scopes[0].skipped, relaxed);
    LOOM_CHECK(skipped + turn->ended[SWARM_STEP_SKIPPED] == 1);
    LOOM_CHECK(turn->ended[SWARM_STEP_FAILED] == 1);
}

/* ---- edges from steps that are running: the builder and two completers */

static void late(void) {
    begin(2, 4, NULL);
    turn->keeps = true;
    plan_begin(false);
    add(0, NOTE);
    add(1, loom_size() == 1 ? BAD : NOTE);
    commit();
    turn_thread = 2;
}

static void late_run(uint32_t thread) {
    if (thread != turn_thread) {
        (void)swarm__graph_work(&turn->graph, thread, STEPS);
        return;
    }
    plan_begin(false);
    turn->keeps = false;
    add(2, NOTE);
    add(3, NOTE);
    edge(0, 2);
    edge(1, 2);
    edge(0, 3);
    commit();
}

static void late_check(void) {
    turn_drive(turn);
    forget(turn, steps[0]);
    forget(turn, steps[1]);
    finish_growing(loom_size() == 1 ? 11 : 15);
}

/* ---- edges from steps that may be gone */

static void gone(void) {
    begin(2, 4, NULL);
    plan_begin(false);
    add(0, NOTE);
    add(1, AFTER); /* adds 2, behind 0 if that is still there */
    commit();
}

static void gone_check(void) {
    turn_drive(turn);
    LOOM_CHECK(ran[0] == 1);
    finish_growing(ran[1] == 1 ? 7 : 1);
}

/* ---- a slot that is used again: an old handle is stale for ever */

static void reuse(void) {
    begin(1, 4, NULL);
    plan_begin(false);
    add(0, NOTE);
    commit();
    turn_thread = 1;
}

static void reuse_run(uint32_t thread) {
    uint32_t slot;

    if (thread == 0) { /* ends step 0, whose slot is free then; and works on the next */
        work(0);
    } else if (thread == 1) {
        swarm_step old = steps[0];

        plan_begin(false);
        add(1, NOTE);
        commit();
        LOOM_CHECK(steps[1].id != old.id);
    } else {
        slot = swarm__graph_pin(&turn->graph, steps[0]);
        if (slot != NONE32) {
            LOOM_CHECK(turn->graph.argument[slot] == 0); /* still step 0's */
            LOOM_CHECK(swarm__graph_find(&turn->graph, steps[0]) == slot);
            swarm__graph_unpin(&turn->graph, slot);
        }
    }
}

static void reuse_check(void) {
    finish_growing(3);
    LOOM_CHECK(swarm__graph_find(&turn->graph, steps[0]) == NONE32);
}

/* ---- scopes: given when all has ended, and then all is counted */

static void scope(void) {
    begin(2, 4, NULL);
    plan_begin(loom_size() == 0);
    add(0, loom_size() == 0 ? NOTE : TWO); /* growing: adds 1 and 2 */
    add(3, NOTE);
    before[2] = 2;
    commit();
    turn_thread = 2;
}

static void scope_run(uint32_t thread) {
    uint32_t given;

    if (thread != turn_thread) {
        work(thread);
        return;
    }
    given = swarm__graph_take_quiet(&turn->graph);
    if (given != NONE32) { /* then all has ended, and is seen */
        turn->quiet[0]++;
        LOOM_CHECK(ran[0] == 1 && ran[3] == 1);
        LOOM_CHECK(loom_size() == 0 || (ran[1] == 1 && ran[2] == 1));
        LOOM_CHECK(ATOMIC_LOAD(&turn->graph.scopes[0].ok, relaxed) == (loom_size() == 0 ? 2 : 4));
    }
}

static void scope_check(void) {
    finish(loom_size() == 0 ? 9 : 15);
}

/* ---- a root that gets steps again while workers empty it */

static void scope_again_run(uint32_t thread) {
    if (thread == 0) {
        work(0);
        return;
    }
    for (uint32_t i = 1; i < 3; i++) {
        while (swarm__graph_take_quiet(&turn->graph) != NONE32) {
            turn->quiet[0]++;
        }
        plan_begin(false);
        add(i, NOTE);
        commit();
    }
}

static void scope_again(void) {
    begin(1, 4, NULL);
    plan_begin(false);
    add(0, NOTE);
    commit();
}

static void scope_again_check(void) {
    turn->quiet[0] = 0;
    plan_begin(false);
    add(3, NOTE);
    commit();
    finish_growing(15); /* is given for the last time: it was not forgotten on the stack */
}

/* ---- continuations */

static void continuation(void) {
    begin(2, 4, NULL);
    plan_begin(false);
    add(0, CONTINUE); /* brings 1 and its continuation 2 */
    add(3, NOTE);
    edge(0, 3);
    before[2] = 2;
    before[3] = 7;
    commit();
}

/* ---- ranges */

static void range(void) {
    begin(2 + loom_size() % 2, 1, NULL);
    plan_begin(loom_size() < 2);
    steps[0].id = swarm__graph_plan_range(&plan, COUNT, 0, 3);
    steps[0] = swarm__graph_handle(&turn->graph, (uint32_t)steps[0].id);
    add(4, NOTE);
    edge(0, 4);
    before[4] = 7;
    commit();
}

static void range_check(void) {
    finish(7 | 16);
    LOOM_CHECK(ATOMIC_LOAD(&calls, relaxed) == 3);
}

/* ---- quiet: nothing is ready or running, and all that ran is seen */

static void quiet(void) {
    begin(2, 1, NULL);
    plan_begin(true);
    add(0, NOTE);
    add(1, NOTE);
    edge(0, 1);
    commit();
    turn_thread = 2;
}

static void quiet_run(uint32_t thread) {
    if (thread != turn_thread) {
        work_one(thread);
    } else if (swarm__graph_quiet(&turn->graph)) {
        LOOM_CHECK(ran[0] == 1 && ran[1] == 1);
    }
}

static void quiet_check(void) {
    finish(3);
}

/* ---- sleep: workers park, and are woken for a release, for a push, for the end */

static void sleep_begin(void) {
    begin(2, loom_size(), &sleeper);
    turn_thread = 2;
    plan_begin(false);
    add(0, NOTE);
    add(1, MEET);
    add(2, MEET);
    edge(0, 1);
    edge(0, 2);
    LOOM_CHECK(turn_commit(turn, &plan) == SWARM_OK);
}

static void sleep_run(uint32_t thread) {
    if (thread == turn_thread) {
        turn_release(turn);
        while (ATOMIC_LOAD(&turn->graph.scopes[0].open, acquire) != 0) {
            ATOMIC_PAUSE();
        }
        ATOMIC_STORE(&stopping, 1, release);
        swarm__graph_wake_all(&turn->graph);
        return;
    }
    while (!call_wanted(NULL)) {
        if (swarm__graph_work(&turn->graph, thread, 2) == 0) {
            swarm__graph_park(&turn->graph, PARK_FOREVER);
        }
    }
}

static void sleep_check(void) {
    finish_growing(7);
}

/* ---- posts: agent steps that workers make ready */

static void posts(void) {
    begin(2, 4, NULL);
    plan_begin(false);
    add(0, NOTE);
    add(1, NOTE);
    for (uint32_t i = 2; i < 4; i++) {
        steps[i] = turn_add(&plan, NOTE, AGENT, i);
        edge(i - 2, i);
    }
    commit();
    turn_thread = 2;
}

static void posts_run(uint32_t thread) {
    if (thread != turn_thread) {
        (void)swarm__graph_work(&turn->graph, thread, STEPS);
        return;
    }
    for (uint32_t taken = 0; taken < 2;) {
        uint32_t what, slot = swarm__graph_take_posted(&turn->graph, &what);

        if (slot == NONE32) {
            ATOMIC_PAUSE();
        } else {
            LOOM_CHECK(what == GRAPH_POSTED_READY);
            LOOM_CHECK(ran[turn->graph.argument[slot] - 2] == 1);
            turn_posted(turn, slot, what);
            taken++;
        }
    }
    (void)turn_round(turn);
}

static void posts_check(void) {
    finish_growing(3);
    LOOM_CHECK(turn->ended[SWARM_STEP_OK] == 2);
}

/* ---- a cancel while workers run: each step ends once, one way or the other */

static void cancel(void) {
    diamond(loom_size() == 0, 4);
    turn_thread = 2;
}

static void cancel_run(uint32_t thread) {
    if (thread == turn_thread) {
        ATOMIC_STORE(&turn->graph.scopes[0].cancelled, 1, relaxed);
    } else {
        work(thread);
    }
}

static void cancel_check(void) {
    const struct scope *root;
    uint64_t ok, stopped, skipped;

    memset(before, 0, sizeof before);
    turn_drive(turn);
    root = &turn->graph.scopes[0];
    ok = ATOMIC_LOAD(&root->ok, relaxed);
    stopped = ATOMIC_LOAD(&root->stopped, relaxed);
    skipped = ATOMIC_LOAD(&root->skipped, relaxed);
    LOOM_CHECK(ok + stopped + skipped == 4);
    LOOM_CHECK(ok == ran[0] + ran[1] + ran[2] + ran[3]);
    LOOM_CHECK(ATOMIC_LOAD(&root->open, relaxed) == 0);
}

#define GRAPH(shape, runs, judge, count, parameter, bound, executions)                             \
    {                                                                                              \
        .name = "graph_" #shape "_" #parameter, .setup = shape, .run = runs, .check = judge,       \
        .threads = count, .size = parameter, .preemptions = bound, .stale = 4, .first = 30000,     \
        .random = executions                                                                       \
    }

static const struct loom_client clients[] = {
    GRAPH(diamond_static, work, diamond_check, 2, 1, 2, 30000),
    GRAPH(diamond_static, work, diamond_check, 2, 4, 2, 30000),
    GRAPH(diamond_static, work_one, diamond_check, 2, 2, 2, 30000),
    GRAPH(diamond_growing, work, diamond_empty, 2, 1, 2, 30000),
    GRAPH(diamond_growing, work, diamond_empty, 2, 4, 2, 30000),
    GRAPH(poisoned, poisoned_run, poisoned_check, 3, 0, 2, 20000),
    GRAPH(poisoned, poisoned_run, poisoned_check, 3, 1, 2, 20000),
    GRAPH(late, late_run, late_check, 3, 0, 2, 60000),
    GRAPH(late, late_run, late_check, 3, 1, 2, 30000),
    GRAPH(gone, work, gone_check, 2, 0, 2, 60000),
    GRAPH(reuse, reuse_run, reuse_check, 3, 0, 2, 60000),
    GRAPH(scope, scope_run, scope_check, 3, 0, 2, 40000),
    GRAPH(scope, scope_run, scope_check, 3, 1, 2, 40000),
    GRAPH(scope_again, scope_again_run, scope_again_check, 2, 0, 3, 40000),
    GRAPH(continuation, work, diamond_empty, 2, 0, 2, 40000),
    GRAPH(range, work, range_check, 2, 0, 2, 30000),
    GRAPH(range, work, range_check, 3, 1, 2, 30000),
    GRAPH(range, work, range_check, 2, 2, 2, 30000),
    GRAPH(quiet, quiet_run, quiet_check, 3, 0, 2, 60000),
    GRAPH(sleep_begin, sleep_run, sleep_check, 3, 1, 2, 40000),
    GRAPH(sleep_begin, sleep_run, sleep_check, 3, 4, 2, 40000),
    GRAPH(posts, posts_run, posts_check, 3, 0, 2, 40000),
    GRAPH(cancel, cancel_run, cancel_check, 3, 0, 2, 20000),
    GRAPH(cancel, cancel_run, cancel_check, 3, 1, 2, 20000),
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
