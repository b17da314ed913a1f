/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, feeding and ending framers; the encodings are next door. */
#include "kube/frame.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kube/decode_wire.h"
#include "kube/frame_impl.h"

enum {
    KEEP_BUFFER_BYTES = 1 << 20, /* a buffer larger than this is freed after use */
    /* Type, envelope and lengths around the object of a protobuf event. */
    EVENT_OVERHEAD_BYTES = 1024,
    LIST_META_SCRATCH_BYTES = 1 << 20,
};

static struct sy_framer *framer_new(enum sy_encoding enc, bool is_list, size_t max_object_bytes,
                                    sy_frame_fn *fn, void *arg)
{
    struct sy_framer *f = sy_xcalloc(1, sizeof(*f));

    f->enc = enc;
    f->is_list = is_list;
    f->max_object_bytes = max_object_bytes < SIZE_MAX / 4 ? max_object_bytes : SIZE_MAX / 4;
    f->fn = fn;
    f->arg = arg;
    sy_buf_init(&f->buf, f->max_object_bytes + EVENT_OVERHEAD_BYTES);
    return f;
}

struct sy_framer *sy_watch_framer_new(enum sy_encoding enc, size_t max_object_bytes,
                                      sy_frame_fn *fn, void *arg)
{
    return framer_new(enc, false, max_object_bytes, fn, arg);
}

struct sy_framer *sy_list_framer_new(enum sy_encoding enc, size_t max_object_bytes, sy_frame_fn *fn,
                                     void *arg)
{
    return framer_new(enc, true, max_object_bytes, fn, arg);
}

void sy_framer_free(struct sy_framer *f)
{
    if (!f)
        return;
    sy_buf_done(&f->buf);
    free(f->meta_text);
    free(f);
}

/* Keeps the first error for ever. */
static int settle(struct sy_framer *f, int code, struct sy_err *mine, struct sy_err *err)
{
    if (code >= 0)
        return 0;
    f->code = code;
    f->err = *mine;
    sy_buf_done(&f->buf);
    if (err)
        *err = *mine;
    return code;
}

int sy_framer_feed(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    struct sy_err mine = {0};

    if (f->code) {
        if (err)
            *err = f->err;
        return f->code;
    }
    if (!piece.len)
        return 0;
    int code = f->enc == SY_ENCODING_JSON ? sy_frame_feed_json(f, piece, &mine)
                                          : sy_frame_feed_pb(f, piece, &mine);
    if (code < 0 && !mine.code) {
        if (err && err->code == code)
            mine = *err;
        else
            sy_err_set(&mine, code, "an object was refused");
    }
    return settle(f, code, &mine, err);
}

int sy_framer_finish(struct sy_framer *f, struct sy_err *err)
{
    struct sy_err mine = {0};

    if (f->code) {
        if (err)
            *err = f->err;
        return f->code;
    }
    int code =
        f->enc == SY_ENCODING_JSON ? sy_frame_finish_json(f, &mine) : sy_frame_finish_pb(f, &mine);
    return settle(f, code, &mine, err);
}

struct sy_list_meta sy_framer_list_meta(const struct sy_framer *f)
{
    return f->list_meta;
}

/* ---- for the encodings ----------------------------------------------------------------------- */

int sy_frame_too_large(const struct sy_framer *f, size_t size, struct sy_err *err)
{
    return sy_err_set(err, -E2BIG, "an object of at least %zu bytes is over the limit of %zu", size,
                      f->max_object_bytes);
}

int sy_frame_deliver(struct sy_framer *f, enum sy_event_type type, struct sy_str raw,
                     struct sy_err *err)
{
    if (raw.len > f->max_object_bytes)
        return sy_frame_too_large(f, raw.len, err);
    int code = f->fn(f->arg, type, raw);
    return code < 0 ? code : 0;
}

int sy_frame_keep(struct sy_framer *f, struct sy_str part, size_t size, struct sy_err *err)
{
    size_t before = f->buf.len;
    int code = sy_buf_add(&f->buf, part.p, part.len);

    if (code == -E2BIG)
        return sy_frame_too_large(f, size > before + part.len ? size : before + part.len, err);
    return code < 0 ? sy_err_set(err, code, "out of memory for an object of at least %zu bytes",
                                 before + part.len)
                    : 0;
}

void sy_frame_forget(struct sy_framer *f)
{
    if (f->buf.room > KEEP_BUFFER_BYTES)
        sy_buf_done(&f->buf);
    else
        sy_buf_reset(&f->buf);
}

int sy_frame_event_type(struct sy_str name, enum sy_event_type *ret, struct sy_err *err)
{
    static const char *const names[] = {
        [SY_EVENT_ADDED] = "ADDED",     [SY_EVENT_MODIFIED] = "MODIFIED",
        [SY_EVENT_DELETED] = "DELETED", [SY_EVENT_BOOKMARK] = "BOOKMARK",
        [SY_EVENT_ERROR] = "ERROR",
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(names); i++) {
        if (sy_str_eqz(name, names[i])) {
            *ret = (enum sy_event_type)i;
            return 0;
        }
    }
    return sy_err_set(err, -EBADMSG, "watch event of unknown type \"" SY_STR_FMT "\"",
                      SY_STR_ARG(name));
}

int sy_frame_list_meta(struct sy_framer *f, struct sy_str raw, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct wire_list_metadata wire = {0};
    struct sy_decode d = {0};

    sy_arena_init(&d.arena, LIST_META_SCRATCH_BYTES);
    sy_arena_init(&d.scratch, LIST_META_SCRATCH_BYTES);
    int code = sy_wire_read(&d, f->enc, &sy_wire_list_metadata, raw, &wire, &tree, err);
    sy_arena_done(&d.scratch);
    if (code < 0)
        return sy_err_wrap(err, code, "the list's metadata");
    size_t rv_len = wire.resource_version.len, continue_len = wire.continue_token.len;
    char *text = sy_try_malloc(rv_len + continue_len + 2);
    if (!text)
        return sy_err_set(err, -ENOMEM, "out of memory for the list's metadata");
    if (rv_len)
        memcpy(text, wire.resource_version.p, rv_len);
    text[rv_len] = '\0';
    if (continue_len)
        memcpy(text + rv_len + 1, wire.continue_token.p, continue_len);
    text[rv_len + 1 + continue_len] = '\0';
    free(f->meta_text);
    f->meta_text = text;
    f->list_meta = (struct sy_list_meta){
        .resource_version = {text, rv_len},
        .continue_token = {text + rv_len + 1, continue_len},
    };
    return 0;
}
