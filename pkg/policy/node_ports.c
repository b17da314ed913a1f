/* SPDX-License-Identifier: Apache-2.0
 *
 * The host ports that the pod asks for must be free on the node. Two ports collide when number and
 * protocol are equal and either is for all addresses or both are for the same. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->spec->host_ports_len ? SY_PRE_RUN : SY_PRE_SKIP;
}

static bool collide(const struct sy_host_port *a, const struct sy_host_port *b, sy_sid any_ip)
{
    return a->port == b->port && a->protocol == b->protocol &&
           (a->ip == b->ip || a->ip == any_ip || b->ip == any_ip);
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_node_slot *n = &shape->cluster->nodes[node];

    for (uint32_t i = 0; i < shape->spec->host_ports_len; i++) {
        for (size_t j = 0; j < n->ports.len; j++) {
            if (collide(&shape->spec->host_ports[i], &n->ports.p[j], shape->texts->any_ip) &&
                !sy_trial_frees_port(shape->cluster, node, &n->ports.p[j]))
                return sy_refuse(v, SY_UNSCHEDULABLE, shape->texts->no_free_ports);
        }
    }
    return false;
}

const struct sy_filter sy_filter_node_ports = {
    .name = "NodePorts", .prepare = prepare, .refuses = refuses};
