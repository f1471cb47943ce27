package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pin keeps the threads of a process on one processor: 0 is the first that this one may use.
func pin(pid, cpu int) error {
	allowed, err := allowedCPUs()
	if err != nil {
		return err
	}
	if cpu >= len(allowed) {
		return nil
	}
	return confine(pid, allowed[cpu:cpu+1])
}

// confine keeps the threads of a process, and those that they make, on the processors.
func confine(pid int, cpus []int) error {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			unix.SchedSetaffinity(tid, &set) // one that has ended does not matter
		}
	}
	return nil
}

// atStart is where the process may run, before anybody is pinned.
var atStart = func() (set unix.CPUSet) {
	unix.SchedGetaffinity(0, &set)
	return set
}()

func allowedCPUs() (cpus []int, err error) {
	for c := range len(atStart) * 64 {
		if atStart.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	if len(cpus) == 0 {
		return nil, fmt.Errorf("cannot tell the processors")
	}
	return cpus, nil
}
