// SPDX-License-Identifier: Apache-2.0

// What is known of an instance between commands: a folder with a state file,
// and locks that keep two commands from stepping on each other.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"syscall"
	"time"
)

// state is kept in <root>/<name>/state.json.
type state struct {
	Name       string         `json:"name"`
	Dir        string         `json:"dir"`
	DataDir    string         `json:"dataDir"`
	Kubeconfig string         `json:"kubeconfig"`
	Server     string         `json:"server"`
	Up         process        `json:"up"` // the command that is bringing it up, or holds it in the foreground
	Ready      bool           `json:"ready"`
	Started    time.Time      `json:"started"`
	Ports      map[string]int `json:"ports"`
	Procs      []process      `json:"procs"`
	Options    upOptions      `json:"options"`
}

func root() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("steelyard-cluster-%d", os.Getuid()))
}

// shmRoot goes with root: clusters under another TMPDIR are none of our business.
func shmRoot() string {
	h := sha256.Sum256([]byte(root()))
	return fmt.Sprintf("/dev/shm/steelyard-cluster-%d-%x", os.Getuid(), h[:4])
}

var nameOK = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

func checkName(name string) error {
	if !nameOK.MatchString(name) {
		return fmt.Errorf("%q is not a usable name: lower-case letters, digits and dashes, 40 at most", name)
	}
	return nil
}

// ownDir makes a folder that only we can enter, and refuses one that somebody
// else has put in its place.
func ownDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR || int(st.Uid) != os.Getuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a folder of ours with mode 0700", path)
	}
	return nil
}

func stateFile(name string) string { return filepath.Join(root(), name, "state.json") }

func (s *state) save() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := stateFile(s.Name) + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, stateFile(s.Name))
}

// load returns nil where there is no such instance.
func load(name string) (*state, error) {
	b, err := os.ReadFile(stateFile(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", stateFile(name), err)
	}
	return s, nil
}

// mustLoad is load where the instance has to be there and up.
func mustLoad(name string) (*state, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s, err := load(name)
	if err != nil {
		return nil, err
	}
	if s == nil || !s.Ready {
		return nil, fmt.Errorf("no cluster called %q is up", name)
	}
	return s, nil
}

// instances lists the names that have a folder.
func instances() ([]string, error) {
	names := map[string]bool{}
	for _, dir := range []string{root(), shmRoot()} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && nameOK.MatchString(e.Name()) {
				names[e.Name()] = true
			}
		}
	}
	var list []string
	for n := range names {
		list = append(list, n)
	}
	sort.Strings(list)
	return list, nil
}

// lock takes a lock shared by all commands of this user. It lives in the cache,
// so that taking down the last instance leaves nothing in the temporary folder.
func lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cache, "locks"), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, "locks", name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			f.Close()
			return nil, err
		}
		if !told && waiting != nil {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// pickPorts finds a free port for each name. It keeps below the range that the
// kernel hands out for outgoing connections and off the ports of the other
// instances; the caller holds the state lock until its own are saved.
func pickPorts(taken map[int]bool, names ...string) (map[string]int, error) {
	ports := map[string]int{}
	for _, name := range names {
		for try := 0; ; try++ {
			if try == 2000 {
				return nil, errors.New("no free port on 127.0.0.1 between 20000 and 31999")
			}
			p := 20000 + rand.IntN(12000)
			if taken[p] {
				continue
			}
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				continue
			}
			l.Close()
			taken[p] = true
			ports[name] = p
			break
		}
	}
	return ports, nil
}

func takenPorts() (map[int]bool, error) {
	taken := map[int]bool{}
	names, err := instances()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if s, err := load(n); err == nil && s != nil {
			for _, p := range s.Ports {
				taken[p] = true
			}
		}
	}
	return taken, nil
}
