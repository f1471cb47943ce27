package hackney

import (
	"errors"
	"math"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// activeMode says how many more packets become messages.
type activeMode struct {
	left    int // 0: passive; negative: all
	counted bool
}

func (a activeMode) on() bool { return a.left != 0 }

// change is the mode after option active was set to v; spent: the owner is told that the connection is passive, ok:
// the sum is not too large.
func (a activeMode) change(v any) (to activeMode, spent, ok bool) {
	switch v {
	case true:
		return activeMode{left: -1}, false, true
	case false:
		return activeMode{}, a.counted, true
	case gentcp.Once:
		return activeMode{left: 1}, false, true
	}
	n := v.(int)
	if a.counted {
		n += a.left
	}
	switch {
	case n > math.MaxInt16:
		return a, false, false
	case n <= 0:
		return activeMode{}, true, true
	}
	return activeMode{n, true}, false, true
}

// after is the mode when one packet has become a message; spent as in change.
func (a activeMode) after() (to activeMode, spent bool) {
	switch a.left {
	case -1:
		return a, false
	case 1:
		return activeMode{}, a.counted
	}
	a.left--
	return a, false
}

// delivery is how packets get to the owner's mailbox. The handle is in it when there may be something to deliver: put
// there by the poller, which found the kernel ready, or by us. Who receives from the mailbox meets it, reads, and
// receives what came of it. So an owner who does not look leaves the data with the kernel. TLSConn.mu guards it.
type delivery struct {
	active  activeMode
	handle  *esock.Handle   // of the owner's mailbox; nil: none yet
	missed  bool            // something happened while somebody else had the turn: he begins anew
	notices []esock.Message // to be delivered next
}

// readsPerMessage is how many reads one message may take, so that a mailbox with other messages gets to them.
const readsPerMessage = 16

// deliver makes the handle go to the mailbox, if the mode is active and it is not with the poller. mu is held.
func (c *TLSConn) deliver() {
	switch {
	case c.closed || c.owner == nil || len(c.turn) > 0 || c.wire.sel != nil:
		return
	case !c.active.on() && len(c.notices) == 0:
		return
	case c.handle == nil:
		var h *esock.Handle
		h = c.owner.NewHandleFuncLocked(&c.mu, func(msg esock.Message) (esock.Message, bool) { return c.received(h, msg), false })
		c.handle = h
	}
	c.handle.Notify()
}

// received is called by who meets the handle in the mailbox: what he receives instead. mu is held until that is received,
// or in the mailbox.
func (c *TLSConn) received(h *esock.Handle, msg esock.Message) esock.Message {
	if c.handle != h {
		return nil // of an owner that is it no more
	}
	if !c.tryTurn() {
		c.missed = true // putTurn sees to it
		return nil
	}
	defer c.putTurn()
	if _, aborted := msg.(esock.AbortMsg); aborted {
		c.wire.sel = nil
	}
	reads := readsPerMessage
	return c.produce(esock.With(h), h, &reads)
}

// produce makes the next message to the owner: a notice, or a packet, for which it may read. The turn and mu are
// held.
func (c *TLSConn) produce(w esock.Wait, h *esock.Handle, reads *int) esock.Message {
	for {
		if len(c.notices) > 0 {
			msg := c.notices[0]
			c.notices = c.notices[1:]
			return msg
		}
		if !c.active.on() {
			return nil
		}
		p, err := c.cut(0)
		switch {
		case err == nil:
			var spent bool
			if c.active, spent = c.active.after(); spent {
				c.notices = append(c.notices, SSLPassiveMsg{c})
			}
			return SSLMsg{c, p}
		case err != packet.ErrMore:
			c.active = activeMode{}
			return SSLErrorMsg{c, syscall.EMSGSIZE}
		case c.ended != nil:
			c.tellOwner()
			continue
		case *reads == 0:
			return nil
		}
		*reads--
		if err = c.fill(w, h); err != nil {
			if _, ok := paused(err); ok {
				return nil
			}
			c.finish(err)
		}
		if h != nil && c.handle != h {
			return nil // while reading, another owner came: what has come is for that one
		}
	}
}

// tellOwner makes the notices of the end. mu is held.
func (c *TLSConn) tellOwner() {
	c.active = activeMode{}
	if c.told {
		return
	}
	if reason := c.tellEnd(); !errors.Is(reason, gentcp.ErrClosed) {
		c.notices = append(c.notices, SSLErrorMsg{c, reason})
	}
	c.notices = append(c.notices, SSLClosedMsg{c})
}

// settle does f, which changes mode, owner or state, after it has made messages of what the owner would receive now
// if he looked: what has been announced to him and stands in his mailbox as the handle. It reads once at most. When
// somebody else has the turn, he reads what is announced, and looks afterwards at what f has changed. mu is held, but
// not while reading.
func (c *TLSConn) settle(f func() error) error {
	if !c.tryTurn() {
		c.missed = true
		return f()
	}
	defer c.putTurn()
	unseen := c.handle != nil && c.handle.Unseen()
	c.wire.cancel()
	if unseen {
		c.handle.Retract()
		reads := 1
		for msg := c.produce(esock.Within(0), nil, &reads); msg != nil; msg = c.produce(esock.Within(0), nil, &reads) {
			c.owner.Post(msg) // it fails when the owner is gone
		}
	}
	return f()
}

// retire takes the handle out of use. mu is held.
func (c *TLSConn) retire() {
	if c.handle != nil {
		c.handle.Retract()
		c.handle = nil
	}
}

// setActive sets option active. mu is held. Errors: EINVAL.
func (c *TLSConn) setActive(v any) error {
	switch {
	case c.owner == nil && v == false, c.told:
		return nil
	case c.owner == nil:
		return invalid("active", v, "the connection has no owner to send messages to")
	}
	return c.settle(func() error {
		to, spent, ok := c.active.change(v)
		if !ok {
			return invalid("active", v, "with what is left it is more than 32767")
		}
		c.active = to
		if spent {
			c.owner.Post(SSLPassiveMsg{c}) // it fails when the owner is gone
		}
		return nil
	})
}
