// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func text(t *testing.T, mix string, seed uint64, from, count int) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := generate(mix, seed, from, count, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parse(t *testing.T, all []byte) []*Case {
	t.Helper()
	var cases []*Case
	lines := bufio.NewScanner(bytes.NewReader(all))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		c, err := parseCase(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// The same seed gives the same bytes, whole or in parts, and another seed others.
func TestDeterministic(t *testing.T) {
	for _, mix := range append(mixNames(), "all") {
		whole := text(t, mix, 5, 0, 150)
		if !bytes.Equal(whole, text(t, mix, 5, 0, 150)) {
			t.Errorf("%s: a second run differs", mix)
		}
		if parts := append(text(t, mix, 5, 0, 70), text(t, mix, 5, 70, 80)...); !bytes.Equal(whole, parts) {
			t.Errorf("%s: two parts differ from the whole", mix)
		}
		if bytes.Equal(whole, text(t, mix, 6, 0, 150)) {
			t.Errorf("%s: another seed gives the same", mix)
		}
	}
}

// A case that was written and read gets the same answers from a used engine: the
// file holds all that the plugins saw, and no case leaves traces in the next.
func TestAnswersStandInTheFile(t *testing.T) {
	e, err := newEngine()
	if err != nil {
		t.Fatal(err)
	}
	cases := parse(t, text(t, "all", 9, 0, 350))
	slices.Reverse(cases)
	for _, c := range cases {
		want := answers(c)
		c.Plugins, c.Framework, c.Volumes, c.Allocations, c.Preemption = nil, nil, nil, nil, nil
		if err := e.ask(c); err != nil {
			t.Fatalf("case %d: %v", c.ID, err)
		}
		if got := answers(c); !bytes.Equal(got, want) {
			t.Errorf("case %d (%s)\n was %s\n now %s", c.ID, c.Mix, want, got)
		}
	}
}

// verify finds a changed verdict, and accepts the file without it.
func TestVerifyFindsAWrongAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.jsonl")
	good := text(t, "core", 3, 0, 20)
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := verify(path, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	bad := bytes.Replace(good, []byte(`"code":"Unschedulable"`), []byte(`"code":"Success"`), 1)
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(bad, good) {
		t.Fatal("no node was rejected")
	}
	if err := verify(path, &out); err == nil {
		t.Error("a changed verdict goes unseen")
	}
}

// The keys of core cases are those of the first file, which other programs read.
func TestCoreShape(t *testing.T) {
	allowed := map[string][]string{
		"":          {"id", "namespaces", "nodes", "pods", "pod", "plugins", "framework"},
		"framework": {"preFilter", "filter", "feasible", "total", "best", "scoreError"},
		"plugin":    {"preFilter", "preFilterNodes", "filter", "preScore", "raw", "norm"},
	}
	for _, line := range bytes.Split(bytes.TrimSpace(text(t, "core", 1, 0, 300)), []byte("\n")) {
		var c map[string]json.RawMessage
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		check := func(what string, raw json.RawMessage) {
			var m map[string]json.RawMessage
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			for k := range m {
				if !slices.Contains(allowed[what], k) {
					t.Errorf("%q has a key %q", what, k)
				}
			}
		}
		check("", line)
		check("framework", c["framework"])
		var plugins map[string]json.RawMessage
		if err := json.Unmarshal(c["plugins"], &plugins); err != nil {
			t.Fatal(err)
		}
		if len(plugins) != len(corePlugins) {
			t.Errorf("%d plugins", len(plugins))
		}
		for _, p := range plugins {
			check("plugin", p)
		}
	}
}

// Clusters that the API server would refuse are drawn again, which must stay rare: a kind
// of object that is never valid would vanish from its mix without a word.
func TestFewClustersAreDropped(t *testing.T) {
	for _, mix := range mixNames() {
		const count = 400
		dropped := 0
		for id := range count {
			_, n, err := makeCase(mix, 1, id)
			if err != nil {
				t.Fatal(err)
			}
			dropped += n
		}
		t.Logf("%s: %d of %d", mix, dropped, count+dropped)
		if tooMany(dropped, count) {
			t.Errorf("%s: %d clusters were dropped for %d cases", mix, dropped, count)
		}
	}
}

// Each mix reaches what it is for. The counts are far below what was seen.
func TestCoverage(t *testing.T) {
	for mix, wants := range map[string][]string{
		"spread": {"PodTopologySpread: Unschedulable: node(s) didn't match pod topology spread constraints\n",
			"(missing required label)", "PodTopologySpread: normalised scores differ", "cases with services", "cases with a default spread that scores"},
		"affinity": {"pod affinity rules", "didn't match pod anti-affinity rules", "existing pods anti-affinity rules",
			"InterPodAffinity: normalised scores differ"},
		"resources": {"Insufficient hugepages-2Mi", "Insufficient example.com/foo", "NodeDeclaredFeatures:", "NodeAffinity: normalised scores differ"},
		"volumes": {"didn't find available persistent volumes", "PersistentVolume's node affinity", "enough free storage",
			"no available volume zone", "exceed max volume count", "no available disk", "ReadWriteOncePod", "unbound immediate",
			"nodes with static binding", "nodes with provisioning", "VolumeBinding: raw scores differ"},
		"preemption": {"tie between candidates", "node with PDB violations", "node with 3 victims", "preemptionPolicy=Never"},
		"dra":        {"cannot allocate all claims", "not available on the node", "nodes with allocations", "DynamicResources: raw scores differ"},
	} {
		path := filepath.Join(t.TempDir(), mix)
		if err := os.WriteFile(path, text(t, mix, 1, 0, 1200), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := stats(path, &out); err != nil {
			t.Fatal(err)
		}
		for _, w := range wants {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s never reaches %q", mix, w)
			}
		}
	}
}
