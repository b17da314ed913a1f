/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL contexts for the client, the name to verify, and its errors in words. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* Records are read in one system call as far as they have come. */
enum { READ_AHEAD_BYTES = 64 * 1024 };

static int no_passphrase(char *buf SY_UNUSED, int size SY_UNUSED, int is_write SY_UNUSED,
                         void *arg SY_UNUSED)
{
    return 0;
}

static bool trust(SSL_CTX *ctx, const char *pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    int count = 0;
    X509 *cert;

    while (bio && (cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL))) {
        count += X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error();
    return count > 0;
}

/* The first certificate is the client's own, the rest lead to its CA. */
static bool show(SSL_CTX *ctx, const char *cert_pem, const char *key_pem)
{
    BIO *cert_bio = BIO_new_mem_buf(cert_pem, -1), *key_bio = BIO_new_mem_buf(key_pem, -1);
    X509 *cert = cert_bio ? PEM_read_bio_X509_AUX(cert_bio, NULL, no_passphrase, NULL) : NULL;
    EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL) : NULL;
    bool is_ok = cert && key && SSL_CTX_use_certificate(ctx, cert) == 1 &&
                 SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509 *next;

    while (is_ok && (next = PEM_read_bio_X509(cert_bio, NULL, no_passphrase, NULL))) {
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            is_ok = false;
        }
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    if (is_ok)
        ERR_clear_error();
    return is_ok;
}

int sy_tls_context(const struct sy_http_settings *settings, SSL_CTX **ret, struct sy_err *err)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const char *what = NULL;

    if (!ctx)
        return sy_err_set(err, -ENOMEM, "cannot set up TLS");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
    SSL_CTX_set_alpn_protos(ctx, protocols, sizeof(protocols) - 1);
    SSL_CTX_set_verify(ctx, settings->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    /* As in Go and curl: what the CA text holds is trusted, a root or not. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);

    if (settings->ca_pem && !trust(ctx, settings->ca_pem))
        what = "certificate authority: no certificate in it can be used";
    else if (!settings->ca_pem && SSL_CTX_set_default_verify_paths(ctx) != 1)
        what = "the system's certificates cannot be read";
    if (!what && settings->client_cert_pem &&
        !show(ctx, settings->client_cert_pem, settings->client_key_pem))
        what = "client certificate and key cannot be used";
    if (what) {
        unsigned long e = ERR_peek_last_error();
        const char *reason = e ? ERR_reason_error_string(e) : NULL;

        ERR_clear_error();
        SSL_CTX_free(ctx);
        return sy_err_set(err, -EINVAL, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    }
    *ret = ctx;
    return 0;
}

int sy_tls_expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct in6_addr address;
    bool is_ip =
        inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_ip)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -ENOMEM;
    if (SSL_set_tlsext_host_name(ssl, name) != 1 ||
        X509_VERIFY_PARAM_set1_host(param, name, 0) != 1)
        return -ENOMEM;
    return 0;
}

int sy_tls_explain(SSL *ssl, int otherwise, char *text, size_t room)
{
    long verified = SSL_get_verify_result(ssl);
    unsigned long e = ERR_get_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verified != X509_V_OK) {
        snprintf(text, room, "the server's certificate was refused: %s",
                 X509_verify_cert_error_string(verified));
        return -EKEYREJECTED;
    }
    snprintf(text, room, "TLS: %s", reason ? reason : "the connection was closed");
    return otherwise;
}
