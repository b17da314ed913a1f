// SPDX-License-Identifier: Apache-2.0

// Command gen writes pods and nodes in both of their wire forms, and what upstream's own code says
// about them, for tests/unit/test_decode.c. The results are committed; run it again, from this
// folder, after a change: go run . ../../unit/data/objects
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	helpers "k8s.io/component-helpers/resource"
)

type object interface {
	Marshal() ([]byte, error)
}

var (
	dir  string
	want strings.Builder
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func write(name string, o object) {
	pb, err := o.Marshal()
	check(err)
	text, err := json.Marshal(o)
	check(err)
	check(os.WriteFile(filepath.Join(dir, name+".pb"), pb, 0o644))
	check(os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644))
}

func units(name v1.ResourceName, q resource.Quantity) int64 {
	if name == v1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

func wantAmounts(name, what string, list v1.ResourceList) {
	var lines []string
	for r, q := range list {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%d\n", name, what, r, units(r, q)))
	}
	sort.Strings(lines)
	want.WriteString(strings.Join(lines, ""))
}

func writePod(name string, p *v1.Pod) {
	p.APIVersion, p.Kind = "v1", "Pod"
	name = "pod-" + name
	write(name, p)
	wantAmounts(name, "requests", helpers.PodRequests(p, helpers.PodResourcesOptions{
		UseStatusResources: true,
		InPlacePodLevelResourcesVerticalScalingEnabled: true,
	}))
	fmt.Fprintf(&want, "%s\ttext\tname\t%s\n", name, p.Name)
	fmt.Fprintf(&want, "%s\ttext\tuid\t%s\n", name, p.UID)
	if !p.CreationTimestamp.IsZero() {
		fmt.Fprintf(&want, "%s\tcreated\t-\t%d\n", name, p.CreationTimestamp.Unix())
	}
}

func writeNode(name string, n *v1.Node) {
	n.APIVersion, n.Kind = "v1", "Node"
	name = "node-" + name
	write(name, n)
	wantAmounts(name, "allocatable", n.Status.Allocatable)
	wantAmounts(name, "capacity", n.Status.Capacity)
}

func ptr[T any](v T) *T { return &v }

func list(pairs ...string) v1.ResourceList {
	l := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func at(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0).UTC()) }

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: "default", UID: types.UID("0b8c9d1e-" + name), ResourceVersion: "4711",
		CreationTimestamp: at(1790000000),
	}
}

func pod(name string) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: meta(name),
		Spec: v1.PodSpec{
			SchedulerName: "steelyard",
			Containers: []v1.Container{{
				Name: "main", Image: "registry.example/app:v1",
				Resources: v1.ResourceRequirements{Requests: list("cpu", "250m", "memory", "64Mi")},
			}},
		},
		Status: v1.PodStatus{Phase: v1.PodPending},
	}
}

func selector(pairs ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return s
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
	return metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: values}
}

func nodeExpression(key string, op v1.NodeSelectorOperator, values ...string) v1.NodeSelectorRequirement {
	return v1.NodeSelectorRequirement{Key: key, Operator: op, Values: values}
}

func term(topology string, s *metav1.LabelSelector) v1.PodAffinityTerm {
	return v1.PodAffinityTerm{TopologyKey: topology, LabelSelector: s}
}

func required(terms ...v1.PodAffinityTerm) *v1.Affinity {
	return &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: terms}}
}

func nodeAffinity(terms ...v1.NodeSelectorTerm) *v1.Affinity {
	return &v1.Affinity{NodeAffinity: &v1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: terms}}}
}

// What a running pod of a Deployment looks like, managedFields included.
func typical() *v1.Pod {
	p := pod("web-7d4b9c6f5d-x2x7k")
	p.Generation = 3
	p.GenerateName = "web-7d4b9c6f5d-"
	p.Labels = map[string]string{"app": "web", "pod-template-hash": "7d4b9c6f5d", "tier": "frontend"}
	p.Annotations = map[string]string{"prometheus.io/scrape": "true", "steelyard.dev/gang": "none"}
	p.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-7d4b9c6f5d", UID: "77aa", Controller: ptr(true),
		BlockOwnerDeletion: ptr(true)}}
	fields := func(text string) *metav1.FieldsV1 { return &metav1.FieldsV1{Raw: []byte(text)} }
	p.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "kube-controller-manager", Operation: "Update", APIVersion: "v1", Time: ptr(at(1790000000)),
			FieldsType: "FieldsV1", FieldsV1: fields(`{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:tier":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"77aa\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{".":{},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}`)},
		{Manager: "kubelet", Operation: "Update", APIVersion: "v1", Time: ptr(at(1790000003)), Subresource: "status",
			FieldsType: "FieldsV1", FieldsV1: fields(`{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{},"f:startTime":{}}}`)},
	}
	p.Spec.NodeName = "node-17"
	p.Spec.Priority = ptr(int32(1000))
	p.Spec.PreemptionPolicy = ptr(v1.PreemptLowerPriority)
	p.Spec.ServiceAccountName = "default"
	p.Spec.Volumes = []v1.Volume{{Name: "kube-api-access-abcde", VolumeSource: v1.VolumeSource{
		Projected: &v1.ProjectedVolumeSource{DefaultMode: ptr(int32(420)), Sources: []v1.VolumeProjection{
			{ServiceAccountToken: &v1.ServiceAccountTokenProjection{ExpirationSeconds: ptr(int64(3607)), Path: "token"}}}}}}}
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "kube-api-access-abcde", ReadOnly: true,
		MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
	p.Spec.Tolerations = []v1.Toleration{
		{Key: "node.kubernetes.io/not-ready", Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300))},
		{Key: "node.kubernetes.io/unreachable", Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: ptr(int64(300))}}
	p.Status = v1.PodStatus{
		Phase: v1.PodRunning, HostIP: "10.0.0.17", PodIP: "10.1.2.3", QOSClass: v1.PodQOSBurstable,
		StartTime: ptr(at(1790000001)),
		Conditions: []v1.PodCondition{
			{Type: v1.PodInitialized, Status: v1.ConditionTrue, LastTransitionTime: at(1790000001)},
			{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: at(1790000003)},
			{Type: v1.ContainersReady, Status: v1.ConditionTrue, LastTransitionTime: at(1790000003)},
			{Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: at(1790000000)}},
		ContainerStatuses: []v1.ContainerStatus{{
			Name: "main", Ready: true, Image: "registry.example/app:v1", ImageID: "registry.example/app@sha256:0123",
			ContainerID: "containerd://89ab", Started: ptr(true),
			State:              v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: at(1790000002)}},
			AllocatedResources: list("cpu", "250m", "memory", "64Mi"),
			Resources:          &v1.ResourceRequirements{Requests: list("cpu", "250m", "memory", "64Mi")}}},
	}
	return p
}

func pods() {
	writePod("empty", &v1.Pod{})
	writePod("plain", pod("plain"))
	writePod("typical", typical())

	p := pod("")
	p.Namespace, p.UID, p.ResourceVersion = "", "", ""
	p.CreationTimestamp = metav1.Time{}
	writePod("no-identity", p)

	p = pod("ünïcødé-名前")
	p.Labels = map[string]string{"ключ": "значение", "emoji": "🐙", "escapes": "a\"b\\c\n\t\u0001<>&\u2028", "empty": ""}
	p.Annotations = map[string]string{"steelyard.dev/gang": "große\u0000Gruppe", "other": "dropped"}
	writePod("unicode", p)

	p = pod("quantities")
	p.Spec.Containers[0].Resources.Requests = list("cpu", "1e3", "memory", "1.5Gi", "ephemeral-storage", "10e6",
		"hugepages-2Mi", "6Mi", "example.com/a", "3", "example.com/big", "9Ei", "nvidia.com/gpu", "8")
	writePod("quantities", p)

	p = pod("quantities-odd")
	p.Spec.Containers[0].Resources.Requests = list("cpu", "100", "memory", "123456789123", "ephemeral-storage", "1k",
		"example.com/zero", "0", "example.com/negative", "-5", "example.com/nano", "3000000000n")
	writePod("quantities-odd", p)

	p = pod("init")
	p.Spec.InitContainers = []v1.Container{
		{Name: "i1", Image: "init", Resources: v1.ResourceRequirements{Requests: list("cpu", "2", "memory", "16Mi")}},
		{Name: "side", Image: "mesh/proxy", RestartPolicy: ptr(v1.ContainerRestartPolicyAlways),
			Ports:     []v1.ContainerPort{{HostPort: 15001, ContainerPort: 15001}},
			Resources: v1.ResourceRequirements{Requests: list("cpu", "100m", "memory", "128Mi")}},
		{Name: "i2", Ports: []v1.ContainerPort{{HostPort: 99, ContainerPort: 99}},
			Resources: v1.ResourceRequirements{Requests: list("cpu", "300m", "memory", "1Gi")}}}
	writePod("init", p)

	p = pod("overhead")
	p.Spec.Overhead = list("cpu", "250m", "memory", "120Mi")
	writePod("overhead", p)

	p = pod("pod-level")
	p.Spec.Resources = &v1.ResourceRequirements{Requests: list("cpu", "3", "hugepages-1Gi", "2Gi", "example.com/ignored", "1"),
		Limits: list("cpu", "4")}
	writePod("pod-level", p)

	p = pod("pod-level-empty")
	p.Spec.Resources = &v1.ResourceRequirements{}
	writePod("pod-level-empty", p)

	p = pod("pod-level-status")
	p.Spec.Resources = &v1.ResourceRequirements{Requests: list("cpu", "3")}
	p.Status.Resources = &v1.ResourceRequirements{Requests: list("cpu", "5", "memory", "1Gi")}
	p.Status.AllocatedResources = list("cpu", "4", "memory", "1Gi")
	writePod("pod-level-status", p)

	resized := func() *v1.Pod {
		p := pod("resize")
		p.Spec.NodeName = "node-1"
		p.Spec.Containers[0].Resources.Requests = list("cpu", "4", "memory", "1Gi")
		p.Status.ContainerStatuses = []v1.ContainerStatus{
			{Name: "other", AllocatedResources: list("cpu", "64")},
			{Name: "main", AllocatedResources: list("cpu", "1", "memory", "1Gi"),
				Resources: &v1.ResourceRequirements{Requests: list("cpu", "2", "memory", "512Mi")}}}
		return p
	}
	p = resized()
	writePod("resize", p)
	p = resized()
	p.Status.Conditions = []v1.PodCondition{{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: v1.PodReasonInfeasible}}
	writePod("resize-infeasible", p)
	p = resized()
	p.Status.Conditions = []v1.PodCondition{
		{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: v1.PodReasonDeferred},
		{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: v1.PodReasonInfeasible}}
	writePod("resize-deferred", p)

	p = pod("selectors-nil")
	p.Spec.Affinity = required(term("zone", nil))
	writePod("selector-nil", p)
	p = pod("selectors-empty")
	p.Spec.Affinity = required(term("zone", &metav1.LabelSelector{}))
	writePod("selector-empty", p)
	p = pod("namespaces")
	t := term("zone", selector("app", "a"))
	t.Namespaces = []string{"b", "a", "b", ""}
	t2 := term("zone", selector("app", "a"))
	t2.NamespaceSelector = &metav1.LabelSelector{}
	t3 := term("zone", selector("app", "a"))
	t3.NamespaceSelector = selector("team", "x")
	t3.MatchLabelKeys, t3.MismatchLabelKeys = []string{"k"}, []string{"m"}
	p.Spec.Affinity = required(t, t2, t3, v1.PodAffinityTerm{})
	writePod("namespaces", p)

	p = pod("selectors")
	s := selector("b", "2", "a", "1", "long", strings.Repeat("x", 63))
	s.MatchExpressions = []metav1.LabelSelectorRequirement{
		expression("z", metav1.LabelSelectorOpNotIn, "3", "1", "2", "1"),
		expression("a", metav1.LabelSelectorOpExists),
		expression("a", metav1.LabelSelectorOpIn, "2", "1"),
		expression("a", metav1.LabelSelectorOpIn, "1"),
		expression("example.com/q", metav1.LabelSelectorOpDoesNotExist)}
	p.Spec.Affinity = &v1.Affinity{
		PodAffinity: &v1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{term("host", s)},
			PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{
				{Weight: 100, PodAffinityTerm: term("zone", selector("x", "y"))}, {}}},
		PodAntiAffinity: &v1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{
				{Weight: -7, PodAffinityTerm: term("", nil)}}}}
	writePod("selectors", p)

	for name, bad := range map[string]metav1.LabelSelectorRequirement{
		"op":      expression("a", "Near", "1"),
		"gt":      expression("a", "Gt", "1"),
		"none":    expression("a", metav1.LabelSelectorOpIn),
		"extra":   expression("a", metav1.LabelSelectorOpExists, "v"),
		"key":     expression("-a", metav1.LabelSelectorOpExists),
		"value":   expression("a", metav1.LabelSelectorOpIn, "no spaces please"),
		"nothing": {},
	} {
		p = pod("bad-" + name)
		s := selector("good", "one")
		s.MatchExpressions = []metav1.LabelSelectorRequirement{bad}
		p.Spec.Affinity = required(term("zone", s))
		writePod("selector-bad-"+name, p)
	}

	p = pod("affinity-empty")
	p.Spec.Affinity = &v1.Affinity{}
	writePod("affinity-empty", p)
	p = pod("affinity-empties")
	p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{}, PodAffinity: &v1.PodAffinity{}, PodAntiAffinity: &v1.PodAntiAffinity{}}
	writePod("affinity-empties", p)
	p = pod("node-affinity-none")
	p.Spec.Affinity = nodeAffinity()
	writePod("node-affinity-none", p)
	p = pod("node-affinity-empty-term")
	p.Spec.Affinity = nodeAffinity(v1.NodeSelectorTerm{})
	writePod("node-affinity-empty-term", p)

	p = pod("node-affinity")
	p.Spec.NodeSelector = map[string]string{"disk": "ssd", "arch": "amd64", "none": ""}
	p.Spec.Affinity = nodeAffinity(
		v1.NodeSelectorTerm{
			MatchExpressions: []v1.NodeSelectorRequirement{
				nodeExpression("zone", v1.NodeSelectorOpIn, "b", "a", "b"),
				nodeExpression("cores", v1.NodeSelectorOpGt, "16"),
				nodeExpression("cores", v1.NodeSelectorOpLt, "0064"),
				nodeExpression("gone", v1.NodeSelectorOpDoesNotExist),
				nodeExpression("disk", v1.NodeSelectorOpExists),
				nodeExpression("x", v1.NodeSelectorOpNotIn, "1")},
			MatchFields: []v1.NodeSelectorRequirement{nodeExpression("metadata.name", v1.NodeSelectorOpIn, "node-1")}},
		v1.NodeSelectorTerm{MatchFields: []v1.NodeSelectorRequirement{nodeExpression("metadata.name", v1.NodeSelectorOpNotIn, "node-2")}})
	p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.PreferredSchedulingTerm{
		{Weight: 1, Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{nodeExpression("gpu", v1.NodeSelectorOpExists)}}},
		{}}
	writePod("node-affinity", p)

	p = pod("node-affinity-odd")
	p.Spec.Affinity = nodeAffinity(v1.NodeSelectorTerm{
		MatchExpressions: []v1.NodeSelectorRequirement{
			nodeExpression("a", v1.NodeSelectorOpGt, "-5"), nodeExpression("a", v1.NodeSelectorOpGt, "+5"),
			nodeExpression("a", v1.NodeSelectorOpGt, "5", "5"), nodeExpression("a", v1.NodeSelectorOpLt, "99999999999999999999"),
			nodeExpression("a", v1.NodeSelectorOpLt), nodeExpression("a", v1.NodeSelectorOpNotIn), nodeExpression("a", "Near"),
			nodeExpression("", v1.NodeSelectorOpExists), nodeExpression("a", v1.NodeSelectorOpLt, "x")},
		MatchFields: []v1.NodeSelectorRequirement{
			nodeExpression("metadata.name", v1.NodeSelectorOpIn, "a", "a"), nodeExpression("metadata.name", v1.NodeSelectorOpExists),
			nodeExpression("metadata.name", v1.NodeSelectorOpIn, "not a label/value"), nodeExpression("other", v1.NodeSelectorOpNotIn, "")}})
	writePod("node-affinity-odd", p)

	p = pod("spread")
	p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
		{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selector("app", "web"), MinDomains: ptr(int32(3))},
		{MaxSkew: 2, TopologyKey: "host", WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{},
			NodeAffinityPolicy: ptr(v1.NodeInclusionPolicyIgnore), NodeTaintsPolicy: ptr(v1.NodeInclusionPolicyHonor),
			MatchLabelKeys: []string{"pod-template-hash", "app"}},
		{MaxSkew: 3, TopologyKey: "rack", WhenUnsatisfiable: v1.DoNotSchedule,
			NodeAffinityPolicy: ptr(v1.NodeInclusionPolicyHonor), NodeTaintsPolicy: ptr(v1.NodeInclusionPolicyIgnore)},
		{MaxSkew: 4, TopologyKey: "x", WhenUnsatisfiable: "Perhaps"},
		{}}
	writePod("spread", p)

	p = pod("tolerations")
	p.Spec.Tolerations = []v1.Toleration{
		{}, {Operator: v1.TolerationOpExists}, {Key: "a", Value: "1", Effect: v1.TaintEffectNoSchedule},
		{Key: "a", Operator: v1.TolerationOpEqual, Value: "2", Effect: v1.TaintEffectPreferNoSchedule},
		{Key: "n", Operator: "Gt", Value: "5"}, {Key: "n", Operator: "Lt", Value: "5", Effect: v1.TaintEffectNoExecute},
		{Key: "n", Operator: "Near"}, {Key: "n", Effect: "NoFun"}}
	writePod("tolerations", p)

	p = pod("ports")
	p.Spec.HostNetwork = true
	p.Spec.Containers[0].Ports = []v1.ContainerPort{
		{ContainerPort: 80}, {ContainerPort: 8080, HostPort: 8080}, {HostPort: 53, Protocol: v1.ProtocolUDP, HostIP: "10.0.0.1"},
		{HostPort: 9, Protocol: v1.ProtocolSCTP}, {HostPort: 10, Protocol: "tcp"}, {HostPort: -1}, {HostPort: 443, Protocol: v1.ProtocolTCP, HostIP: "::1"}}
	writePod("ports", p)

	p = pod("images")
	p.Spec.Containers = []v1.Container{{Image: "a"}, {Image: "host:5000/a"}, {Image: "host:5000/a:v2"}, {Image: ""}, {Image: "a@sha256:00"}, {Image: "a:v1"}, {Image: "a:v1"}}
	p.Spec.InitContainers = []v1.Container{{Image: "b/c"}}
	p.Spec.Volumes = []v1.Volume{{Name: "model", VolumeSource: v1.VolumeSource{Image: &v1.ImageVolumeSource{Reference: "models/llm"}}},
		{Name: "none", VolumeSource: v1.VolumeSource{Image: &v1.ImageVolumeSource{}}}}
	writePod("images", p)

	p = pod("volumes")
	p.Spec.Volumes = []v1.Volume{
		{Name: "nothing"},
		{Name: "c", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "data", ReadOnly: true}}},
		{Name: "scratch", VolumeSource: v1.VolumeSource{Ephemeral: &v1.EphemeralVolumeSource{VolumeClaimTemplate: &v1.PersistentVolumeClaimTemplate{}}}},
		{Name: "bare", VolumeSource: v1.VolumeSource{Ephemeral: &v1.EphemeralVolumeSource{}}},
		{Name: "i", VolumeSource: v1.VolumeSource{CSI: &v1.CSIVolumeSource{Driver: "csi.example", ReadOnly: ptr(true)}}},
		{Name: "i2", VolumeSource: v1.VolumeSource{CSI: &v1.CSIVolumeSource{Driver: "csi.example", ReadOnly: ptr(false)}}},
		{Name: "g", VolumeSource: v1.VolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: "pd", Partition: 2, ReadOnly: true}}},
		{Name: "e", VolumeSource: v1.VolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: "vol-1"}}},
		{Name: "s", VolumeSource: v1.VolumeSource{ISCSI: &v1.ISCSIVolumeSource{TargetPortal: "1.2.3.4:3260", IQN: "iqn.x", Lun: 7, ReadOnly: true}}},
		{Name: "r", VolumeSource: v1.VolumeSource{RBD: &v1.RBDVolumeSource{CephMonitors: []string{"m2", "m1", "m2"}, RBDImage: "img", RBDPool: "pool", ReadOnly: true}}},
		{Name: "h", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/"}}},
		{Name: "m", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "cm"}}}}}
	writePod("volumes", p)

	p = pod("claims")
	p.Spec.ResourceClaims = []v1.PodResourceClaim{{Name: "gpu", ResourceClaimName: ptr("shared")}, {Name: "nic", ResourceClaimTemplateName: ptr("tmpl")}, {}}
	p.Spec.Containers[0].Resources.Claims = []v1.ResourceClaim{{Name: "gpu"}}
	writePod("claims", p)

	p = pod("gates")
	p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "a"}, {Name: "b"}, {}}
	p.Spec.Priority = ptr(int32(-2147483648))
	p.Spec.PreemptionPolicy = ptr(v1.PreemptNever)
	writePod("gates", p)

	p = pod("group")
	p.Spec.SchedulingGroup = &v1.PodSchedulingGroup{PodGroupName: ptr("gang-1")}
	p.Spec.Priority = ptr(int32(2147483647))
	writePod("group", p)
	p = pod("group-empty")
	p.Spec.SchedulingGroup = &v1.PodSchedulingGroup{}
	writePod("group-empty", p)

	p = pod("deleting")
	p.DeletionTimestamp = ptr(at(1790000100))
	p.DeletionGracePeriodSeconds = ptr(int64(30))
	p.Finalizers = []string{"example.com/hold"}
	p.Status.Phase = v1.PodFailed
	writePod("deleting", p)

	p = pod("owners")
	p.OwnerReferences = []metav1.OwnerReference{
		{Kind: "ConfigMap", UID: "u1"}, {Kind: "Widget", UID: "u2", Controller: ptr(false)},
		{Kind: "Job", UID: "u3", Controller: ptr(true)}, {Kind: "Second", UID: "u4", Controller: ptr(true)}}
	writePod("owners", p)

	p = pod("conditions")
	p.Status = v1.PodStatus{Phase: v1.PodSucceeded, NominatedNodeName: "node-9", StartTime: ptr(at(-1)),
		Conditions: []v1.PodCondition{
			{Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available"},
			{Type: v1.PodScheduled, Status: v1.ConditionTrue, Reason: "Later"},
			{Type: v1.PodReady, Status: v1.ConditionUnknown}}}
	writePod("conditions", p)

	for i, phase := range []v1.PodPhase{"", v1.PodRunning, v1.PodUnknown, "Napping"} {
		p = pod(fmt.Sprintf("phase-%d", i))
		p.Status.Phase = phase
		p.Status.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: "Maybe"}, {Type: "PodScheduled"}}
		writePod(fmt.Sprintf("phase-%d", i), p)
	}

	p = pod("times")
	p.CreationTimestamp = metav1.NewTime(time.Date(1900, 2, 28, 23, 59, 59, 987654321, time.FixedZone("x", -5*3600)))
	p.Status.StartTime = ptr(metav1.NewTime(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)))
	p.DeletionTimestamp = ptr(metav1.NewTime(time.Date(2261, 12, 31, 23, 59, 59, 0, time.UTC)))
	writePod("times", p)

	p = pod("many-containers")
	p.Spec.Containers, p.Status.ContainerStatuses = nil, nil
	for i := 0; i < 40; i++ {
		name := fmt.Sprintf("c%d", i%38)
		p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: name, Resources: v1.ResourceRequirements{Requests: list("cpu", "10m")}})
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, v1.ContainerStatus{Name: fmt.Sprintf("c%d", (i*7)%38),
			AllocatedResources: list("cpu", fmt.Sprintf("%dm", i))})
	}
	writePod("many-containers", p)
}

func word(r *rand.Rand) string {
	return []string{"a", "b", "app", "tier", "zone", "example.com/x", "v1", "", "node-1", "web"}[r.Intn(10)]
}

func words(r *rand.Rand, max int) (w []string) {
	for n := r.Intn(max + 1); n > 0; n-- {
		w = append(w, word(r))
	}
	return
}

func wordMap(r *rand.Rand, max int) map[string]string {
	m := map[string]string{}
	for n := r.Intn(max + 1); n > 0; n-- {
		m[word(r)] = word(r)
	}
	return m
}

func amounts(r *rand.Rand) v1.ResourceList {
	l := v1.ResourceList{}
	for n := r.Intn(4); n > 0; n-- {
		name := []string{"cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "hugepages-2Mi", "example.com/x"}[r.Intn(6)]
		l[v1.ResourceName(name)] = resource.MustParse([]string{"1", "250m", "2Gi", "0", "1e3", "100M", "3k"}[r.Intn(7)])
		if name != "cpu" {
			l[v1.ResourceName(name)] = resource.MustParse([]string{"1", "2Gi", "0", "1e3", "100M", "3k"}[r.Intn(6)])
		}
	}
	return l
}

func randomSelector(r *rand.Rand) *metav1.LabelSelector {
	if r.Intn(4) == 0 {
		return nil
	}
	s := &metav1.LabelSelector{MatchLabels: wordMap(r, 3)}
	for n := r.Intn(3); n > 0; n-- {
		s.MatchExpressions = append(s.MatchExpressions, expression(word(r),
			[]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "?"}[r.Intn(5)], words(r, 3)...))
	}
	return s
}

func randomContainer(r *rand.Rand) v1.Container {
	c := v1.Container{Name: word(r), Image: word(r), Command: words(r, 3),
		Resources: v1.ResourceRequirements{Requests: amounts(r), Limits: amounts(r)},
		Env:       []v1.EnvVar{{Name: "A", Value: word(r)}}}
	if r.Intn(2) == 0 {
		c.RestartPolicy = ptr(v1.ContainerRestartPolicyAlways)
	}
	for n := r.Intn(3); n > 0; n-- {
		c.Ports = append(c.Ports, v1.ContainerPort{HostPort: int32(r.Intn(4)), ContainerPort: 1, Protocol: v1.Protocol([]string{"", "TCP", "UDP"}[r.Intn(3)])})
	}
	return c
}

func randomPod(r *rand.Rand, name string) *v1.Pod {
	p := pod(name)
	p.Labels, p.Annotations = wordMap(r, 6), wordMap(r, 3)
	p.Spec.NodeSelector, p.Spec.NodeName, p.Spec.Overhead = wordMap(r, 3), word(r), amounts(r)
	p.Spec.Containers = nil
	for n := r.Intn(4); n > 0; n-- {
		p.Spec.Containers = append(p.Spec.Containers, randomContainer(r))
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, v1.ContainerStatus{Name: word(r), AllocatedResources: amounts(r),
			Resources: &v1.ResourceRequirements{Requests: amounts(r)}})
	}
	for n := r.Intn(3); n > 0; n-- {
		p.Spec.InitContainers = append(p.Spec.InitContainers, randomContainer(r))
	}
	for n := r.Intn(3); n > 0; n-- {
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, v1.TopologySpreadConstraint{
			MaxSkew: int32(r.Intn(3)), TopologyKey: word(r), WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: randomSelector(r), MatchLabelKeys: words(r, 2)})
	}
	p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{}}
	for n := r.Intn(3); n > 0; n-- {
		t := term(word(r), randomSelector(r))
		t.Namespaces, t.NamespaceSelector = words(r, 3), randomSelector(r)
		p.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(
			p.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, v1.WeightedPodAffinityTerm{Weight: int32(r.Intn(100)), PodAffinityTerm: t})
	}
	return p
}

func node(name string) *v1.Node {
	n := &v1.Node{ObjectMeta: meta(name)}
	n.Namespace = ""
	n.Labels = map[string]string{"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "z1"}
	n.Status.Capacity = list("cpu", "32", "memory", "128Gi", "pods", "110", "ephemeral-storage", "200Gi", "nvidia.com/gpu", "8")
	n.Status.Allocatable = list("cpu", "31500m", "memory", "120Gi", "pods", "110", "ephemeral-storage", "180Gi", "nvidia.com/gpu", "8")
	n.Status.Conditions = []v1.NodeCondition{
		{Type: v1.NodeMemoryPressure, Status: v1.ConditionFalse, LastHeartbeatTime: at(1790000500), LastTransitionTime: at(1790000000)},
		{Type: v1.NodeReady, Status: v1.ConditionTrue, LastHeartbeatTime: at(1790000500), LastTransitionTime: at(1790000010)}}
	return n
}

func nodes() {
	writeNode("empty", &v1.Node{})
	writeNode("plain", node("node-1"))

	n := node("negative")
	n.Status.Allocatable = list("cpu", "-500m", "memory", "-1Gi", "example.com/x", "-3", "pods", "0")
	writeNode("negative", n)

	n = node("huge")
	n.Status.Allocatable = list("cpu", "9223372036854775", "memory", "9223372036854775807", "example.com/x", "7Ei", "example.com/n", "1500m", "example.com/u", "1u")
	writeNode("huge", n)

	n = node("taints")
	n.Spec.Unschedulable = true
	n.Spec.ProviderID = "kwok://taints"
	n.Spec.Taints = []v1.Taint{
		{Key: "b", Value: "1", Effect: v1.TaintEffectNoExecute, TimeAdded: ptr(at(1))}, {Key: "a", Effect: v1.TaintEffectNoSchedule},
		{Key: "c", Effect: v1.TaintEffectPreferNoSchedule}, {Key: "d", Effect: "NoFun"}, {}}
	writeNode("taints", n)

	n = node("images")
	n.Status.Images = []v1.ContainerImage{
		{Names: []string{"b@sha256:1", "b:v1"}, SizeBytes: 100}, {Names: []string{"a:v1", "b:v1"}, SizeBytes: 1 << 40}, {SizeBytes: 5}, {Names: []string{""}}}
	writeNode("images", n)

	n = node("not-ready")
	n.Status.Conditions[1].Status = v1.ConditionUnknown
	writeNode("not-ready", n)
	n = node("no-condition")
	n.Status.Conditions = nil
	writeNode("no-condition", n)
	n = node("ready-false")
	n.Status.Conditions = []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionFalse}, {Type: v1.NodeReady, Status: v1.ConditionTrue}}
	writeNode("ready-false", n)

	n = node("annotated")
	n.Annotations = map[string]string{"steelyard.dev/gang": "kept", "steelyard.dev/other": "", "x": "dropped"}
	n.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: "10.0.0.1"}}
	n.Status.NodeInfo = v1.NodeSystemInfo{KernelVersion: "6.1", KubeletVersion: "v1.37.2"}
	n.Status.VolumesInUse = []v1.UniqueVolumeName{"v"}
	writeNode("annotated", n)
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: gen FOLDER")
	}
	dir = os.Args[1]
	check(os.MkdirAll(dir, 0o755))
	pods()
	r := rand.New(rand.NewSource(1))
	for i := 0; i < 16; i++ {
		name := fmt.Sprintf("random-%02d", i)
		writePod(name, randomPod(r, name))
	}
	nodes()
	lines := strings.SplitAfter(want.String(), "\n")
	sort.Strings(lines)
	head := "# Written by tests/decode/gen: object, what, key, value as upstream computes them.\n"
	check(os.WriteFile(filepath.Join(dir, "want.tsv"), []byte(head+strings.Join(lines, "")), 0o644))
	dir = filepath.Join(filepath.Dir(dir), "storage")
	check(os.MkdirAll(dir, 0o755))
	volumes()
	claims()
	describing()
}
