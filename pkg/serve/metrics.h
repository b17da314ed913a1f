/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says: kube-scheduler's names, labels and meanings where we have the figure,
 * steelyard_* for what is ours. Source: kubernetes pkg/scheduler/metrics/metrics.go (v1.37.2). */
#pragma once

#include "base/strings.h"
#include "sched/sched.h"
#include "serve/load_metrics.h"
#include "serve/process.h"

#include <stdint.h>

/* Figures of layers that pkg/serve does not know; pkg/app fills them in. Strings are borrowed. */
struct sy_reflector_figures {
    const char *resource; /* "pods" */
    uint64_t events, lists, watches, errors, skipped, bookmarks, expired, bytes;
};

struct sy_request_figures {
    const char *method;
    uint32_t code; /* 0: no answer */
    uint64_t count;
};

struct sy_figures {
    const char *version;
    const char *compiler;
    const char *server; /* host:port of the API server */
    struct sy_request_figures requests[64];
    uint32_t requests_len;
    uint64_t request_retries, throttled_by_server, throttled_by_client, credential_reloads;
    struct sy_reflector_figures reflectors[32];
    uint32_t reflectors_len;
    uint64_t conditions_sent, condition_errors;
    uint64_t evictions_done, eviction_errors;
    uint64_t events_sent, events_dropped, events_merged, event_errors;
    uint64_t odd_values;
    uint64_t config_reloads, config_reload_errors;
    uint64_t api_allowed, api_denied, api_unauthenticated, api_failed; /* checks of who asks */
    uint64_t strings_swept;
    struct sy_load_source_figures loads[SY_LOAD_FIGURES_MAX];
    uint32_t loads_len;
    bool is_elected_by_lease; /* leader election is on; what follows is of it */
    bool is_leader;
    const char *leader_name;
    int64_t leader_term;
    uint64_t leader_slow_paths;
    uint64_t writes_withheld;
    bool is_scheduling;
    bool node_weights; /* write those of each node */
};

/* Appends the whole exposition to out. sched, strings: borrowed. Cost: O(nodes x resources).
 * Errors: as sy_buf_add(), checked once at the end. */
int sy_metrics_write(struct sy_sched *sched, const struct sy_strings *strings,
                     const struct sy_figures *f, const struct sy_process_figures *process,
                     struct sy_buf *out);
