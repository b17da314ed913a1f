/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks the subcommand. */
#include "cmd.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "Steelyard is a scheduler for Kubernetes that runs beside kube-scheduler or in its place.\n"
    "\n"
    "usage: steelyard COMMAND [FLAGS]\n"
    "\n"
    "  run         schedule the pods of a cluster that name this scheduler\n"
    "  config      check a configuration file, or print one with all defaults\n"
    "  explain     say why a pod waits or went where it went, as the running scheduler knows\n"
    "  whatif      say whether pods of a file would fit now, where, and whom they would displace\n"
    "  capacity    show what still fits, and what is free and of no use\n"
    "  snapshot    write what scheduling looks at of a cluster to a file\n"
    "  replay      decide the pods that wait in a snapshot, by one configuration or by two\n"
    "  top         show how utilized the nodes are and what they weigh\n"
    "  queue       show the queues that share the cluster, and why their pods wait\n"
    "  simulate    run policies on a virtual cluster and compare them\n"
    "  completion  print a script for bash or zsh\n"
    "  version     print the version of the program and of its libraries\n"
    "\n"
    "`steelyard COMMAND --help` says more.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"run", cmd_run},           {"config", cmd_config},     {"explain", cmd_explain},
    {"whatif", cmd_what_if},    {"snapshot", cmd_snapshot}, {"replay", cmd_replay},
    {"capacity", cmd_capacity}, {"top", cmd_top},           {"queue", cmd_queue},
    {"simulate", cmd_simulate}, {"version", cmd_version},   {"completion", cmd_completion},
};

int cmd_usage_error(const char *command, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see `%s --help`\n", command);
    return CMD_USAGE;
}

int cmd_next_flag(int argc, char **argv, const struct option *flags, const char *command)
{
    int before = optind ? optind : 1;

    /* Not every command has -o or -f. */
    bool has_output = false, has_file = false;
    for (const struct option *f = flags; f->name; f++) {
        has_output |= f->val == 'o';
        has_file |= f->val == 'f';
    }
    const char *shorts = has_output ? (has_file ? ":ho:f:" : ":ho:") : ":h";
    opterr = 0;
    /* ':' first tells a missing value from an unknown flag. */
    int c = getopt_long(argc, argv, shorts, flags, NULL);
    if (c != '?' && c != ':')
        return c;
    /* A cluster of short flags is not left behind until its end, so optind may not have moved. */
    const char *flag = argv[optind > before ? optind - 1 : before];
    int len = (int)strcspn(flag, "=");
    if (c == ':')
        cmd_usage_error(command, "flag %.*s needs a value", len, flag);
    else if (optopt && strncmp(flag, "--", 2) == 0)
        cmd_usage_error(command, "flag %.*s takes no value", len, flag);
    else
        cmd_usage_error(command, "unknown or ambiguous flag %.*s", len, flag);
    return '?';
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        fputs(USAGE, stdout);
        return CMD_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < SY_ARRAY_LEN(COMMANDS); i++) {
        if (strcmp(name, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    }
    if (!*name) {
        fputs(USAGE, stderr);
        return CMD_USAGE;
    }
    return cmd_usage_error("steelyard", "there is no command \"%s\"", name);
}
