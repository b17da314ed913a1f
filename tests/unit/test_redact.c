/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left of an object that is shown: nothing secret, and all that decisions are made on. */
#include "snapshot/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The object with ' for ". */
static void check(const char *kind, const char *from, const char *want)
{
    char text[2][2048];

    snprintf(text[0], sizeof(text[0]), "%s", from);
    snprintf(text[1], sizeof(text[1]), "%s", want);
    for (int i = 0; i < 2; i++) {
        for (char *p = text[i]; *p; p++)
            *p = *p == '\'' ? '"' : *p;
    }
    struct json_object *tree = json_tokener_parse(text[0]);
    assert_non_null(tree);
    sy_redact(tree, kind);
    assert_string_equal(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE),
                        text[1]);
    json_object_put(tree);
}

static void test_pod(void **state)
{
    (void)state;
    check("Pod",
          "{'kind':'Pod','metadata':{'name':'p','managedFields':[1],'annotations':{"
          "'kubectl.kubernetes.io/last-applied-configuration':'secret',"
          "'steelyard.dev/gpu-milli':'500'}},"
          "'spec':{'schedulerName':'s','serviceAccountName':'root','imagePullSecrets':[{}],"
          "'containers':[{'name':'c','env':[{'name':'A','value':'secret'}],'args':['secret'],"
          "'resources':{'requests':{'cpu':'1'}}}],"
          "'initContainers':[{'command':['secret'],'image':'i'}],"
          "'ephemeralContainers':[{'env':['secret']}],"
          "'volumes':[{'name':'v','secret':{'secretName':'secret'}},"
          "{'name':'w','persistentVolumeClaim':{'claimName':'c'}},"
          "{'name':'x','csi':{'driver':'d','volumeAttributes':{'key':'secret'}}}]},"
          "'status':{'phase':'Pending','podIP':'10.0.0.1'}}",
          "{'kind':'Pod','metadata':{'name':'p','annotations':{'steelyard.dev/gpu-milli':'500'}},"
          "'spec':{'schedulerName':'s','containers':[{'name':'c',"
          "'resources':{'requests':{'cpu':'1'}}}],'initContainers':[{'image':'i'}],"
          "'volumes':[{'name':'v'},{'name':'w','persistentVolumeClaim':{'claimName':'c'}},"
          "{'name':'x','csi':{'driver':'d'}}]},'status':{'phase':'Pending'}}");
}

static void test_controller_and_node(void **state)
{
    (void)state;
    check("Job",
          "{'spec':{'completions':2,'template':{'metadata':{'labels':{'a':'b'},"
          "'annotations':{'x':'secret'}},'spec':{'containers':[{'env':['secret']}]}}}}",
          "{'spec':{'completions':2,'template':{'metadata':{'labels':{'a':'b'},"
          "'annotations':{}},'spec':{'containers':[{}]}}}}");
    check("Node",
          "{'spec':{'podCIDR':'10.0.0.0/8','unschedulable':true,'taints':[]},"
          "'status':{'allocatable':{'cpu':'1'},'nodeInfo':{'machineID':'secret'}}}",
          "{'spec':{'unschedulable':true,'taints':[]},'status':{'allocatable':{'cpu':'1'}}}");
    check("StorageClass", "{'parameters':{'key':'secret'},'provisioner':'p'}",
          "{'provisioner':'p'}");
}

static void test_what_is_of_no_such_form(void **state)
{
    (void)state;
    check("Pod", "{'metadata':7,'spec':[1],'status':null}",
          "{'metadata':7,'spec':[1],'status':null}");
    check("Pod", "{'spec':{'containers':{},'volumes':[1,null,{'csi':3}]}}",
          "{'spec':{'containers':{},'volumes':[1,null,{'csi':3}]}}");
    check("Job", "{'spec':{'template':1}}", "{'spec':{'template':1}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pod),
        cmocka_unit_test(test_controller_and_node),
        cmocka_unit_test(test_what_is_of_no_such_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
