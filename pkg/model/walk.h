/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying, marking and printing the parts that pods and nodes share. Nothing here knows a pod or a
 * node. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "model/labels.h"
#include "model/resources.h"

/* -- copies into an arena --
 * All return NULL or an empty list once c->error is set, so that a caller may check once at its
 * end. Lengths stay as they are. */

struct sy_copier {
    struct sy_arena *arena;
    int error; /* 0, -ENOMEM or -E2BIG */
};

/* Zeroed room for count records, NULL when count is 0. */
void *sy_copy_room(struct sy_copier *c, size_t count, size_t size);
/* The records as they are, NULL when count is 0. */
void *sy_copy_array(struct sy_copier *c, const void *p, size_t count, size_t size);
struct sy_str sy_copy_str(struct sy_copier *c, struct sy_str s);
struct sy_labels sy_copy_labels(struct sy_copier *c, struct sy_labels labels);
struct sy_amounts sy_copy_amounts(struct sy_copier *c, struct sy_amounts amounts);
const struct sy_requirement *sy_copy_requirements(struct sy_copier *c,
                                                  const struct sy_requirement *reqs, uint32_t len);
struct sy_selector sy_copy_selector(struct sy_copier *c, const struct sy_selector *sel);
struct sy_node_term sy_copy_node_term(struct sy_copier *c, const struct sy_node_term *term);

/* -- marking for sy_strings_sweep() -- */

void sy_mark_sids(struct sy_strings *strings, const sy_sid *p, uint32_t len);
void sy_mark_labels(struct sy_strings *strings, struct sy_labels labels);
void sy_mark_amounts(struct sy_strings *strings, struct sy_amounts amounts);
void sy_mark_requirements(struct sy_strings *strings, const struct sy_requirement *reqs,
                          uint32_t len);
void sy_mark_node_term(struct sy_strings *strings, const struct sy_node_term *term);

/* -- printing --
 * Texts are JSON strings and "-" stands for an absent id. Lists that the model keeps by id come out
 * in the order of their texts, so that two string tables give the same lines. A failure is kept by
 * the buffer. */

struct sy_dump {
    const struct sy_strings *strings;
    struct sy_buf *out;
};

void sy_dump_id(struct sy_dump *d, sy_sid id);
/* "name=value\n" lines. */
void sy_dump_id_line(struct sy_dump *d, const char *name, sy_sid id);
void sy_dump_str_line(struct sy_dump *d, const char *name, struct sy_str s);
void sy_dump_number_line(struct sy_dump *d, const char *name, int64_t number);
void sy_dump_word_line(struct sy_dump *d, const char *name, const char *word);
void sy_dump_labels_line(struct sy_dump *d, const char *name, struct sy_labels labels);
void sy_dump_amounts_line(struct sy_dump *d, const char *name, struct sy_amounts amounts);
/* Values within a line. sorted: by text instead of as given. */
void sy_dump_sids(struct sy_dump *d, const sy_sid *p, uint32_t len, bool sorted);
void sy_dump_selector(struct sy_dump *d, const struct sy_selector *sel);
void sy_dump_node_term(struct sy_dump *d, const struct sy_node_term *term);
/* The word of a table, or "?" beyond its end. */
const char *sy_dump_word(const char *const *words, size_t len, unsigned value);
/* Indexes of len records that begin with an id, in the order of their texts. Owned by the caller,
 * free(); aborts when memory ends. */
uint32_t *sy_dump_order(const struct sy_strings *strings, const void *records, uint32_t len,
                        size_t size);
extern const char *const sy_condition_words[4]; /* by enum sy_condition */
extern const char *const sy_effect_words[4];    /* by enum sy_effect */
