/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/turns.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cluster/cluster.h"

void sy_turn_take(struct sy_cluster *c, enum sy_turn turn, uint32_t node, double cost, double slack)
{
    struct sy_turns *t = &c->turns[turn];

    if (!t->pass)
        t->pass = sy_xcalloc(c->nodes_room, sizeof(*t->pass));
    double start = t->pass[node] > t->now - slack ? t->pass[node] : t->now - slack;
    if (start > t->now)
        t->now = start;
    t->pass[node] = start + cost;
}

void sy_turns_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room)
{
    for (int i = 0; i < SY_TURNS; i++) {
        struct sy_turns *t = &c->turns[i];
        if (!t->pass)
            continue;
        t->pass = sy_xreallocarray(t->pass, room, sizeof(*t->pass));
        for (uint32_t node = old_room; node < room; node++)
            t->pass[node] = 0;
    }
}

void sy_turns_forget(struct sy_cluster *c, uint32_t node)
{
    for (int i = 0; i < SY_TURNS; i++) {
        if (c->turns[i].pass)
            c->turns[i].pass[node] = c->turns[i].now;
    }
}

void sy_turns_done(struct sy_cluster *c)
{
    for (int i = 0; i < SY_TURNS; i++) {
        free(c->turns[i].pass);
        c->turns[i] = (struct sy_turns){0};
    }
}
