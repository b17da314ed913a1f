// SPDX-License-Identifier: Apache-2.0

// The shapes of upstream's scheduler_perf (k8s.io/kubernetes v1.37.2,
// test/integration/scheduler_perf) on this benchmark's nodes. What those make the
// scheduler place before the measurement is bound from the start here.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// perf is what a shape of scheduler_perf has beyond pods of some size. All
// functions may be nil.
type perf struct {
	upstream string // the test case that it follows
	// initial pods are bound before the scheduler starts. As many as are given on
	// 5,000 nodes; with fewer nodes in proportion.
	initial int
	// pod makes the i-th plain pod of a run one of this shape.
	pod func(p *v1.Pod, run string, i int)
	// filler makes a plain pod an initial one; where it is nil, pod does.
	filler func(p *v1.Pod)
	// cluster makes what stays for all schedulers, and uncluster takes it away.
	cluster, uncluster func(ctx context.Context, b *bench) error
	// setup makes what the n pods of a run need besides. It is called for the initial
	// ones too: their run is the run's name and "-init".
	setup func(ctx context.Context, b *bench, run string, n int) error
	clean func(ctx context.Context, b *bench) error
	// churn makes the i-th disturbance, one every churnEvery while pods are measured.
	churn func(ctx context.Context, b *bench, run, scheduler string, i int) error
	// ceiling is what the ceiling client is told to do besides binding.
	ceiling func(run string) []string
}

// fillers is how many pods fill a node in the preemption shape.
const fillers = 4

const churnEvery = 200 * time.Millisecond

func init() {
	for _, s := range []shape{
		{name: "anti-affinity", what: "at most one on a host", pods: 2000, perf: &perf{
			upstream: "SchedulingPodAntiAffinity", initial: 1000,
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Labels["color"] = "green"
				p.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{
					RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{term("green", v1.LabelHostname)}}}
			},
		}},
		{name: "affinity", what: "in a zone that has one already", pods: 1000, perf: &perf{
			upstream: "SchedulingPodAffinity", initial: 5000,
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Labels["color"] = "blue"
				p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{
					RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{term("blue", v1.LabelTopologyZone)}}}
			},
		}},
		{name: "spread", what: "over zones, with a skew of 5 at most", pods: 2000, perf: &perf{
			upstream: "TopologySpreading", initial: 5000, filler: func(*v1.Pod) {},
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Labels["color"] = "blue"
				p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{
					MaxSkew: 5, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.DoNotSchedule,
					LabelSelector: color("blue")}}
			},
		}},
		{name: "preferred-affinity", what: "rather on a host that has one already", pods: 1000, perf: &perf{
			upstream: "SchedulingPreferredPodAffinity", initial: 5000,
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Labels["color"] = "red"
				p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{
					PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{
						{Weight: 1, PodAffinityTerm: term("red", v1.LabelHostname)}}}}
			},
		}},
		{name: "unschedulable", what: "basic ones, and every 200 ms one that is too large for any node", pods: 5000, perf: &perf{
			upstream: "Unschedulable", initial: 100, cluster: addPriority, churn: tooLarge,
		}},
		{name: "preemption", what: "each in the place of four others", pods: 500, size: preemptorPods, perf: &perf{
			upstream: "PreemptionBasic", initial: 5000 * fillers, cluster: addPriority,
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Spec.PriorityClassName = highPriority
				p.Spec.TerminationGracePeriodSeconds = new(int64(0))
			},
			filler: func(p *v1.Pod) {
				size := resources("14400m", "500Mi", 0)
				p.Spec.Containers[0].Resources = v1.ResourceRequirements{Requests: size, Limits: size}
				// There is no kubelet to end a grace.
				p.Spec.TerminationGracePeriodSeconds = new(int64(0))
			},
			ceiling: func(run string) []string { return []string{"--evict", run} },
		}},
		{name: "node-affinity", what: "in two of the three zones", pods: 5000, perf: &perf{
			upstream: "SchedulingNodeAffinity", initial: 5000,
			pod: func(p *v1.Pod, _ string, _ int) {
				p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{
					RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
						NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{{
							Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{"zone-0", "zone-1"}}}}}}}}
			},
		}},
		{name: "volumes", what: "with a bound CSI volume each, 39 to a node", pods: 2000, perf: &perf{
			upstream: "SchedulingCSIPVs", initial: 1000,
			cluster: addVolumeLimits, uncluster: func(ctx context.Context, b *bench) error {
				return b.creator.purge(ctx, csiNodesPath, b.creators)
			},
			setup: addVolumes, clean: func(ctx context.Context, b *bench) error {
				if err := b.creator.purge(ctx, claimsPath, b.creators); err != nil {
					return err
				}
				return b.creator.purge(ctx, volumesPath, b.creators)
			},
			pod: func(p *v1.Pod, run string, i int) {
				p.Spec.Volumes = []v1.Volume{{Name: "vol", VolumeSource: v1.VolumeSource{
					PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: p.Name}}}}
			},
		}},
		{name: "dra", what: "with a claim for one of ten devices of a node", pods: 500, size: noSize, perf: &perf{
			upstream: "SchedulingWithResourceClaimTemplate",
			cluster:  addDevices, uncluster: func(ctx context.Context, b *bench) error {
				if err := b.creator.purge(ctx, slicesPath, b.creators); err != nil {
					return err
				}
				return b.creator.purge(ctx, deviceClassesPath, b.creators)
			},
			setup: addDeviceClaims, clean: func(ctx context.Context, b *bench) error {
				return b.creator.purge(ctx, deviceClaimsPath, b.creators)
			},
			pod: func(p *v1.Pod, run string, i int) {
				p.Spec.Containers[0].Resources = v1.ResourceRequirements{Claims: []v1.ResourceClaim{{Name: "resource"}}}
				p.Spec.ResourceClaims = []v1.PodResourceClaim{{Name: "resource", ResourceClaimName: &p.Name}}
			},
			ceiling: func(string) []string { return []string{"--claims"} },
		}},
	} {
		if s.size == nil {
			s.size = basicPods
		}
		shapes = append(shapes, s)
	}
}

func noSize(int) v1.ResourceList { return nil }

// A preemptor leaves no room for a filler, and none of upstream's 3,970m of 4 cores.
func preemptorPods(int) v1.ResourceList { return resources("63500m", "500Mi", 0) }

func color(c string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"color": c}}
}

func term(c, key string) v1.PodAffinityTerm {
	return v1.PodAffinityTerm{LabelSelector: color(c), TopologyKey: key}
}

// scaled is a number for 5,000 nodes on the nodes that there are.
func (b *bench) scaled(n int) int { return n * b.nodes / 5000 }

// make posts one object.
func (b *bench) make(ctx context.Context, path, apiVersion, kind string, o marshaler) error {
	body, err := envelope(apiVersion, kind, o)
	if err != nil {
		return err
	}
	if err := b.creator.post(ctx, path, body); err != nil {
		return fmt.Errorf("creating a %s: %w", kind, err)
	}
	return nil
}

// prepare makes the initial pods and all that they and the measured ones need.
func (p *perf) prepare(ctx context.Context, b *bench, run, scheduler string, pods int) error {
	initial := b.scaled(p.initial)
	if p.setup != nil {
		if err := p.setup(ctx, b, run+"-init", initial); err != nil {
			return err
		}
		if err := p.setup(ctx, b, run, pods); err != nil {
			return err
		}
	}
	return each(ctx, initial, b.creators*2, func(ctx context.Context, i int) error {
		o := pod(run+"-init", i, schedulerName(scheduler), nodeName(i%b.nodes), basicSize)
		switch {
		case p.filler != nil:
			p.filler(o)
		case p.pod != nil:
			p.pod(o, run+"-init", i)
		}
		return b.make(ctx, podsPath, "v1", "Pod", o)
	})
}

// churn disturbs until the returned function is called, which waits for the end.
func (b *bench) churn(ctx context.Context, p *perf, run, scheduler string, failed chan<- error) func() {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(churnEvery)
		defer t.Stop()
		for i := 0; ; i++ {
			if err := p.churn(ctx, b, run, scheduler, i); err != nil {
				if ctx.Err() == nil {
					failed <- err
				}
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}
