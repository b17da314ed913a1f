// SPDX-License-Identifier: Apache-2.0

// Tests of what needs no cluster; test.sh tries the rest for real.
package main

import (
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	ca, err := newCA("test-ca")
	if err != nil {
		t.Fatal(err)
	}
	other, err := newCA("test-ca") // the same name, another key
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.issue(certSpec{cn: "server", server: true})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.issue(certSpec{cn: "admin", orgs: []string{"system:masters"}, client: true})
	if err != nil {
		t.Fatal(err)
	}
	pool := func(p *pair) *x509.CertPool {
		c := x509.NewCertPool()
		c.AddCert(p.cert)
		return c
	}
	usage := func(u x509.ExtKeyUsage) []x509.ExtKeyUsage { return []x509.ExtKeyUsage{u} }
	for _, name := range []string{"127.0.0.1", "localhost", "kubernetes.default.svc"} {
		if _, err := server.cert.Verify(x509.VerifyOptions{Roots: pool(ca), DNSName: name, KeyUsages: usage(x509.ExtKeyUsageServerAuth)}); err != nil {
			t.Errorf("server as %s: %v", name, err)
		}
	}
	if _, err := server.cert.Verify(x509.VerifyOptions{Roots: pool(ca), DNSName: "example.com"}); err == nil {
		t.Error("the server's certificate is good for example.com")
	}
	if _, err := server.cert.Verify(x509.VerifyOptions{Roots: pool(other)}); err == nil {
		t.Error("another authority of the same name vouches for the server")
	}
	if _, err := server.cert.Verify(x509.VerifyOptions{Roots: pool(ca), KeyUsages: usage(x509.ExtKeyUsageClientAuth)}); err == nil {
		t.Error("the server's certificate is good for a client")
	}
	if _, err := client.cert.Verify(x509.VerifyOptions{Roots: pool(ca), KeyUsages: usage(x509.ExtKeyUsageClientAuth)}); err != nil {
		t.Error("client:", err)
	}
	if client.cert.IsCA || !ca.cert.IsCA {
		t.Error("who is an authority is the wrong way round")
	}
	if o := client.cert.Subject.Organization; len(o) != 1 || o[0] != "system:masters" {
		t.Error("groups:", o)
	}
}

func TestWritePKI(t *testing.T) {
	dir := t.TempDir()
	if err := writePKI(dir, "https://127.0.0.1:1234"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "server: https://127.0.0.1:1234\n") {
		t.Error("no server in the kubeconfig")
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil && i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, i.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newKube(dir, "https://127.0.0.1:1234"); err != nil {
		t.Error("the admin's pair:", err)
	}
}

func TestParseUp(t *testing.T) {
	o, err := parseUp(strings.Fields("--name x1 --nodes 5 --gpus 8 --gpu-models A,B:100 --zones=3 --kube-scheduler=false " +
		"--apiserver-arg v=2 --apiserver-arg=--runtime-config=api/all=true"))
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "x1" || o.Node.Count != 5 || o.Node.GPUs != 8 || o.Node.Zones != 3 || o.KubeScheduler || !o.ControllerManager || !o.EtcdTmpfs {
		t.Errorf("%+v", o)
	}
	if got := strings.Join(o.Node.GPUModels, " "); got != "A B:100" {
		t.Error("models:", got)
	}
	if got := strings.Join(dashed(o.APIServerArgs), " "); got != "--v=2 --runtime-config=api/all=true" {
		t.Error("apiserver:", got)
	}
	for _, bad := range []string{
		"--name ../x", "--name X", "--nodes -1", "--nodes x", "--gpu-models a:b", "--kwok=no", "--kwok=false --nodes 1",
		"--zones 0", "stray", "--lease-seconds -1", "--node-label novalue", "--node-taint k=v:Never", "--unknown",
	} {
		if _, err := parseUp(strings.Fields(bad)); err == nil {
			t.Errorf("up %s: no error", bad)
		}
	}
}

func TestNode(t *testing.T) {
	n := nodeSpec{Count: 4, Prefix: "n-", GPUs: 8, GPUModels: []string{"Tesla-T4", "X:5"}, Zones: 2, CPU: "4", Memory: "8Gi", Pods: 10,
		Labels: []string{"a=b=c"}, Taints: []string{"k=v:NoSchedule", "e:NoExecute"}}
	seen := map[string]bool{}
	for i := range 4 {
		labels := n.node(i)["metadata"].(object)["labels"].(object)
		seen[labels["topology.kubernetes.io/zone"].(string)+labels["nvidia.com/gpu.product"].(string)] = true
		if labels["a"] != "b=c" {
			t.Error("label:", labels["a"])
		}
	}
	if len(seen) != 4 {
		t.Error("zones and models are not independent:", seen)
	}
	o := n.node(2)
	if o["metadata"].(object)["name"] != "n-00002" {
		t.Error(o["metadata"])
	}
	if got := o["metadata"].(object)["labels"].(object)["nvidia.com/gpu.memory"]; got != "5" {
		t.Error("memory:", got)
	}
	if got := o["status"].(object)["allocatable"].(object)["nvidia.com/gpu"]; got != "8" {
		t.Error("gpus:", got)
	}
	taints := o["spec"].(object)["taints"].([]object)
	if len(taints) != 2 || taints[0]["value"] != "v" || taints[1]["effect"] != "NoExecute" {
		t.Error("taints:", taints)
	}
}

func TestFirstFree(t *testing.T) {
	names := []string{"node-00000", "node-00007", "node-x", "other-00042", "node-1-5"}
	for prefix, want := range map[string]int{"node-": 8, "other-": 43, "new-": 0} {
		if got := firstFree(names, prefix); got != want {
			t.Errorf("%s: %d, want %d", prefix, got, want)
		}
	}
}

func TestDefaultLease(t *testing.T) {
	for nodes, want := range map[int]int{0: 40, 250: 40, 1000: 160, 5000: 800} {
		if got := defaultLease(nodes); got != want {
			t.Errorf("%d nodes: %d, want %d", nodes, got, want)
		}
	}
}

func TestRequiredVersion(t *testing.T) {
	mod := "module x\n\nrequire example.com/a/v3 v3.1.0\n\nrequire (\n\texample.com/a v1.0.0 // indirect\n\texample.com/b v2.0.0-rc.1\n)\n" +
		"replace example.com/c => example.com/c v9.0.0\n"
	for module, want := range map[string]string{"example.com/a/v3": "v3.1.0", "example.com/a": "v1.0.0", "example.com/b": "v2.0.0-rc.1"} {
		if got, err := requiredVersion(mod, module); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", module, got, err, want)
		}
	}
	if v, err := requiredVersion(mod, "example.com/c"); err == nil {
		t.Error("c:", v)
	}
}

func TestToolModules(t *testing.T) {
	for _, tool := range tools {
		b, err := os.ReadFile(filepath.Join("tools", tool.module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := requiredVersion(string(b), tool.main); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(b), tool.pkg+"\n") {
			t.Errorf("tools/%s/go.mod has no tool directive for %s", tool.module, tool.pkg)
		}
	}
}

func TestParseStat(t *testing.T) {
	line := "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 987654 1 2 3"
	start, letter, err := parseStat([]byte(line))
	if err != nil || start != 987654 || letter != 'S' {
		t.Error(start, string(letter), err)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestProcessIdentity(t *testing.T) {
	exe, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		t.Fatal(err)
	}
	p, err := startProcess("sleep", exe, filepath.Join(t.TempDir(), "log"), true, "60")
	if err != nil {
		t.Fatal(err)
	}
	// The child becomes the program a moment after it has a number.
	for end := time.Now().Add(5 * time.Second); !p.alive() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if !p.alive() {
		t.Fatal("not alive after start")
	}
	for what, q := range map[string]process{
		"another start time": {PID: p.PID, Start: p.Start + 1, Exe: p.Exe},
		"another program":    {PID: p.PID, Start: p.Start, Exe: "/bin/other"},
		"no number":          {Start: p.Start, Exe: p.Exe},
	} {
		if q.alive() {
			t.Errorf("%s: taken for ours", what)
		}
		if err := stopAll([]process{q}, time.Second); err != nil {
			t.Error(err)
		}
	}
	if !p.alive() {
		t.Fatal("killed on behalf of a process that is not it")
	}
	if err := stopAll([]process{p}, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if p.alive() {
		t.Error("alive after being stopped")
	}
}

func TestPickPorts(t *testing.T) {
	taken := map[int]bool{}
	seen := map[int]bool{}
	for range 20 {
		ports, err := pickPorts(taken, "a", "b", "c")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if seen[p] {
				t.Errorf("port %d twice", p)
			}
			seen[p] = true
		}
	}
}

func TestBuildError(t *testing.T) {
	for text, want := range map[string]string{
		`x@v1: Get "https://proxy.example/x": dial tcp: lookup proxy.example: no such host`: "proxy cannot be reached",
		"go: go.mod requires go >= 1.26.0 (running go 1.20; GOTOOLCHAIN=local)":             "too old",
		"write /tmp/x: no space left on device":                                             "no space left",
		"a.go:1:1: syntax error":                                                            "syntax error",
	} {
		err := buildError(tools[0], []string{text}, errors.New("exit status 1"))
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
