// SPDX-License-Identifier: Apache-2.0

// Random clusters. Each case has a generator of its own, seeded by the run's seed
// and the case's number, so that any part of a run can be made again alone.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	hostname = v1.LabelHostname
	zone     = v1.LabelTopologyZone
	gpu      = v1.ResourceName("nvidia.com/gpu")
)

// gen makes one case.
type gen struct {
	*rand.Rand
	c     *Case
	merge bool // matchLabelKeys are merged, as API servers since 1.34 do
}

// mixes by name; each fills in a cluster and a pod.
var mixes = map[string]func(*gen){
	"core":       (*gen).core,
	"spread":     (*gen).spread,
	"affinity":   (*gen).affinity,
	"resources":  (*gen).resources,
	"volumes":    (*gen).volumes,
	"preemption": (*gen).preemption,
	"dra":        (*gen).dra,
}

func mixNames() []string {
	var names []string
	for n := range mixes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// makeCase draws until the API server would admit everything. The second result is how
// many clusters it dropped before: where they are more than a few, a mix does not go
// where it means to.
func makeCase(mix string, seed uint64, id int) (*Case, int, error) {
	name := mix
	if mix == "all" {
		names := mixNames()
		name = names[id%len(names)]
	}
	fill, ok := mixes[name]
	if !ok {
		return nil, 0, fmt.Errorf("no mix is called %q; there are all and %s", mix, strings.Join(mixNames(), ", "))
	}
	r := rand.New(rand.NewPCG(seed, uint64(id)))
	var err error
	for dropped := range 200 {
		g := &gen{Rand: r, c: &Case{ID: id}, merge: true}
		if name != "core" {
			g.c.Mix = name
			g.merge = !g.chance(10)
		}
		fill(g)
		if err = g.admitAll(); err == nil {
			return g.c, dropped, nil
		}
	}
	return nil, 200, fmt.Errorf("case %d: 200 clusters in a row are not valid, the last: %w", id, err)
}

// tooMany tells a mix that loses a kind of cluster from one with a rare mistake.
func tooMany(dropped, count int) bool { return dropped > 5+count/50 }

// generate writes cases from..from+count in order, made by all processors, and returns
// how many clusters were dropped because the API server would not have had them.
func generate(mix string, seed uint64, from, count int, w io.Writer) (dropped int, err error) {
	const chunk = 64
	type result struct {
		text    []byte
		dropped int
		err     error
	}
	workers := runtime.GOMAXPROCS(0)
	chunks := (count + chunk - 1) / chunk
	results := make([]chan result, chunks)
	for i := range results {
		results[i] = make(chan result, 1)
	}
	next := make(chan int)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(quit)
	for range workers {
		e, err := newEngine()
		if err != nil {
			return 0, err
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case i := <-next:
					b, n, err := e.makeChunk(mix, seed, from+i*chunk, from+min(count, (i+1)*chunk))
					results[i] <- result{b, n, err}
				case <-quit:
					return
				}
			}
		}()
	}
	go func() {
		for i := range chunks {
			select {
			case next <- i:
			case <-quit:
				return
			}
		}
	}()
	out := bufio.NewWriterSize(w, 1<<20)
	for _, r := range results {
		got := <-r
		if got.err != nil {
			return dropped, got.err
		}
		dropped += got.dropped
		if _, err := out.Write(got.text); err != nil {
			return dropped, err
		}
	}
	return dropped, out.Flush()
}

func (e *engine) makeChunk(mix string, seed uint64, from, to int) (text []byte, dropped int, err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for id := from; id < to; id++ {
		c, n, err := makeCase(mix, seed, id)
		if err != nil {
			return nil, dropped, err
		}
		dropped += n
		if err := e.ask(c); err != nil {
			return nil, dropped, fmt.Errorf("case %d (%s, seed %d): %w", id, c.Mix, seed, err)
		}
		if err := enc.Encode(c); err != nil {
			return nil, dropped, err
		}
	}
	return b.Bytes(), dropped, nil
}

// ---- drawing ------------------------------------------------------------------

// chance is true in percent of draws.
func (g *gen) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *gen, from ...T) T { return from[g.IntN(len(from))] }

// times counts successes until the first failure, at most limit.
func (g *gen) times(percent, limit int) int {
	n := 0
	for n < limit && g.chance(percent) {
		n++
	}
	return n
}

// between draws from a closed range.
func (g *gen) between(lo, hi int) int { return lo + g.IntN(hi-lo+1) }

func ptr[T any](v T) *T { return &v }

func qty(s string) resource.Quantity { return resource.MustParse(s) }

// ---- the objects that all mixes share -------------------------------------------

func (g *gen) namespaces() {
	for _, n := range []struct{ name, team string }{{"default", ""}, {"ns1", "a"}, {"ns2", "b"}} {
		ns := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.name}}
		if n.team != "" {
			ns.Labels = map[string]string{"team": n.team}
		}
		g.c.Namespaces = append(g.c.Namespaces, ns)
	}
}

// nodeKnobs are percentages.
type nodeKnobs struct {
	min, max     int
	hostname     int
	zone         int
	taint        int
	unschedul    int
	fewPods      int
	roomy        int // large machines
	noEphemeral  int
	gpus, images int
}

var coreNodes = nodeKnobs{min: 1, max: 8, hostname: 95, zone: 85, taint: 14, unschedul: 4, fewPods: 33, noEphemeral: 33, gpus: 40, images: 48}

func (g *gen) nodes(k nodeKnobs) {
	for i := range g.between(k.min, k.max) {
		n := g.node(i, k)
		for admitNode(n.DeepCopy()) != nil {
			n = g.node(i, k)
		}
		g.c.Nodes = append(g.c.Nodes, n)
	}
}

func (g *gen) node(i int, k nodeKnobs) *v1.Node {
	name := fmt.Sprintf("n%d", i)
	labels := map[string]string{}
	if g.chance(k.hostname) {
		labels[hostname] = name
	}
	if g.chance(k.zone) {
		labels[zone] = pick(g, "z1", "z2", "z3")
	}
	if g.chance(50) {
		labels["disk"] = pick(g, "ssd", "hdd", "")
	}
	if g.chance(50) {
		labels["num"] = pick(g, "1", "2", "10", "x", "-3")
	}
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(fmt.Sprintf("node%d", i))}}
	if len(labels) > 0 {
		n.Labels = labels
	}
	for range g.times(k.taint, 6) {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{
			Key:    pick(g, "k1", "k2", v1.TaintNodeNotReady),
			Value:  pick(g, "", "v1", "5"),
			Effect: pick(g, v1.TaintEffectNoSchedule, v1.TaintEffectNoExecute, v1.TaintEffectPreferNoSchedule)})
	}
	n.Spec.Unschedulable = g.chance(k.unschedul)
	room := v1.ResourceList{
		v1.ResourceCPU:              qty(pick(g, "2", "4", "8", "3920m")),
		v1.ResourceMemory:           qty(pick(g, "4Gi", "8Gi", "16G", "7680Mi")),
		v1.ResourceEphemeralStorage: qty(pick(g, "20Gi", "100G")),
		v1.ResourcePods:             qty("110"),
	}
	if g.chance(k.roomy) {
		room[v1.ResourceCPU], room[v1.ResourceMemory] = qty(pick(g, "32", "64")), qty(pick(g, "128Gi", "256Gi"))
	}
	if g.chance(k.noEphemeral) {
		room[v1.ResourceEphemeralStorage] = qty("0")
	}
	if g.chance(k.fewPods) {
		room[v1.ResourcePods] = qty("3")
	}
	if g.chance(k.gpus) {
		room[gpu] = qty(pick(g, "1", "4", "8"))
	}
	n.Status.Capacity, n.Status.Allocatable = room, room.DeepCopy()
	for _, image := range []string{"img-a:latest", "img-b:latest"} {
		if !g.chance(k.images * 5 / 6) {
			continue
		}
		n.Status.Images = append(n.Status.Images, v1.ContainerImage{
			Names: []string{image}, SizeBytes: int64(g.IntN(1200)) << 20})
	}
	return n
}

func (g *gen) nodeName() string { return fmt.Sprintf("n%d", g.IntN(len(g.c.Nodes))) }

// podKnobs are percentages.
type podKnobs struct {
	ephemeral, gpus, ports, initc    int
	tolerations, nodeSelector        int
	nodeAffinity, podAffinity        int
	spread, overhead                 int
	small                            int // no request that fills a node
	podLevel, priority, terminating  int
	matchKeys, otherNamespace, owner int
}

var corePod = podKnobs{ephemeral: 20, gpus: 11, ports: 22, initc: 25, tolerations: 33, nodeSelector: 20,
	nodeAffinity: 33, podAffinity: 45, spread: 27, overhead: 10, otherNamespace: 50}

var coreExisting = podKnobs{ephemeral: 20, gpus: 11, ports: 22, initc: 25, tolerations: 33, nodeSelector: 15,
	nodeAffinity: 30, podAffinity: 35, spread: 22, overhead: 10, otherNamespace: 100, terminating: 5}

// requests of one container.
func (g *gen) requests(k podKnobs) v1.ResourceList {
	r := v1.ResourceList{}
	cpus := []string{"0", "1m", "100m", "250m", "500m", "1", "1500m"}
	memory := []string{"0", "1", "64Mi", "500M", "1e9", "1Gi", "2Gi", "3584Mi"}
	if g.chance(k.small) {
		cpus, memory = cpus[:4], memory[:4]
	}
	if g.chance(80) {
		r[v1.ResourceCPU] = qty(pick(g, cpus...))
	}
	if g.chance(80) {
		r[v1.ResourceMemory] = qty(pick(g, memory...))
	}
	if g.chance(k.ephemeral) {
		r[v1.ResourceEphemeralStorage] = qty(pick(g, "0", "1Gi", "5Gi", "10G"))
	}
	return r
}

func (g *gen) labels() map[string]string {
	l := map[string]string{}
	if g.chance(80) {
		l["app"] = pick(g, "a", "b", "c")
	}
	if g.chance(41) {
		l["tier"] = pick(g, "x", "y")
	}
	if len(l) == 0 {
		return nil
	}
	return l
}

func (g *gen) selector() *metav1.LabelSelector {
	if g.chance(4) {
		return nil
	}
	s := &metav1.LabelSelector{}
	if g.chance(60) {
		s.MatchLabels = map[string]string{"app": pick(g, "a", "b", "c")}
	}
	if g.chance(40) {
		e := metav1.LabelSelectorRequirement{Key: pick(g, "app", "tier"),
			Operator: pick(g, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = []string{"a", "b"}
			if e.Key == "tier" {
				e.Values = []string{"x", "y"}
			}
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func (g *gen) expressions(preferred bool) []v1.NodeSelectorRequirement {
	var out []v1.NodeSelectorRequirement
	for range 1 + g.times(33, 3) {
		e := v1.NodeSelectorRequirement{Key: pick(g, zone, "disk", "num", "nokey"),
			Operator: pick(g, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn, v1.NodeSelectorOpExists, v1.NodeSelectorOpDoesNotExist, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt)}
		switch e.Operator {
		case v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn:
			for range g.between(1, 2) {
				e.Values = append(e.Values, pick(g, "z1", "z2", "ssd", "hdd", "", "1"))
			}
		case v1.NodeSelectorOpGt, v1.NodeSelectorOpLt:
			e.Values = []string{pick(g, "1", "2")}
			// Not a label value: fails the attempt when it scores.
			if preferred && g.chance(33) {
				e.Values = []string{"-5"}
			}
		}
		out = append(out, e)
	}
	return out
}

func (g *gen) selectorTerm(preferred bool) v1.NodeSelectorTerm {
	t := v1.NodeSelectorTerm{}
	if g.chance(67) {
		t.MatchExpressions = g.expressions(preferred)
	}
	if g.chance(15) {
		t.MatchFields = []v1.NodeSelectorRequirement{{Key: metav1.ObjectNameField,
			Operator: pick(g, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn), Values: []string{fmt.Sprintf("n%d", g.IntN(6))}}}
	}
	return t
}

func (g *gen) nodeAffinity() *v1.NodeAffinity {
	a := &v1.NodeAffinity{}
	if g.chance(55) {
		a.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{}
		for range 1 + g.times(33, 2) {
			t := &a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
			*t = append(*t, g.selectorTerm(false))
		}
	}
	if g.chance(50) {
		for range 1 + g.times(50, 3) {
			a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
				v1.PreferredSchedulingTerm{Weight: int32(g.between(1, 100)), Preference: g.selectorTerm(true)})
		}
	}
	return a
}

func (g *gen) affinityTerm(k podKnobs) v1.PodAffinityTerm {
	t := v1.PodAffinityTerm{LabelSelector: g.selector(), TopologyKey: pick(g, hostname, zone, "disk")}
	if g.chance(25) {
		t.Namespaces = []string{pick(g, "default", "ns1", "ns2")}
	}
	if g.chance(25) {
		t.NamespaceSelector = &metav1.LabelSelector{}
		if g.chance(60) {
			t.NamespaceSelector.MatchLabels = map[string]string{"team": pick(g, "a", "b")}
		}
	}
	if t.LabelSelector != nil && g.chance(k.matchKeys) {
		keys := &t.MatchLabelKeys
		if g.chance(40) {
			keys = &t.MismatchLabelKeys
		}
		*keys = []string{pick(g, "app", "tier", "rev")}
	}
	return t
}

func (g *gen) affinityTerms(k podKnobs) (required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
	if g.chance(35) {
		for range 1 + g.times(33, 4) {
			required = append(required, g.affinityTerm(k))
		}
	}
	if g.chance(35) {
		for range 1 + g.times(33, 4) {
			preferred = append(preferred, v1.WeightedPodAffinityTerm{Weight: int32(g.between(1, 100)), PodAffinityTerm: g.affinityTerm(k)})
		}
	}
	return required, preferred
}

func (g *gen) spreadConstraint(k podKnobs) v1.TopologySpreadConstraint {
	t := v1.TopologySpreadConstraint{
		MaxSkew:           int32(pick(g, 1, 1, 1, 1, 2, 2, 3)),
		TopologyKey:       pick(g, hostname, hostname, zone, zone, "disk"),
		WhenUnsatisfiable: pick(g, v1.DoNotSchedule, v1.ScheduleAnyway),
		LabelSelector:     g.selector(),
	}
	if t.WhenUnsatisfiable == v1.DoNotSchedule && g.chance(30) {
		t.MinDomains = ptr(int32(g.between(1, 4)))
	}
	policies := []v1.NodeInclusionPolicy{v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore}
	if g.chance(40) {
		t.NodeAffinityPolicy = ptr(pick(g, policies...))
	}
	if g.chance(40) {
		t.NodeTaintsPolicy = ptr(pick(g, policies...))
	}
	if t.LabelSelector != nil && g.chance(k.matchKeys) {
		t.MatchLabelKeys = []string{pick(g, "app", "tier", "rev")}
	}
	return t
}

// pod draws a pod that is not placed yet.
func (g *gen) pod(name string, k podKnobs) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Labels: g.labels()}}
	if g.chance(k.otherNamespace) {
		p.Namespace = pick(g, "default", "ns1", "ns2")
	}
	s := &p.Spec
	for i := range g.between(1, 2) {
		c := v1.Container{Name: "c1", Image: pick(g, "img-a", "img-b:latest", "img-c")}
		if i == 1 {
			c.Name = "c2"
		}
		c.Resources.Requests = g.requests(k)
		if g.chance(k.gpus) {
			q := qty(pick(g, "0", "1", "2", "4"))
			c.Resources.Requests[gpu], c.Resources.Limits = q, v1.ResourceList{gpu: q}
		}
		if g.chance(k.ports) {
			c.Ports = []v1.ContainerPort{{HostPort: int32(g.between(8000, 8002)), ContainerPort: 80,
				Protocol: pick(g, v1.ProtocolTCP, v1.ProtocolUDP), HostIP: pick(g, "", "0.0.0.0", "10.0.0.1", "10.0.0.2")}}
		}
		s.Containers = append(s.Containers, c)
	}
	if g.chance(50) {
		slices.Reverse(s.Containers)
	}
	for i := range g.times(k.initc, 6) {
		c := v1.Container{Name: fmt.Sprintf("i%d", i), Image: "img-a"}
		c.Resources.Requests = g.requests(k)
		if g.chance(40) {
			c.RestartPolicy = ptr(v1.ContainerRestartPolicyAlways)
		}
		s.InitContainers = append(s.InitContainers, c)
	}
	for range g.times(k.tolerations, 8) {
		t := v1.Toleration{Key: pick(g, "k1", "k2", v1.TaintNodeNotReady), Operator: pick(g, v1.TolerationOpExists, v1.TolerationOpEqual, ""),
			Effect: pick(g, "", v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute)}
		if t.Operator == v1.TolerationOpExists {
			if g.chance(20) {
				t.Key = ""
			}
		} else {
			t.Value = pick(g, "v1", "5", "")
		}
		s.Tolerations = append(s.Tolerations, t)
	}
	if g.chance(k.nodeSelector) {
		s.NodeSelector = map[string]string{"disk": pick(g, "ssd", "hdd", "")}
	}
	if g.chance(k.nodeAffinity) {
		s.Affinity = &v1.Affinity{NodeAffinity: g.nodeAffinity()}
	}
	if g.chance(k.podAffinity) {
		if s.Affinity == nil {
			s.Affinity = &v1.Affinity{}
		}
		s.Affinity.PodAffinity, s.Affinity.PodAntiAffinity = &v1.PodAffinity{}, &v1.PodAntiAffinity{}
		s.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
			s.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = g.affinityTerms(k)
		s.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
			s.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = g.affinityTerms(k)
	}
	if g.chance(k.spread) {
		for range 1 + g.times(25, 3) {
			s.TopologySpreadConstraints = append(s.TopologySpreadConstraints, g.spreadConstraint(k))
		}
	}
	if g.chance(k.overhead) {
		s.RuntimeClassName = ptr("rc")
		s.Overhead = v1.ResourceList{v1.ResourceCPU: qty("250m"), v1.ResourceMemory: qty("100Mi")}
	}
	if g.chance(k.podLevel) {
		g.podLevel(p)
	}
	if g.chance(k.priority) {
		s.Priority = ptr(int32(pick(g, -10, 0, 10, 100, 100, 1000)))
	}
	if g.chance(k.owner) {
		g.own(p)
	}
	return p
}

// podLevel gives a pod resources of its own, which count in place of its containers'.
func (g *gen) podLevel(p *v1.Pod) {
	r := &v1.ResourceRequirements{Requests: v1.ResourceList{}}
	if g.chance(80) {
		r.Requests[v1.ResourceCPU] = qty(pick(g, "500m", "1", "2", "3", "7"))
	}
	if g.chance(80) {
		r.Requests[v1.ResourceMemory] = qty(pick(g, "1Gi", "2Gi", "6Gi", "7500M"))
	}
	if g.chance(30) {
		r.Limits = v1.ResourceList{}
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			if _, ok := r.Requests[name]; ok {
				r.Limits[name] = qty(pick(g, "8", "16Gi"))
			}
		}
	}
	p.Spec.Resources = r
}

// place has a pod admitted and puts it on a node; one that could not have been
// created is left out.
func (g *gen) place(p *v1.Pod, node string, terminating int) {
	p.Spec.NodeName = node
	if admitPod(p, g.merge) != nil {
		return
	}
	if g.chance(terminating) {
		// Half with the zero time, which prints as null.
		p.DeletionTimestamp = &metav1.Time{}
		if !g.c.isCore() && g.chance(50) {
			p.DeletionTimestamp = ptr(metav1.Unix(1800000000, 0).Rfc3339Copy())
			p.DeletionGracePeriodSeconds = ptr(int64(30))
		}
	}
	if !g.c.isCore() {
		// Distinct on a node, so that the order of victims is one order; equal across nodes.
		rank := int64(0)
		for _, o := range g.c.Pods {
			if o.Spec.NodeName == node {
				rank++
			}
		}
		p.Status.StartTime = ptr(metav1.Unix(1790000000+rank*7919%101*60, 0).Rfc3339Copy())
	}
	g.c.Pods = append(g.c.Pods, p)
}

// admitAll has the API server's part done to every object.
func (g *gen) admitAll() error {
	c := g.c
	for _, n := range c.Namespaces {
		if err := admitNamespace(n); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes {
		if err := admitNode(n); err != nil {
			return err
		}
	}
	// Pods that run were admitted when they were placed.
	for _, p := range append(slices.Clone(c.NominatedPods), c.Pod) {
		if err := admitPod(p, g.merge); err != nil {
			return err
		}
	}
	return admitOthers(c)
}

// core is like the cases that this program had to be compatible with: a bit of
// everything, mostly small and hostile.
func (g *gen) core() {
	g.namespaces()
	g.nodes(coreNodes)
	for i := g.IntN(g.between(1, 16)); i > 0; i-- {
		g.existing(fmt.Sprintf("e%d", i), fmt.Sprintf("n%d", g.IntN(g.between(1, len(g.c.Nodes)))), coreExisting)
	}
	g.incoming(corePod)
}

// incoming draws the pod to schedule, until it is one that could be created.
func (g *gen) incoming(k podKnobs) *v1.Pod {
	for {
		p := g.pod("incoming", k)
		if admitPod(p.DeepCopy(), g.merge) == nil {
			g.c.Pod = p
			return p
		}
	}
}

// existing adds a pod that runs.
func (g *gen) existing(name, node string, k podKnobs) {
	g.place(g.pod(name, k), node, k.terminating)
}
