// Package esock is sockets as the operating system has them: every operation, option and control message, in a form
// that a Go program can wait on, cancel and count. The contract is that of Erlang/OTP's socket module; the core
// is C, in csrc/, and useful without Go.
//
// A [Socket] is opened, bound, connected and closed as with the system calls of the same names. Every call that can
// block takes a [Wait], which says what to do then: wait ([Forever], [Within], [Until], [Context]), only look
// (Within(0)), or return a [Select] and send a message to a [Mailbox] later ([NoWait], [With]). Calls of one direction
// take turns in the order they came, whichever form they have, and a whole Send is never mixed with another.
//
// # Messages
//
// Send and Recv move bytes, SendTo and RecvFrom datagrams. SendMsg and RecvMsg move a [Msg]: data, address, flags and
// [ControlMessage] values, decoded in the same crossing that received them and without allocation. SendFile
// hands a file to the kernel.
//
// # Options
//
// The kernel's options are in package sockopt, as typed variables and by name: sockopt.TCPNoDelay.Set(s, true),
// sockopt.Get(s, "tcp", "congestion"). [Socket.GetOptionNative] and [Socket.SetOptionNative] take any numbers and any bytes.
// The library's own settings of a socket are methods: [Socket.SetRcvBuf], [Socket.SetSpin], [Socket.SetMeta].
//
// Package netdevice asks about network interfaces and changes them: netdevice.MTU(s, "eth0"). Package supports tells what this
// kernel has of all that.
//
// # Errors
//
// A failed operation returns an [Error]; errors.Is finds the syscall.Errno, net.ErrClosed when the socket was closed
// here, and context errors in it. The end of a stream is io.EOF and the end of a call's time is [ErrTimeout], both bare.
// Counts beside an error are exact. Mistakes of the caller are an [InvalidError], never a panic.
//
// The zero Socket and a nil *Socket are a closed socket, the zero Mailbox and a nil *Mailbox a closed mailbox: their calls
// answer net.ErrClosed. The zero value of every other type, and a nil pointer to a type with pointer methods, is empty, and what
// needs more answers an [InvalidError]. (A nil *Addr or *Counters panics, as for every type with value methods.)
//
// # Inspection
//
// Every socket counts what it does ([Counters]). Unless told otherwise it is in a registry that [WhichSockets],
// [SocketRows] and [WriteTable] show, its state is in [SocketInfo], and [Socket.Monitor] tells when it is closed.
//
// # Tests with testing/synctest
//
// In a bubble a socket is what a connection of package net is there: its kernel knows nothing of the bubble. A call that
// waits for the kernel, for its turn or in a Mailbox does not count as durably blocked, so synctest.Wait waits for it and the
// bubble's clock stands meanwhile. The time of [Within] and [Until] is the machine's, counted from the call: a call in a
// bubble ends when that much time has really passed. A timer of the bubble, and so a context with a deadline, does not run
// out while the clock stands: cancel the context, or give the call a time. Close sockets and mailboxes before the bubble
// ends, because whoever waits in one keeps it from ending. Sockets, mailboxes and handles may be used in one bubble after
// another, and outside.
//
// # Costs and limits
//
// A call crosses into C once. The calls above allocate nothing when they are repeated on the same socket; an
// asynchronous one may cost its Select. A socket that never waits has no part in the runtime's poller, one that never
// selects none in the library's, and an idle one takes some 600 bytes. The package needs cgo, and Linux.
package esock
