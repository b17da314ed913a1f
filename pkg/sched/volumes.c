/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/volumes.h"

#include "base/mem.h"

#include <stdlib.h>

/* One claim: its volume is kept for it, or it is told the node that its volume is made for. */
struct item {
    sy_sid ns;
    sy_sid claim;
    sy_sid volume; /* 0: to be made */
    bool is_dirty; /* there is something to write, and it is assumed */
    bool set_by_controller;
    char *version; /* of the object that is written, when it was assumed; owned */
};

struct sy_volume_work {
    sy_sid node;
    uint32_t len;
    uint32_t written; /* items before this one are done with */
    struct item items[];
};

static char *dup_str(struct sy_str s)
{
    return sy_xstrndup(s.p ? s.p : "", s.len);
}

/* volumehelpers.GetBindVolumeToClaim: what is to be changed in the volume. */
static void assume_volume(struct sy_cluster *c, struct item *item, uint32_t volume, uint32_t claim)
{
    const struct sy_pv *pv = sy_storage_volume(c, volume);
    const struct sy_pvc *pvc = sy_storage_claim(c, claim);
    const struct sy_claim_ref *ref = sy_storage_claim_ref(c, volume);
    bool is_named = sy_claim_ref_is(ref, pvc);

    item->volume = pv->name;
    item->set_by_controller = !is_named && !pv->bound_by_controller;
    item->is_dirty = !is_named || !sy_str_eq(ref->uid, pvc->uid);
    if (!item->is_dirty)
        return;
    item->version = dup_str(pv->resource_version);
    sy_storage_assume_volume(c, volume, pvc);
}

static void assume_node(struct sy_cluster *c, struct item *item, uint32_t claim, sy_sid node)
{
    sy_sid selected;

    if (sy_storage_selected_node(c, claim, &selected) && selected == node)
        return;
    item->is_dirty = true;
    item->version = dup_str(sy_storage_claim(c, claim)->resource_version);
    sy_storage_assume_node(c, claim, node);
}

struct sy_volume_work *sy_volume_work_new(struct sy_cluster *c, const struct sy_volume_plan *plan,
                                          uint32_t node)
{
    struct sy_volume_work *w = sy_xcalloc(1, sizeof(*w) + plan->claims_len * sizeof(*w->items));

    w->node = c->nodes[node].node.name;
    w->len = plan->claims_len;
    for (uint32_t i = 0; i < w->len; i++) {
        const struct sy_claim_plan *p = &plan->claims[i];
        struct item *item = &w->items[i];
        item->ns = sy_storage_claim(c, p->claim)->ns;
        item->claim = sy_storage_claim(c, p->claim)->name;
        if (p->volume != SY_NO_OBJECT)
            assume_volume(c, item, p->volume, p->claim);
        else
            assume_node(c, item, p->claim, w->node);
    }
    return w;
}

static uint32_t find_object(const struct sy_cluster *c, const struct item *item,
                            enum sy_storage_kind *ret_kind)
{
    *ret_kind = item->volume ? SY_STORAGE_VOLUME : SY_STORAGE_CLAIM;
    return item->volume ? sy_storage_find(c, SY_STORAGE_VOLUME, 0, item->volume)
                        : sy_storage_find(c, SY_STORAGE_CLAIM, item->ns, item->claim);
}

/* Whether the object is still the one that the assumption was made of. */
static bool is_version(const struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot,
                       const char *version)
{
    const union sy_storage_object *o = c->storage.tables[kind].all.p[slot].object;

    return sy_str_eqz(sy_storage_identity(kind, o).resource_version, version);
}

void sy_volume_work_free(struct sy_cluster *c, struct sy_volume_work *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->len; i++) {
        const struct item *item = &w->items[i];
        enum sy_storage_kind kind;
        uint32_t slot = find_object(c, item, &kind);
        if (i >= w->written && item->is_dirty && slot != SY_NO_OBJECT &&
            is_version(c, kind, slot, item->version))
            sy_storage_restore(c, kind, slot);
        free(item->version);
    }
    free(w);
}

/* -- writing -- */

static uint32_t next_dirty(const struct sy_volume_work *w)
{
    uint32_t i = w->written;

    while (i < w->len && !w->items[i].is_dirty)
        i++;
    return i;
}

bool sy_volume_work_next(const struct sy_cluster *c, const struct sy_volume_work *w,
                         struct sy_decision_volume *ret)
{
    uint32_t i = next_dirty(w);

    if (i == w->len)
        return false;
    const struct item *item = &w->items[i];
    uint32_t slot = sy_storage_find(c, SY_STORAGE_CLAIM, item->ns, item->claim);
    const struct sy_pvc *pvc = slot == SY_NO_OBJECT ? NULL : sy_storage_claim(c, slot);
    *ret = (struct sy_decision_volume){
        .volume = item->volume ? sy_strings_getz(c->strings, item->volume) : NULL,
        .version = item->version,
        .set_by_controller = item->set_by_controller,
        .ns = sy_strings_getz(c->strings, item->ns),
        .claim = sy_strings_getz(c->strings, item->claim),
        .claim_uid = pvc && pvc->uid.p ? pvc->uid.p : "",
        .claim_version = pvc && pvc->resource_version.p ? pvc->resource_version.p : "",
        .node = sy_strings_getz(c->strings, w->node),
    };
    return true;
}

void sy_volume_work_written(struct sy_volume_work *w)
{
    uint32_t i = next_dirty(w);

    w->written = i < w->len ? i + 1 : w->len;
}

/* -- waiting -- */

static enum sy_volume_progress failed(char **ret_error, char *error)
{
    *ret_error = error;
    return SY_VOLUMES_FAILED;
}

static enum sy_volume_progress check_reach(const struct sy_cluster *c, const struct sy_pv *pv,
                                           uint32_t node, char **ret_error)
{
    if (sy_volume_reaches(c, pv, node))
        return SY_VOLUMES_BOUND;
    return failed(ret_error,
                  sy_xasprintf("pv \"%s\" node affinity doesn't match node \"%s\": no matching "
                               "NodeSelectorTerms",
                               sy_strings_getz(c->strings, pv->name),
                               sy_strings_getz(c->strings, c->nodes[node].node.name)));
}

static bool is_assumed(const struct sy_cluster *c, enum sy_storage_kind kind, uint32_t slot)
{
    return c->storage.tables[kind].all.p[slot].assumed != NULL;
}

static enum sy_volume_progress check_volume(const struct sy_cluster *c, const struct item *item,
                                            const struct sy_pvc *claim, uint32_t node,
                                            char **ret_error)
{
    uint32_t slot = sy_storage_find(c, SY_STORAGE_VOLUME, 0, item->volume);
    const char *name = sy_strings_getz(c->strings, item->volume);

    if (slot == SY_NO_OBJECT)
        return failed(
            ret_error,
            sy_xasprintf("failed to check binding: persistentvolumes \"%s\" not found", name));
    if (is_assumed(c, SY_STORAGE_VOLUME, slot))
        return SY_VOLUMES_WAIT; /* what was written has not come back yet */
    const struct sy_pv *pv = sy_storage_volume(c, slot);
    enum sy_volume_progress p = check_reach(c, pv, node, ret_error);
    if (p != SY_VOLUMES_BOUND)
        return p;
    if (!pv->claim.is_set || !pv->claim.uid.len)
        return failed(ret_error, sy_xasprintf("ClaimRef got reset for pv \"%s\"", name));
    return sy_claim_is_bound(claim) ? SY_VOLUMES_BOUND : SY_VOLUMES_WAIT;
}

static enum sy_volume_progress check_made(const struct sy_cluster *c, uint32_t slot, sy_sid node_id,
                                          uint32_t node, char **ret_error)
{
    const struct sy_pvc *claim = sy_storage_claim(c, slot);

    if (is_assumed(c, SY_STORAGE_CLAIM, slot))
        return SY_VOLUMES_WAIT;
    /* A provisioner that gives up takes the node away again. */
    if (!claim->has_selected_node || claim->selected_node != node_id)
        return failed(ret_error, sy_xasprintf("provisioning failed for PVC \"%s\"",
                                              sy_strings_getz(c->strings, claim->name)));
    if (claim->volume) {
        uint32_t volume = sy_storage_find(c, SY_STORAGE_VOLUME, 0, claim->volume);
        if (volume == SY_NO_OBJECT)
            return SY_VOLUMES_WAIT;
        enum sy_volume_progress p = check_reach(c, sy_storage_volume(c, volume), node, ret_error);
        if (p != SY_VOLUMES_BOUND)
            return p;
    }
    return sy_claim_is_bound(claim) ? SY_VOLUMES_BOUND : SY_VOLUMES_WAIT;
}

static enum sy_volume_progress check_item(const struct sy_cluster *c,
                                          const struct sy_volume_work *w, const struct item *item,
                                          uint32_t node, char **ret_error)
{
    uint32_t slot = sy_storage_find(c, SY_STORAGE_CLAIM, item->ns, item->claim);

    if (slot == SY_NO_OBJECT)
        return failed(ret_error,
                      sy_xasprintf("failed to check %s: persistentvolumeclaims \"%s/%s\" not found",
                                   item->volume ? "binding" : "provisioning pvc",
                                   sy_strings_getz(c->strings, item->ns),
                                   sy_strings_getz(c->strings, item->claim)));
    if (item->volume)
        return check_volume(c, item, sy_storage_claim(c, slot), node, ret_error);
    return check_made(c, slot, w->node, node, ret_error);
}

enum sy_volume_progress sy_volume_work_check(const struct sy_cluster *c,
                                             const struct sy_volume_work *w, char **ret_error)
{
    uint32_t node = sy_cluster_node_find(c, w->node);
    const char *name = sy_strings_getz(c->strings, w->node);

    if (node == SY_NONE || !sy_cluster_node_is_alive(c, node))
        return failed(ret_error,
                      sy_xasprintf("failed to get node \"%s\": node \"%s\" not found", name, name));
    for (uint32_t i = 0; i < w->len; i++) {
        enum sy_volume_progress p = check_item(c, w, &w->items[i], node, ret_error);
        if (p != SY_VOLUMES_BOUND)
            return p;
    }
    return SY_VOLUMES_BOUND;
}

void sy_volume_work_mark(const struct sy_volume_work *w, struct sy_strings *strings)
{
    if (!w)
        return;
    sy_strings_mark(strings, w->node);
    for (uint32_t i = 0; i < w->len; i++) {
        sy_strings_mark(strings, w->items[i].ns);
        sy_strings_mark(strings, w->items[i].claim);
        sy_strings_mark(strings, w->items[i].volume);
    }
}
