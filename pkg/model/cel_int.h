/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree between CEL's parser (cel.c) and its evaluation (cel_eval.c). Private to those two. */
#pragma once

#include "model/cel.h"

enum cel_op {
    CEL_BOOL,
    CEL_INT,
    CEL_STRING,
    CEL_LIST,
    CEL_NAME,
    CEL_SELECT,     /* args[0].text */
    CEL_OPT_SELECT, /* args[0].?text */
    CEL_HAS,        /* has(args[0].text) */
    CEL_INDEX,
    CEL_OPT_INDEX,
    CEL_NOT,
    CEL_NEGATE,
    CEL_MULTIPLY,
    CEL_DIVIDE,
    CEL_MODULO,
    CEL_ADD,
    CEL_SUBTRACT,
    CEL_EQUAL,
    CEL_DIFFERENT,
    CEL_LESS,
    CEL_LESS_EQUAL,
    CEL_GREATER,
    CEL_GREATER_EQUAL,
    CEL_IN,
    CEL_AND, /* two and more args */
    CEL_OR,
    CEL_CONDITION,
    CEL_CALL,  /* of `fn`; a method's receiver is the first arg */
    CEL_MACRO, /* args[0].fn(text, args[1], ...) */
    CEL_BIND,  /* cel.bind(text, args[0], args[1]) */
};

enum cel_fn {
    CEL_FN_SIZE,
    CEL_FN_STARTS_WITH,
    CEL_FN_ENDS_WITH,
    CEL_FN_CONTAINS,
    CEL_FN_MATCHES,
    CEL_FN_LOWER,
    CEL_FN_UPPER,
    CEL_FN_INT,
    CEL_FN_TO_STRING,
    CEL_FN_DYN,
    CEL_FN_QUANTITY,
    CEL_FN_IS_QUANTITY,
    CEL_FN_SEMVER,
    CEL_FN_IS_SEMVER,
    CEL_FN_COMPARE,
    CEL_FN_GREATER,
    CEL_FN_LESS,
    CEL_FN_ADD,
    CEL_FN_SUB,
    CEL_FN_SIGN,
    CEL_FN_AS_INTEGER,
    CEL_FN_IS_INTEGER,
    CEL_FN_MAJOR,
    CEL_FN_MINOR,
    CEL_FN_PATCH,
    CEL_FN_OR_VALUE,
    CEL_FN_HAS_VALUE,
    CEL_FN_VALUE,
    CEL_FN_ALL, /* macros from here on */
    CEL_FN_EXISTS,
    CEL_FN_EXISTS_ONE,
    CEL_FN_FILTER,
    CEL_FN_MAP,
};

/* Of a chain of operators or members, which nests to the left. */
enum { CEL_TREE_DEPTH_MAX = 200 };

struct sy_cel {
    uint8_t op; /* enum cel_op */
    uint8_t fn; /* enum cel_fn */
    uint8_t depth;
    uint32_t args_len;
    struct sy_cel *args; /* first of a list */
    struct sy_cel *last;
    struct sy_cel *next;
    struct sy_str text; /* a name, or a string's bytes */
    int64_t number;     /* of CEL_INT and CEL_BOOL */
};
