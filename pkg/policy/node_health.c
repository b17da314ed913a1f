/* SPDX-License-Identifier: Apache-2.0
 *
 * A node that has failed, may have, or has to prove itself takes no pods, whatever taints they
 * tolerate. Those that can go nowhere else (a DaemonSet's) are not kept from it: they may be what
 * makes it ready. Says nothing while nobody judges nodes. */
#include "policy/plugins.h"

static bool is_pinned(const struct sy_shape_view *shape)
{
    const struct sy_node_selector *required = &shape->spec->required_nodes;

    for (uint32_t t = 0; t < required->len; t++) {
        const struct sy_node_term *term = &required->terms[t];
        bool names_one = false;
        for (uint32_t i = 0; i < term->fields_len; i++) {
            const struct sy_requirement *field = &term->fields[i];
            names_one |= field->key == shape->texts->metadata_name && field->op == SY_OP_IN &&
                         field->values_len == 1;
        }
        if (!names_one)
            return false;
    }
    return required->len != 0;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return is_pinned(shape) ? SY_PRE_SKIP : SY_PRE_RUN;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const sy_sid reasons[] = {
        [SY_HEALTH_SUSPECT] = shape->texts->health_suspect,
        [SY_HEALTH_NOT_READY] = shape->texts->health_not_ready,
        [SY_HEALTH_HELD_DOWN] = shape->texts->health_held_down,
    };
    uint8_t health = shape->cluster->node_health[node];

    return health != SY_HEALTH_GOOD && sy_refuse(v, SY_UNRESOLVABLE, reasons[health]);
}

const struct sy_filter sy_filter_node_health = {
    .name = "NodeHealth", .prepare = prepare, .refuses = refuses};
