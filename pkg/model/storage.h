/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes, claims and what describes storage, as compact structs. Decoders fill them with pointers
 * into a scratch arena; the cluster keeps packed copies. A name that may be absent is 0 then; so is
 * an empty one, which the API takes for the same thing. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stdint.h>

enum sy_access_modes { /* a mask */
                       SY_ACCESS_RWO = 1 << 0,
                       SY_ACCESS_ROX = 1 << 1,
                       SY_ACCESS_RWX = 1 << 2,
                       SY_ACCESS_RWOP = 1 << 3,
                       SY_ACCESS_OTHER =
                           1 << 7, /* a mode that we do not know: no volume has the same */
};

enum sy_volume_phase { SY_VOLUME_AVAILABLE, SY_VOLUME_OTHER_PHASE };

/* Kinds of volumes that Kubernetes knew before CSI and that a driver serves now. Bits of
 * sy_csi_node.migrated are 1 << these. */
enum sy_in_tree {
    SY_IN_TREE_NONE,
    SY_IN_TREE_AWS_EBS,
    SY_IN_TREE_GCE_PD,
    SY_IN_TREE_CINDER,
    SY_IN_TREE_AZURE_DISK,
    SY_IN_TREE_PORTWORX,
    SY_IN_TREE_LEN,
};

/* Which claim a volume is for. */
struct sy_claim_ref {
    bool is_set;
    sy_sid ns;
    sy_sid name;
    struct sy_str uid; /* empty: reserved by name alone */
};

struct sy_pv { /* v1.PersistentVolume */
    struct sy_str uid;
    struct sy_str resource_version;
    sy_sid name;
    struct sy_labels labels;
    sy_sid class; /* of the beta annotation where there is one */
    int64_t capacity_bytes;
    uint8_t access; /* enum sy_access_modes */
    uint8_t phase;  /* enum sy_volume_phase */
    bool is_block;  /* volumeMode Block, else Filesystem */
    bool is_deleting;
    bool bound_by_controller; /* annotation pv.kubernetes.io/bound-by-controller */
    sy_sid attributes_class;  /* volumeAttributesClassName */
    struct sy_claim_ref claim;
    struct sy_node_selector affinity; /* nodeAffinity.required */
    sy_sid driver;                    /* csi.driver */
    sy_sid handle;                    /* csi.volumeHandle, or what it would be */
    uint8_t in_tree;                  /* enum sy_in_tree, when driver is 0 */
    /* Of an in-tree kind: the affinity on nodes where its driver has taken over. */
    struct sy_node_selector affinity_of_driver;
};

struct sy_pvc { /* v1.PersistentVolumeClaim */
    struct sy_str uid;
    struct sy_str resource_version;
    sy_sid ns;
    sy_sid name;
    sy_sid class; /* of the beta annotation where there is one */
    sy_sid volume;
    int64_t request_bytes;
    bool has_request; /* resources.requests has storage */
    uint8_t access;   /* enum sy_access_modes */
    bool is_block;
    bool is_lost; /* status.phase */
    bool is_deleting;
    bool bind_completed;    /* annotation pv.kubernetes.io/bind-completed */
    bool has_selected_node; /* annotation volume.kubernetes.io/selected-node */
    sy_sid selected_node;
    sy_sid attributes_class;
    struct sy_selector selector; /* nil: all volumes */
    struct sy_str owner_uid;     /* of the controlling owner */
};

enum sy_binding_mode { SY_BINDING_UNSET, SY_BINDING_IMMEDIATE, SY_BINDING_WAIT };

struct sy_storage_class { /* v1.StorageClass */
    struct sy_str resource_version;
    sy_sid name;
    sy_sid provisioner;
    uint8_t mode;                       /* enum sy_binding_mode */
    bool cannot_provision;              /* no provisioner, or kubernetes.io/no-provisioner */
    uint8_t in_tree;                    /* what the provisioner's name stands for */
    struct sy_node_selector topologies; /* allowedTopologies; not set when there are none */
};

struct sy_csi_node_driver {
    sy_sid name;
    bool has_limit;
    int32_t limit; /* allocatable.count */
};

struct sy_csi_node { /* v1.CSINode: one for each node, of its name */
    struct sy_str resource_version;
    sy_sid name;
    uint32_t migrated; /* annotation storage.alpha.kubernetes.io/migrated-plugins: 1 << in_tree */
    const struct sy_csi_node_driver *drivers;
    uint32_t drivers_len;
};

struct sy_csi_driver { /* v1.CSIDriver */
    struct sy_str resource_version;
    sy_sid name;
    bool tracks_capacity; /* storageCapacity */
    bool must_be_on_node; /* preventPodSchedulingIfMissing */
};

struct sy_csi_capacity { /* v1.CSIStorageCapacity */
    struct sy_str resource_version;
    sy_sid ns;
    sy_sid name;
    sy_sid class;
    struct sy_selector topology; /* over nodes' labels; nil: reachable from nowhere */
    bool has_capacity;
    bool has_maximum;
    int64_t capacity_bytes;
    int64_t maximum_bytes; /* of one volume */
};

struct sy_volume_attachment { /* v1.VolumeAttachment */
    struct sy_str resource_version;
    sy_sid name;
    sy_sid attacher;
    sy_sid node;
    sy_sid volume; /* source.persistentVolumeName */
};

enum sy_storage_kind {
    SY_STORAGE_VOLUME,     /* struct sy_pv */
    SY_STORAGE_CLAIM,      /* struct sy_pvc */
    SY_STORAGE_CLASS,      /* struct sy_storage_class */
    SY_STORAGE_NODE,       /* struct sy_csi_node */
    SY_STORAGE_DRIVER,     /* struct sy_csi_driver */
    SY_STORAGE_CAPACITY,   /* struct sy_csi_capacity */
    SY_STORAGE_ATTACHMENT, /* struct sy_volume_attachment */
    SY_STORAGE_KINDS,
};

/* Room for one object of any kind. */
union sy_storage_object {
    struct sy_pv volume;
    struct sy_pvc claim;
    struct sy_storage_class class;
    struct sy_csi_node node;
    struct sy_csi_driver driver;
    struct sy_csi_capacity capacity;
    struct sy_volume_attachment attachment;
};

/* What all kinds have: ns is 0 where there is none. Borrowed. */
struct sy_storage_identity {
    sy_sid ns;
    sy_sid name;
    struct sy_str resource_version;
};
struct sy_storage_identity sy_storage_identity(enum sy_storage_kind kind, const void *object);

/* Copies the object and all that it points to into arena. object and *ret: the kind's struct.
 * 0, -ENOMEM or -E2BIG; *ret only on success. */
int sy_storage_copy(enum sy_storage_kind kind, struct sy_arena *arena, const void *object,
                    union sy_storage_object *ret) SY_NODISCARD;
/* Marks every string id that the object holds, for sy_strings_sweep(). */
void sy_storage_mark(enum sy_storage_kind kind, const void *object, struct sy_strings *strings);
/* As sy_pod_dump(). */
int sy_storage_dump(enum sy_storage_kind kind, const void *object, const struct sy_strings *strings,
                    struct sy_buf *out);

/* The name that Kubernetes gives an in-tree kind ("kubernetes.io/aws-ebs"), "" for none; and the
 * CSI driver that serves it. */
const char *sy_in_tree_name(enum sy_in_tree kind);
const char *sy_in_tree_driver(enum sy_in_tree kind);
enum sy_in_tree sy_in_tree_by_name(struct sy_str name);
/* The CSI handle of a volume that a pod names itself by its in-tree name; 0 when there is none.
 * Source: k8s.io/csi-translation-lib/plugins (v0.37.2). */
sy_sid sy_in_tree_handle(struct sy_strings *strings, enum sy_in_tree kind, sy_sid name);
