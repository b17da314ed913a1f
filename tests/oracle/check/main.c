/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares our plugins and engine with what kube-scheduler's own plugins said of the same clusters:
 * oracle [-k PRINTED] [-s SECTION] [-c CASE] FILE.jsonl[.gz|.xz]. Prints the first differences of
 * each section, a table of all, and last "oracle: N cases, D differences"; exits with 1 when there
 * is one, with 2 when the file cannot be read. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static oracle_load *const LOADERS[] = {oracle_load_core, oracle_load_workloads, oracle_load_storage,
                                       oracle_load_devices, oracle_load_preemption};
static oracle_check *const SECTIONS[] = {oracle_check_plugins, oracle_check_framework,
                                         oracle_check_storage, oracle_check_allocations,
                                         oracle_check_preemption};

enum { SECTIONS_MAX = 64, SECTION_NAME_MAX = 64, JSON_DEPTH_MAX = 128 };
static const size_t OBJECT_MAX_BYTES = (size_t)16 << 20;
static const size_t CACHE_MAX_BYTES = (size_t)64 << 20;

struct section {
    char name[SECTION_NAME_MAX];
    uint64_t cases; /* that have a difference */
    uint64_t differences;
    int64_t last_case;
};

struct oracle {
    uint64_t printed_max;
    const char *only_section;
    int64_t only_case; /* -1: all */
    struct section sections[SECTIONS_MAX];
    size_t sections_len;
    uint64_t cases;
    uint64_t differences;
};

/* -- counting -- */

static struct section *section_of(struct oracle *o, const char *name)
{
    for (size_t i = 0; i < o->sections_len; i++) {
        if (strncmp(o->sections[i].name, name, SECTION_NAME_MAX - 1) == 0)
            return &o->sections[i];
    }
    if (o->sections_len == SECTIONS_MAX)
        return &o->sections[SECTIONS_MAX - 1];
    struct section *s = &o->sections[o->sections_len++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->last_case = -1;
    return s;
}

void oracle_saw(struct oracle *o, const char *section)
{
    section_of(o, section);
}

void oracle_differ(struct oracle *o, const struct oracle_case *c, const char *section,
                   const char *node, const char *expected, const char *got)
{
    struct section *s = section_of(o, section);

    if (o->only_section && strcmp(o->only_section, section) != 0)
        return;
    if (s->differences++ < o->printed_max)
        printf("%s: case %lld%s%s\n    expected %s\n    got      %s\n", section, (long long)c->id,
               node ? ", " : "", node ? node : "", expected, got);
    s->cases += s->last_case != c->id;
    s->last_case = c->id;
    o->differences++;
}

void oracle_differ_number(struct oracle *o, const struct oracle_case *c, const char *section,
                          const char *node, const char *what, int64_t expected, int64_t got)
{
    char a[128], b[128];

    if (expected == got)
        return;
    snprintf(a, sizeof(a), "%s %lld", what, (long long)expected);
    snprintf(b, sizeof(b), "%s %lld", what, (long long)got);
    oracle_differ(o, c, section, node, a, b);
}

/* -- looking into the file -- */

struct json_object *oracle_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    return object && json_object_object_get_ex(object, key, &value) ? value : NULL;
}

const char *oracle_text(struct json_object *object, const char *key)
{
    struct json_object *value = oracle_get(object, key);

    return value ? json_object_get_string(value) : "";
}

uint32_t oracle_node(const struct oracle_case *c, const char *name)
{
    sy_sid id = sy_strings_find(c->strings, sy_str_from(name));

    return id ? sy_cluster_node_find(&c->cluster, id) : SY_NONE;
}

struct sy_shape *oracle_view(struct oracle_case *c, struct sy_profile *profile)
{
    sy_profile_kube(profile, "default-scheduler");
    profile->filters_len = profile->scorers_len = 0;
    struct sy_shape *shape = sy_shape_ref(&c->shapes, &c->cluster.pods.p[c->pod], profile);
    sy_shape_best(&c->shapes, shape); /* resolves the view */
    return shape;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *write_status(const char *code, const char *plugin, const char **reasons,
                                size_t len, char text[ORACLE_STATUS_MAX])
{
    size_t at = (size_t)snprintf(text, ORACLE_STATUS_MAX, "%s", code);

    if (plugin && *plugin)
        at += (size_t)snprintf(text + at, ORACLE_STATUS_MAX - at, " by %s", plugin);
    qsort(reasons, len, sizeof(*reasons), by_text);
    for (size_t i = 0; i < len && at < ORACLE_STATUS_MAX; i++)
        at +=
            (size_t)snprintf(text + at, ORACLE_STATUS_MAX - at, "%s %s", i ? "," : ":", reasons[i]);
    return text;
}

const char *oracle_status(struct json_object *status, char text[ORACLE_STATUS_MAX])
{
    struct json_object *list = oracle_get(status, "reasons");
    const char *reasons[32];
    size_t len = list ? json_object_array_length(list) : 0;

    if (!status)
        return write_status("Success", NULL, reasons, 0, text);
    len = len < SY_ARRAY_LEN(reasons) ? len : SY_ARRAY_LEN(reasons);
    for (size_t i = 0; i < len; i++)
        reasons[i] = json_object_get_string(json_object_array_get_idx(list, i));
    return write_status(oracle_text(status, "code"), oracle_text(status, "plugin"), reasons, len,
                        text);
}

const char *oracle_verdict(const struct oracle_case *c, const struct sy_verdict *v,
                           const char *plugin, char text[ORACLE_STATUS_MAX])
{
    static const char *const CODES[] = {
        [SY_FIT] = "Success",
        [SY_UNSCHEDULABLE] = "Unschedulable",
        [SY_UNRESOLVABLE] = "UnschedulableAndUnresolvable",
        [SY_ERROR] = "Error",
    };
    const char *reasons[SY_REASONS_MAX];
    size_t len = v->code == SY_FIT ? 0 : v->reasons_len;

    for (size_t i = 0; i < len; i++)
        reasons[i] = sy_strings_getz(c->strings, v->reasons[i]);
    return write_status(CODES[v->code], v->code == SY_FIT ? NULL : plugin, reasons, len, text);
}

/* -- one case -- */

static void run_case(struct oracle *o, struct json_object *json)
{
    static const uint64_t KEY[2] = {1, 2};
    struct oracle_case c = {
        .id = json_object_get_int64(oracle_get(json, "id")),
        .json = json,
        .strings = sy_strings_new(KEY),
    };
    const char *what = "";
    bool loaded = true;

    if (o->only_case >= 0 && c.id != o->only_case) {
        sy_strings_free(c.strings);
        return;
    }
    o->cases++;
    sy_cluster_init(&c.cluster, c.strings);
    sy_decode_init(&c.decode, c.strings, OBJECT_MAX_BYTES);
    sy_shapes_init(&c.shapes, &c.cluster, CACHE_MAX_BYTES);
    for (size_t i = 0; i < SY_ARRAY_LEN(LOADERS) && loaded; i++)
        loaded = LOADERS[i](&c, &what);
    if (!loaded)
        oracle_differ(o, &c, "(loading)", NULL, "an object that decodes", what);
    for (size_t i = 0; i < SY_ARRAY_LEN(SECTIONS) && loaded; i++)
        SECTIONS[i](o, &c);
    sy_shapes_done(&c.shapes);
    sy_decode_done(&c.decode);
    sy_cluster_done(&c.cluster);
    sy_strings_free(c.strings);
}

static bool run_line(struct oracle *o, const char *line, size_t len)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    struct json_object *json = json_tokener_parse_ex(tokener, line, (int)len);
    bool ok = json && json_object_is_type(json, json_type_object);

    if (ok)
        run_case(o, json);
    json_object_put(json);
    json_tokener_free(tokener);
    return ok;
}

/* -- the file -- */

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Opens a file, through the program that unpacks it; *ret_pid is 0 without one. */
static FILE *open_cases(const char *path, pid_t *ret_pid)
{
    const char *program = ends_in(path, ".gz") ? "gzip" : ends_in(path, ".xz") ? "xz" : NULL;
    posix_spawn_file_actions_t actions;
    int ends[2];

    *ret_pid = 0;
    if (!program)
        return fopen(path, "re");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    char *argv[] = {(char *)(uintptr_t)program, (char[]){"-dc"}, (char[]){"--"},
                    (char *)(uintptr_t)path, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int r = posix_spawnp(ret_pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (r) {
        close(ends[0]);
        errno = r;
        return NULL;
    }
    return fdopen(ends[0], "r");
}

static int run_file(struct oracle *o, const char *path)
{
    pid_t pid;
    FILE *f = open_cases(path, &pid);
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t len;
    int status = 0, result = 0;

    if (!f) {
        fprintf(stderr, "oracle: %s: %s\n", path, strerror(errno));
        return -1;
    }
    while (result == 0 && (len = getline(&line, &room, f)) > 0) {
        number++;
        if (len > 1 && !run_line(o, line, (size_t)len)) {
            fprintf(stderr, "oracle: %s:%zu: not a JSON object\n", path, number);
            result = -1;
        }
    }
    free(line);
    fclose(f);
    if (pid && (waitpid(pid, &status, 0) < 0 || (status && result == 0))) {
        fprintf(stderr, "oracle: %s does not unpack\n", path);
        result = -1;
    }
    return result;
}

static int usage(void)
{
    fputs("usage: oracle [-k PRINTED] [-s SECTION] [-c CASE] FILE.jsonl[.gz|.xz]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct oracle o = {.printed_max = 3, .only_case = -1};
    uint64_t number;
    int opt;

    while ((opt = getopt(argc, argv, "k:s:c:")) != -1) {
        if (opt == 's') {
            o.only_section = optarg;
        } else if ((opt == 'k' || opt == 'c') && sy_str_u64(sy_str_from(optarg), &number) == 0 &&
                   number <= INT64_MAX) {
            if (opt == 'k')
                o.printed_max = number;
            else
                o.only_case = (int64_t)number;
        } else {
            return usage();
        }
    }
    if (optind + 1 != argc)
        return usage();
    if (run_file(&o, argv[optind]) < 0)
        return 2;
    printf("%-34s %10s %12s\n", "section", "cases", "differences");
    for (size_t i = 0; i < o.sections_len; i++)
        printf("%-34s %10llu %12llu\n", o.sections[i].name, (unsigned long long)o.sections[i].cases,
               (unsigned long long)o.sections[i].differences);
    printf("oracle: %llu cases, %llu differences\n", (unsigned long long)o.cases,
           (unsigned long long)o.differences);
    return o.differences || !o.cases ? 1 : 0;
}
