/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/measure.h"

#include <math.h>

const struct sy_measure_info sy_measure_infos[SY_MEASURES] = {
    [SY_MEASURE_SPREAD_SD] = {"spread_sd", "Utilization spread (sd)", "%",
                              "Standard deviation over the nodes of real cpu use, mean over time.",
                              -1},
    [SY_MEASURE_SPREAD_RANGE] = {"spread_range", "Utilization spread (max - min)", "%",
                                 "Real cpu use of the fullest node less that of the emptiest.", -1},
    [SY_MEASURE_OVERLOAD] = {"overload_node_min", "Overload", "node-min",
                             "Minutes of nodes of which more cpu or memory is wanted than they "
                             "have.",
                             -1},
    [SY_MEASURE_OVERLOAD_CPU] = {"overload_cpu_node_min", "Overload of cpu", "node-min",
                                 "The same, cpu alone.", -1},
    [SY_MEASURE_OVERLOAD_MEMORY] = {"overload_memory_node_min", "Overload of memory", "node-min",
                                    "The same, memory alone.", -1},
    [SY_MEASURE_WAIT_MEAN] = {"wait_mean_s", "Waiting (mean)", "s",
                              "From a pod's arrival until it runs.", -1},
    [SY_MEASURE_WAIT_P50] = {"wait_p50_s", "Waiting (p50)", "s", "Half of the pods wait less.", -1},
    [SY_MEASURE_WAIT_P99] = {"wait_p99_s", "Waiting (p99)", "s", "One pod in a hundred waits more.",
                             -1},
    [SY_MEASURE_SLOWED] = {"slowed_percent", "Slowed pods", "%",
                           "Share of the pods' running time that passed on overloaded nodes.", -1},
    [SY_MEASURE_HITS] = {"hits", "Pods lost to failures", "pods",
                         "Pods whose node failed under them.", -1},
    [SY_MEASURE_RECOVERY] = {"recovery_s", "Recovery (mean)", "s",
                             "From the loss of a pod until it runs again.", -1},
    [SY_MEASURE_COMPLETED] = {"completed", "Pods completed", "pods",
                              "Pods that did all their work.", 1},
    [SY_MEASURE_USE] = {"use_percent", "Real cpu use", "%", "Mean over the nodes that are up.", 0},
    [SY_MEASURE_REQUESTED] = {"requested_percent", "Requested cpu", "%",
                              "Of all that is there, by the pods that are bound.", 0},
};

void sy_figures_done(struct sy_figures *f)
{
    sy_vec_done(&f->spread);
    sy_vec_done(&f->overloaded);
}

static void end_step(struct sy_gauge *g)
{
    if (!g->step_looks)
        return;
    sy_vec_push(&g->figures.spread, (float)(g->step_sd / g->step_looks));
    sy_vec_push(&g->figures.overloaded, (float)(g->step_overloaded / g->step_looks));
    g->step_sd = g->step_overloaded = 0;
    g->step_looks = 0;
}

void sy_gauge_look(struct sy_gauge *g, const struct sy_gauge_node *nodes, uint32_t len,
                   int64_t dt_ns, sy_time_ns now)
{
    double sum = 0, squares = 0, least = INFINITY, most = 0, asked = 0, have = 0;
    double dt_s = (double)dt_ns / 1e9;
    uint32_t overloaded = 0;

    if (!len)
        return;
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_gauge_node *n = &nodes[i];
        bool is_over = n->cpu > 1 || n->memory > 1;
        sum += n->cpu;
        squares += n->cpu * n->cpu;
        least = fmin(least, n->cpu);
        most = fmax(most, n->cpu);
        asked += n->requested_cpu_milli;
        have += n->cpu_milli;
        overloaded += is_over;
        if (now <= g->from)
            continue;
        g->overload_s += is_over ? dt_s : 0;
        g->overload_cpu_s += n->cpu > 1 ? dt_s : 0;
        g->overload_memory_s += n->memory > 1 ? dt_s : 0;
        g->run_s += n->running * dt_s;
        g->slow_s += is_over ? n->running * dt_s : 0;
    }
    double mean = sum / len;
    double sd = sqrt(fmax(0, squares / len - mean * mean));
    if (now >= g->step_until) {
        end_step(g);
        g->step_until = now + SY_SERIES_STEP_NS;
    }
    g->step_sd += sd;
    g->step_overloaded += (double)overloaded / len;
    g->step_looks++;
    if (now <= g->from)
        return;
    g->looks++;
    g->spread_sd += sd;
    g->spread_range += most - least;
    g->use += mean;
    g->requested += have > 0 ? asked / have : 0;
}

void sy_gauge_wait(struct sy_gauge *g, sy_time_ns arrived, sy_time_ns now)
{
    if (arrived >= g->from)
        sy_vec_push(&g->waits_s, (double)(now - arrived) / 1e9);
}

void sy_gauge_recovery(struct sy_gauge *g, sy_time_ns lost, sy_time_ns now)
{
    if (lost < g->from)
        return;
    g->recovery_s += (double)(now - lost) / 1e9;
    g->recoveries++;
}

void sy_gauge_hit(struct sy_gauge *g, sy_time_ns now)
{
    g->hits += now >= g->from;
}

void sy_gauge_completed(struct sy_gauge *g, sy_time_ns now)
{
    g->completed += now >= g->from;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of sorted values, between neighbours; 0 of none. */
static double quantile(const double *sorted, size_t len, double q)
{
    if (!len)
        return 0;
    double at = q * (double)(len - 1);
    size_t i = (size_t)at;
    double next = i + 1 < len ? sorted[i + 1] : sorted[i];
    return sorted[i] + (next - sorted[i]) * (at - (double)i);
}

struct sy_figures sy_gauge_finish(struct sy_gauge *g)
{
    double looks = g->looks ? (double)g->looks : 1;
    double wait_s = 0;

    end_step(g);
    if (g->waits_s.len)
        qsort(g->waits_s.p, g->waits_s.len, sizeof(*g->waits_s.p), by_value);
    for (size_t i = 0; i < g->waits_s.len; i++)
        wait_s += g->waits_s.p[i];
    struct sy_figures f = g->figures;
    for (uint32_t i = 0; i < SY_QUANTILES; i++)
        f.wait_quantile_s[i] =
            quantile(g->waits_s.p, g->waits_s.len, (double)i / (SY_QUANTILES - 1));
    const double value[SY_MEASURES] = {
        [SY_MEASURE_SPREAD_SD] = 100 * g->spread_sd / looks,
        [SY_MEASURE_SPREAD_RANGE] = 100 * g->spread_range / looks,
        [SY_MEASURE_OVERLOAD] = g->overload_s / 60,
        [SY_MEASURE_OVERLOAD_CPU] = g->overload_cpu_s / 60,
        [SY_MEASURE_OVERLOAD_MEMORY] = g->overload_memory_s / 60,
        [SY_MEASURE_WAIT_MEAN] = g->waits_s.len ? wait_s / (double)g->waits_s.len : 0,
        [SY_MEASURE_WAIT_P50] = quantile(g->waits_s.p, g->waits_s.len, 0.5),
        [SY_MEASURE_WAIT_P99] = quantile(g->waits_s.p, g->waits_s.len, 0.99),
        [SY_MEASURE_SLOWED] = g->run_s > 0 ? 100 * g->slow_s / g->run_s : 0,
        [SY_MEASURE_HITS] = (double)g->hits,
        [SY_MEASURE_RECOVERY] = g->recoveries ? g->recovery_s / (double)g->recoveries : 0,
        [SY_MEASURE_COMPLETED] = (double)g->completed,
        [SY_MEASURE_USE] = 100 * g->use / looks,
        [SY_MEASURE_REQUESTED] = 100 * g->requested / looks,
    };
    for (uint32_t i = 0; i < SY_MEASURES; i++)
        f.value[i] = value[i];
    f.pods = g->waits_s.len;
    sy_vec_done(&g->waits_s);
    *g = (struct sy_gauge){0};
    return f;
}
