/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending. A PATCH names the resourceVersion that it was decided on, so it lands at most once
 * however often it is sent: while its end is not known it is sent again. A 409 then says that the
 * claim has changed, perhaps by an earlier try, and a GET shows how. So it is for a POST, whose
 * claim has a name from the start. A pod's status and a deletion may land twice. */
#include "kube/actions_claim.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/actions_body.h"

/* An allocation has at most 32 devices and 64 configs of at most 10 KiB. */
enum { PATH_MAX_BYTES = 4096, BODY_MAX_BYTES = 2 << 20 };
/* Of one that may land twice, against a server that does not want it now. */
enum { TRIES_MAX = 5 };
static const int64_t AGAIN_FIRST_NS = 100 * SY_NS_PER_MS;
static const int64_t AGAIN_LONGEST_NS = 5 * SY_NS_PER_S;
enum { AGAIN_DOUBLINGS = 6 };

struct write {
    TAILQ_ENTRY(write) link;
    struct sy_claim_writes *owner; /* NULL: abandoned */
    uint64_t ticket;
    enum sy_claim_write_kind kind;
    struct sy_buf path; /* of the claim, or the pod */
    const char *under;  /* what is written of it: "/status" or "" */
    size_t parent_len;  /* of the path, up to the name: what a POST goes to */
    struct sy_buf body;
    struct sy_buf deletion; /* DELETE: the body that follows the first */
    bool is_free;           /* DELETE: no finalizer of ours keeps the claim any more */
    bool is_unknown;        /* a try may have landed */
    bool is_reading;
    uint32_t tries;
    struct sy_timer *timer;
    sy_http_id call; /* 0: waits */
};
TAILQ_HEAD(write_list, write);

struct sy_claim_writes {
    struct sy_kube *k;
    struct sy_actions_stats *stats;
    sy_claim_fn *on_done;
    void *arg;
    struct sy_rng rng;
    struct write_list all;
    uint32_t len;
    bool is_paused;
};

static void write_free(struct write *w)
{
    sy_timer_free(w->timer);
    sy_buf_done(&w->path);
    sy_buf_done(&w->body);
    sy_buf_done(&w->deletion);
    free(w);
}

/* Neither the pod's status nor a deletion is guarded by a resourceVersion. */
static bool may_repeat(const struct write *w)
{
    return w->kind == SY_CLAIM_TELL_POD || w->kind == SY_CLAIM_DELETE;
}

static void end(struct write *w, enum sy_claim_outcome outcome, const struct sy_kube_result *result,
                const struct sy_err *err)
{
    struct sy_claim_writes *v = w->owner;
    enum sy_encoding enc =
        result && result->body_is_protobuf ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    bool is_claim = result && result->code == 0 && !may_repeat(w);
    struct sy_str raw = is_claim ? result->body : (struct sy_str){0};

    TAILQ_REMOVE(&v->all, w, link);
    v->len--;
    v->stats->claim_writes += outcome == SY_CLAIM_WRITTEN;
    v->stats->claim_write_errors += outcome != SY_CLAIM_WRITTEN;
    v->on_done(v->arg, w->ticket, outcome, enc, raw, err);
    write_free(w);
}

static void again_later(struct write *w)
{
    uint32_t doublings = w->tries < AGAIN_DOUBLINGS ? w->tries : AGAIN_DOUBLINGS;
    int64_t after_ns = AGAIN_FIRST_NS << doublings;

    w->tries++;
    sy_timer_arm(w->timer, after_ns < AGAIN_LONGEST_NS ? after_ns : AGAIN_LONGEST_NS);
}

static void read_claim(struct write *w);

static void on_read(void *arg, const struct sy_kube_result *result)
{
    struct write *w = arg;
    struct sy_err conflict;

    if (!w->owner) {
        write_free(w);
        return;
    }
    w->call = 0;
    if (result->code == 0) {
        sy_err_set(&conflict, -EEXIST,
                   "the object has been modified; please apply your changes to the latest version "
                   "and try again");
        end(w, SY_CLAIM_CONFLICT, result, &conflict);
    } else if (result->http_status == 404) {
        end(w, SY_CLAIM_REFUSED, result, result->err);
    } else {
        again_later(w);
    }
}

static void on_written(struct write *w, const struct sy_kube_result *result)
{
    if (w->kind == SY_CLAIM_DELETE && !w->is_free) {
        w->is_free = true;
        w->is_unknown = false;
        w->tries = 0;
        sy_timer_arm(w->timer, 0);
    } else {
        end(w, SY_CLAIM_WRITTEN, result, NULL);
    }
}

static void on_repeatable(struct write *w, const struct sy_kube_result *result)
{
    bool is_gone = result->http_status == 404;
    bool is_busy = result->http_status == 409 || result->http_status >= 500;

    if (is_gone && w->kind == SY_CLAIM_DELETE)
        end(w, SY_CLAIM_WRITTEN, result, NULL);
    else if ((!result->http_status && result->maybe_applied) ||
             (is_busy && w->tries + 1 < TRIES_MAX))
        again_later(w);
    else
        end(w, SY_CLAIM_REFUSED, result, result->err);
}

static void on_answer(void *arg, const struct sy_kube_result *result)
{
    struct write *w = arg;

    if (!w->owner) {
        write_free(w);
        return;
    }
    w->call = 0;
    if (result->code == 0) {
        on_written(w, result);
    } else if (may_repeat(w)) {
        on_repeatable(w, result);
    } else if (result->http_status == 404) {
        end(w, SY_CLAIM_REFUSED, result, result->err);
    } else if (result->http_status == 409) {
        w->is_reading = true;
        read_claim(w);
    } else if (result->http_status >= 500) {
        /* The server is done with it, and may have carried it out. */
        w->is_reading = true;
        again_later(w);
    } else if (result->maybe_applied || w->is_unknown) {
        w->is_unknown = true; /* a definite no to this try says nothing of those before */
        again_later(w);
    } else {
        end(w, SY_CLAIM_REFUSED, result, result->err);
    }
}

static const char *method_of(const struct write *w)
{
    return w->kind == SY_CLAIM_CREATE ? "POST" : w->is_free ? "DELETE" : "PATCH";
}

static int send_call(struct write *w, const char *method, sy_kube_done_fn *on_done,
                     struct sy_err *err)
{
    bool is_write = on_done == on_answer;
    bool is_patch = is_write && method[1] == 'A';
    bool is_post = is_write && w->kind == SY_CLAIM_CREATE;
    struct sy_buf path;

    if (w->path.failed || w->body.failed || w->deletion.failed)
        return sy_err_set(err, -E2BIG, "an allocation that is too large");
    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_add(&path, w->path.p, is_post ? w->parent_len : w->path.len);
    if (is_patch)
        sy_buf_adds(&path, w->under);
    struct sy_kube_call call = {
        .method = method,
        .path = path.p,
        .content_type = is_patch ? "application/strategic-merge-patch+json" : NULL,
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = is_write ? sy_buf_str(w->is_free ? &w->deletion : &w->body) : (struct sy_str){0},
        .retry = SY_RETRY_SAFE,
        .on_done = on_done,
        .arg = w,
    };
    int r = path.failed ? sy_err_set(err, -E2BIG, "names that are too long")
                        : sy_kube_send(w->owner->k, &call, &w->call, err);
    sy_buf_done(&path);
    return r;
}

static void read_claim(struct write *w)
{
    struct sy_err err;

    if (send_call(w, "GET", on_read, &err) < 0)
        again_later(w);
}

static void on_timer(void *arg)
{
    struct write *w = arg;
    struct sy_err err;

    if (w->is_reading) {
        read_claim(w);
        return;
    }
    if (w->owner->is_paused) {
        sy_err_set(&err, -ECANCELED, "writing is paused");
        if (w->is_unknown)
            again_later(w);
        else
            end(w, SY_CLAIM_REFUSED, NULL, &err);
        return;
    }
    if (send_call(w, method_of(w), on_answer, &err) == 0)
        return;
    if (w->is_unknown)
        again_later(w);
    else
        end(w, SY_CLAIM_REFUSED, NULL, &err);
}

struct sy_claim_writes *sy_claim_writes_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                            sy_claim_fn *on_done, void *arg)
{
    struct sy_claim_writes *v = sy_xcalloc(1, sizeof(*v));

    v->k = k;
    v->stats = stats;
    v->on_done = on_done;
    v->arg = arg;
    sy_rng_seed(&v->rng, sy_rng_entropy());
    TAILQ_INIT(&v->all);
    return v;
}

void sy_claim_writes_free(struct sy_claim_writes *v)
{
    struct write *w;

    if (!v)
        return;
    while ((w = TAILQ_FIRST(&v->all))) {
        TAILQ_REMOVE(&v->all, w, link);
        w->owner = NULL;
        if (w->call)
            sy_kube_cancel(v->k, w->call);
        else
            write_free(w);
    }
    free(v);
}

static void add_path(struct write *w, const struct sy_claim_write *write)
{
    bool is_pod = write->kind == SY_CLAIM_TELL_POD;
    bool is_whole = write->kind == SY_CLAIM_PROTECT || write->kind == SY_CLAIM_DELETE;

    sy_buf_adds(&w->path, is_pod ? "/api/v1/namespaces/" : "/apis/resource.k8s.io/v1/namespaces/");
    sy_body_segment(&w->path, write->ns);
    sy_buf_adds(&w->path, is_pod ? "/pods" : "/resourceclaims");
    w->parent_len = w->path.len;
    sy_buf_addc(&w->path, '/');
    sy_body_segment(&w->path, is_pod ? write->pod : write->name);
    w->under = is_whole ? "" : "/status";
}

void sy_claim_writes_add(struct sy_claim_writes *v, uint64_t ticket,
                         const struct sy_claim_write *write, const struct sy_strings *strings)
{
    struct write *w = sy_xcalloc(1, sizeof(*w));

    w->owner = v;
    w->ticket = ticket;
    w->kind = write->kind;
    w->timer = sy_timer_new(sy_kube_loop(v->k), on_timer, w);
    sy_buf_init(&w->path, PATH_MAX_BYTES);
    sy_buf_init(&w->body, BODY_MAX_BYTES);
    sy_buf_init(&w->deletion, BODY_MAX_BYTES);
    add_path(w, write);
    if (write->kind == SY_CLAIM_DELETE && *write->uid)
        sy_body_delete(&w->deletion, write->uid, false);
    sy_body_claim(&w->body, write, strings, &v->rng, sy_clock_wall_ns());
    TAILQ_INSERT_TAIL(&v->all, w, link);
    v->len++;
    sy_timer_arm(w->timer, 0); /* never from inside this call */
}

void sy_claim_writes_pause(struct sy_claim_writes *v, bool is_paused)
{
    v->is_paused = is_paused;
}

uint32_t sy_claim_writes_len(const struct sy_claim_writes *v)
{
    return v->len;
}
