/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects behind volumes: from a case's JSON to our cluster, and what VolumeBinding would bind
 * and have made on each feasible node. */
#include "check.h"

#include "policy/volume_binding.h"

#include <stdio.h>
#include <string.h>

static const char SECTION[] = "(volumes)";

static const struct {
    const char *key;
    enum sy_storage_kind kind;
} LISTS[] = {
    {"persistentVolumes", SY_STORAGE_VOLUME},
    {"persistentVolumeClaims", SY_STORAGE_CLAIM},
    {"storageClasses", SY_STORAGE_CLASS},
    {"csiNodes", SY_STORAGE_NODE},
    {"csiDrivers", SY_STORAGE_DRIVER},
    {"csiStorageCapacities", SY_STORAGE_CAPACITY},
    {"volumeAttachments", SY_STORAGE_ATTACHMENT},
};

static bool load_object(struct oracle_case *c, enum sy_storage_kind kind, struct json_object *json)
{
    union sy_storage_object object;
    struct sy_err err = {0};
    struct sy_str raw;

    sy_arena_reset(&c->decode.arena);
    raw.p = json_object_to_json_string_length(
        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &raw.len);
    return sy_decode_storage(&c->decode, kind, SY_ENCODING_JSON, raw, &object, &err) == 0 &&
           sy_storage_upsert(&c->cluster, kind, &object) == 0;
}

bool oracle_load_storage(struct oracle_case *c, const char **ret_what)
{
    for (size_t l = 0; l < SY_ARRAY_LEN(LISTS); l++) {
        struct json_object *list = oracle_get(c->json, LISTS[l].key);
        *ret_what = LISTS[l].key;
        for (size_t i = 0; i < (list ? json_object_array_length(list) : 0); i++) {
            if (!load_object(c, LISTS[l].kind, json_object_array_get_idx(list, i)))
                return false;
        }
    }
    return true;
}

static bool is_named(const struct oracle_case *c, const struct sy_pvc *claim, const char *name)
{
    char text[600];

    snprintf(text, sizeof(text), "%s/%s", sy_strings_getz(c->strings, claim->ns),
             sy_strings_getz(c->strings, claim->name));
    return strcmp(text, name) == 0;
}

static bool is_kept_for(const struct oracle_case *c, const char *volume, const struct sy_pvc *claim)
{
    sy_sid id = sy_strings_find(c->strings, sy_str_from(volume));
    uint32_t slot = sy_storage_find(&c->cluster, SY_STORAGE_VOLUME, 0, id);

    return slot != SY_NO_OBJECT && sy_claim_ref_is(sy_storage_claim_ref(&c->cluster, slot), claim);
}

/* Whether the claim ("namespace/name") gets the volume; "": one that is to be made. Of several
 * volumes that are kept for one claim kube-scheduler takes any, by the order of a Go map. */
static bool plans(const struct oracle_case *c, const struct sy_volume_plan *plan, const char *claim,
                  const char *volume)
{
    for (uint32_t i = 0; i < plan->claims_len; i++) {
        const struct sy_claim_plan *p = &plan->claims[i];
        const struct sy_pvc *pvc = sy_storage_claim(&c->cluster, p->claim);
        const char *on =
            p->volume == SY_NO_OBJECT
                ? ""
                : sy_strings_getz(c->strings, sy_storage_volume(&c->cluster, p->volume)->name);
        if (is_named(c, pvc, claim) &&
            (strcmp(on, volume) == 0 || (is_kept_for(c, on, pvc) && is_kept_for(c, volume, pvc))))
            return true;
    }
    return false;
}

static void check_node(struct oracle *o, struct oracle_case *c, const char *node,
                       struct json_object *said, const struct sy_volume_plan *plan)
{
    struct json_object *bind = oracle_get(said, "bind");
    struct json_object *provision = oracle_get(said, "provision");
    size_t len = provision ? json_object_array_length(provision) : 0;
    size_t bound = 0;

    for (size_t i = 0; i < len; i++) {
        const char *claim = json_object_get_string(json_object_array_get_idx(provision, i));
        if (!plans(c, plan, claim, ""))
            oracle_differ(o, c, SECTION, node, claim, "no volume is made for it");
    }
    if (bind) {
        json_object_object_foreach(bind, claim, volume)
        {
            bound++;
            if (!plans(c, plan, claim, json_object_get_string(volume)))
                oracle_differ(o, c, SECTION, node, claim, "not bound to that volume");
        }
    }
    oracle_differ_number(o, c, SECTION, node, "claims to see to", (int64_t)(len + bound),
                         plan->claims_len);
}

void oracle_check_storage(struct oracle *o, struct oracle_case *c)
{
    struct json_object *volumes = oracle_get(c->json, "volumes");
    struct sy_profile profile = {0};
    struct sy_arena arena;

    if (!volumes)
        return;
    oracle_saw(o, SECTION);
    struct sy_shape *shape = oracle_view(c, &profile);
    sy_arena_init(&arena, (size_t)64 << 20);
    json_object_object_foreach(volumes, node, said)
    {
        struct sy_volume_plan plan;
        if (sy_volume_plan(&shape->view, &arena, oracle_node(c, node), &plan) < 0)
            oracle_differ(o, c, SECTION, node, "a plan", "none");
        else
            check_node(o, c, node, said, &plan);
        sy_arena_reset(&arena);
    }
    sy_arena_done(&arena);
    sy_shape_unref(&c->shapes, shape);
    sy_shapes_drop_caches(&c->shapes);
}
