/* SPDX-License-Identifier: Apache-2.0
 *
 * Framers: cut what arrives, at any byte boundary, into single objects, so that memory stays at one
 * object. A list framer slices items[] of a List; a watch framer slices events. Both speak JSON and
 * Kubernetes protobuf. There a list is "k8s\0" + runtime.Unknown, whose raw field is the list; a
 * watch frame is 4 bytes of length, big endian, then a bare metav1.WatchEvent, whose object is in
 * an envelope. Bytes of any kind are safe to feed. Cost: O(bytes), and no copy of an object that
 * lies in one piece. One thread per framer. Source:
 * k8s.io/apimachinery/pkg/runtime/serializer/protobuf, pkg/util/framer, k8s.io/client-go/rest/watch
 * (v0.37.2). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "kube/decode.h"

enum sy_event_type {
    SY_EVENT_ADDED,
    SY_EVENT_MODIFIED,
    SY_EVENT_DELETED,
    SY_EVENT_BOOKMARK,
    SY_EVENT_ERROR
};

/* Called once per object. raw: the object's bytes without envelope, valid during the call; for
 * SY_EVENT_ERROR a metav1.Status. Return 0 or a negative errno, which ends the feed with it. Must
 * not feed or free the framer. */
typedef int sy_frame_fn(void *arg, enum sy_event_type type, struct sy_str raw);

struct sy_framer;

/* max_object_bytes: an object over it ends the feed with -E2BIG and says its size. fn and arg are
 * borrowed. Free with sy_framer_free(), NULL allowed. */
struct sy_framer *sy_watch_framer_new(enum sy_encoding enc, size_t max_object_bytes,
                                      sy_frame_fn *fn, void *arg);
/* Items come as SY_EVENT_ADDED. */
struct sy_framer *sy_list_framer_new(enum sy_encoding enc, size_t max_object_bytes, sy_frame_fn *fn,
                                     void *arg);
void sy_framer_free(struct sy_framer *f);
/* Feeds the next bytes. 0, -EBADMSG, -E2BIG, -ENOMEM, or what fn returned (with fn's own message,
 * when it has put one with that code into err); after an error the framer only answers that error.
 * Objects before the fault have been handed out. */
int sy_framer_feed(struct sy_framer *f, struct sy_str piece, struct sy_err *err) SY_NODISCARD;
/* The input is over: -EBADMSG when it stopped inside an object or a list was not closed. */
int sy_framer_finish(struct sy_framer *f, struct sy_err *err) SY_NODISCARD;

/* Lists: metadata.resourceVersion and metadata.continue, known after finish (metadata comes first,
 * usually, but any order is accepted). Borrowed until free. Empty for watches. */
struct sy_list_meta {
    struct sy_str resource_version;
    struct sy_str continue_token;
};
struct sy_list_meta sy_framer_list_meta(const struct sy_framer *f);
