/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/svg.h"

/* Okabe and Ito's colours, told apart by those who see few; lighter ones on dark ground. */
static const char *const LIGHT[SY_SVG_COLOURS] = {"#0072b2", "#e69f00", "#d55e00", "#009e73",
                                                  "#cc79a7", "#56b4e9", "#8c7a00", "#7a7a7a"};
static const char *const DARK[SY_SVG_COLOURS] = {"#4aa8e8", "#f0b429", "#ff7f3f", "#2fc79a",
                                                 "#e3a0c6", "#8fd0f5", "#d6c84a", "#a8a8a8"};

static void colours(struct sy_buf *out, const char *const values[SY_SVG_COLOURS])
{
    for (int i = 0; i < SY_SVG_COLOURS; i++)
        sy_buf_addf(out, "--s%d:%s;", i, values[i]);
}

void sy_svg_style(struct sy_buf *out)
{
    sy_buf_adds(out, ":root{--ink:#1c1c1c;--muted:#5d6066;--grid:#dcdee2;--ground:#ffffff;");
    colours(out, LIGHT);
    sy_buf_adds(out, "}@media(prefers-color-scheme:dark){:root{--ink:#ececec;--muted:#a3a8b0;"
                     "--grid:#363a41;--ground:#15171a;");
    colours(out, DARK);
    sy_buf_adds(out,
                "}}svg text{font:13px system-ui,sans-serif;fill:var(--ink)}"
                "svg text.muted{fill:var(--muted);font-size:12px}"
                "svg text.head{font-weight:600;font-size:15px}"
                "svg .grid{stroke:var(--grid)}"
                "svg .dot{fill:var(--ink);fill-opacity:.45}svg path{fill:none;stroke-width:2}");
    for (int i = 0; i < SY_SVG_COLOURS; i++)
        sy_buf_addf(out, "svg rect.s%d{fill:var(--s%d)}svg path.s%d{stroke:var(--s%d)}", i, i, i,
                    i);
}

void sy_svg_escape(struct sy_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            sy_buf_adds(out, "&amp;");
            break;
        case '<':
            sy_buf_adds(out, "&lt;");
            break;
        case '>':
            sy_buf_adds(out, "&gt;");
            break;
        case '"':
            sy_buf_adds(out, "&quot;");
            break;
        case '\'':
            sy_buf_adds(out, "&#39;");
            break;
        default:
            sy_buf_addc(out, *text);
        }
    }
}

void sy_svg_begin(struct sy_buf *out, double width, double height, const char *title, bool is_alone)
{
    sy_buf_addf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" "
                "height=\"%g\" role=\"img\"><title>",
                width, height, width, height);
    sy_svg_escape(out, title);
    sy_buf_adds(out, "</title>");
    if (is_alone) {
        sy_buf_adds(out, "<style>");
        sy_svg_style(out);
        sy_buf_adds(out, "</style><rect width=\"100%\" height=\"100%\" rx=\"6\" "
                         "style=\"fill:var(--ground)\"/>");
    }
    sy_buf_addc(out, '\n');
}

void sy_svg_end(struct sy_buf *out)
{
    sy_buf_adds(out, "</svg>\n");
}

void sy_svg_text(struct sy_buf *out, double x, double y, const char *anchor, const char *class,
                 const char *text)
{
    sy_buf_addf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"", x, y, anchor);
    if (*class)
        sy_buf_addf(out, " class=\"%s\"", class);
    sy_buf_addc(out, '>');
    sy_svg_escape(out, text);
    sy_buf_adds(out, "</text>\n");
}

void sy_svg_line(struct sy_buf *out, double x1, double y1, double x2, double y2, const char *class)
{
    sy_buf_addf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1,
                y1, x2, y2, class);
}

void sy_svg_rect(struct sy_buf *out, double x, double y, double width, double height,
                 uint32_t colour)
{
    sy_buf_addf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" "
                "class=\"s%u\"/>\n",
                x, y, width, height, colour % SY_SVG_COLOURS);
}

void sy_svg_dot(struct sy_buf *out, double x, double y)
{
    sy_buf_addf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" class=\"dot\"/>\n", x, y);
}

void sy_svg_path(struct sy_buf *out, const double *x, const double *y, uint32_t len,
                 uint32_t colour)
{
    sy_buf_addf(out, "<path class=\"s%u\" d=\"", colour % SY_SVG_COLOURS);
    for (uint32_t i = 0; i < len; i++)
        sy_buf_addf(out, "%c%.1f %.1f", i ? 'L' : 'M', x[i], y[i]);
    sy_buf_adds(out, "\"/>\n");
}
