// SPDX-License-Identifier: Apache-2.0

// Command oracle asks the plugins of kube-scheduler about random clusters.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
)

func main() {
	// Everything lives for one case; collecting seldom is a third faster.
	debug.SetGCPercent(400)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

const usage = `usage: oracle [--seed N] [--cases N] [--from N] [--mix NAME]   cases to stdout, one a line
       oracle stats FILE                                     what the cases of a file cover
       oracle verify FILE                                    ask again, compare with the file
       oracle answer FILE                                    ask again, cases with the new answers to stdout
       oracle replay FILE                                    hold a live scheduler's placements against the plugins`

func run(args []string) error {
	commands := map[string]func(string, io.Writer) error{"stats": stats, "verify": verify, "answer": answer, "replay": replay}
	if len(args) > 0 && commands[args[0]] != nil {
		if len(args) != 2 {
			return fmt.Errorf("%s wants one file\n%s", args[0], usage)
		}
		return commands[args[0]](args[1], os.Stdout)
	}
	fs := flag.NewFlagSet("oracle", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	seed := fs.Uint64("seed", 1, "")
	count := fs.Int("cases", 1000, "")
	from := fs.Int("from", 0, "")
	mix := fs.String("mix", "core", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("what is %q?\n%s", fs.Arg(0), usage)
	}
	dropped, err := generate(*mix, *seed, *from, *count, os.Stdout)
	if tooMany(dropped, *count) {
		fmt.Fprintf(os.Stderr, "oracle: %s: %d clusters were not valid and were drawn again for %d cases\n", *mix, dropped, *count)
	}
	return err
}

// open reads a plain, gzip or xz file.
func open(path string) (io.Reader, func(), error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(f)
		return z, func() { f.Close() }, err
	case strings.HasSuffix(path, ".xz"):
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = f
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		return out, func() { f.Close(); cmd.Wait() }, err
	}
	return f, func() { f.Close() }, nil
}

// eachCase calls fn with every line of a file.
func eachCase(path string, fn func(line []byte, c *Case) error) error {
	r, closer, err := open(path)
	if err != nil {
		return err
	}
	defer closer()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<20), 64<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		c, err := parseCase(lines.Bytes())
		if err == nil {
			err = fn(lines.Bytes(), c)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return lines.Err()
}

// answers is the part of a case that the plugins gave.
func answers(c *Case) []byte {
	b, err := json.Marshal(&Case{ID: c.ID, Plugins: c.Plugins, Framework: c.Framework,
		Volumes: c.Volumes, Allocations: c.Allocations, Preemption: c.Preemption})
	if err != nil {
		panic(err) // plain structs
	}
	return b
}

// verify asks about the clusters of a file again: are its answers those of the
// plugins that this program was built with?
func verify(path string, w io.Writer) error {
	e, err := newEngine()
	if err != nil {
		return err
	}
	total, differ := 0, 0
	err = eachCase(path, func(_ []byte, c *Case) error {
		total++
		want := answers(c)
		if err := e.ask(c); err != nil {
			return err
		}
		if got := answers(c); !bytes.Equal(got, want) {
			if differ++; differ <= 5 {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				show := func(b []byte) []byte { return b[max(0, at-60):min(len(b), at+200)] }
				fmt.Fprintf(w, "case %d differs near\n file: %s\n here: %s\n", c.ID, show(want), show(got))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d cases, %d differ\n", total, differ)
	if differ > 0 {
		return fmt.Errorf("%d of %d cases differ", differ, total)
	}
	return nil
}

// answer asks about the clusters of a file and prints the cases with what it hears:
// for clusters made or changed by hand.
func answer(path string, w io.Writer) error {
	e, err := newEngine()
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	return eachCase(path, func(_ []byte, c *Case) error {
		if err := e.ask(c); err != nil {
			return err
		}
		return out.Encode(c)
	})
}
