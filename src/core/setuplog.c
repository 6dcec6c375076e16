/* SPDX-License-Identifier: MIT */
/*
 * setuplog.c - what was set up, in the log: backends, profiles, agents, permits, tenants and
 * governors.
 *
 * Setup calls write nothing, so they need no room in the log. The next round that applies or starts
 * something writes what has come since the last one, one event an operation, before all else: only
 * rounds look at agents, so that is early enough. Names are digests; tables and functions are the
 * process's own, and a resume finds them by the names.
 *
 * Threads: the turn.
 */
#include "capability.h"
#include "gate.h"
#include "tenant.h"

enum {
    SETUP_BACKEND = 1,
    SETUP_PROFILE = 2,
    SETUP_AGENTS = 3,
    SETUP_WITHDRAWN = 4,
    SETUP_PERMIT = 5,
    SETUP_CAPABILITY = 6,
    SETUP_TENANT = 7
};

static void log_setup(swarm *sw, uint32_t what, uint32_t index, uint64_t name, uint64_t detail) {
    uint64_t fields[4] = {what, (uint64_t)index + 1, name, detail};

    swarm__log(sw, SWARM_EVENT_SETUP, NONE32, SWARM_NEVER, fields);
}

/* Over all that decides what its agents are given. Skills by their names: which bit a skill has
 * depends on who named it first. */
static uint64_t profile_digest(const struct dispatch *d, const struct profile *profile) {
    const swarm_price *price = &profile->price;
    uint64_t digest = hash_mix64(profile->backend, profile->inflight_max);
    uint64_t skill = swarm__skill_above(d, &profile->skills, 0);

    digest = hash_mix64(digest, profile->cost);
    digest = profile->slow_ppm == MILLION ? digest : hash_mix64(digest, profile->slow_ppm);
    digest = profile->prefixes_max == 0 ? digest : hash_mix64(digest, profile->prefixes_max);
    for (; skill != 0; skill = swarm__skill_above(d, &profile->skills, skill)) {
        digest = hash_mix64(digest, skill);
    }
    if (price->fixed_nano != 0 || price->input_nano != 0 || price->cached_nano != 0 ||
        price->output_nano != 0) {
        digest = hash_mix64(hash_mix64(digest, price->fixed_nano), price->input_nano);
        digest = hash_mix64(hash_mix64(digest, price->cached_nano), price->output_nano);
    }
    if (profile->notebook_tokens_max != SWARM_NEVER ||
        profile->conclusion_bytes_max != SWARM_NEVER) {
        digest = hash_mix64(digest, profile->notebook_tokens_max);
        digest = hash_mix64(digest, profile->conclusion_bytes_max);
    }
    return digest;
}

static uint64_t tenant_digest(const struct tenant *tenant) {
    return hash_mix64(tenant->weight, tenant->order);
}

/* As many as are of one profile, side by side. */
static void log_agents(swarm *sw) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t first = sw->logged.agents, count = 1;
    uint32_t all = ATOMIC_LOAD(&d->agents_count, relaxed), profile = d->agents[first].profile;

    while (first + count < all && d->agents[first + count].profile == profile) {
        count++;
    }
    sw->logged.agents = first + count;
    log_setup(sw, SETUP_AGENTS, first, (uint64_t)profile + 1, count);
}

static void log_withdrawn(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t agent = 0;

    while (!d->agents[agent].withdrawn || d->agents[agent].withdrawn_logged) {
        agent++;
        SWARM_ASSERT(agent < ATOMIC_LOAD(&d->agents_count, relaxed));
    }
    d->agents[agent].withdrawn_logged = true;
    sw->logged.withdrawals--;
    log_setup(sw, SETUP_WITHDRAWN, agent, 0, 0);
}

bool swarm__setup_log(swarm *sw) {
    const struct dispatch *d = &sw->dispatch;
    struct setup_logged *logged = &sw->logged;

    if (!sw->log.enabled) {
        return false;
    }
    if (logged->backends < d->backends_count) {
        uint32_t i = logged->backends++;

        log_setup(sw, SETUP_BACKEND, i, d->backends[i].name, 0);
    } else if (logged->profiles < d->profiles_count) {
        uint32_t i = logged->profiles++;

        log_setup(sw, SETUP_PROFILE, i, d->profiles[i].name, profile_digest(d, &d->profiles[i]));
    } else if (logged->agents < ATOMIC_LOAD(&d->agents_count, relaxed)) {
        log_agents(sw);
    } else if (logged->permits < ATOMIC_LOAD(&d->permits_count, relaxed)) {
        uint32_t i = logged->permits++;

        log_setup(sw, SETUP_PERMIT, i, d->permits[i].name, swarm__limit_digest(&d->permits[i]));
    } else if (logged->capabilities < ATOMIC_LOAD(&d->capabilities_count, relaxed)) {
        uint32_t i = logged->capabilities++;

        log_setup(sw, SETUP_CAPABILITY, i, 0, swarm__capability_digest(d, i));
    } else if (logged->tenants < d->tenants_count) {
        uint32_t i = ++logged->tenants;

        log_setup(sw, SETUP_TENANT, i - 1, d->tenants[i].name, tenant_digest(&d->tenants[i]));
    } else if (logged->governors != 0) {
        swarm__governor_log(sw);
    } else if (logged->withdrawals != 0) {
        log_withdrawn(sw);
    } else {
        return false;
    }
    return true;
}

/* ---- and again, from a log: what the caller has set up comes into service where the log says */

static bool agents_again(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    uint32_t first = ATOMIC_LOAD(&d->agents_count, relaxed);
    uint64_t profile = event->field[2], count = event->field[3];
    swarm_error error;

    if (event->field[1] != (uint64_t)first + 1 || profile == 0 || profile > d->profiles_count ||
        count == 0 || count > sw->config.agents_max - first) {
        return false;
    }
    for (uint64_t i = first; i < first + count && i < sw->resume.agents; i++) {
        if (d->agents[i].profile != profile - 1) {
            return false;
        }
    }
    (void)swarm__agent_add(d, (uint32_t)profile - 1, (uint32_t)count, &error);
    sw->logged.agents = first + (uint32_t)count;
    swarm__agents_changed(d, first);
    return true;
}

static bool withdrawn_again(swarm *sw, uint64_t id) {
    struct dispatch *d = &sw->dispatch;

    if (!agent_exists(d, id) || d->agents[id - 1].withdrawn) {
        return false;
    }
    swarm__agent_withdraw(d, (uint32_t)id - 1);
    d->agents[id - 1].withdrawn_logged = true;
    swarm__agents_changed(d, (uint32_t)id - 1);
    return true;
}

/* A plan may name it before the round that writes the event. */
void swarm__replay_profile(swarm *sw, uint64_t id) {
    struct dispatch *d = &sw->dispatch;

    while (d->profiles_count < id && d->profiles_count < sw->resume.profiles) {
        d->profiles_count++;
        d->profiles_version++;
    }
}

static bool profile_again(swarm *sw, const swarm_event *event) {
    const struct dispatch *d = &sw->dispatch;
    uint64_t id = event->field[1];

    swarm__replay_profile(sw, id);
    if (id != (uint64_t)sw->logged.profiles + 1 || id > d->profiles_count) {
        return false;
    }
    sw->logged.profiles++;
    return d->profiles[id - 1].name == event->field[2] &&
           profile_digest(d, &d->profiles[id - 1]) == event->field[3];
}

static bool permit_again(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    uint64_t id = event->field[1];

    if (id != (uint64_t)sw->logged.permits + 1 || !permit_exists(d, id) ||
        d->permits[id - 1].name != event->field[2] ||
        swarm__limit_digest(&d->permits[id - 1]) != event->field[3]) {
        return false;
    }
    sw->logged.permits++;
    swarm__limit_again(d, (uint32_t)id - 1);
    return true;
}

/* A run of the tenant may have been opened before the round that writes the event. */
void swarm__replay_tenant(swarm *sw, uint64_t id) {
    struct dispatch *d = &sw->dispatch;

    while (d->tenants_count < id && d->tenants_count < sw->resume.tenants) {
        swarm__demand_tenants(d);
        d->tenants[d->tenants_count].pass = d->pass;
    }
}

static bool tenant_again(swarm *sw, const swarm_event *event) {
    const struct dispatch *d = &sw->dispatch;
    uint64_t id = event->field[1];

    swarm__replay_tenant(sw, id);
    if (id != (uint64_t)sw->logged.tenants + 1 || id > d->tenants_count) {
        return false;
    }
    sw->logged.tenants++;
    return d->tenants[id].name == event->field[2] &&
           tenant_digest(&d->tenants[id]) == event->field[3];
}

static bool setup_again(swarm *sw, const swarm_event *event) {
    const struct dispatch *d = &sw->dispatch;
    uint64_t id = event->field[1];

    switch (event->field[0]) {
    case SETUP_BACKEND:
        return id == ++sw->logged.backends && id <= d->backends_count &&
               d->backends[id - 1].name == event->field[2];
    case SETUP_PROFILE:
        return profile_again(sw, event);
    case SETUP_AGENTS:
        return agents_again(sw, event);
    case SETUP_WITHDRAWN:
        return withdrawn_again(sw, id);
    case SETUP_PERMIT:
        return permit_again(sw, event);
    case SETUP_CAPABILITY:
        return id == ++sw->logged.capabilities &&
               id <= ATOMIC_LOAD(&d->capabilities_count, relaxed) &&
               swarm__capability_digest(d, (uint32_t)id - 1) == event->field[3];
    case SETUP_TENANT:
        return tenant_again(sw, event);
    default:
        return false;
    }
}

void swarm__replay_setup(swarm *sw, const swarm_event *event) {
    bool fits = event->kind == SWARM_EVENT_GOVERNOR ? swarm__governor_again(sw, event)
                                                    : setup_again(sw, event);

    if (fits) {
        swarm__replay_accept(sw, event);
    } else {
        swarm__resume_fail(
            sw, SWARM_E_MISMATCH,
            "resume: backends, profiles, agents, permits or tenants were set up otherwise");
    }
}
