package netconn

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

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
// this one. Use NewListener for one that listens, NewPacketConn for Type() == esock.Dgram, else NewConn. Accepted connections
// of TCP have TCP_NODELAY and keep-alive probes, because those that listen get them: see FileListener. It removes the
// variables from the environment, so that children do not find them and a second call returns none; all descriptors become
// close-on-exec. Descriptors that are not sockets stay open, and are left out. Errors: *esock.InvalidError "environment", also
// for a descriptor that is not open; then all descriptors stay as they are. sd_listen_fds(3).
func ListenFDs() ([]Activated, error) {
	count, err := passed()
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if err != nil {
		return nil, err
	}
	for i := range count {
		if _, err := unix.FcntlInt(uintptr(firstPassed+i), unix.F_GETFD, 0); err != nil {
			return nil, badVariable("LISTEN_FDS", strconv.Itoa(count), fmt.Sprintf("descriptor %d is not open", firstPassed+i))
		}
	}
	var found []Activated
	for i := range count {
		fd := firstPassed + i
		syscall.CloseOnExec(fd)
		s, err := esock.Adopt(fd, esock.TakeFD(), esock.Registered(false))
		if err != nil {
			continue
		}
		if listens(s) {
			likeNet(s)
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
	if pid == "" {
		return 0, badVariable("LISTEN_PID", pid, "it is not set, and LISTEN_FDS is")
	}
	p, err := strconv.Atoi(pid)
	if err != nil {
		return 0, badVariable("LISTEN_PID", pid, notNumber)
	}
	if p != os.Getpid() { // those of a parent
		return 0, nil
	}
	if fds == "" {
		return 0, badVariable("LISTEN_FDS", fds, "it is not set, and LISTEN_PID is")
	}
	switch n, err := strconv.Atoi(fds); {
	case err != nil:
		return 0, badVariable("LISTEN_FDS", fds, notNumber)
	case n < 0:
		return 0, badVariable("LISTEN_FDS", fds, "it is negative")
	case n > 1<<20: // more than any limit of descriptors
		return 0, badVariable("LISTEN_FDS", fds, "there are not so many descriptors")
	default:
		return n, nil
	}
}

const notNumber = "it is not a number"

func badVariable(name, value, cause string) error {
	return &esock.InvalidError{What: "environment", Value: name + "=" + value, Cause: cause}
}
