/* SPDX-License-Identifier: Apache-2.0 */
#include "app/failure_config.h"

#include <stddef.h>

#include "base/clock.h"

#define AT(field) .offset = offsetof(struct sy_config_failures, field)
#define HOUR_NS   (3600 * SY_NS_PER_S)

static const struct sy_option BREAKER[] = {
    {"nodes", SY_OPTION_INT, AT(breaker_least), .is_live = true, .initial = "3", .least = 0,
     .most = 1000000, .help = "so many may fail within the window, however few there are"},
    {"share", SY_OPTION_REAL, AT(breaker_share), .is_live = true, .initial = "0.1", .least = 0,
     .most = 1, .help = "share of all nodes that may fail within the window"},
    {"zoneShare", SY_OPTION_REAL, AT(breaker_zone_share), .is_live = true, .initial = "0.55",
     .least = 0, .most = 1, .help = "share of a zone, and three nodes, at which it is in doubt"},
    {"window", SY_OPTION_DURATION, AT(breaker_window_ns), .is_live = true, .initial = "60s",
     .least = SY_NS_PER_S, .most = HOUR_NS, .help = "in which failures count as one event"},
    {"resumeAfter", SY_OPTION_DURATION, AT(breaker_resume_ns), .is_live = true, .initial = "10m",
     .least = SY_NS_PER_S, .most = 24 * HOUR_NS,
     .help = "evictions go on when no node has failed for so long, though many are down"},
    {0},
};

const struct sy_option sy_config_failures_options[] = {
    {"enabled", SY_OPTION_BOOL, AT(is_on), .is_live = true, .initial = "true",
     .help = "judge nodes; else taints alone count, as with kube-scheduler"},
    {"suspectAfter", SY_OPTION_DURATION, AT(suspect_after_ns), .initial = "15s", .least = 0,
     .most = HOUR_NS,
     .help = "age of a node's lease of 40 s at which it takes no pods, others in proportion; 0: "
             "leases are not watched"},
    {"unhealthyLabels", SY_OPTION_MAPS, AT(labels), .is_terse = true,
     .fields = sy_config_label_options, .element_size = sizeof(struct sy_config_label),
     .elements_max = SY_FAILURE_LABELS_MAX, .help = "nodes with one of these take no pods"},
    {"gpuCount", SY_OPTION_BOOL, AT(gpus), .is_live = true, .initial = "false",
     .help = "a node with fewer NVIDIA GPUs than before takes no pods at all; else only those "
             "GPUs do not"},
    {"recoveryGrace", SY_OPTION_DURATION, AT(grace_ns), .is_live = true, .initial = "30s",
     .least = 0, .most = 24 * HOUR_NS,
     .help = "from NotReady to the eviction of pods that opted in; a pod may say its own"},
    {"optInSchedulers", SY_OPTION_TEXTS, AT(names), .is_live = true, .is_terse = true,
     .elements_max = SY_FAILURE_NAMES_MAX,
     .help = "scheduler names whose pods have all opted in; else each pod says so"},
    {"forceDelete", SY_OPTION_BOOL, AT(force_allowed), .is_live = true, .initial = "false",
     .help = "pods that ask for it are ended by force on a node that is not ready"},
    {"holdFor", SY_OPTION_DURATION, AT(hold_ns), .is_live = true, .initial = "5m",
     .least = SY_NS_PER_S, .most = 24 * HOUR_NS,
     .help = "room is held for replacements for so long"},
    {"evictionsPerSecond", SY_OPTION_REAL, AT(evictions_per_s), .is_live = true, .initial = "20",
     .least = 1, .most = 100000, .help = "of pods on failed nodes"},
    {"evictionsBurst", SY_OPTION_INT, AT(evictions_burst), .is_live = true, .initial = "200",
     .least = 1, .most = 1000000, .help = "so many may come at once"},
    {"holdDown", SY_OPTION_DURATION, AT(hold_down_ns), .is_live = true, .initial = "10s",
     .least = 0, .most = HOUR_NS,
     .help = "a node that has come back takes no pods for so long, twice that after a second "
             "failure, and so on"},
    {"holdDownMax", SY_OPTION_DURATION, AT(hold_down_max_ns), .is_live = true, .initial = "10m",
     .least = 0, .most = 24 * HOUR_NS, .help = "longest such time"},
    {"flapHalfLife", SY_OPTION_DURATION, AT(flap_half_life_ns), .is_live = true, .initial = "30m",
     .least = SY_NS_PER_S, .most = 240 * HOUR_NS,
     .help = "in which past failures count half for it"},
    {"breaker", SY_OPTION_MAP, .fields = BREAKER,
     .help = "many nodes that fail at once are not to blame: nobody is evicted"},
    {0},
};

void sy_config_failures_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_failures *c = base;

    if (c->hold_down_max_ns < c->hold_down_ns)
        sy_schema_problem(at, "holdDownMax", "is less than holdDown; raise it");
}

const struct sy_failure_options *sy_config_failures(const struct sy_config_failures *c,
                                                    struct sy_config_failures_room *room,
                                                    struct sy_failure_options *ret)
{
    const struct sy_config_label *labels = c->labels.p;

    *room = (struct sy_config_failures_room){0};
    *ret = (struct sy_failure_options){
        .suspect_after_ns = c->suspect_after_ns,
        .grace_ns = c->grace_ns,
        .hold_ns = c->hold_ns,
        .evictions_per_s = c->evictions_per_s,
        .evictions_burst = (double)c->evictions_burst,
        .gpus = c->gpus,
        .force_allowed = c->force_allowed,
        .hold_down_ns = c->hold_down_ns,
        .hold_down_max_ns = c->hold_down_max_ns,
        .flap_half_life_ns = c->flap_half_life_ns,
        .breaker_least = (uint32_t)c->breaker_least,
        .breaker_share = c->breaker_share,
        .breaker_zone_share = c->breaker_zone_share,
        .breaker_window_ns = c->breaker_window_ns,
        .breaker_resume_ns = c->breaker_resume_ns,
        .labels = room->labels,
        .scheduler_names = c->names.p,
        .scheduler_names_len = (uint32_t)c->names.len,
    };
    for (size_t i = 0; i < c->labels.len && i < SY_FAILURE_LABELS_MAX; i++) {
        room->labels[ret->labels_len++] = (struct sy_failure_label){labels[i].key, labels[i].value};
        room->keys[i] = labels[i].key;
    }
    return c->is_on ? ret : NULL;
}
