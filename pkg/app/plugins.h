/* SPDX-License-Identifier: Apache-2.0
 *
 * Which plugins a profile runs: `plugins` of kube-scheduler's configuration, for each extension
 * point what is enabled and disabled, and upstream's rules for merging that with the defaults. What
 * plugins are told beside that belongs in plugin_args.h. Source of semantics: kubernetes
 * pkg/scheduler/apis/config/v1/default_plugins.go, framework/runtime/framework.go (v1.37.2). */
#pragma once

#include "app/schema.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define SY_KUBE_API_VERSION "kubescheduler.config.k8s.io/v1"

enum sy_point {
    SY_POINT_MULTI,
    SY_POINT_PRE_ENQUEUE,
    SY_POINT_QUEUE_SORT,
    SY_POINT_PRE_FILTER,
    SY_POINT_FILTER,
    SY_POINT_POST_FILTER,
    SY_POINT_PRE_SCORE,
    SY_POINT_SCORE,
    SY_POINT_RESERVE,
    SY_POINT_PERMIT,
    SY_POINT_PRE_BIND,
    SY_POINT_BIND,
    SY_POINT_POST_BIND,
    SY_POINT_PLACEMENT_GENERATE,
    SY_POINT_PLACEMENT_SCORE,
    SY_POINT_POD_GROUP_POST_FILTER,
    SY_POINTS,
};

struct sy_config_plugin {
    char *name;
    int64_t weight; /* 0: 1 */
};

struct sy_config_plugin_set {
    struct sy_option_list enabled;  /* struct sy_config_plugin */
    struct sy_option_list disabled; /* the same; "*" is all */
};

struct sy_config_plugins {
    struct sy_config_plugin_set points[SY_POINTS];
};

/* The table of struct sy_config_plugins. */
extern const struct sy_option sy_plugins_options[];

/* Sets the filters and scorers of *ret, and whether it preempts, to the defaults merged with c.
 * is_kube: the defaults of sy_profile_kube(), else of sy_profile_default(). name: the profile's,
 * for messages. at: where `plugins` was read; what is wrong or without effect is added there; NULL:
 * nobody wants to know. */
void sy_plugins_apply(const struct sy_config_plugins *c, bool is_kube, const char *name,
                      const struct sy_schema_at *at, struct sy_profile *ret);

/* Whether kube-scheduler or we have a plugin of that name, whatever it does. */
bool sy_plugin_is_known(const char *name);
