/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/published.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/csv.h"

enum { NUMBER_MAX_BYTES = 32, ROWS_MAX = 4096 };
static const char LIST_PREFIX[] = "openb_pod_list_";

static int read_number(const struct sy_csv *c, uint8_t column, double *ret, struct sy_err *err)
{
    struct sy_str text = sy_csv_field(c, column);
    char copy[NUMBER_MAX_BYTES], *end;

    snprintf(copy, sizeof(copy), SY_STR_FMT, SY_STR_ARG(text));
    *ret = strtod(copy, &end);
    if (!copy[0] || *end || !isfinite(*ret))
        return sy_err_set(err, -EINVAL, "%s:%u: \"%s\" is not a number", c->file, c->line, copy);
    return 0;
}

static int read_row(struct sy_published *p, const struct sy_csv *c, const uint8_t names[3],
                    const uint8_t points[SY_TRACE_POINTS], struct sy_err *err)
{
    struct sy_str trace = sy_csv_field(c, names[1]), policy = sy_csv_field(c, names[2]);
    struct sy_published_row row = {0};

    if (!sy_str_eqz(sy_csv_field(c, names[0]), "alloc_pct"))
        return 0;
    if (p->rows.len == ROWS_MAX)
        return sy_err_set(err, -E2BIG, "%s: more than %d rows", c->file, ROWS_MAX);
    if (sy_str_starts(trace, sy_str_from(LIST_PREFIX)))
        trace = (struct sy_str){trace.p + strlen(LIST_PREFIX), trace.len - strlen(LIST_PREFIX)};
    const char *dash = policy.len ? memchr(policy.p, '-', policy.len) : NULL; /* "06-FGD" */
    if (dash)
        policy = (struct sy_str){dash + 1, policy.len - (size_t)(dash + 1 - policy.p)};
    snprintf(row.trace, sizeof(row.trace), SY_STR_FMT, SY_STR_ARG(trace));
    snprintf(row.policy, sizeof(row.policy), SY_STR_FMT, SY_STR_ARG(policy));
    for (uint32_t i = 0; i < SY_TRACE_POINTS; i++) {
        int r = read_number(c, points[i], &row.allocated[i], err);
        if (r < 0)
            return r;
    }
    sy_vec_push(&p->rows, row);
    return 0;
}

int sy_published_read(struct sy_published *p, struct sy_str text, const char *file,
                      struct sy_err *err)
{
    static const char *const NAMES[3] = {"metric", "workload", "policy"};
    uint8_t names[3], points[SY_TRACE_POINTS];
    char name[16];
    struct sy_csv c;
    int r = sy_csv_begin(&c, text, file, err);

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < 3 + SY_TRACE_POINTS; i++) {
        snprintf(name, sizeof(name), "mean_%u", i < 3 ? 0 : sy_trace_points[i - 3]);
        const char *wanted = i < 3 ? NAMES[i] : name;
        uint8_t column = sy_csv_column(&c, wanted);
        if (column == SY_CSV_NO_COLUMN)
            return sy_err_set(err, -EINVAL, "%s: the header has no column \"%s\"", file, wanted);
        *(i < 3 ? &names[i] : &points[i - 3]) = column;
    }
    while ((r = sy_csv_next(&c, err)) == 1) {
        r = read_row(p, &c, names, points, err);
        if (r < 0)
            return r;
    }
    return r;
}

const struct sy_published_row *sy_published_find(const struct sy_published *p, const char *trace,
                                                 const char *policy)
{
    for (size_t i = 0; i < p->rows.len; i++) {
        if (strcmp(p->rows.p[i].trace, trace) == 0 && strcmp(p->rows.p[i].policy, policy) == 0)
            return &p->rows.p[i];
    }
    return NULL;
}

void sy_published_trace_name(const char *file, char *ret, size_t room)
{
    const char *slash = strrchr(file, '/');
    struct sy_str name = sy_str_from(slash ? slash + 1 : file);

    if (sy_str_starts(name, sy_str_from(LIST_PREFIX)))
        name = (struct sy_str){name.p + strlen(LIST_PREFIX), name.len - strlen(LIST_PREFIX)};
    if (name.len > 4 && memcmp(name.p + name.len - 4, ".csv", 4) == 0)
        name.len -= 4;
    snprintf(ret, room, SY_STR_FMT, SY_STR_ARG(name));
}
