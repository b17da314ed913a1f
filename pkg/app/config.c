/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/schema_text.h"
#include "base/clock.h"
#include "base/log.h"

/* ---- checks of single texts ---- */

static const char *check_equal(const char *text, const char *want, char *room, size_t room_size)
{
    if (strcmp(text, want) == 0)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is not known; write %s", text, want);
    return room;
}

static const char *check_api_version(const char *text, char *room, size_t room_size)
{
    return check_equal(text, SY_CONFIG_API_VERSION, room, room_size);
}

static const char *check_kind(const char *text, char *room, size_t room_size)
{
    return check_equal(text, SY_CONFIG_KIND, room, room_size);
}

static const char *check_kube_version(const char *text, char *room, size_t room_size)
{
    return check_equal(text, SY_KUBE_API_VERSION, room, room_size);
}

static const char *check_kube_kind(const char *text, char *room, size_t room_size)
{
    return check_equal(text, SY_CONFIG_KUBE_KIND, room, room_size);
}

static const char *check_scheduler_name(const char *text, char *room, size_t room_size)
{
    size_t len = strlen(text);

    if (!len)
        return "is empty; give the name that pods have in spec.schedulerName";
    /* Events carry it as reportingController, which may be no longer. */
    if (len > 128)
        return "is longer than 128 bytes; give a shorter name";
    for (size_t i = 0; i < len; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/",
                    text[i])) {
            snprintf(room, room_size,
                     "\"%.64s\" is no scheduler name; use letters, digits, '-', '.', '_', '/'",
                     text);
            return room;
        }
    }
    return NULL;
}

static const char *check_address(const char *text, char *room, size_t room_size)
{
    struct in6_addr any;

    if (inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no IP address; give one such as 127.0.0.1 or 0.0.0.0",
             text);
    return room;
}

static const char *check_gpu_resource(const char *text, char *room, size_t room_size)
{
    struct sy_str name = sy_str_from(text);

    if (!sy_resource_is_extended(name)) {
        snprintf(room, room_size,
                 "\"%.64s\" is no extended resource; give a name such as amd.com/gpu", text);
        return room;
    }
    /* These are parts of GPUs, and read as such. */
    if (sy_str_starts(name, SY_STR("koordinator.sh/")) ||
        (sy_str_starts(name, SY_STR("nvidia.com/")) && !sy_str_eqz(name, "nvidia.com/gpu"))) {
        snprintf(room, room_size,
                 "a unit of \"%.64s\" is not a whole GPU, and is taken for what it is; remove it",
                 text);
        return room;
    }
    return NULL;
}

static size_t append(char *room, size_t room_size, size_t len, const char *text)
{
    if (len >= room_size)
        return len;
    int n = snprintf(room + len, room_size - len, "%s", text);
    return len + (n > 0 ? (size_t)n : 0);
}

static const char *check_filter(const char *text, char *room, size_t room_size)
{
    const struct sy_filter *f;

    if (sy_filter_find(text))
        return NULL;
    size_t len = (size_t)snprintf(room, room_size, "there is no filter \"%.64s\"; there are", text);
    for (uint32_t i = 0; (f = sy_filter_at(i)); i++) {
        len = append(room, room_size, len, i ? ", " : " ");
        len = append(room, room_size, len, f->name);
    }
    return room;
}

static const char *check_scorer(const char *text, char *room, size_t room_size)
{
    const struct sy_scorer *s;

    if (sy_scorer_find(text))
        return NULL;
    size_t len = (size_t)snprintf(room, room_size, "there is no scorer \"%.64s\"; there are", text);
    for (uint32_t i = 0; (s = sy_scorer_at(i)); i++) {
        len = append(room, room_size, len, i ? ", " : " ");
        len = append(room, room_size, len, s->name);
    }
    return room;
}

/* ---- checks of maps ---- */

static bool has_plugins(const struct sy_config_plugins *plugins)
{
    for (size_t i = 0; i < SY_POINTS; i++) {
        if (plugins->points[i].enabled.len || plugins->points[i].disabled.len)
            return true;
    }
    return false;
}

static void check_plugins(const struct sy_config_profile *p, const struct sy_schema_at *at,
                          bool is_kube)
{
    char path[128];
    struct sy_profile ignored;
    struct sy_schema_at plugins = {
        .doc = at->doc,
        .node = sy_yaml_find(at->node, "plugins"),
        .path = path,
        .problems = at->problems,
    };

    if (!plugins.node)
        return;
    snprintf(path, sizeof(path), "%s.plugins", at->path);
    sy_plugins_apply(&p->plugins, is_kube, p->scheduler_name ? p->scheduler_name : "", &plugins,
                     &ignored);
}

static void check_profile(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_profile *p = base;

    if (has_plugins(&p->plugins) && (p->filters.is_set || p->scorers.is_set))
        sy_schema_problem(at, "plugins",
                          "stands beside filters or scorers; say it in one of the two ways");
    if (has_plugins(&p->plugins) && p->preset != SY_PRESET_DEFAULT)
        sy_schema_problem(at, "plugins", "stands beside a preset; give filters or scorers");
    check_plugins(p, at, false);
}

static void check_kube_profile(const void *base, const struct sy_schema_at *at)
{
    check_plugins(base, at, true);
}

/* ---- what there is ---- */

static const char *const LEVELS[] = {
    [SY_LOG_DEBUG] = "debug",
    [SY_LOG_INFO] = "info",
    [SY_LOG_WARN] = "warn",
    [SY_LOG_ERROR] = "error",
    NULL,
};
static const char *const FORMATS[] = {"text", "json", NULL};

#define AT(field)    .offset = offsetof(struct sy_config, field)
#define IN(s, field) .offset = offsetof(struct s, field)
#define MS           ((int64_t)1000000)
#define HOUR         ((int64_t)3600 * 1000000000)

static const struct sy_option SCORER[] = {
    {"name", SY_OPTION_TEXT, IN(sy_config_scorer, name), .is_required = true, .check = check_scorer,
     .help = "the scorer"},
    {"weight", SY_OPTION_INT, IN(sy_config_scorer, weight), .initial = "1", .least = 1,
     .most = 10000, .help = "how much it counts against the others"},
    {0},
};

#define PLUGINS                                                                                    \
    {"plugins",                                                                                    \
     SY_OPTION_MAP,                                                                                \
     IN(sy_config_profile, plugins),                                                               \
     .is_terse = true,                                                                             \
     .fields = sy_plugins_options,                                                                 \
     .help = "what is enabled and disabled beside the defaults, as kube-scheduler has it"},        \
    {                                                                                              \
        "pluginConfig", SY_OPTION_MAPS, IN(sy_config_profile, plugin_config),                      \
            .is_terse = true, .fields = sy_args_options,                                           \
            .element_size = sizeof(struct sy_config_args), .elements_max = SY_ARGS_MAX,            \
            .unique_key = "name", .help = "arguments of plugins, as kube-scheduler has them"       \
    }

static const char PERCENTAGE_NOTE[] = "all nodes that can take a pod are scored";

static const char *const PRESETS[] = {"default", "gpu", NULL};

static const struct sy_option PROFILE[] = {
    {"schedulerName", SY_OPTION_TEXT, IN(sy_config_profile, scheduler_name), .is_required = true,
     .check = check_scheduler_name, .help = "pods with this spec.schedulerName are ours"},
    {"preset", SY_OPTION_CHOICE, IN(sy_config_profile, preset), .is_terse = true,
     .initial = "default", .choices = PRESETS,
     .help = "default, or gpu: scorers that keep GPUs usable (docs/gpu.md)"},
    {"filters", SY_OPTION_TEXTS, IN(sy_config_profile, filters), .is_terse = true,
     .elements_max = SY_FILTERS_MAX, .check = check_filter,
     .help = "filters in order; absent: as plugins says"},
    {"scorers", SY_OPTION_MAPS, IN(sy_config_profile, scorers), .is_terse = true, .fields = SCORER,
     .element_size = sizeof(struct sy_config_scorer), .elements_max = SY_SCORERS_MAX,
     .unique_key = "name", .help = "scorers with weights; absent: as plugins says"},
    PLUGINS,
    {0},
};

static const struct sy_option KUBE_PROFILE[] = {
    {"schedulerName", SY_OPTION_TEXT, IN(sy_config_profile, scheduler_name),
     .check = check_scheduler_name,
     .help = "pods with this spec.schedulerName are ours; a single one: default-scheduler"},
    {"percentageOfNodesToScore", SY_OPTION_INT, IN(sy_config_profile, percentage_of_nodes),
     .is_terse = true, .initial = "0", .least = 0, .most = 100,
     .range = "not in valid range [0-100]", .no_effect = PERCENTAGE_NOTE, .help = "accepted"},
    PLUGINS,
    {0},
};

static const struct sy_option CLIENT[] = {
    {"kubeconfig", SY_OPTION_TEXT, AT(kubeconfig),
     .help = "path; absent: $KUBECONFIG, the pod's service account or ~/.kube/config"},
    {"context", SY_OPTION_TEXT, AT(context), .help = "absent: the kubeconfig's current context"},
    {"qps", SY_OPTION_REAL, AT(qps), .initial = "0", .least = 0, .most = 1000000,
     .help = "requests a second that we allow ourselves; 0: no limit, the server has its own"},
    {"burst", SY_OPTION_INT, AT(burst), .initial = "0", .least = 0, .most = 1000000,
     .help = "how far qps may be exceeded for a moment; 0: twice qps"},
    {"acceptJSONOnly", SY_OPTION_BOOL, AT(json_only), .initial = "false",
     .help = "do not use protobuf"},
    {0},
};

static void check_tls(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config *c = base;

    if (!c->tls_cert_file != !c->tls_key_file)
        sy_schema_problem(at, c->tls_cert_file ? "certFile" : "keyFile",
                          "certFile and keyFile go together: give both or neither");
}

static const struct sy_option TLS[] = {
    {"enabled", SY_OPTION_BOOL, AT(tls), .initial = "true",
     .help = "answer https on the same port beside http; only over it, or from this machine, are "
             "tokens taken"},
    {"certFile", SY_OPTION_TEXT, AT(tls_cert_file),
     .help = "PEM, read again when it changes; absent: a self-signed one is made in memory"},
    {"keyFile", SY_OPTION_TEXT, AT(tls_key_file), .help = "its key, PEM without a passphrase"},
    {0},
};

static const struct sy_option SERVER[] = {
    {"bindAddress", SY_OPTION_TEXT, AT(bind_address), .initial = "127.0.0.1",
     .check = check_address, .help = "of /livez, /readyz, /healthz and /metrics"},
    {"port", SY_OPTION_PORT, AT(port), .initial = SY_DEFAULT_PORT_TEXT, .least = 0, .most = 65535,
     .help = "0: any free one, which is logged; off: none"},
    {"tls", SY_OPTION_MAP, .fields = TLS, .check_map = check_tls, .help = "of the same port"},
    {0},
};

static const struct sy_option LOGGING[] = {
    {"level", SY_OPTION_CHOICE, AT(log_level), .is_live = true, .initial = "info",
     .choices = LEVELS, .help = "debug, info, warn or error"},
    {"format", SY_OPTION_CHOICE, AT(log_json), .is_live = true, .initial = "text",
     .choices = FORMATS, .help = "text or json"},
    {0},
};

#define AGEING                                                                                     \
    {                                                                                              \
        "ageing", SY_OPTION_MAP, AT(models), .fields = sy_config_ageing_options,                   \
                                             .help = "so that low priority never starves"          \
    }

static const struct sy_option QUEUE[] = {
    {"backoffInitial", SY_OPTION_DURATION, AT(backoff_initial_ns), .is_live = true, .initial = "1s",
     .least = MS, .most = HOUR,
     .help = "wait after the first failed bind of a pod, doubled with each further one"},
    {"backoffMax", SY_OPTION_DURATION, AT(backoff_max_ns), .is_live = true, .initial = "10s",
     .least = MS, .most = HOUR, .help = "longest such wait"},
    {"sweepInterval", SY_OPTION_DURATION, AT(sweep_ns), .is_live = true, .initial = "30s",
     .least = 100 * MS, .most = HOUR,
     .help = "an unschedulable pod is looked at again after this, whatever happens"},
    AGEING,
    {0},
};

static const struct sy_option BINDING[] = {
    {"maxInFlight", SY_OPTION_INT, AT(binds_in_flight_max), .is_live = true, .initial = "128",
     .least = 1, .most = 10000, .help = "binds sent and not answered"},
    {"timeout", SY_OPTION_DURATION, AT(bind_timeout_ns), .initial = "10s", .least = 1000 * MS,
     .most = HOUR / 6, .help = "for one bind"},
    {0},
};

static const struct sy_option EVENTS[] = {
    {"enabled", SY_OPTION_BOOL, AT(events), .is_live = true, .initial = "true",
     .help = "write Scheduled and FailedScheduling events"},
    {"maxQueued", SY_OPTION_INT, AT(events_max_queued), .initial = "20000", .least = 1,
     .most = 1000000, .help = "further ones are dropped and counted"},
    {0},
};

#define LOAD                                                                                       \
    {                                                                                              \
        "load", SY_OPTION_MAP, AT(load), .fields = sy_config_load_options,                         \
                                         .check_map = sy_config_load_check,                        \
                                         .help = "what is measured on the nodes"                   \
    }

static const struct sy_option GPUS[] = {
    {"resources", SY_OPTION_TEXTS, AT(gpu_resources), .is_terse = true,
     .elements_max = SY_GPU_RESOURCES_MAX - 1, .check = check_gpu_resource,
     .help = "beside nvidia.com/gpu, extended resources of which a unit is a whole GPU"},
    {0},
};
#define GPUS_MAP                                                                                   \
    {                                                                                              \
        "gpus", SY_OPTION_MAP, .fields = GPUS,                                                     \
                               .help = "what the ledger of GPUs keeps; docs/gpu.md"                \
    }

#define FAILURES                                                                                   \
    {                                                                                              \
        "failures", SY_OPTION_MAP, AT(failures), .fields = sy_config_failures_options,             \
                                                 .check_map = sy_config_failures_check,            \
                                                 .help = "nodes that fail; docs/failures.md"       \
    }

static const struct sy_option EXPLAIN[] = {
    {"records", SY_OPTION_INT, AT(records_max), .is_live = true, .initial = "20000", .least = 0,
     .most = 1000000, .help = "decisions kept, the newest, some 400 bytes each; 0: none"},
    {0},
};
#define GANGS                                                                                      \
    {                                                                                              \
        "gangs", SY_OPTION_MAP, AT(gangs), .fields = sy_config_gangs_options,                      \
                                           .check_map = sy_config_gangs_check,                     \
                                           .help = "pods that go together or not at all"           \
    }

#define MODELS                                                                                     \
    {"models", SY_OPTION_MAP, AT(models), .fields = sy_config_models_options,                      \
     .help = "how nodes are weighed; docs/models.md"},                                             \
        {"pools",                                                                                  \
         SY_OPTION_MAPS,                                                                           \
         AT(models.pools),                                                                         \
         .is_live = true,                                                                          \
         .is_terse = true,                                                                         \
         .fields = sy_config_pool_options,                                                         \
         .element_size = sizeof(struct sy_config_pool),                                            \
         .elements_max = SY_POOLS_MAX,                                                             \
         .unique_key = "name",                                                                     \
         .check_map = sy_config_pool_check,                                                        \
         .help = "groups of nodes; all others are in the pool default"},                           \
        {"queues",                                                                                 \
         SY_OPTION_MAPS,                                                                           \
         AT(queues),                                                                               \
         .is_live = true,                                                                          \
         .is_terse = true,                                                                         \
         .fields = sy_config_queue_options,                                                        \
         .element_size = sizeof(struct sy_config_queue),                                           \
         .elements_max = SY_QUEUES_MAX,                                                            \
         .unique_key = "name",                                                                     \
         .check_map = sy_config_queue_check,                                                       \
         .help = "that share the cluster; docs/queues.md"},                                        \
    {                                                                                              \
        "gate", SY_OPTION_MAP, AT(models), .fields = sy_config_gate_options,                       \
                                           .check_map = sy_config_gate_check,                      \
                                           .help = "the load gate of the nodes in no other pool"   \
    }

static const struct sy_option CONFIG[] = {
    {"apiVersion", SY_OPTION_TEXT, AT(api_version), .is_live = true, .is_required = true,
     .initial = SY_CONFIG_API_VERSION, .check = check_api_version},
    {"kind", SY_OPTION_TEXT, AT(kind), .is_live = true, .is_required = true,
     .initial = SY_CONFIG_KIND, .check = check_kind},
    {"schedulerNames", SY_OPTION_TEXTS, AT(scheduler_names), .is_live = true,
     .elements_max = SY_PROFILES_MAX, .check = check_scheduler_name,
     .help = "pods with these in spec.schedulerName are ours; absent: steelyard"},
    {"profiles", SY_OPTION_MAPS, AT(profiles), .is_live = true, .fields = PROFILE,
     .element_size = sizeof(struct sy_config_profile), .elements_max = SY_PROFILES_MAX,
     .unique_key = "schedulerName", .check_map = check_profile,
     .help = "instead of schedulerNames: names with their policies"},
    {"leaderElection", SY_OPTION_MAP, AT(leader), .fields = sy_config_leader_options,
     .check_map = sy_config_leader_check, .help = "one replica of several works; docs/failures.md"},
    {"clientConnection", SY_OPTION_MAP, .fields = CLIENT, .help = "to the API server"},
    {"server", SY_OPTION_MAP, .fields = SERVER, .help = "health, metrics, explain"},
    {"logging", SY_OPTION_MAP, .fields = LOGGING, .help = "log lines, to standard error"},
    {"queue", SY_OPTION_MAP, .fields = QUEUE, .help = "pods that wait"},
    {"binding", SY_OPTION_MAP, .fields = BINDING, .help = "binds"},
    {"events", SY_OPTION_MAP, .fields = EVENTS, .help = "events about pods"},
    {"explain", SY_OPTION_MAP, .fields = EXPLAIN, .help = "why pods wait or went where they are"},
    LOAD,
    GPUS_MAP,
    GANGS,
    FAILURES,
    MODELS,
    {0},
};

/* ---- kube-scheduler's kind: what it has, and ours under one key ---- */

static const struct sy_option KUBE_CLIENT[] = {
    {"kubeconfig", SY_OPTION_TEXT, AT(kubeconfig),
     .help = "path; absent: $KUBECONFIG, the pod's service account or ~/.kube/config"},
    {"acceptContentTypes", SY_OPTION_TEXT, AT(accepted.accept_types), .is_terse = true,
     .help = "application/json alone turns protobuf off"},
    {"contentType", SY_OPTION_TEXT, AT(accepted.content_type), .is_terse = true,
     .no_effect = "requests have bodies of JSON", .help = "accepted"},
    {"qps", SY_OPTION_REAL, AT(qps), .initial = "0", .least = -1000000, .most = 1000000,
     .help = "requests a second that we allow ourselves; 0 or less: no limit, and not 50"},
    {"burst", SY_OPTION_INT, AT(burst), .initial = "0", .least = 0, .most = 1000000,
     .range = "must be non-negative",
     .help = "how far qps may be exceeded for a moment; 0: twice qps"},
    {0},
};

/* The backoffs have keys of their own there. */
static const struct sy_option KUBE_QUEUE[] = {
    {"sweepInterval", SY_OPTION_DURATION, AT(sweep_ns), .is_live = true, .initial = "30s",
     .least = 100 * MS, .most = HOUR,
     .help = "an unschedulable pod is looked at again after this, whatever happens"},
    AGEING,
    {0},
};

static const struct sy_option KUBE_OURS[] = {
    {"server", SY_OPTION_MAP, .fields = SERVER, .help = "health, metrics, explain"},
    {"logging", SY_OPTION_MAP, .fields = LOGGING, .help = "log lines, to standard error"},
    {"queue", SY_OPTION_MAP, .fields = KUBE_QUEUE, .help = "pods that wait"},
    {"binding", SY_OPTION_MAP, .fields = BINDING, .help = "binds"},
    {"events", SY_OPTION_MAP, .fields = EVENTS, .help = "events about pods"},
    {"explain", SY_OPTION_MAP, .fields = EXPLAIN, .help = "why pods wait or went where they are"},
    LOAD,
    GPUS_MAP,
    GANGS,
    FAILURES,
    MODELS,
    {0},
};

static const struct sy_option KUBE[] = {
    {"apiVersion", SY_OPTION_TEXT, AT(api_version), .is_live = true, .is_required = true,
     .initial = SY_KUBE_API_VERSION, .check = check_kube_version},
    {"kind", SY_OPTION_TEXT, AT(kind), .is_live = true, .is_required = true,
     .initial = SY_CONFIG_KUBE_KIND, .check = check_kube_kind},
    {"parallelism", SY_OPTION_INT, AT(accepted.parallelism), .is_live = true, .is_terse = true,
     .initial = "16", .least = 1, .most = INT32_MAX,
     .range = "should be an integer value greater than zero", .no_effect = "one thread decides",
     .help = "accepted"},
    {"leaderElection", SY_OPTION_MAP, AT(leader), .fields = sy_config_kube_leader_options,
     .check_map = sy_config_leader_check, .help = "one replica of several works; docs/failures.md"},
    {"clientConnection", SY_OPTION_MAP, .fields = KUBE_CLIENT, .help = "to the API server"},
    {"enableProfiling", SY_OPTION_BOOL, AT(accepted.profiling), .is_live = true, .is_terse = true,
     .initial = "true", .no_effect = "there is no profiler inside", .help = "accepted"},
    {"enableContentionProfiling", SY_OPTION_BOOL, AT(accepted.contention_profiling),
     .is_live = true, .is_terse = true, .initial = "true",
     .no_effect = "there is no profiler inside", .help = "accepted"},
    {"percentageOfNodesToScore", SY_OPTION_INT, AT(accepted.percentage_of_nodes), .is_live = true,
     .is_terse = true, .initial = "0", .least = 0, .most = 100,
     .range = "not in valid range [0-100]", .no_effect = PERCENTAGE_NOTE, .help = "accepted"},
    {"podInitialBackoffSeconds", SY_OPTION_SECONDS, AT(backoff_initial_ns), .is_live = true,
     .initial = "1", .least = 1, .most = 1000000, .range = "must be greater than 0",
     .help = "wait after the first failed bind of a pod, doubled with each further one"},
    {"podMaxBackoffSeconds", SY_OPTION_SECONDS, AT(backoff_max_ns), .is_live = true,
     .initial = "10", .least = 0, .most = 1000000,
     .range = "must be greater than or equal to PodInitialBackoffSeconds",
     .help = "longest such wait"},
    {"profiles", SY_OPTION_MAPS, AT(profiles), .is_live = true, .fields = KUBE_PROFILE,
     .element_size = sizeof(struct sy_config_profile), .elements_max = SY_PROFILES_MAX,
     .unique_key = "schedulerName", .check_map = check_kube_profile,
     .help = "scheduler names with their policies; absent: default-scheduler"},
    {"extenders", SY_OPTION_REFUSED,
     .help = "extenders are not supported; remove them, or keep kube-scheduler for the pods that "
             "need them"},
    {"delayCacheUntilActive", SY_OPTION_BOOL, AT(accepted.delay_cache), .is_live = true,
     .is_terse = true, .initial = "false", .no_effect = "a standby keeps its state warm",
     .help = "accepted"},
    {"steelyard", SY_OPTION_MAP, .fields = KUBE_OURS,
     .help = "what kube-scheduler has no key for, as in our own kind"},
    {0},
};

/* ---- the whole ---- */

static void refuse_empty(const struct sy_yaml_doc *doc, const char *key,
                         struct sy_problems *problems)
{
    const struct sy_yaml *node = sy_yaml_find(sy_yaml_root(doc), key);

    if (node && node->kind == SY_YAML_LIST && !node->len)
        sy_problems_add(problems, "%s:%u: %s: is empty; name one or remove the key",
                        sy_yaml_file(doc), node->key_line, key);
}

static void read_ours(const struct sy_schema_at *at, struct sy_config *c)
{
    sy_schema_read(CONFIG, c, at->doc, at->node, at->problems);
    refuse_empty(at->doc, "schedulerNames", at->problems);
    refuse_empty(at->doc, "profiles", at->problems);
    sy_config_queues_check(&c->queues, at);
    if (sy_yaml_find(at->node, "profiles") && sy_yaml_find(at->node, "schedulerNames"))
        sy_schema_problem(at, "profiles",
                          "stands beside schedulerNames; remove schedulerNames, the profiles have "
                          "names");
    if (c->backoff_max_ns < c->backoff_initial_ns)
        sy_schema_problem(at, "queue.backoffMax",
                          "is shorter than queue.backoffInitial; raise one of them");
}

static bool is_json_alone(const char *types)
{
    return types && strstr(types, "json") && !strstr(types, "protobuf");
}

static void read_kube(const struct sy_schema_at *at, struct sy_config *c)
{
    char key[48];

    c->is_kube = true;
    sy_schema_defaults(KUBE, c);
    sy_schema_read(KUBE, c, at->doc, at->node, at->problems);
    if (c->backoff_max_ns < c->backoff_initial_ns)
        sy_schema_problem(at, "podMaxBackoffSeconds",
                          "Invalid value: %lld: must be greater than or equal to "
                          "PodInitialBackoffSeconds",
                          (long long)(c->backoff_max_ns / SY_NS_PER_S));
    for (size_t i = 0; c->profiles.len > 1 && i < c->profiles.len; i++) {
        if (((struct sy_config_profile *)c->profiles.p)[i].scheduler_name)
            continue;
        snprintf(key, sizeof(key), "profiles[%zu].schedulerName", i);
        sy_schema_problem(at, key, "Required value: each of several profiles needs a name");
    }
    struct sy_schema_at ours = {
        .doc = at->doc,
        .node = sy_yaml_find(at->node, "steelyard"),
        .path = "steelyard",
        .problems = at->problems,
    };
    if (ours.node)
        sy_config_queues_check(&c->queues, &ours);
    c->json_only = is_json_alone(c->accepted.accept_types);
    if (c->qps < 0)
        c->qps = 0;
}

/* Which kind a file means to be, so that its own problems are told. */
static bool is_kube(const struct sy_yaml *root)
{
    static const char GROUP[] = "kubescheduler.config.k8s.io/";
    const struct sy_yaml *kind = sy_yaml_find(root, "kind");
    const struct sy_yaml *version = sy_yaml_find(root, "apiVersion");

    if (version && version->kind == SY_YAML_SCALAR && version->text.len >= sizeof(GROUP) - 1 &&
        memcmp(version->text.p, GROUP, sizeof(GROUP) - 1) == 0)
        return true;
    return kind && kind->kind == SY_YAML_SCALAR && sy_str_eqz(kind->text, SY_CONFIG_KUBE_KIND);
}

static void read_doc(const struct sy_yaml_doc *doc, struct sy_config *c,
                     struct sy_problems *problems)
{
    struct sy_schema_at at = {
        .doc = doc, .node = sy_yaml_root(doc), .path = "", .problems = problems};

    if (is_kube(at.node))
        read_kube(&at, c);
    else
        read_ours(&at, c);
}

static void start(struct sy_config *c)
{
    *c = (struct sy_config){0};
    sy_schema_defaults(CONFIG, c);
}

int sy_config_parse(const char *text, size_t len, const char *file, struct sy_config *ret,
                    struct sy_problems *problems)
{
    struct sy_yaml_doc *doc SY_CLEANUP(sy_yaml_freep) = NULL;
    struct sy_err err = {0};

    start(ret);
    int r = sy_yaml_parse(text, len, file, &doc, &err);
    if (r) {
        sy_problems_add(problems, "%s", sy_err_text(&err, r));
        return r;
    }
    read_doc(doc, ret, problems);
    return problems->lines.len ? -EINVAL : 0;
}

int sy_config_load(const struct sy_config_source *source, struct sy_config *ret,
                   struct sy_problems *problems)
{
    struct sy_yaml_doc *doc SY_CLEANUP(sy_yaml_freep) = NULL;
    struct sy_err err = {0};
    bool names_given = false;

    start(ret);
    if (source->file) {
        int r = sy_yaml_load(source->file, &doc, &err);
        if (r)
            sy_problems_add(problems, "%s", sy_err_text(&err, r));
        else
            read_doc(doc, ret, problems);
    }
    for (size_t i = 0; i < source->overrides_len; i++) {
        const struct sy_config_override *o = &source->overrides[i];
        if (strcmp(o->path, "schedulerNames") == 0 && !names_given) {
            names_given = true;
            for (size_t n = 0; n < ret->scheduler_names.len; n++)
                free(((char **)ret->scheduler_names.p)[n]);
            ret->scheduler_names.len = 0;
        }
        sy_schema_set(CONFIG, ret, o->path, o->text, o->origin, problems);
    }
    return problems->lines.len ? -EINVAL : 0;
}

void sy_config_done(struct sy_config *c)
{
    sy_schema_done(CONFIG, c);
    sy_schema_done(KUBE, c);
}

int sy_config_print(const struct sy_config *c, struct sy_buf *out)
{
    return sy_schema_print(c->is_kube ? KUBE : CONFIG, c, out);
}

int sy_config_schema(struct sy_buf *out)
{
    return sy_schema_json(CONFIG, SY_CONFIG_KIND " " SY_CONFIG_API_VERSION, out);
}

int sy_config_reference(struct sy_buf *out)
{
    return sy_schema_markdown(CONFIG, out);
}

int sy_config_needs_restart(const struct sy_config *a, const struct sy_config *b,
                            struct sy_buf *out)
{
    return sy_schema_changed_not_live(b->is_kube ? KUBE : CONFIG, a, b, out);
}

/* ---- profiles ---- */

/* from: NULL for a name that `profiles` does not have. */
static int fill_profile(const struct sy_config *c, const struct sy_config_profile *from,
                        const char *name, struct sy_strings *strings, struct sy_arena *arena,
                        struct sy_profile *ret)
{
    if (c->is_kube)
        sy_profile_kube(ret, name);
    else if (from && from->preset == SY_PRESET_GPU)
        sy_profile_gpu(ret, name);
    else
        sy_profile_default(ret, name);
    if (!from)
        return 0;
    if (has_plugins(&from->plugins))
        sy_plugins_apply(&from->plugins, c->is_kube, name, NULL, ret);
    if (from->filters.is_set) {
        ret->filters_len = 0;
        for (size_t i = 0; i < from->filters.len && i < SY_FILTERS_MAX; i++)
            ret->filters[ret->filters_len++] = sy_filter_find(((char **)from->filters.p)[i]);
    }
    if (from->scorers.is_set) {
        const struct sy_config_scorer *scorers = from->scorers.p;
        ret->scorers_len = 0;
        for (size_t i = 0; i < from->scorers.len && i < SY_SCORERS_MAX; i++)
            ret->scorers[ret->scorers_len++] = (struct sy_weighted_scorer){
                sy_scorer_find(scorers[i].name), (int32_t)scorers[i].weight};
    }
    return sy_args_apply(&from->plugin_config, strings, arena, &ret->args);
}

uint32_t sy_config_profiles(const struct sy_config *c, struct sy_strings *strings,
                            struct sy_arena *arena, struct sy_profile *ret)
{
    const struct sy_config_profile *profiles = c->profiles.p;
    const char *initial = c->is_kube ? SY_KUBE_SCHEDULER : SY_DEFAULT_SCHEDULER;
    char *const *names = c->scheduler_names.p;
    uint32_t len = 0;
    int r = 0;

    for (size_t i = 0; i < c->scheduler_names.len && len < SY_PROFILES_MAX && !r; i++) {
        const struct sy_config_profile *from = NULL;
        for (size_t n = 0; n < c->profiles.len; n++) {
            const char *name = profiles[n].scheduler_name;
            if (strcmp(name ? name : initial, names[i]) == 0)
                from = &profiles[n];
        }
        r = fill_profile(c, from, names[i], strings, arena, &ret[len++]);
    }
    for (size_t i = 0; !c->scheduler_names.len && i < c->profiles.len && !r; i++) {
        const char *name = profiles[i].scheduler_name;
        r = fill_profile(c, &profiles[i], name ? name : initial, strings, arena, &ret[len++]);
    }
    if (!len)
        r = fill_profile(c, NULL, initial, strings, arena, &ret[len++]);
    return r ? 0 : len;
}
