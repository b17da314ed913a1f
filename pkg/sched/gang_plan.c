/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gang_plan.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NARROWED_ARENA_MAX_BYTES = 64 << 20 };

/* -- order of members -- */

static int by_importance(const void *pa, const void *pb)
{
    const struct sy_gang_candidate *a = pa, *b = pb;

    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* -- domains -- */

struct domain {
    sy_sid value;
    bool may_hold; /* by its sums alone */
    double left;   /* of its scarcest resource, in units of what the gang asks for */
};

struct domains {
    SY_VEC(struct domain) all;
};

struct demand {
    uint32_t column;
    int64_t amount;
};

struct demands {
    SY_VEC(struct demand) all;
};

static void add_demand(struct demands *d, uint32_t column, int64_t amount)
{
    for (size_t i = 0; i < d->all.len; i++) {
        if (d->all.p[i].column == column) {
            d->all.p[i].amount = sy_add_saturate(d->all.p[i].amount, amount);
            return;
        }
    }
    sy_vec_push(&d->all, (struct demand){column, amount});
}

static void sum_up(const struct sy_cluster *c, const struct sy_gang_plan *plan, struct demands *ret)
{
    add_demand(ret, SY_COLUMN_PODS, plan->needed);
    for (uint32_t i = 0; i < plan->needed; i++) {
        struct sy_amounts a = c->pods.p[plan->candidates.p[i].pod].spec->spec.requests.requests;
        for (uint32_t j = 0; j < a.len; j++) {
            uint32_t column = sy_cluster_column(c, a.p[j].resource);
            if (column != SY_NONE && column != SY_COLUMN_PODS && a.p[j].amount > 0)
                add_demand(ret, column, a.p[j].amount);
        }
    }
}

static int by_value(const void *pa, const void *pb)
{
    const struct domain *a = pa, *b = pb;

    return a->value < b->value ? -1 : a->value > b->value;
}

/* Those that may hold it come first, the tightest of them before the others; of those that do not
 * seem to, the roomiest first: sums know nothing of devices that are asked for in other ways. */
static int by_tightness(const void *pa, const void *pb)
{
    const struct domain *a = pa, *b = pb;

    if (a->may_hold != b->may_hold)
        return a->may_hold ? -1 : 1;
    if (a->left != b->left)
        return (a->left < b->left) == a->may_hold ? -1 : 1;
    return by_value(pa, pb);
}

/* Has *ret the free amounts of one resource by domain, in parallel to domains. */
static void weigh(const struct sy_cluster *c, sy_sid key, const struct demand *d,
                  struct domains *domains)
{
    double *sums = sy_xcalloc(domains->all.len, sizeof(*sums));

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (!sy_cluster_node_is_alive(c, node))
            continue;
        struct domain k = {.value = sy_labels_get(c->nodes[node].node.labels, key)};
        const struct domain *at =
            bsearch(&k, domains->all.p, domains->all.len, sizeof(k), by_value);
        int64_t left = c->columns[d->column].allocatable[node] - c->columns[d->column].used[node];
        if (at && left > 0)
            sums[at - domains->all.p] += (double)left;
    }
    for (size_t i = 0; i < domains->all.len; i++) {
        double left = sums[i] / (double)d->amount;
        if (left < domains->all.p[i].left)
            domains->all.p[i].left = left;
    }
    free(sums);
}

static void list_domains(const struct sy_cluster *c, const struct sy_gang_plan *plan,
                         struct domains *ret)
{
    struct demands demands = {0};
    size_t len = 0;

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        sy_sid value = 0;
        if (sy_cluster_node_is_alive(c, node))
            value = sy_labels_get(c->nodes[node].node.labels, plan->topology_key);
        if (value)
            sy_vec_push(&ret->all, (struct domain){.value = value, .left = 1e300});
    }
    if (!ret->all.len)
        return;
    qsort(ret->all.p, ret->all.len, sizeof(*ret->all.p), by_value);
    for (size_t i = 0; i < ret->all.len; i++) {
        if (!len || ret->all.p[len - 1].value != ret->all.p[i].value)
            ret->all.p[len++] = ret->all.p[i];
    }
    ret->all.len = len;
    sum_up(c, plan, &demands);
    for (size_t i = 0; i < demands.all.len; i++)
        weigh(c, plan->topology_key, &demands.all.p[i], ret);
    for (size_t i = 0; i < len; i++)
        ret->all.p[i].may_hold = ret->all.p[i].left >= 1;
    qsort(ret->all.p, len, sizeof(*ret->all.p), by_tightness);
    sy_vec_done(&demands.all);
}

/* -- shapes that are kept to one domain -- */

struct narrowed {
    const struct sy_shape *from;
    struct sy_shape *shape; /* NULL: cannot be in the domain */
};

/* One try: the whole cluster, or one domain. */
struct attempt {
    struct sy_shapes *shapes;
    struct sy_gang_plan *plan;
    sy_sid domain;
    SY_VEC(struct narrowed) narrowed;       /* owned references */
    SY_VEC(const struct sy_shape *) failed; /* with nothing placed since that could help them */
    uint32_t placed;
    uint32_t blocker;
    bool is_error;
    char *message;
};

/* The spec with one more label that the node must have. */
static struct sy_shape *narrow(struct attempt *a, const struct sy_gang_candidate *k)
{
    struct sy_cluster *c = a->shapes->cluster;
    struct sy_pod_slot as = c->pods.p[k->pod];
    struct sy_pod_spec spec = as.spec->spec;
    struct sy_shape *shape = NULL;
    struct sy_arena arena;

    sy_sid has = sy_labels_get(spec.node_selector, a->plan->topology_key);
    if (has && has != a->domain)
        return NULL;
    sy_arena_init(&arena, NARROWED_ARENA_MAX_BYTES);
    struct sy_label *pairs =
        sy_arena_array(&arena, (size_t)spec.node_selector.len + 1, sizeof(*pairs));
    if (pairs) {
        if (spec.node_selector.len)
            memcpy(pairs, spec.node_selector.p, spec.node_selector.len * sizeof(*pairs));
        pairs[spec.node_selector.len] = (struct sy_label){a->plan->topology_key, a->domain};
        spec.node_selector =
            (struct sy_labels){pairs, sy_labels_sort(pairs, spec.node_selector.len + 1)};
        as.spec = sy_specs_ref(c->specs, &spec);
        if (as.spec)
            shape = sy_shape_ref(a->shapes, &as, k->shape->profile);
        sy_specs_unref(c->specs, as.spec);
    }
    sy_arena_done(&arena);
    return shape;
}

static struct sy_shape *shape_for(struct attempt *a, const struct sy_gang_candidate *k)
{
    if (!a->domain)
        return k->shape;
    for (size_t i = 0; i < a->narrowed.len; i++) {
        if (a->narrowed.p[i].from == k->shape)
            return a->narrowed.p[i].shape;
    }
    struct sy_shape *shape = narrow(a, k);
    sy_vec_push(&a->narrowed, (struct narrowed){k->shape, shape});
    return shape;
}

/* -- one try -- */

static bool is_known_to_fail(const struct attempt *a, const struct sy_shape *shape)
{
    for (size_t i = 0; i < a->failed.len; i++) {
        if (a->failed.p[i] == shape)
            return true;
    }
    return false;
}

static void note_failure(struct attempt *a, uint32_t i, struct sy_shape *shape,
                         const struct sy_outcome *out)
{
    const struct sy_strings *strings = a->shapes->cluster->strings;

    a->plan->candidates.p[i].failed = true;
    if (shape)
        sy_vec_push(&a->failed, shape);
    if (a->blocker != SY_NONE)
        return;
    a->blocker = i;
    if (!shape) {
        a->message = sy_xstrdup("its node selector names another domain");
    } else if (out->reject.code == SY_ERROR) {
        a->is_error = true;
        a->message = sy_xstrdup(
            out->reject.reasons_len ? sy_strings_getz(strings, out->reject.reasons[0]) : "failed");
    } else {
        a->message = sy_xstrdup(out->node == SY_NONE
                                    ? sy_shape_message(a->shapes, shape)
                                    : "what it claims could not be held on the node chosen");
    }
}

static void try_member(struct attempt *a, uint32_t i)
{
    struct sy_gang_candidate *k = &a->plan->candidates.p[i];
    struct sy_cluster *c = a->shapes->cluster;
    struct sy_shape *shape = shape_for(a, k);
    struct sy_outcome out = {.node = SY_NONE};

    if (shape && is_known_to_fail(a, shape)) {
        k->failed = true;
        return;
    }
    if (shape) {
        a->shapes->asking = k->pod;
        out = sy_shape_best(a->shapes, shape);
        if (a->plan->exact)
            a->plan->differences += sy_shape_check(a->shapes, shape);
        uint32_t wish =
            out.node != SY_NONE && a->plan->wish ? a->plan->wish(a->plan->arg, k, shape) : SY_NONE;
        out.node = wish != SY_NONE ? wish : out.node;
    }
    if (out.node == SY_NONE) {
        note_failure(a, i, shape, &out);
        return;
    }
    sy_shape_placed(a->shapes, shape, out.node);
    sy_gpus_propose(c, k->pod, sy_shape_devices(a->shapes, shape, out.node));
    if (sy_cluster_assume(c, k->pod, out.node) < 0 ||
        (a->plan->hold && !a->plan->hold(a->plan->arg, k, out.node))) {
        sy_cluster_take_back(c, k->pod);
        note_failure(a, i, shape, &out);
        return;
    }
    k->node = out.node;
    k->failed = false;
    a->placed++;
}

/* Members that did not fit are asked again as long as others were placed since: some want to be
 * near a member that had not its place yet. */
static void try_members(struct attempt *a)
{
    struct sy_gang_plan *plan = a->plan;
    uint32_t before;

    do {
        before = a->placed;
        a->failed.len = 0;
        if (a->message) {
            free(a->message);
            a->message = NULL;
        }
        a->blocker = SY_NONE;
        a->is_error = false;
        for (uint32_t i = 0; i < plan->candidates.len && a->placed < plan->needed; i++) {
            if (plan->candidates.p[i].node == SY_NONE)
                try_member(a, i);
        }
    } while (a->placed < plan->needed && a->placed > before);
}

static void take_back(struct attempt *a)
{
    for (size_t i = a->plan->candidates.len; i--;) {
        struct sy_gang_candidate *k = &a->plan->candidates.p[i];
        if (k->node == SY_NONE)
            continue;
        if (a->plan->release)
            a->plan->release(a->plan->arg, k);
        sy_cluster_take_back(a->shapes->cluster, k->pod);
        k->node = SY_NONE;
    }
}

/* True when the gang fits. */
static bool try_domain(struct sy_shapes *s, struct sy_gang_plan *plan, sy_sid domain)
{
    struct attempt a = {.shapes = s, .plan = plan, .domain = domain, .blocker = SY_NONE};
    bool *failed_before = sy_xcalloc(plan->candidates.len, sizeof(*failed_before));

    for (size_t i = 0; i < plan->candidates.len; i++) {
        failed_before[i] = plan->candidates.p[i].failed;
        plan->candidates.p[i].failed = false;
    }
    plan->domains_tried++;
    if (plan->begin)
        plan->begin(plan->arg);
    try_members(&a);
    plan->fits = a.placed == plan->needed;
    bool is_further = plan->fits || !plan->message || a.placed > plan->placed;
    if (is_further) {
        free(plan->message);
        plan->message = a.message;
        a.message = NULL;
        plan->placed = a.placed;
        plan->blocker = a.blocker;
        plan->is_error = a.is_error;
        plan->domain = domain;
    }
    for (size_t i = 0; !is_further && i < plan->candidates.len; i++)
        plan->candidates.p[i].failed = failed_before[i];
    if (!plan->fits)
        take_back(&a);
    for (size_t i = 0; i < a.narrowed.len; i++) {
        if (a.narrowed.p[i].shape)
            sy_shape_forget(s, a.narrowed.p[i].shape);
    }
    sy_vec_done(&a.narrowed);
    sy_vec_done(&a.failed);
    free(a.message);
    free(failed_before);
    return plan->fits;
}

void sy_gang_plan(struct sy_shapes *s, struct sy_gang_plan *plan)
{
    struct domains domains = {0};

    plan->blocker = SY_NONE;
    for (size_t i = 0; i < plan->candidates.len; i++) {
        plan->candidates.p[i].node = SY_NONE;
        plan->candidates.p[i].failed = false;
    }
    qsort(plan->candidates.p, plan->candidates.len, sizeof(*plan->candidates.p), by_importance);
    if (plan->topology_key)
        list_domains(s->cluster, plan, &domains);
    for (size_t i = 0; i < domains.all.len && i < SY_GANG_DOMAINS_MAX && !plan->fits; i++)
        try_domain(s, plan, domains.all.p[i].value);
    bool is_stuck = plan->topology_key && plan->topology_is_required;
    if (!plan->fits && !is_stuck)
        try_domain(s, plan, 0);
    if (!plan->fits && is_stuck && !domains.all.len) {
        plan->message =
            sy_xasprintf("no node has the label %s that the gang is to be kept together by",
                         sy_strings_getz(s->cluster->strings, plan->topology_key));
        plan->blocker = 0;
        plan->candidates.p[0].failed = true;
    }
    sy_vec_done(&domains.all);
}

void sy_gang_plan_done(struct sy_gang_plan *plan)
{
    sy_vec_done(&plan->candidates);
    free(plan->message);
    plan->message = NULL;
}
