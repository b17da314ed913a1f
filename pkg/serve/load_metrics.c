/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/load_metrics.h"

static void write_sources(struct sy_expo *e, const struct sy_load_source_figures *sources,
                          uint32_t len)
{
    sy_expo_family(e, "steelyard_load_source_up", SY_EXPO_GAUGE,
                   "Whether the last answer of a source of load was good to each question.");
    for (uint32_t i = 0; i < len; i++)
        sy_expo_u64(e, sources[i].is_up, "source", sources[i].name, NULL);
    sy_expo_family(e, "steelyard_load_answers_total", SY_EXPO_COUNTER,
                   "Answers of sources of load, by whether they were any good.");
    for (uint32_t i = 0; i < len; i++) {
        sy_expo_u64(e, sources[i].answers, "result", "ok", "source", sources[i].name, NULL);
        sy_expo_u64(e, sources[i].failures, "result", "error", "source", sources[i].name, NULL);
    }
    sy_expo_family(e, "steelyard_load_samples_total", SY_EXPO_COUNTER,
                   "Measurements by what became of them; only taken ones count for anything. "
                   "partial counts answers with a warning.");
    for (uint32_t i = 0; i < len; i++) {
        for (uint32_t n = 0; n < sources[i].outcomes_len; n++)
            sy_expo_u64(e, sources[i].outcomes[n].count, "result", sources[i].outcomes[n].result,
                        "source", sources[i].name, NULL);
    }
    sy_expo_family(e, "steelyard_load_metric_age_seconds", SY_EXPO_GAUGE,
                   "Age of the newest measurement that a source has given.");
    for (uint32_t i = 0; i < len; i++) {
        for (int m = 0; m < SY_LOAD_METRICS; m++) {
            if (sources[i].has[m])
                sy_expo_f64(e, sources[i].age_s[m], "metric",
                            sy_load_metric_name((enum sy_load_metric)m), "source", sources[i].name,
                            NULL);
        }
    }
    sy_expo_family(e, "steelyard_load_xid_nodes", SY_EXPO_GAUGE,
                   "Nodes whose GPUs have reported an XID error since the exporter's start. A "
                   "hint; nothing is decided by it.");
    for (uint32_t i = 0; i < len; i++) {
        if (sources[i].has_xid)
            sy_expo_u64(e, sources[i].xid_nodes, "source", sources[i].name, NULL);
    }
}

static bool is_asked(const struct sy_load_source_figures *sources, uint32_t len, int metric)
{
    for (uint32_t i = 0; i < len; i++) {
        if (sources[i].has[metric])
            return true;
    }
    return false;
}

/* Whether a node may have the metric at all. */
static bool may_have(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric)
{
    if (metric != SY_LOAD_GPU && metric != SY_LOAD_GPU_MEMORY)
        return true;
    return sy_gpus_sums(c, node).total_milli > 0;
}

static uint32_t nodes_without(const struct sy_cluster *c, enum sy_load_metric metric)
{
    struct sy_load_view view;
    uint32_t count = 0;

    for (uint32_t n = 0; n < c->nodes_len; n++) {
        if (!(c->node_flags[n] & SY_NODE_ALIVE) || !may_have(c, n, metric))
            continue;
        count += !sy_cluster_load_get(c, n, metric, &view) || view.weight <= 0;
    }
    return count;
}

void sy_load_metrics_write(struct sy_expo *e, const struct sy_cluster *c,
                           const struct sy_load_source_figures *sources, uint32_t len)
{
    if (!len)
        return;
    write_sources(e, sources, len);
    sy_expo_family(e, "steelyard_load_nodes_without", SY_EXPO_GAUGE,
                   "Nodes of which a metric that some source has given is not known now, so that "
                   "requests alone count; for GPUs, of the nodes that have some.");
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        if (is_asked(sources, len, m))
            sy_expo_u64(e, nodes_without(c, (enum sy_load_metric)m), "metric",
                        sy_load_metric_name((enum sy_load_metric)m), NULL);
    }
}
