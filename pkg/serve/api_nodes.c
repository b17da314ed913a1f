/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_nodes.h"

#include "base/json.h"
#include "sched/explain.h"

enum { SHARE_DIGITS = 4, TERMS_MAX = 64 };
/* Of the balance state: over and under this share of the whole (docs/models.md). */
static const double BALANCE_AT = 0.5;

static double share(int64_t used, int64_t total)
{
    return total > 0 ? (double)used / (double)total : 0;
}

static const char *state_of(double utilization)
{
    return utilization > BALANCE_AT   ? "Overloaded"
           : utilization < BALANCE_AT ? "Underloaded"
                                      : "Balanced";
}

static double seconds(sy_time_ns ns)
{
    return (double)(ns > 0 ? ns : 0) / (double)SY_NS_PER_S;
}

static void write_term(struct sy_json *j, const struct sy_strings *strings,
                       const struct sy_utilization_term *term, sy_time_ns now)
{
    sy_json_object(j, NULL);
    sy_json_text(j, "resource",
                 term->resource ? sy_strings_getz(strings, term->resource)
                                : sy_load_metric_name(term->metric));
    sy_json_i64(j, "total", term->total);
    sy_json_real(j, "requested", term->requested, SHARE_DIGITS);
    sy_json_real(j, "utilization", term->used, SHARE_DIGITS);
    sy_json_text(j, "state", state_of(term->used));
    if (term->has_load) {
        sy_json_object(j, "measured");
        sy_json_real(j, "share", term->load.measured, SHARE_DIGITS);
        sy_json_real(j, "trust", term->load.weight, SHARE_DIGITS);
        sy_json_real(j, "ageSeconds", seconds(now - term->load.at_ns), 1);
        sy_json_end_object(j);
    }
    sy_json_end_object(j);
}

static void write_weight(struct sy_json *j, const struct sy_cluster *c, uint32_t node)
{
    struct sy_node_weight w;

    sy_node_weight(c, NULL, node, &w);
    sy_json_object(j, "weight");
    sy_json_real(j, "capacity", w.capacity, SHARE_DIGITS);
    sy_json_real(j, "performance", w.performance, SHARE_DIGITS);
    sy_json_real(j, "headroom", w.headroom, SHARE_DIGITS);
    sy_json_real(j, "reliability", w.reliability, SHARE_DIGITS);
    sy_json_real(j, "product", w.weight, SHARE_DIGITS);
    sy_json_end_object(j);
}

static void write_node(struct sy_json *j, const struct sy_cluster *c,
                       const struct sy_strings *strings, uint32_t node, sy_time_ns now)
{
    struct sy_utilization_term terms[TERMS_MAX];
    uint8_t flags = c->node_flags[node];

    sy_json_object(j, NULL);
    sy_json_text(j, "name", sy_strings_getz(strings, c->nodes[node].node.name));
    sy_json_bool(j, "ready", flags & SY_NODE_READY);
    sy_json_bool(j, "schedulable", !(flags & SY_NODE_UNSCHEDULABLE));
    sy_json_i64(j, "pods", c->nodes[node].pods_len);
    sy_json_i64(j, "podsMost", c->columns[SY_COLUMN_PODS].allocatable[node]);
    sy_json_array(j, "resources");
    uint32_t len = sy_node_utilization(c, node, terms, TERMS_MAX);
    for (uint32_t i = 0; i < len && i < TERMS_MAX; i++)
        write_term(j, strings, &terms[i], now);
    sy_json_end_array(j);
    write_weight(j, c, node);
    sy_json_end_object(j);
}

void sy_api_nodes_write(struct sy_sched *sched, const struct sy_strings *strings, sy_time_ns now,
                        struct sy_buf *out)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "NodeList");
    sy_json_array(&j, "nodes");
    for (uint32_t node = 0; node < c->nodes_len && !out->failed; node++) {
        if (sy_cluster_node_is_alive(c, node))
            write_node(&j, c, strings, node, now);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
}

void sy_api_balance_write(struct sy_sched *sched, const struct sy_strings *strings,
                          struct sy_buf *out)
{
    struct sy_utilization all[SY_COLUMNS_MAX];
    uint32_t len = sy_sched_utilization(sched, all, SY_COLUMNS_MAX);
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "Balance");
    sy_json_i64(&j, "nodes", sy_sched_cluster(sched)->nodes_alive);
    sy_json_array(&j, "resources");
    for (uint32_t i = 0; i < len && i < SY_COLUMNS_MAX; i++) {
        if (!all[i].total && !all[i].used)
            continue;
        sy_json_object(&j, NULL);
        sy_json_text(&j, "resource", sy_strings_getz(strings, all[i].resource));
        sy_json_i64(&j, "used", all[i].used);
        sy_json_i64(&j, "total", all[i].total);
        sy_json_real(&j, "utilization", share(all[i].used, all[i].total), SHARE_DIGITS);
        sy_json_text(&j, "state", state_of(share(all[i].used, all[i].total)));
        sy_json_end_object(&j);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
}
