package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/esock-go/esock/internal/bytesize"
)

// progress shows how far a transfer is: on a terminal as a bar with the speed and the time that is left, elsewhere as
// four lines, in JSON not at all.
type progress struct {
	st    *step
	total int64
	bar   *progressbar.ProgressBar // nil if there is none
	drawn bool
	next  int64 // the percentage at which the next line is due
}

const (
	barWidth   = 40
	barRefresh = 50 * time.Millisecond
)

func newProgress(st *step, total int64) *progress {
	p := &progress{st: st, total: total, next: 25}
	if st.r.out.terminal && !st.r.json && total > 0 {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(st.r.out.Writer),
			progressbar.OptionSetDescription(fmt.Sprintf("%s%-*s", indent, keyWidth-1, "progress")),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "#", SaucerPadding: ".", BarStart: "[", BarEnd: "]"}),
			progressbar.OptionSetWidth(barWidth), progressbar.OptionThrottle(barRefresh),
			progressbar.OptionSetPredictTime(st.r.out.fits(plainWidth)),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true),
			progressbar.OptionUseANSICodes(true))
	}
	return p
}

// at says that n bytes have been transferred.
func (p *progress) at(n int64) {
	switch {
	case p.st.r.json || p.total <= 0:
	case p.bar != nil:
		p.drawn = true
		p.bar.Set64(min(n, p.total))
	default:
		percent := min(n*100/p.total, 100)
		if percent < p.next {
			return
		}
		p.next = percent - percent%25 + 25
		width := barWidth
		if out := p.st.r.out; out.columns > 0 {
			width = min(barWidth, out.columns-len(indent)-keyWidth-len("[] 100%  1023.9 KiB"))
		}
		full := int(percent) * width / 100
		p.st.r.line("%s%-*s[%s%s] %3d%%  %s", indent, keyWidth, "progress", strings.Repeat("#", full),
			strings.Repeat(".", width-full), percent, bytesize.Text(n))
	}
}

// done ends the line of the bar.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprintln(p.st.r.out)
	}
}
