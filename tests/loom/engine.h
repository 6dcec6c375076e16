/* SPDX-License-Identifier: MIT */
/*
 * engine.h - between the model (loom.c), which runs one execution, its plain data (plain.c) and
 * the search (search.c), which decides its choices.
 */
#ifndef SWARM_TESTS_LOOM_ENGINE_H
#define SWARM_TESTS_LOOM_ENGINE_H

#include "loom.h"

#define LOOM_THREADS 5

enum loom_question_kind {
    ASK_THREAD,  /* who runs next: 0 is whoever ran, if it can */
    ASK_MESSAGE, /* what a load sees: 0 is the newest */
    ASK_FAILURE, /* whether a weak CAS fails, or a wait ends, without cause: 0 is no */
    ASK_WAITER   /* who is woken */
};

struct loom_question {
    enum loom_question_kind kind;
    uint32_t answers;        /* at least 2 */
    bool costs;              /* ASK_THREAD: any answer but 0 is a preemption */
    const uint32_t *threads; /* ASK_THREAD: who each answer is */
};

/* The search's: less than question->answers. */
uint32_t loom_answer(const struct loom_question *question);
/* The search's: a thread that begins, for its priority. */
void loom_begun(uint32_t thread);

struct loom_outcome {
    const char *kind; /* of the finding, or null */
    char text[160];
    bool saw;
    uint32_t operations;
};

/* Runs the client once. */
void loom_execute(const struct loom_client *client, bool listing, struct loom_outcome *out);

/* ---- plain.c */

/* Forgets the last execution, and its names. */
void loom_plain_begin(void);
/* What listings call the place. */
void loom_place_text(const void *place, char *text, size_t size);
bool loom_is_poisoned(const void *place);

/* ---- loom.c, for plain.c */

struct loom_clock {
    uint32_t thread, threads;
    const uint32_t *now; /* of each thread, how much has happened before */
};

/* Who accesses the place, and what it knows; null outside of an execution, and for its stack. */
const struct loom_clock *loom_clock(const void *place);

#endif
