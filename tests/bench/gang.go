// SPDX-License-Identifier: Apache-2.0

// Gangs: how long until the last member of one is bound, beside a client that
// binds as many pods without a thought; how soon one that cannot fit is told; and
// many that each need most of the cluster. On a cluster that is up, beside a
// steelyard that runs; all times are by watches.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
)

// gangCommand is the first argument that makes this program the measurement.
const gangCommand = "gang"

const (
	gangLabel     = "steelyard.dev/pod-group"
	gangMinimum   = "steelyard.dev/min-member"
	gangScheduler = "steelyard"
	bareScheduler = "bare"
	few           = "20" // cores: a node has room for three of these
	most          = "60" // and for one of these
)

// quiet is a rest after pods were made: members that wait have been told so by
// then, and the server has nothing else to do.
const quiet = 6 * time.Second

type gangs struct {
	kubeconfig string
	api        *api
	nodes      int
}

func (g *gangs) put(ctx context.Context, name string, from, to, minimum int, cpu, scheduler string) error {
	return each(ctx, to-from, 32, func(ctx context.Context, i int) error {
		p := pod(name, from+i, scheduler, "", resources(cpu, "64Mi", 0))
		p.Labels[gangLabel] = name
		p.Annotations = map[string]string{gangMinimum: fmt.Sprint(minimum)}
		body, err := envelope("v1", "Pod", p)
		if err != nil {
			return err
		}
		return g.api.post(ctx, podsPath, body)
	})
}

// bound tells of each pod of a scheduler that has a node, until ctx is done.
func (g *gangs) bound(ctx context.Context, scheduler string, on func(podEvent)) error {
	watcher, err := newAPI(g.kubeconfig)
	if err != nil {
		return err
	}
	begun := make(chan struct{})
	go func() {
		_ = watcher.watchPods(ctx, "spec.nodeName!=,spec.schedulerName="+scheduler, func() { close(begun) }, on)
	}()
	<-begun
	return nil
}

// untilBound runs begin and returns how long after it n pods were seen bound.
func (g *gangs) untilBound(ctx context.Context, scheduler string, n int, begin func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	done := make(chan time.Time, 1)
	seen := map[string]bool{}
	err := g.bound(ctx, scheduler, func(e podEvent) {
		if string(e.kind) == "DELETED" || seen[string(e.name)] {
			return
		}
		seen[string(e.name)] = true
		if len(seen) == n {
			done <- time.Now()
		}
	})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := begin(); err != nil {
		return 0, err
	}
	select {
	case at := <-done:
		return at.Sub(start), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%d pods were not all bound", n)
	}
}

// bare binds pods that are there, in turn over the nodes.
func (g *gangs) bare(ctx context.Context, name string, n, inFlight int) error {
	uids := make([]string, n)
	if _, err := g.api.listPods(ctx, "spec.schedulerName="+bareScheduler, func(e podEvent) {
		var i int
		if _, err := fmt.Sscanf(strings.TrimPrefix(string(e.name), name+"-"), "%d", &i); err == nil && i < n {
			uids[i] = string(e.uid)
		}
	}); err != nil {
		return err
	}
	return each(ctx, n, inFlight, func(ctx context.Context, i int) error {
		pod := fmt.Sprintf("%s-%d", name, i)
		body, err := bindingBody(pod, []byte(uids[i]), nodeName(i%g.nodes))
		if err != nil {
			return err
		}
		return g.api.post(ctx, podsPath+"/"+pod+"/binding", body)
	})
}

// untilTold runs begin and returns how long after it a member's condition spoke of
// how many members fit, and what it said.
func (g *gangs) untilTold(ctx context.Context, name string, begin func() error) (time.Duration, string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	watcher, err := newAPI(g.kubeconfig)
	if err != nil {
		return 0, "", err
	}
	q := url.Values{"watch": {"1"}, "labelSelector": {gangLabel + "=" + name}}
	resp, err := watcher.send(ctx, "GET", podsPath+"?"+q.Encode(), "", "application/json", nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	type told struct {
		at   time.Time
		what string
	}
	found := make(chan told, 1)
	go func() {
		d := json.NewDecoder(resp.Body)
		for {
			var e struct{ Object v1.Pod }
			if d.Decode(&e) != nil {
				return
			}
			for _, c := range e.Object.Status.Conditions {
				if c.Type == v1.PodScheduled && strings.Contains(c.Message, " members fit") {
					found <- told{time.Now(), c.Message}
					return
				}
			}
		}
	}()
	start := time.Now()
	if err := begin(); err != nil {
		return 0, "", err
	}
	select {
	case t := <-found:
		return t.at.Sub(start), t.what, nil
	case <-ctx.Done():
		return 0, "", fmt.Errorf("gang %s was told nothing", name)
	}
}

// inTurn has many gangs that each need most of the cluster, members mixed, and
// deletes each gang once it is bound whole.
func (g *gangs) inTurn(ctx context.Context, count, members int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var running, atOnce atomic.Int64
	done := make(chan string, count)
	bound := map[string]int{}
	seen := map[string]bool{}
	if err := g.bound(ctx, gangScheduler, func(e podEvent) {
		name := string(e.name)
		if string(e.kind) == "DELETED" || seen[name] {
			return
		}
		seen[name] = true
		gang := name[:strings.LastIndexByte(name, '-')]
		if bound[gang]++; bound[gang] == 1 {
			atOnce.Store(max(atOnce.Load(), running.Add(1)))
		}
		if bound[gang] == members {
			done <- gang
		}
	}); err != nil {
		return 0, err
	}
	start := time.Now()
	go func() {
		for i := range members {
			_ = each(ctx, count, 16, func(ctx context.Context, k int) error {
				return g.put(ctx, fmt.Sprintf("turn%d", k), i, i+1, members, most, gangScheduler)
			})
		}
	}()
	for range count {
		select {
		case gang := <-done:
			running.Add(-1)
			if err := each(ctx, members, 32, func(ctx context.Context, i int) error {
				return g.api.json(ctx, "DELETE", fmt.Sprintf("%s/%s-%d?gracePeriodSeconds=0", podsPath, gang, i), nil, nil)
			}); err != nil {
				return 0, err
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("not all of %d gangs had their turn", count)
		}
	}
	if atOnce.Load() > 1 {
		return 0, fmt.Errorf("%d gangs were bound at a time: one of them in part", atOnce.Load())
	}
	return time.Since(start), nil
}

func gangMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet(gangCommand, flag.ContinueOnError)
	kubeconfig := fs.String("kubeconfig", "", "of the API server")
	nodes := fs.Int("nodes", 500, "nodes to make, of 64 cores each")
	members := fs.Int("members", 512, "of the gangs that are measured")
	rounds := fs.Int("rounds", 3, "of these two, taking turns")
	turns := fs.Int("turns", 50, "gangs that each need 60 % of the nodes")
	inFlight := fs.Int("in-flight", 128, "binds under way at once, of the client that only binds")
	if err := fs.Parse(args); err != nil {
		return err
	}
	client, err := newAPI(*kubeconfig)
	if err != nil {
		return err
	}
	g := &gangs{kubeconfig: *kubeconfig, api: client, nodes: *nodes}
	if err := addNodes(ctx, client, *nodes, 32); err != nil {
		return err
	}
	for round := range *rounds {
		name := fmt.Sprintf("gang%d", round)
		if err := g.put(ctx, name, 0, *members-1, *members, few, gangScheduler); err != nil {
			return err
		}
		time.Sleep(quiet)
		ours, err := g.untilBound(ctx, gangScheduler, *members, func() error {
			return g.put(ctx, name, *members-1, *members, *members, few, gangScheduler)
		})
		if err != nil {
			return err
		}
		if err := client.deletePods(ctx); err != nil {
			return err
		}
		name = fmt.Sprintf("bare%d", round)
		if err := g.put(ctx, name, 0, *members, 1, few, bareScheduler); err != nil {
			return err
		}
		time.Sleep(quiet)
		bare, err := g.untilBound(ctx, bareScheduler, *members, func() error {
			return g.bare(ctx, name, *members, *inFlight)
		})
		if err != nil {
			return err
		}
		if err := client.deletePods(ctx); err != nil {
			return err
		}
		fmt.Printf("round %d: %d members on %d nodes bound in %.3f s; a client that only binds: %.3f s; ratio %.2f\n",
			round+1, *members, *nodes, ours.Seconds(), bare.Seconds(), ours.Seconds()/bare.Seconds())
	}
	if *rounds == 0 {
		return g.takeTurns(ctx, *turns)
	}
	if err := g.put(ctx, "never", 0, *members-1, *members, most, gangScheduler); err != nil {
		return err
	}
	time.Sleep(quiet)
	took, what, err := g.untilTold(ctx, "never", func() error {
		return g.put(ctx, "never", *members-1, *members, *members, most, gangScheduler)
	})
	if err != nil {
		return err
	}
	fmt.Printf("a gang that cannot fit is told in %.3f s: %.160s\n", took.Seconds(), what)
	if err := client.deletePods(ctx); err != nil {
		return err
	}
	return g.takeTurns(ctx, *turns)
}

func (g *gangs) takeTurns(ctx context.Context, turns int) error {
	if turns == 0 {
		return nil
	}
	members := g.nodes * 6 / 10
	took, err := g.inTurn(ctx, turns, members)
	if err != nil {
		return err
	}
	fmt.Printf("%d gangs of %d members, each 60 %% of %d nodes, had their turns in %.1f s\n", turns, members, g.nodes, took.Seconds())
	return nil
}
