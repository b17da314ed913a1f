/* SPDX-License-Identifier: Apache-2.0
 *
 * Framers of JSON: a state machine over brackets and strings that can stop at any byte. It checks
 * the outer object strictly and leaves the inside of the objects that it cuts out to the decoder.
 */
#include <errno.h>

#include "kube/frame_impl.h"

enum json_state {
    OUTSIDE,    /* before a top-level object */
    KEY_OR_END, /* after { */
    KEY,        /* after , */
    IN_KEY,     /* after the opening quote */
    COLON,
    VALUE,        /* after : */
    IN_VALUE,     /* inside an object, array or string */
    IN_SCALAR,    /* inside null, a number or the like */
    COMMA_OR_END, /* after a value */
    ITEM_OR_END,  /* after [ */
    ITEM,         /* after , in items */
    ITEM_COMMA_OR_END,
    DONE, /* after the list */
};

enum json_role {
    ROLE_SKIPPED,
    ROLE_TYPE,
    ROLE_OBJECT,
    ROLE_ITEMS,
    ROLE_ITEM,
    ROLE_METADATA,
};

static int malformed(struct sy_err *err, const char *what)
{
    return sy_err_set(err, -EBADMSG, "malformed JSON from the server: %s", what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_scalar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

static struct sy_str between(const char *from, const char *to)
{
    return (struct sy_str){from, (size_t)(to - from)};
}

static void start_word(struct frame_json *j)
{
    j->word_len = 0;
    j->word_too_long = false;
}

static void add_word(struct frame_json *j, struct sy_str part)
{
    if (part.len > sizeof(j->word) - j->word_len) {
        j->word_too_long = true;
        return;
    }
    memcpy(j->word + j->word_len, part.p, part.len);
    j->word_len += (uint8_t)part.len;
}

static bool word_is(const struct frame_json *j, const char *text)
{
    return !j->word_too_long && sy_str_eqz((struct sy_str){j->word, j->word_len}, text);
}

static bool is_kept(uint8_t role)
{
    return role == ROLE_OBJECT || role == ROLE_ITEM || role == ROLE_METADATA;
}

static uint8_t role_of_key(const struct sy_framer *f)
{
    const struct frame_json *j = &f->json;

    if (f->is_list)
        return word_is(j, "items")      ? ROLE_ITEMS
               : word_is(j, "metadata") ? ROLE_METADATA
                                        : ROLE_SKIPPED;
    return word_is(j, "object") ? ROLE_OBJECT : word_is(j, "type") ? ROLE_TYPE : ROLE_SKIPPED;
}

/* Moves p over a string's inside. Stops after the closing quote (then in_string is false) or at
 * end. */
static const char *skip_string(struct frame_json *j, const char *p, const char *end)
{
    while (p < end) {
        if (j->escaped) {
            j->escaped = false;
            p++;
            continue;
        }
        while (p < end && *p != '"' && *p != '\\')
            p++;
        if (p == end)
            break;
        j->escaped = *p == '\\';
        j->in_string = *p != '"';
        p++;
        if (!j->in_string)
            break;
    }
    return p;
}

/* Moves *p to the end of the value or of the piece. 1: the value is over, 0: not yet, or an error.
 */
static int skip_value(struct frame_json *j, const char **p, const char *end, struct sy_err *err)
{
    while (*p < end) {
        if (j->in_string) {
            *p = skip_string(j, *p, end);
            if (!j->in_string && !j->depth)
                return 1;
            continue;
        }
        char c = *(*p)++;
        switch (c) {
        case '"':
            j->in_string = true;
            break;
        case '{':
        case '[':
            if (j->depth == FRAME_JSON_DEPTH_MAX)
                return malformed(err, "nested too deeply");
            j->arrays = j->arrays << 1 | (c == '[');
            j->depth++;
            break;
        case '}':
        case ']':
            if ((j->arrays & 1) != (c == ']'))
                return malformed(err, "brackets do not match");
            j->arrays >>= 1;
            if (!--j->depth)
                return 1;
            break;
        default:
            break;
        }
    }
    return 0;
}

static int start_value(struct sy_framer *f, uint8_t role, const char *p, struct sy_err *err)
{
    struct frame_json *j = &f->json;
    char c = *p;

    j->role = role;
    if (role == ROLE_ITEMS && c == '[') {
        j->seen_items = true;
        j->state = ITEM_OR_END;
        return 0;
    }
    if ((role == ROLE_OBJECT || role == ROLE_ITEM) && c != '{')
        return malformed(err, "something else in the place of an object");
    if (role == ROLE_TYPE && c != '"')
        return malformed(err, "an event's type is not text");
    if (is_kept(role))
        sy_frame_forget(f);
    if (role == ROLE_OBJECT) {
        /* Of two the last counts. */
        j->seen_object = false;
        j->object = (struct sy_str){0};
    }
    j->depth = 0;
    j->arrays = 0;
    j->escaped = false;
    if (c == '{' || c == '[') {
        j->depth = 1;
        j->arrays = c == '[';
        j->in_string = false;
        j->state = IN_VALUE;
    } else if (c == '"') {
        j->in_string = true;
        j->state = IN_VALUE;
    } else if (is_scalar(c)) {
        j->state = IN_SCALAR;
    } else {
        return malformed(err, "a value was expected");
    }
    if (role == ROLE_ITEMS && j->state != IN_SCALAR)
        return malformed(err, "items is not an array");
    start_word(j);
    return 0;
}

/* The value [from, to), or f->buf and then that, is complete. */
static int end_value(struct sy_framer *f, struct sy_str part, struct sy_err *err)
{
    struct frame_json *j = &f->json;
    int code = 0;

    j->state = j->role == ROLE_ITEM ? ITEM_COMMA_OR_END : COMMA_OR_END;
    if (j->role == ROLE_TYPE) {
        add_word(j, part);
        /* With both quotes. */
        if (j->word_too_long || (size_t)j->word_len - 2 > sizeof(j->type))
            return malformed(err, "an event's type is too long");
        j->type_len = (uint8_t)(j->word_len - 2);
        memcpy(j->type, j->word + 1, j->type_len);
        j->seen_type = true;
        return 0;
    }
    if (!is_kept(j->role))
        return 0;
    bool in_buf = f->buf.len > 0;
    if (in_buf) {
        code = sy_frame_keep(f, part, 0, err);
        if (code < 0)
            return code;
        part = sy_buf_str(&f->buf);
    }
    switch (j->role) {
    case ROLE_OBJECT:
        j->seen_object = true;
        j->object = in_buf ? (struct sy_str){0} : part;
        return 0;
    case ROLE_ITEM:
        code = sy_frame_deliver(f, SY_EVENT_ADDED, part, err);
        break;
    default:
        if (part.p[0] == '{')
            code = sy_frame_list_meta(f, part, err);
        break;
    }
    sy_frame_forget(f);
    return code;
}

static int end_object(struct sy_framer *f, struct sy_err *err)
{
    struct frame_json *j = &f->json;
    enum sy_event_type type;

    if (f->is_list) {
        j->state = DONE;
        return j->seen_items ? 0 : malformed(err, "a list without items");
    }
    j->state = OUTSIDE;
    if (!j->seen_type || !j->seen_object)
        return malformed(err, "a watch event without type or object");
    int code = sy_frame_event_type((struct sy_str){j->type, j->type_len}, &type, err);
    if (code < 0)
        return code;
    code = sy_frame_deliver(f, type, j->object.len ? j->object : sy_buf_str(&f->buf), err);
    sy_frame_forget(f);
    j->seen_type = false;
    j->seen_object = false;
    j->object = (struct sy_str){0};
    return code;
}

static int end_scalar(struct sy_framer *f, struct sy_str part, struct sy_err *err)
{
    struct frame_json *j = &f->json;

    add_word(j, part);
    j->state = COMMA_OR_END;
    if (j->role == ROLE_ITEMS) {
        if (!word_is(j, "null"))
            return malformed(err, "items is not an array");
        j->seen_items = true;
    }
    return 0;
}

/* The states in which a single byte other than white space decides. */
static int punctuation(struct sy_framer *f, const char *p, struct sy_err *err)
{
    struct frame_json *j = &f->json;
    char c = *p;

    switch (j->state) {
    case OUTSIDE:
        if (c != '{')
            return malformed(err, "an object was expected");
        j->state = KEY_OR_END;
        return 0;
    case KEY_OR_END:
        if (c == '}')
            return end_object(f, err);
        __attribute__((fallthrough));
    case KEY:
        if (c != '"')
            return malformed(err, "a key was expected");
        start_word(j);
        j->in_string = true;
        j->escaped = false;
        j->state = IN_KEY;
        return 0;
    case COLON:
        if (c != ':')
            return malformed(err, "a colon was expected");
        j->state = VALUE;
        return 0;
    case VALUE:
        return start_value(f, role_of_key(f), p, err);
    case COMMA_OR_END:
        if (c == '}')
            return end_object(f, err);
        if (c != ',')
            return malformed(err, "a comma was expected");
        j->state = KEY;
        return 0;
    case ITEM_OR_END:
        if (c == ']') {
            j->state = COMMA_OR_END;
            return 0;
        }
        __attribute__((fallthrough));
    case ITEM:
        return start_value(f, ROLE_ITEM, p, err);
    case ITEM_COMMA_OR_END:
        if (c != ',' && c != ']')
            return malformed(err, "a comma was expected");
        j->state = c == ',' ? ITEM : COMMA_OR_END;
        return 0;
    default:
        return malformed(err, "bytes after the list");
    }
}

int sy_frame_feed_json(struct sy_framer *f, struct sy_str piece, struct sy_err *err)
{
    struct frame_json *j = &f->json;
    const char *p = piece.p, *end = piece.p + piece.len;
    const char *from = p; /* of the value or key being read, within this piece */
    int code = 0;

    while (p < end && code >= 0) {
        switch (j->state) {
        case IN_KEY:
            p = skip_string(j, p, end);
            if (!j->in_string) {
                add_word(j, between(from, p - 1));
                j->state = COLON;
            }
            break;
        case IN_VALUE:
            code = skip_value(j, &p, end, err);
            if (code > 0)
                code = end_value(f, between(from, p), err);
            break;
        case IN_SCALAR:
            while (p < end && is_scalar(*p))
                p++;
            if (p < end)
                code = end_scalar(f, between(from, p), err);
            break;
        default:
            if (!is_space(*p)) {
                code = punctuation(f, p, err);
                /* A key is counted without its quote, a value from its first byte. */
                from = j->state == IN_KEY ? p + 1 : p;
            }
            p++;
            break;
        }
    }
    if (code < 0)
        return code;
    if (j->state == IN_KEY || j->state == IN_SCALAR ||
        (j->state == IN_VALUE && j->role == ROLE_TYPE))
        add_word(j, between(from, end));
    else if (j->state == IN_VALUE && is_kept(j->role))
        code = sy_frame_keep(f, between(from, end), 0, err);
    if (code >= 0 && j->object.len) {
        /* The event's end has not come yet: its object must outlive this piece. */
        code = sy_frame_keep(f, j->object, 0, err);
        j->object = (struct sy_str){0};
    }
    return code;
}

int sy_frame_finish_json(const struct sy_framer *f, struct sy_err *err)
{
    if (f->is_list && f->json.state != DONE)
        return sy_err_set(err, -EBADMSG, "the list ended before its end");
    if (!f->is_list && f->json.state != OUTSIDE)
        return sy_err_set(err, -EBADMSG, "the watch ended inside an event");
    return 0;
}
