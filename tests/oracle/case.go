// SPDX-License-Identifier: Apache-2.0

// The shape of a case: a cluster, a pod, and what the plugins say of it. README.md
// describes every key.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Case is one line of a file.
type Case struct {
	ID         int             `json:"id"`
	Mix        string          `json:"mix,omitempty"`
	Namespaces []*v1.Namespace `json:"namespaces"`
	Nodes      []*v1.Node      `json:"nodes"`
	Pods       []*v1.Pod       `json:"pods"`
	Pod        *v1.Pod         `json:"pod"`

	NominatedPods          []*v1.Pod                       `json:"nominatedPods,omitempty"`
	Services               []*v1.Service                   `json:"services,omitempty"`
	ReplicationControllers []*v1.ReplicationController     `json:"replicationControllers,omitempty"`
	ReplicaSets            []*appsv1.ReplicaSet            `json:"replicaSets,omitempty"`
	StatefulSets           []*appsv1.StatefulSet           `json:"statefulSets,omitempty"`
	PDBs                   []*policyv1.PodDisruptionBudget `json:"podDisruptionBudgets,omitempty"`
	PVs                    []*v1.PersistentVolume          `json:"persistentVolumes,omitempty"`
	PVCs                   []*v1.PersistentVolumeClaim     `json:"persistentVolumeClaims,omitempty"`
	StorageClasses         []*storagev1.StorageClass       `json:"storageClasses,omitempty"`
	CSINodes               []*storagev1.CSINode            `json:"csiNodes,omitempty"`
	CSIDrivers             []*storagev1.CSIDriver          `json:"csiDrivers,omitempty"`
	CSICapacities          []*storagev1.CSIStorageCapacity `json:"csiStorageCapacities,omitempty"`
	ResourceSlices         []*resourcev1.ResourceSlice     `json:"resourceSlices,omitempty"`
	DeviceClasses          []*resourcev1.DeviceClass       `json:"deviceClasses,omitempty"`
	ResourceClaims         []*resourcev1.ResourceClaim     `json:"resourceClaims,omitempty"`

	Plugins   map[string]*PluginSays `json:"plugins"`
	Framework *FrameworkSays         `json:"framework"`

	Volumes     map[string]*NodeVolumes    `json:"volumes,omitempty"`
	Allocations map[string]NodeAllocations `json:"allocations,omitempty"`
	Preemption  *Preemption                `json:"preemption,omitempty"`
}

// isCore tells a case of the first shape, which says nothing of preemption.
func (c *Case) isCore() bool { return c.Mix == "" }

// Status is a verdict: code, who gave it (in the framework's part), and why.
type Status struct {
	Code    string   `json:"code"`
	Plugin  string   `json:"plugin,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// PluginSays is one plugin run alone.
type PluginSays struct {
	PreFilter      *Status            `json:"preFilter,omitempty"`
	PreFilterNodes []string           `json:"preFilterNodes,omitempty"`
	Filter         map[string]*Status `json:"filter,omitempty"`
	PreScore       *Status            `json:"preScore,omitempty"`
	Raw            map[string]int64   `json:"raw,omitempty"`
	Norm           map[string]int64   `json:"norm,omitempty"`
}

// FrameworkSays is the whole default profile.
type FrameworkSays struct {
	PreFilter   *Status            `json:"preFilter"`
	Filter      map[string]*Status `json:"filter,omitempty"`
	Feasible    []string           `json:"feasible"`
	Total       map[string]int64   `json:"total,omitempty"`
	Best        []string           `json:"best,omitempty"`
	ScoreError  string             `json:"scoreError,omitempty"`
	FilterError string             `json:"filterError,omitempty"`
	FitError    string             `json:"fitError,omitempty"`
}

// NodeVolumes is what VolumeBinding would do for the pod on a node.
type NodeVolumes struct {
	Bind      map[string]string `json:"bind,omitempty"`      // claim to volume
	Provision []string          `json:"provision,omitempty"` // claims
}

// NodeAllocations is what DynamicResources would allocate on a node, by claim.
type NodeAllocations map[string]*resourcev1.AllocationResult

// Preemption is what DefaultPreemption says of a pod that fits nowhere.
type Preemption struct {
	Eligible   bool                `json:"eligible"`
	Reason     string              `json:"reason,omitempty"`
	Candidates map[string]*Victims `json:"candidates,omitempty"`
	Rejected   map[string]*Status  `json:"rejected,omitempty"`
	Best       []string            `json:"best,omitempty"`
	Message    string              `json:"message,omitempty"`
}

// Victims of one node, most important first.
type Victims struct {
	Pods             []string `json:"pods"`
	NumPDBViolations int64    `json:"numPDBViolations"`
}

// kind ties a key of a case to the type that informers serve.
type kind struct {
	key    string
	object runtime.Object
}

var kinds = []kind{
	{"namespaces", &v1.Namespace{}},
	{"nodes", &v1.Node{}},
	{"pods", &v1.Pod{}},
	{"services", &v1.Service{}},
	{"replicationControllers", &v1.ReplicationController{}},
	{"replicaSets", &appsv1.ReplicaSet{}},
	{"statefulSets", &appsv1.StatefulSet{}},
	{"podDisruptionBudgets", &policyv1.PodDisruptionBudget{}},
	{"storageClasses", &storagev1.StorageClass{}},
	{"persistentVolumes", &v1.PersistentVolume{}},
	{"persistentVolumeClaims", &v1.PersistentVolumeClaim{}},
	{"csiNodes", &storagev1.CSINode{}},
	{"csiDrivers", &storagev1.CSIDriver{}},
	{"csiStorageCapacities", &storagev1.CSIStorageCapacity{}},
	{"volumeAttachments", &storagev1.VolumeAttachment{}},
	{"deviceClasses", &resourcev1.DeviceClass{}},
	{"resourceSlices", &resourcev1.ResourceSlice{}},
	{"resourceClaims", &resourcev1.ResourceClaim{}},
}

func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, o := range in {
		out[i] = o
	}
	return out
}

// objects gives the case's objects by the keys of kinds.
func (c *Case) objects() map[string][]any {
	pods := anys(c.Pods)
	pods = append(pods, c.Pod)
	pods = append(pods, anys(c.NominatedPods)...)
	return map[string][]any{
		"namespaces":             anys(c.Namespaces),
		"nodes":                  anys(c.Nodes),
		"pods":                   pods,
		"services":               anys(c.Services),
		"replicationControllers": anys(c.ReplicationControllers),
		"replicaSets":            anys(c.ReplicaSets),
		"statefulSets":           anys(c.StatefulSets),
		"podDisruptionBudgets":   anys(c.PDBs),
		"persistentVolumes":      anys(c.PVs),
		"persistentVolumeClaims": anys(c.PVCs),
		"storageClasses":         anys(c.StorageClasses),
		"csiNodes":               anys(c.CSINodes),
		"csiDrivers":             anys(c.CSIDrivers),
		"csiStorageCapacities":   anys(c.CSICapacities),
		"deviceClasses":          anys(c.DeviceClasses),
		"resourceSlices":         anys(c.ResourceSlices),
		"resourceClaims":         anys(c.ResourceClaims),
	}
}

// parseCase reads a line. A pod whose deletionTimestamp is there but null is
// terminating: Go prints a zero time like that, and reads it back as none.
func parseCase(line []byte) (*Case, error) {
	c := &Case{}
	if err := json.Unmarshal(line, c); err != nil {
		return nil, err
	}
	if !bytes.Contains(line, []byte(`"deletionTimestamp":null`)) {
		return c, nil
	}
	var raw struct {
		Pods []struct {
			Metadata map[string]json.RawMessage `json:"metadata"`
		} `json:"pods"`
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return nil, fmt.Errorf("again: %w", err)
	}
	for i, m := range raw.Pods {
		if v, ok := m.Metadata["deletionTimestamp"]; ok && string(v) == "null" {
			c.Pods[i].DeletionTimestamp = &metav1.Time{}
		}
	}
	return c, nil
}
