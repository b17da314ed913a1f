/* SPDX-License-Identifier: Apache-2.0
 *
 * From a case's JSON to our cluster: namespaces, nodes and pods, through the same decoders that
 * read the API server's answers. */
#include "check.h"

#include <string.h>

struct sy_str oracle_raw(struct json_object *object)
{
    size_t len;
    const char *p = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    return (struct sy_str){p, len};
}

static bool load_namespace(struct oracle_case *c, struct json_object *object)
{
    struct json_object *meta = oracle_get(object, "metadata");
    struct json_object *labels = oracle_get(meta, "labels");
    sy_sid name = sy_strings_addz(c->strings, oracle_text(meta, "name"));
    struct sy_label room[64];
    uint32_t len = 0;

    if (labels) {
        json_object_object_foreach(labels, key, value)
        {
            if (len == SY_ARRAY_LEN(room))
                return false;
            room[len++] = (struct sy_label){
                sy_strings_addz(c->strings, key),
                sy_strings_addz(c->strings, json_object_get_string(value)),
            };
        }
    }
    len = sy_labels_sort(room, len);
    return sy_cluster_namespace_upsert(&c->cluster, name, (struct sy_labels){room, len}) == 0;
}

static bool load_node(struct oracle_case *c, struct json_object *object)
{
    struct sy_err err = {0};
    struct sy_node node;
    uint32_t slot, change;

    sy_arena_reset(&c->decode.arena);
    return sy_decode_node(&c->decode, SY_ENCODING_JSON, oracle_raw(object), &node, &err) == 0 &&
           sy_cluster_node_upsert(&c->cluster, &node, &slot, &change) == 0;
}

/* Go prints a zero deletion time as null: such a pod is terminating, where an absent time says that
 * it is not. */
static bool is_terminating(struct json_object *object)
{
    struct json_object *time;

    return json_object_object_get_ex(oracle_get(object, "metadata"), "deletionTimestamp", &time);
}

bool oracle_load_pod(struct oracle_case *c, struct json_object *object, uint32_t *ret_slot)
{
    struct sy_err err = {0};
    struct sy_pod pod;
    uint32_t change;

    sy_arena_reset(&c->decode.arena);
    if (sy_decode_pod(&c->decode, SY_ENCODING_JSON, oracle_raw(object), &pod, &err) < 0)
        return false;
    if (is_terminating(object) && !pod.deleting_wall_ns)
        pod.deleting_wall_ns = 1;
    return sy_cluster_pod_upsert(&c->cluster, &pod, ret_slot, &change) == 0;
}

bool oracle_load_core(struct oracle_case *c, const char **ret_what)
{
    static const char *const KEYS[] = {"namespaces", "nodes", "pods"};
    uint32_t slot;

    for (size_t k = 0; k < SY_ARRAY_LEN(KEYS); k++) {
        struct json_object *list = oracle_get(c->json, KEYS[k]);
        *ret_what = KEYS[k];
        for (size_t i = 0; i < (list ? json_object_array_length(list) : 0); i++) {
            struct json_object *object = json_object_array_get_idx(list, i);
            bool ok = k == 0   ? load_namespace(c, object)
                      : k == 1 ? load_node(c, object)
                               : oracle_load_pod(c, object, &slot);
            if (!ok)
                return false;
        }
    }
    *ret_what = "pod";
    struct json_object *pod = oracle_get(c->json, "pod");
    return pod && oracle_load_pod(c, pod, &c->pod) && c->pod != SY_NONE;
}
