/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the API server is and who we are there: kubeconfig files and the in-cluster service
 * account. Source: client-go tools/clientcmd (loading rules, contexts, relative paths) and
 * rest.InClusterConfig. */
#pragma once

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_kubeconfig {
    char *server;          /* "https://host:port[/prefix]" without trailing slash */
    char *tls_server_name; /* NULL when absent, as all below */
    char *proxy_url;
    char *ca_pem;
    char *ca_path; /* re-read on rotation when set */
    char *client_cert_pem;
    char *client_cert_path;
    char *client_key_pem;
    char *client_key_path;
    char *token;
    char *token_path; /* re-read every minute and after a 401 when set */
    char *username;   /* basic auth */
    char *password;
    char *ns;          /* the context's namespace or NULL */
    char *impersonate; /* "as" */
    bool insecure_skip_tls_verify;
    struct sy_exec_config *exec; /* credential plugin or NULL */
};

struct sy_exec_config {
    char *command;
    char *api_version;
    char *install_hint;
    char **args; /* NULL-terminated */
    char **env;  /* NULL-terminated "K=V" */
    bool provide_cluster_info;
};

/* Reads the file at `path` (NULL: $KUBECONFIG's first existing entry, then ~/.kube/config), picks
 * `context` (NULL: current-context). Errors are one line: what, where (file:line), what to do.
 * out: *ret to be released with sy_kubeconfig_done(). */
int sy_kubeconfig_load(const char *path, const char *context, struct sy_kubeconfig *ret,
                       struct sy_err *err) SY_NODISCARD;
/* Text instead of a file, for the fuzzer; `dir` resolves relative paths. */
int sy_kubeconfig_parse(const char *text, size_t len, const char *dir, const char *context,
                        struct sy_kubeconfig *ret, struct sy_err *err) SY_NODISCARD;
/* KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount. -ENOENT when not
 * in a cluster. root: prefix for the secrets folder, "" in production. */
int sy_kubeconfig_in_cluster(const char *root, struct sy_kubeconfig *ret,
                             struct sy_err *err) SY_NODISCARD;
void sy_kubeconfig_done(struct sy_kubeconfig *c);
