package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/esock-go/esock/engine"
)

// What many connections cost. A server has one processor and the load, a C program, another one. The engine serves all
// connections from one goroutine; net has a goroutine for each; gnet and netpoll are loops in Go; the C programs are the
// plain loops over epoll and io_uring that one writes by hand.

// A work is a kind of load, and what one of its answers is called.
type work struct {
	load    func(port uint16) []string
	metrics []metric
	of      func(done loaded, cpu time.Duration) []float64 // the metrics' values
}

// rateOf is answers a second, and what the server used for each.
func rateOf(what string, rate, processor []target) work {
	return work{
		metrics: []metric{
			{name: what + "s", unit: "1/s", more: true, targets: rate},
			{name: "server's processor", unit: "µs/" + what, targets: processor},
		},
		of: func(done loaded, cpu time.Duration) []float64 {
			return []float64{done.Answers / done.Seconds, cpu.Seconds() * 1e6 / done.Answers}
		},
	}
}

// A peer is a server under a load.
type peer struct {
	name    string
	command func() (*exec.Cmd, error)
}

func goServer(kind string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) { return selfCommand("server", kind) }
}

// loop is a server of a loop, with a backend.
func loop(kind string, b engine.Backend) peer {
	name := nameEsock
	if b == engine.IOUring {
		name = nameRing
	}
	return peer{name, func() (*exec.Cmd, error) {
		l, err := engine.New(engine.WaitWith(b))
		if err != nil && b == engine.IOUring {
			return nil, missing(err.Error())
		}
		l.Close()
		return selfCommand("server", kind+"loop-"+b.String())
	}}
}

func cServer(mode string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) {
		program := os.Getenv("ESOCK_PEER")
		if program == "" {
			return nil, errNoPeer
		}
		return exec.Command(program, mode), nil
	}
}

func selfCommand(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	return exec.Command(self, append([]string{childWord}, args...)...), err
}

var (
	byLoop     = loop("", engine.Epoll)
	byRing     = loop("", engine.IOUring)
	byNetConns = peer{nameNet, goServer("net")}
	byGnet     = peer{nameGnet, goServer("gnet")}
	byNetpoll  = peer{nameNetpoll, goServer("netpoll")}
	byCEpoll   = peer{nameC, cServer("serve")}
	byCRing    = peer{nameCRing, cServer("serve-ring")}
	byErlang   = peer{nameErlangInet, func() (*exec.Cmd, error) { return erlang("echo", "inet", "passive") }}
)

// engineRow is a row of this table.
func engineRow(name, about string, w work, peers ...peer) benchmark {
	b := benchmark{name: "engine-" + name, about: about, metrics: w.metrics, turns: 7, turn: 500 * time.Millisecond,
		group: "engine", asked: true}
	for _, p := range peers {
		b.contenders = append(b.contenders, contender{p.name, w.session(p)})
	}
	return b
}

func (w work) session(p peer) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		cmd, err := p.command()
		if err != nil {
			return nil, err
		}
		s, err := serverOf(cmd, serverCPU)
		if err != nil {
			return nil, err
		}
		l, err := startLoad(0, w.load(s.port)...)
		if err != nil {
			s.stop()
			return nil, err
		}
		turn := func() (values []float64, err error) {
			for range pick(e, 3, 1) {
				var foreign float64
				if values, foreign, err = w.turn(e, s, l); err != nil || foreign < 0.05 {
					break
				}
			}
			return values, err
		}
		return &session{turn, func() { l.stop(); s.stop() }}, nil
	}
}

// turn measures once. It also returns the share of the processors that others had meanwhile, with which the turn is worth
// little.
func (w work) turn(e effort, s *server, l load) (values []float64, foreign float64, err error) {
	used := func() (server, all, own time.Duration) {
		if err == nil {
			server, err = processorTimeOf(s.cmd.Process.Pid)
		}
		if err == nil {
			own, err = processorTimeOf(l.cmd.Process.Pid)
		}
		all = busyTime()
		return server, all, own + server + processorTime()
	}
	server0, all0, own0 := used()
	start := time.Now()
	if err != nil {
		return nil, 0, err
	}
	done, err := l.run(e.turn)
	if err != nil {
		return nil, 0, err
	}
	server1, all1, own1 := used()
	foreign = max(0, (all1-all0)-(own1-own0)).Seconds() / time.Since(start).Seconds()
	return w.of(done, server1-server0), foreign, err
}

// echoOf is the load of echoed packets.
func echoOf(conns, size int) func(port uint16) []string {
	return func(port uint16) []string { return words("load", port, conns, size) }
}

func words(args ...any) (all []string) {
	for _, a := range args {
		all = append(all, fmt.Sprint(a))
	}
	return all
}

// with is the work with another load.
func (w work) with(load func(port uint16) []string) work {
	w.load = load
	return w
}

func overPeers(limits map[string]float64) (ts []target) {
	for _, name := range columns {
		if l, ok := limits[name]; ok {
			ts = append(ts, target{peer: name, limit: l})
		}
	}
	return ts
}

func engineEcho(conns int, net float64) benchmark {
	rate := overPeers(map[string]float64{nameC: 0.95, nameNet: net, nameGnet: 1, nameNetpoll: 1})
	w := rateOf("message", rate, overPeers(map[string]float64{nameC: 1.06}))
	return engineRow(strconv.Itoa(conns), fmt.Sprintf("echo of 68 bytes, %d connections", conns), w.with(echoOf(conns, 68)),
		byLoop, byRing, byNetConns, byGnet, byNetpoll, byCEpoll, byCRing, byErlang)
}

// halfOfNet is half of what net's server does in a second with 500 connections: the load of the row of latencies.
var halfOfNet = sync.OnceValues(func() (int, error) {
	w := rateOf("message", nil, nil).with(echoOf(500, 68))
	s, err := w.session(byNetConns)(effort{turn: time.Second})
	if err != nil {
		return 0, err
	}
	defer s.close()
	var rates []float64
	for range 4 {
		v, err := s.turn()
		if err != nil {
			return 0, err
		}
		rates = append(rates, v[0])
	}
	return int(median(rates[1:]) / 2), nil
})

// latencies has an open loop: packets are sent when they are due, however late the answers are, and their time begins
// then.
func latencies() benchmark {
	w := work{
		metrics: []metric{
			{name: "p50", unit: "µs"},
			{name: "p99", unit: "µs", targets: overPeers(map[string]float64{nameNet: 0.7})},
			{name: "p99.9", unit: "µs", detail: true},
		},
		of: func(done loaded, _ time.Duration) []float64 {
			return []float64{done.P50 / 1e3, done.P99 / 1e3, done.P999 / 1e3}
		},
	}
	b := engineRow("latency", "the same packets, 500 connections, half of net's rate, by when they were due",
		w, byLoop, byRing, byNetConns, byCEpoll)
	b.turn = time.Second
	for i, p := range []peer{byLoop, byRing, byNetConns, byCEpoll} {
		b.contenders[i].open = func(e effort) (*session, error) {
			rate, err := halfOfNet()
			if err != nil {
				return nil, err
			}
			return w.with(func(port uint16) []string { return words("paced", port, 500, rate) }).session(p)(e)
		}
	}
	return b
}

const broadcastTo = 10_000 // connections

var engineRows = []benchmark{
	engineEcho(50, 1.25),
	engineEcho(500, 1.5),
	engineEcho(5000, 1.3),
	latencies(),
	engineRow("16k", "echo of 16 KiB, 50 connections",
		rateOf("message", overPeers(map[string]float64{nameNet: 1}), nil).with(echoOf(50, 16<<10)),
		byLoop, byRing, peer{nameNet, goServer("net-16k")}, byCEpoll),
	engineRow("http", "HTTP /plaintext, 16 requests at a time on each of 500 connections",
		rateOf("request", overPeers(map[string]float64{nameFasthttp: 1, nameGnet: 1}), nil).with(
			func(port uint16) []string { return words("get", port, "/plaintext", 500, 16) }),
		peer{nameEsock, httpServer}, peer{nameNetHTTP, goServer("http-net")}, peer{nameFasthttp, goServer("http-fasthttp")},
		peer{nameGnet, goServer("http-gnet")}),
	engineRow("json", "HTTP /json, one request at a time on each of 500 connections",
		rateOf("request", overPeers(map[string]float64{nameFasthttp: 1}), nil).with(
			func(port uint16) []string { return words("get", port, "/json", 500) }),
		peer{nameEsock, httpServer}, peer{nameNetHTTP, goServer("http-net")}, peer{nameFasthttp, goServer("http-fasthttp")}),
	engineRow("broadcast", "messages of 64 bytes to 10,000 connections; net has a reader and a writer for each",
		rateOf("message", overPeers(map[string]float64{nameNet: 2}), nil).with(
			func(port uint16) []string { return words("broadcast", port, broadcastTo) }),
		loop("everybody-", engine.Epoll), loop("everybody-", engine.IOUring), peer{nameNet, goServer("everybody-net")}),
	engineRow("packets", "packets of 64 bytes with a length of 4 bytes, 200 connections: Packets, net with bufio, gentcp",
		rateOf("message", overPeers(map[string]float64{nameNet: 1.1}), nil).with(echoOf(200, 68)),
		loop("packets-", engine.Epoll), loop("packets-", engine.IOUring),
		peer{nameNet, func() (*exec.Cmd, error) { return goEcho("net") }},
		peer{nameGentcp, func() (*exec.Cmd, error) { return goEcho("gentcp") }}),
	engineRow("mailbox", "echo of 68 bytes, 200 connections, one goroutine with one mailbox: completion form, select form",
		rateOf("message", overPeers(map[string]float64{nameSelect: 1.2}), nil).with(echoOf(200, 68)),
		peer{nameEsock, goServer("mailbox-complete")}, peer{nameSelect, goServer("mailbox-select")}, byNetConns),
	engineRow("accept", "short connections with one exchange of 68 bytes, 100 at a time",
		rateOf("connection", overPeers(map[string]float64{nameNet: 1.3}), nil).with(
			func(port uint16) []string { return words("short", port, 100) }),
		byLoop, byRing, byNetConns, byGnet, byCEpoll),
	late(1),
	late(2),
	{
		name:  "engine-idle",
		about: "memory of 9,000 idle connections in a loop (fewer where descriptors are limited); net has a goroutine for each",
		turns: 5,
		metrics: []metric{
			{name: "total", unit: "bytes/connection", targets: []target{{limit: 400}}},
			{name: "Go heap", unit: "bytes/connection"},
			{name: "Go stacks", unit: "bytes/connection"},
			{name: "C and the rest", unit: "bytes/connection"},
		},
		contenders: []contender{{nameEsock, idleTurnsOf("idle-loop-epoll", 9000, 2)},
			{nameRing, func(e effort) (*session, error) {
				if _, err := byRing.command(); err != nil {
					return nil, err
				}
				return idleTurnsOf("idle-loop-io_uring", 9000, 2)(e)
			}},
			{nameNet, idleTurnsOf("idle-conns", 9000, 2)}},
		group: "engine-idle",
	},
}

// httpServer is examples/engine-http with one loop.
func httpServer() (*exec.Cmd, error) {
	program := os.Getenv("ESOCK_HTTP")
	if program == "" {
		return nil, missing("examples/engine-http is not built (ESOCK_HTTP)")
	}
	return exec.Command(program, "-listen", "127.0.0.1:0", "-shards", "1"), nil
}
