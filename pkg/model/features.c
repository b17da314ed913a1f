/* SPDX-License-Identifier: Apache-2.0 */
#include "model/features.h"

#include <string.h>

static const char *const NAMES[SY_NODE_FEATURES] = {
    [SY_FEATURE_DRA_NODE_ALLOCATABLE_RESOURCES] = "DRANodeAllocatableResources",
    [SY_FEATURE_DRA_OPTIONAL_NODE_OPERATIONS] = "DRAOptionalNodeOperations",
    [SY_FEATURE_EXTEND_WEBSOCKETS_TO_KUBELET] = "ExtendWebSocketsToKubelet",
    [SY_FEATURE_POD_LEVEL_RESIZE] = "InPlacePodLevelResourcesVerticalScaling",
    [SY_FEATURE_INIT_CONTAINERS_RESIZE] = "InPlacePodVerticalScalingInitContainers",
    [SY_FEATURE_MEMORY_VOLUMES_RESIZE] = "InPlacePodVerticalScalingMemoryBackedVolumes",
    [SY_FEATURE_RESTART_ALL_CONTAINERS] = "RestartAllContainersOnContainerExits",
    [SY_FEATURE_USER_NAMESPACES_HOST_NETWORK] = "UserNamespacesHostNetworkSupport",
    [SY_FEATURE_BIND_MOUNT_OPTIONS] = "VolumeBindMountOptions",
};

static int compare(struct sy_str a, const char *z)
{
    size_t len = strlen(z);
    int r = a.len ? memcmp(a.p, z, a.len < len ? a.len : len) : 0;

    return r ? r : (a.len > len) - (a.len < len);
}

void sy_features_take(struct sy_features *f, struct sy_str name)
{
    /* Names before the next known one are skipped; those after it move on to it. */
    while (f->next < SY_NODE_FEATURES) {
        int r = compare(name, NAMES[f->next]);
        if (r < 0)
            return;
        f->next++;
        if (r == 0) {
            f->set |= (uint16_t)(1U << (f->next - 1));
            return;
        }
    }
}
