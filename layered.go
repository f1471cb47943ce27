package esock

import (
	"sync"

	"github.com/esock-go/esock/internal/layered"
)

// What the layers above the socket may do and users need not: see package layered.
func init() {
	layered.NewChannel = func(size int) chan struct{} {
		if inSimulation() {
			return make(chan struct{}, size)
		}
		return newChannel(size)
	}
	layered.Mark = func(s any) { s.(*Socket).facts.Or(factLayered) }
	layered.Engine = &engine{}
}

// engine has the calls of package internal/active, whose contracts are at the methods that they stand for, and of package netconn:
// netcalls.go.
type engine struct{}

func (engine) Notify(h *Handle) error            { return h.notify() }
func (engine) Post(h *Handle, msg Message) error { return h.post(msg) }
func (engine) Retract(h *Handle) bool            { return h.retract() }
func (engine) Over(w Wait) error                 { return w.over() }
func (engine) Blocks(w Wait) bool                { return w.kind != waitBad && w.blocks() }
func (engine) Within(w Wait) bool                { return w.kind == waitFor }

// Cause returns what an Error says of its Reason, for a layer that shows the Reason in an error of its own.
func (engine) Cause(err error) string {
	if e, ok := err.(*Error); ok && e != nil {
		return e.cause
	}
	return ""
}

func (engine) NewHandle(m *Mailbox, mu *sync.Mutex, f func(Message) (msg Message, more bool)) *Handle {
	return m.newHandleFunc(mu, f)
}

func (engine) Move(from, to *Mailbox, match func(Message) bool) (int, error) {
	return from.move(to, match)
}
