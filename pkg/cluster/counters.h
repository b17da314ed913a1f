/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods per node that match something, kept up to date as pods come and go, so that spread and
 * inter-pod affinity never walk all pods for a decision. Three kinds of table:
 *  - counters: pods on each node that a (namespaces, selector) pair matches; made on demand,
 * shared;
 *  - carriers: pods on each node that have affinity terms of their own, grouped by (spec,
 * namespace);
 *  - topologies: for one label key, which domain (label value) each node belongs to.
 * Owned by the cluster; one thread. */
#pragma once

#include "base/map.h"
#include "cluster/specs.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

/* What a counter counts. */
struct sy_counter_rule {
    const sy_sid *namespaces; /* sorted by id; matched or by the selector */
    uint32_t namespaces_len;
    /* Over the namespace's labels; nil matches none, an empty one all. Another one matches known
     * namespaces only, as kube-scheduler lists those for the terms of an incoming pod. */
    struct sy_selector namespace_selector;
    struct sy_selector selector; /* over the pod's labels */
    bool skip_terminating;       /* topology spread does not count pods that are going */
    /* Rules that the same pod must match too; these have none of their own. */
    const struct sy_counter_rule *also;
    uint32_t also_len;
};

struct sy_counter {
    const struct sy_shared_spec *rule_spec; /* holds the packed rule as an affinity term */
    struct sy_counter_rule rule;
    uint32_t refs;
    uint32_t id;
    uint32_t *on_node; /* per node slot */
    uint64_t changed;  /* grows with every change of a count */
};

struct sy_carrier {
    const struct sy_shared_spec *spec;
    sy_sid ns;
    uint32_t id;
    uint32_t pods;     /* on all nodes */
    uint32_t *on_node; /* per node slot */
};

struct sy_topology {
    sy_sid key;
    uint32_t domains_len; /* ids are below this */
    uint32_t *domain; /* per node slot: dense id of the label's value; SY_NO_DOMAIN without it */
    sy_sid *values;   /* by domain id; 0 for an id that is free */
    uint32_t *nodes;  /* by domain id: nodes in it. An id without any is given out again */
    uint32_t values_room;
    uint32_t free_len; /* ids that are free */
    struct sy_map by_value;
};

#define SY_NO_DOMAIN UINT32_MAX

struct sy_counters {
    struct sy_counter **counters; /* by id; NULL when free */
    uint32_t counters_len, counters_room;
    struct sy_carrier **carriers; /* dense, in no order */
    uint32_t carriers_len, carriers_room;
    uint64_t carriers_changed; /* grows whenever a carrier's count changes or one comes or goes */
    uint64_t carriers_set;     /* grows whenever one comes or goes */
    struct sy_topology **topologies;
    uint32_t topologies_len, topologies_room;
};

/* The counter for a rule, with one reference; made with one pass over all pods when new. NULL when
 * memory ends. */
struct sy_counter *sy_counter_ref(struct sy_cluster *c,
                                  const struct sy_counter_rule *rule) SY_NODISCARD;
void sy_counter_unref(struct sy_cluster *c, struct sy_counter *counter);
/* Whether a pod of these labels in this namespace is counted (terminating aside). */
bool sy_counter_rule_matches(const struct sy_cluster *c, const struct sy_counter_rule *rule,
                             struct sy_labels labels, sy_sid ns);
/* Whether a pod of these labels in this namespace is one that an affinity term of another pod, in
 * owner_ns, speaks of. A namespace that is not known has no labels. */
bool sy_affinity_term_matches(const struct sy_cluster *c, const struct sy_affinity_term *term,
                              sy_sid owner_ns, struct sy_labels labels, sy_sid ns);
/* The rule of a pod's own affinity term: no namespaces and no selector stand for the pod's own
 * namespace. own: where *ret may point to for that namespace; must outlive it. */
void sy_counter_rule_of_term(const struct sy_affinity_term *term, const sy_sid *own_ns,
                             struct sy_counter_rule *ret);
/* The topology of a label key; made with one pass over all nodes when new. Never freed before the
 * cluster. */
struct sy_topology *sy_topology_get(struct sy_cluster *c, sy_sid key);
/* The domain of a label value, SY_NO_DOMAIN when no node has it. */
uint32_t sy_topology_domain(const struct sy_topology *t, sy_sid value);

/* For cluster.c only: what happened. A change of a pod on a node is its leaving and coming back. */
void sy_counters_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign);
void sy_counters_node_labels(struct sy_cluster *c, uint32_t node);
void sy_counters_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room);
void sy_counters_recount(struct sy_cluster *c); /* namespaces' labels changed */
void sy_counters_mark(const struct sy_cluster *c);
void sy_counters_done(struct sy_cluster *c);
/* Whether all tables equal what the pods say. */
bool sy_counters_audit(const struct sy_cluster *c);
