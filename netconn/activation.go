package netconn

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
)

// Activated is a socket that the service manager has passed to the process.
type Activated struct {
	Name   string // from the service manager: FileDescriptorName of systemd.socket(5), "" if there is none
	Socket *esock.Socket
}

// firstPassed is SD_LISTEN_FDS_START.
const firstPassed = 3

// ListenFDs returns the sockets that the service manager has passed to the process, in its order; none if it passed none to
// this one. NewListener, NewPacketConn and NewConn make of them what they are. It removes the variables from the
// environment, so that children do not find them and a second call returns none; all descriptors become close-on-exec.
// Descriptors that are not sockets stay open, and are left out. Errors: *esock.InvalidError "environment".
// sd_listen_fds(3).
func ListenFDs() ([]Activated, error) {
	count, err := passed()
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if err != nil {
		return nil, err
	}
	var found []Activated
	for i := range count {
		fd := firstPassed + i
		syscall.CloseOnExec(fd)
		s, err := esock.Adopt(fd, esock.TakeFD(), esock.Registered(false))
		if err != nil {
			continue
		}
		a := Activated{Socket: s}
		if i < len(names) {
			a.Name = names[i]
		}
		found = append(found, a)
	}
	return found, nil
}

// passed is how many descriptors were passed to this process.
func passed() (int, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid == "" && fds == "" {
		return 0, nil
	}
	p, err := strconv.Atoi(pid)
	if err != nil {
		return 0, badVariable("LISTEN_PID", pid)
	}
	if p != os.Getpid() { // those of a parent
		return 0, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, badVariable("LISTEN_FDS", fds)
	}
	return n, nil
}

func badVariable(name, value string) error {
	return &esock.InvalidError{What: "environment", Value: value, Cause: fmt.Sprintf("%s is not a number that fits", name)}
}
