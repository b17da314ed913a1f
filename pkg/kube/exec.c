/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { OUTPUT_MAX = 1024 * 1024, INFO_MAX = 4 * 1024 * 1024, JSON_DEPTH = 32 };

extern char **environ;

struct sy_exec_job {
    const struct sy_exec_config *exec;
    pid_t pid; /* 0 once reaped */
    int fd;    /* the plugin's standard output, -1 once ended */
    struct sy_buf output;
    sy_time_ns deadline;
};

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void sy_exec_credential_done(struct sy_exec_credential *c)
{
    free_secret(c->token);
    free_secret(c->cert_pem);
    free_secret(c->key_pem);
    *c = (struct sy_exec_credential){0};
}

static void add_base64(struct sy_buf *out, const char *text)
{
    size_t len = strlen(text);
    unsigned char *coded = sy_xmalloc((len + 2) / 3 * 4 + 1);
    int n = EVP_EncodeBlock(coded, (const unsigned char *)text, (int)len);

    sy_buf_add(out, coded, (size_t)n);
    free(coded);
}

static void add_cluster(const struct sy_kubeconfig *c, const char *ca_pem, struct sy_buf *out)
{
    sy_buf_adds(out, ",\"cluster\":{\"server\":");
    sy_buf_add_json(out, sy_str_from(c->server));
    if (c->tls_server_name) {
        sy_buf_adds(out, ",\"tls-server-name\":");
        sy_buf_add_json(out, sy_str_from(c->tls_server_name));
    }
    if (c->insecure_skip_tls_verify)
        sy_buf_adds(out, ",\"insecure-skip-tls-verify\":true");
    if (ca_pem) {
        sy_buf_adds(out, ",\"certificate-authority-data\":\"");
        add_base64(out, ca_pem);
        sy_buf_addc(out, '"');
    }
    if (c->proxy_url) {
        sy_buf_adds(out, ",\"proxy-url\":");
        sy_buf_add_json(out, sy_str_from(c->proxy_url));
    }
    sy_buf_addf(out, ",\"config\":%s}", c->exec->cluster_config ? c->exec->cluster_config : "null");
}

/* KUBERNETES_EXEC_INFO=... */
static char *exec_info(const struct sy_kubeconfig *c, const char *ca_pem)
{
    struct sy_buf out;

    sy_buf_init(&out, INFO_MAX);
    sy_buf_adds(&out, "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":");
    sy_buf_add_json(&out, sy_str_from(c->exec->api_version));
    sy_buf_adds(&out, ",\"spec\":{\"interactive\":false");
    if (c->exec->provide_cluster_info)
        add_cluster(c, ca_pem, &out);
    sy_buf_adds(&out, "}}");
    return sy_buf_take(&out);
}

static bool names_same_variable(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Our environment, overridden by the config's, and the info. The strings are borrowed. */
static char **make_env(const struct sy_exec_config *exec, char *info)
{
    size_t n = 0;
    size_t room = 2;

    for (char **e = environ; e && *e; e++)
        room++;
    for (char **e = exec->env; e && *e; e++)
        room++;
    char **env = sy_xcalloc(room, sizeof(*env));
    for (char **e = environ; e && *e; e++) {
        bool is_overridden = names_same_variable(info, *e);

        for (char **o = exec->env; o && *o && !is_overridden; o++)
            is_overridden = names_same_variable(*o, *e);
        if (!is_overridden)
            env[n++] = *e;
    }
    for (char **e = exec->env; e && *e; e++)
        env[n++] = *e;
    env[n++] = info;
    return env;
}

static char **make_argv(const struct sy_exec_config *exec)
{
    size_t n = 1;

    for (char **a = exec->args; a && *a; a++)
        n++;
    char **argv = sy_xcalloc(n + 1, sizeof(*argv));
    argv[0] = exec->command;
    for (size_t i = 1; i < n; i++)
        argv[i] = exec->args[i - 1];
    return argv;
}

static int fail(const struct sy_exec_config *exec, struct sy_err *err, int code, const char *what)
{
    return sy_err_set(err, code, "credential plugin %.200s: %s%s%s", exec->command, what,
                      exec->install_hint ? "; " : "", exec->install_hint ? exec->install_hint : "");
}

/* The plugin gets default signals and a process group of its own, so that a timeout ends its
 * children too. */
static int spawn(const struct sy_exec_config *exec, char **env, int out_fd, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char **argv = make_argv(exec);

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    int r = -posix_spawnp(ret, exec->command, &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    free(argv);
    return r;
}

int sy_exec_start(const struct sy_kubeconfig *config, const char *ca_pem, uint32_t timeout_ms,
                  struct sy_exec_job **ret, struct sy_err *err)
{
    const struct sy_exec_config *exec = config->exec;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return sy_err_set(err, -errno, "pipe: %s", strerror(errno));
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    char *info = exec_info(config, ca_pem);
    if (!info) {
        close(fds[0]);
        close(fds[1]);
        return fail(exec, err, -E2BIG, "the cluster's CA and extension are too large to pass on");
    }
    char **env = make_env(exec, info);
    int r = spawn(exec, env, fds[1], &pid);
    close(fds[1]);
    free(env);
    free(info);
    if (r) {
        close(fds[0]);
        return fail(exec, err, r, r == -ENOENT ? "no such program" : strerror(-r));
    }
    struct sy_exec_job *job = sy_xcalloc(1, sizeof(*job));
    job->exec = exec;
    job->pid = pid;
    job->fd = fds[0];
    job->deadline = sy_clock_boot_ns() + timeout_ms * SY_NS_PER_MS;
    sy_buf_init(&job->output, OUTPUT_MAX);
    *ret = job;
    return 0;
}

void sy_exec_free(struct sy_exec_job *job)
{
    if (!job)
        return;
    if (job->pid) {
        kill(-job->pid, SIGKILL);
        kill(job->pid, SIGKILL);
        while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (job->fd >= 0)
        close(job->fd);
    if (job->output.p)
        explicit_bzero(job->output.p, job->output.len);
    sy_buf_done(&job->output);
    free(job);
}

static int read_output(struct sy_exec_job *job)
{
    char piece[8192];

    while (job->fd >= 0) {
        ssize_t n = read(job->fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            close(job->fd);
            job->fd = -1;
            break;
        }
        int r = sy_buf_add(&job->output, piece, (size_t)n);
        if (r)
            return r;
    }
    explicit_bzero(piece, sizeof(piece));
    return 0;
}

int sy_exec_step(struct sy_exec_job *job, struct sy_exec_credential *ret, struct sy_err *err)
{
    int status = 0;
    char what[64];
    pid_t pid = waitpid(job->pid, &status, WNOHANG);
    /* Read after the look at the process: what it wrote before it ended is then complete, even if
     * a grandchild holds the pipe open. */
    int r = read_output(job);

    if (r)
        return fail(job->exec, err, r, "more than 1 MiB of output");
    if (pid == 0) {
        if (sy_clock_boot_ns() < job->deadline)
            return -EAGAIN;
        return fail(job->exec, err, -ETIMEDOUT, "no answer in time; it was stopped");
    }
    if (pid < 0 && errno == EINTR)
        return -EAGAIN;
    job->pid = 0;
    /* Without a status (SIGCHLD ignored by somebody) the output must speak for itself. */
    if (pid > 0 && WIFSIGNALED(status)) {
        snprintf(what, sizeof(what), "ended by signal %d", WTERMSIG(status));
        return fail(job->exec, err, -EIO, what);
    }
    if (pid > 0 && WEXITSTATUS(status) != 0) {
        snprintf(what, sizeof(what), "exit status %d", WEXITSTATUS(status));
        return fail(job->exec, err, -EIO, what);
    }
    return sy_exec_parse(job->exec, sy_buf_str(&job->output), ret, err);
}

int sy_exec_run(const struct sy_kubeconfig *config, const char *ca_pem, uint32_t timeout_ms,
                struct sy_exec_credential *ret, struct sy_err *err)
{
    struct sy_exec_job *job;
    int r = sy_exec_start(config, ca_pem, timeout_ms, &job, err);

    if (r)
        return r;
    while ((r = sy_exec_step(job, ret, err)) == -EAGAIN)
        nanosleep(&(struct timespec){.tv_nsec = 5 * SY_NS_PER_MS}, NULL);
    sy_exec_free(job);
    return r;
}

/* Absent, null, empty and wrong types are all NULL. */
static const char *get_text(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    if (!o || !json_object_object_get_ex(o, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);
    return *text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static bool is_header_safe(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static int read_credential(const struct sy_exec_config *exec, struct json_object *root,
                           struct sy_exec_credential *ret, struct sy_err *err)
{
    struct json_object *status = NULL;
    struct sy_exec_credential c = {0};
    char what[256];
    const char *kind = get_text(root, "kind");
    const char *version = get_text(root, "apiVersion");

    if (!kind || strcmp(kind, "ExecCredential") != 0)
        return fail(exec, err, -EBADMSG, "its output is no ExecCredential");
    if (!version || strcmp(version, exec->api_version) != 0) {
        snprintf(what, sizeof(what), "it answered in apiVersion %.80s, configured is %.80s",
                 version ? version : "(none)", exec->api_version);
        return fail(exec, err, -EBADMSG, what);
    }
    if (!json_object_object_get_ex(root, "status", &status) ||
        !json_object_is_type(status, json_type_object))
        return fail(exec, err, -EBADMSG, "its output has no status");
    const char *token = get_text(status, "token");
    const char *cert = get_text(status, "clientCertificateData");
    const char *key = get_text(status, "clientKeyData");
    const char *expires = get_text(status, "expirationTimestamp");
    if (!token && !cert && !key)
        return fail(exec, err, -EBADMSG, "it gave neither a token nor a certificate");
    if (!cert != !key)
        return fail(exec, err, -EBADMSG, "it gave only one of certificate and key");
    if (token && !is_header_safe(token))
        return fail(exec, err, -EBADMSG, "its token holds control characters");
    if (expires && sy_rfc3339_parse(expires, strlen(expires), &c.expires_wall_ns) != 0)
        return fail(exec, err, -EBADMSG, "its expirationTimestamp is no RFC 3339 time");
    c.token = sy_xstrdup(token);
    c.cert_pem = sy_xstrdup(cert);
    c.key_pem = sy_xstrdup(key);
    *ret = c;
    return 0;
}

int sy_exec_parse(const struct sy_exec_config *exec, struct sy_str output,
                  struct sy_exec_credential *ret, struct sy_err *err)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);

    if (!tokener)
        return fail(exec, err, -ENOMEM, "out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    struct json_object *root =
        output.len ? json_tokener_parse_ex(tokener, output.p, (int)output.len) : NULL;
    int r = root && json_object_is_type(root, json_type_object)
                ? read_credential(exec, root, ret, err)
                : fail(exec, err, -EBADMSG, "its output is not a JSON object");
    json_object_put(root);
    json_tokener_free(tokener);
    return r;
}
