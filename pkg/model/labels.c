/* SPDX-License-Identifier: Apache-2.0 */
#include "model/labels.h"

#include "model/sort.h"

/* Index of the first label whose key is not below `key`; len when there is none. */
static uint32_t lower_bound(struct sy_labels labels, sy_sid key)
{
    const struct sy_label *p = labels.p;
    uint32_t left = labels.len;

    while (left) {
        uint32_t half = left / 2;
        if (p[half].key < key) {
            p += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return labels.len ? (uint32_t)(p - labels.p) : 0;
}

sy_sid sy_labels_get(struct sy_labels labels, sy_sid key)
{
    /* Most objects have a handful, where a scan beats the branches of a search. */
    if (labels.len <= 8) {
        for (uint32_t i = 0; i < labels.len; i++) {
            if (labels.p[i].key == key)
                return labels.p[i].value;
        }
        return 0;
    }
    uint32_t i = lower_bound(labels, key);
    return i < labels.len && labels.p[i].key == key ? labels.p[i].value : 0;
}

uint32_t sy_labels_sort(struct sy_label *p, uint32_t len)
{
    return sy_sort_unique(p, len, sizeof(*p));
}

uint32_t sy_sids_sort(sy_sid *p, uint32_t len)
{
    return sy_sort_unique(p, len, sizeof(*p));
}

bool sy_labels_eq(struct sy_labels a, struct sy_labels b)
{
    return a.len == b.len && (!a.len || memcmp(a.p, b.p, a.len * sizeof(*a.p)) == 0);
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A label's name or non-empty value: [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?, at most 63 long. */
static bool is_label_word(struct sy_str s)
{
    if (!s.len || s.len > 63 || !is_alphanumeric(s.p[0]) || !is_alphanumeric(s.p[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alphanumeric(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    }
    return true;
}

static bool is_dns_subdomain(struct sy_str s)
{
    bool word_before = false; /* the byte before is a letter or digit */

    if (!s.len || s.len > 253)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool word = is_alphanumeric(s.p[i]) && !(s.p[i] >= 'A' && s.p[i] <= 'Z');
        /* A dash may follow a dash; a dot needs a word on either side. */
        if (!word && (s.p[i] != '.' || !word_before) &&
            (s.p[i] != '-' || i == 0 || s.p[i - 1] == '.'))
            return false;
        word_before = word;
    }
    return word_before;
}

bool sy_label_key_valid(struct sy_str key)
{
    const char *slash = key.len ? memchr(key.p, '/', key.len) : NULL;

    if (!slash)
        return is_label_word(key);
    size_t prefix_len = (size_t)(slash - key.p);
    return is_dns_subdomain((struct sy_str){key.p, prefix_len}) &&
           is_label_word((struct sy_str){slash + 1, key.len - prefix_len - 1});
}

bool sy_label_value_valid(struct sy_str value)
{
    return !value.len || is_label_word(value);
}

/* As Go's ParseInt of base 10: an optional sign, then digits. */
static bool parse_number(struct sy_str s, int64_t *ret)
{
    if (s.len > 1 && s.p[0] == '+' && s.p[1] != '-')
        s = (struct sy_str){s.p + 1, s.len - 1};
    return sy_str_i64(s, ret) == 0;
}

void sy_requirement_check(struct sy_requirement *req, const struct sy_strings *strings)
{
    bool ok = sy_label_key_valid(sy_strings_get(strings, req->key));

    req->number = 0;
    req->number_ok = false;
    switch (req->op) {
    case SY_OP_IN:
    case SY_OP_NOT_IN:
        ok &= req->values_len > 0;
        break;
    case SY_OP_EXISTS:
    case SY_OP_DOES_NOT_EXIST:
        ok &= req->values_len == 0;
        break;
    case SY_OP_GT:
    case SY_OP_LT:
        ok = ok && req->values_len == 1 &&
             parse_number(sy_strings_get(strings, req->values[0]), &req->number);
        req->number_ok = ok;
        break;
    default:
        ok = false;
    }
    for (uint32_t i = 0; ok && i < req->values_len; i++)
        ok = sy_label_value_valid(sy_strings_get(strings, req->values[i]));
    if (!ok) {
        req->op = SY_OP_INVALID;
        req->number = 0;
        req->number_ok = false;
    }
}

static bool has_value(const struct sy_requirement *req, sy_sid value)
{
    uint32_t low = 0, high = req->values_len;

    while (high - low > 8) {
        uint32_t middle = low + (high - low) / 2;
        if (req->values[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t i = low; i < high; i++) {
        if (req->values[i] == value)
            return true;
    }
    return false;
}

bool sy_requirement_matches(const struct sy_requirement *req, const struct sy_strings *strings,
                            struct sy_labels labels)
{
    sy_sid value = sy_labels_get(labels, req->key);
    int64_t number;

    switch (req->op) {
    case SY_OP_IN:
        return value && has_value(req, value);
    case SY_OP_NOT_IN:
        return req->values_len && !(value && has_value(req, value));
    case SY_OP_EXISTS:
        return value && !req->values_len;
    case SY_OP_DOES_NOT_EXIST:
        return !value && !req->values_len;
    case SY_OP_GT:
    case SY_OP_LT:
        if (!value || !req->number_ok || !parse_number(sy_strings_get(strings, value), &number))
            return false;
        return req->op == SY_OP_GT ? number > req->number : number < req->number;
    default:
        return false;
    }
}

bool sy_selector_matches(const struct sy_selector *sel, const struct sy_strings *strings,
                         struct sy_labels labels)
{
    if (sel->is_nil || sel->is_invalid)
        return false;
    for (uint32_t i = 0; i < sel->len; i++) {
        const struct sy_requirement *req = &sel->reqs[i];
        if (req->op == SY_OP_GT || req->op == SY_OP_LT ||
            !sy_requirement_matches(req, strings, labels))
            return false;
    }
    return true;
}

/* Upstream compares a field by text, and a field that it does not know reads as "". */
static bool field_matches(const struct sy_requirement *req, const struct sy_strings *strings,
                          sy_sid name, sy_sid name_field)
{
    if ((req->op != SY_OP_IN && req->op != SY_OP_NOT_IN) || req->values_len != 1)
        return false;
    bool equal = req->key == name_field ? req->values[0] == name
                                        : sy_strings_get(strings, req->values[0]).len == 0;
    return equal == (req->op == SY_OP_IN);
}

static bool field_valid(const struct sy_requirement *req)
{
    return (req->op == SY_OP_IN || req->op == SY_OP_NOT_IN) && req->values_len == 1;
}

bool sy_node_term_matches(const struct sy_node_term *term, const struct sy_strings *strings,
                          struct sy_labels labels, sy_sid name, sy_sid name_field)
{
    if (!term->exprs_len && !term->fields_len)
        return false;
    for (uint32_t i = 0; i < term->exprs_len; i++) {
        if (!sy_requirement_matches(&term->exprs[i], strings, labels))
            return false;
    }
    for (uint32_t i = 0; i < term->fields_len; i++) {
        /* A node without a name has no fields, and then upstream asks for none. */
        if (name ? !field_matches(&term->fields[i], strings, name, name_field)
                 : !field_valid(&term->fields[i]))
            return false;
    }
    return true;
}

bool sy_node_selector_matches(const struct sy_node_selector *sel, const struct sy_strings *strings,
                              struct sy_labels labels, sy_sid name, sy_sid name_field)
{
    if (!sel->is_set)
        return true;
    for (uint32_t i = 0; i < sel->len; i++) {
        if (sy_node_term_matches(&sel->terms[i], strings, labels, name, name_field))
            return true;
    }
    return false;
}

bool sy_toleration_covers(const struct sy_toleration *t, const struct sy_strings *strings,
                          const struct sy_taint *taint)
{
    (void)strings;
    if (t->effect != SY_EFFECT_NONE && t->effect != taint->effect)
        return false;
    if (t->key && t->key != taint->key)
        return false;
    switch (t->op) {
    case SY_TOLERATION_EQUAL:
        return t->value == taint->value;
    case SY_TOLERATION_EXISTS:
        return true;
    default:
        /* Gt and Lt: TaintTolerationComparisonOperators is alpha and off in v1.37. */
        return false;
    }
}

const struct sy_taint *
sy_taints_first_untolerated(const struct sy_taint *taints, uint32_t taints_len,
                            const struct sy_toleration *tolerations, uint32_t tolerations_len,
                            const struct sy_strings *strings, uint32_t effect_mask)
{
    for (uint32_t i = 0; i < taints_len; i++) {
        bool covered = !(effect_mask >> taints[i].effect & 1);
        for (uint32_t j = 0; j < tolerations_len && !covered; j++)
            covered = sy_toleration_covers(&tolerations[j], strings, &taints[i]);
        if (!covered)
            return &taints[i];
    }
    return NULL;
}
