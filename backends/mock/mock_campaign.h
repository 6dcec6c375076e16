/* SPDX-License-Identifier: MIT */
/*
 * mock_campaign.h - campaigns of swarm_mock.h: many trials, and the smallest that fails.
 *
 * A trial is its TAPE: the numbers that it chose, in order. A fresh trial draws them from its seed;
 * one that is played again gets them from a tape, and zeros behind its end. So shrinking needs to
 * know nothing of what a number means: it cuts, leaves out and lowers numbers, plays the result,
 * and keeps it when it fails with the same text and is smaller: shorter, or of one length and
 * first smaller at some place. That order has no endless descent, so shrinking ends by itself.
 *
 * Memory: one block of the caller's: three tapes (the best so far, the one to play, the one that
 * was played) and a line of text. Threads: the caller's. Source: MacIver and Donaldson, Test-case
 * reduction via test-case generation, ECOOP 2020.
 */
#ifndef SWARM_MOCK_CAMPAIGN_H
#define SWARM_MOCK_CAMPAIGN_H

#include "swarm_mock.h"

#include <string.h>

#define CHOICE_DIGITS 17u /* of a number in a line, with its point */
#define CHOICE_BYTES (3u * sizeof(uint64_t) + CHOICE_DIGITS)
#define SHRINKS_DEFAULT 2000u
#define MILLION 1000000u
#define STREAM_CHOICE 0x74726961u

struct swarm_trial {
    const uint64_t *given; /* null: drawn */
    uint64_t *taken;
    uint64_t given_count;
    uint64_t count;       /* of choices, those that found no place included */
    uint64_t first_count; /* played again: of the first time, whose tape stays; else 0 */
    uint64_t max;
    uint64_t seed;
    uint64_t points;   /* fault points so far */
    uint64_t fails_at; /* the one that fails; SWARM_NEVER: by chance */
    uint64_t odds;     /* by chance: 1 + fails_ppm; 0: not chosen yet */
};

struct campaign {
    const swarm_campaign_spec *spec;
    swarm_campaign_report *report;
    uint64_t *best, *given, *taken;
    char *line;
    uint64_t max;        /* choices that fit */
    uint64_t best_count; /* of the failing trial */
    uint64_t tries;      /* left for shrinking */
};

/* ---- a trial's choices */

static uint64_t trial_put(swarm_trial *trial, uint64_t value) {
    if (trial->count < trial->max && trial->first_count == 0) {
        trial->taken[trial->count] = value;
    }
    trial->count++;
    return value;
}

uint64_t swarm_trial_choose(swarm_trial *trial, uint64_t bound) {
    uint64_t value = 0;

    if (trial == NULL || bound < 2) {
        return 0;
    }
    if (trial->count >= trial->max) {
        return trial_put(trial, 0);
    }
    if (trial->given == NULL) {
        value = swarm_random(trial->seed, STREAM_CHOICE, trial->count) % bound;
    } else if (trial->count < trial->given_count) {
        value = trial->given[trial->count];
    }
    return trial_put(trial, value < bound ? value : bound - 1);
}

/* Zero, to which shrinking tends, says no. */
bool swarm_trial_chance(swarm_trial *trial, uint32_t ppm) {
    return swarm_trial_choose(trial, MILLION) >= MILLION - (ppm < MILLION ? ppm : MILLION);
}

/* How often fault points fail is itself a choice: a trial in which much fails finds other faults
 * than one in which hardly anything does. */
bool swarm_trial_fails(swarm_trial *trial) {
    static const uint32_t odds_ppm[] = {0, 1000, 10000, 100000, 500000};

    if (trial == NULL) {
        return false;
    }
    trial->points++;
    if (trial->given == NULL && trial->fails_at != SWARM_NEVER && trial->count < trial->max) {
        return trial_put(trial, trial->points - 1 == trial->fails_at) != 0;
    }
    if (trial->given == NULL && trial->odds == 0) {
        trial->odds = 1u + odds_ppm[swarm_random(trial->seed, STREAM_CHOICE + 1, 0) % 5];
    }
    if (trial->given == NULL && trial->count < trial->max) {
        uint64_t drawn = swarm_random(trial->seed, STREAM_CHOICE, trial->count) % MILLION;

        return trial_put(trial, drawn + 1 < trial->odds) != 0;
    }
    return swarm_trial_choose(trial, 2) != 0;
}

void swarm_trial_again(swarm_trial *trial) {
    if (trial == NULL || trial->first_count != 0 || trial->count == 0) {
        return; /* once is what it is for, and without a choice nothing has to be repeated */
    }
    trial->first_count = trial->count < trial->max ? trial->count : trial->max;
    trial->given = trial->taken;
    trial->given_count = trial->first_count;
    trial->count = 0;
    trial->points = 0;
}

/* ---- lines of choices */

static uint64_t trimmed(const uint64_t *tape, uint64_t count) {
    while (count != 0 && tape[count - 1] == 0) {
        count--; /* behind the end of a tape there are zeros */
    }
    return count;
}

/* Writes the best tape: hexadecimal numbers with points between them; an empty one is "0". */
static void line_write(struct campaign *campaign) {
    char *to = campaign->line;

    for (uint64_t i = 0; i == 0 || i < campaign->best_count; i++) {
        uint64_t value = i < campaign->best_count ? campaign->best[i] : 0;
        uint32_t digits = 1;

        while (digits < CHOICE_DIGITS - 1 && value >> 4 * digits != 0) {
            digits++;
        }
        if (i != 0) {
            *to++ = '.';
        }
        while (digits-- != 0) {
            *to++ = "0123456789abcdef"[value >> 4 * digits & 15];
        }
    }
    *to = 0;
}

/* Reads a line into the tape to play. False when it is none, or too long. */
static bool line_read(struct campaign *campaign, const char *line, uint64_t *out_count) {
    uint64_t count = 0, value = 0, digits = 0;

    for (;; line++) {
        const char *hex = "0123456789abcdef", *digit = *line == 0 ? NULL : strchr(hex, *line);

        if (digit != NULL && digits < CHOICE_DIGITS - 1) {
            value = value << 4 | (uint64_t)(digit - hex);
            digits++;
            continue;
        }
        if (digits == 0 || count == campaign->max || (*line != '.' && *line != 0)) {
            return false;
        }
        campaign->given[count++] = value;
        value = digits = 0;
        if (*line == 0) {
            *out_count = count;
            return true;
        }
    }
}

/* ---- shrinking */

static bool is_smaller(const struct campaign *campaign, const uint64_t *tape, uint64_t count) {
    if (count != campaign->best_count) {
        return count < campaign->best_count;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (tape[i] != campaign->best[i]) {
            return tape[i] < campaign->best[i];
        }
    }
    return false;
}

static void keep(struct campaign *campaign, uint64_t count) {
    memcpy(campaign->best, campaign->taken, (size_t)count * sizeof *campaign->best);
    campaign->best_count = count;
}

static uint64_t taken_count(const struct campaign *campaign, const swarm_trial *trial) {
    uint64_t count = trial->first_count != 0 ? trial->first_count : trial->count;

    return trimmed(campaign->taken, count < campaign->max ? count : campaign->max);
}

/* Plays the given tape. True when it fails as the best does and is smaller: it is the best then. */
static bool shrink_try(struct campaign *campaign, uint64_t count) {
    swarm_trial trial = {.given = campaign->given,
                         .taken = campaign->taken,
                         .given_count = count,
                         .max = campaign->max,
                         .seed = campaign->report->seed,
                         .fails_at = SWARM_NEVER};
    const char *text;

    if (campaign->tries == 0) {
        return false;
    }
    campaign->tries--;
    campaign->report->shrinks++;
    text = campaign->spec->trial(campaign->spec->context, &trial);
    count = taken_count(campaign, &trial);
    if (text == NULL || strcmp(text, campaign->report->text) != 0 ||
        !is_smaller(campaign, campaign->taken, count)) {
        return false;
    }
    keep(campaign, count);
    return true;
}

/* Leaves out `size` numbers at `at`. */
static bool shrink_span(struct campaign *campaign, uint64_t at, uint64_t size) {
    uint64_t rest = campaign->best_count - at - size;

    memcpy(campaign->given, campaign->best, (size_t)at * sizeof *campaign->best);
    memcpy(campaign->given + at, campaign->best + at + size, (size_t)rest * sizeof *campaign->best);
    return shrink_try(campaign, at + rest);
}

static bool shrink_value(struct campaign *campaign, uint64_t at, uint64_t value) {
    memcpy(campaign->given, campaign->best, (size_t)campaign->best_count * sizeof *campaign->best);
    campaign->given[at] = value;
    return shrink_try(campaign, campaign->best_count);
}

static bool shrink_spans(struct campaign *campaign) {
    bool any = false;

    for (uint64_t size = campaign->best_count / 2; size != 0; size /= 2) {
        for (uint64_t at = campaign->best_count; at >= size;) {
            bool left_out = at <= campaign->best_count && shrink_span(campaign, at - size, size);

            any = any || left_out;
            at -= size;
        }
    }
    return any;
}

/* Makes `size` numbers at `at` zero, if they are not. */
static bool shrink_to_zero(struct campaign *campaign, uint64_t at, uint64_t size) {
    uint64_t any = 0;

    memcpy(campaign->given, campaign->best, (size_t)campaign->best_count * sizeof *campaign->best);
    for (uint64_t i = at; i < at + size; i++) {
        any |= campaign->given[i];
        campaign->given[i] = 0;
    }
    return any != 0 && shrink_try(campaign, campaign->best_count);
}

static bool shrink_zeros(struct campaign *campaign) {
    bool any = false;

    for (uint64_t size = campaign->best_count / 2; size > 1; size /= 2) {
        for (uint64_t at = 0; at + size <= campaign->best_count; at += size) {
            any = shrink_to_zero(campaign, at, size) || any;
        }
    }
    return any;
}

static bool shrink_values(struct campaign *campaign) {
    bool any = false;

    for (uint64_t at = 0; at < campaign->best_count; at++) {
        uint64_t step = campaign->best[at];

        while (step != 0 && at < campaign->best_count && campaign->best[at] != 0) {
            uint64_t value = campaign->best[at];

            step = step < value ? step : value;
            if (shrink_value(campaign, at, value - step)) {
                any = true;
            } else {
                step /= 2;
            }
        }
    }
    return any;
}

static void shrink(struct campaign *campaign) {
    bool smaller = true;

    while (smaller && campaign->tries != 0) {
        smaller = shrink_zeros(campaign);
        smaller = shrink_spans(campaign) || smaller;
        smaller = shrink_values(campaign) || smaller;
    }
}

/* ---- the campaign */

static swarm_status campaign_failed(struct campaign *campaign, const swarm_trial *trial,
                                    const char *text) {
    campaign->report->text = text;
    keep(campaign, taken_count(campaign, trial));
    shrink(campaign);
    line_write(campaign);
    campaign->report->choices = campaign->line;
    campaign->report->choices_count = campaign->best_count;
    return SWARM_E_FAILED;
}

/* Plays trials until one fails. */
static swarm_status campaign_play(struct campaign *campaign) {
    const swarm_campaign_spec *spec = campaign->spec;
    uint64_t first = spec->seed == 0 ? 1 : spec->seed == SWARM_ZERO ? 0 : spec->seed;
    uint64_t count = spec->seeds == 0 ? 1000 : spec->seeds;
    bool each = (spec->flags & SWARM_CAMPAIGN_EACH) != 0;

    for (uint64_t i = 0; i < count || each; i++) {
        swarm_trial trial = {.taken = campaign->taken,
                             .max = campaign->max,
                             .seed = each ? first : first + i,
                             .fails_at = each ? i : SWARM_NEVER};
        const char *text;

        campaign->report->seed = trial.seed;
        text = spec->trial(spec->context, &trial);
        campaign->report->trials++;
        campaign->report->points = trial.points;
        if (text != NULL) {
            return campaign_failed(campaign, &trial, text);
        }
        if (each && i >= trial.points) {
            break; /* nothing failed: every point had its turn */
        }
    }
    return SWARM_OK;
}

static swarm_status campaign_again(struct campaign *campaign) {
    swarm_trial trial = {.given = campaign->given,
                         .taken = campaign->taken,
                         .max = campaign->max,
                         .fails_at = SWARM_NEVER};
    const char *text;

    if (!line_read(campaign, campaign->spec->choices, &trial.given_count)) {
        return SWARM_E_INVALID;
    }
    campaign->tries = 0;
    text = campaign->spec->trial(campaign->spec->context, &trial);
    campaign->report->trials = 1;
    campaign->report->points = trial.points;
    return text == NULL ? SWARM_OK : campaign_failed(campaign, &trial, text);
}

swarm_status swarm_campaign_run(const swarm_campaign_spec *spec,
                                swarm_campaign_report *out_report) {
    struct campaign campaign = {.spec = spec, .report = out_report};
    size_t shift;

    if (spec == NULL || out_report == NULL || spec->size != sizeof *spec || spec->trial == NULL ||
        spec->memory == NULL || spec->flags > SWARM_CAMPAIGN_EACH) {
        return SWARM_E_INVALID;
    }
    memset(out_report, 0, sizeof *out_report);
    shift = (size_t)(-(uintptr_t)spec->memory % sizeof(uint64_t));
    if (spec->memory_size < shift + CHOICE_BYTES) {
        return SWARM_E_FULL;
    }
    campaign.max = (spec->memory_size - shift) / CHOICE_BYTES;
    campaign.best = (uint64_t *)((unsigned char *)spec->memory + shift);
    campaign.given = campaign.best + campaign.max;
    campaign.taken = campaign.given + campaign.max;
    campaign.line = (char *)(campaign.taken + campaign.max);
    campaign.tries = spec->shrinks_max == 0            ? SHRINKS_DEFAULT
                     : spec->shrinks_max == SWARM_NONE ? 0
                                                       : spec->shrinks_max;
    return spec->choices == NULL ? campaign_play(&campaign) : campaign_again(&campaign);
}

#endif
