/* SPDX-License-Identifier: Apache-2.0
 *
 * Interning, sorting and the rules of the API's shared types. */
#include "kube/decode_build.h"

#include <errno.h>
#include <stdlib.h>

#include "kube/decode_wire.h"
#include "model/pod.h"
#include "model/quantity.h"

static void *alloc(struct build *b, size_t size)
{
    void *p = b->code ? NULL : sy_arena_alloc(&b->d->arena, size);

    if (!p && !b->code)
        b->code = sy_wire_arena_error(&b->d->arena, size);
    return p;
}

void *sy_build_array(struct build *b, size_t count, size_t size)
{
    size_t bytes;

    if (!count)
        return NULL;
    if (sy_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    return alloc(b, bytes);
}

struct sy_str sy_build_text(struct build *b, struct sy_str s)
{
    if (!s.len)
        return (struct sy_str){0};
    char *p = alloc(b, s.len + 1);
    if (!p)
        return (struct sy_str){0};
    memcpy(p, s.p, s.len);
    return (struct sy_str){p, s.len};
}

sy_sid sy_build_id(struct build *b, struct sy_str s)
{
    if (!s.len)
        return b->d->empty;
    if (s.len > SY_STRINGS_MAX_LEN) {
        b->d->odd_values++;
        s.len = SY_STRINGS_MAX_LEN;
    }
    sy_sid id = sy_strings_add(b->d->strings, s);
    if (!id && !b->code)
        b->code = -ENOMEM;
    return id;
}

sy_sid sy_build_id_unless_empty(struct build *b, struct sy_str s)
{
    return s.len ? sy_build_id(b, s) : 0;
}

sy_sid *sy_build_ids(struct build *b, const struct wire_list *texts, uint32_t *ret_len)
{
    sy_sid *ids = sy_build_array(b, texts->len, sizeof(*ids));
    const struct wire_text *text;

    *ret_len = 0;
    if (!ids)
        return NULL;
    WIRE_FOREACH (text, texts)
        ids[(*ret_len)++] = sy_build_id(b, text->s);
    return ids;
}

sy_sid *sy_build_id_set(struct build *b, const struct wire_list *texts, uint32_t *ret_len)
{
    sy_sid *ids = sy_build_ids(b, texts, ret_len);

    if (ids)
        *ret_len = sy_sids_sort(ids, *ret_len);
    return ids;
}

struct sy_labels sy_build_labels(struct build *b, const struct wire_list *pairs)
{
    struct sy_label *p = sy_build_array(b, pairs->len, sizeof(*p));
    const struct wire_pair *pair;
    uint32_t len = 0;

    if (!p)
        return (struct sy_labels){0};
    WIRE_FOREACH (pair, pairs)
        p[len++] = (struct sy_label){sy_build_id(b, pair->key), sy_build_id(b, pair->value)};
    return (struct sy_labels){p, sy_labels_sort(p, len)};
}

static bool is_wanted(const char *const *keys, struct sy_str key)
{
    for (; keys && *keys; keys++) {
        if (sy_str_eqz(key, *keys))
            return true;
    }
    return false;
}

struct sy_labels sy_build_annotations(struct build *b, const struct wire_list *pairs)
{
    const char *const *keys = b->d->annotation_keys;
    const struct wire_pair *pair;
    uint32_t wanted = 0, len = 0;

    if (!keys || !*keys)
        return (struct sy_labels){0};
    WIRE_FOREACH (pair, pairs)
        wanted += is_wanted(keys, pair->key);
    struct sy_label *p = sy_build_array(b, wanted, sizeof(*p));
    if (!p)
        return (struct sy_labels){0};
    WIRE_FOREACH (pair, pairs) {
        if (is_wanted(keys, pair->key))
            p[len++] = (struct sy_label){sy_build_id(b, pair->key), sy_build_id(b, pair->value)};
    }
    return (struct sy_labels){p, sy_labels_sort(p, len)};
}

struct sy_amounts sy_build_amounts(struct build *b, const struct wire_list *pairs)
{
    struct sy_amount *p = sy_build_array(b, pairs->len, sizeof(*p));
    const struct wire_pair *pair;
    uint32_t len = 0;

    if (!p)
        return (struct sy_amounts){0};
    WIRE_FOREACH (pair, pairs) {
        struct sy_amount *to = &p[len];
        enum sy_quantity_scale scale = SY_SCALE_UNIT;
        if (sy_str_eq(pair->key, SY_STR("cpu"))) {
            to->resource = b->d->names.cpu;
            scale = SY_SCALE_MILLI;
        } else if (sy_str_eq(pair->key, SY_STR("memory"))) {
            to->resource = b->d->names.memory;
        } else {
            to->resource = sy_build_id(b, pair->key);
        }
        int r = sy_quantity_parse(pair->value, scale, &to->amount, NULL);
        b->d->odd_values += r < 0;
        len += r == 0 || r == -ERANGE;
    }
    return (struct sy_amounts){p, sy_amounts_sort(p, len)};
}

static uint8_t operator_of(struct sy_str s, bool node_operators)
{
    static const struct {
        struct sy_str text;
        uint8_t op;
    } operators[] = {
        {{"In", 2}, SY_OP_IN},         {{"NotIn", 5}, SY_OP_NOT_IN},
        {{"Exists", 6}, SY_OP_EXISTS}, {{"DoesNotExist", 12}, SY_OP_DOES_NOT_EXIST},
        {{"Gt", 2}, SY_OP_GT},         {{"Lt", 2}, SY_OP_LT},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(operators) - (node_operators ? 0 : 2); i++) {
        if (sy_str_eq(s, operators[i].text))
            return operators[i].op;
    }
    return SY_OP_INVALID;
}

static struct sy_requirement requirement(struct build *b, const struct wire_requirement *from,
                                         bool node_operators)
{
    struct sy_requirement req = {
        .key = sy_build_id(b, from->key),
        .op = operator_of(from->op, node_operators),
    };

    req.values = sy_build_id_set(b, &from->values, &req.values_len);
    return req;
}

static int requirement_cmp(const void *pa, const void *pb)
{
    const struct sy_requirement *a = pa, *b = pb;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->op != b->op)
        return a->op < b->op ? -1 : 1;
    if (a->values_len != b->values_len)
        return a->values_len < b->values_len ? -1 : 1;
    for (uint32_t i = 0; i < a->values_len; i++) {
        if (a->values[i] != b->values[i])
            return a->values[i] < b->values[i] ? -1 : 1;
    }
    return 0;
}

struct sy_selector sy_build_selector(struct build *b, const struct wire_selector *s)
{
    const struct wire_requirement *expression;
    struct sy_selector ret = {0};

    if (!s)
        return (struct sy_selector){.is_nil = true};
    struct sy_labels labels = sy_build_labels(b, &s->labels);
    size_t count = (size_t)labels.len + s->expressions.len;
    struct sy_requirement *reqs = sy_build_array(b, count, sizeof(*reqs));
    if (!reqs)
        return ret;
    for (uint32_t i = 0; i < labels.len; i++) {
        reqs[ret.len++] = (struct sy_requirement){
            .key = labels.p[i].key,
            .op = SY_OP_IN,
            .values = &labels.p[i].value,
            .values_len = 1,
        };
    }
    WIRE_FOREACH (expression, &s->expressions)
        reqs[ret.len++] = requirement(b, expression, false);
    if (b->code)
        return (struct sy_selector){0};
    for (uint32_t i = 0; i < ret.len; i++) {
        sy_requirement_check(&reqs[i], b->d->strings);
        if (reqs[i].op == SY_OP_INVALID)
            return (struct sy_selector){.is_invalid = true};
    }
    if (ret.len > 1)
        qsort(reqs, ret.len, sizeof(*reqs), requirement_cmp);
    ret.reqs = reqs;
    return ret;
}

struct sy_node_term sy_build_node_term(struct build *b, const struct wire_node_term *term)
{
    struct sy_node_term ret = {0};
    const struct wire_requirement *from;

    if (!term)
        return ret;
    struct sy_requirement *exprs = sy_build_array(b, term->expressions.len, sizeof(*exprs));
    struct sy_requirement *fields = sy_build_array(b, term->fields.len, sizeof(*fields));
    if (b->code)
        return ret;
    WIRE_FOREACH (from, &term->expressions) {
        struct sy_requirement *req = &exprs[ret.exprs_len++];
        *req = requirement(b, from, true);
        if (b->code)
            return (struct sy_node_term){0};
        /* Upstream counts the values before it drops repeats. */
        if ((req->op == SY_OP_GT || req->op == SY_OP_LT) && from->values.len != 1)
            req->op = SY_OP_INVALID;
        sy_requirement_check(req, b->d->strings);
    }
    WIRE_FOREACH (from, &term->fields) {
        struct sy_requirement *req = &fields[ret.fields_len++];
        *req = requirement(b, from, true);
        if ((req->op != SY_OP_IN && req->op != SY_OP_NOT_IN) || from->values.len != 1)
            req->op = SY_OP_INVALID;
    }
    ret.exprs = exprs;
    ret.fields = fields;
    return ret;
}

uint8_t sy_build_effect(struct sy_str s)
{
    if (sy_str_eq(s, SY_STR("NoSchedule")))
        return SY_EFFECT_NO_SCHEDULE;
    if (sy_str_eq(s, SY_STR("PreferNoSchedule")))
        return SY_EFFECT_PREFER_NO_SCHEDULE;
    if (sy_str_eq(s, SY_STR("NoExecute")))
        return SY_EFFECT_NO_EXECUTE;
    return SY_EFFECT_NONE;
}

uint8_t sy_build_condition(const struct wire_list *conditions, struct sy_str type,
                           const struct wire_condition **ret)
{
    const struct wire_condition *c;

    WIRE_FOREACH (c, conditions) {
        if (sy_str_eq(c->type, type))
            break;
    }
    if (ret)
        *ret = c;
    if (!c)
        return SY_CONDITION_ABSENT;
    if (sy_str_eq(c->status, SY_STR("True")))
        return SY_CONDITION_TRUE;
    if (sy_str_eq(c->status, SY_STR("False")))
        return SY_CONDITION_FALSE;
    return SY_CONDITION_UNKNOWN;
}
