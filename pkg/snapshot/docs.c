/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/docs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kube/yaml.h"

enum { DEPTH_MAX = 64 };

struct reader {
    const char *file;
    sy_doc_fn *fn;
    void *arg;
    struct sy_err *err;
};

static void put_tree(struct json_object **tree)
{
    json_object_put(*tree);
}

int sy_doc_error(const struct sy_doc *doc, struct sy_err *err, int code, const char *fmt, ...)
{
    char text[SY_ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return sy_err_set(err, code, "%s:%u: %.64s %.64s%s%.256s: %s", doc->file, doc->line, doc->kind,
                      doc->ns, doc->ns[0] ? "/" : "", doc->name[0] ? doc->name : "without a name",
                      text);
}

static const char *text_at(struct json_object *object, const char *key)
{
    struct json_object *v = NULL;

    if (!object || !json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &v) || !json_object_is_type(v, json_type_string))
        return "";
    return json_object_get_string(v);
}

/* -- one object, or a List of them -- */

static struct sy_doc describe(const struct reader *r, uint32_t line, struct json_object *tree)
{
    struct json_object *metadata = NULL;

    json_object_object_get_ex(tree, "metadata", &metadata);
    return (struct sy_doc){.file = r->file,
                           .line = line,
                           .tree = tree,
                           .api_version = text_at(tree, "apiVersion"),
                           .kind = text_at(tree, "kind"),
                           .ns = text_at(metadata, "namespace"),
                           .name = text_at(metadata, "name"),
                           .is_served = text_at(metadata, "uid")[0] != '\0'};
}

/* Items of a typed list (NodeList) need not say what they are. */
static void name_item(struct json_object *item, const struct sy_doc *list, size_t kind_len)
{
    if (!kind_len || json_object_object_get_ex(item, "kind", NULL))
        return;
    json_object_object_add(item, "kind", json_object_new_string_len(list->kind, (int)kind_len));
    json_object_object_add(item, "apiVersion", json_object_new_string(list->api_version));
}

static int hand_out(const struct reader *r, uint32_t line, struct json_object *tree);

static int hand_out_items(const struct reader *r, const struct sy_doc *list,
                          struct json_object *items, size_t kind_len)
{
    size_t len = json_object_array_length(items);

    for (size_t i = 0; i < len; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        if (!item || !json_object_is_type(item, json_type_object))
            return sy_err_set(r->err, -EINVAL, "%s:%u: item %zu of the %.64s is no object", r->file,
                              list->line, i + 1, list->kind);
        name_item(item, list, kind_len);
        int code = hand_out(r, list->line, item);
        if (code < 0)
            return code;
    }
    return 0;
}

static int hand_out(const struct reader *r, uint32_t line, struct json_object *tree)
{
    struct sy_doc doc = describe(r, line, tree);
    struct json_object *items = NULL;
    size_t len = strlen(doc.kind);

    if (!len)
        return sy_err_set(r->err, -EINVAL,
                          "%s:%u: the object has no kind; each needs apiVersion and kind", r->file,
                          line);
    if (len >= 4 && strcmp(doc.kind + len - 4, "List") == 0 &&
        json_object_object_get_ex(tree, "items", &items)) {
        if (!json_object_is_type(items, json_type_array))
            return sy_err_set(r->err, -EINVAL, "%s:%u: items of the %.64s are no list", r->file,
                              line, doc.kind);
        return hand_out_items(r, &doc, items, len - 4);
    }
    return r->fn(r->arg, &doc, r->err);
}

/* -- JSON -- */

static uint32_t count_lines(const char *from, const char *to)
{
    uint32_t lines = 0;

    while ((from = memchr(from, '\n', (size_t)(to - from)))) {
        lines++;
        from++;
    }
    return lines;
}

/* Where a JSON value that begins at p ends, judged by its brackets alone; end when it does not. */
static const char *value_end(const char *p, const char *end)
{
    bool in_string = false;
    uint32_t depth = 0;

    for (; p < end; p++) {
        if (in_string) {
            if (*p == '\\' && p + 1 < end)
                p++;
            else if (*p == '"')
                in_string = false;
        } else if (*p == '"') {
            in_string = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']') && --depth == 0) {
            return p + 1;
        }
    }
    return end;
}

static int read_value(const struct reader *r, struct sy_str value, uint32_t line)
{
    if (value.len > SY_DOC_MAX_BYTES)
        return sy_err_set(r->err, -E2BIG,
                          "%s:%u: a JSON value of %zu bytes; %d are read at most: write one object "
                          "a line in place of one List",
                          r->file, line, value.len, SY_DOC_MAX_BYTES);
    struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
    if (!tok)
        return sy_err_set(r->err, -ENOMEM, "%s:%u: out of memory", r->file, line);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
    struct json_object *tree SY_CLEANUP(put_tree) =
        json_tokener_parse_ex(tok, value.p, (int)value.len);
    enum json_tokener_error error = json_tokener_get_error(tok);
    size_t at = json_tokener_get_parse_end(tok);
    json_tokener_free(tok);
    if (error == json_tokener_continue)
        return sy_err_set(r->err, -EINVAL,
                          "%s:%u: a JSON value begins here and never ends: the file is cut short",
                          r->file, line);
    if (error == json_tokener_success && at != value.len)
        error = json_tokener_error_parse_unexpected;
    if (error != json_tokener_success)
        return sy_err_set(r->err, -EINVAL, "%s:%u: no JSON: %s", r->file,
                          line + count_lines(value.p, value.p + (at < value.len ? at : value.len)),
                          json_tokener_error_desc(error));
    if (!json_object_is_type(tree, json_type_object))
        return sy_err_set(r->err, -EINVAL, "%s:%u: an object is needed here, not a list", r->file,
                          line);
    return hand_out(r, line, tree);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int read_json(const struct reader *r, struct sy_str text)
{
    const char *p = text.p, *end = text.p + text.len;
    uint32_t line = 1;

    for (;;) {
        for (; p < end && is_space(*p); p++)
            line += *p == '\n';
        if (p == end)
            return 0;
        if (*p != '{' && *p != '[')
            return sy_err_set(r->err, -EINVAL, "%s:%u: a JSON object is needed here", r->file,
                              line);
        const char *after = value_end(p, end);
        int code = read_value(r, (struct sy_str){p, (size_t)(after - p)}, line);
        if (code < 0)
            return code;
        line += count_lines(p, after);
        p = after;
    }
}

/* -- YAML -- */

/* Children of these are text in Kubernetes, whatever they look like, or quantities. */
static const char *const TEXT_MAPS[] = {"labels", "annotations", "matchLabels", "nodeSelector"};
static const char *const QUANTITY_MAPS[] = {"requests", "limits", "capacity", "allocatable"};

static bool is_among(struct sy_str key, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (sy_str_eqz(key, names[i]))
            return true;
    }
    return false;
}

static struct json_object *new_text(struct sy_str s)
{
    return json_object_new_string_len(s.p, (int)s.len);
}

static int scalar_to_json(const struct sy_yaml_doc *d, const struct sy_yaml *map,
                          const struct sy_yaml *node, struct json_object **ret, struct sy_err *err)
{
    bool is_true = sy_str_eqz(node->text, "true"), is_null = sy_yaml_is_null(node);
    bool is_bool = is_true || sy_str_eqz(node->text, "false");
    int64_t number;
    bool is_number = sy_str_i64(node->text, &number) == 0;

    if (node->is_quoted || is_among(map->key, QUANTITY_MAPS, SY_ARRAY_LEN(QUANTITY_MAPS)))
        *ret = new_text(node->text);
    else if ((is_bool || is_number) && is_among(map->key, TEXT_MAPS, SY_ARRAY_LEN(TEXT_MAPS)))
        return sy_yaml_error(d, node, err, -EINVAL,
                             "%s.%s: text is needed here: write \"%s\" in quotes", map->key.p,
                             node->key.p ? node->key.p : "", node->text.p);
    else if (is_null)
        *ret = NULL;
    else if (is_bool)
        *ret = json_object_new_boolean(is_true);
    else if (is_number)
        *ret = json_object_new_int64(number);
    else
        *ret = new_text(node->text);
    return *ret || is_null ? 0 : -ENOMEM;
}

/* As deep as sy_yaml_parse() lets it. map: what it is a value in. */
static int to_json(const struct sy_yaml_doc *d, const struct sy_yaml *map,
                   const struct sy_yaml *node, struct json_object **ret, struct sy_err *err)
{
    static const struct sy_yaml NOTHING;
    int code = 0;

    if (node->kind == SY_YAML_SCALAR)
        return scalar_to_json(d, map ? map : &NOTHING, node, ret, err);
    struct json_object *tree SY_CLEANUP(put_tree) =
        node->kind == SY_YAML_MAP ? json_object_new_object() : json_object_new_array();
    if (!tree)
        return -ENOMEM;
    SY_YAML_FOREACH(child, node)
    {
        struct json_object *value = NULL;
        code = to_json(d, node, child, &value, err);
        if (code < 0)
            return code;
        if (node->kind == SY_YAML_MAP)
            code = json_object_object_add(tree, child->key.p, value);
        else
            code = json_object_array_add(tree, value);
        if (code < 0) {
            json_object_put(value);
            return -ENOMEM;
        }
    }
    *ret = tree;
    tree = NULL;
    return 0;
}

static int read_document(const struct reader *r, struct sy_str text, uint32_t line)
{
    struct sy_yaml_doc *d SY_CLEANUP(sy_yaml_freep) = NULL;
    struct json_object *tree SY_CLEANUP(put_tree) = NULL;

    int code = sy_yaml_parse_at(text.p, text.len, r->file, line, &d, r->err);
    if (code < 0)
        return code;
    const struct sy_yaml *root = sy_yaml_root(d);
    if (sy_yaml_is_null(root))
        return 0;
    if (root->kind != SY_YAML_MAP)
        return sy_yaml_error(d, root, r->err, -EINVAL,
                             "a Kubernetes object is needed here, with apiVersion and kind");
    code = to_json(d, NULL, root, &tree, r->err);
    if (code == -ENOMEM)
        return sy_err_set(r->err, code, "%s:%u: out of memory", r->file, root->line);
    return code < 0 ? code : hand_out(r, root->line, tree);
}

/* Whether a line begins with three dashes that part documents. */
static bool is_mark(const char *line, const char *end)
{
    return end - line >= 3 && memcmp(line, "---", 3) == 0 && (line + 3 == end || is_space(line[3]));
}

static int read_yaml(const struct reader *r, struct sy_str text)
{
    const char *begin = text.p, *end = text.p + text.len;
    uint32_t line = 1, first = 1;

    for (const char *p = begin; p < end;) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        next = next ? next + 1 : end;
        if (p > begin && is_mark(p, end)) {
            int code = read_document(r, (struct sy_str){begin, (size_t)(p - begin)}, first);
            if (code < 0)
                return code;
            begin = p;
            first = line;
        }
        line++;
        p = next;
    }
    return read_document(r, (struct sy_str){begin, (size_t)(end - begin)}, first);
}

int sy_docs_each(struct sy_str text, const char *file, sy_doc_fn *fn, void *arg, struct sy_err *err)
{
    const struct reader r = {.file = file, .fn = fn, .arg = arg, .err = err};
    size_t i = 0;

    while (i < text.len && is_space(text.p[i]))
        i++;
    if (i == text.len)
        return sy_err_set(err, -EINVAL, "%s: the file is empty", file);
    return text.p[i] == '{' || text.p[i] == '[' ? read_json(&r, text) : read_yaml(&r, text);
}
