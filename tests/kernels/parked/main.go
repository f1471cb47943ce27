// Command parked measures the memory of connections on which nothing happens. It opens TCP connections over the loopback,
// has a call wait on each, and prints what the processes and the kernel need for one of them.
//
//	parked [-n CONNECTIONS] [FORM...]
//
// The forms are blocked (a goroutine in Socket.Recv), select (an asynchronous Recv, whose message goes to one mailbox for
// all), engine (an engine.Loop); and net (a goroutine in Read of a net.Conn), which goes with no other. The peers are plain
// descriptors of the same process: they cost the process nothing, but the kernel has two sockets for a connection. Where one
// process may not have as many descriptors, there are more of them.
//
// As the first process of a machine, parked takes its arguments from the word parked= of the kernel's command line, with
// commas between, and switches the machine off at the end. build/parked runs it.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netdevice"
)

func main() {
	first := os.Getpid() == 1
	err := run(first)
	if err != nil {
		fmt.Fprintln(os.Stderr, "parked:", err)
	}
	if first {
		_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
		select {} // a first process that ends is a panic of the kernel
	}
	if err != nil {
		os.Exit(1)
	}
}

func run(first bool) error {
	args := os.Args[1:]
	if first {
		var err error
		if args, err = system(); err != nil {
			return err
		}
	}
	flags := flag.NewFlagSet("parked", flag.ContinueOnError)
	n := flags.Int("n", 100_000, "how many connections")
	child := flags.Bool("child", false, "be one of the processes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *n < 1 {
		return fmt.Errorf("%d connections", *n)
	}
	chosen := flags.Args()
	if len(chosen) == 0 {
		chosen = []string{"engine", "select", "blocked"}
	}
	for _, name := range chosen {
		if forms[name] == nil {
			return fmt.Errorf("there is no form %s", name)
		}
	}
	if len(chosen) > 1 && slices.Contains(chosen, "net") {
		return fmt.Errorf("net's connections are not those of the other forms: it goes alone")
	}
	if *child {
		return park(*n, chosen)
	}
	return lead(*n, chosen)
}

// system makes of a kernel's first process one that can open connections, and returns the arguments.
func system() ([]string, error) {
	for what, where := range map[string]string{"proc": "/proc", "sysfs": "/sys"} {
		if err := os.MkdirAll(where, 0o755); err != nil {
			return nil, err
		}
		if err := syscall.Mount(what, where, what, 0, ""); err != nil {
			return nil, fmt.Errorf("mount %s: %w", where, err)
		}
	}
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := netdevice.SetFlags(s, "lo", netdevice.Up, 0); err != nil {
		return nil, err
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if list, ok := strings.CutPrefix(word, "parked="); ok {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}

// describe prints where the numbers are from.
func describe(n, processes int) {
	var u unix.Utsname
	_ = unix.Uname(&u)
	fmt.Printf("%d connections, %d sockets, %d processes, Linux %s %s, %s; bytes for one connection:\n", n, 2*n, processes,
		unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), runtime.Version())
}

// others is room for the descriptors that are no connection.
const others = 100

// share is how many of n connections one process can have, with both ends. It raises the limits as far as it may.
func share(n int) (int, error) {
	files := uint64(2*n + others)
	if number("/proc/sys/fs/file-max") < files+files/4 {
		_ = os.WriteFile("/proc/sys/fs/file-max", fmt.Append(nil, 2*files), 0)
	}
	if number("/proc/sys/fs/nr_open") < files {
		_ = os.WriteFile("/proc/sys/fs/nr_open", fmt.Append(nil, files), 0)
	}
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return 0, err
	}
	if now.Cur >= files || syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files, Max: max(files, now.Max)}) == nil {
		return n, nil
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: now.Max, Max: now.Max}); err != nil {
		return 0, err
	}
	if now.Max < others+2 {
		return 0, fmt.Errorf("the limit of open files is %d", now.Max)
	}
	return int(now.Max-others) / 2, nil
}
