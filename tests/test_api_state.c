/* SPDX-License-Identifier: MIT */
/*
 * test_api_state.c - the functions on state keys and branches called wrongly; see test_api.h.
 */
#include "test_api.h"

static const swarm_branch trunk = {0};
static const swarm_branch strange[] = {{1}, {UINT64_C(1) << 32 | 1}, {UINT64_MAX}, {65}, {1000}};

static int64_t got(struct world *w, swarm_run run, swarm_branch branch, uint64_t key) {
    swarm_state_value value, untouched;
    swarm_status status;

    memset(&value, 0x5a, sizeof value);
    untouched = value;
    status = swarm_state_get(w->sw, run, branch, key, &value);
    CHECK(status == SWARM_OK || memcmp(&value, &untouched, sizeof value) == 0);
    return status;
}

static int64_t put(struct world *w, swarm_run run, swarm_branch branch, uint64_t version) {
    swarm_state_value value = {.key = 5, .value = 6, .version = version}, untouched = value;
    swarm_status status = swarm_state_put(w->sw, run, branch, &value);

    CHECK(status == SWARM_OK || memcmp(&value, &untouched, sizeof value) == 0);
    return status;
}

/* A handle of no branch is refused wherever it stands; the status if it is always the same. */
static int64_t each_branch(struct world *w, int64_t (*call)(struct world *, swarm_branch)) {
    int64_t status = call(w, strange[0]);

    for (size_t i = 1; i < sizeof strange / sizeof strange[0]; i++) {
        CHECK_EQ(call(w, strange[i]), status);
    }
    return status;
}

static int64_t get_in(struct world *w, swarm_branch branch) {
    return got(w, w->run, branch, 5);
}

static int64_t put_in(struct world *w, swarm_branch branch) {
    return put(w, w->run, branch, 0);
}

static int64_t open_in(struct world *w, swarm_branch branch) {
    return fault_of(w, swarm_branch_open(w->sw, w->run, branch).id);
}

static int64_t merge(struct world *w, swarm_branch branch) {
    swarm_state_value conflict = {0};
    uint32_t count = 77;
    swarm_status status = swarm_branch_merge(w->sw, branch, &conflict, 1, &count);

    CHECK_EQ(count, 77);
    return status;
}

static int64_t drop(struct world *w, swarm_branch branch) {
    return swarm_branch_drop(w->sw, branch);
}

static int64_t input(struct world *w, swarm_step step, uint32_t index) {
    swarm_state_value value;

    return swarm_state_input(w->sw, step, index, &value);
}

static int64_t add(struct world *w, swarm_state_spec state, uint32_t is_call) {
    const swarm_step_spec spec = {.state = &state,
                                  .function = is_call != 0 ? w->function : (swarm_function){0}};
    swarm_plan *plan = swarm_plan_open(w->sw, w->run);

    CHECK_EQ(swarm_step_add(plan, &spec).id, 0);
    return swarm_plan_commit(plan, &w->error);
}

#define ADD(is_call, ...) add(w, (swarm_state_spec){__VA_ARGS__}, is_call)

REFUSES(swarm_state_get, "null swarm", SWARM_E_INVALID,
        swarm_state_get(NULL, w->run, trunk, 1, &(swarm_state_value){0}));
REFUSES(swarm_state_get, "never written", SWARM_E_MISSING, got(w, w->run, trunk, 1));
REFUSES(swarm_state_get, "no run", SWARM_E_STALE, got(w, w->gone, trunk, 1));
REFUSES(swarm_state_get, "no branch", SWARM_E_STALE, each_branch(w, get_in));
REFUSES(swarm_state_get, "no place", SWARM_E_INVALID,
        swarm_state_get(w->sw, w->run, trunk, 1, NULL));
AWAY(swarm_state_get, SWARM_E_BUSY, got(w, w->run, trunk, 1));

REFUSES(swarm_state_put, "null swarm", SWARM_E_INVALID,
        swarm_state_put(NULL, w->run, trunk, &(swarm_state_value){0}));
REFUSES(swarm_state_put, "no run", SWARM_E_STALE, put(w, w->gone, trunk, 0));
REFUSES(swarm_state_put, "no branch", SWARM_E_STALE, each_branch(w, put_in));
REFUSES(swarm_state_put, "a version that never was", SWARM_E_CONFLICT, put(w, w->run, trunk, 9));
REFUSES(swarm_state_put, "no value", SWARM_E_INVALID, swarm_state_put(w->sw, w->run, trunk, NULL));
AWAY(swarm_state_put, SWARM_E_BUSY, put(w, w->run, trunk, 0));

REFUSES(swarm_state_input, "null swarm", SWARM_E_INVALID,
        swarm_state_input(NULL, w->flying, 0, &(swarm_state_value){0}));
REFUSES(swarm_state_input, "a step without state", SWARM_E_INVALID, input(w, w->flying, 0));
REFUSES(swarm_state_input, "a plain step", SWARM_E_INVALID, input(w, w->plain, 0));
REFUSES(swarm_state_input, "a step that is gone", SWARM_E_STALE, input(w, w->lost, 0));
REFUSES(swarm_state_input, "no place", SWARM_E_INVALID,
        swarm_state_input(w->sw, w->flying, 0, NULL));

REFUSES(swarm_branch_open, "null swarm", 0, swarm_branch_open(NULL, w->run, trunk).id);
REFUSES(swarm_branch_open, "no run", SWARM_E_STALE,
        fault_of(w, swarm_branch_open(w->sw, w->gone, trunk).id));
REFUSES(swarm_branch_open, "no parent", SWARM_E_STALE, each_branch(w, open_in));
AWAY(swarm_branch_open, 0, swarm_branch_open(w->sw, w->run, trunk).id);

REFUSES(swarm_branch_merge, "null swarm", SWARM_E_INVALID,
        swarm_branch_merge(NULL, trunk, NULL, 0, NULL));
REFUSES(swarm_branch_merge, "the run itself", SWARM_E_STALE, merge(w, trunk));
REFUSES(swarm_branch_merge, "no branch", SWARM_E_STALE, each_branch(w, merge));
AWAY(swarm_branch_merge, SWARM_E_BUSY, merge(w, trunk));

REFUSES(swarm_branch_drop, "null swarm", SWARM_E_INVALID, swarm_branch_drop(NULL, trunk));
REFUSES(swarm_branch_drop, "the run itself", SWARM_E_STALE, drop(w, trunk));
REFUSES(swarm_branch_drop, "no branch", SWARM_E_STALE, each_branch(w, drop));
AWAY(swarm_branch_drop, SWARM_E_BUSY, drop(w, trunk));

REFUSES(swarm_notebook_get, "null swarm", SWARM_E_INVALID,
        swarm_notebook_get(NULL, w->agent, &(swarm_notebook){0}));
REFUSES(swarm_notebook_get, "no agent", SWARM_E_STALE,
        swarm_notebook_get(w->sw, (swarm_agent){9}, &(swarm_notebook){0}));
REFUSES(swarm_notebook_get, "no place", SWARM_E_INVALID, swarm_notebook_get(w->sw, w->agent, NULL));
AWAY(swarm_notebook_get, SWARM_E_BUSY, swarm_notebook_get(w->sw, w->agent, &(swarm_notebook){0}));

REFUSES(swarm_call_effects, "null", SWARM_E_INVALID, swarm_call_effects(NULL, NULL, 0));

REFUSES(swarm_step_add, "an isolation that is none", SWARM_E_INVALID, ADD(0, .isolation = 3));
REFUSES(swarm_step_add, "a policy that is none", SWARM_E_INVALID, ADD(0, .on_conflict = 3));
REFUSES(swarm_step_add, "reads without keys", SWARM_E_INVALID, ADD(0, .reads_count = 1));
REFUSES(swarm_step_add, "too many reads", SWARM_E_INVALID,
        ADD(0, .reads = (const uint64_t[65]){0}, .reads_count = 65));
REFUSES(swarm_step_add, "state: reserved", SWARM_E_INVALID, ADD(0, .reserved = 1));
REFUSES(swarm_step_add, "a call step that tries again", SWARM_E_INVALID,
        ADD(1, .on_conflict = SWARM_CONFLICT_RETRY));
REFUSES(swarm_step_add, "no branch of the run", SWARM_E_STALE, ADD(0, .branch = strange[1]));
REFUSES(swarm_step_add, "more accesses than there is room for", SWARM_E_FULL,
        ADD(0, .reads = (const uint64_t[64]){0}, .reads_count = 64));

TEST(calls_that_are_wrong) {
    rows_run();
}

TEST_MAIN()
