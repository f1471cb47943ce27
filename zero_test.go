package esock

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// The tests here call everything that the package exports, on and with zero values, nil, and what is closed. They fail if a
// call panics, dies inside C, hangs, or answers with success what it cannot have done.

// TestZeroNames finds what is exported and not in the tables of names. Methods are found by reflection on the types.
func TestZeroNames(t *testing.T) {
	sourcetree.Need(t)
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool {
		return !strings.HasSuffix(f.Name(), "_test.go")
	}, 0)
	require.NoError(t, err)
	var funcs, types []string
	ast.Inspect(pkgs["esock"], func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.IsExported() {
				funcs = append(funcs, n.Name.Name)
			}
			return false // no declaration inside one is exported
		case *ast.TypeSpec:
			if n.Name.IsExported() {
				types = append(types, n.Name.Name)
			}
		}
		return true
	})
	for _, table := range []struct {
		found []string
		known map[string]any
	}{{funcs, exportedFuncs}, {types, exportedTypes}} {
		slices.Sort(table.found)
		require.Equal(t, table.found, slices.Sorted(maps.Keys(table.known)), "zero_names_test.go has the exported names")
	}
	for name, typ := range exportedTypes {
		of := reflect.TypeOf(typ).Elem()
		known, _, _ := strings.Cut(of.Name(), "[")
		assert.Equal(t, name, known, "of that type")
	}
}

// endedContext is over: no call that is given it waits.
var endedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// wrong lists values of a type that are zero, nil, empty, or closed. mayWait leaves out what would wait on something open.
func wrong(t *testing.T, typ reflect.Type, mayWait bool) []reflect.Value {
	values := []reflect.Value{reflect.Zero(typ)}
	add := func(vs ...any) {
		for _, v := range vs {
			values = append(values, reflect.ValueOf(v))
		}
	}
	switch typ {
	case reflect.TypeFor[Wait]():
		if !mayWait {
			values = nil
		}
		zero, none := new(Mailbox), (*Mailbox)(nil)
		add(Within(0), Within(-1), Until(time.Time{}), Context(nil), Context(endedContext), NoWait(nil), NoWait(zero),
			NoWait(closedMailboxOf(t)), With(nil), With(&Handle{}), With(zero.NewHandle()), With(none.NewHandle()),
			Complete(nil), Complete(zero), Complete(closedMailboxOf(t)), CompleteWith(nil), CompleteWith(&Handle{}),
			CompleteWith(none.NewHandle()),
			Within(0).Spin(-1), Within(0).Continue(nil), Within(0).Continue(&Select{}), NoWait(zero).Continue(&Select{}))
	case reflect.TypeFor[*Socket]():
		add(&Socket{}, closedSocketOf(t))
	case reflect.TypeFor[*Mailbox]():
		add(&Mailbox{}, closedMailboxOf(t))
	case reflect.TypeFor[context.Context]():
		add(endedContext)
	case reflect.TypeFor[io.Writer]():
		add(io.Discard)
	case reflect.TypeFor[error]():
		add(&Error{}, (*Error)(nil), &InvalidError{}, (*InvalidError)(nil), SelectFailedError{}, &Select{}, (*Select)(nil))
	case reflect.TypeFor[Pending]():
		add(&Select{}, (*Select)(nil), &Completion{}, (*Completion)(nil))
	case reflect.TypeFor[Message]():
		add(SelectMsg{}, AbortMsg{}, CompletionMsg{}, CompletionMsg{&Handle{}}, DownMsg{}, CounterWrapMsg{})
	case reflect.TypeFor[any]():
		add((*Socket)(nil), (*Mailbox)(nil), map[string]any(nil), []any(nil), []byte(nil), "", 0, Addr{})
	case reflect.TypeFor[map[string]any]():
		add(map[string]any{}, map[string]any{"": nil}, map[string]any{"iov": nil, "ctrl": nil, "addr": nil, "flags": nil},
			map[string]any{"level": nil, "type": nil, "data": nil, "value": nil}, map[string]any{"family": nil})
	case reflect.TypeFor[*os.File](), reflect.TypeFor[*slog.Logger](): // a zero one is not this package's
	default:
		switch typ.Kind() {
		case reflect.Pointer:
			values = append(values, reflect.New(typ.Elem()))
		case reflect.Slice:
			one := reflect.MakeSlice(typ, 1, 1)
			values = append(values, reflect.MakeSlice(typ, 0, 0), one)
		case reflect.Func:
			values = append(values, reflect.MakeFunc(typ, func([]reflect.Value) (out []reflect.Value) {
				for i := range typ.NumOut() {
					out = append(out, reflect.Zero(typ.Out(i)))
				}
				return out
			}))
		case reflect.Int, reflect.Int64:
			values = append(values, reflect.ValueOf(-1).Convert(typ))
		}
	}
	return values
}

func closedSocketOf(t *testing.T) *Socket {
	s, err := Open(Inet, Dgram, UDP, Registered(false))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return s
}

func closedMailboxOf(t *testing.T) *Mailbox {
	mb := NewMailbox()
	require.NoError(t, mb.Close())
	return mb
}

// calls gives f everything that is wrong, each argument by itself while the others are the first of theirs, and then all at
// once. check sees the results.
func calls(t *testing.T, name string, f reflect.Value, mayWait bool, check func(args, out []reflect.Value)) {
	t.Helper()
	typ := f.Type()
	args := make([][]reflect.Value, typ.NumIn())
	most := 1
	for i := range args {
		args[i] = wrong(t, typ.In(i), mayWait)
		most = max(most, len(args[i]))
	}
	call := func(in []reflect.Value) {
		if out, ok := oneCall(t, name, f, in); ok {
			check(in, out)
		}
	}
	for vary := range max(len(args), 1) {
		for k := range most {
			in := make([]reflect.Value, len(args))
			for i := range in {
				in[i] = args[i][0]
				if i == vary {
					in[i] = args[i][min(k, len(args[i])-1)]
				}
			}
			call(in)
		}
	}
	for k := range most {
		in := make([]reflect.Value, len(args))
		for i := range in {
			in[i] = args[i][k%len(args[i])]
		}
		call(in)
	}
}

// oneCall makes a call, with what its results are for, and within a time.
func oneCall(t *testing.T, name string, f reflect.Value, in []reflect.Value) (out []reflect.Value, ok bool) {
	t.Helper()
	var failed string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				failed = fmt.Sprintf("panics: %v\n%s", p, debug.Stack())
			}
		}()
		if f.Type().IsVariadic() {
			out = f.CallSlice(in)
		} else {
			out = f.Call(in)
		}
		for _, v := range out {
			use(v)
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		failed = "does not return"
	}
	if failed == "" {
		return out, true
	}
	var texts []string
	for _, v := range in {
		texts = append(texts, fmt.Sprintf("%#v", v))
	}
	assert.Fail(t, name+"("+strings.Join(texts, ", ")+") "+failed)
	return nil, false
}

// use does with a result what callers do.
func use(v reflect.Value) {
	if v.Kind() == reflect.Func && !v.IsNil() && v.Type().NumIn() == 1 && v.Type().In(0).Kind() == reflect.Func {
		left := 3
		yield := reflect.MakeFunc(v.Type().In(0), func(in []reflect.Value) []reflect.Value {
			for _, v := range in {
				use(v)
			}
			left--
			return []reflect.Value{reflect.ValueOf(left > 0)}
		})
		v.Call([]reflect.Value{yield})
		return
	}
	switch r := v.Interface().(type) {
	case *Socket:
		_ = r.String()
		if r != nil && !r.Closed() {
			r.Close()
		}
	case error:
		_ = r.Error()
		_ = errors.Is(r, syscall.EINVAL)
		var e *InvalidError
		_ = errors.As(r, &e)
	case fmt.Stringer:
		_ = r.String()
	case Filter:
		if r != nil {
			r(nil)
			r(&Socket{})
		}
	case OpenOption:
		if r != nil {
			r(nil)
			r(&openConfig{})
		}
	case context.CancelFunc:
		r()
	}
}

// switches keeps the switches of the process as they are.
func switches(t *testing.T) {
	log, all, own, reg := traceLogger.Load(), globalDebug.Load(), socketDebug.Load(), useRegistry.Load()
	t.Cleanup(func() {
		SetLogger(log)
		DebugAll(all)
		SocketDebug(own)
		UseRegistry(reg)
	})
}

// zeroIsFine are the functions that take zero values and have something to answer.
var zeroIsFine = map[string]bool{
	"CountersFromMap": true, "LibraryInfoFromMap": true, "SocketInfoFromMap": true, "SocketRowFromMap": true, // missing keys are zero
	"ExtendedErrorFromMap": true, "TimestampsFromMap": true, "OpenOptionsFromMap": true,
	"RightsOf": true, "WhichSockets": true, "SocketRows": true, "WriteTable": true, "WriteRows": true, "ParseAddr": true, "ParseMsgFlags": true,
}

func TestZeroFunctions(t *testing.T) {
	switches(t)
	s, err := Open(Inet, Dgram, UDP, Registered(true)) // so that lists of sockets are not empty
	require.NoError(t, err)
	defer s.Close()
	for _, name := range slices.Sorted(maps.Keys(exportedFuncs)) {
		f := reflect.ValueOf(exportedFuncs[name])
		if name == "Adopt" { // 0 is a descriptor
			f = reflect.ValueOf(func(opts ...OpenOption) (*Socket, error) { return Adopt(-1, opts...) })
		}
		calls(t, name, f, true, func(in, out []reflect.Value) {
			if n := len(out); n > 0 && f.Type().Out(n-1) == reflect.TypeFor[error]() && !zeroIsFine[name] {
				assert.False(t, out[n-1].IsNil(), "%s%v answers success", name, in)
			}
		})
	}
}

// receivers lists what methods of a type are called on. open says which of them is open.
func receivers(t *testing.T, typ reflect.Type) (values []reflect.Value, open int) {
	values, open = []reflect.Value{reflect.New(typ.Elem()), reflect.Zero(typ)}, -1
	switch typ {
	case reflect.TypeFor[*Socket]():
		values = append(values, reflect.ValueOf(closedSocketOf(t)))
		open = len(values)
		for _, k := range []struct {
			domain Domain
			typ    Type
		}{{Inet, Stream}, {Inet, Dgram}, {Local, Stream}, {Local, Dgram}} {
			s, err := Open(k.domain, k.typ, Default, Registered(false))
			require.NoError(t, err)
			values = append(values, reflect.ValueOf(s))
		}
	case reflect.TypeFor[*Mailbox]():
		values = append(values, reflect.ValueOf(closedMailboxOf(t)))
		open = len(values)
		values = append(values, reflect.ValueOf(NewMailbox()))
	case reflect.TypeFor[*Handle]():
		var none *Mailbox
		values = append(values, reflect.ValueOf(none.NewHandle()), reflect.ValueOf(new(Mailbox).NewHandle()),
			reflect.ValueOf(closedMailboxOf(t).NewHandle()))
		open = len(values)
		values = append(values, reflect.ValueOf(NewMailbox().NewHandle()))
	case reflect.TypeFor[*Msg]():
		m := new(Msg)
		m.DecodeControl(nil)
		values = append(values, reflect.ValueOf(m))
	}
	return values, open
}

func TestZeroMethods(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(exportedTypes)) {
		typ := reflect.TypeOf(exportedTypes[name])
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			_, byValue := typ.Elem().MethodByName(m.Name)
			on, open := receivers(t, typ)
			for k, r := range on {
				if r.IsNil() && byValue {
					continue // Go itself panics
				}
				isOpen := open >= 0 && k >= open
				what := name + "." + m.Name
				f := r.Method(i)
				if r.IsNil() {
					what = "(*" + name + ")(nil)." + m.Name
				}
				calls(t, what, f, !isOpen, func(in, out []reflect.Value) {
					if !isOpen {
						answersClosed(t, name, m.Name, in, out)
					}
				})
			}
			for _, r := range on {
				if c, ok := r.Interface().(io.Closer); ok {
					c.Close()
				}
			}
		}
	}
}

// answersClosed checks the error of what a socket or mailbox that is not open was asked to do.
func answersClosed(t *testing.T, typ, method string, in, out []reflect.Value) {
	t.Helper()
	n := len(out)
	if typ != "Socket" && typ != "Mailbox" || n == 0 || out[n-1].Type() != reflect.TypeFor[error]() {
		return
	}
	err, _ := out[n-1].Interface().(error)
	if typ+"."+method == "Mailbox.Close" {
		assert.NoError(t, err, "it does nothing")
		return
	}
	var invalid *InvalidError
	ok := errors.As(err, &invalid) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled)
	assert.True(t, ok, "%s.%s%v answers %v", typ, method, in, err)
}

// TestZeroIsClosed says in words what the tests above find by trying.
func TestZeroIsClosed(t *testing.T) {
	var zero Socket
	for _, s := range []*Socket{&zero, nil} {
		_, err := s.Recv(make([]byte, 1), 0, Forever)
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, s.SetOptionNative(solTCP, syscall.TCP_NODELAY, true), net.ErrClosed)
		assert.ErrorIs(t, s.Close(), net.ErrClosed)
		assert.True(t, s.Closed())
		assert.Equal(t, "#Socket<0>", s.String())
		assert.Equal(t, []string{"closing", "closed"}, s.Info().RStates)
		assert.Equal(t, Counters{}, s.Counters())

		mb := NewMailbox()
		m, err := s.Monitor(mb)
		require.NoError(t, err)
		msg, ok := mb.Poll()
		assert.True(t, ok, "it is closed already")
		assert.Equal(t, DownMsg{m, ErrNoSocket}, msg)
		assert.NotContains(t, registry.all(), s)
	}

	var none Mailbox
	for _, mb := range []*Mailbox{&none, nil} {
		assert.True(t, mb.Closed())
		assert.NoError(t, mb.Close(), "closing again does nothing")
		_, err := mb.Receive(context.Background())
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = mb.ReceiveMatch(context.Background(), nil)
		assert.ErrorIs(t, err, net.ErrClosed)
		assert.ErrorIs(t, mb.Post(DownMsg{}), net.ErrClosed)
		select {
		case <-mb.Wake():
		default:
			assert.Fail(t, "a reader of Wake sleeps for ever")
		}
	}
	_, err := Open(Inet, Stream, TCP, Owner(&none))
	assert.ErrorIs(t, err, &InvalidError{What: "owner"})
	_, err = NewMailbox().Receive(nil) //nolint:staticcheck // this is what it is about
	assert.ErrorIs(t, err, &InvalidError{What: "timeout"})
	_, err = Open(Inet, Stream, TCP, nil)
	assert.ErrorIs(t, err, &InvalidError{What: "options"})
}

// TestZeroErrors has texts for errors whose fields are empty.
func TestZeroErrors(t *testing.T) {
	for want, err := range map[string]error{
		"<nil>": (*Error)(nil), "esock: ": &Error{}, "esock: recv on #Socket<0>": &Error{Op: "recv", Socket: &Socket{}},
		"invalid ": &InvalidError{}, "esock: none would block: selected": (*Select)(nil),
	} {
		assert.Equal(t, want, err.Error())
	}
	assert.Equal(t, "<nil>", (*InvalidError)(nil).Error())
	assert.False(t, errors.Is(&InvalidError{What: "x"}, (*InvalidError)(nil)))
	assert.False(t, errors.Is((*InvalidError)(nil), syscall.EINVAL))
	assert.False(t, (*Error)(nil).Timeout())
}
