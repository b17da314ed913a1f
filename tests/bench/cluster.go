// SPDX-License-Identifier: Apache-2.0

// The control plane: etcd and kube-apiserver from hack/cluster, and the nodes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cluster is a control plane that is up.
type cluster struct {
	script     string
	name       string
	holder     *child // the foreground command that ties its life to ours
	kubeconfig string
	apiserver  int // pids
	etcd       int
}

// repository finds the root of the source tree from the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "cluster", "cluster")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("run me inside the source tree: there is no hack/cluster/cluster above here")
		}
		dir = up
	}
}

// programPath has hack/cluster build one of its programs if need be.
func programPath(ctx context.Context, root, program string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hack", "cluster", "cluster"), "path", program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func clusterUp(ctx context.Context, root, name string, keep bool) (*cluster, error) {
	c := &cluster{script: filepath.Join(root, "hack", "cluster", "cluster"), name: name}
	args := []string{"up", "--name", name, "--kube-scheduler=false", "--controller-manager=false", "--kwok=false",
		// There is no node lifecycle controller to take away the taint that this
		// gives every new node, and no volume controllers to take the finalizers of
		// the other off again.
		"--apiserver-arg", "disable-admission-plugins=TaintNodesByCondition,StorageObjectInUseProtection",
		"--apiserver-arg", "delete-collection-workers=16"}
	if !keep {
		args = append(args, "--foreground")
	}
	cmd := exec.Command(c.script, args...)
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd.Stdout = w
	c.holder, err = spawn("cluster", "", syscall.SIGTERM, cmd)
	w.Close()
	if err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(r).ReadString('\n')
		line <- strings.TrimSpace(text)
	}()
	select {
	case c.kubeconfig = <-line:
	case <-ctx.Done():
	}
	if c.kubeconfig == "" {
		c.down()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, errors.New("the control plane did not come up")
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(c.kubeconfig), "state.json"))
	if err != nil {
		c.down()
		return nil, err
	}
	var state struct {
		Procs []struct {
			Name string `json:"name"`
			PID  int    `json:"pid"`
		} `json:"procs"`
	}
	if err := json.Unmarshal(b, &state); err != nil {
		c.down()
		return nil, err
	}
	for _, p := range state.Procs {
		switch p.Name {
		case "kube-apiserver":
			c.apiserver = p.PID
		case "etcd":
			c.etcd = p.PID
		}
	}
	return c, nil
}

// down takes the control plane down; the foreground command does the work.
func (c *cluster) down() {
	c.holder.stop(20 * time.Second)
}

// addNodes makes all nodes and waits until the API server's cache has them.
func addNodes(ctx context.Context, a *api, n, workers int) error {
	if err := each(ctx, n, workers, func(ctx context.Context, i int) error {
		body, err := envelope("v1", "Node", node(i))
		if err != nil {
			return err
		}
		return a.post(ctx, "/api/v1/nodes", body)
	}); err != nil {
		return fmt.Errorf("making nodes: %w", err)
	}
	return poll(ctx, 100*time.Millisecond, 30*time.Second, func() error {
		var l struct {
			Items []struct {
				Spec struct {
					Taints []struct{ Key string } `json:"taints"`
				} `json:"spec"`
			} `json:"items"`
		}
		if err := a.json(ctx, "GET", "/api/v1/nodes?resourceVersion=0", nil, &l); err != nil {
			return err
		}
		if len(l.Items) != n {
			return fmt.Errorf("%d of %d nodes are there", len(l.Items), n)
		}
		for _, i := range l.Items {
			if len(i.Spec.Taints) > 0 {
				return errors.New("nodes are tainted")
			}
		}
		return nil
	})
}
