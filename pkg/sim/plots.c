/* SPDX-License-Identifier: Apache-2.0
 *
 * The plots of report.h. */
#include <math.h>
#include <stdio.h>

#include "base/vec.h"
#include "sim/report.h"
#include "sim/svg.h"

enum { WIDTH = 720, BAR_HEIGHT = 18, ROW_HEIGHT = 34, HEAD_HEIGHT = 56, FOOT_HEIGHT = 34 };
enum { BAR_LEFT = 190, BAR_RIGHT = WIDTH - 90 };
enum { LINE_HEIGHT = 360, LINE_LEFT = 60, LINE_RIGHT = WIDTH - 20, LINE_BOTTOM = LINE_HEIGHT - 44 };

const char *sy_plot_name(enum sy_plot plot)
{
    static const char *const NAMES[SY_PLOTS] = {
        [SY_PLOT_OVERLOAD] = "overload",
        [SY_PLOT_WAIT_P99] = "wait-p99",
        [SY_PLOT_SPREAD] = "spread",
        [SY_PLOT_WAITING] = "waiting",
        [SY_PLOT_OVERLOADED] = "overloaded-nodes",
    };

    return NAMES[plot];
}

/* A round step that cuts `most` into about five. */
static double step_for(double most)
{
    double step = pow(10, floor(log10(most / 5)));
    double parts = most / 5 / step;

    return step * (parts <= 1 ? 1 : parts <= 2 ? 2 : parts <= 5 ? 5 : 10);
}

static void put_number(struct sy_buf *out, double x, double y, const char *anchor,
                       const char *class, double v, const char *unit)
{
    char text[64];

    if (v < 100)
        snprintf(text, sizeof(text), "%.3g%s%s", v, *unit ? " " : "", unit);
    else
        snprintf(text, sizeof(text), "%.0f%s%s", v, *unit ? " " : "", unit);
    sy_svg_text(out, x, y, anchor, class, text);
}

/* -- bars -- */

static void bars(const struct sy_comparison *c, enum sy_measure measure, bool is_alone,
                 struct sy_buf *out)
{
    const struct sy_measure_info *info = &sy_measure_infos[measure];
    double bottom = HEAD_HEIGHT + (double)ROW_HEIGHT * c->policies_len;
    double most = 0;

    for (uint32_t p = 0; p < c->policies_len; p++)
        most = fmax(most, sy_compare_one(c, p, measure).most);
    if (!(most > 0))
        most = 1;
    double step = step_for(most);
    most = ceil(most / step) * step;
    double scale = (BAR_RIGHT - BAR_LEFT) / most;

    sy_svg_begin(out, WIDTH, bottom + FOOT_HEIGHT, info->title, is_alone);
    sy_svg_text(out, 12, 24, "start", "head", info->title);
    sy_svg_text(out, 12, 44, "start", "muted", info->says);
    sy_svg_text(out, WIDTH - 12, 44, "end", "muted", "mean");
    for (int i = 0; i * step <= most * 1.001; i++) {
        double v = i * step;
        sy_svg_line(out, BAR_LEFT + v * scale, HEAD_HEIGHT, BAR_LEFT + v * scale, bottom, "grid");
        put_number(out, BAR_LEFT + v * scale, bottom + 18, "middle", "muted", v,
                   v > most - step / 2 ? info->unit : "");
    }
    for (uint32_t p = 0; p < c->policies_len; p++) {
        double y = HEAD_HEIGHT + (double)ROW_HEIGHT * p + (ROW_HEIGHT - BAR_HEIGHT) / 2.0;
        struct sy_summary s = sy_compare_one(c, p, measure);
        sy_svg_text(out, BAR_LEFT - 10, y + 13, "end", "", c->policies[p]);
        sy_svg_rect(out, BAR_LEFT, y, fmax(1, s.mean * scale), BAR_HEIGHT, p);
        for (uint32_t i = 0; c->seeds_len > 1 && i < c->seeds_len; i++) {
            double v = sy_compare_figures(c, p, i)->value[measure];
            /* Side by side as far as the bar is high, so that equal ones show. */
            sy_svg_dot(out, BAR_LEFT + v * scale,
                       y + 3 + (BAR_HEIGHT - 6.0) * i / (c->seeds_len - 1));
        }
        put_number(out, WIDTH - 12, y + 13, "end", "", s.mean, "");
    }
    sy_svg_end(out);
}

/* -- lines -- */

static void legend(const struct sy_comparison *c, double y, struct sy_buf *out)
{
    double x = LINE_LEFT;

    for (uint32_t p = 0; p < c->policies_len; p++) {
        double width = 26 + 7.2 * (double)sy_str_from(c->policies[p]).len;
        if (x + width > LINE_RIGHT) {
            x = LINE_LEFT;
            y += 18;
        }
        sy_svg_rect(out, x, y - 9, 14, 4, p);
        sy_svg_text(out, x + 19, y, "start", "muted", c->policies[p]);
        x += width;
    }
}

static void frame(const struct sy_comparison *c, const char *title, const char *says, bool is_alone,
                  struct sy_buf *out)
{
    sy_svg_begin(out, WIDTH, LINE_HEIGHT, title, is_alone);
    sy_svg_text(out, 12, 24, "start", "head", title);
    sy_svg_text(out, 12, 44, "start", "muted", says);
    legend(c, 64, out);
}

enum { LINE_TOP = 98 }; /* two rows of legend; more names run into the plot */

static double mean_quantile(const struct sy_comparison *c, uint32_t policy, uint32_t i)
{
    double sum = 0;

    for (uint32_t seed = 0; seed < c->seeds_len; seed++)
        sum += sy_compare_figures(c, policy, seed)->wait_quantile_s[i];
    return sum / c->seeds_len;
}

/* Over the share of pods that wait longer, from half to one in 200, both on log scales: the tail is
 * what matters. */
static void waiting(const struct sy_comparison *c, bool is_alone, struct sy_buf *out)
{
    static const double SHARES[] = {0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005};
    double least = INFINITY, most = 0.1;
    double x[SY_QUANTILES], y[SY_QUANTILES];

    for (uint32_t p = 0; p < c->policies_len; p++) {
        least = fmin(least, mean_quantile(c, p, SY_QUANTILES / 2));
        most = fmax(most, mean_quantile(c, p, SY_QUANTILES - 2));
    }
    least = fmax(least, most / 10000);
    double low = log10(least) - 0.05, high = log10(most) + 0.05;
    double x_scale = (LINE_RIGHT - LINE_LEFT) / (log10(0.5) - log10(0.005));

    frame(c, "Waiting",
          "Seconds from arrival until a pod runs, over the share of pods that wait "
          "longer. Log scales; means over the seeds.",
          is_alone, out);
    for (size_t i = 0; i < SY_ARRAY_LEN(SHARES); i++) {
        double at = LINE_LEFT + (log10(0.5) - log10(SHARES[i])) * x_scale;
        sy_svg_line(out, at, LINE_TOP, at, LINE_BOTTOM, "grid");
        put_number(out, at, LINE_BOTTOM + 18, "middle", "muted", 100 * SHARES[i], "%");
    }
    for (int decade = (int)floor(low); decade <= (int)ceil(high); decade++) {
        for (int n = 1; n <= 5; n += n == 1 ? 1 : 3) {
            double v = n * pow(10, decade);
            double at = LINE_BOTTOM - (log10(v) - low) / (high - low) * (LINE_BOTTOM - LINE_TOP);
            if (at > LINE_BOTTOM || at < LINE_TOP)
                continue;
            sy_svg_line(out, LINE_LEFT, at, LINE_RIGHT, at, "grid");
            put_number(out, LINE_LEFT - 8, at + 4, "end", "muted", v, "s");
        }
    }
    for (uint32_t p = c->policies_len; p--;) {
        uint32_t len = 0;
        for (uint32_t i = SY_QUANTILES / 2; i < SY_QUANTILES - 1; i++) {
            double longer = 1 - (double)i / (SY_QUANTILES - 1);
            x[len] = LINE_LEFT + (log10(0.5) - log10(longer)) * x_scale;
            double v = fmax(mean_quantile(c, p, i), least);
            y[len++] = LINE_BOTTOM - (log10(v) - low) / (high - low) * (LINE_BOTTOM - LINE_TOP);
        }
        sy_svg_path(out, x, y, len, p);
    }
    sy_svg_end(out);
}

static double mean_overloaded(const struct sy_comparison *c, uint32_t policy, size_t at)
{
    double sum = 0;

    for (uint32_t seed = 0; seed < c->seeds_len; seed++) {
        const struct sy_figures *f = sy_compare_figures(c, policy, seed);
        sum += at < f->overloaded.len ? (double)f->overloaded.p[at] : 0;
    }
    return 100 * sum / c->seeds_len;
}

static void overloaded(const struct sy_comparison *c, bool is_alone, struct sy_buf *out)
{
    size_t len = sy_compare_figures(c, 0, 0)->overloaded.len;
    double hours = c->hours + c->warmup_hours, most = 1;
    SY_VEC(double) x = {0}, y = {0};

    for (uint32_t p = 0; p < c->policies_len; p++) {
        for (size_t i = 0; i < len; i++)
            most = fmax(most, mean_overloaded(c, p, i));
    }
    double step = step_for(most), hour_step = fmax(1, step_for(hours));
    most = ceil(most / step) * step;

    frame(c, "Overloaded nodes",
          "Share of the nodes, over the hours; left of the line is the warm-up. Means over the "
          "seeds.",
          is_alone, out);
    for (int i = 0; i * step <= most * 1.001; i++) {
        double v = i * step;
        double at = LINE_BOTTOM - v / most * (LINE_BOTTOM - LINE_TOP);
        sy_svg_line(out, LINE_LEFT, at, LINE_RIGHT, at, "grid");
        put_number(out, LINE_LEFT - 8, at + 4, "end", "muted", v, "%");
    }
    for (int i = 0; i * hour_step <= hours; i++) {
        double h = i * hour_step;
        put_number(out, LINE_LEFT + h / hours * (LINE_RIGHT - LINE_LEFT), LINE_BOTTOM + 18,
                   "middle", "muted", h, "h");
    }
    double from = LINE_LEFT + c->warmup_hours / hours * (LINE_RIGHT - LINE_LEFT);
    sy_svg_line(out, from, LINE_TOP, from, LINE_BOTTOM, "grid");
    for (uint32_t p = c->policies_len; p--;) {
        x.len = y.len = 0;
        for (size_t i = 0; i < len; i++) {
            sy_vec_push(&x, LINE_LEFT + ((double)i + 0.5) / (double)len * (LINE_RIGHT - LINE_LEFT));
            sy_vec_push(&y,
                        LINE_BOTTOM - mean_overloaded(c, p, i) / most * (LINE_BOTTOM - LINE_TOP));
        }
        sy_svg_path(out, x.p, y.p, (uint32_t)len, p);
    }
    sy_vec_done(&x);
    sy_vec_done(&y);
    sy_svg_end(out);
}

int sy_plot_svg(const struct sy_comparison *c, enum sy_plot plot, bool is_alone, struct sy_buf *out)
{
    switch (plot) {
    case SY_PLOT_OVERLOAD:
        bars(c, SY_MEASURE_OVERLOAD, is_alone, out);
        break;
    case SY_PLOT_WAIT_P99:
        bars(c, SY_MEASURE_WAIT_P99, is_alone, out);
        break;
    case SY_PLOT_SPREAD:
        bars(c, SY_MEASURE_SPREAD_SD, is_alone, out);
        break;
    case SY_PLOT_WAITING:
        waiting(c, is_alone, out);
        break;
    default:
        overloaded(c, is_alone, out);
    }
    return out->failed;
}
