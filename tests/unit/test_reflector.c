/* SPDX-License-Identifier: Apache-2.0
 *
 * The reflector against scripted streams: initial states by watch-list and by list, resumption,
 * expiry, errors inside streams, refused connections, odd bytes. */
#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/reflector.h"

static struct fake fake;
static struct fake_client client;
static struct sy_reflector *reflector;
static struct sy_buf events; /* "{ A1 A2 }" then "M1 D2" ... */
static char stop_at[64];     /* ends the run when events end in it */
static struct sy_err last_error;
static int64_t last_wait_ns;

static void note(const char *text)
{
    sy_buf_addf(&events, "%s%s", events.len ? " " : "", text);
    size_t len = strlen(stop_at);
    if (events.len >= len && strcmp(events.p + events.len - len, stop_at) == 0)
        sy_loop_stop(client.loop);
}

static int on_object(void *arg, enum sy_event_type type, enum sy_encoding enc, struct sy_str raw)
{
    static const char letters[] = "AMD";
    char text[64];
    char *copy = sy_xstrndup(raw.p, raw.len);
    const char *name = strstr(copy, "\"name\":\"");

    (void)arg;
    assert_int_equal(enc, SY_ENCODING_JSON);
    assert_non_null(name);
    snprintf(text, sizeof(text), "%c%.*s", letters[type], (int)strcspn(name + 8, "\""), name + 8);
    free(copy);
    note(text);
    return strcmp(text, "Abad") == 0 ? -EBADMSG : 0;
}

static void on_replace_begin(void *arg)
{
    (void)arg;
    note("{");
}

static void on_replace_end(void *arg)
{
    (void)arg;
    note("}");
}

static void on_error(void *arg, const struct sy_err *err, int64_t retry_in_ns)
{
    (void)arg;
    last_error = *err;
    last_wait_ns = retry_in_ns;
    note("E");
}

static void begin(fake_fn *fn, bool no_watch_list)
{
    struct sy_err err;
    struct sy_reflector_options options = {
        .path = "/api/v1/pods",
        .query = "fieldSelector=a%21%3Db",
        .encoding = SY_ENCODING_PROTOBUF,
        .max_object_bytes = 4096,
        .rng_seed = 1,
        .no_watch_list = no_watch_list,
        .on_object = on_object,
        .on_replace_begin = on_replace_begin,
        .on_replace_end = on_replace_end,
        .on_error = on_error,
    };

    sy_buf_init(&events, 65536);
    fake_start(&fake, fn, 0);
    fake_client_start(&client, fake.port, NULL, NULL);
    assert_int_equal(sy_reflector_new(client.k, &options, &reflector, &err), 0);
    sy_reflector_start(reflector);
}

static void run_until(const char *text)
{
    snprintf(stop_at, sizeof(stop_at), "%s", text);
    if (!fake_client_run(&client, 20))
        fail_msg("got \"%s\" and no \"%s\"; last error: %s", events.p, text, last_error.msg);
}

static void end(void)
{
    sy_reflector_free(reflector);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    sy_buf_done(&events);
}

static void assert_request(unsigned n, const char *part)
{
    assert_true(n < atomic_load(&fake.requests));
    if (!strstr(fake.log[n], part))
        fail_msg("request %u, \"%s\", lacks \"%s\"", n, fake.log[n], part);
}

static void assert_no_part(unsigned n, const char *part)
{
    if (strstr(fake.log[n], part))
        fail_msg("request %u, \"%s\", holds \"%s\"", n, fake.log[n], part);
}

#define OBJECT(name, rv)                                                                           \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv "\"}}"
#define EVENT(type, name, rv) "{\"type\":\"" type "\",\"object\":" OBJECT(name, rv) "}\n"
#define BOOKMARK(rv)                                                                               \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" rv  \
    "\"}}}\n"
#define INITIAL_END(rv)                                                                            \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" rv  \
    "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"m\","         \
    "\"reason\":\"" reason "\",\"code\":" #code "}"
#define ERROR_EVENT(code, reason) "{\"type\":\"ERROR\",\"object\":" STATUS(code, reason) "}\n"
#define LIST(meta, items)         "{\"kind\":\"PodList\",\"metadata\":{" meta "},\"items\":[" items "]}"

/* ---- watch-list ---------------------------------------------------------------------------------
 */

static bool streams_bytewise(struct fake *f, int fd, unsigned n, const char *method,
                             const char *target, const char *head, const char *body)
{
    static const char text[] = EVENT("ADDED", "b", "7") EVENT("MODIFIED", "a", "3")
        INITIAL_END("10") EVENT("ADDED", "c", "11") EVENT("DELETED", "b", "12") BOOKMARK("20");

    (void)f, (void)method, (void)target, (void)head, (void)body;
    fake_stream(fd);
    if (n == 0) {
        for (size_t i = 0; i < sizeof(text) - 1; i++)
            fake_write(fd, text + i, 1);
        return false;
    }
    fake_writef(fd, EVENT("MODIFIED", "c", "21"));
    fake_hold(fd);
    return false;
}

static void test_watch_list(void **state)
{
    (void)state;
    begin(streams_bytewise, false);
    assert_false(sy_reflector_is_synced(reflector));
    run_until("Mc");
    assert_string_equal(events.p, "{ Ab Aa } Ac Db Mc");
    assert_true(sy_reflector_is_synced(reflector));
    assert_true(sy_reflector_is_live(reflector));
    assert_request(0, "GET /api/v1/pods?fieldSelector=a%21%3Db&watch=true&allowWatchBookmarks=true"
                      "&timeoutSeconds=");
    assert_request(0, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=");
    assert_request(1, "&resourceVersion=20");
    assert_no_part(1, "sendInitialEvents");
    const struct sy_reflector_stats *s = sy_reflector_stats(reflector);
    assert_int_equal(s->watches, 2);
    assert_int_equal(s->lists, 0);
    assert_int_equal(s->bookmarks, 2);
    assert_int_equal(s->events, 5);
    assert_int_equal(s->errors, 0);
    end();
}

static bool breaks_off_first(struct fake *f, int fd, unsigned n, const char *method,
                             const char *target, const char *head, const char *body)
{
    (void)f, (void)method, (void)target, (void)head, (void)body;
    fake_stream(fd);
    fake_writef(fd, n ? EVENT("ADDED", "a", "1") INITIAL_END("5")
                      : EVENT("ADDED", "x", "1") "{\"type\":\"ADDED\",\"obj");
    if (n)
        fake_hold(fd);
    return false;
}

static void test_watch_list_breaks(void **state)
{
    (void)state;
    begin(breaks_off_first, false);
    run_until("}");
    assert_string_equal(events.p, "{ Ax E { Aa }");
    assert_true(last_wait_ns >= 800 * SY_NS_PER_MS && last_wait_ns < 1600 * SY_NS_PER_MS);
    end();
}

/* ---- list ---------------------------------------------------------------------------------------
 */

static bool lists_in_pages(struct fake *f, int fd, unsigned n, const char *method,
                           const char *target, const char *head, const char *body)
{
    (void)f, (void)method, (void)head, (void)body;
    if (strstr(target, "sendInitialEvents"))
        return fake_reply(fd, 422, "", STATUS(422, "Invalid"));
    if (strstr(target, "watch=true")) {
        fake_stream(fd);
        fake_writef(fd, EVENT("ADDED", "d", "8"));
        fake_hold(fd);
        return false;
    }
    switch (n) {
    case 1:
        return fake_reply(fd, 200, "",
                          LIST("\"resourceVersion\":\"5\",\"continue\":\"p/=2\"",
                               OBJECT("a", "1") "," OBJECT("b", "2")));
    case 2: /* the continue token has expired */
        return fake_reply(fd, 410, "", STATUS(410, "Expired"));
    default:
        return fake_reply(fd, 200, "",
                          LIST("\"resourceVersion\":\"7\"", OBJECT("a", "1") "," OBJECT("c", "6")));
    }
}

static void test_expired_page(void **state)
{
    (void)state;
    begin(lists_in_pages, false);
    run_until("Ad");
    assert_string_equal(events.p, "{ Aa Ab { Aa Ac } Ad");
    assert_request(0, "sendInitialEvents");
    assert_request(1, "&resourceVersion=0");
    assert_request(2, "&limit=500&continue=p%2F%3D2");
    assert_no_part(2, "resourceVersion");
    assert_no_part(3, "limit");
    assert_no_part(3, "continue");
    assert_request(4, "&watch=true");
    assert_request(4, "&resourceVersion=7");
    end();
}

static bool too_large_then_fine(struct fake *f, int fd, unsigned n, const char *method,
                                const char *target, const char *head, const char *body)
{
    (void)f, (void)method, (void)head, (void)body;
    if (strstr(target, "watch=true")) {
        fake_stream(fd);
        if (n == 1)
            fake_writef(fd, EVENT("MODIFIED", "a", "9") ERROR_EVENT(410, "Expired"));
        else
            fake_hold(fd);
        return false;
    }
    if (n == 0)
        return fake_reply(fd, 200, "", LIST("\"resourceVersion\":\"7\"", OBJECT("a", "1")));
    if (n == 2) /* the list at the last version */
        return fake_reply(fd, 504, "",
                          "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"message\":\"Too large "
                          "resource version\",\"details\":{\"causes\":[{\"reason\":"
                          "\"ResourceVersionTooLarge\",\"message\":\"x\"}],\"retryAfterSeconds\":1}"
                          ",\"code\":504}");
    return fake_reply(fd, 200, "", LIST("\"resourceVersion\":\"4\"", OBJECT("z", "3")));
}

/* 410 in a watch lists at the last version; a server that has not got there is asked for what it
 * has, and its older version is taken over. */
static void test_expired_watch(void **state)
{
    (void)state;
    begin(too_large_then_fine, true);
    run_until("Az }");
    assert_string_equal(events.p, "{ Aa } Ma { Az }");
    assert_request(2, "&resourceVersion=9");
    assert_request(3, "&limit=500&resourceVersion=");
    assert_no_part(3, "resourceVersion=9");
    assert_int_equal(sy_reflector_stats(reflector)->expired, 2);
    end();
}

/* ---- errors in a watch --------------------------------------------------------------------------
 */

static bool throttles_watch(struct fake *f, int fd, unsigned n, const char *method,
                            const char *target, const char *head, const char *body)
{
    (void)f, (void)method, (void)target, (void)head, (void)body;
    if (n == 1)
        return fake_reply(fd, 429, "Retry-After: 3\r\n", STATUS(429, "TooManyRequests"));
    fake_stream(fd);
    switch (n) {
    case 0:
        fake_writef(fd, EVENT("ADDED", "a", "1") INITIAL_END("5"));
        return false;
    case 2:
        fake_writef(fd, EVENT("MODIFIED", "a", "6") EVENT("MODIFIED", "a", "2")
                            ERROR_EVENT(500, "InternalError"));
        return false;
    default:
        fake_writef(fd, EVENT("MODIFIED", "b", "9"));
        fake_hold(fd);
        return false;
    }
}

static void test_throttled_watch(void **state)
{
    (void)state;
    begin(throttles_watch, false);
    run_until("E");
    assert_int_equal(last_error.code, -EAGAIN);
    assert_true(last_wait_ns >= 3 * SY_NS_PER_S);
    assert_false(sy_reflector_is_live(reflector));
    assert_true(sy_reflector_is_synced(reflector));
    run_until("Mb");
    assert_true(sy_reflector_is_live(reflector));
    assert_string_equal(events.p, "{ Aa } E Ma Ma E Mb");
    assert_non_null(strstr(last_error.msg, "/api/v1/pods: the watch ended with 500 InternalError"));
    assert_request(1, "&resourceVersion=5");
    assert_request(2, "&resourceVersion=5");
    assert_request(3, "&resourceVersion=6"); /* versions never go back */
    assert_no_part(3, "sendInitialEvents");
    end();
}

static bool writes_rubbish(struct fake *f, int fd, unsigned n, const char *method,
                           const char *target, const char *head, const char *body)
{
    char *big;

    (void)f, (void)method, (void)target, (void)head, (void)body;
    fake_stream(fd);
    switch (n) {
    case 0:
        big = sy_xcalloc(1, 6001);
        memset(big, 'x', 6000);
        fake_writef(fd, EVENT("ADDED", "bad", "1"));
        fake_writef(fd,
                    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"big\","
                    "\"resourceVersion\":\"2\"},\"spec\":\"%s\"}}\n",
                    big);
        free(big);
        fake_writef(fd, INITIAL_END("5") "HTTP rubbish");
        return false;
    case 1:
        fake_hold(fd);
        return false;
    default:
        return false;
    }
}

static void test_rubbish(void **state)
{
    (void)state;
    begin(writes_rubbish, false);
    run_until("E");
    assert_string_equal(events.p, "{ Abad } E");
    assert_int_equal(sy_reflector_stats(reflector)->skipped_objects, 2);
    assert_int_equal(last_error.code, -EBADMSG);
    end();
}

static bool closes_at_once(struct fake *f, int fd, unsigned n, const char *method,
                           const char *target, const char *head, const char *body)
{
    (void)f, (void)method, (void)target, (void)head, (void)body;
    fake_stream(fd);
    if (n == 0)
        fake_writef(fd, INITIAL_END("5"));
    if (n == 2)
        fake_hold(fd);
    return false;
}

static void test_very_short_watch(void **state)
{
    (void)state;
    begin(closes_at_once, false);
    run_until("{ } E");
    assert_non_null(strstr(last_error.msg, "very short watch"));
    end();
}

/* ---- the server goes away -----------------------------------------------------------------------
 */

static bool holds(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                  const char *head, const char *body)
{
    (void)f, (void)n, (void)method, (void)head, (void)body;
    fake_stream(fd);
    fake_writef(fd, strstr(target, "sendInitialEvents") ? EVENT("ADDED", "a", "1") INITIAL_END("5")
                                                        : EVENT("ADDED", "b", "6"));
    fake_hold(fd);
    return false;
}

static void stop_loop(void *arg)
{
    sy_loop_stop(arg);
}

static void run_for(int64_t ns)
{
    struct sy_timer *timer = sy_timer_new(client.loop, stop_loop, client.loop);

    sy_timer_arm(timer, ns);
    snprintf(stop_at, sizeof(stop_at), "never");
    fake_client_run(&client, 20);
    sy_timer_free(timer);
}

static void test_server_restart(void **state)
{
    (void)state;
    begin(holds, false);
    run_until("}");
    unsigned port = fake.port;
    fake_stop(&fake);
    fake_free_log(&fake);
    run_until("E");
    run_until("E E");
    assert_int_equal(last_error.code, -ECONNREFUSED);
    assert_false(sy_reflector_is_live(reflector));
    /* Let backoff grow, so that coming back early is seen. */
    run_for(6 * SY_NS_PER_S);
    fake_start(&fake, holds, port);
    sy_time_ns back = sy_clock_boot_ns();
    run_until("Ab");
    assert_true(sy_clock_boot_ns() - back < 4 * SY_NS_PER_S);
    assert_request(0, "&resourceVersion=5");
    assert_no_part(0, "sendInitialEvents");
    /* The watch stands, and breaks: that is a new fault, not one more of the old. */
    run_for(2 * SY_NS_PER_S);
    fake_stop(&fake);
    run_until("Ab E");
    assert_true(last_wait_ns < 2 * SY_NS_PER_S);
    fake_free_log(&fake);
    fake_start(&fake, holds, port);
    end();
}

/* Freeing amid a stream must not lead back into what was freed. */
static void test_free_early(void **state)
{
    (void)state;
    begin(holds, false);
    run_until("{ Aa");
    end();
    begin(holds, false);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_list),       cmocka_unit_test(test_watch_list_breaks),
        cmocka_unit_test(test_expired_page),     cmocka_unit_test(test_expired_watch),
        cmocka_unit_test(test_throttled_watch),  cmocka_unit_test(test_rubbish),
        cmocka_unit_test(test_very_short_watch), cmocka_unit_test(test_server_restart),
        cmocka_unit_test(test_free_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
