/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML (and so JSON) text to a small tree with line numbers, for kubeconfigs and our own
 * configuration. What we read is written by people, so strictness helps them: duplicate keys,
 * aliases, merge keys, tags other than !!str and a second document are errors, and every error
 * names file:line. Any bytes are safe: at most 1 MiB, 64 levels. Reading fields into structs
 * belongs to the callers. No thread state; a tree is read-only after parsing. */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SY_YAML_MAX_BYTES = 1024 * 1024,
    SY_YAML_MAX_DEPTH = 64,
};

enum sy_yaml_kind { SY_YAML_SCALAR, SY_YAML_LIST, SY_YAML_MAP };

struct sy_yaml {
    enum sy_yaml_kind kind;
    uint32_t line;              /* of its first character, from 1 */
    bool is_quoted;             /* scalar: quoted, block or !!str, so a string whatever it says */
    struct sy_str key;          /* when it is a value in a map; NUL-terminated */
    uint32_t key_line;          /* ditto */
    struct sy_str text;         /* scalar: NUL-terminated, may hold NULs; else empty */
    uint32_t len;               /* list, map: number of children */
    const struct sy_yaml *at;   /* list, map: first child, in the file's order */
    const struct sy_yaml *next; /* the next sibling or NULL */
};

struct sy_yaml_doc;

/* Parses text. file: for messages, copied. An empty document gives a null scalar as root.
 * out: *ret, to be freed with sy_yaml_free(); every node and string lives as long as it.
 * Errors: -EINVAL (syntax and the rules above), -E2BIG (size, depth), -ENOMEM. Cost: O(n log n). */
int sy_yaml_parse(const char *text, size_t len, const char *file, struct sy_yaml_doc **ret,
                  struct sy_err *err) SY_NODISCARD;
/* The same for a text that begins in that line of the file, from 1. */
int sy_yaml_parse_at(const char *text, size_t len, const char *file, uint32_t line,
                     struct sy_yaml_doc **ret, struct sy_err *err) SY_NODISCARD;
/* The same from a file; also -ENOENT, -EACCES, -EISDIR and the like. */
int sy_yaml_load(const char *path, struct sy_yaml_doc **ret, struct sy_err *err) SY_NODISCARD;
void sy_yaml_free(struct sy_yaml_doc *d);   /* NULL allowed */
void sy_yaml_freep(struct sy_yaml_doc **d); /* for SY_CLEANUP */

const struct sy_yaml *sy_yaml_root(const struct sy_yaml_doc *d);
const char *sy_yaml_file(const struct sy_yaml_doc *d);

#define SY_YAML_FOREACH(child, node)                                                               \
    for (const struct sy_yaml *child = (node) ? (node)->at : NULL; child; child = child->next)

/* Whether the node is absent (NULL) or a plain null: "", "~", "null". */
bool sy_yaml_is_null(const struct sy_yaml *node);
/* The value of `key`, or NULL when map is NULL or no map, or the key is absent or null. O(len). */
const struct sy_yaml *sy_yaml_find(const struct sy_yaml *map, const char *key);

/* "file:line: message" into *err, line 0 when node is NULL. Returns code. */
int sy_yaml_error(const struct sy_yaml_doc *d, const struct sy_yaml *node, struct sy_err *err,
                  int code, const char *fmt, ...) SY_PRINTF(5, 6);

/* Typed fields of a map. Absent or null leaves *ret as it was and returns 0, so that *ret may hold
 * the default. -EINVAL names file, line, key and what was expected. Strings are borrowed from the
 * tree, are NUL-terminated and hold no NUL; a plain scalar is taken as text whatever it looks like
 * (a token of digits stays a token). Booleans: true, false. Integers: decimal. */
int sy_yaml_get_str(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    const char **ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_get_bool(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                     bool *ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_get_i64(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    int64_t *ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_get_f64(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                    double *ret, struct sy_err *err) SY_NODISCARD;
/* A child that must be of that kind. *ret is NULL when it is absent or null. */
int sy_yaml_get_node(const struct sy_yaml_doc *d, const struct sy_yaml *map, const char *key,
                     enum sy_yaml_kind kind, const struct sy_yaml **ret,
                     struct sy_err *err) SY_NODISCARD;

/* The same for a node itself, e.g. a list's items. what: names it in the message. */
int sy_yaml_as_str(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   const char **ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_as_bool(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                    bool *ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_as_i64(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   int64_t *ret, struct sy_err *err) SY_NODISCARD;
int sy_yaml_as_f64(const struct sy_yaml_doc *d, const struct sy_yaml *node, const char *what,
                   double *ret, struct sy_err *err) SY_NODISCARD;

/* -EINVAL for the first key of map that is not in `known` (NULL-terminated), with the line and the
 * nearest known key as a suggestion. 0 when map is NULL. */
int sy_yaml_check_keys(const struct sy_yaml_doc *d, const struct sy_yaml *map,
                       const char *const *known, struct sy_err *err) SY_NODISCARD;
