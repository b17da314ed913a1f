/* SPDX-License-Identifier: Apache-2.0
 *
 * v1.Pod to struct sy_pod. */
#include <errno.h>
#include <stdlib.h>

#include "kube/decode.h"
#include "kube/decode_build.h"
#include "model/quantity.h"

/* ---- resources ------------------------------------------------------------------------------- */

/* Container statuses by name. A few are searched in a line; many, which only an odd peer sends, in
 * a sorted array. */
struct named_status {
    const struct wire_container_status *status;
    size_t order;
};

struct status_index {
    const struct wire_pod_status *status;
    struct named_status *sorted;
    size_t len;
};

enum { STATUSES_IN_LINE = 32 };

static int by_name(const void *pa, const void *pb)
{
    const struct named_status *a = pa, *b = pb;

    return sy_str_cmp(a->status->name, b->status->name);
}

static int by_name_and_order(const void *pa, const void *pb)
{
    const struct named_status *a = pa, *b = pb;
    int r = by_name(pa, pb);

    return r ? r : a->order < b->order ? -1 : 1;
}

/* Main containers first: of equal names the first counts, as upstream; those after it are dropped.
 */
static void index_statuses(struct build *b, const struct wire_pod_status *status,
                           struct status_index *ret)
{
    const struct wire_container_status *s;
    size_t count = 0, len = 0;

    *ret = (struct status_index){.status = status};
    if (status)
        count = (size_t)status->container_statuses.len + status->init_container_statuses.len;
    if (count <= STATUSES_IN_LINE)
        return;
    struct named_status *sorted = sy_build_array(b, count, sizeof(*sorted));
    if (!sorted) {
        ret->status = NULL;
        return;
    }
    WIRE_FOREACH (s, &status->container_statuses) {
        sorted[len] = (struct named_status){s, len};
        len++;
    }
    WIRE_FOREACH (s, &status->init_container_statuses) {
        sorted[len] = (struct named_status){s, len};
        len++;
    }
    qsort(sorted, len, sizeof(*sorted), by_name_and_order);
    for (size_t i = 0; i < len; i++) {
        if (!i || by_name(&sorted[i - 1], &sorted[i]) != 0)
            sorted[ret->len++] = sorted[i];
    }
    ret->sorted = sorted;
}

static const struct wire_container_status *find_status(const struct status_index *index,
                                                       struct sy_str name)
{
    const struct wire_container_status *s;

    if (!index->status)
        return NULL;
    if (index->sorted) {
        struct wire_container_status want = {.name = name};
        struct named_status key = {.status = &want};
        const struct named_status *found =
            bsearch(&key, index->sorted, index->len, sizeof(*index->sorted), by_name);
        return found ? found->status : NULL;
    }
    WIRE_FOREACH (s, &index->status->container_statuses) {
        if (sy_str_eq(s->name, name))
            return s;
    }
    WIRE_FOREACH (s, &index->status->init_container_statuses) {
        if (sy_str_eq(s->name, name))
            return s;
    }
    return NULL;
}

static void build_container(struct build *b, const struct wire_container *from, bool is_init,
                            const struct status_index *statuses, struct sy_container *to)
{
    const struct wire_container_status *status = find_status(statuses, from->name);

    to->kind = !is_init                                            ? SY_CONTAINER_MAIN
               : sy_str_eq(from->restart_policy, SY_STR("Always")) ? SY_CONTAINER_SIDECAR
                                                                   : SY_CONTAINER_INIT;
    if (from->resources)
        to->requests = sy_build_amounts(b, &from->resources->requests);
    if (!status)
        return;
    to->has_status = true;
    to->status_allocated = sy_build_amounts(b, &status->allocated);
    if (status->resources)
        to->status_requests = sy_build_amounts(b, &status->resources->requests);
}

static void build_requests(struct build *b, const struct wire_pod *from, struct sy_pod *pod)
{
    const struct wire_pod_spec *spec = from->spec;
    const struct wire_container *c;
    const struct wire_condition *resize = NULL;
    struct status_index statuses;
    size_t count = (size_t)spec->init_containers.len + spec->containers.len;
    struct sy_container *containers = sy_build_array(b, count, sizeof(*containers));
    struct sy_pod_resources in = {.containers = containers};

    index_statuses(b, from->status, &statuses);
    if (containers) {
        WIRE_FOREACH (c, &spec->init_containers)
            build_container(b, c, true, &statuses, &containers[in.containers_len++]);
        WIRE_FOREACH (c, &spec->containers)
            build_container(b, c, false, &statuses, &containers[in.containers_len++]);
    }
    if (spec->resources) {
        in.pod_level = sy_build_amounts(b, &spec->resources->requests);
        in.has_pod_level = true;
    }
    in.overhead = sy_build_amounts(b, &spec->overhead);
    if (from->status) {
        sy_build_condition(&from->status->conditions, SY_STR("PodResizePending"), &resize);
        in.pod_status_allocated = sy_build_amounts(b, &from->status->allocated);
        if (from->status->resources)
            in.pod_status_requests = sy_build_amounts(b, &from->status->resources->requests);
        in.resize_infeasible = resize && sy_str_eq(resize->reason, SY_STR("Infeasible"));
    }
    if (!b->code)
        b->code =
            sy_pod_requests(&b->d->arena, b->d->strings, &b->d->names, &in, &pod->spec.requests);
    sy_build_pod_gpus(b, from, containers, in.containers_len, pod);
}

/* ---- affinity and spread --------------------------------------------------------------------- */

static void build_affinity_term(struct build *b, const struct wire_affinity_term *from,
                                struct sy_affinity_term *to)
{
    if (!from) {
        to->selector.is_nil = true;
        to->namespace_selector.is_nil = true;
        return;
    }
    to->selector = sy_build_selector(b, from->selector);
    to->namespaces = sy_build_id_set(b, &from->namespaces, &to->namespaces_len);
    to->namespace_selector = sy_build_selector(b, from->namespace_selector);
    to->topology_key = sy_build_id_unless_empty(b, from->topology_key);
}

static struct sy_affinity_term *build_required(struct build *b, const struct wire_list *from,
                                               uint32_t *ret_len)
{
    struct sy_affinity_term *terms = sy_build_array(b, from->len, sizeof(*terms));
    const struct wire_affinity_term *term;

    if (!terms)
        return NULL;
    WIRE_FOREACH (term, from)
        build_affinity_term(b, term, &terms[(*ret_len)++]);
    return terms;
}

static struct sy_weighted_affinity_term *
build_preferred(struct build *b, const struct wire_list *from, uint32_t *ret_len)
{
    struct sy_weighted_affinity_term *terms = sy_build_array(b, from->len, sizeof(*terms));
    const struct wire_weighted_term *term;

    if (!terms)
        return NULL;
    WIRE_FOREACH (term, from) {
        struct sy_weighted_affinity_term *to = &terms[(*ret_len)++];
        to->weight = (int32_t)term->weight;
        build_affinity_term(b, term->term, &to->term);
    }
    return terms;
}

static void build_node_affinity(struct build *b, const struct wire_node_affinity *from,
                                struct sy_pod_spec *spec)
{
    const struct wire_node_term *term;
    const struct wire_preferred_node_term *preferred;

    if (from->required) {
        const struct wire_list *list = &from->required->terms;
        struct sy_node_term *terms = sy_build_array(b, list->len, sizeof(*terms));
        spec->required_nodes.is_set = true;
        spec->required_nodes.terms = terms;
        for (term = terms ? list->first : NULL; term; term = term->next)
            terms[spec->required_nodes.len++] = sy_build_node_term(b, term);
    }
    struct sy_preferred_node_term *to = sy_build_array(b, from->preferred.len, sizeof(*to));
    spec->preferred_nodes = to;
    if (!to)
        return;
    WIRE_FOREACH (preferred, &from->preferred) {
        to[spec->preferred_nodes_len++] = (struct sy_preferred_node_term){
            .weight = (int32_t)preferred->weight,
            .term = sy_build_node_term(b, preferred->preference),
        };
    }
}

static void build_affinity(struct build *b, const struct wire_affinity *from,
                           struct sy_pod_spec *spec)
{
    if (from->node)
        build_node_affinity(b, from->node, spec);
    if (from->pod) {
        spec->affinity = build_required(b, &from->pod->required, &spec->affinity_len);
        spec->preferred_affinity =
            build_preferred(b, &from->pod->preferred, &spec->preferred_affinity_len);
    }
    if (from->anti) {
        spec->anti_affinity = build_required(b, &from->anti->required, &spec->anti_affinity_len);
        spec->preferred_anti_affinity =
            build_preferred(b, &from->anti->preferred, &spec->preferred_anti_affinity_len);
    }
}

static void build_spread(struct build *b, const struct wire_list *from, struct sy_pod_spec *spec)
{
    struct sy_spread_constraint *constraints = sy_build_array(b, from->len, sizeof(*constraints));
    const struct wire_spread *c;

    if (!constraints)
        return;
    WIRE_FOREACH (c, from) {
        bool soft = sy_str_eq(c->when_unsatisfiable, SY_STR("ScheduleAnyway"));
        if (!soft && !sy_str_eq(c->when_unsatisfiable, SY_STR("DoNotSchedule"))) {
            /* Upstream takes up those two and no other. */
            b->d->odd_values++;
            continue;
        }
        struct sy_spread_constraint *to = &constraints[spec->spread_len++];
        to->max_skew = (int32_t)c->max_skew;
        to->min_domains = (int32_t)c->min_domains;
        to->topology_key = sy_build_id_unless_empty(b, c->topology_key);
        to->when_unsatisfiable = soft ? SY_SCHEDULE_ANYWAY : SY_DO_NOT_SCHEDULE;
        to->honor_affinity =
            !c->node_affinity_policy.len || sy_str_eq(c->node_affinity_policy, SY_STR("Honor"));
        to->honor_taints = sy_str_eq(c->node_taints_policy, SY_STR("Honor"));
        to->selector = sy_build_selector(b, c->selector);
        to->match_label_keys = sy_build_ids(b, &c->match_label_keys, &to->match_label_keys_len);
    }
    spec->spread = spec->spread_len ? constraints : NULL;
}

/* ---- the rest of the spec -------------------------------------------------------------------- */

static uint8_t toleration_op(struct sy_str s)
{
    if (!s.len || sy_str_eq(s, SY_STR("Equal")))
        return SY_TOLERATION_EQUAL;
    if (sy_str_eq(s, SY_STR("Exists")))
        return SY_TOLERATION_EXISTS;
    if (sy_str_eq(s, SY_STR("Gt")))
        return SY_TOLERATION_GT;
    if (sy_str_eq(s, SY_STR("Lt")))
        return SY_TOLERATION_LT;
    return SY_TOLERATION_INVALID;
}

static void build_tolerations(struct build *b, const struct wire_list *from,
                              struct sy_pod_spec *spec)
{
    struct sy_toleration *tolerations = sy_build_array(b, from->len, sizeof(*tolerations));
    const struct wire_toleration *t;

    spec->tolerations = tolerations;
    if (!tolerations)
        return;
    WIRE_FOREACH (t, from) {
        struct sy_toleration *to = &tolerations[spec->tolerations_len++];
        to->key = sy_build_id_unless_empty(b, t->key);
        to->value = sy_build_id(b, t->value);
        to->op = toleration_op(t->op);
        to->effect = sy_build_effect(t->effect);
        /* An effect that we do not know is none of the taints' effects. */
        if (t->effect.len && to->effect == SY_EFFECT_NONE)
            to->op = SY_TOLERATION_INVALID;
    }
}

static uint8_t protocol_of(struct sy_decode *d, struct sy_str s)
{
    if (sy_str_eq(s, SY_STR("UDP")))
        return SY_PROTOCOL_UDP;
    if (sy_str_eq(s, SY_STR("SCTP")))
        return SY_PROTOCOL_SCTP;
    if (s.len && !sy_str_eq(s, SY_STR("TCP")))
        d->odd_values++;
    return SY_PROTOCOL_TCP;
}

static void add_ports(struct build *b, const struct wire_container *c, struct sy_host_port *ports,
                      uint32_t *len)
{
    const struct wire_port *port;

    WIRE_FOREACH (port, &c->ports) {
        if (port->host_port <= 0)
            continue;
        if (ports) {
            ports[*len] = (struct sy_host_port){
                .ip = port->host_ip.len ? sy_build_id(b, port->host_ip) : b->d->any_ip,
                .port = (int32_t)port->host_port,
                .protocol = protocol_of(b->d, port->protocol),
            };
        }
        (*len)++;
    }
}

/* Sidecars run as long as the pod does, other init containers do not count. With ports NULL, only
 * counts. */
static uint32_t all_ports(struct build *b, const struct wire_pod_spec *from,
                          struct sy_host_port *ports)
{
    const struct wire_container *c;
    uint32_t len = 0;

    WIRE_FOREACH (c, &from->init_containers) {
        if (sy_str_eq(c->restart_policy, SY_STR("Always")))
            add_ports(b, c, ports, &len);
    }
    WIRE_FOREACH (c, &from->containers)
        add_ports(b, c, ports, &len);
    return len;
}

static void build_ports(struct build *b, const struct wire_pod_spec *from, struct sy_pod_spec *spec)
{
    struct sy_host_port *ports = sy_build_array(b, all_ports(b, from, NULL), sizeof(*ports));

    spec->host_ports = ports;
    if (ports)
        spec->host_ports_len = all_ports(b, from, ports);
}

/* The name as nodes report it: with a tag. */
static sy_sid image_id(struct build *b, struct sy_str name)
{
    const char *colon = name.len ? memrchr(name.p, ':', name.len) : NULL;
    const char *slash = name.len ? memrchr(name.p, '/', name.len) : NULL;
    static const char latest[] = ":latest";

    if (colon && (!slash || colon > slash))
        return sy_build_id(b, name);
    if (name.len > SY_STRINGS_MAX_LEN)
        return sy_build_id(b, name);
    char *tagged = sy_arena_alloc(&b->d->scratch, name.len + sizeof(latest));
    if (!tagged) {
        b->code = b->code ? b->code : sy_wire_arena_error(&b->d->scratch, name.len + 8);
        return 0;
    }
    if (name.len)
        memcpy(tagged, name.p, name.len);
    memcpy(tagged + name.len, latest, sizeof(latest));
    return sy_build_id(b, (struct sy_str){tagged, name.len + sizeof(latest) - 1});
}

/* Images of containers, init containers and image volumes: all that ImageLocality counts. */
static void build_images(struct build *b, const struct wire_pod_spec *from,
                         struct sy_pod_spec *spec)
{
    const struct wire_container *c;
    const struct wire_volume *v;
    size_t count = (size_t)from->containers.len + from->init_containers.len;

    WIRE_FOREACH (v, &from->volumes)
        count += v->source && v->source->image;
    sy_sid *images = sy_build_array(b, count, sizeof(*images));
    spec->images = images;
    if (!images)
        return;
    WIRE_FOREACH (c, &from->containers)
        images[spec->images_len++] = image_id(b, c->image);
    WIRE_FOREACH (c, &from->init_containers)
        images[spec->images_len++] = image_id(b, c->image);
    WIRE_FOREACH (v, &from->volumes) {
        if (v->source && v->source->image)
            images[spec->images_len++] = image_id(b, v->source->image->name);
    }
    spec->containers_len = spec->images_len;
}

/* Whether scheduling looks at this volume; then *ret is filled. */
static bool build_volume(struct build *b, const struct wire_volume *from, struct sy_volume *ret)
{
    static const struct wire_volume_source none;
    const struct wire_volume_source *s = from->source ? from->source : &none;
    const struct {
        const struct wire_source *source;
        uint8_t kind;
    } kinds[] = {
        {s->claim, SY_VOLUME_CLAIM},     {s->ephemeral, SY_VOLUME_EPHEMERAL},
        {s->csi, SY_VOLUME_CSI},         {s->gce_pd, SY_VOLUME_GCE_PD},
        {s->aws_ebs, SY_VOLUME_AWS_EBS}, {s->iscsi, SY_VOLUME_ISCSI},
        {s->rbd, SY_VOLUME_RBD},         {s->azure_disk, SY_VOLUME_AZURE_DISK},
        {s->cinder, SY_VOLUME_CINDER},   {s->portworx, SY_VOLUME_PORTWORX},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(kinds); i++) {
        const struct wire_source *source = kinds[i].source;
        if (!source)
            continue;
        *ret = (struct sy_volume){
            .kind = kinds[i].kind,
            .read_only = source->read_only,
            .name = sy_build_id_unless_empty(
                b, kinds[i].kind == SY_VOLUME_EPHEMERAL ? from->name : source->name),
            .aux = sy_build_id_unless_empty(b, source->aux),
            .number = (int32_t)source->number,
        };
        ret->list = sy_build_ids(b, &source->list, &ret->list_len);
        return true;
    }
    return false;
}

static void build_volumes(struct build *b, const struct wire_list *from, struct sy_pod_spec *spec)
{
    struct sy_volume *volumes = sy_build_array(b, from->len, sizeof(*volumes));
    const struct wire_volume *v;

    if (!volumes)
        return;
    WIRE_FOREACH (v, from)
        spec->volumes_len += build_volume(b, v, &volumes[spec->volumes_len]);
    spec->volumes = spec->volumes_len ? volumes : NULL;
}

/* A claim made from a template has its name in the status, once it is made; an entry without a name
 * says that none is needed. */
static void build_claims(struct build *b, const struct wire_list *from,
                         const struct wire_pod_status *status, struct sy_pod_spec *spec)
{
    struct sy_resource_claim_ref *claims = sy_build_array(b, from->len, sizeof(*claims));
    const struct wire_claim *c, *made;

    spec->claims = claims;
    if (!claims)
        return;
    WIRE_FOREACH (c, from) {
        struct sy_str claim = c->claim;
        for (made = c->template.len && status ? status->claims.first : NULL; made;
             made = made->next) {
            if (sy_str_eq(made->name, c->name))
                break;
        }
        if (made && !made->claim.len)
            continue;
        if (made)
            claim = made->claim;
        claims[spec->claims_len++] = (struct sy_resource_claim_ref){
            .name = sy_build_id_unless_empty(b, c->name),
            .claim = sy_build_id_unless_empty(b, claim),
            .template = sy_build_id_unless_empty(b, c->template),
        };
    }
}

/* ---- resources that device classes may stand for ----------------------------------------------
 */

static bool may_be_device(struct build *b, const struct wire_pair *pair, int64_t *ret_amount)
{
    return sy_resource_may_be_device(pair->key) &&
           sy_quantity_parse(pair->value, SY_SCALE_UNIT, ret_amount, NULL) == 0 &&
           *ret_amount > 0 && !b->code;
}

static uint32_t count_device_resources(struct build *b, const struct wire_list *containers)
{
    const struct wire_container *c;
    const struct wire_pair *pair;
    uint32_t len = 0;
    int64_t amount;

    WIRE_FOREACH (c, containers) {
        if (!c->resources)
            continue;
        WIRE_FOREACH (pair, &c->resources->requests)
            len += may_be_device(b, pair, &amount);
    }
    return len;
}

static int by_key(const void *pa, const void *pb)
{
    const struct wire_pair *const *a = pa, *const *b = pb;

    return sy_str_cmp((*a)->key, (*b)->key);
}

static void add_device_resources(struct build *b, const struct wire_container *c,
                                 struct sy_device_resource base, struct sy_device_resource *to,
                                 uint32_t *len)
{
    const struct wire_list *requests = &c->resources->requests;
    const struct wire_pair **sorted = sy_build_array(b, requests->len, sizeof(const void *));
    const struct wire_pair *pair;
    uint32_t sorted_len = 0;

    if (!sorted)
        return;
    WIRE_FOREACH (pair, requests)
        sorted[sorted_len++] = pair;
    qsort(sorted, sorted_len, sizeof(const void *), by_key);
    base.container_name = sy_build_id(b, c->name);
    for (uint32_t i = 0; i < sorted_len && i <= UINT16_MAX; i++) {
        if (!may_be_device(b, sorted[i], &base.amount))
            continue;
        base.resource = sy_build_id(b, sorted[i]->key);
        base.index = (uint16_t)i;
        to[(*len)++] = base;
    }
}

static void build_device_resources(struct build *b, const struct wire_pod_spec *from,
                                   struct sy_pod_spec *spec)
{
    const struct wire_list *const lists[] = {&from->init_containers, &from->containers};
    uint32_t room = count_device_resources(b, lists[0]) + count_device_resources(b, lists[1]);
    struct sy_device_resource *to = sy_build_array(b, room, sizeof(*to));
    struct sy_device_resource base = {0};
    const struct wire_container *c;

    if (!to)
        return;
    for (size_t i = 0; i < SY_ARRAY_LEN(lists); i++) {
        WIRE_FOREACH (c, lists[i]) {
            base.kind = i                                         ? SY_CONTAINER_MAIN
                        : sy_str_eqz(c->restart_policy, "Always") ? SY_CONTAINER_SIDECAR
                                                                  : SY_CONTAINER_INIT;
            if (c->resources && c->resources->requests.len)
                add_device_resources(b, c, base, to, &spec->device_resources_len);
            base.container++;
        }
    }
    spec->device_resources = to;
}

/* ---- declared features ----------------------------------------------------------------------- */

static bool has_mount_options(const struct wire_list *mounts)
{
    const struct wire_mount *mount;

    WIRE_FOREACH (mount, mounts) {
        if (mount->options.len)
            return true;
    }
    return false;
}

static uint16_t needed_by(const struct wire_list *containers)
{
    const struct wire_container *c;
    const struct wire_restart_rule *rule;
    uint16_t needed = 0;

    WIRE_FOREACH (c, containers) {
        if (has_mount_options(&c->mounts))
            needed |= 1U << SY_FEATURE_BIND_MOUNT_OPTIONS;
        WIRE_FOREACH (rule, &c->restart_rules) {
            if (sy_str_eqz(rule->action, "RestartAllContainers"))
                needed |= 1U << SY_FEATURE_RESTART_ALL_CONTAINERS;
        }
    }
    return needed;
}

/* What upstream's features infer for scheduling. */
static uint16_t needed_features(const struct wire_pod_spec *from)
{
    uint16_t needed = needed_by(&from->containers) | needed_by(&from->init_containers);
    const struct wire_debug_container *c;

    WIRE_FOREACH (c, &from->debug_containers) {
        if (c->common && has_mount_options(&c->common->mounts))
            needed |= 1U << SY_FEATURE_BIND_MOUNT_OPTIONS;
    }
    if (from->host_network && from->host_users.is_set && !from->host_users.value)
        needed |= 1U << SY_FEATURE_USER_NAMESPACES_HOST_NETWORK;
    return needed;
}

static void build_spec(struct build *b, const struct wire_pod *wire, struct sy_pod *pod)
{
    const struct wire_pod_spec *from = wire->spec;
    struct sy_pod_spec *spec = &pod->spec;

    pod->node = sy_build_id_unless_empty(b, from->node_name);
    pod->priority = (int32_t)from->priority;
    pod->priority_class = sy_build_id_unless_empty(b, from->priority_class);
    pod->never_preempts = sy_str_eq(from->preemption_policy, SY_STR("Never"));
    pod->gates_len = from->gates.len > UINT16_MAX ? UINT16_MAX : (uint16_t)from->gates.len;

    spec->scheduler_name = sy_build_id_unless_empty(b, from->scheduler_name);
    spec->host_network = from->host_network;
    spec->needed_features = needed_features(from);
    build_requests(b, wire, pod);
    spec->node_selector = sy_build_labels(b, &from->node_selector);
    if (from->affinity)
        build_affinity(b, from->affinity, spec);
    build_spread(b, &from->spread, spec);
    build_tolerations(b, &from->tolerations, spec);
    build_ports(b, from, spec);
    build_images(b, from, spec);
    build_volumes(b, &from->volumes, spec);
    build_claims(b, &from->claims, wire->status, spec);
    build_device_resources(b, from, spec);
    if (from->group)
        spec->scheduling_group = sy_build_id_unless_empty(b, from->group->name);
}

/* ---- metadata and status --------------------------------------------------------------------- */

static void build_metadata(struct build *b, const struct wire_metadata *from, struct sy_pod *pod)
{
    const struct wire_owner *owner;

    pod->uid = sy_build_text(b, from->uid);
    pod->name = sy_build_text(b, from->name);
    pod->resource_version = sy_build_text(b, from->resource_version);
    pod->ns = sy_build_id_unless_empty(b, from->ns);
    pod->labels = sy_build_labels(b, &from->labels);
    pod->annotations = sy_build_annotations(b, &from->annotations);
    pod->generation = from->generation;
    pod->created_wall_ns = from->created_wall_ns;
    pod->deleting_wall_ns = from->deleting_wall_ns;
    WIRE_FOREACH (owner, &from->owners) {
        if (!owner->controller)
            continue;
        pod->owner_kind = sy_build_id_unless_empty(b, owner->kind);
        pod->owner_uid = sy_build_text(b, owner->uid);
        break;
    }
}

static uint8_t phase_of(struct sy_str s)
{
    if (!s.len || sy_str_eq(s, SY_STR("Pending")))
        return SY_PHASE_PENDING;
    if (sy_str_eq(s, SY_STR("Running")))
        return SY_PHASE_RUNNING;
    if (sy_str_eq(s, SY_STR("Succeeded")))
        return SY_PHASE_SUCCEEDED;
    if (sy_str_eq(s, SY_STR("Failed")))
        return SY_PHASE_FAILED;
    return SY_PHASE_UNKNOWN;
}

static void build_status(struct build *b, const struct wire_pod_status *from, struct sy_pod *pod)
{
    const struct wire_condition *scheduled;

    pod->phase = phase_of(from->phase);
    pod->nominated_node = sy_build_id_unless_empty(b, from->nominated_node);
    pod->started_wall_ns = from->started_wall_ns;
    pod->ready = sy_build_condition(&from->conditions, SY_STR("Ready"), NULL);
    pod->scheduled = sy_build_condition(&from->conditions, SY_STR("PodScheduled"), &scheduled);
    if (scheduled) {
        pod->scheduled_reason = sy_build_id_unless_empty(b, scheduled->reason);
        pod->scheduled_message = sy_build_text(b, scheduled->message);
    }
}

int sy_decode_pod(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw, struct sy_pod *ret,
                  struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct sy_pod pod = {0};
    struct wire_pod_spec no_spec = {0};
    struct wire_pod wire = {0};
    int code = sy_wire_read(d, enc, &sy_wire_pod, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "decoding a pod");
    if (wire.metadata)
        build_metadata(&b, wire.metadata, &pod);
    if (!wire.spec)
        wire.spec = &no_spec;
    build_spec(&b, &wire, &pod);
    if (wire.status)
        build_status(&b, wire.status, &pod);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "decoding a pod");
    *ret = pod;
    return 0;
}
