/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.nodeSelector, node affinity, and the affinity that the profile adds to every pod. A pod
 * whose required terms all name nodes (as those of a DaemonSet do) is looked at on these alone. */
#include "policy/plugins.h"

/* -- nodes by name -- */

static bool names_nodes(const struct sy_requirement *req, const struct sy_policy_texts *texts)
{
    return req->op == SY_OP_IN && req->key == texts->metadata_name;
}

static bool has_value(const struct sy_requirement *req, sy_sid value)
{
    uint32_t low = 0, high = req->values_len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (req->values[middle] == value)
            return true;
        if (req->values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Whether all fields of the term that name nodes name this one. */
static bool term_takes(const struct sy_node_term *term, sy_sid name,
                       const struct sy_policy_texts *texts)
{
    for (uint32_t i = 0; i < term->fields_len; i++) {
        if (names_nodes(&term->fields[i], texts) && !has_value(&term->fields[i], name))
            return false;
    }
    return true;
}

static const struct sy_requirement *first_that_names(const struct sy_node_term *term,
                                                     const struct sy_policy_texts *texts)
{
    for (uint32_t i = 0; i < term->fields_len; i++) {
        if (names_nodes(&term->fields[i], texts))
            return &term->fields[i];
    }
    return NULL;
}

static bool takes_some_name(const struct sy_node_term *term, const struct sy_policy_texts *texts)
{
    const struct sy_requirement *first = first_that_names(term, texts);

    for (uint32_t i = 0; i < first->values_len; i++) {
        if (term_takes(term, first->values[i], texts))
            return true;
    }
    return false;
}

/* -- filter -- */

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state, struct sy_verdict *v)
{
    const struct sy_node_selector *required = &shape->spec->required_nodes;
    bool has_names = false;

    if (!shape->spec->node_selector.len && !required->is_set &&
        !shape->profile->args.added_affinity.is_set)
        return SY_PRE_SKIP;
    for (uint32_t i = 0; i < required->len; i++) {
        if (!first_that_names(&required->terms[i], shape->texts))
            return SY_PRE_RUN; /* terms are alternatives, and this one takes any name */
        has_names |= takes_some_name(&required->terms[i], shape->texts);
    }
    if (required->len && !has_names) {
        sy_refuse(v, SY_UNRESOLVABLE, shape->texts->affinity_conflict);
        return SY_PRE_REJECT;
    }
    if (required->len) /* the state says that every term names nodes */
        *ret_state = (void *)(uintptr_t)required->terms;
    return SY_PRE_RUN;
}

static bool excludes(const struct sy_shape_view *shape, const void *state, uint32_t node)
{
    const struct sy_node_term *terms = state;
    sy_sid name = shape->cluster->nodes[node].node.name;

    for (uint32_t i = 0; terms && i < shape->spec->required_nodes.len; i++) {
        if (term_takes(&terms[i], name, shape->texts))
            return false;
    }
    return terms != NULL;
}

static bool has_name(const sy_sid *names, uint32_t len, sy_sid name)
{
    for (uint32_t i = 0; i < len; i++) {
        if (names[i] == name)
            return true;
    }
    return false;
}

static uint32_t names(const struct sy_shape_view *shape, const void *state, sy_sid *ret,
                      uint32_t room)
{
    const struct sy_node_term *terms = state;
    uint32_t len = 0;

    for (uint32_t i = 0; terms && i < shape->spec->required_nodes.len; i++) {
        const struct sy_requirement *req = first_that_names(&terms[i], shape->texts);
        for (uint32_t j = 0; j < req->values_len; j++) {
            if (!term_takes(&terms[i], req->values[j], shape->texts) ||
                has_name(ret, len, req->values[j]))
                continue;
            if (len == room)
                return SY_NONE;
            ret[len++] = req->values[j];
        }
    }
    return terms ? len : SY_NONE;
}

static bool selector_matches(const struct sy_shape_view *shape,
                             const struct sy_node_selector *selector, const struct sy_node *n)
{
    return sy_node_selector_matches(selector, shape->cluster->strings, n->labels, n->name,
                                    shape->texts->metadata_name);
}

bool sy_node_is_wanted(const struct sy_shape_view *shape, uint32_t node)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;
    struct sy_labels wanted = shape->spec->node_selector;

    for (uint32_t i = 0; i < wanted.len; i++) {
        if (sy_labels_get(n->labels, wanted.p[i].key) != wanted.p[i].value)
            return false;
    }
    return selector_matches(shape, &shape->spec->required_nodes, n);
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;

    if (!selector_matches(shape, &shape->profile->args.added_affinity, n))
        return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->enforced_affinity);
    if (sy_node_is_wanted(shape, node))
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->node_affinity);
}

/* -- score -- */

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    *ret_points = 0;
    return !shape->spec->preferred_nodes_len && !shape->profile->args.added_preferred_len;
}

static bool parses(const struct sy_node_term *term)
{
    for (uint32_t i = 0; i < term->exprs_len; i++) {
        const struct sy_requirement *req = &term->exprs[i];
        if (req->op == SY_OP_INVALID ||
            ((req->op == SY_OP_GT || req->op == SY_OP_LT) && !req->number_ok))
            return false;
    }
    for (uint32_t i = 0; i < term->fields_len; i++) {
        const struct sy_requirement *req = &term->fields[i];
        if ((req->op != SY_OP_IN && req->op != SY_OP_NOT_IN) || req->values_len != 1)
            return false;
    }
    return true;
}

/* kube-scheduler fails the attempt on a preferred term that does not parse, though the API takes
 * it; terms of weight 0 and empty ones it does not look at. */
static enum sy_pre prepare_score(const struct sy_shape_view *shape,
                                 struct sy_arena *arena SY_UNUSED, const uint32_t *nodes SY_UNUSED,
                                 uint32_t nodes_len SY_UNUSED, void **ret_state SY_UNUSED,
                                 struct sy_verdict *v)
{
    int64_t points;

    for (uint32_t i = 0; i < shape->spec->preferred_nodes_len; i++) {
        const struct sy_preferred_node_term *p = &shape->spec->preferred_nodes[i];
        if (p->weight && !parses(&p->term)) {
            sy_refuse(v, SY_ERROR, shape->texts->preferred_is_wrong);
            return SY_PRE_REJECT;
        }
    }
    return is_constant(shape, &points) ? SY_PRE_SKIP : SY_PRE_RUN;
}

static int64_t matching_weight(const struct sy_shape_view *shape,
                               const struct sy_preferred_node_term *terms, uint32_t len,
                               const struct sy_node *n)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < len; i++) {
        if (sy_node_term_matches(&terms[i].term, shape->cluster->strings, n->labels, n->name,
                                 shape->texts->metadata_name))
            sum += terms[i].weight;
    }
    return sum;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    const struct sy_policy_args *args = &shape->profile->args;
    const struct sy_node *n = &shape->cluster->nodes[node].node;

    return matching_weight(shape, args->added_preferred, args->added_preferred_len, n) +
           matching_weight(shape, shape->spec->preferred_nodes, shape->spec->preferred_nodes_len,
                           n);
}

static void normalize(const struct sy_shape_view *shape SY_UNUSED, const void *state SY_UNUSED,
                      const uint32_t *nodes SY_UNUSED, uint32_t nodes_len, int64_t *scores)
{
    sy_normalize_default(100, false, nodes_len, scores);
}

const struct sy_filter sy_filter_node_affinity = {
    .name = "NodeAffinity",
    .prepare = prepare,
    .excludes = excludes,
    .names = names,
    .refuses = refuses,
};

const struct sy_scorer sy_scorer_node_affinity = {
    .name = "NodeAffinity",
    .is_global = true,
    .prepare = prepare_score,
    .is_constant = is_constant,
    .score = score,
    .normalize = normalize,
};
