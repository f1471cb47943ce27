package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// scenario is a script of two roles, a and b, each of one or more actors: "a", "a2", "b", … An actor is an Erlang
// process, or a mailbox in Go.
type scenario struct {
	file, name string
	steps      []step
	refuses    string // the role, or "ab", that the reference of release 25 cannot play; "" if it can play both
	reason     string // why
}

// step is one line of a script:
//
//	a: recv(S, 0) -> {ok, "x"}     a call that is made and awaited, and what it returns ("ok" if not said)
//	a> recv(S, 0)                  a call that is begun
//	a< -> {ok, "x"}                the result of the actor's oldest begun call
//
// and below it, when the reference answers otherwise, or gentcp on purpose,
//
//	otp25 -> {error, closed}       % why
//	go -> {error, closed}          % why
//
// "S = accept(L)" keeps the socket in a variable of the role. @L is the port of the listener L of any role, @dir a
// directory of the scenario, @dead a port without a listener. % begins a comment. A line
//
//	not on otp25 as a: why
//
// says that release 25 cannot play the role.
//
// How much the kernel takes that is not received is the machine's: a call that sends more than smallBuffer is begun, and its
// result is taken after the receiver's step.
type step struct {
	line  int
	actor string
	kind  byte // ':', '>' or '<'
	text  string
	want  string
	ref   string // what release 25 answers instead; "" if it agrees
	goes  string // what gentcp answers instead, where that is meant; "" if it agrees
}

// role is the first letter of the actor.
func (s step) role() string { return s.actor[:1] }

var (
	assignment = regexp.MustCompile(`^(\w+) = (.*)$`)
	titleLine  = regexp.MustCompile(`^== (.+)$`)
	skipLine   = regexp.MustCompile(`^not on otp25 as ([ab]+): (.+)$`)
	stepLine   = regexp.MustCompile(`^([ab][0-9]*)([:><]) *(.*?)(?: *-> *(.*))?$`)
	refLine    = regexp.MustCompile(`^\s+(otp25|go) -> (.*?)\s*% *(.+)$`)
)

// readScenarios reads all scripts of a directory.
func readScenarios(dir string) (all []scenario, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		scenarios, err := parseScript(strings.TrimSuffix(filepath.Base(file), ".txt"), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, scenarios...)
	}
	return all, nil
}

// parseScript reads the scenarios of a file. Each begins with "== NAME".
func parseScript(file, text string) (all []scenario, err error) {
	var cur *scenario
	for i, line := range strings.Split(text, "\n") {
		fail := func(what string) error { return fmt.Errorf("%s:%d: %s: %s", file, i+1, what, line) }
		if m := titleLine.FindStringSubmatch(line); m != nil {
			all = append(all, scenario{file: file, name: m[1]})
			cur = &all[len(all)-1]
			continue
		}
		if m := refLine.FindStringSubmatch(line); m != nil {
			if cur == nil || len(cur.steps) == 0 {
				return nil, fail("nothing before it")
			}
			last := &cur.steps[len(cur.steps)-1]
			if m[1] == "go" {
				last.goes = m[2]
			} else {
				last.ref = m[2]
			}
			continue
		}
		line = strings.TrimSpace(uncomment(line))
		if line == "" {
			continue
		}
		if cur == nil {
			return nil, fail("before the first title")
		}
		if m := skipLine.FindStringSubmatch(line); m != nil {
			cur.refuses, cur.reason = m[1], m[2]
			continue
		}
		m := stepLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fail("not a step")
		}
		s := step{line: i + 1, actor: m[1], kind: m[2][0], text: m[3], want: m[4]}
		if s.want == "" {
			s.want = "ok"
		}
		if (s.kind == '<') != (s.text == "") || s.kind == '>' && m[4] != "" {
			return nil, fail("not a step")
		}
		if s.kind == ':' && sends(s.text) > smallBuffer && (s.want == "ok" || strings.HasPrefix(s.want, "{ok")) {
			return nil, fail("it may wait for a receiver: begin it")
		}
		cur.steps = append(cur.steps, s)
	}
	return all, nil
}

// smallBuffer is what every connection takes though its peer does not receive.
const smallBuffer = 4000

var sendLine = regexp.MustCompile(`^(?:\w+ = )?send(?:file)?\(.*?(?:pattern\(([0-9]+)\)|dup\([^,]*,([0-9]+)\)|"@dir/data", \w+\))`)

// sends is how many bytes a step sends, 0 if they are few; the file is of 100,000.
func sends(text string) int {
	m := sendLine.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	if m[1]+m[2] == "" {
		return 100_000
	}
	n, _ := strconv.Atoi(m[1] + m[2])
	return n
}

// uncomment cuts off a comment: from a % that is not in a string.
func uncomment(line string) string {
	quoted := false
	for i := range len(line) {
		switch line[i] {
		case '"':
			quoted = !quoted
		case '%':
			if !quoted {
				return line[:i]
			}
		}
	}
	return line
}
