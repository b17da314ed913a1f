/* SPDX-License-Identifier: Apache-2.0
 *
 * A small cluster, and what kube-scheduler's profile says of a pod there: for tests of the plugins
 * that look across nodes. */
#pragma once

#include "core.h"
#include "sched/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct across {
    struct core k;
    struct sy_cluster c;
    struct sy_shapes shapes;
    struct sy_profile profile;
};

static inline int across_setup(void **state)
{
    struct across *w = sy_xcalloc(1, sizeof(*w));

    core_init(&w->k);
    sy_cluster_init(&w->c, w->k.strings);
    sy_shapes_init(&w->shapes, &w->c, (size_t)1 << 20);
    sy_profile_kube(&w->profile, "default-scheduler");
    *state = w;
    return 0;
}

static inline int across_teardown(void **state)
{
    struct across *w = *state;
    char text[256];
    const char *difference = sy_cluster_audit(&w->c, text, sizeof(text));

    if (difference)
        fail_msg("%s", difference);
    sy_shapes_done(&w->shapes);
    for (uint32_t i = 0; i < w->c.counters.counters_len; i++)
        assert_null(w->c.counters.counters[i]); /* all given back */
    sy_cluster_done(&w->c);
    core_done(&w->k);
    free(w);
    return 0;
}

/* "a=b c=d" as labels. */
static inline struct sy_labels across_labels(struct across *w, const char *text)
{
    struct sy_label *p = sy_arena_array(&w->k.arena, 8, sizeof(*p));
    uint32_t len = 0;
    char key[64], value[64];
    int used;

    while (sscanf(text, " %63[^= ]=%n", key, &used) == 1) {
        text += used;
        value[0] = '\0';
        if (sscanf(text, "%63[^ ]%n", value, &used) == 1)
            text += used;
        p[len++] = (struct sy_label){core_id(&w->k, key), core_id(&w->k, value)};
    }
    return (struct sy_labels){p, sy_labels_sort(p, len)};
}

/* "a=b c=d" as a selector of In requirements; NULL for a nil one. */
static inline struct sy_selector across_selector(struct across *w, const char *text)
{
    if (!text)
        return (struct sy_selector){.is_nil = true};
    struct sy_labels labels = across_labels(w, text);
    struct sy_requirement *reqs = sy_arena_array(&w->k.arena, labels.len + 1, sizeof(*reqs));
    for (uint32_t i = 0; i < labels.len; i++)
        reqs[i] = (struct sy_requirement){
            .key = labels.p[i].key, .op = SY_OP_IN, .values = &labels.p[i].value, .values_len = 1};
    return (struct sy_selector){.reqs = reqs, .len = labels.len};
}

static inline uint32_t across_node(struct across *w, const char *name, const char *labels)
{
    struct sy_node node = core_node(&w->k, name, 64000, 1 << 18, 0);
    uint32_t slot, change;

    node.labels = across_labels(w, labels);
    assert_int_equal(sy_cluster_node_upsert(&w->c, &node, &slot, &change), 0);
    return slot;
}

static inline struct sy_pod across_pod(struct across *w, const char *name, const char *labels)
{
    struct sy_pod pod = core_pod(&w->k, name, 100, 100, 0);

    pod.labels = across_labels(w, labels);
    return pod;
}

static inline uint32_t across_put(struct across *w, struct sy_pod pod, const char *node)
{
    uint32_t slot, change;

    pod.node = node ? core_id(&w->k, node) : 0;
    assert_int_equal(sy_cluster_pod_upsert(&w->c, &pod, &slot, &change), 0);
    return slot;
}

/* A running pod of these labels on the node. */
static inline uint32_t across_run(struct across *w, const char *name, const char *labels,
                                  const char *node)
{
    return across_put(w, across_pod(w, name, labels), node);
}

static inline struct sy_affinity_term across_term(struct across *w, const char *selector,
                                                  const char *key)
{
    return (struct sy_affinity_term){.selector = across_selector(w, selector),
                                     .namespace_selector = {.is_nil = true},
                                     .topology_key = core_id(&w->k, key)};
}

/* Why the pod can not go to the node, "" when it can; "pod: ..." for a rejection of all nodes. */
static inline const char *across_why(struct across *w, uint32_t pod, const char *node)
{
    static char text[512];
    struct sy_shape *shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);
    struct sy_survey survey = sy_shape_survey(&w->shapes, shape);
    uint32_t slot = sy_cluster_node_find(&w->c, core_id(&w->k, node));
    const struct sy_verdict *v = &survey.outcome.reject;
    bool is_whole = v->code != SY_FIT;

    if (!is_whole)
        v = sy_shapes_verdict(&w->shapes, survey.verdicts[slot]);
    snprintf(text, sizeof(text), "%s%s%s", is_whole ? "pod: " : "",
             v->code == SY_UNRESOLVABLE ? "never: " : "",
             v->code == SY_FIT ? "" : sy_strings_getz(w->k.strings, v->reasons[0]));
    sy_shape_unref(&w->shapes, shape);
    return text;
}

/* One scorer's points of the pod on a node, all alive nodes being feasible. */
static inline int64_t across_points(struct across *w, uint32_t pod, const char *scorer,
                                    const char *node)
{
    struct sy_shape *shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);
    const struct sy_scorer *s = sy_scorer_find(scorer);
    uint32_t slot = sy_cluster_node_find(&w->c, core_id(&w->k, node));
    uint32_t nodes[64], len = 0, at = 0;
    int64_t scores[64] = {0}, constant = 0;
    struct sy_verdict v;
    struct sy_arena arena;
    void *state = NULL;

    sy_shape_best(&w->shapes, shape); /* resolves the view */
    sy_arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < w->c.nodes_len; i++) {
        if (!sy_cluster_node_is_alive(&w->c, i))
            continue;
        at = i == slot ? len : at;
        nodes[len++] = i;
    }
    bool is_constant = s->is_constant && s->is_constant(&shape->view, &constant);
    enum sy_pre pre = s->prepare(&shape->view, &arena, nodes, len, &state, &v);
    for (uint32_t i = 0; i < len && pre == SY_PRE_RUN; i++)
        scores[i] = s->score(&shape->view, state, nodes[i]);
    if (pre == SY_PRE_RUN)
        s->normalize(&shape->view, state, nodes, len, scores);
    if (is_constant)
        assert_int_equal(scores[at], constant);
    sy_arena_done(&arena);
    sy_shape_unref(&w->shapes, shape);
    return pre == SY_PRE_REJECT ? -1 : scores[at];
}

/* That what a long-lived shape says, with all that it keeps, is what a new one says. */
static inline void across_compare(struct across *w, uint32_t pod)
{
    struct sy_shapes fresh;
    struct sy_shape *kept = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);

    sy_shapes_init(&fresh, &w->c, (size_t)1 << 20);
    struct sy_shape *anew = sy_shape_ref(&fresh, &w->c.pods.p[pod], &w->profile);
    struct sy_survey a = sy_shape_survey(&w->shapes, kept), b = sy_shape_survey(&fresh, anew);
    assert_int_equal(a.outcome.reject.code, b.outcome.reject.code);
    assert_int_equal(a.outcome.node, b.outcome.node);
    assert_int_equal(a.nodes_len, b.nodes_len);
    assert_int_equal(a.verdicts_len, b.verdicts_len);
    for (uint32_t i = 0; i < a.nodes_len; i++) {
        assert_int_equal(a.nodes[i], b.nodes[i]);
        assert_int_equal(a.totals[i], b.totals[i]);
    }
    for (uint32_t i = 0; i < a.verdicts_len; i++) {
        const struct sy_verdict *x = sy_shapes_verdict(&w->shapes, a.verdicts[i]);
        const struct sy_verdict *y = sy_shapes_verdict(&fresh, b.verdicts[i]);
        assert_int_equal(!x, !y);
        if (!x)
            continue;
        assert_int_equal(x->code, y->code);
        assert_int_equal(x->reasons_len, y->reasons_len);
        assert_true(!x->reasons_len || x->reasons[0] == y->reasons[0]);
    }
    /* The way with all its short cuts. */
    uint32_t best = a.outcome.node;
    assert_int_equal(sy_shape_best(&w->shapes, kept).node, best);
    sy_shape_unref(&fresh, anew);
    sy_shapes_done(&fresh);
    sy_shape_unref(&w->shapes, kept);
}
