// SPDX-License-Identifier: Apache-2.0

// The real scheduler framework with its default plugins over objects that are
// set directly: no API server, no watch, no goroutine that has to catch up.
package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	schedcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frt "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// engine is one framework that is used for one case after another.
type engine struct {
	ctx       context.Context
	fw        framework.Framework
	snap      *schedcache.Snapshot
	byName    map[string]fwk.Plugin
	informers map[string]*directInformer
	nominated *nominator
	dra       fwk.SharedDRAManager
}

func newEngine() (*engine, error) {
	metrics.Register()
	e := &engine{
		ctx:       klog.NewContext(context.Background(), klog.Logger{}),
		snap:      schedcache.NewEmptySnapshot(),
		byName:    map[string]fwk.Plugin{},
		informers: map[string]*directInformer{},
		nominated: &nominator{},
	}
	cfg, err := latest.Default()
	if err != nil {
		return nil, err
	}
	registry := plugins.NewInTreeRegistry()
	for name, factory := range registry {
		registry[name] = func(ctx context.Context, args runtime.Object, h fwk.Handle) (fwk.Plugin, error) {
			p, err := factory(ctx, args, h)
			e.byName[name] = p
			return p, err
		}
	}
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	for _, k := range kinds {
		in := newDirectInformer()
		e.informers[k.key] = in
		factory.InformerFor(k.object, func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer {
			return in
		})
	}
	e.dra = newDRAManager(e.ctx, e.informers, factory)
	e.fw, err = frt.NewFramework(e.ctx, registry, &cfg.Profiles[0],
		frt.WithClientSet(client),
		frt.WithInformerFactory(factory),
		frt.WithSnapshotSharedLister(e.snap),
		frt.WithMutableSnapshotLister(e.snap),
		frt.WithSharedDRAManager(e.dra),
		frt.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frt.WithPodNominator(e.nominated),
		frt.WithParallelism(1))
	if err != nil {
		return nil, fmt.Errorf("framework: %w", err)
	}
	return e, nil
}

// load makes the engine see the cluster of a case and nothing of the one before.
func (e *engine) load(c *Case) {
	objects := c.objects()
	for _, k := range kinds {
		e.informers[k.key].replace(objects[k.key])
	}
	*e.snap = *schedcache.NewSnapshot(c.Pods, c.Nodes)
	list, _ := e.snap.List()
	slices.SortFunc(list, func(a, b fwk.NodeInfo) int { return nodeOrder(a.Node().Name, b.Node().Name) })
	e.nominated.pods = nil
	for _, p := range c.NominatedPods {
		pi, err := framework.NewPodInfo(p)
		if err != nil {
			panic(err) // the generator admitted the pod
		}
		e.nominated.pods = append(e.nominated.pods, pi)
	}
}

// nodeOrder puts n2 before n10.
func nodeOrder(a, b string) int {
	if d := cmp.Compare(len(a), len(b)); d != 0 {
		return d
	}
	return cmp.Compare(a, b)
}

// nominator holds the pods that wait for room on a node.
type nominator struct{ pods []fwk.PodInfo }

func (n *nominator) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (n *nominator) DeleteNominatedPodIfExists(*v1.Pod)                            {}
func (n *nominator) UpdateNominatedPod(klog.Logger, *v1.Pod, fwk.PodInfo)          {}
func (n *nominator) NominatedPodsForNode(node string) []fwk.PodInfo {
	var on []fwk.PodInfo
	for _, p := range n.pods {
		if p.GetPod().Status.NominatedNodeName == node {
			on = append(on, p)
		}
	}
	return on
}

// directInformer is an informer whose content is given to it. Handlers run in
// the caller, so that caches behind them are right when replace returns.
type directInformer struct {
	cache.SharedIndexInformer // nil: what is not overridden below is not used
	indexer                   cache.Indexer
	handlers                  []cache.ResourceEventHandler
}

func newDirectInformer() *directInformer {
	return &directInformer{indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (d *directInformer) replace(objects []any) {
	for _, o := range d.indexer.List() {
		d.indexer.Delete(o)
		for _, h := range d.handlers {
			h.OnDelete(o)
		}
	}
	for _, o := range objects {
		d.indexer.Add(o)
		for _, h := range d.handlers {
			h.OnAdd(o, true)
		}
	}
}

func (d *directInformer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	d.handlers = append(d.handlers, h)
	return registration{}, nil
}

func (d *directInformer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return d.AddEventHandler(h)
}

func (d *directInformer) AddEventHandlerWithOptions(h cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return d.AddEventHandler(h)
}

func (d *directInformer) AddIndexers(i cache.Indexers) error { return d.indexer.AddIndexers(i) }
func (d *directInformer) GetIndexer() cache.Indexer          { return d.indexer }
func (d *directInformer) GetStore() cache.Store              { return d.indexer }
func (d *directInformer) HasSynced() bool                    { return true }

type registration struct{}

func (registration) HasSynced() bool                     { return true }
func (registration) HasSyncedChecker() cache.DoneChecker { return nil }
