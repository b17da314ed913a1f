/* SPDX-License-Identifier: Apache-2.0
 *
 * v1.Node to struct sy_node. */
#include <errno.h>

#include "kube/decode.h"
#include "kube/decode_build.h"
#include "model/sort.h"

static void build_taints(struct build *b, const struct wire_list *from, struct sy_node *node)
{
    struct sy_taint *taints = sy_build_array(b, from->len, sizeof(*taints));
    const struct wire_taint *taint;

    node->taints = taints;
    if (!taints)
        return;
    WIRE_FOREACH (taint, from) {
        taints[node->taints_len++] = (struct sy_taint){
            .key = sy_build_id(b, taint->key),
            .value = sy_build_id(b, taint->value),
            .effect = sy_build_effect(taint->effect),
        };
    }
}

static void build_images(struct build *b, const struct wire_list *from, struct sy_node *node)
{
    const struct wire_image *image;
    const struct wire_text *name;
    size_t count = 0;

    WIRE_FOREACH (image, from)
        count += image->names.len;
    struct sy_image *images = sy_build_array(b, count, sizeof(*images));
    if (!images)
        return;
    uint32_t len = 0;
    WIRE_FOREACH (image, from) {
        WIRE_FOREACH (name, &image->names)
            images[len++] = (struct sy_image){sy_build_id(b, name->s), image->size_bytes};
    }
    node->images_len = sy_sort_unique(images, len, sizeof(*images));
    node->images = images;
}

static void build_addresses(struct build *b, const struct wire_list *from, struct sy_node *node)
{
    struct sy_str *ips = sy_build_array(b, from->len, sizeof(*ips));
    const struct wire_address *address;

    if (!ips)
        return;
    node->internal_ips = ips;
    WIRE_FOREACH (address, from) {
        if (sy_str_eqz(address->type, "InternalIP"))
            ips[node->internal_ips_len++] = sy_build_text(b, address->address);
        else if (sy_str_eqz(address->type, "Hostname") && !node->hostname.len)
            node->hostname = sy_build_text(b, address->address);
    }
}

static uint16_t features_of(const struct wire_list *names)
{
    struct sy_features features = {0};
    const struct wire_text *name;

    WIRE_FOREACH (name, names)
        sy_features_take(&features, name->s);
    return features.set;
}

static void build_node(struct build *b, const struct wire_node *from, struct sy_node *node)
{
    const struct wire_metadata *metadata = from->metadata;
    const struct wire_condition *ready;

    if (metadata) {
        node->uid = sy_build_text(b, metadata->uid);
        node->resource_version = sy_build_text(b, metadata->resource_version);
        node->name = sy_build_id_unless_empty(b, metadata->name);
        node->labels = sy_build_labels(b, &metadata->labels);
        node->annotations = sy_build_annotations(b, &metadata->annotations);
        node->created_wall_ns = metadata->created_wall_ns;
        sy_build_node_gpus(b, metadata, node);
    }
    if (from->spec) {
        node->unschedulable = from->spec->unschedulable;
        build_taints(b, &from->spec->taints, node);
    }
    if (from->status) {
        node->allocatable = sy_build_amounts(b, &from->status->allocatable);
        node->capacity = sy_build_amounts(b, &from->status->capacity);
        node->ready = sy_build_condition(&from->status->conditions, SY_STR("Ready"), &ready);
        node->ready_changed_wall_ns = ready ? ready->changed_wall_ns : 0;
        build_addresses(b, &from->status->addresses, node);
        build_images(b, &from->status->images, node);
        node->declared_features = features_of(&from->status->features);
    }
}

int sy_decode_node(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                   struct sy_node *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct sy_node node = {0};
    struct wire_node wire = {0};
    int code = sy_wire_read(d, enc, &sy_wire_node, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "decoding a node");
    build_node(&b, &wire, &node);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "decoding a node");
    *ret = node;
    return 0;
}
