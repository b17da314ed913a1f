/* SPDX-License-Identifier: Apache-2.0
 *
 * What the simulations share: seeds by flag, many runs on threads with a progress bar, and files of
 * results. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { CMD_SEEDS_MAX = 10000, CMD_JOBS_MAX = 256 };

/* A vector: free with sy_vec_done(). */
struct cmd_seeds {
    uint64_t *p;
    size_t len, room;
};
/* "1-10,42" in place of what is there; false for anything else. */
bool cmd_seeds_parse(struct cmd_seeds *s, const char *text);
/* Strict; false for anything that is not all a number. */
bool cmd_parse_double(const char *text, double *ret);
bool cmd_parse_u32(const char *text, uint32_t *ret);
/* 1 to CMD_JOBS_MAX; false for anything else. */
bool cmd_jobs_parse(const char *text, uint32_t *ret);
/* CMD_OK, or CMD_USAGE once it is printed that the flag's value (optarg) will not do. */
int cmd_check_value(bool ok, const char *command, const char *flag);
/* Processors, within bounds. */
uint32_t cmd_jobs_default(void);

struct cmd_runs;
struct cmd_run {
    struct cmd_runs *runs;
    uint32_t i;
    atomic_uint done_permille;
};

/* Fill the first five. */
struct cmd_runs {
    const char *command; /* "steelyard simulate" */
    uint32_t len, jobs;
    /* One run, on any thread; a failure stops all. */
    int (*fn)(void *arg, struct cmd_run *run, struct sy_err *err);
    void *arg;
    struct cmd_run *all;
    atomic_uint next, done;
    atomic_bool has_failed;
    pthread_mutex_t lock; /* of err */
    struct sy_err err;
};
/* Does them all; shows progress on a terminal. CMD_OK, or CMD_FAILED once the error is printed. */
int cmd_runs_do(struct cmd_runs *r);
/* For a run's progress callback, arg: struct cmd_run; true when all is to stop. */
bool cmd_run_progress(void *arg, double done);

/* CMD_OK, or CMD_FAILED; the second prints why. */
int cmd_put(const struct sy_buf *b, FILE *to);
int cmd_put_file(const struct sy_buf *b, const char *path, const char *command);
