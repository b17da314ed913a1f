/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf to wire structs: one walker over the field tables, and the envelope. */
#include <errno.h>

#include "kube/decode_wire.h"
#include "kube/pb.h"

/* Deeper than any message type here nests; the tables have no cycles, so this cannot be passed. */
enum { DEPTH_MAX = 16 };

/* 1678-01-01 to 2261-12-31, the years that sy_rfc3339_parse() takes. */
#define SECONDS_LEAST INT64_C(-9214560000)
#define SECONDS_MOST  INT64_C(9214646399)

enum envelope_field { UNKNOWN_TYPE_META = 1, UNKNOWN_RAW = 2, TYPE_META_KIND = 2 };

static int bad_message(struct sy_err *err)
{
    return sy_err_set(err, -EBADMSG, "malformed protobuf message");
}

/* A Quantity holds text in its field 1. */
static bool read_quantity(struct sy_str raw, struct sy_str *ret)
{
    struct sy_pb r = sy_pb_of(raw);
    struct sy_pb_field f;

    *ret = (struct sy_str){0};
    while (sy_pb_next(&r, &f)) {
        if (f.number != 1)
            continue;
        if (f.type != SY_PB_BYTES)
            return false;
        *ret = f.bytes;
    }
    return !r.bad;
}

/* The value of a map entry: text, or a Quantity. */
static bool read_pair(struct sy_str raw, bool is_quantity, struct wire_pair *ret)
{
    struct sy_pb r = sy_pb_of(raw);
    struct sy_pb_field f;

    while (sy_pb_next(&r, &f)) {
        if (f.number > 2)
            continue;
        if (f.type != SY_PB_BYTES)
            return false;
        if (f.number == 1)
            ret->key = f.bytes;
        else if (!is_quantity)
            ret->value = f.bytes;
        else if (!read_quantity(f.bytes, &ret->value))
            return false;
    }
    return !r.bad;
}

/* metav1.Time: seconds = 1; nanos are not read, as upstream does not. */
static bool read_time(struct sy_decode *d, struct sy_str raw, int64_t *ret_wall_ns)
{
    struct sy_pb r = sy_pb_of(raw);
    struct sy_pb_field f;
    int64_t seconds = 0;

    while (sy_pb_next(&r, &f)) {
        if (f.number != 1)
            continue;
        if (f.type != SY_PB_VARINT)
            return false;
        seconds = (int64_t)f.value;
    }
    if (seconds < SECONDS_LEAST || seconds > SECONDS_MOST) {
        d->odd_values++;
        seconds = 0;
    }
    *ret_wall_ns = seconds * SY_NS_PER_S;
    return !r.bad;
}

static int64_t int32_of(struct sy_decode *d, uint64_t value)
{
    if ((int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX)
        return (int64_t)value;
    d->odd_values++;
    return 0;
}

static int walk(struct sy_decode *d, const struct wire_message *m, struct sy_str raw, char *out,
                int depth, struct sy_err *err);

static int walk_field(struct sy_decode *d, const struct wire_field *to, const struct sy_pb_field *f,
                      char *out, int depth, struct sy_err *err)
{
    void *slot = out + to->offset;
    bool is_number = to->kind == WIRE_INT32 || to->kind == WIRE_INT64 || to->kind == WIRE_BOOL ||
                     to->kind == WIRE_OPT_INT32 || to->kind == WIRE_OPT_INT64 ||
                     to->kind == WIRE_OPT_BOOL;

    if (f->type != (is_number ? SY_PB_VARINT : SY_PB_BYTES))
        return bad_message(err);
    switch (to->kind) {
    case WIRE_STR:
        *(struct sy_str *)slot = f->bytes;
        return 0;
    case WIRE_OPT_INT32:
        ((struct wire_opt_int *)slot)->is_set = true;
        ((struct wire_opt_int *)slot)->value = int32_of(d, f->value);
        return 0;
    case WIRE_OPT_INT64:
    case WIRE_OPT_BOOL:
        ((struct wire_opt_int *)slot)->is_set = true;
        ((struct wire_opt_int *)slot)->value =
            to->kind == WIRE_OPT_BOOL ? f->value != 0 : (int64_t)f->value;
        return 0;
    case WIRE_INT32:
        *(int64_t *)slot = int32_of(d, f->value);
        return 0;
    case WIRE_INT64:
        *(int64_t *)slot = (int64_t)f->value;
        return 0;
    case WIRE_BOOL:
        *(bool *)slot = f->value != 0;
        return 0;
    case WIRE_TIME:
        return read_time(d, f->bytes, slot) ? 0 : bad_message(err);
    case WIRE_QUANTITY:
    case WIRE_RAW_JSON: /* both have their text in field 1 */
        return read_quantity(f->bytes, slot) ? 0 : bad_message(err);
    case WIRE_STR_LIST:
    case WIRE_QUANTITY_LIST: {
        struct wire_text *text = sy_wire_append(d, slot, sizeof(*text));
        if (!text)
            return sy_wire_arena_error(&d->scratch, sizeof(*text));
        text->s = f->bytes;
        if (to->kind == WIRE_QUANTITY_LIST && !read_quantity(f->bytes, &text->s))
            return bad_message(err);
        return 0;
    }
    case WIRE_STR_MAP:
    case WIRE_QUANTITY_MAP: {
        struct wire_pair *pair = sy_wire_append(d, slot, sizeof(*pair));
        if (!pair)
            return sy_wire_arena_error(&d->scratch, sizeof(*pair));
        return read_pair(f->bytes, to->kind == WIRE_QUANTITY_MAP, pair) ? 0 : bad_message(err);
    }
    case WIRE_MSG_MAP: /* an entry is a message with the fields 1 and 2 */
    case WIRE_MSG_LIST: {
        void *item = sy_wire_append(d, slot, to->message->size);
        if (!item)
            return sy_wire_arena_error(&d->scratch, to->message->size);
        return walk(d, to->message, f->bytes, item, depth + 1, err);
    }
    case WIRE_MSG:
    case WIRE_INLINE: {
        /* A message that comes twice is merged. */
        void **message = slot;
        if (!*message)
            *message = sy_arena_alloc(&d->scratch, to->message->size);
        if (!*message)
            return sy_wire_arena_error(&d->scratch, to->message->size);
        return walk(d, to->message, f->bytes, *message, depth + 1, err);
    }
    default:
        return 0;
    }
}

static int walk(struct sy_decode *d, const struct wire_message *m, struct sy_str raw, char *out,
                int depth, struct sy_err *err)
{
    struct sy_pb r = sy_pb_of(raw);
    struct sy_pb_field f;

    if (depth > DEPTH_MAX)
        return bad_message(err);
    while (sy_pb_next(&r, &f)) {
        if (f.number >= m->fields_len || m->fields[f.number].kind == WIRE_SKIP)
            continue;
        int code = walk_field(d, &m->fields[f.number], &f, out, depth, err);
        if (code < 0)
            return code;
    }
    return r.bad ? bad_message(err) : 0;
}

int sy_wire_read_pb(struct sy_decode *d, const struct wire_message *m, struct sy_str raw, void *out,
                    struct sy_err *err)
{
    struct sy_str inner;
    int code = sy_wire_unwrap(raw, &inner, NULL, err);

    return code < 0 ? code : walk(d, m, inner, out, 0, err);
}

int sy_wire_unwrap(struct sy_str raw, struct sy_str *ret_raw, struct sy_str *ret_kind,
                   struct sy_err *err)
{
    struct sy_str inner = {0}, kind = {0};
    struct sy_pb_field f;

    /* No message starts with 'k': it would be a group. */
    if (!sy_str_starts(raw, SY_STR("k8s\0"))) {
        *ret_raw = raw;
        if (ret_kind)
            *ret_kind = kind;
        return 0;
    }
    struct sy_pb r = sy_pb_of((struct sy_str){raw.p + 4, raw.len - 4});
    while (sy_pb_next(&r, &f)) {
        if (f.number == UNKNOWN_RAW && f.type == SY_PB_BYTES)
            inner = f.bytes;
        if (f.number != UNKNOWN_TYPE_META || f.type != SY_PB_BYTES)
            continue;
        struct sy_pb type_meta = sy_pb_of(f.bytes);
        while (sy_pb_next(&type_meta, &f)) {
            if (f.number == TYPE_META_KIND && f.type == SY_PB_BYTES)
                kind = f.bytes;
        }
        r.bad |= type_meta.bad;
    }
    if (r.bad)
        return sy_err_set(err, -EBADMSG, "malformed protobuf envelope");
    *ret_raw = inner;
    if (ret_kind)
        *ret_kind = kind;
    return 0;
}
