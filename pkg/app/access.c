/* SPDX-License-Identifier: Apache-2.0 */
#include "app/access.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "kube/json.h"

enum { BODY_MAX_BYTES = 256 << 10, WHY_MAX = 512, JSON_DEPTH = 16 };

struct kept {
    uint64_t key[2]; /* of token and path */
    sy_time_ns until_ns;
    int status;
    char why[WHY_MAX];
};

/* One check under way: first the token, then the user. */
struct check {
    struct sy_access *access; /* NULL: abandoned, and answered */
    uint64_t key[2];
    char *path;
    sy_http_id call;
    sy_gate_done_fn *done;
    void *done_arg;
};

struct sy_access {
    struct sy_kube *kube;
    uint64_t hash_key[2];
    struct kept kept[SY_ACCESS_KEPT_MAX];
    SY_VEC(struct check *) checks;
    struct sy_access_figures figures;
};

static void count(struct sy_access *a, int status)
{
    uint64_t *n = status == 200   ? &a->figures.allowed
                  : status == 401 ? &a->figures.unauthenticated
                  : status == 403 ? &a->figures.denied
                                  : &a->figures.failed;
    (*n)++;
}

/* ---- answers that hold for a while ---- */

static void keep(struct sy_access *a, const uint64_t key[2], int status, const char *why)
{
    struct kept *to = &a->kept[0];
    sy_time_ns now = sy_clock_boot_ns();

    for (size_t i = 0; i < SY_ARRAY_LEN(a->kept); i++) {
        struct kept *k = &a->kept[i];
        if (k->key[0] == key[0] && k->key[1] == key[1]) {
            to = k;
            break;
        }
        if (k->until_ns < to->until_ns)
            to = k;
    }
    memcpy(to->key, key, sizeof(to->key));
    to->until_ns = now + (status == 200 ? SY_ACCESS_GOOD_S : SY_ACCESS_BAD_S) * SY_NS_PER_S;
    to->status = status;
    snprintf(to->why, sizeof(to->why), "%s", why);
}

static const struct kept *remembered(const struct sy_access *a, const uint64_t key[2])
{
    sy_time_ns now = sy_clock_boot_ns();

    for (size_t i = 0; i < SY_ARRAY_LEN(a->kept); i++) {
        const struct kept *k = &a->kept[i];
        if (k->until_ns > now && k->key[0] == key[0] && k->key[1] == key[1])
            return k;
    }
    return NULL;
}

/* The hash's key is random, so nobody can make two tokens meet. */
static void key_of(const struct sy_access *a, const char *token, const char *path, uint64_t ret[2])
{
    uint64_t of_path[2];

    sy_siphash128(token, strlen(token), a->hash_key, ret);
    sy_siphash128(path, strlen(path), a->hash_key, of_path);
    ret[0] ^= sy_hash_u64(of_path[0]);
    ret[1] ^= sy_hash_u64(of_path[1]);
}

/* ---- the two reviews ---- */

static void check_free(struct check *c)
{
    free(c->path);
    free(c);
}

/* Only what was said for certain is kept: a server that cannot be asked may be there again soon. */
static void end_check(struct check *c, int status, const char *why)
{
    struct sy_access *a = c->access;
    size_t at = 0;

    if (status == 200 || status == 401 || status == 403)
        keep(a, c->key, status, why);
    count(a, status);
    while (a->checks.p[at] != c)
        at++;
    sy_vec_swap_remove(&a->checks, at);
    c->done(c->done_arg, status, why);
    check_free(c);
}

static void end_without_answer(struct check *c, const struct sy_err *err, int code)
{
    if (!c->access) {
        check_free(c);
        return;
    }
    sy_log_warn("cannot check who asks", "error", sy_err_text(err, code), "hint",
                "`steelyard run --help` lists the permissions that it needs");
    end_check(c, 503, "the API server could not be asked who you are and what you may do");
}

static const char *text_at(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

static bool is_true(struct json_object *o, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(o, key, &value) &&
           json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* The answer as an object with a `status`, to be put by the caller; NULL when it is none. */
static struct json_object *parse_review(struct sy_str body, struct json_object **ret_status)
{
    struct json_object *o = sy_json_read(body, JSON_DEPTH, BODY_MAX_BYTES - 1);

    if (o && json_object_object_get_ex(o, "status", ret_status) &&
        json_object_is_type(*ret_status, json_type_object))
        return o;
    json_object_put(o);
    return NULL;
}

static void post(struct check *c, const char *path, struct sy_buf *body, sy_kube_done_fn *on_done)
{
    struct sy_kube_call call = {
        .method = "POST",
        .path = path,
        .body = sy_buf_str(body),
        .timeout_ms = SY_ACCESS_TIMEOUT_MS,
        .retry = SY_RETRY_NONE,
        .is_unfenced = true, /* it asks, and writes nothing */
        .on_done = on_done,
        .arg = c,
    };
    struct sy_err err = {0};

    int r = body->failed ? sy_err_set(&err, body->failed, "the request does not fit")
                         : sy_kube_send(c->access->kube, &call, &c->call, &err);
    if (r)
        end_without_answer(c, &err, r);
}

static void on_subject_review(void *arg, const struct sy_kube_result *result)
{
    struct check *c = arg;
    struct json_object *status = NULL;
    char why[WHY_MAX];

    if (result->code || !c->access) {
        end_without_answer(c, result->err, result->code);
        return;
    }
    struct json_object *review = parse_review(result->body, &status);
    if (review && is_true(status, "allowed") && !is_true(status, "denied")) {
        end_check(c, 200, "");
    } else if (review) {
        const char *reason = text_at(status, "reason");
        snprintf(why, sizeof(why), "you may not get %s%s%.300s", c->path, *reason ? ": " : "",
                 reason);
        end_check(c, 403, why);
    } else {
        end_without_answer(c, NULL, -EPROTO);
    }
    json_object_put(review);
}

/* The lists of the user go over as they came: groups as they are, extra too. */
static void copy_json(struct sy_json *j, const char *key, struct json_object *user,
                      const char *from, enum json_type type)
{
    struct json_object *value;

    if (!json_object_object_get_ex(user, from, &value) || !json_object_is_type(value, type))
        return;
    const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
    sy_buf_addf(j->out, "%s\"%s\":", j->has_before ? "," : "", key);
    sy_buf_adds(j->out, text ? text : "null");
    j->has_before = true;
}

static void review_subject(struct check *c, struct json_object *user)
{
    struct sy_buf body;

    sy_buf_init(&body, BODY_MAX_BYTES);
    struct sy_json j = {.out = &body};
    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "authorization.k8s.io/v1");
    sy_json_text(&j, "kind", "SubjectAccessReview");
    sy_json_object(&j, "spec");
    sy_json_text(&j, "user", text_at(user, "username"));
    sy_json_text(&j, "uid", text_at(user, "uid"));
    copy_json(&j, "groups", user, "groups", json_type_array);
    copy_json(&j, "extra", user, "extra", json_type_object);
    sy_json_object(&j, "nonResourceAttributes");
    sy_json_text(&j, "path", c->path);
    sy_json_text(&j, "verb", "get");
    sy_json_end_object(&j);
    sy_json_end_object(&j);
    sy_json_end_object(&j);
    post(c, "/apis/authorization.k8s.io/v1/subjectaccessreviews", &body, on_subject_review);
    sy_buf_done(&body);
}

static void on_token_review(void *arg, const struct sy_kube_result *result)
{
    struct check *c = arg;
    struct json_object *status = NULL, *user = NULL;

    if (result->code || !c->access) {
        end_without_answer(c, result->err, result->code);
        return;
    }
    struct json_object *review = parse_review(result->body, &status);
    if (!review)
        end_without_answer(c, NULL, -EPROTO);
    else if (!is_true(status, "authenticated"))
        end_check(c, 401, "the API server does not know this token");
    else if (!json_object_object_get_ex(status, "user", &user) ||
             !json_object_is_type(user, json_type_object) || !*text_at(user, "username"))
        end_without_answer(c, NULL, -EPROTO);
    else
        review_subject(c, user);
    json_object_put(review);
}

static void review_token(struct check *c, const char *token)
{
    struct sy_buf body;

    sy_buf_init(&body, BODY_MAX_BYTES);
    struct sy_json j = {.out = &body};
    sy_json_object(&j, NULL);
    sy_json_text(&j, "apiVersion", "authentication.k8s.io/v1");
    sy_json_text(&j, "kind", "TokenReview");
    sy_json_object(&j, "spec");
    sy_json_text(&j, "token", token);
    sy_json_end_object(&j);
    sy_json_end_object(&j);
    post(c, "/apis/authentication.k8s.io/v1/tokenreviews", &body, on_token_review);
    if (body.p)
        explicit_bzero(body.p, body.len);
    sy_buf_done(&body);
}

void sy_access_check(void *arg, const char *token, const char *path, sy_gate_done_fn *done,
                     void *done_arg)
{
    struct sy_access *a = arg;
    uint64_t key[2];

    key_of(a, token, path, key);
    const struct kept *k = remembered(a, key);
    if (k) {
        a->figures.from_memory++;
        count(a, k->status);
        done(done_arg, k->status, k->why);
        return;
    }
    if (a->checks.len >= SY_ACCESS_UNDER_WAY_MAX) {
        count(a, 429);
        done(done_arg, 429, "too many requests are being checked: try again");
        return;
    }
    struct check *c = sy_xcalloc(1, sizeof(*c));
    *c = (struct check){.access = a, .done = done, .done_arg = done_arg};
    memcpy(c->key, key, sizeof(key));
    c->path = sy_xstrdup(path);
    sy_vec_push(&a->checks, c);
    review_token(c, token);
}

struct sy_access *sy_access_new(struct sy_kube *kube)
{
    struct sy_access *a = sy_xcalloc(1, sizeof(*a));

    a->kube = kube;
    a->hash_key[0] = sy_rng_entropy();
    a->hash_key[1] = sy_rng_entropy();
    return a;
}

void sy_access_free(struct sy_access *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->checks.len; i++) {
        struct check *c = a->checks.p[i];
        c->access = NULL; /* what comes of its call only frees it */
        c->done(c->done_arg, 503, "shutting down");
        sy_kube_cancel(a->kube, c->call);
    }
    sy_vec_done(&a->checks);
    free(a);
}

const struct sy_access_figures *sy_access_figures(const struct sy_access *a)
{
    return &a->figures;
}
