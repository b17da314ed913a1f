/* SPDX-License-Identifier: Apache-2.0
 *
 * A comparison as plots, each a whole SVG, and as one HTML page that needs nothing else. */
#pragma once

#include "sim/compare.h"

enum sy_plot {
    SY_PLOT_OVERLOAD, /* bars: the mean, and a dot for each seed */
    SY_PLOT_WAIT_P99,
    SY_PLOT_SPREAD,
    SY_PLOT_WAITING,    /* lines: what part of the pods waits how long */
    SY_PLOT_OVERLOADED, /* lines: share of nodes overloaded, over time */
    SY_PLOTS,
};
/* "overload" and so on, for a file's name. */
const char *sy_plot_name(enum sy_plot plot);

/* Appends. is_alone: with its own style, as a file. Errors as sy_buf_add(). Cost: O(runs x what is
 * drawn of each). */
int sy_plot_svg(const struct sy_comparison *c, enum sy_plot plot, bool is_alone,
                struct sy_buf *out);
int sy_report_html(const struct sy_comparison *c, struct sy_buf *out);
