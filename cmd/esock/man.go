package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

func (manCmd) Help() string {
	return "The page is in the language of man(7), for man -l or a directory man1."
}

func (manCmd) Run(out *output, model *kong.Application) error {
	return out.writeLines(manual(pages(model)))
}

// manual is the manual page of the program and its commands.
func manual(all []*page) []string {
	top := all[0]
	m := &roff{}
	m.request("TH", "ESOCK", "1", "", "esock "+readVersions().Esock)
	m.request("SH", "NAME")
	m.lines = append(m.lines, `esock \- `+roffText(strings.TrimSuffix(about, ".")))
	m.request("SH", "SYNOPSIS")
	m.request("B", top.synopsis)
	m.request("SH", "DESCRIPTION")
	m.text("The commands show what the Go library esock does: they demonstrate sockets on real input, read and set options, " +
		"list what this system supports, and serve, send and receive over TCP, UDP and unix sockets.")
	m.entries(top.flags)
	m.examples(top.examples)
	m.request("SH", "COMMANDS")
	for _, p := range all[1:] {
		m.command(p)
	}
	m.request("SH", "EXIT STATUS")
	m.entries([]entry{
		{term: "0", text: "The command has done what it was asked for, or was interrupted where that is its end."},
		{term: "1", text: "Something failed; standard error says what."},
		{term: "2", text: "The arguments alone are wrong, or there are none. Nothing was done."},
	})
	m.request("SH", "ENVIRONMENT")
	m.entries([]entry{
		{term: "COLUMNS", text: "The width that output is laid out for. By default it is the terminal's; without a terminal, " +
			"text has 80 columns and a row of a table has one line, however long."},
		{term: "NO_COLOR", text: "If it is set to anything, there are no colours on a terminal either. TERM=dumb does the same."},
	})
	m.request("SH", "SEE ALSO")
	m.text("nc(1), socket(7), tcp(7), udp(7), unix(7), netdevice(7)")
	return m.lines
}

// roff is a text in the language of man(7).
type roff struct{ lines []string }

// request adds a line that begins with a request.
func (m *roff) request(name string, args ...string) {
	line := "." + name
	for _, a := range args {
		line += ` "` + strings.ReplaceAll(roffText(a), `"`, `\(dq`) + `"`
	}
	m.lines = append(m.lines, line)
}

// text adds a paragraph, in lines of moderate length.
func (m *roff) text(s string) {
	for _, l := range wrap(s, plainWidth) {
		m.lines = append(m.lines, roffText(l))
	}
}

// command adds the page of a command.
func (m *roff) command(p *page) {
	m.request("SS", p.synopsis)
	m.text(p.summary)
	for _, d := range p.details {
		m.request("PP")
		m.text(d)
	}
	m.entries(p.args)
	m.entries(p.flags)
	m.examples(p.examples)
}

func (m *roff) examples(list []example) {
	for _, e := range list {
		if e.what != "" {
			m.request("PP")
			m.text(e.what)
		}
		m.lines = append(m.lines, ".RS 4", ".EX")
		for l := range strings.SplitSeq(e.line, "\n") {
			m.lines = append(m.lines, roffText(l))
		}
		m.lines = append(m.lines, ".EE", ".RE")
	}
}

func (m *roff) entries(list []entry) {
	for _, e := range list {
		m.request("TP")
		m.request("B", strings.TrimSpace(e.term))
		m.text(e.text)
	}
}

// roffText escapes what roff would read as its own.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
