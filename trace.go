package esock

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
)

// The trace: one record to a slog.Logger for each operation of a socket whose {otp, debug} is on.

var (
	traceLogger atomic.Pointer[slog.Logger]
	socketDebug atomic.Bool
)

// SetLogger says where traces go; nil: to slog.Default(). Without DebugAll, SocketDebug and SetDebug nothing is logged.
func SetLogger(l *slog.Logger) { traceLogger.Store(l) }

// DebugAll says whether new sockets start with their trace on. OTP: socket:debug/1.
func DebugAll(on bool) { globalDebug.Store(on) }

// SocketDebug switches the trace of the library's own work: sockets opened and closed, and, as a warning, those that nobody
// closed, when the garbage collector has. OTP: socket:socket_debug/1.
func SocketDebug(on bool) { socketDebug.Store(on) }

func logger() *slog.Logger {
	if l := traceLogger.Load(); l != nil {
		return l
	}
	return slog.Default()
}

// LogValue shows a socket as its name.
func (s *Socket) LogValue() slog.Value { return slog.StringValue(s.String()) }

// trace reports an operation that moved n and ended in err.
func (s *Socket) trace(op string, n int, err error) {
	var sel *Select
	switch {
	case errors.As(err, &sel):
		logger().Info("esock", "socket", s, "op", op, "n", n, "result", "select")
	case err != nil:
		logger().Info("esock", "socket", s, "op", op, "n", n, "result", "error", "error", err)
	default:
		logger().Info("esock", "socket", s, "op", op, "n", n, "result", "ok")
	}
}

// traceOp is trace for the operations that do not pass through do.
func (s *Socket) traceOp(op string, n int, err error) {
	if o := s.otp.Load(); o != nil && o.debug || socketDebug.Load() && op == "close" {
		s.trace(op, n, err)
	}
}

func (s *Socket) traceOpen(op string) {
	if o := s.otp.Load(); o != nil && o.debug || socketDebug.Load() {
		logger().Info("esock", "socket", s, "op", op, "domain", s.Domain().String(), "type", s.typ.String(),
			"protocol", s.proto.String())
	}
}

// traceForgotten reports a socket that the garbage collector closed.
func traceForgotten(id uint64) {
	if !socketDebug.Load() {
		return // a library does not write to its program's log unasked
	}
	logger().Warn("esock: a socket was forgotten and is closed by the garbage collector", "socket",
		fmt.Sprintf("#Socket<%d>", id))
}

// describe prints a value that was refused.
func describe(v any) string {
	if v == nil {
		return "nil"
	}
	return fmt.Sprintf("%v (%T)", v, v)
}

// errnoIn is the errno in an error, 0 if there is none.
func errnoIn(err error) syscall.Errno {
	var e syscall.Errno
	errors.As(err, &e)
	return e
}
