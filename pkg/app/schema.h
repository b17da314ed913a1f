/* SPDX-License-Identifier: Apache-2.0
 *
 * A generic reader of configuration: tables say which keys there are, of what type, where they go
 * in a struct, what is allowed, what holds when they are absent and what they are for. From the
 * tables come strict parsing with all problems at once, defaults, overriding by flags, printing and
 * the answer to "what changed". Knows nothing of what the keys mean. */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "kube/yaml.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_PROBLEMS_MAX = 100 };

/* Lines for a person, in the order found; no newline in them. */
struct sy_problems {
    SY_VEC(char *) lines; /* owned */
    SY_VEC(char *) notes; /* owned: what is accepted and has no effect */
};
void sy_problems_add(struct sy_problems *p, const char *fmt, ...) SY_PRINTF(2, 3);
void sy_problems_note(struct sy_problems *p, const char *fmt, ...) SY_PRINTF(2, 3);
void sy_problems_done(struct sy_problems *p);

/* What a list option is stored as. */
struct sy_option_list {
    void *p; /* owned array: char * or the element struct */
    size_t len;
    bool is_set; /* given, even if empty */
};

enum sy_option_type {
    SY_OPTION_TEXT,     /* char *, owned; NULL when absent */
    SY_OPTION_BOOL,     /* bool */
    SY_OPTION_INT,      /* int64_t in [least, most] */
    SY_OPTION_PORT,     /* int64_t; "off" is -1 */
    SY_OPTION_REAL,     /* double in [least, most] */
    SY_OPTION_DURATION, /* int64_t, ns, in [least, most] */
    SY_OPTION_SECONDS,  /* int64_t, ns, given as whole seconds in [least, most] */
    SY_OPTION_CHOICE,   /* int64_t, index in `choices` */
    SY_OPTION_TEXTS,    /* struct sy_option_list of char *; no repeats */
    SY_OPTION_MAP,      /* `fields`, offsets from base + offset */
    SY_OPTION_MAP_BY,   /* the same, `fields_of` says which fields once the others are read */
    SY_OPTION_MAPS,     /* struct sy_option_list of structs of element_size with `fields` */
    SY_OPTION_REFUSED,  /* nothing: a known key that is not supported; `help` says why */
};

/* A map that was read, for checks over more than one of its values. */
struct sy_schema_at {
    const struct sy_yaml_doc *doc;
    const struct sy_yaml *node;
    const char *path;
    struct sy_problems *problems;
};
/* Adds "FILE:LINE: path.key: what", on the key's line where it was given. key: may be deeper, as
 * "a.b[2].c"; "" for the map itself. */
void sy_schema_problem(const struct sy_schema_at *at, const char *key, const char *fmt, ...)
    SY_PRINTF(3, 4);

struct sy_option {
    const char *key; /* NULL ends a table */
    enum sy_option_type type;
    bool is_live;        /* a reload takes a change over; else a restart is needed */
    bool is_required;    /* the key must be there */
    bool is_terse;       /* printed only when it differs from the default */
    bool takes_numbers;  /* TEXT: a number needs no quotes */
    size_t offset;       /* from the base of the enclosing struct */
    const char *initial; /* default as text; NULL: absent, 0, false, empty */
    int64_t least, most;
    const char *range;          /* how to say that a number is out of range; NULL: in our words */
    const char *no_effect;      /* noted when given: why it changes nothing */
    const char *const *choices; /* NULL-terminated */
    const struct sy_option *fields;
    const struct sy_option *(*fields_of)(const void *base); /* MAP_BY; NULL: anything goes */
    size_t element_size;
    size_t elements_max;    /* MAPS and TEXTS */
    const char *unique_key; /* MAPS: a TEXT field that no two elements share */
    /* TEXT, TEXTS: NULL when the text will do, else what is wrong and what to do. `room` is for
     * texts that are put together. */
    const char *(*check)(const char *text, char *room, size_t room_size);
    /* MAP, MAP_BY and elements of MAPS: adds what is wrong with the whole. */
    void (*check_map)(const void *base, const struct sy_schema_at *at);
    const char *help; /* one line */
};

/* Sets all options of a zeroed struct to their defaults. The tables' own defaults must be right:
 * aborts else. */
void sy_schema_defaults(const struct sy_option *table, void *base);
void sy_schema_done(const struct sy_option *table, void *base);

/* Reads a tree over what `base` holds; null values leave it. All problems go to `problems`, as
 * "FILE:LINE: key.path: what is wrong; what to do". Cost: O(nodes x keys). */
void sy_schema_read(const struct sy_option *table, void *base, const struct sy_yaml_doc *doc,
                    const struct sy_yaml *node, struct sy_problems *problems);

/* Sets one scalar option ("server.port"), or one more element of a TEXTS option. origin names the
 * text's source in a problem, e.g. "--port". */
void sy_schema_set(const struct sy_option *table, void *base, const char *path, const char *text,
                   const char *origin, struct sy_problems *problems);

/* Writes `base` as YAML with each key's help as a comment. Errors as sy_buf_add(). */
int sy_schema_print(const struct sy_option *table, const void *base, struct sy_buf *out);

/* Appends ", "-separated paths of options that differ between a and b and are not live. */
int sy_schema_changed_not_live(const struct sy_option *table, const void *a, const void *b,
                               struct sy_buf *out);
