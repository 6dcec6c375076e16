/* SPDX-License-Identifier: MIT */
/*
 * gate.c - limits and rates (M29), those that steps name and those that every attempt of a backend
 * needs, and the governor that finds a backend's limit out by trying (S6).
 *
 * A backend that lets a demand through no more is left out when an agent is picked; where that is
 * the reason that none is found, the demand waits as for a held backend. Waiting for a rate costs a
 * timer, one a rate, at the time when the first of those that wait can go.
 */
#include "gate.h"

#include "../dispatch/governor.h"

#define CONFIRM_NS UINT64_C(100000000)
#define HOLD_NS UINT64_C(3000000000)
#define CUT_NS UINT64_C(5000000000)
#define WINDOW_FIRST 8u
#define WINDOW_MOST (1u << 20)
#define PROBES 2u
#define PERIOD_NS UINT64_C(60000000000)

/* ---- timers */

static void timer_before(struct dispatch *d, uint32_t timer, uint64_t at_ns) {
    if (!heap_contains(d->timer_nodes, timer) || d->timer_nodes[timer].first > at_ns) {
        timer_arm(d, timer, at_ns, 0);
    }
}

static void wake_backend(struct dispatch *d) {
    swarm__demand_wake(d, WAIT_BACKEND);
    swarm__demand_wake(d, WAIT_AGENT); /* who waits for an agent may do with this backend's */
}

static void permit_wake(struct dispatch *d, uint32_t permit) {
    swarm__demand_wake(d, wait_of_permit(permit));
    if (d->permits[permit].backend != NONE32) {
        wake_backend(d);
    }
}

static void governor_timer(swarm *sw, uint32_t backend) {
    governor_confirmed(&sw->dispatch.backends[backend].governor);
    wake_backend(&sw->dispatch);
}

void swarm__gate_timer(swarm *sw, uint32_t index) {
    if (index < sw->config.permits_max) {
        permit_wake(&sw->dispatch, index);
    } else {
        governor_timer(sw, index - sw->config.permits_max);
    }
}

/* ---- what a demand needs */

/* Units that an attempt needs of a permit that its backend brings. */
static uint64_t units_of(const struct dispatch *d, const struct demand *demand,
                         const struct permit *permit) {
    const uint64_t *reserve;

    if (permit->measure == SWARM_MEASURE_REQUESTS) {
        return 1;
    }
    if (demand->charge == NONE32 || permit->measure == SWARM_MEASURE_RETRIES) {
        return 0; /* settled afterwards, into debt; taken when an attempt fails */
    }
    reserve = d->charges[demand->charge].reserve;
    switch (permit->measure) {
    case SWARM_MEASURE_INPUT:
        return reserve[SPEND_INPUT];
    case SWARM_MEASURE_OUTPUT:
        return reserve[SPEND_OUTPUT];
    default:
        return saturating_add64(reserve[SPEND_INPUT], reserve[SPEND_OUTPUT]);
    }
}

uint32_t swarm__gate_retry(swarm *sw, uint32_t agent) {
    struct dispatch *d = &sw->dispatch;
    uint32_t first = d->backends[d->profiles[d->agents[agent].profile].backend].limits;

    for (uint32_t at = first; at != NONE32; at = d->permits[at].next) {
        if (d->permits[at].measure == SWARM_MEASURE_RETRIES &&
            !permit_has(&d->permits[at], 1, sw->now_ns)) {
            return at;
        }
    }
    for (uint32_t at = first; at != NONE32; at = d->permits[at].next) {
        if (d->permits[at].measure == SWARM_MEASURE_RETRIES) {
            permit_take_units(&d->permits[at], 1);
        }
    }
    return NONE32;
}

enum { GATE_OPEN, GATE_SHUT, GATE_NEVER };

/* Whether a backend lets the demand through. A rate that will is timed. */
static int gate_of(swarm *sw, uint32_t backend, const struct demand *demand) {
    struct dispatch *d = &sw->dispatch;
    const struct backend *b = &d->backends[backend];
    int gate = GATE_OPEN;

    if (governor_is_on(&b->governor) && !governor_admits(&b->governor, b->inflight)) {
        gate = GATE_SHUT;
    }
    for (uint32_t at = b->limits; at != NONE32; at = d->permits[at].next) {
        struct permit *permit = &d->permits[at];
        uint64_t units = units_of(d, demand, permit);

        if (!permit_holds(permit, units)) {
            return GATE_NEVER;
        }
        if (!permit_has(permit, units, sw->now_ns)) {
            gate = GATE_SHUT;
            if (permit_is_rate(permit)) {
                timer_before(d, timer_of_permit(d, at), bucket_when(&permit->bucket, units));
            }
        }
    }
    return gate;
}

uint32_t swarm__gate_pick(swarm *sw, uint32_t demand, const struct skill_set *fits,
                          int64_t *out_score, uint32_t *out_why) {
    struct dispatch *d = &sw->dispatch;
    struct skill_set open = *fits;
    bool shut = false;
    uint32_t agent;

    if (d->gates == 0) {
        return swarm__agent_pick(d, &d->demands[demand], fits, out_score, out_why);
    }
    for (uint32_t p = 0; p < d->profiles_count; p++) {
        int gate = set_has(&open, p) ? gate_of(sw, d->profiles[p].backend, &d->demands[demand])
                                     : GATE_OPEN;

        if (gate != GATE_OPEN) {
            set_remove(&open, p);
            shut = shut || (gate == GATE_SHUT && d->profiles[p].agents != 0);
        }
    }
    agent = swarm__agent_pick(d, &d->demands[demand], &open, out_score, out_why);
    if (agent == NONE32 && shut && *out_why == PICK_NOBODY) {
        *out_why = PICK_HELD;
    }
    return agent;
}

uint32_t swarm__gate_lacking(swarm *sw, uint32_t demand) {
    struct dispatch *d = &sw->dispatch;
    uint32_t need = permit_lacking(d, demand, sw->now_ns), index;
    const struct permit *permit;
    uint64_t units;

    if (need == NONE32) {
        return NONE32;
    }
    index = d->demands[demand].needs[need].permit;
    units = d->demands[demand].needs[need].units;
    permit = &d->permits[index];
    if (permit_is_rate(permit) && (permit->saver == NONE32 || permit->saver == demand)) {
        timer_before(d, timer_of_permit(d, index), bucket_when(&permit->bucket, units));
    }
    return wait_of_permit(index);
}

/* ---- taken and given */

/* Those who would have gone first and wait for the same have been overtaken once more. */
static void overtaken(struct dispatch *d, const struct attempt *attempt) {
    const struct demand *demand = &d->demands[attempt->demand];

    for (uint32_t i = 0; i < demand->needs_count; i++) {
        uint32_t permit = demand->needs[i].permit;

        if (d->permits[permit].saver == attempt->demand) {
            permit_saved(d, permit);
            swarm__demand_wake(d, wait_of_permit(permit));
        }
        if (d->permits[permit].bypass_max != 0) {
            permit_overtaken(d, permit, d->waiting[wait_of_permit(permit)],
                             &d->ready_nodes[attempt->reads]);
        }
    }
}

void swarm__gate_take(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    const struct demand *demand = &d->demands[attempt->demand];
    struct backend *backend = &d->backends[attempt->backend];

    backend->inflight++;
    permit_take(d, demand);
    overtaken(d, attempt);
    for (uint32_t at = backend->limits; at != NONE32; at = d->permits[at].next) {
        permit_take_units(&d->permits[at], units_of(d, demand, &d->permits[at]));
    }
    if (governor_is_on(&backend->governor)) {
        governor_started(&backend->governor);
        timer_before(d, timer_of_governor(d, attempt->backend),
                     saturating_add64(sw->now_ns, backend->governor.confirm_ns));
    }
}

static bool was_turned_away(const struct attempt *attempt) {
    return attempt->answer.outcome == SWARM_OUTCOME_THROTTLED ||
           attempt->answer.outcome == SWARM_OUTCOME_REFUSED;
}

static void governor_answered(swarm *sw, uint32_t index) {
    const struct attempt *attempt = &sw->dispatch.attempts[index];
    struct backend *backend = &sw->dispatch.backends[attempt->backend];
    struct governor *g = &backend->governor;
    uint64_t fields[4] = {(uint64_t)attempt->backend + 1, g->window, 0, backend->inflight};

    if (!was_turned_away(attempt)) {
        governor_completed(g);
    } else if (attempt_state(&sw->dispatch, index) != ATTEMPT_QUEUED && /* it was taken */
               governor_throttled(g, backend->inflight, sw->now_ns)) {
        fields[2] = g->window;
        swarm__log(sw, SWARM_EVENT_GOVERN, NONE32, SWARM_NEVER, fields);
    }
    wake_backend(&sw->dispatch);
}

void swarm__gate_give(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    const struct demand *demand = &d->demands[attempt->demand];
    struct backend *backend = &d->backends[attempt->backend];

    SWARM_ASSERT(backend->inflight != 0);
    backend->inflight--;
    permit_give(d, demand, &attempt->answer, sw->now_ns);
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        swarm__demand_wake(d, wait_of_permit(demand->needs[i].permit));
    }
    for (uint32_t at = backend->limits; at != NONE32; at = d->permits[at].next) {
        struct permit *permit = &d->permits[at];

        permit_settle_units(permit, &attempt->answer, units_of(d, demand, permit), sw->now_ns);
    }
    if (governor_is_on(&backend->governor)) {
        governor_answered(sw, index);
    } else if (backend->limits != NONE32) {
        wake_backend(d);
    }
}

uint64_t swarm__gate_hold_until(const swarm *sw, const struct attempt *attempt,
                                uint64_t backoff_ns) {
    const struct governor *g = &sw->dispatch.backends[attempt->backend].governor;
    uint64_t until_ns = attempt->answer.until_ns, rest_ns;

    if (until_ns <= sw->now_ns) {
        until_ns = saturating_add64(sw->now_ns, backoff_ns == 0 ? 1 : backoff_ns);
    }
    rest_ns = governor_is_on(g) ? saturating_add64(sw->now_ns, g->hold_ns) : 0;
    return rest_ns > until_ns ? rest_ns : until_ns;
}

/* ---- the caller's calls */

static const char *limit_fault(const struct dispatch *d, const swarm_limit_spec *spec,
                               swarm_status *out_status) {
    *out_status = SWARM_E_INVALID;
    if (spec == NULL || (spec->capacity == 0) == (spec->units == 0) ||
        spec->measure > SWARM_MEASURE_RETRIES ||
        (spec->capacity != 0 && (spec->measure != 0 || spec->period_ns != 0 || spec->burst != 0))) {
        return "limit: null, or neither or both of capacity and units";
    }
    if (spec->backend.id != 0 && spec->bypass_max != 0) {
        return "limit: bypass_max is for limits that steps name";
    }
    if (spec->backend.id == 0 && spec->measure == SWARM_MEASURE_RETRIES) {
        return "limit: retries are limited for a backend";
    }
    *out_status = SWARM_E_STALE;
    return spec->backend.id > d->backends_count ? "limit: no such backend" : NULL;
}

/* A limit of a backend comes into service. */
static void limit_attach(struct dispatch *d, uint32_t index) {
    struct permit *permit = &d->permits[index];
    uint32_t *link;

    permit->next = NONE32;
    link = &d->backends[permit->backend].limits;
    while (*link != NONE32) { /* in the order in which they were added */
        link = &d->permits[*link].next;
    }
    *link = index;
    d->gates++;
}

swarm_permit swarm_limit_add(swarm *sw, const swarm_limit_spec *spec) {
    swarm_permit id = {0};
    struct bucket bucket = {0};
    struct dispatch *d;
    swarm_status status;
    const char *fault;

    if (!swarm__owned(sw)) {
        return id;
    }
    d = &sw->dispatch;
    fault = limit_fault(d, spec, &status);
    if (fault == NULL && spec->units != 0 &&
        !bucket_init(&bucket, spec->units, spec->period_ns == 0 ? PERIOD_NS : spec->period_ns,
                     spec->burst == 0 ? spec->units : spec->burst, sw->now_ns)) {
        status = SWARM_E_OVERFLOW;
        fault = "limit: burst times period is too large";
    }
    if (fault != NULL) {
        if (sw->fault.status == SWARM_OK) {
            swarm__refuse(&sw->fault, status, fault);
        }
        return id;
    }
    id = swarm_permit_add(sw, spec->name, spec->units != 0 ? SWARM_NEVER : spec->capacity);
    if (id.id != 0) {
        struct permit *permit = &d->permits[id.id - 1];

        permit->bucket = bucket;
        permit->measure = spec->measure;
        permit->bypass_max = spec->bypass_max == SWARM_NONE ? 0 : spec->bypass_max;
        if (spec->backend.id != 0) {
            permit->backend = (uint32_t)spec->backend.id - 1;
            limit_attach(d, (uint32_t)id.id - 1);
        }
    }
    return id;
}

uint64_t swarm__limit_digest(const struct permit *permit) {
    const struct bucket *bucket = &permit->bucket;
    uint64_t digest;

    if (!permit_is_rate(permit) && permit->backend == NONE32 && permit->bypass_max == 0) {
        return permit->capacity;
    }
    digest = hash_mix64(hash_mix64(permit->capacity, bucket->units), bucket->period);
    digest = hash_mix64(hash_mix64(digest, bucket->full), permit->measure);
    return hash_mix64(hash_mix64(digest, permit->bypass_max), permit->backend);
}

/* ---- a log is replayed: limits and governors come into service where it says */

void swarm__gates_aside(struct dispatch *d) {
    for (uint32_t i = 0; i < d->backends_count; i++) {
        d->backends[i].limits = NONE32;
        d->backends[i].governor.window = 0;
    }
    d->gates = 0;
}

void swarm__limit_again(struct dispatch *d, uint32_t permit) {
    if (d->permits[permit].backend != NONE32) {
        limit_attach(d, permit);
        wake_backend(d);
    }
}

static uint64_t given_or(uint64_t value, uint64_t otherwise) {
    return value == 0 ? otherwise : value == SWARM_ZERO ? 0 : value;
}

/* From its beginning; `first` 0: off. */
static void governor_begin(struct dispatch *d, uint32_t backend) {
    struct governor *g = &d->backends[backend].governor;
    uint32_t first = g->first < g->most ? g->first : g->most;

    d->gates -= governor_is_on(g);
    g->window = first * GOVERNOR_ONE;
    g->cut_at_ns = 0;
    g->unconfirmed = 0;
    g->probing = true;
    g->cut = false;
    d->gates += governor_is_on(g);
    wake_backend(d);
}

/* Fields of a GOVERNOR event. */
enum { GOV_BACKEND, GOV_CONFIRM, GOV_HOLD, GOV_CUT, GOV_FIRST, GOV_MOST, GOV_PROBES, GOV_FIELDS };

void swarm__governor_log(swarm *sw) {
    uint32_t backend = 0;

    while (!sw->dispatch.backends[backend].governor.untold) {
        backend++;
        SWARM_ASSERT(backend < sw->dispatch.backends_count);
    }
    struct governor *g = &sw->dispatch.backends[backend].governor;
    uint64_t fields[GOV_FIELDS] = {
        (uint64_t)backend + 1, g->confirm_ns, g->hold_ns, g->cut_ns, g->first, g->most,
        g->probes_max};

    g->untold = false;
    sw->logged.governors--;
    swarm__log(sw, SWARM_EVENT_GOVERNOR, NONE32, SWARM_NEVER, fields);
}

bool swarm__governor_again(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    struct governor *g;

    if (event->field[GOV_BACKEND] == 0 || event->field[GOV_BACKEND] > d->backends_count ||
        event->field[GOV_FIRST] > WINDOW_MOST || event->field[GOV_MOST] > WINDOW_MOST) {
        return false;
    }
    g = &d->backends[event->field[GOV_BACKEND] - 1].governor;
    sw->logged.governors -= g->untold;
    g->untold = false; /* whatever the caller has set up: the log knows more */
    g->confirm_ns = event->field[GOV_CONFIRM];
    g->hold_ns = event->field[GOV_HOLD];
    g->cut_ns = event->field[GOV_CUT];
    g->first = (uint32_t)event->field[GOV_FIRST];
    g->most = (uint32_t)event->field[GOV_MOST];
    g->probes_max = (uint32_t)event->field[GOV_PROBES];
    governor_begin(d, (uint32_t)event->field[GOV_BACKEND] - 1);
    return true;
}

void swarm__governors_back(struct dispatch *d) {
    for (uint32_t i = 0; i < d->backends_count; i++) {
        if (d->backends[i].governor.untold) {
            governor_begin(d, i);
        }
    }
}

static void governor_fill(struct governor *g, const swarm_governor_spec *spec) {
    static const swarm_governor_spec off;

    spec = spec == NULL ? &off : spec;
    g->confirm_ns = g->hold_ns = g->cut_ns = 0;
    g->first = g->most = g->probes_max = 0;
    if (spec == &off) {
        return;
    }
    g->confirm_ns = spec->confirm_ns == 0 ? CONFIRM_NS : spec->confirm_ns;
    g->hold_ns = given_or(spec->hold_ns, HOLD_NS);
    g->cut_ns = given_or(spec->cut_ns, CUT_NS);
    g->most = spec->most == 0 ? WINDOW_MOST : spec->most;
    g->probes_max = spec->probes_max == 0 ? PROBES : spec->probes_max;
    g->first = spec->first == 0 ? WINDOW_FIRST : spec->first;
}

swarm_status swarm_governor_set(swarm *sw, swarm_backend_id backend,
                                const swarm_governor_spec *spec) {
    struct dispatch *d;
    struct governor *governor;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    d = &sw->dispatch;
    if (backend.id == 0 || backend.id > d->backends_count) {
        return SWARM_E_STALE;
    }
    if (spec != NULL && (spec->first > WINDOW_MOST || spec->most > WINDOW_MOST ||
                         (spec->most != 0 && spec->first > spec->most) || spec->reserved != 0)) {
        return SWARM_E_INVALID;
    }
    governor = &d->backends[backend.id - 1].governor;
    governor_fill(governor, spec);
    governor_begin(d, (uint32_t)backend.id - 1);
    sw->logged.governors += !governor->untold;
    governor->untold = true;
    return SWARM_OK;
}
