/* SPDX-License-Identifier: Apache-2.0 */
#include "app/feed.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

enum { OBJECT_ARENA_MAX_BYTES = 64 << 20 };

struct resource {
    const char *name;
    const char *path;
    const char *query;
    int (*upsert)(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now);
    void (*delete)(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now);
    void (*replace_begin)(struct sy_feed *f);
    void (*replace_end)(struct sy_feed *f, sy_time_ns now);
    /* Scheduling goes on when the server does not have it or does not let us read it. */
    bool is_optional;
    enum sy_storage_kind storage; /* of the storage kinds */
    const char *without;          /* what is lost then; NULL: what depends on it waits */
};

struct sy_feed {
    const struct resource *resource;
    struct sy_feed_options options;
    struct sy_reflector *reflector;
    struct sy_decode decode;
    char *synced_name;
    char *live_name;
    bool is_refused; /* optional, and the last answer was no */
};

static int upsert_node(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw, sy_time_ns now)
{
    struct sy_node node;
    int r = sy_decode_node(&f->decode, enc, raw, &node, NULL);

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

    if (name)
        sy_sched_node_deleted(f->options.sched, name, now);
}

static void delete_pod(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now)
{
    sy_sched_pod_deleted(f->options.sched, meta->uid, now);
}

static void begin_nodes(struct sy_feed *f)
{
    sy_sched_nodes_replace_begin(f->options.sched);
}

static void end_nodes(struct sy_feed *f, sy_time_ns now)
{
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
    int r = sy_decode_storage(&f->decode, f->resource->storage, enc, raw, &object, NULL);

    return r ? r : sy_sched_storage(f->options.sched, f->resource->storage, &object);
}

static void delete_storage(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = meta->ns.len ? sy_strings_find(f->options.strings, meta->ns) : 0;
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (name)
        sy_sched_storage_deleted(f->options.sched, f->resource->storage, ns, name);
}

static void begin_storage(struct sy_feed *f)
{
    sy_sched_storage_replace_begin(f->options.sched, f->resource->storage);
}

static void end_storage(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_sched_storage_replace_end(f->options.sched, f->resource->storage);
}

static int upsert_budget(struct sy_feed *f, enum sy_encoding enc, struct sy_str raw,
                         sy_time_ns now SY_UNUSED)
{
    struct sy_budget budget;
    int r = sy_decode_budget(&f->decode, enc, raw, &budget, NULL);

    return r ? r : sy_cluster_budget_upsert(sy_sched_cluster(f->options.sched), &budget);
}

static void delete_budget(struct sy_feed *f, const struct sy_meta *meta, sy_time_ns now SY_UNUSED)
{
    sy_sid ns = sy_strings_find(f->options.strings, meta->ns);
    sy_sid name = sy_strings_find(f->options.strings, meta->name);

    if (ns && name)
        sy_cluster_budget_delete(sy_sched_cluster(f->options.sched), ns, name);
}

static void begin_budgets(struct sy_feed *f)
{
    sy_cluster_budgets_replace_begin(sy_sched_cluster(f->options.sched));
}

static void end_budgets(struct sy_feed *f, sy_time_ns now SY_UNUSED)
{
    sy_cluster_budgets_replace_end(sy_sched_cluster(f->options.sched));
}

#define STORAGE(kind, resource, api)                                                               \
    [SY_FEED_STORAGE +                                                                             \
        (kind)] = {(resource),    (api "/" resource), NULL, upsert_storage, delete_storage,        \
                   begin_storage, end_storage,        true, (kind),         NULL}

static const struct resource RESOURCES[SY_FEEDS] = {
    [SY_FEED_NODES] = {"nodes", "/api/v1/nodes", NULL, upsert_node, delete_node, begin_nodes,
                       end_nodes, false, 0, NULL},
    /* A pod that ends leaves this selection, which the server tells as its deletion. */
    [SY_FEED_PODS] = {"pods", "/api/v1/pods",
                      "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed",
                      upsert_pod, delete_pod, begin_pods, end_pods, false, 0, NULL},
    /* A pod that waits can be helped later, one that was deleted against a budget cannot. */
    [SY_FEED_BUDGETS] = {"poddisruptionbudgets", "/apis/policy/v1/poddisruptionbudgets", NULL,
                         upsert_budget, delete_budget, begin_budgets, end_budgets, true, 0,
                         "no pod is preempted"},
    STORAGE(SY_STORAGE_VOLUME, "persistentvolumes", "/api/v1"),
    STORAGE(SY_STORAGE_CLAIM, "persistentvolumeclaims", "/api/v1"),
    STORAGE(SY_STORAGE_CLASS, "storageclasses", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_NODE, "csinodes", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_DRIVER, "csidrivers", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_CAPACITY, "csistoragecapacities", "/apis/storage.k8s.io/v1"),
    STORAGE(SY_STORAGE_ATTACHMENT, "volumeattachments", "/apis/storage.k8s.io/v1"),
};

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
            f->resource->delete (f, &meta, now_ns(f));
    } else {
        r = f->resource->upsert(f, enc, raw, now_ns(f));
    }
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

    f->is_refused = false;
    f->resource->replace_end(f, now_ns(f));
    f->options.on_input(f->options.arg);
}

static void on_error(void *arg, const struct sy_err *err, int64_t retry_in_ns)
{
    struct sy_feed *f = arg;

    f->is_refused =
        f->resource->is_optional && (err->http_status == 403 || err->http_status == 404);
    f->options.on_error(f->options.arg, f->resource->name, f->resource->without, err, retry_in_ns);
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
    struct sy_reflector_options reflector = {
        .path = f->resource->path,
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
    free(f->synced_name);
    free(f->live_name);
    free(f);
}

void sy_feed_start(struct sy_feed *f)
{
    sy_reflector_start(f->reflector);
}

bool sy_feed_is_refused(const struct sy_feed *f)
{
    return f->is_refused;
}

bool sy_feed_is_synced(const struct sy_feed *f)
{
    return f->is_refused || sy_reflector_is_synced(f->reflector);
}

bool sy_feed_is_live(const struct sy_feed *f)
{
    return f->is_refused || sy_reflector_is_live(f->reflector);
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
