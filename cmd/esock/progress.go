package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/esock-go/esock/internal/bytesize"
)

// progress shows how far a transfer is: on a terminal as a bar that is drawn again and again, elsewhere as four lines,
// in JSON not at all.
type progress struct {
	st    *step
	total int64
	drawn time.Time
	next  int64 // the percentage of the next line
	ended bool
}

const (
	barWidth   = 40
	barRefresh = 50 * time.Millisecond
)

func newProgress(st *step, total int64) *progress {
	return &progress{st: st, total: total, next: 25}
}

// at says that n bytes are through.
func (p *progress) at(n int64) {
	if p.st.r.json || p.total <= 0 || p.ended {
		return
	}
	p.ended = n == p.total
	percent := min(n*100/p.total, 100)
	if !p.st.r.out.terminal {
		if percent < p.next {
			return
		}
		p.next = percent - percent%25 + 25
		p.st.r.line("%s%s", indent, p.text(n, percent))
		return
	}
	if now := time.Now(); now.Sub(p.drawn) >= barRefresh || p.ended {
		p.drawn = now
		fmt.Fprintf(p.st.r.out, "\r%s%s\x1b[K", indent, p.text(n, percent))
	}
}

// text is "progress          [####....]  50 %  1.0 MiB".
func (p *progress) text(n, percent int64) string {
	full := int(percent * barWidth / 100)
	return fmt.Sprintf("%-*s[%s%s] %3d %%  %s", keyWidth, "progress", strings.Repeat("#", full),
		strings.Repeat(".", barWidth-full), percent, bytesize.Text(n))
}

// done ends the line of the bar.
func (p *progress) done() {
	if !p.st.r.json && p.st.r.out.terminal && !p.drawn.IsZero() {
		fmt.Fprintln(p.st.r.out)
	}
}
