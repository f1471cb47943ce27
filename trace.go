package esock

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// The trace: one record to a slog.Logger for each operation of a socket whose {otp, debug} is on.

var (
	traceLogger atomic.Pointer[slog.Logger]
	socketDebug atomic.Bool
)

// SetLogger sets the destination of traces; nil is slog.Default(). The handler runs with no lock held, in the
// operation's goroutine and before it returns, and may use any socket. Records about sockets of gentcp and hackney,
// about forgotten sockets and about the poller follow later, from another goroutine, which drops and counts those that
// it is 4,096 behind. Traces are switched on for one socket (Debug, SetDebug), for all that are opened later
// (DebugAll), and for opening and closing (SocketDebug).
func SetLogger(l *slog.Logger) { traceLogger.Store(l) }

// DebugAll switches the traces of new sockets on or off. OTP: socket:debug/1.
func DebugAll(on bool) { globalDebug.Store(on) }

// SocketDebug switches the trace of opening and closing, with a warning for each socket that the garbage collector closed.
// OTP: socket:socket_debug/1.
func SocketDebug(on bool) { socketDebug.Store(on) }

func logger() *slog.Logger {
	if l := traceLogger.Load(); l != nil {
		return l
	}
	return slog.Default()
}

func (s *Socket) LogValue() slog.Value { return slog.StringValue(s.String()) }

// trace reports an operation that moved n and ended in err.
func (s *Socket) trace(op string, n int, err error) {
	var sel *Select
	var completion *Completion
	switch {
	case errors.As(err, &sel):
		s.tell("socket", s, "op", op, "n", n, "result", "select")
	case errors.As(err, &completion):
		s.tell("socket", s, "op", op, "n", n, "result", "completion")
	case err != nil:
		s.tell("socket", s, "op", op, "n", n, "result", "error", "error", err)
	default:
		s.tell("socket", s, "op", op, "n", n, "result", "ok")
	}
}

// tell makes a record about the socket.
func (s *Socket) tell(args ...any) {
	if s.facts.Load()&factLayered == 0 {
		logger().Info("esock", args...)
		return
	}
	r := &s.rarely().relay
	if r.Load() == nil {
		r.CompareAndSwap(nil, new(relay))
	}
	r.Load().tell(slog.LevelInfo, "esock", args...)
}

// traceOp is trace for the operations that do not pass through do.
func (s *Socket) traceOp(op string, n int, err error) {
	if o := s.otp.Load(); o != nil && o.debug || socketDebug.Load() && op == "close" {
		s.trace(op, n, err)
	}
}

func (s *Socket) traceOpen(op string) {
	if o := s.otp.Load(); o != nil && o.debug || socketDebug.Load() {
		s.tell("socket", s, "op", op, "domain", s.Domain().String(), "type", s.typ.String(), "protocol", Protocol(s.proto).String())
	}
}

// traceForgotten reports a socket that the garbage collector closed.
func traceForgotten(id uint64) {
	if !socketDebug.Load() {
		return // a library does not write to the program's log unasked
	}
	common.tell(slog.LevelWarn, "esock: a socket was forgotten and is closed by the garbage collector", "socket",
		fmt.Sprintf("#Socket<%d>", id))
}
