/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion for shells. The script asks --help, so it knows what the program knows. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static const char USAGE[] = "usage: steelyard completion bash | zsh\n"
                            "\n"
                            "Prints a script that completes commands, flags and file names:\n"
                            "\n"
                            "  source <(steelyard completion bash)\n";

static const char SCRIPT[] =
    "_steelyard() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} words=''\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        words=$(\"$program\" --help 2>/dev/null | sed -n 's/^  \\([a-z]*\\)  .*/\\1/p')\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        words=$(\"$program\" \"${COMP_WORDS[1]}\" --help 2>/dev/null |\n"
    "            grep -oE -- '--[a-z][a-z-]+' | sort -u)\n"
    "    fi\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -o default -F _steelyard steelyard\n";

int cmd_completion(int argc, char **argv)
{
    static const struct option FLAGS[] = {{"help", no_argument, NULL, 'h'}, {0}};

    for (int c; (c = cmd_next_flag(argc, argv, FLAGS, "steelyard completion")) != -1;) {
        if (c != 'h')
            return CMD_USAGE;
        fputs(USAGE, stdout);
        return CMD_OK;
    }
    if (argc - optind != 1)
        return cmd_usage_error("steelyard completion", "say bash or zsh");
    if (strcmp(argv[optind], "zsh") == 0)
        fputs("autoload -Uz bashcompinit && bashcompinit\n", stdout);
    else if (strcmp(argv[optind], "bash") != 0)
        return cmd_usage_error("steelyard completion", "there is no script for \"%s\"",
                               argv[optind]);
    return fputs(SCRIPT, stdout) < 0 || fflush(stdout) != 0 ? CMD_FAILED : CMD_OK;
}
