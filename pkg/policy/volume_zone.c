/* SPDX-License-Identifier: Apache-2.0
 *
 * VolumeZone: a volume whose labels name zones or regions is reachable from nodes there only. */
#include "policy/claims.h"
#include "policy/plugins.h"

#include <string.h>

enum { KEYS_LEN = 4 };

/* The older label of a pair comes first; FALLBACK is where its younger one is. */
static const char *const KEYS[KEYS_LEN] = {
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
};
enum { FALLBACK = 2 };

struct wanted {
    struct wanted *next;
    uint32_t key; /* index */
    uint32_t values_len;
    sy_sid values[]; /* 0: a zone that nothing else names */
};

struct state {
    sy_sid keys[KEYS_LEN];
    struct wanted *wanted;
    sy_sid conflict;
};

static bool concerns(const struct sy_cluster *c SY_UNUSED, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        if (spec->volumes[i].kind == SY_VOLUME_CLAIM)
            return true;
    }
    return false;
}

static struct sy_str trim(struct sy_str s)
{
    while (s.len && strchr(" \t\n\v\f\r", s.p[0]) && s.p[0]) {
        s.p++;
        s.len--;
    }
    while (s.len && strchr(" \t\n\v\f\r", s.p[s.len - 1]) && s.p[s.len - 1])
        s.len--;
    return s;
}

/* Cuts the next zone off a list that has "__" between. False at the end. */
static bool next_zone(struct sy_str *rest, struct sy_str *ret)
{
    if (!rest->p)
        return false;
    const char *bar = rest->len >= 2 ? memmem(rest->p, rest->len, "__", 2) : NULL;
    size_t len = bar ? (size_t)(bar - rest->p) : rest->len;

    *ret = trim((struct sy_str){rest->p, len});
    *rest = bar ? (struct sy_str){bar + 2, rest->len - len - 2} : (struct sy_str){0};
    return true;
}

/* A list with an empty zone is no list: the label is not looked at. False when memory ends. */
static bool add_label(const struct sy_shape_view *shape, struct sy_arena *arena,
                      struct state *state, uint32_t key, sy_sid value)
{
    struct sy_str list = sy_strings_get(shape->cluster->strings, value), rest = list, zone;
    uint32_t count = 0;

    if (!list.p)
        return true;
    while (next_zone(&rest, &zone)) {
        if (!zone.len)
            return true;
        count++;
    }
    struct wanted *w = sy_arena_alloc(arena, sizeof(*w) + count * sizeof(*w->values));
    if (!w)
        return false;
    w->key = key;
    for (rest = list; next_zone(&rest, &zone);)
        w->values[w->values_len++] = sy_strings_find(shape->cluster->strings, zone);
    w->next = state->wanted;
    state->wanted = w;
    return true;
}

static bool add_volume(const struct sy_shape_view *shape, struct sy_arena *arena,
                       struct state *state, const struct sy_pv *pv)
{
    for (uint32_t k = 0; k < KEYS_LEN; k++) {
        sy_sid value = sy_labels_get(pv->labels, state->keys[k]);
        if (value && !add_label(shape, arena, state, k, value))
            return false;
    }
    return true;
}

/* What is wrong with a claim that has no volume: 0 when it gets one with the pod. */
static sy_sid unbound_reason(const struct sy_shape_view *shape, const struct sy_pvc *claim)
{
    const char *name = sy_strings_getz(shape->cluster->strings, claim->class);
    const struct sy_storage_class *class = sy_storage_class(shape->cluster, claim->class);

    if (!claim->class)
        return sy_reason(shape, "PersistentVolumeClaim had no pv name and storageClass name");
    if (!class)
        return sy_reason(shape, "storageclass.storage.k8s.io \"%s\" not found", name);
    if (class->mode == SY_BINDING_UNSET)
        return sy_reason(shape, "VolumeBindingMode not set for StorageClass \"%s\"", name);
    return class->mode == SY_BINDING_WAIT ? 0 : sy_reason(shape, "PersistentVolume had no name");
}

/* Adds one claim's volume; returns 0 or why the pod cannot go anywhere. */
static sy_sid add_claim(const struct sy_shape_view *shape, struct sy_arena *arena,
                        struct state *state, const struct sy_volume *volume, bool *ret_no_memory)
{
    struct sy_cluster *c = shape->cluster;
    struct sy_pod_claim claim;

    (void)sy_pod_claim(c, shape->ns, shape->pod_name, volume, NULL, &claim);
    if (!volume->name)
        return sy_reason(shape, "PersistentVolumeClaim had no name");
    if (!claim.claim)
        return sy_reason_no_claim(shape, claim.name);
    if (!claim.claim->volume)
        return unbound_reason(shape, claim.claim);
    uint32_t pv = sy_storage_find(c, SY_STORAGE_VOLUME, 0, claim.claim->volume);
    if (pv == SY_NO_OBJECT)
        return sy_reason(shape, "persistentvolume \"%s\" not found",
                         sy_strings_getz(c->strings, claim.claim->volume));
    *ret_no_memory = !add_volume(shape, arena, state, sy_storage_volume(c, pv));
    return *ret_no_memory ? shape->texts->no_memory : 0;
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct state *state = sy_arena_alloc(arena, sizeof(*state));
    bool no_memory = !state;
    sy_sid reason = no_memory ? shape->texts->no_memory : 0;

    for (uint32_t k = 0; state && k < KEYS_LEN; k++)
        state->keys[k] = sy_strings_addz(shape->cluster->strings, KEYS[k]);
    for (uint32_t i = 0; !reason && i < shape->spec->volumes_len; i++) {
        if (shape->spec->volumes[i].kind == SY_VOLUME_CLAIM)
            reason = add_claim(shape, arena, state, &shape->spec->volumes[i], &no_memory);
    }
    if (reason) {
        sy_refuse(v, no_memory ? SY_ERROR : SY_UNRESOLVABLE, reason);
        return SY_PRE_REJECT;
    }
    if (!state->wanted)
        return SY_PRE_SKIP;
    state->conflict = sy_reason(shape, "node(s) had no available volume zone");
    *ret_state = state;
    return SY_PRE_RUN;
}

static bool has_value(const struct wanted *w, sy_sid value)
{
    for (uint32_t i = 0; i < w->values_len; i++) {
        if (w->values[i] == value)
            return true;
    }
    return false;
}

static bool refuses(const struct sy_shape_view *shape, const void *arg, uint32_t node,
                    struct sy_verdict *v)
{
    struct sy_labels labels = shape->cluster->nodes[node].node.labels;
    const struct state *state = arg;
    sy_sid has[KEYS_LEN];
    bool any = false;

    for (uint32_t k = 0; k < KEYS_LEN; k++) {
        has[k] = sy_labels_get(labels, state->keys[k]);
        any |= has[k] != 0;
    }
    if (!any)
        return false; /* one zone, and nobody has labelled it */
    for (const struct wanted *w = state->wanted; w; w = w->next) {
        sy_sid value = has[w->key];
        if (!value && w->key < FALLBACK)
            value = has[w->key + FALLBACK];
        if (!value || !has_value(w, value))
            return sy_refuse(v, SY_UNRESOLVABLE, state->conflict);
    }
    return false;
}

const struct sy_filter sy_filter_volume_zone = {
    .name = "VolumeZone",
    .is_global = true,
    .concerns = concerns,
    .prepare = prepare,
    .refuses = refuses,
};
