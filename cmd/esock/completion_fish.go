package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fishScript makes the completion for fish: a line for each command, flag and argument.
func fishScript(all []*completed) []string {
	lines := []string{
		"# Completion of esock for fish: ~/.config/fish/completions/esock.fish",
		"function __esock_at # the words before the cursor are these",
		"	set -l words (commandline -opc)",
		`	test "$words[2..-1]" = "$argv"`,
		"end",
		"function __esock_in # they begin with these",
		"	set -l words (commandline -opc)",
		"	set -e words[1]",
		"	set -l n (count $argv)",
		`	test (count $words) -ge $n; and test "$words[1..$n]" = "$argv"`,
		"end",
		"function __esock_has # one of them is one of these",
		"	for word in (commandline -opc)",
		"		contains -- $word $argv; and return 0",
		"	end",
		"	return 1",
		"end",
		"complete -c esock -f",
	}
	for _, c := range all {
		in := "__esock_in " + c.path()
		if len(c.commands) > 0 {
			in = strings.TrimSpace("__esock_at " + c.path())
		}
		for _, below := range c.commands {
			lines = append(lines, fishLine(in, "-a "+below.name(), below.help))
		}
		for _, f := range c.flags {
			what := "-l " + f.name
			if f.short != "" {
				what += " -s " + f.short
			}
			if f.takes {
				what += " " + fishValues(f)
			}
			lines = append(lines, fishLine(in, what, f.help))
		}
		for i, a := range c.args {
			in := in
			if i+1 < len(c.args) && c.args[i+1].by != nil {
				in += "; and not __esock_has " + strings.Join(a.words, " ")
			}
			for _, last := range slices.Sorted(maps.Keys(a.by)) {
				lines = append(lines, fishLine(in+"; and __esock_has "+last, "-a "+fishQuoted(strings.Join(a.by[last], " ")), a.help))
			}
			if len(a.words) > 0 && a.by == nil || a.files {
				lines = append(lines, fishLine(in, strings.TrimPrefix(fishValues(a), "-x "), a.help))
			}
		}
	}
	return lines
}

func fishLine(in, what, help string) string {
	return fmt.Sprintf("complete -c esock -n %s %s -d %s", fishQuoted(in), what, fishQuoted(help))
}

// fishValues says what the value of a flag may be.
func fishValues(c *choice) string {
	switch {
	case c.directories:
		return "-x -a '(__fish_complete_directories)'"
	case c.files:
		return "-r -F"
	case len(c.words) > 0:
		return "-x -a " + fishQuoted(strings.Join(c.words, " "))
	}
	return "-x"
}

// fishQuoted is text in single quotes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
