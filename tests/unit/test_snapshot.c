/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of objects to the model: forms, defaults, copies, and what each mistake is told as. */
#include "snapshot/snapshot.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t KEY[2] = {1, 2};

struct fixture {
    struct sy_strings *strings;
    struct sy_snapshot s;
    struct sy_err err;
};

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(KEY);
    sy_snapshot_init(&f->s, f->strings);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_snapshot_done(&f->s);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

static int try_read(struct fixture *f, const char *text)
{
    f->err = (struct sy_err){0};
    int code = sy_snapshot_read(&f->s, sy_str_from(text), "f", &f->err);
    return code < 0 ? code : sy_snapshot_finish(&f->s, &f->err);
}

static void read_ok(struct fixture *f, const char *text)
{
    if (try_read(f, text) < 0)
        fail_msg("%s", f->err.msg);
}

static const char *label(struct fixture *f, struct sy_labels labels, const char *key)
{
    sy_sid id = sy_strings_find(f->strings, sy_str_from(key));

    for (uint32_t i = 0; i < labels.len; i++) {
        if (labels.p[i].key == id)
            return sy_strings_getz(f->strings, labels.p[i].value);
    }
    return "";
}

static int64_t amount(struct fixture *f, struct sy_amounts amounts, const char *name)
{
    sy_sid id = sy_strings_find(f->strings, sy_str_from(name));

    for (uint32_t i = 0; i < amounts.len; i++) {
        if (amounts.p[i].resource == id)
            return amounts.p[i].amount;
    }
    return -1;
}

static bool is_named(const struct fixture *f, size_t pod, const char *name)
{
    return sy_str_eqz(f->s.pods.p[pod].pod.name, name);
}

/* -- forms -- */

#define NODE(name)                                                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"" name                      \
    "\",\"uid\":\"u-" name "\"},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\","    \
    "\"pods\":\"10\"}}}"
#define HEAD                                                                                       \
    "{\"apiVersion\":\"snapshot.steelyard.dev/v1\",\"kind\":\"Snapshot\",\"metadata\":"            \
    "{\"creationTimestamp\":\"2026-01-31T12:00:00Z\"}}\n"
#define END(n)                                                                                     \
    "{\"apiVersion\":\"snapshot.steelyard.dev/v1\",\"kind\":\"SnapshotEnd\",\"objects\":" n "}\n"

static void test_a_snapshot(void **state)
{
    struct fixture *f = *state;

    read_ok(f, HEAD NODE("a") "\n" NODE(
                   "b") "\n"
                        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\","
                        "\"namespace\":"
                        "\"x\",\"uid\":\"u-p\"},\"spec\":{\"nodeName\":\"a\",\"priority\":7,"
                        "\"priorityClassName\":\"not-in-the-file\",\"containers\":[{\"name\":\"c\","
                        "\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]},\"status\":{\"phase\":"
                        "\"Running\"}}\n"
                        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                        "\"m\"}}\n" END("4"));
    assert_true(f->s.is_snapshot);
    assert_int_equal(f->s.taken_wall_ns, 1769860800 * SY_NS_PER_S);
    assert_int_equal(f->s.nodes.len, 2);
    assert_int_equal(amount(f, f->s.nodes.p[0].allocatable, "cpu"), 4000);
    assert_int_equal(f->s.pods.len, 1);
    assert_int_equal(f->s.skipped, 1);
    const struct sy_pod *pod = &f->s.pods.p[0].pod;
    assert_true(sy_str_eqz(pod->uid, "u-p") && is_named(f, 0, "p"));
    assert_int_equal(pod->node, f->s.nodes.p[0].name);
    assert_int_equal(pod->priority, 7);
    assert_int_equal(pod->phase, SY_PHASE_RUNNING);
    assert_int_equal(amount(f, pod->spec.requests.requests, "cpu"), 500);
}

/* What kubectl prints, indented; items of a typed list need not say what they are. */
static void test_lists(void **state)
{
    struct fixture *f = *state;

    read_ok(
        f, "\n{ \"kind\": \"List\", \"apiVersion\": \"v1\",\n  \"items\": [\n" NODE("a") ",\n" NODE(
               "b") "]}\n{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":[{\"metadata\":"
                    "{\"name\":\"p}\\\"]\",\"uid\":\"u\"},\"spec\":{\"containers\":[]}}]}");
    assert_int_equal(f->s.nodes.len, 2);
    assert_int_equal(f->s.pods.len, 1);
    assert_true(is_named(f, 0, "p}\"]"));
    assert_false(f->s.is_snapshot);
}

static void test_manifests_get_their_defaults(void **state)
{
    struct fixture *f = *state;

    read_ok(f, "# people write this\n"
               "---\n"
               "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
               "status:\n  capacity: {cpu: 8, memory: 16Gi, nvidia.com/gpu: 2}\n"
               "--- # the next\n"
               "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels: {a: \"1\"}\n"
               "spec:\n  priorityClassName: high\n  containers:\n"
               "  - name: c\n    resources:\n"
               "      requests: {cpu: 500m}\n      limits: {cpu: 2, nvidia.com/gpu: 1}\n"
               "---\n---\n"
               "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\n"
               "value: 1000\npreemptionPolicy: Never\n");
    assert_int_equal(f->s.nodes.len, 1);
    const struct sy_node *n = &f->s.nodes.p[0];
    assert_int_equal(amount(f, n->allocatable, "cpu"), 8000);
    assert_int_equal(amount(f, n->allocatable, "nvidia.com/gpu"), 2);
    assert_int_equal(amount(f, n->allocatable, "pods"), 110);
    assert_string_equal(label(f, n->labels, "kubernetes.io/hostname"), "n");
    assert_true(sy_str_eqz(n->uid, "n"));
    const struct sy_pod *pod = &f->s.pods.p[0].pod;
    assert_string_equal(sy_strings_getz(f->strings, pod->ns), "default");
    assert_true(sy_str_eqz(pod->uid, "default/p"));
    assert_int_equal(amount(f, pod->spec.requests.requests, "cpu"), 500);
    assert_int_equal(amount(f, pod->spec.requests.requests, "nvidia.com/gpu"), 1);
    assert_int_equal(pod->spec.gpu.count, 1);
    assert_int_equal(pod->priority, 1000);
    assert_true(pod->never_preempts);
    assert_string_equal(label(f, pod->labels, "a"), "1");
}

static const char CONTROLLER[] =
    "apiVersion: %s\nkind: %s\nmetadata:\n  name: w\n  namespace: x\n"
    "  annotations: {simulate.steelyard.dev/arrives-after: 1m}\n"
    "spec:\n  %s\n  selector: {matchLabels: {app: w}}\n  template:\n"
    "    metadata:\n      labels: {app: w}\n      annotations:\n"
    "        simulate.steelyard.dev/arrives-every: 10s\n"
    "        simulate.steelyard.dev/runs-for: 1h\n"
    "    spec: {containers: [{name: c, resources: {limits: {cpu: 1}}}]}\n";

static void test_controllers_become_pods(void **state)
{
    static const struct {
        const char *api, *kind, *field;
        uint32_t pods, workloads;
    } CASES[] = {
        {"apps/v1", "Deployment", "replicas: 3", 3, 0},
        {"apps/v1", "Deployment", "paused: false", 1, 0},
        {"apps/v1", "ReplicaSet", "replicas: 2", 2, 1},
        {"apps/v1", "StatefulSet", "replicas: 0", 0, 1},
        {"v1", "ReplicationController", "replicas: 2", 2, 1},
        {"batch/v1", "Job", "parallelism: 4", 4, 0},
        {"batch/v1", "Job", "completions: 5", 5, 0},
    };
    struct fixture *f = *state;
    char text[1024];

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        sy_snapshot_done(&f->s);
        sy_snapshot_init(&f->s, f->strings);
        snprintf(text, sizeof(text), CONTROLLER, CASES[i].api, CASES[i].kind, CASES[i].field);
        read_ok(f, text);
        assert_int_equal(f->s.pods.len, CASES[i].pods);
        assert_int_equal(f->s.workloads.len, CASES[i].workloads);
        for (size_t p = 0; p < f->s.pods.len; p++) {
            const struct sy_snapshot_pod *pod = &f->s.pods.p[p];
            snprintf(text, sizeof(text), "w-%zu", p);
            assert_true(is_named(f, p, text));
            assert_string_equal(sy_strings_getz(f->strings, pod->pod.ns), "x");
            assert_int_equal(pod->arrives_ns, (60 + 10 * (int64_t)p) * SY_NS_PER_S);
            assert_int_equal(pod->lasts_ns, 3600 * SY_NS_PER_S);
            assert_int_equal(amount(f, pod->pod.spec.requests.requests, "cpu"), 1000);
            assert_string_equal(label(f, pod->pod.labels, "app"), "w");
        }
    }
    /* One that was served has its pods in the file. */
    sy_snapshot_done(&f->s);
    sy_snapshot_init(&f->s, f->strings);
    read_ok(f, "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{\"name\":\"r\","
               "\"namespace\":\"x\",\"uid\":\"u\"},\"spec\":{\"replicas\":3,\"template\":{}}}");
    assert_int_equal(f->s.pods.len, 0);
    assert_int_equal(f->s.workloads.len, 1);
}

static void test_copies(void **state)
{
    struct fixture *f = *state;

    read_ok(f, "kind: Node\napiVersion: v1\nmetadata:\n  name: n\n  labels: {zone: a}\n"
               "  annotations: {simulate.steelyard.dev/copies: \"3\"}\n"
               "status: {allocatable: {cpu: 1, memory: 1Gi}}\n---\n"
               "kind: Pod\napiVersion: v1\nmetadata:\n  name: p\n"
               "  annotations: {simulate.steelyard.dev/copies: \"2\"}\nspec: {containers: []}\n");
    assert_int_equal(f->s.nodes.len, 3);
    assert_string_equal(sy_strings_getz(f->strings, f->s.nodes.p[2].name), "n-2");
    assert_string_equal(label(f, f->s.nodes.p[2].labels, "kubernetes.io/hostname"), "n-2");
    assert_string_equal(label(f, f->s.nodes.p[2].labels, "zone"), "a");
    assert_true(sy_str_eqz(f->s.nodes.p[1].uid, "n-1"));
    assert_int_equal(f->s.pods.len, 2);
    assert_true(is_named(f, 1, "p-1"));
}

static void test_several_files(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sy_snapshot_read(&f->s, sy_str_from(HEAD NODE("a") "\n" END("1")), "a", NULL),
                     0);
    assert_int_equal(sy_snapshot_read(&f->s, sy_str_from(HEAD NODE("b") "\n" END("1")), "b", NULL),
                     0);
    read_ok(f, "kind: Pod\napiVersion: v1\nmetadata: {name: p}\nspec: {nodeName: a}\n");
    assert_int_equal(f->s.nodes.len, 2);
    assert_int_equal(f->s.pods.p[0].pod.node, f->s.nodes.p[0].name);
}

/* Whatever else scheduling looks at is kept by kind. */
static void test_all_other_kinds(void **state)
{
    struct fixture *f = *state;

    read_ok(
        f, "apiVersion: v1\nkind: Namespace\nmetadata: {name: x, labels: {team: a}}\n---\n"
           "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {a: b}}\n---\n"
           "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {}\n---\n"
           "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {}\n---\n"
           "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: k}\n"
           "provisioner: p\n---\n"
           "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: d}\nspec: {}\n---\n"
           "apiVersion: scheduling.x-k8s.io/v1alpha1\nkind: PodGroup\nmetadata: {name: g}\n"
           "spec: {minMember: 3}\n---\n"
           "apiVersion: example.com/v1\nkind: Node\nmetadata: {name: another-node}\n");
    assert_int_equal(f->s.workloads.len, 2);
    assert_int_equal(f->s.workloads.p[1].kind, SY_WORKLOAD_SERVICE);
    assert_int_equal(f->s.budgets.len, 1);
    assert_int_equal(f->s.storage.len, 2);
    assert_int_equal(f->s.storage.p[1].kind, SY_STORAGE_CLASS);
    assert_int_equal(f->s.devices.len, 1);
    assert_int_equal(f->s.groups.len, 1);
    assert_true(f->s.groups.p[0].min_members == 3 && f->s.groups.p[0].ns);
    assert_int_equal(f->s.groups.p[0].source, SY_GROUP_COSCHEDULE);
    assert_int_equal(f->s.nodes.len, 0);
    assert_int_equal(f->s.skipped, 1);
}

/* -- mistakes -- */

static void test_mistakes_say_where_and_what(void **state)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        {" \n", "f: the file is empty"},
        {"{\"a\":", "f:1: a JSON value begins here and never ends"},
        {"{}\n", "f:1: the object has no kind"},
        {"[{}]", "f:1: an object is needed here, not a list"},
        {NODE("a") "\n\n x", "f:3: a JSON object is needed here"},
        {NODE("a") "\n{\n\"a\" 1}", "f:3: no JSON: "},
        {"{\"kind\":\"List\",\"items\":{}}", "f:1: items of the List are no list"},
        {"{\"kind\":\"List\",\"items\":[1]}", "f:1: item 1 of the List is no object"},
        {NODE("a") "\n" NODE("a"), "f:2: Node a: a node \"a\" is there twice"},
        {"kind: Node\nmetadata: {name: n}\n",
         "f:1: Node n: it has neither status.capacity nor status.allocatable"},
        {"kind: Pod\nmetadata: {}\n", "f:1: Pod without a name: metadata.name is missing"},
        {"kind: Pod\nmetadata: {name: p, namespace: x}\n", "f:1: Pod x/p: it has no spec of a pod"},
        {"a: b\n---\n\nkind: Pod\nmetadata: {name: p, labels: {v: 1}}\n", "f:1: the object has no"},
        {"---\n\nkind: Pod\nmetadata:\n  labels: {v: 1}\n",
         "f:5: labels.v: text is needed here: write \"1\" in quotes"},
        {"---\nkind: Pod\n---\n- a\n", "f:2: Pod without a name"},
        {"---\n- a\n", "f:2: a Kubernetes object is needed here"},
        {"# a\n---\n# b\n---\na: [\n", "f:6: "},
        {"kind: Pod\nmetadata: {name: p, annotations: {simulate.steelyard.dev/runs-for: soon}}\n"
         "spec: {}\n",
         "\"soon\" is no duration"},
        {"kind: Pod\nmetadata: {name: p, annotations: {simulate.steelyard.dev/copies: many}}\n"
         "spec: {}\n",
         "simulate.steelyard.dev/copies: give a number"},
        {"kind: Pod\nmetadata: {name: p, annotations: {simulate.steelyard.dev/runs-for: 999999h}}\n"
         "spec: {}\n",
         "is no duration"},
        {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n", "it has no spec.template"},
        {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
         "spec: {replicas: -1, template: {spec: {}}}\n",
         "spec.replicas: give a number"},
        {"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d}\n", "is not expanded"},
        {"apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: d}\n",
         "value: give"},
        {"kind: Pod\nmetadata: {name: p}\nspec: {priorityClassName: nope}\n",
         "Pod default/p: there is no PriorityClass \"nope\""},
        {"{\"apiVersion\":\"snapshot.steelyard.dev/v9\",\"kind\":\"Snapshot\"}",
         "it is of format snapshot.steelyard.dev/v9; this steelyard reads"},
        {HEAD NODE("z"), "f: the snapshot has no SnapshotEnd"},
        {HEAD NODE("z") END("2"), "should have 2 objects and has 1"},
        {HEAD END("0") NODE("z"), "it is behind the end"},
        {NODE("z") HEAD, "a snapshot's header is its first object"},
        {END("0"), "there is no snapshot that could end here"},
        {"{\"apiVersion\":\"snapshot.steelyard.dev/v1\",\"kind\":\"Snapshot\",\"metadata\":"
         "{\"creationTimestamp\":\"noon\"}}",
         "\"noon\" is no time"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        sy_snapshot_done(&f->s);
        sy_snapshot_init(&f->s, f->strings);
        assert_int_equal(try_read(f, CASES[i].text), -EINVAL);
        if (!strstr(f->err.msg, CASES[i].says))
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, CASES[i].says, f->err.msg);
    }
    sy_snapshot_done(&f->s);
    sy_snapshot_init(&f->s, f->strings);
    f->s.pods_max = 3;
    assert_int_equal(try_read(f, "kind: Pod\nmetadata: {name: p, annotations: "
                                 "{simulate.steelyard.dev/copies: \"4\"}}\nspec: {}\n"),
                     -E2BIG);
}

static void test_tells_tables_from_objects(void **state)
{
    (void)state;
    assert_true(sy_snapshot_is_likely(SY_STR(" {}")));
    assert_true(sy_snapshot_is_likely(SY_STR("# a comment\nkind: Pod")));
    assert_true(sy_snapshot_is_likely(SY_STR("---\n")));
    assert_true(sy_snapshot_is_likely(SY_STR("apiVersion: v1\n")));
    assert_false(sy_snapshot_is_likely(SY_STR("sn,cpu_milli\na:b\n")));
    assert_false(sy_snapshot_is_likely(SY_STR("")));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_snapshot),
        CASE(test_lists),
        CASE(test_manifests_get_their_defaults),
        CASE(test_controllers_become_pods),
        CASE(test_copies),
        CASE(test_several_files),
        CASE(test_all_other_kinds),
        CASE(test_mistakes_say_where_and_what),
        cmocka_unit_test(test_tells_tables_from_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
