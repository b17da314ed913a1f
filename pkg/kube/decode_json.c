/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON to wire structs: one walker over the field tables, on a tree of json-c that holds a single
 * object. A value of the wrong type is as good as absent, and counted. */
#include <errno.h>
#include <json-c/json.h>

#include "kube/decode_wire.h"

enum { DEPTH_MAX = 64 };

static struct sy_str text_of(struct json_object *v)
{
    return (struct sy_str){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

/* Text, or a number as text. */
static struct sy_str quantity_of(struct json_object *v)
{
    return json_object_is_type(v, json_type_string) ? text_of(v)
                                                    : sy_str_from(json_object_get_string(v));
}

static int64_t time_of(struct sy_decode *d, struct json_object *v)
{
    struct sy_str s = text_of(v);
    int64_t wall_ns;

    if (sy_rfc3339_parse(s.p, s.len, &wall_ns) < 0) {
        d->odd_values++;
        return 0;
    }
    int64_t fraction_ns = wall_ns % SY_NS_PER_S;
    return wall_ns - (fraction_ns < 0 ? fraction_ns + SY_NS_PER_S : fraction_ns);
}

/* The type that a field's value must have. */
static enum json_type type_for(uint8_t kind)
{
    switch (kind) {
    case WIRE_STR:
    case WIRE_TIME:
        return json_type_string;
    case WIRE_INT32:
    case WIRE_OPT_INT32:
    case WIRE_INT64:
    case WIRE_OPT_INT64:
        return json_type_int;
    case WIRE_BOOL:
    case WIRE_OPT_BOOL:
        return json_type_boolean;
    case WIRE_MSG_LIST:
    case WIRE_STR_LIST:
    case WIRE_QUANTITY_LIST:
        return json_type_array;
    default:
        return json_type_object;
    }
}

static bool is_of_kind(struct json_object *v, uint8_t kind)
{
    if (kind == WIRE_RAW_JSON)
        return v != NULL;
    if (kind != WIRE_QUANTITY)
        return json_object_is_type(v, type_for(kind));
    /* A quantity may be written as a number, too. */
    return json_object_is_type(v, json_type_string) || json_object_is_type(v, json_type_int) ||
           json_object_is_type(v, json_type_double);
}

static int64_t int32_of(struct sy_decode *d, int64_t number)
{
    if (number >= INT32_MIN && number <= INT32_MAX)
        return number;
    d->odd_values++;
    return 0;
}

static int walk(struct sy_decode *d, const struct wire_message *m, struct json_object *object,
                char *out);

static int walk_list(struct sy_decode *d, const struct wire_field *to, struct json_object *array,
                     struct wire_list *list)
{
    size_t len = json_object_array_length(array);
    uint8_t want = to->kind == WIRE_STR_LIST        ? WIRE_STR
                   : to->kind == WIRE_QUANTITY_LIST ? WIRE_QUANTITY
                                                    : WIRE_MSG;

    for (size_t i = 0; i < len; i++) {
        struct json_object *v = json_object_array_get_idx(array, i);
        if (!is_of_kind(v, want)) {
            d->odd_values++;
            continue;
        }
        if (want != WIRE_MSG) {
            struct wire_text *text = sy_wire_append(d, list, sizeof(*text));
            if (!text)
                return sy_wire_arena_error(&d->scratch, sizeof(*text));
            text->s = want == WIRE_STR ? text_of(v) : quantity_of(v);
            continue;
        }
        void *item = sy_wire_append(d, list, to->message->size);
        if (!item)
            return sy_wire_arena_error(&d->scratch, to->message->size);
        int code = walk(d, to->message, v, item);
        if (code < 0)
            return code;
    }
    return 0;
}

static int walk_map(struct sy_decode *d, const struct wire_field *to, struct json_object *object,
                    struct wire_list *list)
{
    for (struct lh_entry *e = json_object_get_object(object)->head; e; e = e->next) {
        const char *key = lh_entry_k(e);
        struct json_object *v = lh_entry_v(e);
        if (!is_of_kind(v, to->kind == WIRE_QUANTITY_MAP ? WIRE_QUANTITY : WIRE_STR)) {
            d->odd_values += v != NULL;
            continue;
        }
        struct wire_pair *pair = sy_wire_append(d, list, sizeof(*pair));
        if (!pair)
            return sy_wire_arena_error(&d->scratch, sizeof(*pair));
        pair->key = sy_str_from(key);
        pair->value = quantity_of(v);
    }
    return 0;
}

static int walk_field(struct sy_decode *d, const struct wire_field *to, struct json_object *v,
                      char *out);

static int walk_message_map(struct sy_decode *d, const struct wire_field *to,
                            struct json_object *object, struct wire_list *list)
{
    const struct wire_field *key = &to->message->fields[1], *value = &to->message->fields[2];

    for (struct lh_entry *e = json_object_get_object(object)->head; e; e = e->next) {
        struct json_object *v = lh_entry_v(e);
        if (!json_object_is_type(v, json_type_object)) {
            d->odd_values += v != NULL;
            continue;
        }
        char *entry = sy_wire_append(d, list, to->message->size);
        if (!entry)
            return sy_wire_arena_error(&d->scratch, to->message->size);
        *(struct sy_str *)(void *)(entry + key->offset) = sy_str_from(lh_entry_k(e));
        int code = walk_field(d, value, v, entry);
        if (code < 0)
            return code;
    }
    return 0;
}

static int walk_field(struct sy_decode *d, const struct wire_field *to, struct json_object *v,
                      char *out)
{
    void *slot = out + to->offset;

    switch (to->kind) {
    case WIRE_STR:
        *(struct sy_str *)slot = text_of(v);
        return 0;
    case WIRE_QUANTITY:
        *(struct sy_str *)slot = quantity_of(v);
        return 0;
    case WIRE_RAW_JSON: {
        struct sy_str *raw = slot;
        raw->p = json_object_to_json_string_length(
            v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &raw->len);
        return raw->p ? 0 : sy_wire_arena_error(&d->scratch, 1);
    }
    case WIRE_INT32:
        *(int64_t *)slot = int32_of(d, json_object_get_int64(v));
        return 0;
    case WIRE_OPT_INT32:
        ((struct wire_opt_int *)slot)->is_set = true;
        ((struct wire_opt_int *)slot)->value = int32_of(d, json_object_get_int64(v));
        return 0;
    case WIRE_INT64:
        *(int64_t *)slot = json_object_get_int64(v);
        return 0;
    case WIRE_OPT_INT64:
        ((struct wire_opt_int *)slot)->is_set = true;
        ((struct wire_opt_int *)slot)->value = json_object_get_int64(v);
        return 0;
    case WIRE_OPT_BOOL:
        ((struct wire_opt_int *)slot)->is_set = true;
        ((struct wire_opt_int *)slot)->value = json_object_get_boolean(v);
        return 0;
    case WIRE_MSG_MAP:
        return walk_message_map(d, to, v, slot);
    case WIRE_BOOL:
        *(bool *)slot = json_object_get_boolean(v);
        return 0;
    case WIRE_TIME:
        *(int64_t *)slot = time_of(d, v);
        return 0;
    case WIRE_STR_LIST:
    case WIRE_QUANTITY_LIST:
    case WIRE_MSG_LIST:
        return walk_list(d, to, v, slot);
    case WIRE_STR_MAP:
    case WIRE_QUANTITY_MAP:
        return walk_map(d, to, v, slot);
    default: {
        void *message = sy_arena_alloc(&d->scratch, to->message->size);
        if (!message)
            return sy_wire_arena_error(&d->scratch, to->message->size);
        *(void **)slot = message;
        return walk(d, to->message, v, message);
    }
    }
}

static int walk(struct sy_decode *d, const struct wire_message *m, struct json_object *object,
                char *out)
{
    for (size_t i = 0; i < m->fields_len; i++) {
        const struct wire_field *to = &m->fields[i];
        struct json_object *v = object;
        if (to->kind == WIRE_SKIP)
            continue;
        if (to->kind != WIRE_INLINE) {
            if (!json_object_object_get_ex(object, to->name, &v) || !v)
                continue;
            if (!is_of_kind(v, to->kind)) {
                d->odd_values++;
                continue;
            }
        }
        int code = walk_field(d, to, v, out);
        if (code < 0)
            return code;
    }
    return 0;
}

static struct sy_str trim(struct sy_str s)
{
    while (s.len && strchr(" \t\r\n", s.p[s.len - 1]) && s.p[s.len - 1])
        s.len--;
    return s;
}

/* json-c stops without an error at a NUL byte outside of strings, so what it has read is checked.
 */
struct json_object *sy_wire_parse_json(struct sy_str raw, const char **ret_why)
{
    struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);

    if (!tok)
        return NULL;
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
    struct json_object *tree = json_tokener_parse_ex(tok, raw.p, (int)raw.len);
    enum json_tokener_error error = json_tokener_get_error(tok);
    *ret_why = json_tokener_error_desc(error);
    if (error == json_tokener_success && json_tokener_get_parse_end(tok) != raw.len) {
        *ret_why = "bytes after the object";
        error = json_tokener_error_parse_unexpected;
    }
    json_tokener_free(tok);
    if (error != json_tokener_success) {
        json_object_put(tree);
        return NULL;
    }
    if (!json_object_is_type(tree, json_type_object)) {
        *ret_why = "not an object";
        json_object_put(tree);
        return NULL;
    }
    return tree;
}

int sy_wire_read_json(struct sy_decode *d, const struct wire_message *m, struct sy_str raw,
                      void *out, struct json_object **ret_tree, struct sy_err *err)
{
    const char *why = "";

    *ret_tree = NULL;
    raw = trim(raw);
    if (!raw.len)
        return sy_err_set(err, -EBADMSG, "malformed JSON: nothing there");
    if (raw.len > INT32_MAX)
        return sy_err_set(err, -E2BIG, "JSON object of %zu bytes is too large", raw.len);
    struct json_object *tree = sy_wire_parse_json(raw, &why);
    if (!tree)
        return *why ? sy_err_set(err, -EBADMSG, "malformed JSON: %s", why)
                    : sy_err_set(err, -ENOMEM, "out of memory");
    int code = walk(d, m, tree, out);
    if (code < 0)
        json_object_put(tree);
    else
        *ret_tree = tree;
    return code;
}

void sy_wire_free_json(struct json_object **tree)
{
    json_object_put(*tree);
    *tree = NULL;
}
