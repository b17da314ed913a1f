// SPDX-License-Identifier: Apache-2.0

// What the suite says: its output as it runs, its JUnit file, and the comparison of two.
package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// skipRule is a line of skip.txt.
type skipRule struct {
	text string
	re   *regexp.Regexp
	why  string
}

// parseSkips reads skip.txt. Each line needs a reason.
func parseSkips(text string) ([]skipRule, error) {
	var rules []skipRule
	gap := regexp.MustCompile(`\t+|  +`)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		part := gap.Split(line, 2)
		if len(part) != 2 || part[1] == "" {
			return nil, fmt.Errorf("skip.txt: no reason for %q", line)
		}
		re, err := regexp.Compile(part[0])
		if err != nil {
			return nil, fmt.Errorf("skip.txt: %w", err)
		}
		rules = append(rules, skipRule{part[0], re, part[1]})
	}
	return rules, nil
}

// result is how one spec went.
type result struct {
	status  string // passed, failed or skipped
	message string // of a failure or a skip, one line
	took    time.Duration
}

// results are by the full names of the specs.
type results map[string]result

func (r results) summary() string {
	n := map[string]int{}
	for _, x := range r {
		n[x.status]++
	}
	return fmt.Sprintf("%d passed, %d failed", n["passed"], n["failed"])
}

// only drops the specs that a run with this -focus does not run.
func (r results) only(focus string) error {
	re, err := regexp.Compile(focus)
	if err != nil {
		return fmt.Errorf("-focus: %w", err)
	}
	maps.DeleteFunc(r, func(name string, _ result) bool { return !re.MatchString(name) })
	return nil
}

// junitCase is as much of a testcase as we look at.
type junitCase struct {
	Name    string  `xml:"name,attr"`
	Status  string  `xml:"status,attr"`
	Time    float64 `xml:"time,attr"`
	Failure *struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	} `xml:"failure"`
	Error *struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	} `xml:"error"`
	Skipped *struct {
		Message string `xml:"message,attr"`
	} `xml:"skipped"`
}

// readJUnit reads a report; specs of other groups are left out of it.
func readJUnit(path string) (results, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Suites []struct {
			Cases []junitCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := results{}
	for _, s := range doc.Suites {
		for _, c := range s.Cases {
			name, isSpec := strings.CutPrefix(c.Name, "[It] ")
			if !isSpec && c.Failure == nil && c.Error == nil {
				continue // a part of the suite's own, and all is well
			}
			if isSpec && !strings.HasPrefix(name, "[sig-scheduling]") {
				continue
			}
			x := result{status: "passed", took: time.Duration(c.Time * float64(time.Second))}
			switch {
			case c.Failure != nil:
				x.status, x.message = "failed", oneLine(c.Failure.Message, c.Failure.Text)
			case c.Error != nil:
				x.status, x.message = "failed", oneLine(c.Error.Message, c.Error.Text)
			case c.Skipped != nil:
				x.status, x.message = "skipped", oneLine(c.Skipped.Message)
			}
			r[name] = x
		}
	}
	return r, nil
}

// oneLine joins texts to a line of a readable length.
func oneLine(texts ...string) string {
	s := strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}

// summary of a comparison.
type summary struct {
	compared int      // specs that pass with the control
	worse    []string // of these, those that do not with steelyard
}

// table writes the comparison for people.
func table(w io.Writer, control, ours results, rules []skipRule) summary {
	var sum summary
	names := maps.Clone(control)
	maps.Copy(names, ours)
	sorted := slices.Sorted(maps.Keys(names))
	state := func(r results, name string) string {
		x, ok := r[name]
		if !ok {
			return "not run"
		}
		if x.status == "skipped" {
			return "skipped"
		}
		return fmt.Sprintf("%s %3.0fs", x.status, x.took.Seconds())
	}
	// Why a spec ran with neither: our list says so, or the spec does; one that says nothing is
	// of no interest to -focus.
	why := func(name string) string {
		for _, r := range rules {
			if r.re.MatchString(name) {
				return r.why
			}
		}
		if m := control[name].message; !strings.HasPrefix(m, "skipped") {
			return m
		}
		return ""
	}
	out := map[string][]string{} // names by reason
	both := 0
	fmt.Fprintf(w, "%-13s %-13s %s\n", "control", "steelyard", "spec")
	for _, name := range sorted {
		c, s := control[name], ours[name]
		if c.status != "passed" && c.status != "failed" && s.status != "passed" && s.status != "failed" {
			if reason := why(name); reason != "" {
				out[reason] = append(out[reason], name)
			}
			continue
		}
		mark := ""
		if c.status == "passed" {
			sum.compared++
			if s.status == "passed" {
				both++
			} else {
				sum.worse = append(sum.worse, name)
				mark = "  <--"
			}
		}
		fmt.Fprintf(w, "%-13s %-13s %s%s\n", state(control, name), state(ours, name), name, mark)
	}
	for _, name := range sorted {
		for _, x := range []struct {
			who string
			r   result
		}{{"control", control[name]}, {"steelyard", ours[name]}} {
			if x.r.status == "failed" {
				fmt.Fprintf(w, "\n%s: %s\n    %s\n", x.who, name, x.r.message)
			}
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(out)) {
		fmt.Fprintf(w, "\nleft out: %s\n", reason)
		for _, name := range out[reason] {
			fmt.Fprintf(w, "    %s\n", name)
		}
	}
	fmt.Fprintf(w, "\nspecs that pass with kube-scheduler: %d; of these with steelyard: %d, not: %d\n",
		sum.compared, both, len(sum.worse))
	return sum
}

// progress passes the suite's output on and says when a spec has ended.
type progress struct {
	to   io.Writer
	who  string
	line []byte
	spec string // that runs
	done int
}

func (p *progress) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		p.line = append(p.line, line...)
		rest = after
		if whole {
			p.whole(string(p.line))
			p.line = p.line[:0]
		}
	}
	return p.to.Write(b)
}

func (p *progress) whole(line string) {
	switch {
	case strings.HasPrefix(line, "[sig-"):
		p.spec = line
	case strings.HasPrefix(line, "• [") && p.spec != "":
		p.done++
		how := "passed"
		if strings.HasPrefix(line, "• [FAILED]") {
			how = "FAILED"
		}
		name, _, _ := strings.Cut(p.spec[1:], " [sig-") // what follows repeats the labels
		say("%s %2d %s [%s", p.who, p.done, how, name)
		p.spec = ""
	}
}
