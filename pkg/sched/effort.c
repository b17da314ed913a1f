/* SPDX-License-Identifier: Apache-2.0
 *
 * The estimate: terms about other pods are asked of all nodes and counted over all pods, the rest
 * of all nodes only, and at a small part of the cost. */
#include "sched/effort.h"

#include "base/clock.h"
#include "model/resources.h"

enum {
    PLAIN_TERMS = 32, /* people write fewer */
    REQUIREMENTS_PER_TERM = 8,
    VALUES_PER_TERM = 16,
    TERM_NODE_NS = 130,
    TERM_POD_NS = 9,
    LOCAL_NODE_NS = 9,
    LOCAL_PER_TERM = 16, /* that count as one term */
    TERMS_PER_DISK = 8,  /* held against each disk of each pod of each node */
};
static const int64_t COSTLY_NS = 10 * SY_NS_PER_MS, MOST_NS = 250 * SY_NS_PER_MS;

static uint64_t of_selector(const struct sy_selector *s)
{
    uint64_t n = s->len / REQUIREMENTS_PER_TERM;

    for (uint32_t i = 0; i < s->len; i++)
        n += s->reqs[i].values_len / VALUES_PER_TERM;
    return n;
}

static uint64_t of_term(const struct sy_affinity_term *t)
{
    return 1 + of_selector(&t->selector) + of_selector(&t->namespace_selector) +
           t->namespaces_len / VALUES_PER_TERM;
}

static uint64_t of_weighted(const struct sy_weighted_affinity_term *terms, uint32_t len)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < len; i++)
        n += of_term(&terms[i].term);
    return n;
}

static uint64_t of_terms(const struct sy_affinity_term *terms, uint32_t len)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < len; i++)
        n += of_term(&terms[i]);
    return n;
}

static uint64_t of_node_term(const struct sy_node_term *t)
{
    return (uint64_t)t->exprs_len + t->fields_len;
}

static uint64_t of_disks(const struct sy_pod_spec *spec)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        uint8_t kind = spec->volumes[i].kind;
        if (kind != SY_VOLUME_CLAIM && kind != SY_VOLUME_EPHEMERAL)
            n += TERMS_PER_DISK;
    }
    return n;
}

/* What is asked of a node alone. */
static uint64_t count_local(const struct sy_pod_spec *spec)
{
    uint64_t n = (uint64_t)spec->node_selector.len + spec->tolerations_len + spec->host_ports_len +
                 spec->requests.requests.len + spec->volumes_len + spec->claims_len +
                 spec->device_resources_len;

    for (uint32_t i = 0; i < spec->required_nodes.len; i++)
        n += of_node_term(&spec->required_nodes.terms[i]);
    for (uint32_t i = 0; i < spec->preferred_nodes_len; i++)
        n += of_node_term(&spec->preferred_nodes[i].term);
    return n;
}

struct sy_effort_estimate sy_effort_of(const struct sy_pod_spec *spec, uint32_t nodes,
                                       uint32_t pods)
{
    uint64_t local = count_local(spec);
    uint64_t across = of_disks(spec) + of_terms(spec->affinity, spec->affinity_len) +
                      of_terms(spec->anti_affinity, spec->anti_affinity_len) +
                      of_weighted(spec->preferred_affinity, spec->preferred_affinity_len) +
                      of_weighted(spec->preferred_anti_affinity, spec->preferred_anti_affinity_len);

    for (uint32_t i = 0; i < spec->spread_len; i++)
        across += 1 + of_selector(&spec->spread[i].selector);
    uint64_t ns = across * ((uint64_t)nodes * TERM_NODE_NS + (uint64_t)pods * TERM_POD_NS) +
                  local * nodes * LOCAL_NODE_NS;
    uint64_t terms = across + local / LOCAL_PER_TERM;
    return (struct sy_effort_estimate){
        .terms = terms < UINT32_MAX ? (uint32_t)terms : UINT32_MAX,
        .ns = ns < INT64_MAX / 16 ? (int64_t)ns : INT64_MAX / 16,
    };
}

enum sy_effort sy_effort_judge(const struct sy_effort_estimate *estimate)
{
    if (estimate->terms <= PLAIN_TERMS || estimate->ns <= COSTLY_NS)
        return SY_EFFORT_PLAIN;
    return estimate->ns <= MOST_NS ? SY_EFFORT_COSTLY : SY_EFFORT_TOO_MUCH;
}
