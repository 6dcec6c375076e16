/* SPDX-License-Identifier: MIT */
/*
 * state.c - the state keys of runs: what the owner asks, and what steps do with them (M30, M31).
 *
 * (M35: notebooks of agents are an account kept by the same effects.) The rules stand in
 * dispatch/state.h. Here: an access is made when a step is added, filled when it starts, checked
 * and applied when it ends well.
 */
#include "capability.h"
#include "core.h"

static const swarm_branch no_branch = {0};

/* ---- branches */

static swarm_branch branch_handle(const struct state *state, uint32_t index) {
    swarm_branch handle = {
        (uint64_t)ATOMIC_LOAD(&state->branches[index].generation, relaxed) << 32 | (index + 1)};
    return handle;
}

/* The branch's index, or NONE32 for the null handle; false for a stale one, or one of another run.
 * Any thread. */
static bool branch_find(const struct state *state, uint32_t run, swarm_branch handle,
                        uint32_t *out_branch) {
    uint32_t slot = (uint32_t)handle.id, generation = (uint32_t)(handle.id >> 32);

    *out_branch = NONE32;
    if (handle.id == 0) {
        return true;
    }
    if (slot == 0 || slot > state->branches_max || generation % 2 == 0) {
        return false;
    }
    *out_branch = slot - 1;
    /* Acquire: pairs with the release of swarm_branch_open, so that `run` is there. */
    return ATOMIC_LOAD(&state->branches[slot - 1].generation, acquire) == generation &&
           state->branches[slot - 1].run == run;
}

static void log_branch(swarm *sw, uint32_t index, uint64_t what) {
    const struct branch *branch = &sw->dispatch.state.branches[index];
    uint64_t fields[3] = {what, (uint64_t)index + 1,
                          branch->parent == NONE32 ? 0 : (uint64_t)branch->parent + 1};

    swarm__log(sw, SWARM_EVENT_STATE_BRANCH, branch->run, SWARM_NEVER, fields);
}

static void branch_close(swarm *sw, uint32_t index) {
    struct state *state = &sw->dispatch.state;
    struct branch *branch = &state->branches[index];

    SWARM_ASSERT(branch->children == 0);
    state_remove_all(state, &branch->first);
    if (branch->parent != NONE32) {
        SWARM_ASSERT(state->branches[branch->parent].children != 0);
        state->branches[branch->parent].children--;
    }
    /* Release: who finds the handle stale sees nothing older. Even: free. */
    ATOMIC_STORE(&branch->generation, ATOMIC_LOAD(&branch->generation, relaxed) + 1, release);
}

/* The run of an open branch; NONE32 for a stale handle. */
static uint32_t run_of_branch(const swarm *sw, swarm_branch handle, uint32_t *out_branch) {
    const struct state *state = &sw->dispatch.state;
    uint32_t slot = (uint32_t)handle.id;
    uint32_t run = slot == 0 || slot > state->branches_max ? NONE32 : state->branches[slot - 1].run;

    return run != NONE32 && handle.id != 0 && branch_find(state, run, handle, out_branch) ? run
                                                                                          : NONE32;
}

swarm_branch swarm_branch_open(swarm *sw, swarm_run handle, swarm_branch parent_handle) {
    struct state *state;
    uint32_t run, parent, index = 0;
    struct branch *branch;

    if (!swarm__owned(sw)) {
        return no_branch;
    }
    state = &sw->dispatch.state;
    run = run_find(&sw->dispatch, handle);
    while (index < state->branches_max &&
           ATOMIC_LOAD(&state->branches[index].generation, relaxed) % 2 == 1) {
        index++;
    }
    if (run == NONE32 || !branch_find(state, run, parent_handle, &parent)) {
        swarm__fault(sw, SWARM_E_STALE, "branch: no such run, or no such branch of it");
        return no_branch;
    }
    if (index == state->branches_max || !swarm__owner_may_log(sw)) {
        bool full = index == state->branches_max;

        swarm__fault(sw, full ? SWARM_E_FULL : SWARM_E_AGAIN,
                     full ? "branch: raise config.branches_max" : "branch: read out the log first");
        return no_branch;
    }
    branch = &state->branches[index];
    branch->run = run;
    branch->parent = parent;
    branch->first = NONE32;
    branch->children = 0;
    branch->opened = state->clocks[run];
    if (parent != NONE32) {
        state->branches[parent].children++;
    }
    /* Release: the record before a thread that was given the handle looks at it. Odd: in use. */
    ATOMIC_STORE(&branch->generation, ATOMIC_LOAD(&branch->generation, relaxed) + 1, release);
    log_branch(sw, index, 1);
    return branch_handle(state, index);
}

bool swarm__branch_numbered(const swarm *sw, uint64_t number, swarm_branch *out_branch) {
    const struct state *state = &sw->dispatch.state;

    *out_branch = no_branch;
    if (number == 0 || number > state->branches_max) {
        return number == 0;
    }
    *out_branch = branch_handle(state, (uint32_t)number - 1);
    return (out_branch->id >> 32) % 2 == 1;
}

uint64_t swarm__state_version(const swarm *sw, uint32_t run, uint64_t branch, uint64_t key) {
    SWARM_ASSERT(branch <= sw->dispatch.state.branches_max);
    return state_version(&sw->dispatch.state, run, branch == 0 ? NONE32 : (uint32_t)branch - 1,
                         key);
}

/* Whether a step that has not ended works in the branch. */
static bool branch_is_used(const swarm *sw, uint32_t index) {
    const struct dispatch *d = &sw->dispatch;

    for (uint32_t at = d->runs[d->state.branches[index].run].first; at != NONE32;
         at = d->tracked[at].run_next) {
        const struct tracked *step = &d->tracked[at];

        if (step->access != NONE32 && d->state.accesses[step->access].branch == index &&
            !state_is_terminal(step->state)) {
            return true;
        }
    }
    return d->state.branches[index].children != 0;
}

static swarm_status branch_check(swarm *sw, swarm_branch handle, uint32_t *out_branch) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (run_of_branch(sw, handle, out_branch) == NONE32) {
        return SWARM_E_STALE;
    }
    if (branch_is_used(sw, *out_branch)) {
        return SWARM_E_BUSY;
    }
    return swarm__owner_may_log(sw) ? SWARM_OK : SWARM_E_AGAIN;
}

static void value_of(const struct state_entry *entry, swarm_state_value *out) {
    out->key = entry->key;
    out->value = entry->value;
    out->version = entry->version;
    out->writer = entry->writer;
}

/* Keys of the branch that its parent got after it was opened; the first `max` are written out. */
static uint32_t branch_conflicts(const struct state *state, uint32_t index,
                                 swarm_state_value *conflicts, uint32_t max) {
    const struct branch *branch = &state->branches[index];
    uint32_t count = 0;

    for (uint32_t at = branch->first; at != NONE32; at = state->entries[at].next) {
        uint32_t theirs = state_find(state, branch->run, branch->parent, state->entries[at].key);

        if (theirs == NONE32 || state->entries[theirs].version <= branch->opened) {
            continue;
        }
        if (conflicts != NULL && count < max) {
            value_of(&state->entries[theirs], &conflicts[count]);
        }
        count++;
    }
    return count;
}

static void log_put(swarm *sw, const struct state_entry *entry) {
    uint64_t fields[4] = {entry->key, entry->value, entry->version,
                          entry->branch == NONE32 ? 0 : (uint64_t)entry->branch + 1};

    swarm__log(sw, SWARM_EVENT_PUT, entry->run, entry->writer - 1, fields); /* owner: SWARM_NEVER */
}

/* Keys of the branch, and how many of them are new to the parent. */
static uint32_t branch_count(const struct state *state, const struct branch *branch,
                             uint32_t *out_new) {
    uint32_t count = 0;

    *out_new = 0;
    for (uint32_t at = branch->first; at != NONE32; at = state->entries[at].next) {
        count++;
        *out_new += state_at(state, branch->run, branch->parent, state->entries[at].key) == NONE32;
    }
    return count;
}

swarm_status swarm_branch_merge(swarm *sw, swarm_branch handle, swarm_state_value *conflicts,
                                uint32_t max, uint32_t *out_count) {
    uint32_t index, count, fresh;
    swarm_status status = branch_check(sw, handle, &index);
    struct state *state;
    struct branch *branch;
    bool never;

    if (status != SWARM_OK) {
        return status;
    }
    state = &sw->dispatch.state;
    branch = &state->branches[index];
    count = branch_conflicts(state, index, conflicts, max);
    if (count != 0) {
        if (out_count != NULL) {
            *out_count = count;
        }
        return SWARM_E_CONFLICT;
    }
    count = branch_count(state, branch, &fresh);
    if (!state_has_room(state, fresh)) {
        return SWARM_E_FULL;
    }
    if (!swarm__log_reserve_bytes(&sw->log, sw->now_ns, ((uint64_t)count + 2) * LOG_EVENT_MAX,
                                  &never)) {
        return never ? SWARM_E_FULL : SWARM_E_AGAIN;
    }
    log_branch(sw, index, 2);
    for (uint32_t at = branch->first; at != NONE32; at = state->entries[at].next) {
        const swarm_effect put = {.key = state->entries[at].key, .value = state->entries[at].value};

        log_put(sw,
                state_write(state, branch->run, branch->parent, &put, state->entries[at].writer));
    }
    branch_close(sw, index);
    return SWARM_OK;
}

swarm_status swarm_branch_drop(swarm *sw, swarm_branch handle) {
    uint32_t index;
    swarm_status status = branch_check(sw, handle, &index);

    if (status == SWARM_OK) {
        log_branch(sw, index, 3);
        branch_close(sw, index);
    }
    return status;
}

bool swarm__state_stands(const swarm *sw, uint32_t run) {
    const struct dispatch *d = &sw->dispatch;

    for (uint32_t at = d->runs[run].first; at != NONE32; at = d->tracked[at].run_next) {
        if (!swarm__access_stands(sw, run, d->tracked[at].access)) {
            return false;
        }
    }
    return true;
}

void swarm__state_clear(swarm *sw, uint32_t run, bool close) {
    struct state *state = &sw->dispatch.state;

    for (uint32_t i = 0; i < state->branches_max; i++) {
        uint32_t generation = ATOMIC_LOAD(&state->branches[i].generation, relaxed);

        if (generation % 2 == 1 && state->branches[i].run == run) {
            state_remove_all(state, &state->branches[i].first);
            state->branches[i].opened = 0;
            /* Release: as in branch_close. */
            ATOMIC_STORE(&state->branches[i].generation, generation + close, release);
        }
    }
    state_remove_all(state, &state->first[run]);
    state->clocks[run] = 0;
}

/* ---- the owner's keys */

static swarm_status place_check(swarm *sw, swarm_run handle, swarm_branch branch_name,
                                uint32_t *out_run, uint32_t *out_branch) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    *out_run = run_find(&sw->dispatch, handle);
    if (*out_run == NONE32 ||
        !branch_find(&sw->dispatch.state, *out_run, branch_name, out_branch)) {
        return SWARM_E_STALE;
    }
    return SWARM_OK;
}

swarm_status swarm_state_get(swarm *sw, swarm_run handle, swarm_branch branch_name, uint64_t key,
                             swarm_state_value *out_value) {
    uint32_t run, branch, at;
    swarm_status status = place_check(sw, handle, branch_name, &run, &branch);

    if (status != SWARM_OK || out_value == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    at = state_find(&sw->dispatch.state, run, branch, key);
    if (at == NONE32) {
        return SWARM_E_MISSING;
    }
    value_of(&sw->dispatch.state.entries[at], out_value);
    return SWARM_OK;
}

swarm_status swarm_state_put(swarm *sw, swarm_run handle, swarm_branch branch_name,
                             swarm_state_value *value) {
    uint32_t run, branch;
    swarm_status status = place_check(sw, handle, branch_name, &run, &branch);
    struct state *state;
    const struct state_entry *entry;

    if (status != SWARM_OK || value == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    state = &sw->dispatch.state;
    if (state_version(state, run, branch, value->key) != value->version) {
        return SWARM_E_CONFLICT;
    }
    if (state_at(state, run, branch, value->key) == NONE32 && !state_has_room(state, 1)) {
        return SWARM_E_FULL;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    const swarm_effect put = {.key = value->key, .value = value->value};

    entry = state_write(state, run, branch, &put, 0);
    log_put(sw, entry);
    value_of(entry, value);
    return SWARM_OK;
}

/* ---- steps: before they start */

static const char *access_fault(const swarm_state_spec *spec, bool is_call) {
    if ((spec->reads == NULL && spec->reads_count != 0) || spec->reads_count > READS_MAX) {
        return "state: reads_count without reads, or above 64";
    }
    if (spec->isolation > SWARM_ISOLATION_NONE || spec->on_conflict > SWARM_CONFLICT_LAST_WRITER ||
        spec->reserved != 0) {
        return "state: unknown isolation or on_conflict";
    }
    if (is_call && spec->on_conflict == SWARM_CONFLICT_RETRY) {
        return "state: a call step is not tried again; let it fail, or write last";
    }
    return NULL;
}

swarm_status swarm__access_new(swarm *sw, uint32_t run, const swarm_step_spec *step,
                               struct access_result *out) {
    struct state *state = &sw->dispatch.state;
    const swarm_state_spec *spec = step->state;
    struct access access = {0};
    swarm_effect read = {0};

    out->text = access_fault(spec, step->function.id != 0);
    if (out->text != NULL) {
        return SWARM_E_INVALID;
    }
    out->text = "state: no such branch of this run";
    if (!branch_find(state, run, spec->branch, &access.branch)) {
        return SWARM_E_STALE;
    }
    access.isolation = spec->isolation;
    access.on_conflict = spec->on_conflict;
    access.reads_count = spec->reads_count;
    access.reads = access.effects = NONE32;
    access.handle = spec->branch;
    for (uint32_t i = spec->reads_count; i-- > 0;) {
        uint32_t list = NONE32;

        read.key = spec->reads[i];
        if (!cells_take(state, &read, 1, &list)) {
            cells_give(state, &access.reads);
            out->text = "state: raise config.effects_max";
            return SWARM_E_FULL;
        }
        state->cells[list].next = access.reads;
        access.reads = list;
    }
    out->index = pool_pop(&state->accesses_pool);
    if (out->index == NONE32) {
        cells_give(state, &access.reads);
        out->text = "state: raise config.accesses_max";
        return SWARM_E_FULL;
    }
    state->accesses[out->index] = access;
    return SWARM_OK;
}

void swarm__access_free(struct dispatch *d, uint32_t *access) {
    struct state *state = &d->state;

    if (*access != NONE32) {
        cells_give(state, &state->accesses[*access].reads);
        cells_give(state, &state->accesses[*access].effects);
        pool_push(&state->accesses_pool, *access);
        *access = NONE32;
    }
}

bool swarm__access_stands(const swarm *sw, uint32_t run, uint32_t access) {
    uint32_t branch;

    return access == NONE32 || branch_find(&sw->dispatch.state, run,
                                           sw->dispatch.state.accesses[access].handle, &branch);
}

void swarm__access_begin(swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];

    if (step->access != NONE32) {
        access_begin(&sw->dispatch.state, step->run, &sw->dispatch.state.accesses[step->access]);
    }
}

swarm_status swarm_state_input(swarm *sw, swarm_step handle, uint32_t index,
                               swarm_state_value *out_value) {
    uint32_t slot = sw == NULL ? NONE32 : swarm__step_find(sw, handle), cell;
    const struct tracked *step;
    const struct state *state;

    if (slot == NONE32 || out_value == NULL) {
        return sw == NULL || out_value == NULL ? SWARM_E_INVALID : SWARM_E_STALE;
    }
    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return SWARM_E_INVALID;
    }
    step = &sw->dispatch.tracked[tracked_of(&sw->graph, slot)];
    state = &sw->dispatch.state;
    if (step->access == NONE32 || index >= state->accesses[step->access].reads_count) {
        return SWARM_E_INVALID;
    }
    cell = state->accesses[step->access].reads;
    while (index-- > 0) {
        cell = state->cells[cell].next;
    }
    out_value->key = state->cells[cell].effect.key;
    out_value->value = state->cells[cell].effect.value;
    out_value->version = state->cells[cell].effect.bytes;
    out_value->writer = state->cells[cell].effect.tokens;
    return SWARM_OK;
}

/* ---- steps: what they leave behind */

/* Sums of a whole life must not overflow: 2^16 effects of the largest size fit. */
#define TEXT_MAX (UINT64_C(1) << 48)

static bool effect_is_valid(const swarm_effect *effect, bool may_put, bool may_note) {
    if (effect->reserved != 0) {
        return false;
    }
    switch (effect->kind) {
    case SWARM_EFFECT_PUT:
        return may_put && effect->bytes == 0 && effect->tokens == 0;
    case SWARM_EFFECT_NOTE:
        return may_note && effect->bytes < TEXT_MAX && effect->tokens < TEXT_MAX;
    case SWARM_EFFECT_CONCLUDE:
        return effect->bytes < TEXT_MAX && effect->tokens < TEXT_MAX;
    default:
        return false;
    }
}

bool swarm__effects_valid(const swarm_effect *effects, uint32_t count, bool may_put,
                          bool may_note) {
    if (count > EFFECTS_MAX || (effects == NULL && count != 0)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!effect_is_valid(&effects[i], may_put, may_note)) {
            return false;
        }
    }
    return true;
}

swarm_status swarm_call_effects(const swarm_call *call, const swarm_effect *effects,
                                uint32_t count) {
    const struct call_frame *frame = (const struct call_frame *)call; /* the call is its head */
    struct state *state;
    struct tracked *step;
    uint32_t list, *last, held = 0;

    if (call == NULL || !swarm__effects_valid(effects, count, true, false)) {
        return SWARM_E_INVALID;
    }
    if (!graph_has(&call->sw->graph, frame->slot, GRAPH_TRACKED)) {
        return SWARM_E_UNSUPPORTED;
    }
    state = &call->sw->dispatch.state;
    step = &call->sw->dispatch.tracked[tracked_of(&call->sw->graph, frame->slot)];
    if (step->access == NONE32) {
        return SWARM_E_UNSUPPORTED;
    }
    last = &state->accesses[step->access].effects;
    for (; *last != NONE32; last = &state->cells[*last].next) {
        held++;
    }
    if (held + count > EFFECTS_MAX) {
        return SWARM_E_LIMIT;
    }
    if (!cells_take(state, effects, count, &list)) {
        return SWARM_E_FULL;
    }
    *last = list;
    return SWARM_OK;
}

uint32_t *swarm__effects_of(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    SWARM_ASSERT(step->access != NONE32);
    return &sw->dispatch.state.accesses[step->access].effects;
}

uint64_t swarm__effects_bytes(const swarm *sw, uint32_t effects) {
    uint64_t bytes = 0;

    for (uint32_t at = effects; at != NONE32; at = sw->dispatch.state.cells[at].next) {
        bytes += EFFECT_BYTES;
    }
    SWARM_ASSERT(bytes <= EFFECTS_MAX * EFFECT_BYTES);
    return bytes;
}

bool swarm__effects_room(swarm *sw, uint32_t effects) {
    bool never; /* the smallest ring has room for EFFECTS_MAX */

    if (effects == NONE32) {
        return true; /* the operation's own room */
    }
    return swarm__log_reserve_bytes(
        &sw->log, sw->now_ns, round_events(sw) * LOG_EVENT_MAX + swarm__effects_bytes(sw, effects),
        &never);
}

void swarm__effects_log(swarm *sw, const struct attempt *attempt) {
    const struct state_cell *cells = sw->dispatch.state.cells;

    for (uint32_t at = attempt->effects; at != NONE32; at = cells[at].next) {
        const swarm_effect *effect = &cells[at].effect;
        uint64_t fields[5] = {effect->kind, effect->key, effect->value, effect->bytes,
                              effect->tokens};

        swarm__log(sw, SWARM_EVENT_EFFECT, attempt->run, attempt->ordinal, fields);
    }
}

static void log_conflict(swarm *sw, const struct tracked *step, const struct access *access,
                         uint64_t key) {
    const struct state *state = &sw->dispatch.state;
    const struct state_entry *entry =
        &state->entries[state_find(state, step->run, access->branch, key)];
    uint64_t fields[5] = {key, access->clock, entry->version, entry->writer, access->on_conflict};

    swarm__log(sw, SWARM_EVENT_CONFLICT, step->run, step->ordinal, fields);
}

/* Keys that the puts would add; one that is put twice counts twice. */
static uint32_t keys_new(const struct state *state, uint32_t run, uint32_t branch, uint32_t list) {
    uint32_t count = 0;

    for (uint32_t at = list; at != NONE32; at = state->cells[at].next) {
        count += state->cells[at].effect.kind == SWARM_EFFECT_PUT &&
                 state_at(state, run, branch, state->cells[at].effect.key) == NONE32;
    }
    return count;
}

/* Whether notes and conclusions keep within the caps of the agent's profile. */
static bool texts_fit(const swarm *sw, uint32_t effects, uint32_t agent) {
    const struct dispatch *d = &sw->dispatch;
    const struct profile *profile;
    uint64_t tokens;

    if (agent == NONE32) {
        return true;
    }
    profile = &d->profiles[d->agents[agent].profile];
    tokens = d->agents[agent].notebook.tokens;
    for (uint32_t at = effects; at != NONE32; at = d->state.cells[at].next) {
        const swarm_effect *effect = &d->state.cells[at].effect;

        if (effect->kind == SWARM_EFFECT_CONCLUDE &&
            effect->bytes > profile->conclusion_bytes_max) {
            return false;
        }
        tokens = saturating_add64(tokens, effect->kind == SWARM_EFFECT_NOTE ? effect->tokens : 0);
    }
    return tokens <= profile->notebook_tokens_max;
}

static bool puts_allowed(const swarm *sw, const struct tracked *step, uint32_t effects) {
    const struct state_cell *cells = sw->dispatch.state.cells;

    for (uint32_t at = effects; at != NONE32; at = cells[at].next) {
        if (cells[at].effect.kind == SWARM_EFFECT_PUT &&
            !swarm__capability_allows(&sw->dispatch, step->capability, cells[at].effect.key)) {
            return false;
        }
    }
    return true;
}

swarm_status swarm__effects_check(swarm *sw, uint32_t tracked, uint32_t effects, uint32_t agent) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    struct state *state = &sw->dispatch.state;
    const struct access *access;
    uint32_t cell;

    if (!texts_fit(sw, effects, agent)) {
        return SWARM_E_TOO_BIG;
    }
    if (step->access == NONE32) {
        return SWARM_OK;
    }
    if (!puts_allowed(sw, step, effects)) {
        return SWARM_E_DENIED;
    }
    access = &state->accesses[step->access];
    cell = access_conflict(state, step->run, access, effects);
    if (cell != NONE32) {
        log_conflict(sw, step, access, state->cells[cell].effect.key);
        if (access->on_conflict != SWARM_CONFLICT_LAST_WRITER) {
            return SWARM_E_CONFLICT;
        }
    }
    return state_has_room(state, keys_new(state, step->run, access->branch, effects))
               ? SWARM_OK
               : SWARM_E_FULL;
}

/* Into the agent's account, if there is an agent, and into the log. */
static void text_apply(swarm *sw, const struct tracked *step, const swarm_effect *effect,
                       uint32_t agent) {
    uint64_t fields[6] = {effect->kind,  effect->key,    effect->value,
                          effect->bytes, effect->tokens, agent == NONE32 ? 0 : (uint64_t)agent + 1};

    swarm__log(sw, SWARM_EVENT_NOTE, step->run, step->ordinal, fields);
    if (agent != NONE32) {
        swarm_notebook *notebook = &sw->dispatch.agents[agent].notebook;
        bool is_note = effect->kind == SWARM_EFFECT_NOTE;

        notebook->entries += is_note;
        notebook->bytes = saturating_add64(notebook->bytes, is_note ? effect->bytes : 0);
        notebook->tokens = saturating_add64(notebook->tokens, is_note ? effect->tokens : 0);
        notebook->conclusions += !is_note;
        notebook->conclusion_bytes =
            saturating_add64(notebook->conclusion_bytes, is_note ? 0 : effect->bytes);
    }
}

void swarm__effects_apply(swarm *sw, uint32_t tracked, uint32_t *effects, uint32_t agent) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    struct state *state = &sw->dispatch.state;

    for (uint32_t at = *effects; at != NONE32; at = state->cells[at].next) {
        const swarm_effect *effect = &state->cells[at].effect;

        if (effect->kind == SWARM_EFFECT_PUT) {
            log_put(sw, state_write(state, step->run, state->accesses[step->access].branch, effect,
                                    step->ordinal + 1));
        } else {
            text_apply(sw, step, effect, agent);
        }
    }
    cells_give(state, effects);
}

swarm_status swarm_notebook_get(swarm *sw, swarm_agent agent, swarm_notebook *out_notebook) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (!agent_exists(&sw->dispatch, agent.id)) {
        return SWARM_E_STALE;
    }
    if (out_notebook == NULL) {
        return SWARM_E_INVALID;
    }
    *out_notebook = sw->dispatch.agents[agent.id - 1].notebook;
    return SWARM_OK;
}

bool swarm__effects_retried(const swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];

    SWARM_ASSERT(step->access != NONE32);
    return sw->dispatch.state.accesses[step->access].on_conflict == SWARM_CONFLICT_RETRY &&
           step->attempts < step->retry.attempts_max;
}
