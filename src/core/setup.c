/* SPDX-License-Identifier: MIT */
/*
 * setup.c - configuration, the one block of memory, and what is added to a swarm before it works.
 */
#include "../dispatch/ask.h"
#include "../dispatch/recover.h"
#include "breaker.h"
#include "guard.h"
#include "tenant.h"

#include <string.h>

#define WORKERS_LIMIT 1024u
#define STEPS_LIMIT ((1u << 30) - 1)
#define EDGES_LIMIT 0x7ffffffeu
#define FUNCTIONS_LIMIT 65535u
#define LOG_DEFAULT (1u << 20)
#define LOG_LEAST 8192u
#define GRACE_NS UINT64_C(10000000000)
#define COUNT_LIMIT 0x0fffffffu

static void set_default(uint32_t *field, uint64_t value) {
    if (*field == 0) {
        *field = value > COUNT_LIMIT ? COUNT_LIMIT : value == 0 ? 1 : (uint32_t)value;
    }
}

static void fill_defaults(swarm_config *c) {
    c->log_bytes = c->log_bytes == 0 ? LOG_DEFAULT : c->log_bytes;
    c->cancel_grace_ns = c->cancel_grace_ns == 0            ? GRACE_NS
                         : c->cancel_grace_ns == SWARM_ZERO ? 0
                                                            : c->cancel_grace_ns;
    set_default(&c->workers_max, 8);
    set_default(&c->runs_max, 16);
    set_default(&c->steps_max, 16384);
    if (c->edges_max == 0) {
        uint64_t edges = 4 * (uint64_t)c->steps_max;

        c->edges_max = edges > EDGES_LIMIT ? EDGES_LIMIT : (uint32_t)edges;
    }
    set_default(&c->tracked_max, c->steps_max / 2);
    set_default(&c->delays_max, c->tracked_max);
    set_default(&c->inputs_max, c->tracked_max);
    set_default(&c->agents_max, 512);
    set_default(&c->profiles_max, 64);
    set_default(&c->skills_max, 64);
    set_default(&c->permits_max, 64);
    set_default(&c->demands_max, 1024);
    set_default(&c->backends_max, 16);
    set_default(&c->functions_max, 64);
    set_default(&c->inflight_max, 2 * (uint64_t)c->agents_max);
    set_default(&c->scopes_max, c->steps_max / 8);
    set_default(&c->plans_max, 1024);
    set_default(&c->ranges_max, 64);
    set_default(&c->deque_size, 1024);
    set_default(&c->spin, 200);
    set_default(&c->commands_max, 256);
    set_default(&c->guards_max, 256);
    set_default(&c->asks_max, 64);
    set_default(&c->shapes_max, c->tracked_max / 16);
    set_default(&c->budgets_max, 64);
    set_default(&c->tenants_max, 16);
    set_default(&c->charges_max, 256);
    set_default(&c->states_max, 1024);
    set_default(&c->accesses_max, c->tracked_max / 16);
    set_default(&c->effects_max, 2 * (uint64_t)c->accesses_max);
    set_default(&c->branches_max, 64);
    set_default(&c->capabilities_max, 64);
    set_default(&c->prefixes_max, 1024);
    set_default(&c->labels_max, 512);
    c->spin = c->spin == SWARM_NONE ? 0 : c->spin;
}

static bool counts_fit(const swarm_config *c) {
    const uint32_t counts[] = {c->runs_max,     c->tracked_max,     c->delays_max,  c->inputs_max,
                               c->agents_max,   c->permits_max,     c->demands_max, c->backends_max,
                               c->inflight_max, c->scopes_max,      c->plans_max,   c->ranges_max,
                               c->commands_max, c->guards_max,      c->asks_max,    c->shapes_max,
                               c->budgets_max,  c->charges_max,     c->states_max,  c->accesses_max,
                               c->effects_max,  c->branches_max,    c->tenants_max, c->prefixes_max,
                               c->labels_max,   c->capabilities_max};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i] > COUNT_LIMIT) {
            return false;
        }
    }
    return c->workers_max <= WORKERS_LIMIT && c->steps_max <= STEPS_LIMIT &&
           c->edges_max <= EDGES_LIMIT && c->functions_max <= FUNCTIONS_LIMIT &&
           c->profiles_max <= 64 * SKILL_WORDS && c->skills_max <= 64 * SKILL_WORDS;
}

/* A copy with defaults filled in, or the reason why not. */
static swarm_status config_check(const swarm_config *config, swarm_config *out) {
    if (config == NULL) {
        return SWARM_E_INVALID;
    }
    if (config->size != sizeof *config || config->version != SWARM_VERSION) {
        return SWARM_E_MISMATCH;
    }
    *out = *config;
    fill_defaults(out);
    if (!counts_fit(out) || (out->deque_size & (out->deque_size - 1)) != 0 ||
        out->flags > (SWARM_CONFIG_STATIC | SWARM_CONFIG_LATE_EDGES) ||
        out->flags == (SWARM_CONFIG_STATIC | SWARM_CONFIG_LATE_EDGES) ||
        out->log_bytes < LOG_LEAST ||
        (out->log_bytes != SWARM_NEVER && out->log_bytes > SIZE_MAX / 2) ||
        (out->host != NULL && out->host->size != sizeof *out->host)) {
        return SWARM_E_INVALID;
    }
    return SWARM_OK;
}

/* ---- layout: the same code measures and carves (arena.h) */

/* Chains of a hash table: at least as many as entries, a power of two. */
static uint32_t chains_for(uint32_t entries) {
    uint32_t chains = 16;

    while (chains < entries) {
        chains *= 2;
    }
    return chains;
}

static uint32_t timers_of(const swarm_config *c) {
    return c->tracked_max + c->inflight_max + c->delays_max + 2 * c->backends_max + c->permits_max +
           1;
}

#define CARVE(arena, count, type) arena_take((arena), (count), sizeof(type), ARENA_ALIGN)

static void layout_tracked(struct dispatch *d, struct arena *arena, const swarm_config *c) {
    d->tracked = CARVE(arena, c->tracked_max, struct tracked);
    d->tracked_pool.links = CARVE(arena, c->tracked_max, atomic_u32);
    d->ready_nodes = CARVE(arena, c->tracked_max, struct heap_node);
    d->inputs = CARVE(arena, c->inputs_max, struct input_cell);
    d->inputs_free.links = CARVE(arena, c->inputs_max, uint32_t);
    d->delays = CARVE(arena, c->delays_max, struct delay);
    d->delays_pool.links = CARVE(arena, c->delays_max, atomic_u32);
    d->shapes = CARVE(arena, c->shapes_max, struct shape);
    d->shapes_pool.links = CARVE(arena, c->shapes_max, atomic_u32);
    d->demands = CARVE(arena, c->demands_max, struct demand);
    d->demands_pool.links = CARVE(arena, c->demands_max, atomic_u32);
    d->demand_nodes = CARVE(arena, c->demands_max, struct heap_node);
    d->demand_chains = CARVE(arena, chains_for(c->demands_max), uint32_t);
    d->key_chains = CARVE(arena, chains_for(c->tracked_max), uint32_t);
    d->timer_nodes = CARVE(arena, timers_of(c), struct heap_node);
    d->waiting = CARVE(arena, wait_lists(c), uint32_t);
    d->guards = CARVE(arena, c->guards_max, struct guard);
    d->guards_pool.links = CARVE(arena, c->guards_max, atomic_u32);
    d->recoveries = CARVE(arena, c->guards_max, struct recovery);
}

static void layout_agents(struct dispatch *d, struct arena *arena, const swarm_config *c) {
    d->profiles = CARVE(arena, c->profiles_max, struct profile);
    d->agents = CARVE(arena, c->agents_max, struct agent);
    d->agent_nodes = CARVE(arena, c->agents_max, struct heap_node);
    d->permits = CARVE(arena, c->permits_max, struct permit);
    d->backends = CARVE(arena, c->backends_max, struct backend);
    d->attempts = CARVE(arena, c->inflight_max, struct attempt);
    d->attempts_free.links = CARVE(arena, c->inflight_max, uint32_t);
    d->pulses = CARVE(arena, c->inflight_max, struct pulse);
    d->runs = CARVE(arena, c->runs_max, struct run);
    d->tenants = CARVE(arena, c->tenants_max + (uint64_t)1, struct tenant);
    d->tenant_nodes = CARVE(arena, c->tenants_max + (uint64_t)1, struct heap_node);
    d->run_nodes = CARVE(arena, c->runs_max, struct heap_node);
    d->budgets = CARVE(arena, c->budgets_max, struct budget);
    d->charges = CARVE(arena, c->charges_max, struct charge);
    d->charges_pool.links = CARVE(arena, c->charges_max, atomic_u32);
    d->tickets = CARVE(arena, c->inflight_max, struct ticket);
    d->breakers = CARVE(arena, (uint64_t)c->backends_max + c->agents_max, struct breaker);
    d->capabilities = CARVE(arena, c->capabilities_max, swarm_capability_spec);
    d->skills = CARVE(arena, SKILLS_LIMIT, atomic_u64);
}

static void layout_state(struct state *state, struct arena *arena, const swarm_config *c) {
    state->entries = CARVE(arena, c->states_max, struct state_entry);
    state->entries_free.links = CARVE(arena, c->states_max, uint32_t);
    state->chains = CARVE(arena, chains_for(c->states_max), uint32_t);
    state->first = CARVE(arena, c->runs_max, uint32_t);
    state->clocks = CARVE(arena, c->runs_max, uint64_t);
    state->cells = CARVE(arena, c->effects_max, struct state_cell);
    state->cells_pool.links = CARVE(arena, c->effects_max, atomic_u32);
    state->accesses = CARVE(arena, c->accesses_max, struct access);
    state->accesses_pool.links = CARVE(arena, c->accesses_max, atomic_u32);
    state->branches = CARVE(arena, c->branches_max, struct branch);
}

static void layout_waits(struct waits *waits, struct arena *arena, const swarm_config *c) {
    waits->for_step = CARVE(arena, c->inflight_max, swarm_step);
    waits->stuck = CARVE(arena, bits_words(c->inflight_max), uint64_t);
}

static void layout_prefixes(struct prefixes *p, struct arena *arena, const swarm_config *c) {
    p->entries = CARVE(arena, c->prefixes_max, struct prefix);
    p->free.links = CARVE(arena, c->prefixes_max, uint32_t);
    p->lists = CARVE(arena, c->agents_max, struct prefix_list);
    p->chains = CARVE(arena, chains_for(c->prefixes_max), uint32_t);
}

static void layout_durations(struct durations *t, struct arena *arena, const swarm_config *c) {
    t->entries = CARVE(arena, c->labels_max, struct duration);
    t->chains = CARVE(arena, chains_for(c->labels_max), uint32_t);
}

static void layout_core(swarm *sw, struct arena *arena, const swarm_config *c) {
    sw->late = CARVE(arena, (c->flags & SWARM_CONFIG_LATE_EDGES) != 0 ? c->steps_max : 0,
                     struct late_node);
    sw->streams = CARVE(arena, c->runs_max, struct log_stream);
    sw->plans = CARVE(arena, (uint64_t)c->plans_max + 1, struct swarm_plan);
    sw->plans_pool.links = CARVE(arena, c->plans_max, atomic_u32);
    sw->commands = CARVE(arena, c->commands_max, struct command);
    sw->commands_pool.links = CARVE(arena, c->commands_max, atomic_u32);
    sw->commands_box.links = CARVE(arena, c->commands_max, atomic_u32);
    sw->attempts_box.links = CARVE(arena, c->inflight_max, atomic_u32);
    sw->pulses_box.links = CARVE(arena, c->inflight_max, atomic_u32);
    sw->asks = CARVE(arena, c->asks_max, struct ask);
    sw->asks_box.links = CARVE(arena, c->asks_max, atomic_u32);
    sw->threads = CARVE(arena, c->workers_max - 1u, struct drive_thread);
    sw->function_names = CARVE(arena, c->functions_max, uint64_t);
}

static struct graph_sizes graph_sizes_of(const swarm_config *c) {
    struct graph_sizes sizes = {0};

    sizes.workers = c->workers_max;
    sizes.runs = c->runs_max;
    sizes.steps = c->steps_max;
    sizes.edges = c->edges_max;
    sizes.functions = c->functions_max;
    sizes.scopes = c->scopes_max;
    sizes.ranges = c->ranges_max;
    sizes.deque_size = c->deque_size;
    sizes.spin = c->spin;
    sizes.growing = (c->flags & SWARM_CONFIG_STATIC) == 0;
    return sizes;
}

/* Everything behind the struct itself. */
static void layout(swarm *sw, struct arena *arena, const swarm_config *c) {
    struct graph_sizes sizes = graph_sizes_of(c);

    swarm__graph_layout(&sw->graph, arena, &sizes);
    layout_tracked(&sw->dispatch, arena, c);
    layout_agents(&sw->dispatch, arena, c);
    layout_state(&sw->dispatch.state, arena, c);
    layout_waits(&sw->dispatch.waits, arena, c);
    layout_prefixes(&sw->dispatch.prefixes, arena, c);
    layout_durations(&sw->dispatch.durations, arena, c);
    layout_core(sw, arena, c);
    swarm__log_layout(&sw->log, arena, c->log_bytes);
}

swarm_status swarm_memory_size(const swarm_config *config, size_t *out_bytes) {
    struct arena arena;
    swarm_config c;
    swarm_status status = config_check(config, &c);
    swarm measured;

    if (status != SWARM_OK || out_bytes == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    arena_measure(&arena);
    memset(&measured, 0, sizeof measured);
    (void)CARVE(&arena, 1, swarm);
    layout(&measured, &arena, &c);
    return arena_size(&arena, out_bytes) ? SWARM_OK : SWARM_E_OVERFLOW;
}

/* ---- everything empty */

static void start_lists(struct dispatch *d, const swarm_config *c) {
    d->demand_mask = chains_for(c->demands_max) - 1;
    d->key_mask = chains_for(c->tracked_max) - 1;
    memset(d->demand_chains, 0xff, (d->demand_mask + (size_t)1) * sizeof *d->demand_chains);
    memset(d->key_chains, 0xff, (d->key_mask + (size_t)1) * sizeof *d->key_chains);
    memset(d->waiting, 0xff, wait_lists(c) * sizeof *d->waiting);
    for (uint32_t i = 0; i < c->backends_max + c->agents_max; i++) {
        breaker_reset(&d->breakers[i]);
    }
    heap_node_init(d->timer_nodes, timer_of_breakers(d));
    d->timers = NONE32;
    d->tenants_ready = NONE32;
    d->requests_first = d->requests_last = NONE32;
    d->releases_first = d->releases_last = NONE32;
}

static void start_state(struct state *state, const swarm_config *c) {
    state->mask = chains_for(c->states_max) - 1;
    state->branches_max = c->branches_max;
    memset(state->chains, 0xff, (state->mask + (size_t)1) * sizeof *state->chains);
    memset(state->first, 0xff, c->runs_max * sizeof *state->first);
    memset(state->clocks, 0, c->runs_max * sizeof *state->clocks);
    memset(state->branches, 0, c->branches_max * sizeof *state->branches);
    slots_init(&state->entries_free, state->entries_free.links, c->states_max);
    pool_init(&state->cells_pool, state->cells_pool.links, c->effects_max);
    pool_init(&state->accesses_pool, state->accesses_pool.links, c->accesses_max);
}

static void start_prefixes(struct prefixes *p, const swarm_config *c) {
    p->mask = chains_for(c->prefixes_max) - 1;
    memset(p->chains, 0xff, (p->mask + (size_t)1) * sizeof *p->chains);
    slots_init(&p->free, p->free.links, c->prefixes_max);
}

static void start_durations(struct durations *t, const swarm_config *c) {
    t->mask = chains_for(c->labels_max) - 1;
    t->capacity = c->labels_max;
    memset(t->chains, 0xff, (t->mask + (size_t)1) * sizeof *t->chains);
}

static void start_dispatch(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    const swarm_config *c = &sw->config;

    d->graph = &sw->graph;
    d->config = c;
    pool_init(&d->tracked_pool, d->tracked_pool.links, c->tracked_max);
    pool_init(&d->delays_pool, d->delays_pool.links, c->delays_max);
    pool_init(&d->shapes_pool, d->shapes_pool.links, c->shapes_max);
    pool_init(&d->demands_pool, d->demands_pool.links, c->demands_max);
    pool_init(&d->guards_pool, d->guards_pool.links, c->guards_max);
    pool_init(&d->charges_pool, d->charges_pool.links, c->charges_max);
    slots_init(&d->inputs_free, d->inputs_free.links, c->inputs_max);
    slots_init(&d->attempts_free, d->attempts_free.links, c->inflight_max);
    start_lists(d, c);
    start_state(&d->state, c);
    start_prefixes(&d->prefixes, c);
    start_durations(&d->durations, c);
    memset(d->waits.for_step, 0, c->inflight_max * sizeof *d->waits.for_step);
    d->waits.at = d->waits.stuck_first = NONE32;
    swarm__tenant_fill(d, 0, NULL);
    for (uint32_t i = 0; i < SKILLS_LIMIT; i++) {
        ATOMIC_STORE(&d->skills[i], 0, relaxed);
    }
    for (uint32_t i = 0; i < c->inflight_max; i++) {
        ATOMIC_STORE(&d->attempts[i].word, attempt_word(0, ATTEMPT_FREE), relaxed);
        memset(&d->pulses[i], 0, sizeof d->pulses[i]);
    }
    for (uint32_t i = 0; i < c->budgets_max; i++) {
        ATOMIC_STORE(&d->budgets[i].generation, 0, relaxed);
    }
    for (uint32_t i = 0; i < c->runs_max; i++) {
        memset(&d->runs[i], 0, sizeof d->runs[i]);
        heap_node_init(d->run_nodes, i);
    }
}

static void start_core(swarm *sw) {
    const swarm_config *c = &sw->config;
    struct round *round = &sw->round;
    const struct graph_hooks hooks = {.context = sw,
                                      .enter = swarm__call_enter,
                                      .leave = swarm__call_leave,
                                      .plan_done = swarm__plan_done,
                                      .late = swarm__edge_late,
                                      .signal = swarm__signal,
                                      .wanted = swarm__wanted};

    if ((c->flags & SWARM_CONFIG_LATE_EDGES) != 0) {
        memset(sw->late, 0, c->steps_max * sizeof *sw->late);
    }
    pool_init(&sw->plans_pool, sw->plans_pool.links, c->plans_max);
    pool_init(&sw->commands_pool, sw->commands_pool.links, c->commands_max);
    mailbox_init(&sw->commands_box, sw->commands_box.links, c->commands_max);
    mailbox_init(&sw->attempts_box, sw->attempts_box.links, c->inflight_max);
    mailbox_init(&sw->pulses_box, sw->pulses_box.links, c->inflight_max);
    mailbox_init(&sw->asks_box, sw->asks_box.links, c->asks_max);
    memset(sw->asks, 0, c->asks_max * sizeof *sw->asks);
    sw->asks_first = sw->asks_last = NONE32;
    sw->plans[c->plans_max].open = false;
    round->arrivals = round->commands = NONE32;
    round->woken_first = round->woken_last = NONE32;
    round->held_first = round->held_last = NONE32;
    round->sweep = round->sweep_agent = NONE32;
    round->rivals = NONE32;
    round->losers_first = round->losers_last = NONE32;
    sw->scopes_free = NONE32;
    sw->scopes_fresh = c->runs_max;
    park_init(&sw->bell, 0);
    if (sw->host != NULL && sw->host->wait != NULL && sw->host->wake != NULL) {
        sw->bell_host.context = sw->host->context;
        sw->bell_host.wait = sw->host->wait;
        sw->bell_host.wake = sw->host->wake;
    }
    ATOMIC_STORE(&sw->turn, TURN_HELD, relaxed); /* nobody else knows the swarm yet */
    swarm__graph_start(&sw->graph, &hooks, sw->host);
    swarm__log_start(&sw->log, c->log_bytes);
}

/* The caller's block, or one from the host. */
static void *block_take(const swarm_config *c, size_t need, bool *out_own) {
    *out_own = c->memory == NULL;
    if (c->memory != NULL) {
        return c->memory_size >= need ? c->memory : NULL;
    }
    if (c->host == NULL || c->host->allocate == NULL) {
        return NULL;
    }
    return c->host->allocate(c->host->context, need, ARENA_ALIGN);
}

swarm_status swarm_new(const swarm_config *config, swarm **out_swarm) {
    struct arena arena;
    swarm_config c;
    swarm_status status = config_check(config, &c);
    size_t need;
    swarm *sw;
    void *block;
    bool own;

    if (status != SWARM_OK || out_swarm == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    status = swarm_memory_size(config, &need);
    if (status != SWARM_OK) {
        return status;
    }
    block = block_take(&c, need, &own);
    if (block == NULL) {
        return SWARM_E_FULL;
    }
    arena_init(&arena, block, need);
    sw = CARVE(&arena, 1, swarm);
    memset(sw, 0, sizeof *sw);
    sw->config = c;
    sw->host = c.host;
    sw->block = own ? block : NULL;
    sw->block_size = need;
    sw->memory = need;
    layout(sw, &arena, &c);
    SWARM_ASSERT(!arena.failed);
    start_dispatch(sw);
    start_core(sw);
    *out_swarm = sw;
    return SWARM_OK;
}

/* ---- the end */

swarm_status swarm_drain(swarm *sw) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    sw->draining = true;
    return attempts_open(&sw->dispatch) != 0 || !swarm__graph_quiet(&sw->graph) ? SWARM_E_AGAIN
                                                                                : SWARM_OK;
}

swarm_status swarm_free(swarm *sw) {
    const swarm_host *host;

    if (sw == NULL) {
        return SWARM_OK;
    }
    if (!swarm__owned(sw) ||
        (attempts_open(&sw->dispatch) != 0 && !swarm__resume_only_looked(sw)) ||
        (uint32_t)ATOMIC_LOAD(&sw->graph.active, acquire) != 0) {
        return SWARM_E_BUSY;
    }
    host = sw->host;
    if (sw->block != NULL && host->release != NULL) {
        host->release(host->context, sw->block, sw->block_size);
    } else {
        ATOMIC_STORE(&sw->turn, 0, relaxed); /* the block is the caller's: calls answer BUSY */
    }
    return SWARM_OK;
}

/* ---- setup calls: each keeps the first error for swarm_fault */

static bool setup_begin(swarm *sw, swarm_error *error) {
    error->status = SWARM_OK;
    return swarm__owned(sw);
}

static void setup_failed(swarm *sw, const swarm_error *error) {
    if (sw->fault.status == SWARM_OK) {
        sw->fault = *error;
    }
}

swarm_status swarm_fault(swarm *sw, swarm_error *out_error) {
    swarm_status status;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    status = sw->fault.status;
    if (status != SWARM_OK && out_error != NULL) {
        *out_error = sw->fault;
    }
    sw->fault.status = SWARM_OK;
    return status;
}

swarm_backend_id swarm_backend_add(swarm *sw, const swarm_backend *backend) {
    swarm_backend_id id = {0};
    swarm_error error;
    uint32_t index;

    if (!setup_begin(sw, &error)) {
        return id;
    }
    index = swarm__backend_add(&sw->dispatch, backend, &error);
    if (index == NONE32) {
        setup_failed(sw, &error);
    } else {
        id.id = (uint64_t)index + 1;
    }
    return id;
}

swarm_profile swarm_profile_add(swarm *sw, const swarm_profile_spec *spec) {
    swarm_profile id = {0};
    swarm_error error;
    uint32_t index;

    if (!setup_begin(sw, &error)) {
        return id;
    }
    index = swarm__profile_add(&sw->dispatch, spec, &error);
    if (index == NONE32) {
        setup_failed(sw, &error);
    } else {
        id.id = (uint64_t)index + 1;
    }
    return id;
}

/* Who waits for this agent or for those of its profile looks again: it may be new, or may never
 * come. So does who waits for held backends: the agent may have another one. */
void swarm__agents_changed(struct dispatch *d, uint32_t agent) {
    swarm__demand_wake_agent(d, d->agents[agent].profile, agent);
    swarm__demand_wake(d, WAIT_BACKEND);
}

swarm_agent swarm_agent_add(swarm *sw, swarm_profile profile, uint32_t count) {
    swarm_agent id = {0};
    swarm_error error;
    uint32_t index = NONE32;

    if (!setup_begin(sw, &error)) {
        return id;
    }
    if (profile.id == 0 || profile.id > sw->dispatch.profiles_count) {
        swarm__refuse(&error, SWARM_E_STALE, "agent: no such profile");
    } else {
        index = swarm__agent_add(&sw->dispatch, (uint32_t)profile.id - 1, count, &error);
    }
    if (index == NONE32) {
        setup_failed(sw, &error);
    } else {
        swarm__agents_changed(&sw->dispatch, index);
        id.id = (uint64_t)index + 1;
    }
    return id;
}

swarm_status swarm_agent_withdraw(swarm *sw, swarm_agent agent) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (!agent_exists(&sw->dispatch, agent.id)) {
        return SWARM_E_STALE;
    }
    sw->logged.withdrawals += !sw->dispatch.agents[agent.id - 1].withdrawn;
    swarm__agent_withdraw(&sw->dispatch, (uint32_t)agent.id - 1);
    sw->dispatch.waits.due = true;
    swarm__agents_changed(&sw->dispatch, (uint32_t)agent.id - 1);
    return SWARM_OK;
}

static const char *permit_fault(const struct dispatch *d, const char *name, uint64_t capacity,
                                swarm_status *out_status) {
    uint32_t count = ATOMIC_LOAD(&d->permits_count, relaxed); /* only the turn adds */

    *out_status = SWARM_E_INVALID;
    if (name == NULL || capacity == 0) {
        return "permit: no name, or a capacity of 0";
    }
    for (uint32_t i = 0; i < count; i++) {
        if (d->permits[i].name == hash_text64(name)) {
            *out_status = SWARM_E_DUPLICATE;
            return "permit: the name is taken";
        }
    }
    *out_status = SWARM_E_FULL;
    return count == d->config->permits_max ? "permit: raise config.permits_max" : NULL;
}

swarm_permit swarm_permit_add(swarm *sw, const char *name, uint64_t capacity) {
    swarm_permit id = {0};
    swarm_error error;
    swarm_status status;
    const char *fault;
    struct dispatch *d;
    uint32_t index;

    if (!setup_begin(sw, &error)) {
        return id;
    }
    d = &sw->dispatch;
    fault = permit_fault(d, name, capacity, &status);
    if (fault != NULL) {
        swarm__refuse(&error, status, fault);
        setup_failed(sw, &error);
        return id;
    }
    index = ATOMIC_LOAD(&d->permits_count, relaxed);
    d->permits[index].name = hash_text64(name);
    d->permits[index].capacity = capacity;
    d->permits[index].used = 0;
    memset(&d->permits[index].bucket, 0, sizeof d->permits[index].bucket);
    d->permits[index].measure = d->permits[index].bypass_max = 0;
    d->permits[index].saver = d->permits[index].backend = d->permits[index].next = NONE32;
    heap_node_init(d->timer_nodes, timer_of_permit(d, index));
    ATOMIC_STORE(&d->permits_count, index + 1, release); /* pairs with permit_exists */
    id.id = (uint64_t)index + 1;
    return id;
}

static const char *function_fault(const swarm *sw, const char *name, swarm_call_function *function,
                                  swarm_status *out_status) {
    uint32_t count = ATOMIC_LOAD(&sw->functions_count, relaxed); /* only the turn adds */

    *out_status = SWARM_E_INVALID;
    if (name == NULL || function == NULL) {
        return "function: null, or without a name";
    }
    for (uint32_t i = 0; i < count; i++) {
        if (sw->function_names[i] == hash_text64(name)) {
            *out_status = SWARM_E_DUPLICATE;
            return "function: the name is taken";
        }
    }
    *out_status = SWARM_E_FULL;
    return count == sw->config.functions_max ? "function: raise config.functions_max" : NULL;
}

swarm_function swarm_function_add(swarm *sw, const char *name, swarm_call_function *function,
                                  void *context) {
    swarm_function id = {0};
    swarm_error error;
    swarm_status status;
    const char *fault;
    uint32_t index;

    if (!setup_begin(sw, &error)) {
        return id;
    }
    fault = function_fault(sw, name, function, &status);
    if (fault != NULL) {
        swarm__refuse(&error, status, fault);
        setup_failed(sw, &error);
        return id;
    }
    index = ATOMIC_LOAD(&sw->functions_count, relaxed);
    sw->function_names[index] = hash_text64(name);
    swarm__graph_function_set(&sw->graph, index, function, context);
    ATOMIC_STORE(&sw->functions_count, index + 1, release); /* pairs with function_exists */
    id.id = (uint64_t)index + 1;
    return id;
}
