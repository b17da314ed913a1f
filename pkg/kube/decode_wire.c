/* SPDX-License-Identifier: Apache-2.0
 *
 * The field tables: protobuf number = JSON name, where it goes. Numbers and names are those of
 * k8s.io/api/core/v1/generated.proto, k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto and
 * pkg/runtime/generated.proto (v0.37.2). A field that is not here is skipped unread. */
#include "kube/decode_wire.h"

/* clang-format off */

#define MESSAGE WIRE_MESSAGE
#define FIELD   WIRE_FIELD
#define SUB     WIRE_SUB

/* ---- metav1 ---------------------------------------------------------------------------------- */

static const struct wire_message owner_message = MESSAGE(wire_owner,
    [1] = FIELD(wire_owner, kind, "kind", WIRE_STR),
    [4] = FIELD(wire_owner, uid, "uid", WIRE_STR),
    [6] = FIELD(wire_owner, controller, "controller", WIRE_BOOL));

const struct wire_message sy_wire_metadata = MESSAGE(wire_metadata,
    [1] = FIELD(wire_metadata, name, "name", WIRE_STR),
    [3] = FIELD(wire_metadata, ns, "namespace", WIRE_STR),
    [5] = FIELD(wire_metadata, uid, "uid", WIRE_STR),
    [6] = FIELD(wire_metadata, resource_version, "resourceVersion", WIRE_STR),
    [7] = FIELD(wire_metadata, generation, "generation", WIRE_INT64),
    [8] = FIELD(wire_metadata, created_wall_ns, "creationTimestamp", WIRE_TIME),
    [9] = FIELD(wire_metadata, deleting_wall_ns, "deletionTimestamp", WIRE_TIME),
    [11] = FIELD(wire_metadata, labels, "labels", WIRE_STR_MAP),
    [12] = FIELD(wire_metadata, annotations, "annotations", WIRE_STR_MAP),
    [13] = SUB(wire_metadata, owners, "ownerReferences", WIRE_MSG_LIST, owner_message));

const struct wire_message sy_wire_object = MESSAGE(wire_object,
    [1] = SUB(wire_object, metadata, "metadata", WIRE_MSG, sy_wire_metadata));

const struct wire_message sy_wire_list_metadata = MESSAGE(wire_list_metadata,
    [2] = FIELD(wire_list_metadata, resource_version, "resourceVersion", WIRE_STR),
    [3] = FIELD(wire_list_metadata, continue_token, "continue", WIRE_STR));

static const struct wire_message label_requirement_message = MESSAGE(wire_requirement,
    [1] = FIELD(wire_requirement, key, "key", WIRE_STR),
    [2] = FIELD(wire_requirement, op, "operator", WIRE_STR),
    [3] = FIELD(wire_requirement, values, "values", WIRE_STR_LIST));

const struct wire_message sy_wire_selector = MESSAGE(wire_selector,
    [1] = FIELD(wire_selector, labels, "matchLabels", WIRE_STR_MAP),
    [2] = SUB(wire_selector, expressions, "matchExpressions", WIRE_MSG_LIST,
              label_requirement_message));

static const struct wire_message cause_message = MESSAGE(wire_cause,
    [1] = FIELD(wire_cause, reason, "reason", WIRE_STR),
    [2] = FIELD(wire_cause, message, "message", WIRE_STR));

static const struct wire_message status_details_message = MESSAGE(wire_status_details,
    [4] = SUB(wire_status_details, causes, "causes", WIRE_MSG_LIST, cause_message),
    [5] = FIELD(wire_status_details, retry_after_s, "retryAfterSeconds", WIRE_INT32));

const struct wire_message sy_wire_status = MESSAGE(wire_status,
    [0] = FIELD(wire_status, kind, "kind", WIRE_STR),
    [2] = FIELD(wire_status, status, "status", WIRE_STR),
    [3] = FIELD(wire_status, message, "message", WIRE_STR),
    [4] = FIELD(wire_status, reason, "reason", WIRE_STR),
    [5] = SUB(wire_status, details, "details", WIRE_MSG, status_details_message),
    [6] = FIELD(wire_status, code, "code", WIRE_INT32));

/* ---- v1.Pod ---------------------------------------------------------------------------------- */

static const struct wire_message resources_message = MESSAGE(wire_resources,
    [2] = FIELD(wire_resources, requests, "requests", WIRE_QUANTITY_MAP));

static const struct wire_message port_message = MESSAGE(wire_port,
    [2] = FIELD(wire_port, host_port, "hostPort", WIRE_INT32),
    [4] = FIELD(wire_port, protocol, "protocol", WIRE_STR),
    [5] = FIELD(wire_port, host_ip, "hostIP", WIRE_STR));

static const struct wire_message mount_message = MESSAGE(wire_mount,
    [8] = FIELD(wire_mount, options, "bindMountOptions", WIRE_STR_LIST));

static const struct wire_message restart_rule_message = MESSAGE(wire_restart_rule,
    [1] = FIELD(wire_restart_rule, action, "action", WIRE_STR));

static const struct wire_message debug_common_message = MESSAGE(wire_debug_common,
    [9] = SUB(wire_debug_common, mounts, "volumeMounts", WIRE_MSG_LIST, mount_message));

static const struct wire_message debug_container_message = MESSAGE(wire_debug_container,
    [1] = SUB(wire_debug_container, common, "", WIRE_INLINE, debug_common_message));

static const struct wire_message container_message = MESSAGE(wire_container,
    [1] = FIELD(wire_container, name, "name", WIRE_STR),
    [2] = FIELD(wire_container, image, "image", WIRE_STR),
    [6] = SUB(wire_container, ports, "ports", WIRE_MSG_LIST, port_message),
    [8] = SUB(wire_container, resources, "resources", WIRE_MSG, resources_message),
    [9] = SUB(wire_container, mounts, "volumeMounts", WIRE_MSG_LIST, mount_message),
    [24] = FIELD(wire_container, restart_policy, "restartPolicy", WIRE_STR),
    [25] = SUB(wire_container, restart_rules, "restartPolicyRules", WIRE_MSG_LIST,
               restart_rule_message));

static const struct wire_message container_status_message = MESSAGE(wire_container_status,
    [1] = FIELD(wire_container_status, name, "name", WIRE_STR),
    [10] = FIELD(wire_container_status, allocated, "allocatedResources", WIRE_QUANTITY_MAP),
    [11] = SUB(wire_container_status, resources, "resources", WIRE_MSG, resources_message));

static const struct wire_message claim_volume_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "claimName", WIRE_STR),
    [2] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message ephemeral_message = MESSAGE(wire_source,
    [0] = {0});

static const struct wire_message image_volume_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "reference", WIRE_STR));

static const struct wire_message csi_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "driver", WIRE_STR),
    [2] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

/* CinderVolumeSource and PortworxVolumeSource. */
static const struct wire_message volume_id_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "volumeID", WIRE_STR),
    [3] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message azure_disk_message = MESSAGE(wire_source,
    [2] = FIELD(wire_source, name, "diskURI", WIRE_STR),
    [5] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message gce_pd_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "pdName", WIRE_STR),
    [4] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message aws_ebs_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, name, "volumeID", WIRE_STR),
    [4] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message iscsi_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, aux, "targetPortal", WIRE_STR),
    [2] = FIELD(wire_source, name, "iqn", WIRE_STR),
    [3] = FIELD(wire_source, number, "lun", WIRE_INT32),
    [6] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message rbd_message = MESSAGE(wire_source,
    [1] = FIELD(wire_source, list, "monitors", WIRE_STR_LIST),
    [2] = FIELD(wire_source, name, "image", WIRE_STR),
    [4] = FIELD(wire_source, aux, "pool", WIRE_STR),
    [8] = FIELD(wire_source, read_only, "readOnly", WIRE_BOOL));

static const struct wire_message volume_source_message = MESSAGE(wire_volume_source,
    [3] = SUB(wire_volume_source, gce_pd, "gcePersistentDisk", WIRE_MSG, gce_pd_message),
    [4] = SUB(wire_volume_source, aws_ebs, "awsElasticBlockStore", WIRE_MSG, aws_ebs_message),
    [8] = SUB(wire_volume_source, iscsi, "iscsi", WIRE_MSG, iscsi_message),
    [10] = SUB(wire_volume_source, claim, "persistentVolumeClaim", WIRE_MSG, claim_volume_message),
    [11] = SUB(wire_volume_source, rbd, "rbd", WIRE_MSG, rbd_message),
    [13] = SUB(wire_volume_source, cinder, "cinder", WIRE_MSG, volume_id_message),
    [22] = SUB(wire_volume_source, azure_disk, "azureDisk", WIRE_MSG, azure_disk_message),
    [24] = SUB(wire_volume_source, portworx, "portworxVolume", WIRE_MSG, volume_id_message),
    [28] = SUB(wire_volume_source, csi, "csi", WIRE_MSG, csi_message),
    [29] = SUB(wire_volume_source, ephemeral, "ephemeral", WIRE_MSG, ephemeral_message),
    [30] = SUB(wire_volume_source, image, "image", WIRE_MSG, image_volume_message));

static const struct wire_message volume_message = MESSAGE(wire_volume,
    [1] = FIELD(wire_volume, name, "name", WIRE_STR),
    [2] = SUB(wire_volume, source, "", WIRE_INLINE, volume_source_message));

static const struct wire_message node_requirement_message = MESSAGE(wire_requirement,
    [1] = FIELD(wire_requirement, key, "key", WIRE_STR),
    [2] = FIELD(wire_requirement, op, "operator", WIRE_STR),
    [3] = FIELD(wire_requirement, values, "values", WIRE_STR_LIST));

static const struct wire_message node_term_message = MESSAGE(wire_node_term,
    [1] = SUB(wire_node_term, expressions, "matchExpressions", WIRE_MSG_LIST,
              node_requirement_message),
    [2] = SUB(wire_node_term, fields, "matchFields", WIRE_MSG_LIST, node_requirement_message));

const struct wire_message sy_wire_node_selector = MESSAGE(wire_node_selector,
    [1] = SUB(wire_node_selector, terms, "nodeSelectorTerms", WIRE_MSG_LIST, node_term_message));

static const struct wire_message preferred_node_term_message = MESSAGE(wire_preferred_node_term,
    [1] = FIELD(wire_preferred_node_term, weight, "weight", WIRE_INT32),
    [2] = SUB(wire_preferred_node_term, preference, "preference", WIRE_MSG, node_term_message));

static const struct wire_message node_affinity_message = MESSAGE(wire_node_affinity,
    [1] = SUB(wire_node_affinity, required, "requiredDuringSchedulingIgnoredDuringExecution",
              WIRE_MSG, sy_wire_node_selector),
    [2] = SUB(wire_node_affinity, preferred, "preferredDuringSchedulingIgnoredDuringExecution",
              WIRE_MSG_LIST, preferred_node_term_message));

static const struct wire_message affinity_term_message = MESSAGE(wire_affinity_term,
    [1] = SUB(wire_affinity_term, selector, "labelSelector", WIRE_MSG, sy_wire_selector),
    [2] = FIELD(wire_affinity_term, namespaces, "namespaces", WIRE_STR_LIST),
    [3] = FIELD(wire_affinity_term, topology_key, "topologyKey", WIRE_STR),
    [4] = SUB(wire_affinity_term, namespace_selector, "namespaceSelector", WIRE_MSG,
              sy_wire_selector));

static const struct wire_message weighted_term_message = MESSAGE(wire_weighted_term,
    [1] = FIELD(wire_weighted_term, weight, "weight", WIRE_INT32),
    [2] = SUB(wire_weighted_term, term, "podAffinityTerm", WIRE_MSG, affinity_term_message));

/* v1.PodAffinity and v1.PodAntiAffinity. */
static const struct wire_message pod_affinity_message = MESSAGE(wire_pod_affinity,
    [1] = SUB(wire_pod_affinity, required, "requiredDuringSchedulingIgnoredDuringExecution",
              WIRE_MSG_LIST, affinity_term_message),
    [2] = SUB(wire_pod_affinity, preferred, "preferredDuringSchedulingIgnoredDuringExecution",
              WIRE_MSG_LIST, weighted_term_message));

static const struct wire_message affinity_message = MESSAGE(wire_affinity,
    [1] = SUB(wire_affinity, node, "nodeAffinity", WIRE_MSG, node_affinity_message),
    [2] = SUB(wire_affinity, pod, "podAffinity", WIRE_MSG, pod_affinity_message),
    [3] = SUB(wire_affinity, anti, "podAntiAffinity", WIRE_MSG, pod_affinity_message));

static const struct wire_message toleration_message = MESSAGE(wire_toleration,
    [1] = FIELD(wire_toleration, key, "key", WIRE_STR),
    [2] = FIELD(wire_toleration, op, "operator", WIRE_STR),
    [3] = FIELD(wire_toleration, value, "value", WIRE_STR),
    [4] = FIELD(wire_toleration, effect, "effect", WIRE_STR));

static const struct wire_message spread_message = MESSAGE(wire_spread,
    [1] = FIELD(wire_spread, max_skew, "maxSkew", WIRE_INT32),
    [2] = FIELD(wire_spread, topology_key, "topologyKey", WIRE_STR),
    [3] = FIELD(wire_spread, when_unsatisfiable, "whenUnsatisfiable", WIRE_STR),
    [4] = SUB(wire_spread, selector, "labelSelector", WIRE_MSG, sy_wire_selector),
    [5] = FIELD(wire_spread, min_domains, "minDomains", WIRE_INT32),
    [6] = FIELD(wire_spread, node_affinity_policy, "nodeAffinityPolicy", WIRE_STR),
    [7] = FIELD(wire_spread, node_taints_policy, "nodeTaintsPolicy", WIRE_STR),
    [8] = FIELD(wire_spread, match_label_keys, "matchLabelKeys", WIRE_STR_LIST));

static const struct wire_message gate_message = MESSAGE(wire_gate,
    [0] = {0});

static const struct wire_message claim_message = MESSAGE(wire_claim,
    [1] = FIELD(wire_claim, name, "name", WIRE_STR),
    [3] = FIELD(wire_claim, claim, "resourceClaimName", WIRE_STR),
    [4] = FIELD(wire_claim, template, "resourceClaimTemplateName", WIRE_STR));

static const struct wire_message group_message = MESSAGE(wire_group,
    [1] = FIELD(wire_group, name, "podGroupName", WIRE_STR));

static const struct wire_message pod_spec_message = MESSAGE(wire_pod_spec,
    [1] = SUB(wire_pod_spec, volumes, "volumes", WIRE_MSG_LIST, volume_message),
    [2] = SUB(wire_pod_spec, containers, "containers", WIRE_MSG_LIST, container_message),
    [7] = FIELD(wire_pod_spec, node_selector, "nodeSelector", WIRE_STR_MAP),
    [10] = FIELD(wire_pod_spec, node_name, "nodeName", WIRE_STR),
    [11] = FIELD(wire_pod_spec, host_network, "hostNetwork", WIRE_BOOL),
    [18] = SUB(wire_pod_spec, affinity, "affinity", WIRE_MSG, affinity_message),
    [19] = FIELD(wire_pod_spec, scheduler_name, "schedulerName", WIRE_STR),
    [20] = SUB(wire_pod_spec, init_containers, "initContainers", WIRE_MSG_LIST, container_message),
    [22] = SUB(wire_pod_spec, tolerations, "tolerations", WIRE_MSG_LIST, toleration_message),
    [24] = FIELD(wire_pod_spec, priority_class, "priorityClassName", WIRE_STR),
    [25] = FIELD(wire_pod_spec, priority, "priority", WIRE_INT32),
    [31] = FIELD(wire_pod_spec, preemption_policy, "preemptionPolicy", WIRE_STR),
    [32] = FIELD(wire_pod_spec, overhead, "overhead", WIRE_QUANTITY_MAP),
    [33] = SUB(wire_pod_spec, spread, "topologySpreadConstraints", WIRE_MSG_LIST, spread_message),
    [34] = SUB(wire_pod_spec, debug_containers, "ephemeralContainers", WIRE_MSG_LIST,
               debug_container_message),
    [37] = FIELD(wire_pod_spec, host_users, "hostUsers", WIRE_OPT_BOOL),
    [38] = SUB(wire_pod_spec, gates, "schedulingGates", WIRE_MSG_LIST, gate_message),
    [39] = SUB(wire_pod_spec, claims, "resourceClaims", WIRE_MSG_LIST, claim_message),
    [40] = SUB(wire_pod_spec, resources, "resources", WIRE_MSG, resources_message),
    [43] = SUB(wire_pod_spec, group, "schedulingGroup", WIRE_MSG, group_message));

static const struct wire_message pod_condition_message = MESSAGE(wire_condition,
    [1] = FIELD(wire_condition, type, "type", WIRE_STR),
    [2] = FIELD(wire_condition, status, "status", WIRE_STR),
    [5] = FIELD(wire_condition, reason, "reason", WIRE_STR),
    [6] = FIELD(wire_condition, message, "message", WIRE_STR));

static const struct wire_message claim_status_message = MESSAGE(wire_claim,
    [1] = FIELD(wire_claim, name, "name", WIRE_STR),
    [2] = FIELD(wire_claim, claim, "resourceClaimName", WIRE_STR));

static const struct wire_message pod_status_message = MESSAGE(wire_pod_status,
    [1] = FIELD(wire_pod_status, phase, "phase", WIRE_STR),
    [2] = SUB(wire_pod_status, conditions, "conditions", WIRE_MSG_LIST, pod_condition_message),
    [7] = FIELD(wire_pod_status, started_wall_ns, "startTime", WIRE_TIME),
    [8] = SUB(wire_pod_status, container_statuses, "containerStatuses", WIRE_MSG_LIST,
              container_status_message),
    [10] = SUB(wire_pod_status, init_container_statuses, "initContainerStatuses", WIRE_MSG_LIST,
               container_status_message),
    [11] = FIELD(wire_pod_status, nominated_node, "nominatedNodeName", WIRE_STR),
    [15] = SUB(wire_pod_status, claims, "resourceClaimStatuses", WIRE_MSG_LIST,
               claim_status_message),
    [19] = FIELD(wire_pod_status, allocated, "allocatedResources", WIRE_QUANTITY_MAP),
    [20] = SUB(wire_pod_status, resources, "resources", WIRE_MSG, resources_message));

const struct wire_message sy_wire_pod = MESSAGE(wire_pod,
    [1] = SUB(wire_pod, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_pod, spec, "spec", WIRE_MSG, pod_spec_message),
    [3] = SUB(wire_pod, status, "status", WIRE_MSG, pod_status_message));

/* ---- v1.Node --------------------------------------------------------------------------------- */

static const struct wire_message taint_message = MESSAGE(wire_taint,
    [1] = FIELD(wire_taint, key, "key", WIRE_STR),
    [2] = FIELD(wire_taint, value, "value", WIRE_STR),
    [3] = FIELD(wire_taint, effect, "effect", WIRE_STR));

static const struct wire_message node_spec_message = MESSAGE(wire_node_spec,
    [4] = FIELD(wire_node_spec, unschedulable, "unschedulable", WIRE_BOOL),
    [5] = SUB(wire_node_spec, taints, "taints", WIRE_MSG_LIST, taint_message));

static const struct wire_message node_condition_message = MESSAGE(wire_condition,
    [1] = FIELD(wire_condition, type, "type", WIRE_STR),
    [2] = FIELD(wire_condition, status, "status", WIRE_STR),
    [4] = FIELD(wire_condition, changed_wall_ns, "lastTransitionTime", WIRE_TIME));

static const struct wire_message image_message = MESSAGE(wire_image,
    [1] = FIELD(wire_image, names, "names", WIRE_STR_LIST),
    [2] = FIELD(wire_image, size_bytes, "sizeBytes", WIRE_INT64));

static const struct wire_message address_message = MESSAGE(wire_address,
    [1] = FIELD(wire_address, type, "type", WIRE_STR),
    [2] = FIELD(wire_address, address, "address", WIRE_STR));

static const struct wire_message node_status_message = MESSAGE(wire_node_status,
    [1] = FIELD(wire_node_status, capacity, "capacity", WIRE_QUANTITY_MAP),
    [2] = FIELD(wire_node_status, allocatable, "allocatable", WIRE_QUANTITY_MAP),
    [4] = SUB(wire_node_status, conditions, "conditions", WIRE_MSG_LIST, node_condition_message),
    [5] = SUB(wire_node_status, addresses, "addresses", WIRE_MSG_LIST, address_message),
    [8] = SUB(wire_node_status, images, "images", WIRE_MSG_LIST, image_message),
    [14] = FIELD(wire_node_status, features, "declaredFeatures", WIRE_STR_LIST));

const struct wire_message sy_wire_node = MESSAGE(wire_node,
    [1] = SUB(wire_node, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_node, spec, "spec", WIRE_MSG, node_spec_message),
    [3] = SUB(wire_node, status, "status", WIRE_MSG, node_status_message));
