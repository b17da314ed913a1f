/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: alignment, zeroing, caps, reset, and the end of memory. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_aligned_zeroed_and_apart(void **state)
{
    struct sy_arena a;
    struct sy_rng rng;
    unsigned char *p[500];
    size_t size[500];
    (void)state;

    sy_arena_init(&a, 10 << 20);
    sy_rng_seed(&rng, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            size[i] = sy_rng_below(&rng, i % 50 ? 200 : 20000);
            p[i] = sy_arena_alloc(&a, size[i]);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % 8, 0);
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], 0);
            memset(p[i], i & 0xff, size[i]);
        }
        for (int i = 0; i < 500; i++) {
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], i & 0xff);
        }
        sy_arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    sy_arena_done(&a);
}

static void test_cap(void **state)
{
    struct sy_arena a;
    (void)state;

    sy_arena_init(&a, 64);
    assert_non_null(sy_arena_alloc(&a, 60));
    assert_null(sy_arena_alloc(&a, 1));
    assert_int_equal(sy_arena_why(&a, 1, 1), -E2BIG);
    sy_arena_reset(&a);
    assert_null(sy_arena_alloc(&a, 65));
    assert_null(sy_arena_alloc(&a, SIZE_MAX));
    assert_null(sy_arena_alloc(&a, SIZE_MAX - 7));
    assert_null(sy_arena_array(&a, SIZE_MAX / 2, 3));
    assert_int_equal(sy_arena_why(&a, SIZE_MAX / 2, 3), -E2BIG);
    assert_null(sy_arena_str(&a, (struct sy_str){"", SIZE_MAX}));
    for (int i = 0; i < 8; i++)
        assert_non_null(sy_arena_alloc(&a, 0)); /* an address of its own costs 8 bytes */
    assert_null(sy_arena_alloc(&a, 0));
    sy_arena_done(&a);

    sy_arena_init(&a, 0);
    assert_null(sy_arena_alloc(&a, 0));
    sy_arena_done(&a);

    /* A cap between two multiples of 8: what does not fit is too big, not out of memory. */
    sy_arena_init(&a, 12);
    assert_non_null(sy_arena_alloc(&a, 8));
    assert_null(sy_arena_alloc(&a, 4));
    assert_int_equal(sy_arena_why(&a, 1, 4), -E2BIG);
    sy_arena_done(&a);

    sy_arena_init(&a, SIZE_MAX);
    assert_null(sy_arena_alloc(&a, SIZE_MAX));
    sy_arena_done(&a);
}

static void test_str(void **state)
{
    struct sy_arena a;
    (void)state;

    sy_arena_init(&a, 100);
    assert_string_equal(sy_arena_str(&a, SY_STR("abc")), "abc");
    assert_string_equal(sy_arena_str(&a, (struct sy_str){NULL, 0}), "");
    assert_null(sy_arena_str(&a, (struct sy_str){"x", 100}));
    sy_arena_done(&a);
}

static void test_reserve(void **state)
{
    struct sy_arena a;
    (void)state;

    sy_arena_init(&a, 1 << 20);
    assert_int_equal(sy_arena_reserve(&a, 160), 0);
    sy_mem_fail_at(1);
    for (int i = 0; i < 10; i++)
        assert_non_null(sy_arena_alloc(&a, 16));
    assert_null(sy_arena_alloc(&a, 1));
    sy_mem_fail_at(0);
    sy_arena_done(&a);
    sy_mem_fail_at(1);
    assert_int_equal(sy_arena_reserve(&a, 160), -ENOMEM);
    sy_mem_fail_at(0);
    sy_arena_done(&a);
}

static void test_steady_use_makes_no_calls(void **state)
{
    struct sy_arena a;
    (void)state;

    sy_arena_init(&a, 1 << 20);
    for (int round = 0; round < 20; round++) {
        if (round == 3)
            sy_mem_fail_at(0);
        sy_arena_reset(&a);
        for (int i = 0; i < 100; i++)
            assert_non_null(sy_arena_alloc(&a, 300));
    }
    assert_int_equal(sy_mem_fail_at(0), 0);
    sy_arena_done(&a);
}

static void test_memory_ends_at_each_call(void **state)
{
    struct sy_arena a;
    int failures = 0;
    bool done = false;
    (void)state;

    for (size_t n = 1; !done; n++) {
        sy_arena_init(&a, 1 << 20);
        sy_mem_fail_at(n);
        void *p = NULL;
        for (int i = 0; i < 100; i++) {
            p = sy_arena_alloc(&a, 1000);
            if (!p)
                break;
        }
        done = p;
        failures += !done;
        if (!done)
            assert_int_equal(sy_arena_why(&a, 1, 1000), -ENOMEM);
        sy_mem_fail_at(0);
        assert_non_null(sy_arena_alloc(&a, 1000)); /* still usable */
        sy_arena_done(&a);
    }
    assert_true(failures >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_zeroed_and_apart),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_str),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_steady_use_makes_no_calls),
        cmocka_unit_test(test_memory_ends_at_each_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
