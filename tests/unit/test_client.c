/* SPDX-License-Identifier: Apache-2.0
 *
 * The client against a server that misbehaves: credentials that rotate, throttling, refusals,
 * silence, cancelling; and the texts that people read. */
#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/exec.h"

static struct fake fake;
static struct fake_client client;

struct answer {
    int code;
    int http_status;
    bool maybe_applied;
    uint32_t tries;
    uint32_t retry_after_ms;
    char msg[SY_ERR_MSG_MAX];
    char reason[SY_ERR_REASON_MAX];
    char body[256];
    unsigned calls;
    unsigned stop_after;
};

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct answer *a = arg;

    a->code = result->code;
    a->http_status = result->http_status;
    a->maybe_applied = result->maybe_applied;
    a->tries = result->tries;
    a->msg[0] = a->reason[0] = 0;
    if (result->code) {
        snprintf(a->msg, sizeof(a->msg), "%s", result->err->msg);
        snprintf(a->reason, sizeof(a->reason), "%s", result->err->reason);
        a->retry_after_ms = result->err->retry_after_ms;
        assert_int_equal(result->err->code, result->code);
    }
    snprintf(a->body, sizeof(a->body), SY_STR_FMT, SY_STR_ARG(result->body));
    if (++a->calls == (a->stop_after ? a->stop_after : 1))
        sy_loop_stop(client.loop);
}

static void send_call(struct answer *a, enum sy_kube_retry retry, sy_http_id *ret_id)
{
    struct sy_err err;
    struct sy_kube_call call = {
        .method = "GET",
        .path = "/api/v1/nodes?x=y",
        .timeout_ms = 3000,
        .retry = retry,
        .on_done = on_done,
        .arg = a,
    };

    assert_int_equal(sy_kube_send(client.k, &call, ret_id, &err), 0);
    assert_int_equal(a->calls, 0);
}

static struct answer ask(enum sy_kube_retry retry)
{
    struct answer a = {0};

    send_call(&a, retry, NULL);
    assert_true(fake_client_run(&client, 20));
    return a;
}

static void begin(fake_fn *fn, const struct sy_kubeconfig *config,
                  const struct sy_kube_options *options)
{
    fake_start(&fake, fn, 0);
    fake_client_start(&client, fake.port, config, options);
}

static void end(void)
{
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

#define STATUS(code, reason, message)                                                              \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"" message     \
    "\",\"reason\":\"" reason "\",\"code\":" #code "}"

/* ---- credentials --------------------------------------------------------------------------------
 */

static char token_path[] = "/tmp/test_client.XXXXXX";

static void write_token(const char *token)
{
    FILE *f = fopen(token_path, "w");

    fprintf(f, "%s\n", token);
    fclose(f);
}

static bool wants_new_token(struct fake *f, int fd, unsigned n, const char *method,
                            const char *target, const char *head, const char *body)
{
    (void)f, (void)n, (void)method, (void)target, (void)body;
    if (strstr(head, "\r\nAuthorization: Bearer new\r\n"))
        return fake_reply(fd, 200, "", "{\"ok\":1}");
    return fake_reply(fd, 401, "", STATUS(401, "Unauthorized", "Unauthorized"));
}

static void test_token_rotation(void **state)
{
    struct sy_kubeconfig config = {.token_path = token_path};

    (void)state;
    write_token("old");
    begin(wants_new_token, &config, NULL);
    struct answer a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, -EACCES);
    assert_int_equal(a.tries, 1);
    assert_contains(a.msg, "the API server rejected our credentials (401: Unauthorized); is the "
                           "token expired");
    write_token("new");
    a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.tries, 2);
    assert_string_equal(a.body, "{\"ok\":1}");
    a = ask(SY_RETRY_NONE);
    assert_int_equal(a.tries, 1);
    end();
    assert_int_equal(fake.requests, 4);
}

static void test_token_file_faults(void **state)
{
    struct sy_kubeconfig config = {.token_path = token_path,
                                   .server = (char *)"http://127.0.0.1:1"};
    struct sy_loop *loop;
    struct sy_kube *k;
    struct sy_kube_options options = {0};
    struct sy_err err;

    (void)state;
    assert_int_equal(sy_loop_new(&loop, &err), 0);
    write_token("a\r\nX-Evil: 1");
    assert_int_equal(sy_kube_new(loop, &config, &options, &k, &err), -EINVAL);
    assert_contains(err.msg, "holds more than a token");
    write_token("");
    assert_int_equal(sy_kube_new(loop, &config, &options, &k, &err), -EINVAL);
    assert_contains(err.msg, "is empty");
    config.token_path = (char *)"/nonexistent";
    assert_int_equal(sy_kube_new(loop, &config, &options, &k, &err), -ENOENT);
    sy_loop_free(loop);
}

static char plugin_path[] = "/tmp/test_client_plugin.XXXXXX";

static void write_plugin(const char *script)
{
    FILE *f = fopen(plugin_path, "w");

    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(plugin_path, 0700), 0);
}

#define CREDENTIAL(token)                                                                          \
    "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","       \
    "\"status\":{\"token\":\"" token "\"}}'"

static void test_plugin(void **state)
{
    struct sy_exec_config exec = {
        .command = plugin_path,
        .api_version = (char *)"client.authentication.k8s.io/v1",
        .install_hint = (char *)"install it",
    };
    struct sy_kubeconfig config = {.exec = &exec};

    (void)state;
    write_plugin(CREDENTIAL("old"));
    begin(wants_new_token, &config, NULL);
    /* Within 5 s of its last run it is not run again. */
    struct answer a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, -EACCES);
    sleep(5);
    write_plugin("case \"$KUBERNETES_EXEC_INFO\" in *'\"interactive\":false'*) " CREDENTIAL(
        "new") ";; esac");
    a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.tries, 2);
    end();
}

static void run_plugin(const char *script, int code, const char *message)
{
    struct sy_exec_config exec = {
        .command = plugin_path,
        .api_version = (char *)"client.authentication.k8s.io/v1",
        .install_hint = (char *)"install it",
    };
    struct sy_kubeconfig config = {.exec = &exec, .server = (char *)"https://h"};
    struct sy_exec_credential c;
    struct sy_err err;

    write_plugin(script);
    assert_int_equal(sy_exec_run(&config, NULL, 1000, &c, &err), code);
    assert_contains(err.msg, message);
    assert_contains(err.msg, "; install it");
}

static void test_plugin_faults(void **state)
{
    (void)state;
    run_plugin("exit 3", -EIO, "exit status 3");
    run_plugin("kill -9 $$", -EIO, "ended by signal 9");
    run_plugin("sleep 20", -ETIMEDOUT, "no answer in time");
    run_plugin("echo hello", -EBADMSG, "not a JSON object");
    run_plugin("head -c 1100000 /dev/zero", -E2BIG, "more than 1 MiB");
    run_plugin("echo '{\"kind\":\"Pod\"}'", -EBADMSG, "no ExecCredential");
    run_plugin("echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"v7\"}'", -EBADMSG,
               "answered in apiVersion v7");
#define HEAD "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\""
    run_plugin(HEAD "}'", -EBADMSG, "no status");
    run_plugin(HEAD ",\"status\":{}}'", -EBADMSG, "neither a token nor a certificate");
    run_plugin(HEAD ",\"status\":{\"clientKeyData\":\"x\"}}'", -EBADMSG, "only one of");
    run_plugin(HEAD ",\"status\":{\"token\":\"a\\nb\"}}'", -EBADMSG, "control characters");
    run_plugin(HEAD ",\"status\":{\"token\":\"a\",\"expirationTimestamp\":\"soon\"}}'", -EBADMSG,
               "no RFC 3339 time");
    unlink(plugin_path);
    struct sy_exec_config exec = {.command = plugin_path};
    struct sy_kubeconfig config = {.exec = &exec, .server = (char *)"https://h"};
    struct sy_exec_credential c;
    struct sy_err err;
    exec.api_version = (char *)"client.authentication.k8s.io/v1";
    assert_int_equal(sy_exec_run(&config, NULL, 1000, &c, &err), -ENOENT);
    assert_contains(err.msg, "no such program");
}

/* ---- refusals and retries -----------------------------------------------------------------------
 */

static bool throttles(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                      const char *head, const char *body)
{
    (void)f, (void)method, (void)target, (void)head, (void)body;
    return n < 2 ? fake_reply(fd, n ? 503 : 429, "Retry-After: 1\r\n",
                              STATUS(429, "TooManyRequests", "slow down"))
                 : fake_reply(fd, 200, "", "{}");
}

static void test_throttled(void **state)
{
    (void)state;
    begin(throttles, NULL, NULL);
    sy_time_ns start = sy_clock_boot_ns();
    struct answer a = ask(SY_RETRY_SAFE);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.tries, 3);
    assert_true(sy_clock_boot_ns() - start >= 2 * SY_NS_PER_S);
    assert_int_equal(sy_kube_stats(client.k)->throttled_by_server, 1);
    assert_int_equal(sy_kube_stats(client.k)->retries, 2);
    end();
    begin(throttles, NULL, NULL);
    a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, -EAGAIN);
    assert_int_equal(a.retry_after_ms, 1000);
    assert_string_equal(a.reason, "TooManyRequests");
    assert_false(a.maybe_applied);
    end();
}

static bool refuses(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                    const char *head, const char *body)
{
    (void)f, (void)method, (void)target, (void)head, (void)body;
    switch (n) {
    case 0:
        return fake_reply(fd, 403, "", STATUS(403, "Forbidden", "nodes is forbidden"));
    case 1:
        return fake_reply(fd, 404, "", STATUS(404, "NotFound", "none"));
    case 2:
        return fake_reply(fd, 409, "", STATUS(409, "Conflict", "taken"));
    case 3:
        return fake_reply(fd, 410, "", STATUS(410, "Expired", "too old"));
    case 4:
        return fake_reply(fd, 422, "", STATUS(422, "Invalid", "bad"));
    case 5:
        return fake_reply(fd, 500, "", "plain\ntext\x01 of a proxy");
    case 6:
        return fake_reply(fd, 302, "Location: http://127.0.0.1:1/\r\n", "");
    default:
        return false;
    }
}

static void test_refusals(void **state)
{
    static const int codes[] = {-EPERM, -ENOENT, -EEXIST, -ESTALE, -EINVAL, -EREMOTEIO, -EPROTO};
    struct answer a;

    (void)state;
    begin(refuses, NULL, NULL);
    for (size_t i = 0; i < SY_ARRAY_LEN(codes); i++) {
        a = ask(SY_RETRY_SAFE);
        assert_int_equal(a.code, codes[i]);
        assert_int_equal(a.tries, 1);
        assert_int_equal(a.maybe_applied, codes[i] == -EREMOTEIO);
        if (i == 0)
            assert_contains(a.msg, "the API server denied GET /api/v1/nodes (403: nodes is "
                                   "forbidden); does the account have the RBAC rights?");
        if (i == 5)
            assert_contains(a.msg, "GET /api/v1/nodes: 500 plain text? of a proxy");
    }
    a = ask(SY_RETRY_NONE);
    assert_true(a.maybe_applied);
    assert_int_equal(a.http_status, 0);
    end();
}

static void test_unreachable(void **state)
{
    (void)state;
    begin(refuses, NULL, NULL);
    fake_stop(&fake);
    struct answer a = ask(SY_RETRY_NONE);
    assert_int_equal(a.code, -ECONNREFUSED);
    assert_false(a.maybe_applied);
    assert_contains(a.msg, "cannot reach http://127.0.0.1:");
    assert_contains(a.msg, "connection refused; is the API server up and the kubeconfig's server "
                           "right?");
    fake_client_stop(&client);
    fake_free_log(&fake);
}

/* ---- our own limit, cancelling, closing ---------------------------------------------------------
 */

static bool agrees(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                   const char *head, const char *body)
{
    (void)f, (void)n, (void)method, (void)target, (void)head, (void)body;
    return fake_reply(fd, 200, "", "{}");
}

static void test_own_limit(void **state)
{
    struct sy_kube_options options = {.qps = 20, .burst = 2, .force_json = true};
    struct answer a = {.stop_after = 7};
    struct answer cancelled = {.stop_after = 9};
    sy_http_id id = 0;

    (void)state;
    begin(agrees, NULL, &options);
    sy_time_ns start = sy_clock_boot_ns();
    for (int i = 0; i < 7; i++) {
        struct sy_err err;
        struct sy_kube_call call = {.method = "GET", .path = "/x", .on_done = on_done, .arg = &a};

        assert_int_equal(sy_kube_send(client.k, &call, NULL, &err), 0);
        if (i == 3)
            send_call(&cancelled, SY_RETRY_NONE, &id);
    }
    sy_kube_cancel(client.k, id);
    sy_kube_cancel(client.k, id);
    assert_true(fake_client_run(&client, 20));
    /* Seven, two of them at once, at 20 a second. */
    assert_true(sy_clock_boot_ns() - start >= 240 * SY_NS_PER_MS);
    assert_int_equal(sy_kube_stats(client.k)->throttled_by_client, 6);
    assert_int_equal(cancelled.calls, 1);
    assert_int_equal(cancelled.code, -ECANCELED);
    sy_kube_cancel(client.k, id);
    end();
}

/* ---- the fence ----------------------------------------------------------------------------------
 */

static bool is_open;
static unsigned asked;

static sy_time_ns fence(void *arg)
{
    (void)arg;
    asked++;
    return is_open ? sy_clock_boot_ns() + SY_NS_PER_S : 0;
}

/* Refuses once, so that there is a second try; by then the fence is shut. */
static bool shuts(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                  const char *head, const char *body)
{
    (void)f, (void)n, (void)target, (void)head, (void)body;
    if (strcmp(method, "PATCH") == 0) {
        is_open = false;
        return fake_reply(fd, 429, "", STATUS(429, "TooManyRequests", "slow down"));
    }
    return fake_reply(fd, 200, "", "{}");
}

static struct answer write_with(const char *method, const char *path, bool is_unfenced)
{
    struct answer a = {0};
    struct sy_err err;
    struct sy_kube_call call = {
        .method = method,
        .path = path,
        .body = SY_STR("{}"),
        .retry = SY_RETRY_SAFE,
        .is_unfenced = is_unfenced,
        .on_done = on_done,
        .arg = &a,
    };

    assert_int_equal(sy_kube_send(client.k, &call, NULL, &err), 0);
    assert_int_equal(a.calls, 0);
    assert_true(fake_client_run(&client, 20));
    return a;
}

static void test_fence(void **state)
{
    (void)state;
    begin(shuts, NULL, NULL);
    sy_kube_set_fence(client.k, fence, NULL, 5000);
    is_open = false;
    asked = 0;
    /* Shut: nothing goes out but what only asks. */
    static const char *const WRITES[] = {"POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < SY_ARRAY_LEN(WRITES); i++) {
        struct answer a = write_with(WRITES[i], "/x", false);
        assert_int_equal(a.code, -ECANCELED);
        assert_false(a.maybe_applied);
        assert_contains(a.msg, "withheld");
    }
    assert_int_equal(fake.requests, 0);
    assert_int_equal(sy_kube_stats(client.k)->writes_withheld, SY_ARRAY_LEN(WRITES));
    assert_int_equal(ask(SY_RETRY_NONE).code, 0);
    assert_int_equal(write_with("POST", "/review", true).code, 0);
    assert_int_equal(asked, SY_ARRAY_LEN(WRITES));
    /* Open: the server is told when to give up, unless the caller has said so. */
    is_open = true;
    assert_int_equal(write_with("POST", "/a", false).code, 0);
    assert_int_equal(write_with("POST", "/b?x=y", false).code, 0);
    assert_int_equal(write_with("POST", "/c?timeout=1ms", false).code, 0);
    assert_string_equal(fake.log[2], "POST /a?timeout=5000ms");
    assert_string_equal(fake.log[3], "POST /b?x=y&timeout=5000ms");
    assert_string_equal(fake.log[4], "POST /c?timeout=1ms");
    /* Shut between two tries. */
    struct answer a = write_with("PATCH", "/d", false);
    assert_int_equal(a.code, -ECANCELED);
    assert_int_equal(a.tries, 1);
    assert_int_equal(fake.requests, 6);
    assert_int_equal(sy_kube_stats(client.k)->writes_withheld, 5);
    end();
}

static bool never_answers(struct fake *f, int fd, unsigned n, const char *method,
                          const char *target, const char *head, const char *body)
{
    (void)f, (void)n, (void)method, (void)target, (void)head, (void)body;
    fake_hold(fd);
    return false;
}

static void test_closing(void **state)
{
    struct answer a = {.stop_after = 99};
    struct answer timed_out = {0};
    struct sy_err err;
    struct sy_kube_call call = {
        .method = "GET", .path = "/x", .timeout_ms = 200, .on_done = on_done, .arg = &timed_out};

    (void)state;
    begin(never_answers, NULL, NULL);
    assert_int_equal(sy_kube_send(client.k, &call, NULL, &err), 0);
    send_call(&a, SY_RETRY_SAFE, NULL);
    assert_true(fake_client_run(&client, 20));
    assert_int_equal(timed_out.code, -ETIMEDOUT);
    assert_contains(timed_out.msg, "GET /x: no answer from http://127.0.0.1:");
    assert_true(timed_out.maybe_applied);
    assert_int_equal(a.calls, 0);
    end();
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.code, -ECANCELED);
}

static int make_files(void **state)
{
    (void)state;
    int a = mkstemp(token_path);
    int b = mkstemp(plugin_path);

    close(a);
    close(b);
    return a < 0 || b < 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(token_path);
    unlink(plugin_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_rotation), cmocka_unit_test(test_token_file_faults),
        cmocka_unit_test(test_plugin),         cmocka_unit_test(test_plugin_faults),
        cmocka_unit_test(test_throttled),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unreachable),    cmocka_unit_test(test_own_limit),
        cmocka_unit_test(test_closing),        cmocka_unit_test(test_fence),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
