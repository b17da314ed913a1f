// SPDX-License-Identifier: Apache-2.0

// What the shapes of scheduler_perf need besides pods: priorities, volumes, devices;
// and what the ceiling client does with them.
package main

import (
	"context"
	"fmt"
	"strconv"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	prioritiesPath    = "/apis/scheduling.k8s.io/v1/priorityclasses"
	csiNodesPath      = "/apis/storage.k8s.io/v1/csinodes"
	volumesPath       = "/api/v1/persistentvolumes"
	claimsPath        = "/api/v1/namespaces/" + namespace + "/persistentvolumeclaims"
	slicesPath        = "/apis/resource.k8s.io/v1/resourceslices"
	deviceClassesPath = "/apis/resource.k8s.io/v1/deviceclasses"
	deviceClaimsPath  = "/apis/resource.k8s.io/v1/namespaces/" + namespace + "/resourceclaims"
)

const (
	highPriority   = "bench-high"
	volumeDriver   = "ebs.csi.aws.com"
	volumesPerNode = 39
	deviceDriver   = "test-driver.cdi.k8s.io"
	devicesPerNode = 10
	deviceClass    = "test-class"
	deviceRequest  = "req-0"
)

func addPriority(ctx context.Context, b *bench) error {
	err := b.make(ctx, prioritiesPath, "scheduling.k8s.io/v1", "PriorityClass",
		&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: highPriority}, Value: 10})
	if isCode(err, 409) {
		return nil
	}
	return err
}

// tooLarge makes the i-th pod that fits no node.
func tooLarge(ctx context.Context, b *bench, run, scheduler string, i int) error {
	if scheduler == ceilingName {
		// It would bind it.
		scheduler = "nobody"
	}
	p := pod(run+"-churn", i, schedulerName(scheduler), "", resources("65", "500Mi", 0))
	p.Spec.PriorityClassName = highPriority
	return b.make(ctx, podsPath, "v1", "Pod", p)
}

// evictFillers is what a scheduler sends before it can bind a preemptor.
func evictFillers(ctx context.Context, a *api, run, preemptor string, node, nodes int) error {
	disrupted := map[string]any{"status": map[string]any{"conditions": []any{map[string]any{
		"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}}}}
	for k := range fillers {
		// The first filler of each node comes before the second of any: see prepare.
		path := podsPath + "/" + run + "-init-" + strconv.Itoa(node+k*nodes)
		if err := a.json(ctx, "PATCH", path+"/status", disrupted, nil); err != nil {
			return err
		}
		if err := a.json(ctx, "DELETE", path, nil, nil); err != nil {
			return err
		}
	}
	nominated := map[string]any{"status": map[string]any{"nominatedNodeName": nodeName(node)}}
	return a.json(ctx, "PATCH", podsPath+"/"+preemptor+"/status", nominated, nil)
}

func addVolumeLimits(ctx context.Context, b *bench) error {
	return each(ctx, b.nodes, b.creators, func(ctx context.Context, i int) error {
		return b.make(ctx, csiNodesPath, "storage.k8s.io/v1", "CSINode", &storagev1.CSINode{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)},
			Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: volumeDriver, NodeID: nodeName(i),
				Allocatable: &storagev1.VolumeNodeResources{Count: new(int32(volumesPerNode))}}}},
		})
	})
}

// addVolumes makes a volume and a claim, bound to each other, of each pod's name.
func addVolumes(ctx context.Context, b *bench, run string, n int) error {
	size := v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []v1.PersistentVolumeAccessMode{v1.ReadOnlyMany}
	return each(ctx, n, b.creators*2, func(ctx context.Context, i int) error {
		name := run + "-" + strconv.Itoa(i)
		err := b.make(ctx, volumesPath, "v1", "PersistentVolume", &v1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1.PersistentVolumeSpec{
				AccessModes: modes, Capacity: size,
				ClaimRef: &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespace, Name: name},
				PersistentVolumeSource: v1.PersistentVolumeSource{
					CSI: &v1.CSIPersistentVolumeSource{Driver: volumeDriver, VolumeHandle: name}},
				PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimRetain,
			},
		})
		if err != nil {
			return err
		}
		return b.make(ctx, claimsPath, "v1", "PersistentVolumeClaim", &v1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace,
				Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "true"}},
			Spec: v1.PersistentVolumeClaimSpec{AccessModes: modes, VolumeName: name,
				Resources: v1.VolumeResourceRequirements{Requests: size}},
		})
	})
}

// deviceSlice has the devices of the i-th node, as upstream's template has them.
func deviceSlice(i int) *resourcev1.ResourceSlice {
	text := func(s string) resourcev1.DeviceAttribute { return resourcev1.DeviceAttribute{StringValue: &s} }
	s := &resourcev1.ResourceSlice{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)},
		Spec: resourcev1.ResourceSliceSpec{
			Driver: deviceDriver, NodeName: new(nodeName(i)),
			Pool: resourcev1.ResourcePool{Name: nodeName(i), Generation: 1, ResourceSliceCount: 1},
		},
	}
	for d := range devicesPerNode {
		bus := fmt.Sprintf("0000:0%d:00.0", d)
		s.Spec.Devices = append(s.Spec.Devices, resourcev1.Device{
			Name: "basic-device-" + strconv.Itoa(d),
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
				"driver":                          text("xe"),
				"driverVersion":                   {VersionValue: new("1.2.3")},
				"resource.k8s.io/pciRoot":         text(strconv.Itoa(d % 2)),
				"family":                          text("Arc Pro B-Series"),
				"health":                          text("Healthy"),
				"model":                           text("B60"),
				"pciAddress":                      text(bus),
				"pciId":                           text("0xe211"),
				"pciRoot":                         text(fmt.Sprintf("0%d", d%2)),
				"resource.kubernetes.io/pciBusID": text(bus),
				"resource.kubernetes.io/pciRoot":  text(fmt.Sprintf("pci0000:0%d", d%2)),
				"sriov":                           {BoolValue: new(true)},
				"type":                            text("gpu"),
			},
			Capacity: map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{
				"memory":     {Value: resource.MustParse("24480Mi")},
				"millicores": {Value: resource.MustParse("1k")},
			},
		})
	}
	return s
}

func addDevices(ctx context.Context, b *bench) error {
	err := b.make(ctx, deviceClassesPath, "resource.k8s.io/v1", "DeviceClass", &resourcev1.DeviceClass{
		ObjectMeta: metav1.ObjectMeta{Name: deviceClass},
		Spec: resourcev1.DeviceClassSpec{Selectors: []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{
			Expression: fmt.Sprintf("device.driver == %q", deviceDriver)}}}},
	})
	if err != nil {
		return err
	}
	return each(ctx, b.nodes, b.creators, func(ctx context.Context, i int) error {
		return b.make(ctx, slicesPath, "resource.k8s.io/v1", "ResourceSlice", deviceSlice(i))
	})
}

// allocation is the first device of a node.
func allocation(node int) map[string]any {
	return map[string]any{
		"devices": map[string]any{"results": []any{map[string]any{"request": deviceRequest, "driver": deviceDriver,
			"pool": nodeName(node), "device": "basic-device-0"}}},
		"nodeSelector": map[string]any{"nodeSelectorTerms": []any{map[string]any{"matchFields": []any{map[string]any{
			"key": "metadata.name", "operator": "In", "values": []string{nodeName(node)}}}}}},
	}
}

// addDeviceClaims makes a claim of each pod's name. No controller makes them from a
// template here.
func addDeviceClaims(ctx context.Context, b *bench, run string, n int) error {
	return each(ctx, n, b.creators, func(ctx context.Context, i int) error {
		return b.make(ctx, deviceClaimsPath, "resource.k8s.io/v1", "ResourceClaim", &resourcev1.ResourceClaim{
			ObjectMeta: metav1.ObjectMeta{Name: run + "-" + strconv.Itoa(i), Namespace: namespace},
			Spec: resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{{
				Name: deviceRequest, Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: deviceClass}}}}},
		})
	})
}

// allocateFor is what a scheduler sends before it can bind a pod with a claim.
func allocateFor(ctx context.Context, a *api, name, uid string, node int) error {
	path := deviceClaimsPath + "/" + name
	finalizer := map[string]any{"metadata": map[string]any{"finalizers": []string{"resource.kubernetes.io/delete-protection"}}}
	if err := a.json(ctx, "PATCH", path, finalizer, nil); err != nil {
		return err
	}
	return a.json(ctx, "PATCH", path+"/status", map[string]any{"status": map[string]any{"allocation": allocation(node),
		"reservedFor": []any{map[string]any{"resource": "pods", "name": name, "uid": uid}}}}, nil)
}
