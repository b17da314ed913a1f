/* SPDX-License-Identifier: Apache-2.0 */
#include "app/schema_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"

/* Tables may hold each other; nobody writes files that deep. */
enum { DEPTH_MAX = 8, KEY_PATH_MAX_BYTES = 256 };

static void add_quoted(struct sy_buf *out, const char *text)
{
    sy_buf_add_json(out, sy_str_from(text));
}

/* ---- JSON Schema ---- */

static void add_object(const struct sy_option *table, int depth, struct sy_buf *out);

static void new_key(struct sy_buf *out, int depth, const char *key)
{
    sy_buf_addf(out, ",\n%*s\"%s\": ", depth * 2, "", key);
}

static bool has_number(const struct sy_option *o)
{
    return o->type == SY_OPTION_INT || o->type == SY_OPTION_REAL || o->type == SY_OPTION_SECONDS;
}

/* What the value is, without its help: opens no brace. */
static void add_kind(const struct sy_option *o, int depth, struct sy_buf *out)
{
    static const char DURATION[] =
        "\"type\": [\"string\", \"null\"], \"pattern\": "
        "\"^(0|([0-9]+(\\\\.[0-9]*)?|\\\\.[0-9]+)(ns|us|\xc2\xb5s|ms|s|m|h))+$\"";

    switch (o->type) {
    case SY_OPTION_TEXT:
        sy_buf_adds(out, o->is_required     ? "\"type\": \"string\""
                         : o->takes_numbers ? "\"type\": [\"string\", \"number\", \"null\"]"
                                            : "\"type\": [\"string\", \"null\"]");
        break;
    case SY_OPTION_BOOL:
        sy_buf_adds(out, "\"type\": [\"boolean\", \"null\"]");
        break;
    case SY_OPTION_INT:
    case SY_OPTION_SECONDS:
    case SY_OPTION_REAL:
        sy_buf_addf(out,
                    "\"type\": [\"%s\", \"null\"], \"minimum\": %" PRId64 ", \"maximum\": %" PRId64,
                    o->type == SY_OPTION_REAL ? "number" : "integer", o->least, o->most);
        break;
    case SY_OPTION_PORT:
        sy_buf_addf(out,
                    "\"anyOf\": [{\"type\": [\"integer\", \"null\"], \"minimum\": -1, \"maximum\": "
                    "%" PRId64 "}, {\"enum\": [\"off\", false]}]",
                    o->most);
        break;
    case SY_OPTION_DURATION:
        sy_buf_adds(out, DURATION);
        break;
    case SY_OPTION_CHOICE:
        sy_buf_adds(out, "\"enum\": [");
        for (size_t i = 0; o->choices[i]; i++) {
            add_quoted(out, o->choices[i]);
            sy_buf_adds(out, ", ");
        }
        sy_buf_adds(out, "null]");
        break;
    case SY_OPTION_TEXTS:
        sy_buf_addf(out,
                    "\"type\": [\"array\", \"null\"], \"items\": {\"type\": \"string\"}, "
                    "\"uniqueItems\": true, \"maxItems\": %zu",
                    o->elements_max);
        break;
    case SY_OPTION_MAP:
        sy_buf_adds(out, "\"type\": [\"object\", \"null\"]");
        add_object(o->fields, depth, out);
        break;
    case SY_OPTION_MAP_BY:
        sy_buf_adds(out, "\"type\": [\"object\", \"null\"]");
        break;
    case SY_OPTION_MAPS:
        sy_buf_addf(out, "\"type\": [\"array\", \"null\"], \"maxItems\": %zu", o->elements_max);
        new_key(out, depth, "items");
        sy_buf_adds(out, "{\"type\": \"object\"");
        add_object(o->fields, depth + 1, out);
        sy_buf_adds(out, "}");
        break;
    case SY_OPTION_REFUSED:
        sy_buf_adds(out, "\"not\": {}");
        break;
    }
}

static void add_default(const struct sy_option *o, struct sy_buf *out)
{
    if (!o->initial)
        return;
    sy_buf_adds(out, ", \"default\": ");
    if (has_number(o) || o->type == SY_OPTION_BOOL ||
        (o->type == SY_OPTION_PORT && strcmp(o->initial, "off") != 0))
        sy_buf_adds(out, o->initial);
    else
        add_quoted(out, o->initial);
}

/* Further keys of a schema whose "type" stands. */
static void add_object(const struct sy_option *table, int depth, struct sy_buf *out)
{
    const char *sep = "";

    if (depth >= DEPTH_MAX)
        return;
    new_key(out, depth, "additionalProperties");
    sy_buf_adds(out, "false");
    new_key(out, depth, "required");
    sy_buf_addc(out, '[');
    for (const struct sy_option *o = table; o->key; o++) {
        if (!o->is_required)
            continue;
        sy_buf_adds(out, sep);
        add_quoted(out, o->key);
        sep = ", ";
    }
    sy_buf_addc(out, ']');
    new_key(out, depth, "properties");
    sep = "";
    sy_buf_addc(out, '{');
    for (const struct sy_option *o = table; o->key; o++) {
        sy_buf_addf(out, "%s\n%*s", sep, depth * 2 + 2, "");
        add_quoted(out, o->key);
        sy_buf_adds(out, ": {");
        if (o->help) {
            sy_buf_adds(out, "\"description\": ");
            add_quoted(out, o->help);
            sy_buf_adds(out, ", ");
        }
        add_kind(o, depth + 2, out);
        add_default(o, out);
        sy_buf_addc(out, '}');
        sep = ",";
    }
    sy_buf_addf(out, "\n%*s}", depth * 2, "");
}

int sy_schema_json(const struct sy_option *table, const char *title, struct sy_buf *out)
{
    sy_buf_adds(out,
                "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": ");
    add_quoted(out, title);
    sy_buf_adds(out, ",\n  \"type\": \"object\"");
    add_object(table, 1, out);
    sy_buf_adds(out, "\n}\n");
    return out->failed;
}

/* ---- Markdown ---- */

static void add_cell(struct sy_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            sy_buf_addc(out, '\\');
        sy_buf_addc(out, *text);
    }
}

static void add_range(const struct sy_option *o, struct sy_buf *out)
{
    char least[SY_DURATION_MAX], most[SY_DURATION_MAX];

    if (o->type == SY_OPTION_DURATION) {
        sy_duration_format(o->least, least);
        sy_duration_format(o->most, most);
        sy_buf_addf(out, "duration, %s to %s", least, most);
        return;
    }
    sy_buf_addf(out, "%s, %" PRId64 " to %" PRId64,
                o->type == SY_OPTION_REAL      ? "number"
                : o->type == SY_OPTION_SECONDS ? "whole seconds"
                                               : "whole number",
                o->least, o->most);
}

static void add_what(const struct sy_option *o, struct sy_buf *out)
{
    switch (o->type) {
    case SY_OPTION_TEXT:
        sy_buf_adds(out, "text");
        break;
    case SY_OPTION_BOOL:
        sy_buf_adds(out, "true or false");
        break;
    case SY_OPTION_PORT:
        sy_buf_adds(out, "port or off");
        break;
    case SY_OPTION_CHOICE:
        for (size_t i = 0; o->choices[i]; i++)
            sy_buf_addf(out, "%s%s", i ? ", " : "", o->choices[i]);
        break;
    case SY_OPTION_TEXTS:
        sy_buf_addf(out, "list of up to %zu texts", o->elements_max);
        break;
    case SY_OPTION_MAP_BY:
        sy_buf_adds(out, "map");
        break;
    default:
        add_range(o, out);
        break;
    }
}

/* is_live: what lies in a list changes with it. */
static void add_rows(const struct sy_option *table, const char *path, bool is_live, int depth,
                     struct sy_buf *out)
{
    for (const struct sy_option *o = table; o->key && depth < DEPTH_MAX; o++) {
        char where[KEY_PATH_MAX_BYTES];
        snprintf(where, sizeof(where), "%s%s%s%s", path, *path ? "." : "", o->key,
                 o->type == SY_OPTION_MAPS ? "[]" : "");
        if (o->type == SY_OPTION_REFUSED)
            continue;
        if (o->type == SY_OPTION_MAP && o != table && o[-1].fields == o->fields) {
            sy_buf_addf(out, "| `%s` | as `%s` | | | |\n", where, o[-1].key);
            continue;
        }
        if (o->type == SY_OPTION_MAP || o->type == SY_OPTION_MAPS) {
            add_rows(o->fields, where, is_live || (o->type == SY_OPTION_MAPS && o->is_live),
                     depth + 1, out);
            continue;
        }
        sy_buf_addf(out, "| `%s` | ", where);
        add_what(o, out);
        sy_buf_adds(out, " | ");
        if (o->is_required)
            sy_buf_adds(out, "must be given");
        else if (o->initial)
            sy_buf_addf(out, "`%s`", o->initial);
        sy_buf_addf(out, " | %s | ", is_live || o->is_live ? "yes" : "");
        add_cell(out, o->help ? o->help : "");
        sy_buf_adds(out, " |\n");
    }
}

int sy_schema_markdown(const struct sy_option *table, struct sy_buf *out)
{
    sy_buf_adds(out, "| key | value | default | live | what it is |\n|---|---|---|---|---|\n");
    add_rows(table, "", false, 0, out);
    return out->failed;
}
