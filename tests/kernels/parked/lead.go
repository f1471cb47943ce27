package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// process is one of the processes that have the connections. It tells what its memory is at each step, and then waits for
// the word to go on.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// lead starts the processes, has them take each step together, and prints the sums.
func lead(n int, chosen []string) error {
	each, err := share(n)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var all []*process
	defer func() {
		for _, p := range all {
			p.in.Close() // it ends when there is no word any more
			_ = p.cmd.Wait()
		}
	}()
	for left := n; left > 0; left -= each {
		p := &process{cmd: exec.Command(self, append([]string{"-child", "-n", strconv.Itoa(min(left, each))}, chosen...)...)}
		p.cmd.Stderr = os.Stderr
		out, err := p.cmd.StdoutPipe()
		if err == nil {
			p.in, err = p.cmd.StdinPipe()
		}
		if err == nil {
			err = p.cmd.Start()
		}
		if err != nil {
			return err
		}
		p.out = json.NewDecoder(out)
		all = append(all, p)
	}
	describe(n, len(all))
	// step waits until all have taken the step, and returns what is in use.
	step := func() (memory, error) {
		var total memory
		for _, p := range all {
			var m processMemory
			if err := p.out.Decode(&m); err != nil {
				return total, fmt.Errorf("a process ended: %w", err)
			}
			total.add(m)
		}
		total.kernel()
		for _, p := range all {
			if _, err := p.in.Write([]byte("\n")); err != nil {
				return total, err
			}
		}
		return total, nil
	}
	started, err := step()
	if err != nil {
		return err
	}
	opened, err := step()
	if err != nil {
		return err
	}
	line("open, nothing waits", started, opened, n)
	for _, name := range chosen {
		before, err := step()
		if err != nil {
			return err
		}
		after, err := step()
		if err != nil {
			return err
		}
		line(name+", in addition", before, after, n)
		line(name+", in all", started, after, n)
	}
	return nil
}

// reporter is the other end of a process's pipes.
type reporter struct {
	in  *bufio.Reader
	out *json.Encoder
}

// step reports what is in use, and waits for the word.
func (r *reporter) step() error {
	if err := r.out.Encode(measure()); err != nil {
		return err
	}
	_, err := r.in.ReadString('\n')
	return err
}

// park is what one of the processes does.
func park(n int, chosen []string) error {
	if has, err := share(n); err != nil || has < n {
		return errors.Join(fmt.Errorf("%d connections are too many", n), err)
	}
	r := &reporter{in: bufio.NewReader(os.Stdin), out: json.NewEncoder(os.Stdout)}
	opens := open
	if chosen[0] == "net" {
		opens = openNet
	}
	c, err := opens(n, r.step)
	if err != nil {
		return err
	}
	if err := r.step(); err != nil {
		return err
	}
	for _, name := range chosen {
		if err := r.step(); err != nil {
			return err
		}
		leave, err := forms[name](c)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.step(); err != nil {
			return err
		}
		if err := leave(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
