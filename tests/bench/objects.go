// SPDX-License-Identifier: Apache-2.0

// The nodes and pods of the benchmark.
package main

import (
	"fmt"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	namespace  = "default"
	nodePrefix = "node-"
	gpu        = v1.ResourceName("nvidia.com/gpu")
)

func nodeName(i int) string { return fmt.Sprintf("%s%05d", nodePrefix, i) }

// node is the i-th node: 64 cores and 512 GiB, and every fifth has 8 GPUs.
func node(i int) *v1.Node {
	size := v1.ResourceList{
		v1.ResourceCPU:              resource.MustParse("64"),
		v1.ResourceMemory:           resource.MustParse("512Gi"),
		v1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		v1.ResourcePods:             resource.MustParse("110"),
	}
	labels := map[string]string{
		"kubernetes.io/hostname":        nodeName(i),
		"kubernetes.io/os":              "linux",
		"kubernetes.io/arch":            "amd64",
		"topology.kubernetes.io/region": "region-0",
		"topology.kubernetes.io/zone":   fmt.Sprintf("zone-%d", i%3),
	}
	if i%5 == 0 {
		size[gpu] = resource.MustParse("8")
		labels["nvidia.com/gpu.present"] = "true"
		labels["nvidia.com/gpu.count"] = "8"
		labels["nvidia.com/gpu.product"] = "NVIDIA-A100-SXM4-80GB"
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), Labels: labels},
		Status: v1.NodeStatus{
			Capacity:    size,
			Allocatable: size,
			Conditions: []v1.NodeCondition{
				{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady"},
				{Type: v1.NodeMemoryPressure, Status: v1.ConditionFalse, Reason: "KubeletHasSufficientMemory"},
				{Type: v1.NodeDiskPressure, Status: v1.ConditionFalse, Reason: "KubeletHasNoDiskPressure"},
				{Type: v1.NodePIDPressure, Status: v1.ConditionFalse, Reason: "KubeletHasSufficientPID"},
			},
			Addresses: []v1.NodeAddress{
				{Type: v1.NodeInternalIP, Address: fmt.Sprintf("10.200.%d.%d", i>>8&255, i&255)},
				{Type: v1.NodeHostName, Address: nodeName(i)},
			},
			NodeInfo: v1.NodeSystemInfo{Architecture: "amd64", OperatingSystem: "linux", KubeletVersion: "v1.37.2"},
		},
	}
}

// shape is a kind of workload: the pods that are measured, and what is around them.
type shape struct {
	name string
	what string // for the reader
	pods int
	size func(i int) v1.ResourceList
	perf *perf // one of upstream's scheduler_perf
}

func resources(cpu, memory string, gpus int) v1.ResourceList {
	l := v1.ResourceList{
		v1.ResourceCPU:    resource.MustParse(cpu),
		v1.ResourceMemory: resource.MustParse(memory),
	}
	if gpus > 0 {
		l[gpu] = resource.MustParse(strconv.Itoa(gpus))
	}
	return l
}

var basicSize = resources("100m", "500Mi", 0)

// mixedSizes has one row for each pod in twenty. At 3,000 pods on 5,000 nodes
// every order and every placement leaves room for the rest: 2,850 GPUs are asked
// for, at most 4 by one pod, of 8,000, so that no scheduler can paint itself into
// a corner and the time measures work, not waiting.
var mixedSizes = func() (rows []v1.ResourceList) {
	for _, r := range []struct {
		times, gpus int
		cpu, memory string
	}{
		{4, 0, "500m", "1Gi"},
		{4, 0, "2", "4Gi"},
		{2, 0, "4", "16Gi"},
		{5, 1, "4", "16Gi"},
		{3, 2, "8", "32Gi"},
		{2, 4, "16", "64Gi"},
	} {
		for range r.times {
			rows = append(rows, resources(r.cpu, r.memory, r.gpus))
		}
	}
	return rows
}()

var shapes = []shape{
	{name: "basic", what: "100m CPU and 500Mi each", pods: 5000, size: basicPods},
	// 7 is prime to 20: neighbours differ.
	{name: "mixed", what: "half CPU only, half with 1, 2 or 4 GPUs", pods: 3000, size: func(i int) v1.ResourceList {
		return mixedSizes[i*7%len(mixedSizes)]
	}},
}

func basicPods(int) v1.ResourceList { return basicSize }

// make is the i-th pod that is measured.
func (sh shape) make(run string, i int, contender string) *v1.Pod {
	p := pod(run, i, schedulerName(contender), "", sh.size(i))
	if sh.perf != nil && sh.perf.pod != nil {
		sh.perf.pod(p, run, i)
	}
	return p
}

// pod is the i-th pod of a run. With a node's name it is bound from the start.
func pod(run string, i int, schedulerName, node string, size v1.ResourceList) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:      run + "-" + strconv.Itoa(i),
			Namespace: namespace,
			Labels:    map[string]string{"app": "bench", "run": run},
		},
		Spec: v1.PodSpec{
			SchedulerName: schedulerName,
			NodeName:      node,
			Containers: []v1.Container{{
				Name:      "pause",
				Image:     "registry.k8s.io/pause:3.10.2",
				Ports:     []v1.ContainerPort{{ContainerPort: 80}},
				Resources: v1.ResourceRequirements{Requests: size, Limits: size},
			}},
		},
	}
}
