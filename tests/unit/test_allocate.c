/* SPDX-License-Identifier: Apache-2.0
 *
 * The store of devices and the search among them. What kube-scheduler says of many clusters is
 * compared by the oracle; here is what it does not reach. */
#include "cluster/allocate.h"

#include "base/rng.h"
#include "core.h"
#include "kube/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_cluster c;
    struct sy_decode decode;
    struct sy_arena arena;
    uint32_t node;
};

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));
    uint32_t change;

    core_init(&f->k);
    sy_cluster_init(&f->c, f->k.strings);
    sy_decode_init(&f->decode, f->k.strings, (size_t)4 << 20);
    sy_arena_init(&f->arena, (size_t)16 << 20);
    struct sy_node node = core_node(&f->k, "n1", 4000, 4096, 0);
    assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &f->node, &change), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_arena_done(&f->arena);
    sy_decode_done(&f->decode);
    sy_cluster_done(&f->c);
    core_done(&f->k);
    free(f);
    return 0;
}

static void put(struct fixture *f, enum sy_devices_kind kind, const char *json)
{
    union sy_devices_object object;
    struct sy_err err = {0};

    sy_arena_reset(&f->decode.arena);
    if (sy_decode_devices(&f->decode, kind, SY_ENCODING_JSON, sy_str_from(json), &object, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(sy_devices_upsert(&f->c, kind, &object), 0);
}

static void put_class(struct fixture *f)
{
    put(f, SY_DEVICES_CLASS,
        "{\"metadata\":{\"name\":\"gpu\"},\"spec\":{\"selectors\":[{\"cel\":{\"expression\":"
        "\"device.driver == 'd'\"}}]}}");
}

/* A pool of devices gpu-0, gpu-1, ... on n1, in one of `slices` slices. */
static void put_slice(struct fixture *f, int devices, int generation, int slices)
{
    struct sy_buf b;

    sy_buf_init(&b, 1 << 20);
    sy_buf_addf(&b,
                "{\"metadata\":{\"name\":\"s%d\"},\"spec\":{\"driver\":\"d\",\"nodeName\":\"n1\","
                "\"pool\":{\"name\":\"p\",\"generation\":%d,\"resourceSliceCount\":%d},"
                "\"devices\":[",
                generation, generation, slices);
    for (int i = 0; i < devices; i++)
        sy_buf_addf(&b, "%s{\"name\":\"gpu-%d\",\"attributes\":{\"n\":{\"int\":%d}}}", i ? "," : "",
                    i, i);
    sy_buf_adds(&b, "]}}");
    put(f, SY_DEVICES_SLICE, b.p);
    sy_buf_done(&b);
}

/* Looks for the devices of the claim default/c. The names of those found go to text. */
static int find(struct fixture *f, char text[512], struct sy_err *err)
{
    const struct sy_device_claim *claim =
        sy_devices_claim(&f->c, core_id(&f->k, "default"), core_id(&f->k, "c"));
    const struct sy_device_pick *picks;
    struct sy_allocator *a;
    uint32_t len;
    size_t at = 0;

    assert_non_null(claim);
    sy_arena_reset(&f->arena);
    int r = sy_allocator_new(&f->c, &f->arena, &claim, 1, &a, err);
    if (!r)
        r = sy_allocator_try(a, f->node, &picks, &len, err);
    text[0] = 0;
    for (uint32_t i = 0; r == 1 && i < len; i++)
        at += (size_t)snprintf(text + at, 512 - at, "%s ",
                               sy_strings_getz(f->k.strings, picks[i].device->name));
    return r;
}

static void put_claim(struct fixture *f, const char *requests)
{
    char json[2048];

    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"c\",\"namespace\":\"default\"},\"spec\":{\"devices\":{"
             "\"requests\":[%s]}}}",
             requests);
    put(f, SY_DEVICES_CLAIM, json);
}

#define EXACTLY(name, count, more)                                                                 \
    "{\"name\":\"" name "\",\"exactly\":{\"deviceClassName\":\"gpu\",\"allocationMode\":"          \
    "\"ExactCount\",\"count\":" count more "}}"

static void test_takes_the_first_that_are_free(void **state)
{
    struct fixture *f = *state;
    char text[512];

    put_class(f);
    put_slice(f, 3, 1, 1);
    put_claim(f, EXACTLY("r", "2", ""));
    assert_int_equal(find(f, text, NULL), 1);
    assert_string_equal(text, "gpu-0 gpu-1 ");
    put(f, SY_DEVICES_CLAIM,
        "{\"metadata\":{\"name\":\"used\",\"namespace\":\"x\"},\"status\":{\"allocation\":{"
        "\"devices\":{\"results\":[{\"request\":\"r\",\"driver\":\"d\",\"pool\":\"p\",\"device\":"
        "\"gpu-0\"}]}}}}");
    assert_int_equal(find(f, text, NULL), 1);
    assert_string_equal(text, "gpu-1 gpu-2 ");
    put_claim(f, EXACTLY("r", "3", ""));
    assert_int_equal(find(f, text, NULL), 0);
    sy_devices_delete(&f->c, SY_DEVICES_CLAIM, core_id(&f->k, "x"), core_id(&f->k, "used"));
    assert_int_equal(find(f, text, NULL), 1);
}

static void test_goes_back_when_a_later_request_needs_the_device(void **state)
{
    struct fixture *f = *state;
    char text[512];

    put_class(f);
    put_slice(f, 2, 1, 1);
    put_claim(f,
              EXACTLY("any", "1", "") "," EXACTLY(
                  "first", "1",
                  ",\"selectors\":[{\"cel\":{\"expression\":\"device.attributes['d'].n == 0\"}}]"));
    assert_int_equal(find(f, text, NULL), 1);
    assert_string_equal(text, "gpu-1 gpu-0 ");
}

static void test_only_the_newest_whole_generation_counts(void **state)
{
    struct fixture *f = *state;
    char text[512];

    put_class(f);
    put_slice(f, 2, 1, 1);
    put_slice(f, 1, 2, 2); /* one of two */
    put_claim(f, EXACTLY("r", "1", ""));
    assert_int_equal(find(f, text, NULL), 0);
    put_slice(f, 1, 2, 1);
    assert_int_equal(find(f, text, NULL), 1);
    put_claim(f, EXACTLY("r", "2", ""));
    assert_int_equal(find(f, text, NULL), 0);
}

static void test_errors_name_the_claim(void **state)
{
    struct fixture *f = *state;
    struct sy_err err = {0};
    char text[512];

    put_class(f);
    put_slice(f, 1, 1, 1);
    put_claim(f,
              EXACTLY("r", "1",
                      ",\"selectors\":[{\"cel\":{\"expression\":\"device.attributes['d'].x\"}}]"));
    assert_int_equal(find(f, text, &err), -EINVAL);
    assert_string_equal(err.msg, "claim default/c: selector #0 on device d/p/gpu-0: CEL runtime "
                                 "error: no such key: x. consider using CEL optional chaining (.? "
                                 "followed by orValue()) or guarding the check with has() for "
                                 "optional fields");
    put_claim(f, EXACTLY("r", "33", ""));
    assert_int_equal(find(f, text, &err), -EINVAL);
    assert_string_equal(err.msg, "claim default/c, request r: adding 33 devices exceeds the claim "
                                 "limit of 32, with 0 already accounted for");
}

static void test_a_search_without_end_is_ended(void **state)
{
    struct fixture *f = *state;
    struct sy_err err = {0};
    char text[512];

    put_class(f);
    put_slice(f, 24, 1, 1);
    put_claim(f, EXACTLY("a", "12", "") "," EXACTLY(
                     "b", "1", ",\"selectors\":[{\"cel\":{\"expression\":\"false\"}}]"));
    assert_int_equal(find(f, text, &err), -ETIME);
    assert_string_equal(err.msg, "node n1: allocating devices took more than 100000 steps");
}

static void test_the_store_follows_a_list(void **state)
{
    struct fixture *f = *state;
    sy_sid gpu = core_id(&f->k, "gpu");
    uint64_t generation;

    put_class(f);
    put_slice(f, 1, 1, 1);
    generation = f->c.devices.generation;
    sy_devices_replace_begin(&f->c, SY_DEVICES_CLASS);
    sy_devices_replace_end(&f->c, SY_DEVICES_CLASS);
    assert_null(sy_devices_class(&f->c, gpu));
    assert_true(f->c.devices.generation > generation);
    put_class(f);
    assert_non_null(sy_devices_class(&f->c, gpu));
    sy_strings_mark_begin(f->k.strings);
    sy_decode_mark(&f->decode);
    sy_cluster_mark(&f->c);
    sy_strings_sweep(f->k.strings);
    assert_string_equal(sy_strings_getz(f->k.strings, gpu), "gpu");
}

/* A pool of two devices that differ in `n`, and share 8 of `mem`. */
static void put_shared(struct fixture *f, const char *policy)
{
    char json[1024];

    snprintf(
        json, sizeof(json),
        "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"driver\":\"d\",\"nodeName\":\"n1\",\"pool\":{"
        "\"name\":\"p\",\"generation\":1,\"resourceSliceCount\":1},\"devices\":[{\"name\":"
        "\"gpu-0\",\"allowMultipleAllocations\":true,\"attributes\":{\"n\":{\"int\":0}},"
        "\"capacity\":{\"mem\":{\"value\":\"8\"%s}}},{\"name\":\"gpu-1\",\"attributes\":{\"n\":{"
        "\"int\":0}}}]}}",
        policy);
    put(f, SY_DEVICES_SLICE, json);
}

#define ASKS(amount) ",\"capacity\":{\"requests\":{\"mem\":\"" amount "\"}}"

/* What the first pick takes of `mem`, in thousandths; less than 0: not found. */
static int64_t taken(struct fixture *f, struct sy_err *err)
{
    const struct sy_device_claim *claim =
        sy_devices_claim(&f->c, core_id(&f->k, "default"), core_id(&f->k, "c"));
    const struct sy_device_pick *picks;
    struct sy_allocator *a;
    uint32_t len;

    sy_arena_reset(&f->arena);
    int r = sy_allocator_new(&f->c, &f->arena, &claim, 1, &a, err);
    if (!r)
        r = sy_allocator_try(a, f->node, &picks, &len, err);
    if (r != 1)
        return r < 0 ? r : -1;
    assert_int_equal(picks[0].consumed_len, 1);
    return picks[0].consumed[0].value.whole * 1000 + picks[0].consumed[0].value.nano / 1000000;
}

static void test_request_policies_round_up(void **state)
{
    static const struct {
        const char *policy, *request;
        int64_t milli; /* -1: none will do */
    } CASES[] = {
        {"", "", 8000},
        {"", ASKS("3"), 3000},
        {"", ASKS("9"), -1},
        {",\"requestPolicy\":{\"default\":\"2\",\"validValues\":[\"2\",\"4\"]}", "", 2000},
        {",\"requestPolicy\":{\"default\":\"2\",\"validValues\":[\"2\",\"4\"]}", ASKS("3"), 4000},
        {",\"requestPolicy\":{\"default\":\"2\",\"validValues\":[\"2\",\"4\"]}", ASKS("5"), -1},
#define RANGE(step)                                                                                \
    ",\"requestPolicy\":{\"default\":\"1\",\"validRange\":{\"min\":\"1\",\"max\":\"6\"," step "}}"
        {RANGE("\"step\":\"2\""), "", 1000},
        {RANGE("\"step\":\"2\""), ASKS("500m"), 1000},
        {RANGE("\"step\":\"2\""), ASKS("2"), 3000},
        {RANGE("\"step\":\"2\""), ASKS("5"), 5000},
        {RANGE("\"step\":\"2\""), ASKS("5500m"), -1},      /* 7 is past max */
        {RANGE("\"step\":\"250m\""), ASKS("1100m"), 2000}, /* steps are whole */
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct fixture *f = *state;
        char request[512];
        put_class(f);
        put_shared(f, CASES[i].policy);
        snprintf(request, sizeof(request), EXACTLY("r", "1", "%s"), CASES[i].request);
        put_claim(f, request);
        int64_t got = taken(f, NULL);
        if (got != CASES[i].milli)
            fail_msg("%s%s: %lld", CASES[i].policy, CASES[i].request, (long long)got);
    }
}

static void test_what_no_range_can_express_fails(void **state)
{
    struct fixture *f = *state;
    struct sy_err err = {0};

    put_class(f);
    put_shared(
        f, ",\"requestPolicy\":{\"default\":\"1\",\"validRange\":{\"min\":\"1\",\"step\":\"4\"}}");
    put_claim(f, EXACTLY("r", "1", ASKS("9223372036854775806")));
    assert_int_equal(taken(f, &err), -EINVAL);
    assert_string_equal(err.msg,
                        "claim default/c, request r: checking capacity for device d/p/gpu-0: "
                        "capacity \"mem\": capacity request cannot be represented in the device's "
                        "range arithmetic: rounding request 9223372036854775806 up to the next "
                        "step passes MaxInt64");
}

static void test_devices_of_distinct_attributes(void **state)
{
    struct fixture *f = *state;
    char text[512], json[1024];

    put_class(f);
    for (int same = 0; same < 2; same++) {
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"name\":\"c\",\"namespace\":\"default\"},\"spec\":{\"devices\":{"
                 "\"requests\":[" EXACTLY("r", "2", "") "],\"constraints\":[{\"%sAttribute\":"
                                                        "\"d/n\"}]}}}",
                 same ? "match" : "distinct");
        put(f, SY_DEVICES_CLAIM, json);
        put_slice(f, 2, 1, 1); /* n is 0 and 1 */
        assert_int_equal(find(f, text, NULL), !same);
        sy_devices_delete(&f->c, SY_DEVICES_SLICE, 0, core_id(&f->k, "s1"));
        put_shared(f, ""); /* n is 0 twice */
        assert_int_equal(find(f, text, NULL), same);
        sy_devices_delete(&f->c, SY_DEVICES_SLICE, 0, core_id(&f->k, "s"));
    }
}

/* Objects come, change and go at random: the index is as one made anew. */
static void test_the_index_follows_the_store(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    char json[1024];

    sy_rng_seed(&rng, 7);
    for (int i = 0; i < 3000; i++) {
        uint32_t what = sy_rng_below(&rng, 8), n = sy_rng_below(&rng, 12);
        uint32_t node = sy_rng_below(&rng, 4), pool = sy_rng_below(&rng, 3);
        snprintf(json, sizeof(json), "%c%u", what < 5 ? 's' : 'c', n);
        if (what == 4 || what == 7) {
            sy_devices_delete(&f->c, what == 4 ? SY_DEVICES_SLICE : SY_DEVICES_CLAIM,
                              what == 4 ? 0 : core_id(&f->k, "x"), core_id(&f->k, json));
        } else if (what < 4) {
            char where[64] = "\"allNodes\":true";
            if (node)
                snprintf(where, sizeof(where), "\"nodeName\":\"n%u\"", node);
            snprintf(json, sizeof(json),
                     "{\"metadata\":{\"name\":\"s%u\"},\"spec\":{\"driver\":\"d%u\",%s,\"pool\":{"
                     "\"name\":\"p%u\",\"generation\":%d,\"resourceSliceCount\":1}}}",
                     n, pool / 2, where, pool, i);
            put(f, SY_DEVICES_SLICE, json);
        } else {
            snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"name\":\"c%u\",\"namespace\":\"x\",\"annotations\":{"
                "\"resource.kubernetes.io/extended-resource-claim\":\"%s\"},\"ownerReferences\":"
                "[{\"uid\":\"u%u\",\"controller\":true}]},\"status\":{\"allocation\":{\"devices\":{"
                "\"results\":[{\"request\":\"r\",\"driver\":\"d\",\"pool\":\"p\",\"device\":"
                "\"g%u\"},{\"request\":\"r\",\"driver\":\"d\",\"pool\":\"p\",\"device\":\"g%u\","
                "\"adminAccess\":%s}]}}}}",
                n, node ? "true" : "no", n, node, pool, i % 2 ? "true" : "false");
            put(f, SY_DEVICES_CLAIM, json);
        }
        const char *wrong = sy_device_index_audit(&f->c);
        if (wrong)
            fail_msg("step %d: %s", i, wrong);
    }
    assert_null(sy_device_index_for_pod(&f->c, SY_STR("nobody")));
}

static const char *class_for(struct fixture *f, const char *resource)
{
    const struct sy_device_class *class = sy_devices_class_for(&f->c, core_id(&f->k, resource));

    return class ? sy_strings_getz(f->k.strings, class->name) : "none";
}

static void test_the_newest_class_stands_for_a_resource(void **state)
{
    static const char *const CLASSES[][2] = {{"b", "2026-01-01T00:00:00Z"},
                                             {"c", "2025-01-01T00:00:00Z"},
                                             {"a", "2026-01-01T00:00:00Z"}};
    struct fixture *f = *state;
    uint64_t epoch = f->c.epoch;
    char json[512];

    assert_string_equal(class_for(f, "x.y/gpu"), "none");
    for (size_t i = 0; i < SY_ARRAY_LEN(CLASSES); i++) {
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"name\":\"%s\",\"creationTimestamp\":\"%s\"},\"spec\":{"
                 "\"extendedResourceName\":\"x.y/gpu\"}}",
                 CLASSES[i][0], CLASSES[i][1]);
        put(f, SY_DEVICES_CLASS, json);
        assert_string_equal(class_for(f, "x.y/gpu"), i == 2 ? "a" : "b");
    }
    assert_string_equal(class_for(f, "deviceclass.resource.kubernetes.io/c"), "c");
    assert_string_equal(class_for(f, "deviceclass.resource.kubernetes.io/d"), "none");
    assert_true(f->c.epoch > epoch);
}

/* Empty text selects nothing, else what stands in deviceSelector. */
static void put_rule(struct fixture *f, const char *selector, const char *effect)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{\"metadata\":{\"name\":\"r\"},\"spec\":{%s%s%s\"taint\":{\"key\":\"sick\",\"value\":"
             "\"v\",\"effect\":\"%s\"}}}",
             *selector ? "\"deviceSelector\":" : "", selector, *selector ? "," : "", effect);
    put(f, SY_DEVICES_RULE, json);
}

static void test_rules_taint_devices(void **state)
{
    static const struct {
        const char *selector, *effect, *found;
    } CASES[] = {
        {"{\"driver\":\"d\",\"pool\":\"p\",\"device\":\"gpu-0\"}", "NoSchedule", "gpu-1 "},
        {"{\"device\":\"gpu-0\"}", "NoExecute", "gpu-1 "},
        {"{\"driver\":\"d\",\"device\":\"gpu-1\"}", "NoSchedule", "gpu-0 "},
        {"{\"pool\":\"p\"}", "NoSchedule", ""},
        {"{\"driver\":\"d\"}", "NoSchedule", ""},
        {"{}", "NoSchedule", ""},
        {"{}", "None", "gpu-0 "},
        {"", "NoSchedule", "gpu-0 "},
        {"{\"pool\":\"q\"}", "NoSchedule", "gpu-0 "},
        {"{\"driver\":\"e\"}", "NoSchedule", "gpu-0 "},
        {"{\"device\":\"gpu-7\"}", "NoSchedule", "gpu-0 "},
    };
    struct fixture *f = *state;
    char text[512];

    put_class(f);
    put_slice(f, 2, 1, 1);
    put_claim(f, EXACTLY("r", "1", ""));
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        put_rule(f, CASES[i].selector, CASES[i].effect);
        assert_int_equal(find(f, text, NULL), *CASES[i].found != 0);
        assert_string_equal(text, CASES[i].found);
    }
    put_rule(f, "{}", "NoSchedule");
    put_claim(f, EXACTLY("r", "1", ",\"tolerations\":[{\"key\":\"sick\",\"value\":\"v\"}]"));
    assert_int_equal(find(f, text, NULL), 1);
    put_claim(f, EXACTLY("r", "1", ",\"tolerations\":[{\"key\":\"sick\",\"value\":\"w\"}]"));
    assert_int_equal(find(f, text, NULL), 0);
    sy_devices_delete(&f->c, SY_DEVICES_RULE, 0, core_id(&f->k, "r"));
    assert_int_equal(find(f, text, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takes_the_first_that_are_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_back_when_a_later_request_needs_the_device, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_only_the_newest_whole_generation_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_errors_name_the_claim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_search_without_end_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_store_follows_a_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_policies_round_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_no_range_can_express_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_of_distinct_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_index_follows_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules_taint_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_newest_class_stands_for_a_resource, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
