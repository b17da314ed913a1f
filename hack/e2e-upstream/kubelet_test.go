// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"testing"
	"time"
)

func TestAllocatablePatch(t *testing.T) {
	for _, c := range []struct {
		capacity, allocatable resourceList
		want                  string
	}{
		{resourceList{"cpu": "4"}, resourceList{"cpu": "3900m"}, ""},
		{resourceList{"cpu": "4", "x/y": "10"}, resourceList{"cpu": "4"}, `{"status":{"allocatable":{"x/y":"10"}}}`},
		{resourceList{"cpu": "4"}, resourceList{"cpu": "4", "x/y": "10"}, `{"status":{"allocatable":{"x/y":null}}}`},
	} {
		if got := string(allocatablePatch(c.capacity, c.allocatable)); got != c.want {
			t.Errorf("%v, %v: %s, want %s", c.capacity, c.allocatable, got, c.want)
		}
	}
}

func TestReleased(t *testing.T) {
	begin := time.Now()
	var pods []podState
	text := `[{"metadata": {"uid": "a", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y", "steelyard.dev/pre-stop"]},
		"spec": {"nodeName": "n", "containers": [{}, {"lifecycle": {"preStop": {"sleep": {"seconds": 79}}}}]}},
		{"metadata": {"uid": "b", "finalizers": ["steelyard.dev/pre-stop"]}, "spec": {"nodeName": "n"}},
		{"metadata": {"uid": "c", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}}]`
	if err := json.Unmarshal([]byte(text), &pods); err != nil {
		t.Fatal(err)
	}
	k := &kubelets{}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {78 * time.Second, 0}, {79 * time.Second, 1}} {
		if free := k.released(pods, begin.Add(c.after)); len(free) != c.want {
			t.Errorf("after %s: %v", c.after, free)
		}
	}
	pods[0].Spec.NodeName = ""
	if free := (&kubelets{}).released(pods, begin); len(free) != 1 {
		t.Errorf("a pod that never ran: %v", free)
	}
}
