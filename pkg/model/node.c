/* SPDX-License-Identifier: Apache-2.0 */
#include "model/node.h"

#include "base/mem.h"
#include "model/gpu.h"
#include "model/walk.h"

#include <inttypes.h>

int sy_node_copy(struct sy_arena *arena, const struct sy_node *node, struct sy_node *ret)
{
    struct sy_copier c = {.arena = arena};
    struct sy_node copy = *node;

    copy.uid = sy_copy_str(&c, node->uid);
    copy.resource_version = sy_copy_str(&c, node->resource_version);
    copy.labels = sy_copy_labels(&c, node->labels);
    copy.annotations = sy_copy_labels(&c, node->annotations);
    copy.allocatable = sy_copy_amounts(&c, node->allocatable);
    copy.capacity = sy_copy_amounts(&c, node->capacity);
    copy.taints = sy_copy_array(&c, node->taints, node->taints_len, sizeof(*node->taints));
    copy.images = sy_copy_array(&c, node->images, node->images_len, sizeof(*node->images));
    copy.gpu_groups =
        sy_copy_array(&c, node->gpu_groups, node->gpu_groups_len, sizeof(*node->gpu_groups));
    copy.internal_ips = NULL;
    copy.internal_ips_len = 0;
    copy.hostname = (struct sy_str){0};
    if (c.error)
        return c.error;
    *ret = copy;
    return 0;
}

static bool same_taints(const struct sy_node *a, const struct sy_node *b)
{
    if (a->taints_len != b->taints_len)
        return false;
    for (uint32_t i = 0; i < a->taints_len; i++) {
        const struct sy_taint *x = &a->taints[i], *y = &b->taints[i];
        if (x->key != y->key || x->value != y->value || x->effect != y->effect)
            return false;
    }
    return true;
}

static bool same_images(const struct sy_node *a, const struct sy_node *b)
{
    if (a->images_len != b->images_len)
        return false;
    for (uint32_t i = 0; i < a->images_len; i++) {
        if (a->images[i].name != b->images[i].name ||
            a->images[i].size_bytes != b->images[i].size_bytes)
            return false;
    }
    return true;
}

static bool same_gpus(const struct sy_node *a, const struct sy_node *b)
{
    size_t size = a->gpu_groups_len * sizeof(*a->gpu_groups);

    return a->gpus_unhealthy == b->gpus_unhealthy && a->gpu_groups_len == b->gpu_groups_len &&
           (!size || memcmp(a->gpu_groups, b->gpu_groups, size) == 0);
}

bool sy_node_same_for_scheduling(const struct sy_node *a, const struct sy_node *b)
{
    return sy_str_eq(a->uid, b->uid) && a->name == b->name &&
           a->unschedulable == b->unschedulable && a->ready == b->ready &&
           a->ready_changed_wall_ns == b->ready_changed_wall_ns &&
           a->created_wall_ns == b->created_wall_ns && sy_labels_eq(a->labels, b->labels) &&
           sy_labels_eq(a->annotations, b->annotations) &&
           sy_amounts_eq(a->allocatable, b->allocatable) &&
           sy_amounts_eq(a->capacity, b->capacity) && same_taints(a, b) && same_images(a, b) &&
           a->declared_features == b->declared_features && same_gpus(a, b);
}

void sy_node_mark(const struct sy_node *node, struct sy_strings *strings)
{
    sy_strings_mark(strings, node->name);
    sy_mark_labels(strings, node->labels);
    sy_mark_labels(strings, node->annotations);
    sy_mark_amounts(strings, node->allocatable);
    sy_mark_amounts(strings, node->capacity);
    for (uint32_t i = 0; i < node->taints_len; i++) {
        sy_strings_mark(strings, node->taints[i].key);
        sy_strings_mark(strings, node->taints[i].value);
    }
    for (uint32_t i = 0; i < node->images_len; i++)
        sy_strings_mark(strings, node->images[i].name);
}

static void dump_taints(struct sy_dump *d, const struct sy_node *node)
{
    for (uint32_t i = 0; i < node->taints_len; i++) {
        const struct sy_taint *t = &node->taints[i];
        sy_buf_adds(d->out, "taint=");
        sy_dump_id(d, t->key);
        sy_buf_addc(d->out, '=');
        sy_dump_id(d, t->value);
        sy_buf_addf(d->out, ":%s\n", sy_dump_word(sy_effect_words, 4, t->effect));
    }
}

static void dump_images(struct sy_dump *d, const struct sy_node *node)
{
    SY_CLEANUP(sy_freep)
    uint32_t *order =
        sy_dump_order(d->strings, node->images, node->images_len, sizeof(*node->images));

    for (uint32_t i = 0; i < node->images_len; i++) {
        const struct sy_image *image = &node->images[order[i]];
        sy_buf_adds(d->out, "image=");
        sy_dump_id(d, image->name);
        sy_buf_addf(d->out, ":%" PRId64 "\n", image->size_bytes);
    }
}

static void dump_gpus(struct sy_dump *d, const struct sy_node *node)
{
    char text[SY_GPU_DEVICES_TEXT_MAX];

    if (node->gpus_unhealthy)
        sy_buf_addf(d->out, "gpusUnhealthy=%s\n",
                    sy_gpu_devices_format(node->gpus_unhealthy, text));
    for (uint32_t i = 0; i < node->gpu_groups_len; i++)
        sy_buf_addf(d->out, "gpuGroup=%s\n", sy_gpu_devices_format(node->gpu_groups[i], text));
}

int sy_node_dump(const struct sy_node *node, const struct sy_strings *strings, struct sy_buf *out)
{
    struct sy_dump d = {strings, out};

    sy_dump_id_line(&d, "name", node->name);
    sy_dump_str_line(&d, "uid", node->uid);
    sy_dump_str_line(&d, "resourceVersion", node->resource_version);
    sy_dump_labels_line(&d, "labels", node->labels);
    sy_dump_labels_line(&d, "annotations", node->annotations);
    sy_dump_amounts_line(&d, "allocatable", node->allocatable);
    sy_dump_amounts_line(&d, "capacity", node->capacity);
    dump_taints(&d, node);
    sy_dump_number_line(&d, "unschedulable", node->unschedulable);
    sy_dump_word_line(&d, "ready", sy_dump_word(sy_condition_words, 4, node->ready));
    sy_dump_number_line(&d, "readyChanged", node->ready_changed_wall_ns);
    sy_dump_number_line(&d, "created", node->created_wall_ns);
    dump_images(&d, node);
    sy_dump_number_line(&d, "declaredFeatures", node->declared_features);
    dump_gpus(&d, node);
    for (uint32_t i = 0; i < node->internal_ips_len; i++)
        sy_dump_str_line(&d, "internalIP", node->internal_ips[i]);
    if (node->hostname.len)
        sy_dump_str_line(&d, "hostname", node->hostname);
    return out->failed;
}
