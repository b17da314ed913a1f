/* SPDX-License-Identifier: Apache-2.0
 *
 * From a case's JSON to our cluster: what default spread constraints take their selectors from. */
#include "check.h"

#include <string.h>

enum { REQUIREMENTS_MAX = 64, VALUES_MAX = 64 };

static sy_sid text(struct oracle_case *c, struct json_object *object, const char *key)
{
    return sy_strings_addz(c->strings, oracle_text(object, key));
}

/* A selector under construction, with room for its parts. */
struct selector_room {
    struct sy_requirement reqs[REQUIREMENTS_MAX];
    sy_sid values[REQUIREMENTS_MAX][VALUES_MAX];
    uint32_t len;
};

static bool add_map(struct oracle_case *c, struct json_object *map, struct selector_room *room)
{
    if (!map)
        return true;
    json_object_object_foreach(map, key, value)
    {
        if (room->len == REQUIREMENTS_MAX)
            return false;
        room->values[room->len][0] = sy_strings_addz(c->strings, json_object_get_string(value));
        room->reqs[room->len] = (struct sy_requirement){.key = sy_strings_addz(c->strings, key),
                                                        .op = SY_OP_IN,
                                                        .values = room->values[room->len],
                                                        .values_len = 1};
        room->len++;
    }
    return true;
}

static uint8_t op_of(const char *word)
{
    static const char *const WORDS[] = {"In", "NotIn", "Exists", "DoesNotExist"};

    for (uint8_t i = 0; i < SY_ARRAY_LEN(WORDS); i++) {
        if (strcmp(word, WORDS[i]) == 0)
            return i;
    }
    return SY_OP_INVALID;
}

static bool add_expressions(struct oracle_case *c, struct json_object *list,
                            struct selector_room *room)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *expression = json_object_array_get_idx(list, i);
        struct json_object *values = oracle_get(expression, "values");
        size_t values_len = values ? json_object_array_length(values) : 0;
        if (room->len == REQUIREMENTS_MAX || values_len > VALUES_MAX)
            return false;
        sy_sid *to = room->values[room->len];
        for (size_t j = 0; j < values_len; j++)
            to[j] = sy_strings_addz(c->strings,
                                    json_object_get_string(json_object_array_get_idx(values, j)));
        room->reqs[room->len++] =
            (struct sy_requirement){.key = text(c, expression, "key"),
                                    .op = op_of(oracle_text(expression, "operator")),
                                    .values = to,
                                    .values_len = sy_sids_sort(to, (uint32_t)values_len)};
    }
    return true;
}

static bool load_service(struct oracle_case *c, struct json_object *object)
{
    struct json_object *meta = oracle_get(object, "metadata");
    struct json_object *selector = oracle_get(oracle_get(object, "spec"), "selector");
    struct sy_label labels[REQUIREMENTS_MAX];
    uint32_t len = 0;

    if (selector) {
        json_object_object_foreach(selector, key, value)
        {
            if (len == SY_ARRAY_LEN(labels))
                return false;
            labels[len++] =
                (struct sy_label){sy_strings_addz(c->strings, key),
                                  sy_strings_addz(c->strings, json_object_get_string(value))};
        }
    }
    len = sy_labels_sort(labels, len);
    return sy_cluster_service_upsert(&c->cluster, text(c, meta, "namespace"), text(c, meta, "name"),
                                     (struct sy_labels){labels, len}) == 0;
}

static bool load_owner(struct oracle_case *c, enum sy_owner_kind kind, struct json_object *object)
{
    static struct selector_room room;
    struct json_object *selector = oracle_get(oracle_get(object, "spec"), "selector");
    struct sy_str uid = sy_str_from(oracle_text(oracle_get(object, "metadata"), "uid"));
    bool ok;

    room.len = 0;
    if (kind == SY_OWNER_REPLICATION_CONTROLLER)
        ok = add_map(c, selector, &room);
    else
        ok = add_map(c, oracle_get(selector, "matchLabels"), &room) &&
             add_expressions(c, oracle_get(selector, "matchExpressions"), &room);
    struct sy_selector packed = {.reqs = room.reqs, .len = room.len, .is_nil = !selector};
    return ok && sy_cluster_owner_upsert(&c->cluster, kind, uid, &packed) == 0;
}

bool oracle_load_workloads(struct oracle_case *c, const char **ret_what)
{
    static const struct {
        const char *key;
        enum sy_owner_kind kind;
    } OWNERS[] = {
        {"replicationControllers", SY_OWNER_REPLICATION_CONTROLLER},
        {"replicaSets", SY_OWNER_REPLICA_SET},
        {"statefulSets", SY_OWNER_STATEFUL_SET},
    };
    struct json_object *services = oracle_get(c->json, "services");

    *ret_what = "services";
    for (size_t i = 0; services && i < json_object_array_length(services); i++) {
        if (!load_service(c, json_object_array_get_idx(services, i)))
            return false;
    }
    for (size_t k = 0; k < SY_ARRAY_LEN(OWNERS); k++) {
        struct json_object *list = oracle_get(c->json, OWNERS[k].key);
        *ret_what = OWNERS[k].key;
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
            if (!load_owner(c, OWNERS[k].kind, json_object_array_get_idx(list, i)))
                return false;
        }
    }
    return true;
}
