/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefers nodes that have the pod's images already. A large image counts for more, and one that is
 * on few nodes for less, lest all pods of a workload go to the first node that pulled it. Source:
 * kube-scheduler's ImageLocality; where nodes disagree on an image's size, each counts its own. */
#include "policy/plugins.h"

static const int64_t MIN_BYTES = 23LL << 20;
static const int64_t MAX_BYTES_PER_CONTAINER = 1000LL << 20;
/* More than any sum that counts, and far from where a sum of such could wrap. */
static const int64_t IMAGE_MAX_BYTES = 1LL << 40;

static int64_t size_on(const struct sy_node *node, sy_sid name)
{
    uint32_t low = 0, high = node->images_len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (node->images[middle].name == name)
            return node->images[middle].size_bytes;
        if (node->images[middle].name < name)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    const struct sy_cluster *c = shape->cluster;
    int64_t most = MAX_BYTES_PER_CONTAINER * shape->spec->containers_len;
    int64_t sum = 0;

    for (uint32_t i = 0; i < shape->spec->images_len; i++) {
        int64_t size = size_on(&c->nodes[node].node, shape->spec->images[i]);
        if (size <= 0)
            continue;
        size = size < IMAGE_MAX_BYTES ? size : IMAGE_MAX_BYTES;
        double spread =
            (double)sy_images_nodes(&c->images, shape->spec->images[i]) / (double)c->nodes_alive;
        sum += (int64_t)((double)size * spread);
    }
    sum = sum < most ? sum : most;
    return sum <= MIN_BYTES ? 0 : 100 * (sum - MIN_BYTES) / (most - MIN_BYTES);
}

/* An image pulled or lost by one node changes the score of all that have it, and a node that comes
 * or goes that of every node with an image. */
static uint64_t stamp(const struct sy_shape_view *shape)
{
    const struct sy_cluster *c = shape->cluster;
    uint64_t hash = 0, found = 0;

    for (uint32_t i = 0; i < shape->spec->images_len; i++) {
        uint32_t nodes = sy_images_nodes(&c->images, shape->spec->images[i]);
        hash = sy_hash_u64(hash ^ nodes);
        found |= nodes;
    }
    return found ? sy_hash_u64(hash ^ (uint64_t)c->nodes_alive << 32) : 0;
}

const struct sy_scorer sy_scorer_image_locality = {
    .name = "ImageLocality", .score = score, .stamp = stamp};
