/* SPDX-License-Identifier: Apache-2.0
 *
 * Declared features of nodes and needed ones of pods: the merge of names, and both encodings. */
#include "model/features.h"

#include <string.h>

#include "kube/decode.h"
#include "wire.h"

struct fixture {
    struct sy_strings *strings;
    struct sy_decode d;
};

static int setup(void **state)
{
    static const uint64_t key[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(key);
    sy_decode_init(&f->d, f->strings, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_decode_done(&f->d);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

enum {
    RESTART = 1 << SY_FEATURE_RESTART_ALL_CONTAINERS,
    USERS = 1 << SY_FEATURE_USER_NAMESPACES_HOST_NETWORK,
    MOUNTS = 1 << SY_FEATURE_BIND_MOUNT_OPTIONS,
};

static void test_names(void **state)
{
    static const struct {
        const char *names[5];
        uint16_t set;
    } cases[] = {
        {{NULL}, 0},
        {{"RestartAllContainersOnContainerExits"}, RESTART},
        {{"A", "RestartAllContainersOnContainerExits", "S", "VolumeBindMountOptions", "Z"},
         RESTART | MOUNTS},
        {{"DRANodeAllocatableResources"}, 1},
        {{"RestartAllContainersOnContainerExit", "RestartAllContainersOnContainerExitsX"}, 0},
        {{"", "UserNamespacesHostNetworkSupport"}, USERS},
        /* Out of order: the first hides the second. */
        {{"VolumeBindMountOptions", "RestartAllContainersOnContainerExits"}, MOUNTS},
        {{"Z", "RestartAllContainersOnContainerExits"}, 0},
        {{"RestartAllContainersOnContainerExits", "RestartAllContainersOnContainerExits",
          "VolumeBindMountOptions"},
         RESTART | MOUNTS},
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct sy_features f = {0};
        for (size_t n = 0; n < 5 && cases[i].names[n]; n++)
            sy_features_take(&f, sy_str_from(cases[i].names[n]));
        assert_int_equal(f.set, cases[i].set);
    }
}

static uint16_t needed(struct fixture *f, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_pod pod;

    sy_arena_reset(&f->d.arena);
    assert_int_equal(sy_decode_pod(&f->d, enc, raw, &pod, NULL), 0);
    return pod.spec.needed_features;
}

static void test_json(void **state)
{
#define RULES(action)                                                                              \
    "\"restartPolicyRules\":[{\"action\":\"Restart\"},{\"action\":\"" action "\"}]"
#define OPTIONS "\"volumeMounts\":[{\"name\":\"v\"},{\"bindMountOptions\":[\"noexec\"]}]"
    static const struct {
        const char *spec;
        uint16_t set;
    } cases[] = {
        {"", 0},
        {"\"hostNetwork\":true", 0},
        {"\"hostNetwork\":true,\"hostUsers\":true", 0},
        {"\"hostNetwork\":true,\"hostUsers\":null", 0},
        {"\"hostUsers\":false", 0},
        {"\"hostNetwork\":true,\"hostUsers\":false", USERS},
        {"\"containers\":[{}, {" RULES("RestartAllContainers") "}]", RESTART},
        {"\"containers\":[{" RULES("RestartAll") "}]", 0},
        {"\"initContainers\":[{" RULES("RestartAllContainers") "," OPTIONS "}]", RESTART | MOUNTS},
        {"\"containers\":[{\"volumeMounts\":[{\"bindMountOptions\":[]}]}]", 0},
        {"\"ephemeralContainers\":[{\"name\":\"e\"},{" OPTIONS "}]", MOUNTS},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        char *text = sy_xasprintf("{\"spec\":{%s}}", cases[i].spec);
        if (needed(*state, SY_ENCODING_JSON, sy_str_from(text)) != cases[i].set)
            fail_msg("%s", text);
        free(text);
    }
}

static void test_protobuf(void **state)
{
    for (int users = 0; users < 3; users++) {
        struct sy_buf pod, spec, container, mount, rule, debug, common;
        sy_buf_init(&pod, 4096);
        sy_buf_init(&spec, 4096);
        sy_buf_init(&container, 4096);
        sy_buf_init(&mount, 4096);
        sy_buf_init(&rule, 4096);
        sy_buf_init(&debug, 4096);
        sy_buf_init(&common, 4096);
        pb_text(&rule, 1, "RestartAllContainers");
        pb_text(&mount, 1, "v");
        pb_text(&mount, 8, "noexec");
        pb_message(&container, 25, &rule);
        pb_message(&spec, users ? 2 : 20, &container);
        pb_message(&common, 9, &mount);
        pb_message(&debug, 1, &common);
        pb_message(&spec, 34, &debug);
        pb_number(&spec, 11, 1);
        if (users < 2)
            pb_number(&spec, 37, (uint64_t)users);
        pb_message(&pod, 2, &spec);
        assert_int_equal(needed(*state, SY_ENCODING_PROTOBUF, sy_buf_str(&pod)),
                         RESTART | MOUNTS | (users == 0 ? USERS : 0));
        sy_buf_done(&pod);
    }
}

static void test_node(void **state)
{
    struct fixture *f = *state;
    struct sy_node node, other;
    struct sy_buf m, status;

    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_JSON,
                                    SY_STR("{\"status\":{\"declaredFeatures\":[\"Another\","
                                           "\"RestartAllContainersOnContainerExits\",null,"
                                           "\"VolumeBindMountOptions\"]}}"),
                                    &node, NULL),
                     0);
    assert_int_equal(node.declared_features, RESTART | MOUNTS);
    sy_buf_init(&m, 4096);
    sy_buf_init(&status, 4096);
    pb_text(&status, 14, "UserNamespacesHostNetworkSupport");
    pb_text(&status, 14, "VolumeBindMountOptions");
    pb_message(&m, 3, &status);
    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&m), &node, NULL), 0);
    assert_int_equal(node.declared_features, USERS | MOUNTS);
    other = node;
    assert_true(sy_node_same_for_scheduling(&node, &other));
    other.declared_features = MOUNTS;
    assert_false(sy_node_same_for_scheduling(&node, &other));
    sy_buf_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protobuf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
