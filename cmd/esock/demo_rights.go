package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

func (d *demo) passed() error {
	st := d.step("descriptor", "A descriptor, passed over a unix socket",
		"The server hands its end of a TCP connection to a helper, in a control message. The helper adopts the descriptor "+
			"as a socket and answers the client itself.")
	server, helper, err := d.unixPair()
	if err != nil {
		return err
	}
	_, client, conn, err := d.connected("passed")
	if err != nil {
		return err
	}
	if err := sockopt.SocketPassCred.Set(helper, true); err != nil {
		return err
	}

	st.between("server", "helper")
	v, err := sockopt.Get(conn, "otp", "fd")
	if err != nil {
		return err
	}
	fd, ok := v.(int)
	if !ok {
		return fmt.Errorf("the descriptor of %v is no number: %v", conn, v)
	}
	out := &esock.Msg{Iov: [][]byte{[]byte("take over")}}
	if err := out.SetControl(esock.Rights(fd)); err != nil {
		return err
	}
	if _, err := server.SendMsg(out, 0, patience); err != nil {
		return err
	}
	st.call("server", fmt.Sprintf("sendmsg, Rights(%d)", fd), quote(out.Iov[0]))
	if err := st.close("server", conn); err != nil {
		return err
	}

	in := new(esock.Msg)
	defer in.Reset()
	if err := helper.RecvMsg(in, 0, patience); err != nil {
		return err
	}
	st.call("helper", "recvmsg", quote(in.Data()))
	var from esock.Credentials
	for c := range in.Control() {
		if cred, ok := c.Credentials(); ok {
			from = cred
		}
	}
	fds := in.TakeFDs()
	if len(fds) != 1 {
		return fmt.Errorf("one descriptor was sent, but %d arrived", len(fds))
	}
	st.call("helper", "TakeFDs", fmt.Sprint(fds))
	adopted, err := d.keep("adopted")(esock.Adopt(fds[0]))
	syscall.Close(fds[0]) // the socket works on a duplicate
	if err != nil {
		return err
	}
	st.call("helper", fmt.Sprintf("adopt %d", fds[0]), adopted.String())
	const greeting = "the helper here"
	if err := st.send("helper", adopted, []byte(greeting)); err != nil {
		return err
	}
	heard, err := client.RecvBytes(len(greeting), 0, patience)
	if err != nil {
		return err
	}

	st.r.line("")
	st.fact("sent", fd, fmt.Sprintf("descriptor %d of %v, which has been closed since", fd, conn))
	st.fact("received", fds[0], fmt.Sprintf("descriptor %d, now %v: %v %v %v", fds[0], adopted, adopted.Domain(),
		adopted.Type(), adopted.Protocol()))
	st.fact("Credentials()", map[string]any{"pid": from.PID, "uid": from.UID, "gid": from.GID},
		fmt.Sprintf("pid %d, uid %d, gid %d: the sender, vouched for by the kernel", from.PID, from.UID, from.GID))
	st.fact("client hears", string(heard), quote(heard))
	switch {
	case string(heard) != greeting:
		return errors.New("the client received something other than what the helper sent")
	case from.PID != os.Getpid():
		return fmt.Errorf("the sender is process %d, but the credentials say %d", os.Getpid(), from.PID)
	}
	return nil
}

// unixPair is two unix sockets connected to each other.
func (d *demo) unixPair() (a, b *esock.Socket, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	defer syscall.Close(fds[0]) // the sockets work on duplicates
	defer syscall.Close(fds[1])
	if a, err = d.keep("unix giver")(esock.Adopt(fds[0])); err != nil {
		return nil, nil, err
	}
	b, err = d.keep("unix taker")(esock.Adopt(fds[1]))
	return a, b, err
}
