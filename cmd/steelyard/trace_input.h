/* SPDX-License-Identifier: Apache-2.0
 *
 * What `steelyard simulate --nodes --pods` plays, from tables (CSV) or from files of objects. */
#pragma once

#include "base/err.h"
#include "sim/openb.h"
#include "snapshot/snapshot.h"

/* Zero it first; free with cmd_trace_input_done(). */
struct cmd_trace_input {
    struct sy_openb list;
    bool pods_are_objects; /* so that the list says when they come */
    /* Private: what list's objects lie in. */
    struct sy_strings *strings;
    struct sy_snapshot objects;
};

/* Reads the files, which may be one and the same. Of a file of objects that is given for nodes
 * alone pods count that have a node there. errors: as sy_file_read(), sy_openb_read_nodes() and
 * sy_snapshot_read(); -EINVAL, with what to do. */
int cmd_trace_input_read(struct cmd_trace_input *in, const char *nodes_file, const char *pods_file,
                         struct sy_err *err);
void cmd_trace_input_done(struct cmd_trace_input *in);
