// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type object = map[string]any

// resource names a collection as its path does: group and version ("v1", "apps/v1") and plural.
type resource struct{ groupVersion, plural string }

// change is one entry of a collection's history. old is nil for ADDED, obj is the last state for
// DELETED.
type change struct {
	kind     string
	obj, old object
	rv       uint64
}

type collection struct {
	objects map[string]object // by namespace/name
	history []change
	dropped int // entries compacted away; history[i] is entry dropped+i
}

// store holds all objects. One lock and one resourceVersion for everything, as in etcd.
type store struct {
	mu        sync.Mutex
	rv        uint64
	compacted uint64 // watches and continues from before this are expired
	all       map[resource]*collection
	changed   chan struct{} // closed and replaced at each change
}

const maxHistory = 20000

func newStore() *store {
	return &store{rv: 1000, all: map[resource]*collection{}, changed: make(chan struct{})}
}

var kinds = map[string]string{
	"pods": "Pod", "nodes": "Node", "events": "Event", "leases": "Lease", "namespaces": "Namespace",
	"persistentvolumes": "PersistentVolume", "persistentvolumeclaims": "PersistentVolumeClaim",
	"storageclasses": "StorageClass", "csinodes": "CSINode", "csidrivers": "CSIDriver",
	"csistoragecapacities": "CSIStorageCapacity", "volumeattachments": "VolumeAttachment",
	"poddisruptionbudgets": "PodDisruptionBudget", "priorityclasses": "PriorityClass",
	"services": "Service", "replicationcontrollers": "ReplicationController",
	"replicasets": "ReplicaSet", "statefulsets": "StatefulSet", "deployments": "Deployment",
	"configmaps": "ConfigMap", "podgroups": "PodGroup", "resourceclaims": "ResourceClaim",
	"resourceslices": "ResourceSlice", "deviceclasses": "DeviceClass",
	"devicetaintrules": "DeviceTaintRule",
}

func kindOf(plural string) string {
	if k := kinds[plural]; k != "" {
		return k
	}
	return strings.ToUpper(plural[:1]) + strings.TrimSuffix(plural[1:], "s")
}

func pluralOf(kind string) string {
	for p, k := range kinds {
		if k == kind {
			return p
		}
	}
	return strings.ToLower(kind) + "s"
}

func sub(o object, key string) object {
	m, _ := o[key].(map[string]any)
	return m
}

func ensure(o object, key string) object {
	m := sub(o, key)
	if m == nil {
		m = object{}
		o[key] = m
	}
	return m
}

func str(o object, path ...string) string {
	for _, k := range path[:len(path)-1] {
		o = sub(o, k)
	}
	s, _ := o[path[len(path)-1]].(string)
	return s
}

func keyOf(o object) string {
	return str(o, "metadata", "namespace") + "/" + str(o, "metadata", "name")
}

func clone(o object) object {
	return cloneValue(o).(object)
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = cloneValue(x)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, x := range v {
			l[i] = cloneValue(x)
		}
		return l
	}
	return v
}

// collection is called with the lock held.
func (s *store) collection(r resource) *collection {
	c := s.all[r]
	if c == nil {
		c = &collection{objects: map[string]object{}}
		s.all[r] = c
	}
	return c
}

func newUID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// put stores o as the newest state and tells the watches. The lock is held; o is owned by the store
// from here and never changed again.
func (s *store) put(r resource, kind string, o object) object {
	c := s.collection(r)
	key := keyOf(o)
	old := c.objects[key]
	s.rv++
	meta := ensure(o, "metadata")
	meta["resourceVersion"] = strconv.FormatUint(s.rv, 10)
	if kind == "DELETED" {
		delete(c.objects, key)
	} else {
		kind = "MODIFIED"
		if old == nil {
			kind = "ADDED"
		}
		c.objects[key] = o
	}
	c.history = append(c.history, change{kind, o, old, s.rv})
	if len(c.history) > maxHistory {
		n := maxHistory / 2
		s.compacted = max(s.compacted, c.history[n].rv)
		c.history = slices.Clone(c.history[n:])
		c.dropped += n
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return o
}

func complete(r resource, o object) {
	o["apiVersion"], o["kind"] = r.groupVersion, kindOf(r.plural)
	meta := ensure(o, "metadata")
	if meta["uid"] == nil {
		meta["uid"] = newUID()
	}
	if meta["creationTimestamp"] == nil {
		meta["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	}
	if r.plural == "pods" {
		status := ensure(o, "status")
		if status["phase"] == nil {
			status["phase"] = "Pending"
		}
	}
}

// apply creates or replaces an object named by its own apiVersion, kind and metadata.
func (s *store) apply(o object) (object, error) {
	gv, kind := str(o, "apiVersion"), str(o, "kind")
	if gv == "" || kind == "" || str(o, "metadata", "name") == "" {
		return nil, errors.New("an object needs apiVersion, kind and metadata.name")
	}
	r := resource{gv, pluralOf(kind)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.collection(r).objects[keyOf(o)]; old != nil {
		meta := ensure(o, "metadata")
		for _, k := range []string{"uid", "creationTimestamp"} {
			if meta[k] == nil {
				meta[k] = sub(old, "metadata")[k]
			}
		}
	}
	complete(r, o)
	return s.put(r, "", o), nil
}

func (s *store) remove(r resource, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.collection(r).objects[key]
	if o == nil {
		return false
	}
	s.put(r, "DELETED", clone(o))
	return true
}

func (s *store) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted = s.rv
	for _, c := range s.all {
		c.dropped += len(c.history)
		c.history = nil
	}
}

func (s *store) setRV(rv uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv = rv
}

func (s *store) generate(nodes, pods int, scheduler string) {
	for i := range nodes {
		name := fmt.Sprintf("node-%d", i)
		s.apply(object{
			"apiVersion": "v1", "kind": "Node",
			"metadata": object{"name": name, "labels": object{
				"kubernetes.io/hostname":      name,
				"topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3),
			}},
			"spec": object{},
			"status": object{
				"capacity":    object{"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"},
				"allocatable": object{"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"},
				"conditions":  []any{object{"type": "Ready", "status": "True", "reason": "KubeletReady"}},
			},
		})
	}
	for i := range pods {
		s.apply(newPod("default", fmt.Sprintf("pod-%d", i), scheduler))
	}
}

func newPod(ns, name, scheduler string) object {
	return object{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"name": name, "namespace": ns, "labels": object{"app": "test"}},
		"spec": object{
			"schedulerName": scheduler,
			"restartPolicy": "Always",
			"containers": []any{object{
				"name": "c", "image": "registry.example/pause:1",
				"resources": object{"requests": object{"cpu": "100m", "memory": "64Mi"}},
			}},
		},
		"status": object{"phase": "Pending"},
	}
}

// listed returns matching objects in the order of their keys, and the version they are of.
func (s *store) listed(r resource, ns string, match func(object) bool) ([]object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collection(r)
	keys := slices.Collect(maps.Keys(c.objects))
	sort.Strings(keys)
	var out []object
	for _, k := range keys {
		if o := c.objects[k]; (ns == "" || str(o, "metadata", "namespace") == ns) && match(o) {
			out = append(out, o)
		}
	}
	return out, s.rv
}

// fieldMatcher understands a,b,c of path=value and path!=value, where a path may be absent ("").
func fieldMatcher(selector string) (func(object) bool, error) {
	type term struct {
		path  []string
		value string
		equal bool
	}
	var terms []term
	for _, t := range strings.Split(selector, ",") {
		if t == "" {
			continue
		}
		path, value, ok := strings.Cut(t, "!=")
		equal := false
		if !ok {
			path, value, ok = strings.Cut(t, "=")
			value = strings.TrimPrefix(value, "=")
			equal = true
		}
		if !ok {
			return nil, fmt.Errorf("invalid field selector %q", t)
		}
		terms = append(terms, term{strings.Split(path, "."), value, equal})
	}
	return func(o object) bool {
		for _, t := range terms {
			if (str(o, t.path...) == t.value) != t.equal {
				return false
			}
		}
		return true
	}, nil
}

// merge applies an RFC 7386 merge patch; lists of objects with a "type" (conditions) are merged by
// it, as a strategic merge does.
func merge(to, patch object) object {
	for k, v := range patch {
		if strings.HasPrefix(k, "$") {
			continue // directives of strategic merge patches
		}
		switch v := v.(type) {
		case nil:
			delete(to, k)
		case map[string]any:
			below := sub(to, k)
			if below == nil {
				below = object{}
			}
			to[k] = merge(below, v)
		case []any:
			if old, ok := to[k].([]any); ok && k == "conditions" {
				to[k] = mergeConditions(old, v)
			} else {
				to[k] = v
			}
		default:
			to[k] = v
		}
	}
	return to
}

func mergeConditions(old, patch []any) []any {
	out := cloneValue(old).([]any)
	for _, p := range patch {
		po, ok := p.(map[string]any)
		if !ok {
			continue
		}
		found := false
		for i, o := range out {
			if oo, ok := o.(map[string]any); ok && oo["type"] == po["type"] {
				out[i] = merge(oo, po)
				found = true
			}
		}
		if !found {
			out = append(out, po)
		}
	}
	return out
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
