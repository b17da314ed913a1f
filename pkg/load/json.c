/* SPDX-License-Identifier: Apache-2.0 */
#include "load/json.h"

#include <errno.h>
#include <limits.h>

enum { DEPTH_MAX = 32 };

int sy_load_json_parse(struct sy_str text, const char *what, struct json_object **ret,
                       struct sy_err *err)
{
    struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *tree = NULL;

    if (!tok)
        return sy_err_set(err, -ENOMEM, "%s: no memory", what);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
    if (text.len && text.len < INT_MAX)
        tree = json_tokener_parse_ex(tok, text.p, (int)text.len);
    bool is_whole = json_tokener_get_error(tok) == json_tokener_success &&
                    json_tokener_get_parse_end(tok) == text.len;
    json_tokener_free(tok);
    if (!is_whole || !json_object_is_type(tree, json_type_object)) {
        json_object_put(tree);
        return sy_err_set(err, -EBADMSG, "%s is no JSON object", what);
    }
    *ret = tree;
    return 0;
}

void sy_load_json_put(struct json_object **tree)
{
    json_object_put(*tree);
}

struct json_object *sy_load_json_get(struct json_object *o, const char *key, enum json_type type)
{
    struct json_object *child = NULL;

    if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &child) ||
        !json_object_is_type(child, type))
        return NULL;
    return child;
}

struct sy_str sy_load_json_text(struct json_object *o)
{
    if (!json_object_is_type(o, json_type_string))
        return (struct sy_str){"", 0};
    return (struct sy_str){json_object_get_string(o), (size_t)json_object_get_string_len(o)};
}
