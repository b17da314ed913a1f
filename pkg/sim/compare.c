/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/compare.h"

#include <math.h>
#include <stdio.h>

struct sy_summary sy_compare_one(const struct sy_comparison *c, uint32_t policy,
                                 enum sy_measure measure)
{
    struct sy_summary s = {.least = INFINITY, .most = -INFINITY};
    double squares = 0;

    for (uint32_t i = 0; i < c->seeds_len; i++) {
        double v = sy_compare_figures(c, policy, i)->value[measure];
        s.mean += v / c->seeds_len;
        s.least = fmin(s.least, v);
        s.most = fmax(s.most, v);
    }
    for (uint32_t i = 0; i < c->seeds_len; i++) {
        double d = sy_compare_figures(c, policy, i)->value[measure] - s.mean;
        squares += d * d;
    }
    s.sd = c->seeds_len > 1 ? sqrt(squares / (c->seeds_len - 1)) : 0;
    return s;
}

struct sy_pairing sy_compare_pair(const struct sy_comparison *c, uint32_t a, uint32_t b,
                                  enum sy_measure measure)
{
    int better = sy_measure_infos[measure].better;
    struct sy_pairing p = {0};
    double squares = 0, base = 0;

    for (uint32_t i = 0; i < c->seeds_len; i++) {
        double of_b = sy_compare_figures(c, b, i)->value[measure];
        double d = sy_compare_figures(c, a, i)->value[measure] - of_b;
        p.mean += d / c->seeds_len;
        base += of_b / c->seeds_len;
        p.wins += better && d * better > 0;
        p.losses += better && d * better < 0;
    }
    for (uint32_t i = 0; i < c->seeds_len; i++) {
        double d = sy_compare_figures(c, a, i)->value[measure] -
                   sy_compare_figures(c, b, i)->value[measure] - p.mean;
        squares += d * d;
    }
    p.sd = c->seeds_len > 1 ? sqrt(squares / (c->seeds_len - 1)) : 0;
    p.relative = base != 0 ? p.mean / base : 0;
    return p;
}

/* -- for people -- */

static const enum sy_measure SHOWN[] = {
    SY_MEASURE_OVERLOAD, SY_MEASURE_SLOWED,    SY_MEASURE_SPREAD_SD, SY_MEASURE_WAIT_MEAN,
    SY_MEASURE_WAIT_P50, SY_MEASURE_WAIT_P99,  SY_MEASURE_HITS,      SY_MEASURE_RECOVERY,
    SY_MEASURE_USE,      SY_MEASURE_REQUESTED, SY_MEASURE_COMPLETED,
};
enum { COLUMN_WIDTH = 13 };

static const char *short_title(enum sy_measure m)
{
    switch (m) {
    case SY_MEASURE_OVERLOAD:
        return "overload";
    case SY_MEASURE_SLOWED:
        return "slowed";
    case SY_MEASURE_SPREAD_SD:
        return "spread";
    case SY_MEASURE_WAIT_MEAN:
        return "wait mean";
    case SY_MEASURE_WAIT_P50:
        return "wait p50";
    case SY_MEASURE_WAIT_P99:
        return "wait p99";
    case SY_MEASURE_HITS:
        return "lost";
    case SY_MEASURE_RECOVERY:
        return "recovery";
    case SY_MEASURE_USE:
        return "cpu used";
    case SY_MEASURE_REQUESTED:
        return "cpu asked";
    default:
        return sy_measure_infos[m].unit;
    }
}

static void heads(const struct sy_comparison *c, struct sy_buf *out, int name_width)
{
    (void)c;
    sy_buf_addf(out, "%-*s", name_width, "policy");
    for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++)
        sy_buf_addf(out, "%*s", COLUMN_WIDTH, short_title(SHOWN[i]));
    sy_buf_addf(out, "\n%-*s", name_width, "");
    for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++)
        sy_buf_addf(out, "%*s", COLUMN_WIDTH, sy_measure_infos[SHOWN[i]].unit);
    sy_buf_addc(out, '\n');
}

static void number(struct sy_buf *out, double v)
{
    sy_buf_addf(out, "%*.*f", COLUMN_WIDTH, fabs(v) < 100 ? 2 : 0, v);
}

int sy_compare_table(const struct sy_comparison *c, struct sy_buf *out)
{
    int width = 8;

    for (uint32_t p = 0; p < c->policies_len; p++)
        width = (int)fmax(width, (double)sy_str_from(c->policies[p]).len + 4);
    sy_buf_addf(out,
                "%s: %s\n%u nodes, load %.2f, %g h after %g h, measured load %s, %u seed%s; "
                "means\n\n",
                c->scenario.name, c->scenario.says, c->nodes, c->scenario.load, c->hours,
                c->warmup_hours, c->is_measured ? "on" : "off", c->seeds_len,
                c->seeds_len == 1 ? "" : "s");
    heads(c, out, width);
    for (uint32_t p = 0; p < c->policies_len; p++) {
        sy_buf_addf(out, "%-*s", width, c->policies[p]);
        for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++)
            number(out, sy_compare_one(c, p, SHOWN[i]).mean);
        sy_buf_addc(out, '\n');
    }
    if (c->policies_len < 2)
        return out->failed;
    sy_buf_addf(out, "\n%s against each: change, and on how many of the seeds it is better\n\n",
                c->policies[0]);
    for (uint32_t p = 1; p < c->policies_len; p++) {
        sy_buf_addf(out, "%-*s", width, c->policies[p]);
        for (size_t i = 0; i < SY_ARRAY_LEN(SHOWN); i++) {
            struct sy_pairing pair = sy_compare_pair(c, 0, p, SHOWN[i]);
            char text[32];
            if (sy_measure_infos[SHOWN[i]].better)
                snprintf(text, sizeof(text), "%+.0f%% %u/%u", 100 * pair.relative, pair.wins,
                         c->seeds_len);
            else
                snprintf(text, sizeof(text), "%+.0f%%", 100 * pair.relative);
            sy_buf_addf(out, "%*s", COLUMN_WIDTH, text);
        }
        sy_buf_addc(out, '\n');
    }
    return out->failed;
}

/* -- for programs -- */

static void json_runs(const struct sy_comparison *c, uint32_t policy, struct sy_buf *out)
{
    for (uint32_t seed = 0; seed < c->seeds_len; seed++) {
        const struct sy_figures *f = sy_compare_figures(c, policy, seed);
        sy_buf_addf(out, "%s{\"seed\":%llu,\"pods\":%llu,\"binds\":%llu", seed ? "," : "",
                    (unsigned long long)c->seeds[seed], (unsigned long long)f->pods,
                    (unsigned long long)f->binds);
        for (uint32_t m = 0; m < SY_MEASURES; m++)
            sy_buf_addf(out, ",\"%s\":%.6g", sy_measure_infos[m].key, f->value[m]);
        sy_buf_addc(out, '}');
    }
}

static void json_policy(const struct sy_comparison *c, uint32_t policy, struct sy_buf *out)
{
    sy_buf_adds(out, "{\"policy\":");
    sy_buf_add_json(out, sy_str_from(c->policies[policy]));
    sy_buf_adds(out, ",\"mean\":{");
    for (uint32_t m = 0; m < SY_MEASURES; m++)
        sy_buf_addf(out, "%s\"%s\":%.6g", m ? "," : "", sy_measure_infos[m].key,
                    sy_compare_one(c, policy, m).mean);
    sy_buf_adds(out, "},\"sd\":{");
    for (uint32_t m = 0; m < SY_MEASURES; m++)
        sy_buf_addf(out, "%s\"%s\":%.6g", m ? "," : "", sy_measure_infos[m].key,
                    sy_compare_one(c, policy, m).sd);
    sy_buf_adds(out, "},\"first_less_this\":{");
    for (uint32_t m = 0; m < SY_MEASURES; m++) {
        struct sy_pairing p = sy_compare_pair(c, 0, policy, m);
        sy_buf_addf(out,
                    "%s\"%s\":{\"mean\":%.6g,\"sd\":%.6g,\"relative\":%.6g,\"wins\":%u,"
                    "\"losses\":%u}",
                    m ? "," : "", sy_measure_infos[m].key, p.mean, p.sd, p.relative, p.wins,
                    p.losses);
    }
    sy_buf_adds(out, "},\"runs\":[");
    json_runs(c, policy, out);
    sy_buf_adds(out, "]}");
}

int sy_compare_json(const struct sy_comparison *c, struct sy_buf *out)
{
    sy_buf_adds(out, "{\"scenario\":");
    sy_buf_add_json(out, sy_str_from(c->scenario.name));
    sy_buf_addf(out,
                ",\"load\":%g,\"nodes\":%u,\"hours\":%g,\"warmup_hours\":%g,\"measured\":%s,"
                "\"policies\":[",
                c->scenario.load, c->nodes, c->hours, c->warmup_hours,
                c->is_measured ? "true" : "false");
    for (uint32_t p = 0; p < c->policies_len; p++) {
        if (p)
            sy_buf_addc(out, ',');
        json_policy(c, p, out);
    }
    sy_buf_adds(out, "]}\n");
    return out->failed;
}
