/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with resource claims: what the engine makes of them. */
#include "policy/plugins.h"

#include "core.h"
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
    assert_string_equal(
        text, "pod has resource claims, for which steelyard can not write allocations yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pod_without_claims_goes_on),
        cmocka_unit_test(test_a_pod_with_claims_is_not_bound_without_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
