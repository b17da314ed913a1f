/* SPDX-License-Identifier: Apache-2.0
 *
 * Which APIs of PodGroups the server has, by discovery: asked at the start, and again every half
 * minute for those that it does not have, so that one installed later is found. Watching them is
 * for feed.h. */
#pragma once

#include "kube/client.h"
#include "model/group.h"

struct sy_groups;

struct sy_groups_options {
    struct sy_kube *kube; /* borrowed */
    /* api: "GROUP/VERSION" that has podgroups, borrowed; NULL: the server has none. May come again
     * with another. Never from inside sy_groups_new(); must not free it. */
    void (*on_known)(void *arg, uint8_t source, const char *api);
    void *arg;
};

/* Starts to ask. To be freed before the client. Loop thread. */
struct sy_groups *sy_groups_new(const struct sy_groups_options *options);
void sy_groups_free(struct sy_groups *g); /* NULL allowed */
/* Whether each API was found to be there or not. */
bool sy_groups_are_known(const struct sy_groups *g);
/* An API that was found is gone, as its watch says: it is asked for again. */
void sy_groups_lost(struct sy_groups *g, uint8_t source);
