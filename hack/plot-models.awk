# SPDX-License-Identifier: Apache-2.0
#
# The plots of docs/models.md, from its formulas: awk -f hack/plot-models.awk -v dir=docs/img
# POSIX awk. One function for each plot; plot() and what it calls draw.

function sx(x) { return 56 + (x - x0) / (x1 - x0) * 540 }
function sy(y) { return 250 - (y - y0) / (y1 - y0) * 190 }
function text(x, y, anchor, class, s) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s</text>\n", x, y, anchor, class, s > file
}
# Frame, grid and names; then curve() for each line.
function plot(name, title, xname, fx, tx, stepx, yname, fy, ty, stepy,    v) {
    file = dir "/model-" name ".svg"
    x0 = fx; x1 = tx; y0 = fy; y1 = ty; curves = 0
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 620 330\" width=\"620\" height=\"330\" role=\"img\"><title>%s</title><style>:root{--ink:#1c1c1c;--muted:#5d6066;--grid:#dcdee2;--ground:#fff;--s1:#0072b2;--s2:#d55e00;--s3:#009e73;--s4:#cc79a7}@media(prefers-color-scheme:dark){:root{--ink:#ececec;--muted:#a3a8b0;--grid:#363a41;--ground:#15171a;--s1:#4aa8e8;--s2:#ff7f3f;--s3:#2fc79a;--s4:#e3a0c6}}text{font:13px system-ui,sans-serif;fill:var(--ink)}.muted{fill:var(--muted);font-size:12px}.head{font-weight:600;font-size:15px}.grid{stroke:var(--grid)}path{fill:none;stroke-width:2}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}.s4{stroke:var(--s4)}rect.s1{fill:var(--s1);stroke:none}</style><rect width=\"100%%\" height=\"100%%\" rx=\"6\" style=\"fill:var(--ground)\"/>\n", title > file
    text(12, 24, "start", "head", title)
    text(12, 44, "start", "muted", yname)
    for (v = fy; v <= ty + stepy / 1000; v += stepy) {
        printf "<path class=\"grid\" d=\"M56,%.1fH596\"/>\n", sy(v) > file
        text(50, sy(v) + 4, "end", "muted", v)
    }
    for (v = fx; v <= tx + stepx / 1000 && stepx; v += stepx)
        text(sx(v), 268, "middle", "muted", v)
    text(326, 288, "middle", "muted", xname)
}
# The points of one line are in px, py, 1..n.
function curve(label, n,    i) {
    curves++
    printf "<path class=\"s%d\" d=\"", curves > file
    for (i = 1; i <= n; i++)
        printf "%s%.1f,%.1f", i == 1 ? "M" : "L", sx(px[i]), sy(py[i]) > file
    printf "\"/>\n<path class=\"s%d\" d=\"M%d,312h18\"/>\n", curves, 56 + (curves - 1) * 170 > file
    text(80 + (curves - 1) * 170, 316, "start", "muted", label)
}
function done() { print "</svg>" > file; close(file) }

function utilization(    i, w, age) {
    plot("utilization", "A measurement fades", "seconds since the sample's end; window 30 s", 0, 120, 30, \
        "used, %: 10 % requested, 90 % measured", 0, 100, 20)
    for (i = 0; i <= 120; i++) {
        age = i
        w = age <= 30 ? 1 : age >= 90 ? 0 : (90 - age) / 60
        px[i + 1] = age; py[i + 1] = 10 + w * 80
    }
    curve("used", 121)
    px[1] = 0; py[1] = 10; px[2] = 120; py[2] = 10
    curve("requested", 2)
    done()
}

function gate(    i, load, closed) {
    plot("gate", "The load gate and the balance state", "time", 0, 100, 0, \
        "load of a pool, %; the gate closes above 80 and opens below 75; above 50 it is Overloaded", 0, 100, 25)
    for (i = 0; i <= 100; i++) {
        load = 45 + 40 * sin(i / 100 * 2 * 3.14159265) + 4 * sin(i / 100 * 17)
        px[i + 1] = i; py[i + 1] = load
        if (load > 80) closed = 1
        else if (load < 75) closed = 0
        shut[i + 1] = closed
    }
    curve("load", 101)
    for (i = 1; i <= 101; i++) py[i] = shut[i] ? 96 : 4
    curve("gate: up is closed", 101)
    px[1] = 0; py[1] = 50; px[2] = 100; py[2] = 50
    curve("Balanced", 2)
    done()
}

function allocation(    load, i, sum, share) {
    split("40 60 50 30 40", load, " ")
    for (i = 1; i <= 5; i++) sum += load[i]
    plot("allocation", "Shares of a demand of 100 %", "nodes with weights 40, 60, 50, 30 and 40 %", 0, 5, 0, "share, %", 0, 30, 10)
    for (i = 1; i <= 5; i++) {
        share = load[i] * 100 / sum
        printf "<rect class=\"s1\" x=\"%.1f\" y=\"%.1f\" width=\"60\" height=\"%.1f\"/>\n", sx(i - 0.5) - 30, sy(share), sy(0) - sy(share) > file
        text(sx(i - 0.5), sy(share) - 6, "middle", "", sprintf("%.2f", share))
    }
    done()
}

function weight(    r, i, used, q, factor) {
    plot("dynamic-weight", "Dynamic weight, Level: what its points do", "used of the fullest resource, %", 0, 100, 20, \
        "points; performance x reliability as below, any capacity", 0, 100, 20)
    split("1 0.7 0.4", factor, " ")
    for (r = 1; r <= 3; r++) {
        for (i = 1; i <= 99; i++) {
            used = i / 100
            q = factor[r] * (1 - used) / used
            px[i] = i; py[i] = 100 * q / (1 + q)
        }
        curve(factor[r], 99)
    }
    done()
}

function strategies(    i, s) {
    plot("strategies", "LeastConnections and ResponseTime", "pods on the node; each starting one takes 2 s or 8 s", 0, 20, 5, "points", 0, 100, 20)
    for (i = 0; i <= 20; i++) { px[i + 1] = i; py[i + 1] = 100 * 110 / (110 + i) }
    curve("LeastConnections", 21)
    for (s = 2; s <= 8; s += 6) {
        for (i = 0; i <= 20; i++) py[i + 1] = 100 * 5 / (5 + s * (1 + i))
        curve("ResponseTime, " s " s", 21)
    }
    done()
}

function failure(    n, k, p) {
    plot("failure", "At least one of n nodes fails", "nodes", 0, 100, 20, "1 - (1 - p)^n, %", 0, 100, 20)
    split("0.001 0.01 0.05", p, " ")
    for (k = 1; k <= 3; k++) {
        for (n = 0; n <= 100; n++) { px[n + 1] = n; py[n + 1] = 100 * (1 - (1 - p[k]) ^ n) }
        curve("p = " p[k], 101)
    }
    done()
}

function ageing(    i) {
    plot("ageing", "Priority in the queue", "minutes of waiting", 0, 40, 10, "priority; 1 point a minute", 0, 50, 10)
    for (i = 0; i <= 40; i++) { px[i + 1] = i; py[i + 1] = i }
    curve("from 0", 41)
    for (i = 0; i <= 40; i++) py[i + 1] = i > 19 ? 19 : i
    curve("mostPoints 19", 41)
    px[1] = 0; py[1] = 20; px[2] = 40; py[2] = 20
    curve("newly come, 20", 2)
    done()
}

BEGIN {
    utilization(); gate(); allocation(); weight(); strategies(); failure(); ageing()
}
