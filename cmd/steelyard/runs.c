/* SPDX-License-Identifier: Apache-2.0 */
#include "runs.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "cmd.h"

bool cmd_parse_double(const char *text, double *ret)
{
    char *end;

    errno = 0;
    double v = strtod(text, &end);
    if (!*text || *end || errno || v != v)
        return false;
    *ret = v;
    return true;
}

bool cmd_parse_u32(const char *text, uint32_t *ret)
{
    uint64_t v;

    if (sy_str_u64(sy_str_from(text), &v) < 0 || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool cmd_seeds_parse(struct cmd_seeds *s, const char *text)
{
    s->len = 0;
    for (const char *at = text, *end; at; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ',');
        struct sy_str part = {at, (size_t)(end - at)};
        const char *dash = part.len ? memchr(at, '-', part.len) : NULL;
        struct sy_str first = {at, dash ? (size_t)(dash - at) : part.len};
        uint64_t from, to;
        if (sy_str_u64(first, &from) < 0)
            return false;
        to = from;
        if (dash && sy_str_u64((struct sy_str){dash + 1, (size_t)(end - dash - 1)}, &to) < 0)
            return false;
        if (to < from || to - from >= CMD_SEEDS_MAX - s->len)
            return false;
        for (uint64_t seed = from; seed <= to && seed >= from; seed++)
            sy_vec_push(s, seed);
    }
    return true;
}

bool cmd_jobs_parse(const char *text, uint32_t *ret)
{
    return cmd_parse_u32(text, ret) && *ret && *ret <= CMD_JOBS_MAX;
}

int cmd_check_value(bool ok, const char *command, const char *flag)
{
    return ok ? CMD_OK
              : cmd_usage_error(command, "--%s: \"%s\" is not a value for it", flag, optarg);
}

uint32_t cmd_jobs_default(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : processors > CMD_JOBS_MAX ? CMD_JOBS_MAX : (uint32_t)processors;
}

bool cmd_run_progress(void *arg, double done)
{
    struct cmd_run *run = arg;

    atomic_store(&run->done_permille, (unsigned)(done * 1000));
    return atomic_load(&run->runs->has_failed);
}

static void *work(void *arg)
{
    struct cmd_runs *r = arg;

    for (uint32_t i; (i = atomic_fetch_add(&r->next, 1)) < r->len;) {
        struct sy_err err = {0};
        if (r->fn(r->arg, &r->all[i], &err) < 0) {
            pthread_mutex_lock(&r->lock);
            if (!atomic_exchange(&r->has_failed, true))
                r->err = err;
            pthread_mutex_unlock(&r->lock);
        }
        atomic_store(&r->all[i].done_permille, 1000);
        atomic_fetch_add(&r->done, 1);
    }
    return NULL;
}

static void show_progress(struct cmd_runs *r)
{
    enum { WIDTH = 40 };
    uint64_t sum = 0;
    char bar[WIDTH + 1];

    for (uint32_t i = 0; i < r->len; i++)
        sum += atomic_load(&r->all[i].done_permille);
    unsigned percent = (unsigned)(sum / (10 * (uint64_t)(r->len ? r->len : 1)));
    for (unsigned i = 0; i < WIDTH; i++)
        bar[i] = i * 100 < percent * WIDTH ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3u%%  %u of %u runs", bar, percent, atomic_load(&r->done), r->len);
}

int cmd_runs_do(struct cmd_runs *r)
{
    pthread_t threads[CMD_JOBS_MAX];
    uint32_t started = 0;
    bool is_terminal = isatty(STDERR_FILENO);

    r->all = sy_xcalloc(r->len, sizeof(*r->all));
    for (uint32_t i = 0; i < r->len; i++) {
        r->all[i].runs = r;
        r->all[i].i = i;
    }
    pthread_mutex_init(&r->lock, NULL);
    while (started < r->jobs && started < r->len &&
           pthread_create(&threads[started], NULL, work, r) == 0)
        started++;
    if (!started)
        work(r);
    while (is_terminal && atomic_load(&r->done) < r->len) {
        show_progress(r);
        usleep(100000);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (is_terminal)
        fputs("\r\033[K", stderr);
    pthread_mutex_destroy(&r->lock);
    free(r->all);
    r->all = NULL;
    if (!atomic_load(&r->has_failed))
        return CMD_OK;
    fprintf(stderr, "%s: %s\n", r->command, r->err.msg);
    return CMD_FAILED;
}

int cmd_put(const struct sy_buf *b, FILE *to)
{
    bool ok = !b->failed && fwrite(b->p, 1, b->len, to) == b->len && fflush(to) == 0;

    return ok ? CMD_OK : CMD_FAILED;
}

int cmd_put_file(const struct sy_buf *b, const char *path, const char *command)
{
    FILE *f = fopen(path, "we");
    int status = f ? cmd_put(b, f) : CMD_FAILED;

    if (f && fclose(f) != 0)
        status = CMD_FAILED;
    if (status != CMD_OK)
        fprintf(stderr, "%s: %s: %s\n", command, path, strerror(errno));
    return status;
}
