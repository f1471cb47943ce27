package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
)

// How late other goroutines run beside a server under load: one that sleeps for a millisecond at a time, and functions
// that it hands to the loop with Post. Beside net they are handed to a goroutine, through a channel.

// lateness is how late they are, in microseconds.
type lateness struct{ Tick99, Post50, Post99 float64 }

// late is a row with so many processors for the server, which has one CPU to itself if that is 1. The ticker may be late by
// 0.5 ms then, and by as much as beside net with more.
func late(processors int) benchmark {
	tick := []target{{limit: 500}}
	if processors > 1 {
		tick = overPeers(map[string]float64{nameNet: 1})
	}
	b := benchmark{
		name:  fmt.Sprintf("engine-others-%d", processors),
		about: fmt.Sprintf("other goroutines beside a server of 200 connections, GOMAXPROCS %d", processors),
		metrics: []metric{
			{name: "1 ms ticker, p99", unit: "µs late", targets: tick},
			{name: "Post, p50", unit: "µs"},
			{name: "Post, p99", unit: "µs", targets: []target{{limit: 50}}},
		},
		turns: 7, turn: time.Second, group: "engine-others", asked: true,
	}
	for _, p := range []struct{ name, kind string }{{nameEsock, "epoll"}, {nameRing, "io_uring"}, {nameNet, "net"}} {
		b.contenders = append(b.contenders, contender{p.name, func(e effort) (*session, error) {
			return lateSession(e, p.kind, processors)
		}})
	}
	return b
}

func lateSession(e effort, kind string, processors int) (*session, error) {
	if kind == "io_uring" {
		if _, err := byRing.command(); err != nil {
			return nil, err
		}
	}
	cmd, err := selfCommand("late", kind)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(processors))
	return startLate(e, cmd, processors)
}

func startLate(e effort, cmd *exec.Cmd, processors int) (*session, error) {
	cpu := serverCPU
	if processors > 1 {
		cpu = anyCPU
	}
	s, err := serverOf(cmd, cpu)
	if err != nil {
		return nil, err
	}
	l, err := startLoad(0, echoOf(200, 68)(s.port)...)
	if err != nil {
		s.stop()
		return nil, err
	}
	turn := func() ([]float64, error) {
		loaded := make(chan error, 1)
		go func() {
			_, err := l.run(e.turn)
			loaded <- err
		}()
		var got lateness
		answer, err := s.ask(strconv.FormatInt((e.turn - e.turn/5).Milliseconds(), 10)) // within the load's time
		if err == nil {
			err = json.Unmarshal([]byte(answer), &got)
		}
		if failed := <-loaded; err == nil {
			err = failed
		}
		return []float64{got.Tick99, got.Post50, got.Post99}, err
	}
	return &session{turn, func() { l.stop(); s.stop() }}, nil
}

// childLate is the server: "epoll", "io_uring" or "net". It measures for as many milliseconds as each line says.
func childLate(kind string) error {
	post, err := serveLate(kind)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ms, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			return err
		}
		said, err := json.Marshal(measureLate(post, time.Duration(ms)*time.Millisecond))
		if err != nil {
			return err
		}
		fmt.Println(string(said))
	}
	return nil
}

// serveLate starts the server, and returns what calls a function in it.
func serveLate(kind string) (post func(func()), err error) {
	if kind == "net" {
		l, err := net.Listen("tcp4", anyPort)
		if err != nil {
			return nil, err
		}
		fmt.Println(l.Addr())
		go func() {
			for serve := echoConn(4096); ; {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go serve(c)
			}
		}()
		calls := make(chan func())
		go func() {
			for f := range calls {
				f()
			}
		}()
		return func(f func()) { calls <- f }, nil
	}
	backend := engine.Epoll
	if kind == "io_uring" {
		backend = engine.IOUring
	}
	loop, err := engine.New(engine.WaitWith(backend))
	if err != nil {
		return nil, err
	}
	l, err := esock.Open(esock.Inet, esock.Stream, esock.TCP)
	if err == nil {
		err = l.Bind(esock.Loopback)
	}
	if err == nil {
		err = l.Listen(1024)
	}
	if err == nil {
		err = loop.Serve(l, echoing{})
	}
	if err != nil {
		return nil, err
	}
	at, err := l.SockName()
	if err != nil {
		return nil, err
	}
	fmt.Println(at.Port())
	go loop.Run(context.Background())
	return func(f func()) { loop.Post(f) }, nil
}

// measureLate sleeps for a millisecond and has a function called, again and again, for d.
func measureLate(post func(func()), d time.Duration) lateness {
	var ticks, posts []time.Duration
	called := make(chan time.Duration, 1)
	for end := time.Now().Add(d); len(ticks) == 0 || time.Now().Before(end); {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		ticks = append(ticks, time.Since(due))
		began := time.Now()
		post(func() { called <- time.Since(began) })
		posts = append(posts, <-called)
	}
	slices.Sort(ticks)
	slices.Sort(posts)
	return lateness{percentile(ticks, 0.99) / 1e3, percentile(posts, 0.5) / 1e3, percentile(posts, 0.99) / 1e3}
}
