/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of the daemon: start() builds everything, turn() is run at the end of a loop turn in which
 * something happened, tick() each second for what tells nobody when it changes. */
#include "app/app.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/access.h"
#include "app/feed.h"
#include "app/groups.h"
#include "app/leader.h"
#include "app/measure.h"
#include "app/outbox.h"
#include "app/what_if.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net/tls_server.h"
#include "sched/health.h"
#include "sched/inputs.h"
#include "serve/api.h"
#include "serve/serve.h"

/* Enough to fill the server with binds, few enough that its answers are not kept waiting: at the
 * known 5,000 nodes they take some milliseconds. */
enum { CYCLES_PER_TURN = 256 };
enum { PROFILES_MAX_BYTES = 64 << 20 };
/* A table smaller than this is not worth a sweep: some 10 MB. */
enum { STRINGS_LEAST = 100000 };

static const int64_t TICK_NS = SY_NS_PER_S;
static const int64_t SAME_ERROR_NS = SY_NS_PER_S / 2;
static const int64_t DRAIN_POLL_NS = 10 * SY_NS_PER_MS;
static const int64_t DRAIN_BINDS_NS = 15 * SY_NS_PER_S;
static const int64_t DRAIN_EVENTS_NS = 2 * SY_NS_PER_S;

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

static const char RBAC_HINT[] = "`steelyard run --help` lists the permissions that it needs";

/* A configuration in force and what was made of it. */
struct settings {
    struct sy_config config;
    struct sy_arena arena;       /* of the profiles' arguments */
    struct sy_profile *profiles; /* owned */
    uint32_t profiles_len;
    struct sy_config_pools_room pools_room;
    struct sy_pools_options pools;
    struct sy_config_queues_room queues_room;
    struct sy_queues_options queues;
    struct sy_config_failures_room failures_room;
    struct sy_failure_options failures;
};

struct app {
    const struct sy_app_options *options;
    struct settings now;      /* as far as it can be changed while running */
    struct sy_config started; /* what was started with */
    char *profile_label;
    char *server_label;

    struct sy_loop *loop;
    struct sy_strings *strings;
    struct sy_sched *sched;
    struct sy_kube *kube;
    struct sy_outbox *outbox;
    struct sy_feed *feeds[SY_FEEDS];
    struct sy_groups *groups;                    /* NULL: PodGroups are not read */
    struct sy_config_failures_room failure_keys; /* as it was started with */
    struct sy_feed *leases;     /* of nodes; nothing waits for it; NULL: not wanted */
    struct sy_measure *measure; /* NULL: nothing measures load */
    struct sy_leader *leader;   /* NULL: there is no election */
    struct sy_server *server;
    struct sy_tls_server *tls;
    struct sy_serve *serve;
    struct sy_access *access;
    struct sy_api *api;

    struct sy_deferred *turn;
    struct sy_timer *deadline; /* of the scheduler */
    struct sy_timer *tick;
    struct sy_timer *drain;
    struct sy_signal *signals[3];

    sy_time_ns started_ns;
    bool was_active;    /* in the last turn */
    bool was_synced;    /* ever */
    bool is_stopping;   /* a signal or an error */
    bool binds_drained; /* while stopping: what is left are events */
    sy_time_ns drain_until;
    /* Both feeds lose one server at the same time; one line says it. */
    char last_error[SY_ERR_MSG_MAX];
    sy_time_ns last_error_ns;
    int exit_status;
    uint64_t reloads, reload_errors;
    uint32_t strings_kept; /* by the last sweep */
    uint64_t strings_swept;
};

/* ---- readiness ---- */

static uint32_t checks(void *arg, struct sy_health_check *ret)
{
    struct app *a = arg;
    uint32_t n = 0;

    ret[n++] = (struct sy_health_check){"api-server", sy_kube_is_reachable(a->kube),
                                        "the API server does not answer"};
    for (int i = 0; i < SY_FEEDS; i++) {
        const struct sy_feed *f = a->feeds[i];
        if (f)
            ret[n++] = (struct sy_health_check){sy_feed_synced_name(f), sy_feed_is_synced(f),
                                                "not listed in full yet"};
    }
    for (int i = 0; i < SY_FEEDS; i++) {
        const struct sy_feed *f = a->feeds[i];
        if (f)
            ret[n++] = (struct sy_health_check){sy_feed_live_name(f), sy_feed_is_live(f),
                                                "changes are not being received"};
    }
    if (a->groups)
        ret[n++] = (struct sy_health_check){"podgroups-discovery", sy_groups_are_known(a->groups),
                                            "the server has not said yet whether it has PodGroups"};
    ret[n++] = (struct sy_health_check){"not-stopping", !a->is_stopping, "shutting down"};
    /* kube-scheduler's check fails in a leader that has lost its lease and lives; we end at once.
     */
    if (a->leader)
        ret[n++] = (struct sy_health_check){"leaderElection", true, NULL};
    if (a->leader)
        ret[n++] = (struct sy_health_check){"watch-canary", !sy_leader_is_deaf(a->leader),
                                            "our own renewals do not come by the watch"};
    return n;
}

static void say_synced(struct app *a)
{
    const struct sy_cluster *c = sy_sched_cluster(a->sched);
    int64_t took_ms = (sy_clock_boot_ns() - a->started_ns) / SY_NS_PER_MS;

    a->was_synced = true;
    /* The lists went through buffers that are not needed again. */
    malloc_trim(0);
    sy_log_info("synchronised with the API server", "server", sy_kube_server(a->kube), "nodes",
                SY_FMT("%u", c->nodes_alive), "pods", SY_FMT("%u", c->pods_alive), "took",
                SY_FMT("%.3fs", (double)took_ms / 1000));
    if (a->measure)
        sy_measure_start(a->measure);
}

/* Whether pods may be decided now. Logs when that changes. */
static bool is_active(struct app *a)
{
    struct sy_health_check all[SY_SERVE_CHECKS_MAX];
    uint32_t n = checks(a, all);
    const struct sy_health_check *bad = NULL;

    for (uint32_t i = 0; i < n && !bad; i++) {
        if (!all[i].ok)
            bad = &all[i];
    }
    bool is_new = !bad && !a->was_synced;
    if (is_new)
        say_synced(a);
    /* A standby is ready, and decides nothing. */
    struct sy_health_check leader = {.ok = true};
    if (!bad && a->leader)
        leader = sy_leader_check(a->leader);
    if (!leader.ok)
        bad = &leader;
    if (!bad && !a->was_active && !is_new)
        sy_log_info("scheduling goes on");
    else if (bad && a->was_active && !a->is_stopping)
        sy_log_warn("scheduling pauses", "check", bad->name, "reason", bad->why);
    a->was_active = !bad;
    return !bad;
}

/* ---- the turn ---- */

/* Names of pods and nodes that are gone pile up in the table of strings. A sweep looks at all that
 * is kept, so it waits until the table has doubled and nobody waits for a decision. */
static void sweep_strings(struct app *a)
{
    uint32_t len = sy_strings_len(a->strings);

    if (len < STRINGS_LEAST || len / 2 < a->strings_kept)
        return;
    sy_time_ns started = sy_clock_boot_ns();
    sy_strings_mark_begin(a->strings);
    sy_sched_mark(a->sched);
    sy_outbox_mark(a->outbox);
    for (int i = 0; i < SY_FEEDS; i++) {
        if (a->feeds[i])
            sy_feed_mark(a->feeds[i]);
    }
    if (a->leases)
        sy_feed_mark(a->leases);
    uint32_t freed = sy_strings_sweep(a->strings);
    a->strings_kept = len - freed;
    a->strings_swept += freed;
    sy_log_debug("swept strings", "freed", SY_FMT("%u", freed), "kept",
                 SY_FMT("%u", a->strings_kept), "took",
                 SY_FMT("%.1fms", (double)(sy_clock_boot_ns() - started) / SY_NS_PER_MS));
}

static bool is_missing(const struct sy_feed *f)
{
    return f && (sy_feed_is_refused(f) || !sy_feed_is_synced(f));
}

/* Feeds that are off count, too: then nobody looks at claims. */
static bool knows_devices(struct app *a)
{
    bool knows = true;

    for (int i = 0; i < SY_DEVICES_KINDS; i++) {
        const struct sy_feed *f = a->feeds[SY_FEED_DEVICES + i];
        bool has_none = i == SY_DEVICES_RULE && f && sy_feed_is_absent(f);
        knows = knows && f && (has_none || !is_missing(f));
    }
    return knows;
}

static void tell_what_is_missing(struct app *a, sy_time_ns now)
{
    sy_sched_leases_live(
        a->sched, a->leases && sy_feed_is_synced(a->leases) && sy_feed_is_live(a->leases), now);
    sy_sched_devices_known(a->sched, knows_devices(a));
    sy_sched_hold_preemption(a->sched, is_missing(a->feeds[SY_FEED_BUDGETS]));
    sy_sched_namespaces_unknown(a->sched,
                                is_missing(a->feeds[SY_FEED_WORKLOADS + SY_WORKLOAD_NAMESPACE]));
}

static void on_turn(void *arg)
{
    struct app *a = arg;
    sy_time_ns now = sy_loop_now_ns(a->loop);

    sy_outbox_apply(a->outbox, a->sched, now);
    bool active = is_active(a);
    tell_what_is_missing(a, now);
    sy_time_ns next = sy_sched_run(a->sched, active, CYCLES_PER_TURN, now);
    if (active && sy_sched_has_work(a->sched))
        sy_deferred_trigger(a->turn);
    else if (next != INT64_MAX)
        sy_timer_arm(a->deadline, next > now ? next - now : 0);
    if (!sy_sched_has_work(a->sched))
        sweep_strings(a);
}

static void want_turn(void *arg)
{
    struct app *a = arg;

    sy_deferred_trigger(a->turn);
}

static void on_tick(void *arg)
{
    struct app *a = arg;
    bool before = a->was_active;

    /* What was measured fades with time alone. */
    if (is_active(a) != before || a->measure)
        sy_deferred_trigger(a->turn);
    sy_timer_arm(a->tick, TICK_NS);
}

/* ---- errors from the API server ---- */

static void stop_with_error(struct app *a, const char *error)
{
    if (a->is_stopping)
        return;
    a->is_stopping = true;
    a->exit_status = 1;
    sy_log_error("cannot go on", "error", error);
    sy_loop_stop(a->loop);
}

static bool is_said(struct app *a, const char *error)
{
    sy_time_ns now = sy_clock_boot_ns();
    bool said = strcmp(a->last_error, error) == 0 && now - a->last_error_ns < SAME_ERROR_NS;

    if (!said) {
        snprintf(a->last_error, sizeof(a->last_error), "%s", error);
        a->last_error_ns = now;
    }
    return said;
}

static void on_feed_error(void *arg, const char *resource, const char *loss,
                          const struct sy_err *err, int64_t retry_in_ns)
{
    struct app *a = arg;
    /* What is wrong from the start stays wrong; later it may be a rotation that is under way. */
    bool is_hopeless = !a->was_synced && (err->http_status == 401 || err->code == -EKEYREJECTED);

    if (a->is_stopping)
        return;
    if (is_hopeless) {
        stop_with_error(a, sy_err_text(err, err->code));
        return;
    }
    const char *error = sy_err_text(err, err->code);
    const char *retry = SY_FMT("%.1fs", (double)retry_in_ns / (double)SY_NS_PER_S);
    if (loss && (err->http_status == 403 || err->http_status == 404))
        sy_log_warn("goes on without a resource", "resource", resource, "lost", loss, "error",
                    error, "hint", RBAC_HINT, "retrying_in", retry);
    else if (err->http_status == 403)
        sy_log_error("not allowed", "resource", resource, "error", error, "hint", RBAC_HINT,
                     "retrying_in", retry);
    else if (!is_said(a, error))
        sy_log_warn("list or watch failed", "resource", resource, "error", error, "retrying_in",
                    retry);
    for (int source = 0; a->groups && source < SY_GROUP_SOURCES; source++) {
        const struct sy_feed *f = a->feeds[SY_FEED_GROUPS + source];
        if (f && sy_feed_is_absent(f))
            sy_groups_lost(a->groups, (uint8_t)source);
    }
    sy_deferred_trigger(a->turn);
}

/* ---- feeds ---- */

static struct sy_feed_options feed_options(struct app *a)
{
    return (struct sy_feed_options){
        .kube = a->kube,
        .sched = a->sched,
        .strings = a->strings,
        .join = sy_measure_join(a->measure),
        .names = &sy_sched_cluster(a->sched)->names,
        .node_annotations = a->failure_keys.keys,
        .on_input = want_turn,
        .on_error = on_feed_error,
        .arg = a,
    };
}

/* The server has PodGroups of that kind in this API, or has none (any more). */
static void on_groups_known(void *arg, uint8_t source, const char *api)
{
    struct app *a = arg;
    struct sy_feed_options options = feed_options(a);
    struct sy_err err = {0};

    sy_feed_free(a->feeds[SY_FEED_GROUPS + source]);
    a->feeds[SY_FEED_GROUPS + source] = NULL;
    sy_outbox_set_group_api(a->outbox, source, api);
    options.api = api;
    if (!api) {
        sy_sched_pod_groups_absent(a->sched, source);
    } else if (sy_feed_new((enum sy_feed_kind)(SY_FEED_GROUPS + source), &options,
                           &a->feeds[SY_FEED_GROUPS + source], &err)) {
        sy_log_error("cannot watch PodGroups", "api", api, "error", sy_err_text(&err, -1));
    } else {
        sy_feed_start(a->feeds[SY_FEED_GROUPS + source]);
    }
    sy_deferred_trigger(a->turn);
}

/* Looks for PodGroups, or stops to, as the configuration says. */
static void start_groups(struct app *a)
{
    struct sy_groups_options options = {.kube = a->kube, .on_known = on_groups_known, .arg = a};

    if (a->now.config.gangs.pod_groups && !a->groups)
        a->groups = sy_groups_new(&options);
    if (a->now.config.gangs.pod_groups || !a->groups)
        return;
    sy_groups_free(a->groups);
    a->groups = NULL;
    for (int source = 0; source < SY_GROUP_SOURCES; source++) {
        if (a->feeds[SY_FEED_GROUPS + source])
            on_groups_known(a, (uint8_t)source, NULL);
    }
}

/* Makes and starts what the profiles in force need and is not there yet. One that is needed no more
 * stays: what it keeps up to date is there already. */
static int start_feeds(struct app *a, struct sy_err *err)
{
    struct sy_feed_options options = feed_options(a);

    for (int i = 0; i < SY_FEED_GROUPS; i++) {
        enum sy_feed_kind kind = (enum sy_feed_kind)i;
        if (a->feeds[i] || !sy_feed_is_needed(kind, a->now.profiles, a->now.profiles_len))
            continue;
        int r = sy_feed_new(kind, &options, &a->feeds[i], err);
        if (r)
            return r;
        sy_feed_start(a->feeds[i]);
    }
    start_groups(a);
    const struct sy_config_failures *failures = &a->started.failures;
    if (a->leases || !a->now.config.failures.is_on || !failures->suspect_after_ns)
        return 0;
    int r = sy_feed_new(SY_FEED_NODE_LEASES, &options, &a->leases, err);
    if (!r)
        sy_feed_start(a->leases);
    return r;
}

/* ---- figures ---- */

static void collect(void *arg, struct sy_figures *ret)
{
    struct app *a = arg;
    const struct sy_kube_stats *s = sy_kube_stats(a->kube);

    ret->version = a->options->version;
    ret->compiler = a->options->compiler;
    ret->server = a->server_label;
    for (uint32_t i = 0; i < s->requests_len && i < SY_ARRAY_LEN(ret->requests); i++)
        ret->requests[ret->requests_len++] = (struct sy_request_figures){
            s->requests[i].method, s->requests[i].code, s->requests[i].count};
    ret->request_retries = s->retries;
    ret->throttled_by_server = s->throttled_by_server;
    ret->throttled_by_client = s->throttled_by_client;
    ret->credential_reloads = s->token_reloads;
    for (int i = 0; i < SY_FEEDS; i++) {
        if (a->feeds[i])
            sy_feed_figures(a->feeds[i], ret);
    }
    if (a->leases)
        sy_feed_figures(a->leases, ret);
    sy_outbox_figures(a->outbox, ret);
    ret->writes_withheld = s->writes_withheld;
    if (a->leader)
        sy_leader_figures(a->leader, ret);
    if (a->measure)
        sy_measure_figures(a->measure, ret);
    ret->config_reloads = a->reloads;
    ret->config_reload_errors = a->reload_errors;
    if (a->access) {
        const struct sy_access_figures *access = sy_access_figures(a->access);
        ret->api_allowed = access->allowed;
        ret->api_denied = access->denied;
        ret->api_unauthenticated = access->unauthenticated;
        ret->api_failed = access->failed;
    }
    ret->strings_swept = a->strings_swept;
    ret->is_scheduling = a->was_active;
    ret->node_weights = a->now.config.models.node_metrics;
}

/* ---- signals ---- */

static void on_drain(void *arg)
{
    struct app *a = arg;
    sy_time_ns now = sy_clock_boot_ns();

    if (!a->binds_drained) {
        uint32_t left = sy_outbox_binds_in_flight(a->outbox);
        if (left && now < a->drain_until) {
            sy_timer_arm(a->drain, DRAIN_POLL_NS);
            return;
        }
        if (left)
            sy_log_warn("gave up waiting for binds; the API server decides about them", "binds",
                        SY_FMT("%u", left));
        a->binds_drained = true;
        a->drain_until = now + DRAIN_EVENTS_NS;
        /* The last results make the last events. */
        sy_outbox_apply(a->outbox, a->sched, now);
    }
    bool is_held = a->leader ? !sy_leader_let_go(a->leader, now)
                             : !sy_outbox_is_idle(a->outbox) && now < a->drain_until;
    if (is_held) {
        sy_timer_arm(a->drain, DRAIN_POLL_NS);
        return;
    }
    sy_outbox_drop_events(a->outbox);
    sy_log_info("stopped");
    sy_loop_stop(a->loop);
}

static void on_stop(void *arg, int signal_number)
{
    struct app *a = arg;

    if (a->is_stopping) {
        sy_log_error("second signal: leaving at once", "binds_in_flight",
                     SY_FMT("%u", sy_outbox_binds_in_flight(a->outbox)));
        _exit(1);
    }
    a->is_stopping = true;
    sy_log_info("stopping", "signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT",
                "binds_in_flight", SY_FMT("%u", sy_outbox_binds_in_flight(a->outbox)));
    a->drain_until = sy_clock_boot_ns() + DRAIN_BINDS_NS;
    sy_timer_arm(a->drain, 0);
}

static char *join_names(const struct settings *settings)
{
    struct sy_buf names;

    sy_buf_init(&names, 64 << 10);
    for (uint32_t i = 0; i < settings->profiles_len; i++)
        sy_buf_addf(&names, "%s%s", i ? "," : "", settings->profiles[i].scheduler_name);
    return sy_buf_take(&names);
}

/* Makes the profiles; their ids are of a->strings. */
static int settle(struct app *a, struct settings *settings, struct sy_err *err)
{
    sy_arena_init(&settings->arena, PROFILES_MAX_BYTES);
    settings->profiles = sy_xcalloc(SY_PROFILES_MAX, sizeof(*settings->profiles));
    settings->profiles_len =
        sy_config_profiles(&settings->config, a->strings, &settings->arena, settings->profiles);
    return settings->profiles_len
               ? 0
               : sy_err_set(err, -ENOMEM, "no memory for the profiles' arguments");
}

static void settings_done(struct settings *settings)
{
    free(settings->profiles);
    sy_config_queues_done(&settings->queues_room);
    sy_arena_done(&settings->arena);
    sy_config_done(&settings->config);
}

/* Borrows from settings, which may not move meanwhile. */
static struct sy_sched_options sched_options(struct settings *settings)
{
    const struct sy_config_models *models = &settings->config.models;

    sy_config_pools(models, &settings->pools_room, &settings->pools);
    sy_config_queues_done(&settings->queues_room);
    sy_config_queues(&settings->config.queues, &settings->queues_room, &settings->queues);
    return (struct sy_sched_options){
        .profiles = settings->profiles,
        .profiles_len = settings->profiles_len,
        .backoff_initial_ns = settings->config.backoff_initial_ns,
        .backoff_max_ns = settings->config.backoff_max_ns,
        .sweep_ns = settings->config.sweep_ns,
        .binds_in_flight_max = (uint32_t)settings->config.binds_in_flight_max,
        .records_max = (uint32_t)settings->config.records_max,
        .gpu_resources = settings->config.gpu_resources.p,
        .gpu_resources_len = (uint32_t)settings->config.gpu_resources.len,
        .pools = &settings->pools,
        .queues = &settings->queues,
        .ageing = {models->ageing_points_per_minute, models->ageing_most},
        .gangs = sy_config_gangs(&settings->config.gangs),
        .start_half_life_ns = models->start_half_life_ns,
        .failure_half_life_ns = models->failure_half_life_ns,
        .failures = sy_config_failures(&settings->config.failures, &settings->failures_room,
                                       &settings->failures),
        .clock = sy_clock_boot_ns,
    };
}

static void set_profile_label(struct app *a)
{
    free(a->profile_label);
    a->profile_label = join_names(&a->now);
}

static void apply_config(struct app *a)
{
    struct sy_sched_options options = sched_options(&a->now);

    sy_log_configure((enum sy_log_level)a->now.config.log_level, a->now.config.log_json);
    sy_sched_configure(a->sched, &options, sy_loop_now_ns(a->loop));
    sy_outbox_set_events(a->outbox, a->now.config.events);
    set_profile_label(a);
}

static void say_notes(const struct sy_problems *problems)
{
    for (size_t i = 0; i < problems->notes.len; i++)
        sy_log_info("configuration", "note", problems->notes.p[i]);
}

static void on_reload(void *arg, int signal_number)
{
    struct app *a = arg;
    struct sy_problems problems = {0};
    struct settings before = a->now, after = {0};
    struct sy_err err = {0};
    struct sy_buf restart;

    (void)signal_number;
    if (a->is_stopping)
        return;
    if (!a->options->source.file) {
        sy_log_warn("nothing to reload: started without --config");
        return;
    }
    int r = sy_config_load(&a->options->source, &after.config, &problems);
    if (!r && (r = settle(a, &after, &err)))
        sy_problems_add(&problems, "%s", sy_err_text(&err, r));
    if (r) {
        a->reload_errors++;
        for (size_t i = 0; i < problems.lines.len; i++)
            sy_log_error("configuration not reloaded", "error", problems.lines.p[i]);
        sy_problems_done(&problems);
        settings_done(&after);
        return;
    }
    say_notes(&problems);
    sy_problems_done(&problems);
    a->now = after;
    apply_config(a);
    settings_done(&before);
    r = start_feeds(a, &err);
    if (r)
        sy_log_error("cannot watch what the configuration needs", "error", sy_err_text(&err, r));
    a->reloads++;
    sy_buf_init(&restart, 64 << 10);
    sy_log_info("configuration reloaded", "file", a->options->source.file, "profiles",
                a->profile_label);
    if (sy_config_needs_restart(&a->started, &a->now.config, &restart) == 0 && restart.len)
        sy_log_warn("these changes take effect after a restart", "keys", restart.p);
    sy_buf_done(&restart);
    sy_deferred_trigger(a->turn);
}

/* ---- start and end ---- */

/* As kubectl and client-go find it: what is named, $KUBECONFIG, the pod's account, the home. */
static int find_kubeconfig(const struct sy_config *config, struct sy_kubeconfig *ret,
                           struct sy_err *err)
{
    const char *list = getenv("KUBECONFIG");

    if (config->kubeconfig || (list && *list))
        return sy_kubeconfig_load(config->kubeconfig, config->context, ret, err);
    int r = sy_kubeconfig_in_cluster("", ret, err);
    if (r == -ENOENT)
        r = sy_kubeconfig_load(NULL, config->context, ret, err);
    if (r == -ENOENT)
        return sy_err_set(err, r,
                          "there is none: give --kubeconfig, set $KUBECONFIG, or run in a pod with "
                          "a service account");
    return r;
}

static int load_kubeconfig(const struct sy_config *config, struct sy_kubeconfig *ret,
                           struct sy_err *err)
{
    int r = find_kubeconfig(config, ret, err);

    return r ? sy_err_wrap(err, r, "kubeconfig") : 0;
}

static int start_kube(struct app *a, struct sy_err *err)
{
    struct sy_kubeconfig kubeconfig = {0};
    char *agent SY_CLEANUP(sy_freep) =
        sy_xasprintf("steelyard/%s (linux/" ARCH ")", a->options->version);
    double burst = a->now.config.burst ? (double)a->now.config.burst : a->now.config.qps * 2;
    struct sy_kube_options options = {
        .qps = a->now.config.qps,
        .burst = (uint32_t)(burst < 1 ? 1 : burst),
        .user_agent = agent,
        .force_json = a->now.config.json_only,
    };

    int r = load_kubeconfig(&a->now.config, &kubeconfig, err);
    if (!r) {
        const char *host = strstr(kubeconfig.server, "://");
        host = host ? host + 3 : kubeconfig.server;
        a->server_label = sy_xstrndup(host, strcspn(host, "/"));
        r = sy_kube_new(a->loop, &kubeconfig, &options, &a->kube, err);
    }
    sy_kubeconfig_done(&kubeconfig);
    return r;
}

static int start_profiles(struct app *a, struct sy_err *err)
{
    uint64_t key[2] = {sy_rng_entropy(), sy_rng_entropy()};

    a->strings = sy_strings_new(key);
    return settle(a, &a->now, err);
}

static void start_sched(struct app *a)
{
    struct sy_sched_options options = sched_options(&a->now);

    a->sched = sy_sched_new(a->strings, &options, sy_outbox_decide, a->outbox);
    set_profile_label(a);
}

static int start_outbox(struct app *a, struct sy_err *err)
{
    struct sy_outbox_options options = {
        .component = a->now.profiles[0].scheduler_name,
        .bind_timeout_ms =
            a->started.leader.is_on
                ? sy_config_leader_write_ms(&a->started.leader, a->started.bind_timeout_ns)
                : (uint32_t)(a->now.config.bind_timeout_ns / SY_NS_PER_MS),
        .events_max_queued = (uint32_t)a->now.config.events_max_queued,
        .strings = a->strings,
        .events = a->now.config.events,
        .on_result = want_turn,
        .arg = a,
    };

    return sy_outbox_new(a->kube, &options, &a->outbox, err);
}

/* The server takes its port early, so that one that is in use is known before anything else. */
static int start_server(struct app *a, struct sy_err *err)
{
    const char *address = a->now.config.bind_address;

    if (a->now.config.port < 0)
        return 0;
    int r = sy_server_new(a->loop, address, (uint16_t)a->now.config.port, &a->server, err);
    if (r || !a->now.config.tls)
        return r;
    r = sy_tls_server_new(a->now.config.tls_cert_file, a->now.config.tls_key_file, &a->tls, err);
    if (r)
        return sy_err_wrap(err, r, "server.tls");
    sy_server_use_tls(a->server, a->tls);
    return 0;
}

static int what_if(void *arg, struct sy_str manifests, struct sy_buf *out, struct sy_err *err)
{
    struct app *a = arg;

    return sy_what_if(a->sched, a->strings, manifests, "manifest", NULL, sy_loop_now_ns(a->loop),
                      out, err);
}

static void start_endpoints(struct app *a)
{
    a->serve = sy_serve_new(a->server, &(struct sy_serve_options){.sched = a->sched,
                                                                  .strings = a->strings,
                                                                  .collect = collect,
                                                                  .check = checks,
                                                                  .arg = a});
    a->access = sy_access_new(a->kube);
    a->api = sy_api_new(a->server, &(struct sy_api_options){.loop = a->loop,
                                                            .sched = a->sched,
                                                            .strings = a->strings,
                                                            .gate = sy_access_check,
                                                            .gate_arg = a->access,
                                                            .now = sy_clock_boot_ns,
                                                            .wall_now = sy_clock_wall_ns,
                                                            .version = a->options->version,
                                                            .what_if = what_if,
                                                            .what_if_arg = a});
}

static void say_serving(const struct app *a)
{
    const char *address = a->now.config.bind_address;

    sy_log_info("serving /livez, /readyz, /healthz, /metrics and /steelyard/v1", "address", address,
                "port", SY_FMT("%u", sy_server_port(a->server)), "tls", a->tls ? "yes" : "no");
    if (strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0)
        sy_log_warn(
            "all but /steelyard/v1 asks nobody who they are and can be reached from other machines",
            "address", address);
}

static int start_measure(struct app *a, struct sy_err *err)
{
    struct sy_measure_options options = {
        .loop = a->loop,
        .kube = a->kube,
        .sched = a->sched,
        .strings = a->strings,
        .on_input = want_turn,
        .arg = a,
    };

    return sy_measure_new(&a->started.load, &options, &a->measure, err);
}

static void on_lost(void *arg)
{
    stop_with_error(arg, "leaderelection lost");
}

static int start_leader(struct app *a, struct sy_err *err)
{
    struct sy_leader_options options = {
        .config = &a->started.leader,
        .kube = a->kube,
        .outbox = a->outbox,
        .feeds = a->feeds,
        .cluster = sy_sched_cluster(a->sched),
        .component = a->now.profiles[0].scheduler_name,
        .write_ms = sy_config_leader_write_ms(&a->started.leader, a->started.bind_timeout_ns),
        .on_change = want_turn,
        .on_lost = on_lost,
        .arg = a,
    };

    return a->started.leader.is_on ? sy_leader_new(&options, &a->leader, err) : 0;
}

static int start(struct app *a, struct sy_err *err)
{
    int r = sy_loop_new(&a->loop, err);

    if (r || (r = start_server(a, err)) || (r = start_kube(a, err)) ||
        (r = start_profiles(a, err)) || (r = start_outbox(a, err)))
        return r;
    (void)sy_config_failures(&a->started.failures, &a->failure_keys,
                             &(struct sy_failure_options){0});
    start_sched(a);
    if (a->server)
        start_endpoints(a);
    a->turn = sy_deferred_new(a->loop, on_turn, a);
    a->deadline = sy_timer_new(a->loop, want_turn, a);
    a->tick = sy_timer_new(a->loop, on_tick, a);
    a->drain = sy_timer_new(a->loop, on_drain, a);
    a->signals[0] = sy_signal_new(a->loop, SIGTERM, on_stop, a);
    a->signals[1] = sy_signal_new(a->loop, SIGINT, on_stop, a);
    a->signals[2] = sy_signal_new(a->loop, SIGHUP, on_reload, a);
    sy_timer_arm(a->tick, TICK_NS);
    if ((r = start_measure(a, err)) || (r = start_leader(a, err)) || (r = start_feeds(a, err)))
        return r;
    if (a->leader)
        sy_leader_start(a->leader);
    if (a->server)
        say_serving(a);
    sy_log_info("started", "version", a->options->version, "scheduler_names", a->profile_label,
                "server", sy_kube_server(a->kube));
    return 0;
}

/* Also after a start that stopped half-way. */
static void end(struct app *a)
{
    sy_leader_free(a->leader);
    for (int i = 0; i < SY_FEEDS; i++)
        sy_feed_free(a->feeds[i]);
    sy_groups_free(a->groups);
    sy_feed_free(a->leases);
    sy_measure_free(a->measure);
    sy_access_free(a->access);
    if (a->server)
        sy_server_free(a->server);
    sy_tls_server_free(a->tls);
    sy_api_free(a->api);
    sy_serve_free(a->serve);
    sy_outbox_free(a->outbox);
    sy_kube_free(a->kube);
    sy_sched_free(a->sched);
    sy_strings_free(a->strings);
    for (size_t i = 0; i < SY_ARRAY_LEN(a->signals); i++) {
        if (a->signals[i])
            sy_signal_free(a->signals[i]);
    }
    sy_timer_free(a->drain);
    sy_timer_free(a->tick);
    sy_timer_free(a->deadline);
    if (a->turn)
        sy_deferred_free(a->turn);
    if (a->loop)
        sy_loop_free(a->loop);
    free(a->profile_label);
    free(a->server_label);
    settings_done(&a->now);
    sy_config_done(&a->started);
}

static void print_problems(struct sy_problems *problems)
{
    for (size_t i = 0; i < problems->lines.len; i++)
        fprintf(stderr, "steelyard: %s\n", problems->lines.p[i]);
    for (size_t i = 0; i < problems->notes.len; i++)
        fprintf(stderr, "steelyard: note: %s\n", problems->notes.p[i]);
    sy_problems_done(problems);
}

static void prepare_process(const struct sy_app_options *options)
{
    /* A peer that goes away is an error of its write, not the end of us. */
    signal(SIGPIPE, SIG_IGN);
    if (!options->allow_core_dumps) {
        prctl(PR_SET_DUMPABLE, 0);
        /* Programs that give credentials inherit this alone. */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    }
    /* One thread works. Fixed thresholds, so that a large buffer freed goes back to the kernel
     * instead of raising them. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

struct sy_app {
    struct app app;
};

int sy_app_new(const struct sy_app_options *options, struct sy_app **ret)
{
    struct sy_app *app = sy_xcalloc(1, sizeof(*app));
    struct app *a = &app->app;
    struct sy_problems problems = {0};
    struct sy_err err = {0};

    a->options = options;
    a->started_ns = sy_clock_boot_ns();
    int r = sy_config_load(&options->source, &a->started, &problems);
    if (!r) {
        sy_problems_done(&problems);
        problems = (struct sy_problems){0};
        r = sy_config_load(&options->source, &a->now.config, &problems);
    }
    if (r) {
        print_problems(&problems);
        sy_config_done(&a->now.config);
        sy_config_done(&a->started);
        free(app);
        return 1;
    }
    sy_log_configure((enum sy_log_level)a->now.config.log_level, a->now.config.log_json);
    say_notes(&problems);
    sy_problems_done(&problems);
    r = start(a, &err);
    if (r) {
        sy_log_error("cannot start", "error", sy_err_text(&err, r));
        sy_app_free(app);
        return 1;
    }
    *ret = app;
    return 0;
}

void sy_app_free(struct sy_app *app)
{
    if (!app)
        return;
    end(&app->app);
    free(app);
}

int sy_app_run(const struct sy_app_options *options)
{
    struct sy_app *app;
    struct sy_err err = {0};

    prepare_process(options);
    int status = sy_app_new(options, &app);
    if (status)
        return status;
    int r = sy_loop_run(app->app.loop, &err);
    if (r)
        sy_log_error("the event loop failed", "error", sy_err_text(&err, r));
    status = r ? 1 : app->app.exit_status;
    sy_app_free(app);
    return status;
}

int sy_app_validate(const struct sy_app_options *options)
{
    struct sy_problems problems = {0};
    struct sy_kubeconfig kubeconfig = {0};
    struct sy_config config;
    struct sy_err err = {0};

    int r = sy_config_load(&options->source, &config, &problems);
    print_problems(&problems);
    int k = load_kubeconfig(&config, &kubeconfig, &err);
    if (k)
        fprintf(stderr, "steelyard: %s\n", sy_err_text(&err, k));
    sy_kubeconfig_done(&kubeconfig);
    sy_config_done(&config);
    return r || k ? 1 : 0;
}
