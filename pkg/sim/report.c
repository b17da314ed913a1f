/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/report.h"

#include <math.h>

#include "sim/svg.h"

static const char STYLE[] =
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);"
    "max-width:1080px;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}"
    "p{max-width:46rem}.muted{color:var(--muted)}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));"
    "gap:1.5rem}svg{width:100%;height:auto}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.3rem .8rem;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--grid)}"
    "th:first-child,td:first-child{text-align:left}th{font-weight:600}"
    "td.good{color:var(--s3)}td.bad{color:var(--s2)}";

static void cell(struct sy_buf *out, double v)
{
    sy_buf_addf(out, "<td>%.*f</td>", fabs(v) < 100 ? 2 : 0, v);
}

static void measures_table(const struct sy_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "<div class=\"scroll\"><table><tr><th>mean (sd) over the seeds</th>");
    for (uint32_t p = 0; p < c->policies_len; p++) {
        sy_buf_adds(out, "<th>");
        sy_svg_escape(out, c->policies[p]);
        sy_buf_adds(out, "</th>");
    }
    sy_buf_adds(out, "</tr>\n");
    for (uint32_t m = 0; m < SY_MEASURES; m++) {
        sy_buf_addf(out, "<tr><td title=\"");
        sy_svg_escape(out, sy_measure_infos[m].says);
        sy_buf_addf(out, "\">%s <span class=\"muted\">%s</span></td>", sy_measure_infos[m].title,
                    sy_measure_infos[m].unit);
        for (uint32_t p = 0; p < c->policies_len; p++) {
            struct sy_summary s = sy_compare_one(c, p, m);
            int digits = fabs(s.mean) < 100 ? 2 : 0;
            sy_buf_addf(out, "<td>%.*f <span class=\"muted\">(%.*f)</span></td>", digits, s.mean,
                        digits, s.sd);
        }
        sy_buf_adds(out, "</tr>\n");
    }
    sy_buf_adds(out, "</table></div>\n");
}

static void pairs_table(const struct sy_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "<h2>");
    sy_svg_escape(out, c->policies[0]);
    sy_buf_adds(out, " against each</h2><p>Change of the mean; in brackets on how many of the "
                     "seeds it is better.</p><div class=\"scroll\"><table><tr><th>measure</th>");
    for (uint32_t p = 1; p < c->policies_len; p++) {
        sy_buf_adds(out, "<th>");
        sy_svg_escape(out, c->policies[p]);
        sy_buf_adds(out, "</th>");
    }
    sy_buf_adds(out, "</tr>\n");
    for (uint32_t m = 0; m < SY_MEASURES; m++) {
        if (!sy_measure_infos[m].better)
            continue;
        sy_buf_addf(out, "<tr><td>%s</td>", sy_measure_infos[m].title);
        for (uint32_t p = 1; p < c->policies_len; p++) {
            struct sy_pairing pair = sy_compare_pair(c, 0, p, m);
            const char *class = pair.wins > pair.losses   ? "good"
                                : pair.wins < pair.losses ? "bad"
                                                          : "";
            sy_buf_addf(out, "<td class=\"%s\">%+.1f %% (%u of %u)</td>", class,
                        100 * pair.relative, pair.wins, c->seeds_len);
        }
        sy_buf_adds(out, "</tr>\n");
    }
    sy_buf_adds(out, "</table></div>\n");
}

static void runs_table(const struct sy_comparison *c, struct sy_buf *out)
{
    static const enum sy_measure SHOWN[] = {SY_MEASURE_OVERLOAD, SY_MEASURE_WAIT_MEAN,
                                            SY_MEASURE_WAIT_P99, SY_MEASURE_SPREAD_SD,
                                            SY_MEASURE_USE};

    sy_buf_adds(out, "<details><summary>Each run</summary><div class=\"scroll\"><table><tr>"
                     "<th>policy</th><th>seed</th><th>pods</th>");
    for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++)
        sy_buf_addf(out, "<th>%s</th>", sy_measure_infos[SHOWN[i]].title);
    sy_buf_adds(out, "</tr>\n");
    for (uint32_t p = 0; p < c->policies_len; p++) {
        for (uint32_t seed = 0; seed < c->seeds_len; seed++) {
            const struct sy_figures *f = sy_compare_figures(c, p, seed);
            sy_buf_adds(out, "<tr><td>");
            sy_svg_escape(out, c->policies[p]);
            sy_buf_addf(out, "</td><td>%llu</td><td>%llu</td>", (unsigned long long)c->seeds[seed],
                        (unsigned long long)f->pods);
            for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++)
                cell(out, f->value[SHOWN[i]]);
            sy_buf_adds(out, "</tr>\n");
        }
    }
    sy_buf_adds(out, "</table></div></details>\n");
}

int sy_report_html(const struct sy_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                     "<meta name=\"viewport\" content=\"width=device-width\">"
                     "<title>steelyard simulate</title><style>");
    sy_svg_style(out);
    sy_buf_adds(out, STYLE);
    sy_buf_adds(out, "</style></head><body><h1>steelyard simulate: ");
    sy_svg_escape(out, c->scenario.name);
    sy_buf_adds(out, "</h1><p>");
    sy_svg_escape(out, c->scenario.says);
    sy_buf_addf(out,
                ". %u nodes; the requests of what should run are %.0f %% of all cpu; %g h are "
                "counted after %g h of warm-up; measured load is %s; %u seed%s. Nodes, failures, "
                "arrivals and what each pod wants are the same for each policy.</p>",
                c->nodes, 100 * c->scenario.load, c->hours, c->warmup_hours,
                c->is_measured ? "given to the scheduler" : "not given to the scheduler",
                c->seeds_len, c->seeds_len == 1 ? "" : "s");
    sy_buf_adds(out, "<div class=\"plots\">\n");
    for (uint32_t plot = 0; plot < SY_PLOTS; plot++) {
        sy_buf_adds(out, "<div>");
        sy_plot_svg(c, plot, false, out);
        sy_buf_adds(out, "</div>");
    }
    sy_buf_adds(out, "</div>");
    if (c->policies_len > 1)
        pairs_table(c, out);
    sy_buf_adds(out, "<h2>All measures</h2>");
    measures_table(c, out);
    runs_table(c, out);
    sy_buf_adds(out, "</body></html>\n");
    return out->failed;
}
