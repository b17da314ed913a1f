/* SPDX-License-Identifier: Apache-2.0
 *
 * The subcommands: one file each, thin. Exit status: 0 done, 1 failed, 2 called wrongly. */
#pragma once

#include "base/compiler.h"

#include <getopt.h>
#include <stdbool.h>

/* What the Makefile found out from git. */
#ifndef SY_VERSION
#define SY_VERSION "unknown"
#endif

enum { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

/* argv[0] is the subcommand's name. */
int cmd_run(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_what_if(int argc, char **argv);
int cmd_capacity(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_queue(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
/* What cmd_simulate() hands on: whether the flags are those of a trace, or of gangs, and that. */
bool cmd_simulate_is_trace(int argc, char **argv);
int cmd_simulate_trace(int argc, char **argv);
bool cmd_simulate_is_gangs(int argc, char **argv);
int cmd_simulate_gangs(int argc, char **argv);

const char *cmd_compiler(void);

/* The next flag as getopt_long() gives it; for one that is unknown, lacks its value or has one too
 * many prints one line and gives '?'. command: "steelyard run". */
int cmd_next_flag(int argc, char **argv, const struct option *flags, const char *command);
/* Prints "COMMAND: what" and where help is; returns CMD_USAGE. */
int cmd_usage_error(const char *command, const char *fmt, ...) SY_PRINTF(2, 3);
