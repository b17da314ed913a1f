/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of /livez, /readyz and /healthz, in the form that kube's components give. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_health_check {
    const char *name; /* "pods-synced" */
    bool ok;
    const char *why; /* when not ok: what is the matter, for a person */
};

/* Appends the answer's text and returns its status: 200, or 503 when a check is not ok. Says all
 * checks when one failed or is_verbose, else "ok". endpoint: "readyz". */
int sy_health_write(const char *endpoint, const struct sy_health_check *checks, uint32_t len,
                    bool is_verbose, struct sy_buf *out);
