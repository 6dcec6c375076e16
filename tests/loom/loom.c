/* SPDX-License-Identifier: MIT */
/*
 * loom.c - one execution: fibres, and a view-based model of C11 memory.
 *
 * Each location has its whole history of messages. A *view* says, for each location, the oldest
 * message that may still be read, and for each thread how much of it has happened before. A thread
 * has three: what it sees (now), what it would see after an acquire fence (acquired), and what its
 * relaxed stores pass on since its last release fence (released). A message carries a view.
 *
 *     load      any message not older than now; its view joins acquired, and now if it acquires
 *     store     a new message with the view now if it releases, else `released`
 *     change    reads the newest message and passes its view on: a release sequence
 *     CAS       as a change if it succeeds, else as a load of another value; weak: also for nothing
 *     fences    acquire: now joins acquired; release: released = now; seq_cst: both, and now joins
 *               what the last seq_cst fence knew and what any seq_cst access wrote
 *     seq_cst   accesses see no older message of their location than those; they are no fences
 *
 * After Kang, Hur, Lahav, Vafeiadis, Dreyer, "A Promising Semantics for Relaxed-Memory Concurrency"
 * (POPL 2017), without promises, and Lahav et al. (PLDI 2017) for seq_cst.
 *
 * The model is stronger than C11 in two ways: stores come into the order of their execution, and no
 * load sees a store that executes later. So two known mistakes in the deque stay green here (the
 * CAS of top relaxed; a seq_cst load of bottom in place of the thief's fence). Therefore no order
 * is ever weakened because loom stays green: it takes an argument from the standard.
 */
#include "engine.h"
#include "fibre.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_BYTES 131072
#define LOCATIONS 2048u /* atomics that threads touch in an execution */
#define TABLE 8192u     /* entries of either hash table; a power of two above twice that */
#define MESSAGES 65536u
#define WORDS (8 + LOCATIONS)
#define POOL (1u << 22)              /* words of the views of messages */
#define OPERATIONS 30000u            /* of an execution: more is a loop that does not end */
#define STALE_DEPTH 8u               /* messages back that a load may see */
#define LONG_NS UINT64_C(1000000000) /* nothing may depend on a wait of that long to end */
#define OUTSIDE LOOM_THREADS
#define NONE UINT32_MAX

struct view {
    uint32_t words[WORDS]; /* clocks of the threads, then messages of the locations */
};

struct message {
    uint64_t value;
    uint32_t view, words; /* in the pool; words 0: none */
    uint32_t before;      /* the message before it */
};

struct location {
    const void *place;
    uint64_t execution;
    uint32_t index; /* word in a view */
    uint32_t newest, count;
    uint32_t seq_cst; /* newest message that a seq_cst access wrote */
};

enum thread_state { READY, BLOCKED, TIMED, PAUSED, ENDED };

struct thread {
    struct fibre fibre;
    enum thread_state state;
    const void *parked;
    uint64_t writes;  /* when it paused */
    uint64_t retried; /* when it went on although nothing had been written */
    bool fresh;       /* its loads see the newest, until it changes something */
    uint32_t failures, stale;
    bool releases; /* `released` holds something */
    struct view now, acquired, released;
};

static struct {
    const struct loom_client *client;
    struct loom_outcome *out;
    struct fibre engine;
    struct thread threads[LOOM_THREADS + 1];
    uint32_t running; /* a thread, or OUTSIDE: accesses are direct */
    void (*outside)(void);
    uint64_t execution, writes;
    uint32_t locations, messages, pool_used;
    struct view fence; /* of the last seq_cst fence; its clocks are not used */
    bool listing;
} loom;

static struct location table[TABLE];
static const struct location *located[LOCATIONS];
static struct message messages[MESSAGES];
static uint32_t pool[POOL];
static unsigned char stacks[LOOM_THREADS + 1][STACK_BYTES] __attribute__((aligned(64)));

/* ---- ends */

void loom_fail(const char *kind, const char *text) {
    struct fibre *here = &loom.threads[loom.running].fibre;

    loom.out->kind = kind;
    (void)snprintf(loom.out->text, sizeof loom.out->text, "%s", text);
    fibre_swap(here, &loom.engine);
    abort(); /* never resumed */
}

void loom_saw(void) {
    loom.out->saw = true;
}

uint32_t loom_size(void) {
    return loom.client->size;
}

void swarm__assert_failed(const char *text, const char *file, int line);
void swarm__assert_failed(const char *text, const char *file, int line) {
    char where[160];

    (void)snprintf(where, sizeof where, "%s:%d: %s", file, line, text);
    loom_fail("assert", where);
}

/* ---- listing */

static void list(const char *operation, const void *place, uint64_t value, uint32_t back) {
    static const char *const ages[] = {"", "  (one older)", "  (two older)", "  (older)"};
    char text[64] = "";

    if (!loom.listing || loom.running == OUTSIDE) {
        return;
    }
    if (place != NULL) {
        loom_place_text(place, text, sizeof text);
    }
    printf("#   %*s%" PRIu32 " %-12s %-18s 0x%" PRIx64 "%s\n", (int)(loom.running * 4), "",
           loom.running, operation, text, value, ages[back < 3 ? back : 3]);
}

/* ---- memory */

static uint64_t memory_read(const void *place, size_t size) {
    return size == 4 ? *(const uint32_t *)place : *(const uint64_t *)place;
}

static void memory_write(void *place, size_t size, uint64_t value) {
    if (size == 4) {
        *(uint32_t *)place = (uint32_t)value;
    } else {
        *(uint64_t *)place = value;
    }
}

static uint32_t hash(uintptr_t key) {
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

static uint32_t message_new(uint64_t value, uint32_t before) {
    struct message *message = &messages[loom.messages];

    if (loom.messages == MESSAGES) {
        loom_fail("limit", "too many stores in one execution");
    }
    message->value = value;
    message->words = 0;
    message->before = before;
    return loom.messages++;
}

static uint64_t of_width(size_t size, uint64_t value) {
    return size == 4 ? (uint32_t)value : value;
}

static struct location *location_of(const void *place, size_t size) {
    uint32_t at = hash((uintptr_t)place) & (TABLE - 1);

    while (table[at].execution == loom.execution && table[at].place != place) {
        at = (at + 1) & (TABLE - 1);
    }
    if (table[at].execution != loom.execution) {
        struct location *l = &table[at];

        if (loom.locations == LOCATIONS) {
            loom_fail("limit", "too many atomics in one execution");
        }
        l->place = place;
        l->execution = loom.execution;
        located[loom.locations] = l;
        l->index = 8 + loom.locations++;
        l->count = l->seq_cst = 0;
        l->newest = message_new(memory_read(place, size), NONE);
        for (uint32_t t = 0; t < loom.client->threads; t++) {
            struct thread *thread = &loom.threads[t];

            thread->now.words[l->index] = 0;
            thread->acquired.words[l->index] = thread->released.words[l->index] = 0;
        }
        loom.fence.words[l->index] = 0;
    }
    return &table[at];
}

/* ---- views */

static void join_words(uint32_t *to, const uint32_t *from, uint32_t words) {
    for (uint32_t i = 0; i < words; i++) {
        to[i] = to[i] > from[i] ? to[i] : from[i];
    }
}

static uint32_t words_used(void) {
    return 8 + loom.locations;
}

static void join(struct view *to, const struct view *from) {
    join_words(to->words, from->words, words_used());
}

static void join_message(struct view *to, const struct message *message) {
    join_words(to->words, &pool[message->view], message->words);
}

static void message_carry(struct message *message, const struct view *view) {
    uint32_t words = words_used();

    if (loom.pool_used + words > POOL) {
        loom_fail("limit", "too many views in one execution");
    }
    message->view = loom.pool_used;
    message->words = words;
    memcpy(&pool[loom.pool_used], view->words, words * sizeof(uint32_t));
    loom.pool_used += words;
}

static bool acquires(enum loom_order order) {
    return order == LOOM_acquire || order == LOOM_acq_rel || order == LOOM_seq_cst;
}

static bool releases(enum loom_order order) {
    return order == LOOM_release || order == LOOM_acq_rel || order == LOOM_seq_cst;
}

static struct thread *self(void) {
    return &loom.threads[loom.running];
}

/* What the thread does from here on is not part of what it has released. */
static void tick(void) {
    self()->now.words[loom.running]++;
}

/* ---- scheduling */

static bool can_run(const struct thread *thread) {
    return thread->state == READY ||
           ((thread->state == PAUSED || thread->state == TIMED) && thread->writes != loom.writes);
}

/* Everybody who may go on, the running one first; those whose waits would time out last. */
static uint32_t runnable(uint32_t *out_threads) {
    uint32_t count = 0;

    if (loom.running != OUTSIDE && can_run(self()) && self()->state != TIMED) {
        out_threads[count++] = loom.running;
    }
    for (uint32_t timed = 0; timed < 2; timed++) {
        for (uint32_t t = 0; t < loom.client->threads; t++) {
            const struct thread *thread = &loom.threads[t];

            if (can_run(thread) && (thread->state == TIMED) == (timed != 0) &&
                !(t == loom.running && timed == 0)) {
                out_threads[count++] = t;
            }
        }
    }
    return count;
}

/* Nobody can go on by itself: those who paused, or wait for a time, may, once without anything
 * new. */
static uint32_t runnable_paused(uint32_t *out_threads) {
    uint32_t count = 0;

    for (uint32_t t = 0; t < loom.client->threads; t++) {
        const struct thread *thread = &loom.threads[t];
        bool waits = thread->state == PAUSED || thread->state == TIMED;

        if (waits && thread->retried != loom.writes) {
            out_threads[count++] = t;
        }
    }
    return count;
}

static uint32_t unended(enum thread_state state) {
    uint32_t count = 0;

    for (uint32_t t = 0; t < loom.client->threads; t++) {
        count += loom.threads[t].state == state;
    }
    return count;
}

static uint32_t choose(struct loom_question *question, uint32_t count) {
    question->answers = count;
    return count == 1 ? question->threads[0] : question->threads[loom_answer(question)];
}

/* Who runs next, or NONE at the end. */
static uint32_t next_thread(void) {
    uint32_t threads[2 * LOOM_THREADS], count = runnable(threads), next;
    struct loom_question question = {ASK_THREAD, 0, false, threads};

    if (count != 0) {
        question.costs = threads[0] == loom.running;
        return choose(&question, count);
    }
    count = runnable_paused(threads);
    if (count != 0) {
        next = choose(&question, count);
        loom.threads[next].retried = loom.writes;
        return next;
    }
    if (unended(PAUSED) + unended(TIMED) != 0) {
        loom_fail("livelock", "threads wait for each other");
    } else if (unended(BLOCKED) != 0) {
        loom_fail("deadlock", "all threads sleep");
    }
    return NONE;
}

static void switch_to(uint32_t next) {
    uint32_t before = loom.running;
    struct fibre *from = &loom.threads[before].fibre;

    if (next == before) {
        loom.threads[next].state = READY;
        return;
    }
    if (next == NONE) {
        fibre_swap(from, &loom.engine);
        abort(); /* never resumed */
    }
    loom.threads[next].state = READY;
    loom.running = next;
    fibre_swap(from, &loom.threads[next].fibre);
}

/* Before each operation: another thread may go first. */
static void point(void) {
    if (++loom.out->operations > OPERATIONS) {
        loom_fail("endless", "an execution without end");
    }
    switch_to(next_thread());
}

static bool is_direct(void) {
    return loom.running == OUTSIDE;
}

const struct loom_clock *loom_clock(const void *place) {
    static struct loom_clock clock;
    uintptr_t at = (uintptr_t)place;

    if (is_direct() || at - (uintptr_t)stacks < sizeof stacks) {
        return NULL;
    }
    clock.thread = loom.running;
    clock.threads = loom.client->threads;
    clock.now = self()->now.words;
    return &clock;
}

/* ---- operations */

static void poison_check(const void *place) {
    if (loom_is_poisoned(place)) {
        loom_fail("poison", "an atomic in free memory is used");
    }
}

static bool stale_used_up(const struct thread *thread) {
    return loom.client->stale != 0 && thread->stale >= loom.client->stale;
}

/* How many messages back a load sees, at most `most`. */
static uint32_t how_old(uint32_t most) {
    struct thread *thread = self();
    struct loom_question question = {ASK_MESSAGE, 0, false, NULL};
    uint32_t back;

    most = most < STALE_DEPTH ? most : STALE_DEPTH;
    if (most == 0 || thread->fresh || stale_used_up(thread)) {
        return 0;
    }
    question.answers = most + 1;
    back = loom_answer(&question);
    thread->stale += back != 0;
    return back;
}

static struct message *message_back(const struct location *l, uint32_t back) {
    uint32_t at = l->newest;

    while (back-- != 0) {
        at = messages[at].before;
    }
    return &messages[at];
}

/* A seq_cst access of a location sees what seq_cst fences and accesses before it knew. */
static void raise_floor(const struct location *l, enum loom_order order) {
    uint32_t *floor = &self()->now.words[l->index];

    if (order == LOOM_seq_cst) {
        *floor = *floor > l->seq_cst ? *floor : l->seq_cst;
        *floor = *floor > loom.fence.words[l->index] ? *floor : loom.fence.words[l->index];
    }
}

static void see(const struct location *l, uint32_t number, const struct message *message,
                enum loom_order order) {
    struct thread *thread = self();

    thread->now.words[l->index] = number;
    if (message->words != 0) {
        join_message(&thread->acquired, message);
        if (acquires(order)) {
            join_message(&thread->now, message);
        }
    }
    if (thread->acquired.words[l->index] < number) {
        thread->acquired.words[l->index] = number;
    }
}

uint64_t loom_load(const void *place, size_t size, enum loom_order order) {
    struct location *l;
    const struct message *message;
    uint32_t back;

    if (is_direct()) {
        return memory_read(place, size);
    }
    point();
    poison_check(place);
    l = location_of(place, size);
    raise_floor(l, order);
    back = how_old(l->count - self()->now.words[l->index]);
    message = message_back(l, back);
    see(l, l->count - back, message, order);
    list(order == LOOM_seq_cst ? "load sc"
         : acquires(order)     ? "load acq"
                               : "load",
         place, message->value, back);
    return message->value;
}

/* Appends a message; `read` is the one that a change read, or null. */
static void append(struct location *l, uint64_t value, const struct message *read,
                   enum loom_order order) {
    struct thread *thread = self();
    uint32_t index = message_new(value, l->newest);
    struct message *message = &messages[index];

    l->newest = index;
    l->count++;
    thread->now.words[l->index] = l->count;
    if (releases(order)) {
        message_carry(message, &thread->now);
    } else if (thread->releases || (read != NULL && read->words != 0)) {
        message_carry(message, &thread->released);
    }
    if (message->words != 0) {
        if (read != NULL) {
            join_words(&pool[message->view], &pool[read->view], read->words);
        }
        pool[message->view + l->index] = l->count;
    }
    if (order == LOOM_seq_cst) {
        l->seq_cst = l->count;
    }
    thread->fresh = false;
    loom.writes++;
    if (releases(order)) {
        tick();
    }
}

void loom_store(void *place, size_t size, uint64_t value, enum loom_order order) {
    if (is_direct()) {
        memory_write(place, size, value);
        return;
    }
    point();
    poison_check(place);
    append(location_of(place, size), of_width(size, value), NULL, order);
    memory_write(place, size, value);
    list(order == LOOM_seq_cst ? "store sc"
         : releases(order)     ? "store rel"
                               : "store",
         place, value, 0);
}

static uint64_t changed(uint64_t before, uint64_t operand, enum loom_change_kind change) {
    switch (change) {
    case LOOM_exchange:
        return operand;
    case LOOM_add:
        return before + operand;
    case LOOM_sub:
        return before - operand;
    case LOOM_or:
        return before | operand;
    case LOOM_and:
        return before & operand;
    default:
        abort();
    }
}

static void replace(void *place, size_t size, uint64_t value, enum loom_order order) {
    struct location *l = location_of(place, size);
    const struct message *read = &messages[l->newest];

    see(l, l->count, read, order);
    append(l, of_width(size, value), read, order);
    memory_write(place, size, value);
}

uint64_t loom_change(void *place, size_t size, uint64_t operand, enum loom_change_kind change,
                     enum loom_order order) {
    static const char *const words[] = {"exchange", "add", "sub", "or", "and"};
    uint64_t before, after;

    if (!is_direct()) {
        point();
        poison_check(place);
    }
    before = memory_read(place, size);
    after = of_width(size, changed(before, operand, change));
    if (is_direct()) {
        memory_write(place, size, after);
        return before;
    }
    replace(place, size, after, order);
    list(words[change], place, after, 0);
    return before;
}

/* A CAS that fails sees some message with another value. NONE: there is none. */
static uint32_t other_message(const struct location *l, uint64_t expected, bool weak) {
    uint32_t most = l->count - self()->now.words[l->index], backs[STALE_DEPTH + 2], count = 0;
    struct loom_question question = {ASK_MESSAGE, 0, false, NULL};
    bool stale = !self()->fresh && !stale_used_up(self());

    most = most < STALE_DEPTH ? most : STALE_DEPTH;
    if (messages[l->newest].value == expected) {
        backs[count++] = NONE; /* it succeeds */
    }
    for (uint32_t back = 0; back <= (stale ? most : 0); back++) {
        bool equal = message_back(l, back)->value == expected;

        if (!equal || (back == 0 && weak && self()->failures == 0)) {
            backs[count++] = back;
        }
    }
    question.kind = backs[count - 1] == 0 && backs[0] == NONE ? ASK_FAILURE : ASK_MESSAGE;
    question.answers = count;
    return count == 1 ? backs[0] : backs[loom_answer(&question)];
}

static bool cas_direct(void *place, size_t size, void *expected, uint64_t desired) {
    bool equal = memory_read(place, size) == memory_read(expected, size);

    if (equal) {
        memory_write(place, size, desired);
    } else {
        memory_write(expected, size, memory_read(place, size));
    }
    return equal;
}

bool loom_cas(void *place, size_t size, void *expected, const struct loom_swap *swap) {
    uint64_t wanted = memory_read(expected, size), value;
    struct location *l;
    uint32_t back;

    if (is_direct()) {
        return cas_direct(place, size, expected, swap->desired);
    }
    point();
    poison_check(place);
    l = location_of(place, size);
    if (messages[l->newest].value != wanted) {
        raise_floor(l, swap->failure);
    }
    back = other_message(l, wanted, swap->weak);
    if (back == NONE) {
        replace(place, size, swap->desired, swap->success);
        list("cas", place, swap->desired, 0);
        return true;
    }
    value = message_back(l, back)->value;
    self()->failures += value == wanted;
    self()->stale += back != 0;
    see(l, l->count - back, message_back(l, back), swap->failure);
    memory_write(expected, size, value);
    list("cas fails", place, value, back);
    return false;
}

static void fence_seq_cst(struct thread *thread) {
    join_words(&thread->now.words[8], &loom.fence.words[8], loom.locations);
    for (uint32_t at = 0; at < loom.locations; at++) {
        uint32_t *now = &thread->now.words[located[at]->index];

        *now = *now > located[at]->seq_cst ? *now : located[at]->seq_cst;
    }
    memcpy(loom.fence.words, thread->now.words, words_used() * sizeof(uint32_t));
}

void loom_fence(enum loom_order order) {
    struct thread *thread;

    if (is_direct()) {
        return;
    }
    point();
    thread = self();
    if (acquires(order)) {
        join(&thread->now, &thread->acquired);
    }
    if (order == LOOM_seq_cst) {
        fence_seq_cst(thread);
        join(&thread->acquired, &thread->now);
    }
    if (releases(order)) {
        memcpy(thread->released.words, thread->now.words, words_used() * sizeof(uint32_t));
        thread->releases = true;
        tick();
    }
    list("fence", NULL, order, 0);
}

void loom_pause(void) {
    if (is_direct()) {
        return;
    }
    self()->state = PAUSED;
    self()->writes = loom.writes;
    switch_to(next_thread());
    self()->fresh = true;
    if (++loom.out->operations > OPERATIONS) {
        loom_fail("endless", "an execution without end");
    }
}

/* ---- waiting */

void loom_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    const struct loom_question question = {ASK_FAILURE, 2, false, NULL};
    struct location *l;

    (void)context;
    if (is_direct()) {
        return;
    }
    point();
    poison_check(address);
    l = location_of(address, 4);
    see(l, l->count, &messages[l->newest], LOOM_relaxed);
    list("wait", address, expected, 0);
    if (messages[l->newest].value != expected) {
        return;
    }
    if (self()->failures == 0 && loom_answer(&question) != 0) {
        self()->failures++;
        return;
    }
    self()->state = timeout_ns >= LONG_NS ? BLOCKED : TIMED;
    self()->writes = loom.writes;
    self()->parked = address;
    switch_to(next_thread());
    list("wakes", address, 0, 0);
}

static uint32_t waiters(const void *address, uint32_t *out_threads) {
    uint32_t count = 0;

    for (uint32_t t = 0; t < loom.client->threads; t++) {
        const struct thread *thread = &loom.threads[t];

        if ((thread->state == BLOCKED || thread->state == TIMED) && thread->parked == address) {
            out_threads[count++] = t;
        }
    }
    return count;
}

void loom_wake(void *context, const void *address, uint32_t count) {
    uint32_t threads[LOOM_THREADS], found;

    (void)context;
    if (is_direct()) {
        return;
    }
    point();
    list("wake", address, count, 0);
    for (found = waiters(address, threads); found != 0 && count != 0; count--) {
        const struct loom_question question = {ASK_WAITER, found, false, NULL};
        uint32_t which = found == 1 ? 0 : loom_answer(&question);

        loom.threads[threads[which]].state = READY;
        found = waiters(address, threads);
    }
    loom.writes++;
}

/* ---- one execution */

static void outside_entry(void) {
    loom.outside();
    fibre_swap(&loom.threads[OUTSIDE].fibre, &loom.engine);
    abort(); /* never resumed */
}

static void thread_entry(void) {
    loom.client->run(loom.running);
    self()->state = ENDED;
    loom.writes++; /* an end is something new */
    switch_to(next_thread());
    abort(); /* never resumed */
}

static void call_outside(void (*function)(void)) {
    struct thread *outside = &loom.threads[OUTSIDE];

    if (function == NULL) {
        return;
    }
    loom.outside = function;
    loom.running = OUTSIDE;
    fibre_init(&outside->fibre, stacks[OUTSIDE], STACK_BYTES, outside_entry);
    fibre_swap(&loom.engine, &outside->fibre);
}

static void thread_init(uint32_t index) {
    struct thread *thread = &loom.threads[index];

    thread->state = READY;
    thread->fresh = thread->releases = false;
    thread->failures = thread->stale = 0;
    thread->retried = 0;
    memset(thread->now.words, 0, 8 * sizeof(uint32_t));
    memset(thread->acquired.words, 0, 8 * sizeof(uint32_t));
    memset(thread->released.words, 0, 8 * sizeof(uint32_t));
    thread->now.words[index] = 1;
    fibre_init(&thread->fibre, stacks[index], STACK_BYTES, thread_entry);
    loom_begun(index);
}

static void run_threads(void) {
    loom.running = OUTSIDE;
    loom.running = next_thread();
    fibre_swap(&loom.engine, &loom.threads[loom.running].fibre);
}

void loom_execute(const struct loom_client *client, bool listing, struct loom_outcome *out) {
    static const struct loom_outcome nothing;

    *out = nothing;
    loom.client = client;
    loom.out = out;
    loom.listing = listing;
    loom.execution++;
    loom.writes = 1;
    loom_plain_begin();
    loom.locations = loom.messages = loom.pool_used = 0;
    memset(loom.fence.words, 0, 8 * sizeof(uint32_t));
    call_outside(client->setup);
    if (out->kind != NULL) {
        return;
    }
    for (uint32_t t = 0; t < client->threads; t++) {
        thread_init(t);
    }
    run_threads();
    if (out->kind == NULL) {
        call_outside(client->check);
    }
}
