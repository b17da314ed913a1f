/* SPDX-License-Identifier: Apache-2.0
 *
 * CEL's parser: recursive descent, one function for each level of precedence. Names that the subset
 * has no meaning for are refused here, so that evaluation only meets what it knows. */
#include "model/cel.h"

#include <errno.h>

#include "model/cel_int.h"

enum { SIMPLE_PATTERN_MAX = 256 }; /* matching recurs for each repeat in it */

struct parser {
    struct sy_arena *arena;
    struct sy_str text;
    size_t at;
    char *bytes; /* room for what the strings hold: never more than the text */
    int depth;
    int code; /* the first failure */
    struct sy_err *err;
};

/* ---- failing --------------------------------------------------------------------------------- */

static struct sy_cel *fail_syntax(struct parser *p, const char *what)
{
    if (!p->code)
        p->code = sy_err_set(p->err, -EINVAL, "selector is not CEL: %s at byte %zu", what, p->at);
    return NULL;
}

static struct sy_cel *fail_beyond(struct parser *p, const char *what, struct sy_str name)
{
    if (!p->code)
        p->code =
            sy_err_set(p->err, -EOPNOTSUPP,
                       "selector uses %s" SY_STR_FMT ", which steelyard's CEL subset does not have",
                       what, SY_STR_ARG(name));
    return NULL;
}

static struct sy_cel *fail_depth(struct parser *p)
{
    if (!p->code)
        p->code = sy_err_set(p->err, -E2BIG, "selector is nested too deeply");
    return NULL;
}

/* ---- building -------------------------------------------------------------------------------- */

static void *room(struct parser *p, size_t size)
{
    void *mem = p->code ? NULL : sy_arena_alloc(p->arena, size);

    if (!mem && !p->code)
        p->code = sy_err_set(p->err, sy_arena_why(p->arena, 1, size),
                             "selector takes too much "
                             "memory");
    return mem;
}

static struct sy_cel *make(struct parser *p, enum cel_op op)
{
    struct sy_cel *e = room(p, sizeof(*e));

    if (e)
        *e = (struct sy_cel){.op = (uint8_t)op, .depth = 1};
    return e;
}

static void add_arg(struct parser *p, struct sy_cel *e, struct sy_cel *arg)
{
    if (!e || !arg)
        return;
    if (e->last)
        e->last->next = arg;
    else
        e->args = arg;
    e->last = arg;
    e->args_len++;
    if (arg->depth >= CEL_TREE_DEPTH_MAX)
        fail_depth(p);
    else if (e->depth <= arg->depth)
        e->depth = (uint8_t)(arg->depth + 1);
}

static struct sy_cel *make_with(struct parser *p, enum cel_op op, struct sy_cel *a,
                                struct sy_cel *b)
{
    struct sy_cel *e = make(p, op);

    add_arg(p, e, a);
    add_arg(p, e, b);
    return e;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char peek_at(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->text.len ? p->text.p[p->at + ahead] : 0;
}

static void skip_space(struct parser *p)
{
    while (p->at < p->text.len) {
        char c = p->text.p[p->at];
        if (c == '/' && peek_at(p, 1) == '/') {
            while (p->at < p->text.len && p->text.p[p->at] != '\n')
                p->at++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            p->at++;
        } else {
            return;
        }
    }
}

static char peek(struct parser *p)
{
    skip_space(p);
    return peek_at(p, 0);
}

/* Takes the token when it is next. */
static bool take(struct parser *p, const char *token)
{
    size_t len = strlen(token);

    skip_space(p);
    if (p->text.len - p->at < len || memcmp(p->text.p + p->at, token, len) != 0)
        return false;
    p->at += len;
    return true;
}

static bool expect(struct parser *p, const char *token, const char *what)
{
    if (!p->code && take(p, token))
        return true;
    fail_syntax(p, what);
    return false;
}

static struct sy_str peek_name(struct parser *p)
{
    size_t len = 0;

    if (!starts_name(peek(p)))
        return (struct sy_str){0};
    while (starts_name(peek_at(p, len)) || is_digit(peek_at(p, len)))
        len++;
    return (struct sy_str){p->text.p + p->at, len};
}

static struct sy_str take_name(struct parser *p)
{
    struct sy_str name = peek_name(p);

    p->at += name.len;
    return name;
}

static bool is_reserved(struct sy_str name)
{
    static const char *const WORDS[] = {
        "false",    "in",        "null",   "true", "as",     "break", "const",
        "continue", "else",      "for",    "if",   "import", "let",   "loop",
        "package",  "namespace", "return", "var",  "void",   "while", "function",
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(WORDS); i++) {
        if (sy_str_eqz(name, WORDS[i]))
            return true;
    }
    return false;
}

/* ---- literals -------------------------------------------------------------------------------- */

static size_t put_rune(char *to, uint32_t rune)
{
    if (rune < 0x80) {
        to[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        to[0] = (char)(0xc0 | rune >> 6);
        to[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        to[0] = (char)(0xe0 | rune >> 12);
        to[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        to[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | rune >> 18);
    to[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    to[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    to[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

/* One escape after its backslash. Returns how many bytes went to `to`, 0 when there is none such;
 * an escape is never shorter than what it stands for. */
static size_t take_escape(struct parser *p, char *to)
{
    static const char NAMES[] = "abfnrtv\\?\"'`";
    static const char VALUES[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek_at(p, 0);
    const char *found = c ? strchr(NAMES, c) : NULL;
    int digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t rune = 0;

    if (found) {
        p->at++;
        *to = VALUES[found - NAMES];
        return 1;
    }
    if (digits) {
        p->at++;
        for (int i = 0; i < digits; i++, p->at++) {
            int v = hex_value(peek_at(p, 0));
            if (v < 0)
                return 0;
            rune = rune << 4 | (uint32_t)v;
        }
    } else {
        for (int i = 0; i < 3; i++, p->at++) {
            char d = peek_at(p, 0);
            if (d < '0' || d > (i ? '7' : '3'))
                return 0;
            rune = rune << 3 | (uint32_t)(d - '0');
        }
    }
    if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return 0;
    return put_rune(to, rune);
}

static struct sy_cel *string(struct parser *p, bool raw)
{
    char quote = peek_at(p, 0);
    bool triple = peek_at(p, 1) == quote && peek_at(p, 2) == quote;
    struct sy_cel *e = make(p, CEL_STRING);
    char *bytes = p->bytes;
    size_t len = 0;

    if (!e || !bytes)
        return NULL;
    p->at += triple ? 3 : 1;
    for (;;) {
        char c = peek_at(p, 0);
        if (p->at >= p->text.len || (!triple && (c == '\n' || c == '\r')))
            return fail_syntax(p, "a string without end");
        if (c == quote && (!triple || (peek_at(p, 1) == quote && peek_at(p, 2) == quote)))
            break;
        p->at++;
        if (c != '\\' || raw) {
            bytes[len++] = c;
            continue;
        }
        size_t n = take_escape(p, bytes + len);
        if (!n)
            return fail_syntax(p, "an escape that there is none of");
        len += n;
    }
    p->at += triple ? 3 : 1;
    e->text = (struct sy_str){bytes, len};
    p->bytes += len;
    return e;
}

static struct sy_cel *number(struct parser *p, bool negative)
{
    struct sy_cel *e = make(p, CEL_INT);
    bool hex = peek_at(p, 0) == '0' && (peek_at(p, 1) | 0x20) == 'x';
    uint64_t base = hex ? 16 : 10, value = 0, most = (uint64_t)INT64_MAX + negative;
    size_t digits = 0;

    p->at += hex ? 2 : 0;
    for (;; p->at++, digits++) {
        int v = hex_value(peek_at(p, 0));
        if (v < 0 || (uint64_t)v >= base)
            break;
        if (value > (most - (uint64_t)v) / base)
            return fail_syntax(p, "an integer out of range");
        value = value * base + (uint64_t)v;
    }
    char next = peek_at(p, 0);
    if (!digits)
        return fail_syntax(p, "a number without digits");
    if (next == 'u' || next == 'U')
        return fail_beyond(p, "an unsigned integer", (struct sy_str){0});
    if ((next == '.' && is_digit(peek_at(p, 1))) || next == 'e' || next == 'E')
        return fail_beyond(p, "a floating-point number", (struct sy_str){0});
    if (starts_name(next))
        return fail_syntax(p, "a letter in a number");
    if (e)
        e->number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return e;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t fn;
    bool is_method;
    uint8_t least, most; /* args, a receiver included */
} FUNCTIONS[] = {
    {"size", CEL_FN_SIZE, false, 1, 1},
    {"int", CEL_FN_INT, false, 1, 1},
    {"string", CEL_FN_TO_STRING, false, 1, 1},
    {"dyn", CEL_FN_DYN, false, 1, 1},
    {"quantity", CEL_FN_QUANTITY, false, 1, 1},
    {"isQuantity", CEL_FN_IS_QUANTITY, false, 1, 1},
    {"sign", CEL_FN_SIGN, false, 1, 1},
    {"semver", CEL_FN_SEMVER, false, 1, 2},
    {"isSemver", CEL_FN_IS_SEMVER, false, 1, 2},
    {"size", CEL_FN_SIZE, true, 1, 1},
    {"startsWith", CEL_FN_STARTS_WITH, true, 2, 2},
    {"endsWith", CEL_FN_ENDS_WITH, true, 2, 2},
    {"contains", CEL_FN_CONTAINS, true, 2, 2},
    {"matches", CEL_FN_MATCHES, true, 2, 2},
    {"lowerAscii", CEL_FN_LOWER, true, 1, 1},
    {"upperAscii", CEL_FN_UPPER, true, 1, 1},
    {"compareTo", CEL_FN_COMPARE, true, 2, 2},
    {"isGreaterThan", CEL_FN_GREATER, true, 2, 2},
    {"isLessThan", CEL_FN_LESS, true, 2, 2},
    {"add", CEL_FN_ADD, true, 2, 2},
    {"sub", CEL_FN_SUB, true, 2, 2},
    {"asInteger", CEL_FN_AS_INTEGER, true, 1, 1},
    {"isInteger", CEL_FN_IS_INTEGER, true, 1, 1},
    {"major", CEL_FN_MAJOR, true, 1, 1},
    {"minor", CEL_FN_MINOR, true, 1, 1},
    {"patch", CEL_FN_PATCH, true, 1, 1},
    {"orValue", CEL_FN_OR_VALUE, true, 2, 2},
    {"hasValue", CEL_FN_HAS_VALUE, true, 1, 1},
    {"value", CEL_FN_VALUE, true, 1, 1},
};

static const struct {
    const char *name;
    uint8_t fn;
} MACROS[] = {
    {"all", CEL_FN_ALL},       {"exists", CEL_FN_EXISTS}, {"exists_one", CEL_FN_EXISTS_ONE},
    {"filter", CEL_FN_FILTER}, {"map", CEL_FN_MAP},
};

static struct sy_cel *expression(struct parser *p);

/* Arguments up to the end sign, which is taken; a comma may stand before it in lists. */
static void arguments(struct parser *p, struct sy_cel *e, const char *end, bool is_list)
{
    if (take(p, end))
        return;
    while (!p->code) {
        if (is_list && peek(p) == '?') {
            fail_beyond(p, "an optional list element", (struct sy_str){0});
            return;
        }
        add_arg(p, e, expression(p));
        if (p->code || take(p, end))
            return;
        if (!expect(p, ",", "an argument that does not end") || (is_list && take(p, end)))
            return;
    }
}

/* Only what can be matched by stepping through: see sy_cel_eval's matcher. */
static bool is_simple_pattern(struct sy_str s)
{
    bool in_class = false;

    if (s.len > SIMPLE_PATTERN_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80 || c < ' ')
            return false;
        if (c == '\\') {
            if (++i == s.len || in_class || !strchr(".*+?^$-/\\[](){}|", s.p[i]))
                return false;
        } else if (in_class) {
            if (c == '[' || c == ':')
                return false;
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
            i += i + 1 < s.len && s.p[i + 1] == '^';
            if (i + 1 >= s.len || s.p[i + 1] == ']')
                return false;
        } else if (strchr("(){}|]", c)) {
            return false;
        } else if (strchr("*+?", c)) {
            if (i == 0 || strchr("*+?^$", s.p[i - 1]))
                if (i < 2 || s.p[i - 2] != '\\')
                    return false;
        } else if ((c == '^' && i != 0) || (c == '$' && i + 1 != s.len)) {
            return false;
        }
    }
    return !in_class;
}

static struct sy_cel *call(struct parser *p, struct sy_str name, struct sy_cel *receiver)
{
    struct sy_cel *e = make(p, CEL_CALL);
    bool known = false;

    add_arg(p, e, receiver);
    arguments(p, e, ")", false);
    if (p->code || !e)
        return NULL;
    for (size_t i = 0; i < SY_ARRAY_LEN(FUNCTIONS); i++) {
        if (FUNCTIONS[i].is_method != (receiver != NULL) || !sy_str_eqz(name, FUNCTIONS[i].name))
            continue;
        known = e->args_len >= FUNCTIONS[i].least && e->args_len <= FUNCTIONS[i].most;
        e->fn = FUNCTIONS[i].fn;
    }
    if (!known)
        return fail_beyond(p, "the function ", name);
    if (e->fn == CEL_FN_MATCHES && (e->last->op != CEL_STRING || !is_simple_pattern(e->last->text)))
        return fail_beyond(p, "a regular expression that is not a simple one", (struct sy_str){0});
    return e;
}

static struct sy_str variable(struct parser *p)
{
    struct sy_str name = take_name(p);

    if (!name.len || is_reserved(name)) {
        fail_syntax(p, "no variable's name");
        return (struct sy_str){0};
    }
    expect(p, ",", "a variable without a comma after it");
    return name;
}

static struct sy_cel *macro(struct parser *p, uint8_t fn, struct sy_cel *range)
{
    struct sy_cel *e = make(p, CEL_MACRO);

    add_arg(p, e, range);
    struct sy_str name = variable(p);
    arguments(p, e, ")", false);
    if (p->code || !e)
        return NULL;
    if (e->args_len != 2)
        return fail_beyond(p, "a macro with another number of arguments", (struct sy_str){0});
    e->fn = fn;
    e->text = name;
    return e;
}

static struct sy_cel *bind(struct parser *p)
{
    struct sy_cel *e = make(p, CEL_BIND);
    struct sy_str name = variable(p);

    arguments(p, e, ")", false);
    if (p->code || !e)
        return NULL;
    if (e->args_len != 2)
        return fail_syntax(p, "cel.bind takes a name and two expressions");
    e->text = name;
    return e;
}

static struct sy_cel *has(struct parser *p)
{
    struct sy_cel *e = expression(p);

    if (p->code || !expect(p, ")", "has() without an end") || !e)
        return NULL;
    if (e->op != CEL_SELECT)
        return fail_syntax(p, "has() of what is no field");
    e->op = CEL_HAS;
    return e;
}

/* ---- levels of precedence -------------------------------------------------------------------- */

static struct sy_cel *named(struct parser *p)
{
    struct sy_str name = peek_name(p);
    size_t before = p->at;
    struct sy_cel *e;

    p->at += name.len;
    if (sy_str_eqz(name, "true") || sy_str_eqz(name, "false")) {
        e = make(p, CEL_BOOL);
        if (e)
            e->number = name.len == 4;
        return e;
    }
    if (sy_str_eqz(name, "null"))
        return fail_beyond(p, "null", (struct sy_str){0});
    char quote = peek_at(p, 0);
    if (name.len <= 2 && (quote == '"' || quote == '\'')) {
        if (name.len == 1 && (name.p[0] | 0x20) == 'r')
            return string(p, true);
        return fail_beyond(p, "a string of bytes", (struct sy_str){0});
    }
    if (is_reserved(name)) {
        p->at = before;
        return fail_syntax(p, "a reserved word");
    }
    if (sy_str_eqz(name, "cel") && take(p, ".")) {
        struct sy_str of = take_name(p);
        if (!sy_str_eqz(of, "bind") || !take(p, "("))
            return fail_beyond(p, "cel.", of);
        return bind(p);
    }
    if (take(p, "("))
        return sy_str_eqz(name, "has") ? has(p) : call(p, name, NULL);
    e = make(p, CEL_NAME);
    if (e)
        e->text = name;
    return e;
}

static struct sy_cel *primary(struct parser *p)
{
    char c = peek(p);
    struct sy_cel *e;

    if (c == '(') {
        p->at++;
        e = expression(p);
        return expect(p, ")", "a bracket without its end") ? e : NULL;
    }
    if (c == '[') {
        p->at++;
        e = make(p, CEL_LIST);
        arguments(p, e, "]", true);
        return e;
    }
    if (c == '{')
        return fail_beyond(p, "a map", (struct sy_str){0});
    if (c == '"' || c == '\'')
        return string(p, false);
    if (is_digit(c))
        return number(p, false);
    if (c == '.' && is_digit(peek_at(p, 1)))
        return fail_beyond(p, "a floating-point number", (struct sy_str){0});
    if (starts_name(c))
        return named(p);
    return fail_syntax(p, p->at < p->text.len ? "an unexpected character" : "an unexpected end");
}

static struct sy_cel *member_name(struct parser *p, struct sy_cel *of)
{
    bool optional = take(p, "?");
    struct sy_str name = take_name(p);

    if (!name.len)
        return fail_syntax(p, "a point without a name");
    if (sy_str_eqz(name, "in") || sy_str_eqz(name, "true") || sy_str_eqz(name, "false") ||
        sy_str_eqz(name, "null"))
        return fail_syntax(p, "a reserved word as a field");
    if (!optional && take(p, "(")) {
        for (size_t i = 0; i < SY_ARRAY_LEN(MACROS); i++) {
            if (sy_str_eqz(name, MACROS[i].name))
                return macro(p, MACROS[i].fn, of);
        }
        return call(p, name, of);
    }
    struct sy_cel *e = make_with(p, optional ? CEL_OPT_SELECT : CEL_SELECT, of, NULL);
    if (e)
        e->text = name;
    return e;
}

static struct sy_cel *member(struct parser *p)
{
    struct sy_cel *e = primary(p);

    while (e && !p->code) {
        if (take(p, ".")) {
            e = member_name(p, e);
        } else if (take(p, "[")) {
            bool optional = take(p, "?");
            e = make_with(p, optional ? CEL_OPT_INDEX : CEL_INDEX, e, expression(p));
            expect(p, "]", "an index without its end");
        } else if (peek(p) == '{') {
            return fail_beyond(p, "a message", (struct sy_str){0});
        } else {
            break;
        }
    }
    return p->code ? NULL : e;
}

static struct sy_cel *unary(struct parser *p)
{
    char c = peek(p);
    struct sy_cel *e;

    if (c != '!' && c != '-')
        return member(p);
    p->at++;
    if (c == '-' && is_digit(peek(p))) {
        size_t digits = p->at;
        e = number(p, true);
        char next = peek(p);
        if (p->code || (next != '.' && next != '['))
            return e;
        p->at = digits; /* -1.f() is the negative of 1.f() */
    }
    if (++p->depth > SY_CEL_DEPTH_MAX)
        return fail_depth(p);
    e = make_with(p, c == '!' ? CEL_NOT : CEL_NEGATE, unary(p), NULL);
    p->depth--;
    return e;
}

static struct sy_cel *product(struct parser *p)
{
    struct sy_cel *e = unary(p);

    while (e && !p->code) {
        enum cel_op op;
        if (take(p, "*"))
            op = CEL_MULTIPLY;
        else if (take(p, "/"))
            op = CEL_DIVIDE;
        else if (take(p, "%"))
            op = CEL_MODULO;
        else
            break;
        e = make_with(p, op, e, unary(p));
    }
    return p->code ? NULL : e;
}

static struct sy_cel *sum(struct parser *p)
{
    struct sy_cel *e = product(p);

    while (e && !p->code) {
        enum cel_op op;
        if (take(p, "+"))
            op = CEL_ADD;
        else if (take(p, "-"))
            op = CEL_SUBTRACT;
        else
            break;
        e = make_with(p, op, e, product(p));
    }
    return p->code ? NULL : e;
}

static bool take_relation(struct parser *p, enum cel_op *ret)
{
    static const struct {
        const char *token;
        enum cel_op op;
    } TOKENS[] = {
        {"==", CEL_EQUAL},         {"!=", CEL_DIFFERENT}, {"<=", CEL_LESS_EQUAL},
        {">=", CEL_GREATER_EQUAL}, {"<", CEL_LESS},       {">", CEL_GREATER},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(TOKENS); i++) {
        if (take(p, TOKENS[i].token)) {
            *ret = TOKENS[i].op;
            return true;
        }
    }
    if (!sy_str_eqz(peek_name(p), "in"))
        return false;
    p->at += 2;
    *ret = CEL_IN;
    return true;
}

static struct sy_cel *relation(struct parser *p)
{
    struct sy_cel *e = sum(p);
    enum cel_op op;

    while (e && !p->code && take_relation(p, &op))
        e = make_with(p, op, e, sum(p));
    return p->code ? NULL : e;
}

/* a && b && c is one node: a long chain is not a deep one. */
static struct sy_cel *chain(struct parser *p, enum cel_op op, const char *token,
                            struct sy_cel *(*next)(struct parser *p))
{
    struct sy_cel *e = next(p);
    struct sy_cel *all = NULL;

    while (e && !p->code && take(p, token)) {
        if (!all)
            all = make_with(p, op, e, NULL);
        add_arg(p, all, next(p));
    }
    return p->code ? NULL : all ? all : e;
}

static struct sy_cel *conjunction(struct parser *p)
{
    return chain(p, CEL_AND, "&&", relation);
}

static struct sy_cel *expression(struct parser *p)
{
    struct sy_cel *e, *all;

    if (p->code)
        return NULL;
    if (++p->depth > SY_CEL_DEPTH_MAX)
        return fail_depth(p);
    e = chain(p, CEL_OR, "||", conjunction);
    if (e && take(p, "?")) {
        all = make_with(p, CEL_CONDITION, e, chain(p, CEL_OR, "||", conjunction));
        if (expect(p, ":", "a condition without its other side"))
            add_arg(p, all, expression(p));
        e = all;
    }
    p->depth--;
    return p->code ? NULL : e;
}

int sy_cel_compile(struct sy_arena *arena, struct sy_str text, const struct sy_cel **ret,
                   struct sy_err *err)
{
    struct parser p = {.arena = arena, .text = text, .err = err};

    if (text.len > SY_CEL_TEXT_MAX)
        return sy_err_set(err, -E2BIG, "selector is longer than %d bytes", SY_CEL_TEXT_MAX);
    p.bytes = room(&p, text.len + 1);
    struct sy_cel *e = expression(&p);
    if (e && !p.code && (peek(&p) || p.at < text.len))
        fail_syntax(&p, "more text after the end");
    if (p.code)
        return p.code;
    if (!e)
        return sy_err_set(err, -EINVAL, "selector is not CEL");
    *ret = e;
    return 0;
}
