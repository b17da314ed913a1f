/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up GPU cluster and what it is asked for, as CSV of the openb shape (openb.h): for tests,
 * and for comparisons where no trace is at hand. Drawn from the seed alone. */
#pragma once

#include "base/buf.h"

#include <stdint.h>

/* Append a header and that many rows. Errors as sy_buf_add(). */
int sy_gen_nodes(uint64_t seed, uint32_t nodes, struct sy_buf *out);
int sy_gen_pods(uint64_t seed, uint32_t pods, struct sy_buf *out);
