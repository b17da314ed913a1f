/* SPDX-License-Identifier: Apache-2.0
 *
 * Actions against a server that loses answers: what becomes of binds whose outcome is unknown, and
 * the order, merging and repetition of conditions and events. */
#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/actions.h"

static struct fake fake;
static struct fake_client client;
static struct sy_actions *actions;
static struct sy_buf outcomes; /* "1:UNKNOWN 1:OK" */
static struct sy_err last_error;
static struct sy_buf spared; /* UIDs whose eviction failed */
static struct sy_timer *poll_timer;

static void on_bind(void *arg, uint64_t ticket, enum sy_bind_outcome outcome,
                    const struct sy_err *err, int64_t duration_ns)
{
    static const char *const names[] = {"OK", "CONFLICT", "GONE", "REFUSED", "UNKNOWN"};

    (void)arg;
    assert_true(duration_ns >= 0);
    assert_int_equal(outcome == SY_BIND_OK, err == NULL);
    if (err)
        last_error = *err;
    sy_buf_addf(&outcomes, "%s%lu:%s", outcomes.len ? " " : "", ticket, names[outcome]);
}

static void on_evict_failed(void *arg, const char *uid, const struct sy_err *err)
{
    (void)arg;
    last_error = *err;
    sy_buf_addf(&spared, "%s%s", spared.len ? " " : "", uid);
}

static void stop_when_idle(void *arg)
{
    (void)arg;
    if (sy_actions_is_idle(actions))
        sy_loop_stop(client.loop);
    else
        sy_timer_arm(poll_timer, SY_NS_PER_MS);
}

static void begin(fake_fn *fn, uint32_t events_max_queued)
{
    struct sy_err err;
    struct sy_actions_options options = {
        .component = "steelyard",
        .instance = "steelyard-host",
        .bind_timeout_ms = 700,
        .transit_ms = 300,
        .events_max_queued = events_max_queued,
        .on_bind = on_bind,
        .on_evict_failed = on_evict_failed,
    };

    sy_buf_init(&outcomes, 65536);
    sy_buf_init(&spared, 65536);
    fake_start(&fake, fn, 0);
    fake_client_start(&client, fake.port, NULL, NULL);
    assert_int_equal(sy_actions_new(client.k, &options, &actions, &err), 0);
    poll_timer = sy_timer_new(client.loop, stop_when_idle, NULL);
}

static void run(void)
{
    sy_timer_arm(poll_timer, SY_NS_PER_MS);
    if (!fake_client_run(&client, 20))
        fail_msg("not idle; outcomes: %s", outcomes.p);
}

static void end(void)
{
    sy_actions_free(actions);
    sy_timer_free(poll_timer);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    sy_buf_done(&outcomes);
    sy_buf_done(&spared);
}

static void assert_outcomes(const char *text)
{
    assert_string_equal(outcomes.p ? outcomes.p : "", text);
}

#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"m\","         \
    "\"reason\":\"" reason "\",\"code\":" #code "}"
#define POD(uid, node)                                                                             \
    "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\","   \
    "\"uid\":\"" uid "\"},\"spec\":{" node "\"containers\":[]}}"
#define ON(node) "\"nodeName\":\"" node "\","

/* What the pod says, by stage; the answer to the bind is always lost. */
static bool loses_answers(struct fake *f, int fd, unsigned n, const char *method,
                          const char *target, const char *head, const char *body)
{
    (void)n, (void)target, (void)head, (void)body;
    if (strcmp(method, "POST") == 0) {
        switch (atomic_load(&f->stage)) {
        case 9: /* sent again */
            return fake_reply(fd, 201, "", "{}");
        case 11:
            atomic_store(&f->stage, 1);
            return fake_reply(fd, 409, "", STATUS(409, "Conflict"));
        default:
            return false;
        }
    }
    switch (atomic_load(&f->stage)) {
    case 0:
        return fake_reply(fd, 200, "", POD("u1", ON("n1")));
    case 1:
        return fake_reply(fd, 200, "", POD("u1", ON("n2")));
    case 2:
        return fake_reply(fd, 404, "", STATUS(404, "NotFound"));
    case 3:
        return fake_reply(fd, 200, "", POD("u2", ""));
    case 4:
        return fake_reply(fd, 200, "", POD("u1", ""));
    case 5: /* cannot tell at first */
        atomic_store(&f->stage, 6);
        return fake_reply(fd, 503, "", STATUS(503, "ServiceUnavailable"));
    case 6:
        atomic_store(&f->stage, 7);
        return fake_reply(fd, 200, "", "rubbish");
    case 7:
        atomic_store(&f->stage, 0);
        return false;
    case 8:
    case 10:
        atomic_fetch_add(&f->stage, 1);
        return fake_reply(fd, 200, "", POD("u1", ""));
    default:
        return false;
    }
}

static void lose(int stage, const char *expected)
{
    sy_buf_reset(&outcomes);
    atomic_store(&fake.stage, stage);
    sy_actions_bind(actions, 1, "ns", "p", "u1", "n1", NULL);
    assert_int_equal(outcomes.len, 0);
    assert_int_equal(sy_actions_binds_in_flight(actions), 1);
    assert_false(sy_actions_is_idle(actions));
    run();
    assert_int_equal(sy_actions_binds_in_flight(actions), 0);
    assert_outcomes(expected);
}

static void test_lost_answer(void **state)
{
    (void)state;
    begin(loses_answers, 0);
    lose(0, "1:UNKNOWN 1:OK");
    assert_string_equal(fake.log[0], "POST /api/v1/namespaces/ns/pods/p/binding?timeout=700ms");
    assert_string_equal(fake.log[1], "GET /api/v1/namespaces/ns/pods/p");
    lose(1, "1:UNKNOWN 1:CONFLICT");
    assert_non_null(strstr(last_error.msg, "pod ns/p was bound to n2 meanwhile"));
    lose(2, "1:UNKNOWN 1:GONE");
    lose(3, "1:UNKNOWN 1:GONE");
    assert_non_null(strstr(last_error.msg, "is another one now"));
    /* Unbound is no answer before the request can no longer be carried out. */
    sy_time_ns start = sy_clock_boot_ns();
    lose(4, "1:UNKNOWN 1:REFUSED");
    assert_true(sy_clock_boot_ns() - start >= 2000 * SY_NS_PER_MS);
    lose(5, "1:UNKNOWN 1:OK");
    lose(8, "1:UNKNOWN 1:OK");
    lose(10, "1:UNKNOWN 1:CONFLICT");
    const struct sy_actions_stats *s = sy_actions_stats(actions);
    assert_int_equal(s->binds_sent, 8 + 4); /* the unbound ones were sent again */
    assert_int_equal(s->binds_unknown, 8);
    assert_int_equal(s->binds_ok, 3);
    end();
}

static bool answers_by_name(struct fake *f, int fd, unsigned n, const char *method,
                            const char *target, const char *head, const char *body)
{
    (void)f, (void)n, (void)head;
    if (strcmp(method, "GET") == 0)
        return fake_reply(fd, 200, "", POD("u1", ""));
    if (strstr(target, "/pods/ok/"))
        return strstr(body, "\"uid\":\"u1\"")
                   ? fake_reply(fd, 201, "", "{\"kind\":\"Status\",\"status\":\"Success\"}")
                   : fake_reply(fd, 400, "", "");
    if (strstr(target, "/pods/conflict/"))
        return fake_reply(fd, 409, "", STATUS(409, "Conflict"));
    if (strstr(target, "/pods/gone/"))
        return fake_reply(fd, 404, "", STATUS(404, "NotFound"));
    if (strstr(target, "/pods/denied/"))
        return fake_reply(fd, 403, "", STATUS(403, "Forbidden"));
    if (strstr(target, "/pods/broken/"))
        return fake_reply(fd, 500, "", STATUS(500, "InternalError"));
    if (strstr(target, "/pods/busy/"))
        return atomic_fetch_add(&f->stage, 1) == 0
                   ? fake_reply(fd, 429, "Retry-After: 1\r\n", STATUS(429, "TooManyRequests"))
                   : fake_reply(fd, 201, "", "{}");
    return false;
}

static void bind_named(const char *name, const char *expected)
{
    sy_buf_reset(&outcomes);
    sy_actions_bind(actions, 7, "ns", name, "u1", "n1", NULL);
    run();
    assert_outcomes(expected);
}

static void test_answers(void **state)
{
    (void)state;
    begin(answers_by_name, 0);
    bind_named("ok", "7:OK");
    bind_named("conflict", "7:CONFLICT");
    bind_named("gone", "7:GONE");
    bind_named("denied", "7:REFUSED");
    assert_int_equal(last_error.code, -EPERM);
    bind_named("busy", "7:OK");
    /* The server is through with it, so an unbound pod is an answer at once. */
    sy_time_ns start = sy_clock_boot_ns();
    bind_named("broken", "7:UNKNOWN 7:REFUSED");
    assert_true(sy_clock_boot_ns() - start < 700 * SY_NS_PER_MS);
    fake_stop(&fake);
    bind_named("ok", "7:REFUSED");
    assert_int_equal(last_error.code, -ECONNREFUSED);
    sy_actions_free(actions);
    sy_timer_free(poll_timer);
    fake_client_stop(&client);
    fake_free_log(&fake);
    sy_buf_done(&outcomes);
    sy_buf_done(&spared);
}

/* ---- conditions and events ----------------------------------------------------------------------
 */

static char *bodies[64];

static bool records(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                    const char *head, const char *body)
{
    (void)head;
    if (n < SY_ARRAY_LEN(bodies))
        bodies[n] = strdup(body);
    if (strcmp(method, "PATCH") == 0 && strstr(target, "/events/") && atomic_load(&f->stage) == 1)
        return fake_reply(fd, 404, "", STATUS(404, "NotFound"));
    /* Hold on, so that what follows finds this under way. */
    usleep(100 * 1000);
    return fake_reply(fd, 200, "", "{}");
}

static void free_bodies(void)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(bodies); i++) {
        free(bodies[i]);
        bodies[i] = NULL;
    }
}

static void stop_now(void *arg)
{
    sy_loop_stop(arg);
}

static void run_for_ms(int64_t ms)
{
    struct sy_timer *timer = sy_timer_new(client.loop, stop_now, client.loop);

    sy_timer_arm(timer, ms * SY_NS_PER_MS);
    fake_client_run(&client, 20);
    sy_timer_free(timer);
}

static void test_conditions(void **state)
{
    (void)state;
    begin(records, 0);
    sy_actions_condition(actions, "ns", "p", "u1", "Unschedulable", "first", NULL, 0);
    run_for_ms(30);
    /* Under way now: the next two become one. */
    sy_actions_condition(actions, "ns", "p", "u1", "Unschedulable", "second", "n1", 0);
    sy_actions_condition(actions, "ns", "p", "u1", "Unschedulable", "third", "n2", 0);
    run();
    assert_int_equal(fake.requests, 2);
    assert_string_equal(fake.log[1], "PATCH /api/v1/namespaces/ns/pods/p/status");
    assert_non_null(strstr(bodies[0], "\"message\":\"first\""));
    assert_non_null(strstr(bodies[1], "\"message\":\"third\""));
    assert_non_null(strstr(bodies[1], "\"nominatedNodeName\":\"n2\""));
    /* The pod has been unschedulable since the first. */
    const char *since = strstr(bodies[0], "\"lastTransitionTime\"");
    assert_memory_equal(since, strstr(bodies[1], "\"lastTransitionTime\""), 44);
    free_bodies();
    end();
}

/* A bind of a pod whose condition is under way waits for it, and drops one that is queued. */
static void test_condition_then_bind(void **state)
{
    (void)state;
    begin(records, 0);
    sy_actions_condition(actions, "ns", "p", "u1", "Unschedulable", "first", NULL, 0);
    run_for_ms(30);
    sy_actions_condition(actions, "ns", "p", "u1", "Unschedulable", "second", NULL, 0);
    sy_actions_bind(actions, 1, "ns", "p", "u1", "n1", NULL);
    assert_int_equal(sy_actions_binds_in_flight(actions), 0);
    run();
    assert_outcomes("1:OK");
    assert_int_equal(fake.requests, 2);
    assert_string_equal(fake.log[0], "PATCH /api/v1/namespaces/ns/pods/p/status");
    assert_string_equal(fake.log[1], "POST /api/v1/namespaces/ns/pods/p/binding?timeout=700ms");
    free_bodies();
    end();
}

static void failed_scheduling(const char *note)
{
    sy_actions_event(actions, "Warning", "FailedScheduling", "Scheduling", "ns", "p", "u1", note);
}

static void test_event_series(void **state)
{
    (void)state;
    begin(records, 0);
    failed_scheduling("no room");
    run();
    assert_int_equal(fake.requests, 1);
    assert_string_equal(fake.log[0], "POST /apis/events.k8s.io/v1/namespaces/ns/events");
    assert_null(strstr(bodies[0], "series"));
    failed_scheduling("no room");
    run();
    assert_non_null(strstr(fake.log[1], "PATCH /apis/events.k8s.io/v1/namespaces/ns/events/p."));
    assert_non_null(strstr(bodies[1], "{\"series\":{\"count\":2,"));
    failed_scheduling("no room"); /* counted only */
    run();
    assert_int_equal(fake.requests, 2);
    failed_scheduling("other");
    run();
    assert_non_null(strstr(fake.log[2], "POST "));
    /* The series' event has expired at the server. */
    atomic_store(&fake.stage, 1);
    failed_scheduling("other");
    run();
    assert_int_equal(fake.requests, 5);
    assert_non_null(strstr(fake.log[3], "PATCH "));
    assert_non_null(strstr(fake.log[4], "POST "));
    assert_non_null(strstr(bodies[4], "\"series\":{\"count\":2,"));
    assert_int_equal(sy_actions_stats(actions)->events_merged, 3);
    assert_int_equal(sy_actions_stats(actions)->event_errors, 0);
    free_bodies();
    end();
}

/* Each event is by the scheduler that it is about; the same by two of them is no series. */
static void test_event_reporters(void **state)
{
    (void)state;
    begin(records, 0);
    failed_scheduling("no room");
    run();
    for (int i = 0; i < 2; i++) {
        sy_actions_event_by(actions, "other", "Warning", "FailedScheduling", "Scheduling", "ns",
                            "p", "u1", "no room");
        run();
    }
    assert_int_equal(fake.requests, 3);
    assert_non_null(strstr(bodies[0], "\"reportingController\":\"steelyard\""));
    assert_non_null(strstr(bodies[0], "\"reportingInstance\":\"steelyard-host\""));
    assert_non_null(strstr(bodies[1], "\"reportingController\":\"other\""));
    assert_non_null(strstr(bodies[1], "\"reportingInstance\":\"other-host\""));
    assert_non_null(strstr(fake.log[1], "POST "));
    assert_non_null(strstr(fake.log[2], "PATCH "));
    free_bodies();
    end();
}

static void test_events_give_way(void **state)
{
    char name[16];

    (void)state;
    begin(records, 8);
    sy_actions_bind(actions, 1, "ns", "p", "u1", "n1", NULL);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        sy_actions_event(actions, "Normal", "Scheduled", "Binding", "ns", name, "u", "note");
    }
    /* One is on its way beside the bind, eight wait, three were dropped. */
    assert_int_equal(sy_actions_stats(actions)->events_sent, 1);
    assert_int_equal(sy_actions_stats(actions)->events_dropped, 3);
    run();
    assert_int_equal(sy_actions_stats(actions)->events_sent, 9);
    sy_actions_bind(actions, 2, "ns", "p", "u1", "n1", NULL);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        sy_actions_event(actions, "Normal", "Scheduled", "Binding", "ns", name, "u", "note");
    }
    sy_actions_drain(actions);
    assert_int_equal(sy_actions_stats(actions)->events_dropped, 3 + 3 + 8);
    run();
    assert_int_equal(sy_actions_stats(actions)->events_sent, 10);
    assert_outcomes("1:OK 2:OK");
    free_bodies();
    end();
}

static void test_pause(void **state)
{
    (void)state;
    begin(records, 0);
    sy_actions_pause(actions, true);
    sy_actions_bind(actions, 1, "ns", "p", "u1", "n1", NULL);
    sy_actions_condition(actions, "ns", "q", "u2", "Unschedulable", "m", NULL, 0);
    failed_scheduling("no room");
    run_for_ms(50);
    assert_outcomes("1:REFUSED");
    assert_int_equal(last_error.code, -ECANCELED);
    assert_int_equal(fake.requests, 0);
    assert_false(sy_actions_is_idle(actions));
    sy_actions_pause(actions, false);
    run();
    assert_int_equal(fake.requests, 2);
    free_bodies();
    end();
}

/* ---- preemption ---------------------------------------------------------------------------------
 */

static bool evicts_by_name(struct fake *f, int fd, unsigned n, const char *method,
                           const char *target, const char *head, const char *body)
{
    bool is_patch = strcmp(method, "PATCH") == 0;

    if (!is_patch && strcmp(method, "DELETE") != 0)
        return false;
    (void)head;
    if (n < SY_ARRAY_LEN(bodies))
        bodies[n] = strdup(body);
    if (strstr(target, "/pods/gone"))
        return fake_reply(fd, 404, "", STATUS(404, "NotFound"));
    if (strstr(target, "/pods/other"))
        return is_patch ? fake_reply(fd, 200, "", "{}")
                        : fake_reply(fd, 409, "", STATUS(409, "Conflict"));
    if (strstr(target, "/pods/unmarked"))
        return fake_reply(fd, 403, "", STATUS(403, "Forbidden"));
    if (strstr(target, "/pods/undeleted"))
        return is_patch ? fake_reply(fd, 200, "", "{}")
                        : fake_reply(fd, 403, "", STATUS(403, "Forbidden"));
    if (strstr(target, "/pods/busy"))
        return atomic_fetch_add(&f->stage, 1) == 0
                   ? fake_reply(fd, 429, "Retry-After: 1\r\n", STATUS(429, "TooManyRequests"))
                   : fake_reply(fd, 200, "", "{}");
    return fake_reply(fd, 200, "", "{}");
}

static void test_events_give_way_to_evictions(void **state)
{
    char name[16];

    (void)state;
    begin(records, 0);
    sy_actions_preempt(actions, "ns", "p", "u1", "why", 0);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        sy_actions_event(actions, "Normal", "Preempted", "Preempting", "ns", name, "u", "note");
    }
    assert_int_equal(sy_actions_stats(actions)->events_sent, 1);
    run();
    assert_int_equal(sy_actions_stats(actions)->events_sent, 12);
    assert_int_equal(sy_actions_stats(actions)->evictions_done, 1);
    free_bodies();
    end();
}

static void test_preempt(void **state)
{
    (void)state;
    begin(evicts_by_name, 0);
    sy_actions_preempt(actions, "ns", "p", "u1", "why", 0);
    assert_false(sy_actions_is_idle(actions));
    run();
    assert_int_equal(fake.requests, 2);
    assert_string_equal(fake.log[0], "PATCH /api/v1/namespaces/ns/pods/p/status");
    assert_string_equal(fake.log[1], "DELETE /api/v1/namespaces/ns/pods/p");
    assert_non_null(strstr(bodies[0], "\"type\":\"DisruptionTarget\",\"status\":\"True\""));
    assert_non_null(strstr(bodies[0], "\"message\":\"why\""));
    assert_non_null(strstr(bodies[1], "\"preconditions\":{\"uid\":\"u1\"}"));
    /* Gone, or another pod of that name: nothing is left to do. */
    sy_actions_preempt(actions, "ns", "gone", "u2", "why", 0);
    run();
    assert_int_equal(fake.requests, 3);
    sy_actions_preempt(actions, "ns", "other", "u3", "why", 0);
    sy_actions_preempt(actions, "ns", "busy", "u4", "why", 0);
    run();
    assert_int_equal(fake.requests, 8);
    assert_int_equal(spared.len, 0);
    assert_int_equal(sy_actions_stats(actions)->evictions_done, 4);
    /* Not marked is not deleted. */
    sy_actions_preempt(actions, "ns", "unmarked", "u5", "why", 0);
    run();
    assert_int_equal(fake.requests, 9);
    assert_string_equal(spared.p, "u5");
    sy_actions_preempt(actions, "ns", "undeleted", "u6", "why", 0);
    run();
    assert_string_equal(spared.p, "u5 u6");
    assert_int_equal(last_error.code, -EPERM);
    assert_int_equal(sy_actions_stats(actions)->eviction_errors, 2);
    free_bodies();
    end();
}

static bool answers_evictions(struct fake *f SY_UNUSED, int fd, unsigned n, const char *method,
                              const char *target, const char *head SY_UNUSED, const char *body)
{
    if (n < SY_ARRAY_LEN(bodies))
        bodies[n] = strdup(body);
    if (strcmp(method, "POST") == 0 && strstr(target, "/pods/guarded/"))
        return fake_reply(fd, 429, "Retry-After: 7\r\n", STATUS(429, "TooManyRequests"));
    if (strcmp(method, "POST") == 0 && strstr(target, "/pods/other/"))
        return fake_reply(fd, 409, "", STATUS(409, "Conflict"));
    return fake_reply(fd, 200, "", "{}");
}

static void test_evict(void **state)
{
    (void)state;
    begin(answers_evictions, 0);
    sy_actions_evict(actions, SY_EVICT_BUDGETED, "ns", "p", "u1", "why", 0);
    run();
    assert_int_equal(fake.requests, 1);
    assert_string_equal(fake.log[0], "POST /api/v1/namespaces/ns/pods/p/eviction");
    assert_string_equal(bodies[0], "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\","
                                   "\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\"},"
                                   "\"deleteOptions\":{\"preconditions\":{\"uid\":\"u1\"}}}");
    sy_actions_evict(actions, SY_EVICT_BUDGETED, "ns", "other", "u2", "why", 0);
    run();
    assert_int_equal(sy_actions_stats(actions)->evictions_done, 2);
    /* A budget says no: once, and when to ask again. */
    sy_actions_evict(actions, SY_EVICT_BUDGETED, "ns", "guarded", "u3", "why", 0);
    run();
    assert_int_equal(fake.requests, 3);
    assert_string_equal(spared.p, "u3");
    assert_int_equal(last_error.http_status, 429);
    assert_int_equal(last_error.retry_after_ms, 7000);
    free_bodies();
    end();
}

static void test_evict_by_force(void **state)
{
    (void)state;
    begin(answers_evictions, 0);
    sy_actions_evict(actions, SY_EVICT_FORCE, "ns", "p", "u1", "why", 0);
    run();
    assert_int_equal(fake.requests, 2);
    assert_string_equal(fake.log[0], "PATCH /api/v1/namespaces/ns/pods/p/status");
    assert_string_equal(fake.log[1], "DELETE /api/v1/namespaces/ns/pods/p");
    assert_non_null(strstr(bodies[0],
                           "{\"metadata\":{\"uid\":\"u1\"},\"status\":{\"phase\":\"Failed\","
                           "\"conditions\":[{\"type\":\"DisruptionTarget\""));
    assert_non_null(strstr(bodies[0], "\"reason\":\"NodeFailed\""));
    assert_non_null(strstr(bodies[1], "\"gracePeriodSeconds\":0,"));
    assert_non_null(strstr(bodies[1], "\"preconditions\":{\"uid\":\"u1\"}"));
    free_bodies();
    end();
}

static void test_preempt_paused(void **state)
{
    (void)state;
    begin(records, 0);
    sy_actions_preempt(actions, "ns", "p", "u1", "why", 0);
    run_for_ms(30);
    sy_actions_pause(actions, true); /* between the two steps */
    sy_actions_preempt(actions, "ns", "q", "u2", "why", 0);
    assert_int_equal(spared.len, 0);
    run();
    assert_string_equal(spared.p, "u2 u1");
    assert_int_equal(last_error.code, -ECANCELED);
    assert_int_equal(fake.requests, 1);
    sy_actions_pause(actions, false);
    /* More than go side by side: all are done. */
    for (int i = 0; i < 40; i++)
        sy_actions_preempt(actions, "ns", "p", "u1", "why", 0);
    run();
    assert_int_equal(fake.requests, 1 + 2 * 40);
    assert_int_equal(sy_actions_stats(actions)->evictions_done, 40);
    free_bodies();
    end();
}

static void test_free_early(void **state)
{
    (void)state;
    begin(records, 0);
    sy_actions_bind(actions, 1, "ns", "p", "u1", "n1", NULL);
    sy_actions_condition(actions, "ns", "q", "u2", "Unschedulable", "m", NULL, 0);
    failed_scheduling("no room");
    run_for_ms(30);
    sy_actions_condition(actions, "ns", "q", "u2", "Unschedulable", "n", NULL, 0);
    sy_actions_bind(actions, 2, "ns", "q", "u2", "n1", NULL); /* held by the condition */
    for (int i = 0; i < 20; i++)
        sy_actions_preempt(actions, "ns", "p", "u3", "why", 0);
    run_for_ms(30);
    end();
    free_bodies();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_answer),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_conditions),      cmocka_unit_test(test_condition_then_bind),
        cmocka_unit_test(test_event_series),    cmocka_unit_test(test_event_reporters),
        cmocka_unit_test(test_events_give_way), cmocka_unit_test(test_pause),
        cmocka_unit_test(test_free_early),      cmocka_unit_test(test_preempt),
        cmocka_unit_test(test_evict),           cmocka_unit_test(test_evict_by_force),
        cmocka_unit_test(test_preempt_paused),  cmocka_unit_test(test_events_give_way_to_evictions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
