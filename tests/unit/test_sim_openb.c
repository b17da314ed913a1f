/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces as CSV: columns by header, errors that name file and line, and the generator's own. */
#include "sim/gen.h"
#include "sim/openb.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_columns_go_by_header(void **state SY_UNUSED)
{
    struct sy_openb o = {0};

    assert_int_equal(sy_openb_read_nodes(&o,
                                         SY_STR("model,gpu,sn,memory_mib,cpu_milli\r\n"
                                                "T4,2,b,1024,8000\r\n\r\nG2,8,a,2048,96000\n"),
                                         "n.csv", NULL),
                     0);
    assert_int_equal(o.nodes.len, 2);
    assert_string_equal(o.nodes.p[0].name, "a");
    assert_int_equal(o.nodes.p[0].cpu_milli, 96000);
    assert_int_equal(o.nodes.p[0].gpus, 8);
    assert_string_equal(o.models[o.nodes.p[0].model], "G2");
    assert_int_equal(sy_openb_capacity_milli(&o), 10000);
    assert_int_equal(
        sy_openb_read_pods(
            &o,
            SY_STR("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time,"
                   "deletion_time\np1,1000,1,1,460,T4|G2|X,LS,10,40\np2,1,2,8,1000,,,,\n"
                   "p0,5,6,0,0,,,9,4"),
            "p.csv", NULL),
        0);
    assert_int_equal(o.pods.len, 3);
    assert_string_equal(o.pods.p[0].name, "p0");
    assert_int_equal(o.pods.p[0].gpus, 0);
    assert_true(o.pods.p[0].lasts_s == 0);
    assert_int_equal(o.pods.p[1].gpu_milli, 460);
    assert_int_equal(o.pods.p[1].models, 7);
    assert_int_equal(o.models_len, 3);
    assert_true(o.pods.p[1].lasts_s == 30);
    assert_int_equal(sy_openb_pod_milli(&o.pods.p[2]), 8000);
    assert_int_equal(o.pods.p[2].models, 0);
    sy_openb_done(&o);
}

static void test_five_columns_do(void **state SY_UNUSED)
{
    struct sy_openb o = {0};

    assert_int_equal(
        sy_openb_read_pods(&o, SY_STR("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,1,500\n"),
                           "p.csv", NULL),
        0);
    assert_int_equal(o.pods.len, 1);
    assert_true(o.pods.p[0].lasts_s == 0);
    sy_openb_done(&o);
}

static void test_errors_say_where(void **state SY_UNUSED)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "f.csv: there is nothing in it"},
        {"name,cpu_milli\n", "f.csv:1: the header has no column \"memory_mib\""},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\n\np,1,2,x,0\n",
         "f.csv:3: num_gpu: \"x\" is not a number from 0 to 64"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,65,0\n",
         "f.csv:2: num_gpu: \"65\" is not a number from 0 to 64"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,-1,2,0,0\n",
         "f.csv:2: cpu_milli: \"-1\" is not a number from 0 to 1099511627776"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,1,0\n", "f.csv:2: one GPU of 0 milli"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\n,1,2,0,0\n", "f.csv:2: there is no name"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2\n",
         "f.csv:2: num_gpu: \"\" is not a number from 0 to 64"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,0,0,9\n",
         "f.csv:2: 6 fields, the header has 5"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\n\"p\",1,2,0,0\n",
         "f.csv:2: quoted fields are not supported"},
        {"name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,0,0\np,1,2,0,0\n",
         "f.csv: \"p\" is there twice"},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct sy_openb o = {0};
        struct sy_err err = {0};
        assert_int_equal(sy_openb_read_pods(&o, sy_str_from(cases[i].text), "f.csv", &err),
                         -EINVAL);
        assert_string_equal(err.msg, cases[i].says);
        sy_openb_done(&o);
    }
}

static void test_generator(void **state SY_UNUSED)
{
    struct sy_buf a, b;
    struct sy_openb o = {0};
    int64_t asked = 0;

    sy_buf_init(&a, 1 << 20);
    sy_buf_init(&b, 1 << 20);
    assert_int_equal(sy_gen_nodes(7, 50, &a), 0);
    assert_int_equal(sy_openb_read_nodes(&o, sy_buf_str(&a), "gen", NULL), 0);
    assert_int_equal(o.nodes.len, 50);
    sy_buf_reset(&a);
    assert_int_equal(sy_gen_pods(7, 500, &a), 0);
    assert_int_equal(sy_gen_pods(7, 500, &b), 0);
    assert_true(sy_str_eq(sy_buf_str(&a), sy_buf_str(&b)));
    assert_int_equal(sy_openb_read_pods(&o, sy_buf_str(&a), "gen", NULL), 0);
    assert_int_equal(o.pods.len, 500);
    for (size_t i = 0; i < o.pods.len; i++) {
        asked += sy_openb_pod_milli(&o.pods.p[i]);
        assert_true(o.pods.p[i].lasts_s > 0);
    }
    assert_true(asked > 200000);
    sy_buf_reset(&b);
    assert_int_equal(sy_gen_pods(8, 500, &b), 0);
    assert_false(sy_str_eq(sy_buf_str(&a), sy_buf_str(&b)));
    sy_openb_done(&o);
    sy_buf_done(&a);
    sy_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_go_by_header),
        cmocka_unit_test(test_five_columns_do),
        cmocka_unit_test(test_errors_say_where),
        cmocka_unit_test(test_generator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
