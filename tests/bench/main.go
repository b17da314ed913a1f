// SPDX-License-Identifier: Apache-2.0

// Command bench compares steelyard with kube-scheduler and with the most that
// the API server gives, on one control plane: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// parts are what --only chooses from.
func parts() []string { return append(defaultParts(), "backlog") }

// defaultParts are all but the last of parts, in the order in which they are done.
func defaultParts() []string {
	names := []string{"basic", "mixed", "ceiling", "memory"}
	for _, sh := range shapes {
		if sh.perf != nil {
			names = append(names, sh.name)
		}
	}
	return names
}

// bench is the whole of a run's state.
type bench struct {
	nodes, memoryPods  int
	creators, inFlight int
	rounds             int
	waitQuiet          time.Duration
	nice               int
	only, schedulers   []string
	steelyardArgs      []string

	self, kubeScheduler, steelyard string // programs
	dir                            string // logs and configuration of the schedulers
	cluster                        *cluster
	creator, watcher               *api
	runs                           int // so far: they number the pods
	report                         report
}

// say reports progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

func commas(s string) []string {
	var out []string
	for p := range strings.SplitSeq(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// withPerf puts the names of all shapes of scheduler_perf for "perf".
func withPerf(only []string) []string {
	i := slices.Index(only, "perf")
	if i < 0 {
		return only
	}
	only = slices.Delete(only, i, i+1)
	for _, sh := range shapes {
		if sh.perf != nil {
			only = append(only, sh.name)
		}
	}
	return only
}

func subset(flag string, have, of []string) error {
	for _, h := range have {
		if !slices.Contains(of, h) {
			return fmt.Errorf("--%s: there is no %q: %s", flag, h, strings.Join(of, ", "))
		}
	}
	return nil
}

func (b *bench) has(part string) bool        { return slices.Contains(b.only, part) }
func (b *bench) tests(scheduler string) bool { return slices.Contains(b.schedulers, scheduler) }

// order is who goes first: another in each round, so that none always meets a
// younger API server.
func (b *bench) order(round int, names ...string) []string {
	var out []string
	for i := range names {
		n := names[(i+round-1)%len(names)]
		if n == ceilingName || b.tests(n) {
			out = append(out, n)
		}
	}
	return out
}

func (b *bench) one(ctx context.Context, name string, sh shape, backlog bool, round int) error {
	how := ""
	if backlog {
		how = ", all waiting before it starts"
	}
	say("%s: %d %s pods%s", label(name), sh.pods, sh.name, how)
	if err := b.settle(ctx, 10*time.Second); err != nil {
		return err
	}
	r, err := b.measure(ctx, name, sh, backlog, round)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", label(name), sh.name, err)
	}
	say("%s: %.0f pods/s, %.3f ms CPU per pod, %.0f MB; cores: scheduler %.2f, API server %.2f, etcd %.2f, bench %.2f, other %.2f",
		label(name), r.PodsPerSecond, r.CPUPerPod, r.RSS, r.Cores.Scheduler, r.Cores.APIServer, r.Cores.Etcd, r.Cores.Bench,
		r.Cores.Other)
	if round > 0 {
		b.report.Runs = append(b.report.Runs, r)
	}
	return nil
}

// all does the parts in turn.
func (b *bench) all(ctx context.Context) error {
	begin := time.Now()
	say("making %d nodes", b.nodes)
	if err := addNodes(ctx, b.creator, b.nodes, b.creators); err != nil {
		return err
	}
	say("made them in %.1f s", time.Since(begin).Seconds())

	contenders := []string{ceilingName, kubeName, steelyardName}
	if slices.ContainsFunc(b.only, func(part string) bool { return part != "memory" }) {
		// The API server's first thousand requests are its slowest.
		warm := shapes[0]
		warm.name, warm.pods = "warm-up", min(1000, warm.pods)
		if err := b.one(ctx, ceilingName, warm, false, 0); err != nil {
			return err
		}
	}
	for round := 1; round <= b.rounds; round++ {
		if b.rounds > 1 {
			say("round %d of %d", round, b.rounds)
		}
		if b.has("ceiling") || b.has("backlog") {
			for _, name := range b.order(round, contenders...) {
				if name != ceilingName && !b.has("backlog") {
					continue
				}
				if err := b.one(ctx, name, shapes[0], true, round); err != nil {
					return err
				}
			}
		}
		for _, sh := range shapes {
			if sh.perf != nil {
				continue
			}
			for _, name := range b.order(round, contenders...) {
				// The ceiling with creation is what the others are held against.
				wanted := b.has(sh.name)
				if name == ceilingName {
					wanted = b.has("ceiling") && (b.has(sh.name) || sh.name == "basic")
				}
				if !wanted {
					continue
				}
				if err := b.one(ctx, name, sh, false, round); err != nil {
					return err
				}
			}
		}
	}
	if b.has("memory") {
		begin := time.Now()
		say("filling the nodes with %d bound pods", b.memoryPods)
		if err := b.fill(ctx); err != nil {
			return fmt.Errorf("filling the nodes: %w", err)
		}
		say("made them in %.1f s", time.Since(begin).Seconds())
		for round := 1; round <= b.rounds; round++ {
			for _, name := range b.order(round, kubeName, steelyardName) {
				r, err := b.memory(ctx, name, round)
				if err != nil {
					return fmt.Errorf("%s on the full cluster: %w", label(name), err)
				}
				say("%s: ready after %.2f s, %.0f MB (at most %.0f), %.2f s of CPU", label(name), r.ReadySeconds, r.RSS,
					r.PeakRSS, r.StartCPU)
				b.report.Memory = append(b.report.Memory, r)
			}
		}
		if err := b.creator.deletePods(ctx); err != nil {
			return err
		}
	}
	return b.perfShapes(ctx, contenders)
}

// perfShapes does the shapes of scheduler_perf. One that fails does not keep the
// others from being measured.
func (b *bench) perfShapes(ctx context.Context, contenders []string) error {
	var failures []error
	for round := 1; round <= b.rounds; round++ {
		for _, sh := range shapes {
			if sh.perf == nil || !b.has(sh.name) {
				continue
			}
			for _, err := range b.perfShape(ctx, sh, contenders, round) {
				if ctx.Err() != nil {
					return err
				}
				say("%v", err)
				failures = append(failures, err)
			}
		}
	}
	return errors.Join(failures...)
}

func (b *bench) perfShape(ctx context.Context, sh shape, contenders []string, round int) (failures []error) {
	if sh.perf.uncluster != nil {
		defer func() {
			if err := sh.perf.uncluster(context.WithoutCancel(ctx), b); err != nil {
				failures = append(failures, err)
			}
		}()
	}
	if sh.perf.cluster != nil {
		if err := sh.perf.cluster(ctx, b); err != nil {
			return []error{fmt.Errorf("preparing the nodes for %s: %w", sh.name, err)}
		}
	}
	for _, name := range b.order(round, contenders...) {
		if name == ceilingName && !b.has("ceiling") {
			continue
		}
		if err := b.one(ctx, name, sh, false, round); err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := fs.String("only", strings.Join(defaultParts(), ","), "`parts` to do, of "+strings.Join(parts(), ", ")+
		"; perf stands for all those after memory but backlog")
	schedulers := fs.String("schedulers", "kube,steelyard", "whom to test")
	fs.IntVar(&b.nodes, "nodes", 5000, "nodes")
	pods := fs.Int("pods", 5000, "basic pods; of the others in proportion")
	fs.IntVar(&b.memoryPods, "memory-pods", 50000, "bound pods in the memory part")
	fs.IntVar(&b.rounds, "rounds", 1, "repeat, take turns, and report medians")
	fs.IntVar(&b.creators, "creators", 16, "pods that are being created at once")
	fs.IntVar(&b.inFlight, "in-flight", 32, "bindings that the ceiling client has under way at once")
	fs.DurationVar(&b.waitQuiet, "wait-quiet", 0, "before each measurement, wait this long at most for other programs to be idle")
	fs.IntVar(&b.nice, "nice", 0, "run everything, the control plane too, at this nice value; below 0 needs root")
	steelyard := fs.String("steelyard", "", "the `program` (default build/steelyard in the source tree)")
	steelyardArgs := fs.String("steelyard-args", "", "further arguments for steelyard run, separated by spaces")
	output := fs.String("json", "", "`file` for the results (default build/bench.json in the source tree)")
	name := fs.String("name", "bench", "the control plane's name for hack/cluster")
	keep := fs.Bool("keep", false, "leave the control plane up")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return errUsage
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("what is %q?", fs.Arg(0))
	}
	b.only, b.schedulers, b.steelyardArgs = withPerf(commas(*only)), commas(*schedulers), strings.Fields(*steelyardArgs)
	if err := errors.Join(subset("only", b.only, parts()),
		subset("schedulers", b.schedulers, []string{kubeName, steelyardName})); err != nil {
		return err
	}
	if b.nodes < 5 || *pods < 5 || b.memoryPods < 0 || b.rounds < 1 || b.creators < 1 || b.inFlight < 1 {
		return errors.New("--nodes and --pods are at least 5, the other numbers at least 1")
	}
	if *pods > 100*b.nodes || b.memoryPods > 100*b.nodes {
		return fmt.Errorf("%d nodes have room for %d pods", b.nodes, 100*b.nodes)
	}
	shapes[0].pods = *pods
	shapes[1].pods = min(*pods*3/5, b.nodes*3/5)
	for i := range shapes {
		if shapes[i].perf != nil {
			shapes[i].pods = max(5, shapes[i].pods*min(*pods, b.nodes)/5000)
		}
	}

	if b.nice != 0 {
		if err := renice(os.Getpid(), b.nice); err != nil {
			return fmt.Errorf("--nice %d: %w", b.nice, err)
		}
		defer renice(os.Getpid(), 0)
	}

	root, err := repository()
	if err != nil {
		return err
	}
	if *steelyard == "" {
		*steelyard = filepath.Join(root, "build", "steelyard")
	}
	if *output == "" {
		*output = filepath.Join(root, "build", "bench.json")
		if err := os.MkdirAll(filepath.Dir(*output), 0o755); err != nil {
			return err
		}
	}
	if b.steelyard, err = filepath.Abs(*steelyard); err != nil {
		return err
	}
	if b.tests(steelyardName) {
		if _, err := os.Stat(b.steelyard); err != nil {
			return fmt.Errorf("%w: run make first, or give --steelyard", err)
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.kubeScheduler, err = programPath(ctx, root, "kube-scheduler"); err != nil {
		return err
	}
	etcd, err := programPath(ctx, root, "etcd")
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "steelyard-bench-"); err != nil {
		return err
	}
	defer func() {
		if err == nil || ctx.Err() != nil {
			os.RemoveAll(b.dir)
		} else {
			say("the schedulers' logs are in %s", b.dir)
		}
	}()

	b.report = report{Machine: machineFacts(), Nodes: b.nodes, Rounds: b.rounds, Creators: b.creators}
	b.cluster, err = clusterUp(ctx, root, *name, *keep)
	if err != nil {
		return err
	}
	if *keep {
		defer say("the control plane stays up: KUBECONFIG=%s; hack/cluster/cluster down --name %s", b.cluster.kubeconfig, *name)
	} else {
		defer b.cluster.down()
	}
	if b.nice != 0 {
		for _, pid := range []int{b.cluster.apiserver, b.cluster.etcd} {
			if err := renice(pid, b.nice); err != nil {
				return err
			}
		}
	}
	if b.creator, err = newAPI(b.cluster.kubeconfig); err != nil {
		return err
	}
	if b.watcher, err = newAPI(b.cluster.kubeconfig); err != nil {
		return err
	}
	var version struct{ GitVersion string }
	if err := b.creator.json(ctx, "GET", "/version", nil, &version); err != nil {
		return err
	}
	b.report.Machine.Kubernetes = version.GitVersion
	b.report.Machine.Etcd = strings.ReplaceAll(firstLine(ctx, etcd, "--version"), "etcd Version: ", "etcd ")
	if b.tests(steelyardName) {
		text, _, _ := strings.Cut(firstLine(ctx, b.steelyard, "--version"), " (")
		b.report.Machine.Steelyard = text
	}

	err = b.all(ctx)
	if len(b.report.Runs)+len(b.report.Memory) > 0 {
		b.report.judge()
		b.report.print(os.Stdout)
		if werr := b.report.writeJSON(*output); werr != nil {
			return errors.Join(err, werr)
		}
		say("all figures: %s", *output)
	}
	return err
}

// errUsage has been reported already.
var errUsage = errors.New("usage")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	var err error
	if len(os.Args) > 1 && os.Args[1] == ceilingCommand {
		err = ceilingMain(ctx, os.Args[2:])
	} else if len(os.Args) > 1 && os.Args[1] == gangCommand {
		err = gangMain(ctx, os.Args[2:])
	} else {
		// Memory is cheap here and the collector's time is not: it is taken from
		// what is measured.
		debug.SetGCPercent(400)
		err = run(ctx, os.Args[1:])
	}
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		os.Exit(130)
	case !errors.Is(err, errUsage):
		say("%v", err)
	}
	os.Exit(1)
}
