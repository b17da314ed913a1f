// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, rules ...*fault) (*server, *http.Client, string) {
	t.Helper()
	s := &server{store: newStore(), faults: &faults{}, gate: newGate(), watchList: true, bookmarkMS: 50, dir: t.TempDir()}
	s.store.generate(2, 5, "x")
	for _, f := range rules {
		if err := s.faults.add(f); err != nil {
			t.Fatal(err)
		}
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return s, h.Client(), h.URL
}

func call(t *testing.T, c *http.Client, method, url, body string) (int, object) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var o object
	json.Unmarshal(text, &o)
	return resp.StatusCode, o
}

func TestPagesAndExpiry(t *testing.T) {
	s, c, url := start(t)
	_, first := call(t, c, "GET", url+"/api/v1/pods?limit=2", "")
	token := str(first, "metadata", "continue")
	if len(first["items"].([]any)) != 2 || token == "" {
		t.Fatalf("first page: %v", first)
	}
	_, second := call(t, c, "GET", url+"/api/v1/pods?limit=100&continue="+token, "")
	if n := len(second["items"].([]any)); n != 3 {
		t.Fatalf("second page has %d items", n)
	}
	s.store.apply(newPod("default", "later", "x"))
	s.store.compact()
	if code, o := call(t, c, "GET", url+"/api/v1/pods?limit=2&continue="+token, ""); code != 410 || o["reason"] != "Expired" {
		t.Fatalf("an old token gives %d %v", code, o)
	}
	if code, _ := call(t, c, "GET", url+"/api/v1/pods?watch=1&resourceVersion=1001", ""); code != 410 {
		t.Fatalf("an old watch gives %d", code)
	}
}

func TestBind(t *testing.T) {
	s, c, url := start(t)
	pod := url + "/api/v1/namespaces/default/pods/pod-0"
	_, o := call(t, c, "GET", pod, "")
	uid := str(o, "metadata", "uid")
	for _, step := range []struct {
		body string
		want int
	}{
		{`{"metadata":{"uid":"other"},"target":{"name":"node-0"}}`, 409},
		{`{"metadata":{"uid":"` + uid + `"},"target":{}}`, 422},
		{`{"metadata":{"uid":"` + uid + `"},"target":{"name":"node-0"}}`, 201},
		{`{"metadata":{"uid":"` + uid + `"},"target":{"name":"node-1"}}`, 409},
	} {
		if code, o := call(t, c, "POST", pod+"/binding", step.body); code != step.want {
			t.Fatalf("%s gives %d %v", step.body, code, o)
		}
	}
	if code, _ := call(t, c, "POST", url+"/api/v1/namespaces/default/pods/none/binding", `{"target":{"name":"n"}}`); code != 404 {
		t.Fatalf("binding no pod gives %d", code)
	}
	_, o = call(t, c, "GET", pod, "")
	if str(o, "spec", "nodeName") != "node-0" {
		t.Fatalf("bound pod: %v", o)
	}
	if len(s.log.entries) != 7 {
		t.Fatalf("%d log entries", len(s.log.entries))
	}
}

func TestWatch(t *testing.T) {
	s, c, url := start(t)
	resp, err := c.Get(url + "/api/v1/pods?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&fieldSelector=spec.nodeName=")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() (string, object) {
		for lines.Scan() {
			var o object
			if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(lines.Text(), `{"type":`) {
				t.Fatalf("line %s", lines.Text())
			}
			if str(o, "type") == "BOOKMARK" && sub(sub(o, "object"), "metadata")["annotations"] == nil {
				continue
			}
			return str(o, "type"), sub(o, "object")
		}
		t.Fatalf("watch ended: %v", lines.Err())
		return "", nil
	}
	for range 5 {
		if kind, _ := next(); kind != "ADDED" {
			t.Fatalf("%s instead of ADDED", kind)
		}
	}
	if kind, o := next(); kind != "BOOKMARK" || str(o, "metadata", "annotations", "k8s.io/initial-events-end") != "true" {
		t.Fatalf("%s %v instead of the end of the initial events", kind, o)
	}
	// Bound, the pod leaves the selector.
	call(t, c, "POST", url+"/api/v1/namespaces/default/pods/pod-0/binding", `{"target":{"name":"node-0"}}`)
	if kind, o := next(); kind != "DELETED" || str(o, "metadata", "name") != "pod-0" {
		t.Fatalf("%s %v", kind, o)
	}
	s.faults.broadcast("pods", []byte(`{"type":"ERROR","object":{"code":410}}`+"\n"))
	if kind, _ := next(); kind != "ERROR" {
		t.Fatalf("%s instead of ERROR", kind)
	}
}

func TestFaultsCount(t *testing.T) {
	_, c, url := start(t, &fault{Method: "GET", Path: "/nodes", Skip: 1, Times: 2, Action: "status", RetryAfter: 1})
	var got []int
	for range 4 {
		code, _ := call(t, c, "GET", url+"/api/v1/nodes", "")
		got = append(got, code)
	}
	if got[0] != 200 || got[1] != 429 || got[2] != 429 || got[3] != 200 {
		t.Fatalf("codes %v", got)
	}
}

func TestCutAfterCarriesOut(t *testing.T) {
	s, _, _ := start(t)
	h := httptest.NewUnstartedServer(s)
	s.faults.add(&fault{Path: "/binding", Times: 1, Action: "cut-after"})
	h.Start()
	defer h.Close()
	// Without connKey in the context the connection stays, but nothing may be answered.
	resp, err := http.Post(h.URL+"/api/v1/namespaces/default/pods/pod-0/binding", "application/json", strings.NewReader(`{"target":{"name":"node-0"}}`))
	if err == nil {
		if body, _ := io.ReadAll(resp.Body); len(body) > 0 {
			t.Fatalf("answered %s", body)
		}
	}
	pods, _ := s.store.listed(resource{"v1", "pods"}, "", func(o object) bool { return str(o, "spec", "nodeName") != "" })
	if len(pods) != 1 {
		t.Fatalf("%d pods are bound", len(pods))
	}
}

func TestTokenRotation(t *testing.T) {
	s, c, url := start(t)
	s.setToken("one")
	get := func(token string) int {
		r, _ := http.NewRequest("GET", url+"/api/v1/nodes", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if get("one") != 200 {
		t.Fatal("the token is refused")
	}
	s.setToken("two")
	if get("one") != 401 || get("two") != 200 {
		t.Fatal("rotation has no effect")
	}
}

func TestPatchMergesConditions(t *testing.T) {
	_, c, url := start(t)
	pod := url + "/api/v1/namespaces/default/pods/pod-0"
	for _, reason := range []string{"Unschedulable", "SchedulerError"} {
		code, _ := call(t, c, "PATCH", pod+"/status", `{"status":{"$setElementOrder/conditions":[],"conditions":[{"type":"PodScheduled","status":"False","reason":"`+reason+`"}]}}`)
		if code != 200 {
			t.Fatalf("patch gives %d", code)
		}
	}
	_, o := call(t, c, "GET", pod, "")
	conditions := sub(o, "status")["conditions"].([]any)
	if len(conditions) != 1 || conditions[0].(object)["reason"] != "SchedulerError" {
		t.Fatalf("conditions %v", conditions)
	}
}

func TestBytewise(t *testing.T) {
	_, c, url := start(t, &fault{Action: "bytes"})
	begin := time.Now()
	code, o := call(t, c, "GET", url+"/api/v1/nodes", "")
	if code != 200 || len(o["items"].([]any)) != 2 {
		t.Fatalf("%d %v", code, o)
	}
	if time.Since(begin) > 10*time.Second {
		t.Fatal("too slow to be of use")
	}
}
