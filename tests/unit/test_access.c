/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is let in: only whom the API server knows and allows, for a few seconds without asking again;
 * every other outcome is a no. The API server is a thread that answers what each test says. */
#include "app/access.h"

#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"

static struct fake fake;
static struct fake_client client;
static struct sy_access *access_;

/* What the API server says, by the test; %s of nothing. NULL: closes the connection. */
static const char *_Atomic review_answer, *_Atomic subject_answer;
static atomic_int review_status, subject_status;
/* Written before the answer, read after it; the lock is for connections that are answered at once.
 */
static char last_review[4096], last_subject[4096];

static const char KNOWN[] =
    "{\"kind\":\"TokenReview\",\"status\":{\"authenticated\":true,\"user\":{\"username\":\"jane\","
    "\"uid\":\"u-1\",\"groups\":[\"dev\",\"system:authenticated\"],"
    "\"extra\":{\"a.b/c\":[\"x\",\"y\"]}}}}";
static const char UNKNOWN[] = "{\"status\":{\"authenticated\":false,\"error\":\"no such token\"}}";
static const char ALLOWED[] = "{\"status\":{\"allowed\":true,\"reason\":\"RBAC: allowed by x\"}}";
static const char REFUSED[] = "{\"status\":{\"allowed\":false,\"reason\":\"no rule for it\"}}";

static bool api(struct fake *f, int fd, unsigned n SY_UNUSED, const char *method,
                const char *target, const char *head SY_UNUSED, const char *body)
{
    bool is_review = strcmp(target, "/apis/authentication.k8s.io/v1/tokenreviews") == 0;
    bool is_subject = strcmp(target, "/apis/authorization.k8s.io/v1/subjectaccessreviews") == 0;

    if (strcmp(method, "POST") != 0 || (!is_review && !is_subject))
        return fake_reply(fd, 404, "", "{}");
    pthread_mutex_lock(&f->lock);
    snprintf(is_review ? last_review : last_subject, sizeof(last_review), "%s", body);
    pthread_mutex_unlock(&f->lock);
    const char *answer = is_review ? review_answer : subject_answer;
    if (!answer)
        return false;
    /* In one piece: a second one would wait for the first one's acknowledgement. */
    fake_writef(fd,
                "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                is_review ? review_status : subject_status, strlen(answer), answer);
    return true;
}

static int setup(void **state SY_UNUSED)
{
    sy_log_configure(SY_LOG_ERROR, false);
    review_answer = KNOWN;
    subject_answer = ALLOWED;
    review_status = subject_status = 201;
    last_review[0] = last_subject[0] = '\0';
    fake_start(&fake, api, 0);
    fake_client_start(&client, fake.port, NULL, NULL);
    access_ = sy_access_new(client.k);
    return 0;
}

static int teardown(void **state SY_UNUSED)
{
    sy_access_free(access_);
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    return 0;
}

struct verdict {
    int status;
    int calls;
    char why[512];
};

static void on_verdict(void *arg, int status, const char *why)
{
    struct verdict *v = arg;

    v->status = status;
    v->calls++;
    snprintf(v->why, sizeof(v->why), "%s", why);
    sy_loop_stop(client.loop);
}

static struct verdict ask(const char *token, const char *path)
{
    struct verdict v = {0};

    sy_access_check(access_, token, path, on_verdict, &v);
    if (!v.calls)
        assert_true(fake_client_run(&client, 20));
    else
        assert_true(sy_loop_run(client.loop, NULL) == 0); /* the stop that is pending */
    assert_int_equal(v.calls, 1);
    return v;
}

static unsigned requests(void)
{
    return atomic_load(&fake.requests);
}

static void the_user_is_reviewed_as_the_token_says(void **state SY_UNUSED)
{
    struct verdict v = ask("s3cret", "/steelyard/v1/nodes");

    assert_int_equal(v.status, 200);
    assert_non_null(strstr(last_review, "\"kind\":\"TokenReview\""));
    assert_non_null(strstr(last_review, "\"spec\":{\"token\":\"s3cret\"}"));
    assert_non_null(strstr(last_subject, "\"user\":\"jane\",\"uid\":\"u-1\""));
    assert_non_null(strstr(last_subject, "\"groups\":[\"dev\",\"system:authenticated\"]"));
    assert_non_null(strstr(last_subject, "\"extra\":{\"a.b\\/c\":[\"x\",\"y\"]}"));
    assert_non_null(strstr(last_subject,
                           "\"nonResourceAttributes\":{\"path\":\"/steelyard/v1/nodes\","
                           "\"verb\":\"get\"}"));
    assert_null(strstr(last_subject, "s3cret"));
    assert_int_equal(requests(), 2);
}

static void answers_hold_for_their_token_and_path_alone(void **state SY_UNUSED)
{
    assert_int_equal(ask("a", "/p").status, 200);
    assert_int_equal(ask("a", "/p").status, 200);
    assert_int_equal(requests(), 2);
    subject_answer = REFUSED;
    assert_int_equal(ask("a", "/q").status, 403);
    assert_int_equal(ask("b", "/p").status, 403);
    assert_int_equal(ask("a", "/p").status, 200); /* still known */
    assert_int_equal(ask("b", "/p").status, 403);
    assert_int_equal(requests(), 6);
    const struct sy_access_figures *f = sy_access_figures(access_);
    assert_int_equal(f->allowed, 3);
    assert_int_equal(f->denied, 3);
    assert_int_equal(f->from_memory, 3);
}

static void the_refusal_says_why(void **state SY_UNUSED)
{
    review_answer = UNKNOWN;
    struct verdict v = ask("nobody's", "/p");
    assert_int_equal(v.status, 401);
    assert_int_equal(requests(), 1);
    review_answer = KNOWN;
    subject_answer = REFUSED;
    v = ask("jane's", "/p");
    assert_int_equal(v.status, 403);
    assert_string_equal(v.why, "you may not get /p: no rule for it");
}

/* Whatever is not a clear yes is a no, and is asked again the next time. */
static void without_a_clear_answer_nobody_gets_in(void **state SY_UNUSED)
{
    static const char *const UNCLEAR[] = {
        "",
        "{}",
        "[]",
        "{\"status\":true}",
        "{\"status\":{\"authenticated\":true}}",
        "{\"status\":{\"authenticated\":true,\"user\":{\"groups\":[\"system:masters\"]}}}",
        "{\"status\":{\"authenticated\":true,\"user\":{\"username\":\"\"}}}",
        "{\"status\":{\"authenticated\":true,\"user\":\"jane\"}}",
        "{\"status\":{\"allowed\":true}",
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(UNCLEAR); i++) {
        review_answer = UNCLEAR[i];
        int status = ask("t", "/p").status;
        if (status != 503 && status != 401)
            fail_msg("\"%s\" gave %d", UNCLEAR[i], status);
        if (status == 401)
            fail_msg("\"%s\" was taken for a no", UNCLEAR[i]);
    }
    review_answer = "{\"status\":{\"authenticated\":\"true\",\"user\":{\"username\":\"jane\"}}}";
    assert_int_equal(ask("t0", "/p").status, 401);
    review_answer = KNOWN;
    static const char *const NO_YES[] = {
        "{\"status\":{\"allowed\":\"true\"}}",
        "{\"status\":{\"allowed\":true,\"denied\":true}}",
        "{\"status\":{}}",
        "{\"status\":{\"allowed\":1}}",
    };
    for (size_t i = 0; i < SY_ARRAY_LEN(NO_YES); i++) {
        char path[16];
        subject_answer = NO_YES[i];
        snprintf(path, sizeof(path), "/%zu", i);
        assert_int_equal(ask("t", path).status, 403);
    }
    review_status = 403;
    assert_int_equal(ask("t2", "/p").status, 503);
    review_status = 201;
    subject_answer = NULL;
    assert_int_equal(ask("t3", "/p").status, 503);
    subject_answer = ALLOWED;
    subject_status = 500;
    assert_int_equal(ask("t3", "/p").status, 503);
    subject_status = 201;
    assert_int_equal(ask("t3", "/p").status, 200);
}

static void tokens_may_be_any_text(void **state SY_UNUSED)
{
    assert_int_equal(ask("a\"},\"x\":{\"", "/p").status, 200);
    assert_non_null(strstr(last_review, "\"token\":\"a\\\"},\\\"x\\\":{\\\"\""));
}

static void many_at_once_are_told_to_come_again(void **state SY_UNUSED)
{
    struct verdict all[SY_ACCESS_UNDER_WAY_MAX + 1] = {0};
    char token[16];

    for (int i = 0; i <= SY_ACCESS_UNDER_WAY_MAX; i++) {
        snprintf(token, sizeof(token), "t%d", i);
        sy_access_check(access_, token, "/p", on_verdict, &all[i]);
    }
    assert_int_equal(all[SY_ACCESS_UNDER_WAY_MAX].status, 429);
    assert_int_equal(all[0].calls, 0);
    /* Ended with the object: all others are told too. */
    sy_access_free(access_);
    access_ = NULL;
    for (int i = 0; i < SY_ACCESS_UNDER_WAY_MAX; i++) {
        assert_int_equal(all[i].status, 503);
        assert_int_equal(all[i].calls, 1);
    }
}

static void more_answers_than_are_kept(void **state SY_UNUSED)
{
    char token[16];

    for (int i = 0; i < SY_ACCESS_KEPT_MAX + 10; i++) {
        snprintf(token, sizeof(token), "t%d", i);
        assert_int_equal(ask(token, "/p").status, 200);
    }
    unsigned before = requests();
    assert_int_equal(ask(token, "/p").status, 200);
    assert_int_equal(requests(), before);
    assert_int_equal(ask("t0", "/p").status, 200); /* had to go */
    assert_int_equal(requests(), before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_user_is_reviewed_as_the_token_says, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_hold_for_their_token_and_path_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_refusal_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_clear_answer_nobody_gets_in, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_may_be_any_text, setup, teardown),
        cmocka_unit_test_setup_teardown(many_at_once_are_told_to_come_again, setup, teardown),
        cmocka_unit_test_setup_teardown(more_answers_than_are_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
