/* SPDX-License-Identifier: Apache-2.0
 *
 * Each write is one PATCH. It names the resourceVersion that it was decided on, so a repeat of one
 * that has landed meets 409, and whoever decided looks again. */
#include "kube/actions_volume.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "kube/actions_body.h"

enum { BODY_MAX = 64 * 1024 };

struct write {
    TAILQ_ENTRY(write) link;
    struct sy_volume_writes *owner; /* NULL: abandoned */
    uint64_t ticket;
    struct sy_buf path;
    struct sy_buf body;
    sy_http_id call; /* 0: waits */
};
TAILQ_HEAD(write_list, write);

struct sy_volume_writes {
    struct sy_kube *k;
    struct sy_actions_stats *stats;
    sy_volume_fn *on_done;
    void *arg;
    struct write_list waiting;
    struct write_list sent;
    struct sy_timer *timer; /* something waits to be sent, or to fail */
    uint32_t len;
    bool is_paused;
};

static void write_free(struct write *w)
{
    sy_buf_done(&w->path);
    sy_buf_done(&w->body);
    free(w);
}

/* w is in no list any more. */
static void end(struct sy_volume_writes *v, struct write *w, const struct sy_err *err)
{
    uint64_t ticket = w->ticket;

    v->len--;
    v->stats->volume_writes += !err;
    v->stats->volume_write_errors += err != NULL;
    write_free(w);
    v->on_done(v->arg, ticket, err);
}

static void on_answer(void *arg, const struct sy_kube_result *result)
{
    struct write *w = arg;
    struct sy_volume_writes *v = w->owner;

    if (!v) {
        write_free(w);
        return;
    }
    TAILQ_REMOVE(&v->sent, w, link);
    end(v, w, result->code == 0 ? NULL : result->err);
}

static int send_write(struct sy_volume_writes *v, struct write *w, struct sy_err *err)
{
    if (v->is_paused)
        return sy_err_set(err, -ECANCELED, "writing is paused");
    if (w->path.failed || w->body.failed)
        return sy_err_set(err, -E2BIG, "names that are too long");
    struct sy_kube_call call = {
        .method = "PATCH",
        .path = w->path.p,
        .content_type = "application/merge-patch+json",
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = sy_buf_str(&w->body),
        .retry = SY_RETRY_SAFE,
        .on_done = on_answer,
        .arg = w,
    };
    return sy_kube_send(v->k, &call, &w->call, err);
}

static void on_timer(void *arg)
{
    struct sy_volume_writes *v = arg;

    while (!TAILQ_EMPTY(&v->waiting)) {
        struct write *w = TAILQ_FIRST(&v->waiting);
        struct sy_err err;

        TAILQ_REMOVE(&v->waiting, w, link);
        if (send_write(v, w, &err) < 0)
            end(v, w, &err);
        else
            TAILQ_INSERT_TAIL(&v->sent, w, link);
    }
}

struct sy_volume_writes *sy_volume_writes_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                              sy_volume_fn *on_done, void *arg)
{
    struct sy_volume_writes *v = sy_xcalloc(1, sizeof(*v));

    v->k = k;
    v->stats = stats;
    v->on_done = on_done;
    v->arg = arg;
    TAILQ_INIT(&v->waiting);
    TAILQ_INIT(&v->sent);
    v->timer = sy_timer_new(sy_kube_loop(k), on_timer, v);
    return v;
}

void sy_volume_writes_free(struct sy_volume_writes *v)
{
    struct write *w;

    if (!v)
        return;
    while ((w = TAILQ_FIRST(&v->waiting))) {
        TAILQ_REMOVE(&v->waiting, w, link);
        write_free(w);
    }
    while ((w = TAILQ_FIRST(&v->sent))) {
        TAILQ_REMOVE(&v->sent, w, link);
        w->owner = NULL;
        sy_kube_cancel(v->k, w->call);
    }
    sy_timer_free(v->timer);
    free(v);
}

void sy_volume_writes_add(struct sy_volume_writes *v, const struct sy_volume_write *write)
{
    struct write *w = sy_xcalloc(1, sizeof(*w));

    w->owner = v;
    w->ticket = write->ticket;
    sy_buf_init(&w->path, BODY_MAX);
    sy_buf_init(&w->body, BODY_MAX);
    if (write->volume) {
        sy_buf_adds(&w->path, "/api/v1/persistentvolumes/");
        sy_body_segment(&w->path, write->volume);
        sy_body_claim_ref(&w->body, write);
    } else {
        sy_buf_adds(&w->path, "/api/v1/namespaces/");
        sy_body_segment(&w->path, write->ns);
        sy_buf_adds(&w->path, "/persistentvolumeclaims/");
        sy_body_segment(&w->path, write->claim);
        sy_body_selected_node(&w->body, write);
    }
    TAILQ_INSERT_TAIL(&v->waiting, w, link);
    v->len++;
    sy_timer_arm(v->timer, 0); /* never from inside this call */
}

void sy_volume_writes_pause(struct sy_volume_writes *v, bool is_paused)
{
    v->is_paused = is_paused;
    if (!TAILQ_EMPTY(&v->waiting))
        sy_timer_arm(v->timer, 0);
}

uint32_t sy_volume_writes_len(const struct sy_volume_writes *v)
{
    return v->len;
}
