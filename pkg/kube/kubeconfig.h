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
    char *ns;                  /* the context's namespace or NULL */
    char *impersonate;         /* "as" */
    char *impersonate_uid;     /* "as-uid" */
    char **impersonate_groups; /* "as-groups", NULL-terminated */
    bool insecure_skip_tls_verify;
    struct sy_exec_config *exec; /* credential plugin or NULL */
};

struct sy_exec_config {
    char *command; /* a path, or a name to be looked up in $PATH */
    char *api_version;
    char *install_hint;
    char **args; /* NULL-terminated */
    char **env;  /* NULL-terminated "K=V" */
    bool provide_cluster_info;
    char *cluster_config; /* JSON of the cluster's extension for exec plugins, or NULL */
};

/* Reads the file at `path`, or for NULL all files of the list $KUBECONFIG (missing ones are passed
 * over; as in clientcmd the first to name a context, cluster or user wins), or ~/.kube/config.
 * Picks `context` (NULL: current-context). Relative paths count from their file's folder. A given
 * *-data field wins over its file; with both token and tokenFile the file wins once it can be read.
 * Files named by the result are checked for being readable but not read. Credentials with an
 * http:// server that is not on loopback are refused. Errors are one line: what, where (file:line),
 * what to do; -ENOENT when there is no file at all. out: *ret to be released with
 * sy_kubeconfig_done(). */
int sy_kubeconfig_load(const char *path, const char *context, struct sy_kubeconfig *ret,
                       struct sy_err *err) SY_NODISCARD;
/* Text instead of a file, for the fuzzer; `dir` resolves relative paths. Touches no file. */
int sy_kubeconfig_parse(const char *text, size_t len, const char *dir, const char *context,
                        struct sy_kubeconfig *ret, struct sy_err *err) SY_NODISCARD;
/* KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount. -ENOENT when not
 * in a cluster or without a token, -ENODATA when the CA is missing. root: prefix for the secrets
 * folder, "" in production. */
int sy_kubeconfig_in_cluster(const char *root, struct sy_kubeconfig *ret,
                             struct sy_err *err) SY_NODISCARD;
/* Deep copy; *ret is overwritten and to be released with sy_kubeconfig_done(). */
void sy_kubeconfig_copy(const struct sy_kubeconfig *c, struct sy_kubeconfig *ret);
/* Frees; secrets are overwritten first. A zeroed struct is allowed. */
void sy_kubeconfig_done(struct sy_kubeconfig *c);
