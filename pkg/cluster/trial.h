/* SPDX-License-Identifier: Apache-2.0
 *
 * What a what-if (sy_cluster_trial_begin()) did to pods, for the plugins whose answer upstream
 * hangs on what was done and not on where the pods are now. Owned by the cluster; one thread. */
#pragma once

#include "base/vec.h"
#include "model/pod.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

struct sy_trial_pod {
    uint32_t pod;
    uint32_t node;
    int sign; /* 1: put there, -1: taken away */
};

struct sy_trial_port {
    struct sy_host_port port;
    uint32_t node;
    bool is_freed;
};

struct sy_trial {
    SY_VEC(struct sy_trial_pod) pods;   /* that are not where they were before it, in no order */
    SY_VEC(struct sy_trial_port) ports; /* every change, in its order */
    SY_VEC(size_t) marks;               /* by nested trial: ports.len at its beginning */
};

/* Whether the port is free as upstream's NodeInfo has it: its ports are a set, so the last pod that
 * was taken away frees a port even where another pod there has the same. O(ports changed). */
bool sy_trial_frees_port(const struct sy_cluster *c, uint32_t node,
                         const struct sy_host_port *port);

/* For cluster.c only: what happened. */
void sy_trial_begin(struct sy_cluster *c);
void sy_trial_end(struct sy_cluster *c);
void sy_trial_note(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign);
void sy_trial_done(struct sy_cluster *c);
