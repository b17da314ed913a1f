/* SPDX-License-Identifier: Apache-2.0 */
#include "app/outbox.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "sched/health.h"

static const size_t OBJECT_MAX_BYTES = (size_t)64 << 20;
/* A budget that does not let a pod go may do so then, where the server does not say when. */
static const int64_t BUDGET_RETRY_NS = 10 * SY_NS_PER_S;

struct ended {
    uint64_t ticket;
    enum sy_bind_result result;
    char *error; /* owned, or NULL */
};

/* A pod that was to go and has not. */
struct spared {
    char *uid;        /* owned */
    int64_t after_ns; /* it may be tried again then */
};

/* A write for a pod's volumes. */
struct wrote {
    uint64_t ticket;
    char *error; /* owned, NULL when it is written */
};

/* A write to a resource claim. */
struct claimed {
    uint64_t ticket;
    enum sy_claim_outcome outcome;
    enum sy_encoding encoding;
    char *raw; /* owned: the claim as it was answered with */
    size_t raw_len;
    char *error; /* owned, NULL when it is written */
};

struct sy_outbox {
    struct sy_actions *actions;
    struct sy_strings *strings; /* borrowed */
    struct sy_decode decode;
    SY_VEC(struct claimed) claimed;
    SY_VEC(struct ended) ended;
    SY_VEC(struct spared) spared;
    SY_VEC(struct wrote) wrote;
    char *group_apis[SY_GROUP_SOURCES]; /* owned, or NULL */
    bool events;
    void (*on_result)(void *arg);
    void *arg;
};

static enum sy_bind_result result_of(enum sy_bind_outcome outcome)
{
    switch (outcome) {
    case SY_BIND_OK:
        return SY_BIND_RESULT_OK;
    case SY_BIND_CONFLICT:
        return SY_BIND_RESULT_CONFLICT;
    case SY_BIND_GONE:
        return SY_BIND_RESULT_GONE;
    case SY_BIND_REFUSED:
        return SY_BIND_RESULT_REFUSED;
    case SY_BIND_UNKNOWN:
        break;
    }
    return SY_BIND_RESULT_UNKNOWN;
}

static void on_bind(void *arg, uint64_t ticket, enum sy_bind_outcome outcome,
                    const struct sy_err *err, int64_t duration_ns)
{
    struct sy_outbox *o = arg;
    struct ended e = {.ticket = ticket, .result = result_of(outcome)};

    (void)duration_ns;
    if (outcome == SY_BIND_REFUSED) {
        e.error = sy_xstrdup(sy_err_text(err, -1));
        sy_log_warn("bind refused; the pod is tried again", "error", e.error);
    } else if (outcome == SY_BIND_UNKNOWN) {
        sy_log_warn("the end of a bind is not known; its place is kept until it is", "error",
                    sy_err_text(err, -1));
    }
    sy_vec_push(&o->ended, e);
    o->on_result(o->arg);
}

static void on_evict_failed(void *arg, const char *uid, const struct sy_err *err)
{
    struct sy_outbox *o = arg;

    struct spared s = {.after_ns = (int64_t)err->retry_after_ms * SY_NS_PER_MS};

    if (err->http_status == 429 && !s.after_ns)
        s.after_ns = BUDGET_RETRY_NS;
    sy_log_warn("a pod could not be evicted; it may be chosen again", "uid", uid, "error",
                sy_err_text(err, -1));
    s.uid = sy_xstrdup(uid);
    sy_vec_push(&o->spared, s);
    o->on_result(o->arg);
}

static void on_volume(void *arg, uint64_t ticket, const struct sy_err *err)
{
    struct sy_outbox *o = arg;
    struct wrote w = {.ticket = ticket};

    if (err) {
        w.error = sy_xstrdup(sy_err_text(err, -1));
        sy_log_warn("a volume could not be bound; the pod is tried again", "error", w.error);
    }
    sy_vec_push(&o->wrote, w);
    o->on_result(o->arg);
}

static void on_claim(void *arg, uint64_t ticket, enum sy_claim_outcome outcome,
                     enum sy_encoding enc, struct sy_str raw, const struct sy_err *err)
{
    struct sy_outbox *o = arg;
    struct claimed c = {.ticket = ticket, .outcome = outcome, .encoding = enc};

    if (raw.len) {
        c.raw = sy_xmalloc(raw.len);
        memcpy(c.raw, raw.p, raw.len);
        c.raw_len = raw.len;
    }
    if (err)
        c.error = sy_xstrdup(sy_err_text(err, -1));
    if (outcome == SY_CLAIM_REFUSED)
        sy_log_warn("a resource claim could not be written", "error", c.error);
    sy_vec_push(&o->claimed, c);
    o->on_result(o->arg);
}

int sy_outbox_new(struct sy_kube *kube, const struct sy_outbox_options *options,
                  struct sy_outbox **ret, struct sy_err *err)
{
    struct sy_outbox *o = sy_xcalloc(1, sizeof(*o));
    char host[256] = "";
    char *instance SY_CLEANUP(sy_freep) = NULL;

    o->events = options->events;
    o->on_result = options->on_result;
    o->arg = options->arg;
    o->strings = options->strings;
    /* On failure the name may be cut without its end. */
    if (gethostname(host, sizeof(host) - 1) != 0 || !host[0])
        host[0] = '0';
    instance = sy_xasprintf("%s-%s", options->component, host);
    struct sy_actions_options actions = {
        .component = options->component,
        .instance = instance,
        .bind_timeout_ms = options->bind_timeout_ms,
        .events_max_queued = options->events_max_queued,
        .on_bind = on_bind,
        .on_evict_failed = on_evict_failed,
        .on_volume = on_volume,
        .on_claim = on_claim,
        .arg = o,
    };
    int r = sy_actions_new(kube, &actions, &o->actions, err);
    if (r) {
        free(o);
        return r;
    }
    sy_decode_init(&o->decode, o->strings, OBJECT_MAX_BYTES);
    *ret = o;
    return 0;
}

void sy_outbox_free(struct sy_outbox *o)
{
    if (!o)
        return;
    sy_actions_free(o->actions);
    for (size_t i = 0; i < o->ended.len; i++)
        free(o->ended.p[i].error);
    sy_vec_done(&o->ended);
    for (size_t i = 0; i < o->spared.len; i++)
        free(o->spared.p[i].uid);
    sy_vec_done(&o->spared);
    for (size_t i = 0; i < o->wrote.len; i++)
        free(o->wrote.p[i].error);
    sy_vec_done(&o->wrote);
    for (size_t i = 0; i < o->claimed.len; i++) {
        free(o->claimed.p[i].raw);
        free(o->claimed.p[i].error);
    }
    sy_vec_done(&o->claimed);
    for (size_t i = 0; i < SY_ARRAY_LEN(o->group_apis); i++)
        free(o->group_apis[i]);
    sy_decode_done(&o->decode);
    free(o);
}

static void write_volume(struct sy_outbox *o, uint64_t ticket, const struct sy_decision_volume *v)
{
    const struct sy_volume_write write = {
        .ticket = ticket,
        .volume = v->volume,
        .version = v->version,
        .set_by_controller = v->set_by_controller,
        .ns = v->ns,
        .claim = v->claim,
        .claim_uid = v->claim_uid,
        .claim_version = v->claim_version,
        .node = v->node,
    };

    sy_actions_volume(o->actions, &write);
}

static void write_group(struct sy_outbox *o, const struct sy_decision *d)
{
    const struct sy_group_write write = {
        .api = o->group_apis[d->group.source],
        .ns = d->ns,
        .name = d->name,
        .uid = d->uid,
        .generation = d->generation,
        .phase = d->group.phase,
        .running = d->group.running,
        .is_scheduled = d->group.is_scheduled,
        .reason = d->reason,
        .message = d->message,
    };

    if (write.api)
        sy_actions_group(o->actions, &write);
}

void sy_outbox_set_group_api(struct sy_outbox *o, uint8_t source, const char *api)
{
    free(o->group_apis[source]);
    o->group_apis[source] = sy_xstrdup(api);
}

void sy_outbox_decide(void *arg, const struct sy_decision *d)
{
    struct sy_outbox *o = arg;
    static const enum sy_evict_how HOW[] = {
        [SY_REMOVE_BY_PREEMPTION] = SY_EVICT_PREEMPT,
        [SY_REMOVE_BY_EVICTION] = SY_EVICT_BUDGETED,
        [SY_REMOVE_BY_FORCE] = SY_EVICT_FORCE,
    };
    const char *gpus[] = {SY_GPU_DEVICES_ANNOTATION, d->gpu_devices, NULL};

    switch (d->kind) {
    case SY_DECIDE_BIND:
        sy_actions_bind(o->actions, d->ticket, d->ns, d->name, d->uid, d->node,
                        d->gpu_devices ? gpus : NULL);
        break;
    case SY_DECIDE_CONDITION:
        sy_actions_condition(o->actions, d->ns, d->name, d->uid, d->reason, d->message,
                             d->nominated_node, d->generation);
        break;
    case SY_DECIDE_EVENT:
        if (o->events)
            sy_actions_event_by(o->actions, d->reporter, d->type, d->reason, d->action, d->ns,
                                d->name, d->uid, d->message);
        break;
    case SY_DECIDE_EVICT:
        sy_actions_evict(o->actions, HOW[d->removal], d->ns, d->name, d->uid, d->message,
                         d->generation);
        break;
    case SY_DECIDE_VOLUME:
        write_volume(o, d->ticket, d->volume);
        break;
    case SY_DECIDE_CLAIM:
        sy_actions_claim(o->actions, d->ticket, d->claim, o->strings);
        break;
    case SY_DECIDE_GROUP:
        write_group(o, d);
        break;
    }
}

static void tell_claim(struct sy_outbox *o, struct sy_sched *sched, const struct claimed *c,
                       sy_time_ns now)
{
    static const enum sy_claim_result RESULTS[] = {
        [SY_CLAIM_WRITTEN] = SY_CLAIM_RESULT_OK,
        [SY_CLAIM_CONFLICT] = SY_CLAIM_RESULT_CONFLICT,
        [SY_CLAIM_REFUSED] = SY_CLAIM_RESULT_REFUSED,
    };
    struct sy_str raw = {c->raw, c->raw_len};
    union sy_devices_object object;
    struct sy_err err;
    bool is_read = false;

    if (raw.len) {
        sy_arena_reset(&o->decode.arena);
        is_read =
            sy_decode_devices(&o->decode, SY_DEVICES_CLAIM, c->encoding, raw, &object, &err) == 0;
        if (!is_read)
            sy_log_warn("the answer with a resource claim is not understood", "error",
                        sy_err_text(&err, -1));
    }
    sy_sched_claim_result(sched, c->ticket, RESULTS[c->outcome], is_read ? &object.claim : NULL,
                          c->error, now);
}

void sy_outbox_apply(struct sy_outbox *o, struct sy_sched *sched, sy_time_ns now)
{
    /* Telling may decide, and so end further binds: by index, and until none is left. */
    for (size_t i = 0; i < o->ended.len; i++) {
        struct ended e = o->ended.p[i];
        sy_sched_bind_result(sched, e.ticket, e.result, e.error, now);
        free(e.error);
    }
    o->ended.len = 0;
    for (size_t i = 0; i < o->wrote.len; i++) {
        struct wrote w = o->wrote.p[i];
        sy_sched_volume_result(sched, w.ticket, w.error, now);
        free(w.error);
    }
    o->wrote.len = 0;
    for (size_t i = 0; i < o->claimed.len; i++) {
        struct claimed c = o->claimed.p[i];
        tell_claim(o, sched, &c, now);
        free(c.raw);
        free(c.error);
    }
    o->claimed.len = 0;
    for (size_t i = 0; i < o->spared.len; i++) {
        sy_sched_evict_later(sched, sy_str_from(o->spared.p[i].uid), o->spared.p[i].after_ns, now);
        free(o->spared.p[i].uid);
    }
    o->spared.len = 0;
}

void sy_outbox_mark(const struct sy_outbox *o)
{
    sy_decode_mark(&o->decode);
}

void sy_outbox_set_events(struct sy_outbox *o, bool enabled)
{
    o->events = enabled;
}

void sy_outbox_pause(struct sy_outbox *o, bool is_paused)
{
    sy_actions_pause(o->actions, is_paused);
}

uint32_t sy_outbox_binds_in_flight(const struct sy_outbox *o)
{
    return sy_actions_binds_in_flight(o->actions);
}

bool sy_outbox_is_idle(const struct sy_outbox *o)
{
    return sy_actions_is_idle(o->actions);
}

void sy_outbox_drop_events(struct sy_outbox *o)
{
    sy_actions_drain(o->actions);
}

void sy_outbox_figures(const struct sy_outbox *o, struct sy_figures *ret)
{
    const struct sy_actions_stats *s = sy_actions_stats(o->actions);

    ret->conditions_sent = s->conditions_sent;
    ret->condition_errors = s->condition_errors;
    ret->evictions_done = s->evictions_done;
    ret->eviction_errors = s->eviction_errors;
    ret->events_sent = s->events_sent;
    ret->events_dropped = s->events_dropped;
    ret->events_merged = s->events_merged;
    ret->event_errors = s->event_errors;
}
