package main

import (
	"io"
	"net"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
)

const chunk = 1 << 20

// Throughput: large writes, and a goroutine that reads what comes.
var stream = benchmark{
	name:    "stream",
	about:   "TCP, 1 MiB sends to a goroutine that receives into 1 MiB",
	metrics: []metric{{name: "throughput", unit: "MB/s", more: true}},
	contenders: []contender{{nameEsock, streamEsock}, {nameNet, streamNet},
		cTurns("mb_per_s", "stream", 512, 96)},
}

func streamEsock(e effort) (*session, error) {
	a, b, err := sockets.EsockTCP()
	if err != nil {
		return nil, err
	}
	in := make([]byte, chunk)
	return streamed(e, func(buf []byte) (int, error) { return a.Send(buf, 0, esock.Forever) },
		func() (int, error) { return b.Recv(in, 0, esock.Forever) }, closer(a, b))
}

func streamNet(e effort) (*session, error) {
	a, b, err := sockets.NetTCP()
	if err != nil {
		return nil, err
	}
	in := make([]byte, chunk)
	return streamed(e, a.Write, func() (int, error) { return b.Read(in) }, closer[net.Conn](a, b))
}

func streamed(e effort, write func([]byte) (int, error), read func() (int, error), done func()) (*session, error) {
	chunks := pick(e, 512, 96)
	buf := make([]byte, chunk)
	turn := func() ([]float64, error) {
		end := make(chan error, 1)
		start := time.Now()
		go func() {
			for left := chunks * chunk; left > 0; {
				n, err := read()
				if n == 0 && err == nil {
					err = io.ErrUnexpectedEOF
				}
				if err != nil {
					end <- err
					return
				}
				left -= n
			}
			end <- nil
		}()
		for range chunks {
			if _, err := write(buf); err != nil {
				return nil, err
			}
		}
		err := <-end
		return []float64{float64(chunks) * chunk / 1e6 / time.Since(start).Seconds()}, err
	}
	return &session{turn, done}, nil
}
