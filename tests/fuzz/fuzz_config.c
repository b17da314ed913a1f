/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration file: no crash, and what is accepted prints to a file that is
 * accepted and prints the same. */
#include "app/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sy_problems problems = {0};
    struct sy_config c;

    int r = sy_config_parse((const char *)data, size, "fuzz.yaml", &c, &problems);
    if ((r != 0) != (problems.lines.len != 0))
        abort();
    if (r == 0) {
        struct sy_profile profiles[SY_PROFILES_MAX];
        struct sy_buf first, second;
        struct sy_config again;
        struct sy_arena arena;
        static const uint64_t KEY[2] = {1, 2};
        struct sy_strings *strings = sy_strings_new(KEY);
        sy_arena_init(&arena, 64 << 20);
        sy_buf_init(&first, 16 << 20);
        sy_buf_init(&second, 16 << 20);
        if (!sy_config_profiles(&c, strings, &arena, profiles) || sy_config_print(&c, &first))
            abort();
        if (sy_config_parse(first.p, first.len, "again.yaml", &again, &problems))
            abort();
        if (sy_config_print(&again, &second) || !sy_str_eq(sy_buf_str(&first), sy_buf_str(&second)))
            abort();
        sy_config_done(&again);
        sy_buf_done(&first);
        sy_buf_done(&second);
        sy_arena_done(&arena);
        sy_strings_free(strings);
    }
    sy_problems_done(&problems);
    sy_config_done(&c);
    return 0;
}
