/* SPDX-License-Identifier: Apache-2.0
 *
 * Comma-separated values as traces have them: a header, then rows; no quotes. Any bytes are safe.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { SY_CSV_FIELDS_MAX = 64, SY_CSV_NO_COLUMN = UINT8_MAX };

/* A reader over borrowed text. */
struct sy_csv {
    struct sy_str rest;
    const char *file; /* for messages; borrowed */
    uint32_t line;    /* of the fields, from 1 */
    uint32_t columns; /* what the header has; a row may have fewer or as many */
    struct sy_str fields[SY_CSV_FIELDS_MAX]; /* pieces of the text */
    uint32_t fields_len;
};

/* Reads the header. errors: -EINVAL with "file:line: what". */
int sy_csv_begin(struct sy_csv *c, struct sy_str text, const char *file,
                 struct sy_err *err) SY_NODISCARD;
/* The column of that name, SY_CSV_NO_COLUMN when there is none. Right after sy_csv_begin(). */
uint8_t sy_csv_column(const struct sy_csv *c, const char *name);
/* The next row that is not empty: 1, or 0 at the end. errors: -EINVAL as above. */
int sy_csv_next(struct sy_csv *c, struct sy_err *err) SY_NODISCARD;
/* The row's field, empty where the row or the header lacks it. */
struct sy_str sy_csv_field(const struct sy_csv *c, uint8_t column);
/* A whole number from 0 to most. errors: -EINVAL with file, line, column and what is there. */
int sy_csv_number(const struct sy_csv *c, uint8_t column, const char *name, uint64_t most,
                  uint64_t *ret, struct sy_err *err) SY_NODISCARD;
