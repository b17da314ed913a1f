/* SPDX-License-Identifier: Apache-2.0
 *
 * Open-addressing hash map from a 64-bit hash to a 32-bit value, with equality asked of the caller.
 * The keys themselves live in the caller's tables (by index), so a map costs 12-24 bytes an entry.
 */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SY_MAP_NONE UINT32_MAX

struct sy_map_slot {
    uint64_t hash;
    uint32_t value; /* SY_MAP_NONE marks an empty slot */
};

struct sy_map {
    struct sy_map_slot *slots;
    uint32_t mask; /* slots - 1, or 0 when nothing is allocated */
    uint32_t len;
};

/* Says whether the entry that `value` refers to has the key looked for. NULL stands for "the hash
 * is the key" (integer keys hashed by a bijection such as sy_hash_u64). */
typedef bool sy_map_eq(const void *arg, const void *key, uint32_t value);

void sy_map_done(struct sy_map *m);
/* The value, or SY_MAP_NONE. Expected O(1). */
uint32_t sy_map_get(const struct sy_map *m, uint64_t hash, sy_map_eq *eq, const void *arg,
                    const void *key);
/* Adds an entry; the caller has made sure that the key is absent. value != SY_MAP_NONE. */
void sy_map_add(struct sy_map *m, uint64_t hash, uint32_t value);
/* Removes the entry with this hash and value. Returns whether it was there. Never leaves
 * tombstones. */
bool sy_map_del(struct sy_map *m, uint64_t hash, uint32_t value);
/* Changes the value of an entry (when a table's element moved). Returns whether it was there. */
bool sy_map_move(struct sy_map *m, uint64_t hash, uint32_t old_value, uint32_t new_value);
