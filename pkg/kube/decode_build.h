/* SPDX-License-Identifier: Apache-2.0
 *
 * From wire structs to the pieces of the model that pods and nodes share. Functions go on after a
 * failure and give empty results; the first failure stays in `code`, to be checked once at the end.
 * Private to kube/decode*. */
#pragma once

#include "kube/decode_wire.h"
#include "model/labels.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/resources.h"
#include "model/storage.h"

struct build {
    struct sy_decode *d;
    int code; /* 0, -ENOMEM or -E2BIG */
};

/* Zeroed, in d->arena. NULL when count is 0 or on failure. */
void *sy_build_array(struct build *b, size_t count, size_t size) SY_NODISCARD;
/* The text in d->arena, NUL-terminated; an empty text stays a null pointer. */
struct sy_str sy_build_text(struct build *b, struct sy_str s);
/* An id, 0 on failure only. */
sy_sid sy_build_id(struct build *b, struct sy_str s);
/* An id, 0 for the empty text. */
sy_sid sy_build_id_unless_empty(struct build *b, struct sy_str s);
/* The texts' ids in given order, NULL when there are none. */
sy_sid *sy_build_ids(struct build *b, const struct wire_list *texts, uint32_t *ret_len);
/* The same, sorted and without repeats. */
sy_sid *sy_build_id_set(struct build *b, const struct wire_list *texts, uint32_t *ret_len);
struct sy_labels sy_build_labels(struct build *b, const struct wire_list *pairs);
/* Only keys in d->annotation_keys. */
struct sy_labels sy_build_annotations(struct build *b, const struct wire_list *pairs);
struct sy_amounts sy_build_amounts(struct build *b, const struct wire_list *pairs);
/* s may be NULL: a nil selector. */
struct sy_selector sy_build_selector(struct build *b, const struct wire_selector *s);
struct sy_node_term sy_build_node_term(struct build *b, const struct wire_node_term *term);
/* For a volume of an in-tree kind whose other fields are filled: the driver's handle and affinity.
 */
void sy_build_in_tree(struct build *b, struct sy_pv *pv);
/* What a pod asks for of GPUs, after its requests, and which it has. */
void sy_build_pod_gpus(struct build *b, const struct wire_pod *wire,
                       const struct sy_container *containers, uint32_t containers_len,
                       struct sy_pod *pod);
/* What a node's annotations and labels say of its GPUs. */
void sy_build_node_gpus(struct build *b, const struct wire_metadata *metadata,
                        struct sy_node *node);
/* enum sy_effect; SY_EFFECT_NONE for what is empty or unknown. */
uint8_t sy_build_effect(struct sy_str s);
/* enum sy_condition from the first condition of that type; *ret (may be NULL) is that condition or
 * NULL. */
uint8_t sy_build_condition(const struct wire_list *conditions, struct sy_str type,
                           const struct wire_condition **ret);
