/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS of the client's own connections, on OpenSSL: what is trusted, what is shown, whom the
 * certificate must name. For pkg/net only. */
#pragma once

#include "base/err.h"
#include "net/http_int.h"

#include <openssl/ssl.h>

/* A context for connections with the settings (borrowed for the call): TLS 1.2 or newer, the CA or
 * the system's bundle, the client certificate, ALPN h2 before http/1.1. *ret is owned by the caller
 * (SSL_CTX_free). -EINVAL or -ENOMEM. Cost: milliseconds where the system's bundle is read. */
int sy_tls_context(const struct sy_http_settings *settings, SSL_CTX **ret, struct sy_err *err);

/* Makes ssl ask for `name` (SNI, unless it is an IP address) and refuse a certificate that is not
 * for it. The context decides whether certificates are looked at at all. 0 or -ENOMEM. */
int sy_tls_expect(SSL *ssl, const char *name);

/* What a failed call on ssl means: -EKEYREJECTED when the peer's certificate was refused, else
 * `otherwise`. text: filled with words for people. Empties OpenSSL's error queue. */
int sy_tls_explain(SSL *ssl, int otherwise, char *text, size_t room);
