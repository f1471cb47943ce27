package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esock-go/esock"
)

// selected and cancelled are the two ends that an asynchronous receive can have.
func (d *demo) selected() error {
	st := d.step("selected", "An asynchronous receive, selected",
		"Nothing has come yet: the receive returns a Select at once. When data is there a message comes to the mailbox, "+
			"and the receive is repeated. The mailbox also owns the server's socket.")
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
		return fmt.Errorf("a SelectMsg should have come, not %T", msg)
	}
	if ready.Handle != sel.Handle() || ready.Socket() != server {
		return errors.New("the SelectMsg names another call")
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
		"Again the receive returns a Select. It is taken back: now data comes, and no message, as promised. The data is not "+
			"lost.")
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
		return fmt.Errorf("a %T came although the call was cancelled", msg)
	}
	st.call("server", "mailbox.Receive, "+quiet.String(), "no message")
	data, err := server.RecvBytes(0, 0, patience)
	if err != nil {
		return err
	}
	st.call("server", "recv", quote(data))
	st.r.line("")
	st.fact("messages", 0, "none in "+quiet.String()+" after the cancel")
	st.fact("data", string(data), quote(data)+", by a receive that waits")
	return nil
}

// wouldBlock receives asynchronously where nothing has come.
func wouldBlock(s *esock.Socket, mb *esock.Mailbox) (*esock.Select, error) {
	data, err := s.RecvBytes(0, 0, esock.NoWait(mb))
	var sel *esock.Select
	switch {
	case errors.As(err, &sel):
		return sel, nil
	case err != nil:
		return nil, err
	}
	return nil, fmt.Errorf("%q came before anything was sent", data)
}

// message is the mailbox's next message.
func (d *demo) message(mb *esock.Mailbox) (esock.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	msg, err := mb.Receive(ctx)
	if err != nil {
		return nil, fmt.Errorf("no message came to the mailbox: %w", err)
	}
	return msg, nil
}
