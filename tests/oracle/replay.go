// SPDX-License-Identifier: Apache-2.0

// Placements of a live scheduler, held against the plugins one by one.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Placements is a cluster with its pods in the order in which they were placed.
type Placements struct {
	Namespaces []*v1.Namespace `json:"namespaces"`
	Nodes      []*v1.Node      `json:"nodes"`
	Pods       []*v1.Pod       `json:"pods"`
}

// replay says of each pod whether its node was among the best of the default
// profile, given the pods before it.
func replay(path string, w io.Writer) error {
	in, done, err := open(path)
	if err != nil {
		return err
	}
	defer done()
	var p Placements
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	e, err := newEngine()
	if err != nil {
		return err
	}
	differ := 0
	for i, placed := range p.Pods {
		pod := placed.DeepCopy()
		pod.Spec.NodeName = ""
		pod.Status = v1.PodStatus{Phase: v1.PodPending}
		c := &Case{Namespaces: p.Namespaces, Nodes: p.Nodes, Pods: p.Pods[:i], Pod: pod}
		e.load(c)
		nodes, err := e.snap.List()
		if err != nil {
			return err
		}
		if _, err := e.askFramework(c, framework.NewCycleState(), nodes); err != nil {
			return fmt.Errorf("pod %s: %w", pod.Name, err)
		}
		if !slices.Contains(c.Framework.Best, placed.Spec.NodeName) {
			differ++
			fmt.Fprintf(w, "%s is on %q; the best are %v\n", pod.Name, placed.Spec.NodeName, c.Framework.Best)
		}
	}
	fmt.Fprintf(w, "replay: %d pods, %d differences\n", len(p.Pods), differ)
	if differ > 0 || len(p.Pods) == 0 {
		return fmt.Errorf("%s: not as the plugins say", path)
	}
	return nil
}
