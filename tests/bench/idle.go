package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

// Memory of a socket that waits: esock's is registered and has one handle armed, net's has a goroutine in a read.
//
// Each turn is a process of its own. The total is what the process has in anonymous memory (smaps_rollup, which walks the
// page tables) after the garbage has been given back, less what it had before: Go heap, stacks, the
// runtime's own, and the C heap. What of it is Go's the runtime tells; the rest is C's (and what the runtime
// keeps per span). The kernel's part, the same for all, is not in it.
var idle = benchmark{
	name:  "idle",
	about: "memory of 20,000 idle sockets (fewer where descriptors are limited), each with a receive that waits",
	turns: 5,
	metrics: []metric{
		{name: "total", unit: "bytes/socket", targets: []target{{limit: 700}}},
		{name: "Go heap", unit: "bytes/socket"},
		{name: "Go stacks", unit: "bytes/socket"},
		{name: "C and the rest", unit: "bytes/socket"},
	},
	contenders: []contender{{nameEsock, idleTurns("idle-esock")}, {nameNet, idleTurns("idle-net")}},
}

// idleMemory is what the child prints, in bytes.
type idleMemory struct{ Sockets, Anonymous, Heap, Stacks int64 }

func idleTurns(mode string) func(e effort) (*session, error) { return idleTurnsOf(mode, 20000, 1) }

// idleTurnsOf measures in a child that opens most sockets, or as many as there are descriptors, of which each needs some.
func idleTurnsOf(mode string, most, each int) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return nil, err
		}
		n := min(pick(e, most, most/2), int(min(limit.Max, 1<<30)-50)/each)
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		turn := func() ([]float64, error) {
			cmd := exec.Command(self, childWord, mode, strconv.Itoa(n))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return nil, err
			}
			var m idleMemory
			if err := json.Unmarshal(out, &m); err != nil {
				return nil, err
			}
			per := func(bytes int64) float64 { return float64(bytes) / float64(m.Sockets) }
			return []float64{per(m.Anonymous), per(m.Heap), per(m.Stacks), per(m.Anonymous - m.Heap - m.Stacks)}, nil
		}
		return &session{turn, func() {}}, nil
	}
}

func childIdle(mode string, n int) error {
	limit := unix.Rlimit{Cur: uint64(n + 50), Max: uint64(n + 50)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	open := openIdleEsock()
	if mode == "idle-net" {
		open = openIdleNet
	}
	keep := make([]any, n)
	for i := range keep {
		keep[i] = &keep // the list itself is not to be counted: it is there from the start
	}
	var err error
	if keep[0], err = open(); err != nil { // what the first makes for all
		return err
	}
	before, err := memoryNow()
	if err != nil {
		return err
	}
	for i := 1; i < n; i++ {
		if keep[i], err = open(); err != nil {
			return fmt.Errorf("socket %d: %w", i, err)
		}
	}
	after, err := memoryNow()
	if err != nil {
		return err
	}
	runtime.KeepAlive(keep)
	if file := os.Getenv("ESOCK_BENCH_HEAP"); file != "" {
		if err := writeHeapProfile(file); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(idleMemory{int64(n - 1), after.Anonymous - before.Anonymous,
		after.Heap - before.Heap, after.Stacks - before.Stacks})
}

// openIdleEsock makes what opens one: a registered socket with a caller's handle armed. All have one mailbox.
func openIdleEsock() func() (any, error) {
	mb := esock.NewMailbox()
	var buf [sockets.Message]byte
	return func() (any, error) {
		s, err := sockets.EsockUDP(esock.Registered(true))
		if err != nil {
			return nil, err
		}
		_, err = s.Recv(buf[:], 0, esock.With(mb.NewHandle()))
		var armed *esock.Select
		if !errors.As(err, &armed) {
			return nil, fmt.Errorf("not armed: %w", err)
		}
		return s, nil
	}
}

func openIdleNet() (any, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: sockets.Loopback.AsSlice()})
	if err != nil {
		return nil, err
	}
	inside := make(chan struct{})
	go func() {
		var buf [sockets.Message]byte
		close(inside)
		c.Read(buf[:])
	}()
	<-inside
	return c, nil
}

// memoryNow is what the process has, without garbage.
func memoryNow() (m idleMemory, err error) {
	runtime.GC()
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	m.Heap, m.Stacks = int64(ms.HeapAlloc), int64(ms.StackInuse)
	m.Anonymous, err = anonymousMemory()
	return m, err
}

func anonymousMemory() (int64, error) {
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Anonymous:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kB * 1024, err
		}
	}
	return 0, errors.New("smaps_rollup does not tell the anonymous memory")
}

// writeHeapProfile is for looking where the bytes go: ESOCK_BENCH_HEAP=FILE, then go tool pprof FILE.
func writeHeapProfile(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return heapProfile(f)
}
