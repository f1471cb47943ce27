package interop

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/esock-go/esock/internal/testwait"
)

// patience is how long to wait for what must come.
const patience = testwait.Patience

//go:embed actor.erl
var actorSource []byte

// node is a running Erlang node that obeys steps of any number of scenes at once (actor.erl).
type node struct {
	release string // "25"
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stderr  bytes.Buffer // until the node has ended
	done    chan struct{}

	mu      sync.Mutex
	tag     int
	waiting map[string]request
	failed  error
}

// request is a step that was sent to the node.
type request struct {
	scene string
	ch    chan string // closed if there will be no answer
}

// startNode compiles actor.erl into dir and starts it.
func startNode(dir string) (*node, error) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		return nil, err
	}
	erlc, err := exec.LookPath("erlc")
	if err != nil {
		return nil, err
	}
	source := filepath.Join(dir, "actor.erl")
	if err := os.WriteFile(source, actorSource, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command(erlc, "-Werror", "-o", dir, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("erlc: %w\n%s", err, out)
	}
	n := &node{waiting: map[string]request{}, done: make(chan struct{})}
	n.cmd = exec.Command(erl, "-noinput", "-pa", dir, "-s", "actor", "main", "-kernel", "logger",
		"[{handler,default,logger_std_h,#{config=>#{type=>standard_error}}}]")
	n.cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0") // no dump
	n.cmd.Stderr = &n.stderr
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	hello := make(chan string, 1)
	n.waiting["hello"] = request{ch: hello}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go n.read(out)
	if n.release, err = n.wait("hello", hello); err != nil {
		n.stop()
		return nil, fmt.Errorf("starting erl: %w\n%s", err, n.stderr.String())
	}
	return n, nil
}

// read hands the answers to the requests that wait for them.
func (n *node) read(out io.Reader) {
	defer close(n.done)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		n.mu.Lock()
		if err != nil {
			n.failed = errors.New("the Erlang node has ended")
			n.drop(func(request) bool { return true })
			n.mu.Unlock()
			return
		}
		tag, result, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		r, ok := n.waiting[tag]
		delete(n.waiting, tag)
		n.mu.Unlock()
		if ok {
			r.ch <- result
		}
	}
}

// drop gives up requests that will not be answered. n.mu is held.
func (n *node) drop(which func(request) bool) {
	for tag, r := range n.waiting {
		if which(r) {
			close(r.ch)
			delete(n.waiting, tag)
		}
	}
}

// do has an actor of a scene make a call, and returns the line it answers.
func (n *node) do(scene, actor, text string) (string, error) {
	ch := make(chan string, 1)
	n.mu.Lock()
	if n.failed != nil {
		n.mu.Unlock()
		return "", n.failed
	}
	n.tag++
	tag := strconv.Itoa(n.tag)
	n.waiting[tag] = request{scene, ch}
	_, err := fmt.Fprintf(n.stdin, "%s\t%s\t%s\t%s\n", tag, scene, actor, text)
	n.mu.Unlock()
	if err != nil {
		return "", err
	}
	line, err := n.wait(tag, ch)
	if text == "end()" {
		n.mu.Lock()
		n.drop(func(r request) bool { return r.scene == scene }) // of actors that were ended
		n.mu.Unlock()
	}
	return line, err
}

func (n *node) wait(tag string, ch chan string) (string, error) {
	timer := time.NewTimer(3 * patience)
	defer timer.Stop()
	select {
	case result, ok := <-ch:
		if !ok {
			return "", errors.New("the Erlang node or the scene has ended")
		}
		return result, nil
	case <-timer.C:
		n.mu.Lock()
		delete(n.waiting, tag)
		n.mu.Unlock()
		return "", errors.New("no answer from the Erlang node")
	}
}

// stop ends the node: it halts when its input ends. What it wrote to its standard error is returned.
func (n *node) stop() string {
	n.stdin.Close()
	timer := time.AfterFunc(patience, func() { n.cmd.Process.Kill() })
	defer timer.Stop()
	<-n.done
	n.cmd.Wait()
	return n.stderr.String()
}
