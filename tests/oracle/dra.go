// SPDX-License-Identifier: Apache-2.0

// Dynamic resource allocation: the manager that plugins ask, and generated devices.
package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	resourceslicetracker "k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	resourceapi "k8s.io/kubernetes/pkg/apis/resource"
	resourcevalidation "k8s.io/kubernetes/pkg/apis/resource/validation"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// draManager is the scheduler's, but lists slices in the order of their names:
// the order of the lister is a Go map's, and allocation depends on it.
type draManager struct{ fwk.SharedDRAManager }

type sortedSlices struct{ fwk.ResourceSliceLister }

func (m draManager) ResourceSlices() fwk.ResourceSliceLister {
	return sortedSlices{m.SharedDRAManager.ResourceSlices()}
}

func (s sortedSlices) ListWithDeviceTaintRules() ([]*resourcev1.ResourceSlice, error) {
	list, err := s.ResourceSliceLister.ListWithDeviceTaintRules()
	slices.SortFunc(list, func(a, b *resourcev1.ResourceSlice) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func newDRAManager(ctx context.Context, in map[string]*directInformer, factory informers.SharedInformerFactory) fwk.SharedDRAManager {
	claims := assumecache.NewAssumeCache(klog.FromContext(ctx), in["resourceClaims"], "ResourceClaim", "", nil)
	// Without DeviceTaintRules, which no case has, the tracker is the lister itself.
	tracker, err := resourceslicetracker.StartTracker(ctx, resourceslicetracker.Options{
		SliceInformer: factory.Resource().V1().ResourceSlices(),
	})
	if err != nil {
		panic(err) // it starts nothing with these options
	}
	m := dynamicresources.NewDRAManager(ctx, claims, tracker, factory)
	if h, ok := m.DeviceClassResolver().(cache.ResourceEventHandler); ok {
		in["deviceClasses"].AddEventHandler(h)
	}
	return draManager{m}
}

const (
	draDriver = "gpu.example.com"
	draModel  = resourcev1.QualifiedName(draDriver + "/model")
	draMemory = resourcev1.QualifiedName(draDriver + "/memory")
)

func cel(expression string) []resourcev1.DeviceSelector {
	return []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: expression}}}
}

var draSelectors = []string{
	`device.attributes["gpu.example.com"].model == "a"`,
	`device.attributes["gpu.example.com"].model in ["a", "b"] && device.attributes["gpu.example.com"].index < 2`,
	`device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0`,
	`device.attributes["gpu.example.com"].fast`,
}

func (g *gen) deviceClasses() {
	add := func(name string, expr string) {
		c := &resourcev1.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("class-" + name)}}
		c.Spec.Selectors = cel(expr)
		g.c.DeviceClasses = append(g.c.DeviceClasses, c)
	}
	add("gpu", `device.driver == "gpu.example.com"`)
	add("big", `device.driver == "gpu.example.com" && device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) >= 0`)
	add("nic", `device.driver == "nic.example.com"`)
}

// slice publishes the devices of a node: one pool, one slice.
func (g *gen) slice(n *v1.Node) {
	s := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "gpus-" + n.Name, UID: types.UID("slice-" + n.Name)}}
	s.Spec = resourcev1.ResourceSliceSpec{Driver: draDriver, NodeName: ptr(n.Name),
		Pool: resourcev1.ResourcePool{Name: n.Name, Generation: 1, ResourceSliceCount: 1}}
	if g.chance(4) {
		s.Spec.Pool.ResourceSliceCount = 2 // the other one is not published yet
	}
	for i := range g.between(2, 5) {
		d := resourcev1.Device{Name: fmt.Sprintf("gpu-%d", i),
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
				draModel: {StringValue: ptr(pick(g, "a", "a", "b"))},
				"index":  {IntValue: ptr(int64(i))},
				"fast":   {BoolValue: ptr(g.chance(50))},
				"numa":   {IntValue: ptr(int64(i / 2))},
			},
			Capacity: map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{draMemory: {Value: qty(pick(g, "16Gi", "40Gi", "80Gi"))}}}
		if g.chance(12) {
			d.Taints = []resourcev1.DeviceTaint{{Key: "sick", Value: "v", Effect: pick(g, resourcev1.DeviceTaintEffectNoSchedule, resourcev1.DeviceTaintEffectNoExecute),
				// Admission would set the time of day.
				TimeAdded: ptr(metav1.Unix(1790000000, 0).Rfc3339Copy())}}
		}
		if g.chance(15) {
			d.AllowMultipleAllocations = ptr(true)
		}
		g.adorn(&d)
		s.Spec.Devices = append(s.Spec.Devices, d)
	}
	g.c.ResourceSlices = append(g.c.ResourceSlices, s)
	if g.chance(5) {
		g.disturb(s)
	}
	if !g.chance(30) {
		return
	}
	// One card that is cut in parts; the counters stand in a slice of their own.
	pool := resourcev1.ResourcePool{Name: n.Name + "-parts", Generation: 1, ResourceSliceCount: 2}
	counter := func(v string) map[string]resourcev1.Counter {
		return map[string]resourcev1.Counter{"memory": {Value: qty(v)}}
	}
	c := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "parts-a-" + n.Name, UID: types.UID("parts-a-" + n.Name)}}
	c.Spec = resourcev1.ResourceSliceSpec{Driver: draDriver, NodeName: ptr(n.Name), Pool: pool,
		SharedCounters: []resourcev1.CounterSet{{Name: "card", Counters: counter("80Gi")}}}
	p := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "parts-b-" + n.Name, UID: types.UID("parts-b-" + n.Name)}}
	p.Spec = resourcev1.ResourceSliceSpec{Driver: draDriver, NodeName: ptr(n.Name), Pool: pool}
	for i := range g.between(2, 4) {
		size := pick(g, "20Gi", "40Gi", "80Gi")
		p.Spec.Devices = append(p.Spec.Devices, resourcev1.Device{Name: fmt.Sprintf("part-%d", i),
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{draModel: {StringValue: ptr("part")}, "index": {IntValue: ptr(int64(i))},
				"fast": {BoolValue: ptr(false)}, "numa": {IntValue: ptr(int64(0))}},
			Capacity:         map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{draMemory: {Value: qty(size)}},
			ConsumesCounters: []resourcev1.DeviceCounterConsumption{{CounterSet: "card", Counters: counter(size)}}})
	}
	g.c.ResourceSlices = append(g.c.ResourceSlices, c, p)
}

// networkSlice is a pool of devices that many nodes reach.
func (g *gen) networkSlice() {
	s := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "nics", UID: "nics"}}
	s.Spec = resourcev1.ResourceSliceSpec{Driver: "nic.example.com", Pool: resourcev1.ResourcePool{Name: "fabric", Generation: 1, ResourceSliceCount: 1}}
	if g.chance(50) {
		s.Spec.AllNodes = ptr(true)
	} else {
		s.Spec.NodeSelector = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{
			{Key: zone, Operator: v1.NodeSelectorOpIn, Values: []string{pick(g, "z1", "z2")}}}}}}
	}
	for i := range g.between(1, 3) {
		s.Spec.Devices = append(s.Spec.Devices, resourcev1.Device{Name: fmt.Sprintf("nic-%d", i),
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{"numa": {IntValue: ptr(int64(i))}}})
	}
	g.c.ResourceSlices = append(g.c.ResourceSlices, s)
}

func (g *gen) request(name string) resourcev1.DeviceRequest {
	class := pick(g, "gpu", "gpu", "gpu", "gpu", "big", "nic")
	if g.chance(2) {
		class = "nosuchclass"
	}
	var selectors []resourcev1.DeviceSelector
	if class != "nic" && g.chance(30) {
		selectors = cel(pick(g, draSelectors...))
	}
	var tolerations []resourcev1.DeviceToleration
	if g.chance(25) {
		tolerations = []resourcev1.DeviceToleration{{Key: "sick", Operator: resourcev1.DeviceTolerationOpExists}}
	}
	if g.chance(18) {
		return resourcev1.DeviceRequest{Name: name, FirstAvailable: []resourcev1.DeviceSubRequest{
			{Name: "s0", DeviceClassName: "big", Selectors: selectors, AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: int64(g.between(1, 3))},
			{Name: "s1", DeviceClassName: class, Tolerations: tolerations, AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1}}}
	}
	r := &resourcev1.ExactDeviceRequest{DeviceClassName: class, Selectors: selectors, Tolerations: tolerations,
		AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: int64(pick(g, 1, 1, 1, 1, 2, 3))}
	if g.chance(8) {
		r.AllocationMode, r.Count = resourcev1.DeviceAllocationModeAll, 0
	}
	if class != "nic" && g.chance(12) {
		r.Capacity = &resourcev1.CapacityRequirements{Requests: map[resourcev1.QualifiedName]resource.Quantity{draMemory: qty(pick(g, "8Gi", "30Gi"))}}
	}
	return resourcev1.DeviceRequest{Name: name, Exactly: r}
}

func (g *gen) resourceClaim(name string) *resourcev1.ResourceClaim {
	c := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("claim-" + name)}}
	for i := range 1 + g.times(20, 2) {
		c.Spec.Devices.Requests = append(c.Spec.Devices.Requests, g.request(fmt.Sprintf("r%d", i)))
	}
	if g.chance(20) {
		c.Spec.Devices.Constraints = []resourcev1.DeviceConstraint{{MatchAttribute: ptr(resourcev1.FullyQualifiedName(
			pick(g, string(draModel), draDriver+"/numa")))}}
	}
	g.vary(c)
	g.c.ResourceClaims = append(g.c.ResourceClaims, c)
	return c
}

// allocated is a claim that holds devices of a node, as those of running pods do.
func (g *gen) allocated(name string, free map[string][]string) *resourcev1.ResourceClaim {
	node := g.nodeName()
	if len(free[node]) == 0 {
		return nil
	}
	c := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("claim-" + name)}}
	c.Spec.Devices.Requests = []resourcev1.DeviceRequest{{Name: "r0", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: "gpu",
		AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1}}}
	pool := node
	device := free[node][0]
	free[node] = free[node][1:]
	c.Status.Allocation = &resourcev1.AllocationResult{
		Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{
			{Request: "r0", Driver: draDriver, Pool: pool, Device: device}}},
		NodeSelector: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchFields: []v1.NodeSelectorRequirement{
			{Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpIn, Values: []string{node}}}}}}}
	c.Finalizers = []string{resourcev1.Finalizer}
	g.c.ResourceClaims = append(g.c.ResourceClaims, c)
	return c
}

func (g *gen) dra() {
	g.namespaces()
	g.nodes(nodeKnobs{min: 2, max: 8, hostname: 100, zone: 90, taint: 3, roomy: 80, images: 20})
	g.deviceClasses()
	free := map[string][]string{}
	for _, n := range g.c.Nodes {
		if g.chance(10) {
			continue
		}
		g.slice(n)
		for _, s := range g.c.ResourceSlices {
			if s.Spec.Pool.Name != n.Name {
				continue
			}
			for _, d := range s.Spec.Devices {
				if d.AllowMultipleAllocations == nil && g.chance(40) {
					free[n.Name] = append(free[n.Name], d.Name)
				}
			}
		}
	}
	if g.chance(60) {
		g.networkSlice()
	}
	if g.chance(20) {
		g.sharedPool()
	}
	if g.chance(50) {
		g.holdOthers()
	}
	k := with(quietPod, func(k *podKnobs) { k.podLevel, k.otherNamespace, k.terminating = 0, 0, 2 })
	g.crowd(0, 8, k, nil)
	for i := range g.IntN(8) {
		if c := g.allocated(fmt.Sprintf("used%d", i), free); c != nil {
			c.Status.ReservedFor = []resourcev1.ResourceClaimConsumerReference{{Resource: "pods", Name: "other", UID: "other"}}
		}
	}
	p := g.incoming(k)
	use := func(c *resourcev1.ResourceClaim) {
		name := fmt.Sprintf("c%d", len(p.Spec.ResourceClaims))
		p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, v1.PodResourceClaim{Name: name, ResourceClaimName: &c.Name})
		p.Spec.Containers[0].Resources.Claims = append(p.Spec.Containers[0].Resources.Claims, v1.ResourceClaim{Name: name})
	}
	if g.chance(12) { // by the name of an extended resource
		if g.chance(85) {
			g.c.DeviceClasses[0].Spec.ExtendedResourceName = ptr("example.com/gpu")
		}
		q := v1.ResourceList{"example.com/gpu": qty(pick(g, "1", "1", "2"))}
		p.Spec.Containers[0].Resources.Limits = q
		p.Spec.Containers[0].Resources.Requests["example.com/gpu"] = q["example.com/gpu"]
		for _, n := range g.c.Nodes {
			if g.chance(25) {
				n.Status.Capacity["example.com/gpu"], n.Status.Allocatable["example.com/gpu"] = qty("2"), qty("2")
			}
		}
		return
	}
	if g.chance(15) {
		g.byResourceName(p)
		if g.chance(70) {
			return
		}
	}
	for i := range 1 + g.times(35, 2) {
		name := fmt.Sprintf("mine%d", i)
		switch state := g.IntN(100); {
		case state < 80:
			use(g.resourceClaim(name))
		case state < 88: // already allocated, free to share
			if c := g.allocated(name, free); c != nil {
				g.report(c)
				use(c)
			}
		case state < 92: // allocated and used up: a claim has room for 256 pods
			if c := g.allocated(name, free); c != nil {
				for j := range resourcev1.ResourceClaimReservedForMaxSize {
					u := fmt.Sprintf("u%d", j)
					c.Status.ReservedFor = append(c.Status.ReservedFor, resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: u, UID: types.UID(u)})
				}
				use(c)
			}
		case state < 94: // being deleted
			c := g.resourceClaim(name)
			use(c)
			c.DeletionTimestamp = ptr(metav1.Unix(1800000000, 0).Rfc3339Copy())
		case state < 96: // missing
			c := *g.resourceClaim(name)
			g.c.ResourceClaims = g.c.ResourceClaims[:len(g.c.ResourceClaims)-1]
			use(&c)
		default: // from a template
			c := g.resourceClaim(name)
			pod := fmt.Sprintf("c%d", len(p.Spec.ResourceClaims))
			p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, v1.PodResourceClaim{Name: pod, ResourceClaimTemplateName: ptr("template")})
			p.Spec.Containers[0].Resources.Claims = append(p.Spec.Containers[0].Resources.Claims, v1.ResourceClaim{Name: pod})
			c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID, Controller: ptr(true)}}
			if g.chance(80) {
				p.Status.ResourceClaimStatuses = append(p.Status.ResourceClaimStatuses, v1.PodResourceClaimStatus{Name: pod, ResourceClaimName: &c.Name})
			}
		}
	}
}

// admitDevices validates by hand and by what the API types declare.
func admitDevices(c *Case) error {
	for _, o := range c.DeviceClasses {
		if err := admit(o, &resourceapi.DeviceClass{}, resourcevalidation.ValidateDeviceClass); err != nil {
			return err
		}
	}
	for _, o := range c.ResourceSlices {
		if err := admit(o, &resourceapi.ResourceSlice{}, resourcevalidation.ValidateResourceSlice); err != nil {
			return err
		}
	}
	for _, o := range c.ResourceClaims {
		if err := admit(o, &resourceapi.ResourceClaim{}, resourcevalidation.ValidateResourceClaim); err != nil {
			return err
		}
	}
	return nil
}
