/* SPDX-License-Identifier: Apache-2.0
 *
 * What plugins are told: `pluginConfig` of kube-scheduler's configuration, read, checked as
 * upstream checks it, and turned into struct sy_policy_args. Source of semantics: kubernetes
 * pkg/scheduler/apis/config/v1/defaults.go, validation/validation_pluginargs.go (v1.37.2). */
#pragma once

#include "app/model_config.h"
#include "app/schema.h"
#include "base/arena.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* One element; which of the fields count follows from the name. */
struct sy_config_args {
    char *name;
    char *api_version;
    char *kind;
    /* NodeResourcesFit, NodeResourcesBalancedAllocation */
    struct sy_option_list ignored_resources;
    struct sy_option_list ignored_resource_groups;
    int64_t strategy;
    struct sy_option_list resources;
    struct sy_option_list shape;
    /* InterPodAffinity */
    int64_t hard_pod_affinity_weight;
    bool ignore_preferred_terms_of_existing_pods;
    /* PodTopologySpread */
    struct sy_option_list default_constraints;
    int64_t defaulting;
    /* NodeAffinity */
    struct sy_option_list required_terms;
    struct sy_option_list preferred_terms;
    /* DefaultPreemption */
    int64_t min_candidates_percent;
    int64_t min_candidates;
    /* VolumeBinding, DynamicResources */
    int64_t bind_timeout_ns;
    int64_t filter_timeout_ns;
    int64_t binding_timeout_ns;
    struct sy_config_model_args model; /* of our own plugins */
};

/* The table of struct sy_config_args. */
extern const struct sy_option sy_args_options[];
enum { SY_ARGS_MAX = 32 };

/* Turns all elements of a list into arguments, over what *ret holds. Names are borrowed from the
 * list, the rest goes to arena. strings: NULL leaves out what needs ids (default constraints, added
 * affinity). 0, or -ENOMEM or -E2BIG as the arena says. */
int sy_args_apply(const struct sy_option_list *list, struct sy_strings *strings,
                  struct sy_arena *arena, struct sy_policy_args *ret) SY_NODISCARD;
