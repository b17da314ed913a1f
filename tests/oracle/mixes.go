// SPDX-License-Identifier: Apache-2.0
package main

import v1 "k8s.io/api/core/v1"

func (g *gen) own(p *v1.Pod)    {}
func (g *gen) spread()          { g.core() }
func (g *gen) affinity()        { g.core() }
func (g *gen) resources()       { g.core() }
func (g *gen) volumes()         { g.core() }
func (g *gen) preemption()      { g.core() }
func (g *gen) dra()             { g.core() }
func admitOthers(c *Case) error { return nil }
