package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Packets of 64 bytes with a length of 4 bytes, echoed by a server in a process of its own. The load is the same for all:
// a C program with one packet on its way on each connection.
//
// Each server has one processor. The load has another one when there are many connections. With one connection nothing
// happens at the same time, and two processors would only measure how long this machine takes to wake one: there they share it.
//
// Passive: a goroutine or an Erlang process for each connection receives and sends. Active: packets come as messages,
// to a mailbox or an Erlang process for each connection; net has nothing like it and shows what passive by hand is.
var (
	echo1         = echoes("echo-1", "1 connection, passive; server and load on one processor", 1, "passive")
	echo200       = echoes("echo-200", "200 connections, passive; server and load on one processor each", 200, "passive")
	echoActive1   = echoes("echo-active-1", "1 connection, active; server and load on one processor", 1, "active")
	echoActive200 = echoes("echo-active-200", "200 connections, active; server and load on one processor each", 200, "active")
)

func echoes(name, about string, conns int, mode string) benchmark {
	esock := "gentcp"
	targets := []target{{peer: nameNet, limit: 1}, {peer: nameErlangSocket, limit: 2}}
	if mode == "active" {
		esock, targets = "gentcp-active", targets[1:]
	}
	return benchmark{
		name:  name,
		about: "packets of 64 bytes echoed: " + about,
		turns: 7,
		metrics: []metric{
			{name: "messages", unit: "1/s", more: true, targets: targets},
			{name: "server's processor", unit: "µs/message", detail: true},
		},
		contenders: []contender{
			{nameEsock, echoed(conns, func() (*exec.Cmd, error) { return goEcho(esock) })},
			{nameNet, echoed(conns, func() (*exec.Cmd, error) { return goEcho("net") })},
			{nameErlangInet, echoed(conns, func() (*exec.Cmd, error) { return erlang("echo", "inet", mode) })},
			{nameErlangSocket, echoed(conns, func() (*exec.Cmd, error) { return erlang("echo", "socket", mode) })},
		},
		group: "echo",
	}
}

func goEcho(kind string) (*exec.Cmd, error) {
	self, err := os.Executable()
	return exec.Command(self, childWord, "packets", kind), err
}

// echoed measures a server under the load.
func echoed(conns int, command func() (*exec.Cmd, error)) func(e effort) (*session, error) {
	return func(e effort) (*session, error) {
		cmd, err := command()
		if err != nil {
			return nil, err
		}
		loadCPU := 0
		if conns == 1 {
			loadCPU = serverCPU
		}
		s, err := serverOf(cmd, serverCPU)
		if err != nil {
			return nil, err
		}
		l, err := startLoad(loadCPU, "load", strconv.Itoa(int(s.port)), strconv.Itoa(conns))
		if err != nil {
			s.stop()
			return nil, err
		}
		turn := func() ([]float64, error) {
			before, err := processorTimeOf(s.cmd.Process.Pid)
			if err != nil {
				return nil, err
			}
			done, err := l.run(e.turn)
			if err != nil {
				return nil, err
			}
			after, err := processorTimeOf(s.cmd.Process.Pid)
			return []float64{done.Answers / done.Seconds, (after - before).Seconds() * 1e6 / done.Answers}, err
		}
		return &session{turn, func() { l.stop(); s.stop() }}, nil
	}
}

// load is the C program that asks a server.
type load struct{ *talker }

// loaded is what it has got.
type loaded struct {
	Answers, Bytes, Seconds float64
	P50, P99, P999          float64 // ns; of peer paced
}

func startLoad(cpu int, args ...string) (load, error) {
	peer := os.Getenv("ESOCK_PEER")
	if peer == "" {
		return load{}, errNoPeer
	}
	t, _, err := talkTo(exec.Command(peer, args...), cpu)
	return load{t}, err
}

func (l load) run(d time.Duration) (done loaded, err error) {
	answer, err := l.ask(strconv.FormatInt(d.Milliseconds(), 10))
	if err == nil {
		err = json.Unmarshal([]byte(answer), &done)
	}
	return done, err
}
