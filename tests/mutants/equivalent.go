package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The file equivalent.txt argues mutants that no test can, or should, tell from the original. An entry is a line with the
// mutant's key and, indented below it, the reason; several keys in a row share the reason below the last. A key that ends in " *" stands for all mutants that begin so. Lines that
// begin with # are comments.
type argument struct {
	key, reason string
	all         bool
	used        bool
}

func readArguments(file string) ([]*argument, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []*argument
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if len(list) == 0 {
				return nil, fmt.Errorf("%s:%d: a reason of nothing", file, n)
			}
			a := list[len(list)-1]
			a.reason = strings.TrimSpace(a.reason + " " + text)
		default:
			key, all := strings.CutSuffix(text, " *")
			list = append(list, &argument{key: key, all: all})
		}
	}
	reason := ""
	for _, a := range slices.Backward(list) {
		if a.reason == "" {
			a.reason = reason
		}
		if reason = a.reason; reason == "" {
			return nil, fmt.Errorf("%s: no reason for: %s", file, a.key)
		}
	}
	return list, in.Err()
}

// argued is the argument for m, nil if there is none.
func argued(list []*argument, m *mutant) *argument {
	for _, a := range list {
		if a.key == m.key || a.all && strings.HasPrefix(m.key, a.key) {
			a.used = true
			return a
		}
	}
	return nil
}
