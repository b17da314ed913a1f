/* SPDX-License-Identifier: Apache-2.0 */
#include "app/plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- the table of options ---- */

enum { ENABLED_MAX = 64 };

#define SET_AT(point, text)                                                                        \
    {                                                                                              \
        text, SY_OPTION_MAP, .is_terse = true,                                                     \
                             .offset = offsetof(struct sy_config_plugins, points[point]),          \
                             .fields = SET                                                         \
    }

static const struct sy_option ENABLED[] = {
    {"name", SY_OPTION_TEXT, .offset = offsetof(struct sy_config_plugin, name), .is_required = true,
     .help = "the plugin"},
    {"weight", SY_OPTION_INT, .is_terse = true, .initial = "0",
     .offset = offsetof(struct sy_config_plugin, weight), .least = 0, .most = INT32_MAX,
     .help = "of its score; 0: 1"},
    {0},
};

static const struct sy_option SET[] = {
    {"enabled", SY_OPTION_MAPS, .is_terse = true, .fields = ENABLED, .elements_max = ENABLED_MAX,
     .offset = offsetof(struct sy_config_plugin_set, enabled),
     .element_size = sizeof(struct sy_config_plugin),
     .help = "beside, or instead of, the defaults"},
    {"disabled", SY_OPTION_MAPS, .is_terse = true, .fields = ENABLED, .elements_max = ENABLED_MAX,
     .offset = offsetof(struct sy_config_plugin_set, disabled),
     .element_size = sizeof(struct sy_config_plugin), .help = "defaults left out; \"*\": all"},
    {0},
};

const struct sy_option sy_plugins_options[] = {
    SET_AT(SY_POINT_MULTI, "multiPoint"),
    SET_AT(SY_POINT_PRE_ENQUEUE, "preEnqueue"),
    SET_AT(SY_POINT_QUEUE_SORT, "queueSort"),
    SET_AT(SY_POINT_PRE_FILTER, "preFilter"),
    SET_AT(SY_POINT_FILTER, "filter"),
    SET_AT(SY_POINT_POST_FILTER, "postFilter"),
    SET_AT(SY_POINT_PRE_SCORE, "preScore"),
    SET_AT(SY_POINT_SCORE, "score"),
    SET_AT(SY_POINT_RESERVE, "reserve"),
    SET_AT(SY_POINT_PERMIT, "permit"),
    SET_AT(SY_POINT_PRE_BIND, "preBind"),
    SET_AT(SY_POINT_BIND, "bind"),
    SET_AT(SY_POINT_POST_BIND, "postBind"),
    SET_AT(SY_POINT_PLACEMENT_GENERATE, "placementGenerate"),
    SET_AT(SY_POINT_PLACEMENT_SCORE, "placementScore"),
    SET_AT(SY_POINT_POD_GROUP_POST_FILTER, "podGroupPostFilter"),
    {0},
};

/* ---- what plugins there are ---- */

#define BIT(point) (1u << (point))

enum {
    ALL_POINTS = BIT(SY_POINTS) - 1,
    PRE_FILTERS = BIT(SY_POINT_PRE_FILTER) | BIT(SY_POINT_FILTER),
    PRE_SCORES = BIT(SY_POINT_PRE_SCORE) | BIT(SY_POINT_SCORE),
    RESERVES = BIT(SY_POINT_RESERVE) | BIT(SY_POINT_PRE_BIND),
};

enum {
    ON = 1 << 0,          /* in kube-scheduler's defaults */
    GATED = 1 << 1,       /* behind a feature gate that is off */
    PRE_RULES = 1 << 2,   /* its PreFilter can turn pods or nodes away by itself */
    ALONE_FAILS = 1 << 3, /* its Filter fails every pod when its PreFilter did not run */
};

struct plugin {
    const char *name;
    uint32_t points;
    uint32_t traits;
    int32_t weight; /* by default */
};

/* In the order of kube-scheduler's defaults. */
static const struct plugin PLUGINS[] = {
    {"SchedulingGates", BIT(SY_POINT_PRE_ENQUEUE), ON, 0},
    {"PrioritySort", BIT(SY_POINT_QUEUE_SORT), ON, 0},
    {"NodeName", PRE_FILTERS, ON, 0},
    {"NodeUnschedulable", PRE_FILTERS, ON, 0},
    {"TaintToleration", PRE_FILTERS | PRE_SCORES, ON, 3},
    {"NodeAffinity", PRE_FILTERS | PRE_SCORES, ON | PRE_RULES | ALONE_FAILS, 2},
    {"NodePorts", PRE_FILTERS, ON | ALONE_FAILS, 0},
    {"DeferredPodScheduling", PRE_FILTERS | BIT(SY_POINT_PERMIT), GATED, 0},
    {"NodeResourcesFit", PRE_FILTERS | PRE_SCORES | BIT(SY_POINT_PLACEMENT_SCORE), ON | ALONE_FAILS,
     1},
    {"VolumeRestrictions", PRE_FILTERS, ON | PRE_RULES | ALONE_FAILS, 0},
    {"NodeVolumeLimits", PRE_FILTERS, ON | PRE_RULES | ALONE_FAILS, 0},
    {"VolumeBinding", PRE_FILTERS | PRE_SCORES | RESERVES, ON | PRE_RULES | ALONE_FAILS, 0},
    {"VolumeZone", PRE_FILTERS, ON | PRE_RULES | ALONE_FAILS, 0},
    {"PodTopologySpread", PRE_FILTERS | PRE_SCORES, ON | ALONE_FAILS, 2},
    {"InterPodAffinity", PRE_FILTERS | PRE_SCORES, ON | ALONE_FAILS, 2},
    {"DynamicResources",
     PRE_FILTERS | RESERVES | BIT(SY_POINT_SCORE) | BIT(SY_POINT_PRE_ENQUEUE) |
         BIT(SY_POINT_POST_FILTER) | BIT(SY_POINT_POD_GROUP_POST_FILTER),
     ON | PRE_RULES | ALONE_FAILS, 2},
    {"DefaultPreemption", BIT(SY_POINT_POST_FILTER) | BIT(SY_POINT_PRE_ENQUEUE), ON, 0},
    {"NodeResourcesBalancedAllocation", PRE_SCORES, ON, 1},
    {"ImageLocality", BIT(SY_POINT_SCORE), ON, 1},
    {"DefaultBinder", BIT(SY_POINT_BIND), ON, 0},
    {"NodeDeclaredFeatures", PRE_FILTERS, ON | PRE_RULES | ALONE_FAILS, 0},
    {"GangScheduling", BIT(SY_POINT_PRE_ENQUEUE) | BIT(SY_POINT_PERMIT), GATED, 0},
    {"TopologyPlacementGenerator", BIT(SY_POINT_PLACEMENT_GENERATE), GATED, 0},
    {"PodGroupPodsCount", BIT(SY_POINT_PLACEMENT_SCORE), GATED, 0},
};

static const char *const REMOVED[] = {"AzureDiskLimits", "CinderLimits", "EBSLimits",
                                      "GCEPDLimits"};

/* A plugin of kube-scheduler, or one of ours. */
static bool find_plugin(const char *name, struct plugin *ret)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(PLUGINS); i++) {
        if (strcmp(PLUGINS[i].name, name) == 0) {
            *ret = PLUGINS[i];
            return true;
        }
    }
    const struct sy_filter *f = sy_filter_find(name);
    const struct sy_scorer *s = sy_scorer_find(name);
    *ret = (struct plugin){
        .name = f   ? f->name
                : s ? s->name
                    : NULL,
        .points = (f ? PRE_FILTERS : 0u) | (s ? PRE_SCORES : 0u),
    };
    return f || s;
}

bool sy_plugin_is_known(const char *name)
{
    struct plugin p;

    return find_plugin(name, &p);
}

/* Whether the parts that would do its work are in this program. */
static bool is_here(const struct plugin *p)
{
    if (p->traits & GATED)
        return false;
    if (p->points & BIT(SY_POINT_FILTER))
        return sy_filter_find(p->name);
    return !(p->points & BIT(SY_POINT_SCORE)) || sy_scorer_find(p->name);
}

/* ---- lists ---- */

/* Room for all defaults beside what one list may name. */
enum { CHOSEN_MAX = ENABLED_MAX + 64 };

struct chosen {
    struct plugin plugin;
    int32_t weight;  /* 0: 1 */
    uint32_t points; /* where it stands in for, when it came by multiPoint */
    bool is_over;    /* stands also in multiPoint, which it overrides */
};

struct list {
    struct chosen p[CHOSEN_MAX];
    uint32_t len;
};

/* All that one merge needs; too large for a stack. */
struct lists {
    struct list defaults;
    struct list own; /* of one point */
    struct list points[SY_POINTS];
};

static struct chosen *find(struct list *l, const char *name)
{
    for (uint32_t i = 0; i < l->len; i++) {
        if (strcmp(l->p[i].plugin.name, name) == 0)
            return &l->p[i];
    }
    return NULL;
}

static void add(struct list *l, struct chosen c)
{
    if (l->len < CHOSEN_MAX)
        l->p[l->len++] = c;
}

static bool disables(const struct sy_config_plugin_set *set, const char *name)
{
    const struct sy_config_plugin *p = set->disabled.p;

    for (size_t i = 0; i < set->disabled.len; i++) {
        if (p[i].name && strcmp(p[i].name, name) == 0)
            return true;
    }
    return false;
}

static const struct sy_weighted_scorer *find_scorer(const struct sy_profile *p, const char *name)
{
    for (uint32_t i = 0; i < p->scorers_len; i++) {
        if (strcmp(p->scorers[i].scorer->name, name) == 0)
            return &p->scorers[i];
    }
    return NULL;
}

static bool is_of_kube(const char *name)
{
    struct plugin p;

    return find_plugin(name, &p) && (p.traits & ON);
}

/* As in sy_profile_kube() and sy_profile_default(). In the latter a plugin of kube-scheduler's may
 * filter and not score. */
static void add_defaults(struct list *l, bool is_kube)
{
    struct sy_profile base;
    struct plugin p;

    if (is_kube)
        sy_profile_kube(&base, "");
    else
        sy_profile_default(&base, "");
    for (uint32_t i = 0; i < base.scorers_len; i++) {
        const char *name = base.scorers[i].scorer->name;
        if (!is_of_kube(name) && find_plugin(name, &p))
            add(l, (struct chosen){
                       .plugin = p, .weight = base.scorers[i].weight, .points = PRE_SCORES});
    }
    for (size_t i = 0; i < SY_ARRAY_LEN(PLUGINS); i++) {
        const struct sy_weighted_scorer *scorer = find_scorer(&base, PLUGINS[i].name);
        if (PLUGINS[i].traits & ON)
            add(l, (struct chosen){
                       .plugin = PLUGINS[i],
                       .weight = scorer ? scorer->weight : PLUGINS[i].weight,
                       .points = scorer || is_kube ? ALL_POINTS : ALL_POINTS & ~BIT(SY_POINT_SCORE),
                   });
    }
    for (uint32_t i = 0; i < base.filters_len; i++) {
        const struct sy_filter *f = base.filters[i];
        if (!is_of_kube(f->name) && find_plugin(f->name, &p))
            add(l, (struct chosen){.plugin = p, .points = PRE_FILTERS});
    }
}

/* ---- problems ---- */

struct merge {
    const struct sy_config_plugins *config;
    const struct sy_schema_at *at; /* NULL: silent */
    const char *profile;
    struct lists *lists;
};

static const char *point_key(uint32_t point)
{
    return sy_plugins_options[point].key;
}

static void names_text(char *room, size_t size)
{
    size_t len = 0;

    room[0] = '\0';
    for (size_t i = 0; i < SY_ARRAY_LEN(PLUGINS) && len < size; i++) {
        if (is_here(&PLUGINS[i]))
            len +=
                (size_t)snprintf(room + len, size - len, "%s%s", len ? ", " : "", PLUGINS[i].name);
    }
    for (uint32_t i = 0; sy_filter_at(i) && len < size; i++) {
        const char *name = sy_filter_at(i)->name;
        if (!is_of_kube(name))
            len += (size_t)snprintf(room + len, size - len, ", %s", name);
    }
    for (uint32_t i = 0; sy_scorer_at(i) && len < size; i++) {
        const char *name = sy_scorer_at(i)->name;
        if (!is_of_kube(name))
            len += (size_t)snprintf(room + len, size - len, ", %s", name);
    }
}

/* Looks up one that is enabled; says why it can not be. */
static bool look_up(const struct merge *m, uint32_t point, size_t i, const char *name,
                    struct plugin *ret)
{
    char key[64], all[768];

    snprintf(key, sizeof(key), "%s.enabled[%zu].name", point_key(point), i);
    bool is_found = find_plugin(name, ret);
    if (is_found && is_here(ret) && (point == SY_POINT_MULTI || (ret->points & BIT(point))))
        return true;
    if (!m->at)
        return false;
    for (size_t n = 0; n < SY_ARRAY_LEN(REMOVED); n++) {
        if (strcmp(REMOVED[n], name) == 0) {
            sy_schema_problem(m->at, key,
                              "Invalid value: \"%s\": was invalid in version \"%s\"; "
                              "NodeVolumeLimits has its work",
                              name, SY_KUBE_API_VERSION);
            return false;
        }
    }
    if (is_found && (ret->traits & GATED)) {
        sy_schema_problem(m->at, key,
                          "plugin \"%s\" is not supported: kube-scheduler has it behind a feature "
                          "gate that is off; remove it",
                          name);
    } else if (is_found && !is_here(ret)) {
        sy_schema_problem(m->at, key, "plugin \"%s\" is not supported yet; remove it", name);
    } else if (is_found) {
        sy_schema_problem(m->at, key, "plugin \"%s\" does not extend %s; remove it", name,
                          point_key(point));
    } else {
        names_text(all, sizeof(all));
        sy_schema_problem(m->at, key, "plugin \"%.64s\" does not exist; there are %s", name, all);
    }
    return false;
}

static void is_double(const struct merge *m, uint32_t point, size_t i, const char *name)
{
    char key[64];

    if (!m->at)
        return;
    snprintf(key, sizeof(key), "%s.enabled[%zu].name", point_key(point), i);
    sy_schema_problem(m->at, key, "plugin \"%s\" already registered; remove one", name);
}

static void note_unknown_disabled(const struct merge *m, uint32_t point)
{
    const struct sy_config_plugin_set *set = &m->config->points[point];
    const struct sy_config_plugin *p = set->disabled.p;

    for (size_t i = 0; m->at && i < set->disabled.len; i++) {
        if (p[i].name && strcmp(p[i].name, "*") != 0 && !sy_plugin_is_known(p[i].name))
            sy_problems_note(m->at->problems,
                             "%s:%u: %s.%s.disabled[%zu]: has no effect here: there is no plugin "
                             "\"%.64s\"",
                             sy_yaml_file(m->at->doc), m->at->node->line, m->at->path,
                             point_key(point), i, p[i].name);
    }
}

/* ---- merging ---- */

/* The defaults, less those disabled, those named again in their place, then what is new. */
static void merge_multi(const struct merge *m, bool is_kube)
{
    const struct sy_config_plugin_set *set = &m->config->points[SY_POINT_MULTI];
    const struct sy_config_plugin *enabled = set->enabled.p;
    struct list *defaults = &m->lists->defaults, *ret = &m->lists->points[SY_POINT_MULTI];
    uint64_t replaced = 0;

    add_defaults(defaults, is_kube);
    for (uint32_t i = 0; i < defaults->len && !disables(set, "*"); i++) {
        struct chosen c = defaults->p[i];
        if (disables(set, c.plugin.name))
            continue;
        for (size_t n = 0; n < set->enabled.len; n++) {
            if (enabled[n].name && strcmp(enabled[n].name, c.plugin.name) == 0) {
                c.weight = (int32_t)enabled[n].weight;
                c.points = ALL_POINTS;
                replaced |= UINT64_C(1) << n;
                (void)look_up(m, SY_POINT_MULTI, n, enabled[n].name, &c.plugin);
                break;
            }
        }
        add(ret, c);
    }
    for (size_t n = 0; n < set->enabled.len; n++) {
        struct chosen c = {.weight = (int32_t)enabled[n].weight, .points = ALL_POINTS};
        if ((replaced & UINT64_C(1) << n) || !enabled[n].name ||
            !look_up(m, SY_POINT_MULTI, n, enabled[n].name, &c.plugin))
            continue;
        if (find(ret, enabled[n].name))
            is_double(m, SY_POINT_MULTI, n, enabled[n].name);
        else
            add(ret, c);
    }
}

/* What runs at one point: its own plugins that override multiPoint, those of multiPoint, its own
 * others. */
static void expand(const struct merge *m, uint32_t point)
{
    const struct sy_config_plugin_set *set = &m->config->points[point];
    const struct sy_config_plugin *enabled = set->enabled.p;
    struct list *multi = &m->lists->points[SY_POINT_MULTI], *ret = &m->lists->points[point];
    struct list *own = &m->lists->own;
    bool no_defaults = disables(set, "*");

    own->len = 0;
    note_unknown_disabled(m, point);
    for (size_t i = 0; i < set->enabled.len; i++) {
        struct chosen c = {.weight = (int32_t)enabled[i].weight, .points = ALL_POINTS};
        if (!enabled[i].name || !look_up(m, point, i, enabled[i].name, &c.plugin))
            continue;
        if (find(own, enabled[i].name)) {
            is_double(m, point, i, enabled[i].name);
            continue;
        }
        const struct chosen *over = find(multi, enabled[i].name);
        c.is_over =
            !no_defaults && over && (over->points & BIT(point)) && !disables(set, enabled[i].name);
        add(own, c);
    }
    for (uint32_t i = 0; i < own->len; i++) {
        if (own->p[i].is_over)
            add(ret, own->p[i]);
    }
    for (uint32_t i = 0; i < multi->len && !no_defaults; i++) {
        const struct chosen *c = &multi->p[i];
        if ((c->points & c->plugin.points & BIT(point)) && !disables(set, c->plugin.name) &&
            !find(own, c->plugin.name))
            add(ret, *c);
    }
    for (uint32_t i = 0; i < own->len; i++) {
        if (!own->p[i].is_over)
            add(ret, own->p[i]);
    }
}

/* ---- what cannot be told apart here, and what nothing works without ---- */

static void check_pairs(const struct merge *m, struct list *points)
{
    for (uint32_t i = 0; i < points[SY_POINT_FILTER].len; i++) {
        const struct plugin *p = &points[SY_POINT_FILTER].p[i].plugin;
        if ((p->traits & ALONE_FAILS) && !find(&points[SY_POINT_PRE_FILTER], p->name))
            sy_schema_problem(m->at, "preFilter",
                              "%s is disabled here and runs in filter, where it fails without its "
                              "preFilter; disable it in both or in neither",
                              p->name);
    }
    for (uint32_t i = 0; i < points[SY_POINT_PRE_FILTER].len; i++) {
        const struct plugin *p = &points[SY_POINT_PRE_FILTER].p[i].plugin;
        if ((p->traits & PRE_RULES) && is_here(p) && !find(&points[SY_POINT_FILTER], p->name))
            sy_schema_problem(m->at, "filter",
                              "%s is disabled here and runs in preFilter, where it turns pods away "
                              "too; disable it in both or in neither",
                              p->name);
    }
    for (uint32_t i = 0; i < points[SY_POINT_SCORE].len; i++) {
        const struct plugin *p = &points[SY_POINT_SCORE].p[i].plugin;
        if ((p->traits & ON) && (p->points & BIT(SY_POINT_PRE_SCORE)) &&
            !find(&points[SY_POINT_PRE_SCORE], p->name))
            sy_schema_problem(m->at, "preScore",
                              "%s is disabled here and runs in score; disable it in both or in "
                              "neither",
                              p->name);
    }
    for (uint32_t i = 0; i < points[SY_POINT_FILTER].len; i++) {
        const struct plugin *p = &points[SY_POINT_FILTER].p[i].plugin;
        for (uint32_t point = 0; point < SY_POINTS; point++) {
            if (!(p->points & RESERVES & BIT(point)) || find(&points[point], p->name))
                continue;
            sy_schema_problem(m->at, point_key(point),
                              "%s is disabled here and runs in filter; disable it in both or in "
                              "neither",
                              p->name);
        }
    }
}

static void check_must_haves(const struct merge *m, struct list *points)
{
    if (!find(&points[SY_POINT_PRE_ENQUEUE], "SchedulingGates"))
        sy_schema_problem(m->at, "preEnqueue",
                          "SchedulingGates is disabled, which is not supported: gated pods are "
                          "never scheduled; enable it");
    if (points[SY_POINT_QUEUE_SORT].len != 1)
        sy_schema_problem(m->at, "queueSort",
                          "only one queue sort plugin required for profile with scheduler name "
                          "\"%s\", but got %u; enable PrioritySort",
                          m->profile, points[SY_POINT_QUEUE_SORT].len);
    if (!points[SY_POINT_BIND].len)
        sy_schema_problem(m->at, "bind",
                          "at least one bind plugin is needed for profile with scheduler name "
                          "\"%s\"; enable DefaultBinder",
                          m->profile);
}

void sy_plugins_apply(const struct sy_config_plugins *c, bool is_kube, const char *name,
                      const struct sy_schema_at *at, struct sy_profile *ret)
{
    struct lists *lists = sy_xcalloc(1, sizeof(*lists));
    struct list *points = lists->points;
    struct merge m = {.config = c, .at = at, .profile = name, .lists = lists};

    merge_multi(&m, is_kube);
    note_unknown_disabled(&m, SY_POINT_MULTI);
    for (uint32_t point = SY_POINT_MULTI + 1; point < SY_POINTS; point++)
        expand(&m, point);
    if (at) {
        check_pairs(&m, points);
        check_must_haves(&m, points);
    }

    ret->filters_len = 0;
    for (uint32_t i = 0; i < points[SY_POINT_FILTER].len; i++) {
        const struct sy_filter *f = sy_filter_find(points[SY_POINT_FILTER].p[i].plugin.name);
        if (f && ret->filters_len < SY_FILTERS_MAX)
            ret->filters[ret->filters_len++] = f;
    }
    ret->scorers_len = 0;
    for (uint32_t i = 0; i < points[SY_POINT_SCORE].len; i++) {
        const struct chosen *s = &points[SY_POINT_SCORE].p[i];
        const struct sy_scorer *scorer = sy_scorer_find(s->plugin.name);
        if (scorer && ret->scorers_len < SY_SCORERS_MAX)
            ret->scorers[ret->scorers_len++] =
                (struct sy_weighted_scorer){scorer, s->weight ? s->weight : 1};
    }
    ret->args.preemption_is_off = !find(&points[SY_POINT_POST_FILTER], "DefaultPreemption");
    free(lists);
}
