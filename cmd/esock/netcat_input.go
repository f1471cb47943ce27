package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/esock-go/esock/packet"
)

// How many bytes of the input are read and sent at once.
const (
	chunk    = 64 << 10 // over a stream
	datagram = 16 << 10 // in a datagram, as nc(1) has it
)

// feed reads the input in a goroutine of its own, because a read cannot be interrupted. One session after the other takes
// what it reads.
type feed struct {
	framing
	from  io.Reader
	lines bool // each line is a packet or a datagram of its own
	piece int  // else: how many bytes are read and sent at once
	items chan input
	done  chan struct{}

	ended   bool         // the input has ended; of the session that takes
	waiting atomic.Int64 // bytes that were read and have not been sent
}

// input is a piece of the input, or the error that ended it.
type input struct {
	data []byte
	size int // how many bytes of the input it is
	err  error
}

// newFeed begins to read. stop makes it end after the read in progress.
func newFeed(n *netcat, from io.Reader) (x *feed, stop func()) {
	x = &feed{framing: n.framing, from: from, piece: chunk, items: make(chan input), done: make(chan struct{})}
	x.lines = n.Escape || !n.asIs()
	if n.UDP {
		x.piece = datagram
		x.lines = x.lines || n.typ() == packet.Line
	}
	go x.read()
	return x, func() { close(x.done) }
}

// read alternates between two buffers, if it does not read lines: one is read into while the bytes of the other are in use.
func (x *feed) read() {
	if !x.lines {
		bufs := [2][]byte{make([]byte, x.piece), make([]byte, x.piece)}
		for i := 0; ; i ^= 1 {
			n, err := x.from.Read(bufs[i])
			if n > 0 && !x.hand(input{data: bufs[i][:n], size: n}) {
				return
			}
			if err != nil {
				x.hand(input{err: err})
				return
			}
		}
	}
	r := bufio.NewReaderSize(x.from, chunk)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			data, bad := x.packetOf(line)
			if !x.hand(input{data, len(line), bad}) {
				return
			}
		}
		if err != nil {
			x.hand(input{err: err})
			return
		}
	}
}

// hand gives a piece to the session, and reports whether another is wanted.
func (x *feed) hand(i input) bool {
	x.waiting.Add(int64(i.size))
	select {
	case x.items <- i:
		return i.err == nil
	case <-x.done:
		return false
	}
}

// sent notes that a piece was sent.
func (x *feed) sent(i input) { x.waiting.Add(-int64(i.size)) }

// terminal reports whether a person types the input.
func (x *feed) terminal() bool {
	f, ok := x.from.(*os.File)
	return ok && isTerminal(f)
}

// packetOf returns the packet that a line of the input stands for.
func (x *feed) packetOf(line []byte) ([]byte, error) {
	text, ended := strings.CutSuffix(string(line), "\n")
	if x.Escape {
		var err error
		if text, err = unescape(text); err != nil {
			return nil, err
		}
	}
	switch t := x.typ(); {
	case t.IsHTTP():
		text = strings.TrimSuffix(text, "\r") + "\r\n"
	case t == packet.Line && ended:
		text += "\n"
	}
	return []byte(text), nil
}

// unescape replaces the escapes in a text.
func unescape(text string) (string, error) {
	b := make([]byte, 0, len(text))
	for rest := text; rest != ""; {
		// The byte itself, where it was not escaped: it need not be UTF-8.
		if rest[0] != '\\' {
			b, rest = append(b, rest[0]), rest[1:]
			continue
		}
		r, wide, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return "", fmt.Errorf("%q is not an escape; use \\x00, \\n, \\t, \\\\", shorten(rest, 10))
		}
		if wide {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
		rest = tail
	}
	return string(b), nil
}
