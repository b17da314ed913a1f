// SPDX-License-Identifier: Apache-2.0

// Clusters with storage: claims in every state, volumes tied to zones and nodes,
// drivers with limits and with capacities.
package main

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/storage"
	storagevalidation "k8s.io/kubernetes/pkg/apis/storage/validation"
)

const (
	driverA = "a.csi.example.com" // tracks capacity
	driverB = "b.csi.example.com"
)

// storageClasses: bound late from capacity, bound late, bound at once, local.
func (g *gen) storageClasses() {
	late, now := storagev1.VolumeBindingWaitForFirstConsumer, storagev1.VolumeBindingImmediate
	for _, c := range []struct {
		name, provisioner string
		mode              storagev1.VolumeBindingMode
	}{{"late", driverA, late}, {"topo", driverB, late}, {"now", driverB, now}, {"local", "kubernetes.io/no-provisioner", late}} {
		sc := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: c.name}, Provisioner: c.provisioner, VolumeBindingMode: ptr(c.mode)}
		if c.name == "topo" && g.chance(70) {
			sc.AllowedTopologies = []v1.TopologySelectorTerm{{MatchLabelExpressions: []v1.TopologySelectorLabelRequirement{
				{Key: zone, Values: []string{"z1", pick(g, "z2", "z3")}}}}}
		}
		g.c.StorageClasses = append(g.c.StorageClasses, sc)
	}
	for _, d := range []string{driverA, driverB} {
		g.c.CSIDrivers = append(g.c.CSIDrivers, &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: d},
			Spec: storagev1.CSIDriverSpec{StorageCapacity: ptr(d == driverA)}})
	}
	for i, z := range []string{"z1", "z2", "z3"} {
		if g.chance(25) {
			continue
		}
		c := &storagev1.CSIStorageCapacity{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cap%d", i), Namespace: "default"},
			StorageClassName: "late", NodeTopology: &metav1.LabelSelector{MatchLabels: map[string]string{zone: z}},
			Capacity: ptr(qty(pick(g, "0", "3Gi", "12Gi", "100Gi")))}
		if g.chance(30) {
			c.MaximumVolumeSize = ptr(qty(pick(g, "2Gi", "6Gi", "100Gi")))
		}
		g.c.CSICapacities = append(g.c.CSICapacities, c)
	}
	for _, n := range g.c.Nodes {
		if g.chance(6) {
			continue
		}
		cn := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
		for _, d := range []string{driverA, driverB} {
			if g.chance(7) {
				continue
			}
			cd := storagev1.CSINodeDriver{Name: d, NodeID: n.Name, TopologyKeys: []string{zone}}
			if g.chance(60) {
				cd.Allocatable = &storagev1.VolumeNodeResources{Count: ptr(int32(pick(g, 0, 1, 2, 3, 4, 20, 20)))}
			}
			cn.Spec.Drivers = append(cn.Spec.Drivers, cd)
		}
		g.c.CSINodes = append(g.c.CSINodes, cn)
	}
}

// volume adds a PV. Sizes differ, so that the smallest that fits is one.
func (g *gen) volume(class string) *v1.PersistentVolume {
	i := len(g.c.PVs)
	pv := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pv%d", i), UID: types.UID(fmt.Sprintf("pv%d", i))}}
	pv.Spec.Capacity = v1.ResourceList{v1.ResourceStorage: qty(fmt.Sprintf("%dMi", g.between(1, 12)*1024+i))}
	pv.Spec.AccessModes = []v1.PersistentVolumeAccessMode{pick(g, v1.ReadWriteOnce, v1.ReadWriteOnce, v1.ReadWriteMany, v1.ReadWriteOncePod)}
	if g.chance(30) {
		pv.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce, v1.ReadOnlyMany}
	}
	pv.Spec.PersistentVolumeReclaimPolicy = v1.PersistentVolumeReclaimDelete
	pv.Spec.StorageClassName = class
	pv.Spec.CSI = &v1.CSIPersistentVolumeSource{Driver: pick(g, driverA, driverB), VolumeHandle: fmt.Sprintf("handle%d", i)}
	if class == "local" {
		pv.Spec.CSI = nil
		pv.Spec.Local = &v1.LocalVolumeSource{Path: "/mnt"}
	}
	pv.Labels = map[string]string{"grade": pick(g, "gold", "tin")}
	on := func(key string, values ...string) {
		pv.Spec.NodeAffinity = &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{
			{MatchExpressions: []v1.NodeSelectorRequirement{{Key: key, Operator: v1.NodeSelectorOpIn, Values: values}}}}}}
	}
	switch {
	case class == "local":
		on(hostname, g.nodeName(), g.nodeName())
	case g.chance(40):
		on(zone, pick(g, "z1", "z2", "z3"), pick(g, "z1", "z2", "z3"))
	}
	switch g.IntN(9) {
	case 0:
		pv.Labels[zone] = pick(g, "z1", "z2", "z3")
	case 1:
		pv.Labels[v1.LabelFailureDomainBetaZone] = pick(g, "z1", "z2__z3")
	}
	pv.Status.Phase = v1.VolumeAvailable
	g.c.PVs = append(g.c.PVs, pv)
	return pv
}

func (g *gen) claim(namespace, name, class string) *v1.PersistentVolumeClaim {
	c := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(namespace + name)}}
	c.Spec.AccessModes = []v1.PersistentVolumeAccessMode{pick(g, v1.ReadWriteOnce, v1.ReadWriteOnce, v1.ReadWriteOnce, v1.ReadWriteMany, v1.ReadWriteOncePod)}
	c.Spec.Resources.Requests = v1.ResourceList{v1.ResourceStorage: qty(pick(g, "1Gi", "2Gi", "5Gi", "8Gi"))}
	c.Spec.StorageClassName = ptr(class)
	if g.chance(12) {
		c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"grade": "gold"}}
	}
	c.Status.Phase = v1.ClaimPending
	g.c.PVCs = append(g.c.PVCs, c)
	return c
}

// bound ties a claim to a volume of its own.
func (g *gen) bound(c *v1.PersistentVolumeClaim) {
	pv := g.volume(*c.Spec.StorageClassName)
	pv.Spec.AccessModes = c.Spec.AccessModes
	pv.Spec.Capacity[v1.ResourceStorage] = qty("8Gi")
	pv.Spec.ClaimRef = &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: c.Namespace, Name: c.Name, UID: c.UID}
	pv.Status.Phase = v1.VolumeBound
	c.Spec.VolumeName = pv.Name
	c.Spec.Selector = nil
	c.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
	c.Status.Phase = v1.ClaimBound
}

// mount adds a volume to a pod.
func mount(p *v1.Pod, source v1.VolumeSource) {
	p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: fmt.Sprintf("v%d", len(p.Spec.Volumes)), VolumeSource: source})
}

func mountClaim(p *v1.Pod, name string) {
	mount(p, v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}})
}

// disk is one of the kinds that VolumeRestrictions looks at itself.
func (g *gen) disk(p *v1.Pod) {
	switch g.IntN(4) {
	case 0:
		mount(p, v1.VolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: pick(g, "d1", "d2"), ReadOnly: g.chance(40)}})
	case 1:
		mount(p, v1.VolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: pick(g, "d1", "d2")}})
	case 2:
		mount(p, v1.VolumeSource{ISCSI: &v1.ISCSIVolumeSource{TargetPortal: "10.0.0.1:3260", IQN: pick(g, "iqn.2001-04.com.example:a", "iqn.2001-04.com.example:b"), ReadOnly: g.chance(40)}})
	case 3:
		mount(p, v1.VolumeSource{RBD: &v1.RBDVolumeSource{CephMonitors: pick(g, []string{"m1"}, []string{"m1", "m2"}, []string{"m3"}),
			RBDImage: pick(g, "i1", "i2"), RBDPool: "rbd", ReadOnly: g.chance(40)}})
	}
}

func (g *gen) volumes() {
	g.namespaces()
	g.nodes(nodeKnobs{min: 2, max: 9, hostname: 97, zone: 92, taint: 3, roomy: 80, noEphemeral: 5, images: 20})
	g.storageClasses()
	k := with(quietPod, func(k *podKnobs) { k.terminating, k.podLevel, k.otherNamespace, k.priority = 2, 0, 0, 30 })
	shared := g.claim("default", "shared", pick(g, "late", "now"))
	g.bound(shared)
	n := 0
	g.crowd(1, 14, k, func(p *v1.Pod) {
		for range g.times(55, 3) {
			n++
			c := g.claim("default", fmt.Sprintf("used%d", n), pick(g, "late", "topo", "now"))
			g.bound(c)
			mountClaim(p, c.Name)
		}
		if g.chance(15) {
			mountClaim(p, shared.Name)
		}
		if g.chance(15) {
			g.disk(p)
		}
	})
	reserved := false
	for range g.between(1, 12) {
		pv := g.volume(pick(g, "late", "topo", "local", "local", ""))
		switch g.IntN(10) {
		case 0:
			pv.Status.Phase = v1.VolumeReleased
		case 1:
			pv.DeletionTimestamp = ptr(metav1.Unix(1800000000, 0).Rfc3339Copy())
		case 2: // kept for a claim; if two were, either might be taken
			if !reserved {
				pv.Spec.ClaimRef = &v1.ObjectReference{Namespace: "default", Name: "mine0"}
				reserved = true
			}
		}
	}
	p := g.incoming(with(k, func(k *podKnobs) { k.terminating = 0 }))
	p.Spec.Priority = ptr(int32(pick(g, 0, 500)))
	for i := range 1 + g.times(40, 2) {
		g.wanted(p, fmt.Sprintf("mine%d", i))
	}
	if g.chance(20) {
		mountClaim(p, shared.Name)
	}
	if g.chance(20) {
		g.disk(p)
	}
}

// wanted gives the pod a claim in one of the states that claims are found in.
func (g *gen) wanted(p *v1.Pod, name string) {
	switch state := g.IntN(100); {
	case state < 30:
		g.claim("default", name, pick(g, "late", "topo"))
	case state < 50:
		g.claim("default", name, "local")
	case state < 84:
		g.bound(g.claim("default", name, pick(g, "late", "topo", "now", "local")))
	case state < 87:
		g.claim("default", name, "now")
	case state < 88: // missing
	case state < 89:
		g.claim("default", name, "nosuchclass")
	case state < 91:
		c := g.claim("default", name, "late")
		c.Spec.VolumeName = "pv-gone"
		c.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
		if g.chance(50) {
			c.Status.Phase = v1.ClaimLost
		}
	case state < 92:
		g.claim("default", name, "late").DeletionTimestamp = ptr(metav1.Unix(1800000000, 0).Rfc3339Copy())
	case state < 94: // bound by half: the controller has to finish
		c := g.claim("default", name, "late")
		g.bound(c)
		delete(c.Annotations, "pv.kubernetes.io/bind-completed")
	case state < 96: // provisioning was begun for a node
		g.claim("default", name, "topo").Annotations = map[string]string{"volume.kubernetes.io/selected-node": g.nodeName()}
	default: // ephemeral
		v := v1.Volume{Name: "eph-" + name}
		v.Ephemeral = &v1.EphemeralVolumeSource{VolumeClaimTemplate: &v1.PersistentVolumeClaimTemplate{Spec: v1.PersistentVolumeClaimSpec{
			AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}, StorageClassName: ptr("late"),
			Resources: v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: qty("1Gi")}}}}}
		p.Spec.Volumes = append(p.Spec.Volumes, v)
		if g.chance(80) {
			c := g.claim(p.Namespace, p.Name+"-"+v.Name, "late")
			if g.chance(75) {
				c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID, Controller: ptr(true)}}
			}
		}
		return
	}
	mountClaim(p, name)
}

func admitStorage(c *Case) error {
	for _, o := range c.StorageClasses {
		if err := admit(o, &storage.StorageClass{}, storagevalidation.ValidateStorageClass); err != nil {
			return err
		}
	}
	for _, o := range c.CSIDrivers {
		if err := admit(o, &storage.CSIDriver{}, storagevalidation.ValidateCSIDriver); err != nil {
			return err
		}
	}
	for _, o := range c.CSINodes {
		if err := admit(o, &storage.CSINode{}, storagevalidation.ValidateCSINode); err != nil {
			return err
		}
	}
	for _, o := range c.CSICapacities {
		err := admit(o, &storage.CSIStorageCapacity{}, func(in *storage.CSIStorageCapacity) field.ErrorList {
			return storagevalidation.ValidateCSIStorageCapacity(in, storagevalidation.CSIStorageCapacityValidateOptions{})
		})
		if err != nil {
			return err
		}
	}
	for _, o := range c.PVs {
		err := admit(o, &core.PersistentVolume{}, func(in *core.PersistentVolume) field.ErrorList {
			return corevalidation.ValidatePersistentVolume(in, corevalidation.PersistentVolumeSpecValidationOptions{})
		})
		if err != nil {
			return err
		}
	}
	for _, o := range c.PVCs {
		err := admit(o, &core.PersistentVolumeClaim{}, func(in *core.PersistentVolumeClaim) field.ErrorList {
			return corevalidation.ValidatePersistentVolumeClaim(in, corevalidation.ValidationOptionsForPersistentVolumeClaimCreate())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
