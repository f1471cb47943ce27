package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The program starts itself for what has to happen in another process.
const childWord = "child"

func child(args []string) {
	var err error
	switch args[0] {
	case "echo-esock":
		var spin time.Duration
		if spin, err = time.ParseDuration(args[1]); err == nil {
			err = childEchoEsock(spin)
		}
	case "echo-net":
		err = childEchoNet()
	case "packets":
		err = childPackets(args[1])
	case "server":
		err = childServer(args[1])
	case "late":
		err = childLate(args[1])
	case "idle-loop-epoll", "idle-loop-io_uring", "idle-conns":
		var n int
		if n, err = strconv.Atoi(args[1]); err == nil {
			err = childIdleConns(args[0], n)
		}
	case "idle-esock", "idle-net":
		var n int
		if n, err = strconv.Atoi(args[1]); err == nil {
			err = childIdle(args[0], n)
		}
	case "idle-http-netconn", "idle-http-net":
		var n int
		if n, err = strconv.Atoi(args[1]); err == nil {
			err = childIdleHTTP(args[0], n)
		}
	default:
		err = fmt.Errorf("no child is called %s", args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", args[0]+":", err)
		os.Exit(1)
	}
}

// server is a process that listens on a port.
type server struct {
	*talker
	port uint16
}

func startChild(args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startServer(self, append([]string{childWord}, args...)...)
}

// startServer starts a program that prints where it listens first.
func startServer(program string, args ...string) (*server, error) {
	return serverOf(exec.Command(program, args...), anyCPU)
}

// serverOf is startServer with a command and a processor.
func serverOf(cmd *exec.Cmd, cpu int) (*server, error) {
	t, line, err := talkTo(cmd, cpu)
	if err != nil {
		return nil, err
	}
	port, err := portIn(line)
	if err != nil {
		t.stop()
		return nil, fmt.Errorf("%v did not say its port: %q", cmd.Args, line)
	}
	return &server{t, port}, nil
}

// portIn is the port in what a server says: a number, JSON with the key port, or an address as the last word.
func portIn(line string) (uint16, error) {
	line = strings.TrimRight(strings.TrimSpace(line), "}/")
	port, err := strconv.ParseUint(line[strings.LastIndexByte(line, ':')+1:], 10, 16)
	return uint16(port), err
}

// cpu keeps the process on one processor.
func (s *server) cpu(n int) { pin(s.cmd.Process.Pid, n) }
