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

#include "app/duration.h"
#include "base/log.h"

#define HEAD "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n"

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
    assert_int_equal(sy_config_profiles(&c, profiles), 1);
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
    assert_int_equal(sy_config_profiles(&c, profiles), 2);
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
        if (parse(first.p, &b, &p) != 0)
            fail_msg("%s\n%s", p.lines.p[0], first.p);
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
    assert_int_equal(sy_config_profiles(&c, profiles), 2);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
