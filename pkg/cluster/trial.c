/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/trial.h"

#include "cluster/cluster.h"

void sy_trial_begin(struct sy_cluster *c)
{
    struct sy_trial *t = &c->trial;

    if (c->trial_depth == 1)
        t->pods.len = t->ports.len = t->marks.len = 0;
    sy_vec_push(&t->marks, t->ports.len);
}

/* A nested what-if puts back all that it did, but upstream forgets its copy instead: the ports are
 * as they were, not as undoing would leave them. */
void sy_trial_end(struct sy_cluster *c)
{
    struct sy_trial *t = &c->trial;

    t->ports.len = t->marks.p[--t->marks.len];
}

static void note_pod(struct sy_trial *t, uint32_t pod, uint32_t node, int sign)
{
    for (size_t i = 0; i < t->pods.len; i++) {
        const struct sy_trial_pod *p = &t->pods.p[i];
        if (p->pod != pod || p->node != node || p->sign == sign)
            continue;
        sy_vec_swap_remove(&t->pods, i);
        return;
    }
    sy_vec_push(&t->pods, (struct sy_trial_pod){pod, node, sign});
}

void sy_trial_note(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign)
{
    const struct sy_pod_spec *spec = &c->pods.p[pod].spec->spec;

    note_pod(&c->trial, pod, node, sign);
    for (uint32_t i = 0; i < spec->host_ports_len; i++)
        sy_vec_push(&c->trial.ports, (struct sy_trial_port){spec->host_ports[i], node, sign < 0});
}

bool sy_trial_frees_port(const struct sy_cluster *c, uint32_t node, const struct sy_host_port *port)
{
    if (!c->trial_depth)
        return false;
    for (size_t i = c->trial.ports.len; i--;) {
        const struct sy_trial_port *p = &c->trial.ports.p[i];
        if (p->node == node && p->port.port == port->port && p->port.protocol == port->protocol &&
            p->port.ip == port->ip)
            return p->is_freed;
    }
    return false;
}

void sy_trial_done(struct sy_cluster *c)
{
    sy_vec_done(&c->trial.pods);
    sy_vec_done(&c->trial.ports);
    sy_vec_done(&c->trial.marks);
}
