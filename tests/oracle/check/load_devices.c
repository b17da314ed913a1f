/* SPDX-License-Identifier: Apache-2.0
 *
 * A case's resource slices, device classes and resource claims. */
#include "check.h"

bool oracle_load_devices(struct oracle_case *c, const char **ret_what)
{
    static const struct {
        const char *key;
        enum sy_devices_kind kind;
    } LISTS[] = {
        {"resourceSlices", SY_DEVICES_SLICE},
        {"deviceClasses", SY_DEVICES_CLASS},
        {"resourceClaims", SY_DEVICES_CLAIM},
    };

    c->cluster.devices.are_written = c->cluster.devices.extended_are_written =
        true; /* by a server that there is not: nothing is bound */
    for (size_t k = 0; k < SY_ARRAY_LEN(LISTS); k++) {
        struct json_object *list = oracle_get(c->json, LISTS[k].key);
        *ret_what = LISTS[k].key;
        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
            struct json_object *object = json_object_array_get_idx(list, i);
            struct sy_str raw = sy_str_from(json_object_to_json_string_ext(
                object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
            union sy_devices_object decoded;
            struct sy_err err = {0};
            sy_arena_reset(&c->decode.arena);
            if (sy_decode_devices(&c->decode, LISTS[k].kind, SY_ENCODING_JSON, raw, &decoded,
                                  &err) < 0 ||
                sy_devices_upsert(&c->cluster, LISTS[k].kind, &decoded) < 0)
                return false;
        }
    }
    return true;
}
