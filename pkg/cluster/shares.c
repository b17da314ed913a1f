/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/cluster.h"

static bool is_gpu(const struct sy_cluster *c, uint32_t r)
{
    return sy_resource_is_gpu(&c->names, c->shares.resources[r].name);
}

static bool is_counted_in_milli(const struct sy_cluster *c, uint32_t r)
{
    return is_gpu(c, r) || c->shares.resources[r].name == c->names.cpu;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t above(int64_t a, int64_t b)
{
    return a > b ? a - b : 0;
}

/* Sums may be of any number of pods: they wrap rather than saturate, so that what is added can be
 * taken away again. */
static void move(struct sy_queue_amounts *sum, const struct sy_queue_amounts *a, uint32_t len,
                 int sign)
{
    for (uint32_t r = 0; r < len; r++) {
        uint64_t old = (uint64_t)sum->of[r], by = (uint64_t)a->of[r];
        sum->of[r] = (int64_t)(sign > 0 ? old + by : old - by);
    }
}

void sy_shares_add(struct sy_queue_amounts *sum, const struct sy_queue_amounts *more)
{
    for (uint32_t r = 0; r < SY_QUEUE_RESOURCES_MAX; r++)
        sum->of[r] = sy_add_saturate(sum->of[r], more->of[r]);
}

/* -- what pods count with -- */

static bool asks_for_units(const struct sy_cluster *c, const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < c->names.gpus_len; i++) {
        if (sy_amounts_get(spec->requests.requests, c->names.gpus[i]) > 0)
            return true;
    }
    return false;
}

/* A part that a pod asks for by other means than a number of GPUs is of an nvidia.com/gpu. */
static int64_t gpu_milli(const struct sy_cluster *c, const struct sy_pod_spec *spec,
                         sy_sid resource, int64_t units)
{
    const struct sy_gpu_request *g = &spec->gpu;
    uint16_t each = g->milli > g->memory_milli ? g->milli : g->memory_milli;

    if (!units && (!g->count || resource != c->names.nvidia_gpu || asks_for_units(c, spec)))
        return 0;
    return g->count ? (int64_t)g->count * each : units * SY_GPU_WHOLE_MILLI;
}

void sy_shares_amounts(const struct sy_cluster *c, const struct sy_pod_spec *spec,
                       struct sy_queue_amounts *ret)
{
    const struct sy_shares *s = &c->shares;

    *ret = (struct sy_queue_amounts){0};
    for (uint32_t r = 0; r < s->resources_len; r++) {
        int64_t amount = sy_amounts_get(spec->requests.requests, s->resources[r].name);
        amount = least(amount < 0 ? 0 : amount, SY_CHARGE_MAX / SY_GPU_WHOLE_MILLI);
        if (s->resources[r].name == c->names.pods)
            amount = 1;
        ret->of[r] = is_gpu(c, r) ? gpu_milli(c, spec, s->resources[r].name, amount) : amount;
    }
}

static bool has_labels(const struct sy_queue *q, struct sy_labels labels)
{
    for (uint32_t i = 0; i < q->labels_len; i++) {
        sy_sid value = sy_labels_get(labels, q->keys[i]);
        if (!value || (q->values[i] && value != q->values[i]))
            return false;
    }
    return true;
}

static bool has_namespace(const struct sy_queue *q, sy_sid ns)
{
    for (size_t i = 0; i < q->namespaces.len; i++) {
        if (q->namespaces.p[i] == ns)
            return true;
    }
    return !q->namespaces.len;
}

uint16_t sy_shares_find(const struct sy_cluster *c, sy_sid ns, struct sy_labels labels)
{
    const struct sy_shares *s = &c->shares;

    if (!s->is_on)
        return SY_NO_QUEUE;
    for (uint16_t i = 0; i < s->all.len; i++) {
        const struct sy_queue *q = &s->all.p[i];
        if ((q->namespaces.len || q->labels_len) && has_namespace(q, ns) && has_labels(q, labels))
            return i;
    }
    return s->other;
}

/* -- sums -- */

static double dominant(const struct sy_shares *s, const struct sy_queue *q)
{
    double most = 0;

    for (uint32_t r = 0; r < s->resources_len; r++) {
        if (!s->resources[r].total)
            continue;
        double part = (double)q->used.of[r] / (double)s->resources[r].total;
        most = part > most ? part : most;
    }
    return most;
}

static void count_totals(struct sy_cluster *c)
{
    struct sy_shares *s = &c->shares;

    if (!s->totals_are_stale)
        return;
    s->totals_are_stale = false;
    for (uint32_t r = 0; r < s->resources_len; r++) {
        uint32_t column = sy_cluster_column(c, s->resources[r].name);
        int64_t total = 0;
        for (uint32_t n = 0; column != SY_NONE && n < c->nodes_len; n++)
            total = sy_add_saturate(total, least(c->columns[column].allocatable[n], SY_CHARGE_MAX) *
                                               (is_gpu(c, r) ? SY_GPU_WHOLE_MILLI : 1));
        s->resources[r].total = total;
    }
    for (size_t i = 0; i < s->all.len; i++)
        s->all.p[i].share = dominant(s, &s->all.p[i]);
}

static void charge_spec(struct sy_cluster *c, uint16_t queue, const struct sy_pod_spec *spec,
                        int sign)
{
    struct sy_shares *s = &c->shares;
    struct sy_queue_amounts a;

    sy_shares_amounts(c, spec, &a);
    for (uint16_t i = queue; i != SY_NO_QUEUE; i = s->all.p[i].parent) {
        struct sy_queue *q = &s->all.p[i];
        move(&q->used, &a, s->resources_len, sign);
        q->used_pods += (uint32_t)sign;
        q->share = dominant(s, q);
    }
    s->owed_is_stale = true;
}

void sy_shares_charge(struct sy_cluster *c, uint32_t pod, int sign)
{
    const struct sy_pod_slot *p = &c->pods.p[pod];

    if (!c->shares.is_on)
        return;
    charge_spec(c, p->queue, &p->spec->spec, sign);
    c->shares.relief += sign < 0 && !c->trial_depth;
}

void sy_shares_wait(struct sy_cluster *c, uint16_t queue, const struct sy_pod_spec *spec, int sign)
{
    struct sy_shares *s = &c->shares;
    struct sy_queue_amounts a;

    sy_shares_amounts(c, spec, &a);
    for (uint16_t i = queue; i != SY_NO_QUEUE; i = s->all.p[i].parent) {
        move(&s->all.p[i].pending, &a, s->resources_len, sign);
        s->all.p[i].pending_pods += (uint32_t)sign;
    }
    s->owed_is_stale = true;
    s->relief += sign < 0;
}

void sy_shares_ready(struct sy_cluster *c, uint16_t queue, int sign)
{
    for (uint16_t i = queue; i != SY_NO_QUEUE; i = c->shares.all.p[i].parent)
        c->shares.all.p[i].ready += (uint32_t)sign;
}

/* -- whose turn it is -- */

/* Of all that is guaranteed to it, it uses less. */
static bool is_below(const struct sy_shares *s, const struct sy_queue *q)
{
    bool has_any = false;

    for (uint32_t r = 0; r < s->resources_len; r++) {
        if (!q->guaranteed.of[r])
            continue;
        has_any = true;
        if (q->used.of[r] >= q->guaranteed.of[r])
            return false;
    }
    return has_any;
}

static bool goes_before(const struct sy_shares *s, const struct sy_queue *a,
                        const struct sy_queue *b)
{
    bool a_below = is_below(s, a), b_below = is_below(s, b);

    if (a_below != b_below)
        return a_below;
    return a->share / a->weight < b->share / b->weight;
}

uint16_t sy_shares_next(struct sy_cluster *c)
{
    struct sy_shares *s = &c->shares;
    uint16_t at = SY_QUEUE_ROOT;

    count_totals(c);
    while (!sy_shares_is_leaf(s, at)) {
        uint16_t best = SY_NO_QUEUE;
        for (uint16_t i = s->all.p[at].first_child; i != SY_NO_QUEUE;
             i = s->all.p[i].next_sibling) {
            if (s->all.p[i].ready &&
                (best == SY_NO_QUEUE || goes_before(s, &s->all.p[i], &s->all.p[best])))
                best = i;
        }
        if (best == SY_NO_QUEUE)
            return SY_NO_QUEUE;
        at = best;
    }
    return at;
}

/* -- quotas -- */

/* What a queue can still ask for as its guaranteed share; of an inner one, at least what its
 * children can, as a sibling may have borrowed what the parent is to have. */
static void count_owed(struct sy_shares *s)
{
    if (!s->owed_is_stale)
        return;
    s->owed_is_stale = false;
    for (size_t n = 0; n < s->bottom_up.len; n++) {
        struct sy_queue *q = &s->all.p[s->bottom_up.p[n]];
        struct sy_queue_amounts sum = {0};
        for (uint16_t i = q->first_child; i != SY_NO_QUEUE; i = s->all.p[i].next_sibling)
            sy_shares_add(&sum, &s->all.p[i].owed);
        for (uint32_t r = 0; r < s->resources_len; r++) {
            int64_t own = least(q->pending.of[r], above(q->guaranteed.of[r], q->used.of[r]));
            q->owed.of[r] = own > sum.of[r] ? own : sum.of[r];
        }
    }
}

static bool asks_more_than(const struct sy_queue *q, const struct sy_queue_amounts *asked,
                           uint32_t r, int64_t most)
{
    return asked->of[r] > 0 && sy_add_saturate(q->used.of[r], asked->of[r]) > most;
}

static struct sy_quota_answer ask_limits(const struct sy_shares *s, uint16_t queue,
                                         const struct sy_queue_amounts *asked)
{
    for (uint16_t i = queue; i != SY_NO_QUEUE; i = s->all.p[i].parent) {
        for (uint32_t r = 0; r < s->resources_len; r++) {
            if (asks_more_than(&s->all.p[i], asked, r, s->all.p[i].limit.of[r]))
                return (struct sy_quota_answer){SY_QUOTA_LIMIT, i, r};
        }
    }
    return (struct sy_quota_answer){.quota = SY_QUOTA_FREE, .queue = SY_NO_QUEUE};
}

/* Adds up what the siblings are owed; notes who is owed the most. */
static int64_t owed_beside(const struct sy_shares *s, uint16_t queue, uint32_t r,
                           uint16_t *creditor, int64_t *most)
{
    int64_t sum = 0;

    for (uint16_t i = s->all.p[s->all.p[queue].parent].first_child; i != SY_NO_QUEUE;
         i = s->all.p[i].next_sibling) {
        int64_t owed = s->all.p[i].owed.of[r];
        if (i == queue)
            continue;
        sum = sy_add_saturate(sum, owed);
        if (owed > *most) {
            *most = owed;
            *creditor = i;
        }
    }
    return sum;
}

struct sy_quota_answer sy_shares_ask(struct sy_cluster *c, uint16_t queue,
                                     const struct sy_queue_amounts *asked)
{
    struct sy_shares *s = &c->shares;
    struct sy_quota_answer answer = ask_limits(s, queue, asked);

    if (answer.quota != SY_QUOTA_FREE)
        return answer;
    count_totals(c);
    count_owed(s);
    for (uint32_t r = 0; r < s->resources_len; r++) {
        int64_t owed = 0, most = 0;
        for (uint16_t i = queue;
             s->all.p[i].parent != SY_NO_QUEUE &&
             asks_more_than(&s->all.p[i], asked, r, s->all.p[i].guaranteed.of[r]);
             i = s->all.p[i].parent)
            owed = sy_add_saturate(owed, owed_beside(s, i, r, &answer.queue, &most));
        int64_t room = above(s->resources[r].total, s->all.p[SY_QUEUE_ROOT].used.of[r]);
        if (owed && room - asked->of[r] < owed)
            return (struct sy_quota_answer){SY_QUOTA_OWED, answer.queue, r};
    }
    return (struct sy_quota_answer){.quota = SY_QUOTA_FREE, .queue = SY_NO_QUEUE};
}

static bool is_under(const struct sy_shares *s, uint16_t queue, uint16_t parent)
{
    for (uint16_t i = queue; i != SY_NO_QUEUE; i = s->all.p[i].parent) {
        if (i == parent)
            return true;
    }
    return false;
}

bool sy_shares_is_entitled(const struct sy_cluster *c, uint16_t queue, uint16_t from,
                           const struct sy_queue_amounts *asked, uint32_t *ret_named)
{
    const struct sy_shares *s = &c->shares;
    uint32_t named = 0;
    uint16_t at = queue;

    if (is_under(s, from, queue))
        return false;
    while (!is_under(s, from, s->all.p[at].parent))
        at = s->all.p[at].parent;
    for (uint32_t r = 0; r < s->resources_len; r++) {
        const struct sy_queue *q = &s->all.p[at];
        if (!asked->of[r] || !q->guaranteed.of[r])
            continue;
        if (asks_more_than(q, asked, r, q->guaranteed.of[r]))
            return false;
        named |= UINT32_C(1) << r;
    }
    *ret_named = named;
    return named != 0;
}

bool sy_shares_has_borrowed(const struct sy_cluster *c, uint16_t from, uint16_t queue,
                            uint32_t resource)
{
    const struct sy_shares *s = &c->shares;

    for (uint16_t i = from; i != SY_NO_QUEUE && !is_under(s, queue, i); i = s->all.p[i].parent) {
        if (s->all.p[i].used.of[resource] <= s->all.p[i].guaranteed.of[resource])
            return false;
    }
    return true;
}

/* -- what is deserved -- */

/* Divides `rest` by weight among those below `parent` that want more than they have. */
static void fill(const struct sy_shares *s, uint16_t parent, double rest, const double *wants,
                 double *has)
{
    while (rest > 0) {
        double weights = 0, left = 0;
        for (uint16_t i = s->all.p[parent].first_child; i != SY_NO_QUEUE;
             i = s->all.p[i].next_sibling)
            weights += has[i] < wants[i] ? s->all.p[i].weight : 0;
        if (weights <= 0)
            return;
        for (uint16_t i = s->all.p[parent].first_child; i != SY_NO_QUEUE;
             i = s->all.p[i].next_sibling) {
            if (has[i] >= wants[i])
                continue;
            has[i] += rest * s->all.p[i].weight / weights;
            if (has[i] < wants[i])
                continue;
            left += has[i] - wants[i];
            has[i] = wants[i];
        }
        rest = left; /* at least one is content now, or nothing is left */
    }
}

static void deserve_one(const struct sy_shares *s, uint32_t r, double *wants, double *has)
{
    memset(wants, 0, s->all.len * sizeof(*wants));
    for (size_t n = 0; n < s->bottom_up.len; n++) {
        uint16_t i = s->bottom_up.p[n];
        const struct sy_queue *q = &s->all.p[i];
        if (sy_shares_is_leaf(s, i))
            wants[i] = (double)q->used.of[r] + (double)q->pending.of[r];
        if (wants[i] > (double)q->limit.of[r])
            wants[i] = (double)q->limit.of[r];
        if (q->parent != SY_NO_QUEUE)
            wants[q->parent] += wants[i];
    }
    double total = (double)s->resources[r].total;
    has[SY_QUEUE_ROOT] = wants[SY_QUEUE_ROOT] < total ? wants[SY_QUEUE_ROOT] : total;
    for (size_t n = s->bottom_up.len; n--;) {
        uint16_t parent = s->bottom_up.p[n];
        double sum = 0, given = has[parent];
        for (uint16_t i = s->all.p[parent].first_child; i != SY_NO_QUEUE;
             i = s->all.p[i].next_sibling) {
            double guaranteed = (double)s->all.p[i].guaranteed.of[r];
            has[i] = guaranteed < wants[i] ? guaranteed : wants[i];
            sum += has[i];
        }
        for (uint16_t i = s->all.p[parent].first_child; i != SY_NO_QUEUE && sum > given;
             i = s->all.p[i].next_sibling)
            has[i] *= given / sum;
        fill(s, parent, given - sum, wants, has);
    }
}

void sy_shares_deserved(struct sy_cluster *c, struct sy_queue_amounts *ret)
{
    const struct sy_shares *s = &c->shares;
    double *wants = sy_xcalloc(s->all.len, sizeof(*wants));
    double *has = sy_xcalloc(s->all.len, sizeof(*has));

    count_totals(c);
    for (uint32_t r = 0; r < s->resources_len; r++) {
        deserve_one(s, r, wants, has);
        for (size_t i = 0; i < s->all.len; i++)
            ret[i].of[r] = (int64_t)(has[i] + 0.5);
    }
    free(wants);
    free(has);
}

/* -- amounts for people -- */

double sy_shares_number(const struct sy_cluster *c, uint32_t resource, int64_t amount)
{
    return is_counted_in_milli(c, resource) ? (double)amount / 1000 : (double)amount;
}

const char *sy_shares_text(const struct sy_cluster *c, uint32_t resource, int64_t amount,
                           char *room, size_t size)
{
    sy_sid name = c->shares.resources[resource].name;
    const char *text = sy_strings_getz(c->strings, name);
    bool is_bytes = name == c->names.memory || name == c->names.ephemeral_storage;

    if (is_bytes && amount && !(amount & (((int64_t)1 << 30) - 1)))
        snprintf(room, size, "%lldGi %s", (long long)(amount >> 30), text);
    else if (is_bytes && amount && !(amount & (((int64_t)1 << 20) - 1)))
        snprintf(room, size, "%lldMi %s", (long long)(amount >> 20), text);
    else
        snprintf(room, size, "%.15g %s", sy_shares_number(c, resource, amount), text);
    return room;
}

/* -- configuration and upkeep -- */

static void drop(struct sy_shares *s)
{
    for (size_t i = 0; i < s->all.len; i++) {
        free(s->all.p[i].name);
        sy_vec_done(&s->all.p[i].namespaces);
    }
    sy_vec_done(&s->all);
    sy_vec_done(&s->bottom_up);
}

/* The index of a resource, counted from now on; SY_QUEUE_RESOURCES_MAX: there are too many. */
static uint32_t count_resource(struct sy_shares *s, sy_sid name)
{
    for (uint32_t r = 0; r < s->resources_len; r++) {
        if (s->resources[r].name == name)
            return r;
    }
    if (s->resources_len == SY_QUEUE_RESOURCES_MAX)
        return SY_QUEUE_RESOURCES_MAX;
    s->resources[s->resources_len].name = name;
    return s->resources_len++;
}

static int64_t from_milli(const struct sy_cluster *c, uint32_t r, int64_t milli)
{
    return is_counted_in_milli(c, r) ? milli : milli / 1000;
}

static void add_queue(struct sy_cluster *c, const struct sy_queue_options *o)
{
    struct sy_shares *s = &c->shares;
    struct sy_queue q = {
        .name = sy_xstrdup(o->name),
        .parent = SY_QUEUE_ROOT,
        .first_child = SY_NO_QUEUE,
        .next_sibling = SY_NO_QUEUE,
        .borrows = o->borrows,
        .is_reclaimable = o->is_reclaimable,
        .weight = o->weight > 0 ? o->weight : 1,
    };

    for (uint32_t r = 0; r < SY_QUEUE_RESOURCES_MAX; r++)
        q.limit.of[r] = SY_NO_LIMIT;
    for (uint32_t i = 0; i < o->resources_len; i++) {
        uint32_t r = count_resource(s, sy_strings_addz(c->strings, o->resources[i].name));
        if (r == SY_QUEUE_RESOURCES_MAX)
            continue;
        q.guaranteed.of[r] = from_milli(c, r, o->resources[i].guaranteed_milli);
        if (o->resources[i].limit_milli != SY_NO_LIMIT)
            q.limit.of[r] = from_milli(c, r, o->resources[i].limit_milli);
        if (!q.borrows && q.guaranteed.of[r])
            q.limit.of[r] = least(q.limit.of[r], q.guaranteed.of[r]);
    }
    for (uint32_t i = 0; i < o->namespaces_len; i++)
        sy_vec_push(&q.namespaces, sy_strings_addz(c->strings, o->namespaces[i]));
    for (uint32_t i = 0; i < o->labels_len && i < SY_QUEUE_LABELS_MAX; i++) {
        q.keys[i] = sy_strings_addz(c->strings, o->keys[i]);
        q.values[i] = o->values[i] ? sy_strings_addz(c->strings, o->values[i]) : 0;
        q.labels_len++;
    }
    sy_vec_push(&s->all, q);
}

static uint16_t find_name(const struct sy_shares *s, const char *name)
{
    for (uint16_t i = 0; name && i < s->all.len; i++) {
        if (i != SY_QUEUE_ROOT && strcmp(s->all.p[i].name, name) == 0)
            return i;
    }
    return SY_NO_QUEUE;
}

static void list_bottom_up(struct sy_shares *s, uint16_t queue)
{
    for (uint16_t i = s->all.p[queue].first_child; i != SY_NO_QUEUE; i = s->all.p[i].next_sibling)
        list_bottom_up(s, i); /* SY_QUEUE_DEPTH_MAX at most */
    sy_vec_push(&s->bottom_up, queue);
}

static void build_tree(struct sy_shares *s, const struct sy_queues_options *options)
{
    uint16_t len = (uint16_t)s->all.len;

    for (uint16_t i = 1; i < len; i++) {
        uint16_t parent =
            i <= options->len ? find_name(s, options->queues[i - 1].parent) : SY_NO_QUEUE;
        s->all.p[i].parent = parent == SY_NO_QUEUE || parent == i ? SY_QUEUE_ROOT : parent;
    }
    s->all.p[SY_QUEUE_ROOT].parent = SY_NO_QUEUE;
    for (uint16_t i = len; --i;) {
        struct sy_queue *parent = &s->all.p[s->all.p[i].parent];
        s->all.p[i].next_sibling = parent->first_child;
        parent->first_child = i;
    }
    list_bottom_up(s, SY_QUEUE_ROOT);
    for (size_t n = 0; n < s->bottom_up.len; n++) {
        struct sy_queue *q = &s->all.p[s->bottom_up.p[n]];
        struct sy_queue_amounts sum = {0};
        for (uint16_t i = q->first_child; i != SY_NO_QUEUE; i = s->all.p[i].next_sibling)
            sy_shares_add(&sum, &s->all.p[i].guaranteed);
        for (uint32_t r = 0; r < s->resources_len; r++)
            q->guaranteed.of[r] = q->guaranteed.of[r] ? q->guaranteed.of[r] : sum.of[r];
    }
}

void sy_shares_configure(struct sy_cluster *c, const struct sy_queues_options *options)
{
    static const struct sy_queue_options ROOT = {"root", .weight = 1, .borrows = true};
    static const struct sy_queue_options OTHER = {SY_DEFAULT_QUEUE, .weight = 1, .borrows = true,
                                                  .is_reclaimable = true};
    struct sy_shares *s = &c->shares;

    drop(s);
    *s = (struct sy_shares){.is_on = options && options->len, .relief = s->relief + 1};
    if (s->is_on) {
        count_resource(s, c->names.cpu);
        count_resource(s, c->names.memory);
        count_resource(s, c->names.nvidia_gpu);
        add_queue(c, &ROOT);
        for (uint32_t i = 0; i < options->len && i < SY_QUEUES_MAX; i++)
            add_queue(c, &options->queues[i]);
        if (find_name(s, SY_DEFAULT_QUEUE) == SY_NO_QUEUE)
            add_queue(c, &OTHER);
        s->other = find_name(s, SY_DEFAULT_QUEUE);
        build_tree(s, options);
        s->totals_are_stale = s->owed_is_stale = true;
    }
    for (size_t i = 0; i < c->pods.len; i++) {
        struct sy_pod_slot *p = &c->pods.p[i];
        if (!(p->flags & SY_POD_ALIVE))
            continue;
        p->queue = sy_shares_find(c, p->ns, p->labels->labels);
        if (s->is_on && p->node != SY_NONE)
            charge_spec(c, p->queue, &p->spec->spec, 1);
    }
}

void sy_shares_done(struct sy_cluster *c)
{
    drop(&c->shares);
}

void sy_shares_mark(const struct sy_cluster *c)
{
    const struct sy_shares *s = &c->shares;

    for (uint32_t r = 0; r < s->resources_len; r++)
        sy_strings_mark(c->strings, s->resources[r].name);
    for (size_t i = 0; i < s->all.len; i++) {
        const struct sy_queue *q = &s->all.p[i];
        for (size_t n = 0; n < q->namespaces.len; n++)
            sy_strings_mark(c->strings, q->namespaces.p[n]);
        for (uint32_t n = 0; n < q->labels_len; n++) {
            sy_strings_mark(c->strings, q->keys[n]);
            sy_strings_mark(c->strings, q->values[n]);
        }
    }
}

bool sy_shares_audit(const struct sy_cluster *c)
{
    const struct sy_shares *s = &c->shares;
    bool same = true;

    if (!s->is_on)
        return true;
    struct sy_queue_amounts *sums = sy_xcalloc(s->all.len, sizeof(*sums));
    uint32_t *pods = sy_xcalloc(s->all.len, sizeof(*pods));
    for (size_t n = 0; n < c->pods.len; n++) {
        const struct sy_pod_slot *p = &c->pods.p[n];
        struct sy_queue_amounts a;
        if (!(p->flags & SY_POD_ALIVE))
            continue;
        same = same && p->queue == sy_shares_find(c, p->ns, p->labels->labels);
        if (p->node == SY_NONE)
            continue;
        sy_shares_amounts(c, &p->spec->spec, &a);
        for (uint16_t i = p->queue; i != SY_NO_QUEUE; i = s->all.p[i].parent) {
            move(&sums[i], &a, s->resources_len, 1);
            pods[i]++;
        }
    }
    for (size_t i = 0; i < s->all.len; i++)
        same = same && pods[i] == s->all.p[i].used_pods &&
               memcmp(&sums[i], &s->all.p[i].used, sizeof(sums[i])) == 0;
    free(sums);
    free(pods);
    return same;
}
