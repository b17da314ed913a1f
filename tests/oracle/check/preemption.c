/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with a claim on a node, disruption budgets, and what preemption makes of a case: whether the
 * pod may preempt, and whether our choice of node is among those tied for best. */
#include "check.h"

#include "sched/preempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SECTION[] = "(preemption)";

static bool load_budget(struct oracle_case *c, struct json_object *object)
{
    struct sy_err err = {0};
    struct sy_budget budget;

    sy_arena_reset(&c->decode.arena);
    return sy_decode_budget(&c->decode, SY_ENCODING_JSON, oracle_raw(object), &budget, &err) == 0 &&
           sy_cluster_budget_upsert(&c->cluster, &budget) == 0;
}

static bool load_nominee(struct oracle_case *c, struct json_object *object)
{
    const char *node = oracle_text(oracle_get(object, "status"), "nominatedNodeName");
    struct sy_nominee n = {.node = oracle_node(c, node)};

    if (!oracle_load_pod(c, object, &n.pod))
        return false;
    if (n.node != SY_NONE && n.pod != SY_NONE) {
        /* As its own shape does in the scheduler, where every nominated pod has one. */
        sy_cluster_note_spec(&c->cluster, &c->cluster.pods.p[n.pod].spec->spec);
        sy_shapes_nominate(&c->shapes, n.pod, n.node);
    }
    return true;
}

bool oracle_load_preemption(struct oracle_case *c, const char **ret_what)
{
    struct json_object *budgets = oracle_get(c->json, "podDisruptionBudgets");
    struct json_object *nominated = oracle_get(c->json, "nominatedPods");

    *ret_what = "podDisruptionBudgets";
    for (size_t i = 0; budgets && i < json_object_array_length(budgets); i++) {
        if (!load_budget(c, json_object_array_get_idx(budgets, i)))
            return false;
    }
    *ret_what = "nominatedPods";
    for (size_t i = 0; nominated && i < json_object_array_length(nominated); i++) {
        if (!load_nominee(c, json_object_array_get_idx(nominated, i)))
            return false;
    }
    return true;
}

static bool is_anyones(const void *arg SY_UNUSED, const struct sy_pod_slot *pod SY_UNUSED)
{
    return true;
}

/* "ns/name" of the victims, sorted as given by `names`, against the file's list for that node. */
static bool same_victims(struct oracle_case *c, const struct sy_preemption *found,
                         struct json_object *pods)
{
    if (!pods || json_object_array_length(pods) != found->victims.len)
        return false;
    for (size_t i = 0; i < found->victims.len; i++) {
        const struct sy_pod_slot *p = &c->cluster.pods.p[found->victims.p[i]];
        char *name = sy_xasprintf("%s/%s", sy_strings_getz(c->strings, p->ns), p->name);
        bool listed = false;
        for (size_t j = 0; j < json_object_array_length(pods) && !listed; j++)
            listed = strcmp(json_object_get_string(json_object_array_get_idx(pods, j)), name) == 0;
        free(name);
        if (!listed)
            return false;
    }
    return true;
}

static void check_choice(struct oracle *o, struct oracle_case *c, struct json_object *says,
                         const struct sy_preemption *found)
{
    struct json_object *best = oracle_get(says, "best");
    const char *node = found->node == SY_NONE
                           ? "none"
                           : sy_strings_getz(c->strings, c->cluster.nodes[found->node].node.name);
    bool is_listed = !best || !json_object_array_length(best) ? found->node == SY_NONE : false;

    for (size_t i = 0; best && i < json_object_array_length(best); i++)
        is_listed |= strcmp(json_object_get_string(json_object_array_get_idx(best, i)), node) == 0;
    if (!is_listed) {
        oracle_differ(o, c, SECTION, NULL, best ? json_object_to_json_string(best) : "none", node);
        return;
    }
    if (found->node == SY_NONE) {
        const char *text = oracle_text(says, "message"), *message = strchr(text, ' ');
        if (!message || strcmp(message + 1, found->message) != 0)
            oracle_differ(o, c, SECTION, "message", text, found->message);
        return;
    }
    struct json_object *candidate = oracle_get(oracle_get(says, "candidates"), node);
    struct json_object *pods = oracle_get(candidate, "pods");
    oracle_differ_number(o, c, SECTION, node, "budgets violated",
                         json_object_get_int64(oracle_get(candidate, "numPDBViolations")),
                         found->violations);
    if (!same_victims(c, found, pods))
        oracle_differ(o, c, SECTION, node, pods ? json_object_to_json_string(pods) : "none",
                      "other victims");
}

/* Whether it finds the same while it learns, and once it has learnt. */
static void check_memory(struct oracle *o, struct oracle_case *c, struct sy_preemptor by,
                         const struct sy_preemption *found)
{
    by.may_remember = true;
    for (int i = 0; i < 2; i++) {
        struct sy_preemption again;
        sy_preempt_find(&c->shapes, &by, &again);
        if (!sy_preemption_is_same(found, &again))
            oracle_differ(o, c, SECTION, "memory", "the same as without", "another choice");
        sy_preemption_done(&again);
    }
}

void oracle_check_preemption(struct oracle *o, struct oracle_case *c)
{
    struct json_object *says = oracle_get(c->json, "preemption");
    struct sy_profile profile;
    struct sy_preemption found;

    if (!says)
        return;
    oracle_saw(o, SECTION);
    bool may = !(c->cluster.pods.p[c->pod].flags & SY_POD_NEVER_PREEMPTS);
    if (!json_object_get_boolean(oracle_get(says, "eligible"))) {
        /* The other reason, room that is being made already, is the queue's to know (sched.c). */
        if (may && strstr(oracle_text(says, "reason"), "Never"))
            oracle_differ(o, c, SECTION, NULL, "not eligible", "eligible");
        return;
    }
    sy_profile_kube(&profile, "default-scheduler");
    c->shapes.asking = c->pod;
    struct sy_shape *shape = sy_shape_ref(&c->shapes, &c->cluster.pods.p[c->pod], &profile);
    struct sy_preemptor by = {.pod = c->pod, .shape = shape, .is_ours = is_anyones};
    if (sy_shape_best(&c->shapes, shape).node == SY_NONE) {
        sy_preempt_find(&c->shapes, &by, &found);
        check_choice(o, c, says, &found);
        check_memory(o, c, by, &found);
        sy_preemption_done(&found);
    }
    sy_shape_unref(&c->shapes, shape);
    sy_shapes_drop_caches(&c->shapes);
    c->shapes.asking = SY_NONE;
}
