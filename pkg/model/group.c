/* SPDX-License-Identifier: Apache-2.0 */
#include "model/group.h"

#include "base/duration.h"

enum {
    KEY_LABEL,
    KEY_COSCHEDULE,
    KEY_VOLCANO,
    KEY_VOLCANO_OWN,
    KEY_VOLCANO_OLD,
    KEY_KAI,
    KEY_MIN,
    KEY_VOLCANO_MIN,
    KEY_TIMEOUT,
    KEY_REQUIRED_TOPOLOGY,
    KEY_PREFERRED_TOPOLOGY,
    KEY_COSCHEDULE_MIN,
    KEYS,
};
_Static_assert((int)KEYS == (int)SY_GROUP_KEYS, "one id for each key");

static const char *const TEXTS[KEYS] = {
    [KEY_LABEL] = "steelyard.dev/pod-group",
    [KEY_COSCHEDULE] = "scheduling.x-k8s.io/pod-group",
    [KEY_VOLCANO] = "scheduling.k8s.io/group-name",
    [KEY_VOLCANO_OWN] = "scheduling.volcano.sh/group-name",
    [KEY_VOLCANO_OLD] = "volcano.sh/group-name",
    [KEY_KAI] = "pod-group-name",
    [KEY_MIN] = "steelyard.dev/min-member",
    [KEY_VOLCANO_MIN] = "scheduling.volcano.sh/group-min-member",
    [KEY_TIMEOUT] = "steelyard.dev/gang-timeout",
    [KEY_REQUIRED_TOPOLOGY] = "steelyard.dev/required-topology",
    [KEY_PREFERRED_TOPOLOGY] = "steelyard.dev/preferred-topology",
    [KEY_COSCHEDULE_MIN] = "scheduling.x-k8s.io/min-member",
};

const char *const sy_group_annotations[] = {
    "scheduling.k8s.io/group-name",
    "scheduling.volcano.sh/group-name",
    "volcano.sh/group-name",
    "pod-group-name",
    "steelyard.dev/min-member",
    "scheduling.volcano.sh/group-min-member",
    "scheduling.x-k8s.io/min-member",
    "steelyard.dev/gang-timeout",
    "steelyard.dev/required-topology",
    "steelyard.dev/preferred-topology",
    NULL,
};

void sy_group_keys_init(struct sy_group_keys *keys, struct sy_strings *strings)
{
    for (int i = 0; i < KEYS; i++)
        keys->ids[i] = sy_strings_addz(strings, TEXTS[i]);
}

void sy_group_keys_mark(const struct sy_group_keys *keys, struct sy_strings *strings)
{
    for (int i = 0; i < KEYS; i++)
        sy_strings_mark(strings, keys->ids[i]);
}

/* An empty value counts as none. */
static sy_sid value(const struct sy_strings *strings, struct sy_labels pairs, sy_sid key)
{
    sy_sid id = pairs.len ? sy_labels_get(pairs, key) : 0;

    return id && sy_strings_get(strings, id).len ? id : 0;
}

static sy_sid name_of(const struct sy_group_keys *keys, const struct sy_strings *strings,
                      const struct sy_pod *pod, uint8_t *ret_source)
{
    static const struct {
        uint8_t key, source;
        bool is_label;
    } PLACES[] = {
        {KEY_LABEL, SY_GROUP_LABEL, true},          {KEY_COSCHEDULE, SY_GROUP_COSCHEDULE, true},
        {KEY_VOLCANO, SY_GROUP_VOLCANO, false},     {KEY_VOLCANO_OWN, SY_GROUP_VOLCANO, false},
        {KEY_VOLCANO_OLD, SY_GROUP_VOLCANO, false}, {KEY_KAI, SY_GROUP_KAI, false},
    };

    *ret_source = SY_GROUP_NATIVE;
    if (pod->spec.scheduling_group)
        return pod->spec.scheduling_group;
    for (size_t i = 0; i < SY_ARRAY_LEN(PLACES); i++) {
        sy_sid id = value(strings, PLACES[i].is_label ? pod->labels : pod->annotations,
                          keys->ids[PLACES[i].key]);
        *ret_source = PLACES[i].source;
        if (id)
            return id;
    }
    *ret_source = SY_GROUP_NONE;
    return 0;
}

static void read_min(const struct sy_group_keys *keys, const struct sy_strings *strings,
                     const struct sy_pod *pod, struct sy_pod_group *ret)
{
    static const uint8_t PLACES[] = {KEY_MIN, KEY_VOLCANO_MIN, KEY_COSCHEDULE_MIN};
    uint64_t number;

    for (size_t i = 0; i < SY_ARRAY_LEN(PLACES); i++) {
        sy_sid id = value(strings, pod->annotations, keys->ids[PLACES[i]]);
        if (!id)
            continue;
        if (sy_str_u64(sy_strings_get(strings, id), &number) < 0 || !number || number > INT32_MAX)
            ret->is_malformed = true;
        else
            ret->min_members = (uint32_t)number;
        return;
    }
}

void sy_group_of_pod(const struct sy_group_keys *keys, const struct sy_strings *strings,
                     const struct sy_pod *pod, struct sy_pod_group *ret)
{
    *ret = (struct sy_pod_group){0};
    ret->name = name_of(keys, strings, pod, &ret->source);
    if (!ret->source)
        return;
    read_min(keys, strings, pod, ret);
    sy_sid id = value(strings, pod->annotations, keys->ids[KEY_TIMEOUT]);
    if (id && sy_duration_parse(sy_strings_get(strings, id), &ret->timeout_ns) < 0)
        ret->is_malformed = true;
    ret->topology_key = value(strings, pod->annotations, keys->ids[KEY_REQUIRED_TOPOLOGY]);
    ret->topology_is_required = ret->topology_key != 0;
    if (!ret->topology_key)
        ret->topology_key = value(strings, pod->annotations, keys->ids[KEY_PREFERRED_TOPOLOGY]);
}

static const struct {
    const char *group, *version;
} APIS[SY_GROUP_SOURCES] = {
    [SY_GROUP_NATIVE] = {"scheduling.k8s.io", NULL},
    [SY_GROUP_COSCHEDULE] = {"scheduling.x-k8s.io", "v1alpha1"},
    [SY_GROUP_VOLCANO] = {"scheduling.volcano.sh", "v1beta1"},
    [SY_GROUP_KAI] = {"scheduling.run.ai", "v2alpha2"},
};

const char *sy_group_api(uint8_t source, const char **ret_version)
{
    *ret_version = APIS[source].version;
    return APIS[source].group;
}

bool sy_group_has_objects(uint8_t source)
{
    return APIS[source].group != NULL;
}
