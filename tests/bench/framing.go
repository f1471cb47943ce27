package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/esock-go/esock/packet"
)

// Cutting bytes into packets: the same MiB of them for all, again and again, from memory. esock and erlang:decode_packet/3
// look at the bytes where they are. The others, and esock's Decoder, read from an io.Reader into a buffer of their own.

const streamSize = 1 << 20

// packets is what is cut: bytes, and how many packets they are.
type packets struct {
	bytes []byte
	count int
}

// A cutter goes over the bytes once and counts the packets, or a head's lines.
type cutter func() (int, error)

// cutting makes a contender of a cutter.
func cutting(p *packets, make func(b []byte) (cutter, error)) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		cut, err := make(p.bytes)
		if err != nil {
			return nil, err
		}
		turn := func() ([]float64, error) {
			start, passes := time.Now(), 0
			for time.Since(start) < e.turn {
				n, err := cut()
				if err != nil {
					return nil, err
				}
				if n != p.count {
					return nil, fmt.Errorf("%d packets, and not %d", n, p.count)
				}
				passes++
			}
			return []float64{float64(passes) * float64(len(p.bytes)) / 1e6 / time.Since(start).Seconds()}, nil
		}
		return &session{turn, func() {}}, nil
	}
}

// cuttingErlang is erlang:decode_packet/3 over the same bytes.
func cuttingErlang(p *packets, typ packet.Type) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		f, err := os.CreateTemp("", "esock-bench")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		_, err = f.Write(p.bytes)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
		cmd, err := erlang("decode", typ.String(), f.Name())
		if err != nil {
			return nil, err
		}
		t, _, err := talkTo(cmd, anyCPU) // it has read the file when it says something
		if err != nil {
			return nil, err
		}
		turn := func() ([]float64, error) {
			answer, err := t.ask(strconv.FormatInt(e.turn.Milliseconds(), 10))
			if err != nil {
				return nil, err
			}
			var passes, micros, count int
			if _, err := fmt.Sscan(answer, &passes, &micros, &count); err != nil {
				return nil, err
			}
			if count != passes*p.count {
				return nil, fmt.Errorf("%d packets in %d passes, and not %d in each", count, passes, p.count)
			}
			return []float64{float64(passes) * float64(len(p.bytes)) / float64(micros)}, nil
		}
		return &session{turn, t.stop}, nil
	}
}

// throughput is the metric of all: esock is to be ten times Erlang, and as good as these.
func throughput(peers ...string) []metric {
	targets := []target{{peer: nameErlang, limit: 10}}
	for _, p := range peers {
		targets = append(targets, target{peer: p, limit: 1})
	}
	return []metric{{name: "throughput", unit: "MB/s", more: true, targets: targets}}
}

// filled makes the bytes of whole packets, which one appends. They are the same in each run.
func filled(one func(b []byte, r *rand.Rand) []byte) *packets {
	r := rand.New(rand.NewPCG(1, 2))
	p := &packets{}
	for {
		next := one(p.bytes, r)
		if len(next) > streamSize {
			return p
		}
		p.bytes = next
		p.count++
	}
}

// letters appends n small letters.
func letters(b []byte, r *rand.Rand, n int) []byte {
	for range n {
		b = append(b, byte('a'+r.IntN(26)))
	}
	return b
}
