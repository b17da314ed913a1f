/* SPDX-License-Identifier: Apache-2.0
 *
 * `steelyard simulate --gang-arrivals`: flags and figures around pkg/sim/gangs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cmd.h"
#include "runs.h"
#include "sim/gangs.h"
#include "sim/policies.h"

static const char COMMAND[] = "steelyard simulate";

static const char USAGE[] =
    "usage: steelyard simulate --gang-arrivals N [FLAGS]\n"
    "\n"
    "Has so many gangs come to a virtual cluster of GPU nodes while nodes, binds and members "
    "fail,\n"
    "and looks at each step whether a gang is partial or a node has more than it can. Ends with 1\n"
    "at the first that is. The same flags give the same figures.\n"
    "\n"
    "  --gang-arrivals N   gangs, each seed's\n"
    "  --policy P          as for other simulations (default \"default\")\n"
    "  --seeds A[-B][,...] (default 1)\n"
    "  --nodes N           of 8 GPUs, 8 in a rack (default 64)\n"
    "  --jobs N            runs at once (default: one a processor)\n"
    "  --json              print JSON in place of a table\n"
    "  --exact             have the core check each cached answer (slow)\n";

struct simulation {
    struct sy_gangs_options options;
    struct sy_profile profile;
    struct cmd_seeds seeds;
    uint32_t jobs;
    bool wants_json;
    struct sy_gangs_figures *figures; /* by seed */
};

static int run_one(void *arg, struct cmd_run *run, struct sy_err *err)
{
    struct simulation *s = arg;
    struct sy_gangs_options options = s->options;

    options.profile = &s->profile;
    options.seed = s->seeds.p[run->i];
    options.progress = cmd_run_progress;
    options.arg = run;
    return sy_gangs_run(&options, &s->figures[run->i], err);
}

/* -- results -- */

static void put_json(const struct simulation *s, struct sy_buf *out)
{
    struct sy_json j = {.out = out};

    sy_json_object(&j, NULL);
    sy_json_i64(&j, "nodes", s->options.nodes);
    sy_json_array(&j, "runs");
    for (size_t i = 0; i < s->seeds.len; i++) {
        const struct sy_gangs_figures *f = &s->figures[i];
        const struct {
            const char *name;
            uint64_t value;
        } counts[] = {
            {"seed", s->seeds.p[i]},
            {"gangs", f->gangs},
            {"whole", f->whole},
            {"given_up", f->given_up},
            {"singles", f->singles},
            {"members", f->members},
            {"binds", f->binds},
            {"binds_refused", f->refused},
            {"binds_lost", f->lost},
            {"answers_lost", f->unheard},
            {"nodes_failed", f->nodes_failed},
            {"nodes_gone", f->nodes_gone},
            {"members_deleted", f->members_deleted},
            {"evicted", f->evicted},
        };
        sy_json_object(&j, NULL);
        for (size_t k = 0; k < SY_ARRAY_LEN(counts); k++)
            sy_json_i64(&j, counts[k].name, (int64_t)counts[k].value);
        sy_json_real(&j, "wait_mean_s", f->wait_mean_s, 3);
        sy_json_real(&j, "wait_max_s", f->wait_max_s, 3);
        sy_json_real(&j, "first_to_last_bind_mean_s", f->whole_mean_s, 3);
        sy_json_real(&j, "first_to_last_bind_max_s", f->whole_max_s, 3);
        sy_json_real(&j, "allocated_percent", f->gpus_allocated, 2);
        sy_json_real(&j, "days", f->days, 2);
        sy_json_end_object(&j);
    }
    sy_json_end_array(&j);
    sy_json_end_object(&j);
    sy_buf_addc(out, '\n');
}

static void put_table(const struct simulation *s, struct sy_buf *out)
{
    for (size_t i = 0; i < s->seeds.len; i++) {
        const struct sy_gangs_figures *f = &s->figures[i];
        sy_buf_addf(
            out,
            "seed %llu: no partial gang, no overcommit\n"
            "  %llu gangs came (%llu members), %llu became whole, %llu left before; %llu "
            "single pods\n"
            "  %llu binds; %llu refused, %llu lost, %llu answers lost\n"
            "  %llu failures of nodes (in %llu the node was deleted), %llu members deleted, "
            "%llu evicted\n"
            "  wait %.1f s in the mean, %.1f s at most; first to last bind %.3f s in the "
            "mean, %.1f s at most\n"
            "  %.1f %% of the GPUs allocated over %.1f days\n",
            (unsigned long long)s->seeds.p[i], (unsigned long long)f->gangs,
            (unsigned long long)f->members, (unsigned long long)f->whole,
            (unsigned long long)f->given_up, (unsigned long long)f->singles,
            (unsigned long long)f->binds, (unsigned long long)f->refused,
            (unsigned long long)f->lost, (unsigned long long)f->unheard,
            (unsigned long long)f->nodes_failed, (unsigned long long)f->nodes_gone,
            (unsigned long long)f->members_deleted, (unsigned long long)f->evicted, f->wait_mean_s,
            f->wait_max_s, f->whole_mean_s, f->whole_max_s, f->gpus_allocated, f->days);
    }
}

static int tell(const struct simulation *s)
{
    struct sy_buf out;

    sy_buf_init(&out, (size_t)1 << 24);
    if (s->wants_json)
        put_json(s, &out);
    else
        put_table(s, &out);
    int status = cmd_put(&out, stdout);
    sy_buf_done(&out);
    return status;
}

/* -- flags -- */

enum flag {
    FLAG_ARRIVALS = 256,
    FLAG_POLICY,
    FLAG_SEEDS,
    FLAG_NODES,
    FLAG_JOBS,
    FLAG_JSON,
    FLAG_EXACT,
};

static const struct option FLAGS[] = {
    {"gang-arrivals", required_argument, NULL, FLAG_ARRIVALS},
    {"policy", required_argument, NULL, FLAG_POLICY},
    {"seeds", required_argument, NULL, FLAG_SEEDS},
    {"nodes", required_argument, NULL, FLAG_NODES},
    {"jobs", required_argument, NULL, FLAG_JOBS},
    {"json", no_argument, NULL, FLAG_JSON},
    {"exact", no_argument, NULL, FLAG_EXACT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int checked(bool ok, const char *flag)
{
    return cmd_check_value(ok, COMMAND, flag);
}

static int take_flag(struct simulation *s, int c)
{
    struct sy_err err = {0};

    switch (c) {
    case FLAG_ARRIVALS:
        return checked(sy_str_u64(sy_str_from(optarg), &s->options.arrivals) == 0 &&
                           s->options.arrivals,
                       "gang-arrivals");
    case FLAG_POLICY:
        if (sy_sim_policy(optarg, &s->profile, &err) < 0)
            return cmd_usage_error(COMMAND, "--policy: %s", err.msg);
        return CMD_OK;
    case FLAG_SEEDS:
        return checked(cmd_seeds_parse(&s->seeds, optarg), "seeds");
    case FLAG_NODES:
        return checked(cmd_parse_u32(optarg, &s->options.nodes) &&
                           s->options.nodes >= SY_SIM_RACK_NODES &&
                           s->options.nodes <= SY_GANGS_NODES_MAX,
                       "nodes");
    case FLAG_JOBS:
        return checked(cmd_jobs_parse(optarg, &s->jobs), "jobs");
    case FLAG_JSON:
        s->wants_json = true;
        return CMD_OK;
    case FLAG_EXACT:
        s->options.exact = true;
        return CMD_OK;
    case 'h':
        fputs(USAGE, stdout);
        return -1;
    default:
        return CMD_USAGE;
    }
}

static int simulate(struct simulation *s, int argc, char **argv)
{
    int status = CMD_OK;

    s->options.nodes = 64;
    s->jobs = cmd_jobs_default();
    cmd_seeds_parse(&s->seeds, "1");
    if (sy_sim_policy("default", &s->profile, NULL) < 0)
        return CMD_FAILED;
    for (int c; status == CMD_OK && (c = cmd_next_flag(argc, argv, FLAGS, COMMAND)) != -1;)
        status = take_flag(s, c);
    if (status == CMD_OK && optind < argc)
        status = cmd_usage_error(COMMAND, "what is \"%s\"?", argv[optind]);
    if (status != CMD_OK)
        return status < 0 ? CMD_OK : status;
    s->figures = sy_xcalloc(s->seeds.len, sizeof(*s->figures));
    struct cmd_runs runs = {.command = COMMAND,
                            .len = (uint32_t)s->seeds.len,
                            .jobs = s->jobs,
                            .fn = run_one,
                            .arg = s};
    status = cmd_runs_do(&runs);
    return status == CMD_OK ? tell(s) : status;
}

bool cmd_simulate_is_gangs(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--gang-arrivals", 15) == 0)
            return true;
    }
    return false;
}

int cmd_simulate_gangs(int argc, char **argv)
{
    struct simulation *s = sy_xcalloc(1, sizeof(*s));
    int status = simulate(s, argc, argv);

    sy_vec_done(&s->seeds);
    free(s->figures);
    free(s);
    return status;
}
