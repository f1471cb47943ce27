package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// A page describes the program or one of its commands. --help, the manual page and the completions are made of pages, and
// pages of the declarations of the commands.
type page struct {
	name     string // "esock opt get"
	synopsis string // "esock opt get <level> <name> [flags]"
	summary  string
	details  []string // paragraphs
	commands []entry
	args     []entry
	flags    []entry
	examples []example
}

// entry is a command, an argument or a flag.
type entry struct {
	term, text string
	words      []string // what the value may be, if there are few
}

// pageOf returns the page of a command, or of the whole program.
func pageOf(node *kong.Node) *page {
	p := &page{name: node.FullPath(), synopsis: synopsis(node), summary: node.Help, examples: examples[node.Path()]}
	for text := range strings.SplitSeq(node.Detail, "\n\n") {
		if text != "" {
			p.details = append(p.details, text)
		}
	}
	for _, leaf := range node.Leaves(true) {
		p.commands = append(p.commands, entry{term: leaf.Path(), text: leaf.Help})
	}
	for _, a := range node.Positional {
		p.args = append(p.args, entry{term: a.Summary(), text: a.Help, words: wordsOf(a)})
	}
	for _, f := range flagsOf(node) {
		p.flags = append(p.flags, entry{term: flagTerm(f), text: f.Help, words: wordsOf(f.Value)})
	}
	return p
}

// synopsis is the command with its arguments.
func synopsis(node *kong.Node) string {
	parts := []string{node.FullPath()}
	if !node.Leaf() {
		parts = append(parts, "<command>")
	}
	for _, a := range node.Positional {
		parts = append(parts, a.Summary())
	}
	if len(flagsOf(node)) > 1 {
		parts = append(parts, "[flags]")
	}
	return strings.Join(parts, " ")
}

// flagsOf are the flags of a command, and --help; those of the program are the program's alone.
func flagsOf(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for top := node; top != nil; top = top.Parent {
		for _, f := range top.Flags {
			if !f.Hidden && (top == node || f.Name == "help") {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// flagTerm is "-p, --packet=TYPE".
func flagTerm(f *kong.Flag) string {
	term := "    --" + f.Name
	if f.Short != 0 {
		term = "-" + string(f.Short) + ", --" + f.Name
	}
	if !f.IsBool() {
		term += "=" + f.FormatPlaceHolder()
	}
	return term
}

// wordsOf are the values that a flag or an argument takes, if they are a list: those that are checked, or those of its tag
// words.
func wordsOf(v *kong.Value) []string {
	if v.Enum != "" {
		return v.EnumSlice()
	}
	return wordList(v.Tag.Get("words"))
}

// pages are those of the program and of all its commands.
func pages(model *kong.Application) []*page {
	all := []*page{pageOf(model.Node)}
	for _, leaf := range model.Leaves(true) {
		all = append(all, pageOf(leaf))
	}
	return all
}
