// SPDX-License-Identifier: Apache-2.0

// What a placement entails beside the pod: volumes to bind, devices to allocate.
package main

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding"
)

func (e *engine) askPlacement(c *Case, feasible []fwk.NodeInfo) error {
	if len(c.PVCs) > 0 {
		if err := e.askVolumes(c, feasible); err != nil {
			return err
		}
	}
	if len(c.ResourceClaims) > 0 {
		return e.askAllocations(c, feasible)
	}
	return nil
}

// objectName reads the namespace/name of an object in an unexported field.
func objectName(v reflect.Value) string {
	meta := v.Elem().FieldByName("ObjectMeta")
	ns, name := meta.FieldByName("Namespace").String(), meta.FieldByName("Name").String()
	if ns == "" {
		return name
	}
	return ns + "/" + name
}

func (e *engine) askVolumes(c *Case, feasible []fwk.NodeInfo) error {
	pl, ok := e.byName[names.VolumeBinding].(*volumebinding.VolumeBinding)
	if !ok {
		return fmt.Errorf("VolumeBinding is not the plugin that it was")
	}
	logger := klog.FromContext(e.ctx)
	claims, err := pl.Binder.GetPodVolumeClaims(logger, c.Pod)
	if err != nil {
		return fmt.Errorf("volume claims: %w", err)
	}
	for _, n := range feasible {
		found, reasons, err := pl.Binder.FindPodVolumes(logger, c.Pod, claims, n.Node())
		if err != nil {
			return fmt.Errorf("volumes on feasible %s: %w", n.Node().Name, err)
		}
		if len(reasons) > 0 {
			return fmt.Errorf("volumes on feasible %s: now %v", n.Node().Name, reasons)
		}
		out := &NodeVolumes{}
		for _, b := range found.StaticBindings {
			if out.Bind == nil {
				out.Bind = map[string]string{}
			}
			v := reflect.ValueOf(b).Elem()
			out.Bind[objectName(v.FieldByName("pvc"))] = objectName(v.FieldByName("pv"))
		}
		for _, p := range found.DynamicProvisions {
			out.Provision = append(out.Provision, p.PVC.Namespace+"/"+p.PVC.Name)
		}
		slices.Sort(out.Provision)
		if out.Bind == nil && out.Provision == nil {
			continue
		}
		if c.Volumes == nil {
			c.Volumes = map[string]*NodeVolumes{}
		}
		c.Volumes[n.Node().Name] = out
	}
	return nil
}

// askAllocations reserves on each node in turn, so that what was allocated can be
// read where the scheduler keeps it until it is written to the API.
func (e *engine) askAllocations(c *Case, feasible []fwk.NodeInfo) error {
	pl := e.byName[names.DynamicResources]
	tracker := e.dra.ResourceClaims()
	if len(c.Pod.Spec.ResourceClaims) == 0 {
		return nil
	}
	nodes, err := e.snap.List()
	if err != nil {
		return err
	}
	for _, n := range feasible {
		name := n.Node().Name
		state := framework.NewCycleState()
		if _, s := pl.(fwk.PreFilterPlugin).PreFilter(e.ctx, state, c.Pod, nodes); !s.IsSuccess() {
			return fmt.Errorf("prefilter again: %w", s.AsError())
		}
		if s := pl.(fwk.FilterPlugin).Filter(e.ctx, state, c.Pod, n); !s.IsSuccess() {
			return fmt.Errorf("filter again on %s: %w", name, s.AsError())
		}
		if s := pl.(fwk.ReservePlugin).Reserve(e.ctx, state, c.Pod, name); !s.IsSuccess() {
			return fmt.Errorf("reserve on %s: %w", name, s.AsError())
		}
		out := NodeAllocations{}
		for _, claim := range c.ResourceClaims {
			a := tracker.GetPendingAllocation(claim.UID)
			if a == nil {
				continue
			}
			a = a.DeepCopy()
			for i := range a.Devices.Results {
				if r := &a.Devices.Results[i]; r.ShareID != nil {
					*r.ShareID = "any" // a random UID
				}
			}
			out[claim.Namespace+"/"+claim.Name] = a
		}
		// Also what is held for extended resources, which has no claim yet.
		pl.(fwk.ReservePlugin).Unreserve(e.ctx, state, c.Pod, name)
		if len(out) == 0 {
			continue
		}
		if c.Allocations == nil {
			c.Allocations = map[string]NodeAllocations{}
		}
		c.Allocations[name] = out
	}
	return nil
}
