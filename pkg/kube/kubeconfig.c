/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubeconfig files are read as YAML trees; the tree that first names the wanted context, cluster
 * and user gives each of them, and only those three are looked at closely. */
#include "kube/kubeconfig.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/yaml.h"

enum { FILES_MAX = 64, JSON_MAX = 1024 * 1024 };

struct source {
    struct sy_yaml_doc *doc;
    char *dir;
};

/* The file and node that a name was found in. */
struct found {
    const struct source *source;
    const struct sy_yaml *node;
};

struct sources {
    struct source at[FILES_MAX];
    size_t len;
};

static void sources_done(struct sources *s)
{
    for (size_t i = 0; i < s->len; i++) {
        sy_yaml_free(s->at[i].doc);
        free(s->at[i].dir);
    }
}

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void free_list(char **list)
{
    for (char **s = list; s && *s; s++)
        free_secret(*s);
    free(list);
}

static char **copy_list(char *const *list)
{
    size_t n = 0;

    if (!list)
        return NULL;
    while (list[n])
        n++;
    char **copy = sy_xcalloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = sy_xstrdup(list[i]);
    return copy;
}

void sy_kubeconfig_done(struct sy_kubeconfig *c)
{
    free(c->server);
    free(c->tls_server_name);
    free(c->proxy_url);
    free(c->ca_pem);
    free(c->ca_path);
    free(c->client_cert_pem);
    free(c->client_cert_path);
    free_secret(c->client_key_pem);
    free(c->client_key_path);
    free_secret(c->token);
    free(c->token_path);
    free(c->username);
    free_secret(c->password);
    free(c->ns);
    free(c->impersonate);
    free(c->impersonate_uid);
    free_list(c->impersonate_groups);
    if (c->exec) {
        free(c->exec->command);
        free(c->exec->api_version);
        free(c->exec->install_hint);
        free_list(c->exec->args);
        free_list(c->exec->env);
        free(c->exec->cluster_config);
        free(c->exec);
    }
    *c = (struct sy_kubeconfig){0};
}

void sy_kubeconfig_copy(const struct sy_kubeconfig *c, struct sy_kubeconfig *ret)
{
    *ret = (struct sy_kubeconfig){
        .server = sy_xstrdup(c->server),
        .tls_server_name = sy_xstrdup(c->tls_server_name),
        .proxy_url = sy_xstrdup(c->proxy_url),
        .ca_pem = sy_xstrdup(c->ca_pem),
        .ca_path = sy_xstrdup(c->ca_path),
        .client_cert_pem = sy_xstrdup(c->client_cert_pem),
        .client_cert_path = sy_xstrdup(c->client_cert_path),
        .client_key_pem = sy_xstrdup(c->client_key_pem),
        .client_key_path = sy_xstrdup(c->client_key_path),
        .token = sy_xstrdup(c->token),
        .token_path = sy_xstrdup(c->token_path),
        .username = sy_xstrdup(c->username),
        .password = sy_xstrdup(c->password),
        .ns = sy_xstrdup(c->ns),
        .impersonate = sy_xstrdup(c->impersonate),
        .impersonate_uid = sy_xstrdup(c->impersonate_uid),
        .impersonate_groups = copy_list(c->impersonate_groups),
        .insecure_skip_tls_verify = c->insecure_skip_tls_verify,
    };
    if (c->exec) {
        ret->exec = sy_xmalloc(sizeof(*ret->exec));
        *ret->exec = (struct sy_exec_config){
            .command = sy_xstrdup(c->exec->command),
            .api_version = sy_xstrdup(c->exec->api_version),
            .install_hint = sy_xstrdup(c->exec->install_hint),
            .args = copy_list(c->exec->args),
            .env = copy_list(c->exec->env),
            .provide_cluster_info = c->exec->provide_cluster_info,
            .cluster_config = sy_xstrdup(c->exec->cluster_config),
        };
    }
}

/* Finds the entry called `name` in the lists called `list` ("clusters") and its field `field`
 * ("cluster"). *ret->node is NULL when no file has it. */
static int find_named(const struct sources *s, const char *list, const char *field,
                      const char *name, struct found *ret, struct sy_err *err)
{
    *ret = (struct found){0};
    for (size_t i = 0; i < s->len && !ret->node; i++) {
        const struct sy_yaml_doc *d = s->at[i].doc;
        const struct sy_yaml *entries;
        const struct sy_yaml *seen = NULL;
        int r = sy_yaml_get_node(d, sy_yaml_root(d), list, SY_YAML_LIST, &entries, err);

        if (r)
            return r;
        SY_YAML_FOREACH(entry, entries)
        {
            const char *entry_name = "";

            if (entry->kind != SY_YAML_MAP)
                return sy_yaml_error(d, entry, err, -EINVAL, "%s: each entry must be a map", list);
            r = sy_yaml_get_str(d, entry, "name", &entry_name, err);
            if (r)
                return r;
            if (strcmp(entry_name, name) != 0)
                continue;
            if (seen)
                return sy_yaml_error(d, entry, err, -EINVAL,
                                     "%s: \"%.128s\" appears twice (first in line %u)", list, name,
                                     seen->line);
            seen = entry;
            const struct sy_yaml *node;
            r = sy_yaml_get_node(d, entry, field, SY_YAML_MAP, &node, err);
            if (r)
                return r;
            *ret = (struct found){&s->at[i], node ? node : entry};
            if (!node)
                return sy_yaml_error(d, entry, err, -EINVAL, "%s \"%.128s\" has no field \"%s\"",
                                     list, name, field);
        }
    }
    return 0;
}

static int copy_str(const struct found *f, const char *key, char **ret, struct sy_err *err)
{
    const char *text = NULL;
    int r = sy_yaml_get_str(f->source->doc, f->node, key, &text, err);

    if (!r && text && *text)
        *ret = sy_xstrdup(text);
    return r;
}

static char *resolve_path(const char *dir, const char *path)
{
    return *path == '/' ? sy_xstrdup(path) : sy_xasprintf("%s/%s", dir, path);
}

static int copy_path(const struct found *f, const char *key, char **ret, struct sy_err *err)
{
    const char *text = NULL;
    int r = sy_yaml_get_str(f->source->doc, f->node, key, &text, err);

    if (!r && text && *text)
        *ret = resolve_path(f->source->dir, text);
    return r;
}

/* Strict base64 with line breaks allowed; NULL when it is something else or holds a NUL. */
static char *decode_base64(const char *text)
{
    size_t len = 0;
    size_t pad = 0;
    unsigned char *clean = sy_xmalloc(strlen(text) + 1);
    unsigned char *out = NULL;

    for (const char *p = text; *p; p++) {
        bool is_digit = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                        (*p >= '0' && *p <= '9') || *p == '+' || *p == '/';

        if (*p == '\n' || *p == '\r' || *p == ' ')
            continue;
        if (*p == '=')
            pad++;
        else if (!is_digit || pad)
            goto out;
        clean[len++] = (unsigned char)*p;
    }
    if (!len || len % 4 || pad > 2)
        goto out;
    out = sy_xmalloc(len / 4 * 3 + 1);
    int n = EVP_DecodeBlock(out, clean, (int)len);
    if (n < 0 || memchr(out, 0, (size_t)n - pad)) {
        free_secret((char *)out);
        out = NULL;
        goto out;
    }
    out[(size_t)n - pad] = 0;
out:
    explicit_bzero(clean, len);
    free(clean);
    return (char *)out;
}

static int copy_pem(const struct found *f, const char *key, char **ret, struct sy_err *err)
{
    const struct sy_yaml *node = sy_yaml_find(f->node, key);
    const char *text = NULL;
    int r = sy_yaml_get_str(f->source->doc, f->node, key, &text, err);

    if (r || !text || !*text)
        return r;
    char *pem = decode_base64(text);
    if (!pem)
        return sy_yaml_error(f->source->doc, node, err, -EINVAL, "%s is not valid base64", key);
    if (!strstr(pem, "-----BEGIN ")) {
        free_secret(pem);
        return sy_yaml_error(f->source->doc, node, err, -EINVAL,
                             "%s does not hold PEM (\"-----BEGIN ...\") after base64 decoding",
                             key);
    }
    *ret = pem;
    return 0;
}

/* "name-data" if given, else the path "name". */
static int copy_pem_or_path(const struct found *f, const char *path_key, const char *data_key,
                            char **ret_pem, char **ret_path, struct sy_err *err)
{
    int r = copy_pem(f, data_key, ret_pem, err);

    if (!r && !*ret_pem)
        r = copy_path(f, path_key, ret_path, err);
    return r;
}

static bool has_control_or_space(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* What goes into a header line must not break it. */
static int check_header_text(const struct found *f, const char *key, const char *text,
                             struct sy_err *err)
{
    for (const char *p = text; p && *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return sy_yaml_error(f->source->doc, sy_yaml_find(f->node, key), err, -EINVAL,
                                 "%s holds a line break or control character", key);
    return 0;
}

static int read_cluster(const struct found *f, struct sy_kubeconfig *c, struct sy_err *err)
{
    const struct sy_yaml_doc *d = f->source->doc;
    const struct sy_yaml *node = sy_yaml_find(f->node, "server");
    const char *server = NULL;
    int r = sy_yaml_get_str(d, f->node, "server", &server, err);

    if (r)
        return r;
    if (!server || !*server)
        return sy_yaml_error(d, f->node, err, -EINVAL, "the cluster has no server");
    size_t len = strlen(server);
    while (len && server[len - 1] == '/')
        len--;
    bool has_scheme = strncmp(server, "https://", 8) == 0 || strncmp(server, "http://", 7) == 0;
    if ((!has_scheme && strstr(server, "://")) || has_control_or_space(server) ||
        strpbrk(server, "?#@") || len < 4)
        return sy_yaml_error(d, node, err, -EINVAL,
                             "server \"%.200s\" is not of the form https://host:port", server);
    c->server = sy_xasprintf("%s%.*s", has_scheme ? "" : "https://", (int)len, server);
    r = copy_str(f, "tls-server-name", &c->tls_server_name, err);
    if (!r)
        r = copy_str(f, "proxy-url", &c->proxy_url, err);
    if (!r && c->proxy_url && strncmp(c->proxy_url, "http://", 7) != 0 &&
        strncmp(c->proxy_url, "https://", 8) != 0 && strncmp(c->proxy_url, "socks5://", 9) != 0)
        r = sy_yaml_error(d, sy_yaml_find(f->node, "proxy-url"), err, -EINVAL,
                          "proxy-url must begin with http://, https:// or socks5://");
    if (!r)
        r = sy_yaml_get_bool(d, f->node, "insecure-skip-tls-verify", &c->insecure_skip_tls_verify,
                             err);
    if (!r)
        r = copy_pem_or_path(f, "certificate-authority", "certificate-authority-data", &c->ca_pem,
                             &c->ca_path, err);
    if (!r && c->insecure_skip_tls_verify && (c->ca_pem || c->ca_path))
        r = sy_yaml_error(
            d, f->node, err, -EINVAL,
            "insecure-skip-tls-verify and a certificate-authority exclude each other");
    return r;
}

static int read_str_list(const struct found *f, const struct sy_yaml *list, const char *what,
                         char ***ret, struct sy_err *err)
{
    size_t n = 0;

    if (!list || !list->len)
        return 0;
    char **items = sy_xcalloc((size_t)list->len + 1, sizeof(*items));
    SY_YAML_FOREACH(item, list)
    {
        const char *text = "";
        int r = sy_yaml_as_str(f->source->doc, item, what, &text, err);

        if (r) {
            free_list(items);
            return r;
        }
        items[n++] = sy_xstrdup(text);
    }
    *ret = items;
    return 0;
}

static int read_exec_env(const struct found *f, struct sy_exec_config *exec, struct sy_err *err)
{
    const struct sy_yaml_doc *d = f->source->doc;
    const struct sy_yaml *list;
    size_t n = 0;
    int r = sy_yaml_get_node(d, f->node, "env", SY_YAML_LIST, &list, err);

    if (r || !list)
        return r;
    exec->env = sy_xcalloc((size_t)list->len + 1, sizeof(*exec->env));
    SY_YAML_FOREACH(item, list)
    {
        const char *name = "";
        const char *value = "";

        r = sy_yaml_get_str(d, item, "name", &name, err);
        if (!r)
            r = sy_yaml_get_str(d, item, "value", &value, err);
        if (!r && (!*name || strchr(name, '=')))
            r = sy_yaml_error(d, item, err, -EINVAL, "exec env: a name is missing or holds \"=\"");
        if (r)
            return r;
        exec->env[n++] = sy_xasprintf("%s=%s", name, value);
    }
    return 0;
}

/* JSON number syntax; anything else that is plain becomes a string or a word. */
static bool is_json_number(struct sy_str s)
{
    size_t i = 0;
    size_t start;

    if (i < s.len && s.p[i] == '-')
        i++;
    start = i;
    while (i < s.len && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i == start || (s.p[start] == '0' && i - start > 1))
        return false;
    if (i < s.len && s.p[i] == '.') {
        start = ++i;
        while (i < s.len && s.p[i] >= '0' && s.p[i] <= '9')
            i++;
        if (i == start)
            return false;
    }
    return i == s.len;
}

/* Depth is bounded by the YAML parser. */
static void write_json(const struct sy_yaml *node, struct sy_buf *out)
{
    bool is_first = true;

    if (node->kind == SY_YAML_SCALAR) {
        if (sy_yaml_is_null(node))
            sy_buf_adds(out, "null");
        else if (!node->is_quoted &&
                 (sy_str_eqz(node->text, "true") || sy_str_eqz(node->text, "false") ||
                  is_json_number(node->text)))
            sy_buf_add(out, node->text.p, node->text.len);
        else
            sy_buf_add_json(out, node->text);
        return;
    }
    sy_buf_addc(out, node->kind == SY_YAML_MAP ? '{' : '[');
    SY_YAML_FOREACH(child, node)
    {
        if (!is_first)
            sy_buf_addc(out, ',');
        is_first = false;
        if (node->kind == SY_YAML_MAP) {
            sy_buf_add_json(out, child->key);
            sy_buf_addc(out, ':');
        }
        write_json(child, out);
    }
    sy_buf_addc(out, node->kind == SY_YAML_MAP ? '}' : ']');
}

/* clusters[].cluster.extensions[name client.authentication.k8s.io/exec].extension */
static int read_cluster_config(const struct found *cluster, struct sy_exec_config *exec,
                               struct sy_err *err)
{
    const struct sy_yaml *list;
    int r = sy_yaml_get_node(cluster->source->doc, cluster->node, "extensions", SY_YAML_LIST, &list,
                             err);

    if (r)
        return r;
    SY_YAML_FOREACH(item, list)
    {
        const struct sy_yaml *name = sy_yaml_find(item, "name");
        const struct sy_yaml *extension = sy_yaml_find(item, "extension");
        struct sy_buf out;

        if (!name || !sy_str_eqz(name->text, "client.authentication.k8s.io/exec") || !extension)
            continue;
        sy_buf_init(&out, JSON_MAX);
        write_json(extension, &out);
        if (out.failed)
            return sy_yaml_error(cluster->source->doc, item, err, out.failed,
                                 "the exec extension is too large");
        free(exec->cluster_config);
        exec->cluster_config = sy_buf_take(&out);
    }
    return 0;
}

static int read_exec(const struct found *user, const struct found *cluster, struct sy_kubeconfig *c,
                     struct sy_err *err)
{
    const struct sy_yaml_doc *d = user->source->doc;
    const struct sy_yaml *args;
    const char *mode = "";
    struct found f = {.source = user->source};
    int r = sy_yaml_get_node(d, user->node, "exec", SY_YAML_MAP, &f.node, err);

    if (r || !f.node)
        return r;
    struct sy_exec_config *exec = c->exec = sy_xcalloc(1, sizeof(*exec));
    r = copy_str(&f, "command", &exec->command, err);
    if (!r)
        r = copy_str(&f, "apiVersion", &exec->api_version, err);
    if (!r)
        r = copy_str(&f, "installHint", &exec->install_hint, err);
    if (!r)
        r = sy_yaml_get_bool(d, f.node, "provideClusterInfo", &exec->provide_cluster_info, err);
    if (!r)
        r = sy_yaml_get_str(d, f.node, "interactiveMode", &mode, err);
    if (!r)
        r = sy_yaml_get_node(d, f.node, "args", SY_YAML_LIST, &args, err);
    if (!r)
        r = read_str_list(&f, args, "exec args", &exec->args, err);
    if (!r)
        r = read_exec_env(&f, exec, err);
    if (!r)
        r = read_cluster_config(cluster, exec, err);
    if (r)
        return r;
    if (!exec->command)
        return sy_yaml_error(d, f.node, err, -EINVAL, "exec has no command");
    if (!exec->api_version ||
        (strcmp(exec->api_version, "client.authentication.k8s.io/v1") != 0 &&
         strcmp(exec->api_version, "client.authentication.k8s.io/v1beta1") != 0))
        return sy_yaml_error(d, f.node, err, -EINVAL,
                             "exec apiVersion \"%.100s\" is not known; use "
                             "client.authentication.k8s.io/v1",
                             exec->api_version ? exec->api_version : "");
    if (strcmp(mode, "Always") == 0)
        return sy_yaml_error(d, f.node, err, -EINVAL,
                             "exec has interactiveMode Always, but there is no terminal here; use "
                             "IfAvailable or Never, or a token");
    if (*mode && strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0)
        return sy_yaml_error(d, f.node, err, -EINVAL, "exec has an unknown interactiveMode %.64s",
                             mode);
    /* As clientcmd: a command with a slash is a path, another is looked up in $PATH. */
    if (strchr(exec->command, '/')) {
        char *path = resolve_path(user->source->dir, exec->command);

        free(exec->command);
        exec->command = path;
    }
    return 0;
}

static int read_user(const struct found *user, const struct found *cluster, struct sy_kubeconfig *c,
                     struct sy_err *err)
{
    const struct sy_yaml_doc *d = user->source->doc;
    const struct sy_yaml *groups;
    int r = copy_pem_or_path(user, "client-certificate", "client-certificate-data",
                             &c->client_cert_pem, &c->client_cert_path, err);

    if (!r)
        r = copy_pem_or_path(user, "client-key", "client-key-data", &c->client_key_pem,
                             &c->client_key_path, err);
    if (!r)
        r = copy_str(user, "token", &c->token, err);
    if (!r)
        r = check_header_text(user, "token", c->token, err);
    if (!r)
        r = copy_path(user, "tokenFile", &c->token_path, err);
    if (!r)
        r = copy_str(user, "username", &c->username, err);
    if (!r)
        r = copy_str(user, "password", &c->password, err);
    if (!r)
        r = copy_str(user, "as", &c->impersonate, err);
    if (!r)
        r = check_header_text(user, "as", c->impersonate, err);
    if (!r)
        r = copy_str(user, "as-uid", &c->impersonate_uid, err);
    if (!r)
        r = check_header_text(user, "as-uid", c->impersonate_uid, err);
    if (!r)
        r = sy_yaml_get_node(d, user->node, "as-groups", SY_YAML_LIST, &groups, err);
    if (!r)
        r = read_str_list(user, groups, "as-groups", &c->impersonate_groups, err);
    for (char **g = c->impersonate_groups; !r && g && *g; g++)
        r = check_header_text(user, "as-groups", *g, err);
    if (r)
        return r;
    bool has_cert = c->client_cert_pem || c->client_cert_path;
    bool has_key = c->client_key_pem || c->client_key_path;
    if (has_cert != has_key)
        return sy_yaml_error(d, user->node, err, -EINVAL, "the user has a client %s but no %s",
                             has_cert ? "certificate" : "key", has_cert ? "key" : "certificate");
    if (sy_yaml_find(user->node, "auth-provider"))
        return sy_yaml_error(d, sy_yaml_find(user->node, "auth-provider"), err, -EINVAL,
                             "auth-provider was removed from Kubernetes in 1.26; use the exec "
                             "plugin of your provider (for GKE gke-gcloud-auth-plugin, for Azure "
                             "kubelogin)");
    if (sy_yaml_find(user->node, "as-user-extra"))
        return sy_yaml_error(d, sy_yaml_find(user->node, "as-user-extra"), err, -EINVAL,
                             "as-user-extra is not supported");
    if ((c->impersonate_uid || c->impersonate_groups) && !c->impersonate)
        return sy_yaml_error(d, user->node, err, -EINVAL, "as-uid and as-groups need as");
    if ((c->token || c->token_path) && (c->username || c->password))
        return sy_yaml_error(d, user->node, err, -EINVAL,
                             "the user has both a token and a password; keep one");
    r = read_exec(user, cluster, c, err);
    /* As client-go: whoever gives a token, password or certificate means that one. */
    if (!r && c->exec && (c->token || c->token_path || c->username || has_cert)) {
        struct sy_kubeconfig unused = {.exec = c->exec};

        c->exec = NULL;
        sy_kubeconfig_done(&unused);
    }
    return r;
}

static bool is_loopback(const char *server)
{
    static const char *const hosts[] = {"http://127.", "http://localhost", "http://[::1]"};

    for (size_t i = 0; i < SY_ARRAY_LEN(hosts); i++) {
        size_t len = strlen(hosts[i]);

        /* "http://localhost.example.com" and "http://127.example.com" are elsewhere. */
        if (strncmp(server, hosts[i], len) == 0) {
            const char *rest = server + len;

            rest += i == 0 ? strspn(rest, "0123456789.") : 0;
            return !*rest || *rest == ':' || *rest == '/';
        }
    }
    return false;
}

static int current_context(const struct sources *s, const char **ret, struct sy_err *err)
{
    for (size_t i = 0; i < s->len; i++) {
        const struct sy_yaml_doc *d = s->at[i].doc;
        int r = sy_yaml_get_str(d, sy_yaml_root(d), "current-context", ret, err);

        if (r)
            return r;
        if (*ret && **ret)
            return 0;
    }
    return 0;
}

static void list_contexts(const struct sources *s, struct sy_buf *out)
{
    for (size_t i = 0; i < s->len; i++) {
        SY_YAML_FOREACH(entry, sy_yaml_find(sy_yaml_root(s->at[i].doc), "contexts"))
        {
            const struct sy_yaml *name = sy_yaml_find(entry, "name");

            if (name && name->kind == SY_YAML_SCALAR)
                sy_buf_addf(out, "%s%.128s", out->len ? ", " : "", name->text.p);
        }
    }
}

static int no_context(const struct sources *s, const char *context, struct sy_err *err)
{
    struct sy_buf names;

    sy_buf_init(&names, 600);
    list_contexts(s, &names);
    const char *file = sy_yaml_file(s->at[0].doc);
    const char *have = names.len ? names.p : names.failed ? "many" : "none";
    int r = context && *context
                ? sy_err_set(err, -EINVAL, "%s%s: no context \"%.128s\"; there are: %s", file,
                             s->len > 1 ? " and others" : "", context, have)
                : sy_err_set(err, -EINVAL,
                             "%s%s: current-context is not set; name a context; there are: %s",
                             file, s->len > 1 ? " and others" : "", have);
    sy_buf_done(&names);
    return r;
}

static int resolve(const struct sources *s, const char *context, struct sy_kubeconfig *c,
                   struct sy_err *err)
{
    struct found ctx, cluster, user;
    const char *name = context;
    const char *cluster_name = "";
    const char *user_name = "";
    int r = name ? 0 : current_context(s, &name, err);

    if (r)
        return r;
    if (!name || !*name)
        return no_context(s, NULL, err);
    r = find_named(s, "contexts", "context", name, &ctx, err);
    if (r)
        return r;
    if (!ctx.node)
        return no_context(s, name, err);
    const struct sy_yaml_doc *d = ctx.source->doc;
    r = sy_yaml_get_str(d, ctx.node, "cluster", &cluster_name, err);
    if (!r)
        r = sy_yaml_get_str(d, ctx.node, "user", &user_name, err);
    if (!r)
        r = copy_str(&ctx, "namespace", &c->ns, err);
    if (!r)
        r = find_named(s, "clusters", "cluster", cluster_name, &cluster, err);
    if (!r && !cluster.node)
        r = sy_yaml_error(d, ctx.node, err, -EINVAL,
                          "context \"%.128s\" names cluster \"%.128s\", which is not there", name,
                          cluster_name);
    if (!r)
        r = read_cluster(&cluster, c, err);
    if (r || !*user_name)
        return r;
    r = find_named(s, "users", "user", user_name, &user, err);
    if (!r && !user.node)
        r = sy_yaml_error(d, ctx.node, err, -EINVAL,
                          "context \"%.128s\" names user \"%.128s\", which is not there", name,
                          user_name);
    if (!r)
        r = read_user(&user, &cluster, c, err);
    if (!r && strncmp(c->server, "http://", 7) == 0 && !is_loopback(c->server) &&
        (c->token || c->token_path || c->password || c->exec))
        r = sy_yaml_error(cluster.source->doc, cluster.node, err, -EINVAL,
                          "refusing to send credentials unencrypted to %.200s; use https",
                          c->server);
    return r;
}

static int check_root(const struct sy_yaml_doc *d, struct sy_err *err)
{
    const struct sy_yaml *root = sy_yaml_root(d);
    const char *kind = "Config";

    if (sy_yaml_is_null(root))
        return 0;
    if (root->kind != SY_YAML_MAP)
        return sy_yaml_error(d, root, err, -EINVAL, "this is no kubeconfig");
    int r = sy_yaml_get_str(d, root, "kind", &kind, err);
    if (!r && strcmp(kind, "Config") != 0)
        r = sy_yaml_error(d, sy_yaml_find(root, "kind"), err, -EINVAL,
                          "kind is \"%.64s\", not Config: this is no kubeconfig", kind);
    return r;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? sy_xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : sy_xstrdup(".");
}

/* -ENOENT when the file does not exist. */
static int add_file(struct sources *s, const char *path, struct sy_err *err)
{
    struct sy_yaml_doc *doc;

    if (s->len == FILES_MAX)
        return sy_err_set(err, -E2BIG, "KUBECONFIG lists more than %d files", FILES_MAX);
    int r = sy_yaml_load(path, &doc, err);
    if (r)
        return r;
    s->at[s->len++] = (struct source){doc, folder_of(path)};
    return check_root(doc, err);
}

static int add_list(struct sources *s, const char *list, struct sy_err *err)
{
    while (*list) {
        size_t len = strcspn(list, ":");
        char *path = sy_xstrndup(list, len);
        int r = len ? add_file(s, path, err) : 0;

        free(path);
        if (r && r != -ENOENT)
            return r;
        list += len + (list[len] == ':');
    }
    return 0;
}

static int add_default_files(struct sources *s, struct sy_err *err)
{
    const char *list = getenv("KUBECONFIG");
    const char *home = getenv("HOME");
    int r;

    if (list && *list) {
        r = add_list(s, list, err);
        if (!r && !s->len)
            r = sy_err_set(err, -ENOENT, "no kubeconfig: none of KUBECONFIG=%.400s exists", list);
        return r;
    }
    char *path = sy_xasprintf("%s/.kube/config", home ? home : "");
    r = add_file(s, path, err);
    if (r == -ENOENT)
        sy_err_set(err, r, "no kubeconfig: KUBECONFIG is not set and %.400s does not exist", path);
    free(path);
    return r;
}

static int check_readable(const char *what, const char *path, struct sy_err *err)
{
    if (path && access(path, R_OK) != 0)
        return sy_err_set(err, errno == ENOENT ? -ENODATA : -errno, "%s: cannot read %s: %s", what,
                          path, strerror(errno));
    return 0;
}

int sy_kubeconfig_load(const char *path, const char *context, struct sy_kubeconfig *ret,
                       struct sy_err *err)
{
    struct sources s = {0};
    struct sy_kubeconfig c = {0};
    int r = path ? add_file(&s, path, err) : add_default_files(&s, err);

    if (!r)
        r = resolve(&s, context, &c, err);
    if (!r)
        r = check_readable("certificate-authority", c.ca_path, err);
    if (!r)
        r = check_readable("client-certificate", c.client_cert_path, err);
    if (!r)
        r = check_readable("client-key", c.client_key_path, err);
    /* A token beside it may still do. */
    if (!r && !c.token)
        r = check_readable("tokenFile", c.token_path, err);
    if (r && r != -ENOENT && err && s.len && !strstr(err->msg, sy_yaml_file(s.at[0].doc)))
        sy_err_wrap(err, r, "kubeconfig %s", sy_yaml_file(s.at[0].doc));
    sources_done(&s);
    if (r)
        sy_kubeconfig_done(&c);
    else
        *ret = c;
    return r;
}

int sy_kubeconfig_parse(const char *text, size_t len, const char *dir, const char *context,
                        struct sy_kubeconfig *ret, struct sy_err *err)
{
    struct sources s = {0};
    struct sy_kubeconfig c = {0};
    struct sy_yaml_doc *doc;
    int r = sy_yaml_parse(text, len, "kubeconfig", &doc, err);

    if (r)
        return r;
    s.at[s.len++] = (struct source){doc, sy_xstrdup(dir)};
    r = check_root(doc, err);
    if (!r)
        r = resolve(&s, context, &c, err);
    sources_done(&s);
    if (r)
        sy_kubeconfig_done(&c);
    else
        *ret = c;
    return r;
}

/* The namespace is a convenience: without it the caller uses "default". */
static char *read_namespace(const char *path)
{
    char text[256];
    FILE *f = fopen(path, "re");

    if (!f)
        return NULL;
    size_t len = fread(text, 1, sizeof(text), f);
    fclose(f);
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    return len ? sy_xstrndup(text, len) : NULL;
}

int sy_kubeconfig_in_cluster(const char *root, struct sy_kubeconfig *ret, struct sy_err *err)
{
    static const char folder[] = "/var/run/secrets/kubernetes.io/serviceaccount";
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");

    if (!host || !port || !*host || !*port)
        return sy_err_set(err, -ENOENT,
                          "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                          "are not set");
    if (has_control_or_space(host) || has_control_or_space(port) || strpbrk(host, "/?#@"))
        return sy_err_set(err, -EINVAL, "KUBERNETES_SERVICE_HOST is no host name");
    struct sy_kubeconfig c = {
        .token_path = sy_xasprintf("%s%s/token", root, folder),
        .ca_path = sy_xasprintf("%s%s/ca.crt", root, folder),
    };
    int r = 0;
    if (access(c.token_path, R_OK) != 0)
        r = sy_err_set(err, -errno,
                       "cannot read the service account's token %s: %s; is "
                       "automountServiceAccountToken off?",
                       c.token_path, strerror(errno));
    if (!r)
        r = check_readable("the service account's CA", c.ca_path, err);
    if (r) {
        sy_kubeconfig_done(&c);
        return r;
    }
    bool is_ipv6 = strchr(host, ':') && *host != '[';
    c.server =
        sy_xasprintf("https://%s%s%s:%s", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port);
    char *path = sy_xasprintf("%s%s/namespace", root, folder);
    c.ns = read_namespace(path);
    free(path);
    *ret = c;
    return 0;
}
