/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/csv.h"

#include <errno.h>
#include <string.h>

static struct sy_str take_line(struct sy_csv *c)
{
    const char *end = memchr(c->rest.p, '\n', c->rest.len);
    struct sy_str line = {c->rest.p, end ? (size_t)(end - c->rest.p) : c->rest.len};
    size_t used = line.len + (end != NULL);

    c->rest = (struct sy_str){c->rest.p + used, c->rest.len - used};
    c->line++;
    if (line.len && line.p[line.len - 1] == '\r')
        line.len--;
    return line;
}

static int split(struct sy_csv *c, struct sy_str line, struct sy_err *err)
{
    c->fields_len = 0;
    if (memchr(line.p, '"', line.len))
        return sy_err_set(err, -EINVAL, "%s:%u: quoted fields are not supported", c->file, c->line);
    if (memchr(line.p, '\0', line.len))
        return sy_err_set(err, -EINVAL, "%s:%u: this is not text", c->file, c->line);
    for (;;) {
        const char *comma = memchr(line.p, ',', line.len);
        size_t len = comma ? (size_t)(comma - line.p) : line.len;
        if (c->fields_len == SY_CSV_FIELDS_MAX)
            return sy_err_set(err, -EINVAL, "%s:%u: more than %d fields", c->file, c->line,
                              SY_CSV_FIELDS_MAX);
        c->fields[c->fields_len++] = (struct sy_str){line.p, len};
        if (!comma)
            return 0;
        line = (struct sy_str){comma + 1, line.len - len - 1};
    }
}

int sy_csv_next(struct sy_csv *c, struct sy_err *err)
{
    while (c->rest.len) {
        struct sy_str line = take_line(c);
        if (!line.len)
            continue;
        int r = split(c, line, err);
        if (r < 0)
            return r;
        if (c->columns && c->fields_len > c->columns)
            return sy_err_set(err, -EINVAL, "%s:%u: %u fields, the header has %u", c->file, c->line,
                              c->fields_len, c->columns);
        return 1;
    }
    return 0;
}

int sy_csv_begin(struct sy_csv *c, struct sy_str text, const char *file, struct sy_err *err)
{
    c->rest = text;
    c->file = file;
    c->line = 0;
    c->columns = 0;
    c->fields_len = 0;
    int r = sy_csv_next(c, err);
    if (r < 0)
        return r;
    if (!r)
        return sy_err_set(err, -EINVAL, "%s: there is nothing in it", file);
    c->columns = c->fields_len;
    return 0;
}

uint8_t sy_csv_column(const struct sy_csv *c, const char *name)
{
    for (uint32_t i = 0; i < c->fields_len; i++) {
        if (sy_str_eqz(c->fields[i], name))
            return (uint8_t)i;
    }
    return SY_CSV_NO_COLUMN;
}

struct sy_str sy_csv_field(const struct sy_csv *c, uint8_t column)
{
    return column < c->fields_len ? c->fields[column] : (struct sy_str){0};
}

int sy_csv_number(const struct sy_csv *c, uint8_t column, const char *name, uint64_t most,
                  uint64_t *ret, struct sy_err *err)
{
    struct sy_str text = sy_csv_field(c, column);
    uint64_t v;

    if (sy_str_u64(text, &v) < 0 || v > most)
        return sy_err_set(err, -EINVAL, "%s:%u: %s: \"%.*s\" is not a number from 0 to %llu",
                          c->file, c->line, name, (int)(text.len < 40 ? text.len : 40),
                          text.p ? text.p : "", (unsigned long long)most);
    *ret = v;
    return 0;
}
