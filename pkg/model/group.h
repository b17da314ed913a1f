/* SPDX-License-Identifier: Apache-2.0
 *
 * The group (gang) that a pod says it belongs to, in the words of the schedulers that have such
 * groups, what the pod says of the group, and what the group's own object (PodGroup) does. */
#pragma once

#include "model/pod.h"

enum sy_group_source { /* of several in one pod, the first here counts */
                       SY_GROUP_NONE,
                       SY_GROUP_NATIVE,     /* spec.schedulingGroup.podGroupName */
                       SY_GROUP_LABEL,      /* label steelyard.dev/pod-group */
                       SY_GROUP_COSCHEDULE, /* label scheduling.x-k8s.io/pod-group */
                       SY_GROUP_VOLCANO,    /* annotation scheduling.k8s.io/group-name, or under
                                               volcano.sh */
                       SY_GROUP_KAI,        /* annotation pod-group-name */
                       SY_GROUP_SOURCES,
};

/* A PodGroup object of one of the APIs that have them. */
struct sy_group_object {
    uint8_t source;     /* enum sy_group_source; whose pods name it */
    bool is_single;     /* it asks for no gang: its pods go one by one */
    bool was_scheduled; /* its status says that it has been, once */
    sy_sid ns, name;
    struct sy_str uid;
    int64_t generation;
    uint32_t min_members; /* 0: it does not say */
    int64_t timeout_ns;   /* 0: not said */
    sy_sid topology_key;  /* 0: none */
    bool topology_is_required;
    sy_sid phase; /* of its status; 0: none, or the API has none */
};

struct sy_pod_group {
    uint8_t source; /* SY_GROUP_NONE: the pod is in no group, and all else is 0 */
    bool is_malformed;
    bool topology_is_required; /* else it is preferred */
    sy_sid name;               /* within the pod's namespace and the source */
    uint32_t min_members;      /* 0: the pod does not say */
    sy_sid topology_key;       /* label of nodes; all members on nodes of one value; 0: none */
    int64_t timeout_ns;        /* 0: not said */
};

/* Ids of all keys that are looked at. */
enum { SY_GROUP_KEYS = 12 };
struct sy_group_keys {
    sy_sid ids[SY_GROUP_KEYS];
};

/* The annotations that a decoder must keep, NULL-terminated (sy_decode.annotation_keys). */
extern const char *const sy_group_annotations[];

void sy_group_keys_init(struct sy_group_keys *keys, struct sy_strings *strings);
void sy_group_keys_mark(const struct sy_group_keys *keys, struct sy_strings *strings);

/* Whether there are PodGroup objects for groups that are named in this way. */
bool sy_group_has_objects(uint8_t source);
/* API group, version and resource of these objects; NULL without. version: NULL where it has to be
 * found by discovery. */
const char *sy_group_api(uint8_t source, const char **ret_version);

/* Reads the group of a pod. A minimum that is no number from 1, or a timeout that is no duration,
 * makes it malformed: the group is known, its terms are not. *ret is always written. O(labels);
 * nothing is allocated. */
void sy_group_of_pod(const struct sy_group_keys *keys, const struct sy_strings *strings,
                     const struct sy_pod *pod, struct sy_pod_group *ret);
