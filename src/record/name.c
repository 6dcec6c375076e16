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
    switch (kind) {
    case SWARM_EVENT_RUN_OPEN:
        return "run open";
    case SWARM_EVENT_PLAN:
        return "plan";
    case SWARM_EVENT_STEP:
        return "step";
    case SWARM_EVENT_EDGE:
        return "edge";
    case SWARM_EVENT_READY:
        return "ready";
    case SWARM_EVENT_START:
        return "start";
    case SWARM_EVENT_DONE:
        return "done";
    case SWARM_EVENT_RETRY:
        return "retry";
    case SWARM_EVENT_END:
        return "end";
    case SWARM_EVENT_GIVE_UP:
        return "give up";
    case SWARM_EVENT_FENCED:
        return "fenced";
    case SWARM_EVENT_HOLD:
        return "hold";
    case SWARM_EVENT_CANCEL:
        return "cancel";
    case SWARM_EVENT_CLOSE:
        return "close";
    case SWARM_EVENT_RUN_END:
        return "run end";
    case SWARM_EVENT_LIMITS:
        return "limits";
    case SWARM_EVENT_JOIN_SPEC:
        return "join spec";
    case SWARM_EVENT_JOIN:
        return "join";
    case SWARM_EVENT_EDGE_RULE:
        return "edge rule";
    case SWARM_EVENT_BRANCH:
        return "branch";
    case SWARM_EVENT_SKIP_SPEC:
        return "skip spec";
    case SWARM_EVENT_SKIP:
        return "skip";
    case SWARM_EVENT_LOOP_SPEC:
        return "loop spec";
    case SWARM_EVENT_LOOP:
        return "loop";
    case SWARM_EVENT_PROGRESS:
        return "progress";
    case SWARM_EVENT_DETECT:
        return "detect";
    case SWARM_EVENT_GUARD:
        return "guard";
    default:
        return "unknown";
    }
}
