/* SPDX-License-Identifier: Apache-2.0 */
#include "app/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/group.h"
#include "sched/health.h"
#include "sched/inputs.h"

enum { OBJECT_ARENA_MAX_BYTES = 64 << 20 };

struct resource {
    const char *name;
    const char *path;
    const char *query;
    int (*upsert)(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now);
    void (*remove)(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now);
    void (*replace_begin)(struct sy_feed *f);
    void (*replace_end)(struct sy_feed *f, sy_time_ns now);
    /* What is lost when the server does not have it or does not let us read it, while scheduling
     * goes on. NULL: it does not. */
    const char *loss;
    bool (*is_needed_by)(const struct sy_profile *p); /* NULL: always needed */
    int kind;                                         /* enum sy_storage_kind or one like it */
    bool is_quiet; /* upsert() itself says what the scheduler may act on */
};

struct sy_feed {
    const struct resource *resource;
    struct sy_feed_options options;
    struct sy_reflector *reflector;
    struct sy_decode decode;
    char *path; /* where the resource has none of its own */
    char *synced_name;
    char *live_name;
    bool is_refused; /* optional, and the last answer was no */
    bool is_absent;  /* refused: the server has no such resource */
};

static int upsert_node(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now)
{
    struct sy_node node;
    int r = sy_decode_node(&f->decode, enc, raw, &node, NULL);

    if (!r && f->options.join)
        sy_load_join_set(f->options.join, sy_strings_get(f->options.strings, node.name),
                         node.internal_ips, node.internal_ips_len, node.hostname);
    return r ? r : sy_sched_node(f->options.sched, &node, now);
}

static int upsert_pod(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now)
{
    struct sy_pod pod;
    int r = sy_decode_pod(&f->decode, enc, raw, &pod, NULL);

    return r ? r : sy_sched_pod(f->options.sched, &pod, now);
}

static void delete_node(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now)
{
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (f->options.join)
        sy_load_join_forget(f->options.join, meta->name);
    if (name)
        sy_sched_node_deleted(f->options.sched, name, now);
}

static void delete_pod(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now)
{
    sy_sched_pod_deleted(f->options.sched, meta->uid, now);
}

static void begin_nodes(struct sy_feed *f)
{
    if (f->options.join)
        sy_load_join_replace_begin(f->options.join);
    sy_sched_nodes_replace_begin(f->options.sched);
}

static void end_nodes(struct sy_feed *f, sy_time_ns now)
{
    if (f->options.join)
        sy_load_join_replace_end(f->options.join);
    sy_sched_nodes_replace_end(f->options.sched, now);
}

static void begin_pods(struct sy_feed *f)
{
    sy_sched_pods_replace_begin(f->options.sched);
}

static void end_pods(struct sy_feed *f, sy_time_ns now)
{
    sy_sched_pods_replace_end(f->options.sched, now);
}

static int upsert_storage(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                          sy_time_ns now SY_UNUSED)
{
    union sy_storage_object object;
    int r = sy_decode_storage(&f->decode, (enum sy_storage_kind)f->resource->kind, enc, raw,
                              &object, NULL);

    return r ? r
             : sy_sched_storage(f->options.sched, (enum sy_storage_kind)f->resource->kind, &object);
}

static void delete_storage(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = meta->ns.len ? sy_strings_find(f->options.strings, meta->ns) : 0;
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (name)
        sy_sched_storage_deleted(f->options.sched, (enum sy_storage_kind)f->resource->kind, ns,
                                 name);
}

static void begin_storage(struct sy_feed *f)
{
    sy_sched_storage_replace_begin(f->options.sched, (enum sy_storage_kind)f->resource->kind);
}

static void end_storage(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_storage_replace_end(f->options.sched, (enum sy_storage_kind)f->resource->kind);
}

static enum sy_devices_kind devices_kind(const struct sy_feed *f)
{
    return (enum sy_devices_kind)f->resource->kind;
}

static int upsert_devices(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                          sy_time_ns now SY_UNUSED)
{
    union sy_devices_object object;
    int r = sy_decode_devices(&f->decode, devices_kind(f), enc, raw, &object, NULL);

    return r ? r : sy_sched_devices(f->options.sched, devices_kind(f), &object);
}

static void delete_devices(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = meta->ns.len ? sy_strings_find(f->options.strings, meta->ns) : 0;
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (name)
        sy_sched_devices_deleted(f->options.sched, devices_kind(f), ns, name);
}

static void begin_devices(struct sy_feed *f)
{
    sy_sched_devices_replace_begin(f->options.sched, devices_kind(f));
}

static void end_devices(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_devices_replace_end(f->options.sched, devices_kind(f));
}

static int upsert_workload(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                           sy_time_ns now SY_UNUSED)
{
    enum sy_workload_kind kind = (enum sy_workload_kind)f->resource->kind;
    struct sy_workload object;
    int r = sy_decode_workload(&f->decode, kind, enc, raw, &object, NULL);

    return r ? r : sy_sched_workload(f->options.sched, kind, &object);
}

static void delete_workload(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = meta->ns.len ? sy_strings_find(f->options.strings, meta->ns) : 0;
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (name)
        sy_sched_workload_deleted(f->options.sched, (enum sy_workload_kind)f->resource->kind, ns,
                                  name, meta->uid);
}

static void begin_workloads(struct sy_feed *f)
{
    sy_sched_workloads_replace_begin(f->options.sched, (enum sy_workload_kind)f->resource->kind);
}

static void end_workloads(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_workloads_replace_end(f->options.sched, (enum sy_workload_kind)f->resource->kind);
}

static int upsert_lease(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now)
{
    struct sy_node_lease lease;
    int r = sy_decode_lease(&f->decode, enc, raw, &lease, NULL);

    if (!r && lease.node &&
        sy_sched_node_lease(f->options.sched, lease.node, lease.renewed_wall_ns, lease.duration_ns,
                            now))
        f->options.on_input(f->options.arg);
    return r;
}

/* A node says itself that it is gone. */
static void ignore_removal(struct sy_feed *f SY_UNUSED, const struct sy_meta *meta SY_UNUSED,
                           sy_time_ns now SY_UNUSED)
{
}

static void ignore_begin(struct sy_feed *f SY_UNUSED)
{
}

static void ignore_end(struct sy_feed *f SY_UNUSED, sy_time_ns now SY_UNUSED)
{
}

static int upsert_budget(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                         sy_time_ns now SY_UNUSED)
{
    struct sy_budget budget;
    int r = sy_decode_budget(&f->decode, enc, raw, &budget, NULL);

    return r ? r : sy_sched_budget(f->options.sched, &budget);
}

static void delete_budget(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = sy_strings_find(f->options.strings, meta->ns);
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (ns && name)
        sy_sched_budget_deleted(f->options.sched, ns, name);
}

static void begin_budgets(struct sy_feed *f)
{
    sy_sched_budgets_replace_begin(f->options.sched);
}

static void end_budgets(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_budgets_replace_end(f->options.sched);
}

static uint8_t group_source(const struct sy_feed *f)
{
    return (uint8_t)f->resource->kind;
}

static int upsert_group(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                        sy_time_ns now SY_UNUSED)
{
    struct sy_group_object object;
    int r = sy_decode_group(&f->decode, group_source(f), enc, raw, &object, NULL);

    if (!r)
        sy_sched_pod_group(f->options.sched, &object);
    return r;
}

static void delete_group(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = sy_strings_find(f->options.strings, meta->ns);
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (ns && name)
        sy_sched_pod_group_deleted(f->options.sched, group_source(f), ns, name);
}

static void begin_groups(struct sy_feed *f)
{
    sy_sched_pod_groups_replace_begin(f->options.sched, group_source(f));
}

static void end_groups(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_pod_groups_replace_end(f->options.sched, group_source(f));
}

/* ---- who needs what ---- */

static bool has_filter(const struct sy_profile *p, const char *name)
{
    for (uint32_t i = 0; i < p->filters_len; i++) {
        if (strcmp(p->filters[i]->name, name) == 0)
            return true;
    }
    return false;
}

static bool has_scorer(const struct sy_profile *p, const char *name)
{
    for (uint32_t i = 0; i < p->scorers_len; i++) {
        if (strcmp(p->scorers[i].scorer->name, name) == 0)
            return true;
    }
    return false;
}

/* Affinity terms may select namespaces by label. */
static bool selects_namespaces(const struct sy_profile *p)
{
    return has_filter(p, "InterPodAffinity") || has_scorer(p, "InterPodAffinity");
}

/* Default constraints select pods as what stands around them does. Those of the system are all
 * ScheduleAnyway: they only score. */
static bool spreads_by_default(const struct sy_profile *p)
{
    if (!p->args.spread_defaults_are_listed)
        return has_scorer(p, "PodTopologySpread");
    return p->args.spread_defaults_len &&
           (has_filter(p, "PodTopologySpread") || has_scorer(p, "PodTopologySpread"));
}

static bool preempts(const struct sy_profile *p)
{
    return !p->args.preemption_is_off;
}

static bool looks_at_volumes(const struct sy_profile *p)
{
    static const char *const FILTERS[] = {"VolumeBinding", "VolumeRestrictions", "VolumeZone",
                                          "NodeVolumeLimits"};

    for (size_t i = 0; i < SY_ARRAY_LEN(FILTERS); i++) {
        if (has_filter(p, FILTERS[i]))
            return true;
    }
    return false;
}

static bool looks_at_devices(const struct sy_profile *p)
{
    return has_filter(p, "DynamicResources") || has_scorer(p, "DynamicResources");
}

/* ---- the table ---- */

static const char UNSPREAD[] = "its pods are not spread by default constraints";

#define STORAGE(which, resource, api)                                                              \
    [SY_FEED_STORAGE + (which)] = {.name = (resource),                                             \
                                   .path = (api "/" resource),                                     \
                                   .upsert = upsert_storage,                                       \
                                   .remove = delete_storage,                                       \
                                   .replace_begin = begin_storage,                                 \
                                   .replace_end = end_storage,                                     \
                                   .loss = "pods with volumes of that kind wait",                  \
                                   .is_needed_by = looks_at_volumes,                               \
                                   .kind = (which)}

#define DEVICES(which, resource)                                                                   \
    [SY_FEED_DEVICES + (which)] = {.name = (resource),                                             \
                                   .path = ("/apis/resource.k8s.io/v1/" resource),                 \
                                   .upsert = upsert_devices,                                       \
                                   .remove = delete_devices,                                       \
                                   .replace_begin = begin_devices,                                 \
                                   .replace_end = end_devices,                                     \
                                   .loss = "pods with resource claims wait",                       \
                                   .is_needed_by = looks_at_devices,                               \
                                   .kind = (which)}

/* The path comes with the options. */
#define GROUPS(which, api)                                                                         \
    [SY_FEED_GROUPS + (which)] = {.name = ("podgroups." api),                                      \
                                  .upsert = upsert_group,                                          \
                                  .remove = delete_group,                                          \
                                  .replace_begin = begin_groups,                                   \
                                  .replace_end = end_groups,                                       \
                                  .loss = "gangs go by what their pods say",                       \
                                  .kind = (which)}

#define WORKLOAD(which, resource, api, needed_by, lost)                                            \
    [SY_FEED_WORKLOADS + (which)] = {.name = (resource),                                           \
                                     .path = (api "/" resource),                                   \
                                     .upsert = upsert_workload,                                    \
                                     .remove = delete_workload,                                    \
                                     .replace_begin = begin_workloads,                             \
                                     .replace_end = end_workloads,                                 \
                                     .loss = (lost),                                               \
                                     .is_needed_by = (needed_by),                                  \
                                     .kind = (which)}

static const struct resource RESOURCES[SY_FEEDS + 1] = {
    [SY_FEED_NODES] = {.name = "nodes",
                       .path = "/api/v1/nodes",
                       .upsert = upsert_node,
                       .remove = delete_node,
                       .replace_begin = begin_nodes,
                       .replace_end = end_nodes},
    /* A pod that ends leaves this selection, which the server tells as its deletion. */
    [SY_FEED_PODS] = {.name = "pods",
                      .path = "/api/v1/pods",
                      .query =
                          "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed",
                      .upsert = upsert_pod,
                      .remove = delete_pod,
                      .replace_begin = begin_pods,
                      .replace_end = end_pods},
    [SY_FEED_BUDGETS] = {.name = "poddisruptionbudgets",
                         .path = "/apis/policy/v1/poddisruptionbudgets",
                         .upsert = upsert_budget,
                         .remove = delete_budget,
                         .replace_begin = begin_budgets,
                         .replace_end = end_budgets,
                         .loss = "no pod is preempted",
                         .is_needed_by = preempts},
    WORKLOAD(
        SY_WORKLOAD_NAMESPACE, "namespaces", "/api/v1", selects_namespaces,
        "pods wait whose required affinity selects namespaces by label; such terms of pods that "
        "run are not heeded"),
    WORKLOAD(SY_WORKLOAD_SERVICE, "services", "/api/v1", spreads_by_default, UNSPREAD),
    WORKLOAD(SY_WORKLOAD_REPLICATION_CONTROLLER, "replicationcontrollers", "/api/v1",
             spreads_by_default, UNSPREAD),
    WORKLOAD(SY_WORKLOAD_REPLICA_SET, "replicasets", "/apis/apps/v1", spreads_by_default, UNSPREAD),
    WORKLOAD(SY_WORKLOAD_STATEFUL_SET, "statefulsets", "/apis/apps/v1", spreads_by_default,
             UNSPREAD),
    STORAGE(SY_STORAGE_VOLUME, "persistentvolumes", "/api/v1"),
    STORAGE(SY_STORAGE_CLAIM, "persistentvolumeclaims", "/api/v1"),
    STORAGE(SY_STORAGE_CLASS, "storageclasses", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_NODE, "csinodes", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_DRIVER, "csidrivers", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_CAPACITY, "csistoragecapacities", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_ATTACHMENT, "volumeattachments", "/apis/storage.k8s.io/v1"),
    DEVICES(SY_DEVICES_SLICE, "resourceslices"),
    DEVICES(SY_DEVICES_CLASS, "deviceclasses"),
    DEVICES(SY_DEVICES_CLAIM, "resourceclaims"),
    DEVICES(SY_DEVICES_RULE, "devicetaintrules"), /* absent before v1.37: there are none then */
    GROUPS(SY_GROUP_NATIVE, "scheduling.k8s.io"),
    GROUPS(SY_GROUP_COSCHEDULE, "scheduling.x-k8s.io"),
    GROUPS(SY_GROUP_VOLCANO, "scheduling.volcano.sh"),
    GROUPS(SY_GROUP_KAI, "scheduling.run.ai"),
    [SY_FEED_NODE_LEASES] = {.name = "leases",
                             .path =
                                 "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
                             .upsert = upsert_lease,
                             .remove = ignore_removal,
                             .replace_begin = ignore_begin,
                             .replace_end = ignore_end,
                             .loss = "nodes whose leases are not renewed are not suspected",
                             .is_quiet = true},
};

bool sy_feed_is_needed(enum sy_feed_kind kind, const struct sy_profile *profiles, uint32_t len)
{
    if (!RESOURCES[kind].is_needed_by)
        return true;
    for (uint32_t i = 0; i < len; i++) {
        if (RESOURCES[kind].is_needed_by(&profiles[i]))
            return true;
    }
    return false;
}

static sy_time_ns now_ns(const struct sy_feed *f)
{
    return sy_loop_now_ns(sy_kube_loop(f->options.kube));
}

static int on_object(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_feed *f = arg;
    struct sy_meta meta;
    int r;

    sy_arena_reset(&f->decode.arena);
    if (type == SY_EVENT_DELETED) {
        r = sy_decode_meta(&f->decode, enc, raw, &meta, NULL);
        if (!r)
            f->resource->remove(f, &meta, now_ns(f));
    } else {
        r = f->resource->upsert(f, enc, raw, now_ns(f));
    }
    if (!f->resource->is_quiet)
        f->options.on_input(f->options.arg);
    return r;
}

static void on_replace_begin(void *arg)
{
    struct sy_feed *f = arg;

    f->resource->replace_begin(f);
}

static void on_replace_end(void *arg)
{
    struct sy_feed *f = arg;

    f->is_refused = f->is_absent = false;
    f->resource->replace_end(f, now_ns(f));
    f->options.on_input(f->options.arg);
}

static void on_error(void *arg, const struct sy_err *err, int64_t retry_in_ns)
{
    struct sy_feed *f = arg;

    f->is_refused = f->resource->loss && (err->http_status == 403 || err->http_status == 404);
    f->is_absent = f->is_refused && err->http_status == 404;
    if (f->is_refused && f->resource->upsert == upsert_group)
        sy_sched_pod_groups_absent(f->options.sched, group_source(f));
    f->options.on_error(f->options.arg, f->resource->name, f->resource->loss, err, retry_in_ns);
}

/* Of groups and of recovery together, made at the first call. */
static const char *const *pod_annotations(void)
{
    enum { ROOM = 64 };
    static const char *all[ROOM];
    uint32_t len = 0;

    for (uint32_t i = 0; sy_group_annotations[i] && len < ROOM - 1; i++)
        all[len++] = sy_group_annotations[i];
    for (uint32_t i = 0; sy_recovery_annotations[i] && len < ROOM - 1; i++)
        all[len++] = sy_recovery_annotations[i];
    return all;
}

int sy_feed_new(enum sy_feed_kind kind, const struct sy_feed_options *options, struct sy_feed **ret,
                struct sy_err *err)
{
    struct sy_feed *f = sy_xcalloc(1, sizeof(*f));

    f->resource = &RESOURCES[kind];
    f->options = *options;
    f->synced_name = sy_xasprintf("%s-synced", f->resource->name);
    f->live_name = sy_xasprintf("%s-watch", f->resource->name);
    sy_decode_init(&f->decode, options->strings, OBJECT_ARENA_MAX_BYTES);
    f->decode.names = *options->names;
    if (f->resource->upsert == upsert_pod)
        f->decode.annotation_keys = pod_annotations();
    else if (f->resource->upsert == upsert_node)
        f->decode.annotation_keys = options->node_annotations;
    if (options->api)
        f->path = sy_xasprintf("/apis/%s/podgroups", options->api);
    f->options.api = NULL;
    struct sy_reflector_options reflector = {
        .path = f->path ? f->path : f->resource->path,
        .query = f->resource->query,
        .encoding = SY_ENCODING_PROTOBUF,
        .rng_seed = sy_rng_entropy(),
        .on_object = on_object,
        .on_replace_begin = on_replace_begin,
        .on_replace_end = on_replace_end,
        .on_error = on_error,
        .arg = f,
    };
    int r = sy_reflector_new(options->kube, &reflector, &f->reflector, err);
    if (r) {
        sy_feed_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void sy_feed_free(struct sy_feed *f)
{
    if (!f)
        return;
    sy_reflector_free(f->reflector);
    sy_decode_done(&f->decode);
    free(f->path);
    free(f->synced_name);
    free(f->live_name);
    free(f);
}

void sy_feed_start(struct sy_feed *f)
{
    sy_reflector_start(f->reflector);
}

bool sy_feed_is_synced(const struct sy_feed *f)
{
    return f->is_refused || sy_reflector_is_synced(f->reflector);
}

bool sy_feed_is_live(const struct sy_feed *f)
{
    return f->is_refused || sy_reflector_is_live(f->reflector);
}

bool sy_feed_is_refused(const struct sy_feed *f)
{
    return f->is_refused;
}

bool sy_feed_is_absent(const struct sy_feed *f)
{
    return f->is_absent;
}

const char *sy_feed_resource(const struct sy_feed *f)
{
    return f->resource->name;
}

const char *sy_feed_synced_name(const struct sy_feed *f)
{
    return f->synced_name;
}

const char *sy_feed_live_name(const struct sy_feed *f)
{
    return f->live_name;
}

void sy_feed_catch_up(const struct sy_feed *f, struct sy_catch_up *c, const char *at_least)
{
    sy_catch_up_add(c, f->reflector, f->resource->path, f->resource->query, at_least);
}

const char *sy_feed_last_change(const struct sy_feed *f)
{
    return sy_reflector_last_change(f->reflector);
}

void sy_feed_figures(const struct sy_feed *f, struct sy_figures *ret)
{
    const struct sy_reflector_stats *s = sy_reflector_stats(f->reflector);

    if (ret->reflectors_len == SY_ARRAY_LEN(ret->reflectors))
        return;
    ret->reflectors[ret->reflectors_len++] = (struct sy_reflector_figures){
        .resource = f->resource->name,
        .events = s->events,
        .lists = s->lists,
        .watches = s->watches,
        .errors = s->errors,
        .skipped = s->skipped_objects,
        .bookmarks = s->bookmarks,
        .expired = s->expired,
        .bytes = s->bytes,
    };
    ret->odd_values += f->decode.odd_values;
}

void sy_feed_mark(const struct sy_feed *f)
{
    sy_decode_mark(&f->decode);
}
