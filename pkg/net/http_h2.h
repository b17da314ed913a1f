/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the HTTP/2 transport, for pkg/net and its tests only:
 *   http_h2.c          requests, the connections of each server, who goes where and again
 *   http_h2_conn.c     one connection: name, socket, TLS, silence
 *   http_h2_lookup.c   a server's addresses
 *   http_h2_session.c  the protocol of one connection, pure: bytes in, bytes out
 * The parts below call the ones above only through the functions that say so. */
#pragma once

#include "net/http_int.h"

#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <sys/types.h>

enum {
    /* Of one answer: names, values and 32 bytes for each, as RFC 9113 counts them. */
    SY_H2_HEADERS_MAX = 64 * 1024,
    /* Requests with more header lines go over curl. */
    SY_H2_LINES_MAX = 48,
    SY_H2_INPUT_BYTES = 64 * 1024,
    SY_H2_RECORD_BYTES = 16 * 1024, /* the most that one TLS record holds */
};

/* A request on this transport. */
struct sy_h2_call {
    struct sy_transfer *transfer;
    struct sy_h2_host *host;
    struct sy_h2_conn *conn;        /* NULL while it waits */
    struct sy_h2_call *prev, *next; /* waiting, or on conn; `next` alone: unused */
    uint64_t order;                 /* of its first start */
    const char *path;               /* borrowed from the transfer */
    size_t body_at;                 /* what is sent of the body */
    size_t header_bytes;            /* of the answer so far */
    int32_t stream_id;              /* 0: on no stream */
    uint8_t resends;
    bool is_sent;  /* its header left, or may have */
    bool is_head;  /* the header that is read now is the final one */
    bool is_whole; /* the answer's end was seen */
};

struct sy_h2_call_list {
    struct sy_h2_call *first, *last;
    uint32_t len;
};

/* ---- http_h2_session.c ---- */

enum sy_h2_fate {
    SY_H2_ANSWERED,
    SY_H2_FAILED,
    SY_H2_UNPROCESSED, /* the server says that it did nothing about it: may be sent again */
};

struct sy_h2_session;
struct sy_h2_session_user {
    /* The stream of c is gone. code: 0 when answered, else a negative errno. Text borrowed. */
    void (*on_end)(void *arg, struct sy_h2_call *c, enum sy_h2_fate fate, int code,
                   const char *text);
    /* A piece of the body; a negative errno: no more of it, on_end will get that code. */
    int (*on_data)(void *arg, struct sy_h2_call *c, struct sy_str piece);
    void *arg;
};

/* The client's side of a connection whose first bytes are to be sent. user: copied. *ret is freed
 * by sy_h2_session_free(), which calls nothing back. -ENOMEM. */
int sy_h2_session_new(const struct sy_h2_session_user *user, struct sy_h2_session **ret);
void sy_h2_session_free(struct sy_h2_session *s);
/* Puts c on a stream. Its transfer's texts are borrowed until the stream is gone; header names are
 * put into lower case there. authority: borrowed likewise. 0 or a negative errno, then c is on no
 * stream. Cost: a few allocations in nghttp2. */
int sy_h2_session_submit(struct sy_h2_session *s, struct sy_h2_call *c, const char *authority);
/* Takes c off its stream, which is reset. No on_end. */
void sy_h2_session_cancel(struct sy_h2_session *s, struct sy_h2_call *c);
/* Bytes from the server. -EPROTO when they end the session at once. Fills in the answers' status,
 * content type and Retry-After in the transfers; calls the user. */
int sy_h2_session_recv(struct sy_h2_session *s, const uint8_t *p, size_t len);
/* The next bytes to be sent, valid until the next call on s. 0: none now; negative errno: broken.
 */
ssize_t sy_h2_session_send(struct sy_h2_session *s, const uint8_t **ret);
void sy_h2_session_ping(struct sy_h2_session *s);
/* Says goodbye; the bytes are still to be sent. */
void sy_h2_session_shutdown(struct sy_h2_session *s);
/* How many more streams it takes now; 0 forever once the server has said goodbye. */
uint32_t sy_h2_session_room(const struct sy_h2_session *s, uint32_t most);
/* The server takes no new streams. */
bool sy_h2_session_is_leaving(const struct sy_h2_session *s);
/* Nothing is left to be read or sent. */
bool sy_h2_session_is_over(const struct sy_h2_session *s);
/* Why it ended or was hurt, for people. Borrowed. */
const char *sy_h2_session_text(const struct sy_h2_session *s);

/* ---- http_h2_lookup.c ---- */

struct addrinfo;
struct sy_h2_lookup;
/* addresses: freed by the receiver (freeaddrinfo), NULL when there are none, then text says why. */
typedef void sy_h2_lookup_fn(void *arg, struct addrinfo *addresses, const char *text);

/* The addresses of a name that is one, else NULL. Does not wait. */
struct addrinfo *sy_h2_lookup_now(const char *name, const char *port);
/* Calls fn once, on the loop, unless freed before. NULL when no thread can be had. Freed by the
 * caller, also from inside fn. Signals are for other threads. */
struct sy_h2_lookup *sy_h2_lookup_new(struct sy_loop *loop, const char *name, const char *port,
                                      sy_h2_lookup_fn *fn, void *arg);
void sy_h2_lookup_free(struct sy_h2_lookup *l); /* NULL allowed */

/* ---- http_h2_conn.c ---- */

enum sy_h2_conn_state {
    SY_H2_RESOLVING,
    SY_H2_CONNECTING,
    SY_H2_HANDSHAKE,
    SY_H2_READY,
    SY_H2_DEAD, /* to be freed by the transport at the end of a turn */
};

struct sy_h2_conn {
    struct sy_h2_conn *next; /* of its host */
    struct sy_h2 *h2;
    struct sy_h2_host *host;
    enum sy_h2_conn_state state;
    struct sy_h2_session *session;
    struct sy_h2_call_list calls;
    bool is_leaving; /* no new calls: goes with its last one */
    bool has_served; /* an answer came over it */
    sy_time_ns heard_at;
    sy_time_ns busy_since; /* when it last went from no call to one */

    int fd;
    bool has_events;
    bool is_writing; /* the write event is on */
    bool is_drained; /* the socket had no more in this round */
    size_t budget;   /* to be read in this round */
    int os_error;    /* of the last read, 0 for none */
    struct event read_event, write_event;
    struct sy_timer *timer; /* connecting: its end; ready: silence */
    bool is_pinged;
    SSL *ssl;
    struct sy_buf wire; /* TLS records to be sent, from wire_at on */
    size_t wire_at;
    struct sy_h2_lookup *lookup;
    struct addrinfo *addresses, *address; /* all, and the one tried */
    sy_time_ns connect_until;
};

/* Begins to connect; what becomes of it is told by sy_h2_conn_ready() and so on, also from inside
 * this call. Owned by the host's list. */
void sy_h2_conn_open(struct sy_h2_conn *c);
/* Sends what the session has, as far as the socket takes it. */
void sy_h2_conn_flush(struct sy_h2_conn *c);
/* A call came where none was: silence counts from now. */
void sy_h2_conn_busy(struct sy_h2_conn *c);
/* Ends it from our side, in good order where it can be. It is dead afterwards. */
void sy_h2_conn_close(struct sy_h2_conn *c);
void sy_h2_conn_free(struct sy_h2_conn *c);

/* ---- http_h2.c, for connections ---- */

/* c takes calls now. */
void sy_h2_conn_ready(struct sy_h2_conn *c);
/* What became of a call on c. */
void sy_h2_call_ended(struct sy_h2_call *call, enum sy_h2_fate fate, int code, const char *text);
/* The server speaks no HTTP/2. c is dead. */
void sy_h2_conn_is_http1(struct sy_h2_conn *c);
/* c is dead. was_ready: false when it never took calls. */
void sy_h2_conn_lost(struct sy_h2_conn *c, bool was_ready, int code, const char *text);
/* Something is to be sent or seen to at the end of the turn. */
void sy_h2_wake(struct sy_h2 *h2);
const struct sy_http_settings *sy_h2_settings(const struct sy_h2 *h2);
struct sy_loop *sy_h2_loop(const struct sy_h2 *h2);
/* Owned by h2, for connections made from now on. NULL: err says why. */
SSL_CTX *sy_h2_tls(struct sy_h2 *h2, struct sy_err *err);
const char *sy_h2_host_name(const struct sy_h2_host *host);
const char *sy_h2_host_port(const struct sy_h2_host *host);
/* Space that all connections share within a call: SY_H2_INPUT_BYTES. */
uint8_t *sy_h2_scratch(struct sy_h2 *h2);
