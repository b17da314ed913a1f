/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: runs seeds, lies and named issues, and says which failed and how to see one again.
 */
#include "base/log.h"
#include "base/str.h"
#include "issues.h"
#include "world.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TRACE_LINES = 120, LIE_SEEDS = 24 };

struct arguments {
    uint64_t seed, seeds, steps;
    bool is_loud, is_twice;
};

/* What each lie must be found to break, and what it may break before. */
static const struct {
    const char *name;
    enum rule rule;
    uint32_t also; /* 1 << enum rule */
} LIES_OF[LIES] = {
    [LIE_NONE] = {"none", RULES, 0},
    [LIE_ROOM] = {"room", RULE_OVERCOMMIT, 0},
    [LIE_PORTS] = {"ports", RULE_OVERCOMMIT, 0},
    [LIE_NODES] = {"nodes", RULE_WHERE, 0},
    [LIE_GANG] = {"gang", RULE_GANG, 0},
    [LIE_OWNER] = {"owner", RULE_OWNER, 0},
    [LIE_HIDE_ADDED] = {"hide-added", RULE_STATE, 0},
    [LIE_HIDE_GONE] = {"hide-gone", RULE_STATE, 0},
    [LIE_REFUSED] = {"refused", RULE_BIND_ONCE, 1 << RULE_OVERCOMMIT},
    [LIE_BOUND] = {"bound", RULE_QUEUE, 0},
    [LIE_LEASE] = {"lease", RULE_LEADER, 1 << RULE_OVERCOMMIT | 1 << RULE_LIVENESS},
    [LIE_DEAF] = {"deaf", RULE_LIVENESS, 1 << RULE_STATE},
};

static void print_result(uint64_t seed, const struct world_result *r, bool is_same)
{
    printf("%s seed %" PRIu64 ": %" PRIu64 " steps, %.0f s, %" PRIu64 " pods, %" PRIu64
           " binds, %" PRIu64 " evictions, %" PRIu64 " requests, %" PRIu64
           " restarts, sum %016" PRIx64 "\n",
           r->verdict == RULES && is_same ? "ok" : "FAILED", seed, r->step, r->virtual_s, r->pods,
           r->decisions, r->evictions, r->requests, r->restarts, r->sum);
}

static bool run_one(uint64_t seed, const struct arguments *a)
{
    struct world_options options = {
        .seed = seed, .steps = a->steps, .is_loud = a->is_loud, .trace_lines = TRACE_LINES};
    struct world_result r = world_run(&options);
    bool is_same = !a->is_twice || world_run(&options).sum == r.sum;

    print_result(seed, &r, is_same);
    if (!is_same)
        printf("broken: a second run of the seed went another way\n");
    else if (r.verdict != RULES)
        printf("broken: %s\n  %s\n", rule_name(r.verdict), r.text);
    else
        return true;
    printf("again: make simulate SEED=%" PRIu64 " SEEDS=1 STEPS=%" PRIu64 "\n", seed, a->steps);
    return false;
}

/* Each lie is to be found out, as what it is, by one of the first seeds. */
static bool run_lie(enum vlie lie, const struct arguments *a)
{
    struct world_result r = {.verdict = RULES};

    for (uint64_t seed = 1; seed <= LIE_SEEDS && r.verdict != LIES_OF[lie].rule; seed++) {
        struct world_options options = {
            .seed = seed, .steps = a->steps, .lie = lie, .is_loud = a->is_loud};
        r = world_run(&options);
        if (r.verdict != RULES && r.verdict != LIES_OF[lie].rule &&
            !(LIES_OF[lie].also & 1U << r.verdict))
            break;
    }
    bool is_found = r.verdict == LIES_OF[lie].rule;
    printf("%s lie %s: %s%s%s\n", is_found ? "ok" : "FAILED", LIES_OF[lie].name,
           rule_name(r.verdict), r.text[0] ? ": " : "", r.text);
    return is_found;
}

static uint64_t number(const char *text)
{
    uint64_t n;

    if (sy_str_u64(sy_str_from(text), &n) < 0) {
        fprintf(stderr, "simulation: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: simulation [--seed N] [--seeds N] [--steps N] [--twice] [--loud] COMMAND\n"
            "  seeds         runs seeds from --seed on\n"
            "  lies          breaks each invariant on purpose and sees it found\n"
            "  issues        all named issues\n"
            "  issue NAME    one of them\n"
            "  list          their names\n");
    return 2;
}

static int run_seeds(const struct arguments *a)
{
    uint64_t failed = 0;

    for (uint64_t i = 0; i < a->seeds; i++)
        failed += !run_one(a->seed + i, a);
    return failed != 0;
}

static int run_lies(const struct arguments *a)
{
    int failed = 0;

    for (int i = LIE_NONE + 1; i < LIES; i++)
        failed += !run_lie((enum vlie)i, a);
    return failed != 0;
}

/* A run that goes wild is not to take the machine with it. ASan needs more than there is. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    static const struct rlimit FOUR_GIB = {(rlim_t)4 << 30, (rlim_t)4 << 30};

    if (setrlimit(RLIMIT_AS, &FOUR_GIB) != 0)
        perror("simulation: no limit on memory");
#endif
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"seed", required_argument, NULL, 's'},  {"seeds", required_argument, NULL, 'n'},
        {"steps", required_argument, NULL, 't'}, {"twice", no_argument, NULL, '2'},
        {"loud", no_argument, NULL, 'l'},        {NULL, 0, NULL, 0},
    };
    struct arguments a = {.seed = 1, .seeds = 1, .steps = 20000};

    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 's':
            a.seed = number(optarg);
            break;
        case 'n':
            a.seeds = number(optarg);
            break;
        case 't':
            a.steps = number(optarg);
            break;
        case '2':
            a.is_twice = true;
            break;
        case 'l':
            a.is_loud = true;
            break;
        default:
            return usage();
        }
    }
    const char *command = optind < argc ? argv[optind] : "";
    limit_memory();
    setvbuf(stdout, NULL, _IOLBF, 0);
    sy_log_configure(a.is_loud ? SY_LOG_WARN : (enum sy_log_level)(SY_LOG_ERROR + 1), false);
    if (strcmp(command, "seeds") == 0)
        return run_seeds(&a);
    if (strcmp(command, "lies") == 0)
        return run_lies(&a);
    if (strcmp(command, "issues") == 0)
        return issues_run(NULL, a.is_loud);
    if (strcmp(command, "issue") == 0 && optind + 1 < argc)
        return issues_run(argv[optind + 1], a.is_loud);
    if (strcmp(command, "list") == 0) {
        issues_list();
        return 0;
    }
    return usage();
}
