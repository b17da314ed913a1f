/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/json.h"

struct json_object *sy_json_read(struct sy_str text, int depth_most, size_t bytes_most)
{
    struct json_tokener *tokener = json_tokener_new_ex(depth_most);
    struct json_object *o = NULL;

    if (tokener && text.len && text.len <= bytes_most)
        o = json_tokener_parse_ex(tokener, text.p, (int)text.len);
    if (tokener)
        json_tokener_free(tokener);
    if (json_object_is_type(o, json_type_object))
        return o;
    json_object_put(o);
    return NULL;
}
