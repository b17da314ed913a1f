/* SPDX-License-Identifier: Apache-2.0
 *
 * Interned strings: identity, limits, and mark and sweep. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/strings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t HASH_KEY[2] = {11, 12};

static void test_identity(void **state)
{
    struct sy_strings *t = sy_strings_new(HASH_KEY);
    (void)state;

    sy_sid a = sy_strings_addz(t, "a"), empty = sy_strings_addz(t, "");
    sy_sid nul = sy_strings_add(t, SY_STR("a\0b"));
    assert_int_equal(a, 1);
    assert_int_equal(empty, 2);
    assert_int_equal(sy_strings_add(t, (struct sy_str){NULL, 0}), empty);
    assert_int_equal(sy_strings_addz(t, "a"), a);
    assert_true(nul != a);
    assert_int_equal(sy_strings_find(t, SY_STR("a\0b")), nul);
    assert_int_equal(sy_strings_find(t, SY_STR("b")), 0);
    assert_int_equal(sy_strings_len(t), 3);
    assert_int_equal(sy_strings_bytes(t), 2 + 1 + 4);
    assert_string_equal(sy_strings_getz(t, a), "a");
    assert_int_equal(sy_strings_get(t, nul).len, 3);
    assert_string_equal(sy_strings_getz(t, 0), "");
    assert_string_equal(sy_strings_getz(t, 999), "");
    assert_string_equal(sy_strings_getz(t, UINT32_MAX), "");
    assert_int_equal(sy_strings_hash_key(t)[1], 12);
    sy_strings_free(t);
    sy_strings_free(NULL);
}

static void test_limits(void **state)
{
    struct sy_strings *t = sy_strings_new(HASH_KEY);
    char *big = sy_xcalloc(1, SY_STRINGS_MAX_LEN + 1);
    (void)state;

    memset(big, 'x', SY_STRINGS_MAX_LEN + 1);
    assert_int_equal(sy_strings_add(t, (struct sy_str){big, SY_STRINGS_MAX_LEN + 1}), 0);
    sy_sid longest = sy_strings_add(t, (struct sy_str){big, SY_STRINGS_MAX_LEN});
    assert_true(longest != 0);
    assert_int_equal(sy_strings_get(t, longest).len, SY_STRINGS_MAX_LEN);
    sy_mem_fail_at(1);
    assert_int_equal(sy_strings_addz(t, "new"), 0);
    assert_int_equal(sy_strings_add(t, (struct sy_str){big, SY_STRINGS_MAX_LEN}), longest);
    sy_mem_fail_at(0);
    assert_int_equal(sy_strings_find(t, SY_STR("new")), 0);
    free(big);
    sy_strings_free(t);
}

static sy_sid add_number(struct sy_strings *t, unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", number);
    return sy_strings_addz(t, text);
}

static void test_mark_and_sweep(void **state)
{
    enum { COUNT = 2000 };
    struct sy_strings *t = sy_strings_new(HASH_KEY);
    struct sy_rng rng;
    sy_sid ids[COUNT];
    bool kept[COUNT];
    char text[16];
    (void)state;

    sy_rng_seed(&rng, 3);
    for (unsigned i = 0; i < COUNT; i++)
        ids[i] = add_number(t, i);
    for (int round = 0; round < 5; round++) {
        uint32_t dropped = 0;
        sy_strings_mark_begin(t);
        sy_strings_mark(t, 0);
        sy_strings_mark(t, UINT32_MAX);
        for (unsigned i = 0; i < COUNT; i++) {
            kept[i] = sy_rng_below(&rng, 2);
            dropped += !kept[i];
            if (kept[i])
                sy_strings_mark(t, ids[i]);
        }
        assert_int_equal(sy_strings_sweep(t), dropped);
        assert_int_equal(sy_strings_sweep(t), 0);
        assert_int_equal(sy_strings_len(t), COUNT - dropped);
        for (unsigned i = 0; i < COUNT; i++) {
            snprintf(text, sizeof(text), "%u", i);
            assert_int_equal(sy_strings_find(t, sy_str_from(text)), kept[i] ? ids[i] : 0);
            assert_string_equal(sy_strings_getz(t, ids[i]), kept[i] ? text : "");
        }
        /* Ids that stay are untouched, and freed ones are used again: the table does not grow. */
        for (unsigned i = 0; i < COUNT; i++) {
            sy_sid id = add_number(t, i);
            if (kept[i])
                assert_int_equal(id, ids[i]);
            assert_true(id >= 1 && id <= COUNT);
            ids[i] = id;
        }
        assert_int_equal(sy_strings_len(t), COUNT);
    }
    sy_strings_mark_begin(t);
    assert_int_equal(sy_strings_sweep(t), COUNT);
    assert_int_equal(sy_strings_bytes(t), 0);
    sy_strings_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_mark_and_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
