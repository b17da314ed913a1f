/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS of the HTTP server: its certificate, from files that are read again when they change, or
 * made in memory. Whom it answers is not decided here. */
#pragma once

#include "base/err.h"

struct ssl_st; /* OpenSSL's SSL */
struct sy_tls_server;

/* cert_path, key_path: PEM, the server's certificate first (copied); both NULL: a self-signed one
 * for this machine's names is made, with a key that is never written anywhere, good for a year and
 * made anew by each start. *ret is to be freed with sy_tls_server_free(), after all connections.
 * errors: -EINVAL when they cannot be used, or what reading them says; the message names the file.
 * Cost: a P-256 key and a signature, below a millisecond. */
int sy_tls_server_new(const char *cert_path, const char *key_path, struct sy_tls_server **ret,
                      struct sy_err *err) SY_NODISCARD;
void sy_tls_server_free(struct sy_tls_server *t); /* NULL allowed */

/* State for one connection under the certificate that the files hold now; owned by the caller, NULL
 * when there is no memory. Files that changed and cannot be used leave the old certificate in
 * force, with a line in the log. Cost: two stat(2). For pkg/net and tests. */
struct ssl_st *sy_tls_server_accept(struct sy_tls_server *t);
/* How often new files were taken over. */
uint32_t sy_tls_server_reloads(const struct sy_tls_server *t);
