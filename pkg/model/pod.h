/* SPDX-License-Identifier: Apache-2.0
 *
 * The compact pod. Split in two: `struct sy_pod_spec` is what scheduling asks for and is equal for
 * all replicas of a workload, so the cluster keeps one packed copy for all of them; `struct sy_pod`
 * is what differs. Decoders fill a struct sy_pod whose pointers go into a scratch arena. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/gpu.h"
#include "model/labels.h"
#include "model/resources.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_affinity_term {        /* v1.PodAffinityTerm */
    struct sy_selector selector; /* matchLabelKeys are already merged in by the API server */
    const sy_sid *namespaces;    /* sorted by id */
    uint32_t namespaces_len;
    struct sy_selector namespace_selector;
    sy_sid topology_key;
};

struct sy_weighted_affinity_term {
    int32_t weight;
    struct sy_affinity_term term;
};

enum sy_unsatisfiable { SY_DO_NOT_SCHEDULE, SY_SCHEDULE_ANYWAY };

struct sy_spread_constraint { /* v1.TopologySpreadConstraint */
    int32_t max_skew;
    int32_t min_domains; /* 0: absent */
    sy_sid topology_key;
    uint8_t when_unsatisfiable;
    bool honor_affinity; /* nodeAffinityPolicy, default Honor (true) */
    bool honor_taints;   /* nodeTaintsPolicy, default Ignore (false) */
    struct sy_selector selector;
    const sy_sid *match_label_keys; /* in spec order */
    uint32_t match_label_keys_len;
};

enum sy_protocol { SY_PROTOCOL_TCP, SY_PROTOCOL_UDP, SY_PROTOCOL_SCTP };

struct sy_host_port {
    sy_sid ip; /* the id of "0.0.0.0" when empty */
    int32_t port;
    uint8_t protocol;
};

enum sy_volume_kind {
    SY_VOLUME_CLAIM,     /* persistentVolumeClaim: name = claim */
    SY_VOLUME_EPHEMERAL, /* generic ephemeral: name = volume; claim is <pod>-<volume> */
    SY_VOLUME_CSI,       /* inline CSI: name = driver */
    SY_VOLUME_GCE_PD,    /* name = pdName */
    SY_VOLUME_AWS_EBS,   /* name = volumeID */
    SY_VOLUME_ISCSI,     /* name = iqn, aux = target portal; lun in number */
    SY_VOLUME_RBD,       /* name = image, aux = pool; monitors in list */
    /* Disks that count against the limit of the driver that has taken them over. */
    SY_VOLUME_AZURE_DISK, /* name = diskURI */
    SY_VOLUME_CINDER,     /* name = volumeID */
    SY_VOLUME_PORTWORX,   /* name = volumeID */
};

struct sy_volume { /* only kinds that scheduling looks at; others are dropped at decode */
    uint8_t kind;
    bool read_only;
    sy_sid name;
    sy_sid aux;
    int32_t number;
    const sy_sid *list;
    uint32_t list_len;
};

struct sy_resource_claim_ref { /* v1.PodResourceClaim */
    sy_sid name;
    sy_sid claim;    /* resourceClaimName, or what status names for the template; or 0 */
    sy_sid template; /* resourceClaimTemplateName or 0 */
};

/* What one container asks for of a resource that a device class may stand for. */
struct sy_device_resource {
    sy_sid resource;
    int64_t amount; /* more than 0 */
    sy_sid container_name;
    uint16_t container; /* number, of init containers first */
    uint16_t index;     /* of the resource among all that the container requests, by text */
    uint8_t kind;       /* enum sy_container_kind */
};

/* Everything that a filter or scorer may look at in the incoming pod, besides its labels, namespace
 * and priority. Lists keep spec order unless said otherwise. */
struct sy_pod_spec {
    sy_sid scheduler_name;
    bool host_network;
    uint16_t needed_features; /* of the node: 1 << enum sy_node_feature */
    struct sy_pod_request_totals requests;
    struct sy_gpu_request gpu;
    struct sy_labels node_selector;
    struct sy_node_selector required_nodes; /* requiredDuringSchedulingIgnoredDuringExecution */
    const struct sy_preferred_node_term *preferred_nodes;
    uint32_t preferred_nodes_len;
    const struct sy_affinity_term *affinity; /* required */
    uint32_t affinity_len;
    const struct sy_weighted_affinity_term *preferred_affinity;
    uint32_t preferred_affinity_len;
    const struct sy_affinity_term *anti_affinity; /* required */
    uint32_t anti_affinity_len;
    const struct sy_weighted_affinity_term *preferred_anti_affinity;
    uint32_t preferred_anti_affinity_len;
    const struct sy_spread_constraint *spread;
    uint32_t spread_len;
    const struct sy_toleration *tolerations;
    uint32_t tolerations_len;
    const struct sy_host_port *host_ports;
    uint32_t host_ports_len;
    const sy_sid *images; /* containers then init containers */
    uint32_t images_len;
    uint32_t containers_len; /* of init and main containers, for ImageLocality */
    const struct sy_volume *volumes;
    uint32_t volumes_len;
    const struct sy_resource_claim_ref *claims;
    uint32_t claims_len;
    const struct sy_device_resource *device_resources; /* by container, then index */
    uint32_t device_resources_len;
    sy_sid scheduling_group; /* spec.schedulingGroup.podGroupName */
};

enum sy_pod_phase {
    SY_PHASE_PENDING,
    SY_PHASE_RUNNING,
    SY_PHASE_SUCCEEDED,
    SY_PHASE_FAILED,
    SY_PHASE_UNKNOWN
};
enum sy_condition {
    SY_CONDITION_ABSENT,
    SY_CONDITION_TRUE,
    SY_CONDITION_FALSE,
    SY_CONDITION_UNKNOWN
};

struct sy_pod {
    struct sy_str uid;              /* metadata.uid */
    struct sy_str name;             /* metadata.name */
    struct sy_str resource_version; /* opaque decimal */
    sy_sid ns;                      /* metadata.namespace */
    sy_sid node;                    /* spec.nodeName; 0 while unbound */
    sy_sid nominated_node;          /* status.nominatedNodeName */
    struct sy_labels labels;
    struct sy_labels annotations; /* only keys that the decode context asks for */
    uint64_t gpu_devices;         /* of its node, as bits, that its annotation names; 0: none */
    int64_t generation;           /* metadata.generation; 0 when absent */
    int64_t created_wall_ns;
    int64_t started_wall_ns;  /* status.startTime; 0 when absent */
    int64_t deleting_wall_ns; /* metadata.deletionTimestamp; 0 when absent */
    int32_t priority;
    sy_sid priority_class; /* spec.priorityClassName; 0 when absent */
    bool never_preempts;   /* preemptionPolicy: Never */
    uint8_t phase;
    uint8_t scheduled;       /* condition PodScheduled, enum sy_condition */
    uint8_t ready;           /* condition Ready */
    uint16_t gates_len;      /* spec.schedulingGates */
    sy_sid scheduled_reason; /* of condition PodScheduled */
    struct sy_str scheduled_message;
    sy_sid owner_kind; /* of the controlling owner, 0 when there is none */
    struct sy_str owner_uid;
    struct sy_pod_spec spec;
};

/* Whether a pod still takes up its node (Succeeded and Failed pods do not). */
static inline bool sy_pod_is_terminal(const struct sy_pod *pod)
{
    return pod->phase == SY_PHASE_SUCCEEDED || pod->phase == SY_PHASE_FAILED;
}

/* Appends all of spec in one fixed order, ids and numbers in binary (varints). Specs that are equal
 * in every field and list give equal bytes, and the reverse; ids are those of one string table.
 * Errors as sy_buf_add(). ~40 ns and 50 bytes for a plain pod. */
int sy_pod_spec_encode(const struct sy_pod_spec *spec, struct sy_buf *out);
/* Copies spec and all that it points to into arena. 0, -ENOMEM or -E2BIG; *ret only on success. */
int sy_pod_spec_copy(struct sy_arena *arena, const struct sy_pod_spec *spec,
                     struct sy_pod_spec *ret) SY_NODISCARD;
/* Calls mark for every string id that spec holds (for sy_strings_sweep). */
void sy_pod_spec_mark(const struct sy_pod_spec *spec, struct sy_strings *strings);
/* Appends one text line per field with all ids resolved: for tests that compare two decoders, and
 * for `explain`. Lists that the model sorts by id come out sorted by text. Errors as sy_buf_add();
 * aborts when memory ends. */
int sy_pod_dump(const struct sy_pod *pod, const struct sy_strings *strings, struct sy_buf *out);
