// SPDX-License-Identifier: Apache-2.0

// Preemption: what DefaultPreemption would evict, node by node, and which nodes
// it might choose.
package main

import (
	"errors"
	"fmt"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

// draws is how often the real choice between two candidates is asked for. It takes
// either of equals with even odds, so a tie goes unseen once in 2^63 times.
const draws = 64

// askPreemption is the PostFilter phase without its deed. The dry run stands for
// itself: it looks at all candidates, since fewer than the 100 that it may stop at.
func (e *engine) askPreemption(c *Case, state fwk.CycleState, verdicts *framework.NodeToStatus, diagnosis framework.Diagnosis) error {
	pl, ok := e.byName[names.DefaultPreemption].(*defaultpreemption.DefaultPreemption)
	if !ok {
		return errors.New("DefaultPreemption is not the plugin that it was")
	}
	says := &Preemption{}
	c.Preemption = says
	fitError := &framework.FitError{Pod: c.Pod, NumAllNodes: len(c.Nodes), Diagnosis: diagnosis}

	says.Eligible, says.Reason = pl.PodEligibleToPreemptOthers(e.ctx, c.Pod, verdicts.Get(c.Pod.Status.NominatedNodeName))
	var found []preemption.Candidate
	if says.Eligible {
		potential, err := verdicts.NodesForStatusCode(e.snap.NodeInfos(), fwk.Unschedulable)
		if err != nil {
			return err
		}
		potential = slices.Clone(potential)
		slices.SortFunc(potential, func(a, b fwk.NodeInfo) int { return nodeOrder(a.Node().Name, b.Node().Name) })
		if len(potential) > 0 {
			var rejected *framework.NodeToStatus
			pdbs := slices.Clone(c.PDBs)
			slices.SortFunc(pdbs, func(a, b *policyv1.PodDisruptionBudget) int { return nodeOrder(a.Name, b.Name) })
			found, rejected, err = pl.Evaluator.DryRunPreemption(e.ctx, state, c.Pod, potential, pdbs, 0, int32(len(potential)))
			if err != nil {
				return fmt.Errorf("dry run: %w", err)
			}
			says.Rejected = map[string]*Status{}
			rejected.ForEachExplicitNode(func(node string, s *fwk.Status) { says.Rejected[node] = said(s, true) })
		}
	}
	if len(found) == 0 {
		_, s := pl.PostFilter(e.ctx, state, c.Pod, verdicts)
		says.Message = s.Message()
		fitError.Diagnosis.PostFilterMsg = s.Message()
		c.Framework.FitError = fitError.Error()
		return nil
	}
	c.Framework.FitError = fitError.Error()
	says.Candidates = map[string]*Victims{}
	for _, f := range found {
		v := &Victims{NumPDBViolations: f.Victims().NumPDBViolations}
		for _, p := range f.Victims().Pods {
			v.Pods = append(v.Pods, p.Namespace+"/"+p.Name)
		}
		says.Candidates[f.Name()] = v
	}
	best := pl.Evaluator.SelectCandidate(e.ctx, found)
	says.Best = []string{best.Name()}
	for _, f := range found {
		if f.Name() == best.Name() {
			continue
		}
		for range draws {
			if pl.Evaluator.SelectCandidate(e.ctx, []preemption.Candidate{best, f}).Name() == f.Name() {
				says.Best = append(says.Best, f.Name())
				break
			}
		}
	}
	slices.SortFunc(says.Best, nodeOrder)
	return nil
}
