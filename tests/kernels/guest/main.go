// Command guest is the first process of the machine that build/kernels boots. It makes a small Linux system of what is in
// the initial file system, runs the suites of tests that the file /suites lists, prints the results, and switches off.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock/tests/kernels"
)

// limit is for one program. An emulated processor is twenty times slower than a real one.
const limit = 30 * time.Minute

// captured is where tests put what the kernel answered.
const captured = "/captured"

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // a first process that ends is a panic of the kernel
}

func run() error {
	if err := system(); err != nil {
		return err
	}
	fmt.Print("\n", kernels.Line(machine()))
	command, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	if strings.Contains(string(command), "esock.shell") {
		return shell()
	}
	text, err := os.ReadFile("/suites")
	if err != nil {
		return err
	}
	suites, err := kernels.ParseSuites(string(text))
	if err != nil {
		return err
	}
	for _, s := range suites {
		start := time.Now()
		r := try(s)
		r.Suite, r.Seconds = s.Name, time.Since(start).Seconds()
		fmt.Print("\n", kernels.Line(r))
	}
	files, _ := filepath.Glob(captured + "/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Print("\n", kernels.Line(kernels.File{Name: filepath.Base(file), Text: string(text)}))
	}
	fmt.Print(kernels.End)
	return nil
}

// system mounts the kernel's file systems, links busybox's commands, and brings the loopback up.
func system() error {
	for _, m := range []struct{ what, where string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/dev/shm"},
		{"tmpfs", "/tmp"}, {"tmpfs", captured}, {"tmpfs", "/run"}, {"cgroup2", "/sys/fs/cgroup"},
	} {
		if err := os.MkdirAll(m.where, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.what, m.where, m.what, 0, ""); err != nil && !errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	// As udev does on other systems; bash reads what a process substitution prints there.
	for name, file := range map[string]string{"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink("/proc/self/"+file, "/dev/"+name); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	// The kernel's own messages would come in the midst of the results; those of a panic come in any case.
	if err := os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0); err != nil {
		return err
	}
	// The limit of each test is for a machine that is not emulated.
	for name, value := range map[string]string{
		"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "ESOCK_TEST_LIMIT": (limit / 3).String(),
		"ESOCK_CAPTURE": captured,
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	// What users of Linux have by default is less. The tests of many connections ask for it.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1 << 16, Max: 1 << 20}); err != nil {
		return err
	}
	if out, err := exec.Command("/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		return fmt.Errorf("busybox --install: %w: %s", err, out)
	}
	if out, err := exec.Command("/bin/ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
}

// machine loads the modules that /modules lists. From then on no call loads any: a test that asks for what the kernel does
// not have would start modprobe each time, for a quarter of a second of an emulated processor.
func machine() kernels.Machine {
	var m kernels.Machine
	text, _ := os.ReadFile("/modules")
	_ = exec.Command("/sbin/modprobe", append([]string{"-a"}, strings.Fields(string(text))...)...).Run() // not every kernel has all
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0)
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		m.Kernel, m.Arch = field(u.Release[:]), field(u.Machine[:])
	}
	return m
}

// field is a text of uname(2), whose characters are of another type on arm64.
func field[T int8 | uint8](s []T) string {
	var b strings.Builder
	for _, c := range s {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// try runs one program.
func try(s kernels.Suite) kernels.Result {
	var args []string
	inputs := 0
	switch s.Kind {
	case kernels.Go:
		args = []string{"/bin/test2json", "-t", s.Program, "-test.v=test2json", "-test.short", // that many stressed sockets take minutes
			"-test.timeout=" + (limit - time.Minute).String()}
	case kernels.C:
		args = []string{s.Program}
	case kernels.Corpus:
		files, _ := filepath.Glob(s.Dir + "/*")
		inputs = len(files)
		args = []string{s.Program, "-runs=0", "-timeout=600", s.Dir}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = s.Dir
	c.WaitDelay = time.Second // a child of the program may hold its output open
	var out output
	c.Stdout, c.Stderr = &out, &out
	defer out.report(s.Name)()
	status := 0
	if err := c.Run(); err != nil {
		status = -1
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
			status = ended.ExitCode()
		}
		fmt.Fprintln(&out, err)
	}
	switch s.Kind {
	case kernels.Go:
		return kernels.ReadGo(out.Bytes(), status)
	case kernels.C:
		return kernels.ReadC(out.Bytes(), status)
	default:
		return kernels.ReadCorpus(out.Bytes(), status, inputs)
	}
}

// output is what a program has printed. Its methods may be called from several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var e struct { // test2json writes whole lines
			Action, Test string
			Elapsed      float64
		}
		if json.Unmarshal(line, &e) == nil && (e.Action == "fail" || e.Elapsed > 20 && !strings.Contains(e.Test, "/")) {
			fmt.Printf("# %s\n", bytes.TrimSpace(line)) // for somebody who watches the console
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) Bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Bytes()
}

// report prints the last line now and then, for somebody who watches the console, until its result is called.
func (o *output) report(suite string) (stop func()) {
	ticker, done := time.NewTicker(20*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				lines := bytes.Split(bytes.TrimSpace(o.Bytes()), []byte("\n"))
				fmt.Printf("# %s runs: %.300s\n", suite, lines[len(lines)-1])
			case <-done:
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

// shell gives the console to somebody who wants to look around.
func shell() error {
	c := exec.Command("/bin/setsid", "/bin/cttyhack", "/bin/sh")
	c.Dir = "/esock"
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	fmt.Println("The source tree is /esock, the test binaries are in /suite. exit switches the machine off.")
	_ = c.Run() // the shell's exit status is that of its last command
	return nil
}
