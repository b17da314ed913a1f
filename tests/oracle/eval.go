// SPDX-License-Identifier: Apache-2.0

// Asking the plugins: each alone, then all of them together.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// corePlugins are in every case; the others only where they have something to say.
var corePlugins = []string{
	names.ImageLocality, names.InterPodAffinity, names.NodeAffinity, names.NodeName, names.NodePorts,
	names.NodeResourcesBalancedAllocation, names.NodeResourcesFit, names.NodeUnschedulable,
	names.PodTopologySpread, names.TaintToleration,
}

var extraPlugins = []string{
	names.VolumeBinding, names.VolumeRestrictions, names.VolumeZone, names.NodeVolumeLimits,
	names.DynamicResources, names.NodeDeclaredFeatures,
}

// notInPreFilterResult marks a node that a PreFilter ruled out without a word.
const notInPreFilterResult = "NotInPreFilterResult"

func said(s *fwk.Status, withPlugin bool) *Status {
	out := &Status{Code: s.Code().String()}
	if s.IsSuccess() || s.IsSkip() {
		return out
	}
	out.Reasons = slices.Clone(s.Reasons())
	sortScalars(out.Reasons)
	if withPlugin {
		out.Plugin = s.Plugin()
	}
	return out
}

// sortScalars puts the reasons for extended resources in order: NodeResourcesFit
// gives them last and in the order of a Go map.
func sortScalars(reasons []string) {
	const prefix = "Insufficient "
	first := slices.IndexFunc(reasons, func(r string) bool {
		name, ok := strings.CutPrefix(r, prefix)
		return ok && name != "cpu" && name != "memory" && name != "ephemeral-storage"
	})
	if first >= 0 {
		slices.Sort(reasons[first:])
	}
}

// ask fills in everything that the plugins say of the case.
func (e *engine) ask(c *Case) error {
	e.load(c)
	nodes, err := e.snap.List()
	if err != nil {
		return err
	}
	state := framework.NewCycleState()
	feasible, err := e.askFramework(c, state, nodes)
	if err != nil {
		return err
	}
	var scored []fwk.NodeInfo
	if c.Framework.Total != nil {
		scored = feasible
	}
	c.Plugins = map[string]*PluginSays{}
	for _, name := range corePlugins {
		if c.Plugins[name], err = e.askPlugin(c, name, nodes, scored); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := e.askExtra(c, nodes, scored); err != nil {
		return err
	}
	return nil
}

// askExtra runs the plugins that most clusters do not need. One that skips its
// filter and scores nothing is left out.
func (e *engine) askExtra(c *Case, nodes, scored []fwk.NodeInfo) error {
	for _, name := range extraPlugins {
		says, err := e.askPlugin(c, name, nodes, scored)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		scores := false
		for _, v := range says.Raw {
			scores = scores || v != 0
		}
		if scores || says.PreFilter != nil && says.PreFilter.Code != "Skip" {
			c.Plugins[name] = says
		}
	}
	return nil
}

func (e *engine) askPlugin(c *Case, name string, nodes, scored []fwk.NodeInfo) (*PluginSays, error) {
	pl := e.byName[name]
	if pl == nil {
		return nil, errors.New("not in the default profile")
	}
	says := &PluginSays{}
	state := framework.NewCycleState()
	if f, ok := pl.(fwk.FilterPlugin); ok {
		status := (*fwk.Status)(nil)
		if pre, ok := pl.(fwk.PreFilterPlugin); ok {
			var res *fwk.PreFilterResult
			res, status = pre.PreFilter(e.ctx, state, c.Pod, nodes)
			if status.IsSuccess() && !res.AllNodes() {
				says.PreFilterNodes = sets.List(res.NodeNames)
			}
		}
		says.PreFilter = said(status, false)
		if status.IsSuccess() {
			says.Filter = map[string]*Status{}
			for _, n := range nodes {
				says.Filter[n.Node().Name] = said(f.Filter(e.ctx, state, c.Pod, n), false)
			}
		}
	}
	s, ok := pl.(fwk.ScorePlugin)
	if !ok || scored == nil {
		return says, nil
	}
	if pre, ok := pl.(fwk.PreScorePlugin); ok {
		status := pre.PreScore(e.ctx, state, c.Pod, scored)
		says.PreScore = said(status, false)
		if !status.IsSuccess() {
			return says, nil
		}
	}
	says.Raw, says.Norm = map[string]int64{}, map[string]int64{}
	list := make(fwk.NodeScoreList, 0, len(scored))
	for _, n := range scored {
		v, status := s.Score(e.ctx, state, c.Pod, n)
		if !status.IsSuccess() {
			return nil, fmt.Errorf("score: %w", status.AsError())
		}
		says.Raw[n.Node().Name] = v
		list = append(list, fwk.NodeScore{Name: n.Node().Name, Score: v})
	}
	if ext := s.ScoreExtensions(); ext != nil {
		if status := ext.NormalizeScore(e.ctx, state, c.Pod, list); !status.IsSuccess() {
			return nil, fmt.Errorf("normalize: %w", status.AsError())
		}
	}
	for _, n := range list {
		says.Norm[n.Name] = n.Score
	}
	return says, nil
}

// askFramework runs a scheduling cycle up to the choice, without sampling nodes.
func (e *engine) askFramework(c *Case, state fwk.CycleState, nodes []fwk.NodeInfo) ([]fwk.NodeInfo, error) {
	says := &FrameworkSays{}
	c.Framework = says
	res, status, by := e.fw.RunPreFilterPlugins(e.ctx, state, c.Pod)
	says.PreFilter = said(status, true)
	verdicts := framework.NewDefaultNodeToStatus()
	diagnosis := framework.Diagnosis{NodeToStatus: verdicts, UnschedulablePlugins: by}
	var feasible []fwk.NodeInfo
	if status.IsSuccess() {
		says.Filter = map[string]*Status{}
		if !res.AllNodes() {
			verdicts.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable,
				fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", sets.List(by))))
		}
		for _, n := range nodes {
			name := n.Node().Name
			if !res.AllNodes() && !res.NodeNames.Has(name) {
				says.Filter[name] = &Status{Code: notInPreFilterResult}
				continue
			}
			v := e.fw.RunFilterPluginsWithNominatedPods(e.ctx, state, c.Pod, n)
			says.Filter[name] = said(v, true)
			if v.Code() == fwk.Error && says.FilterError == "" {
				says.FilterError = v.AsError().Error()
			}
			if v.IsSuccess() {
				feasible = append(feasible, n)
				says.Feasible = append(says.Feasible, name)
			} else {
				verdicts.Set(name, v)
			}
		}
	} else if status.IsRejected() {
		verdicts.SetAbsentNodesStatus(status)
		diagnosis.PreFilterMsg = status.Message()
		diagnosis.AddPluginStatus(status)
	} else {
		return nil, nil
	}
	if says.FilterError != "" {
		return nil, nil
	}
	if len(feasible) == 0 {
		if c.isCore() {
			return nil, nil
		}
		return nil, e.askPreemption(c, state, verdicts, diagnosis)
	}
	if err := e.askPlacement(c, feasible); err != nil {
		return nil, err
	}
	if s := e.fw.RunPreScorePlugins(e.ctx, state, c.Pod, feasible); !s.IsSuccess() {
		says.ScoreError = s.AsError().Error()
		return nil, nil
	}
	scores, s := e.fw.RunScorePlugins(e.ctx, state, c.Pod, feasible)
	if !s.IsSuccess() {
		says.ScoreError = s.AsError().Error()
		return nil, nil
	}
	says.Total = map[string]int64{}
	best := int64(-1)
	for _, n := range scores {
		says.Total[n.Name] = n.TotalScore
		if n.TotalScore > best {
			best, says.Best = n.TotalScore, nil
		}
		if n.TotalScore == best {
			says.Best = append(says.Best, n.Name)
		}
	}
	slices.SortFunc(says.Best, nodeOrder)
	return feasible, nil
}
