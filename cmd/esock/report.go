package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// report is what a command reports, step by step. As text each line is written as soon as it is known; as JSON everything
// is written at the end, as one document.
type report struct {
	out  *output
	json bool
	mu   sync.Mutex // several goroutines report

	failed error // of writing the text

	Steps []*step `json:"steps"`
}

// The layout of the text.
const (
	indent    = "   "
	keyWidth  = 18
	laneWidth = 47 // of one of two parties
	callWidth = 24 // of a call in it
	whoWidth  = 8  // of the name of a party, where the two are not side by side
)

// step is one part of a report.
type step struct {
	Name    string           `json:"name"`
	Title   string           `json:"title"`
	Text    string           `json:"text"`
	Skipped string           `json:"skipped,omitempty"` // why
	Failed  string           `json:"failed,omitempty"`  // what
	Calls   []call           `json:"calls,omitempty"`
	Facts   facts            `json:"facts,omitempty"`
	Tables  map[string][]any `json:"tables,omitempty"`

	r       *report
	parties []string
}

// call is a call of one party, and its result.
type call struct {
	Who    string `json:"who"`
	Call   string `json:"call"`
	Result string `json:"result"`
}

// facts are names and values in the order in which they were reported.
type facts []fact

type fact struct {
	key   string
	value any
}

func (f facts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(x.key) // a string always can
		value, err := json.Marshal(x.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func newReport(out *output, asJSON bool) *report { return &report{out: out, json: asJSON} }

// line writes a line of text. As JSON it does nothing.
func (r *report) line(format string, args ...any) {
	if r.json {
		return
	}
	_, err := fmt.Fprintln(r.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	if r.failed == nil {
		r.failed = err
	}
}

// paragraph writes text, indented and wrapped.
func (r *report) paragraph(text string) { r.wrapped(indent, text) }

func (r *report) wrapped(shift, text string) {
	r.lines(indented(shift, r.out.wrap(text, len(shift))))
}

// lines writes lines of text.
func (r *report) lines(lines []string) {
	for _, l := range lines {
		r.line("%s", l)
	}
}

// grid writes a table, indented.
func (r *report) grid(g grid) {
	page := *r.out
	if page.columns > 0 {
		page.columns -= len(indent)
	}
	r.lines(indented(indent, page.lines(g)))
}

// step begins the next step: its name for JSON, its title, and a sentence about it.
func (r *report) step(name, title, text string) *step {
	st := &step{Name: name, Title: title, Text: text, r: r}
	r.Steps = append(r.Steps, st)
	r.line("")
	r.line("%s", r.out.bold(fmt.Sprintf("%d  %s", len(r.Steps), title)))
	r.paragraph(text)
	r.line("")
	return st
}

// skip reports why the step is left out.
func (st *step) skip(why string) {
	st.Skipped = why
	st.r.paragraph("skipped: " + why)
}

// fact reports a name and a value. The text, if given, replaces the value in the text report.
func (st *step) fact(key string, value any, text ...string) {
	st.r.mu.Lock()
	defer st.r.mu.Unlock()
	st.Facts = append(st.Facts, fact{strings.ToLower(strings.NewReplacer(" ", "_", "()", "").Replace(key)), value})
	s := fmt.Sprint(value)
	if len(text) > 0 {
		s = text[0]
	}
	for i, l := range st.r.out.wrap(s, len(indent)+keyWidth) {
		if i > 0 {
			key = ""
		}
		st.r.line("%s%-*s%s", indent, keyWidth, key, l)
	}
}

// between names the two parties whose calls follow: side by side, where the page is wide enough.
func (st *step) between(left, right string) {
	st.parties = []string{left, right}
	if !st.sideBySide() {
		return
	}
	st.r.line("%s%-*s%s", indent, laneWidth, left, right)
	st.r.line("%s%-*s%s", indent, laneWidth, strings.Repeat("-", laneWidth-3), strings.Repeat("-", laneWidth-3))
}

func (st *step) sideBySide() bool {
	return len(st.parties) == 2 && st.r.out.fits(len(indent)+2*laneWidth-3)
}

// call reports a call of one party and its result.
func (st *step) call(who, what, result string) {
	st.r.mu.Lock()
	defer st.r.mu.Unlock()
	st.tell(who, what, result)
}

// act makes a call that does not wait for the other party. The other party can report what follows from it only after the
// call is reported.
func (st *step) act(who, what string, f func() (string, error)) error {
	st.r.mu.Lock()
	defer st.r.mu.Unlock()
	result, err := f()
	if err == nil {
		st.tell(who, what, result)
	}
	return err
}

// tell is call with r.mu held.
func (st *step) tell(who, what, result string) {
	st.Calls = append(st.Calls, call{who, what, result})
	before, room := padded(who, whoWidth), st.r.out.prose()-len(indent)-whoWidth-callWidth-1
	if st.sideBySide() {
		before, room = "", laneWidth-3-callWidth-1
		if who == st.parties[1] {
			before = strings.Repeat(" ", laneWidth)
		}
	}
	st.r.line("%s%s%-*s %s", indent, before, callWidth, shorten(what, callWidth), shorten(result, room))
}

// table reports rows under their keys, which have a word on each line; the first two say what the row is about. Numbers are
// aligned to the right, and 0 is a dot.
func (st *step) table(name string, keys []string, rows [][]any) {
	var cells [][]string
	for _, row := range rows {
		object := make(facts, len(row))
		texts := make([]string, len(row))
		for i, v := range row {
			object[i] = fact{keys[i], v}
			if texts[i] = fmt.Sprint(v); texts[i] == "0" {
				texts[i] = "."
			}
		}
		cells = append(cells, texts)
		st.tableRow(name, object)
	}
	number := func(column int) bool {
		_, text := rows[0][column].(string)
		return !text
	}
	st.r.grid(grid{head: headerLines(keys), rows: cells, right: number, keys: 2})
}

// headerLines puts the words of each key below each other, with the last words of all keys on the last line.
func headerLines(keys []string) [][]string {
	height := 0
	for _, k := range keys {
		height = max(height, 1+strings.Count(k, "_"))
	}
	lines := make([][]string, height)
	for i := range lines {
		lines[i] = make([]string, len(keys))
	}
	for i, k := range keys {
		words := strings.Split(k, "_")
		for j, w := range words {
			lines[height-len(words)+j][i] = w
		}
	}
	return lines
}

// tableRow notes a row for JSON.
func (st *step) tableRow(name string, row any) {
	if st.Tables == nil {
		st.Tables = map[string][]any{}
	}
	st.Tables[name] = append(st.Tables[name], row)
}
