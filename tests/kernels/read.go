package kernels

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// kept is how much of a failure's output is kept: its end.
const kept = 8 << 10

func tail(s string) string {
	if len(s) > kept {
		return "…" + s[len(s)-kept:]
	}
	return s
}

// unclear is the reason of a skip that gives none.
const unclear = "(no reason given)"

// ReadGo is the result of a test binary of Go: out is what test2json made of what it printed, status its exit status.
func ReadGo(out []byte, status int) Result {
	type event struct{ Action, Test, Output string }
	var r Result
	var rest strings.Builder // what belongs to no test
	printed := map[string]*strings.Builder{}
	ended := map[string]string{} // how each test ended
	var order []string
	parents := map[string]bool{}
	for line := range bytes.Lines(out) {
		var e event
		if json.Unmarshal(line, &e) != nil {
			rest.Write(line)
			continue
		}
		switch {
		case e.Test == "":
			rest.WriteString(e.Output)
		case e.Action == "run":
			printed[e.Test] = &strings.Builder{}
			order = append(order, e.Test)
			for i := range len(e.Test) {
				if e.Test[i] == '/' {
					parents[e.Test[:i]] = true
				}
			}
		case e.Action == "output" && printed[e.Test] != nil:
			printed[e.Test].WriteString(e.Output)
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			ended[e.Test] = e.Action
		}
	}
	for _, test := range order {
		switch end := ended[test]; {
		case end == "skip":
			r.Skipped = append(r.Skipped, Skip{test, reasonGo(printed[test].String())})
		case end == "pass" && !parents[test]:
			r.Passed++
		case end != "pass" && !(parents[test] && failedBelow(test, ended)): // no end: the program ended in it
			r.Failed = append(r.Failed, Failure{test, tail(printed[test].String())})
		}
	}
	if len(r.Failed) == 0 && (status != 0 || len(order) == 0) {
		r.Failed = append(r.Failed, Failure{"the program", tail(rest.String()) + "exit status " + strconv.Itoa(status) + "\n"})
	}
	return r
}

func failedBelow(parent string, ended map[string]string) bool {
	for test, end := range ended {
		if end == "fail" && strings.HasPrefix(test, parent+"/") {
			return true
		}
	}
	return false
}

var (
	placeGo = regexp.MustCompile(`^ *[A-Za-z0-9_]+\.go:[0-9]+: `)
	frameGo = regexp.MustCompile(`^(=== |--- | *$)`)
)

// reasonGo is what a skipped test logged last.
func reasonGo(printed string) string {
	reason := unclear
	for line := range strings.Lines(printed) {
		line = strings.TrimRight(line, "\n")
		if place := placeGo.FindString(line); place != "" {
			reason = line[len(place):]
		} else if !frameGo.MatchString(strings.TrimLeft(line, " ")) && reason != unclear {
			reason += " " + strings.TrimSpace(line)
		}
	}
	return reason
}

var cLine = regexp.MustCompile(`^\[ +(RUN|OK|FAILED|SKIPPED) +\] ([A-Za-z_][A-Za-z0-9_]*)\s*$`)

// ReadC is the result of a program of cmocka. The reason of a skip is the line that begins with "skipped: ".
func ReadC(out []byte, status int) Result {
	var r Result
	var running, reason string
	var printed strings.Builder
	for line := range strings.Lines(string(out)) {
		printed.WriteString(line)
		if text, ok := strings.CutPrefix(line, "skipped: "); ok {
			reason = strings.TrimSpace(text)
		}
		m := cLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] == "RUN" {
			running, reason = m[2], unclear
			printed.Reset()
			continue
		}
		if m[2] != running { // the list of failures at the end
			continue
		}
		switch m[1] {
		case "OK":
			r.Passed++
		case "SKIPPED":
			r.Skipped = append(r.Skipped, Skip{running, reason})
		case "FAILED":
			r.Failed = append(r.Failed, Failure{running, tail(printed.String())})
		}
		running = ""
	}
	switch {
	case running != "":
		r.Failed = append(r.Failed, Failure{running, tail(printed.String()) + "exit status " + strconv.Itoa(status) + "\n"})
	case len(r.Failed) == 0 && (status != 0 || r.Passed+len(r.Skipped) == 0):
		r.Failed = append(r.Failed, Failure{"the program", tail(printed.String()) + "exit status " + strconv.Itoa(status) + "\n"})
	}
	return r
}

// ReadCorpus is the result of a replay of a corpus of so many inputs. libFuzzer ends at the first that fails.
func ReadCorpus(out []byte, status, inputs int) Result {
	if status != 0 || inputs == 0 {
		return Result{Failed: []Failure{{"the corpus", tail(string(out)) + "exit status " + strconv.Itoa(status) + "\n"}}}
	}
	return Result{Passed: inputs}
}
