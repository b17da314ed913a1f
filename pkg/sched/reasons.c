/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/reasons.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static const size_t MESSAGE_MAX_BYTES = 32768;

void sy_reasons_add(struct sy_reason_counts *r, sy_sid reason, uint32_t nodes)
{
    for (size_t i = 0; i < r->counts.len; i++) {
        if (r->counts.p[i].reason == reason) {
            r->counts.p[i].nodes += nodes;
            return;
        }
    }
    sy_vec_push(&r->counts, (struct sy_reason_count){reason, nodes});
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *sy_reasons_text(const struct sy_reason_counts *r, const struct sy_cluster *c)
{
    size_t len = r->counts.len;
    char **lines = sy_xcalloc(len, sizeof(*lines));
    struct sy_buf b;

    for (size_t i = 0; i < len; i++)
        lines[i] = sy_xasprintf("%u %s", r->counts.p[i].nodes,
                                sy_strings_getz(c->strings, r->counts.p[i].reason));
    qsort(lines, len, sizeof(*lines), by_text);
    sy_buf_init(&b, MESSAGE_MAX_BYTES);
    sy_buf_addf(&b, "0/%u nodes are available:", c->nodes_alive);
    for (size_t i = 0; i < len; i++) {
        /* A hostile mix of resource names must not cost us the whole message. */
        if (b.len + strlen(lines[i]) + 8 < MESSAGE_MAX_BYTES)
            sy_buf_addf(&b, "%s %s", i ? "," : "", lines[i]);
        free(lines[i]);
    }
    sy_buf_addc(&b, '.');
    free(lines);
    char *text = sy_buf_take(&b);
    return text ? text : sy_xstrdup("no node is available");
}
