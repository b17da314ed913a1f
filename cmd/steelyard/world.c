/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "sched/inputs.h"

enum { PROFILES_MAX_BYTES = 64 << 20 };
#define FILE_MAX_BYTES ((size_t)4 << 30)

/* The core's time: anything, as long as ages of objects are behind it. */
static const sy_time_ns START_NS = (sy_time_ns)1000 * 1000 * SY_NS_PER_S;

static void hear_nothing(void *arg SY_UNUSED, const struct sy_decision *d SY_UNUSED)
{
}

static int configure(struct cmd_world *w, const char *file, struct sy_err *err)
{
    struct sy_config_source source = {.file = file};
    struct sy_problems problems = {0};

    int r = sy_config_load(&source, &w->config, &problems);
    if (r)
        sy_err_set(err, r, "%.1000s", problems.lines.len ? problems.lines.p[0] : "no memory");
    sy_problems_done(&problems);
    return r;
}

static int start(struct cmd_world *w, struct sy_err *err)
{
    const struct sy_config_models *models = &w->config.models;

    sy_arena_init(&w->arena, PROFILES_MAX_BYTES);
    w->profiles = sy_xcalloc(SY_PROFILES_MAX, sizeof(*w->profiles));
    w->profiles_len = sy_config_profiles(&w->config, w->strings, &w->arena, w->profiles);
    if (!w->profiles_len)
        return sy_err_set(err, -ENOMEM, "no memory for the profiles' arguments");
    sy_config_pools(models, &w->pools_room, &w->pools);
    sy_config_queues(&w->config.queues, &w->queues_room, &w->queues);
    struct sy_sched_options options = {
        .profiles = w->profiles,
        .profiles_len = w->profiles_len,
        .backoff_initial_ns = w->config.backoff_initial_ns,
        .backoff_max_ns = w->config.backoff_max_ns,
        .sweep_ns = w->config.sweep_ns,
        .binds_in_flight_max = UINT32_MAX,
        .gpu_resources = w->config.gpu_resources.p,
        .gpu_resources_len = (uint32_t)w->config.gpu_resources.len,
        .pools = &w->pools,
        .queues = &w->queues,
        .ageing = {models->ageing_points_per_minute, models->ageing_most},
        .gangs = sy_config_gangs(&w->config.gangs),
    };
    w->sched =
        sy_sched_new(w->strings, &options, w->decide ? w->decide : hear_nothing, w->decide_arg);
    return 0;
}

static int read_objects(struct cmd_world *w, const char *file, struct sy_err *err)
{
    struct sy_buf text;

    sy_snapshot_init(&w->objects, w->strings);
    w->objects.decode.names = sy_sched_cluster(w->sched)->names;
    sy_buf_init(&text, FILE_MAX_BYTES);
    int r = sy_file_read(file, &text, err);
    if (!r)
        r = sy_snapshot_read(&w->objects, sy_buf_str(&text), file, err);
    sy_buf_done(&text);
    return r ? r : sy_snapshot_finish(&w->objects, err);
}

/* What stands around pods is there before they are. */
static int give(struct cmd_world *w)
{
    const struct sy_snapshot *o = &w->objects;
    bool groups[SY_GROUP_SOURCES] = {false};
    int r = 0;

    for (size_t i = 0; i < o->nodes.len && !r; i++)
        r = sy_sched_node(w->sched, &o->nodes.p[i], w->now);
    for (size_t i = 0; i < o->workloads.len && !r; i++)
        r = sy_sched_workload(w->sched, o->workloads.p[i].kind, &o->workloads.p[i].object);
    for (size_t i = 0; i < o->budgets.len && !r; i++)
        r = sy_sched_budget(w->sched, &o->budgets.p[i]);
    for (size_t i = 0; i < o->storage.len && !r; i++)
        r = sy_sched_storage(w->sched, o->storage.p[i].kind, &o->storage.p[i].object);
    for (size_t i = 0; i < o->devices.len && !r; i++)
        r = sy_sched_devices(w->sched, o->devices.p[i].kind, &o->devices.p[i].object);
    sy_sched_devices_known(w->sched, true);
    for (size_t i = 0; i < o->groups.len && !r; i++) {
        sy_sched_pod_group(w->sched, &o->groups.p[i]);
        groups[o->groups.p[i].source] = true;
    }
    for (int i = 0; i < SY_GROUP_SOURCES; i++) {
        uint8_t source = (uint8_t)i;
        if (!groups[source] && sy_group_has_objects(source))
            sy_sched_pod_groups_absent(w->sched, source);
    }
    for (size_t i = 0; i < o->pods.len && !r; i++) {
        const struct sy_pod *pod = &o->pods.p[i].pod;
        if (!sy_pod_is_terminal(pod) && pod->node)
            r = sy_sched_pod(w->sched, pod, w->now);
    }
    return r;
}

int cmd_world_open(struct cmd_world *w, const char *file, const char *config, struct sy_err *err)
{
    static const uint64_t HASH_KEY[2] = {0x776f72, 0x6c6421}; /* fixed: runs repeat */

    w->strings = sy_strings_new(HASH_KEY);
    w->now = START_NS;
    int r = configure(w, config, err);
    if (!r)
        r = start(w, err);
    if (!r)
        r = read_objects(w, file, err);
    if (!r && !w->objects.nodes.len)
        r = sy_err_set(err, -EINVAL, "%s: there is no Node in it", file);
    if (r)
        return r;
    r = give(w);
    return r ? sy_err_set(err, r, "%s: more than fits in memory", file) : 0;
}

struct pending {
    const struct sy_pod *pod;
    size_t at;
};

static int by_age(const void *pa, const void *pb)
{
    const struct pending *a = pa, *b = pb;

    if (a->pod->created_wall_ns != b->pod->created_wall_ns)
        return a->pod->created_wall_ns < b->pod->created_wall_ns ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool is_known(const struct cmd_world *w, sy_sid scheduler)
{
    for (uint32_t i = 0; i < w->profiles_len; i++) {
        if (strcmp(w->profiles[i].scheduler_name, sy_strings_getz(w->strings, scheduler)) == 0)
            return true;
    }
    return false;
}

int cmd_world_add_pending(struct cmd_world *w, struct sy_err *err)
{
    sy_sid first = sy_strings_addz(w->strings, w->profiles[0].scheduler_name);
    SY_VEC(struct pending) all = {0};
    int r = 0;

    for (size_t i = 0; i < w->objects.pods.len; i++) {
        const struct sy_pod *pod = &w->objects.pods.p[i].pod;
        if (!pod->node && !sy_pod_is_terminal(pod))
            sy_vec_push(&all, (struct pending){pod, i});
    }
    if (all.len)
        qsort(all.p, all.len, sizeof(*all.p), by_age);
    for (size_t i = 0; i < all.len && !r; i++) {
        struct sy_pod pod = *all.p[i].pod;
        if (!is_known(w, pod.spec.scheduler_name))
            pod.spec.scheduler_name = first;
        /* What was said of it before is not said anew. */
        pod.scheduled = SY_CONDITION_ABSENT;
        r = sy_sched_pod(w->sched, &pod, w->now);
    }
    sy_vec_done(&all);
    return r ? sy_err_set(err, r, "more pods than fit in memory") : 0;
}

void cmd_world_close(struct cmd_world *w)
{
    sy_sched_free(w->sched);
    if (w->objects.decode.strings)
        sy_snapshot_done(&w->objects);
    sy_config_queues_done(&w->queues_room);
    free(w->profiles);
    sy_arena_done(&w->arena);
    sy_config_done(&w->config);
    if (w->strings)
        sy_strings_free(w->strings);
}
