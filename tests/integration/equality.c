/* SPDX-License-Identifier: Apache-2.0
 *
 * equality FILE: placements of a live kube-scheduler, held against our core one by one. FILE is one
 * JSON object with lists `nodes` and `pods`, the pods in the order in which they were placed. Of
 * each pod it says when its node is not among those that tie for the best under the profile that
 * equals kube-scheduler's default, given the pods before it. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "kube/decode.h"
#include "sched/shape.h"

struct replay {
    struct sy_strings *strings;
    struct sy_decode decode;
    struct sy_cluster cluster;
    struct sy_shapes shapes;
    struct sy_profile profile;
    unsigned pods, differences;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "equality: %s: %s\n", what, why);
    exit(2);
}

static struct sy_str text_of(struct json_object *o)
{
    return sy_str_from(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

static void take_node(struct replay *r, struct json_object *o)
{
    struct sy_err err;
    struct sy_node node;
    uint32_t slot, change;

    sy_arena_reset(&r->decode.arena);
    if (sy_decode_node(&r->decode, SY_ENCODING_JSON, text_of(o), &node, &err))
        die("a node", err.msg);
    if (sy_cluster_node_upsert(&r->cluster, &node, &slot, &change))
        die("a node", "not taken");
}

static uint32_t put(struct replay *r, const struct sy_pod *pod)
{
    uint32_t slot, change;

    if (sy_cluster_pod_upsert(&r->cluster, pod, &slot, &change))
        die("a pod", "not taken");
    return slot;
}

/* Whether the node ties for the best; prints why not. */
static bool is_best(struct replay *r, uint32_t slot, sy_sid node)
{
    struct sy_shape *shape = sy_shape_ref(&r->shapes, &r->cluster.pods.p[slot], &r->profile);
    struct sy_survey survey = sy_shape_survey(&r->shapes, shape);
    int64_t most = INT64_MIN, its = INT64_MIN;

    for (uint32_t i = 0; survey.totals && i < survey.nodes_len; i++) {
        if (survey.totals[i] > most)
            most = survey.totals[i];
        if (r->cluster.nodes[survey.nodes[i]].node.name == node)
            its = survey.totals[i];
    }
    sy_shape_unref(&r->shapes, shape);
    if (most != INT64_MIN && its == most)
        return true;
    if (its == INT64_MIN)
        printf("is on %s, which does not fit\n", sy_strings_getz(r->strings, node));
    else
        printf("is on %s with %lld points; the best have %lld\n", sy_strings_getz(r->strings, node),
               (long long)its, (long long)most);
    return false;
}

static void take_pod(struct replay *r, struct json_object *o)
{
    struct sy_err err;
    struct sy_pod pod;

    sy_arena_reset(&r->decode.arena);
    if (sy_decode_pod(&r->decode, SY_ENCODING_JSON, text_of(o), &pod, &err))
        die("a pod", err.msg);
    sy_sid node = pod.node;
    uint8_t phase = pod.phase;
    pod.node = 0;
    pod.phase = SY_PHASE_PENDING;
    uint32_t slot = put(r, &pod);
    r->pods++;
    if (!node || !is_best(r, slot, node)) {
        printf("  ... pod " SY_STR_FMT "\n", SY_STR_ARG(pod.name));
        r->differences++;
    }
    pod.node = node;
    pod.phase = phase;
    put(r, &pod);
}

static void each(struct replay *r, struct json_object *doc, const char *key,
                 void (*take)(struct replay *r, struct json_object *o))
{
    struct json_object *list;

    if (!json_object_object_get_ex(doc, key, &list) || !json_object_is_type(list, json_type_array))
        die(key, "no such list");
    for (size_t i = 0; i < json_object_array_length(list); i++)
        take(r, json_object_array_get_idx(list, i));
}

int main(int argc, char **argv)
{
    static const uint64_t key[2] = {1, 2};
    static struct replay r;

    if (argc != 2)
        die("usage", "equality FILE");
    struct json_object *doc = json_object_from_file(argv[1]);
    if (!doc)
        die(argv[1], json_util_get_last_err());
    r.strings = sy_strings_new(key);
    sy_decode_init(&r.decode, r.strings, (size_t)64 << 20);
    sy_cluster_init(&r.cluster, r.strings);
    sy_shapes_init(&r.shapes, &r.cluster, (size_t)64 << 20);
    sy_profile_kube(&r.profile, "default-scheduler");
    each(&r, doc, "nodes", take_node);
    each(&r, doc, "pods", take_pod);
    printf("replay: %u pods, %u differences\n", r.pods, r.differences);
    sy_shapes_done(&r.shapes);
    sy_cluster_done(&r.cluster);
    sy_decode_done(&r.decode);
    sy_strings_free(r.strings);
    json_object_put(doc);
    return r.differences || !r.pods;
}
