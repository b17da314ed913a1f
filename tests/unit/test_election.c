/* SPDX-License-Identifier: Apache-2.0
 *
 * The election's requests against a server that keeps one Lease, or does not. What is decided is
 * tested in test_elector.c; here, that it gets there and back. */
#include "kube/election.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "fake_api.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"

static struct fake fake;
static struct fake_client client;
static struct sy_election *election;
static enum sy_elector_state wanted;

/* The server's, under fake.lock. */
static char spec[1024];
static unsigned version;
static char last_event[2048], last_put[4096];
static enum { ALL_IS_WELL, WATCH_IS_REFUSED, GARBAGE } mood;
static char watched[1024]; /* spec that the watch tells of after the first state; "": none */

static void lease_text(char *ret, size_t room)
{
    snprintf(ret, room,
             "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":"
             "\"steelyard\",\"namespace\":\"kube-system\",\"uid\":\"u\",\"labels\":{\"keep\":"
             "\"me\"},\"resourceVersion\":\"%u\"%s}",
             version, spec);
}

/* Takes a body's annotations and spec over. */
static void take(const char *body)
{
    const char *notes = strstr(body, ",\"annotations\""), *s = strstr(body, "\"spec\":");
    size_t notes_len = notes ? strcspn(notes, "}") + 1 : 0;

    snprintf(spec, sizeof(spec), "%.*s},%s", (int)notes_len, notes ? notes : "", s ? s : "");
    spec[strlen(spec) - 1] = 0; /* the object's own brace is lease_text()'s */
    version++;
}

static bool serve_watch(struct fake *f, int fd)
{
    char text[2048], again[2048];
    unsigned at;

    pthread_mutex_lock(&f->lock);
    lease_text(text, sizeof(text));
    bool exists = spec[0];
    at = version;
    pthread_mutex_unlock(&f->lock);
    fake_stream(fd);
    if (exists)
        fake_writef(fd, "{\"type\":\"ADDED\",\"object\":%s}\n", text);
    fake_writef(fd,
                "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Lease\",\"metadata\":{"
                "\"resourceVersion\":\"%u\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\""
                "}}}}\n",
                at);
    if (watched[0]) {
        usleep(300000);
        pthread_mutex_lock(&f->lock);
        snprintf(spec, sizeof(spec), "%s", watched);
        version++;
        lease_text(again, sizeof(again));
        pthread_mutex_unlock(&f->lock);
        fake_writef(fd, "{\"type\":\"MODIFIED\",\"object\":%s}\n", again);
    }
    fake_hold(fd);
    return false;
}

static bool serve_lease(struct fake *f, int fd, const char *method, const char *body)
{
    char text[2048], mine[32];
    int status = 200;

    pthread_mutex_lock(&f->lock);
    snprintf(mine, sizeof(mine), "\"resourceVersion\":\"%u\"", version);
    if (strcmp(method, "POST") == 0) {
        status = spec[0] ? 409 : 201;
    } else if (!spec[0]) {
        status = 404;
    } else if (strcmp(method, "PUT") == 0) {
        status = strstr(body, mine) ? 200 : 409;
        snprintf(last_put, sizeof(last_put), "%s", body);
    }
    if (status < 300 && method[0] == 'P')
        take(body);
    lease_text(text, sizeof(text));
    pthread_mutex_unlock(&f->lock);
    return fake_reply(fd, status, "", status < 300 ? text : "{}");
}

static bool serve(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                  const char *head, const char *body)
{
    (void)n, (void)head;
    if (mood == GARBAGE)
        return fake_reply(fd, 200, "", "[\"\\ud800\", {}]");
    if (strstr(target, "/events")) {
        pthread_mutex_lock(&f->lock);
        snprintf(last_event, sizeof(last_event), "%s", body);
        pthread_mutex_unlock(&f->lock);
        return fake_reply(fd, 201, "", "{}");
    }
    if (strstr(target, "watch=") || strstr(target, "resourceVersion=0"))
        return mood == WATCH_IS_REFUSED ? fake_reply(fd, 403, "", "{}") : serve_watch(f, fd);
    return serve_lease(f, fd, method, body);
}

static void on_change(void *arg)
{
    if (sy_election_state(election) == wanted)
        sy_loop_stop(arg);
}

static void hold(const char *holder, const char *notes)
{
    snprintf(spec, sizeof(spec),
             "%s},\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":1,"
             "\"leaseTransitions\":6}",
             notes, holder);
}

static void start_with(int64_t lease_ms)
{
    struct sy_election_options options = {
        .ns = "kube-system",
        .name = "steelyard",
        .identity = "me",
        .component = "steelyard",
        .lease_ns = lease_ms * SY_NS_PER_MS,
        .renew_ns = lease_ms * SY_NS_PER_MS * 2 / 3,
        .retry_ns = lease_ms * SY_NS_PER_MS / 8,
        .write_ns = lease_ms * SY_NS_PER_MS / 4,
        .on_change = on_change,
    };
    struct sy_err err;

    version = 7;
    last_event[0] = last_put[0] = 0;
    fake_start(&fake, serve, 0);
    pthread_mutex_init(&fake.lock, NULL);
    fake_client_start(&client, fake.port, NULL, NULL);
    options.arg = client.loop;
    assert_int_equal(sy_election_new(client.k, &options, &election, &err), 0);
    sy_election_start(election);
}

static bool becomes(enum sy_elector_state state, int64_t seconds)
{
    wanted = state;
    return fake_client_run(&client, seconds);
}

static void end(void)
{
    sy_election_free(election);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    spec[0] = watched[0] = 0;
    mood = ALL_IS_WELL;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

static void locked_copy(const char *from, char *ret, size_t room)
{
    pthread_mutex_lock(&fake.lock);
    snprintf(ret, room, "%s", from);
    pthread_mutex_unlock(&fake.lock);
}

static void test_life(void **state)
{
    char text[4096];

    (void)state;
    start_with(3000);
    assert_true(becomes(SY_ELECTOR_LEADING, 10));
    assert_string_equal(sy_election_holder(election), "me");
    assert_int_equal(sy_election_term(election), 0);
    assert_true(sy_election_fence(election) > sy_clock_boot_ns());
    /* Renewed over and over: longer than its lease. */
    wanted = SY_ELECTOR_LOST;
    assert_false(fake_client_run(&client, 4));
    assert_true(sy_election_stats(election).renewals > 4);
    assert_true(sy_election_fence(election) > sy_clock_boot_ns());
    /* The watch of this server says nothing after the first state. */
    assert_true(sy_election_is_deaf(election));
    locked_copy(last_event, text, sizeof(text));
    assert_contains(text, "\"reason\":\"LeaderElection\",\"message\":\"me became leader\"");
    assert_contains(text, "\"involvedObject\":{\"kind\":\"Lease\"");
    locked_copy(last_put, text, sizeof(text));
    assert_contains(text, "\"labels\":{\"keep\":\"me\"}");
    sy_election_release(election, "pods=12");
    assert_int_equal(sy_election_fence(election), 0);
    assert_true(becomes(SY_ELECTOR_RELEASED, 10));
    locked_copy(last_put, text, sizeof(text));
    assert_contains(text, "\"holderIdentity\":\"\"");
    assert_contains(text, "\"term=0 pods=12\"");
    end();
}

/* A lease that is given back is taken at once where it is watched. */
static void test_handover(void **state)
{
    (void)state;
    hold("other", "");
    snprintf(watched, sizeof(watched),
             ",\"annotations\":{\"steelyard.dev/leader\":\"term=6 pods=9\"}},\"spec\":{"
             "\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,\"leaseTransitions\":6}");
    start_with(60000);
    sy_time_ns started = sy_clock_boot_ns();
    assert_true(becomes(SY_ELECTOR_LEADING, 30));
    assert_string_equal(sy_election_handover(election), "pods=9");
    assert_int_equal(sy_election_term(election), 7);
    assert_true(sy_election_clear_at(election) <= sy_clock_boot_ns());
    assert_true(sy_election_clear_at(election) >= started);
    assert_false(sy_election_is_deaf(election));
    end();
}

/* Where it may not be watched it is asked for. */
static void test_unwatched(void **state)
{
    (void)state;
    mood = WATCH_IS_REFUSED;
    hold("other", "");
    start_with(2000);
    sy_time_ns started = sy_clock_boot_ns();
    assert_true(becomes(SY_ELECTOR_LEADING, 10));
    assert_true(sy_clock_boot_ns() - started >= SY_NS_PER_S); /* the time of the other */
    assert_string_equal(sy_election_handover(election), "");
    /* Taken away: a renewal meets another's record. */
    pthread_mutex_lock(&fake.lock);
    hold("thief", "");
    version++;
    pthread_mutex_unlock(&fake.lock);
    assert_true(becomes(SY_ELECTOR_LOST, 10));
    assert_int_equal(sy_election_fence(election), 0);
    end();
}

static void test_stolen(void **state)
{
    (void)state;
    snprintf(watched, sizeof(watched),
             "},\"spec\":{\"holderIdentity\":\"thief\",\"leaseDurationSeconds\":1}");
    start_with(60000);
    assert_true(becomes(SY_ELECTOR_LOST, 10)); /* long before the next renewal is due */
    end();
}

static void test_garbage(void **state)
{
    (void)state;
    mood = GARBAGE;
    start_with(1000);
    wanted = SY_ELECTOR_LEADING;
    assert_false(fake_client_run(&client, 1));
    assert_int_equal(sy_election_state(election), SY_ELECTOR_STANDBY);
    assert_int_equal(sy_election_fence(election), 0);
    assert_true(sy_election_stats(election).errors > 1);
    end();
}

static void test_bad_options(void **state)
{
    struct sy_election_options options = {.ns = "a", .name = "", .identity = "x", .component = "c"};
    struct sy_err err;

    (void)state;
    assert_int_equal(sy_election_new(NULL, &options, &election, &err), -EINVAL);
    options.name = "n";
    options.identity = "";
    assert_int_equal(sy_election_new(NULL, &options, &election, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),      cmocka_unit_test(test_handover),
        cmocka_unit_test(test_unwatched), cmocka_unit_test(test_stolen),
        cmocka_unit_test(test_garbage),   cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
