/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/budgets.h"

#include "cluster/cluster.h"

#include <errno.h>

/* The selector travels in a spec, so that the spec store packs it; so do the names, as images. */
static const struct sy_shared_spec *pack(struct sy_cluster *c, const struct sy_budget *budget)
{
    struct sy_affinity_term term = {.selector = budget->selector};
    struct sy_pod_spec spec = {
        .affinity = &term,
        .affinity_len = 1,
        .images = budget->disrupted,
        .images_len = budget->disrupted_len,
    };

    return sy_specs_ref(c->specs, &spec);
}

static size_t find(const struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    size_t i = 0;

    while (i < c->budgets.len &&
           (c->budgets.p[i].budget.ns != ns || c->budgets.p[i].budget.name != name))
        i++;
    return i;
}

int sy_cluster_budget_upsert(struct sy_cluster *c, const struct sy_budget *budget)
{
    const struct sy_shared_spec *packed = pack(c, budget);
    size_t i = find(c, budget->ns, budget->name);

    if (!packed)
        return -ENOMEM;
    if (i == c->budgets.len)
        sy_vec_push(&c->budgets, (struct sy_kept_budget){0});
    struct sy_kept_budget *kept = &c->budgets.p[i];
    sy_specs_unref(c->specs, kept->packed);
    *kept = (struct sy_kept_budget){.budget = *budget, .packed = packed, .is_seen = true};
    kept->budget.selector = packed->spec.affinity[0].selector;
    kept->budget.disrupted = packed->spec.images;
    return 0;
}

static void drop(struct sy_cluster *c, size_t i)
{
    sy_specs_unref(c->specs, c->budgets.p[i].packed);
    sy_vec_swap_remove(&c->budgets, i);
}

void sy_cluster_budget_delete(struct sy_cluster *c, sy_sid ns, sy_sid name)
{
    size_t i = find(c, ns, name);

    if (i < c->budgets.len)
        drop(c, i);
}

void sy_cluster_budgets_replace_begin(struct sy_cluster *c)
{
    for (size_t i = 0; i < c->budgets.len; i++)
        c->budgets.p[i].is_seen = false;
}

void sy_cluster_budgets_replace_end(struct sy_cluster *c)
{
    for (size_t i = c->budgets.len; i-- > 0;) {
        if (!c->budgets.p[i].is_seen)
            drop(c, i);
    }
}
