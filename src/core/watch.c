/* SPDX-License-Identifier: MIT */
/*
 * watch.c - progress of attempts, from any thread, and the detectors that feed on it (M19, X7).
 *
 * A detector that fires writes one DETECT event with its threshold and what it observed; then, if
 * it is more than a note, the attempt is given up as by any other failure. The event comes first,
 * so that a reader of the log knows why.
 */
#include "../dispatch/watch.h"
#include "../dispatch/pulse.h"
#include "guard.h"

swarm_status swarm_progress(swarm *sw, swarm_attempt attempt, uint64_t bytes, uint64_t tokens,
                            uint64_t digest) {
    uint32_t index = (uint32_t)attempt.id - 1, generation = (uint32_t)(attempt.id >> 32);
    uint64_t tag = pulse_tag(generation);
    struct pulse *pulse;
    bool taken;

    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    /* Acquire: pairs with the release of request_start, so that the cell is this attempt's. */
    if (index >= sw->config.inflight_max ||
        ATOMIC_LOAD(&sw->dispatch.attempts[index].word, acquire) !=
            attempt_word(generation, ATTEMPT_OPEN)) {
        return SWARM_E_STALE;
    }
    pulse = &sw->dispatch.pulses[index];
    taken = bytes != 0 && pulse_add(&pulse->bytes, tag, bytes);
    taken = (tokens != 0 && pulse_add(&pulse->tokens, tag, tokens)) || taken;
    taken = (digest != 0 && pulse_repeat(pulse, tag, digest)) || taken;
    taken = pulse_add(&pulse->beats, tag, 1) || taken; /* last: the turn looks at it first */
    if (!taken) {
        return SWARM_E_STALE; /* it ended meanwhile, and its slot is another attempt's */
    }
    /* Release: the counters before the flag; pairs with the acquire of swarm__pulse_collected. Who
     * finds it set has its counters read by whoever clears it. */
    if (ATOMIC_EXCHANGE(&pulse->posted, 1, acq_rel) == 0) {
        mailbox_push(&sw->pulses_box, index);
        swarm__signal(sw);
    }
    return SWARM_OK;
}

bool swarm__pulse_collected(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;

    /* Acquire: pairs with the release of swarm_progress. Cleared before the counters are read: what
     * the reading misses posts the slot again. */
    (void)ATOMIC_EXCHANGE(&d->pulses[index].posted, 0, acq_rel);
    return slots_taken(&d->attempts_free, index) && d->attempts[index].tracked != NONE32;
}

/* ---- detectors */

static void log_detect(swarm *sw, const struct tracked *step, const struct finding *finding,
                       uint32_t action, uint32_t number) {
    uint64_t fields[5] = {finding->detector, finding->threshold, finding->observed, action, number};

    SWARM_ASSERT(finding->detector != SWARM_DETECT_NONE);
    swarm__log(sw, SWARM_EVENT_DETECT, step->run, step->ordinal, fields);
}

static swarm_outcome outcome_of(uint32_t detector) {
    switch (detector) {
    case SWARM_DETECT_REPEAT:
    case SWARM_DETECT_VALIDATOR:
        return SWARM_OUTCOME_GARBAGE;
    case SWARM_DETECT_LEASE:
        return SWARM_OUTCOME_LOST;
    default:
        return SWARM_OUTCOME_TIMED_OUT;
    }
}

static uint32_t action_of(const struct guard *guard, uint32_t detector) {
    if (((guard->watch.notes >> detector) & 1u) != 0) {
        return SWARM_ACTION_NOTE;
    }
    if (detector == SWARM_DETECT_LATE) {
        return (guard->has & GUARD_HEDGE) != 0 ? SWARM_ACTION_HEDGE : SWARM_ACTION_NOTE;
    }
    return SWARM_ACTION_GIVE_UP;
}

/* False when the attempt is gone. */
static bool watch_fire(swarm *sw, uint32_t index, const struct finding *finding) {
    struct dispatch *d = &sw->dispatch;
    uint32_t tracked = d->attempts[index].tracked, detector = finding->detector, action;
    const struct tracked *step = &d->tracked[tracked];

    action = action_of(&d->guards[step->guard], detector);
    d->pulses[index].fired |= 1u << detector;
    log_detect(sw, step, finding, action, d->attempts[index].number);
    if (action == SWARM_ACTION_NOTE) {
        return true;
    }
    if (action == SWARM_ACTION_HEDGE) {
        swarm__hedge(sw, tracked, detector);
        return true;
    }
    swarm__attempt_lost(sw, index,
                        detector == SWARM_DETECT_REPEAT ? SWARM_E_GARBAGE : SWARM_E_TIMED_OUT,
                        outcome_of(detector));
    return false;
}

static void watch_arm(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    const struct tracked *step = &d->tracked[attempt->tracked];
    const struct pulse *pulse = &d->pulses[index];
    uint64_t at_ns = watch_next(&d->guards[step->guard].watch, pulse);

    at_ns = watch_sooner(pulse, SWARM_DETECT_RUN, attempt->start_ns, step->run_timeout_ns, at_ns);
    if (at_ns == SWARM_NEVER) {
        timer_disarm(d, timer_of_attempt(d, index));
    } else {
        timer_arm(d, timer_of_attempt(d, index), at_ns, attempt->ordinal);
    }
}

void swarm__watch_begin(swarm *sw, uint32_t tracked, uint32_t attempt) {
    SWARM_ASSERT(sw->dispatch.attempts[attempt].tracked == tracked);
    if (sw->dispatch.attempts[attempt].sibling == NONE32) { /* the first of a new try */
        sw->dispatch.guards[sw->dispatch.tracked[tracked].guard].hedged = false;
        sw->dispatch.guards[sw->dispatch.tracked[tracked].guard].wake_ns = SWARM_NEVER;
        swarm__hedge_begin(sw, tracked);
    }
    swarm__guard_arm(sw, tracked);
    watch_arm(sw, attempt);
}

static struct finding watch_look(const swarm *sw, uint32_t index) {
    const struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    const struct tracked *step = &d->tracked[attempt->tracked];
    const struct pulse *pulse = &d->pulses[index];
    uint64_t ran_ns = sw->now_ns - attempt->start_ns;

    if (ran_ns >= step->run_timeout_ns && !watch_has_fired(pulse, SWARM_DETECT_RUN)) {
        return finding_of(SWARM_DETECT_RUN, step->run_timeout_ns, ran_ns);
    }
    return watch_on_time(&d->guards[step->guard].watch, pulse, attempt->start_ns, sw->now_ns);
}

/* One detector at a time: each event has an operation of its own. */
void swarm__watch_timer(swarm *sw, uint32_t index) {
    struct pulse *pulse = &sw->dispatch.pulses[index];
    struct finding finding = watch_look(sw, index);

    if (finding.detector != SWARM_DETECT_NONE && !watch_fire(sw, index, &finding)) {
        return;
    }
    if (finding.detector == SWARM_DETECT_NONE) {
        pulse->fired |= 1u << SWARM_DETECT_RATE; /* it was that window: fast enough */
    }
    watch_arm(sw, index);
}

swarm_outcome swarm__watch_result(swarm *sw, uint32_t tracked, const struct attempt *attempt) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct guard *guard = &sw->dispatch.guards[step->guard];
    const swarm_result *result = &attempt->answer.result;
    struct finding finding = finding_of(SWARM_DETECT_NONE, 0, 0);
    uint32_t action = action_of(guard, SWARM_DETECT_VALIDATOR);

    if (result->size < guard->watch.size_min) {
        finding = finding_of(SWARM_DETECT_VALIDATOR, guard->watch.size_min, result->size);
    } else if (result->confidence_ppm < guard->watch.confidence_min_ppm) {
        finding = finding_of(SWARM_DETECT_VALIDATOR, guard->watch.confidence_min_ppm,
                             result->confidence_ppm);
        action = swarm__recovery_keeps(sw, tracked) ? SWARM_ACTION_NOTE : action;
    }
    if (finding.detector != SWARM_DETECT_NONE) {
        log_detect(sw, step, &finding, action, attempt->number);
    }
    return finding.detector == SWARM_DETECT_NONE || action == SWARM_ACTION_NOTE
               ? SWARM_OUTCOME_OK
               : SWARM_OUTCOME_GARBAGE;
}

void swarm__watch_step(swarm *sw, uint32_t tracked, uint32_t detector, uint64_t threshold,
                       uint64_t observed) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    struct finding finding = finding_of(detector, threshold, observed);

    SWARM_ASSERT(!state_is_terminal(step->state));
    log_detect(sw, step, &finding, SWARM_ACTION_END, 0);
    if (step->attempt != NONE32) {
        swarm__attempt_give_up(sw, tracked, SWARM_E_TIMED_OUT);
    }
    swarm__step_end(sw, tracked, SWARM_STEP_TIMED_OUT, SWARM_E_TIMED_OUT);
}

/* ---- progress, in the turn */

static uint32_t watch_repeats(const struct pulse *pulse) {
    return pulse_repeats_most(ATOMIC_LOAD(&pulse->repeats, relaxed));
}

static void log_progress(swarm *sw, uint32_t index) {
    const struct attempt *attempt = &sw->dispatch.attempts[index];
    const struct pulse *pulse = &sw->dispatch.pulses[index];
    uint64_t repeats = ATOMIC_LOAD(&pulse->repeats, relaxed);
    uint64_t fields[7] = {attempt->number,
                          attempt->epoch,
                          pulse_value(ATOMIC_LOAD(&pulse->bytes, relaxed)),
                          pulse->tokens_seen,
                          pulse_repeats_most(repeats),
                          pulse_repeats_last(repeats),
                          repeats & UINT32_MAX};

    SWARM_ASSERT(attempt->tracked != NONE32);
    swarm__log(sw, SWARM_EVENT_PROGRESS, attempt->run, attempt->ordinal, fields);
}

void swarm__pulse_applied(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    uint32_t tracked = d->attempts[index].tracked;
    struct pulse *pulse = &d->pulses[index];
    struct finding finding;

    if (!slots_taken(&d->attempts_free, index) || tracked == NONE32 || d->attempts[index].settled ||
        !pulse_take(pulse, sw->now_ns)) {
        return; /* answered or given up in this very round, or an echo of an earlier attempt */
    }
    log_progress(sw, index);
    if (d->tracked[tracked].guard == NONE32) {
        return;
    }
    if (pulse->window_ns == 0 && pulse->tokens_seen != 0) {
        pulse->window_ns = sw->now_ns;
        pulse->window_tokens = pulse->tokens_seen;
    }
    finding = watch_on_progress(&d->guards[d->tracked[tracked].guard].watch, pulse,
                                watch_repeats(pulse), sw->now_ns - d->attempts[index].start_ns);
    if (finding.detector == SWARM_DETECT_NONE || watch_fire(sw, index, &finding)) {
        watch_arm(sw, index);
    }
}
