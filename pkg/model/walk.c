/* SPDX-License-Identifier: Apache-2.0 */
#include "model/walk.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

/* -- copies -- */

void *sy_copy_room(struct sy_copier *c, size_t count, size_t size)
{
    if (!count || c->error)
        return NULL;
    void *room = sy_arena_array(c->arena, count, size);
    if (!room)
        c->error = sy_arena_why(c->arena, count, size);
    return room;
}

void *sy_copy_array(struct sy_copier *c, const void *p, size_t count, size_t size)
{
    void *copy = sy_copy_room(c, count, size);

    if (copy)
        memcpy(copy, p, count * size);
    return copy;
}

struct sy_str sy_copy_str(struct sy_copier *c, struct sy_str s)
{
    char *copy = sy_copy_room(c, s.len + 1, 1);

    if (copy && s.len)
        memcpy(copy, s.p, s.len);
    return (struct sy_str){copy, copy ? s.len : 0};
}

struct sy_labels sy_copy_labels(struct sy_copier *c, struct sy_labels labels)
{
    labels.p = sy_copy_array(c, labels.p, labels.len, sizeof(*labels.p));
    return labels;
}

struct sy_amounts sy_copy_amounts(struct sy_copier *c, struct sy_amounts amounts)
{
    amounts.p = sy_copy_array(c, amounts.p, amounts.len, sizeof(*amounts.p));
    return amounts;
}

const struct sy_requirement *sy_copy_requirements(struct sy_copier *c,
                                                  const struct sy_requirement *reqs, uint32_t len)
{
    struct sy_requirement *copy = sy_copy_array(c, reqs, len, sizeof(*reqs));

    for (uint32_t i = 0; copy && i < len; i++)
        copy[i].values =
            sy_copy_array(c, reqs[i].values, reqs[i].values_len, sizeof(*reqs[i].values));
    return copy;
}

struct sy_selector sy_copy_selector(struct sy_copier *c, const struct sy_selector *sel)
{
    struct sy_selector copy = *sel;

    copy.reqs = sy_copy_requirements(c, sel->reqs, sel->len);
    return copy;
}

struct sy_node_term sy_copy_node_term(struct sy_copier *c, const struct sy_node_term *term)
{
    struct sy_node_term copy = *term;

    copy.exprs = sy_copy_requirements(c, term->exprs, term->exprs_len);
    copy.fields = sy_copy_requirements(c, term->fields, term->fields_len);
    return copy;
}

/* -- marking -- */

void sy_mark_sids(struct sy_strings *strings, const sy_sid *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sy_strings_mark(strings, p[i]);
}

void sy_mark_labels(struct sy_strings *strings, struct sy_labels labels)
{
    for (uint32_t i = 0; i < labels.len; i++) {
        sy_strings_mark(strings, labels.p[i].key);
        sy_strings_mark(strings, labels.p[i].value);
    }
}

void sy_mark_amounts(struct sy_strings *strings, struct sy_amounts amounts)
{
    for (uint32_t i = 0; i < amounts.len; i++)
        sy_strings_mark(strings, amounts.p[i].resource);
}

void sy_mark_requirements(struct sy_strings *strings, const struct sy_requirement *reqs,
                          uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        sy_strings_mark(strings, reqs[i].key);
        sy_mark_sids(strings, reqs[i].values, reqs[i].values_len);
    }
}

void sy_mark_node_term(struct sy_strings *strings, const struct sy_node_term *term)
{
    sy_mark_requirements(strings, term->exprs, term->exprs_len);
    sy_mark_requirements(strings, term->fields, term->fields_len);
}

/* -- printing -- */

const char *const sy_condition_words[4] = {"absent", "True", "False", "Unknown"};
const char *const sy_effect_words[4] = {"-", "NoSchedule", "PreferNoSchedule", "NoExecute"};

const char *sy_dump_word(const char *const *words, size_t len, unsigned value)
{
    return value < len ? words[value] : "?";
}

struct order {
    const struct sy_strings *strings;
    const char *records;
    size_t size;
};

static struct sy_str text_at(const struct order *o, uint32_t i)
{
    sy_sid id;

    memcpy(&id, o->records + i * o->size, sizeof(id));
    return sy_strings_get(o->strings, id);
}

static int by_text(const void *a, const void *b, void *arg)
{
    const struct order *o = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int order = sy_str_cmp(text_at(o, i), text_at(o, j));

    return order ? order : (i > j) - (i < j);
}

uint32_t *sy_dump_order(const struct sy_strings *strings, const void *records, uint32_t len,
                        size_t size)
{
    struct order o = {strings, records, size};
    uint32_t *order = sy_xreallocarray(NULL, len, sizeof(*order));

    for (uint32_t i = 0; i < len; i++)
        order[i] = i;
    if (len)
        qsort_r(order, len, sizeof(*order), by_text, &o);
    return order;
}

void sy_dump_id(struct sy_dump *d, sy_sid id)
{
    if (id)
        sy_buf_add_json(d->out, sy_strings_get(d->strings, id));
    else
        sy_buf_addc(d->out, '-');
}

void sy_dump_id_line(struct sy_dump *d, const char *name, sy_sid id)
{
    sy_buf_addf(d->out, "%s=", name);
    sy_dump_id(d, id);
    sy_buf_addc(d->out, '\n');
}

void sy_dump_str_line(struct sy_dump *d, const char *name, struct sy_str s)
{
    sy_buf_addf(d->out, "%s=", name);
    sy_buf_add_json(d->out, s);
    sy_buf_addc(d->out, '\n');
}

void sy_dump_number_line(struct sy_dump *d, const char *name, int64_t number)
{
    sy_buf_addf(d->out, "%s=%" PRId64 "\n", name, number);
}

void sy_dump_word_line(struct sy_dump *d, const char *name, const char *word)
{
    sy_buf_addf(d->out, "%s=%s\n", name, word);
}

void sy_dump_labels_line(struct sy_dump *d, const char *name, struct sy_labels labels)
{
    SY_CLEANUP(sy_freep)
    uint32_t *order = sy_dump_order(d->strings, labels.p, labels.len, sizeof(*labels.p));

    sy_buf_addf(d->out, "%s=", name);
    for (uint32_t i = 0; i < labels.len; i++) {
        const struct sy_label *l = &labels.p[order[i]];
        sy_buf_adds(d->out, i ? " " : "");
        sy_dump_id(d, l->key);
        sy_buf_addc(d->out, ':');
        sy_dump_id(d, l->value);
    }
    sy_buf_addc(d->out, '\n');
}

void sy_dump_amounts_line(struct sy_dump *d, const char *name, struct sy_amounts amounts)
{
    SY_CLEANUP(sy_freep)
    uint32_t *order = sy_dump_order(d->strings, amounts.p, amounts.len, sizeof(*amounts.p));

    sy_buf_addf(d->out, "%s=", name);
    for (uint32_t i = 0; i < amounts.len; i++) {
        const struct sy_amount *a = &amounts.p[order[i]];
        sy_buf_adds(d->out, i ? " " : "");
        sy_dump_id(d, a->resource);
        sy_buf_addf(d->out, ":%" PRId64, a->amount);
    }
    sy_buf_addc(d->out, '\n');
}

void sy_dump_sids(struct sy_dump *d, const sy_sid *p, uint32_t len, bool sorted)
{
    SY_CLEANUP(sy_freep) uint32_t *order = NULL;

    if (sorted)
        order = sy_dump_order(d->strings, p, len, sizeof(*p));
    sy_buf_addc(d->out, '[');
    for (uint32_t i = 0; i < len; i++) {
        sy_buf_adds(d->out, i ? "," : "");
        sy_dump_id(d, p[order ? order[i] : i]);
    }
    sy_buf_addc(d->out, ']');
}

static void dump_requirements(struct sy_dump *d, const struct sy_requirement *reqs, uint32_t len)
{
    static const char *const ops[] = {"In", "NotIn", "Exists", "DoesNotExist",
                                      "Gt", "Lt",    "Invalid"};
    SY_CLEANUP(sy_freep)
    uint32_t *order = sy_dump_order(d->strings, reqs, len, sizeof(*reqs));

    sy_buf_addc(d->out, '{');
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_requirement *req = &reqs[order[i]];
        sy_buf_adds(d->out, i ? ", " : "");
        sy_dump_id(d, req->key);
        sy_buf_addf(d->out, " %s ", sy_dump_word(ops, SY_ARRAY_LEN(ops), req->op));
        sy_dump_sids(d, req->values, req->values_len, true);
        if (req->number_ok)
            sy_buf_addf(d->out, " number %" PRId64, req->number);
    }
    sy_buf_addc(d->out, '}');
}

void sy_dump_selector(struct sy_dump *d, const struct sy_selector *sel)
{
    if (sel->is_invalid)
        sy_buf_adds(d->out, "invalid ");
    if (sel->is_nil)
        sy_buf_adds(d->out, "nil");
    else
        dump_requirements(d, sel->reqs, sel->len);
}

void sy_dump_node_term(struct sy_dump *d, const struct sy_node_term *term)
{
    sy_buf_adds(d->out, "labels ");
    dump_requirements(d, term->exprs, term->exprs_len);
    sy_buf_adds(d->out, " fields ");
    dump_requirements(d, term->fields, term->fields_len);
}
