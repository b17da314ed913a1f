/* SPDX-License-Identifier: Apache-2.0
 *
 * The filters and scorers that registry.c lists, each defined in the file of its name. */
#pragma once

#include "policy/policy.h"

extern const struct sy_filter sy_filter_node_unschedulable;
extern const struct sy_filter sy_filter_node_name;
extern const struct sy_filter sy_filter_taint_toleration;
extern const struct sy_filter sy_filter_node_affinity;
extern const struct sy_filter sy_filter_node_resources_fit;

extern const struct sy_scorer sy_scorer_utilization;
extern const struct sy_scorer sy_scorer_dynamic_weight;

/* Mean utilization of node, in [0,1], with the shape's pod on it: over cpu, memory and each
 * extended resource that the pod asks for. A resource that the node has none of counts as full. */
double sy_utilization_with(const struct sy_shape_view *shape, uint32_t node);

/* Sets the verdict to one reason; returns true. */
bool sy_refuse(struct sy_verdict *v, enum sy_code code, sy_sid reason);
