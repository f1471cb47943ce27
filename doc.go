// Package esock gives Go programs the operating system's whole socket API: every operation and option, typed control
// messages, and every way to wait. The contract is that of Erlang/OTP's socket module. The core is C, in csrc/, and
// can be used without Go.
//
// A [Socket] is opened, bound, connected and closed with methods named after the system calls. Every call that can
// block takes a [Wait], which says what to do when the call would block: wait ([Forever], [Within], [Until],
// [Context]), fail at once (Within(0)), return a [Select] and send a message to a [Mailbox] later ([NoWait], [With]), or
// return a [Completion], be carried out, and send the result ([Complete], [CompleteWith]). Calls in one direction are
// served in order of arrival, blocking or not. The bytes of one Send are never mixed with those of another.
//
// Other packages build on it: netconn has connections of package net, gentcp packets and active modes, engine loops that
// serve many connections, datagram batches of datagrams.
//
// # Messages
//
// Send and Recv move bytes; SendTo and RecvFrom move datagrams. SendMsg and RecvMsg move a [Msg]: data, address, flags
// and [ControlMessage] values. Control messages are decoded in the crossing that receives them, without allocation.
// SendFile sends a file without copying it through the program.
//
// # Options
//
// Package sockopt has the kernel's options, as typed variables and by name: sockopt.TCPNoDelay.Set(s, true),
// sockopt.Get(s, "tcp", "congestion"). [Socket.GetOptionNative] and [Socket.SetOptionNative] take any option by
// number. The library's own settings are methods of the socket: [Socket.SetRcvBuf], [Socket.SetSpin],
// [Socket.SetMeta].
//
// Package netdevice queries and configures network interfaces: netdevice.MTU(s, "eth0"). Package supports reports
// what the running kernel has.
//
// # Errors
//
// A failed operation returns an [Error]. errors.Is finds the syscall.Errno in it, a context's error, or net.ErrClosed
// when the socket was closed in this process. Two results are returned bare: io.EOF at the end of a stream, and
// [ErrTimeout]. A count returned with an error is exact. A mistake of the caller is an [InvalidError], never a panic.
//
// The zero Socket and a nil *Socket are closed sockets, and likewise for Mailbox: their calls return net.ErrClosed.
// The zero value of any other type, and a nil pointer to a type with pointer methods, is empty; a call that needs a
// non-empty value returns an [InvalidError]. (A nil pointer with value methods, as *Addr, panics.)
//
// # Inspection
//
// Every socket counts its operations ([Counters]). [WhichSockets], [SocketRows] and [WriteTable] show the registry,
// which sockets enter by default. [SocketInfo] holds a socket's state, and [Socket.Monitor] reports when it closes.
//
// # Tests with testing/synctest
//
// In a bubble a socket behaves like a net.Conn. A call that waits for the kernel, for its turn or
// in a Mailbox is not durably blocked: synctest.Wait waits for it, and the bubble's clock does not advance meanwhile.
// The times of [Within] and [Until] run on the machine's clock, so such a call ends after that much real time. A context's
// deadline is a timer of the bubble and does not fire meanwhile: cancel the context, or give the call a time. Close
// sockets and mailboxes before the bubble ends, because a call that still waits keeps it open. Sockets, mailboxes and
// handles are not tied to a bubble.
//
// # Costs and limits
//
// A call crosses into C once. Receives and sends do not allocate when repeated on one socket; an asynchronous one may
// allocate its Select. A socket joins the runtime's poller at its first blocking wait, and the library's at its first
// Select, Connect or RecvErr that waits. An idle socket takes about 600 bytes. The package needs cgo and Linux.
package esock
