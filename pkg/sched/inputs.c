/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/inputs.h"

/* Whatever depends on more than nodes and pods is asked again once the cluster's generation grew.
 */
static void look_again(struct sy_cluster *c)
{
    c->generation++;
}

static enum sy_owner_kind owner_kind(enum sy_workload_kind kind)
{
    switch (kind) {
    case SY_WORKLOAD_REPLICATION_CONTROLLER:
        return SY_OWNER_REPLICATION_CONTROLLER;
    case SY_WORKLOAD_REPLICA_SET:
        return SY_OWNER_REPLICA_SET;
    default:
        return SY_OWNER_STATEFUL_SET;
    }
}

/* Whether something changed since `before` was taken. */
struct watch {
    uint64_t epoch, workloads;
};

static struct watch watch(const struct sy_cluster *c)
{
    return (struct watch){c->epoch, c->workloads.generation};
}

static void look_again_since(struct sy_cluster *c, struct watch before)
{
    if (before.epoch != c->epoch || before.workloads != c->workloads.generation)
        look_again(c);
}

int sy_sched_workload(struct sy_sched *s, enum sy_workload_kind kind,
                      const struct sy_workload *object)
{
    struct sy_cluster *c = sy_sched_cluster(s);
    struct watch before = watch(c);
    int r;

    switch (kind) {
    case SY_WORKLOAD_NAMESPACE:
        r = sy_cluster_namespace_upsert(c, object->name, object->labels);
        break;
    case SY_WORKLOAD_SERVICE:
        r = sy_cluster_service_upsert(c, object->ns, object->name, object->labels);
        break;
    default:
        r = sy_cluster_owner_upsert(c, owner_kind(kind), object->uid, &object->selector);
    }
    look_again_since(c, before);
    return r;
}

void sy_sched_workload_deleted(struct sy_sched *s, enum sy_workload_kind kind, sy_sid ns,
                               sy_sid name, struct sy_str uid)
{
    struct sy_cluster *c = sy_sched_cluster(s);
    struct watch before = watch(c);

    if (kind == SY_WORKLOAD_NAMESPACE)
        sy_cluster_namespace_delete(c, name);
    else if (kind == SY_WORKLOAD_SERVICE)
        sy_cluster_service_delete(c, ns, name);
    else
        sy_cluster_owner_delete(c, uid);
    look_again_since(c, before);
}

void sy_sched_workloads_replace_begin(struct sy_sched *s, enum sy_workload_kind kind)
{
    struct sy_cluster *c = sy_sched_cluster(s);

    if (kind == SY_WORKLOAD_NAMESPACE)
        sy_cluster_namespaces_replace_begin(c);
    else if (kind == SY_WORKLOAD_SERVICE)
        sy_cluster_services_replace_begin(c);
    else
        sy_cluster_owners_replace_begin(c, owner_kind(kind));
}

void sy_sched_workloads_replace_end(struct sy_sched *s, enum sy_workload_kind kind)
{
    struct sy_cluster *c = sy_sched_cluster(s);
    struct watch before = watch(c);

    if (kind == SY_WORKLOAD_NAMESPACE)
        sy_cluster_namespaces_replace_end(c);
    else if (kind == SY_WORKLOAD_SERVICE)
        sy_cluster_services_replace_end(c);
    else
        sy_cluster_owners_replace_end(c, owner_kind(kind));
    look_again_since(c, before);
}

void sy_sched_namespaces_unknown(struct sy_sched *s, bool are_unknown)
{
    struct sy_cluster *c = sy_sched_cluster(s);

    if (c->namespaces_unknown == are_unknown)
        return;
    c->namespaces_unknown = are_unknown;
    c->epoch++;
    look_again(c);
}

/* Budgets say which victims to prefer, not whether there are any: nobody waits for one. */
int sy_sched_budget(struct sy_sched *s, const struct sy_budget *budget)
{
    return sy_cluster_budget_upsert(sy_sched_cluster(s), budget);
}

void sy_sched_budget_deleted(struct sy_sched *s, sy_sid ns, sy_sid name)
{
    sy_cluster_budget_delete(sy_sched_cluster(s), ns, name);
}

void sy_sched_budgets_replace_begin(struct sy_sched *s)
{
    sy_cluster_budgets_replace_begin(sy_sched_cluster(s));
}

void sy_sched_budgets_replace_end(struct sy_sched *s)
{
    sy_cluster_budgets_replace_end(sy_sched_cluster(s));
}

/* It changes the nodes that it is about, and so whatever looks at them. */
enum sy_load_result sy_sched_load(struct sy_sched *s, sy_sid node_name,
                                  const struct sy_load_sample *sample, sy_time_ns now)
{
    return sy_cluster_load(sy_sched_cluster(s), node_name, sample, now);
}

int sy_sched_devices(struct sy_sched *s, enum sy_devices_kind kind, const void *object)
{
    return sy_devices_upsert(sy_sched_cluster(s), kind, object);
}

void sy_sched_devices_deleted(struct sy_sched *s, enum sy_devices_kind kind, sy_sid ns, sy_sid name)
{
    sy_devices_delete(sy_sched_cluster(s), kind, ns, name);
}

void sy_sched_devices_replace_begin(struct sy_sched *s, enum sy_devices_kind kind)
{
    sy_devices_replace_begin(sy_sched_cluster(s), kind);
}

void sy_sched_devices_replace_end(struct sy_sched *s, enum sy_devices_kind kind)
{
    sy_devices_replace_end(sy_sched_cluster(s), kind);
}

void sy_sched_devices_known(struct sy_sched *s, bool are_known)
{
    struct sy_cluster *c = sy_sched_cluster(s);

    if (c->devices.are_written == are_known)
        return;
    c->devices.are_written = c->devices.extended_are_written = are_known;
    c->epoch++;
    look_again(c);
}
