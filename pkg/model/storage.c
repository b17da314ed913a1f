/* SPDX-License-Identifier: Apache-2.0 */
#include "model/storage.h"

#include "model/walk.h"

static const struct {
    const char *name;
    const char *driver;
} IN_TREE[SY_IN_TREE_LEN] = {
    [SY_IN_TREE_NONE] = {"", ""},
    [SY_IN_TREE_AWS_EBS] = {"kubernetes.io/aws-ebs", "ebs.csi.aws.com"},
    [SY_IN_TREE_GCE_PD] = {"kubernetes.io/gce-pd", "pd.csi.storage.gke.io"},
    [SY_IN_TREE_CINDER] = {"kubernetes.io/cinder", "cinder.csi.openstack.org"},
    [SY_IN_TREE_AZURE_DISK] = {"kubernetes.io/azure-disk", "disk.csi.azure.com"},
    [SY_IN_TREE_PORTWORX] = {"kubernetes.io/portworx-volume", "pxd.portworx.com"},
};

const char *sy_in_tree_name(enum sy_in_tree kind)
{
    return IN_TREE[kind].name;
}

const char *sy_in_tree_driver(enum sy_in_tree kind)
{
    return IN_TREE[kind].driver;
}

enum sy_in_tree sy_in_tree_by_name(struct sy_str name)
{
    for (int kind = SY_IN_TREE_NONE + 1; kind < SY_IN_TREE_LEN; kind++) {
        if (sy_str_eqz(name, IN_TREE[kind].name))
            return (enum sy_in_tree)kind;
    }
    return SY_IN_TREE_NONE;
}

/* aws://zone/vol-1234 is called vol-1234 by the driver. */
static struct sy_str ebs_id(struct sy_str name)
{
    struct sy_str prefix = SY_STR("aws://");

    if (!sy_str_starts(name, prefix))
        return name;
    const char *slash = memchr(name.p + prefix.len, '/', name.len - prefix.len);
    if (!slash)
        return (struct sy_str){0};
    name.len -= (size_t)(slash + 1 - name.p);
    name.p = slash + 1;
    while (name.len && name.p[name.len - 1] == '/')
        name.len--;
    return sy_str_starts(name, SY_STR("vol-")) ? name : (struct sy_str){0};
}

sy_sid sy_in_tree_handle(struct sy_strings *strings, enum sy_in_tree kind, sy_sid name)
{
    struct sy_str text = sy_strings_get(strings, name);
    struct sy_buf handle;

    if (kind == SY_IN_TREE_AWS_EBS) {
        text = ebs_id(text);
        return text.len ? sy_strings_add(strings, text) : 0;
    }
    if (kind != SY_IN_TREE_GCE_PD)
        return name;
    sy_buf_init(&handle, SY_STRINGS_MAX_LEN);
    sy_buf_adds(&handle, "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/");
    sy_buf_add(&handle, text.p, text.len);
    sy_sid id = handle.failed ? 0 : sy_strings_add(strings, sy_buf_str(&handle));
    sy_buf_done(&handle);
    return id;
}

struct sy_storage_identity sy_storage_identity(enum sy_storage_kind kind, const void *object)
{
    const union sy_storage_object *o = object;

    switch (kind) {
    case SY_STORAGE_VOLUME:
        return (struct sy_storage_identity){0, o->volume.name, o->volume.resource_version};
    case SY_STORAGE_CLAIM:
        return (struct sy_storage_identity){o->claim.ns, o->claim.name, o->claim.resource_version};
    case SY_STORAGE_CLASS:
        return (struct sy_storage_identity){0, o->class.name, o->class.resource_version};
    case SY_STORAGE_NODE:
        return (struct sy_storage_identity){0, o->node.name, o->node.resource_version};
    case SY_STORAGE_DRIVER:
        return (struct sy_storage_identity){0, o->driver.name, o->driver.resource_version};
    case SY_STORAGE_CAPACITY:
        return (struct sy_storage_identity){o->capacity.ns, o->capacity.name,
                                            o->capacity.resource_version};
    case SY_STORAGE_ATTACHMENT:
        return (struct sy_storage_identity){0, o->attachment.name, o->attachment.resource_version};
    case SY_STORAGE_KINDS:
        break;
    }
    return (struct sy_storage_identity){0};
}

/* -- copies -- */

static struct sy_node_selector copy_terms(struct sy_copier *c, const struct sy_node_selector *from)
{
    struct sy_node_selector to = *from;
    struct sy_node_term *terms = sy_copy_room(c, from->len, sizeof(*terms));

    for (uint32_t i = 0; terms && i < from->len; i++)
        terms[i] = sy_copy_node_term(c, &from->terms[i]);
    to.terms = terms;
    return to;
}

static void copy_volume(struct sy_copier *c, struct sy_pv *v)
{
    v->uid = sy_copy_str(c, v->uid);
    v->resource_version = sy_copy_str(c, v->resource_version);
    v->labels = sy_copy_labels(c, v->labels);
    v->claim.uid = sy_copy_str(c, v->claim.uid);
    v->affinity = copy_terms(c, &v->affinity);
    v->affinity_of_driver = copy_terms(c, &v->affinity_of_driver);
}

static void copy_claim(struct sy_copier *c, struct sy_pvc *v)
{
    v->uid = sy_copy_str(c, v->uid);
    v->resource_version = sy_copy_str(c, v->resource_version);
    v->selector = sy_copy_selector(c, &v->selector);
    v->owner_uid = sy_copy_str(c, v->owner_uid);
}

int sy_storage_copy(enum sy_storage_kind kind, struct sy_arena *arena, const void *object,
                    union sy_storage_object *ret)
{
    struct sy_copier c = {.arena = arena};
    union sy_storage_object o = {0};

    switch (kind) {
    case SY_STORAGE_VOLUME:
        o.volume = *(const struct sy_pv *)object;
        copy_volume(&c, &o.volume);
        break;
    case SY_STORAGE_CLAIM:
        o.claim = *(const struct sy_pvc *)object;
        copy_claim(&c, &o.claim);
        break;
    case SY_STORAGE_CLASS:
        o.class = *(const struct sy_storage_class *)object;
        o.class.resource_version = sy_copy_str(&c, o.class.resource_version);
        o.class.topologies = copy_terms(&c, &o.class.topologies);
        break;
    case SY_STORAGE_NODE:
        o.node = *(const struct sy_csi_node *)object;
        o.node.resource_version = sy_copy_str(&c, o.node.resource_version);
        o.node.drivers =
            sy_copy_array(&c, o.node.drivers, o.node.drivers_len, sizeof(*o.node.drivers));
        break;
    case SY_STORAGE_DRIVER:
        o.driver = *(const struct sy_csi_driver *)object;
        o.driver.resource_version = sy_copy_str(&c, o.driver.resource_version);
        break;
    case SY_STORAGE_CAPACITY:
        o.capacity = *(const struct sy_csi_capacity *)object;
        o.capacity.resource_version = sy_copy_str(&c, o.capacity.resource_version);
        o.capacity.topology = sy_copy_selector(&c, &o.capacity.topology);
        break;
    case SY_STORAGE_ATTACHMENT:
        o.attachment = *(const struct sy_volume_attachment *)object;
        o.attachment.resource_version = sy_copy_str(&c, o.attachment.resource_version);
        break;
    case SY_STORAGE_KINDS:
        break;
    }
    if (c.error)
        return c.error;
    *ret = o;
    return 0;
}

/* -- marking -- */

static void mark_terms(struct sy_strings *strings, const struct sy_node_selector *s)
{
    for (uint32_t i = 0; i < s->len; i++)
        sy_mark_node_term(strings, &s->terms[i]);
}

static void mark_volume(struct sy_strings *strings, const struct sy_pv *v)
{
    const sy_sid ids[] = {v->name,   v->class, v->attributes_class, v->claim.ns, v->claim.name,
                          v->driver, v->handle};

    sy_mark_sids(strings, ids, SY_ARRAY_LEN(ids));
    sy_mark_labels(strings, v->labels);
    mark_terms(strings, &v->affinity);
    mark_terms(strings, &v->affinity_of_driver);
}

static void mark_claim(struct sy_strings *strings, const struct sy_pvc *v)
{
    const sy_sid ids[] = {v->ns,     v->name,          v->class,
                          v->volume, v->selected_node, v->attributes_class};

    sy_mark_sids(strings, ids, SY_ARRAY_LEN(ids));
    sy_mark_requirements(strings, v->selector.reqs, v->selector.len);
}

void sy_storage_mark(enum sy_storage_kind kind, const void *object, struct sy_strings *strings)
{
    const union sy_storage_object *o = object;
    struct sy_storage_identity identity = sy_storage_identity(kind, object);

    sy_strings_mark(strings, identity.ns);
    sy_strings_mark(strings, identity.name);
    switch (kind) {
    case SY_STORAGE_VOLUME:
        mark_volume(strings, &o->volume);
        break;
    case SY_STORAGE_CLAIM:
        mark_claim(strings, &o->claim);
        break;
    case SY_STORAGE_CLASS:
        sy_strings_mark(strings, o->class.provisioner);
        mark_terms(strings, &o->class.topologies);
        break;
    case SY_STORAGE_NODE:
        for (uint32_t i = 0; i < o->node.drivers_len; i++)
            sy_strings_mark(strings, o->node.drivers[i].name);
        break;
    case SY_STORAGE_CAPACITY:
        sy_strings_mark(strings, o->capacity.class);
        sy_mark_requirements(strings, o->capacity.topology.reqs, o->capacity.topology.len);
        break;
    case SY_STORAGE_ATTACHMENT:
        sy_strings_mark(strings, o->attachment.attacher);
        sy_strings_mark(strings, o->attachment.node);
        sy_strings_mark(strings, o->attachment.volume);
        break;
    case SY_STORAGE_DRIVER:
    case SY_STORAGE_KINDS:
        break;
    }
}

/* -- printing -- */

static void dump_terms(struct sy_dump *d, const char *name, const struct sy_node_selector *s)
{
    sy_dump_number_line(d, name, s->is_set);
    for (uint32_t i = 0; i < s->len; i++) {
        sy_buf_addf(d->out, "%s=", name);
        sy_dump_node_term(d, &s->terms[i]);
        sy_buf_addc(d->out, '\n');
    }
}

static void dump_selector(struct sy_dump *d, const char *name, const struct sy_selector *s)
{
    sy_buf_addf(d->out, "%s=", name);
    sy_dump_selector(d, s);
    sy_buf_addc(d->out, '\n');
}

static void dump_volume(struct sy_dump *d, const struct sy_pv *v)
{
    sy_dump_str_line(d, "uid", v->uid);
    sy_dump_labels_line(d, "labels", v->labels);
    sy_dump_id_line(d, "class", v->class);
    sy_dump_number_line(d, "capacity", v->capacity_bytes);
    sy_dump_number_line(d, "access", v->access);
    sy_dump_number_line(d, "phase", v->phase);
    sy_dump_number_line(d, "block", v->is_block);
    sy_dump_number_line(d, "deleting", v->is_deleting);
    sy_dump_number_line(d, "boundByController", v->bound_by_controller);
    sy_dump_id_line(d, "attributesClass", v->attributes_class);
    sy_dump_number_line(d, "claimRef", v->claim.is_set);
    sy_dump_id_line(d, "claimNamespace", v->claim.ns);
    sy_dump_id_line(d, "claimName", v->claim.name);
    sy_dump_str_line(d, "claimUid", v->claim.uid);
    dump_terms(d, "affinity", &v->affinity);
    dump_terms(d, "affinityOfDriver", &v->affinity_of_driver);
    sy_dump_id_line(d, "driver", v->driver);
    sy_dump_id_line(d, "handle", v->handle);
    sy_dump_word_line(d, "inTree", sy_in_tree_name(v->in_tree));
}

static void dump_claim(struct sy_dump *d, const struct sy_pvc *v)
{
    sy_dump_str_line(d, "uid", v->uid);
    sy_dump_id_line(d, "class", v->class);
    sy_dump_id_line(d, "volume", v->volume);
    sy_dump_number_line(d, "hasRequest", v->has_request);
    sy_dump_number_line(d, "request", v->request_bytes);
    sy_dump_number_line(d, "access", v->access);
    sy_dump_number_line(d, "block", v->is_block);
    sy_dump_number_line(d, "lost", v->is_lost);
    sy_dump_number_line(d, "deleting", v->is_deleting);
    sy_dump_number_line(d, "bindCompleted", v->bind_completed);
    sy_dump_number_line(d, "hasSelectedNode", v->has_selected_node);
    sy_dump_id_line(d, "selectedNode", v->selected_node);
    sy_dump_id_line(d, "attributesClass", v->attributes_class);
    dump_selector(d, "selector", &v->selector);
    sy_dump_str_line(d, "owner", v->owner_uid);
}

static void dump_node(struct sy_dump *d, const struct sy_csi_node *n)
{
    sy_dump_number_line(d, "migrated", n->migrated);
    for (uint32_t i = 0; i < n->drivers_len; i++) {
        sy_dump_id_line(d, "driver", n->drivers[i].name);
        sy_dump_number_line(d, "limit", n->drivers[i].has_limit ? n->drivers[i].limit : -1);
    }
}

static void dump_capacity(struct sy_dump *d, const struct sy_csi_capacity *c)
{
    sy_dump_id_line(d, "class", c->class);
    dump_selector(d, "topology", &c->topology);
    sy_dump_number_line(d, "hasCapacity", c->has_capacity);
    sy_dump_number_line(d, "capacity", c->capacity_bytes);
    sy_dump_number_line(d, "hasMaximum", c->has_maximum);
    sy_dump_number_line(d, "maximum", c->maximum_bytes);
}

int sy_storage_dump(enum sy_storage_kind kind, const void *object, const struct sy_strings *strings,
                    struct sy_buf *out)
{
    const union sy_storage_object *o = object;
    struct sy_storage_identity identity = sy_storage_identity(kind, object);
    struct sy_dump d = {strings, out};

    sy_dump_id_line(&d, "namespace", identity.ns);
    sy_dump_id_line(&d, "name", identity.name);
    sy_dump_str_line(&d, "resourceVersion", identity.resource_version);
    switch (kind) {
    case SY_STORAGE_VOLUME:
        dump_volume(&d, &o->volume);
        break;
    case SY_STORAGE_CLAIM:
        dump_claim(&d, &o->claim);
        break;
    case SY_STORAGE_CLASS:
        sy_dump_id_line(&d, "provisioner", o->class.provisioner);
        sy_dump_number_line(&d, "mode", o->class.mode);
        sy_dump_number_line(&d, "cannotProvision", o->class.cannot_provision);
        sy_dump_word_line(&d, "inTree", sy_in_tree_name(o->class.in_tree));
        dump_terms(&d, "topologies", &o->class.topologies);
        break;
    case SY_STORAGE_NODE:
        dump_node(&d, &o->node);
        break;
    case SY_STORAGE_DRIVER:
        sy_dump_number_line(&d, "tracksCapacity", o->driver.tracks_capacity);
        sy_dump_number_line(&d, "mustBeOnNode", o->driver.must_be_on_node);
        break;
    case SY_STORAGE_CAPACITY:
        dump_capacity(&d, &o->capacity);
        break;
    case SY_STORAGE_ATTACHMENT:
        sy_dump_id_line(&d, "attacher", o->attachment.attacher);
        sy_dump_id_line(&d, "node", o->attachment.node);
        sy_dump_id_line(&d, "volume", o->attachment.volume);
        break;
    case SY_STORAGE_KINDS:
        break;
    }
    return out->failed;
}
