/* SPDX-License-Identifier: MIT */
/*
 * name.c - the words for outcomes, states of steps, and kinds of event.
 *
 * Each is its enumerator without the prefix, in small letters: whoever reads a report can find it
 * in swarm.h. Switches and not tables: a table of pointers would be writable data in
 * position-independent code.
 */
#include "../../swarm.h"

const char *swarm_outcome_text(swarm_outcome outcome) {
    switch (outcome) {
    case SWARM_OUTCOME_OK:
        return "ok";
    case SWARM_OUTCOME_TRANSIENT:
        return "transient";
    case SWARM_OUTCOME_THROTTLED:
        return "throttled";
    case SWARM_OUTCOME_QUOTA:
        return "quota";
    case SWARM_OUTCOME_TERMINAL:
        return "terminal";
    case SWARM_OUTCOME_GARBAGE:
        return "garbage";
    case SWARM_OUTCOME_LOST:
        return "lost";
    case SWARM_OUTCOME_CANCELLED:
        return "cancelled";
    case SWARM_OUTCOME_TIMED_OUT:
        return "timed out";
    case SWARM_OUTCOME_REFUSED:
        return "refused";
    case SWARM_OUTCOME_PAUSE:
        return "pause";
    default:
        return "unknown";
    }
}

const char *swarm_step_state_text(uint32_t state) {
    switch (state) {
    case SWARM_STEP_PENDING:
        return "pending";
    case SWARM_STEP_READY:
        return "ready";
    case SWARM_STEP_HELD:
        return "held";
    case SWARM_STEP_RUNNING:
        return "running";
    case SWARM_STEP_OK:
        return "ok";
    case SWARM_STEP_FAILED:
        return "failed";
    case SWARM_STEP_TIMED_OUT:
        return "timed out";
    case SWARM_STEP_CANCELLED:
        return "cancelled";
    case SWARM_STEP_SKIPPED:
        return "skipped";
    case SWARM_STEP_BUDGET:
        return "budget";
    default:
        return "unknown";
    }
}

const char *swarm_event_text(uint32_t kind) {
    static const char words[][16] = {
        [SWARM_EVENT_RUN_OPEN] = "run open",
        [SWARM_EVENT_PLAN] = "plan",
        [SWARM_EVENT_STEP] = "step",
        [SWARM_EVENT_EDGE] = "edge",
        [SWARM_EVENT_READY] = "ready",
        [SWARM_EVENT_START] = "start",
        [SWARM_EVENT_DONE] = "done",
        [SWARM_EVENT_RETRY] = "retry",
        [SWARM_EVENT_END] = "end",
        [SWARM_EVENT_GIVE_UP] = "give up",
        [SWARM_EVENT_FENCED] = "fenced",
        [SWARM_EVENT_HOLD] = "hold",
        [SWARM_EVENT_CANCEL] = "cancel",
        [SWARM_EVENT_CLOSE] = "close",
        [SWARM_EVENT_RUN_END] = "run end",
        [SWARM_EVENT_LIMITS] = "limits",
        [SWARM_EVENT_JOIN_SPEC] = "join spec",
        [SWARM_EVENT_JOIN] = "join",
        [SWARM_EVENT_EDGE_RULE] = "edge rule",
        [SWARM_EVENT_BRANCH] = "branch",
        [SWARM_EVENT_SKIP_SPEC] = "skip spec",
        [SWARM_EVENT_SKIP] = "skip",
        [SWARM_EVENT_LOOP_SPEC] = "loop spec",
        [SWARM_EVENT_LOOP] = "loop",
        [SWARM_EVENT_PROGRESS] = "progress",
        [SWARM_EVENT_DETECT] = "detect",
        [SWARM_EVENT_HEDGE] = "hedge",
        [SWARM_EVENT_ASK] = "ask",
        [SWARM_EVENT_ANSWER] = "answer",
        [SWARM_EVENT_GUARD] = "guard",
    };
    bool is_known = kind < sizeof words / sizeof words[0] && words[kind][0] != 0;

    return is_known ? words[kind] : "unknown";
}
