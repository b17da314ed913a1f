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

static double gained(const struct sy_entries *e, const struct sy_entry *x)
{
    return e->ageing.points_per_ns * (double)(e->ageing.now - x->queued_ns);
}

static bool is_ripe(const struct sy_entries *e, const struct sy_entry *x)
{
    return e->ageing.most > 0 && gained(e, x) >= e->ageing.most;
}

double sy_entry_effective(const struct sy_entries *e, const struct sy_entry *entry)
{
    double points = is_ripe(e, entry) ? e->ageing.most : gained(e, entry);

    return entry->priority + (points > 0 ? points : 0);
}

/* Within one part: what all gain alike is left out, so that time changes nothing. */
static double key(const struct sy_entries *e, const struct sy_entry *x)
{
    return x->is_ripe ? x->priority : x->priority - e->ageing.points_per_ns * (double)x->queued_ns;
}

static bool before(const struct sy_heap *h, const struct sy_entries *e, uint32_t a, uint32_t b)
{
    const struct sy_entry *x = &e->all.p[a], *y = &e->all.p[b];

    if (h->by_time && x->until_ns != y->until_ns)
        return x->until_ns < y->until_ns;
    double x_key = key(e, x), y_key = key(e, y);
    if (x_key != y_key)
        return x_key > y_key;
    return x->order < y->order;
}

static void put(struct sy_heap_part *part, struct sy_entries *e, uint32_t place, uint32_t entry)
{
    part->at.p[place] = entry;
    e->all.p[entry].place = place;
}

static uint32_t sift_up(struct sy_heap *h, struct sy_heap_part *part, struct sy_entries *e,
                        uint32_t place)
{
    uint32_t entry = part->at.p[place];

    while (place) {
        uint32_t parent = (place - 1) / 2;
        if (!before(h, e, entry, part->at.p[parent]))
            break;
        put(part, e, place, part->at.p[parent]);
        place = parent;
    }
    put(part, e, place, entry);
    return place;
}

static void sift_down(struct sy_heap *h, struct sy_heap_part *part, struct sy_entries *e,
                      uint32_t place)
{
    uint32_t entry = part->at.p[place];

    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= part->at.len)
            break;
        if (child + 1 < part->at.len && before(h, e, part->at.p[child + 1], part->at.p[child]))
            child++;
        if (!before(h, e, part->at.p[child], entry))
            break;
        put(part, e, place, part->at.p[child]);
        place = child;
    }
    put(part, e, place, entry);
}

static void push(struct sy_heap *h, struct sy_entries *e, uint32_t entry, bool ripe)
{
    struct sy_heap_part *part = &h->parts[ripe];

    e->all.p[entry].is_ripe = ripe;
    sy_vec_push(&part->at, entry);
    sift_up(h, part, e, (uint32_t)part->at.len - 1);
}

void sy_heap_push(struct sy_heap *h, struct sy_entries *e, uint32_t entry)
{
    push(h, e, entry, !h->by_time && is_ripe(e, &e->all.p[entry]));
}

void sy_heap_remove(struct sy_heap *h, struct sy_entries *e, uint32_t entry)
{
    struct sy_heap_part *part = &h->parts[e->all.p[entry].is_ripe];
    uint32_t place = e->all.p[entry].place;
    uint32_t last = part->at.p[--part->at.len];

    if (last == entry)
        return;
    put(part, e, place, last);
    sift_down(h, part, e, sift_up(h, part, e, place));
}

static uint32_t top_of(const struct sy_heap_part *part)
{
    return part->at.len ? part->at.p[0] : SY_NO_ENTRY;
}

/* One that has ripened and was not moved yet stands too far to the front, never too far to the
 * back: so it is found when it matters. */
uint32_t sy_heap_top(struct sy_heap *h, struct sy_entries *e)
{
    uint32_t young, ripe;

    while ((young = top_of(&h->parts[0])) != SY_NO_ENTRY && !h->by_time &&
           is_ripe(e, &e->all.p[young])) {
        sy_heap_remove(h, e, young);
        push(h, e, young, true);
    }
    ripe = top_of(&h->parts[1]);
    if (young == SY_NO_ENTRY || ripe == SY_NO_ENTRY)
        return young == SY_NO_ENTRY ? ripe : young;
    const struct sy_entry *x = &e->all.p[young], *y = &e->all.p[ripe];
    double a = sy_entry_effective(e, x), b = sy_entry_effective(e, y);
    if (a != b)
        return a > b ? young : ripe;
    return x->order < y->order ? young : ripe;
}

void sy_heap_rebuild(struct sy_heap *h, struct sy_entries *e)
{
    struct sy_heap old = *h;

    *h = (struct sy_heap){.by_time = old.by_time};
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < old.parts[part].at.len; i++)
            sy_heap_push(h, e, old.parts[part].at.p[i]);
    }
    sy_heap_done(&old);
}

void sy_heap_done(struct sy_heap *h)
{
    sy_vec_done(&h->parts[0].at);
    sy_vec_done(&h->parts[1].at);
}
