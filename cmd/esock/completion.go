package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

func (c *completionCmd) Run(out *output, model *kong.Application) error {
	script := map[string]func([]*completed) []string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	return out.writeLines(script(completedOf(model.Node)))
}

// completed is a command as a shell completes it.
type completed struct {
	words    []string // "opt", "get"
	help     string
	commands []*completed
	flags    []*choice
	args     []*choice
}

// choice is a flag or an argument, and what its value may be.
type choice struct {
	name        string // "packet"
	short       string // "p"
	help        string
	placeholder string
	takes       bool // a value
	many        bool // values
	words       []string
	by          map[string][]string // the words after each word of the argument before, if they depend on it
	files       bool
	directories bool
}

// completedOf gives a command and all below it, the command first.
func completedOf(node *kong.Node) []*completed {
	c := &completed{words: strings.Fields(node.Path()), help: node.Help}
	for _, f := range flagsOf(node) {
		x := choiceOf(f.Value)
		x.takes = !f.IsBool()
		if x.takes {
			x.placeholder = f.FormatPlaceHolder()
		}
		if f.Short != 0 {
			x.short = string(f.Short)
		}
		c.flags = append(c.flags, x)
	}
	for _, a := range node.Positional {
		c.args = append(c.args, choiceOf(a))
	}
	all := []*completed{c}
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		below := completedOf(child)
		c.commands = append(c.commands, below[0])
		all = append(all, below...)
	}
	return all
}

func choiceOf(v *kong.Value) *choice {
	c := &choice{name: v.Name, help: v.Help, placeholder: v.Name, takes: true, many: v.IsCumulative(), words: wordsOf(v)}
	if v.Tag.Get("words") == "options" {
		c.by = optionsByLevel()
	}
	c.files, c.directories = completesFiles(v)
	return c
}

// name is the last word of the command.
func (c *completed) name() string { return c.words[len(c.words)-1] }

// path is all its words.
func (c *completed) path() string { return strings.Join(c.words, " ") }

// names are those of the commands below it.
func (c *completed) names() (names []string) {
	for _, below := range c.commands {
		names = append(names, below.name())
	}
	return names
}

// quoted is text as all three shells read it: in single quotes. A quote in it is between quotes of its own.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }
