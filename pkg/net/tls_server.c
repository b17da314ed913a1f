/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL contexts of the server. A context belongs to one state of the files; connections keep the
 * one that they began with. */
#include "net/tls_server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { CERT_DAYS = 365, CLOCK_SLACK_S = 3600, SERIAL_BITS = 64, HOST_MAX = 256 };

/* What tells one state of a file from the next. */
struct stamp {
    struct timespec changed;
    dev_t device;
    ino_t inode;
    off_t size;
};

struct sy_tls_server {
    SSL_CTX *ctx;
    char *cert_path, *key_path; /* NULL: made in memory */
    struct stamp cert, key;
    uint32_t reloads;
};

static int stamp_of(const char *path, struct stamp *ret)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    *ret = (struct stamp){st.st_mtim, st.st_dev, st.st_ino, st.st_size};
    return 0;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->device == b->device && a->inode == b->inode && a->size == b->size;
}

/* Takes OpenSSL's last error along and empties its queue. */
static int refuse(struct sy_err *err, int code, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return sy_err_set(err, code, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* TLS 1.2: forward secrecy and authenticated encryption only, as Go's defaults for a server. */
    if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK") != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool is_ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool is_ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                 BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;

    BN_free(number);
    return is_ok;
}

/* A name that can stand in the extension's little language. */
static bool is_plain_name(const char *name)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    return *name && strspn(name, PLAIN) == strlen(name);
}

static bool fill_certificate(X509 *cert, EVP_PKEY *key)
{
    char host[HOST_MAX] = "", names[HOST_MAX + 64];
    X509_NAME *name = X509_get_subject_name(cert);

    if (gethostname(host, sizeof(host) - 1) < 0 || !is_plain_name(host))
        host[0] = '\0';
    snprintf(names, sizeof(names), "DNS:localhost,IP:127.0.0.1,IP:::1%s%s", *host ? ",DNS:" : "",
             host);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SLACK_S) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), CERT_DAYS * 24L * 3600) &&
           X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"steelyard (self-signed)", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_alt_name, names) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static int make_certificate(SSL_CTX *ctx, struct sy_err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool is_ok = key && cert && fill_certificate(cert, key) &&
                 SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    X509_free(cert);
    EVP_PKEY_free(key);
    return is_ok ? 0 : refuse(err, -EINVAL, "cannot make a certificate");
}

/* A key that needs a passphrase is refused; nobody is there to be asked. */
static int no_passphrase(char *buf SY_UNUSED, int size SY_UNUSED, int is_write SY_UNUSED,
                         void *arg SY_UNUSED)
{
    return 0;
}

static int read_files(struct sy_tls_server *t, SSL_CTX *ctx, struct sy_err *err)
{
    struct sy_err why = {0};
    int r = 0;

    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, t->cert_path) != 1)
        r = sy_err_set(err, -EINVAL, "certificate %s cannot be used: %s", t->cert_path,
                       (refuse(&why, -EINVAL, "not a PEM certificate"), why.msg));
    else if (SSL_CTX_use_PrivateKey_file(ctx, t->key_path, SSL_FILETYPE_PEM) != 1)
        r = sy_err_set(err, -EINVAL, "key %s cannot be used: %s", t->key_path,
                       (refuse(&why, -EINVAL, "not the certificate's PEM key"), why.msg));
    else if (SSL_CTX_check_private_key(ctx) != 1)
        r = sy_err_set(err, -EINVAL, "key %s is not that of certificate %s", t->key_path,
                       t->cert_path);
    ERR_clear_error();
    return r;
}

/* Takes over what the files hold. On failure all stays. */
static int load(struct sy_tls_server *t, struct sy_err *err)
{
    struct stamp cert = {0}, key = {0};
    int r;

    /* Stamped before they are read: a change in between is then seen at the next look. */
    if (t->cert_path && (r = stamp_of(t->cert_path, &cert)))
        return sy_err_set(err, r, "certificate %s: %s", t->cert_path, strerror(-r));
    if (t->key_path && (r = stamp_of(t->key_path, &key)))
        return sy_err_set(err, r, "key %s: %s", t->key_path, strerror(-r));
    SSL_CTX *ctx = new_context();
    if (!ctx)
        return refuse(err, -ENOMEM, "cannot set up TLS");
    r = t->cert_path ? read_files(t, ctx, err) : make_certificate(ctx, err);
    if (r) {
        SSL_CTX_free(ctx);
        return r;
    }
    SSL_CTX_free(t->ctx);
    t->ctx = ctx;
    t->cert = cert;
    t->key = key;
    return 0;
}

int sy_tls_server_new(const char *cert_path, const char *key_path, struct sy_tls_server **ret,
                      struct sy_err *err)
{
    struct sy_tls_server *t;

    if (!cert_path != !key_path)
        return sy_err_set(err, -EINVAL, "a certificate and its key go together: give both");
    t = sy_xcalloc(1, sizeof(*t));
    t->cert_path = sy_xstrdup(cert_path);
    t->key_path = sy_xstrdup(key_path);
    int r = load(t, err);
    if (r) {
        sy_tls_server_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void sy_tls_server_free(struct sy_tls_server *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    free(t->cert_path);
    free(t->key_path);
    free(t);
}

static void look_for_new_files(struct sy_tls_server *t)
{
    struct stamp cert = {0}, key = {0};
    struct sy_err err = {0};

    if (!t->cert_path || stamp_of(t->cert_path, &cert) || stamp_of(t->key_path, &key) ||
        (same_stamp(&cert, &t->cert) && same_stamp(&key, &t->key)))
        return;
    int r = load(t, &err);
    if (r) {
        /* The two files of a pair seldom change in one instant; the next connection looks again. */
        sy_log_warn("goes on with the old certificate", "error", sy_err_text(&err, r));
        return;
    }
    t->reloads++;
    sy_log_info("serves with a new certificate", "file", t->cert_path);
}

struct ssl_st *sy_tls_server_accept(struct sy_tls_server *t)
{
    look_for_new_files(t);
    return SSL_new(t->ctx);
}

uint32_t sy_tls_server_reloads(const struct sy_tls_server *t)
{
    return t->reloads;
}
