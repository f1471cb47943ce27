// Driver runs one operation again and again for the program count, which steps through it one instruction at a time.
//
//	driver --list               names the rows, and the contenders of each
//	driver ROW CONTENDER N      runs the operation N times between begin and end
//
// It runs the operation some hundred times first, so that what happens once is over. Then it writes the number of its
// thread to standard output, waits for a byte on standard input, and starts. Count looks up begin and end by their names.
package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// An operation is what one row counts. Before may be nil: it prepares each run, and is not counted.
type operation struct{ before, run func() error }

// A row is one operation, and how each contender prepares it.
type row struct {
	name, about string
	by          []contender
}

type contender struct {
	name string
	open func() (operation, error)
}

// The contenders' names.
const (
	nameEsock = "esock"
	nameConn  = "netconn"
	nameNet   = "net"
	nameSys   = "x/sys" // golang.org/x/sys/unix, which tells the scheduler about each system call
	nameBare  = "bare"  // system calls that the scheduler does not hear of
)

const warmups = 300 // more than a tick of the scheduler, and more than an allocator's cache holds

//go:noinline
func begin() {}

//go:noinline
func end() {}

func main() {
	fail(drive(os.Args[1:]))
}

// fail ends the process if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(1)
	}
}

func drive(args []string) error {
	if len(args) == 1 && args[0] == "--list" {
		for _, r := range rows {
			fmt.Printf("%s\t%s", r.name, r.about)
			for _, c := range r.by {
				fmt.Printf("\t%s", c.name)
			}
			fmt.Println()
		}
		return nil
	}
	if len(args) != 3 {
		return fmt.Errorf("want ROW CONTENDER N")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	open := find(args[0], args[1])
	if open == nil {
		return fmt.Errorf("no row %q of %q", args[0], args[1])
	}
	o, err := open()
	if err != nil {
		return err
	}
	if o.before == nil {
		o.before = func() error { return nil }
	}
	for range warmups {
		if err := once(o); err != nil {
			return err
		}
	}
	meet()
	for range n {
		if err := once(o); err != nil {
			return err
		}
	}
	return fmt.Errorf("nobody counted")
}

func find(name, by string) func() (operation, error) {
	for _, r := range rows {
		for _, c := range r.by {
			if r.name == name && c.name == by {
				return c.open
			}
		}
	}
	return nil
}

func once(o operation) error {
	if err := o.before(); err != nil {
		return err
	}
	begin()
	err := o.run()
	end()
	return err
}

// meet names the thread and waits on it. The runtime hears of neither system call, so that it does not move the goroutine to
// another thread.
func meet() {
	line := append(strconv.AppendInt(nil, int64(unix.Gettid()), 10), '\n')
	bareWrite(1, line)
	bareRead(0, line[:1])
}
