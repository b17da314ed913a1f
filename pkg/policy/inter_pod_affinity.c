/* SPDX-License-Identifier: Apache-2.0
 *
 * kube-scheduler's InterPodAffinity: the pod's required terms and the required anti-affinity of the
 * pods that run filter; preferred terms of both sides, and required affinity of the pods that run,
 * score. Its alpha fast path for hostnames, off in v1.37, gives the same answers. */
#include "policy/plugins.h"
#include "policy/tally.h"

#include <stdlib.h>

/* One tally per topology key. */
struct tallies {
    SY_VEC(struct sy_tally) all;
};

struct affinity {
    struct tallies attracting; /* the filter's: pods that match all required terms */
    struct tallies repelling;  /* pods that match a required anti-affinity term */
    struct tallies repelled;   /* pods whose required anti-affinity term matches this one */
    struct tallies preferred;  /* the scorer's sum of weights */
    SY_VEC(struct sy_counter *) counters;         /* references held */
    SY_VEC(struct sy_tally_source) own_preferred; /* in the order of the spec's lists */
    const struct sy_counter *required;            /* of all required terms together, or NULL */
    bool may_be_first; /* in this cycle: no pod matches them, and the pod itself does */
    sy_sid error;
    uint64_t repelled_set; /* the cluster's carriers_set and epoch that the sources are as of */
    uint64_t repelled_epoch;
    uint64_t preferred_set;
    uint64_t preferred_epoch;
};

/* -- tallies by key -- */

static struct sy_tally *tally_for(struct sy_cluster *c, struct tallies *t, sy_sid key)
{
    for (size_t i = 0; i < t->all.len; i++) {
        if (t->all.p[i].topology->key == key)
            return &t->all.p[i];
    }
    sy_vec_push(&t->all, (struct sy_tally){.topology = sy_topology_get(c, key)});
    return &t->all.p[t->all.len - 1];
}

static void add_source(struct sy_cluster *c, struct tallies *t, sy_sid key,
                       struct sy_tally_source source)
{
    struct sy_tally *tally = tally_for(c, t, key);

    sy_vec_push(&tally->sources, source);
}

static void drop_sources(struct tallies *t, bool reset)
{
    for (size_t i = 0; i < t->all.len; i++) {
        t->all.p[i].sources.len = 0;
        if (reset)
            sy_tally_reset(&t->all.p[i]);
    }
}

static void drop_unused(struct tallies *t)
{
    for (size_t i = t->all.len; i--;) {
        if (t->all.p[i].sources.len)
            continue;
        sy_tally_done(&t->all.p[i]);
        sy_vec_swap_remove(&t->all, i);
    }
}

static void refresh(const struct sy_shape_view *shape, struct tallies *t)
{
    for (size_t i = 0; i < t->all.len; i++)
        sy_tally_refresh(&t->all.p[i], shape->cluster, NULL, NULL);
}

static bool counts_any(const struct tallies *t)
{
    for (size_t i = 0; i < t->all.len; i++) {
        if (t->all.p[i].nodes_nonzero)
            return true;
    }
    return false;
}

static void clear(struct tallies *t)
{
    for (size_t i = 0; i < t->all.len; i++)
        sy_tally_done(&t->all.p[i]);
    sy_vec_done(&t->all);
}

static size_t bytes_of(const struct tallies *t)
{
    size_t bytes = 0;

    for (size_t i = 0; i < t->all.len; i++)
        bytes += sizeof(t->all.p[i]) + sy_tally_bytes(&t->all.p[i]);
    return bytes;
}

static void weigh(const struct sy_shape_view *shape, const struct affinity *a)
{
    shape->kept[SY_KEPT_INTER_POD].bytes = sizeof(*a) + bytes_of(&a->attracting) +
                                           bytes_of(&a->repelling) + bytes_of(&a->repelled) +
                                           bytes_of(&a->preferred);
}

/* -- what the pod's own terms count -- */

static const struct sy_counter *count(const struct sy_shape_view *shape, struct affinity *a,
                                      const struct sy_counter_rule *rule)
{
    struct sy_counter *counter = sy_counter_ref(shape->cluster, rule);

    if (!counter) {
        a->error = shape->texts->no_memory;
        return NULL;
    }
    sy_vec_push(&a->counters, counter);
    return counter;
}

static bool is_wrong(const struct sy_affinity_term *term)
{
    return term->selector.is_invalid || term->namespace_selector.is_invalid;
}

static bool any_is_wrong(const struct sy_affinity_term *terms, uint32_t len)
{
    bool wrong = false;

    for (uint32_t i = 0; i < len; i++)
        wrong |= is_wrong(&terms[i]);
    return wrong;
}

static bool any_weighted_is_wrong(const struct sy_weighted_affinity_term *terms, uint32_t len)
{
    bool wrong = false;

    for (uint32_t i = 0; i < len; i++)
        wrong |= is_wrong(&terms[i].term);
    return wrong;
}

/* One pod must match all required terms, so they make one rule. */
static void count_required(const struct sy_shape_view *shape, struct affinity *a)
{
    const struct sy_pod_spec *spec = shape->spec;
    struct sy_counter_rule *rules;

    if (!spec->affinity_len)
        return;
    rules = sy_xcalloc(spec->affinity_len, sizeof(*rules));
    for (uint32_t i = 0; i < spec->affinity_len; i++)
        sy_counter_rule_of_term(&spec->affinity[i], &shape->ns, &rules[i]);
    rules[0].also = rules + 1;
    rules[0].also_len = spec->affinity_len - 1;
    const struct sy_counter *counter = a->required = count(shape, a, &rules[0]);
    for (uint32_t i = 0; counter && i < spec->affinity_len; i++) {
        struct sy_tally *t =
            tally_for(shape->cluster, &a->attracting, spec->affinity[i].topology_key);
        if (!t->sources.len)
            sy_vec_push(&t->sources, (struct sy_tally_source){&counter->on_node, 1});
    }
    free(rules);
}

static void count_anti(const struct sy_shape_view *shape, struct affinity *a)
{
    const struct sy_pod_spec *spec = shape->spec;

    for (uint32_t i = 0; i < spec->anti_affinity_len; i++) {
        struct sy_counter_rule rule;
        sy_counter_rule_of_term(&spec->anti_affinity[i], &shape->ns, &rule);
        const struct sy_counter *counter = count(shape, a, &rule);
        if (counter)
            add_source(shape->cluster, &a->repelling, spec->anti_affinity[i].topology_key,
                       (struct sy_tally_source){&counter->on_node, 1});
    }
}

static void count_preferred(const struct sy_shape_view *shape, struct affinity *a,
                            const struct sy_weighted_affinity_term *terms, uint32_t len,
                            int64_t sign)
{
    for (uint32_t i = 0; i < len; i++) {
        struct sy_counter_rule rule;
        sy_counter_rule_of_term(&terms[i].term, &shape->ns, &rule);
        const struct sy_counter *counter = count(shape, a, &rule);
        if (counter)
            sy_vec_push(&a->own_preferred,
                        (struct sy_tally_source){&counter->on_node, sign * terms[i].weight});
    }
}

static void release(struct sy_cluster *cluster, void *data)
{
    struct affinity *a = data;

    clear(&a->attracting);
    clear(&a->repelling);
    clear(&a->repelled);
    clear(&a->preferred);
    for (size_t i = 0; i < a->counters.len; i++)
        sy_counter_unref(cluster, a->counters.p[i]);
    sy_vec_done(&a->counters);
    sy_vec_done(&a->own_preferred);
    free(a);
}

static struct affinity *affinity_of(const struct sy_shape_view *shape)
{
    struct sy_kept *kept = &shape->kept[SY_KEPT_INTER_POD];
    const struct sy_pod_spec *spec = shape->spec;

    if (kept->data)
        return kept->data;
    struct affinity *a = sy_xcalloc(1, sizeof(*a));
    kept->data = a;
    kept->release = release;
    kept->bytes = sizeof(*a);
    /* Epochs and sets of the cluster count up from 0: none is this. */
    a->repelled_set = a->repelled_epoch = a->preferred_set = a->preferred_epoch = UINT64_MAX;
    if (any_is_wrong(spec->affinity, spec->affinity_len) ||
        any_is_wrong(spec->anti_affinity, spec->anti_affinity_len) ||
        any_weighted_is_wrong(spec->preferred_affinity, spec->preferred_affinity_len) ||
        any_weighted_is_wrong(spec->preferred_anti_affinity, spec->preferred_anti_affinity_len)) {
        a->error = shape->texts->selector_is_wrong;
        return a;
    }
    count_required(shape, a);
    count_anti(shape, a);
    count_preferred(shape, a, spec->preferred_affinity, spec->preferred_affinity_len, 1);
    count_preferred(shape, a, spec->preferred_anti_affinity, spec->preferred_anti_affinity_len, -1);
    return a;
}

/* -- what the terms of running pods say of this one -- */

static bool speaks_of(const struct sy_shape_view *shape, const struct sy_carrier *carrier,
                      const struct sy_affinity_term *term)
{
    return sy_affinity_term_matches(shape->cluster, term, carrier->ns, shape->labels, shape->ns);
}

/* Upstream drops a list of terms of a running pod when one does not parse. */
static void add_terms(const struct sy_shape_view *shape, struct tallies *t,
                      const struct sy_carrier *carrier, const struct sy_affinity_term *terms,
                      uint32_t len, int64_t weight)
{
    for (uint32_t i = 0; i < len; i++) {
        if (speaks_of(shape, carrier, &terms[i]) && !any_is_wrong(terms, len))
            add_source(shape->cluster, t, terms[i].topology_key,
                       (struct sy_tally_source){&carrier->on_node, weight});
    }
}

static void add_weighted(const struct sy_shape_view *shape, struct tallies *t,
                         const struct sy_carrier *carrier,
                         const struct sy_weighted_affinity_term *terms, uint32_t len, int64_t sign)
{
    for (uint32_t i = 0; i < len; i++) {
        if (speaks_of(shape, carrier, &terms[i].term) && !any_weighted_is_wrong(terms, len))
            add_source(shape->cluster, t, terms[i].term.topology_key,
                       (struct sy_tally_source){&carrier->on_node, sign * terms[i].weight});
    }
}

/* A carrier comes and goes with pods on nodes that change with it, so the tallies stay; only
 * labels of namespaces, which change the epoch, make one match that did not. */
static void follow_repelled(const struct sy_shape_view *shape, struct affinity *a)
{
    const struct sy_cluster *c = shape->cluster;

    if (a->repelled_set != c->counters.carriers_set || a->repelled_epoch != c->epoch) {
        drop_sources(&a->repelled, a->repelled_epoch != c->epoch);
        for (uint32_t i = 0; i < c->counters.carriers_len; i++) {
            const struct sy_carrier *carrier = c->counters.carriers[i];
            const struct sy_pod_spec *spec = &carrier->spec->spec;
            add_terms(shape, &a->repelled, carrier, spec->anti_affinity, spec->anti_affinity_len,
                      1);
        }
        drop_unused(&a->repelled);
        a->repelled_set = c->counters.carriers_set;
        a->repelled_epoch = c->epoch;
    }
    refresh(shape, &a->repelled);
}

static void add_own_preferred(const struct sy_shape_view *shape, struct affinity *a)
{
    const struct sy_pod_spec *spec = shape->spec;

    for (uint32_t i = 0; i < a->own_preferred.len; i++) {
        uint32_t anti = i - spec->preferred_affinity_len;
        sy_sid key = i < spec->preferred_affinity_len
                         ? spec->preferred_affinity[i].term.topology_key
                         : spec->preferred_anti_affinity[anti].term.topology_key;
        add_source(shape->cluster, &a->preferred, key, a->own_preferred.p[i]);
    }
}

static bool ignores_others(const struct sy_shape_view *shape)
{
    return shape->profile->args.ignore_preferred_terms_of_existing_pods &&
           !shape->spec->preferred_affinity_len && !shape->spec->preferred_anti_affinity_len;
}

static void follow_preferred(const struct sy_shape_view *shape, struct affinity *a)
{
    const struct sy_cluster *c = shape->cluster;
    int64_t hard_weight = shape->profile->args.hard_pod_affinity_weight;

    if (a->preferred_set != c->counters.carriers_set || a->preferred_epoch != c->epoch) {
        drop_sources(&a->preferred, a->preferred_epoch != c->epoch);
        add_own_preferred(shape, a);
        for (uint32_t i = 0; i < c->counters.carriers_len; i++) {
            const struct sy_carrier *carrier = c->counters.carriers[i];
            const struct sy_pod_spec *spec = &carrier->spec->spec;
            if (hard_weight > 0)
                add_terms(shape, &a->preferred, carrier, spec->affinity, spec->affinity_len,
                          hard_weight);
            add_weighted(shape, &a->preferred, carrier, spec->preferred_affinity,
                         spec->preferred_affinity_len, 1);
            add_weighted(shape, &a->preferred, carrier, spec->preferred_anti_affinity,
                         spec->preferred_anti_affinity_len, -1);
        }
        drop_unused(&a->preferred);
        a->preferred_set = c->counters.carriers_set;
        a->preferred_epoch = c->epoch;
    }
    refresh(shape, &a->preferred);
}

/* -- filter -- */

static bool any_selects_namespaces(const struct sy_affinity_term *terms, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (!terms[i].namespace_selector.is_nil)
            return true;
    }
    return false;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state, struct sy_verdict *v)
{
    const struct sy_pod_spec *spec = shape->spec;

    if (shape->cluster->namespaces_unknown &&
        (any_selects_namespaces(spec->affinity, spec->affinity_len) ||
         any_selects_namespaces(spec->anti_affinity, spec->anti_affinity_len))) {
        sy_refuse(v, SY_UNRESOLVABLE, shape->texts->namespaces_unknown);
        return SY_PRE_REJECT;
    }
    struct affinity *a = affinity_of(shape);
    if (a->error) {
        sy_refuse(v, a->error == shape->texts->no_memory ? SY_ERROR : SY_UNRESOLVABLE, a->error);
        return SY_PRE_REJECT;
    }
    follow_repelled(shape, a);
    refresh(shape, &a->attracting);
    refresh(shape, &a->repelling);
    a->may_be_first =
        a->required && !counts_any(&a->attracting) &&
        sy_counter_rule_matches(shape->cluster, &a->required->rule, shape->labels, shape->ns);
    weigh(shape, a);
    if (!shape->spec->affinity_len && !shape->spec->anti_affinity_len && !counts_any(&a->repelled))
        return SY_PRE_SKIP;
    *ret_state = a;
    return SY_PRE_RUN;
}

/* Every domain of the node must hold a pod that matches; the first of a group that attracts itself
 * may go wherever there are the labels. */
static bool is_attracted(const struct affinity *a, uint32_t node)
{
    bool all = true;

    for (size_t i = 0; i < a->attracting.all.len; i++) {
        const struct sy_tally *t = &a->attracting.all.p[i];
        uint32_t domain = t->topology->domain[node];
        if (domain == SY_NO_DOMAIN)
            return false;
        all &= t->sum[domain] > 0;
    }
    return all || a->may_be_first;
}

static bool is_any_at(const struct tallies *t, uint32_t node)
{
    for (size_t i = 0; i < t->all.len; i++) {
        if (sy_tally_at(&t->all.p[i], node) > 0)
            return true;
    }
    return false;
}

static bool refuses(const struct sy_shape_view *shape, const void *state, uint32_t node,
                    struct sy_verdict *v)
{
    const struct affinity *a = state;

    if (!is_attracted(a, node))
        return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->affinity);
    if (is_any_at(&a->repelling, node))
        return sy_refuse(v, SY_UNSCHEDULABLE, shape->texts->anti_affinity);
    if (is_any_at(&a->repelled, node))
        return sy_refuse(v, SY_UNSCHEDULABLE, shape->texts->existing_anti_affinity);
    return false;
}

static void sweep_tally(const struct sy_tally *t, uint32_t nodes_len, uint8_t *refused)
{
    const uint32_t *domain = t->topology->domain;
    const int64_t *sum = t->sum;

    for (uint32_t node = 0; node < nodes_len; node++)
        refused[node] |= domain[node] != SY_NO_DOMAIN && sum[domain[node]] > 0;
}

static void sweep(const struct sy_shape_view *shape SY_UNUSED, const void *state,
                  uint32_t nodes_len, uint8_t *refused)
{
    const struct affinity *a = state;

    for (uint32_t node = 0; a->attracting.all.len && node < nodes_len; node++)
        refused[node] |= !is_attracted(a, node);
    for (size_t i = 0; i < a->repelling.all.len; i++)
        sweep_tally(&a->repelling.all.p[i], nodes_len, refused);
    for (size_t i = 0; i < a->repelled.all.len; i++)
        sweep_tally(&a->repelled.all.p[i], nodes_len, refused);
}

/* -- score -- */

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    *ret_points = 0;
    if (ignores_others(shape))
        return true;
    struct affinity *a = affinity_of(shape);
    if (a->error)
        return false;
    follow_preferred(shape, a);
    weigh(shape, a);
    return !counts_any(&a->preferred);
}

static enum sy_pre prepare_score(const struct sy_shape_view *shape,
                                 struct sy_arena *arena SY_UNUSED, const uint32_t *nodes SY_UNUSED,
                                 uint32_t nodes_len SY_UNUSED, void **ret_state,
                                 struct sy_verdict *v)
{
    int64_t points;

    if (is_constant(shape, &points))
        return SY_PRE_SKIP;
    struct affinity *a = affinity_of(shape);
    if (a->error) {
        sy_refuse(v, SY_ERROR, a->error);
        return SY_PRE_REJECT;
    }
    *ret_state = a;
    return SY_PRE_RUN;
}

static int64_t score(const struct sy_shape_view *shape SY_UNUSED, const void *state, uint32_t node)
{
    const struct affinity *a = state;
    uint64_t sum = 0;

    for (size_t i = 0; i < a->preferred.all.len; i++)
        sum += (uint64_t)sy_tally_at(&a->preferred.all.p[i], node);
    return (int64_t)sum;
}

static void normalize(const struct sy_shape_view *shape SY_UNUSED, const void *state SY_UNUSED,
                      const uint32_t *nodes SY_UNUSED, uint32_t nodes_len, int64_t *scores)
{
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (uint32_t i = 0; i < nodes_len; i++) {
        least = scores[i] < least ? scores[i] : least;
        most = scores[i] > most ? scores[i] : most;
    }
    double range = (double)most - (double)least;
    for (uint32_t i = 0; i < nodes_len; i++)
        scores[i] = range > 0 ? (int64_t)(100 * (((double)scores[i] - (double)least) / range)) : 0;
}

const struct sy_filter sy_filter_inter_pod_affinity = {
    .name = "InterPodAffinity",
    .is_global = true,
    .prepare = prepare,
    .refuses = refuses,
    .sweep = sweep,
};

const struct sy_scorer sy_scorer_inter_pod_affinity = {
    .name = "InterPodAffinity",
    .is_global = true,
    .prepare = prepare_score,
    .is_constant = is_constant,
    .score = score,
    .normalize = normalize,
};
