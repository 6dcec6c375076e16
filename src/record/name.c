/* SPDX-License-Identifier: MIT */
/*
 * name.c - the words for outcomes, states of steps, and kinds of event.
 *
 * Each is its enumerator without the prefix, in small letters: whoever reads a report can find it
 * in swarm.h, and a test reads both. The tables hold the letters themselves: one of pointers would
 * be writable data in position-independent code.
 */
#include "../../swarm.h"

#define WORD_MAX 20 /* the end included */

static const char outcomes[][WORD_MAX] = {
    [SWARM_OUTCOME_OK] = "ok",
    [SWARM_OUTCOME_TRANSIENT] = "transient",
    [SWARM_OUTCOME_THROTTLED] = "throttled",
    [SWARM_OUTCOME_QUOTA] = "quota",
    [SWARM_OUTCOME_TERMINAL] = "terminal",
    [SWARM_OUTCOME_GARBAGE] = "garbage",
    [SWARM_OUTCOME_LOST] = "lost",
    [SWARM_OUTCOME_CANCELLED] = "cancelled",
    [SWARM_OUTCOME_TIMED_OUT] = "timed out",
    [SWARM_OUTCOME_REFUSED] = "refused",
    [SWARM_OUTCOME_PAUSE] = "pause",
};

static const char states[][WORD_MAX] = {
    [SWARM_STEP_PENDING] = "pending",
    [SWARM_STEP_READY] = "ready",
    [SWARM_STEP_HELD] = "held",
    [SWARM_STEP_RUNNING] = "running",
    [SWARM_STEP_OK] = "ok",
    [SWARM_STEP_FAILED] = "failed",
    [SWARM_STEP_TIMED_OUT] = "timed out",
    [SWARM_STEP_CANCELLED] = "cancelled",
    [SWARM_STEP_SKIPPED] = "skipped",
    [SWARM_STEP_BUDGET] = "budget",
};

static const char events[][WORD_MAX] = {
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
    [SWARM_EVENT_OVER] = "over",
    [SWARM_EVENT_PROGRESS] = "progress",
    [SWARM_EVENT_DETECT] = "detect",
    [SWARM_EVENT_HEDGE] = "hedge",
    [SWARM_EVENT_VOTE] = "vote",
    [SWARM_EVENT_RECOVER] = "recover",
    [SWARM_EVENT_ASK] = "ask",
    [SWARM_EVENT_ANSWER] = "answer",
    [SWARM_EVENT_GUARD] = "guard",
    [SWARM_EVENT_PUT] = "put",
    [SWARM_EVENT_CONFLICT] = "conflict",
    [SWARM_EVENT_STATE_BRANCH] = "state branch",
    [SWARM_EVENT_NOTE] = "note",
    [SWARM_EVENT_ACCESS] = "access",
    [SWARM_EVENT_READ] = "read",
    [SWARM_EVENT_EFFECT] = "effect",
    [SWARM_EVENT_BUDGET] = "budget",
    [SWARM_EVENT_BUDGET_LIMIT] = "budget limit",
    [SWARM_EVENT_RESERVE] = "reserve",
    [SWARM_EVENT_SETTLE] = "settle",
    [SWARM_EVENT_LACK] = "lack",
    [SWARM_EVENT_BUDGET_CLOSE] = "budget close",
    [SWARM_EVENT_GOVERN] = "govern",
    [SWARM_EVENT_BREAKER] = "breaker",
    [SWARM_EVENT_BREAKER_RESET] = "breaker reset",
    [SWARM_EVENT_REFUSE] = "refuse",
    [SWARM_EVENT_SPAWN] = "spawn",
    [SWARM_EVENT_CHARGE] = "charge",
    [SWARM_EVENT_GOVERNOR] = "governor",
    [SWARM_EVENT_ROUND] = "round",
    [SWARM_EVENT_COMMAND] = "command",
    [SWARM_EVENT_SETUP] = "setup",
    [SWARM_EVENT_DEMAND] = "demand",
    [SWARM_EVENT_NEED] = "need",
    [SWARM_EVENT_OPTIONS] = "options",
    [SWARM_EVENT_RESULT] = "result",
    [SWARM_EVENT_CALL] = "call",
    [SWARM_EVENT_WAIT] = "wait",
    [SWARM_EVENT_DEADLOCK] = "deadlock",
    [SWARM_EVENT_DEADLINE] = "deadline",
    [SWARM_EVENT_RUN_OPTIONS] = "run options",
};

/* Kinds that are not taken have an empty place. */
static const char *word(const char (*words)[WORD_MAX], size_t count, uint32_t at) {
    return at < count && words[at][0] != '\0' ? words[at] : "unknown";
}

const char *swarm_outcome_text(swarm_outcome outcome) {
    return word(outcomes, sizeof outcomes / WORD_MAX, outcome);
}

const char *swarm_step_state_text(uint32_t state) {
    return word(states, sizeof states / WORD_MAX, state);
}

const char *swarm_event_text(uint32_t kind) {
    return word(events, sizeof events / WORD_MAX, kind);
}
