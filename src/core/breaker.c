/* SPDX-License-Identifier: MIT */
/*
 * breaker.c - breakers of backends and agents: what opens them, what closes them, and exhausted
 * accounts (M32, M21).
 *
 * An open backend is held as one that is overloaded; an open agent is out of its profile's heap. So
 * a step that fits others goes there, and one that does not waits in its queue: not for ever, since
 * each breaker is tried again, but for one whose account is exhausted, and that is told.
 */
#include "breaker.h"
#include "guard.h"

#define OPEN_NS UINT64_C(30000000000)
#define FAILURE_PPM 500000u
#define SAMPLES_MIN 8u

static struct backend *backend_of(struct dispatch *d, uint32_t index) {
    uint32_t agent = index - d->config->backends_max;

    return &d->backends[breaker_is_of_agent(d, index)
                            ? d->profiles[d->agents[agent].profile].backend
                            : index];
}

static void log_breaker(swarm *sw, uint32_t index, swarm_outcome outcome) {
    struct dispatch *d = &sw->dispatch;
    const struct breaker *b = &d->breakers[index];
    bool of_agent = breaker_is_of_agent(d, index);
    uint64_t fields[8] = {
        of_agent ? 2 : 1, (uint64_t)index - (of_agent ? d->config->backends_max : 0) + 1,
        b->state,         outcome,
        b->failing_ppm,   backend_of(d, index)->breaker.failure_ppm,
        b->samples,       b->until_ns};

    swarm__log(sw, SWARM_EVENT_BREAKER, NONE32, SWARM_NEVER, fields);
}

/* ---- who is out, and who may be asked again */

static void agents_arm(struct dispatch *d) {
    uint64_t first_ns = SWARM_NEVER;

    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->agents_count, relaxed); i++) {
        const struct breaker *b = &d->breakers[breaker_of_agent(d, i)];

        if (b->state == SWARM_BREAKER_OPEN && b->until_ns < first_ns) {
            first_ns = b->until_ns;
        }
    }
    if (first_ns == SWARM_NEVER) {
        timer_disarm(d, timer_of_breakers(d));
    } else {
        timer_arm(d, timer_of_breakers(d), first_ns, 0);
    }
}

/* Nothing goes through, or something does again. */
static void shut(swarm *sw, uint32_t index, bool is_shut) {
    struct dispatch *d = &sw->dispatch;
    uint32_t agent = index - d->config->backends_max;

    if (breaker_is_of_agent(d, index)) {
        swarm__agent_shut(d, agent, is_shut);
        if (!is_shut) {
            swarm__demand_wake_agent(d, d->agents[agent].profile, agent);
        }
        return;
    }
    d->backends[index].shut = is_shut;
    if (!is_shut) {
        swarm__demand_wake(d, WAIT_BACKEND);
        swarm__demand_wake(d, WAIT_AGENT);
    }
}

static void breaker_open(swarm *sw, uint32_t index, swarm_outcome outcome, uint64_t until_ns) {
    struct dispatch *d = &sw->dispatch;
    struct breaker *b = &d->breakers[index];

    b->state = SWARM_BREAKER_OPEN;
    b->until_ns = until_ns;
    b->outcome = outcome;
    b->probe = NONE32;
    log_breaker(sw, index, outcome);
    shut(sw, index, true);
    if (breaker_is_of_agent(d, index)) {
        agents_arm(d);
    } else if (until_ns == SWARM_NEVER) {
        d->backends[index].held_until = until_ns;
        timer_disarm(d, timer_of_backend(d, index));
    } else if (until_ns > d->backends[index].held_until) {
        d->backends[index].held_until = until_ns;
        timer_arm(d, timer_of_backend(d, index), until_ns, 0);
    }
}

static void breaker_close(swarm *sw, uint32_t index, swarm_outcome outcome) {
    breaker_reset(&sw->dispatch.breakers[index]);
    log_breaker(sw, index, outcome);
    shut(sw, index, false);
}

static void breaker_try(swarm *sw, uint32_t index) {
    struct breaker *b = &sw->dispatch.breakers[index];

    SWARM_ASSERT(b->state == SWARM_BREAKER_OPEN);
    SWARM_ASSERT(!breaker_lacks_quota(b));
    b->state = SWARM_BREAKER_HALF_OPEN;
    b->until_ns = 0;
    log_breaker(sw, index, b->outcome);
    shut(sw, index, false);
}

void swarm__breaker_backend_due(swarm *sw, uint32_t backend) {
    if (sw->dispatch.breakers[backend].state == SWARM_BREAKER_OPEN) {
        breaker_try(sw, backend);
    }
}

/* One an operation; the timer is due again at once if there are more. */
void swarm__breaker_agents_due(swarm *sw) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->agents_count, relaxed); i++) {
        const struct breaker *b = &d->breakers[breaker_of_agent(d, i)];

        if (b->state == SWARM_BREAKER_OPEN && b->until_ns <= sw->now_ns) {
            breaker_try(sw, breaker_of_agent(d, i));
            break;
        }
    }
    agents_arm(d);
}

/* ---- attempts */

static void probe_begin(swarm *sw, uint32_t index, uint32_t attempt) {
    struct breaker *b = &sw->dispatch.breakers[index];

    if (b->state == SWARM_BREAKER_HALF_OPEN) {
        SWARM_ASSERT(b->probe == NONE32);
        b->probe = attempt;
        shut(sw, index, true);
    }
}

/* It said nothing, else it would be none any more: another one may go. */
static void probe_end(swarm *sw, uint32_t index, uint32_t attempt) {
    struct breaker *b = &sw->dispatch.breakers[index];

    if (b->probe == attempt) {
        b->probe = NONE32;
        shut(sw, index, false);
    }
}

void swarm__breaker_begin(swarm *sw, uint32_t attempt) {
    const struct attempt *a = &sw->dispatch.attempts[attempt];

    probe_begin(sw, a->backend, attempt);
    probe_begin(sw, breaker_of_agent(&sw->dispatch, a->agent), attempt);
}

void swarm__breaker_end(swarm *sw, uint32_t attempt) {
    const struct attempt *a = &sw->dispatch.attempts[attempt];

    probe_end(sw, a->backend, attempt);
    probe_end(sw, breaker_of_agent(&sw->dispatch, a->agent), attempt);
}

static void sample(swarm *sw, uint32_t index, uint32_t attempt, swarm_outcome outcome) {
    struct dispatch *d = &sw->dispatch;
    struct breaker *b = &d->breakers[index];
    const swarm_breaker_spec *spec = &backend_of(d, index)->breaker;
    bool failed = outcome_is_failure(outcome), decides = b->probe == attempt;

    if (b->state == SWARM_BREAKER_OPEN || (b->state == SWARM_BREAKER_HALF_OPEN && !decides)) {
        return; /* from before */
    }
    breaker_count(b, failed);
    if (failed && (decides || breaker_trips(b, spec))) {
        uint64_t until_ns = saturating_add64(sw->now_ns, spec->open_ns);

        breaker_open(sw, index, outcome, until_ns < SWARM_NEVER ? until_ns : SWARM_NEVER - 1);
    } else if (!failed && decides) {
        breaker_close(sw, index, outcome);
    }
}

void swarm__breaker_sample(swarm *sw, uint32_t attempt, swarm_outcome outcome) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *a = &d->attempts[attempt];

    if (d->backends[a->backend].breaker.open_ns != 0 &&
        (outcome == SWARM_OUTCOME_OK || outcome_is_failure(outcome))) {
        sample(sw, a->backend, attempt, outcome);
        sample(sw, breaker_of_agent(d, a->agent), attempt, outcome);
    }
}

/* Its answer has been counted as good already. What follows from one more that is not comes with
 * the agent's next answer: a vote has many ballots, and an operation few events. */
void swarm__breaker_voted(swarm *sw, uint32_t agent, bool agreed) {
    struct dispatch *d = &sw->dispatch;
    struct breaker *b = &d->breakers[breaker_of_agent(d, agent)];

    if (!agreed && backend_of(d, breaker_of_agent(d, agent))->breaker.open_ns != 0 &&
        b->state == SWARM_BREAKER_CLOSED) {
        breaker_count(b, true);
    }
}

void swarm__breaker_quota(swarm *sw, uint32_t backend) {
    struct dispatch *d = &sw->dispatch;

    if (!breaker_lacks_quota(&d->breakers[backend])) {
        d->quotas++;
        breaker_open(sw, backend, SWARM_OUTCOME_QUOTA, SWARM_NEVER);
        swarm__demand_wake(d, WAIT_BACKEND); /* who waited for the end of a hold may fall back */
    }
}

/* ---- what it means for a step */

static bool profile_is_out(const struct dispatch *d, uint32_t profile) {
    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->agents_count, relaxed); i++) {
        if (d->agents[i].profile == profile && !d->agents[i].withdrawn && !d->agents[i].shut) {
            return false;
        }
    }
    return true;
}

static bool is_out(const struct dispatch *d, const struct demand *demand, uint32_t profile) {
    const struct backend *backend = &d->backends[d->profiles[profile].backend];

    if (backend->shut || backend->breaker.open_ns == 0) {
        return backend->shut;
    }
    return demand->agent != NONE32 ? d->agents[demand->agent].shut : profile_is_out(d, profile);
}

uint32_t swarm__breaker_holds(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    uint32_t index = d->tracked[tracked].demand, held = SWARM_HELD_NONE;

    if (d->breakers_on + d->quotas == 0 || index == NONE32) {
        return SWARM_HELD_NONE;
    }
    for (uint32_t p = 0; p < d->profiles_count; p++) {
        if (!set_has(swarm__demand_profiles(d, index), p) || d->profiles[p].agents == 0) {
            continue;
        }
        if (!is_out(d, &d->demands[index], p)) {
            return SWARM_HELD_NONE;
        }
        if (!breaker_lacks_quota(&d->breakers[d->profiles[p].backend])) {
            held = SWARM_HELD_BREAKER;
        } else if (held == SWARM_HELD_NONE) {
            held = SWARM_HELD_QUOTA;
        }
    }
    return held;
}

/* ---- the caller's calls */

static bool is_of_backend(const struct dispatch *d, uint32_t agent, uint32_t backend) {
    return d->profiles[d->agents[agent].profile].backend == backend;
}

/* Closes the breakers of a backend's agents, and its own unless its account is exhausted. Says
 * nothing: the owner's call does, or nobody. */
static void close_all(swarm *sw, uint32_t backend) {
    struct dispatch *d = &sw->dispatch;
    struct breaker *b = &d->breakers[backend];

    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->agents_count, relaxed); i++) {
        if (is_of_backend(d, i, backend)) {
            breaker_reset(&d->breakers[breaker_of_agent(d, i)]);
            shut(sw, breaker_of_agent(d, i), false);
        }
    }
    agents_arm(d);
    if (breaker_lacks_quota(b)) {
        return;
    }
    if (b->state == SWARM_BREAKER_OPEN && b->until_ns == d->backends[backend].held_until) {
        d->backends[backend].held_until = 0;
        timer_disarm(d, timer_of_backend(d, backend));
    }
    breaker_reset(b);
    shut(sw, backend, false);
}

static swarm_status backend_check(swarm *sw, swarm_backend_id backend) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    return backend.id == 0 || backend.id > sw->dispatch.backends_count ? SWARM_E_STALE : SWARM_OK;
}

swarm_status swarm_breaker_set(swarm *sw, swarm_backend_id backend,
                               const swarm_breaker_spec *spec) {
    static const swarm_breaker_spec off;
    swarm_status status = backend_check(sw, backend);
    swarm_breaker_spec *own;

    if (status != SWARM_OK) {
        return status;
    }
    if (spec != NULL && (spec->failure_ppm > MILLION || spec->open_ns == SWARM_NEVER)) {
        return SWARM_E_INVALID;
    }
    own = &sw->dispatch.backends[backend.id - 1].breaker;
    sw->dispatch.breakers_on -= own->open_ns != 0;
    *own = spec == NULL ? off : *spec;
    if (spec == NULL) {
        close_all(sw, (uint32_t)backend.id - 1);
        return SWARM_OK;
    }
    own->open_ns = spec->open_ns == 0 ? OPEN_NS : spec->open_ns == SWARM_ZERO ? 1 : spec->open_ns;
    own->failure_ppm = spec->failure_ppm == 0 ? FAILURE_PPM : spec->failure_ppm;
    own->samples_min = spec->samples_min == 0 ? SAMPLES_MIN : spec->samples_min;
    sw->dispatch.breakers_on++;
    return SWARM_OK;
}

swarm_status swarm_breaker_reset(swarm *sw, swarm_backend_id backend) {
    swarm_status status = backend_check(sw, backend);
    struct dispatch *d;

    if (status != SWARM_OK) {
        return status;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    d = &sw->dispatch;
    swarm__log(sw, SWARM_EVENT_BREAKER_RESET, NONE32, SWARM_NEVER, &backend.id);
    d->quotas -= breaker_lacks_quota(&d->breakers[backend.id - 1]);
    d->breakers[backend.id - 1].outcome = SWARM_OUTCOME_OK;
    close_all(sw, (uint32_t)backend.id - 1);
    return SWARM_OK;
}
