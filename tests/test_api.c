/* SPDX-License-Identifier: MIT */
/*
 * test_api.c - every public function called wrongly, first part: versions and memory, setup, the
 * turn, driving, the log, attempts. The second part, runs and plans and steps, is test_api_runs.c.
 */
#include "test_api.h"

#include "../backends/mock/swarm_mock.h"

/* ---- statuses, version, configuration, memory */

static swarm_config config_of(uint32_t steps_max) {
    swarm_config config = {.size = sizeof config, .version = SWARM_VERSION, .steps_max = steps_max};

    return config;
}

/* swarm_memory_size of a configuration with one change; nothing is written on an error. */
static int64_t size_of(const swarm_config *config) {
    size_t bytes = 12345;
    swarm_status status = swarm_memory_size(config, &bytes);

    CHECK(status == SWARM_OK ? bytes > sizeof(void *) && bytes != 12345 : bytes == 12345);
    return status;
}

/* The same of swarm_new, which must agree. The host counts, and must not be asked in vain. */
static uint32_t blocks_taken, blocks_given;

static void *block_take(void *context, size_t size, size_t align) {
    CHECK(context == &blocks_taken);
    CHECK_EQ(align & (align - 1), 0);
    blocks_taken++;
    return malloc(size);
}

static void block_give(void *context, void *block, size_t size) {
    CHECK(context == &blocks_taken);
    CHECK(size != 0);
    blocks_given++;
    free(block);
}

static const swarm_host counting = {.size = sizeof counting,
                                    .context = &blocks_taken,
                                    .allocate = block_take,
                                    .release = block_give};

static int64_t new_of(const swarm_config *config) {
    swarm *const before = (swarm *)(uintptr_t)&blocks_taken;
    swarm *sw = before;
    uint32_t taken = blocks_taken;
    swarm_config with_host = config != NULL ? *config : config_of(0);
    swarm_status status;

    if (config != NULL && config->host == NULL && config->memory == NULL) {
        with_host.host = &counting;
    }
    status = swarm_new(config != NULL ? &with_host : NULL, &sw);
    if (status != SWARM_OK) {
        CHECK(sw == before);
        CHECK_EQ(blocks_taken, taken);
        return status;
    }
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(blocks_taken, blocks_given);
    return status;
}

/* A swarm whose host lacks something. */
static swarm *bare_swarm(const swarm_host *host) {
    swarm_config config = config_of(64);
    swarm *sw = NULL;

    config.host = host;
    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    return sw;
}

#define CONFIG(text, want, ...)                                                                    \
    {                                                                                              \
        text, want, {                                                                              \
            .size = sizeof(swarm_config), .version = SWARM_VERSION, __VA_ARGS__                    \
        }                                                                                          \
    }

static const swarm_host small_host = {.size = sizeof small_host - 1};

static const struct {
    const char *what;
    int64_t want;
    swarm_config config;
} configs[] = {
    {"all zero", SWARM_E_MISMATCH, {.size = 0}},
    {"size too small",
     SWARM_E_MISMATCH,
     {.size = sizeof(swarm_config) - 1, .version = SWARM_VERSION}},
    {"size too large",
     SWARM_E_MISMATCH,
     {.size = sizeof(swarm_config) + 8, .version = SWARM_VERSION}},
    {"another version",
     SWARM_E_MISMATCH,
     {.size = sizeof(swarm_config), .version = SWARM_VERSION + 1}},
    {"no version", SWARM_E_MISMATCH, {.size = sizeof(swarm_config)}},
    CONFIG("only size and version", SWARM_OK, .seed = 0),
    CONFIG("too many prefixes", SWARM_E_INVALID, .prefixes_max = UINT32_MAX),
    CONFIG("too many labels", SWARM_E_INVALID, .labels_max = UINT32_MAX),
    CONFIG("too many capabilities", SWARM_E_INVALID, .capabilities_max = UINT32_MAX),
    CONFIG("unknown flag", SWARM_E_INVALID, .flags = 4),
    CONFIG("late edges in static runs", SWARM_E_INVALID, .flags = 3),
    CONFIG("all flags", SWARM_E_INVALID, .flags = UINT32_MAX),
    CONFIG("STATIC", SWARM_OK, .flags = SWARM_CONFIG_STATIC),
    CONFIG("host of another size", SWARM_E_INVALID, .host = &small_host),
    CONFIG("deque not a power of two", SWARM_E_INVALID, .deque_size = 3),
    CONFIG("deque of 1", SWARM_OK, .deque_size = 1),
    CONFIG("workers_max above 1024", SWARM_E_INVALID, .workers_max = 1025),
    CONFIG("workers_max at its limit", SWARM_OK, .workers_max = 1024),
    CONFIG("steps_max above 2^30 - 1", SWARM_E_INVALID, .steps_max = 1u << 30),
    CONFIG("edges_max above 2^31 - 2", SWARM_E_INVALID, .edges_max = 0x7fffffffu),
    CONFIG("functions_max above 65,535", SWARM_E_INVALID, .functions_max = 65536),
    CONFIG("functions_max at its limit", SWARM_OK, .functions_max = 65535),
    CONFIG("profiles_max above 256", SWARM_E_INVALID, .profiles_max = 257),
    CONFIG("profiles_max at its limit", SWARM_OK, .profiles_max = 256),
    CONFIG("skills_max above 256", SWARM_E_INVALID, .skills_max = 257),
    CONFIG("skills_max at its limit", SWARM_OK, .skills_max = 256),
    CONFIG("log of 4 KiB", SWARM_E_INVALID, .log_bytes = 4096),
    CONFIG("log of 8 KiB less 1", SWARM_E_INVALID, .log_bytes = 8191),
    CONFIG("log of 8 KiB", SWARM_OK, .log_bytes = 8192),
    CONFIG("log of odd size", SWARM_OK, .log_bytes = 8193),
    CONFIG("log of SWARM_ZERO", SWARM_E_INVALID, .log_bytes = SWARM_ZERO),
    CONFIG("no log", SWARM_OK, .log_bytes = SWARM_NEVER),
    CONFIG("runs_max NONE", SWARM_E_INVALID, .runs_max = SWARM_NONE),
    CONFIG("steps_max NONE", SWARM_E_INVALID, .steps_max = SWARM_NONE),
    CONFIG("edges_max NONE", SWARM_E_INVALID, .edges_max = SWARM_NONE),
    CONFIG("tracked_max NONE", SWARM_E_INVALID, .tracked_max = SWARM_NONE),
    CONFIG("delays_max NONE", SWARM_E_INVALID, .delays_max = SWARM_NONE),
    CONFIG("inputs_max NONE", SWARM_E_INVALID, .inputs_max = SWARM_NONE),
    CONFIG("agents_max NONE", SWARM_E_INVALID, .agents_max = SWARM_NONE),
    CONFIG("permits_max NONE", SWARM_E_INVALID, .permits_max = SWARM_NONE),
    CONFIG("demands_max NONE", SWARM_E_INVALID, .demands_max = SWARM_NONE),
    CONFIG("backends_max NONE", SWARM_E_INVALID, .backends_max = SWARM_NONE),
    CONFIG("functions_max NONE", SWARM_E_INVALID, .functions_max = SWARM_NONE),
    CONFIG("inflight_max NONE", SWARM_E_INVALID, .inflight_max = SWARM_NONE),
    CONFIG("scopes_max NONE", SWARM_E_INVALID, .scopes_max = SWARM_NONE),
    CONFIG("plans_max NONE", SWARM_E_INVALID, .plans_max = SWARM_NONE),
    CONFIG("ranges_max NONE", SWARM_E_INVALID, .ranges_max = SWARM_NONE),
    CONFIG("commands_max NONE", SWARM_E_INVALID, .commands_max = SWARM_NONE),
    CONFIG("deque_size NONE", SWARM_E_INVALID, .deque_size = SWARM_NONE),
    CONFIG("spin NONE", SWARM_OK, .spin = SWARM_NONE),
    CONFIG("grace NEVER", SWARM_OK, .cancel_grace_ns = SWARM_NEVER),
    CONFIG("grace ZERO", SWARM_OK, .cancel_grace_ns = SWARM_ZERO),
};

/* The largest of everything must be measured without a wrong number; nobody has so much memory. */
static void largest_config(void) {
    const uint32_t most = 0x0fffffffu;
    swarm_config config = config_of((1u << 30) - 1);
    size_t bytes = 0;
    swarm *sw = NULL;

    config.edges_max = 0x7ffffffeu;
    config.workers_max = 1024;
    config.deque_size = 1u << 31;
    config.runs_max = config.tracked_max = config.delays_max = config.inputs_max = most;
    config.agents_max = config.permits_max = config.demands_max = config.backends_max = most;
    config.inflight_max = config.scopes_max = config.plans_max = config.ranges_max = most;
    config.commands_max = most;
    config.log_bytes = SIZE_MAX / 2;
    CHECK_EQ(swarm_memory_size(&config, &bytes), sizeof(size_t) == 8 ? SWARM_OK : SWARM_E_OVERFLOW);
    if (sizeof(size_t) == 8) {
        /* At least what the header says a step and an edge cost, and the rings and deques. */
        CHECK(bytes > SIZE_MAX / 2 + ((uint64_t)1 << 30) * 64 + ((uint64_t)1 << 31) * 8);
        CHECK(bytes > SIZE_MAX / 2 + ((uint64_t)1024 << 31) * 8);
    }
    CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL); /* no host, no memory */
    config.log_bytes = SIZE_MAX / 2 + 1;
    CHECK_EQ(size_of(&config), SWARM_E_INVALID);
}

TEST(configurations) {
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        int64_t size = size_of(&configs[i].config), made = new_of(&configs[i].config);

        if (size != configs[i].want || made != configs[i].want) {
            printf("# configuration: %s\n", configs[i].what);
        }
        CHECK_EQ(size, configs[i].want);
        CHECK_EQ(made, configs[i].want);
    }
    largest_config();
}

REFUSES(swarm_memory_size, "null configuration", SWARM_E_INVALID, size_of(NULL));
REFUSES(swarm_memory_size, "null result", SWARM_E_INVALID,
        swarm_memory_size(&configs[5].config, NULL));
REFUSES(swarm_new, "null configuration", SWARM_E_INVALID, new_of(NULL));
REFUSES(swarm_new, "null result", SWARM_E_INVALID, swarm_new(&configs[5].config, NULL));
REFUSES(swarm_version, "is the header's", SWARM_VERSION, swarm_version());
REFUSES(swarm_host_default, "is the same each time", 1,
        swarm_host_default() == swarm_host_default() &&
            (swarm_host_default() == NULL || swarm_host_default()->size == sizeof(swarm_host)));

TEST(status_texts) {
    const char *unknown = swarm_status_text(1);
    const swarm_status absurd[] = {1, INT32_MAX, INT32_MIN, SWARM_E_DENIED - 1};

    CHECK(unknown != NULL);
    for (swarm_status status = SWARM_OK; status >= SWARM_E_DENIED; status--) {
        const char *text = swarm_status_text(status);

        CHECK(text != NULL && strlen(text) > 5);
        CHECK(strcmp(text, unknown) != 0);
        CHECK(strchr(text, ':') != NULL); /* its name: what is wrong */
    }
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        CHECK(strcmp(swarm_status_text(absurd[i]), unknown) == 0);
    }
}

REFUSES(swarm_status_text, "an absurd status", 1, swarm_status_text(INT32_MIN) != NULL);
REFUSES(swarm_random, "extremes", 1,
        swarm_random(SWARM_NEVER, SWARM_NEVER, SWARM_NEVER) ==
            swarm_random(SWARM_NEVER, SWARM_NEVER, SWARM_NEVER));
REFUSES(swarm_random, "streams differ", 1, swarm_random(1, 2, 3) != swarm_random(1, 3, 2));

/* ---- the end */

REFUSES(swarm_drain, "null swarm", SWARM_E_INVALID, swarm_drain(NULL));
AWAY(swarm_drain, SWARM_E_BUSY, swarm_drain(w->sw));
GIVES(swarm_drain, "attempts in flight", SWARM_E_AGAIN, swarm_drain(w->sw));
GIVES(swarm_drain, "twice", SWARM_E_AGAIN, (swarm_drain(w->sw), swarm_drain(w->sw)));
REFUSES(swarm_free, "null swarm", SWARM_OK, swarm_free(NULL));
REFUSES(swarm_free, "attempts in flight", SWARM_E_BUSY, swarm_free(w->sw));
AWAY(swarm_free, SWARM_E_BUSY, swarm_free(w->sw));
REFUSES(swarm_fault, "null swarm", SWARM_E_INVALID, swarm_fault(NULL, NULL));
REFUSES(swarm_fault, "nothing to report", SWARM_OK, swarm_fault(w->sw, NULL));
AWAY(swarm_fault, SWARM_E_BUSY, swarm_fault(w->sw, NULL));

/* The first error is kept, and told once. */
static int64_t two_faults(struct world *w) {
    swarm_error error = {.status = 77};

    CHECK_EQ(swarm_permit_add(w->sw, "zero", 0).id, 0);
    CHECK_EQ(swarm_permit_add(w->sw, "permit", 1).id, 0);
    CHECK_EQ(swarm_fault(w->sw, &error), SWARM_E_INVALID);
    CHECK_EQ(error.status, SWARM_E_INVALID);
    CHECK(error.text != NULL);
    error.status = 77;
    CHECK_EQ(swarm_fault(w->sw, &error), SWARM_OK);
    return error.status; /* not written when there is nothing to say */
}

REFUSES(swarm_fault, "two errors", 77, two_faults(w));

/* ---- backends */

static swarm_backend table_of(size_t size, const char *name) {
    swarm_backend table = {.size = size, .name = name};

    return table;
}

static int64_t add_backend(struct world *w, size_t size, const char *name) {
    const swarm_backend table = table_of(size, name);

    return fault_of(w, swarm_backend_add(w->sw, &table).id);
}

REFUSES(swarm_backend_add, "null swarm", 0, swarm_backend_add(NULL, NULL).id);
REFUSES(swarm_backend_add, "null table", SWARM_E_INVALID,
        fault_of(w, swarm_backend_add(w->sw, NULL).id));
REFUSES(swarm_backend_add, "size 0", SWARM_E_INVALID, add_backend(w, 0, "x"));
REFUSES(swarm_backend_add, "another size", SWARM_E_INVALID,
        add_backend(w, sizeof(swarm_backend) + 1, "x"));
REFUSES(swarm_backend_add, "no name", SWARM_E_INVALID, add_backend(w, sizeof(swarm_backend), NULL));
REFUSES(swarm_backend_add, "name taken", SWARM_E_DUPLICATE,
        add_backend(w, sizeof(swarm_backend), "backend"));
GIVES(swarm_backend_add, "empty name", 1, add_backend(w, sizeof(swarm_backend), ""));
AWAY(swarm_backend_add, SWARM_OK,
     add_backend(w, sizeof(swarm_backend), "x") == SWARM_E_BUSY ? 0 : 1);

/* ---- profiles */

static const char *const one_skill[] = {"a"};
static const char *const null_skill[] = {"new", NULL};

static int64_t add_profile(struct world *w, swarm_profile_spec spec) {
    spec.name = spec.name == NULL ? "new" : spec.name;
    spec.backend = spec.backend.id == 0 ? w->backend : spec.backend;
    return fault_of(w, swarm_profile_add(w->sw, &spec).id);
}

#define PROFILE(...) add_profile(w, (swarm_profile_spec){__VA_ARGS__})

/* The spec is taken as it is. */
static int64_t add_raw_profile(struct world *w, const char *name, uint64_t backend) {
    const swarm_profile_spec spec = {.name = name, .backend = {backend}};

    return fault_of(w, swarm_profile_add(w->sw, &spec).id);
}

REFUSES(swarm_profile_add, "reserved", SWARM_E_INVALID, PROFILE(.reserved = 1));
REFUSES(swarm_profile_add, "null swarm", 0, swarm_profile_add(NULL, NULL).id);
REFUSES(swarm_profile_add, "null spec", SWARM_E_INVALID,
        fault_of(w, swarm_profile_add(w->sw, NULL).id));
REFUSES(swarm_profile_add, "no name", SWARM_E_INVALID, add_raw_profile(w, NULL, 1));
REFUSES(swarm_profile_add, "null backend", SWARM_E_STALE, add_raw_profile(w, "new", 0));
REFUSES(swarm_profile_add, "unknown backend", SWARM_E_STALE, add_raw_profile(w, "new", 2));
REFUSES(swarm_profile_add, "garbage backend", SWARM_E_STALE, add_raw_profile(w, "new", UINT64_MAX));
REFUSES(swarm_profile_add, "backend with a high bit", SWARM_E_STALE,
        add_raw_profile(w, "new", (UINT64_C(1) << 32) + 1));
REFUSES(swarm_profile_add, "name taken", SWARM_E_DUPLICATE, PROFILE(.name = "profile"));
REFUSES(swarm_profile_add, "skills without names", SWARM_E_INVALID, PROFILE(.skills_count = 1));
REFUSES(swarm_profile_add, "a null skill", SWARM_E_INVALID,
        PROFILE(.skills = null_skill, .skills_count = 2));
REFUSES(swarm_profile_add, "cost above 10^6", SWARM_E_INVALID, PROFILE(.cost = 1000001));
REFUSES(swarm_profile_add, "cost absurd", SWARM_E_INVALID, PROFILE(.cost = UINT32_MAX));
GIVES(swarm_profile_add, "cost 10^6, any inflight", 1,
      PROFILE(.cost = 1000000, .inflight_max = UINT32_MAX));
GIVES(swarm_profile_add, "skills with count 0", 1, PROFILE(.skills = null_skill));
AWAY(swarm_profile_add, SWARM_OK, PROFILE(.skills = one_skill) == SWARM_E_BUSY ? 0 : 1);

/* ---- agents */

static int64_t add_agents(struct world *w, uint64_t profile, uint32_t count) {
    return fault_of(w, swarm_agent_add(w->sw, (swarm_profile){profile}, count).id);
}

static int64_t withdraw(struct world *w, uint64_t agent) {
    return swarm_agent_withdraw(w->sw, (swarm_agent){agent});
}

/* Agents 1 and 2 exist; 3 to 8 are below agents_max; the other swarm has 100. */
static const uint64_t no_agents[] = {
    0, 3, 8, 9, 100, UINT64_MAX, (UINT64_C(1) << 32) + 1, SWARM_ZERO, UINT64_C(1) << 63};

static int64_t each_agent(struct world *w, int64_t (*call)(struct world *, uint64_t)) {
    for (size_t i = 0; i < sizeof no_agents / sizeof no_agents[0]; i++) {
        int64_t status = call(w, no_agents[i]);

        if (status != SWARM_E_STALE) {
            printf("# agent %" PRIx64 "\n", no_agents[i]);
            return status;
        }
    }
    return SWARM_E_STALE;
}

static int64_t usage_of(struct world *w, uint64_t agent) {
    uint64_t attempts = 7, busy_ns = 8;
    swarm_status status = swarm_agent_usage(w->sw, (swarm_agent){agent}, &attempts, &busy_ns);

    CHECK(status == SWARM_OK || (attempts == 7 && busy_ns == 8));
    return status;
}

static int64_t cancel_agent(struct world *w, uint64_t agent) {
    return swarm_agent_cancel(w->sw, (swarm_agent){agent});
}

REFUSES(swarm_agent_add, "null swarm", 0, swarm_agent_add(NULL, w->profile, 1).id);
REFUSES(swarm_agent_add, "null profile", SWARM_E_STALE, add_agents(w, 0, 1));
REFUSES(swarm_agent_add, "unknown profile", SWARM_E_STALE, add_agents(w, 2, 1));
REFUSES(swarm_agent_add, "garbage profile", SWARM_E_STALE, add_agents(w, UINT64_MAX, 1));
REFUSES(swarm_agent_add, "profile with a high bit", SWARM_E_STALE,
        add_agents(w, (UINT64_C(1) << 32) + 1, 1));
REFUSES(swarm_agent_add, "count 0", SWARM_E_INVALID, add_agents(w, 1, 0));
REFUSES(swarm_agent_add, "one too many", SWARM_E_FULL, add_agents(w, 1, 7));
REFUSES(swarm_agent_add, "count absurd", SWARM_E_FULL, add_agents(w, 1, UINT32_MAX));
AWAY(swarm_agent_add, SWARM_OK, add_agents(w, 1, 1) == SWARM_E_BUSY ? 0 : 1);
REFUSES(swarm_agent_withdraw, "null swarm", SWARM_E_INVALID, swarm_agent_withdraw(NULL, w->agent));
REFUSES(swarm_agent_withdraw, "each bad handle", SWARM_E_STALE, each_agent(w, withdraw));
AWAY(swarm_agent_withdraw, SWARM_E_BUSY, swarm_agent_withdraw(w->sw, w->agent));
GIVES(swarm_agent_withdraw, "twice", SWARM_OK, (withdraw(w, 1), withdraw(w, 1)));
REFUSES(swarm_agent_usage, "null swarm", SWARM_E_INVALID,
        swarm_agent_usage(NULL, w->agent, NULL, NULL));
REFUSES(swarm_agent_usage, "null results", SWARM_E_INVALID,
        swarm_agent_usage(w->sw, w->agent, NULL, NULL));
REFUSES(swarm_agent_usage, "each bad handle", SWARM_E_STALE, each_agent(w, usage_of));
AWAY(swarm_agent_usage, SWARM_E_BUSY, usage_of(w, 1));
REFUSES(swarm_agent_cancel, "null swarm", SWARM_E_INVALID, swarm_agent_cancel(NULL, w->agent));
REFUSES(swarm_agent_cancel, "each bad handle", SWARM_E_STALE, each_agent(w, cancel_agent));

/* ---- permits, functions */

static int64_t add_permit(struct world *w, const char *name, uint64_t capacity) {
    return fault_of(w, swarm_permit_add(w->sw, name, capacity).id);
}

static int64_t add_function(struct world *w, const char *name, swarm_call_function *function) {
    return fault_of(w, swarm_function_add(w->sw, name, function, NULL).id);
}

REFUSES(swarm_permit_add, "null swarm", 0, swarm_permit_add(NULL, "x", 1).id);
REFUSES(swarm_permit_add, "no name", SWARM_E_INVALID, add_permit(w, NULL, 1));
REFUSES(swarm_permit_add, "capacity 0", SWARM_E_INVALID, add_permit(w, "x", 0));
REFUSES(swarm_permit_add, "name taken", SWARM_E_DUPLICATE, add_permit(w, "permit", 9));
GIVES(swarm_permit_add, "capacity of 2^64 - 1", 2,
      (int64_t)swarm_permit_add(w->sw, "x", UINT64_MAX).id);
AWAY(swarm_permit_add, SWARM_OK, add_permit(w, "x", 1) == SWARM_E_BUSY ? 0 : 1);
REFUSES(swarm_function_add, "null swarm", 0, swarm_function_add(NULL, "x", count_call, NULL).id);
REFUSES(swarm_function_add, "no name", SWARM_E_INVALID, add_function(w, NULL, count_call));
REFUSES(swarm_function_add, "no function", SWARM_E_INVALID, add_function(w, "x", NULL));
REFUSES(swarm_function_add, "name taken", SWARM_E_DUPLICATE,
        add_function(w, "function", count_call));
AWAY(swarm_function_add, SWARM_OK, add_function(w, "x", count_call) == SWARM_E_BUSY ? 0 : 1);

/* ---- the turn, work */

REFUSES(swarm_turn_begin, "null swarm", SWARM_E_INVALID, swarm_turn_begin(NULL));
REFUSES(swarm_turn_begin, "held", SWARM_E_AGAIN, swarm_turn_begin(w->sw));
REFUSES(swarm_turn_end, "null swarm", SWARM_E_INVALID, swarm_turn_end(NULL));
AWAY(swarm_turn_end, SWARM_E_BUSY, swarm_turn_end(w->sw));
REFUSES(swarm_work, "null swarm", 0, swarm_work(NULL, 0, 1));
REFUSES(swarm_work, "index workers_max", 0, swarm_work(w->sw, 2, 1));
REFUSES(swarm_work, "index absurd", 0, swarm_work(w->sw, UINT32_MAX, 1));
REFUSES(swarm_work, "at most 0", 0, swarm_work(w->sw, 0, 0));
REFUSES(swarm_work, "nothing to do", 0, swarm_work(w->sw, 1, UINT32_MAX));

/* ---- rounds */

REFUSES(swarm_advance, "null swarm", SWARM_E_INVALID, swarm_advance(NULL, 9, NULL));
REFUSES(swarm_advance, "time runs backwards", SWARM_OK, swarm_advance(w->sw, 0, NULL));
AWAY(swarm_advance, SWARM_E_BUSY, swarm_advance(w->sw, 1000 * SECOND, NULL));
GIVES(swarm_advance, "time SWARM_NEVER, twice", SWARM_OK,
      (swarm_advance(w->sw, SWARM_NEVER, NULL), swarm_advance(w->sw, SWARM_NEVER, NULL)));
REFUSES(swarm_next_deadline, "null swarm", -1, swarm_next_deadline(NULL));
REFUSES(swarm_next_deadline, "the run timeout", 2 + 90 * (int64_t)SECOND,
        swarm_next_deadline(w->sw));
AWAY(swarm_next_deadline, -1, swarm_next_deadline(w->sw));
REFUSES(swarm_stats_get, "null swarm", SWARM_E_INVALID, swarm_stats_get(NULL, &(swarm_stats){0}));
REFUSES(swarm_stats_get, "null result", SWARM_E_INVALID, swarm_stats_get(w->sw, NULL));
AWAY(swarm_stats_get, SWARM_OK, swarm_stats_get(w->sw, &(swarm_stats){0}));

/* What the loop of a caller looks at must be true before the first round, and after the last. */
TEST(counters_between_rounds) {
    swarm *sw = bare_swarm(&counting);
    swarm_run run = swarm_run_open(sw, NULL);
    unsigned char bytes[256];
    swarm_stats stats;
    size_t one;

    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.open, 1);
    CHECK_EQ(swarm_advance(sw, 1, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_close(sw, run), SWARM_OK);
    CHECK_EQ(swarm_advance(sw, 2, NULL), SWARM_OK);
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.open, 0);
    CHECK_EQ(swarm_log_read(sw, bytes, 1, &one), 0);
    CHECK_EQ(swarm_log_read(sw, bytes, one, NULL), one);
    CHECK_EQ(swarm_log_acknowledge(sw), SWARM_OK);
    uint64_t all = stats.log_pending;
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.log_pending, all - one);
    CHECK_EQ(log_empty(sw), all - one);
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.log_pending, 0);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

/* ---- the log, requests */

static int64_t read_log(swarm *sw, void *buffer, size_t size) {
    size_t needed = 99;
    size_t bytes = swarm_log_read(sw, buffer, size, &needed);

    CHECK(bytes != 0 || needed == 0 || needed == 99);
    return (int64_t)bytes;
}

/* A frame that does not fit: its size is told, nothing is lost. */
static int64_t read_small(struct world *w) {
    unsigned char bytes[4096];
    size_t needed = 0, again = 0;

    CHECK_EQ(swarm_run_limits(w->sw, w->run, 0, 0), SWARM_OK);
    CHECK_EQ(swarm_log_read(w->sw, bytes, 1, &needed), 0);
    CHECK(needed > 32);
    CHECK_EQ(swarm_log_read(w->sw, bytes, needed - 1, &again), 0);
    CHECK_EQ(again, needed);
    CHECK_EQ(swarm_log_read(w->sw, NULL, 0, NULL), 0);
    CHECK_EQ(swarm_log_read(w->sw, NULL, needed, NULL), 0);
    CHECK_EQ(swarm_log_read(w->sw, bytes, needed, NULL), needed);
    return (int64_t)swarm_log_read(w->sw, bytes, sizeof bytes, NULL);
}

REFUSES(swarm_log_read, "null swarm", 0, read_log(NULL, &(char){0}, 1));
REFUSES(swarm_log_read, "null buffer", 0, read_log(w->sw, NULL, 4096));
REFUSES(swarm_log_read, "nothing there", 0, read_log(w->sw, (unsigned char[4096]){0}, 4096));
AWAY(swarm_log_read, 0, read_log(w->sw, (unsigned char[4096]){0}, 4096));
GIVES(swarm_log_read, "buffer too small", 0, read_small(w));
REFUSES(swarm_log_acknowledge, "null swarm", SWARM_E_INVALID, swarm_log_acknowledge(NULL));
REFUSES(swarm_log_acknowledge, "twice", SWARM_OK,
        (swarm_log_acknowledge(w->sw), swarm_log_acknowledge(w->sw)));
AWAY(swarm_log_acknowledge, SWARM_E_BUSY, swarm_log_acknowledge(w->sw));
REFUSES(swarm_take, "null swarm", 0, swarm_take(NULL, &(swarm_request){0}, 1));
REFUSES(swarm_take, "null requests", 0, swarm_take(w->sw, NULL, UINT32_MAX));
REFUSES(swarm_take, "at most 0", 0, swarm_take(w->sw, &(swarm_request){0}, 0));
REFUSES(swarm_take, "nothing there", 0, swarm_take(w->sw, &(swarm_request){0}, UINT32_MAX));
AWAY(swarm_take, 0, swarm_take(w->sw, &(swarm_request){0}, 1));

/* ---- answers */

static int64_t complete(struct world *w, uint64_t attempt, swarm_completion completion) {
    completion.attempt.id = attempt;
    return swarm_complete(w->sw, &completion);
}

#define COMPLETE(id, ...) complete(w, (id), (swarm_completion){__VA_ARGS__})

static int64_t each_attempt(struct world *w) {
    const uint64_t open = w->open.id;
    const uint64_t bad[] = {0,
                            1,
                            UINT64_C(1) << 32,
                            UINT64_MAX,
                            SWARM_ZERO,
                            open + (UINT64_C(1) << 32),
                            open - (UINT64_C(1) << 32),
                            open ^ (UINT64_C(1) << 63),
                            open + 2,
                            (open & ~(uint64_t)UINT32_MAX) | UINT32_MAX,
                            w->answered.id};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t status = COMPLETE(bad[i], .usage = {.cost_nano = 1});

        if (status != SWARM_E_STALE) {
            printf("# attempt %" PRIx64 "\n", bad[i]);
            return status;
        }
    }
    return SWARM_E_STALE;
}

REFUSES(swarm_complete, "null swarm", SWARM_E_INVALID,
        swarm_complete(NULL, &(swarm_completion){0}));
REFUSES(swarm_complete, "null completion", SWARM_E_INVALID, swarm_complete(w->sw, NULL));
REFUSES(swarm_complete, "each bad handle", SWARM_E_STALE, each_attempt(w));
REFUSES(swarm_complete, "an attempt whose answer was applied", SWARM_E_STALE,
        COMPLETE(w->answered.id, .result = {.bytes = "x", .size = 1}));
REFUSES(swarm_complete, "unknown outcome", SWARM_E_INVALID, COMPLETE(w->open.id, .outcome = 11));
REFUSES(swarm_complete, "outcome absurd", SWARM_E_INVALID,
        COMPLETE(w->open.id, .outcome = UINT32_MAX));
REFUSES(swarm_complete, "confidence above one", SWARM_E_INVALID,
        COMPLETE(w->open.id, .result = {.confidence_ppm = 1000001}));
REFUSES(swarm_complete, "reserved", SWARM_E_INVALID, COMPLETE(w->open.id, .reserved = 1));
REFUSES(swarm_complete, "a size without bytes", SWARM_E_INVALID,
        COMPLETE(w->open.id, .result = {.size = 1}));
GIVES(swarm_complete, "twice before the round", SWARM_E_DUPLICATE,
      (COMPLETE(w->open.id, .outcome = 0), COMPLETE(w->open.id, .outcome = 1)));
GIVES(swarm_complete, "extremes", SWARM_OK,
      COMPLETE(w->open.id, .until_ns = UINT64_MAX,
               .usage = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
               .result = {.value = UINT64_MAX,
                          .digest = UINT64_MAX,
                          .branch = UINT32_MAX,
                          .confidence_ppm = 1000000}));
GIVES(swarm_complete, "held for ever", SWARM_OK,
      COMPLETE(w->open.id, .outcome = SWARM_OUTCOME_REFUSED, .until_ns = SWARM_NEVER));

/* ---- drives */

static uint64_t clock_ns;

static uint64_t tick(void *context) {
    (void)context;
    return clock_ns += SECOND;
}

static int64_t drive_bad(struct world *w, swarm_drive_options options, bool virtual_time) {
    return virtual_time ? swarm_sim_drive(w->sw, &options) : swarm_drive(w->sw, &options);
}

#define DRIVE(...) drive_bad(w, (swarm_drive_options){__VA_ARGS__}, false)
#define SIMULATE(...) drive_bad(w, (swarm_drive_options){__VA_ARGS__}, true)

REFUSES(swarm_drive, "null swarm", SWARM_E_INVALID, swarm_drive(NULL, NULL));
REFUSES(swarm_drive, "unknown flag", SWARM_E_INVALID, DRIVE(.flags = 4));
REFUSES(swarm_drive, "workers_max workers", SWARM_E_INVALID, DRIVE(.workers = 2));
REFUSES(swarm_drive, "workers absurd", SWARM_E_INVALID, DRIVE(.workers = UINT32_MAX));
AWAY(swarm_drive, SWARM_E_BUSY, swarm_drive(w->sw, NULL));
REFUSES(swarm_sim_drive, "null swarm", SWARM_E_INVALID, swarm_sim_drive(NULL, NULL));
REFUSES(swarm_sim_drive, "unknown flag", SWARM_E_INVALID, SIMULATE(.flags = UINT32_MAX));
REFUSES(swarm_sim_drive, "workers_max workers", SWARM_E_INVALID, SIMULATE(.workers = 2));
REFUSES(swarm_sim_drive, "workers absurd", SWARM_E_INVALID, SIMULATE(.workers = UINT32_MAX));
REFUSES(swarm_sim_drive, "times of SWARM_ZERO", SWARM_E_TIMED_OUT,
        SIMULATE(.start_ns = SWARM_ZERO, .until_ns = SWARM_ZERO));
AWAY(swarm_sim_drive, SWARM_E_BUSY, swarm_sim_drive(w->sw, NULL));

TEST(drives_without_a_host) {
    static swarm_host host;
    const swarm_drive_options threads = {.workers = 1}, bounded = {.until_ns = 1};
    swarm *sw;

    host = counting;
    sw = bare_swarm(&host);
    CHECK_EQ(swarm_drive(sw, NULL), SWARM_E_UNSUPPORTED); /* no clock */
    CHECK_EQ(swarm_sim_drive(sw, &threads), SWARM_OK);    /* in turn, on this thread */
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    host.clock = tick;
    sw = bare_swarm(&host);
    CHECK_EQ(swarm_drive(sw, &threads), SWARM_E_UNSUPPORTED);
    CHECK_EQ(swarm_drive(sw, NULL), SWARM_OK); /* no run is open */
    CHECK(swarm_run_open(sw, NULL).id != 0);
    CHECK_EQ(swarm_drive(sw, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_sim_drive(sw, &bounded), SWARM_E_STALLED);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

/* A swarm with a mock, one agent, and a plan of three steps for it. */
static swarm *fleet_of_one(swarm_run *out_run) {
    static unsigned char memory[1 << 16];
    swarm *sw = bare_swarm(swarm_host_default());
    const swarm_profile_spec profile = {
        .name = "profile",
        .backend =
            swarm_backend_add(sw, swarm_mock_backend(swarm_mock_new(NULL, memory, sizeof memory)))};
    swarm_plan *plan;

    CHECK(swarm_agent_add(sw, swarm_profile_add(sw, &profile), 1).id != 0);
    *out_run = swarm_run_open(sw, NULL);
    plan = swarm_plan_open(sw, *out_run);
    for (int i = 0; i < 3; i++) {
        CHECK(swarm_step_add(plan, NULL).id != 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    return sw;
}

/* "Go on driving and call again": with steps that are ready and may not start, that must end. */
TEST(drained_swarms_are_driven_to_rest) {
    const swarm_drive_options instant = {.flags = SWARM_DRIVE_INSTANT};
    swarm_run run;
    swarm *sw = fleet_of_one(&run);
    swarm_run_report report;

    CHECK_EQ(swarm_sim_drive(sw, &instant), SWARM_E_AGAIN);
    CHECK_EQ(swarm_drain(sw), SWARM_E_AGAIN);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_drive(sw, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_run_report_get(sw, run, &report), SWARM_OK);
    CHECK_EQ(report.ok, 1);
    CHECK_EQ(report.attempts, 1);
    CHECK_EQ(swarm_run_check(sw, run, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_drain(sw), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

static swarm_outcome drives_inside(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_status *statuses = context;

    (void)out_value;
    statuses[0] = swarm_sim_drive(call->sw, NULL);
    statuses[1] = swarm_drive(call->sw, NULL);
    statuses[2] = swarm_free(call->sw);
    statuses[3] = swarm_drain(call->sw);
    return SWARM_OUTCOME_OK;
}

TEST(drives_inside_a_drive) {
    swarm_status statuses[4] = {77, 77, 77, 77};
    swarm *sw = bare_swarm(swarm_host_default());
    swarm_plan *plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));

    (void)swarm_call_add(plan, swarm_function_add(sw, "inside", drives_inside, statuses), 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(statuses[0], SWARM_E_BUSY);
    CHECK_EQ(statuses[1], SWARM_E_BUSY);
    CHECK_EQ(statuses[2], SWARM_E_BUSY); /* a worker is inside swarm_work */
    CHECK_EQ(statuses[3], SWARM_E_AGAIN);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

TEST(zero_times_of_a_drive) {
    const swarm_drive_options zero = {.start_ns = SWARM_ZERO, .until_ns = SWARM_ZERO};
    swarm_run run;
    swarm *sw = fleet_of_one(&run);
    swarm_stats stats;

    CHECK_EQ(swarm_sim_drive(sw, &zero), SWARM_E_TIMED_OUT);
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.now_ns, 0);
    CHECK_EQ(stats.inflight, 1);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    CHECK_EQ(stats.now_ns, 3 * SECOND);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

/* ---- reading events */

static int64_t next_event(const void *bytes, size_t size, swarm_log_cursor cursor) {
    const swarm_log_cursor before = cursor;
    swarm_event event, untouched;
    swarm_status status;

    memset(&event, 0x5a, sizeof event);
    untouched = event;
    status = swarm_event_next(bytes, size, &cursor, &event);
    CHECK(memcmp(&event, &untouched, sizeof event) == 0);
    CHECK(memcmp(&cursor, &before, sizeof cursor) == 0);
    return status;
}

#define CURSOR(...) ((swarm_log_cursor){__VA_ARGS__})

REFUSES(swarm_event_next, "null bytes", SWARM_E_INVALID, next_event(NULL, 1, CURSOR(0)));
REFUSES(swarm_event_next, "an empty log", SWARM_E_MISSING, next_event(NULL, 0, CURSOR(0)));
REFUSES(swarm_event_next, "null cursor", SWARM_E_INVALID,
        swarm_event_next("", 0, NULL, &(swarm_event){0}));
REFUSES(swarm_event_next, "null event", SWARM_E_INVALID, swarm_event_next("", 0, &CURSOR(0), NULL));
REFUSES(swarm_event_next, "no frame", SWARM_E_CORRUPT, next_event("garbage!", 8, CURSOR(0)));
REFUSES(swarm_event_next, "cut short", SWARM_E_AGAIN, next_event("SW", 2, CURSOR(0)));
REFUSES(swarm_event_next, "cursor behind the end", SWARM_E_INVALID,
        next_event("SWL1", 4, CURSOR(.offset = 5)));
REFUSES(swarm_event_next, "frame behind the end", SWARM_E_INVALID,
        next_event("SWL1", 4, CURSOR(.end = 5)));
REFUSES(swarm_event_next, "cursor absurd", SWARM_E_INVALID,
        next_event("SWL1", 4, CURSOR(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX)));

TEST(calls_that_are_wrong) {
    rows_run();
}

TEST_MAIN()
