/* SPDX-License-Identifier: MIT */
/*
 * slack.c - slow and cheap agents do what has time enough (S9).
 *
 * A step whose longest way to the end of its plan, taken by agents of a profile and a little more,
 * still ends by the run's deadline may go to that profile; the fastest one may take any step. Of
 * these the router's score picks, so that the cheapest goes first. Where all of them are busy, one
 * that would just be in time will do; else the step waits.
 *
 * Threads: the turn.
 */
#include "gate.h"

#define MARGIN_PPM 1300000u /* of the way that is left; less is cheaper and often late */

/* The running time of the fastest profile in service that fits. */
static uint32_t fastest(const struct dispatch *d, const struct skill_set *fits) {
    uint32_t least = UINT32_MAX;

    for (uint32_t p = 0; p < d->profiles_count; p++) {
        const struct profile *profile = &d->profiles[p];

        if (set_has(fits, p) && profile->agents != 0 && profile->slow_ppm < least) {
            least = profile->slow_ppm;
        }
    }
    return least;
}

/* Whether the way behind the step, this step included, ends in time with such agents. */
static bool is_in_time(const swarm *sw, const struct tracked *step, uint32_t slow_ppm,
                       uint32_t margin_ppm) {
    uint64_t way_ns;

    SWARM_ASSERT(slow_ppm != 0);
    return checked_mul_div(step->level, slow_ppm, MILLION, &way_ns) &&
           checked_mul_div(way_ns, margin_ppm, MILLION, &way_ns) &&
           saturating_add64(sw->now_ns, way_ns) <= sw->dispatch.runs[step->run].deadline_ns;
}

static uint32_t pick_within(swarm *sw, uint32_t head, uint32_t margin_ppm, int64_t *out_score,
                            uint32_t *out_why) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[head];
    const struct skill_set *fits = swarm__demand_profiles(d, step->demand);
    struct skill_set may = *fits;
    uint32_t least = fastest(d, fits);

    for (uint32_t p = 0; p < d->profiles_count; p++) {
        if (set_has(fits, p) && d->profiles[p].slow_ppm > least &&
            !is_in_time(sw, step, d->profiles[p].slow_ppm, margin_ppm)) {
            set_remove(&may, p);
        }
    }
    return swarm__gate_pick(sw, step->demand, &may, out_score, out_why);
}

uint32_t swarm__slack_pick(swarm *sw, uint32_t head, int64_t *out_score, uint32_t *out_why) {
    uint32_t agent = pick_within(sw, head, MARGIN_PPM, out_score, out_why);

    return agent != NONE32 ? agent : pick_within(sw, head, MILLION, out_score, out_why);
}
