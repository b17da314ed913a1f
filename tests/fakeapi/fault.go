// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// fault is one rule: the first that matches a request and has times left decides what goes wrong.
type fault struct {
	// What it matches; empty fields match all.
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`  // part of the path
	Query  string `json:"query,omitempty"` // part of the raw query; "!x": x is not part of it
	Skip   int    `json:"skip,omitempty"`  // matching requests to let through first
	Times  int    `json:"times,omitempty"` // how often; 0: always

	Action string `json:"action"`

	Status     int    `json:"status,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"` // seconds
	MS         int    `json:"ms,omitempty"`         // delays
	N          int    `json:"n,omitempty"`          // bytes, or versions for rv-backwards
	After      int    `json:"after,omitempty"`      // events of a watch
	Text       string `json:"text,omitempty"`       // content type or raw body
	KeepOpen   bool   `json:"keepOpen,omitempty"`

	used int
}

// actions names every action and says what it does, for README.md and --help.
var actions = map[string]string{
	"status":         "answers status (default 429) with reason, message and retryAfter",
	"hang":           "never answers",
	"silence":        "sends 200 and headers, then nothing",
	"freeze":         "stops reading and writing on the connection, which stays open",
	"slow":           "waits ms, then answers",
	"cut-before":     "closes the connection without carrying the request out",
	"cut-after":      "carries the request out, then closes the connection without an answer",
	"truncate":       "closes the connection after n bytes of the body",
	"reset":          "resets the stream (HTTP/2) or aborts the answer (HTTP/1.1)",
	"bytes":          "sends the body a byte at a time, ms apart",
	"garbage":        "answers 200 with n random bytes, or with text",
	"content-type":   "answers with text as the content type",
	"huge-headers":   "adds n bytes of headers",
	"goaway":         "answers, and ends the connection in good order (GOAWAY, Connection: close)",
	"rv-backwards":   "lowers resourceVersions in the answer by n",
	"bookmarks-only": "a watch that sends nothing but bookmarks",
	"watch-error":    "sends ERROR with status (default 410) after `after` events; keepOpen: and goes on",
	"watch-silence":  "sends nothing more after `after` events",
	"watch-cut":      "closes the connection after `after` events",
	"watch-end":      "ends the watch in good order after ms",
}

// modes are ready-made faults for --mode and POST /_mode.
var modes = map[string][]fault{
	"expired-midlist":   {{Method: "GET", Query: "continue=", Times: 1, Action: "status", Status: 410, Reason: "Expired", Message: "The provided continue parameter is too old to display a consistent list result."}},
	"watch-410":         {{Method: "GET", Query: "watch=", Times: 1, Action: "watch-error", After: 1}},
	"half-open":         {{Method: "GET", Query: "watch=", Times: 1, Action: "watch-silence", After: 0}},
	"freeze":            {{Action: "freeze", Times: 1}},
	"bytewise":          {{Method: "GET", Action: "bytes"}},
	"throttle":          {{Times: 2, Action: "status", Status: 429, Reason: "TooManyRequests", Message: "Too many requests, please try again later.", RetryAfter: 1}},
	"unauthorized-once": {{Times: 1, Action: "status", Status: 401, Reason: "Unauthorized", Message: "Unauthorized"}},
	"bind-cut-before":   {{Method: "POST", Path: "/binding", Times: 1, Action: "cut-before"}},
	"bind-cut-after":    {{Method: "POST", Path: "/binding", Times: 1, Action: "cut-after"}},
	"goaway":            {{Action: "goaway"}},
	"slow-list":         {{Method: "GET", Query: "!watch=", Action: "slow", MS: 5000}},
	"garbage":           {{Method: "GET", Times: 1, Action: "garbage", N: 65536}},
	"huge-headers":      {{Method: "GET", Times: 1, Action: "huge-headers", N: 1 << 20}},
	"wrong-type":        {{Method: "GET", Times: 1, Action: "content-type", Text: "text/html"}},
	"rv-backwards":      {{Method: "GET", Action: "rv-backwards", N: 500}},
	"bookmarks-only":    {{Method: "GET", Query: "watch=", Action: "bookmarks-only"}},
	"big-object":        {}, // see addMode
}

func modeNames() []string { return slices.Sorted(maps.Keys(modes)) }

func (s *server) addMode(name string) error {
	rules, ok := modes[name]
	if !ok {
		return fmt.Errorf("no mode %q; there are: %s", name, strings.Join(modeNames(), ", "))
	}
	for _, f := range rules {
		if err := s.faults.add(&f); err != nil {
			return err
		}
	}
	if name == "big-object" {
		pod := newPod("default", "big", "default-scheduler")
		ensure(ensure(pod, "metadata"), "annotations")["example.com/big"] = strings.Repeat("x", 5<<20)
		s.store.apply(pod)
	}
	return nil
}

type faults struct {
	mu    sync.Mutex
	rules []*fault
	subs  []*rawSub
}

func (f *faults) add(rule *fault) error {
	if _, ok := actions[rule.Action]; !ok {
		return fmt.Errorf("no action %q; there are: %s", rule.Action, strings.Join(slices.Sorted(maps.Keys(actions)), ", "))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, rule)
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

func (f *fault) matches(q *request) bool {
	query, negated := strings.CutPrefix(f.Query, "!")
	return (f.Method == "" || f.Method == q.r.Method) && strings.Contains(q.r.URL.Path, f.Path) &&
		strings.Contains(q.r.URL.RawQuery, query) != negated
}

func (f *faults) take(q *request) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if !rule.matches(q) || (rule.Times > 0 && rule.used >= rule.Skip+rule.Times) {
			continue
		}
		rule.used++
		if rule.used <= rule.Skip {
			continue
		}
		return rule
	}
	return nil
}

// rawSub receives bytes that the control port puts into the watches of a resource.
type rawSub struct {
	plural string
	c      chan []byte
}

func (f *faults) subscribe(plural string) *rawSub {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &rawSub{plural, make(chan []byte, 16)}
	f.subs = append(f.subs, s)
	return s
}

func (f *faults) unsubscribe(s *rawSub) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs = slices.DeleteFunc(f.subs, func(x *rawSub) bool { return x == s })
}

func (f *faults) broadcast(plural string, text []byte) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.subs {
		if plural == "" || s.plural == plural {
			select {
			case s.c <- text:
				n++
			default:
			}
		}
	}
	return n
}

// cut closes the connection under a request at once: a reset where data is unread.
func (s *server) cut(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*gatedConn); ok {
		if t, ok := c.Conn.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		c.Close()
	}
}

// before plays the faults that come ahead of the request's work. False: the request is over.
func (s *server) before(w http.ResponseWriter, q *request) (http.ResponseWriter, bool) {
	f := q.fault
	if f == nil {
		return w, true
	}
	switch f.Action {
	case "status":
		code := f.Status
		if code == 0 {
			code = 429
		}
		writeStatus(w, code, f.Reason, f.Message, f.RetryAfter)
		return w, false
	case "hang":
		<-q.r.Context().Done()
		return w, false
	case "silence":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		flush(w)
		<-q.r.Context().Done()
		return w, false
	case "freeze":
		if c, ok := q.r.Context().Value(connKey{}).(*gatedConn); ok {
			c.freeze()
		}
	case "slow":
		select {
		case <-time.After(time.Duration(f.MS) * time.Millisecond):
		case <-q.r.Context().Done():
			return w, false
		}
	case "cut-before":
		s.cut(q.r)
		return w, false
	case "cut-after":
		return &discard{header: http.Header{}}, true
	case "reset":
		panic(http.ErrAbortHandler)
	case "garbage":
		text := []byte(f.Text)
		if f.Text == "" {
			text = make([]byte, max(f.N, 1))
			rand.Read(text)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(text)
		return w, false
	case "huge-headers":
		const each = 4096
		for i := 0; i*each < f.N; i++ {
			w.Header().Set(fmt.Sprintf("X-Huge-%d", i), strings.Repeat("h", each))
		}
	case "goaway":
		w.Header().Set("Connection", "close")
	case "truncate":
		return &shaped{ResponseWriter: w, left: f.N, done: func() { s.cut(q.r) }}, true
	case "bytes":
		return &shaped{ResponseWriter: w, left: -1, bytewise: true, pause: time.Duration(f.MS) * time.Millisecond}, true
	case "content-type":
		return &shaped{ResponseWriter: w, left: -1, contentType: f.Text}, true
	}
	return w, true
}

func (s *server) after(_ http.ResponseWriter, q *request) {
	if q.fault != nil && q.fault.Action == "cut-after" {
		s.cut(q.r)
	}
}

// discard takes an answer that no one is to see.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) Flush()                      {}

// shaped changes how an answer looks on the wire.
type shaped struct {
	http.ResponseWriter
	left        int // bytes until done is called; -1: no limit
	done        func()
	bytewise    bool
	pause       time.Duration
	contentType string
}

func (s *shaped) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *shaped) WriteHeader(status int) {
	if s.contentType != "" {
		s.Header().Set("Content-Type", s.contentType)
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *shaped) Write(p []byte) (int, error) {
	total := len(p)
	if s.left >= 0 && len(p) >= s.left {
		s.ResponseWriter.Write(p[:s.left])
		flush(s.ResponseWriter)
		time.Sleep(20 * time.Millisecond) // let the bytes leave before the connection goes
		s.done()
		return 0, net.ErrClosed
	}
	if s.left >= 0 {
		s.left -= len(p)
	}
	if !s.bytewise {
		return s.ResponseWriter.Write(p)
	}
	for i := range p {
		if _, err := s.ResponseWriter.Write(p[i : i+1]); err != nil {
			return i, err
		}
		if err := flush(s.ResponseWriter); err != nil {
			return i, err
		}
		time.Sleep(s.pause)
	}
	return total, nil
}
