/* SPDX-License-Identifier: Apache-2.0
 *
 * What every object has (metav1.ObjectMeta), and metav1.Status. */
#include <errno.h>

#include "kube/decode.h"
#include "kube/decode_build.h"

/* JSON text dies with its tree, protobuf text lives as long as the input. */
static struct sy_str keep(struct build *b, enum sy_encoding enc, struct sy_str s)
{
    return enc == SY_ENCODING_JSON ? sy_build_text(b, s) : s;
}

int sy_decode_meta(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                   struct sy_meta *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct wire_object wire = {0};
    struct sy_meta meta = {0};
    const struct wire_pair *pair;
    int code = sy_wire_read(d, enc, &sy_wire_object, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "decoding an object's metadata");
    if (wire.metadata) {
        meta.name = keep(&b, enc, wire.metadata->name);
        meta.ns = keep(&b, enc, wire.metadata->ns);
        meta.uid = keep(&b, enc, wire.metadata->uid);
        meta.resource_version = keep(&b, enc, wire.metadata->resource_version);
        WIRE_FOREACH (pair, &wire.metadata->annotations) {
            if (sy_str_eq(pair->key, SY_STR("k8s.io/initial-events-end")))
                meta.initial_events_end = sy_str_eq(pair->value, SY_STR("true"));
        }
    }
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err),
                           "decoding an object's metadata");
    *ret = meta;
    return 0;
}

static uint32_t milliseconds(int64_t seconds)
{
    if (seconds <= 0)
        return 0;
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)seconds * 1000;
}

static bool is_status(enum sy_encoding enc, struct sy_str raw, const struct wire_status *wire)
{
    struct sy_str inner, kind = {0};

    if (enc == SY_ENCODING_JSON)
        return sy_str_eq(wire->kind, SY_STR("Status"));
    /* Inside a watch event the framer has stripped the envelope, and the kind with it. */
    return sy_wire_unwrap(raw, &inner, &kind, NULL) == 0 &&
           (!kind.len || sy_str_eq(kind, SY_STR("Status")));
}

int sy_decode_status(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                     struct sy_status *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct wire_status wire = {0};
    const struct wire_cause *cause;
    int code = sy_wire_read(d, enc, &sy_wire_status, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "decoding a status");
    if (!is_status(enc, raw, &wire))
        return sy_err_set(err, -EBADMSG, "decoding a status: it is of another kind");
    struct sy_status status = {
        .code = (int)wire.code,
        .reason = keep(&b, enc, wire.reason),
        .message = keep(&b, enc, wire.message),
    };
    if (wire.details) {
        status.retry_after_ms = milliseconds(wire.details->retry_after_s);
        WIRE_FOREACH (cause, &wire.details->causes) {
            /* The message alone is what servers before 1.20 send. */
            status.resource_version_too_large |=
                sy_str_eq(cause->reason, SY_STR("ResourceVersionTooLarge")) ||
                sy_str_eq(cause->message, SY_STR("Too large resource version"));
        }
    }
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "decoding a status");
    *ret = status;
    return 0;
}
