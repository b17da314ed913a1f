/* SPDX-License-Identifier: Apache-2.0
 *
 * Framers of Kubernetes protobuf: length-delimited watch events, and lists cut up while they
 * arrive. */
#include <errno.h>

#include "kube/decode_wire.h"
#include "kube/frame_impl.h"
#include "kube/pb.h"

enum pb_phase {
    PHASE_START,   /* list: "k8s\0"; watch: the length of a frame */
    PHASE_TAG,     /* a field's number and type */
    PHASE_VARINT,  /* a number that nobody wants */
    PHASE_LENGTH,  /* of a field */
    PHASE_SKIP,    /* `left` bytes */
    PHASE_CAPTURE, /* `left` bytes that are wanted */
};

enum {
    EVENT_TYPE = 1, /* metav1.WatchEvent */
    EVENT_OBJECT = 2,
    EXTENSION_RAW = 1,     /* runtime.RawExtension */
    UNKNOWN_TYPE_META = 1, /* runtime.Unknown */
    UNKNOWN_RAW = 2,
    TYPE_META_KIND = 2,
    LIST_METADATA = 1, /* any v1.XList */
    LIST_ITEMS = 2,
};

enum { START_BYTES = 4, SMALL_MESSAGE_MAX = 64 << 10 };

static const char magic[START_BYTES] = "k8s";

static int malformed(struct sy_err *err)
{
    return sy_err_set(err, -EBADMSG, "malformed protobuf from the server");
}

/* Takes n bytes off the front. */
static struct sy_str take(struct sy_str *s, size_t n)
{
    struct sy_str front = {s->p, n};

    s->p += n;
    s->len -= n;
    return front;
}

/* Collects the first `want` bytes of something in pb->bytes. True when they are there. */
static bool collect(struct frame_pb *pb, struct sy_str *piece, size_t want)
{
    size_t n = want - pb->bytes_len;

    if (n > piece->len)
        n = piece->len;
    struct sy_str part = take(piece, n);
    memcpy(pb->bytes + pb->bytes_len, part.p, n);
    pb->bytes_len += (uint8_t)n;
    return pb->bytes_len == want;
}

/* Collects `pb->left` bytes: *ret is all of them, in the piece or in f->buf. 1 when they are there,
 * 0 when more must come, or an error. The caller calls sy_frame_forget() after use. */
static int capture(struct sy_framer *f, struct sy_str *piece, struct sy_str *ret,
                   struct sy_err *err)
{
    struct frame_pb *pb = &f->pb;

    if (!f->buf.len && piece->len >= pb->left) {
        *ret = take(piece, (size_t)pb->left);
        pb->left = 0;
        return 1;
    }
    size_t n = piece->len < pb->left ? piece->len : (size_t)pb->left;
    int code = sy_frame_keep(f, take(piece, n), f->buf.len + (size_t)pb->left, err);
    if (code < 0)
        return code;
    pb->left -= n;
    if (pb->left)
        return 0;
    *ret = sy_buf_str(&f->buf);
    return 1;
}

/* ---- watch ----------------------------------------------------------------------------------- */

static int event(struct sy_framer *f, struct sy_str frame, struct sy_err *err)
{
    struct sy_str type_name = {0}, object = {0};
    enum sy_event_type type;
    struct sy_pb_field field;

    /* Events come bare; an envelope is taken, too. */
    if (sy_wire_unwrap(frame, &frame, NULL, err) < 0)
        return -EBADMSG;
    struct sy_pb r = sy_pb_of(frame);
    while (sy_pb_next(&r, &field)) {
        if (field.number == EVENT_TYPE && field.type == SY_PB_BYTES)
            type_name = field.bytes;
        if (field.number != EVENT_OBJECT || field.type != SY_PB_BYTES)
            continue;
        struct sy_pb extension = sy_pb_of(field.bytes);
        while (sy_pb_next(&extension, &field)) {
            if (field.number == EXTENSION_RAW && field.type == SY_PB_BYTES)
                object = field.bytes;
        }
        r.bad |= extension.bad;
    }
    if (r.bad)
        return malformed(err);
    int code = sy_frame_event_type(type_name, &type, err);
    if (code < 0)
        return code;
    if (!sy_str_starts(object, (struct sy_str){magic, START_BYTES}))
        return sy_err_set(err, -EBADMSG, "watch event without a protobuf object");
    code = sy_wire_unwrap(object, &object, NULL, err);
    return code < 0 ? code : sy_frame_deliver(f, type, object, err);
}

static int feed_watch(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    struct frame_pb *pb = &f->pb;

    while (piece.len) {
        if (pb->phase == PHASE_START) {
            if (!collect(pb, &piece, START_BYTES))
                return 0;
            const uint8_t *h = pb->bytes;
            pb->left = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
            pb->bytes_len = 0;
            if (!pb->left)
                return sy_err_set(err, -EBADMSG, "empty watch frame");
            if (pb->left > f->buf.cap)
                return sy_frame_too_large(f, (size_t)pb->left, err);
            pb->phase = PHASE_CAPTURE;
            continue;
        }
        struct sy_str frame;
        int code = capture(f, &piece, &frame, err);
        if (code <= 0)
            return code;
        code = event(f, frame, err);
        if (code < 0)
            return code;
        sy_frame_forget(f);
        pb->phase = PHASE_START;
    }
    return 0;
}

/* ---- list ------------------------------------------------------------------------------------ */

/* 1 when a whole varint has come, 0 when more must come, or an error. Inside raw its bytes are
 * counted off. */
static int list_varint(struct frame_pb *pb, struct sy_str *piece, uint64_t *ret, struct sy_err *err)
{
    while (piece->len) {
        if (pb->in_raw && !pb->raw_left)
            return malformed(err);
        pb->raw_left -= pb->in_raw;
        pb->bytes[pb->bytes_len++] = (uint8_t)take(piece, 1).p[0];
        if (pb->bytes[pb->bytes_len - 1] >= 0x80 && pb->bytes_len < SY_PB_VARINT_MAX)
            continue;
        int n = sy_pb_varint(pb->bytes, pb->bytes_len, ret);
        pb->bytes_len = 0;
        return n > 0 ? 1 : malformed(err);
    }
    return 0;
}

static void next_field(struct frame_pb *pb)
{
    pb->phase = PHASE_TAG;
    if (pb->in_raw && !pb->raw_left)
        pb->in_raw = false;
}

/* `bytes` more belong to the field being read. */
static int claim(struct frame_pb *pb, uint64_t bytes, struct sy_err *err)
{
    if (pb->in_raw) {
        if (bytes > pb->raw_left)
            return malformed(err);
        pb->raw_left -= bytes;
    }
    pb->left = bytes;
    return 0;
}

static int list_tag(struct frame_pb *pb, uint64_t tag, struct sy_err *err)
{
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return malformed(err);
    pb->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case SY_PB_VARINT:
        pb->phase = PHASE_VARINT;
        return 0;
    case SY_PB_BYTES:
        pb->phase = PHASE_LENGTH;
        return 0;
    case SY_PB_FIXED64:
    case SY_PB_FIXED32:
        pb->phase = PHASE_SKIP;
        pb->number = 0;
        return claim(pb, (tag & 7) == SY_PB_FIXED64 ? 8 : 4, err);
    default:
        return malformed(err);
    }
}

static int list_length(struct sy_framer *f, uint64_t length, struct sy_err *err)
{
    struct frame_pb *pb = &f->pb;

    if (!pb->in_raw && pb->number == UNKNOWN_RAW) {
        if (pb->seen_raw)
            return malformed(err);
        pb->seen_raw = true;
        pb->in_raw = true;
        pb->raw_left = length;
        next_field(pb);
        return 0;
    }
    if (claim(pb, length, err) < 0)
        return -EBADMSG;
    bool is_item = pb->in_raw && pb->number == LIST_ITEMS;
    bool is_small = pb->in_raw ? pb->number == LIST_METADATA : pb->number == UNKNOWN_TYPE_META;
    if (is_item && length > f->max_object_bytes)
        return sy_frame_too_large(f, (size_t)length, err);
    if (is_small && length > SMALL_MESSAGE_MAX)
        return malformed(err);
    pb->phase = is_item || is_small ? PHASE_CAPTURE : PHASE_SKIP;
    return 0;
}

static int check_kind(struct sy_str type_meta, struct sy_err *err)
{
    struct sy_pb r = sy_pb_of(type_meta);
    struct sy_pb_field field;
    struct sy_str kind = {0};

    while (sy_pb_next(&r, &field)) {
        if (field.number == TYPE_META_KIND && field.type == SY_PB_BYTES)
            kind = field.bytes;
    }
    if (r.bad)
        return malformed(err);
    if (kind.len && (kind.len < 4 || memcmp(kind.p + kind.len - 4, "List", 4) != 0))
        return sy_err_set(err, -EBADMSG, "the answer is a \"" SY_STR_FMT "\" and not a list",
                          SY_STR_ARG(kind));
    return 0;
}

static int list_captured(struct sy_framer *f, struct sy_str raw, struct sy_err *err)
{
    if (!f->pb.in_raw)
        return check_kind(raw, err);
    if (f->pb.number == LIST_METADATA)
        return sy_frame_list_meta(f, raw, err);
    return sy_frame_deliver(f, SY_EVENT_ADDED, raw, err);
}

/* One step; 0 when more bytes must come, 1 to go on, or an error. */
static int list_step(struct sy_framer *f, struct sy_str *piece, struct sy_err *err)
{
    struct frame_pb *pb = &f->pb;
    struct sy_str raw;
    uint64_t value;
    int code;

    switch (pb->phase) {
    case PHASE_START:
        if (!collect(pb, piece, START_BYTES))
            return 0;
        if (memcmp(pb->bytes, magic, START_BYTES) != 0)
            return sy_err_set(err, -EBADMSG, "the answer is not Kubernetes protobuf");
        pb->bytes_len = 0;
        pb->phase = PHASE_TAG;
        return 1;
    case PHASE_TAG:
        code = list_varint(pb, piece, &value, err);
        if (code <= 0)
            return code;
        code = list_tag(pb, value, err);
        return code < 0 ? code : 1;
    case PHASE_VARINT:
        code = list_varint(pb, piece, &value, err);
        if (code > 0)
            next_field(pb);
        return code;
    case PHASE_LENGTH:
        code = list_varint(pb, piece, &value, err);
        if (code <= 0)
            return code;
        code = list_length(f, value, err);
        return code < 0 ? code : 1;
    case PHASE_SKIP: {
        size_t n = piece->len < pb->left ? piece->len : (size_t)pb->left;
        take(piece, n);
        pb->left -= n;
        if (pb->left)
            return 0;
        next_field(pb);
        return 1;
    }
    default:
        code = capture(f, piece, &raw, err);
        if (code <= 0)
            return code;
        code = list_captured(f, raw, err);
        if (code < 0)
            return code;
        sy_frame_forget(f);
        next_field(pb);
        return 1;
    }
}

static bool is_step_without_input(const struct frame_pb *pb)
{
    return !pb->left && (pb->phase == PHASE_CAPTURE || pb->phase == PHASE_SKIP);
}

static int feed_list(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    /* An empty field ends where its length does, even at the end of a piece. */
    while (piece.len || is_step_without_input(&f->pb)) {
        int code = list_step(f, &piece, err);
        if (code < 0)
            return code;
    }
    return 0;
}

int sy_frame_feed_pb(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    return f->is_list ? feed_list(f, piece, err) : feed_watch(f, piece, err);
}

int sy_frame_finish_pb(const struct sy_framer *f, struct sy_err *err)
{
    const struct frame_pb *pb = &f->pb;

    if (!f->is_list && (pb->phase != PHASE_START || pb->bytes_len))
        return sy_err_set(err, -EBADMSG, "the watch ended inside an event");
    if (f->is_list && (pb->phase != PHASE_TAG || pb->bytes_len || pb->in_raw || !pb->seen_raw))
        return sy_err_set(err, -EBADMSG, "the list ended before its end");
    return 0;
}
