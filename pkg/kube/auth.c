/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/auth.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/exec.h"

enum { FILE_MAX = 1024 * 1024, EXEC_TIMEOUT_MS = 60000 };

static const int64_t reread_ns = 60 * SY_NS_PER_S;
static const int64_t exec_step_ns = 20 * SY_NS_PER_MS;
static const int64_t exec_pause_ns = 5 * SY_NS_PER_S;
static const int64_t expiry_leeway_ns = 10 * SY_NS_PER_S;

struct sy_auth {
    struct sy_kubeconfig config;
    struct sy_auth_events events;
    struct sy_loop *loop;
    uint64_t generation;
    uint64_t token_reloads;
    char *header;
    char *ca_pem; /* what the files or the plugin gave; NULL: config's own */
    char *cert_pem;
    char *key_pem;
    struct sy_timer *reread;
    /* Plugin. */
    struct sy_exec_job *job;
    struct sy_timer *job_step;
    bool is_awaited; /* somebody got -EINPROGRESS */
    sy_time_ns job_ended;
    int64_t expires_wall_ns;
};

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

/* out: *ret, NUL-terminated and without NULs inside, to be freed. */
static int read_file(const char *path, char **ret, struct sy_err *err)
{
    struct sy_buf buf;

    sy_buf_init(&buf, FILE_MAX);
    int r = sy_file_read(path, &buf, err);
    if (!r && (!buf.len || memchr(buf.p, 0, buf.len)))
        r = sy_err_set(err, -EINVAL, "%s: %s", path, buf.len ? "holds a NUL byte" : "is empty");
    if (!r)
        *ret = sy_buf_take(&buf);
    if (buf.p)
        explicit_bzero(buf.p, buf.len);
    sy_buf_done(&buf);
    return r;
}

/* Takes *value over if it differs from *slot; frees it otherwise. */
static bool replace(char **slot, char *value)
{
    if (*slot && value && strcmp(*slot, value) == 0) {
        free_secret(value);
        return false;
    }
    free_secret(*slot);
    *slot = value;
    return true;
}

static void set_token(struct sy_auth *a, const char *token)
{
    bool had_one = a->header;

    if (!replace(&a->header, sy_xasprintf("Authorization: Bearer %s", token)))
        return;
    a->generation++;
    if (had_one)
        a->token_reloads++;
}

static int read_token(struct sy_auth *a, struct sy_err *err)
{
    char *token;
    int r = read_file(a->config.token_path, &token, err);

    if (r)
        return r;
    size_t len = strlen(token);
    while (len && strchr(" \t\r\n", token[len - 1]))
        token[--len] = 0;
    char *start = token + strspn(token, " \t\r\n");
    for (const char *p = start; *p && !r; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            r = sy_err_set(err, -EINVAL, "%s: holds more than a token", a->config.token_path);
    if (!r && !*start)
        r = sy_err_set(err, -EINVAL, "%s: is empty", a->config.token_path);
    if (!r)
        set_token(a, start);
    free_secret(token);
    return r;
}

/* Certificate and key are taken together or not at all. */
static int read_tls(struct sy_auth *a, bool *ret_changed, struct sy_err *err)
{
    char *ca = NULL;
    char *cert = NULL;
    char *key = NULL;
    int r = a->config.ca_path ? read_file(a->config.ca_path, &ca, err) : 0;

    if (!r && a->config.client_cert_path)
        r = read_file(a->config.client_cert_path, &cert, err);
    if (!r && a->config.client_key_path)
        r = read_file(a->config.client_key_path, &key, err);
    if (r) {
        free(ca);
        free(cert);
        free_secret(key);
        return r;
    }
    *ret_changed = false;
    if (ca && replace(&a->ca_pem, ca))
        *ret_changed = true;
    if (cert && replace(&a->cert_pem, cert))
        *ret_changed = true;
    if (key && replace(&a->key_pem, key))
        *ret_changed = true;
    if (*ret_changed)
        a->generation++;
    return 0;
}

static void take_credential(struct sy_auth *a, struct sy_exec_credential *c)
{
    a->expires_wall_ns = c->expires_wall_ns;
    if (c->token)
        set_token(a, c->token);
    if (c->cert_pem) {
        bool is_new_cert = replace(&a->cert_pem, c->cert_pem);
        bool is_new_key = replace(&a->key_pem, c->key_pem);

        c->cert_pem = c->key_pem = NULL;
        if (is_new_cert || is_new_key) {
            a->generation++;
            if (a->events.on_tls)
                a->events.on_tls(a->events.arg);
        }
    }
    sy_exec_credential_done(c);
}

static const char *ca_in_force(const struct sy_auth *a)
{
    return a->ca_pem ? a->ca_pem : a->config.ca_pem;
}

static void end_job(struct sy_auth *a)
{
    bool is_awaited = a->is_awaited;

    sy_exec_free(a->job);
    a->job = NULL;
    a->is_awaited = false;
    a->job_ended = sy_clock_boot_ns();
    if (is_awaited)
        a->events.on_refreshed(a->events.arg);
}

static void step_job(void *arg)
{
    struct sy_auth *a = arg;
    struct sy_exec_credential c;
    struct sy_err err;
    int r = sy_exec_step(a->job, &c, &err);

    if (r == -EAGAIN) {
        sy_timer_arm(a->job_step, exec_step_ns);
        return;
    }
    if (r)
        sy_log_error("credentials not renewed", "error", err.msg);
    else
        take_credential(a, &c);
    end_job(a);
}

static bool start_job(struct sy_auth *a)
{
    struct sy_err err;

    if (a->job)
        return true;
    if (sy_clock_boot_ns() - a->job_ended < exec_pause_ns)
        return false;
    int r = sy_exec_start(&a->config, ca_in_force(a), EXEC_TIMEOUT_MS, &a->job, &err);
    if (r) {
        a->job_ended = sy_clock_boot_ns();
        sy_log_error("credentials not renewed", "error", err.msg);
        return false;
    }
    sy_timer_arm(a->job_step, exec_step_ns);
    return true;
}

static void reread_files(struct sy_auth *a)
{
    struct sy_err err;
    bool is_changed = false;

    if (a->config.token_path && read_token(a, &err))
        sy_log_warn("token not re-read, going on with the old one", "error", err.msg);
    if (read_tls(a, &is_changed, &err))
        sy_log_warn("certificates not re-read, going on with the old ones", "error", err.msg);
    if (is_changed && a->events.on_tls)
        a->events.on_tls(a->events.arg);
}

static void arm_reread(struct sy_auth *a)
{
    int64_t after = reread_ns;

    if (a->expires_wall_ns) {
        int64_t left = a->expires_wall_ns - expiry_leeway_ns - sy_clock_wall_ns();

        if (left < after)
            after = left < SY_NS_PER_S ? SY_NS_PER_S : left;
    }
    sy_timer_arm(a->reread, after);
}

static void on_reread(void *arg)
{
    struct sy_auth *a = arg;

    reread_files(a);
    if (a->config.exec && a->expires_wall_ns &&
        sy_clock_wall_ns() >= a->expires_wall_ns - expiry_leeway_ns)
        start_job(a);
    arm_reread(a);
}

static int read_first(struct sy_auth *a, struct sy_err *err)
{
    bool is_changed;
    int r = read_tls(a, &is_changed, err);

    if (r)
        return r;
    if (a->config.token)
        set_token(a, a->config.token);
    /* As client-go: the file wins, an inline token is what there is until it can be read. */
    if (a->config.token_path) {
        r = read_token(a, err);
        if (r && !a->config.token)
            return r;
    }
    if (a->config.username) {
        char *pair =
            sy_xasprintf("%s:%s", a->config.username, a->config.password ? a->config.password : "");
        size_t len = strlen(pair);
        unsigned char *coded = sy_xmalloc((len + 2) / 3 * 4 + 1);

        EVP_EncodeBlock(coded, (const unsigned char *)pair, (int)len);
        a->header = sy_xasprintf("Authorization: Basic %s", (char *)coded);
        free_secret(pair);
        free_secret((char *)coded);
    }
    if (a->config.exec) {
        struct sy_exec_credential c;

        r = sy_exec_run(&a->config, ca_in_force(a), EXEC_TIMEOUT_MS, &c, err);
        if (r)
            return r;
        take_credential(a, &c);
        a->job_ended = sy_clock_boot_ns();
    }
    return 0;
}

int sy_auth_new(struct sy_loop *loop, const struct sy_kubeconfig *config,
                const struct sy_auth_events *events, struct sy_auth **ret, struct sy_err *err)
{
    struct sy_auth *a = sy_xcalloc(1, sizeof(*a));

    sy_kubeconfig_copy(config, &a->config);
    a->loop = loop;
    a->generation = 1;
    a->job_ended = -exec_pause_ns;
    int r = read_first(a, err);
    if (r) {
        sy_auth_free(a);
        return r;
    }
    a->events = *events;
    a->reread = sy_timer_new(loop, on_reread, a);
    a->job_step = sy_timer_new(loop, step_job, a);
    arm_reread(a);
    *ret = a;
    return 0;
}

void sy_auth_free(struct sy_auth *a)
{
    if (!a)
        return;
    sy_exec_free(a->job);
    sy_timer_free(a->reread);
    sy_timer_free(a->job_step);
    sy_kubeconfig_done(&a->config);
    free_secret(a->header);
    free(a->ca_pem);
    free(a->cert_pem);
    free_secret(a->key_pem);
    free(a);
}

uint64_t sy_auth_generation(const struct sy_auth *a)
{
    return a->generation;
}

const char *sy_auth_header(const struct sy_auth *a)
{
    return a->header;
}

void sy_auth_fill(const struct sy_auth *a, struct sy_http_config *ret)
{
    ret->ca_pem = ca_in_force(a);
    ret->client_cert_pem = a->cert_pem ? a->cert_pem : a->config.client_cert_pem;
    ret->client_key_pem = a->key_pem ? a->key_pem : a->config.client_key_pem;
    ret->insecure_skip_verify = a->config.insecure_skip_tls_verify;
    ret->tls_server_name = a->config.tls_server_name;
    ret->proxy_url = a->config.proxy_url;
}

const struct sy_kubeconfig *sy_auth_config(const struct sy_auth *a)
{
    return &a->config;
}

int sy_auth_refresh(struct sy_auth *a)
{
    reread_files(a);
    if (a->config.exec && start_job(a)) {
        a->is_awaited = true;
        return -EINPROGRESS;
    }
    return 0;
}

uint64_t sy_auth_token_reloads(const struct sy_auth *a)
{
    return a->token_reloads;
}
