/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "cmd.h"

static const char USAGE[] =
    "usage: steelyard config check FILE...\n"
    "       steelyard config print [FILE]\n"
    "       steelyard config schema | reference\n"
    "\n"
    "check   prints every problem of the files as FILE:LINE: key: what is wrong; what to do, and\n"
    "        as notes what is accepted and has no effect\n"
    "print   prints the configuration in force with FILE, or without one all defaults, as a file\n"
    "        with comments\n"
    "schema  prints a JSON Schema of our own kind, for editors\n"
    "reference prints every key of our own kind as a table in Markdown\n"
    "\n"
    "A file is of our own kind (steelyard.dev/v1, SteelyardConfiguration) or of kube-scheduler's\n"
    "(kubescheduler.config.k8s.io/v1, KubeSchedulerConfiguration).\n";

static int load(const char *file, struct sy_config *config)
{
    struct sy_config_source source = {.file = file};
    struct sy_problems problems = {0};

    int r = sy_config_load(&source, config, &problems);
    for (size_t i = 0; i < problems.lines.len; i++)
        fprintf(stderr, "%s\n", problems.lines.p[i]);
    for (size_t i = 0; i < problems.notes.len; i++)
        fprintf(stderr, "note: %s\n", problems.notes.p[i]);
    sy_problems_done(&problems);
    return r ? CMD_FAILED : CMD_OK;
}

static int check(int argc, char **argv)
{
    int status = CMD_OK;

    if (!argc)
        return cmd_usage_error("steelyard config", "check needs a file");
    for (int i = 0; i < argc; i++) {
        struct sy_config config;
        if (load(argv[i], &config) == CMD_OK)
            printf("%s: ok\n", argv[i]);
        else
            status = CMD_FAILED;
        sy_config_done(&config);
    }
    return status;
}

static int print(int argc, char **argv)
{
    struct sy_config config;
    struct sy_buf out;

    if (argc > 1)
        return cmd_usage_error("steelyard config", "print takes one file");
    int status = load(argc ? argv[0] : NULL, &config);
    if (status == CMD_OK) {
        sy_buf_init(&out, SY_YAML_MAX_BYTES * 4);
        if (sy_config_print(&config, &out) || fputs(out.p, stdout) < 0 || fflush(stdout) != 0)
            status = CMD_FAILED;
        sy_buf_done(&out);
    }
    sy_config_done(&config);
    return status;
}

static int describe(int (*write)(struct sy_buf *), int argc)
{
    struct sy_buf out;
    int status = CMD_OK;

    if (argc)
        return cmd_usage_error("steelyard config", "schema and reference take no file");
    sy_buf_init(&out, SY_YAML_MAX_BYTES * 4);
    if (write(&out) || fputs(out.p, stdout) < 0 || fflush(stdout) != 0)
        status = CMD_FAILED;
    sy_buf_done(&out);
    return status;
}

int cmd_config(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"help", no_argument, NULL, 'h'}, {0}};

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, "steelyard config")) != -1;) {
        if (c != 'h')
            return CMD_USAGE;
        fputs(USAGE, stdout);
        return CMD_OK;
    }
    if (optind == argc)
        return cmd_usage_error("steelyard config", "say check, print, schema or reference");
    const char *what = argv[optind++];
    if (strcmp(what, "check") == 0)
        return check(argc - optind, argv + optind);
    if (strcmp(what, "print") == 0)
        return print(argc - optind, argv + optind);
    if (strcmp(what, "schema") == 0)
        return describe(sy_config_schema, argc - optind);
    if (strcmp(what, "reference") == 0)
        return describe(sy_config_reference, argc - optind);
    return cmd_usage_error("steelyard config", "there is no \"%s\"", what);
}
