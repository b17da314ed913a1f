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
    /* Private. */
    struct sy_config config;
    struct sy_arena arena;
    struct sy_profile *profiles;
    uint32_t profiles_len;
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
/* Gives the pods that have no node too, the oldest first: they are in its queue then. One that
 * names a scheduler that is not there gets the first profile. errors: -ENOMEM, -E2BIG. */
int cmd_world_add_pending(struct cmd_world *w, struct sy_err *err) SY_NODISCARD;
void cmd_world_close(struct cmd_world *w);
