/* SPDX-License-Identifier: Apache-2.0
 *
 * What the framers of both encodings share. Private to kube/frame*. */
#pragma once

#include "kube/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* An enclosed value is at most this deep; json-c is asked for no more. */
enum { FRAME_JSON_DEPTH_MAX = 64 };

struct frame_json {
    uint8_t state;  /* enum json_state */
    uint8_t role;   /* enum json_role, of the value being read */
    bool in_string; /* inside a value */
    bool escaped;   /* the byte after a backslash comes next */
    bool word_too_long;
    bool seen_type;
    bool seen_object; /* an object waits for the end of its event */
    bool seen_items;
    uint8_t depth;   /* open brackets of the value */
    uint64_t arrays; /* bit per open bracket: it is [ */
    uint8_t word_len;
    char word[32]; /* the key, or a scalar */
    uint8_t type_len;
    char type[16];
    struct sy_str object; /* in this piece; when empty, in buf */
};

struct frame_pb {
    uint8_t phase;     /* enum pb_phase */
    uint8_t bytes_len; /* in `bytes`: magic, length or varint so far */
    uint8_t bytes[10];
    uint32_t number; /* of the field being read */
    uint64_t left;   /* bytes of it still to come */
    bool in_raw;     /* inside runtime.Unknown.raw */
    bool seen_raw;
    uint64_t raw_left; /* bytes of raw after the field being read */
};

struct sy_framer {
    enum sy_encoding enc;
    bool is_list;
    size_t max_object_bytes;
    sy_frame_fn *fn;
    void *arg;
    int code; /* sticky */
    struct sy_err err;
    struct sy_buf buf; /* the part of a value that came in earlier pieces */
    char *meta_text;   /* owned; what list_meta points into */
    struct sy_list_meta list_meta;
    union {
        struct frame_json json;
        struct frame_pb pb;
    };
};

/* Hands one object out. raw may lie in f->buf. */
int sy_frame_deliver(struct sy_framer *f, enum sy_event_type type, struct sy_str raw,
                     struct sy_err *err);
/* Appends to f->buf, for an object of which at least `size` bytes are known to come. */
int sy_frame_keep(struct sy_framer *f, struct sy_str part, size_t size, struct sy_err *err);
/* Empties f->buf and gives back what one giant object took. */
void sy_frame_forget(struct sy_framer *f);
int sy_frame_too_large(const struct sy_framer *f, size_t size, struct sy_err *err);
/* 0 or -EBADMSG, as upstream refuses other names. */
int sy_frame_event_type(struct sy_str name, enum sy_event_type *ret, struct sy_err *err);
/* Reads a ListMeta. */
int sy_frame_list_meta(struct sy_framer *f, struct sy_str raw, struct sy_err *err);

int sy_frame_feed_json(struct sy_framer *f, struct sy_str piece, struct sy_err *err);
int sy_frame_finish_json(const struct sy_framer *f, struct sy_err *err);
int sy_frame_feed_pb(struct sy_framer *f, struct sy_str piece, struct sy_err *err);
int sy_frame_finish_pb(const struct sy_framer *f, struct sy_err *err);
