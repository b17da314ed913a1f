/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sim/svg.h"

enum { POINT_100 = 4, POINT_130 = 7 };

static const struct sy_trace_result *result(const struct sy_trace_comparison *c, uint32_t trace,
                                            uint32_t policy, uint32_t seed)
{
    return &c->results[((size_t)trace * c->policies_len + policy) * c->seeds_len + seed];
}

struct mean {
    double mean, sd;
};

typedef double value_fn(const struct sy_trace_result *r, uint32_t arg);

static double at_percent(const struct sy_trace_result *r, uint32_t percent)
{
    return sy_trace_at(r, percent);
}

static double over_time(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return r->mean_allocated;
}

static double refused(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return r->refused_milli;
}

static double failed(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return (double)(r->pods - r->placed);
}

static double fragments(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return (double)r->fragmentation;
}

static struct mean over_seeds(const struct sy_trace_comparison *c, uint32_t trace, uint32_t policy,
                              value_fn *value, uint32_t arg)
{
    double sum = 0, squares = 0;

    for (uint32_t s = 0; s < c->seeds_len; s++)
        sum += value(result(c, trace, policy, s), arg);
    double mean = sum / c->seeds_len;
    for (uint32_t s = 0; s < c->seeds_len; s++) {
        double d = value(result(c, trace, policy, s), arg) - mean;
        squares += d * d;
    }
    return (struct mean){mean, c->seeds_len > 1 ? sqrt(squares / (c->seeds_len - 1)) : 0};
}

/* -- tables -- */

static void departures_table(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    sy_buf_addf(out, "%-16s %-20s %14s %10s %14s\n", "trace", "policy", "allocated %", "sd",
                "refused %");
    for (uint32_t t = 0; t < c->traces_len; t++) {
        for (uint32_t p = 0; p < c->policies_len; p++) {
            struct mean a = over_seeds(c, t, p, over_time, 0);
            sy_buf_addf(out, "%-16s %-20s %14.2f %10.2f %14.2f\n", c->traces[t], c->policies[p],
                        a.mean, a.sd, over_seeds(c, t, p, refused, 0).mean);
        }
    }
}

static double wait_of(const struct sy_trace_result *r, uint32_t which)
{
    const struct sy_trace_waits *w = which & 1 ? &r->gangs : &r->singles;

    switch (which >> 1) {
    case 0:
        return (double)w->units;
    case 1:
        return (double)w->never;
    case 2:
        return w->mean_s;
    case 3:
        return w->p50_s;
    case 4:
        return w->p99_s;
    default:
        return w->most_s;
    }
}
static const char *const WAIT_NAMES[] = {"units", "never", "mean_s", "p50_s", "p99_s", "max_s"};

static double cpu_over_time(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return r->mean_cpu;
}

static double memory_over_time(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return r->mean_memory;
}

static double lasted(const struct sy_trace_result *r, uint32_t arg SY_UNUSED)
{
    return r->lasted_s;
}

static void waits_table(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out,
                "Allocated over time, in percent of all; waits until all that must be together "
                "have a node:\n");
    sy_buf_addf(out, "%-16s %-20s %7s %7s %7s | %8s %6s %9s %9s | %7s %6s %9s %9s\n", "trace",
                "policy", "GPUs %", "cpu %", "mem %", "singles", "never", "mean s", "p99 s",
                "gangs", "never", "mean s", "p99 s");
    for (uint32_t t = 0; t < c->traces_len; t++) {
        for (uint32_t p = 0; p < c->policies_len; p++) {
            sy_buf_addf(out, "%-16s %-20s %7.2f %7.2f %7.2f", c->traces[t], c->policies[p],
                        over_seeds(c, t, p, over_time, 0).mean,
                        over_seeds(c, t, p, cpu_over_time, 0).mean,
                        over_seeds(c, t, p, memory_over_time, 0).mean);
            for (uint32_t is_gang = 0; is_gang < 2; is_gang++)
                sy_buf_addf(out,
                            is_gang ? " | %7.0f %6.1f %9.1f %9.1f" : " | %8.0f %6.1f %9.1f %9.1f",
                            over_seeds(c, t, p, wait_of, is_gang).mean,
                            over_seeds(c, t, p, wait_of, 2 + is_gang).mean,
                            over_seeds(c, t, p, wait_of, 4 + is_gang).mean,
                            over_seeds(c, t, p, wait_of, 8 + is_gang).mean);
            sy_buf_addc(out, '\n');
        }
    }
}

int sy_trace_table(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    if (c->waits || c->departures) {
        if (c->waits)
            waits_table(c, out);
        else
            departures_table(c, out);
        return out->failed;
    }
    sy_buf_adds(out, "GPUs allocated, in percent of all, when so much has been asked for:\n");
    sy_buf_addf(out, "%-16s %-20s", "trace", "policy");
    for (uint32_t i = 0; i < SY_TRACE_POINTS; i++)
        sy_buf_addf(out, " %6u%%", sy_trace_points[i]);
    sy_buf_addf(out, " %8s %10s\n", "failed", "fragments");
    for (uint32_t t = 0; t < c->traces_len; t++) {
        for (uint32_t p = 0; p < c->policies_len; p++) {
            sy_buf_addf(out, "%-16s %-20s", c->traces[t], c->policies[p]);
            for (uint32_t i = 0; i < SY_TRACE_POINTS; i++)
                sy_buf_addf(out, " %7.2f",
                            over_seeds(c, t, p, at_percent, sy_trace_points[i]).mean);
            sy_buf_addf(out, " %8.1f %9.1f%%\n", over_seeds(c, t, p, failed, 0).mean,
                        over_seeds(c, t, p, fragments, 0).mean);
        }
    }
    return out->failed;
}

/* -- JSON -- */

static void json_points(const struct sy_trace_comparison *c, uint32_t t, uint32_t p,
                        struct sy_buf *out)
{
    sy_buf_adds(out, "{\"allocated_percent\":{");
    for (uint32_t i = 0; i < SY_TRACE_POINTS; i++)
        sy_buf_addf(out, "%s\"%u\":%.4f", i ? "," : "", sy_trace_points[i],
                    over_seeds(c, t, p, at_percent, sy_trace_points[i]).mean);
    sy_buf_addf(out,
                "},\"unallocated_percent_at_100\":%.4f,\"failed_pods\":%.1f,"
                "\"fragmentation_percent\":%.2f",
                100 - over_seeds(c, t, p, at_percent, 100).mean,
                over_seeds(c, t, p, failed, 0).mean, over_seeds(c, t, p, fragments, 0).mean);
    if (c->departures)
        sy_buf_addf(out, ",\"mean_allocated_percent\":%.4f,\"refused_percent\":%.4f",
                    over_seeds(c, t, p, over_time, 0).mean, over_seeds(c, t, p, refused, 0).mean);
    sy_buf_addc(out, '}');
}

/* ,"singles":{...},"gangs":{...} of one run, or of all in the mean when r is NULL. */
static void json_waits(const struct sy_trace_comparison *c, uint32_t t, uint32_t p,
                       const struct sy_trace_result *r, struct sy_buf *out)
{
    static const struct {
        const char *name;
        value_fn *value;
    } PARTS[] = {
        {"mean_allocated_percent", over_time},
        {"mean_cpu_percent", cpu_over_time},
        {"mean_memory_percent", memory_over_time},
        {"lasted_s", lasted},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(PARTS); i++)
        sy_buf_addf(out, "%s\"%s\":%.4f", i ? "," : "", PARTS[i].name,
                    r ? PARTS[i].value(r, 0) : over_seeds(c, t, p, PARTS[i].value, 0).mean);
    for (uint32_t is_gang = 0; is_gang < 2; is_gang++) {
        sy_buf_adds(out, is_gang ? ",\"gangs\":{" : ",\"singles\":{");
        for (uint32_t i = 0; i < SY_ARRAY_LEN(WAIT_NAMES); i++)
            sy_buf_addf(out, "%s\"%s\":%.3f", i ? "," : "", WAIT_NAMES[i],
                        r ? wait_of(r, 2 * i + is_gang)
                          : over_seeds(c, t, p, wait_of, 2 * i + is_gang).mean);
        sy_buf_addc(out, '}');
    }
    sy_buf_addc(out, '}');
}

static void json_run(const struct sy_trace_comparison *c, const struct sy_trace_result *r,
                     uint64_t seed, struct sy_buf *out)
{
    sy_buf_addf(out, "{\"seed\":%llu,\"pods\":%llu,\"placed\":%llu,\"fragmentation_percent\":%.2f,",
                (unsigned long long)seed, (unsigned long long)r->pods,
                (unsigned long long)r->placed, (double)r->fragmentation);
    if (c->waits) {
        json_waits(c, 0, 0, r, out);
        return;
    }
    if (c->departures) {
        sy_buf_addf(out, "\"mean_allocated_percent\":%.4f,\"refused_percent\":%.4f}",
                    r->mean_allocated, r->refused_milli);
        return;
    }
    sy_buf_adds(out, "\"curve\":[");
    bool is_first = true;
    for (uint32_t x = 0; x <= SY_TRACE_PERCENT_MAX; x++) {
        if (r->allocated[x] < 0)
            continue;
        sy_buf_addf(out, "%s[%u,%.3f]", is_first ? "" : ",", x, (double)r->allocated[x]);
        is_first = false;
    }
    sy_buf_adds(out, "]}");
}

int sy_trace_json(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    sy_buf_addf(out, "{\"tune\":%g,\"departures\":%u,\"waits\":%s,\"as_listed\":%s,\"traces\":[",
                c->tune, c->departures, c->waits ? "true" : "false",
                c->is_listed ? "true" : "false");
    for (uint32_t t = 0; t < c->traces_len; t++) {
        sy_buf_adds(out, t ? ",{\"trace\":" : "{\"trace\":");
        sy_buf_add_json(out, sy_str_from(c->traces[t]));
        sy_buf_adds(out, ",\"policies\":[");
        for (uint32_t p = 0; p < c->policies_len; p++) {
            sy_buf_adds(out, p ? ",{\"policy\":" : "{\"policy\":");
            sy_buf_add_json(out, sy_str_from(c->policies[p]));
            sy_buf_adds(out, ",\"mean\":");
            if (c->waits) {
                sy_buf_addc(out, '{');
                json_waits(c, t, p, NULL, out);
            } else {
                json_points(c, t, p, out);
            }
            sy_buf_adds(out, ",\"runs\":[");
            for (uint32_t s = 0; s < c->seeds_len; s++) {
                if (s)
                    sy_buf_addc(out, ',');
                json_run(c, result(c, t, p, s), c->seeds[s], out);
            }
            sy_buf_adds(out, "]}");
        }
        sy_buf_adds(out, "]}");
    }
    sy_buf_adds(out, "]}\n");
    return out->failed;
}

/* -- against what is published -- */

static double tolerance(const char *policy)
{
    return strcmp(policy, "GpuPacking") == 0 || strcmp(policy, "GpuClustering") == 0 ? 0.6 : 0.3;
}

/* Returns how many traces have a published figure. */
static uint32_t reproduce_policy(const struct sy_trace_comparison *c, uint32_t p,
                                 struct sy_buf *out, bool *ret_ok)
{
    double worst = 0, sum = 0;
    uint32_t compared = 0, missed = 0;

    for (uint32_t t = 0; t < c->traces_len; t++) {
        const struct sy_published_row *row =
            sy_published_find(c->published, c->traces[t], c->policies[p]);
        if (!row)
            continue;
        double at_100 = over_seeds(c, t, p, at_percent, 100).mean;
        double at_130 = over_seeds(c, t, p, at_percent, 130).mean;
        double off = at_130 - row->allocated[POINT_130];
        sy_buf_addf(out, "%-16s %-16s %9.2f %9.2f %+7.2f %9.2f %9.2f %+7.2f%s\n", c->traces[t],
                    c->policies[p], at_100, row->allocated[POINT_100],
                    at_100 - row->allocated[POINT_100], at_130, row->allocated[POINT_130], off,
                    fabs(off) > tolerance(c->policies[p]) ? "  *" : "");
        worst = fabs(off) > worst ? fabs(off) : worst;
        sum += off;
        missed += fabs(off) > tolerance(c->policies[p]);
        compared++;
    }
    if (!compared)
        return 0;
    sy_buf_addf(out,
                "  %s: %s at 130 %%: worst %.2f points of %.1f allowed, mean %+.2f, %u of %u "
                "traces within\n",
                c->policies[p], missed ? "NOT reproduced" : "reproduced", worst,
                tolerance(c->policies[p]), sum / compared, compared - missed, compared);
    *ret_ok = *ret_ok && !missed;
    return compared;
}

/* What a policy of ours leaves unallocated, against FGD's published figures. */
static void against_fgd(const struct sy_trace_comparison *c, uint32_t p, struct sy_buf *out)
{
    double sum = 0, worst = -INFINITY;
    uint32_t compared = 0, better = 0;

    if (sy_published_find(c->published, c->traces[0], c->policies[p]))
        return;
    sy_buf_addf(out, "\nunallocated at 100 %% arrived\n%-16s %-16s %9s %9s %9s\n", "trace",
                "policy", "ours", "FGD", "change");
    for (uint32_t t = 0; t < c->traces_len; t++) {
        const struct sy_published_row *row = sy_published_find(c->published, c->traces[t], "FGD");
        if (!row)
            continue;
        double ours = 100 - over_seeds(c, t, p, at_percent, 100).mean;
        double theirs = 100 - row->allocated[POINT_100];
        double change = 100 * (ours / theirs - 1);
        sy_buf_addf(out, "%-16s %-16s %9.2f %9.2f %+8.1f%%\n", c->traces[t], c->policies[p], ours,
                    theirs, change);
        sum += change;
        worst = change > worst ? change : worst;
        better += change < 0;
        compared++;
    }
    if (compared)
        sy_buf_addf(out,
                    "  %s: less than FGD on %u of %u traces, mean change %+.1f %%, worst "
                    "%+.1f %%\n",
                    c->policies[p], better, compared, sum / compared, worst);
}

int sy_trace_reproduction(const struct sy_trace_comparison *c, struct sy_buf *out,
                          bool *ret_reproduced)
{
    bool ok = true;
    uint32_t compared = 0;

    sy_buf_addf(out, "%-16s %-16s %9s %9s %7s %9s %9s %7s\n", "GPUs allocated,", "% of all", "100%",
                "published", "off", "130%", "published", "off");
    for (uint32_t p = 0; p < c->policies_len; p++)
        compared += reproduce_policy(c, p, out, &ok);
    for (uint32_t p = 0; p < c->policies_len; p++)
        against_fgd(c, p, out);
    sy_buf_addf(out, "\n%s\n",
                !compared ? "None of the policies is a published one: nothing was reproduced."
                : ok      ? "The published experiment is reproduced."
                          : "The published experiment is NOT reproduced; * marks what is off.");
    *ret_reproduced = ok;
    return out->failed;
}

/* -- HTML -- */

enum { WIDTH = 620, HEIGHT = 340, LEFT = 56, RIGHT = 16, TOP = 44, BOTTOM = 44, X_FROM = 60 };

static double x_of(double percent, double to)
{
    return LEFT + (percent - X_FROM) / (to - X_FROM) * (WIDTH - LEFT - RIGHT);
}

static double y_of(double v, double most)
{
    return HEIGHT - BOTTOM - v / most * (HEIGHT - TOP - BOTTOM);
}

static double nice_step(double most)
{
    double power = pow(10, floor(log10(most > 0 ? most / 5 : 1)));
    double part = most / 5 / power;

    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void axes(struct sy_buf *out, double most, bool has_x, double to)
{
    char text[32];
    double step = nice_step(most);

    for (uint32_t i = 0; i * step <= most * 1.0001; i++) {
        double v = i * step;
        snprintf(text, sizeof(text), "%g", v);
        sy_svg_line(out, LEFT, y_of(v, most), WIDTH - RIGHT, y_of(v, most), "grid");
        sy_svg_text(out, LEFT - 6, y_of(v, most) + 4, "end", "muted", text);
    }
    for (uint32_t i = 0; has_x && X_FROM + 10 * i <= to; i++) {
        double x = X_FROM + 10 * i;
        snprintf(text, sizeof(text), "%g", x);
        sy_svg_text(out, x_of(x, to), HEIGHT - BOTTOM + 18, "middle", "muted", text);
    }
    if (has_x)
        sy_svg_text(out, (WIDTH + LEFT) / 2.0, HEIGHT - 8, "middle", "muted",
                    "GPUs asked for so far, % of all");
}

static void legend(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "<p class=\"legend\">");
    for (uint32_t p = 0; p < c->policies_len; p++) {
        sy_buf_addf(out, "<span><i style=\"background:var(--s%u)\"></i> ", p % SY_SVG_COLOURS);
        sy_svg_escape(out, c->policies[p]);
        sy_buf_adds(out, "</span> ");
    }
    sy_buf_adds(out, "</p>\n");
}

/* One trace: what is allocated, or what is not, over what has arrived. */
static void curves(const struct sy_trace_comparison *c, uint32_t t, bool is_unallocated,
                   struct sy_buf *out)
{
    double x[SY_TRACE_PERCENT_MAX + 1], y[SY_TRACE_PERCENT_MAX + 1];
    double to = ceil(c->tune * 10) * 10, most = 100;
    char title[128];

    to = to > X_FROM + 10 ? to : X_FROM + 10;
    snprintf(title, sizeof(title), "%s: GPUs %sallocated, %%", c->traces[t],
             is_unallocated ? "not " : "");
    if (is_unallocated)
        most = 40;
    sy_svg_begin(out, WIDTH, HEIGHT, title, false);
    sy_svg_text(out, LEFT, 22, "start", "head", title);
    axes(out, most, true, to);
    for (uint32_t p = 0; p < c->policies_len; p++) {
        uint32_t len = 0;
        for (uint32_t percent = X_FROM; percent <= (uint32_t)to; percent++) {
            double v = over_seeds(c, t, p, at_percent, percent).mean;
            x[len] = x_of(percent, to);
            y[len++] = y_of(is_unallocated ? 100 - v : v, most);
        }
        sy_svg_path(out, x, y, len, p);
    }
    sy_svg_end(out);
}

/* One bar a trace and policy: unallocated at 100 % arrived, or over time with departures. */
static void bars(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    bool is_timed = c->departures || c->waits;
    const char *title = is_timed ? "GPUs not allocated over time, %"
                                 : "GPUs not allocated when 100 % have been asked for, %";
    double most = 0;

    for (int drawing = 0; drawing < 2; drawing++) {
        if (drawing) {
            most = most > 0 ? most * 1.05 : 1;
            sy_svg_begin(out, WIDTH, HEIGHT, title, false);
            sy_svg_text(out, LEFT, 22, "start", "head", title);
            axes(out, most, false, 0);
        }
        double group = (WIDTH - LEFT - RIGHT) / (double)c->traces_len;
        double bar = group * 0.85 / c->policies_len;
        for (uint32_t t = 0; t < c->traces_len; t++) {
            for (uint32_t p = 0; p < c->policies_len; p++) {
                double v = 100 - over_seeds(c, t, p, is_timed ? over_time : at_percent, 100).mean;
                most = !drawing && v > most ? v : most;
                if (drawing)
                    sy_svg_rect(out, LEFT + t * group + p * bar, y_of(v, most), bar,
                                HEIGHT - BOTTOM - y_of(v, most), p);
            }
            if (drawing)
                sy_svg_text(out, LEFT + (t + 0.42) * group, HEIGHT - BOTTOM + (t % 2 ? 32 : 16),
                            "middle", "muted", c->traces[t]);
        }
    }
    sy_svg_end(out);
}

int sy_trace_html(const struct sy_trace_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width\">"
                     "<title>steelyard simulate</title><style>");
    sy_svg_style(out);
    sy_buf_addf(
        out,
        "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);"
        "max-width:1300px;margin:2rem auto;padding:0 1rem}"
        ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%%,480px),"
        "1fr));gap:1.5rem}svg{width:100%%;height:auto}pre{overflow-x:auto}"
        ".legend i{display:inline-block;width:1em;height:.7em}.legend span{margin-right:1em}"
        "</style></head><body><h1>steelyard simulate: traces</h1>"
        "<p>%u trace%s, %u seed%s, ",
        c->traces_len, c->traces_len == 1 ? "" : "s", c->seeds_len, c->seeds_len == 1 ? "" : "s");
    if (c->is_listed)
        sy_buf_adds(out, "pods come and leave as listed. Means over the seeds.</p>\n");
    else
        sy_buf_addf(out, "GPUs asked for up to %g %% of all%s. Means over the seeds.</p>\n",
                    100 * c->tune, c->departures ? "; pods end and leave" : "");
    legend(c, out);
    bars(c, out);
    if (!c->departures && !c->waits) {
        sy_buf_adds(out, "<div class=\"plots\">\n");
        for (uint32_t t = 0; t < c->traces_len; t++) {
            curves(c, t, false, out);
            curves(c, t, true, out);
        }
        sy_buf_adds(out, "</div>\n");
    }
    sy_buf_adds(out, "<h2>Figures</h2><pre>");
    struct sy_buf table;
    sy_buf_init(&table, (size_t)1 << 24);
    sy_trace_table(c, &table);
    if (table.p)
        sy_svg_escape(out, table.p);
    sy_buf_done(&table);
    sy_buf_adds(out, "</pre></body></html>\n");
    return out->failed;
}
