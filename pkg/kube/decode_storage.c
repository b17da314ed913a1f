/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes, claims, storage classes and the CSI objects: their field tables and what the fields
 * mean. Numbers and names are those of k8s.io/api/core/v1 and storage/v1 (v0.37.2). */
#include <errno.h>
#include <strings.h>

#include "kube/decode.h"
#include "kube/decode_build.h"
#include "model/quantity.h"

struct wire_claim_ref {
    struct sy_str ns;
    struct sy_str name;
    struct sy_str uid;
};

/* What one kind of volume is called by. */
struct wire_pv_source {
    struct sy_str driver;
    struct sy_str handle;
    struct sy_str kind; /* of an Azure disk */
};

struct wire_pv_sources {
    struct wire_pv_source *csi;
    struct wire_pv_source *gce_pd;
    struct wire_pv_source *aws_ebs;
    struct wire_pv_source *cinder;
    struct wire_pv_source *azure_disk;
    struct wire_pv_source *portworx;
};

struct wire_volume_affinity {
    struct wire_node_selector *required;
};

struct wire_pv_spec {
    struct wire_list capacity;
    struct wire_pv_sources *source;
    struct wire_list access;
    struct wire_claim_ref *claim;
    struct sy_str class;
    struct sy_str mode;
    struct wire_volume_affinity *affinity;
    struct sy_str attributes_class;
};

struct wire_phase {
    struct sy_str phase;
};

struct wire_pv {
    struct wire_metadata *metadata;
    struct wire_pv_spec *spec;
    struct wire_phase *status;
};

struct wire_pvc_spec {
    struct wire_list access;
    struct wire_resources *resources;
    struct sy_str volume;
    struct wire_selector *selector;
    struct sy_str class;
    struct sy_str mode;
    struct sy_str attributes_class;
};

struct wire_pvc {
    struct wire_metadata *metadata;
    struct wire_pvc_spec *spec;
    struct wire_phase *status;
};

struct wire_topology_requirement {
    struct wire_topology_requirement *next;
    struct sy_str key;
    struct wire_list values;
};

struct wire_topology_term {
    struct wire_topology_term *next;
    struct wire_list requirements;
};

struct wire_storage_class {
    struct wire_metadata *metadata;
    struct sy_str provisioner;
    struct sy_str mode;
    struct wire_list topologies;
};

struct wire_volume_limit {
    struct wire_opt_int count;
};

struct wire_csi_node_driver {
    struct wire_csi_node_driver *next;
    struct sy_str name;
    struct wire_volume_limit *allocatable;
};

struct wire_csi_node_spec {
    struct wire_list drivers;
};

struct wire_csi_node {
    struct wire_metadata *metadata;
    struct wire_csi_node_spec *spec;
};

struct wire_csi_driver_spec {
    bool tracks_capacity;
    bool must_be_on_node;
};

struct wire_csi_driver {
    struct wire_metadata *metadata;
    struct wire_csi_driver_spec *spec;
};

struct wire_csi_capacity {
    struct wire_metadata *metadata;
    struct wire_selector *topology;
    struct sy_str class;
    struct sy_str capacity;
    struct sy_str maximum;
};

struct wire_attachment_source {
    struct sy_str volume;
};

struct wire_attachment_spec {
    struct sy_str attacher;
    struct wire_attachment_source *source;
    struct sy_str node;
};

struct wire_attachment {
    struct wire_metadata *metadata;
    struct wire_attachment_spec *spec;
};

/* clang-format off */

#define MESSAGE WIRE_MESSAGE
#define FIELD   WIRE_FIELD
#define SUB     WIRE_SUB

static const struct wire_message claim_ref_message = MESSAGE(wire_claim_ref,
    [2] = FIELD(wire_claim_ref, ns, "namespace", WIRE_STR),
    [3] = FIELD(wire_claim_ref, name, "name", WIRE_STR),
    [4] = FIELD(wire_claim_ref, uid, "uid", WIRE_STR));

static const struct wire_message csi_message = MESSAGE(wire_pv_source,
    [1] = FIELD(wire_pv_source, driver, "driver", WIRE_STR),
    [2] = FIELD(wire_pv_source, handle, "volumeHandle", WIRE_STR));

static const struct wire_message gce_pd_message = MESSAGE(wire_pv_source,
    [1] = FIELD(wire_pv_source, handle, "pdName", WIRE_STR));

/* AWSElasticBlockStoreVolumeSource, CinderPersistentVolumeSource, PortworxVolumeSource. */
static const struct wire_message volume_id_message = MESSAGE(wire_pv_source,
    [1] = FIELD(wire_pv_source, handle, "volumeID", WIRE_STR));

static const struct wire_message azure_disk_message = MESSAGE(wire_pv_source,
    [2] = FIELD(wire_pv_source, handle, "diskURI", WIRE_STR),
    [6] = FIELD(wire_pv_source, kind, "kind", WIRE_STR));

static const struct wire_message pv_sources_message = MESSAGE(wire_pv_sources,
    [1] = SUB(wire_pv_sources, gce_pd, "gcePersistentDisk", WIRE_MSG, gce_pd_message),
    [2] = SUB(wire_pv_sources, aws_ebs, "awsElasticBlockStore", WIRE_MSG, volume_id_message),
    [8] = SUB(wire_pv_sources, cinder, "cinder", WIRE_MSG, volume_id_message),
    [16] = SUB(wire_pv_sources, azure_disk, "azureDisk", WIRE_MSG, azure_disk_message),
    [18] = SUB(wire_pv_sources, portworx, "portworxVolume", WIRE_MSG, volume_id_message),
    [22] = SUB(wire_pv_sources, csi, "csi", WIRE_MSG, csi_message));

static const struct wire_message volume_affinity_message = MESSAGE(wire_volume_affinity,
    [1] = SUB(wire_volume_affinity, required, "required", WIRE_MSG, sy_wire_node_selector));

static const struct wire_message pv_spec_message = MESSAGE(wire_pv_spec,
    [1] = FIELD(wire_pv_spec, capacity, "capacity", WIRE_QUANTITY_MAP),
    [2] = SUB(wire_pv_spec, source, "", WIRE_INLINE, pv_sources_message),
    [3] = FIELD(wire_pv_spec, access, "accessModes", WIRE_STR_LIST),
    [4] = SUB(wire_pv_spec, claim, "claimRef", WIRE_MSG, claim_ref_message),
    [6] = FIELD(wire_pv_spec, class, "storageClassName", WIRE_STR),
    [8] = FIELD(wire_pv_spec, mode, "volumeMode", WIRE_STR),
    [9] = SUB(wire_pv_spec, affinity, "nodeAffinity", WIRE_MSG, volume_affinity_message),
    [10] = FIELD(wire_pv_spec, attributes_class, "volumeAttributesClassName", WIRE_STR));

static const struct wire_message phase_message = MESSAGE(wire_phase,
    [1] = FIELD(wire_phase, phase, "phase", WIRE_STR));

static const struct wire_message pv_message = MESSAGE(wire_pv,
    [1] = SUB(wire_pv, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_pv, spec, "spec", WIRE_MSG, pv_spec_message),
    [3] = SUB(wire_pv, status, "status", WIRE_MSG, phase_message));

static const struct wire_message requests_message = MESSAGE(wire_resources,
    [2] = FIELD(wire_resources, requests, "requests", WIRE_QUANTITY_MAP));

static const struct wire_message pvc_spec_message = MESSAGE(wire_pvc_spec,
    [1] = FIELD(wire_pvc_spec, access, "accessModes", WIRE_STR_LIST),
    [2] = SUB(wire_pvc_spec, resources, "resources", WIRE_MSG, requests_message),
    [3] = FIELD(wire_pvc_spec, volume, "volumeName", WIRE_STR),
    [4] = SUB(wire_pvc_spec, selector, "selector", WIRE_MSG, sy_wire_selector),
    [5] = FIELD(wire_pvc_spec, class, "storageClassName", WIRE_STR),
    [6] = FIELD(wire_pvc_spec, mode, "volumeMode", WIRE_STR),
    [9] = FIELD(wire_pvc_spec, attributes_class, "volumeAttributesClassName", WIRE_STR));

static const struct wire_message pvc_message = MESSAGE(wire_pvc,
    [1] = SUB(wire_pvc, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_pvc, spec, "spec", WIRE_MSG, pvc_spec_message),
    [3] = SUB(wire_pvc, status, "status", WIRE_MSG, phase_message));

static const struct wire_message topology_requirement_message = MESSAGE(wire_topology_requirement,
    [1] = FIELD(wire_topology_requirement, key, "key", WIRE_STR),
    [2] = FIELD(wire_topology_requirement, values, "values", WIRE_STR_LIST));

static const struct wire_message topology_term_message = MESSAGE(wire_topology_term,
    [1] = SUB(wire_topology_term, requirements, "matchLabelExpressions", WIRE_MSG_LIST,
              topology_requirement_message));

static const struct wire_message storage_class_message = MESSAGE(wire_storage_class,
    [1] = SUB(wire_storage_class, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = FIELD(wire_storage_class, provisioner, "provisioner", WIRE_STR),
    [7] = FIELD(wire_storage_class, mode, "volumeBindingMode", WIRE_STR),
    [8] = SUB(wire_storage_class, topologies, "allowedTopologies", WIRE_MSG_LIST,
              topology_term_message));

static const struct wire_message volume_limit_message = MESSAGE(wire_volume_limit,
    [1] = FIELD(wire_volume_limit, count, "count", WIRE_OPT_INT32));

static const struct wire_message csi_node_driver_message = MESSAGE(wire_csi_node_driver,
    [1] = FIELD(wire_csi_node_driver, name, "name", WIRE_STR),
    [4] = SUB(wire_csi_node_driver, allocatable, "allocatable", WIRE_MSG, volume_limit_message));

static const struct wire_message csi_node_spec_message = MESSAGE(wire_csi_node_spec,
    [1] = SUB(wire_csi_node_spec, drivers, "drivers", WIRE_MSG_LIST, csi_node_driver_message));

static const struct wire_message csi_node_message = MESSAGE(wire_csi_node,
    [1] = SUB(wire_csi_node, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_csi_node, spec, "spec", WIRE_MSG, csi_node_spec_message));

static const struct wire_message csi_driver_spec_message = MESSAGE(wire_csi_driver_spec,
    [4] = FIELD(wire_csi_driver_spec, tracks_capacity, "storageCapacity", WIRE_BOOL),
    [11] = FIELD(wire_csi_driver_spec, must_be_on_node, "preventPodSchedulingIfMissing",
                 WIRE_BOOL));

static const struct wire_message csi_driver_message = MESSAGE(wire_csi_driver,
    [1] = SUB(wire_csi_driver, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_csi_driver, spec, "spec", WIRE_MSG, csi_driver_spec_message));

static const struct wire_message csi_capacity_message = MESSAGE(wire_csi_capacity,
    [1] = SUB(wire_csi_capacity, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_csi_capacity, topology, "nodeTopology", WIRE_MSG, sy_wire_selector),
    [3] = FIELD(wire_csi_capacity, class, "storageClassName", WIRE_STR),
    [4] = FIELD(wire_csi_capacity, capacity, "capacity", WIRE_QUANTITY),
    [5] = FIELD(wire_csi_capacity, maximum, "maximumVolumeSize", WIRE_QUANTITY));

static const struct wire_message attachment_source_message = MESSAGE(wire_attachment_source,
    [1] = FIELD(wire_attachment_source, volume, "persistentVolumeName", WIRE_STR));

static const struct wire_message attachment_spec_message = MESSAGE(wire_attachment_spec,
    [1] = FIELD(wire_attachment_spec, attacher, "attacher", WIRE_STR),
    [2] = SUB(wire_attachment_spec, source, "source", WIRE_MSG, attachment_source_message),
    [3] = FIELD(wire_attachment_spec, node, "nodeName", WIRE_STR));

static const struct wire_message attachment_message = MESSAGE(wire_attachment,
    [1] = SUB(wire_attachment, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_attachment, spec, "spec", WIRE_MSG, attachment_spec_message));

/* clang-format on */

/* ---- pieces ---------------------------------------------------------------------------------- */

static const struct wire_metadata NO_METADATA;

static const struct sy_str *annotation(const struct wire_metadata *m, const char *key)
{
    const struct wire_pair *pair;
    const struct sy_str *value = NULL;

    WIRE_FOREACH (pair, &m->annotations) {
        if (sy_str_eqz(pair->key, key))
            value = &pair->value;
    }
    return value;
}

/* storagehelpers.GetPersistentVolumeClass and GetPersistentVolumeClaimClass. */
static sy_sid class_of(struct build *b, const struct wire_metadata *m, struct sy_str in_spec)
{
    const struct sy_str *beta = annotation(m, "volume.beta.kubernetes.io/storage-class");

    return sy_build_id_unless_empty(b, beta ? *beta : in_spec);
}

static uint8_t access_of(const struct wire_list *modes)
{
    static const struct {
        const char *name;
        uint8_t mode;
    } MODES[] = {
        {"ReadWriteOnce", SY_ACCESS_RWO},
        {"ReadOnlyMany", SY_ACCESS_ROX},
        {"ReadWriteMany", SY_ACCESS_RWX},
        {"ReadWriteOncePod", SY_ACCESS_RWOP},
    };
    const struct wire_text *text;
    uint8_t access = 0;

    WIRE_FOREACH (text, modes) {
        uint8_t mode = SY_ACCESS_OTHER;
        for (size_t i = 0; i < SY_ARRAY_LEN(MODES); i++) {
            if (sy_str_eqz(text->s, MODES[i].name))
                mode = MODES[i].mode;
        }
        access |= mode;
    }
    return access;
}

/* Whether the text is a quantity; then *ret are its bytes. */
static bool bytes_of(struct build *b, struct sy_str text, int64_t *ret)
{
    int64_t value = 0;
    int r = text.len ? sy_quantity_parse(text, SY_SCALE_UNIT, &value, NULL) : -EINVAL;

    b->d->odd_values += text.len && r < 0;
    if (r && r != -ERANGE)
        return false;
    *ret = value;
    return true;
}

static bool storage_of(struct build *b, const struct wire_list *quantities, int64_t *ret)
{
    const struct wire_pair *pair;
    bool found = false;

    WIRE_FOREACH (pair, quantities) {
        if (sy_str_eqz(pair->key, "storage"))
            found = bytes_of(b, pair->value, ret);
    }
    return found;
}

static struct sy_node_selector node_selector(struct build *b, const struct wire_node_selector *from)
{
    struct sy_node_selector to = {.is_set = true};
    struct sy_node_term *terms = sy_build_array(b, from->terms.len, sizeof(*terms));
    const struct wire_node_term *term;

    if (terms) {
        WIRE_FOREACH (term, &from->terms)
            terms[to.len++] = sy_build_node_term(b, term);
    }
    to.terms = terms;
    return to;
}

/* ---- the kinds ------------------------------------------------------------------------------- */

static void build_source(struct build *b, const struct wire_pv_sources *s, struct sy_pv *pv)
{
    const struct {
        const struct wire_pv_source *source;
        uint8_t kind;
    } in_tree[] = {
        {s->aws_ebs, SY_IN_TREE_AWS_EBS},   {s->gce_pd, SY_IN_TREE_GCE_PD},
        {s->cinder, SY_IN_TREE_CINDER},     {s->azure_disk, SY_IN_TREE_AZURE_DISK},
        {s->portworx, SY_IN_TREE_PORTWORX},
    };

    if (s->csi) {
        pv->driver = sy_build_id_unless_empty(b, s->csi->driver);
        pv->handle = sy_build_id_unless_empty(b, s->csi->handle);
        return;
    }
    for (size_t i = 0; i < SY_ARRAY_LEN(in_tree); i++) {
        if (!in_tree[i].source)
            continue;
        struct sy_str kind = in_tree[i].source->kind;
        pv->in_tree = in_tree[i].kind;
        /* Drivers have taken over managed disks alone. */
        if (!kind.len || (kind.len == 7 && strncasecmp(kind.p, "managed", 7) == 0))
            pv->handle = sy_build_id_unless_empty(b, in_tree[i].source->handle);
        sy_build_in_tree(b, pv);
        return;
    }
}

static void build_volume(struct build *b, const void *wire, union sy_storage_object *ret)
{
    static const struct wire_pv_spec no_spec;
    const struct wire_pv *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_pv_spec *spec = from->spec ? from->spec : &no_spec;
    struct sy_pv *pv = &ret->volume;

    *pv = (struct sy_pv){
        .uid = sy_build_text(b, m->uid),
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .labels = sy_build_labels(b, &m->labels),
        .class = class_of(b, m, spec->class),
        .access = access_of(&spec->access),
        .phase = from->status && sy_str_eqz(from->status->phase, "Available")
                     ? SY_VOLUME_AVAILABLE
                     : SY_VOLUME_OTHER_PHASE,
        .is_block = sy_str_eqz(spec->mode, "Block"),
        .is_deleting = m->deleting_wall_ns != 0,
        .bound_by_controller = annotation(m, "pv.kubernetes.io/bound-by-controller") != NULL,
        .attributes_class = sy_build_id_unless_empty(b, spec->attributes_class),
    };
    (void)storage_of(b, &spec->capacity, &pv->capacity_bytes);
    if (spec->claim) {
        pv->claim = (struct sy_claim_ref){
            .is_set = true,
            .ns = sy_build_id_unless_empty(b, spec->claim->ns),
            .name = sy_build_id_unless_empty(b, spec->claim->name),
            .uid = sy_build_text(b, spec->claim->uid),
        };
    }
    if (spec->affinity && spec->affinity->required)
        pv->affinity = node_selector(b, spec->affinity->required);
    if (spec->source)
        build_source(b, spec->source, pv);
}

static void build_claim(struct build *b, const void *wire, union sy_storage_object *ret)
{
    static const struct wire_pvc_spec no_spec;
    const struct wire_pvc *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_pvc_spec *spec = from->spec ? from->spec : &no_spec;
    const struct sy_str *node = annotation(m, "volume.kubernetes.io/selected-node");
    const struct wire_owner *owner;
    struct sy_pvc *pvc = &ret->claim;

    *pvc = (struct sy_pvc){
        .uid = sy_build_text(b, m->uid),
        .resource_version = sy_build_text(b, m->resource_version),
        .ns = sy_build_id_unless_empty(b, m->ns),
        .name = sy_build_id_unless_empty(b, m->name),
        .class = class_of(b, m, spec->class),
        .volume = sy_build_id_unless_empty(b, spec->volume),
        .access = access_of(&spec->access),
        .is_block = sy_str_eqz(spec->mode, "Block"),
        .is_lost = from->status && sy_str_eqz(from->status->phase, "Lost"),
        .is_deleting = m->deleting_wall_ns != 0,
        .bind_completed = annotation(m, "pv.kubernetes.io/bind-completed") != NULL,
        .has_selected_node = node != NULL,
        .selected_node = node ? sy_build_id_unless_empty(b, *node) : 0,
        .attributes_class = sy_build_id_unless_empty(b, spec->attributes_class),
        .selector = sy_build_selector(b, spec->selector),
    };
    pvc->has_request =
        spec->resources && storage_of(b, &spec->resources->requests, &pvc->request_bytes);
    WIRE_FOREACH (owner, &m->owners) {
        if (owner->controller) {
            pvc->owner_uid = sy_build_text(b, owner->uid);
            break;
        }
    }
}

/* A requirement of a topology term is "the label is one of the values". */
static struct sy_node_term topology_term(struct build *b, const struct wire_topology_term *from)
{
    struct sy_requirement *reqs = sy_build_array(b, from->requirements.len, sizeof(*reqs));
    struct sy_node_term term = {.exprs = reqs};
    const struct wire_topology_requirement *r;

    if (!reqs)
        return (struct sy_node_term){0};
    WIRE_FOREACH (r, &from->requirements) {
        struct sy_requirement *req = &reqs[term.exprs_len++];
        *req = (struct sy_requirement){.key = sy_build_id(b, r->key), .op = SY_OP_IN};
        req->values = sy_build_id_set(b, &r->values, &req->values_len);
        if (b->code)
            return (struct sy_node_term){0};
        sy_requirement_check(req, b->d->strings);
    }
    return term;
}

static void build_class(struct build *b, const void *wire, union sy_storage_object *ret)
{
    const struct wire_storage_class *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    struct sy_node_term *terms = sy_build_array(b, from->topologies.len, sizeof(*terms));
    struct sy_storage_class *class = &ret->class;
    const struct wire_topology_term *term;

    *class = (struct sy_storage_class){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .provisioner = sy_build_id_unless_empty(b, from->provisioner),
        .mode = sy_str_eqz(from->mode, "WaitForFirstConsumer") ? SY_BINDING_WAIT
                : from->mode.len                               ? SY_BINDING_IMMEDIATE
                                                               : SY_BINDING_UNSET,
        .cannot_provision =
            !from->provisioner.len || sy_str_eqz(from->provisioner, "kubernetes.io/no-provisioner"),
        .in_tree = (uint8_t)sy_in_tree_by_name(from->provisioner),
    };
    if (!terms)
        return;
    class->topologies = (struct sy_node_selector){.terms = terms, .is_set = true};
    WIRE_FOREACH (term, &from->topologies)
        terms[class->topologies.len++] = topology_term(b, term);
}

/* The annotation lists names with commas between. */
static uint32_t migrated_of(const struct sy_str *list)
{
    uint32_t migrated = 0;
    size_t at = 0;

    while (list && at <= list->len) {
        const char *comma = at < list->len ? memchr(list->p + at, ',', list->len - at) : NULL;
        size_t end = comma ? (size_t)(comma - list->p) : list->len;
        if (end > at)
            migrated |= 1U << sy_in_tree_by_name((struct sy_str){list->p + at, end - at});
        at = end + 1;
    }
    return migrated & ~(1U << SY_IN_TREE_NONE);
}

static void build_csi_node(struct build *b, const void *wire, union sy_storage_object *ret)
{
    static const struct wire_csi_node_spec no_spec;
    const struct wire_csi_node *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_list *list = from->spec ? &from->spec->drivers : &no_spec.drivers;
    struct sy_csi_node_driver *drivers = sy_build_array(b, list->len, sizeof(*drivers));
    const struct wire_csi_node_driver *d;

    ret->node = (struct sy_csi_node){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .migrated = migrated_of(annotation(m, "storage.alpha.kubernetes.io/migrated-plugins")),
        .drivers = drivers,
    };
    if (!drivers)
        return;
    WIRE_FOREACH (d, list) {
        drivers[ret->node.drivers_len++] = (struct sy_csi_node_driver){
            .name = sy_build_id_unless_empty(b, d->name),
            .has_limit = d->allocatable && d->allocatable->count.is_set,
            .limit = d->allocatable ? (int32_t)d->allocatable->count.value : 0,
        };
    }
}

static void build_csi_driver(struct build *b, const void *wire, union sy_storage_object *ret)
{
    const struct wire_csi_driver *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;

    ret->driver = (struct sy_csi_driver){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .tracks_capacity = from->spec && from->spec->tracks_capacity,
        .must_be_on_node = from->spec && from->spec->must_be_on_node,
    };
}

static void build_csi_capacity(struct build *b, const void *wire, union sy_storage_object *ret)
{
    const struct wire_csi_capacity *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    struct sy_csi_capacity *to = &ret->capacity;

    *to = (struct sy_csi_capacity){
        .resource_version = sy_build_text(b, m->resource_version),
        .ns = sy_build_id_unless_empty(b, m->ns),
        .name = sy_build_id_unless_empty(b, m->name),
        .class = sy_build_id_unless_empty(b, from->class),
        .topology = sy_build_selector(b, from->topology),
    };
    to->has_capacity = bytes_of(b, from->capacity, &to->capacity_bytes);
    to->has_maximum = bytes_of(b, from->maximum, &to->maximum_bytes);
}

static void build_attachment(struct build *b, const void *wire, union sy_storage_object *ret)
{
    static const struct wire_attachment_spec no_spec;
    const struct wire_attachment *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_attachment_spec *spec = from->spec ? from->spec : &no_spec;

    ret->attachment = (struct sy_volume_attachment){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .attacher = sy_build_id_unless_empty(b, spec->attacher),
        .node = sy_build_id_unless_empty(b, spec->node),
        .volume = spec->source ? sy_build_id_unless_empty(b, spec->source->volume) : 0,
    };
}

static const struct {
    const char *what;
    const struct wire_message *message;
    void (*build)(struct build *b, const void *wire, union sy_storage_object *ret);
} KINDS[SY_STORAGE_KINDS] = {
    [SY_STORAGE_VOLUME] = {"decoding a persistent volume", &pv_message, build_volume},
    [SY_STORAGE_CLAIM] = {"decoding a persistent volume claim", &pvc_message, build_claim},
    [SY_STORAGE_CLASS] = {"decoding a storage class", &storage_class_message, build_class},
    [SY_STORAGE_NODE] = {"decoding a CSI node", &csi_node_message, build_csi_node},
    [SY_STORAGE_DRIVER] = {"decoding a CSI driver", &csi_driver_message, build_csi_driver},
    [SY_STORAGE_CAPACITY] = {"decoding a CSI storage capacity", &csi_capacity_message,
                             build_csi_capacity},
    [SY_STORAGE_ATTACHMENT] = {"decoding a volume attachment", &attachment_message,
                               build_attachment},
};

int sy_decode_storage(struct sy_decode *d, enum sy_storage_kind kind, enum sy_encoding enc,
                      struct sy_str raw, union sy_storage_object *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    union sy_storage_object object = {0};
    union {
        struct wire_pv volume;
        struct wire_pvc claim;
        struct wire_storage_class class;
        struct wire_csi_node node;
        struct wire_csi_driver driver;
        struct wire_csi_capacity capacity;
        struct wire_attachment attachment;
    } wire = {0};
    int code = sy_wire_read(d, enc, KINDS[kind].message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "%s", KINDS[kind].what);
    KINDS[kind].build(&b, &wire, &object);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "%s", KINDS[kind].what);
    *ret = object;
    return 0;
}
