// SPDX-License-Identifier: Apache-2.0

// Devices out of the ordinary: request policies, pools of many nodes, unsound and replaced pools,
// shares, administrators, what drivers have to say, and resources by a class's name.
package main

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const draShare = types.UID("4f2d0e0a-1111-4222-8333-444455556666")

// policy limits what one request may take of a shared device's memory.
func (g *gen) policy() *resourcev1.CapacityRequestPolicy {
	if g.chance(40) {
		return &resourcev1.CapacityRequestPolicy{Default: ptr(qty("4Gi")), ValidValues: []resource.Quantity{qty("4Gi"), qty("8Gi"), qty("16Gi")}}
	}
	r := &resourcev1.CapacityRequestPolicyRange{Min: ptr(qty("2Gi"))}
	if g.chance(50) {
		r.Max = ptr(qty("14Gi"))
	}
	if g.chance(60) {
		r.Step = ptr(qty(pick(g, "2Gi", "1Gi")))
	}
	return &resourcev1.CapacityRequestPolicy{Default: ptr(qty("4Gi")), ValidRange: r}
}

// adorn gives a device what few have.
func (g *gen) adorn(d *resourcev1.Device) {
	if d.AllowMultipleAllocations != nil && g.chance(50) {
		c := d.Capacity[draMemory]
		c.RequestPolicy = g.policy()
		d.Capacity[draMemory] = c
	}
	if d.AllowMultipleAllocations != nil && g.chance(30) {
		d.Capacity["lanes"] = resourcev1.DeviceCapacity{Value: qty("3"), RequestPolicy: &resourcev1.CapacityRequestPolicy{
			Default: ptr(qty("500m")), ValidRange: &resourcev1.CapacityRequestPolicyRange{Min: ptr(qty("250m")), Step: ptr(qty("250m"))}}}
	}
	if g.chance(6) {
		d.BindsToNode = ptr(true)
		d.BindingConditions, d.BindingFailureConditions = []string{"ready"}, []string{"lost"}
	}
	if g.chance(10) {
		delete(d.Attributes, "numa")
	}
	if g.chance(5) {
		d.Taints = append(d.Taints, resourcev1.DeviceTaint{Key: "note", Value: pick(g, "v", "w"), Effect: pick(g, resourcev1.DeviceTaintEffectNone, resourcev1.DeviceTaintEffectNoSchedule),
			TimeAdded: ptr(metav1.Unix(1790000000, 0).Rfc3339Copy())})
	}
}

// disturb replaces a node's pool, in part or whole, or spoils it.
func (g *gen) disturb(s *resourcev1.ResourceSlice) {
	other := s.DeepCopy()
	other.Name, other.UID = "other-"+s.Name, "other-"+s.UID
	switch g.IntN(4) {
	case 0: // the old generation is still there
		s.Spec.Pool.Generation = 2
		other.Spec.Devices = other.Spec.Devices[:1]
	case 1: // the new one is not whole
		other.Spec.Pool.Generation, other.Spec.Pool.ResourceSliceCount = 2, 2
	case 2: // names come twice
		s.Spec.Pool.ResourceSliceCount, other.Spec.Pool.ResourceSliceCount = 2, 2
	case 3: // the new one is elsewhere
		other.Spec.Pool.Generation = 3
		other.Spec.NodeName = ptr("elsewhere")
	}
	g.c.ResourceSlices = append(g.c.ResourceSlices, other)
}

// sharedPool is one pool whose devices are each for some nodes and take counters from one set.
func (g *gen) sharedPool() {
	pool := resourcev1.ResourcePool{Name: "rack", Generation: 1, ResourceSliceCount: 2}
	counter := func(v string) map[string]resourcev1.Counter {
		return map[string]resourcev1.Counter{"ports": {Value: qty(v)}}
	}
	s := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "rack-a", UID: "rack-a"}}
	s.Spec = resourcev1.ResourceSliceSpec{Driver: draDriver, AllNodes: ptr(true), Pool: pool,
		SharedCounters: []resourcev1.CounterSet{{Name: "switch", Counters: counter(pick(g, "2", "3"))}}}
	p := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "rack-b", UID: "rack-b"}}
	p.Spec = resourcev1.ResourceSliceSpec{Driver: draDriver, PerDeviceNodeSelection: ptr(true), Pool: pool}
	for i := range g.between(2, 5) {
		d := resourcev1.Device{Name: fmt.Sprintf("port-%d", i),
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{draModel: {StringValue: ptr(pick(g, "a", "port"))},
				"index": {IntValue: ptr(int64(i))}, "fast": {BoolValue: ptr(true)}, "numa": {IntValue: ptr(int64(i))}},
			Capacity:         map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{draMemory: {Value: qty("40Gi")}},
			ConsumesCounters: []resourcev1.DeviceCounterConsumption{{CounterSet: "switch", Counters: counter(pick(g, "1", "1", "2"))}}}
		switch g.IntN(3) {
		case 0:
			d.AllNodes = ptr(true)
		case 1:
			d.NodeName = ptr(g.nodeName())
		case 2:
			d.NodeSelector = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{
				{Key: zone, Operator: v1.NodeSelectorOpIn, Values: []string{pick(g, "z1", "z2")}}}}}}
		}
		if g.chance(25) {
			d.AllowMultipleAllocations = ptr(true)
		}
		p.Spec.Devices = append(p.Spec.Devices, d)
	}
	g.c.ResourceSlices = append(g.c.ResourceSlices, s, p)
}

// holdOthers allocates shares, devices with counters, and devices for administrators.
func (g *gen) holdOthers() {
	for i, s := range g.c.ResourceSlices {
		for _, d := range s.Spec.Devices {
			if !g.chance(15) || d.Attributes == nil {
				continue
			}
			r := resourcev1.DeviceRequestAllocationResult{Request: "r0", Driver: s.Spec.Driver, Pool: s.Spec.Pool.Name, Device: d.Name}
			exactly := &resourcev1.ExactDeviceRequest{DeviceClassName: "gpu", AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1}
			switch {
			case d.AllowMultipleAllocations != nil:
				r.ShareID = ptr(draShare)
				if c, ok := d.Capacity[draMemory]; ok {
					r.ConsumedCapacity = map[resourcev1.QualifiedName]resource.Quantity{draMemory: qty("4Gi")}
					if c.RequestPolicy == nil {
						r.ConsumedCapacity[draMemory] = qty(pick(g, "1Gi", "8Gi", "16Gi"))
					}
				}
			case g.chance(30):
				r.AdminAccess, exactly.AdminAccess = ptr(true), ptr(true)
			case len(d.ConsumesCounters) == 0:
				continue // allocated() takes care of those
			}
			name := fmt.Sprintf("held%d-%s", i, d.Name)
			c := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), Finalizers: []string{resourcev1.Finalizer}}}
			c.Spec.Devices.Requests = []resourcev1.DeviceRequest{{Name: "r0", Exactly: exactly}}
			c.Status.Allocation = &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{r}}}
			g.c.ResourceClaims = append(g.c.ResourceClaims, c)
		}
	}
}

// vary makes a claim's requests and constraints less common.
func (g *gen) vary(c *resourcev1.ResourceClaim) {
	d := &c.Spec.Devices
	for i := range d.Requests {
		e := d.Requests[i].Exactly
		if e == nil {
			continue
		}
		if g.chance(8) {
			e.AdminAccess = ptr(true)
		}
		if e.DeviceClassName != "nic" && g.chance(8) {
			e.Capacity = &resourcev1.CapacityRequirements{Requests: map[resourcev1.QualifiedName]resource.Quantity{draMemory: qty(pick(g, "1Gi", "3Gi", "5Gi", "12Gi"))}}
		}
		if e.DeviceClassName != "nic" && g.chance(4) {
			e.Capacity = &resourcev1.CapacityRequirements{Requests: map[resourcev1.QualifiedName]resource.Quantity{"lanes": qty(pick(g, "100m", "1", "1100m", "3001m"))}}
		}
		if g.chance(2) {
			e.Selectors = cel(`device.attributes["gpu.example.com"].missing == 1`)
		}
		if g.chance(2) && e.AllocationMode == resourcev1.DeviceAllocationModeExactCount {
			e.Count = 33
		}
		if len(e.Tolerations) > 0 && g.chance(40) {
			e.Tolerations = []resourcev1.DeviceToleration{{Key: pick(g, "sick", "note"), Operator: resourcev1.DeviceTolerationOpEqual, Value: pick(g, "v", "w"),
				Effect: pick(g, "", resourcev1.DeviceTaintEffectNoSchedule, resourcev1.DeviceTaintEffectNoExecute)}}
		}
	}
	if g.chance(15) {
		k := resourcev1.DeviceConstraint{DistinctAttribute: ptr(resourcev1.FullyQualifiedName(pick(g, string(draModel), draDriver+"/numa", draDriver+"/index")))}
		if g.chance(40) {
			k.Requests = []string{d.Requests[0].Name}
			if d.Requests[0].Exactly == nil && g.chance(50) {
				k.Requests[0] += "/" + d.Requests[0].FirstAvailable[0].Name
			}
		}
		d.Constraints = append(d.Constraints, k)
	}
	if len(d.Requests) > 1 && len(d.Constraints) > 0 && g.chance(30) {
		d.Constraints[0].Requests = []string{d.Requests[1].Name}
	}
}

// report lets the driver speak of an allocated claim's device.
func (g *gen) report(c *resourcev1.ResourceClaim) {
	if c.Status.Allocation == nil || !g.chance(30) {
		return
	}
	r := &c.Status.Allocation.Devices.Results[0]
	r.BindingConditions, r.BindingFailureConditions = []string{"ready"}, []string{"lost"}
	if g.chance(20) {
		return
	}
	when := metav1.NewTime(time.Unix(1790000000, 0).UTC())
	status := func(percent int) metav1.ConditionStatus {
		if g.chance(percent) {
			return metav1.ConditionTrue
		}
		return metav1.ConditionFalse
	}
	c.Status.Devices = []resourcev1.AllocatedDeviceStatus{{Driver: r.Driver, Pool: r.Pool, Device: r.Device, Conditions: []metav1.Condition{
		{Type: "ready", Status: status(60), Reason: "R", LastTransitionTime: when},
		{Type: "lost", Status: status(40), Reason: "R", LastTransitionTime: when}}}}
}

// byResourceName asks for devices by the names that classes stand for, in containers of all kinds.
func (g *gen) byResourceName(p *v1.Pod) {
	names := []v1.ResourceName{"example.com/gpu", "example.com/gpu", "deviceclass.resource.kubernetes.io/gpu", "deviceclass.resource.kubernetes.io/none", "example.com/nic"}
	for _, c := range g.c.DeviceClasses {
		c.CreationTimestamp = metav1.NewTime(time.Unix(1790000000+int64(g.IntN(2)), 0).UTC())
		if g.chance(50) {
			c.Spec.ExtendedResourceName = ptr(pick(g, "example.com/gpu", "example.com/nic"))
		}
	}
	ask := func(c *v1.Container) {
		for range 1 + g.times(30, 2) {
			name, amount := pick(g, names...), qty(pick(g, "1", "1", "1", "2", "3"))
			if c.Resources.Limits == nil {
				c.Resources.Limits = v1.ResourceList{}
			}
			if c.Resources.Requests == nil {
				c.Resources.Requests = v1.ResourceList{}
			}
			c.Resources.Limits[name], c.Resources.Requests[name] = amount, amount
		}
	}
	for i := range g.IntN(3) {
		c := v1.Container{Name: fmt.Sprintf("init%d", i), Image: "img"}
		if g.chance(40) {
			c.RestartPolicy = ptr(v1.ContainerRestartPolicyAlways)
		}
		if g.chance(70) {
			ask(&c)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
	for i := range p.Spec.Containers {
		if i == 0 || g.chance(50) {
			ask(&p.Spec.Containers[i])
		}
	}
	for _, n := range g.c.Nodes {
		for _, name := range names[1:] {
			if g.chance(15) {
				n.Status.Capacity[name], n.Status.Allocatable[name] = qty("2"), qty(pick(g, "2", "2", "0"))
			}
		}
	}
	if g.chance(10) { // from an attempt that failed
		c := g.resourceClaim("left-over")
		c.Annotations = map[string]string{resourcev1.ExtendedResourceClaimAnnotation: pick(g, "true", "true", "false")}
		c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID, Controller: ptr(true)}}
	}
}
