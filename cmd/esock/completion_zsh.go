package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// zshScript makes the completion for zsh, which reads the arguments of each command itself.
func zshScript(all []*completed) []string {
	lines := []string{
		"#compdef esock",
		"# Completion of esock for zsh: a file _esock in a directory of $fpath, or source <(esock completion zsh)",
		"_esock() {",
	}
	lines = append(lines, zshCommand(all[0], 1)...)
	return append(lines,
		"}",
		`if [[ $funcstack[1] == _esock ]]; then`,
		`	_esock "$@"`,
		"else",
		"	compdef _esock esock",
		"fi")
}

// zshCommand completes a command whose name is one of the words at the depth.
func zshCommand(c *completed, depth int) (lines []string) {
	tabs := strings.Repeat("\t", depth)
	if len(c.commands) == 0 {
		lines = append(lines, fmt.Sprintf("shift %d words; (( CURRENT -= %d ))", depth-1, depth-1))
		lines = append(append(lines, zshByLast(c)...), `_arguments -s : \`)
		for _, f := range c.flags {
			lines = append(lines, "	"+zshFlag(f)+` \`)
		}
		for i, a := range c.args {
			place := fmt.Sprint(i + 1)
			if a.many {
				place = "*"
			}
			spec := quoted(place + ":" + zshText(a.name) + ":" + zshValues(a))
			if a.by != nil {
				spec = `"` + place + ":" + a.name + `:($by[$last])"`
			}
			lines = append(lines, "	"+spec+` \`)
		}
		lines[len(lines)-1] = strings.TrimSuffix(lines[len(lines)-1], ` \`)
		return indented(tabs, lines)
	}
	lines = append(lines, fmt.Sprintf("if (( CURRENT == %d )); then", depth+1), "	local -a commands=(")
	for _, below := range c.commands {
		lines = append(lines, "		"+quoted(below.name()+":"+zshText(below.help)))
	}
	lines = append(lines, "	)", "	_describe -t commands command commands", "	_arguments -s : \\")
	for _, f := range c.flags {
		lines = append(lines, "		"+zshFlag(f)+` \`)
	}
	lines[len(lines)-1] = strings.TrimSuffix(lines[len(lines)-1], ` \`)
	lines = append(lines, "	return", "fi", fmt.Sprintf("case $words[%d] in", depth+1))
	lines = indented(tabs, lines)
	for _, below := range c.commands {
		lines = append(lines, tabs+below.name()+")")
		lines = append(lines, zshCommand(below, depth+1)...)
		lines = append(lines, tabs+"\t;;")
	}
	return append(lines, tabs+"esac")
}

// zshByLast finds the word that the words of an argument depend on.
func zshByLast(c *completed) (lines []string) {
	for _, a := range c.args {
		if a.by == nil {
			continue
		}
		lines = append(lines, "local word last=", "local -A by=(")
		for _, last := range slices.Sorted(maps.Keys(a.by)) {
			lines = append(lines, "	"+last+" "+quoted(strings.Join(a.by[last], " ")))
		}
		lines = append(lines, ")", "for word in $words[2,CURRENT-1]; do", "	(( $+by[$word] )) && last=$word && break", "done")
	}
	return lines
}

// zshFlag is a flag as _arguments takes it.
func zshFlag(f *choice) string {
	value, long, short := "", "--"+f.name, "-"+f.short
	if f.takes {
		value, long, short = ":"+zshText(f.placeholder)+":"+zshValues(f), long+"=", short+"+"
	}
	text := quoted("[" + zshText(f.help) + "]" + value)
	if f.short == "" {
		return long + text
	}
	return fmt.Sprintf("'(-%s --%s)'{%s,%s}%s", f.short, f.name, short, long, text)
}

func zshValues(c *choice) string {
	switch {
	case c.directories:
		return "_files -/"
	case c.files:
		return "_files"
	case len(c.words) > 0:
		return "(" + strings.Join(c.words, " ") + ")"
	}
	return " "
}

// zshText escapes what _arguments and _describe would read as their own.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(s)
}
