/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's configuration: what can be set, its defaults, the YAML file and the flags that
 * override it. A file is of our own kind or of kube-scheduler's. The tables in config.c are the
 * reference. Wiring belongs in app.c. */
#pragma once

#include "app/failure_config.h"
#include "app/gang_config.h"
#include "app/leader_config.h"
#include "app/load_config.h"
#include "app/model_config.h"
#include "app/plugin_args.h"
#include "app/plugins.h"
#include "app/queue_config.h"
#include "app/schema.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define SY_CONFIG_API_VERSION "steelyard.dev/v1"
#define SY_CONFIG_KIND        "SteelyardConfiguration"
#define SY_CONFIG_KUBE_KIND   "KubeSchedulerConfiguration"
#define SY_DEFAULT_SCHEDULER  "steelyard"
#define SY_KUBE_SCHEDULER     "default-scheduler"
#define SY_DEFAULT_PORT_TEXT  "10270" /* beside kube-scheduler's 10259, in no one's list */

enum { SY_PROFILES_MAX = 64 };

struct sy_config_scorer {
    char *name;
    int64_t weight;
};

enum sy_config_preset { SY_PRESET_DEFAULT, SY_PRESET_GPU };

struct sy_config_profile {
    char *scheduler_name;
    int64_t preset;                /* enum sy_config_preset: what the lists below start from */
    struct sy_option_list filters; /* char *; not set: as `plugins` says */
    struct sy_option_list scorers; /* struct sy_config_scorer; not set: as `plugins` says */
    struct sy_config_plugins plugins;
    struct sy_option_list plugin_config; /* struct sy_config_args */
    int64_t percentage_of_nodes;         /* accepted only, as all below that says so */
};

/* Keys of kube-scheduler's kind that are accepted and change nothing. */
struct sy_config_accepted {
    int64_t parallelism;
    int64_t percentage_of_nodes;
    bool profiling, contention_profiling, delay_cache;
    char *accept_types, *content_type;
};

struct sy_config {
    bool is_kube; /* the file was of kube-scheduler's kind */
    struct sy_config_accepted accepted;
    struct sy_config_leader leader;
    char *api_version;
    char *kind;
    struct sy_option_list scheduler_names; /* char * */
    struct sy_option_list profiles;        /* struct sy_config_profile */
    char *kubeconfig;                      /* NULL: as kubectl does, or the pod's service account */
    char *context;
    double qps; /* 0: no limit of our own */
    int64_t burst;
    bool json_only;
    char *bind_address;
    int64_t port; /* 0: any free one; -1: no server */
    bool tls;
    char *tls_cert_file, *tls_key_file; /* both or neither: then one is made in memory */
    int64_t log_level;                  /* enum sy_log_level */
    int64_t log_json;                   /* 1: JSON */
    int64_t backoff_initial_ns;
    int64_t backoff_max_ns;
    int64_t sweep_ns;
    int64_t binds_in_flight_max;
    int64_t bind_timeout_ns;
    bool events;
    int64_t events_max_queued;
    int64_t records_max;                 /* decisions kept for explain */
    struct sy_option_list gpu_resources; /* char *: beside nvidia.com/gpu */
    struct sy_config_load load;
    struct sy_config_models models;
    struct sy_config_gangs gangs;
    struct sy_option_list queues; /* struct sy_config_queue */
    struct sy_config_failures failures;
};

/* One flag given: the option that it sets, as "server.port". */
struct sy_config_override {
    const char *path;
    const char *text;
    const char *origin; /* "--port" */
};

/* Where a configuration comes from; kept for reloads. All borrowed. */
struct sy_config_source {
    const char *file; /* NULL: none */
    const struct sy_config_override *overrides;
    size_t overrides_len;
};

/* Defaults, then the file, then the overrides.
 *
 * out:    *ret, always to be released with sy_config_done(); complete only on success. All
 *         problems go to *problems (the caller's, zeroed), one line each.
 * errors: -EINVAL when there is a problem. Cost: O(file). Any thread. */
int sy_config_load(const struct sy_config_source *source, struct sy_config *ret,
                   struct sy_problems *problems) SY_NODISCARD;
/* The same from text, for the fuzzer: touches no file. */
int sy_config_parse(const char *text, size_t len, const char *file, struct sy_config *ret,
                    struct sy_problems *problems) SY_NODISCARD;
void sy_config_done(struct sy_config *c);

/* The effective configuration as a file that sy_config_load() takes, with comments. Errors as
 * sy_buf_add(). */
int sy_config_print(const struct sy_config *c, struct sy_buf *out);
/* What files of our own kind may hold, as JSON Schema, and as a table in Markdown; see
 * app/schema_text.h. Errors as sy_buf_add(). */
int sy_config_schema(struct sy_buf *out);
int sy_config_reference(struct sy_buf *out);

/* Paths of what differs and takes effect at the next start only, separated by ", ". */
int sy_config_needs_restart(const struct sy_config *a, const struct sy_config *b,
                            struct sy_buf *out);

/* The profiles in force: one for each of schedulerNames (as `profiles` has it or with the
 * defaults), or else all of `profiles`, or else one named "steelyard", or "default-scheduler" where
 * the file is of kube-scheduler's kind. The defaults are those of sy_profile_kube() there, else of
 * sy_profile_default(). Returns how many, at least 1; 0 when the arena is exhausted. strings: NULL
 * leaves out the arguments that need ids. ret: room for SY_PROFILES_MAX; what it points to is
 * borrowed from c and arena. */
uint32_t sy_config_profiles(const struct sy_config *c, struct sy_strings *strings,
                            struct sy_arena *arena, struct sy_profile *ret);
