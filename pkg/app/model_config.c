/* SPDX-License-Identifier: Apache-2.0 */
#include "app/model_config.h"

#include <stdio.h>
#include <string.h>

#include "app/plugin_args.h"
#include "base/clock.h"

static const double HYSTERESIS = 0.05;

static const char *check_label_key(const char *text, char *room, size_t room_size)
{
    if (sy_label_key_valid(sy_str_from(text)))
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no key of a label", text);
    return room;
}

static const char *check_label_value(const char *text, char *room, size_t room_size)
{
    if (sy_label_value_valid(sy_str_from(text)))
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no value of a label", text);
    return room;
}

static const char *check_pool_name(const char *text, char *room, size_t room_size)
{
    static const char ALL[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (strcmp(text, "default") == 0)
        return "is the name of the pool of all other nodes; give another";
    if (*text && strlen(text) <= 63 && !text[strspn(text, ALL)])
        return NULL;
    snprintf(room, room_size,
             "\"%.64s\" is no name here; use up to 63 letters, digits, '-', '.' and '_'", text);
    return room;
}

static const char *check_class(const char *text, char *room SY_UNUSED, size_t room_size SY_UNUSED)
{
    return *text ? NULL : "is empty; give the name of a PriorityClass";
}

/* ---- the tables ---- */

#define METRIC_HELP "cpu, memory, ephemeral-storage, gpu, gpu-memory or network"

#define IN(s, field) .offset = offsetof(struct s, field)
#define AT(field)    IN(sy_config_models, field)
#define DAY_NS       (86400 * SY_NS_PER_S)

const struct sy_option sy_config_models_options[] = {
    {"balanceFraction", SY_OPTION_REAL, AT(balance_fraction), .is_live = true, .initial = "0.5",
     .least = 0, .most = 1,
     .help = "share of the whole above which a pool counts as overloaded, below as underloaded"},
    {"startHalfLife", SY_OPTION_DURATION, AT(start_half_life_ns), .is_live = true, .initial = "10m",
     .least = SY_NS_PER_S, .most = 365 * DAY_NS,
     .help = "of the moving averages of the time from bind to running"},
    {"failureHalfLife", SY_OPTION_DURATION, AT(failure_half_life_ns), .is_live = true,
     .initial = "24h", .least = 60 * SY_NS_PER_S, .most = 365 * DAY_NS,
     .help = "in which a node's failures count half"},
    {"nodeMetrics", SY_OPTION_BOOL, AT(node_metrics), .is_live = true, .initial = "false",
     .help = "write steelyard_node_weight, five lines for each node, to /metrics"},
    {0},
};

const struct sy_option sy_config_ageing_options[] = {
    {"pointsPerMinute", SY_OPTION_REAL, AT(ageing_points_per_minute), .is_live = true,
     .initial = "0", .least = 0, .most = 1000000000,
     .help = "priority that a pod gains in the queue for each minute that it waits; 0: none"},
    {"mostPoints", SY_OPTION_REAL, AT(ageing_most), .is_live = true, .initial = "0", .least = 0,
     .most = 2000000000, .help = "gained at most; 0: no limit"},
    {0},
};

static const struct sy_option GATE_RESOURCE[] = {
    {"name", SY_OPTION_CHOICE, IN(sy_config_gate_resource, metric), .is_required = true,
     .choices = sy_load_metric_names, .help = METRIC_HELP},
    {"closeAbove", SY_OPTION_REAL, IN(sy_config_gate_resource, close_above), .initial = "0",
     .least = 0, .most = 1, .help = "0: as for the gate"},
    {"openBelow", SY_OPTION_REAL, IN(sy_config_gate_resource, open_below), .initial = "0",
     .least = 0, .most = 1, .help = "0: 0.05 less than closeAbove"},
    {0},
};

/* offset_of: how a field of struct sy_config_gate is reached. */
#define GATE_KEYS(offset_of)                                                                       \
    {"enabled",          SY_OPTION_BOOL,                                                           \
     offset_of(enabled), .is_live = true,                                                          \
     .initial = "false", .help = "whether an overloaded pool takes no new pods until it is not"},  \
        {"closeAbove",                                                                             \
         SY_OPTION_REAL,                                                                           \
         offset_of(close_above),                                                                   \
         .is_live = true,                                                                          \
         .initial = "0.8",                                                                         \
         .least = 0,                                                                               \
         .most = 1,                                                                                \
         .help = "share in use above which it closes"},                                            \
        {"openBelow",                                                                              \
         SY_OPTION_REAL,                                                                           \
         offset_of(open_below),                                                                    \
         .is_live = true,                                                                          \
         .initial = "0",                                                                           \
         .least = 0,                                                                               \
         .most = 1,                                                                                \
         .help = "share below which it opens again; 0: 0.05 less than closeAbove"},                \
    {                                                                                              \
        "resources", SY_OPTION_MAPS, offset_of(resources),                                         \
            .is_live = true, .is_terse = true, .fields = GATE_RESOURCE,                            \
            .element_size = sizeof(struct sy_config_gate_resource),                                \
            .elements_max = SY_LOAD_METRICS, .help = "what counts; absent: cpu and memory"         \
    }

#define OF_MODELS(field) .offset = offsetof(struct sy_config_models, gate.field)
#define OF_GATE(field)   .offset = offsetof(struct sy_config_gate, field)

const struct sy_option sy_config_gate_options[] = {
    GATE_KEYS(OF_MODELS),
    {"exemptPriorityFrom", SY_OPTION_INT, AT(exempt_priority), .is_live = true,
     .initial = "2000000000", .least = INT32_MIN, .most = INT32_MAX,
     .help = "pods of this priority and above pass every gate; the default is what is critical to "
             "the system"},
    {"exemptPriorityClasses", SY_OPTION_TEXTS, AT(exempt_classes), .is_live = true,
     .is_terse = true, .elements_max = SY_EXEMPT_CLASSES_MAX, .check = check_class,
     .help = "pods with these in spec.priorityClassName pass every gate"},
    {0},
};

static const struct sy_option POOL_GATE[] = {GATE_KEYS(OF_GATE), {0}};

const struct sy_option sy_config_label_options[] = {
    {"key", SY_OPTION_TEXT, IN(sy_config_label, key), .is_required = true, .check = check_label_key,
     .help = "of a label"},
    {"value", SY_OPTION_TEXT, IN(sy_config_label, value), .is_terse = true,
     .check = check_label_value, .help = "absent: any"},
    {0},
};

const struct sy_option sy_config_pool_options[] = {
    {"name", SY_OPTION_TEXT, IN(sy_config_pool, name), .is_required = true,
     .check = check_pool_name, .help = "in metrics and messages"},
    {"nodeLabels", SY_OPTION_MAPS, IN(sy_config_pool, labels), .is_required = true,
     .fields = sy_config_label_options, .element_size = sizeof(struct sy_config_label),
     .elements_max = SY_POOL_LABELS_MAX,
     .help = "all of them; a node is in the first pool that it matches"},
    {"gate", SY_OPTION_MAP, IN(sy_config_pool, gate), .is_terse = true, .fields = POOL_GATE,
     .help = "of this pool"},
    {0},
};

/* ---- checks of maps ---- */

static void check_gate(const struct sy_config_gate *g, const char *prefix,
                       const struct sy_schema_at *at)
{
    const struct sy_config_gate_resource *r = g->resources.p;
    char key[64];

    if (g->open_below > g->close_above) {
        snprintf(key, sizeof(key), "%sopenBelow", prefix);
        sy_schema_problem(at, key, "is more than closeAbove; lower it");
    }
    for (size_t i = 0; i < g->resources.len; i++) {
        double close_above = r[i].close_above > 0 ? r[i].close_above : g->close_above;
        snprintf(key, sizeof(key), "%sresources[%zu].openBelow", prefix, i);
        if (r[i].open_below > close_above)
            sy_schema_problem(at, key, "is more than closeAbove; lower it");
        snprintf(key, sizeof(key), "%sresources[%zu].name", prefix, i);
        for (size_t n = 0; n < i; n++) {
            if (r[n].metric == r[i].metric)
                sy_schema_problem(at, key, "is there twice; remove one");
        }
    }
}

void sy_config_gate_check(const void *base, const struct sy_schema_at *at)
{
    check_gate(&((const struct sy_config_models *)base)->gate, "", at);
}

void sy_config_pool_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_pool *p = base;

    if (!p->labels.len)
        sy_schema_problem(at, "nodeLabels", "is empty; name a label, or leave the pool out");
    check_gate(&p->gate, "gate.", at);
}

/* ---- to the core's form ---- */

static struct sy_gate_options gate_of(const struct sy_config_gate *g)
{
    static const struct sy_config_gate_resource CPU_AND_MEMORY[] = {{SY_LOAD_CPU, 0, 0},
                                                                    {SY_LOAD_MEMORY, 0, 0}};
    const struct sy_config_gate_resource *r = g->resources.len ? g->resources.p : CPU_AND_MEMORY;
    size_t len = g->resources.len ? g->resources.len : SY_ARRAY_LEN(CPU_AND_MEMORY);
    struct sy_gate_options o = {.is_on = g->enabled};

    for (size_t i = 0; i < len; i++) {
        bool is_own = r[i].close_above > 0;
        double close_above = is_own ? r[i].close_above : g->close_above;
        double open_below = r[i].open_below > 0 ? r[i].open_below : is_own ? 0 : g->open_below;
        if (open_below <= 0)
            open_below = close_above > HYSTERESIS ? close_above - HYSTERESIS : close_above;
        o.close_above[r[i].metric] = close_above;
        o.open_below[r[i].metric] = open_below;
    }
    return o;
}

void sy_config_pools(const struct sy_config_models *c, struct sy_config_pools_room *room,
                     struct sy_pools_options *ret)
{
    const struct sy_config_pool *pools = c->pools.p;

    *room = (struct sy_config_pools_room){0};
    *ret = (struct sy_pools_options){
        .pools = room->pools,
        .default_gate = gate_of(&c->gate),
        .balance_fraction = c->balance_fraction,
        .exempt_by_priority = true,
        .exempt_priority = (int32_t)c->exempt_priority,
        .exempt_classes = room->classes,
    };
    for (size_t i = 0; i < c->pools.len && i < SY_POOLS_MAX; i++) {
        struct sy_pool_options *to = &room->pools[ret->pools_len++];
        const struct sy_config_label *labels = pools[i].labels.p;
        to->name = pools[i].name;
        to->gate = gate_of(&pools[i].gate);
        for (size_t n = 0; n < pools[i].labels.len && n < SY_POOL_LABELS_MAX; n++) {
            to->keys[n] = labels[n].key;
            to->values[n] = labels[n].value;
            to->labels_len++;
        }
    }
    for (size_t i = 0; i < c->exempt_classes.len && i < SY_EXEMPT_CLASSES_MAX; i++)
        room->classes[ret->exempt_classes_len++] = ((char **)c->exempt_classes.p)[i];
}

/* ---- arguments of our own plugins ---- */

#define ARG(field) .offset = offsetof(struct sy_config_args, model.field)

static const char *const DYNAMIC[] = {
    [SY_SELECT_LEVEL] = "Level", [SY_SELECT_SHARES] = "Shares", [SY_SELECT_BEST] = "Best", NULL};
static const char *const STATIC[] = {"Shares", "Best", NULL};

static const struct sy_option WEIGHT[] = {
    {"key", SY_OPTION_TEXT, IN(sy_config_static_weight, key), .is_required = true,
     .check = check_label_key, .help = "of a label of nodes"},
    {"value", SY_OPTION_TEXT, IN(sy_config_static_weight, value), .is_terse = true,
     .check = check_label_value, .help = "absent: any"},
    {"weight", SY_OPTION_INT, IN(sy_config_static_weight, weight), .is_required = true, .least = 0,
     .most = SY_STATIC_WEIGHT_MAX, .help = "of nodes with the label"},
    {0},
};

const struct sy_option sy_static_weights_options[] = {
    {"selection", SY_OPTION_CHOICE, ARG(selection), .is_terse = true, .initial = "Shares",
     .choices = STATIC,
     .help = "Shares: pods in proportion to weights; Best: the largest weight, then the next"},
    {"label", SY_OPTION_TEXT, ARG(label), .is_terse = true, .initial = "steelyard.dev/weight",
     .check = check_label_key, .help = "of nodes, whose value is the weight"},
    {"other", SY_OPTION_INT, ARG(other), .is_terse = true, .initial = "1", .least = 0,
     .most = SY_STATIC_WEIGHT_MAX, .help = "weight of nodes that nothing else gives one"},
    {"weights", SY_OPTION_MAPS, ARG(weights), .is_terse = true, .fields = WEIGHT,
     .element_size = sizeof(struct sy_config_static_weight), .elements_max = 64,
     .help = "by label, the first that matches; after `label`"},
    {0},
};

const struct sy_option sy_dynamic_weight_options[] = {
    {"selection", SY_OPTION_CHOICE, ARG(selection), .is_terse = true, .initial = "Level",
     .choices = DYNAMIC,
     .help = "Level: least carried for its weight; Shares: demand in proportion; Best: largest"},
    {0},
};

static const struct sy_option THRESHOLD[] = {
    {"name", SY_OPTION_CHOICE, IN(sy_config_threshold, metric), .is_required = true,
     .choices = sy_load_metric_names, .help = METRIC_HELP},
    {"above", SY_OPTION_REAL, IN(sy_config_threshold, above), .is_required = true, .least = 0,
     .most = 1, .help = "measured share above which a node takes no pods"},
    {0},
};

const struct sy_option sy_node_load_options[] = {
    {"thresholds", SY_OPTION_MAPS, ARG(thresholds), .is_terse = true, .fields = THRESHOLD,
     .element_size = sizeof(struct sy_config_threshold), .elements_max = SY_LOAD_METRICS,
     .help = "none: no node is refused"},
    {0},
};

static int apply_static(const struct sy_config_model_args *a, struct sy_arena *arena,
                        struct sy_policy_args *ret)
{
    const struct sy_config_static_weight *from = a->weights.p;
    struct sy_static_weight *to = NULL;

    if (a->weights.len) {
        to = sy_arena_array(arena, a->weights.len, sizeof(*to));
        if (!to)
            return sy_arena_why(arena, a->weights.len, sizeof(*to));
    }
    for (size_t i = 0; i < a->weights.len; i++)
        to[i] = (struct sy_static_weight){from[i].key, from[i].value, (int32_t)from[i].weight};
    ret->static_weights = to;
    ret->static_weights_len = (uint32_t)a->weights.len;
    ret->static_selection = a->selection ? SY_SELECT_BEST : SY_SELECT_SHARES;
    ret->static_label = a->label;
    ret->static_default = (int32_t)a->other;
    return 0;
}

int sy_model_args_apply(const char *plugin, const struct sy_config_model_args *a,
                        struct sy_arena *arena, struct sy_policy_args *ret)
{
    const struct sy_config_threshold *thresholds = a->thresholds.p;

    if (strcmp(plugin, "StaticWeights") == 0)
        return apply_static(a, arena, ret);
    if (strcmp(plugin, "DynamicWeight") == 0)
        ret->dynamic_selection = (enum sy_selection)a->selection;
    for (size_t i = 0; strcmp(plugin, "NodeLoad") == 0 && i < a->thresholds.len; i++)
        ret->node_load_max[thresholds[i].metric] = thresholds[i].above;
    return 0;
}
