/* SPDX-License-Identifier: Apache-2.0 */
#include "app/plugin_args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/plugins.h"
#include "base/clock.h"

struct resource {
    char *name;
    int64_t weight;
};

struct point {
    int64_t utilization;
    int64_t score;
};

struct constraint {
    int64_t max_skew;
    int64_t min_domains;
    char *topology_key;
    int64_t when_unsatisfiable;
    int64_t node_affinity_policy;
    int64_t node_taints_policy;
    struct sy_option_list match_label_keys;
};

struct requirement {
    char *key;
    int64_t op;
    struct sy_option_list values;
};

struct term {
    struct sy_option_list expressions;
    struct sy_option_list fields;
};

struct preferred_term {
    int64_t weight;
    struct term preference;
};

/* ---- checks ---- */

static const char *check_label_key(const char *text, char *room, size_t room_size)
{
    if (sy_label_key_valid(sy_str_from(text)))
        return NULL;
    snprintf(room, room_size,
             "Invalid value: \"%.64s\": name part must consist of alphanumeric characters, '-', "
             "'_' or '.', and must start and end with an alphanumeric character",
             text);
    return room;
}

static const char *check_group(const char *text, char *room, size_t room_size)
{
    if (!strchr(text, '/'))
        return check_label_key(text, room, room_size);
    snprintf(room, room_size, "Invalid value: \"%.64s\": resource group name can't contain '/'",
             text);
    return room;
}

static const char *check_topology_key(const char *text, char *room, size_t room_size)
{
    return *text ? check_label_key(text, room, room_size) : "Required value: can not be empty";
}

static const char *check_version(const char *text, char *room, size_t room_size)
{
    if (strcmp(text, SY_KUBE_API_VERSION) == 0)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is not known; write " SY_KUBE_API_VERSION, text);
    return room;
}

static void check_resources(const struct sy_option_list *list, const char *path,
                            const struct sy_schema_at *at, bool is_balanced)
{
    const struct resource *r = list->p;
    char key[96];

    for (size_t i = 0; i < list->len; i++) {
        const char *name = r[i].name ? r[i].name : "";
        snprintf(key, sizeof(key), "%s[%zu].weight", path, i);
        if (is_balanced && r[i].weight != 0 && r[i].weight != 1)
            sy_schema_problem(at, key, "Invalid value: %" PRId64 ": must be 1", r[i].weight);
        else if (r[i].weight < 0 || r[i].weight > 100)
            sy_schema_problem(at, key,
                              "Invalid value: %" PRId64
                              ": resource weight of %.64s not in valid range (0, 100]",
                              r[i].weight, name);
        snprintf(key, sizeof(key), "%s[%zu].name", path, i);
        for (size_t n = 0; is_balanced && n < i; n++) {
            if (r[n].name && strcmp(r[n].name, name) == 0) {
                sy_schema_problem(at, key, "Duplicate value: \"%.64s\"", name);
                break;
            }
        }
    }
}

static void check_shape(const struct sy_option_list *list, const char *path,
                        const struct sy_schema_at *at)
{
    const struct point *p = list->p;
    char key[96];

    if (!list->len) {
        sy_schema_problem(at, path, "Required value: at least one point must be specified");
        return;
    }
    for (size_t i = 1; i < list->len; i++) {
        if (p[i - 1].utilization < p[i].utilization)
            continue;
        snprintf(key, sizeof(key), "%s[%zu].utilization", path, i);
        sy_schema_problem(at, key,
                          "Invalid value: %" PRId64 ": values must be sorted in increasing order",
                          p[i].utilization);
        break;
    }
}

static void check_fit(const struct sy_config_args *a, const struct sy_schema_at *at)
{
    static const char RATIO[] = "scoringStrategy.requestedToCapacityRatio";
    const struct sy_yaml *strategy = sy_yaml_find(at->node, "scoringStrategy");
    bool has_ratio = sy_yaml_find(strategy, "requestedToCapacityRatio");

    check_resources(&a->resources, "scoringStrategy.resources", at, false);
    if (a->strategy != SY_REQUESTED_TO_CAPACITY_RATIO) {
        if (has_ratio)
            sy_schema_problem(at, RATIO,
                              "Forbidden: must be nil when type is not RequestedToCapacityRatio");
    } else if (!has_ratio) {
        sy_schema_problem(
            at, RATIO, "Required value: must be specified when type is RequestedToCapacityRatio");
    } else {
        check_shape(&a->shape, "scoringStrategy.requestedToCapacityRatio.shape", at);
    }
}

static void check_spread(const struct sy_config_args *a, const struct sy_schema_at *at)
{
    const struct constraint *c = a->default_constraints.p;
    char key[64];

    if (!a->defaulting && a->default_constraints.len)
        sy_schema_problem(at, "defaultingType",
                          "Invalid value: \"System\": when .defaultConstraints are not empty; "
                          "write List");
    for (size_t i = 0; i < a->default_constraints.len; i++) {
        for (size_t n = 0; n < i; n++) {
            if (!c[i].topology_key || !c[n].topology_key ||
                strcmp(c[i].topology_key, c[n].topology_key) != 0 ||
                c[i].when_unsatisfiable != c[n].when_unsatisfiable)
                continue;
            snprintf(key, sizeof(key), "defaultConstraints[%zu]", i);
            sy_schema_problem(at, key, "Duplicate value: \"{%.64s, %s}\"", c[i].topology_key,
                              c[i].when_unsatisfiable == SY_DO_NOT_SCHEDULE ? "DoNotSchedule"
                                                                            : "ScheduleAnyway");
            break;
        }
    }
}

static void check_preemption(const struct sy_config_args *a, const struct sy_schema_at *at)
{
    if (a->min_candidates || a->min_candidates_percent)
        return;
    sy_schema_problem(
        at, "minCandidateNodesPercentage",
        "Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute");
    sy_schema_problem(
        at, "minCandidateNodesAbsolute",
        "Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage");
}

static void check_args(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_args *a = base;

    if (a->kind && (strncmp(a->kind, a->name, strlen(a->name)) != 0 ||
                    strcmp(a->kind + strlen(a->name), "Args") != 0))
        sy_schema_problem(at, "kind", "args for plugin %s were not of type %sArgs, got %.64s",
                          a->name, a->name, a->kind);
    if (strcmp(a->name, "NodeResourcesFit") == 0)
        check_fit(a, at);
    else if (strcmp(a->name, "NodeResourcesBalancedAllocation") == 0)
        check_resources(&a->resources, "resources", at, true);
    else if (strcmp(a->name, "PodTopologySpread") == 0)
        check_spread(a, at);
    else if (strcmp(a->name, "VolumeBinding") == 0 && a->shape.len)
        check_shape(&a->shape, "shape", at);
    else if (strcmp(a->name, "DefaultPreemption") == 0)
        check_preemption(a, at);
}

static bool is_integer(const char *text)
{
    int64_t number;

    return sy_str_i64(sy_str_from(text), &number) == 0;
}

/* What nodeaffinity.NewNodeSelector checks of an expression. */
static void check_expression(const void *base, const struct sy_schema_at *at)
{
    const struct requirement *r = base;
    char *const *values = r->values.p;
    char key[32], room[256];

    switch (r->op) {
    case SY_OP_IN:
    case SY_OP_NOT_IN:
        if (!r->values.len)
            sy_schema_problem(at, "values",
                              "Invalid value: []: for 'in', 'notin' operators, values set can't be "
                              "empty");
        break;
    case SY_OP_EXISTS:
    case SY_OP_DOES_NOT_EXIST:
        if (r->values.len)
            sy_schema_problem(at, "values",
                              "values set must be empty for exists and does not exist");
        break;
    default:
        if (r->values.len != 1 || !is_integer(values[0]))
            sy_schema_problem(at, "values",
                              "for 'Gt', 'Lt' operators, exactly one value is required, which must "
                              "be an integer");
    }
    if (r->key && check_label_key(r->key, room, sizeof(room)))
        sy_schema_problem(at, "key", "%s", room);
    for (size_t i = 0; i < r->values.len; i++) {
        if (sy_label_value_valid(sy_str_from(values[i])))
            continue;
        snprintf(key, sizeof(key), "values[%zu]", i);
        sy_schema_problem(at, key,
                          "Invalid value: \"%.64s\": a valid label must be an empty string or "
                          "consist of alphanumeric characters, '-', '_' or '.', and must start and "
                          "end with an alphanumeric character",
                          values[i]);
    }
}

static void check_field(const void *base, const struct sy_schema_at *at)
{
    const struct requirement *r = base;

    if (r->key && strcmp(r->key, "metadata.name") != 0)
        sy_schema_problem(at, "key", "not a valid field selector key; write metadata.name");
    if (r->op != SY_OP_IN && r->op != SY_OP_NOT_IN)
        sy_schema_problem(at, "operator", "not a valid selector operator; give In or NotIn");
    else if (r->values.len != 1)
        sy_schema_problem(at, "values", "Invalid value: must have one element");
}

/* ---- the tables ---- */

static const char *const STRATEGIES[] = {
    [SY_LEAST_ALLOCATED] = "LeastAllocated",
    [SY_MOST_ALLOCATED] = "MostAllocated",
    [SY_REQUESTED_TO_CAPACITY_RATIO] = "RequestedToCapacityRatio",
    NULL,
};
static const char *const DEFAULTINGS[] = {"System", "List", NULL};
static const char *const WHENS[] = {
    [SY_DO_NOT_SCHEDULE] = "DoNotSchedule", [SY_SCHEDULE_ANYWAY] = "ScheduleAnyway", NULL};
static const char *const POLICIES[] = {"Honor", "Ignore", NULL};
static const char *const OPERATORS[] = {
    [SY_OP_IN] = "In",
    [SY_OP_NOT_IN] = "NotIn",
    [SY_OP_EXISTS] = "Exists",
    [SY_OP_DOES_NOT_EXIST] = "DoesNotExist",
    [SY_OP_GT] = "Gt",
    [SY_OP_LT] = "Lt",
    NULL,
};

#define IN(s, field) .offset = offsetof(struct s, field)
#define AT(field)    IN(sy_config_args, field)
#define TYPE_META                                                                                  \
    {"apiVersion",     SY_OPTION_TEXT,         AT(api_version),                                    \
     .is_terse = true, .check = check_version, .help = SY_KUBE_API_VERSION},                       \
    {                                                                                              \
        "kind", SY_OPTION_TEXT, AT(kind), .is_terse = true, .help = "the plugin's name with Args"  \
    }

static const struct sy_option RESOURCE[] = {
    {"name", SY_OPTION_TEXT, IN(resource, name), .is_required = true, .help = "of the resource"},
    {"weight", SY_OPTION_INT, IN(resource, weight), .initial = "1", .least = INT32_MIN,
     .most = INT32_MAX, .help = "1 to 100; 0: 1"},
    {0},
};

static const struct sy_option POINT[] = {
    {"utilization", SY_OPTION_INT, IN(point, utilization), .is_required = true, .least = 0,
     .most = 100, .range = "not in valid range [0, 100]", .help = "percent"},
    {"score", SY_OPTION_INT, IN(point, score), .is_required = true, .least = 0, .most = 10,
     .range = "not in valid range [0, 10]", .help = "there"},
    {0},
};

static const struct sy_option RATIO[] = {
    {"shape", SY_OPTION_MAPS, AT(shape), .is_terse = true, .fields = POINT,
     .element_size = sizeof(struct point), .elements_max = SY_ARG_LIST_MAX,
     .help = "points by rising utilization"},
    {0},
};

static const struct sy_option STRATEGY[] = {
    {"type", SY_OPTION_CHOICE, AT(strategy), .initial = "LeastAllocated", .choices = STRATEGIES,
     .help = "LeastAllocated, MostAllocated or RequestedToCapacityRatio"},
    {"resources", SY_OPTION_MAPS, AT(resources), .is_terse = true, .fields = RESOURCE,
     .element_size = sizeof(struct resource), .elements_max = SY_ARG_LIST_MAX,
     .help = "what counts; absent: cpu and memory"},
    {"requestedToCapacityRatio", SY_OPTION_MAP, .is_terse = true, .fields = RATIO,
     .help = "for that type"},
    {0},
};

static const struct sy_option FIT[] = {
    TYPE_META,
    {"ignoredResources", SY_OPTION_TEXTS, AT(ignored_resources), .is_terse = true,
     .elements_max = SY_ARG_LIST_MAX, .check = check_label_key, .help = "not filtered by"},
    {"ignoredResourceGroups", SY_OPTION_TEXTS, AT(ignored_resource_groups), .is_terse = true,
     .elements_max = SY_ARG_LIST_MAX, .check = check_group,
     .help = "prefixes of resources not filtered by"},
    {"scoringStrategy", SY_OPTION_MAP, .is_terse = true, .fields = STRATEGY,
     .help = "how to score"},
    {0},
};

static const struct sy_option BALANCED[] = {
    TYPE_META,
    {"resources", SY_OPTION_MAPS, AT(resources), .is_terse = true, .fields = RESOURCE,
     .element_size = sizeof(struct resource), .elements_max = SY_ARG_LIST_MAX,
     .help = "what counts; absent: cpu and memory"},
    {0},
};

static const struct sy_option INTER_POD[] = {
    TYPE_META,
    {"hardPodAffinityWeight", SY_OPTION_INT, AT(hard_pod_affinity_weight), .is_terse = true,
     .initial = "1", .least = 0, .most = 100, .range = "not in valid range [0, 100]",
     .help = "of required terms of pods that are there"},
    {"ignorePreferredTermsOfExistingPods", SY_OPTION_BOOL,
     AT(ignore_preferred_terms_of_existing_pods), .is_terse = true, .initial = "false",
     .help = "unless the incoming pod has terms"},
    {0},
};

static const struct sy_option CONSTRAINT[] = {
    {"maxSkew", SY_OPTION_INT, IN(constraint, max_skew), .is_required = true, .least = 1,
     .most = INT32_MAX, .range = "not in valid range (0, inf)", .help = "allowed difference"},
    {"topologyKey", SY_OPTION_TEXT, IN(constraint, topology_key), .is_required = true,
     .check = check_topology_key, .help = "label of nodes"},
    {"whenUnsatisfiable", SY_OPTION_CHOICE, IN(constraint, when_unsatisfiable), .is_required = true,
     .choices = WHENS, .help = "DoNotSchedule or ScheduleAnyway"},
    {"minDomains", SY_OPTION_INT, IN(constraint, min_domains), .is_terse = true, .initial = "0",
     .least = 0, .most = INT32_MAX, .help = "0: none"},
    {"nodeAffinityPolicy", SY_OPTION_CHOICE, IN(constraint, node_affinity_policy), .is_terse = true,
     .initial = "Honor", .choices = POLICIES, .help = "Honor or Ignore"},
    {"nodeTaintsPolicy", SY_OPTION_CHOICE, IN(constraint, node_taints_policy), .is_terse = true,
     .initial = "Ignore", .choices = POLICIES, .help = "Honor or Ignore"},
    {"matchLabelKeys", SY_OPTION_TEXTS, IN(constraint, match_label_keys), .is_terse = true,
     .elements_max = SY_ARG_LIST_MAX, .check = check_label_key,
     .help = "labels of the pod that join the selector"},
    {"labelSelector", SY_OPTION_REFUSED,
     .help = "Forbidden: constraint must not define a selector, as they deduced for each pod"},
    {0},
};

static const struct sy_option SPREAD[] = {
    TYPE_META,
    {"defaultConstraints", SY_OPTION_MAPS, AT(default_constraints), .is_terse = true,
     .fields = CONSTRAINT, .element_size = sizeof(struct constraint),
     .elements_max = SY_ARG_LIST_MAX, .help = "for pods that have none; with List"},
    {"defaultingType", SY_OPTION_CHOICE, AT(defaulting), .is_terse = true, .initial = "System",
     .choices = DEFAULTINGS, .help = "System or List"},
    {0},
};

static const struct sy_option EXPRESSION[] = {
    {"key", SY_OPTION_TEXT, IN(requirement, key), .is_required = true, .help = "label"},
    {"operator", SY_OPTION_CHOICE, IN(requirement, op), .is_required = true, .choices = OPERATORS,
     .help = "In, NotIn, Exists, DoesNotExist, Gt or Lt"},
    {"values", SY_OPTION_TEXTS, IN(requirement, values), .is_terse = true, .elements_max = 1024,
     .help = "for In, NotIn, Gt and Lt"},
    {0},
};

static const struct sy_option TERM[] = {
    {"matchExpressions", SY_OPTION_MAPS, IN(term, expressions), .is_terse = true,
     .fields = EXPRESSION, .element_size = sizeof(struct requirement), .elements_max = 64,
     .check_map = check_expression, .help = "over labels"},
    {"matchFields", SY_OPTION_MAPS, IN(term, fields), .is_terse = true, .fields = EXPRESSION,
     .element_size = sizeof(struct requirement), .elements_max = 64, .check_map = check_field,
     .help = "over metadata.name"},
    {0},
};

static const struct sy_option REQUIRED[] = {
    {"nodeSelectorTerms", SY_OPTION_MAPS, AT(required_terms), .is_required = true, .fields = TERM,
     .element_size = sizeof(struct term), .elements_max = 64, .help = "one must match"},
    {0},
};

static const struct sy_option PREFERRED[] = {
    {"weight", SY_OPTION_INT, IN(preferred_term, weight), .is_required = true, .least = INT32_MIN,
     .most = INT32_MAX, .help = "of nodes that match"},
    {"preference", SY_OPTION_MAP, IN(preferred_term, preference), .is_required = true,
     .fields = TERM, .help = "what to match"},
    {0},
};

static const struct sy_option ADDED[] = {
    {"requiredDuringSchedulingIgnoredDuringExecution", SY_OPTION_MAP, .is_terse = true,
     .fields = REQUIRED, .help = "for all pods"},
    {"preferredDuringSchedulingIgnoredDuringExecution", SY_OPTION_MAPS, AT(preferred_terms),
     .is_terse = true, .fields = PREFERRED, .element_size = sizeof(struct preferred_term),
     .elements_max = 64, .help = "for all pods"},
    {0},
};

static const struct sy_option AFFINITY[] = {
    TYPE_META,
    {"addedAffinity", SY_OPTION_MAP, .is_terse = true, .fields = ADDED,
     .help = "beside the pod's own"},
    {0},
};

static const struct sy_option PREEMPTION[] = {
    TYPE_META,
    {"minCandidateNodesPercentage", SY_OPTION_INT, AT(min_candidates_percent), .is_terse = true,
     .initial = "10", .least = 0, .most = 100, .range = "not in valid range [0, 100]",
     .help = "of nodes to try"},
    {"minCandidateNodesAbsolute", SY_OPTION_INT, AT(min_candidates), .is_terse = true,
     .initial = "100", .least = 0, .most = INT32_MAX, .range = "not in valid range [0, inf)",
     .help = "at least"},
    {0},
};

static const struct sy_option VOLUMES[] = {
    TYPE_META,
    {"bindTimeoutSeconds", SY_OPTION_SECONDS, AT(bind_timeout_ns), .is_terse = true,
     .initial = "600", .least = 0, .most = 1000000000,
     .range = "invalid BindTimeoutSeconds, should not be a negative value",
     .help = "for volumes that the pod waits for"},
    {"shape", SY_OPTION_MAPS, AT(shape), .is_terse = true, .fields = POINT,
     .element_size = sizeof(struct point), .elements_max = SY_ARG_LIST_MAX,
     .help = "what use of a node's storage is worth, by rising utilization"},
    {0},
};

static const struct sy_option DEVICES[] = {
    TYPE_META,
    {"filterTimeout", SY_OPTION_DURATION, AT(filter_timeout_ns), .is_terse = true, .initial = "10s",
     .least = 0, .most = INT64_MAX, .range = "must be zero or positive",
     .no_effect = "allocation is bounded by steps, not by time", .help = "for one node"},
    {"bindingTimeout", SY_OPTION_DURATION, AT(binding_timeout_ns), .is_terse = true,
     .initial = "10m", .least = SY_NS_PER_S, .most = INT64_MAX,
     .range = "must be at least 1 second", .help = "for devices that must be bound first"},
    {0},
};

static const struct {
    const char *name;
    const struct sy_option *options;
} TABLES[] = {
    {"NodeResourcesFit", FIT},
    {"NodeResourcesBalancedAllocation", BALANCED},
    {"InterPodAffinity", INTER_POD},
    {"PodTopologySpread", SPREAD},
    {"NodeAffinity", AFFINITY},
    {"DefaultPreemption", PREEMPTION},
    {"VolumeBinding", VOLUMES},
    {"DynamicResources", DEVICES},
    {"StaticWeights", sy_static_weights_options},
    {"DynamicWeight", sy_dynamic_weight_options},
    {"NodeLoad", sy_node_load_options},
};

static const struct sy_option *options_of(const void *base)
{
    const struct sy_config_args *a = base;

    for (size_t i = 0; a->name && i < SY_ARRAY_LEN(TABLES); i++) {
        if (strcmp(TABLES[i].name, a->name) == 0)
            return TABLES[i].options;
    }
    return NULL;
}

static const char *check_name(const char *text, char *room, size_t room_size)
{
    struct sy_config_args a = {.name = (char *)(uintptr_t)text};

    if (options_of(&a))
        return NULL;
    size_t len = (size_t)snprintf(room, room_size,
                                  sy_plugin_is_known(text)
                                      ? "plugin \"%.64s\" takes no arguments; those that do are"
                                      : "plugin \"%.64s\" does not exist; those with arguments are",
                                  text);
    for (size_t i = 0; i < SY_ARRAY_LEN(TABLES) && len < room_size; i++)
        len += (size_t)snprintf(room + len, room_size - len, "%s %s", i ? "," : "", TABLES[i].name);
    return room;
}

const struct sy_option sy_args_options[] = {
    {"name", SY_OPTION_TEXT, AT(name), .is_required = true, .check = check_name,
     .help = "the plugin"},
    {"args", SY_OPTION_MAP_BY, .is_terse = true, .fields_of = options_of, .check_map = check_args,
     .help = "its arguments"},
    {0},
};

/* ---- to the policy's form ---- */

struct builder {
    struct sy_strings *strings;
    struct sy_arena *arena;
    int code; /* of the first failure */
};

static void *array(struct builder *b, size_t count, size_t size)
{
    if (!count || b->code)
        return NULL;
    void *p = sy_arena_array(b->arena, count, size);
    if (!p)
        b->code = sy_arena_why(b->arena, count, size);
    return p;
}

static sy_sid *ids(struct builder *b, const struct sy_option_list *texts)
{
    sy_sid *p = array(b, texts->len, sizeof(*p));

    for (size_t i = 0; p && i < texts->len; i++)
        p[i] = sy_strings_addz(b->strings, ((char **)texts->p)[i]);
    return p;
}

static struct sy_requirement *requirements(struct builder *b, const struct sy_option_list *list,
                                           bool are_labels)
{
    struct sy_requirement *reqs = array(b, list->len, sizeof(*reqs));

    for (size_t i = 0; reqs && i < list->len; i++) {
        const struct requirement *from = &((const struct requirement *)list->p)[i];
        sy_sid *values = ids(b, &from->values);
        if (b->code)
            return NULL;
        reqs[i] = (struct sy_requirement){
            .key = sy_strings_addz(b->strings, from->key),
            .op = (uint8_t)from->op,
            .values = values,
            .values_len = sy_sids_sort(values, (uint32_t)from->values.len),
        };
        if (are_labels)
            sy_requirement_check(&reqs[i], b->strings);
    }
    return reqs;
}

static struct sy_node_term node_term(struct builder *b, const struct term *from)
{
    return (struct sy_node_term){
        .exprs = requirements(b, &from->expressions, true),
        .exprs_len = (uint32_t)from->expressions.len,
        .fields = requirements(b, &from->fields, false),
        .fields_len = (uint32_t)from->fields.len,
    };
}

static void apply_affinity(struct builder *b, const struct sy_config_args *a,
                           struct sy_policy_args *ret)
{
    struct sy_node_term *terms = array(b, a->required_terms.len, sizeof(*terms));
    struct sy_preferred_node_term *preferred = array(b, a->preferred_terms.len, sizeof(*preferred));

    for (size_t i = 0; terms && i < a->required_terms.len; i++)
        terms[i] = node_term(b, &((const struct term *)a->required_terms.p)[i]);
    for (size_t i = 0; preferred && i < a->preferred_terms.len; i++) {
        const struct preferred_term *p = &((const struct preferred_term *)a->preferred_terms.p)[i];
        preferred[i].weight = (int32_t)p->weight;
        preferred[i].term = node_term(b, &p->preference);
    }
    if (b->code)
        return;
    ret->added_affinity = (struct sy_node_selector){
        .terms = terms,
        .len = (uint32_t)a->required_terms.len,
        .is_set = a->required_terms.is_set,
    };
    ret->added_preferred = preferred;
    ret->added_preferred_len = (uint32_t)a->preferred_terms.len;
}

static void apply_spread(struct builder *b, const struct sy_config_args *a,
                         struct sy_policy_args *ret)
{
    const struct constraint *from = a->default_constraints.p;
    size_t len = a->default_constraints.len;
    struct sy_spread_constraint *to = array(b, len, sizeof(*to));

    for (size_t i = 0; to && i < len; i++) {
        to[i] = (struct sy_spread_constraint){
            .max_skew = (int32_t)from[i].max_skew,
            .min_domains = (int32_t)from[i].min_domains,
            .topology_key = sy_strings_addz(b->strings, from[i].topology_key),
            .when_unsatisfiable = (uint8_t)from[i].when_unsatisfiable,
            .honor_affinity = from[i].node_affinity_policy == 0,
            .honor_taints = from[i].node_taints_policy == 0,
            .selector = {.is_nil = true},
            .match_label_keys = ids(b, &from[i].match_label_keys),
            .match_label_keys_len = (uint32_t)from[i].match_label_keys.len,
        };
    }
    if (b->code)
        return;
    ret->spread_defaults_are_listed = a->defaulting == 1;
    ret->spread_defaults = to;
    ret->spread_defaults_len = (uint32_t)len;
}

static uint32_t copy_resources(const struct sy_option_list *list, struct sy_scoring_resource *to)
{
    const struct resource *from = list->p;

    for (size_t i = 0; i < list->len; i++)
        to[i] = (struct sy_scoring_resource){from[i].name, from[i].weight ? from[i].weight : 1};
    return (uint32_t)list->len;
}

static uint32_t copy_texts(const struct sy_option_list *list, const char **to)
{
    for (size_t i = 0; i < list->len; i++)
        to[i] = ((char **)list->p)[i];
    return (uint32_t)list->len;
}

static uint32_t copy_points(const struct sy_option_list *list, struct sy_utilization_point *to)
{
    const struct point *p = list->p;

    for (size_t i = 0; i < list->len; i++)
        to[i] = (struct sy_utilization_point){(int32_t)p[i].utilization, (int32_t)p[i].score};
    return (uint32_t)list->len;
}

static void apply_fit(const struct sy_config_args *a, struct sy_policy_args *ret)
{
    ret->fit_strategy = (enum sy_scoring_strategy)a->strategy;
    if (a->resources.len)
        ret->fit_resources_len = copy_resources(&a->resources, ret->fit_resources);
    ret->fit_points_len = copy_points(&a->shape, ret->fit_points);
    ret->ignored_resources_len = copy_texts(&a->ignored_resources, ret->ignored_resources);
    ret->ignored_resource_groups_len =
        copy_texts(&a->ignored_resource_groups, ret->ignored_resource_groups);
}

int sy_args_apply(const struct sy_option_list *list, struct sy_strings *strings,
                  struct sy_arena *arena, struct sy_policy_args *ret)
{
    struct builder b = {.strings = strings, .arena = arena};

    for (size_t i = 0; i < list->len; i++) {
        const struct sy_config_args *a = &((const struct sy_config_args *)list->p)[i];
        const struct sy_option *options = options_of(a);
        if (options == FIT) {
            apply_fit(a, ret);
        } else if (options == BALANCED && a->resources.len) {
            ret->balanced_resources_len = copy_resources(&a->resources, ret->balanced_resources);
        } else if (options == INTER_POD) {
            ret->hard_pod_affinity_weight = (int32_t)a->hard_pod_affinity_weight;
            ret->ignore_preferred_terms_of_existing_pods =
                a->ignore_preferred_terms_of_existing_pods;
        } else if (options == PREEMPTION) {
            ret->preemption_min_candidates_percent = (uint32_t)a->min_candidates_percent;
            ret->preemption_min_candidates = (uint32_t)a->min_candidates;
        } else if (options == VOLUMES) {
            ret->volume_bind_timeout_s = (uint32_t)(a->bind_timeout_ns / SY_NS_PER_S);
            if (a->shape.len) /* else upstream's default */
                ret->volume_points_len = copy_points(&a->shape, ret->volume_points);
        } else if (options == DEVICES) {
            ret->claim_bind_timeout_ns = a->binding_timeout_ns;
        } else if (options == SPREAD && strings) {
            apply_spread(&b, a, ret);
        } else if (options == AFFINITY && strings) {
            apply_affinity(&b, a, ret);
        }
        int r = sy_model_args_apply(a->name, &a->model, arena, ret);
        b.code = b.code ? b.code : r;
    }
    return b.code;
}
