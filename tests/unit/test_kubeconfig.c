/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubeconfigs: every field, the loading rules, every refusal with its text, and the in-cluster
 * account with a made-up root folder. */
#include "kube/kubeconfig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* base64 of "-----BEGIN CERTIFICATE-----\nAA==\n" */
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0K"
#define PEM   "-----BEGIN CERTIFICATE-----\nAA==\n"

static char *wrap(const char *cluster, const char *user)
{
    return sy_xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                        "contexts: [{name: c, context: {cluster: k, user: u, namespace: ns1}}]\n"
                        "clusters: [{name: k, cluster: {%s}}]\n"
                        "users: [{name: u, user: {%s}}]\n",
                        cluster, user);
}

static int parse(const char *text, struct sy_kubeconfig *c, struct sy_err *err)
{
    *c = (struct sy_kubeconfig){0};
    *err = (struct sy_err){0};
    return sy_kubeconfig_parse(text, strlen(text), "/dir", NULL, c, err);
}

static struct sy_kubeconfig take(const char *cluster, const char *user)
{
    struct sy_kubeconfig c;
    struct sy_err err;
    char *text = wrap(cluster, user);

    if (parse(text, &c, &err))
        fail_msg("%s", err.msg);
    free(text);
    return c;
}

static void refuse_text(const char *text, const char *message)
{
    struct sy_kubeconfig c;
    struct sy_err err;

    assert_int_equal(parse(text, &c, &err), -EINVAL);
    assert_null(c.server);
    if (!strstr(err.msg, message))
        fail_msg("\"%s\" lacks \"%s\"", err.msg, message);
}

static void refuse(const char *cluster, const char *user, const char *message)
{
    char *text = wrap(cluster, user);

    refuse_text(text, message);
    free(text);
}

static void test_fields(void **state)
{
    struct sy_kubeconfig c = take("server: 'https://h:6443/', certificate-authority-data: " PEM64
                                  ", tls-server-name: name, proxy-url: 'http://p:3128'",
                                  "client-certificate-data: " PEM64 ", client-key-data: " PEM64
                                  ", token: t0ken, as: bob, as-uid: '7', as-groups: [g1, g2]");

    (void)state;
    assert_string_equal(c.server, "https://h:6443");
    assert_string_equal(c.ca_pem, PEM);
    assert_null(c.ca_path);
    assert_string_equal(c.tls_server_name, "name");
    assert_string_equal(c.proxy_url, "http://p:3128");
    assert_string_equal(c.client_cert_pem, PEM);
    assert_string_equal(c.client_key_pem, PEM);
    assert_string_equal(c.token, "t0ken");
    assert_string_equal(c.ns, "ns1");
    assert_string_equal(c.impersonate, "bob");
    assert_string_equal(c.impersonate_uid, "7");
    assert_string_equal(c.impersonate_groups[1], "g2");
    assert_null(c.impersonate_groups[2]);
    assert_null(c.exec);

    struct sy_kubeconfig copy;
    sy_kubeconfig_copy(&c, &copy);
    sy_kubeconfig_done(&c);
    assert_null(c.server);
    assert_string_equal(copy.client_key_pem, PEM);
    assert_string_equal(copy.impersonate_groups[0], "g1");
    sy_kubeconfig_done(&copy);

    c = take("server: 'h:6443', insecure-skip-tls-verify: true",
             "client-certificate: crt, client-key: /abs/key, tokenFile: tok");
    assert_string_equal(c.server, "https://h:6443");
    assert_true(c.insecure_skip_tls_verify);
    assert_string_equal(c.client_cert_path, "/dir/crt");
    assert_string_equal(c.client_key_path, "/abs/key");
    assert_string_equal(c.token_path, "/dir/tok");
    sy_kubeconfig_done(&c);

    /* Data wins over the path of the same thing; numbers may be tokens. */
    c = take("server: 'https://h', certificate-authority: ca, certificate-authority-data: " PEM64,
             "token: 0123");
    assert_null(c.ca_path);
    assert_non_null(c.ca_pem);
    assert_string_equal(c.token, "0123");
    sy_kubeconfig_done(&c);

    c = take("server: 'http://127.0.0.1:8080/prefix/'", "username: u, password: p");
    assert_string_equal(c.server, "http://127.0.0.1:8080/prefix");
    assert_string_equal(c.username, "u");
    assert_string_equal(c.password, "p");
    sy_kubeconfig_done(&c);
}

static void test_exec(void **state)
{
    struct sy_kubeconfig c = take(
        "server: 'https://h', extensions: [{name: other, extension: 1}, {name: "
        "client.authentication.k8s.io/exec, extension: {audience: 06e3, n: 5, t: true, s: '5'}}]",
        "exec: {command: ./bin/plug, apiVersion: client.authentication.k8s.io/v1, "
        "args: [get, 'a b'], env: [{name: K, value: V=1}], installHint: 'install it', "
        "provideClusterInfo: true, interactiveMode: IfAvailable}");

    (void)state;
    assert_string_equal(c.exec->command, "/dir/./bin/plug");
    assert_string_equal(c.exec->api_version, "client.authentication.k8s.io/v1");
    assert_string_equal(c.exec->args[1], "a b");
    assert_null(c.exec->args[2]);
    assert_string_equal(c.exec->env[0], "K=V=1");
    assert_string_equal(c.exec->install_hint, "install it");
    assert_true(c.exec->provide_cluster_info);
    assert_string_equal(c.exec->cluster_config,
                        "{\"audience\":\"06e3\",\"n\":5,\"t\":true,\"s\":\"5\"}");
    struct sy_kubeconfig copy;
    sy_kubeconfig_copy(&c, &copy);
    sy_kubeconfig_done(&c);
    assert_string_equal(copy.exec->args[0], "get");
    sy_kubeconfig_done(&copy);

    c = take("server: 'https://h'",
             "exec: {command: plug, apiVersion: client.authentication.k8s.io/v1beta1}");
    assert_string_equal(c.exec->command, "plug");
    assert_null(c.exec->args);
    sy_kubeconfig_done(&c);
    c = take("server: 'https://h'",
             "token: x, exec: {command: plug, apiVersion: client.authentication.k8s.io/v1}");
    assert_null(c.exec);
    sy_kubeconfig_done(&c);

    refuse("server: 'https://h'", "exec: {apiVersion: client.authentication.k8s.io/v1}",
           "kubeconfig:6: exec has no command");
    refuse("server: 'https://h'", "exec: {command: x, apiVersion: v9}",
           "exec apiVersion \"v9\" is not known; use client.authentication.k8s.io/v1");
    refuse("server: 'https://h'",
           "exec: {command: x, apiVersion: client.authentication.k8s.io/v1, "
           "interactiveMode: Always}",
           "there is no terminal here");
    refuse("server: 'https://h'",
           "exec: {command: x, apiVersion: client.authentication.k8s.io/v1, env: [{value: x}]}",
           "exec env");
    refuse("server: 'https://h'",
           "exec: {command: x, apiVersion: client.authentication.k8s.io/v1, args: {a: b}}",
           "args must be a list, not a map");
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("", "", "kubeconfig:5: the cluster has no server");
    refuse("server: 'ftp://h'", "", "server \"ftp://h\" is not of the form https://host:port");
    refuse("server: 'https://u@h'", "", "is not of the form");
    refuse("server: 'https://h h'", "", "is not of the form");
    refuse("server: [x]", "", "server must be text, not a list");
    refuse("server: 'https://h', certificate-authority-data: 'A*=='", "",
           "kubeconfig:5: certificate-authority-data is not valid base64");
    refuse("server: 'https://h', certificate-authority-data: 'QQ='", "", "is not valid base64");
    refuse("server: 'https://h', certificate-authority-data: 'Q=Q='", "", "is not valid base64");
    refuse("server: 'https://h', certificate-authority-data: aGVsbG8=", "", "does not hold PEM");
    refuse("server: 'https://h', certificate-authority: x, insecure-skip-tls-verify: true", "",
           "exclude each other");
    refuse("server: 'https://h', insecure-skip-tls-verify: yes", "",
           "insecure-skip-tls-verify must be true or false");
    refuse("server: 'https://h', proxy-url: 'p:1'", "", "proxy-url must begin with");
    refuse("server: 'https://h'", "client-certificate: x",
           "the user has a client certificate but no key");
    refuse("server: 'https://h'", "client-key-data: " PEM64,
           "the user has a client key but no certificate");
    refuse("server: 'https://h'", "auth-provider: {name: gcp}",
           "auth-provider was removed from Kubernetes in 1.26; use the exec plugin");
    refuse("server: 'https://h'", "token: t, username: u, password: p", "keep one");
    refuse("server: 'https://h'", "token: \"a\\r\\nX-Evil: 1\"", "token holds a line break");
    refuse("server: 'https://h'", "as-uid: '7'", "need as");
    refuse("server: 'https://h'", "as: x, as-user-extra: {a: [b]}", "not supported");
    refuse("server: 'http://h:8080'", "token: t",
           "refusing to send credentials unencrypted to http://h:8080; use https");
    refuse("server: 'http://localhost.evil.example'", "token: t", "unencrypted");
    refuse("server: 'http://127.0.0.1.evil.example'", "token: t", "unencrypted");

    refuse_text("- a\n", "kubeconfig:1: this is no kubeconfig");
    refuse_text("kind: Pod\n", "kind is \"Pod\", not Config");
    refuse_text("kind: Config\n", "current-context is not set; name a context; there are: none");
    refuse_text("contexts: [{name: a, context: {}}, {name: b, context: {}}]\n",
                "name a context; there are: a, b");
    refuse_text("current-context: x\ncontexts: [{name: a, context: {}}]\n",
                "no context \"x\"; there are: a");
    refuse_text("current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\n",
                "kubeconfig:2: context \"a\" names cluster \"k\", which is not there");
    refuse_text("current-context: a\ncontexts: [{name: a, context: {cluster: k, user: u}}]\n"
                "clusters: [{name: k, cluster: {server: 'https://h'}}]\n",
                "context \"a\" names user \"u\", which is not there");
    refuse_text("current-context: a\ncontexts: [{name: a, context: {}}, {name: a, context: {}}]\n",
                "contexts: \"a\" appears twice");
    refuse_text("current-context: a\ncontexts: {a: b}\n", "contexts must be a list, not a map");
    refuse_text("current-context: a\ncontexts: [a]\n", "each entry must be a map");
    refuse_text("current-context: a\ncontexts: [{name: a}]\n", "has no field \"context\"");
    refuse_text("a: &x {b: 1}\nc: *x\n", "aliases");
    refuse_text("a: &x [*x]\n", "aliases");
    refuse_text("a: [\n", "kubeconfig:2:");
}

static char folder[] = "/tmp/test_kubeconfig.XXXXXX";

static char *write_file(const char *name, const char *text)
{
    char *path = sy_xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void test_merge(void **state)
{
    struct sy_kubeconfig c;
    struct sy_err err;
    char *a = write_file("a", "current-context: c2\n"
                              "contexts: [{name: c1, context: {cluster: k, user: u}}]\n"
                              "users: [{name: u, user: {token: first}}]\n");
    char *b = write_file("b", "current-context: c1\n"
                              "contexts: [{name: c2, context: {cluster: k, user: u}}]\n"
                              "clusters: [{name: k, cluster: {server: 'https://b', "
                              "certificate-authority: ca}}]\n"
                              "users: [{name: u, user: {token: second, username: x}}]\n");
    char *list = sy_xasprintf("%s/none:%s::%s", folder, a, b);
    char *ca = write_file("ca", PEM);

    (void)state;
    setenv("KUBECONFIG", list, 1);
    err = (struct sy_err){0};
    if (sy_kubeconfig_load(NULL, NULL, &c, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(c.server, "https://b");
    assert_string_equal(c.token, "first");
    assert_string_equal(c.ca_path, ca);
    sy_kubeconfig_done(&c);

    assert_int_equal(sy_kubeconfig_load(NULL, "nope", &c, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "no context \"nope\"; there are: c1, c2"));

    unlink(ca);
    assert_int_equal(sy_kubeconfig_load(NULL, NULL, &c, &err), -ENODATA);
    assert_non_null(strstr(err.msg, "certificate-authority: cannot read"));
    assert_non_null(strstr(err.msg, "No such file"));

    setenv("KUBECONFIG", "/nonexistent/a:/nonexistent/b", 1);
    assert_int_equal(sy_kubeconfig_load(NULL, NULL, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "none of KUBECONFIG=/nonexistent/a:/nonexistent/b exists"));
    unsetenv("KUBECONFIG");
    setenv("HOME", "/nonexistent", 1);
    assert_int_equal(sy_kubeconfig_load(NULL, NULL, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/nonexistent/.kube/config does not exist"));
    assert_int_equal(sy_kubeconfig_load("/nonexistent/x", NULL, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "cannot open /nonexistent/x"));
    unlink(a);
    unlink(b);
    free(a);
    free(b);
    free(ca);
    free(list);
}

static void test_in_cluster(void **state)
{
    static const char *const parts[] = {"var", "var/run", "var/run/secrets",
                                        "var/run/secrets/kubernetes.io",
                                        "var/run/secrets/kubernetes.io/serviceaccount"};
    struct sy_kubeconfig c;
    struct sy_err err;
    char *made[SY_ARRAY_LEN(parts)];

    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "not in a cluster"));
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "automountServiceAccountToken"));
    for (size_t i = 0; i < SY_ARRAY_LEN(parts); i++) {
        made[i] = sy_xasprintf("%s/%s", folder, parts[i]);
        assert_int_equal(mkdir(made[i], 0700), 0);
    }
    char *token = write_file("var/run/secrets/kubernetes.io/serviceaccount/token", "tok\n");
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), -ENODATA);
    assert_non_null(strstr(err.msg, "ca.crt"));
    char *ca = write_file("var/run/secrets/kubernetes.io/serviceaccount/ca.crt", PEM);
    char *ns =
        write_file("var/run/secrets/kubernetes.io/serviceaccount/namespace", "kube-system\n");
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), 0);
    assert_string_equal(c.server, "https://[fd00::1]:443");
    assert_string_equal(c.token_path, token);
    assert_string_equal(c.ca_path, ca);
    assert_string_equal(c.ns, "kube-system");
    sy_kubeconfig_done(&c);
    setenv("KUBERNETES_SERVICE_HOST", "a b", 1);
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), -EINVAL);
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    assert_int_equal(sy_kubeconfig_in_cluster(folder, &c, &err), 0);
    assert_string_equal(c.server, "https://10.0.0.1:443");
    sy_kubeconfig_done(&c);
    unlink(token);
    unlink(ca);
    unlink(ns);
    free(token);
    free(ca);
    free(ns);
    for (size_t i = SY_ARRAY_LEN(parts); i--;) {
        rmdir(made[i]);
        free(made[i]);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_exec),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_merge),
        cmocka_unit_test(test_in_cluster),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
