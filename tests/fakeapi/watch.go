// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// watchEvent has its fields in the order in which kube-apiserver sends them.
type watchEvent struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

func event(kind string, o any) []byte {
	return append(mustJSON(watchEvent{kind, o}), '\n')
}

// watcher is one watch being served.
type watcher struct {
	s     *server
	w     http.ResponseWriter
	q     *request
	match func(object) bool
	next  int // entry of the collection's history to send next, counted from its beginning
	sent  int // events, bookmarks not counted
	rv    uint64
}

func (s *server) watch(w http.ResponseWriter, q *request) {
	query := q.r.URL.Query()
	match, err := fieldMatcher(query.Get("fieldSelector"))
	if err != nil {
		writeStatus(w, 400, "BadRequest", err.Error(), 0)
		return
	}
	x := &watcher{s: s, w: w, q: q, match: match}
	initial := isTrue(q.r, "sendInitialEvents")
	if initial && !s.watchList {
		writeStatus(w, 422, "Invalid", "ListOptions is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled", 0)
		return
	}
	from := query.Get("resourceVersion")
	rv, err := strconv.ParseUint(from, 10, 64)
	if from != "" && err != nil {
		writeStatus(w, 400, "BadRequest", fmt.Sprintf("invalid resource version %q", from), 0)
		return
	}

	s.store.mu.Lock()
	c := s.store.collection(q.res)
	x.next = c.dropped + len(c.history)
	var snapshot []object
	switch {
	case initial || rv == 0:
		for _, o := range c.objects {
			if x.inScope(o) {
				snapshot = append(snapshot, o)
			}
		}
		x.rv = s.store.rv
	case rv < s.store.compacted:
		s.store.mu.Unlock()
		writeStatus(w, 410, "Expired", fmt.Sprintf("too old resource version: %d (%d)", rv, s.store.compacted), 0)
		return
	default:
		for i := len(c.history); i > 0 && c.history[i-1].rv > rv; i-- {
			x.next = c.dropped + i - 1
		}
		x.rv = rv
	}
	s.store.mu.Unlock()

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	for _, o := range snapshot {
		if !x.send("ADDED", o) {
			return
		}
	}
	if initial && isTrue(q.r, "allowWatchBookmarks") && !x.bookmark(true) {
		return
	}
	if flush(w) != nil {
		return
	}
	x.follow()
}

// inScope is called with the store's lock held or on an object that never changes again.
func (x *watcher) inScope(o object) bool {
	return o != nil && (x.q.ns == "" || str(o, "metadata", "namespace") == x.q.ns) && x.match(o)
}

// follow sends changes as they come, until the client goes, its time is up, or a fault ends it.
func (x *watcher) follow() {
	var end <-chan time.Time
	if n, _ := strconv.Atoi(x.q.r.URL.Query().Get("timeoutSeconds")); n > 0 {
		end = time.After(time.Duration(n) * time.Second)
	}
	if f := x.q.fault; f != nil && f.Action == "watch-end" {
		end = time.After(time.Duration(f.MS) * time.Millisecond)
	}
	tick := time.NewTicker(time.Duration(x.s.bookmarkMS) * time.Millisecond)
	defer tick.Stop()
	raw := x.s.faults.subscribe(x.q.res.plural)
	defer x.s.faults.unsubscribe(raw)
	if !x.faultAfter(0) {
		return
	}
	for {
		changes, changed, ok := x.pending()
		if !ok {
			return
		}
		for _, c := range changes {
			kind := c.kind
			is, was := x.inScope(c.obj), x.inScope(c.old)
			switch {
			case kind == "DELETED" && !was, !is && !was:
				continue
			case kind != "DELETED" && is && !was:
				kind = "ADDED"
			case !is:
				kind = "DELETED"
			}
			if !x.send(kind, c.obj) {
				return
			}
			x.rv = c.rv
		}
		if len(changes) > 0 {
			if flush(x.w) != nil {
				return
			}
			continue
		}
		select {
		case <-x.q.r.Context().Done():
			return
		case <-end:
			return
		case text := <-raw.c:
			if _, err := x.w.Write(text); err != nil || flush(x.w) != nil {
				return
			}
		case <-tick.C:
			if isTrue(x.q.r, "allowWatchBookmarks") && (!x.bookmark(false) || flush(x.w) != nil) {
				return
			}
		case <-changed:
		}
	}
}

// pending returns the changes that were not sent yet and a channel that closes at the next one.
func (x *watcher) pending() ([]change, <-chan struct{}, bool) {
	st := x.s.store
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.collection(x.q.res)
	if x.next < c.dropped {
		x.w.Write(event("ERROR", status(410, "Expired", "too old resource version")))
		return nil, nil, false
	}
	changes := c.history[x.next-c.dropped:]
	x.next = c.dropped + len(c.history)
	if len(changes) == 0 {
		x.rv = st.rv
	}
	return changes, st.changed, true
}

func (x *watcher) send(kind string, o object) bool {
	if f := x.q.fault; f != nil {
		switch f.Action {
		case "bookmarks-only":
			return true
		case "rv-backwards":
			o = clone(o)
			rv, _ := strconv.ParseUint(str(o, "metadata", "resourceVersion"), 10, 64)
			ensure(o, "metadata")["resourceVersion"] = strconv.FormatUint(rv-min(rv-1, uint64(f.N)), 10)
		}
	}
	if _, err := x.w.Write(event(kind, o)); err != nil {
		return false
	}
	x.sent++
	return x.faultAfter(x.sent)
}

// faultAfter plays the faults that come after a number of events. False ends the watch.
func (x *watcher) faultAfter(n int) bool {
	f := x.q.fault
	if f == nil || n != f.After {
		return true
	}
	switch f.Action {
	case "watch-error":
		code, reason := f.Status, f.Reason
		if code == 0 {
			code, reason = 410, "Expired"
		}
		x.w.Write(event("ERROR", status(code, reason, "too old resource version: 1 (1000)")))
		flush(x.w)
		return f.KeepOpen
	case "watch-silence":
		flush(x.w)
		<-x.q.r.Context().Done()
		return false
	case "watch-cut":
		flush(x.w)
		x.s.cut(x.q.r)
		return false
	}
	return true
}

func (x *watcher) bookmark(initialEnd bool) bool {
	meta := object{"resourceVersion": strconv.FormatUint(x.rv, 10), "creationTimestamp": nil}
	if initialEnd {
		meta["annotations"] = object{"k8s.io/initial-events-end": "true"}
	}
	_, err := x.w.Write(event("BOOKMARK", object{
		"kind": kindOf(x.q.res.plural), "apiVersion": x.q.res.groupVersion, "metadata": meta,
	}))
	return err == nil
}
