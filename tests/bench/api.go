// SPDX-License-Identifier: Apache-2.0

// A client of the API server that costs little: HTTP/2, protobuf bodies, and
// answers that are thrown away unread.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// api is one connection's worth of client: what should not share a connection
// with a watch gets an api of its own.
type api struct {
	base string
	http *http.Client
}

func newAPI(kubeconfig string) (*api, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	return &api{
		base: strings.TrimSuffix(config.Host, "/"),
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig:    tlsConfig,
			ForceAttemptHTTP2:  true,
			DisableCompression: true,
		}},
	}, nil
}

// apiError is an answer with a status that is not a success.
type apiError struct {
	code    int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.code, e.message) }

func isCode(err error, code int) bool {
	var e *apiError
	return errors.As(err, &e) && e.code == code
}

func (a *api) send(ctx context.Context, method, path, contentType, accept string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header["Accept"] = []string{accept}
	req.Header["User-Agent"] = []string{"steelyard-bench"}
	if body != nil {
		req.Header["Content-Type"] = []string{contentType}
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	message := string(b)
	var status struct{ Message string }
	if raw, err := unwrap(b); err == nil {
		if m, err := field(raw, 3); err == nil {
			message = string(m)
		}
	} else if json.Unmarshal(b, &status) == nil && status.Message != "" {
		message = status.Message
	}
	return nil, &apiError{resp.StatusCode, message}
}

// post sends a protobuf body and ignores the answer's.
func (a *api) post(ctx context.Context, path string, body []byte) error {
	resp, err := a.send(ctx, "POST", path, protobufType, protobufType, body)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return err
}

// json sends in, which may be nil, and decodes the answer into out, which may be
// nil.
func (a *api) json(ctx context.Context, method, path string, in, out any) error {
	contentType := "application/json"
	if method == "PATCH" {
		contentType = "application/merge-patch+json"
	}
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := a.send(ctx, method, path, contentType, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// watchPods calls on for every pod that a field selector chooses and then for every
// event, until ctx is done. It calls begun once it watches. The API server ends a
// watch that falls behind; then all pods come again, and on has to bear that.
func (a *api) watchPods(ctx context.Context, fieldSelector string, begun func(), on func(podEvent)) error {
	for again := false; ; again = true {
		version, err := a.listPods(ctx, fieldSelector, on)
		if err != nil {
			return err
		}
		err = a.watchFrom(ctx, fieldSelector, version, begun, on)
		if !errors.Is(err, errWatchOver) || ctx.Err() != nil {
			return err
		}
		if !again {
			say("the API server ended a watch: %v", err)
		}
		begun = func() {}
	}
}

// listPods reports pods as ADDED and returns the version to watch from.
func (a *api) listPods(ctx context.Context, fieldSelector string, on func(podEvent)) (string, error) {
	q := url.Values{"resourceVersion": {"0"}, "fieldSelector": {fieldSelector}}
	resp, err := a.send(ctx, "GET", podsPath+"?"+q.Encode(), "", protobufType, nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return "", err
	}
	return parseList(b, on)
}

func (a *api) watchFrom(ctx context.Context, fieldSelector, version string, begun func(), on func(podEvent)) error {
	q := url.Values{"watch": {"1"}, "resourceVersion": {version}, "fieldSelector": {fieldSelector},
		"timeoutSeconds": {"3600"}}
	resp, err := a.send(ctx, "GET", podsPath+"?"+q.Encode(), "", protobufType+";stream=watch", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	begun()
	const most = 4 << 20
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	frame := make([]byte, 0, 8<<10)
	var head [4]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("%w: %w", errWatchOver, err)
		}
		size := binary.BigEndian.Uint32(head[:])
		if size > most {
			return fmt.Errorf("watch: a frame of %d bytes", size)
		}
		if uint32(cap(frame)) < size {
			frame = make([]byte, size)
		}
		frame = frame[:size]
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("%w: %w", errWatchOver, err)
		}
		e, err := parseEvent(frame)
		if err != nil {
			return err
		}
		on(e)
	}
}

// podCount is the number of pods that a field selector chooses.
func (a *api) podCount(ctx context.Context, fieldSelector string) (int, error) {
	var l struct {
		Metadata struct {
			Remaining int `json:"remainingItemCount"`
		} `json:"metadata"`
		Items []struct{} `json:"items"`
	}
	q := url.Values{"fieldSelector": {fieldSelector}, "resourceVersion": {"0"}}
	if fieldSelector == "" {
		q = url.Values{"limit": {"1"}}
	}
	err := a.json(ctx, "GET", "/api/v1/namespaces/"+namespace+"/pods?"+q.Encode(), nil, &l)
	return len(l.Items) + l.Metadata.Remaining, err
}

// deletePods deletes all pods at once, without the grace that only a kubelet
// could end. The API server may cut a long deletion short: it goes on as long as
// each try leaves fewer.
func (a *api) deletePods(ctx context.Context) error {
	options := map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
	last := math.MaxInt
	for {
		err := a.json(ctx, "DELETE", "/api/v1/namespaces/"+namespace+"/pods", options, nil)
		n, cerr := a.podCount(ctx, "")
		switch {
		case cerr != nil:
			return errors.Join(err, cerr)
		case n == 0:
			return nil
		case n >= last:
			return errors.Join(err, fmt.Errorf("%d pods cannot be deleted", n))
		}
		last = n
	}
}

// purge deletes all of a collection. Finalizers are taken off: whoever would do so
// does not run here.
func (a *api) purge(ctx context.Context, path string, workers int) error {
	type item struct {
		Metadata struct {
			Name       string   `json:"name"`
			Finalizers []string `json:"finalizers"`
		} `json:"metadata"`
	}
	for last := math.MaxInt; ; {
		derr := a.json(ctx, "DELETE", path, nil, nil) // see deletePods
		var l struct {
			Items []item `json:"items"`
		}
		if err := a.json(ctx, "GET", path, nil, &l); err != nil {
			return fmt.Errorf("listing %s: %w", path, err)
		}
		if len(l.Items) == 0 {
			return nil
		}
		if len(l.Items) >= last {
			return errors.Join(derr, fmt.Errorf("%d of %s cannot be deleted", len(l.Items), path))
		}
		last = len(l.Items)
		err := each(ctx, len(l.Items), workers, func(ctx context.Context, i int) error {
			if len(l.Items[i].Metadata.Finalizers) == 0 {
				return nil
			}
			patch := map[string]any{"metadata": map[string]any{"finalizers": nil}}
			err := a.json(ctx, "PATCH", path+"/"+l.Items[i].Metadata.Name, patch, nil)
			if isCode(err, 404) {
				return nil
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("taking finalizers off %s: %w", path, err)
		}
	}
}

// each runs f for 0..n-1 on a number of workers and stops at the first error.
func each(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := f(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// poll calls f until it succeeds.
func poll(ctx context.Context, pause, limit time.Duration, f func() error) error {
	for begin := time.Now(); ; {
		err := f()
		if err == nil {
			return nil
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("gave up after %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
