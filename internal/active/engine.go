package active

import (
	"sync"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
)

// engine is what package esock does for this package and does not export. The contracts are in its files handle.go (of the
// first four: newHandleFunc, notify, post, retract), mailbox.go (move), wait_argument.go (over) and layered.go (Cause).
var engine = layered.Engine.(interface {
	NewHandle(m *esock.Mailbox, mu *sync.Mutex, f func(esock.Message) (msg esock.Message, more bool)) *esock.Handle
	Notify(h *esock.Handle) error
	Post(h *esock.Handle, msg esock.Message) error
	Retract(h *esock.Handle) bool
	Move(from, to *esock.Mailbox, match func(esock.Message) bool) (int, error)
	Over(w esock.Wait) error
	Blocks(w esock.Wait) bool // false for NoWait, With, Within(0) and an invalid wait
	Within(w esock.Wait) bool // a Within whose time has not begun
	Cause(err error) string
})

// Cause returns why the kernel has refused the call of an esock.Error, where that is known: the Reason is the number alone.
func Cause(err error) string { return engine.Cause(err) }
