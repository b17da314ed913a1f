/* SPDX-License-Identifier: Apache-2.0
 *
 * Bugs that other schedulers have had, each as a story that is played with ours: who does what,
 * what goes wrong, and what must come of it. */
#pragma once

#include <stdbool.h>

/* NULL: all. 0 when what was run went well; prints a line for each. */
int issues_run(const char *name, bool is_loud);
void issues_list(void);
