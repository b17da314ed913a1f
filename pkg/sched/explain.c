/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/explain.h"

#include "sched/what_if.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR_TEXT_MAX = 512 };

const char *sy_explain_state_name(enum sy_explain_state s)
{
    static const char *const NAMES[SY_EXPLAIN_STATES] = {
        [SY_EXPLAIN_NOT_OURS] = "NotOurs",        [SY_EXPLAIN_GATED] = "Gated",
        [SY_EXPLAIN_ACTIVE] = "Active",           [SY_EXPLAIN_BACKOFF] = "Backoff",
        [SY_EXPLAIN_WAITING] = "Waiting",         [SY_EXPLAIN_VOLUMES] = "BindingVolumes",
        [SY_EXPLAIN_BINDING] = "Binding",         [SY_EXPLAIN_BOUND] = "Bound",
        [SY_EXPLAIN_TERMINATING] = "Terminating", [SY_EXPLAIN_GANG] = "WaitingForGang",
    };

    return s < SY_EXPLAIN_STATES ? NAMES[s] : "Unknown";
}

/* -- how far a node is off -- */

/* For each filter that can say it: how far, and in words when text is not NULL. */
typedef uint64_t distance_fn(const struct sy_shape_view *view, uint32_t node, char *text,
                             size_t size);

static void append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);

    snprintf(text + len, size - len, "%s%s", len ? ", " : "", more);
}

/* The i-th of view's requests, which leave out what is asked for with 0. */
static sy_sid asked_resource(const struct sy_shape_view *view, uint32_t i)
{
    struct sy_amounts requests = view->spec->requests.requests;
    uint32_t at = 0;

    for (uint32_t n = 0; n < requests.len; n++) {
        if (requests.p[n].amount > 0 && at++ == i)
            return requests.p[n].resource;
    }
    return 0;
}

static uint64_t far_in_resources(const struct sy_shape_view *view, uint32_t node, char *text,
                                 size_t size)
{
    const struct sy_cluster *c = view->cluster;
    const struct sy_column *pods = &c->columns[SY_COLUMN_PODS];
    uint64_t kinds = 0, permille = 0;
    char amount[64], line[256];

    if (pods->used[node] + 1 > pods->allocatable[node]) {
        kinds++;
        permille += 1000;
        if (text)
            append(text, size, "has no place for one more pod");
    }
    for (uint32_t i = 0; i < view->requests_len; i++) {
        uint32_t column = view->request_columns[i];
        int64_t asked = view->request_amounts[i], left = 0;
        if (column != SY_NONE)
            left = c->columns[column].allocatable[node] - c->columns[column].used[node];
        if (asked <= left)
            continue;
        int64_t lacks = asked - (left > 0 ? left : 0);
        kinds++;
        permille += (uint64_t)((double)lacks / (double)asked * 1000);
        if (!text)
            continue;
        sy_sid resource = asked_resource(view, i);
        snprintf(line, sizeof(line), "lacks %s %.150s",
                 sy_explain_amount(c, resource, lacks, true, amount, sizeof(amount)),
                 sy_strings_getz(c->strings, resource));
        append(text, size, line);
    }
    return kinds << 32 | permille;
}

static uint64_t far_in_taints(const struct sy_shape_view *view, uint32_t node, char *text,
                              size_t size)
{
    const struct sy_node *n = &view->cluster->nodes[node].node;
    uint64_t count = 0;
    char line[256], taint[200];

    for (uint32_t i = 0; i < n->taints_len; i++) {
        if (!sy_taints_first_untolerated(&n->taints[i], 1, view->spec->tolerations,
                                         view->spec->tolerations_len, view->cluster->strings,
                                         1U << SY_EFFECT_NO_SCHEDULE | 1U << SY_EFFECT_NO_EXECUTE))
            continue;
        count++;
        if (!text)
            continue;
        snprintf(line, sizeof(line), "has the taint %s",
                 sy_explain_taint(view->cluster->strings, &n->taints[i], taint, sizeof(taint)));
        append(text, size, line);
    }
    return count;
}

static uint64_t far_in_labels(const struct sy_shape_view *view, uint32_t node, char *text,
                              size_t size)
{
    const struct sy_strings *strings = view->cluster->strings;
    struct sy_labels has = view->cluster->nodes[node].node.labels;
    uint64_t count = 0;
    char line[256];

    for (uint32_t i = 0; i < view->spec->node_selector.len; i++) {
        const struct sy_label *want = &view->spec->node_selector.p[i];
        sy_sid value = sy_labels_get(has, want->key);
        if (value == want->value)
            continue;
        count++;
        if (!text)
            continue;
        const char *key = sy_strings_getz(strings, want->key);
        if (value)
            snprintf(line, sizeof(line), "%.80s is %.70s, not %.70s", key,
                     sy_strings_getz(strings, value), sy_strings_getz(strings, want->value));
        else
            snprintf(line, sizeof(line), "has no label %.100s", key);
        append(text, size, line);
    }
    if (!count && text)
        append(text, size, "does not match the required node affinity");
    return count ? count : 1;
}

static uint64_t far_else(const struct sy_shape_view *view SY_UNUSED, uint32_t node SY_UNUSED,
                         char *text SY_UNUSED, size_t size SY_UNUSED)
{
    return 0;
}

static distance_fn *distance_of(const char *plugin)
{
    static const struct {
        const char *plugin;
        distance_fn *fn;
    } KNOWN[] = {
        {"NodeResourcesFit", far_in_resources},
        {"TaintToleration", far_in_taints},
        {"NodeAffinity", far_in_labels},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(KNOWN); i++) {
        if (strcmp(KNOWN[i].plugin, plugin) == 0)
            return KNOWN[i].fn;
    }
    return far_else;
}

/* -- the survey of a pod that waits -- */

static struct sy_explain_filter *filter_for(struct sy_explanation *e, const char *plugin)
{
    for (size_t i = 0; i < e->filters.len; i++) {
        if (e->filters.p[i].plugin == plugin)
            return &e->filters.p[i];
    }
    sy_vec_push(&e->filters, (struct sy_explain_filter){.plugin = plugin});
    return &e->filters.p[e->filters.len - 1];
}

static void count_reasons(struct sy_explain_filter *f, const struct sy_verdict *v, uint32_t nodes)
{
    for (uint32_t i = 0; i < v->reasons_len; i++) {
        size_t at = 0;
        while (at < f->reasons.len && f->reasons.p[at].text != v->reasons[i])
            at++;
        if (at == f->reasons.len)
            sy_vec_push(&f->reasons, (struct sy_explain_reason){.text = v->reasons[i]});
        f->reasons.p[at].nodes += nodes;
    }
}

/* Keeps the nearest few, of equals those that came first. */
static void offer_near(struct sy_explain_filter *f, sy_sid node, uint32_t slot, uint64_t distance,
                       uint32_t slots[SY_EXPLAIN_NEAREST])
{
    uint32_t at = f->nearest_len;

    while (at && f->nearest[at - 1].distance > distance)
        at--;
    if (at == SY_EXPLAIN_NEAREST)
        return;
    uint32_t last = f->nearest_len < SY_EXPLAIN_NEAREST ? f->nearest_len++ : f->nearest_len - 1;
    for (uint32_t i = last; i > at; i--) {
        f->nearest[i] = f->nearest[i - 1];
        slots[i] = slots[i - 1];
    }
    f->nearest[at] = (struct sy_explain_near){.node = node, .distance = distance};
    slots[at] = slot;
}

static void find_nearest(const struct sy_sched_inside *in, const struct sy_shape *shape,
                         const uint32_t *verdicts, uint32_t verdicts_len,
                         struct sy_explain_filter *f)
{
    distance_fn *far = distance_of(f->plugin);
    uint32_t slots[SY_EXPLAIN_NEAREST] = {0};
    char text[NEAR_TEXT_MAX];

    for (uint32_t node = 0; node < verdicts_len; node++) {
        const struct sy_verdict *v = sy_shapes_verdict(in->shapes, verdicts[node]);
        if (!v || v->code == SY_FIT || shape->profile->filters[v->filter]->name != f->plugin)
            continue;
        offer_near(f, in->cluster->nodes[node].node.name, node, far(&shape->view, node, NULL, 0),
                   slots);
    }
    for (uint32_t i = 0; i < f->nearest_len; i++) {
        text[0] = '\0';
        far(&shape->view, slots[i], text, sizeof(text));
        const struct sy_verdict *v = sy_shapes_verdict(in->shapes, verdicts[slots[i]]);
        if (!text[0] && v && v->reasons_len)
            snprintf(text, sizeof(text), "%s", sy_strings_getz(in->strings, v->reasons[0]));
        f->nearest[i].text = sy_xstrdup(text);
    }
}

static int by_nodes(const void *a, const void *b)
{
    const struct sy_explain_filter *x = a, *y = b;

    return (x->nodes < y->nodes) - (x->nodes > y->nodes);
}

static void survey(const struct sy_sched_inside *in, uint32_t pod, struct sy_explanation *e)
{
    struct sy_shape *shape = sy_shape_ref(in->shapes, e->pod, e->profile);
    uint32_t asking = in->shapes->asking, *verdicts = NULL;

    in->shapes->asking = pod;
    struct sy_survey found = sy_shape_survey(in->shapes, shape);
    e->has_survey = true;
    e->feasible = found.nodes_len;
    if (found.outcome.reject.code != SY_FIT) {
        e->reject_plugin = found.outcome.reject_plugin;
        e->reject_text = found.outcome.reject.reasons_len ? found.outcome.reject.reasons[0] : 0;
    } else {
        sy_shape_rank(in->shapes, shape, SY_RANK_MAX, true, &e->rank);
        for (uint32_t i = 0; i < e->rank.len; i++)
            e->best[i] = in->cluster->nodes[e->rank.nodes[i].node].node.name;
        /* What-ifs overwrite what the survey found. */
        verdicts = sy_xcalloc(found.verdicts_len, sizeof(*verdicts));
        if (found.verdicts_len)
            memcpy(verdicts, found.verdicts, found.verdicts_len * sizeof(*verdicts));
        for (uint32_t node = 0; node < found.verdicts_len; node++) {
            const struct sy_verdict *v = sy_shapes_verdict(in->shapes, verdicts[node]);
            if (!v || v->code == SY_FIT)
                continue;
            struct sy_explain_filter *f = filter_for(e, shape->profile->filters[v->filter]->name);
            f->nodes++;
            count_reasons(f, v, 1);
        }
        for (size_t i = 0; i < e->filters.len; i++)
            find_nearest(in, shape, verdicts, found.verdicts_len, &e->filters.p[i]);
        if (e->filters.len)
            qsort(e->filters.p, e->filters.len, sizeof(*e->filters.p), by_nodes);
        if (!e->feasible)
            sy_explain_what_if(in, pod, verdicts, found.verdicts_len, e);
    }
    free(verdicts);
    sy_shape_unref(in->shapes, shape);
    in->shapes->asking = asking;
}

/* -- who, and in which state -- */

static uint32_t find_pod(const struct sy_sched_inside *in, struct sy_str ns, struct sy_str name)
{
    sy_sid ns_id = sy_strings_find(in->strings, ns);

    for (uint32_t i = 0; ns_id && i < in->cluster->pods.len; i++) {
        const struct sy_pod_slot *p = &in->cluster->pods.p[i];
        if ((p->flags & SY_POD_ALIVE) && p->ns == ns_id && sy_str_eqz(name, p->name))
            return i;
    }
    return SY_NONE;
}

static const struct sy_profile *profile_of(const struct sy_sched_inside *in, sy_sid name)
{
    const char *text = sy_strings_getz(in->strings, name);

    for (uint32_t i = 0; i < in->profiles_len; i++) {
        if (strcmp(in->profiles[i].scheduler_name, text) == 0)
            return &in->profiles[i];
    }
    return NULL;
}

static enum sy_explain_state state_of_entry(const struct sy_entry *entry, sy_time_ns *ret_next)
{
    *ret_next = entry->until_ns;
    switch (entry->state) {
    case SY_ENTRY_BACKOFF:
        return SY_EXPLAIN_BACKOFF;
    case SY_ENTRY_WAITING:
        return SY_EXPLAIN_WAITING;
    case SY_ENTRY_RESERVED:
        return SY_EXPLAIN_VOLUMES;
    case SY_ENTRY_GANG:
        *ret_next = INT64_MAX;
        return SY_EXPLAIN_GANG;
    case SY_ENTRY_GATED:
        *ret_next = INT64_MAX;
        return SY_EXPLAIN_GATED;
    case SY_ENTRY_BINDING:
        *ret_next = INT64_MAX;
        return SY_EXPLAIN_BINDING;
    default:
        *ret_next = 0;
        return SY_EXPLAIN_ACTIVE;
    }
}

static void find_state(const struct sy_sched_inside *in, struct sy_explanation *e)
{
    const struct sy_pod_slot *p = e->pod;
    bool is_gone = p->flags & SY_POD_TERMINATING;

    e->next_look_ns = INT64_MAX;
    if (p->node != SY_NONE)
        e->node = in->cluster->nodes[p->node].node.name;
    e->nominated_node = p->nominated_node;
    if (p->user != SY_NONE) {
        const struct sy_entry *entry = &in->entries->all.p[p->user];
        e->attempts = entry->attempts;
        e->queued_ns = entry->queued_ns;
        e->state = state_of_entry(entry, &e->next_look_ns);
        return;
    }
    e->state = is_gone              ? SY_EXPLAIN_TERMINATING
               : p->node != SY_NONE ? SY_EXPLAIN_BOUND
                                    : SY_EXPLAIN_NOT_OURS;
}

int sy_sched_explain(struct sy_sched *s, struct sy_str ns, struct sy_str name,
                     struct sy_explanation *ret)
{
    struct sy_sched_inside in;

    sy_sched_look_inside(s, &in);
    uint32_t pod = find_pod(&in, ns, name);
    if (pod == SY_NONE)
        return -ENOENT;
    *ret = (struct sy_explanation){.pod = &in.cluster->pods.p[pod]};
    ret->profile = profile_of(&in, ret->pod->spec->spec.scheduler_name);
    ret->record = sy_records_get(in.records, in.cluster, pod);
    ret->nodes_alive = in.cluster->nodes_alive;
    find_state(&in, ret);
    if (!ret->attempts && ret->record)
        ret->attempts = ret->record->attempts;
    if (ret->profile && ret->pod->node == SY_NONE && ret->state != SY_EXPLAIN_TERMINATING)
        survey(&in, pod, ret);
    return 0;
}

void sy_sched_survey(struct sy_sched *s, uint32_t pod, const struct sy_profile *profile,
                     struct sy_explanation *ret)
{
    struct sy_sched_inside in;

    sy_sched_look_inside(s, &in);
    *ret = (struct sy_explanation){.pod = &in.cluster->pods.p[pod],
                                   .profile = profile,
                                   .nodes_alive = in.cluster->nodes_alive};
    survey(&in, pod, ret);
    ret->pod = NULL;
}

void sy_explanation_done(struct sy_explanation *e)
{
    for (size_t i = 0; i < e->filters.len; i++) {
        struct sy_explain_filter *f = &e->filters.p[i];
        sy_vec_done(&f->reasons);
        for (uint32_t n = 0; n < f->nearest_len; n++)
            free(f->nearest[n].text);
    }
    for (size_t i = 0; i < e->changes.len; i++)
        free(e->changes.p[i].text);
    sy_vec_done(&e->filters);
    sy_vec_done(&e->changes);
}
