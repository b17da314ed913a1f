// SPDX-License-Identifier: Apache-2.0

// Child processes, and what /proc says of processes and of the machine.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux that Go runs
// on.
const tick = 10 * time.Millisecond

// usage is a moment's reading of one process.
type usage struct {
	cpu time.Duration // utime + stime
	rss int64         // bytes
	hwm int64         // bytes, the highest rss so far
}

// parseCPU takes utime + stime from /proc/PID/stat, whose second field is a name
// in brackets that may itself hold spaces and brackets.
func parseCPU(b []byte) (time.Duration, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, errors.New("no bracket in /proc/PID/stat")
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

func parseKB(status, key string) int64 {
	_, rest, ok := strings.Cut(status, "\n"+key+":")
	if !ok {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(line), " kB"), 10, 64)
	return n << 10
}

func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseCPU(b)
}

func usageOf(pid int) (usage, error) {
	cpu, err := cpuOf(pid)
	if err != nil {
		return usage{}, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	s := string(b)
	u := usage{cpu, parseKB(s, "VmRSS"), parseKB(s, "VmHWM")}
	if u.rss == 0 {
		return u, fmt.Errorf("process %d has ended", pid)
	}
	return u, nil
}

// machineCPU is the time that all cores together have not been idle.
func machineCPU() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var busy int64
	// user nice system idle iowait irq softirq steal; guests are in user.
	for i, f := range strings.Fields(line) {
		if i >= 1 && i <= 8 && i != 4 && i != 5 {
			n, _ := strconv.ParseInt(f, 10, 64)
			busy += n
		}
	}
	return time.Duration(busy) * tick
}

// child is a process that we started.
type child struct {
	name string
	pid  int
	log  string // the file with its output
	done chan struct{}
	err  error // how it ended, once done is closed
}

var (
	spawnerOnce sync.Once
	spawnerJobs = make(chan func())
)

// onSpawner runs f on a thread that never ends: the death signal of a child is
// sent when the thread that started it does.
func onSpawner(f func() error) error {
	spawnerOnce.Do(func() {
		go func() {
			runtime.LockOSThread()
			for job := range spawnerJobs {
				job()
			}
		}()
	})
	result := make(chan error)
	spawnerJobs <- func() { result <- f() }
	return <-result
}

// start starts a program whose output goes to dir/name.log.
func start(name, dir string, argv ...string) (*child, error) {
	log := filepath.Join(dir, name+".log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	return spawn(name, log, syscall.SIGKILL, cmd)
}

// spawn starts a program that dies with us, by the given signal, and not by a
// Ctrl-C at the terminal: we stop it ourselves. Its session is its own: the kernel
// shares the cores out by session, and a scheduler is a service like any other.
func spawn(name, log string, death syscall.Signal, cmd *exec.Cmd) (*child, error) {
	cmd.Env = cleanEnv(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: death}
	if err := onSpawner(cmd.Start); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c := &child{name: name, log: log, pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// renice gives all threads of a process a nice value, and its session too where the
// kernel shares out the cores by session, since there the threads' is only for its
// inside.
func renice(pid, nice int) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, tid, nice); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("nice value %d: %w", nice, err)
		}
	}
	err = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(nice)), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// cleanEnv drops what would send loopback traffic through a proxy or name another
// cluster.
func cleanEnv(env []string) []string {
	var out []string
	for _, e := range env {
		k, _, _ := strings.Cut(e, "=")
		switch strings.ToUpper(k) {
		case "KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY":
			continue
		}
		if !strings.HasPrefix(k, "KUBERNETES_") {
			out = append(out, e)
		}
	}
	return out
}

// alive is nil until the child has ended.
func (c *child) alive() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s ended by itself (%v); its last lines:\n%s", c.name, c.err, tail(c.log, 15))
	default:
		return nil
	}
}

// stop ends the child.
func (c *child) stop(grace time.Duration) {
	if c == nil {
		return
	}
	select {
	case <-c.done:
		return
	default:
	}
	syscall.Kill(c.pid, syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(grace):
		syscall.Kill(c.pid, syscall.SIGKILL)
		<-c.done
	}
}

// tail returns the last lines of a file.
func tail(file string, n int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if len(b) > 64<<10 {
		b = b[len(b)-64<<10:]
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// freePort finds a port on loopback that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
