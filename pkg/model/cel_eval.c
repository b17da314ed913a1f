/* SPDX-License-Identifier: Apache-2.0
 *
 * CEL's evaluation: a walk over the tree with one struct value a node. An error is a value, so that
 * && and || can absorb it; running out of steps or memory is not, and ends the walk. */
#include <errno.h>

#include "model/cel.h"
#include "model/cel_int.h"

enum value_kind {
    V_ERROR,
    V_BOOL,
    V_INT,
    V_STRING,
    V_LIST,
    V_QUANTITY,
    V_SEMVER,
    V_DEVICE,
    V_ATTRIBUTES, /* by domain */
    V_CAPACITIES,
    V_ATTRIBUTES_OF, /* of the domain in `text`, by name */
    V_CAPACITIES_OF,
    V_OPTIONAL,
};

struct semver {
    uint64_t number[3];
    struct sy_str pre; /* "alpha.1" or empty */
};

struct value {
    uint8_t kind; /* enum value_kind */
    union {
        int64_t number;     /* BOOL, INT */
        struct sy_str text; /* STRING; ERROR's message; a domain */
        struct {
            const struct value *p; /* LIST; OPTIONAL has none or one */
            size_t len;
        } list;
        struct sy_exact quantity;
        struct semver semver;
    };
};

struct scope {
    struct sy_str name;
    const struct value *value;
    const struct scope *outer;
};

struct eval {
    const struct sy_strings *strings;
    sy_sid driver;
    const struct sy_device *device;
    struct sy_arena *arena;
    uint64_t cost;
    int fatal; /* -ETIME, -E2BIG, -ENOMEM */
};

static const char *const KIND_NAMES[] = {
    "error",  "bool", "int", "string", "list", "quantity", "semver",
    "device", "map",  "map", "map",    "map",  "optional",
};

/* ---- values ---------------------------------------------------------------------------------- */

static struct value error(const char *text)
{
    return (struct value){.kind = V_ERROR, .text = sy_str_from(text)};
}

static struct value boolean(bool b)
{
    return (struct value){.kind = V_BOOL, .number = b};
}

static struct value integer(int64_t n)
{
    return (struct value){.kind = V_INT, .number = n};
}

static struct value string(struct sy_str s)
{
    return (struct value){.kind = V_STRING, .text = s};
}

static struct value no_overload(void)
{
    return error("no such overload");
}

static bool charge(struct eval *v, uint64_t steps)
{
    v->cost += steps;
    if (v->cost > SY_CEL_COST_MAX && !v->fatal)
        v->fatal = -ETIME;
    return !v->fatal;
}

static void *room(struct eval *v, size_t count, size_t size)
{
    void *p = v->fatal ? NULL : sy_arena_array(v->arena, count ? count : 1, size);

    if (!p && !v->fatal)
        v->fatal = sy_arena_why(v->arena, count ? count : 1, size);
    return p;
}

static struct value missing(struct eval *v, struct sy_str name)
{
    static const char HEAD[] = "no such key: ";
    size_t len = sizeof(HEAD) - 1 + name.len;
    char *text = room(v, len, 1);

    if (!text)
        return error("out of memory");
    memcpy(text, HEAD, sizeof(HEAD) - 1);
    if (name.len)
        memcpy(text + sizeof(HEAD) - 1, name.p, name.len);
    return (struct value){.kind = V_ERROR, .text = {text, len}};
}

static struct value optional(struct eval *v, const struct value *of)
{
    struct value none = {.kind = V_OPTIONAL};
    struct value *copy = of ? room(v, 1, sizeof(*copy)) : NULL;

    if (!copy)
        return none;
    *copy = *of;
    none.list.p = copy;
    none.list.len = 1;
    return none;
}

/* ---- semantic versions ----------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct sy_str cut(struct sy_str *s, char at)
{
    const char *found = s->len ? memchr(s->p, at, s->len) : NULL;
    struct sy_str head = {s->p, found ? (size_t)(found - s->p) : s->len};

    *s = found ? (struct sy_str){found + 1, s->len - head.len - 1} : (struct sy_str){0};
    return head;
}

static bool all_digits(struct sy_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i]))
            return false;
    }
    return s.len != 0;
}

/* Dotted identifiers. Numbers of a pre-release have no zeros in front, those of a build may. */
static bool identifiers_ok(struct sy_str s, bool is_pre)
{
    for (;;) {
        bool more = s.len && memchr(s.p, '.', s.len);
        struct sy_str part = cut(&s, '.');
        if (!part.len || (is_pre && part.len > 1 && part.p[0] == '0' && all_digits(part)))
            return false;
        for (size_t i = 0; i < part.len; i++) {
            char c = part.p[i];
            if (!is_digit(c) && c != '-' && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
                return false;
        }
        uint64_t number;
        if (is_pre && all_digits(part) && sy_str_u64(part, &number) < 0)
            return false;
        if (!more)
            return true;
    }
}

static bool semver_parse(struct sy_str s, struct semver *ret)
{
    struct semver version = {0};

    for (int i = 0; i < 3; i++) {
        struct sy_str part = s;
        if (i < 2) {
            if (!s.len || !memchr(s.p, '.', s.len))
                return false;
            part = cut(&s, '.');
        } else {
            size_t digits = 0;
            while (digits < s.len && is_digit(s.p[digits]))
                digits++;
            part.len = digits;
            s = (struct sy_str){s.p + digits, s.len - digits};
        }
        if (!all_digits(part) || (part.len > 1 && part.p[0] == '0') ||
            sy_str_u64(part, &version.number[i]) < 0)
            return false;
    }
    if (s.len && s.p[0] == '-') {
        struct sy_str rest = {s.p + 1, s.len - 1};
        const char *plus = rest.len ? memchr(rest.p, '+', rest.len) : NULL;
        version.pre = (struct sy_str){rest.p, plus ? (size_t)(plus - rest.p) : rest.len};
        if (!identifiers_ok(version.pre, true))
            return false;
        s = plus ? (struct sy_str){plus, rest.len - version.pre.len} : (struct sy_str){0};
    }
    if (s.len && (s.p[0] != '+' || !identifiers_ok((struct sy_str){s.p + 1, s.len - 1}, false)))
        return false;
    *ret = version;
    return true;
}

/* semver(text, true): without "v", with what is missing filled in, without zeros in front. */
static bool semver_normalize(struct eval *v, struct sy_str s, struct sy_str *ret)
{
    char *to = room(v, s.len + 8, 1);
    size_t len = 0;
    int parts = 0;
    bool more = true;

    if (!to)
        return false;
    if (s.len && s.p[0] == 'v')
        s = (struct sy_str){s.p + 1, s.len - 1};
    for (; more && parts < 3; parts++) {
        more = parts < 2 && s.len && memchr(s.p, '.', s.len);
        struct sy_str part = more ? cut(&s, '.') : s;
        if (!more && parts < 2 && part.len &&
            (memchr(part.p, '+', part.len) || memchr(part.p, '-', part.len)))
            return false;
        size_t zeros = 0;
        while (part.len > 1 && zeros < part.len && part.p[zeros] == '0')
            zeros++;
        if (parts)
            to[len++] = '.';
        if (zeros && (zeros == part.len || !is_digit(part.p[zeros])))
            zeros--;
        else if (!zeros && part.len > 1 && !is_digit(part.p[0]))
            to[len++] = '0';
        if (part.len)
            memcpy(to + len, part.p + zeros, part.len - zeros);
        len += part.len - zeros;
    }
    for (; parts < 3; parts++) {
        to[len++] = '.';
        to[len++] = '0';
    }
    *ret = (struct sy_str){to, len};
    return true;
}

static int semver_cmp(const struct semver *a, const struct semver *b)
{
    struct sy_str x = a->pre, y = b->pre;

    for (int i = 0; i < 3; i++) {
        if (a->number[i] != b->number[i])
            return a->number[i] < b->number[i] ? -1 : 1;
    }
    if (!x.len || !y.len) /* a release comes after its pre-releases */
        return (y.len != 0) - (x.len != 0);
    while (x.len && y.len) {
        struct sy_str p = cut(&x, '.'), q = cut(&y, '.');
        bool p_is_number = all_digits(p), q_is_number = all_digits(q);
        int r;
        if (p_is_number != q_is_number)
            return p_is_number ? -1 : 1;
        if (p_is_number && p.len != q.len)
            return p.len < q.len ? -1 : 1;
        r = sy_str_cmp(p, q);
        if (r)
            return r < 0 ? -1 : 1;
    }
    return (x.len != 0) - (y.len != 0);
}

/* ---- strings --------------------------------------------------------------------------------- */

static size_t rune_len(const char *p, size_t len)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

    if (n > len)
        return 1;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 1;
    }
    return n;
}

static int64_t rune_count(struct sy_str s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s.len; i += rune_len(s.p + i, s.len - i))
        n++;
    return n;
}

static bool holds(struct eval *v, struct sy_str s, struct sy_str part)
{
    charge(v, (s.len + 9) / 10 * ((part.len + 9) / 10));
    return !part.len || (s.len >= part.len && memmem(s.p, s.len, part.p, part.len));
}

static bool ends(struct sy_str s, struct sy_str tail)
{
    return !tail.len || (s.len >= tail.len && !memcmp(s.p + s.len - tail.len, tail.p, tail.len));
}

static struct value in_case(struct eval *v, struct sy_str s, char from, int by)
{
    char *to = room(v, s.len, 1);

    if (!to)
        return error("out of memory");
    charge(v, s.len / 10);
    for (size_t i = 0; i < s.len; i++)
        to[i] = s.p[i] >= from && s.p[i] < from + 26 ? (char)(s.p[i] + by) : s.p[i];
    return string((struct sy_str){to, s.len});
}

/* The pattern is one that the parser took for simple. */
struct atom {
    struct sy_str text; /* of the atom, an escape's backslash left out */
    bool is_any, is_class;
};

static size_t take_atom(struct sy_str pattern, struct atom *ret)
{
    size_t len = 1;

    *ret = (struct atom){.text = {pattern.p, 1}};
    if (pattern.p[0] == '.') {
        ret->is_any = true;
    } else if (pattern.p[0] == '\\') {
        ret->text.p++;
        len = 2;
    } else if (pattern.p[0] == '[') {
        while (pattern.p[len] != ']')
            len++;
        ret->is_class = true;
        ret->text = (struct sy_str){pattern.p + 1, len - 1};
        len++;
    }
    return len;
}

static bool in_class(struct sy_str class, char c)
{
    bool negated = class.p[0] == '^', found = false;

    for (size_t i = negated; i < class.len; i++) {
        if (i + 2 < class.len && class.p[i + 1] == '-') {
            found |= c >= class.p[i] && c <= class.p[i + 2];
            i += 2;
        } else {
            found |= c == class.p[i];
        }
    }
    return found != negated;
}

/* How many bytes of s the atom takes, 0 for none. */
static size_t atom_takes(const struct atom *a, struct sy_str s)
{
    if (!s.len)
        return 0;
    if (a->is_any)
        return s.p[0] == '\n' ? 0 : rune_len(s.p, s.len);
    if (a->is_class)
        return in_class(a->text, s.p[0]) ? rune_len(s.p, s.len) : 0;
    return s.p[0] == a->text.p[0];
}

static bool matches_here(struct eval *v, struct sy_str pattern, struct sy_str s)
{
    struct atom atom;

    while (charge(v, 1)) {
        if (!pattern.len)
            return true;
        if (pattern.p[0] == '$')
            return !s.len;
        size_t len = take_atom(pattern, &atom);
        char times = len < pattern.len ? pattern.p[len] : 0;
        bool repeats = times == '*' || times == '+' || times == '?';
        size_t rest_at = len + repeats;
        struct sy_str rest = {pattern.p + rest_at, pattern.len - rest_at};
        size_t taken = atom_takes(&atom, s);
        if (!repeats) {
            if (!taken)
                return false;
        } else {
            /* The fewest first: whether there is a match does not depend on which. */
            if (times != '+' && matches_here(v, rest, s))
                return true;
            if (!taken)
                return false;
            if (times == '?') {
                s = (struct sy_str){s.p + taken, s.len - taken};
                pattern = rest;
                continue;
            }
            for (; taken && charge(v, 1); taken = atom_takes(&atom, s)) {
                s = (struct sy_str){s.p + taken, s.len - taken};
                if (matches_here(v, rest, s))
                    return true;
            }
            return false;
        }
        s = (struct sy_str){s.p + taken, s.len - taken};
        pattern = rest;
    }
    return false;
}

static bool matches(struct eval *v, struct sy_str pattern, struct sy_str s)
{
    if (pattern.len && pattern.p[0] == '^')
        return matches_here(v, (struct sy_str){pattern.p + 1, pattern.len - 1}, s);
    for (;;) {
        if (matches_here(v, pattern, s))
            return true;
        if (!s.len || v->fatal)
            return false;
        size_t n = rune_len(s.p, s.len);
        s = (struct sy_str){s.p + n, s.len - n};
    }
}

/* ---- the device ------------------------------------------------------------------------------ */

static bool sid_is(const struct eval *v, sy_sid id, struct sy_str text)
{
    return sy_str_eq(sy_strings_get(v->strings, id), text);
}

static struct value attribute_value(struct eval *v, const struct sy_attribute *a)
{
    struct semver version;

    switch (a->kind) {
    case SY_ATTRIBUTE_INT:
        return integer(a->number);
    case SY_ATTRIBUTE_BOOL:
        return boolean(a->number != 0);
    case SY_ATTRIBUTE_STRING:
        return string(sy_strings_get(v->strings, a->text));
    case SY_ATTRIBUTE_VERSION:
        if (!semver_parse(sy_strings_get(v->strings, a->text), &version))
            return error("parse semantic version: not one");
        return (struct value){.kind = V_SEMVER, .semver = version};
    default:
        return error("unsupported attribute value");
    }
}

/* One entry of a map; false when there is none. */
static bool entry(struct eval *v, const struct value *map, struct sy_str key, struct value *ret)
{
    const struct sy_device *d = v->device;

    charge(v, 1);
    switch (map->kind) {
    case V_ATTRIBUTES:
    case V_CAPACITIES: /* a domain without entries is an empty map */
        *ret = (struct value){.kind = map->kind == V_ATTRIBUTES ? V_ATTRIBUTES_OF : V_CAPACITIES_OF,
                              .text = key};
        return true;
    case V_ATTRIBUTES_OF:
        for (uint32_t i = 0; i < d->attributes_len; i++) {
            if (!sid_is(v, d->attributes[i].name, key) ||
                !sid_is(v, d->attributes[i].domain, map->text))
                continue;
            *ret = attribute_value(v, &d->attributes[i]);
            return true;
        }
        return false;
    case V_CAPACITIES_OF:
        for (uint32_t i = 0; i < d->capacity_len; i++) {
            if (!sid_is(v, d->capacity[i].name, key) ||
                !sid_is(v, d->capacity[i].domain, map->text))
                continue;
            *ret = (struct value){.kind = V_QUANTITY, .quantity = d->capacity[i].value};
            return true;
        }
        return false;
    default:
        return false;
    }
}

static bool is_map(const struct value *a)
{
    return a->kind >= V_ATTRIBUTES && a->kind <= V_CAPACITIES_OF;
}

static bool domain_is_known(const struct eval *v, const struct value *map, struct sy_str domain)
{
    const struct sy_device *d = v->device;

    for (uint32_t i = 0; map->kind == V_ATTRIBUTES && i < d->attributes_len; i++) {
        if (sid_is(v, d->attributes[i].domain, domain))
            return true;
    }
    for (uint32_t i = 0; map->kind == V_CAPACITIES && i < d->capacity_len; i++) {
        if (sid_is(v, d->capacity[i].domain, domain))
            return true;
    }
    return false;
}

/* The keys of a map as a list; keys of the outer maps may come more than once. */
static struct value keys_of(struct eval *v, const struct value *map)
{
    const struct sy_device *d = v->device;
    bool attributes = map->kind == V_ATTRIBUTES || map->kind == V_ATTRIBUTES_OF;
    bool inner = map->kind == V_ATTRIBUTES_OF || map->kind == V_CAPACITIES_OF;
    uint32_t all = attributes ? d->attributes_len : d->capacity_len;
    struct value *keys = room(v, all, sizeof(*keys));
    size_t len = 0;

    for (uint32_t i = 0; keys && i < all && charge(v, 1); i++) {
        sy_sid domain = attributes ? d->attributes[i].domain : d->capacity[i].domain;
        sy_sid name = attributes ? d->attributes[i].name : d->capacity[i].name;
        sy_sid key = inner ? name : domain;
        bool seen = inner && !sid_is(v, domain, map->text);
        for (size_t j = 0; j < len && !inner && !seen; j++)
            seen = sid_is(v, key, keys[j].text);
        if (!seen)
            keys[len++] = string(sy_strings_get(v->strings, key));
    }
    return (struct value){.kind = V_LIST, .list = {keys, len}};
}

static struct value field(struct eval *v, const struct value *of, struct sy_str name)
{
    struct value found;

    if (of->kind == V_ERROR)
        return *of;
    if (of->kind == V_DEVICE) {
        if (sy_str_eqz(name, "driver"))
            return string(sy_strings_get(v->strings, v->driver));
        if (sy_str_eqz(name, "attributes"))
            return (struct value){.kind = V_ATTRIBUTES};
        if (sy_str_eqz(name, "capacity"))
            return (struct value){.kind = V_CAPACITIES};
        if (sy_str_eqz(name, "allowMultipleAllocations"))
            return boolean(v->device->is_shared);
        return missing(v, name);
    }
    if (!is_map(of))
        return no_overload();
    return entry(v, of, name, &found) ? found : missing(v, name);
}

static struct value index_of(struct eval *v, const struct value *of, const struct value *key)
{
    if (of->kind == V_ERROR)
        return *of;
    if (key->kind == V_ERROR)
        return *key;
    if (of->kind == V_LIST && key->kind == V_INT) {
        if (key->number < 0 || (uint64_t)key->number >= of->list.len)
            return error("index out of bounds");
        return of->list.p[key->number];
    }
    if (is_map(of) && key->kind == V_STRING)
        return field(v, of, key->text);
    return no_overload();
}

/* ---- operators ------------------------------------------------------------------------------- */

static struct value equal(struct eval *v, const struct value *a, const struct value *b)
{
    if (!charge(v, 1))
        return error("out of steps");
    if (a->kind != b->kind) /* Kubernetes' own types differ from CEL's here */
        return a->kind == V_SEMVER || a->kind == V_QUANTITY ? no_overload() : boolean(false);
    switch (a->kind) {
    case V_BOOL:
    case V_INT:
        return boolean(a->number == b->number);
    case V_STRING:
        charge(v, (a->text.len < b->text.len ? a->text.len : b->text.len) / 10);
        return boolean(sy_str_eq(a->text, b->text));
    case V_QUANTITY:
        return boolean(sy_exact_cmp(a->quantity, b->quantity) == 0);
    case V_SEMVER:
        return boolean(semver_cmp(&a->semver, &b->semver) == 0);
    case V_LIST:
    case V_OPTIONAL:
        if (a->list.len != b->list.len)
            return boolean(false);
        for (size_t i = 0; i < a->list.len; i++) {
            struct value same = equal(v, &a->list.p[i], &b->list.p[i]);
            if (same.kind != V_BOOL || !same.number)
                return same;
        }
        return boolean(true);
    default:
        return no_overload();
    }
}

static struct value compare(struct eval *v, enum cel_op op, const struct value *a,
                            const struct value *b)
{
    int r;

    if (a->kind != b->kind)
        return no_overload();
    switch (a->kind) {
    case V_BOOL:
    case V_INT:
        r = (a->number > b->number) - (a->number < b->number);
        break;
    case V_STRING:
        charge(v, (a->text.len < b->text.len ? a->text.len : b->text.len) / 10);
        r = sy_str_cmp(a->text, b->text);
        break;
    default:
        return no_overload();
    }
    return boolean(op == CEL_LESS         ? r < 0
                   : op == CEL_LESS_EQUAL ? r <= 0
                   : op == CEL_GREATER    ? r > 0
                                          : r >= 0);
}

static struct value is_in(struct eval *v, const struct value *key, const struct value *all)
{
    struct value found;

    if (all->kind == V_LIST) {
        for (size_t i = 0; i < all->list.len; i++) {
            struct value same = equal(v, key, &all->list.p[i]);
            if (same.kind == V_BOOL && same.number)
                return same;
        }
        return boolean(false);
    }
    if (!is_map(all))
        return no_overload();
    if (key->kind != V_STRING)
        return boolean(false);
    if (all->kind == V_ATTRIBUTES || all->kind == V_CAPACITIES)
        return boolean(domain_is_known(v, all, key->text));
    return boolean(entry(v, all, key->text, &found));
}

static struct value joined(struct eval *v, const struct value *a, const struct value *b)
{
    bool is_list = a->kind == V_LIST;
    size_t alen = is_list ? a->list.len : a->text.len, blen = is_list ? b->list.len : b->text.len;
    size_t size = is_list ? sizeof(struct value) : 1;
    char *to = room(v, alen + blen, size);

    if (!to || !charge(v, (alen + blen) / 10))
        return error("out of memory");
    if (alen)
        memcpy(to, is_list ? (const void *)a->list.p : a->text.p, alen * size);
    if (blen)
        memcpy(to + alen * size, is_list ? (const void *)b->list.p : b->text.p, blen * size);
    if (!is_list)
        return string((struct sy_str){to, alen + blen});
    return (struct value){.kind = V_LIST,
                          .list = {(const struct value *)(const void *)to, alen + blen}};
}

static struct value arithmetic(struct eval *v, enum cel_op op, const struct value *a,
                               const struct value *b)
{
    int64_t n;
    bool over = false;

    if (op == CEL_ADD && a->kind == b->kind && (a->kind == V_STRING || a->kind == V_LIST))
        return joined(v, a, b);
    if (a->kind != V_INT || b->kind != V_INT)
        return no_overload();
    switch (op) {
    case CEL_ADD:
        over = sy_add_overflow(a->number, b->number, &n);
        break;
    case CEL_SUBTRACT:
        over = sy_sub_overflow(a->number, b->number, &n);
        break;
    case CEL_MULTIPLY:
        over = sy_mul_overflow(a->number, b->number, &n);
        break;
    default:
        if (!b->number)
            return error(op == CEL_DIVIDE ? "division by zero" : "modulus by zero");
        over = a->number == INT64_MIN && b->number == -1;
        n = over ? 0 : op == CEL_DIVIDE ? a->number / b->number : a->number % b->number;
        break;
    }
    return over ? error("integer overflow") : integer(n);
}

/* ---- functions ------------------------------------------------------------------------------- */

static struct value of_strings(struct eval *v, enum cel_fn fn, struct sy_str s,
                               const struct value *b)
{
    if (b->kind != V_STRING)
        return no_overload();
    switch (fn) {
    case CEL_FN_STARTS_WITH:
        return boolean(sy_str_starts(s, b->text));
    case CEL_FN_ENDS_WITH:
        return boolean(ends(s, b->text));
    case CEL_FN_CONTAINS:
        return boolean(holds(v, s, b->text));
    default:
        return boolean(matches(v, b->text, s));
    }
}

static struct value ordered(enum cel_fn fn, int r)
{
    return fn == CEL_FN_COMPARE ? integer(r) : boolean(fn == CEL_FN_GREATER ? r > 0 : r < 0);
}

static struct value of_quantity(enum cel_fn fn, struct sy_exact q, const struct value *b)
{
    struct sy_exact other = {.whole = b->number};

    switch (fn) {
    case CEL_FN_SIGN:
        return integer(sy_exact_cmp(q, (struct sy_exact){0}));
    case CEL_FN_IS_INTEGER:
        return boolean(!q.nano);
    case CEL_FN_AS_INTEGER:
        return q.nano ? error("cannot convert value to integer") : integer(q.whole);
    case CEL_FN_COMPARE:
    case CEL_FN_GREATER:
    case CEL_FN_LESS:
        if (b->kind != V_QUANTITY)
            return no_overload();
        return ordered(fn, sy_exact_cmp(q, b->quantity));
    case CEL_FN_ADD:
    case CEL_FN_SUB:
        if (b->kind != V_QUANTITY && b->kind != V_INT)
            return no_overload();
        if (b->kind == V_QUANTITY)
            other = b->quantity;
        q = fn == CEL_FN_ADD ? sy_exact_add(q, other) : sy_exact_sub(q, other);
        return (struct value){.kind = V_QUANTITY, .quantity = q};
    default:
        return no_overload();
    }
}

static struct value of_semver(enum cel_fn fn, const struct semver *s, const struct value *b)
{
    switch (fn) {
    case CEL_FN_MAJOR:
    case CEL_FN_MINOR:
    case CEL_FN_PATCH:
        return integer((int64_t)s->number[fn - CEL_FN_MAJOR]);
    case CEL_FN_COMPARE:
    case CEL_FN_GREATER:
    case CEL_FN_LESS:
        if (b->kind != V_SEMVER)
            return no_overload();
        return ordered(fn, semver_cmp(s, &b->semver));
    default:
        return no_overload();
    }
}

static struct value make_semver(struct eval *v, enum cel_fn fn, struct sy_str s,
                                const struct value *normalize)
{
    struct value made = {.kind = V_SEMVER};

    if (normalize->kind != V_BOOL)
        return no_overload();
    bool ok = (!normalize->number || semver_normalize(v, s, &s)) && semver_parse(s, &made.semver);
    if (fn == CEL_FN_IS_SEMVER)
        return boolean(ok);
    return ok ? made : error("semver: not a semantic version");
}

static struct value make_string(struct eval *v, const struct value *a)
{
    char digits[24];
    size_t at = sizeof(digits);

    if (a->kind == V_STRING)
        return *a;
    if (a->kind == V_BOOL)
        return string(a->number ? SY_STR("true") : SY_STR("false"));
    if (a->kind != V_INT)
        return no_overload();
    uint64_t n = a->number < 0 ? 0 - (uint64_t)a->number : (uint64_t)a->number;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    if (a->number < 0)
        digits[--at] = '-';
    char *to = room(v, sizeof(digits) - at, 1);
    if (!to)
        return error("out of memory");
    memcpy(to, digits + at, sizeof(digits) - at);
    return string((struct sy_str){to, sizeof(digits) - at});
}

static struct value of_string(struct eval *v, enum cel_fn fn, struct sy_str s,
                              const struct value *b)
{
    struct value made = {.kind = V_QUANTITY};
    int64_t n;

    switch (fn) {
    case CEL_FN_SIZE:
        charge(v, s.len / 10);
        return integer(rune_count(s));
    case CEL_FN_STARTS_WITH:
    case CEL_FN_ENDS_WITH:
    case CEL_FN_CONTAINS:
    case CEL_FN_MATCHES:
        return of_strings(v, fn, s, b);
    case CEL_FN_LOWER:
        return in_case(v, s, 'A', 32);
    case CEL_FN_UPPER:
        return in_case(v, s, 'a', -32);
    case CEL_FN_INT:
        if (s.len > 1 && s.p[0] == '+')
            s = (struct sy_str){s.p + 1, s.len - 1};
        return sy_str_i64(s, &n) < 0 ? error("type conversion error") : integer(n);
    case CEL_FN_QUANTITY:
        return sy_exact_parse(s, &made.quantity) < 0 ? error("quantity: not one") : made;
    case CEL_FN_IS_QUANTITY:
        return boolean(sy_exact_parse(s, &made.quantity) == 0);
    case CEL_FN_SEMVER:
    case CEL_FN_IS_SEMVER:
        return make_semver(v, fn, s, b);
    default:
        return no_overload();
    }
}

/* b: the second argument, else false. */
static struct value call(struct eval *v, enum cel_fn fn, const struct value *a,
                         const struct value *b)
{
    struct value keys;

    if (a->kind == V_ERROR)
        return *a;
    if (fn == CEL_FN_OR_VALUE || fn == CEL_FN_HAS_VALUE || fn == CEL_FN_VALUE) {
        if (a->kind != V_OPTIONAL)
            return no_overload();
        if (fn == CEL_FN_HAS_VALUE)
            return boolean(a->list.len != 0);
        return a->list.len             ? a->list.p[0]
               : fn == CEL_FN_OR_VALUE ? *b
                                       : error("optional.none() dereference");
    }
    if (b->kind == V_ERROR)
        return *b;
    if (fn == CEL_FN_DYN)
        return *a;
    if (fn == CEL_FN_TO_STRING)
        return make_string(v, a);
    switch (a->kind) {
    case V_STRING:
        return of_string(v, fn, a->text, b);
    case V_INT:
        return fn == CEL_FN_INT ? *a : no_overload();
    case V_QUANTITY:
        return of_quantity(fn, a->quantity, b);
    case V_SEMVER:
        return of_semver(fn, &a->semver, b);
    case V_LIST:
        return fn == CEL_FN_SIZE ? integer((int64_t)a->list.len) : no_overload();
    default:
        if (!is_map(a) || fn != CEL_FN_SIZE)
            return no_overload();
        keys = keys_of(v, a);
        return integer((int64_t)keys.list.len);
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

static struct value eval(struct eval *v, const struct sy_cel *e, const struct scope *scope);

static struct value eval_logic(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    bool ending = e->op == CEL_OR;
    struct value failed = {.kind = V_BOOL};
    bool has_failed = false;

    for (const struct sy_cel *arg = e->args; arg; arg = arg->next) {
        struct value a = eval(v, arg, scope);
        if (v->fatal)
            return a;
        if (a.kind == V_BOOL && (bool)a.number == ending)
            return a;
        if (a.kind == V_BOOL || has_failed)
            continue;
        failed = a.kind == V_ERROR ? a : no_overload();
        has_failed = true;
    }
    return has_failed ? failed : boolean(!ending);
}

/* One round of a macro; false ends the loop with *out as the result. */
static bool macro_step(struct eval *v, enum cel_fn fn, const struct value *item,
                       const struct value *said, struct value *kept, struct value *out)
{
    if (fn == CEL_FN_MAP) {
        if (said->kind == V_ERROR)
            return *out = *said, false;
        kept[out->list.len++] = *said;
        return true;
    }
    struct value result = said->kind == V_BOOL    ? *said
                          : said->kind == V_ERROR ? *said
                                                  : no_overload();
    switch (fn) {
    case CEL_FN_ALL:
    case CEL_FN_EXISTS:
        if (result.kind == V_BOOL && (bool)result.number == (fn == CEL_FN_EXISTS))
            return *out = result, false;
        if (result.kind == V_ERROR && out->kind != V_ERROR)
            *out = result;
        return !v->fatal;
    case CEL_FN_EXISTS_ONE:
        if (result.kind == V_ERROR)
            return *out = result, false;
        out->number += result.number;
        return true;
    default:
        if (result.kind == V_ERROR)
            return *out = result, false;
        if (result.number)
            kept[out->list.len++] = *item;
        return true;
    }
}

static struct value eval_macro(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    struct value range = eval(v, e->args, scope);
    enum cel_fn fn = (enum cel_fn)e->fn;
    struct value *kept = NULL;
    struct value out = {.kind = V_LIST};

    if (range.kind == V_ERROR)
        return range;
    if (is_map(&range))
        range = keys_of(v, &range);
    if (range.kind != V_LIST)
        return error("expected iterable type");
    if (fn == CEL_FN_FILTER || fn == CEL_FN_MAP)
        kept = room(v, range.list.len, sizeof(*kept));
    else
        out = fn == CEL_FN_EXISTS_ONE ? integer(0) : boolean(fn == CEL_FN_ALL);
    for (size_t i = 0; i < range.list.len && !v->fatal; i++) {
        struct scope inner = {e->text, &range.list.p[i], scope};
        struct value said = eval(v, e->args->next, &inner);
        if (v->fatal || !macro_step(v, fn, &range.list.p[i], &said, kept, &out))
            break;
    }
    if (out.kind == V_LIST)
        out.list.p = kept;
    return fn == CEL_FN_EXISTS_ONE && out.kind == V_INT ? boolean(out.number == 1) : out;
}

/* e.f, e.?f, e[k], e[?k]; through an optional when e is one. */
static struct value eval_member(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    struct value of = eval(v, e->args, scope), found;
    struct value key = e->args->next ? eval(v, e->args->next, scope) : string(e->text);
    bool wants_optional = e->op == CEL_OPT_SELECT || e->op == CEL_OPT_INDEX;
    bool was_optional = of.kind == V_OPTIONAL;

    if (of.kind == V_ERROR || key.kind == V_ERROR)
        return of.kind == V_ERROR ? of : key;
    if (was_optional) {
        if (!of.list.len)
            return of;
        of = of.list.p[0];
    }
    if (!wants_optional && !was_optional)
        return e->args->next ? index_of(v, &of, &key) : field(v, &of, e->text);
    if (of.kind == V_LIST && key.kind == V_INT) {
        if (key.number < 0 || (uint64_t)key.number >= of.list.len)
            return optional(v, NULL);
        return optional(v, &of.list.p[key.number]);
    }
    if (of.kind == V_DEVICE)
        found = field(v, &of, key.kind == V_STRING ? key.text : (struct sy_str){0});
    else if (!is_map(&of) || key.kind != V_STRING)
        return no_overload();
    else if (!entry(v, &of, key.text, &found))
        return optional(v, NULL);
    return found.kind == V_ERROR ? found : optional(v, &found);
}

static struct value eval_has(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    struct value of = eval(v, e->args, scope), found;

    if (of.kind == V_OPTIONAL && of.list.len)
        of = of.list.p[0];
    else if (of.kind == V_OPTIONAL)
        return boolean(false);
    if (of.kind == V_ERROR)
        return of;
    if (of.kind == V_DEVICE) {
        found = field(v, &of, e->text);
        return found.kind == V_ERROR ? found : boolean(true);
    }
    return is_map(&of) ? boolean(entry(v, &of, e->text, &found)) : no_overload();
}

static struct value eval_name(struct sy_str name, const struct scope *scope)
{
    for (; scope; scope = scope->outer) {
        if (sy_str_eq(scope->name, name))
            return *scope->value;
    }
    if (sy_str_eqz(name, "device"))
        return (struct value){.kind = V_DEVICE};
    return error("undeclared reference");
}

static struct value eval_list(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    struct value *items = room(v, e->args_len, sizeof(*items));
    size_t len = 0;

    if (!items)
        return error("out of memory");
    for (const struct sy_cel *arg = e->args; arg; arg = arg->next) {
        items[len] = eval(v, arg, scope);
        if (items[len].kind == V_ERROR)
            return items[len];
        len++;
    }
    return (struct value){.kind = V_LIST, .list = {items, len}};
}

static struct value eval_unary(const struct sy_cel *e, struct value a)
{
    if (a.kind == V_ERROR)
        return a;
    if (e->op == CEL_NOT)
        return a.kind == V_BOOL ? boolean(!a.number) : no_overload();
    if (a.kind != V_INT)
        return no_overload();
    return a.number == INT64_MIN ? error("integer overflow") : integer(-a.number);
}

static struct value eval_binary(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    if (e->op == CEL_IN && e->last->op == CEL_LIST && !e->last->args_len)
        return boolean(false); /* whatever the other side, an error too */

    struct value a = eval(v, e->args, scope);
    struct value b = eval(v, e->args->next, scope);

    if (a.kind == V_ERROR || b.kind == V_ERROR)
        return a.kind == V_ERROR ? a : b;
    switch (e->op) {
    case CEL_EQUAL:
        return equal(v, &a, &b);
    case CEL_DIFFERENT:
        a = equal(v, &a, &b);
        return a.kind == V_BOOL ? boolean(!a.number) : a;
    case CEL_LESS:
    case CEL_LESS_EQUAL:
    case CEL_GREATER:
    case CEL_GREATER_EQUAL:
        return compare(v, (enum cel_op)e->op, &a, &b);
    case CEL_IN:
        return is_in(v, &a, &b);
    default:
        return arithmetic(v, (enum cel_op)e->op, &a, &b);
    }
}

static struct value eval(struct eval *v, const struct sy_cel *e, const struct scope *scope)
{
    struct value a, b = boolean(false);

    if (!charge(v, 1))
        return error("out of steps");
    switch (e->op) {
    case CEL_BOOL:
        return boolean(e->number != 0);
    case CEL_INT:
        return integer(e->number);
    case CEL_STRING:
        return string(e->text);
    case CEL_LIST:
        return eval_list(v, e, scope);
    case CEL_NAME:
        return eval_name(e->text, scope);
    case CEL_SELECT:
    case CEL_OPT_SELECT:
    case CEL_INDEX:
    case CEL_OPT_INDEX:
        return eval_member(v, e, scope);
    case CEL_HAS:
        return eval_has(v, e, scope);
    case CEL_NOT:
    case CEL_NEGATE:
        return eval_unary(e, eval(v, e->args, scope));
    case CEL_AND:
    case CEL_OR:
        return eval_logic(v, e, scope);
    case CEL_CONDITION:
        a = eval(v, e->args, scope);
        if (a.kind != V_BOOL)
            return a.kind == V_ERROR ? a : no_overload();
        return eval(v, a.number ? e->args->next : e->last, scope);
    case CEL_CALL:
        a = eval(v, e->args, scope);
        if (e->args->next && !v->fatal)
            b = eval(v, e->args->next, scope);
        return call(v, (enum cel_fn)e->fn, &a, &b);
    case CEL_MACRO:
        return eval_macro(v, e, scope);
    case CEL_BIND:
        a = eval(v, e->args, scope);
        return eval(v, e->last, &(struct scope){e->text, &a, scope});
    default:
        return eval_binary(v, e, scope);
    }
}

int sy_cel_matches(const struct sy_cel *cel, const struct sy_strings *strings, sy_sid driver,
                   const struct sy_device *device, struct sy_arena *scratch, bool *ret,
                   struct sy_err *err)
{
    struct eval v = {.strings = strings, .driver = driver, .device = device, .arena = scratch};
    struct value a = eval(&v, cel, NULL);

    if (v.fatal == -ETIME)
        return sy_err_set(err, -ETIME, "selector took more than %d steps", SY_CEL_COST_MAX);
    if (v.fatal)
        return sy_err_set(err, v.fatal, "selector takes too much memory");
    if (a.kind == V_ERROR)
        return sy_err_set(err, -EINVAL, SY_STR_FMT, SY_STR_ARG(a.text));
    if (a.kind != V_BOOL)
        return sy_err_set(err, -EINVAL, "CEL result of type %s could not be converted to bool",
                          KIND_NAMES[a.kind]);
    *ret = a.number != 0;
    return 0;
}
