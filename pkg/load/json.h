/* SPDX-License-Identifier: Apache-2.0
 *
 * The little of JSON that sources of load need, over json-c: whole answers, and steps into them
 * that give NULL where something is not there or of another type. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <json-c/json.h>

/* out: *ret, an object, to be released with SY_CLEANUP(sy_load_json_put). what: begins the message.
 * errors: -EBADMSG no JSON object, or deeper than 32; -ENOMEM. Cost: O(bytes). Any thread. */
int sy_load_json_parse(struct sy_str text, const char *what, struct json_object **ret,
                       struct sy_err *err) SY_NODISCARD;
void sy_load_json_put(struct json_object **tree);
/* Borrowed; o may be NULL. */
struct json_object *sy_load_json_get(struct json_object *o, const char *key, enum json_type type);
/* Of a string; else empty. NUL-terminated. */
struct sy_str sy_load_json_text(struct json_object *o);
