package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esock-go/esock"
)

// selected and cancelled show the two ways in which an asynchronous receive can end.
func (d *demo) selected() error {
	st := d.step("selected", "An asynchronous receive, selected",
		"Nothing has arrived yet, so the receive returns a Select at once. When there is data, a message arrives in the "+
			"mailbox, and the receive is repeated. The mailbox also owns the server's socket.")
	_, client, server, err := d.connected("async")
	if err != nil {
		return err
	}
	mb := d.mailbox()
	st.between("server with "+mb.String(), "client")
	if err := server.ControllingProcess(nil, mb); err != nil {
		return err
	}
	st.call("server", "controlling_process", mb.String())
	sel, err := wouldBlock(server, mb)
	if err != nil {
		return err
	}
	st.call("server", "recv, NoWait", "Select of "+sel.Op().String())
	if err := st.send("client", client, []byte("now there is data")); err != nil {
		return err
	}
	msg, err := d.message(mb)
	if err != nil {
		return err
	}
	ready, ok := msg.(esock.SelectMsg)
	if !ok {
		return fmt.Errorf("a SelectMsg was expected, not %T", msg)
	}
	if ready.Handle != sel.Handle() || ready.Socket() != server {
		return errors.New("the SelectMsg is about another call")
	}
	st.call("server", "mailbox.Receive", "SelectMsg")
	data, err := server.RecvBytes(0, 0, esock.With(ready.Handle))
	if err != nil {
		return err
	}
	st.call("server", "recv, the same handle", quote(data))
	st.r.line("")
	st.fact("select", sel.Op().String(), fmt.Sprintf("%v on %v would block", sel.Op(), server))
	st.fact("message", "SelectMsg", "SelectMsg about the same handle and the same socket")
	st.fact("data", string(data), quote(data))
	return nil
}

func (d *demo) cancelled() error {
	st := d.step("cancelled", "An asynchronous receive, cancelled",
		"Again the receive returns a Select, but then it is cancelled. When data arrives, no message follows, and the data "+
			"is not lost.")
	_, client, server, err := d.connected("cancel")
	if err != nil {
		return err
	}
	mb := d.mailbox()
	st.between("server with "+mb.String(), "client")
	sel, err := wouldBlock(server, mb)
	if err != nil {
		return err
	}
	st.call("server", "recv, NoWait", "Select of "+sel.Op().String())
	if err := server.Cancel(sel); err != nil {
		return err
	}
	st.call("server", "cancel", "ok")
	if err := st.send("client", client, []byte("too late")); err != nil {
		return err
	}
	const quiet = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), quiet)
	defer cancel()
	if msg, err := mb.Receive(ctx); err == nil {
		return fmt.Errorf("a %T arrived although the call was cancelled", msg)
	}
	st.call("server", "mailbox.Receive, "+quiet.String(), "no message")
	data, err := server.RecvBytes(0, 0, patience)
	if err != nil {
		return err
	}
	st.call("server", "recv", quote(data))
	st.r.line("")
	st.fact("messages", 0, "none in "+quiet.String()+" after the cancel")
	st.fact("data", string(data), quote(data)+", from a receive that waits")
	return nil
}

// wouldBlock receives asynchronously while there is nothing to receive.
func wouldBlock(s *esock.Socket, mb *esock.Mailbox) (*esock.Select, error) {
	data, err := s.RecvBytes(0, 0, esock.NoWait(mb))
	var sel *esock.Select
	switch {
	case errors.As(err, &sel):
		return sel, nil
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%q arrived before anything was sent", data)
}

// message returns the mailbox's next message.
func (d *demo) message(mb *esock.Mailbox) (esock.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	msg, err := mb.Receive(ctx)
	if err != nil {
		return nil, fmt.Errorf("no message arrived in the mailbox: %w", err)
	}
	return msg, nil
}
