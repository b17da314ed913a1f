// SPDX-License-Identifier: Apache-2.0

// Volumes, claims and what describes storage, for tests/unit/test_storage.c.
package main

import (
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func storageMeta(name, namespace string, annotations ...string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: name, Namespace: namespace, UID: "uid-" + "0001", ResourceVersion: "77", Generation: 3}
	for i := 0; i < len(annotations); i += 2 {
		metav1.SetMetaDataAnnotation(&m, annotations[i], annotations[i+1])
	}
	return m
}

func on(terms ...v1.NodeSelectorTerm) *v1.VolumeNodeAffinity {
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: terms}}
}

func volume(name string, source v1.PersistentVolumeSource) *v1.PersistentVolume {
	return &v1.PersistentVolume{ObjectMeta: storageMeta(name, ""), Spec: v1.PersistentVolumeSpec{PersistentVolumeSource: source}}
}

func volumes() {
	write("volume-empty", &v1.PersistentVolume{})

	full := volume("full", v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: "csi.example.com", VolumeHandle: "h-1", FSType: "ext4", VolumeAttributes: map[string]string{"a": "b"}}})
	full.Labels = map[string]string{"topology.kubernetes.io/zone": "z1__z2", "grade": "gold"}
	full.DeletionTimestamp = ptr(at(1700000000))
	metav1.SetMetaDataAnnotation(&full.ObjectMeta, "pv.kubernetes.io/bound-by-controller", "yes")
	full.Spec.Capacity = list("storage", "10Gi")
	full.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce, v1.ReadOnlyMany}
	full.Spec.ClaimRef = &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: "team", Name: "data", UID: "uid-claim", ResourceVersion: "5"}
	full.Spec.PersistentVolumeReclaimPolicy = v1.PersistentVolumeReclaimRetain
	full.Spec.StorageClassName = "fast"
	full.Spec.MountOptions = []string{"ro"}
	full.Spec.VolumeMode = ptr(v1.PersistentVolumeBlock)
	full.Spec.VolumeAttributesClassName = ptr("silver")
	full.Spec.NodeAffinity = on(
		v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{
			nodeExpression("kubernetes.io/hostname", v1.NodeSelectorOpIn, "n2", "n1"),
			nodeExpression("cpus", v1.NodeSelectorOpGt, "4")}},
		v1.NodeSelectorTerm{})
	full.Status.Phase = v1.VolumeBound
	write("volume-full", full)

	local := volume("local", v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: "/mnt"}})
	metav1.SetMetaDataAnnotation(&local.ObjectMeta, "volume.beta.kubernetes.io/storage-class", "older")
	local.Spec.StorageClassName = "newer"
	local.Spec.Capacity = list("storage", "1500m")
	local.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteMany, v1.ReadWriteOncePod, "Strange"}
	local.Status.Phase = v1.VolumeAvailable
	write("volume-local", local)

	zoned := func(name string, source v1.PersistentVolumeSource, label, zones string) {
		pv := volume(name, source)
		pv.Labels = map[string]string{label: zones}
		write("volume-"+name, pv)
	}
	gce := v1.PersistentVolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: "disk"}}
	ebs := v1.PersistentVolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: "aws://us-east-1a/vol-0123"}}
	zoned("gce-zone", gce, "topology.kubernetes.io/zone", "us-east1-b")
	zoned("gce-region", gce, "failure-domain.beta.kubernetes.io/zone", "us-east1-b__us-east1-c")
	zoned("gce-odd", gce, "topology.kubernetes.io/zone", "here__there")
	write("volume-gce-bare", volume("gce-bare", gce))
	zoned("ebs-label", ebs, "topology.kubernetes.io/zone", "us-east-1a")
	affine := volume("ebs-affine", ebs)
	affine.Spec.NodeAffinity = on(v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{
		nodeExpression("failure-domain.beta.kubernetes.io/zone", v1.NodeSelectorOpIn, "us-east-1a"),
		nodeExpression("failure-domain.beta.kubernetes.io/region", v1.NodeSelectorOpIn, "us-east-1")}})
	write("volume-ebs-affine", affine)
	write("volume-ebs-odd", volume("ebs-odd", v1.PersistentVolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: "aws://zone/disk"}}))
	write("volume-cinder", volume("cinder", v1.PersistentVolumeSource{Cinder: &v1.CinderPersistentVolumeSource{VolumeID: "c-1"}}))
	write("volume-azure", volume("azure", v1.PersistentVolumeSource{AzureDisk: &v1.AzureDiskVolumeSource{DiskName: "n", DataDiskURI: "/subscriptions/x", Kind: ptr(v1.AzureManagedDisk)}}))
	write("volume-azure-shared", volume("azure-shared", v1.PersistentVolumeSource{AzureDisk: &v1.AzureDiskVolumeSource{DiskName: "n", DataDiskURI: "/subscriptions/x", Kind: ptr(v1.AzureSharedBlobDisk)}}))
	write("volume-portworx", volume("portworx", v1.PersistentVolumeSource{PortworxVolume: &v1.PortworxVolumeSource{VolumeID: "p-1"}}))
}

func claims() {
	write("claim-empty", &v1.PersistentVolumeClaim{})

	full := &v1.PersistentVolumeClaim{ObjectMeta: storageMeta("data", "team",
		"pv.kubernetes.io/bind-completed", "yes", "volume.kubernetes.io/selected-node", "n1")}
	full.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", UID: "uid-other"}, {Kind: "Pod", UID: "uid-pod", Controller: ptr(true)}}
	full.DeletionTimestamp = ptr(at(1700000000))
	full.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOncePod}
	full.Spec.Resources.Requests = list("storage", "5Gi")
	full.Spec.Resources.Limits = list("storage", "9Gi")
	full.Spec.VolumeName = "pv-1"
	full.Spec.StorageClassName = ptr("fast")
	full.Spec.VolumeMode = ptr(v1.PersistentVolumeBlock)
	full.Spec.VolumeAttributesClassName = ptr("silver")
	full.Spec.DataSource = &v1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "s"}
	full.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"grade": "gold"},
		MatchExpressions: []metav1.LabelSelectorRequirement{expression("rack", metav1.LabelSelectorOpNotIn, "r1", "r0")}}
	full.Status.Phase = v1.ClaimLost
	full.Status.Capacity = list("storage", "6Gi")
	write("claim-full", full)

	plain := &v1.PersistentVolumeClaim{ObjectMeta: storageMeta("plain", "team", "volume.beta.kubernetes.io/storage-class", "", "volume.kubernetes.io/selected-node", "")}
	plain.Spec.StorageClassName = ptr("ignored")
	plain.Spec.Selector = &metav1.LabelSelector{}
	plain.Status.Phase = v1.ClaimPending
	write("claim-plain", plain)
}

func describing() {
	write("class-empty", &storagev1.StorageClass{})
	late := storagev1.VolumeBindingWaitForFirstConsumer
	write("class-late", &storagev1.StorageClass{ObjectMeta: storageMeta("late", ""), Provisioner: "csi.example.com",
		Parameters: map[string]string{"type": "ssd"}, AllowVolumeExpansion: ptr(true), VolumeBindingMode: &late,
		AllowedTopologies: []v1.TopologySelectorTerm{
			{MatchLabelExpressions: []v1.TopologySelectorLabelRequirement{{Key: "zone", Values: []string{"z2", "z1"}}, {Key: "rack", Values: []string{"r1"}}}},
			{}}})
	now := storagev1.VolumeBindingImmediate
	write("class-now", &storagev1.StorageClass{ObjectMeta: storageMeta("now", ""), Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &now})
	write("class-old", &storagev1.StorageClass{ObjectMeta: storageMeta("old", ""), Provisioner: "kubernetes.io/aws-ebs", VolumeBindingMode: &now})

	write("csinode-empty", &storagev1.CSINode{})
	write("csinode-full", &storagev1.CSINode{
		ObjectMeta: storageMeta("n1", "", "storage.alpha.kubernetes.io/migrated-plugins", "kubernetes.io/aws-ebs,kubernetes.io/azure-file,kubernetes.io/cinder"),
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
			{Name: "a", NodeID: "i-1", TopologyKeys: []string{"zone"}, Allocatable: &storagev1.VolumeNodeResources{Count: ptr(int32(25))}},
			{Name: "none", Allocatable: &storagev1.VolumeNodeResources{Count: ptr(int32(0))}},
			{Name: "unset", Allocatable: &storagev1.VolumeNodeResources{}},
			{Name: "b"}}}})

	write("csidriver-empty", &storagev1.CSIDriver{})
	write("csidriver-full", &storagev1.CSIDriver{ObjectMeta: storageMeta("a", ""), Spec: storagev1.CSIDriverSpec{
		AttachRequired: ptr(true), StorageCapacity: ptr(true), PreventPodSchedulingIfMissing: ptr(true)}})

	write("capacity-empty", &storagev1.CSIStorageCapacity{})
	write("capacity-full", &storagev1.CSIStorageCapacity{ObjectMeta: storageMeta("c-1", "kube-system"), StorageClassName: "late",
		NodeTopology: &metav1.LabelSelector{MatchLabels: map[string]string{"zone": "z1"}},
		Capacity:     ptr(resource.MustParse("100Gi")), MaximumVolumeSize: ptr(resource.MustParse("0"))})

	write("attachment-empty", &storagev1.VolumeAttachment{})
	write("attachment-full", &storagev1.VolumeAttachment{ObjectMeta: storageMeta("va-1", ""), Spec: storagev1.VolumeAttachmentSpec{
		Attacher: "csi.example.com", NodeName: "n1", Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr("pv-1")}}})
}
