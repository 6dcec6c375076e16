/* SPDX-License-Identifier: MIT */
/*
 * text.c - what each status says: what is wrong, and what to do.
 */
#include "../../swarm.h"

uint32_t swarm_version(void) {
    return SWARM_VERSION;
}

/* What runs, budgets and state keys have to say. Switches and not a table: a table of pointers
 * would be writable data in position-independent code. */
static const char *text_of_outcome(swarm_status status) {
    switch (status) {
    case SWARM_E_FAILED:
        return "FAILED: every attempt failed; the step's outcome says how";
    case SWARM_E_BUDGET:
        return "BUDGET: a reservation does not fit; raise the limit or reserve less";
    case SWARM_E_PAUSED:
        return "PAUSED: only an answer or quota can move it; see swarm_answer, swarm_breaker_reset";
    case SWARM_E_CONFLICT:
        return "CONFLICT: the key has a newer version; read it again and redo what builds on it";
    case SWARM_E_NO_QUORUM:
        return "NO_QUORUM: the answers differ too much; vote with more, or give a tie-break";
    case SWARM_E_DEADLOCK:
        return "DEADLOCK: it waited in a circle of steps; see the DEADLOCK events";
    case SWARM_E_DENIED:
        return "DENIED: a capability does not allow it; ask for less, or give the step a wider one";
    case SWARM_E_QUOTA:
        return "QUOTA: an account is exhausted; charge it, then call swarm_breaker_reset";
    default:
        return "unknown status";
    }
}

const char *swarm_status_text(swarm_status status) {
    switch (status) {
    case SWARM_OK:
        return "OK: done";
    case SWARM_E_INVALID:
        return "INVALID: a value is out of range or options contradict each other; see the call";
    case SWARM_E_STALE:
        return "STALE: the handle is null or its object is gone; look it up again by its key";
    case SWARM_E_MISSING:
        return "MISSING: no such thing; add it first";
    case SWARM_E_DUPLICATE:
        return "DUPLICATE: it exists or was answered already; use another name, or do nothing";
    case SWARM_E_CYCLE:
        return "CYCLE: the edges close a cycle; remove one of those between the steps named";
    case SWARM_E_DEPTH:
        return "DEPTH: nested too deep; raise the run's depth_max";
    case SWARM_E_LIMIT:
        return "LIMIT: a cap of the run is reached; raise it with swarm_run_limits";
    case SWARM_E_FULL:
        return "FULL: a pool is full; raise the field of swarm_config that the error names";
    case SWARM_E_AGAIN:
        return "AGAIN: not now; make progress and call again";
    case SWARM_E_BUSY:
        return "BUSY: in use, or the turn is not held; drain, wait, or call swarm_turn_begin";
    case SWARM_E_STARTED:
        return "STARTED: the step has begun; add the edge before";
    case SWARM_E_FROZEN:
        return "FROZEN: a closed run takes no plans, an open growing one does; a static one runs "
               "again";
    case SWARM_E_NO_AGENT:
        return "NO_AGENT: nobody in service has the skills; add an agent or change the step";
    case SWARM_E_FENCED:
        return "FENCED: the attempt was superseded; its result is not used";
    case SWARM_E_TIMED_OUT:
        return "TIMED_OUT: a time limit was reached; raise it or find what is slow";
    case SWARM_E_STALLED:
        return "STALLED: nothing can move any more; see swarm_run_check";
    case SWARM_E_DEPENDS:
        return "DEPENDS: a step that this one needs did not end OK; see that step";
    case SWARM_E_TOO_BIG:
        return "TOO_BIG: larger than its cap; make it smaller or raise the cap";
    case SWARM_E_GARBAGE:
        return "GARBAGE: the output was refused; see what refused it";
    case SWARM_E_CORRUPT:
        return "CORRUPT: a log frame is damaged; use an older copy";
    case SWARM_E_MISMATCH:
        return "MISMATCH: another version or configuration; set size and version, or use the same "
               "ones";
    case SWARM_E_UNSUPPORTED:
        return "UNSUPPORTED: the host, backend or step cannot do it; give what it lacks";
    case SWARM_E_OVERFLOW:
        return "OVERFLOW: the numbers do not fit their type; make them smaller";
    default:
        return text_of_outcome(status);
    }
}
