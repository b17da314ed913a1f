/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is: virtual time of each node, for strategies that hand out pods in turn or in
 * proportion to weights. A node that is given something pays its cost in virtual time, and the one
 * with the least is due next; cost 1 each is round robin, demand over weight is the share that a
 * weight earns. Source: start-time fair queueing (Goyal, Vin, Cheng, 1996). Pure. */
#pragma once

#include <stdint.h>

enum sy_turn { SY_TURN_ROUND_ROBIN, SY_TURN_STATIC, SY_TURN_DYNAMIC, SY_TURNS };

struct sy_turns {
    double *pass; /* per node slot: paid so far; NULL until the first turn */
    double now;   /* where the last node that was chosen started: never goes back */
};

struct sy_cluster;

/* The node is given something that costs so much (not negative). It starts no earlier than `slack`
 * before now, so that one that was out of the race for long is not flooded: 0 where the least pass
 * is due, the cost where the least pass and cost is (one that could always take its turn then never
 * loses any). The caller has the node count as changed. */
void sy_turn_take(struct sy_cluster *c, enum sy_turn turn, uint32_t node, double cost,
                  double slack);

static inline double sy_turn_pass(const struct sy_turns *t, uint32_t node)
{
    return t->pass ? t->pass[node] : 0;
}

/* For cluster.c; forget: another node has the slot, and starts now. */
void sy_turns_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room);
void sy_turns_forget(struct sy_cluster *c, uint32_t node);
void sy_turns_done(struct sy_cluster *c);
