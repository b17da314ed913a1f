/* SPDX-License-Identifier: Apache-2.0
 *
 * How many alive nodes have each container image, kept up to date as nodes come, change and go. A
 * node reports some 50 images, so 5,000 nodes hold a few thousand names. One thread. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "model/node.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

struct sy_image_count {
    sy_sid name;
    uint32_t nodes;
};

struct sy_images {
    SY_VEC(struct sy_image_count) all; /* dense, in no order; no zeros */
    struct sy_map by_name;
};

/* Nodes that have an image of this name; 0 for one that nobody has. O(1). */
uint32_t sy_images_nodes(const struct sy_images *images, sy_sid name);

/* For cluster.c only: a node with these images came (1) or went (-1). O(images of the node). */
void sy_images_count(struct sy_images *images, const struct sy_node *node, int sign);
void sy_images_done(struct sy_images *images);
/* Whether the counts equal what the alive nodes say. O(images of all nodes). */
bool sy_images_audit(const struct sy_cluster *c);
