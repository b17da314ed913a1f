/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's endpoints over real HTTP, with a gate that the test keeps: nobody passes unasked, and
 * the answers are what the scheduler holds. */
#include "serve/api.h"

#include "core.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/http.h"

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_loop *loop;
    struct sy_server *server;
    struct sy_api *api;
    struct sy_http *http;
    struct sy_timer *later;
    sy_gate_done_fn *done; /* of the check that waits */
    void *done_arg;
    unsigned checks;
    char last_path[64];
    int status;
    struct json_object *answer;
};

static void hear(void *arg SY_UNUSED, const struct sy_decision *d SY_UNUSED)
{
}

static sy_time_ns now(void)
{
    return 2000 * SY_NS_PER_S;
}

static int64_t wall_now(void)
{
    return 1764000000 * SY_NS_PER_S;
}

static void pass_later(void *arg)
{
    struct fixture *f = arg;

    f->done(f->done_arg, 200, "");
}

static void gate(void *arg, const char *token, const char *path, sy_gate_done_fn *done,
                 void *done_arg)
{
    struct fixture *f = arg;

    f->checks++;
    snprintf(f->last_path, sizeof(f->last_path), "%s", path);
    if (strcmp(token, "good") == 0) {
        done(done_arg, 200, "");
    } else if (strcmp(token, "slow") == 0) {
        f->done = done;
        f->done_arg = done_arg;
        sy_timer_arm(f->later, 10 * SY_NS_PER_MS);
    } else {
        done(done_arg, strcmp(token, "known") == 0 ? 403 : 401, "not you");
    }
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->s = sy_sched_new(
        f->k.strings,
        &(struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .records_max = 10},
        hear, f);
    assert_int_equal(sy_loop_new(&f->loop, NULL), 0);
    assert_int_equal(sy_server_new(f->loop, "127.0.0.1", 0, &f->server, NULL), 0);
    assert_int_equal(
        sy_http_new(f->loop, &(struct sy_http_config){.disable_http2 = true}, &f->http, NULL), 0);
    f->later = sy_timer_new(f->loop, pass_later, f);
    f->api = sy_api_new(f->server, &(struct sy_api_options){.loop = f->loop,
                                                            .sched = f->s,
                                                            .strings = f->k.strings,
                                                            .gate = gate,
                                                            .gate_arg = f,
                                                            .now = now,
                                                            .wall_now = wall_now});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    json_object_put(f->answer);
    sy_http_free(f->http);
    sy_server_free(f->server);
    sy_api_free(f->api);
    sy_timer_free(f->later);
    sy_loop_free(f->loop);
    sy_sched_free(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

static void on_done(void *arg, const struct sy_http_result *result)
{
    struct fixture *f = arg;
    char *text = sy_xstrndup(result->body.p ? result->body.p : "", result->body.len);

    f->status = result->http_status;
    json_object_put(f->answer);
    f->answer = json_tokener_parse(text);
    if (!f->answer)
        fail_msg("no JSON: %s", text);
    free(text);
    sy_loop_stop(f->loop);
}

static void get(struct fixture *f, const char *path, const char *token)
{
    char *url = sy_xasprintf("http://127.0.0.1:%u%s", sy_server_port(f->server), path);
    char *field = sy_xasprintf("Authorization: Bearer %s", token ? token : "");
    const char *headers[] = {token ? field : NULL, NULL};
    sy_http_id id;

    assert_int_equal(sy_http_send(f->http,
                                  &(struct sy_http_request){.method = "GET",
                                                            .url = url,
                                                            .headers = headers,
                                                            .timeout_ms = 10000,
                                                            .on_done = on_done,
                                                            .arg = f},
                                  &id, NULL),
                     0);
    assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    free(url);
    free(field);
}

static struct json_object *at(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(o, key, &value))
        fail_msg("no \"%s\" in %s", key, json_object_to_json_string(o));
    return value;
}

static const char *text(struct json_object *o, const char *key)
{
    return json_object_get_string(at(o, key));
}

static struct json_object *first(struct json_object *o, const char *key)
{
    assert_true(json_object_array_length(at(o, key)) > 0);
    return json_object_array_get_idx(at(o, key), 0);
}

static void nobody_passes_unasked(void **state)
{
    static const char *const PATHS[] = {"/steelyard/v1/explain?pod=p", "/steelyard/v1/nodes",
                                        "/steelyard/v1/capacity", "/steelyard/v1/balance"};
    struct fixture *f = *state;

    for (size_t i = 0; i < SY_ARRAY_LEN(PATHS); i++) {
        unsigned before = f->checks;
        get(f, PATHS[i], NULL);
        assert_int_equal(f->status, 401);
        assert_string_equal(text(f->answer, "kind"), "Status");
        assert_int_equal(f->checks, before);
        get(f, PATHS[i], "false");
        assert_int_equal(f->status, 401);
        get(f, PATHS[i], "known");
        assert_int_equal(f->status, 403);
        assert_string_equal(text(f->answer, "message"), "not you");
        assert_string_equal(text(f->answer, "reason"), "Forbidden");
        assert_int_equal(f->checks, before + 2);
    }
    assert_string_equal(f->last_path, "/steelyard/v1/balance");
}

static void a_check_may_take_its_time(void **state)
{
    struct fixture *f = *state;

    get(f, "/steelyard/v1/nodes", "slow");
    assert_int_equal(f->status, 200);
    assert_string_equal(text(f->answer, "kind"), "NodeList");
    assert_int_equal(json_object_array_length(at(f->answer, "nodes")), 0);
}

static void put_pods(struct fixture *f)
{
    struct sy_node node = core_node(&f->k, "n", 4000, 4096, 2);
    struct sy_pod placed = core_pod(&f->k, "placed", 3000, 1024, 1),
                  waiting = core_pod(&f->k, "waiting", 2000, 1024, 0);

    assert_int_equal(sy_sched_node(f->s, &node, now()), 0);
    assert_int_equal(sy_sched_pod(f->s, &placed, now() - SY_NS_PER_S), 0);
    (void)sy_sched_run(f->s, true, 0, now() - SY_NS_PER_S);
    assert_int_equal(sy_sched_pod(f->s, &waiting, now() - SY_NS_PER_S), 0);
    (void)sy_sched_run(f->s, true, 0, now() - SY_NS_PER_S);
}

static void nodes_and_balance(void **state)
{
    struct fixture *f = *state;

    put_pods(f);
    get(f, "/steelyard/v1/nodes", "good");
    struct json_object *node = first(f->answer, "nodes"), *cpu = first(node, "resources");
    assert_string_equal(text(node, "name"), "n");
    assert_string_equal(text(node, "pool"), "default");
    assert_int_equal(json_object_get_int(at(node, "pods")), 1);
    assert_true(json_object_get_boolean(at(node, "ready")));
    assert_string_equal(text(cpu, "resource"), "cpu");
    assert_true(json_object_get_double(at(cpu, "utilization")) == 0.75);
    assert_string_equal(text(cpu, "state"), "Overloaded");
    assert_true(json_object_get_double(at(at(node, "weight"), "capacity")) == 1);
    get(f, "/steelyard/v1/balance", "good");
    struct json_object *whole = first(f->answer, "groups");
    assert_string_equal(text(whole, "kind"), "cluster");
    assert_string_equal(text(whole, "state"), "Overloaded");
    assert_string_equal(text(whole, "fullest"), "cpu");
    assert_int_equal(json_object_get_int64(at(first(whole, "resources"), "used")), 3000);
}

static void pods_are_explained(void **state)
{
    struct fixture *f = *state;

    put_pods(f);
    get(f, "/steelyard/v1/explain?namespace=default&pod=waiting", "good");
    assert_int_equal(f->status, 200);
    assert_string_equal(f->last_path, "/steelyard/v1/explain");
    assert_string_equal(text(f->answer, "state"), "Waiting");
    assert_true(json_object_get_double(at(f->answer, "queuedSeconds")) == 1);
    assert_string_equal(text(f->answer, "queuedSince"), "2025-11-24T15:59:59.000000Z");
    assert_string_equal(text(at(f->answer, "decision"), "result"), "Refused");
    struct json_object *filter = first(at(f->answer, "now"), "filters"),
                       *change = first(at(f->answer, "now"), "changes");
    assert_string_equal(text(filter, "plugin"), "NodeResourcesFit");
    assert_string_equal(text(first(filter, "nearest"), "why"), "lacks 1 cpu");
    assert_string_equal(text(change, "kind"), "LowerRequest");
    assert_string_equal(text(change, "node"), "n");
    get(f, "/steelyard/v1/explain?pod=placed", "good");
    struct json_object *decision = at(f->answer, "decision"), *best = first(decision, "nodes");
    assert_string_equal(text(f->answer, "state"), "Binding");
    assert_string_equal(text(f->answer, "node"), "n");
    assert_string_equal(text(decision, "result"), "Placed");
    assert_string_equal(text(best, "node"), "n");
    double sum = 0;
    for (size_t i = 0; i < json_object_array_length(at(best, "scores")); i++) {
        struct json_object *score = json_object_array_get_idx(at(best, "scores"), i);
        sum +=
            json_object_get_double(at(score, "points")) * json_object_get_int(at(score, "weight"));
    }
    double total = json_object_get_double(at(best, "total"));
    assert_true(sum > 300 && total - sum < 0.05 && sum - total < 0.05);
    assert_string_equal(text(first(best, "scores"), "plugin"), f->profile.scorers[0].scorer->name);
    assert_true(json_object_get_double(at(at(decision, "weight"), "capacity")) == 1);
}

static void wrong_questions_are_told_so(void **state)
{
    struct fixture *f = *state;

    get(f, "/steelyard/v1/explain", "good");
    assert_int_equal(f->status, 400);
    get(f, "/steelyard/v1/explain?namespace=default&pod=none%22%0a", "good");
    assert_int_equal(f->status, 404);
    assert_string_equal(text(f->answer, "reason"), "NotFound");
    assert_non_null(strstr(text(f->answer, "message"), "default/none\"\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_passes_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_may_take_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_and_balance, setup, teardown),
        cmocka_unit_test_setup_teardown(pods_are_explained, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_questions_are_told_so, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
