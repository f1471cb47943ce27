package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// usageError is an error of the arguments alone. The command ends with exitUsage, like one whose flags cannot be read.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef is fmt.Errorf for a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isUsage reports whether an error is of the arguments alone.
func isUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

// parseCause is what is wrong with the arguments, by the parser's error. It takes a negative number for a flag.
func parseCause(err error) string {
	text := err.Error()
	var parse *kong.ParseError
	flag, ok := strings.CutPrefix(text, "unknown flag -")
	if ok && errors.As(err, &parse) && flag != "" && strings.Contains("0123456789.", flag[:1]) {
		return "there is no flag -" + flag[:1] + "; put -- before an argument that begins with a minus"
	}
	if missing, ok := strings.CutPrefix(text, "expected "); ok {
		return "missing " + strings.Trim(missing, `"`)
	}
	// The names have only a comma between them. What comes after "but got" is the user's.
	if names, got, ok := strings.Cut(text, " but got "); ok && strings.Contains(names, " must be one of ") {
		return strings.ReplaceAll(names, `","`, `", "`) + " but got " + got
	}
	return text
}

// wrongUsage says what is wrong with the arguments. Where a command is missing, it prints the help: there is nothing wrong
// yet, but scripts must see that nothing was done.
func wrongUsage(parser *kong.Kong, err error, stderr io.Writer) {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		fmt.Fprintf(stderr, "esock: %s; esock --help shows the usage\n", parseCause(err))
		return
	}
	node := parse.Context.Selected()
	if node == nil {
		node = parser.Model.Node
	}
	if !node.Leaf() && strings.HasPrefix(err.Error(), "expected ") {
		out := newOutput(stderr)
		out.writeLines(pageOf(node).text(out))
		return
	}
	cause := parseCause(err)
	if text, ok := strings.CutPrefix(cause, "unexpected argument "); ok && !node.Leaf() {
		word, _, _ := strings.Cut(text, ", did you mean")
		var known []string
		for _, child := range node.Children {
			if !child.Hidden {
				known = append(known, child.Name)
			}
		}
		cause = fmt.Sprintf("there is no command %q%s", word, didYouMean(word, known))
	}
	whose := "esock"
	if node.Leaf() { // as the errors of the command itself
		whose = node.FullPath()
	}
	fmt.Fprintf(stderr, "%s: %s; %s --help shows the usage\n", whose, cause, node.FullPath())
}
