/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/counters.h"

#include "cluster/cluster.h"

#include <stdlib.h>

static bool is_listed(sy_sid ns, const sy_sid *namespaces, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (namespaces[i] == ns)
            return true;
    }
    return false;
}

static bool namespace_matches(const struct sy_cluster *c, const struct sy_counter_rule *rule,
                              sy_sid ns)
{
    const struct sy_selector *selector = &rule->namespace_selector;

    if (is_listed(ns, rule->namespaces, rule->namespaces_len))
        return true;
    if (selector->is_nil || selector->is_invalid)
        return false;
    return !selector->len ||
           (sy_cluster_namespace_is_known(c, ns) &&
            sy_selector_matches(selector, c->strings, sy_cluster_namespace_labels(c, ns)));
}

bool sy_counter_rule_matches(const struct sy_cluster *c, const struct sy_counter_rule *rule,
                             struct sy_labels labels, sy_sid ns)
{
    if (!namespace_matches(c, rule, ns) ||
        !sy_selector_matches(&rule->selector, c->strings, labels))
        return false;
    for (uint32_t i = 0; i < rule->also_len; i++) {
        if (!namespace_matches(c, &rule->also[i], ns) ||
            !sy_selector_matches(&rule->also[i].selector, c->strings, labels))
            return false;
    }
    return true;
}

bool sy_affinity_term_matches(const struct sy_cluster *c, const struct sy_affinity_term *term,
                              sy_sid owner_ns, struct sy_labels labels, sy_sid ns)
{
    struct sy_counter_rule rule;

    sy_counter_rule_of_term(term, &owner_ns, &rule);
    return (is_listed(ns, rule.namespaces, rule.namespaces_len) ||
            sy_selector_matches(&rule.namespace_selector, c->strings,
                                sy_cluster_namespace_labels(c, ns))) &&
           sy_selector_matches(&rule.selector, c->strings, labels);
}

void sy_counter_rule_of_term(const struct sy_affinity_term *term, const sy_sid *own_ns,
                             struct sy_counter_rule *ret)
{
    bool own = !term->namespaces_len && term->namespace_selector.is_nil;

    *ret = (struct sy_counter_rule){
        .namespaces = own ? own_ns : term->namespaces,
        .namespaces_len = own ? 1 : term->namespaces_len,
        .namespace_selector = term->namespace_selector,
        .selector = term->selector,
    };
}

static bool counts(const struct sy_cluster *c, const struct sy_counter *counter,
                   const struct sy_pod_slot *p)
{
    if (counter->rule.skip_terminating && (p->flags & SY_POD_TERMINATING))
        return false;
    return sy_counter_rule_matches(c, &counter->rule, p->labels->labels, p->ns);
}

static bool has_terms(const struct sy_pod_spec *spec)
{
    return spec->affinity_len || spec->anti_affinity_len || spec->preferred_affinity_len ||
           spec->preferred_anti_affinity_len;
}

/* -- counters -- */

static void count_all(struct sy_cluster *c, struct sy_counter *counter)
{
    memset(counter->on_node, 0, c->nodes_room * sizeof(*counter->on_node));
    for (size_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if ((p->flags & SY_POD_ALIVE) && p->node != SY_NONE)
            counter->on_node[p->node] += counts(c, counter, p);
    }
    counter->changed++;
}

static struct sy_affinity_term term_of_rule(const struct sy_counter_rule *rule)
{
    return (struct sy_affinity_term){
        .namespaces = rule->namespaces,
        .namespaces_len = rule->namespaces_len,
        .namespace_selector = rule->namespace_selector,
        .selector = rule->selector,
    };
}

static struct sy_counter_rule rule_of_packed(const struct sy_affinity_term *term)
{
    return (struct sy_counter_rule){
        .namespaces = term->namespaces,
        .namespaces_len = term->namespaces_len,
        .namespace_selector = term->namespace_selector,
        .selector = term->selector,
    };
}

/* The rule travels as affinity terms inside a spec of its own: the spec store packs it and tells
 * equal ones. */
static const struct sy_shared_spec *pack_rule(struct sy_cluster *c,
                                              const struct sy_counter_rule *rule)
{
    struct sy_affinity_term *terms = sy_xcalloc(rule->also_len + 1, sizeof(*terms));
    struct sy_pod_spec carrier = {.affinity = terms,
                                  .affinity_len = rule->also_len + 1,
                                  .host_network = rule->skip_terminating};

    terms[0] = term_of_rule(rule);
    for (uint32_t i = 0; i < rule->also_len; i++)
        terms[i + 1] = term_of_rule(&rule->also[i]);
    const struct sy_shared_spec *shared = sy_specs_ref(c->specs, &carrier);
    free(terms);
    return shared;
}

static void unpack_rule(struct sy_counter *counter)
{
    const struct sy_pod_spec *packed = &counter->rule_spec->spec;
    uint32_t also_len = packed->affinity_len - 1;
    struct sy_counter_rule *also = sy_xcalloc(also_len, sizeof(*also));

    for (uint32_t i = 0; i < also_len; i++)
        also[i] = rule_of_packed(&packed->affinity[i + 1]);
    counter->rule = rule_of_packed(&packed->affinity[0]);
    counter->rule.skip_terminating = packed->host_network;
    counter->rule.also = also;
    counter->rule.also_len = also_len;
}

struct sy_counter *sy_counter_ref(struct sy_cluster *c, const struct sy_counter_rule *rule)
{
    struct sy_counters *all = &c->counters;
    const struct sy_shared_spec *shared = pack_rule(c, rule);
    uint32_t free_id = all->counters_len;

    if (!shared)
        return NULL;
    for (uint32_t i = 0; i < all->counters_len; i++) {
        struct sy_counter *counter = all->counters[i];
        if (counter && counter->rule_spec == shared) {
            sy_specs_unref(c->specs, shared);
            counter->refs++;
            return counter;
        }
        if (!counter)
            free_id = i;
    }
    if (free_id == all->counters_room) {
        all->counters_room = all->counters_room ? 2 * all->counters_room : 16;
        all->counters =
            sy_xreallocarray(all->counters, all->counters_room, sizeof(struct sy_counter *));
    }
    if (free_id == all->counters_len)
        all->counters_len++;
    struct sy_counter *counter = sy_xcalloc(1, sizeof(*counter));
    all->counters[free_id] = counter;
    counter->rule_spec = shared;
    unpack_rule(counter);
    counter->refs = 1;
    counter->id = free_id;
    counter->on_node = sy_xcalloc(c->nodes_room, sizeof(*counter->on_node));
    count_all(c, counter);
    return counter;
}

static void free_counter(struct sy_cluster *c, struct sy_counter *counter)
{
    sy_specs_unref(c->specs, counter->rule_spec);
    free((void *)(uintptr_t)counter->rule.also);
    free(counter->on_node);
    free(counter);
}

void sy_counter_unref(struct sy_cluster *c, struct sy_counter *counter)
{
    if (!counter || --counter->refs)
        return;
    c->counters.counters[counter->id] = NULL;
    free_counter(c, counter);
}

/* -- carriers -- */

static struct sy_carrier *ensure_carrier(struct sy_cluster *c, const struct sy_shared_spec *spec,
                                         sy_sid ns)
{
    struct sy_counters *all = &c->counters;

    for (uint32_t i = 0; i < all->carriers_len; i++) {
        if (all->carriers[i]->spec == spec && all->carriers[i]->ns == ns)
            return all->carriers[i];
    }
    if (all->carriers_len == all->carriers_room) {
        all->carriers_room = all->carriers_room ? 2 * all->carriers_room : 16;
        all->carriers =
            sy_xreallocarray(all->carriers, all->carriers_room, sizeof(struct sy_carrier *));
    }
    struct sy_carrier *carrier = sy_xcalloc(1, sizeof(*carrier));
    carrier->spec = sy_specs_retain(c->specs, spec);
    carrier->ns = ns;
    carrier->id = all->carriers_len;
    carrier->on_node = sy_xcalloc(c->nodes_room, sizeof(*carrier->on_node));
    all->carriers[all->carriers_len++] = carrier;
    all->carriers_set++;
    sy_cluster_note_spec(c, &spec->spec);
    return carrier;
}

static void free_carrier(struct sy_cluster *c, struct sy_carrier *carrier)
{
    sy_specs_unref(c->specs, carrier->spec);
    free(carrier->on_node);
    free(carrier);
}

static void carry(struct sy_cluster *c, const struct sy_pod_slot *p, uint32_t node, int sign)
{
    struct sy_counters *all = &c->counters;

    if (!has_terms(&p->spec->spec))
        return;
    struct sy_carrier *carrier = ensure_carrier(c, p->spec, p->ns);
    carrier->on_node[node] += (uint32_t)sign;
    carrier->pods += (uint32_t)sign;
    all->carriers_changed++;
    if (carrier->pods)
        return;
    struct sy_carrier *last = all->carriers[--all->carriers_len];
    last->id = carrier->id;
    all->carriers[carrier->id] = last;
    all->carriers_set++;
    free_carrier(c, carrier);
}

/* -- topologies -- */

static bool has_value(const void *arg, const void *key, uint32_t domain)
{
    const struct sy_topology *t = arg;

    return t->values[domain] == *(const sy_sid *)key;
}

uint32_t sy_topology_domain(const struct sy_topology *t, sy_sid value)
{
    return sy_map_get(&t->by_value, sy_hash_u64(value), has_value, t, &value);
}

/* An id that no node has, for a value that none has. */
static uint32_t new_domain(struct sy_topology *t)
{
    uint32_t domain = 0;

    if (t->free_len) {
        t->free_len--;
        while (t->values[domain])
            domain++;
        return domain;
    }
    if (t->domains_len == t->values_room) {
        t->values_room = t->values_room ? 2 * t->values_room : 16;
        t->values = sy_xreallocarray(t->values, t->values_room, sizeof(*t->values));
        t->nodes = sy_xreallocarray(t->nodes, t->values_room, sizeof(*t->nodes));
    }
    return t->domains_len++;
}

static void enter_domain(struct sy_topology *t, uint32_t node, sy_sid value)
{
    uint32_t domain = sy_topology_domain(t, value);

    if (domain == SY_NO_DOMAIN) {
        domain = new_domain(t);
        t->values[domain] = value;
        t->nodes[domain] = 0;
        sy_map_add(&t->by_value, sy_hash_u64(value), domain);
    }
    t->nodes[domain]++;
    t->domain[node] = domain;
}

static void leave_domain(struct sy_topology *t, uint32_t node)
{
    uint32_t domain = t->domain[node];

    t->domain[node] = SY_NO_DOMAIN;
    if (domain == SY_NO_DOMAIN || --t->nodes[domain])
        return;
    sy_map_del(&t->by_value, sy_hash_u64(t->values[domain]), domain);
    t->values[domain] = 0;
    t->free_len++;
}

static void place_node(const struct sy_cluster *c, struct sy_topology *t, uint32_t node)
{
    sy_sid value =
        sy_cluster_node_is_alive(c, node) ? sy_labels_get(c->nodes[node].node.labels, t->key) : 0;
    uint32_t old = t->domain[node];

    if (old != SY_NO_DOMAIN && t->values[old] == value)
        return;
    leave_domain(t, node);
    if (value)
        enter_domain(t, node, value);
}

struct sy_topology *sy_topology_get(struct sy_cluster *c, sy_sid key)
{
    struct sy_counters *all = &c->counters;

    for (uint32_t i = 0; i < all->topologies_len; i++) {
        if (all->topologies[i]->key == key)
            return all->topologies[i];
    }
    if (all->topologies_len == all->topologies_room) {
        all->topologies_room = all->topologies_room ? 2 * all->topologies_room : 8;
        all->topologies =
            sy_xreallocarray(all->topologies, all->topologies_room, sizeof(struct sy_topology *));
    }
    struct sy_topology *t = sy_xcalloc(1, sizeof(*t));
    all->topologies[all->topologies_len++] = t;
    t->key = key;
    t->domain = sy_xcalloc(c->nodes_room, sizeof(*t->domain));
    for (uint32_t node = 0; node < c->nodes_room; node++)
        t->domain[node] = SY_NO_DOMAIN;
    for (uint32_t node = 0; node < c->nodes_len; node++)
        place_node(c, t, node);
    return t;
}

/* -- what happened in the cluster -- */

void sy_counters_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign)
{
    const struct sy_pod_slot *p = &c->pods.p[pod];

    for (uint32_t i = 0; i < c->counters.counters_len; i++) {
        struct sy_counter *counter = c->counters.counters[i];
        if (!counter || !counts(c, counter, p))
            continue;
        counter->on_node[node] += (uint32_t)sign;
        counter->changed++;
    }
    carry(c, p, node, sign);
}

void sy_counters_node_labels(struct sy_cluster *c, uint32_t node)
{
    for (uint32_t i = 0; i < c->counters.topologies_len; i++)
        place_node(c, c->counters.topologies[i], node);
}

static uint32_t *grown(uint32_t *p, uint32_t old_room, uint32_t room, int fill)
{
    p = sy_xreallocarray(p, room, sizeof(*p));
    memset(p + old_room, fill, (room - old_room) * sizeof(*p));
    return p;
}

void sy_counters_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room)
{
    struct sy_counters *all = &c->counters;

    for (uint32_t i = 0; i < all->counters_len; i++) {
        if (all->counters[i])
            all->counters[i]->on_node = grown(all->counters[i]->on_node, old_room, room, 0);
    }
    for (uint32_t i = 0; i < all->carriers_len; i++)
        all->carriers[i]->on_node = grown(all->carriers[i]->on_node, old_room, room, 0);
    for (uint32_t i = 0; i < all->topologies_len; i++) /* all bits set is SY_NO_DOMAIN */
        all->topologies[i]->domain = grown(all->topologies[i]->domain, old_room, room, 0xff);
}

static bool asks_for_namespaces(const struct sy_counter_rule *rule)
{
    bool asks = !rule->namespace_selector.is_nil;

    for (uint32_t i = 0; i < rule->also_len; i++)
        asks |= !rule->also[i].namespace_selector.is_nil;
    return asks;
}

void sy_counters_recount(struct sy_cluster *c)
{
    for (uint32_t i = 0; i < c->counters.counters_len; i++) {
        struct sy_counter *counter = c->counters.counters[i];
        if (counter && asks_for_namespaces(&counter->rule))
            count_all(c, counter);
    }
}

void sy_counters_mark(const struct sy_cluster *c)
{
    for (uint32_t i = 0; i < c->counters.topologies_len; i++) {
        const struct sy_topology *t = c->counters.topologies[i];
        sy_strings_mark(c->strings, t->key);
        for (uint32_t j = 0; j < t->domains_len; j++) {
            if (t->values[j])
                sy_strings_mark(c->strings, t->values[j]);
        }
    }
    for (uint32_t i = 0; i < c->counters.carriers_len; i++)
        sy_strings_mark(c->strings, c->counters.carriers[i]->ns);
}

void sy_counters_done(struct sy_cluster *c)
{
    struct sy_counters *all = &c->counters;

    for (uint32_t i = 0; i < all->counters_len; i++) {
        if (all->counters[i])
            free_counter(c, all->counters[i]);
    }
    for (uint32_t i = 0; i < all->carriers_len; i++)
        free_carrier(c, all->carriers[i]);
    for (uint32_t i = 0; i < all->topologies_len; i++) {
        free(all->topologies[i]->domain);
        free(all->topologies[i]->values);
        free(all->topologies[i]->nodes);
        sy_map_done(&all->topologies[i]->by_value);
        free(all->topologies[i]);
    }
    free(all->counters);
    free(all->carriers);
    free(all->topologies);
    memset(all, 0, sizeof(*all));
}

/* Every alive node is in the domain of its label's value. */
static bool is_sound_topology(const struct sy_cluster *c, const struct sy_topology *t)
{
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        sy_sid value = sy_cluster_node_is_alive(c, node)
                           ? sy_labels_get(c->nodes[node].node.labels, t->key)
                           : 0;
        uint32_t domain = t->domain[node];
        if (domain == SY_NO_DOMAIN ? value : t->values[domain] != value)
            return false;
    }
    return true;
}

bool sy_counters_audit(const struct sy_cluster *c)
{
    const struct sy_counters *all = &c->counters;
    bool same = true;

    for (uint32_t i = 0; i < all->counters_len && same; i++) {
        const struct sy_counter *counter = all->counters[i];
        if (!counter)
            continue;
        uint32_t *fresh = sy_xcalloc(c->nodes_room, sizeof(*fresh));
        for (size_t j = 0; j < c->pods.len; j++) {
            const struct sy_pod_slot *p = &c->pods.p[j];
            if ((p->flags & SY_POD_ALIVE) && p->node != SY_NONE)
                fresh[p->node] += counts(c, counter, p);
        }
        same = memcmp(fresh, counter->on_node, c->nodes_room * sizeof(*fresh)) == 0;
        free(fresh);
    }
    for (uint32_t i = 0; i < all->carriers_len && same; i++) {
        const struct sy_carrier *carrier = all->carriers[i];
        uint32_t pods = 0;
        for (size_t j = 0; j < c->pods.len; j++) {
            const struct sy_pod_slot *p = &c->pods.p[j];
            pods += (p->flags & SY_POD_ALIVE) && p->node != SY_NONE && p->spec == carrier->spec &&
                    p->ns == carrier->ns;
        }
        same = pods == carrier->pods;
    }
    for (uint32_t i = 0; i < all->topologies_len && same; i++)
        same = is_sound_topology(c, all->topologies[i]);
    return same;
}
