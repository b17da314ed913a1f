// SPDX-License-Identifier: Apache-2.0

// The one duty of a kubelet that a spec needs and kwok leaves undone: what a
// node's status gains or loses in capacity, it gains or loses in allocatable.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"sync"
	"time"
)

// kubelets speaks to the API server as the kubeconfig's user.
type kubelets struct {
	server string
	client *http.Client
}

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
	return &kubelets{server, &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}}}, nil
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

// sync looks at each node once.
func (k *kubelets) sync(ctx context.Context) error {
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
	if body != nil {
		req.Header.Set("Content-Type", "application/merge-patch+json")
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

// run syncs twice a second until the function that it returns is called.
func (k *kubelets) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		told := ""
		for {
			if err := k.sync(ctx); err != nil && ctx.Err() == nil && err.Error() != told {
				told = err.Error()
				say("node status: %v", err)
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
