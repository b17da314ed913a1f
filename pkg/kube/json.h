/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON that a peer sent, for what is read as a tree: small answers, not lists and watches
 * (kube/decode.h). */
#pragma once

#include "base/str.h"

#include <json-c/json.h>

/* in:  text: any bytes, borrowed; depth_most, bytes_most: beyond them nothing is read.
 * out: the object, the caller's to put; NULL when it is no object or there is no memory. O(text).
 */
struct json_object *sy_json_read(struct sy_str text, int depth_most, size_t bytes_most);
