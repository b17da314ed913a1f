/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/catch_up.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "kube/lease.h"

enum { OBJECT_MAX_BYTES = 16 << 20, READ_TIMEOUT_MS = 5000 };
static const int64_t POLL_NS = 10 * SY_NS_PER_MS;
static const int64_t AGAIN_NS = SY_NS_PER_S / 2;
/* Longer than the short watch that it asks for. */
static const int64_t HURRY_NS = 5 * SY_NS_PER_S;

/* Outlives its owner until the client has called back. */
struct item {
    struct sy_catch_up *owner; /* NULL: abandoned */
    struct sy_reflector *reflector;
    const char *path;
    const char *query;
    char at_least[SY_LEASE_ID_MAX + 1]; /* "": not known yet */
    bool is_done;
    sy_http_id call;
    sy_time_ns ask_at, hurry_at;
};

struct sy_catch_up {
    struct sy_kube *k;
    SY_VEC(struct item *) items;
    struct sy_timer *timer;
    void (*on_progress)(void *arg);
    void *arg;
};

static int skip_object(void *arg SY_UNUSED, enum sy_event_type type SY_UNUSED,
                       struct sy_str raw SY_UNUSED)
{
    return 0;
}

/* The list's resourceVersion; false when the answer is none. */
static bool read_version(const struct sy_kube_result *result, char *ret, size_t room)
{
    struct sy_framer *f =
        sy_list_framer_new(result->body_is_protobuf ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON,
                           OBJECT_MAX_BYTES, skip_object, NULL);
    struct sy_err err;
    bool is_read = sy_framer_feed(f, result->body, &err) == 0 && sy_framer_finish(f, &err) == 0;
    struct sy_str version = is_read ? sy_framer_list_meta(f).resource_version : (struct sy_str){0};

    is_read = version.len && version.len < room;
    if (is_read)
        snprintf(ret, room, SY_STR_FMT, SY_STR_ARG(version));
    sy_framer_free(f);
    return is_read;
}

static void on_read(void *arg, const struct sy_kube_result *result)
{
    struct item *i = arg;

    i->call = 0;
    if (!i->owner) {
        free(i);
        return;
    }
    i->is_done = result->http_status == 403 || result->http_status == 404;
    if (result->code || !read_version(result, i->at_least, sizeof(i->at_least)))
        i->ask_at = sy_clock_boot_ns() + AGAIN_NS;
    sy_timer_arm(i->owner->timer, 0);
}

static void ask(struct item *i)
{
    struct sy_kube *k = i->owner->k;
    char *path SY_CLEANUP(sy_freep) = i->query ? sy_xasprintf("%s?%s&limit=1", i->path, i->query)
                                               : sy_xasprintf("%s?limit=1", i->path);
    struct sy_err err;
    struct sy_kube_call call = {
        .method = "GET",
        .path = path,
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .timeout_ms = READ_TIMEOUT_MS,
        .is_urgent = true,
        .on_done = on_read,
        .arg = i,
    };

    if (sy_kube_send(k, &call, &i->call, &err)) {
        i->call = 0;
        i->ask_at = sy_clock_boot_ns() + AGAIN_NS;
    }
}

static bool is_reached(const struct item *i)
{
    const char *at = sy_reflector_version(i->reflector);
    bool is_known;
    int order = sy_lease_compare_versions(at, i->at_least, &is_known);

    return *at && (!is_known || order >= 0);
}

static void step(struct item *i, sy_time_ns now)
{
    if (i->is_done || i->call)
        return;
    if (!i->at_least[0]) {
        if (now >= i->ask_at)
            ask(i);
    } else if (is_reached(i)) {
        i->is_done = true;
    } else if (now >= i->hurry_at) {
        i->hurry_at = now + HURRY_NS;
        sy_reflector_hurry(i->reflector);
    }
}

static void on_timer(void *arg)
{
    struct sy_catch_up *c = arg;
    sy_time_ns now = sy_clock_boot_ns();
    bool has_ended = false;

    for (size_t n = 0; n < c->items.len; n++) {
        bool was_done = c->items.p[n]->is_done;
        step(c->items.p[n], now);
        has_ended |= c->items.p[n]->is_done != was_done;
    }
    if (sy_catch_up_waits_for(c))
        sy_timer_arm(c->timer, POLL_NS);
    else
        has_ended = true;
    if (has_ended)
        c->on_progress(c->arg);
}

struct sy_catch_up *sy_catch_up_new(struct sy_kube *k, void (*on_progress)(void *arg), void *arg)
{
    struct sy_catch_up *c = sy_xcalloc(1, sizeof(*c));

    c->k = k;
    c->on_progress = on_progress;
    c->arg = arg;
    c->timer = sy_timer_new(sy_kube_loop(k), on_timer, c);
    return c;
}

void sy_catch_up_free(struct sy_catch_up *c)
{
    if (!c)
        return;
    for (size_t n = 0; n < c->items.len; n++) {
        struct item *i = c->items.p[n];
        if (i->call) {
            i->owner = NULL;
            sy_kube_cancel(c->k, i->call);
        } else {
            free(i);
        }
    }
    sy_vec_done(&c->items);
    sy_timer_free(c->timer);
    free(c);
}

void sy_catch_up_add(struct sy_catch_up *c, struct sy_reflector *r, const char *path,
                     const char *query, const char *at_least)
{
    struct item *i = sy_xcalloc(1, sizeof(*i));

    i->owner = c;
    i->reflector = r;
    i->path = path;
    i->query = query;
    /* A change of its own that comes soon makes a hurried watch needless. */
    if (at_least) {
        snprintf(i->at_least, sizeof(i->at_least), "%s", at_least);
        i->hurry_at = sy_clock_boot_ns() + AGAIN_NS;
    }
    sy_vec_push(&c->items, i);
    sy_timer_arm(c->timer, 0);
}

const char *sy_catch_up_waits_for(const struct sy_catch_up *c)
{
    for (size_t n = 0; n < c->items.len; n++) {
        if (!c->items.p[n]->is_done)
            return c->items.p[n]->path;
    }
    return NULL;
}
