/* SPDX-License-Identifier: Apache-2.0
 *
 * `steelyard simulate --pods` and `--reproduce`: flags and files around pkg/sim/trace.h. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cmd.h"
#include "runs.h"
#include "sim/gen.h"
#include "sim/trace_policies.h"
#include "sim/trace_report.h"
#include "trace_input.h"

static const char COMMAND[] = "steelyard simulate";
static const char USAGE[] =
    "usage: steelyard simulate --nodes FILE --pods FILE[,FILE...] [FLAGS]\n"
    "       steelyard simulate --reproduce fgd [--data DIR] [FLAGS]\n"
    "\n"
    "Plays traces of GPU clusters (CSV as of openb) to the scheduler's own core: how much of the\n"
    "GPUs is allocated when so much has been asked for. Files of Kubernetes objects (snapshots,\n"
    "lists, manifests) are played as they say. The same flags give the same figures.\n"
    "\n"
    "  --nodes FILE        the cluster\n"
    "  --pods FILE[,...]   lists of pods, each a trace of its own; FILE may be that of --nodes\n"
    "  --reproduce fgd     the published experiment on the lists under --data (openb/ and\n"
    "                      fgd-published/) and how near it is; without, on a made-up cluster\n"
    "  --policy P[,Q...]   Random, DotProd, GpuClustering, GpuPacking, BestFit, FGD as published;\n"
    "                      steelyard, and all that scenarios take (default steelyard,FGD,BestFit;\n"
    "                      all of these with --reproduce)\n"
    "  --seeds A[-B][,...] (default 42-51)\n"
    "  --tune X            GPUs asked for over those there are (default 1.3)\n"
    "  --departures N      pods end as in the list; N arrivals at the load --tune (default: none)\n"
    "  --wait              with departures: what finds no room waits in place of being dropped\n"
    "  --as-listed         pods come and end when the file says, and wait for room (the default "
    "for\n"
    "                      objects)\n"
    "  --gangs X           part of the demand for whole GPUs that comes in gangs of 2 to 16\n"
    "  --jobs N            runs at once (default: one a processor)\n"
    "  --report FILE       write an HTML page with plots\n"
    "  --json              print JSON in place of tables\n"
    "  --exact             have the core check each cached answer (slow)\n";

enum { POLICIES_MAX = 32, TRACES_MAX = 256, MADE_UP_NODES = 300, MADE_UP_PODS = 2400 };
static const char FGD_POLICIES[] = "Random,DotProd,GpuClustering,GpuPacking,BestFit,FGD,steelyard";

struct trace_simulation {
    const char *nodes_file, *data_dir, *report_file; /* NULL: none */
    bool is_reproduction, wants_json, exact;
    bool waits, is_listed;
    double gangs;
    char *files[TRACES_MAX]; /* owned */
    char *names[TRACES_MAX]; /* owned */
    struct cmd_trace_input traces[TRACES_MAX];
    uint32_t traces_len;
    const char *policy_names[POLICIES_MAX];
    struct sy_trace_policy policies[POLICIES_MAX];
    uint32_t policies_len;
    char *policy_list; /* owned */
    struct cmd_seeds seeds;
    double tune;
    uint32_t departures, jobs;
    struct sy_published published;
    struct sy_trace_result *results;
};

/* -- input -- */

static int take_policies(struct trace_simulation *s, const char *list)
{
    struct sy_err err = {0};

    free(s->policy_list);
    s->policy_list = sy_xstrdup(list);
    s->policies_len = 0;
    for (char *at = s->policy_list, *comma; at; at = comma) {
        comma = strchr(at, ',');
        if (comma)
            *comma++ = '\0';
        if (s->policies_len == POLICIES_MAX)
            return cmd_usage_error(COMMAND, "more than %d policies", POLICIES_MAX);
        if (sy_trace_policy(at, &s->policies[s->policies_len], &err) < 0)
            return cmd_usage_error(COMMAND, "--policy: %s", err.msg);
        s->policy_names[s->policies_len++] = at;
    }
    return CMD_OK;
}

static int add_trace(struct trace_simulation *s, const char *file, size_t len)
{
    char name[64];

    if (s->traces_len == TRACES_MAX)
        return cmd_usage_error(COMMAND, "more than %d traces", TRACES_MAX);
    s->files[s->traces_len] = sy_xstrndup(file, len);
    sy_published_trace_name(s->files[s->traces_len], name, sizeof(name));
    s->names[s->traces_len++] = sy_xstrdup(name);
    return CMD_OK;
}

static int add_traces(struct trace_simulation *s, const char *list)
{
    int status = CMD_OK;

    for (const char *at = list, *end; at && status == CMD_OK; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ',');
        status = add_trace(s, at, (size_t)(end - at));
    }
    return status;
}

static int read_file(const char *path, struct sy_buf *text, struct sy_err *err)
{
    sy_buf_reset(text);
    return sy_file_read(path, text, err);
}

static int read_traces(struct trace_simulation *s, struct sy_err *err)
{
    int r = 0;

    for (uint32_t i = 0; i < s->traces_len && r == 0; i++)
        r = cmd_trace_input_read(&s->traces[i], s->nodes_file, s->files[i], err);
    return r;
}

static int make_up_trace(struct trace_simulation *s, struct sy_err *err)
{
    struct sy_buf text;
    int r = -ENOMEM;

    sy_buf_init(&text, SY_OPENB_TEXT_MAX_BYTES);
    add_trace(s, "made-up", strlen("made-up"));
    if (sy_gen_nodes(1, MADE_UP_NODES, &text) == 0)
        r = sy_openb_read_nodes(&s->traces[0].list, sy_buf_str(&text), "made-up nodes", err);
    sy_buf_reset(&text);
    if (r == 0 && sy_gen_pods(1, MADE_UP_PODS, &text) == 0)
        r = sy_openb_read_pods(&s->traces[0].list, sy_buf_str(&text), "made-up pods", err);
    sy_buf_done(&text);
    return r;
}

static int find_data(struct trace_simulation *s, char **ret_nodes, struct sy_err *err)
{
    char *pattern = sy_xasprintf("%s/openb/openb_pod_list_*.csv", s->data_dir);
    char *summary = sy_xasprintf("%s/fgd-published/summary.csv", s->data_dir);
    struct sy_buf text;
    glob_t found = {0};
    int r = 0;

    *ret_nodes = sy_xasprintf("%s/openb/openb_node_list_gpu_node.csv", s->data_dir);
    s->nodes_file = *ret_nodes;
    if (!s->traces_len && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && i < TRACES_MAX; i++)
            add_trace(s, found.gl_pathv[i], strlen(found.gl_pathv[i]));
    }
    if (!s->traces_len)
        r = sy_err_set(err, -ENOENT, "%s: there are no such files", pattern);
    sy_buf_init(&text, SY_OPENB_TEXT_MAX_BYTES);
    if (r == 0)
        r = read_file(summary, &text, err);
    if (r == 0)
        r = sy_published_read(&s->published, sy_buf_str(&text), summary, err);
    sy_buf_done(&text);
    globfree(&found);
    free(pattern);
    free(summary);
    return r;
}

static int load(struct trace_simulation *s)
{
    struct sy_err err = {0};
    char *nodes = NULL;
    int r = 0;

    if (s->is_reproduction && s->data_dir)
        r = find_data(s, &nodes, &err);
    if (r == 0)
        r = s->is_reproduction && !s->data_dir ? make_up_trace(s, &err) : read_traces(s, &err);
    free(nodes);
    for (uint32_t i = 0; i < s->traces_len && r == 0; i++) {
        /* One table shows all. */
        if (s->traces[i].pods_are_objects && !s->departures)
            s->is_listed = true;
        if (s->gangs > 0 && s->traces[i].pods_are_objects)
            r = sy_err_set(&err, -EINVAL,
                           "%s: --gangs is for tables; objects say themselves what "
                           "is a gang",
                           s->files[i]);
        else if (s->gangs > 0)
            sy_openb_make_gangs(&s->traces[i].list, s->gangs, 1);
    }
    if (r == 0)
        return CMD_OK;
    fprintf(stderr, "%s: %s\n", COMMAND, sy_err_text(&err, r));
    return CMD_FAILED;
}

/* -- runs and results -- */

static int run_one(void *arg, struct cmd_run *run, struct sy_err *err)
{
    struct trace_simulation *s = arg;
    uint32_t seeds = (uint32_t)s->seeds.len;
    uint32_t trace = run->i / seeds / s->policies_len;
    uint32_t policy = run->i / seeds % s->policies_len;
    struct sy_trace_options options = {
        .trace = &s->traces[trace].list,
        .profile = &s->policies[policy].profile,
        .knows_targets = s->policies[policy].knows_targets,
        .seed = s->seeds.p[run->i % seeds],
        .tune = s->tune,
        .departures = s->departures,
        .waits = s->waits,
        .is_listed = s->is_listed,
        .exact = s->exact,
        .progress = cmd_run_progress,
        .arg = run,
    };
    int r = sy_trace_run(&options, &s->results[run->i], err);
    return r < 0 ? sy_err_wrap(err, r, "%s, %s", s->names[trace], s->policy_names[policy]) : 0;
}

static int tell(const struct trace_simulation *s)
{
    struct sy_trace_comparison c = {
        .traces = (const char *const *)s->names,
        .traces_len = s->traces_len,
        .policies = s->policy_names,
        .policies_len = s->policies_len,
        .seeds = s->seeds.p,
        .seeds_len = (uint32_t)s->seeds.len,
        .results = s->results,
        .tune = s->tune,
        .departures = s->departures,
        .waits = s->waits || s->is_listed,
        .is_listed = s->is_listed,
        .published = s->published.rows.len ? &s->published : NULL,
    };
    bool is_reproduced = true;
    struct sy_buf out;

    sy_buf_init(&out, (size_t)1 << 28);
    if (s->wants_json)
        sy_trace_json(&c, &out);
    else
        sy_trace_table(&c, &out);
    if (!s->wants_json && c.published && !c.departures && !c.waits) {
        sy_buf_addc(&out, '\n');
        sy_trace_reproduction(&c, &out, &is_reproduced);
    }
    int status = cmd_put(&out, stdout);
    if (status == CMD_OK && s->report_file) {
        sy_buf_reset(&out);
        sy_trace_html(&c, &out);
        status = cmd_put_file(&out, s->report_file, COMMAND);
    }
    sy_buf_done(&out);
    return status == CMD_OK && !is_reproduced ? CMD_FAILED : status;
}

/* -- flags -- */

enum flag {
    FLAG_NODES = 256,
    FLAG_PODS,
    FLAG_POLICY,
    FLAG_SEEDS,
    FLAG_TUNE,
    FLAG_DEPARTURES,
    FLAG_WAIT,
    FLAG_AS_LISTED,
    FLAG_GANGS,
    FLAG_REPRODUCE,
    FLAG_DATA,
    FLAG_JOBS,
    FLAG_JSON,
    FLAG_REPORT,
    FLAG_EXACT,
};

static const struct option FLAGS[] = {
    {"nodes", required_argument, NULL, FLAG_NODES},
    {"pods", required_argument, NULL, FLAG_PODS},
    {"policy", required_argument, NULL, FLAG_POLICY},
    {"seeds", required_argument, NULL, FLAG_SEEDS},
    {"tune", required_argument, NULL, FLAG_TUNE},
    {"departures", required_argument, NULL, FLAG_DEPARTURES},
    {"wait", no_argument, NULL, FLAG_WAIT},
    {"as-listed", no_argument, NULL, FLAG_AS_LISTED},
    {"gangs", required_argument, NULL, FLAG_GANGS},
    {"reproduce", required_argument, NULL, FLAG_REPRODUCE},
    {"data", required_argument, NULL, FLAG_DATA},
    {"jobs", required_argument, NULL, FLAG_JOBS},
    {"json", no_argument, NULL, FLAG_JSON},
    {"report", required_argument, NULL, FLAG_REPORT},
    {"exact", no_argument, NULL, FLAG_EXACT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int checked(bool ok, const char *flag)
{
    return cmd_check_value(ok, COMMAND, flag);
}

static int take_flag(struct trace_simulation *s, int c)
{
    switch (c) {
    case FLAG_NODES:
        s->nodes_file = optarg;
        return CMD_OK;
    case FLAG_PODS:
        return add_traces(s, optarg);
    case FLAG_POLICY:
        return take_policies(s, optarg);
    case FLAG_SEEDS:
        return checked(cmd_seeds_parse(&s->seeds, optarg), "seeds");
    case FLAG_TUNE:
        return checked(cmd_parse_double(optarg, &s->tune) && s->tune > 0 &&
                           s->tune <= SY_TRACE_PERCENT_MAX / 100.0,
                       "tune");
    case FLAG_DEPARTURES:
        return checked(cmd_parse_u32(optarg, &s->departures) && s->departures <= SY_OPENB_PODS_MAX,
                       "departures");
    case FLAG_WAIT:
        s->waits = true;
        return CMD_OK;
    case FLAG_AS_LISTED:
        s->is_listed = true;
        return CMD_OK;
    case FLAG_GANGS:
        return checked(cmd_parse_double(optarg, &s->gangs) && s->gangs >= 0 && s->gangs <= 1,
                       "gangs");
    case FLAG_REPRODUCE:
        s->is_reproduction = true;
        return checked(strcmp(optarg, "fgd") == 0, "reproduce");
    case FLAG_DATA:
        s->data_dir = optarg;
        return CMD_OK;
    case FLAG_JOBS:
        return checked(cmd_jobs_parse(optarg, &s->jobs), "jobs");
    case FLAG_JSON:
        s->wants_json = true;
        return CMD_OK;
    case FLAG_REPORT:
        s->report_file = optarg;
        return CMD_OK;
    case FLAG_EXACT:
        s->exact = true;
        return CMD_OK;
    case 'h':
        fputs(USAGE, stdout);
        return -1;
    default:
        return CMD_USAGE;
    }
}

static int check_flags(struct trace_simulation *s)
{
    if (!s->is_reproduction && (!s->nodes_file || !s->traces_len))
        return cmd_usage_error(COMMAND, "--nodes and --pods go together, with files");
    if (s->is_reproduction && (s->nodes_file || s->traces_len))
        return cmd_usage_error(COMMAND, "--reproduce takes its files from --data");
    if (s->waits && !s->departures)
        return cmd_usage_error(COMMAND, "--wait goes with --departures");
    if (s->is_listed && s->departures)
        return cmd_usage_error(COMMAND, "--as-listed and --departures exclude each other");
    return CMD_OK;
}

static int simulate(struct trace_simulation *s, int argc, char **argv)
{
    int status = CMD_OK;

    s->tune = 1.3;
    s->jobs = cmd_jobs_default();
    cmd_seeds_parse(&s->seeds, "42-51");
    for (int c; status == CMD_OK && (c = cmd_next_flag(argc, argv, FLAGS, COMMAND)) != -1;)
        status = take_flag(s, c);
    if (status == CMD_OK && optind < argc)
        status = cmd_usage_error(COMMAND, "what is \"%s\"?", argv[optind]);
    if (status == CMD_OK)
        status = check_flags(s);
    if (status == CMD_OK && !s->policies_len)
        status = take_policies(s, s->is_reproduction ? FGD_POLICIES : "steelyard,FGD,BestFit");
    if (status == CMD_OK)
        status = load(s);
    if (status != CMD_OK)
        return status < 0 ? CMD_OK : status;
    uint32_t runs = s->traces_len * s->policies_len * (uint32_t)s->seeds.len;
    s->results = sy_xcalloc(runs, sizeof(*s->results));
    struct cmd_runs all = {
        .command = COMMAND, .len = runs, .jobs = s->jobs, .fn = run_one, .arg = s};
    status = cmd_runs_do(&all);
    return status == CMD_OK ? tell(s) : status;
}

bool cmd_simulate_is_trace(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--pods", 6) == 0 || strncmp(argv[i], "--reproduce", 11) == 0)
            return true;
    }
    return false;
}

int cmd_simulate_trace(int argc, char **argv)
{
    struct trace_simulation *s = sy_xcalloc(1, sizeof(*s));
    int status = simulate(s, argc, argv);

    for (uint32_t i = 0; i < s->traces_len; i++) {
        cmd_trace_input_done(&s->traces[i]);
        free(s->files[i]);
        free(s->names[i]);
    }
    sy_vec_done(&s->published.rows);
    sy_vec_done(&s->seeds);
    free(s->policy_list);
    free(s->results);
    free(s);
    return status;
}
