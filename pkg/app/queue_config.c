/* SPDX-License-Identifier: Apache-2.0 */
#include "app/queue_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/model_config.h"
#include "base/mem.h"
#include "model/quantity.h"

/* ---- checks of single texts ---- */

static const char *check_namespace(const char *text, char *room, size_t room_size)
{
    static const char ALL[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

    if (*text && strlen(text) <= 63 && !text[strspn(text, ALL)])
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no name of a namespace", text);
    return room;
}

static const char *check_name(const char *text, char *room, size_t room_size)
{
    static const char ALL[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (strcmp(text, "root") == 0)
        return "is the name of the queue above all others; give another";
    if (*text && strlen(text) <= 63 && !text[strspn(text, ALL)])
        return NULL;
    snprintf(room, room_size,
             "\"%.64s\" is no name here; use up to 63 letters, digits, '-', '.' and '_'", text);
    return room;
}

static const char *check_resource(const char *text, char *room SY_UNUSED,
                                  size_t room_size SY_UNUSED)
{
    return *text && strlen(text) <= 316 ? NULL : "is no name of a resource";
}

/* In thousandths; negative when it is no amount. */
static int64_t amount(const char *text)
{
    struct sy_err err = {0};
    int64_t milli;

    return sy_quantity_parse(sy_str_from(text), SY_SCALE_MILLI, &milli, &err) ? -1 : milli;
}

static const char *check_amount(const char *text, char *room, size_t room_size)
{
    if (*text && amount(text) >= 0)
        return NULL;
    snprintf(room, room_size, "\"%.64s\" is no amount; give one such as 500m, 16 or 64Gi", text);
    return room;
}

/* ---- the tables ---- */

#define IN(s, field) .offset = offsetof(struct s, field)

static const struct sy_option RESOURCE[] = {
    {"name", SY_OPTION_TEXT, IN(sy_config_queue_resource, name), .is_required = true,
     .check = check_resource, .help = "cpu, memory, pods, nvidia.com/gpu or another"},
    {"guaranteed", SY_OPTION_TEXT, IN(sy_config_queue_resource, guaranteed), .is_terse = true,
     .takes_numbers = true, .check = check_amount,
     .help = "what the queue gets back from others when it wants it"},
    {"limit", SY_OPTION_TEXT, IN(sy_config_queue_resource, limit), .is_terse = true,
     .takes_numbers = true, .check = check_amount,
     .help = "the most that its pods may have together; absent: none"},
    {0},
};

const struct sy_option sy_config_queue_options[] = {
    {"name", SY_OPTION_TEXT, IN(sy_config_queue, name), .is_required = true, .check = check_name,
     .help = "in metrics and messages; default is that of pods that no other queue claims"},
    {"parent", SY_OPTION_TEXT, IN(sy_config_queue, parent), .is_terse = true,
     .help = "the queue that it is a part of; absent: none"},
    {"weight", SY_OPTION_REAL, IN(sy_config_queue, weight), .is_terse = true, .initial = "1",
     .least = 0, .most = 1000000,
     .help = "how much it may use beside its siblings, of what is guaranteed to nobody"},
    {"namespaces", SY_OPTION_TEXTS, IN(sy_config_queue, namespaces), .is_terse = true,
     .elements_max = 256, .check = check_namespace, .help = "its pods are of one of these"},
    {"podLabels", SY_OPTION_MAPS, IN(sy_config_queue, labels), .is_terse = true,
     .fields = sy_config_label_options, .element_size = sizeof(struct sy_config_label),
     .elements_max = SY_QUEUE_LABELS_MAX, .help = "and have all of these"},
    {"resources", SY_OPTION_MAPS, IN(sy_config_queue, resources), .is_terse = true,
     .fields = RESOURCE, .element_size = sizeof(struct sy_config_queue_resource),
     .elements_max = SY_QUEUE_RESOURCES_MAX, .unique_key = "name",
     .help = "what is guaranteed to it and where it ends"},
    {"borrow", SY_OPTION_BOOL, IN(sy_config_queue, borrows), .is_terse = true, .initial = "true",
     .help = "whether it uses more than is guaranteed while nobody is owed it"},
    {"reclaimable", SY_OPTION_BOOL, IN(sy_config_queue, is_reclaimable), .is_terse = true,
     .initial = "true",
     .help = "whether its pods are evicted for a queue that lacks what is guaranteed to it"},
    {0},
};

/* ---- checks of the whole ---- */

void sy_config_queue_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = base;
    const struct sy_config_queue_resource *r = q->resources.p;
    char key[64];

    if (!(q->weight > 0))
        sy_schema_problem(at, "weight", "is not more than 0; raise it");
    for (size_t i = 0; i < q->resources.len; i++) {
        if (!r[i].guaranteed || !r[i].limit || amount(r[i].guaranteed) <= amount(r[i].limit))
            continue;
        snprintf(key, sizeof(key), "resources[%zu].guaranteed", i);
        sy_schema_problem(at, key, "is more than limit; lower it");
    }
}

static size_t find(const struct sy_option_list *list, const char *name)
{
    const struct sy_config_queue *q = list->p;
    size_t i = 0;

    while (i < list->len && (!q[i].name || strcmp(q[i].name, name) != 0))
        i++;
    return i;
}

/* The index of a queue's parent; list->len for the root, and for one that is not there. */
static size_t parent_of(const struct sy_option_list *list, size_t i)
{
    const struct sy_config_queue *q = list->p;

    return q[i].parent ? find(list, q[i].parent) : list->len;
}

static void SY_PRINTF(4, 5)
    tell(const struct sy_schema_at *at, size_t queue, const char *key, const char *fmt, ...)
{
    char path[96], what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "queues[%zu]%s%s", queue, *key ? "." : "", key);
    sy_schema_problem(at, path, "%s", what);
}

/* False when the queue is not in a tree. */
static bool check_parents(const struct sy_option_list *list, size_t i,
                          const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = list->p;
    size_t steps = 1;

    if (q[i].parent && parent_of(list, i) == list->len) {
        tell(at, i, "parent", "there is no queue \"%.64s\"; add it, or name another", q[i].parent);
        return false;
    }
    for (size_t p = parent_of(list, i); p < list->len; p = parent_of(list, p), steps++) {
        if (p == i) {
            tell(at, i, "parent", "makes a circle: queue %.64s would be above itself", q[i].name);
            return false;
        }
        if (steps > list->len)
            return false; /* a circle above, which is told of there */
    }
    if (steps > SY_QUEUE_DEPTH_MAX)
        tell(at, i, "parent", "is too deep; there may be %d queues on the way down",
             SY_QUEUE_DEPTH_MAX);
    return true;
}

static void check_claims(const struct sy_option_list *list, size_t i, const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = list->p;
    bool claims = q[i].namespaces.len || q[i].labels.len;
    bool is_default = strcmp(q[i].name, SY_DEFAULT_QUEUE) == 0;
    bool has_children = false;

    for (size_t n = 0; n < list->len; n++)
        has_children = has_children || (q[n].parent && strcmp(q[n].parent, q[i].name) == 0);
    if (has_children && (claims || is_default))
        tell(at, i, "", "has pods and queue %.64s below it; give the pods a queue of their own",
             q[i].name);
    else if (is_default && claims)
        tell(at, i, "",
             "the queue default has the pods that no other claims; remove namespaces "
             "and podLabels");
    else if (!has_children && !claims && !is_default)
        tell(at, i, "", "has no pods; give namespaces or podLabels");
}

static void check_namespaces(const struct sy_option_list *list, size_t i,
                             const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = list->p;
    char key[48];

    for (size_t n = 0; n < q[i].namespaces.len && !q[i].labels.len; n++) {
        const char *ns = ((char **)q[i].namespaces.p)[n];
        for (size_t k = 0; k < i; k++) {
            for (size_t m = 0; m < q[k].namespaces.len && !q[k].labels.len; m++) {
                if (strcmp(((char **)q[k].namespaces.p)[m], ns) != 0)
                    continue;
                snprintf(key, sizeof(key), "namespaces[%zu]", n);
                tell(at, i, key, "%.64s is of queue %.64s already; remove one of the two", ns,
                     q[k].name);
            }
        }
    }
}

static const struct sy_config_queue_resource *resource_of(const struct sy_config_queue *q,
                                                          const char *name)
{
    const struct sy_config_queue_resource *r = q->resources.p;

    for (size_t i = 0; i < q->resources.len; i++) {
        if (strcmp(r[i].name, name) == 0)
            return &r[i];
    }
    return NULL;
}

/* What is guaranteed to a queue: its own word, or the sum over its children. O(queues^2). */
static int64_t guaranteed(const struct sy_option_list *list, size_t i, const char *name,
                          bool children)
{
    const struct sy_config_queue *q = list->p;
    const struct sy_config_queue_resource *r = resource_of(&q[i], name);
    int64_t sum = 0;

    if (!children && r && r->guaranteed && amount(r->guaranteed))
        return amount(r->guaranteed);
    for (size_t n = 0; n < list->len; n++) {
        if (parent_of(list, n) == i)
            sum = sy_add_saturate(sum, guaranteed(list, n, name, false));
    }
    return sum;
}

static void check_sums(const struct sy_option_list *list, size_t i, const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = list->p;
    const struct sy_config_queue_resource *r = q[i].resources.p;
    char key[64];

    for (size_t n = 0; n < q[i].resources.len; n++) {
        int64_t children = guaranteed(list, i, r[n].name, true);
        bool is_over_own =
            r[n].guaranteed && amount(r[n].guaranteed) && children > amount(r[n].guaranteed);
        bool is_over_limit = r[n].limit && children > amount(r[n].limit);
        if (!is_over_own && !is_over_limit)
            continue;
        snprintf(key, sizeof(key), "resources[%zu].%s", n, is_over_own ? "guaranteed" : "limit");
        tell(at, i, key, "is less than what is guaranteed to the queues below %.64s together",
             q[i].name);
    }
}

static void check_resources(const struct sy_option_list *list, const struct sy_schema_at *at)
{
    const char *seen[SY_QUEUE_RESOURCES_MAX] = {"cpu", "memory", "nvidia.com/gpu"};
    const struct sy_config_queue *q = list->p;
    size_t len = 3;

    for (size_t i = 0; i < list->len; i++) {
        const struct sy_config_queue_resource *r = q[i].resources.p;
        for (size_t n = 0; n < q[i].resources.len; n++) {
            size_t at_name = 0;
            while (at_name < len && strcmp(seen[at_name], r[n].name) != 0)
                at_name++;
            if (at_name < len)
                continue;
            if (len == SY_QUEUE_RESOURCES_MAX) {
                tell(at, i, "resources", "%.64s is one too many; all queues may name %d in all",
                     r[n].name, SY_QUEUE_RESOURCES_MAX);
                return;
            }
            seen[len++] = r[n].name;
        }
    }
}

void sy_config_queues_check(const struct sy_option_list *queues, const struct sy_schema_at *at)
{
    const struct sy_config_queue *q = queues->p;
    bool is_tree = true;

    /* What is wrong with one alone has been told, and may be missing here. */
    if (at->problems->lines.len)
        return;
    for (size_t i = 0; i < queues->len; i++)
        is_tree = check_parents(queues, i, at) && is_tree;
    for (size_t i = 0; i < queues->len && is_tree; i++) {
        check_claims(queues, i, at);
        check_namespaces(queues, i, at);
        if (q[i].resources.len)
            check_sums(queues, i, at);
    }
    check_resources(queues, at);
}

/* ---- to the core's form ---- */

void sy_config_queues(const struct sy_option_list *queues, struct sy_config_queues_room *ret_room,
                      struct sy_queues_options *ret)
{
    const struct sy_config_queue *from = queues->p;
    size_t resources = 0;

    for (size_t i = 0; i < queues->len; i++)
        resources += from[i].resources.len;
    *ret_room = (struct sy_config_queues_room){
        .queues = sy_xcalloc(queues->len ? queues->len : 1, sizeof(*ret_room->queues)),
        .resources = sy_xcalloc(resources ? resources : 1, sizeof(*ret_room->resources)),
    };
    *ret = (struct sy_queues_options){ret_room->queues, (uint32_t)queues->len};
    struct sy_queue_resource *r = ret_room->resources;
    for (size_t i = 0; i < queues->len; i++) {
        struct sy_queue_options *to = &ret_room->queues[i];
        const struct sy_config_queue_resource *amounts = from[i].resources.p;
        const struct sy_config_label *labels = from[i].labels.p;
        *to = (struct sy_queue_options){
            .name = from[i].name,
            .parent = from[i].parent,
            .weight = from[i].weight,
            .borrows = from[i].borrows,
            .is_reclaimable = from[i].is_reclaimable,
            .namespaces = from[i].namespaces.p,
            .namespaces_len = (uint32_t)from[i].namespaces.len,
            .resources = r,
            .resources_len = (uint32_t)from[i].resources.len,
        };
        for (size_t n = 0; n < from[i].resources.len; n++)
            *r++ = (struct sy_queue_resource){
                amounts[n].name, amounts[n].guaranteed ? amount(amounts[n].guaranteed) : 0,
                amounts[n].limit ? amount(amounts[n].limit) : SY_NO_LIMIT};
        for (size_t n = 0; n < from[i].labels.len && n < SY_QUEUE_LABELS_MAX; n++) {
            to->keys[n] = labels[n].key;
            to->values[n] = labels[n].value;
            to->labels_len++;
        }
    }
}

void sy_config_queues_done(struct sy_config_queues_room *room)
{
    free(room->queues);
    free(room->resources);
    *room = (struct sy_config_queues_room){0};
}
