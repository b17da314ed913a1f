/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of app/schema.h for others to read: as JSON Schema, for editors and the Helm chart,
 * and as a reference in Markdown. Both say what sy_schema_read() accepts; where a check is code
 * they are laxer. */
#pragma once

#include "app/schema.h"

/* Appends a JSON Schema (draft 7) of a file of this kind: one object, two blanks an indent, and a
 * newline. title: of the schema. Errors as sy_buf_add(). O(options). */
int sy_schema_json(const struct sy_option *table, const char *title, struct sy_buf *out);

/* Appends a Markdown table, a row for each key that has a value of its own: path, what goes there,
 * default, whether a reload takes it over, what it is for. Errors as sy_buf_add(). O(options). */
int sy_schema_markdown(const struct sy_option *table, struct sy_buf *out);
