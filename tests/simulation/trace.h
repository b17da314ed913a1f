/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened last, to be shown when something fails, and a sum over all of it, by which two runs
 * of one seed are compared. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

void trace_start(bool is_loud); /* loud: each line is printed at once */
void trace(const char *format, ...) SY_PRINTF(1, 2);
uint64_t trace_sum(void);
void trace_print(unsigned lines);
