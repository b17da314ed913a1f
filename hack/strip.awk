# SPDX-License-Identifier: Apache-2.0
#
# Prints C sources as "file:line:text" with comments, string and character literals blanked, so that
# the checks that grep do not trip over words. POSIX awk.
FNR == 1 { in_comment = 0 }
{
    line = $0
    out = ""
    while (length(line)) {
        if (in_comment) {
            p = index(line, "*/")
            if (!p)
                break
            line = substr(line, p + 2)
            in_comment = 0
            continue
        }
        if (!match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
            out = out line
            break
        }
        out = out substr(line, 1, RSTART - 1)
        token = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        if (token == "//")
            break
        if (token == "/*")
            in_comment = 1
        else
            # An include keeps its path: it is what the layer check reads.
            out = out (out ~ /^[ \t]*#[ \t]*include[ \t]*$/ ? token : "\"\"")
    }
    print FILENAME ":" FNR ":" out
}
