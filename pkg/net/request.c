/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing of a request's head, in place. */
#include "net/request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* application/x-www-form-urlencoded. A '%' without two digits stands for itself. */
static int decode_in_place(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        int high, low;

        if (*from == '+') {
            *to++ = ' ';
        } else if (*from == '%' && (high = hex_digit(from[1])) >= 0 &&
                   (low = hex_digit(from[2])) >= 0) {
            if (high == 0 && low == 0)
                return -EINVAL;
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return 0;
}

static int parse_query(char *query, struct sy_request *r)
{
    while (query && *query && r->params_len < SY_REQUEST_MAX_PARAMS) {
        char *next = strchr(query, '&'), *value;

        if (next)
            *next++ = '\0';
        value = strchr(query, '=');
        if (value)
            *value++ = '\0';
        else
            value = query + strlen(query);
        if (*query) {
            if (decode_in_place(query) || (*value && decode_in_place(value)))
                return -EINVAL;
            r->params[r->params_len].name = query;
            r->params[r->params_len++].value = value;
        }
        query = next;
    }
    return 0;
}

/* "METHOD SP target SP HTTP/1.x" */
static int parse_request_line(char *line, struct sy_request *r)
{
    char *target = strchr(line, ' '), *version, *query;

    if (!target || target == line)
        return -EINVAL;
    *target++ = '\0';
    for (const char *p = line; *p; p++) {
        if (*p < 'A' || *p > 'Z')
            return -EINVAL;
    }
    r->method = line;
    version = strchr(target, ' ');
    if (!version)
        return -EINVAL;
    *version++ = '\0';
    if (strncmp(version, "HTTP/", 5) != 0)
        return -EINVAL;
    if (strcmp(version, "HTTP/1.1") == 0)
        r->keep_alive = true;
    else if (strcmp(version, "HTTP/1.0") != 0)
        return -EPROTONOSUPPORT;

    if (strncasecmp(target, "http://", 7) == 0) {
        target = strchr(target + 7, '/');
        if (!target)
            return -EINVAL;
    }
    if (*target != '/')
        return -EINVAL;
    for (const char *p = target; *p; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return -EINVAL;
    }
    query = strchr(target, '#');
    if (query)
        *query = '\0';
    query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    r->path = target;
    return parse_query(query, r);
}

static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = list; p; p = strchr(p, ',')) {
        p += strspn(p, ", \t");
        if (strncasecmp(p, word, len) == 0 && (!p[len] || strchr(", \t", p[len])))
            return true;
    }
    return false;
}

static int parse_field(char *line, struct sy_request *r)
{
    char *value = strchr(line, ':'), *end;

    /* White space before the colon and folded lines are how requests are smuggled. */
    if (!value || value == line || strcspn(line, " \t") < (size_t)(value - line))
        return -EINVAL;
    *value++ = '\0';
    value += strspn(value, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';

    if (strcasecmp(line, "Connection") == 0) {
        if (list_has(value, "close"))
            r->keep_alive = false;
        else if (list_has(value, "keep-alive"))
            r->keep_alive = true;
    } else if (strcasecmp(line, "Content-Length") == 0) {
        if (!*value || strspn(value, "0123456789") != strlen(value))
            return -EINVAL;
        if (strspn(value, "0") != strlen(value))
            r->has_body = true;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        r->has_body = true;
    } else if (strcasecmp(line, "Authorization") == 0) {
        if (r->authorization)
            return -EINVAL; /* two readers could take different ones */
        r->authorization = value;
    }
    return 0;
}

int sy_request_parse(char *text, size_t len, struct sy_request *ret)
{
    char *end = text + len, *line = text;
    int code = 0;

    memset(ret, 0, sizeof(*ret));
    if (memchr(text, '\0', len))
        return -EINVAL;
    for (bool is_first = true; line < end; is_first = false) {
        char *newline = memchr(line, '\n', (size_t)(end - line));

        if (!newline)
            return -EINVAL;
        *newline = '\0';
        if (newline > line && newline[-1] == '\r')
            newline[-1] = '\0';
        if (strchr(line, '\r'))
            return -EINVAL;
        if (is_first)
            code = parse_request_line(line, ret);
        else if (!*line)
            return 0;
        else
            code = parse_field(line, ret);
        if (code)
            return code;
        line = newline + 1;
    }
    return -EINVAL;
}

const char *sy_request_param(const struct sy_request *r, const char *name)
{
    for (size_t i = 0; i < r->params_len; i++) {
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    }
    return NULL;
}
