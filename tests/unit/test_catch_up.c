/* SPDX-License-Identifier: Apache-2.0
 *
 * Catching up: what is asked of the server, and that nothing counts as seen that has not come by
 * the watch itself. */
#include "kube/catch_up.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "fake_api.h"

static struct fake fake;
static struct fake_client client;
static struct sy_reflector *reflector;
static struct sy_catch_up *catch_up;
static unsigned progress;

/* What the next short watch tells, and how often the read of one object fails before it. */
static atomic_uint told, failures;

static bool serve(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                  const char *head, const char *body)
{
    (void)f, (void)n, (void)method, (void)head, (void)body;
    if (strstr(target, "limit=1")) {
        if (atomic_load(&failures)) {
            atomic_fetch_sub(&failures, 1);
            return fake_reply(fd, 500, "", "{}");
        }
        return fake_reply(fd, 200, "",
                          "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{"
                          "\"resourceVersion\":\"20\",\"continue\":\"x\"},\"items\":[{}]}");
    }
    fake_stream(fd);
    if (strstr(target, "sendInitialEvents"))
        fake_writef(fd, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{"
                        "\"resourceVersion\":\"10\",\"annotations\":{\"k8s.io/initial-events-end\":"
                        "\"true\"}}}}\n");
    else if (strstr(target, "timeoutSeconds=3&"))
        fake_writef(fd,
                    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{"
                    "\"resourceVersion\":\"%u\"}}}\n",
                    atomic_load(&told));
    fake_hold(fd);
    return false;
}

static bool refuses(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                    const char *head, const char *body)
{
    if (strstr(target, "limit=1"))
        return fake_reply(fd, 403, "", "{}");
    return serve(f, fd, n, method, target, head, body);
}

static int on_object(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw)
{
    (void)arg, (void)type, (void)enc, (void)raw;
    return 0;
}

static void on_replace_end(void *arg)
{
    sy_loop_stop(arg);
}

static void on_progress(void *arg)
{
    progress++;
    if (!sy_catch_up_waits_for(catch_up))
        sy_loop_stop(arg);
}

static void begin(fake_fn *fn)
{
    struct sy_err err;

    fake_start(&fake, fn, 0);
    fake_client_start(&client, fake.port, NULL, NULL);
    struct sy_reflector_options options = {
        .path = "/api/v1/pods",
        .query = "a=b",
        .rng_seed = 1,
        .on_object = on_object,
        .on_replace_end = on_replace_end,
        .arg = client.loop,
    };
    assert_int_equal(sy_reflector_new(client.k, &options, &reflector, &err), 0);
    sy_reflector_start(reflector);
    assert_true(fake_client_run(&client, 20));
    assert_string_equal(sy_reflector_version(reflector), "10");
    assert_string_equal(sy_reflector_last_change(reflector), "");
    progress = 0;
    catch_up = sy_catch_up_new(client.k, on_progress, client.loop);
}

static void end(void)
{
    sy_catch_up_free(catch_up);
    sy_reflector_free(reflector);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
}

static unsigned asked(const char *part)
{
    unsigned n = 0;

    for (unsigned i = 0; i < fake.requests; i++)
        n += strstr(fake.log[i], part) != NULL;
    return n;
}

static void test_asks_and_waits(void **state)
{
    (void)state;
    atomic_store(&told, 20);
    atomic_store(&failures, 1);
    begin(serve);
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", "a=b", NULL);
    assert_string_equal(sy_catch_up_waits_for(catch_up), "/api/v1/pods");
    assert_true(fake_client_run(&client, 20));
    assert_string_equal(sy_reflector_version(reflector), "20");
    assert_int_equal(progress, 1);
    /* One object, of no version: the newest. Then a watch from where it was, for three seconds. */
    assert_int_equal(asked("GET /api/v1/pods?a=b&limit=1"), 2);
    assert_int_equal(asked("timeoutSeconds=3&resourceVersion=10"), 1);
    assert_int_equal(asked("sendInitialEvents"), 1);
    end();
}

/* A watch that tells an older version has not caught up. */
static void test_too_old(void **state)
{
    (void)state;
    atomic_store(&told, 19);
    atomic_store(&failures, 0);
    begin(serve);
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, NULL);
    assert_false(fake_client_run(&client, 2));
    assert_string_equal(sy_reflector_version(reflector), "19");
    assert_non_null(sy_catch_up_waits_for(catch_up));
    atomic_store(&told, 21);
    assert_true(fake_client_run(&client, 20));
    assert_string_equal(sy_reflector_version(reflector), "21");
    end();
}

/* What is known already needs no request. */
static void test_told(void **state)
{
    (void)state;
    atomic_store(&told, 30);
    begin(serve);
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, "9");
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, "10");
    assert_true(fake_client_run(&client, 20));
    assert_int_equal(asked("timeoutSeconds=3"), 0);
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, "30");
    assert_true(fake_client_run(&client, 20));
    assert_int_equal(asked("limit=1"), 0);
    assert_int_equal(asked("timeoutSeconds=3"), 1);
    end();
}

static void test_refused_and_left(void **state)
{
    (void)state;
    begin(refuses);
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, NULL);
    assert_true(fake_client_run(&client, 20));
    /* Freed with a question on its way. */
    sy_catch_up_add(catch_up, reflector, "/api/v1/pods", NULL, NULL);
    fake_client_run(&client, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_and_waits),
        cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_refused_and_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
