// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// page is one tab of a headless Chromium, spoken to over its debugging pipe: JSON with a NUL behind
// each message, no port and no library.
type page struct {
	cmd      *exec.Cmd
	to       *os.File
	messages chan message
	session  string
	next     int
	errors   []string // what the console and the page complained of
	requests []string // URLs asked for
}

type message struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	SessionID string          `json:"sessionId"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func open(chromium, profile string) (*page, error) {
	fromBrowser, browserWrites, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	browserReads, toBrowser, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", "--no-first-run", "--disable-extensions", "--disable-background-networking",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{browserReads, browserWrites} // descriptors 3 and 4
	cmd.Stderr = nil
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	browserReads.Close()
	browserWrites.Close()
	p := &page{cmd: cmd, to: toBrowser, messages: make(chan message, 1024)}
	go func() {
		r := bufio.NewReaderSize(fromBrowser, 1<<20)
		for {
			raw, err := r.ReadBytes(0)
			if err != nil {
				close(p.messages)
				return
			}
			var m message
			if json.Unmarshal(raw[:len(raw)-1], &m) == nil {
				p.messages <- m
			}
		}
	}()
	var target struct {
		TargetID string `json:"targetId"`
	}
	if err := p.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	err = p.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	if err != nil {
		return nil, err
	}
	p.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		if err := p.call(domain+".enable", nil, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *page) close() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *page) note(m message) {
	var d struct {
		Type    string
		Args    []struct{ Value any }
		Entry   struct{ Level, Text, URL string }
		Request struct{ URL string }

		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	json.Unmarshal(m.Params, &d)
	switch m.Method {
	case "Runtime.consoleAPICalled":
		if d.Type == "error" || d.Type == "warning" {
			p.errors = append(p.errors, fmt.Sprint(d.Args))
		}
	case "Runtime.exceptionThrown":
		p.errors = append(p.errors, d.ExceptionDetails.Text+" "+d.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		if d.Entry.Level == "error" {
			p.errors = append(p.errors, d.Entry.Text+" "+d.Entry.URL)
		}
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, d.Request.URL)
	}
}

func (p *page) call(method string, params any, ret any) error {
	p.next++
	id := p.next
	request := map[string]any{"id": id, "method": method}
	if params != nil {
		request["params"] = params
	}
	if p.session != "" {
		request["sessionId"] = p.session
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := p.to.Write(append(raw, 0)); err != nil {
		return err
	}
	limit := time.After(60 * time.Second)
	for {
		select {
		case m, ok := <-p.messages:
			if !ok {
				return fmt.Errorf("%s: the browser has gone", method)
			}
			if m.ID != id {
				p.note(m)
				continue
			}
			if m.Error != nil {
				return fmt.Errorf("%s: %s", method, m.Error.Message)
			}
			if ret != nil {
				return json.Unmarshal(m.Result, ret)
			}
			return nil
		case <-limit:
			return fmt.Errorf("%s: no answer", method)
		}
	}
}

// eval is an expression's value in the page, promises awaited, as JSON would have it.
func (p *page) eval(expression string) any {
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.call("Runtime.evaluate",
		map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if err != nil {
		return err.Error()
	}
	if r.ExceptionDetails != nil {
		return r.ExceptionDetails.Text + " " + r.ExceptionDetails.Exception.Description
	}
	return r.Result.Value
}

func (p *page) key(name string) {
	code := map[string]int{"Tab": 9, "ArrowRight": 39, "ArrowDown": 40}[name]
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent",
			map[string]any{"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code}, nil)
	}
}

// size sets the window, and whether it is that of a phone; scheme is light or dark.
func (p *page) size(width, height int, mobile bool, scheme string) error {
	err := p.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}, nil)
	if err != nil {
		return err
	}
	return p.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func (p *page) picture(file string) error {
	var r struct{ Data string }
	if err := p.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o644)
}
