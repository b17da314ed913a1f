/* SPDX-License-Identifier: Apache-2.0
 *
 * kube-scheduler's PodTopologySpread: no domain may have more than maxSkew matching pods above the
 * emptiest one (DoNotSchedule), and the fewer the better (ScheduleAnyway). A pod without
 * constraints gets the profile's, which count what its Services and controller select. */
#include "policy/plugins.h"
#include "policy/tally.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a what-if adds to a domain beyond the tally. */
struct extra {
    uint32_t domain;
    int64_t count;
};

struct constraint {
    const struct sy_spread_constraint *spec; /* the shape's, the profile's, or one of SYSTEM */
    struct sy_counter *counter;              /* NULL counts none: as an empty selector does */
    struct sy_tally tally;
    bool is_hostname;
    bool matches_self;
    bool selects_all;            /* an empty selector: see follow_trial() */
    SY_VEC(struct extra) extras; /* of the filter, in this cycle; empty but in a what-if */
    int64_t fewest;       /* of the filter, in this cycle: matching pods in the emptiest domain */
    double weight;        /* of the scorer, in this cycle, as is the next */
    const double *points; /* per domain; NULL for hostnames */
};

/* Constraints of one action. */
struct set {
    struct constraint *all;
    uint32_t len;
    bool require_all; /* a node counts only if it has the labels of all constraints */
    sy_sid error;     /* the constraints can not be had: why */
    bool ignores;     /* of the scorer, in this cycle: some feasible node lacks a label */
};

struct spread {
    struct set sets[2]; /* by enum sy_unsatisfiable */
    struct sy_spread_constraint system[2];
    bool is_by_default;
    uint64_t workloads_generation; /* the default selector is as of */
    struct sy_arena arena;         /* of that selector and merged ones; reset after use */
};

static const size_t ARENA_MAX_BYTES = (size_t)1 << 24;

/* -- making the sets -- */

/* The constraint's selector with the pod's own values of matchLabelKeys added. */
static int merged_selector(const struct sy_shape_view *shape, const struct sy_spread_constraint *c,
                           struct sy_arena *arena, struct sy_selector *ret)
{
    *ret = c->selector;
    if (!c->match_label_keys_len || c->selector.is_nil)
        return 0;
    size_t room = (size_t)c->selector.len + c->match_label_keys_len;
    struct sy_requirement *reqs = sy_arena_array(arena, room, sizeof(*reqs));
    sy_sid *values = sy_arena_array(arena, c->match_label_keys_len, sizeof(*values));
    if (!reqs || !values)
        return -ENOMEM;
    uint32_t len = 0;
    for (uint32_t i = 0; i < c->match_label_keys_len; i++) {
        values[i] = sy_labels_get(shape->labels, c->match_label_keys[i]);
        if (values[i])
            reqs[len++] = (struct sy_requirement){.key = c->match_label_keys[i],
                                                  .op = SY_OP_IN,
                                                  .values = &values[i],
                                                  .values_len = 1};
    }
    if (c->selector.len)
        memcpy(reqs + len, c->selector.reqs, c->selector.len * sizeof(*reqs));
    ret->reqs = reqs;
    ret->len += len;
    return 0;
}

/* Makes the constraint count what selector says; keeps what it has when that is the same. False
 * when memory ends. */
static bool aim(const struct sy_shape_view *shape, struct constraint *c,
                const struct sy_selector *selector)
{
    struct sy_counter *counter = NULL;

    if (selector->len) {
        counter = sy_counter_ref(shape->cluster, &(struct sy_counter_rule){
                                                     .namespaces = &shape->ns,
                                                     .namespaces_len = 1,
                                                     .namespace_selector = {.is_nil = true},
                                                     .selector = *selector,
                                                     .skip_terminating = true,
                                                 });
        if (!counter)
            return false;
    }
    c->selects_all = !selector->len && !selector->is_nil;
    c->matches_self = sy_selector_matches(selector, shape->cluster->strings, shape->labels);
    if (counter == c->counter) {
        if (counter)
            sy_counter_unref(shape->cluster, counter);
        return true;
    }
    if (c->counter)
        sy_counter_unref(shape->cluster, c->counter);
    c->counter = counter;
    c->tally.sources.len = 0;
    if (counter)
        sy_vec_push(&c->tally.sources,
                    (struct sy_tally_source){.on_node = &counter->on_node, .weight = 1});
    sy_tally_reset(&c->tally);
    return true;
}

static void add_constraint(const struct sy_shape_view *shape, struct set *set,
                           const struct sy_spread_constraint *spec, struct sy_arena *arena)
{
    struct constraint *c = &set->all[set->len++];
    struct sy_selector selector;

    c->spec = spec;
    c->is_hostname = spec->topology_key == shape->texts->hostname;
    c->tally.topology = sy_topology_get(shape->cluster, spec->topology_key);
    if (spec->selector.is_invalid)
        set->error = shape->texts->selector_is_wrong;
    else if (merged_selector(shape, spec, arena, &selector) < 0 || !aim(shape, c, &selector))
        set->error = shape->texts->no_memory;
}

static void clear_set(struct sy_cluster *cluster, struct set *set)
{
    for (uint32_t i = 0; i < set->len; i++) {
        sy_tally_done(&set->all[i].tally);
        sy_vec_done(&set->all[i].extras);
        if (set->all[i].counter)
            sy_counter_unref(cluster, set->all[i].counter);
    }
    free(set->all);
    *set = (struct set){0};
}

static void clear_sets(struct sy_cluster *cluster, struct spread *s)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(s->sets); i++)
        clear_set(cluster, &s->sets[i]);
}

static void make_sets(const struct sy_shape_view *shape, struct spread *s,
                      const struct sy_spread_constraint *specs, uint32_t len, bool require_all)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(s->sets); i++) {
        s->sets[i].all = sy_xcalloc(len, sizeof(*s->sets[i].all));
        s->sets[i].require_all = require_all;
    }
    for (uint32_t i = 0; i < len; i++)
        add_constraint(shape, &s->sets[specs[i].when_unsatisfiable == SY_SCHEDULE_ANYWAY],
                       &specs[i], &s->arena);
    sy_arena_reset(&s->arena);
}

static void make_system(const struct sy_shape_view *shape, struct spread *s)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(s->system); i++)
        s->system[i] = (struct sy_spread_constraint){
            .max_skew = i ? 5 : 3,
            .topology_key = i ? shape->texts->zone : shape->texts->hostname,
            .when_unsatisfiable = SY_SCHEDULE_ANYWAY,
            .honor_affinity = true,
            .selector = {.is_nil = true},
        };
}

/* The profile's constraints, all counting what the pod's Services and controller select; none when
 * nothing selects it. */
static void make_defaults(const struct sy_shape_view *shape, struct spread *s)
{
    const struct sy_policy_args *args = &shape->profile->args;
    bool is_listed = args->spread_defaults_are_listed;
    const struct sy_spread_constraint *specs = is_listed ? args->spread_defaults : s->system;
    uint32_t len = is_listed ? args->spread_defaults_len : SY_ARRAY_LEN(s->system);
    struct sy_selector selector;
    bool ok = true;

    s->workloads_generation = shape->cluster->workloads.generation;
    if (!len)
        return;
    int r = sy_cluster_default_selector(shape->cluster, shape->ns, shape->labels, shape->owner,
                                        &s->arena, &selector);
    if (r == 0 && selector.is_nil) {
        clear_sets(shape->cluster, s);
    } else {
        if (!s->sets[0].all)
            make_sets(shape, s, specs, len, is_listed);
        for (size_t i = 0; i < SY_ARRAY_LEN(s->sets); i++) {
            s->sets[i].error = 0;
            for (uint32_t j = 0; j < s->sets[i].len && ok; j++)
                ok = r == 0 && aim(shape, &s->sets[i].all[j], &selector);
            if (!ok)
                s->sets[i].error = shape->texts->no_memory;
        }
    }
    sy_arena_reset(&s->arena);
}

static void release(struct sy_cluster *cluster, void *data)
{
    struct spread *s = data;

    clear_sets(cluster, s);
    sy_arena_done(&s->arena);
    free(s);
}

static struct spread *spread_of(const struct sy_shape_view *shape)
{
    struct sy_kept *kept = &shape->kept[SY_KEPT_SPREAD];
    struct spread *s = kept->data;

    if (!s) {
        kept->data = s = sy_xcalloc(1, sizeof(*s));
        kept->release = release;
        sy_arena_init(&s->arena, ARENA_MAX_BYTES);
        s->is_by_default = !shape->spec->spread_len;
        make_system(shape, s);
        if (s->is_by_default)
            make_defaults(shape, s);
        else
            make_sets(shape, s, shape->spec->spread, shape->spec->spread_len, true);
    } else if (s->is_by_default &&
               s->workloads_generation != shape->cluster->workloads.generation) {
        make_defaults(shape, s);
    }
    return s;
}

/* -- counting -- */

struct inclusion {
    const struct sy_shape_view *shape;
    const struct set *set;
    const struct constraint *constraint;
    bool asks_affinity;
};

static bool has_all_labels(const struct set *set, uint32_t node)
{
    for (uint32_t i = 0; i < set->len; i++) {
        if (set->all[i].tally.topology->domain[node] == SY_NO_DOMAIN)
            return false;
    }
    return true;
}

static bool takes(const void *arg, uint32_t node)
{
    const struct inclusion *in = arg;
    const struct sy_shape_view *shape = in->shape;
    const struct sy_node *n = &shape->cluster->nodes[node].node;

    if (in->set->require_all && !has_all_labels(in->set, node))
        return false;
    if (in->asks_affinity && !sy_node_is_wanted(shape, node))
        return false;
    return !in->constraint->spec->honor_taints || !n->taints_len ||
           !sy_taints_first_untolerated(n->taints, n->taints_len, shape->spec->tolerations,
                                        shape->spec->tolerations_len, shape->cluster->strings,
                                        1U << SY_EFFECT_NO_SCHEDULE | 1U << SY_EFFECT_NO_EXECUTE);
}

/* is_score: hostnames are domains of one node there, for which the counter itself will do. */
static void refresh(const struct sy_shape_view *shape, struct spread *s, struct set *set,
                    bool is_score)
{
    bool has_affinity = shape->spec->node_selector.len || shape->spec->required_nodes.is_set;
    size_t bytes = sizeof(*s);

    for (uint32_t i = 0; i < set->len; i++) {
        struct constraint *c = &set->all[i];
        if (is_score && c->is_hostname)
            continue;
        struct inclusion in = {.shape = shape,
                               .set = set,
                               .constraint = c,
                               .asks_affinity = c->spec->honor_affinity && has_affinity};
        bool takes_all =
            !in.asks_affinity && !c->spec->honor_taints && (set->len == 1 || !set->require_all);
        sy_tally_refresh(&c->tally, shape->cluster, takes_all ? NULL : takes, &in);
    }
    for (size_t i = 0; i < SY_ARRAY_LEN(s->sets); i++) {
        for (uint32_t j = 0; j < s->sets[i].len; j++)
            bytes += sizeof(s->sets[i].all[j]) + sy_tally_bytes(&s->sets[i].all[j].tally);
    }
    shape->kept[SY_KEPT_SPREAD].bytes = bytes;
}

/* -- filter -- */

static void add_extra(struct constraint *c, uint32_t domain, int64_t count)
{
    for (size_t i = 0; i < c->extras.len; i++) {
        if (c->extras.p[i].domain == domain) {
            c->extras.p[i].count += count;
            return;
        }
    }
    sy_vec_push(&c->extras, (struct extra){domain, count});
}

/* Upstream counts neither pods that are going nor, for an empty selector, any at all; yet when its
 * preemption takes a pod away or its filters add a nominated one, it counts that by the selector
 * alone. */
static void follow_trial(const struct sy_shape_view *shape, const struct set *set,
                         struct constraint *c)
{
    const struct sy_cluster *cluster = shape->cluster;
    struct inclusion in = {
        .shape = shape, .set = set, .constraint = c, .asks_affinity = c->spec->honor_affinity};

    c->extras.len = 0;
    for (size_t i = 0; cluster->trial_depth && i < cluster->trial.pods.len; i++) {
        const struct sy_trial_pod *t = &cluster->trial.pods.p[i];
        const struct sy_pod_slot *p = &cluster->pods.p[t->pod];
        uint32_t domain = c->tally.topology->domain[t->node];
        bool is_left_out = c->selects_all ? p->ns == shape->ns
                                          : c->counter && (p->flags & SY_POD_TERMINATING) &&
                                                sy_counter_rule_matches(cluster, &c->counter->rule,
                                                                        p->labels->labels, p->ns);
        if (is_left_out && domain != SY_NO_DOMAIN && takes(&in, t->node))
            add_extra(c, domain, t->sign);
    }
}

static int64_t count_in(const struct constraint *c, uint32_t domain)
{
    int64_t count = c->tally.sum[domain];

    for (size_t i = 0; i < c->extras.len; i++) {
        if (c->extras.p[i].domain == domain)
            count += c->extras.p[i].count;
    }
    return count;
}

static int64_t fewest_in_any(const struct constraint *c)
{
    const struct sy_tally *t = &c->tally;
    int64_t fewest = INT64_MAX;

    if (!t->domains_used ||
        (c->spec->min_domains > 0 && t->domains_used < (uint32_t)c->spec->min_domains))
        return 0;
    for (uint32_t i = 0; i < t->domains_len; i++) {
        if (t->nodes[i] && count_in(c, i) < fewest)
            fewest = count_in(c, i);
    }
    return fewest;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state, struct sy_verdict *v)
{
    struct spread *s = spread_of(shape);
    struct set *hard = &s->sets[SY_DO_NOT_SCHEDULE];

    if (hard->error) {
        sy_refuse(v, SY_ERROR, hard->error);
        return SY_PRE_REJECT;
    }
    if (!hard->len)
        return SY_PRE_SKIP;
    refresh(shape, s, hard, false);
    for (uint32_t i = 0; i < hard->len; i++) {
        follow_trial(shape, hard, &hard->all[i]);
        hard->all[i].fewest = fewest_in_any(&hard->all[i]);
    }
    *ret_state = hard;
    return SY_PRE_RUN;
}

static bool refuses(const struct sy_shape_view *shape, const void *state, uint32_t node,
                    struct sy_verdict *v)
{
    const struct set *hard = state;

    for (uint32_t i = 0; i < hard->len; i++) {
        const struct constraint *c = &hard->all[i];
        uint32_t domain = c->tally.topology->domain[node];
        if (domain == SY_NO_DOMAIN)
            return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->spread_label);
        if (count_in(c, domain) + c->matches_self - c->fewest > c->spec->max_skew)
            return sy_refuse(v, SY_UNSCHEDULABLE, shape->texts->spread);
    }
    return false;
}

static void sweep(const struct sy_shape_view *shape SY_UNUSED, const void *state,
                  uint32_t nodes_len, uint8_t *refused)
{
    const struct set *hard = state;

    for (uint32_t i = 0; i < hard->len; i++) {
        const struct constraint *c = &hard->all[i];
        const uint32_t *domain = c->tally.topology->domain;
        const int64_t *sum = c->tally.sum;
        int64_t most = c->spec->max_skew - c->matches_self + c->fewest;
        for (uint32_t node = 0; node < nodes_len; node++)
            refused[node] |= domain[node] == SY_NO_DOMAIN || sum[domain[node]] > most;
    }
}

/* -- score -- */

static bool is_ignored(const struct set *soft, uint32_t node)
{
    return soft->ignores && !has_all_labels(soft, node);
}

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    const struct set *soft = &spread_of(shape)->sets[SY_SCHEDULE_ANYWAY];

    *ret_points = 0;
    return !soft->len && !soft->error;
}

/* Where nodes without the label are counted: with those whose label is empty, as upstream's map
 * has it, else one beyond the topology's domains. */
static uint32_t domain_without_label(const struct sy_shape_view *shape, const struct sy_tally *t)
{
    uint32_t domain = sy_topology_domain(t->topology, shape->texts->empty);

    return domain == SY_NO_DOMAIN ? t->domains_len : domain;
}

/* Domains of the feasible nodes that are scored. False when memory ends. */
static bool count_domains(const struct sy_shape_view *shape, const struct set *soft,
                          const struct constraint *c, struct sy_arena *arena, const uint32_t *nodes,
                          uint32_t nodes_len, uint32_t *ret_len)
{
    const struct sy_tally *t = &c->tally;
    uint32_t without = domain_without_label(shape, t);
    bool *is_seen = sy_arena_array(arena, (size_t)t->domains_len + 1, sizeof(*is_seen));

    *ret_len = 0;
    if (!is_seen)
        return false;
    for (uint32_t i = 0; i < nodes_len; i++) {
        uint32_t domain = t->topology->domain[nodes[i]];
        if (is_ignored(soft, nodes[i]))
            continue;
        if (domain == SY_NO_DOMAIN)
            domain = without;
        *ret_len += !is_seen[domain];
        is_seen[domain] = true;
    }
    return true;
}

/* How many feasible nodes are scored: the others lack a label that all must have. */
static uint32_t count_scored(struct set *soft, const uint32_t *nodes, uint32_t nodes_len)
{
    uint32_t len = 0;

    if (!soft->require_all) {
        soft->ignores = false;
        return nodes_len;
    }
    for (uint32_t i = 0; i < nodes_len; i++)
        len += has_all_labels(soft, nodes[i]);
    soft->ignores = len < nodes_len;
    return len;
}

/* Matching pods on nodes that lack the label, as far as they count for a node whose label is
 * empty. */
static int64_t count_without_label(const struct sy_shape_view *shape, const struct set *soft,
                                   const struct constraint *c)
{
    struct inclusion in = {
        .shape = shape, .set = soft, .constraint = c, .asks_affinity = c->spec->honor_affinity};
    int64_t sum = 0;

    for (uint32_t node = 0; node < shape->cluster->nodes_len; node++) {
        if (c->counter && c->counter->on_node[node] &&
            sy_cluster_node_is_alive(shape->cluster, node) &&
            c->tally.topology->domain[node] == SY_NO_DOMAIN && takes(&in, node))
            sum += c->counter->on_node[node];
    }
    return sum;
}

/* maxSkew - 1 waters differences down, as upstream has it. */
static double points_of(const struct constraint *c, int64_t count)
{
    return (double)count * c->weight + (double)((int64_t)c->spec->max_skew - 1);
}

/* Works out the points of each domain. False when memory ends. */
static bool price_domains(const struct sy_shape_view *shape, const struct set *soft,
                          struct constraint *c, struct sy_arena *arena)
{
    const struct sy_tally *t = &c->tally;
    double *points = sy_arena_array(arena, t->domains_len, sizeof(*points));

    if (!points && t->domains_len)
        return false;
    for (uint32_t i = 0; i < t->domains_len; i++) {
        int64_t count = t->sum[i];
        if (!soft->require_all && t->topology->values[i] == shape->texts->empty)
            count += count_without_label(shape, soft, c);
        points[i] = points_of(c, count);
    }
    c->points = points;
    return true;
}

static enum sy_pre prepare_score(const struct sy_shape_view *shape, struct sy_arena *arena,
                                 const uint32_t *nodes, uint32_t nodes_len, void **ret_state,
                                 struct sy_verdict *v)
{
    struct spread *s = spread_of(shape);
    struct set *soft = &s->sets[SY_SCHEDULE_ANYWAY];

    if (soft->error) {
        sy_refuse(v, SY_ERROR, soft->error);
        return SY_PRE_REJECT;
    }
    if (!soft->len)
        return SY_PRE_SKIP;
    refresh(shape, s, soft, true);
    uint32_t scored = count_scored(soft, nodes, nodes_len);
    for (uint32_t i = 0; i < soft->len; i++) {
        struct constraint *c = &soft->all[i];
        uint32_t size = scored;
        bool ok = c->is_hostname || count_domains(shape, soft, c, arena, nodes, nodes_len, &size);
        c->weight = log((double)size + 2);
        if (!ok || (!c->is_hostname && !price_domains(shape, soft, c, arena))) {
            sy_refuse(v, SY_ERROR, shape->texts->no_memory);
            return SY_PRE_REJECT;
        }
    }
    *ret_state = soft;
    return SY_PRE_RUN;
}

/* To the nearest, halves away from zero: round(), without the call. */
static int64_t nearest(double x)
{
    int64_t whole = (int64_t)x;
    double rest = x - (double)whole;

    return whole + (rest >= 0.5) - (rest <= -0.5);
}

static int64_t score(const struct sy_shape_view *shape SY_UNUSED, const void *state, uint32_t node)
{
    const struct set *soft = state;
    double points = 0;

    if (is_ignored(soft, node))
        return 0;
    for (uint32_t i = 0; i < soft->len; i++) {
        const struct constraint *c = &soft->all[i];
        uint32_t domain = c->tally.topology->domain[node];
        if (domain != SY_NO_DOMAIN)
            points += c->is_hostname ? points_of(c, c->counter ? c->counter->on_node[node] : 0)
                                     : c->points[domain];
    }
    return nearest(points);
}

/* a / b as integers divide, for |a| below 2^53, where one in doubles is exact and much faster. */
static int64_t divide(int64_t a, int64_t b)
{
    return (int64_t)((double)a / (double)b);
}

static void normalize(const struct sy_shape_view *shape SY_UNUSED, const void *state,
                      const uint32_t *nodes, uint32_t nodes_len, int64_t *scores)
{
    const struct set *soft = state;
    int64_t least = INT64_MAX, most = 0;

    for (uint32_t i = 0; i < nodes_len; i++) {
        if (is_ignored(soft, nodes[i]))
            continue;
        least = scores[i] < least ? scores[i] : least;
        most = scores[i] > most ? scores[i] : most;
    }
    for (uint32_t i = 0; i < nodes_len; i++) {
        if (is_ignored(soft, nodes[i]))
            scores[i] = 0;
        else
            scores[i] = most ? divide(100 * (most + least - scores[i]), most) : 100;
    }
}

const struct sy_filter sy_filter_pod_topology_spread = {
    .name = "PodTopologySpread",
    .is_global = true,
    .prepare = prepare,
    .refuses = refuses,
    .sweep = sweep,
};

const struct sy_scorer sy_scorer_pod_topology_spread = {
    .name = "PodTopologySpread",
    .is_global = true,
    .prepare = prepare_score,
    .is_constant = is_constant,
    .score = score,
    .normalize = normalize,
};
