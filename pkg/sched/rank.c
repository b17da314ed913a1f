/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/rank.h"

#include "sched/shape_int.h"

struct candidate {
    uint32_t node;
    uint32_t subtree; /* the inner node or leaf that it won, for the tree */
    int64_t total;
};

/* -- the cache's tournament tree -- */

static uint32_t winner_at(const struct sy_shape_cache *cache, uint32_t at)
{
    if (at < cache->leaves)
        return cache->winner[at];
    uint32_t node = at - cache->leaves;
    return node < cache->nodes_len && cache->verdict[node] == VERDICT_FITS ? node : SY_NONE;
}

static void offer(struct candidate *best, uint32_t len, const struct candidate *c)
{
    if (c->node == SY_NONE)
        return;
    uint32_t at = len;
    while (at && (best[at - 1].node == SY_NONE || best[at - 1].total < c->total ||
                  (best[at - 1].total == c->total && best[at - 1].node > c->node)))
        at--;
    if (at == len)
        return;
    for (uint32_t i = len - 1; i > at; i--)
        best[i] = best[i - 1];
    best[at] = *c;
}

/* Those that lost to the winner of `subtree` on its way up from its leaf. */
static void offer_losers(const struct sy_shape_cache *cache, uint32_t subtree, uint32_t node,
                         struct candidate *best, uint32_t len)
{
    for (uint32_t at = node + cache->leaves; at > subtree; at /= 2) {
        struct candidate c = {winner_at(cache, at ^ 1), at ^ 1, 0};
        if (c.node == SY_NONE)
            continue;
        c.total = cache->score[c.node];
        offer(best, len, &c);
    }
}

static uint32_t rank_tree(const struct sy_shape_cache *cache, uint32_t most,
                          struct candidate taken[SY_RANK_MAX])
{
    struct candidate rest[SY_RANK_MAX];
    uint32_t len = 0;

    for (uint32_t i = 0; i < SY_RANK_MAX; i++)
        rest[i] = (struct candidate){SY_NONE, 0, 0};
    if (cache->winner[1] == SY_NONE)
        return 0;
    rest[0] = (struct candidate){cache->winner[1], 1, cache->score[cache->winner[1]]};
    while (len < most && rest[0].node != SY_NONE) {
        struct candidate next = rest[0];
        for (uint32_t i = 1; i < SY_RANK_MAX; i++)
            rest[i - 1] = rest[i];
        rest[SY_RANK_MAX - 1] = (struct candidate){SY_NONE, 0, 0};
        taken[len++] = next;
        if (len < most)
            offer_losers(cache, next.subtree, next.node, rest, SY_RANK_MAX);
    }
    return len;
}

/* -- a pass over all nodes -- */

static uint32_t rank_pass(const struct sy_shapes *s, uint32_t most,
                          struct candidate taken[SY_RANK_MAX])
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < most; i++)
        taken[i] = (struct candidate){SY_NONE, 0, 0};
    for (uint32_t i = 0; i < s->pass_nodes.len; i++) {
        int64_t total = s->pass_total.p[i];
        /* Slots rise, so that of equals the earlier one stays in front. */
        if (len == most && total <= taken[most - 1].total)
            continue;
        offer(taken, most, &(struct candidate){s->pass_nodes.p[i], i, total});
        len += len < most;
    }
    return len;
}

/* -- what each scorer gave -- */

static int64_t scale(const struct sy_scorer *scorer)
{
    return scorer->is_fine ? 1 : SY_SCORE_MAX / 100;
}

static int64_t global_points(const struct sy_shapes *s, const struct sy_shape *shape,
                             const struct ready_scorer *r, const struct candidate *c)
{
    int64_t points;

    if (s->pass_is_last && !s->pass_is_scored)
        return SY_POINTS_NONE;
    if (s->pass_is_last && s->pass_points[r->index].len)
        return scale(r->scorer) * s->pass_points[r->index].p[c->subtree];
    if (r->scorer->is_constant && r->scorer->is_constant(&shape->view, &points))
        return scale(r->scorer) * points;
    return SY_POINTS_NONE;
}

static void fill_points(const struct sy_shapes *s, const struct sy_shape *shape,
                        const struct candidate *c, int64_t *points)
{
    const struct sy_shape_plugins *p = shape->plugins;

    for (uint32_t i = 0; i < shape->profile->scorers_len; i++)
        points[i] = SY_POINTS_NONE;
    for (uint32_t i = 0; i < p->local_scorers_len; i++) {
        const struct ready_scorer *r = &p->local_scorers[i];
        points[r->index] = scale(r->scorer) * r->scorer->score(&shape->view, r->state, c->node);
    }
    for (uint32_t i = 0; i < p->global_scorers_len; i++) {
        const struct ready_scorer *r = &p->global_scorers[i];
        points[r->index] = global_points(s, shape, r, c);
    }
}

void sy_shape_rank(const struct sy_shapes *s, const struct sy_shape *shape, uint32_t most,
                   bool with_points, struct sy_rank *ret)
{
    struct candidate taken[SY_RANK_MAX];

    most = most < SY_RANK_MAX ? most : SY_RANK_MAX;
    ret->len = 0;
    ret->feasible = 0;
    if ((!s->pass_is_last && !shape->base->cache) || !most)
        return;
    ret->feasible = s->pass_is_last ? (uint32_t)s->pass_nodes.len : shape->base->cache->feasible;
    ret->len =
        s->pass_is_last ? rank_pass(s, most, taken) : rank_tree(shape->base->cache, most, taken);
    /* The tree leaves out what all nodes get alike. */
    int64_t more = s->pass_is_last ? 0 : sy_shape_constant_points(shape);
    for (uint32_t i = 0; i < ret->len; i++) {
        ret->nodes[i].node = taken[i].node;
        ret->nodes[i].total = taken[i].total + more;
        if (with_points)
            fill_points(s, shape, &taken[i], ret->nodes[i].points);
    }
}
