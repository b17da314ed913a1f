/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/openb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/strings.h"
#include "model/gpu.h"
#include "sim/csv.h"

#define AMOUNT_MAX ((uint64_t)1 << 40)
static const int64_t MEBI = 1 << 20;

static void set_up(struct sy_openb *o)
{
    if (!o->arena.cap_bytes)
        sy_arena_init(&o->arena, SY_OPENB_TEXT_MAX_BYTES);
}

static int keep(struct sy_openb *o, const struct sy_csv *c, struct sy_str name, const char **ret,
                struct sy_err *err)
{
    if (!name.len)
        return sy_err_set(err, -EINVAL, "%s:%u: there is no name", c->file, c->line);
    *ret = sy_arena_str(&o->arena, name);
    return *ret ? 0
                : sy_err_set(err, sy_arena_why(&o->arena, 1, name.len + 1), "%s:%u: too much text",
                             c->file, c->line);
}

int sy_openb_model(struct sy_openb *o, struct sy_str name, uint32_t *ret, struct sy_err *err)
{
    set_up(o);
    for (uint32_t i = 0; i < o->models_len; i++) {
        if (sy_str_eqz(name, o->models[i])) {
            *ret = i;
            return 0;
        }
    }
    if (o->models_len == SY_OPENB_MODELS_MAX)
        return sy_err_set(err, -EINVAL, "more than %d GPU models", SY_OPENB_MODELS_MAX);
    const char *kept = sy_arena_str(&o->arena, name);
    if (!kept)
        return sy_err_set(err, sy_arena_why(&o->arena, 1, name.len + 1), "too much text");
    o->models[o->models_len] = kept;
    *ret = o->models_len++;
    return 0;
}

static int find_model(struct sy_openb *o, const struct sy_csv *c, struct sy_str name, uint32_t *ret,
                      struct sy_err *err)
{
    int r = sy_openb_model(o, name, ret, err);

    return r < 0 ? sy_err_wrap(err, r, "%s:%u", c->file, c->line) : 0;
}

static int columns(const struct sy_csv *c, const char *const *names, uint32_t needed, uint32_t len,
                   uint8_t *ret, struct sy_err *err)
{
    for (uint32_t i = 0; i < len; i++) {
        ret[i] = sy_csv_column(c, names[i]);
        if (ret[i] == SY_CSV_NO_COLUMN && i < needed)
            return sy_err_set(err, -EINVAL, "%s:%u: the header has no column \"%s\"", c->file,
                              c->line, names[i]);
    }
    return 0;
}

/* The columns from the second on, as numbers. */
static int numbers(const struct sy_csv *c, const uint8_t *at, const char *const *names,
                   const uint64_t *most, uint64_t *ret, uint32_t len, struct sy_err *err)
{
    for (uint32_t i = 0; i < len; i++) {
        int r = sy_csv_number(c, at[i], names[i], most[i], &ret[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int by_node_name(const void *a, const void *b)
{
    return strcmp(((const struct sy_openb_node *)a)->name, ((const struct sy_openb_node *)b)->name);
}

static int by_pod_name(const void *a, const void *b)
{
    return strcmp(((const struct sy_openb_pod *)a)->name, ((const struct sy_openb_pod *)b)->name);
}

/* -- nodes -- */

enum { NODE_NAME, NODE_CPU, NODE_MEMORY, NODE_GPUS, NODE_NEEDED, NODE_MODEL = NODE_NEEDED, NODES };
static const char *const NODE_NAMES[NODES] = {"sn", "cpu_milli", "memory_mib", "gpu", "model"};

static int read_node(struct sy_openb *o, const struct sy_csv *c, const uint8_t at[NODES],
                     struct sy_err *err)
{
    const uint64_t most[] = {AMOUNT_MAX, AMOUNT_MAX, SY_OPENB_GPUS_MAX};
    uint64_t v[SY_ARRAY_LEN(most)];
    struct sy_openb_node n = {0};
    struct sy_str model = sy_csv_field(c, at[NODE_MODEL]);

    int r = numbers(c, at + NODE_CPU, NODE_NAMES + NODE_CPU, most, v, SY_ARRAY_LEN(most), err);
    if (r == 0)
        r = keep(o, c, sy_csv_field(c, at[NODE_NAME]), &n.name, err);
    if (r == 0 && v[2])
        r = find_model(o, c, model.len ? model : SY_STR("GPU"), &n.model, err);
    if (r < 0)
        return r;
    n.cpu_milli = (int64_t)v[0];
    n.memory_bytes = (int64_t)v[1] * MEBI;
    n.gpus = (uint32_t)v[2];
    sy_vec_push(&o->nodes, n);
    return 0;
}

static int check_unique(const char *a, const char *b, const char *file, struct sy_err *err)
{
    return strcmp(a, b) != 0 ? 0 : sy_err_set(err, -EINVAL, "%s: \"%s\" is there twice", file, a);
}

int sy_openb_read_nodes(struct sy_openb *o, struct sy_str text, const char *file,
                        struct sy_err *err)
{
    uint8_t at[NODES];
    struct sy_csv c;

    set_up(o);
    int r = sy_csv_begin(&c, text, file, err);
    if (r == 0)
        r = columns(&c, NODE_NAMES, NODE_NEEDED, NODES, at, err);
    while (r == 0 && (r = sy_csv_next(&c, err)) == 1) {
        r = o->nodes.len < SY_OPENB_NODES_MAX
                ? read_node(o, &c, at, err)
                : sy_err_set(err, -E2BIG, "%s: more than %d nodes", file, SY_OPENB_NODES_MAX);
        if (r < 0)
            return r;
    }
    if (o->nodes.len)
        qsort(o->nodes.p, o->nodes.len, sizeof(*o->nodes.p), by_node_name);
    for (size_t i = 1; i < o->nodes.len && r == 0; i++)
        r = check_unique(o->nodes.p[i - 1].name, o->nodes.p[i].name, file, err);
    return r;
}

/* -- pods -- */

enum {
    POD_NAME,
    POD_CPU,
    POD_MEMORY,
    POD_GPUS,
    POD_MILLI,
    POD_NEEDED,
    POD_SPEC = POD_NEEDED,
    POD_CREATED,
    POD_DELETED,
    POD_GANG,
    POD_GANG_MIN,
    PODS,
};
static const char *const POD_NAMES[PODS] = {
    "name",     "cpu_milli",     "memory_mib",    "num_gpu", "gpu_milli",
    "gpu_spec", "creation_time", "deletion_time", "gang",    "gang_min"};

static int read_models(struct sy_openb *o, const struct sy_csv *c, struct sy_str spec,
                       uint64_t *ret, struct sy_err *err)
{
    while (spec.len) {
        const char *bar = memchr(spec.p, '|', spec.len);
        struct sy_str name = {spec.p, bar ? (size_t)(bar - spec.p) : spec.len};
        uint32_t model = 0;
        if (name.len) {
            int r = find_model(o, c, name, &model, err);
            if (r < 0)
                return r;
            *ret |= (uint64_t)1 << model;
        }
        size_t used = name.len + (bar != NULL);
        spec = (struct sy_str){spec.p + used, spec.len - used};
    }
    return 0;
}

/* Times that are not there, or make no sense, leave it at 0. */
static void read_times(const struct sy_csv *c, const uint8_t at[PODS], struct sy_openb_pod *p)
{
    uint64_t from, to;

    if (sy_str_u64(sy_csv_field(c, at[POD_CREATED]), &from) < 0 || from > AMOUNT_MAX)
        return;
    p->arrives_s = (double)from;
    if (sy_str_u64(sy_csv_field(c, at[POD_DELETED]), &to) == 0 && to > from && to <= AMOUNT_MAX)
        p->lasts_s = (double)(to - from);
}

/* gangs: names to numbers. */
static int read_gang(struct sy_strings *gangs, const struct sy_csv *c, const uint8_t at[PODS],
                     struct sy_openb_pod *p, struct sy_err *err)
{
    struct sy_str name = sy_csv_field(c, at[POD_GANG]), min = sy_csv_field(c, at[POD_GANG_MIN]);
    uint64_t v = 0;

    if (!name.len)
        return 0;
    if (min.len) {
        int r =
            sy_csv_number(c, at[POD_GANG_MIN], POD_NAMES[POD_GANG_MIN], SY_OPENB_PODS_MAX, &v, err);
        if (r < 0)
            return r;
    }
    p->gang = sy_strings_add(gangs, name);
    p->gang_min = (uint32_t)v;
    return p->gang
               ? 0
               : sy_err_set(err, -EINVAL, "%s:%u: the gang's name is too long", c->file, c->line);
}

static int read_pod(struct sy_openb *o, struct sy_strings *gangs, const struct sy_csv *c,
                    const uint8_t at[PODS], struct sy_err *err)
{
    const uint64_t most[] = {AMOUNT_MAX, AMOUNT_MAX, SY_OPENB_GPUS_MAX, 1000};
    uint64_t v[SY_ARRAY_LEN(most)];
    struct sy_openb_pod p = {0};

    read_times(c, at, &p);
    int r = numbers(c, at + POD_CPU, POD_NAMES + POD_CPU, most, v, SY_ARRAY_LEN(most), err);
    if (r == 0)
        r = keep(o, c, sy_csv_field(c, at[POD_NAME]), &p.name, err);
    if (r == 0 && v[2])
        r = read_models(o, c, sy_csv_field(c, at[POD_SPEC]), &p.models, err);
    if (r == 0)
        r = read_gang(gangs, c, at, &p, err);
    if (r < 0)
        return r;
    if (v[2] == 1 && !v[3])
        return sy_err_set(err, -EINVAL, "%s:%u: one GPU of 0 milli", c->file, c->line);
    p.cpu_milli = (int64_t)v[0];
    p.memory_bytes = (int64_t)v[1] * MEBI;
    p.gpus = (uint32_t)v[2];
    p.gpu_milli = !p.gpus ? 0 : p.gpus > 1 ? 1000 : (uint32_t)v[3];
    sy_vec_push(&o->pods, p);
    return 0;
}

static int read_rows(struct sy_openb *o, struct sy_strings *gangs, struct sy_str text,
                     const char *file, struct sy_err *err)
{
    uint8_t at[PODS];
    struct sy_csv c;

    int r = sy_csv_begin(&c, text, file, err);
    if (r == 0)
        r = columns(&c, POD_NAMES, POD_NEEDED, PODS, at, err);
    while (r == 0 && (r = sy_csv_next(&c, err)) == 1) {
        r = o->pods.len < SY_OPENB_PODS_MAX
                ? read_pod(o, gangs, &c, at, err)
                : sy_err_set(err, -E2BIG, "%s: more than %d pods", file, SY_OPENB_PODS_MAX);
        if (r < 0)
            return r;
    }
    return r;
}

int sy_openb_read_pods(struct sy_openb *o, struct sy_str text, const char *file, struct sy_err *err)
{
    static const uint64_t KEY[2] = {1, 1}; /* numbers go by the order in the file */
    struct sy_strings *gangs = sy_strings_new(KEY);

    set_up(o);
    int r = read_rows(o, gangs, text, file, err);
    sy_strings_free(gangs);
    if (o->pods.len)
        qsort(o->pods.p, o->pods.len, sizeof(*o->pods.p), by_pod_name);
    for (size_t i = 1; i < o->pods.len && r == 0; i++)
        r = check_unique(o->pods.p[i - 1].name, o->pods.p[i].name, file, err);
    sy_openb_group(o);
    return r;
}

/* -- gangs -- */

static void add_member(struct sy_openb_unit *u, const struct sy_openb_pod *p)
{
    u->len++;
    u->min = p->gang_min > u->min ? p->gang_min : u->min;
    u->milli += sy_openb_pod_milli(p);
    u->milli_s += p->lasts_s * (double)sy_openb_pod_milli(p);
    u->arrives_s = u->len == 1 || p->arrives_s < u->arrives_s ? p->arrives_s : u->arrives_s;
    u->lasts_s = p->lasts_s > u->lasts_s ? p->lasts_s : u->lasts_s;
}

void sy_openb_group(struct sy_openb *o)
{
    SY_VEC(uint32_t) of_gang = {0}; /* unit by number of the gang */
    SY_VEC(uint32_t) of_pod = {0};
    uint32_t first = 0;

    o->units.len = o->members.len = 0;
    for (size_t i = 0; i < o->pods.len; i++) {
        const struct sy_openb_pod *p = &o->pods.p[i];
        while (of_gang.len <= p->gang)
            sy_vec_push(&of_gang, UINT32_MAX);
        uint32_t unit = p->gang ? of_gang.p[p->gang] : UINT32_MAX;
        if (unit == UINT32_MAX) {
            unit = (uint32_t)o->units.len;
            of_gang.p[p->gang] = unit;
            sy_vec_push(&o->units, (struct sy_openb_unit){0});
        }
        add_member(&o->units.p[unit], p);
        sy_vec_push(&of_pod, unit);
        sy_vec_push(&o->members, 0);
    }
    for (size_t i = 0; i < o->units.len; i++) {
        struct sy_openb_unit *u = &o->units.p[i];
        u->first = first;
        first += u->len;
        u->min = !u->min || u->min > u->len ? u->len : u->min;
        u->len = 0;
    }
    for (size_t i = 0; i < o->pods.len; i++) {
        struct sy_openb_unit *u = &o->units.p[of_pod.p[i]];
        o->members.p[u->first + u->len++] = (uint32_t)i;
    }
    sy_vec_done(&of_gang);
    sy_vec_done(&of_pod);
}

void sy_openb_make_gangs(struct sy_openb *o, double share, uint64_t seed)
{
    static const uint32_t SIZES[] = {2, 4, 8, 16};
    const double mean = 7.5;
    /* So that this part of the demand is theirs, with as many pods more as they bring. */
    double chance = share / (mean - (mean - 1) * share);
    size_t len = o->pods.len;
    uint32_t gang = 0;
    struct sy_rng rng;
    char text[320];

    for (size_t i = 0; i < len; i++) {
        if (o->pods.p[i].gang)
            return;
    }
    set_up(o);
    sy_rng_seed(&rng, seed);
    for (size_t i = 0; i < len; i++) {
        struct sy_openb_pod p = o->pods.p[i];
        if (p.gpu_milli != SY_GPU_WHOLE_MILLI || sy_rng_unit(&rng) >= chance)
            continue;
        uint32_t size = SIZES[sy_rng_below(&rng, SY_ARRAY_LEN(SIZES))];
        p.gang = o->pods.p[i].gang = ++gang;
        for (uint32_t k = 1; k < size && o->pods.len < SY_OPENB_PODS_MAX; k++) {
            snprintf(text, sizeof(text), "%.256s+%u", p.name, k);
            const char *name = sy_arena_str(&o->arena, sy_str_from(text));
            struct sy_openb_pod copy = p;
            copy.name = name ? name : p.name;
            sy_vec_push(&o->pods, copy);
        }
    }
    sy_openb_group(o);
}
void sy_openb_done(struct sy_openb *o)
{
    sy_vec_done(&o->nodes);
    sy_vec_done(&o->pods);
    sy_vec_done(&o->units);
    sy_vec_done(&o->members);
    sy_vec_done(&o->residents);
    sy_vec_done(&o->around);
    sy_vec_done(&o->groups);
    if (o->arena.cap_bytes)
        sy_arena_done(&o->arena);
    *o = (struct sy_openb){0};
}

int64_t sy_openb_capacity_milli(const struct sy_openb *o)
{
    int64_t sum = 0;

    for (size_t i = 0; i < o->nodes.len; i++)
        sum += (int64_t)o->nodes.p[i].gpus * 1000;
    return sum;
}
