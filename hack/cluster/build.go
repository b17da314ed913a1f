// SPDX-License-Identifier: Apache-2.0

// Building the programs listed in tools/*/go.mod into the cache.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// tool is a program and how it is built.
type tool struct {
	name   string // of the program
	module string // folder under tools/
	pkg    string
	main   string // module whose version the program carries
}

const kubernetes = "k8s.io/kubernetes"

var tools = []tool{
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"},
	{"kube-apiserver", "kubernetes", kubernetes + "/cmd/kube-apiserver", kubernetes},
	{"kube-controller-manager", "kubernetes", kubernetes + "/cmd/kube-controller-manager", kubernetes},
	{"kube-scheduler", "kubernetes", kubernetes + "/cmd/kube-scheduler", kubernetes},
	{"kubectl", "kubernetes", kubernetes + "/cmd/kubectl", kubernetes},
	{"kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"},
	{"helm", "helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3"},
	{"metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "sigs.k8s.io/metrics-server"},
}

func toolNamed(name string) (tool, error) {
	var names []string
	for _, t := range tools {
		if t.name == name {
			return t, nil
		}
		names = append(names, t.name)
	}
	return tool{}, fmt.Errorf("no program is called %q; there are %s", name, strings.Join(names, ", "))
}

// sourceDir is hack/cluster, which the wrapper script tells us.
func sourceDir() (string, error) {
	d := os.Getenv("STEELYARD_CLUSTER_DIR")
	if d == "" {
		return "", errors.New("STEELYARD_CLUSTER_DIR is not set; start this through hack/cluster/cluster")
	}
	return d, nil
}

func cacheDir() (string, error) {
	if d := os.Getenv("STEELYARD_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	if d := os.Getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "steelyard"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "steelyard"), nil
}

// requiredVersion finds a module's version in the text of a go.mod.
func requiredVersion(gomod, module string) (string, error) {
	re := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + `\s+(v\S+)`)
	m := re.FindStringSubmatch(gomod)
	if m == nil {
		return "", fmt.Errorf("go.mod does not require %s", module)
	}
	return m[1], nil
}

// ldflags stamps the version that a release build would carry.
func ldflags(t tool, version string) string {
	f := []string{"-s", "-w"}
	set := func(name, value string) { f = append(f, "-X", name+"="+value) }
	switch t.module {
	case "kubernetes":
		p := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			set(pkg+".gitVersion", version)
			set(pkg+".gitMajor", p[0])
			set(pkg+".gitMinor", p[1])
			set(pkg+".gitTreeState", "clean")
		}
	case "kwok":
		set("sigs.k8s.io/kwok/pkg/consts.Version", version)
	case "helm":
		set("helm.sh/helm/v3/internal/version.version", version)
	}
	return strings.Join(f, " ")
}

// binPath is where a program is kept: keyed by its version and by everything
// that goes into building it, so a changed go.mod never meets an old program.
func binPath(t tool) (path, version string, err error) {
	src, err := sourceDir()
	if err != nil {
		return "", "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(src, "tools", t.module)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", "", err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", "", err
	}
	if version, err = requiredVersion(string(mod), t.main); err != nil {
		return "", "", err
	}
	h := sha256.New()
	h.Write(mod)
	h.Write(sum)
	io.WriteString(h, ldflags(t, version))
	key := hex.EncodeToString(h.Sum(nil))[:10]
	return filepath.Join(cache, t.module+"-"+version+"-"+key, "bin", t.name), version, nil
}

// build makes sure the named programs (all, if none is named) are in the cache
// and returns their paths.
func build(ctx context.Context, names ...string) (map[string]string, error) {
	want := tools
	if len(names) > 0 {
		want = nil
		for _, n := range names {
			t, err := toolNamed(n)
			if err != nil {
				return nil, err
			}
			want = append(want, t)
		}
	}
	paths := map[string]string{}
	missing := func() (todo []tool, err error) {
		for _, t := range want {
			p, _, err := binPath(t)
			if err != nil {
				return nil, err
			}
			paths[t.name] = p
			if _, err := os.Stat(p); err != nil {
				todo = append(todo, t)
			}
		}
		return todo, nil
	}
	todo, err := missing()
	if err != nil || len(todo) == 0 {
		return paths, err
	}
	unlock, err := lock(ctx, "build", func() { say("waiting for another build to finish") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	if todo, err = missing(); err != nil || len(todo) == 0 {
		return paths, err
	}
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("go is not on PATH; Go 1.26 or newer is needed to build the control plane")
	}
	if len(todo) > 3 {
		say("building %d programs with Go; the first time takes about 10 minutes on two cores", len(todo))
	}
	begin := time.Now()
	for i, t := range todo {
		if err := buildOne(ctx, t, fmt.Sprintf("[%d/%d]", i+1, len(todo)), begin); err != nil {
			return nil, err
		}
	}
	if len(todo) > 1 {
		say("built %d programs in %s", len(todo), round(time.Since(begin)))
	}
	return paths, nil
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

func buildOne(ctx context.Context, t tool, label string, begin time.Time) error {
	out, version, err := binPath(t)
	if err != nil {
		return err
	}
	src, err := sourceDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.tmp%d", out, os.Getpid())
	defer os.Remove(tmp)

	// With -v go prints a line for each package that it compiles, which is to say
	// for each that is not in its cache already.
	cmd := exec.Command("go", "build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath",
		"-ldflags", ldflags(t, version), "-o", tmp, t.pkg)
	cmd.Dir = filepath.Join(src, "tools", t.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	begun := time.Now()
	say("%s %s %s: starting (%s so far)", label, t.name, version, round(time.Since(begin)))
	if err := onSpawner(cmd.Start); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()

	var compiled, fetched atomic.Int64
	quiet := every(5*time.Second, func() {
		say("%s %s: %d modules fetched, %d packages compiled, %s (%s in all)", label, t.name,
			fetched.Load(), compiled.Load(), round(time.Since(begun)), round(time.Since(begin)))
	})
	var rest []string
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "go: downloading "):
			fetched.Add(1)
		case packageLine.MatchString(line):
			compiled.Add(1)
		default:
			rest = append(rest, line)
		}
	}
	err = cmd.Wait()
	quiet()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return buildError(t, rest, err)
	}
	if err := os.Rename(tmp, out); err != nil {
		return err
	}
	say("%s %s %s: done in %s", label, t.name, version, round(time.Since(begun)))
	return nil
}

// packageLine is a line of go build -v: an import path and nothing else.
var packageLine = regexp.MustCompile(`^[A-Za-z0-9._~/-]+$`)

// buildError turns the go command's output into one line where the cause is a
// usual one, and passes it on otherwise.
func buildError(t tool, output []string, err error) error {
	text := strings.Join(output, "\n")
	last := ""
	if len(output) > 0 {
		last = output[len(output)-1]
	}
	for _, sign := range []string{"dial tcp", "no such host", "i/o timeout", "connection refused", "proxyconnect",
		"TLS handshake", "network is unreachable", "module lookup disabled", "x509:"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("building %s: the Go module proxy cannot be reached (see go env GOPROXY): %s", t.name, last)
		}
	}
	if strings.Contains(text, "go.mod requires go >=") {
		return fmt.Errorf("building %s: the go command is too old: %s", t.name, last)
	}
	if strings.Contains(text, "no space left on device") {
		return fmt.Errorf("building %s: no space left on the disk of the Go caches", t.name)
	}
	return fmt.Errorf("building %s: %w\n%s", t.name, err, text)
}
