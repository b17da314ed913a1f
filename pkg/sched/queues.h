/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to be seen of the queues that share the cluster, beside cluster/shares.h: for endpoints
 * and metrics; decides nothing. Loop thread. */
#pragma once

#include "sched/sched.h"

/* Pods of a leaf that wait, by what they wait for. */
struct sy_queue_waiting {
    uint32_t quota; /* a limit, or what is guaranteed to another queue, stands in the way */
    uint32_t room;  /* no node has room for it */
    uint32_t gang;  /* its gang is not complete, or has no room */
    uint32_t turn;  /* to be looked at, now or after a backoff */
};

/* ret: one for each of sy_shares.all. O(pods that wait). */
void sy_sched_queues_waiting(struct sy_sched *s, struct sy_queue_waiting *ret);
