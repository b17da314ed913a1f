/* SPDX-License-Identifier: Apache-2.0
 *
 * Names to addresses, without a wait: getaddrinfo() of an address answers at once, that of a name
 * runs on a thread of its own, because only the C library knows all the sources of names that an
 * administrator may have set. */
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http_h2.h"

/* Shared by the loop's thread and the resolving one; the second to let go frees it. */
struct job {
    atomic_int holders;
    int event_fd;
    char *name;
    char *port;
    int result; /* of getaddrinfo() */
    struct addrinfo *addresses;
};

struct sy_h2_lookup {
    struct job *job;
    struct event event;
    sy_h2_lookup_fn *fn;
    void *arg;
};

static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};

static void job_let_go(struct job *j)
{
    if (atomic_fetch_sub(&j->holders, 1) > 1)
        return;
    if (j->addresses)
        freeaddrinfo(j->addresses);
    close(j->event_fd);
    free(j->name);
    free(j->port);
    free(j);
}

static void *resolve(void *arg)
{
    struct job *j = arg;
    uint64_t one = 1;
    ssize_t written;

    j->result = getaddrinfo(j->name, j->port, &hints, &j->addresses);
    if (j->result)
        j->addresses = NULL;
    written = write(j->event_fd, &one, sizeof(one));
    (void)written;
    job_let_go(j);
    return NULL;
}

static void on_resolved(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct sy_h2_lookup *l = arg;
    struct addrinfo *addresses = NULL;
    const char *text = NULL;
    uint64_t count;

    if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return;
    if (l->job->result) {
        text = gai_strerror(l->job->result);
    } else {
        addresses = l->job->addresses;
        l->job->addresses = NULL;
    }
    l->fn(l->arg, addresses, text);
}

struct addrinfo *sy_h2_lookup_now(const char *name, const char *port)
{
    struct addrinfo only_numbers = hints, *addresses = NULL;

    only_numbers.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    return getaddrinfo(name, port, &only_numbers, &addresses) == 0 ? addresses : NULL;
}

struct sy_h2_lookup *sy_h2_lookup_new(struct sy_loop *loop, const char *name, const char *port,
                                      sy_h2_lookup_fn *fn, void *arg)
{
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sy_h2_lookup *l;
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    bool is_started;

    if (event_fd < 0)
        return NULL;
    l = sy_xcalloc(1, sizeof(*l));
    l->fn = fn;
    l->arg = arg;
    l->job = sy_xcalloc(1, sizeof(*l->job));
    l->job->event_fd = event_fd;
    l->job->name = sy_xstrdup(name);
    l->job->port = sy_xstrdup(port);
    atomic_init(&l->job->holders, 2);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_attr_setsigmask_np(&attr, &all);
    is_started = pthread_create(&thread, &attr, resolve, l->job) == 0;
    pthread_attr_destroy(&attr);
    if (!is_started) {
        atomic_store(&l->job->holders, 1);
        job_let_go(l->job);
        free(l);
        return NULL;
    }
    event_assign(&l->event, sy_loop_base(loop), event_fd, EV_READ | EV_PERSIST, on_resolved, l);
    event_add(&l->event, NULL);
    return l;
}

void sy_h2_lookup_free(struct sy_h2_lookup *l)
{
    if (!l)
        return;
    event_del(&l->event);
    job_let_go(l->job);
    free(l);
}
