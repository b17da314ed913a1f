/* SPDX-License-Identifier: Apache-2.0
 *
 * Static weights: what somebody wrote. A node's weight is the number in its label, or that of the
 * first rule that matches its labels, or the default. Dealt in proportion (each node gets that
 * share of the pods), or the largest first: prefer these, overflow to those. Weight 0 is the last
 * resort, not a refusal. */
#include "policy/plugins.h"

struct rule {
    sy_sid key, value; /* value 0: any */
    double weight;
};

struct state {
    sy_sid label;
    uint32_t len;
    struct rule rules[];
};

/* A weight of 0 pays as much as this one: it must pay something finite. */
static const double LEAST = 0.001;
static const double SCALE = 1; /* a pod on a node of weight 1 */

/* Names are added, not looked up: nodes that come later may have them. */
static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           const uint32_t *nodes SY_UNUSED, uint32_t nodes_len SY_UNUSED,
                           void **ret_state, struct sy_verdict *v)
{
    const struct sy_policy_args *args = &shape->profile->args;
    struct sy_strings *strings = shape->cluster->strings;
    struct state *s =
        sy_arena_alloc(arena, sizeof(*s) + args->static_weights_len * sizeof(*s->rules));

    if (!s) {
        sy_refuse(v, SY_ERROR, shape->texts->no_memory);
        return SY_PRE_REJECT;
    }
    s->label = args->static_label ? sy_strings_addz(strings, args->static_label) : 0;
    s->len = args->static_weights_len;
    for (uint32_t i = 0; i < s->len; i++) {
        const struct sy_static_weight *w = &args->static_weights[i];
        s->rules[i] = (struct rule){
            .key = sy_strings_addz(strings, w->key),
            .value = w->value ? sy_strings_addz(strings, w->value) : 0,
            .weight = w->weight,
        };
    }
    *ret_state = s;
    return SY_PRE_RUN;
}

static double weight_of(const struct sy_shape_view *shape, const struct state *s, uint32_t node)
{
    struct sy_labels labels = shape->cluster->nodes[node].node.labels;
    sy_sid own = s->label ? sy_labels_get(labels, s->label) : 0;
    uint64_t number;

    if (own && sy_str_u64(sy_strings_get(shape->cluster->strings, own), &number) == 0)
        return number < SY_STATIC_WEIGHT_MAX ? (double)number : SY_STATIC_WEIGHT_MAX;
    for (uint32_t i = 0; i < s->len; i++) {
        sy_sid value = sy_labels_get(labels, s->rules[i].key);
        if (value && (!s->rules[i].value || s->rules[i].value == value))
            return s->rules[i].weight;
    }
    return shape->profile->args.static_default;
}

static double cost_of(double weight)
{
    return 1 / (weight > LEAST ? weight : LEAST);
}

static int64_t score(const struct sy_shape_view *shape, const void *state, uint32_t node)
{
    double weight = weight_of(shape, state, node);

    if (shape->profile->args.static_selection == SY_SELECT_BEST)
        return (int64_t)(weight * SY_SCORE_MAX / SY_STATIC_WEIGHT_MAX);
    return sy_turn_points(&shape->cluster->turns[SY_TURN_STATIC], node, cost_of(weight), SCALE);
}

static uint64_t stamp(const struct sy_shape_view *shape)
{
    if (shape->profile->args.static_selection == SY_SELECT_BEST)
        return 0;
    return sy_turn_stamp(&shape->cluster->turns[SY_TURN_STATIC], SCALE);
}

static void placed(const struct sy_shape_view *shape, const void *state, uint32_t node)
{
    double cost = cost_of(weight_of(shape, state, node));

    if (shape->profile->args.static_selection != SY_SELECT_BEST)
        sy_turn_take(shape->cluster, SY_TURN_STATIC, node, cost, cost);
}

const struct sy_scorer sy_scorer_static_weights = {.name = "StaticWeights",
                                                   .is_fine = true,
                                                   .prepare = prepare,
                                                   .stamp = stamp,
                                                   .score = score,
                                                   .placed = placed};
