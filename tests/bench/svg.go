package main

import (
	"fmt"
	"html"
	"strings"
)

// The picture: for each figure one bar per contender, as long as its share of the largest in its group. Figures that
// have no peer, are zero for all, or only explain others are not drawn.

const (
	svgWidth   = 880
	svgLabel   = 250 // where bars begin
	svgBar     = 14
	svgSpace   = 4
	svgGroup   = 20 // between groups
	svgLongest = 380
)

var svgColours = map[string]string{nameEsock: "#1f6feb", nameDecoder: "#6ea3f2", nameNet: "#8b949e", nameSyscall: "#b1a584",
	nameC: "#7d9a8c", nameHand: "#7d9a8c", nameReader: "#8b949e", nameScanner: "#8b949e", nameNetHTTP: "#8b949e",
	nameFasthttp: "#b1a584", nameErlang: "#a9738c", nameErlangInet: "#a9738c", nameErlangSocket: "#a9738c",
	nameNginx: "#7d9a8c"}

func picture(rep *report) string {
	var body strings.Builder
	y := 64
	for i := range rep.Results {
		r := &rep.Results[i]
		if len(r.Figures) < 2 || r.detail {
			continue
		}
		most := 0.0
		for _, f := range r.Figures {
			most = max(most, f.Median)
		}
		if most == 0 {
			continue
		}
		better := "less is better"
		if r.More {
			better = "more is better"
		}
		text(&body, 16, y+11, "", "600", r.Benchmark+" "+r.Metric)
		text(&body, 16, y+27, "", "", r.Unit+", "+better)
		top := y
		for _, c := range columns {
			f, ok := r.Figures[c]
			if !ok {
				continue
			}
			length := max(2, int(f.Median/most*svgLongest))
			fmt.Fprintf(&body, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\" fill=\"%s\"/>\n",
				svgLabel, y, length, svgBar, svgColours[c])
			text(&body, svgLabel-8, y+11, "end", "", c)
			label := short(f.Median)
			if f.Ratio > 0 {
				label += fmt.Sprintf("   esock / %s = %.2f", c, f.Ratio)
			}
			text(&body, svgLabel+length+8, y+11, "", "", label)
			y += svgBar + svgSpace
		}
		y = max(y, top+34) + svgGroup
	}
	var out strings.Builder
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "+
		"font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\" aria-label=\"esock and its peers\">\n",
		svgWidth, y, svgWidth, y)
	fmt.Fprintf(&out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", svgWidth, y)
	text(&out, 16, 26, "", "600", "esock and its peers: medians")
	text(&out, 16, 44, "", "", rep.Machine.String())
	out.WriteString(body.String())
	out.WriteString("</svg>\n")
	return out.String()
}

func text(b *strings.Builder, x, y int, anchor, weight, s string) {
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" fill=\"#24292f\"", x, y)
	if anchor != "" {
		fmt.Fprintf(b, " text-anchor=\"%s\"", anchor)
	}
	if weight != "" {
		fmt.Fprintf(b, " font-weight=\"%s\"", weight)
	}
	fmt.Fprintf(b, ">%s</text>\n", html.EscapeString(s))
}
