/* SPDX-License-Identifier: Apache-2.0 */
#include "app/load_config.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "load/queries.h"

enum { URL_MAX_BYTES = 2000 };

/* ---- checks ---- */

static const char *check_url(const char *text, char *room, size_t room_size)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;

    if (!host || !*host || *host == '/' || *host == ':')
        return "is no URL; give one such as http://prometheus.monitoring:9090";
    for (const char *c = text; *c; c++) {
        if (*c <= ' ' || *c == 0x7f || strchr("?#@\"\\<>^`{|}", *c)) {
            snprintf(room, room_size,
                     "has a '%c'; give scheme, host, port and path alone, and credentials in "
                     "bearerTokenFile",
                     *c < ' ' || *c == 0x7f ? '?' : *c);
            return room;
        }
    }
    return strlen(text) > URL_MAX_BYTES ? "is too long" : NULL;
}

static const char *check_label(const char *text, char *room, size_t room_size)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char ALL[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    if (*text && strchr(LETTERS, *text) && !text[strspn(text, ALL)])
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no name of a label; use letters, digits and '_'", text);
    return room;
}

static const char *check_name(const char *text, char *room, size_t room_size)
{
    static const char ALL[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (*text && strlen(text) <= 63 && !text[strspn(text, ALL)])
        return NULL;
    snprintf(room, room_size,
             "\"%.64s\" is no name here; use up to 63 letters, digits, '-', '.' and '_'", text);
    return room;
}

static const char *const UNITS[] = {
    [SY_LOAD_SHARE] = "share", [SY_LOAD_PERCENT] = "percent", [SY_LOAD_AMOUNT] = "amount", NULL};
static const char *const JOINS[] = {[SY_LOAD_BY_NAME] = "name",
                                    [SY_LOAD_BY_INTERNAL_IP] = "internalIP",
                                    [SY_LOAD_BY_HOSTNAME] = "hostname",
                                    NULL};
static const char *const TYPES[] = {[SY_LOAD_METRICS_API] = "metrics.k8s.io",
                                    [SY_LOAD_PROMETHEUS] = "prometheus",
                                    [SY_LOAD_NODEMETRIC] = "nodemetric",
                                    NULL};

/* -1: none of them. */
static int index_of(const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

static const char *check_unit(const char *text, char *room, size_t room_size)
{
    if (index_of(UNITS, text) >= 0)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is not known; give share, percent or amount", text);
    return room;
}

static const char *check_join(const char *text, char *room, size_t room_size)
{
    if (index_of(JOINS, text) >= 0)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is not known; give name, internalIP or hostname", text);
    return room;
}

static void check_query(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_load_query *q = base;

    if (!q->query && q->timestamp)
        sy_schema_problem(at, "timestamp", "stands without query; give both or neither");
    if (!q->query && q->unit)
        sy_schema_problem(at, "unit", "stands without query, and the default one has its own");
    if (!q->query && q->window_ns)
        sy_schema_problem(at, "window", "stands without query, and the default one has its own");
    if (q->join_by && !q->join_label)
        sy_schema_problem(at, "joinBy", "stands without joinLabel; give both");
}

static bool differs(const struct sy_config_load_query *q)
{
    return !q->is_enabled || q->query || q->timestamp || q->unit || q->window_ns || q->join_label ||
           q->join_by;
}

static void check_source(const void *base, const struct sy_schema_at *at)
{
    static const char ONLY[] = "is for type prometheus alone; remove it";
    const struct sy_config_load_source *s = base;
    char key[48];

    if (s->join_by && !s->join_label)
        sy_schema_problem(at, "joinBy", "stands without joinLabel; give both");
    if (s->type == SY_LOAD_PROMETHEUS) {
        if (!s->url && !sy_yaml_find(at->node, "url"))
            sy_schema_problem(at, "url", "is missing; give the URL of the Prometheus server");
        return;
    }
    if (s->url)
        sy_schema_problem(at, "url", ONLY);
    if (s->token_file)
        sy_schema_problem(at, "bearerTokenFile", ONLY);
    if (s->ca_file)
        sy_schema_problem(at, "caFile", ONLY);
    if (s->join_label)
        sy_schema_problem(at, "joinLabel", ONLY);
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        snprintf(key, sizeof(key), "queries.%s", sy_load_query_name(i));
        if (differs(&s->queries[i]))
            sy_schema_problem(at, key, ONLY);
    }
}

static const char *name_of(const struct sy_config_load_source *s)
{
    return s->name ? s->name : TYPES[s->type];
}

void sy_config_load_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_load *c = base;
    const struct sy_config_load_source *all = c->sources.p;
    char key[32];

    for (size_t i = 1; i < c->sources.len; i++) {
        for (size_t n = 0; n < i; n++) {
            if (strcmp(name_of(&all[i]), name_of(&all[n])) != 0)
                continue;
            snprintf(key, sizeof(key), "sources[%zu]", i);
            sy_schema_problem(at, key, "another source is named %s; give one of them a name",
                              name_of(&all[i]));
            break;
        }
    }
}

/* ---- what there is ---- */

#define SECOND           SY_NS_PER_S
#define IN(field)        .offset = offsetof(struct sy_config_load_query, field)
#define IN_SOURCE(field) .offset = offsetof(struct sy_config_load_source, field)
#define JOIN_HELP        "name, internalIP or hostname; absent: internalIP for instance, else name"

static const struct sy_option QUERY[] = {
    {"enabled", SY_OPTION_BOOL, IN(is_enabled), .initial = "true", .is_terse = true,
     .help = "false: do not ask"},
    {"query", SY_OPTION_TEXT, IN(query), .is_terse = true,
     .help = "PromQL; absent: the default one; $joinLabel stands for the label"},
    {"timestamp", SY_OPTION_TEXT, IN(timestamp), .is_terse = true,
     .help = "PromQL for when it was measured; absent: timestamp(query)"},
    {"unit", SY_OPTION_TEXT, IN(unit), .is_terse = true, .check = check_unit,
     .help = "share, percent or amount (cores, bytes, GPUs, bytes a second); absent: share"},
    {"window", SY_OPTION_DURATION, IN(window_ns), .initial = "0s", .is_terse = true, .least = 0,
     .most = 3600 * SECOND, .help = "what the value is the mean over; 0s: 60s"},
    {"joinLabel", SY_OPTION_TEXT, IN(join_label), .is_terse = true, .check = check_label,
     .help = "absent: the source's"},
    {"joinBy", SY_OPTION_TEXT, IN(join_by), .is_terse = true, .check = check_join,
     .help = JOIN_HELP},
    {0},
};

#define METRIC(key, metric, about)                                                                 \
    {                                                                                              \
        key, SY_OPTION_MAP, .offset = sizeof(struct sy_config_load_query) * (metric),              \
                            .fields = QUERY, .is_terse = true, .check_map = check_query,           \
                            .help = about                                                          \
    }

static const struct sy_option QUERIES[] = {
    METRIC("cpu", SY_LOAD_CPU, "default: node-exporter's"),
    METRIC("memory", SY_LOAD_MEMORY, "default: node-exporter's"),
    METRIC("ephemeralStorage", SY_LOAD_EPHEMERAL, "default: node-exporter's, mountpoint /"),
    METRIC("gpu", SY_LOAD_GPU, "default: dcgm-exporter's"),
    METRIC("gpuMemory", SY_LOAD_GPU_MEMORY, "default: dcgm-exporter's"),
    METRIC("network", SY_LOAD_NETWORK, "default: node-exporter's"),
    METRIC("xid", SY_LOAD_XID, "default: dcgm-exporter's; a hint in /metrics, decides nothing"),
    {0},
};

static const struct sy_option SOURCE[] = {
    {"type", SY_OPTION_CHOICE, IN_SOURCE(type), .is_required = true, .choices = TYPES,
     .help = "metrics.k8s.io, prometheus or nodemetric (Koordinator's)"},
    {"name", SY_OPTION_TEXT, IN_SOURCE(name), .is_terse = true, .check = check_name,
     .help = "for logs and metrics; absent: the type"},
    {"interval", SY_OPTION_DURATION, IN_SOURCE(interval_ns), .initial = "15s", .least = SECOND,
     .most = 3600 * SECOND, .help = "between two questions"},
    {"timeout", SY_OPTION_DURATION, IN_SOURCE(timeout_ns), .initial = "10s", .least = SECOND / 10,
     .most = 300 * SECOND, .help = "for one answer"},
    {"url", SY_OPTION_TEXT, IN_SOURCE(url), .is_terse = true, .check = check_url,
     .help = "of the Prometheus server, without /api/v1"},
    {"bearerTokenFile", SY_OPTION_TEXT, IN_SOURCE(token_file), .is_terse = true,
     .help = "a path; read for each question"},
    {"caFile", SY_OPTION_TEXT, IN_SOURCE(ca_file), .is_terse = true,
     .help = "a path; absent: the system's"},
    {"joinLabel", SY_OPTION_TEXT, IN_SOURCE(join_label), .is_terse = true, .check = check_label,
     .help = "whose value says the node; absent: instance, and Hostname for dcgm-exporter"},
    {"joinBy", SY_OPTION_TEXT, IN_SOURCE(join_by), .is_terse = true, .check = check_join,
     .help = JOIN_HELP},
    {"queries", SY_OPTION_MAP, IN_SOURCE(queries), .fields = QUERIES, .is_terse = true,
     .help = "what is asked; all that have defaults are unless they are switched off"},
    {0},
};

const struct sy_option sy_config_load_options[] = {
    {"sources", SY_OPTION_MAPS, .offset = offsetof(struct sy_config_load, sources),
     .fields = SOURCE, .element_size = sizeof(struct sy_config_load_source),
     .elements_max = SY_LOAD_SOURCES_MAX, .check_map = check_source,
     .help = "each asked on its own; absent: none"},
    {0},
};

/* ---- for pkg/load ---- */

static enum sy_load_join_by join_of(const char *label, const char *by)
{
    int i = by ? index_of(JOINS, by) : -1;

    if (i >= 0)
        return (enum sy_load_join_by)i;
    return label && strcmp(label, "instance") == 0 ? SY_LOAD_BY_INTERNAL_IP : SY_LOAD_BY_NAME;
}

static struct sy_load_query to_query(const struct sy_config_load_query *q)
{
    int unit = q->unit ? index_of(UNITS, q->unit) : SY_LOAD_SHARE;

    return (struct sy_load_query){
        .is_off = !q->is_enabled,
        .promql = q->query,
        .time_promql = q->timestamp,
        .unit = unit < 0 ? SY_LOAD_SHARE : (enum sy_load_unit)unit,
        .window_ns = q->window_ns,
        .join_label = q->join_label,
        .join_by = join_of(q->join_label, q->join_by),
    };
}

uint32_t sy_config_load_sources(const struct sy_config_load *c, struct sy_load_source *ret)
{
    const struct sy_config_load_source *all = c->sources.p;
    uint32_t len = 0;

    for (; len < c->sources.len && len < SY_LOAD_SOURCES_MAX; len++) {
        const struct sy_config_load_source *s = &all[len];
        ret[len] = (struct sy_load_source){
            .name = name_of(s),
            .type = (enum sy_load_type)s->type,
            .interval_ns = s->interval_ns,
            .timeout_ns = s->timeout_ns,
            .url = s->url,
            .bearer_token_file = s->token_file,
            .ca_file = s->ca_file,
            .join_label = s->join_label,
            .join_by = join_of(s->join_label, s->join_by),
        };
        for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++)
            ret[len].queries[i] = to_query(&s->queries[i]);
    }
    return len;
}
