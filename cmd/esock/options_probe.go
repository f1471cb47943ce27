package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/esock-go/esock/sockopt"
)

// cells are the results in the matrix.
var cells = [...]string{
	sockopt.ProbeRoundTrips: "ok", sockopt.ProbeReads: "r", sockopt.ProbeSets: "w", sockopt.ProbePrivilege: "priv", sockopt.ProbeState: "peer",
	sockopt.ProbeDiffers: "diff", sockopt.ProbeRefused: "err", sockopt.ProbeLacks: "no", sockopt.ProbeNoSocket: "-",
}

// cellColours are those of the results that a reader looks for.
var cellColours = map[string]colour{"ok": green, "priv": yellow, "peer": yellow, "diff": red, "err": red, "no": faint, "-": faint}

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
	var lines []string
	for _, level := range byLevel(probes, func(p sockopt.Probe) string { return p.Option.Level }) {
		lines = append(append(lines, out.lines(matrix(level))...), "")
	}
	lines = append(lines, reasons(out, probes)...)
	return out.writeLines(append(lines, summary(out, probes)...))
}

// matrix is the table of the options of one level, with a column for each kind of socket that any of them applies to.
func matrix(probes []sockopt.Probe) grid {
	var used sockopt.Kinds
	for _, p := range probes {
		used |= p.Option.Kinds
	}
	columns := slices.DeleteFunc(sockopt.AllKinds(), func(k sockopt.Kinds) bool { return !used.Has(k) })
	head := []string{probes[0].Option.Level}
	for _, k := range columns {
		head = append(head, cmp.Or(kindHeads[k.String()], k.String()))
	}
	g := grid{head: [][]string{head}, keys: 1, shade: func(cell string) colour { return cellColours[cell] }}
	for _, p := range probes {
		row := make([]string, len(head))
		row[0] = p.Option.Name
		for _, a := range p.Answers {
			row[1+slices.Index(columns, a.Kind)] = cells[a.Result]
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// reasons says why options do not work here: each reason once, with its options.
func reasons(out *output, probes []sockopt.Probe) (lines []string) {
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
		return nil
	}
	slices.SortStableFunc(order, func(x, y reason) int { return int(x.result) - int(y.result) })
	lines = append(lines, out.bold("Why not"))
	for _, r := range order {
		lines = append(lines, out.wrap(fmt.Sprintf("%s: %s", r.result, r.why), 0)...)
		lines = append(lines, indented(indent, out.wrap(strings.Join(options[r], ", "), len(indent)))...)
	}
	return append(lines, "")
}

// summary explains the matrix, and counts.
func summary(out *output, probes []sockopt.Probe) []string {
	n := map[sockopt.ProbeResult]int{}
	for _, p := range probes {
		n[p.Result]++
	}
	legend := wrap("ok: set and read back. r: read. w: set. priv: needs a privilege. peer: needs a peer or another state. "+
		"diff: reads back something other than was set. err: refused. no: not in this kernel. -: no such socket here. "+
		"Blank: not an option of such sockets.", out.prose())
	text := fmt.Sprintf("%d options: %d round-trip here, %d were only read, %d only set; %d need a privilege, %d a peer or "+
		"another state; this kernel lacks %d: %d by themselves, %d with their kind of socket", len(probes),
		n[sockopt.ProbeRoundTrips], n[sockopt.ProbeReads], n[sockopt.ProbeSets], n[sockopt.ProbePrivilege], n[sockopt.ProbeState],
		n[sockopt.ProbeLacks]+n[sockopt.ProbeNoSocket], n[sockopt.ProbeLacks], n[sockopt.ProbeNoSocket])
	if odd := n[sockopt.ProbeDiffers] + n[sockopt.ProbeRefused]; odd > 0 {
		text += fmt.Sprintf("; %d did something else", odd)
	}
	return append(append(legend, ""), out.wrap(text+".", 0)...)
}
