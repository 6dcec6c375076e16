/* SPDX-License-Identifier: MIT */
/*
 * Wrong calls, part four: names, advice, and what reads a log. All of them are pure. What they say
 * of right ones stands in test_advise.c, test_metrics.c and test_picture.c.
 */
#include "test_api.h"

/* ---- names: the enumerators of swarm.h, in small letters */

/* "TIMED_OUT = 6" gives "timed out" and 6; false for what is no enumerator. */
static bool enumerator_read(const char *at, char *word, size_t size, uint32_t *value) {
    size_t n = 0;

    for (; ((*at >= 'A' && *at <= 'Z') || *at == '_') && n + 1 < size; at++) {
        word[n++] = *at == '_' ? ' ' : (char)(*at - 'A' + 'a');
    }
    word[n] = '\0';
    return n != 0 && sscanf(at, " = %" SCNu32, value) == 1;
}

/* The enumerators with this prefix, from the first one to the end of their enum. */
static uint32_t names_compare(const char *first, const char *prefix,
                              const char *(*text)(uint32_t)) {
    static char header[1 << 20];
    FILE *file = fopen("swarm.h", "r");
    size_t size = file == NULL ? 0 : fread(header, 1, sizeof header - 1, file);
    char word[80], *at, *end;
    uint32_t value, count = 0;

    if (file != NULL) {
        fclose(file);
    }
    header[size] = '\0';
    at = strstr(header, first);
    end = at == NULL ? NULL : strchr(at, '}');
    for (; at != NULL && at < end; at = strstr(at, prefix)) {
        at += strlen(prefix);
        if (enumerator_read(at, word, sizeof word, &value)) {
            test_check_equal(__FILE__, __LINE__, word, strcmp(text(value), word) == 0, 1);
            count++;
        }
    }
    return count;
}

TEST(each_enumerator_has_its_word) {
    CHECK_EQ(names_compare("SWARM_OUTCOME_OK = ", "SWARM_OUTCOME_", swarm_outcome_text), 11);
    CHECK_EQ(names_compare("SWARM_STEP_PENDING = ", "SWARM_STEP_", swarm_step_state_text), 10);
    CHECK(names_compare("SWARM_EVENT_RUN_OPEN = ", "SWARM_EVENT_", swarm_event_text) >= 16);
}

static bool is_unknown(const char *text) {
    return strcmp(text, "unknown") == 0;
}

REFUSES(swarm_outcome_text, "no outcome", 1, is_unknown(swarm_outcome_text(11)));
REFUSES(swarm_outcome_text, "absurd", 1, is_unknown(swarm_outcome_text(UINT32_MAX)));
REFUSES(swarm_step_state_text, "no state", 1, is_unknown(swarm_step_state_text(10)));
REFUSES(swarm_step_state_text, "absurd", 1, is_unknown(swarm_step_state_text(UINT32_MAX)));
REFUSES(swarm_event_text, "no kind", 1, is_unknown(swarm_event_text(0)));
REFUSES(swarm_event_text, "absurd", 1, is_unknown(swarm_event_text(UINT32_MAX)));

/* ---- advice */

/* The status; out-parameters must be left alone. */
static swarm_status width_of(uint64_t work, uint64_t span, uint64_t cost) {
    swarm_width_spec spec = {.work_ns = work, .span_ns = span, .agent_ns = cost};
    swarm_width_advice advice = {.width = 77};
    swarm_status status = swarm_width_advise(&spec, &advice);

    CHECK_EQ(advice.width == 77, status != SWARM_OK);
    return status;
}

REFUSES(swarm_width_advise, "null spec", SWARM_E_INVALID,
        swarm_width_advise(NULL, &(swarm_width_advice){0}));
REFUSES(swarm_width_advise, "null result", SWARM_E_INVALID,
        swarm_width_advise(&(swarm_width_spec){0}, NULL));
REFUSES(swarm_width_advise, "a span above the work", SWARM_E_INVALID, width_of(5, 6, 1));
REFUSES(swarm_width_advise, "work without a span", SWARM_E_INVALID, width_of(5, 0, 1));
REFUSES(swarm_width_advise, "overflow", SWARM_E_OVERFLOW, width_of(SWARM_NEVER, 1, SWARM_NEVER));
REFUSES(swarm_width_advise, "no work", SWARM_OK, width_of(0, 0, SWARM_NEVER));

static swarm_status mode_of(swarm_mode_features features) {
    swarm_mode_advice advice = {.reason = 77};
    swarm_status status = swarm_mode_advise(&features, &advice);

    CHECK_EQ(advice.reason == 77, status != SWARM_OK);
    return status;
}

REFUSES(swarm_mode_advise, "null features", SWARM_E_INVALID,
        swarm_mode_advise(NULL, &(swarm_mode_advice){.reason = 0}));
REFUSES(swarm_mode_advise, "null result", SWARM_E_INVALID,
        swarm_mode_advise(&(swarm_mode_features){0}, NULL));
REFUSES(swarm_mode_advise, "a span above the steps", SWARM_E_INVALID,
        mode_of((swarm_mode_features){.steps = 2, .span_steps = 3}));
REFUSES(swarm_mode_advise, "unknown flags", SWARM_E_INVALID,
        mode_of((swarm_mode_features){.flags = 4}));
REFUSES(swarm_mode_advise, "work that does not fit", SWARM_E_OVERFLOW,
        mode_of((swarm_mode_features){.steps = SWARM_NEVER, .step_ns = 2}));
REFUSES(swarm_mode_advise, "nothing known", SWARM_OK, mode_of((swarm_mode_features){0}));
REFUSES(swarm_mode_preset, "null result", SWARM_E_INVALID, swarm_mode_preset(1, NULL));
REFUSES(swarm_mode_preset, "no mode", SWARM_E_INVALID,
        swarm_mode_preset(0, &(swarm_mode){.mode = 0}));
REFUSES(swarm_mode_preset, "absurd", SWARM_E_INVALID,
        swarm_mode_preset(5, &(swarm_mode){.mode = 0}));

/* ---- traces and their numbers */

static unsigned char block[4096];

static swarm_status trace_size(swarm_trace_spec spec) {
    size_t size = 77;
    swarm_status status = swarm_trace_memory_size(&spec, &size);

    CHECK_EQ(size, 77);
    return status;
}

static swarm_status trace_new(swarm_trace_spec spec) {
    swarm_trace *trace = NULL;
    swarm_status status = swarm_trace_new(&spec, block, sizeof block, &trace);

    CHECK(trace == NULL);
    return status;
}

REFUSES(swarm_trace_memory_size, "null spec", SWARM_E_INVALID,
        swarm_trace_memory_size(NULL, &(size_t){0}));
REFUSES(swarm_trace_memory_size, "null result", SWARM_E_INVALID,
        swarm_trace_memory_size(&(swarm_trace_spec){.run = 1}, NULL));
REFUSES(swarm_trace_memory_size, "bytes without a log", SWARM_E_INVALID,
        trace_size((swarm_trace_spec){.log_size = 1}));
REFUSES(swarm_trace_memory_size, "results without ordinals", SWARM_E_INVALID,
        trace_size((swarm_trace_spec){.results_count = 1}));
REFUSES(swarm_trace_memory_size, "an empty log", SWARM_E_MISSING,
        trace_size((swarm_trace_spec){.run = 0}));
REFUSES(swarm_trace_memory_size, "no log", SWARM_E_CORRUPT,
        trace_size((swarm_trace_spec){.log = "no log at all", .log_size = 13}));
REFUSES(swarm_trace_new, "null spec", SWARM_E_INVALID,
        swarm_trace_new(NULL, block, sizeof block, &(swarm_trace *){NULL}));
REFUSES(swarm_trace_new, "null memory", SWARM_E_INVALID,
        swarm_trace_new(&(swarm_trace_spec){.run = 1}, NULL, 9, &(swarm_trace *){NULL}));
REFUSES(swarm_trace_new, "null result", SWARM_E_INVALID,
        swarm_trace_new(&(swarm_trace_spec){.run = 1}, block, sizeof block, NULL));
REFUSES(swarm_trace_new, "an empty log", SWARM_E_MISSING, trace_new((swarm_trace_spec){.run = 0}));
REFUSES(swarm_trace_new, "no log", SWARM_E_CORRUPT,
        trace_new((swarm_trace_spec){.log = "no log at all", .log_size = 13}));
REFUSES(swarm_trace_metrics, "null trace", SWARM_E_INVALID,
        swarm_trace_metrics(NULL, &(swarm_metrics){.steps = 0}));
REFUSES(swarm_trace_agent, "null trace", SWARM_E_INVALID,
        swarm_trace_agent(NULL, 0, &(swarm_agent_metrics){.agent = 0}));
REFUSES(swarm_trace_profile, "null trace", SWARM_E_INVALID,
        swarm_trace_profile(NULL, 0, &(swarm_agent_metrics){.agent = 0}));

static bool write_all(void *context, const void *bytes, size_t size) {
    return context == NULL && bytes != NULL && size != 0;
}

REFUSES(swarm_trace_write, "null trace", SWARM_E_INVALID,
        swarm_trace_write(NULL, &(swarm_picture_spec){.write = write_all, .kind = 1}));
REFUSES(swarm_trace_write, "null spec", SWARM_E_INVALID, swarm_trace_write(NULL, NULL));

static swarm_status pass_of(uint32_t runs, uint32_t ok, uint32_t k) {
    uint64_t any = 7, all = 7;
    swarm_status status = swarm_pass_rates(runs, ok, k, &any, &all);

    CHECK(any == 7 && all == 7);
    return status;
}

REFUSES(swarm_pass_rates, "null result", SWARM_E_INVALID,
        swarm_pass_rates(1, 1, 1, NULL, &(uint64_t){0}));
REFUSES(swarm_pass_rates, "null result", SWARM_E_INVALID,
        swarm_pass_rates(1, 1, 1, &(uint64_t){0}, NULL));
REFUSES(swarm_pass_rates, "more good runs than runs", SWARM_E_INVALID, pass_of(1, 2, 1));
REFUSES(swarm_pass_rates, "k of 0", SWARM_E_INVALID, pass_of(1, 1, 0));
REFUSES(swarm_pass_rates, "k above the runs", SWARM_E_INVALID, pass_of(1, 1, 2));
REFUSES(swarm_pass_rates, "too many runs", SWARM_E_INVALID, pass_of(1001, 1, 1));

TEST(each_row) {
    rows_run();
}

TEST_MAIN()
