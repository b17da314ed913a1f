/* SPDX-License-Identifier: Apache-2.0
 *
 * Each is PATCH, then DELETE, or one POST; all name the UID, so that none meets another pod of that
 * name and all may be repeated. A pod that is gone, or another by now, was what we wanted. */
#include "kube/actions_evict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/actions_body.h"

enum {
    IN_FLIGHT_MAX = 16, /* as many as kube-scheduler deletes side by side */
    BODY_MAX = 64 * 1024,
};

struct eviction {
    TAILQ_ENTRY(eviction) link;
    struct sy_evictions *owner; /* NULL: abandoned */
    char *ns;
    char *name;
    char *uid;
    char *message;
    int64_t generation;
    enum sy_evict_how how;
    sy_http_id call; /* 0: waits */
    bool is_marked;  /* the status is written; an eviction needs none of ours */
};
TAILQ_HEAD(eviction_list, eviction);

struct sy_evictions {
    struct sy_kube *k;
    struct sy_actions_stats *stats;
    sy_evict_failed_fn *on_failed;
    void *arg;
    struct eviction_list waiting;
    struct eviction_list sent;
    struct sy_timer *timer; /* something waits that may be sent, or fails */
    uint32_t len;
    uint32_t in_flight;
    bool is_paused;
};

static void eviction_free(struct eviction *v)
{
    free(v->ns);
    free(v->name);
    free(v->uid);
    free(v->message);
    free(v);
}

/* v is in no list any more. err: NULL when it came about. */
static void end(struct sy_evictions *e, struct eviction *v, const struct sy_err *err)
{
    e->len--;
    if (err) {
        e->stats->eviction_errors++;
        e->on_failed(e->arg, v->uid, err);
    } else {
        e->stats->evictions_done++;
    }
    eviction_free(v);
}

static void on_done(void *arg, const struct sy_kube_result *result);

static int send_step(struct sy_evictions *e, struct eviction *v, struct sy_err *err)
{
    struct sy_buf path SY_CLEANUP(sy_buf_done);
    struct sy_buf body SY_CLEANUP(sy_buf_done);

    sy_buf_init(&path, BODY_MAX);
    sy_buf_init(&body, BODY_MAX);
    if (e->is_paused)
        return sy_err_set(err, -ECANCELED, "evicting %s/%s: writing is paused", v->ns, v->name);
    sy_buf_adds(&path, "/api/v1/namespaces/");
    sy_body_segment(&path, v->ns);
    sy_buf_adds(&path, "/pods/");
    sy_body_segment(&path, v->name);
    if (v->how == SY_EVICT_BUDGETED) {
        sy_buf_adds(&path, "/eviction");
        sy_body_eviction(&body, v->ns, v->name, v->uid);
    } else if (v->is_marked) {
        sy_body_delete(&body, v->uid, v->how == SY_EVICT_FORCE);
    } else {
        sy_buf_adds(&path, "/status");
        sy_body_disruption(&body, v->uid, v->message, v->how == SY_EVICT_FORCE, sy_clock_wall_ns(),
                           v->generation);
    }
    if (path.failed || body.failed)
        return sy_err_set(err, -E2BIG, "the eviction of %.100s/%.100s is too large", v->ns,
                          v->name);
    struct sy_kube_call call = {
        .method = v->how == SY_EVICT_BUDGETED ? "POST"
                  : v->is_marked              ? "DELETE"
                                              : "PATCH",
        .path = path.p,
        .content_type =
            v->is_marked ? "application/json" : "application/strategic-merge-patch+json",
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = sy_buf_str(&body),
        .retry = v->how == SY_EVICT_BUDGETED ? SY_RETRY_NONE : SY_RETRY_SAFE,
        .on_done = on_done,
        .arg = v,
    };
    return sy_kube_send(e->k, &call, &v->call, err);
}

static void next(struct sy_evictions *e)
{
    if (!TAILQ_EMPTY(&e->waiting))
        sy_timer_arm(e->timer, 0);
}

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct eviction *v = arg;
    struct sy_evictions *e = v->owner;
    bool is_gone = result->http_status == 404 || result->http_status == 409;
    struct sy_err err;

    v->call = 0;
    if (!e) {
        eviction_free(v);
        return;
    }
    if (result->code == 0 && !v->is_marked) {
        v->is_marked = true;
        if (send_step(e, v, &err) == 0)
            return;
        TAILQ_REMOVE(&e->sent, v, link);
        e->in_flight--;
        end(e, v, &err);
    } else {
        TAILQ_REMOVE(&e->sent, v, link);
        e->in_flight--;
        end(e, v, result->code == 0 || is_gone ? NULL : result->err);
    }
    next(e);
}

static void on_timer(void *arg)
{
    struct sy_evictions *e = arg;

    while (!TAILQ_EMPTY(&e->waiting) && (e->is_paused || e->in_flight < IN_FLIGHT_MAX)) {
        struct eviction *v = TAILQ_FIRST(&e->waiting);
        struct sy_err err;

        TAILQ_REMOVE(&e->waiting, v, link);
        if (send_step(e, v, &err)) {
            end(e, v, &err);
            continue;
        }
        TAILQ_INSERT_TAIL(&e->sent, v, link);
        e->in_flight++;
    }
}

struct sy_evictions *sy_evictions_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                      sy_evict_failed_fn *on_failed, void *arg)
{
    struct sy_evictions *e = sy_xcalloc(1, sizeof(*e));

    e->k = k;
    e->stats = stats;
    e->on_failed = on_failed;
    e->arg = arg;
    TAILQ_INIT(&e->waiting);
    TAILQ_INIT(&e->sent);
    e->timer = sy_timer_new(sy_kube_loop(k), on_timer, e);
    return e;
}

void sy_evictions_free(struct sy_evictions *e)
{
    struct eviction *v;

    if (!e)
        return;
    while ((v = TAILQ_FIRST(&e->waiting))) {
        TAILQ_REMOVE(&e->waiting, v, link);
        eviction_free(v);
    }
    while ((v = TAILQ_FIRST(&e->sent))) {
        TAILQ_REMOVE(&e->sent, v, link);
        v->owner = NULL;
        sy_kube_cancel(e->k, v->call);
    }
    sy_timer_free(e->timer);
    free(e);
}

void sy_evictions_add(struct sy_evictions *e, enum sy_evict_how how, const char *ns,
                      const char *name, const char *uid, const char *message, int64_t generation)
{
    struct eviction *v = sy_xcalloc(1, sizeof(*v));

    v->owner = e;
    v->ns = sy_xstrdup(ns);
    v->name = sy_xstrdup(name);
    v->uid = sy_xstrdup(uid);
    v->message = sy_body_cut(message, SY_NOTE_MAX);
    v->generation = generation;
    v->how = how;
    v->is_marked = how == SY_EVICT_BUDGETED;
    TAILQ_INSERT_TAIL(&e->waiting, v, link);
    e->len++;
    next(e);
}

void sy_evictions_pause(struct sy_evictions *e, bool is_paused)
{
    e->is_paused = is_paused;
    next(e);
}

uint32_t sy_evictions_len(const struct sy_evictions *e)
{
    return e->len;
}
