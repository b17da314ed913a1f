/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/queue.h"

uint32_t sy_entry_new(struct sy_entries *e)
{
    uint32_t i;

    if (e->free.len) {
        i = e->free.p[--e->free.len];
    } else {
        i = (uint32_t)e->all.len;
        sy_vec_push(&e->all, (struct sy_entry){0});
    }
    e->all.p[i] = (struct sy_entry){.pod = SY_NO_ENTRY,
                                    .order = e->next_order++,
                                    .older = SY_NO_ENTRY,
                                    .newer = SY_NO_ENTRY,
                                    .nominated = SY_NO_ENTRY};
    return i;
}

void sy_entry_free(struct sy_entries *e, uint32_t i)
{
    e->all.p[i] = (struct sy_entry){.pod = SY_NO_ENTRY};
    sy_vec_push(&e->free, i);
}

static bool before(const struct sy_heap *h, const struct sy_entries *e, uint32_t a, uint32_t b)
{
    const struct sy_entry *x = &e->all.p[a], *y = &e->all.p[b];

    if (h->by_time && x->until_ns != y->until_ns)
        return x->until_ns < y->until_ns;
    if (x->priority != y->priority)
        return x->priority > y->priority;
    return x->order < y->order;
}

static void put(struct sy_heap *h, struct sy_entries *e, uint32_t place, uint32_t entry)
{
    h->at.p[place] = entry;
    e->all.p[entry].place = place;
}

static uint32_t sift_up(struct sy_heap *h, struct sy_entries *e, uint32_t place)
{
    uint32_t entry = h->at.p[place];

    while (place) {
        uint32_t parent = (place - 1) / 2;
        if (!before(h, e, entry, h->at.p[parent]))
            break;
        put(h, e, place, h->at.p[parent]);
        place = parent;
    }
    put(h, e, place, entry);
    return place;
}

static void sift_down(struct sy_heap *h, struct sy_entries *e, uint32_t place)
{
    uint32_t entry = h->at.p[place];

    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= h->at.len)
            break;
        if (child + 1 < h->at.len && before(h, e, h->at.p[child + 1], h->at.p[child]))
            child++;
        if (!before(h, e, h->at.p[child], entry))
            break;
        put(h, e, place, h->at.p[child]);
        place = child;
    }
    put(h, e, place, entry);
}

void sy_heap_push(struct sy_heap *h, struct sy_entries *e, uint32_t entry)
{
    sy_vec_push(&h->at, entry);
    sift_up(h, e, (uint32_t)h->at.len - 1);
}

void sy_heap_remove(struct sy_heap *h, struct sy_entries *e, uint32_t entry)
{
    uint32_t place = e->all.p[entry].place;
    uint32_t last = h->at.p[--h->at.len];

    if (last == entry)
        return;
    put(h, e, place, last);
    sift_down(h, e, sift_up(h, e, place));
}
