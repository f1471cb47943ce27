package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// The contenders' names, which are the columns of the tables.
const (
	nameEsock        = "esock"
	nameNet          = "net"
	nameSyscall      = "syscall"
	nameC            = "C"
	nameDecoder      = "esock Decoder"
	nameHand         = "by hand"
	nameReader       = "bufio.Reader"
	nameScanner      = "bufio.Scanner"
	nameNetHTTP      = "net/http"
	nameFasthttp     = "fasthttp"
	nameErlang       = "Erlang"
	nameErlangInet   = "Erlang inet"
	nameErlangSocket = "Erlang socket"
	nameNginx        = "nginx"
	nameRing         = "esock io_uring"
	nameCRing        = "C io_uring"
	nameGnet         = "gnet"
	nameNetpoll      = "netpoll"
	nameGentcp       = "gentcp"
	nameXNet         = "x/net"
	nameSelect       = "select form"
)

// A benchmark is the same work done by several contenders.
type benchmark struct {
	name       string
	about      string
	metrics    []metric
	contenders []contender   // esock first
	turns      int           // 0: 9
	turn       time.Duration // of work that may be repeated at will; 0: 300 ms
	group      string        // neighbours with the same one stand in one table
	asked      bool          // runs only when it is named
}

// A metric is one figure of a benchmark; a turn measures all of them.
type metric struct {
	name    string
	unit    string
	more    bool // more is better
	detail  bool // not for the picture
	targets []target
}

// A target limits esock's median: as a ratio to a peer's, or, without a peer, as it is. It is the most, or the least
// where more is better. Worst is the limit of the worst turn's ratio, 0 if there is none.
type target struct {
	peer  string
	limit float64
	worst float64
}

// A contender prepares its sockets, and then measures once for each turn.
type contender struct {
	name string
	open func(e effort) (*session, error)
}

// A session is a contender ready to be measured.
type session struct {
	turn  func() ([]float64, error) // one value for each metric
	close func()
}

// effort says how long a turn takes.
type effort struct {
	quick bool
	turn  time.Duration // of work that may be repeated at will
}

// pick is full, or quick's value.
func pick[T any](e effort, full, quick T) T {
	if e.quick {
		return quick
	}
	return full
}

// A result is what came out for one metric.
type result struct {
	Benchmark string            `json:"benchmark"`
	Metric    string            `json:"metric"`
	Unit      string            `json:"unit"`
	More      bool              `json:"more_is_better,omitempty"`
	Figures   map[string]figure `json:"figures"`
	Targets   []verdict         `json:"targets,omitempty"`
	group     string
	detail    bool
}

// A figure is a contender's median and the turns it is of.
type figure struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Ratio  float64   `json:"ratio,omitempty"` // esock's median over this one's
	Turns  []float64 `json:"turns"`
}

// A verdict is a target and what was reached.
type verdict struct {
	Peer  string  `json:"peer,omitempty"`
	Limit float64 `json:"limit"`
	Least bool    `json:"least,omitempty"` // the limit is the least, not the most
	Got   float64 `json:"got"`
	Worst bool    `json:"worst_turn,omitempty"`
	Met   bool    `json:"met"`
}

// missing is why a contender is left out: something that is not on this machine.
type missing string

func (m missing) Error() string { return string(m) }

const errNoPeer = missing("the C peer is not built (ESOCK_PEER)")

// run lets the contenders take turns. Each has one turn before, which is not counted.
func (b *benchmark) run(e effort) ([]result, error) {
	e.turn = cmp.Or(b.turn, 300*time.Millisecond)
	turns := cmp.Or(b.turns, 9)
	if e.quick {
		turns, e.turn = 5, e.turn/5
	}
	sessions := make([]*session, len(b.contenders))
	values := make([][][]float64, len(b.contenders)) // by contender, turn, metric
	for i, c := range b.contenders {
		s, err := c.open(e)
		if absent := missing(""); errors.As(err, &absent) {
			fmt.Fprintf(os.Stderr, "  %s is left out: %s\n", c.name, absent)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		defer s.close()
		sessions[i] = s
	}
	for turn := -1; turn < turns; turn++ {
		for k := range b.contenders {
			i := (k + turn + 1) % len(b.contenders) // nobody is always the first
			if sessions[i] == nil {
				continue
			}
			runtime.GC()
			v, err := sessions[i].turn()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.contenders[i].name, err)
			}
			if turn >= 0 {
				values[i] = append(values[i], v)
			}
		}
	}
	var results []result
	if !slices.ContainsFunc(sessions, func(s *session) bool { return s != nil }) {
		return nil, nil
	}
	for m := range b.metrics {
		results = append(results, b.result(m, values))
	}
	return results, nil
}

func (b *benchmark) result(m int, values [][][]float64) result {
	metric := &b.metrics[m]
	r := result{Benchmark: b.name, Metric: metric.name, Unit: metric.unit, More: metric.more,
		Figures: map[string]figure{}, group: b.group, detail: metric.detail}
	for i, c := range b.contenders {
		if values[i] == nil {
			continue
		}
		var turns []float64
		for _, v := range values[i] {
			turns = append(turns, v[m])
		}
		f := figure{Median: median(turns), Min: slices.Min(turns), Max: slices.Max(turns), Turns: turns}
		if i > 0 {
			f.Ratio = over(r.Figures[nameEsock].Median, f.Median)
		}
		r.Figures[c.name] = f
	}
	for _, t := range metric.targets {
		r.Targets = append(r.Targets, t.judge(&r)...)
	}
	return r
}

func (t target) judge(r *result) []verdict {
	own, ok := r.Figures[nameEsock]
	if !ok {
		return nil
	}
	met := func(got, limit float64) bool {
		if r.More {
			return got >= limit
		}
		return got <= limit
	}
	if t.peer == "" {
		return []verdict{{Limit: t.limit, Least: r.More, Got: own.Median, Met: met(own.Median, t.limit)}}
	}
	peer, ok := r.Figures[t.peer]
	if !ok {
		return nil
	}
	vs := []verdict{{Peer: t.peer, Limit: t.limit, Least: r.More, Got: peer.Ratio, Met: met(peer.Ratio, t.limit)}}
	if t.worst > 0 {
		worst := over(own.Turns[0], peer.Turns[0])
		for i := range own.Turns {
			if turn := over(own.Turns[i], peer.Turns[i]); !met(turn, worst) {
				worst = turn
			}
		}
		vs = append(vs, verdict{Peer: t.peer, Limit: t.worst, Least: r.More, Got: worst, Worst: true,
			Met: met(worst, t.worst)})
	}
	return vs
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// repeated makes a turn of work that can be done n times: nanoseconds for one. The first turn finds out how
// many fill the time.
func repeated(e effort, work func(n int) error) func() ([]float64, error) {
	n := 0
	return func() ([]float64, error) {
		for n == 0 {
			if err := work(100); err != nil {
				return nil, err
			}
			const probe = 500
			start := time.Now()
			if err := work(probe); err != nil {
				return nil, err
			}
			n = max(probe, int(probe*e.turn/max(1, time.Since(start))))
		}
		start := time.Now()
		err := work(n)
		return []float64{float64(time.Since(start).Nanoseconds()) / float64(n)}, err
	}
}

// percentile of sorted values.
func percentile(sorted []time.Duration, p float64) float64 {
	return float64(sorted[int(p*float64(len(sorted)-1))].Nanoseconds())
}

// closer closes what a contender opened, at the end of its session.
func closer[T interface{ Close() error }](list ...T) func() {
	return func() {
		for _, c := range list {
			c.Close()
		}
	}
}
