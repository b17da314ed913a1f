// SPDX-License-Identifier: Apache-2.0

// Command fakeapi is a scripted stand-in for kube-apiserver that can misbehave on demand. It keeps
// its objects in memory, speaks JSON over HTTP/1.1 and HTTP/2 with certificates that it makes
// itself, and is driven through a control port. See README.md.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// script is what --script reads. Flags add to it.
type script struct {
	Nodes   int      `json:"nodes"`
	Pods    int      `json:"pods"`
	Token   string   `json:"token"`
	Objects []object `json:"objects"`
	Faults  []*fault `json:"faults"`
}

type server struct {
	store      *store
	faults     *faults
	gate       *gate
	log        requestLog
	token      tokens
	dir        string
	watchList  bool
	bookmarkMS int
}

type connKey struct{}

func main() {
	log.SetFlags(0)
	log.SetPrefix("fakeapi: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address of the API")
	control := flag.String("control", "127.0.0.1:0", "address of the control port")
	dir := flag.String("dir", "", "folder for ca.pem, client certificate, token and kubeconfig (default: a temporary one)")
	modes := flag.String("mode", "", "faults to start with, comma-separated: "+strings.Join(modeNames(), ", "))
	scriptFile := flag.String("script", "", "JSON file with nodes, pods, token, objects and faults")
	nodes := flag.Int("nodes", 0, "nodes node-0... to start with")
	pods := flag.Int("pods", 0, "pending pods default/pod-0... to start with")
	token := flag.String("token", "", "bearer token to demand; none: anyone may call")
	scheduler := flag.String("scheduler", "default-scheduler", "spec.schedulerName of the generated pods")
	http1 := flag.Bool("http1", false, "no HTTP/2")
	plain := flag.Bool("plain", false, "no TLS")
	mutual := flag.Bool("client-cert", false, "demand the client certificate that lies in --dir")
	noWatchList := flag.Bool("no-watch-list", false, "refuse sendInitialEvents, as servers without the feature do")
	bookmarkMS := flag.Int("bookmark-ms", 1000, "how often watches get a bookmark")
	withStdin := flag.Bool("exit-with-stdin", false, "end when standard input ends, so that no test leaves it behind")
	flag.Parse()

	s := &server{store: newStore(), faults: &faults{}, gate: newGate(), watchList: !*noWatchList, bookmarkMS: *bookmarkMS}
	var sc script
	if *scriptFile != "" {
		text, err := os.ReadFile(*scriptFile)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &sc); err != nil {
			return fmt.Errorf("%s: %w", *scriptFile, err)
		}
	}
	for _, o := range sc.Objects {
		if _, err := s.store.apply(o); err != nil {
			return fmt.Errorf("%s: %w", *scriptFile, err)
		}
	}
	s.store.generate(max(*nodes, sc.Nodes), max(*pods, sc.Pods), *scheduler)
	for _, f := range sc.Faults {
		if err := s.faults.add(f); err != nil {
			return fmt.Errorf("%s: %w", *scriptFile, err)
		}
	}
	for _, m := range strings.FieldsFunc(*modes, func(r rune) bool { return r == ',' }) {
		if err := s.addMode(m); err != nil {
			return err
		}
	}

	s.dir = *dir
	if s.dir == "" {
		var err error
		if s.dir, err = os.MkdirTemp("", "fakeapi"); err != nil {
			return err
		}
		defer os.RemoveAll(s.dir)
	}
	pki, err := makePKI(s.dir)
	if err != nil {
		return err
	}
	if *token == "" {
		*token = sc.Token
	}
	if err := s.setToken(*token); err != nil {
		return err
	}

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	c, err := net.Listen("tcp", *control)
	if err != nil {
		return err
	}
	scheme := "https"
	if *plain {
		scheme = "http"
	}
	url := scheme + "://" + l.Addr().String()
	if err := s.writeKubeconfig(url, *mutual); err != nil {
		return err
	}

	api := &http.Server{
		Handler:  s,
		ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if t, ok := conn.(*tls.Conn); ok {
				conn = t.NetConn()
			}
			return context.WithValue(ctx, connKey{}, conn)
		},
		TLSConfig:         pki.serverConfig(*mutual),
		ReadHeaderTimeout: time.Minute,
	}
	if *http1 {
		api.Protocols = new(http.Protocols)
		api.Protocols.SetHTTP1(true)
	}
	failed := make(chan error, 2)
	go func() {
		if *plain {
			failed <- api.Serve(s.gate.listener(l))
		} else {
			failed <- api.ServeTLS(s.gate.listener(l), "", "")
		}
	}()
	go func() { failed <- http.Serve(c, s.controlHandler()) }()

	fmt.Printf("url=%s\nca=%s\ncontrol=http://%s\nkubeconfig=%s\ndir=%s\nready\n", url,
		filepath.Join(s.dir, "ca.pem"), c.Addr(), filepath.Join(s.dir, "kubeconfig"), s.dir)
	if *withStdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			failed <- nil
		}()
	}
	return <-failed
}

func (s *server) writeKubeconfig(url string, mutual bool) error {
	cert := ""
	if mutual {
		cert = fmt.Sprintf("    client-certificate: %s\n    client-key: %s\n",
			filepath.Join(s.dir, "client.pem"), filepath.Join(s.dir, "client-key.pem"))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: fake
contexts:
- name: fake
  context: {cluster: fake, user: fake}
clusters:
- name: fake
  cluster:
    server: %s
    certificate-authority: %s
users:
- name: fake
  user:
    tokenFile: %s
%s`, url, filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "token"), cert)
	return os.WriteFile(filepath.Join(s.dir, "kubeconfig"), []byte(text), 0o600)
}
