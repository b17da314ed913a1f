# SPDX-License-Identifier: Apache-2.0
#
# Text with ANSI colours (as from COLOR=1 hack/demo.sh) to an SVG picture of a terminal. POSIX awk;
# run in a UTF-8 locale. -v title="$ make demo"
function escape(s) {
    gsub(/&/, "\\&amp;", s)
    gsub(/</, "\\&lt;", s)
    gsub(/>/, "\\&gt;", s)
    return s
}
BEGIN {
    class["1"] = "b"; class["2"] = "d"; class["31"] = "r"; class["32"] = "g"; class["33"] = "y"
    n = 1
    body[1] = "<tspan class=\"d\">" escape(title) "</tspan>"
    widest = length(title)
}
{
    gsub(/\033\[[0-9]*[A-JKhl]|\r/, "")
    plain = $0
    gsub(/\033\[[0-9;]*m/, "", plain)
    if (length(plain) > widest)
        widest = length(plain)
    out = ""
    open = 0
    line = $0
    while (match(line, /\033\[[0-9;]*m/)) {
        out = out escape(substr(line, 1, RSTART - 1))
        code = substr(line, RSTART + 2, RLENGTH - 3)
        line = substr(line, RSTART + RLENGTH)
        if (open)
            out = out "</tspan>"
        open = code in class
        if (open)
            out = out "<tspan class=\"" class[code] "\">"
    }
    out = out escape(line)
    if (open)
        out = out "</tspan>"
    body[++n] = out
}
END {
    width = int(widest * 8.45) + 40
    height = n * 18 + 36
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, height, width, height
    print "<title>" escape(title) "</title>"
    print "<style>text{font:14px/18px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d5dae0;white-space:pre}.b{font-weight:700;fill:#fff}.d{fill:#8b95a1}.g{fill:#5fbf77}.y{fill:#e0b050}.r{fill:#e06c60}</style>"
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#16191d\"/>\n", width, height
    for (i = 1; i <= n; i++)
        printf "<text x=\"20\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", 18 + i * 18, body[i]
    print "</svg>"
}
