/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd.h"
#include "kube/auth.h"
#include "kube/json.h"
#include "net/http.h"

enum { TIMEOUT_MS = 20000, ANSWER_MAX_BYTES = 64 << 20, CA_MAX_BYTES = 1 << 20, DEPTH = 32 };

static const char DEFAULT_SERVER[] = "https://127.0.0.1:" SY_DEFAULT_PORT_TEXT;

/* Takes one flag. Returns false when it is not ask's, or its value is wrong (then *ret_wrong says
 * what). */
static bool ask_flag(struct ask *ask, int flag, const char *value, const char **ret_wrong)
{
    *ret_wrong = NULL;
    switch (flag) {
    case 'o':
        ask->as_json = true;
        if (strcmp(value, "json") != 0)
            *ret_wrong = "the one output to choose is json";
        return !*ret_wrong;
    case ASK_FLAG_FIRST:
        ask->server = value;
        return true;
    case ASK_FLAG_FIRST + 1:
        ask->kubeconfig = value;
        return true;
    case ASK_FLAG_FIRST + 2:
        ask->context = value;
        return true;
    case ASK_FLAG_FIRST + 3:
        ask->token = value;
        return true;
    case ASK_FLAG_FIRST + 4:
        ask->ca_file = value;
        return true;
    case ASK_FLAG_FIRST + 5:
        ask->insecure = true;
        return true;
    default:
        return false;
    }
}

int ask_flags(struct ask *ask, int argc, char **argv, const struct option *flags,
              const char *command, const char *usage, const char **own)
{
    const char *wrong;

    for (int c; (c = cmd_next_flag(argc, argv, flags, command)) != -1;) {
        if (c == 'h') {
            fputs(usage, stdout);
            return CMD_OK;
        }
        if (c == '?')
            return CMD_USAGE;
        if (own && c < ASK_OWN_FLAGS)
            own[c] = optarg;
        else if (!ask_flag(ask, c, optarg, &wrong))
            return cmd_usage_error(command, "%s", wrong);
    }
    return -1;
}

void ask_encode(struct sy_buf *path, const char *text)
{
    static const char PLAIN[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (const char *p = text; *p; p++) {
        if (strchr(PLAIN, *p))
            sy_buf_addc(path, *p);
        else
            sy_buf_addf(path, "%%%02X", (unsigned char)*p);
    }
}

/* ---- values of an answer ---- */

struct json_object *ask_get_object(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    return o && json_object_is_type(o, json_type_object) &&
                   json_object_object_get_ex(o, key, &value)
               ? value
               : NULL;
}

const char *ask_text(struct json_object *o, const char *key)
{
    struct json_object *value = ask_get_object(o, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

double ask_number(struct json_object *o, const char *key)
{
    return json_object_get_double(ask_get_object(o, key));
}

size_t ask_len(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* ---- the request ---- */

struct request {
    const struct ask *ask;
    const char *command;
    const char *server;
    struct sy_loop *loop;
    struct sy_buf *body;
    struct json_object **ret;
    int status;
};

static int fail(const struct request *q, const char *what, const char *hint)
{
    fprintf(stderr, "%s: %s%s%s\n", q->command, what, *hint ? ": " : "", hint);
    return CMD_FAILED;
}

static int explain_refusal(const struct request *q, int http_status, struct sy_str body)
{
    struct json_object *status = sy_json_read(body, DEPTH, ANSWER_MAX_BYTES);
    const char *message = ask_text(status, "message");
    char what[1200];

    snprintf(what, sizeof(what), "%.1000s", *message ? message : "the answer is no steelyard's");
    const char *hint = http_status == 401 ? "the scheduler refused the token (401)"
                       : http_status == 403
                           ? "403; the role needs nonResourceURLs: [/steelyard/v1/*], verbs: [get]"
                       : http_status == 404 ? ""
                                            : q->server;
    int r = fail(q, what, hint);
    json_object_put(status);
    return r;
}

static void on_done(void *arg, const struct sy_http_result *result)
{
    struct request *q = arg;
    char what[1200];

    if (result->code) {
        snprintf(what, sizeof(what), "cannot reach the scheduler at %.300s: %.700s", q->server,
                 result->error);
        q->status = fail(q, what,
                         result->code == -EKEYREJECTED
                             ? "give --certificate-authority or --insecure-skip-tls-verify"
                             : "is it running? `kubectl port-forward` or --server may help");
    } else if (result->http_status != 200) {
        q->status = explain_refusal(q, result->http_status, result->body);
    } else if (!(*q->ret = sy_json_read(result->body, DEPTH, ANSWER_MAX_BYTES))) {
        q->status = fail(q, "the answer is no JSON object", q->server);
    } else {
        sy_buf_add(q->body, result->body.p, result->body.len);
        q->status = CMD_OK;
    }
    sy_loop_stop(q->loop);
}

/* Whether a URL's host is this machine by its very address. */
static bool is_local(const char *url)
{
    const char *host = strstr(url, "://");
    struct sy_str rest = sy_str_from(host ? host + 3 : url);

    rest.len = strcspn(rest.p, "/");
    return sy_str_starts(rest, SY_STR("127.")) || sy_str_starts(rest, SY_STR("localhost:")) ||
           sy_str_starts(rest, SY_STR("[::1]")) || sy_str_eqz(rest, "localhost");
}

/* Who we are, of the kubeconfig; where, of the flags. */
static int credentials(const struct request *q, struct sy_kubeconfig *ret, struct sy_err *err)
{
    int r = 0;

    *ret = (struct sy_kubeconfig){0};
    if (!q->ask->token)
        r = sy_kubeconfig_load(q->ask->kubeconfig, q->ask->context, ret, err);
    if (r)
        return sy_err_wrap(err, r, "no token: --token gives one, or a kubeconfig");
    if (q->ask->token)
        ret->token = sy_xstrdup(q->ask->token);
    if (!ret->token && !ret->token_path && !ret->exec)
        return sy_err_set(err, -EACCES,
                          "the kubeconfig's user has no token, and the scheduler takes no other "
                          "proof: give --token \"$(kubectl create token NAME)\"");
    if (ret->impersonate)
        return sy_err_set(err, -EINVAL,
                          "the kubeconfig's user impersonates another, which the "
                          "scheduler cannot check: give --token");
    free(ret->server);
    ret->server = sy_xstrdup(q->server);
    return 0;
}

static int start(struct request *q, const char *path, struct sy_auth **auth, struct sy_http **http,
                 struct sy_err *err)
{
    struct sy_kubeconfig config;
    struct sy_buf ca;

    int r = credentials(q, &config, err);
    if (!r)
        r = sy_auth_new(q->loop, &config, &(struct sy_auth_events){0}, auth, err);
    sy_kubeconfig_done(&config);
    if (r)
        return r;
    sy_buf_init(&ca, CA_MAX_BYTES);
    if (q->ask->ca_file)
        r = sy_file_read(q->ask->ca_file, &ca, err);
    struct sy_http_config settings = {
        .ca_pem = q->ask->ca_file ? ca.p : NULL,
        /* What listens on this machine's own address is not behind a network. */
        .insecure_skip_verify = q->ask->insecure || (!q->ask->ca_file && is_local(q->server)),
        .disable_http2 = true,
    };
    if (!r)
        r = sy_http_new(q->loop, &settings, http, err);
    sy_buf_done(&ca);
    if (r)
        return r;
    char *url = sy_xasprintf("%s%s", q->server, path);
    const char *headers[] = {sy_auth_header(*auth), NULL};
    sy_http_id id;
    r = sy_http_send(*http,
                     &(struct sy_http_request){.method = "GET",
                                               .url = url,
                                               .headers = headers,
                                               .timeout_ms = TIMEOUT_MS,
                                               .max_body_bytes = ANSWER_MAX_BYTES,
                                               .on_done = on_done,
                                               .arg = q},
                     &id, err);
    free(url);
    return r;
}

int ask_get(const struct ask *ask, const char *command, const char *path, struct sy_buf *body,
            struct json_object **ret)
{
    struct request q = {.ask = ask, .command = command, .body = body, .ret = ret};
    struct sy_auth *auth = NULL;
    struct sy_http *http = NULL;
    struct sy_err err = {0};

    q.server = ask->server ? ask->server : DEFAULT_SERVER;
    sy_buf_init(body, ANSWER_MAX_BYTES);
    if (strncmp(q.server, "https://", 8) != 0 &&
        (strncmp(q.server, "http://", 7) != 0 || !is_local(q.server)))
        return cmd_usage_error(command,
                               "--server \"%s\" is no https:// URL, and a token must not "
                               "travel in the clear",
                               q.server);
    q.status = CMD_FAILED;
    int r = sy_loop_new(&q.loop, &err);
    if (!r)
        r = start(&q, path, &auth, &http, &err);
    if (!r)
        r = sy_loop_run(q.loop, &err);
    if (r)
        q.status = fail(&q, sy_err_text(&err, r), "");
    if (http)
        sy_http_free(http);
    sy_auth_free(auth);
    if (q.loop)
        sy_loop_free(q.loop);
    return q.status;
}
