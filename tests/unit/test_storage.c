/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects behind volumes: decoded from both encodings (data/storage is written by tests/decode/gen
 * with upstream's own types), and kept by the cluster. */
#include "cluster/cluster.h"
#include "kube/decode.h"
#include "wire.h"

#include <dirent.h>
#include <errno.h>

#define STORAGE "tests/unit/data/storage/"

struct fixture {
    struct sy_strings *strings;
    struct sy_decode d;
    struct sy_cluster c;
};

static int setup(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(KEY);
    sy_decode_init(&f->d, f->strings, 1 << 20);
    sy_cluster_init(&f->c, f->strings);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char text[256];

    assert_null(sy_cluster_audit(&f->c, text, sizeof(text)));
    sy_cluster_done(&f->c);
    sy_decode_done(&f->d);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

static sy_sid id(struct fixture *f, const char *text)
{
    return sy_strings_addz(f->strings, text);
}

static const char *text_of(const struct fixture *f, sy_sid sid)
{
    return sy_strings_getz(f->strings, sid);
}

/* -- decoding -- */

static enum sy_storage_kind kind_of(const char *name)
{
    static const char *const PREFIXES[SY_STORAGE_KINDS] = {
        [SY_STORAGE_VOLUME] = "volume-",         [SY_STORAGE_CLAIM] = "claim-",
        [SY_STORAGE_CLASS] = "class-",           [SY_STORAGE_NODE] = "csinode-",
        [SY_STORAGE_DRIVER] = "csidriver-",      [SY_STORAGE_CAPACITY] = "capacity-",
        [SY_STORAGE_ATTACHMENT] = "attachment-",
    };

    for (int kind = 0; kind < SY_STORAGE_KINDS; kind++) {
        if (strncmp(name, PREFIXES[kind], strlen(PREFIXES[kind])) == 0)
            return (enum sy_storage_kind)kind;
    }
    fail_msg("no kind is called like %s", name);
    return SY_STORAGE_KINDS;
}

/* Decodes NAME.pb or NAME.json; the result is valid until the next call. */
static union sy_storage_object load(struct fixture *f, const char *name, enum sy_encoding enc)
{
    char *path = sy_xasprintf(STORAGE "%s.%s", name, enc == SY_ENCODING_JSON ? "json" : "pb");
    struct sy_str raw = read_whole(path);
    union sy_storage_object object;
    struct sy_err err;

    sy_arena_reset(&f->d.arena);
    assert_int_equal(sy_decode_storage(&f->d, kind_of(name), enc, raw, &object, &err), 0);
    assert_int_equal(f->d.odd_values, 0);
    free((void *)(uintptr_t)raw.p);
    free(path);
    return object;
}

static char *dump(struct fixture *f, const char *name, enum sy_encoding enc)
{
    union sy_storage_object object = load(f, name, enc);
    struct sy_buf text;

    sy_buf_init(&text, 1 << 20);
    assert_int_equal(sy_storage_dump(kind_of(name), &object, f->strings, &text), 0);
    return sy_buf_take(&text);
}

static void test_both_encodings_give_the_same(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir(STORAGE);
    struct dirent *entry;
    int objects = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char *end = strstr(entry->d_name, ".json");
        if (!end)
            continue;
        *end = '\0';
        char *json = dump(f, entry->d_name, SY_ENCODING_JSON);
        char *pb = dump(f, entry->d_name, SY_ENCODING_PROTOBUF);
        assert_string_equal(json, pb);
        free(json);
        free(pb);
        objects++;
    }
    closedir(dir);
    assert_true(objects >= 28);
}

static void test_volume(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = load(f, "volume-full", SY_ENCODING_PROTOBUF).volume;

    assert_string_equal(text_of(f, pv.name), "full");
    assert_true(sy_str_eqz(pv.resource_version, "77"));
    assert_string_equal(text_of(f, pv.class), "fast");
    assert_int_equal(pv.capacity_bytes, INT64_C(10) << 30);
    assert_int_equal(pv.access, SY_ACCESS_RWO | SY_ACCESS_ROX);
    assert_int_equal(pv.phase, SY_VOLUME_OTHER_PHASE);
    assert_true(pv.is_block && pv.is_deleting && pv.bound_by_controller);
    assert_string_equal(text_of(f, pv.attributes_class), "silver");
    assert_true(pv.claim.is_set);
    assert_string_equal(text_of(f, pv.claim.ns), "team");
    assert_string_equal(text_of(f, pv.claim.name), "data");
    assert_true(sy_str_eqz(pv.claim.uid, "uid-claim"));
    assert_true(pv.affinity.is_set);
    assert_int_equal(pv.affinity.len, 2);
    assert_int_equal(pv.affinity.terms[0].exprs_len, 2);
    assert_int_equal(pv.affinity.terms[1].exprs_len, 0);
    assert_string_equal(text_of(f, pv.driver), "csi.example.com");
    assert_string_equal(text_of(f, pv.handle), "h-1");
    assert_int_equal(pv.in_tree, SY_IN_TREE_NONE);
    assert_string_equal(text_of(f, sy_labels_get(pv.labels, id(f, "grade"))), "gold");

    pv = load(f, "volume-local", SY_ENCODING_JSON).volume;
    assert_string_equal(text_of(f, pv.class), "older"); /* the annotation wins */
    assert_int_equal(pv.capacity_bytes, 2);             /* rounded up */
    assert_int_equal(pv.access, SY_ACCESS_RWX | SY_ACCESS_RWOP | SY_ACCESS_OTHER);
    assert_int_equal(pv.phase, SY_VOLUME_AVAILABLE);
    assert_false(pv.is_block || pv.is_deleting || pv.bound_by_controller || pv.claim.is_set);
    assert_int_equal(pv.driver, 0);
    assert_false(pv.affinity.is_set);
}

static void test_volumes_of_before_csi(void **state)
{
    static const struct {
        const char *name, *handle;
        enum sy_in_tree kind;
    } CASES[] = {
        {"volume-gce-zone", "projects/UNSPECIFIED/zones/us-east1-b/disks/disk", SY_IN_TREE_GCE_PD},
        {"volume-gce-region", "projects/UNSPECIFIED/regions/us-east1/disks/disk",
         SY_IN_TREE_GCE_PD},
        {"volume-gce-odd", "", SY_IN_TREE_GCE_PD},
        {"volume-gce-bare", "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/disk", SY_IN_TREE_GCE_PD},
        {"volume-ebs-label", "vol-0123", SY_IN_TREE_AWS_EBS},
        {"volume-ebs-odd", "", SY_IN_TREE_AWS_EBS},
        {"volume-cinder", "c-1", SY_IN_TREE_CINDER},
        {"volume-azure", "/subscriptions/x", SY_IN_TREE_AZURE_DISK},
        {"volume-azure-shared", "", SY_IN_TREE_AZURE_DISK},
        {"volume-portworx", "p-1", SY_IN_TREE_PORTWORX},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_pv pv = load(f, CASES[i].name, SY_ENCODING_PROTOBUF).volume;
        assert_int_equal(pv.in_tree, CASES[i].kind);
        assert_string_equal(text_of(f, pv.handle), CASES[i].handle);
    }
    /* A zone in a label becomes an affinity of the driver's key; one in the affinity is renamed. */
    struct sy_pv pv = load(f, "volume-ebs-label", SY_ENCODING_JSON).volume;
    assert_false(pv.affinity.is_set);
    assert_int_equal(pv.affinity_of_driver.len, 1);
    assert_string_equal(text_of(f, pv.affinity_of_driver.terms[0].exprs[0].key),
                        "topology.ebs.csi.aws.com/zone");
    assert_string_equal(text_of(f, pv.affinity_of_driver.terms[0].exprs[0].values[0]),
                        "us-east-1a");
    pv = load(f, "volume-ebs-affine", SY_ENCODING_JSON).volume;
    assert_string_equal(text_of(f, pv.affinity.terms[0].exprs[0].key),
                        "failure-domain.beta.kubernetes.io/zone");
    assert_int_equal(pv.affinity_of_driver.terms[0].exprs_len, 2);
    assert_string_equal(text_of(f, pv.affinity_of_driver.terms[0].exprs[0].key),
                        "topology.ebs.csi.aws.com/zone");
    assert_string_equal(text_of(f, pv.affinity_of_driver.terms[0].exprs[1].key),
                        "topology.kubernetes.io/region");
}

static void test_claim(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = load(f, "claim-full", SY_ENCODING_PROTOBUF).claim;

    assert_string_equal(text_of(f, claim.ns), "team");
    assert_string_equal(text_of(f, claim.name), "data");
    assert_string_equal(text_of(f, claim.class), "fast");
    assert_string_equal(text_of(f, claim.volume), "pv-1");
    assert_true(claim.has_request);
    assert_int_equal(claim.request_bytes, INT64_C(5) << 30);
    assert_int_equal(claim.access, SY_ACCESS_RWOP);
    assert_true(claim.is_block && claim.is_lost && claim.is_deleting && claim.bind_completed);
    assert_true(claim.has_selected_node);
    assert_string_equal(text_of(f, claim.selected_node), "n1");
    assert_string_equal(text_of(f, claim.attributes_class), "silver");
    assert_int_equal(claim.selector.len, 2);
    assert_true(sy_str_eqz(claim.owner_uid, "uid-pod")); /* the controller, not the first */
    assert_true(sy_claim_is_bound(&claim));

    claim = load(f, "claim-plain", SY_ENCODING_JSON).claim;
    assert_int_equal(claim.class, 0); /* the annotation says: none */
    assert_true(claim.has_selected_node);
    assert_int_equal(claim.selected_node, 0);
    assert_false(claim.has_request || claim.is_lost || claim.selector.is_nil);
    assert_int_equal(claim.selector.len, 0);
    assert_true(load(f, "claim-empty", SY_ENCODING_PROTOBUF).claim.selector.is_nil);
}

static void test_what_describes_storage(void **state)
{
    struct fixture *f = *state;
    struct sy_storage_class class = load(f, "class-late", SY_ENCODING_PROTOBUF).class;

    assert_int_equal(class.mode, SY_BINDING_WAIT);
    assert_false(class.cannot_provision);
    assert_int_equal(class.topologies.len, 2);
    assert_int_equal(class.topologies.terms[0].exprs_len, 2);
    assert_int_equal(class.topologies.terms[0].exprs[0].values_len, 2);
    class = load(f, "class-now", SY_ENCODING_JSON).class;
    assert_int_equal(class.mode, SY_BINDING_IMMEDIATE);
    assert_true(class.cannot_provision);
    assert_false(class.topologies.is_set);
    assert_int_equal(load(f, "class-old", SY_ENCODING_JSON).class.in_tree, SY_IN_TREE_AWS_EBS);
    class = load(f, "class-empty", SY_ENCODING_JSON).class;
    assert_int_equal(class.mode, SY_BINDING_UNSET);
    assert_true(class.cannot_provision);

    struct sy_csi_node node = load(f, "csinode-full", SY_ENCODING_PROTOBUF).node;
    assert_int_equal(node.migrated, 1 << SY_IN_TREE_AWS_EBS | 1 << SY_IN_TREE_CINDER);
    assert_int_equal(node.drivers_len, 4);
    assert_true(node.drivers[0].has_limit && node.drivers[1].has_limit);
    assert_int_equal(node.drivers[0].limit, 25);
    assert_int_equal(node.drivers[1].limit, 0);
    assert_false(node.drivers[2].has_limit || node.drivers[3].has_limit);

    struct sy_csi_driver driver = load(f, "csidriver-full", SY_ENCODING_PROTOBUF).driver;
    assert_true(driver.tracks_capacity && driver.must_be_on_node);
    driver = load(f, "csidriver-empty", SY_ENCODING_JSON).driver;
    assert_false(driver.tracks_capacity || driver.must_be_on_node);

    struct sy_csi_capacity capacity = load(f, "capacity-full", SY_ENCODING_PROTOBUF).capacity;
    assert_true(capacity.has_capacity && capacity.has_maximum);
    assert_int_equal(capacity.capacity_bytes, INT64_C(100) << 30);
    assert_int_equal(capacity.maximum_bytes, 0);
    assert_int_equal(capacity.topology.len, 1);
    capacity = load(f, "capacity-empty", SY_ENCODING_JSON).capacity;
    assert_false(capacity.has_capacity || capacity.has_maximum);
    assert_true(capacity.topology.is_nil);

    struct sy_volume_attachment va = load(f, "attachment-full", SY_ENCODING_JSON).attachment;
    assert_string_equal(text_of(f, va.attacher), "csi.example.com");
    assert_string_equal(text_of(f, va.node), "n1");
    assert_string_equal(text_of(f, va.volume), "pv-1");
}

/* Every cut of an object, and every byte turned over, either decodes or is refused. */
static void test_damaged_objects(void **state)
{
    static const char *const NAMES[] = {"volume-full", "claim-full", "class-late", "csinode-full",
                                        "capacity-full"};
    struct fixture *f = *state;
    union sy_storage_object object;

    for (size_t n = 0; n < SY_ARRAY_LEN(NAMES); n++) {
        char *path = sy_xasprintf(STORAGE "%s.pb", NAMES[n]);
        struct sy_str raw = read_whole(path);
        char *bytes = (char *)(uintptr_t)raw.p;
        for (size_t i = 0; i < raw.len; i++) {
            sy_arena_reset(&f->d.arena);
            (void)!sy_decode_storage(&f->d, kind_of(NAMES[n]), SY_ENCODING_PROTOBUF,
                                     (struct sy_str){bytes, i}, &object, NULL);
            bytes[i] = (char)~bytes[i];
            sy_arena_reset(&f->d.arena);
            int r = sy_decode_storage(&f->d, kind_of(NAMES[n]), SY_ENCODING_PROTOBUF, raw, &object,
                                      NULL);
            assert_true(r == 0 || r == -EBADMSG || r == -E2BIG);
            bytes[i] = (char)~bytes[i];
        }
        free(bytes);
        free(path);
    }
}

/* -- the store -- */

static struct sy_pv make_volume(struct fixture *f, const char *name, const char *version)
{
    return (struct sy_pv){
        .name = id(f, name),
        .resource_version = sy_str_from(version),
        .class = id(f, "fast"),
        .capacity_bytes = 10,
    };
}

static struct sy_pvc make_claim(struct fixture *f, const char *name, const char *version)
{
    return (struct sy_pvc){
        .ns = id(f, "default"),
        .name = id(f, name),
        .uid = sy_str_from(name),
        .resource_version = sy_str_from(version),
        .class = id(f, "fast"),
    };
}

static void put(struct fixture *f, enum sy_storage_kind kind, const void *object)
{
    assert_int_equal(sy_storage_upsert(&f->c, kind, object), 0);
}

static void put_volume(struct fixture *f, const char *name, const char *version)
{
    struct sy_pv pv = make_volume(f, name, version);

    put(f, SY_STORAGE_VOLUME, &pv);
}

static uint32_t volume(struct fixture *f, const char *name)
{
    return sy_storage_find(&f->c, SY_STORAGE_VOLUME, 0, id(f, name));
}

static void test_objects_come_and_go(void **state)
{
    struct fixture *f = *state;
    uint64_t generation = f->c.generation;

    put_volume(f, "a", "1");
    assert_true(f->c.generation > generation);
    assert_int_not_equal(volume(f, "a"), SY_NO_OBJECT);
    assert_int_equal(sy_storage_volume(&f->c, volume(f, "a"))->capacity_bytes, 10);
    generation = f->c.generation;
    put_volume(f, "a", "1"); /* nothing new */
    assert_int_equal(f->c.generation, generation);
    put_volume(f, "a", "2");
    assert_true(f->c.generation > generation);

    put_volume(f, "b", "1");
    sy_storage_replace_begin(&f->c, SY_STORAGE_VOLUME);
    put_volume(f, "b", "1");
    put_volume(f, "c", "1");
    sy_storage_replace_end(&f->c, SY_STORAGE_VOLUME);
    assert_int_equal(volume(f, "a"), SY_NO_OBJECT);
    assert_int_not_equal(volume(f, "b"), SY_NO_OBJECT);
    assert_int_not_equal(volume(f, "c"), SY_NO_OBJECT);
    sy_storage_delete(&f->c, SY_STORAGE_VOLUME, 0, id(f, "b"));
    assert_int_equal(volume(f, "b"), SY_NO_OBJECT);
    generation = f->c.generation;
    sy_storage_delete(&f->c, SY_STORAGE_VOLUME, 0, id(f, "b"));
    assert_int_equal(f->c.generation, generation);
    assert_int_equal(f->c.storage.tables[SY_STORAGE_VOLUME].len, 1);
    assert_null(sy_storage_class(&f->c, id(f, "fast")));
    assert_int_equal(sy_storage_find(&f->c, SY_STORAGE_CLAIM, 0, 0), SY_NO_OBJECT);
}

static void test_assumptions_end_with_a_newer_state(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "1");
    sy_sid node;

    put(f, SY_STORAGE_CLAIM, &claim);
    put_volume(f, "a", "1");
    uint32_t v = volume(f, "a");
    uint32_t c = sy_storage_find(&f->c, SY_STORAGE_CLAIM, claim.ns, claim.name);
    assert_false(sy_storage_claim_ref(&f->c, v)->is_set);
    sy_storage_assume_volume(&f->c, v, &claim);
    assert_true(sy_claim_ref_is(sy_storage_claim_ref(&f->c, v), &claim));
    put_volume(f, "a", "1"); /* the same again: still assumed */
    assert_true(sy_claim_ref_is(sy_storage_claim_ref(&f->c, v), &claim));
    put_volume(f, "a", "2");
    assert_false(sy_storage_claim_ref(&f->c, volume(f, "a"))->is_set);

    sy_storage_assume_volume(&f->c, v, &claim);
    sy_storage_restore(&f->c, SY_STORAGE_VOLUME, v);
    assert_false(sy_storage_claim_ref(&f->c, v)->is_set);

    assert_false(sy_storage_selected_node(&f->c, c, &node));
    sy_storage_assume_node(&f->c, c, id(f, "n1"));
    assert_true(sy_storage_selected_node(&f->c, c, &node));
    assert_int_equal(node, id(f, "n1"));
    claim.resource_version = sy_str_from("2");
    put(f, SY_STORAGE_CLAIM, &claim);
    assert_false(sy_storage_selected_node(&f->c, c, &node));
    sy_storage_assume_node(&f->c, c, id(f, "n1")); /* and freed with the cluster */
}

static void test_claim_refs(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "1");
    struct sy_claim_ref ref = {true, claim.ns, claim.name, {0}};

    assert_true(sy_claim_ref_is(&ref, &claim)); /* by name alone */
    ref.uid = sy_str_from("data");
    assert_true(sy_claim_ref_is(&ref, &claim));
    ref.uid = sy_str_from("an older one");
    assert_false(sy_claim_ref_is(&ref, &claim));
    ref = (struct sy_claim_ref){true, claim.ns, id(f, "other"), {0}};
    assert_false(sy_claim_ref_is(&ref, &claim));
    assert_false(sy_claim_ref_is(&(struct sy_claim_ref){0}, &claim));
}

static uint32_t attachments(struct fixture *f, const char *node)
{
    const struct sy_storage_table *t = &f->c.storage.tables[SY_STORAGE_ATTACHMENT];
    uint32_t n = 0;

    const struct sy_group *g = sy_storage_group(&f->c, SY_GROUP_ATTACHED, 0, id(f, node));

    for (uint32_t i = g ? g->first : SY_NO_OBJECT; i != SY_NO_OBJECT;
         i = t->all.p[i].next_in_group) {
        assert_int_equal(t->all.p[i].object->attachment.node, id(f, node));
        n++;
    }
    assert_int_equal(n, g ? g->len : 0);
    return n;
}

static void test_attachments_by_node(void **state)
{
    static const char *const NAMES[] = {"a", "b", "c", "d"};
    struct fixture *f = *state;

    for (size_t i = 0; i < SY_ARRAY_LEN(NAMES); i++) {
        struct sy_volume_attachment va = {
            .name = id(f, NAMES[i]),
            .resource_version = sy_str_from("1"),
            .node = id(f, i == 3 ? "n2" : "n1"),
        };
        put(f, SY_STORAGE_ATTACHMENT, &va);
    }
    assert_int_equal(attachments(f, "n1"), 3);
    assert_int_equal(attachments(f, "n2"), 1);
    struct sy_volume_attachment moved = {
        .name = id(f, "b"), .resource_version = sy_str_from("2"), .node = id(f, "n2")};
    put(f, SY_STORAGE_ATTACHMENT, &moved);
    assert_int_equal(attachments(f, "n1"), 2);
    assert_int_equal(attachments(f, "n2"), 2);
    sy_storage_delete(&f->c, SY_STORAGE_ATTACHMENT, 0, id(f, "c")); /* the head of n1 */
    assert_int_equal(attachments(f, "n1"), 1);
    sy_storage_delete(&f->c, SY_STORAGE_ATTACHMENT, 0, id(f, "a"));
    sy_storage_delete(&f->c, SY_STORAGE_ATTACHMENT, 0, id(f, "d"));
    assert_int_equal(attachments(f, "n1"), 0);
    assert_int_equal(attachments(f, "n2"), 1);
}

static uint32_t len_of(struct fixture *f, enum sy_group_kind kind, sy_sid ns, const char *name)
{
    const struct sy_group *g = sy_storage_group(&f->c, kind, ns, id(f, name));

    return g ? g->len : 0;
}

static void test_volumes_by_what_they_are_for(void **state)
{
    struct fixture *f = *state;
    struct sy_pv free_one = make_volume(f, "a", "1"), kept = make_volume(f, "b", "1"),
                 released = make_volume(f, "c", "1"), nameless = {.class = id(f, "fast")};

    kept.claim = (struct sy_claim_ref){true, id(f, "default"), id(f, "data"), {0}};
    released.phase = SY_VOLUME_OTHER_PHASE;
    put(f, SY_STORAGE_VOLUME, &free_one);
    put(f, SY_STORAGE_VOLUME, &kept);
    put(f, SY_STORAGE_VOLUME, &released);
    assert_int_equal(sy_storage_upsert(&f->c, SY_STORAGE_VOLUME, &nameless), -EINVAL);
    assert_int_equal(len_of(f, SY_GROUP_FREE, 0, "fast"), 1);
    assert_int_equal(len_of(f, SY_GROUP_KEPT, id(f, "default"), "data"), 1);
    released.phase = SY_VOLUME_AVAILABLE;
    released.resource_version = sy_str_from("2");
    put(f, SY_STORAGE_VOLUME, &released);
    assert_int_equal(len_of(f, SY_GROUP_FREE, 0, "fast"), 2);
    free_one.claim = kept.claim;
    free_one.resource_version = sy_str_from("2");
    put(f, SY_STORAGE_VOLUME, &free_one);
    assert_int_equal(len_of(f, SY_GROUP_FREE, 0, "fast"), 1);
    assert_int_equal(len_of(f, SY_GROUP_KEPT, id(f, "default"), "data"), 2);
    sy_storage_delete(&f->c, SY_STORAGE_VOLUME, 0, id(f, "a"));
    sy_storage_delete(&f->c, SY_STORAGE_VOLUME, 0, id(f, "b"));
    sy_storage_delete(&f->c, SY_STORAGE_VOLUME, 0, id(f, "c"));
    assert_int_equal(len_of(f, SY_GROUP_FREE, 0, "fast"), 0);
    assert_int_equal(len_of(f, SY_GROUP_KEPT, id(f, "default"), "data"), 0);
}

static void test_users_of_a_claim(void **state)
{
    struct fixture *f = *state;
    struct sy_volume volume = {.kind = SY_VOLUME_CLAIM, .name = id(f, "data")};
    struct sy_node node = {.name = id(f, "n1")};
    struct sy_pod pod = {
        .uid = SY_STR("u"),
        .name = SY_STR("p"),
        .ns = id(f, "default"),
        .spec = {.volumes = &volume, .volumes_len = 1},
    };
    struct sy_pvc claim = make_claim(f, "data", "1");
    sy_sid ns = id(f, "default"), name = id(f, "data");
    uint32_t slot, change;

    assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &slot, &change), 0);
    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
    assert_int_equal(sy_storage_claim_users(&f->c, ns, name), 0);
    pod.node = node.name;
    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
    assert_int_equal(sy_storage_claim_users(&f->c, ns, name), 1);
    /* The claim may come later and go earlier than its user. */
    assert_int_equal(sy_storage_find(&f->c, SY_STORAGE_CLAIM, ns, name), SY_NO_OBJECT);
    put(f, SY_STORAGE_CLAIM, &claim);
    assert_int_not_equal(sy_storage_find(&f->c, SY_STORAGE_CLAIM, ns, name), SY_NO_OBJECT);
    sy_storage_delete(&f->c, SY_STORAGE_CLAIM, ns, name);
    assert_int_equal(sy_storage_claim_users(&f->c, ns, name), 1);
    sy_cluster_pod_delete(&f->c, slot);
    assert_int_equal(sy_storage_claim_users(&f->c, ns, name), 0);
}

static void test_what_is_kept_is_marked(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = load(f, "volume-full", SY_ENCODING_PROTOBUF).volume;

    put(f, SY_STORAGE_VOLUME, &pv);
    struct sy_pvc claim = load(f, "claim-full", SY_ENCODING_PROTOBUF).claim;
    put(f, SY_STORAGE_CLAIM, &claim);
    sy_sid team = id(f, "team");
    id(f, "nobody's");
    sy_strings_mark_begin(f->strings);
    sy_cluster_mark(&f->c);
    sy_decode_mark(&f->d);
    assert_true(sy_strings_sweep(f->strings) > 0);
    assert_int_equal(sy_strings_find(f->strings, SY_STR("nobody's")), 0);
    assert_int_equal(sy_strings_find(f->strings, SY_STR("team")), team);
    struct sy_buf text;
    sy_buf_init(&text, 1 << 16);
    sy_storage_dump(SY_STORAGE_VOLUME, sy_storage_volume(&f->c, volume(f, "full")), f->strings,
                    &text);
    assert_non_null(strstr(text.p, "csi.example.com"));
    assert_non_null(strstr(text.p, "kubernetes.io/hostname"));
    sy_buf_done(&text);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_both_encodings_give_the_same),
        TEST(test_volume),
        TEST(test_volumes_of_before_csi),
        TEST(test_claim),
        TEST(test_what_describes_storage),
        TEST(test_damaged_objects),
        TEST(test_objects_come_and_go),
        TEST(test_assumptions_end_with_a_newer_state),
        TEST(test_claim_refs),
        TEST(test_attachments_by_node),
        TEST(test_volumes_by_what_they_are_for),
        TEST(test_users_of_a_claim),
        TEST(test_what_is_kept_is_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
