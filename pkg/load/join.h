/* SPDX-License-Identifier: Apache-2.0
 *
 * Which node a series is of: from the value of a label ("10.0.0.7:9100") to the node's name. Knows
 * addresses and host names as the nodes' statuses give them. No network, no clock. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum sy_load_join_by {
    SY_LOAD_BY_NAME,
    SY_LOAD_BY_INTERNAL_IP,
    SY_LOAD_BY_HOSTNAME, /* the address of that type; else the node's name */
};

struct sy_load_join;

/* One that knows no node yet. */
struct sy_load_join *sy_load_join_new(void);
void sy_load_join_free(struct sy_load_join *j); /* NULL allowed */

/* Says what a node is reached by, instead of what was said of it before; an address that another
 * node had is this one's from now on. Texts are copied. Cost: O(addresses). */
void sy_load_join_set(struct sy_load_join *j, struct sy_str node, const struct sy_str *ips,
                      size_t ips_len, struct sy_str hostname);
/* The node is gone. O(addresses). */
void sy_load_join_forget(struct sy_load_join *j, struct sy_str node);
/* Around a full list: nodes that were not set between begin and end are forgotten at end. */
void sy_load_join_replace_begin(struct sy_load_join *j);
void sy_load_join_replace_end(struct sy_load_join *j);

/* The name of the node that a label's value means; a port is cut off. out: *ret, borrowed from j or
 * value. By name all values are taken: whether there is such a node, others know. j: NULL knows no
 * addresses. */
bool sy_load_join_find(const struct sy_load_join *j, enum sy_load_join_by by, struct sy_str value,
                       struct sy_str *ret);
