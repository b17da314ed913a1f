// SPDX-License-Identifier: Apache-2.0

// Making nodes for kwok to play, and taking them away.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// nodeSpec describes nodes to make.
type nodeSpec struct {
	Count     int      `json:"count"`
	Prefix    string   `json:"prefix"`
	GPUs      int      `json:"gpus"`
	GPUModels []string `json:"gpuModels"` // given out in turn
	Zones     int      `json:"zones"`
	CPU       string   `json:"cpu"`
	Memory    string   `json:"memory"`
	Pods      int      `json:"pods"`
	Labels    []string `json:"labels"`
	Taints    []string `json:"taints"`
}

// gpuMemory is what the device plugin's feature discovery reports, in MiB, for
// the products we know; "model:MiB" gives that of any other.
var gpuMemory = map[string]int{
	"NVIDIA-A100-SXM4-40GB": 40960,
	"NVIDIA-A100-SXM4-80GB": 81920,
	"NVIDIA-A10":            23028,
	"NVIDIA-H100-80GB-HBM3": 81559,
	"NVIDIA-H200":           143771,
	"NVIDIA-B200":           183359,
	"NVIDIA-L4":             23034,
	"NVIDIA-L40S":           46068,
	"Tesla-T4":              15360,
	"Tesla-V100-SXM2-16GB":  16384,
	"Tesla-V100-SXM2-32GB":  32768,
	"Tesla-P100-PCIE-16GB":  16280,
}

const defaultGPU = "NVIDIA-A100-SXM4-80GB"

func parseModel(m string) (product string, memory int, err error) {
	product, mib, given := strings.Cut(m, ":")
	if product == "" {
		return "", 0, errors.New("a GPU model has no name")
	}
	if !given {
		return product, gpuMemory[product], nil
	}
	memory, err = strconv.Atoi(mib)
	if err != nil || memory <= 0 {
		return "", 0, fmt.Errorf("%q: the memory after the colon is a number of MiB", m)
	}
	return product, memory, nil
}

func (n nodeSpec) check() error {
	if n.Count < 0 || n.GPUs < 0 || n.Pods < 1 || n.Zones < 1 {
		return errors.New("--nodes and --gpus cannot be negative, --node-pods and --zones are at least 1")
	}
	if n.Count > 100000 {
		return errors.New("more than 100000 nodes are too many")
	}
	for _, m := range n.GPUModels {
		if _, _, err := parseModel(m); err != nil {
			return err
		}
	}
	for _, l := range n.Labels {
		if !strings.Contains(l, "=") {
			return fmt.Errorf("label %q: want key=value", l)
		}
	}
	for _, t := range n.Taints {
		if _, err := parseTaint(t); err != nil {
			return err
		}
	}
	return nil
}

type object = map[string]any

func parseTaint(t string) (object, error) {
	kv, effect, ok := cutLast(t, ":")
	if !ok || effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute" {
		return nil, fmt.Errorf("taint %q: want key[=value]:NoSchedule, PreferNoSchedule or NoExecute", t)
	}
	key, value, _ := strings.Cut(kv, "=")
	return object{"key": key, "value": value, "effect": effect}, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// node makes the i-th node's object.
func (n nodeSpec) node(i int) object {
	name := fmt.Sprintf("%s%05d", n.Prefix, i)
	labels := object{
		"kubernetes.io/hostname":        name,
		"kubernetes.io/os":              "linux",
		"kubernetes.io/arch":            "amd64",
		"beta.kubernetes.io/os":         "linux",
		"beta.kubernetes.io/arch":       "amd64",
		"topology.kubernetes.io/region": "region-0",
		"topology.kubernetes.io/zone":   fmt.Sprintf("zone-%d", i%n.Zones),
		kwokLabel:                       "kwok",
	}
	size := object{
		"cpu":               n.CPU,
		"memory":            n.Memory,
		"ephemeral-storage": "1Ti",
		"pods":              strconv.Itoa(n.Pods),
	}
	if n.GPUs > 0 {
		models := n.GPUModels
		if len(models) == 0 {
			models = []string{defaultGPU}
		}
		// Zones and models would go hand in hand if both counted nodes.
		product, memory, _ := parseModel(models[i/n.Zones%len(models)])
		labels["nvidia.com/gpu.present"] = "true"
		labels["nvidia.com/gpu.product"] = product
		labels["nvidia.com/gpu.count"] = strconv.Itoa(n.GPUs)
		if memory > 0 {
			labels["nvidia.com/gpu.memory"] = strconv.Itoa(memory)
		}
		size["nvidia.com/gpu"] = strconv.Itoa(n.GPUs)
	}
	for _, l := range n.Labels {
		k, v, _ := strings.Cut(l, "=")
		labels[k] = v
	}
	var taints []object
	for _, t := range n.Taints {
		o, _ := parseTaint(t)
		taints = append(taints, o)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(kind, status, reason string) object {
		return object{"type": kind, "status": status, "reason": reason, "message": "kwok plays this node",
			"lastHeartbeatTime": now, "lastTransitionTime": now}
	}
	return object{
		"apiVersion": "v1",
		"kind":       "Node",
		"metadata": object{
			"name":        name,
			"labels":      labels,
			"annotations": object{"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
		},
		"spec": object{"taints": taints},
		"status": object{
			"capacity":    size,
			"allocatable": size,
			"addresses": []object{
				{"type": "InternalIP", "address": fmt.Sprintf("10.%d.%d.%d", 200+(i+1)>>16, (i+1)>>8&255, (i+1)&255)},
				{"type": "Hostname", "address": name},
			},
			// What kwok's node-initialize would set: thousands of writes less.
			"phase": "Running",
			"conditions": []object{
				condition("Ready", "True", "KubeletReady"),
				condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
				condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
				condition("PIDPressure", "False", "KubeletHasSufficientPID"),
				condition("NetworkUnavailable", "False", "RouteCreated"),
			},
			"nodeInfo": object{
				"architecture": "amd64", "operatingSystem": "linux", "osImage": "", "kernelVersion": "",
				"kubeletVersion": "kwok", "kubeProxyVersion": "", "containerRuntimeVersion": "kwok",
				"machineID": "", "systemUUID": "", "bootID": "",
			},
		},
	}
}

// nodeList is as much of a list of nodes as we look at.
type nodeList struct {
	Items []struct {
		Metadata struct {
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec struct {
			Taints []struct {
				Key string `json:"key"`
			} `json:"taints"`
		} `json:"spec"`
		Status struct {
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
		} `json:"status"`
	} `json:"items"`
}

const notReadyTaint = "node.kubernetes.io/not-ready"

const mergePatch = "application/merge-patch+json"

// firstFree is the number after the highest that a name with the prefix has.
func firstFree(names []string, prefix string) int {
	first := 0
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if i, err := strconv.Atoi(rest); err == nil && i >= first {
				first = i + 1
			}
		}
	}
	return first
}

func (k *kube) nodeNames(ctx context.Context) ([]string, error) {
	var l nodeList
	if err := k.do(ctx, "GET", "/api/v1/nodes?labelSelector="+url.QueryEscape(kwokLabel+"=kwok"), "", nil, &l); err != nil {
		return nil, err
	}
	var names []string
	for _, n := range l.Items {
		names = append(names, n.Metadata.Name)
	}
	return names, nil
}

// makeNodes makes the nodes and returns the first one's number.
func (s *state) makeNodes(ctx context.Context, k *kube, n nodeSpec) (first int, err error) {
	names, err := k.nodeNames(ctx)
	if err != nil {
		return 0, err
	}
	first = firstFree(names, n.Prefix)
	begin := time.Now()
	say("making %d nodes", n.Count)
	// Admission taints a new node as not ready, and the node lifecycle
	// controller takes that away again. Where it does not run, or not yet, we do.
	untaint := !s.has("kube-controller-manager")
	var made atomic.Int64
	stop := every(5*time.Second, func() { say("made %d of %d nodes", made.Load(), n.Count) })
	defer stop()
	if err := each(ctx, n.Count, 32, func(ctx context.Context, i int) error {
		o := n.node(first + i)
		if err := k.do(ctx, "POST", "/api/v1/nodes", "", o, nil); err != nil && !isCode(err, 409) {
			return err
		}
		if untaint {
			path := "/api/v1/nodes/" + o["metadata"].(object)["name"].(string)
			if err := k.do(ctx, "PATCH", path, mergePatch, object{"spec": o["spec"]}, nil); err != nil {
				return err
			}
		}
		made.Add(1)
		return nil
	}); err != nil {
		return first, err
	}
	say("made %d nodes in %.1f s", n.Count, time.Since(begin).Seconds())
	return first, nil
}

// awaitNodes waits until every node is ready and has a lease, which shows that
// kwok looks after it.
func (s *state) awaitNodes(ctx context.Context, k *kube, n nodeSpec, first int) error {
	limit := time.Minute + time.Duration(n.Count)*50*time.Millisecond
	if err := s.wait(ctx, "the nodes' leases", limit, func() error {
		have, err := k.leases(ctx, n.Prefix, first)
		if err == nil && have < n.Count {
			err = fmt.Errorf("%d of %d", have, n.Count)
		}
		return err
	}); err != nil {
		return err
	}
	return s.wait(ctx, "the nodes to be ready", limit, func() error {
		ready, err := k.readyNodes(ctx, n.Prefix, first)
		if err == nil && ready < n.Count {
			err = fmt.Errorf("%d of %d", ready, n.Count)
		}
		return err
	})
}

// numbered says whether the name is one of a batch's.
func numbered(name, prefix string, first int) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	i, err := strconv.Atoi(rest)
	return err == nil && i >= first
}

func (k *kube) leases(ctx context.Context, prefix string, first int) (have int, err error) {
	var l struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	err = k.do(ctx, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?resourceVersion=0", "", nil, &l)
	for _, i := range l.Items {
		if numbered(i.Metadata.Name, prefix, first) {
			have++
		}
	}
	return have, err
}

func (k *kube) readyNodes(ctx context.Context, prefix string, first int) (ready int, err error) {
	var l nodeList
	if err := k.do(ctx, "GET", "/api/v1/nodes?resourceVersion=0&labelSelector="+url.QueryEscape(kwokLabel+"=kwok"), "", nil, &l); err != nil {
		return 0, err
	}
next:
	for _, n := range l.Items {
		if !numbered(n.Metadata.Name, prefix, first) {
			continue
		}
		for _, t := range n.Spec.Taints {
			if t.Key == notReadyTaint {
				continue next
			}
		}
		for _, c := range n.Status.Conditions {
			if c.Type == "Ready" && c.Status == "True" {
				ready++
			}
		}
	}
	return ready, nil
}

// nodesAdd is the command: it starts kwok too, where up had no reason to.
func nodesAdd(ctx context.Context, cluster string, n nodeSpec) error {
	s, err := mustLoad(cluster)
	if err != nil {
		return err
	}
	k, err := newKube(s.Dir, s.Server)
	if err != nil {
		return err
	}
	if err := s.ensureKwok(ctx); err != nil {
		return err
	}
	first, err := s.makeNodes(ctx, k, n)
	if err != nil {
		return err
	}
	return s.awaitNodes(ctx, k, n, first)
}

func (s *state) ensureKwok(ctx context.Context) error {
	if s.has("kwok") || s.Options.Kwok == "false" {
		return nil
	}
	bins, err := build(ctx, "kwok")
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, "state", nil)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := load(s.Name)
	if err != nil || now == nil {
		return errors.Join(err, errors.New("the cluster is gone"))
	}
	*s = *now
	if s.has("kwok") {
		return nil
	}
	// It has to outlive this command, whoever holds the rest.
	foreground := s.Options.Foreground
	s.Options.Foreground = false
	err = s.startKwok(ctx, bins["kwok"])
	s.Options.Foreground = foreground
	return errors.Join(err, s.save())
}

// nodesDelete deletes the named nodes, those with a prefix, or all of kwok's.
func nodesDelete(ctx context.Context, cluster, prefix string, all bool, names []string) error {
	s, err := mustLoad(cluster)
	if err != nil {
		return err
	}
	k, err := newKube(s.Dir, s.Server)
	if err != nil {
		return err
	}
	if all || prefix != "" {
		have, err := k.nodeNames(ctx)
		if err != nil {
			return err
		}
		for _, n := range have {
			if all || strings.HasPrefix(n, prefix) {
				names = append(names, n)
			}
		}
	}
	if err := each(ctx, len(names), 32, func(ctx context.Context, i int) error {
		err := k.do(ctx, "DELETE", "/api/v1/nodes/"+names[i], "", nil, nil)
		if isCode(err, 404) {
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	say("deleted %d nodes", len(names))
	return nil
}

// nodesHeartbeat stops the heartbeats of nodes, or lets them go on.
func nodesHeartbeat(ctx context.Context, cluster string, stop bool, names []string) error {
	s, err := mustLoad(cluster)
	if err != nil {
		return err
	}
	k, err := newKube(s.Dir, s.Server)
	if err != nil {
		return err
	}
	var value any
	if stop {
		value = "stopped"
	}
	for _, name := range names {
		patch := object{"metadata": object{"labels": object{heartbeatLabel: value}}}
		if err := k.do(ctx, "PATCH", "/api/v1/nodes/"+name, mergePatch, patch, nil); err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	if stop {
		grace := s.Options.LeaseSeconds + 10
		say("no more heartbeats from %s: unreachable in about %d s", strings.Join(names, ", "), grace)
	}
	return nil
}
