/* SPDX-License-Identifier: Apache-2.0
 *
 * `steelyard simulate`: flags and files around pkg/sim, for made-up clusters; traces are in
 * simulate_trace.c, gangs in simulate_gangs.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "cmd.h"
#include "runs.h"
#include "sim/compare.h"
#include "sim/policies.h"
#include "sim/report.h"

static const char COMMAND[] = "steelyard simulate";

static const char USAGE[] =
    "usage: steelyard simulate [FLAGS]\n"
    "\n"
    "Runs the scheduler's own core on a virtual cluster, each policy on the same seeds, and says\n"
    "how they compare. The same flags give the same figures.\n"
    "\n"
    "  --scenario NAME     what goes on in the cluster (default balance; \"list\" names all)\n"
    "  --policy P[,Q...]   the first is held against the others (default\n"
    "                      DynamicWeight,LeastAllocated,MostAllocated); \"default\" and \"kube\"\n"
    "                      are whole profiles, else scorers: NAME[:WEIGHT][+NAME[:WEIGHT]...]\n"
    "  --seeds A[-B][,...] (default 1-10)\n"
    "  --nodes N           (default 60)\n"
    "  --hours H           that count (default 12)\n"
    "  --warmup H          hours before them (default 4)\n"
    "  --load L            cpu requested over all cpu, in place of the scenario's\n"
    "  --measured on|off   whether the scheduler gets measurements of real load (default on)\n"
    "  --jobs N            runs at once (default: one a processor)\n"
    "  --report FILE       write an HTML page with plots\n"
    "  --svg DIR           write each plot as an SVG file\n"
    "  --json              print JSON in place of tables\n"
    "  --pods, --reproduce play traces of GPU clusters; --pods x --help has their flags\n"
    "  --gang-arrivals N   gangs under failures; --gang-arrivals 1 --help has its flags\n"
    "  --exact             have the core check each cached answer (slow)\n";

enum { POLICIES_MAX = 32 };

struct simulation {
    struct sy_world_options world;
    const char *policies[POLICIES_MAX];
    struct sy_profile profiles[POLICIES_MAX];
    uint32_t policies_len;
    struct cmd_seeds seeds;
    uint32_t jobs;
    bool wants_json;
    const char *report_file, *svg_dir; /* NULL: none */

    uint32_t runs;
    struct sy_figures *figures; /* by run */
};

/* -- flags -- */

/* list: this command's, cut into pieces. */
static int parse_policies(struct simulation *s, char *list)
{
    struct sy_err err = {0};

    s->policies_len = 0;
    for (char *at = list, *comma; at; at = comma) {
        comma = strchr(at, ',');
        if (comma)
            *comma++ = '\0';
        if (s->policies_len == POLICIES_MAX)
            return cmd_usage_error(COMMAND, "more than %d policies", POLICIES_MAX);
        if (sy_sim_policy(at, &s->profiles[s->policies_len], &err) < 0)
            return cmd_usage_error(COMMAND, "--policy: %s", err.msg);
        s->policies[s->policies_len++] = at;
    }
    return CMD_OK;
}

static int parse_scenario(struct simulation *s, const char *name)
{
    const struct sy_scenario *scenario = sy_scenario_find(name);

    if (strcmp(name, "list") == 0) {
        for (uint32_t i = 0; (scenario = sy_scenario_at(i)); i++)
            printf("%-10s %s\n", scenario->name, scenario->says);
        return -1;
    }
    if (!scenario)
        return cmd_usage_error(COMMAND, "there is no scenario \"%s\"; --scenario list names all",
                               name);
    s->world.scenario = *scenario;
    return CMD_OK;
}

/* -- runs -- */

static int run_one(void *arg, struct cmd_run *run, struct sy_err *err)
{
    struct simulation *s = arg;
    uint32_t policy = run->i / (uint32_t)s->seeds.len;
    struct sy_world_options options = s->world;

    options.profile = &s->profiles[policy];
    options.seed = s->seeds.p[run->i % s->seeds.len];
    options.progress = cmd_run_progress;
    options.arg = run;
    int r = sy_world_run(&options, &s->figures[run->i], err);
    return r < 0 ? sy_err_wrap(err, r, "%s", s->policies[policy]) : 0;
}

static int run_all(struct simulation *s)
{
    s->runs = s->policies_len * (uint32_t)s->seeds.len;
    s->figures = sy_xcalloc(s->runs, sizeof(*s->figures));
    struct cmd_runs runs = {
        .command = COMMAND, .len = s->runs, .jobs = s->jobs, .fn = run_one, .arg = s};
    return cmd_runs_do(&runs);
}

/* -- results -- */

static int write_plots(const struct sy_comparison *c, const char *dir, struct sy_buf *out)
{
    int status = CMD_OK;

    for (uint32_t plot = 0; plot < SY_PLOTS && status == CMD_OK; plot++) {
        char *path = sy_xasprintf("%s/%s.svg", dir, sy_plot_name(plot));
        sy_buf_reset(out);
        sy_plot_svg(c, plot, true, out);
        status = cmd_put_file(out, path, COMMAND);
        free(path);
    }
    return status;
}

static int tell(const struct simulation *s)
{
    struct sy_comparison comparison = {
        .scenario = s->world.scenario,
        .nodes = s->world.nodes,
        .hours = s->world.hours,
        .warmup_hours = s->world.warmup_hours,
        .is_measured = s->world.is_measured,
        .policies = s->policies,
        .policies_len = s->policies_len,
        .seeds = s->seeds.p,
        .seeds_len = (uint32_t)s->seeds.len,
        .figures = s->figures,
    };
    struct sy_buf out;

    sy_buf_init(&out, (size_t)1 << 28);
    if (s->wants_json)
        sy_compare_json(&comparison, &out);
    else
        sy_compare_table(&comparison, &out);
    int status = cmd_put(&out, stdout);
    if (status == CMD_OK && s->report_file) {
        sy_buf_reset(&out);
        sy_report_html(&comparison, &out);
        status = cmd_put_file(&out, s->report_file, COMMAND);
    }
    if (status == CMD_OK && s->svg_dir)
        status = write_plots(&comparison, s->svg_dir, &out);
    sy_buf_done(&out);
    return status;
}

enum flag {
    FLAG_SCENARIO = 256,
    FLAG_POLICY,
    FLAG_SEEDS,
    FLAG_NODES,
    FLAG_HOURS,
    FLAG_WARMUP,
    FLAG_LOAD,
    FLAG_MEASURED,
    FLAG_JOBS,
    FLAG_JSON,
    FLAG_REPORT,
    FLAG_SVG,
    FLAG_EXACT,
};

static const struct option FLAGS[] = {
    {"scenario", required_argument, NULL, FLAG_SCENARIO},
    {"policy", required_argument, NULL, FLAG_POLICY},
    {"seeds", required_argument, NULL, FLAG_SEEDS},
    {"nodes", required_argument, NULL, FLAG_NODES},
    {"hours", required_argument, NULL, FLAG_HOURS},
    {"warmup", required_argument, NULL, FLAG_WARMUP},
    {"load", required_argument, NULL, FLAG_LOAD},
    {"measured", required_argument, NULL, FLAG_MEASURED},
    {"jobs", required_argument, NULL, FLAG_JOBS},
    {"json", no_argument, NULL, FLAG_JSON},
    {"report", required_argument, NULL, FLAG_REPORT},
    {"svg", required_argument, NULL, FLAG_SVG},
    {"exact", no_argument, NULL, FLAG_EXACT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int checked(bool ok, const char *flag)
{
    return cmd_check_value(ok, COMMAND, flag);
}

/* What the flags that are no plain numbers say; -1 when all is done. */
static int take_flag(struct simulation *s, int c, double *load)
{
    switch (c) {
    case FLAG_SCENARIO:
        return parse_scenario(s, optarg);
    case FLAG_POLICY:
        return parse_policies(s, optarg);
    case FLAG_SEEDS:
        return checked(cmd_seeds_parse(&s->seeds, optarg), "seeds");
    case FLAG_NODES:
        return checked(cmd_parse_u32(optarg, &s->world.nodes), "nodes");
    case FLAG_HOURS:
        return checked(cmd_parse_double(optarg, &s->world.hours), "hours");
    case FLAG_WARMUP:
        return checked(cmd_parse_double(optarg, &s->world.warmup_hours), "warmup");
    case FLAG_LOAD:
        return checked(cmd_parse_double(optarg, load), "load");
    case FLAG_JOBS:
        return checked(cmd_jobs_parse(optarg, &s->jobs), "jobs");
    case FLAG_MEASURED:
        s->world.is_measured = strcmp(optarg, "on") == 0;
        return checked(s->world.is_measured || strcmp(optarg, "off") == 0, "measured");
    case FLAG_JSON:
        s->wants_json = true;
        return CMD_OK;
    case FLAG_REPORT:
        s->report_file = optarg;
        return CMD_OK;
    case FLAG_SVG:
        s->svg_dir = optarg;
        return CMD_OK;
    case FLAG_EXACT:
        s->world.exact = true;
        return CMD_OK;
    case 'h':
        fputs(USAGE, stdout);
        return -1;
    default:
        return CMD_USAGE;
    }
}

static int simulate(struct simulation *s, int argc, char **argv, char *policies)
{
    double load = 0;
    int status = CMD_OK;

    s->world = (struct sy_world_options){.scenario = *sy_scenario_at(0),
                                         .nodes = 60,
                                         .hours = 12,
                                         .warmup_hours = 4,
                                         .is_measured = true};
    s->jobs = cmd_jobs_default();
    cmd_seeds_parse(&s->seeds, "1-10");
    for (int c; status == CMD_OK && (c = cmd_next_flag(argc, argv, FLAGS, COMMAND)) != -1;)
        status = take_flag(s, c, &load);
    if (status == CMD_OK && optind < argc)
        status = cmd_usage_error(COMMAND, "what is \"%s\"?", argv[optind]);
    if (status == CMD_OK && !s->policies_len)
        status = parse_policies(s, policies);
    if (status != CMD_OK)
        return status < 0 ? CMD_OK : status;
    if (load != 0)
        s->world.scenario.load = load;
    status = run_all(s);
    return status == CMD_OK ? tell(s) : status;
}

int cmd_simulate(int argc, char **argv)
{
    if (cmd_simulate_is_trace(argc, argv))
        return cmd_simulate_trace(argc, argv);
    if (cmd_simulate_is_gangs(argc, argv))
        return cmd_simulate_gangs(argc, argv);
    struct simulation *s = sy_xcalloc(1, sizeof(*s));
    char policies[] = "DynamicWeight,LeastAllocated,MostAllocated";

    int status = simulate(s, argc, argv, policies);
    for (uint32_t i = 0; i < s->runs; i++)
        sy_figures_done(&s->figures[i]);
    free(s->figures);
    sy_vec_done(&s->seeds);
    free(s);
    return status;
}
