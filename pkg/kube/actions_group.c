/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/actions_group.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/actions_body.h"

enum { BODY_MAX = 64 * 1024 };

struct write {
    TAILQ_ENTRY(write) link;
    struct sy_group_writes *owner; /* NULL: abandoned */
    char *path;
    char *uid;
    char *body;
    size_t body_len;
    bool is_native;
};
TAILQ_HEAD(write_list, write);

struct sy_group_writes {
    struct sy_kube *k;
    struct sy_actions_stats *stats;
    struct write_list waiting;
    struct write *sent; /* at most one is under way */
    sy_http_id call;
    struct sy_timer *timer;
    uint32_t len;
    bool is_paused;
};

static void write_free(struct write *v)
{
    free(v->path);
    free(v->uid);
    free(v->body);
    free(v);
}

static void next(struct sy_group_writes *w)
{
    if (!w->sent && !w->is_paused && !TAILQ_EMPTY(&w->waiting))
        sy_timer_arm(w->timer, 0);
}

static void end(struct sy_group_writes *w, struct write *v, const struct sy_kube_result *result,
                const struct sy_err *err)
{
    /* 404 and a UID that changed: the group is gone, nobody misses its status. */
    if (err && (!result || (result->http_status != 404 && result->http_status != 409))) {
        w->stats->group_write_errors++;
        sy_log_warn("the status of a PodGroup was not written", "path", v->path, "error", err->msg);
    }
    w->len--;
    write_free(v);
}

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct write *v = arg;
    struct sy_group_writes *w = v->owner;

    if (!w) {
        write_free(v);
        return;
    }
    w->sent = NULL;
    end(w, v, result, result->code ? result->err : NULL);
    next(w);
}

static void on_timer(void *arg)
{
    struct sy_group_writes *w = arg;
    struct write *v = TAILQ_FIRST(&w->waiting);
    struct sy_err err;

    if (!v || w->sent || w->is_paused)
        return;
    TAILQ_REMOVE(&w->waiting, v, link);
    struct sy_kube_call call = {
        .method = "PATCH",
        .path = v->path,
        .content_type = v->is_native ? "application/strategic-merge-patch+json"
                                     : "application/merge-patch+json",
        .body = {v->body, v->body_len},
        .retry = SY_RETRY_SAFE,
        .on_done = on_done,
        .arg = v,
    };
    w->sent = v;
    if (sy_kube_send(w->k, &call, &w->call, &err) == 0) {
        w->stats->group_writes++;
        return;
    }
    w->sent = NULL;
    end(w, v, NULL, &err);
    next(w);
}

struct sy_group_writes *sy_group_writes_new(struct sy_kube *k, struct sy_actions_stats *stats)
{
    struct sy_group_writes *w = sy_xcalloc(1, sizeof(*w));

    w->k = k;
    w->stats = stats;
    TAILQ_INIT(&w->waiting);
    w->timer = sy_timer_new(sy_kube_loop(k), on_timer, w);
    return w;
}

void sy_group_writes_free(struct sy_group_writes *w)
{
    struct write *v;

    if (!w)
        return;
    while ((v = TAILQ_FIRST(&w->waiting))) {
        TAILQ_REMOVE(&w->waiting, v, link);
        write_free(v);
    }
    if (w->sent) {
        w->sent->owner = NULL;
        sy_kube_cancel(w->k, w->call);
    }
    sy_timer_free(w->timer);
    free(w);
}

void sy_group_writes_add(struct sy_group_writes *w, const struct sy_group_write *write)
{
    struct sy_buf path SY_CLEANUP(sy_buf_done);
    struct sy_buf body SY_CLEANUP(sy_buf_done);
    struct write *v;

    sy_buf_init(&path, BODY_MAX);
    sy_buf_init(&body, BODY_MAX);
    sy_buf_addf(&path, "/apis/%s/namespaces/", write->api);
    sy_body_segment(&path, write->ns);
    sy_buf_adds(&path, "/podgroups/");
    sy_body_segment(&path, write->name);
    sy_buf_adds(&path, "/status");
    sy_body_group(&body, write, sy_clock_wall_ns());
    if (path.failed || body.failed) {
        w->stats->group_write_errors++;
        return;
    }
    TAILQ_FOREACH(v, &w->waiting, link)
    {
        if (strcmp(v->uid, write->uid) == 0)
            break;
    }
    if (!v) {
        v = sy_xcalloc(1, sizeof(*v));
        v->owner = w;
        v->uid = sy_xstrdup(write->uid);
        v->is_native = !write->phase;
        TAILQ_INSERT_TAIL(&w->waiting, v, link);
        w->len++;
    }
    free(v->path);
    free(v->body);
    v->path = sy_buf_take(&path);
    v->body_len = body.len;
    v->body = sy_buf_take(&body);
    next(w);
}

void sy_group_writes_pause(struct sy_group_writes *w, bool is_paused)
{
    w->is_paused = is_paused;
    next(w);
}

uint32_t sy_group_writes_len(const struct sy_group_writes *w)
{
    return w->len;
}
