// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func frame(t *testing.T, kind string, apiVersion, objectKind string, o marshaler) []byte {
	t.Helper()
	raw, err := envelope(apiVersion, objectKind, o)
	if err != nil {
		t.Fatal(err)
	}
	e := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: raw}}
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseEvent(t *testing.T) {
	p := pod("run", 7, "s", "n", basicSize)
	p.UID = "u-7"
	f := frame(t, "ADDED", "v1", "Pod", p)
	e, err := parseEvent(f)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.kind) != "ADDED" || string(e.name) != "run-7" || string(e.uid) != "u-7" {
		t.Errorf("got %s %s %s", e.kind, e.name, e.uid)
	}
	for i := range f {
		// Any cut must end in an error or in an event, not in a crash.
		parseEvent(f[:i])
	}
	_, err = parseEvent(frame(t, "ERROR", "v1", "Status", &metav1.Status{Message: "too old"}))
	if !errors.Is(err, errWatchOver) || !strings.Contains(err.Error(), "too old") {
		t.Errorf("an error event gave %v", err)
	}
}

func TestParseList(t *testing.T) {
	l := v1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "42"}}
	for i := range 3 {
		l.Items = append(l.Items, *pod("run", i, "s", "n", basicSize))
	}
	b, err := envelope("v1", "PodList", &l)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	version, err := parseList(b, func(e podEvent) { names = append(names, string(e.kind)+" "+string(e.name)) })
	if got := strings.Join(names, ", "); err != nil || version != "42" || got != "ADDED run-0, ADDED run-1, ADDED run-2" {
		t.Errorf("got %q, %q, %v", version, got, err)
	}
	for i := range b {
		parseList(b[:i], func(podEvent) {})
	}
}

func TestParseCPU(t *testing.T) {
	got, err := parseCPU([]byte("12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 99"))
	if err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseCPU([]byte("12 (a) S 1")); err == nil {
		t.Error("a short line was accepted")
	}
}

func TestParseKB(t *testing.T) {
	s := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
	if parseKB(s, "VmRSS") != 1<<20 || parseKB(s, "VmHWM") != 2<<20 || parseKB(s, "VmSwap") != 0 {
		t.Errorf("got %d %d", parseKB(s, "VmRSS"), parseKB(s, "VmHWM"))
	}
}

func TestPercentile(t *testing.T) {
	var v []float64
	for i := 1; i <= 200; i++ {
		v = append(v, float64(i))
	}
	for p, want := range map[float64]float64{50: 100, 99: 198, 100: 200, 0: 1} {
		if got := percentile(v, p); got != want {
			t.Errorf("p%g is %g, not %g", p, got, want)
		}
	}
	if percentile(nil, 50) != 0 {
		t.Error("of nothing")
	}
}

func TestMedian(t *testing.T) {
	id := func(x float64) float64 { return x }
	if median([]float64{3, 1, 2}, id) != 2 || median([]float64{4, 1, 2, 3}, id) != 2.5 || median(nil, id) != 0 {
		t.Error("wrong median")
	}
}

func TestTracker(t *testing.T) {
	tr := newTracker("a-basic-1", 3)
	see := func(kind string, name string) { tr.see(podEvent{kind: []byte(kind), name: []byte(name)}) }
	for i := range 3 {
		tr.created[i].Store(int64(i+1) * int64(time.Millisecond))
	}
	for _, n := range []string{"a-basic-1-0", "a-basic-1-0", "a-basic-11-1", "a-basic-1-3", "a-basic-1--1", "other"} {
		see("ADDED", n)
	}
	see("DELETED", "a-basic-1-1")
	if n := tr.count.Load(); n != 1 {
		t.Fatalf("%d pods counted as bound, not 1", n)
	}
	see("ADDED", "a-basic-1-1")
	see("MODIFIED", "a-basic-1-2")
	select {
	case <-tr.done:
	default:
		t.Fatal("all are bound, and it is not done")
	}
	for i := range 3 {
		tr.bound[i].Store(int64(i+11) * int64(time.Millisecond))
	}
	var r runResult
	tr.summarize(&r)
	if fmt.Sprintf("%.3f %.3f %.0f %.0f", r.Seconds, r.CreateSeconds, r.P50, r.PodsPerSecond) != "0.012 0.002 10 250" {
		t.Errorf("got %+v", r)
	}
	r = runResult{Backlog: true}
	tr.summarize(&r)
	if fmt.Sprintf("%.3f", r.Seconds) != "0.002" {
		t.Errorf("got %+v", r)
	}
}

func TestQuotient(t *testing.T) {
	a := []runResult{{Round: 1, PodsPerSecond: 10}, {Round: 2, PodsPerSecond: 40}, {Round: 3, PodsPerSecond: 90}}
	b := []runResult{{Round: 1, PodsPerSecond: 5}, {Round: 2, PodsPerSecond: 10}, {Round: 3, PodsPerSecond: 30}}
	if q := quotient(a, b, rate); q != 3 {
		t.Errorf("got %g, not 3", q)
	}
	if q := quotient(a, nil, rate); q != 0 {
		t.Errorf("over nothing: %g", q)
	}
}

// A shape's pods count for one another, and keep what the tracker goes by.
func TestPerfShapes(t *testing.T) {
	seen := map[string]bool{}
	for _, sh := range shapes {
		if seen[sh.name] {
			t.Errorf("%s comes twice", sh.name)
		}
		seen[sh.name] = true
		if sh.perf == nil {
			continue
		}
		p := sh.make("run", 3, "x")
		if p.Name != "run-3" || p.Spec.SchedulerName != "bench-x" || p.Spec.NodeName != "" {
			t.Errorf("%s: the pod is %s of %s on %q", sh.name, p.Name, p.Spec.SchedulerName, p.Spec.NodeName)
		}
		if _, err := envelope("v1", "Pod", p); err != nil {
			t.Errorf("%s: %v", sh.name, err)
		}
		selectors := []*metav1.LabelSelector{}
		if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
			selectors = append(selectors, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector)
		}
		for _, c := range p.Spec.TopologySpreadConstraints {
			selectors = append(selectors, c.LabelSelector)
		}
		for _, s := range selectors {
			for k, v := range s.MatchLabels {
				if p.Labels[k] != v {
					t.Errorf("%s: its own selector does not choose it", sh.name)
				}
			}
		}
	}
	if only := strings.Join(withPerf([]string{"basic", "perf"}), ","); only != "basic,"+strings.Join(defaultParts()[4:], ",") {
		t.Errorf("perf stands for %s", only)
	}
}

// Where a node has its fillers, no preemptor fits; without them one does.
func TestPreemptorNeedsAll(t *testing.T) {
	i := slices.IndexFunc(shapes, func(sh shape) bool { return sh.name == "preemption" })
	filler := pod("run", 0, "x", "", basicSize)
	shapes[i].perf.filler(filler)
	cores := func(l v1.ResourceList) int64 { return l.Cpu().MilliValue() }
	room := cores(node(0).Status.Allocatable)
	one := cores(filler.Spec.Containers[0].Resources.Requests)
	want := cores(shapes[i].size(0))
	if fillers*one > room || want > room || want+one <= room {
		t.Errorf("%d of %dm and one of %dm on %dm", fillers, one, want, room)
	}
}

func TestJudgePerf(t *testing.T) {
	r := report{}
	for _, x := range []struct {
		shape             string
		ceiling, kube, we float64
		cpu               float64
	}{
		{"anti-affinity", 1000, 100, 300, 0.1}, // fast enough
		{"affinity", 1000, 400, 910, 0.3},      // at the ceiling
		{"spread", 1000, 400, 890, 0.1},        // neither
		{"volumes", 0, 400, 890, 0.1},          // nothing known of the ceiling
	} {
		if x.ceiling > 0 {
			r.Runs = append(r.Runs, runResult{Scheduler: ceilingName, Shape: x.shape, PodsPerSecond: x.ceiling})
		}
		r.Runs = append(r.Runs, runResult{Scheduler: kubeName, Shape: x.shape, PodsPerSecond: x.kube, CPUPerPod: 4},
			runResult{Scheduler: steelyardName, Shape: x.shape, PodsPerSecond: x.we, CPUPerPod: x.cpu})
	}
	r.judge()
	var got []string
	for _, v := range r.Targets {
		got = append(got, fmt.Sprintf("%.3g %v", v.Value, v.OK))
	}
	want := "3 true, 40 true, 2.27 true, 13.3 false, 2.23 false, 40 true, 2.23 false, 40 true"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

// Every order and placement of the mixed pods has to leave room for the rest.
func TestMixedAlwaysFits(t *testing.T) {
	sh, nodes := shapes[1], 5000
	gpuNodes, most := nodes/5, map[v1.ResourceName]int64{}
	sum := map[v1.ResourceName]int64{}
	gpuPods := 0
	for i := range sh.pods {
		size := sh.size(i)
		if _, ok := size[gpu]; ok {
			gpuPods++
		}
		for r, q := range size {
			sum[r] += q.Value()
			most[r] = max(most[r], q.Value())
		}
	}
	full := int64(0)
	for r, q := range node(0).Status.Allocatable {
		if m := most[r]; m > 0 {
			// A node without room for the largest has at least this much used.
			full += sum[r] / (q.Value() - m + 1)
		}
	}
	if gpuPods != sh.pods/2 {
		t.Errorf("%d of %d pods have GPUs", gpuPods, sh.pods)
	}
	if full >= int64(gpuNodes) {
		t.Errorf("%d of %d GPU nodes could be too full", full, gpuNodes)
	}
}

func TestJudge(t *testing.T) {
	r := report{
		Runs: []runResult{
			{Scheduler: ceilingName, Shape: "basic", PodsPerSecond: 800},
			{Scheduler: ceilingName, Shape: "basic", PodsPerSecond: 1800, Backlog: true},
			{Scheduler: kubeName, Shape: "basic", PodsPerSecond: 400, CPUPerPod: 2},
			{Scheduler: steelyardName, Shape: "basic", PodsPerSecond: 700, CPUPerPod: 0.1},
			{Scheduler: steelyardName, Shape: "mixed", PodsPerSecond: 1, CPUPerPod: 9},
		},
		Memory: []memoryResult{
			{Scheduler: kubeName, RSS: 400, ReadySeconds: 9},
			{Scheduler: steelyardName, RSS: 80, ReadySeconds: 1.5},
		},
	}
	r.judge()
	var got []string
	for _, v := range r.Targets {
		got = append(got, fmt.Sprintf("%.3g %v", v.Value, v.OK))
	}
	want := "1.75 false, 0.875 true, 20 true, 5 false, 1.5 true"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}
