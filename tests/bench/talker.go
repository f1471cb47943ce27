package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// talker is a process that says something first, and then may answer each line that it is told with a line.
type talker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// anyCPU lets a process run where it wants.
const anyCPU = -1

// talkTo starts a process on a processor, and returns its first line.
func talkTo(cmd *exec.Cmd, cpu int) (t *talker, first string, err error) {
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := startOn(cpu, cmd); err != nil {
		return nil, "", err
	}
	t = &talker{cmd, in, bufio.NewReader(out)}
	if first, err = t.out.ReadString('\n'); err != nil {
		t.stop()
		return nil, "", fmt.Errorf("%v said %q and ended", cmd.Args, first)
	}
	return t, first, nil
}

// startOn starts a process that is confined to a processor from its first moment, so that it sees no others: 0 is the
// first that this one may use. A child has the affinity of the thread that starts it.
func startOn(cpu int, cmd *exec.Cmd) error {
	allowed, err := allowedCPUs()
	if err != nil || cpu == anyCPU || cpu >= len(allowed) {
		return cmd.Start()
	}
	var one, before unix.CPUSet
	one.Set(allowed[cpu])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.SchedGetaffinity(0, &before) == nil && unix.SchedSetaffinity(0, &one) == nil {
		defer unix.SchedSetaffinity(0, &before)
	}
	return cmd.Start()
}

// ask tells the process a line and returns its answer.
func (t *talker) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(t.in, line); err != nil {
		return "", err
	}
	answer, err := t.out.ReadString('\n')
	if err != nil {
		err = fmt.Errorf("%v said %q and ended: %w", t.cmd.Args, answer, err)
	}
	return answer, err
}

// stop tells the process to end, and ends it if it does not.
func (t *talker) stop() {
	t.in.Close()
	t.cmd.Process.Signal(unix.SIGTERM)
	done := time.AfterFunc(2*time.Second, func() { t.cmd.Process.Kill() })
	t.cmd.Wait()
	done.Stop()
}

// processorTimeOf is what a process has used, in the kernel and outside.
func processorTimeOf(pid int) (time.Duration, error) {
	const schedClock = 2
	clock := int32(^pid)<<3 | schedClock // CLOCK of another process: clock_getcpuclockid(3)
	var t unix.Timespec
	err := unix.ClockGettime(clock, &t)
	return time.Duration(t.Nano()), err
}

// busyTime is what all processors have worked for this machine and for others that have them.
func busyTime() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var total int64
	for i, word := range strings.Fields(line) {
		n, err := strconv.ParseInt(word, 10, 64)
		if idle := i == 4 || i == 5; err == nil && !idle && i <= 8 { // guests are in the first two
			total += n
		}
	}
	const tick = 10 * time.Millisecond // USER_HZ
	return time.Duration(total) * tick
}
