// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const sampleJUnit = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5">
 <testsuite name="Kubernetes e2e suite">
  <testcase name="[SynchronizedBeforeSuite]" status="passed" time="0.1"></testcase>
  <testcase name="[It] [sig-scheduling] A [Serial]" status="passed" time="12.5"></testcase>
  <testcase name="[It] [sig-scheduling] B" status="failed" time="3">
   <failure message="timed
	out" type="failed">at x.go:1</failure>
  </testcase>
  <testcase name="[It] [sig-scheduling] C [FeatureGate:GenericWorkload]" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
  <testcase name="[It] [sig-node] D" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
 </testsuite>
</testsuites>`

func parsed(t *testing.T, text string) results {
	t.Helper()
	path := filepath.Join(t.TempDir(), "junit.xml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readJUnit(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReadJUnit(t *testing.T) {
	r := parsed(t, sampleJUnit)
	if len(r) != 3 {
		t.Fatalf("%d specs: %v", len(r), r)
	}
	if a := r["[sig-scheduling] A [Serial]"]; a.status != "passed" || a.took != 12500*time.Millisecond {
		t.Errorf("A: %+v", a)
	}
	if b := r["[sig-scheduling] B"]; b.status != "failed" || b.message != "timed out at x.go:1" {
		t.Errorf("B: %+v", b)
	}
}

func TestOnly(t *testing.T) {
	r := results{"[sig-scheduling] a preempts": {}, "[sig-scheduling] b": {}}
	if err := r.only("preempt|never"); err != nil || len(r) != 1 {
		t.Errorf("%v: %v", err, r)
	}
	if err := r.only(""); err != nil || len(r) != 1 {
		t.Errorf("no focus: %v: %v", err, r)
	}
	if r.only("(") == nil {
		t.Error("a broken expression was taken")
	}
}

// A failure outside the specs, as in the suite's set-up, must not go unseen.
func TestReadJUnitSetUp(t *testing.T) {
	r := parsed(t, strings.Replace(sampleJUnit, `time="0.1"></testcase>`,
		`time="0.1"><failure message="no nodes"></failure></testcase>`, 1))
	if x := r["[SynchronizedBeforeSuite]"]; x.status != "failed" || x.message != "no nodes" {
		t.Errorf("%+v", x)
	}
}

func TestTable(t *testing.T) {
	rules, err := parseSkips("# a comment\n\\[FeatureGate:X\\]\toff by default\n")
	if err != nil || len(rules) != 1 {
		t.Fatal(rules, err)
	}
	pass, fail := result{status: "passed"}, result{status: "failed", message: "why"}
	skip := result{status: "skipped", message: "skipped"}
	for _, c := range []struct {
		name                  string
		control, ours         results
		compared, worse       int
		contains, containsNot string
	}{
		{"both pass", results{"a": pass}, results{"a": pass}, 1, 0, "a\n", "<--"},
		{"steelyard fails", results{"a": pass, "b": pass}, results{"a": pass, "b": fail}, 2, 1, "b  <--", "a  <--"},
		{"steelyard did not run it", results{"a": pass}, results{}, 1, 1, "not run", ""},
		{"steelyard skips it", results{"a": pass}, results{"a": skip}, 1, 1, "skipped", ""},
		{"the control fails too", results{"a": fail}, results{"a": fail}, 0, 0, "control: a\n    why", "<--"},
		{"only the control fails", results{"a": fail}, results{"a": pass}, 0, 0, "failed", "<--"},
		{"left out", results{"a [FeatureGate:X]": skip}, results{"a [FeatureGate:X]": skip}, 0, 0, "off by default", ""},
	} {
		var b strings.Builder
		s := table(&b, c.control, c.ours, rules)
		if s.compared != c.compared || len(s.worse) != c.worse {
			t.Errorf("%s: %+v", c.name, s)
		}
		if !strings.Contains(b.String(), c.contains) || c.containsNot != "" && strings.Contains(b.String(), c.containsNot) {
			t.Errorf("%s:\n%s", c.name, b.String())
		}
	}
}

func TestSkipList(t *testing.T) {
	if _, err := parseSkips(skipText); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"a-pattern-without-a-reason", "(\tunbalanced"} {
		if _, err := parseSkips(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestProgress(t *testing.T) {
	var to strings.Builder
	p := &progress{to: &to, who: "x"}
	text := "----\n[sig-scheduling] A [Serial]\n  STEP: one\n• [4.0 seconds]\n[sig-scheduling] B\n• [FAILED] [1 seconds]\nSSSS\n"
	for _, piece := range []string{text[:30], text[30:70], text[70:]} {
		if n, err := p.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if to.String() != text {
		t.Errorf("passed on: %q", to.String())
	}
	if p.done != 2 {
		t.Errorf("%d specs seen, not 2", p.done)
	}
}
