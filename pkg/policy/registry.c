/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of filters and scorers, and the default profile. */
#include "policy/plugins.h"

#include <string.h>

/* In kube-scheduler's order: the first filter that refuses a node names the reason. */
static const struct sy_filter *const FILTERS[] = {
    &sy_filter_node_name,           &sy_filter_node_unschedulable,
    &sy_filter_taint_toleration,    &sy_filter_node_affinity,
    &sy_filter_node_ports,          &sy_filter_node_resources_fit,
    &sy_filter_volume_restrictions, &sy_filter_node_volume_limits,
    &sy_filter_volume_binding,      &sy_filter_volume_zone,
    &sy_filter_pod_topology_spread, &sy_filter_inter_pod_affinity,
    &sy_filter_dynamic_resources,   &sy_filter_node_declared_features,
    &sy_filter_load_gate,           &sy_filter_node_load,
    &sy_filter_gpu_devices,         &sy_filter_node_health,
};

static const struct sy_scorer *const SCORERS[] = {
    &sy_scorer_utilization,
    &sy_scorer_dynamic_weight,
    &sy_scorer_taint_toleration,
    &sy_scorer_node_affinity,
    &sy_scorer_node_resources_fit,
    &sy_scorer_node_resources_balanced_allocation,
    &sy_scorer_image_locality,
    &sy_scorer_pod_topology_spread,
    &sy_scorer_inter_pod_affinity,
    &sy_scorer_volume_binding,
    &sy_scorer_dynamic_resources,
    &sy_scorer_round_robin,
    &sy_scorer_least_connections,
    &sy_scorer_response_time,
    &sy_scorer_static_weights,
    &sy_scorer_gpu_fragmentation,
    &sy_scorer_fgd,
    &sy_scorer_gpu_best_fit,
    &sy_scorer_gpu_packing,
    &sy_scorer_gpu_clustering,
    &sy_scorer_dot_product,
    &sy_scorer_random,
};

const struct sy_filter *sy_filter_at(uint32_t i)
{
    return i < SY_ARRAY_LEN(FILTERS) ? FILTERS[i] : NULL;
}

const struct sy_scorer *sy_scorer_at(uint32_t i)
{
    return i < SY_ARRAY_LEN(SCORERS) ? SCORERS[i] : NULL;
}

const struct sy_filter *sy_filter_find(const char *name)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(FILTERS); i++) {
        if (strcmp(FILTERS[i]->name, name) == 0)
            return FILTERS[i];
    }
    return NULL;
}

const struct sy_scorer *sy_scorer_find(const char *name)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(SCORERS); i++) {
        if (strcmp(SCORERS[i]->name, name) == 0)
            return SCORERS[i];
    }
    return NULL;
}

void sy_policy_args_default(struct sy_policy_args *args)
{
    *args = (struct sy_policy_args){
        .fit_strategy = SY_LEAST_ALLOCATED,
        .fit_resources = {{"cpu", 1}, {"memory", 1}},
        .fit_resources_len = 2,
        .balanced_resources = {{"cpu", 1}, {"memory", 1}},
        .balanced_resources_len = 2,
        .volume_points = {{0, 10}, {100, 0}},
        .volume_points_len = 2,
        .volume_bind_timeout_s = 600,
        .claim_bind_timeout_ns = 600 * SY_NS_PER_S,
        .hard_pod_affinity_weight = 1,
        .preemption_min_candidates_percent = 10,
        .preemption_min_candidates = 100,
        .static_selection = SY_SELECT_SHARES,
        .static_label = "steelyard.dev/weight",
        .static_default = 1,
    };
}

static void add_scorer(struct sy_profile *p, const char *name, int32_t weight)
{
    const struct sy_scorer *scorer = sy_scorer_find(name);

    if (scorer)
        p->scorers[p->scorers_len++] = (struct sy_weighted_scorer){scorer, weight};
}

void sy_profile_kube(struct sy_profile *p, const char *scheduler_name)
{
    sy_profile_default(p, scheduler_name);
    p->filters_len -= 4; /* those of our own are last */
    p->scorers_len = 0;
    add_scorer(p, "TaintToleration", 3);
    add_scorer(p, "NodeAffinity", 2);
    add_scorer(p, "NodeResourcesFit", 1);
    add_scorer(p, "VolumeBinding", 1);
    add_scorer(p, "PodTopologySpread", 2);
    add_scorer(p, "InterPodAffinity", 2);
    add_scorer(p, "DynamicResources", 2);
    add_scorer(p, "NodeResourcesBalancedAllocation", 1);
    add_scorer(p, "ImageLocality", 1);
}

void sy_profile_default(struct sy_profile *p, const char *scheduler_name)
{
    *p = (struct sy_profile){.scheduler_name = scheduler_name};
    sy_policy_args_default(&p->args);
    for (uint32_t i = 0; i < SY_ARRAY_LEN(FILTERS); i++)
        p->filters[p->filters_len++] = FILTERS[i];
    add_scorer(p, "Utilization", 1);
    add_scorer(p, "DynamicWeight", 1);
    /* What a workload prefers counts as it does with kube-scheduler. */
    add_scorer(p, "TaintToleration", 3);
    add_scorer(p, "NodeAffinity", 2);
    add_scorer(p, "PodTopologySpread", 2);
    add_scorer(p, "InterPodAffinity", 2);
    add_scorer(p, "ImageLocality", 1);
}

void sy_profile_gpu(struct sy_profile *p, const char *scheduler_name)
{
    sy_profile_default(p, scheduler_name);
    p->scorers_len = 0;
    /* What HAMi's pods ask for beside nvidia.com/gpu no node has as a resource: the ledger has it.
     */
    p->args.ignored_resources[0] = "nvidia.com/gpumem";
    p->args.ignored_resources[1] = "nvidia.com/gpumem-percentage";
    p->args.ignored_resources[2] = "nvidia.com/gpucores";
    p->args.ignored_resources_len = 3;
    add_scorer(p, "GpuFragmentation", 1);
    add_scorer(p, "TaintToleration", 3);
    add_scorer(p, "NodeAffinity", 2);
    add_scorer(p, "PodTopologySpread", 2);
    add_scorer(p, "InterPodAffinity", 2);
}

void sy_profile_watch_health(struct sy_profile *p)
{
    for (uint32_t i = 0; i < p->filters_len; i++) {
        if (p->filters[i] == &sy_filter_node_health)
            return;
    }
    if (p->filters_len < SY_FILTERS_MAX)
        p->filters[p->filters_len++] = &sy_filter_node_health;
}

bool sy_profile_learns_gpus(const struct sy_profile *p)
{
    for (uint32_t i = 0; i < p->scorers_len; i++) {
        if (p->scorers[i].scorer == &sy_scorer_gpu_fragmentation ||
            p->scorers[i].scorer == &sy_scorer_fgd)
            return true;
    }
    return false;
}

void sy_policy_texts_init(struct sy_policy_texts *t, struct sy_strings *strings)
{
    *t = (struct sy_policy_texts){
        .metadata_name = sy_strings_addz(strings, "metadata.name"),
        .empty = sy_strings_addz(strings, ""),
        .too_many_pods = sy_strings_addz(strings, "Too many pods"),
        .unschedulable = sy_strings_addz(strings, "node(s) were unschedulable"),
        .node_name = sy_strings_addz(strings, "node(s) didn't match the requested node name"),
        .node_affinity =
            sy_strings_addz(strings, "node(s) didn't match Pod's node affinity/selector"),
        .untolerated_taint = sy_strings_addz(strings, "node(s) had untolerated taint(s)"),
        .no_victims = sy_strings_addz(strings, "No preemption victims found for incoming pod"),
        .preemption_no_help = sy_strings_addz(strings, "Preemption is not helpful for scheduling"),
        .not_selected_by_plugin =
            sy_strings_addz(strings, "node(s) didn't satisfy plugin(s) [NodeAffinity]"),
        .unschedulable_taint_key = sy_strings_addz(strings, "node.kubernetes.io/unschedulable"),
        .any_ip = sy_strings_addz(strings, "0.0.0.0"),
        .no_free_ports =
            sy_strings_addz(strings, "node(s) didn't have free ports for the requested pod ports"),
        .enforced_affinity =
            sy_strings_addz(strings, "node(s) didn't match scheduler-enforced node affinity"),
        .affinity_conflict = sy_strings_addz(strings, "pod affinity terms conflict"),
        .preferred_is_wrong =
            sy_strings_addz(strings, "a preferred node affinity term holds what no label can be"),
        .selector_is_wrong =
            sy_strings_addz(strings, "parsing pod: a label selector can not be converted"),
        .no_memory = sy_strings_addz(strings, "out of memory"),
        .hostname = sy_strings_addz(strings, "kubernetes.io/hostname"),
        .zone = sy_strings_addz(strings, "topology.kubernetes.io/zone"),
        .spread = sy_strings_addz(strings, "node(s) didn't match pod topology spread constraints"),
        .spread_label = sy_strings_addz(strings, "node(s) didn't match pod topology spread "
                                                 "constraints (missing required label)"),
        .affinity = sy_strings_addz(strings, "node(s) didn't match pod affinity rules"),
        .anti_affinity = sy_strings_addz(strings, "node(s) didn't match pod anti-affinity rules"),
        .namespaces_unknown = sy_strings_addz(
            strings, "pod affinity terms select namespaces by label, which can not be read"),
        .existing_anti_affinity =
            sy_strings_addz(strings, "node(s) didn't satisfy existing pods anti-affinity rules"),
        .declared_features =
            sy_strings_addz(strings, "node(s) didn't match Pod's required features"),
        .extended_unsupported =
            sy_strings_addz(strings, "a device class serves an extended resource of the pod, for "
                                     "which steelyard can not write allocations yet"),
        .gpu_devices = sy_strings_addz(strings, "node(s) had too few GPUs"),
        .gpu_free = sy_strings_addz(strings, "Insufficient unshared GPUs"),
        .gpu_milli = sy_strings_addz(strings, "Insufficient gpu-milli"),
        .gpu_memory = sy_strings_addz(strings, "Insufficient gpu-memory"),
        .gpu_overcommitted =
            sy_strings_addz(strings, "node(s) had more pods with GPUs than GPUs for them"),
        .gpu_group_size =
            sy_strings_addz(strings, "node(s) had no group of GPUs that is large enough"),
        .gpu_group = sy_strings_addz(strings, "Insufficient GPUs in one group"),
        .health_suspect = sy_strings_addz(strings, "node(s) were suspected to have failed"),
        .health_not_ready = sy_strings_addz(strings, "node(s) were not ready"),
        .health_held_down = sy_strings_addz(strings, "node(s) were held down after a failure"),
        .claims_unsupported = sy_strings_addz(
            strings, "resource claims, resource slices or device classes can not be read"),
    };
}

bool sy_refuse(struct sy_verdict *v, enum sy_code code, sy_sid reason)
{
    v->code = (uint8_t)code;
    v->reasons[0] = reason;
    v->reasons_len = 1;
    return true;
}

void sy_normalize_default(int64_t max, bool reverse, uint32_t len, int64_t *scores)
{
    int64_t largest = 0;

    for (uint32_t i = 0; i < len; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    for (uint32_t i = 0; i < len; i++) {
        if (!largest)
            scores[i] = reverse ? max : scores[i];
        else
            scores[i] = reverse ? max - scores[i] * max / largest : scores[i] * max / largest;
    }
}
