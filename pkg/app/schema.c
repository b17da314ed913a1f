/* SPDX-License-Identifier: Apache-2.0 */
#include "app/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"

enum {
    PATH_MAX_BYTES = 256,
    SHOWN_MAX_BYTES = 64,
    WHY_MAX_BYTES = 768,
    NEAR_MAX = 3,
    KEY_MAX = 64
};

/* ---- problems ---- */

static void make_printable(char *line)
{
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

void sy_problems_add(struct sy_problems *p, const char *fmt, ...)
{
    char line[SY_ERR_MSG_MAX];
    va_list ap;

    if (p->lines.len > SY_PROBLEMS_MAX)
        return;
    if (p->lines.len == SY_PROBLEMS_MAX) {
        sy_vec_push(&p->lines, sy_xstrdup("... and more; the first 100 problems are shown"));
        return;
    }
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    make_printable(line);
    sy_vec_push(&p->lines, sy_xstrdup(line));
}

void sy_problems_note(struct sy_problems *p, const char *fmt, ...)
{
    char line[SY_ERR_MSG_MAX];
    va_list ap;

    if (p->notes.len == SY_PROBLEMS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    make_printable(line);
    sy_vec_push(&p->notes, sy_xstrdup(line));
}

void sy_problems_done(struct sy_problems *p)
{
    for (size_t i = 0; i < p->lines.len; i++)
        free(p->lines.p[i]);
    for (size_t i = 0; i < p->notes.len; i++)
        free(p->notes.p[i]);
    sy_vec_done(&p->lines);
    sy_vec_done(&p->notes);
}

/* ---- one value ---- */

static void *at(void *base, const struct sy_option *o)
{
    return (char *)base + o->offset;
}

static const void *at_const(const void *base, const struct sy_option *o)
{
    return (const char *)base + o->offset;
}

static const char *const SHAPES[] = {
    [SY_OPTION_TEXT] = "a text",
    [SY_OPTION_BOOL] = "true or false",
    [SY_OPTION_INT] = "a whole number",
    [SY_OPTION_PORT] = "a port from 0 to 65535 or off",
    [SY_OPTION_REAL] = "a number",
    [SY_OPTION_DURATION] = "a duration such as 500ms, 10s or 1m30s",
    [SY_OPTION_SECONDS] = "a whole number of seconds",
    [SY_OPTION_CHOICE] = "one of the names",
    [SY_OPTION_TEXTS] = "a list of texts",
    [SY_OPTION_MAP] = "a map of keys",
    [SY_OPTION_MAP_BY] = "a map of keys",
    [SY_OPTION_MAPS] = "a list of maps",
};

static void join_choices(const char *const *choices, char *ret, size_t room)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; choices[i] && len < room; i++) {
        int n = snprintf(ret + len, room - len, "%s%s", i ? " or " : "", choices[i]);
        len += n > 0 ? (size_t)n : 0;
    }
}

static void show_bound(const struct sy_option *o, int64_t value, char *ret, size_t room)
{
    if (o->type == SY_OPTION_DURATION && room >= SY_DURATION_MAX)
        sy_duration_format(value, ret);
    else
        snprintf(ret, room, "%" PRId64, value);
}

static const char *out_of_range(const struct sy_option *o, struct sy_str text, char *why,
                                size_t room)
{
    char least[SY_DURATION_MAX], most[SY_DURATION_MAX];

    if (o->range) {
        snprintf(why, room, "Invalid value: %.*s: %s", (int)SHOWN_MAX_BYTES, text.p ? text.p : "",
                 o->range);
        return why;
    }
    show_bound(o, o->least, least, sizeof(least));
    show_bound(o, o->most, most, sizeof(most));
    snprintf(why, room, "%.*s is out of range; give %s to %s", (int)SHOWN_MAX_BYTES,
             text.p ? text.p : "", least, most);
    return why;
}

static bool parse_real(struct sy_str text, double *ret)
{
    /* strtod takes hex, inf and nan too, and the longest number is far shorter than this. */
    if (!text.len || text.len > 40 || strspn(text.p, "0123456789.+-eE") != text.len)
        return false;
    char *end;
    double v = strtod(text.p, &end);
    if (*end || !isfinite(v))
        return false;
    *ret = v;
    return true;
}

/* Parses NUL-terminated text into `slot`. NULL, or why not, then *slot is as it was. */
static const char *parse_value(const struct sy_option *o, struct sy_str text, void *slot, char *why,
                               size_t room)
{
    int64_t number;
    double real;
    int r;

    switch (o->type) {
    case SY_OPTION_TEXT: {
        const char *wrong = o->check ? o->check(text.p, why, room) : NULL;
        if (wrong)
            return wrong;
        free(*(char **)slot);
        *(char **)slot = sy_xstrndup(text.p, text.len);
        return NULL;
    }
    case SY_OPTION_BOOL:
        if (!sy_str_eqz(text, "true") && !sy_str_eqz(text, "false"))
            break;
        *(bool *)slot = sy_str_eqz(text, "true");
        return NULL;
    case SY_OPTION_PORT:
        if (sy_str_eqz(text, "off") || sy_str_eqz(text, "-1")) {
            *(int64_t *)slot = -1;
            return NULL;
        }
        __attribute__((fallthrough));
    case SY_OPTION_INT:
    case SY_OPTION_SECONDS:
        r = sy_str_i64(text, &number);
        if (r == -ERANGE || (r == 0 && (number < o->least || number > o->most)))
            return out_of_range(o, text, why, room);
        if (r)
            break;
        *(int64_t *)slot = o->type == SY_OPTION_SECONDS ? number * SY_NS_PER_S : number;
        return NULL;
    case SY_OPTION_REAL:
        if (!parse_real(text, &real))
            break;
        if (real < (double)o->least || real > (double)o->most)
            return out_of_range(o, text, why, room);
        *(double *)slot = real;
        return NULL;
    case SY_OPTION_DURATION:
        r = sy_duration_parse(text, &number);
        if (r == -ERANGE || (r == 0 && (number < o->least || number > o->most)))
            return out_of_range(o, text, why, room);
        if (r)
            break;
        *(int64_t *)slot = number;
        return NULL;
    case SY_OPTION_CHOICE: {
        char names[128];
        for (int64_t i = 0; o->choices[i]; i++) {
            if (sy_str_eqz(text, o->choices[i])) {
                *(int64_t *)slot = i;
                return NULL;
            }
        }
        join_choices(o->choices, names, sizeof(names));
        snprintf(why, room, "\"%.*s\" is not known; give %s", (int)SHOWN_MAX_BYTES, text.p, names);
        return why;
    }
    default:
        break;
    }
    snprintf(why, room, "\"%.*s\" is not right here; give %s", (int)SHOWN_MAX_BYTES,
             text.p ? text.p : "", SHAPES[o->type]);
    return why;
}

static void add_text(struct sy_option_list *list, const char *text)
{
    list->p = sy_xreallocarray(list->p, list->len + 1, sizeof(char *));
    ((char **)list->p)[list->len++] = sy_xstrdup(text);
}

static bool has_text(const struct sy_option_list *list, const char *text)
{
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(((char **)list->p)[i], text) == 0)
            return true;
    }
    return false;
}

/* ---- life ---- */

static void clear_list(const struct sy_option *o, struct sy_option_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        if (o->type == SY_OPTION_TEXTS)
            free(((char **)list->p)[i]);
        else
            sy_schema_done(o->fields, (char *)list->p + i * o->element_size);
    }
    free(list->p);
    *list = (struct sy_option_list){0};
}

void sy_schema_defaults(const struct sy_option *table, void *base)
{
    char why[WHY_MAX_BYTES];

    for (const struct sy_option *o = table; o->key; o++) {
        if (o->type == SY_OPTION_MAP) {
            sy_schema_defaults(o->fields, at(base, o));
            continue;
        }
        if (!o->initial)
            continue;
        const char *wrong = parse_value(o, sy_str_from(o->initial), at(base, o), why, sizeof(why));
        if (wrong) {
            fprintf(stderr, "steelyard: default of %s: %s\n", o->key, wrong);
            abort();
        }
    }
}

void sy_schema_done(const struct sy_option *table, void *base)
{
    /* These go first: what is freed below says which fields they have. */
    for (const struct sy_option *o = table; o->key; o++) {
        const struct sy_option *fields = o->type == SY_OPTION_MAP_BY ? o->fields_of(base) : NULL;
        if (fields)
            sy_schema_done(fields, at(base, o));
    }
    for (const struct sy_option *o = table; o->key; o++) {
        switch (o->type) {
        case SY_OPTION_MAP:
            sy_schema_done(o->fields, at(base, o));
            break;
        case SY_OPTION_TEXT:
            free(*(char **)at(base, o));
            *(char **)at(base, o) = NULL;
            break;
        case SY_OPTION_TEXTS:
        case SY_OPTION_MAPS:
            clear_list(o, at(base, o));
            break;
        default:
            break;
        }
    }
}

/* ---- reading a tree ---- */

struct reader {
    const struct sy_yaml_doc *doc;
    struct sy_problems *problems;
};

static void problem(struct reader *r, uint32_t line, const char *path, const char *what)
{
    sy_problems_add(r->problems, "%s:%u: %s%s%s", sy_yaml_file(r->doc), line, path,
                    *path ? ": " : "", what);
}

static void join_path(char ret[PATH_MAX_BYTES], const char *path, const char *key)
{
    snprintf(ret, PATH_MAX_BYTES, "%s%s%s", path, *path ? "." : "", key);
}

/* The node of "a.b[2].c" below node, or the nearest to it that was given. */
static const struct sy_yaml *find_given(const struct sy_yaml *node, const char *key)
{
    char name[KEY_MAX + 1];

    while (*key) {
        const struct sy_yaml *child = NULL;
        if (*key == '[') {
            uint64_t index = 0;
            size_t digits = strspn(key + 1, "0123456789");
            if (sy_str_u64((struct sy_str){key + 1, digits}, &index))
                return node;
            SY_YAML_FOREACH(item, node)
            {
                if (!index--) {
                    child = item;
                    break;
                }
            }
            key += digits + 1;
            key += *key == ']';
        } else {
            size_t len = strcspn(key, ".[");
            snprintf(name, sizeof(name), "%.*s", (int)len, key);
            child = sy_yaml_find(node, name);
            key += len;
        }
        if (!child)
            return node;
        node = child;
        key += *key == '.';
    }
    return node;
}

void sy_schema_problem(const struct sy_schema_at *at_map, const char *key, const char *fmt, ...)
{
    const struct sy_yaml *node = find_given(at_map->node, key);
    const char *dot = *at_map->path && *key && *key != '[' ? "." : "";
    char what[WHY_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    sy_problems_add(at_map->problems, "%s:%u: %s%s%s%s%s", sy_yaml_file(at_map->doc),
                    node->kind == SY_YAML_SCALAR || !node->key_line ? node->line : node->key_line,
                    at_map->path, dot, key, *at_map->path || *key ? ": " : "", what);
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Edits between two keys, case aside; NEAR_MAX + 1 when they are too long to be alike. */
static size_t distance(struct sy_str a, struct sy_str b)
{
    uint8_t row[KEY_MAX + 1];

    if (a.len > KEY_MAX || b.len > KEY_MAX)
        return NEAR_MAX + 1;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            uint8_t best = (uint8_t)(diagonal + (lower(a.p[i - 1]) != lower(b.p[j - 1])));
            if (row[j] + 1 < best)
                best = (uint8_t)(row[j] + 1);
            if (row[j - 1] + 1 < best)
                best = (uint8_t)(row[j - 1] + 1);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b.len];
}

static const struct sy_option *find_option(const struct sy_option *table, struct sy_str key)
{
    for (const struct sy_option *o = table; o->key; o++) {
        if (sy_str_eqz(key, o->key))
            return o;
    }
    return NULL;
}

static void unknown_key(struct reader *r, const struct sy_option *table, const struct sy_yaml *node,
                        const char *path)
{
    const struct sy_option *nearest = NULL;
    size_t best = NEAR_MAX + 1;
    char what[WHY_MAX_BYTES];

    for (const struct sy_option *o = table; o->key; o++) {
        size_t d = distance(node->key, sy_str_from(o->key));
        if (d < best) {
            best = d;
            nearest = o;
        }
    }
    /* A short key is within three edits of almost anything. */
    if (nearest && best * 2 <= node->key.len) {
        snprintf(what, sizeof(what), "unknown key; did you mean \"%s\"?", nearest->key);
    } else {
        size_t len = (size_t)snprintf(what, sizeof(what), "unknown key; known here are ");
        for (const struct sy_option *o = table; o->key && len < sizeof(what); o++)
            len += (size_t)snprintf(what + len, sizeof(what) - len, "%s%s", o == table ? "" : ", ",
                                    o->key);
    }
    problem(r, node->key_line, path, what);
}

static bool looks_like_no_text(struct sy_str s)
{
    double real;

    return sy_str_eqz(s, "true") || sy_str_eqz(s, "false") || parse_real(s, &real);
}

/* A scalar of the right YAML type for the option, as NUL-terminated text. */
static bool scalar_text(struct reader *r, const struct sy_option *o, bool is_text,
                        const struct sy_yaml *node, const char *path)
{
    char what[WHY_MAX_BYTES];

    if (node->kind != SY_YAML_SCALAR) {
        snprintf(what, sizeof(what), "is a %s; give %s",
                 node->kind == SY_YAML_LIST ? "list" : "map", is_text ? "a text" : SHAPES[o->type]);
        problem(r, node->line, path, what);
        return false;
    }
    if (memchr(node->text.p, 0, node->text.len)) {
        problem(r, node->line, path, "holds a NUL byte; remove it");
        return false;
    }
    if (is_text && !o->takes_numbers && !node->is_quoted && looks_like_no_text(node->text)) {
        snprintf(what, sizeof(what), "%.*s is no text in YAML; put it in quotes",
                 (int)SHOWN_MAX_BYTES, node->text.p);
        problem(r, node->line, path, what);
        return false;
    }
    bool wants_plain = o->type == SY_OPTION_BOOL || o->type == SY_OPTION_INT ||
                       o->type == SY_OPTION_SECONDS || o->type == SY_OPTION_PORT ||
                       o->type == SY_OPTION_REAL;
    if (!is_text && wants_plain && node->is_quoted) {
        snprintf(what, sizeof(what), "is a text; give %s, without quotes", SHAPES[o->type]);
        problem(r, node->line, path, what);
        return false;
    }
    return true;
}

static void read_map(struct reader *r, const struct sy_option *table, void *base,
                     const struct sy_yaml *node, const char *path);

static void check_map(struct reader *r, const struct sy_option *o, const void *base,
                      const struct sy_yaml *node, const char *path)
{
    if (o->check_map)
        o->check_map(base, &(struct sy_schema_at){r->doc, node, path, r->problems});
}

static void read_texts(struct reader *r, const struct sy_option *o, struct sy_option_list *list,
                       const struct sy_yaml *node, const char *path)
{
    size_t n = 0;

    SY_YAML_FOREACH(item, node)
    {
        char where[PATH_MAX_BYTES + 32], why[WHY_MAX_BYTES];
        snprintf(where, sizeof(where), "%s[%zu]", path, n++);
        if (sy_yaml_is_null(item)) {
            problem(r, item->line, where, "is empty; give a text or remove the line");
            continue;
        }
        if (!scalar_text(r, o, true, item, where))
            continue;
        const char *wrong = o->check ? o->check(item->text.p, why, sizeof(why)) : NULL;
        if (wrong) {
            problem(r, item->line, where, wrong);
            continue;
        }
        if (has_text(list, item->text.p)) {
            snprintf(why, sizeof(why), "\"%.*s\" is there already; remove one", SHOWN_MAX_BYTES,
                     item->text.p);
            problem(r, item->line, where, why);
            continue;
        }
        add_text(list, item->text.p);
    }
}

static bool is_repeated(const struct sy_option *o, const struct sy_option_list *list,
                        const void *element)
{
    const struct sy_option *field = find_option(o->fields, sy_str_from(o->unique_key));
    const char *text = *(char *const *)at_const(element, field);

    for (size_t i = 0; text && i < list->len; i++) {
        const char *other =
            *(char *const *)at_const((const char *)list->p + i * o->element_size, field);
        if (other && strcmp(other, text) == 0)
            return true;
    }
    return false;
}

static void read_maps(struct reader *r, const struct sy_option *o, struct sy_option_list *list,
                      const struct sy_yaml *node, const char *path)
{
    size_t n = 0;

    SY_YAML_FOREACH(item, node)
    {
        char where[PATH_MAX_BYTES + 32], why[WHY_MAX_BYTES];
        snprintf(where, sizeof(where), "%s[%zu]", path, n++);
        if (item->kind != SY_YAML_MAP) {
            problem(r, item->line, where, "is no map; give its keys");
            continue;
        }
        void *element = sy_xcalloc(1, o->element_size);
        sy_schema_defaults(o->fields, element);
        read_map(r, o->fields, element, item, where);
        check_map(r, o, element, item, where);
        if (o->unique_key && is_repeated(o, list, element)) {
            snprintf(why, sizeof(why), "another element has this %s; each may be given once",
                     o->unique_key);
            problem(r, item->line, where, why);
        }
        list->p = sy_xreallocarray(list->p, list->len + 1, o->element_size);
        memcpy((char *)list->p + list->len++ * o->element_size, element, o->element_size);
        free(element);
    }
}

static void read_list(struct reader *r, const struct sy_option *o, struct sy_option_list *list,
                      const struct sy_yaml *node, const char *path)
{
    char why[128];

    if (node->kind != SY_YAML_LIST) {
        snprintf(why, sizeof(why), "is a %s; give %s",
                 node->kind == SY_YAML_MAP ? "map" : "single value", SHAPES[o->type]);
        problem(r, node->line, path, why);
        return;
    }
    if (node->len > o->elements_max) {
        snprintf(why, sizeof(why), "has %u elements; give at most %zu", node->len, o->elements_max);
        problem(r, node->line, path, why);
        return;
    }
    clear_list(o, list);
    list->is_set = true;
    if (o->type == SY_OPTION_TEXTS)
        read_texts(r, o, list, node, path);
    else
        read_maps(r, o, list, node, path);
}

static void read_option(struct reader *r, const struct sy_option *o, void *base,
                        const struct sy_yaml *node, const char *path)
{
    char why[WHY_MAX_BYTES];

    if (sy_yaml_is_null(node))
        return;
    if (o->no_effect)
        sy_problems_note(r->problems, "%s:%u: %s: has no effect here: %s", sy_yaml_file(r->doc),
                         node->key_line, path, o->no_effect);
    switch (o->type) {
    case SY_OPTION_REFUSED:
        problem(r, node->key_line, path, o->help);
        return;
    case SY_OPTION_MAP:
    case SY_OPTION_MAP_BY:
        if (node->kind != SY_YAML_MAP) {
            problem(r, node->line, path, "is no map; give its keys");
            return;
        }
        const struct sy_option *fields = o->fields ? o->fields : o->fields_of(base);
        if (!fields)
            return;
        read_map(r, fields, at(base, o), node, path);
        check_map(r, o, o->type == SY_OPTION_MAP ? at(base, o) : base, node, path);
        return;
    case SY_OPTION_TEXTS:
    case SY_OPTION_MAPS:
        read_list(r, o, at(base, o), node, path);
        return;
    default:
        break;
    }
    if (!scalar_text(r, o, o->type == SY_OPTION_TEXT, node, path))
        return;
    const char *wrong = parse_value(o, node->text, at(base, o), why, sizeof(why));
    if (wrong)
        problem(r, node->line, path, wrong);
}

static void read_map(struct reader *r, const struct sy_option *table, void *base,
                     const struct sy_yaml *node, const char *path)
{
    SY_YAML_FOREACH(child, node)
    {
        char where[PATH_MAX_BYTES], shown[SHOWN_MAX_BYTES];
        snprintf(shown, sizeof(shown), "%s", child->key.p ? child->key.p : "");
        join_path(where, path, shown);
        const struct sy_option *o = find_option(table, child->key);
        if (!o)
            unknown_key(r, table, child, where);
        else if (o->type != SY_OPTION_MAP_BY)
            read_option(r, o, base, child, where);
    }
    for (const struct sy_option *o = table; o->key; o++) {
        char where[PATH_MAX_BYTES];
        if (o->type != SY_OPTION_MAP_BY)
            continue;
        const struct sy_option *fields = o->fields_of(base);
        if (fields)
            sy_schema_defaults(fields, at(base, o));
        join_path(where, path, o->key);
        read_option(r, o, base, sy_yaml_find(node, o->key), where);
    }
    for (const struct sy_option *o = table; o->key; o++) {
        char where[PATH_MAX_BYTES];
        if (!o->is_required || sy_yaml_find(node, o->key))
            continue;
        join_path(where, path, o->key);
        problem(r, node->line, where, "is missing; add it");
    }
}

void sy_schema_read(const struct sy_option *table, void *base, const struct sy_yaml_doc *doc,
                    const struct sy_yaml *node, struct sy_problems *problems)
{
    struct reader r = {doc, problems};

    if (sy_yaml_is_null(node))
        return;
    if (node->kind != SY_YAML_MAP) {
        problem(&r, node->line, "", "the file is no map of keys; see `steelyard config print`");
        return;
    }
    read_map(&r, table, base, node, "");
}

/* ---- single options ---- */

void sy_schema_set(const struct sy_option *table, void *base, const char *path, const char *text,
                   const char *origin, struct sy_problems *problems)
{
    const struct sy_option *o = NULL;
    const char *key = path;
    char why[WHY_MAX_BYTES];

    for (;;) {
        const char *dot = strchr(key, '.');
        o = find_option(table, (struct sy_str){key, dot ? (size_t)(dot - key) : strlen(key)});
        if (!o || !dot || o->type != SY_OPTION_MAP)
            break;
        base = at(base, o);
        table = o->fields;
        key = dot + 1;
    }
    if (!o || strchr(key, '.') || o->type >= SY_OPTION_MAP) {
        sy_problems_add(problems, "%s: there is no option %s", origin, path);
        return;
    }
    const char *wrong = NULL;
    if (o->type == SY_OPTION_TEXTS) {
        struct sy_option_list *list = at(base, o);
        wrong = o->check ? o->check(text, why, sizeof(why)) : NULL;
        if (!wrong && list->len == o->elements_max)
            wrong = "is given too often";
        if (!wrong && !has_text(list, text)) {
            list->is_set = true;
            add_text(list, text);
        }
    } else {
        wrong = parse_value(o, sy_str_from(text), at(base, o), why, sizeof(why));
    }
    if (wrong)
        sy_problems_add(problems, "%s: %s", origin, wrong);
}

/* ---- writing ---- */

static void print_scalar(const struct sy_option *o, const void *base, struct sy_buf *out)
{
    const void *slot = at_const(base, o);
    char text[SY_DURATION_MAX];

    switch (o->type) {
    case SY_OPTION_TEXT:
        sy_buf_add_json(out, sy_str_from(*(char *const *)slot));
        break;
    case SY_OPTION_BOOL:
        sy_buf_adds(out, *(const bool *)slot ? "true" : "false");
        break;
    case SY_OPTION_PORT:
        if (*(const int64_t *)slot < 0) {
            sy_buf_adds(out, "off");
            break;
        }
        __attribute__((fallthrough));
    case SY_OPTION_INT:
        sy_buf_addf(out, "%" PRId64, *(const int64_t *)slot);
        break;
    case SY_OPTION_SECONDS:
        sy_buf_addf(out, "%" PRId64, *(const int64_t *)slot / SY_NS_PER_S);
        break;
    case SY_OPTION_REAL:
        sy_buf_addf(out, "%.15g", *(const double *)slot);
        break;
    case SY_OPTION_DURATION:
        sy_duration_format(*(const int64_t *)slot, text);
        sy_buf_adds(out, text);
        break;
    case SY_OPTION_CHOICE:
        sy_buf_adds(out, o->choices[*(const int64_t *)slot]);
        break;
    default:
        break;
    }
}

static void print_map(const struct sy_option *table, const void *base, int indent, bool with_help,
                      struct sy_buf *out);

static void print_list(const struct sy_option *o, const struct sy_option_list *list, int indent,
                       struct sy_buf *out)
{
    if (!list->len) {
        sy_buf_adds(out, list->is_set ? " []\n" : "\n");
        return;
    }
    sy_buf_addc(out, '\n');
    for (size_t i = 0; i < list->len; i++) {
        sy_buf_addf(out, "%*s- ", indent, "");
        if (o->type == SY_OPTION_TEXTS) {
            sy_buf_add_json(out, sy_str_from(((char **)list->p)[i]));
            sy_buf_addc(out, '\n');
            continue;
        }
        /* The first key stands on the dash's line. */
        struct sy_buf element;
        sy_buf_init(&element, out->cap);
        print_map(o->fields, (char *)list->p + i * o->element_size, indent + 2, false, &element);
        if (element.len > (size_t)indent + 2)
            sy_buf_add(out, element.p + indent + 2, element.len - (size_t)indent - 2);
        else
            sy_buf_adds(out, "{}\n");
        sy_buf_done(&element);
    }
}

/* Whether a value is what it is when nothing is given. */
static bool is_initial(const struct sy_option *o, const void *base)
{
    const void *slot = at_const(base, o);
    struct sy_buf now;

    switch (o->type) {
    case SY_OPTION_MAP:
    case SY_OPTION_MAP_BY:
        for (const struct sy_option *f = o->fields ? o->fields : o->fields_of(base); f && f->key;
             f++) {
            if (!is_initial(f, slot))
                return false;
        }
        return true;
    case SY_OPTION_TEXTS:
    case SY_OPTION_MAPS:
        return !((const struct sy_option_list *)slot)->is_set;
    case SY_OPTION_TEXT: {
        const char *text = *(char *const *)slot;
        return o->initial ? text && strcmp(text, o->initial) == 0 : !text;
    }
    case SY_OPTION_REFUSED:
        return true;
    default:
        sy_buf_init(&now, SY_YAML_MAX_BYTES);
        print_scalar(o, base, &now);
        bool same = sy_str_eqz(sy_buf_str(&now), o->initial ? o->initial : "");
        sy_buf_done(&now);
        return same;
    }
}

static void print_map(const struct sy_option *table, const void *base, int indent, bool with_help,
                      struct sy_buf *out)
{
    for (const struct sy_option *o = table; o->key; o++) {
        const struct sy_option *fields =
            o->type == SY_OPTION_MAP_BY ? o->fields_of(base) : o->fields;
        if (o->type == SY_OPTION_REFUSED || (o->is_terse && is_initial(o, base)))
            continue;
        if (with_help && o->help)
            sy_buf_addf(out, "%*s# %s%s\n", indent, "", o->help,
                        o->is_live || o->type == SY_OPTION_MAP ? "" : " (restart needed)");
        sy_buf_addf(out, "%*s%s:", indent, "", o->key);
        if (o->type == SY_OPTION_MAP || o->type == SY_OPTION_MAP_BY) {
            struct sy_buf map;
            sy_buf_init(&map, out->cap);
            if (fields)
                print_map(fields, at_const(base, o), indent + 2, with_help, &map);
            sy_buf_addf(out, map.len ? "\n%s" : " {}\n", map.len ? map.p : "");
            sy_buf_done(&map);
        } else if (o->type == SY_OPTION_TEXTS || o->type == SY_OPTION_MAPS) {
            print_list(o, at_const(base, o), indent, out);
        } else if (o->type == SY_OPTION_TEXT && !*(char *const *)at_const(base, o)) {
            sy_buf_addc(out, '\n');
        } else {
            sy_buf_addc(out, ' ');
            print_scalar(o, base, out);
            sy_buf_addc(out, '\n');
        }
    }
}

int sy_schema_print(const struct sy_option *table, const void *base, struct sy_buf *out)
{
    print_map(table, base, 0, true, out);
    return out->failed;
}

static bool is_equal(const struct sy_option *o, const void *a, const void *b)
{
    struct sy_buf x, y;

    sy_buf_init(&x, SY_YAML_MAX_BYTES);
    sy_buf_init(&y, SY_YAML_MAX_BYTES);
    if (o->type == SY_OPTION_TEXTS || o->type == SY_OPTION_MAPS) {
        print_list(o, at_const(a, o), 0, &x);
        print_list(o, at_const(b, o), 0, &y);
    } else {
        print_scalar(o, a, &x);
        print_scalar(o, b, &y);
    }
    bool same = sy_str_eq(sy_buf_str(&x), sy_buf_str(&y));
    sy_buf_done(&x);
    sy_buf_done(&y);
    return same;
}

static void changed(const struct sy_option *table, const void *a, const void *b, const char *path,
                    struct sy_buf *out)
{
    for (const struct sy_option *o = table; o->key; o++) {
        char where[PATH_MAX_BYTES];
        join_path(where, path, o->key);
        if (o->type == SY_OPTION_MAP)
            changed(o->fields, at_const(a, o), at_const(b, o), where, out);
        else if (!o->is_live && !is_equal(o, a, b))
            sy_buf_addf(out, "%s%s", out->len ? ", " : "", where);
    }
}

int sy_schema_changed_not_live(const struct sy_option *table, const void *a, const void *b,
                               struct sy_buf *out)
{
    changed(table, a, b, "", out);
    return out->failed;
}
