/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void sy_map_done(struct sy_map *m)
{
    free(m->slots);
    *m = (struct sy_map){0};
}

uint32_t sy_map_get(const struct sy_map *m, uint64_t hash, sy_map_eq *eq, const void *arg,
                    const void *key)
{
    if (!m->len)
        return SY_MAP_NONE;
    for (uint32_t i = (uint32_t)hash & m->mask; m->slots[i].value != SY_MAP_NONE;
         i = (i + 1) & m->mask) {
        if (m->slots[i].hash == hash && (!eq || eq(arg, key, m->slots[i].value)))
            return m->slots[i].value;
    }
    return SY_MAP_NONE;
}

static void place(struct sy_map *m, uint64_t hash, uint32_t value)
{
    uint32_t i = (uint32_t)hash & m->mask;

    while (m->slots[i].value != SY_MAP_NONE)
        i = (i + 1) & m->mask;
    m->slots[i] = (struct sy_map_slot){hash, value};
}

void sy_map_add(struct sy_map *m, uint64_t hash, uint32_t value)
{
    if (!m->slots || m->len >= (m->mask + 1) / 4 * 3) {
        struct sy_map old = *m;
        m->mask = old.slots ? old.mask * 2 + 1 : 15;
        size_t bytes = ((size_t)m->mask + 1) * sizeof(*m->slots);
        m->slots = memset(sy_xmalloc(bytes), 0xff, bytes); /* every value SY_MAP_NONE */
        for (size_t i = 0; old.slots && i <= old.mask; i++) {
            if (old.slots[i].value != SY_MAP_NONE)
                place(m, old.slots[i].hash, old.slots[i].value);
        }
        free(old.slots);
    }
    place(m, hash, value);
    m->len++;
}

static uint32_t find(const struct sy_map *m, uint64_t hash, uint32_t value)
{
    if (!m->len)
        return SY_MAP_NONE;
    for (uint32_t i = (uint32_t)hash & m->mask; m->slots[i].value != SY_MAP_NONE;
         i = (i + 1) & m->mask) {
        if (m->slots[i].hash == hash && m->slots[i].value == value)
            return i;
    }
    return SY_MAP_NONE;
}

bool sy_map_del(struct sy_map *m, uint64_t hash, uint32_t value)
{
    uint32_t hole = find(m, hash, value);

    if (hole == SY_MAP_NONE)
        return false;
    /* Backward shift: pull each follower into the hole unless it would pass its home slot. */
    for (uint32_t i = (hole + 1) & m->mask; m->slots[i].value != SY_MAP_NONE;
         i = (i + 1) & m->mask) {
        uint32_t home = (uint32_t)m->slots[i].hash & m->mask;
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct sy_map_slot){.value = SY_MAP_NONE};
    m->len--;
    return true;
}

bool sy_map_move(struct sy_map *m, uint64_t hash, uint32_t old_value, uint32_t new_value)
{
    uint32_t i = find(m, hash, old_value);

    if (i == SY_MAP_NONE)
        return false;
    m->slots[i].value = new_value;
    return true;
}
