/* SPDX-License-Identifier: MIT */
/*
 * Wrong calls, part five: resuming. What right ones do stands in test_resume.c.
 */
#include "test_api.h"

#define FEED(sw, mode, bytes, size) swarm_resume_feed((sw), (mode), (bytes), (size))

REFUSES(swarm_resume_feed, "null swarm", SWARM_E_INVALID, FEED(NULL, SWARM_RESUME, "", 0));
REFUSES(swarm_resume_feed, "mode 0", SWARM_E_INVALID, FEED(w->sw, 0, "", 0));
REFUSES(swarm_resume_feed, "mode absurd", SWARM_E_INVALID, FEED(w->sw, UINT32_MAX, "", 0));
REFUSES(swarm_resume_feed, "a size without bytes", SWARM_E_INVALID,
        FEED(w->sw, SWARM_RESUME, NULL, 1));
REFUSES(swarm_resume_feed, "a swarm at work", SWARM_E_BUSY, FEED(w->sw, SWARM_RESUME, "SWL1", 4));
AWAY(swarm_resume_feed, SWARM_E_BUSY, FEED(w->sw, SWARM_RESUME, "SWL1", 4));

REFUSES(swarm_resume_end, "null swarm", SWARM_E_INVALID, swarm_resume_end(NULL, NULL));
AWAY(swarm_resume_end, SWARM_E_BUSY, swarm_resume_end(w->sw, NULL));
GIVES(swarm_resume_end, "nothing was fed", SWARM_OK, swarm_resume_end(w->sw, NULL));

REFUSES(swarm_step_payload, "null swarm", SWARM_E_INVALID,
        swarm_step_payload(NULL, w->waiting, "x", 1));
REFUSES(swarm_step_payload, "a step that is gone", SWARM_E_STALE,
        swarm_step_payload(w->sw, w->lost, "x", 1));
REFUSES(swarm_step_payload, "the null handle", SWARM_E_STALE,
        swarm_step_payload(w->sw, (swarm_step){0}, "x", 1));
REFUSES(swarm_step_payload, "a size without bytes", SWARM_E_INVALID,
        swarm_step_payload(w->sw, w->waiting, NULL, 1));
REFUSES(swarm_step_payload, "a call step", SWARM_E_INVALID,
        swarm_step_payload(w->sw, w->plain, "x", 1));
AWAY(swarm_step_payload, SWARM_E_BUSY, swarm_step_payload(w->sw, w->waiting, "x", 1));
GIVES(swarm_step_payload, "none", SWARM_OK, swarm_step_payload(w->sw, w->waiting, NULL, 0));

TEST(each_row) {
    rows_run();
}

TEST_MAIN()
