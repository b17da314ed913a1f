/* SPDX-License-Identifier: Apache-2.0
 *
 * What all of the client's connections have in common, whoever moves their bytes. For pkg/net only.
 */
#pragma once

#include <stdint.h>

/* No delay, and a peer that stops answering is noticed within dead_peer_ms, whether data is on its
 * way (TCP_USER_TIMEOUT) or not (keepalive, whose count TCP_USER_TIMEOUT replaces). Failures are of
 * no consequence and are not told. Cost: six system calls. */
void sy_socket_tune(int fd, uint32_t dead_peer_ms);

/* The negative errno that struct sy_http_result promises for the errno of a connect, read or write;
 * `otherwise` for one that it does not name. */
int sy_socket_code(long os_error, int otherwise);
