/* SPDX-License-Identifier: Apache-2.0
 *
 * What this process uses, from /proc/self. */
#pragma once

#include <stdint.h>

struct sy_process_figures {
    double cpu_s;
    double start_wall_s; /* since 1970; 0 when unknown, as all here */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
};

/* Cost: reads /proc/self/stat and lists /proc/self/fd. */
void sy_process_read(struct sy_process_figures *ret);
