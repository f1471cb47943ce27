package main

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tracer steps through the driver.
type tracer struct {
	driver     string
	begin, end uint64 // the functions between which it counts
}

func newTracer(driver string) (*tracer, error) {
	f, err := elf.Open(driver)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		return nil, fmt.Errorf("%s has no fixed addresses; build it with -buildmode=exe", driver)
	}
	t := &tracer{driver: driver}
	list := functions(f)
	if t.begin, err = addressOf(list, "main.begin"); err != nil {
		return nil, err
	}
	if t.end, err = addressOf(list, "main.end"); err != nil {
		return nil, err
	}
	// All calls of ptrace have to come from the thread that started the process. One processor for both is quicker than waking
	// another for each step, and the address space is the same in each process.
	runtime.LockOSThread()
	var one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &one); err == nil {
		cpu := 0
		for !one.IsSet(cpu) {
			cpu++
		}
		one.Zero()
		one.Set(cpu)
		unix.SchedSetaffinity(0, &one)
	}
	unix.RawSyscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0) // some containers forbid it
	return t, nil
}

const (
	addrNoRandomize = 0x40000 // personality(2)
	atRandom        = 25      // AT_RANDOM, getauxval(3)
	patience        = 10 * time.Second
	attempts        = 5
)

// errStuck: the operation waits for a thread that is stopped. It happens when another thread than the one that runs the
// goroutines was waiting for the network when all were stopped; the next attempt rarely meets it again.
var errStuck = errors.New("the operation waits for a thread that is stopped")

// count runs one row of one contender, and returns the median operation.
func (t *tracer) count(row, contender string, n int) (*run, error) {
	for attempt := 1; ; attempt++ {
		runs, err := t.attempt(row, contender, n)
		if err == nil {
			m := median(runs)
			return &m, nil
		}
		if !errors.Is(err, errStuck) || attempt == attempts {
			return nil, err
		}
	}
}

func (t *tracer) attempt(row, contender string, n int) ([]run, error) {
	cmd := &exec.Cmd{
		Path: t.driver,
		Args: []string{"driver", row, contender, strconv.Itoa(n + 1)},
		// One goroutine at a time, nobody who interrupts it, no collection of garbage.
		Env:         []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1,updatemaxprocs=0", "TMPDIR=" + os.TempDir()},
		Stderr:      os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("ptrace is needed, and SYS_PTRACE in a container: %w", err)
	}
	defer func() {
		cmd.Process.Kill()
		for { // its threads too, each of which ends for the tracer
			if _, err := unix.Wait4(-1, nil, unix.WALL, nil); err != nil && err != unix.EINTR {
				break
			}
		}
		cmd.Wait()
	}()
	pid := cmd.Process.Pid
	if err := sameSeed(pid); err != nil {
		return nil, err
	}
	thread, err := meet(out)
	if err != nil {
		return nil, fmt.Errorf("the driver ended: %w", err)
	}
	if err := stopAll(pid); err != nil {
		return nil, err
	}
	name, err := symbols(pid)
	if err != nil {
		return nil, err
	}
	if _, err := in.Write([]byte{1}); err != nil {
		return nil, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	patient := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer patient.Stop()
	return t.steps(thread, mem, n, name, func() { patient.Reset(patience) })
}

// meet reads the number of the thread that the driver waits with.
func meet(out io.Reader) (int, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(out, b); err != nil {
			return 0, err
		}
		if b[0] == '\n' {
			return strconv.Atoi(string(line))
		}
		line = append(line, b[0])
	}
}

// sameSeed waits until the process has been replaced by the driver, gives it the same random bytes as every time, and lets it
// go. The kernel passes them in the auxiliary vector, and the runtime of Go seeds itself with them.
func sameSeed(pid int) error {
	if _, err := stopped(pid); err != nil {
		return err
	}
	vector, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return err
	}
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.LittleEndian.Uint64(vector) == atRandom {
			at := binary.LittleEndian.Uint64(vector[8:])
			if _, err := unix.PtracePokeData(pid, uintptr(at), []byte("esock counts it.")); err != nil {
				return err
			}
		}
	}
	return unix.PtraceDetach(pid)
}

// stopAll stops all threads of the process, and those that they start from now on.
func stopAll(pid int) error {
	done := map[int]bool{}
	for more := true; more; {
		more = false
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return err
			}
			if done[id] {
				continue
			}
			done[id], more = true, true
			if err := ptrace(unix.PTRACE_SEIZE, id, 0, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
				return fmt.Errorf("seize: %w", err)
			}
			if err := ptrace(unix.PTRACE_INTERRUPT, id, 0, 0); err != nil {
				return fmt.Errorf("interrupt: %w", err)
			}
			if _, err := stopped(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// stopped waits until a thread has stopped.
func stopped(thread int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(thread, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return status, fmt.Errorf("wait4: %w", err)
		case status.Signaled() && status.Signal() == unix.SIGKILL:
			return status, errStuck
		case !status.Stopped():
			return status, fmt.Errorf("the driver ended with status %#x", uint32(status))
		default:
			return status, nil
		}
	}
}

// steps counts n operations after the first, which is still warming up: the thread came from the system call that it waited in.
func (t *tracer) steps(thread int, mem io.ReaderAt, n int, name func(uint64) string, progress func()) ([]run, error) {
	var runs []run
	var current *run
	classes := map[uint64]class{}
	var signal, repeated uint64
	for {
		at, err := register(thread, unsafe.Offsetof(unix.PtraceRegs{}.Rip))
		if err != nil {
			return nil, err
		}
		switch {
		case at == t.begin:
			current = &run{places: map[uint64]*place{}, symbol: name}
		case at == t.end && current != nil:
			progress()
			runs = append(runs, *current)
			current = nil
			if len(runs) == n+1 {
				return runs[1:], nil
			}
		}
		if current != nil && at != repeated {
			p := current.places[at]
			if p == nil {
				c, known := classes[at]
				if !known {
					var code [15]byte // the longest instruction
					if read, err := mem.ReadAt(code[:], int64(at)); read == 0 {
						return nil, fmt.Errorf("the code at %#x: %w", at, err)
					}
					c = classify(code[:])
					classes[at] = c
				}
				p = &place{class: c}
				current.places[at] = p
			}
			p.times++
			current.cost.Instructions++
			repeated = 0
			if p.class.repeats {
				repeated = at
			}
			if p.class.locked {
				current.cost.Locked++
			}
			if p.class.syscall {
				current.cost.Syscalls++
				number, err := register(thread, unsafe.Offsetof(unix.PtraceRegs{}.Rax))
				if err != nil {
					return nil, err
				}
				current.calls = append(current.calls, int(number))
			}
		}
		if err := ptrace(unix.PTRACE_SINGLESTEP, thread, 0, uintptr(signal)); err != nil {
			return nil, fmt.Errorf("step: %w", err)
		}
		status, err := stopped(thread)
		if err != nil {
			return nil, err
		}
		signal = 0
		if s := status.StopSignal(); s != unix.SIGTRAP && uint32(status)>>16 == 0 {
			signal = uint64(s)
		}
	}
}

// register reads one register of a stopped thread.
func register(thread int, offset uintptr) (value uint64, err error) {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_PEEKUSR, uintptr(thread), offset, uintptr(unsafe.Pointer(&value)), 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("registers: %w", errno)
	}
	return value, nil
}

func ptrace(request, thread int, addr, data uintptr) error {
	if _, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(thread), addr, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

var callNames = map[int]string{
	unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_CLOSE: "close", unix.SYS_SENDFILE: "sendfile",
	unix.SYS_SOCKET: "socket", unix.SYS_CONNECT: "connect", unix.SYS_ACCEPT4: "accept4", unix.SYS_BIND: "bind",
	unix.SYS_LISTEN: "listen", unix.SYS_SENDTO: "sendto", unix.SYS_RECVFROM: "recvfrom", unix.SYS_SENDMSG: "sendmsg",
	unix.SYS_RECVMSG: "recvmsg", unix.SYS_SHUTDOWN: "shutdown", unix.SYS_GETSOCKNAME: "getsockname",
	unix.SYS_GETPEERNAME: "getpeername", unix.SYS_SETSOCKOPT: "setsockopt", unix.SYS_GETSOCKOPT: "getsockopt",
	unix.SYS_FCNTL: "fcntl", unix.SYS_LSEEK: "lseek", unix.SYS_FSTAT: "fstat", unix.SYS_EPOLL_CTL: "epoll_ctl",
	unix.SYS_EPOLL_PWAIT: "epoll_pwait", unix.SYS_FUTEX: "futex", unix.SYS_CLONE: "clone", unix.SYS_CLONE3: "clone3",
	unix.SYS_MMAP: "mmap", unix.SYS_MADVISE: "madvise", unix.SYS_CLOCK_GETTIME: "clock_gettime", unix.SYS_POLL: "poll",
	unix.SYS_RT_SIGPROCMASK: "rt_sigprocmask", unix.SYS_NANOSLEEP: "nanosleep", unix.SYS_EVENTFD2: "eventfd2",
}

func callName(number int) string {
	if name, ok := callNames[number]; ok {
		return name
	}
	return strings.TrimSpace("system call " + strconv.Itoa(number))
}
