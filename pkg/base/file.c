/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct sy_buf *out, struct sy_err *err)
{
    char piece[16384];
    int r = 0;

    while (!r) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = sy_err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
        if (n <= 0)
            break;
        r = sy_buf_add(out, piece, (size_t)n);
        if (r)
            r = sy_err_set(err, r, "%s: larger than %zu bytes", path, out->cap);
    }
    explicit_bzero(piece, sizeof(piece));
    return r;
}

int sy_file_read(const char *path, struct sy_buf *out, struct sy_err *err)
{
    /* A FIFO without a writer must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return sy_err_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
    int r = read_all(fd, path, out, err);
    close(fd);
    if (r) {
        if (out->p)
            explicit_bzero(out->p, out->len);
        sy_buf_done(out);
    }
    return r;
}
