package interop

import (
	"fmt"
	"os"
	"strings"

	"github.com/esock-go/esock/internal/testwait"
)

// wire is a TCP connection over loopback as one end has it.
type wire struct{ local, remote int }

// kernelState is what the kernel says about a connection.
type kernelState struct {
	state  string // "established", "close_wait", …; "gone": the kernel does not know it any more
	queued int    // bytes that were received and not read
}

// names of the states that scripts wait for; include/net/tcp_states.h.
var tcpStates = map[string]string{"01": "established", "04": "fin_wait1", "05": "fin_wait2", "06": "time_wait",
	"08": "close_wait"}

// lookUp finds a connection in /proc/net/tcp.
func (w wire) lookUp() kernelState {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return kernelState{state: err.Error()}
	}
	ends := fmt.Sprintf(" 0100007F:%04X 0100007F:%04X ", w.local, w.remote)
	_, row, found := strings.Cut(string(table), ends)
	if !found {
		return kernelState{state: "gone"}
	}
	var state string
	var tx, rx int
	if _, err := fmt.Sscanf(row, "%2s %x:%x", &state, &tx, &rx); err != nil {
		return kernelState{state: err.Error()}
	}
	if name, ok := tcpStates[state]; ok {
		state = name
	}
	return kernelState{state, rx}
}

// until waits until the kernel's state of the connection is as wanted, and reports whether it came to that.
func (w wire) until(wanted func(kernelState) bool) bool {
	return testwait.Comes(func() bool { return wanted(w.lookUp()) })
}
