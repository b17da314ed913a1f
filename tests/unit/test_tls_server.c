/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS on the server's port: beside plain HTTP, 1.2 or newer, under a certificate that is made or
 * read, and read again when it changes. A thread plays the peer with OpenSSL. */
#include "net/tls_server.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server.h"

struct fixture {
    struct sy_loop *loop;
    struct sy_server *server;
    struct sy_tls_server *tls;
    bool was_private;
    char folder[32], cert[64], key[64];
};

static void hello(void *arg, struct sy_exchange *x)
{
    struct fixture *f = arg;

    f->was_private = sy_exchange_is_private(x);
    sy_reply(x, 200, "text/plain", SY_STR("hello\n"));
}

static void large(void *arg SY_UNUSED, struct sy_exchange *x)
{
    size_t len = (size_t)4 << 20;
    char *text = sy_xmalloc(len);

    memset(text, 'x', len);
    sy_reply(x, 200, "text/plain", (struct sy_str){text, len});
    free(text);
}

/* A self-signed pair for `name`, as files. */
static void write_pair(const struct fixture *f, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *to = fopen(f->cert, "w");
    assert_int_equal(PEM_write_X509(to, cert), 1);
    fclose(to);
    to = fopen(f->key, "w");
    assert_int_equal(PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(to);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "/tmp/sy-tls-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->folder);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->folder);
    assert_int_equal(sy_loop_new(&f->loop, NULL), 0);
    assert_int_equal(sy_server_new(f->loop, "127.0.0.1", 0, &f->server, NULL), 0);
    sy_server_handle(f->server, "/hello", hello, f);
    sy_server_handle(f->server, "/large", large, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_server_free(f->server);
    sy_tls_server_free(f->tls);
    sy_loop_free(f->loop);
    unlink(f->cert);
    unlink(f->key);
    rmdir(f->folder);
    free(f);
    return 0;
}

/* ---- the peer ---- */

struct peer {
    uint16_t port;
    const char *send;
    int most; /* newest version of TLS that it speaks; 0: all */
    bool is_plain;
    bool is_shaken; /* the handshake came about */
    char version[16];
    char subject[128];
    bool names_this_machine;
    bool ended_in_order; /* with close_notify */
    size_t got_len;
    char got[1024]; /* the beginning */
    int done_fd;
};

static void note_certificate(struct peer *p, SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);

    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, p->subject,
                              sizeof(p->subject));
    p->names_this_machine = X509_check_ip_asc(cert, "127.0.0.1", 0) == 1 &&
                            X509_check_host(cert, "localhost", 0, 0, NULL) == 1;
    X509_free(cert);
}

static void keep_beginning(struct peer *p, const char *bytes, size_t len)
{
    size_t room = p->got_len < sizeof(p->got) - 1 ? sizeof(p->got) - 1 - p->got_len : 0;

    memcpy(p->got + (room ? p->got_len : 0), bytes, len < room ? len : room);
    p->got_len += len;
}

static void talk_tls(struct peer *p, int fd)
{
    static char bytes[16384];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int n = 0;

    /* Else this side would refuse the old version by itself. */
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, p->most ? TLS1_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, p->most);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    p->is_shaken = SSL_connect(ssl) == 1;
    if (p->is_shaken) {
        snprintf(p->version, sizeof(p->version), "%s", SSL_get_version(ssl));
        note_certificate(p, ssl);
        SSL_write(ssl, p->send, (int)strlen(p->send));
        while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
            keep_beginning(p, bytes, (size_t)n);
        p->ended_in_order = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void talk_plain(struct peer *p, int fd)
{
    static char bytes[16384];

    send(fd, p->send, strlen(p->send), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        keep_beginning(p, bytes, (size_t)n);
}

static void *play(void *arg)
{
    struct peer *p = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        if (p->is_plain)
            talk_plain(p, fd);
        else
            talk_tls(p, fd);
    }
    close(fd);
    close(p->done_fd);
    return NULL;
}

static void peer_done(evutil_socket_t fd SY_UNUSED, short what SY_UNUSED, void *arg)
{
    sy_loop_stop(arg);
}

static void serve(struct fixture *f, struct peer *p)
{
    pthread_t thread;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    p->port = sy_server_port(f->server);
    p->done_fd = fds[1];
    struct event *e = event_new(sy_loop_base(f->loop), fds[0], EV_READ, peer_done, f->loop);
    event_add(e, NULL);
    assert_int_equal(pthread_create(&thread, NULL, play, p), 0);
    assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    pthread_join(thread, NULL);
    event_free(e);
    close(fds[0]);
}

static const char ASK[] = "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n";

static void use_tls(struct fixture *f, const char *cert, const char *key)
{
    struct sy_err err = {0};

    if (sy_tls_server_new(cert, key, &f->tls, &err))
        fail_msg("%s", err.msg);
    sy_server_use_tls(f->server, f->tls);
}

/* ---- tests ---- */

static void one_port_speaks_both(void **state)
{
    struct fixture *f = *state;
    struct peer tls = {.send = ASK}, plain = {.send = ASK, .is_plain = true};

    use_tls(f, NULL, NULL);
    serve(f, &tls);
    assert_true(tls.is_shaken);
    assert_string_equal(tls.version, "TLSv1.3");
    assert_true(tls.names_this_machine);
    assert_true(tls.ended_in_order);
    assert_memory_equal(tls.got, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(tls.got, "\r\n\r\nhello\n"));
    assert_true(f->was_private);
    serve(f, &plain);
    assert_memory_equal(plain.got, "HTTP/1.1 200 OK\r\n", 17);
}

static void several_requests_share_a_connection(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /hello HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n"
                             "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"};

    use_tls(f, NULL, NULL);
    serve(f, &p);
    const char *second = strstr(p.got, "404 Not Found");
    assert_non_null(second);
    assert_non_null(strstr(second, "200 OK"));
}

static void a_large_answer_arrives_whole(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n"};

    use_tls(f, NULL, NULL);
    serve(f, &p);
    assert_true(p.ended_in_order);
    assert_true(p.got_len > (size_t)4 << 20);
}

static void old_versions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct peer old = {.send = ASK, .most = TLS1_1_VERSION},
                least = {.send = ASK, .most = TLS1_2_VERSION};

    use_tls(f, NULL, NULL);
    serve(f, &old);
    assert_false(old.is_shaken);
    serve(f, &least);
    assert_true(least.is_shaken);
    assert_string_equal(least.version, "TLSv1.2");
}

static void nonsense_after_the_first_byte_is_cut(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "\x16\x03\x01\x02 a TLS hello that is none", .is_plain = true};
    struct peer after = {.send = ASK};

    use_tls(f, NULL, NULL);
    serve(f, &p); /* ends, so the connection was closed */
    assert_null(strstr(p.got, "HTTP"));
    serve(f, &after);
    assert_non_null(strstr(after.got, "200 OK"));
}

static void new_files_are_taken_over(void **state)
{
    struct fixture *f = *state;
    struct peer first = {.send = ASK}, second = {.send = ASK}, broken = {.send = ASK};

    sy_log_configure(SY_LOG_ERROR, false);
    write_pair(f, "the first");
    use_tls(f, f->cert, f->key);
    serve(f, &first);
    assert_string_equal(first.subject, "the first");
    unlink(f->cert); /* else the same inode, size and perhaps time */
    write_pair(f, "the second");
    serve(f, &second);
    assert_string_equal(second.subject, "the second");
    assert_int_equal(sy_tls_server_reloads(f->tls), 1);
    FILE *to = fopen(f->key, "w");
    fputs("no key at all, and longer than none\n", to);
    fclose(to);
    serve(f, &broken);
    assert_string_equal(broken.subject, "the second");
    assert_int_equal(sy_tls_server_reloads(f->tls), 1);
}

static void bad_files_are_named(void **state)
{
    struct fixture *f = *state;
    struct sy_err err = {0};

    assert_int_equal(sy_tls_server_new(f->cert, f->key, &f->tls, &err), -ENOENT);
    assert_non_null(strstr(err.msg, f->cert));
    assert_int_equal(sy_tls_server_new(f->cert, NULL, &f->tls, &err), -EINVAL);
    write_pair(f, "one");
    char *other = sy_xasprintf("%s.other", f->cert);
    assert_int_equal(rename(f->cert, other), 0);
    write_pair(f, "two");
    assert_int_equal(sy_tls_server_new(other, f->key, &f->tls, &err), -EINVAL);
    assert_non_null(strstr(err.msg, f->key));
    FILE *to = fopen(other, "w");
    fputs("no certificate\n", to);
    fclose(to);
    assert_int_equal(sy_tls_server_new(other, f->key, &f->tls, &err), -EINVAL);
    assert_non_null(strstr(err.msg, other));
    assert_null(f->tls);
    unlink(other);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_port_speaks_both, setup, teardown),
        cmocka_unit_test_setup_teardown(several_requests_share_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_answer_arrives_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(old_versions_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_after_the_first_byte_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(new_files_are_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_files_are_named, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
