package main

import (
	"bufio"
	"fmt"
	"io"
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
	case "idle-esock", "idle-net":
		var n int
		if n, err = strconv.Atoi(args[1]); err == nil {
			err = childIdle(args[0], n)
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
	cmd  *exec.Cmd
	in   io.Closer
	port uint16
}

func startChild(args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startServer(self, append([]string{childWord}, args...)...)
}

// startServer starts a program that prints its port first: a number, or JSON with the key port.
func startServer(program string, args ...string) (*server, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, after, ok := strings.Cut(line, `"port":`); ok {
		line = strings.TrimRight(strings.TrimSpace(after), "}")
	}
	port, perr := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil || perr != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("%s %v did not say its port: %q", program, args, line)
	}
	return &server{cmd, in, uint16(port)}, nil
}

// stop waits for the process, whose connections are closed, and ends it if it does not end.
func (s *server) stop() {
	s.in.Close()
	done := time.AfterFunc(2*time.Second, func() { s.cmd.Process.Kill() })
	s.cmd.Wait()
	done.Stop()
}

// cpu keeps the process on one processor.
func (s *server) cpu(n int) { pin(s.cmd.Process.Pid, n) }
