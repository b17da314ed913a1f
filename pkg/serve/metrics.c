/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serve/api_queues.h"
#include "serve/expo.h"
#include "serve/failure_metrics.h"
#include "serve/model_metrics.h"

static void counter(struct sy_expo *e, const char *name, const char *help)
{
    sy_expo_family(e, name, SY_EXPO_COUNTER, help);
}

static void gauge(struct sy_expo *e, const char *name, const char *help)
{
    sy_expo_family(e, name, SY_EXPO_GAUGE, help);
}

static void one_counter(struct sy_expo *e, const char *name, const char *help, uint64_t value)
{
    counter(e, name, help);
    sy_expo_u64(e, value, NULL);
}

static void one_gauge(struct sy_expo *e, const char *name, const char *help, double value)
{
    gauge(e, name, help);
    sy_expo_f64(e, value, NULL);
}

static void one_histogram(struct sy_expo *e, const char *name, const char *help,
                          const struct sy_histogram *h)
{
    sy_expo_family(e, name, SY_EXPO_HISTOGRAM, help);
    sy_expo_histogram(e, h, NULL);
}

/* As kube-scheduler's label `attempts`: "1" to "14", then "15+". */
static void write_sli(struct sy_expo *e, const struct sy_sched_stats *s)
{
    sy_expo_family(e, "scheduler_pod_scheduling_sli_duration_seconds", SY_EXPO_HISTOGRAM,
                   "E2e latency for a pod being scheduled, from the time the pod enters the "
                   "scheduling queue and might involve multiple scheduling attempts.");
    for (uint32_t i = 0; i < SY_SLI_ATTEMPTS; i++) {
        char attempts[16];
        /* As a vector has it: what never happened has no line. The first is there from the start,
         * so that rules on it work. */
        if (i && !s->sli_s[i].count)
            continue;
        snprintf(attempts, sizeof(attempts), "%u%s", i + 1, i + 1 == SY_SLI_ATTEMPTS ? "+" : "");
        sy_expo_histogram(e, &s->sli_s[i], "attempts", attempts, NULL);
    }
}

static void write_points(struct sy_expo *e, const struct sy_profile_stats *profiles, uint32_t len)
{
    sy_expo_family(e, "scheduler_framework_extension_point_duration_seconds", SY_EXPO_HISTOGRAM,
                   "Latency for running all plugins of a specific extension point. Filter includes "
                   "Score: a node is asked for both in one go.");
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_profile_stats *p = &profiles[i];
        const struct {
            const char *point, *status;
            const struct sy_histogram *took_s;
        } rows[] = {
            {"Filter", "Success", &p->filter_s},
            {"Filter", "Unschedulable", &p->filter_unschedulable_s},
            {"PostFilter", "Success", &p->post_filter_s},
            {"Bind", "Success", &p->bind_s},
        };
        for (size_t r = 0; r < SY_ARRAY_LEN(rows); r++)
            sy_expo_histogram(e, rows[r].took_s, "extension_point", rows[r].point, "profile",
                              p->scheduler_name, "status", rows[r].status, NULL);
    }
}

static void add_refused(void *arg, const struct sy_refused_pods *refused)
{
    sy_expo_u64(arg, refused->pods, "plugin", refused->filter, "profile", refused->scheduler_name,
                NULL);
}

static void write_gangs(struct sy_expo *e, const struct sy_sched *sched)
{
    const struct sy_sched_stats *s = sy_sched_stats(sched);

    counter(e, "steelyard_gang_attempts_total", "Attempts to place a whole gang, by their result.");
    sy_expo_u64(e, s->gangs_placed, "result", "scheduled", NULL);
    sy_expo_u64(e, s->gangs_refused, "result", "unschedulable", NULL);
    sy_expo_u64(e, s->gangs_error, "result", "error", NULL);
    gauge(e, "steelyard_gang_waiting", "Gangs that have not the members or the room they need.");
    sy_expo_u64(e, sy_sched_gangs_waiting(sched), NULL);
    one_histogram(e, "steelyard_gang_wait_seconds",
                  "From the first sight of a gang's oldest member to a place for all of them.",
                  &s->gang_wait_s);
    gauge(e, "steelyard_gang_first_claims", "Places that are kept for members of broken gangs.");
    sy_expo_u64(e, sy_sched_first_claims_len(sched), NULL);
    one_counter(e, "steelyard_gang_first_claims_total", "Places that were kept so.",
                s->first_claims);
}

static void write_scheduling(struct sy_expo *e, struct sy_sched *sched, const struct sy_figures *f)
{
    const struct sy_sched_stats *s = sy_sched_stats(sched);
    uint32_t profiles_len;
    const struct sy_profile_stats *profiles = sy_sched_profile_stats(sched, &profiles_len);
    const struct sy_cluster *c = sy_sched_cluster(sched);

    counter(e, "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could "
            "not be scheduled, while 'error' means a bind that failed.");
    for (uint32_t i = 0; i < profiles_len; i++) {
        const struct sy_profile_stats *p = &profiles[i];
        const char *name = p->scheduler_name;
        sy_expo_u64(e, p->attempts_scheduled, "profile", name, "result", "scheduled", NULL);
        sy_expo_u64(e, p->attempts_unschedulable, "profile", name, "result", "unschedulable", NULL);
        sy_expo_u64(e, p->attempts_error, "profile", name, "result", "error", NULL);
    }

    gauge(e, "scheduler_pending_pods",
          "Number of pending pods, by the queue. Pods with a bind in flight are in none.");
    sy_expo_u64(e, s->active, "queue", "active", NULL);
    sy_expo_u64(e, s->backoff, "queue", "backoff", NULL);
    sy_expo_u64(e, s->unschedulable, "queue", "unschedulable", NULL);
    sy_expo_u64(e, s->gated, "queue", "gated", NULL);
    sy_expo_u64(e, s->in_gangs, "queue", "gang", NULL);

    counter(e, "scheduler_queue_incoming_pods_total",
            "Number of pods added to scheduling queues by event and queue.");
    sy_expo_u64(e, s->incoming_added, "event", "UnscheduledPodAdd", "queue", "active", NULL);
    sy_expo_u64(e, s->incoming_woken, "event", "NodeRelief", "queue", "active", NULL);
    sy_expo_u64(e, s->incoming_swept, "event", "UnschedulableTimeout", "queue", "active", NULL);
    sy_expo_u64(e, s->incoming_backoff, "event", "ScheduleAttemptFailure", "queue", "backoff",
                NULL);
    sy_expo_u64(e, s->attempts_unschedulable, "event", "ScheduleAttemptFailure", "queue",
                "unschedulable", NULL);

    one_histogram(e, "scheduler_scheduling_algorithm_duration_seconds",
                  "Scheduling algorithm latency in seconds", &s->algorithm_s);
    sy_expo_family(e, "scheduler_scheduling_attempt_duration_seconds", SY_EXPO_HISTOGRAM,
                   "Scheduling attempt latency in seconds (scheduling algorithm + binding)");
    for (uint32_t i = 0; i < profiles_len; i++) {
        const struct sy_profile_stats *p = &profiles[i];
        sy_expo_histogram(e, &p->attempt_s, "profile", p->scheduler_name, "result", "scheduled",
                          NULL);
        sy_expo_histogram(e, &p->attempt_unschedulable_s, "profile", p->scheduler_name, "result",
                          "unschedulable", NULL);
    }
    write_points(e, profiles, profiles_len);
    write_sli(e, s);
    gauge(e, "scheduler_unschedulable_pods",
          "The number of unschedulable pods broken down by plugin name. A pod will increment the "
          "gauge for all plugins that caused it to not schedule and so this metric have meaning "
          "only when broken down by plugin.");
    sy_sched_refused_pods(sched, add_refused, e);
    one_histogram(e, "scheduler_pod_scheduling_attempts",
                  "Number of attempts to successfully schedule a pod.", &s->attempts);
    one_counter(e, "scheduler_preemption_attempts_total",
                "Total preemption attempts in the cluster till now", s->preemption_attempts);
    one_histogram(e, "scheduler_preemption_victims",
                  "Number of selected preemption victims for preemption initiated by a single pod",
                  &s->victims);
    one_counter(e, "steelyard_preemption_victims_total", "Pods chosen to make room.",
                s->preemption_victims);
    counter(e, "steelyard_evictions_total", "Deletions of such pods by how they ended.");
    sy_expo_u64(e, f->evictions_done, "outcome", "ok", NULL);
    sy_expo_u64(e, f->eviction_errors, "outcome", "error", NULL);
    one_counter(e, "scheduler_pod_scheduled_after_flush_total",
                "Number of pods that were successfully scheduled after only the periodic sweep of "
                "unschedulable pods woke them.",
                s->rescued_by_sweep);

    write_gangs(e, sched);

    /* Its name until 1.3x, which dashboards have, and that since. */
    static const char *const CACHE_NAMES[] = {"scheduler_scheduler_cache_size",
                                              "scheduler_cache_size"};
    for (size_t i = 0; i < SY_ARRAY_LEN(CACHE_NAMES); i++) {
        gauge(
            e, CACHE_NAMES[i],
            "Number of nodes, pods, and assumed (not yet confirmed) pods in the scheduler cache.");
        sy_expo_u64(e, c->nodes_alive, "type", "nodes", NULL);
        sy_expo_u64(e, c->pods_alive, "type", "pods", NULL);
        sy_expo_u64(e, c->pods_assumed, "type", "assumed_pods", NULL);
    }

    counter(e, "steelyard_binds_total", "Binds by how they ended.");
    sy_expo_u64(e, s->binds_ok, "outcome", "ok", NULL);
    sy_expo_u64(e, s->binds_conflict, "outcome", "conflict", NULL);
    sy_expo_u64(e, s->binds_gone, "outcome", "gone", NULL);
    sy_expo_u64(e, s->binds_refused, "outcome", "refused", NULL);
    sy_expo_u64(e, s->binds_unknown, "outcome", "unknown", NULL);
    one_gauge(e, "steelyard_binds_in_flight", "Binds sent whose end is not known yet.",
              sy_sched_binds_in_flight(sched));
    one_counter(e, "steelyard_shape_cache_hits_total",
                "Decisions that found their pod's shape evaluated.", s->shape_hits);
    one_counter(e, "steelyard_shape_cache_builds_total", "Evaluations of a shape on all nodes.",
                s->shape_builds);
    one_counter(e, "steelyard_nodes_evaluated_total",
                "Evaluations of all filters and scorers on one node.", s->nodes_evaluated);
    counter(e, "steelyard_costly_pods_total",
            "Pods whose cycle costs much, for their many terms: tried, put off so that others go "
            "first, refused because it would take too long.");
    sy_expo_u64(e, s->costly_attempts, "outcome", "tried", NULL);
    sy_expo_u64(e, s->costly_put_off, "outcome", "put_off", NULL);
    sy_expo_u64(e, s->costly_refused, "outcome", "refused", NULL);
    one_counter(e, "steelyard_pods_refused_total",
                "Pods that could not be taken over for lack of memory or because of their size.",
                s->pods_refused);
}

static void write_utilization(struct sy_expo *e, struct sy_sched *sched,
                              const struct sy_strings *strings)
{
    uint32_t len = sy_sched_utilization(sched, NULL, 0);
    struct sy_utilization *all = sy_xcalloc(len ? len : 1, sizeof(*all));

    len = sy_sched_utilization(sched, all, len);
    gauge(e, "steelyard_utilization_ratio",
          "Requested share of what all nodes can give, by resource.");
    for (uint32_t i = 0; i < len; i++) {
        if (all[i].total > 0)
            sy_expo_f64(e, (double)all[i].used / (double)all[i].total, "resource",
                        sy_strings_getz(strings, all[i].resource), NULL);
    }
    free(all);
}

static void write_reflectors(struct sy_expo *e, const struct sy_figures *f)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } FAMILIES[] = {
        {"steelyard_reflector_events_total", "Objects received in lists and watches.",
         offsetof(struct sy_reflector_figures, events)},
        {"steelyard_reflector_lists_total", "Full lists begun.",
         offsetof(struct sy_reflector_figures, lists)},
        {"steelyard_reflector_watches_total", "Watches begun.",
         offsetof(struct sy_reflector_figures, watches)},
        {"steelyard_reflector_errors_total", "Errors that made a reflector wait.",
         offsetof(struct sy_reflector_figures, errors)},
        {"steelyard_reflector_skipped_total", "Objects that could not be read and were left out.",
         offsetof(struct sy_reflector_figures, skipped)},
        {"steelyard_reflector_bookmarks_total", "Bookmarks received.",
         offsetof(struct sy_reflector_figures, bookmarks)},
        {"steelyard_reflector_expired_total", "Watches whose version was too old (410).",
         offsetof(struct sy_reflector_figures, expired)},
        {"steelyard_reflector_received_bytes_total", "Bytes of lists and watches.",
         offsetof(struct sy_reflector_figures, bytes)},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(FAMILIES); i++) {
        counter(e, FAMILIES[i].name, FAMILIES[i].help);
        for (uint32_t n = 0; n < f->reflectors_len; n++) {
            const char *at = (const char *)&f->reflectors[n] + FAMILIES[i].offset;
            sy_expo_u64(e, *(const uint64_t *)(const void *)at, "resource",
                        f->reflectors[n].resource, NULL);
        }
    }
}

static void write_client(struct sy_expo *e, const struct sy_figures *f)
{
    counter(e, "rest_client_requests_total",
            "Number of HTTP requests, partitioned by status code, method, and host.");
    for (uint32_t i = 0; i < f->requests_len; i++) {
        char code[16];
        snprintf(code, sizeof(code), "%u", f->requests[i].code);
        sy_expo_u64(e, f->requests[i].count, "code", f->requests[i].code ? code : "<error>", "host",
                    f->server, "method", f->requests[i].method, NULL);
    }
    one_counter(e, "steelyard_client_retries_total", "Requests sent again.", f->request_retries);
    counter(e, "steelyard_client_throttled_total", "Requests that had to wait, by who said so.");
    sy_expo_u64(e, f->throttled_by_server, "by", "server", NULL);
    sy_expo_u64(e, f->throttled_by_client, "by", "client", NULL);
    one_counter(e, "steelyard_client_credential_reloads_total",
                "Times that the credentials were read anew.", f->credential_reloads);
    one_counter(e, "steelyard_conditions_sent_total", "Pod conditions written.",
                f->conditions_sent);
    one_counter(e, "steelyard_condition_errors_total", "Pod conditions that could not be written.",
                f->condition_errors);
    one_counter(e, "steelyard_events_sent_total", "Events written.", f->events_sent);
    one_counter(e, "steelyard_events_dropped_total", "Events given up because too many waited.",
                f->events_dropped);
    one_counter(e, "steelyard_events_merged_total", "Events that became part of a series.",
                f->events_merged);
    one_counter(e, "steelyard_event_errors_total", "Events that could not be written.",
                f->event_errors);
    one_counter(e, "steelyard_decode_odd_values_total",
                "Values in objects that were malformed or out of range, and read as well as they "
                "could be.",
                f->odd_values);
}

static void write_process(struct sy_expo *e, const struct sy_process_figures *p)
{
    counter(e, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
    sy_expo_f64(e, p->cpu_s, NULL);
    one_gauge(e, "process_resident_memory_bytes", "Resident memory size in bytes.",
              (double)p->resident_bytes);
    one_gauge(e, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
              (double)p->virtual_bytes);
    one_gauge(e, "process_open_fds", "Number of open file descriptors.", (double)p->open_fds);
    one_gauge(e, "process_max_fds", "Maximum number of open file descriptors.", (double)p->max_fds);
    one_gauge(e, "process_start_time_seconds",
              "Start time of the process since unix epoch in seconds.", p->start_wall_s);
}

static void write_leader(struct sy_expo *e, const struct sy_figures *f)
{
    one_counter(e, "steelyard_writes_withheld_total",
                "Requests that were not sent because the lease may have lapsed.",
                f->writes_withheld);
    if (!f->is_elected_by_lease)
        return;
    gauge(e, "leader_election_master_status",
          "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 "
          "indicates master. 'name' is the string used to identify the lease.");
    sy_expo_u64(e, f->is_leader, "name", f->leader_name, NULL);
    counter(e, "leader_election_slowpath_total",
            "Total number of slow path exercised in renewing leader leases. 'name' is the string "
            "used to identify the lease.");
    sy_expo_u64(e, f->leader_slow_paths, "name", f->leader_name, NULL);
    one_gauge(e, "steelyard_leader_term",
              "Number of the term in which we lead, the lease's leaseTransitions; -1 on standby.",
              f->is_leader ? (double)f->leader_term : -1);
}

int sy_metrics_write(struct sy_sched *sched, const struct sy_strings *strings,
                     const struct sy_figures *f, const struct sy_process_figures *process,
                     struct sy_buf *out)
{
    struct sy_expo e = {.out = out};

    gauge(&e, "steelyard_build_info", "Always 1; the labels say what runs.");
    sy_expo_u64(&e, 1, "version", f->version, "compiler", f->compiler, NULL);
    write_scheduling(&e, sched, f);
    write_utilization(&e, sched, strings);
    sy_model_metrics_write(&e, sched, f->node_weights);
    sy_queue_metrics_write(&e, sched);
    sy_failure_metrics_write(&e, sched);
    sy_load_metrics_write(&e, sy_sched_cluster(sched), f->loads, f->loads_len);
    write_reflectors(&e, f);
    write_client(&e, f);
    write_leader(&e, f);
    one_gauge(
        &e, "steelyard_scheduling",
        "1 while pods are decided, 0 while synchronising, unreachable, on standby or shutting "
        "down.",
        f->is_scheduling);
    one_gauge(&e, "steelyard_strings", "Distinct strings kept.", sy_strings_len(strings));
    one_gauge(&e, "steelyard_strings_bytes", "Memory that they take.",
              (double)sy_strings_bytes(strings));
    one_counter(&e, "steelyard_strings_swept_total", "Strings that nothing used any more.",
                f->strings_swept);
    one_counter(&e, "steelyard_strings_stale_total",
                "Uses of a string that had been swept: always 0, else a name may be wrong.",
                sy_strings_stale(strings));
    counter(&e, "steelyard_config_reloads_total", "Reloads of the configuration, by result.");
    sy_expo_u64(&e, f->config_reloads, "result", "ok", NULL);
    sy_expo_u64(&e, f->config_reload_errors, "result", "error", NULL);
    counter(&e, "steelyard_api_checks_total",
            "Requests to /steelyard/v1 whose token was checked, by what came of it.");
    sy_expo_u64(&e, f->api_allowed, "result", "allowed", NULL);
    sy_expo_u64(&e, f->api_denied, "result", "denied", NULL);
    sy_expo_u64(&e, f->api_unauthenticated, "result", "unauthenticated", NULL);
    sy_expo_u64(&e, f->api_failed, "result", "error", NULL);
    write_process(&e, process);
    return out->failed;
}
