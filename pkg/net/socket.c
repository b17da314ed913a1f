/* SPDX-License-Identifier: Apache-2.0
 *
 * Socket options and errors of the client's connections. */
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void sy_socket_tune(int fd, uint32_t dead_peer_ms)
{
    unsigned int dead_ms = dead_peer_ms;
    int on = 1, idle_s = (int)(dead_ms / 3000), interval_s = 1, count;

    if (idle_s < 1)
        idle_s = 1;
    count = (int)(dead_ms / 1000) - idle_s;
    if (count < 1)
        count = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

int sy_socket_code(long os_error, int otherwise)
{
    switch (os_error) {
    case ECONNREFUSED:
        return -ECONNREFUSED;
    case ETIMEDOUT:
        return -ETIMEDOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case ENETDOWN:
        return -EHOSTUNREACH;
    default:
        return otherwise;
    }
}
