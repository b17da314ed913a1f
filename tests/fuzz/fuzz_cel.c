/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a selector: it compiles or not, and what compiles can be asked of a device within its
 * limits. */
#include "model/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    sy_sid driver = sy_strings_addz(strings, "d");
    struct sy_attribute attributes[] = {
        {sy_strings_addz(strings, "s"), driver, SY_ATTRIBUTE_STRING,
         sy_strings_addz(strings, "a\xc3\xa9-b"), 0},
        {sy_strings_addz(strings, "v"), driver, SY_ATTRIBUTE_VERSION,
         sy_strings_addz(strings, "1.2.3-a.1+b"), 0},
        {sy_strings_addz(strings, "i"), driver, SY_ATTRIBUTE_INT, 0, INT64_MIN},
        {sy_strings_addz(strings, "b"), driver, SY_ATTRIBUTE_BOOL, 0, 1},
    };
    struct sy_capacity capacity[] = {{.name = sy_strings_addz(strings, "m"),
                                      .domain = driver,
                                      .value = {.whole = INT64_MAX, .nano = 1}}};
    struct sy_device device = {.attributes = attributes,
                               .attributes_len = SY_ARRAY_LEN(attributes),
                               .capacity = capacity,
                               .capacity_len = SY_ARRAY_LEN(capacity)};
    struct sy_arena arena, scratch;
    const struct sy_cel *cel;
    struct sy_err err = {0};
    bool match;

    sy_arena_init(&arena, (size_t)4 << 20);
    sy_arena_init(&scratch, (size_t)1 << 20);
    struct sy_str text = {(const char *)data, size};
    if (sy_cel_compile(&arena, text, &cel, &err) == 0) {
        int r = sy_cel_matches(cel, strings, driver, &device, &scratch, &match, &err);
        if (r > 0 || (r < 0 && !err.msg[0]))
            __builtin_trap();
    } else if (!err.msg[0]) {
        __builtin_trap();
    }
    sy_arena_done(&scratch);
    sy_arena_done(&arena);
    sy_strings_free(strings);
    return 0;
}
