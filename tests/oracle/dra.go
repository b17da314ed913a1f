// SPDX-License-Identifier: Apache-2.0

// Dynamic resource allocation: the manager that plugins ask, and generated devices.
package main

import (
	"context"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	resourceslicetracker "k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
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

func (g *gen) dra()            { g.resources() }
func admitDevices(*Case) error { return nil }
