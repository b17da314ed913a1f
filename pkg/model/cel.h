/* SPDX-License-Identifier: Apache-2.0
 *
 * The subset of CEL that selectors of devices use, evaluated over one device. Pure: no globals, no
 * clock. What the subset has:
 *
 *   - true false, integers (decimal, hex), strings (', ", triple, raw), lists, ( )
 *   - ! - * / % + - == != < <= > >= in && || ?:
 *   - device.driver, .attributes[DOMAIN].NAME, .capacity[DOMAIN].NAME, .allowMultipleAllocations
 *   - e.f, e[k], e.?f, e[?k], has(e.f), cel.bind(x, e, e); of optionals orValue, hasValue, value
 *   - e.all, e.exists, e.exists_one, e.filter, e.map with two arguments
 *   - size, startsWith, endsWith, contains, lowerAscii, upperAscii, int, string, dyn
 *   - matches with a literal pattern of characters, '.', simple classes, * + ? and anchors
 *   - quantity, isQuantity, semver, isSemver; compareTo, isGreaterThan, isLessThan; add, sub, sign,
 *     asInteger, isInteger; major, minor, patch
 *
 * The rest (floating point, unsigned, bytes, null, maps, times, other functions) is refused at
 * compilation by a text that names it. Types are checked when the expression runs: the API server
 * has turned away what does not type-check before anybody sees it. Errors absorb as in CEL: false
 * && error is false, true || error is true. Source: github.com/google/cel-spec,
 * k8s.io/dynamic-resource-allocation/cel (v0.37.2). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "model/devices.h"

enum {
    SY_CEL_TEXT_MAX = 10240, /* bytes, as the API allows */
    SY_CEL_DEPTH_MAX = 32,   /* of nested brackets, calls and conditions */
    SY_CEL_COST_MAX = 1000000,
};

struct sy_cel; /* a compiled expression; lives in its arena */

/* Parses text.
 *
 * in:     arena: takes the tree, ~100 bytes for each operator and operand; text: borrowed for the
 *         life of *ret.
 * errors: -EINVAL not CEL; -EOPNOTSUPP CEL beyond the subset; -E2BIG too long, too deep or past the
 *         arena's cap; -ENOMEM. err has one line for a person.
 * cost:   O(len). Any thread. */
int sy_cel_compile(struct sy_arena *arena, struct sy_str text, const struct sy_cel **ret,
                   struct sy_err *err) SY_NODISCARD;

/* Whether a device satisfies the expression.
 *
 * in:     strings: of the device's ids, borrowed; scratch: for lists made on the way, the caller
 *         resets it.
 * out:    *ret on success only.
 * errors: -EINVAL: the expression failed on this device (a missing attribute, a wrong type), with
 *         CEL's text; -ETIME: it took more than SY_CEL_COST_MAX steps; -E2BIG, -ENOMEM: scratch.
 * cost:   one step for each operator visited and each 10 bytes compared. */
int sy_cel_matches(const struct sy_cel *cel, const struct sy_strings *strings, sy_sid driver,
                   const struct sy_device *device, struct sy_arena *scratch, bool *ret,
                   struct sy_err *err) SY_NODISCARD;
