// SPDX-License-Identifier: Apache-2.0

// Command e2e-upstream runs the [sig-scheduling] specs of Kubernetes' own
// end-to-end suite twice, with the real kube-scheduler as the control and with
// steelyard in its place, each in a control plane of its own, and compares.
// Exit status 1: a spec that passes with the control does not with steelyard;
// 2: there is no comparison.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed skip.txt
var skipText string

// options are the flags.
type options struct {
	root    string        // of the repository
	program string        // steelyard
	focus   string        // regular expression on a spec's full name
	control string        // JUnit file of an earlier control run, or nothing
	nodes   int           // of each control plane
	out     string        // folder for logs and reports
	limit   time.Duration // for one scheduler's run
}

// errWorse says that steelyard fails where the control passes.
var errWorse = errors.New("steelyard fails specs that pass with kube-scheduler")

func main() {
	var o options
	buildOnly := flag.Bool("build-only", false, "build the suite and the control plane, then leave")
	flag.StringVar(&o.root, "root", "../..", "the repository")
	flag.StringVar(&o.program, "program", "build/steelyard", "steelyard, relative to the repository")
	flag.StringVar(&o.focus, "focus", "", "only specs of [sig-scheduling] whose full name matches this regular expression")
	flag.StringVar(&o.control, "control", "", "take the control's results from this JUnit file of an earlier run")
	flag.IntVar(&o.nodes, "nodes", 4, "nodes of each control plane, in two zones")
	flag.StringVar(&o.out, "out", "build/e2e-upstream", "folder for logs and reports, relative to the repository")
	flag.DurationVar(&o.limit, "limit", time.Hour, "for one scheduler's run")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := func() error {
		if flag.NArg() > 0 {
			return fmt.Errorf("no arguments are taken: %s", flag.Arg(0))
		}
		var err error
		if o.root, err = filepath.Abs(o.root); err != nil {
			return err
		}
		for _, p := range []*string{&o.program, &o.out} {
			if !filepath.IsAbs(*p) {
				*p = filepath.Join(o.root, *p)
			}
		}
		suite, err := buildSuite(ctx, o.root)
		if err != nil || *buildOnly {
			return err
		}
		return compare(ctx, o, suite)
	}()
	stop()
	switch {
	case errors.Is(err, errWorse):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "e2e-upstream:", err)
		os.Exit(2)
	}
}

// say reports progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "e2e-upstream: "+format+"\n", args...)
}

// compare runs both and prints the table.
func compare(ctx context.Context, o options, suite string) error {
	rules, err := parseSkips(skipText)
	if err != nil {
		return err
	}
	// At once: a spec mostly waits, and one alone waits five minutes.
	var control, ours results
	var cerr, oerr error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var runs sync.WaitGroup
	runs.Go(func() {
		if o.control != "" {
			if control, cerr = readJUnit(o.control); cerr == nil {
				cerr = control.only(o.focus)
			}
		} else {
			control, cerr = runSpecs(ctx, o, suite, "control", rules)
		}
		if cerr != nil {
			cancel()
		}
	})
	runs.Go(func() {
		if ours, oerr = runSpecs(ctx, o, suite, "steelyard", rules); oerr != nil {
			cancel()
		}
	})
	runs.Wait()
	if err := errors.Join(cerr, oerr); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(o.out, "report.txt"))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := table(io.MultiWriter(os.Stdout, f), control, ours, rules)
	switch {
	case sum.compared == 0:
		return errors.New("no spec passed with the control, so nothing was compared")
	case len(sum.worse) > 0:
		return errWorse
	}
	return nil
}

// runSpecs brings a control plane up, runs the specs in it with the scheduler
// that who names and takes it down.
func runSpecs(ctx context.Context, o options, suite, who string, rules []skipRule) (r results, err error) {
	out := filepath.Join(o.out, who)
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("e2e-%d-%s", os.Getpid(), who)
	cluster := filepath.Join(o.root, "hack/cluster/cluster")
	up := exec.CommandContext(ctx, cluster, "up", "--name", name, "--nodes", fmt.Sprint(o.nodes), "--zones", "2",
		fmt.Sprintf("--kube-scheduler=%t", who == "control"))
	// An interrupted up takes down what it began.
	up.Cancel = func() error { return up.Process.Signal(syscall.SIGTERM) }
	up.Stderr = os.Stderr
	text, err := up.Output()
	if err != nil {
		return nil, fmt.Errorf("the control plane for %s did not start: %w", who, err)
	}
	defer func() {
		// Not under ctx: an interrupt must not keep it from being taken down.
		down := exec.Command(cluster, "down", "--name", name)
		if text, derr := down.CombinedOutput(); derr != nil {
			err = errors.Join(err, fmt.Errorf("taking down %s: %w\n%s", name, derr, text))
		}
	}()
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	kubeconfig := lines[len(lines)-1]

	k, err := newKubelets(kubeconfig)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(k.addPolicies(ctx), k.addSystemPods(ctx)); err != nil {
		return nil, err
	}
	stopKubelets := k.run(ctx)
	defer stopKubelets()

	if who == "steelyard" {
		stop, err := startSteelyard(o, kubeconfig, filepath.Join(out, "scheduler.log"))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	return runSuite(ctx, o, suite, who, kubeconfig, out, rules)
}

// startSteelyard runs steelyard as the default scheduler. The function that it
// returns stops it and says whether it had ended before.
func startSteelyard(o options, kubeconfig, log string) (func() error, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(o.program, "run", "--scheduler-name", "default-scheduler", "--kubeconfig", kubeconfig,
		"--port", "0")
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		f.Close()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); f.Close() }()
	return func() error {
		select {
		case err := <-ended:
			return fmt.Errorf("steelyard ended by itself (%v); see %s", err, log)
		default:
		}
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		return nil
	}, nil
}

// runSuite runs the suite's program and reads its report.
func runSuite(ctx context.Context, o options, suite, who, kubeconfig, out string, rules []skipRule) (results, error) {
	log, err := os.Create(filepath.Join(out, "e2e.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	focus := `\[sig-scheduling\]`
	if o.focus != "" {
		focus += ".*(" + o.focus + ")"
	}
	var skips []string
	for _, r := range rules {
		skips = append(skips, r.text)
	}
	cmd := exec.CommandContext(ctx, suite,
		"--provider=skeleton", "--kubeconfig="+kubeconfig, "--report-dir="+out,
		"--ginkgo.focus="+focus, "--ginkgo.skip="+strings.Join(skips, "|"),
		"--ginkgo.no-color", "--ginkgo.v", "--ginkgo.seed=1", "--ginkgo.timeout="+o.limit.String(),
		"--dump-logs-on-failure=false", "--disable-log-dump")
	cmd.Dir = out
	p := &progress{to: log, who: who}
	cmd.Stdout, cmd.Stderr = p, p // the same, so that one goroutine writes
	// An interrupted suite deletes its namespaces; a second signal is not waited for.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	begin := time.Now()
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// A failed spec makes it exit 1; without a report something else went wrong.
	r, rerr := readJUnit(filepath.Join(out, "junit_01.xml"))
	if rerr != nil {
		return nil, fmt.Errorf("the suite left no report (%v); see %s: %w", err, log.Name(), rerr)
	}
	say("%s: %s after %s", who, r.summary(), time.Since(begin).Round(time.Second))
	return r, nil
}
