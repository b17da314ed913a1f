/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes JSON into a capped buffer: commas and quotes are seen to, values are given in order. Text
 * from peers may be any bytes (sy_buf_add_json). Reading JSON is not this file's business. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Starts with {.out = &buf}; trouble shows in out->failed, to be looked at once at the end. */
struct sy_json {
    struct sy_buf *out; /* borrowed */
    bool has_before;    /* a comma is due before the next key or element */
};

/* key: NULL for an element of an array and for the outermost value; borrowed, plain ASCII. */
void sy_json_object(struct sy_json *j, const char *key);
void sy_json_array(struct sy_json *j, const char *key);
void sy_json_end_object(struct sy_json *j);
void sy_json_end_array(struct sy_json *j);
void sy_json_text(struct sy_json *j, const char *key, const char *value); /* NULL writes null */
void sy_json_i64(struct sy_json *j, const char *key, int64_t value);
void sy_json_bool(struct sy_json *j, const char *key, bool value);
/* At most `digits` behind the point, trailing zeros cut; what is not finite writes null. */
void sy_json_real(struct sy_json *j, const char *key, double value, int digits);
