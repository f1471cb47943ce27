package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/sourcetree"
)

// player plays a role: it makes the calls of the actors of a scene.
type player interface {
	do(scene, actor, text string) (line string, err error)
}

// cast says who plays the roles.
type cast struct {
	name string
	a, b string // "go" or "erlang"
}

var casts = []cast{
	{"go-erlang", "go", "erlang"},
	{"erlang-go", "erlang", "go"},
	{"erlang-erlang", "erlang", "erlang"}, // the reference
	{"go-go", "go", "go"},                 // the control
}

// TestScenarios plays every script with every cast: each role must observe the same in both languages and whatever
// the other is.
func TestScenarios(t *testing.T) {
	sourcetree.Need(t)
	scripts, err := readScenarios("scenarios")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, s := range slices.Concat(scripts, packetScenarios(t), randomScenarios(t, 100)) {
		t.Run(s.file+"/"+s.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range casts {
				t.Run(c.name, func(t *testing.T) { perform(t, s, c) })
			}
		})
	}
}

// perform plays a scenario with a cast.
func perform(t *testing.T, s scenario, c cast) {
	if c.a == "erlang" || c.b == "erlang" {
		needErlang(t)
		plays := map[string]string{"erlang-go": "a", "go-erlang": "b"}[c.name]
		if c.a == c.b {
			plays = "ab"
		}
		if strings.ContainsAny(s.refuses, plays) && erlang.release == "25" {
			t.Skip("OTP 25: " + s.reason)
		}
	}
	if slices.ContainsFunc(s.steps, func(s step) bool { return strings.Contains(s.text, "{0,0,0,0,0,0,0,1}") }) {
		machine.NeedIPv6(t)
	}
	p := newPlay(t, s, c)
	defer p.end()
	for _, step := range s.steps {
		p.perform(step)
	}
}

var scenes atomic.Int64

// play is a performance of a scenario.
type play struct {
	t       *testing.T
	scene   string
	s       scenario
	c       cast
	players map[string]player   // by role
	begun   map[string][]*begun // by actor, the oldest first
	ports   map[string]string   // by listener
	wires   map[string]wire     // by role and socket
	dir     string
}

type answer struct {
	line string
	err  error
}

// begun is a call that an actor has begun, or will begin after those before it.
type begun struct {
	text   string
	done   chan struct{}
	answer answer // once done is closed
}

func newPlay(t *testing.T, s scenario, c cast) *play {
	p := &play{
		t: t, scene: fmt.Sprint("scene", scenes.Add(1)), s: s, c: c, dir: sceneDir(t),
		players: map[string]player{}, begun: map[string][]*begun{},
		ports: map[string]string{"dead": deadPort(t)}, wires: map[string]wire{},
	}
	for role, language := range map[string]string{"a": c.a, "b": c.b} {
		if language == "erlang" {
			p.players[role] = erlang
		} else {
			p.players[role] = newGoPlayer()
		}
	}
	return p
}

// sceneDir is a directory with a file "data", and a name that is short enough for the addresses of local sockets.
func sceneDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "i")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data"), []byte(pattern(100000)), 0o600))
	return dir
}

// end ends all actors, and with them their sockets and calls.
func (p *play) end() {
	for role, player := range p.players {
		player.do(p.scene, role, "end()")
	}
	for _, calls := range p.begun {
		for _, c := range calls {
			<-c.done
		}
	}
}

func (p *play) perform(s step) {
	t := p.t
	t.Helper()
	player := p.players[s.role()]
	switch s.kind {
	case '>':
		text := p.fill(s.text)
		calls := p.begun[s.actor]
		c := &begun{text: s.text, done: make(chan struct{})}
		p.begun[s.actor] = append(calls, c)
		go func() {
			defer close(c.done)
			if len(calls) > 0 {
				<-calls[len(calls)-1].done
			}
			c.answer.line, c.answer.err = player.do(p.scene, s.actor, text)
		}()
	case '<':
		calls := p.begun[s.actor]
		require.NotEmpty(t, calls, "%s:%d: nothing was begun", p.s.file, s.line)
		select {
		case <-calls[0].done:
			p.begun[s.actor] = calls[1:]
			p.check(s, calls[0].answer)
			p.named(calls[0].text, s.actor)
		case <-time.After(3 * patience):
			t.Fatalf("%s:%d: the call of %s never returned", p.s.file, s.line, s.actor)
		}
	default:
		if p.kernel(s) {
			return
		}
		line, err := player.do(p.scene, s.actor, p.fill(s.text))
		p.check(s, answer{line, err})
		p.named(s.text, s.actor)
	}
}

var naming = regexp.MustCompile(`^(\w+) = (listen|connect|accept)\(`)

// named looks at a socket that a step has given a name to: scripts refer to listeners by @NAME, and to the kernel's
// state of connections.
func (p *play) named(text, actor string) {
	m := naming.FindStringSubmatch(text)
	if m == nil {
		return
	}
	ask := func(function string) string {
		line, _ := p.players[actor[:1]].do(p.scene, actor, function+"("+m[1]+")")
		return line
	}
	if m[2] == "listen" {
		p.ports[m[1]] = strings.TrimSuffix(strings.TrimPrefix(ask("port"), "{ok,"), "}")
		return
	}
	for _, s := range p.s.steps {
		if s.role() == actor[:1] && onKernel.MatchString(s.text) && strings.Contains(s.text, "("+m[1]+",") {
			var w wire
			fmt.Sscanf(ask("sockname"), "{ok,{{127,0,0,1},%d}}", &w.local)
			fmt.Sscanf(ask("peername"), "{ok,{{127,0,0,1},%d}}", &w.remote)
			p.wires[actor[:1]+m[1]] = w
			return
		}
	}
}

var onKernel = regexp.MustCompile(`^(queued|state)\((\w+), *(\w+)\)$`)

// kernel performs the steps that ask the kernel instead of a player: queued(S, N) waits until it has N bytes that were
// not read, state(S, State) until it has the connection in that state.
func (p *play) kernel(s step) bool {
	m := onKernel.FindStringSubmatch(s.text)
	if m == nil {
		return false
	}
	w := p.wires[s.role()+m[2]]
	came := w.until(func(k kernelState) bool {
		if m[1] == "queued" {
			return fmt.Sprint(k.queued) == m[3]
		}
		return k.state == m[3]
	})
	require.True(p.t, came, "%s.txt:%d: %s: never came, it is %v", p.s.file, s.line, s.text, w.lookUp())
	return true
}

var placeholder = regexp.MustCompile(`@[A-Za-z]\w*`)

// fill puts in what only this performance knows.
func (p *play) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if name == "@dir" {
			return p.dir
		}
		port, ok := p.ports[name[1:]]
		require.True(p.t, ok, "no listener %s", name)
		return port
	})
}

// check compares what a step returned with what it must return.
func (p *play) check(s step, got answer) {
	t := p.t
	t.Helper()
	language := map[string]string{"a": p.c.a, "b": p.c.b}[s.role()]
	where := fmt.Sprintf("%s.txt:%d: %s (in %s): %s", p.s.file, s.line, s.actor, language, s.text)
	require.NoError(t, got.err, where)
	wants := []string{s.want}
	if s.goes != "" && language == "go" {
		wants = []string{s.goes}
	}
	if s.ref != "" && language == "erlang" {
		if erlang.release == "25" {
			wants = []string{s.ref}
		} else {
			wants = append(wants, s.ref)
		}
	}
	result, err := parseTerm(got.line)
	require.NoError(t, err, where)
	for _, want := range wants {
		w, err := parseTerm(p.fill(want))
		require.NoError(t, err, where)
		w = evaluate(w, func(v variable) any { return v })
		if matches(w, result) {
			return
		}
	}
	t.Fatalf("%s\n    want %s\n    got  %s", where, strings.Join(wants, " or "), got.line)
}
