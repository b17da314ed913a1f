/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

static const char USAGE[] = "usage: steelyard version\n"
                            "\n"
                            "Prints the version of the program, its compiler and its libraries.\n";

const char *cmd_compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

int cmd_version(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"help", no_argument, NULL, 'h'}, {0}};
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, "steelyard version")) != -1;) {
        if (c != 'h')
            return CMD_USAGE;
        fputs(USAGE, stdout);
        return CMD_OK;
    }
    if (optind < argc)
        return cmd_usage_error("steelyard version", "unexpected argument \"%s\"", argv[optind]);
    printf("steelyard %s (%s, libcurl %s, nghttp2 %s, %s, libevent %s, json-c %s, libyaml %s)\n",
           SY_VERSION, cmd_compiler(), curl->version,
           curl->nghttp2_version ? curl->nghttp2_version : "none",
           curl->ssl_version ? curl->ssl_version : "no TLS", event_get_version(), json_c_version(),
           yaml_get_version_string());
    return CMD_OK;
}
