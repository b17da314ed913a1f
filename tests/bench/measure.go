// SPDX-License-Identifier: Apache-2.0

// One measurement: a scheduler, a shape of pods, and what came of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// runResult is one scheduler's run of one shape.
type runResult struct {
	Scheduler string `json:"scheduler"`
	Shape     string `json:"shape"`
	// Backlog: the pods were all there before the scheduler started, and the time
	// is from the first binding; else from the first creation.
	Backlog bool `json:"backlog,omitempty"`
	Round   int  `json:"round"`
	Pods    int  `json:"pods"`

	Seconds       float64 `json:"seconds"`
	PodsPerSecond float64 `json:"podsPerSecond"`
	CreateSeconds float64 `json:"createSeconds"`
	// Create-to-bind, from sending the creation to seeing the binding.
	P50 float64 `json:"p50Milliseconds,omitempty"`
	P99 float64 `json:"p99Milliseconds,omitempty"`
	Max float64 `json:"maxMilliseconds,omitempty"`

	ReadySeconds float64 `json:"readySeconds"`
	CPUPerPod    float64 `json:"cpuMillisecondsPerPod"`
	RSS          float64 `json:"rssMB"`
	PeakRSS      float64 `json:"peakRSSMB"`

	// Cores in use by each while the pods were created and bound. Other is what
	// the machine did besides: where that is high, do not trust the figures.
	Cores struct {
		Scheduler float64 `json:"scheduler"`
		APIServer float64 `json:"apiserver"`
		Etcd      float64 `json:"etcd"`
		Bench     float64 `json:"bench"`
		Other     float64 `json:"other"`
	} `json:"cores"`
}

// memoryResult is one start of a scheduler on a full cluster.
type memoryResult struct {
	Scheduler    string  `json:"scheduler"`
	Round        int     `json:"round"`
	Nodes        int     `json:"nodes"`
	Pods         int     `json:"pods"`
	ReadySeconds float64 `json:"readySeconds"`
	StartCPU     float64 `json:"startCPUSeconds"` // until all has settled
	RSS          float64 `json:"rssMB"`
	PeakRSS      float64 `json:"peakRSSMB"`
	// Other is the cores that other programs kept busy until it had settled.
	Other float64 `json:"other"`
}

// tracker notes when each pod of a run was created and bound.
type tracker struct {
	prefix         string
	base           time.Time
	created, bound []atomic.Int64 // nanoseconds after base; 0 is not yet
	count          atomic.Int64   // bound so far
	done           chan struct{}  // closed when all are
}

func newTracker(run string, n int) *tracker {
	return &tracker{prefix: run + "-", base: time.Now(), created: make([]atomic.Int64, n),
		bound: make([]atomic.Int64, n), done: make(chan struct{})}
}

func (t *tracker) now() int64 { return max(1, int64(time.Since(t.base))) }

// see takes an event of a watch of bound pods: the first of a pod is its binding.
func (t *tracker) see(e podEvent) {
	number, ok := strings.CutPrefix(string(e.name), t.prefix)
	if !ok || string(e.kind) == "DELETED" {
		return
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(t.bound) || !t.bound[i].CompareAndSwap(0, t.now()) {
		return
	}
	if t.count.Add(1) == int64(len(t.bound)) {
		close(t.done)
	}
}

// wait returns when all pods are bound, or when nothing has moved for a while.
func (t *tracker) wait(ctx context.Context, c *contender, stall time.Duration, failed <-chan error) error {
	last, moved := int64(-1), time.Now()
	for {
		select {
		case <-t.done:
			return nil
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.done:
			return c.alive()
		case <-time.After(200 * time.Millisecond):
		}
		if n := t.count.Load(); n != last {
			last, moved = n, time.Now()
		} else if time.Since(moved) > stall {
			return fmt.Errorf("%s bound %d of %d pods and then none for %s; its last lines:\n%s",
				c.name, n, len(t.bound), stall, tail(c.log, 15))
		}
	}
}

// percentile of sorted values, by nearest rank.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(p/100*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// meters reads the CPU time of all that takes part.
type meters struct{ scheduler, apiserver, etcd, bench, machine time.Duration }

func (b *bench) meters(scheduler int) (m meters, err error) {
	for _, r := range []struct {
		pid int
		to  *time.Duration
	}{{scheduler, &m.scheduler}, {b.cluster.apiserver, &m.apiserver}, {b.cluster.etcd, &m.etcd}, {os.Getpid(), &m.bench}} {
		if r.pid == 0 {
			continue
		}
		cpu, err := cpuOf(r.pid)
		if err != nil {
			return m, err
		}
		*r.to = cpu
	}
	m.machine = machineCPU()
	return m, nil
}

// settle waits until the API server and etcd have nothing left to do, so that one
// run's leavings are not counted in the next; and with --wait-quiet until the rest
// of the machine is quiet too.
func (b *bench) settle(ctx context.Context, limit time.Duration) error {
	const pause = 300 * time.Millisecond
	told := false
	for begin := time.Now(); ; {
		before, err := b.meters(0)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		after, err := b.meters(0)
		if err != nil {
			return err
		}
		own := after.apiserver + after.etcd - before.apiserver - before.etcd
		rest := after.machine - before.machine - own
		if own < pause/10 && (rest < pause/10 || time.Since(begin) > b.waitQuiet) {
			return nil
		}
		if time.Since(begin) > max(limit, b.waitQuiet) {
			return nil
		}
		if own < pause/10 && !told {
			told = true
			say("waiting for the machine to be quiet: other programs use %.2f cores", rest.Seconds()/pause.Seconds())
		}
	}
}

func (b *bench) createPods(ctx context.Context, run string, t *tracker, contender string, sh shape) error {
	return each(ctx, sh.pods, b.creators, func(ctx context.Context, i int) error {
		body, err := envelope("v1", "Pod", sh.make(run, i, contender))
		if err != nil {
			return err
		}
		t.created[i].Store(t.now())
		if err := b.creator.post(ctx, podsPath, body); err != nil {
			return fmt.Errorf("creating a pod: %w", err)
		}
		return nil
	})
}

const podsPath = "/api/v1/namespaces/" + namespace + "/pods"

// measure runs one scheduler on one shape of pods and deletes them again.
func (b *bench) measure(ctx context.Context, name string, sh shape, backlog bool, round int) (res runResult, err error) {
	b.runs++
	run := fmt.Sprintf("%s-%s-%d", name, sh.name, b.runs)
	res = runResult{Scheduler: name, Shape: sh.name, Backlog: backlog, Round: round, Pods: sh.pods}
	t := newTracker(run, sh.pods)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		// Also after a failure: --keep leaves a cluster that can be used again.
		clean := context.WithoutCancel(ctx)
		if derr := b.creator.deletePods(clean); derr != nil {
			err = errors.Join(err, fmt.Errorf("deleting the pods: %w", derr))
		}
		if sh.perf != nil && sh.perf.clean != nil {
			err = errors.Join(err, sh.perf.clean(clean, b))
		}
	}()

	stall := time.Minute
	var ceilingArgs []string
	if sh.perf != nil {
		stall = 30 * time.Second
		if err := sh.perf.prepare(ctx, b, run, name, sh.pods); err != nil {
			return res, fmt.Errorf("what the pods need: %w", err)
		}
		if sh.perf.ceiling != nil {
			ceilingArgs = sh.perf.ceiling(run)
		}
	}

	if backlog {
		if err := b.createPods(ctx, run, t, name, sh); err != nil {
			return res, err
		}
		if err := b.settle(ctx, 5*time.Second); err != nil {
			return res, err
		}
	}
	failed := make(chan error, 3)
	begun := make(chan struct{})
	watchCtx, unwatch := context.WithCancel(ctx)
	watchOver := make(chan struct{})
	go func() {
		defer close(watchOver)
		err := b.watcher.watchPods(watchCtx, "spec.nodeName!=,spec.schedulerName="+schedulerName(name),
			func() { close(begun) }, t.see)
		if watchCtx.Err() == nil {
			failed <- err
		}
	}()
	defer func() {
		unwatch()
		<-watchOver
	}()
	select {
	case <-begun:
	case err := <-failed:
		return res, err
	case <-ctx.Done():
		return res, context.Cause(ctx)
	}

	c, err := b.launch(ctx, name, ceilingArgs...)
	if err != nil {
		return res, err
	}
	defer c.stop(5 * time.Second)
	res.ReadySeconds = c.ready.Seconds()
	if !backlog {
		if err := b.settle(ctx, 5*time.Second); err != nil {
			return res, err
		}
	}
	before, err := b.meters(c.pid)
	if err != nil {
		return res, err
	}
	if backlog {
		// What it did before it was ready is its work too.
		before.scheduler = 0
	}
	began := time.Now()
	if !backlog {
		go func() {
			if err := b.createPods(ctx, run, t, name, sh); err != nil {
				failed <- err
			}
		}()
	}
	churnOver := func() {}
	if sh.perf != nil && sh.perf.churn != nil {
		churnOver = b.churn(ctx, sh.perf, run, name, failed)
	}
	err = t.wait(ctx, c, stall, failed)
	churnOver()
	if err != nil {
		return res, err
	}
	after, err := b.meters(c.pid)
	if err != nil {
		return res, err
	}
	wall := time.Since(began)

	// Events and the like come after the bindings and count as its work.
	idle, err := b.untilIdle(ctx, c, 5*time.Second)
	if err != nil {
		return res, err
	}
	res.CPUPerPod = milliseconds(idle.cpu-before.scheduler) / float64(sh.pods)
	res.RSS, res.PeakRSS = megabytes(idle.rss), megabytes(idle.hwm)

	cores := func(a, z time.Duration) float64 { return (z - a).Seconds() / wall.Seconds() }
	res.Cores.APIServer = cores(before.apiserver, after.apiserver)
	res.Cores.Etcd = cores(before.etcd, after.etcd)
	res.Cores.Bench = cores(before.bench, after.bench)
	if !backlog {
		res.Cores.Scheduler = cores(before.scheduler, after.scheduler)
		res.Cores.Other = max(0, cores(before.machine, after.machine)-res.Cores.Scheduler-
			res.Cores.APIServer-res.Cores.Etcd-res.Cores.Bench)
	}
	t.summarize(&res)
	return res, nil
}

// untilIdle waits until a scheduler does nothing any more, and reads its use.
func (b *bench) untilIdle(ctx context.Context, c *contender, limit time.Duration) (usage, error) {
	const pause = 250 * time.Millisecond
	last, err := usageOf(c.pid)
	for begin := time.Now(); err == nil && time.Since(begin) < limit; {
		select {
		case <-ctx.Done():
			return last, context.Cause(ctx)
		case <-time.After(pause):
		}
		before := last.cpu
		if last, err = usageOf(c.pid); err == nil && last.cpu-before <= pause/25 {
			break
		}
	}
	return last, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

// summarize fills in the times.
func (t *tracker) summarize(res *runResult) {
	first, last, lastCreated := t.bound[0].Load(), int64(0), int64(0)
	firstCreated := t.created[0].Load()
	latency := make([]float64, 0, len(t.bound))
	for i := range t.bound {
		c, b := t.created[i].Load(), t.bound[i].Load()
		first, last = min(first, b), max(last, b)
		firstCreated, lastCreated = min(firstCreated, c), max(lastCreated, c)
		latency = append(latency, milliseconds(time.Duration(b-c)))
	}
	res.CreateSeconds = time.Duration(lastCreated - firstCreated).Seconds()
	if res.Backlog {
		res.Seconds = time.Duration(last - first).Seconds()
	} else {
		res.Seconds = time.Duration(last - firstCreated).Seconds()
		slices.Sort(latency)
		res.P50, res.P99 = percentile(latency, 50), percentile(latency, 99)
		res.Max = latency[len(latency)-1]
	}
	res.PodsPerSecond = float64(len(t.bound)) / res.Seconds
}

// fill makes pods that are bound from the start, spread evenly.
func (b *bench) fill(ctx context.Context) error {
	b.runs++
	return each(ctx, b.memoryPods, b.creators*2, func(ctx context.Context, i int) error {
		p := pod("full", i, "bench-nobody", nodeName(i%b.nodes), basicSize)
		p.Labels["app"] = "app-" + strconv.Itoa(i%500)
		body, err := envelope("v1", "Pod", p)
		if err != nil {
			return err
		}
		return b.creator.post(ctx, podsPath, body)
	})
}

// memorySettle is how long after it is ready a scheduler's memory is read.
const memorySettle = 10 * time.Second

// memory starts a scheduler on the full cluster.
func (b *bench) memory(ctx context.Context, name string, round int) (res memoryResult, err error) {
	res = memoryResult{Scheduler: name, Round: round, Nodes: b.nodes, Pods: b.memoryPods}
	if err := b.settle(ctx, 10*time.Second); err != nil {
		return res, err
	}
	before, err := b.meters(0)
	if err != nil {
		return res, err
	}
	began := time.Now()
	c, err := b.launch(ctx, name)
	if err != nil {
		return res, err
	}
	defer c.stop(5 * time.Second)
	// Long enough for a collector to give back what only the start needed.
	select {
	case <-ctx.Done():
		return res, context.Cause(ctx)
	case <-c.done:
		return res, c.alive()
	case <-time.After(memorySettle):
	}
	u, err := usageOf(c.pid)
	if err != nil {
		return res, err
	}
	after, err := b.meters(0)
	if err != nil {
		return res, err
	}
	own := u.cpu + after.apiserver - before.apiserver + after.etcd - before.etcd + after.bench - before.bench
	res.Other = max(0, (after.machine-before.machine-own).Seconds()/time.Since(began).Seconds())
	res.ReadySeconds = c.ready.Seconds()
	res.StartCPU = u.cpu.Seconds()
	res.RSS, res.PeakRSS = megabytes(u.rss), megabytes(u.hwm)
	return res, nil
}
