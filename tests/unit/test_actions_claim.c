/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes to resource claims against a server that refuses, breaks and loses answers: what is sent
 * until it is certain whether a write has landed, and what is told then. */
#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/actions.h"

enum { LOST = 1, SCRIPT_MAX = 12, HEARD_MAX = 4096 };

/* The answers to come, in order; a lost one closes the connection. What was asked beyond them is
 * answered with 418, which nothing expects. */
static struct {
    atomic_int answers[SCRIPT_MAX];
    atomic_uint next;
    pthread_mutex_t lock;
    char heard[HEARD_MAX]; /* "METHOD target; ..." */
    char body[HEARD_MAX];  /* of the last request that had one */
} script = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct fake fake;
static struct fake_client client;
static struct sy_actions *actions;
static struct sy_strings *strings;
static struct sy_timer *poll_timer;
static char told[256]; /* "7:WRITTEN{\"a\":1}" */
static int told_code;

#define CLAIM "{\"kind\":\"ResourceClaim\"}"

static bool play(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                 const char *head, const char *body)
{
    unsigned i = atomic_fetch_add(&script.next, 1);
    int status = i < SCRIPT_MAX ? atomic_load(&script.answers[i]) : 0;

    (void)f, (void)n, (void)head;
    pthread_mutex_lock(&script.lock);
    size_t len = strlen(script.heard);
    snprintf(script.heard + len, HEARD_MAX - len, "%s%s %s", len ? "; " : "", method, target);
    if (*body)
        snprintf(script.body, HEARD_MAX, "%s", body);
    pthread_mutex_unlock(&script.lock);
    if (status == LOST)
        return false;
    if (status == 200)
        return fake_reply(fd, 200, "", CLAIM);
    return fake_reply(fd, status ? status : 418, "",
                      "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\"}");
}

static void on_claim(void *arg, uint64_t ticket, enum sy_claim_outcome outcome,
                     enum sy_encoding enc, struct sy_str raw, const struct sy_err *err)
{
    static const char *const NAMES[] = {"WRITTEN", "CONFLICT", "REFUSED"};
    size_t len = strlen(told);

    (void)arg;
    assert_int_equal(enc, SY_ENCODING_JSON);
    assert_int_equal(outcome == SY_CLAIM_WRITTEN, err == NULL);
    told_code = err ? err->code : 0;
    snprintf(told + len, sizeof(told) - len, "%s%lu:%s" SY_STR_FMT, len ? " " : "", ticket,
             NAMES[outcome], SY_STR_ARG(raw));
}

/* None is made here. */
static void on_bind(void *arg, uint64_t ticket, enum sy_bind_outcome outcome,
                    const struct sy_err *err, int64_t duration_ns)
{
    (void)arg, (void)ticket, (void)outcome, (void)err, (void)duration_ns;
    fail();
}

static void stop_when_idle(void *arg)
{
    (void)arg;
    if (sy_actions_is_idle(actions))
        sy_loop_stop(client.loop);
    else
        sy_timer_arm(poll_timer, SY_NS_PER_MS);
}

static int setup(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct sy_actions_options options = {
        .component = "steelyard",
        .instance = "steelyard-host",
        .bind_timeout_ms = 700,
        .on_bind = on_bind,
        .on_claim = on_claim,
    };
    struct sy_err err;

    (void)state;
    strings = sy_strings_new(KEY);
    fake_start(&fake, play, 0);
    fake_client_start(&client, fake.port, NULL, NULL);
    assert_int_equal(sy_actions_new(client.k, &options, &actions, &err), 0);
    poll_timer = sy_timer_new(client.loop, stop_when_idle, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sy_actions_free(actions);
    sy_timer_free(poll_timer);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    sy_strings_free(strings);
    return 0;
}

/* answers: until 0. */
static void begin(enum sy_claim_write_kind kind, const int *answers)
{
    static const struct sy_device_claim made;
    struct sy_claim_write write = {
        .kind = kind,
        .ns = "ns",
        .name = "c/1",
        .uid = "u1",
        .version = kind == SY_CLAIM_PROTECT ? "5" : NULL,
        .pod = "p",
        .pod_uid = "u2",
        .made = &made,
    };
    bool is_over = false;

    for (int i = 0; i < SCRIPT_MAX; i++) {
        is_over |= !answers[i];
        atomic_store(&script.answers[i], is_over ? 0 : answers[i]);
    }
    atomic_store(&script.next, 0);
    script.heard[0] = script.body[0] = told[0] = 0;
    sy_actions_claim(actions, 7, &write, strings);
    assert_string_equal(told, "");
    assert_false(sy_actions_is_idle(actions));
}

static void run(void)
{
    sy_timer_arm(poll_timer, SY_NS_PER_MS);
    if (!fake_client_run(&client, 20))
        fail_msg("not idle after %s", script.heard);
}

static void assert_heard(const char *text)
{
    pthread_mutex_lock(&script.lock);
    assert_string_equal(script.heard, text);
    pthread_mutex_unlock(&script.lock);
}

#define OF_CLAIMS "/apis/resource.k8s.io/v1/namespaces/ns/resourceclaims"
#define OF_CLAIM  OF_CLAIMS "/c%2F1"
#define OF_POD    "/api/v1/namespaces/ns/pods/p/status"
#define POSTED    "POST " OF_CLAIMS
#define PATCHED   "PATCH " OF_CLAIM
#define READ      "; GET " OF_CLAIM

struct act {
    enum sy_claim_write_kind kind;
    int answers[SCRIPT_MAX];
    const char *told, *heard;
};

static void play_all(const struct act *acts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        begin(acts[i].kind, acts[i].answers);
        run();
        assert_string_equal(told, acts[i].told);
        assert_heard(acts[i].heard);
    }
}

static void test_a_guarded_write(void **state)
{
    static const struct act ACTS[] = {
        {SY_CLAIM_PROTECT, {200}, "7:WRITTEN" CLAIM, PATCHED},
        {SY_CLAIM_RESERVE, {200}, "7:WRITTEN" CLAIM, PATCHED "/status"},
        {SY_CLAIM_PROTECT, {403}, "7:REFUSED", PATCHED},
        {SY_CLAIM_PROTECT, {404}, "7:REFUSED", PATCHED},
        {SY_CLAIM_PROTECT, {422}, "7:REFUSED", PATCHED},
        {SY_CLAIM_PROTECT, {409, 200}, "7:CONFLICT" CLAIM, PATCHED READ},
        {SY_CLAIM_PROTECT, {409, 404}, "7:REFUSED", PATCHED READ},
        /* The server may have carried it out; nothing else is sent until a read has said. */
        {SY_CLAIM_PROTECT, {500, 200}, "7:CONFLICT" CLAIM, PATCHED READ},
        {SY_CLAIM_PROTECT, {500, 503, 403, 200}, "7:CONFLICT" CLAIM, PATCHED READ READ READ},
        {SY_CLAIM_PROTECT, {LOST, 200}, "7:WRITTEN" CLAIM, PATCHED "; " PATCHED},
        {SY_CLAIM_PROTECT, {LOST, 409, 200}, "7:CONFLICT" CLAIM, PATCHED "; " PATCHED READ},
        /* A no to the second says nothing of the first. */
        {SY_CLAIM_PROTECT,
         {LOST, 403, 409, 200},
         "7:CONFLICT" CLAIM,
         PATCHED "; " PATCHED "; " PATCHED READ},
    };

    (void)state;
    play_all(ACTS, SY_ARRAY_LEN(ACTS));
    const struct sy_actions_stats *s = sy_actions_stats(actions);
    assert_int_equal(s->claim_writes, 3);
    assert_int_equal(s->claim_write_errors, 9);
}

static void test_a_creation(void **state)
{
    static const struct act ACTS[] = {
        {SY_CLAIM_CREATE, {200}, "7:WRITTEN" CLAIM, POSTED},
        {SY_CLAIM_CREATE, {403}, "7:REFUSED", POSTED},
        {SY_CLAIM_CREATE, {LOST, 409, 200}, "7:CONFLICT" CLAIM, POSTED "; " POSTED READ},
        {SY_CLAIM_CREATE, {500, 404}, "7:REFUSED", POSTED READ},
        {SY_CLAIM_CREATE, {504, 200}, "7:CONFLICT" CLAIM, POSTED READ},
    };

    (void)state;
    play_all(ACTS, SY_ARRAY_LEN(ACTS));
    assert_non_null(
        strstr(script.body, "\"kind\":\"ResourceClaim\",\"metadata\":{\"name\":\"c/1\""));
}

static void test_the_pod_s_status(void **state)
{
    static const struct act ACTS[] = {
        {SY_CLAIM_TELL_POD, {200}, "7:WRITTEN", "PATCH " OF_POD},
        {SY_CLAIM_TELL_POD, {404}, "7:REFUSED", "PATCH " OF_POD},
        {SY_CLAIM_TELL_POD, {403}, "7:REFUSED", "PATCH " OF_POD},
        {SY_CLAIM_TELL_POD,
         {LOST, 500, 200},
         "7:WRITTEN",
         "PATCH " OF_POD "; PATCH " OF_POD "; PATCH " OF_POD},
        {SY_CLAIM_TELL_POD,
         {409, 500, 503, 409, 500},
         "7:REFUSED",
         "PATCH " OF_POD "; PATCH " OF_POD "; PATCH " OF_POD "; PATCH " OF_POD "; PATCH " OF_POD},
    };

    (void)state;
    play_all(ACTS, SY_ARRAY_LEN(ACTS));
}

static void test_a_deletion(void **state)
{
    static const struct act ACTS[] = {
        {SY_CLAIM_DELETE, {404}, "7:WRITTEN", PATCHED},
        {SY_CLAIM_DELETE, {403}, "7:REFUSED", PATCHED},
        {SY_CLAIM_DELETE, {200, 404}, "7:WRITTEN", PATCHED "; DELETE " OF_CLAIM},
        {SY_CLAIM_DELETE,
         {LOST, 200, 500, LOST, 404},
         "7:WRITTEN",
         PATCHED "; " PATCHED "; DELETE " OF_CLAIM "; DELETE " OF_CLAIM "; DELETE " OF_CLAIM},
        {SY_CLAIM_DELETE, {200, 200}, "7:WRITTEN", PATCHED "; DELETE " OF_CLAIM},
    };

    (void)state;
    play_all(ACTS, SY_ARRAY_LEN(ACTS));
    assert_string_equal(script.body, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                                     "\"preconditions\":{\"uid\":\"u1\"}}");
}

static void test_a_pause(void **state)
{
    static const int ANSWERS[SCRIPT_MAX] = {200};

    (void)state;
    sy_actions_pause(actions, true);
    begin(SY_CLAIM_PROTECT, ANSWERS);
    run();
    assert_string_equal(told, "7:REFUSED");
    assert_int_equal(told_code, -ECANCELED);
    assert_heard("");
    sy_actions_pause(actions, false);
    begin(SY_CLAIM_PROTECT, ANSWERS);
    run();
    assert_string_equal(told, "7:WRITTEN" CLAIM);
}

/* What is under way at the end is told to nobody, and leaks nothing. */
static void test_an_end_in_the_midst(void **state)
{
    static const int ANSWERS[SCRIPT_MAX] = {500, 500};

    (void)state;
    begin(SY_CLAIM_PROTECT, ANSWERS);
    begin(SY_CLAIM_DELETE, ANSWERS);
    assert_false(fake_client_run(&client, 0));
    sy_actions_free(actions);
    actions = NULL;
    assert_string_equal(told, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_guarded_write), CASE(test_a_creation), CASE(test_the_pod_s_status),
        CASE(test_a_deletion),      CASE(test_a_pause),    CASE(test_an_end_in_the_midst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
