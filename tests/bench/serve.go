package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Files over HTTP: esock serve and nginx, each with one processor and, in nginx's case, one worker; the load, a C program
// that counts the body without copying it, has the other processor.
var serve = benchmark{
	name:  "serve",
	about: "a file of 1 MiB over HTTP, 8 connections kept alive; server and load on one processor each",
	turns: 7,
	turn:  500 * time.Millisecond,
	metrics: []metric{
		{name: "requests", unit: "1/s", more: true},
		{name: "server's processor", unit: "ms/GB", targets: []target{{peer: nameNginx, limit: 1.1}}},
	},
	contenders: []contender{{nameEsock, serveEsock}, {nameNginx, serveNginx}},
	group:      "serve",
}

const (
	servedFile  = "file.bin"
	serveConns  = 8
	serverCPU   = 1
	errNoNginx  = missing("there is no nginx")
	errNoServer = missing("the command esock is not built (ESOCK_COMMAND)")
)

func serveEsock(e effort) (*session, error) {
	command := os.Getenv("ESOCK_COMMAND")
	if command == "" {
		return nil, errNoServer
	}
	return served(e, func(dir string) (*server, error) {
		return serverOf(exec.Command(command, "serve", "--quiet", "--addr", "127.0.0.1:0", filepath.Join(dir, "root")), serverCPU)
	})
}

func serveNginx(e effort) (*session, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		// Debian installs it where only root looks.
		program = "/usr/sbin/nginx"
		if _, err := os.Stat(program); err != nil {
			return nil, errNoNginx
		}
	}
	return served(e, func(dir string) (*server, error) { return startNginx(program, dir) })
}

// served measures a server of a directory.
func served(e effort, start func(dir string) (*server, error)) (_ *session, err error) {
	dir, err := os.MkdirTemp("", "esock-bench")
	if err != nil {
		return nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(root, servedFile), make([]byte, 1<<20), 0o644); err != nil {
		return nil, err
	}
	s, err := start(dir)
	if err != nil {
		return nil, err
	}
	l, err := startLoad(0, "get", strconv.Itoa(int(s.port)), "/"+servedFile, strconv.Itoa(serveConns))
	if err != nil {
		s.stop()
		return nil, err
	}
	turn := func() ([]float64, error) {
		before, err := processorTimeOfAll(s.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		done, err := l.run(e.turn)
		if err != nil {
			return nil, err
		}
		after, err := processorTimeOfAll(s.cmd.Process.Pid)
		return []float64{done.Answers / done.Seconds, (after - before).Seconds() * 1e3 / (done.Bytes / 1e9)}, err
	}
	return &session{turn, func() { l.stop(); s.stop(); remove() }}, nil
}

// nginxConf: everything in its own directory, nothing logged.
const nginxConf = `daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr error;
%[3]s
events { worker_connections 64; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]d;
		root %[1]s/root;
	}
}
`

func startNginx(program, dir string) (*server, error) {
	// It does not say which port it got: it is told one that was free a moment ago.
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // else its worker may not read the directory
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, user), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(serverCPU, cmd); err != nil {
		return nil, err
	}
	s := &server{&talker{cmd: cmd, in: in}, uint16(port)}
	if err := listens(port); err != nil {
		s.stop()
		return nil, fmt.Errorf("nginx: %w", err)
	}
	return s, nil
}

// listens waits until somebody listens on the port.
func listens(port int) (err error) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var c net.Conn
		if c, err = net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return c.Close()
		}
	}
	return err
}

// processorTimeOfAll is what a process and its children, which nginx calls workers, have used.
func processorTimeOfAll(pid int) (time.Duration, error) {
	total, err := processorTimeOf(pid)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	for _, word := range strings.Fields(string(b)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return 0, err
		}
		t, err := processorTimeOf(child)
		if err != nil {
			return 0, err
		}
		total += t
	}
	return total, nil
}
