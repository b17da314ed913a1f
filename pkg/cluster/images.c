/* SPDX-License-Identifier: Apache-2.0
 *
 * Images that nodes have. Names are marked by the nodes that hold them. */
#include "cluster/images.h"

#include "cluster/cluster.h"

static bool has_name(const void *arg, const void *key, uint32_t value)
{
    const struct sy_images *images = arg;

    return images->all.p[value].name == *(const sy_sid *)key;
}

static uint32_t find(const struct sy_images *images, sy_sid name)
{
    return sy_map_get(&images->by_name, sy_hash_u64(name), has_name, images, &name);
}

uint32_t sy_images_nodes(const struct sy_images *images, sy_sid name)
{
    uint32_t i = find(images, name);

    return i == SY_MAP_NONE ? 0 : images->all.p[i].nodes;
}

static void add_one(struct sy_images *images, sy_sid name)
{
    uint32_t i = find(images, name);

    if (i == SY_MAP_NONE) {
        i = (uint32_t)images->all.len;
        sy_vec_push(&images->all, (struct sy_image_count){.name = name});
        sy_map_add(&images->by_name, sy_hash_u64(name), i);
    }
    images->all.p[i].nodes++;
}

static void take_one(struct sy_images *images, sy_sid name)
{
    uint32_t i = find(images, name);
    uint32_t last = (uint32_t)images->all.len - 1;

    if (i == SY_MAP_NONE || --images->all.p[i].nodes)
        return;
    sy_map_del(&images->by_name, sy_hash_u64(name), i);
    if (i != last)
        sy_map_move(&images->by_name, sy_hash_u64(images->all.p[last].name), last, i);
    sy_vec_swap_remove(&images->all, i);
}

void sy_images_count(struct sy_images *images, const struct sy_node *node, int sign)
{
    for (uint32_t i = 0; i < node->images_len; i++) {
        if (sign > 0)
            add_one(images, node->images[i].name);
        else
            take_one(images, node->images[i].name);
    }
}

void sy_images_done(struct sy_images *images)
{
    sy_vec_done(&images->all);
    sy_map_done(&images->by_name);
}

bool sy_images_audit(const struct sy_cluster *c)
{
    struct sy_images right = {0};

    for (uint32_t i = 0; i < c->nodes_len; i++) {
        if (sy_cluster_node_is_alive(c, i))
            sy_images_count(&right, &c->nodes[i].node, 1);
    }
    bool same = right.all.len == c->images.all.len;
    for (size_t i = 0; i < right.all.len && same; i++)
        same = sy_images_nodes(&c->images, right.all.p[i].name) == right.all.p[i].nodes;
    sy_images_done(&right);
    return same;
}
