// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// controlHandler serves the control port. Everything takes effect before the answer is sent.
func (s *server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	fail := func(w http.ResponseWriter, err error) {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	number := func(r *http.Request, name string) (int, error) {
		v := r.URL.Query().Get(name)
		if v == "" {
			return 0, nil
		}
		return strconv.Atoi(v)
	}
	mux.HandleFunc("/_log", s.log.serve)
	mux.HandleFunc("POST /_fault", func(w http.ResponseWriter, r *http.Request) {
		var f fault
		err := json.NewDecoder(r.Body).Decode(&f)
		if err == nil {
			err = s.faults.add(&f)
		}
		if err != nil {
			fail(w, err)
		}
	})
	mux.HandleFunc("DELETE /_fault", func(http.ResponseWriter, *http.Request) { s.faults.clear() })
	mux.HandleFunc("POST /_mode", func(w http.ResponseWriter, r *http.Request) {
		if err := s.addMode(r.URL.Query().Get("name")); err != nil {
			fail(w, err)
		}
	})
	mux.HandleFunc("POST /_apply", func(w http.ResponseWriter, r *http.Request) {
		d := json.NewDecoder(r.Body)
		for {
			var o object
			err := d.Decode(&o)
			if err == io.EOF {
				return
			}
			if err == nil {
				o, err = s.store.apply(o)
			}
			if err != nil {
				fail(w, err)
				return
			}
			fmt.Fprintln(w, str(o, "metadata", "resourceVersion"))
		}
	})
	mux.HandleFunc("DELETE /_object", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		gv := q.Get("apiVersion")
		if gv == "" {
			gv = "v1"
		}
		if !s.store.remove(resource{gv, q.Get("resource")}, q.Get("namespace")+"/"+q.Get("name")) {
			fail(w, fmt.Errorf("no such object"))
		}
	})
	mux.HandleFunc("POST /_generate", func(w http.ResponseWriter, r *http.Request) {
		nodes, err := number(r, "nodes")
		pods, err2 := number(r, "pods")
		if err != nil || err2 != nil {
			fail(w, fmt.Errorf("nodes and pods are numbers"))
			return
		}
		scheduler := r.URL.Query().Get("scheduler")
		if scheduler == "" {
			scheduler = "default-scheduler"
		}
		s.store.generate(nodes, pods, scheduler)
	})
	mux.HandleFunc("GET /_bound", func(w http.ResponseWriter, _ *http.Request) {
		pods, _ := s.store.listed(resource{"v1", "pods"}, "", func(o object) bool { return str(o, "spec", "nodeName") != "" })
		for _, p := range pods {
			fmt.Fprintln(w, keyOf(p), str(p, "spec", "nodeName"))
		}
	})
	mux.HandleFunc("POST /_token", func(w http.ResponseWriter, r *http.Request) {
		if err := s.setToken(r.URL.Query().Get("value")); err != nil {
			fail(w, err)
		}
	})
	mux.HandleFunc("POST /_compact", func(http.ResponseWriter, *http.Request) { s.store.compact() })
	mux.HandleFunc("POST /_rv", func(w http.ResponseWriter, r *http.Request) {
		n, err := number(r, "value")
		if err != nil || n < 1 {
			fail(w, fmt.Errorf("value is a resource version"))
			return
		}
		s.store.setRV(uint64(n))
	})
	mux.HandleFunc("POST /_watch", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			fail(w, err)
			return
		}
		fmt.Fprintln(w, s.faults.broadcast(r.URL.Query().Get("resource"), text))
	})
	mux.HandleFunc("POST /_freeze", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, s.gate.freezeAll(r.URL.Query().Has("new")))
	})
	mux.HandleFunc("POST /_thaw", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, s.gate.thawAll())
	})
	mux.HandleFunc("POST /_cut", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, s.gate.cutAll())
	})
	return mux
}
