package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/esock-go/esock/sockopt"
)

type optionsCmd struct {
	Level string `placeholder:"LEVEL" help:"Print only the options of this level: socket, ip, ipv6, tcp, udp or another; otp: the library's own."`
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
	var b strings.Builder
	table := [][]string{{"level", "name", "constant", "type", "rw", "since"}}
	for _, o := range rows {
		table = append(table, []string{o.Level, o.Name, o.Constant, shorten(optionType(o), 20), optionAccess(o), o.Since})
	}
	for i, l := range layOut(table, nil) {
		if i == 0 {
			l = out.bold(l)
		}
		b.WriteString(l + "\n")
	}
	fmt.Fprintf(&b, "\n%d options. rw: r can be read, w can be set, a is read with a value that says what to ask about.\n"+
		"since: the first Linux that has the option; 2.2 stands for all older versions.\n", len(rows))
	_, err := fmt.Fprint(out, b.String())
	return err
}

// cells are the results in the matrix.
var cells = [...]string{
	sockopt.ProbeRoundTrips: "ok", sockopt.ProbeReads: "r", sockopt.ProbeSets: "w", sockopt.ProbePrivilege: "priv", sockopt.ProbeState: "peer",
	sockopt.ProbeDiffers: "diff", sockopt.ProbeRefused: "err", sockopt.ProbeLacks: "no", sockopt.ProbeNoSocket: "-",
}

// kindHeads are the names of kinds of sockets that are longer than four letters, shortened.
var kindHeads = map[string]string{"packet": "pack", "netlink": "nlnk", "vsock": "vsk", "mptcp": "mptc", "unixdg": "undg",
	"udplite": "udpl"}

func (c *optionsCmd) writeProbes(out *output, probes []sockopt.Probe) error {
	if c.JSON {
		doc := make([]optionRow, len(probes))
		for i, p := range probes {
			doc[i] = newOptionRow(p.Option)
			doc[i].Result, doc[i].Why, doc[i].Answers = p.Result.String(), p.Why, map[string]optionAnswer{}
			for _, a := range p.Answers {
				doc[i].Answers[a.Kind.String()] = optionAnswer{a.Result.String(), a.Why}
			}
		}
		return out.writeJSON(doc)
	}
	var b strings.Builder
	for rest := probes; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Option.Level == rest[0].Option.Level {
			n++
		}
		writeMatrix(&b, out, rest[:n])
		rest = rest[n:]
	}
	writeReasons(&b, out, probes)
	writeSummary(&b, probes)
	_, err := fmt.Fprint(out, b.String())
	return err
}

// writeMatrix writes the options of one level, with a column for each kind of socket that any of them applies to.
func writeMatrix(b *strings.Builder, out *output, probes []sockopt.Probe) {
	var used sockopt.Kinds
	for _, p := range probes {
		used |= p.Option.Kinds
	}
	columns := slices.DeleteFunc(sockopt.AllKinds(), func(k sockopt.Kinds) bool { return !used.Has(k) })
	head := []string{probes[0].Option.Level}
	for _, k := range columns {
		head = append(head, cmp.Or(kindHeads[k.String()], k.String()))
	}
	rows := [][]string{head}
	for _, p := range probes {
		row := make([]string, len(head))
		row[0] = p.Option.Name
		for _, a := range p.Answers {
			row[1+slices.Index(columns, a.Kind)] = cells[a.Result]
		}
		rows = append(rows, row)
	}
	for i, l := range layOut(rows, nil) {
		if i == 0 {
			l = out.bold(l)
		}
		b.WriteString(l + "\n")
	}
	b.WriteString("\n")
}

// writeReasons writes why options do not work here: each reason once, with its options.
func writeReasons(b *strings.Builder, out *output, probes []sockopt.Probe) {
	type reason struct {
		result sockopt.ProbeResult
		why    string
	}
	var order []reason
	options := map[reason][]string{}
	for _, p := range probes {
		if p.Result.Works() {
			continue
		}
		r := reason{p.Result, p.Why}
		if options[r] == nil {
			order = append(order, r)
		}
		options[r] = append(options[r], p.Option.Level+"."+p.Option.Name)
	}
	if len(order) == 0 {
		return
	}
	slices.SortStableFunc(order, func(x, y reason) int { return int(x.result) - int(y.result) })
	b.WriteString(out.bold("Why not") + "\n")
	for _, r := range order {
		fmt.Fprintf(b, "%s: %s\n", r.result, r.why)
		for _, l := range wrap(strings.Join(options[r], ", "), pageWidth-len(indent)) {
			b.WriteString(indent + l + "\n")
		}
	}
	b.WriteString("\n")
}

func writeSummary(b *strings.Builder, probes []sockopt.Probe) {
	n := map[sockopt.ProbeResult]int{}
	for _, p := range probes {
		n[p.Result]++
	}
	for _, l := range wrap("ok: set and read back. r: read. w: set. priv: needs a privilege. peer: needs a peer or another state. "+
		"diff: reads back something other than was set. err: refused. no: not in this kernel. -: no such socket here. "+
		"Blank: not an option of such sockets.", pageWidth) {
		b.WriteString(l + "\n")
	}
	b.WriteString("\n")
	text := fmt.Sprintf("%d options: %d round-trip here, %d were only read, %d only set; %d need a privilege, %d a peer or "+
		"another state; this kernel lacks %d: %d by themselves, %d with their kind of socket", len(probes),
		n[sockopt.ProbeRoundTrips], n[sockopt.ProbeReads], n[sockopt.ProbeSets], n[sockopt.ProbePrivilege], n[sockopt.ProbeState],
		n[sockopt.ProbeLacks]+n[sockopt.ProbeNoSocket], n[sockopt.ProbeLacks], n[sockopt.ProbeNoSocket])
	if odd := n[sockopt.ProbeDiffers] + n[sockopt.ProbeRefused]; odd > 0 {
		text += fmt.Sprintf("; %d did something else", odd)
	}
	for _, l := range wrap(text+".", pageWidth) {
		b.WriteString(l + "\n")
	}
}
