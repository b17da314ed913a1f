/* SPDX-License-Identifier: Apache-2.0
 *
 * Requirements built from any bytes, matched by id and by a naive reading of the texts. */
#include "model/labels.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

/* The next byte, 0 at the end. */
static uint8_t next(struct sy_str *in)
{
    if (!in->len)
        return 0;
    uint8_t byte = (uint8_t)in->p[0];
    *in = (struct sy_str){in->p + 1, in->len - 1};
    return byte;
}

/* The next text: up to 7 raw bytes. */
static struct sy_str next_text(struct sy_str *in)
{
    size_t len = next(in) % 8;
    if (len > in->len)
        len = in->len;
    struct sy_str s = {in->p, len};
    *in = (struct sy_str){in->p + len, in->len - len};
    return s;
}

static bool naive(uint8_t op, struct sy_str key, const struct sy_str *values, uint32_t values_len,
                  const struct sy_str *pairs, uint32_t pairs_len, int64_t limit)
{
    const struct sy_str *found = NULL;
    bool in_values = false;
    int64_t number;

    for (uint32_t i = 0; i < pairs_len; i++) {
        if (sy_str_eq(pairs[2 * i], key))
            found = &pairs[2 * i + 1]; /* the last of equal keys counts */
    }
    for (uint32_t i = 0; found && i < values_len; i++)
        in_values |= sy_str_eq(values[i], *found);
    switch (op) {
    case SY_OP_IN:
        return in_values;
    case SY_OP_NOT_IN:
        return !in_values;
    case SY_OP_EXISTS:
        return found;
    case SY_OP_DOES_NOT_EXIST:
        return !found;
    case SY_OP_GT:
    case SY_OP_LT:
        if (!found)
            return false;
        if (found->len > 1 && found->p[0] == '+' && found->p[1] != '-') {
            struct sy_str rest = {found->p + 1, found->len - 1};
            if (sy_str_i64(rest, &number) < 0)
                return false;
        } else if (sy_str_i64(*found, &number) < 0) {
            return false;
        }
        return op == SY_OP_GT ? number > limit : number < limit;
    default:
        return false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {3, 4};
    struct sy_str in = {(const char *)data, size};
    struct sy_str pairs[2 * MOST], values[MOST];
    struct sy_label labels[MOST];
    sy_sid ids[MOST];
    struct sy_strings *strings = sy_strings_new(key);
    uint32_t pairs_len = next(&in) % (MOST + 1), values_len = next(&in) % (MOST + 1);

    sy_label_key_valid(in);
    sy_label_value_valid(in);
    struct sy_requirement req = {.op = next(&in) % (SY_OP_INVALID + 1), .values = ids};
    struct sy_str req_key = next_text(&in);
    req.key = sy_strings_add(strings, req_key);
    for (uint32_t i = 0; i < values_len; i++) {
        values[i] = next_text(&in);
        ids[i] = sy_strings_add(strings, values[i]);
    }
    for (uint32_t i = 0; i < 2 * pairs_len; i++)
        pairs[i] = next_text(&in);
    for (uint32_t i = 0; i < pairs_len; i++)
        labels[i] = (struct sy_label){sy_strings_add(strings, pairs[2 * i]),
                                      sy_strings_add(strings, pairs[2 * i + 1])};
    struct sy_labels set = {labels, sy_labels_sort(labels, pairs_len)};
    req.values_len = sy_sids_sort(ids, values_len);

    uint8_t op = req.op;
    sy_requirement_check(&req, strings);
    bool got = sy_requirement_matches(&req, strings, set);
    if (req.op == SY_OP_INVALID) {
        must(!got);
    } else {
        must(req.op == op);
        must(got == naive(op, req_key, values, values_len, pairs, pairs_len, req.number));
    }

    struct sy_selector sel = {.reqs = &req, .len = 1};
    bool selected = sy_selector_matches(&sel, strings, set);
    must(selected == (got && op != SY_OP_GT && op != SY_OP_LT));
    struct sy_node_term term = {.exprs = &req, .exprs_len = 1};
    must(sy_node_term_matches(&term, strings, set, 1, 2) == got);
    term = (struct sy_node_term){.fields = &req, .fields_len = 1};
    (void)sy_node_term_matches(&term, strings, set, 1, req.key);
    sy_strings_free(strings);
    return 0;
}
