/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoders and framers with each allocation failing in turn: an error, no crash, no leak. */
#include "kube/decode.h"

#include <errno.h>

#include "kube/frame.h"
#include "wire.h"

struct object {
    const char *file;
    bool is_node;
};

static const struct object objects[] = {
    {"pod-typical", false}, {"pod-selectors", false}, {"pod-node-affinity", false},
    {"pod-volumes", false}, {"pod-spread", false},    {"pod-many-containers", false},
    {"pod-resize", false},  {"pod-init", false},      {"node-images", true},
    {"node-taints", true},
};

static struct sy_str object_bytes(const struct object *o, enum sy_encoding enc)
{
    char *path = sy_xasprintf(OBJECTS "%s.%s", o->file, enc == SY_ENCODING_JSON ? "json" : "pb");
    struct sy_str raw = read_whole(path);

    free(path);
    return raw;
}

static int decode(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw, bool is_node,
                  struct sy_err *err)
{
    struct sy_node node;
    struct sy_pod pod;

    return is_node ? sy_decode_node(d, enc, raw, &node, err)
                   : sy_decode_pod(d, enc, raw, &pod, err);
}

/* Fails the n-th allocation and all after it. Returns the result of decoding. */
static int decode_failing_at(size_t n, const struct object *o, enum sy_encoding enc,
                             struct sy_str raw)
{
    static const uint64_t key[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(key);
    struct sy_decode d;
    struct sy_err err = {0};

    sy_decode_init(&d, strings, 1 << 20);
    sy_mem_fail_at(n);
    int r = decode(&d, enc, raw, o->is_node, &err);
    sy_mem_fail_at(0);
    if (r < 0) {
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(err.code, -ENOMEM);
        assert_non_null(strstr(err.msg, "out of memory"));
        /* The same decoder works once there is memory again. */
        sy_arena_reset(&d.arena);
        assert_int_equal(decode(&d, enc, raw, o->is_node, &err), 0);
    }
    sy_decode_done(&d);
    sy_strings_free(strings);
    return r;
}

static void test_decoders(void **state)
{
    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(objects); i++) {
        for (int enc = SY_ENCODING_JSON; enc <= SY_ENCODING_PROTOBUF; enc++) {
            struct sy_str raw = object_bytes(&objects[i], (enum sy_encoding)enc);
            size_t n = 1;
            while (decode_failing_at(n, &objects[i], (enum sy_encoding)enc, raw) < 0)
                assert_true(++n < 10000);
            assert_true(n > 5);
            free((char *)raw.p);
        }
    }
}

static int count_it(void *arg, enum sy_event_type type, struct sy_str raw)
{
    (void)type;
    (void)raw;
    ++*(int *)arg;
    return 0;
}

/* In small pieces, so that every object goes through the buffer. */
static int frame_failing_at(size_t n, bool is_list, enum sy_encoding enc, struct sy_str text)
{
    int count = 0, r = 0;
    struct sy_err err = {0};
    struct sy_framer *f = is_list ? sy_list_framer_new(enc, 1 << 20, count_it, &count)
                                  : sy_watch_framer_new(enc, 1 << 20, count_it, &count);

    sy_mem_fail_at(n);
    for (size_t at = 0; at < text.len && r == 0; at += 100) {
        struct sy_str piece = {text.p + at, text.len - at < 100 ? text.len - at : 100};
        r = sy_framer_feed(f, piece, &err);
    }
    sy_mem_fail_at(0);
    if (r < 0) {
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(err.code, -ENOMEM);
        assert_int_equal(sy_framer_feed(f, text, NULL), -ENOMEM);
    } else {
        assert_int_equal(sy_framer_finish(f, NULL), 0);
        assert_int_equal(count, 3);
    }
    sy_framer_free(f);
    return r;
}

static void frame_stream(bool is_list, enum sy_encoding enc, struct sy_buf *out)
{
    struct sy_str object = object_bytes(&objects[0], enc);
    struct sy_buf list, meta, event, enveloped;

    sy_buf_init(out, 1 << 20);
    sy_buf_init(&list, 1 << 20);
    sy_buf_init(&meta, 1 << 20);
    sy_buf_init(&event, 1 << 20);
    sy_buf_init(&enveloped, 1 << 20);
    if (is_list && enc == SY_ENCODING_JSON)
        sy_buf_adds(out, "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[");
    for (int i = 0; i < 3; i++) {
        if (enc == SY_ENCODING_JSON) {
            sy_buf_addf(out, "%s", is_list ? i ? "," : "" : "{\"type\":\"ADDED\",\"object\":");
            sy_buf_add(out, object.p, object.len);
            sy_buf_addf(out, "%s", is_list ? "" : "}\n");
        } else if (is_list) {
            pb_bytes(&list, 2, object);
        } else {
            pb_envelope(&enveloped, "Pod", object);
            pb_message(&list, 1, &enveloped);
            pb_text(&event, 1, "ADDED");
            pb_message(&event, 2, &list);
            uint32_t length = __builtin_bswap32((uint32_t)event.len);
            sy_buf_add(out, &length, 4);
            sy_buf_add(out, event.p, event.len);
            sy_buf_done(&event);
        }
    }
    if (is_list && enc == SY_ENCODING_JSON)
        sy_buf_adds(out, "]}");
    if (is_list && enc == SY_ENCODING_PROTOBUF) {
        pb_text(&meta, 2, "1");
        pb_message(&list, 1, &meta);
        pb_envelope(out, "PodList", sy_buf_str(&list));
    }
    sy_buf_done(&list);
    free((char *)object.p);
}

static void test_framers(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        enum sy_encoding enc = kind & 1 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
        struct sy_buf text;
        size_t n = 1;
        frame_stream(kind & 2, enc, &text);
        while (frame_failing_at(n, kind & 2, enc, sy_buf_str(&text)) < 0)
            assert_true(++n < 1000);
        assert_true(n > 3);
        sy_buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_framers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
