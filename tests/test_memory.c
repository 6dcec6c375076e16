/* SPDX-License-Identifier: MIT */
/*
 * test_memory.c - one block: as large as promised, taken once, from anywhere, given back once; and
 * nothing else is ever allocated.
 *
 * Where the C library is glibc and no sanitizer has taken its place, malloc and its relatives are
 * counted too, whoever calls them.
 */
#include "test.h"

#include "../backends/mock/swarm_mock.h"

#define SECOND UINT64_C(1000000000)
#define FLEET 300u
#define STEPS 4000u
#define GUARD 64 /* bytes on both sides of a block that nobody may touch */

/* ---- allocations of the process */

static uint64_t allocations;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&       \
    !defined(__clang__)
#define COUNTS_ALL 1

/* In their place: a heap that only grows, each block behind its size. */
static unsigned char heap[256u << 20];
static size_t heap_used;

void *malloc(size_t size) {
    unsigned char *block =
        heap + heap_used + GUARD - (size_t)((uintptr_t)(heap + heap_used) % GUARD);

    allocations++;
    if (size > (size_t)(heap + sizeof heap - block) - GUARD) {
        return NULL;
    }
    block += GUARD;
    memcpy(block - sizeof size, &size, sizeof size);
    heap_used = (size_t)(block - heap) + size;
    return block;
}

void free(void *block) {
    (void)block;
}

void *calloc(size_t count, size_t size) {
    return malloc(count * size); /* never used before: zero */
}

void *realloc(void *block, size_t size) {
    void *larger = malloc(size);
    size_t old = 0;

    if (block != NULL && larger != NULL) {
        memcpy(&old, (unsigned char *)block - sizeof old, sizeof old);
        memcpy(larger, block, old < size ? old : size);
    }
    return larger;
}

void *aligned_alloc(size_t align, size_t size) {
    CHECK(align <= GUARD);
    return malloc(size);
}
#else
#define COUNTS_ALL 0
#endif

/* ---- a host that counts, and one that gives odd addresses */

struct counts {
    uint32_t taken, given;
    size_t size, offset; /* of the block; its distance from a multiple of 64 */
    unsigned char *block, *raw;
    bool refuses;
};

static void *count_allocate(void *context, size_t size, size_t align) {
    struct counts *counts = context;

    CHECK(align >= sizeof(void *) && (align & (align - 1)) == 0);
    if (counts->refuses) {
        return NULL;
    }
    counts->taken++;
    counts->size = size;
    counts->raw = malloc(size + 2 * GUARD + 64);
    memset(counts->raw, 0xa5, size + 2 * GUARD + 64);
    counts->block = counts->raw + GUARD;
    counts->block += (64 - (uintptr_t)counts->block % 64) % 64 + counts->offset;
    return counts->block;
}

static void count_release(void *context, void *block, size_t size) {
    struct counts *counts = context;

    CHECK(block == counts->block);
    CHECK_EQ(size, counts->size);
    counts->given++;
    for (size_t i = 0; i < GUARD - 63; i++) {
        CHECK_EQ(counts->block[size + i], 0xa5);
    }
    for (unsigned char *at = counts->raw; at < counts->block; at++) {
        CHECK_EQ(*at, 0xa5);
    }
    free(counts->raw);
}

static swarm_host host_of(struct counts *counts) {
    const swarm_host host = {.size = sizeof host,
                             .context = counts,
                             .allocate = count_allocate,
                             .release = count_release};

    return host;
}

static swarm_config config_with(const swarm_host *host) {
    swarm_config config = {.size = sizeof config, .version = SWARM_VERSION, .host = host};

    return config;
}

/* ---- what things cost */

/* A size with everything fixed but steps and their three edges. */
static size_t size_with(uint32_t steps, uint32_t flags) {
    swarm_config config = config_with(NULL);
    size_t bytes = 0;

    config.flags = flags;
    config.steps_max = steps;
    config.edges_max = 3 * steps;
    config.tracked_max = config.delays_max = config.inputs_max = 1024;
    config.scopes_max = 64;
    CHECK_EQ(swarm_memory_size(&config, &bytes), SWARM_OK);
    return bytes;
}

TEST(bytes_of_a_step) {
    const uint32_t few = 1000000, many = 11000000, more = many - few;
    size_t sealed = size_with(many, SWARM_CONFIG_STATIC) - size_with(few, SWARM_CONFIG_STATIC);
    size_t growing = size_with(many, 0) - size_with(few, 0);

    printf("# a step with three edges: %zu.%02zu bytes static, %zu.%02zu growing\n", sealed / more,
           sealed % more * 100 / more, growing / more, growing % more * 100 / more);
    CHECK(sealed <= (size_t)64 * more);
    CHECK(growing <= (size_t)96 * more);
    /* What the header says at SWARM_CONFIG_STATIC: 40 or 56, and 8 an edge. */
    CHECK_EQ(sealed / more, 40 + 3 * 8);
    CHECK_EQ(growing / more, 56 + 3 * 8);
}

TEST(default_size) {
    swarm_config config = config_with(NULL);
    size_t bytes = 0;

    CHECK_EQ(swarm_memory_size(&config, &bytes), SWARM_OK);
    printf("# default configuration: %zu bytes\n", bytes);
    CHECK(bytes <= (size_t)8 << 20);
}

/* More of anything never takes less memory, and each limit is paid for. */
TEST(sizes_grow) {
    static const size_t fields[] = {
        offsetof(swarm_config, workers_max),   offsetof(swarm_config, runs_max),
        offsetof(swarm_config, steps_max),     offsetof(swarm_config, edges_max),
        offsetof(swarm_config, tracked_max),   offsetof(swarm_config, delays_max),
        offsetof(swarm_config, inputs_max),    offsetof(swarm_config, agents_max),
        offsetof(swarm_config, profiles_max),  offsetof(swarm_config, permits_max),
        offsetof(swarm_config, demands_max),   offsetof(swarm_config, backends_max),
        offsetof(swarm_config, functions_max), offsetof(swarm_config, inflight_max),
        offsetof(swarm_config, scopes_max),    offsetof(swarm_config, plans_max),
        offsetof(swarm_config, ranges_max),    offsetof(swarm_config, deque_size),
        offsetof(swarm_config, commands_max)};
    swarm_config one = config_with(NULL);
    const uint32_t small = 16, large = 256;
    size_t before = 0, after = 0;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        memcpy((char *)&one + fields[i], &small, sizeof small);
    }
    CHECK_EQ(swarm_memory_size(&one, &before), SWARM_OK);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        swarm_config more = one;

        memcpy((char *)&more + fields[i], &large, sizeof large);
        CHECK_EQ(swarm_memory_size(&more, &after), SWARM_OK);
        CHECK(after >= before + (large - small) * 4);
        if (after < before + (large - small) * 4) {
            printf("# field at offset %zu: %zu, then %zu\n", fields[i], before, after);
        }
    }
}

/* ---- a fleet at work: 4,000 steps of 300 agents, some of which fail, and call steps between */

static swarm_outcome halve(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument / 2;
    return SWARM_OUTCOME_OK;
}

static uint64_t fleet(swarm *sw) {
    static unsigned char mock_memory[1u << 20];
    static const swarm_mock_model model = {
        .kind = SWARM_MOCK_EXPONENTIAL, .failure_ppm = 20000, .late_ppm = 10000, .stall_ppm = 5000};
    const swarm_mock_spec spec = {.size = sizeof spec, .models = &model, .models_count = 1};
    static swarm_step before[FLEET];
    swarm_run_report report = {0};
    swarm_plan *plan;
    swarm_run run;

    memset(before, 0, sizeof before);
    const swarm_profile_spec profile = {
        .name = "profile",
        .backend = swarm_backend_add(
            sw, swarm_mock_backend(swarm_mock_new(&spec, mock_memory, sizeof mock_memory)))};
    swarm_function function = swarm_function_add(sw, "halve", halve, NULL);

    CHECK(swarm_agent_add(sw, swarm_profile_add(sw, &profile), FLEET).id != 0);
    run = swarm_run_open(sw, NULL);
    plan = swarm_plan_open(sw, run);
    for (uint32_t i = 0; i < STEPS; i++) {
        const swarm_step_spec step = {.argument = i,
                                      .run_timeout_ns = 20 * SECOND,
                                      .retry = {.attempts_max = 20, .jitter_ppm = 500000}};
        swarm_step added =
            i % 10 == 9 ? swarm_call_add(plan, function, i) : swarm_step_add(plan, &step);

        CHECK(i < FLEET || swarm_edge_add(plan, before[i % FLEET], added, 0) == SWARM_OK);
        before[i % FLEET] = added;
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(sw, run, &report), SWARM_OK);
    CHECK_EQ(report.ok, STEPS);
    CHECK(report.retries > 10);
    return report.hash[0] ^ report.hash[1];
}

TEST(one_allocation) {
    struct counts counts = {0};
    const swarm_host host = host_of(&counts);
    swarm_config config = config_with(&host);
    uint64_t before;
    size_t bytes = 0;
    swarm *sw = NULL;

    CHECK_EQ(swarm_memory_size(&config, &bytes), SWARM_OK);
    CHECK_EQ(counts.taken, 0);
    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    CHECK_EQ(counts.taken, 1);
    CHECK_EQ(counts.size, bytes);
    before = allocations;
    CHECK(fleet(sw) != 0);
    CHECK_EQ(allocations, before);
    CHECK_EQ(counts.taken, 1);
    CHECK_EQ(counts.given, 0);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(counts.given, 1);
    CHECK(COUNTS_ALL == 0 || before > 0);
}

TEST(the_default_host_allocates_once) {
    swarm_config config = config_with(swarm_host_default());
    uint64_t before = allocations;
    swarm *sw = NULL;

    if (COUNTS_ALL == 0 || config.host == NULL) {
        SKIP("malloc is not ours here");
    }
    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    CHECK(allocations <= before + 1);
    CHECK(fleet(sw) != 0);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK(allocations <= before + 1);
}

TEST(no_memory) {
    struct counts counts = {.refuses = true};
    swarm_host host = host_of(&counts);
    swarm_config config = config_with(&host);
    swarm *sw = NULL;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL);
    CHECK(sw == NULL);
    CHECK_EQ(counts.given, 0);
    host.allocate = NULL;
    CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL);
    config.host = NULL;
    CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL);
    CHECK(sw == NULL);
}

/* ---- the caller's block */

TEST(a_byte_too_little) {
    struct counts counts = {0};
    const swarm_host host = host_of(&counts);
    swarm_config config = config_with(&host);
    size_t bytes = 0;
    swarm *sw = NULL;

    CHECK_EQ(swarm_memory_size(&config, &bytes), SWARM_OK);
    config.memory = malloc(bytes);
    memset(config.memory, 0x5a, bytes);
    for (size_t less = 1; less < bytes; less *= 3) {
        config.memory_size = bytes - less;
        CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL);
    }
    config.memory_size = 0;
    CHECK_EQ(swarm_new(&config, &sw), SWARM_E_FULL);
    CHECK(sw == NULL);
    for (size_t i = 0; i < bytes; i += 97) {
        CHECK_EQ(((unsigned char *)config.memory)[i], 0x5a);
    }
    config.memory_size = bytes;
    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(counts.taken + counts.given, 0); /* the block was the caller's */
    free(config.memory);
}

/* Any address, any old contents, the block used again and again: the same decisions. */
TEST(any_address_and_contents) {
    swarm_config config = config_with(NULL);
    uint64_t hash = 0;
    size_t bytes = 0;
    unsigned char *raw;

    CHECK_EQ(swarm_memory_size(&config, &bytes), SWARM_OK);
    raw = malloc(bytes + 2 * GUARD);
    config.memory_size = bytes;
    memset(raw, 0, bytes + 2 * GUARD);
    for (uint32_t offset = 0; offset < GUARD; offset += offset == 0 ? 1 : 21) {
        uint64_t found;
        swarm *sw = NULL;

        memset(raw, (int)(0xa5 ^ offset), offset % 2 == 0 ? 0 : bytes + 2 * GUARD);
        memset(raw, 0xee, offset);
        memset(raw + offset + bytes, 0xee, GUARD);
        config.memory = raw + offset;
        CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
        found = fleet(sw);
        CHECK(hash == 0 || found == hash);
        hash = found;
        CHECK_EQ(swarm_free(sw), SWARM_OK);
        for (uint32_t i = 0; i < GUARD; i++) {
            CHECK(i >= offset || raw[i] == 0xee);
            CHECK_EQ(raw[offset + bytes + i], 0xee);
        }
    }
    free(raw);
}

/* The host's allocator may ignore the alignment that it was asked for. */
TEST(a_host_that_does_not_align) {
    struct counts counts = {.offset = 8};
    const swarm_host host = host_of(&counts);
    swarm_config config = config_with(&host);
    swarm *sw = NULL;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    CHECK(fleet(sw) != 0);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(counts.given, 1);
}

/* Several swarms in one process know nothing of each other. */
TEST(two_swarms) {
    struct counts counts[2] = {{0}, {0}};
    const swarm_host hosts[2] = {host_of(&counts[0]), host_of(&counts[1])};
    swarm_config first = config_with(&hosts[0]), second = config_with(&hosts[1]);
    swarm *a = NULL, *b = NULL;
    uint64_t hash;

    CHECK_EQ(swarm_new(&first, &a), SWARM_OK);
    hash = fleet(a);
    CHECK_EQ(swarm_new(&second, &b), SWARM_OK);
    CHECK_EQ(fleet(b), hash);
    CHECK_EQ(swarm_free(a), SWARM_OK);
    CHECK_EQ(swarm_free(b), SWARM_OK);
    CHECK_EQ(counts[0].given + counts[1].given, 2);
}

/* ---- freeing in the middle of work */

TEST(free_with_attempts_in_flight) {
    const swarm_backend table = {.size = sizeof table, .name = "backend"};
    struct counts counts = {0};
    const swarm_host host = host_of(&counts);
    swarm_config config = config_with(&host);
    swarm_completion completion = {.result = {.bytes = "lent", .size = 4}};
    swarm_request requests[8];
    swarm_plan *plan;
    swarm *sw = NULL;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    const swarm_profile_spec profile = {
        .name = "profile", .backend = swarm_backend_add(sw, &table), .inflight_max = 2};
    CHECK(swarm_agent_add(sw, swarm_profile_add(sw, &profile), 1).id != 0);
    plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
    for (int i = 0; i < 4; i++) {
        CHECK(swarm_step_add(plan, NULL).id != 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_advance(sw, 1, NULL), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_E_BUSY); /* decided, although nobody has taken the START */
    unsigned char bytes[4096];
    CHECK(swarm_log_read(sw, bytes, sizeof bytes, NULL) != 0);
    CHECK_EQ(swarm_log_acknowledge(sw), SWARM_OK);
    CHECK_EQ(swarm_take(sw, requests, 8), 2);
    CHECK_EQ(swarm_free(sw), SWARM_E_BUSY);
    CHECK_EQ(swarm_drain(sw), SWARM_E_AGAIN);
    for (int i = 0; i < 2; i++) {
        completion.attempt = requests[i].attempt;
        CHECK_EQ(swarm_complete(sw, &completion), SWARM_OK);
        CHECK_EQ(swarm_free(sw), SWARM_E_BUSY);
        CHECK_EQ(swarm_advance(sw, 2, NULL), SWARM_OK);
        CHECK_EQ(swarm_drain(sw), i == 0 ? SWARM_E_AGAIN : SWARM_OK);
    }
    CHECK_EQ(counts.given, 0);
    CHECK_EQ(swarm_take(sw, requests, 8), 0); /* the two that wait are not started any more */
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    CHECK_EQ(counts.given, 1);
}

TEST_MAIN()
