/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic weight of a node: capacity x performance x headroom x reliability, each in [0,1]
 * (weights.h). Capacity is the node's size against the largest node, performance and reliability
 * are learned (sched/learn.c), headroom is what would be left with the pod placed.
 *
 * How the weight decides is an argument. By default the best node is the one that carries least for
 * its weight: then what the nodes carry is in proportion to their weights. In shares, arriving
 * demand is dealt in proportion to them, whatever is there already. The node of the largest weight
 * does worst: it is the largest node until that is nearly full. docs/decisions/0011 has what
 * simulation says. */
#include "policy/plugins.h"
#include "policy/weights.h"

/* A full node costs no more than one of this weight, so that its turn comes once all are full. */
static const double LEAST = 0.0001;
static const double LEAST_DEMAND = 0.000001;
/* Of the pod's demand: as much as it costs on a node of a fourth of the largest weight. */
static const double SCALE = 4;

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* What the pod asks for, against the largest node. */
static double demand(const struct sy_shape_view *shape)
{
    const struct sy_cluster *c = shape->cluster;
    const struct sy_pod_request_totals *r = &shape->spec->requests;
    double d = (ratio(r->nonzero_cpu_milli, c->max_cpu_milli) +
                ratio(r->nonzero_memory_bytes, c->max_memory_bytes)) /
               2;

    return d > LEAST_DEMAND ? d : LEAST_DEMAND;
}

static double cost_of(const struct sy_shape_view *shape, uint32_t node)
{
    struct sy_node_weight w;

    sy_node_weight(shape->cluster, shape, node, &w);
    return demand(shape) / (w.weight > LEAST ? w.weight : LEAST);
}

/* Of quotients weight / carried, from 0 to without end, to points from none to all of them. What a
 * node carries is capacity x (1 - headroom), so capacity cancels out. */
static int64_t level_points(const struct sy_node_weight *w)
{
    double earned = w->performance * w->headroom * w->reliability;
    double carried = 1 - w->headroom;

    return earned > 0 ? (int64_t)(earned / (earned + carried) * SY_SCORE_MAX) : 0;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    enum sy_selection selection = shape->profile->args.dynamic_selection;
    struct sy_node_weight w;

    if (selection == SY_SELECT_SHARES)
        return sy_turn_points(&shape->cluster->turns[SY_TURN_DYNAMIC], node, cost_of(shape, node),
                              SCALE * demand(shape));
    sy_node_weight(shape->cluster, shape, node, &w);
    return selection == SY_SELECT_LEVEL ? level_points(&w) : (int64_t)(w.weight * SY_SCORE_MAX);
}

static uint64_t stamp(const struct sy_shape_view *shape)
{
    if (shape->profile->args.dynamic_selection != SY_SELECT_SHARES)
        return 0;
    return sy_turn_stamp(&shape->cluster->turns[SY_TURN_DYNAMIC], SCALE * demand(shape));
}

static void placed(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    if (shape->profile->args.dynamic_selection != SY_SELECT_SHARES)
        return;
    double cost = cost_of(shape, node);
    sy_turn_take(shape->cluster, SY_TURN_DYNAMIC, node, cost, cost);
}

const struct sy_scorer sy_scorer_dynamic_weight = {
    .name = "DynamicWeight", .is_fine = true, .stamp = stamp, .score = score, .placed = placed};
