/* SPDX-License-Identifier: MIT */
#include "demand.h"

#include "charge.h"
#include "skill.h"
#include "tenant.h"

#include <string.h>

/* From a lock-free pool: whoever fills a plan needs one for each step, on any thread. Until it is
 * interned it belongs to that thread, and nobody else knows it. */
uint32_t swarm__demand_new(struct dispatch *d) {
    uint32_t index = pool_pop(&d->demands_pool);

    if (index != NONE32) {
        struct demand *demand = &d->demands[index];

        memset(demand, 0, sizeof *demand);
        demand->agent = NONE32;
        demand->profile = NONE32;
        demand->capability = NONE32;
        demand->ready = NONE32;
        demand->chain = NONE32;
        demand->list = NONE32;
        demand->charge = NONE32;
        demand->saves = NONE32;
    }
    return index;
}

void swarm__demand_skills(struct dispatch *d, uint32_t demand, const char *const *names,
                          uint32_t count) {
    SWARM_ASSERT(names != NULL || count == 0);
    SWARM_ASSERT(!d->demands[demand].interned);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t name = hash_text64(names[i]);
        uint32_t skill = swarm__skill_wish(d, name);

        if (skill == NONE32) {
            d->demands[demand].unknown_skill = true;
        } else {
            set_add(&d->demands[demand].skills, skill);
        }
        /* A sum: the order in which skills are listed makes no difference. */
        d->demands[demand].digest += hash_mix64(name, 1);
    }
}

/* By the budget's name: handles are not hashed. */
static uint64_t charge_digest(const struct dispatch *d, const struct charge *charge) {
    uint32_t budget = budget_find(d, charge->budget);
    uint64_t digest = budget == NONE32 ? 0 : ATOMIC_LOAD(&d->budgets[budget].name, relaxed);

    for (uint32_t i = 0; i < SPENDS; i++) {
        digest = hash_mix64(digest, charge->reserve[i]);
    }
    return digest;
}

/* The digest is complete here: a sum over needs, so that their order makes no difference, then what
 * has an order. By names and not by indices, so that it may be logged and compared with another
 * process's. */
void swarm__demand_seal(struct dispatch *d, uint32_t index, uint32_t run) {
    struct demand *demand = &d->demands[index];

    demand->run = run;
    SWARM_ASSERT(!demand->interned);
    SWARM_ASSERT(demand->needs_count <= NEEDS_MAX);
    SWARM_ASSERT(run < d->config->runs_max);
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        uint64_t permit = d->permits[demand->needs[i].permit].name;

        demand->digest += hash_mix64(hash_mix64(permit, 2), demand->needs[i].units);
    }
    demand->digest = hash_mix64(demand->digest, (uint64_t)demand->agent + 1);
    if (demand->capability != NONE32) {
        demand->digest = hash_mix64(demand->digest, ~(uint64_t)demand->capability);
    }
    if (demand->profile != NONE32) {
        demand->digest = hash_mix64(demand->digest, demand->profile);
    }
    if (demand->leaves) {
        demand->digest = hash_mix64(demand->digest, 1);
    }
    if (demand->charge != NONE32) {
        demand->digest = hash_mix64(demand->digest, charge_digest(d, &d->charges[demand->charge]));
    }
}

static bool charges_equal(const struct dispatch *d, const struct demand *a,
                          const struct demand *b) {
    const struct charge *x, *y;

    if (a->charge == NONE32 || b->charge == NONE32) {
        return a->charge == b->charge;
    }
    x = &d->charges[a->charge];
    y = &d->charges[b->charge];
    return x->budget.id == y->budget.id && memcmp(x->reserve, y->reserve, sizeof x->reserve) == 0;
}

/* Digests are compared first and decide almost always; the rest is there because 64 bits may
 * collide, and then steps would start with what others require. */
static bool demands_equal(const struct dispatch *d, const struct demand *a,
                          const struct demand *b) {
    SWARM_ASSERT(a->needs_count <= NEEDS_MAX);
    SWARM_ASSERT(a != b);
    if (a->own || b->own || a->digest != b->digest || a->run != b->run || a->agent != b->agent ||
        a->profile != b->profile || a->capability != b->capability || a->leaves != b->leaves ||
        a->needs_count != b->needs_count || a->unknown_skill != b->unknown_skill ||
        memcmp(&a->skills, &b->skills, sizeof a->skills) != 0 || !charges_equal(d, a, b)) {
        return false;
    }
    for (uint32_t i = 0; i < a->needs_count; i++) {
        if (a->needs[i].permit != b->needs[i].permit || a->needs[i].units != b->needs[i].units) {
            return false;
        }
    }
    return true;
}

/* Steps of a plan mostly require what the one before did: one comparison instead of a look-up. */
uint32_t swarm__demand_share(struct dispatch *d, uint32_t last, uint32_t demand) {
    SWARM_ASSERT(last != demand);
    if (last != NONE32 && demands_equal(d, &d->demands[last], &d->demands[demand])) {
        swarm__demand_discard(d, demand);
        demand = last;
    }
    d->demands[demand].references++;
    return demand;
}

/* The chain of the hash table in which it is or would be. A power of two of chains. */
static uint32_t *demand_chain(struct dispatch *d, const struct demand *demand) {
    return &d->demand_chains[hash_mix64(demand->digest, demand->run) & d->demand_mask];
}

/* From here on there is one demand for all steps of the run that require the same. The record that
 * was brought is given back where there is one already. Expected O(1). */
uint32_t swarm__demand_intern(struct dispatch *d, uint32_t index) {
    struct demand *demand = &d->demands[index];
    uint32_t *chain = demand_chain(d, demand);

    SWARM_ASSERT(!demand->interned);
    for (uint32_t at = *chain; at != NONE32; at = d->demands[at].chain) {
        if (demands_equal(d, &d->demands[at], demand)) {
            swarm__demand_discard(d, index);
            swarm__demand_ref(d, at);
            return at;
        }
    }
    demand->interned = true;
    if (demand->charge != NONE32) { /* the caller has looked whether the budget is there */
        d->budgets[budget_find(d, d->charges[demand->charge].budget)].references++;
    }
    demand->chain = *chain;
    *chain = index;
    heap_node_init(d->demand_nodes, index);
    demand->references = 1;
    SWARM_ASSERT(demand->list == NONE32);
    SWARM_ASSERT(demand->ready == NONE32);
    demand->profiles_version = 0;
    return index;
}

/* A copy of the charge, or NONE32: its budget has one demand more. */
static uint32_t charge_again(struct dispatch *d, uint32_t index) {
    uint32_t again = pool_pop(&d->charges_pool);

    if (again != NONE32) {
        d->charges[again] = d->charges[index];
        d->charges[again].told = 0;
        d->budgets[budget_find(d, d->charges[again].budget)].references++;
    }
    return again;
}

/* A copy for one step that must not be mixed with its like any more. Where no record is left the
 * shared one must do: the step still starts, in its order. */
uint32_t swarm__demand_own(struct dispatch *d, uint32_t index) {
    uint32_t own = pool_pop(&d->demands_pool), charge = NONE32;
    struct demand *demand;

    if (own == NONE32) {
        return index;
    }
    if (d->demands[index].charge != NONE32) {
        charge = charge_again(d, d->demands[index].charge);
        if (charge == NONE32) {
            pool_push(&d->demands_pool, own);
            return index;
        }
    }
    demand = &d->demands[own];
    *demand = d->demands[index];
    demand->charge = charge;
    demand->own = true;
    demand->references = 1;
    demand->ready = NONE32;
    demand->chain = NONE32;
    demand->list = NONE32;
    heap_node_init(d->demand_nodes, own);
    swarm__demand_unref(d, index);
    return own;
}

/* Gives back a record that nobody waits in. */
void swarm__demand_discard(struct dispatch *d, uint32_t demand) {
    SWARM_ASSERT(d->demands[demand].list == NONE32);
    SWARM_ASSERT(d->demands[demand].ready == NONE32);
    SWARM_ASSERT(!d->demands[demand].interned);
    if (d->demands[demand].charge != NONE32) {
        pool_push(&d->charges_pool, d->demands[demand].charge);
    }
    pool_push(&d->demands_pool, demand);
}

void swarm__demand_ref(struct dispatch *d, uint32_t demand) {
    SWARM_ASSERT(d->demands[demand].interned);
    d->demands[demand].references++;
}

/* Takes a demand off the list of what it lacked, from the middle. O(1). */
static void demand_unwait(struct dispatch *d, uint32_t index) {
    struct demand *demand = &d->demands[index];

    SWARM_ASSERT(demand->list == NONE32 || !heap_contains(d->demand_nodes, index));

    if (demand->list == NONE32) {
        return;
    }
    if (demand->previous == NONE32) {
        d->waiting[demand->list] = demand->next;
    } else {
        d->demands[demand->previous].next = demand->next;
    }
    if (demand->next != NONE32) {
        d->demands[demand->next].previous = demand->previous;
    }
    demand->list = NONE32;
}

/* The last step, or the last attempt that holds its permits, takes the demand along. */
void swarm__demand_unref(struct dispatch *d, uint32_t index) {
    struct demand *demand = &d->demands[index];
    uint32_t *link = demand_chain(d, demand);

    SWARM_ASSERT(demand->references != 0);
    if (--demand->references != 0) {
        return;
    }
    SWARM_ASSERT(demand->ready == NONE32);
    SWARM_ASSERT(demand->list == NONE32);
    SWARM_ASSERT(!heap_contains(d->demand_nodes, index));
    while (!demand->own && *link != index) {
        link = &d->demands[*link].chain;
    }
    if (!demand->own) {
        *link = demand->chain;
    }
    demand->interned = false;
    if (demand->charge != NONE32) {
        d->budgets[budget_find(d, d->charges[demand->charge].budget)].references--;
    }
    swarm__demand_discard(d, index);
}

static bool is_allowed(const struct dispatch *d, const struct demand *demand, uint32_t backend) {
    return demand->capability == NONE32 ||
           (backend < 64 && (d->capabilities[demand->capability].backends >> backend & 1u) != 0);
}

/* Profiles that have what it requires, computed once and again when a profile was added: a start
 * must not look at every skill of every profile. */
const struct skill_set *swarm__demand_profiles(struct dispatch *d, uint32_t index) {
    struct demand *demand = &d->demands[index];

    if (demand->profiles_version == d->profiles_version) {
        return &demand->profiles;
    }
    memset(&demand->profiles, 0, sizeof demand->profiles);
    for (uint32_t p = 0; p < d->profiles_count && !demand->unknown_skill; p++) {
        bool pinned_elsewhere =
            (demand->agent != NONE32 && d->agents[demand->agent].profile != p) ||
            (demand->profile != NONE32 && demand->profile != p);

        if (!pinned_elsewhere && is_allowed(d, demand, d->profiles[p].backend) &&
            set_within(&demand->skills, &d->profiles[p].skills)) {
            set_add(&demand->profiles, p);
        }
    }
    demand->profiles_version = d->profiles_version;
    return &demand->profiles;
}

/* ---- heaps: demands, runs, tenants */

/* The heap in which a demand stands while it may start its head; see tenant.h for why there are
 * several. */
static uint32_t *heap_of(struct dispatch *d, uint32_t demand) {
    struct run *run = &d->runs[d->demands[demand].run];
    struct tenant *tenant = &d->tenants[run->tenant];

    SWARM_ASSERT(d->demands[demand].run < d->config->runs_max);
    return tenant->order == SWARM_RUNS_LEAST_SERVED ? &run->demands : &tenant->demands;
}

static bool tenant_has(const struct tenant *tenant) {
    return tenant->demands != NONE32 || tenant->runs != NONE32;
}

/* Puts the tenant where its pass belongs, or takes it out when it has nothing to start. */
static void tenant_place(struct dispatch *d, uint32_t index) {
    const struct tenant *tenant = &d->tenants[index];

    if (heap_contains(d->tenant_nodes, index)) {
        heap_remove(d->tenant_nodes, &d->tenants_ready, index);
    }
    if (tenant_has(tenant)) {
        d->tenant_nodes[index].rank = 0;
        d->tenant_nodes[index].first = tenant->pass;
        d->tenant_nodes[index].second = index;
        heap_push(d->tenant_nodes, &d->tenants_ready, index);
        SWARM_ASSERT(heap_contains(d->tenant_nodes, index));
    }
}

/* The same for a run within its tenant, by what it has been served so far. */
void swarm__demand_run_place(struct dispatch *d, uint32_t index) {
    const struct run *run = &d->runs[index];
    struct tenant *tenant = &d->tenants[run->tenant];

    SWARM_ASSERT(index < d->config->runs_max);
    if (tenant->order != SWARM_RUNS_LEAST_SERVED) {
        return;
    }
    if (heap_contains(d->run_nodes, index)) {
        heap_remove(d->run_nodes, &tenant->runs, index);
    }
    if (run->demands != NONE32) {
        d->run_nodes[index].rank = 0;
        d->run_nodes[index].first = run->report.running_ns;
        d->run_nodes[index].second = run->number;
        heap_push(d->run_nodes, &tenant->runs, index);
    }
}

/* The demand's heap has changed: so may the place of its run and tenant have. */
static void heap_changed(struct dispatch *d, uint32_t demand) {
    uint32_t run = d->demands[demand].run, tenant = d->runs[run].tenant;

    if (d->tenants_count == 0) {
        return;
    }
    if (heap_contains(d->run_nodes, run) != (d->runs[run].demands != NONE32)) {
        swarm__demand_run_place(d, run);
    }
    if (heap_contains(d->tenant_nodes, tenant) != tenant_has(&d->tenants[tenant])) {
        tenant_place(d, tenant);
    }
}

/* A step of the demand became ready, or is no longer. */
static void tenant_counts(struct dispatch *d, uint32_t demand, bool more) {
    struct tenant *tenant = &d->tenants[d->runs[d->demands[demand].run].tenant];

    SWARM_ASSERT(more || tenant->ready != 0);
    if (more && tenant->ready == 0 && tenant->pass < d->pass) {
        tenant->pass = d->pass;
    }
    tenant->ready += more ? 1 : UINT64_MAX;
}

/* A step of this run has been started: its tenant pays. What the division leaves is carried on, so
 * that weights hold in the long run to the step. */
void swarm__demand_served(struct dispatch *d, uint32_t run) {
    uint32_t index = d->runs[run].tenant;
    struct tenant *tenant = &d->tenants[index];
    uint64_t parts = TENANT_STRIDE + tenant->rest;

    SWARM_ASSERT(tenant->weight != 0);
    SWARM_ASSERT(tenant->rest < tenant->weight);
    if (d->tenants_count == 0) {
        return;
    }
    d->pass = tenant->pass;
    tenant->pass += parts / tenant->weight;
    tenant->rest = parts % tenant->weight;
    tenant_place(d, index);
}

/* The first tenant besides everybody's: from now on heaps of tenants are kept. */
void swarm__demand_tenants(struct dispatch *d) {
    if (d->tenants_count++ == 0) {
        tenant_place(d, 0);
    }
}

/* Gives the demand the key of its head, in the heap of demands. Out of the heap while it has
 * none. */
static void demand_place(struct dispatch *d, uint32_t index) {
    uint32_t head = d->demands[index].ready;
    struct heap_node *node = &d->demand_nodes[index];

    SWARM_ASSERT(d->demands[index].list == NONE32);

    if (heap_contains(d->demand_nodes, index)) {
        heap_remove(d->demand_nodes, heap_of(d, index), index);
    }
    if (head == NONE32) {
        heap_changed(d, index);
        return;
    }
    node->rank = d->ready_nodes[head].rank;
    node->first = d->ready_nodes[head].first;
    node->second = d->ready_nodes[head].second;
    heap_push(d->demand_nodes, heap_of(d, index), index);
    heap_changed(d, index);
}

/* A step became ready: it goes into the queue of those like it. O(1) unless it is the new head. */
void swarm__demand_push(struct dispatch *d, uint32_t tracked) {
    uint32_t index = d->tracked[tracked].demand;
    struct demand *demand = &d->demands[index];
    uint32_t before = demand->ready;

    SWARM_ASSERT(d->tracked[tracked].demand != NONE32);
    SWARM_ASSERT(!heap_contains(d->ready_nodes, tracked));
    heap_push(d->ready_nodes, &demand->ready, tracked);
    d->ready_count++;
    tenant_counts(d, index, true);
    if (demand->ready != before && demand->list == NONE32) {
        demand_place(d, index);
    }
    /* A demand that waits goes on waiting, also with another head: what it lacks does not depend on
     * which of its steps is first. */
}

/* Back among those that may start: what it lacked may be there. */
static void demand_wake_one(struct dispatch *d, uint32_t index) {
    SWARM_ASSERT(d->demands[index].list != NONE32);
    SWARM_ASSERT(d->demands[index].ready != NONE32);
    demand_unwait(d, index);
    demand_place(d, index);
}

/* Wakes all of a list, though there may be enough for one only: those that still lack it come back
 * at once, and in the order of their keys, which a list does not keep. */
void swarm__demand_wake(struct dispatch *d, uint32_t list) {
    SWARM_ASSERT(list < wait_lists(d->config));
    while (d->waiting[list] != NONE32) {
        demand_wake_one(d, d->waiting[list]);
    }
}

/* It has nothing left to start: what it saved for is everybody's again. */
static void save_no_more(struct dispatch *d, struct demand *demand) {
    uint32_t permit = demand->saves;

    demand->bypassed = 0;
    if (permit != NONE32) {
        demand->saves = NONE32;
        d->permits[permit].saver = NONE32;
        swarm__demand_wake(d, wait_of_permit(permit));
    }
}

/* A step is ready no more: it starts, or is cancelled or held. The last one of a demand takes the
 * demand out of heap and list. */
void swarm__demand_remove(struct dispatch *d, uint32_t tracked) {
    uint32_t index = d->tracked[tracked].demand;
    struct demand *demand = &d->demands[index];
    uint32_t before = demand->ready;

    SWARM_ASSERT(d->tracked[tracked].demand != NONE32);
    SWARM_ASSERT(d->ready_count != 0);
    heap_remove(d->ready_nodes, &demand->ready, tracked);
    d->ready_count--;
    tenant_counts(d, index, false);
    if (demand->ready == NONE32) {
        demand_unwait(d, index);
        save_no_more(d, demand);
    }
    if (demand->ready != before && demand->list == NONE32) {
        demand_place(d, index);
    }
}

/* The demand whose head goes first of all that may start, or NONE32. It stays where it is. O(1). */
uint32_t swarm__demand_next(const struct dispatch *d) {
    const struct tenant *tenant = &d->tenants[0];
    uint32_t run;

    if (d->tenants_count != 0) {
        uint32_t index = heap_top(d->tenant_nodes, &d->tenants_ready);

        if (index == NONE32) {
            return NONE32;
        }
        tenant = &d->tenants[index];
    }
    if (tenant->order != SWARM_RUNS_LEAST_SERVED) {
        return heap_top(d->demand_nodes, &tenant->demands);
    }
    run = heap_top(d->run_nodes, &tenant->runs);
    return run == NONE32 ? NONE32 : heap_top(d->demand_nodes, &d->runs[run].demands);
}

/* Its head cannot start for lack of what `list` stands for: out of the heap until that is woken.
 * One list at a time: of several things that it lacks, the others are found out when it comes
 * back. */
void swarm__demand_wait(struct dispatch *d, uint32_t index, uint32_t list) {
    struct demand *demand = &d->demands[index];
    uint32_t head = d->waiting[list];

    SWARM_ASSERT(demand->list == NONE32);
    SWARM_ASSERT(demand->ready != NONE32);
    SWARM_ASSERT(list < wait_lists(d->config));
    SWARM_ASSERT(heap_contains(d->demand_nodes, index));
    heap_remove(d->demand_nodes, heap_of(d, index), index);
    heap_changed(d, index);
    demand->list = list;
    demand->previous = NONE32;
    demand->next = head;
    if (head != NONE32) {
        d->demands[head].previous = index;
    }
    d->waiting[list] = index;
}

/* An agent has room again. Only demands that it fits are woken: in a fleet of many profiles most
 * could not use it. */
void swarm__demand_wake_agent(struct dispatch *d, uint32_t profile, uint32_t agent) {
    uint32_t next;

    for (uint32_t at = d->waiting[WAIT_AGENT]; at != NONE32; at = next) {
        next = d->demands[at].next;
        if (set_has(swarm__demand_profiles(d, at), profile)) {
            demand_wake_one(d, at);
        }
    }
    swarm__demand_wake(d, wait_of_agent(d, agent));
}

#if defined(SWARM_ASSERTS)

/* Links of the waiting lists, and both ends of every saving. O(lists + demands that wait). */
void swarm__demand_invariant(const struct dispatch *d) {
    for (uint32_t list = 0; list < wait_lists(d->config); list++) {
        uint32_t previous = NONE32;

        for (uint32_t at = d->waiting[list]; at != NONE32; at = d->demands[at].next) {
            SWARM_ASSERT(d->demands[at].list == list);
            SWARM_ASSERT(d->demands[at].previous == previous);
            SWARM_ASSERT(d->demands[at].ready != NONE32);
            SWARM_ASSERT(!heap_contains(d->demand_nodes, at));
            previous = at;
        }
    }
    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->permits_count, relaxed); i++) {
        uint32_t saver = d->permits[i].saver;

        SWARM_ASSERT(saver == NONE32 || d->demands[saver].saves == i);
        SWARM_ASSERT(saver == NONE32 || d->demands[saver].ready != NONE32);
    }
}

#endif
