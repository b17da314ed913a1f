// SPDX-License-Identifier: Apache-2.0

// Command cluster runs Kubernetes control planes on this machine's loopback
// interface, for tests and trials: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: hack/cluster/cluster COMMAND

  up [flags]             start a cluster; prints its kubeconfig's path last
  down [--name X|--all]  stop it and delete everything of it
  status [--name X]      what runs, on which ports, and how it is
  nodes add [flags]      more kwok nodes
  nodes delete           --name X (--all | --prefix P | NODE...)
  nodes stop NODE...     stop the nodes' heartbeats
  nodes start NODE...    let them go on
  build [PROGRAM...]     only build; prints the folders
  path PROGRAM           build if need be; prints the program's path

COMMAND -h lists the flags.
`

// say reports progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "cluster: "+format+"\n", args...)
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// commas is a flag with commas between its parts.
type commas []string

func (c *commas) String() string { return strings.Join(*c, ",") }
func (c *commas) Set(v string) error {
	*c = nil
	for p := range strings.SplitSeq(v, ",") {
		if p = strings.TrimSpace(p); p != "" {
			*c = append(*c, p)
		}
	}
	return nil
}

func newFlags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("cluster "+name, flag.ContinueOnError)
	fs.SetOutput(os.Stderr)
	return fs
}

func nameFlag(fs *flag.FlagSet) *string {
	return fs.String("name", "default", "the cluster's name")
}

// nodeFlags are the flags that up and nodes add share.
func nodeFlags(fs *flag.FlagSet, n *nodeSpec) {
	fs.StringVar(&n.Prefix, "prefix", "node-", "what the nodes' names begin with; five digits follow")
	fs.IntVar(&n.GPUs, "gpus", 0, "nvidia.com/gpu of each node")
	fs.Var((*commas)(&n.GPUModels), "gpu-models", "GPU products given out in turn, `a,b,c`; MODEL:MiB sets the memory (default "+defaultGPU+")")
	fs.IntVar(&n.Zones, "zones", 1, "zones that the nodes are spread over")
	fs.StringVar(&n.CPU, "node-cpu", "64", "cpu of each node")
	fs.StringVar(&n.Memory, "node-memory", "512Gi", "memory of each node")
	fs.IntVar(&n.Pods, "node-pods", 110, "pods of each node")
	fs.Var((*list)(&n.Labels), "node-label", "a label for each node, `key=value`; may be repeated")
	fs.Var((*list)(&n.Taints), "node-taint", "a taint for each node, `key=value:effect`; may be repeated")
}

func parseUp(args []string) (upOptions, error) {
	var o upOptions
	fs := newFlags("up")
	fs.StringVar(&o.Name, "name", "default", "the cluster's name")
	fs.IntVar(&o.Node.Count, "nodes", 0, "kwok nodes to make")
	nodeFlags(fs, &o.Node)
	fs.BoolVar(&o.KubeScheduler, "kube-scheduler", true, "run kube-scheduler")
	fs.BoolVar(&o.ControllerManager, "controller-manager", true, "run kube-controller-manager")
	fs.StringVar(&o.Kwok, "kwok", "auto", "run kwok: true, false, or auto (once there are nodes)")
	fs.BoolVar(&o.Foreground, "foreground", false, "stay, and take it down on Ctrl-C")
	fs.BoolVar(&o.EtcdTmpfs, "etcd-tmpfs", true, "keep etcd's data in /dev/shm where that has room")
	fs.IntVar(&o.SchedulerQPS, "scheduler-qps", 0, "kube-scheduler's client limit, with a burst of twice that (default: its own, 50)")
	fs.IntVar(&o.LeaseSeconds, "lease-seconds", 0, "duration of node leases (default 40, from 250 nodes on 0.16 for each)")
	fs.StringVar(&o.FeatureGates, "feature-gates", "", "feature gates for every Kubernetes program, `A=true,B=false`")
	fs.Var((*list)(&o.APIServerArgs), "apiserver-arg", "a further flag for kube-apiserver, `k=v`; may be repeated")
	fs.Var((*list)(&o.ManagerArgs), "controller-manager-arg", "likewise for kube-controller-manager, `k=v`")
	fs.Var((*list)(&o.SchedulerArgs), "scheduler-arg", "likewise for kube-scheduler, `k=v`")
	if err := parse(fs, args, false); err != nil {
		return o, err
	}
	if o.Kwok != "auto" && o.Kwok != "true" && o.Kwok != "false" {
		return o, fmt.Errorf("--kwok=%s: want true, false or auto", o.Kwok)
	}
	if o.Kwok == "false" && o.Node.Count > 0 {
		return o, errors.New("--nodes needs kwok")
	}
	if o.LeaseSeconds < 0 || o.SchedulerQPS < 0 {
		return o, errors.New("--lease-seconds and --scheduler-qps cannot be negative")
	}
	return o, errors.Join(checkName(o.Name), o.Node.check())
}

// errUsage has been reported already.
var errUsage = errors.New("usage")

func parse(fs *flag.FlagSet, args []string, operands bool) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if !operands && fs.NArg() > 0 {
		return fmt.Errorf("%s: what is %q?", fs.Name(), fs.Arg(0))
	}
	return nil
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errUsage
	}
	command, args := args[0], args[1:]
	switch command {
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
		return nil
	case "up":
		o, err := parseUp(args)
		if err != nil {
			return err
		}
		return up(ctx, o)
	case "down":
		fs := newFlags("down")
		name := nameFlag(fs)
		all := fs.Bool("all", false, "every cluster of this user")
		if err := parse(fs, args, false); err != nil {
			return err
		}
		if !*all {
			return down(ctx, *name)
		}
		names, err := instances()
		if err != nil {
			return err
		}
		var errs []error
		for _, n := range names {
			errs = append(errs, down(ctx, n))
		}
		return errors.Join(errs...)
	case "status":
		return runStatus(ctx, args)
	case "nodes":
		return runNodes(ctx, args)
	case "build":
		fs := newFlags("build")
		if err := parse(fs, args, true); err != nil {
			return err
		}
		paths, err := build(ctx, fs.Args()...)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, t := range tools {
			dir := strings.TrimSuffix(paths[t.name], "/"+t.name)
			if dir != "" && !seen[dir] {
				seen[dir] = true
				fmt.Println(dir)
			}
		}
		return nil
	case "path":
		if len(args) != 1 {
			return errors.New("path: name one program")
		}
		paths, err := build(ctx, args[0])
		if err != nil {
			return err
		}
		fmt.Println(paths[args[0]])
		return nil
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("there is no command %q", command)
}

func runStatus(ctx context.Context, args []string) error {
	fs := newFlags("status")
	name := fs.String("name", "", "only this cluster")
	if err := parse(fs, args, false); err != nil {
		return err
	}
	names := []string{*name}
	if *name == "" {
		var err error
		if names, err = instances(); err != nil {
			return err
		}
		if len(names) == 0 {
			fmt.Println("no cluster is up")
			return nil
		}
	} else if err := checkName(*name); err != nil {
		return err
	}
	well := true
	for _, n := range names {
		s, err := load(n)
		if err != nil {
			return err
		}
		if s == nil {
			fmt.Printf("%s\tnot up\n", n)
			well = false
			continue
		}
		well = status(ctx, s, os.Stdout) && well
	}
	if !well {
		return errors.New("not all is well")
	}
	return nil
}

func runNodes(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("nodes: add, delete, stop or start")
	}
	verb, args := args[0], args[1:]
	fs := newFlags("nodes " + verb)
	name := nameFlag(fs)
	switch verb {
	case "add":
		var n nodeSpec
		fs.IntVar(&n.Count, "count", 1, "nodes to make")
		nodeFlags(fs, &n)
		if err := parse(fs, args, false); err != nil {
			return err
		}
		if err := n.check(); err != nil {
			return err
		}
		return nodesAdd(ctx, *name, n)
	case "delete":
		all := fs.Bool("all", false, "every kwok node")
		prefix := fs.String("prefix", "", "every kwok node whose name begins so")
		if err := parse(fs, args, true); err != nil {
			return err
		}
		if !*all && *prefix == "" && fs.NArg() == 0 {
			return errors.New("nodes delete: name the nodes, or give --prefix or --all")
		}
		return nodesDelete(ctx, *name, *prefix, *all, fs.Args())
	case "stop", "start":
		if err := parse(fs, args, true); err != nil {
			return err
		}
		if fs.NArg() == 0 {
			return fmt.Errorf("nodes %s: name the nodes", verb)
		}
		return nodesHeartbeat(ctx, *name, verb == "stop", fs.Args())
	}
	return fmt.Errorf("nodes: there is no %q: add, delete, stop or start", verb)
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case ctx.Err() != nil:
		if !errors.Is(err, context.Canceled) {
			say("%v", err)
		}
		os.Exit(130)
	case !errors.Is(err, errUsage):
		say("%v", err)
	}
	os.Exit(1)
}
