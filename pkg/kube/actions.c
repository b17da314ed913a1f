/* SPDX-License-Identifier: Apache-2.0
 *
 * Three kinds of work, in this order: binds are sent at once; conditions and events wait in queues
 * and give way while binds are in flight. Each request's context outlives the actions until the
 * client has called back. */
#include "kube/actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "kube/actions_body.h"
#include "kube/actions_claim.h"
#include "kube/actions_evict.h"
#include "kube/actions_group.h"
#include "kube/actions_volume.h"

enum {
    BIND_TIMEOUT_MS = 10000,
    TRANSIT_MS = 8000,
    BIND_GRACE_MS = 2000, /* the server's own answer about a timeout gets here first */
    BIND_429_MAX = 5,
    BIND_REPEATS_MAX = 2,
    SETTLE_TIMEOUT_MS = 5000,
    EVENTS_QUEUED_MAX = 20000,
    EVENTS_BESIDE_BINDS = 1,
    EVENT_REST_FACTOR = 9,
    EVENTS_IDLE = 32,
    CONDITIONS_BESIDE_BINDS = 4,
    CONDITIONS_IDLE = 32,
    SERIES_MAX = 16384, /* event series that are remembered */
    SINCE_SLOTS = 16384,
    BODY_MAX = 256 * 1024,
    INSTANCE_MAX = 128,
    POD_ARENA_MAX = 16 * 1024 * 1024,
};

static const int64_t held_longest_ns = SY_NS_PER_S;
/* So long after the last bind or eviction the server still counts as busy with them. */
static const int64_t busy_ns = 100 * SY_NS_PER_MS;
static const int64_t settle_first_ns = 100 * SY_NS_PER_MS;
static const int64_t settle_longest_ns = 5 * SY_NS_PER_S;
/* The server's clock for a request starts a little after ours. */
static const int64_t settle_margin_ns = SY_NS_PER_S;
static const int64_t series_beat_ns = 30 * 60 * SY_NS_PER_S;
static const int64_t series_end_ns = 6 * 60 * SY_NS_PER_S;
static const int64_t series_look_ns = 30 * SY_NS_PER_S;

struct bind {
    TAILQ_ENTRY(bind) link;
    struct sy_actions *a; /* NULL: abandoned */
    uint64_t ticket;
    char *ns;
    char *name;
    char *uid;
    char *node;
    struct sy_buf path;
    struct sy_buf body;
    enum sy_encoding encoding;
    sy_http_id call;
    sy_time_ns sent_at;
    sy_time_ns dead_at; /* the server carries it out by then or never */
    uint32_t tries_429;
    uint32_t settle_tries;
    uint32_t repeats;
    bool is_unknown;
    struct condition *held_by; /* whose PATCH is to be over before the bind is sent */
    struct sy_timer *timer;
    struct sy_err err; /* why it is unknown, or cannot be sent */
};
TAILQ_HEAD(bind_list, bind);

/* The state of one pod's condition: at most one PATCH per UID is under way. */
struct condition {
    TAILQ_ENTRY(condition) link;
    struct sy_actions *a;
    uint64_t key;
    char *ns;
    char *name;
    char *uid;
    char *reason;
    char *message;
    char *nominated; /* NULL: leave */
    int64_t generation;
    sy_http_id call;
    bool is_sent;
    bool is_again;     /* changed while it was under way */
    struct bind *held; /* waits for it */
};
TAILQ_HEAD(condition_list, condition);

/* An event, and while it is remembered its series. */
struct event {
    TAILQ_ENTRY(event) link;   /* queued or in flight */
    TAILQ_ENTRY(event) series; /* remembered, oldest first */
    struct sy_actions *a;
    uint64_t key[2];
    uint32_t index; /* in a->events */
    struct sy_body_event body;
    char *strings; /* one block, that body points into */
    sy_http_id call;
    uint32_t told_count; /* what the server knows */
    int64_t told_wall_ns;
    bool is_queued;
    bool is_sent;
    bool is_posted;
    bool is_remembered;
};
TAILQ_HEAD(event_list, event);

struct since {
    uint64_t key;
    int64_t wall_ns;
};

struct reporter {
    char *component;
    char *instance;
};

struct sy_actions {
    struct sy_kube *k;
    struct sy_actions_options options;
    char *component;
    char *instance;
    SY_VEC(struct reporter) reporters; /* others that events are written by */
    enum sy_encoding encoding;
    uint64_t hash_key[2];
    struct sy_rng rng;
    struct sy_actions_stats stats;
    struct sy_strings *strings; /* for pods that are looked at to settle a bind */
    struct sy_buf path;
    struct sy_buf body;

    struct bind_list binds;
    uint32_t binds_in_flight;
    sy_time_ns last_busy_ns; /* a bind was sent, or an eviction was not done yet */
    uint32_t binds_unsettled;
    bool is_paused;

    struct condition_list conditions_queued;
    struct condition_list conditions_sent;
    SY_VEC(struct condition *) conditions; /* by index, for the map */
    struct sy_map conditions_by_uid;
    uint32_t conditions_in_flight;
    struct since *since; /* direct-mapped: since when a pod is unschedulable */

    struct sy_evictions *evictions;
    struct sy_volume_writes *volumes;
    struct sy_group_writes *groups;
    struct sy_claim_writes *claims;

    struct event_list events_queued;
    struct event_list events_sent;
    struct event_list remembered;
    SY_VEC(struct event *) events; /* by index, for the map; NULL: free */
    SY_VEC(uint32_t) free_events;
    struct sy_map events_by_key;
    uint32_t queued_len;
    uint32_t remembered_len;
    uint32_t events_in_flight;
    sy_time_ns next_event_ns; /* while binding: none is sent before */
    struct sy_timer *events_timer;
    struct sy_timer *series_timer;
};

static void pump(struct sy_actions *a);

/* ---- binds --------------------------------------------------------------------------------------
 */

static void bind_free(struct bind *b)
{
    if (b->a)
        TAILQ_REMOVE(&b->a->binds, b, link);
    if (b->held_by)
        b->held_by->held = NULL;
    sy_timer_free(b->timer);
    free(b->ns);
    free(b->name);
    free(b->uid);
    free(b->node);
    sy_buf_done(&b->path);
    sy_buf_done(&b->body);
    free(b);
}

static void report(struct bind *b, enum sy_bind_outcome outcome, const struct sy_err *err)
{
    struct sy_actions *a = b->a;

    a->options.on_bind(a->options.arg, b->ticket, outcome, err, sy_clock_boot_ns() - b->sent_at);
}

static void bind_end(struct bind *b, enum sy_bind_outcome outcome, const struct sy_err *err)
{
    struct sy_actions *a = b->a;
    uint64_t ticket = b->ticket;
    int64_t duration_ns = sy_clock_boot_ns() - b->sent_at;

    switch (outcome) {
    case SY_BIND_OK:
        a->stats.binds_ok++;
        break;
    case SY_BIND_CONFLICT:
        a->stats.binds_conflict++;
        break;
    default:
        a->stats.binds_refused++;
    }
    a->binds_unsettled--;
    struct sy_err copy;
    if (err)
        copy = *err; /* it may lie in b */
    bind_free(b);
    a->options.on_bind(a->options.arg, ticket, outcome, err ? &copy : NULL, duration_ns);
    pump(a);
}

static void send_bind(struct bind *b);
static bool hold_for_condition(struct bind *b);

static void settle_later(struct bind *b)
{
    int64_t after = settle_first_ns << (b->settle_tries < 8 ? b->settle_tries : 8);

    if (after > settle_longest_ns)
        after = settle_longest_ns;
    b->settle_tries++;
    sy_timer_arm(b->timer, after + (int64_t)(sy_rng_unit(&b->a->rng) * (double)after / 4));
}

/* What the pod says about our bind. */
static void judge(struct bind *b, const struct sy_kube_result *result)
{
    struct sy_actions *a = b->a;
    struct sy_decode decode;
    struct sy_pod pod;
    struct sy_err err;

    sy_decode_init(&decode, a->strings, POD_ARENA_MAX);
    int r =
        sy_decode_pod(&decode, result->body_is_protobuf ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON,
                      result->body, &pod, &err);
    if (r) {
        sy_decode_done(&decode);
        settle_later(b);
        return;
    }
    bool is_same_pod = sy_str_eqz(pod.uid, b->uid);
    const char *node = sy_strings_getz(a->strings, pod.node);
    bool is_bound = *node;
    bool is_ours = is_bound && strcmp(node, b->node) == 0;
    if (is_bound && !is_ours)
        sy_err_set(&err, -EEXIST, "pod %s/%s was bound to %.200s meanwhile", b->ns, b->name, node);
    sy_decode_done(&decode);
    if (!is_same_pod) {
        sy_err_set(&err, -ENOENT, "pod %s/%s is another one now", b->ns, b->name);
        bind_end(b, SY_BIND_GONE, &err);
    } else if (is_ours) {
        bind_end(b, SY_BIND_OK, NULL);
    } else if (is_bound) {
        bind_end(b, SY_BIND_CONFLICT, &err);
    } else if (sy_clock_boot_ns() < b->dead_at) {
        /* To send it again is safe: it names the UID and the same node, so at most one of the two
         * is carried out, and it does not matter which. */
        if (b->repeats < BIND_REPEATS_MAX && !a->is_paused) {
            b->repeats++;
            send_bind(b);
        } else {
            settle_later(b);
        }
    } else {
        bind_end(b, SY_BIND_REFUSED, &b->err);
    }
}

static void on_settle_done(void *arg, const struct sy_kube_result *result)
{
    struct bind *b = arg;

    b->call = 0;
    if (!b->a) {
        bind_free(b);
        return;
    }
    if (result->code == 0)
        judge(b, result);
    else if (result->http_status == 404)
        bind_end(b, SY_BIND_GONE, result->err);
    else
        settle_later(b);
}

static void settle(struct bind *b)
{
    struct sy_actions *a = b->a;
    struct sy_buf path;
    struct sy_err err;

    sy_buf_init(&path, BODY_MAX);
    sy_buf_adds(&path, "/api/v1/namespaces/");
    sy_body_segment(&path, b->ns);
    sy_buf_adds(&path, "/pods/");
    sy_body_segment(&path, b->name);
    struct sy_kube_call call = {
        .method = "GET",
        .path = path.p,
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .timeout_ms = SETTLE_TIMEOUT_MS,
        .on_done = on_settle_done,
        .arg = b,
    };
    int r = sy_kube_send(a->k, &call, &b->call, &err);
    sy_buf_done(&path);
    if (r)
        settle_later(b);
}

/* When the server itself answered, it is not working on it any more, save after a timeout. Else
 * what TCP holds back while a path is broken may come to it late, and then it takes its time. */
static void note_death(struct bind *b, const struct sy_kube_result *result)
{
    const struct sy_actions_options *o = &b->a->options;
    int64_t longest_ms = (int64_t)o->transit_ms + o->bind_timeout_ms;
    int status = result->http_status;

    if (status && status != 504 && status != 502)
        return;
    sy_time_ns dead_at =
        sy_clock_boot_ns() - result->duration_ns + longest_ms * SY_NS_PER_MS + settle_margin_ns;
    if (dead_at > b->dead_at)
        b->dead_at = dead_at;
}

static void become_unknown(struct bind *b, const struct sy_kube_result *result)
{
    struct sy_actions *a = b->a;

    b->err = *result->err;
    b->is_unknown = true;
    a->stats.binds_unknown++;
    note_death(b, result);
    sy_timer_arm(b->timer, settle_first_ns);
    report(b, SY_BIND_UNKNOWN, &b->err);
}

static void on_bind_done(void *arg, const struct sy_kube_result *result)
{
    struct bind *b = arg;
    struct sy_actions *a = b->a;
    int status = result->http_status;

    b->call = 0;
    if (!a) {
        bind_free(b);
        return;
    }
    a->binds_in_flight--;
    if (result->code == 0) {
        bind_end(b, SY_BIND_OK, NULL);
    } else if (b->is_unknown) {
        /* Sent again: only the pod itself tells now. */
        note_death(b, result);
        settle_later(b);
        pump(a);
    } else if (status == 429 && b->tries_429 < BIND_429_MAX) {
        /* Refused before anything was done, so it may be sent again. */
        int64_t after =
            result->err->retry_after_ms ? result->err->retry_after_ms * SY_NS_PER_MS : SY_NS_PER_S;

        b->tries_429++;
        sy_timer_arm(b->timer, after + (int64_t)(sy_rng_unit(&a->rng) * (double)after / 4));
    } else if (status == 409) {
        bind_end(b, SY_BIND_CONFLICT, result->err);
    } else if (status == 404) {
        bind_end(b, SY_BIND_GONE, result->err);
    } else if (status >= 500 || (!status && result->maybe_applied)) {
        become_unknown(b, result);
        pump(a);
    } else {
        bind_end(b, SY_BIND_REFUSED, result->err);
    }
}

static void on_bind_timer(void *arg)
{
    struct bind *b = arg;

    if (b->is_unknown)
        settle(b);
    else if (b->err.code)
        bind_end(b, SY_BIND_REFUSED, &b->err);
    else
        send_bind(b);
}

static void send_bind(struct bind *b)
{
    struct sy_actions *a = b->a;

    if (b->held_by) {
        b->held_by->held = NULL;
        b->held_by = NULL;
    }
    sy_timer_disarm(b->timer);
    b->sent_at = sy_clock_boot_ns();
    if (a->is_paused) {
        sy_err_set(&b->err, -ECANCELED, "binding %s/%s: writing is paused", b->ns, b->name);
        sy_timer_arm(b->timer, 0);
        return;
    }
    struct sy_kube_call call = {
        .method = "POST",
        .path = b->path.p,
        .content_type = b->encoding == SY_ENCODING_PROTOBUF ? "application/vnd.kubernetes.protobuf"
                                                            : "application/json",
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = sy_buf_str(&b->body),
        .timeout_ms = a->options.bind_timeout_ms + BIND_GRACE_MS,
        .on_done = on_bind_done,
        .arg = b,
    };

    if (sy_kube_send(a->k, &call, &b->call, &b->err)) {
        /* Told from the loop: the caller is not to be called back from inside its own call. */
        sy_timer_arm(b->timer, b->is_unknown ? settle_longest_ns : 0);
        return;
    }
    a->stats.binds_sent++;
    a->last_busy_ns = b->sent_at;
    a->binds_in_flight++;
}

void sy_actions_bind(struct sy_actions *a, uint64_t ticket, const char *ns, const char *name,
                     const char *uid, const char *node, const char *const *annotations)
{
    struct bind *b = sy_xcalloc(1, sizeof(*b));

    b->a = a;
    b->ticket = ticket;
    b->ns = sy_xstrdup(ns);
    b->name = sy_xstrdup(name);
    b->uid = sy_xstrdup(uid);
    b->node = sy_xstrdup(node);
    b->encoding = a->encoding;
    b->timer = sy_timer_new(sy_kube_loop(a->k), on_bind_timer, b);
    TAILQ_INSERT_TAIL(&a->binds, b, link);
    a->binds_unsettled++;
    sy_buf_init(&b->path, BODY_MAX);
    sy_buf_init(&b->body, BODY_MAX);
    sy_buf_adds(&b->path, "/api/v1/namespaces/");
    sy_body_segment(&b->path, ns);
    sy_buf_adds(&b->path, "/pods/");
    sy_body_segment(&b->path, name);
    sy_buf_addf(&b->path, "/binding?timeout=%" PRIu32 "ms", a->options.bind_timeout_ms);
    sy_body_bind(&b->body, b->encoding, ns, name, uid, node, annotations);
    if (b->path.failed || b->body.failed) {
        b->sent_at = sy_clock_boot_ns();
        sy_err_set(&b->err, -E2BIG, "the binding of %.100s/%.100s is too large", ns, name);
        sy_timer_arm(b->timer, 0);
        return;
    }
    if (hold_for_condition(b))
        sy_timer_arm(b->timer, held_longest_ns);
    else
        send_bind(b);
}

uint32_t sy_actions_binds_in_flight(const struct sy_actions *a)
{
    return a->binds_in_flight;
}

/* ---- conditions ---------------------------------------------------------------------------------
 */

static uint64_t hash_text(const struct sy_actions *a, const char *text)
{
    uint64_t h[2];

    sy_siphash128(text, strlen(text), a->hash_key, h);
    return h[0];
}

static bool condition_eq(const void *arg, const void *key, uint32_t value)
{
    const struct sy_actions *a = arg;

    return strcmp(a->conditions.p[value]->uid, key) == 0;
}

static void condition_free_strings(struct condition *c)
{
    free(c->ns);
    free(c->name);
    free(c->uid);
    free(c->reason);
    free(c->message);
    free(c->nominated);
}

static void condition_free(struct condition *c)
{
    if (c->held)
        c->held->held_by = NULL;
    condition_free_strings(c);
    free(c);
}

/* Out of the table; the last one takes its place. */
static void condition_forget(struct sy_actions *a, struct condition *c)
{
    uint32_t i = sy_map_get(&a->conditions_by_uid, c->key, condition_eq, a, c->uid);
    uint32_t last = (uint32_t)a->conditions.len - 1;

    sy_map_del(&a->conditions_by_uid, c->key, i);
    if (i != last)
        sy_map_move(&a->conditions_by_uid, a->conditions.p[last]->key, last, i);
    sy_vec_swap_remove(&a->conditions, i);
}

/* A late PodScheduled=False would overwrite the True that a bind brings: one that is queued is
 * dropped, one that is under way is waited for. */
static bool hold_for_condition(struct bind *b)
{
    struct sy_actions *a = b->a;
    uint32_t i = sy_map_get(&a->conditions_by_uid, hash_text(a, b->uid), condition_eq, a, b->uid);
    struct condition *c = i == SY_MAP_NONE ? NULL : a->conditions.p[i];

    if (!c)
        return false;
    if (!c->is_sent) {
        TAILQ_REMOVE(&a->conditions_queued, c, link);
        condition_forget(a, c);
        condition_free(c);
        return false;
    }
    c->is_again = false;
    if (c->held)
        return false;
    c->held = b;
    b->held_by = c;
    return true;
}

static int64_t unschedulable_since(struct sy_actions *a, uint64_t key)
{
    struct since *s = &a->since[key % SINCE_SLOTS];

    if (s->key != key)
        *s = (struct since){key, sy_clock_wall_ns()};
    return s->wall_ns;
}

static void on_condition_done(void *arg, const struct sy_kube_result *result)
{
    struct condition *c = arg;
    struct sy_actions *a = c->a;

    if (!a) {
        condition_free(c);
        return;
    }
    a->conditions_in_flight--;
    TAILQ_REMOVE(&a->conditions_sent, c, link);
    /* 404 and a UID that changed: the pod is gone, nobody misses its condition. */
    if (result->code && result->http_status != 404 && result->http_status != 409) {
        a->stats.condition_errors++;
        sy_log_warn("pod condition not written", "pod", SY_FMT("%s/%s", c->ns, c->name), "error",
                    result->err->msg);
    }
    c->is_sent = false;
    c->call = 0;
    if (c->held)
        send_bind(c->held);
    if (c->is_again) {
        c->is_again = false;
        TAILQ_INSERT_TAIL(&a->conditions_queued, c, link);
    } else {
        condition_forget(a, c);
        condition_free(c);
    }
    pump(a);
}

static void send_condition(struct sy_actions *a, struct condition *c)
{
    struct sy_err err;

    sy_buf_reset(&a->path);
    sy_buf_reset(&a->body);
    sy_buf_adds(&a->path, "/api/v1/namespaces/");
    sy_body_segment(&a->path, c->ns);
    sy_buf_adds(&a->path, "/pods/");
    sy_body_segment(&a->path, c->name);
    sy_buf_adds(&a->path, "/status");
    sy_body_condition(&a->body, c->uid, c->reason, c->message, c->nominated,
                      unschedulable_since(a, c->key), c->generation);
    struct sy_kube_call call = {
        .method = "PATCH",
        .path = a->path.p,
        .content_type = "application/strategic-merge-patch+json",
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = sy_buf_str(&a->body),
        .retry = SY_RETRY_SAFE,
        .on_done = on_condition_done,
        .arg = c,
    };
    TAILQ_REMOVE(&a->conditions_queued, c, link);
    if (a->path.failed || a->body.failed || sy_kube_send(a->k, &call, &c->call, &err)) {
        a->stats.condition_errors++;
        condition_forget(a, c);
        condition_free(c);
        return;
    }
    c->is_sent = true;
    TAILQ_INSERT_TAIL(&a->conditions_sent, c, link);
    a->stats.conditions_sent++;
    a->conditions_in_flight++;
}

void sy_actions_condition(struct sy_actions *a, const char *ns, const char *name, const char *uid,
                          const char *reason, const char *message, const char *nominated_node,
                          int64_t generation)
{
    uint64_t key = hash_text(a, uid);
    uint32_t i = sy_map_get(&a->conditions_by_uid, key, condition_eq, a, uid);
    struct condition *c = i == SY_MAP_NONE ? NULL : a->conditions.p[i];
    struct condition fresh = {
        .ns = sy_xstrdup(ns),
        .name = sy_xstrdup(name),
        .uid = sy_xstrdup(uid),
        .reason = sy_xstrdup(reason),
        .message = sy_body_cut(message, SY_NOTE_MAX),
        .nominated = sy_xstrdup(nominated_node),
        .generation = generation,
    };

    if (!c) {
        c = sy_xcalloc(1, sizeof(*c));
        *c = fresh;
        c->a = a;
        c->key = key;
        sy_map_add(&a->conditions_by_uid, key, (uint32_t)a->conditions.len);
        sy_vec_push(&a->conditions, c);
        TAILQ_INSERT_TAIL(&a->conditions_queued, c, link);
        pump(a);
        return;
    }
    /* What the earlier one said about the nominated node stands unless this one speaks of it. */
    if (!fresh.nominated && !c->is_sent) {
        fresh.nominated = c->nominated;
        c->nominated = NULL;
    }
    condition_free_strings(c);
    c->ns = fresh.ns;
    c->name = fresh.name;
    c->uid = fresh.uid;
    c->reason = fresh.reason;
    c->message = fresh.message;
    c->nominated = fresh.nominated;
    c->generation = fresh.generation;
    c->is_again = c->is_sent;
}

/* ---- events -------------------------------------------------------------------------------------
 */

static bool event_eq(const void *arg, const void *key, uint32_t value)
{
    const struct sy_actions *a = arg;
    const uint64_t *k = key;

    return a->events.p[value]->key[0] == k[0] && a->events.p[value]->key[1] == k[1];
}

static void event_release(struct event *e)
{
    struct sy_actions *a = e->a;

    if (e->is_remembered || e->is_queued || e->is_sent)
        return;
    if (a) {
        a->events.p[e->index] = NULL;
        sy_vec_push(&a->free_events, e->index);
    }
    free(e->strings);
    free(e);
}

static void event_forget(struct event *e)
{
    struct sy_actions *a = e->a;

    if (!e->is_remembered)
        return;
    e->is_remembered = false;
    TAILQ_REMOVE(&a->remembered, e, series);
    a->remembered_len--;
    sy_map_del(&a->events_by_key, e->key[0], e->index);
}

static void event_remember(struct event *e)
{
    struct sy_actions *a = e->a;

    while (a->remembered_len >= SERIES_MAX) {
        struct event *oldest = TAILQ_FIRST(&a->remembered);

        event_forget(oldest);
        event_release(oldest);
    }
    e->is_remembered = true;
    TAILQ_INSERT_TAIL(&a->remembered, e, series);
    a->remembered_len++;
    sy_map_add(&a->events_by_key, e->key[0], e->index);
}

/* False when the queue is full. */
static bool event_enqueue(struct event *e)
{
    struct sy_actions *a = e->a;

    if (e->is_queued || e->is_sent)
        return true;
    if (a->queued_len >= a->options.events_max_queued) {
        a->stats.events_dropped++;
        return false;
    }
    e->is_queued = true;
    a->queued_len++;
    TAILQ_INSERT_TAIL(&a->events_queued, e, link);
    return true;
}

static void on_event_done(void *arg, const struct sy_kube_result *result)
{
    struct event *e = arg;
    struct sy_actions *a = e->a;
    bool was_posted = e->is_posted;

    e->is_sent = false;
    e->call = 0;
    if (!a) {
        event_release(e);
        return;
    }
    a->events_in_flight--;
    a->next_event_ns = sy_clock_boot_ns() + EVENT_REST_FACTOR * result->duration_ns;
    TAILQ_REMOVE(&a->events_sent, e, link);
    /* 409 on a POST: an earlier try of ours got through. */
    bool is_ok = result->code == 0 || (!was_posted && result->http_status == 409);
    if (is_ok) {
        e->is_posted = true;
        /* The second of its kind came while the first was under way. */
        if (e->is_remembered && e->told_count == 1 && e->body.count > 1)
            event_enqueue(e);
    } else if (was_posted && result->http_status == 404) {
        /* It has expired: write it anew, with its series. */
        e->is_posted = false;
        event_enqueue(e);
    } else {
        a->stats.event_errors++;
        event_forget(e);
        sy_log_warn("event not written", "pod", SY_FMT("%s/%s", e->body.ns, e->body.name), "reason",
                    e->body.reason, "error", result->err->msg);
    }
    event_release(e);
    pump(a);
}

static void send_event(struct sy_actions *a, struct event *e)
{
    struct sy_err err;
    bool is_patch = e->is_posted;

    sy_buf_reset(&a->path);
    sy_buf_reset(&a->body);
    sy_buf_adds(&a->path, "/apis/events.k8s.io/v1/namespaces/");
    sy_body_segment(&a->path, e->body.ns);
    sy_buf_adds(&a->path, "/events");
    if (is_patch) {
        sy_buf_addc(&a->path, '/');
        sy_body_event_name(&a->path, &e->body);
        sy_body_series(&a->body, &e->body);
    } else {
        sy_body_event(&a->body, a->encoding, &e->body);
    }
    struct sy_kube_call call = {
        .method = is_patch ? "PATCH" : "POST",
        .path = a->path.p,
        .content_type = is_patch ? "application/strategic-merge-patch+json"
                        : a->encoding == SY_ENCODING_PROTOBUF
                            ? "application/vnd.kubernetes.protobuf"
                            : "application/json",
        .accept = "application/vnd.kubernetes.protobuf, application/json",
        .body = sy_buf_str(&a->body),
        .retry = SY_RETRY_SAFE,
        .on_done = on_event_done,
        .arg = e,
    };
    TAILQ_REMOVE(&a->events_queued, e, link);
    e->is_queued = false;
    a->queued_len--;
    if (a->path.failed || a->body.failed || sy_kube_send(a->k, &call, &e->call, &err)) {
        a->stats.event_errors++;
        event_forget(e);
        event_release(e);
        return;
    }
    e->told_count = e->body.count;
    e->told_wall_ns = e->body.last_wall_ns;
    e->is_sent = true;
    TAILQ_INSERT_TAIL(&a->events_sent, e, link);
    a->stats.events_sent++;
    a->events_in_flight++;
}

static const char *put_string(char **p, const char *s)
{
    size_t size = strlen(s) + 1;
    const char *at = memcpy(*p, s, size);

    *p += size;
    return at;
}

static struct event *event_new(struct sy_actions *a, const struct sy_body_event *body)
{
    struct event *e = sy_xcalloc(1, sizeof(*e));
    char *p = e->strings = sy_xmalloc(strlen(body->type) + strlen(body->reason) +
                                      strlen(body->action) + strlen(body->ns) + strlen(body->name) +
                                      strlen(body->uid) + strlen(body->note) + 7);

    e->a = a;
    e->body = *body;
    e->body.type = put_string(&p, body->type);
    e->body.reason = put_string(&p, body->reason);
    e->body.action = put_string(&p, body->action);
    e->body.ns = put_string(&p, body->ns);
    e->body.name = put_string(&p, body->name);
    e->body.uid = put_string(&p, body->uid);
    e->body.note = put_string(&p, body->note);
    if (a->free_events.len) {
        e->index = a->free_events.p[--a->free_events.len];
    } else {
        e->index = (uint32_t)a->events.len;
        sy_vec_push(&a->events, NULL);
    }
    a->events.p[e->index] = e;
    return e;
}

static void event_key(struct sy_actions *a, const struct sy_body_event *e, uint64_t ret[2])
{
    /* Unit separators keep the parts apart; none of them may hold one but the note, which is last.
     */
    sy_buf_reset(&a->body);
    sy_buf_addf(&a->body, "%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f%s\x1f", e->component, e->type,
                e->reason, e->action, e->ns, e->name, e->uid);
    sy_buf_adds(&a->body, e->note);
    sy_siphash128(a->body.p, a->body.len, a->hash_key, ret);
}

/* "<name>-<hostname>", with the end that our own has. Kept until the end: there are few names. */
static struct reporter reporter(struct sy_actions *a, const char *name)
{
    size_t len = strlen(a->component);

    if (!name || strcmp(name, a->component) == 0)
        return (struct reporter){a->component, a->instance};
    for (size_t i = 0; i < a->reporters.len; i++) {
        if (strcmp(a->reporters.p[i].component, name) == 0)
            return a->reporters.p[i];
    }
    bool is_prefix = strncmp(a->instance, a->component, len) == 0;
    char *instance SY_CLEANUP(sy_freep) =
        sy_xasprintf("%s%s", name, is_prefix ? a->instance + len : "");
    struct reporter r = {sy_xstrdup(name), sy_xstrndup(instance, strnlen(instance, INSTANCE_MAX))};
    sy_vec_push(&a->reporters, r);
    return r;
}

void sy_actions_event(struct sy_actions *a, const char *type, const char *reason,
                      const char *action, const char *ns, const char *name, const char *uid,
                      const char *note)
{
    sy_actions_event_by(a, NULL, type, reason, action, ns, name, uid, note);
}

void sy_actions_event_by(struct sy_actions *a, const char *by, const char *type, const char *reason,
                         const char *action, const char *ns, const char *name, const char *uid,
                         const char *note)
{
    struct reporter r = reporter(a, by);
    int64_t now = sy_clock_wall_ns();
    char *cut = strlen(note) > SY_NOTE_MAX ? sy_body_cut(note, SY_NOTE_MAX) : NULL;
    struct sy_body_event body = {
        .component = r.component,
        .instance = r.instance,
        .type = type,
        .reason = reason,
        .action = action,
        .ns = ns,
        .name = name,
        .uid = uid,
        .note = cut ? cut : note,
        .first_wall_ns = now,
        .last_wall_ns = now,
        .count = 1,
    };
    /* A pod is scheduled once, so there is nothing to remember. */
    bool may_repeat = strcmp(reason, "Scheduled") != 0;
    uint64_t key[2] = {0};
    uint32_t i = SY_MAP_NONE;

    if (may_repeat) {
        event_key(a, &body, key);
        i = sy_map_get(&a->events_by_key, key[0], event_eq, a, key);
    }
    if (i != SY_MAP_NONE) {
        struct event *e = a->events.p[i];

        e->body.count++;
        e->body.last_wall_ns = now;
        a->stats.events_merged++;
        /* The second is told at once, later ones by the heartbeat. One that is still queued or
         * under way is looked at when it is done. */
        if (e->told_count == 1)
            event_enqueue(e);
    } else if (a->queued_len >= a->options.events_max_queued) {
        a->stats.events_dropped++;
    } else {
        struct event *e = event_new(a, &body);

        e->key[0] = key[0];
        e->key[1] = key[1];
        event_enqueue(e);
        if (may_repeat)
            event_remember(e);
    }
    free(cut);
    pump(a);
}

/* Tells the server the counts of long series, and forgets those that are over. */
static void look_at_series(void *arg)
{
    struct sy_actions *a = arg;
    int64_t now = sy_clock_wall_ns();
    struct event *next;

    for (struct event *e = TAILQ_FIRST(&a->remembered); e; e = next) {
        next = TAILQ_NEXT(e, series);
        if (e->is_queued || e->is_sent)
            continue;
        bool is_over = now - e->body.last_wall_ns > series_end_ns;
        bool is_told = e->told_count == e->body.count;

        if (!is_told && (is_over || now - e->told_wall_ns > series_beat_ns))
            event_enqueue(e);
        if (is_over) {
            event_forget(e);
            event_release(e);
        }
    }
    sy_timer_arm(a->series_timer, series_look_ns);
    pump(a);
}

/* ---- turns --------------------------------------------------------------------------------------
 */

/* Binds, and evictions that make room for them, come first: an API server that is busy with them is
 * asked for an event now and then only, so that events take a tenth of one request's worth of it.
 * They catch up when those pause, or when so many have gathered that some would be lost. */
static uint32_t events_allowed(struct sy_actions *a)
{
    sy_time_ns now = sy_clock_boot_ns();

    if (sy_evictions_len(a->evictions))
        a->last_busy_ns = now;
    if (!a->binds_in_flight && now >= a->last_busy_ns + busy_ns)
        return a->options.events_in_flight;
    if (a->queued_len > a->options.events_max_queued / 2 || now >= a->next_event_ns)
        return a->options.events_in_flight_while_binding;
    if (!TAILQ_EMPTY(&a->events_queued) && !sy_timer_is_armed(a->events_timer))
        sy_timer_arm(a->events_timer, a->next_event_ns - now);
    return 0;
}

static void pump(struct sy_actions *a)
{
    if (a->is_paused)
        return;
    uint32_t conditions = a->binds_in_flight ? CONDITIONS_BESIDE_BINDS : CONDITIONS_IDLE;

    while (a->conditions_in_flight < conditions && !TAILQ_EMPTY(&a->conditions_queued))
        send_condition(a, TAILQ_FIRST(&a->conditions_queued));
    if (TAILQ_EMPTY(&a->events_queued))
        return;
    uint32_t events = events_allowed(a);
    while (a->events_in_flight < events && !TAILQ_EMPTY(&a->events_queued))
        send_event(a, TAILQ_FIRST(&a->events_queued));
    if (!TAILQ_EMPTY(&a->events_queued) && !a->events_in_flight &&
        !sy_timer_is_armed(a->events_timer))
        sy_timer_arm(a->events_timer, busy_ns);
}

static void on_events_timer(void *arg)
{
    pump(arg);
}

static void on_evict_failed(void *arg, const char *uid, const struct sy_err *err)
{
    struct sy_actions *a = arg;

    if (a->options.on_evict_failed)
        a->options.on_evict_failed(a->options.arg, uid, err);
}

void sy_actions_preempt(struct sy_actions *a, const char *ns, const char *name, const char *uid,
                        const char *message, int64_t generation)
{
    sy_actions_evict(a, SY_EVICT_PREEMPT, ns, name, uid, message, generation);
}

void sy_actions_evict(struct sy_actions *a, enum sy_evict_how how, const char *ns, const char *name,
                      const char *uid, const char *message, int64_t generation)
{
    sy_evictions_add(a->evictions, how, ns, name, uid, message, generation);
}

void sy_actions_volume(struct sy_actions *a, const struct sy_volume_write *write)
{
    sy_volume_writes_add(a->volumes, write);
}

void sy_actions_group(struct sy_actions *a, const struct sy_group_write *write)
{
    sy_group_writes_add(a->groups, write);
}

static void on_volume(void *arg, uint64_t ticket, const struct sy_err *err)
{
    struct sy_actions *a = arg;

    if (a->options.on_volume)
        a->options.on_volume(a->options.arg, ticket, err);
}

void sy_actions_claim(struct sy_actions *a, uint64_t ticket, const struct sy_claim_write *write,
                      const struct sy_strings *strings)
{
    sy_claim_writes_add(a->claims, ticket, write, strings);
}

static void on_claim(void *arg, uint64_t ticket, enum sy_claim_outcome outcome,
                     enum sy_encoding enc, struct sy_str raw, const struct sy_err *err)
{
    struct sy_actions *a = arg;

    if (a->options.on_claim)
        a->options.on_claim(a->options.arg, ticket, outcome, enc, raw, err);
}

void sy_actions_pause(struct sy_actions *a, bool is_paused)
{
    a->is_paused = is_paused;
    sy_evictions_pause(a->evictions, is_paused);
    sy_volume_writes_pause(a->volumes, is_paused);
    sy_group_writes_pause(a->groups, is_paused);
    sy_claim_writes_pause(a->claims, is_paused);
    pump(a);
}

bool sy_actions_is_idle(const struct sy_actions *a)
{
    return !a->binds_unsettled && !a->conditions.len && !a->queued_len && !a->events_in_flight &&
           !sy_evictions_len(a->evictions) && !sy_volume_writes_len(a->volumes) &&
           !sy_group_writes_len(a->groups) && !sy_claim_writes_len(a->claims);
}

void sy_actions_drain(struct sy_actions *a)
{
    while (!TAILQ_EMPTY(&a->events_queued)) {
        struct event *e = TAILQ_FIRST(&a->events_queued);

        TAILQ_REMOVE(&a->events_queued, e, link);
        e->is_queued = false;
        a->queued_len--;
        a->stats.events_dropped++;
        event_forget(e);
        event_release(e);
    }
}

const struct sy_actions_stats *sy_actions_stats(const struct sy_actions *a)
{
    return &a->stats;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

int sy_actions_new(struct sy_kube *k, const struct sy_actions_options *options,
                   struct sy_actions **ret, struct sy_err *err)
{
    if (!options->component || !*options->component || !options->instance || !options->on_bind)
        return sy_err_set(err, -EINVAL, "actions need a component, an instance and on_bind");
    struct sy_actions *a = sy_xcalloc(1, sizeof(*a));
    a->k = k;
    a->options = *options;
    a->options.bind_timeout_ms = or_default(options->bind_timeout_ms, BIND_TIMEOUT_MS);
    a->options.transit_ms = or_default(options->transit_ms, TRANSIT_MS);
    a->options.events_max_queued = or_default(options->events_max_queued, EVENTS_QUEUED_MAX);
    a->options.events_in_flight_while_binding =
        or_default(options->events_in_flight_while_binding, EVENTS_BESIDE_BINDS);
    a->options.events_in_flight = or_default(options->events_in_flight, EVENTS_IDLE);
    a->component = sy_xstrdup(options->component);
    a->instance = sy_xstrndup(options->instance, strnlen(options->instance, INSTANCE_MAX));
    a->encoding = sy_kube_is_json_only(k) ? SY_ENCODING_JSON : SY_ENCODING_PROTOBUF;
    a->hash_key[0] = sy_rng_entropy();
    a->hash_key[1] = sy_rng_entropy();
    sy_rng_seed(&a->rng, sy_rng_entropy());
    a->strings = sy_strings_new(a->hash_key);
    sy_buf_init(&a->path, BODY_MAX);
    sy_buf_init(&a->body, BODY_MAX);
    a->since = sy_xcalloc(SINCE_SLOTS, sizeof(*a->since));
    TAILQ_INIT(&a->binds);
    TAILQ_INIT(&a->conditions_queued);
    TAILQ_INIT(&a->conditions_sent);
    TAILQ_INIT(&a->events_queued);
    TAILQ_INIT(&a->events_sent);
    TAILQ_INIT(&a->remembered);
    a->evictions = sy_evictions_new(k, &a->stats, on_evict_failed, a);
    a->volumes = sy_volume_writes_new(k, &a->stats, on_volume, a);
    a->groups = sy_group_writes_new(k, &a->stats);
    a->claims = sy_claim_writes_new(k, &a->stats, on_claim, a);
    a->series_timer = sy_timer_new(sy_kube_loop(k), look_at_series, a);
    a->events_timer = sy_timer_new(sy_kube_loop(k), on_events_timer, a);
    sy_timer_arm(a->series_timer, series_look_ns);
    *ret = a;
    return 0;
}

static void abandon_binds(struct sy_actions *a)
{
    while (!TAILQ_EMPTY(&a->binds)) {
        struct bind *b = TAILQ_FIRST(&a->binds);

        if (!b->call) {
            bind_free(b);
            continue;
        }
        TAILQ_REMOVE(&a->binds, b, link);
        sy_timer_free(b->timer);
        b->timer = NULL;
        b->a = NULL;
        sy_kube_cancel(a->k, b->call);
    }
}

static void abandon_conditions(struct sy_actions *a)
{
    while (!TAILQ_EMPTY(&a->conditions_queued)) {
        struct condition *c = TAILQ_FIRST(&a->conditions_queued);

        TAILQ_REMOVE(&a->conditions_queued, c, link);
        condition_free(c);
    }
    while (!TAILQ_EMPTY(&a->conditions_sent)) {
        struct condition *c = TAILQ_FIRST(&a->conditions_sent);

        TAILQ_REMOVE(&a->conditions_sent, c, link);
        c->a = NULL;
        sy_kube_cancel(a->k, c->call);
    }
}

static void abandon_events(struct sy_actions *a)
{
    sy_actions_drain(a);
    while (!TAILQ_EMPTY(&a->remembered)) {
        struct event *e = TAILQ_FIRST(&a->remembered);

        event_forget(e);
        event_release(e);
    }
    while (!TAILQ_EMPTY(&a->events_sent)) {
        struct event *e = TAILQ_FIRST(&a->events_sent);

        TAILQ_REMOVE(&a->events_sent, e, link);
        e->a = NULL;
        sy_kube_cancel(a->k, e->call);
    }
}

void sy_actions_free(struct sy_actions *a)
{
    if (!a)
        return;
    abandon_binds(a);
    abandon_conditions(a);
    abandon_events(a);
    sy_evictions_free(a->evictions);
    sy_volume_writes_free(a->volumes);
    sy_group_writes_free(a->groups);
    sy_claim_writes_free(a->claims);
    sy_timer_free(a->events_timer);
    sy_timer_free(a->series_timer);
    sy_map_done(&a->conditions_by_uid);
    sy_map_done(&a->events_by_key);
    sy_vec_done(&a->conditions);
    sy_vec_done(&a->events);
    sy_vec_done(&a->free_events);
    sy_strings_free(a->strings);
    sy_buf_done(&a->path);
    sy_buf_done(&a->body);
    free(a->since);
    for (size_t i = 0; i < a->reporters.len; i++) {
        free(a->reporters.p[i].component);
        free(a->reporters.p[i].instance);
    }
    sy_vec_done(&a->reporters);
    free(a->component);
    free(a->instance);
    free(a);
}
