/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels, selectors, node selectors, taints and tolerations over interned ids. All structs are
 * plain data that points into an arena or a packed block; nothing here owns memory. Matching
 * functions are pure and allocate nothing. Source of semantics: k8s.io/apimachinery/pkg/labels,
 * k8s.io/component-helpers/scheduling/corev1 (v0.37.2). */
#pragma once

#include "base/strings.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_label {
    sy_sid key;
    sy_sid value;
};

/* Sorted by key id, keys unique. */
struct sy_labels {
    const struct sy_label *p;
    uint32_t len;
};

/* The value id of a key, or 0. O(log n). */
sy_sid sy_labels_get(struct sy_labels labels, sy_sid key);
/* Sorts by key id; of equal keys the last given wins. Returns the new length. */
uint32_t sy_labels_sort(struct sy_label *p, uint32_t len);
/* Equal keys and values. O(n). */
bool sy_labels_eq(struct sy_labels a, struct sy_labels b);
/* Sorts ids and drops repeats: for lists of values and namespaces. Returns the new length. */
uint32_t sy_sids_sort(sy_sid *p, uint32_t len);

/* Whether upstream takes the text as a label's key ([prefix/]name) or value. O(len). */
bool sy_label_key_valid(struct sy_str key);
bool sy_label_value_valid(struct sy_str value);

enum sy_op {
    SY_OP_IN,
    SY_OP_NOT_IN,
    SY_OP_EXISTS,
    SY_OP_DOES_NOT_EXIST,
    SY_OP_GT, /* node selectors only */
    SY_OP_LT,
    SY_OP_INVALID, /* unknown text: matches nothing */
};

struct sy_requirement {
    sy_sid key;
    uint8_t op; /* enum sy_op */
    /* Gt and Lt: the one value is an integer. When false the whole term matches nothing, as
     * upstream fails to parse it. */
    bool number_ok;
    uint32_t values_len;
    const sy_sid *values; /* sorted by id, unique */
    int64_t number;       /* Gt and Lt */
};

/* metav1.LabelSelector with matchLabels folded in as In requirements. A nil selector matches
 * nothing (`is_nil`), an empty one everything. */
struct sy_selector {
    const struct sy_requirement *reqs; /* sorted by key id, then op; all must match */
    uint32_t len;
    bool is_nil;
    bool is_invalid; /* would not convert upstream; matches nothing */
};

/* One v1.NodeSelectorTerm: expressions and fields must all match; a term with neither matches no
 * node. */
struct sy_node_term {
    const struct sy_requirement *exprs; /* over labels */
    uint32_t exprs_len;
    const struct sy_requirement *fields; /* over metadata.name; key is the id of that text */
    uint32_t fields_len;
};

/* v1.NodeSelector: any term. */
struct sy_node_selector {
    const struct sy_node_term *terms;
    uint32_t len;
    bool is_set; /* a nil node selector matches all nodes; a set one with no terms none */
};

struct sy_preferred_node_term {
    int32_t weight;
    struct sy_node_term term;
};

enum sy_effect {
    SY_EFFECT_NONE,
    SY_EFFECT_NO_SCHEDULE,
    SY_EFFECT_PREFER_NO_SCHEDULE,
    SY_EFFECT_NO_EXECUTE
};

struct sy_taint {
    sy_sid key;
    sy_sid value; /* the id of "" when the taint has none */
    uint8_t effect;
};

enum sy_toleration_op {
    SY_TOLERATION_EQUAL,
    SY_TOLERATION_EXISTS,
    SY_TOLERATION_GT, /* numeric, k8s >= 1.35 (KEP-5471), behind the gate upstream */
    SY_TOLERATION_LT,
    SY_TOLERATION_INVALID,
};

struct sy_toleration {
    sy_sid key;     /* 0: absent or empty */
    sy_sid value;   /* the id of "" when absent */
    uint8_t op;     /* enum sy_toleration_op */
    uint8_t effect; /* SY_EFFECT_NONE: all effects */
};

/* For decoders, once key, op and values are set: does what labels.NewRequirement checks. Fills
 * number and number_ok, and turns op into SY_OP_INVALID where upstream fails to build the
 * requirement (bad key or value, wrong count of values), because then the whole term or selector
 * matches nothing. Not for matchFields, whose values are not labels. O(bytes of key and values). */
void sy_requirement_check(struct sy_requirement *req, const struct sy_strings *strings);

/* Whether labels satisfy one requirement. A NotIn matches an absent key; Gt and Lt match only a
 * value that is an integer; a requirement that upstream could not build matches nothing.
 * O(log labels + log values). */
bool sy_requirement_matches(const struct sy_requirement *req, const struct sy_strings *strings,
                            struct sy_labels labels);
/* All requirements match. Gt and Lt do not exist here and match nothing. */
bool sy_selector_matches(const struct sy_selector *sel, const struct sy_strings *strings,
                         struct sy_labels labels);
/* name: the node's name, 0 when it has none; name_field: the id of "metadata.name". */
bool sy_node_term_matches(const struct sy_node_term *term, const struct sy_strings *strings,
                          struct sy_labels labels, sy_sid name, sy_sid name_field);
/* Whether any term matches; true for a selector that is not set. */
bool sy_node_selector_matches(const struct sy_node_selector *sel, const struct sy_strings *strings,
                              struct sy_labels labels, sy_sid name, sy_sid name_field);
/* Whether t tolerates taint. SY_TOLERATION_GT and _LT cover nothing: their gate,
 * TaintTolerationComparisonOperators, is alpha and off in v1.37. */
bool sy_toleration_covers(const struct sy_toleration *t, const struct sy_strings *strings,
                          const struct sy_taint *taint);
/* The first taint with an effect in effect_mask (1 << enum sy_effect) that no toleration covers, or
 * NULL. */
const struct sy_taint *
sy_taints_first_untolerated(const struct sy_taint *taints, uint32_t taints_len,
                            const struct sy_toleration *tolerations, uint32_t tolerations_len,
                            const struct sy_strings *strings, uint32_t effect_mask);
