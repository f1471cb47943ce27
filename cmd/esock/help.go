package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type helpCmd struct {
	Command []string `arg:"" optional:"" words:"commands" help:"The command; by default, all of them are listed."`
}

// Run prints what --help does.
func (c *helpCmd) Run(out *output, std terminals, app *kong.Application) error {
	node := app.Node
	for _, word := range c.Command {
		if node.Leaf() {
			return usagef("%s has no commands, and so no %q", node.FullPath(), word)
		}
		at := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == word && !child.Hidden })
		if at < 0 {
			break // the parser says what is wrong
		}
		node = node.Children[at]
	}
	if code := run(append(c.Command, "--help"), out.Writer, std.err); code != exitOK {
		return usageError{errReported}
	}
	return nil
}

// printHelp prints the help of the command that the arguments name.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	out := newOutput(ctx.Stdout)
	return out.writeLines(pageOf(node).text(out))
}

// text is the page for a terminal.
func (p *page) text(out *output) []string {
	width := out.prose()
	lines := hanging("Usage: ", p.synopsis, width)
	add := func(title string, body []string) {
		if len(body) == 0 {
			return
		}
		lines = append(lines, "")
		if title != "" {
			lines = append(lines, out.bold(title))
		}
		lines = append(lines, body...)
	}
	add("", wrap(p.summary, width))
	for _, d := range p.details {
		add("", wrap(d, width))
	}
	add("Commands:", entryLines(p.commands, width))
	add("Arguments:", entryLines(p.args, width))
	add("Flags:", entryLines(p.flags, width))
	var body []string
	for _, e := range p.examples {
		if e.what != "" {
			body = append(body, indented("  ", wrap(e.what, width-2))...)
		}
		body = append(body, indented("    ", strings.Split(e.line, "\n"))...)
	}
	add("Examples:", body)
	if len(p.commands) > 0 {
		add("", wrap(p.name+" <command> --help says more about a command.", width))
	}
	return lines
}

// hanging wraps text after a label; further lines are indented.
func hanging(label, text string, width int) []string {
	lines := wrap(text, width-len(label))
	for i := range lines {
		lines[i] = padded(label, len(label)) + lines[i]
		label = padded("", len(label))
	}
	return lines
}

// entryLines lays entries out in two columns. A term that is too long has a line of its own.
func entryLines(entries []entry, width int) (lines []string) {
	const gap = 2
	left := 0
	for _, e := range entries {
		if n := length(e.term); n <= width*3/8 {
			left = max(left, n)
		}
	}
	shift := padded("", gap+left+gap)
	for _, e := range entries {
		text := indented(shift, wrap(e.text, width-len(shift)))
		if term := "  " + e.term; length(e.term) > left {
			lines = append(lines, term)
		} else {
			text[0] = strings.TrimRight(padded(term, len(shift))+strings.TrimLeft(text[0], " "), " ")
		}
		lines = append(lines, text...)
	}
	return lines
}
