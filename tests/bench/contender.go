// SPDX-License-Identifier: Apache-2.0

// The schedulers that are compared, and how each is started.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The contenders' names; each schedules the pods of schedulerName(name).
const (
	ceilingName   = "ceiling"
	kubeName      = "kube"
	steelyardName = "steelyard"
)

func schedulerName(contender string) string { return "bench-" + contender }

// label is what the tables call a contender.
func label(contender string) string {
	if contender == kubeName {
		return "kube-scheduler"
	}
	return contender
}

// kubeConfig: everybody uses the same credentials, so that the API server's
// priority and fairness treats all alike.
const kubeConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  qps: 100000
  burst: 100000
profiles:
- schedulerName: %q
`

// contender is a scheduler that runs and is ready.
type contender struct {
	*child
	ready time.Duration // from its start
}

// launch starts one; further arguments are the ceiling client's alone.
func (b *bench) launch(ctx context.Context, name string, ceilingArgs ...string) (*contender, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	kubeconfig := b.cluster.kubeconfig
	var argv []string
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", port)
	switch name {
	case ceilingName:
		argv = []string{b.self, ceilingCommand, "--kubeconfig", kubeconfig, "--scheduler-name", schedulerName(name),
			"--nodes", strconv.Itoa(b.nodes), "--in-flight", strconv.Itoa(b.inFlight), "--port", strconv.Itoa(port)}
		argv = append(argv, ceilingArgs...)
	case kubeName:
		config := filepath.Join(b.dir, "kube-scheduler.yaml")
		text := fmt.Sprintf(kubeConfig, kubeconfig, schedulerName(name))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		argv = []string{b.kubeScheduler, "--config=" + config, "--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(port), "--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig}
		url = fmt.Sprintf("https://127.0.0.1:%d/readyz", port)
	case steelyardName:
		argv = append([]string{b.steelyard, "run", "--kubeconfig", kubeconfig, "--scheduler-name", schedulerName(name),
			"--port", strconv.Itoa(port)}, b.steelyardArgs...)
	default:
		return nil, fmt.Errorf("there is no scheduler %q: kube, steelyard or ceiling", name)
	}
	begin := time.Now()
	c, err := start(name, b.dir, argv...)
	if err != nil {
		return nil, err
	}
	if b.nice != 0 {
		if err := renice(c.pid, b.nice); err != nil {
			c.stop(time.Second)
			return nil, err
		}
	}
	// Its certificate is of its own making, and the answer carries nothing.
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	var dead error
	err = poll(ctx, 10*time.Millisecond, 2*time.Minute, func() error {
		if dead = c.alive(); dead != nil {
			return nil
		}
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: HTTP %d", url, resp.StatusCode)
		}
		return nil
	})
	if dead != nil {
		return nil, dead
	}
	if err != nil {
		c.stop(time.Second)
		return nil, fmt.Errorf("%s did not become ready: %w; its last lines:\n%s", name, err, tail(c.log, 15))
	}
	return &contender{c, time.Since(begin)}, nil
}
