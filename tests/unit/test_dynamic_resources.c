/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with resource claims: what the engine makes of them. */
#include "policy/plugins.h"

#include "core.h"
#include "kube/decode.h"
#include "sched/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sy_outcome best(const struct sy_resource_claim_ref *claims, uint32_t len,
                              char text[256])
{
    struct core k;
    struct sy_cluster c;
    struct sy_shapes shapes;
    struct sy_profile profile;
    uint32_t slot, change;

    core_init(&k);
    sy_cluster_init(&c, k.strings);
    sy_shapes_init(&shapes, &c, (size_t)16 << 20);
    sy_profile_default(&profile, "test");
    struct sy_node node = core_node(&k, "n1", 4000, 4096, 0);
    struct sy_pod pod = core_pod(&k, "p1", 100, 100, 0);
    struct sy_resource_claim_ref named[4] = {{0}};
    for (uint32_t i = 0; i < len; i++) {
        named[i] = claims[i];
        named[i].name = core_id(&k, "claim");
    }
    pod.spec.claims = named;
    pod.spec.claims_len = len;
    assert_int_equal(sy_cluster_node_upsert(&c, &node, &slot, &change), 0);
    assert_int_equal(sy_cluster_pod_upsert(&c, &pod, &slot, &change), 0);
    struct sy_shape *shape = sy_shape_ref(&shapes, &c.pods.p[slot], &profile);
    struct sy_outcome out = sy_shape_best(&shapes, shape);
    snprintf(text, 256, "%s",
             out.reject.code ? sy_strings_getz(k.strings, out.reject.reasons[0]) : "");
    sy_shape_unref(&shapes, shape);
    sy_shapes_done(&shapes);
    sy_cluster_done(&c);
    core_done(&k);
    return out;
}

static void test_a_pod_without_claims_goes_on(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(best(NULL, 0, text).node, 0);
    assert_string_equal(text, "");
}

static void test_a_pod_with_claims_is_not_bound_without_devices(void **state)
{
    const struct sy_resource_claim_ref claim = {0};
    char text[256];
    struct sy_outcome out;

    (void)state;
    out = best(&claim, 1, text);
    assert_int_equal(out.node, SY_NONE);
    assert_int_equal(out.reject.code, SY_UNRESOLVABLE);
    assert_string_equal(out.reject_plugin, "DynamicResources");
    assert_string_equal(text, "resource claims, resource slices or device classes can not be read");
}

/* A cluster of nodes n1 and n2, with device n1/gpu on the first; objects come as JSON. */
struct world {
    struct core k;
    struct sy_cluster c;
    struct sy_shapes shapes;
    struct sy_profile profile;
    struct sy_decode decode;
};

static int setup(void **state)
{
    struct world *w = sy_xcalloc(1, sizeof(*w));
    uint32_t slot, change;

    core_init(&w->k);
    sy_cluster_init(&w->c, w->k.strings);
    sy_shapes_init(&w->shapes, &w->c, (size_t)16 << 20);
    sy_profile_kube(&w->profile, "test");
    sy_decode_init(&w->decode, w->k.strings, (size_t)4 << 20);
    for (int i = 1; i <= 2; i++) {
        struct sy_node node = core_node(&w->k, i == 1 ? "n1" : "n2", 4000, 4096, 0);
        assert_int_equal(sy_cluster_node_upsert(&w->c, &node, &slot, &change), 0);
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    sy_shapes_done(&w->shapes);
    sy_decode_done(&w->decode);
    sy_cluster_done(&w->c);
    core_done(&w->k);
    free(w);
    return 0;
}

static void put(struct world *w, enum sy_devices_kind kind, const char *json)
{
    union sy_devices_object object;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(
        sy_decode_devices(&w->decode, kind, SY_ENCODING_JSON, sy_str_from(json), &object, NULL), 0);
    assert_int_equal(sy_devices_upsert(&w->c, kind, &object), 0);
}

static struct sy_shape *shape_of(struct world *w, const char *json)
{
    struct sy_pod pod;
    uint32_t slot, change;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(sy_decode_pod(&w->decode, SY_ENCODING_JSON, sy_str_from(json), &pod, NULL), 0);
    assert_int_equal(sy_cluster_pod_upsert(&w->c, &pod, &slot, &change), 0);
    return sy_shape_ref(&w->shapes, &w->c.pods.p[slot], &w->profile);
}

static const char SLICE[] =
    "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"driver\":\"d\",\"nodeName\":\"n1\",\"pool\":{"
    "\"name\":"
    "\"n1\",\"generation\":1,\"resourceSliceCount\":1},\"devices\":[{\"name\":\"gpu\"}]}}";

static void test_an_error_on_one_node_ends_the_attempt(void **state)
{
    struct world *w = *state;

    w->c.devices.are_written = true;
    put(w, SY_DEVICES_SLICE, SLICE);
    put(w, SY_DEVICES_CLASS,
        "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"selectors\":[{\"cel\":{"
        "\"expression\":\"device.attributes['d'].no\"}}]}}");
    put(w, SY_DEVICES_CLAIM,
        "{\"metadata\":{\"name\":\"r\",\"namespace\":\"ns\"},\"spec\":{\"devices\":{\"requests\":[{"
        "\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"c\",\"allocationMode\":\"ExactCount\","
        "\"count\":1}}]}}}");
    struct sy_shape *shape = shape_of(
        w,
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
        "\"resourceClaims\":[{\"name\":\"x\",\"resourceClaimName\":\"r\"}],\"containers\":[{}]}}");
    struct sy_outcome out = sy_shape_best(&w->shapes, shape);
    assert_int_equal(out.node, SY_NONE);
    assert_int_equal(out.reject.code, SY_ERROR);
    assert_string_equal(out.reject_plugin, "DynamicResources");
    assert_string_equal(
        sy_strings_getz(w->k.strings, out.reject.reasons[0]),
        "running \"DynamicResources\" filter plugin: class c: selector #0 on device "
        "d/n1/gpu: CEL runtime error: no such key: no. consider using CEL optional chaining "
        "(.? followed by orValue()) or guarding the check with has() for optional "
        "fields");
    sy_shape_unref(&w->shapes, shape);
}

static const char EXTENDED_POD[] =
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{\"containers\":[{"
    "\"name\":\"m\",\"resources\":{\"requests\":{\"x.y/gpu\":\"1\"}}}]}}";

static void expect_extended(struct world *w, struct sy_shape *shape, uint32_t node,
                            const char *message)
{
    struct sy_outcome out = sy_shape_best(&w->shapes, shape);

    assert_int_equal(out.reject.code, SY_FIT);
    assert_int_equal(out.node, node);
    if (message)
        assert_string_equal(sy_shape_message(&w->shapes, shape), message);
}

static void test_a_class_stands_for_an_extended_resource(void **state)
{
    struct world *w = *state;
    struct sy_shape *shape = shape_of(w, EXTENDED_POD);

    w->c.devices.extended_are_written = true;
    put(w, SY_DEVICES_SLICE, SLICE);
    expect_extended(w, shape, SY_NONE, "0/2 nodes are available: 2 Insufficient x.y/gpu.");
    put(w, SY_DEVICES_CLASS,
        "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"extendedResourceName\":\"x.y/gpu\"}}");
    expect_extended(w, shape, 0, NULL);
    w->c.devices.extended_are_written = false;
    w->c.generation++;
    expect_extended(w, shape, SY_NONE,
                    "0/2 nodes are available: 2 a device class serves an extended resource of the "
                    "pod, for which steelyard can not write allocations yet.");
    w->c.devices.extended_are_written = true;
    put(w, SY_DEVICES_CLAIM, /* the only device is another's */
        "{\"metadata\":{\"name\":\"r\",\"namespace\":\"ns\"},\"status\":{\"allocation\":{"
        "\"devices\":{"
        "\"results\":[{\"request\":\"r\",\"driver\":\"d\",\"pool\":\"n1\",\"device\":\"gpu\"}]}}}"
        "}");
    expect_extended(w, shape, SY_NONE, "0/2 nodes are available: 2 cannot allocate all claims.");
    sy_shape_unref(&w->shapes, shape);
}

/* What a pod was given before is not given to it again: the claim has to go first. */
static void test_a_claim_left_from_before_is_in_the_way(void **state)
{
    struct world *w = *state;

    w->c.devices.extended_are_written = true;
    put(w, SY_DEVICES_SLICE, SLICE);
    put(w, SY_DEVICES_CLASS,
        "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"extendedResourceName\":\"x.y/gpu\"}}");
    put(w, SY_DEVICES_CLAIM,
        "{\"metadata\":{\"name\":\"r\",\"namespace\":\"ns\",\"annotations\":{"
        "\"resource.kubernetes.io/"
        "extended-resource-claim\":\"true\"},\"ownerReferences\":[{\"uid\":\"u\","
        "\"controller\":true}]},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{"
        "\"deviceClassName\":\"c\",\"allocationMode\":\"ExactCount\",\"count\":1}}]}}}");
    struct sy_shape *shape = shape_of(w, EXTENDED_POD);
    expect_extended(w, shape, SY_NONE,
                    "0/2 nodes are available: 2 cannot schedule extended resource claim.");
    sy_shape_unref(&w->shapes, shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pod_without_claims_goes_on),
        cmocka_unit_test(test_a_pod_with_claims_is_not_bound_without_devices),
        cmocka_unit_test_setup_teardown(test_an_error_on_one_node_ends_the_attempt, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_class_stands_for_an_extended_resource, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_claim_left_from_before_is_in_the_way, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
