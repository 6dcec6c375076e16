/* SPDX-License-Identifier: MIT */
/*
 * moe_serve.h - which sequences are in a tick, with how many tokens, and what follows from it.
 *
 *     WAITING -> (pages for all it may ever need could be had) -> RUNNING -> DONE
 *        ^---------- preempted: a page is needed and none is left ----'
 *
 * Sequences are served by age. A tick takes one token of each running sequence that lacks just one,
 * then prompt tokens of the others until rows_max or prefill_max. Admission is in order: nobody
 * overtakes a sequence that waits, so none starves. What running sequences need for the tokens that
 * they have is kept for them, what their answers may need is not. Pages are taken as they are
 * filled; if there are none, the youngest running sequence gives up its own, which may be the one
 * that asks.
 *
 * Invariant: a RUNNING sequence has pages for its `computed` tokens, and computed < count. The
 * oldest sequence is never preempted for another, and fits by itself (else TOO_BIG), so every tick
 * moves it on: no livelock. Owner's thread only.
 */
#ifndef SWARM_MOE_SERVE_H
#define SWARM_MOE_SERVE_H

#include "moe_cache.h"
#include "moe_sample.h"
#include "moe_state.h"

#define LOGITS_ROWS 64u /* rows of prompts a tick whose logits are wanted, besides the last ones */

/* Handles: slot + 1 below, generation above. */
static uint64_t handle_of(const swarm_moe *moe, const struct sequence *sequence) {
    return (uint64_t)sequence->generation << 32 | (uint64_t)(sequence - moe->sequences + 1);
}

static struct sequence *sequence_of(const swarm_moe *moe, uint64_t id) {
    uint64_t slot = (id & UINT32_MAX) - 1;
    struct sequence *sequence;

    if (moe == NULL || slot >= moe->spec.sequences_max) {
        return NULL;
    }
    sequence = &moe->sequences[slot];
    return sequence->state != SEQUENCE_FREE && sequence->generation == id >> 32 ? sequence : NULL;
}

static struct sequence *sequence_free(const swarm_moe *moe) {
    for (uint32_t i = 0; i < moe->spec.sequences_max; i++) {
        if (moe->sequences[i].state == SEQUENCE_FREE) {
            return &moe->sequences[i];
        }
    }
    return NULL;
}

/* ---- adding */

/* Appends tokens to a sequence that is being made. */
static swarm_status append(const swarm_moe *moe, struct sequence *sequence, const int32_t *tokens,
                           uint64_t count) {
    if (count > moe->spec.context_max - sequence->count) {
        return SWARM_E_TOO_BIG;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= moe->model.vocabulary) {
            return SWARM_E_INVALID;
        }
        sequence->tokens[sequence->count++] = tokens[i];
    }
    return SWARM_OK;
}

/* Pages that the sequence needs at most: its last new token is never computed. */
static uint32_t pages_at_most(const swarm_moe *moe, const struct sequence *sequence) {
    return ceiling(sequence->limit - 1, moe->spec.page_tokens);
}

static bool prompt_is_good(const swarm_moe_prompt *prompt) {
    return prompt != NULL && prompt->size == sizeof *prompt && prompt->out_tokens != NULL &&
           prompt->new_max != 0 && (prompt->tokens_count == 0 || prompt->tokens != NULL) &&
           (prompt->suffix_count == 0 || prompt->suffix != NULL) && prompt->reserved == 0 &&
           prompt->flags <= (SWARM_MOE_INPUTS | SWARM_MOE_GO_ON) && prompt->top_p_ppm <= 1000000;
}

/* The new tokens of a step's inputs. */
static swarm_status append_inputs(const swarm_moe *moe, struct sequence *sequence, swarm *sw,
                                  const swarm_request *request) {
    swarm_status status = SWARM_OK;

    for (uint32_t i = 0; status == SWARM_OK && i < request->inputs; i++) {
        swarm_result input;

        status = swarm_input(sw, request->step, i, &input);
        if (status == SWARM_OK) {
            status = append(moe, sequence, input.bytes, input.size / sizeof(int32_t));
        }
    }
    return status;
}

/* Fills a free slot; on an error it stays free. `request` is null without a swarm. */
static swarm_status sequence_fill(swarm_moe *moe, struct sequence *sequence,
                                  const swarm_moe_prompt *prompt, swarm *sw,
                                  const swarm_request *request) {
    swarm_status status;

    sequence->count = 0;
    status = append(moe, sequence, prompt->tokens, prompt->tokens_count);
    if (status == SWARM_OK && (prompt->flags & SWARM_MOE_INPUTS) != 0) {
        status = request == NULL ? SWARM_E_INVALID : append_inputs(moe, sequence, sw, request);
    }
    if (status == SWARM_OK) {
        status = append(moe, sequence, prompt->suffix, prompt->suffix_count);
    }
    if (status != SWARM_OK) {
        return status;
    }
    if (sequence->count == 0) {
        return SWARM_E_INVALID;
    }
    if (prompt->new_max > moe->spec.context_max - sequence->count) {
        return SWARM_E_TOO_BIG;
    }
    sequence->limit = sequence->count + prompt->new_max;
    return pages_at_most(moe, sequence) > moe->spec.pages_max ? SWARM_E_TOO_BIG : SWARM_OK;
}

static swarm_status sequence_add(swarm_moe *moe, const swarm_moe_prompt *prompt, swarm *sw,
                                 const swarm_request *request, struct sequence **out_sequence) {
    struct sequence *sequence;
    swarm_status status;

    if (!prompt_is_good(prompt)) {
        return SWARM_E_INVALID;
    }
    sequence = sequence_free(moe);
    if (sequence == NULL) {
        return SWARM_E_AGAIN;
    }
    status = sequence_fill(moe, sequence, prompt, sw, request);
    if (status != SWARM_OK) {
        return status;
    }
    *sequence = (struct sequence){.prompt = prompt,
                                  .tokens = sequence->tokens,
                                  .pages = sequence->pages,
                                  .sw = sw,
                                  .age = moe->ages++,
                                  .generation = sequence->generation + 1,
                                  .state = SEQUENCE_WAITING,
                                  .prompt_count = sequence->count,
                                  .count = sequence->count,
                                  .limit = sequence->limit};
    if (request != NULL) {
        sequence->attempt = request->attempt;
        moe->unanswered++;
    }
    moe->order[moe->live++] = (uint32_t)(sequence - moe->sequences);
    moe->stats.sequences++;
    *out_sequence = sequence;
    return SWARM_OK;
}

/* ---- ending */

static uint32_t new_tokens(const struct sequence *sequence) {
    return sequence->count - sequence->prompt_count;
}

/* Tells the swarm; the slot is free then. */
static void sequence_answer(swarm_moe *moe, struct sequence *sequence) {
    bool is_ok = sequence->outcome == SWARM_OUTCOME_OK;
    uint32_t count = new_tokens(sequence);
    const swarm_completion completion = {
        .attempt = sequence->attempt,
        .outcome = sequence->outcome,
        .usage = {.input_tokens = sequence->highest < sequence->prompt_count
                                      ? sequence->highest
                                      : sequence->prompt_count,
                  .cached_tokens = sequence->cached,
                  .output_tokens = count},
        .result = {.bytes = is_ok ? sequence->prompt->out_tokens : NULL,
                   .size = is_ok ? count * sizeof(int32_t) : 0,
                   .value = count,
                   .digest = tokens_hash(1, sequence->prompt->out_tokens, count),
                   .confidence_ppm = 1000000}};

    (void)swarm_complete(sequence->sw, &completion); /* a stale attempt needs no answer */
    moe->unanswered--;
    sequence->state = SEQUENCE_FREE;
}

/* Ends a live sequence. */
static void sequence_end(swarm_moe *moe, struct sequence *sequence, swarm_outcome outcome) {
    uint32_t slot = (uint32_t)(sequence - moe->sequences), at = 0;

    while (moe->order[at] != slot) {
        at++;
    }
    moe->live--;
    memmove(moe->order + at, moe->order + at + 1, (moe->live - at) * sizeof *moe->order);
    sequence_unpage(moe, sequence);
    sequence->state = SEQUENCE_DONE;
    sequence->outcome = outcome;
    moe->stats.failed += outcome == SWARM_OUTCOME_TERMINAL || outcome == SWARM_OUTCOME_TRANSIENT ||
                         outcome == SWARM_OUTCOME_LOST;
    moe->tick.ended++;
    if (sequence->sw != NULL) {
        sequence_answer(moe, sequence);
    }
}

/* A cancel: at once, or after the tick that has its rows. */
static void sequence_cancel(swarm_moe *moe, struct sequence *sequence) {
    if (sequence->state == SEQUENCE_WAITING || sequence->state == SEQUENCE_RUNNING) {
        sequence->is_cancelled = true;
        if (!moe->is_under_way || sequence->rows_count == 0) {
            sequence_end(moe, sequence, SWARM_OUTCOME_CANCELLED);
        }
    }
}

/* ---- planning a tick */

/* Pages that the running sequences lack for the tokens which they have already. */
static uint32_t pages_promised(const swarm_moe *moe) {
    uint32_t promised = 0;

    for (uint32_t i = 0; i < moe->live; i++) {
        const struct sequence *sequence = &moe->sequences[moe->order[i]];
        uint32_t wanted = ceiling(sequence->count, moe->spec.page_tokens);

        if (sequence->state == SEQUENCE_RUNNING && wanted > sequence->pages_count) {
            promised += wanted - sequence->pages_count;
        }
    }
    return promised;
}

/* Lets a waiting sequence begin, if what it may need could be had. */
static bool sequence_admit(swarm_moe *moe, struct sequence *sequence, uint32_t *promised) {
    uint32_t lacking, wanted = ceiling(sequence->count, moe->spec.page_tokens);

    sequence_match(moe, sequence);
    lacking = pages_at_most(moe, sequence) - sequence->pages_count;
    if ((uint64_t)lacking + *promised > (uint64_t)moe->pages_free + moe->pages_kept) {
        sequence_unpage(moe, sequence);
        return false;
    }
    sequence->state = SEQUENCE_RUNNING;
    moe->tick.began++;
    moe->tick.cached += sequence->computed;
    moe->stats.cached_tokens += sequence->computed;
    if (!sequence->has_begun) {
        sequence->has_begun = true;
        sequence->cached = sequence->computed;
        sequence->highest = sequence->computed;
    }
    *promised += wanted - sequence->pages_count;
    return true;
}

static void admit(swarm_moe *moe) {
    uint32_t promised = pages_promised(moe);

    for (uint32_t i = 0; i < moe->live; i++) {
        struct sequence *sequence = &moe->sequences[moe->order[i]];

        sequence->rows_count = 0;
        if (sequence->state == SEQUENCE_WAITING && !sequence_admit(moe, sequence, &promised)) {
            break;
        }
    }
}

static void preempt(swarm_moe *moe, struct sequence *sequence) {
    sequence_unpage(moe, sequence);
    sequence->state = SEQUENCE_WAITING;
    sequence->rows_count = 0;
    sequence->preempted++;
    moe->tick.preempted++;
    moe->stats.preempted++;
}

static struct sequence *youngest_running(swarm_moe *moe) {
    for (uint32_t i = moe->live; i-- != 0;) {
        if (moe->sequences[moe->order[i]].state == SEQUENCE_RUNNING) {
            return &moe->sequences[moe->order[i]];
        }
    }
    return NULL;
}

/* Takes pages for the sequence's rows; others, or it itself, may lose theirs. */
static void reserve(swarm_moe *moe, struct sequence *sequence) {
    uint32_t wanted = ceiling(sequence->computed + sequence->rows_count, moe->spec.page_tokens);

    while (sequence->state == SEQUENCE_RUNNING && sequence->pages_count < wanted) {
        uint32_t page = page_take(moe);

        if (page != NONE) {
            sequence->pages[sequence->pages_count++] = page;
        } else {
            preempt(moe, youngest_running(moe));
        }
    }
}

/* How many tokens of each running sequence are computed. */
static void share_out(swarm_moe *moe) {
    uint32_t rows = moe->spec.rows_max, logits = LOGITS_ROWS, prefill;

    for (uint32_t i = 0; i < moe->live; i++) {
        struct sequence *sequence = &moe->sequences[moe->order[i]];

        if (sequence->state == SEQUENCE_RUNNING && sequence->count - sequence->computed == 1) {
            sequence->rows_count = 1;
            rows--;
        }
    }
    prefill = least(rows, moe->spec.prefill_max);
    for (uint32_t i = 0; i < moe->live; i++) {
        struct sequence *sequence = &moe->sequences[moe->order[i]];
        bool is_logged = sequence->prompt->out_logits != NULL;

        if (sequence->state == SEQUENCE_RUNNING && sequence->rows_count == 0) {
            sequence->rows_count = least(prefill, sequence->count - sequence->computed);
            if (is_logged) {
                sequence->rows_count = least(logits, sequence->rows_count);
                logits -= sequence->rows_count;
            }
            prefill -= sequence->rows_count;
        }
    }
}

/* Writes down the rows of one sequence. */
static void list_rows(swarm_moe *moe, struct sequence *sequence) {
    sequence->rows_first = moe->rows_count;
    for (uint32_t i = 0; i < sequence->rows_count; i++) {
        uint32_t position = sequence->computed + i;
        bool is_wanted = position + 1 == sequence->count || sequence->prompt->out_logits != NULL;
        struct row *row = &moe->rows[moe->rows_count];

        *row = (struct row){(uint32_t)(sequence - moe->sequences), position,
                            sequence->tokens[position], NONE};
        if (is_wanted) {
            row->head = moe->heads_count;
            moe->act.head_row[moe->heads_count++] = moe->rows_count;
        }
        moe->rows_count++;
        moe->stats.rebuilt_tokens += position < sequence->highest;
        if (position >= sequence->prompt_count || sequence->rows_count == 1) {
            moe->tick.decode++;
        } else {
            moe->tick.prefill++;
        }
    }
}

/* Decides the tick's rows; false when there are none. */
static bool plan_tick(swarm_moe *moe) {
    uint64_t held;

    moe->rows_count = moe->heads_count = 0;
    moe->tick = (swarm_moe_tick_info){.ended = 0};
    admit(moe);
    share_out(moe);
    for (uint32_t i = 0; i < moe->live; i++) {
        reserve(moe, &moe->sequences[moe->order[i]]);
    }
    for (uint32_t i = 0; i < moe->live; i++) {
        list_rows(moe, &moe->sequences[moe->order[i]]);
    }
    held = moe->spec.pages_max - moe->pages_free - moe->pages_kept;
    moe->stats.pages_most_used =
        held > moe->stats.pages_most_used ? held : moe->stats.pages_most_used;
    return moe->rows_count != 0;
}

/* ---- after the tick */

static bool logits_are_good(const swarm_moe *moe, uint32_t head) {
    const float *logits = moe->act.logits + (size_t)head * moe->model.vocabulary;

    if (moe->greedy != NULL) {
        return moe->greedy[head] != NONE;
    }
    for (uint32_t k = 0; k < moe->model.vocabulary; k++) {
        if (!is_finite(logits[k])) {
            return false;
        }
    }
    return true;
}

static bool rows_are_good(const swarm_moe *moe, const struct sequence *sequence) {
    for (uint32_t i = 0; i < sequence->rows_count; i++) {
        const struct row *row = &moe->rows[sequence->rows_first + i];

        if (moe->act.is_bad[sequence->rows_first + i]) {
            return false;
        }
        if (row->head != NONE && !logits_are_good(moe, row->head)) {
            return false;
        }
    }
    return true;
}

static void copy_logits(const swarm_moe *moe, const struct sequence *sequence) {
    size_t width = moe->model.vocabulary;

    for (uint32_t i = 0; sequence->prompt->out_logits != NULL && i < sequence->rows_count; i++) {
        const struct row *row = &moe->rows[sequence->rows_first + i];

        memcpy(sequence->prompt->out_logits + row->position * width,
               moe->act.logits + row->head * width, width * sizeof(float));
    }
}

/* Chooses the next token of a sequence whose last row was computed; true when it was the last. */
static bool extend(swarm_moe *moe, struct sequence *sequence) {
    const struct row *row = &moe->rows[sequence->rows_first + sequence->rows_count - 1];
    const swarm_moe_prompt *prompt = sequence->prompt;
    const struct candidates all = {.logits =
                                       moe->act.logits + (size_t)row->head * moe->model.vocabulary,
                                   .order = moe->sampling,
                                   .count = moe->model.vocabulary};
    int32_t token = moe->greedy != NULL && prompt->temperature_ppm == 0
                        ? (int32_t)moe->greedy[row->head]
                        : sample(&all, prompt, row->position);

    prompt->out_tokens[new_tokens(sequence)] = token;
    sequence->tokens[sequence->count++] = token;
    return sequence->count == sequence->limit ||
           ((prompt->flags & SWARM_MOE_GO_ON) == 0 && (uint32_t)token == moe->model.end_token);
}

/* Applies what the tick found for one sequence. */
static void settle(swarm_moe *moe, struct sequence *sequence) {
    if (!rows_are_good(moe, sequence)) {
        sequence_end(moe, sequence, SWARM_OUTCOME_TERMINAL);
        return;
    }
    copy_logits(moe, sequence);
    sequence->computed += sequence->rows_count;
    if (sequence->computed > sequence->highest) {
        sequence->highest = sequence->computed;
    }
    sequence_name_pages(moe, sequence);
    if (sequence->is_cancelled) {
        sequence_end(moe, sequence, SWARM_OUTCOME_CANCELLED);
    } else if (sequence->computed == sequence->count && extend(moe, sequence)) {
        sequence_end(moe, sequence, SWARM_OUTCOME_OK);
    }
}

/* Ends the tick: all sequences go on, or, after a failure of what computes, end with `outcome`. */
static void finish_tick(swarm_moe *moe, swarm_outcome outcome) {
    moe->is_under_way = false;
    for (uint32_t i = moe->live; i-- != 0;) {
        struct sequence *sequence = &moe->sequences[moe->order[i]];

        if (sequence->rows_count != 0 && outcome == SWARM_OUTCOME_OK) {
            settle(moe, sequence);
        } else if (sequence->rows_count != 0 || outcome == SWARM_OUTCOME_LOST) {
            sequence_end(moe, sequence, sequence->is_cancelled ? SWARM_OUTCOME_CANCELLED : outcome);
        }
        sequence->rows_count = 0;
    }
    moe->stats.ticks++;
    moe->stats.decode_tokens += moe->tick.decode;
    moe->stats.prefill_tokens += moe->tick.prefill;
    moe->stats.rows_largest =
        moe->rows_count > moe->stats.rows_largest ? moe->rows_count : moe->stats.rows_largest;
    for (uint32_t i = 0; i < moe->live; i++) {
        bool is_waiting = moe->sequences[moe->order[i]].state == SEQUENCE_WAITING;

        moe->tick.waiting += is_waiting;
        moe->tick.running += !is_waiting;
    }
}

#endif
