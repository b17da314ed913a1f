/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static uint64_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

void sy_process_read(struct sy_process_figures *ret)
{
    char text[1024];
    struct rlimit limit;
    struct timespec cpu;

    *ret = (struct sy_process_figures){0};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        ret->cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = limit.rlim_cur;
    ret->open_fds = count_fds();

    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    /* The command's name may hold anything but is followed by the last ')'. proc(5): field 22 is
     * the start in ticks since boot, 23 virtual bytes, 24 resident pages. */
    const char *p = strrchr(text, ')');
    uint64_t start_ticks, pages;
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                     "%" SCNu64 " %" SCNu64 " %" SCNu64,
                     &start_ticks, &ret->virtual_bytes, &pages) != 3)
        return;
    ret->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    double boot_wall_s = (double)(sy_clock_wall_ns() - sy_clock_boot_ns()) / 1e9;
    ret->start_wall_s = boot_wall_s + (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
}
