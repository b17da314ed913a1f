// SPDX-License-Identifier: Apache-2.0

// Bringing an instance up and taking it down.
package main

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed stages/*.yaml
var stages embed.FS

// upOptions are the flags of up.
type upOptions struct {
	Name              string   `json:"name"`
	Node              nodeSpec `json:"node"`
	KubeScheduler     bool     `json:"kubeScheduler"`
	ControllerManager bool     `json:"controllerManager"`
	Kwok              string   `json:"kwok"`
	Foreground        bool     `json:"foreground"`
	EtcdTmpfs         bool     `json:"etcdTmpfs"`
	SchedulerQPS      int      `json:"schedulerQPS"`
	LeaseSeconds      int      `json:"leaseSeconds"`
	FeatureGates      string   `json:"featureGates"`
	APIServerArgs     []string `json:"apiserverArgs"`
	ManagerArgs       []string `json:"controllerManagerArgs"`
	SchedulerArgs     []string `json:"schedulerArgs"`
}

// errPortClash says that a program found its port taken after all.
var errPortClash = errors.New("a port was taken between choosing and using it")

// defaultLease is a kubelet's 40 s up to 250 nodes. A lease is written every
// quarter of that, so with more nodes it is stretched to keep at 25 a second:
// with 5000 nodes the leases alone would otherwise take up a small machine.
func defaultLease(nodes int) int { return max(40, nodes*4/25) }

func up(ctx context.Context, o upOptions) error {
	if err := checkName(o.Name); err != nil {
		return err
	}
	if o.LeaseSeconds == 0 {
		o.LeaseSeconds = defaultLease(o.Node.Count)
	}
	need := []string{"etcd", "kube-apiserver", "kubectl", "kwok"}
	if o.ControllerManager {
		need = append(need, "kube-controller-manager")
	}
	if o.KubeScheduler {
		need = append(need, "kube-scheduler")
	}
	bins, err := build(ctx, need...)
	if err != nil {
		return err
	}
	begin := time.Now()
	for try := 1; ; try++ {
		s, err := bringUp(ctx, o, bins)
		if err == nil {
			say("%s is up after %.1f s: %s", o.Name, time.Since(begin).Seconds(), s.Server)
			fmt.Println(s.Kubeconfig)
			if !o.Foreground {
				return nil
			}
			return hold(ctx, s)
		}
		if s != nil {
			if ctx.Err() != nil {
				say("interrupted: taking %s down again", o.Name)
			}
			if derr := remove(s); derr != nil {
				return errors.Join(err, derr)
			}
		}
		if !errors.Is(err, errPortClash) || try == 4 {
			return err
		}
		say("%v: once more", err)
	}
}

// hold waits in the foreground until it is told to stop or a program ends.
func hold(ctx context.Context, s *state) error {
	say("holding it; Ctrl-C takes it down")
	ended := make(chan process, len(s.Procs))
	for _, p := range s.Procs {
		go func() {
			<-p.exited
			ended <- p
		}()
	}
	var err error
	select {
	case <-ctx.Done():
		say("taking %s down", s.Name)
	case p := <-ended:
		// down stops the programs and then us: that is no failure.
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			err = fmt.Errorf("%s ended by itself; its last lines:\n%s", p.Name, tail(p.Log, 15))
		}
	}
	// nodes add may have started kwok since.
	if now, lerr := load(s.Name); lerr == nil && now != nil {
		s = now
	}
	return errors.Join(err, remove(s))
}

// claim makes the instance's folder and reserves its ports.
func claim(ctx context.Context, o upOptions) (*state, error) {
	unlock, err := lock(ctx, "state", nil)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if old, err := load(o.Name); err != nil {
		return nil, err
	} else if old != nil {
		if old.Up.alive() && !old.Ready {
			return nil, fmt.Errorf("another command (pid %d) is bringing %q up", old.Up.PID, o.Name)
		}
		for _, p := range old.Procs {
			if p.alive() {
				return nil, fmt.Errorf("%q is up already (%s): take it down first, or use another --name", o.Name, old.Kubeconfig)
			}
		}
		say("clearing away what a dead %s left", o.Name)
		if err := remove(old); err != nil {
			return nil, err
		}
	}
	if err := ownDir(root()); err != nil {
		return nil, err
	}
	s := &state{Name: o.Name, Dir: filepath.Join(root(), o.Name), Options: o, Up: self(), Started: time.Now()}
	if err := ownDir(s.Dir); err != nil {
		return nil, err
	}
	s.DataDir = filepath.Join(s.Dir, "etcd")
	var fs syscall.Statfs_t
	if o.EtcdTmpfs && syscall.Statfs("/dev/shm", &fs) == nil && fs.Bavail*uint64(fs.Bsize) > 1<<30 && ownDir(shmRoot()) == nil {
		s.DataDir = filepath.Join(shmRoot(), o.Name)
	}
	if err := ownDir(s.DataDir); err != nil {
		return s, err
	}
	taken, err := takenPorts()
	if err != nil {
		return s, err
	}
	s.Ports, err = pickPorts(taken, "etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
	if err != nil {
		return s, err
	}
	s.Server = fmt.Sprintf("https://127.0.0.1:%d", s.Ports["kube-apiserver"])
	s.Kubeconfig = filepath.Join(s.Dir, "kubeconfig")
	return s, s.save()
}

// bringUp returns the state even with an error, once there is something to
// remove.
func bringUp(ctx context.Context, o upOptions, bins map[string]string) (*state, error) {
	s, err := claim(ctx, o)
	if err != nil {
		return s, err
	}
	if err := writePKI(s.Dir, s.Server); err != nil {
		return s, err
	}
	say("starting etcd and kube-apiserver")
	for _, c := range []struct {
		name string
		args []string
	}{{"etcd", etcdArgs(s)}, {"kube-apiserver", apiserverArgs(s)}} {
		if err := s.start(c.name, bins[c.name], c.args); err != nil {
			return s, err
		}
	}
	k, err := newKube(s.Dir, s.Server)
	if err != nil {
		return s, err
	}
	if err := s.wait(ctx, "kube-apiserver to be ready", 2*time.Minute, func() error {
		var out []byte
		err := k.do(ctx, "GET", "/readyz", "", nil, &out)
		if isCode(err, 500) {
			err = errors.New("not yet") // the answer is a page of checks
		}
		return err
	}); err != nil {
		return s, err
	}
	// Nodes come before whoever watches them: they then read one list instead of
	// following thousands of changes.
	firstNode := 0
	if o.Node.Count > 0 {
		if firstNode, err = s.makeNodes(ctx, k, o.Node); err != nil {
			return s, err
		}
	}
	if o.ControllerManager {
		if err := s.start("kube-controller-manager", bins["kube-controller-manager"], managerArgs(s)); err != nil {
			return s, err
		}
	}
	if o.KubeScheduler {
		file := filepath.Join(s.Dir, "scheduler.yaml")
		if err := os.WriteFile(file, []byte(schedulerConfig(s)), 0o600); err != nil {
			return s, err
		}
		if err := s.start("kube-scheduler", bins["kube-scheduler"], schedulerArgs(s, file)); err != nil {
			return s, err
		}
	}
	if o.Kwok == "true" || o.Kwok == "auto" && o.Node.Count > 0 {
		if err := s.startKwok(ctx, bins["kwok"]); err != nil {
			return s, err
		}
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		if s.has(name) {
			if err := s.wait(ctx, name+" to be healthy", time.Minute, func() error { return s.healthz(ctx, name) }); err != nil {
				return s, err
			}
		}
	}
	const account = "/api/v1/namespaces/default/serviceaccounts"
	if !o.ControllerManager {
		// Nobody else would make the account that every pod needs.
		meta := map[string]any{"metadata": map[string]any{"name": "default"}}
		if err := k.do(ctx, "POST", account, "", meta, nil); err != nil && !isCode(err, 409) {
			return s, err
		}
	}
	if err := s.wait(ctx, "the default service account", time.Minute, func() error {
		return k.do(ctx, "GET", account+"/default", "", nil, nil)
	}); err != nil {
		return s, err
	}
	if o.Node.Count > 0 {
		if err := s.awaitNodes(ctx, k, o.Node, firstNode); err != nil {
			return s, err
		}
	}
	s.Ready = true
	return s, s.save()
}

func (s *state) has(name string) bool {
	return slices.ContainsFunc(s.Procs, func(p process) bool { return p.Name == name })
}

// start starts one of the instance's programs and records it.
func (s *state) start(name, exe string, args []string) error {
	exe, err := filepath.EvalSymlinks(exe)
	if err != nil {
		return err
	}
	p, err := startProcess(name, exe, filepath.Join(s.Dir, name+".log"), s.Options.Foreground, args...)
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	s.Procs = append(s.Procs, p)
	return s.save()
}

func (s *state) startKwok(ctx context.Context, exe string) error {
	var b strings.Builder
	b.WriteString(kwokConfig)
	for _, name := range []string{"stages/node.yaml", "stages/pod.yaml"} {
		text, err := stages.ReadFile(name)
		if err != nil {
			return err
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	file := filepath.Join(s.Dir, "kwok.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return err
	}
	if err := s.start("kwok", exe, kwokArgs(s, file)); err != nil {
		return err
	}
	return s.wait(ctx, "kwok to be healthy", time.Minute, func() error { return s.healthz(ctx, "kwok") })
}

// healthz asks a program other than the API server how it is. Its certificate
// is not checked: the answer carries nothing.
func (s *state) healthz(ctx context.Context, name string) error {
	url := fmt.Sprintf("https://127.0.0.1:%d/healthz", s.Ports[name])
	if name == "kwok" {
		url = fmt.Sprintf("http://127.0.0.1:%d/healthz", s.Ports[name])
	}
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, b)
	}
	return nil
}

// wait tries until f succeeds, a program of the instance ends, or time is up.
func (s *state) wait(ctx context.Context, what string, limit time.Duration, f func() error) error {
	begin, told := time.Now(), time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, time.Second) {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, p := range s.Procs {
			if !p.alive() {
				text := tail(p.Log, 15)
				if strings.Contains(text, "address already in use") {
					return fmt.Errorf("%s: %w", p.Name, errPortClash)
				}
				return fmt.Errorf("%s ended while starting; its last lines:\n%s", p.Name, text)
			}
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("gave up waiting for %s after %s: %w", what, limit, err)
		}
		if time.Since(told) > 3*time.Second {
			told = time.Now()
			why, _, _ := strings.Cut(err.Error(), "\n")
			say("waiting for %s (%s): %s", what, round(time.Since(begin)), why)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// remove stops an instance's programs and deletes its folders.
func remove(s *state) error {
	// etcd last: without it kube-apiserver takes long to end.
	var etcd, others []process
	for _, p := range s.Procs {
		if p.Name == "etcd" {
			etcd = append(etcd, p)
		} else {
			others = append(others, p)
		}
	}
	if err := errors.Join(stopAll(others, 5*time.Second), stopAll(etcd, 5*time.Second)); err != nil {
		return err
	}
	for _, dir := range []string{s.DataDir, s.Dir, filepath.Join(shmRoot(), s.Name)} {
		if dir == "" {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	// These fail while another instance is there.
	os.Remove(root())
	os.Remove(shmRoot())
	return nil
}

// down is happy to find nothing to do.
func down(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s, err := load(name)
	if err != nil {
		return err
	}
	if s == nil {
		s = &state{Name: name, Dir: filepath.Join(root(), name)}
	}
	// First whoever brings it up or holds it: it cleans up by itself.
	if s.Up.PID != os.Getpid() && s.Up.alive() && (!s.Ready || s.Options.Foreground) {
		syscall.Kill(s.Up.PID, syscall.SIGTERM)
		for end := time.Now().Add(15 * time.Second); s.Up.alive() && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		if again, err := load(name); err == nil && again != nil {
			s = again
		}
	}
	unlock, err := lock(ctx, "state", nil)
	if err != nil {
		return err
	}
	defer unlock()
	if err := remove(s); err != nil {
		return err
	}
	if len(s.Procs) > 0 {
		say("%s is down", name)
	} else {
		say("%s: nothing to take down", name)
	}
	return nil
}

// status prints one instance and says whether all of it is well.
func status(ctx context.Context, s *state, w io.Writer) bool {
	ok := s.Ready
	word := "up"
	if !s.Ready {
		word = "starting"
		if !s.Up.alive() {
			word = "broken"
		}
	}
	fmt.Fprintf(w, "%s\t%s since %s\t%s\n", s.Name, word, s.Started.Format(time.DateTime), s.Server)
	for _, p := range s.Procs {
		health := "healthy"
		switch {
		case !p.alive():
			health, ok = "DEAD", false
		case p.Name == "kube-apiserver":
			k, err := newKube(s.Dir, s.Server)
			if err == nil {
				var out []byte
				err = k.do(ctx, "GET", "/readyz", "", nil, &out)
			}
			if err != nil {
				health, ok = "UNHEALTHY: "+err.Error(), false
			}
		case p.Name == "etcd":
			health = "running" // kube-apiserver's readiness covers it
		default:
			if err := s.healthz(ctx, p.Name); err != nil {
				health, ok = "UNHEALTHY: "+err.Error(), false
			}
		}
		fmt.Fprintf(w, "  %-24s pid %-8d port %-6d %s\n", p.Name, p.PID, s.Ports[p.Name], health)
	}
	fmt.Fprintf(w, "  kubeconfig %s\n", s.Kubeconfig)
	return ok
}

func (s *state) pki(name string) string { return filepath.Join(s.Dir, "pki", name) }

func etcdArgs(s *state) []string {
	client := fmt.Sprintf("https://127.0.0.1:%d", s.Ports["etcd"])
	peer := fmt.Sprintf("https://127.0.0.1:%d", s.Ports["etcd-peer"])
	return []string{
		"--name=default", "--data-dir=" + s.DataDir,
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--cert-file=" + s.pki("etcd.crt"), "--key-file=" + s.pki("etcd.key"),
		"--client-cert-auth", "--trusted-ca-file=" + s.pki("etcd-ca.crt"),
		"--peer-cert-file=" + s.pki("etcd.crt"), "--peer-key-file=" + s.pki("etcd.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + s.pki("etcd-ca.crt"),
		"--unsafe-no-fsync", "--quota-backend-bytes=" + strconv.Itoa(8<<30), "--log-level=warn",
	}
}

func apiserverArgs(s *state) []string {
	a := []string{
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", s.Ports["kube-apiserver"]),
		// There is no address that pods could reach it at, since there are no pods.
		"--endpoint-reconciler-type=none",
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", s.Ports["etcd"]),
		"--etcd-cafile=" + s.pki("etcd-ca.crt"),
		"--etcd-certfile=" + s.pki("etcd-client.crt"), "--etcd-keyfile=" + s.pki("etcd-client.key"),
		"--tls-cert-file=" + s.pki("serving.crt"), "--tls-private-key-file=" + s.pki("serving.key"),
		"--client-ca-file=" + s.pki("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-priority-and-fairness=true",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + s.pki("service-account.pub"),
		"--service-account-signing-key-file=" + s.pki("service-account.key"),
		"--requestheader-client-ca-file=" + s.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + s.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + s.pki("front-proxy-client.key"),
	}
	return append(s.gates(a), dashed(s.Options.APIServerArgs)...)
}

func managerArgs(s *state) []string {
	cfg := filepath.Join(s.Dir, "controller-manager.kubeconfig")
	a := []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", s.Ports["kube-controller-manager"]),
		"--tls-cert-file=" + s.pki("serving.crt"), "--tls-private-key-file=" + s.pki("serving.key"),
		"--kubeconfig=" + cfg, "--authentication-kubeconfig=" + cfg, "--authorization-kubeconfig=" + cfg,
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + s.pki("ca.crt"),
		"--service-account-private-key-file=" + s.pki("service-account.key"),
		"--cluster-signing-cert-file=" + s.pki("ca.crt"), "--cluster-signing-key-file=" + s.pki("ca.key"),
		"--kube-api-qps=1000", "--kube-api-burst=2000",
		// It tells kubelets how long to cache secrets, and rewrites every node
		// whenever the cluster passes 100, 500, 1000 and 2000 nodes.
		"--controllers=*,-ttl-controller",
	}
	if s.Options.LeaseSeconds != 40 {
		// The default of 50 s goes with leases of 40 s.
		a = append(a, fmt.Sprintf("--node-monitor-grace-period=%ds", s.Options.LeaseSeconds+10))
	}
	return append(s.gates(a), dashed(s.Options.ManagerArgs)...)
}

func schedulerConfig(s *state) string {
	text := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
`, filepath.Join(s.Dir, "scheduler.kubeconfig"))
	if q := s.Options.SchedulerQPS; q > 0 {
		text += fmt.Sprintf("  qps: %d\n  burst: %d\n", q, 2*q)
	}
	return text
}

func schedulerArgs(s *state, config string) []string {
	cfg := filepath.Join(s.Dir, "scheduler.kubeconfig")
	a := []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", s.Ports["kube-scheduler"]),
		"--tls-cert-file=" + s.pki("serving.crt"), "--tls-private-key-file=" + s.pki("serving.key"),
		"--authentication-kubeconfig=" + cfg, "--authorization-kubeconfig=" + cfg,
		"--config=" + config,
	}
	return append(s.gates(a), dashed(s.Options.SchedulerArgs)...)
}

// kwokConfig: a configuration file takes away the defaults of the parallelism
// settings, and kwok does nothing with them at zero.
const kwokConfig = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 32
  nodePlayStageParallelism: 16
  nodeLeaseParallelism: 16
  podsOnNodeSyncParallelism: 4
`

// Labels by which kwok knows its nodes. A node with the second one set to
// "stopped" is left alone, so its lease runs out.
const (
	kwokLabel      = "type"
	heartbeatLabel = "steelyard.dev/heartbeat"
)

func kwokArgs(s *state, config string) []string {
	return []string{
		"--config=" + config,
		"--kubeconfig=" + filepath.Join(s.Dir, "kwok.kubeconfig"),
		"--manage-all-nodes=false",
		"--manage-nodes-with-label-selector=" + kwokLabel + "=kwok," + heartbeatLabel + "!=stopped",
		"--node-ip=10.240.0.1", "--cidr=10.244.0.0/16",
		"--node-lease-duration-seconds=" + strconv.Itoa(s.Options.LeaseSeconds),
		fmt.Sprintf("--server-address=127.0.0.1:%d", s.Ports["kwok"]),
	}
}

func (s *state) gates(a []string) []string {
	if s.Options.FeatureGates != "" {
		a = append(a, "--feature-gates="+s.Options.FeatureGates)
	}
	return a
}

// dashed turns k=v, as given to --apiserver-arg, into --k=v.
func dashed(args []string) []string {
	var out []string
	for _, a := range args {
		out = append(out, "--"+strings.TrimLeft(a, "-"))
	}
	return out
}
