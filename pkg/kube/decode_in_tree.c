/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes of the kinds that Kubernetes knew before CSI, as their drivers call them: the handle, and
 * the node affinity where a driver has taken over. Source: k8s.io/csi-translation-lib/plugins
 * (v0.37.2). */
#include "kube/decode_build.h"

#include <errno.h>

struct topology {
    sy_sid zone;
    sy_sid region;
};

/* The next zone of a list that has "__" between; false at the end. */
static bool next_zone(struct sy_str *rest, struct sy_str *ret)
{
    if (!rest->p)
        return false;
    const char *bar = rest->len >= 2 ? memmem(rest->p, rest->len, "__", 2) : NULL;
    size_t len = bar ? (size_t)(bar - rest->p) : rest->len;

    *ret = (struct sy_str){rest->p, len};
    *rest = bar ? (struct sy_str){bar + 2, rest->len - len - 2} : (struct sy_str){0};
    return true;
}

static struct sy_str label(const struct build *b, const struct sy_pv *pv, const char *key)
{
    sy_sid id = sy_strings_find(b->d->strings, sy_str_from(key));

    return sy_strings_get(b->d->strings, id ? sy_labels_get(pv->labels, id) : 0);
}

/* The region of a zone "locale-region-zone"; empty when it is named otherwise. */
static struct sy_str region_of(struct sy_str zone)
{
    size_t dashes = 0, last = 0;

    for (size_t i = 0; i < zone.len; i++) {
        if (zone.p[i] == '-') {
            dashes++;
            last = i;
        }
    }
    return dashes == 2 ? (struct sy_str){zone.p, last} : (struct sy_str){0};
}

/* projects/UNSPECIFIED/zones/ZONE/disks/NAME, or regions/REGION for a disk of several zones. 0 when
 * upstream can not tell. */
static sy_sid gce_handle(struct build *b, const struct sy_pv *pv)
{
    struct sy_str zones = label(b, pv, "failure-domain.beta.kubernetes.io/zone");
    struct sy_str name = sy_strings_get(b->d->strings, pv->handle);
    struct sy_str zone, place = SY_STR("UNSPECIFIED");
    const char *what = "zones";
    struct sy_buf text;
    uint32_t count = 0;

    if (!zones.len)
        zones = label(b, pv, "topology.kubernetes.io/zone");
    for (struct sy_str rest = zones; next_zone(&rest, &zone); count++) {
        struct sy_str region = region_of(zone);
        if (!count) {
            place = zone.len ? zone : place;
            continue;
        }
        what = "regions";
        if (count == 1)
            place = region_of(place);
        if (!region.len || !sy_str_eq(region, place))
            return 0;
    }
    sy_buf_init(&text, SY_STRINGS_MAX_LEN);
    sy_buf_addf(&text, "projects/UNSPECIFIED/%s/", what);
    sy_buf_add(&text, place.p, place.len);
    sy_buf_adds(&text, "/disks/");
    sy_buf_add(&text, name.p, name.len);
    sy_sid id = text.failed ? 0 : sy_build_id(b, sy_buf_str(&text));
    sy_buf_done(&text);
    return id;
}

/* -- node affinity -- */

static bool names(const struct sy_node_selector *s, sy_sid key, bool with_values)
{
    for (uint32_t i = 0; i < s->len; i++) {
        for (uint32_t j = 0; j < s->terms[i].exprs_len; j++) {
            const struct sy_requirement *r = &s->terms[i].exprs[j];
            if (r->key == key && (!with_values || r->values_len))
                return true;
        }
    }
    return false;
}

/* Which of the older and the younger labels the volume uses. */
static struct topology topology_of(struct build *b, const struct sy_pv *pv)
{
    const struct topology ga = {sy_build_id(b, SY_STR("topology.kubernetes.io/zone")),
                                sy_build_id(b, SY_STR("topology.kubernetes.io/region"))};
    const struct topology beta = {
        sy_build_id(b, SY_STR("failure-domain.beta.kubernetes.io/zone")),
        sy_build_id(b, SY_STR("failure-domain.beta.kubernetes.io/region"))};

    if (names(&pv->affinity, ga.zone, false))
        return ga;
    if (names(&pv->affinity, beta.zone, false))
        return beta;
    if (!sy_labels_get(pv->labels, ga.zone) && sy_labels_get(pv->labels, beta.zone))
        return beta;
    return ga;
}

static void rename_key(struct sy_requirement *reqs, uint32_t len, sy_sid from, sy_sid to)
{
    for (uint32_t i = 0; i < len; i++) {
        if (reqs[i].key == from)
            reqs[i].key = to;
    }
}

static struct sy_str trim(struct sy_str s)
{
    while (s.len && s.p[0] == ' ') {
        s.p++;
        s.len--;
    }
    while (s.len && s.p[s.len - 1] == ' ')
        s.len--;
    return s;
}

/* "The driver's zone label is one of those that the volume's label lists"; false when it lists
 * none. */
static bool zones_requirement(struct build *b, const struct sy_pv *pv, sy_sid label_key, sy_sid key,
                              struct sy_requirement *ret)
{
    struct sy_str list = sy_strings_get(b->d->strings, sy_labels_get(pv->labels, label_key)), rest,
                  zone;
    uint32_t count = 0;

    for (rest = list; next_zone(&rest, &zone);)
        count++;
    sy_sid *values = sy_build_array(b, count, sizeof(*values));
    if (!values)
        return false;
    count = 0;
    for (rest = list; next_zone(&rest, &zone);) {
        if (trim(zone).len)
            values[count++] = sy_build_id(b, trim(zone));
    }
    *ret = (struct sy_requirement){.key = key, .op = SY_OP_IN, .values = values};
    ret->values_len = b->code ? 0 : sy_sids_sort(values, count);
    return ret->values_len != 0;
}

/* A copy of the terms with room for one more requirement in each; at least min_len terms. */
static struct sy_node_term *copy_terms(struct build *b, const struct sy_node_selector *s,
                                       uint32_t min_len, uint32_t *ret_len)
{
    *ret_len = s->len > min_len ? s->len : min_len;
    struct sy_node_term *terms = sy_build_array(b, *ret_len, sizeof(*terms));

    for (uint32_t i = 0; terms && i < *ret_len; i++) {
        uint32_t len = i < s->len ? s->terms[i].exprs_len : 0;
        struct sy_requirement *reqs = sy_build_array(b, (size_t)len + 1, sizeof(*reqs));
        if (!reqs)
            return NULL;
        if (len)
            memcpy(reqs, s->terms[i].exprs, len * sizeof(*reqs));
        if (i < s->len)
            terms[i] = s->terms[i];
        terms[i].exprs = reqs;
    }
    return terms;
}

/* The plugins' translateTopologyFromInTreeToCSI. */
static struct sy_node_selector translate(struct build *b, const struct sy_pv *pv, sy_sid driver_key)
{
    struct topology t = topology_of(b, pv);
    sy_sid ga_region = sy_build_id(b, SY_STR("topology.kubernetes.io/region"));
    bool has_zones = names(&pv->affinity, t.zone, true);
    struct sy_requirement extra;
    bool adds = !has_zones && zones_requirement(b, pv, t.zone, driver_key, &extra);
    bool has_regions = names(&pv->affinity, t.region, true);
    uint32_t len;

    if (b->code || (!has_zones && !adds && !has_regions))
        return pv->affinity;
    struct sy_node_term *terms = copy_terms(b, &pv->affinity, adds ? 1 : 0, &len);
    for (uint32_t i = 0; terms && i < len; i++) {
        struct sy_requirement *reqs = (struct sy_requirement *)(uintptr_t)terms[i].exprs;
        if (has_zones)
            rename_key(reqs, terms[i].exprs_len, t.zone, driver_key);
        if (has_regions)
            rename_key(reqs, terms[i].exprs_len, t.region, ga_region);
        if (adds)
            reqs[terms[i].exprs_len++] = extra;
    }
    return (struct sy_node_selector){.terms = terms, .len = terms ? len : 0, .is_set = true};
}

void sy_build_in_tree(struct build *b, struct sy_pv *pv)
{
    static const char *const ZONE_KEYS[SY_IN_TREE_LEN] = {
        [SY_IN_TREE_AWS_EBS] = "topology.ebs.csi.aws.com/zone",
        [SY_IN_TREE_GCE_PD] = "topology.gke.io/zone",
        [SY_IN_TREE_CINDER] = "topology.cinder.csi.openstack.org/zone",
    };

    if (pv->in_tree == SY_IN_TREE_GCE_PD)
        pv->handle = gce_handle(b, pv);
    else if (pv->in_tree == SY_IN_TREE_AWS_EBS)
        pv->handle = sy_in_tree_handle(b->d->strings, SY_IN_TREE_AWS_EBS, pv->handle);
    pv->affinity_of_driver =
        ZONE_KEYS[pv->in_tree]
            ? translate(b, pv, sy_build_id(b, sy_str_from(ZONE_KEYS[pv->in_tree])))
            : pv->affinity;
}
