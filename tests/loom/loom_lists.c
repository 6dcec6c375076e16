/* SPDX-License-Identifier: MIT */
/*
 * loom_lists.c - the shared lists under the model of C11 memory: the stack that is taken whole, the
 * mailbox, the pool, and the space that static and growing runs share.
 *
 * A node's `payload` is plain: whoever owns the node writes it. So an order that is too weak is a
 * race, and a node with two owners is one too.
 */
#include "loom_atomic.h"

#include "../../src/base/mailbox.h"
#include "../../src/base/stack.h"
#include "../../src/graph/space.h"

#define NODES 8
#define OWNERS 4

static atomic_u32 links[NODES];
static uint32_t payload[NODES];
static uint32_t got[OWNERS][NODES];
static struct stack stack;
static struct mailbox mailbox;
static struct pool pool;
static struct space space;
static struct span spans[2];
static atomic_u32 left;

static void begin(void) {
    for (uint32_t i = 0; i < NODES; i++) {
        payload[i] = 0;
        ATOMIC_STORE(&links[i], 77, relaxed);
        for (uint32_t t = 0; t < OWNERS; t++) {
            got[t][i] = 0;
        }
    }
    ATOMIC_STORE(&left, 0, relaxed);
    loom_name(links, "links");
    loom_name(payload, "payload");
    loom_name(&left, "left");
}

static void keep(uint32_t thread, uint32_t node) {
    LOOM_CHECK(node < NODES);
    LOOM_CHECK(payload[node] == node + 100);
    payload[node] = 0; /* it is ours */
    got[thread][node]++;
}

static void each_once(uint32_t nodes) {
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t count = 0;

        for (uint32_t t = 0; t < OWNERS; t++) {
            count += got[t][i];
        }
        LOOM_CHECK(count == 1);
    }
}

/* ---- stack */

static void stack_begin(void) {
    begin();
    stack_init(&stack, links, NODES);
    loom_name(&stack.head, "head");
}

static void stack_put(uint32_t node) {
    payload[node] = node + 100;
    stack_push(&stack, node);
}

static void stack_keep_all(uint32_t thread) {
    for (uint32_t node = stack_take_all(&stack); node != NONE32;) {
        uint32_t next = stack_next(&stack, node);

        keep(thread, node);
        node = next;
    }
}

static void stack_run(uint32_t thread) {
    if (thread == 0) { /* a chain */
        payload[0] = 100;
        payload[1] = 101;
        stack_link(&stack, 0, 1);
        stack_push_chain(&stack, 0, 1);
    } else if (thread == 1) {
        stack_put(2);
        stack_put(3);
    } else {
        stack_keep_all(thread);
    }
}

static void stack_check(void) {
    stack_keep_all(0);
    LOOM_CHECK(stack_looks_empty(&stack));
    each_once(4);
}

/* What one taker takes it puts back: nodes come again at the same place. */
static void stack_again(uint32_t thread) {
    if (thread == 0) {
        stack_put(0);
        stack_put(1);
    } else {
        uint32_t node = stack_take_all(&stack);

        while (node != NONE32) {
            uint32_t next = stack_next(&stack, node);

            LOOM_CHECK(payload[node] == node + 100);
            stack_put(node);
            node = next;
        }
    }
}

static void stack_again_check(void) {
    stack_keep_all(0);
    each_once(2);
}

/* ---- mailbox */

static void mailbox_begin(void) {
    begin();
    mailbox_init(&mailbox, links, NODES);
    loom_name(&mailbox.head, "head");
    loom_name(&mailbox.cursor, "cursor");
}

static void mailbox_put(uint32_t node) {
    payload[node] = node + 100;
    mailbox_push(&mailbox, node);
}

/* The consumer takes until it has all: a node that is lost lets it pause for ever. A node that was
 * delivered belongs to it: it goes through the mailbox once more. */
static void mailbox_run(uint32_t thread) {
    if (thread != 0) {
        for (uint32_t i = 0; i < loom_size(); i++) {
            mailbox_put((thread - 1) * loom_size() + i);
        }
        return;
    }
    for (uint32_t taken = 0; taken < 2 * loom_size();) {
        uint32_t node = mailbox_take(&mailbox);

        if (node == NONE32) {
            ATOMIC_PAUSE();
        } else {
            keep(0, node);
            taken++;
        }
    }
}

static void mailbox_check(void) {
    LOOM_CHECK(mailbox_looks_empty(&mailbox));
    LOOM_CHECK(mailbox_take(&mailbox) == NONE32);
    each_once(2 * loom_size());
}

/* Nodes come again: the second round's push of a node comes after the first round's last touch. */
static void mailbox_again(uint32_t thread) {
    if (thread != 0) {
        mailbox_put(thread);
        return;
    }
    for (uint32_t taken = 0; taken < 4;) {
        uint32_t node = mailbox_take(&mailbox);

        if (node == NONE32) {
            ATOMIC_PAUSE();
        } else {
            LOOM_CHECK(payload[node] == node + 100);
            if (got[0][node]++ == 0) {
                mailbox_put(node);
            }
            taken++;
        }
    }
}

static void mailbox_again_check(void) {
    LOOM_CHECK(got[0][1] == 2 && got[0][2] == 2);
    LOOM_CHECK(mailbox_looks_empty(&mailbox));
}

/* What a producer does between its two steps comes before the node's next use. */
static void mailbox_between(uint32_t thread) {
    if (thread != 0) {
        uint32_t behind;

        behind = mailbox_push_begin(&mailbox, thread);
        payload[thread] = thread + 100;
        mailbox_push_end(&mailbox, thread, behind);
        return;
    }
    for (uint32_t taken = 0; taken < 2;) {
        uint32_t node = mailbox_take(&mailbox);

        if (node == NONE32) {
            ATOMIC_PAUSE();
        } else {
            keep(0, node);
            taken++;
        }
    }
}

/* The hint: with nothing pushed and nothing at hand, and never while the consumer is at a gap. */
static void mailbox_hint(uint32_t thread) {
    if (thread == 0) {
        (void)mailbox_push_begin(&mailbox, 0);
        ATOMIC_STORE(&left, 1, release);
    } else {
        LOOM_CHECK(mailbox_take(&mailbox) == NONE32);
        if (ATOMIC_LOAD(&left, acquire) == 1) {
            LOOM_CHECK(!mailbox_looks_empty(&mailbox));
        }
    }
}

/* ---- pool: a slot's payload belongs to who popped it */

static void pool_begin(void) {
    begin();
    pool_init(&pool, links, loom_size());
    loom_name(&pool.head, "head");
    loom_name(&pool.fresh, "fresh");
}

static uint32_t pool_get(uint32_t thread) {
    uint32_t slot = pool_pop(&pool);

    if (slot != NONE32) {
        LOOM_CHECK(slot < loom_size());
        LOOM_CHECK(payload[slot] == 0);
        payload[slot] = thread + 1;
    }
    return slot;
}

static void pool_give(uint32_t thread, uint32_t slot) {
    if (slot != NONE32) {
        LOOM_CHECK(payload[slot] == thread + 1);
        payload[slot] = 0;
        pool_push(&pool, slot);
    }
}

static void pool_check(void) {
    uint32_t count = 0;

    LOOM_CHECK(pool_invariant(&pool, &count));
    LOOM_CHECK(count == loom_size());
}

static void pool_used(void) {
    pool_begin();
    for (uint32_t i = 0; i < loom_size(); i++) { /* all have been out once */
        (void)pool_pop_fresh(&pool);
    }
    for (uint32_t i = loom_size(); i-- != 0;) {
        pool_push(&pool, i);
    }
}

/* One pop against pop, pop, push, pop: the shape in which a head without a tag comes back. */
static void pool_aba(uint32_t thread) {
    if (thread == 0) {
        uint32_t slot = pool_get(0);

        pool_give(0, pool_get(0));
        pool_give(0, slot);
    } else {
        uint32_t first = pool_get(1), second = pool_get(1);

        pool_give(1, first);
        first = pool_get(1);
        pool_give(1, first);
        pool_give(1, second);
    }
}

static void pool_three(uint32_t thread) {
    for (uint32_t i = 0; i < 2; i++) {
        pool_give(thread, pool_get(thread));
    }
}

/* Chains; and a pool of two is enough for two threads that hold one each. */
static void pool_chain(uint32_t thread) {
    uint32_t first = pool_get(thread);

    LOOM_CHECK(first != NONE32);
    if (thread == 0) {
        uint32_t second = pool_get(thread);

        LOOM_CHECK(second != NONE32);
        payload[first] = payload[second] = 0;
        pool_link(&pool, first, second);
        pool_push_chain(&pool, first, second);
    } else {
        pool_give(thread, first);
    }
}

/* Fresh slots: each once, and not more than there are. */
static void pool_fresh(uint32_t thread) {
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t slot = pool_get(thread);

        if (slot != NONE32) {
            got[thread][slot]++;
            (void)ATOMIC_ADD(&left, 1, relaxed);
        }
    }
}

static void pool_fresh_check(void) {
    LOOM_CHECK(ATOMIC_LOAD(&left, relaxed) == loom_size());
    each_once(loom_size());
}

/* ---- space */

static void space_begin(void) {
    begin();
    space_init(&space, links, loom_size(), spans, 2);
    space.stock_max = loom_size() == 5 ? 1 : 2;
    loom_name(&space.pool.head, "head");
    loom_name(&space.bounds, "bounds");
}

static uint32_t space_get(uint32_t thread, struct stock *stock) {
    bool fresh;
    uint32_t asked = stock->first == NONE32 ? stock->batch : stock->count + 1;
    uint32_t cell = space_take(&space, stock, &fresh);

    LOOM_CHECK(stock->count < asked || cell == NONE32 || fresh); /* no more than was asked for */
    LOOM_CHECK(fresh || cell == NONE32 || stock->batch == space.stock_max);
    if (cell != NONE32) {
        LOOM_CHECK(cell < loom_size());
        LOOM_CHECK(payload[cell] == 0);
        payload[cell] = thread + 1;
    }
    return cell;
}

/* Takes by the handful and gives back by the handful. */
static void space_run(uint32_t thread) {
    struct stock taken, given;
    uint32_t cells[3];

    stock_init(&taken);
    stock_init(&given);
    for (uint32_t i = 0; i < 3; i++) {
        cells[i] = space_get(thread, &taken);
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (cells[i] != NONE32) {
            payload[cells[i]] = 0;
            space_drop(&space, &given, cells[i]);
            LOOM_CHECK(given.count <= 2 * space.stock_max); /* nobody hoards */
        }
    }
    space_return(&space, &given);
    space_return(&space, &taken);
}

/* One refill against take, take, give, take: the head comes back, with another tag. */
static void space_aba(uint32_t thread) {
    struct stock one, two, three;
    uint32_t first, second;

    stock_init(&one);
    stock_init(&two);
    stock_init(&three);
    first = space_get(thread, &one);
    if (thread == 1) {
        second = space_get(thread, &two);
        if (first != NONE32) {
            payload[first] = 0;
            space_give(&space, first);
        }
        first = space_get(thread, &three);
        if (second != NONE32) {
            payload[second] = 0;
            space_give(&space, second);
        }
    }
    if (first != NONE32) {
        payload[first] = 0;
        space_give(&space, first);
    }
}

static void space_check(void) {
    struct stock stock;
    uint32_t count = 0;

    LOOM_CHECK(space_invariant(&space));
    stock_init(&stock);
    while (count <= NODES && space_get(count % 2, &stock) != NONE32) {
        count++;
    }
    LOOM_CHECK(count == loom_size()); /* all of them can be taken, each once */
}

static void space_used(void) {
    struct stock stock;

    space_begin();
    stock_init(&stock);
    for (uint32_t i = 0; i < loom_size(); i++) {
        space_drop(&space, &stock, space_take_fresh(&space));
    }
    space_return(&space, &stock);
}

/* The turn claims, fills and gives back a span while another thread takes single cells: the two
 * never cross, and what the turn wrote in a cell is seen by its next owner. */
static void space_claim_run(uint32_t thread) {
    struct stock stock;

    if (thread == 0) {
        struct claim claim;
        uint32_t cells[3], count = 0;

        space_claim(&space, &claim);
        for (uint32_t i = 0; i < 3; i++) {
            cells[count] = space_claim_take(&space, &claim);
            if (cells[count] != NONE32) {
                LOOM_CHECK(payload[cells[count]] == 0);
                payload[cells[count++]] = 100;
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            payload[cells[i]] = 0;
        }
        space_claim_drop(&space, &claim);
        return;
    }
    stock_init(&stock);
    for (uint32_t i = 0; i < 3; i++) {
        (void)space_get(thread, &stock);
    }
}

static void space_claim_check(void) {
    LOOM_CHECK(space_invariant(&space));
    LOOM_CHECK(space_low(ATOMIC_LOAD(&space.bounds, relaxed)) == 0);
}

/* The same with a span that is kept and then freed. */
static void space_span_run(uint32_t thread) {
    if (thread == 0) {
        struct claim claim;
        uint32_t cell;

        space_claim(&space, &claim);
        cell = space_claim_take(&space, &claim);
        if (cell == NONE32) {
            space_claim_drop(&space, &claim);
            return;
        }
        LOOM_CHECK(payload[cell] == 0);
        payload[cell] = 100;
        space_claim_keep(&space, &claim, 1);
        LOOM_CHECK(spans[1].first == cell && spans[1].count == 1);
        payload[cell] = 0;
        space_span_free(&space, 1);
        return;
    }
    space_claim_run(thread);
}

#define CLIENT(named, begins, runs, checks, count, parameter)                                      \
    .name = named, .setup = begins, .run = runs, .check = checks, .threads = count,                \
    .size = parameter

static const struct loom_client clients[] = {
    {CLIENT("stack", stack_begin, stack_run, stack_check, 4, 0), .preemptions = 2, .first = 400000,
     .random = 300000},
    {CLIENT("stack_two", stack_begin, stack_run, stack_check, 3, 0), .preemptions = 3,
     .random = 100000},
    {CLIENT("stack_again", stack_begin, stack_again, stack_again_check, 3, 0), .preemptions = 2,
     .first = 400000, .random = 300000},
    {CLIENT("mailbox", mailbox_begin, mailbox_run, mailbox_check, 3, 2), .preemptions = 2,
     .first = 400000, .random = 300000},
    {CLIENT("mailbox_one", mailbox_begin, mailbox_run, mailbox_check, 3, 1), .preemptions = 3,
     .first = 400000, .random = 100000},
    {CLIENT("mailbox_again", mailbox_begin, mailbox_again, mailbox_again_check, 3, 0),
     .preemptions = 2, .first = 400000, .random = 300000},
    {CLIENT("mailbox_between", mailbox_begin, mailbox_between, NULL, 3, 0), .preemptions = 3,
     .first = 400000, .random = 100000},
    {CLIENT("mailbox_hint", mailbox_begin, mailbox_hint, NULL, 2, 0), .preemptions = 3},
    {CLIENT("pool_aba", pool_used, pool_aba, pool_check, 2, 2), .preemptions = 3, .first = 400000,
     .random = 300000},
    {CLIENT("pool_aba_three", pool_used, pool_aba, pool_check, 2, 3), .preemptions = 3,
     .first = 400000, .random = 300000},
    {CLIENT("pool_three", pool_used, pool_three, pool_check, 3, 3), .preemptions = 2,
     .first = 400000, .random = 300000},
    {CLIENT("pool_scarce", pool_used, pool_three, pool_check, 3, 1), .preemptions = 2,
     .first = 400000, .random = 100000},
    {CLIENT("pool_chain", pool_used, pool_chain, pool_check, 2, 3), .preemptions = 3,
     .first = 400000, .random = 100000},
    {CLIENT("pool_fresh", pool_begin, pool_fresh, pool_fresh_check, 3, 3), .preemptions = 3,
     .first = 400000, .random = 50000},
    {CLIENT("pool_begin", pool_begin, pool_three, pool_check, 2, 2), .preemptions = 3,
     .first = 400000, .random = 100000},
    {CLIENT("space", space_used, space_run, space_check, 2, 4), .preemptions = 2, .first = 400000,
     .random = 300000},
    {CLIENT("space_aba", space_used, space_aba, space_check, 2, 3), .preemptions = 3,
     .first = 400000, .random = 300000},
    {CLIENT("space_fresh", space_begin, space_run, space_check, 2, 5), .preemptions = 2,
     .first = 400000, .random = 200000},
    {CLIENT("space_claim", space_begin, space_claim_run, space_claim_check, 2, 4), .preemptions = 3,
     .first = 400000, .random = 200000},
    {CLIENT("space_claim_two", space_begin, space_claim_run, space_claim_check, 3, 6),
     .preemptions = 2, .first = 400000, .random = 200000},
    {CLIENT("space_span", space_begin, space_span_run, space_claim_check, 2, 3), .preemptions = 3,
     .first = 400000, .random = 200000},
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
