// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"sync"
)

// gate stands between the listener and the HTTP server, so that connections can be frozen and cut
// under it.
type gate struct {
	mu     sync.Mutex
	conns  map[*gatedConn]bool
	frozen bool // new connections are frozen too
}

func newGate() *gate { return &gate{conns: map[*gatedConn]bool{}} }

type gatedListener struct {
	net.Listener
	g *gate
}

func (g *gate) listener(l net.Listener) net.Listener { return &gatedListener{l, g} }

func (l *gatedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	gc := &gatedConn{Conn: c, g: l.g, closed: make(chan struct{})}
	l.g.mu.Lock()
	defer l.g.mu.Unlock()
	if l.g.frozen {
		gc.frozen = make(chan struct{})
	}
	l.g.conns[gc] = true
	return gc, nil
}

// gatedConn is a connection that can stand still: reads and writes wait while it is frozen, and the
// kernel goes on acknowledging what the peer sends.
type gatedConn struct {
	net.Conn
	g      *gate
	mu     sync.Mutex
	frozen chan struct{} // nil: not frozen; closed to thaw
	once   sync.Once
	closed chan struct{}
}

func (c *gatedConn) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen == nil {
		c.frozen = make(chan struct{})
	}
}

func (c *gatedConn) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen != nil {
		close(c.frozen)
		c.frozen = nil
	}
}

func (c *gatedConn) wait() error {
	c.mu.Lock()
	frozen := c.frozen
	c.mu.Unlock()
	if frozen == nil {
		return nil
	}
	select {
	case <-frozen:
		return nil
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *gatedConn) Read(p []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	// What arrives after the freeze is not seen before the thaw.
	if werr := c.wait(); werr != nil {
		return 0, werr
	}
	return n, err
}

func (c *gatedConn) Write(p []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *gatedConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.g.mu.Lock()
		delete(c.g.conns, c)
		c.g.mu.Unlock()
	})
	return c.Conn.Close()
}

func (g *gate) each(f func(*gatedConn)) int {
	g.mu.Lock()
	var all []*gatedConn
	for c := range g.conns {
		all = append(all, c)
	}
	g.mu.Unlock()
	for _, c := range all {
		f(c)
	}
	return len(all)
}

func (g *gate) freezeAll(newOnesToo bool) int {
	g.mu.Lock()
	g.frozen = newOnesToo
	g.mu.Unlock()
	return g.each((*gatedConn).freeze)
}

func (g *gate) thawAll() int {
	g.mu.Lock()
	g.frozen = false
	g.mu.Unlock()
	return g.each((*gatedConn).thaw)
}

func (g *gate) cutAll() int {
	return g.each(func(c *gatedConn) {
		if t, ok := c.Conn.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		c.Close()
	})
}
