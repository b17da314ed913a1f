/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file and its tables: defaults, strictness, all problems at once, overriding,
 * printing, profiles; and durations. */
#include "app/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/log.h"

#define HEAD "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n"
#define KUBE "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

static int parse(const char *text, struct sy_config *c, struct sy_problems *p)
{
    *p = (struct sy_problems){0};
    return sy_config_parse(text, strlen(text), "f.yaml", c, p);
}

/* `want` is all problems, a line each, in the order found. */
static void assert_problems(const char *text, const char *want)
{
    struct sy_config c;
    struct sy_problems p;
    struct sy_buf all;

    assert_int_equal(parse(text, &c, &p), -EINVAL);
    sy_buf_init(&all, 1 << 20);
    for (size_t i = 0; i < p.lines.len; i++)
        sy_buf_addf(&all, "%s\n", p.lines.p[i]);
    assert_string_equal(all.p, want);
    sy_buf_done(&all);
    sy_problems_done(&p);
    sy_config_done(&c);
}

static void one_problem(const char *body, const char *want)
{
    char *text = NULL, *line = NULL;

    assert_true(asprintf(&text, HEAD "%s", body) > 0);
    assert_true(asprintf(&line, "%s\n", want) > 0);
    assert_problems(text, line);
    free(line);
    free(text);
}

static void one_kube_problem(const char *body, const char *want)
{
    char *text = NULL, *line = NULL;

    assert_true(asprintf(&text, KUBE "%s", body) > 0);
    assert_true(asprintf(&line, "%s\n", want) > 0);
    assert_problems(text, line);
    free(line);
    free(text);
}

static void defaults(void **state)
{
    struct sy_config_source none = {0};
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p = {0};
    struct sy_config c;

    (void)state;
    assert_int_equal(sy_config_load(&none, &c, &p), 0);
    assert_string_equal(c.bind_address, "127.0.0.1");
    assert_int_equal(c.port, 10270);
    assert_int_equal(c.log_level, SY_LOG_INFO);
    assert_int_equal(c.log_json, 0);
    assert_int_equal(c.backoff_initial_ns, 1000000000);
    assert_int_equal(c.backoff_max_ns, 10000000000);
    assert_int_equal(c.sweep_ns, 30000000000);
    assert_int_equal(c.binds_in_flight_max, 128);
    assert_true(c.events);
    assert_null(c.kubeconfig);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    assert_string_equal(profiles[0].scheduler_name, "steelyard");
    assert_true(profiles[0].filters_len > 0);
    sy_config_done(&c);
}

static void reads_everything(void **state)
{
    static const char TEXT[] = HEAD "profiles:\n"
                                    "- schedulerName: a\n"
                                    "  filters: [NodeName, NodeResourcesFit]\n"
                                    "  scorers:\n"
                                    "  - name: %s\n"
                                    "    weight: 7\n"
                                    "- schedulerName: b\n"
                                    "clientConnection:\n"
                                    "  kubeconfig: /etc/kube\n"
                                    "  context: \"12\"\n"
                                    "  qps: 12.5\n"
                                    "  burst: 40\n"
                                    "  acceptJSONOnly: true\n"
                                    "server: {bindAddress: '::1', port: off}\n"
                                    "logging: {level: warn, format: json}\n"
                                    "queue: {backoffInitial: 500ms, backoffMax: 1m30s, "
                                    "sweepInterval: 1h}\n"
                                    "binding: {maxInFlight: 9, timeout: 3s}\n"
                                    "events: {enabled: false, maxQueued: 5}\n";
    struct sy_profile profiles[SY_PROFILES_MAX];
    char *text = NULL;
    struct sy_config c;
    struct sy_problems p;

    (void)state;
    assert_true(asprintf(&text, TEXT, sy_scorer_at(0)->name) > 0);
    if (parse(text, &c, &p) != 0)
        fail_msg("%s", p.lines.p[0]);
    assert_string_equal(c.kubeconfig, "/etc/kube");
    assert_string_equal(c.context, "12");
    assert_true(c.qps == 12.5);
    assert_int_equal(c.burst, 40);
    assert_true(c.json_only);
    assert_string_equal(c.bind_address, "::1");
    assert_int_equal(c.port, -1);
    assert_int_equal(c.log_level, SY_LOG_WARN);
    assert_int_equal(c.log_json, 1);
    assert_int_equal(c.backoff_initial_ns, 500000000);
    assert_int_equal(c.backoff_max_ns, 90000000000);
    assert_int_equal(c.sweep_ns, 3600000000000);
    assert_int_equal(c.binds_in_flight_max, 9);
    assert_int_equal(c.bind_timeout_ns, 3000000000);
    assert_false(c.events);
    assert_int_equal(c.events_max_queued, 5);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 2);
    assert_string_equal(profiles[0].scheduler_name, "a");
    assert_int_equal(profiles[0].filters_len, 2);
    assert_string_equal(profiles[0].filters[0]->name, "NodeName");
    assert_int_equal(profiles[0].scorers_len, 1);
    assert_int_equal(profiles[0].scorers[0].weight, 7);
    assert_true(profiles[1].filters_len > 2);
    sy_config_done(&c);
    free(text);
}

/* What is printed is a file that gives the same again. */
static void print_reads_back(void **state)
{
    static const char *const FILES[] = {
        HEAD,
        HEAD "schedulerNames: [x, \"y/z\"]\nserver: {port: 0}\n",
        HEAD "profiles:\n- {schedulerName: q, filters: [], scorers: []}\n- schedulerName: r\n"
             "clientConnection: {qps: 0.1, kubeconfig: \"a b\"}\nqueue: {backoffInitial: 1500us}\n",
        HEAD
        "profiles:\n- schedulerName: q\n  plugins: {score: {enabled: [{name: ImageLocality}]}}\n",
        KUBE,
        KUBE
        "parallelism: 4\nclientConnection: {qps: -1}\nsteelyard: {server: {port: off}}\n"
        "profiles:\n- schedulerName: q\n  percentageOfNodesToScore: 3\n"
        "  plugins: {score: {disabled: [{name: '*'}], enabled: [{name: Utilization, weight: 2}]}, "
        "preScore: {disabled: [{name: '*'}]}}\n"
        "  pluginConfig:\n"
        "  - name: NodeAffinity\n"
        "    args: {addedAffinity: {preferredDuringSchedulingIgnoredDuringExecution: "
        "[{weight: 3, preference: {}}], requiredDuringSchedulingIgnoredDuringExecution: "
        "{nodeSelectorTerms: [{}, {matchFields: [{key: metadata.name, operator: In, values: "
        "[a]}]}]}}}\n"
        "  - name: NodeResourcesFit\n"
        "    args: {kind: NodeResourcesFitArgs, scoringStrategy: {type: "
        "RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 0, score: "
        "0}, {utilization: 100, score: 10}]}}}\n"
        "  - name: PodTopologySpread\n"
        "    args: {defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: z, "
        "whenUnsatisfiable: ScheduleAnyway}]}\n"
        "  - name: VolumeBinding\n",
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(FILES); i++) {
        struct sy_config a, b;
        struct sy_problems p;
        struct sy_buf first, second, diff;
        sy_buf_init(&first, 1 << 20);
        sy_buf_init(&second, 1 << 20);
        sy_buf_init(&diff, 1 << 20);
        assert_int_equal(parse(FILES[i], &a, &p), 0);
        assert_int_equal(sy_config_print(&a, &first), 0);
        sy_problems_done(&p);
        if (parse(first.p, &b, &p) != 0)
            fail_msg("%s\n%s", p.lines.p[0], first.p);
        sy_problems_done(&p);
        assert_int_equal(sy_config_print(&b, &second), 0);
        assert_string_equal(first.p, second.p);
        assert_int_equal(sy_config_needs_restart(&a, &b, &diff), 0);
        assert_int_equal(diff.len, 0);
        sy_config_done(&a);
        sy_config_done(&b);
        sy_buf_done(&first);
        sy_buf_done(&second);
        sy_buf_done(&diff);
    }
}

static void all_problems_at_once(void **state)
{
    (void)state;
    assert_problems(
        "apiVersion: v1\n"
        "schedulerNames: steelyard\n"
        "servr:\n"
        "  port: 1\n"
        "server:\n"
        "  prot: 1\n"
        "  port: \"80\"\n"
        "  bindAddress: localhost\n"
        "queue:\n"
        "  backoffInitial: 20s\n"
        "  backoffMax: 10\n"
        "logging: {level: trace, format: []}\n"
        "binding: 5\n",
        "f.yaml:1: apiVersion: \"v1\" is not known; write steelyard.dev/v1\n"
        "f.yaml:2: schedulerNames: is a single value; give a list of texts\n"
        "f.yaml:3: servr: unknown key; did you mean \"server\"?\n"
        "f.yaml:6: server.prot: unknown key; did you mean \"port\"?\n"
        "f.yaml:7: server.port: is a text; give a port from 0 to 65535 or off, without quotes\n"
        "f.yaml:8: server.bindAddress: \"localhost\" is no IP address; give one such as 127.0.0.1 "
        "or 0.0.0.0\n"
        "f.yaml:11: queue.backoffMax: \"10\" is not right here; give a duration such as 500ms, 10s "
        "or 1m30s\n"
        "f.yaml:12: logging.level: \"trace\" is not known; give debug or info or warn or error\n"
        "f.yaml:12: logging.format: is a list; give one of the names\n"
        "f.yaml:13: binding: is no map; give its keys\n"
        "f.yaml:1: kind: is missing; add it\n"
        "f.yaml:11: queue.backoffMax: is shorter than queue.backoffInitial; raise one of them\n");
}

static void single_problems(void **state)
{
    (void)state;
    one_problem(
        "server: {tls: {certFile: c.pem}}\n",
        "f.yaml:3: server.tls.certFile: certFile and keyFile go together: give both or neither");
    one_problem("server: {port: 65536}\n",
                "f.yaml:3: server.port: 65536 is out of range; give 0 to 65535");
    one_problem("server: {port: -2}\n",
                "f.yaml:3: server.port: -2 is out of range; give 0 to 65535");
    one_problem("queue: {sweepInterval: 2h}\n",
                "f.yaml:3: queue.sweepInterval: 2h is out of range; give 100ms to 1h");
    one_problem("clientConnection: {qps: nan}\n",
                "f.yaml:3: clientConnection.qps: \"nan\" is not right here; give a number");
    one_problem("clientConnection: {acceptJSONOnly: yes}\n",
                "f.yaml:3: clientConnection.acceptJSONOnly: \"yes\" is not right here; give true "
                "or false");
    one_problem("schedulerNames: [a, 7]\n",
                "f.yaml:3: schedulerNames[1]: 7 is no text in YAML; put it in quotes");
    one_problem("schedulerNames: [a, a]\n",
                "f.yaml:3: schedulerNames[1]: \"a\" is there already; remove one");
    one_problem("schedulerNames: [\"a b\"]\n",
                "f.yaml:3: schedulerNames[0]: \"a b\" is no scheduler name; use letters, digits, "
                "'-', '.', '_', '/'");
    one_problem("gpus: {resources: [cpu]}\n",
                "f.yaml:3: gpus.resources[0]: \"cpu\" is no extended resource; give a name such as "
                "amd.com/gpu");
    one_problem("gpus: {resources: [amd.com/gpu, nvidia.com/mig-1g.10gb]}\n",
                "f.yaml:3: gpus.resources[1]: a unit of \"nvidia.com/mig-1g.10gb\" is not a whole "
                "GPU, and is taken for what it is; remove it");
    one_problem("gpus: {resources: amd.com/gpu}\n",
                "f.yaml:3: gpus.resources: is a single value; give a list of texts");
    one_problem("schedulerNames: []\n",
                "f.yaml:3: schedulerNames: is empty; name one or remove the key");
    one_problem("schedulerNames: [a]\nprofiles: [{schedulerName: a}]\n",
                "f.yaml:4: profiles: stands beside schedulerNames; remove schedulerNames, the "
                "profiles have names");
    one_problem("profiles: [{schedulerName: a}, {schedulerName: a}]\n",
                "f.yaml:3: profiles[1]: another element has this schedulerName; each may be given "
                "once");
    one_problem("profiles:\n- filters: []\n",
                "f.yaml:4: profiles[0].schedulerName: is missing; add it");
}

/* The list of scorers in the message follows the registry. */
static void unknown_plugin(void **state)
{
    struct sy_config c;
    struct sy_problems p;

    (void)state;
    assert_int_equal(
        parse(HEAD "profiles: [{schedulerName: a, filters: [Nope], scorers: [{name: X}]}]\n", &c,
              &p),
        -EINVAL);
    assert_int_equal(p.lines.len, 2);
    assert_non_null(strstr(p.lines.p[0], "there is no filter \"Nope\"; there are "));
    for (uint32_t i = 0; sy_filter_at(i); i++)
        assert_non_null(strstr(p.lines.p[0], sy_filter_at(i)->name));
    assert_non_null(strstr(p.lines.p[1], "there is no scorer \"X\"; there are "));
    for (uint32_t i = 0; sy_scorer_at(i); i++)
        assert_non_null(strstr(p.lines.p[1], sy_scorer_at(i)->name));
    sy_problems_done(&p);
    sy_config_done(&c);
}

static void syntax_error_and_no_map(void **state)
{
    struct sy_config c;
    struct sy_problems p;

    (void)state;
    assert_int_equal(parse("a: [\n", &c, &p), -EINVAL);
    assert_int_equal(p.lines.len, 1);
    assert_int_equal(strncmp(p.lines.p[0], "f.yaml:", 7), 0);
    sy_problems_done(&p);
    sy_config_done(&c);
    assert_problems("- a\n",
                    "f.yaml:1: the file is no map of keys; see `steelyard config print`\n");
}

static void flags_override(void **state)
{
    static const struct sy_config_override FLAGS[] = {
        {"server.port", "0", "--port"},
        {"schedulerNames", "x", "--scheduler-name"},
        {"schedulerNames", "b", "--scheduler-name"},
        {"logging.level", "debug", "--log-level"},
    };
    static const struct sy_config_override BAD[] = {
        {"server.port", "http", "--port"},
        {"logging.format", "xml", "--log-format"},
    };
    char path[] = "/tmp/steelyard-test-config-XXXXXX";
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p = {0};
    struct sy_config c;

    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char TEXT[] = HEAD "profiles: [{schedulerName: b, filters: [NodeName]}]\n"
                                    "server: {port: 99}\n";
    assert_int_equal(write(fd, TEXT, sizeof(TEXT) - 1), sizeof(TEXT) - 1);
    close(fd);
    struct sy_config_source source = {path, FLAGS, SY_ARRAY_LEN(FLAGS)};
    if (sy_config_load(&source, &c, &p) != 0)
        fail_msg("%s", p.lines.p[0]);
    unlink(path);
    assert_int_equal(c.port, 0);
    assert_int_equal(c.log_level, SY_LOG_DEBUG);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 2);
    assert_string_equal(profiles[0].scheduler_name, "x");
    assert_true(profiles[0].filters_len > 1);
    assert_string_equal(profiles[1].scheduler_name, "b");
    assert_int_equal(profiles[1].filters_len, 1);
    sy_config_done(&c);

    source = (struct sy_config_source){path, BAD, SY_ARRAY_LEN(BAD)};
    assert_int_equal(sy_config_load(&source, &c, &p), -EINVAL); /* the file is gone, too */
    assert_int_equal(p.lines.len, 3);
    assert_non_null(strstr(p.lines.p[0], path));
    assert_string_equal(p.lines.p[1],
                        "--port: \"http\" is not right here; give a port from 0 to 65535 or off");
    assert_string_equal(p.lines.p[2], "--log-format: \"xml\" is not known; give text or json");
    sy_problems_done(&p);
    sy_config_done(&c);
}

static void restart_or_live(void **state)
{
    struct sy_config a, b;
    struct sy_problems p;
    struct sy_buf diff;

    (void)state;
    sy_buf_init(&diff, 4096);
    assert_int_equal(parse(HEAD, &a, &p), 0);
    assert_int_equal(parse(HEAD "schedulerNames: [z]\nlogging: {level: debug}\n"
                                "queue: {backoffMax: 20s}\nserver: {port: 1}\n"
                                "clientConnection: {qps: 1}\n",
                           &b, &p),
                     0);
    assert_int_equal(sy_config_needs_restart(&a, &b, &diff), 0);
    assert_string_equal(diff.p, "clientConnection.qps, server.port");
    sy_config_done(&a);
    sy_config_done(&b);
    sy_buf_done(&diff);
}

static void problems_are_capped(void **state)
{
    struct sy_config c;
    struct sy_problems p;
    struct sy_buf text;

    (void)state;
    sy_buf_init(&text, 1 << 20);
    for (int i = 0; i < 500; i++)
        sy_buf_addf(&text, "key%d: 1\n", i);
    assert_int_equal(parse(text.p, &c, &p), -EINVAL);
    assert_int_equal(p.lines.len, SY_PROBLEMS_MAX + 1);
    sy_problems_done(&p);
    sy_config_done(&c);
    sy_buf_done(&text);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
        const char *printed;
    } CASES[] = {
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"1s", 1000000000, "1s"},
        {"500ms", 500000000, "500ms"},
        {"1m30s", 90000000000, "1m30s"},
        {"90m", 5400000000000, "1h30m"},
        {"1.5s", 1500000000, "1500ms"},
        {".5h", 1800000000000, "30m"},
        {"3600s", 3600000000000, "1h"},
        {"7ns", 7, "7ns"},
        {"1h1ns", 3600000000001, "3600000000001ns"},
        {"2us", 2000, "2us"},
    };
    static const char *const BAD[] = {"",   "1",   "s",   ".s",   "1 s",  "-1s", "+1s",
                                      "1d", "1s2", "1ss", "1..s", "0x1s", "1e3s"};
    int64_t ns;
    char text[SY_DURATION_MAX];

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        assert_int_equal(sy_duration_parse(sy_str_from(CASES[i].text), &ns), 0);
        assert_int_equal(ns, CASES[i].ns);
        sy_duration_format(ns, text);
        assert_string_equal(text, CASES[i].printed);
    }
    for (size_t i = 0; i < SY_ARRAY_LEN(BAD); i++)
        assert_int_equal(sy_duration_parse(sy_str_from(BAD[i]), &ns), -EINVAL);
    assert_int_equal(sy_duration_parse(SY_STR("99999999999999999999s"), &ns), -ERANGE);
    assert_int_equal(sy_duration_parse(SY_STR("9999999h"), &ns), -ERANGE);
}

/* ---- kube-scheduler's kind ---- */

static void assert_same_profile(const struct sy_profile *a, const struct sy_profile *b)
{
    assert_int_equal(a->filters_len, b->filters_len);
    for (uint32_t i = 0; i < a->filters_len; i++)
        assert_string_equal(a->filters[i]->name, b->filters[i]->name);
    assert_int_equal(a->scorers_len, b->scorers_len);
    for (uint32_t i = 0; i < a->scorers_len; i++) {
        assert_string_equal(a->scorers[i].scorer->name, b->scorers[i].scorer->name);
        assert_int_equal(a->scorers[i].weight, b->scorers[i].weight);
    }
    assert_int_equal(a->args.preemption_is_off, b->args.preemption_is_off);
}

/* Merging nothing into the defaults gives what the policies call their defaults. */
static void plugin_defaults(void **state)
{
    struct sy_config_plugins none = {0};
    struct sy_profile want, got = {0};

    (void)state;
    sy_profile_kube(&want, "x");
    sy_plugins_apply(&none, true, "x", NULL, &got);
    assert_same_profile(&got, &want);
    sy_profile_default(&want, "x");
    sy_plugins_apply(&none, false, "x", NULL, &got);
    assert_same_profile(&got, &want);
}

/* A preset is what a profile starts from; it is not merged with plugins. */
static void gpu_preset(void **state)
{
    static const char GIVEN[] = HEAD "profiles:\n- schedulerName: x\n  preset: gpu\n";
    struct sy_profile profiles[SY_PROFILES_MAX], want;
    struct sy_problems p;
    struct sy_config c;
    char text[512];

    (void)state;
    assert_int_equal(parse(GIVEN, &c, &p), 0);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    sy_profile_gpu(&want, "x");
    assert_same_profile(&profiles[0], &want);
    assert_true(sy_profile_learns_gpus(&profiles[0]));
    assert_string_equal(profiles[0].args.ignored_resources[0], "nvidia.com/gpumem");
    sy_config_done(&c);
    snprintf(text, sizeof(text), "%s  plugins: {score: {disabled: [{name: ImageLocality}]}}\n",
             GIVEN);
    assert_int_equal(parse(text, &c, &p), -EINVAL);
    assert_non_null(strstr(p.lines.p[0], "stands beside a preset"));
    sy_problems_done(&p);
    sy_config_done(&c);
}

static void kube_defaults(void **state)
{
    struct sy_profile profiles[SY_PROFILES_MAX], want;
    struct sy_problems p;
    struct sy_config c;

    (void)state;
    assert_int_equal(parse(KUBE, &c, &p), 0);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    assert_string_equal(profiles[0].scheduler_name, "default-scheduler");
    sy_profile_kube(&want, "default-scheduler");
    assert_same_profile(&profiles[0], &want);
    assert_int_equal(c.backoff_initial_ns, 1000000000);
    assert_int_equal(c.backoff_max_ns, 10000000000);
    assert_int_equal(c.port, 10270);
    sy_config_done(&c);
}

/* The scorers or filters of the only profile, as "A=1 B=2" or "A B". */
static void assert_plugins(const char *head, const char *plugins, bool scorers, const char *want)
{
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p;
    struct sy_config c;
    struct sy_buf out;
    char *text = NULL;

    assert_true(
        asprintf(&text, "%sprofiles:\n- schedulerName: a\n  plugins: {%s}\n", head, plugins) > 0);
    if (parse(text, &c, &p))
        fail_msg("%s: %s", text, p.lines.p[0]);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    sy_buf_init(&out, 4096);
    sy_buf_adds(&out, "");
    for (uint32_t i = 0; scorers && i < profiles[0].scorers_len; i++)
        sy_buf_addf(&out, "%s%s=%d", i ? " " : "", profiles[0].scorers[i].scorer->name,
                    profiles[0].scorers[i].weight);
    for (uint32_t i = 0; !scorers && i < profiles[0].filters_len; i++)
        sy_buf_addf(&out, "%s%s", i ? " " : "", profiles[0].filters[i]->name);
    assert_string_equal(out.p ? out.p : "", want);
    sy_buf_done(&out);
    sy_problems_done(&p);
    sy_config_done(&c);
    free(text);
}

static void plugin_merging(void **state)
{
    (void)state;
    /* One point: what overrides the defaults comes first, what is new last. */
    assert_plugins(
        KUBE,
        "multiPoint: {disabled: [{name: '*'}], enabled: [{name: SchedulingGates}, {name: "
        "PrioritySort}, {name: DefaultBinder}, {name: TaintToleration, weight: 4}, "
        "{name: NodeResourcesFit}]}",
        true, "TaintToleration=4 NodeResourcesFit=1");
    assert_plugins(
        KUBE,
        "multiPoint: {disabled: [{name: '*'}], enabled: [{name: SchedulingGates}, {name: "
        "PrioritySort}, {name: DefaultBinder}, {name: TaintToleration}, {name: "
        "NodeResourcesFit}]}, score: {enabled: [{name: Utilization, weight: 5}, {name: "
        "NodeResourcesFit, weight: 9}]}",
        true, "NodeResourcesFit=9 TaintToleration=1 Utilization=5");
    assert_plugins(KUBE,
                   "score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality, weight: 7}]}",
                   true, "ImageLocality=7");
    assert_plugins(
        KUBE,
        "multiPoint: {disabled: [{name: '*'}], enabled: [{name: SchedulingGates}, {name: "
        "PrioritySort}, {name: DefaultBinder}, {name: NodePorts}, {name: NodeName}]}",
        false, "NodePorts NodeName");
    assert_plugins(
        KUBE,
        "multiPoint: {disabled: [{name: '*'}], enabled: [{name: SchedulingGates}, {name: "
        "PrioritySort}, {name: DefaultBinder}, {name: NodePorts}, {name: NodeName}, "
        "{name: TaintToleration}]}, filter: {enabled: [{name: NodeName}, {name: "
        "NodeUnschedulable}], disabled: [{name: TaintToleration}]}",
        false, "NodeName NodePorts NodeUnschedulable");
}

static int32_t weight_in_ours(const char *plugins, const char *scorer)
{
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p;
    struct sy_config c;
    char *text = NULL;
    int32_t weight = 0;

    assert_true(asprintf(&text, HEAD "profiles: [{schedulerName: a, plugins: {%s}}]\n", plugins) >
                0);
    if (parse(text, &c, &p))
        fail_msg("%s: %s", text, p.lines.p[0]);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    for (uint32_t i = 0; i < profiles[0].scorers_len; i++) {
        if (strcmp(profiles[0].scorers[i].scorer->name, scorer) == 0)
            weight += profiles[0].scorers[i].weight;
    }
    sy_config_done(&c);
    free(text);
    return weight;
}

/* Our own scorers stay unless they are disabled; kube-scheduler's come when they are asked for. */
static void plugins_in_ours(void **state)
{
    (void)state;
    assert_int_equal(weight_in_ours("", "Utilization"), 1);
    assert_int_equal(weight_in_ours("", "NodeResourcesFit"), 0);
    assert_int_equal(weight_in_ours("score: {enabled: [{name: NodeResourcesFit, weight: 3}]}",
                                    "NodeResourcesFit"),
                     3);
    assert_int_equal(
        weight_in_ours("score: {enabled: [{name: NodeResourcesFit, weight: 3}]}", "Utilization"),
        1);
    assert_int_equal(weight_in_ours("multiPoint: {enabled: [{name: NodeResourcesFit, weight: 4}]}",
                                    "NodeResourcesFit"),
                     4);
    assert_int_equal(weight_in_ours("multiPoint: {enabled: [{name: TaintToleration, weight: 9}]}",
                                    "TaintToleration"),
                     9);
    assert_int_equal(weight_in_ours("score: {disabled: [{name: Utilization}]}", "Utilization"), 0);
    assert_int_equal(weight_in_ours("score: {disabled: [{name: Utilization}]}", "DynamicWeight"),
                     1);
}

static void plugin_problems(void **state)
{
    (void)state;
    one_kube_problem("profiles: [{plugins: {filter: {enabled: [{name: ImageLocality}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.filter.enabled[0].name: plugin "
                     "\"ImageLocality\" does not extend filter; remove it");
    one_kube_problem("profiles: [{plugins: {score: {enabled: [{name: ImageLocality}, {name: "
                     "ImageLocality}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.score.enabled[1].name: plugin "
                     "\"ImageLocality\" already registered; remove one");
    one_kube_problem("profiles:\n- plugins:\n    filter:\n      enabled:\n      - name: "
                     "EBSLimits\n",
                     "f.yaml:7: profiles[0].plugins.filter.enabled[0].name: Invalid value: "
                     "\"EBSLimits\": was invalid in version \"kubescheduler.config.k8s.io/v1\"; "
                     "NodeVolumeLimits has its work");
    one_kube_problem("profiles: [{plugins: {multiPoint: {enabled: [{name: GangScheduling}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.multiPoint.enabled[0].name: plugin "
                     "\"GangScheduling\" is not supported: kube-scheduler has it behind a feature "
                     "gate that is off; remove it");
    one_kube_problem("profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.bind: at least one bind plugin is needed for "
                     "profile with scheduler name \"\"; enable DefaultBinder");
    one_kube_problem("profiles: [{schedulerName: b, plugins: {queueSort: {disabled: [{name: "
                     "PrioritySort}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.queueSort: only one queue sort plugin required "
                     "for profile with scheduler name \"b\", but got 0; enable PrioritySort");
    one_kube_problem("profiles: [{plugins: {preEnqueue: {disabled: [{name: SchedulingGates}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.preEnqueue: SchedulingGates is disabled, which "
                     "is not supported: gated pods are never scheduled; enable it");
    one_kube_problem("profiles: [{plugins: {preFilter: {disabled: [{name: NodePorts}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.preFilter: NodePorts is disabled here and runs "
                     "in filter, where it fails without its preFilter; disable it in both or in "
                     "neither");
    one_kube_problem(
        "profiles: [{plugins: {filter: {disabled: [{name: NodeAffinity}]}}}]\n",
        "f.yaml:3: profiles[0].plugins.filter: NodeAffinity is disabled here and runs "
        "in preFilter, where it turns pods away too; disable it in both or in neither");
    one_kube_problem("profiles: [{plugins: {preScore: {disabled: [{name: NodeAffinity}]}}}]\n",
                     "f.yaml:3: profiles[0].plugins.preScore: NodeAffinity is disabled here and "
                     "runs in score; disable it in both or in neither");
    one_kube_problem("profiles: [{plugins: {filters: {}}}]\n",
                     "f.yaml:3: profiles[0].plugins.filters: unknown key; did you mean "
                     "\"filter\"?");
    one_problem("profiles: [{schedulerName: a, filters: [NodeName], plugins: {score: {disabled: "
                "[{name: '*'}]}, preScore: {disabled: [{name: '*'}]}}}]\n",
                "f.yaml:3: profiles[0].plugins: stands beside filters or scorers; say it in one of "
                "the two ways");
}

static void preemption_off(void **state)
{
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p;
    struct sy_config c;

    (void)state;
    assert_int_equal(
        parse(KUBE "profiles: [{plugins: {postFilter: {disabled: [{name: '*'}]}}}]\n", &c, &p), 0);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 1);
    assert_true(profiles[0].args.preemption_is_off);
    sy_config_done(&c);
}

static void kube_settings(void **state)
{
    static const char TEXT[] =
        KUBE "parallelism: 8\n"
             "leaderElection: {leaderElect: false, leaseDuration: 20s, resourceName: s}\n"
             "clientConnection: {kubeconfig: /k, qps: 100, burst: 200, acceptContentTypes: "
             "application/json, contentType: application/json}\n"
             "percentageOfNodesToScore: 50\n"
             "podInitialBackoffSeconds: 2\n"
             "podMaxBackoffSeconds: 60\n"
             "enableProfiling: false\n"
             "profiles: [{schedulerName: a}, {schedulerName: b}]\n"
             "steelyard: {server: {port: 7}, logging: {level: error}, queue: {sweepInterval: 1m}, "
             "binding: {maxInFlight: 3}, events: {enabled: false}}\n";
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_problems p;
    struct sy_config c;

    (void)state;
    if (parse(TEXT, &c, &p))
        fail_msg("%s", p.lines.p[0]);
    assert_string_equal(c.kubeconfig, "/k");
    assert_true(c.qps == 100);
    assert_int_equal(c.burst, 200);
    assert_true(c.json_only);
    assert_false(c.leader.is_on);
    assert_int_equal(c.leader.lease_ns, 20000000000);
    assert_string_equal(c.leader.resource_name, "s");
    assert_string_equal(c.leader.resource_namespace, "kube-system");
    assert_int_equal(c.backoff_initial_ns, 2000000000);
    assert_int_equal(c.backoff_max_ns, 60000000000);
    assert_int_equal(c.port, 7);
    assert_int_equal(c.log_level, SY_LOG_ERROR);
    assert_int_equal(c.sweep_ns, 60000000000);
    assert_int_equal(c.binds_in_flight_max, 3);
    assert_false(c.events);
    assert_int_equal(sy_config_profiles(&c, NULL, NULL, profiles), 2);
    assert_string_equal(profiles[1].scheduler_name, "b");
    /* What changes nothing is said. */
    assert_int_equal(p.notes.len, 4);
    assert_string_equal(p.notes.p[0],
                        "f.yaml:3: parallelism: has no effect here: one thread decides");
    sy_problems_done(&p);
    sy_config_done(&c);
}

static void kube_problems(void **state)
{
    (void)state;
    assert_problems("apiVersion: kubescheduler.config.k8s.io/v1beta3\n"
                    "kind: KubeSchedulerConfiguration\n"
                    "parallelism: 0\n"
                    "leaderElection: {leaderElect: true, resourceLock: endpoints}\n"
                    "percentageOfNodesToScore: 101\n"
                    "podInitialBackoffSeconds: 0\n"
                    "extenders:\n"
                    "- urlPrefix: http://x\n"
                    "schedulerNames: [a]\n"
                    "profiles:\n"
                    "- schedulerName: a\n"
                    "- percentageOfNodesToScore: -1\n"
                    "steelyard: {queue: {backoffMax: 1s}}\n",
                    "f.yaml:1: apiVersion: \"kubescheduler.config.k8s.io/v1beta3\" is not known; "
                    "write kubescheduler.config.k8s.io/v1\n"
                    "f.yaml:3: parallelism: Invalid value: 0: should be an integer value greater "
                    "than zero\n"
                    "f.yaml:4: leaderElection.resourceLock: Invalid value: \"endpoints\": "
                    "resourceLock value must be \"leases\"\n"
                    "f.yaml:5: percentageOfNodesToScore: Invalid value: 101: not in valid range "
                    "[0-100]\n"
                    "f.yaml:6: podInitialBackoffSeconds: Invalid value: 0: must be greater than 0\n"
                    "f.yaml:7: extenders: extenders are not supported; remove them, or keep "
                    "kube-scheduler for the pods that need them\n"
                    "f.yaml:9: schedulerNames: unknown key; known here are apiVersion, kind, "
                    "parallelism, leaderElection, clientConnection, enableProfiling, "
                    "enableContentionProfiling, percentageOfNodesToScore, "
                    "podInitialBackoffSeconds, podMaxBackoffSeconds, profiles, extenders, "
                    "delayCacheUntilActive, steelyard\n"
                    "f.yaml:12: profiles[1].percentageOfNodesToScore: Invalid value: -1: not in "
                    "valid range [0-100]\n"
                    "f.yaml:13: steelyard.queue.backoffMax: unknown key; known here are "
                    "sweepInterval, ageing\n"
                    "f.yaml:12: profiles[1].schedulerName: Required value: each of several "
                    "profiles needs a name\n");
    one_kube_problem("podInitialBackoffSeconds: 11\n",
                     "f.yaml:1: podMaxBackoffSeconds: Invalid value: 10: must be greater than or "
                     "equal to PodInitialBackoffSeconds");
    one_kube_problem("podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 4\n",
                     "f.yaml:4: podMaxBackoffSeconds: Invalid value: 4: must be greater than or "
                     "equal to PodInitialBackoffSeconds");
    one_kube_problem("profiles: [{schedulerName: a}, {schedulerName: a}]\n",
                     "f.yaml:3: profiles[1]: another element has this schedulerName; each may be "
                     "given once");
}

/* Each kind's defaults, what kube-scheduler refuses, and nothing of it while it is off. */
static void leader_election(void **state)
{
    struct sy_problems p;
    struct sy_config c;

    (void)state;
    assert_int_equal(parse(KUBE, &c, &p), 0);
    assert_true(c.leader.is_on);
    assert_int_equal(c.leader.lease_ns, 15000000000);
    assert_int_equal(c.leader.renew_ns, 10000000000);
    assert_int_equal(c.leader.retry_ns, 2000000000);
    assert_string_equal(c.leader.resource_lock, "leases");
    assert_string_equal(c.leader.resource_name, "kube-scheduler");
    assert_string_equal(c.leader.resource_namespace, "kube-system");
    assert_int_equal(sy_config_leader_write_ms(&c.leader, 10000000000), 5000);
    assert_int_equal(sy_config_leader_write_ms(&c.leader, 1000000000), 1000);
    sy_config_done(&c);
    assert_int_equal(parse(HEAD "leaderElection: {leaderElect: true}\n", &c, &p), 0);
    assert_true(c.leader.is_on);
    assert_string_equal(c.leader.resource_name, "steelyard");
    sy_config_done(&c);
    assert_int_equal(parse(HEAD, &c, &p), 0);
    assert_false(c.leader.is_on);
    sy_config_done(&c);
    assert_int_equal(parse(KUBE "leaderElection: {leaderElect: false, leaseDuration: 1s, "
                                "resourceLock: endpoints, resourceName: ''}\n",
                           &c, &p),
                     0);
    sy_config_done(&c);
    one_kube_problem("leaderElection: {leaseDuration: 10s}\n",
                     "f.yaml:3: leaderElection.leaseDuration: Invalid value: must be greater than "
                     "`RenewDeadline`");
    one_kube_problem("leaderElection: {leaseDuration: 500ms, renewDeadline: 100ms, retryPeriod: "
                     "10ms}\n",
                     "f.yaml:3: leaderElection.leaseDuration: is shorter than the second that a "
                     "Lease counts in; write 15s");
    one_kube_problem("leaderElection: {renewDeadline: 2400ms}\n",
                     "f.yaml:3: leaderElection.renewDeadline: Invalid value: must be greater than "
                     "retryPeriod*JitterFactor, which is 2.4s");
    one_kube_problem("leaderElection: {retryPeriod: 0s}\n",
                     "f.yaml:3: leaderElection.retryPeriod: Invalid value: 0s: must be greater "
                     "than zero");
    one_kube_problem("leaderElection: {resourceName: ''}\n",
                     "f.yaml:3: leaderElection.resourceName: Required value");
    one_kube_problem("leaderElection: {resourceLock: endpoints}\n",
                     "f.yaml:3: leaderElection.resourceLock: Invalid value: \"endpoints\": "
                     "resourceLock value must be \"leases\"");
}

#define ARGS(name) "profiles:\n- pluginConfig:\n  - name: " name "\n    args:\n"

static void args_problems(void **state)
{
    (void)state;
    one_kube_problem(
        ARGS("NodeResourcesFit") "      scoringStrategy: {type: Least}\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.scoringStrategy.type: \"Least\" is "
        "not known; give LeastAllocated or MostAllocated or RequestedToCapacityRatio");
    one_kube_problem(ARGS("NodeResourcesFit") "      scoringStrategy: {resources: [{name: cpu, "
                                              "weight: 101}]}\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.scoringStrategy.resources[0]."
                     "weight: Invalid value: 101: resource weight of cpu not in valid range (0, "
                     "100]");
    one_kube_problem(ARGS("NodeResourcesFit") "      scoringStrategy: {type: "
                                              "RequestedToCapacityRatio}\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.scoringStrategy."
                     "requestedToCapacityRatio: Required value: must be specified when type is "
                     "RequestedToCapacityRatio");
    one_kube_problem(ARGS("NodeResourcesFit") "      scoringStrategy: {requestedToCapacityRatio: "
                                              "{shape: [{utilization: 0, score: 1}]}}\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.scoringStrategy."
                     "requestedToCapacityRatio: Forbidden: must be nil when type is not "
                     "RequestedToCapacityRatio");
    one_kube_problem(
        ARGS("NodeResourcesFit") "      scoringStrategy:\n"
                                 "        type: RequestedToCapacityRatio\n"
                                 "        requestedToCapacityRatio:\n"
                                 "          shape:\n"
                                 "          - {utilization: 50, score: 1}\n"
                                 "          - {utilization: 50, score: 1}\n",
        "f.yaml:12: profiles[0].pluginConfig[0].args.scoringStrategy."
        "requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must "
        "be sorted in increasing order");
    one_kube_problem(
        ARGS("NodeResourcesFit") "      scoringStrategy: {type: "
                                 "RequestedToCapacityRatio, requestedToCapacityRatio: "
                                 "{shape: [{utilization: 0, score: 11}]}}\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.scoringStrategy."
        "requestedToCapacityRatio.shape[0].score: Invalid value: 11: not in valid range "
        "[0, 10]");
    one_kube_problem(ARGS("NodeResourcesFit") "      ignoredResourceGroups: [a/b]\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.ignoredResourceGroups[0]: Invalid "
                     "value: \"a/b\": resource group name can't contain '/'");
    one_kube_problem(ARGS("NodeResourcesFit") "      kind: InterPodAffinityArgs\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.kind: args for plugin "
                     "NodeResourcesFit were not of type NodeResourcesFitArgs, got "
                     "InterPodAffinityArgs");
    one_kube_problem(
        ARGS("NodeResourcesBalancedAllocation") "      resources: [{name: cpu, weight: "
                                                "2}]\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.resources[0].weight: Invalid "
        "value: 2: must be 1");
    one_kube_problem(
        ARGS("NodeResourcesBalancedAllocation") "      resources: [{name: cpu}, {name: "
                                                "cpu}]\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.resources[1].name: Duplicate "
        "value: \"cpu\"");
    one_kube_problem(ARGS("InterPodAffinity") "      hardPodAffinityWeight: 101\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid "
                     "value: 101: not in valid range [0, 100]");
    one_kube_problem(
        ARGS("PodTopologySpread") "      defaultConstraints: [{maxSkew: 1, topologyKey: "
                                  "z, whenUnsatisfiable: DoNotSchedule}]\n",
        "f.yaml:6: profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "
        "\"System\": when .defaultConstraints are not empty; write List");
    one_kube_problem(ARGS("PodTopologySpread") "      defaultingType: List\n"
                                               "      defaultConstraints:\n"
                                               "      - {maxSkew: 0, topologyKey: z, "
                                               "whenUnsatisfiable: DoNotSchedule}\n",
                     "f.yaml:9: profiles[0].pluginConfig[0].args.defaultConstraints[0].maxSkew: "
                     "Invalid value: 0: not in valid range (0, inf)");
    one_kube_problem(ARGS("PodTopologySpread") "      defaultingType: List\n"
                                               "      defaultConstraints:\n"
                                               "      - {maxSkew: 1, topologyKey: z, "
                                               "whenUnsatisfiable: DoNotSchedule}\n"
                                               "      - {maxSkew: 2, topologyKey: z, "
                                               "whenUnsatisfiable: DoNotSchedule}\n",
                     "f.yaml:10: profiles[0].pluginConfig[0].args.defaultConstraints[1]: Duplicate "
                     "value: \"{z, DoNotSchedule}\"");
    one_kube_problem(ARGS("PodTopologySpread") "      defaultingType: List\n"
                                               "      defaultConstraints:\n"
                                               "      - maxSkew: 1\n"
                                               "        topologyKey: z\n"
                                               "        whenUnsatisfiable: DoNotSchedule\n"
                                               "        labelSelector: {}\n",
                     "f.yaml:12: profiles[0].pluginConfig[0].args.defaultConstraints[0]."
                     "labelSelector: Forbidden: constraint must not define a selector, as they "
                     "deduced for each pod");
    one_kube_problem(ARGS("DefaultPreemption") "      minCandidateNodesPercentage: 101\n",
                     "f.yaml:7: profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: "
                     "Invalid value: 101: not in valid range [0, 100]");
    assert_problems(KUBE ARGS("DefaultPreemption") "      minCandidateNodesPercentage: 0\n"
                                                   "      minCandidateNodesAbsolute: 0\n",
                    "f.yaml:7: profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: "
                    "Invalid value: 0: cannot be zero at the same time as "
                    "minCandidateNodesAbsolute\n"
                    "f.yaml:8: profiles[0].pluginConfig[0].args.minCandidateNodesAbsolute: Invalid "
                    "value: 0: cannot be zero at the same time as minCandidateNodesPercentage\n");
    one_kube_problem(
        ARGS("NodeAffinity") "      addedAffinity:\n"
                             "        requiredDuringSchedulingIgnoredDuringExecution:\n"
                             "          nodeSelectorTerms:\n"
                             "          - matchExpressions: [{key: a, operator: Gt, "
                             "values: [b]}]\n",
        "f.yaml:10: profiles[0].pluginConfig[0].args.addedAffinity."
        "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
        "matchExpressions[0].values: for 'Gt', 'Lt' operators, exactly one value is "
        "required, which must be an integer");
    one_kube_problem(
        ARGS("VolumeBinding") "      bindTimeoutSeconds: -1\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.bindTimeoutSeconds: Invalid value: "
        "-1: invalid BindTimeoutSeconds, should not be a negative value");
    one_kube_problem(
        ARGS("VolumeBinding") "      shape: [{utilization: 9, score: 1}, {utilization: 9, score: "
                              "2}]\n",
        "f.yaml:7: profiles[0].pluginConfig[0].args.shape[1].utilization: Invalid value: 9: values "
        "must be sorted in increasing order");
    one_kube_problem("profiles: [{pluginConfig: [{name: NodeName}]}]\n",
                     "f.yaml:3: profiles[0].pluginConfig[0].name: plugin \"NodeName\" takes no "
                     "arguments; those that do are NodeResourcesFit, "
                     "NodeResourcesBalancedAllocation, InterPodAffinity, PodTopologySpread, "
                     "NodeAffinity, DefaultPreemption, VolumeBinding, DynamicResources, "
                     "StaticWeights, DynamicWeight, NodeLoad");
    one_kube_problem("profiles: [{pluginConfig: [{name: InterPodAffinity}, {name: "
                     "InterPodAffinity}]}]\n",
                     "f.yaml:3: profiles[0].pluginConfig[1]: another element has this name; each "
                     "may be given once");
}

static void args_applied(void **state)
{
    static const char TEXT[] =
        KUBE "profiles:\n"
             "- schedulerName: a\n"
             "  pluginConfig:\n"
             "  - args: {scoringStrategy: {type: RequestedToCapacityRatio, resources: [{name: "
             "nvidia.com/gpu, weight: 5}, {name: cpu}], requestedToCapacityRatio: {shape: "
             "[{utilization: 10, score: 2}, {utilization: 90, score: 7}]}}, ignoredResources: "
             "[a.b/c], ignoredResourceGroups: [x.y]}\n"
             "    name: NodeResourcesFit\n"
             "  - {name: NodeResourcesBalancedAllocation, args: {resources: [{name: memory}]}}\n"
             "  - {name: InterPodAffinity, args: {hardPodAffinityWeight: 0, "
             "ignorePreferredTermsOfExistingPods: true}}\n"
             "  - {name: DefaultPreemption, args: {minCandidateNodesPercentage: 20, "
             "minCandidateNodesAbsolute: 5}}\n"
             "  - name: PodTopologySpread\n"
             "    args: {defaultingType: List, defaultConstraints: [{maxSkew: 3, topologyKey: z, "
             "whenUnsatisfiable: ScheduleAnyway, nodeTaintsPolicy: Honor}]}\n"
             "  - name: NodeAffinity\n"
             "    args: {addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "
             "{nodeSelectorTerms: [{matchExpressions: [{key: k, operator: NotIn, values: [v, w, "
             "v2]}], matchFields: [{key: metadata.name, operator: In, values: [n1]}]}]}, "
             "preferredDuringSchedulingIgnoredDuringExecution: [{weight: 30, preference: "
             "{matchExpressions: [{key: g, operator: Gt, values: ['7']}]}}]}}\n"
             "  - {name: VolumeBinding, args: {bindTimeoutSeconds: 30, shape: "
             "[{utilization: 0, score: 1}, {utilization: 100, score: 9}]}}\n"
             "- schedulerName: b\n";
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_arena arena;
    struct sy_problems p;
    struct sy_config c;

    (void)state;
    sy_arena_init(&arena, 1 << 20);
    if (parse(TEXT, &c, &p))
        fail_msg("%s", p.lines.p[0]);
    assert_int_equal(sy_config_profiles(&c, strings, &arena, profiles), 2);
    const struct sy_policy_args *a = &profiles[0].args;
    assert_int_equal(a->fit_strategy, SY_REQUESTED_TO_CAPACITY_RATIO);
    assert_int_equal(a->fit_resources_len, 2);
    assert_string_equal(a->fit_resources[0].name, "nvidia.com/gpu");
    assert_int_equal(a->fit_resources[0].weight, 5);
    assert_int_equal(a->fit_resources[1].weight, 1);
    assert_int_equal(a->fit_points_len, 2);
    assert_int_equal(a->fit_points[1].utilization, 90);
    assert_int_equal(a->fit_points[1].score, 7);
    assert_string_equal(a->ignored_resources[0], "a.b/c");
    assert_string_equal(a->ignored_resource_groups[0], "x.y");
    assert_int_equal(a->balanced_resources_len, 1);
    assert_string_equal(a->balanced_resources[0].name, "memory");
    assert_int_equal(a->hard_pod_affinity_weight, 0);
    assert_true(a->ignore_preferred_terms_of_existing_pods);
    assert_int_equal(a->preemption_min_candidates_percent, 20);
    assert_int_equal(a->preemption_min_candidates, 5);
    assert_int_equal(a->volume_bind_timeout_s, 30);
    assert_int_equal(a->volume_points_len, 2);
    assert_int_equal(a->volume_points[0].score, 1);
    assert_int_equal(a->volume_points[1].utilization, 100);
    assert_int_equal(a->volume_points[1].score, 9);
    assert_true(a->spread_defaults_are_listed);
    assert_int_equal(a->spread_defaults_len, 1);
    assert_int_equal(a->spread_defaults[0].max_skew, 3);
    assert_string_equal(sy_strings_getz(strings, a->spread_defaults[0].topology_key), "z");
    assert_int_equal(a->spread_defaults[0].when_unsatisfiable, SY_SCHEDULE_ANYWAY);
    assert_true(a->spread_defaults[0].honor_affinity);
    assert_true(a->spread_defaults[0].honor_taints);
    assert_true(a->added_affinity.is_set);
    assert_int_equal(a->added_affinity.len, 1);
    const struct sy_node_term *term = &a->added_affinity.terms[0];
    assert_int_equal(term->exprs_len, 1);
    assert_int_equal(term->exprs[0].op, SY_OP_NOT_IN);
    assert_int_equal(term->exprs[0].values_len, 3);
    assert_int_equal(term->fields_len, 1);
    assert_string_equal(sy_strings_getz(strings, term->fields[0].values[0]), "n1");
    assert_int_equal(a->added_preferred_len, 1);
    assert_int_equal(a->added_preferred[0].weight, 30);
    assert_true(a->added_preferred[0].term.exprs[0].number_ok);
    assert_int_equal(a->added_preferred[0].term.exprs[0].number, 7);
    /* The other profile has the defaults. */
    a = &profiles[1].args;
    assert_int_equal(a->fit_resources_len, 2);
    assert_string_equal(a->fit_resources[0].name, "cpu");
    assert_false(a->added_affinity.is_set);
    assert_false(a->spread_defaults_are_listed);
    assert_int_equal(a->hard_pod_affinity_weight, 1);
    assert_int_equal(a->volume_bind_timeout_s, 600);
    assert_int_equal(a->volume_points_len, 2);
    assert_int_equal(a->volume_points[0].score, 10);
    sy_config_done(&c);
    sy_problems_done(&p);
    sy_arena_done(&arena);
    sy_strings_free(strings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(print_reads_back),
        cmocka_unit_test(all_problems_at_once),
        cmocka_unit_test(single_problems),
        cmocka_unit_test(unknown_plugin),
        cmocka_unit_test(syntax_error_and_no_map),
        cmocka_unit_test(flags_override),
        cmocka_unit_test(restart_or_live),
        cmocka_unit_test(problems_are_capped),
        cmocka_unit_test(durations),
        cmocka_unit_test(plugin_defaults),
        cmocka_unit_test(gpu_preset),
        cmocka_unit_test(kube_defaults),
        cmocka_unit_test(plugin_merging),
        cmocka_unit_test(plugins_in_ours),
        cmocka_unit_test(plugin_problems),
        cmocka_unit_test(preemption_off),
        cmocka_unit_test(kube_settings),
        cmocka_unit_test(kube_problems),
        cmocka_unit_test(leader_election),
        cmocka_unit_test(args_problems),
        cmocka_unit_test(args_applied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
