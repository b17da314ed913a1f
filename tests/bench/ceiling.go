// SPDX-License-Identifier: Apache-2.0

// The ceiling: a client that watches pods and binds each to the next node in
// turn, without looking at either. What it reaches is what this API server on
// this machine can give any scheduler. It is a process of its own, so that its
// cost is counted like a scheduler's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ceilingCommand is the first argument that makes this program the ceiling.
const ceilingCommand = "ceiling-client"

func bindingBody(name string, uid []byte, node string) ([]byte, error) {
	return envelope("v1", "Binding", &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(uid)},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	})
}

func ceilingMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet(ceilingCommand, flag.ContinueOnError)
	kubeconfig := fs.String("kubeconfig", "", "of the API server")
	schedulerName := fs.String("scheduler-name", "", "bind the pods that name this scheduler")
	nodes := fs.Int("nodes", 0, "nodes to bind to")
	inFlight := fs.Int("in-flight", 32, "bindings under way at once")
	port := fs.Int("port", 0, "answer /readyz here")
	evict := fs.String("evict", "", "first delete the "+strconv.Itoa(fillers)+" pods of this `run` that fill the node")
	claims := fs.Bool("claims", false, "first give each pod's claim a device")
	if err := fs.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(400)
	watcher, err := newAPI(*kubeconfig)
	if err != nil {
		return err
	}
	binder, err := newAPI(*kubeconfig)
	if err != nil {
		return err
	}
	type job struct{ name, uid string }
	// As many as a run has pods, so that the watch never waits for a binding.
	jobs := make(chan job, 1<<16)
	failed := make(chan error, 1)
	var next atomic.Int64
	for range *inFlight {
		go func() {
			for j := range jobs {
				n := int(next.Add(1)-1) % *nodes
				body, err := bindingBody(j.name, []byte(j.uid), nodeName(n))
				if err == nil && *evict != "" {
					err = evictFillers(ctx, binder, *evict, j.name, n, *nodes)
				}
				if err == nil && *claims {
					err = allocateFor(ctx, binder, j.name, j.uid, n)
				}
				if err == nil {
					err = binder.post(ctx, "/api/v1/namespaces/"+namespace+"/pods/"+j.name+"/binding", body)
				}
				if err != nil {
					select {
					case failed <- fmt.Errorf("binding %s: %w", j.name, err):
					default:
					}
				}
			}
		}()
	}
	var ready atomic.Bool
	server := &http.Server{Addr: "127.0.0.1:" + strconv.Itoa(*port), Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			if !ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})}
	go func() { failed <- server.ListenAndServe() }()
	seen := map[string]struct{}{}
	go func() {
		failed <- watcher.watchPods(ctx, "spec.nodeName=,spec.schedulerName="+*schedulerName,
			func() { ready.Store(true) },
			func(e podEvent) {
				if string(e.kind) != "ADDED" {
					return
				}
				// After a break they come again.
				if _, again := seen[string(e.name)]; !again {
					seen[string(e.name)] = struct{}{}
					jobs <- job{string(e.name), string(e.uid)}
				}
			})
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}
