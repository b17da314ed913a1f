// SPDX-License-Identifier: Apache-2.0

// Command proxy stands between a client and a TLS server and harms what passes,
// without reading it: bytes of one direction vanish while both ends still see an
// open connection, answers are cut off after the requests got through, all is
// late. README.md says how.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// cutAfter is how long a connection lives on once an answer on it was lost in
// mode "lose": requests that are under way still arrive.
const cutAfter = 300 * time.Millisecond

type faults struct {
	up, down bool // what the client sends, what the server sends, vanishes
	cut      bool // with down: the connection is reset soon after
	refuse   bool // new connections are reset at once
	delay    time.Duration
}

var modes = map[string]faults{
	"pass":   {},
	"up":     {up: true},
	"down":   {down: true},
	"both":   {up: true, down: true},
	"lose":   {down: true, cut: true},
	"refuse": {refuse: true},
	"delay":  {},
}

type proxy struct {
	target string
	now    atomic.Pointer[faults]
	lost   atomic.Int64 // connections that lost something
	mu     sync.Mutex
	open   map[*link]bool
}

// link is one connection of the client's and the one to the server.
type link struct {
	client, server *net.TCPConn
	isLost         atomic.Bool
}

func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		c.SetLinger(0)
		c.Close()
	}
}

// copy moves bytes until the connection ends. A connection that lost bytes of a
// direction never gets later ones there: the other end could not read them.
func (p *proxy) copy(l *link, to, from *net.TCPConn, isUp bool) {
	buf := make([]byte, 64<<10)
	isDead := false
	for {
		n, err := from.Read(buf)
		f := p.now.Load()
		if n > 0 && ((isUp && f.up) || (!isUp && f.down)) {
			isDead = true
			if !l.isLost.Swap(true) {
				p.lost.Add(1)
				if f.cut {
					time.AfterFunc(cutAfter, l.reset)
				}
			}
		}
		if n > 0 && !isDead {
			time.Sleep(f.delay)
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err == nil {
			continue
		}
		if err == io.EOF && isDead {
			return // the end is lost, too
		}
		to.CloseWrite()
		return
	}
}

func (p *proxy) serve(client *net.TCPConn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil || p.now.Load().refuse {
		client.SetLinger(0)
		client.Close()
		if err == nil {
			server.Close()
		}
		return
	}
	l := &link{client: client, server: server.(*net.TCPConn)}
	p.mu.Lock()
	p.open[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, l.server, client, true) })
	both.Go(func() { p.copy(l, client, l.server, false) })
	both.Wait()
	l.client.Close()
	l.server.Close()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
}

// control: POST /MODE, with ?ms=N for delay; POST /cut; GET /lost.
func (p *proxy) control(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[1:]
	switch f, ok := modes[name]; {
	case ok:
		ms, _ := strconv.Atoi(r.FormValue("ms"))
		f.delay = time.Duration(ms) * time.Millisecond
		p.now.Store(&f)
	case name == "cut":
		p.mu.Lock()
		for l := range p.open {
			l.reset()
		}
		p.mu.Unlock()
	case name == "lost":
		fmt.Fprintln(w, p.lost.Load())
	default:
		http.NotFound(w, r)
	}
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return l
}

func main() {
	target := flag.String("target", "", "HOST:PORT of the server")
	flag.Parse()
	p := &proxy{target: *target, open: map[*link]bool{}}
	p.now.Store(&faults{})
	in, ctl := listen(), listen()
	go func() { log.Fatal(http.Serve(ctl, http.HandlerFunc(p.control))) }()
	fmt.Printf("proxy=%s\ncontrol=http://%s\n", in.Addr(), ctl.Addr())
	go func() { // whoever started us is gone when this ends
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		c, err := in.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go p.serve(c.(*net.TCPConn))
	}
}
