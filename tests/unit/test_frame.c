/* SPDX-License-Identifier: Apache-2.0
 *
 * Framers: the same objects come out wherever the input is cut, and nothing else ever does. */
#include "kube/frame.h"

#include <errno.h>

#include "wire.h"

enum { LIMIT = 1 << 20 };

/* What a framer handed out: a line per object. */
struct record {
    struct sy_buf lines;
    int refuse_at; /* refuse the n-th object, from 1 */
    int count;
    struct sy_str within; /* when set, every object must lie in here */
};

static int note(void *arg, enum sy_event_type type, struct sy_str raw)
{
    struct record *r = arg;

    if (++r->count == r->refuse_at)
        return -ECANCELED;
    if (r->within.len) {
        assert_true(raw.p >= r->within.p && raw.p + raw.len <= r->within.p + r->within.len);
    }
    sy_buf_addf(&r->lines, "%d ", (int)type);
    sy_buf_add_json(&r->lines, raw);
    sy_buf_addc(&r->lines, '\n');
    return 0;
}

static void record_init(struct record *r)
{
    *r = (struct record){0};
    sy_buf_init(&r->lines, 16 << 20);
}

static struct sy_framer *framer(bool is_list, enum sy_encoding enc, size_t limit, struct record *r)
{
    return is_list ? sy_list_framer_new(enc, limit, note, r)
                   : sy_watch_framer_new(enc, limit, note, r);
}

/* Feeds a copy in a block of its own, so that the sanitizer sees any use after the feed. */
static int feed(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    char *copy = sy_xmalloc(piece.len ? piece.len : 1);

    if (piece.len)
        memcpy(copy, piece.p, piece.len);
    int r = sy_framer_feed(f, (struct sy_str){copy, piece.len}, err);
    free(copy);
    return r;
}

static void expect_record(const struct record *r, const char *want, const char *how, size_t at)
{
    const char *got = r->lines.p ? r->lines.p : "";

    if (strcmp(got, want) != 0)
        fail_msg("%s %zu: got\n%.2000s\nwant\n%.2000s", how, at, got, want);
}

static void expect_meta(const struct sy_framer *f, const char *version, const char *next)
{
    struct sy_list_meta meta = sy_framer_list_meta(f);

    assert_true(sy_str_eqz(meta.resource_version, version));
    assert_true(sy_str_eqz(meta.continue_token, next));
}

struct stream {
    bool is_list;
    enum sy_encoding enc;
    struct sy_str text;
    const char *want;
    const char *version, *next; /* lists */
};

static void run_whole(const struct stream *s)
{
    struct record r;
    struct sy_err err = {0};

    record_init(&r);
    r.within = s->text;
    struct sy_framer *f = framer(s->is_list, s->enc, LIMIT, &r);
    if (sy_framer_feed(f, s->text, &err) < 0 || sy_framer_finish(f, &err) < 0)
        fail_msg("%s", err.msg);
    expect_record(&r, s->want, "whole", 0);
    if (s->is_list)
        expect_meta(f, s->version, s->next);
    sy_framer_free(f);
    sy_buf_done(&r.lines);
}

static void run_pieces(const struct stream *s, size_t size)
{
    struct record r;
    struct sy_err err = {0};

    record_init(&r);
    struct sy_framer *f = framer(s->is_list, s->enc, LIMIT, &r);
    for (size_t i = 0; i < s->text.len; i += size) {
        size_t len = s->text.len - i < size ? s->text.len - i : size;
        if (feed(f, (struct sy_str){s->text.p + i, len}, &err) < 0)
            fail_msg("pieces of %zu: %s", size, err.msg);
        assert_int_equal(feed(f, SY_STR(""), NULL), 0);
    }
    assert_int_equal(sy_framer_finish(f, &err), 0);
    expect_record(&r, s->want, "pieces of", size);
    if (s->is_list)
        expect_meta(f, s->version, s->next);
    sy_framer_free(f);
    sy_buf_done(&r.lines);
}

static void run_split(const struct stream *s, size_t at)
{
    struct record r;
    struct sy_err err = {0};

    record_init(&r);
    struct sy_framer *f = framer(s->is_list, s->enc, LIMIT, &r);
    if (feed(f, (struct sy_str){s->text.p, at}, &err) < 0 ||
        feed(f, (struct sy_str){s->text.p + at, s->text.len - at}, &err) < 0 ||
        sy_framer_finish(f, &err) < 0)
        fail_msg("split at %zu: %s", at, err.msg);
    expect_record(&r, s->want, "split at", at);
    if (s->is_list)
        expect_meta(f, s->version, s->next);
    sy_framer_free(f);
    sy_buf_done(&r.lines);
}

/* Cut off at every byte: never an object that is not there, and an error unless it may end there.
 * may_end: how many of the cuts, the empty one included, leave a complete input. */
static void run_cut(const struct stream *s, int may_end)
{
    int complete = 0;

    for (size_t at = 0; at < s->text.len; at++) {
        struct record r;
        struct sy_err err = {0};
        record_init(&r);
        struct sy_framer *f = framer(s->is_list, s->enc, LIMIT, &r);
        assert_int_equal(feed(f, (struct sy_str){s->text.p, at}, &err), 0);
        int code = sy_framer_finish(f, &err);
        assert_true(code == 0 || code == -EBADMSG);
        complete += code == 0;
        size_t len = r.lines.len;
        if (len && memcmp(r.lines.p, s->want, len) != 0)
            fail_msg("cut at %zu: %s", at, r.lines.p);
        sy_framer_free(f);
        sy_buf_done(&r.lines);
    }
    assert_int_equal(complete, may_end);
}

static void run_stream(const struct stream *s, int may_end)
{
    run_whole(s);
    for (size_t at = 0; at <= s->text.len; at++)
        run_split(s, at);
    for (size_t size = 1; size < 20; size++)
        run_pieces(s, size);
    run_cut(s, may_end);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void test_json_watch(void **state)
{
    (void)state;
    struct stream s = {
        .enc = SY_ENCODING_JSON,
        .text =
            SY_STR("{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]\\\"\\\\\"}],\"c\":null}}\n"
                   "\r\n {\"object\" : {\"x\":\"\\\\\"} , \"type\"\t:\"MODIFIED\"}\n"
                   "{\"n\":-1.5e+3,\"object\":{},\"m\":{\"type\":\"BAD\",\"object\":[]},\"z\":null,"
                   "\"l\":[[\"]\"]],\"type\":\"DELETED\",\"t\":true}"
                   "{\"object\":{\"old\":1},\"object\":{\"new\":2},\"type\":\"ADDED\",\"type\":"
                   "\"BOOKMARK\"}\n"
                   "{\"a key that is longer than any that we look for\":\"\",\"\":0,"
                   "\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\"}}\n"),
        .want = "0 \"{\\\"a\\\":[1,{\\\"b\\\":\\\"}]\\\\\\\"\\\\\\\\\\\"}],\\\"c\\\":null}\"\n"
                "1 \"{\\\"x\\\":\\\"\\\\\\\\\\\"}\"\n"
                "2 \"{}\"\n"
                "3 \"{\\\"new\\\":2}\"\n"
                "4 \"{\\\"kind\\\":\\\"Status\\\"}\"\n",
    };

    /* Before the first event, after each, and after each space between them. */
    run_stream(&s, 12);
}

static void test_json_list(void **state)
{
    (void)state;
    struct stream s = {
        .is_list = true,
        .enc = SY_ENCODING_JSON,
        .text = SY_STR(" {\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"12\\u0033\","
                       "\"continue\":\"next\"},\"items\": [ {\"a\":\"]\"} ,{\"b\":{\"items\":[1]}}"
                       "\n,{}]\n,\"n\":1}\n "),
        .want = "0 \"{\\\"a\\\":\\\"]\\\"}\"\n"
                "0 \"{\\\"b\\\":{\\\"items\\\":[1]}}\"\n"
                "0 \"{}\"\n",
        .version = "123",
        .next = "next",
    };

    run_stream(&s, 2);
    s.text = SY_STR("{\"items\":[{}],\"metadata\":{\"resourceVersion\":\"7\"}}");
    s.want = "0 \"{}\"\n";
    s.version = "7";
    s.next = "";
    run_stream(&s, 0);
    s.text = SY_STR("{\"items\":null,\"metadata\":null}");
    s.want = "";
    s.version = "";
    run_stream(&s, 0);
    s.text = SY_STR("{\"items\":[],\"metadata\":{}}");
    run_stream(&s, 0);
    s.text = SY_STR("{\"metadata\":7,\"items\" : null }");
    run_stream(&s, 0);
}

struct refused {
    bool is_list;
    const char *text;
    const char *message;
};

static void test_json_refused(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {false, "[]", "an object was expected"},
        {false, "x", "an object was expected"},
        {false, "{\"type\":\"ADDED\"}", "without type or object"},
        {false, "{\"object\":{}}", "without type or object"},
        {false, "{}", "without type or object"},
        {false, "{\"type\":\"PUT\",\"object\":{}}", "unknown type \"PUT\""},
        {false, "{\"type\":\"\",\"object\":{}}", "unknown type \"\""},
        {false, "{\"type\":\"ADDED ADDED ADDED ADDED ADDED\",\"object\":{}}", "too long"},
        {false, "{\"type\":1,\"object\":{}}", "type is not text"},
        {false, "{\"type\":\"ADDED\",\"object\":null}", "in the place of an object"},
        {false, "{\"type\":\"ADDED\",\"object\":[]}", "in the place of an object"},
        {false, "{\"type\":\"ADDED\",\"object\":\"{}\"}", "in the place of an object"},
        {false, "{type", "a key was expected"},
        {false, "{\"type\" \"", "a colon was expected"},
        {false, "{\"type\":\"ADDED\" \"", "a comma was expected"},
        {false, "{\"type\":\"ADDED\",}", "a key was expected"},
        {false, "{\"x\":,", "a value was expected"},
        {false, "{\"x\":}", "a value was expected"},
        {false, "{\"x\":[}", "brackets do not match"},
        {false, "{\"object\":{]", "brackets do not match"},
        {true, "[", "an object was expected"},
        {true, "{\"metadata\":{}}", "a list without items"},
        {true, "{\"items\":{}}", "items is not an array"},
        {true, "{\"items\":\"x\"}", "items is not an array"},
        {true, "{\"items\":nil}", "items is not an array"},
        {true, "{\"items\":[null]}", "in the place of an object"},
        {true, "{\"items\":[1]}", "in the place of an object"},
        {true, "{\"items\":[{} {}]}", "a comma was expected"},
        {true, "{\"items\":[{},]}", "in the place of an object"},
        {true, "{\"items\":[{}]}x", "bytes after the list"},
        {true, "{\"items\":[],\"metadata\":{\"x\":zzz}}", "the list's metadata: malformed JSON"},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        for (size_t size = 1; size <= 64; size += 63) {
            struct record r;
            struct sy_err err = {0}, again = {0};
            struct sy_str text = sy_str_from(cases[i].text);
            int code = 0;
            record_init(&r);
            struct sy_framer *f = framer(cases[i].is_list, SY_ENCODING_JSON, LIMIT, &r);
            for (size_t at = 0; at < text.len && code == 0; at += size) {
                size_t len = text.len - at < size ? text.len - at : size;
                code = feed(f, (struct sy_str){text.p + at, len}, &err);
            }
            if (code != -EBADMSG || !strstr(err.msg, cases[i].message))
                fail_msg("%s: %d %s", cases[i].text, code, err.msg);
            /* From then on it says only that. */
            assert_int_equal(feed(f, SY_STR("{}"), &again), -EBADMSG);
            assert_string_equal(again.msg, err.msg);
            assert_int_equal(sy_framer_finish(f, &again), -EBADMSG);
            assert_int_equal(feed(f, SY_STR("{}"), NULL), -EBADMSG);
            sy_framer_free(f);
            sy_buf_done(&r.lines);
        }
    }
}

static void test_json_depth(void **state)
{
    (void)state;
    for (int depth = 60; depth <= 70; depth++) {
        struct record r;
        struct sy_buf text;
        record_init(&r);
        sy_buf_init(&text, 4096);
        struct sy_framer *f = framer(true, SY_ENCODING_JSON, LIMIT, &r);
        sy_buf_adds(&text, "{\"items\":[");
        for (int i = 0; i < depth; i++)
            sy_buf_adds(&text, "{\"a\":");
        sy_buf_adds(&text, "[]");
        for (int i = 0; i < depth; i++)
            sy_buf_adds(&text, "}");
        sy_buf_adds(&text, "]}");
        assert_int_equal(feed(f, sy_buf_str(&text), NULL), depth < 64 ? 0 : -EBADMSG);
        assert_int_equal(r.count, depth < 64);
        sy_framer_free(f);
        sy_buf_done(&text);
        sy_buf_done(&r.lines);
    }
}

/* ---- protobuf -------------------------------------------------------------------------------- */

static void add_frame(struct sy_buf *out, struct sy_str frame)
{
    unsigned char h[4] = {(unsigned char)(frame.len >> 24), (unsigned char)(frame.len >> 16),
                          (unsigned char)(frame.len >> 8), (unsigned char)frame.len};

    sy_buf_add(out, h, 4);
    sy_buf_add(out, frame.p, frame.len);
}

/* object first: the order of fields is free. */
static void add_event(struct sy_buf *out, const char *type, struct sy_str object, bool object_first)
{
    struct sy_buf event, extension, enveloped;

    sy_buf_init(&event, 16 << 20);
    sy_buf_init(&extension, 16 << 20);
    sy_buf_init(&enveloped, 16 << 20);
    pb_envelope(&enveloped, "Pod", object);
    pb_message(&extension, 1, &enveloped);
    if (!object_first)
        pb_text(&event, 1, type);
    pb_message(&event, 2, &extension);
    if (object_first)
        pb_text(&event, 1, type);
    add_frame(out, sy_buf_str(&event));
    sy_buf_done(&event);
}

static void test_pb_watch(void **state)
{
    (void)state;
    struct sy_buf text, bare, enveloped;
    char long_object[300];

    memset(long_object, 'x', sizeof(long_object));
    sy_buf_init(&text, LIMIT);
    sy_buf_init(&bare, LIMIT);
    sy_buf_init(&enveloped, LIMIT);
    add_event(&text, "ADDED", SY_STR("one"), false);
    add_event(&text, "MODIFIED", SY_STR("two"), true);
    add_event(&text, "DELETED", SY_STR(""), false);
    add_event(&text, "BOOKMARK", (struct sy_str){long_object, sizeof(long_object)}, false);
    /* An event in an envelope of its own. */
    add_event(&bare, "ERROR", SY_STR("five"), false);
    pb_envelope(&enveloped, "WatchEvent", (struct sy_str){bare.p + 4, bare.len - 4});
    add_frame(&text, sy_buf_str(&enveloped));
    struct sy_buf want;
    sy_buf_init(&want, LIMIT);
    sy_buf_addf(&want, "0 \"one\"\n1 \"two\"\n2 \"\"\n3 \"%.300s\"\n4 \"five\"\n", long_object);
    struct stream s = {.enc = SY_ENCODING_PROTOBUF, .text = sy_buf_str(&text), .want = want.p};

    /* Before each of the events. */
    run_stream(&s, 5);
    sy_buf_done(&text);
    sy_buf_done(&bare);
    sy_buf_done(&enveloped);
    sy_buf_done(&want);
}

static void test_pb_list(void **state)
{
    (void)state;
    struct sy_buf list, meta, text;

    sy_buf_init(&list, LIMIT);
    sy_buf_init(&meta, LIMIT);
    sy_buf_init(&text, LIMIT);
    pb_text(&meta, 1, "");
    pb_text(&meta, 2, "4711");
    pb_text(&meta, 3, "next");
    pb_number(&meta, 4, 12);
    pb_message(&list, 1, &meta);
    pb_text(&list, 2, "one");
    pb_text(&list, 2, "");
    pb_number(&list, 9, UINT64_MAX);
    sy_buf_add(&list, "\x3d\x01\x02\x03\x04", 5);
    sy_buf_add(&list, "\x39\x01\x02\x03\x04\x05\x06\x07\x08", 9);
    pb_text(&list, 1000, "unknown");
    pb_text(&list, 1001, "");
    pb_text(&list, 2, "three");
    pb_envelope(&text, "PodList", sy_buf_str(&list));
    struct stream s = {
        .is_list = true,
        .enc = SY_ENCODING_PROTOBUF,
        .text = sy_buf_str(&text),
        .want = "0 \"one\"\n0 \"\"\n0 \"three\"\n",
        .version = "4711",
        .next = "next",
    };
    /* After raw, and between the two empty fields after it. */
    run_stream(&s, 2);

    /* Items before metadata, fields around raw, the type last. */
    sy_buf_reset(&text);
    sy_buf_reset(&list);
    pb_text(&list, 2, "one");
    pb_text(&meta, 2, "8");
    pb_message(&list, 1, &meta);
    sy_buf_add(&text, "k8s", 4);
    pb_number(&text, 7, 300);
    pb_text(&text, 4, "application/x");
    pb_bytes(&text, 2, sy_buf_str(&list));
    pb_text(&meta, 2, "NodeList");
    pb_message(&text, 1, &meta);
    s.text = sy_buf_str(&text);
    s.want = "0 \"one\"\n";
    s.version = "8";
    s.next = "";
    run_stream(&s, 1);

    /* Nothing in it. */
    sy_buf_reset(&text);
    sy_buf_add(&text, "k8s\0\x12\x00", 6);
    s.text = sy_buf_str(&text);
    s.want = s.version = "";
    run_stream(&s, 0);
    sy_buf_done(&text);
    sy_buf_done(&list);
}

static void test_pb_refused(void **state)
{
    (void)state;
    static const struct {
        bool is_list;
        struct sy_str text;
        const char *message;
    } cases[] = {
        {false, {"\0\0\0\0", 4}, "empty watch frame"},
        {false, {"\x7f\xff\xff\xff", 4}, "at least 2147483647 bytes"},
        {false, {"\0\0\0\x02\x0a\x05", 6}, "malformed protobuf"},
        {false, {"\0\0\0\x02\x0a\x00", 6}, "unknown type \"\""},
        {false,
         {"\0\0\0\x07\x0a\x05"
          "ADDED",
          11},
         "without a protobuf object"},
        {false,
         {"\0\0\0\x0b\x0a\x05"
          "ADDED\x12\x02\x0a\x00",
          15},
         "without a protobuf object"},
        {false,
         {"\0\0\0\x0a\x0a\x05"
          "ADDED\x12\x01\x0a",
          14},
         "malformed protobuf"},
        {false,
         {"\0\0\0\x11\x0a\x05"
          "ADDED\x12\x08\x0a\x06k8s\0\x12\x05",
          21},
         "envelope"},
        {false, {"\0\0\0\x06k8s\0\x12\x05", 10}, "envelope"},
        {true, {"k8s\1", 4}, "not Kubernetes protobuf"},
        {true, {"{\"items\":[]}", 12}, "not Kubernetes protobuf"},
        {true, {"k8s\0\x0b", 5}, "malformed protobuf"},
        {true, {"k8s\0\x00", 5}, "malformed protobuf"},
        {true, {"k8s\0\x12\x02\x12\x05", 8}, "malformed protobuf"},          /* item past raw */
        {true, {"k8s\0\x12\x02\x08\x80\x01", 9}, "malformed protobuf"},      /* varint past raw */
        {true, {"k8s\0\x12\x01\x39", 7}, "malformed protobuf"},              /* fixed past raw */
        {true, {"k8s\0\x12\x02\x12\x00\x12\x00", 10}, "malformed protobuf"}, /* raw twice */
        {true, {"k8s\0\x12\x04\x0a\x02\x12\x09", 10}, "the list's metadata: malformed"},
        {true, {"k8s\0\x0a\x05\x12\x03Pod", 11}, "a \"Pod\" and not a list"},
        {true, {"k8s\0\x0a\x02\x12\x09", 8}, "malformed protobuf"},
        {true,
         {"k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\xff\xff\xff\xff\x0f", 21},
         "at least 4294967295 bytes"},
        {true, {"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 14}, "malformed protobuf"},
        {true, {"k8s\0\xf8\xff\xff\xff\x80\x01", 10}, "malformed protobuf"}, /* field > 2^29 */
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        for (size_t size = 1; size <= 64; size += 63) {
            struct record r;
            struct sy_err err = {0};
            struct sy_str text = cases[i].text;
            int code = 0;
            record_init(&r);
            struct sy_framer *f = framer(cases[i].is_list, SY_ENCODING_PROTOBUF, LIMIT, &r);
            for (size_t at = 0; at < text.len && code == 0; at += size) {
                size_t len = text.len - at < size ? text.len - at : size;
                code = feed(f, (struct sy_str){text.p + at, len}, &err);
            }
            if ((code != -EBADMSG && code != -E2BIG) || !strstr(err.msg, cases[i].message))
                fail_msg("case %zu: %d %s", i, code, err.msg);
            sy_framer_free(f);
            sy_buf_done(&r.lines);
        }
    }
}

/* ---- limits, refusals ------------------------------------------------------------------------ */

/* One stream for each framer with an object of `size` bytes in it. */
static void stream_of_size(bool is_list, enum sy_encoding enc, size_t size, struct sy_buf *out)
{
    char *object = sy_xmalloc(size);
    struct sy_buf list;

    memset(object, 'x', size);
    sy_buf_init(&list, 16 << 20);
    sy_buf_reset(out);
    if (enc == SY_ENCODING_JSON) {
        memcpy(object, "{\"", 2);
        memcpy(object + size - 5, "\":{}}", 5);
        sy_buf_adds(out, is_list ? "{\"items\":[" : "{\"type\":\"ADDED\",\"object\":");
        sy_buf_add(out, object, size);
        sy_buf_adds(out, is_list ? "]}" : "}");
    } else if (is_list) {
        pb_bytes(&list, 2, (struct sy_str){object, size});
        pb_envelope(out, "PodList", sy_buf_str(&list));
    } else {
        add_event(out, "ADDED", (struct sy_str){object, size}, false);
    }
    sy_buf_done(&list);
    free(object);
}

static void test_limit(void **state)
{
    (void)state;
    struct sy_buf text;

    sy_buf_init(&text, 16 << 20);
    for (int kind = 0; kind < 4; kind++) {
        enum sy_encoding enc = kind & 1 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
        for (int excess = 0; excess <= 1; excess++) {
            stream_of_size(kind & 2, enc, 5000 + (size_t)excess, &text);
            for (size_t size = 1; size <= 6000; size += 5999) {
                struct record r;
                struct sy_err err = {0};
                int code = 0;
                record_init(&r);
                struct sy_framer *f = framer(kind & 2, enc, 5000, &r);
                for (size_t at = 0; at < text.len && code == 0; at += size) {
                    size_t len = text.len - at < size ? text.len - at : size;
                    code = feed(f, (struct sy_str){text.p + at, len}, &err);
                }
                assert_int_equal(code, excess ? -E2BIG : 0);
                assert_int_equal(r.count, !excess);
                if (excess) {
                    assert_non_null(strstr(err.msg, "5001 bytes is over the limit of 5000"));
                }
                sy_framer_free(f);
                sy_buf_done(&r.lines);
            }
        }
    }
    sy_buf_done(&text);
}

/* A giant one is not kept in memory longer than it is needed, and is refused before it is. */
static void test_unending_object(void **state)
{
    (void)state;
    struct record r;
    struct sy_err err = {0};
    int code = 0, feeds = 0;
    char xs[1000];

    memset(xs, 'x', sizeof(xs));
    record_init(&r);
    struct sy_framer *f = framer(false, SY_ENCODING_JSON, 100000, &r);
    code = feed(f, SY_STR("{\"object\":{\"a\":\""), &err);
    for (; code == 0; feeds++)
        code = feed(f, (struct sy_str){xs, sizeof(xs)}, &err);
    assert_int_equal(code, -E2BIG);
    assert_in_range(feeds, 100, 102);
    sy_framer_free(f);
    /* What nobody wants may be of any size. */
    f = framer(false, SY_ENCODING_JSON, 1000, &r);
    assert_int_equal(feed(f, SY_STR("{\"a\":\""), &err), 0);
    for (feeds = 0; feeds < 1000; feeds++)
        assert_int_equal(feed(f, (struct sy_str){xs, sizeof(xs)}, &err), 0);
    assert_int_equal(feed(f, SY_STR("\",\"type\":\"ADDED\",\"object\":{}}"), &err), 0);
    assert_int_equal(r.count, 1);
    sy_framer_free(f);
    sy_buf_done(&r.lines);
}

static void test_callback_refuses(void **state)
{
    (void)state;
    struct sy_buf text;

    sy_buf_init(&text, LIMIT);
    for (int kind = 0; kind < 4; kind++) {
        enum sy_encoding enc = kind & 1 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
        struct record r;
        struct sy_err err = {0};
        stream_of_size(kind & 2, enc, 100, &text);
        record_init(&r);
        r.refuse_at = 1;
        struct sy_framer *f = framer(kind & 2, enc, LIMIT, &r);
        assert_int_equal(feed(f, sy_buf_str(&text), &err), -ECANCELED);
        assert_int_equal(err.code, -ECANCELED);
        assert_int_equal(feed(f, sy_buf_str(&text), &err), -ECANCELED);
        assert_int_equal(r.count, 1);
        sy_framer_free(f);
        /* Its own message stays. */
        f = framer(kind & 2, enc, LIMIT, &r);
        r.count = 0;
        sy_err_set(&err, -ECANCELED, "stop it");
        assert_int_equal(sy_framer_feed(f, sy_buf_str(&text), &err), -ECANCELED);
        assert_string_equal(err.msg, "stop it");
        sy_framer_free(f);
        sy_buf_done(&r.lines);
    }
    sy_buf_done(&text);
}

/* A pod goes through both framers of a form and is decoded from what comes out. */
static int decode_it(void *arg, enum sy_event_type type, struct sy_str raw)
{
    struct sy_decode *d = arg;
    struct sy_pod pod;

    (void)type;
    sy_arena_reset(&d->arena);
    assert_int_equal(sy_decode_pod(d, SY_ENCODING_PROTOBUF, raw, &pod, NULL), 0);
    assert_true(sy_str_eqz(pod.name, "web-7d4b9c6f5d-x2x7k"));
    d->odd_values += 1000;
    return 0;
}

static void test_framed_pods_decode(void **state)
{
    (void)state;
    static const uint64_t key[2] = {1, 2};
    struct sy_str pod = read_whole(OBJECTS "pod-typical.pb");
    struct sy_strings *strings = sy_strings_new(key);
    struct sy_decode d;
    struct sy_buf text;

    sy_decode_init(&d, strings, 1 << 20);
    sy_buf_init(&text, LIMIT);
    for (int i = 0; i < 3; i++)
        add_event(&text, "ADDED", pod, false);
    struct sy_framer *f = sy_watch_framer_new(SY_ENCODING_PROTOBUF, LIMIT, decode_it, &d);
    for (size_t at = 0; at < text.len; at += 1000) {
        size_t len = text.len - at < 1000 ? text.len - at : 1000;
        assert_int_equal(feed(f, (struct sy_str){text.p + at, len}, NULL), 0);
    }
    assert_int_equal(d.odd_values, 3000);
    sy_framer_free(f);
    sy_buf_done(&text);
    sy_decode_done(&d);
    sy_strings_free(strings);
    free((char *)pod.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_watch),         cmocka_unit_test(test_json_list),
        cmocka_unit_test(test_json_refused),       cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_pb_watch),           cmocka_unit_test(test_pb_list),
        cmocka_unit_test(test_pb_refused),         cmocka_unit_test(test_limit),
        cmocka_unit_test(test_unending_object),    cmocka_unit_test(test_callback_refuses),
        cmocka_unit_test(test_framed_pods_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
