/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/ui.h"

#include <stddef.h>

/* The page may load from here, talk to here, and nothing else: a token typed into it stays here. */
static const char POLICY[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

/* From the root of the repository, where the compiler runs. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global sy_ui_" #name "\n"                                                            \
            "sy_ui_" #name ":\n"                                                                   \
            ".incbin \"pkg/serve/ui/" file "\"\n"                                                  \
            ".global sy_ui_" #name "_end\n"                                                        \
            "sy_ui_" #name "_end:\n"                                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char sy_ui_##name[], sy_ui_##name##_end[]

EMBED(page, "index.html");
EMBED(style, "style.css");
EMBED(script, "app.js");

struct file {
    const char *path, *type;
    const char *begin, *end;
};
static const struct file FILES[] = {
    {"/ui", "text/html; charset=utf-8", sy_ui_page, sy_ui_page_end},
    {"/ui/", "text/html; charset=utf-8", sy_ui_page, sy_ui_page_end},
    {"/ui/style.css", "text/css; charset=utf-8", sy_ui_style, sy_ui_style_end},
    {"/ui/app.js", "text/javascript; charset=utf-8", sy_ui_script, sy_ui_script_end},
};

static void handle(void *arg, struct sy_exchange *x)
{
    const struct file *f = arg;

    sy_exchange_add_header(x, POLICY);
    sy_reply(x, 200, f->type, (struct sy_str){f->begin, (size_t)(f->end - f->begin)});
}

void sy_ui_add(struct sy_server *server)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(FILES); i++)
        sy_server_handle(server, FILES[i].path, handle, (void *)(uintptr_t)&FILES[i]);
}
