/* SPDX-License-Identifier: MIT */
/*
 * loom.h - a controlled scheduler for C: runs a client's threads on fibres, one at a time, through
 * a model of C11 memory, and searches for a schedule that breaks it.
 *
 * A client is a handful of threads on a fresh state: `setup` makes it, outside of the model; then
 * `run` is called once a thread; when all have ended, `check` looks at what is left. A failed
 * LOOM_CHECK, a race on plain data, the use of poisoned memory, a deadlock or a loop that never
 * ends is a finding. It is printed with the schedule that leads there, shrunk, as `place=choice`
 * pairs: --replay runs that one and lists each operation.
 *
 * Every atomic operation, wait, wake and pause is a scheduling point. Plain accesses are not: the
 * race detector covers them. State lives in globals of the client, and `setup` sets all of it.
 *
 * Threads: none; everything runs in the caller's. loom.c is the model, plain.c the race
 * detector, search.c the search.
 */
#ifndef SWARM_TESTS_LOOM_LOOM_H
#define SWARM_TESTS_LOOM_LOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Named after the words that stand in the source. */
enum loom_order { LOOM_relaxed, LOOM_acquire, LOOM_release, LOOM_acq_rel, LOOM_seq_cst };
enum loom_change_kind { LOOM_exchange, LOOM_add, LOOM_sub, LOOM_or, LOOM_and };

struct loom_swap {
    uint64_t desired;
    enum loom_order success, failure;
    bool weak;
};

/* ---- what loom_atomic.h calls; size is 4 or 8 */

uint64_t loom_load(const void *place, size_t size, enum loom_order order);
void loom_store(void *place, size_t size, uint64_t value, enum loom_order order);
/* The value before. */
uint64_t loom_change(void *place, size_t size, uint64_t operand, enum loom_change_kind change,
                     enum loom_order order);
bool loom_cas(void *place, size_t size, void *expected, const struct loom_swap *swap);
void loom_fence(enum loom_order order);
/* The thread goes on when another one has written, or nobody else can; then it sees the newest. */
void loom_pause(void);

/* ---- what clients call */

/* A host's wait and wake, as park.h wants them; the context is not used. A wait may end without
 * cause, one with a limit at any time. */
void loom_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns);
void loom_wake(void *context, const void *address, uint32_t count);

/* Memory that is free: any access fails until it is given out again. */
void loom_poison(const void *place, size_t size);
void loom_unpoison(const void *place, size_t size);

/* For listings. In setup. */
void loom_name(const void *place, const char *name);

/* The finding that a check makes. Does not return. */
void loom_fail(const char *kind, const char *text) __attribute__((noreturn));
/* In check: the outcome that a litmus test asks for. */
void loom_saw(void);
/* The client's parameter. */
uint32_t loom_size(void);

#define LOOM_CHECK(condition) ((condition) ? (void)0 : loom_fail("check", #condition))

/* ---- clients */

struct loom_client {
    const char *name;
    void (*setup)(void);
    void (*run)(uint32_t thread);
    void (*check)(void); /* may be null */
    uint32_t threads;
    uint32_t size;        /* what loom_size gives */
    uint32_t preemptions; /* bound of the depth-first search */
    uint32_t stale;       /* bound of loads of a thread that do not see the newest; 0: no bound */
    uint64_t first;       /* executions of the depth-first search at most; 0: to the end */
    uint64_t random;      /* executions with random priorities */
    int outcome;          /* litmus: LOOM_EVER, LOOM_NEVER; 0: no litmus test */
    const char *finds;    /* the kind of finding that must be made; null: none may be */
};

#define LOOM_EVER 1     /* what check saw must be seen in some execution */
#define LOOM_NEVER (-1) /* must be seen in none */

/* The program: TAP, one line a client. Options: --only NAME, --replay SCHEDULE (with --only),
 * --seed N, --long (10 times the executions, one preemption more), --quick (a tenth of the
 * executions), --stats, --stop (at the first finding). Returns the exit status. */
int loom_main(int argc, char **argv, const struct loom_client *clients, size_t count);

#endif
