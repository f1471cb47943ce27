package active

import (
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
)

// engine is what package esock does for this package and does not export. The contracts are in its files handle.go (of the
// first four: newHandleFunc, notify, post, retract), mailbox.go (move), wait_argument.go (over) and layered.go (Refusal).
var engine = layered.Engine.(interface {
	NewHandle(m *esock.Mailbox, mu *sync.Mutex, f func(esock.Message) (msg esock.Message, more bool)) *esock.Handle
	Notify(h *esock.Handle) error
	Post(h *esock.Handle, msg esock.Message) error
	Retract(h *esock.Handle) bool
	Move(from, to *esock.Mailbox, match func(esock.Message) bool) (int, error)
	Over(w esock.Wait) error
	Blocks(w esock.Wait) bool // false for NoWait, With, Within(0) and an invalid wait
	Within(w esock.Wait) bool // a Within whose time has not begun
	Refusal(reason error) (syscall.Errno, bool)
})

// Refusal returns the errno in the reason of an esock.Error if the kernel has refused the call. The error of a context is none,
// unless it is a bare syscall.Errno.
func Refusal(reason error) (errno syscall.Errno, ok bool) { return engine.Refusal(reason) }
