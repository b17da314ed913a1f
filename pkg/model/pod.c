/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pod.h"

#include "model/walk.h"

#include <inttypes.h>

/* -- encoding: numbers as varints (7 bits a byte, least first), lists after their length -- */

enum { CHUNK_BYTES = 512, VARINT_MAX = 10 };

struct writer {
    struct sy_buf *out;
    size_t len;
    unsigned char chunk[CHUNK_BYTES];
};

static __attribute__((noinline)) void flush(struct writer *w)
{
    sy_buf_add(w->out, w->chunk, w->len);
    w->len = 0;
}

static inline void put(struct writer *w, uint64_t value)
{
    if (SY_UNLIKELY(w->len > CHUNK_BYTES - VARINT_MAX))
        flush(w);
    while (value >= 0x80) {
        w->chunk[w->len++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    w->chunk[w->len++] = (unsigned char)value;
}

/* Small magnitudes of either sign stay short. */
static inline void put_signed(struct writer *w, int64_t value)
{
    put(w, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static void put_sids(struct writer *w, const sy_sid *p, uint32_t len)
{
    put(w, len);
    for (uint32_t i = 0; i < len; i++)
        put(w, p[i]);
}

static void put_labels(struct writer *w, struct sy_labels labels)
{
    put(w, labels.len);
    for (uint32_t i = 0; i < labels.len; i++) {
        put(w, labels.p[i].key);
        put(w, labels.p[i].value);
    }
}

static void put_requests(struct writer *w, const struct sy_pod_request_totals *t)
{
    put(w, t->requests.len);
    for (uint32_t i = 0; i < t->requests.len; i++) {
        put(w, t->requests.p[i].resource);
        put_signed(w, t->requests.p[i].amount);
    }
    put_signed(w, t->nonzero_cpu_milli);
    put_signed(w, t->nonzero_memory_bytes);
    put(w, t->scored_apart);
    if (t->scored_apart) {
        put_signed(w, t->scored_cpu_milli);
        put_signed(w, t->scored_memory_bytes);
    }
}

static void put_requirements(struct writer *w, const struct sy_requirement *reqs, uint32_t len)
{
    put(w, len);
    for (uint32_t i = 0; i < len; i++) {
        put(w, reqs[i].key);
        put(w, (uint64_t)reqs[i].op << 1 | reqs[i].number_ok);
        put_sids(w, reqs[i].values, reqs[i].values_len);
        put_signed(w, reqs[i].number);
    }
}

static void put_selector(struct writer *w, const struct sy_selector *sel)
{
    put(w, (uint64_t)sel->is_nil | (uint64_t)sel->is_invalid << 1);
    put_requirements(w, sel->reqs, sel->len);
}

static void put_node_term(struct writer *w, const struct sy_node_term *term)
{
    put_requirements(w, term->exprs, term->exprs_len);
    put_requirements(w, term->fields, term->fields_len);
}

static void put_affinity_term(struct writer *w, const struct sy_affinity_term *term)
{
    put_selector(w, &term->selector);
    put_sids(w, term->namespaces, term->namespaces_len);
    put_selector(w, &term->namespace_selector);
    put(w, term->topology_key);
}

static void put_affinity_terms(struct writer *w, const struct sy_affinity_term *p, uint32_t len)
{
    put(w, len);
    for (uint32_t i = 0; i < len; i++)
        put_affinity_term(w, &p[i]);
}

static void put_weighted_terms(struct writer *w, const struct sy_weighted_affinity_term *p,
                               uint32_t len)
{
    put(w, len);
    for (uint32_t i = 0; i < len; i++) {
        put_signed(w, p[i].weight);
        put_affinity_term(w, &p[i].term);
    }
}

static void put_node_affinity(struct writer *w, const struct sy_pod_spec *spec)
{
    put_labels(w, spec->node_selector);
    put(w, spec->required_nodes.is_set);
    put(w, spec->required_nodes.len);
    for (uint32_t i = 0; i < spec->required_nodes.len; i++)
        put_node_term(w, &spec->required_nodes.terms[i]);
    put(w, spec->preferred_nodes_len);
    for (uint32_t i = 0; i < spec->preferred_nodes_len; i++) {
        put_signed(w, spec->preferred_nodes[i].weight);
        put_node_term(w, &spec->preferred_nodes[i].term);
    }
}

static void put_spread(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->spread_len);
    for (uint32_t i = 0; i < spec->spread_len; i++) {
        const struct sy_spread_constraint *s = &spec->spread[i];
        put_signed(w, s->max_skew);
        put_signed(w, s->min_domains);
        put(w, s->topology_key);
        put(w, (uint64_t)s->honor_affinity | (uint64_t)s->honor_taints << 1 |
                   (uint64_t)s->when_unsatisfiable << 2);
        put_selector(w, &s->selector);
        put_sids(w, s->match_label_keys, s->match_label_keys_len);
    }
}

static void put_tolerations(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->tolerations_len);
    for (uint32_t i = 0; i < spec->tolerations_len; i++) {
        const struct sy_toleration *t = &spec->tolerations[i];
        put(w, t->key);
        put(w, t->value);
        put(w, t->op);
        put(w, t->effect);
    }
}

static void put_host_ports(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->host_ports_len);
    for (uint32_t i = 0; i < spec->host_ports_len; i++) {
        put(w, spec->host_ports[i].ip);
        put_signed(w, spec->host_ports[i].port);
        put(w, spec->host_ports[i].protocol);
    }
}

static void put_volumes(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->volumes_len);
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        const struct sy_volume *v = &spec->volumes[i];
        put(w, (uint64_t)v->kind << 1 | v->read_only);
        put(w, v->name);
        put(w, v->aux);
        put_signed(w, v->number);
        put_sids(w, v->list, v->list_len);
    }
}

static void put_claims(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->claims_len);
    for (uint32_t i = 0; i < spec->claims_len; i++) {
        put(w, spec->claims[i].name);
        put(w, spec->claims[i].claim);
        put(w, spec->claims[i].template);
    }
}

static void put_device_resources(struct writer *w, const struct sy_pod_spec *spec)
{
    put(w, spec->device_resources_len);
    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        put(w, r->resource);
        put_signed(w, r->amount);
        put(w, r->container_name);
        put(w, r->container);
        put(w, r->index);
        put(w, r->kind);
    }
}

int sy_pod_spec_encode(const struct sy_pod_spec *spec, struct sy_buf *out)
{
    struct writer w;

    w.out = out;
    w.len = 0;
    put(&w, spec->scheduler_name);
    put(&w, spec->host_network);
    put(&w, spec->needed_features);
    put_requests(&w, &spec->requests);
    put(&w, spec->gpu.count);
    if (spec->gpu.count) {
        put(&w, spec->gpu.milli);
        put(&w, spec->gpu.memory_milli);
        put_signed(&w, spec->gpu.memory_bytes);
        put(&w, spec->gpu.resource);
        put(&w, spec->gpu.one_group);
    }
    put_node_affinity(&w, spec);
    put_affinity_terms(&w, spec->affinity, spec->affinity_len);
    put_weighted_terms(&w, spec->preferred_affinity, spec->preferred_affinity_len);
    put_affinity_terms(&w, spec->anti_affinity, spec->anti_affinity_len);
    put_weighted_terms(&w, spec->preferred_anti_affinity, spec->preferred_anti_affinity_len);
    put_spread(&w, spec);
    put_tolerations(&w, spec);
    put_host_ports(&w, spec);
    put_sids(&w, spec->images, spec->images_len);
    put(&w, spec->containers_len);
    put_volumes(&w, spec);
    put_claims(&w, spec);
    put_device_resources(&w, spec);
    put(&w, spec->scheduling_group);
    return sy_buf_add(out, w.chunk, w.len);
}

/* -- copying -- */

static struct sy_affinity_term copy_affinity_term(struct sy_copier *c,
                                                  const struct sy_affinity_term *term)
{
    struct sy_affinity_term copy = *term;

    copy.selector = sy_copy_selector(c, &term->selector);
    copy.namespaces =
        sy_copy_array(c, term->namespaces, term->namespaces_len, sizeof(*term->namespaces));
    copy.namespace_selector = sy_copy_selector(c, &term->namespace_selector);
    return copy;
}

static const struct sy_affinity_term *
copy_affinity_terms(struct sy_copier *c, const struct sy_affinity_term *p, uint32_t len)
{
    struct sy_affinity_term *copy = sy_copy_room(c, len, sizeof(*copy));

    for (uint32_t i = 0; copy && i < len; i++)
        copy[i] = copy_affinity_term(c, &p[i]);
    return copy;
}

static const struct sy_weighted_affinity_term *
copy_weighted_terms(struct sy_copier *c, const struct sy_weighted_affinity_term *p, uint32_t len)
{
    struct sy_weighted_affinity_term *copy = sy_copy_room(c, len, sizeof(*copy));

    for (uint32_t i = 0; copy && i < len; i++) {
        copy[i].weight = p[i].weight;
        copy[i].term = copy_affinity_term(c, &p[i].term);
    }
    return copy;
}

static void copy_node_affinity(struct sy_copier *c, struct sy_pod_spec *spec)
{
    struct sy_node_term *terms = sy_copy_room(c, spec->required_nodes.len, sizeof(*terms));

    for (uint32_t i = 0; terms && i < spec->required_nodes.len; i++)
        terms[i] = sy_copy_node_term(c, &spec->required_nodes.terms[i]);
    spec->required_nodes.terms = terms;

    struct sy_preferred_node_term *preferred =
        sy_copy_room(c, spec->preferred_nodes_len, sizeof(*preferred));
    for (uint32_t i = 0; preferred && i < spec->preferred_nodes_len; i++) {
        preferred[i].weight = spec->preferred_nodes[i].weight;
        preferred[i].term = sy_copy_node_term(c, &spec->preferred_nodes[i].term);
    }
    spec->preferred_nodes = preferred;
}

static void copy_spread(struct sy_copier *c, struct sy_pod_spec *spec)
{
    struct sy_spread_constraint *copy =
        sy_copy_array(c, spec->spread, spec->spread_len, sizeof(*copy));

    for (uint32_t i = 0; copy && i < spec->spread_len; i++) {
        copy[i].selector = sy_copy_selector(c, &spec->spread[i].selector);
        copy[i].match_label_keys = sy_copy_array(c, copy[i].match_label_keys,
                                                 copy[i].match_label_keys_len, sizeof(sy_sid));
    }
    spec->spread = copy;
}

static void copy_volumes(struct sy_copier *c, struct sy_pod_spec *spec)
{
    struct sy_volume *copy = sy_copy_array(c, spec->volumes, spec->volumes_len, sizeof(*copy));

    for (uint32_t i = 0; copy && i < spec->volumes_len; i++)
        copy[i].list = sy_copy_array(c, copy[i].list, copy[i].list_len, sizeof(sy_sid));
    spec->volumes = copy;
}

int sy_pod_spec_copy(struct sy_arena *arena, const struct sy_pod_spec *spec,
                     struct sy_pod_spec *ret)
{
    struct sy_copier c = {.arena = arena};
    struct sy_pod_spec copy = *spec;

    /* Each of these replaces a list of `copy`, which still points to the original, by its copy. */
    copy.requests.requests = sy_copy_amounts(&c, spec->requests.requests);
    copy.node_selector = sy_copy_labels(&c, spec->node_selector);
    copy_node_affinity(&c, &copy);
    copy.affinity = copy_affinity_terms(&c, spec->affinity, spec->affinity_len);
    copy.preferred_affinity =
        copy_weighted_terms(&c, spec->preferred_affinity, spec->preferred_affinity_len);
    copy.anti_affinity = copy_affinity_terms(&c, spec->anti_affinity, spec->anti_affinity_len);
    copy.preferred_anti_affinity =
        copy_weighted_terms(&c, spec->preferred_anti_affinity, spec->preferred_anti_affinity_len);
    copy_spread(&c, &copy);
    copy.tolerations =
        sy_copy_array(&c, spec->tolerations, spec->tolerations_len, sizeof(*spec->tolerations));
    copy.host_ports =
        sy_copy_array(&c, spec->host_ports, spec->host_ports_len, sizeof(*spec->host_ports));
    copy.images = sy_copy_array(&c, spec->images, spec->images_len, sizeof(*spec->images));
    copy_volumes(&c, &copy);
    copy.claims = sy_copy_array(&c, spec->claims, spec->claims_len, sizeof(*spec->claims));
    copy.device_resources = sy_copy_array(&c, spec->device_resources, spec->device_resources_len,
                                          sizeof(*spec->device_resources));
    if (c.error)
        return c.error;
    *ret = copy;
    return 0;
}

/* -- marking -- */

static void mark_affinity_term(struct sy_strings *strings, const struct sy_affinity_term *term)
{
    sy_mark_requirements(strings, term->selector.reqs, term->selector.len);
    sy_mark_sids(strings, term->namespaces, term->namespaces_len);
    sy_mark_requirements(strings, term->namespace_selector.reqs, term->namespace_selector.len);
    sy_strings_mark(strings, term->topology_key);
}

static void mark_all_affinity(const struct sy_pod_spec *spec, struct sy_strings *strings)
{
    for (uint32_t i = 0; i < spec->affinity_len; i++)
        mark_affinity_term(strings, &spec->affinity[i]);
    for (uint32_t i = 0; i < spec->preferred_affinity_len; i++)
        mark_affinity_term(strings, &spec->preferred_affinity[i].term);
    for (uint32_t i = 0; i < spec->anti_affinity_len; i++)
        mark_affinity_term(strings, &spec->anti_affinity[i]);
    for (uint32_t i = 0; i < spec->preferred_anti_affinity_len; i++)
        mark_affinity_term(strings, &spec->preferred_anti_affinity[i].term);
}

static void mark_spread(const struct sy_pod_spec *spec, struct sy_strings *strings)
{
    for (uint32_t i = 0; i < spec->spread_len; i++) {
        const struct sy_spread_constraint *s = &spec->spread[i];
        sy_strings_mark(strings, s->topology_key);
        sy_mark_requirements(strings, s->selector.reqs, s->selector.len);
        sy_mark_sids(strings, s->match_label_keys, s->match_label_keys_len);
    }
}

static void mark_volumes(const struct sy_pod_spec *spec, struct sy_strings *strings)
{
    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        sy_strings_mark(strings, spec->volumes[i].name);
        sy_strings_mark(strings, spec->volumes[i].aux);
        sy_mark_sids(strings, spec->volumes[i].list, spec->volumes[i].list_len);
    }
}

void sy_pod_spec_mark(const struct sy_pod_spec *spec, struct sy_strings *strings)
{
    sy_strings_mark(strings, spec->scheduler_name);
    sy_mark_amounts(strings, spec->requests.requests);
    sy_mark_labels(strings, spec->node_selector);
    for (uint32_t i = 0; i < spec->required_nodes.len; i++)
        sy_mark_node_term(strings, &spec->required_nodes.terms[i]);
    for (uint32_t i = 0; i < spec->preferred_nodes_len; i++)
        sy_mark_node_term(strings, &spec->preferred_nodes[i].term);
    mark_all_affinity(spec, strings);
    mark_spread(spec, strings);
    for (uint32_t i = 0; i < spec->tolerations_len; i++) {
        sy_strings_mark(strings, spec->tolerations[i].key);
        sy_strings_mark(strings, spec->tolerations[i].value);
    }
    for (uint32_t i = 0; i < spec->host_ports_len; i++)
        sy_strings_mark(strings, spec->host_ports[i].ip);
    sy_mark_sids(strings, spec->images, spec->images_len);
    mark_volumes(spec, strings);
    for (uint32_t i = 0; i < spec->claims_len; i++) {
        sy_strings_mark(strings, spec->claims[i].name);
        sy_strings_mark(strings, spec->claims[i].claim);
        sy_strings_mark(strings, spec->claims[i].template);
    }
    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        sy_strings_mark(strings, spec->device_resources[i].resource);
        sy_strings_mark(strings, spec->device_resources[i].container_name);
    }
    sy_strings_mark(strings, spec->scheduling_group);
}

/* -- printing -- */

static void dump_affinity_term(struct sy_dump *d, const char *name, const int32_t *weight,
                               const struct sy_affinity_term *term)
{
    sy_buf_addf(d->out, "%s=", name);
    if (weight)
        sy_buf_addf(d->out, "weight %" PRId32 " ", *weight);
    sy_buf_adds(d->out, "pods ");
    sy_dump_selector(d, &term->selector);
    sy_buf_adds(d->out, " namespaces ");
    sy_dump_sids(d, term->namespaces, term->namespaces_len, true);
    sy_buf_adds(d->out, " and ");
    sy_dump_selector(d, &term->namespace_selector);
    sy_buf_adds(d->out, " by ");
    sy_dump_id(d, term->topology_key);
    sy_buf_addc(d->out, '\n');
}

static void dump_affinity_terms(struct sy_dump *d, const char *name,
                                const struct sy_affinity_term *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        dump_affinity_term(d, name, NULL, &p[i]);
}

static void dump_weighted_terms(struct sy_dump *d, const char *name,
                                const struct sy_weighted_affinity_term *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        dump_affinity_term(d, name, &p[i].weight, &p[i].term);
}

static void dump_node_affinity(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    sy_dump_labels_line(d, "nodeSelector", spec->node_selector);
    sy_dump_number_line(d, "requiredNodes.set", spec->required_nodes.is_set);
    for (uint32_t i = 0; i < spec->required_nodes.len; i++) {
        sy_buf_adds(d->out, "requiredNodes=");
        sy_dump_node_term(d, &spec->required_nodes.terms[i]);
        sy_buf_addc(d->out, '\n');
    }
    for (uint32_t i = 0; i < spec->preferred_nodes_len; i++) {
        sy_buf_addf(d->out, "preferredNodes=weight %" PRId32 " ", spec->preferred_nodes[i].weight);
        sy_dump_node_term(d, &spec->preferred_nodes[i].term);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_spread(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    static const char *const words[] = {"DoNotSchedule", "ScheduleAnyway"};

    for (uint32_t i = 0; i < spec->spread_len; i++) {
        const struct sy_spread_constraint *s = &spec->spread[i];
        sy_buf_addf(d->out, "spread=maxSkew %" PRId32 " minDomains %" PRId32 " by ", s->max_skew,
                    s->min_domains);
        sy_dump_id(d, s->topology_key);
        sy_buf_addf(d->out, " %s affinity %s taints %s pods ",
                    sy_dump_word(words, SY_ARRAY_LEN(words), s->when_unsatisfiable),
                    s->honor_affinity ? "Honor" : "Ignore", s->honor_taints ? "Honor" : "Ignore");
        sy_dump_selector(d, &s->selector);
        sy_buf_adds(d->out, " matchLabelKeys ");
        sy_dump_sids(d, s->match_label_keys, s->match_label_keys_len, false);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_tolerations(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    static const char *const ops[] = {"Equal", "Exists", "Gt", "Lt", "Invalid"};

    for (uint32_t i = 0; i < spec->tolerations_len; i++) {
        const struct sy_toleration *t = &spec->tolerations[i];
        sy_buf_adds(d->out, "toleration=");
        sy_dump_id(d, t->key);
        sy_buf_addf(d->out, " %s ", sy_dump_word(ops, SY_ARRAY_LEN(ops), t->op));
        sy_dump_id(d, t->value);
        sy_buf_addf(d->out, " %s\n", sy_dump_word(sy_effect_words, 4, t->effect));
    }
}

static void dump_host_ports(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    static const char *const protocols[] = {"TCP", "UDP", "SCTP"};

    for (uint32_t i = 0; i < spec->host_ports_len; i++) {
        const struct sy_host_port *p = &spec->host_ports[i];
        sy_buf_adds(d->out, "hostPort=");
        sy_dump_id(d, p->ip);
        sy_buf_addf(d->out, " %" PRId32 " %s\n", p->port,
                    sy_dump_word(protocols, SY_ARRAY_LEN(protocols), p->protocol));
    }
}

static void dump_volumes(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    static const char *const kinds[] = {"claim", "ephemeral", "csi",       "gcePD",  "awsEBS",
                                        "iscsi", "rbd",       "azureDisk", "cinder", "portworx"};

    for (uint32_t i = 0; i < spec->volumes_len; i++) {
        const struct sy_volume *v = &spec->volumes[i];
        sy_buf_addf(d->out, "volume=%s ", sy_dump_word(kinds, SY_ARRAY_LEN(kinds), v->kind));
        sy_dump_id(d, v->name);
        sy_buf_addc(d->out, ' ');
        sy_dump_id(d, v->aux);
        sy_buf_addf(d->out, " %" PRId32 " ", v->number);
        sy_dump_sids(d, v->list, v->list_len, false);
        sy_buf_adds(d->out, v->read_only ? " readOnly\n" : "\n");
    }
}

static void dump_claims(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->claims_len; i++) {
        sy_buf_adds(d->out, "resourceClaim=");
        sy_dump_id(d, spec->claims[i].name);
        sy_buf_adds(d->out, " claim ");
        sy_dump_id(d, spec->claims[i].claim);
        sy_buf_adds(d->out, " template ");
        sy_dump_id(d, spec->claims[i].template);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_device_resources(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->device_resources_len; i++) {
        const struct sy_device_resource *r = &spec->device_resources[i];
        sy_buf_adds(d->out, "deviceResource=");
        sy_dump_id(d, r->resource);
        sy_buf_addf(d->out, " %lld container ", (long long)r->amount);
        sy_dump_id(d, r->container_name);
        sy_buf_addf(d->out, " %u.%u kind %u\n", r->container, r->index, r->kind);
    }
}

static void dump_gpu(struct sy_dump *d, const struct sy_gpu_request *r)
{
    if (!r->count)
        return;
    sy_buf_addf(d->out, "gpu=%u x %u milli, memory %u milli, %lld bytes, of ", r->count, r->milli,
                r->memory_milli, (long long)r->memory_bytes);
    sy_dump_id(d, r->resource);
    sy_buf_adds(d->out, r->one_group ? ", one group\n" : "\n");
}

static void dump_spec(struct sy_dump *d, const struct sy_pod_spec *spec)
{
    sy_dump_id_line(d, "schedulerName", spec->scheduler_name);
    sy_dump_number_line(d, "hostNetwork", spec->host_network);
    sy_dump_number_line(d, "neededFeatures", spec->needed_features);
    sy_dump_amounts_line(d, "requests", spec->requests.requests);
    sy_dump_number_line(d, "requests.nonzeroCPU", spec->requests.nonzero_cpu_milli);
    sy_dump_number_line(d, "requests.nonzeroMemory", spec->requests.nonzero_memory_bytes);
    if (spec->requests.scored_apart) {
        sy_dump_number_line(d, "requests.scoredCPU", spec->requests.scored_cpu_milli);
        sy_dump_number_line(d, "requests.scoredMemory", spec->requests.scored_memory_bytes);
    }
    dump_gpu(d, &spec->gpu);
    dump_node_affinity(d, spec);
    dump_affinity_terms(d, "podAffinity", spec->affinity, spec->affinity_len);
    dump_weighted_terms(d, "preferredPodAffinity", spec->preferred_affinity,
                        spec->preferred_affinity_len);
    dump_affinity_terms(d, "podAntiAffinity", spec->anti_affinity, spec->anti_affinity_len);
    dump_weighted_terms(d, "preferredPodAntiAffinity", spec->preferred_anti_affinity,
                        spec->preferred_anti_affinity_len);
    dump_spread(d, spec);
    dump_tolerations(d, spec);
    dump_host_ports(d, spec);
    sy_buf_adds(d->out, "images=");
    sy_dump_sids(d, spec->images, spec->images_len, false);
    sy_buf_addc(d->out, '\n');
    sy_dump_number_line(d, "containers", spec->containers_len);
    dump_volumes(d, spec);
    dump_claims(d, spec);
    dump_device_resources(d, spec);
    sy_dump_id_line(d, "schedulingGroup", spec->scheduling_group);
}

int sy_pod_dump(const struct sy_pod *pod, const struct sy_strings *strings, struct sy_buf *out)
{
    static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed", "Unknown"};
    struct sy_dump d = {strings, out};

    sy_dump_str_line(&d, "uid", pod->uid);
    sy_dump_id_line(&d, "namespace", pod->ns);
    sy_dump_str_line(&d, "name", pod->name);
    sy_dump_str_line(&d, "resourceVersion", pod->resource_version);
    sy_dump_id_line(&d, "node", pod->node);
    sy_dump_id_line(&d, "nominatedNode", pod->nominated_node);
    sy_dump_labels_line(&d, "labels", pod->labels);
    sy_dump_labels_line(&d, "annotations", pod->annotations);
    if (pod->gpu_devices) {
        char text[SY_GPU_DEVICES_TEXT_MAX];
        sy_buf_addf(out, "gpuDevices=%s\n", sy_gpu_devices_format(pod->gpu_devices, text));
    }
    sy_dump_number_line(&d, "generation", pod->generation);
    sy_dump_number_line(&d, "created", pod->created_wall_ns);
    sy_dump_number_line(&d, "started", pod->started_wall_ns);
    sy_dump_number_line(&d, "deleting", pod->deleting_wall_ns);
    sy_dump_number_line(&d, "priority", pod->priority);
    if (pod->priority_class)
        sy_dump_id_line(&d, "priorityClassName", pod->priority_class);
    sy_dump_number_line(&d, "neverPreempts", pod->never_preempts);
    sy_dump_word_line(&d, "phase", sy_dump_word(phases, SY_ARRAY_LEN(phases), pod->phase));
    sy_dump_word_line(&d, "scheduled", sy_dump_word(sy_condition_words, 4, pod->scheduled));
    sy_dump_id_line(&d, "scheduled.reason", pod->scheduled_reason);
    sy_dump_str_line(&d, "scheduled.message", pod->scheduled_message);
    sy_dump_word_line(&d, "ready", sy_dump_word(sy_condition_words, 4, pod->ready));
    sy_dump_number_line(&d, "gates", pod->gates_len);
    sy_dump_id_line(&d, "owner.kind", pod->owner_kind);
    sy_dump_str_line(&d, "owner.uid", pod->owner_uid);
    dump_spec(&d, &pod->spec);
    return out->failed;
}
