/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of amounts, and the requests of pods against a table that the upstream library produced. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/resources.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_CAP = 1 << 20, MOST_CONTAINERS = 32 };

struct fixture {
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_arena arena;
};

static int setup(void **state)
{
    static const uint64_t key[2] = {5, 6};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(key);
    /* So that memory sorts before cpu: nothing may lean on their order. */
    sy_strings_addz(f->strings, "memory");
    sy_resource_names_init(&f->names, f->strings);
    sy_arena_init(&f->arena, ARENA_CAP);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_arena_done(&f->arena);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

/* Reads "cpu=100,memory=5" or "-". */
static struct sy_amounts read_list(struct fixture *f, const char *text)
{
    struct sy_amount *p = sy_arena_array(&f->arena, 16, sizeof(*p));
    uint32_t len = 0;

    if (text[0] == '-')
        return (struct sy_amounts){NULL, 0};
    while (*text) {
        size_t name = strcspn(text, "="), whole = strcspn(text, ",");
        assert_true(name < whole && len < 16);
        p[len].resource = sy_strings_add(f->strings, (struct sy_str){text, name});
        struct sy_str number = {text + name + 1, whole - name - 1};
        assert_int_equal(sy_str_i64(number, &p[len].amount), 0);
        len++;
        text += whole + (text[whole] == ',');
    }
    return (struct sy_amounts){p, sy_amounts_sort(p, len)};
}

static struct sy_pod_request_totals requests_of(struct fixture *f,
                                                const struct sy_pod_resources *in)
{
    struct sy_pod_request_totals ret;

    assert_int_equal(sy_pod_requests(&f->arena, f->strings, &f->names, in, &ret), 0);
    for (uint32_t i = 1; i < ret.requests.len; i++)
        assert_true(ret.requests.p[i - 1].resource < ret.requests.p[i].resource);
    return ret;
}

static char *next_word(char **at)
{
    char *word = *at;
    size_t len = strcspn(word, " \n");

    if (!word[0])
        return NULL;
    *at = word + len + (word[len] != '\0');
    word[len] = '\0';
    return word;
}

static void check_line(struct fixture *f, char *line)
{
    struct sy_container containers[MOST_CONTAINERS];
    struct sy_pod_resources in = {.containers = containers};
    char *at = line, *word;
    char whole[1024];
    int64_t cpu, memory;

    snprintf(whole, sizeof(whole), "%s", line);
    while ((word = next_word(&at)) && strcmp(word, "=") != 0) {
        if (strcmp(word, "pod") == 0) {
            in.pod_level = read_list(f, next_word(&at));
            in.has_pod_level = true;
        } else if (strcmp(word, "overhead") == 0) {
            in.overhead = read_list(f, next_word(&at));
        } else if (strcmp(word, "status") == 0) {
            in.pod_status_requests = read_list(f, next_word(&at));
        } else if (strcmp(word, "allocated") == 0) {
            in.pod_status_allocated = read_list(f, next_word(&at));
        } else if (strcmp(word, "infeasible") == 0) {
            in.resize_infeasible = true;
        } else {
            struct sy_container *c = &containers[in.containers_len++];
            assert_true(in.containers_len <= MOST_CONTAINERS);
            *c = (struct sy_container){.kind = word[0] == 'm'   ? SY_CONTAINER_MAIN
                                               : word[0] == 'i' ? SY_CONTAINER_INIT
                                                                : SY_CONTAINER_SIDECAR};
            c->requests = read_list(f, next_word(&at));
            c->status_requests = read_list(f, next_word(&at));
            c->status_allocated = read_list(f, next_word(&at));
            c->has_status = c->status_requests.len || c->status_allocated.len;
        }
    }
    struct sy_amounts want = read_list(f, next_word(&at));
    assert_int_equal(sy_str_i64(sy_str_from(next_word(&at)), &cpu), 0);
    assert_int_equal(sy_str_i64(sy_str_from(next_word(&at)), &memory), 0);
    struct sy_pod_request_totals got = requests_of(f, &in);
    if (!sy_amounts_eq(got.requests, want) || got.nonzero_cpu_milli != cpu ||
        got.nonzero_memory_bytes != memory) {
        for (uint32_t i = 0; i < got.requests.len; i++)
            print_message("%s=%lld ", sy_strings_getz(f->strings, got.requests.p[i].resource),
                          (long long)got.requests.p[i].amount);
        fail_msg("%lld %lld from: %s", (long long)got.nonzero_cpu_milli,
                 (long long)got.nonzero_memory_bytes, whole);
    }
}

static void test_upstream_table(void **state)
{
    struct fixture *f = *state;
    char line[1024];
    int rows = 0;

    FILE *file = fopen("tests/unit/data/pod_requests.txt", "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#')
            continue;
        check_line(f, line);
        sy_arena_reset(&f->arena);
        rows++;
    }
    fclose(file);
    assert_true(rows >= 800);
}

static void test_plain_pod(void **state)
{
    struct fixture *f = *state;
    struct sy_container c[2] = {{.requests = read_list(f, "cpu=250,nvidia.com/gpu=1")},
                                {.requests = read_list(f, "cpu=0,memory=1000")}};
    struct sy_pod_resources in = {.containers = c, .containers_len = 2};
    struct sy_pod_request_totals got = requests_of(f, &in);

    assert_int_equal(got.requests.len, 3);
    assert_int_equal(sy_amounts_get(got.requests, f->names.cpu), 250);
    assert_int_equal(sy_amounts_get(got.requests, f->names.nvidia_gpu), 1);
    assert_int_equal(sy_amounts_get(got.requests, f->names.pods), 0);
    assert_int_equal(got.nonzero_cpu_milli, 250); /* a zero that is written is a zero */
    assert_int_equal(got.nonzero_memory_bytes, 200 * 1024 * 1024 + 1000);
}

static void test_no_containers(void **state)
{
    struct fixture *f = *state;
    struct sy_pod_resources in = {0};
    struct sy_pod_request_totals got = requests_of(f, &in);

    assert_int_equal(got.requests.len, 0);
    assert_int_equal(got.nonzero_cpu_milli, 0);
}

static void test_sums_saturate(void **state)
{
    struct fixture *f = *state;
    struct sy_container c[2] = {{.requests = read_list(f, "cpu=9223372036854775807")},
                                {.requests = read_list(f, "cpu=9223372036854775807")}};
    struct sy_pod_resources in = {.containers = c, .containers_len = 2};
    struct sy_pod_request_totals got = requests_of(f, &in);

    assert_true(sy_amounts_get(got.requests, f->names.cpu) == INT64_MAX);
    assert_true(got.nonzero_cpu_milli == INT64_MAX);
    c[0].kind = SY_CONTAINER_SIDECAR;
    got = requests_of(f, &in);
    assert_true(sy_amounts_get(got.requests, f->names.cpu) == INT64_MAX);
}

static void test_sum_and_max_against_naive(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;

    sy_rng_seed(&rng, 11);
    for (int round = 0; round < 2000; round++) {
        struct sy_amount a[12], b[12];
        uint32_t a_len = (uint32_t)sy_rng_below(&rng, 13), b_len = (uint32_t)sy_rng_below(&rng, 13);
        for (uint32_t i = 0; i < a_len; i++)
            a[i] = (struct sy_amount){1 + (sy_sid)sy_rng_below(&rng, 20),
                                      (int64_t)sy_rng_below(&rng, 100) - 50};
        for (uint32_t i = 0; i < b_len; i++)
            b[i] = (struct sy_amount){1 + (sy_sid)sy_rng_below(&rng, 20),
                                      (int64_t)sy_rng_below(&rng, 100) - 50};
        struct sy_amounts la = {a, sy_amounts_sort(a, a_len)}, lb = {b, sy_amounts_sort(b, b_len)};
        struct sy_amounts sum = sy_amounts_sum(&f->arena, la, lb);
        struct sy_amounts max = sy_amounts_max(&f->arena, la, lb);
        uint32_t distinct = 0;
        for (sy_sid id = 1; id <= 20; id++) {
            bool in_a = sy_amounts_has(la, id), in_b = sy_amounts_has(lb, id);
            int64_t x = sy_amounts_get(la, id), y = sy_amounts_get(lb, id);
            distinct += in_a || in_b;
            assert_int_equal(sy_amounts_has(sum, id), in_a || in_b);
            assert_int_equal(sy_amounts_get(sum, id), x + y);
            assert_int_equal(sy_amounts_get(max, id), !in_a ? y : !in_b ? x : x > y ? x : y);
        }
        assert_int_equal(sum.len, distinct);
        assert_int_equal(max.len, distinct);
        sy_arena_reset(&f->arena);
    }
}

static void test_memory_ends(void **state)
{
    struct fixture *f = *state;
    struct sy_container c[2] = {{.kind = SY_CONTAINER_INIT, .requests = read_list(f, "cpu=1")},
                                {.requests = read_list(f, "cpu=2,memory=3")}};
    struct sy_pod_resources in = {.containers = c, .containers_len = 2};
    struct sy_pod_request_totals ret = {.nonzero_cpu_milli = -7};
    struct sy_arena small;
    int failures = 0;

    for (size_t cap = 0; cap < 2048; cap += 8) {
        sy_arena_init(&small, cap);
        int r = sy_pod_requests(&small, f->strings, &f->names, &in, &ret);
        if (r < 0) {
            assert_int_equal(r, -E2BIG);
            assert_int_equal(ret.nonzero_cpu_milli, -7);
            failures++;
        }
        sy_arena_done(&small);
        if (r == 0)
            break;
    }
    assert_true(failures > 5);
    assert_int_equal(ret.nonzero_cpu_milli, 2);

    sy_arena_init(&small, ARENA_CAP);
    sy_mem_fail_at(1);
    assert_int_equal(sy_pod_requests(&small, f->strings, &f->names, &in, &ret), -ENOMEM);
    struct sy_amounts none = sy_amounts_sum(&small, c[0].requests, c[1].requests);
    sy_mem_fail_at(0);
    assert_null(none.p);
    assert_true(none.len == UINT32_MAX);
    sy_arena_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_upstream_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plain_pod, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sums_saturate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sum_and_max_against_naive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_ends, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
