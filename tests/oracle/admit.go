// SPDX-License-Identifier: Apache-2.0

// What the API server does to an object on create: defaults, the strategy's
// changes (merged matchLabelKeys, pod-level resources), validation.
package main

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	podregistry "k8s.io/kubernetes/pkg/registry/core/pod"
)

var scheme = legacyscheme.Scheme

// admit defaults in, and has the internal form of it checked.
func admit[T any](in runtime.Object, internal *T, check func(*T) field.ErrorList) error {
	scheme.Default(in)
	if err := scheme.Convert(in, internal, nil); err != nil {
		return err
	}
	if errs := check(internal); len(errs) > 0 {
		return errs.ToAggregate()
	}
	return nil
}

// admitPod turns a pod into what an API server would store. merge is off for the
// pods of an older server, which left matchLabelKeys to the scheduler. Status,
// deletion and creation times are kept.
func admitPod(p *v1.Pod, merge bool) error {
	scheme.Default(p)
	in := &core.Pod{}
	if err := scheme.Convert(p, in, nil); err != nil {
		return err
	}
	ctx := context.Background()
	// A pod is not created terminating or with a status.
	in.DeletionTimestamp, in.Status = nil, core.PodStatus{}
	if merge {
		podregistry.Strategy.PrepareForCreate(ctx, in)
	}
	if errs := podregistry.Strategy.Validate(ctx, in); len(errs) > 0 {
		return fmt.Errorf("pod %s: %w", p.Name, errs.ToAggregate())
	}
	if merge {
		out := &v1.Pod{}
		if err := scheme.Convert(in, out, nil); err != nil {
			return err
		}
		p.Spec = out.Spec
	}
	return nil
}

func admitNode(n *v1.Node) error {
	return admit(n, &core.Node{}, corevalidation.ValidateNode)
}

func admitNamespace(n *v1.Namespace) error {
	// The phase is none of the scheduler's business, and not in the first cases.
	return admit(n.DeepCopy(), &core.Namespace{}, corevalidation.ValidateNamespace)
}
