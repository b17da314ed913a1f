/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources that the API server serves as lists: NodeMetrics of metrics.k8s.io and Koordinator's
 * NodeMetric. One poll has all metrics; a list may come in pages. Neither is watched: the former
 * cannot be, and the latter changes all its objects each minute anyway. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/frame.h"
#include "load/queries.h"
#include "load/source.h"
#include "load/usage.h"

/* Koordinator's objects hold all pods of the node, tens of kilobytes. */
enum { PAGE_LEN = 250, OBJECT_MAX_BYTES = 4 << 20, PATH_MAX_BYTES = 8 << 10, PAGES_MAX = 1000 };

static const struct {
    const char *path, *what;
    bool has_pages;
    int (*read)(struct sy_str raw, struct sy_usage *ret, struct sy_err *err);
} KINDS[] = {
    [SY_LOAD_METRICS_API] = {"/apis/metrics.k8s.io/v1beta1/nodes", "nodes", false,
                             sy_usage_read_node_metrics},
    [SY_LOAD_NODEMETRIC] = {"/apis/slo.koordinator.sh/v1alpha1/nodemetrics", "nodemetrics", true,
                            sy_usage_read_nodemetric},
};

struct sy_kube_list {
    struct sy_poll poll; /* first: sy_poll's ask() gets it */
    struct sy_kube *kube;
    enum sy_load_type type;
    sy_http_id in_flight; /* 0: none */
    uint32_t pages;
    bool is_up;
    bool is_closing;
    bool is_orphan; /* freed but for the call that is in flight */
};

static int take_item(void *arg, enum sy_event_type event, struct sy_str raw)
{
    struct sy_kube_list *l = arg;
    struct sy_usage usage;

    (void)event;
    if (KINDS[l->type].read(raw, &usage, NULL)) {
        sy_poll_leave_out(&l->poll, SY_LOAD_MALFORMED, 1, SY_STR("an item of the list"));
        return 0;
    }
    struct sy_str node = sy_str_from(usage.node);
    for (uint32_t i = 0; i < SY_LOAD_METRICS; i++) {
        if (!usage.metrics[i].is_there)
            continue;
        if (usage.metrics[i].is_malformed || !usage.at_wall_ns) {
            sy_poll_leave_out(&l->poll, SY_LOAD_MALFORMED, 1, node);
            continue;
        }
        int64_t window = usage.window_ns ? usage.window_ns : SY_LOAD_WINDOW_UNKNOWN_NS;
        sy_poll_give(&l->poll, node,
                     (struct sy_load_sample){
                         .metric = (enum sy_load_metric)i,
                         .value = usage.metrics[i].value,
                         .is_share = usage.metrics[i].is_share,
                         .at_ns = sy_load_core_time(usage.at_wall_ns, sy_clock_wall_ns(),
                                                    sy_clock_boot_ns(), window),
                         .window_ns = usage.window_ns,
                     });
    }
    return 0;
}

/* ret_continue: owned, NULL after the last page. */
static int take_page(struct sy_kube_list *l, struct sy_str body, char **ret_continue,
                     struct sy_err *err)
{
    struct sy_framer *framer = sy_list_framer_new(SY_ENCODING_JSON, OBJECT_MAX_BYTES, take_item, l);
    int r = sy_framer_feed(framer, body, err);

    if (!r)
        r = sy_framer_finish(framer, err);
    if (!r) {
        struct sy_str token = sy_framer_list_meta(framer).continue_token;
        *ret_continue = token.len ? sy_xstrndup(token.p, token.len) : NULL;
    }
    sy_framer_free(framer);
    return r;
}

static void fail(struct sy_kube_list *l, const struct sy_err *err)
{
    l->is_up = false;
    sy_poll_failed(&l->poll, err);
}

static void on_done(void *arg, const struct sy_kube_result *result);

/* continue_token: NULL for the first page. */
static void send_page(struct sy_kube_list *l, const char *continue_token)
{
    struct sy_err err = {0};
    struct sy_buf path;

    sy_buf_init(&path, PATH_MAX_BYTES);
    sy_buf_adds(&path, KINDS[l->type].path);
    if (KINDS[l->type].has_pages)
        sy_buf_addf(&path, "?limit=%d", (int)PAGE_LEN);
    if (continue_token) {
        sy_buf_adds(&path, "&continue=");
        sy_load_url_escape(&path, continue_token);
    }
    int r = path.failed;
    if (r) {
        sy_err_set(&err, r, "the server's continue token is too long");
    } else {
        struct sy_kube_call call = {
            .method = "GET",
            .path = path.p,
            .timeout_ms = (uint32_t)(l->poll.origin->timeout_ns / SY_NS_PER_MS),
            .on_done = on_done,
            .arg = l,
        };
        r = sy_kube_send(l->kube, &call, &l->in_flight, &err);
    }
    sy_buf_done(&path);
    if (r) {
        err.code = r;
        fail(l, &err);
    }
}

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct sy_kube_list *l = arg;
    struct sy_err err = {0};
    char *next = NULL;

    l->in_flight = 0;
    if (l->is_closing) {
        if (l->is_orphan)
            free(l);
        return;
    }
    if (result->code) {
        fail(l, result->err);
        return;
    }
    int r = take_page(l, result->body, &next, &err);
    if (r) {
        sy_err_wrap(&err, r, "%s", KINDS[l->type].path);
        fail(l, &err);
    } else if (next && ++l->pages < PAGES_MAX) {
        send_page(l, next);
    } else {
        l->is_up = true;
        sy_poll_answered(&l->poll);
    }
    free(next);
}

static void ask(struct sy_poll *poll)
{
    struct sy_kube_list *l = (struct sy_kube_list *)poll;

    l->pages = 0;
    send_page(l, NULL);
}

struct sy_kube_list *sy_kube_list_new(struct sy_origin *origin, struct sy_kube *kube)
{
    struct sy_kube_list *l = sy_xcalloc(1, sizeof(*l));

    l->kube = kube;
    l->type = origin->type;
    sy_poll_init(&l->poll, origin, KINDS[origin->type].what, ask);
    return l;
}

void sy_kube_list_free(struct sy_kube_list *l)
{
    if (!l)
        return;
    l->is_closing = true;
    if (l->in_flight)
        sy_kube_cancel(l->kube, l->in_flight);
    sy_poll_done(&l->poll);
    /* The answer to a cancelled call may come later. */
    l->is_orphan = l->in_flight != 0;
    if (!l->is_orphan)
        free(l);
}

void sy_kube_list_start(struct sy_kube_list *l)
{
    sy_poll_start(&l->poll, 0);
}

bool sy_kube_list_is_up(const struct sy_kube_list *l)
{
    return l->is_up;
}
