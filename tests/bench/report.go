// SPDX-License-Identifier: Apache-2.0

// What the reader gets: tables, ratios, the targets, and all of it as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// The targets, for 5,000 nodes.
const (
	wantKubeRatio    = 1.8  // pods/s over kube-scheduler's
	wantCeilingRatio = 0.85 // pods/s over the ceiling's
	wantCPURatio     = 15.0 // kube-scheduler's CPU per pod over ours
	wantRSSRatio     = 8.0  // kube-scheduler's RSS over ours, with the cluster full
	wantReadySeconds = 2.0  // from start to ready, with the cluster full

	// For each shape of scheduler_perf.
	wantPerfKubeRatio = 3.0  // pods/s over kube-scheduler's,
	wantPerfCeiling   = 0.9  // or over the ceiling's: then the API server is what limits
	wantPerfCPURatio  = 20.0 // kube-scheduler's CPU per pod over ours
)

// machine is where it was measured.
type machine struct {
	Time       string  `json:"time"`
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	MemoryGB   float64 `json:"memoryGB"`
	Kernel     string  `json:"kernel"`
	Load       string  `json:"loadAverageBefore"`
	Go         string  `json:"go"`
	Kubernetes string  `json:"kubernetes"`
	Etcd       string  `json:"etcd"`
	Steelyard  string  `json:"steelyard,omitempty"`
}

func machineFacts() machine {
	m := machine{Time: time.Now().UTC().Format(time.RFC3339), Cores: runtime.NumCPU(), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.MemoryGB = float64(parseKB("\n"+string(b), "MemTotal")) / (1 << 30)
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		var b []byte
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			b = append(b, byte(c))
		}
		m.Kernel = string(b)
	}
	return m
}

// firstLine is what a program says of its version.
func firstLine(ctx context.Context, argv ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return strings.TrimSpace(string(line))
}

// median of a field over the rounds.
func median[T any](rs []T, get func(T) float64) float64 {
	if len(rs) == 0 {
		return 0
	}
	var v []float64
	for _, r := range rs {
		v = append(v, get(r))
	}
	slices.Sort(v)
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// verdict is one target and what was measured.
type verdict struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Target string  `json:"target"`
	OK     bool    `json:"ok"`
}

// report is the JSON file.
type report struct {
	Machine  machine        `json:"machine"`
	Nodes    int            `json:"nodes"`
	Rounds   int            `json:"rounds"`
	Creators int            `json:"creators"`
	Runs     []runResult    `json:"runs"`
	Memory   []memoryResult `json:"memory"`
	Targets  []verdict      `json:"targets"`
}

func (r *report) runsOf(scheduler, shape string, backlog bool) (out []runResult) {
	for _, x := range r.Runs {
		if x.Scheduler == scheduler && x.Shape == shape && x.Backlog == backlog {
			out = append(out, x)
		}
	}
	return out
}

func (r *report) memoryOf(scheduler string) (out []memoryResult) {
	for _, x := range r.Memory {
		if x.Scheduler == scheduler {
			out = append(out, x)
		}
	}
	return out
}

func rate(x runResult) float64 { return x.PodsPerSecond }

// quotient is the median of a's figures over b's of the same round, which moves less
// than the quotient of medians where the machine is faster in one round than in
// another. It is 0 where there is nothing to compare.
func quotient(a, b []runResult, get func(runResult) float64) float64 {
	var q []float64
	for _, x := range a {
		for _, y := range b {
			if x.Round == y.Round && get(y) > 0 {
				q = append(q, get(x)/get(y))
			}
		}
	}
	return median(q, func(x float64) float64 { return x })
}

// over is a/b, or 0 where there is no b.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func times(x float64) string {
	if x == 0 {
		return "-"
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// mostOther is how many cores other programs may use before we say so.
const mostOther = 0.15

func (r *report) disturbed() (n int) {
	for _, x := range r.Runs {
		if x.Cores.Other > mostOther {
			n++
		}
	}
	for _, x := range r.Memory {
		if x.Other > mostOther {
			n++
		}
	}
	return n
}

// judge compares with the targets where both sides were measured.
func (r *report) judge() {
	r.Targets = nil
	atLeast := func(what string, value, want float64) {
		r.Targets = append(r.Targets, verdict{what, value, fmt.Sprintf(">= %g", want), value >= want})
	}
	ours := r.runsOf(steelyardName, "basic", false)
	kube := r.runsOf(kubeName, "basic", false)
	top := r.runsOf(ceilingName, "basic", false)
	if len(ours) > 0 && len(kube) > 0 {
		atLeast("basic pods/s, times kube-scheduler's", quotient(ours, kube, rate), wantKubeRatio)
	}
	if len(ours) > 0 && len(top) > 0 {
		atLeast("basic pods/s, times the ceiling's with creation", quotient(ours, top, rate), wantCeilingRatio)
	}
	// A run too short for the clock to notice must not divide by zero.
	cpu := func(x runResult) float64 { return max(x.CPUPerPod, 0.001) }
	if len(ours) > 0 && len(kube) > 0 {
		atLeast("kube-scheduler's CPU per basic pod, times ours", quotient(kube, ours, cpu), wantCPURatio)
	}
	oursFull, kubeFull := r.memoryOf(steelyardName), r.memoryOf(kubeName)
	if len(oursFull) > 0 && len(kubeFull) > 0 {
		rss := func(x memoryResult) float64 { return x.RSS }
		atLeast("kube-scheduler's RSS on the full cluster, times ours", median(kubeFull, rss)/median(oursFull, rss), wantRSSRatio)
	}
	if len(oursFull) > 0 {
		s := median(oursFull, func(x memoryResult) float64 { return x.ReadySeconds })
		r.Targets = append(r.Targets, verdict{"seconds from start to ready on the full cluster", s,
			fmt.Sprintf("<= %g", wantReadySeconds), s <= wantReadySeconds})
	}
	for _, sh := range shapes {
		ours, kube := r.runsOf(steelyardName, sh.name, false), r.runsOf(kubeName, sh.name, false)
		if sh.perf == nil || len(ours) == 0 || len(kube) == 0 {
			continue
		}
		x := quotient(ours, kube, rate)
		of := quotient(ours, r.runsOf(ceilingName, sh.name, false), rate)
		target := fmt.Sprintf(">= %g", wantPerfKubeRatio)
		if of > 0 {
			target += fmt.Sprintf(", or >= %g of the ceiling's; it is %.2f", wantPerfCeiling, of)
		}
		r.Targets = append(r.Targets, verdict{sh.name + " pods/s, times kube-scheduler's", x, target,
			x >= wantPerfKubeRatio || of >= wantPerfCeiling})
		atLeast("kube-scheduler's CPU per pod of "+sh.name+", times ours", quotient(kube, ours, cpu), wantPerfCPURatio)
	}
}

func (r *report) writeJSON(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func (r *report) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "\n%d cores (%s), %.0f GB, Linux %s, load before %s\n", m.Cores, m.CPU, m.MemoryGB, m.Kernel, m.Load)
	fmt.Fprintf(w, "Kubernetes %s, %s, %s", m.Kubernetes, m.Etcd, m.Go)
	if m.Steelyard != "" {
		fmt.Fprintf(w, ", %s", m.Steelyard)
	}
	fmt.Fprintf(w, "\n%d nodes, one control plane for all, %d creators", r.Nodes, r.Creators)
	if r.Rounds > 1 {
		fmt.Fprintf(w, ", medians of %d rounds", r.Rounds)
	}
	fmt.Fprint(w, "\n\n")

	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	if len(r.Runs) > 0 {
		fmt.Fprintln(tw, "pods\tscheduler\tpods/s\tx kube\tx ceiling\tCPU ms/pod\tRSS MB\tp50 ms\tp99 ms\tcreate s\tother\t")
		for _, s := range shapes {
			for _, backlog := range []bool{true, false} {
				r.printShape(tw, s.name, backlog)
			}
		}
		tw.Flush()
		fmt.Fprintln(w, "\npods/s from the first creation to the last binding; with a backlog, from the first")
		fmt.Fprintln(w, "binding. create s: until the last pod was created. other: cores kept busy by what does")
		fmt.Fprintln(w, "not belong to the benchmark.")
	}
	if len(r.Memory) > 0 {
		fmt.Fprintf(w, "\nStart on %d nodes with %d bound pods\n", r.Nodes, r.Memory[0].Pods)
		fmt.Fprintln(tw, "scheduler\tready s\tRSS MB\tpeak RSS MB\tx kube\tCPU s\tother\t")
		kube := r.memoryOf(kubeName)
		for _, name := range []string{kubeName, steelyardName} {
			rs := r.memoryOf(name)
			if len(rs) == 0 {
				continue
			}
			rss := median(rs, func(x memoryResult) float64 { return x.RSS })
			fmt.Fprintf(tw, "%s\t%.2f\t%.0f\t%.0f\t%s\t%.2f\t%.2f\t\n", label(name),
				median(rs, func(x memoryResult) float64 { return x.ReadySeconds }), rss,
				median(rs, func(x memoryResult) float64 { return x.PeakRSS }), times(over(rss, median(kube, func(x memoryResult) float64 { return x.RSS }))),
				median(rs, func(x memoryResult) float64 { return x.StartCPU }),
				median(rs, func(x memoryResult) float64 { return x.Other }))
		}
		tw.Flush()
	}
	if n := r.disturbed(); n > 0 {
		fmt.Fprintf(w, "\nDISTURBED: during %d of %d measurements other programs used more than %g cores.\n"+
			"The verdicts are worth little.\n",
			n, len(r.Runs)+len(r.Memory), mostOther)
	}
	if len(r.Targets) > 0 {
		fmt.Fprintln(w, "\nTargets")
		for _, v := range r.Targets {
			mark := "pass"
			if !v.OK {
				mark = "FAIL"
			}
			if r.disturbed() > 0 {
				mark += "?"
			}
			fmt.Fprintf(w, "  %-5s  %-58s %8.2f   (%s)\n", mark, v.What, v.Value, v.Target)
		}
	}
	fmt.Fprintln(w)
}

func (r *report) printShape(w io.Writer, name string, backlog bool) {
	kube := r.runsOf(kubeName, name, backlog)
	top := r.runsOf(ceilingName, name, backlog)
	title := name
	if backlog {
		title += ", backlog"
	}
	for _, s := range []string{ceilingName, kubeName, steelyardName} {
		rs := r.runsOf(s, name, backlog)
		if len(rs) == 0 {
			continue
		}
		x := median(rs, rate)
		of := func(get func(runResult) float64) float64 { return median(rs, get) }
		p50, p99 := "-", "-"
		if !backlog {
			p50 = strconv.FormatFloat(of(func(x runResult) float64 { return x.P50 }), 'f', 0, 64)
			p99 = strconv.FormatFloat(of(func(x runResult) float64 { return x.P99 }), 'f', 0, 64)
		}
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%s\t%.3f\t%.0f\t%s\t%s\t%.1f\t%.2f\t\n", title, label(s), x,
			times(quotient(rs, kube, rate)), times(quotient(rs, top, rate)), of(func(x runResult) float64 { return x.CPUPerPod }),
			of(func(x runResult) float64 { return x.RSS }), p50, p99,
			of(func(x runResult) float64 { return x.CreateSeconds }),
			of(func(x runResult) float64 { return x.Cores.Other }))
	}
}
