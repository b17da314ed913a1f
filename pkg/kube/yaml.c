/* SPDX-License-Identifier: Apache-2.0
 *
 * Built on libyaml's events, not its documents: the depth limit and the refusal of aliases then
 * take effect before anything is composed. Nodes and text lie in one arena. */
#include "kube/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

/* 1 MiB of "a,a,a," gives half a million nodes. */
enum { ARENA_CAP = 128 * 1024 * 1024 };

struct sy_yaml_doc {
    struct sy_arena arena;
    char *file;
    struct sy_yaml *root;
};

struct level {
    struct sy_yaml *node;
    struct sy_yaml *last; /* child */
    bool has_key;         /* a map's key was read and its value is due */
    struct sy_str key;
    uint32_t key_line;
};

struct builder {
    struct sy_yaml_doc *d;
    struct sy_err *err;
    struct level levels[SY_YAML_MAX_DEPTH];
    size_t depth;
    uint32_t documents;
    uint32_t lines_before; /* of the text, in its file */
};

static int fail_at(const struct sy_yaml_doc *d, uint32_t line, struct sy_err *err, int code,
                   const char *fmt, ...) SY_PRINTF(5, 6);
static int fail_at(const struct sy_yaml_doc *d, uint32_t line, struct sy_err *err, int code,
                   const char *fmt, ...)
{
    char message[SY_ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    return sy_err_set(err, code, "%s:%u: %s", d->file, line, message);
}

int sy_yaml_error(const struct sy_yaml_doc *d, const struct sy_yaml *node, struct sy_err *err,
                  int code, const char *fmt, ...)
{
    char message[SY_ERR_MSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    return fail_at(d, node ? node->line : 0, err, code, "%s", message);
}

static int out_of_memory(struct builder *b, uint32_t line)
{
    return fail_at(b->d, line, b->err, -ENOMEM, "out of memory");
}

static struct sy_str copy_text(struct builder *b, const yaml_char_t *p, size_t len)
{
    struct sy_str s = {(const char *)p, len};

    s.p = sy_arena_str(&b->d->arena, s);
    return s;
}

static uint32_t line_of(const struct builder *b, const yaml_event_t *event)
{
    return b->lines_before + (uint32_t)event->start_mark.line + 1;
}

/* Puts a new node where the innermost open collection expects one. */
static int attach(struct builder *b, enum sy_yaml_kind kind, uint32_t line, struct sy_yaml **ret)
{
    struct sy_yaml *node = sy_arena_alloc(&b->d->arena, sizeof(*node));

    if (!node)
        return out_of_memory(b, line);
    node->kind = kind;
    node->line = line;
    if (b->depth) {
        struct level *top = &b->levels[b->depth - 1];

        if (top->node->kind == SY_YAML_MAP) {
            if (!top->has_key)
                return fail_at(b->d, line, b->err, -EINVAL, "a key must be a plain text");
            node->key = top->key;
            node->key_line = top->key_line;
            top->has_key = false;
        }
        if (top->last)
            top->last->next = node;
        else
            top->node->at = node;
        top->last = node;
        top->node->len++;
    } else {
        b->d->root = node;
    }
    *ret = node;
    return 0;
}

static int open_level(struct builder *b, enum sy_yaml_kind kind, const yaml_char_t *tag,
                      uint32_t line)
{
    struct sy_yaml *node;

    if (tag)
        return fail_at(b->d, line, b->err, -EINVAL, "tags are not supported here");
    if (b->depth == SY_YAML_MAX_DEPTH)
        return fail_at(b->d, line, b->err, -E2BIG, "more than %d levels", SY_YAML_MAX_DEPTH);
    int r = attach(b, kind, line, &node);
    if (r)
        return r;
    b->levels[b->depth++] = (struct level){.node = node};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct sy_yaml *x = *(const struct sy_yaml *const *)a;
    const struct sy_yaml *y = *(const struct sy_yaml *const *)b;
    int c = sy_str_cmp(x->key, y->key);

    return c ? c : (x->key_line > y->key_line) - (x->key_line < y->key_line);
}

static int refuse_duplicates(struct builder *b, const struct sy_yaml *map)
{
    const struct sy_yaml **sorted;
    size_t n = 0;
    int r = 0;

    if (map->len < 2)
        return 0;
    sorted = sy_try_malloc(map->len * sizeof(struct sy_yaml *));
    if (!sorted)
        return out_of_memory(b, map->line);
    SY_YAML_FOREACH(child, map)
    sorted[n++] = child;
    qsort(sorted, n, sizeof(struct sy_yaml *), by_key);
    for (size_t i = 1; i < n && !r; i++)
        if (sy_str_eq(sorted[i]->key, sorted[i - 1]->key))
            r = fail_at(b->d, sorted[i]->key_line, b->err, -EINVAL,
                        "key \"" SY_STR_FMT "\" appears twice (first in line %u)",
                        SY_STR_ARG(sorted[i]->key), sorted[i - 1]->key_line);
    free(sorted);
    return r;
}

static int close_level(struct builder *b)
{
    struct level *top = &b->levels[--b->depth];

    return top->node->kind == SY_YAML_MAP ? refuse_duplicates(b, top->node) : 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;
    uint32_t line = line_of(b, event);
    struct level *top = b->depth ? &b->levels[b->depth - 1] : NULL;
    struct sy_yaml *node;

    if (tag && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0)
        return fail_at(b->d, line, b->err, -EINVAL, "tag %.64s is not supported", tag);
    struct sy_str text = copy_text(b, event->data.scalar.value, event->data.scalar.length);
    if (!text.p)
        return out_of_memory(b, line);
    if (top && top->node->kind == SY_YAML_MAP && !top->has_key) {
        if (!tag && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && sy_str_eqz(text, "<<"))
            return fail_at(b->d, line, b->err, -EINVAL, "merge keys are not supported");
        if (memchr(text.p, 0, text.len))
            return fail_at(b->d, line, b->err, -EINVAL, "a key holds a NUL byte");
        top->has_key = true;
        top->key = text;
        top->key_line = line;
        return 0;
    }
    int r = attach(b, SY_YAML_SCALAR, line, &node);
    if (r)
        return r;
    node->text = text;
    node->is_quoted = tag || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++)
            return fail_at(b->d, line_of(b, event), b->err, -EINVAL,
                           "more than one document; only one is read");
        return 0;
    case YAML_ALIAS_EVENT:
        return fail_at(b->d, line_of(b, event), b->err, -EINVAL,
                       "aliases (*%.64s) are not supported; write the value out",
                       (const char *)event->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(b, SY_YAML_LIST, event->data.sequence_start.tag, line_of(b, event));
    case YAML_MAPPING_START_EVENT:
        return open_level(b, SY_YAML_MAP, event->data.mapping_start.tag, line_of(b, event));
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(b);
    default:
        return 0;
    }
}

static int parse_error(const struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return sy_err_set(b->err, -ENOMEM, "%s: out of memory", b->d->file);
    if (parser->error == YAML_READER_ERROR)
        return sy_err_set(b->err, -EINVAL, "%s: not UTF-8 text at byte %zu", b->d->file,
                          parser->problem_offset);
    return fail_at(b->d, b->lines_before + (uint32_t)parser->problem_mark.line + 1, b->err, -EINVAL,
                   "%s%s%s", parser->context ? parser->context : "", parser->context ? ", " : "",
                   parser->problem ? parser->problem : "syntax error");
}

static int build(struct builder *b, yaml_parser_t *parser)
{
    bool ended = false;

    while (!ended) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event))
            return parse_error(b, parser);
        int r = on_event(b, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (r)
            return r;
    }
    if (!b->d->root) {
        struct sy_yaml *node;
        int r = attach(b, SY_YAML_SCALAR, 1, &node);

        if (r)
            return r;
        node->text = SY_STR("");
    }
    return 0;
}

int sy_yaml_parse(const char *text, size_t len, const char *file, struct sy_yaml_doc **ret,
                  struct sy_err *err)
{
    return sy_yaml_parse_at(text, len, file, 1, ret, err);
}

int sy_yaml_parse_at(const char *text, size_t len, const char *file, uint32_t line,
                     struct sy_yaml_doc **ret, struct sy_err *err)
{
    yaml_parser_t parser;

    if (len > SY_YAML_MAX_BYTES)
        return sy_err_set(err, -E2BIG, "%s: larger than %d bytes", file, SY_YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&parser))
        return sy_err_set(err, -ENOMEM, "%s: out of memory", file);
    struct sy_yaml_doc *d = sy_xcalloc(1, sizeof(*d));
    struct builder b = {.d = d, .err = err, .lines_before = line - 1};
    d->file = sy_xstrdup(file);
    sy_arena_init(&d->arena, ARENA_CAP);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text ? text : ""), len);
    int r = build(&b, &parser);
    yaml_parser_delete(&parser);
    if (r) {
        sy_yaml_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

int sy_yaml_load(const char *path, struct sy_yaml_doc **ret, struct sy_err *err)
{
    struct sy_buf buf;

    sy_buf_init(&buf, SY_YAML_MAX_BYTES);
    int r = sy_file_read(path, &buf, err);
    if (!r)
        r = sy_yaml_parse(buf.p, buf.len, path, ret, err);
    /* The text may hold a token. */
    if (buf.p)
        explicit_bzero(buf.p, buf.len);
    sy_buf_done(&buf);
    return r;
}

void sy_yaml_free(struct sy_yaml_doc *d)
{
    if (!d)
        return;
    sy_arena_done(&d->arena);
    free(d->file);
    free(d);
}

void sy_yaml_freep(struct sy_yaml_doc **d)
{
    sy_yaml_free(*d);
    *d = NULL;
}

const struct sy_yaml *sy_yaml_root(const struct sy_yaml_doc *d)
{
    return d->root;
}

const char *sy_yaml_file(const struct sy_yaml_doc *d)
{
    return d->file;
}

static bool is_one_of(struct sy_str s, const char *const *words)
{
    for (; *words; words++)
        if (sy_str_eqz(s, *words))
            return true;
    return false;
}

bool sy_yaml_is_null(const struct sy_yaml *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

    return !node ||
           (node->kind == SY_YAML_SCALAR && !node->is_quoted && is_one_of(node->text, words));
}

const struct sy_yaml *sy_yaml_find(const struct sy_yaml *map, const char *key)
{
    if (!map || map->kind != SY_YAML_MAP)
        return NULL;
    SY_YAML_FOREACH(child, map)
    if (sy_str_eqz(child->key, key))
        return sy_yaml_is_null(child) ? NULL : child;
    return NULL;
}

static const char *kind_name(enum sy_yaml_kind kind)
{
    return kind == SY_YAML_MAP ? "a map" : kind == SY_YAML_LIST ? "a list" : "a single value";
}

int sy_yaml_as_str(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   const char **ret, struct sy_err *err)
{
    if (sy_yaml_is_null(node))
        return 0;
    if (node->kind != SY_YAML_SCALAR)
        return sy_yaml_error(d, node, err, -EINVAL, "%s must be text, not %s", what,
                             kind_name(node->kind));
    if (memchr(node->text.p, 0, node->text.len))
        return sy_yaml_error(d, node, err, -EINVAL, "%s holds a NUL byte", what);
    *ret = node->text.p;
    return 0;
}

int sy_yaml_as_bool(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                    bool *ret, struct sy_err *err)
{
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};

    if (sy_yaml_is_null(node))
        return 0;
    bool is_plain = node->kind == SY_YAML_SCALAR && !node->is_quoted;
    if (is_plain && is_one_of(node->text, yes))
        *ret = true;
    else if (is_plain && is_one_of(node->text, no))
        *ret = false;
    else
        return sy_yaml_error(d, node, err, -EINVAL, "%s must be true or false", what);
    return 0;
}

int sy_yaml_as_i64(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   int64_t *ret, struct sy_err *err)
{
    if (sy_yaml_is_null(node))
        return 0;
    if (node->kind != SY_YAML_SCALAR || node->is_quoted || sy_str_i64(node->text, ret) != 0)
        return sy_yaml_error(d, node, err, -EINVAL, "%s must be a whole number", what);
    return 0;
}

int sy_yaml_as_f64(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   double *ret, struct sy_err *err)
{
    if (sy_yaml_is_null(node))
        return 0;
    if (node->kind == SY_YAML_SCALAR && !node->is_quoted && node->text.len < 64 &&
        strspn(node->text.p, "0123456789+-.eE") == node->text.len) {
        char *end;
        double value = strtod(node->text.p, &end);

        if (end == node->text.p + node->text.len && isfinite(value)) {
            *ret = value;
            return 0;
        }
    }
    return sy_yaml_error(d, node, err, -EINVAL, "%s must be a number", what);
}

int sy_yaml_get_str(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    const char **ret, struct sy_err *err)
{
    return sy_yaml_as_str(d, sy_yaml_find(map, key), key, ret, err);
}

int sy_yaml_get_bool(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                     bool *ret, struct sy_err *err)
{
    return sy_yaml_as_bool(d, sy_yaml_find(map, key), key, ret, err);
}

int sy_yaml_get_i64(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    int64_t *ret, struct sy_err *err)
{
    return sy_yaml_as_i64(d, sy_yaml_find(map, key), key, ret, err);
}

int sy_yaml_get_f64(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    double *ret, struct sy_err *err)
{
    return sy_yaml_as_f64(d, sy_yaml_find(map, key), key, ret, err);
}

int sy_yaml_get_node(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                     enum sy_yaml_kind kind, const struct sy_yaml **ret, struct sy_err *err)
{
    const struct sy_yaml *node = sy_yaml_find(map, key);

    if (node && node->kind != kind)
        return sy_yaml_error(d, node, err, -EINVAL, "%s must be %s, not %s", key, kind_name(kind),
                             kind_name(node->kind));
    *ret = node;
    return 0;
}

enum { SUGGEST_MAX = 64 };

/* Edits (insert, delete, replace) between two short texts. */
static size_t distance(struct sy_str a, struct sy_str b)
{
    size_t row[SUGGEST_MAX + 1];

    if (a.len > SUGGEST_MAX || b.len > SUGGEST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = diagonal + ((a.p[i - 1] | 0x20) != (b.p[j - 1] | 0x20));

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b.len];
}

int sy_yaml_check_keys(const struct sy_yaml_doc *d, const struct sy_yaml *map,
                       const char *const *known, struct sy_err *err)
{
    SY_YAML_FOREACH(child, map)
    {
        const char *nearest = NULL;
        size_t least = 4;

        if (is_one_of(child->key, known))
            continue;
        for (const char *const *k = known; *k; k++) {
            size_t edits = distance(child->key, sy_str_from(*k));

            if (edits < least) {
                least = edits;
                nearest = *k;
            }
        }
        return fail_at(d, child->key_line, err, -EINVAL, "unknown key \"%.128s\"%s%s%s",
                       child->key.p, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                       nearest ? "\"?" : "");
    }
    return 0;
}
