/* SPDX-License-Identifier: MIT */
/*
 * mock.c - the simulated backend of swarm_mock.h.
 *
 * An attempt in flight is an ENTRY. What will happen to it is decided when it is submitted
 * (latency, tokens, outcome, faults), by counter-based draws; what it says is asked for when it
 * answers.
 *
 *     free list -> submit -> [heap by due time] -> answer -> (again, if a duplicate) -> free list
 *                      \-> stalled: in no heap until a cancel gives it a due time
 *
 * Invariants: an entry is in its hash chain (by attempt) from submit to its last answer; in the
 * heap exactly if its due time is not SWARM_NEVER; heap[entry.heap_at] is the entry. Entries in
 * use are `inflight`. An attempt that can never answer (stalled and deaf) takes no entry, so a
 * long run with losses does not fill up. The order of answers is total: (due, ordinal, attempt
 * number, sequence of submission).
 *
 * Time: submit and cancel happen at the time of the swarm's last round; poll brings its own.
 * Memory: one block of the caller's. Threads: the owner's. Bounds: each loop runs over the places
 * in flight, the scripts, or the 64 bits of a word.
 */
#include "swarm_mock.h"

#include <string.h>

#include "mock_campaign.h"
#include "mock_draw.h"
#include "mock_spec.h"

#define INFLIGHT_DEFAULT 512u
#define ALIGN 16u
#define NONE UINT32_MAX

/* Streams of draws: "mock" and a number a kind. A new kind takes a new number. */
#define STREAM 0x6D6F636B00000000u
#define STREAM_LATENCY (STREAM + 0)
#define STREAM_INPUT (STREAM + 1)
#define STREAM_OUTPUT (STREAM + 2)
#define STREAM_STALL (STREAM + 3)
#define STREAM_THROTTLE (STREAM + 4)
#define STREAM_FAILURE (STREAM + 5)
#define STREAM_GARBAGE (STREAM + 6)
#define STREAM_DUPLICATE (STREAM + 7)
#define STREAM_LATE (STREAM + 8)

/* An entry's own flags, above the public ones. */
#define ENTRY_CANCELLED 0x100u /* a cancel decided its answer */
#define ENTRY_ANSWERED 0x200u  /* a second answer follows */

struct script {
    uint64_t run_key;
    uint64_t ordinal;
    const swarm_mock_turn *turns;
    uint64_t run; /* handle of the run that played it last */
    uint32_t count;
    uint32_t uncounted; /* of its turns: THROTTLED and REFUSED leave the attempt number as it is */
};

struct entry {
    swarm_request request; /* its result: what was answered */
    swarm_usage usage;
    const swarm_mock_model *model;
    const swarm_mock_turn *turn; /* null: the model's */
    struct script *script;       /* of the turn */
    uint64_t key;                /* of its draws */
    uint64_t sequence;           /* of its submission */
    uint64_t start_ns;
    uint64_t latency_ns; /* SWARM_NEVER: stalled */
    uint64_t due_ns;     /* SWARM_NEVER: in no heap */
    swarm_outcome outcome;
    uint32_t flags;
    uint32_t heap_at;
    uint32_t next; /* in its hash chain or in the free list */
};

/* A place in the heap. */
struct heap_node {
    uint64_t due_ns; /* the entry's */
    uint32_t entry;
    uint32_t reserved;
};

struct swarm_mock {
    swarm_backend table;
    swarm_mock_stats stats;
    swarm_mock_spec spec; /* defaults filled in; models: the copy */
    struct script *scripts;
    struct entry *entries;
    struct heap_node *heap; /* entries by due time: a binary heap */
    uint32_t *buckets;      /* heads of chains, one an entry */
    uint64_t sequence;
    uint64_t fail_index;
    swarm_outcome fail_outcome;
    uint32_t scripts_count;
    uint32_t heap_count;
    uint32_t free;
};

/* ---- Draws of an entry --------------------------------------------------------------------- */

static uint64_t entry_draw(const struct entry *entry, uint64_t stream) {
    return swarm_random(entry->key, stream, entry->request.number);
}

static bool happens(uint64_t draw, uint32_t ppm) {
    return (draw >> 32) * PPM >> 32 < ppm;
}

static bool entry_happens(const struct entry *entry, uint64_t stream, uint32_t ppm) {
    return ppm != 0 && happens(entry_draw(entry, stream), ppm);
}

/* A throttled attempt keeps its number, but not its epoch: luck must not repeat itself for ever. */
static bool entry_throttled(const struct entry *entry) {
    uint64_t n = (uint64_t)entry->request.epoch << 32 | entry->request.number;

    return happens(swarm_random(entry->key, STREAM_THROTTLE, n), entry->model->throttle_ppm);
}

static uint64_t entry_tokens(const struct entry *entry, uint64_t stream, uint64_t mean,
                             uint32_t sigma_ppm) {
    if (sigma_ppm == 0) {
        return mean;
    }
    /* Ten more bits, for rounding to the nearest. */
    return saturating_add(draw_lognormal(entry_draw(entry, stream), mean << 10, sigma_ppm), 512) >>
           10;
}

static void entry_draw_usage(struct entry *entry) {
    const swarm_mock_model *model = entry->model;
    swarm_usage *usage = &entry->usage;

    usage->input_tokens =
        entry_tokens(entry, STREAM_INPUT, model->input_tokens, model->input_sigma_ppm);
    usage->output_tokens =
        entry_tokens(entry, STREAM_OUTPUT, model->output_tokens, model->output_sigma_ppm);
    usage->cached_tokens = multiply_divide(usage->input_tokens, model->cached_ppm, PPM);
}

/* Tokens a second are given in thousandths, so a token takes 10^12 / rate ns. */
static uint64_t token_time(const struct entry *entry) {
    const swarm_mock_model *model = entry->model;
    uint64_t missed = entry->usage.input_tokens - entry->usage.cached_tokens;
    uint64_t unit = (uint64_t)1000 * SECOND_NS;

    return saturating_add(
        multiply_divide_up(missed, unit, model->prefill_milli),
        multiply_divide_up(entry->usage.output_tokens, unit, model->decode_milli));
}

static uint64_t uniform_latency(const struct entry *entry, uint64_t draw) {
    const swarm_mock_model *model = entry->model;
    uint64_t high = model->max_ns;

    if (high == SWARM_NEVER) {
        high = saturating_add(model->mean_ns, model->mean_ns);
        high = high > model->min_ns ? high - model->min_ns : 0;
    }
    return draw_uniform(draw, model->min_ns, high);
}

static uint64_t kind_latency(const swarm_mock *mock, const struct entry *entry) {
    const swarm_mock_model *model = entry->model;
    uint64_t draw = entry_draw(entry, STREAM_LATENCY);

    switch (model->kind) {
    case SWARM_MOCK_UNIFORM:
        return uniform_latency(entry, draw);
    case SWARM_MOCK_EXPONENTIAL:
        return draw_exponential(draw, model->mean_ns);
    case SWARM_MOCK_LOGNORMAL:
        return draw_lognormal(draw, model->mean_ns, model->sigma_ppm);
    case SWARM_MOCK_HEAVY_TAIL:
        return draw_pareto(draw, model->mean_ns, model->alpha_ppm);
    case SWARM_MOCK_TRACE:
        return model->trace_ns[entry->request.ordinal % model->trace_count];
    case SWARM_MOCK_ARGUMENT:
        return entry->request.argument;
    case SWARM_MOCK_TOKENS:
        return token_time(entry);
    case SWARM_MOCK_CALLBACK:
        return mock->spec.latency(mock->spec.context, &entry->request);
    default:
        return model->mean_ns;
    }
}

static uint64_t draw_latency(const swarm_mock *mock, const struct entry *entry) {
    uint64_t latency = kind_latency(mock, entry);

    latency = latency < entry->model->min_ns ? entry->model->min_ns : latency;
    return latency > entry->model->max_ns ? entry->model->max_ns : latency;
}

/* ---- The heap ------------------------------------------------------------------------------ */

static bool entry_before(const struct entry *a, const struct entry *b) {
    if (a->due_ns != b->due_ns) {
        return a->due_ns < b->due_ns;
    }
    if (a->request.ordinal != b->request.ordinal) {
        return a->request.ordinal < b->request.ordinal;
    }
    if (a->request.number != b->request.number) {
        return a->request.number < b->request.number;
    }
    return a->sequence < b->sequence;
}

/* The due time stands in the node: most comparisons look at no entry. */
static inline bool heap_before(const swarm_mock *mock, struct heap_node a, struct heap_node b) {
    return a.due_ns != b.due_ns ? a.due_ns < b.due_ns
                                : entry_before(&mock->entries[a.entry], &mock->entries[b.entry]);
}

static inline void heap_place(swarm_mock *mock, uint32_t at, struct heap_node node) {
    mock->heap[at] = node;
    mock->entries[node.entry].heap_at = at;
}

/* Finds the place of a node above the hole at `at`, or in it. */
static void heap_up(swarm_mock *mock, uint32_t at, struct heap_node node) {
    while (at > 0 && heap_before(mock, node, mock->heap[(at - 1) / 2])) {
        heap_place(mock, at, mock->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_place(mock, at, node);
}

/* Moves the hole at `at` down to where nothing below it is; returns where that is. */
static uint32_t heap_sink(swarm_mock *mock, uint32_t at) {
    uint32_t child = 2 * at + 1;

    while (child < mock->heap_count) {
        child += child + 1 < mock->heap_count &&
                 heap_before(mock, mock->heap[child + 1], mock->heap[child]);
        heap_place(mock, at, mock->heap[child]);
        at = child;
        child = 2 * at + 1;
    }
    return at;
}

/* The last node fills the hole: it came from the bottom and nearly always stays there, so the hole
 * goes down without looking at it (Floyd's way; Knuth 5.2.3, exercise 18). */
static void heap_remove(swarm_mock *mock, struct entry *entry) {
    uint32_t at = entry->heap_at;
    struct heap_node last;

    if (at == NONE) {
        return;
    }
    entry->heap_at = NONE;
    last = mock->heap[--mock->heap_count];
    if (at != mock->heap_count) {
        heap_up(mock, heap_sink(mock, at), last);
    }
}

/* Gives the entry its place for a due time; in no heap when it is SWARM_NEVER. */
static void heap_set(swarm_mock *mock, struct entry *entry, uint64_t due_ns) {
    heap_remove(mock, entry);
    entry->due_ns = due_ns;
    if (due_ns != SWARM_NEVER) {
        struct heap_node node = {due_ns, (uint32_t)(entry - mock->entries), 0};

        heap_up(mock, mock->heap_count++, node);
    }
}

static uint64_t mock_deadline(void *context) {
    const swarm_mock *mock = context;

    return mock->heap_count == 0 ? SWARM_NEVER : mock->heap[0].due_ns;
}

/* ---- Entries ------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const swarm_mock *mock, swarm_attempt attempt) {
    uint64_t hash = attempt.id * 0x9E3779B97F4A7C15u >> 32; /* Fibonacci hashing: Knuth, 6.4 */

    return &mock->buckets[hash % mock->spec.inflight_max];
}

static struct entry *entry_find(const swarm_mock *mock, swarm_attempt attempt) {
    uint32_t index = *bucket_of(mock, attempt);

    while (index != NONE && mock->entries[index].request.attempt.id != attempt.id) {
        index = mock->entries[index].next;
    }
    return index == NONE ? NULL : &mock->entries[index];
}

/* Moves the first free entry into its chain. The caller has filled it. */
static void entry_enter(swarm_mock *mock, struct entry *entry) {
    uint32_t *head = bucket_of(mock, entry->request.attempt);

    mock->free = entry->next;
    entry->next = *head;
    *head = (uint32_t)(entry - mock->entries);
    mock->stats.inflight++;
}

static void entry_leave(swarm_mock *mock, struct entry *entry) {
    uint32_t index = (uint32_t)(entry - mock->entries);
    uint32_t *link = bucket_of(mock, entry->request.attempt);

    while (*link != index) {
        link = &mock->entries[*link].next;
    }
    *link = entry->next;
    entry->next = mock->free;
    mock->free = index;
    mock->stats.inflight--;
}

/* ---- What will happen ---------------------------------------------------------------------- */

static bool scripted(const struct script *script, uint64_t run_key, uint64_t ordinal) {
    return script->run_key == run_key && script->ordinal == ordinal;
}

static struct script *script_find(const swarm_mock *mock, uint64_t run_key, uint64_t ordinal) {
    for (uint32_t i = 0; i < mock->scripts_count; i++) {
        if (scripted(&mock->scripts[i], run_key, ordinal)) {
            return &mock->scripts[i];
        }
    }
    return NULL;
}

/* Gives the entry the turn of its script; none when there is no script, or it is used up. */
static void choose_turn(const swarm_mock *mock, struct entry *entry) {
    const swarm_request *request = &entry->request;
    struct script *script = script_find(mock, request->run_key, request->ordinal);
    uint64_t index;

    if (script == NULL && request->run_key != 0) {
        script = script_find(mock, 0, request->ordinal);
    }
    if (script == NULL || request->number == 0) {
        return;
    }
    if (script->run != request->run.id || (request->number == 1 && request->epoch == 0)) {
        script->run = request->run.id;
        script->uncounted = 0;
    }
    index = (uint64_t)request->number - 1 + script->uncounted;
    if (index < script->count) {
        entry->script = script;
        entry->turn = &script->turns[index];
    }
}

static const swarm_mock_model *choose_model(const swarm_mock *mock, const swarm_request *request) {
    const swarm_mock_spec *spec = &mock->spec;
    uint64_t choice = 0;

    if (spec->choose != NULL) {
        choice = spec->choose(spec->context, request);
    } else if ((spec->flags & SWARM_MOCK_BY_ARGUMENT) != 0) {
        choice = request->argument;
    }
    return &spec->models[choice % spec->models_count];
}

static uint32_t draw_flags(const struct entry *entry) {
    const swarm_mock_model *model = entry->model;
    uint32_t flags = model->flags & SWARM_MOCK_DEAF;

    flags |= entry_happens(entry, STREAM_STALL, model->stall_ppm) ? SWARM_MOCK_STALL : 0u;
    flags |=
        entry_happens(entry, STREAM_DUPLICATE, model->duplicate_ppm) ? SWARM_MOCK_DUPLICATE : 0u;
    flags |= entry_happens(entry, STREAM_LATE, model->late_ppm) ? SWARM_MOCK_LATE : 0u;
    return flags;
}

static swarm_outcome draw_outcome(const struct entry *entry) {
    const swarm_mock_model *model = entry->model;

    if (entry_throttled(entry)) {
        return SWARM_OUTCOME_THROTTLED;
    }
    if (entry_happens(entry, STREAM_FAILURE, model->failure_ppm)) {
        return model->failure;
    }
    if (entry_happens(entry, STREAM_GARBAGE, model->garbage_ppm)) {
        return SWARM_OUTCOME_GARBAGE;
    }
    return SWARM_OUTCOME_OK;
}

/* Decides everything but what is said. */
static void entry_decide(const swarm_mock *mock, struct entry *entry) {
    const swarm_mock_turn *turn = entry->turn;

    entry_draw_usage(entry);
    entry->latency_ns = draw_latency(mock, entry);
    if (turn != NULL) {
        entry->flags = turn->flags;
        entry->outcome = turn->outcome;
        entry->latency_ns = or_default(turn->latency_ns, entry->latency_ns);
    } else {
        entry->flags = draw_flags(entry);
        entry->outcome = draw_outcome(entry);
        if (entry->outcome == SWARM_OUTCOME_THROTTLED) {
            entry->latency_ns = 0; /* an endpoint says so before it begins */
        }
    }
    if ((entry->flags & SWARM_MOCK_STALL) != 0) {
        entry->latency_ns = SWARM_NEVER;
    }
}

/* ---- Submit -------------------------------------------------------------------------------- */

static uint64_t time_of(swarm *sw) {
    swarm_stats stats;

    return swarm_stats_get(sw, &stats) == SWARM_OK ? stats.now_ns : 0;
}

/* No place: AGAIN, or an answer REFUSED, until the next one is due to be free. */
static swarm_status submit_refuse(swarm_mock *mock, swarm *sw, swarm_attempt attempt,
                                  uint64_t *out_until_ns) {
    uint64_t until_ns = saturating_add(time_of(sw), mock->spec.again_ns);
    uint64_t due_ns = mock_deadline(mock);
    swarm_completion completion = {.attempt = attempt, .outcome = SWARM_OUTCOME_REFUSED};

    until_ns = due_ns < until_ns ? due_ns : until_ns;
    mock->stats.refused++;
    if ((mock->spec.flags & SWARM_MOCK_REFUSE) == 0) {
        *out_until_ns = until_ns;
        return SWARM_E_AGAIN;
    }
    completion.until_ns = until_ns;
    if (swarm_complete(sw, &completion) != SWARM_OK) {
        mock->stats.rejected++;
    }
    return SWARM_OK;
}

static void entry_begin(swarm_mock *mock, struct entry *entry, swarm *sw,
                        const swarm_request *request) {
    uint32_t next = entry->next;

    memset(entry, 0, sizeof *entry);
    entry->next = next;
    entry->heap_at = NONE;
    entry->request = *request;
    entry->model = choose_model(mock, request);
    choose_turn(mock, entry);
    entry->key = swarm_random(mock->spec.seed, request->run_seed, request->ordinal);
    entry->sequence = mock->sequence++;
    entry->start_ns = time_of(sw);
    entry_decide(mock, entry);
}

static swarm_status mock_submit(void *context, swarm *sw, const swarm_request *request,
                                uint64_t *out_until_ns) {
    swarm_mock *mock = context;
    uint32_t lost = SWARM_MOCK_STALL | SWARM_MOCK_DEAF;
    struct entry *entry;

    if (mock->free == NONE) {
        return submit_refuse(mock, sw, request->attempt, out_until_ns);
    }
    entry = &mock->entries[mock->free];
    entry_begin(mock, entry, sw, request);
    mock->stats.submitted++;
    mock->stats.stalled += (entry->flags & SWARM_MOCK_STALL) != 0;
    if ((entry->flags & lost) == lost) {
        mock->stats.lost++;
        return SWARM_OK;
    }
    entry_enter(mock, entry);
    heap_set(mock, entry, saturating_add(entry->start_ns, entry->latency_ns));
    return SWARM_OK;
}

/* ---- Cancel -------------------------------------------------------------------------------- */

/* What was generated until the cancel. */
static void usage_cut(struct entry *entry, uint64_t now_ns) {
    uint64_t passed_ns = now_ns > entry->start_ns ? now_ns - entry->start_ns : 0;
    uint64_t *output = &entry->usage.output_tokens;

    *output = entry->latency_ns == SWARM_NEVER || entry->latency_ns == 0
                  ? 0
                  : multiply_divide(*output, passed_ns, entry->latency_ns);
}

static void mock_cancel(void *context, swarm *sw, const swarm_request *request) {
    swarm_mock *mock = context;
    struct entry *entry = entry_find(mock, request->attempt);
    uint64_t now_ns = time_of(sw);

    if (entry == NULL ||
        (entry->flags & (ENTRY_CANCELLED | ENTRY_ANSWERED | SWARM_MOCK_DEAF)) != 0) {
        return;
    }
    mock->stats.cancels++;
    if (entry->due_ns <= now_ns) {
        return; /* of a completion and a cancel at one time the completion wins */
    }
    entry->flags |= ENTRY_CANCELLED;
    if ((entry->flags & SWARM_MOCK_LATE) != 0) {
        heap_set(mock, entry, saturating_add(now_ns, entry->model->late_ns));
        return;
    }
    entry->outcome = SWARM_OUTCOME_CANCELLED;
    usage_cut(entry, now_ns);
    heap_set(mock, entry, saturating_add(now_ns, entry->model->cancel_latency_ns));
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* Reports no usage, or the tokens with their price. */
static void usage_settle(swarm_mock *mock, struct entry *entry, swarm_outcome outcome) {
    swarm_usage *usage = &entry->usage;

    if (outcome != SWARM_OUTCOME_OK && outcome != SWARM_OUTCOME_PAUSE &&
        outcome != SWARM_OUTCOME_GARBAGE && outcome != SWARM_OUTCOME_CANCELLED) {
        memset(usage, 0, sizeof *usage);
        return;
    }
    mock->stats.overflows += !usage_price(usage, &entry->model->price);
}

/* What the attempt says, in entry->request.result; returns its outcome. */
static swarm_outcome entry_say(swarm_mock *mock, struct entry *entry) {
    const swarm_result silence = {.value = entry->request.argument};
    swarm_result result = entry->turn != NULL ? entry->turn->result : silence;
    swarm_outcome outcome = entry->outcome;

    if (mock->stats.answers == mock->fail_index) {
        outcome = mock->fail_outcome;
    }
    if (outcome == SWARM_OUTCOME_OK && swarm_trial_fails(mock->spec.trial)) {
        outcome = entry->model->failure;
    }
    if (outcome == SWARM_OUTCOME_OK && mock->spec.answer != NULL) {
        outcome = mock->spec.answer(mock->spec.context, &entry->request, &result);
    }
    memset(&entry->request.result, 0, sizeof entry->request.result);
    if (outcome == SWARM_OUTCOME_OK || outcome == SWARM_OUTCOME_PAUSE) {
        entry->request.result = result; /* what it produced, or what it asks */
    }
    return outcome;
}

static bool uncounted(swarm_outcome outcome) {
    return outcome == SWARM_OUTCOME_THROTTLED || outcome == SWARM_OUTCOME_REFUSED;
}

static uint64_t entry_until(const struct entry *entry) {
    uint64_t after_ns = entry->model->retry_after_ns;

    if (!uncounted(entry->outcome)) {
        return 0;
    }
    if (entry->turn != NULL) {
        after_ns = or_default(entry->turn->retry_after_ns, after_ns);
    }
    return saturating_add(entry->due_ns, after_ns);
}

/* The swarm took an answer over. */
static void stats_take(swarm_mock_stats *stats, const swarm_completion *completion) {
    swarm_usage *sum = &stats->usage;
    const swarm_usage *usage = &completion->usage;

    stats->lent += completion->result.bytes != NULL;
    sum->input_tokens = saturating_add(sum->input_tokens, usage->input_tokens);
    sum->cached_tokens = saturating_add(sum->cached_tokens, usage->cached_tokens);
    sum->output_tokens = saturating_add(sum->output_tokens, usage->output_tokens);
    sum->cost_nano = saturating_add(sum->cost_nano, usage->cost_nano);
}

static void stats_answer(swarm_mock_stats *stats, const struct entry *entry, swarm_status status) {
    bool late =
        (entry->flags & (ENTRY_CANCELLED | SWARM_MOCK_LATE)) == (ENTRY_CANCELLED | SWARM_MOCK_LATE);
    bool second = (entry->flags & ENTRY_ANSWERED) != 0;

    stats->duplicates += second;
    stats->answers += !second;
    stats->ok += !second && entry->outcome == SWARM_OUTCOME_OK;
    stats->cancelled += !second && entry->outcome == SWARM_OUTCOME_CANCELLED;
    stats->late += !second && late;
    if (status == SWARM_E_DUPLICATE || status == SWARM_E_STALE) {
        stats->stale += !second;
    } else {
        stats->rejected += second || status != SWARM_OK;
    }
}

static void entry_complete(swarm_mock *mock, swarm *sw, struct entry *entry) {
    swarm_completion completion = {.attempt = entry->request.attempt,
                                   .outcome = entry->outcome,
                                   .until_ns = entry_until(entry),
                                   .usage = entry->usage,
                                   .result = entry->request.result};
    swarm_status status = swarm_complete(sw, &completion);

    if (entry->script != NULL && status == SWARM_OK && uncounted(entry->outcome)) {
        entry->script->uncounted++;
    }
    stats_answer(&mock->stats, entry, status);
    if (status == SWARM_OK) {
        stats_take(&mock->stats, &completion);
    }
}

/* Gives the answer that is due: the first, or, when there are two, the second. */
static void entry_answer(swarm_mock *mock, swarm *sw, struct entry *entry) {
    bool first = (entry->flags & ENTRY_ANSWERED) == 0;

    if (first) {
        entry->outcome = entry_say(mock, entry);
        usage_settle(mock, entry, entry->outcome);
    }
    entry_complete(mock, sw, entry);
    if (first && (entry->flags & SWARM_MOCK_DUPLICATE) != 0) {
        entry->flags |= ENTRY_ANSWERED;
        return; /* still the first in the heap */
    }
    heap_remove(mock, entry);
    entry_leave(mock, entry);
}

static void mock_poll(void *context, swarm *sw, uint64_t now_ns) {
    swarm_mock *mock = context;

    while (mock_deadline(mock) <= now_ns && mock->heap_count != 0) {
        entry_answer(mock, sw, &mock->entries[mock->heap[0].entry]);
    }
}

static void mock_release(void *context, const swarm_result *result) {
    swarm_mock *mock = context;

    mock->stats.released++;
    if (mock->spec.release != NULL) {
        mock->spec.release(mock->spec.context, result);
    }
}

/* ---- Making one ---------------------------------------------------------------------------- */

static uint64_t align_up(uint64_t size) {
    return (size + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* Bytes that do not depend on inflight_max: alignment, mock, models, scripts. */
static uint64_t fixed_size(const swarm_mock_spec *spec) {
    return ALIGN + align_up(sizeof(swarm_mock)) +
           align_up((uint64_t)spec->models_count * sizeof(swarm_mock_model)) +
           align_up((uint64_t)spec->scripts_max * sizeof(struct script));
}

/* Bytes of one place in flight: the entry, its place in the heap, its bucket. */
static uint64_t place_size(void) {
    return sizeof(struct entry) + sizeof(struct heap_node) + sizeof(uint32_t);
}

size_t swarm_mock_memory_size(const swarm_mock_spec *spec) {
    swarm_mock_spec filled;
    uint64_t bytes;

    if (!spec_fill(spec, &filled)) {
        return 0;
    }
    filled.inflight_max = filled.inflight_max != 0 ? filled.inflight_max : INFLIGHT_DEFAULT;
    bytes = fixed_size(&filled) + filled.inflight_max * place_size();
    return bytes <= SIZE_MAX ? (size_t)bytes : 0;
}

/* How many places the memory holds, as far as the spec wants them. */
static uint32_t places_fit(const swarm_mock_spec *spec, size_t size) {
    uint64_t fixed = fixed_size(spec);
    uint64_t places = size > fixed ? (size - fixed) / place_size() : 0;

    if (spec->inflight_max != 0) {
        return places >= spec->inflight_max ? spec->inflight_max : 0;
    }
    return places < COUNT_MAX ? (uint32_t)places : COUNT_MAX;
}

/* Cuts the block into its parts. The array of u32 comes last, so all is aligned. */
static swarm_mock *lay_out(const swarm_mock_spec *spec, unsigned char *at) {
    swarm_mock *mock = (swarm_mock *)(void *)at;
    swarm_mock_model *models;

    memset(mock, 0, sizeof *mock);
    mock->spec = *spec;
    at += align_up(sizeof *mock);
    models = (swarm_mock_model *)(void *)at;
    memcpy(models, spec->models, spec->models_count * sizeof *models);
    for (uint32_t i = 0; i < spec->models_count; i++) {
        model_fill(&models[i]);
    }
    mock->spec.models = models;
    at += align_up((uint64_t)spec->models_count * sizeof *models);
    mock->scripts = (struct script *)(void *)at;
    at += align_up((uint64_t)spec->scripts_max * sizeof(struct script));
    mock->entries = (struct entry *)(void *)at;
    at += spec->inflight_max * sizeof(struct entry);
    mock->heap = (struct heap_node *)(void *)at;
    mock->buckets = (uint32_t *)(void *)(mock->heap + spec->inflight_max);
    return mock;
}

swarm_mock *swarm_mock_new(const swarm_mock_spec *spec, void *memory, size_t size) {
    swarm_mock_spec filled;
    swarm_mock *mock;

    if (memory == NULL || !spec_fill(spec, &filled)) {
        return NULL;
    }
    filled.inflight_max = places_fit(&filled, size);
    if (filled.inflight_max == 0) {
        return NULL;
    }
    mock = lay_out(&filled, (unsigned char *)memory + (ALIGN - (uintptr_t)memory % ALIGN) % ALIGN);
    for (uint32_t i = 0; i < filled.inflight_max; i++) {
        mock->buckets[i] = NONE;
        mock->entries[i].next = i + 1 < filled.inflight_max ? i + 1 : NONE;
    }
    mock->fail_index = SWARM_NEVER;
    mock->table = (swarm_backend){.size = sizeof(swarm_backend),
                                  .name = filled.name,
                                  .context = mock,
                                  .submit = mock_submit,
                                  .cancel = mock_cancel,
                                  .poll = mock_poll,
                                  .deadline = mock_deadline,
                                  .release = mock_release};
    return mock;
}

/* ---- The rest of the interface ------------------------------------------------------------- */

const swarm_backend *swarm_mock_backend(swarm_mock *mock) {
    return mock != NULL ? &mock->table : NULL;
}

static bool turns_valid(const swarm_mock_turn *turns, uint32_t count) {
    uint32_t known = SWARM_MOCK_DEAF | SWARM_MOCK_STALL | SWARM_MOCK_DUPLICATE | SWARM_MOCK_LATE;

    if (turns == NULL || count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (turns[i].outcome > SWARM_OUTCOME_PAUSE || (turns[i].flags & ~known) != 0 ||
            turns[i].result.confidence_ppm > PPM) {
            return false;
        }
    }
    return true;
}

swarm_status swarm_mock_script(swarm_mock *mock, uint64_t run_key, uint64_t ordinal,
                               const swarm_mock_turn *turns, uint32_t count) {
    struct script *script;

    if (mock == NULL || !turns_valid(turns, count)) {
        return SWARM_E_INVALID;
    }
    script = script_find(mock, run_key, ordinal);
    if (script == NULL) {
        if (mock->scripts_count == mock->spec.scripts_max) {
            return SWARM_E_FULL;
        }
        script = &mock->scripts[mock->scripts_count++];
    }
    *script = (struct script){run_key, ordinal, turns, 0, count, 0};
    return SWARM_OK;
}

swarm_status swarm_mock_fail_nth(swarm_mock *mock, uint64_t index, swarm_outcome outcome) {
    if (mock == NULL || outcome == SWARM_OUTCOME_OK || outcome > SWARM_OUTCOME_REFUSED) {
        return SWARM_E_INVALID;
    }
    mock->fail_index = index;
    mock->fail_outcome = outcome;
    return SWARM_OK;
}

swarm_status swarm_mock_stats_get(const swarm_mock *mock, swarm_mock_stats *out_stats) {
    if (mock == NULL || out_stats == NULL) {
        return SWARM_E_INVALID;
    }
    *out_stats = mock->stats;
    return SWARM_OK;
}
