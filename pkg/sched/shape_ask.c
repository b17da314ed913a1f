/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of a shape beside its best node: why it fits nowhere, which nodes a code or filter
 * refuses, whether a change relieves it, whether its cache is right. */
#include "sched/shape.h"

#include "sched/reasons.h"
#include "sched/shape_int.h"

#include <stdlib.h>
#include <string.h>

const struct sy_verdict *sy_shapes_verdict(const struct sy_shapes *s, uint32_t verdict)
{
    return verdict == VERDICT_NO_NODE ? NULL : &s->verdicts.p[verdict];
}

bool sy_shape_is_relieved(struct sy_shapes *s, struct sy_shape *shape)
{
    struct sy_cluster *c = s->cluster;
    uint64_t from = shape->relief_seen;
    bool same_view = shape->view_epoch == c->epoch;

    shape->relief_seen = c->relief.len;
    if (same_view && shape->plugins->global_len) {
        /* Pods that come may help too (affinity), and one node's change may help another. */
        bool changed = shape->looked_at != c->generation;
        shape->looked_at = c->generation;
        return changed && sy_shape_best(s, shape).node != SY_NONE;
    }
    if (same_view && from == c->relief.len)
        return false;
    if (!same_view || shape->base->cache || c->relief.len - from >= SY_LOG_ROOM ||
        sy_shapes_any_claims(s))
        return sy_shape_best(s, shape).node != SY_NONE;
    /* Evicted: look at the changed nodes alone. */
    while (from < c->relief.len) {
        uint32_t node = c->relief.ring[++from % SY_LOG_ROOM];
        s->evaluated++;
        if (sy_shape_local_verdict(s, shape, node) == VERDICT_FITS)
            return true;
    }
    return false;
}

/* Of how many nodes a filter says something else when it is asked about all at once. */
static uint32_t check_sweeps(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};
    uint32_t nodes_len = s->cluster->nodes_len, differences = 0;
    struct sy_verdict v;

    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, &out);
    sy_vec_reserve(&s->pass_refused, nodes_len);
    for (uint32_t i = 0; i < len && out.reject.code == SY_FIT; i++) {
        const struct sy_filter *f = ready[i].filter;
        if (!f->sweep || !nodes_len)
            continue;
        memset(s->pass_refused.p, 0, nodes_len);
        f->sweep(&shape->view, ready[i].state, nodes_len, s->pass_refused.p);
        for (uint32_t node = 0; node < nodes_len; node++) {
            if (!sy_cluster_node_is_alive(s->cluster, node))
                continue;
            uint8_t said = f->refuses(&shape->view, ready[i].state, node, &v)
                               ? v.code == SY_ERROR ? SY_SWEEP_FAILED : SY_SWEEP_REFUSED
                               : 0;
            differences += said != s->pass_refused.p[node];
        }
    }
    if (out.reject.code == SY_ERROR) /* as in sy_shape_best() */
        sy_shape_drop_kept(s, shape);
    return differences;
}

/* Whether the nodes that the shape does not name are those that the filter excludes. */
static uint32_t check_named(struct sy_shapes *s, struct sy_shape *shape)
{
    uint32_t differences = 0;

    sy_shape_named_pass(s, shape, NULL, 0, NULL);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++)
        differences += s->pass_verdict.p[node] != sy_shape_local_verdict(s, shape, node);
    return differences;
}

uint32_t sy_shape_check(struct sy_shapes *s, struct sy_shape *shape)
{
    uint32_t differences = 0;
    uint32_t best = SY_NONE;
    int64_t best_score = 0;

    sy_shape_refresh(s, shape);
    if (sy_shape_is_named(shape))
        return check_named(s, shape) + check_sweeps(s, shape);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        uint32_t verdict = sy_shape_local_verdict(s, shape, node);
        int64_t score = verdict == VERDICT_FITS ? sy_shape_local_score(shape, node) : 0;
        if (verdict != shape->base->cache->verdict[node] ||
            (verdict == VERDICT_FITS && shape->base->cache->score[node] != score))
            differences++;
        if (verdict == VERDICT_FITS && (best == SY_NONE || score > best_score)) {
            best = node;
            best_score = score;
        }
    }
    differences += best != shape->base->cache->winner[1];
    if (shape->plugins->reject.code == SY_FIT)
        differences += check_sweeps(s, shape);
    return differences;
}

/* -- the message -- */

static struct sy_pass_stamp stamp_now(const struct sy_shapes *s, const struct sy_shape *shape)
{
    return (struct sy_pass_stamp){
        .shape = shape,
        .generation = s->cluster->generation,
        .epoch = s->cluster->epoch,
        .storage = s->cluster->storage.generation,
        .devices = s->cluster->devices.generation,
        .nominations = s->nominations,
        .asking = s->asking,
    };
}

static bool same_stamp(const struct sy_pass_stamp *a, const struct sy_pass_stamp *b)
{
    return a->shape == b->shape && a->generation == b->generation && a->epoch == b->epoch &&
           a->storage == b->storage && a->devices == b->devices &&
           a->nominations == b->nominations && a->asking == b->asking;
}

/* Fills pass_verdict for every node, with the claims on it. */
static void pass_with_claims(struct sy_shapes *s, struct sy_shape *shape,
                             const struct ready_filter *ready, uint32_t len, struct sy_outcome *out)
{
    sy_shape_filter_pass(s, shape, ready, len);
    sy_shape_heed_claims(s, shape, true, out);
    /* What a what-if found is of no use after it. */
    s->pass_of = stamp_now(s, s->cluster->trial_depth ? NULL : shape);
}

/* Few distinct verdicts cover many nodes, so those are counted first. */
static char *build_message(struct sy_shapes *s, uint64_t *ret_refusing)
{
    struct sy_reason_counts reasons = {0};

    if (!s->cluster->nodes_alive)
        return sy_xstrdup("no nodes available to schedule pods");
    uint32_t *per_verdict = sy_xcalloc(s->verdicts.len, sizeof(*per_verdict));
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++)
        per_verdict[s->pass_verdict.p[node]]++;
    for (uint32_t id = VERDICT_NO_NODE + 1; id < s->verdicts.len; id++) {
        if (per_verdict[id])
            *ret_refusing |= (uint64_t)1 << s->verdicts.p[id].filter;
        for (uint32_t i = 0; per_verdict[id] && i < s->verdicts.p[id].reasons_len; i++)
            sy_reasons_add(&reasons, s->verdicts.p[id].reasons[i], per_verdict[id]);
    }
    free(per_verdict);
    char *text = sy_reasons_text(&reasons, s->cluster);
    sy_vec_done(&reasons.counts);
    return text;
}

const char *sy_shape_message(struct sy_shapes *s, struct sy_shape *shape)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    sy_shape_refresh(s, shape);
    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, &out);
    bool is_local = !len && out.reject.code == SY_FIT && !sy_shapes_any_claims(s);
    bool is_settled = is_local && shape->message_is_local &&
                      shape->message_generation == s->cluster->generation &&
                      shape->message_epoch == s->cluster->epoch;
    if (shape->message && is_settled)
        return shape->message;
    free(shape->message);
    shape->message_is_local = is_local;
    shape->refusing = 0;
    if (shape->plugins->reject.code != SY_FIT)
        out.reject = shape->plugins->reject;
    if (out.reject.code != SY_FIT) {
        shape->refusing = (uint64_t)1 << out.reject.filter;
        shape->message = sy_xasprintf("0/%u nodes are available: %s.", s->cluster->nodes_alive,
                                      sy_strings_getz(s->cluster->strings, out.reject.reasons[0]));
    } else {
        pass_with_claims(s, shape, ready, len, &out);
        shape->message = build_message(s, &shape->refusing);
    }
    shape->message_generation = s->cluster->generation;
    shape->message_epoch = s->cluster->epoch;
    return shape->message;
}

static bool named_are_refused_by(const struct sy_shapes *s, const struct sy_shape *shape,
                                 uint32_t filter)
{
    const struct sy_shape_plugins *p = shape->plugins;
    uint32_t nodes[NAMES_MAX];
    uint32_t nodes_len = sy_shape_find_named(s, shape, nodes);
    struct sy_verdict v;

    for (uint32_t i = 0; i < nodes_len; i++) {
        uint32_t at = 0;
        while (at < p->local_len &&
               !p->local[at].filter->refuses(&shape->view, p->local[at].state, nodes[i], &v))
            at++;
        if (at < p->local_len && p->local[at].index == filter)
            return true;
    }
    return false;
}

bool sy_shape_is_refused_by(const struct sy_shapes *s, const struct sy_shape *shape,
                            const struct sy_filter *filter)
{
    const struct sy_shape_cache *cache = shape->base->cache;
    uint32_t index = 0;

    while (index < shape->profile->filters_len && shape->profile->filters[index] != filter)
        index++;
    if (sy_shape_is_named(
            shape)) /* a view that is out of date is not asked: the next look renews it */
        return shape->view_epoch == s->cluster->epoch && named_are_refused_by(s, shape, index);
    for (uint32_t node = 0; cache && node < cache->nodes_len; node++) {
        const struct sy_verdict *v = &s->verdicts.p[cache->verdict[node]];
        if (cache->verdict[node] > VERDICT_NO_NODE && v->filter == index)
            return true;
    }
    return false;
}

void sy_shape_nodes_with_code(struct sy_shapes *s, struct sy_shape *shape, enum sy_code code,
                              struct sy_slots *ret)
{
    struct ready_filter ready[SY_FILTERS_MAX];
    struct sy_outcome out = {.node = SY_NONE};

    sy_shape_refresh(s, shape);
    sy_arena_reset(&s->arena);
    uint32_t len = sy_shape_ready_filters(s, shape, ready, &out);
    if (shape->plugins->reject.code != SY_FIT || out.reject.code != SY_FIT)
        return;
    struct sy_pass_stamp now = stamp_now(s, s->cluster->trial_depth ? NULL : shape);
    if (!now.shape || !same_stamp(&s->pass_of, &now)) /* else the message was made of it */
        pass_with_claims(s, shape, ready, len, &out);
    for (uint32_t node = 0; node < s->cluster->nodes_len; node++) {
        uint32_t verdict = s->pass_verdict.p[node];
        if (verdict != VERDICT_NO_NODE && s->verdicts.p[verdict].code == code)
            sy_vec_push(&ret->slots, node);
    }
}

bool sy_shape_fits(struct sy_shapes *s, struct sy_shape *shape, uint32_t node,
                   struct sy_verdict *ret)
{
    sy_shape_resolve(s, shape);
    uint32_t verdict =
        sy_shapes_is_claimed(s, node) ? sy_shape_claimed_verdict(s, shape, node) : VERDICT_FITS;
    if (verdict == VERDICT_FITS)
        verdict = sy_shape_plain_verdict(s, shape, node);
    if (ret)
        *ret = s->verdicts.p[verdict];
    return verdict == VERDICT_FITS;
}
