/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - what threads share in src/base: atomics, pool, stack, mailbox.
 *
 * Each alone against an array, its races done by hand one step at a time, and then under threads:
 * every slot has one owner, every node comes out exactly once, and what it stands for is visible.
 * The payloads are plain data, so the thread sanitizer sees a missing release or acquire.
 */
#include "test.h"

#include "../src/base/mailbox.h"
#include "../src/base/pool.h"
#include "../src/base/stack.h"
#include "crew.h"

/* ---- atomic.h -------------------------------------------------------------------------------- */

TEST(atomic_operations_return_the_value_before) {
    atomic_u32 a;
    atomic_u64 b;
    uint32_t expected32 = 5;
    uint64_t expected64 = 1;

    ATOMIC_STORE(&a, 5, relaxed);
    CHECK_EQ(ATOMIC_ADD(&a, UINT32_MAX, acq_rel), 5); /* comes round, as unsigned numbers do */
    CHECK_EQ(ATOMIC_SUB(&a, 2, release), 4);
    CHECK_EQ(ATOMIC_OR(&a, 9, acquire), 2);
    CHECK_EQ(ATOMIC_AND(&a, 10, seq_cst), 11);
    CHECK_EQ(ATOMIC_EXCHANGE(&a, 7, acq_rel), 10);
    CHECK(!ATOMIC_CAS(&a, &expected32, 1, acq_rel, acquire));
    CHECK_EQ(expected32, 7); /* what it found */
    CHECK(ATOMIC_CAS(&a, &expected32, 8, acq_rel, acquire));
    CHECK_EQ(ATOMIC_LOAD(&a, seq_cst), 8);

    ATOMIC_STORE(&b, UINT64_MAX, seq_cst);
    CHECK_EQ(ATOMIC_ADD(&b, 3, relaxed), UINT64_MAX);
    CHECK_EQ(ATOMIC_SUB(&b, 1, relaxed), 2);
    CHECK_EQ(ATOMIC_OR(&b, (uint64_t)1 << 63, relaxed), 1);
    CHECK_EQ(ATOMIC_AND(&b, ~(uint64_t)1, relaxed), ((uint64_t)1 << 63) + 1);
    CHECK_EQ(ATOMIC_EXCHANGE(&b, 2, acquire), (uint64_t)1 << 63);
    CHECK(!ATOMIC_CAS_WEAK(&b, &expected64, 9, release, relaxed));
    CHECK_EQ(expected64, 2);
    while (!ATOMIC_CAS_WEAK(&b, &expected64, 9, seq_cst, seq_cst)) {
        CHECK_EQ(expected64, 2); /* the weak form may fail without cause */
    }
    CHECK_EQ(ATOMIC_LOAD(&b, acquire), 9);
    ATOMIC_FENCE(seq_cst);
    ATOMIC_PAUSE();
}

/* ---- pool.h, alone --------------------------------------------------------------------------- */

static void pool_against_model(uint32_t capacity) {
    atomic_u32 links[16];
    uint32_t returned[16], count = 0, fresh = 0, free_count = 77;
    bool taken[16] = {false};
    struct pool pool;

    memset(links, 0xAA, sizeof links); /* init is O(1): it must not rely on the links */
    pool_init(&pool, links, capacity);
    for (int step = 0; step < 4000 && !test_failed(); step++) {
        uint32_t slot = capacity != 0 ? (uint32_t)test_below(capacity) : 0;

        if (test_below(2) == 0) {
            uint32_t expected = NONE32;

            if (count != 0) { /* the last one returned, while there is one */
                expected = returned[--count];
            } else if (fresh < capacity) { /* else never-used ones, ascending */
                expected = fresh++;
            }
            CHECK_EQ(pool_pop(&pool), expected);
            if (expected != NONE32) {
                taken[expected] = true;
            }
        } else if (taken[slot]) {
            pool_push(&pool, slot);
            returned[count++] = slot;
            taken[slot] = false;
        }
        CHECK(pool_invariant(&pool, &free_count));
        CHECK_EQ(free_count, count + capacity - fresh);
    }
}

TEST(pool_agrees_with_an_array) {
    pool_against_model(0);
    pool_against_model(1);
    pool_against_model(2);
    pool_against_model(16);
}

TEST(pool_takes_a_chain_at_once) {
    atomic_u32 links[5];
    struct pool pool;

    pool_init(&pool, links, 5);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ(pool_pop(&pool), i);
    }
    CHECK_EQ(pool_pop(&pool), NONE32);
    pool_push(&pool, 4);
    pool_link(&pool, 2, 0);
    pool_link(&pool, 0, 3);
    pool_push_chain(&pool, 2, 3);
    CHECK_EQ(pool_pop(&pool), 2);
    CHECK_EQ(pool_pop(&pool), 0);
    CHECK_EQ(pool_pop(&pool), 3);
    CHECK_EQ(pool_pop(&pool), 4);
    CHECK_EQ(pool_pop(&pool), NONE32);
}

/* Mutant NOTAG. A pop sleeps between its reads and its CAS; meanwhile the same slot comes back to
 * the top with another one below it. Its CAS must fail: slot 1 has an owner. */
TEST(pool_sleeping_pop_must_not_succeed) {
    atomic_u32 links[2];
    struct pool pool;
    uint64_t head;
    uint32_t next;

    for (uint32_t tag = 0; tag < 2; tag++) { /* the second time the tag comes round meanwhile */
        pool_init(&pool, links, 2);
        (void)pool_pop(&pool);
        (void)pool_pop(&pool);
        pool_push(&pool, 1);
        pool_push(&pool, 0);
        ATOMIC_STORE(&pool.head, pool_word(0 - tag, 0), relaxed);
        head = ATOMIC_LOAD(&pool.head, acquire); /* the sleeper's pop begins: 0, and 1 behind it */
        next = ATOMIC_LOAD(&links[pool_word_index(head)], relaxed);
        CHECK_EQ(next, 1);
        CHECK_EQ(pool_pop(&pool), 0);
        CHECK_EQ(pool_pop(&pool), 1);
        pool_push(&pool, 0);
        CHECK_EQ(pool_word_index(ATOMIC_LOAD(&pool.head, relaxed)), pool_word_index(head));
        CHECK(!ATOMIC_CAS(&pool.head, &head, pool_word(pool_word_tag(head) + 1, next), acquire,
                          acquire));
        CHECK_EQ(pool_pop(&pool), 0);
        CHECK_EQ(pool_pop(&pool), NONE32);
    }
}

TEST(pool_invariant_sees_damage) {
    atomic_u32 links[4];
    struct pool pool;

    pool_init(&pool, links, 4);
    for (int i = 0; i < 3; i++) {
        (void)pool_pop(&pool);
    }
    pool_push(&pool, 0);
    pool_push(&pool, 1);
    CHECK(pool_invariant(&pool, NULL));
    ATOMIC_STORE(&links[0], 1, relaxed); /* a cycle */
    CHECK(!pool_invariant(&pool, NULL));
    ATOMIC_STORE(&links[0], 3, relaxed); /* a slot that was never given out */
    CHECK(!pool_invariant(&pool, NULL));
}

/* ---- pool.h, under threads ------------------------------------------------------------------- */

#define POOL_MAX 64
#define POOL_ROUNDS 20000

struct exchange {
    struct pool pool;
    atomic_u32 links[POOL_MAX];
    uint64_t owner[POOL_MAX]; /* plain: only the slot's owner may touch it */
    uint64_t uses[POOL_MAX];  /* plain: handed on with the slot */
    atomic_u32 successes;
};

static struct exchange exchange;

static uint32_t exchange_take(uint32_t member) {
    uint32_t slot = pool_pop(&exchange.pool);

    if (slot != NONE32) {
        CHECK_EQ(SHARED_READ(exchange.owner[slot]), UINT64_MAX);
        SHARED_WRITE(exchange.owner[slot], member);
        SHARED_WRITE(exchange.uses[slot], SHARED_READ(exchange.uses[slot]) + 1);
    }
    return slot;
}

static void exchange_leave(uint32_t member, uint32_t slot) {
    CHECK_EQ(SHARED_READ(exchange.owner[slot]), member);
    SHARED_WRITE(exchange.owner[slot], UINT64_MAX);
}

static void exchange_work(void *context, uint32_t member) {
    uint32_t successes = 0;

    (void)context;
    for (uint32_t round = 0; round < POOL_ROUNDS; round++) {
        uint32_t first = exchange_take(member), second = exchange_take(member);

        successes += (first != NONE32 ? 1u : 0u) + (second != NONE32 ? 1u : 0u);
        if (first != NONE32 && second != NONE32 && round % 2 == 0) {
            exchange_leave(member, first);
            exchange_leave(member, second);
            pool_link(&exchange.pool, first, second);
            pool_push_chain(&exchange.pool, first, second);
            continue;
        }
        if (first != NONE32) {
            exchange_leave(member, first);
            pool_push(&exchange.pool, first);
        }
        if (second != NONE32) {
            exchange_leave(member, second);
            pool_push(&exchange.pool, second);
        }
    }
    (void)ATOMIC_ADD(&exchange.successes, successes, relaxed);
}

TEST(pool_each_slot_has_one_owner) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    static const uint32_t capacities[] = {1, 2, 3, POOL_MAX};

    for (size_t c = 0; c < 4 && !test_failed(); c++) {
        uint32_t free_count = 0;
        uint64_t uses = 0;

        pool_init(&exchange.pool, exchange.links, capacities[c]);
        ATOMIC_STORE(&exchange.pool.head, pool_word(UINT32_MAX - 50, NONE32), relaxed);
        ATOMIC_STORE(&exchange.successes, 0, relaxed);
        for (size_t i = 0; i < POOL_MAX; i++) {
            exchange.owner[i] = UINT64_MAX;
            exchange.uses[i] = 0;
        }
        CHECK(crew_run(4, exchange_work, NULL));
        CHECK(pool_invariant(&exchange.pool, &free_count));
        CHECK_EQ(free_count, capacities[c]);
        for (size_t i = 0; i < POOL_MAX; i++) {
            uses += exchange.uses[i];
        }
        CHECK_EQ(uses, ATOMIC_LOAD(&exchange.successes, relaxed));
        CHECK(uses != 0);
    }
}

/* ---- stack.h --------------------------------------------------------------------------------- */

TEST(stack_gives_all_newest_first) {
    atomic_u32 links[6];
    struct stack stack;
    uint32_t node;

    stack_init(&stack, links, 6);
    CHECK(stack_looks_empty(&stack));
    CHECK_EQ(stack_take_all(&stack), NONE32);
    for (int round = 0; round < 3; round++) {
        stack_push(&stack, 4);
        stack_push(&stack, 1);
        stack_link(&stack, 5, 0);
        stack_link(&stack, 0, 3);
        stack_push_chain(&stack, 5, 3);
        CHECK(!stack_looks_empty(&stack));
        node = stack_take_all(&stack);
        CHECK(stack_looks_empty(&stack));
        CHECK_EQ(node, 5);
        stack_push(&stack, 2); /* pushes after the take are another chain */
        CHECK_EQ(node = stack_next(&stack, node), 0);
        CHECK_EQ(node = stack_next(&stack, node), 3);
        CHECK_EQ(node = stack_next(&stack, node), 1);
        CHECK_EQ(node = stack_next(&stack, node), 4);
        CHECK_EQ(stack_next(&stack, node), NONE32);
        CHECK_EQ(stack_take_all(&stack), 2);
        CHECK_EQ(stack_next(&stack, 2), NONE32);
    }
}

/* Nodes go round: members 0 and 1 push what they hold, 2 and 3 take all and hand each node back to
 * the pool of its pusher through a mark, so that nodes are pushed again and again. */
#define STACK_NODES 8 /* of each pusher */
#define STACK_ROUNDS 20000

struct carousel {
    struct stack stack;
    atomic_u32 links[2 * STACK_NODES];
    uint64_t payload[2 * STACK_NODES];   /* plain */
    atomic_u32 at_home[2 * STACK_NODES]; /* 1: its pusher may use it */
    atomic_u32 taken;
    atomic_u32 pushers;
};

static struct carousel carousel;

static void carousel_push(uint32_t member) {
    for (uint32_t round = 1; round <= STACK_ROUNDS; round++) {
        uint32_t node = member * STACK_NODES + round % STACK_NODES;

        while (ATOMIC_LOAD(&carousel.at_home[node], acquire) == 0) {
            sched_yield();
        }
        ATOMIC_STORE(&carousel.at_home[node], 0, relaxed);
        SHARED_WRITE(carousel.payload[node], (uint64_t)round * 2 + member);
        stack_push(&carousel.stack, node);
    }
    (void)ATOMIC_SUB(&carousel.pushers, 1, release);
}

static void carousel_take(void) {
    bool last;

    do {
        uint32_t node;

        last = ATOMIC_LOAD(&carousel.pushers, acquire) == 0;
        node = stack_take_all(&carousel.stack);
        if (node == NONE32) {
            sched_yield();
        }
        while (node != NONE32) {
            uint32_t next = stack_next(&carousel.stack, node);
            uint64_t payload = SHARED_READ(carousel.payload[node]);

            CHECK_EQ(payload % 2, node / STACK_NODES);
            CHECK_EQ(payload / 2 % STACK_NODES, node % STACK_NODES);
            SHARED_WRITE(carousel.payload[node], 0); /* a second taker would see it */
            (void)ATOMIC_ADD(&carousel.taken, 1, relaxed);
            ATOMIC_STORE(&carousel.at_home[node], 1, release);
            node = next;
        }
    } while (!last);
}

static void carousel_work(void *context, uint32_t member) {
    (void)context;
    if (member < 2) {
        carousel_push(member);
    } else {
        carousel_take();
    }
}

TEST(stack_loses_and_doubles_nothing) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    stack_init(&carousel.stack, carousel.links, 2 * STACK_NODES);
    for (size_t i = 0; i < 2 * STACK_NODES; i++) {
        ATOMIC_STORE(&carousel.at_home[i], 1, relaxed);
    }
    ATOMIC_STORE(&carousel.taken, 0, relaxed);
    ATOMIC_STORE(&carousel.pushers, 2, relaxed);
    CHECK(crew_run(4, carousel_work, NULL));
    CHECK_EQ(ATOMIC_LOAD(&carousel.taken, relaxed), 2 * STACK_ROUNDS);
    CHECK(stack_looks_empty(&carousel.stack));
}

/* ---- mailbox.h, alone ------------------------------------------------------------------------ */

TEST(mailbox_delivers_what_was_pushed) {
    atomic_u32 links[4];
    struct mailbox mailbox;
    bool inside[4] = {false};
    uint32_t count = 0;

    mailbox_init(&mailbox, links, 4);
    for (int step = 0; step < 20000 && !test_failed(); step++) {
        uint32_t node = (uint32_t)test_below(4);

        if (test_below(2) == 0 && !inside[node]) {
            mailbox_push(&mailbox, node);
            inside[node] = true;
            count++;
        } else if (test_below(2) == 0) {
            node = mailbox_take(&mailbox);
            CHECK_EQ(node == NONE32, count == 0);
            if (node != NONE32) {
                CHECK(inside[node]);
                inside[node] = false;
                count--;
            }
        }
        CHECK_EQ(mailbox_looks_empty(&mailbox), count == 0);
    }
}

TEST(mailbox_of_one_node) {
    atomic_u32 links[1];
    struct mailbox mailbox;

    mailbox_init(&mailbox, links, 1);
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(mailbox_take(&mailbox), NONE32);
        mailbox_push(&mailbox, 0);
        CHECK_EQ(mailbox_take(&mailbox), 0);
    }
}

/* Every choice of producers that stand between exchange and link: the consumer stops in front of
 * each, delivers none of them early, and goes on. */
TEST(mailbox_stops_at_a_gap_and_goes_on) {
    for (uint32_t gaps = 0; gaps < 16; gaps++) {
        atomic_u32 links[5];
        uint32_t behind[4], delivered = 0;
        struct mailbox mailbox;

        mailbox_init(&mailbox, links, 5);
        for (uint32_t node = 0; node < 4; node++) {
            behind[node] = mailbox_push_begin(&mailbox, node);
            if ((gaps >> node & 1) == 0) {
                mailbox_push_end(&mailbox, node, behind[node]);
            }
        }
        for (uint32_t node = 3; node < 4; node--) { /* newest first; below 0 it comes round */
            if ((gaps >> node & 1) != 0) {
                CHECK_EQ(mailbox_take(&mailbox), NONE32);
                CHECK_EQ(mailbox_take(&mailbox), NONE32);
                CHECK(!mailbox_looks_empty(&mailbox));
                mailbox_push_end(&mailbox, node, behind[node]);
            }
            if (node == 2) {
                mailbox_push(&mailbox, 4); /* must wait for the chain in hand */
            }
            CHECK_EQ(mailbox_take(&mailbox), node);
            delivered++;
        }
        CHECK_EQ(delivered, 4);
        CHECK_EQ(mailbox_take(&mailbox), 4);
        CHECK_EQ(mailbox_take(&mailbox), NONE32);
        CHECK(mailbox_looks_empty(&mailbox));
    }
}

/* ---- mailbox.h, under threads ---------------------------------------------------------------- */

#define POST_PRODUCERS 3
#define POST_ROUNDS 20000

struct post {
    struct mailbox mailbox;
    atomic_u32 links[POST_PRODUCERS * 2];
    uint64_t payload[POST_PRODUCERS * 2];   /* plain: the round */
    atomic_u32 at_home[POST_PRODUCERS * 2]; /* 1: its producer may use it */
    uint32_t nodes;                         /* of each producer: 1 or 2 */
};

static struct post post;

static void post_send(uint32_t producer) {
    for (uint32_t round = 0; round < POST_ROUNDS; round++) {
        uint32_t node = producer * post.nodes + round % post.nodes;

        while (ATOMIC_LOAD(&post.at_home[node], acquire) == 0) {
            sched_yield();
        }
        ATOMIC_STORE(&post.at_home[node], 0, relaxed);
        SHARED_WRITE(post.payload[node], round);
        mailbox_push(&post.mailbox, node);
    }
}

static void post_receive(void) {
    uint64_t next[POST_PRODUCERS * 2] = {0}; /* by node: the rounds of a node come in order */
    uint32_t left = POST_PRODUCERS * POST_ROUNDS;

    while (left != 0) {
        uint32_t node = mailbox_take(&post.mailbox);

        if (node == NONE32) {
            sched_yield();
            continue;
        }
        CHECK_EQ(SHARED_READ(post.payload[node]), next[node] * post.nodes + node % post.nodes);
        next[node]++;
        SHARED_WRITE(post.payload[node], UINT64_MAX);
        ATOMIC_STORE(&post.at_home[node], 1, release); /* from here on it may be pushed again */
        left--;
    }
}

static void post_work(void *context, uint32_t member) {
    (void)context;
    if (member == POST_PRODUCERS) {
        post_receive();
    } else {
        post_send(member);
    }
}

TEST(mailbox_loses_and_doubles_nothing) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (post.nodes = 1; post.nodes <= 2 && !test_failed(); post.nodes++) {
        mailbox_init(&post.mailbox, post.links, POST_PRODUCERS * post.nodes);
        for (size_t i = 0; i < POST_PRODUCERS * 2; i++) {
            ATOMIC_STORE(&post.at_home[i], 1, relaxed);
        }
        CHECK(crew_run(POST_PRODUCERS + 1, post_work, NULL));
        CHECK_EQ(mailbox_take(&post.mailbox), NONE32);
        CHECK(mailbox_looks_empty(&post.mailbox));
    }
}

TEST_MAIN()
