/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps one resource in step with the API server: initial state, then changes, for ever; heals
 * itself from every fault. Semantics of client-go's reflector (tools/cache/reflector.go, v0.37):
 * watch-list when served (sendInitialEvents, ended by the annotated bookmark), else LIST
 * (resourceVersion=0 first; pages of 500 when resourceVersion=""), then watch with bookmarks and
 * timeoutSeconds of 5-10 min; resume from the last resourceVersion; 410 and "too large resource
 * version" relist; 429 keeps the version and waits; refused connections back off without a relist;
 * backoff 0.8 s doubling to 30 s with jitter, reset after 2 min of health and when the
 * connection of a watch that stood breaks. Loop thread only. */
#pragma once

#include "kube/client.h"
#include "kube/frame.h"

struct sy_reflector;

struct sy_reflector_options {
    const char *path;  /* "/api/v1/pods" */
    const char *query; /* extra, e.g. "fieldSelector=status.phase%21%3DSucceeded"; NULL: none */
    enum sy_encoding encoding; /* PROTOBUF falls back to JSON when the server answers JSON */
    /* 0: 16 MiB; a larger object is skipped with a counter and a log line, one of more than four
     * times this ends the stream and is an error (etcd takes no more than about 1.5 MiB). */
    size_t max_object_bytes;
    uint64_t rng_seed;
    bool no_watch_list;
    /* One object, ADDED, MODIFIED or DELETED. In a (re)list, every object comes as ADDED between
     * on_replace_begin and on_replace_end (and as DELETED when it went away meanwhile); what the
     * owner holds and did not see again has been deleted. on_replace_begin may come again without
     * an end: the list broke off and starts anew. raw is valid during the call. A negative errno
     * skips the object (counted, logged); the stream goes on. None of the callbacks may free the
     * reflector. */
    int (*on_object)(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw);
    void (*on_replace_begin)(void *arg);
    void (*on_replace_end)(void *arg);
    /* Each error that makes it wait: for a log line and "retry in". NULL allowed. */
    void (*on_error)(void *arg, const struct sy_err *err, int64_t retry_in_ns);
    void *arg;
};

int sy_reflector_new(struct sy_kube *k, const struct sy_reflector_options *options,
                     struct sy_reflector **ret, struct sy_err *err) SY_NODISCARD;
void sy_reflector_start(struct sy_reflector *r);
void sy_reflector_free(struct sy_reflector *r);
/* Whether the first full state has been delivered. */
bool sy_reflector_is_synced(const struct sy_reflector *r);
/* Whether the watch is up (or was within the grace of a planned reconnect). */
bool sy_reflector_is_live(const struct sy_reflector *r);

/* The resourceVersion up to which all has been delivered, "" before the first state; and that of
 * the last change that a watch brought, "" when none has. Borrowed until the next turn. */
const char *sy_reflector_version(const struct sy_reflector *r);
const char *sy_reflector_last_change(const struct sy_reflector *r);
/* Opens the watch anew from where it is and for a few seconds only, so that the server says soon
 * how far that is: it sends a bookmark 2 s before the end of a watch (apiserver
 * storage/cacher/cache_watcher.go, v0.37). Nothing while there is no watch. */
void sy_reflector_hurry(struct sy_reflector *r);

struct sy_reflector_stats {
    uint64_t lists, watches, events, bookmarks, expired, errors, skipped_objects, bytes;
};
const struct sy_reflector_stats *sy_reflector_stats(const struct sy_reflector *r);
