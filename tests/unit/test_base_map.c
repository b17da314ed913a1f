/* SPDX-License-Identifier: Apache-2.0
 *
 * The map against a naive model, with good hashes and with colliding ones. */
#include "base/map.h"
#include "base/rng.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 500 };

/* Values stand for keys: value v has key v % KEYS. */
static bool same_key(const void *arg, const void *key, uint32_t value)
{
    (void)arg;
    return value % KEYS == *(const uint32_t *)key;
}

static void random_operations(uint64_t (*hash)(uint32_t), int operations)
{
    struct sy_map m = {0};
    struct sy_rng rng;
    uint32_t have[KEYS]; /* the value of each key, or SY_MAP_NONE */
    uint32_t len = 0;

    sy_rng_seed(&rng, 42);
    memset(have, 0xff, sizeof(have));
    for (int i = 0; i < operations; i++) {
        uint32_t key = (uint32_t)sy_rng_below(&rng, KEYS);
        uint32_t value = key + KEYS * (uint32_t)sy_rng_below(&rng, 1000);
        switch (sy_rng_below(&rng, 4)) {
        case 0:
            if (have[key] == SY_MAP_NONE) {
                sy_map_add(&m, hash(key), value);
                have[key] = value;
                len++;
            }
            break;
        case 1:
            assert_int_equal(sy_map_del(&m, hash(key), have[key]), have[key] != SY_MAP_NONE);
            len -= have[key] != SY_MAP_NONE;
            have[key] = SY_MAP_NONE;
            break;
        case 2:
            assert_int_equal(sy_map_move(&m, hash(key), have[key], value),
                             have[key] != SY_MAP_NONE);
            if (have[key] != SY_MAP_NONE)
                have[key] = value;
            break;
        default:
            break;
        }
        assert_int_equal(sy_map_get(&m, hash(key), same_key, NULL, &key), have[key]);
        assert_int_equal(m.len, len);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(sy_map_get(&m, hash(key), same_key, NULL, &key), have[key]);
    sy_map_done(&m);
    assert_int_equal(m.len, 0);
}

static uint64_t good_hash(uint32_t key)
{
    return sy_hash_u64(key);
}

static uint64_t few_slots(uint32_t key)
{
    return sy_hash_u64(key) & ~(uint64_t)0x1f8;
}

static uint64_t few_hashes(uint32_t key)
{
    return key % 7;
}

static uint64_t at_the_end(uint32_t key)
{
    return UINT64_MAX - key % 3; /* runs that wrap around to slot 0 */
}

static void test_against_naive(void **state)
{
    (void)state;
    random_operations(good_hash, 100000);
    random_operations(few_slots, 100000);
    random_operations(few_hashes, 20000);
    random_operations(at_the_end, 20000);
}

static void test_integer_keys(void **state)
{
    struct sy_map m = {0};
    (void)state;

    /* The hash is the key, and 0 and 1 are two keys. */
    assert_int_equal(sy_map_get(&m, 0, NULL, NULL, NULL), SY_MAP_NONE);
    assert_false(sy_map_del(&m, 0, 5));
    assert_false(sy_map_move(&m, 0, 5, 6));
    sy_map_add(&m, 0, 5);
    assert_int_equal(sy_map_get(&m, 0, NULL, NULL, NULL), 5);
    assert_int_equal(sy_map_get(&m, 1, NULL, NULL, NULL), SY_MAP_NONE);
    sy_map_add(&m, 1, 0);
    assert_int_equal(sy_map_get(&m, 1, NULL, NULL, NULL), 0);
    assert_false(sy_map_del(&m, 1, 5));
    assert_true(sy_map_del(&m, 0, 5));
    assert_int_equal(sy_map_get(&m, 1, NULL, NULL, NULL), 0);
    sy_map_done(&m);
}

static void test_many(void **state)
{
    struct sy_map m = {0};
    (void)state;

    for (uint32_t i = 0; i < 100000; i++)
        sy_map_add(&m, sy_hash_u64(i), i);
    for (uint32_t i = 0; i < 100000; i += 2)
        assert_true(sy_map_del(&m, sy_hash_u64(i), i));
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(sy_map_get(&m, sy_hash_u64(i), NULL, NULL, NULL), i % 2 ? i : SY_MAP_NONE);
    sy_map_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_integer_keys),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
