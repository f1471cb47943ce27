package main

import (
	"fmt"

	"github.com/esock-go/esock/sockopt"
)

type optionsCmd struct {
	Level string `placeholder:"LEVEL" words:"levels" help:"Print only the options of this level: socket, ip, ipv6, tcp, udp or another; otp: the library's own."`
	Probe bool   `help:"Try each option on new sockets, and print what works with this kernel and these privileges."`
	JSON  bool   `name:"json" help:"Print one JSON document: an array with an element for each option."`
}

// optionRow is an option in JSON. Result, Why and Answers come with --probe.
type optionRow struct {
	Level       string                  `json:"level"`
	Name        string                  `json:"name"`
	Constant    string                  `json:"constant"`
	LevelNumber int                     `json:"level_number"`
	Number      int                     `json:"number"`
	Type        string                  `json:"type"`
	Access      string                  `json:"access"`
	Kinds       []string                `json:"kinds"`
	Needs       string                  `json:"needs,omitempty"`
	Since       string                  `json:"since"`
	Doc         string                  `json:"doc"`
	Result      string                  `json:"result,omitempty"`
	Why         string                  `json:"why,omitempty"`
	Answers     map[string]optionAnswer `json:"answers,omitempty"` // by kind of socket
}

type optionAnswer struct {
	Result string `json:"result"`
	Why    string `json:"why,omitempty"`
}

func newOptionRow(o sockopt.Info) optionRow {
	return optionRow{Level: o.Level, Name: o.Name, Constant: o.Constant, LevelNumber: o.LevelNumber, Number: o.Number,
		Type: optionType(o), Access: optionAccess(o), Kinds: o.Kinds.Names(), Needs: o.Needs, Since: o.Since, Doc: o.Doc}
}

// optionType returns the name of the structure, or the kind of the value.
func optionType(o sockopt.Info) string {
	if o.Struct != "" {
		return o.Struct
	}
	return o.Codec
}

// optionAccess returns r if the option can be read, a if it is read with a value that says what to ask about, and w if it
// can be set.
func optionAccess(o sockopt.Info) string {
	access := ""
	switch {
	case o.Asks:
		access = "a"
	case o.CanGet:
		access = "r"
	}
	if o.CanSet {
		access += "w"
	}
	return access
}

// otpRows describes the options of level otp. They have no numbers.
func otpRows() []sockopt.Info {
	var rows []sockopt.Info
	for _, name := range sockopt.OTPNames() {
		o := otpOptions[name]
		rows = append(rows, sockopt.Info{Level: "otp", Name: name, Codec: o.codec, CanGet: true, CanSet: !readOnly[o.codec], Doc: o.doc})
	}
	return rows
}

func (c *optionsCmd) Run(out *output) error {
	var rows []sockopt.Info
	var levels []string
	for o := range sockopt.All() {
		if len(levels) == 0 || levels[len(levels)-1] != o.Level {
			levels = append(levels, o.Level)
		}
		if c.Level == "" || c.Level == o.Level {
			rows = append(rows, o)
		}
	}
	if c.Level == "otp" {
		if c.Probe {
			return usagef("the options of level otp are the library's own, and the same with every kernel")
		}
		rows = otpRows()
	}
	if len(rows) == 0 {
		return usagef("there is no level %q with options by name%s", c.Level, didYouMean(c.Level, append(levels, "otp")))
	}
	if c.Probe {
		probes := make([]sockopt.Probe, len(rows))
		for i, o := range rows {
			probes[i] = o.Probe()
		}
		return c.writeProbes(out, probes)
	}
	if c.JSON {
		doc := make([]optionRow, len(rows))
		for i, o := range rows {
			doc[i] = newOptionRow(o)
		}
		return out.writeJSON(doc)
	}
	return out.writeLines(append(optionLines(out, rows), wrap(fmt.Sprintf("%d options. rw: r can be read, w can be set, a is "+
		"read with a value that says what to ask about. since: the first Linux that has the option; 2.2 stands for all older "+
		"versions.", len(rows)), out.prose())...))
}

// optionLines is the table of options. Where it is wider than the page, each level has its own, below the level's name.
func optionLines(out *output, rows []sockopt.Info) (lines []string) {
	all := optionGrid(rows)
	if out.fits(all.width()) {
		return append(out.lines(all), "")
	}
	for _, level := range byLevel(rows, func(o sockopt.Info) string { return o.Level }) {
		g := optionGrid(level)
		g.drop(0)
		lines = append(lines, out.bold(level[0].Level))
		lines = append(append(lines, out.lines(g)...), "")
	}
	return lines
}

func optionGrid(rows []sockopt.Info) grid {
	g := grid{head: [][]string{{"level", "name", "type", "rw", "since", "constant"}}}
	for _, o := range rows {
		g.rows = append(g.rows, []string{o.Level, o.Name, shorten(optionType(o), 20), optionAccess(o), o.Since, o.Constant})
	}
	return g
}

// byLevel divides rows that are sorted by level.
func byLevel[R any](rows []R, level func(R) string) (parts [][]R) {
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && level(rows[n]) == level(rows[0]) {
			n++
		}
		parts, rows = append(parts, rows[:n]), rows[n:]
	}
	return parts
}
