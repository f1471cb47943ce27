package interop

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// The terms of the scripts, which are written as in Erlang. A list of bytes, a string and a binary are the same here:
// bytes. So [] and "" are too.
type (
	atom     string
	tuple    []any
	list     []any
	variable string
	call     struct {
		name string
		args []any
	}
	anything struct{} // _, in an expected result
)

// Others: int, and string for bytes.

// parseTerm reads one term.
func parseTerm(text string) (v any, err error) {
	p := parser{in: text}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%q at %d: %v", text, p.at, r)
		}
	}()
	v = p.term()
	if p.space(); p.at < len(p.in) {
		panic("more than one term")
	}
	return v, nil
}

type parser struct {
	in string
	at int
}

func (p *parser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

// next reports whether s comes next, and passes it.
func (p *parser) next(s string) bool {
	p.space()
	if strings.HasPrefix(p.in[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) word() string {
	from := p.at
	for p.at < len(p.in) && (p.in[p.at] == '_' || p.in[p.at] == '@' || isAlnum(p.in[p.at])) {
		p.at++
	}
	return p.in[from:p.at]
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) term() any {
	p.space()
	if p.at == len(p.in) {
		panic("a term is missing")
	}
	switch c := p.in[p.at]; {
	case p.next("<<"):
		return p.binary()
	case c == '{':
		p.at++
		return tuple(p.terms("}"))
	case c == '[':
		p.at++
		return asList(p.terms("]"))
	case c == '"' || c == '\'':
		p.at++
		text := p.quoted(c)
		if c == '\'' {
			return atom(text)
		}
		return text
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == '_':
		p.at++
		return anything{}
	case c >= 'A' && c <= 'Z':
		return variable(p.word())
	case c >= 'a' && c <= 'z':
		word := p.word()
		if p.next("(") {
			return call{word, p.terms(")")}
		}
		return atom(word)
	}
	panic("no term")
}

func (p *parser) terms(end string) (ts []any) {
	if p.next(end) {
		return nil
	}
	for {
		ts = append(ts, p.term())
		if p.next(end) {
			return ts
		}
		if !p.next(",") {
			panic("no comma")
		}
	}
}

func (p *parser) number() int {
	from := p.at
	p.at++
	for p.at < len(p.in) && isAlnum(p.in[p.at]) {
		p.at++
	}
	n, err := strconv.Atoi(p.in[from:p.at])
	if err != nil {
		panic(err)
	}
	return n
}

func (p *parser) quoted(end byte) string {
	var b strings.Builder
	for {
		c := p.in[p.at]
		p.at++
		switch {
		case c == end:
			return b.String()
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		c = p.in[p.at]
		p.at++
		switch c {
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'x':
			n, err := strconv.ParseUint(p.in[p.at:p.at+2], 16, 8)
			if err != nil {
				panic(err)
			}
			b.WriteByte(byte(n))
			p.at += 2
		default:
			b.WriteByte(c)
		}
	}
}

// binary reads the segments of <<…>>: bytes and strings.
func (p *parser) binary() string {
	var b strings.Builder
	for _, segment := range p.terms(">>") {
		switch s := segment.(type) {
		case int:
			b.WriteByte(byte(s))
		case string:
			b.WriteString(s)
		default:
			panic("no segment")
		}
	}
	return b.String()
}

// asList makes bytes of a list of bytes and of bytes.
func asList(ts []any) any {
	var b strings.Builder
	for _, t := range ts {
		switch t := t.(type) {
		case string:
			b.WriteString(t)
			continue
		case int:
			if t >= 0 && t <= 255 {
				b.WriteByte(byte(t))
				continue
			}
		}
		return list(ts)
	}
	return b.String()
}

// show is the one form of results that both languages print.
func show(v any) string {
	switch v := v.(type) {
	case atom:
		if v != "" && v[0] >= 'a' && v[0] <= 'z' && strings.IndexFunc(string(v), notInAtom) < 0 {
			return string(v)
		}
		return "'" + string(v) + "'"
	case int:
		return strconv.Itoa(v)
	case string:
		if len(v) > 80 {
			return fmt.Sprintf("{bytes,%d,%d}", len(v), crc32.ChecksumIEEE([]byte(v)))
		}
		return showBytes(v)
	case tuple:
		return "{" + showAll(v) + "}"
	case list:
		return "[" + showAll(v) + "]"
	case variable:
		return string(v)
	case anything:
		return "_"
	case call:
		return v.name + "(" + showAll(v.args) + ")"
	}
	return fmt.Sprintf("%T:%v", v, v)
}

func notInAtom(r rune) bool { return r != '_' && r != '@' && (r > 127 || !isAlnum(byte(r))) }

func showAll(vs []any) string {
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = show(v)
	}
	return strings.Join(texts, ",")
}

func showBytes(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= 32 && c < 127:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "\\x%02x", c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// evaluate replaces variables by their values, and calls of pattern and dup by theirs.
func evaluate(v any, value func(variable) any) any {
	all := func(vs []any) []any {
		out := make([]any, len(vs))
		for i := range vs {
			out[i] = evaluate(vs[i], value)
		}
		return out
	}
	switch v := v.(type) {
	case variable:
		return value(v)
	case tuple:
		return tuple(all(v))
	case list:
		return asList(all(v))
	case call:
		args := all(v.args)
		switch v.name {
		case "pattern":
			return pattern(args[0].(int))
		case "dup":
			return strings.Repeat(args[0].(string), args[1].(int))
		case "sum": // the expected {Bytes, Sum} of a bulk transfer: total bytes in chunks
			return bulkSum(args[0].(int), args[1].(int))
		}
		panic("no function " + v.name)
	}
	return v
}

// matches reports whether got has the expected form: "_" stands for anything.
func matches(want, got any) bool {
	if w, ok := want.(string); ok && len(w) > 80 { // shown short
		want, _ = parseTerm(show(w))
	}
	switch w := want.(type) {
	case anything:
		return true
	case tuple:
		g, ok := got.(tuple)
		return ok && slices.EqualFunc(w, g, matches)
	case list:
		g, ok := got.(list)
		return ok && slices.EqualFunc(w, g, matches)
	}
	return want == got
}

// pattern is n bytes that are the same in both languages.
func pattern(n int) string {
	unit := make([]byte, 251)
	for i := range unit {
		unit[i] = byte(i)
	}
	return strings.Repeat(string(unit), n/251+1)[:n]
}

// bulkSum is the result of sending total bytes in chunks of the pattern.
func bulkSum(total, chunk int) tuple {
	data, sum := []byte(pattern(chunk)), uint32(0)
	for left := total; left > 0; left -= len(data) {
		data = data[:min(left, len(data))]
		sum = crc32.Update(sum, crc32.IEEETable, data)
	}
	return tuple{total, int(sum)}
}
