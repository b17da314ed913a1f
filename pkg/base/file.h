/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files read whole: configuration and credentials. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends the file to out, whose cap limits it. What was read is wiped from the stack, because it
 * may be a secret; out is the caller's to wipe. errors: what open(2) and read(2) say, -E2BIG over
 * the cap, -ENOMEM; out is then empty. */
int sy_file_read(const char *path, struct sy_buf *out, struct sy_err *err) SY_NODISCARD;
