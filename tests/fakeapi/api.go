// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// request is one call on its way: what the path names, and its line in the log.
type request struct {
	r        *http.Request
	body     []byte
	res      resource
	ns, name string
	sub      string
	entry    *logEntry
	fault    *fault
}

// logEntry is a line of /_log.
type logEntry struct {
	N      int    `json:"n"`
	MS     int64  `json:"ms"` // since start
	Proto  string `json:"proto"`
	Conn   string `json:"conn"` // the client's address: equal means the same connection
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query,omitempty"`
	Status int    `json:"status"` // 0: none was sent
	Fault  string `json:"fault,omitempty"`
	Agent  string `json:"agent,omitempty"`
	Body   string `json:"body,omitempty"`
	Bytes  int    `json:"bytes"` // of the answer
	Done   bool   `json:"done"`  // the handler returned
}

type requestLog struct {
	mu      sync.Mutex
	start   time.Time
	n       int
	entries []*logEntry
}

const maxLog = 100000

func (l *requestLog) add(r *http.Request, body []byte) *logEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start.IsZero() {
		l.start = time.Now()
	}
	l.n++
	e := &logEntry{
		N: l.n, MS: time.Since(l.start).Milliseconds(), Proto: r.Proto, Conn: r.RemoteAddr,
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Agent: r.UserAgent(),
		Body: string(body[:min(len(body), 4096)]),
	}
	if len(l.entries) >= maxLog {
		l.entries = l.entries[maxLog/2:]
	}
	l.entries = append(l.entries, e)
	return e
}

func (l *requestLog) update(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *requestLog) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodDelete {
		l.entries = nil
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	match := func(e *logEntry) bool {
		q := r.URL.Query()
		return strings.Contains(e.Path, q.Get("path")) && strings.Contains(e.Query, q.Get("query")) &&
			(q.Get("method") == "" || e.Method == q.Get("method"))
	}
	n := 0
	for _, e := range l.entries {
		if match(e) {
			n++
			if !r.URL.Query().Has("count") {
				w.Write(append(mustJSON(e), '\n'))
			}
		}
	}
	if r.URL.Query().Has("count") {
		fmt.Fprintln(w, n)
	}
}

// tokens holds the one bearer token that is accepted now; "" accepts all.
type tokens struct {
	mu  sync.Mutex
	now string
}

func (s *server) setToken(token string) error {
	s.token.mu.Lock()
	defer s.token.mu.Unlock()
	s.token.now = token
	// Replaced, never written in place: whoever reads it sees the old token or the new one.
	tmp := filepath.Join(s.dir, "token.new")
	if err := os.WriteFile(tmp, []byte(token), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.dir, "token"))
}

func (s *server) authorized(r *http.Request) bool {
	s.token.mu.Lock()
	defer s.token.mu.Unlock()
	return s.token.now == "" || r.Header.Get("Authorization") == "Bearer "+s.token.now
}

// answer counts what leaves and remembers the status for the log.
type answer struct {
	http.ResponseWriter
	log   *requestLog
	entry *logEntry
}

func (a *answer) WriteHeader(status int) {
	a.log.update(func() { a.entry.Status = status })
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.log.update(func() {
		if a.entry.Status == 0 {
			a.entry.Status = http.StatusOK
		}
		a.entry.Bytes += len(p)
	})
	return a.ResponseWriter.Write(p)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func flush(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_log" {
		s.log.serve(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return
	}
	q := &request{r: r, body: body, entry: s.log.add(r, body)}
	q.parsePath()
	q.fault = s.faults.take(q)
	if q.fault != nil {
		s.log.update(func() { q.entry.Fault = q.fault.Action })
	}
	defer s.log.update(func() { q.entry.Done = true })
	w.Header().Set("Audit-Id", newUID())
	w.Header().Set("Cache-Control", "no-cache, private")
	var out http.ResponseWriter = &answer{w, &s.log, q.entry}
	out, proceed := s.before(out, q)
	if !proceed {
		return
	}
	if !s.authorized(r) {
		writeStatus(out, 401, "Unauthorized", "Unauthorized", 0)
	} else {
		s.route(out, q)
	}
	s.after(out, q)
}

// parsePath splits /api/v1[/namespaces/NS]/PLURAL[/NAME[/SUB]] and its /apis/GROUP/VERSION form.
func (q *request) parsePath() {
	p := strings.Split(strings.Trim(q.r.URL.Path, "/"), "/")
	switch {
	case len(p) >= 3 && p[0] == "api":
		q.res.groupVersion = p[1]
		p = p[2:]
	case len(p) >= 4 && p[0] == "apis":
		q.res.groupVersion = p[1] + "/" + p[2]
		p = p[3:]
	default:
		return
	}
	if p[0] == "namespaces" && len(p) >= 3 {
		q.ns = p[1]
		p = p[2:]
	}
	q.res.plural = p[0]
	if len(p) > 1 {
		q.name = p[1]
	}
	if len(p) > 2 {
		q.sub = p[2]
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(mustJSON(v), '\n'))
}

// statusObject and listObject have their fields in the order in which kube-apiserver sends them.
type statusObject struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   object `json:"metadata"`
	Status     string `json:"status"`
	Message    string `json:"message,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Details    object `json:"details,omitempty"`
	Code       int    `json:"code"`
}

type listObject struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   object   `json:"metadata"`
	Items      []object `json:"items"`
}

func status(code int, reason, message string) *statusObject {
	o := &statusObject{Kind: "Status", APIVersion: "v1", Metadata: object{}, Status: "Success", Code: code}
	if code >= 400 {
		o.Status, o.Reason, o.Message = "Failure", reason, message
	}
	return o
}

func writeStatus(w http.ResponseWriter, code int, reason, message string, retryAfter int) {
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, code, status(code, reason, message))
}

func (s *server) route(w http.ResponseWriter, q *request) {
	r := q.r
	switch r.URL.Path {
	case "/healthz", "/livez", "/readyz":
		io.WriteString(w, "ok")
		return
	case "/version":
		writeJSON(w, 200, object{"major": "1", "minor": "37", "gitVersion": "v1.37.0-fake"})
		return
	}
	if q.res.plural == "" {
		writeStatus(w, 404, "NotFound", "the server could not find the requested resource", 0)
		return
	}
	switch {
	case q.sub == "binding" && r.Method == http.MethodPost:
		s.bind(w, q)
	case q.sub == "eviction" && r.Method == http.MethodPost:
		s.evict(w, q)
	case r.Method == http.MethodGet && q.name == "" && isTrue(r, "watch"):
		s.watch(w, q)
	case r.Method == http.MethodGet && q.name == "":
		s.list(w, q)
	case r.Method == http.MethodGet:
		s.get(w, q)
	case r.Method == http.MethodPost && q.name == "":
		s.create(w, q)
	case r.Method == http.MethodPut, r.Method == http.MethodPatch:
		s.update(w, q)
	case r.Method == http.MethodDelete && q.name != "":
		if !s.store.remove(q.res, q.ns+"/"+q.name) {
			q.notFound(w)
			return
		}
		writeJSON(w, 200, status(200, "", ""))
	default:
		writeStatus(w, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource", 0)
	}
}

func isTrue(r *http.Request, name string) bool {
	v := r.URL.Query().Get(name)
	return v == "1" || v == "true"
}

func (q *request) notFound(w http.ResponseWriter) {
	writeStatus(w, 404, "NotFound", fmt.Sprintf("%s %q not found", q.res.plural, q.name), 0)
}

func (s *server) get(w http.ResponseWriter, q *request) {
	s.store.mu.Lock()
	o := s.store.collection(q.res).objects[q.ns+"/"+q.name]
	s.store.mu.Unlock()
	if o == nil {
		q.notFound(w)
		return
	}
	writeJSON(w, 200, o)
}

type continueToken struct {
	RV    uint64 `json:"rv"`
	Start string `json:"start"`
}

func (s *server) list(w http.ResponseWriter, q *request) {
	query := q.r.URL.Query()
	match, err := fieldMatcher(query.Get("fieldSelector"))
	if err != nil {
		writeStatus(w, 400, "BadRequest", err.Error(), 0)
		return
	}
	items, rv := s.store.listed(q.res, q.ns, match)
	if want, err := strconv.ParseUint(query.Get("resourceVersion"), 10, 64); err == nil && want > rv {
		o := status(504, "Timeout", fmt.Sprintf("Too large resource version: %d, current: %d", want, rv))
		o.Details = object{"retryAfterSeconds": 1, "causes": []any{object{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}}}
		writeJSON(w, 504, o)
		return
	}
	limit, _ := strconv.Atoi(query.Get("limit"))
	if t := query.Get("continue"); t != "" {
		var token continueToken
		text, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil || json.Unmarshal(text, &token) != nil {
			writeStatus(w, 400, "BadRequest", "continue key is not valid", 0)
			return
		}
		s.store.mu.Lock()
		expired := token.RV < s.store.compacted
		s.store.mu.Unlock()
		if expired {
			writeStatus(w, 410, "Expired", "The provided continue parameter is too old to display a consistent list result.", 0)
			return
		}
		rv = token.RV
		for len(items) > 0 && keyOf(items[0]) < token.Start {
			items = items[1:]
		}
	}
	meta := object{}
	if limit > 0 && limit < len(items) {
		meta["continue"] = base64.RawURLEncoding.EncodeToString(mustJSON(continueToken{rv, keyOf(items[limit])}))
		meta["remainingItemCount"] = len(items) - limit
		items = items[:limit]
	}
	if f := q.fault; f != nil && f.Action == "rv-backwards" {
		rv -= min(rv-1, uint64(f.N))
	}
	meta["resourceVersion"] = strconv.FormatUint(rv, 10)
	out := make([]object, len(items))
	for i, o := range items {
		out[i] = maps.Clone(o) // as in typed lists, the items do not repeat what they are
		delete(out[i], "kind")
		delete(out[i], "apiVersion")
	}
	writeJSON(w, 200, listObject{kindOf(q.res.plural) + "List", q.res.groupVersion, meta, out})
}

// decode reads the body as an object; it answers and returns nil when that fails.
func (q *request) decode(w http.ResponseWriter) object {
	var o object
	if err := json.Unmarshal(q.body, &o); err != nil || o == nil {
		writeStatus(w, 400, "BadRequest", "the body is no JSON object", 0)
		return nil
	}
	return o
}

func (s *server) create(w http.ResponseWriter, q *request) {
	o := q.decode(w)
	if o == nil {
		return
	}
	meta := ensure(o, "metadata")
	if meta["name"] == nil {
		meta["name"] = str(o, "metadata", "generateName") + newUID()[:5]
	}
	if q.ns != "" {
		meta["namespace"] = q.ns
	}
	complete(q.res, o)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.collection(q.res).objects[keyOf(o)] != nil {
		writeStatus(w, 409, "AlreadyExists", fmt.Sprintf("%s %q already exists", q.res.plural, str(o, "metadata", "name")), 0)
		return
	}
	writeJSON(w, 201, s.store.put(q.res, "", o))
}

// update serves PUT and PATCH, with the subresource "status" or none.
func (s *server) update(w http.ResponseWriter, q *request) {
	in := q.decode(w)
	if in == nil {
		return
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	old := s.store.collection(q.res).objects[q.ns+"/"+q.name]
	if old == nil {
		q.notFound(w)
		return
	}
	for _, k := range []string{"resourceVersion", "uid"} {
		if v := str(in, "metadata", k); v != "" && v != str(old, "metadata", k) {
			writeStatus(w, 409, "Conflict", fmt.Sprintf("Operation cannot be fulfilled on %s %q: the object has been modified; please apply your changes to the latest version and try again", q.res.plural, q.name), 0)
			return
		}
	}
	o := clone(old)
	switch {
	case q.r.Method == http.MethodPatch && q.sub == "status":
		ensure(o, "status")
		merge(o, object{"status": in["status"]})
	case q.r.Method == http.MethodPatch:
		merge(o, in)
	case q.sub == "status":
		o["status"] = in["status"]
	default:
		o = in
	}
	meta := ensure(o, "metadata")
	for _, k := range []string{"name", "namespace", "uid", "creationTimestamp"} {
		if v := sub(old, "metadata")[k]; v != nil {
			meta[k] = v
		}
	}
	writeJSON(w, 200, s.store.put(q.res, "", o))
}

// bind follows the checks of the registry's assignPod: existence, UID, not deleted, not bound.
func (s *server) bind(w http.ResponseWriter, q *request) {
	b := q.decode(w)
	if b == nil {
		return
	}
	node := str(b, "target", "name")
	if node == "" {
		writeStatus(w, 422, "Invalid", "Binding is invalid: target.name: Required value", 0)
		return
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	old := s.store.collection(q.res).objects[q.ns+"/"+q.name]
	if old == nil {
		q.notFound(w)
		return
	}
	conflict := func(format string, a ...any) {
		writeStatus(w, 409, "Conflict", fmt.Sprintf("Operation cannot be fulfilled on pods/binding %q: ", q.name)+fmt.Sprintf(format, a...), 0)
	}
	if uid := str(b, "metadata", "uid"); uid != "" && uid != str(old, "metadata", "uid") {
		conflict("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, str(old, "metadata", "uid"))
		return
	}
	if str(old, "metadata", "deletionTimestamp") != "" {
		conflict("pod %s is being deleted, cannot be assigned to a host", q.name)
		return
	}
	if at := str(old, "spec", "nodeName"); at != "" {
		conflict("pod %s is already assigned to node %q", q.name, at)
		return
	}
	o := clone(old)
	ensure(o, "spec")["nodeName"] = node
	annotations := sub(sub(b, "metadata"), "annotations")
	if len(annotations) > 0 {
		merge(ensure(ensure(o, "metadata"), "annotations"), annotations)
	}
	merge(o, object{"status": object{"conditions": []any{object{
		"type": "PodScheduled", "status": "True", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}}}})
	s.store.put(q.res, "", o)
	writeJSON(w, 201, status(201, "", ""))
}

func (s *server) evict(w http.ResponseWriter, q *request) {
	e := q.decode(w)
	if e == nil {
		return
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	old := s.store.collection(q.res).objects[q.ns+"/"+q.name]
	if old == nil {
		q.notFound(w)
		return
	}
	if uid := str(e, "deleteOptions", "preconditions", "uid"); uid != "" && uid != str(old, "metadata", "uid") {
		writeStatus(w, 409, "Conflict", "Precondition failed", 0)
		return
	}
	s.store.put(q.res, "DELETED", clone(old))
	writeJSON(w, 201, status(201, "", ""))
}
