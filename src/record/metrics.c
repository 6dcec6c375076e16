/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - a run in numbers. Definitions stand at swarm_metrics in swarm.h; all of it follows
 * from the trace, in one pass a number.
 *
 * Work and span: Blumofe and Leiserson, JACM 46(5), 1999, section 1. Critical steps by stages and
 * the two rewards: Kimi K2.5, arXiv 2602.02276.
 */
#include "trace.h"

/* Sums stop at the end of their range: a log may claim any number, and a sum that came round would
 * be a small lie instead of a visible one. */
static void add(uint64_t *sum, uint64_t value) {
    *sum = saturating_add64(*sum, value);
}

static void usage_sum(swarm_usage *sum, const swarm_usage *usage) {
    add(&sum->input_tokens, usage->input_tokens);
    add(&sum->cached_tokens, usage->cached_tokens);
    add(&sum->output_tokens, usage->output_tokens);
    add(&sum->cost_nano, usage->cost_nano);
}

/* ---- attempts */

/* Which sum an attempt's running time belongs to, if it is waste; null when it is work. */
static uint64_t *waste_of(swarm_metrics *m, const struct trace_step *step,
                          const struct trace_attempt *attempt) {
    if (!attempt->counts) {
        bool lost = attempt->state == ATTEMPT_DONE && attempt->outcome == SWARM_OUTCOME_OK;

        return lost ? &m->waste_late_ns : &m->waste_cancelled_ns;
    }
    if (!step->executed) {
        return &m->waste_failed_ns;
    }
    return step->used ? NULL : &m->waste_unread_ns;
}

/* Adds an attempt to the run's sums and its agent's. What it did after it was given up, until its
 * agent was free, is late, whatever became of the rest. */
static void measure_attempt(swarm_trace *trace, const struct trace_attempt *attempt) {
    swarm_metrics *m = &trace->metrics;
    const struct trace_step *step = &trace->steps[attempt->step];
    swarm_agent_metrics *agent = &trace->agents[attempt->agent].metrics;
    uint64_t ran = attempt->end_ns - attempt->start_ns;
    uint64_t *waste = waste_of(m, step, attempt);

    SWARM_ASSERT(attempt->end_ns >= attempt->start_ns);
    SWARM_ASSERT(attempt->freed_ns >= attempt->end_ns);
    if (waste != NULL) {
        add(waste, ran);
        usage_sum(&m->waste, &attempt->usage);
    }
    add(&m->waste_late_ns, attempt->freed_ns - attempt->end_ns);
    usage_sum(&m->usage, &attempt->usage);
    m->retries += attempt->previous != NONE32;
    m->reassigned +=
        attempt->previous != NONE32 && trace->attempts[attempt->previous].agent != attempt->agent;
    agent->attempts++;
    agent->won += attempt->wins;
    agent->failed += attempt->counts && !attempt->wins;
    agent->given_up += attempt->state == ATTEMPT_GIVEN_UP;
    add(&agent->busy_ns, attempt->freed_ns - attempt->start_ns);
    add(&agent->work_ns, attempt->counts && step->executed ? ran : 0);
    usage_sum(&agent->usage, &attempt->usage);
}

/* Nearest rank: the smallest wait that `percent` of all do not exceed. */
static uint64_t percentile(const uint64_t *sorted, uint32_t count, uint64_t percent) {
    SWARM_ASSERT(percent <= 100);
    return count == 0 ? 0 : sorted[(count * percent + 99) / 100 - 1];
}

/* Waits and ends, sorted, and from those how many attempts ran at once at most: a sweep over starts
 * and ends. An end and a start at one time do not overlap. */
static void measure_waits(swarm_trace *trace) {
    uint32_t count = trace->attempt_count, running = 0, over = 0;

    for (uint32_t i = 0; i < count; i++) {
        trace->waits[i] = trace->attempts[i].start_ns - trace->attempts[i].ready_ns;
        trace->waits[count + i] = trace->attempts[i].freed_ns;
    }
    swarm__trace_sort(trace->waits, count);
    swarm__trace_sort(trace->waits + count, count);
    trace->metrics.queue_p50_ns = percentile(trace->waits, count, 50);
    trace->metrics.queue_p99_ns = percentile(trace->waits, count, 99);
    for (uint32_t i = 0; i < count; i++) { /* starts stand in the order of time */
        for (running++; trace->waits[count + over] <= trace->attempts[i].start_ns && over < i;
             over++) {
            running--;
        }
        if (running > trace->metrics.running_most) {
            trace->metrics.running_most = running;
        }
    }
}

/* ---- steps */

/* Work is the sum of all weights, span the longest path: no number of agents is faster. */
static void measure_steps(swarm_trace *trace) {
    swarm_metrics *m = &trace->metrics;

    for (uint32_t v = 0; v < trace->step_count; v++) {
        const struct trace_step *step = &trace->steps[v];

        add(&m->queued_ns, step->queued_ns);
        add(&m->backoff_ns, step->backoff_ns);
        if (step->executed) {
            uint64_t path = saturating_add64(step->head, step->running_ns);
            uint64_t steps = step->head_steps + (uint64_t)step->weight_steps;

            m->ok++;
            m->unused += !step->used;
            add(&m->work_ns, step->running_ns);
            m->work_steps += step->weight_steps;
            m->span_ns = path > m->span_ns ? path : m->span_ns;
            m->span_steps = steps > m->span_steps ? steps : m->span_steps;
        }
    }
    m->steps = trace->step_count;
}

/* Unused, and not on every longest path: what was done beside the job. */
static uint64_t count_spurious(const swarm_trace *trace) {
    uint32_t *on = trace->scratch + trace->step_count;
    uint64_t count = 0;

    swarm__trace_indispensable(trace, on);
    for (uint32_t v = 0; v < trace->step_count; v++) {
        count += trace->steps[v].executed && !trace->steps[v].used && on[v] == 0;
    }
    return count;
}

/* ---- stages */

/* Whether the run ends with a coordinator's step that brought no plan: its synthesis. */
static bool ends_led(const swarm_trace *trace) {
    const struct trace_step *final = &trace->steps[trace->final == NONE32 ? 0 : trace->final];

    return trace->final != NONE32 && !final->is_turn &&
           trace->agents[trace->attempts[final->winner].agent].plans;
}

/* The most steps that one agent did for a plan; turns of a coordinator are counted by their plans,
 * and its last step alone. `steps` has one number an agent, all 0 before and after. */
static uint64_t stage_most(const swarm_trace *trace, const struct trace_plan *plan,
                           uint32_t *steps) {
    bool led = ends_led(trace);
    uint64_t most = 0;

    SWARM_ASSERT(plan->step_first + plan->step_count <= trace->step_count);
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t v = plan->step_first; v < plan->step_first + plan->step_count; v++) {
            const struct trace_step *step = &trace->steps[v];

            if (step->winner != NONE32 && !step->is_turn && !(v == trace->final && led)) {
                uint32_t agent = trace->attempts[step->winner].agent;

                steps[agent] = pass == 0 ? steps[agent] + step->weight_steps : 0;
                most = steps[agent] > most ? steps[agent] : most;
            }
        }
    }
    return most;
}

/* Critical steps by stages: what a fleet would have needed if each plan were a barrier. */
static uint64_t count_staged(const swarm_trace *trace) {
    uint32_t *steps = trace->scratch;
    uint64_t sum = 0;

    for (uint32_t a = 0; a < trace->agent_count; a++) {
        steps[a] = 0; /* an agent has attempts: there is room */
    }
    for (uint32_t p = 0; p < trace->plan_count; p++) {
        const struct trace_plan *plan = &trace->plans[p];

        sum += stage_most(trace, plan, steps);
        if (plan->turn != NONE32 && trace->steps[plan->turn].executed) {
            sum += trace->steps[plan->turn].weight_steps;
        }
    }
    if (ends_led(trace)) {
        sum += trace->steps[trace->final].weight_steps;
    }
    return sum;
}

/* ---- ratios */

/* (B - 1/W) / (1 - 1/W) with B = most / work is (most * W - work) / (work * (W - 1)). */
static uint64_t collapse_ppm(const swarm_metrics *m, uint64_t most) {
    uint64_t width = m->span_ns == 0 ? 0 : m->work_ns / m->span_ns, part, whole;

    width = width < m->agents ? width : m->agents;
    SWARM_ASSERT(width <= m->agents);
    if (width < 2 || !checked_mul64(most, width, &part) ||
        !checked_mul64(m->work_ns, width - 1, &whole) || part <= m->work_ns) {
        return 0;
    }
    return trace_ppm(part - m->work_ns, whole);
}

/* Agents that joined count, whether they worked or not: idle ones are what utilisation is about. A
 * log without SETUP knows only those that worked. */
static void measure_ratios(swarm_trace *trace) {
    swarm_metrics *m = &trace->metrics;
    uint64_t most = 0;

    m->agents = trace->crew_count == 0 ? trace->agent_count : 0;
    for (uint32_t i = 0; i < trace->crew_count; i++) {
        add(&m->agents, trace->crews[i].count);
    }
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        swarm_agent_metrics *agent = &trace->agents[a].metrics;

        agent->agent = trace->agents[a].id;
        agent->profile = trace->agents[a].profile;
        agent->agents = 1;
        agent->share_ppm = trace_ppm(agent->work_ns, m->work_ns);
        agent->busy_ppm = trace_ppm(agent->busy_ns, m->makespan_ns);
        most = agent->work_ns > most ? agent->work_ns : most;
    }
    m->possible_ppm = trace_ppm(m->work_ns, m->span_ns);
    m->achieved_ppm = trace_ppm(m->work_ns, m->makespan_ns);
    m->efficiency_ppm = trace_ppm(m->span_ns, m->makespan_ns);
    m->utilisation_ppm = m->agents == 0 ? 0 : m->achieved_ppm / m->agents;
    m->busiest_ppm = trace_ppm(most, m->work_ns);
    m->collapse_ppm = collapse_ppm(m, most);
    m->finish_ppm = trace_ppm(m->ok, m->steps);
}

/* Ratios come after the sums that they divide. */
void swarm__trace_measure(swarm_trace *trace) {
    swarm_metrics *m = &trace->metrics;

    SWARM_ASSERT(trace->end_ns >= trace->start_ns);
    m->makespan_ns = trace->end_ns - trace->start_ns;
    m->plans = trace->plan_count;
    m->attempts = trace->attempt_count;
    measure_steps(trace);
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        measure_attempt(trace, &trace->attempts[i]);
    }
    add(&m->waste_ns, m->waste_cancelled_ns);
    add(&m->waste_ns, m->waste_late_ns);
    add(&m->waste_ns, m->waste_failed_ns);
    add(&m->waste_ns, m->waste_unread_ns);
    measure_waits(trace);
    measure_ratios(trace);
    m->staged_steps = count_staged(trace);
    m->redundant_edges = swarm__trace_redundant(trace);
    m->spurious_ppm = trace_ppm(count_spurious(trace), m->steps);
}

/* ---- public */

swarm_status swarm_trace_metrics(const swarm_trace *trace, swarm_metrics *out_metrics) {
    if (trace == NULL || out_metrics == NULL) {
        return SWARM_E_INVALID;
    }
    *out_metrics = trace->metrics;
    return SWARM_OK;
}

swarm_status swarm_trace_agent(const swarm_trace *trace, uint32_t index,
                               swarm_agent_metrics *out_metrics) {
    if (trace == NULL || out_metrics == NULL) {
        return SWARM_E_INVALID;
    }
    if (index >= trace->agent_count) {
        return SWARM_E_MISSING;
    }
    *out_metrics = trace->agents[index].metrics;
    return SWARM_OK;
}

/* Adds up the agents of one profile. */
static void profile_add(swarm_agent_metrics *sum, const swarm_agent_metrics *agent) {
    sum->agents++;
    sum->attempts += agent->attempts;
    sum->won += agent->won;
    sum->failed += agent->failed;
    sum->given_up += agent->given_up;
    add(&sum->busy_ns, agent->busy_ns);
    add(&sum->work_ns, agent->work_ns);
    usage_sum(&sum->usage, &agent->usage);
}

/* The index-th smallest profile id of the agents; false behind the last. */
static bool profile_at(const swarm_trace *trace, uint32_t index, uint64_t *out_profile) {
    uint64_t at = 0;
    bool found = false;

    for (uint32_t round = 0; round <= index; round++) {
        uint64_t next = UINT64_MAX;
        bool more = false;

        for (uint32_t a = 0; a < trace->agent_count; a++) {
            uint64_t profile = trace->agents[a].profile;

            if ((round == 0 || profile > at) && (!more || profile < next)) {
                next = profile;
                more = true;
            }
        }
        if (!more) {
            return false;
        }
        at = next;
        found = true;
    }
    *out_profile = at;
    return found;
}

swarm_status swarm_trace_profile(const swarm_trace *trace, uint32_t index,
                                 swarm_agent_metrics *out_metrics) {
    swarm_agent_metrics sum = {0};
    uint64_t profile;

    if (trace == NULL || out_metrics == NULL) {
        return SWARM_E_INVALID;
    }
    if (!profile_at(trace, index, &profile)) {
        return SWARM_E_MISSING;
    }
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        if (trace->agents[a].profile == profile) {
            profile_add(&sum, &trace->agents[a].metrics);
        }
    }
    sum.profile = profile;
    for (uint32_t i = 0, first = 1; i < trace->crew_count; i++) {
        if (trace->crews[i].profile == profile) {
            sum.agents = first != 0 ? 0 : sum.agents; /* idle ones count too */
            add(&sum.agents, trace->crews[i].count);
            first = 0;
        }
    }
    sum.share_ppm = trace_ppm(sum.work_ns, trace->metrics.work_ns);
    sum.busy_ppm = trace_ppm(sum.busy_ns, trace->metrics.makespan_ns) / sum.agents;
    *out_metrics = sum;
    return SWARM_OK;
}
