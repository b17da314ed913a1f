/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheduler that stands on a snapshot: for commands that ask what it would do there. */
#pragma once

#include "app/config.h"
#include "sched/sched.h"
#include "snapshot/snapshot.h"

/* Zero it first; free with cmd_world_close(), also after an error. */
struct cmd_world {
    struct sy_strings *strings;
    struct sy_snapshot objects;
    struct sy_sched *sched;
    sy_time_ns now; /* the core's time, at which all was given */
    /* Set before opening: who hears its decisions. NULL: nobody. */
    sy_decision_fn *decide;
    void *decide_arg;
    bool with_pending; /* pods without a node are given too, and wait in its queue */
    /* Private. */
    struct sy_config config;
    struct sy_arena arena;
    struct sy_profile *profiles;
    struct sy_config_pools_room pools_room;
    struct sy_pools_options pools;
    struct sy_config_queues_room queues_room;
    struct sy_queues_options queues;
};

/* file: a snapshot, or lists or manifests as docs/snapshot.md has them; config: NULL for the
 * defaults. errors: as sy_snapshot_read(); -EINVAL for a configuration with problems, the first of
 * them in *err. */
int cmd_world_open(struct cmd_world *w, const char *file, const char *config,
                   struct sy_err *err) SY_NODISCARD;
void cmd_world_close(struct cmd_world *w);
