/* SPDX-License-Identifier: Apache-2.0
 *
 * Interned strings: every label key and value, resource name, namespace and node name becomes a
 * 32-bit id at decode, so that selectors compare integers. Ids are dense from 1; 0 is "absent" and
 * never a string ("" has an id of its own). Ids stay valid for the life of the table, except those
 * that a sweep reclaims: between sy_strings_mark_begin() and sy_strings_sweep() the owner marks
 * every id that it still holds. One thread. */
#pragma once

#include "base/compiler.h"
#include "base/map.h"
#include "base/str.h"

#include <stdint.h>

typedef uint32_t sy_sid;

struct sy_strings;

/* hash_key: 2 words; random in the daemon, fixed in simulations. Free with sy_strings_free(). */
struct sy_strings *sy_strings_new(const uint64_t hash_key[2]);
void sy_strings_free(struct sy_strings *t);

/* The id of s, added when new. 0 only when s.len > SY_STRINGS_MAX_LEN or memory ended. */
enum { SY_STRINGS_MAX_LEN = 65536 };
sy_sid sy_strings_add(struct sy_strings *t, struct sy_str s);
sy_sid sy_strings_addz(struct sy_strings *t, const char *z);
/* The id of s, or 0 when it was never added. */
sy_sid sy_strings_find(const struct sy_strings *t, struct sy_str s);
/* Borrowed text, NUL-terminated; "" for 0 and for reclaimed ids. Valid until the id is reclaimed.
 */
struct sy_str sy_strings_get(const struct sy_strings *t, sy_sid id);
const char *sy_strings_getz(const struct sy_strings *t, sy_sid id);
/* Live strings and the bytes that they take. */
uint32_t sy_strings_len(const struct sy_strings *t);
size_t sy_strings_bytes(const struct sy_strings *t);
const uint64_t *sy_strings_hash_key(const struct sy_strings *t);

/* Mark and sweep. Sweep frees every id that was not marked since begin and returns how many. A
 * freed id is given out again after the next sweep only, so that one that was missed shows: as ""
 * and in sy_strings_stale(). */
void sy_strings_mark_begin(struct sy_strings *t);
void sy_strings_mark(struct sy_strings *t, sy_sid id);
uint32_t sy_strings_sweep(struct sy_strings *t);
/* How often an id was asked for or marked that has no string: each time an owner failed to mark
 * what it holds. */
uint64_t sy_strings_stale(const struct sy_strings *t);
