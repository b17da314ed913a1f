/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#undef sy_err_set
#undef sy_err_wrap

static void clean_line(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = *s == '\n' || *s == '\t' ? ' ' : '?';
    }
}

int sy_err_set(struct sy_err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    /* The arguments may point into *err itself, so format aside first. */
    char msg[SY_ERR_MSG_MAX];
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    clean_line(msg);
    memset(err, 0, sizeof(*err));
    err->code = code;
    memcpy(err->msg, msg, sizeof(msg));
    return code;
}

int sy_err_wrap(struct sy_err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    char context[SY_ERR_MSG_MAX];
    va_start(ap, fmt);
    vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);
    clean_line(context);

    char msg[2 * SY_ERR_MSG_MAX + 2];
    snprintf(msg, sizeof(msg), "%s: %s", context, sy_err_text(err, code));
    size_t len = strnlen(msg, SY_ERR_MSG_MAX - 1);
    memcpy(err->msg, msg, len);
    err->msg[len] = '\0';
    if (!err->code)
        err->code = code;
    return err->code;
}

const char *sy_err_text(const struct sy_err *err, int code)
{
    if (err && err->msg[0])
        return err->msg;
    return strerror(code < 0 ? -code : code);
}
