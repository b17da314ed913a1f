/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at all nodes: global filters are asked about what the cached ones passed, claims of pods
 * that have room made for them are heeded, scores are summed up, the best node wins. What a single
 * node is judged by, and the caches, are in shape.c. */
#include "sched/shape.h"

#include "sched/shape_int.h"

#include <string.h>

enum {
    ALL_ARE_ASKED = 100, /* so many nodes upstream asks at least: minFeasibleNodesToFind */
    FIRST_LEVELS = 8,    /* of points, before all nodes are asked */
};

/* -- one cycle's pass of the global filters -- */

uint32_t sy_shape_ready_filters(struct sy_shapes *s, struct sy_shape *shape,
                                struct ready_filter *ready, struct sy_outcome *out)
{
    uint32_t len = 0;

    if (!s->asks_speaking_only)
        s->speaking = 0;
    for (uint32_t i = 0; i < shape->plugins->global_len && out->reject.code == SY_FIT; i++) {
        struct ready_filter r = shape->plugins->global[i];
        struct sy_verdict v = {.code = SY_FIT, .filter = r.index};
        if (s->asks_speaking_only && !(s->speaking & 1U << r.index))
            continue;
        enum sy_pre pre = r.filter->prepare
                              ? r.filter->prepare(&shape->view, &s->arena, &r.state, &v)
                              : SY_PRE_RUN;
        if (pre == SY_PRE_RUN) {
            ready[len++] = r;
            s->speaking |= 1U << r.index;
        }
        if (pre == SY_PRE_REJECT) {
            if (v.code == SY_ERROR)
                sy_shapes_wrap_error(s, "PreFilter plugin ", r.filter->name, "", &v);
            out->reject = v;
            out->reject_plugin = r.filter->name;
        }
    }
    return len;
}

/* Ends the attempt when the verdict is a failure. */
static bool fails(const struct sy_shapes *s, const struct sy_shape *shape, uint32_t verdict,
                  struct sy_outcome *out)
{
    if (!sy_shapes_is_failure(s, verdict))
        return false;
    if (out->reject.code == SY_FIT) {
        out->reject = s->verdicts.p[verdict];
        out->reject_plugin = shape->profile->filters[out->reject.filter]->name;
    }
    return true;
}

uint32_t sy_shape_find_named(const struct sy_shapes *s, const struct sy_shape *shape,
                             uint32_t nodes[NAMES_MAX])
{
    const struct sy_shape_plugins *p = shape->plugins;
    uint32_t len = 0;

    for (uint32_t i = 0; i < p->names_len; i++) {
        uint32_t node = sy_cluster_node_find(s->cluster, p->names[i]);
        if (node == SY_NONE || !sy_cluster_node_is_alive(s->cluster, node))
            continue;
        uint32_t at = len++;
        for (; at && nodes[at - 1] > node; at--)
            nodes[at] = nodes[at - 1];
        nodes[at] = node;
    }
    return len;
}

static void note_all_excluded(struct sy_shapes *s, const struct sy_shape *shape)
{
    const struct sy_cluster *c = s->cluster;
    struct sy_verdict v = {
        .code = SY_UNRESOLVABLE, .filter = shape->plugins->namer, .reasons_len = 1};

    v.reasons[0] = s->texts.not_selected_by_plugin;
    uint32_t excluded = sy_shapes_intern(s, &v);
    sy_vec_reserve(&s->pass_verdict, c->nodes_len);
    for (uint32_t node = 0; node < c->nodes_len; node++)
        s->pass_verdict.p[node] =
            sy_cluster_node_is_alive(c, node) ? excluded : (uint32_t)VERDICT_NO_NODE;
}

/* As sy_shape_filter_pass() and sweep_pass(), for a shape that names its nodes. out: where a
 * failure ends the look, with nothing in pass_verdict; or NULL. */
void sy_shape_named_pass(struct sy_shapes *s, struct sy_shape *shape,
                         const struct ready_filter *ready, uint32_t len, struct sy_outcome *out)
{
    uint32_t nodes[NAMES_MAX];
    uint32_t nodes_len = sy_shape_find_named(s, shape, nodes);

    if (!out) {
        s->pass_of.shape = NULL;
        note_all_excluded(s, shape);
    }
    s->pass_nodes.len = 0;
    sy_vec_reserve(&s->pass_nodes, nodes_len);
    for (uint32_t i = 0; i < nodes_len; i++) {
        uint32_t verdict = sy_shape_local_verdict(s, shape, nodes[i]);
        s->evaluated++;
        if (verdict == VERDICT_FITS && len)
            verdict = sy_shape_ask(s, shape, ready, len, nodes[i]);
        if (!out)
            s->pass_verdict.p[nodes[i]] = verdict;
        else if (fails(s, shape, verdict, out))
            return;
        if (verdict == VERDICT_FITS)
            s->pass_nodes.p[s->pass_nodes.len++] = nodes[i];
    }
}

void sy_shape_filter_pass(struct sy_shapes *s, struct sy_shape *shape,
                          const struct ready_filter *ready, uint32_t len)
{
    if (sy_shape_is_named(shape)) {
        sy_shape_named_pass(s, shape, ready, len, NULL);
        return;
    }
    const struct sy_shape_cache *cache = shape->base->cache;

    s->pass_of.shape = NULL;
    s->pass_nodes.len = 0;
    sy_vec_reserve(&s->pass_nodes, cache->nodes_len);
    sy_vec_reserve(&s->pass_verdict, cache->nodes_len);
    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        uint32_t verdict = cache->verdict[node];
        if (verdict == VERDICT_FITS && len)
            verdict = sy_shape_ask(s, shape, ready, len, node);
        s->pass_verdict.p[node] = verdict;
        if (verdict == VERDICT_FITS)
            s->pass_nodes.p[s->pass_nodes.len++] = node;
    }
}

/* As sy_shape_filter_pass(), but fills pass_nodes alone: why the others are refused is of no
 * interest until it turns out that no node will do. Ends at the first node on which a filter fails.
 */
static void sweep_pass(struct sy_shapes *s, struct sy_shape *shape,
                       const struct ready_filter *ready, uint32_t len, struct sy_outcome *out)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    struct ready_filter single[SY_FILTERS_MAX]; /* those that are asked node by node */
    uint32_t single_len = 0, early_len = 0;     /* early: before a sweeping one: may fail first */

    s->pass_nodes.len = 0;
    if (!cache->feasible && !cache->failed)
        return;
    sy_vec_reserve(&s->pass_nodes, cache->nodes_len);
    sy_vec_reserve(&s->pass_refused, cache->nodes_len);
    if (cache->nodes_len)
        memset(s->pass_refused.p, 0, cache->nodes_len);
    for (uint32_t i = 0; i < len; i++) {
        if (ready[i].filter->sweep) {
            ready[i].filter->sweep(&shape->view, ready[i].state, cache->nodes_len,
                                   s->pass_refused.p);
            early_len = single_len;
        } else {
            single[single_len++] = ready[i];
        }
    }
    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        uint32_t verdict = cache->verdict[node];
        uint32_t asked = s->pass_refused.p[node] ? early_len : single_len;
        if (verdict == VERDICT_FITS && s->pass_refused.p[node] & SY_SWEEP_FAILED)
            verdict = sy_shape_ask(s, shape, ready, len, node);
        else if (verdict == VERDICT_FITS && asked)
            verdict = sy_shape_ask(s, shape, single, asked, node);
        if (fails(s, shape, verdict, out))
            return;
        if (verdict == VERDICT_FITS && !s->pass_refused.p[node])
            s->pass_nodes.p[s->pass_nodes.len++] = node;
    }
}

/* -- claims of nominated pods -- */

void sy_shapes_nominate(struct sy_shapes *s, uint32_t pod, uint32_t node)
{
    size_t at = s->nominees.len;

    s->nominations++;
    sy_vec_push(&s->nominees, (struct sy_nominee){pod, node});
    for (; at && s->nominees.p[at - 1].node > node; at--)
        s->nominees.p[at] = s->nominees.p[at - 1];
    s->nominees.p[at] = (struct sy_nominee){pod, node};
}

void sy_shapes_end_nomination(struct sy_shapes *s, uint32_t pod)
{
    size_t len = 0;

    for (size_t i = 0; i < s->nominees.len; i++) {
        if (s->nominees.p[i].pod != pod)
            s->nominees.p[len++] = s->nominees.p[i];
    }
    s->nominations += s->nominees.len != len;
    s->nominees.len = len;
}

/* The first of the claims on a node that is not less. */
static size_t first_claim(const struct sy_shapes *s, uint32_t node)
{
    size_t low = 0, high = s->nominees.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->nominees.p[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_claim(const struct sy_shapes *s, const struct sy_nominee *n)
{
    const struct sy_pod_slot *pods = s->cluster->pods.p;

    /* What is held for a replacement is not held against it. */
    if ((pods[n->pod].flags & SY_POD_HOLD) && s->asking != SY_NONE &&
        !(pods[s->asking].flags & SY_POD_HOLD) && pods[n->pod].claimant == pods[s->asking].claimant)
        return false;
    return s->asking != SY_NONE && n->pod != s->asking && pods[n->pod].node == SY_NONE &&
           (pods[n->pod].priority >= pods[s->asking].priority ||
            pods[n->pod].queue != pods[s->asking].queue);
}

bool sy_shapes_is_claimed(const struct sy_shapes *s, uint32_t node)
{
    for (size_t i = first_claim(s, node); i < s->nominees.len && s->nominees.p[i].node == node;
         i++) {
        if (has_claim(s, &s->nominees.p[i]))
            return true;
    }
    return false;
}

bool sy_shapes_any_claims(const struct sy_shapes *s)
{
    for (size_t i = 0; i < s->nominees.len; i++) {
        if (has_claim(s, &s->nominees.p[i]))
            return true;
    }
    return false;
}

uint32_t sy_shape_plain_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};
    uint32_t verdict = sy_shape_local_verdict(s, shape, node);

    if (verdict != VERDICT_FITS)
        return verdict;
    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, &out);
    if (out.reject.code != SY_FIT)
        return sy_shapes_intern(s, &out.reject);
    return sy_shape_ask(s, shape, ready, len, node);
}

uint32_t sy_shape_claimed_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    SY_VEC(uint32_t) put = {0};
    bool asked_speaking_only = s->asks_speaking_only;

    sy_cluster_trial_begin(s->cluster);
    for (size_t i = first_claim(s, node); i < s->nominees.len && s->nominees.p[i].node == node;
         i++) {
        const struct sy_nominee *n = &s->nominees.p[i];
        if (!has_claim(s, n))
            continue;
        sy_cluster_trial_restore(s->cluster, n->pod, node);
        sy_vec_push(&put, n->pod);
    }
    s->asks_speaking_only = true;
    uint32_t verdict = sy_shape_plain_verdict(s, shape, node);
    s->asks_speaking_only = asked_speaking_only;
    for (size_t i = 0; i < put.len; i++)
        sy_cluster_trial_remove(s->cluster, put.p[i]);
    sy_cluster_trial_end(s->cluster);
    sy_vec_done(&put);
    return verdict;
}

/* Where the node is in pass_nodes, or their number. */
static size_t place_in_pass(const struct sy_shapes *s, uint32_t node)
{
    size_t low = 0, high = s->pass_nodes.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->pass_nodes.p[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->pass_nodes.len && s->pass_nodes.p[low] == node ? low : s->pass_nodes.len;
}

void sy_shape_heed_claims(struct sy_shapes *s, struct sy_shape *shape, bool verdicts,
                          struct sy_outcome *out)
{
    uint32_t heeded = SY_NONE;

    for (size_t i = 0; i < s->nominees.len; i++) {
        uint32_t node = s->nominees.p[i].node;
        if (node == heeded || !has_claim(s, &s->nominees.p[i]) ||
            !sy_cluster_node_is_alive(s->cluster, node))
            continue;
        heeded = node;
        size_t at = place_in_pass(s, node);
        if (!verdicts && at == s->pass_nodes.len)
            continue;
        uint32_t verdict = sy_shape_claimed_verdict(s, shape, node);
        if (verdict == VERDICT_FITS)
            continue;
        (void)fails(s, shape, verdict, out);
        if (verdicts)
            s->pass_verdict.p[node] = verdict;
        if (at < s->pass_nodes.len) {
            s->pass_nodes.len--;
            memmove(s->pass_nodes.p + at, s->pass_nodes.p + at + 1,
                    (s->pass_nodes.len - at) * sizeof(*s->pass_nodes.p));
        }
    }
}

/* Adds one global scorer's points over pass_nodes to pass_total. */
static void score_pass(struct sy_shapes *s, struct sy_shape *shape, struct ready_scorer r,
                       struct sy_outcome *out)
{
    uint32_t len = (uint32_t)s->pass_nodes.len;
    struct sy_verdict v = {.code = SY_FIT};
    int64_t points, *scores;

    s->pass_points[r.index].len = 0;

    if (r.scorer->is_constant && r.scorer->is_constant(&shape->view, &points)) {
        for (uint32_t i = 0; i < len; i++)
            s->pass_total.p[i] += r.weight * points;
        return;
    }
    enum sy_pre pre = r.scorer->prepare ? r.scorer->prepare(&shape->view, &s->arena,
                                                            s->pass_nodes.p, len, &r.state, &v)
                                        : SY_PRE_RUN;
    if (pre == SY_PRE_REJECT) {
        sy_shapes_wrap_error(s, "PreScore plugin ", r.scorer->name, "", &v);
        out->reject = v;
        out->reject_plugin = r.scorer->name;
    }
    if (pre != SY_PRE_RUN)
        return;
    sy_vec_reserve(&s->pass_points[r.index], len);
    s->pass_points[r.index].len = len;
    scores = s->pass_points[r.index].p;
    for (uint32_t i = 0; i < len; i++)
        scores[i] = r.scorer->score(&shape->view, r.state, s->pass_nodes.p[i]);
    if (r.scorer->normalize)
        r.scorer->normalize(&shape->view, r.state, s->pass_nodes.p, len, scores);
    for (uint32_t i = 0; i < len; i++)
        s->pass_total.p[i] += r.weight * scores[i];
}

/* Whether every global scorer gives all nodes the same, so that the tree's order stands. */
static bool global_scorers_are_constant(const struct sy_shape *shape)
{
    for (uint32_t i = 0; i < shape->plugins->global_scorers_len; i++) {
        const struct sy_scorer *scorer = shape->plugins->global_scorers[i].scorer;
        int64_t points;
        if (!scorer->is_constant || !scorer->is_constant(&shape->view, &points))
            return false;
    }
    return true;
}

int64_t sy_shape_constant_points(const struct sy_shape *shape)
{
    int64_t sum = 0, points;

    for (uint32_t i = 0; i < shape->plugins->global_scorers_len; i++) {
        const struct ready_scorer *r = &shape->plugins->global_scorers[i];
        if (r->scorer->is_constant && r->scorer->is_constant(&shape->view, &points))
            sum += r->weight * points;
    }
    return sum;
}

/* Sums up the points of pass_nodes and picks the best. Global scorers are asked from score_from
 * nodes on. */
static void best_of_pass(struct sy_shapes *s, struct sy_shape *shape, uint32_t score_from,
                         struct sy_outcome *out)
{
    uint32_t len = (uint32_t)s->pass_nodes.len;

    sy_vec_reserve(&s->pass_total, len);
    s->pass_total.len = len;
    bool named = sy_shape_is_named(shape);
    for (uint32_t i = 0; i < len; i++)
        s->pass_total.p[i] = named ? sy_shape_local_score(shape, s->pass_nodes.p[i])
                                   : shape->base->cache->score[s->pass_nodes.p[i]];
    uint32_t scorers_len = len >= score_from ? shape->plugins->global_scorers_len : 0;
    s->pass_is_scored = scorers_len != 0;
    for (uint32_t i = 0; i < scorers_len && out->reject.code == SY_FIT; i++)
        score_pass(s, shape, shape->plugins->global_scorers[i], out);
    if (out->reject.code != SY_FIT)
        return;
    uint32_t best = 0;
    for (uint32_t i = 1; i < len; i++) {
        if (s->pass_total.p[i] > s->pass_total.p[best])
            best = i;
    }
    if (len)
        out->node = s->pass_nodes.p[best];
}

/* The most points of a node that nothing refuses so far. */
static bool top_score(const struct sy_shapes *s, const struct sy_shape_cache *cache, int64_t *ret)
{
    bool any = false;

    for (uint32_t node = 0; node < cache->nodes_len; node++) {
        if (cache->verdict[node] != VERDICT_FITS || s->pass_refused.p[node] ||
            (any && cache->score[node] <= *ret))
            continue;
        *ret = cache->score[node];
        any = true;
    }
    return any;
}

/* As after a pass that found nothing else, of which all constant scorers think the same. */
static void pass_is_one(struct sy_shapes *s, uint32_t node, int64_t total)
{
    s->pass_nodes.len = s->pass_total.len = 0;
    sy_vec_push(&s->pass_nodes, node);
    sy_vec_push(&s->pass_total, total);
    s->pass_is_scored = true;
    for (size_t i = 0; i < SY_ARRAY_LEN(s->pass_points); i++)
        s->pass_points[i].len = 0;
}

/* Where points are settled before the global filters have spoken: asks the best nodes first, and no
 * more than it takes. False when that does not find one soon, or when a filter fails: then all are
 * to be asked. Failures on nodes that are not asked stay unseen, as on those that upstream's
 * sampling leaves out. */
static bool best_is_asked_first(struct sy_shapes *s, struct sy_shape *shape,
                                const struct ready_filter *ready, uint32_t len,
                                struct sy_outcome *out)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    struct ready_filter single[SY_FILTERS_MAX];
    uint32_t single_len = 0;
    int64_t score = 0;

    for (uint32_t i = 0; i < len; i++) {
        if (!ready[i].filter->sweep)
            single[single_len++] = ready[i];
    }
    if (!single_len) /* asking all costs little, and tells more */
        return false;
    sy_vec_reserve(&s->pass_refused, cache->nodes_len);
    memset(s->pass_refused.p, 0, cache->nodes_len);
    for (uint32_t i = 0; i < len; i++) {
        if (ready[i].filter->sweep)
            ready[i].filter->sweep(&shape->view, ready[i].state, cache->nodes_len,
                                   s->pass_refused.p);
    }
    for (uint32_t level = 0; level < FIRST_LEVELS && top_score(s, cache, &score); level++) {
        for (uint32_t node = 0; node < cache->nodes_len; node++) {
            if (cache->verdict[node] != VERDICT_FITS || s->pass_refused.p[node] ||
                cache->score[node] != score)
                continue;
            uint32_t verdict = sy_shape_ask(s, shape, single, single_len, node);
            if (sy_shapes_is_failure(s, verdict))
                return false;
            if (verdict == VERDICT_FITS) {
                pass_is_one(s, node, score + sy_shape_constant_points(shape));
                out->node = node;
                return true;
            }
            s->pass_refused.p[node] = SY_SWEEP_REFUSED;
        }
    }
    return false;
}

static struct sy_outcome look_for_best(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    sy_shape_refresh(s, shape);
    if (shape->plugins->reject.code != SY_FIT) {
        out.reject = shape->plugins->reject;
        out.reject_plugin = shape->plugins->reject_plugin;
        return out;
    }
    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, &out);
    if (out.reject.code != SY_FIT)
        return out;
    bool claims = sy_shapes_any_claims(s);
    bool named = sy_shape_is_named(shape);
    s->pass_is_last = named || len || claims || shape->base->cache->failed ||
                      (shape->base->cache->feasible > 1 && !global_scorers_are_constant(shape));
    if (!s->pass_is_last) {
        out.node = shape->base->cache->winner[1];
        return out;
    }
    if (named) {
        sy_shape_named_pass(s, shape, ready, len, &out);
    } else {
        const struct sy_shape_cache *cache = shape->base->cache;
        if (!claims && !cache->failed && cache->nodes_len > ALL_ARE_ASKED &&
            global_scorers_are_constant(shape) && best_is_asked_first(s, shape, ready, len, &out))
            return out;
        sweep_pass(s, shape, ready, len, &out);
    }
    if (claims && out.reject.code == SY_FIT)
        sy_shape_heed_claims(s, shape, false, &out);
    if (out.reject.code != SY_FIT)
        return out;
    best_of_pass(s, shape, 2, &out); /* kube-scheduler does not score a single feasible node */
    return out;
}

struct sy_outcome sy_shape_best(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_outcome out = look_for_best(s, shape);

    /* What a plugin keeps may be what failed, for want of memory: it starts afresh next time. */
    if (out.reject.code == SY_ERROR)
        sy_shape_drop_kept(s, shape);
    return out;
}

void sy_shape_placed(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    shape = shape->base; /* whose scores decided */
    sy_shape_resolve(s, shape);
    for (uint32_t i = 0; i < shape->plugins->local_scorers_len; i++) {
        const struct ready_scorer *r = &shape->plugins->local_scorers[i];
        if (r->scorer->placed)
            r->scorer->placed(&shape->view, r->state, node);
    }
}

uint64_t sy_shape_devices(struct sy_shapes *s, struct sy_shape *shape, uint32_t node)
{
    uint64_t devices = 0;

    shape = shape->base;
    if (!shape->spec->spec.gpu.count)
        return 0;
    sy_shape_resolve(s, shape);
    for (uint32_t i = 0; i < shape->plugins->local_scorers_len && !devices; i++) {
        const struct ready_scorer *r = &shape->plugins->local_scorers[i];
        if (r->scorer->devices)
            devices = r->scorer->devices(&shape->view, r->state, node);
    }
    return devices;
}

struct sy_survey sy_shape_survey(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_survey survey = {.outcome = {.node = SY_NONE}};
    struct sy_outcome *out = &survey.outcome;

    sy_shape_refresh(s, shape);
    if (shape->plugins->reject.code != SY_FIT) {
        out->reject = shape->plugins->reject;
        out->reject_plugin = shape->plugins->reject_plugin;
        return survey;
    }
    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, out);
    if (out->reject.code != SY_FIT)
        return survey;
    sy_shape_filter_pass(s, shape, ready, len);
    sy_shape_heed_claims(s, shape, true, out);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        if (fails(s, shape, s->pass_verdict.p[node], out))
            break;
    }
    if (out->reject.code == SY_FIT)
        s->pass_is_last = true;
    best_of_pass(s, shape, 1, out);
    survey.nodes = s->pass_nodes.p;
    survey.nodes_len = (uint32_t)s->pass_nodes.len;
    survey.totals = out->reject.code == SY_FIT ? s->pass_total.p : NULL;
    survey.verdicts = s->pass_verdict.p;
    survey.verdicts_len = s->cluster->nodes_len;
    return survey;
}
