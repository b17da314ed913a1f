/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/what_if.h"

#include "sched/preempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX_BYTES = 16 << 20, TAINTS_MAX = 8, TEXT_MAX = 1024, VICTIMS_TEXT_MAX = 700 };

/* Sizes of changes that have no measure of their own: a lowered request is as large as the share
 * that it gives up. */
static const double SIZE_UNCORDON = 0.2;
static const double SIZE_TOLERATION = 0.25;
static const double SIZE_DROP = 0.5;
static const double SIZE_EVICT = 0.75;
static const double SIZE_AFFINITY = 0.9;

struct trial {
    const struct sy_sched_inside *in;
    struct sy_explanation *e;
    struct sy_arena arena;
    uint32_t pod;
    uint32_t tried;
};

const char *sy_explain_change_name(enum sy_explain_change_kind k)
{
    static const char *const NAMES[SY_CHANGE_KINDS] = {
        [SY_CHANGE_REQUEST] = "LowerRequest",
        [SY_CHANGE_TOLERATION] = "AddToleration",
        [SY_CHANGE_UNCORDON] = "UncordonNode",
        [SY_CHANGE_SELECTOR] = "DropNodeSelector",
        [SY_CHANGE_AFFINITY] = "DropNodeAffinity",
        [SY_CHANGE_SPREAD] = "DropSpreadConstraint",
        [SY_CHANGE_POD_AFFINITY] = "DropPodAffinity",
        [SY_CHANGE_PORTS] = "DropHostPorts",
        [SY_CHANGE_EVICT] = "EvictPods",
    };

    return k < SY_CHANGE_KINDS ? NAMES[k] : "Unknown";
}

/* -- words -- */

static bool is_bytes(const struct sy_cluster *c, sy_sid resource)
{
    return resource == c->names.memory || resource == c->names.ephemeral_storage ||
           sy_str_starts(sy_strings_get(c->strings, resource), SY_STR("hugepages-"));
}

const char *sy_explain_amount(const struct sy_cluster *c, sy_sid resource, int64_t amount, bool up,
                              char *room, size_t size)
{
    static const int64_t MI = (int64_t)1 << 20, GI = (int64_t)1 << 30;
    int64_t mi = amount / MI + (up && amount % MI ? 1 : 0);

    if (resource && resource == c->names.cpu && amount % 1000) {
        snprintf(room, size, "%lldm", (long long)amount);
    } else if (resource && resource == c->names.cpu) {
        snprintf(room, size, "%lld", (long long)(amount / 1000));
    } else if (resource && is_bytes(c, resource) && amount >= MI) {
        if (amount % GI == 0)
            snprintf(room, size, "%lldGi", (long long)(amount / GI));
        else
            snprintf(room, size, "%lldMi", (long long)mi);
    } else {
        snprintf(room, size, "%lld", (long long)amount);
    }
    return room;
}

const char *sy_explain_taint(const struct sy_strings *strings, const struct sy_taint *taint,
                             char *room, size_t size)
{
    static const char *const EFFECTS[] = {"", "NoSchedule", "PreferNoSchedule", "NoExecute"};
    const char *value = sy_strings_getz(strings, taint->value);

    snprintf(room, size, "%.80s%s%.70s:%s", sy_strings_getz(strings, taint->key), *value ? "=" : "",
             value, taint->effect < SY_ARRAY_LEN(EFFECTS) ? EFFECTS[taint->effect] : "");
    return room;
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

static void add_change(struct trial *t, enum sy_explain_change_kind kind, uint32_t nodes,
                       sy_sid node, double size, const char *text)
{
    sy_vec_push(&t->e->changes,
                (struct sy_explain_change){kind, sy_xstrdup(text), nodes, node, size});
}

/* -- trying a spec -- */

/* The nodes that a pod with the spec would fit, in the scheduler's own array until its next call.
 * Returns how many. */
static uint32_t try_spec(struct trial *t, const struct sy_pod_spec *spec, const uint32_t **ret)
{
    struct sy_shapes *shapes = t->in->shapes;
    struct sy_pod_slot as = *t->e->pod;

    *ret = NULL;
    if (t->tried++ >= SY_EXPLAIN_WHAT_IFS)
        return 0;
    as.spec = sy_specs_ref(t->in->cluster->specs, spec);
    if (!as.spec)
        return 0;
    struct sy_shape *shape = sy_shape_ref(shapes, &as, t->e->profile);
    struct sy_survey found = sy_shape_survey(shapes, shape);
    sy_shape_forget(shapes, shape);
    sy_specs_unref(t->in->cluster->specs, as.spec);
    *ret = found.nodes; /* kept by shapes, not by the shape */
    return found.nodes_len;
}

/* Tries a spec that leaves something out, and notes it when it helps. what: "drop ...". */
static void try_without(struct trial *t, const struct sy_pod_spec *spec,
                        enum sy_explain_change_kind kind, double size, const char *what)
{
    const uint32_t *nodes;
    char text[TEXT_MAX];
    uint32_t len = try_spec(t, spec, &nodes);

    if (!len)
        return;
    snprintf(text, sizeof(text), "%s: fits %u node%s", what, len, plural(len));
    add_change(t, kind, len, t->in->cluster->nodes[nodes[0]].node.name, size, text);
}

/* A copy of an array without its i-th element; NULL when there is no memory. */
static void *without(struct trial *t, const void *p, uint32_t len, uint32_t i, size_t size)
{
    char *copy = sy_arena_array(&t->arena, len, size);

    if (!copy)
        return NULL;
    memcpy(copy, p, i * size);
    memcpy(copy + i * size, (const char *)p + (i + 1) * size, (len - i - 1) * size);
    return copy;
}

/* -- requests -- */

static int64_t room_on(const struct sy_cluster *c, uint32_t column, uint32_t node)
{
    if (column == SY_NONE)
        return 0;
    int64_t left = c->columns[column].allocatable[node] - c->columns[column].used[node];
    return left > 0 ? left : 0;
}

static void try_request(struct trial *t, uint32_t i)
{
    const struct sy_cluster *c = t->in->cluster;
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    struct sy_amounts requests = spec->requests.requests;
    struct sy_pod_spec changed = *spec;
    struct sy_amount *p = sy_arena_array(&t->arena, requests.len, sizeof(*p));
    sy_sid resource = requests.p[i].resource;
    uint32_t column = sy_cluster_column(c, resource), best = SY_NONE, as_good = 0;
    int64_t most = 0;
    char asked[64], fits[64], text[TEXT_MAX];
    const uint32_t *nodes;

    if (!p)
        return;
    memcpy(p, requests.p, requests.len * sizeof(*p));
    p[i].amount = 0;
    changed.requests.requests.p = p;
    uint32_t len = try_spec(t, &changed, &nodes);
    for (uint32_t n = 0; n < len; n++) {
        int64_t room = room_on(c, column, nodes[n]);
        if (best == SY_NONE || room > most) {
            best = nodes[n];
            most = room;
            as_good = 0;
        }
        as_good += room == most;
    }
    if (best == SY_NONE || most >= requests.p[i].amount)
        return;
    const char *name = sy_strings_getz(c->strings, resource);
    sy_explain_amount(c, resource, requests.p[i].amount, true, asked, sizeof(asked));
    sy_explain_amount(c, resource, most, false, fits, sizeof(fits));
    if (most > 0)
        snprintf(text, sizeof(text), "ask for %s %.80s at most instead of %s: fits %u node%s%s",
                 fits, name, asked, as_good, plural(as_good),
                 len > as_good ? ", more with still less" : "");
    else
        snprintf(text, sizeof(text), "do not ask for %.80s (%s now): fits %u node%s", name, asked,
                 len, plural(len));
    add_change(t, SY_CHANGE_REQUEST, most > 0 ? as_good : len, c->nodes[best].node.name,
               1 - (double)most / (double)requests.p[i].amount, text);
}

static void try_requests(struct trial *t)
{
    struct sy_amounts requests = t->e->pod->spec->spec.requests.requests;

    for (uint32_t i = 0; i < requests.len; i++) {
        if (requests.p[i].amount > 0)
            try_request(t, i);
    }
}

/* -- taints -- */

struct seen_taint {
    struct sy_taint taint;
    uint32_t nodes;
};

static void note_taint(struct seen_taint *seen, uint32_t *len, const struct sy_taint *taint)
{
    for (uint32_t i = 0; i < *len; i++) {
        if (seen[i].taint.key == taint->key && seen[i].taint.value == taint->value &&
            seen[i].taint.effect == taint->effect) {
            seen[i].nodes++;
            return;
        }
    }
    if (*len < TAINTS_MAX)
        seen[(*len)++] = (struct seen_taint){*taint, 1};
}

static bool add_toleration(struct trial *t, struct sy_pod_spec *spec, struct sy_toleration more)
{
    struct sy_toleration *p = sy_arena_array(&t->arena, spec->tolerations_len + 1, sizeof(*p));

    if (!p)
        return false;
    if (spec->tolerations_len)
        memcpy(p, spec->tolerations, spec->tolerations_len * sizeof(*p));
    p[spec->tolerations_len++] = more;
    spec->tolerations = p;
    return true;
}

static void try_taint(struct trial *t, const struct sy_taint *taint)
{
    struct sy_pod_spec changed = t->e->pod->spec->spec;
    char name[200], text[TEXT_MAX];

    if (!add_toleration(t, &changed,
                        (struct sy_toleration){.key = taint->key,
                                               .value = taint->value,
                                               .op = SY_TOLERATION_EQUAL,
                                               .effect = taint->effect}))
        return;
    sy_explain_taint(t->in->strings, taint, name, sizeof(name));
    snprintf(text, sizeof(text), "tolerate the taint %s", name);
    try_without(t, &changed, SY_CHANGE_TOLERATION, SIZE_TOLERATION, text);
}

static void try_taints(struct trial *t, const uint32_t *verdicts, uint32_t verdicts_len)
{
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    const struct sy_cluster *c = t->in->cluster;
    struct seen_taint seen[TAINTS_MAX];
    uint32_t len = 0;

    for (uint32_t node = 0; node < verdicts_len; node++) {
        const struct sy_verdict *v = sy_shapes_verdict(t->in->shapes, verdicts[node]);
        const struct sy_node *n = &c->nodes[node].node;
        if (!v || v->code == SY_FIT)
            continue;
        const struct sy_taint *taint = sy_taints_first_untolerated(
            n->taints, n->taints_len, spec->tolerations, spec->tolerations_len, c->strings,
            1U << SY_EFFECT_NO_SCHEDULE | 1U << SY_EFFECT_NO_EXECUTE);
        /* That one is a cordon's, and comes with it. */
        if (taint && taint->key != t->in->shapes->texts.unschedulable_taint_key)
            note_taint(seen, &len, taint);
    }
    for (uint32_t i = 0; i < len; i++)
        try_taint(t, &seen[i].taint);
}

/* A toleration of the cordon's taint does for the pod what an end of the cordon would. */
static void try_uncordoned(struct trial *t)
{
    struct sy_pod_spec changed = t->e->pod->spec->spec;
    const uint32_t *nodes;
    char text[TEXT_MAX];

    if (!add_toleration(t, &changed,
                        (struct sy_toleration){.key = t->in->shapes->texts.unschedulable_taint_key,
                                               .value = t->in->shapes->texts.empty,
                                               .op = SY_TOLERATION_EXISTS}))
        return;
    uint32_t len = try_spec(t, &changed, &nodes);
    if (!len)
        return;
    sy_sid node = t->in->cluster->nodes[nodes[0]].node.name;
    snprintf(text, sizeof(text), "uncordon %.253s%s: fits %u node%s",
             sy_strings_getz(t->in->strings, node), len > 1 ? " or another cordoned node" : "", len,
             plural(len));
    add_change(t, SY_CHANGE_UNCORDON, len, node, SIZE_UNCORDON, text);
}

/* -- what the pod asks of labels and of other pods -- */

static void try_node_labels(struct trial *t)
{
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    char text[TEXT_MAX];

    for (uint32_t i = 0; i < spec->node_selector.len; i++) {
        struct sy_pod_spec changed = *spec;
        const struct sy_label *label = &spec->node_selector.p[i];
        changed.node_selector.p =
            without(t, spec->node_selector.p, spec->node_selector.len, i, sizeof(*label));
        changed.node_selector.len--;
        if (!changed.node_selector.p)
            return;
        snprintf(text, sizeof(text), "drop %.300s: %.70s from nodeSelector",
                 sy_strings_getz(t->in->strings, label->key),
                 sy_strings_getz(t->in->strings, label->value));
        try_without(t, &changed, SY_CHANGE_SELECTOR, SIZE_DROP, text);
    }
}

/* Of one term, each expression alone; else the whole. */
static void try_node_affinity(struct trial *t)
{
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    const struct sy_node_selector *required = &spec->required_nodes;
    char text[TEXT_MAX];

    if (!required->is_set)
        return;
    for (uint32_t i = 0; required->len == 1 && i < required->terms[0].exprs_len &&
                         required->terms[0].exprs_len + required->terms[0].fields_len > 1;
         i++) {
        struct sy_pod_spec changed = *spec;
        struct sy_node_term *term = sy_arena_alloc(&t->arena, sizeof(*term));
        if (!term)
            return;
        *term = required->terms[0];
        term->exprs = without(t, term->exprs, term->exprs_len, i, sizeof(*term->exprs));
        term->exprs_len--;
        if (!term->exprs)
            return;
        changed.required_nodes.terms = term;
        snprintf(text, sizeof(text),
                 "drop the expression on %.300s from the required node affinity",
                 sy_strings_getz(t->in->strings, required->terms[0].exprs[i].key));
        try_without(t, &changed, SY_CHANGE_SELECTOR, SIZE_DROP, text);
    }
    struct sy_pod_spec changed = *spec;
    changed.required_nodes = (struct sy_node_selector){0};
    try_without(t, &changed, SY_CHANGE_AFFINITY, SIZE_AFFINITY, "drop the required node affinity");
}

static void try_spread(struct trial *t)
{
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    char text[TEXT_MAX];

    for (uint32_t i = 0; i < spec->spread_len; i++) {
        struct sy_pod_spec changed = *spec;
        if (spec->spread[i].when_unsatisfiable != SY_DO_NOT_SCHEDULE)
            continue;
        changed.spread = without(t, spec->spread, spec->spread_len, i, sizeof(*spec->spread));
        changed.spread_len--;
        if (!changed.spread)
            return;
        snprintf(text, sizeof(text), "drop the spread constraint over %.300s (maxSkew %d)",
                 sy_strings_getz(t->in->strings, spec->spread[i].topology_key),
                 spec->spread[i].max_skew);
        try_without(t, &changed, SY_CHANGE_SPREAD, SIZE_DROP, text);
    }
}

static void try_pod_affinity(struct trial *t)
{
    const struct sy_pod_spec *spec = &t->e->pod->spec->spec;
    char text[TEXT_MAX];

    for (int anti = 0; anti < 2; anti++) {
        const struct sy_affinity_term *terms = anti ? spec->anti_affinity : spec->affinity;
        uint32_t len = anti ? spec->anti_affinity_len : spec->affinity_len;
        for (uint32_t i = 0; i < len; i++) {
            struct sy_pod_spec changed = *spec;
            const struct sy_affinity_term *left = without(t, terms, len, i, sizeof(*terms));
            if (!left)
                return;
            *(anti ? &changed.anti_affinity : &changed.affinity) = left;
            *(anti ? &changed.anti_affinity_len : &changed.affinity_len) = len - 1;
            snprintf(text, sizeof(text), "drop the required pod %s over %.300s",
                     anti ? "anti-affinity" : "affinity",
                     sy_strings_getz(t->in->strings, terms[i].topology_key));
            try_without(t, &changed, SY_CHANGE_POD_AFFINITY, SIZE_DROP, text);
        }
    }
}

static void try_ports(struct trial *t)
{
    struct sy_pod_spec changed = t->e->pod->spec->spec;

    if (!changed.host_ports_len)
        return;
    changed.host_ports = NULL;
    changed.host_ports_len = 0;
    try_without(t, &changed, SY_CHANGE_PORTS, SIZE_DROP, "ask for no host ports");
}

/* -- pods that would have to go -- */

static bool is_of_ours(const void *arg, const struct sy_pod_slot *p)
{
    const struct sy_sched_inside *in = arg;
    const char *name = sy_strings_getz(in->strings, p->spec->spec.scheduler_name);

    for (uint32_t i = 0; i < in->profiles_len; i++) {
        if (strcmp(in->profiles[i].scheduler_name, name) == 0)
            return true;
    }
    return false;
}

static void add_eviction(struct trial *t, const struct sy_preemption *found)
{
    const struct sy_cluster *c = t->in->cluster;
    char names[VICTIMS_TEXT_MAX] = "", text[TEXT_MAX + VICTIMS_TEXT_MAX];
    uint32_t len = (uint32_t)found->victims.len, said = 0;
    int32_t highest = INT32_MIN;

    for (uint32_t i = 0; i < len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[found->victims.p[i]];
        size_t used = strlen(names);
        if (p->priority > highest)
            highest = p->priority;
        if (i < SY_EXPLAIN_VICTIMS && used + 300 < sizeof(names)) {
            snprintf(names + used, sizeof(names) - used, "%s%.63s/%.200s", i ? ", " : "",
                     sy_strings_getz(c->strings, p->ns), p->name);
            said++;
        }
    }
    sy_sid node = c->nodes[found->node].node.name;
    snprintf(text, sizeof(text),
             "have %u pod%s go from %.253s (%s%s), the highest of priority %d%s", len, plural(len),
             sy_strings_getz(c->strings, node), names, said < len ? ", ..." : "", highest,
             found->violations ? "; this overdraws disruption budgets" : "");
    add_change(t, SY_CHANGE_EVICT, 1, node, SIZE_EVICT + (found->violations ? 0.2 : 0), text);
}

/* As if the pod had more priority than all others: those that must not be moved for it today are
 * named too, so that a person can. */
static void try_evictions(struct trial *t)
{
    struct sy_pod_slot *pod = &t->in->cluster->pods.p[t->pod];
    int32_t priority = pod->priority;
    struct sy_shape *shape = sy_shape_ref(t->in->shapes, pod, t->e->profile);
    struct sy_preemptor by = {.pod = t->pod, .shape = shape, .is_ours = is_of_ours, .arg = t->in};
    struct sy_preemption found;

    pod->priority = INT32_MAX;
    sy_preempt_find(t->in->shapes, &by, &found);
    pod->priority = priority;
    if (found.node != SY_NONE && found.victims.len)
        add_eviction(t, &found);
    sy_preemption_done(&found);
    sy_shape_unref(t->in->shapes, shape);
}

static int by_size(const void *a, const void *b)
{
    const struct sy_explain_change *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return (x->nodes < y->nodes) - (x->nodes > y->nodes);
}

static bool refuses(const struct sy_explanation *e, const char *plugin)
{
    for (size_t i = 0; i < e->filters.len; i++) {
        if (strcmp(e->filters.p[i].plugin, plugin) == 0)
            return true;
    }
    return false;
}

void sy_explain_what_if(const struct sy_sched_inside *in, uint32_t pod, const uint32_t *verdicts,
                        uint32_t verdicts_len, struct sy_explanation *e)
{
    struct trial t = {.in = in, .e = e, .pod = pod};

    sy_arena_init(&t.arena, ARENA_MAX_BYTES);
    if (refuses(e, "NodeResourcesFit"))
        try_requests(&t);
    if (refuses(e, "NodeUnschedulable"))
        try_uncordoned(&t);
    if (refuses(e, "TaintToleration"))
        try_taints(&t, verdicts, verdicts_len);
    if (refuses(e, "NodeAffinity")) {
        try_node_labels(&t);
        try_node_affinity(&t);
    }
    if (refuses(e, "PodTopologySpread"))
        try_spread(&t);
    if (refuses(e, "InterPodAffinity"))
        try_pod_affinity(&t);
    if (refuses(e, "NodePorts"))
        try_ports(&t);
    try_evictions(&t);
    sy_arena_done(&t.arena);
    if (e->changes.len)
        qsort(e->changes.p, e->changes.len, sizeof(*e->changes.p), by_size);
}
