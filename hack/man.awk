# SPDX-License-Identifier: Apache-2.0
#
# Makes a manual page of what `steelyard [COMMAND] --help` prints. -v name=steelyard-top
# -v what=SUMMARY -v version=V -v date=YYYY-MM-DD. The help's shape: "usage:" lines, paragraphs, and lists whose
# entries begin after two blanks and go on further to the right.
function escape(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    if (s ~ /^[.']/) s = "\\\\\\&" s
    return s
}
function end_list() {
    if (in_list) print ".PP"
    in_list = 0
}
{ lines[++n] = $0 }
END {
    title = toupper(name)
    printf ".TH %s 1 %s \"steelyard %s\" \"User commands\"\n", title, date, version
    for (i = 1; i <= n; i++)
        if (lines[i] ~ /^usage: /) { use = i; break }
    print ".SH NAME\n" escape(name) " \\- " escape(what)
    print ".SH SYNOPSIS\n.nf"
    for (i = use; i <= n && lines[i] != ""; i++) {
        line = lines[i]
        sub(/^usage: /, "", line)
        sub(/^ +/, "", line)
        print escape(line)
        lines[i] = ""
    }
    print ".fi\n.SH DESCRIPTION"
    for (i = 1; i <= n; i++) {
        line = lines[i]
        if (line == "") {
            if (!blank && !in_list) print ".PP"
            end_list()
            blank = 1
            continue
        }
        blank = 0
        if (match(line, /^  [^ ]/)) {
            line = substr(line, 3)
            head = line
            rest = ""
            if (match(line, /  +/)) {
                head = substr(line, 1, RSTART - 1)
                rest = substr(line, RSTART + RLENGTH)
            }
            print ".TP\n.B " escape(head)
            if (rest != "") print escape(rest)
            in_list = 1
        } else {
            if (line !~ /^ /) end_list()
            sub(/^ +/, "", line)
            print escape(line)
        }
    }
    end_list()
    if (name != "steelyard") print ".SH SEE ALSO\n.BR steelyard (1)"
}
