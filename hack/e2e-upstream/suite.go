// SPDX-License-Identifier: Apache-2.0

// Building Kubernetes' end-to-end suite into the cache of hack/cluster.
package main

import (
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
	"syscall"
	"time"
)

const suitePackage = "k8s.io/kubernetes/test/e2e"

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

// kubernetesVersion finds the version of Kubernetes in the text of a go.mod.
func kubernetesVersion(gomod string) (string, error) {
	m := regexp.MustCompile(`(?m)^(?:require)?\s+k8s\.io/kubernetes\s+(v\d+\.\d+\.\S+)`).FindStringSubmatch(gomod)
	if m == nil {
		return "", errors.New("go.mod does not require k8s.io/kubernetes")
	}
	return m[1], nil
}

// buildSuite makes sure that the suite is in the cache and returns its path.
// The folder is keyed by version and by all that goes into the build.
func buildSuite(ctx context.Context, root string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "hack/e2e-upstream/suite")
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	version, err := kubernetesVersion(string(mod))
	if err != nil {
		return "", err
	}
	plane, err := os.ReadFile(filepath.Join(root, "hack/cluster/tools/kubernetes/go.mod"))
	if err != nil {
		return "", err
	}
	if v, err := kubernetesVersion(string(plane)); err != nil || v != version {
		return "", fmt.Errorf("the suite is of Kubernetes %s, the control plane of %s: bring suite/go.mod in line (%v)", version, v, err)
	}
	part := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const pkg = "k8s.io/component-base/version"
	flags := fmt.Sprintf("-s -w -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s",
		pkg, version, pkg, part[0], pkg, part[1])
	h := sha256.New()
	h.Write(mod)
	h.Write(sum)
	io.WriteString(h, flags)
	bin := filepath.Join(cache, "e2e-"+version+"-"+hex.EncodeToString(h.Sum(nil))[:10], "bin", "e2e.test")
	built := func() bool { _, err := os.Stat(bin); return err == nil }
	if built() {
		return bin, nil
	}

	if err := os.MkdirAll(filepath.Join(cache, "locks"), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "locks", "e2e"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	for told := false; syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil; told = true {
		if !told {
			say("waiting for another build to finish")
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
	if built() {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return "", err
	}
	tmp := fmt.Sprintf("%s.tmp%d", bin, os.Getpid())
	defer os.Remove(tmp)
	say("building the suite of Kubernetes %s; the first time takes 5 to 15 minutes on two cores", version)
	begin := time.Now()
	// The same flags as the control plane's, so that what that compiled is not compiled again. One
	// package at a time and at low priority: whoever uses the machine can go on.
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", "go", "test", "-c", "-mod=readonly", "-buildvcs=false", "-trimpath",
		"-ldflags", flags, "-o", tmp, suitePackage)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-p=1")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("building the suite: %w", err)
	}
	if err := os.Rename(tmp, bin); err != nil {
		return "", err
	}
	say("built the suite in %s", time.Since(begin).Round(time.Second))
	return bin, nil
}
