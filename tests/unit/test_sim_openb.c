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

static void test_gangs_are_units(void **state SY_UNUSED)
{
    struct sy_openb o = {0};
    struct sy_err err = {0};

    assert_int_equal(
        sy_openb_read_pods(
            &o,
            SY_STR("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gang,gang_min,creation_time,"
                   "deletion_time\n"
                   "d,1,1,1,1000,x,,5,15\na,1,1,1,500,,,3,4\nc,1,1,2,1000,x,,4,24\n"
                   "e,1,1,1,1000,y,2,,\nf,1,1,1,1000,y,1,,\ng,1,1,1,1000,y,,,\n"
                   "h,1,1,1,1000,z,9,,\n"),
            "p", NULL),
        0);
    assert_int_equal(o.units.len, 4);
    assert_int_equal(o.members.len, 7);
    const struct sy_openb_unit *a = &o.units.p[0], *x = &o.units.p[1], *y = &o.units.p[2];
    assert_true(a->len == 1 && a->min == 1 && a->milli == 500 && a->arrives_s == 3);
    assert_true(x->len == 2 && x->min == 2 && x->milli == 3000);
    assert_true(x->arrives_s == 4 && x->lasts_s == 20 && x->milli_s == 1000 * 10 + 2000 * 20.0);
    assert_string_equal(o.pods.p[o.members.p[x->first]].name, "c");
    assert_string_equal(o.pods.p[o.members.p[x->first + 1]].name, "d");
    assert_true(y->len == 3 && y->min == 2);
    assert_int_equal(o.units.p[3].min, 1); /* no more than there are */
    sy_openb_done(&o);
    assert_int_equal(
        sy_openb_read_pods(
            &o,
            SY_STR("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gang,gang_min\np,1,1,0,0,x,no\n"),
            "p", &err),
        -EINVAL);
    assert_string_equal(err.msg, "p:2: gang_min: \"no\" is not a number from 0 to 2000000");
    sy_openb_done(&o);
}

static void test_gangs_are_made(void **state SY_UNUSED)
{
    struct sy_openb o = {0};
    struct sy_buf text;
    double in_gangs = 0, all = 0;
    size_t before;

    sy_buf_init(&text, 1 << 24);
    assert_int_equal(sy_gen_pods(3, 8000, &text), 0);
    assert_int_equal(sy_openb_read_pods(&o, sy_buf_str(&text), "p", NULL), 0);
    before = o.pods.len;
    sy_openb_make_gangs(&o, 0.4, 1);
    for (size_t i = 0; i < o.pods.len; i++) {
        double milli = (double)sy_openb_pod_milli(&o.pods.p[i]);
        in_gangs += o.pods.p[i].gang ? milli : 0;
        all += o.pods.p[i].gpu_milli == 1000 ? milli : 0;
        assert_true(!o.pods.p[i].gang || o.pods.p[i].gpu_milli == 1000);
    }
    assert_true(in_gangs / all > 0.3 && in_gangs / all < 0.5);
    assert_int_equal(o.members.len, o.pods.len);
    assert_true(o.units.len == before && o.pods.len > before);
    for (size_t i = 0; i < o.units.len; i++) {
        uint32_t len = o.units.p[i].len;
        assert_true(len == o.units.p[i].min && (len & (len - 1)) == 0 && len <= 16);
    }
    before = o.pods.len;
    sy_openb_make_gangs(&o, 0.4, 1); /* it has some */
    assert_int_equal(o.pods.len, before);
    sy_openb_done(&o);
    sy_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_go_by_header), cmocka_unit_test(test_five_columns_do),
        cmocka_unit_test(test_errors_say_where),     cmocka_unit_test(test_generator),
        cmocka_unit_test(test_gangs_are_units),      cmocka_unit_test(test_gangs_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
