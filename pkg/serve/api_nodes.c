/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_nodes.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "sched/balance.h"
#include "sched/health.h"

enum { SHARE_DIGITS = 4, TERMS_MAX = 64 };
static double seconds(sy_time_ns ns)
{
    return (double)(ns > 0 ? ns : 0) / (double)SY_NS_PER_S;
}

static void write_term(struct sy_json *j, const struct sy_cluster *c,
                       const struct sy_utilization_term *term, sy_time_ns now)
{
    sy_json_object(j, NULL);
    sy_json_text(j, "resource",
                 term->resource ? sy_strings_getz(c->strings, term->resource)
                                : sy_load_metric_name(term->metric));
    sy_json_i64(j, "total", term->total);
    sy_json_real(j, "requested", term->requested, SHARE_DIGITS);
    sy_json_real(j, "utilization", term->used, SHARE_DIGITS);
    sy_json_text(j, "state",
                 sy_balance_state_name(sy_balance_state(term->used, 1, c->pools.balance_fraction)));
    if (term->has_load) {
        sy_json_object(j, "measured");
        sy_json_real(j, "share", term->load.measured, SHARE_DIGITS);
        sy_json_real(j, "trust", term->load.weight, SHARE_DIGITS);
        sy_json_real(j, "ageSeconds", seconds(now - term->load.at_ns), 1);
        sy_json_end_object(j);
    }
    sy_json_end_object(j);
}

static void write_weight(struct sy_json *j, struct sy_sched *sched, uint32_t node)
{
    struct sy_node_weight w;

    sy_sched_node_weight(sched, node, &w);
    sy_json_object(j, "weight");
    sy_json_real(j, "capacity", w.capacity, SHARE_DIGITS);
    sy_json_real(j, "performance", w.performance, SHARE_DIGITS);
    sy_json_real(j, "headroom", w.headroom, SHARE_DIGITS);
    sy_json_real(j, "reliability", w.reliability, SHARE_DIGITS);
    sy_json_real(j, "product", w.weight, SHARE_DIGITS);
    sy_json_end_object(j);
}

/* Pods that say that they are on a device which the node says is unhealthy. */
static void write_pods_on_unhealthy(struct sy_json *j, const struct sy_cluster *c, uint32_t node,
                                    uint64_t unhealthy)
{
    char text[SY_GPU_DEVICES_TEXT_MAX];

    sy_json_array(j, "podsOnUnhealthy");
    for (uint32_t i = c->nodes[node].first_pod; unhealthy && i != SY_NONE;
         i = c->pods.p[i].next_on_node) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if (!(p->gpu_devices & unhealthy))
            continue;
        sy_json_object(j, NULL);
        sy_json_text(j, "namespace", sy_strings_getz(c->strings, p->ns));
        sy_json_text(j, "name", p->name);
        sy_json_text(j, "devices", sy_gpu_devices_format(p->gpu_devices & unhealthy, text));
        sy_json_end_object(j);
    }
    sy_json_end_array(j);
}

static void write_devices(struct sy_json *j, const struct sy_gpu_node *g)
{
    sy_json_array(j, "devices");
    for (uint32_t i = 0; i < g->len; i++) {
        sy_json_object(j, NULL);
        sy_json_i64(j, "device", i);
        sy_json_i64(j, "freeMilli", g->gpus[i].free_milli);
        sy_json_i64(j, "pods", g->gpus[i].users);
        sy_json_text(j, "state",
                     g->unhealthy >> i & 1 ? "Unhealthy"
                     : g->gpus[i].is_lost  ? "Gone"
                                           : "Healthy");
        sy_json_end_object(j);
    }
    sy_json_end_array(j);
}

static void write_gpus(struct sy_json *j, const struct sy_cluster *c, uint32_t node)
{
    struct sy_gpu_sums sums = sy_gpus_sums(c, node);
    const struct sy_gpu_node *g = sy_gpus_of(c, node);

    if (!sums.total_milli && !g)
        return;
    sy_json_object(j, "gpus");
    if (sums.total_milli) {
        sy_json_i64(j, "requestedMilli", sums.used_milli);
        sy_json_i64(j, "totalMilli", sums.total_milli);
    }
    if (g) {
        sy_json_text(j, "resource", sy_strings_getz(c->strings, g->resource));
        sy_json_i64(j, "freeMilli", g->idle_milli);
        sy_json_i64(j, "unplacedPods", g->unplaced);
        write_devices(j, g);
        write_pods_on_unhealthy(j, c, node, g->unhealthy);
    }
    sy_json_end_object(j);
}

/* What is thought of the node; nothing while nobody judges. */
static void write_failure(struct sy_json *j, struct sy_sched *sched, uint32_t node, sy_time_ns now)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);
    const struct sy_recovery *r = sy_sched_recovery(sched);
    const struct sy_node_failure *n = sy_failures_of(sy_sched_failures(sched), c, node);
    uint32_t held = 0;

    if (!n)
        return;
    for (size_t i = 0; i < r->holds.len; i++)
        held += r->holds.p[i].node == node;
    sy_json_object(j, "failure");
    sy_json_text(j, "state", sy_failure_state_name((enum sy_failure_state)n->state));
    sy_json_array(j, "causes");
    for (int cause = 0; cause < SY_CAUSES; cause++) {
        if (n->causes & 1U << cause)
            sy_json_text(j, NULL, sy_failure_cause_name((enum sy_failure_cause)cause));
    }
    sy_json_end_array(j);
    if (n->since_ns)
        sy_json_real(j, "sinceSeconds", seconds(now - n->since_ns), 1);
    if (n->state == SY_FAILURE_HELD_DOWN)
        sy_json_real(j, "heldDownSeconds", seconds(n->until_ns - now), 1);
    sy_json_real(j, "flaps", (double)n->flaps, SHARE_DIGITS);
    sy_json_i64(j, "placesHeld", held);
    sy_json_end_object(j);
}

static void write_node(struct sy_json *j, struct sy_sched *sched, uint32_t node, sy_time_ns now)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);
    struct sy_utilization_term terms[TERMS_MAX];
    uint8_t flags = c->node_flags[node];

    sy_json_object(j, NULL);
    sy_json_text(j, "name", sy_strings_getz(c->strings, c->nodes[node].node.name));
    sy_json_text(j, "pool", c->pools.all.p[sy_pool_of(c, node)].name);
    sy_json_bool(j, "ready", flags & SY_NODE_READY);
    sy_json_bool(j, "schedulable", !(flags & SY_NODE_UNSCHEDULABLE));
    sy_json_i64(j, "pods", c->nodes[node].pods_len);
    sy_json_i64(j, "podsMost", c->columns[SY_COLUMN_PODS].allocatable[node]);
    sy_json_array(j, "resources");
    uint32_t len = sy_node_utilization(c, node, terms, TERMS_MAX);
    for (uint32_t i = 0; i < len && i < TERMS_MAX; i++)
        write_term(j, c, &terms[i], now);
    sy_json_end_array(j);
    write_gpus(j, c, node);
    write_weight(j, sched, node);
    write_failure(j, sched, node, now);
    sy_json_end_object(j);
}

void sy_api_nodes_write(struct sy_sched *sched, sy_time_ns now, struct sy_buf *out)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "NodeList");
    sy_json_array(&j, "nodes");
    for (uint32_t node = 0; node < c->nodes_len && !out->failed; node++) {
        if (sy_cluster_node_is_alive(c, node))
            write_node(&j, sched, node, now);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
}

/* ---- balance ---- */

static void write_group(struct sy_json *j, const struct sy_balance *b)
{
    sy_json_object(j, NULL);
    sy_json_text(j, "kind", sy_balance_kind_name(b->kind));
    sy_json_text(j, "name", b->name);
    sy_json_i64(j, "nodes", b->sums.nodes);
    sy_json_text(j, "state", sy_balance_state_name(b->state));
    sy_json_text(j, "fullest", sy_load_metric_name(b->fullest));
    sy_json_array(j, "resources");
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        if (!b->sums.total[m])
            continue;
        sy_json_object(j, NULL);
        sy_json_text(j, "resource", sy_load_metric_name((enum sy_load_metric)m));
        sy_json_i64(j, "used", b->sums.used[m]);
        sy_json_i64(j, "total", b->sums.total[m]);
        sy_json_real(j, "utilization", b->load[m], SHARE_DIGITS);
        sy_json_text(j, "state", sy_balance_state_name(b->states[m]));
        sy_json_end_object(j);
    }
    sy_json_end_array(j);
    if (b->has_gate) {
        sy_json_object(j, "gate");
        sy_json_bool(j, "closed", b->is_closed);
        sy_json_text(j, "reason", b->is_closed ? b->reason : NULL);
        sy_json_i64(j, "closings", (int64_t)b->closings);
        sy_json_end_object(j);
    }
    sy_json_end_object(j);
}

void sy_api_balance_write(struct sy_sched *sched, struct sy_buf *out)
{
    struct sy_balance *all = sy_xcalloc(SY_BALANCE_MAX, sizeof(*all));
    uint32_t len = sy_sched_balance(sched, all, SY_BALANCE_MAX);
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "steelyard.dev/v1");
    sy_json_text(&j, "kind", "Balance");
    sy_json_i64(&j, "podsHeldByGates", sy_sched_gate_waiting(sched));
    sy_json_array(&j, "groups");
    for (uint32_t i = 0; i < len && i < SY_BALANCE_MAX; i++)
        write_group(&j, &all[i]);
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    free(all);
}
