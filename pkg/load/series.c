/* SPDX-License-Identifier: Apache-2.0 */
#include "load/series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/json.h"

enum { TEXTS_MAX_BYTES = 64 << 20, NUMBER_MAX_BYTES = 64, SAID_MAX_BYTES = 300 };
/* Years of Unix time beyond this are no times. */
static const double AT_MAX_S = 1e11;

static const char *text_of(struct json_object *o, const char *key)
{
    return sy_load_json_text(sy_load_json_get(o, key, json_type_string)).p;
}

/* As Go prints a float: also "NaN", "+Inf", "-Inf". */
static bool read_number(struct json_object *o, double *ret)
{
    if (!json_object_is_type(o, json_type_string))
        return false;
    const char *text = json_object_get_string(o);
    size_t len = (size_t)json_object_get_string_len(o);
    char *end = NULL;
    if (!len || len > NUMBER_MAX_BYTES || strlen(text) != len ||
        strspn(text, "+-.0123456789eEINafn") != len)
        return false;
    *ret = strtod(text, &end);
    return *end == '\0';
}

static bool read_at(struct json_object *o, double *ret)
{
    if (!json_object_is_type(o, json_type_double) && !json_object_is_type(o, json_type_int))
        return false;
    *ret = json_object_get_double(o);
    return isfinite(*ret) && *ret > 0 && *ret < AT_MAX_S;
}

static int read_one(struct json_object *o, const char *label, struct sy_series_set *ret)
{
    struct json_object *value = sy_load_json_get(o, "value", json_type_array);
    struct json_object *text =
        sy_load_json_get(sy_load_json_get(o, "metric", json_type_object), label, json_type_string);
    struct sy_series s = {.label_at = (uint32_t)ret->texts.len};

    if (!value || json_object_array_length(value) != 2 ||
        !read_at(json_object_array_get_idx(value, 0), &s.at_s) ||
        !read_number(json_object_array_get_idx(value, 1), &s.value)) {
        ret->malformed++;
        return 0;
    }
    if (!text || !json_object_get_string_len(text)) {
        ret->unlabelled++;
        return 0;
    }
    s.label_len = (uint32_t)json_object_get_string_len(text);
    sy_vec_push(&ret->all, s);
    return sy_buf_add(&ret->texts, json_object_get_string(text), s.label_len);
}

static int read_result(struct json_object *data, const char *label, struct sy_series_set *ret,
                       struct sy_err *err)
{
    struct json_object *result = sy_load_json_get(data, "result", json_type_array);
    const char *type = text_of(data, "resultType");

    if (strcmp(type, "vector") != 0)
        return sy_err_set(err, -EPROTO,
                          "the query gives a %.32s, not a vector; write one that gives a value for "
                          "each node",
                          *type ? type : "thing without a type");
    if (!result)
        return sy_err_set(err, -EBADMSG, "the answer has no data.result");
    size_t len = json_object_array_length(result);
    for (size_t i = 0; i < len; i++) {
        int r = read_one(json_object_array_get_idx(result, i), label, ret);
        if (r)
            return sy_err_set(err, r, "the answer's labels are too large");
    }
    return 0;
}

int sy_series_read(struct sy_str body, const char *label, struct sy_series_set *ret,
                   struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_load_json_put) = NULL;
    int r = sy_load_json_parse(body, "the answer", &tree, err);

    sy_buf_init(&ret->texts, TEXTS_MAX_BYTES);
    if (r)
        return r;
    const char *status = text_of(tree, "status");
    if (strcmp(status, "error") == 0)
        return sy_err_set(err, -EREMOTEIO, "Prometheus says %.64s: %.*s",
                          text_of(tree, "errorType"), (int)SAID_MAX_BYTES, text_of(tree, "error"));
    if (strcmp(status, "success") != 0)
        return sy_err_set(err, -EBADMSG,
                          "the answer is not what Prometheus answers: status \"%.32s\"", status);
    struct json_object *warnings = sy_load_json_get(tree, "warnings", json_type_array);
    if (warnings && json_object_array_length(warnings)) {
        const char *said = sy_load_json_text(json_object_array_get_idx(warnings, 0)).p;
        snprintf(ret->warning, sizeof(ret->warning), "%s", *said ? said : "a warning");
    }
    return read_result(sy_load_json_get(tree, "data", json_type_object), label, ret, err);
}

void sy_series_done(struct sy_series_set *set)
{
    sy_vec_done(&set->all);
    sy_buf_done(&set->texts);
    *set = (struct sy_series_set){0};
}

struct sy_str sy_series_label(const struct sy_series_set *set, const struct sy_series *s)
{
    return (struct sy_str){set->texts.p + s->label_at, s->label_len};
}

/* NaN first, so that it is the least. */
static int compare_values(double a, double b)
{
    if (isnan(a) || isnan(b))
        return !isnan(a) - !isnan(b);
    return (a > b) - (a < b);
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct sy_series *x = a, *y = b;
    const struct sy_series_set *set = arg;
    int order = sy_str_cmp(sy_series_label(set, x), sy_series_label(set, y));

    return order ? order : compare_values(x->value, y->value);
}

void sy_series_unite(struct sy_series_set *set)
{
    size_t len = 0;

    if (!set->all.len)
        return;
    qsort_r(set->all.p, set->all.len, sizeof(*set->all.p), compare, set);
    for (size_t i = 0; i < set->all.len; i++) {
        struct sy_series *s = &set->all.p[i];
        struct sy_series *last = len ? &set->all.p[len - 1] : NULL;
        if (last && sy_str_eq(sy_series_label(set, last), sy_series_label(set, s)))
            last->differs = last->differs || compare_values(last->value, s->value) != 0;
        else
            set->all.p[len++] = *s;
    }
    set->all.len = len;
}

const struct sy_series *sy_series_find(const struct sy_series_set *set, struct sy_str label)
{
    size_t low = 0, high = set->all.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sy_series *s = &set->all.p[middle];
        int order = sy_str_cmp(sy_series_label(set, s), label);
        if (!order)
            return s;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
