package esock

import (
	"slices"
	"syscall"
	"unsafe"

	"github.com/esock-go/esock/internal/corecall"
)

const opConnectX = "connectx"

// The calls of the core that packages sockopt, netdevice, sctp and netconn make: see package corecall. Each call holds a reference to the
// socket, so that it cannot close meanwhile.
func init() {
	corecall.GetOption = func(s any, row int, i int64, data []byte) (v int64, n, r int, err error) {
		socket := s.(*Socket).orClosed()
		if err = socket.ref(opGetOpt); err != nil {
			return 0, 0, 0, err
		}
		k := socket.simulated()
		k.enter()
		n, r = cGetOpt(socket.h, row, &i, data)
		socket.unref()
		k.leave()
		return i, n, r, nil
	}
	corecall.SetOption = func(s any, row int, i int64, data []byte, level, number int) (r int, err error) {
		socket := s.(*Socket).orClosed()
		if err = socket.ref(opSetOpt); err != nil {
			return 0, err
		}
		k := socket.simulated()
		k.enter()
		defer k.leave()
		defer socket.unref()
		if isLowat(level, number) {
			socket.mu.Lock()
			defer socket.mu.Unlock()
		}
		if r = cSetOpt(socket.h, row, i, data); r >= 0 {
			socket.optionWasSet(level, number)
		}
		return r, nil
	}
	corecall.GetOptions = func(s any, calls []corecall.OptionCall, data []byte) error {
		socket := s.(*Socket).orClosed()
		if err := socket.ref(opGetOpt); err != nil {
			return err
		}
		k := socket.simulated()
		k.enter()
		cGetOpts(socket.h, optionCalls(calls), data)
		socket.unref()
		k.leave()
		return nil
	}
	corecall.SetOptions = func(s any, calls []corecall.OptionCall, data []byte, level func(row int) (level, number int)) error {
		socket := s.(*Socket).orClosed()
		if err := socket.ref(opSetOpt); err != nil {
			return err
		}
		k := socket.simulated()
		k.enter()
		defer k.leave()
		defer socket.unref()
		if slices.ContainsFunc(calls, func(c corecall.OptionCall) bool { return isLowat(level(int(c.Row))) }) {
			socket.mu.Lock()
			defer socket.mu.Unlock()
		}
		cSetOpts(socket.h, optionCalls(calls), data)
		for i := range calls {
			if calls[i].Result >= 0 {
				socket.optionWasSet(level(int(calls[i].Row)))
			}
		}
		return nil
	}
	corecall.Accept = func(s, peer any) (any, error) {
		x := scratches.Get().(*scratch)
		defer x.free()
		c, w := call{op: OpAccept, addr: &x.addr}, Forever
		n, err := s.(*Socket).orClosed().accept(&c, &w)
		if err != nil {
			return nil, err
		}
		*peer.(*Addr) = addrFromC(&x.addr, Addr{})
		return n, nil
	}
	corecall.ConnectX = func(s, wait any, list []byte) error {
		socket, w := s.(*Socket).orClosed(), wait.(Wait)
		if socket.typ == Stream {
			return socket.connect(&call{op: OpConnect, ctrl: list}, &w)
		}
		if err := socket.ref(opConnectX); err != nil {
			return err
		}
		r := cConnectX(socket.h, list)
		socket.unref()
		if err := errnoOf(r); err != nil && err != syscall.EINPROGRESS {
			return socket.fail(opConnectX, err)
		}
		return nil
	}
	corecall.OptionTable = func() (int, uint64) { return cOptCount(), cOptHash() }
	corecall.OptionRoom = func(row int) (int, int) { return cOptMax(row), cOptMost(row) }
	corecall.OptionOffset = cOptOffset
	corecall.OptionFields = func(level, option string) map[string]corecall.OptionField {
		fields := map[string]corecall.OptionField{}
		cOptFields(level, option, func(name string, offset, size int) {
			fields[name] = corecall.OptionField{Offset: offset, Size: size}
		})
		return fields
	}
	corecall.Controls = func(data []byte) any { return controlMessages(data) }
	corecall.Request = func(s any, request int, name string, arg corecall.RequestArg) (corecall.RequestArg, error) {
		return s.(*Socket).request(request, name, arg)
	}
	corecall.Interfaces = func(s any) ([]corecall.InterfaceAddr, error) { return s.(*Socket).interfaces() }
	corecall.Requests = ioctlRows
}

// Both lists have the same numbers. This compares their ends; a test of package netdevice compares the rest.
var _ = [1]struct{}{}[(corecall.NumRequests^ioRequests)|(corecall.KeyIndex^ioKeyIndex)|
	(corecall.FormInfo^ioFormInfo)]

// Both structures have the same layout.
var _ = [1]struct{}{}[(unsafe.Sizeof(corecall.OptionCall{})^unsafe.Sizeof(cOptCall{}))|
	(unsafe.Offsetof(corecall.OptionCall{}.Len)^unsafe.Offsetof(cOptCall{}.len))|
	(unsafe.Offsetof(corecall.OptionCall{}.I)^unsafe.Offsetof(cOptCall{}.i))]

func optionCalls(calls []corecall.OptionCall) []cOptCall {
	return unsafe.Slice((*cOptCall)(unsafe.Pointer(unsafe.SliceData(calls))), len(calls))
}
