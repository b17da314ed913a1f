/* SPDX-License-Identifier: Apache-2.0
 *
 * A small writer of SVG: shapes and text in one buffer, colours by class for light and dark. Errors
 * stick in the buffer (sy_buf). Coordinates are pixels. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SY_SVG_COLOURS = 8
}; /* series classes s0 to s7: fill where a shape is filled, else stroke */

/* The rules for all classes, as CSS: text, muted text ("muted"), grid lines ("grid") and series. */
void sy_svg_style(struct sy_buf *out);

/* is_alone: a file of its own, that carries its style. title: for those who can not see it. */
void sy_svg_begin(struct sy_buf *out, double width, double height, const char *title,
                  bool is_alone);
void sy_svg_end(struct sy_buf *out);

/* anchor: "start", "middle" or "end". class: "" for plain text. */
void sy_svg_text(struct sy_buf *out, double x, double y, const char *anchor, const char *class,
                 const char *text);
/* Shapes: a line of a class, a filled bar and a dot. colour: 0..SY_SVG_COLOURS - 1, of a series. */
void sy_svg_line(struct sy_buf *out, double x1, double y1, double x2, double y2, const char *class);
void sy_svg_rect(struct sy_buf *out, double x, double y, double width, double height,
                 uint32_t colour);
void sy_svg_dot(struct sy_buf *out, double x, double y);
/* A line through len points. */
void sy_svg_path(struct sy_buf *out, const double *x, const double *y, uint32_t len,
                 uint32_t colour);

/* Appends text with &, <, >, " and ' escaped. */
void sy_svg_escape(struct sy_buf *out, const char *text);
