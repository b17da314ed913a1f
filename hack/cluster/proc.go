// SPDX-License-Identifier: Apache-2.0

// Starting, recognising and stopping processes.
package main

import (
	"bytes"
	"errors"
	"fmt"
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

// process is one that we started. Its number alone does not identify it, since
// numbers are used again: the start time and the program do.
type process struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot
	Exe   string `json:"exe"`
	Log   string `json:"log,omitempty"`

	exited chan struct{} // closed at its end, where we are its parent
}

var (
	spawnerOnce sync.Once
	spawnerJobs = make(chan func())
)

// onSpawner runs f on a thread that lives as long as this program. The signal
// that a child gets when its parent dies is sent when the *thread* that started
// it ends, so starting from any other would kill the child at random.
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

// startProcess starts a program in a session of its own, so that Ctrl-C at the
// terminal reaches only us. With tied it dies when we do.
func startProcess(name, exe, logFile string, tied bool, args ...string) (process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, err
	}
	defer log.Close()
	cmd := exec.Command(exe, args...)
	cmd.Dir = filepath.Dir(logFile)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = cleanEnv(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if tied {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := onSpawner(cmd.Start); err != nil {
		return process{}, err
	}
	p := process{Name: name, PID: cmd.Process.Pid, Exe: exe, Log: logFile, exited: make(chan struct{})}
	p.Start, _, _ = procStat(p.PID)
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// cleanEnv drops what would send loopback traffic through a proxy or give a
// program another cluster's address.
func cleanEnv(env []string) []string {
	var out []string
	for _, e := range env {
		k, _, _ := strings.Cut(e, "=")
		switch strings.ToUpper(k) {
		case "KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY":
			continue
		}
		if strings.HasPrefix(k, "ETCD_") || strings.HasPrefix(k, "KUBERNETES_") || strings.HasPrefix(k, "KWOK_") {
			continue
		}
		out = append(out, e)
	}
	return out
}

func self() process {
	exe, _ := os.Executable()
	start, _, _ := procStat(os.Getpid())
	return process{Name: "cluster", PID: os.Getpid(), Start: start, Exe: exe}
}

// procStat reads a process's start time and state letter.
func procStat(pid int) (start uint64, letter byte, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(b)
}

// parseStat takes fields 3 and 22 of /proc/PID/stat. The second field is the
// program's name in brackets, which may itself hold spaces and brackets.
func parseStat(b []byte) (start uint64, letter byte, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, errors.New("no bracket in /proc/PID/stat")
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 20 {
		return 0, 0, errors.New("/proc/PID/stat is too short")
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return start, f[0][0], err
}

// alive says whether the process is still the one we started. A zombie is not.
func (p process) alive() bool {
	if p.PID <= 0 {
		return false
	}
	start, letter, err := procStat(p.PID)
	if err != nil || start != p.Start || letter == 'Z' || letter == 'X' {
		return false
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
	return err == nil && strings.TrimSuffix(exe, " (deleted)") == p.Exe
}

// stopAll asks every process to end, and after the grace period makes it.
func stopAll(procs []process, grace time.Duration) error {
	signal := func(sig syscall.Signal) (left int) {
		for _, p := range procs {
			if p.alive() {
				left++
				if sig != 0 {
					// The group too: each leads its own.
					if pgid, err := syscall.Getpgid(p.PID); err == nil && pgid == p.PID {
						syscall.Kill(-p.PID, sig)
					} else {
						syscall.Kill(p.PID, sig)
					}
				}
			}
		}
		return left
	}
	wait := func(d time.Duration) bool {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if signal(0) == 0 {
				return true
			}
		}
		return false
	}
	if signal(syscall.SIGTERM) == 0 || wait(grace) {
		return nil
	}
	signal(syscall.SIGKILL)
	if wait(5 * time.Second) {
		return nil
	}
	var names []string
	for _, p := range procs {
		if p.alive() {
			names = append(names, fmt.Sprintf("%s (%d)", p.Name, p.PID))
		}
	}
	return fmt.Errorf("still running after SIGKILL: %s", strings.Join(names, ", "))
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
