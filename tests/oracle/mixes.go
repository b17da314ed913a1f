// SPDX-License-Identifier: Apache-2.0

// Mixes that go where chance seldom does: skewed spread, default spread, affinity
// that can be met, resources of pods and of resized containers, preemption.
package main

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/apis/apps"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// wideNodes are many and mostly fit.
var wideNodes = nodeKnobs{min: 3, max: 14, hostname: 97, zone: 93, taint: 6, unschedul: 3, roomy: 92, noEphemeral: 5, gpus: 10, images: 30}

// quietPod asks for little and has no opinions.
var quietPod = podKnobs{small: 100, ephemeral: 5, gpus: 2, ports: 3, initc: 8, tolerations: 15, nodeSelector: 3,
	overhead: 5, otherNamespace: 15, terminating: 6, podLevel: 8}

// with changes a copy of k.
func with(k podKnobs, change func(*podKnobs)) podKnobs {
	change(&k)
	return k
}

// crowd places pods: the first nodes get more than the last.
func (g *gen) crowd(lo, hi int, k podKnobs, touch func(*v1.Pod)) {
	for i := range g.between(lo, hi) {
		p := g.pod(fmt.Sprintf("e%d", i), k)
		if touch != nil {
			touch(p)
		}
		g.place(p, fmt.Sprintf("n%d", g.IntN(g.between(1, len(g.c.Nodes)))), k.terminating)
	}
}

// tag gives a pod the labels that selectors of these mixes look for.
func (g *gen) tag(p *v1.Pod) {
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	if g.chance(65) {
		p.Labels["app"] = "a"
	}
	if g.chance(50) {
		p.Labels["rev"] = pick(g, "1", "1", "2")
	}
}

// aimed is a selector that matches many of the tagged pods.
func (g *gen) aimed() *metav1.LabelSelector {
	switch g.IntN(10) {
	case 0:
		return g.selector()
	case 1:
		return &metav1.LabelSelector{}
	case 2, 3:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app",
			Operator: metav1.LabelSelectorOpIn, Values: []string{"a", pick(g, "b", "c")}}}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
}

// unmentioned leaves out keys of which the selector speaks already, as validation demands.
func unmentioned(keys []string, s *metav1.LabelSelector) []string {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		_, ok := s.MatchLabels[key]
		return ok || slices.ContainsFunc(s.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool { return e.Key == key })
	})
}

func (g *gen) spread() {
	g.namespaces()
	g.nodes(wideNodes)
	g.crowd(4, 32, with(quietPod, func(k *podKnobs) { k.spread, k.podAffinity = 5, 3 }), g.tag)
	byDefault := g.chance(35)
	k := with(quietPod, func(k *podKnobs) { k.tolerations, k.nodeSelector, k.nodeAffinity = 30, 12, 12 })
	p := g.incoming(k)
	p.Namespace = pick(g, "default", "default", "default", "ns1")
	if g.tag(p); g.chance(70) {
		p.Labels["app"] = "a"
	}
	if byDefault {
		g.controllers()
		if g.chance(60) {
			g.own(p)
		}
		return
	}
	for range 1 + g.times(40, 2) {
		t := g.spreadConstraint(podKnobs{matchKeys: 25})
		if t.LabelSelector != nil {
			t.LabelSelector = g.aimed()
		}
		t.MatchLabelKeys = unmentioned(t.MatchLabelKeys, t.LabelSelector)
		if t.TopologyKey == "disk" && g.chance(70) {
			t.TopologyKey = zone
		}
		if g.chance(25) {
			t.WhenUnsatisfiable = v1.DoNotSchedule
		}
		if t.WhenUnsatisfiable == v1.ScheduleAnyway {
			t.MinDomains = nil
		}
		// One key may be there once for each action.
		if !slices.ContainsFunc(p.Spec.TopologySpreadConstraints, func(o v1.TopologySpreadConstraint) bool {
			return o.TopologyKey == t.TopologyKey && o.WhenUnsatisfiable == t.WhenUnsatisfiable
		}) {
			p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, t)
		}
	}
	if g.chance(20) {
		g.controllers()
	}
}

// controllers are what the default spread constraints take their selectors from.
func (g *gen) controllers() {
	for i := range g.between(1, 3) {
		s := &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("svc%d", i), Namespace: pick(g, "default", "default", "ns1")},
			Spec: v1.ServiceSpec{ClusterIP: v1.ClusterIPNone, ClusterIPs: []string{v1.ClusterIPNone},
				Selector: map[string]string{"app": pick(g, "a", "a", "b")}}}
		switch g.IntN(6) {
		case 0:
			s.Spec.Selector["rev"] = pick(g, "1", "2")
		case 1:
			s.Spec.Selector = nil
		case 2:
			s.Spec.Selector = map[string]string{"tier": "x"}
		}
		g.c.Services = append(g.c.Services, s)
	}
}

func podTemplate(labels map[string]string) v1.PodTemplateSpec {
	return v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: v1.PodSpec{
		Containers: []v1.Container{{Name: "c", Image: "i", TerminationMessagePolicy: v1.TerminationMessageReadFile,
			ImagePullPolicy: v1.PullIfNotPresent}}}}
}

// own gives the pod a controller, whose selector default spread takes in.
func (g *gen) own(p *v1.Pod) {
	if len(p.Labels) == 0 {
		return
	}
	labels := maps.Clone(p.Labels)
	if len(labels) > 1 && g.chance(30) {
		delete(labels, "tier")
	}
	if len(labels) == 0 {
		return
	}
	kinds := []string{"ReplicaSet", "StatefulSet", "ReplicationController"}
	kind := pick(g, kinds...)
	meta := metav1.ObjectMeta{Name: "owner", Namespace: p.Namespace, UID: "owner"}
	version := "apps/v1"
	// One in ten is gone, or not seen yet.
	if !g.chance(10) {
		switch kind {
		case "ReplicaSet":
			o := &appsv1.ReplicaSet{ObjectMeta: meta}
			o.Spec.Selector, o.Spec.Template = &metav1.LabelSelector{MatchLabels: labels}, podTemplate(labels)
			if g.chance(30) {
				o.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app",
					Operator: metav1.LabelSelectorOpNotIn, Values: []string{"zzz"}}}}
			}
			g.c.ReplicaSets = append(g.c.ReplicaSets, o)
		case "StatefulSet":
			o := &appsv1.StatefulSet{ObjectMeta: meta}
			o.Spec.Selector, o.Spec.Template = &metav1.LabelSelector{MatchLabels: labels}, podTemplate(labels)
			g.c.StatefulSets = append(g.c.StatefulSets, o)
		default:
			o := &v1.ReplicationController{ObjectMeta: meta}
			o.Spec.Selector = labels
			t := podTemplate(labels)
			o.Spec.Template = &t
			g.c.ReplicationControllers = append(g.c.ReplicationControllers, o)
		}
	}
	if kind == "ReplicationController" {
		version = "v1"
	}
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: "owner", UID: "owner", Controller: ptr(true)}}
}

func (g *gen) affinity() {
	g.namespaces()
	g.nodes(wideNodes)
	terms := podKnobs{matchKeys: 15}
	term := func() v1.PodAffinityTerm {
		t := g.affinityTerm(terms)
		if t.LabelSelector != nil && len(t.MatchLabelKeys) == 0 && len(t.MismatchLabelKeys) == 0 && g.chance(60) {
			t.LabelSelector = g.aimed()
		}
		if g.chance(60) {
			t.TopologyKey = pick(g, zone, hostname)
		}
		t.MatchLabelKeys, t.MismatchLabelKeys = unmentioned(t.MatchLabelKeys, t.LabelSelector), unmentioned(t.MismatchLabelKeys, t.LabelSelector)
		return t
	}
	rare := func() v1.PodAffinityTerm {
		t := term()
		t.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(g, "b", "c"), "tier": pick(g, "x", "y")}}
		t.MatchLabelKeys, t.MismatchLabelKeys = nil, nil
		return t
	}
	draw := func(p *v1.Pod, required int) {
		a := &v1.Affinity{PodAffinity: &v1.PodAffinity{}, PodAntiAffinity: &v1.PodAntiAffinity{}}
		for range g.times(required, 2) {
			a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term())
		}
		for range g.times(required, 2) {
			t := term()
			if g.chance(60) {
				t = rare()
			}
			a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, t)
		}
		for range g.times(45, 3) {
			a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
				v1.WeightedPodAffinityTerm{Weight: int32(g.between(1, 100)), PodAffinityTerm: term()})
		}
		for range g.times(45, 3) {
			a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
				v1.WeightedPodAffinityTerm{Weight: int32(g.between(1, 100)), PodAffinityTerm: term()})
		}
		p.Spec.Affinity = a
	}
	g.crowd(3, 24, quietPod, func(p *v1.Pod) {
		if g.tag(p); g.chance(40) {
			draw(p, 30)
		}
	})
	p := g.incoming(quietPod)
	p.Namespace = pick(g, "default", "default", "ns1", "ns2")
	g.tag(p)
	draw(p, 45)
	if g.chance(25) {
		g.prefer(p)
	}
}

func (g *gen) resources() {
	g.namespaces()
	g.nodes(nodeKnobs{min: 2, max: 10, hostname: 100, zone: 50, taint: 2, roomy: 35, fewPods: 10, noEphemeral: 15, gpus: 50, images: 60})
	huge, foo := v1.ResourceName("hugepages-2Mi"), v1.ResourceName("example.com/foo")
	for _, n := range g.c.Nodes {
		if g.chance(40) {
			n.Status.Capacity[huge] = qty("1Gi")
			n.Status.Allocatable[huge] = qty("1Gi")
		}
		if g.chance(40) {
			n.Status.Capacity[foo] = qty("3")
			n.Status.Allocatable[foo] = qty("3")
		}
		if g.chance(30) {
			n.Status.Allocatable[v1.ResourceCPU] = qty(pick(g, "1900m", "3500m", "0", "7500m"))
		}
	}
	extra := func(p *v1.Pod) {
		c := &p.Spec.Containers[0].Resources
		set := func(name v1.ResourceName, v string) {
			if c.Limits == nil {
				c.Limits = v1.ResourceList{}
			}
			c.Limits[name], c.Requests[name] = qty(v), qty(v)
		}
		if g.chance(15) {
			set(huge, pick(g, "256Mi", "512Mi", "1Gi"))
		}
		if g.chance(15) {
			set(foo, pick(g, "1", "2", "3"))
		}
		if g.chance(15) {
			set("example.com/none", pick(g, "0", "1"))
		}
	}
	k := with(quietPod, func(k *podKnobs) {
		k.small, k.podLevel, k.initc, k.overhead, k.gpus, k.ephemeral = 50, 35, 35, 20, 15, 25
	})
	g.crowd(2, 20, k, extra)
	for _, p := range g.c.Pods {
		if g.chance(30) {
			g.resize(p)
		}
	}
	p := g.incoming(k)
	extra(p)
	if g.chance(10) {
		g.declaredFeatures(p)
	}
	if g.chance(40) {
		g.prefer(p)
	}
}

// prefer adds preferred node affinity that tells nodes apart.
func (g *gen) prefer(p *v1.Pod) {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &v1.Affinity{}
	}
	if p.Spec.Affinity.NodeAffinity == nil {
		p.Spec.Affinity.NodeAffinity = &v1.NodeAffinity{}
	}
	terms := &p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	for range g.between(1, 3) {
		e := pick(g,
			v1.NodeSelectorRequirement{Key: zone, Operator: v1.NodeSelectorOpIn, Values: []string{"z1", "z2"}},
			v1.NodeSelectorRequirement{Key: zone, Operator: v1.NodeSelectorOpNotIn, Values: []string{"z1"}},
			v1.NodeSelectorRequirement{Key: "disk", Operator: v1.NodeSelectorOpIn, Values: []string{"ssd", ""}},
			v1.NodeSelectorRequirement{Key: "disk", Operator: v1.NodeSelectorOpDoesNotExist},
			v1.NodeSelectorRequirement{Key: "num", Operator: v1.NodeSelectorOpGt, Values: []string{"1"}},
			v1.NodeSelectorRequirement{Key: "num", Operator: v1.NodeSelectorOpLt, Values: []string{"2"}})
		t := v1.PreferredSchedulingTerm{Weight: int32(g.between(1, 100)),
			Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{e}}}
		if g.chance(15) {
			t.Preference.MatchFields = []v1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpNotIn, Values: []string{"n1"}}}
		}
		*terms = append(*terms, t)
	}
}

// declaredFeatures has the pod need something that only some kubelets announce.
func (g *gen) declaredFeatures(p *v1.Pod) {
	c := &p.Spec.Containers[0]
	c.RestartPolicy = ptr(v1.ContainerRestartPolicyNever)
	c.RestartPolicyRules = []v1.ContainerRestartRule{{Action: v1.ContainerRestartRuleActionRestartAllContainers,
		ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: v1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}}}}
	for _, n := range g.c.Nodes {
		n.Status.DeclaredFeatures = pick(g, nil, []string{"AnotherFeature"}, []string{"AnotherFeature", "RestartAllContainersOnContainerExits"})
	}
}

// resize leaves a pod between two sizes: the scheduler counts the larger one.
func (g *gen) resize(p *v1.Pod) {
	for _, c := range p.Spec.Containers {
		was := v1.ResourceList{v1.ResourceCPU: qty(pick(g, "250m", "750m", "2")), v1.ResourceMemory: qty(pick(g, "128Mi", "1Gi", "3Gi"))}
		s := v1.ContainerStatus{Name: c.Name, AllocatedResources: was}
		if g.chance(70) {
			s.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: qty(pick(g, "100m", "1")), v1.ResourceMemory: qty("256Mi")}}
		}
		if g.chance(80) {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
		}
	}
	if g.chance(30) {
		p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{Type: v1.PodResizePending, Status: v1.ConditionTrue,
			Reason: pick(g, v1.PodReasonInfeasible, v1.PodReasonDeferred)})
	}
	if p.Spec.Resources != nil && g.chance(60) {
		p.Status.AllocatedResources = v1.ResourceList{v1.ResourceCPU: qty(pick(g, "500m", "2")), v1.ResourceMemory: qty("2Gi")}
		if g.chance(70) {
			p.Status.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: qty("1"), v1.ResourceMemory: qty("1Gi")}}
		}
	}
}

func (g *gen) preemption() {
	g.namespaces()
	g.nodes(nodeKnobs{min: 2, max: 7, hostname: 100, zone: 90, taint: 4, unschedul: 2, fewPods: 25, noEphemeral: 5, gpus: 60})
	k := with(quietPod, func(k *podKnobs) {
		k.small, k.priority, k.ports, k.gpus, k.terminating, k.otherNamespace, k.initc = 15, 85, 15, 12, 4, 40, 15
	})
	alike := g.chance(35) // many ties
	g.crowd(6, 34, k, func(p *v1.Pod) {
		g.tag(p)
		if alike {
			p.Spec.Priority = ptr(int32(0))
			p.Spec.Containers = p.Spec.Containers[:1]
			p.Spec.Containers[0].Resources.Requests[v1.ResourceCPU] = qty("1")
		}
		if g.chance(12) {
			p.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
				{LabelSelector: g.aimed(), TopologyKey: pick(g, hostname, zone)}}}}
		}
	})
	p := g.incoming(with(quietPod, func(k *podKnobs) { k.small, k.ports, k.gpus, k.podLevel, k.ephemeral = 5, 30, 12, 5, 10 }))
	g.tag(p)
	p.Spec.Priority = ptr(int32(pick(g, 0, 50, 100, 500, 2000, 2000)))
	if g.chance(6) {
		p.Spec.PreemptionPolicy = ptr(v1.PreemptNever)
	}
	// Something that only an eviction mends.
	if g.chance(60) {
		p.Spec.Containers[0].Resources.Requests[v1.ResourceCPU] = qty(pick(g, "1500m", "1900m", "1900m", "3"))
	}
	if g.chance(30) {
		p.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
			{LabelSelector: g.aimed(), TopologyKey: pick(g, hostname, hostname, zone), NamespaceSelector: &metav1.LabelSelector{}}}}}
	}
	if g.chance(30) {
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: pick(g, hostname, zone),
			WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: g.aimed()}}
	}
	for i := range g.times(60, 4) {
		b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pdb%d", i), Namespace: pick(g, "default", "default", "ns1", "ns2")}}
		b.Spec.MinAvailable = ptr(intstr.FromInt32(1))
		b.Spec.Selector = g.aimed()
		b.Status.DisruptionsAllowed = int32(g.IntN(3))
		if g.chance(15) && len(g.c.Pods) > 0 {
			b.Status.DisruptedPods = map[string]metav1.Time{pick(g, g.c.Pods...).Name: metav1.Unix(1790000000, 0)}
		}
		g.c.PDBs = append(g.c.PDBs, b)
	}
	for i := range g.times(25, 3) {
		n := g.pod(fmt.Sprintf("nominated%d", i), with(quietPod, func(k *podKnobs) { k.small, k.ports, k.podAffinity = 10, 20, 10 }))
		n.Spec.Priority = ptr(int32(pick(g, 0, 100, 2000, 3000)))
		n.Status.NominatedNodeName = g.nodeName()
		if admitPod(n.DeepCopy(), g.merge) == nil {
			g.c.NominatedPods = append(g.c.NominatedPods, n)
		}
	}
	if g.chance(8) {
		p.Status.NominatedNodeName = g.nodeName()
		for _, v := range g.c.Pods {
			if v.Spec.NodeName == p.Status.NominatedNodeName && g.chance(40) {
				v.DeletionTimestamp = ptr(metav1.Unix(1800000000, 0).Rfc3339Copy())
				v.Status.Conditions = []v1.PodCondition{{Type: v1.DisruptionTarget, Status: v1.ConditionTrue, Reason: v1.PodReasonPreemptionByScheduler}}
			}
		}
	}
}

// admitOthers is admission for what is neither pod nor node.
func admitOthers(c *Case) error {
	pods := corevalidation.PodValidationOptions{}
	for _, o := range c.Services {
		if err := admit(o, &core.Service{}, corevalidation.ValidateServiceCreate); err != nil {
			return err
		}
	}
	for _, o := range c.ReplicationControllers {
		err := admit(o, &core.ReplicationController{}, func(in *core.ReplicationController) field.ErrorList {
			return corevalidation.ValidateReplicationController(in, pods)
		})
		if err != nil {
			return err
		}
	}
	for _, o := range c.ReplicaSets {
		err := admit(o, &apps.ReplicaSet{}, func(in *apps.ReplicaSet) field.ErrorList {
			return appsvalidation.ValidateReplicaSet(in, pods)
		})
		if err != nil {
			return err
		}
	}
	for _, o := range c.StatefulSets {
		err := admit(o, &apps.StatefulSet{}, func(in *apps.StatefulSet) field.ErrorList {
			return appsvalidation.ValidateStatefulSet(in, appsvalidation.StatefulSetValidationOptions{}, pods)
		})
		if err != nil {
			return err
		}
	}
	for _, o := range c.PDBs {
		err := admit(o, &policy.PodDisruptionBudget{}, func(in *policy.PodDisruptionBudget) field.ErrorList {
			return policyvalidation.ValidatePodDisruptionBudget(in, policyvalidation.PodDisruptionBudgetValidationOptions{})
		})
		if err != nil {
			return err
		}
	}
	if err := admitStorage(c); err != nil {
		return err
	}
	return admitDevices(c)
}
