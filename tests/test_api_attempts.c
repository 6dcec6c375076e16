/* SPDX-License-Identifier: MIT */
/*
 * test_api_attempts.c - every public function called wrongly, fourth part: what is about attempts
 * while they run.
 */
#include "test_api.h"

/* ---- progress */

static int64_t progress_of_each(struct world *w) {
    const uint64_t open = w->open.id;
    const uint64_t bad[] = {0,
                            1,
                            UINT64_MAX,
                            open + (UINT64_C(1) << 32),
                            open - (UINT64_C(1) << 32),
                            open + 7,
                            (open & ~(uint64_t)UINT32_MAX) | UINT32_MAX,
                            w->answered.id};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t status = swarm_progress(w->sw, (swarm_attempt){bad[i]}, 1, 1, 1);

        if (status != SWARM_E_STALE) {
            printf("# attempt %" PRIx64 "\n", bad[i]);
            return status;
        }
    }
    return SWARM_E_STALE;
}

static int64_t progress_after_answer(struct world *w) {
    const swarm_completion completion = {.attempt = w->open};

    CHECK_EQ(swarm_complete(w->sw, &completion), SWARM_OK);
    return swarm_progress(w->sw, w->open, 1, 1, 1);
}

REFUSES(swarm_progress, "null swarm", SWARM_E_INVALID, swarm_progress(NULL, w->open, 1, 1, 1));
REFUSES(swarm_progress, "each bad handle", SWARM_E_STALE, progress_of_each(w));
GIVES(swarm_progress, "answered, not applied", SWARM_E_STALE, progress_after_answer(w));
GIVES(swarm_progress, "extremes", SWARM_OK,
      swarm_progress(w->sw, w->open, UINT64_MAX, UINT64_MAX, UINT64_MAX));
GIVES(swarm_progress, "a heartbeat", SWARM_OK, swarm_progress(w->sw, w->open, 0, 0, 0));

/* ---- waiting */

static int64_t wait_of_each(struct world *w) {
    const uint64_t open = w->open.id;
    const uint64_t bad[] = {0, 1, UINT64_MAX, open + (UINT64_C(1) << 32), open + 7, w->answered.id};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t status = swarm_attempt_wait(w->sw, (swarm_attempt){bad[i]}, w->waiting);

        if (status != SWARM_E_STALE) {
            printf("# attempt %" PRIx64 "\n", bad[i]);
            return status;
        }
    }
    return SWARM_E_STALE;
}

REFUSES(swarm_attempt_wait, "null swarm", SWARM_E_INVALID,
        swarm_attempt_wait(NULL, w->open, w->waiting));
REFUSES(swarm_attempt_wait, "each bad handle", SWARM_E_STALE, wait_of_each(w));
REFUSES(swarm_attempt_wait, "a forgotten step", SWARM_E_STALE,
        swarm_attempt_wait(w->sw, w->open, w->lost));
REFUSES(swarm_attempt_wait, "its own step", SWARM_E_INVALID,
        swarm_attempt_wait(w->sw, w->open, w->flying));
REFUSES(swarm_attempt_wait, "a plain step", SWARM_E_INVALID,
        swarm_attempt_wait(w->sw, w->open, w->plain));
AWAY(swarm_attempt_wait, SWARM_E_BUSY, swarm_attempt_wait(w->sw, w->open, w->waiting));

/* ---- answers to questions */

#define ANSWER(outcome, ...) swarm_answer(w->sw, no_token, (outcome), &(swarm_result){__VA_ARGS__})

static const swarm_token no_token = {{1, 2, 3}};

REFUSES(swarm_answer, "null swarm", SWARM_E_INVALID, swarm_answer(NULL, no_token, 0, NULL));
REFUSES(swarm_answer, "a token of nobody's", SWARM_E_STALE, ANSWER(0, .value = 1));
REFUSES(swarm_answer, "a token of zeros", SWARM_E_STALE,
        swarm_answer(w->sw, (swarm_token){{0}}, 0, NULL));
REFUSES(swarm_answer, "throttled", SWARM_E_INVALID, ANSWER(SWARM_OUTCOME_THROTTLED, .value = 1));
REFUSES(swarm_answer, "refused", SWARM_E_INVALID, ANSWER(SWARM_OUTCOME_REFUSED, .value = 1));
REFUSES(swarm_answer, "another question", SWARM_E_INVALID, ANSWER(SWARM_OUTCOME_PAUSE, .value = 1));
REFUSES(swarm_answer, "outcome absurd", SWARM_E_INVALID, ANSWER(UINT32_MAX, .value = 1));
REFUSES(swarm_answer, "confidence", SWARM_E_INVALID, ANSWER(0, .confidence_ppm = 1000001));
REFUSES(swarm_answer, "a size without bytes", SWARM_E_INVALID, ANSWER(0, .size = 1));

TEST(wrong_calls) {
    rows_run();
}

TEST_MAIN()
