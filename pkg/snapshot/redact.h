/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes out of an object's tree what scheduling does not look at, so that what is shown or kept of
 * a cluster has no secrets in it: what may stay is listed, all else goes (docs/snapshot.md). */
#pragma once

#include <json-c/json.h>

/* kind: of the object. Of kinds that have pods or make some, of nodes, and of all metadata what is
 * listed stays; of other kinds all but managedFields, finalizers and annotations. O(tree). */
void sy_redact(struct json_object *tree, const char *kind);
