// SPDX-License-Identifier: Apache-2.0

// What the cases of a file cover: a generator is worth what it reaches.
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

type tally map[string]int

func (t tally) print(w io.Writer, title string, total int) {
	fmt.Fprintf(w, "\n%s\n", title)
	for _, k := range slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		return cmp.Or(cmp.Compare(t[b], t[a]), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(w, "%9d  %5.1f%%  %s\n", t[k], 100*float64(t[k])/float64(max(total, 1)), k)
	}
}

func stats(path string, w io.Writer) error {
	cases, verdicts, many, unique := 0, 0, 0, 0
	feasible, alone, together, scores, other, preempt := tally{}, tally{}, tally{}, tally{}, tally{}, tally{}
	mixesSeen := tally{}
	note := func(t tally, s *Status, plugin string) {
		if s == nil || s.Code == "Success" || s.Code == "Skip" {
			return
		}
		if len(s.Reasons) == 0 {
			t[plugin+": "+s.Code]++
		}
		for _, r := range s.Reasons {
			t[plugin+": "+s.Code+": "+short(r)]++
		}
	}
	err := eachCase(path, func(_ []byte, c *Case) error {
		cases++
		mixesSeen[cmp.Or(c.Mix, "core")]++
		verdicts += len(c.Nodes)
		feasible[fmt.Sprintf("%2d feasible", len(c.Framework.Feasible))]++
		if len(c.Framework.Feasible) > 1 && c.Framework.Total != nil {
			many++
			if len(c.Framework.Best) == 1 {
				unique++
			}
		}
		for name, p := range c.Plugins {
			note(alone, p.PreFilter, name+" PreFilter")
			note(alone, p.PreScore, name+" PreScore")
			for _, s := range p.Filter {
				note(alone, s, name)
			}
			if len(p.PreFilterNodes) > 0 {
				other[name+": PreFilter names nodes"]++
			}
			if lo, hi := spanOf(p.Norm); hi > lo {
				scores[name+": normalised scores differ between nodes"]++
			}
			if lo, hi := spanOf(p.Raw); hi > lo {
				scores[name+": raw scores differ between nodes"]++
			}
		}
		note(together, c.Framework.PreFilter, cmp.Or(c.Framework.PreFilter.Plugin, "?")+" PreFilter")
		for _, s := range c.Framework.Filter {
			note(together, s, cmp.Or(s.Plugin, "framework"))
		}
		if len(c.Services) > 0 {
			other["cases with services"]++
			if p := c.Plugins["PodTopologySpread"]; len(c.Pod.Spec.TopologySpreadConstraints) == 0 && p.PreScore != nil && p.PreScore.Code == "Success" {
				other["cases with a default spread that scores"]++
			}
		}
		if c.Framework.FilterError != "" {
			other["filter error"]++
		}
		if c.Framework.FitError != "" {
			other["fit error"]++
		}
		if c.Framework.ScoreError != "" {
			other["score error"]++
		}
		for _, v := range c.Volumes {
			other["nodes with static binding"] += min(1, len(v.Bind))
			other["nodes with provisioning"] += min(1, len(v.Provision))
		}
		for _, v := range c.Allocations {
			other["nodes with allocations"]++
			for _, a := range v {
				other["allocated devices"] += len(a.Devices.Results)
			}
		}
		if p := c.Preemption; p != nil {
			preempt["asked"]++
			preempt[fmt.Sprintf("%d candidates", len(p.Candidates))]++
			if len(p.Best) > 1 {
				preempt["tie between candidates"]++
			}
			if !p.Eligible {
				preempt["not eligible: "+p.Reason]++
			}
			for _, v := range p.Candidates {
				preempt[fmt.Sprintf("node with %d victims", len(v.Pods))]++
				if v.NumPDBViolations > 0 {
					preempt["node with PDB violations"]++
				}
			}
			for _, s := range p.Rejected {
				note(preempt, s, "rejected by "+cmp.Or(s.Plugin, "?"))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d cases, %d node verdicts; %d with more than one feasible node, of which %d have one best\n",
		cases, verdicts, many, unique)
	mixesSeen.print(w, "mixes (of cases)", cases)
	feasible.print(w, "feasible nodes (of cases)", cases)
	alone.print(w, "plugins alone: rejections (of node verdicts)", verdicts)
	together.print(w, "framework: first rejection (of node verdicts)", verdicts)
	scores.print(w, "scores (of cases)", cases)
	other.print(w, "other (of cases)", cases)
	preempt.print(w, "preemption (of cases)", cases)
	return nil
}

// short cuts what differs from case to case out of a reason.
func short(r string) string {
	if strings.HasPrefix(r, "Insufficient ") {
		return r
	}
	return varying.ReplaceAllString(r, "...")
}

var varying = regexp.MustCompile(`"[^"]*"|\b([a-z]+\.[a-z.]+|default|ns[12])/[-a-z0-9/]+|\b(incoming|mine|used|e|r|c|n)-?[0-9]+(/s[0-9])?\b`)

func spanOf(m map[string]int64) (lo, hi int64) {
	first := true
	for _, v := range m {
		if first {
			lo, hi, first = v, v, false
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}
