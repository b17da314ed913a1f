// SPDX-License-Identifier: Apache-2.0

// Command exporter plays the exporters and kubelets of a test's nodes. README.md says how.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	cores       = 8
	memoryTotal = 64 << 30
	diskTotal   = 100 << 30
	linkBytes   = 125_000_000 // a second
	fbTotalMiB  = 81920
)

// node is what is measured on one node. Counters grow with time at the rates that hold now.
type node struct {
	cpu, memory float64 // shares
	gpu         []float64
	fb          float64 // share of the GPUs' memory
	xid         int
	down        bool

	since                              time.Time
	idleSeconds, busySeconds, received float64 // the first of each core, the second of all
}

type exporter struct {
	mu    sync.Mutex
	nodes map[string]*node
}

// get is a node with its counters as of now.
func (e *exporter) get(name string) *node {
	n := e.nodes[name]
	if n == nil {
		n = &node{since: time.Now(), idleSeconds: 1000, busySeconds: 1000, received: 1e9}
		e.nodes[name] = n
	}
	now := time.Now()
	passed := now.Sub(n.since).Seconds()
	n.since = now
	n.idleSeconds += passed * (1 - n.cpu)
	n.busySeconds += passed * n.cpu * cores
	n.received += passed * linkBytes * 0.25
	return n
}

func (n *node) set(q url.Values) error {
	number := func(key string, to *float64) error {
		if !q.Has(key) {
			return nil
		}
		v, err := strconv.ParseFloat(q.Get(key), 64)
		*to = v
		return err
	}
	for key, to := range map[string]*float64{"cpu": &n.cpu, "memory": &n.memory, "fb": &n.fb} {
		if err := number(key, to); err != nil {
			return err
		}
	}
	if q.Has("gpu") {
		n.gpu = nil
		for _, text := range strings.Split(q.Get("gpu"), ",") {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return err
			}
			n.gpu = append(n.gpu, v)
		}
	}
	xid := float64(n.xid)
	err := number("xid", &xid)
	n.xid = int(xid)
	if q.Has("down") {
		n.down = q.Get("down") == "true"
	}
	return err
}

func (n *node) writeNodeExporter(w io.Writer) {
	for cpu := range cores {
		fmt.Fprintf(w, "node_cpu_seconds_total{cpu=\"%d\",mode=\"idle\"} %g\n", cpu, n.idleSeconds)
		fmt.Fprintf(w, "node_cpu_seconds_total{cpu=\"%d\",mode=\"user\"} %g\n", cpu, n.busySeconds/cores)
	}
	fmt.Fprintf(w, "node_memory_MemTotal_bytes %d\n", memoryTotal)
	fmt.Fprintf(w, "node_memory_MemAvailable_bytes %g\n", memoryTotal*(1-n.memory))
	disk := "{device=\"/dev/vda1\",fstype=\"ext4\",mountpoint=\"/\"}"
	fmt.Fprintf(w, "node_filesystem_size_bytes%s %d\n", disk, diskTotal)
	fmt.Fprintf(w, "node_filesystem_avail_bytes%s %g\n", disk, diskTotal*0.6)
	for _, device := range []string{"eth0", "lo"} {
		fmt.Fprintf(w, "node_network_receive_bytes_total{device=%q} %g\n", device, n.received)
		fmt.Fprintf(w, "node_network_transmit_bytes_total{device=%q} %g\n", device, n.received/10)
		fmt.Fprintf(w, "node_network_speed_bytes{device=%q} %d\n", device, linkBytes)
	}
}

func (n *node) writeDCGM(w io.Writer, name string) {
	for i, util := range n.gpu {
		labels := fmt.Sprintf("{gpu=\"%d\",UUID=\"GPU-%s-%d\",device=\"nvidia%d\",modelName=\"NVIDIA A100\",Hostname=%q}",
			i, name, i, i, name)
		fmt.Fprintf(w, "DCGM_FI_DEV_GPU_UTIL%s %g\n", labels, util)
		fmt.Fprintf(w, "DCGM_FI_DEV_FB_USED%s %g\n", labels, fbTotalMiB*n.fb)
		fmt.Fprintf(w, "DCGM_FI_DEV_FB_FREE%s %g\n", labels, fbTotalMiB*(1-n.fb))
		fmt.Fprintf(w, "DCGM_FI_DEV_XID_ERRORS%s %d\n", labels, n.xid)
	}
}

// answer writes what a node says, or that it is away.
func (e *exporter) answer(w http.ResponseWriter, r *http.Request, write func(w io.Writer, n *node, name string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := r.PathValue("node")
	n := e.get(name)
	if n.down {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	write(w, n, name)
}

func (e *exporter) metrics(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(w io.Writer, n *node, name string) {
		n.writeNodeExporter(w)
		n.writeDCGM(w, name)
	})
}

func (e *exporter) kubelet(w http.ResponseWriter, r *http.Request) {
	e.answer(w, r, func(w io.Writer, n *node, _ string) {
		at := time.Now().UnixMilli()
		fmt.Fprintf(w, "node_cpu_usage_seconds_total %f %d\n", n.busySeconds, at)
		fmt.Fprintf(w, "node_memory_working_set_bytes %d %d\n", int64(memoryTotal*n.memory), at)
	})
}

func (e *exporter) state(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.get(r.PathValue("node")).set(r.URL.Query()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "kubelet"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func run() error {
	e := &exporter{nodes: map[string]*node{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics/{node}", e.metrics)
	mux.HandleFunc("GET /kubelet/{node}", e.kubelet)
	mux.HandleFunc("PUT /state/{node}", e.state)
	var listeners [4]net.Listener
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		listeners[i] = l
	}
	cert, err := certificate()
	if err != nil {
		return err
	}
	port := func(i int) int { return listeners[i].Addr().(*net.TCPAddr).Port }
	fmt.Printf("url=http://127.0.0.1:%d\nkubelet=%d\nfree1=%d\nfree2=%d\n", port(0), port(1), port(2), port(3))
	listeners[2].Close()
	listeners[3].Close()
	go http.Serve(listeners[0], mux)
	go http.Serve(tls.NewListener(listeners[1], &tls.Config{Certificates: []tls.Certificate{cert}}), mux)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
