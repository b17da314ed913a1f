/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a file of Kubernetes objects into single ones: JSON, one after another or in Lists, as
 * `kubectl get -o json` and our snapshots have them, or YAML documents, as people write them. What
 * the objects mean is not this file's business. Any bytes are safe. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <json-c/json.h>
#include <stdint.h>

enum { SY_DOC_MAX_BYTES = 64 << 20 }; /* of one JSON value; of a YAML document 1 MiB */

struct sy_doc {
    const char *file;
    uint32_t line;            /* where it begins, from 1; an item of a List has the List's */
    struct json_object *tree; /* an object; may be changed during the call */
    const char *api_version;  /* "" when absent, as those below */
    const char *kind;
    const char *ns, *name; /* of the metadata */
    bool is_served;        /* metadata.uid is there: it comes from an API server */
};

/* Called for each object; an error ends it all. */
typedef int sy_doc_fn(void *arg, const struct sy_doc *doc, struct sy_err *err);

/* in:  file: for messages.
 * errors: -EINVAL with "file:line: what" for what is no JSON, no YAML, no object or has no kind;
 *      -E2BIG, -ENOMEM; what fn returned. What was handed out before stays so. Cost: O(bytes). */
int sy_docs_each(struct sy_str text, const char *file, sy_doc_fn *fn, void *arg,
                 struct sy_err *err) SY_NODISCARD;
/* "file:line: Kind ns/name: message" into *err; returns code. */
int sy_doc_error(const struct sy_doc *doc, struct sy_err *err, int code, const char *fmt, ...)
    SY_PRINTF(4, 5);
