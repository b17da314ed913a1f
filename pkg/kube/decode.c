/* SPDX-License-Identifier: Apache-2.0
 *
 * What all decoders share: the context, the choice between the two forms, memory that runs out. */
#include "kube/decode.h"

#include <errno.h>

#include "kube/decode_wire.h"

void sy_decode_init(struct sy_decode *d, struct sy_strings *strings, size_t arena_cap_bytes)
{
    *d = (struct sy_decode){.strings = strings};
    sy_arena_init(&d->arena, arena_cap_bytes);
    sy_arena_init(&d->scratch, arena_cap_bytes);
    sy_resource_names_init(&d->names, strings);
    d->empty = sy_strings_addz(strings, "");
    d->any_ip = sy_strings_addz(strings, "0.0.0.0");
}

void sy_decode_done(struct sy_decode *d)
{
    sy_arena_done(&d->arena);
    sy_arena_done(&d->scratch);
}

void sy_decode_mark(const struct sy_decode *d)
{
    sy_resource_names_mark(&d->names, d->strings);
    sy_strings_mark(d->strings, d->empty);
    sy_strings_mark(d->strings, d->any_ip);
}

void *sy_wire_append(struct sy_decode *d, struct wire_list *list, size_t size)
{
    void *item = sy_arena_alloc(&d->scratch, size);

    if (!item)
        return NULL;
    /* Each element begins with the pointer to the next one. */
    if (list->last)
        *(void **)list->last = item;
    else
        list->first = item;
    list->last = item;
    list->len++;
    return item;
}

int sy_wire_arena_error(const struct sy_arena *a, size_t size)
{
    return size > a->cap_bytes || a->used_bytes + size + 8 > a->cap_bytes ? -E2BIG : -ENOMEM;
}

int sy_wire_out_of_room(const struct sy_decode *d, int code, struct sy_err *err)
{
    if (code == -E2BIG)
        return sy_err_set(err, code, "object does not fit in %zu bytes of decoding memory",
                          d->arena.cap_bytes);
    return sy_err_set(err, code, "out of memory");
}

int sy_wire_read(struct sy_decode *d, enum sy_encoding enc, const struct wire_message *m,
                 struct sy_str raw, void *out, struct json_object **ret_tree, struct sy_err *err)
{
    *ret_tree = NULL;
    sy_arena_reset(&d->scratch);
    int code = enc == SY_ENCODING_PROTOBUF ? sy_wire_read_pb(d, m, raw, out, err)
                                           : sy_wire_read_json(d, m, raw, out, ret_tree, err);
    return code == -E2BIG || code == -ENOMEM ? sy_wire_out_of_room(d, code, err) : code;
}
