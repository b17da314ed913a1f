// SPDX-License-Identifier: Apache-2.0

// What the specs expect of nodes and kwok leaves undone: a kubelet's duty to
// bring allocatable in line with capacity, preStop hooks that hold a pod, and the
// pods of a usual node.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// kubelets speaks to the API server as the kubeconfig's user.
type kubelets struct {
	server string
	client *http.Client
	held   map[string]time.Time // deleted pods whose hook sleeps, and until when
}

//go:embed policies.yaml
var policies string

// preStopFinalizer is what policies.yaml adds.
const preStopFinalizer = "steelyard.dev/pre-stop"

// newKubelets reads a kubeconfig as hack/cluster writes it.
func newKubelets(kubeconfig string) (*kubelets, error) {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	field := func(key string) (string, error) {
		m := regexp.MustCompile(`(?m)^[\s-]*` + key + `:\s*"?([^\s"]+)`).FindSubmatch(text)
		if m == nil {
			return "", fmt.Errorf("%s: no %s", kubeconfig, key)
		}
		return string(m[1]), nil
	}
	data := func(key string) ([]byte, error) {
		s, err := field(key + "-data")
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(s)
	}
	server, err := field("server")
	if err != nil {
		return nil, err
	}
	ca, err := data("certificate-authority")
	if err != nil {
		return nil, err
	}
	cert, err := data("client-certificate")
	if err != nil {
		return nil, err
	}
	key, err := data("client-key")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s: no certificate authority", kubeconfig)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}}
	return &kubelets{server, client, map[string]time.Time{}}, nil
}

// resourceList is a quantity by resource, as it is written.
type resourceList map[string]string

// allocatablePatch is the merge patch that brings allocatable in line with
// capacity, nil if it is. A resource that both know keeps its amount, since a
// kubelet holds some of it back. Null deletes.
func allocatablePatch(capacity, allocatable resourceList) []byte {
	change := map[string]any{}
	for name, amount := range capacity {
		if _, ok := allocatable[name]; !ok {
			change[name] = amount
		}
	}
	for name := range allocatable {
		if _, ok := capacity[name]; !ok {
			change[name] = nil
		}
	}
	if len(change) == 0 {
		return nil
	}
	b, _ := json.Marshal(map[string]any{"status": map[string]any{"allocatable": change}})
	return b
}

// podState is as much of a pod as we look at.
type podState struct {
	Metadata struct {
		Name, Namespace, UID string
		DeletionTimestamp    *time.Time
		Finalizers           []string
	}
	Spec struct {
		NodeName   string
		Containers []struct {
			Lifecycle struct {
				PreStop struct{ Sleep struct{ Seconds int64 } }
			}
		}
	}
}

// released says which deleted pods have slept as long as their hooks do.
func (k *kubelets) released(pods []podState, now time.Time) (free []podState) {
	held := map[string]time.Time{}
	for _, p := range pods {
		if p.Metadata.DeletionTimestamp == nil || !slices.Contains(p.Metadata.Finalizers, preStopFinalizer) {
			continue
		}
		until, known := k.held[p.Metadata.UID]
		if !known {
			var seconds int64
			for _, c := range p.Spec.Containers {
				seconds = max(seconds, c.Lifecycle.PreStop.Sleep.Seconds)
			}
			if p.Spec.NodeName == "" {
				seconds = 0 // it never ran
			}
			until = now.Add(time.Duration(seconds) * time.Second)
		}
		held[p.Metadata.UID] = until
		if !now.Before(until) {
			free = append(free, p)
		}
	}
	k.held = held
	return free
}

// syncPods lets pods go whose hooks have ended.
func (k *kubelets) syncPods(ctx context.Context) error {
	var list struct{ Items []podState }
	text, err := k.do(ctx, "GET", "/api/v1/pods", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, p := range k.released(list.Items, time.Now()) {
		others := slices.DeleteFunc(p.Metadata.Finalizers, func(f string) bool { return f == preStopFinalizer })
		// With the UID it is not done to a namesake.
		patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.Metadata.UID, "finalizers": others}})
		path := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
		if _, perr := k.do(ctx, "PATCH", path, patch); perr != nil {
			err = perr // the others have their turn all the same
		}
	}
	return err
}

// syncNodes looks at each node once.
func (k *kubelets) syncNodes(ctx context.Context) error {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ Capacity, Allocatable resourceList }
		}
	}
	text, err := k.do(ctx, "GET", "/api/v1/nodes", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, n := range list.Items {
		if p := allocatablePatch(n.Status.Capacity, n.Status.Allocatable); p != nil {
			if _, err := k.do(ctx, "PATCH", "/api/v1/nodes/"+n.Metadata.Name+"/status", p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *kubelets) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, k.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	switch method {
	case "PATCH":
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case "POST":
		req.Header.Set("Content-Type", "application/yaml") // of which JSON is a part
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: HTTP %d: %.200s", method, path, resp.StatusCode, text)
	}
	return text, err
}

// addPolicies gives the API server policies.yaml.
func (k *kubelets) addPolicies(ctx context.Context) error {
	plural := map[string]string{
		"MutatingAdmissionPolicy":          "mutatingadmissionpolicies",
		"MutatingAdmissionPolicyBinding":   "mutatingadmissionpolicybindings",
		"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
		"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
	}
	kind := regexp.MustCompile(`(?m)^kind: (\w+)$`)
	for _, doc := range strings.Split(policies, "\n---\n") {
		m := kind.FindStringSubmatch(doc)
		if m == nil || plural[m[1]] == "" {
			return fmt.Errorf("policies.yaml: of no known kind:\n%s", doc)
		}
		if _, err := k.do(ctx, "POST", "/apis/admissionregistration.k8s.io/v1/"+plural[m[1]], []byte(doc)); err != nil {
			return err
		}
	}
	return nil
}

// addSystemPods puts a pod on each node that has the names of those which the
// suite awaits on any node. Without them it waits a minute before most specs,
// and then goes on.
func (k *kubelets) addSystemPods(ctx context.Context) error {
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	text, err := k.do(ctx, "GET", "/api/v1/nodes", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	type object = map[string]any
	for _, n := range list.Items {
		name := "kube-proxy-fluentd-elasticsearch-node-problem-detector-" + n.Metadata.Name
		// It is bound here and not born on its node, since specs fail over a bound pod that has no
		// condition PodScheduled; with this scheduler's name nobody else binds it.
		pod, _ := json.Marshal(object{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": object{"name": name},
			"spec": object{
				"schedulerName": "nobody",
				"tolerations":   []object{{"operator": "Exists"}},
				"containers":    []object{{"name": "none", "image": "none"}},
			},
		})
		binding, _ := json.Marshal(object{
			"apiVersion": "v1", "kind": "Binding",
			"metadata": object{"name": name},
			"target":   object{"apiVersion": "v1", "kind": "Node", "name": n.Metadata.Name},
		})
		const pods = "/api/v1/namespaces/kube-system/pods"
		// The namespace and its service account may take a moment.
		for try := 0; ; try++ {
			if _, err = k.do(ctx, "POST", pods, pod); err == nil {
				break
			}
			if try == 60 || ctx.Err() != nil {
				return err
			}
			time.Sleep(500 * time.Millisecond)
		}
		if _, err = k.do(ctx, "POST", pods+"/"+name+"/binding", binding); err != nil {
			return err
		}
	}
	return nil
}

// run syncs twice a second until the function that it returns is called.
func (k *kubelets) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		told := ""
		for {
			if err := errors.Join(k.syncNodes(ctx), k.syncPods(ctx)); err != nil && ctx.Err() == nil && err.Error() != told {
				told = err.Error()
				say("playing kubelet: %v", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); done.Wait() }
}
