/* SPDX-License-Identifier: Apache-2.0
 *
 * From an assumed pod to a bound one: devices and volumes are held and written, then the
 * bind goes out and its result comes in. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/volumes.h"

#include <stdio.h>
#include <stdlib.h>

/* AssumeExtendedResourceTimeoutDefaultSeconds. */
static const int64_t CLAIM_UNSEEN_MAX_NS = 120 * SY_NS_PER_S;

void sy_sched_drop_claims(struct sy_sched *s, struct sy_entry *e)
{
    sy_claim_work_drop(&s->claims, &s->cluster, e->claims);
    e->claims = NULL;
}

/* Answers to older ones are ignored from now on. */
static void new_ticket(struct sy_sched *s, struct sy_entry *e)
{
    e->serial = s->next_serial++ & UINT32_MAX;
    if (!e->serial)
        e->serial = s->next_serial++ & UINT32_MAX;
}

static void send_bind(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    uint64_t gpus = s->cluster.pods.p[e->pod].gpu_devices;

    sy_sched_take_hold(s, e, node);
    e->state = SY_ENTRY_BINDING;
    e->bind_ns = now;
    e->node = node;
    new_ticket(s, e);
    s->in_flight++;
    sy_sched_decide_about(s, e,
                          &(struct sy_decision){
                              .kind = SY_DECIDE_BIND,
                              .ticket = e->serial << 32 | i,
                              .node = sy_strings_getz(s->strings, s->cluster.nodes[node].node.name),
                              .gpu_devices = gpus ? sy_gpu_devices_format(gpus, s->gpu_text) : NULL,
                          });
}

/* The bind of an assumed pod came to nothing. While a gang is being bound, its member keeps its
 * place until it is tried again; else the place is given up. False when the pod is nothing of ours
 * any more. */
static bool give_up_place(struct sy_sched *s, const struct sy_entry *e, sy_time_ns now)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    uint32_t g = sy_gangs_of(&s->gangs, e->pod);

    if (g != SY_NONE) {
        const struct sy_gang *gang = &s->gangs.all.p[g];
        sy_gangs_touch(&s->gangs, g, false);
        if (gang->give_up_ns != INT64_MAX && now < gang->give_up_ns &&
            (p->flags & (SY_POD_ASSUMED | SY_POD_TERMINATING)) == SY_POD_ASSUMED &&
            sy_cluster_node_is_alive(&s->cluster, p->node) &&
            s->cluster.node_health[p->node] == SY_HEALTH_GOOD &&
            sy_sched_profile_of(s, p->spec->spec.scheduler_name))
            return true;
    }
    sy_cluster_forget(&s->cluster, e->pod);
    return sy_sched_wanted_by(s, p) != NULL;
}

static void reserved_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    sy_sched_leave(s, i);
    sy_sched_drop_claims(s, e);
    if (!give_up_place(s, e, now)) {
        sy_sched_drop_entry(s, i);
        return;
    }
    s->stats.attempts_error++;
    sy_sched_stats_of(s, e)->attempts_error++;
    sy_sched_say(s, e, "SchedulerError", error, NULL);
    sy_sched_record_refusal(s, e, SY_RECORD_FAILED, error, now);
    sy_sched_enter_backoff(s, i, now);
}

/* Leaves RESERVED or BINDING with its claims still to be seen to. */
static void leave_with_claims(struct sy_sched *s, uint32_t i)
{
    struct sy_claim_work *claims = sy_sched_entry(s, i)->claims;

    sy_sched_entry(s, i)->claims = NULL;
    sy_sched_leave(s, i);
    sy_sched_entry(s, i)->claims = claims;
}

static void enter_reserved(struct sy_sched *s, uint32_t i, uint32_t node)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    e->state = SY_ENTRY_RESERVED;
    e->node = node;
    e->until_ns = INT64_MAX;
    sy_vec_push(&s->reserved, i);
}

static void claims_failed(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    char *error = sy_xstrdup(sy_claim_work_error(sy_sched_entry(s, i)->claims));

    reserved_failed(s, i, error, now);
    free(error);
}

/* For drivers, which have a say before the pod is bound. */
static void begin_waiting(struct sy_sched *s, struct sy_entry *e, sy_time_ns now)
{
    char note[SY_SCHED_NOTE_MAX_BYTES];

    if (e->until_ns != INT64_MAX)
        return;
    /* INT64_MAX means that nothing is waited for. */
    e->until_ns = sy_time_earlier(
        sy_add_saturate(now, sy_sched_shape_of(s, e)->profile->args.claim_bind_timeout_ns),
        INT64_MAX - 1);
    s->next_volume_ns = sy_time_earlier(s->next_volume_ns, e->until_ns);
    snprintf(note, sizeof(note), "waiting for binding conditions for device on node %s",
             sy_strings_getz(s->strings, s->cluster.nodes[e->node].node.name));
    sy_sched_emit_event(s, e, NULL, "Normal", "BindingConditionsPending", "Scheduling", note);
}

/* Once volumes are there: has the next write of a resource claim done, or what follows the last. */
static void next_claim(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_decision d = {.kind = SY_DECIDE_CLAIM};
    struct sy_claim_write write;
    enum sy_claim_step step = SY_CLAIMS_READY;

    if (e->claims)
        step = sy_claim_work_next(&s->claims, &s->cluster, e->claims, &write, &d.ticket);
    if (step == SY_CLAIMS_WRITE) {
        e->until_ns = INT64_MAX;
        d.claim = &write;
        sy_sched_decide_about(s, e, &d);
    } else if (step == SY_CLAIMS_UNSEEN) {
        e->until_ns = sy_time_earlier(e->until_ns, sy_add_saturate(now, CLAIM_UNSEEN_MAX_NS));
        s->next_volume_ns = sy_time_earlier(s->next_volume_ns, e->until_ns);
    } else if (step == SY_CLAIMS_WAIT) {
        begin_waiting(s, e, now);
    } else if (step == SY_CLAIMS_FAILED) {
        claims_failed(s, i, now);
    } else {
        leave_with_claims(s, i);
        send_bind(s, i, e->node, now);
    }
}

void sy_sched_claim_result(struct sy_sched *s, uint64_t ticket, enum sy_claim_result result,
                           const struct sy_device_claim *claim, const char *error, sy_time_ns now)
{
    struct sy_claim_work *w = sy_claim_works_find(&s->claims, ticket);

    /* Without room for it the watch will tell. */
    if (claim)
        (void)!sy_devices_refresh(&s->cluster, claim);
    if (w && sy_claim_work_result(&s->claims, &s->cluster, w, result, claim, error))
        next_claim(s, sy_claim_work_user(w), now);
}

static bool has_filter(const struct sy_profile *profile, const struct sy_filter *filter)
{
    for (uint32_t i = 0; i < profile->filters_len; i++) {
        if (profile->filters[i] == filter)
            return true;
    }
    return false;
}

/* Holds the devices of an assumed pod's resource claims. False: they cannot be had; *ret_error,
 * owned by the caller, says why. */
static bool hold_claims(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    struct sy_err err = {0};

    const struct sy_pod_spec *spec = &s->cluster.pods.p[e->pod].spec->spec;
    if ((!spec->claims_len && !spec->device_resources_len) ||
        !has_filter(shape->profile, sy_filter_find("DynamicResources")))
        return true;
    if (sy_claim_work_new(&s->claims, &shape->view, &s->shapes.arena, e->pod, node, i, &e->claims,
                          &err) == 0)
        return true;
    *ret_error = sy_xasprintf("running Reserve plugin \"DynamicResources\": %s", err.msg);
    return false;
}

/* Has the next write done, or begins to wait for what was written. */
static void next_write(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_decision_volume write;

    if (!sy_volume_work_next(&s->cluster, e->volumes, &write)) {
        e->until_ns =
            now + sy_sched_shape_of(s, e)->profile->args.volume_bind_timeout_s * SY_NS_PER_S;
        s->next_volume_ns = now; /* it may be bound already */
        return;
    }
    new_ticket(s, e);
    sy_sched_decide_about(s, e,
                          &(struct sy_decision){.kind = SY_DECIDE_VOLUME,
                                                .ticket = e->serial << 32 | i,
                                                .volume = &write});
}

/* The same for its volumes. */
static bool hold_volumes(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    struct sy_volume_plan plan = {0};

    if (!s->cluster.pods.p[e->pod].spec->spec.volumes_len ||
        !has_filter(shape->profile, sy_filter_find("VolumeBinding")))
        return true;
    int r = sy_volume_plan(&shape->view, &s->shapes.arena, node, &plan);
    if (r < 0) {
        *ret_error = sy_xstrdup("running Reserve plugin \"VolumeBinding\": no memory");
        return false;
    }
    if (plan.claims_len)
        e->volumes = sy_volume_work_new(&s->cluster, &plan, node);
    return true;
}

static void volumes_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    char *text = sy_xasprintf("running PreBind plugin \"VolumeBinding\": %s", error);

    reserved_failed(s, i, text, now);
    free(text);
}

void sy_sched_volume_result(struct sy_sched *s, uint64_t ticket, const char *error, sy_time_ns now)
{
    uint32_t i = (uint32_t)ticket;

    if (i >= s->entries.all.len || sy_sched_entry(s, i)->state != SY_ENTRY_RESERVED ||
        sy_sched_entry(s, i)->serial != ticket >> 32)
        return;
    if (error) {
        volumes_failed(s, i, error, now);
        return;
    }
    sy_volume_work_written(sy_sched_entry(s, i)->volumes);
    next_write(s, i, now);
}

static void check_reserved(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    char *error = NULL;

    if (e->until_ns == INT64_MAX)
        return; /* still being written */
    if (!e->volumes) {
        if (now >= e->until_ns)
            sy_claim_work_expire(&s->cluster, e->claims);
        next_claim(s, i, now);
        return;
    }
    enum sy_volume_progress p = sy_volume_work_check(&s->cluster, e->volumes, &error);
    if (p == SY_VOLUMES_WAIT && now >= e->until_ns) {
        p = SY_VOLUMES_FAILED;
        error = sy_xstrdup("context deadline exceeded");
    }
    if (p == SY_VOLUMES_FAILED) {
        char *text = sy_xasprintf("binding volumes: %s", error);
        volumes_failed(s, i, text, now);
        free(text);
        free(error);
    } else if (p == SY_VOLUMES_BOUND) {
        sy_volume_work_free(&s->cluster, e->volumes);
        e->volumes = NULL;
        e->until_ns = INT64_MAX;
        next_claim(s, i, now);
    }
}

void sy_sched_check_volumes(struct sy_sched *s, sy_time_ns now)
{
    if (s->storage_generation == s->cluster.storage.generation &&
        s->devices_generation == s->cluster.devices.generation && now < s->next_volume_ns)
        return;
    s->storage_generation = s->cluster.storage.generation;
    s->devices_generation = s->cluster.devices.generation;
    for (size_t n = s->reserved.len; n--;)
        check_reserved(s, s->reserved.p[n], now); /* may take itself out of the list */
    s->next_volume_ns = INT64_MAX;
    for (size_t n = 0; n < s->reserved.len; n++)
        s->next_volume_ns =
            sy_time_earlier(s->next_volume_ns, sy_sched_entry(s, s->reserved.p[n])->until_ns);
}

bool sy_sched_hold(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    return hold_claims(s, i, node, ret_error) && hold_volumes(s, i, node, ret_error);
}

void sy_sched_proceed(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    if (e->volumes) {
        enter_reserved(s, i, node);
        next_write(s, i, now);
    } else if (e->claims) {
        enter_reserved(s, i, node);
        next_claim(s, i, now);
    } else {
        send_bind(s, i, node, now);
    }
}

void sy_sched_reserve(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now)
{
    char *error = NULL;

    if (sy_sched_hold(s, i, node, &error))
        sy_sched_proceed(s, i, node, now);
    else
        reserved_failed(s, i, error, now);
    free(error);
}

static void bind_succeeded(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    char note[SY_SCHED_NOTE_MAX_BYTES];

    sy_sched_failure_bound(s, e, now);
    s->stats.attempts_scheduled++;
    sy_sched_stats_of(s, e)->attempts_scheduled++;
    s->stats.rescued_by_sweep += e->swept;
    sy_histogram_add(&sy_sched_stats_of(s, e)->bind_s, (double)(now - e->bind_ns) / 1e9);
    sy_histogram_add(&sy_sched_stats_of(s, e)->attempt_s, (double)(now - e->attempt_ns) / 1e9);
    uint32_t attempts = e->attempts < SY_SLI_ATTEMPTS ? e->attempts : SY_SLI_ATTEMPTS;
    sy_histogram_add(&s->stats.sli_s[attempts ? attempts - 1 : 0],
                     (double)(now - e->queued_ns) / 1e9);
    sy_histogram_add(&s->stats.attempts, e->attempts);
    if (!(p->flags & SY_POD_RUNNING))
        p->bound_ns = now;
    snprintf(note, sizeof(note), "Successfully assigned %s/%s to %s",
             sy_strings_getz(s->strings, p->ns), p->name,
             sy_strings_getz(s->strings, s->cluster.nodes[e->node].node.name));
    sy_sched_emit_event(s, e, NULL, "Normal", "Scheduled", "Binding", note);
    sy_sched_drop_entry(s, i);
}

static void bind_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);

    if (error && e->claims && sy_claim_work_undo(e->claims, error)) {
        leave_with_claims(s, i);
        enter_reserved(s, i, e->node);
        next_claim(s, i, now);
        return;
    }
    if (!give_up_place(s, e, now)) {
        sy_sched_drop_entry(s, i); /* bound by another, or going away */
        return;
    }
    s->stats.attempts_error++;
    sy_sched_stats_of(s, e)->attempts_error++;
    if (error) {
        sy_sched_say(s, e, "SchedulerError", error, NULL);
        sy_sched_record_refusal(s, e, SY_RECORD_FAILED, error, now);
    }
    sy_sched_enter_backoff(s, i, now);
}

void sy_sched_bind_result(struct sy_sched *s, uint64_t ticket, enum sy_bind_result result,
                          const char *error, sy_time_ns now)
{
    uint32_t i = (uint32_t)ticket;

    if (i >= s->entries.all.len || sy_sched_entry(s, i)->state != SY_ENTRY_BINDING ||
        sy_sched_entry(s, i)->serial != ticket >> 32)
        return;
    switch (result) {
    case SY_BIND_RESULT_OK:
        s->stats.binds_ok++;
        break;
    case SY_BIND_RESULT_CONFLICT:
        s->stats.binds_conflict++;
        break;
    case SY_BIND_RESULT_GONE:
        s->stats.binds_gone++;
        break;
    case SY_BIND_RESULT_REFUSED:
        s->stats.binds_refused++;
        break;
    case SY_BIND_RESULT_UNKNOWN:
        s->stats.binds_unknown++;
        return; /* it may have landed: the slot stays taken until the API server settles it */
    }
    if (sy_sched_entry(s, i)->pod == SY_NO_ENTRY)
        sy_sched_drop_entry(s, i); /* the pod was deleted meanwhile, and its charge with it */
    else if (result == SY_BIND_RESULT_OK)
        bind_succeeded(s, i, now);
    else
        bind_failed(s, i, result == SY_BIND_RESULT_REFUSED ? error : NULL, now);
}
