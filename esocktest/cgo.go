package esocktest

/*
#cgo CFLAGS: -std=gnu11 -I${SRCDIR}/../csrc -I${SRCDIR}/../csrc/sim
#include <stdlib.h>
#include "esock_sim.h"
*/
import "C"

import (
	"syscall"
	"unsafe"

	_ "github.com/esock-go/esock/csrc/sim" // the simulation, compiled by the Go tool
	"github.com/esock-go/esock/internal/kernel"
)

// One Go function for each function of the simulation. esock_sim.h has the contract.

type (
	cSim   = C.esock_sim
	cTable = C.esock_sys
)

const (
	simFaults = C.ESOCK_SIM_FAULTS

	faultShortRead   = C.ESOCK_SIM_SHORT_READ
	faultShortWrite  = C.ESOCK_SIM_SHORT_WRITE
	faultInterrupted = C.ESOCK_SIM_EINTR
	faultNotReady    = C.ESOCK_SIM_EAGAIN
	faultSpurious    = C.ESOCK_SIM_SPURIOUS
	faultNoBuffers   = C.ESOCK_SIM_ENOBUFS
	faultNoMemory    = C.ESOCK_SIM_ENOMEM
	faultNoFiles     = C.ESOCK_SIM_EMFILE
	faultAborted     = C.ESOCK_SIM_ECONNABORTED
	faultReset       = C.ESOCK_SIM_RESET

	callSocket   = C.ESOCK_SIM_SOCKET
	callAccept   = C.ESOCK_SIM_ACCEPT
	callClose    = C.ESOCK_SIM_CLOSE
	callBind     = C.ESOCK_SIM_BIND
	callConnect  = C.ESOCK_SIM_CONNECT
	callListen   = C.ESOCK_SIM_LISTEN
	callShutdown = C.ESOCK_SIM_SHUTDOWN
	callOption   = C.ESOCK_SIM_OPTION
	callRecv     = C.ESOCK_SIM_RECV
	callSend     = C.ESOCK_SIM_SEND
)

func errnoOf(r C.int) error {
	if r >= 0 {
		return nil
	}
	return syscall.Errno(-r)
}

func cNew(seed uint64) (sim *cSim, err error) {
	r := C.esock_sim_new(&sim, C.uint64_t(seed))
	return sim, errnoOf(r)
}

func cFree(sim *cSim) (open int) { return int(C.esock_sim_free(sim)) }

func cWords(sim *cSim) *kernel.Words {
	return (*kernel.Words)(unsafe.Pointer(C.esock_sim_words_of(sim)))
}

// cHost returns nil if ip is not the address of a host.
func cHost(sim *cSim, ip string) *cTable {
	p := C.CString(ip)
	defer C.free(unsafe.Pointer(p))
	return C.esock_sim_host(sim, p)
}

// cLink takes a nil host for every host.
func cLink(sim *cSim, a, b *cTable, delay, jitter uint64, loss uint32, cut bool) error {
	p := C.esock_sim_path{delay_ns: C.uint64_t(delay), jitter_ns: C.uint64_t(jitter), loss: C.uint32_t(loss)}
	if cut {
		p.cut = 1
	}
	return errnoOf(C.esock_sim_link(sim, a, b, &p))
}

func cPair(host *cTable) (fd [2]int, err error) {
	var out [2]C.int
	r := C.esock_sim_socketpair(host, C.SOCK_STREAM|C.SOCK_CLOEXEC|C.SOCK_NONBLOCK, &out[0])
	return [2]int{int(out[0]), int(out[1])}, errnoOf(r)
}

func cUnlink(host *cTable, path string) error {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	return errnoOf(C.esock_sim_unlink(host, p))
}

func cChance(sim *cSim, fault int, per1000 uint) error {
	return errnoOf(C.esock_sim_chance(sim, C.enum_esock_sim_fault(fault), C.uint(per1000)))
}

func cScript(sim *cSim, call, fd int, skip uint, result int) error {
	return errnoOf(C.esock_sim_script(sim, C.enum_esock_sim_call(call), C.int(fd), C.uint(skip), C.int(result)))
}
