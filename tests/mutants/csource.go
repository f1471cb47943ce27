package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// cToken is one token of C. Comments and directives are none.
type cToken struct {
	text       string
	start, end int
}

// cTokens takes C apart, as far as is needed here.
func cTokens(src string) (list []cToken) {
	operators := []string{"<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="}
	lineStart := true
	for i := 0; i < len(src); {
		c := src[i]
		start := i
		switch {
		case c == '\n':
			lineStart = true
			i++
			continue
		case c == ' ' || c == '\t' || c == '\r':
			i++
			continue
		case c == '#' && lineStart: // to the end of the line that is not continued
			for i < len(src) && (src[i] != '\n' || src[i-1] == '\\') {
				i++
			}
			continue
		case strings.HasPrefix(src[i:], "/*"):
			n := strings.Index(src[i+2:], "*/")
			if n < 0 {
				return list
			}
			i += n + 4
			continue
		case strings.HasPrefix(src[i:], "//"):
			for i < len(src) && src[i] != '\n' {
				i++
			}
			continue
		case c == '"' || c == '\'':
			for i++; i < len(src) && src[i] != c; i++ {
				if src[i] == '\\' {
					i++
				}
			}
			i++
		case isWord(rune(c)):
			for i < len(src) && (isWord(rune(src[i])) || src[i] == '.' && unicode.IsDigit(rune(c))) {
				i++
			}
		default:
			i++
			for _, op := range operators {
				if strings.HasPrefix(src[start:], op) {
					i = start + len(op)
					break
				}
			}
		}
		lineStart = false
		list = append(list, cToken{src[start:i], start, i})
	}
	return list
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

var otherCOperator = map[string]string{
	"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "|": "&", "<<": ">>", ">>": "<<",
	"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=",
}

var cKeywords = []string{"if", "for", "while", "do", "else", "switch", "case", "default", "return", "goto", "struct", "static", "const", "enum", "union",
	"unsigned", "sizeof", "extern", "typedef", "_Static_assert"}

// cMutants makes the mutants of a C file.
func cMutants(root, path string) ([]*mutant, error) {
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	w := &cWalk{path: path, src: b, tokens: cTokens(string(b))}
	w.walk()
	return w.list, nil
}

type cWalk struct {
	path   string
	src    []byte
	tokens []cToken
	fn     string
	list   []*mutant
}

func (w *cWalk) at(i int) string {
	if i < 0 || i >= len(w.tokens) {
		return ""
	}
	return w.tokens[i].text
}

// add makes a mutant: what is from token first to token last becomes mutated.
func (w *cWalk) add(first, last int, mutated string) {
	w.list = append(w.list, newMutant(w.path, w.src, w.fn, w.tokens[first].start, w.tokens[last].end, mutated))
}

// closing is the index of the bracket that closes the one at i.
func (w *cWalk) closing(i int) int {
	depth := 0
	for ; i < len(w.tokens); i++ {
		switch w.at(i) {
		case "(", "{", "[":
			depth++
		case ")", "}", "]":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(w.tokens) - 1
}

// walk finds the functions: a bracket after a ')' at the outermost level.
func (w *cWalk) walk() {
	for i := 0; i < len(w.tokens); i++ {
		if w.at(i) != "{" {
			continue
		}
		end := w.closing(i)
		if w.at(i-1) == ")" {
			w.fn = w.nameBefore(i - 1)
			w.body(i+1, end)
		}
		i = end
	}
}

func (w *cWalk) nameBefore(paren int) string {
	depth := 0
	for i := paren; i >= 0; i-- {
		switch w.at(i) {
		case ")":
			depth++
		case "(":
			if depth--; depth == 0 {
				return w.at(i - 1)
			}
		}
	}
	return ""
}

func (w *cWalk) body(i, end int) {
	for ; i < end; i++ {
		t, before, after := w.at(i), w.at(i-1), w.at(i+1)
		w.statement(i, end)
		switch {
		case (t == "if" || t == "while") && after == "(":
			last := w.closing(i + 1)
			w.add(i+1, last, "(0)")
			if t == "if" {
				w.add(i+1, last, "(1)")
			}
		case t == "*" || t == "&" || t == "<" && before == "include":
		case t == "!":
			w.add(i, i, "")
		case (t == "+" || t == "-") && !slices.Contains(cKeywords, before) && (isWord(rune(before[0])) || before == ")" || before == "]"):
			w.add(i, i, map[string]string{"+": "-", "-": "+"}[t])
		case otherCOperator[t] != "":
			w.add(i, i, otherCOperator[t])
		case t[0] >= '0' && t[0] <= '9':
			w.number(i)
		}
	}
}

// statement makes the mutant that leaves it out, if one that does something begins at i.
func (w *cWalk) statement(i, end int) {
	t, before := w.at(i), w.at(i-1)
	begins := slices.Contains([]string{";", "{", "}", "else", ":", "do"}, before) || before == ")" && w.afterCondition(i-1)
	if !begins || t == "{" || t == "}" || t == ";" || slices.Contains(cKeywords, t) {
		return
	}
	if t == "break" || t == "continue" {
		w.add(i, i+1, ";")
		return
	}
	if !isWord(rune(t[0])) && t != "*" {
		return
	}
	last, depth := i, 0
	assigns := false
	for ; last < end; last++ {
		switch x := w.at(last); x {
		case "(", "{", "[":
			depth++
		case ")", "}", "]":
			if depth--; depth < 0 { // the head of a for
				return
			}
		case ";":
			if depth == 0 {
				if assigns || w.at(i+1) == "(" || strings.Contains("->.", w.at(i+1)) {
					w.add(i, last, ";")
				}
				return
			}
		default:
			if depth == 0 && (strings.HasSuffix(x, "=") && x != "==" && x != "!=" && x != "<=" && x != ">=" || x == "++" || x == "--") {
				// A declaration has two words before the sign.
				assigns = !(isWord(rune(w.at(i)[0])) && (isWord(rune(w.at(i + 1)[0])) || w.at(i+1) == "*"))
				if !assigns {
					return
				}
			}
		}
	}
}

// afterCondition reports that the ')' at i ends the condition of an if, a for or a while.
func (w *cWalk) afterCondition(i int) bool {
	depth := 0
	for ; i >= 0; i-- {
		switch w.at(i) {
		case ")":
			depth++
		case "(":
			if depth--; depth == 0 {
				return slices.Contains([]string{"if", "for", "while"}, w.at(i-1))
			}
		}
	}
	return false
}

func (w *cWalk) number(i int) {
	digits := strings.TrimRight(w.at(i), "uUlL")
	n, err := strconv.ParseInt(digits, 0, 32)
	if err != nil {
		return
	}
	suffix := w.at(i)[len(digits):]
	w.add(i, i, strconv.FormatInt(n+1, 10)+suffix)
	if n == 1 {
		w.add(i, i, "0"+suffix)
	}
}

// mutate is the source with the mutant in it.
func (m *mutant) mutate(src []byte) []byte {
	return slices.Concat(src[:m.start], []byte(m.mutated), src[m.end:])
}
