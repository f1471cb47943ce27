package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Sendfile: a file in memory, through TCP to another process, which throws it away. So the processor time of this process is
// the sender's.
var sendfile = benchmark{
	name:  "sendfile",
	about: "SendFile of 64 MiB to another process, beside io.Copy(net.TCPConn, os.File)",
	metrics: []metric{
		{name: "throughput", unit: "MB/s", more: true},
		{name: "processor", unit: "ms/GB"},
	},
	contenders: []contender{{nameEsock, sendfileEsock}, {nameNet, sendfileNet}},
}

const fileSize = 64 << 20

// drained starts the process that receives, and makes the file.
func drained() (*server, *os.File, error) {
	peer := os.Getenv("ESOCK_PEER")
	if peer == "" {
		return nil, nil, errNoPeer
	}
	f, err := os.CreateTemp("", "esock-bench")
	if err != nil {
		return nil, nil, err
	}
	os.Remove(f.Name())
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i)
	}
	for range fileSize / len(block) {
		if _, err := f.Write(block); err != nil {
			return nil, nil, err
		}
	}
	s, err := startServer(peer, "drain")
	return s, f, err
}

func sendfileEsock(e effort) (*session, error) {
	d, f, err := drained()
	if err != nil {
		return nil, err
	}
	at := esock.Inet4Addr(sockets.Loopback, d.port)
	once := func() error {
		s, err := sockets.EsockDial(at)
		if err != nil {
			return err
		}
		defer s.Close()
		n, err := s.SendFile(f, 0, esock.ToEnd, esock.Forever)
		if err != nil || n != fileSize {
			return fmt.Errorf("sent %d: %w", n, err)
		}
		if err := s.Shutdown(esock.ShutWrite); err != nil {
			return err
		}
		var b [1]byte
		_, err = s.Recv(b[:], 0, esock.Forever) // it has everything
		return err
	}
	return sentFiles(e, once, d, f)
}

func sendfileNet(e effort) (*session, error) {
	d, f, err := drained()
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("127.0.0.1:%d", d.port)
	once := func() error {
		c, err := net.Dial("tcp4", at)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(c, f)
		if err != nil || n != fileSize {
			return fmt.Errorf("sent %d: %w", n, err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		var b [1]byte
		_, err = c.Read(b[:])
		return err
	}
	return sentFiles(e, once, d, f)
}

func sentFiles(e effort, once func() error, d *server, f *os.File) (*session, error) {
	times := pick(e, 8, 2)
	turn := func() ([]float64, error) {
		cpu, start := processorTime(), time.Now()
		for range times {
			if err := once(); err != nil {
				return nil, err
			}
		}
		took, used := time.Since(start), processorTime()-cpu
		bytes := float64(times) * fileSize
		return []float64{bytes / 1e6 / took.Seconds(), used.Seconds() * 1e3 / (bytes / 1e9)}, nil
	}
	return &session{turn, func() { f.Close(); d.stop() }}, nil
}

// processorTime is what this process has used, in the kernel and outside.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
