// SPDX-License-Identifier: Apache-2.0

// Browser uses the dashboard as a person would, in a real Chromium, and prints "ok - what" or
// "not ok - what" for each thing that it looks at.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var failed bool

func check(what string, good bool, why ...any) {
	if good {
		fmt.Println("ok -", what)
		return
	}
	failed = true
	fmt.Println("not ok -", what+":", fmt.Sprint(why...))
}

// until waits up to 20 s for an expression to be true.
func (p *page) until(expression string) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if p.eval(expression) == true {
			return true
		}
	}
	return false
}

func main() {
	url := flag.String("url", "", "of the scheduler")
	token := flag.String("token", "", "that may see")
	nodes := flag.Int("nodes", 0, "that there are")
	waits := flag.String("waits", "", "name of a pod that waits")
	why := flag.String("why", "", "part of what it waits for")
	then := flag.String("then", "", "command that has a decision made")
	decided := flag.String("decided", "", "pod that it is about")
	out := flag.String("out", ".", "folder for pictures")
	chromium := flag.String("chromium", "chromium", "program")
	flag.Parse()

	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	p, err := open(*chromium, profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chromium:", err)
		os.Exit(1)
	}
	use(p, *url, *token, *nodes, *waits, *why, *then, *decided, *out)
	p.close()
	os.RemoveAll(profile)
	if failed {
		os.Exit(1)
	}
}

func use(p *page, url, token string, nodes int, waits, why, then, decided, out string) {
	p.size(1080, 800, false, "light")
	p.call("Page.navigate", map[string]any{"url": url + "/ui/"}, nil)
	check("the page loads", p.until(`document.readyState == "complete" && typeof nodes == "object"`), p.errors)
	check("it asks for a token", p.eval(`!$("login").hidden && $("board").hidden`) == true)
	login := func(token string) {
		p.eval(fmt.Sprintf(`$("token").value = %q; $("login").requestSubmit()`, token))
	}
	login("wrong")
	check("a wrong token is refused, with the reason",
		p.until(`$("board").hidden && $("status").classList.contains("bad")`), p.eval(`$("status").textContent`))
	// The browser itself reports that answer.
	p.errors = slices.DeleteFunc(p.errors, func(e string) bool { return strings.Contains(e, "401") })
	login(token)
	check("the right one shows the board", p.until(`!$("board").hidden && $("status").textContent == "live"`),
		p.eval(`$("status").textContent`))
	check("no token is in the page", p.eval(`document.documentElement.outerHTML.includes(sessionStorage.getItem("token"))`) == false)
	check("all nodes are there", p.until(fmt.Sprintf(`order.length == %d`, nodes)), p.eval(`order.length`))
	check("they are drawn", p.until(`(() => {
		const c = $("map"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		return new Set(new Uint32Array(d.buffer)).size > 3;
	})()`))
	check("a pod that waits shows why", p.until(fmt.Sprintf(
		`[...$("waiting").tBodies[0].rows].some(r => r.textContent.includes(%q) && r.textContent.includes(%q))`, waits, why)),
		p.eval(`$("waiting").textContent`))
	if err := exec.Command("sh", "-c", then).Run(); err != nil {
		check("the command runs", false, err)
	}
	row := fmt.Sprintf(`[...$("decisions").tBodies[0].rows].find(r => r.textContent.includes(%q))`, decided)
	check("a decision appears as it is made", p.until(`!!`+row))
	check("with its points", p.eval(row+`.cells[3].textContent.length > 0`) == true, p.eval(row+`.textContent`))

	var focused []string
	p.eval(`document.activeElement.blur()`)
	for range 12 {
		p.key("Tab")
		id, _ := p.eval(`document.activeElement.id || document.activeElement.getAttribute("aria-labelledby") || ""`).(string)
		focused = append(focused, id)
	}
	for _, id := range []string{"theme", "leave", "find", "colour", "map", "h-waiting", "h-decisions"} {
		check("the keyboard reaches "+id, slices.Contains(focused, id), focused)
	}
	p.eval(`$("map").focus()`)
	p.key("ArrowRight")
	p.key("ArrowRight")
	check("arrows choose a node", p.until(`$("node").textContent.startsWith(nodes.get(order[1]).name)`), p.eval(`$("node").textContent`))
	p.eval(`$("find").value = nodes.get(order[3]).name; $("find").dispatchEvent(new Event("input"))`)
	check("a name is found", p.until(`order.length == 1`), p.eval(`order.length`))
	p.eval(`$("find").value = ""; $("find").dispatchEvent(new Event("input"))`)

	time.Sleep(3 * time.Second) // something for the history to show
	p.eval(`document.activeElement.blur(); scrollTo(0, 0)`)
	check("picture", p.picture(filepath.Join(out, "light.png")) == nil)
	p.size(390, 844, true, "dark")
	time.Sleep(500 * time.Millisecond)
	p.eval(`touch("map")`)
	time.Sleep(500 * time.Millisecond)
	check("dark follows the system", p.eval(`getComputedStyle(document.body).backgroundColor`) == "rgb(22, 24, 26)",
		p.eval(`getComputedStyle(document.body).backgroundColor`))
	check("a phone need not scroll sideways", p.eval(`document.documentElement.scrollWidth <= 390`) == true,
		p.eval(`document.documentElement.scrollWidth`))
	check("picture", p.picture(filepath.Join(out, "dark-phone.png")) == nil)

	// Each node with eight GPUs, all told anew, as if the whole cluster had changed within a second.
	p.size(1280, 1000, false, "light")
	fmt.Println("# 5,000 nodes of eight GPUs are taken in and drawn in", p.eval(`(() => {
		const many = [...Array(5000).keys()].map(i => ({slot: 100000 + i, name: "n" + i, pool: "", ready: true,
			used: i % 100 / 100, cpu: .5, memory: .5, pods: 9, gpus: Array(8).fill(i % 1000), weight: [1, 1, 1, 1, 1]}));
		const from = performance.now();
		put({nodes: many, gone: []});
		drawMap();
		return Math.round(performance.now() - from);
	})()`), "ms")
	check("they are all there", p.eval(fmt.Sprintf(`order.length == %d`, nodes+5000)) == true)

	check("nothing complained", len(p.errors) == 0, p.errors)
	elsewhere := slices.DeleteFunc(slices.Clone(p.requests), func(r string) bool {
		return strings.HasPrefix(r, url+"/") || strings.HasPrefix(r, "data:") || r == "about:blank"
	})
	check("nothing was asked for elsewhere", len(elsewhere) == 0, elsewhere)
}
