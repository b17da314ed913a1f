/* SPDX-License-Identifier: Apache-2.0
 *
 * Each plugin alone: its preparation, its verdict on every node, its raw and normalised scores over
 * the nodes that kube-scheduler's whole profile found feasible. A Skip and running without effect
 * (all nodes pass, all get no points) are the same answer. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 4096, CYCLE_BYTES_MAX = 64 << 20 };

struct plugin {
    struct oracle *o;
    struct oracle_case *c;
    const char *name;
    struct json_object *says;
    const struct sy_filter *filter;
    const struct sy_scorer *scorer;
    const struct sy_shape_view *view;
    struct sy_arena arena;
};

static void check_excluded(struct plugin *p, const void *state, bool runs)
{
    struct json_object *nodes = oracle_get(p->c->json, "nodes");
    struct json_object *wanted = oracle_get(p->says, "preFilterNodes");

    for (size_t i = 0; i < json_object_array_length(nodes); i++) {
        const char *name =
            oracle_text(oracle_get(json_object_array_get_idx(nodes, i), "metadata"), "name");
        bool is_wanted = !wanted;
        for (size_t j = 0; wanted && j < json_object_array_length(wanted); j++)
            is_wanted |=
                strcmp(name, json_object_get_string(json_object_array_get_idx(wanted, j))) == 0;
        bool excluded = runs && p->filter->excludes &&
                        p->filter->excludes(p->view, state, oracle_node(p->c, name));
        if (excluded == is_wanted)
            oracle_differ(p->o, p->c, p->name, name,
                          is_wanted ? "in PreFilterResult" : "not in PreFilterResult",
                          excluded ? "excluded" : "not excluded");
    }
}

static void check_nodes(struct plugin *p, const void *state, bool runs)
{
    struct json_object *nodes = oracle_get(p->c->json, "nodes");
    struct json_object *filter = oracle_get(p->says, "filter");
    char expected[ORACLE_STATUS_MAX], got[ORACLE_STATUS_MAX];

    for (size_t i = 0; i < json_object_array_length(nodes); i++) {
        const char *name =
            oracle_text(oracle_get(json_object_array_get_idx(nodes, i), "metadata"), "name");
        struct sy_verdict v = {.code = SY_FIT};
        if (!runs || !p->filter->refuses(p->view, state, oracle_node(p->c, name), &v))
            v = (struct sy_verdict){.code = SY_FIT};
        oracle_status(oracle_get(filter, name), expected);
        oracle_verdict(p->c, &v, NULL, got);
        if (strcmp(expected, got) != 0)
            oracle_differ(p->o, p->c, p->name, name, expected, got);
    }
}

static void check_filter(struct plugin *p)
{
    struct json_object *pre_said = oracle_get(p->says, "preFilter");
    const char *code = oracle_text(pre_said, "code");
    char expected[ORACLE_STATUS_MAX], got[ORACLE_STATUS_MAX];
    struct sy_verdict v = {.code = SY_FIT};
    void *state = NULL;

    if (!pre_said)
        return;
    if (!p->filter) {
        if (strcmp(code, "Skip") != 0)
            oracle_differ(p->o, p->c, p->name, NULL, "a filter", "none");
        return;
    }
    enum sy_pre pre =
        p->filter->prepare ? p->filter->prepare(p->view, &p->arena, &state, &v) : SY_PRE_RUN;
    bool rejects = strcmp(code, "Success") != 0 && strcmp(code, "Skip") != 0;
    if (pre == SY_PRE_REJECT || rejects) {
        oracle_status(pre_said, expected);
        oracle_verdict(p->c, &v, NULL, got);
        if (strcmp(expected, got) != 0)
            oracle_differ(p->o, p->c, p->name, "PreFilter", expected, got);
        return;
    }
    check_excluded(p, state, pre == SY_PRE_RUN);
    check_nodes(p, state, pre == SY_PRE_RUN);
}

static uint32_t feasible_nodes(const struct oracle_case *c, uint32_t *slots)
{
    struct json_object *list = oracle_get(oracle_get(c->json, "framework"), "feasible");
    uint32_t len = 0;

    for (size_t i = 0; list && i < json_object_array_length(list) && len < NODES_MAX; i++)
        slots[len++] = oracle_node(c, json_object_get_string(json_object_array_get_idx(list, i)));
    return len;
}

static int64_t said_points(struct json_object *points, const char *node)
{
    return points ? json_object_get_int64(oracle_get(points, node)) : 0;
}

static void compare_scores(struct plugin *p, const char *what, struct json_object *said,
                           const uint32_t *slots, const int64_t *scores, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        const char *node = sy_strings_getz(p->c->strings, p->c->cluster.nodes[slots[i]].node.name);
        oracle_differ_number(p->o, p->c, p->name, node, what, said_points(said, node), scores[i]);
    }
}

static void check_scores(struct plugin *p, void *state, enum sy_pre pre, const uint32_t *slots,
                         uint32_t len)
{
    static int64_t scores[NODES_MAX];
    struct json_object *raw = oracle_get(p->says, "raw");
    int64_t points;

    memset(scores, 0, len * sizeof(*scores));
    for (uint32_t i = 0; pre == SY_PRE_RUN && i < len; i++)
        scores[i] = p->scorer->score(p->view, state, slots[i]);
    if (raw && pre == SY_PRE_RUN)
        compare_scores(p, "raw", raw, slots, scores, len);
    if (p->scorer->normalize && pre == SY_PRE_RUN)
        p->scorer->normalize(p->view, state, slots, len, scores);
    compare_scores(p, "points", oracle_get(p->says, "norm"), slots, scores, len);
    if (p->scorer->is_constant && p->scorer->is_constant(p->view, &points)) {
        for (uint32_t i = 0; i < len; i++)
            scores[i] = points;
        compare_scores(p, "constant points", oracle_get(p->says, "norm"), slots, scores, len);
    }
}

static void check_scorer(struct plugin *p)
{
    static uint32_t slots[NODES_MAX];
    struct json_object *pre_said = oracle_get(p->says, "preScore");
    struct json_object *norm = oracle_get(p->says, "norm");
    const char *code = oracle_text(pre_said, "code");
    char expected[ORACLE_STATUS_MAX], got[ORACLE_STATUS_MAX];
    struct sy_verdict v = {.code = SY_FIT};
    void *state = NULL;

    if (!pre_said && !norm)
        return;
    if (!p->scorer) {
        if (norm)
            oracle_differ(p->o, p->c, p->name, NULL, "a scorer", "none");
        return;
    }
    uint32_t len = feasible_nodes(p->c, slots);
    enum sy_pre pre = p->scorer->prepare
                          ? p->scorer->prepare(p->view, &p->arena, slots, len, &state, &v)
                          : SY_PRE_RUN;
    bool rejects = pre_said && strcmp(code, "Success") != 0 && strcmp(code, "Skip") != 0;
    if (pre == SY_PRE_REJECT || rejects) {
        oracle_status(pre_said, expected);
        oracle_verdict(p->c, &v, NULL, got);
        if ((pre == SY_PRE_REJECT) != rejects)
            oracle_differ(p->o, p->c, p->name, "PreScore", expected, got);
        return;
    }
    check_scores(p, state, pre, slots, len);
}

void oracle_check_plugins(struct oracle *o, struct oracle_case *c)
{
    struct json_object *plugins = oracle_get(c->json, "plugins");

    if (!plugins)
        return;
    json_object_object_foreach(plugins, name, says)
    {
        struct sy_profile profile = {0};
        struct plugin p = {
            .o = o,
            .c = c,
            .name = name,
            .says = says,
            .filter = sy_filter_find(name),
            .scorer = sy_scorer_find(name),
        };
        oracle_saw(o, name);
        struct sy_shape *shape = oracle_view(c, &profile); /* plugins are asked directly below */
        p.view = &shape->view;
        sy_arena_init(&p.arena, CYCLE_BYTES_MAX);
        check_filter(&p);
        check_scorer(&p);
        sy_arena_done(&p.arena);
        sy_shape_unref(&c->shapes, shape);
        sy_shapes_drop_caches(&c->shapes); /* nothing must remember the profile */
    }
}
