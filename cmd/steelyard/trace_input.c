/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static const char MODEL_LABEL[] = "nvidia.com/gpu.product";

/* -- objects as rows of the list -- */

static int64_t amount(struct sy_amounts amounts, sy_sid resource)
{
    for (uint32_t i = 0; i < amounts.len; i++) {
        if (amounts.p[i].resource == resource)
            return amounts.p[i].amount > 0 ? amounts.p[i].amount : 0;
    }
    return 0;
}

static int add_node(struct cmd_trace_input *in, const struct sy_node *node, struct sy_err *err)
{
    const struct sy_resource_names *names = &in->objects.decode.names;
    sy_sid key = sy_strings_find(in->strings, sy_str_from(MODEL_LABEL));
    struct sy_str model = SY_STR("GPU");
    int64_t gpus = amount(node->allocatable, names->nvidia_gpu);
    struct sy_openb_node n = {
        .name = sy_strings_getz(in->strings, node->name),
        .cpu_milli = amount(node->allocatable, names->cpu),
        .memory_bytes = amount(node->allocatable, names->memory),
        .gpus = (uint32_t)gpus,
        .object = node,
    };

    if (gpus > SY_OPENB_GPUS_MAX)
        return sy_err_set(err, -EINVAL, "Node %s: more than %d GPUs", n.name, SY_OPENB_GPUS_MAX);
    for (uint32_t i = 0; i < node->labels.len && key; i++) {
        if (node->labels.p[i].key == key)
            model = sy_strings_get(in->strings, node->labels.p[i].value);
    }
    int code = gpus ? sy_openb_model(&in->list, model, &n.model, err) : 0;
    if (code == 0)
        sy_vec_push(&in->list.nodes, n);
    return code;
}

struct gang {
    sy_sid ns, name;
    uint8_t source;
    uint32_t residents;
    const struct sy_group_object *object; /* NULL: there is none */
};

struct gangs {
    struct sy_group_keys keys;
    struct sy_map by_name;
    SY_VEC(struct gang) all;
};

static bool is_gang(const void *arg, const void *key, uint32_t value)
{
    const struct gang *a = &((const struct gangs *)arg)->all.p[value], *b = key;

    return a->ns == b->ns && a->name == b->name && a->source == b->source;
}

static uint32_t intern_gang(struct gangs *g, sy_sid ns, uint8_t source, sy_sid name)
{
    struct gang key = {.ns = ns, .name = name, .source = source};
    uint64_t hash = sy_hash_u64((uint64_t)key.ns << 32 ^ key.name) ^ key.source;
    uint32_t at = sy_map_get(&g->by_name, hash, is_gang, g, &key);
    if (at == SY_MAP_NONE) {
        at = (uint32_t)g->all.len;
        sy_map_add(&g->by_name, hash, at);
        sy_vec_push(&g->all, key);
    }
    return at;
}

/* Its number from 1; 0: the pod is in none. What the gang's object says counts before the pod. */
static uint32_t find_gang(struct gangs *g, const struct sy_strings *strings,
                          const struct sy_pod *pod, uint32_t *ret_min)
{
    struct sy_pod_group said;

    sy_group_of_pod(&g->keys, strings, pod, &said);
    if (!said.source)
        return 0;
    uint32_t at = intern_gang(g, pod->ns, said.source, said.name);
    const struct sy_group_object *o = g->all.p[at].object;
    if (o && o->is_single)
        return 0;
    *ret_min = o && o->min_members ? o->min_members : said.min_members ? said.min_members : 1;
    return at + 1;
}

static struct sy_openb_pod row_of(const struct cmd_trace_input *in, struct gangs *gangs,
                                  const struct sy_snapshot_pod *from)
{
    const struct sy_resource_names *names = &in->objects.decode.names;
    const struct sy_pod *pod = &from->pod;
    struct sy_openb_pod p = {
        .name = pod->name.p,
        .cpu_milli = amount(pod->spec.requests.requests, names->cpu),
        .memory_bytes = amount(pod->spec.requests.requests, names->memory),
        .arrives_s = (double)from->arrives_ns / SY_NS_PER_S,
        .lasts_s = (double)from->lasts_ns / SY_NS_PER_S,
        .object = pod,
    };

    /* A request that can not be met is none of the ledger's business. */
    if (pod->spec.gpu.count <= SY_OPENB_GPUS_MAX) {
        p.gpus = pod->spec.gpu.count;
        p.gpu_milli = pod->spec.gpu.milli;
    }
    p.gang = find_gang(gangs, in->strings, pod, &p.gang_min);
    return p;
}

/* Pods that have a node are there at the start; others of the pods' file come. */
static void add_pods(struct cmd_trace_input *in, size_t pods_from)
{
    struct gangs gangs = {0};

    sy_group_keys_init(&gangs.keys, in->strings);
    for (size_t i = 0; i < in->objects.groups.len; i++) {
        const struct sy_group_object *o = &in->objects.groups.p[i];
        uint32_t at = intern_gang(&gangs, o->ns, o->source, o->name);
        gangs.all.p[at].object = o;
        sy_vec_push(&in->list.groups, *o);
    }
    for (size_t i = 0; i < in->objects.pods.len; i++) {
        const struct sy_snapshot_pod *from = &in->objects.pods.p[i];
        if (sy_pod_is_terminal(&from->pod) || (!from->pod.node && i < pods_from))
            continue;
        struct sy_openb_pod p = row_of(in, &gangs, from);
        if (from->pod.node) {
            if (p.gang)
                gangs.all.p[p.gang - 1].residents++;
            sy_vec_push(&in->list.residents, p);
        } else {
            sy_vec_push(&in->list.pods, p);
        }
    }
    /* So many fewer of a gang must be placed together. */
    for (size_t i = 0; i < in->list.pods.len; i++) {
        struct sy_openb_pod *p = &in->list.pods.p[i];
        uint32_t residents = p->gang ? gangs.all.p[p->gang - 1].residents : 0;
        if (residents)
            p->gang_min = p->gang_min > residents ? p->gang_min - residents : 1;
    }
    for (size_t i = 0; i < in->objects.workloads.len; i++)
        sy_vec_push(&in->list.around,
                    (struct sy_openb_workload){in->objects.workloads.p[i].kind,
                                               &in->objects.workloads.p[i].object});
    sy_map_done(&gangs.by_name);
    sy_vec_done(&gangs.all);
    sy_openb_group(&in->list);
}

/* -- files -- */

static int read_objects(struct cmd_trace_input *in, const struct sy_buf *text, const char *file,
                        struct sy_err *err)
{
    static const uint64_t HASH_KEY[2] = {0x6f626a, 0x656374}; /* fixed: runs repeat */

    if (!in->strings) {
        in->strings = sy_strings_new(HASH_KEY);
        sy_snapshot_init(&in->objects, in->strings);
        in->list.strings = in->strings;
    }
    return sy_snapshot_read(&in->objects, sy_buf_str(text), file, err);
}

static int read_both(struct cmd_trace_input *in, const char *nodes_file, const char *pods_file,
                     struct sy_buf *text, struct sy_err *err)
{
    bool is_one_file = strcmp(nodes_file, pods_file) == 0;
    bool nodes_are_objects = false;
    size_t pods_from = 0;

    int code = sy_file_read(nodes_file, text, err);
    if (code == 0 && sy_snapshot_is_likely(sy_buf_str(text))) {
        nodes_are_objects = true;
        code = read_objects(in, text, nodes_file, err);
        pods_from = is_one_file ? 0 : in->objects.pods.len;
    } else if (code == 0) {
        code = sy_openb_read_nodes(&in->list, sy_buf_str(text), nodes_file, err);
    }
    if (code == 0 && !is_one_file) {
        sy_buf_reset(text);
        code = sy_file_read(pods_file, text, err);
    }
    if (code < 0)
        return code;
    in->pods_are_objects = sy_snapshot_is_likely(sy_buf_str(text));
    if (in->pods_are_objects && !is_one_file)
        code = read_objects(in, text, pods_file, err);
    if (code == 0 && in->strings)
        code = sy_snapshot_finish(&in->objects, err);
    for (size_t i = 0; i < in->objects.nodes.len && nodes_are_objects && code == 0; i++)
        code = add_node(in, &in->objects.nodes.p[i], err);
    if (code < 0)
        return code;
    if (in->strings)
        add_pods(in, in->pods_are_objects ? pods_from : SIZE_MAX);
    if (!in->pods_are_objects)
        code = sy_openb_read_pods(&in->list, sy_buf_str(text), pods_file, err);
    if (code == 0 && !in->list.nodes.len)
        code = sy_err_set(err, -EINVAL, "%s: there is no Node in it", nodes_file);
    if (code == 0 && !in->list.pods.len)
        code =
            sy_err_set(err, -EINVAL, "%s: there is no pod in it that has no node yet", pods_file);
    return code;
}

int cmd_trace_input_read(struct cmd_trace_input *in, const char *nodes_file, const char *pods_file,
                         struct sy_err *err)
{
    struct sy_buf text;

    sy_buf_init(&text, SY_OPENB_TEXT_MAX_BYTES);
    int code = read_both(in, nodes_file, pods_file, &text, err);
    sy_buf_done(&text);
    return code;
}

void cmd_trace_input_done(struct cmd_trace_input *in)
{
    sy_openb_done(&in->list);
    if (in->strings) {
        sy_snapshot_done(&in->objects);
        sy_strings_free(in->strings);
    }
}
