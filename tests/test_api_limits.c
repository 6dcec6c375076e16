/* SPDX-License-Identifier: MIT */
/*
 * The table of wrong calls, continued: what limits steps. See test_api.h.
 */
#include "test_api.h"

/* ---- budgets */

static swarm_budget a_budget(struct world *w) {
    const swarm_budget_spec spec = {.name = "budget", .limit = {.steps = 5}};

    return swarm_budget_add(w->sw, &spec);
}

#define BUDGET(...) fault_of(w, swarm_budget_add(w->sw, &(swarm_budget_spec){__VA_ARGS__}).id)

static const swarm_amounts some = {.steps = 1};
static const swarm_budget stale = {UINT64_MAX};

REFUSES(swarm_budget_add, "null swarm", 0, swarm_budget_add(NULL, NULL).id);
REFUSES(swarm_budget_add, "null spec", SWARM_E_INVALID,
        fault_of(w, swarm_budget_add(w->sw, NULL).id));
REFUSES(swarm_budget_add, "no name", SWARM_E_INVALID, BUDGET(.policy = 1));
REFUSES(swarm_budget_add, "unknown policy", SWARM_E_INVALID, BUDGET(.name = "b", .policy = 99));
REFUSES(swarm_budget_add, "reserved", SWARM_E_INVALID, BUDGET(.name = "b", .reserved = 1));
REFUSES(swarm_budget_add, "stale parent", SWARM_E_STALE, BUDGET(.name = "b", .parent = stale));
GIVES(swarm_budget_add, "name taken", SWARM_E_DUPLICATE,
      a_budget(w).id == 0 ? 0 : fault_of(w, a_budget(w).id));
AWAY(swarm_budget_add, SWARM_E_BUSY, BUDGET(.name = "b"));
REFUSES(swarm_budget_find, "null swarm", 0, swarm_budget_find(NULL, "budget").id);
REFUSES(swarm_budget_find, "null name", 0, swarm_budget_find(w->sw, NULL).id);
REFUSES(swarm_budget_find, "no such name", 0, swarm_budget_find(w->sw, "nobody's").id);
GIVES(swarm_budget_find, "the one", 1,
      a_budget(w).id != 0 && swarm_budget_find(w->sw, "budget").id != 0);
AWAY(swarm_budget_find, 0, swarm_budget_find(w->sw, "budget").id);
REFUSES(swarm_budget_limit, "null swarm", SWARM_E_INVALID, swarm_budget_limit(NULL, stale, &some));
REFUSES(swarm_budget_limit, "stale", SWARM_E_STALE, swarm_budget_limit(w->sw, stale, &some));
GIVES(swarm_budget_limit, "null limits", SWARM_E_INVALID,
      swarm_budget_limit(w->sw, a_budget(w), NULL));
AWAY(swarm_budget_limit, SWARM_E_BUSY, swarm_budget_limit(w->sw, stale, &some));
REFUSES(swarm_budget_close, "null swarm", SWARM_E_INVALID, swarm_budget_close(NULL, stale));
REFUSES(swarm_budget_close, "stale", SWARM_E_STALE, swarm_budget_close(w->sw, stale));
REFUSES(swarm_budget_close, "null handle", SWARM_E_STALE,
        swarm_budget_close(w->sw, (swarm_budget){0}));
AWAY(swarm_budget_close, SWARM_E_BUSY, swarm_budget_close(w->sw, stale));
REFUSES(swarm_budget_get, "null swarm", SWARM_E_INVALID,
        swarm_budget_get(NULL, stale, &(swarm_budget_info){0}));
REFUSES(swarm_budget_get, "stale", SWARM_E_STALE,
        swarm_budget_get(w->sw, stale, &(swarm_budget_info){0}));
GIVES(swarm_budget_get, "null result", SWARM_E_INVALID, swarm_budget_get(w->sw, a_budget(w), NULL));
AWAY(swarm_budget_get, SWARM_E_BUSY, swarm_budget_get(w->sw, stale, &(swarm_budget_info){0}));

/* ---- limits, governors */

#define LIMIT(...) fault_of(w, swarm_limit_add(w->sw, &(swarm_limit_spec){__VA_ARGS__}).id)
#define GOVERNOR(...) swarm_governor_set(w->sw, w->backend, &(swarm_governor_spec){__VA_ARGS__})

REFUSES(swarm_limit_add, "null swarm", 0, swarm_limit_add(NULL, NULL).id);
REFUSES(swarm_limit_add, "null spec", SWARM_E_INVALID,
        fault_of(w, swarm_limit_add(w->sw, NULL).id));
REFUSES(swarm_limit_add, "neither kind", SWARM_E_INVALID, LIMIT(.name = "l"));
REFUSES(swarm_limit_add, "both kinds", SWARM_E_INVALID,
        LIMIT(.name = "l", .capacity = 1, .units = 1));
REFUSES(swarm_limit_add, "no name", SWARM_E_INVALID, LIMIT(.units = 1));
REFUSES(swarm_limit_add, "name taken", SWARM_E_DUPLICATE, LIMIT(.name = "permit", .units = 1));
REFUSES(swarm_limit_add, "unknown measure", SWARM_E_INVALID,
        LIMIT(.name = "l", .units = 1, .measure = 9));
REFUSES(swarm_limit_add, "a semaphore with a period", SWARM_E_INVALID,
        LIMIT(.name = "l", .capacity = 1, .period_ns = 1));
REFUSES(swarm_limit_add, "bypass of a backend's", SWARM_E_INVALID,
        LIMIT(.name = "l", .units = 1, .backend = w->backend, .bypass_max = 1));
REFUSES(swarm_limit_add, "too large", SWARM_E_OVERFLOW,
        LIMIT(.name = "l", .units = 1, .burst = UINT64_MAX));
REFUSES(swarm_limit_add, "stale backend", SWARM_E_STALE,
        LIMIT(.name = "l", .units = 1, .backend = {9}));
AWAY(swarm_limit_add, SWARM_E_BUSY, LIMIT(.name = "l", .units = 1));
REFUSES(swarm_governor_set, "null swarm", SWARM_E_INVALID,
        swarm_governor_set(NULL, w->backend, NULL));
REFUSES(swarm_governor_set, "stale backend", SWARM_E_STALE,
        swarm_governor_set(w->sw, (swarm_backend_id){9}, NULL));
REFUSES(swarm_governor_set, "first above most", SWARM_E_INVALID, GOVERNOR(.first = 9, .most = 8));
REFUSES(swarm_governor_set, "absurd window", SWARM_E_INVALID, GOVERNOR(.most = UINT32_MAX));
REFUSES(swarm_governor_set, "reserved", SWARM_E_INVALID, GOVERNOR(.reserved = 1));
AWAY(swarm_governor_set, SWARM_E_BUSY, GOVERNOR(.first = 1));

/* ---- capabilities */

#define MAY(...) fault_of(w, swarm_capability_add(w->sw, &(swarm_capability_spec){__VA_ARGS__}).id)

REFUSES(swarm_capability_add, "null swarm", 0, swarm_capability_add(NULL, NULL).id);
REFUSES(swarm_capability_add, "null spec", SWARM_E_INVALID,
        fault_of(w, swarm_capability_add(w->sw, NULL).id));
REFUSES(swarm_capability_add, "unknown flags", SWARM_E_INVALID, MAY(.flags = 4));
REFUSES(swarm_capability_add, "reserved", SWARM_E_INVALID, MAY(.reserved = 1));
REFUSES(swarm_capability_add, "keys outside the mask", SWARM_E_INVALID, MAY(.keys = 1));
REFUSES(swarm_capability_add, "stale parent", SWARM_E_STALE, MAY(.parent = {9}));
AWAY(swarm_capability_add, SWARM_E_BUSY, MAY(.tools = 1));

/* ---- breakers */

#define BREAKER(...) swarm_breaker_set(w->sw, w->backend, &(swarm_breaker_spec){__VA_ARGS__})

REFUSES(swarm_breaker_set, "null swarm", SWARM_E_INVALID,
        swarm_breaker_set(NULL, w->backend, NULL));
REFUSES(swarm_breaker_set, "stale backend", SWARM_E_STALE,
        swarm_breaker_set(w->sw, (swarm_backend_id){9}, NULL));
REFUSES(swarm_breaker_set, "failure_ppm", SWARM_E_INVALID, BREAKER(.failure_ppm = 1000001));
REFUSES(swarm_breaker_set, "open for ever", SWARM_E_INVALID, BREAKER(.open_ns = SWARM_NEVER));
GIVES(swarm_breaker_set, "all defaults", SWARM_OK, BREAKER(.open_ns = 0));
AWAY(swarm_breaker_set, SWARM_E_BUSY, BREAKER(.open_ns = 1));
REFUSES(swarm_breaker_reset, "null swarm", SWARM_E_INVALID, swarm_breaker_reset(NULL, w->backend));
REFUSES(swarm_breaker_reset, "stale backend", SWARM_E_STALE,
        swarm_breaker_reset(w->sw, (swarm_backend_id){9}));
GIVES(swarm_breaker_reset, "nothing is open", SWARM_OK, swarm_breaker_reset(w->sw, w->backend));
AWAY(swarm_breaker_reset, SWARM_E_BUSY, swarm_breaker_reset(w->sw, w->backend));

/* ---- tenants */

#define TENANT(...) fault_of(w, swarm_tenant_add(w->sw, &(swarm_tenant_spec){__VA_ARGS__}).id)

REFUSES(swarm_tenant_add, "null swarm", 0, swarm_tenant_add(NULL, NULL).id);
REFUSES(swarm_tenant_add, "null spec", SWARM_E_INVALID,
        fault_of(w, swarm_tenant_add(w->sw, NULL).id));
REFUSES(swarm_tenant_add, "no name", SWARM_E_INVALID, TENANT(.weight = 1));
REFUSES(swarm_tenant_add, "weight above 1,000", SWARM_E_INVALID,
        TENANT(.name = "t", .weight = 1001));
REFUSES(swarm_tenant_add, "unknown order", SWARM_E_INVALID, TENANT(.name = "t", .runs = 2));
GIVES(swarm_tenant_add, "name taken", SWARM_E_DUPLICATE,
      TENANT(.name = "t") == 1 ? TENANT(.name = "t") : 0);
AWAY(swarm_tenant_add, SWARM_E_BUSY, TENANT(.name = "t"));

TEST(every_call_made_wrongly) {
    rows_run();
}

TEST_MAIN()
