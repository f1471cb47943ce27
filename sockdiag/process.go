package sockdiag

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Process is a descriptor of a process that is a socket.
type Process struct {
	PID  int
	Name string // as /proc/PID/comm has it: up to 15 bytes
	FD   int
}

// Processes returns the processes of each socket, by its inode, as ss -p finds them: it reads the descriptors of all
// processes in /proc. Those of other users are missing unless the caller may read them, and so are processes of other PID
// namespaces. A socket that several descriptors stand for has them all, in the order of their numbers. Errors: of reading /proc.
func Processes() (map[uint32][]Process, error) { return processesIn("/proc") }

func processesIn(proc string) (map[uint32][]Process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	found := map[uint32][]Process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, e.Name())
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // it has ended, or is another user's
		}
		name := ""
		for _, f := range fds {
			link, err := os.Readlink(filepath.Join(dir, "fd", f.Name()))
			if err != nil {
				continue
			}
			inode, ok := socketInode(link)
			fd, err := strconv.Atoi(f.Name())
			if !ok || err != nil {
				continue
			}
			if name == "" {
				comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
				name = strings.TrimSuffix(string(comm), "\n")
			}
			found[inode] = append(found[inode], Process{pid, name, fd})
		}
	}
	for _, of := range found {
		slices.SortFunc(of, func(a, b Process) int {
			if a.PID != b.PID {
				return a.PID - b.PID
			}
			return a.FD - b.FD
		})
	}
	return found, nil
}

// socketInode reads the link of a descriptor: "socket:[4711]".
func socketInode(link string) (uint32, bool) {
	digits, ok := strings.CutPrefix(link, "socket:[")
	digits, end := strings.CutSuffix(digits, "]")
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && end && err == nil
}
